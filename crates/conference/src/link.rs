//! The wire side of a session with its Focus: the INVITE dialog for commands, the subscription for the roster.
//!
//! A [`FocusLink`] joins, carries commands in INFO and their results in reverse INFO, keeps the subscription, and tells
//! what it saw in the words of recovery-on-the-wire.md section 1, as [`Input`]s of the machine. It decides nothing about the session: the machine in
//! [`crate::session`] does, and answers with what to do next.
//!
//! # Invariants
//!
//! - One attempt to join is one INVITE and its SUBSCRIBE; it ends with one [`Input::Document`] that is fresh, one
//!   [`Input::JoinFailed`] or one [`Input::RejoinFailed`].
//! - Each command ends with exactly one input that carries its operation, unless [`FocusLink::drop_command`] or
//!   [`FocusLink::forget`] took it back.
//! - After [`Input::Terminated`] nothing is sent for this session any more.
//!
//! Not here: states and their rows (T1…), the roster's content, MCU calls.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use c3p::command as cccp;
use c3p::info::ConferenceInfo;
use sip_core::recoverable::{
    DialogEvent, Fault, Incoming, ROUTE_SET_UPDATE, Recipe, RecoverableDialog, RecoveryTimes, Resend, Token,
};
use sip_core::ua::{RequestId, Routing, SendError, UserAgent};
use sip_core::{
    Dialog, DialogId, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, ServerTransactionId, Uri,
};

use crate::session::{
    CommandOutcome, Detector, EndedReason, Evidence, FailedCommand, Input, OperationId, OperationValue,
    PersonOutcome, RecoveryStep, RepairedDialog, Reply, WireFailure,
};

/// The times of a session's signalling (recovery-on-the-wire.md section 6). All are settings.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LinkTimes {
    /// The INVITE, and then the SUBSCRIBE, may stay without any answer for this long.
    pub first_answer: Duration,
    /// One attempt to join in all; time in the lobby does not count.
    pub attempt: Duration,
    /// Nothing received from the Focus for this long: probe (D16). Zero: never.
    pub idle_probe: Duration,
    /// What each of subscription and dialog may take to end in an orderly leave.
    pub leave: Duration,
    /// The same when nobody may be there to answer.
    pub best_effort: Duration,
    /// The longest random wait before a rejoin that everybody does at once (D9).
    pub rejoin_jitter: Duration,
    /// Of the route repair of each dialog.
    pub recovery: RecoveryTimes,
}

impl Default for LinkTimes {
    fn default() -> Self {
        LinkTimes {
            first_answer: Duration::from_secs(32),
            attempt: Duration::from_secs(60),
            idle_probe: Duration::from_secs(120),
            leave: Duration::from_secs(32),
            best_effort: Duration::from_secs(2),
            rejoin_jitter: Duration::from_millis(500),
            recovery: RecoveryTimes::default(),
        }
    }
}

#[derive(Debug)]
struct Attempt {
    invite: RequestDraft,
    id: Option<RequestId>,
    accepted: bool,
    cancelled: bool,
    /// Nothing was answered by then: over. Each provisional answer moves it.
    silent_at: Instant,
    over_at: Instant,
    start_at: Option<Instant>,
}

#[derive(Debug)]
struct Subscription {
    dialog: Option<Dialog>,
    draft: Option<RequestDraft>,
    call_id: String,
    from_tag: String,
    request: Option<RequestId>,
    refresh_at: Option<Instant>,
    /// The next full document answers our SUBSCRIBE.
    awaits_document: bool,
    bad_documents: u32,
    off_route: bool,
}

#[derive(Debug, Default)]
struct Ending {
    bye: Option<RequestId>,
    unsubscribe: Option<RequestId>,
    deadline: Option<Instant>,
}

/// The two dialogs of one session with its Focus.
#[derive(Debug)]
pub struct FocusLink {
    conference: String,
    uri: Uri,
    user: String,
    endpoint: String,
    lobby_capable: bool,
    times: LinkTimes,
    request_id: u64,
    attempt: Option<Attempt>,
    dialog: Option<RecoverableDialog>,
    /// What the dialog's next recovery was caused by, where it was not a command: a lost flow (D13) or silence (D16).
    suspicion: Option<Detector>,
    subscription: Option<Subscription>,
    ending: Option<Ending>,
    ended: bool,
    /// The route is being healed: only a fresh roster ends that.
    healing: bool,
    /// The front end's death was announced to everybody (D9).
    told_with_others: bool,
    /// The attempt under way is the one of a failover.
    rejoining: bool,
    /// Whether the last loss of the route came after a silent repair that failed.
    repair_tried: bool,
    commands: HashMap<u64, OperationId>,
    tokens: BTreeMap<Token, u64>,
    heard_at: Option<Instant>,
    events: VecDeque<Input>,
}

