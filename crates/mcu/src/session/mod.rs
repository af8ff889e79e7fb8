//! The McuSession machine: one modality of a conference, as the Focus reports it, and our call to it.
//!
//! ```text
//!            M2                         M1                    M3 (Focus failed over, call kept)
//!   Terminated <──── Idle ────────────────────────> Active ───────────────────────────> Retrying
//!       ^             ^  ^                            │  ^    M4 (MCU failed over, call ended)  │ │
//!       │             │  └──────────── M8 ────────────┼──┼───────────────────────────────────────┘ │
//!       │             │                               │  └───────────────── M5 ───────────────────┘
//!       └── M6 (any) ─┴─ M7 (any, back to Idle) ──────┘
//! ```
//!
//! The state is what the newest document says about the MCU, not a connection. The call is a dialog of its own; this
//! machine knows only whether there is one, because M4, M5 and M8 depend on it.
//!
//! # Invariants
//!
//! - Only rows of the table; states change in `cross` only.
//! - `Active` implies that the newest report said so.
//! - A `Terminated` session has no call and no queued operation.
//! - M3 never ends a call; M4 always does.
//!
//! Not here: the SIP dialog of the call, the table of operations (the ConferenceSession owns it), the roster.

mod call;
pub(crate) mod edge;
mod states;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use c3p::McuType;

pub use call::{CallCause, CallChange, CallState, EndReason};
pub use edge::McuTransition;
use states::State;

/// The externally visible state of an McuSession (specification section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum McuSessionState {
    /// Bound to a conference or not; the MCU is not active as far as we know.
    Idle,
    /// The Focus reports the MCU active.
    Active,
    /// The Focus or the MCU failed over; what comes next is not known yet.
    Retrying,
    /// The session is over, or the conference has no such MCU.
    Terminated,
}

impl McuSessionState {
    /// The name as in the table of transitions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Active => "Active",
            Self::Retrying => "Retrying",
            Self::Terminated => "Terminated",
        }
    }
}

impl std::fmt::Display for McuSessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one document of the Focus says about one MCU (protocol note on conference-info, section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McuReport {
    /// The conference has no MCU of this type.
    Absent,
    /// It has one, which is not activated, or is being activated.
    Inactive,
    /// It is active. `instance` tells one server from another, when the Focus names it.
    Active {
        /// The name of the server, if the document has it.
        instance: Option<String>,
    },
    /// It is failing over to another server.
    FailingOver,
}

/// The caller's number of something that waits in the queue of an idle McuSession.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueTicket(pub u64);

/// What becomes of an operation that was just begun on an McuSession.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Send it now.
    Send,
    /// It waits for the MCU; [`Output::Send`] comes when the MCU is active, or when the wait is over.
    Queued,
}

/// Why an McuSession refused an operation at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The McuSession is `Retrying`: repeat it once it is `Active` again.
    #[error("the McuSession is retrying")]
    Retryable,
    /// It makes no sense in this state.
    #[error("not possible while the McuSession is {0}")]
    InvalidState(McuSessionState),
}

/// What the machine wants done or told, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The state changed.
    Transition {
        /// Before.
        from: McuSessionState,
        /// After.
        to: McuSessionState,
        /// The row of the table.
        id: McuTransition,
    },
    /// The state of the call changed.
    Call(CallChange),
    /// End the call's dialog (BYE, best effort). It counts as ended already.
    EndCall {
        /// Why.
        reason: EndReason,
    },
    /// What is pending on this MCU and on its call fails: the MCU failed over (M4).
    FailPending {
        /// The row that did it.
        began: McuTransition,
    },
    /// Send what was queued under this ticket.
    Send(QueueTicket),
    /// What was queued under this ticket can never be sent.
    Reject(QueueTicket, Refused),
}

