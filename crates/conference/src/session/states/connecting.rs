//! `Connecting`: from the join call to the first document that shows where we are.

use std::time::Instant;

use c3p::info::ConferenceInfo;

use super::super::context::{Context, Why};
use super::super::edge;
use super::super::input::{Input, WireFailure};
use super::super::operation::{Awaited, OperationError, OperationId, OperationName, OperationValue, Reply};
use super::super::output::{Deadline, Effect, Timer};
use super::super::vocabulary::Cause;
use super::{Connected, Disconnecting, FirstDocument, Idle, InLobby, Leaving, State, refuse_or_ignore};
use crate::roster::{OwnStatus, Scope};

/// The join is under way.
#[derive(Debug)]
pub(in crate::session) struct Connecting {
    pub(in crate::session) join: OperationId,
    stage: Stage,
    deadline: Instant,
    first: FirstDocument,
}

#[derive(Debug)]
enum Stage {
    /// The INVITE is under way.
    Inviting,
    /// It was accepted; a document must come.
    Accepted,
    /// It failed, and what there is of it is being ended: nothing may be left behind (T9).
    Abandoning { error: OperationError, why: Why },
}

impl Stage {
    /// Why the join is being abandoned, if it is.
    fn abandoned(&self) -> Option<(OperationError, Why)> {
        match self {
            Self::Abandoning { error, why } => Some((error.clone(), why.clone())),
            Self::Inviting | Self::Accepted => None,
        }
    }
}

impl Connecting {
    pub(super) fn new(join: OperationId, deadline: Instant) -> Self {
        Self { join, stage: Stage::Inviting, deadline, first: FirstDocument::default() }
    }

    /// Everything that can happen while `Connecting`.
    pub(super) fn step(mut self, input: Input, cx: &mut Context) -> State {
        match input {
            Input::Leave { op } => self.leave(Leaving::Operation(op), cx),
            Input::HandleDropped => self.leave(Leaving::Dropped, cx),
            Input::EscalationFailed => self.leave(Leaving::Escalation, cx),
            Input::JoinAccepted if matches!(self.stage, Stage::Inviting) => {
                self.stage = Stage::Accepted;
                self.into()
            }
            Input::Document { info, fresh: true } if matches!(self.stage, Stage::Accepted) => {
                self.arrive(&info, cx)
            }
            Input::DocumentRejected { detail } if matches!(self.stage, Stage::Accepted) => {
                if self.first.unreadable(cx) {
                    return self.into();
                }
                self.abandon(WireFailure::Protocol(Reply::transport(detail)), cx)
            }
            // The wire has left nothing behind.
            Input::JoinFailed(failure) => {
                let (error, why) = self.stage.abandoned().unwrap_or_else(|| failed_join(failure, cx));
                self.fail(error, why, cx)
            }
            // No recovery before T2 and T10: it is a failure of the join.
            Input::FrontEndLost { evidence, .. } | Input::RouteLost { evidence, .. } => {
                let mut reply = Reply::default().with_diagnostics(evidence.diagnostics);
                reply.sip_status = evidence.sip_status;
                self.abandon(WireFailure::Refused(reply), cx)
            }
            Input::EndedByFocus { reply, .. } => self.abandon(WireFailure::Refused(reply), cx),
            Input::Terminated => match self.stage.abandoned() {
                Some((error, why)) => self.fail(error, why, cx),
                None => cx.ignore(self),
            },
            other => refuse_or_ignore(self, other, cx),
        }
    }

    /// The first full document: T2, T10, or wait on.
    fn arrive(mut self, info: &ConferenceInfo, cx: &mut Context) -> State {
        match cx.roster.own_status(info) {
            OwnStatus::Inside => {
                let join = self.join;
                let next = cx.cross(edge::T2, self, Cause::Joined.into(), |_| Connected::new());
                cx.enter(info, Scope::Member, false);
                cx.finish(join, Ok(OperationValue::Done));
                next
            }
            OwnStatus::InLobby if cx.config.lobby_timeout.is_zero() => {
                let error = OperationError::LobbyTimeout { reply: Reply::default() };
                self.begin_abandoning(error, Cause::LobbyTimeout.into(), cx)
            }
            OwnStatus::InLobby => {
                let deadline = cx.now + cx.config.lobby_timeout;
                let next = cx.cross(edge::T10, self, Cause::Lobby.into(), |connecting| {
                    InLobby::new(Some(connecting.join), deadline)
                });
                cx.enter(info, Scope::Lobby, false);
                next
            }
            OwnStatus::Unknown | OwnStatus::Removed => {
                self.first.without_us(cx);
                self.into()
            }
        }
    }