impl FocusLink {
    /// A link to `conference` (its URI), for our `user` entity and `endpoint` GUID. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The conference URI is not a SIP URI.
    pub fn new(
        conference: &str,
        user: String,
        endpoint: String,
        lobby_capable: bool,
        times: LinkTimes,
    ) -> Result<Self, sip_core::UriError> {
        Ok(FocusLink {
            uri: Uri::parse(conference)?,
            conference: conference.to_owned(),
            user,
            endpoint,
            lobby_capable,
            times,
            request_id: 0,
            attempt: None,
            dialog: None,
            suspicion: None,
            subscription: None,
            ending: None,
            ended: false,
            healing: false,
            told_with_others: false,
            rejoining: false,
            repair_tried: false,
            commands: HashMap::new(),
            tokens: BTreeMap::new(),
            heard_at: None,
            events: VecDeque::new(),
        })
    }

    /// The conference URI.
    pub fn conference(&self) -> &str {
        &self.conference
    }

    /// The next thing that was seen.
    pub fn poll_event(&mut self) -> Option<Input> {
        self.events.pop_front()
    }

    /// Whether an in-dialog request with this id belongs to this link.
    pub fn owns(&self, id: &DialogId) -> bool {
        let focus = self.dialog.as_ref().map(|dialog| dialog.dialog().id());
        if focus == Some(id) {
            return true;
        }
        // A NOTIFY can overtake the 2xx of its SUBSCRIBE: then only Call-ID and our tag are known.
        self.subscription.as_ref().is_some_and(|sub| match &sub.dialog {
            Some(dialog) => dialog.id() == id,
            None => sub.call_id == id.call_id && sub.from_tag == id.local_tag,
        })
    }

    /// Starts an attempt to join, after `delay`.
    pub fn join(&mut self, delay: Duration, ua: &mut UserAgent, now: Instant) {
        let start_at = now + delay;
        self.attempt = Some(Attempt {
            invite: RequestDraft::new(Method::Invite, self.uri.clone()),
            id: None,
            accepted: false,
            cancelled: false,
            silent_at: start_at + self.times.first_answer,
            over_at: start_at + self.times.attempt,
            start_at: Some(start_at),
        });
        if delay.is_zero() {
            self.send_invite(ua, now);
        }
    }

    /// Forgets both dialogs without a word: nobody holds them any more. Starts the one attempt of a failover.
    ///
    /// Where everybody was told at the same moment (D9), a random wait comes on top of `after`.
    pub fn rejoin(&mut self, after: Duration, ua: &mut UserAgent, now: Instant) {
        let everybody = std::mem::take(&mut self.told_with_others);
        self.forget(ua);
        self.rejoining = true;
        let span = u64::try_from(self.times.rejoin_jitter.as_millis()).unwrap_or(0);
        let jitter = if everybody && span > 0 { ua.endpoint().ids().below(span) } else { 0 };
        self.join(after + Duration::from_millis(jitter), ua, now);
    }

