//! A dialog that survives the hops on its way: one silent repair of its route, then healing for as long as it takes.
//!
//! [`RecoverableDialog`] sends the requests of an INVITE dialog and watches their answers for the signals of [MS-SIPRE]
//! section 3.7 (430 Flow Failed with `P-Dialog-Recovery-Action`) and for dead hops. The recovery procedure is an UPDATE
//! to the remote target *without* the route set; its 2xx brings the new route.
//!
//! ```text
//!             430, dead hop                 UPDATE fails                heal()
//!   Healthy ---------------> Repairing ----------------> Broken ----------------> Healing
//!      ^                        | 2xx: resend               ^                        | | 2xx
//!      |                        v                           |   UPDATE fails         | |
//!      +<-----------------------+                           +<-- (gap, again) -------+ |
//!      +<------------------------------------------------------------------------------+
//! ```
//!
//! # Invariants
//!
//! - At most one repair at a time; requests that arrive meanwhile wait for it and share its result.
//! - Each request handed to [`RecoverableDialog::send`] ends with exactly one `Answered`, `Failed`, `RepairFailed` or
//!   `Gone` that carries its token, unless [`RecoverableDialog::fail_all`] took it back.
//! - 481 ends the dialog, and nothing else does.
//!
//! Not here: what the loss of a route means to a conference (crate `conference`), when to give up.

mod event;
mod fault;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::build::{RequestDraft, ResponseDraft};
use crate::dialog::Dialog;
use crate::endpoint::ServerTransactionId;
use crate::header::{Method, NameAddr};
use crate::message::{Request, Response};
use crate::session_timer::{SessionTimer, SessionTimerConfig, SessionTimerEvent};
use crate::ua::{RequestId, Routing, SendError, UserAgent};

pub use event::{DialogEvent, Incoming};
pub use fault::Fault;
use fault::{recovery_action, retry_after};

/// The option tag of dialogs that recover ([MS-SIPRE] section 2.2.18).
pub const ROUTE_SET_UPDATE: &str = "ms-dialog-route-set-update";
/// The header of a 430 that says who has to recover.
pub const RECOVERY_ACTION: &str = "P-Dialog-Recovery-Action";
/// The gaps between two attempts of the heal loop in seconds, the last one repeated.
const HEAL_GAPS_S: [u64; 5] = [2, 4, 8, 16, 30];
/// How often one request is repeated because of glare; then the answer is one like any other.
const GLARES_MAX: u8 = 8;
/// The longest pause before an attempt of the heal loop that an answer can ask for.
const GLARE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Requests that may wait for a repair; one more is failed at once.
const WAITING_MAX: usize = 256;

/// The times of recovery (recovery-on-the-wire.md section 6).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RecoveryTimes {
    /// A repair or a heal attempt has failed when its UPDATE is not answered in this time.
    pub attempt: Duration,
    /// The most that a glare answer (491, 500 with Retry-After) delays the repetition.
    pub glare_max: Duration,
}

impl Default for RecoveryTimes {
    fn default() -> Self {
        RecoveryTimes { attempt: Duration::from_secs(10), glare_max: Duration::from_secs(2) }
    }
}

/// Names one request that the owner of a dialog sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u64);

/// After which faults a request may be sent again once the route is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// After any: the peer executes a repetition once (a C3P command with its requestId).
    Always,
    /// Only when it surely was not delivered: 430, or a refused connection (an instant message).
    Undelivered,
}

/// A request of a dialog, in the form in which it can be sent again with another CSeq and route.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The method.
    pub method: Method,
    /// Headers beyond those of the dialog, in order.
    pub headers: Vec<(String, String)>,
    /// Content type and body.
    pub body: Option<(String, Bytes)>,
    /// When it may be repeated.
    pub resend: Resend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Owner(Token),
    Probe,
    Refresh,
}

#[derive(Debug)]
struct InFlight {
    purpose: Purpose,
    recipe: Recipe,
    id: RequestId,
    /// It was sent again after a repair: there is no second one for it.
    resent: bool,
    flow_failed: bool,
    /// It was sent again with a longer session interval.
    raised: bool,
    /// How often it met glare.
    glares: u8,
}

