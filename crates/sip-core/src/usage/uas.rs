//! INVITEs of theirs: ringing, reliable provisional responses, the final answer, its ACK (RFC 3261 section 13.3, RFC 3262).

use super::sending::{Asked, Open, ServerUse};
use super::table::{LatePrack, Offer};
use super::*;
use crate::NameAddr;
use crate::header::{RAck, Require};

/// RFC 3262 section 3: the first RSeq is below 2^31.
const FIRST_RSEQ_BELOW: u64 = (1 << 31) - 1;

/// RFC 3261 section 13.3.1.1: proxies give up a call of which they hear nothing for three minutes.
const AGAIN_EVERY: Duration = Duration::from_secs(60);

/// An INVITE without final answer.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) tx: ServerTransactionId,
    request: Request,
    /// When the user has taken too long.
    by: Instant,
    /// The reliable response whose PRACK is to come.
    unacked: Option<Unacked>,
    /// Those that wait for it.
    queue: VecDeque<(ResponseDraft, bool)>,
    /// The 2xx that waits for it.
    held: Option<ResponseDraft>,
    next_rseq: u32,
    /// The last plain provisional response, and when to say it again.
    said: Option<(ResponseDraft, Instant)>,
}

/// A reliable provisional response under way.
#[derive(Debug)]
struct Unacked {
    draft: ResponseDraft,
    rseq: u32,
    /// It carries an offer or an answer.
    session: bool,
    at: Instant,
    gap: Duration,
    until: Instant,
}

impl Ringing {
    pub(super) fn deadline(&self) -> Instant {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.at.min(unacked.until));
        let said = self.said.as_ref().map(|(_, at)| *at);
        [unacked, said].into_iter().flatten().fold(self.by, Instant::min)
    }

    /// Whether a reliable response with an offer or answer has no PRACK: the 2xx waits for it (RFC 3262 section 3).
    fn describes(&self) -> bool {
        self.unacked.as_ref().is_some_and(|unacked| unacked.session)
            || self.queue.iter().any(|(_, session)| *session)
    }
}

impl Usages {
    /// Says how far an INVITE of theirs is: 180, 183, ...
    ///
    /// - `reliable`: to be acknowledged by a PRACK (RFC 3262); always so if the INVITE requires it. An offer or answer counts
    ///   as one only in a reliable response. One at a time: more wait for the PRACK of the one before.
    ///
    /// # Errors
    ///
    /// [`Refused::Argument`] for another status, [`Refused::WrongState`] after `accept`, [`Refused::NotSupported`] without
    /// `100rel` at the other end, [`Refused::OfferPending`], [`Refused::Full`].
    pub fn ring(
        &mut self,
        id: InviteId,
        status: u16,
        payload: Payload,
        reliable: bool,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        if !(101..200).contains(&status) {
            return Err(Refused::Argument);
        }
        let session = payload.is_session(&self.config);
        let (key, ringing) = self.ringing(id)?;
        if ringing.held.is_some() {
            return Err(Refused::WrongState);
        }
        let required = ringing.request.requires("100rel");
        let reliable = reliable || required;
        if reliable && !required && !ringing.request.supports("100rel") {
            return Err(Refused::NotSupported);
        }
        let full = ringing.queue.len() >= self.config.max_queued;
        let (tx, request) = (ringing.tx, ringing.request.clone());
        if reliable && full {
            return Err(Refused::Full);
        }
        if reliable && session {
            self.describes(key)?;
        }
        let draft = self.answer_in(key, &request, status);
        let draft = payload.into_response(draft);
        let cx = &mut Cx { ep, now };
        if !reliable {
            cx.respond(tx, draft.clone());
            if let Some(ringing) = self.ringing_mut(id) {
                ringing.said = Some((draft, now + AGAIN_EVERY));
            }
            self.settle(id);
            return Ok(());
        }
        if let Some(ringing) = self.ringing_mut(id) {
            ringing.queue.push_back((draft.header("Require", "100rel"), session));
        }
        self.next_reliable(id, cx);
        Ok(())
    }

