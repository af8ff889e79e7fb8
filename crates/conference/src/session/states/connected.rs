//! `Connected`: in the conference.

use super::super::context::{Context, Why};
use super::super::edge::{self, TransitionId};
use super::super::input::{EndedReason, Evidence, Input};
use super::super::operation::{Entry, FailedCommand, OperationId, OperationName, Owner, Reply};
use super::super::output::{Effect, TerminateMode};
use super::super::vocabulary::Cause;
use super::reconnecting::Reconnecting;
use super::{Disconnecting, Leaving, State, ended_cause, refuse_or_ignore};
use crate::roster::{OwnStatus, Scope};

/// In the conference.
#[derive(Debug)]
pub(in crate::session) struct Connected {
    /// A document said that we were removed: what a BYE without a reason then means.
    removed: bool,
}

impl Connected {
    pub(super) fn new() -> Self {
        Self { removed: false }
    }

    /// Everything that can happen while `Connected`.
    pub(super) fn step(mut self, input: Input, cx: &mut Context) -> State {
        match input {
            Input::Begin { op, command } => {
                cx.begin(op, command);
                self.into()
            }
            Input::Leave { op } => self.leave(Leaving::Operation(op), cx),
            Input::HandleDropped => self.leave(Leaving::Dropped, cx),
            Input::EscalationFailed => self.escalation_failed(cx),
            Input::EndForAll { op } => self.end_for_all(op, cx),
            Input::Document { info, fresh } => {
                let own = cx.roster.own_status(&info);
                // The lobby's limited view: there is no way back there but through a recovery. Applied, it would empty the
                // roster and end the McuSessions.
                if own == OwnStatus::InLobby && info.is_full() && info.views.is_none() {
                    return cx.ignore(self);
                }
                self.removed = own == OwnStatus::Removed || (self.removed && own == OwnStatus::Unknown);
                if cx.follow(&info, fresh, Scope::Member) {
                    return self.into();
                }
                self.ended(EndedReason::Ended, &Reply::default(), cx)
            }
            Input::DocumentRejected { .. } => {
                cx.request_refresh();
                self.into()
            }
            Input::FrontEndLost { evidence, failed } => self.front_end_lost(&evidence, failed, cx),
            Input::RouteLost { evidence, failed } => self.route_lost(&evidence, failed, cx),
            Input::EndedByFocus { reason, reply } => self.ended(reason, &reply, cx),
            other => refuse_or_ignore(self, other, cx),
        }
    }

    /// T3a: what is pending is cancelled; the operation completes with the session.
    fn leave(self, who: Leaving, cx: &mut Context) -> State {
        let deadline = cx.now + cx.config.limits.termination;
        let next =
            cx.cross(edge::T3a, self, who.cause().into(), |_| Disconnecting::new(deadline, who.to_idle()));
        who.begin(cx);
        terminate(cx);
        next
    }

    /// T3e, which T5 follows.
    fn escalation_failed(self, cx: &mut Context) -> State {
        let deadline = cx.now + cx.config.limits.termination;
        let why = Cause::EscalationFailed.into();
        let next = cx.cross(edge::T3e, self, why, |_| Disconnecting::new(deadline, true));
        terminate(cx);
        next
    }

    /// T3b: at once. The Focus has its time to end the conference; then the session leaves all the same.
    fn end_for_all(self, op: OperationId, cx: &mut Context) -> State {
        cx.ops.insert(op, Entry::new(OperationName::End, Owner::End));
        let deadline = cx.now + cx.config.operations.end;
        let why = Cause::LocalEnd.into();
        let next = cx.cross(edge::T3b, self, why, |_| Disconnecting::end_first(op, deadline));
        cx.cancel_pending();
        cx.effect(Effect::EndForAll { op });
        next
    }

    /// T3c and T3d: the server ended our part, or all of it.
    fn ended(self, reason: EndedReason, reply: &Reply, cx: &mut Context) -> State {
        let deadline = cx.now + cx.config.limits.termination;
        let reason = match reason {
            EndedReason::Unknown if self.removed => EndedReason::Ejected,
            other => other,
        };
        let why = Why::reply(ended_cause(reason), Some(reply));
        let next = match reason {
            EndedReason::Ejected | EndedReason::Denied | EndedReason::Unknown => {
                cx.cross(edge::T3c, self, why, |_| Disconnecting::new(deadline, false))
            }
            EndedReason::Ended | EndedReason::Replaced | EndedReason::LobbyTimeout => {
                cx.cross(edge::T3d, self, why, |_| Disconnecting::new(deadline, false))
            }
        };
        terminate(cx);
        next
    }

    /// T6a, section 3.1. Calls to MCUs stay up: they have dialogs of their own.
    fn front_end_lost(self, evidence: &Evidence, failed: Option<FailedCommand>, cx: &mut Context) -> State {
        let count = cx.fail_pending(TransitionId::T6a, failed);
        let plan = Reconnecting::plan_rejoin(evidence, count, cx);
        let why = Why::evidence(Cause::FocusFailover, evidence);
        let next = cx.cross(edge::T6a, self, why, |_| plan);
        cx.lose_mcus();
        next
    }

    /// T6b, section 3.3. McuSessions keep their states.
    fn route_lost(self, evidence: &Evidence, failed: Option<FailedCommand>, cx: &mut Context) -> State {
        let count = cx.fail_pending(TransitionId::T6b, failed);
        let plan = Reconnecting::plan_healing(evidence, count, cx);
        let why = Why::evidence(Cause::RouteLost, evidence);
        cx.cross(edge::T6b, self, why, |_| plan)
    }
}

fn terminate(cx: &mut Context) {
    cx.cancel_pending();
    cx.effect(Effect::Terminate { mode: TerminateMode::Orderly });
}
