//! The calls: INVITE, ACK, session refresh, recovery UPDATE, BYE in both directions.

use std::time::{Duration, Instant};

use c3p::diagnostics::{Diagnostics, HEADER, ids};
use c3p::mime;
use sip_core::header::SessionExpires;
use sip_core::{Dialog, Method, Request, Response, ResponseDraft, ServerTransactionId};

use super::room::{Authorized, Member, MemberId, RoomId, Session, Way, canonical_user};
use super::sdp::Offer;
use super::way::Step;
use super::{ALLOW, McuCore, Purpose, SUPPORTED};

/// Why the MCU ends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A presenter removed the user.
    Removed,
    /// The conference is over.
    Ended,
    /// The MCU gives the conference away.
    FailingOver,
    /// No Focus came back for the conference.
    NoFocus,
    /// The same device called again.
    Replaced,
    /// The 200 was never acknowledged.
    NotConfirmed,
    /// The client gave no sign of life.
    Expired,
}

impl Ending {
    fn diagnostics(self) -> (u32, &'static str) {
        match self {
            Self::Removed => (ids::REMOVED, "Removed by a presenter"),
            Self::Ended => (ids::CONFERENCE_ENDED, "The conference has ended"),
            Self::FailingOver => (ids::MCU_FAILING_OVER, "The MCU is failing over"),
            Self::NoFocus => (ids::NO_OWNER, "No front end owns the conference"),
            Self::Replaced => (ids::REPLACED, "Replaced by another call of this device"),
            Self::NotConfirmed => (ids::SESSION_EXPIRED, "The call was not acknowledged"),
            Self::Expired => (ids::SESSION_EXPIRED, "The session was not refreshed"),
        }
    }
}

/// A call with nothing wrong in it.
struct Admitted {
    room: RoomId,
    entity: String,
    display: Option<String>,
    offer: Offer,
}

impl McuCore {
    /// A call that a front end let through.
    pub(super) fn on_invite(&mut self, tx: ServerTransactionId, request: &Request, now: Instant) {
        match self.admit(request, now) {
            Ok(admitted) => self.accept(tx, request, admitted, now),
            Err((status, id)) => {
                let minimum = self.config.timers.session_minimum.as_secs();
                if status == 422 {
                    let draft = ResponseDraft::to(request, 422).header("Min-SE", minimum.to_string());
                    return self.endpoint.respond(tx, draft, now);
                }
                self.refuse(tx, request, status, id, now);
            }
        }
    }

    /// Everything that can be wrong with a call, before anything is changed: status and diagnostics id.
    fn admit(&self, request: &Request, now: Instant) -> Result<Admitted, (u16, u32)> {
        let by_uri = self.room_of(request.uri().as_str());
        let id =
            by_uri.or_else(|| self.room_of(request.to().uri().as_str())).ok_or((404, ids::C3P_MCU_URI))?;
        let bounds = &self.config.bounds;
        let Some(room) = self.rooms.get(&id) else { return Err((404, ids::C3P_MCU_URI)) };
        let user = canonical_user(request.from().uri());
        let authorized = room.authorized.get(&user).filter(|one| one.until > now);
        let Authorized { entity, display, .. } = authorized.ok_or((403, ids::C3P_AUTHORIZATION))?;
        if room.members.len() >= bounds.members_max || self.lease.is_draining() {
            return Err((503, ids::SERVICE_UNAVAILABLE));
        }
        if !request.content_type().is_some_and(|value| mime::is(value, mime::SDP)) {
            return Err((415, ids::INTERNAL_ERROR));
        }
        let port = self.listener().addr.port();
        let offer = Offer::read(self.config.mcu, request.body(), &room.uri, port, bounds.accept_types_max);
        let offer = offer.ok_or((488, ids::AV_SDP_NOT_PARSABLE))?;
        if wished_interval(request).is_some_and(|wish| wish < self.config.timers.session_minimum) {
            return Err((422, ids::INTERNAL_ERROR));
        }
        Ok(Admitted { room: id, entity: entity.clone(), display: display.clone(), offer })
    }

