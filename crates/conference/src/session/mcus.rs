//! The McuSessions of a ConferenceSession: their outputs become events and completions of the same turn.

use std::collections::BTreeMap;
use std::time::Instant;

use c3p::McuType;
use mcu::{
    Admission, CallCause, CallChange, CallState, McuSession, McuSessionState, McuTransition, QueueTicket,
    Refused,
};

use super::context::Context;
use super::operation::{
    Began, Command, Entry, Obstacle, OperationError, OperationId, OperationName, OperationValue, Owner, Reply,
};
use super::output::{Deadline, Effect, Timer};
use super::policy::SessionConfig;
use super::recovery::Recovery;
use super::vocabulary::{Cause, RecoveryResult, RecoveryStep};
use crate::event::Event;

/// The McuSessions, and the recoveries of MCUs that are under way.
#[derive(Debug)]
pub(super) struct Mcus {
    sessions: BTreeMap<McuType, McuSession>,
    recoveries: BTreeMap<McuType, Recovery>,
}

impl Mcus {
    pub(super) fn new(config: &SessionConfig) -> Self {
        let sessions = config.mcus.iter().map(|kind| (*kind, fresh(*kind, config))).collect();
        Self { sessions, recoveries: BTreeMap::new() }
    }

    pub(super) fn call(&self, kind: McuType) -> CallState {
        self.sessions.get(&kind).map_or(CallState::Idle, McuSession::call)
    }

    pub(super) fn states(&self) -> Vec<(McuType, McuSessionState)> {
        self.sessions.iter().map(|(kind, session)| (*kind, session.state())).collect()
    }

    pub(super) fn calls(&self) -> Vec<(McuType, CallState)> {
        self.sessions.iter().map(|(kind, session)| (*kind, session.call())).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &McuSession> {
        self.sessions.values()
    }

    pub(super) fn forget(&mut self, op: OperationId) {
        self.sessions.values_mut().for_each(|session| session.forget(QueueTicket(op.0)));
    }

    pub(super) fn soonest(&self) -> Option<Deadline> {
        let queues = self.sessions.iter();
        queues.filter_map(|(kind, session)| Some((session.poll_timeout()?, Timer::McuQueue(*kind)))).min()
    }

    fn kinds(&self) -> Vec<McuType> {
        self.sessions.keys().copied().collect()
    }
}

fn fresh(kind: McuType, config: &SessionConfig) -> McuSession {
    McuSession::new(kind).with_queue_wait(config.limits.mcu_queue)
}

impl Context {
    /// The Focus failed over (M3).
    pub(super) fn lose_mcus(&mut self) {
        self.for_each_mcu(McuSession::handle_focus_lost, None);
    }

    /// The session ended (M6).
    pub(super) fn end_mcus(&mut self) {
        self.for_each_mcu(McuSession::handle_session_ended, None);
    }

    /// The session is `Idle` again (M7); each McuSession starts anew.
    pub(super) fn reset_mcus(&mut self) {
        self.for_each_mcu(McuSession::handle_session_idle, None);
        self.mcus = Mcus::new(&self.config);
    }

    /// Tells each McuSession what the newest document says about its MCU.
    pub(super) fn report_mcus(&mut self, reconnected: bool) {
        for kind in self.mcus.kinds() {
            let report = self.roster.mcu_report(kind);
            if let Some(session) = self.mcus.sessions.get_mut(&kind) {
                session.handle_report(&report, reconnected, self.now);
            }
            self.drain_mcu(kind, None);
        }
    }

    /// The dialog of a call changed.
    pub(super) fn call_changed(&mut self, kind: McuType, change: CallChange, reply: Option<Reply>) {
        if let Some(session) = self.mcus.sessions.get_mut(&kind) {
            session.handle_call(change, self.now);
        }
        self.drain_mcu(kind, reply);
    }

    /// Operations have waited long enough for this MCU.
    pub(super) fn expire_queue(&mut self, kind: McuType) {
        if let Some(session) = self.mcus.sessions.get_mut(&kind) {
            session.handle_timeout(self.now);
        }
        self.drain_mcu(kind, None);
    }

    /// Begins a command for an MCU, or the call to it.
    pub(super) fn begin_on_mcu(&mut self, op: OperationId, kind: McuType, command: Command) {
        let (operation, now) = (command.name(), self.now);
        let call = self.mcus.call(kind);
        if matches!(command, Command::Call { .. }) && (call.is_up() || self.is_calling(kind)) {
            let obstacle = Obstacle::Call(kind, call);
            return self.complete(op, operation, Err(OperationError::InvalidState { operation, obstacle }));
        }
        let admission = match self.mcus.sessions.get_mut(&kind) {
            Some(session) => session.begin(QueueTicket(op.0), now),
            None => Err(Refused::InvalidState(McuSessionState::Terminated)),
        };
        match admission {
            Ok(Admission::Send) => {
                self.ops.insert(op, Entry::new(operation, Owner::Mcu(kind)));
                self.send(op, command);
            }
            Ok(Admission::Queued) => {
                let mut entry = Entry::new(operation, Owner::Mcu(kind));
                entry.queued = Some(command);
                self.ops.insert(op, entry);
            }
            Err(refused) => self.complete(op, operation, Err(refusal(operation, kind, refused))),
        }
    }

    /// Whether a call to this MCU is being placed, or waits to be.
    fn is_calling(&self, kind: McuType) -> bool {
        self.ops.any(|entry| {
            entry.name == OperationName::Call
                && (entry.owner == Owner::Mcu(kind) || entry.owner == Owner::Call(kind))
        })
    }

