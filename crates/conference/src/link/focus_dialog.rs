//! The INVITE dialog with the Focus: commands, their results, recovery signals, and its end.

use super::*;

/// What the Focus dialog understands.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, NOTIFY, BENOTIFY, OPTIONS";

impl FocusLink {
    pub(super) fn on_focus_request(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        match request.method() {
            Method::Info => {
                ua.endpoint().respond(tx, ResponseDraft::to(request, 200), now);
                if let Ok(answer) = cccp::Response::parse(request.body(), &c3p::Limits::default()) {
                    self.on_result(answer);
                }
            }
            Method::Bye => {
                ua.endpoint().respond(tx, ResponseDraft::to(request, 200), now);
                self.on_bye(request, ua, now);
            }
            Method::Invite => ua.endpoint().respond(tx, ResponseDraft::to(request, 488), now),
            _ => {
                let answer = ResponseDraft::to(request, 405).header("Allow", ALLOW);
                ua.endpoint().respond(tx, answer, now);
            }
        }
    }

    pub(super) fn on_result(&mut self, answer: cccp::Response) {
        let op = match answer.code {
            cccp::Code::Pending => self.commands.get(&answer.request_id).copied(),
            cccp::Code::Success | cccp::Code::Failure => self.commands.remove(&answer.request_id),
        };
        if let Some(op) = op {
            self.events.push_back(Input::CommandAnswered { op, outcome: outcome(answer) });
        }
    }

