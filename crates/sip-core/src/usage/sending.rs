//! What the user asks for inside a dialog, and the answers: re-INVITE, UPDATE, BYE, all other requests; glare.

use std::time::{Duration, Instant};

use super::fate::{Fate, fate};
use super::table::{Offer, Retry};
use super::*;
use crate::header::Allow;
use crate::{SessionTimerConfig, TransactionError};

/// A re-INVITE or UPDATE that is wanted: kept until its answer, since it may have to be sent again.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) method: Method,
    pub(super) payload: Payload,
    pub(super) request: RequestId,
    pub(super) off_route: bool,
    /// Sent by the session timer: the user does not know of it.
    pub(super) refresh: bool,
    pub(super) glares: u8,
    /// What to offer after a 422.
    pub(super) raised: Option<SessionTimerConfig>,
}

/// What a request of ours was for.
#[derive(Debug)]
pub(super) enum ClientUse {
    Update { id: InviteId, key: Key, wanted: Box<Wanted> },
    Prack,
    Bye,
    Other { id: InviteId, key: Key, request: RequestId },
    Subscribe(SubscriptionId),
    Notify(SubscriptionId),
}

/// A request of theirs that waits for the user's answer, or a 2xx that waits for its ACK.
#[derive(Debug)]
pub(super) struct ServerUse {
    pub(super) id: InviteId,
    pub(super) key: Key,
    pub(super) what: Asked,
    /// Until it is answered.
    pub(super) request: Option<Request>,
}

/// A request of theirs that is being answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'a> {
    pub(super) id: InviteId,
    pub(super) key: Key,
    pub(super) tx: ServerTransactionId,
    pub(super) request: &'a Request,
}

/// What they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Invite,
    Reinvite,
    Update,
    Prack,
    Other,
}