    fn leave(self, who: Leaving, cx: &mut Context) -> State {
        let join = self.join;
        let cause = if who.to_idle() { Cause::EscalationFailed } else { Cause::Cancelled };
        let deadline = cx.now + cx.config.limits.termination;
        let abandoning = matches!(self.stage, Stage::Abandoning { .. });
        let next = cx.cross(edge::T16, self, cause.into(), |_| Disconnecting::new(deadline, who.to_idle()));
        who.begin(cx);
        cx.finish(join, Err(OperationError::Cancelled { operation: OperationName::Join }));
        cx.cancel_pending();
        if !abandoning {
            cx.effect(Effect::CancelJoin);
        }
        next
    }

    /// The join failed, and something of it may be left on the wire.
    fn abandon(self, failure: WireFailure, cx: &mut Context) -> State {
        let (error, why) = failed_join(failure, cx);
        self.begin_abandoning(error, why, cx)
    }

    fn begin_abandoning(mut self, error: OperationError, why: Why, cx: &mut Context) -> State {
        if matches!(self.stage, Stage::Abandoning { .. }) {
            return cx.ignore(self);
        }
        self.stage = Stage::Abandoning { error, why };
        self.deadline = cx.now + cx.config.limits.termination;
        self.first = FirstDocument::default();
        cx.effect(Effect::CancelJoin);
        self.into()
    }

    /// T9: nothing is left behind.
    fn fail(self, error: OperationError, why: Why, cx: &mut Context) -> State {
        let join = self.join;
        let next = cx.cross(edge::T9, self, why, |_| Idle);
        cx.cancel_pending();
        cx.reset_mcus();
        cx.finish(join, Err(error));
        cx.effect(Effect::Release);
        next
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let stage = match self.stage {
            Stage::Inviting | Stage::Accepted => Timer::Join,
            Stage::Abandoning { .. } => Timer::Termination,
        };
        let first = self.first.deadline().map(|at| (at, Timer::FirstDocument));
        first.into_iter().chain([(self.deadline, stage)]).min()
    }

    pub(super) fn expire(mut self, timer: Timer, cx: &mut Context) -> State {
        if let Some((error, why)) = self.stage.abandoned() {
            return self.fail(error, why, cx);
        }
        if timer == Timer::FirstDocument && !self.first.expire(cx) {
            return self.into();
        }
        let limits = cx.config.limits;
        let silent = match (&self.stage, timer) {
            (_, Timer::FirstDocument) => (Awaited::FirstDocument, limits.own_endpoint),
            (Stage::Inviting, _) => (Awaited::InviteAnswer, limits.join),
            _ => (Awaited::FirstDocument, limits.join),
        };
        self.abandon(WireFailure::Silent { awaited: silent.0, waited: silent.1 }, cx)
    }
}

/// The error and the cause of a failed join.
fn failed_join(failure: WireFailure, cx: &Context) -> (OperationError, Why) {
    let operation = OperationName::Join;
    match failure {
        // We did not say that we can wait in the lobby: the refusal is what the lobby would have been.
        WireFailure::Refused(reply) if cx.config.lobby_timeout.is_zero() && reply.sip_status == Some(403) => {
            let why = Why::reply(Cause::LobbyTimeout, Some(&reply));
            (OperationError::LobbyTimeout { reply }, why)
        }
        WireFailure::Refused(reply) => {
            let why = Why::reply(Cause::JoinFailed, Some(&reply));
            (OperationError::Failure { operation, reply }, why)
        }
        WireFailure::Protocol(reply) => {
            let why = Why::reply(Cause::ProtocolError, Some(&reply));
            (OperationError::Failure { operation, reply }, why)
        }
        WireFailure::Silent { awaited, waited } => {
            (OperationError::Timeout { operation, awaited, waited }, Cause::Timeout.into())
        }
    }
}
