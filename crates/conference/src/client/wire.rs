//! What comes from the user agent, and which dialog it belongs to.

use super::*;

impl ClientCore {
    pub(super) fn on_link_input(&mut self, id: ConferenceId, input: Input, now: Instant) {
        let healed = matches!(input, Input::Healed);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.session.handle_input(input, now);
        if healed {
            // The other dialogs of the conference are on the same way (recovery-on-the-wire.md section 4.5).
            for call in conversation.calls.values_mut() {
                call.probe(&mut self.ua, now);
            }
        }
    }

    pub(super) fn drain(&mut self, now: Instant) {
        while let Some(event) = self.ua.poll_event(now) {
            match event {
                UaEvent::Response { id, response } => self.on_response(id, &response, now),
                UaEvent::Failed { id, error } => self.on_failed(id, error, now),
                UaEvent::Request { tx, flow, request } => self.on_request(tx, flow, &request, now),
                UaEvent::Oneway { request } => self.on_oneway(&request, now),
                UaEvent::Cancelled { .. } => {}
                UaEvent::Registered => {
                    self.settled(now);
                    self.for_each_wire(now, |link, call, ua| {
                        link.into_iter().for_each(|link| link.hint(ua, now));
                        call.into_iter().for_each(|call| call.hint(ua, now));
                    });
                }
                UaEvent::NotRegistered { .. } => self.settled(now),
                UaEvent::FlowLost => self.for_each_wire(now, |link, call, ua| {
                    link.into_iter().for_each(|link| link.probe(Detector::D13, ua, now));
                    call.into_iter().for_each(|call| call.probe(ua, now));
                }),
            }
        }
    }

    pub(super) fn settled(&mut self, now: Instant) {
        for what in std::mem::take(&mut self.waiting) {
            self.run(what, now);
        }
    }

    pub(super) fn for_each_wire(
        &mut self,
        now: Instant,
        mut f: impl FnMut(Option<&mut FocusLink>, Option<&mut ImCall>, &mut UserAgent),
    ) {
        let ids: Vec<ConferenceId> = self.conversations.keys().copied().collect();
        for id in ids {
            let Some(conversation) = self.conversations.get_mut(&id) else { continue };
            f(conversation.link.as_mut(), None, &mut self.ua);
            for call in conversation.calls.values_mut() {
                f(None, Some(call), &mut self.ua);
            }
            self.pump(id, now);
        }
    }

    pub(super) fn on_response(&mut self, request: RequestId, response: &Response, now: Instant) {
        if response.status() >= 200
            && let Some(purpose) = self.factory.remove(&request)
        {
            return self.on_factory_answer(purpose, response, now);
        }
        let ua = &mut self.ua;
        let taken = self.conversations.iter_mut().find_map(|(id, conversation)| {
            let by_link =
                conversation.link.as_mut().is_some_and(|link| link.on_response(request, response, ua, now));
            let taken = by_link
                || conversation.calls.values_mut().any(|call| call.on_response(request, response, ua, now));
            taken.then_some(*id)
        });
        if let Some(id) = taken {
            self.pump(id, now);
        }
    }

    pub(super) fn on_failed(&mut self, request: RequestId, error: SendError, now: Instant) {
        if let Some(purpose) = self.factory.remove(&request) {
            return self.on_factory_silent(purpose, error, now);
        }
        let ua = &mut self.ua;
        let taken = self.conversations.iter_mut().find_map(|(id, conversation)| {
            let by_link =
                conversation.link.as_mut().is_some_and(|link| link.on_failed(request, error, ua, now));
            let taken = by_link
                || conversation.calls.values_mut().any(|call| call.on_failed(request, error, ua, now));
            taken.then_some(*id)
        });
        if let Some(id) = taken {
            self.pump(id, now);
        }
    }

    pub(super) fn on_request(
        &mut self,
        tx: ServerTransactionId,
        _flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        if is_registration_notice(request) {
            self.ua.endpoint().respond(tx, ResponseDraft::to(request, 200), now);
            return self.on_registration_notice(now);
        }
        let Some(dialog) = sip_core::in_dialog_id(request) else {
            return self.on_stray(tx, request, now);
        };
        let Some(id) = self.owner(&dialog) else {
            let answer = ResponseDraft::to(request, 481)
                .header(c3p::diagnostics::HEADER_CLIENT, "24083;reason=\"Message received out of dialog\"");
            return self.ua.endpoint().respond(tx, answer, now);
        };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            match conversation.link.as_mut().filter(|link| link.owns(&dialog)) {
                Some(link) => link.on_request(tx, request, &mut self.ua, now),
                None => {
                    let call = conversation.calls.values_mut().find(|call| call.dialog_id() == Some(&dialog));
                    if let Some(call) = call {
                        call.on_request(tx, request, &mut self.ua, now);
                    }
                }
            }
        }
        self.pump(id, now);
    }

    /// The registrar has news about our registration: it may be gone, and what depends on it with it (D14). A hint, so it
    /// is enough that it came: we register, and ask in each Focus dialog.
    fn on_registration_notice(&mut self, now: Instant) {
        self.ua.register(now);
        self.for_each_wire(now, |link, _, ua| {
            link.into_iter().for_each(|link| link.probe(Detector::D14, ua, now));
        });
    }

    pub(super) fn on_oneway(&mut self, request: &Request, now: Instant) {
        if is_registration_notice(request) {
            return self.on_registration_notice(now);
        }
        let Some(dialog) = sip_core::in_dialog_id(request) else { return };
        let Some(id) = self.owner(&dialog) else { return };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            match conversation.link.as_mut().filter(|link| link.owns(&dialog)) {
                Some(link) => link.on_oneway(request, &mut self.ua, now),
                None => conversation
                    .calls
                    .values_mut()
                    .filter(|call| call.dialog_id() == Some(&dialog))
                    .for_each(|call| call.on_oneway(request)),
            }
        }
        self.pump(id, now);
    }

    pub(super) fn owner(&self, dialog: &DialogId) -> Option<ConferenceId> {
        self.conversations
            .iter()
            .find(|(_, conversation)| {
                conversation.link.as_ref().is_some_and(|link| link.owns(dialog))
                    || conversation.calls.values().any(|call| call.dialog_id() == Some(dialog))
            })
            .map(|(id, _)| *id)
    }

    /// A request outside of any dialog: we are asked what we can do, or called, which this endpoint does not take.
    pub(super) fn on_stray(&mut self, tx: ServerTransactionId, request: &Request, now: Instant) {
        let status = match request.method() {
            Method::Options => 200,
            Method::Invite => 488,
            Method::Notify => 481,
            _ => 405,
        };
        let answer = ResponseDraft::to(request, status)
            .header("Allow", "ACK, BYE, CANCEL, INFO, MESSAGE, NOTIFY, BENOTIFY, OPTIONS, UPDATE");
        self.ua.endpoint().respond(tx, answer, now);
    }
}

/// Whether a notification is the registrar's (auth.md section 2), which comes in the dialog of no session.
fn is_registration_notice(request: &Request) -> bool {
    let event = request.headers().get("Event").and_then(|value| value.split(';').next());
    matches!(request.method(), Method::Notify | Method::Benotify)
        && event.is_some_and(|event| event.trim().eq_ignore_ascii_case("registration-notify"))
}
