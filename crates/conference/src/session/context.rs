//! What outlives the states: the table of operations, the McuSessions, the roster, this turn's outputs.

use std::collections::VecDeque;
use std::time::Instant;

use c3p::info::ConferenceInfo;
use mcu::CallState;

use super::edge::{Edge, TransitionId};
use super::input::{Evidence, Input};
use super::mcus::Mcus;
use super::operation::{
    Awaited, Began, Carrier, Command, CommandOutcome, Completion, Entry, FailedCommand, Obstacle,
    OperationError, OperationId, OperationName, OperationValue, Operations, Owner, Reply,
};
use super::output::{Effect, Output};
use super::policy::SessionConfig;
use super::recovery::StormGuard;
use super::stage::Stage;
use super::states::{Named, State};
use super::vocabulary::{Cause, SessionState};
use crate::event::{Event, StateChange};
use crate::roster::{Applied, Roster, Scope};

/// The part of the machine that all states share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) now: Instant,
    /// Since when the present state lasts.
    pub(super) since: Instant,
    pub(super) config: SessionConfig,
    pub(super) ops: Operations,
    pub(super) mcus: Mcus,
    pub(super) roster: Roster,
    pub(super) storm: StormGuard,
    pub(super) refresh: Refresh,
    pub(super) stage: Stage,
    pub(super) out: VecDeque<Output>,
    /// Inputs that were late, repeated or out of place.
    pub(super) ignored: u64,
}

/// Why the state changes.
#[derive(Debug, Clone)]
pub(super) struct Why {
    pub(super) cause: Cause,
    pub(super) sip_status: Option<u16>,
    pub(super) diagnostics: Option<String>,
}

impl From<Cause> for Why {
    fn from(cause: Cause) -> Self {
        Self { cause, sip_status: None, diagnostics: None }
    }
}

impl Why {
    pub(super) fn evidence(cause: Cause, evidence: &Evidence) -> Self {
        Self { cause, sip_status: evidence.sip_status, diagnostics: evidence.diagnostics.clone() }
    }

    pub(super) fn reply(cause: Cause, reply: Option<&Reply>) -> Self {
        Self {
            cause,
            sip_status: reply.and_then(|reply| reply.sip_status),
            diagnostics: reply.and_then(|reply| reply.diagnostics.clone()),
        }
    }
}

/// When the subscription was refreshed because of a gap, and whether it must be again.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    last: Option<Instant>,
    pub(super) due: Option<Instant>,
}

impl Context {
    pub(super) fn new(config: SessionConfig, now: Instant) -> Self {
        Self {
            now,
            since: now,
            ops: Operations::default(),
            mcus: Mcus::new(&config),
            roster: Roster::new(config.own_user.clone(), config.own_endpoint.clone()),
            storm: StormGuard::default(),
            refresh: Refresh::default(),
            stage: Stage::default(),
            out: VecDeque::new(),
            ignored: 0,
            config,
        }
    }

    /// The only way from one state to another; from the wrong state, or by an edge not listed, it does not compile.
    pub(super) fn cross<F: Named, E: Edge<F>>(
        &mut self,
        _: E,
        from: F,
        why: Why,
        to: impl FnOnce(F) -> E::To,
    ) -> State
    where
        E::To: Named,
    {
        self.stage.state(StateChange {
            from: F::NAME,
            to: <E::To as Named>::NAME,
            transition: E::ID,
            cause: why.cause,
            sip_status: why.sip_status,
            diagnostics: why.diagnostics,
        });
        self.since = self.now;
        self.refresh.due = None;
        to(from).into()
    }

    /// Late, repeated by a peer, or without meaning here: counted, never obeyed.
    pub(super) fn ignore(&mut self, state: impl Into<State>) -> State {
        self.count_ignored();
        state.into()
    }

    pub(super) fn count_ignored(&mut self) {
        self.ignored = self.ignored.saturating_add(1);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.stage.effect(effect);
    }

    // --- operations ---

    pub(super) fn complete(
        &mut self,
        id: OperationId,
        name: OperationName,
        result: Result<OperationValue, OperationError>,
    ) {
        self.stage.complete(Completion { id, name, result });
    }