#[derive(Debug)]
struct Repair {
    id: RequestId,
    deadline: Instant,
    first_sign: Instant,
    fault: Fault,
    /// What met the fault, to be sent again.
    stopped: Vec<(InFlight, Fault)>,
    /// Sent again with a longer session interval.
    raised: bool,
}

#[derive(Debug)]
struct Heal {
    gaps: usize,
    next: Option<Instant>,
    trying: Option<(RequestId, Instant)>,
    /// A 422 was followed by an attempt at once.
    raised: bool,
}

/// An INVITE dialog with route recovery and session refresh.
#[derive(Debug)]
pub struct RecoverableDialog {
    dialog: Dialog,
    times: RecoveryTimes,
    next_token: u64,
    in_flight: Vec<InFlight>,
    waiting: VecDeque<(Purpose, Recipe, Instant)>,
    delayed: Vec<(Instant, InFlight)>,
    repair: Option<Repair>,
    heal: Option<Heal>,
    broken: bool,
    /// A 430 said that our registration's route is lost: the first heal attempt waits for the new one.
    registering: bool,
    session: Option<SessionTimer>,
    /// The shortest interval that somebody on the way takes, once a 422 said so.
    min_s: u32,
    events: VecDeque<DialogEvent>,
}

impl RecoverableDialog {
    /// Takes over a dialog whose INVITE was accepted by `response`; its `Session-Expires` starts the refreshes if it names us.
    pub fn new(dialog: Dialog, response: &Response, times: RecoveryTimes, now: Instant) -> Self {
        let mut this = RecoverableDialog {
            dialog,
            times,
            next_token: 0,
            in_flight: Vec::new(),
            waiting: VecDeque::new(),
            delayed: Vec::new(),
            repair: None,
            heal: None,
            broken: false,
            registering: false,
            session: None,
            min_s: 0,
            events: VecDeque::new(),
        };
        this.note_session_timer(response, now);
        this
    }

    /// The dialog below.
    pub fn dialog(&self) -> &Dialog {
        &self.dialog
    }

    /// The dialog below, to change.
    pub fn dialog_mut(&mut self) -> &mut Dialog {
        &mut self.dialog
    }

    /// Whether a repair is under way.
    pub fn is_repairing(&self) -> bool {
        self.repair.is_some()
    }

    /// Whether the heal loop runs.
    pub fn is_healing(&self) -> bool {
        self.heal.is_some()
    }