    /// Accepts an INVITE of theirs with 200. The payload is the answer, or the offer if the INVITE had none.
    ///
    /// While a reliable provisional response with an offer or answer waits for its PRACK the 200 waits, too.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] when it was answered, [`Refused::OfferPending`] for a body that would be a second offer.
    pub fn accept(
        &mut self,
        id: InviteId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let session = payload.is_session(&self.config);
        let (key, ringing) = self.ringing(id)?;
        if ringing.held.is_some() {
            return Err(Refused::WrongState);
        }
        let request = ringing.request.clone();
        let waits = ringing.describes();
        if session {
            self.describes(key)?;
        }
        let cx = &mut Cx { ep, now };
        let draft = payload.into_response(self.able_in(key, &request, 200));
        let config = self.config.session;
        let timer =
            config.and_then(|config| SessionTimer::from_request(&request, &config, now).ok().flatten());
        let draft = timer.as_ref().map_or(draft.clone(), |timer| timer.answer(draft));
        if let Some(entry) = self.dialogs.get_mut(key)
            && entry.offer() == Offer::Theirs
            && !entry.talk().their_prack.is_some_and(|tx| cx.ep.is_unanswered(tx))
        {
            // A call without media: the offer is declined by silence.
            entry.talk().offer = Offer::Stable;
        }
        if let Some(invite) = self.invites.get_mut(id.0) {
            invite.session = timer.map(Box::new);
        }
        let waits =
            waits || self.dialogs.get_mut(key).is_some_and(|entry| entry.talk().their_prack.is_some());
        match self.ringing_mut(id).filter(|_| waits) {
            Some(ringing) => ringing.held = Some(draft),
            None => self.send_success(id, draft, cx),
        }
        Ok(())
    }

    /// Refuses an INVITE of theirs: 300 to 699. `Ended` follows.
    ///
    /// # Errors
    ///
    /// [`Refused::Argument`] for another status; [`Refused::WrongState`] when it was answered.
    pub fn reject(
        &mut self,
        id: InviteId,
        status: u16,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        if !(300..700).contains(&status) {
            return Err(Refused::Argument);
        }
        self.ringing(id)?;
        self.refuse_invite(id, status, payload, Cause::LocalReject { status }, &mut Cx { ep, now });
        Ok(())
    }

    /// Sends the caller elsewhere: 302 with these Contacts.
    ///
    /// # Errors
    ///
    /// As [`Self::reject`]; [`Refused::Argument`] without a target.
    pub fn redirect(
        &mut self,
        id: InviteId,
        targets: &[NameAddr],
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        if targets.is_empty() {
            return Err(Refused::Argument);
        }
        let add = |payload: Payload, target: &NameAddr| payload.header("Contact", target.to_string());
        self.reject(id, 302, targets.iter().fold(Payload::none(), add), ep, now)
    }