    pub(super) fn refuse(&mut self, op: OperationId, operation: OperationName, state: SessionState) {
        let obstacle = Obstacle::Session(state);
        self.complete(op, operation, Err(OperationError::InvalidState { operation, obstacle }));
    }

    pub(super) fn refuse_retryable(&mut self, op: OperationId, operation: OperationName) {
        self.complete(op, operation, Err(OperationError::RetryableOperation { operation }));
    }

    /// Completes an operation that is in the table; anything else has completed already.
    pub(super) fn finish(&mut self, op: OperationId, result: Result<OperationValue, OperationError>) {
        if let Some(entry) = self.ops.remove(op) {
            self.complete(op, entry.name, result);
        }
    }

    /// Begins a command while `Connected`.
    pub(super) fn begin(&mut self, op: OperationId, command: Command) {
        let name = command.name();
        if self.ops.len() >= self.config.operations.pending_max {
            return self.refuse_retryable(op, name);
        }
        match command.carrier() {
            Carrier::Session => {
                self.ops.insert(op, Entry::new(name, Owner::Session));
                self.send(op, command);
            }
            Carrier::Mcu(mcu) => self.begin_on_mcu(op, mcu, command),
            Carrier::Call(mcu) => self.begin_on_call(op, mcu, command),
        }
    }

    /// Begins something that goes over a call: whatever the session's state, as long as the call is there.
    pub(super) fn begin_on_call(&mut self, op: OperationId, mcu: c3p::McuType, command: Command) {
        let (name, call) = (command.name(), self.mcus.call(mcu));
        let possible = match command {
            Command::Hangup { .. } => matches!(call, CallState::Establishing | CallState::Established),
            _ => call == CallState::Established,
        };
        if !possible {
            let error = OperationError::InvalidState { operation: name, obstacle: Obstacle::Call(mcu, call) };
            return self.complete(op, name, Err(error));
        }
        if self.ops.len() >= self.config.operations.pending_max {
            return self.refuse_retryable(op, name);
        }
        self.ops.insert(op, Entry::new(name, Owner::Call(mcu)));
        self.send(op, command);
    }

    /// Sends a command whose operation is in the table, and starts the wait for its answer.
    pub(super) fn send(&mut self, op: OperationId, command: Command) {
        let limits = self.config.operations;
        let (awaited, limit) = match command.carrier() {
            Carrier::Call(_) => (Awaited::CallAnswer, limits.message),
            Carrier::Mcu(mcu) if matches!(command, Command::Call { .. }) => {
                if let Some(entry) = self.ops.get_mut(op) {
                    entry.owner = Owner::Call(mcu);
                }
                (Awaited::CallAnswer, limits.command)
            }
            Carrier::Session | Carrier::Mcu(_) => (Awaited::CommandResult, limits.command),
        };
        self.ops.wait(op, awaited, limit, self.now);
        self.effect(Effect::SendCommand { op, command });
    }

    /// A command was answered.
    pub(super) fn answered(&mut self, op: OperationId, outcome: CommandOutcome) {
        // Only what was sent can be answered.
        let Some((operation, wait)) = self.ops.get(op).and_then(|entry| Some((entry.name, entry.wait?)))
        else {
            return self.count_ignored();
        };
        match outcome {
            CommandOutcome::Success(value) => self.finish(op, Ok(value)),
            CommandOutcome::Failure(reply) => {
                self.finish(op, Err(OperationError::Failure { operation, reply }));
            }
            CommandOutcome::Pending => self.ops.wait(op, wait.awaited, wait.limit, self.now),
        }
    }

    /// The time for the answer is over.
    pub(super) fn expire_operation(&mut self, op: OperationId) {
        let Some(entry) = self.ops.get(op) else { return };
        let (operation, Some(wait)) = (entry.name, entry.wait) else { return };
        let error = OperationError::Timeout { operation, awaited: wait.awaited, waited: wait.limit };
        self.effect(Effect::DropCommand { op });
        self.finish(op, Err(error));
    }

