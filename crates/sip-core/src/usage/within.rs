//! Requests of the other end inside a dialog: who gets them, glare, target refresh (RFC 3261 sections 12.2.2 and 14.2, RFC 3311).

use super::sending::{Asked, Open, ServerUse};
use super::table::Offer;
use super::*;

/// RFC 3261 section 14.2: the Retry-After of a 500 to a second INVITE is chosen between 0 and 10 s.
const RETRY_AFTER_BELOW_S: u64 = 11;

impl Usages {
    /// A request in a dialog of ours; it is given back if none of its usages takes it.
    pub(super) fn on_request_within(
        &mut self,
        key: Key,
        tx: ServerTransactionId,
        flow: FlowId,
        request: Request,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        let entry = self.dialogs.get_mut(key)?;
        if !entry.packed.accepts(&request) {
            cx.respond(tx, ResponseDraft::to(&request, 500).reason("CSeq Out Of Order"));
            return None;
        }
        entry.flow = Some(flow);
        match request.method() {
            Method::Notify => return self.on_notify_within(key, tx, request, cx),
            Method::Subscribe if self.subscribable(key, &request) => {
                self.on_subscribe(Some(key), tx, flow, request, cx);
                return None;
            }
            _ => {}
        }
        let entry = self.dialogs.get_mut(key)?;
        let usage = entry.invite.filter(|id| {
            // Another early dialog of the same INVITE lost; its usage is none any more.
            self.invites.get(id.0).is_some_and(|invite| invite.dialog.is_none_or(|own| own == key))
        });
        let Some(id) = usage else {
            match request.method() {
                Method::Invite | Method::Bye | Method::Update | Method::Prack => {
                    cx.respond(tx, ResponseDraft::no_such_dialog(&request));
                    return None;
                }
                _ => return Some(Event::Request { tx, flow, request }),
            }
        };
        match request.method() {
            Method::Bye => self.on_bye(id, key, tx, request, cx),
            Method::Invite => self.on_reinvite(id, key, tx, request, cx),
            Method::Update => self.on_update(id, key, tx, request, cx),
            Method::Prack => self.on_prack(id, key, tx, request, cx),
            _ => self.hand_up(id, key, tx, request, cx),
        }
        None
    }

    /// A request that the user answers, whatever it is.
    pub(super) fn hand_up(
        &mut self,
        id: InviteId,
        key: Key,
        tx: ServerTransactionId,
        request: Request,
        cx: &mut Cx<'_>,
    ) {
        self.ask(id, key, tx, Asked::Other, request.clone(), cx);
        self.emit(InviteEvent::Request { id, tx, request });
    }

    /// ACK and BENOTIFY.
    pub(super) fn on_oneway(&mut self, flow: FlowId, request: Request, cx: &mut Cx<'_>) -> Option<Event> {
        match request.method() {
            Method::Ack => self.on_ack(flow, request, cx),
            Method::Benotify => self.on_benotify(flow, request, cx),
            _ => Some(Event::Oneway { flow, request }),
        }
    }

    /// Keeps a request for the user's answer.
    fn ask(
        &mut self,
        id: InviteId,
        key: Key,
        tx: ServerTransactionId,
        what: Asked,
        request: Request,
        cx: &Cx<'_>,
    ) {
        self.servers.insert(tx, ServerUse { id, key, what, request: Some(request) });
        self.timers.set(Who::Server(tx), Some(cx.now + cx.ep.config().answer_within));
    }

    /// The user has not answered: the endpoint did, with 500; what the request held up goes on.
    pub(super) fn forget_request(&mut self, tx: ServerTransactionId, cx: &mut Cx<'_>) {
        let Some(server) = self.servers.remove(&tx) else { return };
        if let Some(request) = &server.request {
            cx.respond(tx, ResponseDraft::to(request, 500));
        }
        let Some(entry) = self.dialogs.get_mut(server.key) else { return };
        let Some(talk) = entry.talk.as_deref_mut() else { return };
        if talk.await_ack.is_some_and(|(asked, _)| asked == tx) {
            // The endpoint tells of it before; whatever became of its transaction, the usage does not wait for ever.
            return self.bye(server.id, Payload::none(), Cause::NoAck, cx);
        }
        for asked in [&mut talk.their_invite, &mut talk.their_update, &mut talk.their_prack] {
            if asked.take_if(|asked| *asked == tx).is_some() {
                talk.offer = Offer::Stable;
            }
        }
        self.release_success(server.id, cx);
        self.rest(server.id, server.key);
    }