    /// An INVITE outside of dialogs.
    pub(super) fn on_invite(
        &mut self,
        tx: ServerTransactionId,
        flow: FlowId,
        request: Request,
        cx: &mut Cx<'_>,
    ) {
        if let Some(draft) = self.refusal(&request, cx) {
            return cx.respond(tx, draft);
        }
        let tag = cx.ep.new_token();
        let Ok(dialog) = Dialog::uas(&request, &tag) else {
            return cx.respond(tx, ResponseDraft::bad_request(&request, "No dialog can be made"));
        };
        let key = self.dialogs.insert(&dialog, Some(flow));
        let offer = if self.has_session(&request) { Offer::Theirs } else { Offer::Stable };
        let by = cx.now + self.config.ring_within.min(cx.ep.config().answer_within * 9 / 10);
        let next_rseq = 1 + cx.ep.ids().below(FIRST_RSEQ_BELOW / 2) as u32;
        let ringing = Ringing {
            tx,
            request: request.clone(),
            by,
            unacked: None,
            queue: VecDeque::new(),
            held: None,
            next_rseq,
            said: None,
        };
        let id = InviteId(self.invites.insert(Invite {
            dialog: Some(key),
            phase: Phase::Ringing(Box::new(ringing)),
            session: None,
            ending: None,
            we_called: false,
            no_update: false,
        }));
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.invite = Some(id);
            entry.talk().offer = offer;
        }
        self.servers.insert(tx, ServerUse { id, key, what: Asked::Invite, request: None });
        self.note_methods(id, &request);
        self.settle(id);
        self.emit(InviteEvent::Incoming { id, flow, request });
    }

    /// Why an INVITE is not taken.
    fn refusal(&self, request: &Request, cx: &Cx<'_>) -> Option<ResponseDraft> {
        if self.invites.len() >= self.config.max_usages {
            return Some(ResponseDraft::unavailable(request, cx.ep.config().retry_after_s));
        }
        self.lacks(request).or_else(|| self.session_refusal(request, cx.now))
    }

    /// 420 to a request that requires what is not supported (RFC 3261 section 8.2.2.3).
    pub(super) fn lacks(&self, request: &Request) -> Option<ResponseDraft> {
        let supported = |tag: &str| {
            self.config.supported.iter().any(|known| known.eq_ignore_ascii_case(tag))
                || self.config.session.is_some() && tag.eq_ignore_ascii_case("timer")
        };
        let Require(tags) = request.header::<Require>().ok()??;
        let unknown: Vec<&str> = tags.iter().map(|tag| &**tag).filter(|tag| !supported(tag)).collect();
        (!unknown.is_empty()).then(|| ResponseDraft::bad_extension(request, &unknown))
    }

    /// Their CANCEL: 487.
    pub(super) fn on_cancelled(&mut self, tx: ServerTransactionId, cx: &mut Cx<'_>) -> Option<Event> {
        let Some(server) = self.servers.get(&tx) else { return Some(Event::Cancelled { tx }) };
        let (id, key, what) = (server.id, server.key, server.what);
        match what {
            Asked::Invite => self.refuse_invite(id, 487, Payload::none(), Cause::Cancelled, cx),
            Asked::Reinvite => {
                let request = self.servers.get_mut(&tx).and_then(|server| server.request.take());
                if let Some(request) = request {
                    self.servers.remove(&tx);
                    self.timers.set(Who::Server(tx), None);
                    self.answer_reinvite(Open { id, key, tx, request: &request }, 487, Payload::none(), cx);
                    self.emit(InviteEvent::Withdrawn { id, tx });
                }
            }
            Asked::Update | Asked::Prack | Asked::Other => {}
        }
        None
    }

    /// A final answer of 300 to 699, and the end.
    pub(super) fn refuse_invite(
        &mut self,
        id: InviteId,
        status: u16,
        payload: Payload,
        cause: Cause,
        cx: &mut Cx<'_>,
    ) {
        let Ok((key, ringing)) = self.ringing(id) else { return };
        let (tx, request) = (ringing.tx, ringing.request.clone());
        let mut draft = ResponseDraft::to(&request, status);
        if let Some(entry) = self.dialogs.get(key) {
            draft = draft.to_tag(entry.packed.local_tag());
        }
        cx.respond(tx, payload.into_response(draft));
        self.end_invite(id, cause, cx);
    }

    /// The deadline of an INVITE usage has come.
    pub(super) fn invite_timeout(&mut self, id: InviteId, cx: &mut Cx<'_>) {
        let Some(ringing) = self.ringing_mut(id) else { return self.session_timeout(id, cx) };
        if let Some(unacked) =
            ringing.unacked.as_mut().filter(|unacked| unacked.at.min(unacked.until) <= cx.now)
        {
            if cx.now >= unacked.until {
                return self.refuse_invite(id, 504, Payload::none(), Cause::NoPrack, cx);
            }
            // RFC 3262 section 3: each gap twice the one before, without limit.
            unacked.gap *= 2;
            unacked.at = cx.now + unacked.gap;
            let draft = unacked.draft.clone();
            cx.respond(ringing.tx, draft);
        } else if ringing.by <= cx.now {
            return self.refuse_invite(id, 480, Payload::none(), Cause::RingTimeout, cx);
        } else if let Some((draft, at)) = ringing.said.as_mut().filter(|(_, at)| *at <= cx.now) {
            *at = cx.now + AGAIN_EVERY;
            let draft = draft.clone();
            cx.respond(ringing.tx, draft);
        }
        self.settle(id);
    }

    /// The next reliable response, or the 2xx that waited for the last one.
    fn next_reliable(&mut self, id: InviteId, cx: &mut Cx<'_>) {
        let (t1, until) = (cx.t1(), cx.now + cx.give_up());
        let Some(ringing) = self.ringing_mut(id).filter(|ringing| ringing.unacked.is_none()) else { return };
        // Progress is of no interest once the call is accepted.
        if ringing.held.is_some() && !ringing.describes() {
            ringing.queue.clear();
        }
        if let Some((draft, session)) = ringing.queue.pop_front() {
            let rseq = ringing.next_rseq;
            ringing.next_rseq += 1;
            let draft = draft.header("RSeq", rseq.to_string());
            cx.respond(ringing.tx, draft.clone());
            let at = cx.now + t1;
            ringing.unacked = Some(Unacked { draft, rseq, session, at, gap: t1, until });
            self.settle(id);
            return;
        }
        self.release_success(id, cx);
    }

    /// The 2xx that waited, once nothing is left to wait for.
    pub(super) fn release_success(&mut self, id: InviteId, cx: &mut Cx<'_>) {
        let Ok((key, ringing)) = self.ringing(id) else { return };
        if ringing.describes() {
            return;
        }
        let asked = self.dialogs.get(key).and_then(|entry| entry.talk.as_ref()?.their_prack);
        if asked.is_some_and(|tx| cx.ep.is_unanswered(tx)) {
            return;
        }
        if let Some(draft) = self.ringing_mut(id).and_then(|ringing| ringing.held.take()) {
            self.send_success(id, draft, cx);
        }
    }

    fn send_success(&mut self, id: InviteId, draft: ResponseDraft, cx: &mut Cx<'_>) {
        let Ok((key, ringing)) = self.ringing(id) else { return };
        let (tx, cseq) = (ringing.tx, ringing.request.cseq().number);
        let until = cx.now + cx.give_up();
        let late = ringing.unacked.as_ref().map(|unacked| LatePrack { rseq: unacked.rseq, cseq, until });
        cx.respond(tx, draft);
        if let Some(invite) = self.invites.get_mut(id.0) {
            invite.phase = Phase::Accepted;
            if let Some(session) = &mut invite.session {
                session.restart(cx.now);
            }
        }
        if let Some(entry) = self.dialogs.get_mut(key) {
            let talk = entry.talk();
            talk.await_ack = Some((tx, cseq));
            talk.late_prack = late;
        }
        self.settle_talk(key);
        self.timers.set(Who::Server(tx), Some(cx.now + cx.give_up() * 2));
        self.settle(id);
    }

    /// An ACK of theirs for a 2xx of ours.
    pub(super) fn on_ack(&mut self, flow: FlowId, request: Request, cx: &mut Cx<'_>) -> Option<Event> {
        let Some(key) = self.dialogs.of_request(&request) else {
            return Some(Event::Oneway { flow, request });
        };
        let entry = self.dialogs.get_mut(key)?;
        let Some(id) = entry.invite else { return Some(Event::Oneway { flow, request }) };
        let talk = entry.talk.as_deref_mut()?;
        // It came again, or belongs to an earlier INVITE.
        let (tx, _) = talk.await_ack.take_if(|(_, cseq)| *cseq == request.cseq().number)?;
        if talk.offer == Offer::Ours && talk.our_update.is_none() {
            talk.offer = Offer::Stable;
        }
        self.servers.remove(&tx);
        self.timers.set(Who::Server(tx), None);
        let invite = self.invites.get_mut(id.0)?;
        invite.phase = Phase::Confirmed;
        let ending = invite.ending.take();
        self.emit(InviteEvent::Confirmed { id, request });
        match ending {
            Some(payload) => self.bye(id, *payload, Cause::LocalBye, cx),
            None => self.rest(id, key),
        }
        None
    }

    /// The ACK of a 2xx of ours never came: BYE (RFC 3261 sections 13.3.1.4 and 14.2).
    pub(super) fn on_no_ack(&mut self, tx: ServerTransactionId, cx: &mut Cx<'_>) -> Option<Event> {
        let Some(server) = self.servers.remove(&tx) else { return Some(Event::NoAck { tx }) };
        self.timers.set(Who::Server(tx), None);
        self.bye(server.id, Payload::none(), Cause::NoAck, cx);
        None
    }

    /// A PRACK (RFC 3262 section 3).
    pub(super) fn on_prack(
        &mut self,
        id: InviteId,
        key: Key,
        tx: ServerTransactionId,
        request: Request,
        cx: &mut Cx<'_>,
    ) {
        let rack = request.header::<RAck>().ok().flatten().filter(|rack| rack.method == Method::Invite);
        let Some(rack) = rack else { return cx.respond(tx, ResponseDraft::bad_request(&request, "No RAck")) };
        let Some(ringing) = self.ringing_mut(id) else {
            return self.on_late_prack(key, tx, &request, &rack, cx);
        };
        let cseq = ringing.request.cseq().number;
        let meant = |unacked: &mut Unacked| unacked.rseq == rack.rseq && cseq == rack.cseq;
        if ringing.unacked.take_if(meant).is_none() {
            return cx.respond(tx, ResponseDraft::no_such_dialog(&request));
        }
        let session = self.has_session(&request);
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        let talk = entry.talk();
        let asks = session && talk.offer == Offer::Stable && talk.exchanged;
        if asks {
            talk.offer = Offer::Theirs;
            talk.their_prack = Some(tx);
            self.servers
                .insert(tx, ServerUse { id, key, what: Asked::Prack, request: Some(request.clone()) });
            self.timers.set(Who::Server(tx), Some(cx.now + cx.ep.config().answer_within));
        } else {
            if talk.offer == Offer::Ours && talk.our_update.is_none() {
                talk.offer = Offer::Stable;
                talk.exchanged = true;
            }
            cx.respond(tx, ResponseDraft::to(&request, 200));
        }
        self.emit(InviteEvent::Pracked { id, tx: asks.then_some(tx), request });
        self.settle(id);
        self.next_reliable(id, cx);
    }

    /// A PRACK that the final response has overtaken.
    fn on_late_prack(
        &mut self,
        key: Key,
        tx: ServerTransactionId,
        request: &Request,
        rack: &RAck,
        cx: &mut Cx<'_>,
    ) {
        let talk = self.dialogs.get_mut(key).and_then(|entry| entry.talk.as_deref_mut());
        let meant = |late: &mut LatePrack| (late.rseq, late.cseq) == (rack.rseq, rack.cseq);
        let late = talk.and_then(|talk| talk.late_prack.take_if(meant));
        let status = if late.is_some() { 200 } else { 481 };
        cx.respond(tx, ResponseDraft::to(request, status));
        self.settle_talk(key);
    }

    pub(super) fn answer_prack(&mut self, open: Open<'_>, status: u16, payload: Payload, cx: &mut Cx<'_>) {
        let Open { id, key, tx, request } = open;
        cx.respond(tx, payload.into_response(ResponseDraft::to(request, status)));
        if let Some(entry) = self.dialogs.get_mut(key) {
            let talk = entry.talk();
            talk.their_prack = None;
            talk.offer = Offer::Stable;
        }
        self.release_success(id, cx);
    }

    /// An offer or answer of ours goes out in a response to the INVITE: is it one, and may it?
    fn describes(&mut self, key: Key) -> Result<(), Refused> {
        let talk = self.dialogs.get_mut(key).ok_or(Refused::WrongState)?.talk();
        match talk.offer {
            Offer::Theirs if talk.their_prack.is_none() && talk.their_update.is_none() => {
                talk.offer = Offer::Stable;
                talk.exchanged = true;
                Ok(())
            }
            Offer::Stable if !talk.exchanged => {
                talk.offer = Offer::Ours;
                Ok(())
            }
            // Said once more: it changes nothing (RFC 6337 section 2.2).
            Offer::Stable => Ok(()),
            Offer::Ours | Offer::Theirs => Err(Refused::OfferPending),
        }
    }

    /// A response inside this dialog, with Contact.
    fn answer_in(&self, key: Key, request: &Request, status: u16) -> ResponseDraft {
        let draft = ResponseDraft::to(request, status).contact(self.config.contact.clone());
        match self.dialogs.get(key) {
            Some(entry) => draft.to_tag(entry.packed.local_tag()),
            None => draft,
        }
    }

    /// A 2xx inside this dialog.
    pub(super) fn able_in(&self, key: Key, request: &Request, status: u16) -> ResponseDraft {
        self.able(self.answer_in(key, request, status))
    }

    fn ringing(&self, id: InviteId) -> Result<(Key, &Ringing), Refused> {
        let invite = self.invites.get(id.0).ok_or(Refused::NoSuchUsage)?;
        match (&invite.phase, invite.dialog) {
            (Phase::Ringing(ringing), Some(key)) => Ok((key, ringing)),
            (Phase::Ringing(_) | Phase::Calling(_) | Phase::Accepted | Phase::Confirmed, _) => {
                Err(Refused::WrongState)
            }
        }
    }

    fn ringing_mut(&mut self, id: InviteId) -> Option<&mut Ringing> {
        match &mut self.invites.get_mut(id.0)?.phase {
            Phase::Ringing(ringing) => Some(ringing),
            Phase::Calling(_) | Phase::Accepted | Phase::Confirmed => None,
        }
    }
}