    /// A recovery began: what is pending on the Focus dialog fails. Gives the number.
    pub(super) fn fail_pending(&mut self, began: TransitionId, failed: Option<FailedCommand>) -> u32 {
        let pending = self.ops.take(|entry| matches!(entry.owner, Owner::Session | Owner::Mcu(_)));
        let count = u32::try_from(pending.len()).unwrap_or(u32::MAX);
        for (op, entry) in pending {
            self.mcus.forget(op);
            if entry.queued.is_none() {
                self.effect(Effect::DropCommand { op });
            }
            let reply = failed.as_ref().filter(|failed| failed.op == op).map(|failed| failed.reply.clone());
            let error = OperationError::SessionRetrying {
                operation: entry.name,
                began: Began::Session(began),
                reply,
            };
            self.complete(op, entry.name, Err(error));
        }
        count
    }

    /// The session ends: everything but leaving and ending is cancelled. The join is its state's business.
    pub(super) fn cancel_pending(&mut self) {
        let pending =
            self.ops.take(|entry| matches!(entry.owner, Owner::Session | Owner::Mcu(_) | Owner::Call(_)));
        for (op, entry) in pending {
            self.mcus.forget(op);
            self.effect(Effect::DropCommand { op });
            self.complete(op, entry.name, Err(OperationError::Cancelled { operation: entry.name }));
        }
    }

    /// Puts an operation into the table that completes with the session.
    pub(super) fn leave_later(&mut self, op: OperationId) {
        self.ops.insert(op, Entry::new(OperationName::Leave, Owner::Leave));
    }

    // --- documents ---

    /// Applies a document that brings us in or back, or that changes what is there. Gives the number of attendance
    /// events.
    pub(super) fn enter(&mut self, info: &ConferenceInfo, scope: Scope, reconnected: bool) -> usize {
        match self.roster.apply(info, true, scope) {
            Applied::Changed(changes) => {
                let count = changes.attendance.len();
                self.stage.changes(changes);
                if scope == Scope::Member {
                    self.report_mcus(reconnected);
                }
                count
            }
            Applied::Ignored | Applied::Stale | Applied::Over => 0,
        }
    }

    /// Applies a document while nothing else changes. `false`: the conference is over.
    pub(super) fn follow(&mut self, info: &ConferenceInfo, fresh: bool, scope: Scope) -> bool {
        match self.roster.apply(info, fresh, scope) {
            Applied::Changed(changes) => {
                self.refresh.due = None;
                self.stage.changes(changes);
                if scope == Scope::Member {
                    self.report_mcus(false);
                }
                true
            }
            Applied::Ignored => true,
            Applied::Stale => {
                self.request_refresh();
                true
            }
            Applied::Over => false,
        }
    }

    /// Asks for a full document, not more often than the limit allows.
    pub(super) fn request_refresh(&mut self) {
        let interval = self.config.limits.refresh_interval;
        match self.refresh.last.map(|last| last + interval).filter(|next| *next > self.now) {
            Some(next) => self.refresh.due = Some(next),
            None => self.refresh_now(),
        }
    }

    pub(super) fn refresh_now(&mut self) {
        self.refresh = Refresh { last: Some(self.now), due: None };
        self.effect(Effect::RefreshSubscription);
    }

    // --- inputs that mean the same in every state ---

    /// Handles what does not depend on the state; gives the rest back.
    pub(super) fn handle_common(&mut self, input: Input) -> Option<Input> {
        match input {
            Input::CallChanged { mcu, change, reply } => self.call_changed(mcu, change, reply),
            Input::MessageReceived { from, content_type, text } => {
                self.stage.other(Event::Message { from, content_type, text });
            }
            Input::TypingReceived { from, active } => self.stage.other(Event::Typing { from, active }),
            Input::RouteRepaired { dialog, repaired, detected_by, total } => {
                self.stage.other(Event::Repair { dialog, repaired, detected_by, total });
            }
            Input::Begin { op, command } => match command.carrier() {
                Carrier::Call(mcu) => self.begin_on_call(op, mcu, command),
                Carrier::Session | Carrier::Mcu(_) => return Some(Input::Begin { op, command }),
            },
            Input::CommandAnswered { op, outcome } => {
                if self.ops.get(op).is_some_and(|entry| entry.owner == Owner::End) {
                    return Some(Input::CommandAnswered { op, outcome });
                }
                self.answered(op, outcome);
            }
            other => return Some(other),
        }
        None
    }
}