    pub(super) fn on_bye(&mut self, request: &Request, ua: &mut UserAgent, now: Instant) {
        let value = request.headers().get("ms-diagnostics").map(str::to_owned);
        let id = value.as_deref().and_then(first_diagnostics_id);
        let reply = Reply::default().with_diagnostics(value);
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
        }
        if self.ending.is_some() || self.ended {
            return;
        }
        use c3p::diagnostics::ids;
        let moved = matches!(id, Some(ids::FOCUS_MOVED | ids::SESSION_EXPIRED));
        if self.attempt.is_some() && (moved || !self.rejoining) {
            return self.give_up_attempt(WireFailure::Refused(reply), ua, now);
        }
        // The end counts, and not that an attempt was under way.
        self.attempt = None;
        self.rejoining = false;
        let kind = match id {
            Some(_) if moved => {
                return self.front_end_lost(evidence(Detector::D12, now, &reply), None);
            }
            Some(ids::REPLACED) => EndedReason::Replaced,
            Some(ids::REMOVED) if self.in_lobby => EndedReason::Denied,
            Some(ids::REMOVED) => EndedReason::Ejected,
            Some(ids::ENDED_BY_PRESENTER | ids::CONFERENCE_ENDED) => EndedReason::Ended,
            Some(ids::LOBBY_TIMEOUT) => EndedReason::LobbyTimeout,
            Some(_) | None => EndedReason::Unknown,
        };
        self.events.push_back(Input::EndedByFocus { reason: kind, reply });
    }

    /// The Focus failed over; while an attempt runs, that is old news.
    pub(super) fn front_end_lost(&mut self, evidence: Evidence, failed: Option<FailedCommand>) {
        if self.attempt.is_none() {
            self.events.push_back(Input::FrontEndLost { evidence, failed });
        }
    }

    pub(super) fn repair_ended(
        &mut self,
        repaired: bool,
        detected_by: Detector,
        first_sign: Instant,
        now: Instant,
    ) {
        let total = now.saturating_duration_since(first_sign);
        self.events.push_back(Input::RouteRepaired {
            dialog: RepairedDialog::Focus,
            repaired,
            detected_by,
            total,
        });
    }

    /// Whether the route was lost only after a silent repair had been tried.
    pub fn repair_was_tried(&self) -> bool {
        self.repair_tried
    }

    pub(super) fn drain_dialog(&mut self, ua: &mut UserAgent, now: Instant) {
        while let Some(event) = self.dialog.as_mut().and_then(RecoverableDialog::poll_event) {
            self.on_dialog_event(event, ua, now);
        }
    }

    pub(super) fn op_of(&mut self, token: Token) -> Option<OperationId> {
        self.tokens.remove(&token).and_then(|request_id| self.commands.remove(&request_id))
    }

    pub(super) fn on_dialog_event(&mut self, event: DialogEvent, ua: &mut UserAgent, now: Instant) {
        match event {
            DialogEvent::Answered { token, response } => self.on_command_answer(token, &response),
            DialogEvent::Failed { token, fault } => {
                if let Some(op) = self.op_of(token) {
                    self.events.push_back(refused(op, fault_reply(fault)));
                }
            }
            DialogEvent::Confirmed => {
                let why = self.suspicion.take().map(|(why, _)| why);
                // Notifications may have been lost with the flow; a lost subscription is made anew, a refused one later.
                let lost = self.subscription.is_none() && self.subscribe_again.is_none();
                let suspect = matches!(why, Some(Detector::D13 | Detector::D8));
                // A refresh that has just failed keeps its pace: what it brings may be what closes the flow.
                if suspect && self.subscribe_again.is_none() || lost {
                    self.refresh(false, ua, now);
                }
            }
            DialogEvent::Repaired { fault, first_sign } => {
                let (detected_by, first_sign) =
                    self.suspicion.take().unwrap_or_else(|| (detector(fault), first_sign));
                self.repair_ended(true, detected_by, first_sign, now);
                self.refresh(true, ua, now);
            }
            DialogEvent::RepairFailed { fault, first_sign, token, tried } => {
                let (detected_by, first_sign) =
                    self.suspicion.take().unwrap_or_else(|| (detector(fault), first_sign));
                if tried {
                    self.repair_ended(false, detected_by, first_sign, now);
                }
                let op = token.and_then(|token| self.op_of(token));
                let reply = fault_reply(fault);
                let evidence = evidence(detected_by, first_sign, &reply);
                self.repair_tried = tried;
                let failed = op.map(|op| FailedCommand { op, reply });
                self.events.push_back(Input::RouteLost { evidence, failed });
            }
            DialogEvent::Gone { token, response, healing, first_sign } => {
                let op = token.and_then(|token| self.op_of(token));
                let reply = reply_of(&response);
                let first_sign = self.suspicion.take().map_or(first_sign, |(_, since)| since);
                if healing {
                    let evidence = evidence(Detector::D7, first_sign, &reply);
                    self.events.push_back(Input::HealFoundDialogGone { evidence });
                } else {
                    let evidence = evidence(Detector::D7, first_sign, &reply);
                    self.front_end_lost(evidence, op.map(|op| FailedCommand { op, reply }));
                }
            }
            DialogEvent::RegistrationNeeded => ua.register(now),
            DialogEvent::HealTried => self.events.push_back(Input::HealAttempted),
            DialogEvent::HealFailed { fault } => {
                self.events.push_back(Input::HealFailed { error: WireFailure::Refused(fault_reply(fault)) });
            }
            DialogEvent::Healed => self.on_healed(ua, now),
        }
    }

    pub(super) fn on_healed(&mut self, ua: &mut UserAgent, now: Instant) {
        // A document may have come while the route was still broken; what counts is the one that follows.
        self.healing = true;
        self.events.push_back(Input::Healed);
        self.suspicion = None;
        self.refresh(true, ua, now);
    }

    pub(super) fn on_command_answer(&mut self, token: Token, response: &Response) {
        let Some(request_id) = self.tokens.remove(&token) else { return };
        if response.status() >= 300 {
            if let Some(op) = self.commands.remove(&request_id) {
                self.events.push_back(refused(op, reply_of(response)));
            }
            return;
        }
        // A final result may ride in the 200 itself; 202 says that it comes in an INFO.
        if let Ok(answer) = cccp::Response::parse(response.body(), &c3p::Limits::default()) {
            self.on_result(answer);
        }
    }

    /// Takes the answer to a last request, or that there is none (`status` is `None`). Where the way was broken it goes
    /// once more without the route set; else any answer ends the dialog.
    pub(super) fn on_ending_answer(
        &mut self,
        id: RequestId,
        status: Option<u16>,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        let Some(ending) = &mut self.ending else { return false };
        let both = [&mut ending.bye, &mut ending.unsubscribe];
        let Some(place) = both.into_iter().find(|place| place.as_ref().is_some_and(|one| one.id == id))
        else {
            return false;
        };
        if status.is_some_and(|status| status < 200) {
            return true;
        }
        // At the end of the time it is too late for another way.
        let in_time = ending.deadline.is_none_or(|at| now < at);
        let way_lost = in_time && is_way_lost(&Reply { sip_status: status, ..Reply::default() });
        *place = place
            .take()
            .filter(|one| way_lost && !one.off_route)
            .map(|one| Farewell::send(one.dialog, one.method, true, ua, now));
        self.finish_ending();
        true
    }

    pub(super) fn finish_ending(&mut self) {
        let Some(ending) = &self.ending else { return };
        if ending.bye.is_none() && ending.unsubscribe.is_none() && self.attempt.is_none() {
            self.ending = None;
            self.ended = true;
            self.events.push_back(Input::Terminated);
        }
    }
}