impl Usages {
    /// Changes the session, or the target, by an INVITE inside the dialog (RFC 3261 section 14).
    ///
    /// A 491 is followed by the same INVITE after a random time (section 14.1): the user sees the last answer only. The ACK is
    /// sent by itself if the payload is an offer.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] unless confirmed, [`Refused::RequestPending`] during another INVITE, [`Refused::OfferPending`].
    pub fn reinvite(
        &mut self,
        id: InviteId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<RequestId, Refused> {
        let key = self.confirmed(id)?;
        let wanted = self.wanted(Method::Invite, payload, false, false);
        self.start(id, key, wanted, &mut Cx { ep, now })
    }

    /// Changes the session, or the target, by an UPDATE (RFC 3311). Without offer it only refreshes.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] without a dialog, [`Refused::RequestPending`] during another UPDATE, [`Refused::OfferPending`].
    pub fn update(
        &mut self,
        id: InviteId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<RequestId, Refused> {
        let key = self.dialog_key(id)?;
        let wanted = self.wanted(Method::Update, payload, false, false);
        self.start(id, key, wanted, &mut Cx { ep, now })
    }

    /// [`Self::update`] in an early dialog of an INVITE of ours.
    ///
    /// # Errors
    ///
    /// As [`Self::update`].
    pub fn update_early(
        &mut self,
        id: InviteId,
        early: EarlyId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<RequestId, Refused> {
        let invite = self.invites.get(id.0).ok_or(Refused::NoSuchUsage)?;
        let ours = self.dialogs.get(early.0).is_some_and(|entry| entry.invite == Some(id));
        if !ours || (invite.dialog.is_some() && invite.dialog != Some(early.0)) {
            return Err(Refused::WrongState);
        }
        let wanted = self.wanted(Method::Update, payload, false, false);
        self.start(id, early.0, wanted, &mut Cx { ep, now })
    }

    /// [`Self::update`] straight to the remote target; the Record-Route of its 2xx replaces the route set.
    ///
    /// In no RFC: it repairs a dialog whose hop is gone, where the peer answers in kind.
    ///
    /// # Errors
    ///
    /// As [`Self::update`].
    pub fn update_off_route(
        &mut self,
        id: InviteId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<RequestId, Refused> {
        let key = self.confirmed(id)?;
        let wanted = self.wanted(Method::Update, payload, true, false);
        self.start(id, key, wanted, &mut Cx { ep, now })
    }

    /// Sends any other request inside the dialog: INFO, MESSAGE, REFER, ...
    ///
    /// # Errors
    ///
    /// [`Refused::Argument`] for a method that has its own way here, [`Refused::WrongState`] without a dialog.
    pub fn send(
        &mut self,
        id: InviteId,
        method: Method,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<RequestId, Refused> {
        let own = [
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Prack,
            Method::Update,
            Method::Register,
        ];
        if own.contains(&method) {
            return Err(Refused::Argument);
        }
        let key = self.dialog_key(id)?;
        let cx = &mut Cx { ep, now };
        // RFC 3428 section 4 forbids it in a MESSAGE, RFC 6086 section 5 knows none in an INFO: neither refreshes a target.
        let named = !matches!(method, Method::Message | Method::Info);
        let draft = self.draft_in(key, method, false).ok_or(Refused::WrongState)?;
        let draft = if named { draft.contact(self.config.contact.clone()) } else { draft };
        let draft = payload.into_request(draft);
        let request = self.next_request();
        let tx = self.send_in(key, draft, cx);
        self.clients.insert(tx, ClientUse::Other { id, key, request });
        Ok(request)
    }

    /// Ends the usage, whatever its state: CANCEL, 603, or BYE (after the ACK of our 2xx: RFC 3261 section 15).
    ///
    /// `Ended` comes at once with a BYE or a 603; after a CANCEL, with the final answer; in state `Accepted`, with the ACK.
    /// The payload goes into the BYE or the 603, e.g. a Reason.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchUsage`] when it has ended.
    pub fn end(
        &mut self,
        id: InviteId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let cx = &mut Cx { ep, now };
        let invite = self.invites.get_mut(id.0).ok_or(Refused::NoSuchUsage)?;
        match &invite.phase {
            Phase::Calling(tx) => {
                let tx = *tx;
                self.cancel(tx, cx);
            }
            Phase::Ringing(_) => self.refuse_invite(id, 603, payload, Cause::LocalReject { status: 603 }, cx),
            Phase::Accepted => invite.ending = Some(Box::new(payload)),
            Phase::Confirmed => self.bye(id, payload, Cause::LocalBye, cx),
        }
        Ok(())
    }

    /// Answers a request of the other end that was handed up: a re-INVITE, an UPDATE or PRACK with an offer, any other.
    ///
    /// A provisional status is sent and leaves the request open. An offer is answered by the body of a 2xx.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchUsage`] when it was answered, or its usage has ended; [`Refused::Argument`] for a status below 101.
    pub fn answer(
        &mut self,
        tx: ServerTransactionId,
        status: u16,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let cx = &mut Cx { ep, now };
        let server = self.servers.get(&tx).ok_or(Refused::NoSuchUsage)?;
        let request = server.request.clone().ok_or(Refused::NoSuchUsage)?;
        if server.what == Asked::Invite {
            return Err(Refused::WrongState);
        }
        if !(101..700).contains(&status) {
            return Err(Refused::Argument);
        }
        if status < 200 {
            cx.respond(tx, payload.into_response(ResponseDraft::to(&request, status)));
            return Ok(());
        }
        let (id, key, what) = (server.id, server.key, server.what);
        if what != Asked::Reinvite || status >= 300 {
            self.servers.remove(&tx);
            self.timers.set(Who::Server(tx), None);
        }
        match what {
            Asked::Invite | Asked::Other => {
                cx.respond(tx, payload.into_response(ResponseDraft::to(&request, status)));
            }
            Asked::Reinvite => {
                self.answer_reinvite(Open { id, key, tx, request: &request }, status, payload, cx)
            }
            Asked::Update => self.answer_update(Open { id, key, tx, request: &request }, status, payload, cx),
            Asked::Prack => self.answer_prack(Open { id, key, tx, request: &request }, status, payload, cx),
        }
        Ok(())
    }

    fn wanted(&mut self, method: Method, payload: Payload, off_route: bool, refresh: bool) -> Wanted {
        let request = self.next_request();
        Wanted { method, payload, request, off_route, refresh, glares: 0, raised: None }
    }

    /// The dialog of a usage that both sides know to stand.
    fn confirmed(&self, id: InviteId) -> Result<Key, Refused> {
        let invite = self.invites.get(id.0).ok_or(Refused::NoSuchUsage)?;
        match (&invite.phase, invite.dialog) {
            (Phase::Confirmed, Some(key)) => Ok(key),
            (Phase::Calling(_) | Phase::Ringing(_) | Phase::Accepted | Phase::Confirmed, _) => {
                Err(Refused::WrongState)
            }
        }
    }

    /// Whether this may be sent now (RFC 3261 section 14.1, RFC 3311 section 5.1, RFC 6337).
    fn may_send(&mut self, key: Key, wanted: &Wanted, ep: &Endpoint) -> Result<(), Refused> {
        let offers = wanted.payload.is_session(&self.config);
        let entry = self.dialogs.get_mut(key).ok_or(Refused::WrongState)?;
        let Some(talk) = entry.talk.as_deref_mut() else { return Ok(()) };
        let invite = wanted.method == Method::Invite;
        let theirs = talk.their_invite.is_some_and(|tx| ep.is_unanswered(tx));
        if invite
            && (talk.our_invite.is_some() || theirs || talk.ack_due.is_some() || talk.await_ack.is_some())
        {
            return Err(Refused::RequestPending);
        }
        if !invite && talk.our_update.is_some() {
            return Err(Refused::RequestPending);
        }
        // An INVITE without offer asks for one.
        if (offers || invite) && talk.offer != Offer::Stable {
            return Err(Refused::OfferPending);
        }
        Ok(())
    }

    fn start(
        &mut self,
        id: InviteId,
        key: Key,
        wanted: Wanted,
        cx: &mut Cx<'_>,
    ) -> Result<RequestId, Refused> {
        if self
            .dialogs
            .get(key)
            .is_some_and(|entry| entry.talk.as_ref().is_some_and(|talk| talk.retry.is_some()))
        {
            return Err(Refused::RequestPending);
        }
        self.may_send(key, &wanted, cx.ep)?;
        self.transmit(id, key, wanted, cx).ok_or(Refused::WrongState)
    }

    /// Sends it, the first time or again.
    fn transmit(&mut self, id: InviteId, key: Key, wanted: Wanted, cx: &mut Cx<'_>) -> Option<RequestId> {
        let request = wanted.request;
        let offers = wanted.payload.is_session(&self.config);
        let draft = self.draft_in(key, wanted.method.clone(), wanted.off_route)?;
        let draft = self.describe(draft, id, wanted.raised.as_ref());
        let draft = wanted.payload.clone().into_request(draft);
        let target = self.target_in(key, &draft, cx.ep);
        let invite = wanted.method == Method::Invite;
        let tx = match invite {
            true => cx.ep.send_request(draft.clone(), target.clone(), cx.now),
            false => self.dispatch(Some(key), draft.clone(), target.clone(), cx),
        };
        let talk = self.dialogs.get_mut(key)?.talk();
        if offers {
            talk.offer = Offer::Ours;
        }
        if invite {
            talk.our_invite = Some(tx);
            self.attempts.insert(tx, Attempt::within(id, draft, target, offers, key, wanted));
        } else {
            talk.our_update = Some(tx);
            self.clients.insert(tx, ClientUse::Update { id, key, wanted: Box::new(wanted) });
        }
        Some(request)
    }

    /// Contact, Allow, Supported and the session timer of an INVITE or UPDATE inside a dialog.
    fn describe(
        &self,
        draft: RequestDraft,
        id: InviteId,
        raised: Option<&SessionTimerConfig>,
    ) -> RequestDraft {
        let draft = draft.contact(self.config.contact.clone()).header("Allow", self.texts.allow.clone());
        let tags = &self.texts.beside_timer;
        let draft = if tags.is_empty() { draft } else { draft.header("Supported", tags.clone()) };
        let Some(config) = &self.config.session else { return draft };
        let running = self.invites.get(id.0).and_then(|invite| invite.session.as_ref());
        match (raised, running) {
            (Some(raised), running) => raised.offer(draft, running.map(|timer| timer.refresher())),
            (None, Some(running)) => running.offer(draft),
            (None, None) => config.offer(draft, None),
        }
    }

    /// The answer to a request of ours that is no INVITE, or its failure.
    pub(super) fn on_client_answer(
        &mut self,
        what: ClientUse,
        flow: FlowId,
        answer: Result<&Response, TransactionError>,
        cx: &mut Cx<'_>,
    ) {
        match what {
            ClientUse::Update { id, key, wanted } => {
                self.on_update_answer(id, key, *wanted, flow, answer, cx)
            }
            // The INVITE's own answer decides: a PRACK that comes after the 2xx may well get 481.
            ClientUse::Bye | ClientUse::Prack => {}
            ClientUse::Other { id, key, request } => {
                if self.invites.get(id.0).is_some() {
                    self.report(id, request, answer);
                    self.judge(id, key, answer, false, cx);
                }
            }
            ClientUse::Subscribe(id) => self.on_subscribe_answer(id, flow, answer, cx),
            ClientUse::Notify(id) => self.on_notify_answer(id, answer, cx),
        }
    }

    fn on_update_answer(
        &mut self,
        id: InviteId,
        key: Key,
        mut wanted: Wanted,
        flow: FlowId,
        answer: Result<&Response, TransactionError>,
        cx: &mut Cx<'_>,
    ) {
        let offered = wanted.payload.is_session(&self.config);
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        let talk = entry.talk();
        talk.our_update = None;
        if offered {
            talk.offer = Offer::Stable;
            talk.exchanged |= answer.is_ok_and(Response::is_success);
        }
        if self.invites.get(id.0).is_none() {
            return;
        }
        if let Ok(response) = answer {
            if response.is_success() {
                self.refreshed(id, key, flow, response, wanted.off_route, cx);
            }
            if self.goes_again(id, key, &mut wanted, response, cx) {
                return;
            }
        }
        if wanted.refresh {
            self.on_refresh_answer(id, answer, cx);
        } else {
            self.report(id, wanted.request, answer);
        }
        self.judge(id, key, answer, false, cx);
        self.rest(id, key);
    }

    /// Whether the request is sent again: after 491 later, after 422 at once with a longer interval (RFC 4028 section 7.3).
    pub(super) fn goes_again(
        &mut self,
        id: InviteId,
        key: Key,
        wanted: &mut Wanted,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> bool {
        if response.status() == 491 && wanted.glares < self.config.max_glare {
            wanted.glares += 1;
            self.retry_later(id, key, wanted.clone(), cx);
            return true;
        }
        let Some(config) = self.config.session.filter(|_| wanted.raised.is_none()) else { return false };
        let running = self.invites.get(id.0).and_then(|invite| invite.session.as_deref());
        let base = running.map_or(config, SessionTimer::config);
        let Some(raised) = base.after_422(response) else { return false };
        wanted.raised = Some(raised);
        if self.may_send(key, wanted, cx.ep).is_ok() {
            return self.transmit(id, key, wanted.clone(), cx).is_some();
        }
        false
    }

    /// RFC 3261 section 14.1: 2.1 to 4 s for who made the Call-ID, 0 to 2 s for the other end, in steps of 10 ms.
    fn retry_later(&mut self, id: InviteId, key: Key, wanted: Wanted, cx: &mut Cx<'_>) {
        let we_called = self.invites.get(id.0).is_some_and(|invite| invite.we_called);
        let wait_ms = match we_called {
            true => 2_100 + 10 * cx.ep.ids().below(191),
            false => 10 * cx.ep.ids().below(201),
        };
        let at = cx.now + Duration::from_millis(wait_ms);
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.talk().retry = Some(Retry { at, what: wanted });
        }
        self.settle_talk(key);
    }

    /// The soonest deadline of what goes on in a dialog.
    pub(super) fn settle_talk(&mut self, key: Key) {
        let at = self.dialogs.get(key).and_then(|entry| entry.talk.as_ref()?.deadline());
        self.timers.set(Who::Talk(key), at);
    }

    /// The time after a 491 is over, or that of a late PRACK.
    pub(super) fn talk_timeout(&mut self, key: Key, cx: &mut Cx<'_>) {
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        let (Some(id), Some(talk)) = (entry.invite, entry.talk.as_deref_mut()) else { return };
        talk.late_prack.take_if(|late| late.until <= cx.now);
        let retry = talk.retry.take_if(|retry| retry.at <= cx.now);
        self.settle_talk(key);
        let Some(retry) = retry else { return self.rest(id, key) };
        if self.may_send(key, &retry.what, cx.ep).is_ok() {
            self.transmit(id, key, retry.what, cx);
        } else {
            // Theirs has come meanwhile: after it.
            self.retry_later(id, key, retry.what, cx);
        }
    }

    /// A 2xx to a target refresh of ours: Contact, route where it repairs, session timer.
    pub(super) fn refreshed(
        &mut self,
        id: InviteId,
        key: Key,
        flow: FlowId,
        response: &Response,
        repair: bool,
        cx: &mut Cx<'_>,
    ) {
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.flow = Some(flow);
            let moved = response
                .contact()
                .is_some_and(|contact| contact.uri().as_str() != entry.packed.remote_target());
            if (moved || repair)
                && let Some(mut dialog) = entry.packed.unpack()
            {
                dialog.refresh_target(response.contact());
                if repair {
                    dialog.replace_route_from_response(response);
                }
                entry.packed.update(&dialog);
            }
        }
        self.note_methods(id, response);
        let Some(config) = self.config.session else { return };
        let Some(invite) = self.invites.get_mut(id.0) else { return };
        if matches!(invite.phase, Phase::Confirmed) {
            // A header that cannot be read leaves no timer: the other end will not expect refreshes either.
            let timer = SessionTimer::from_response(response, &config, cx.now).unwrap_or(None);
            invite.session = timer.map(Box::new);
            self.settle(id);
        }
    }

    /// What `Allow` of the other end says about UPDATE.
    pub(super) fn note_methods(&mut self, id: InviteId, message: &crate::Envelope) {
        if let (Some(invite), Ok(Some(allow))) = (self.invites.get_mut(id.0), message.header::<Allow>()) {
            invite.no_update = !allow.contains("UPDATE");
        }
    }

    fn on_refresh_answer(
        &mut self,
        id: InviteId,
        answer: Result<&Response, TransactionError>,
        cx: &mut Cx<'_>,
    ) {
        let status = answer.map_or(0, Response::status);
        let Some(invite) = self.invites.get_mut(id.0) else { return };
        if matches!(status, 405 | 501) {
            invite.no_update = true;
            self.emit(InviteEvent::RefreshDue { id });
        } else if !(200..300).contains(&status)
            && let Some(session) = &mut invite.session
        {
            session.refresh_failed(cx.now);
            self.settle(id);
        }
    }

    pub(super) fn report(
        &mut self,
        id: InviteId,
        request: RequestId,
        answer: Result<&Response, TransactionError>,
    ) {
        self.emit(match answer {
            Ok(response) => {
                InviteEvent::Answered { id, request, response: response.clone(), owes_ack: false }
            }
            Err(error) => InviteEvent::RequestFailed { id, request, error },
        });
    }

    /// Ends what a failed request takes with it.
    pub(super) fn judge(
        &mut self,
        id: InviteId,
        key: Key,
        answer: Result<&Response, TransactionError>,
        own: bool,
        cx: &mut Cx<'_>,
    ) {
        // Where the usage is only an early dialog of an INVITE, the INVITE's own answer decides.
        if self.invites.get(id.0).is_none_or(|invite| invite.dialog != Some(key)) {
            return;
        }
        let ringing = self.invites.get(id.0).is_some_and(|invite| matches!(invite.phase, Phase::Ringing(_)));
        match answer {
            Ok(response) => {
                let status = response.status();
                let ends = if ringing && status != 481 { Fate::Transaction } else { fate(status, own) };
                match ends {
                    Fate::Transaction => {}
                    Fate::Usage if ringing => {
                        self.refuse_invite(id, 500, Payload::none(), Cause::Gone { status }, cx);
                    }
                    Fate::Usage if status != 481 => self.bye(id, Payload::none(), Cause::Gone { status }, cx),
                    Fate::Usage => self.end_invite(id, Cause::Gone { status }, cx),
                    Fate::Dialog => self.end_dialog(key, Cause::Gone { status }, cx),
                }
            }
            Err(error @ TransactionError::Timeout { .. }) if !ringing => {
                self.bye(id, Payload::none(), Cause::Failed { error }, cx);
            }
            Err(_) => {}
        }
    }

    /// BYE, and the end of the usage.
    pub(super) fn bye(&mut self, id: InviteId, payload: Payload, cause: Cause, cx: &mut Cx<'_>) {
        let Some(key) = self.invites.get(id.0).and_then(|invite| invite.dialog) else { return };
        let owed = self.dialogs.get(key).and_then(|entry| entry.talk.as_ref()?.ack_due);
        if let Some(tx) = owed {
            self.send_owed_ack(tx, key, Payload::none(), cx);
        }
        if let Some(draft) = self.draft_in(key, Method::Bye, false) {
            let tx = self.send_in(key, payload.into_request(draft), cx);
            self.clients.insert(tx, ClientUse::Bye);
        }
        self.end_invite(id, cause, cx);
    }

    /// The session timer wants something.
    pub(super) fn session_timeout(&mut self, id: InviteId, cx: &mut Cx<'_>) {
        let Some(invite) = self.invites.get_mut(id.0) else { return };
        let due = invite.session.as_mut().and_then(|session| session.handle_timeout(cx.now));
        let (Some(due), Some(key)) = (due, invite.dialog) else { return };
        match due {
            crate::SessionTimerEvent::Expired => {
                self.bye(
                    id,
                    Payload::none().header("Reason", "SIP;cause=408;text=\"Session expired\""),
                    Cause::SessionExpired,
                    cx,
                );
            }
            crate::SessionTimerEvent::Refresh if invite.no_update => {
                self.emit(InviteEvent::RefreshDue { id });
            }
            crate::SessionTimerEvent::Refresh => {
                let wanted = self.wanted(Method::Update, Payload::none(), false, true);
                if self.start(id, key, wanted, cx).is_err()
                    && let Some(session) = self.invites.get_mut(id.0).and_then(|i| i.session.as_mut())
                {
                    // Another UPDATE or INVITE is under way and refreshes as well.
                    session.refresh_failed(cx.now);
                }
            }
        }
        self.settle(id);
    }

    /// Keeps nothing of what is over.
    pub(super) fn rest(&mut self, id: InviteId, key: Key) {
        if self.invites.get(id.0).is_some_and(|invite| matches!(invite.phase, Phase::Confirmed)) {
            self.dialogs.rest(key);
        }
    }
}