    fn on_bye(&mut self, id: InviteId, key: Key, tx: ServerTransactionId, request: Request, cx: &mut Cx<'_>) {
        cx.respond(tx, ResponseDraft::to(&request, 200));
        let Some(invite) = self.invites.get(id.0) else { return };
        match &invite.phase {
            // The callee may not end an early dialog by BYE, but some do: the INVITE's own answer is still to come.
            Phase::Calling(invite_tx) => {
                let invite_tx = *invite_tx;
                self.cancel(invite_tx, cx);
            }
            // RFC 3261 section 15.1.2: what is pending gets 487.
            Phase::Ringing(_) => {
                self.refuse_invite(id, 487, Payload::none(), Cause::RemoteBye { request }, cx);
            }
            Phase::Accepted | Phase::Confirmed => {
                // RFC 3261 section 13.2.2.4: even then the 2xx is owed its ACK.
                let owed = self.dialogs.get(key).and_then(|entry| entry.talk.as_ref()?.ack_due);
                if let Some(owed) = owed {
                    self.send_owed_ack(owed, key, Payload::none(), cx);
                }
                self.end_invite(id, Cause::RemoteBye { request }, cx);
            }
        }
    }

    fn on_reinvite(
        &mut self,
        id: InviteId,
        key: Key,
        tx: ServerTransactionId,
        request: Request,
        cx: &mut Cx<'_>,
    ) {
        let Some(invite) = self.invites.get(id.0) else { return };
        let busy = match invite.phase {
            // RFC 3261 section 14.2: the first INVITE has no final answer.
            Phase::Ringing(_) | Phase::Calling(_) => Some(500),
            // RFC 5407 section 3.1.4: it came before the ACK.
            Phase::Accepted => Some(491),
            Phase::Confirmed => self.reinvite_glare(key, cx.ep),
        };
        if let Some(status) = busy {
            return self.refuse_for_now(tx, &request, status, cx);
        }
        if let Some(draft) = self.lacks(&request).or_else(|| self.session_refusal(&request, cx.now)) {
            return cx.respond(tx, draft);
        }
        let offer = self.has_session(&request);
        if let Some(entry) = self.dialogs.get_mut(key) {
            let talk = entry.talk();
            talk.their_invite = Some(tx);
            if offer {
                talk.offer = Offer::Theirs;
            }
        }
        self.note_methods(id, &request);
        self.ask(id, key, tx, Asked::Reinvite, request.clone(), cx);
        self.emit(InviteEvent::Reinvited { id, tx, request, offer });
    }

    /// The status for an INVITE that meets another request: 491 where ours is under way, 500 where theirs is.
    fn reinvite_glare(&mut self, key: Key, ep: &Endpoint) -> Option<u16> {
        let talk = self.dialogs.get_mut(key)?.talk.as_deref_mut()?;
        let open = |tx: Option<ServerTransactionId>| tx.is_some_and(|tx| ep.is_unanswered(tx));
        if open(talk.their_invite) || open(talk.their_update) {
            return Some(500);
        }
        let ours = talk.our_invite.is_some() || talk.ack_due.is_some() || talk.await_ack.is_some();
        (ours || talk.offer == Offer::Ours).then_some(491)
    }

    fn on_update(
        &mut self,
        id: InviteId,
        key: Key,
        tx: ServerTransactionId,
        request: Request,
        cx: &mut Cx<'_>,
    ) {
        let offer = self.has_session(&request);
        // RFC 3311 section 5.2.
        let busy = self.dialogs.get_mut(key).and_then(|entry| entry.talk.as_deref_mut()).and_then(|talk| {
            let open = talk.their_update.is_some_and(|tx| cx.ep.is_unanswered(tx));
            match talk.offer {
                _ if open => Some(500),
                Offer::Ours if offer => Some(491),
                Offer::Theirs if offer => Some(500),
                Offer::Ours | Offer::Theirs | Offer::Stable => None,
            }
        });
        if let Some(status) = busy {
            return self.refuse_for_now(tx, &request, status, cx);
        }
        if let Some(draft) = self.lacks(&request).or_else(|| self.session_refusal(&request, cx.now)) {
            return cx.respond(tx, draft);
        }
        self.note_methods(id, &request);
        if !offer {
            self.answer_update(Open { id, key, tx, request: &request }, 200, Payload::none(), cx);
            return self.emit(InviteEvent::Updated { id, tx: None, request });
        }
        if let Some(entry) = self.dialogs.get_mut(key) {
            let talk = entry.talk();
            talk.their_update = Some(tx);
            talk.offer = Offer::Theirs;
        }
        self.ask(id, key, tx, Asked::Update, request.clone(), cx);
        self.emit(InviteEvent::Updated { id, tx: Some(tx), request });
    }