    /// Sends a request, now or after the repair that is under way.
    pub fn send(&mut self, recipe: Recipe, ua: &mut UserAgent, now: Instant) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.submit(Purpose::Owner(token), recipe, ua, now);
        token
    }

    /// Finds out whether the dialog and its route are alive: an UPDATE by the normal route, once at a time.
    pub fn probe(&mut self, ua: &mut UserAgent, now: Instant) {
        let busy = self.in_flight.iter().any(|sent| sent.purpose == Purpose::Probe);
        if !busy && self.repair.is_none() && self.heal.is_none() {
            self.submit(Purpose::Probe, self.update_recipe(), ua, now);
        }
    }

    /// Starts the heal loop, at once or after the first gap. The session refresh rests meanwhile.
    ///
    /// Where the registration is lost, "at once" means: when it is renewed ([`hint`](Self::hint)), or after the gap.
    pub fn heal(&mut self, at_once: bool, ua: &mut UserAgent, now: Instant) {
        self.lose(now);
        if self.heal.is_some() {
            return;
        }
        self.heal = Some(Heal { gaps: 0, next: None, trying: None, raised: false });
        if at_once && !self.registering {
            self.try_heal(ua, now);
        } else {
            self.schedule_heal(ua, now);
        }
    }

    /// Something says that the way may be open again: the next attempt is now.
    pub fn hint(&mut self, ua: &mut UserAgent, now: Instant) {
        if self.heal.as_ref().is_some_and(|heal| heal.trying.is_none()) {
            self.try_heal(ua, now);
        }
    }

    /// Takes back every request of the owner and stops all recovery; nothing more is reported of them.
    pub fn fail_all(&mut self, ua: &mut UserAgent) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut take = |purpose: Purpose| {
            if let Purpose::Owner(token) = purpose {
                tokens.push(token);
            }
        };
        for sent in self.in_flight.drain(..) {
            take(sent.purpose);
            ua.withdraw(sent.id);
        }
        self.waiting.drain(..).for_each(|(purpose, _, _)| take(purpose));
        self.delayed.drain(..).for_each(|(_, sent)| take(sent.purpose));
        if let Some(repair) = self.repair.take() {
            ua.withdraw(repair.id);
            repair.stopped.into_iter().for_each(|(sent, _)| take(sent.purpose));
        }
        tokens
    }

    /// Stops the heal loop.
    pub fn stop(&mut self, ua: &mut UserAgent) {
        self.fail_all(ua);
        if let Some((id, _)) = self.heal.take().and_then(|heal| heal.trying) {
            ua.withdraw(id);
        }
        self.session = None;
        self.events.clear();
    }

    /// The next thing the owner has to know.
    pub fn poll_event(&mut self) -> Option<DialogEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let repair = self.repair.as_ref().map(|repair| repair.deadline);
        let heal =
            self.heal.as_ref().and_then(|heal| heal.next.or(heal.trying.map(|(_, deadline)| deadline)));
        let delayed = self.delayed.iter().map(|(at, _)| *at).min();
        let session = self.session.as_ref().and_then(SessionTimer::poll_timeout).map(|(at, _)| at);
        [repair, heal, delayed, session].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(repair) = self.repair.take_if(|repair| repair.deadline <= now) {
            ua.give_up(repair.id, now);
            self.on_repair_failed(repair, true, now);
        }
        if let Some(heal) = &mut self.heal {
            if heal.next.is_some_and(|at| at <= now) {
                self.try_heal(ua, now);
            } else if let Some((id, _)) = heal.trying.take_if(|(_, deadline)| *deadline <= now) {
                ua.give_up(id, now);
                self.events.push_back(DialogEvent::HealFailed { fault: Fault::Silent });
                self.schedule_heal(ua, now);
            }
        }
        let (due, later) = std::mem::take(&mut self.delayed).into_iter().partition(|(at, _)| *at <= now);
        self.delayed = later;
        let due: Vec<(Instant, InFlight)> = due;
        for (_, sent) in due {
            self.resubmit(sent, ua, now);
        }
        match self.session.as_mut().and_then(|session| session.handle_timeout(now)) {
            // One at a time (RFC 3311 section 5.1): the answer to the one under way says enough.
            Some(SessionTimerEvent::Refresh)
                if !self.in_flight.iter().any(|sent| sent.purpose == Purpose::Refresh) =>
            {
                self.submit(Purpose::Refresh, self.update_recipe(), ua, now);
            }
            Some(SessionTimerEvent::Refresh) | None => {}
            // Nobody refreshed in time. RFC 4028 says BYE; but a failed refresh is what recovery is for: ask first.
            Some(SessionTimerEvent::Expired) => {
                if let Some(session) = &mut self.session {
                    session.restart(now);
                }
                self.probe(ua, now);
            }
        }
    }

    /// Takes an answer if it is to a request of this dialog.
    pub fn on_response(
        &mut self,
        id: RequestId,
        response: &Response,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        if self.heal.as_ref().is_some_and(|heal| heal.trying.is_some_and(|(at, _)| at == id)) {
            if response.status() >= 200 {
                self.on_heal_answer(response, ua, now);
            }
            return true;
        }
        if self.repair.as_ref().is_some_and(|repair| repair.id == id) {
            if response.status() >= 200 {
                self.on_repair_answer(response, ua, now);
            }
            return true;
        }
        let Some(index) = self.in_flight.iter().position(|sent| sent.id == id) else { return false };
        if response.status() >= 200 {
            let sent = self.in_flight.swap_remove(index);
            self.on_answer(sent, response, ua, now);
        }
        true
    }

    /// Takes the failure of a request if it is one of this dialog.
    pub fn on_failed(&mut self, id: RequestId, error: SendError, ua: &mut UserAgent, now: Instant) -> bool {
        let fault = match error {
            SendError::Timeout | SendError::NotSent | SendError::Impostor => Fault::Silent,
            SendError::Unreachable => Fault::Unreachable,
            SendError::FlowLost => Fault::FlowLost,
        };
        if let Some(heal) = &mut self.heal
            && heal.trying.is_some_and(|(at, _)| at == id)
        {
            heal.trying = None;
            self.events.push_back(DialogEvent::HealFailed { fault });
            self.schedule_heal(ua, now);
            return true;
        }
        if let Some(repair) = self.repair.take_if(|repair| repair.id == id) {
            self.on_repair_failed(repair, true, now);
            return true;
        }
        let Some(index) = self.in_flight.iter().position(|sent| sent.id == id) else { return false };
        let sent = self.in_flight.swap_remove(index);
        self.on_fault(sent, fault, ua, now);
        true
    }

    /// Takes a request from the peer that belongs to this dialog: order, UPDATE and OPTIONS are settled here.
    pub fn on_request(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Incoming {
        if self.dialog.check_request(request).is_err() {
            ua.endpoint().respond(tx, ResponseDraft::to(request, 500).reason("CSeq Out Of Order"), now);
            return Incoming::Done;
        }
        match request.method() {
            Method::Update => {
                self.dialog.refresh_target(request.contact());
                let has_route = !request.record_route().is_empty();
                if has_route {
                    self.dialog.replace_route_from_request(request);
                }
                let contact = ua.contact().to_string();
                let answer = ResponseDraft::to(request, 200)
                    .header("Contact", contact)
                    .header("Supported", ROUTE_SET_UPDATE)
                    .header("Supported", "timer");
                ua.endpoint().respond(tx, answer, now);
                if self.broken && self.heal.is_some() {
                    self.on_healed(ua, now);
                    return Incoming::Healed;
                }
                Incoming::Done
            }
            Method::Options => {
                ua.endpoint().respond(tx, ResponseDraft::to(request, 200), now);
                Incoming::Done
            }
            _ => Incoming::Deliver,
        }
    }

    fn update_recipe(&self) -> Recipe {
        let mut headers = vec![("Supported".to_owned(), "timer".to_owned())];
        let interval = self.interval_s().max(self.min_s);
        headers.push(("Session-Expires".to_owned(), format!("{interval};refresher=uac")));
        if self.min_s > 0 {
            headers.push(("Min-SE".to_owned(), self.min_s.to_string()));
        }
        Recipe { method: Method::Update, headers, body: None, resend: Resend::Always }
    }

    fn interval_s(&self) -> u32 {
        self.session.as_ref().map_or(SessionTimerConfig::default().interval_s, SessionTimer::interval_s)
    }

    /// Takes note of the interval that a 422 wants; `false` if it wants nothing new (RFC 4028 section 7.3).
    fn raise(&mut self, response: &Response) -> bool {
        let asked = SessionTimerConfig::default().with_interval_s(self.interval_s()).with_min_s(self.min_s);
        let raised = asked.after_422(response);
        self.min_s = raised.map_or(self.min_s, |raised| raised.min_s);
        raised.is_some()
    }

    fn submit(&mut self, purpose: Purpose, recipe: Recipe, ua: &mut UserAgent, now: Instant) {
        if self.repair.is_none() {
            let id = self.transmit(&recipe, Routing::Route, ua, now);
            self.in_flight.push(InFlight {
                purpose,
                recipe,
                id,
                resent: false,
                flow_failed: false,
                raised: false,
                glares: 0,
            });
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((purpose, recipe, now));
        } else if let Purpose::Owner(token) = purpose {
            self.events.push_back(DialogEvent::Failed { token, fault: Fault::FlowFailed });
        }
    }

    fn resubmit(&mut self, mut sent: InFlight, ua: &mut UserAgent, now: Instant) {
        if let Some(repair) = &mut self.repair {
            // It has not left yet, so it may go again whatever the repair was for.
            return repair.stopped.push((sent, Fault::FlowFailed));
        }
        sent.id = self.transmit(&sent.recipe, Routing::Route, ua, now);
        self.in_flight.push(sent);
    }

    fn transmit(&mut self, recipe: &Recipe, routing: Routing, ua: &mut UserAgent, now: Instant) -> RequestId {
        let draft = match routing {
            Routing::Route => self.dialog.request(recipe.method.clone()),
            Routing::Outbound => self.dialog.request_off_route(recipe.method.clone()),
        };
        ua.send(with_recipe(draft, recipe, &ua.contact()), routing, now)
    }

    fn on_answer(&mut self, sent: InFlight, response: &Response, ua: &mut UserAgent, now: Instant) {
        let status = response.status();
        match status {
            200..300 => self.on_success(sent.purpose, response, now),
            481 => {
                let token = owner_token(sent.purpose);
                let response = response.clone();
                self.events.push_back(DialogEvent::Gone { token, response, healing: false, first_sign: now });
            }
            430 if sent.flow_failed => self.on_fault(sent, Fault::FlowFailedAgain, ua, now),
            430 => {
                let fault = recovery_action(response);
                self.on_fault(InFlight { flow_failed: true, ..sent }, fault, ua, now);
            }
            491 if sent.glares < GLARES_MAX => self.delay(sent, Duration::ZERO, ua, now),
            500 if retry_after(response).is_some() && sent.glares == 0 => {
                let wait = retry_after(response).unwrap_or_default();
                self.delay(sent, wait, ua, now);
            }
            408 | 503 | 504 | 404 | 410 | 480 | 604 => self.on_fault(sent, Fault::Status(status), ua, now),
            // A request of the owner has headers of its own.
            422 if owner_token(sent.purpose).is_none() && !sent.raised && self.raise(response) => {
                let recipe = self.update_recipe();
                self.resubmit(InFlight { recipe, raised: true, ..sent }, ua, now);
            }
            405 | 501 if sent.recipe.method == Method::Update => self.on_success(sent.purpose, response, now),
            _ => match sent.purpose {
                Purpose::Owner(token) => {
                    self.events.push_back(DialogEvent::Answered { token, response: response.clone() });
                }
                // The peer is alive and knows the dialog; a refresh is tried again at three quarters.
                Purpose::Probe | Purpose::Refresh => {
                    if let Some(session) = &mut self.session {
                        session.refresh_failed(now);
                    }
                    self.events.push_back(DialogEvent::Confirmed);
                }
            },
        }
    }

    fn on_success(&mut self, purpose: Purpose, response: &Response, now: Instant) {
        match purpose {
            Purpose::Owner(token) => {
                self.events.push_back(DialogEvent::Answered { token, response: response.clone() });
            }
            Purpose::Probe | Purpose::Refresh => {
                self.dialog.refresh_target(response.contact());
                self.note_session_timer(response, now);
                self.events.push_back(DialogEvent::Confirmed);
            }
        }
    }

    /// Glare: the same request again after a moment (RFC 3261 section 14.1).
    fn delay(&mut self, mut sent: InFlight, wait: Duration, ua: &mut UserAgent, now: Instant) {
        let span = u64::try_from(self.times.glare_max.as_millis()).unwrap_or(2000).max(1);
        let jitter = Duration::from_millis(ua.endpoint().ids().below(span));
        sent.glares += 1;
        self.delayed.push((now + wait.min(Duration::from_secs(10)) + jitter, sent));
    }

    fn on_fault(&mut self, sent: InFlight, fault: Fault, ua: &mut UserAgent, now: Instant) {
        if let Some(repair) = &mut self.repair {
            repair.stopped.push((sent, fault));
            return;
        }
        if self.broken || self.heal.is_some() {
            if let Purpose::Owner(token) = sent.purpose {
                self.events.push_back(DialogEvent::Failed { token, fault });
            }
            return;
        }
        if sent.resent {
            // It met a fault on the repaired route, too: the route is lost.
            return self.lose_route(sent, fault, now);
        }
        if !fault.is_repairable() {
            if fault == Fault::RegistrationLost {
                self.registering = true;
                self.events.push_back(DialogEvent::RegistrationNeeded);
            }
            return self.lose_route(sent, fault, now);
        }
        let update = self.update_recipe();
        let id = self.transmit(&update, Routing::Outbound, ua, now);
        let deadline = now + self.times.attempt;
        let stopped = vec![(sent, fault)];
        self.repair = Some(Repair { id, deadline, first_sign: now, fault, stopped, raised: false });
    }

    /// The route is lost; the session timer rests until it is back.
    fn lose(&mut self, now: Instant) {
        self.broken = true;
        if let Some(session) = &mut self.session {
            session.pause(now);
        }
    }

    fn lose_route(&mut self, sent: InFlight, fault: Fault, now: Instant) {
        self.lose(now);
        let token = owner_token(sent.purpose);
        self.events.push_back(DialogEvent::RepairFailed {
            fault,
            first_sign: now,
            token,
            tried: sent.resent,
        });
    }

    fn on_repair_answer(&mut self, response: &Response, ua: &mut UserAgent, now: Instant) {
        let Some(repair) = self.repair.take() else { return };
        match response.status() {
            // The peer is there: only the interval is not right.
            422 if !repair.raised && self.raise(response) => {
                let update = self.update_recipe();
                let id = self.transmit(&update, Routing::Outbound, ua, now);
                let deadline = now + self.times.attempt;
                self.repair = Some(Repair { id, deadline, raised: true, ..repair });
            }
            200..300 | 405 | 501 => {
                self.adopt_route(response, now);
                let fault = repair.fault;
                self.events.push_back(DialogEvent::Repaired { fault, first_sign: repair.first_sign });
                self.release(repair.stopped, ua, now);
            }
            481 => {
                let token = repair.stopped.iter().find_map(|(sent, _)| owner_token(sent.purpose));
                let (response, first_sign) = (response.clone(), repair.first_sign);
                self.events.push_back(DialogEvent::Gone { token, response, healing: false, first_sign });
            }
            _ => self.on_repair_failed(repair, true, now),
        }
    }

    /// The route is good again: what stopped goes on, then what waited, in order.
    fn release(&mut self, stopped: Vec<(InFlight, Fault)>, ua: &mut UserAgent, now: Instant) {
        for (mut sent, fault) in stopped {
            sent.resent = true;
            if sent.recipe.resend == Resend::Always || fault.is_undelivered() {
                self.resubmit(sent, ua, now);
            } else if let Purpose::Owner(token) = sent.purpose {
                self.events.push_back(DialogEvent::Failed { token, fault });
            }
        }
        for (purpose, recipe, _) in std::mem::take(&mut self.waiting) {
            self.submit(purpose, recipe, ua, now);
        }
    }

    fn on_repair_failed(&mut self, repair: Repair, tried: bool, now: Instant) {
        self.lose(now);
        let mut stopped = repair.stopped.into_iter();
        let token = stopped.next().and_then(|(sent, _)| owner_token(sent.purpose));
        let (fault, first_sign) = (repair.fault, repair.first_sign);
        self.events.push_back(DialogEvent::RepairFailed { fault, first_sign, token, tried });
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(purpose, _, _)| (purpose, fault));
        let rest = stopped.map(|(sent, fault)| (sent.purpose, fault)).chain(waiting);
        for (purpose, fault) in rest {
            if let Purpose::Owner(token) = purpose {
                self.events.push_back(DialogEvent::Failed { token, fault });
            }
        }
    }

    fn adopt_route(&mut self, response: &Response, now: Instant) {
        self.dialog.replace_route_from_response(response);
        self.dialog.refresh_target(response.contact());
        self.note_session_timer(response, now);
        self.broken = false;
    }

    fn try_heal(&mut self, ua: &mut UserAgent, now: Instant) {
        self.registering = false;
        let update = self.update_recipe();
        let id = self.transmit(&update, Routing::Outbound, ua, now);
        let deadline = now + self.times.attempt;
        if let Some(heal) = &mut self.heal {
            heal.next = None;
            heal.trying = Some((id, deadline));
        }
        self.events.push_back(DialogEvent::HealTried);
    }

    fn schedule_heal(&mut self, ua: &mut UserAgent, now: Instant) {
        let Some(heal) = &mut self.heal else { return };
        let index = heal.gaps.min(HEAL_GAPS_S.len() - 1);
        heal.gaps += 1;
        let gap_ms = HEAL_GAPS_S[index] * 1000;
        // Plus or minus a fifth, so that those who lost the same hop do not return in one burst.
        let gap = gap_ms * 4 / 5 + ua.endpoint().ids().below(gap_ms * 2 / 5 + 1);
        heal.trying = None;
        heal.next = Some(now + Duration::from_millis(gap));
    }

    fn on_heal_answer(&mut self, response: &Response, ua: &mut UserAgent, now: Instant) {
        if let Some(heal) = &mut self.heal {
            heal.trying = None;
        }
        match response.status() {
            200..300 | 405 | 501 => {
                self.adopt_route(response, now);
                self.on_healed(ua, now);
                self.events.push_back(DialogEvent::Healed);
            }
            481 => {
                self.heal = None;
                let response = response.clone();
                self.events.push_back(DialogEvent::Gone {
                    token: None,
                    response,
                    healing: true,
                    first_sign: now,
                });
            }
            422 if self.heal.as_ref().is_some_and(|heal| !heal.raised) && self.raise(response) => {
                if let Some(heal) = &mut self.heal {
                    heal.raised = true;
                }
                self.try_heal(ua, now);
            }
            430 => {
                let fault = recovery_action(response);
                if fault == Fault::RegistrationLost {
                    self.events.push_back(DialogEvent::RegistrationNeeded);
                }
                self.events.push_back(DialogEvent::HealFailed { fault });
                self.schedule_heal(ua, now);
            }
            status => {
                self.events.push_back(DialogEvent::HealFailed { fault: Fault::Status(status) });
                self.schedule_heal(ua, now);
                // Glare: the next attempt is when the peer says, or after a moment.
                let moment = (status == 491).then_some(self.times.glare_max);
                let asked = retry_after(response).filter(|_| status == 500).or(moment);
                if let (Some(heal), Some(wait)) = (&mut self.heal, asked) {
                    heal.next = Some(now + wait.min(GLARE_WAIT_MAX));
                }
            }
        }
    }

    fn on_healed(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(session) = &mut self.session {
            session.resume(now);
        }
        if let Some((id, _)) = self.heal.take().and_then(|heal| heal.trying) {
            ua.withdraw(id);
        }
        self.broken = false;
    }

    /// What a 2xx settles; one that says nothing of session timers leaves things as they are, and a paused clock runs on.
    fn note_session_timer(&mut self, response: &Response, now: Instant) {
        match SessionTimer::from_response(response, &SessionTimerConfig::default(), now) {
            Ok(Some(session)) => self.session = Some(session),
            Ok(None) | Err(_) => {
                if let Some(session) = &mut self.session {
                    session.restart(now);
                }
            }
        }
    }
}

fn owner_token(purpose: Purpose) -> Option<Token> {
    match purpose {
        Purpose::Owner(token) => Some(token),
        Purpose::Probe | Purpose::Refresh => None,
    }
}

fn with_recipe(draft: RequestDraft, recipe: &Recipe, contact: &NameAddr) -> RequestDraft {
    let draft = draft.header("Contact", contact.to_string()).header("Supported", ROUTE_SET_UPDATE);
    let draft =
        recipe.headers.iter().fold(draft, |draft, (name, value)| draft.header(name.as_str(), value.clone()));
    match &recipe.body {
        Some((content_type, body)) => draft.body(content_type.as_str(), body.clone()),
        None => draft,
    }
}
