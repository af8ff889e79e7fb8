//! The ConferenceSession machine.

mod edge;
mod input;
mod operation;
mod output;
mod policy;
mod report;
mod states;
mod vocabulary;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

pub use edge::TransitionId;
pub use input::{EndedReason, Evidence, Input, RepairedDialog, WireFailure};
pub use operation::{
    Awaited, Began, Command, CommandOutcome, Completion, FailedCommand, Fault, OperationError, OperationId,
    OperationLimits, OperationName, OperationValue, PersonOutcome, Reason, Reply,
};
pub use output::{Deadline, Effect, Output, TerminateMode, Timer};
pub use policy::{ReconnectPolicy, SessionConfig, SessionLimits};
pub use report::{RecoveryReport, RecoveryStatus, Status, Step};
pub use vocabulary::{
    Cause, Detector, RecoveryLevel, RecoveryResult, RecoveryStep, SessionState,
};

use crate::roster::RosterSnapshot;

/// The ConferenceSession machine.
#[derive(Debug)]
pub struct ConferenceSession {
    out: VecDeque<Output>,
    roster: Arc<RosterSnapshot>,
}

impl ConferenceSession {
    /// An idle session.
    #[must_use]
    pub fn new(_config: SessionConfig, _now: Instant) -> Self {
        Self { out: VecDeque::new(), roster: Arc::default() }
    }

    /// Something happened. Drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle_input(&mut self, _input: Input, _now: Instant) {}

    /// The instant that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> SessionState {
        SessionState::Idle
    }

    /// The present roster.
    #[must_use]
    pub fn roster(&self) -> Arc<RosterSnapshot> {
        Arc::clone(&self.roster)
    }

    /// The session at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            state: self.state(),
            since: Instant::now(),
            mcus: Vec::new(),
            calls: Vec::new(),
            pending_operations: 0,
            recovery: None,
        }
    }
}