    fn for_each_mcu(&mut self, tell: fn(&mut McuSession, Instant), reply: Option<Reply>) {
        for kind in self.mcus.kinds() {
            if let Some(session) = self.mcus.sessions.get_mut(&kind) {
                tell(session, self.now);
            }
            self.drain_mcu(kind, reply.clone());
        }
    }

    fn drain_mcu(&mut self, kind: McuType, reply: Option<Reply>) {
        while let Some(output) = self.mcus.sessions.get_mut(&kind).and_then(McuSession::poll_output) {
            match output {
                mcu::Output::Transition { from, to, id } => {
                    self.stage.modality(Event::McuState { mcu: kind, from, to, transition: id });
                    self.follow_mcu_recovery(kind, id);
                }
                mcu::Output::Call(change) => self.call_event(kind, change, reply.as_ref()),
                mcu::Output::EndCall { reason } => self.effect(Effect::EndCall { mcu: kind, reason }),
                mcu::Output::FailPending { began } => self.fail_pending_of_mcu(kind, began),
                mcu::Output::Send(ticket) => {
                    let op = OperationId(ticket.0);
                    if let Some(command) = self.ops.get_mut(op).and_then(|entry| entry.queued.take()) {
                        self.send(op, command);
                    }
                }
                mcu::Output::Reject(ticket, refused) => {
                    let op = OperationId(ticket.0);
                    if let Some(operation) = self.ops.get(op).map(|entry| entry.name) {
                        self.finish(op, Err(refusal(operation, kind, refused)));
                    }
                }
            }
        }
    }

    /// One report for each failover of an MCU, from its M4 on.
    fn follow_mcu_recovery(&mut self, kind: McuType, id: McuTransition) {
        let now = self.now;
        let (result, cause) = match id {
            McuTransition::M4 => {
                self.mcus.recoveries.entry(kind).or_insert_with(|| Recovery::of_mcu(kind, now));
                return;
            }
            McuTransition::M1 | McuTransition::M2 | McuTransition::M3 => return,
            McuTransition::M5 => (RecoveryResult::Recovered, Cause::Recovered),
            McuTransition::M8 => (RecoveryResult::Failed, Cause::ReconnectFailed),
            McuTransition::M6 | McuTransition::M7 => (RecoveryResult::Abandoned, Cause::Ended),
        };
        if let Some(mut recovery) = self.mcus.recoveries.remove(&kind) {
            if result == RecoveryResult::Recovered {
                recovery.step(RecoveryStep::McuActive, now);
            }
            self.stage.report(recovery.report(result, cause, 0, now));
        }
    }

    /// The event of a call's change, and the operations that it completes.
    fn call_event(&mut self, kind: McuType, change: CallChange, reply: Option<&Reply>) {
        let CallChange { state, cause } = change;
        self.stage.modality(Event::Call { mcu: kind, state, cause });
        match state {
            CallState::Established => {
                let placed = self
                    .ops
                    .take(|entry| entry.owner == Owner::Call(kind) && entry.name == OperationName::Call);
                for (op, entry) in placed {
                    self.complete(op, entry.name, Ok(OperationValue::Done));
                }
            }
            CallState::Terminated => self.end_call_operations(kind, cause, reply),
            CallState::Idle | CallState::Establishing | CallState::Terminating => {}
        }
    }

    /// The call is over: so is all that goes over it.
    fn end_call_operations(&mut self, kind: McuType, cause: CallCause, reply: Option<&Reply>) {
        for (op, entry) in self.ops.take(|entry| entry.owner == Owner::Call(kind)) {
            let operation = entry.name;
            let result = match (operation, cause) {
                (OperationName::Hangup, _) => Ok(OperationValue::Done),
                (_, CallCause::McuFailover | CallCause::InstanceChanged) => {
                    self.count_failed_by_mcu(kind);
                    let began = Began::Mcu(McuTransition::M4);
                    Err(OperationError::SessionRetrying { operation, began, reply: reply.cloned() })
                }
                (_, CallCause::SessionEnded | CallCause::Local) => {
                    Err(OperationError::Cancelled { operation })
                }
                _ => {
                    let reply = reply.cloned().unwrap_or_default();
                    Err(OperationError::Failure { operation, reply })
                }
            };
            self.complete(op, operation, result);
        }
    }

    fn fail_pending_of_mcu(&mut self, kind: McuType, began: McuTransition) {
        for (op, entry) in self.ops.take(|entry| matches!(entry.owner, Owner::Mcu(mcu) if mcu == kind)) {
            self.count_failed_by_mcu(kind);
            self.effect(Effect::DropCommand { op });
            let operation = entry.name;
            let error = OperationError::SessionRetrying { operation, began: Began::Mcu(began), reply: None };
            self.complete(op, operation, Err(error));
        }
    }

    fn count_failed_by_mcu(&mut self, kind: McuType) {
        if let Some(recovery) = self.mcus.recoveries.get_mut(&kind) {
            recovery.count_failed_operations(1);
        }
    }
}

fn refusal(operation: OperationName, kind: McuType, refused: Refused) -> OperationError {
    match refused {
        Refused::Retryable => OperationError::RetryableOperation { operation },
        Refused::InvalidState(state) => {
            OperationError::InvalidState { operation, obstacle: Obstacle::Mcu(kind, state) }
        }
    }
}