/// The McuSession of one modality.
///
/// Feed it what the Focus reports and what happens to the call; after each call drain [`poll_output`].
///
/// [`poll_output`]: Self::poll_output
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use c3p::McuType;
/// use mcu::{McuReport, McuSession, McuSessionState};
///
/// let mut im = McuSession::new(McuType::Im);
/// im.handle_report(&McuReport::Active { instance: Some("im-1".into()) }, false, Instant::now());
/// assert_eq!(im.state(), McuSessionState::Active);
/// ```
#[derive(Debug)]
pub struct McuSession {
    kind: McuType,
    state: State,
    cx: Context,
}

/// What outlives the states.
#[derive(Debug)]
struct Context {
    now: Option<Instant>,
    call: CallState,
    /// The server that the call was made to.
    call_instance: Option<String>,
    /// The newest report.
    report: McuReport,
    queue: VecDeque<(QueueTicket, Instant)>,
    queue_wait: Duration,
    out: VecDeque<Output>,
}

/// How long an operation waits for an MCU that is not active (specification section 4).
pub const QUEUE_WAIT: Duration = Duration::from_secs(30);

impl McuSession {
    /// An idle McuSession.
    #[must_use]
    pub fn new(kind: McuType) -> Self {
        Self { kind, state: State::default(), cx: Context::new(QUEUE_WAIT) }
    }

    /// The same with another wait for idle MCUs.
    #[must_use]
    pub fn with_queue_wait(mut self, wait: Duration) -> Self {
        self.cx.queue_wait = wait;
        self
    }

