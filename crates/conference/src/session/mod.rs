//! The ConferenceSession machine: states, numbered transitions, operations and recovery, without I/O.
//!
//! ```text
//!            T1                T2                     T3a..e
//!   Idle ─────────> Connecting ─────────> Connected ──────────> Disconnecting ──T4──> Disconnected
//!    ^ ^               │ │ │               ^  │  ^                ^ ^ ^ ^  │
//!    │ └──── T9 ───────┘ │ └─T16───────────┼──┼──┼────────────────┘ │ │ │  │
//!    │               T10 │            T13  │  │  │ T7               │ │ │  │
//!    │                   v                 │  │  │                  │ │ │  │
//!    │                 InLobby ────────────┘  │T6│                  │ │ │  │
//!    │                   │ ^ └─────T14────────┼──┼──────────────────┘ │ │  │
//!    │                T11│ │T12               v  │                    │ │  │
//!    │                   └─┴─────────────> Reconnecting ──── T8, T15 ─┴─┘  │
//!    └──────────────────────────────── T5 (escalation failed) ─────────────┘
//! ```
//!
//! The law of use: after every `handle_*` drain [`poll_output`](ConferenceSession::poll_output), then ask
//! [`poll_timeout`](ConferenceSession::poll_timeout). Time is an argument; nothing here reads a clock.
//! `LIFECYCLE.md` beside this file tells what each state has and awaits.
//!
//! # Invariants
//!
//! - States change in `Context::cross` only, by rows of the table only.
//! - What one input causes comes out in the order of specification section 7 (`Stage::flush`).
//! - Each operation completes exactly once; while `Reconnecting` nothing is pending on the Focus dialog.
//! - After `Disconnected` there is no timer and no event, only refusals of what is begun.
//!
//! Not here: SIP and the dialogs (`link`), XML (crate `c3p`), one modality (crate `mcu`).

mod context;
mod edge;
mod input;
mod mcus;
mod operation;
mod output;
mod policy;
mod recovery;
mod report;
mod stage;
mod states;
mod vocabulary;

use std::sync::Arc;
use std::time::Instant;

use mcu::{McuReport, McuSessionState};

pub use edge::TransitionId;
pub use input::{EndedReason, Evidence, Input, RepairedDialog, WireFailure};
pub use operation::{
    Awaited, Began, Command, CommandOutcome, Completion, FailedCommand, Fault, Obstacle, OperationError,
    OperationId, OperationLimits, OperationName, OperationValue, PersonOutcome, Reason, Reply,
};
pub use output::{Deadline, Effect, Output, TerminateMode, Timer};
pub use policy::{ReconnectPolicy, SessionConfig, SessionLimits};
pub use report::{RecoveryReport, RecoveryStatus, Status, Step};
pub use vocabulary::{Cause, Detector, RecoveryLevel, RecoveryResult, RecoveryStep, SessionState};

use context::Context;
use operation::Owner;
use states::State;

use crate::roster::RosterSnapshot;

/// One conference session: the states of specification section 1.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use conference::session::{
///     ConferenceSession, Effect, Input, OperationId, Output, SessionConfig, SessionState,
/// };
///
/// let now = Instant::now();
/// let mut session = ConferenceSession::new(SessionConfig::new("sip:bob@example.com", "{B1}"), now);
/// session.handle_input(Input::Join { op: OperationId(1) }, now);
///
/// let mut effects = Vec::new();
/// while let Some(output) = session.poll_output() {
///     if let Output::Effect(effect) = output {
///         effects.push(effect);
///     }
/// }
/// assert_eq!(effects, [Effect::StartJoin { lobby_capable: true }]);
/// assert_eq!(session.state(), SessionState::Connecting);
/// ```
#[derive(Debug)]
pub struct ConferenceSession {
    state: State,
    cx: Context,
    /// An invariant broke; the session ends in an orderly way and does so once.
    broken: bool,
}

