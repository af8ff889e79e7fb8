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

mod focus_dialog;
mod joining;
mod reply;
mod subscription;

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
    Dialog, DialogId, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, ServerTransactionId,
    Uri,
};

use crate::session::{
    Awaited, CommandOutcome, Detector, EndedReason, Evidence, FailedCommand, Input, OperationId,
    OperationValue, PersonOutcome, RecoveryStep, RepairedDialog, Reply, WireFailure,
};

use focus_dialog::ALLOW;
pub(crate) use reply::detector;
use reply::{
    evidence, fault_reply, first_diagnostics_id, is_way_lost, outcome, refused, reply_of, transport,
    unanswered,
};
use subscription::subscribe_headers;

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

impl Attempt {
    /// What it waits for when its time is over, and how long it did.
    fn awaits(&self, times: &LinkTimes) -> (Awaited, Duration) {
        let awaited = if self.accepted { Awaited::FirstDocument } else { Awaited::InviteAnswer };
        (awaited, if self.silent_at < self.over_at { times.first_answer } else { times.attempt })
    }
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
    /// The version of the newest document in this subscription.
    newest: Option<u32>,
    /// The answer to our SUBSCRIBE was overtaken by a notification, and asked for again.
    overtaken: bool,
    /// The newest SUBSCRIBE went without the route set.
    off_route: bool,
    /// It failed as one does whose way is broken: the next one goes without the route set.
    way_lost: bool,
    /// It was accepted without a document, which has to come until then.
    document_by: Option<Instant>,
    made_at: Instant,
}

#[derive(Debug, Default)]
struct Ending {
    bye: Option<Farewell>,
    unsubscribe: Option<Farewell>,
    deadline: Option<Instant>,
}

/// The last request of a dialog.
#[derive(Debug)]
struct Farewell {
    id: RequestId,
    dialog: Dialog,
    method: Method,
    off_route: bool,
}

