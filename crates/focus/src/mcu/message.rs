//! Messages and typing: in from one member, out to all others, with one report of those who did not get it.

use std::time::Instant;

use bytes::Bytes;
use c3p::diagnostics::ids;
use c3p::im::{ComposingState, Imdn, ImdnRecipient, IsComposing, KeyboardActivity};
use c3p::mime;
use sip_core::{Method, Request, ResponseDraft, ServerTransactionId};

use super::room::{Delivery, MemberId, Outgoing, RoomId};
use super::{McuCore, content};

impl McuCore {
    /// A MESSAGE of a member. 200 says that it is accepted for distribution, with its number.
    pub(super) fn on_message(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        at: (RoomId, MemberId),
        now: Instant,
    ) {
        let bounds = &self.config.bounds;
        let content_type = request.content_type().unwrap_or_default();
        let busy = self.rooms.get(&at.0).is_none_or(|room| room.deliveries.len() >= bounds.deliveries_max);
        if request.body().len() > bounds.message_bytes_max {
            return self.refuse(tx, request, 413, ids::INTERNAL_ERROR, now);
        }
        if !content::is_taken(content_type) {
            return self.refuse(tx, request, 415, ids::INTERNAL_ERROR, now);
        }
        if content::essence(content_type) == mime::IS_COMPOSING {
            let state = IsComposing::parse(request.body(), &self.limits).map(|body| body.state);
            let draft = ResponseDraft::to(request, 200);
            self.endpoint.respond(tx, draft, now);
            return match state {
                Ok(ComposingState::Active) => self.relay_typing(at, KeyboardActivity::Typing, now),
                Ok(ComposingState::Idle) => self.relay_typing(at, KeyboardActivity::Idle, now),
                Err(_) => {}
            };
        }
        if busy {
            return self.refuse(tx, request, 503, ids::SERVICE_UNAVAILABLE, now);
        }
        let message = self.distribute(at, content_type, request.body(), now);
        let draft = ResponseDraft::to(request, 200).header("Message-Id", message.to_string());
        self.endpoint.respond(tx, draft, now);
        self.pump_room(at.0, now);
        self.report_if_done(at.0, message, now);
    }

    /// Numbers a message and puts it into the outbox of each other member.
    fn distribute(&mut self, at: (RoomId, MemberId), content_type: &str, body: &Bytes, now: Instant) -> u64 {
        let (outbox_max, until) = (self.config.bounds.outbox_max, now + self.config.timers.delivery_hold);
        let Some(room) = self.rooms.get_mut(&at.0) else { return 0 };
        let sender = room.members.get(&at.1).map(|member| format!("<{}>", member.entity)).unwrap_or_default();
        room.last_message += 1;
        let message = room.last_message;
        let mut delivery = Delivery { sender: at.1, outstanding: 0, failed: Vec::new() };
        for (_, member) in room.members.iter_mut().filter(|(id, member)| **id != at.1 && member.confirmed) {
            match content::choose(content_type, body, &member.offer.accepts) {
                None => delivery.failed.push((member.entity.clone(), 415)),
                Some(_) if member.outbox.len() >= outbox_max => {
                    delivery.failed.push((member.entity.clone(), 503));
                }
                Some((content_type, body)) => {
                    let sender = sender.clone();
                    member.outbox.push_back(Outgoing { message, sender, content_type, body, until });
                    delivery.outstanding += 1;
                }
            }
        }
        room.deliveries.insert(message, delivery);
        message
    }

    fn pump_room(&mut self, room: RoomId, now: Instant) {
        let members: Vec<MemberId> =
            self.rooms.get(&room).map(|room| room.members.keys().copied().collect()).unwrap_or_default();
        for member in members {
            self.pump((room, member), now);
        }
    }

    /// The first message of a member's outbox is done with: delivered (2xx) or failed.
    pub(super) fn settle_first(&mut self, at: (RoomId, MemberId), status: u16, now: Instant) {
        let Some(room) = self.rooms.get_mut(&at.0) else { return };
        let Some(member) = room.members.get_mut(&at.1) else { return };
        let Some(first) = member.outbox.pop_front() else { return };
        let entity = member.entity.clone();
        if let Some(delivery) = room.deliveries.get_mut(&first.message) {
            delivery.outstanding = delivery.outstanding.saturating_sub(1);
            if status >= 300 {
                delivery.failed.push((entity, status));
            }
        }
        self.report_if_done(at.0, first.message, now);
    }

    /// When the last receiver is settled: one report to the sender, if anybody did not get it.
    fn report_if_done(&mut self, id: RoomId, message: u64, now: Instant) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.deliveries.get(&message).is_none_or(|delivery| delivery.outstanding > 0) {
            return;
        }
        let Some(delivery) = room.deliveries.remove(&message) else { return };
        if delivery.failed.is_empty() {
            return;
        }
        let source = self.config.name.clone();
        let recipient = |(entity, status): &(String, u16)| ImdnRecipient {
            uri: format!("<{entity}>"),
            status: Some(*status),
            entries: vec![("ms-diagnostics".to_owned(), diagnostics(*status, &source))],
        };
        let report = Imdn {
            message_id: message.to_string(),
            recipients: delivery.failed.iter().map(recipient).collect(),
        };
        if let Some((draft, _, target)) = self.request_to((id, delivery.sender), Method::Benotify) {
            self.endpoint.send_oneway(draft.body(mime::IMDN, report.write()), target, now);
        }
    }

    /// INFO: typing is relayed, all else is only answered (a client drops its call over some failures).
    pub(super) fn on_info(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        at: (RoomId, MemberId),
        now: Instant,
    ) {
        let typed = request.content_type().is_some_and(|value| mime::is(value, mime::KEYBOARD_ACTIVITY));
        let activity = KeyboardActivity::parse(request.body(), &self.limits).ok().filter(|_| typed);
        let draft = ResponseDraft::to(request, 200);
        self.endpoint.respond(tx, draft, now);
        if let Some(activity) = activity {
            self.relay_typing(at, activity, now);
        }
    }

    /// Tells the other members, at most once per sender and interval. Nobody waits for it.
    fn relay_typing(&mut self, at: (RoomId, MemberId), activity: KeyboardActivity, now: Instant) {
        let gap = self.config.timers.typing;
        let Some(sender) = self.member_mut(at) else { return };
        if sender.typed.is_some_and(|last| now < last + gap) {
            return;
        }
        sender.typed = Some(now);
        let name = format!("<{}>", sender.entity);
        let Some(room) = self.rooms.get(&at.0) else { return };
        let others = room.members.iter().filter(|(id, member)| **id != at.1 && member.confirmed);
        let reachable = others.filter(|(_, member)| member.way.blocked_until.is_none());
        for member in reachable.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some((draft, _, target)) = self.request_to((at.0, member), Method::Info) {
                let draft =
                    draft.header("Ms-Sender", name.as_str()).body(mime::KEYBOARD_ACTIVITY, activity.write());
                let tx = self.endpoint.send_request(draft, target, now);
                self.endpoint.abandon(tx);
            }
        }
    }
}

fn diagnostics(status: u16, source: &str) -> String {
    let diagnostics = c3p::diagnostics::Diagnostics::new(ids::IM_RECIPIENT_TIMEOUT);
    diagnostics.with_reason(sip_core::default_reason(status)).with_source(source).to_string()
}