    fn accept(&mut self, tx: ServerTransactionId, request: &Request, admitted: Admitted, now: Instant) {
        let Admitted { room, entity, display, offer } = admitted;
        let tag = self.endpoint.new_token();
        let Ok(dialog) = Dialog::uas(request, &tag) else {
            return self.refuse(tx, request, 400, ids::INTERNAL_ERROR, now);
        };
        let user = canonical_user(request.from().uri());
        let contact = request.contact().unwrap_or(request.from()).uri().to_string();
        let epid = request.from().param("epid").map(str::to_owned);
        self.replace_call(room, &user, epid.as_deref(), &contact, now);
        self.last_id += 1;
        let (member, device) = (self.last_id, guid(&self.endpoint.new_token()));
        let interval = self.granted_interval(request);
        let new = Member {
            entity,
            user: user.clone(),
            display,
            epid,
            contact,
            device,
            dialog,
            offer,
            confirmed: false,
            way: Way::default(),
            session: Session { interval, due: now, asking: false },
            outbox: Default::default(),
            in_flight: None,
            typed: None,
        };
        let draft = self.accepted(request, room, &new, interval);
        self.dialogs.insert(new.dialog.id().clone(), (room, member));
        if let Some(found) = self.rooms.get_mut(&room) {
            found.authorized.remove(&user);
            found.members.insert(member, new);
        }
        self.endpoint.respond(tx, draft, now);
        self.wake(room, now + self.config.timers.unconfirmed);
    }

    fn accepted(
        &self,
        request: &Request,
        id: RoomId,
        new: &Member,
        interval: Option<Duration>,
    ) -> ResponseDraft {
        let draft = ResponseDraft::to(request, 200).to_tag(&new.dialog.id().local_tag).header("Allow", ALLOW);
        let Some(room) = self.rooms.get(&id) else { return draft };
        let answer = new.offer.answer(self.listener().addr);
        with_timer(draft.header("Contact", self.contact(room)).header("Supported", SUPPORTED), interval)
            .body(mime::SDP, answer)
    }

    /// The same device has one call; an older one, whose end was lost, goes.
    fn replace_call(&mut self, room: RoomId, user: &str, epid: Option<&str>, contact: &str, now: Instant) {
        let Some(found) = self.rooms.get(&room) else { return };
        let same = |member: &Member| {
            member.user == user
                && (member.contact == contact || epid.is_some() && member.epid.as_deref() == epid)
        };
        let old: Vec<MemberId> =
            found.members.iter().filter(|(_, member)| same(member)).map(|(id, _)| *id).collect();
        for member in old {
            self.end_call((room, member), &Ending::Replaced, now);
        }
    }

    /// The ACK, or any other request in the dialog: the member is in, and the owner hears of it.
    pub(super) fn confirm(&mut self, at: (RoomId, MemberId), now: Instant) {
        let liveness = self.config.timers.liveness;
        let Some(room) = self.rooms.get_mut(&at.0) else { return };
        let Some(member) = room.members.get_mut(&at.1) else { return };
        member.confirmed = true;
        member.session.due = now + member.session.interval.map_or(liveness, patience);
        let (user, entity, due) = (member.user.clone(), member.entity.clone(), member.session.due);
        room.changed(&user, &entity);
        self.wake(at.0, due);
        self.tell_owner(at.0, now);
    }

    /// UPDATE: session refresh, target refresh, and with Record-Route the repair of the route (section 4.5).
    pub(super) fn on_update(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        at: (RoomId, MemberId),
        now: Instant,
    ) {
        let minimum = self.config.timers.session_minimum;
        if wished_interval(request).is_some_and(|wish| wish < minimum) {
            let draft = ResponseDraft::to(request, 422).header("Min-SE", minimum.as_secs().to_string());
            return self.endpoint.respond(tx, draft, now);
        }
        let (interval, liveness) = (self.granted_interval(request), self.config.timers.liveness);
        let Some(contact) = self.rooms.get(&at.0).map(|room| self.contact(room)) else { return };
        let Some(member) = self.member_mut(at) else { return };
        member.dialog.refresh_target(request.contact());
        member.session = Session {
            interval,
            due: now + interval.map_or(liveness, patience),
            asking: member.session.asking,
        };
        let due = member.session.due;
        let draft = ResponseDraft::to(request, 200).header("Contact", contact).header("Supported", SUPPORTED);
        self.endpoint.respond(tx, with_timer(draft, interval), now);
        self.wake(at.0, due);
    }

    /// The client leaves.
    pub(super) fn on_bye(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        at: (RoomId, MemberId),
        now: Instant,
    ) {
        let draft = ResponseDraft::to(request, 200);
        self.endpoint.respond(tx, draft, now);
        self.drop_call(at, now);
    }