impl Farewell {
    /// Ends a dialog by the best way known: its route, unless that is broken.
    fn send(mut dialog: Dialog, method: Method, off_route: bool, ua: &mut UserAgent, now: Instant) -> Self {
        let (draft, routing) = if off_route {
            (dialog.request_off_route(method.clone()), Routing::Outbound)
        } else {
            (dialog.request(method.clone()), Routing::Route)
        };
        let draft = match method {
            Method::Subscribe => subscribe_headers(draft, &ua.contact(), 0),
            _ => draft.header("Supported", ROUTE_SET_UPDATE),
        };
        Farewell { id: ua.send(draft, routing, now), dialog, method, off_route }
    }
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
    suspicion: Option<(Detector, Instant)>,
    subscription: Option<Subscription>,
    /// A SUBSCRIBE was refused while the Focus dialog lives: when to try again, and how often it was refused in a row.
    subscribe_again: Option<Instant>,
    subscribe_refused: u32,
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
    /// The newest document shows our endpoint in the lobby: to be rejected then is to be denied.
    in_lobby: bool,
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
            subscribe_again: None,
            subscribe_refused: 0,
            ending: None,
            ended: false,
            healing: false,
            told_with_others: false,
            rejoining: false,
            repair_tried: false,
            in_lobby: false,
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
        self.subscribe_again = None;
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
        }
        if let Some(id) = self.subscription.take().and_then(|sub| sub.request) {
            ua.withdraw(id);
        }
        self.attempt = None;
    }

    /// The operation is over for the application: a late answer to its command is ignored.
    pub fn drop_command(&mut self, op: OperationId) {
        self.commands.retain(|_, other| *other != op);
    }

    /// Sends a command; its `requestId` stays the same in every repetition.
    pub fn command(&mut self, op: OperationId, command: cccp::Command, ua: &mut UserAgent, now: Instant) {
        let request = self.c3p_request(command);
        self.submit(op, request, ua, now);
    }

    /// Sends a command that the Focus is to hand on to one MCU.
    pub fn mcu_command(
        &mut self,
        op: OperationId,
        mcu_uri: &str,
        command: cccp::Command,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let request = self.c3p_request(command).with_mcu_uri(mcu_uri);
        self.submit(op, request, ua, now);
    }

    fn c3p_request(&mut self, command: cccp::Command) -> cccp::Request {
        let request_id = self.next_request_id();
        cccp::Request::new(request_id, self.user.as_str(), self.conference.as_str(), command)
    }

    fn submit(&mut self, op: OperationId, request: cccp::Request, ua: &mut UserAgent, now: Instant) {
        let request_id = request.request_id;
        let Some(dialog) = &mut self.dialog else {
            let reply = transport("there is no dialog with the Focus");
            self.events.push_back(refused(op, reply));
            return;
        };
        let body = Some((c3p::mime::C3P.to_owned(), request.write()));
        let headers = vec![("Supported".to_owned(), "timer".to_owned())];
        let token =
            dialog.send(Recipe { method: Method::Info, headers, body, resend: Resend::Always }, ua, now);
        self.commands.insert(request_id, op);
        self.tokens.insert(token, request_id);
        self.drain_dialog(ua, now);
    }

    /// Finds out whether the dialog is alive; `why` is what made us ask (D13, D15, D16).
    pub fn probe(&mut self, why: Detector, ua: &mut UserAgent, now: Instant) {
        if let Some(dialog) = &mut self.dialog {
            self.suspicion.get_or_insert((why, now));
            dialog.probe(ua, now);
            self.drain_dialog(ua, now);
        }
    }

    /// Starts the heal loop.
    pub fn heal(&mut self, at_once: bool, ua: &mut UserAgent, now: Instant) {
        if let Some(dialog) = &mut self.dialog {
            self.healing = true;
            self.suspicion = None;
            // What heals ends with a SUBSCRIBE of its own.
            self.subscribe_again = None;
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
        self.subscribe_again = None;
        if self.dialog.is_none() || self.ending.is_some() {
            return;
        }
        match &mut self.subscription {
            // What is on its way by the old route may never arrive.
            Some(sub) if sub.request.is_some() && sub.dialog.is_some() && off_route && !sub.off_route => {
                if let Some(id) = sub.request.take() {
                    ua.withdraw(id);
                }
                self.resubscribe(true, ua, now);
            }
            Some(sub) if sub.request.is_some() => {}
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
        let broken = self.dialog.as_ref().is_some_and(RecoverableDialog::is_healing);
        if let Some(sub) = self.subscription.take() {
            if let Some(id) = sub.request {
                ua.withdraw(id);
            }
            ending.unsubscribe =
                sub.dialog.map(|dialog| Farewell::send(dialog, Method::Subscribe, broken, ua, now));
        }
        if let Some(mut dialog) = self.dialog.take() {
            dialog.stop(ua);
            ending.bye = Some(Farewell::send(dialog.dialog().clone(), Method::Bye, broken, ua, now));
        }
        self.commands.clear();
        self.tokens.clear();
        self.subscribe_again = None;
        self.ending = Some(ending);
        self.finish_ending();
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref().map(|a| a.start_at.unwrap_or(a.silent_at.min(a.over_at)));
        let dialog = self.dialog.as_ref().and_then(RecoverableDialog::poll_timeout);
        let subscription = self
            .subscription
            .as_ref()
            .and_then(|sub| sub.refresh_at.into_iter().chain(sub.document_by).min());
        let ending = self.ending.as_ref().and_then(|ending| ending.deadline);
        let again = self.subscribe_again;
        [attempt, dialog, subscription, again, ending, self.idle_at()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(attempt) = &self.attempt {
            if attempt.start_at.is_some_and(|at| at <= now) {
                self.send_invite(ua, now);
            } else if attempt.start_at.is_none() && attempt.silent_at.min(attempt.over_at) <= now {
                let (awaited, waited) = attempt.awaits(&self.times);
                self.give_up_attempt(WireFailure::Silent { awaited, waited }, ua, now);
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
        if self.subscribe_again.is_some_and(|at| at <= now) {
            let way_lost = self.subscription.as_ref().is_some_and(|sub| sub.way_lost);
            self.refresh(way_lost, ua, now);
        }
        if self.subscription.as_ref().is_some_and(|sub| sub.document_by.is_some_and(|at| at <= now)) {
            self.on_document_missing(ua, now);
        }
        if self.idle_at().is_some_and(|at| at <= now) {
            self.heard_at = Some(now);
            self.probe(Detector::D16, ua, now);
        }
        if let Some(ending) = &mut self.ending
            && ending.deadline.is_some_and(|at| at <= now)
        {
            let late = [ending.bye.take(), ending.unsubscribe.take()];
            late.into_iter().flatten().for_each(|farewell| ua.withdraw(farewell.id));
            if let Some(id) = self.attempt.take().and_then(|attempt| attempt.id) {
                ua.withdraw(id);
            }
            self.finish_ending();
        }
    }

    /// Takes an answer if it is to a request of this link.
    pub fn on_response(
        &mut self,
        id: RequestId,
        response: &Response,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
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
        if self.on_ending_answer(id, Some(response.status()), ua, now) {
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
                self.give_up_attempt(unanswered(error, Awaited::InviteAnswer, &self.times), ua, now);
            }
            return true;
        }
        if let Some(sub) = &mut self.subscription
            && sub.request == Some(id)
        {
            sub.request = None;
            if self.attempt.is_some() {
                let failure = unanswered(error, Awaited::SubscribeAnswer, &self.times);
                self.give_up_attempt(failure, ua, now);
            } else {
                self.on_subscribe_failed(transport(&error.to_string()), ua, now);
            }
            return true;
        }
        if self.on_ending_answer(id, None, ua, now) {
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
    pub fn on_request(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
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
}