    /// The modality.
    #[must_use]
    pub const fn kind(&self) -> McuType {
        self.kind
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> McuSessionState {
        self.state.name()
    }

    /// The state of the call.
    #[must_use]
    pub const fn call(&self) -> CallState {
        self.cx.call
    }

    /// The server that is active, if it is and the Focus names it.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        match &self.state {
            State::Active(active) => active.instance.as_deref(),
            State::Idle(_) | State::Retrying(_) | State::Terminated(_) => None,
        }
    }

    /// The newest report.
    #[must_use]
    pub const fn report(&self) -> &McuReport {
        &self.cx.report
    }

    /// A document said this about the MCU (M1, M2, M4, M5, M8).
    ///
    /// `reconnected`: it is the fresh document that followed a failover of the Focus.
    pub fn handle_report(&mut self, report: &McuReport, reconnected: bool, now: Instant) {
        self.turn(now, |state, cx| {
            cx.report = report.clone();
            match state {
                State::Idle(idle) => idle.report(report, cx),
                State::Active(active) => active.report(report, cx),
                State::Retrying(retrying) => retrying.report(report, reconnected, cx),
                State::Terminated(over) => over.into(),
            }
        });
    }

    /// The Focus failed over (M3): the call is kept.
    pub fn handle_focus_lost(&mut self, now: Instant) {
        self.turn(now, |state, cx| match state {
            State::Active(active) => active.focus_lost(cx),
            State::Idle(_) | State::Retrying(_) | State::Terminated(_) => state,
        });
    }

    /// The session ended (M6).
    pub fn handle_session_ended(&mut self, now: Instant) {
        self.turn(now, |state, cx| match state {
            State::Idle(idle) => states::end(edge::M6, idle, EndReason::SessionEnding, cx),
            State::Active(active) => states::end(edge::M6, active, EndReason::SessionEnding, cx),
            State::Retrying(retrying) => states::end(edge::M6, retrying, EndReason::SessionEnding, cx),
            State::Terminated(over) => over.into(),
        });
    }

    /// The parent session went back to `Idle` (M7). What was `Terminated` by M2 starts anew without a row.
    pub fn handle_session_idle(&mut self, now: Instant) {
        self.turn(now, |state, cx| match state {
            State::Idle(idle) => states::reset(edge::M7, idle, cx),
            State::Active(active) => states::reset(edge::M7, active, cx),
            State::Retrying(retrying) => states::reset(edge::M7, retrying, cx),
            State::Terminated(over) => over.into(),
        });
    }

    /// The state of the call changed on the wire. A change that is none, or that a call which is over cannot make, is
    /// ignored.
    pub fn handle_call(&mut self, change: CallChange, now: Instant) {
        self.turn(now, |state, cx| {
            if matches!(state, State::Terminated(_)) || !cx.call_may_become(change.state) {
                return state;
            }
            cx.call = change.state;
            match change.state {
                CallState::Established => cx.call_instance = state_instance(&state),
                CallState::Idle | CallState::Terminated => cx.call_instance = None,
                CallState::Establishing | CallState::Terminating => {}
            }
            cx.out.push_back(Output::Call(change));
            match state {
                State::Retrying(retrying) => retrying.settle(cx),
                State::Idle(_) | State::Active(_) | State::Terminated(_) => state,
            }
        });
    }

    /// Something is to be sent to the MCU, or to the Focus about it.
    ///
    /// # Errors
    ///
    /// [`Refused::Retryable`] while `Retrying`, [`Refused::InvalidState`] when `Terminated`; then nothing is sent.
    pub fn begin(&mut self, ticket: QueueTicket, now: Instant) -> Result<Admission, Refused> {
        match &self.state {
            State::Active(_) => Ok(Admission::Send),
            State::Idle(_) => {
                self.cx.queue.push_back((ticket, now + self.cx.queue_wait));
                Ok(Admission::Queued)
            }
            State::Retrying(_) => Err(Refused::Retryable),
            State::Terminated(_) => Err(Refused::InvalidState(McuSessionState::Terminated)),
        }
    }

    /// Takes something out of the queue: its operation ended another way.
    pub fn forget(&mut self, ticket: QueueTicket) {
        self.cx.queue.retain(|(queued, _)| *queued != ticket);
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.out.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): the end of the oldest wait in the queue.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cx.queue.iter().map(|(_, deadline)| *deadline).min()
    }

    /// Sends what has waited long enough: the server decides (specification section 4).
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<_> =
            self.cx.queue.iter().filter(|(_, at)| *at <= now).map(|(ticket, _)| *ticket).collect();
        for ticket in due {
            self.forget(ticket);
            self.cx.out.push_back(Output::Send(ticket));
        }
    }

    fn turn(&mut self, now: Instant, step: impl FnOnce(State, &mut Context) -> State) {
        debug_assert!(self.cx.now.is_none_or(|then| now >= then), "time ran backwards");
        self.cx.now = Some(now);
        self.state = step(std::mem::take(&mut self.state), &mut self.cx);
        self.check_invariants();
    }

    fn check_invariants(&self) {
        let over = matches!(self.state, State::Terminated(_));
        debug_assert!(!(over && self.cx.call.is_up()), "a terminated McuSession has a call");
        debug_assert!(matches!(self.state, State::Idle(_)) || self.cx.queue.is_empty(), "only Idle queues");
        if matches!(self.state, State::Active(_)) {
            debug_assert!(matches!(self.cx.report, McuReport::Active { .. }), "Active without a report");
        }
    }
}

fn state_instance(state: &State) -> Option<String> {
    match state {
        State::Active(active) => active.instance.clone(),
        State::Retrying(retrying) => retrying.instance.clone(),
        State::Idle(_) | State::Terminated(_) => None,
    }
}

impl Context {
    fn new(queue_wait: Duration) -> Self {
        Self {
            now: None,
            call: CallState::Idle,
            call_instance: None,
            report: McuReport::Inactive,
            queue: VecDeque::new(),
            queue_wait,
            out: VecDeque::new(),
        }
    }

    fn call_may_become(&self, next: CallState) -> bool {
        match (self.call, next) {
            (CallState::Idle | CallState::Terminated, CallState::Establishing | CallState::Established) => {
                true
            }
            (
                CallState::Establishing,
                CallState::Established | CallState::Terminating | CallState::Terminated,
            ) => true,
            (CallState::Established, CallState::Terminating | CallState::Terminated) => true,
            (CallState::Terminating, CallState::Terminated) => true,
            (
                CallState::Idle
                | CallState::Establishing
                | CallState::Established
                | CallState::Terminating
                | CallState::Terminated,
                _,
            ) => false,
        }
    }
}

#[cfg(test)]
mod tests;
