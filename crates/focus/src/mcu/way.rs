//! The way to a member: its flow, else the first hop of its route set, else any front end, which knows its GRUU.
//!
//! A request that surely did not arrive takes the next way at once. One whose fate is unknown does not: a message must
//! not come twice. When no way is left the member's messages wait for a while, because the client may be repairing its
//! route at this very moment; its first request in the dialog opens the way again.

use std::time::Instant;

use sip_core::{
    FlowId, ListenAddr, Method, NameAddr, Request, RequestDraft, Response, Target, TransactionError,
};

use super::room::{Member, MemberId, RoomId};
use super::{McuCore, Purpose, SUPPORTED, call, target};
use crate::proxy::target_of;

/// The way that a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The flow of the dialog's last request.
    Flow,
    /// The first hop of the route set, or the remote target itself.
    Route,
    /// A front end, by the client's GRUU.
    FrontEnd(ListenAddr),
    /// Not to a member: to the owner.
    Owner,
}

/// The front ends that can be asked to forward.
#[derive(Debug, Default)]
pub(super) struct FrontEnds {
    alive: Vec<ListenAddr>,
    /// All of the last list.
    known: Vec<ListenAddr>,
}

impl FrontEnds {
    /// Takes the newest list: those that refused before get another chance. Gives those that are new.
    pub(super) fn learn(&mut self, front_ends: Vec<ListenAddr>) -> Vec<ListenAddr> {
        let before = std::mem::replace(&mut self.known, front_ends.clone());
        self.alive = front_ends;
        self.alive.iter().filter(|one| !before.contains(one)).copied().collect()
    }

    /// Whether one is in the last list.
    pub(super) fn knows(&self, front_end: ListenAddr) -> bool {
        self.known.contains(&front_end)
    }

    /// One refused; it is left out until the list is read again.
    fn refused(&mut self, front_end: ListenAddr) {
        self.alive.retain(|one| *one != front_end);
    }

    fn first(&self) -> Option<ListenAddr> {
        self.alive.first().copied()
    }
}

impl McuCore {
    /// A request of a member came: its flow is the way to it, and whatever blocked it is over.
    ///
    /// The flow counts only if the element at its other end is in the route set. One that just passes on the recovery
    /// UPDATE of a client, a front end, would take our requests for a client's.
    pub(super) fn touch(&mut self, at: (RoomId, MemberId), flow: FlowId, request: &Request, now: Instant) {
        let liveness = self.config.timers.liveness;
        let Some(member) = self.member_mut(at) else { return };
        if *request.method() == Method::Update {
            member.dialog.replace_route_from_request(request);
        }
        let elements = request.headers().values("Via").count().saturating_sub(1);
        member.way.flow = (elements == member.dialog.route_set().len()).then_some(flow);
        member.way.route_dead = false;
        member.way.blocked_until = None;
        if member.session.interval.is_none() {
            member.session.due = now + liveness;
        }
        if !member.confirmed {
            self.confirm(at, now);
        }
    }

    /// The best way to a member at this moment.
    fn step_to(&self, member: &Member) -> Option<(Step, Target)> {
        if let Some(flow) = member.way.flow.filter(|flow| self.endpoint.flow_info(*flow).is_some()) {
            return Some((Step::Flow, Target::Flow(flow)));
        }
        let next = member.dialog.route_set().first().map_or(member.dialog.remote_target(), NameAddr::uri);
        if let Some(next) = target_of(next).filter(|_| !member.way.route_dead) {
            return Some((Step::Route, next));
        }
        self.front_ends.first().map(|one| (Step::FrontEnd(one), target(one)))
    }

    /// A request to a member by its best way, with the headers that all of them have; not sent yet.
    pub(super) fn request_to(
        &mut self,
        (room, id): (RoomId, MemberId),
        method: Method,
    ) -> Option<(RequestDraft, Step, Target)> {
        let member = self.rooms.get(&room)?.members.get(&id)?;
        let (step, target) = self.step_to(member)?;
        let contact = self.contact(self.rooms.get(&room)?);
        let member = self.member_mut((room, id))?;
        let draft = match step {
            Step::Flow | Step::Route | Step::Owner => member.dialog.request(method),
            Step::FrontEnd(_) => member.dialog.request_off_route(method),
        };
        Some((draft.header("Contact", contact).header("Supported", SUPPORTED), step, target))
    }

    /// Sends the first message of a member's outbox, if nothing is in flight and the way is open.
    pub(super) fn pump(&mut self, at: (RoomId, MemberId), now: Instant) {
        let Some(member) = self.member_mut(at) else { return };
        let busy = member.in_flight.is_some() || member.way.repairing || !member.confirmed;
        if busy || member.way.blocked_until.is_some_and(|until| until > now) {
            return;
        }
        let Some(next) = member.outbox.front().cloned() else { return };
        let Some((draft, step, target)) = self.request_to(at, Method::Message) else {
            return self.block(at, now);
        };
        let draft = draft
            .header("Ms-Sender", next.sender)
            .header("Message-Id", next.message.to_string())
            .body(&next.content_type, next.body);
        let tx = self.endpoint.send_request(draft, target, now);
        self.sent.insert(tx, (Purpose::Message(at.0, at.1), step));
        if let Some(member) = self.member_mut(at) {
            member.in_flight = Some(tx);
        }
    }

    /// A final answer to one of our requests.
    pub(super) fn on_answer(&mut self, purpose: Purpose, response: &Response, now: Instant) {
        match purpose {
            Purpose::Notify(room) => self.on_notify_answer(room, response, now),
            Purpose::Message(room, member) => self.on_message_answer((room, member), response, now),
            Purpose::Refresh(room, member) => self.on_refresh_answer((room, member), Some(response), now),
            Purpose::Repair(room, member) => self.on_repair_answer((room, member), response, now),
        }
    }