    fn refuse_for_now(&mut self, tx: ServerTransactionId, request: &Request, status: u16, cx: &mut Cx<'_>) {
        let draft = ResponseDraft::to(request, status);
        let draft = match status {
            500 => draft.header("Retry-After", cx.ep.ids().below(RETRY_AFTER_BELOW_S).to_string()),
            _ => draft,
        };
        cx.respond(tx, draft);
    }

    /// 422, or 400 for a header that cannot be read.
    pub(super) fn session_refusal(&self, request: &Request, now: Instant) -> Option<ResponseDraft> {
        let config = self.config.session.as_ref()?;
        SessionTimer::from_request(request, config, now).err().map(|error| error.response(request))
    }

    pub(super) fn answer_reinvite(&mut self, open: Open<'_>, status: u16, payload: Payload, cx: &mut Cx<'_>) {
        let Open { id, key, tx, request } = open;
        let session = payload.is_session(&self.config);
        let success = (200..300).contains(&status);
        if let Some(entry) = self.dialogs.get_mut(key) {
            let talk = entry.talk();
            talk.their_invite = None;
            let offered = talk.offer == Offer::Theirs;
            talk.offer = if success && session && !offered { Offer::Ours } else { Offer::Stable };
            if success {
                talk.await_ack = Some((tx, request.cseq().number));
            }
        }
        if !success {
            cx.respond(tx, payload.into_response(ResponseDraft::to(request, status)));
            return self.rest(id, key);
        }
        // Kept for the ACK, or its absence.
        if let Some(server) = self.servers.get_mut(&tx) {
            server.request = None;
        }
        self.timers.set(Who::Server(tx), Some(cx.now + cx.give_up() * 2));
        self.respond_to_refresh(open, status, payload, cx);
    }

    pub(super) fn answer_update(&mut self, open: Open<'_>, status: u16, payload: Payload, cx: &mut Cx<'_>) {
        let Open { id, key, tx, request } = open;
        if let Some(talk) = self.dialogs.get_mut(key).and_then(|entry| entry.talk.as_deref_mut())
            && talk.their_update.take_if(|asked| *asked == tx).is_some()
        {
            talk.offer = Offer::Stable;
            talk.exchanged |= (200..300).contains(&status);
        }
        if (200..300).contains(&status) {
            self.respond_to_refresh(open, status, payload, cx);
        } else {
            cx.respond(tx, payload.into_response(ResponseDraft::to(request, status)));
        }
        self.release_success(id, cx);
        self.rest(id, key);
    }

    /// A 2xx of ours to a target refresh: target, route where it is repaired, session timer.
    fn respond_to_refresh(&mut self, open: Open<'_>, status: u16, payload: Payload, cx: &mut Cx<'_>) {
        let Open { id, key, tx, request } = open;
        self.refresh_by_request(key, request);
        let mut draft = payload.into_response(self.able_in(key, request, status));
        if let Some(config) = self.config.session
            && let Some(invite) = self.invites.get_mut(id.0)
            && !matches!(invite.phase, Phase::Ringing(_) | Phase::Calling(_))
        {
            // What cannot be read was refused before.
            let timer = SessionTimer::from_request(request, &config, cx.now).ok().flatten();
            draft = timer.as_ref().map_or(draft.clone(), |timer| timer.answer(draft));
            invite.session = timer.map(Box::new);
            self.settle(id);
        }
        cx.respond(tx, draft);
    }

    /// Contact of a target refresh of theirs, and the route where it repairs.
    pub(super) fn refresh_by_request(&mut self, key: Key, request: &Request) {
        let repair = self.config.route_repair
            && *request.method() == Method::Update
            && !request.record_route().is_empty();
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        let moved =
            request.contact().is_some_and(|contact| contact.uri().as_str() != entry.packed.remote_target());
        if (moved || repair)
            && let Some(mut dialog) = entry.packed.unpack()
        {
            dialog.refresh_target(request.contact());
            if repair {
                dialog.replace_route_from_request(request);
            }
            entry.packed.update(&dialog);
        }
    }
}