    /// Ends a call with a BYE that says why, by the best way there is, and forgets it.
    pub(super) fn end_call(&mut self, at: (RoomId, MemberId), ending: &Ending, now: Instant) {
        let (id, reason) = ending.diagnostics();
        let diagnostics = Diagnostics::new(id).with_reason(reason).with_source(self.config.name.clone());
        if let Some((draft, _, target)) = self.request_to(at, Method::Bye) {
            let draft = draft.header(HEADER, diagnostics.to_string());
            let tx = self.endpoint.send_request(draft, target, now);
            // Best effort: the call is over here whatever the answer.
            self.endpoint.abandon(tx);
        }
        self.drop_call(at, now);
    }

    /// Forgets a call; what was on its way to it has failed, and the owner hears of it.
    pub(super) fn drop_call(&mut self, at: (RoomId, MemberId), now: Instant) {
        while self.member_mut(at).is_some_and(|member| !member.outbox.is_empty()) {
            self.settle_first(at, 481, now);
        }
        let Some(room) = self.rooms.get_mut(&at.0) else { return };
        let Some(member) = room.members.remove(&at.1) else { return };
        self.dialogs.remove(member.dialog.id());
        if let Some(tx) = member.in_flight {
            self.sent.remove(&tx);
            self.endpoint.abandon(tx);
        }
        if member.confirmed {
            room.changed(&member.user, &member.entity);
            self.tell_owner(at.0, now);
        }
    }

    /// The session interval is over, or a client without timer was silent for long: one request of our own.
    pub(super) fn ask_for_life(&mut self, at: (RoomId, MemberId), now: Instant) {
        let retry = now + self.config.timers.liveness;
        let Some(member) = self.member_mut(at) else { return };
        let interval = member.session.interval;
        member.session.asking = true;
        member.session.due = retry;
        let method = if interval.is_some() { Method::Update } else { Method::Options };
        let Some((draft, step, target)) = self.request_to(at, method) else {
            return self.end_call(at, &Ending::Expired, now);
        };
        let draft = match interval {
            Some(interval) => {
                draft.header("Session-Expires", format!("{};refresher=uas", interval.as_secs()))
            }
            None => draft,
        };
        let tx = self.endpoint.send_request(draft, target, now);
        debug_assert_ne!(step, Step::Owner);
        self.sent.insert(tx, (Purpose::Refresh(at.0, at.1), step));
    }

    /// What came of it: any answer of the client but 481 is life.
    pub(super) fn on_refresh_answer(
        &mut self,
        at: (RoomId, MemberId),
        response: Option<&Response>,
        now: Instant,
    ) {
        let liveness = self.config.timers.liveness;
        let Some(member) = self.member_mut(at) else { return };
        let asked = std::mem::replace(&mut member.session.asking, false);
        match response.map(Response::status) {
            Some(200..=299 | 405 | 501) => {
                member.session.due = now + member.session.interval.map_or(liveness, patience);
                let due = member.session.due;
                self.wake(at.0, due);
            }
            Some(481) => self.drop_call(at, now),
            // It came back by itself meanwhile.
            _ if !asked || member.session.due > now + liveness => {}
            _ => self.end_call(at, &Ending::Expired, now),
        }
    }

    fn granted_interval(&self, request: &Request) -> Option<Duration> {
        let timers = &self.config.timers;
        let wish = wished_interval(request);
        let supported = wish.is_some() || request.supports("timer");
        supported.then(|| wish.unwrap_or(timers.session_interval).min(timers.session_interval))
    }
}

/// The session interval that a request asks for; what cannot be read asks for nothing.
fn wished_interval(request: &Request) -> Option<Duration> {
    let wish = request.header::<SessionExpires>().ok().flatten()?;
    Some(Duration::from_secs(wish.seconds.into()))
}

/// How long the side that does not refresh waits (RFC 4028 section 10): interval less min(32 s, a third).
fn patience(interval: Duration) -> Duration {
    interval - Duration::from_secs(32).min(interval / 3)
}

/// Session timer headers of a 2xx: the client refreshes.
fn with_timer(draft: ResponseDraft, interval: Option<Duration>) -> ResponseDraft {
    match interval {
        None => draft,
        Some(interval) => draft
            .header("Require", "timer")
            .header("Session-Expires", format!("{};refresher=uac", interval.as_secs())),
    }
}

/// 32 hexadecimal digits as a GUID in braces.
fn guid(token: &str) -> String {
    let digit = |range: std::ops::Range<usize>| token.get(range).unwrap_or_default().to_ascii_uppercase();
    format!("{{{}-{}-{}-{}-{}}}", digit(0..8), digit(8..12), digit(12..16), digit(16..20), digit(20..32))
}