    /// Drops dialogs, commands and attempts.
    pub fn forget(&mut self, ua: &mut UserAgent) {
        self.commands.clear();
        self.tokens.clear();
        self.suspicion = None;
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
        }
        if let Some(id) = self.subscription.take().and_then(|sub| sub.request) {
            ua.abandon(id);
        }
        self.attempt = None;
    }

    /// The operation is over for the application: a late answer to its command is ignored.
    pub fn drop_command(&mut self, op: OperationId) {
        self.commands.retain(|_, other| *other != op);
    }

    /// Sends a command; its `requestId` stays the same in every repetition.
    pub fn command(&mut self, op: OperationId, command: cccp::Command, ua: &mut UserAgent, now: Instant) {
        let request_id = self.next_request_id();
        let request = cccp::Request::new(request_id, self.user.as_str(), self.conference.as_str(), command);
        let Some(dialog) = &mut self.dialog else {
            let reply = transport("there is no dialog with the Focus");
            self.events.push_back(refused(op, reply));
            return;
        };
        let body = Some((c3p::mime::C3P.to_owned(), request.write()));
        let headers = vec![("Supported".to_owned(), "timer".to_owned())];
        let token = dialog.send(Recipe { method: Method::Info, headers, body, resend: Resend::Always }, ua, now);
        self.commands.insert(request_id, op);
        self.tokens.insert(token, request_id);
        self.drain_dialog(ua, now);
    }

    /// Finds out whether the dialog is alive; `why` is what made us ask (D13, D15, D16).
    pub fn probe(&mut self, why: Detector, ua: &mut UserAgent, now: Instant) {
        if let Some(dialog) = &mut self.dialog {
            self.suspicion.get_or_insert(why);
            dialog.probe(ua, now);
            self.drain_dialog(ua, now);
        }
    }

    /// Starts the heal loop.
    pub fn heal(&mut self, at_once: bool, ua: &mut UserAgent, now: Instant) {
        if let Some(dialog) = &mut self.dialog {
            self.healing = true;
            dialog.heal(at_once, ua, now);
            self.drain_dialog(ua, now);
        }
    }

    /// The network came back: the next heal attempt is now.
    pub fn hint(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(dialog) = &mut self.dialog {
            dialog.hint(ua, now);
            self.drain_dialog(ua, now);
        }
    }

    /// Asks for a full document in the subscription there is, or in a new one.
    pub fn refresh(&mut self, off_route: bool, ua: &mut UserAgent, now: Instant) {
        if self.dialog.is_none() || self.ending.is_some() {
            return;
        }
        match &mut self.subscription {
            Some(sub) if sub.request.is_some() => {
                sub.off_route |= off_route;
            }
            Some(sub) if sub.dialog.is_some() => self.resubscribe(off_route, ua, now),
            Some(_) | None => self.subscribe(ua, now),
        }
    }

    /// Gives up an attempt to join: CANCEL, or BYE where the 2xx crossed.
    pub fn cancel_join(&mut self, ua: &mut UserAgent, now: Instant) {
        self.terminate(true, ua, now);
    }

    /// Ends subscription and dialog; [`Input::Terminated`] follows, in the best-effort form after two seconds at most.
    pub fn terminate(&mut self, best_effort: bool, ua: &mut UserAgent, now: Instant) {
        if self.ended {
            self.events.push_back(Input::Terminated);
            return;
        }
        let limit = if best_effort { self.times.best_effort } else { self.times.leave };
        let mut ending = Ending { deadline: Some(now + limit), ..Ending::default() };
        if let Some(attempt) = &mut self.attempt {
            match attempt.id {
                Some(id) if !attempt.accepted => {
                    attempt.cancelled = true;
                    ua.cancel(id, now);
                }
                Some(_) | None => self.attempt = None,
            }
        }
        if let Some(mut sub) = self.subscription.take() {
            if let Some(id) = sub.request.take() {
                ua.abandon(id);
            }
            if let Some(dialog) = &mut sub.dialog {
                let draft = subscribe_headers(dialog.request(Method::Subscribe), &ua.contact(), 0);
                ending.unsubscribe = Some(ua.send(draft, Routing::Route, now));
            }
        }
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
            let bye = dialog.dialog_mut().request(Method::Bye).header("Supported", ROUTE_SET_UPDATE);
            ending.bye = Some(ua.send(bye, Routing::Route, now));
        }
        self.commands.clear();
        self.tokens.clear();
        self.ending = Some(ending);
        self.finish_ending();
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref().map(|a| a.start_at.unwrap_or(a.silent_at.min(a.over_at)));
        let dialog = self.dialog.as_ref().and_then(RecoverableDialog::poll_timeout);
        let subscription = self.subscription.as_ref().and_then(|sub| sub.refresh_at);
        let ending = self.ending.as_ref().and_then(|ending| ending.deadline);
        [attempt, dialog, subscription, ending, self.idle_at()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(attempt) = &self.attempt {
            if attempt.start_at.is_some_and(|at| at <= now) {
                self.send_invite(ua, now);
            } else if attempt.start_at.is_none() && attempt.silent_at.min(attempt.over_at) <= now {
                self.give_up_attempt(transport("the Focus did not answer in time"), ua, now);
            }
        }
        if let Some(dialog) = &mut self.dialog {
            dialog.handle_timeout(ua, now);
        }
        self.drain_dialog(ua, now);
        if self.subscription.as_ref().is_some_and(|sub| sub.refresh_at.is_some_and(|at| at <= now)) {
            if let Some(sub) = &mut self.subscription {
                sub.refresh_at = None;
            }
            self.refresh(false, ua, now);
        }
        if self.idle_at().is_some_and(|at| at <= now) {
            self.heard_at = Some(now);
            self.probe(Detector::D16, ua, now);
        }
        if let Some(ending) = &mut self.ending
            && ending.deadline.is_some_and(|at| at <= now)
        {
            let late = [ending.bye.take(), ending.unsubscribe.take()];
            late.into_iter().flatten().for_each(|id| ua.abandon(id));
            if let Some(id) = self.attempt.take().and_then(|attempt| attempt.id) {
                ua.abandon(id);
            }
            self.finish_ending();
        }
    }

    /// Takes an answer if it is to a request of this link.
    pub fn on_response(&mut self, id: RequestId, response: &Response, ua: &mut UserAgent, now: Instant) -> bool {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.id == Some(id)) {
            self.on_invite_answer(id, response, ua, now);
            return true;
        }
        if self.subscription.as_ref().is_some_and(|sub| sub.request == Some(id)) {
            if response.status() >= 200 {
                self.heard_at = Some(now);
                self.on_subscribe_answer(response, ua, now);
            }
            return true;
        }
        if self.on_ending_answer(id) {
            return true;
        }
        let Some(dialog) = &mut self.dialog else { return false };
        let taken = dialog.on_response(id, response, ua, now);
        if taken {
            self.heard_at = Some(now);
            self.drain_dialog(ua, now);
        }
        taken
    }

    /// Takes the failure of a request if it is one of this link.
    pub fn on_failed(&mut self, id: RequestId, error: SendError, ua: &mut UserAgent, now: Instant) -> bool {
        if self.attempt.as_ref().is_some_and(|attempt| attempt.id == Some(id)) {
            if self.ending.is_some() {
                self.attempt = None;
                self.finish_ending();
            } else {
                self.give_up_attempt(transport(&error.to_string()), ua, now);
            }
            return true;
        }
        if let Some(sub) = &mut self.subscription
            && sub.request == Some(id)
        {
            sub.request = None;
            self.on_subscribe_failed(transport(&error.to_string()), ua, now);
            return true;
        }
        if self.on_ending_answer(id) {
            return true;
        }
        let Some(dialog) = &mut self.dialog else { return false };
        let taken = dialog.on_failed(id, error, ua, now);
        if taken {
            self.drain_dialog(ua, now);
        }
        taken
    }

    /// Takes a request in one of our dialogs (see [`owns`](Self::owns)).
    pub fn on_request(&mut self, tx: ServerTransactionId, request: &Request, ua: &mut UserAgent, now: Instant) {
        self.heard_at = Some(now);
        if *request.method() == Method::Notify {
            let answer = ResponseDraft::to(request, 200);
            ua.endpoint().respond(tx, answer, now);
            self.on_notify(request, ua, now);
            return;
        }
        let Some(dialog) = &mut self.dialog else {
            ua.endpoint().respond(tx, ResponseDraft::to(request, 481), now);
            return;
        };
        match dialog.on_request(tx, request, ua, now) {
            Incoming::Done => {}
            Incoming::Healed => self.on_healed(ua, now),
            Incoming::Deliver => self.on_focus_request(tx, request, ua, now),
        }
        self.drain_dialog(ua, now);
    }

    /// Takes a BENOTIFY of our subscription.
    pub fn on_oneway(&mut self, request: &Request, ua: &mut UserAgent, now: Instant) {
        if *request.method() == Method::Benotify {
            self.heard_at = Some(now);
            self.on_notify(request, ua, now);
        }
    }

    fn idle_at(&self) -> Option<Instant> {
        let every = self.times.idle_probe;
        let quiet = self.dialog.as_ref().is_some_and(|d| !d.is_healing() && !d.is_repairing());
        if every.is_zero() || !quiet { None } else { self.heard_at.map(|at| at + every) }
    }

    fn next_request_id(&mut self) -> u64 {
        self.request_id += 1;
        self.request_id
    }

    // ---- joining ----

    fn send_invite(&mut self, ua: &mut UserAgent, now: Instant) {
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

    fn add_user(&self, display_name: Option<&str>) -> cccp::AddUser {
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

    fn on_invite_answer(&mut self, id: RequestId, response: &Response, ua: &mut UserAgent, now: Instant) {
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
            return self.attempt_failed(reply_of(response));
        }
        let Ok(dialog) = Dialog::uac(&attempt.invite, response) else {
            return self.attempt_failed(transport("the 2xx of the INVITE makes no dialog"));
        };
        ua.send_ack(id, dialog.ack(1), now);
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
                self.events.push_back(if self.rejoining { Input::RejoinAccepted } else { Input::JoinAccepted });
                self.subscribe(ua, now);
            }
            Ok(_) => self.give_up_attempt(reply_of(response), ua, now),
            Err(error) => self.give_up_attempt(transport(&error.to_string()), ua, now),
        }
    }

    /// RFC 4028 section 7.3: once more with the interval that the peer insists on; the same attempt.
    fn raise_session_interval(&mut self, response: &Response, ua: &mut UserAgent, now: Instant) -> bool {
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
    fn bye_crossing(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
            let bye = ua.send(dialog.dialog_mut().request(Method::Bye), Routing::Route, now);
            if let Some(ending) = &mut self.ending {
                ending.bye = Some(bye);
            } else {
                ua.abandon(bye);
            }
        }
        self.finish_ending();
    }

    fn give_up_attempt(&mut self, reply: Reply, ua: &mut UserAgent, now: Instant) {
        if let Some(attempt) = self.attempt.take()
            && let Some(id) = attempt.id
            && !attempt.accepted
        {
            ua.cancel(id, now);
            ua.abandon(id);
        }
        if let Some(id) = self.subscription.take().and_then(|sub| sub.request) {
            ua.abandon(id);
        }
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
            let bye = ua.send(dialog.dialog_mut().request(Method::Bye), Routing::Route, now);
            ua.abandon(bye);
        }
        self.attempt_failed(reply);
    }

    fn attempt_failed(&mut self, reply: Reply) {
        self.attempt = None;
        let error = WireFailure::Refused(reply);
        let input = if std::mem::take(&mut self.rejoining) {
            Input::RejoinFailed { error }
        } else {
            Input::JoinFailed(error)
        };
        self.events.push_back(input);
    }

    // ---- the subscription ----

    fn subscribe(&mut self, ua: &mut UserAgent, now: Instant) {
        let from = ua.new_from();
        let call_id = format!("sub-{}", ua.endpoint().new_token());
        let draft = RequestDraft::new(Method::Subscribe, self.uri.clone())
            .from(from.clone())
            .to(NameAddr::new(self.uri.clone()))
            .call_id(call_id.clone())
            .cseq(1);
        let draft = subscribe_headers(draft, &ua.contact(), SUBSCRIPTION_S);
        let request = ua.send(draft.clone(), Routing::Outbound, now);
        self.subscription = Some(Subscription {
            dialog: None,
            draft: Some(draft),
            call_id,
            from_tag: from.tag().unwrap_or_default().to_owned(),
            request: Some(request),
            refresh_at: None,
            awaits_document: true,
            bad_documents: 0,
            off_route: false,
        });
    }

    fn resubscribe(&mut self, off_route: bool, ua: &mut UserAgent, now: Instant) {
        let contact = ua.contact();
        let Some(sub) = &mut self.subscription else { return };
        let Some(dialog) = &mut sub.dialog else { return };
        let (draft, routing) = if off_route {
            (dialog.request_off_route(Method::Subscribe), Routing::Outbound)
        } else {
            (dialog.request(Method::Subscribe), Routing::Route)
        };
        sub.request = Some(ua.send(subscribe_headers(draft, &contact, SUBSCRIPTION_S), routing, now));
        sub.awaits_document = true;
        sub.refresh_at = None;
        sub.off_route = off_route;
    }

    fn on_subscribe_answer(&mut self, response: &Response, ua: &mut UserAgent, now: Instant) {
        let Some(sub) = &mut self.subscription else { return };
        sub.request = None;
        let status = response.status();
        if status >= 300 {
            return self.on_subscribe_failed(reply_of(response), ua, now);
        }
        match (&mut sub.dialog, sub.draft.take()) {
            (Some(dialog), _) => {
                dialog.refresh_target(response.contact());
                if sub.off_route {
                    dialog.replace_route_from_response(response);
                }
            }
            (None, Some(draft)) => match Dialog::uac(&draft, response) {
                Ok(dialog) => sub.dialog = Some(dialog),
                Err(_) => {
                    let reply = transport("the 2xx of the SUBSCRIBE makes no dialog");
                    return self.on_subscribe_failed(reply, ua, now);
                }
            },
            (None, None) => {}
        }
        let granted = response.headers().get("Expires").and_then(|value| value.trim().parse().ok());
        let seconds: u32 = granted.unwrap_or(SUBSCRIPTION_S).max(1);
        sub.refresh_at = Some(now + Duration::from_secs(u64::from(seconds)) * 4 / 5);
        if !response.body().is_empty() {
            self.on_document(response.body(), ua, now);
        }
    }

    /// The subscription could not be made or refreshed: what that means depends on what we were doing.
    fn on_subscribe_failed(&mut self, reply: Reply, ua: &mut UserAgent, now: Instant) {
        let gone = reply.sip_status == Some(481);
        let off_route = self.subscription.as_ref().is_some_and(|sub| sub.off_route);
        if self.attempt.is_some() {
            return self.give_up_attempt(reply, ua, now);
        }
        if gone {
            // The subscription is lost; whether the Focus dialog is, too, a probe tells (D8).
            self.subscription = None;
            if off_route {
                self.subscribe(ua, now);
            } else {
                self.probe(Detector::D8, ua, now);
            }
            return;
        }
        // Not healed until a roster came: back to the loop.
        if let Some(sub) = &mut self.subscription {
            sub.off_route = true;
            if sub.dialog.is_none() {
                self.subscription = None;
            }
        }
        if let Some(dialog) = &mut self.dialog {
            if off_route {
                if self.healing {
                    self.events.push_back(Input::HealFailed { error: WireFailure::Refused(reply) });
                    dialog.heal(false, ua, now);
                    return self.drain_dialog(ua, now);
                }
                let evidence = evidence(Detector::D6, now, &reply);
                self.events.push_back(Input::RouteLost { evidence, failed: None });
            } else {
                self.suspicion.get_or_insert(Detector::D6);
                dialog.probe(ua, now);
            }
        }
        self.drain_dialog(ua, now);
    }

    fn on_notify(&mut self, request: &Request, ua: &mut UserAgent, now: Instant) {
        let Some(sub) = &mut self.subscription else { return };
        if let Some(dialog) = &mut sub.dialog
            && dialog.check_request(request).is_err()
        {
            return;
        }
        let state = request.headers().get("Subscription-State").unwrap_or("active").to_owned();
        let mut parts = state.split(';').map(str::trim);
        if parts.next().is_some_and(|value| value.eq_ignore_ascii_case("terminated")) {
            let reason = parts.find_map(|part| part.strip_prefix("reason=")).unwrap_or_default().to_owned();
            if !request.body().is_empty() && reason != "deactivated" && reason != "probation" {
                self.on_document(request.body(), ua, now);
            }
            return self.on_subscription_over(&reason, request, ua, now);
        }
        if !request.body().is_empty() {
            self.on_document(request.body(), ua, now);
        }
    }

    fn on_subscription_over(&mut self, reason: &str, request: &Request, ua: &mut UserAgent, now: Instant) {
        if self.ending.is_some() || self.ended {
            return;
        }
        self.subscription = None;
        let reply = transport(&format!("the subscription was terminated: {reason}"))
            .with_diagnostics(request.headers().get("ms-diagnostics"));
        let ended = |reason| Input::EndedByFocus { reason, reply: reply.clone() };
        match reason.to_ascii_lowercase().as_str() {
            "deactivated" | "probation" => {
                self.told_with_others = true;
                self.front_end_lost(Detector::D9, now, reply, None);
            }
            "rejected" => self.events.push_back(ended(EndedReason::Ejected)),
            "noresource" | "invariant" => self.events.push_back(ended(EndedReason::Ended)),
            "giveup" => self.events.push_back(ended(EndedReason::LobbyTimeout)),
            _ if self.attempt.is_none() => self.subscribe(ua, now),
            _ => {}
        }
    }

    fn on_document(&mut self, body: &Bytes, ua: &mut UserAgent, now: Instant) {
        match ConferenceInfo::parse(body, &c3p::Limits::default()) {
            Ok(info) => {
                let full = info.is_full();
                let Some(sub) = &mut self.subscription else { return };
                let fresh = full && std::mem::take(&mut sub.awaits_document);
                sub.bad_documents = 0;
                if fresh {
                    self.rejoining = false;
                    self.healing = false;
                    self.attempt = None;
                }
                self.events.push_back(Input::Document { info: Arc::new(info), fresh });
            }
            Err(error) => {
                let Some(sub) = &mut self.subscription else { return };
                sub.bad_documents += 1;
                let again = sub.bad_documents <= 1;
                if self.attempt.is_some() && !again {
                    self.give_up_attempt(transport(&format!("the roster is unreadable: {error}")), ua, now);
                } else if again {
                    self.refresh(false, ua, now);
                }
            }
        }
    }

    // ---- the Focus dialog ----

    fn on_focus_request(&mut self, tx: ServerTransactionId, request: &Request, ua: &mut UserAgent, now: Instant) {
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

    fn on_result(&mut self, answer: cccp::Response) {
        let op = match answer.code {
            cccp::Code::Pending => self.commands.get(&answer.request_id).copied(),
            cccp::Code::Success | cccp::Code::Failure => self.commands.remove(&answer.request_id),
        };
        if let Some(op) = op {
            self.events.push_back(Input::CommandAnswered { op, outcome: outcome(answer) });
        }
    }

    fn on_bye(&mut self, request: &Request, ua: &mut UserAgent, now: Instant) {
        let value = request.headers().get("ms-diagnostics").map(str::to_owned);
        let id = value.as_deref().and_then(first_diagnostics_id);
        let reply = Reply::default().with_diagnostics(value);
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
        }
        if self.ending.is_some() || self.ended {
            return;
        }
        if self.attempt.is_some() {
            return self.give_up_attempt(reply, ua, now);
        }
        use c3p::diagnostics::ids;
        let kind = match id {
            Some(ids::FOCUS_MOVED | ids::SESSION_EXPIRED) => {
                return self.front_end_lost(Detector::D12, now, reply, None);
            }
            Some(ids::REPLACED) => EndedReason::Replaced,
            Some(ids::REMOVED) => EndedReason::Ejected,
            Some(ids::ENDED_BY_PRESENTER | ids::CONFERENCE_ENDED) => EndedReason::Ended,
            Some(ids::LOBBY_TIMEOUT) => EndedReason::LobbyTimeout,
            Some(_) | None => EndedReason::Unknown,
        };
        self.events.push_back(Input::EndedByFocus { reason: kind, reply });
    }

    fn front_end_lost(&mut self, detected_by: Detector, first_sign: Instant, reply: Reply, op: Option<OperationId>) {
        if self.attempt.is_none() {
            let evidence = evidence(detected_by, first_sign, &reply);
            let failed = op.map(|op| FailedCommand { op, reply });
            self.events.push_back(Input::FrontEndLost { evidence, failed });
        }
    }

    fn repair_ended(&mut self, repaired: bool, detected_by: Detector, first_sign: Instant, now: Instant) {
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

    fn drain_dialog(&mut self, ua: &mut UserAgent, now: Instant) {
        while let Some(event) = self.dialog.as_mut().and_then(RecoverableDialog::poll_event) {
            self.on_dialog_event(event, ua, now);
        }
    }

    fn op_of(&mut self, token: Token) -> Option<OperationId> {
        self.tokens.remove(&token).and_then(|request_id| self.commands.remove(&request_id))
    }

    fn on_dialog_event(&mut self, event: DialogEvent, ua: &mut UserAgent, now: Instant) {
        match event {
            DialogEvent::Answered { token, response } => self.on_command_answer(token, &response),
            DialogEvent::Failed { token, fault } => {
                if let Some(op) = self.op_of(token) {
                    self.events.push_back(refused(op, fault_reply(fault)));
                }
            }
            DialogEvent::Confirmed => {
                let why = self.suspicion.take();
                // Notifications may have been lost with the flow; a lost subscription is made anew.
                if matches!(why, Some(Detector::D13 | Detector::D8)) || self.subscription.is_none() {
                    self.refresh(false, ua, now);
                }
            }
            DialogEvent::Repaired { fault, first_sign } => {
                let detected_by = self.suspicion.take().unwrap_or_else(|| detector(fault));
                self.repair_ended(true, detected_by, first_sign, now);
                self.refresh(true, ua, now);
            }
            DialogEvent::RepairFailed { fault, first_sign, token, tried } => {
                let detected_by = self.suspicion.take().unwrap_or_else(|| detector(fault));
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
                self.suspicion = None;
                if healing {
                    let evidence = evidence(Detector::D7, first_sign, &reply);
                    self.events.push_back(Input::HealFoundDialogGone { evidence });
                } else {
                    self.front_end_lost(Detector::D7, first_sign, reply, op);
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

    fn on_healed(&mut self, ua: &mut UserAgent, now: Instant) {
        self.events.push_back(Input::Healed);
        self.refresh(true, ua, now);
    }

    fn on_command_answer(&mut self, token: Token, response: &Response) {
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

    // ---- ending ----

    fn on_ending_answer(&mut self, id: RequestId) -> bool {
        let Some(ending) = &mut self.ending else { return false };
        let ours = ending.bye.take_if(|bye| *bye == id).or_else(|| ending.unsubscribe.take_if(|sub| *sub == id));
        if ours.is_some() {
            self.finish_ending();
        }
        ours.is_some()
    }

    fn finish_ending(&mut self) {
        let Some(ending) = &self.ending else { return };
        if ending.bye.is_none() && ending.unsubscribe.is_none() && self.attempt.is_none() {
            self.ending = None;
            self.ended = true;
            self.events.push_back(Input::Terminated);
        }
    }
}

/// What the Focus dialog understands.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, NOTIFY, BENOTIFY, OPTIONS";
/// How long a subscription is asked to last (RFC 4575 section 3: one hour).
const SUBSCRIPTION_S: u32 = 3600;

fn subscribe_headers(draft: RequestDraft, contact: &NameAddr, expires: u32) -> RequestDraft {
    draft
        .header("Contact", contact.to_string())
        .header("Event", "conference")
        .header("Accept", c3p::mime::CONFERENCE_INFO)
        .header("Supported", "com.microsoft.autoextend, ms-benotify, ms-piggyback-first-notify")
        .header("Supported", ROUTE_SET_UPDATE)
        .header("Proxy-Require", "ms-benotify")
        .header("Expires", expires.to_string())
}

/// The row of the decision table for a fault that a request of the Focus dialog met.
pub(crate) fn detector(fault: Fault) -> Detector {
    match fault {
        Fault::FlowFailed => Detector::D1,
        Fault::WaitForFarEnd => Detector::D2,
        Fault::RegistrationLost => Detector::D3,
        Fault::FlowFailedAgain => Detector::D5,
        Fault::Unreachable | Fault::FlowLost | Fault::Silent => Detector::D6,
        Fault::Status(404 | 410 | 480 | 604) => Detector::D18,
        Fault::Status(_) => Detector::D6,
    }
}

fn first_diagnostics_id(value: &str) -> Option<u32> {
    value.parse::<c3p::diagnostics::Diagnostics>().ok().map(|diagnostics| diagnostics.id)
}

/// Something below SIP, or a lie of the peer's, in words.
fn transport(text: &str) -> Reply {
    Reply::transport(text)
}

fn reply_of(response: &Response) -> Reply {
    let c3p = cccp::Response::parse(response.body(), &c3p::Limits::default()).ok();
    Reply::status(response.status())
        .with_diagnostics(response.headers().get("ms-diagnostics"))
        .with_c3p_reason(c3p.and_then(|c3p| c3p.reason).map(|reason| reason.to_string()))
}

fn fault_reply(fault: Fault) -> Reply {
    match fault.status() {
        Some(status) => Reply::status(status),
        None => Reply::transport(fault.to_string()),
    }
}

fn evidence(detected_by: Detector, first_sign: Instant, reply: &Reply) -> Evidence {
    Evidence::new(detected_by, first_sign)
        .with_status(reply.sip_status)
        .with_diagnostics(reply.diagnostics.clone())
}

fn refused(op: OperationId, reply: Reply) -> Input {
    Input::CommandAnswered { op, outcome: CommandOutcome::Failure(reply) }
}

fn outcome(answer: cccp::Response) -> CommandOutcome {
    match answer.code {
        cccp::Code::Pending => CommandOutcome::Pending,
        cccp::Code::Failure => {
            let reason = answer.reason.map_or_else(|| "otherFailure".to_owned(), |reason| reason.to_string());
            CommandOutcome::Failure(Reply::c3p(reason))
        }
        cccp::Code::Success => CommandOutcome::Success(match answer.result {
            cccp::CommandResult::SetLobbyAccess(results) => OperationValue::People(
                results
                    .into_iter()
                    .map(|one| PersonOutcome { user: one.user, failure: one.failure.map(|r| r.to_string()) })
                    .collect(),
            ),
            cccp::CommandResult::GetConference(Some(info)) => OperationValue::Roster(info),
            _ => OperationValue::Done,
        }),
    }
}
