//! `Disconnecting` and `Disconnected`: the dialogs are ended first, then the state says so.

use std::time::Instant;

use super::super::context::Context;
use super::super::edge;
use super::super::input::Input;
use super::super::operation::{
    Awaited, CommandOutcome, OperationError, OperationId, OperationName, OperationValue, Owner, Reply,
};
use super::super::output::{Deadline, Effect, TerminateMode, Timer};
use super::super::vocabulary::Cause;
use super::{Idle, State, refuse_or_ignore};

/// The dialogs are being ended.
#[derive(Debug)]
pub(in crate::session) struct Disconnecting {
    deadline: Instant,
    to_idle: bool,
    end: Option<End>,
}

/// The operation that ends the conference for everybody.
#[derive(Debug)]
struct End {
    op: OperationId,
    /// None: the Focus has not answered yet.
    result: Option<Result<OperationValue, OperationError>>,
}

impl Disconnecting {
    pub(super) fn new(deadline: Instant, to_idle: bool) -> Self {
        Self { deadline, to_idle, end: None }
    }

    /// The Focus is asked to end the conference first.
    pub(super) fn end_first(op: OperationId, deadline: Instant) -> Self {
        Self { deadline, to_idle: false, end: Some(End { op, result: None }) }
    }

    /// Everything that can happen while `Disconnecting`: leaving again, the answer to `end`, and the end.
    pub(super) fn step(self, input: Input, cx: &mut Context) -> State {
        match input {
            Input::Leave { op } => {
                cx.leave_later(op);
                self.into()
            }
            Input::CommandAnswered { op, outcome } if self.is_ending(op) => match outcome {
                CommandOutcome::Success(value) => self.ended(Ok(value), cx),
                CommandOutcome::Failure(reply) => self.ended(Err(refused(reply)), cx),
                CommandOutcome::Pending => self.into(),
            },
            // The end of the conference may be all the answer there is.
            Input::EndedByFocus { .. } if self.is_asking() => self.ended(Ok(OperationValue::Done), cx),
            Input::FrontEndLost { evidence, .. } | Input::RouteLost { evidence, .. } if self.is_asking() => {
                let mut reply = Reply::default().with_diagnostics(evidence.diagnostics);
                reply.sip_status = evidence.sip_status;
                self.ended(Err(refused(reply)), cx)
            }
            // A join that was given up may end with its own answer.
            Input::Terminated | Input::JoinFailed(_) if !self.is_asking() => self.finish(cx),
            other => refuse_or_ignore(self, other, cx),
        }
    }

    fn is_ending(&self, op: OperationId) -> bool {
        self.is_asking() && self.end.as_ref().is_some_and(|end| end.op == op)
    }

    fn is_asking(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.result.is_none())
    }

    /// The Focus has answered, or not: the session leaves all the same.
    fn ended(mut self, result: Result<OperationValue, OperationError>, cx: &mut Context) -> State {
        if let Some(end) = &mut self.end {
            end.result = Some(result);
        }
        self.deadline = cx.now + cx.config.limits.termination;
        cx.effect(Effect::Terminate { mode: TerminateMode::Orderly });
        self.into()
    }

    /// T4 or T5: signalling dialog and subscription are gone.
    fn finish(self, cx: &mut Context) -> State {
        let end = self.end.as_ref().map(|end| (end.op, end.result.clone()));
        let next = if self.to_idle {
            let changes = cx.roster.clear();
            cx.stage.changes(changes);
            cx.reset_mcus();
            cx.cross(edge::T5, self, Cause::EscalationFailed.into(), |_| Idle)
        } else {
            cx.end_mcus();
            cx.cross(edge::T4, self, Cause::CleanedUp.into(), |_| Disconnected)
        };
        cx.cancel_pending();
        if let Some((op, result)) = end {
            let cancelled = Err(OperationError::Cancelled { operation: OperationName::End });
            cx.finish(op, result.unwrap_or(cancelled));
        }
        for (op, entry) in cx.ops.take(|entry| entry.owner == Owner::Leave) {
            cx.complete(op, entry.name, Ok(OperationValue::Done));
        }
        cx.effect(Effect::Release);
        next
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let timer = if self.is_asking() { Timer::EndForAll } else { Timer::Termination };
        Some((self.deadline, timer))
    }

    pub(super) fn expire(self, timer: Timer, cx: &mut Context) -> State {
        if timer == Timer::EndForAll {
            let error = OperationError::Timeout {
                operation: OperationName::End,
                awaited: Awaited::ConferenceEnd,
                waited: cx.config.operations.end,
            };
            return self.ended(Err(error), cx);
        }
        self.finish(cx)
    }
}

fn refused(reply: Reply) -> OperationError {
    OperationError::Failure { operation: OperationName::End, reply }
}

/// Over, for good.
#[derive(Debug)]
pub(in crate::session) struct Disconnected;

impl Disconnected {
    /// Everything that can happen while `Disconnected`: nothing.
    pub(super) fn step(self, input: Input, cx: &mut Context) -> State {
        refuse_or_ignore(self, input, cx)
    }
}
