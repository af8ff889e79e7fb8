//! `InLobby`: somebody has to let us in.

use std::time::Instant;

use c3p::info::ConferenceInfo;

use super::super::context::{Context, Why};
use super::super::edge;
use super::super::input::{EndedReason, Evidence, Input};
use super::super::operation::{OperationError, OperationId, OperationName, OperationValue, Reply};
use super::super::output::{Deadline, Effect, TerminateMode, Timer};
use super::super::vocabulary::Cause;
use super::reconnecting::{Home, Reconnecting};
use super::{Connected, Disconnecting, Leaving, State, ended_cause, lobby_error, refuse_or_ignore};
use crate::roster::{OwnStatus, Scope};

/// In the lobby.
#[derive(Debug)]
pub(in crate::session) struct InLobby {
    /// The join that still waits; none if a recovery put us back here.
    pub(in crate::session) join: Option<OperationId>,
    deadline: Instant,
}

impl InLobby {
    pub(super) fn new(join: Option<OperationId>, deadline: Instant) -> Self {
        Self { join, deadline }
    }

    /// Everything that can happen while `InLobby`.
    pub(super) fn step(self, input: Input, cx: &mut Context) -> State {
        match input {
            Input::Leave { op } => self.leave(Leaving::Operation(op), cx),
            Input::HandleDropped => self.leave(Leaving::Dropped, cx),
            Input::EscalationFailed => self.leave(Leaving::Escalation, cx),
            Input::Document { info, fresh } => self.document(&info, fresh, cx),
            Input::DocumentRejected { .. } => {
                cx.request_refresh();
                self.into()
            }
            Input::FrontEndLost { evidence, .. } => self.front_end_lost(&evidence, cx),
            Input::RouteLost { evidence, .. } => self.route_lost(&evidence, cx),
            Input::EndedByFocus { reason, reply } => self.ended(reason, reply, cx),
            other => refuse_or_ignore(self, other, cx),
        }
    }

    fn document(self, info: &ConferenceInfo, fresh: bool, cx: &mut Context) -> State {
        match cx.roster.own_status(info) {
            OwnStatus::Inside => self.admitted(info, fresh, cx),
            OwnStatus::InLobby | OwnStatus::Unknown | OwnStatus::Removed => {
                if cx.follow(info, fresh, Scope::Lobby) {
                    return self.into();
                }
                self.ended(EndedReason::Ended, Reply::default(), cx)
            }
        }
    }

    /// T13: as T2, everybody has been raised before the join returns.
    fn admitted(self, info: &ConferenceInfo, fresh: bool, cx: &mut Context) -> State {
        if !info.is_full() {
            // It says that we are in, but not who else is.
            cx.request_refresh();
            return self.into();
        }
        let outdated = !fresh && info.version < cx.roster.snapshot().version;
        if outdated {
            return cx.ignore(self);
        }
        let join = self.join;
        let next = cx.cross(edge::T13, self, Cause::Admitted.into(), |_| Connected::new());
        // If a failover put us here, this is the fresh document that McuSessions still wait for.
        cx.enter(info, Scope::Member, true);
        if let Some(join) = join {
            cx.finish(join, Ok(OperationValue::Done));
        }
        next
    }

    fn leave(self, who: Leaving, cx: &mut Context) -> State {
        who.begin(cx);
        let cancelled = OperationError::Cancelled { operation: OperationName::Join };
        self.terminate(who.cause().into(), cancelled, who.to_idle(), cx)
    }

    /// T14c: the application terminates, or set the time that is over now.
    fn terminate(self, why: Why, join_error: OperationError, to_idle: bool, cx: &mut Context) -> State {
        let join = self.join;
        let deadline = cx.now + cx.config.limits.termination;
        let next = cx.cross(edge::T14c, self, why, |_| Disconnecting::new(deadline, to_idle));
        finish_lobby(join, join_error, cx);
        next
    }

    /// T14a and T14b: the server sent us away.
    fn ended(self, reason: EndedReason, reply: Reply, cx: &mut Context) -> State {
        let join = self.join;
        let deadline = cx.now + cx.config.limits.termination;
        let cause = match reason {
            EndedReason::Unknown => Cause::Ended,
            other => ended_cause(other),
        };
        let why = Why::reply(cause, Some(&reply));
        let next = match reason {
            EndedReason::Ejected | EndedReason::Denied | EndedReason::LobbyTimeout => {
                cx.cross(edge::T14a, self, why, |_| Disconnecting::new(deadline, false))
            }
            EndedReason::Ended | EndedReason::Replaced | EndedReason::Unknown => {
                cx.cross(edge::T14b, self, why, |_| Disconnecting::new(deadline, false))
            }
        };
        finish_lobby(join, lobby_error(reason, reply), cx);
        next
    }

    fn home(self) -> Home {
        Home::Lobby { join: self.join, deadline: self.deadline }
    }

    /// T11a: as T6a; the join that waits does not fail.
    fn front_end_lost(self, evidence: &Evidence, cx: &mut Context) -> State {
        let why = Why::evidence(Cause::FocusFailover, evidence);
        let mut plan = Reconnecting::plan_rejoin(evidence, 0, cx);
        let next = cx.cross(edge::T11a, self, why, |lobby| {
            plan.home = lobby.home();
            plan
        });
        cx.lose_mcus();
        next
    }

    /// T11b: as T6b.
    fn route_lost(self, evidence: &Evidence, cx: &mut Context) -> State {
        let why = Why::evidence(Cause::RouteLost, evidence);
        let mut plan = Reconnecting::plan_healing(evidence, 0, cx);
        cx.cross(edge::T11b, self, why, |lobby| {
            plan.home = lobby.home();
            plan
        })
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        Some((self.deadline, Timer::Lobby))
    }

    pub(super) fn expire(self, cx: &mut Context) -> State {
        let error = OperationError::LobbyTimeout { reply: Reply::default() };
        self.terminate(Cause::LobbyTimeout.into(), error, false, cx)
    }
}

/// The end of the stay in the lobby, and of the join that waited there.
fn finish_lobby(join: Option<OperationId>, error: OperationError, cx: &mut Context) {
    if let Some(join) = join {
        cx.finish(join, Err(error));
    }
    cx.cancel_pending();
    cx.effect(Effect::Terminate { mode: TerminateMode::Orderly });
}