    /// One of our requests ended without an answer.
    pub(super) fn on_no_answer(
        &mut self,
        purpose: Purpose,
        step: Step,
        error: TransactionError,
        now: Instant,
    ) {
        let undelivered =
            matches!(error, TransactionError::Unreachable { .. } | TransactionError::Overloaded);
        match (purpose, step) {
            (
                Purpose::Message(room, member)
                | Purpose::Refresh(room, member)
                | Purpose::Repair(room, member),
                Step::Route,
            ) if undelivered => {
                if let Some(member) = self.member_mut((room, member)) {
                    member.way.route_dead = true;
                }
            }
            (_, Step::FrontEnd(front_end)) if undelivered => self.front_ends.refused(front_end),
            _ => {}
        }
        match purpose {
            Purpose::Notify(room) => self.on_notify_failed(room, error, now),
            Purpose::Message(room, member) => {
                let at = (room, member);
                if let Some(member) = self.member_mut(at) {
                    member.in_flight = None;
                }
                if !undelivered {
                    self.settle_first(at, 408, now);
                }
                self.pump(at, now);
            }
            Purpose::Refresh(room, member) => self.on_refresh_answer((room, member), None, now),
            Purpose::Repair(room, member) => {
                if let Some(member) = self.member_mut((room, member)) {
                    member.way.repairing = false;
                }
                self.block((room, member), now);
            }
        }
    }

    fn on_message_answer(&mut self, at: (RoomId, MemberId), response: &Response, now: Instant) {
        let Some(member) = self.member_mut(at) else { return };
        member.in_flight = None;
        match response.status() {
            481 => {
                self.drop_call(at, now);
            }
            // Not delivered: the route is broken. Ours to repair, unless only the client can.
            430 => {
                let action = response.headers().get("P-Dialog-Recovery-Action").unwrap_or_default();
                if action.to_ascii_lowercase().contains("wait-for-session-update") {
                    self.block(at, now);
                } else {
                    self.repair(at, now);
                }
            }
            // A front end that does not know the client now, or a hop with nothing behind it.
            404 | 410 | 480 | 503 | 504 => self.block(at, now),
            status => self.settle_first(at, status, now),
        }
        self.pump(at, now);
    }

    /// Sends the recovery UPDATE (recovery-on-the-wire section 4.1): without route set, through a front end.
    fn repair(&mut self, at: (RoomId, MemberId), now: Instant) {
        let interval = self.config.timers.session_interval.as_secs();
        let front_end = self.front_ends.first();
        let contact = self.rooms.get(&at.0).map(|room| self.contact(room));
        let (Some(front_end), Some(contact)) = (front_end, contact) else { return self.block(at, now) };
        let Some(member) = self.member_mut(at) else { return };
        if std::mem::replace(&mut member.way.repairing, true) {
            return;
        }
        let draft = member
            .dialog
            .request_off_route(Method::Update)
            .header("Contact", contact)
            .header("Supported", SUPPORTED)
            .header("Session-Expires", format!("{interval};refresher=uas"));
        let tx = self.endpoint.send_request(draft, target(front_end), now);
        self.sent.insert(tx, (Purpose::Repair(at.0, at.1), Step::FrontEnd(front_end)));
    }

    fn on_repair_answer(&mut self, at: (RoomId, MemberId), response: &Response, now: Instant) {
        let Some(member) = self.member_mut(at) else { return };
        member.way.repairing = false;
        match response.status() {
            // 405, 501: alive without UPDATE; its answer tells the route all the same.
            200..=299 | 405 | 501 => {
                member.dialog.replace_route_from_response(response);
                member.dialog.refresh_target(response.contact());
                // The answer came through a front end; from now on the new route says where to.
                member.way.flow = None;
                member.way.route_dead = false;
                member.way.blocked_until = None;
                self.pump(at, now);
            }
            481 => self.drop_call(at, now),
            _ => self.block(at, now),
        }
    }

    /// No way now: the next try is a while away, unless the client comes back before.
    fn block(&mut self, at: (RoomId, MemberId), now: Instant) {
        let until = now + self.config.timers.delivery_retry;
        let Some(member) = self.member_mut(at) else { return };
        member.way.blocked_until = Some(until);
        // Another try begins with the route again.
        member.way.route_dead = false;
        self.wake(at.0, until);
    }

    /// What is due for the members of one conference.
    pub(super) fn members_timeout(&mut self, room: RoomId, now: Instant) {
        let unconfirmed = self.config.timers.unconfirmed;
        let members: Vec<MemberId> =
            self.rooms.get(&room).map(|room| room.members.keys().copied().collect()).unwrap_or_default();
        for member in members {
            let at = (room, member);
            let Some(member) = self.member_mut(at) else { continue };
            if !member.confirmed {
                if now >= member.session.due + unconfirmed {
                    self.end_call(at, &call::Ending::NotConfirmed, now);
                }
                continue;
            }
            let overdue = now >= member.session.due && !member.session.asking;
            if overdue {
                self.ask_for_life(at, now);
            }
            self.expire_outbox(at, now);
            if let Some(member) = self.member_mut(at)
                && member.way.blocked_until.is_some_and(|until| until <= now)
            {
                member.way.blocked_until = None;
                self.pump(at, now);
            }
        }
    }

    /// Messages that waited too long for a way have failed.
    fn expire_outbox(&mut self, at: (RoomId, MemberId), now: Instant) {
        while let Some(member) = self.member_mut(at)
            && member.in_flight.is_none()
            && member.way.blocked_until.is_some()
            && member.outbox.front().is_some_and(|first| first.until <= now)
        {
            self.settle_first(at, 430, now);
        }
    }
}
