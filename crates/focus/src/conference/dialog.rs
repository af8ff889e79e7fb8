//! Requests in the dialogs of participants, answers to the Focus's own, and signs of life.

use sip_core::{DialogId, FlowId, Method, ServerTransactionId};

use c3p::diagnostics::ids;
use c3p::info::DisconnectionMethod;

use super::join::SessionOffer;
use super::{Conference, Cx, Incoming, Outcome, PersonKey, Sent, user_key};
use crate::frontend::refusal::{ALLOW, Refusal, SIP_LAYER};
use sip_core::ResponseDraft;

/// Which of a participant's dialogs a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    Focus,
    Watch,
}

impl Conference {
    /// A request to the conference that is neither a join nor for an MCU.
    pub(crate) fn on_request(&mut self, incoming: Incoming, cx: &mut Cx<'_>) {
        let result = match sip_core::in_dialog_id(&incoming.request) {
            Some(id) => self.in_dialog(&incoming, &id, cx),
            None => self.out_of_dialog(&incoming, cx),
        };
        if let Err(refusal) = result {
            self.refuse(&incoming, &refusal, cx);
        }
    }

    fn out_of_dialog(&mut self, incoming: &Incoming, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        match incoming.request.method() {
            Method::Subscribe => self.on_subscribe(incoming, cx),
            Method::Options => {
                let response = self.options_answer(incoming).to_tag(&cx.ids.token());
                self.respond(incoming, response);
                Ok(())
            }
            Method::Info | Method::Update | Method::Bye | Method::Notify => Err(Refusal::moved()),
            _ => Err(method_not_allowed()),
        }
    }

    fn in_dialog(&mut self, incoming: &Incoming, id: &DialogId, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let (person, usage) = self.dialog_of(id).ok_or_else(Refusal::moved)?;
        // Who knows the tags of somebody else's dialog is not somebody else.
        let sender = user_key(incoming.request.from().uri().as_str());
        if cx.config.users.is_some() && sender != person.user {
            return Err(Refusal::new(403, SIP_LAYER, "From is not who the dialog is with"));
        }
        self.check_cseq(&person, usage, incoming)?;
        match (usage, incoming.request.method()) {
            (Usage::Watch, Method::Subscribe) => self.on_resubscribe(incoming, &person, cx),
            (Usage::Watch, _) => Err(method_not_allowed().with("Allow", "SUBSCRIBE")),
            (Usage::Focus, method) => {
                if let Some(found) = self.people.get_mut(&person) {
                    found.heard(incoming.flow);
                }
                match method {
                    Method::Info => self.on_info(incoming, &person, cx),
                    Method::Update => self.on_update(incoming, &person, cx),
                    Method::Bye => {
                        self.on_bye(incoming, &person, cx);
                        Ok(())
                    }
                    Method::Options => {
                        self.respond(incoming, self.options_answer(incoming));
                        Ok(())
                    }
                    Method::Invite => {
                        Err(Refusal::new(488, SIP_LAYER, "The Focus dialog has no media to negotiate"))
                    }
                    _ => Err(method_not_allowed()),
                }
            }
        }
    }

    fn dialog_of(&mut self, id: &DialogId) -> Option<(PersonKey, Usage)> {
        let person = self.dialogs.get(id)?.clone();
        let found = self.people.get(&person);
        let usage = found.and_then(|found| match (found.has_focus_dialog(id), found.has_watch_dialog(id)) {
            (true, _) => Some(Usage::Focus),
            (false, true) => Some(Usage::Watch),
            (false, false) => None,
        });
        if usage.is_none() {
            self.dialogs.remove(id);
        }
        Some((person, usage?))
    }

    /// Remembers whose dialog it is.
    pub(super) fn index_dialog(&mut self, id: DialogId, person: PersonKey) {
        // Ended dialogs leave their entries behind; swept before they outnumber the living ones.
        if self.dialogs.len() > 64 + 4 * self.people.len() {
            let people = &self.people;
            self.dialogs.retain(|id, person| {
                people
                    .get(person)
                    .is_some_and(|found| found.has_focus_dialog(id) || found.has_watch_dialog(id))
            });
        }
        self.dialogs.insert(id, person);
    }

