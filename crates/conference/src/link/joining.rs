//! One attempt to join or to rejoin: the INVITE, and what becomes of it.

use super::*;

impl FocusLink {
    pub(super) fn send_invite(&mut self, ua: &mut UserAgent, now: Instant) {
        let request_id = self.next_request_id();
        let command = cccp::Command::AddUser(self.add_user(ua.display_name()));
        let request = cccp::Request::new(request_id, self.user.as_str(), self.conference.as_str(), command);
        let Some(attempt) = &mut self.attempt else { return };
        let call_id = format!("focus-{}", ua.endpoint().new_token());
        attempt.start_at = None;
        attempt.invite = RequestDraft::new(Method::Invite, self.uri.clone())
            .from(ua.new_from())
            .to(NameAddr::new(self.uri.clone()))
            .call_id(call_id)
            .cseq(1)
            .header("Contact", ua.contact().to_string())
            .header("Supported", format!("{ROUTE_SET_UPDATE}, timer, gruu-10, ms-sender"))
            .header("Allow", ALLOW)
            .header("Session-Expires", "1800")
            .header("Min-SE", "90")
            .body(c3p::mime::C3P, request.write());
        attempt.id = Some(ua.send(attempt.invite.clone(), Routing::Outbound, now));
        self.events.push_back(Input::Step(RecoveryStep::InviteSent));
    }

    pub(super) fn add_user(&self, display_name: Option<&str>) -> cccp::AddUser {
        let role = c3p::info::Role::Attendee;
        let mut add =
            cccp::AddUser::join(self.conference.as_str(), self.user.as_str(), self.endpoint.as_str(), role);
        for endpoint in &mut add.user.endpoints {
            // Without the element the Focus refuses instead of putting us into the lobby.
            endpoint.lobby_capable = self.lobby_capable.then_some(true);
        }
        match display_name {
            Some(name) => add.with_display_text(name),
            None => add,
        }
    }

    pub(super) fn on_invite_answer(
        &mut self,
        id: RequestId,
        response: &Response,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(attempt) = &mut self.attempt else { return };
        let status = response.status();
        if status < 200 {
            attempt.silent_at = now + self.times.first_answer;
            return;
        }
        if status >= 300 {
            if self.ending.is_some() {
                self.attempt = None;
                return self.finish_ending();
            }
            if status == 422 && self.raise_session_interval(response, ua, now) {
                return;
            }
            return self.attempt_failed(WireFailure::Refused(reply_of(response)));
        }
        let Ok(dialog) = Dialog::uac(&attempt.invite, response) else {
            let error = transport("the 2xx of the INVITE makes no dialog");
            return self.attempt_failed(WireFailure::Protocol(error));
        };
        ua.send_ack(id, dialog.ack(response.cseq().number), now);
        attempt.accepted = true;
        attempt.silent_at = now + self.times.first_answer;
        let cancelled = attempt.cancelled;
        self.heard_at = Some(now);
        self.dialog = Some(RecoverableDialog::new(dialog, response, self.times.recovery, now));
        if cancelled {
            self.attempt = None;
            return self.bye_crossing(ua, now);
        }
        match cccp::Response::parse(response.body(), &c3p::Limits::default()) {
            Ok(answer) if answer.code == cccp::Code::Success => {
                self.events.push_back(if self.rejoining {
                    Input::RejoinAccepted
                } else {
                    Input::JoinAccepted
                });
                self.subscribe(ua, now);
            }
            Ok(_) => self.give_up_attempt(WireFailure::Refused(reply_of(response)), ua, now),
            Err(error) => {
                self.give_up_attempt(WireFailure::Protocol(transport(&error.to_string())), ua, now);
            }
        }
    }

    /// RFC 4028 section 7.3: once more with the interval that the peer insists on; the same attempt.
    pub(super) fn raise_session_interval(
        &mut self,
        response: &Response,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        let Some(minimum) = response.headers().get("Min-SE").map(str::to_owned) else { return false };
        let Some(attempt) = &mut self.attempt else { return false };
        if attempt.invite.get("Min-SE") == Some(minimum.as_str()) {
            return false;
        }
        let mut draft = attempt.invite.clone().cseq(2);
        draft.set_header("Min-SE", minimum.clone());
        draft.set_header("Session-Expires", minimum);
        attempt.invite = draft;
        attempt.id = Some(ua.send(attempt.invite.clone(), Routing::Outbound, now));
        true
    }

    /// We gave up, and the 2xx crossed our CANCEL.
    pub(super) fn bye_crossing(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
            let bye = Farewell::send(dialog.dialog().clone(), Method::Bye, false, ua, now);
            if let Some(ending) = &mut self.ending {
                ending.bye = Some(bye);
            } else {
                ua.abandon(bye.id);
            }
        }
        self.finish_ending();
    }

    pub(super) fn give_up_attempt(&mut self, error: WireFailure, ua: &mut UserAgent, now: Instant) {
        if let Some(attempt) = self.attempt.take()
            && let Some(id) = attempt.id
            && !attempt.accepted
        {
            ua.cancel(id, now);
            ua.abandon(id);
        }
        if let Some(id) = self.subscription.take().and_then(|sub| sub.request) {
            ua.withdraw(id);
        }
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
            let bye = ua.send(dialog.dialog_mut().request(Method::Bye), Routing::Route, now);
            ua.abandon(bye);
        }
        self.attempt_failed(error);
    }

    pub(super) fn attempt_failed(&mut self, error: WireFailure) {
        self.attempt = None;
        let input = if std::mem::take(&mut self.rejoining) {
            Input::RejoinFailed { error }
        } else {
            Input::JoinFailed(error)
        };
        self.events.push_back(input);
    }
}