impl ConferenceSession {
    /// An idle session.
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        Self { state: State::default(), cx: Context::new(config, now), broken: false }
    }

    /// Something happened. Drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.advance(now);
        self.turn(|state, cx| state.step(input, cx));
    }

    /// The instant that [`poll_timeout`](Self::poll_timeout) named has come. Earlier, it does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        // What a deadline leads to may be due as well (a lobby timeout of zero). The table of operations is the largest
        // source of deadlines; anything beyond it waits for the next call.
        for _ in 0..self.cx.ops.len() + 16 {
            let Some((_, timer)) = self.poll_timeout().filter(|(at, _)| *at <= now) else { return };
            self.turn(|state, cx| expire(state, timer, cx));
        }
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.out.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let refresh = self.cx.refresh.due.map(|at| (at, Timer::Refresh));
        [self.state.deadline(), self.cx.ops.soonest(), self.cx.mcus.soonest(), refresh]
            .into_iter()
            .flatten()
            .min()
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> SessionState {
        self.state.name()
    }

    /// The present roster. The last one, while `Reconnecting` and at the end.
    #[must_use]
    pub fn roster(&self) -> Arc<RosterSnapshot> {
        self.cx.roster.snapshot()
    }

    /// The session at this moment: the answer to `state`.
    #[must_use]
    pub fn status(&self) -> Status {
        let recovery = match &self.state {
            State::Reconnecting(state) => Some(state.status()),
            State::Idle(_)
            | State::Connecting(_)
            | State::InLobby(_)
            | State::Connected(_)
            | State::Disconnecting(_)
            | State::Disconnected(_) => None,
        };
        Status {
            state: self.state(),
            since: self.cx.since,
            mcus: self.cx.mcus.states(),
            calls: self.cx.mcus.calls(),
            pending_operations: self.cx.ops.len(),
            recovery,
        }
    }

    /// How many inputs were late, repeated or out of place, and so without effect.
    #[must_use]
    pub const fn ignored_inputs(&self) -> u64 {
        self.cx.ignored
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &SessionConfig {
        &self.cx.config
    }

    fn advance(&mut self, now: Instant) {
        debug_assert!(now >= self.cx.now, "time ran backwards");
        self.cx.now = self.cx.now.max(now);
    }

    fn turn(&mut self, step: impl FnOnce(State, &mut Context) -> State) {
        self.state = step(std::mem::take(&mut self.state), &mut self.cx);
        self.cx.stage.flush(&mut self.cx.out);
        if let Err(invariant) = self.check_invariants()
            && !self.broken
        {
            debug_assert!(false, "broken invariant: {invariant}");
            tracing::error!(invariant, state = %self.state(), "broken invariant, the session ends");
            self.broken = true;
            self.end_broken();
        }
    }

    /// Not in [`turn`](Self::turn) itself: its closure would make the function instantiate itself without end.
    fn end_broken(&mut self) {
        self.turn(|state, cx| state.step(Input::HandleDropped, cx));
    }

    /// What must hold between two inputs.
    fn check_invariants(&self) -> Result<(), &'static str> {
        let cx = &self.cx;
        let has_join = cx.ops.any(|entry| entry.owner == Owner::Join);
        let join = match &self.state {
            State::Connecting(state) => Some(state.join),
            State::InLobby(state) => state.join,
            State::Reconnecting(state) => state.join(),
            State::Idle(_) | State::Connected(_) | State::Disconnecting(_) | State::Disconnected(_) => None,
        };
        let on_focus = cx.ops.any(|entry| matches!(entry.owner, Owner::Session | Owner::Mcu(_)));
        require(join.is_none_or(|join| cx.ops.contains(join)), "a waiting join is in the table")?;
        require(has_join == join.is_some(), "a join in the table has a state that completes it")?;
        require(
            !on_focus || matches!(self.state, State::Connected(_)),
            "commands are pending in Connected only",
        )?;
        match &self.state {
            State::Idle(_) | State::Disconnected(_) => {
                require(cx.ops.len() == 0, "nothing is pending before the join and after the end")?;
                require(self.poll_timeout().is_none(), "no timer before the join and after the end")?;
            }
            State::Connecting(_)
            | State::InLobby(_)
            | State::Connected(_)
            | State::Reconnecting(_)
            | State::Disconnecting(_) => {}
        }
        let over = matches!(self.state, State::Disconnected(_));
        for session in cx.mcus.iter() {
            let active = session.state() == McuSessionState::Active;
            let reported = matches!(session.report(), McuReport::Active { .. });
            require(!active || reported, "an active McuSession was reported active")?;
            require(
                !over || session.state() == McuSessionState::Terminated,
                "McuSessions end with the session",
            )?;
        }
        Ok(())
    }
}

fn require(holds: bool, invariant: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(invariant) }
}

/// A deadline has come: to the one whose it is.
fn expire(state: State, timer: Timer, cx: &mut Context) -> State {
    match timer {
        Timer::Operation(op) => cx.expire_operation(op),
        Timer::McuQueue(kind) => cx.expire_queue(kind),
        Timer::Refresh => cx.refresh_now(),
        Timer::Join
        | Timer::FirstDocument
        | Timer::Lobby
        | Timer::EndForAll
        | Timer::Termination
        | Timer::Attempt
        | Timer::NextAttempt
        | Timer::GiveUp => return state.expire(timer, cx),
    }
    state
}

#[cfg(test)]
mod tests;