    fn check_cseq(&mut self, person: &PersonKey, usage: Usage, incoming: &Incoming) -> Result<(), Refusal> {
        let Some(found) = self.people.get_mut(person) else { return Ok(()) };
        let dialog = match usage {
            Usage::Focus => found.focus.as_mut().map(|focus| &mut focus.dialog),
            Usage::Watch => found.watch.as_mut().map(|watch| &mut watch.dialog),
        };
        match dialog.map(|dialog| dialog.check_request(&incoming.request)) {
            Some(Err(_)) => Err(Refusal::new(500, SIP_LAYER, "CSeq goes back")),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// UPDATE: session refresh and route repair (flow 15, recovery section 4.8).
    fn on_update(&mut self, incoming: &Incoming, person: &PersonKey, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let offer = SessionOffer::read(&incoming.request, cx)?;
        let grace = cx.now + cx.config.timers.repair_subscribe;
        let mut gruu_changed = false;
        if let Some(found) = self.people.get_mut(person) {
            let Some(focus) = found.focus.as_mut() else { return Err(Refusal::moved()) };
            let before = focus.dialog.route_set().to_vec();
            focus.dialog.refresh_target(incoming.request.contact());
            if !incoming.request.record_route().is_empty() {
                focus.dialog.replace_route_from_request(&incoming.request);
            }
            let route_changed = focus.dialog.route_set() != before;
            offer.apply(focus, cx);
            let watch_elsewhere =
                found.watch.as_ref().is_some_and(|watch| route_changed || watch.flow != Some(incoming.flow));
            if watch_elsewhere {
                // Notifications sent into the broken route are lost: a SUBSCRIBE is expected now.
                found.resend_at = Some(grace);
            }
            let gruu = incoming.request.contact().map(|contact| contact.uri().to_string());
            if gruu.is_some() && gruu != found.record.gruu {
                found.record.gruu = gruu;
                gruu_changed = true;
            }
        }
        if gruu_changed {
            self.store_person(person);
        }
        let mut response = ResponseDraft::to(&incoming.request, 200)
            .header("Contact", self.contact())
            .header("Supported", "ms-dialog-route-set-update, timer")
            .header("Allow", ALLOW);
        if let Some(session) = offer.header() {
            response = response.header("Require", "timer").header("Session-Expires", session.as_str());
        }
        self.respond(incoming, response);
        Ok(())
    }

    fn on_bye(&mut self, incoming: &Incoming, person: &PersonKey, cx: &mut Cx<'_>) {
        self.respond(incoming, ResponseDraft::to(&incoming.request, 200));
        if let Some(found) = self.people.get_mut(person) {
            found.focus = None;
        }
        self.leave(person, DisconnectionMethod::Departed, cx);
    }

    fn options_answer(&self, incoming: &Incoming) -> ResponseDraft {
        ResponseDraft::to(&incoming.request, 200)
            .header("Allow", ALLOW)
            .header("Accept", c3p::mime::C3P)
            .header("Allow-Events", c3p::mime::EVENT_CONFERENCE)
            .header("Supported", "ms-dialog-route-set-update, timer")
    }

    // ----- answers to the Focus's own requests -----

    /// How a request of the Focus ended.
    pub(crate) fn on_answer(&mut self, sent: Sent, outcome: &Outcome, cx: &mut Cx<'_>) {
        if self.closed {
            return;
        }
        let status = match outcome {
            Outcome::Response(response) => Some(response.status()),
            Outcome::Lost => None,
        };
        match sent {
            Sent::Farewell | Sent::Over { .. } => {}
            Sent::Notify { person } => self.notified(&person, status),
            Sent::Probe { person } => self.probed(&person, status, cx),
            Sent::Result { person, body, repaired } => match status {
                Some(481) => self.forgotten(&person, cx),
                Some(430) if !repaired => self.repair(&person, body),
                // Only 481 counts: a client may leave such an INFO unanswered (c3p section 2.6).
                Some(_) | None => {}
            },
            Sent::Repair { person, body } => {
                let Outcome::Response(response) = outcome else { return };
                if (200..300).contains(&response.status()) {
                    if let Some(focus) = self.people.get_mut(&person).and_then(|found| found.focus.as_mut()) {
                        focus.dialog.replace_route_from_response(response);
                        focus.dialog.refresh_target(response.contact());
                    }
                    self.send_result(&person, body, true);
                }
            }
        }
    }

    /// A NOTIFY was answered, or not.
    fn notified(&mut self, person: &PersonKey, status: Option<u16>) {
        let Some(found) = self.people.get_mut(person) else { return };
        match status {
            Some(200..=299) => {}
            Some(481) => {
                found.watch = None;
                found.record.subscription = None;
                self.store_person(person);
            }
            // This document is lost: the next one has to make up for it.
            Some(_) | None => {
                if let Some(watch) = &mut found.watch {
                    watch.needs_full = true;
                }
            }
        }
    }

    /// A route repair of the Focus's own: UPDATE to the GRUU without route set, then the INFO again.
    fn repair(&mut self, person: &PersonKey, body: bytes::Bytes) {
        let contact = self.contact();
        let Some(found) = self.people.get_mut(person) else { return };
        let mut reach = found.focus_reach();
        reach.flow = None;
        let Some(focus) = found.focus.as_mut() else { return };
        let draft = focus
            .dialog
            .request_off_route(Method::Update)
            .header("Contact", contact.as_str())
            .header("Supported", "ms-dialog-route-set-update");
        self.request(draft, reach, Sent::Repair { person: person.clone(), body });
    }

    fn probed(&mut self, person: &PersonKey, status: Option<u16>, cx: &Cx<'_>) {
        let gone = cx.now + cx.config.timers.rejoin_grace;
        let Some(found) = self.people.get_mut(person) else { return };
        let Some(focus) = found.focus.as_mut() else { return };
        focus.probing = false;
        match status {
            // Nobody there, or nobody who knows the dialog, or no way to him.
            None | Some(404 | 408 | 410 | 430 | 480 | 481 | 503 | 504) => {
                focus.probe_at = None;
                found.absent_until.get_or_insert(gone);
            }
            // Any other answer, 501 and 405 among them, is a sign of life.
            Some(_) => {
                found.absent_until = None;
                focus.restart_timer(cx.now);
            }
        }
    }

    fn forgotten(&mut self, person: &PersonKey, cx: &Cx<'_>) {
        let gone = cx.now + cx.config.timers.rejoin_grace;
        if let Some(found) = self.people.get_mut(person) {
            found.focus = None;
            found.absent_until.get_or_insert(gone);
        }
    }

    /// A 2xx to an INVITE was never acknowledged.
    pub(crate) fn on_no_ack(&mut self, invite: ServerTransactionId, cx: &Cx<'_>) {
        let gone = cx.now + cx.config.timers.rejoin_grace;
        for found in self.people.values_mut() {
            if found.focus.as_ref().is_some_and(|focus| focus.invite == invite) {
                found.absent_until.get_or_insert(gone);
            }
        }
    }

    /// A flow was closed. Behind it was a participant, or a hop on the way to some.
    pub(crate) fn on_flow_closed(&mut self, flow: FlowId, cx: &Cx<'_>) {
        let gone = cx.now + cx.config.timers.rejoin_grace;
        for found in self.people.values_mut() {
            if let Some(watch) = found.watch.as_mut().filter(|watch| watch.flow == Some(flow)) {
                watch.flow = None;
            }
            let Some(focus) = found.focus.as_mut().filter(|focus| focus.flow == Some(flow)) else { continue };
            focus.flow = None;
            // Behind a hop the participant may well be alive: nobody is removed for a broken hop (section 4.8).
            if focus.dialog.route_set().is_empty() {
                found.absent_until.get_or_insert(gone);
            }
        }
    }

    // ----- time -----

    /// Something of one participant is due.
    pub(super) fn person_due(&mut self, person: &PersonKey, cx: &mut Cx<'_>) {
        let now = cx.now;
        let Some(found) = self.people.get_mut(person) else { return };
        let due = |at: Option<std::time::Instant>| at.is_some_and(|at| at <= now);
        if due(found.lobby_until) {
            return self.lobby_ran_out(person, cx);
        }
        if due(found.absent_until) {
            return self.session_ran_out(person, cx);
        }
        if due(found.resend_at) {
            found.resend_at = None;
            self.notify_full(person, cx);
        }
        let expired =
            |found: &super::Participant| due(found.watch.as_ref().and_then(|watch| watch.expires_at));
        if self.people.get(person).is_some_and(expired) {
            self.end_watch(person, "timeout", None, cx);
            self.store_person(person);
        }
        self.probe_if_due(person, cx);
    }

    fn probe_if_due(&mut self, person: &PersonKey, cx: &Cx<'_>) {
        let contact = self.contact();
        let Some(found) = self.people.get_mut(person) else { return };
        let reach = found.focus_reach();
        let Some(focus) = found.focus.as_mut() else { return };
        if focus.probing || focus.probe_at.is_none_or(|at| at > cx.now) {
            return;
        }
        focus.probing = true;
        let draft = match focus.interval {
            Some(interval) => {
                let role = if focus.we_refresh { "uac" } else { "uas" };
                let expires = format!("{};refresher={role}", interval.as_secs());
                let draft = focus.dialog.request(Method::Update).header("Session-Expires", expires.as_str());
                draft.header("Supported", "ms-dialog-route-set-update, timer")
            }
            None => focus.dialog.request(Method::Options),
        };
        self.request(
            draft.header("Contact", contact.as_str()),
            reach,
            Sent::Probe { person: person.clone() },
        );
    }

    fn lobby_ran_out(&mut self, person: &PersonKey, cx: &mut Cx<'_>) {
        tracing::info!(conference = %self.head.id, "lobby wait ran out");
        self.throw_out(
            std::slice::from_ref(person),
            super::ending::Farewell {
                method: DisconnectionMethod::Failed,
                subscription: "giveup",
                id: ids::LOBBY_TIMEOUT,
                reason: "The lobby wait ran out",
                ban: None,
            },
            cx,
        );
    }

    fn session_ran_out(&mut self, person: &PersonKey, cx: &mut Cx<'_>) {
        tracing::info!(conference = %self.head.id, "participant did not come back");
        self.throw_out(
            std::slice::from_ref(person),
            super::ending::Farewell {
                method: DisconnectionMethod::Failed,
                subscription: "deactivated",
                id: ids::SESSION_EXPIRED,
                reason: "The session expired",
                ban: None,
            },
            cx,
        );
    }
}

/// 405, with what would be allowed.
pub(crate) fn method_not_allowed() -> Refusal {
    Refusal::new(405, SIP_LAYER, "The method is not known here").with("Allow", ALLOW)
}
