//! `Reconnecting`, both kinds: the heal loop of a lost route, and the reconnect attempt of a lost Focus.
//!
//! Healing has no end of its own. When it finds the dialog gone, it becomes the other kind, which has one attempt.

use std::time::{Duration, Instant};

use c3p::info::{ConferenceInfo, State as DocumentState};

use super::super::context::{Context, Why};
use super::super::edge;
use super::super::input::{EndedReason, Evidence, Input, WireFailure};
use super::super::operation::{Awaited, OperationError, OperationId, OperationName, OperationValue, Reply};
use super::super::output::{Deadline, Effect, TerminateMode, Timer};
use super::super::recovery::Recovery;
use super::super::report::RecoveryStatus;
use super::super::vocabulary::{Cause, RecoveryLevel, RecoveryResult, RecoveryStep};
use super::{
    Connected, Disconnecting, FirstDocument, InLobby, Leaving, State, ended_cause, lobby_error,
    refuse_or_ignore,
};
use crate::roster::{OwnStatus, Scope};

/// The way to the Focus, or the Focus itself, is being found again.
#[derive(Debug)]
pub(in crate::session) struct Reconnecting {
    pub(super) home: Home,
    recovery: Recovery,
    phase: Phase,
    give_up: Option<Instant>,
    first: FirstDocument,
}

/// Where we were before, and what waits there.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) enum Home {
    /// In the conference.
    Conference,
    /// In the lobby, where the join may still wait, until the deadline.
    Lobby { join: Option<OperationId>, deadline: Instant },
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The heal loop runs.
    Healing,
    /// The route is back; a fresh document must come.
    Healed,
    /// A reconnect attempt is under way.
    Attempt { number: u32, deadline: Instant },
    /// Its INVITE was accepted; a fresh document must come.
    Accepted { number: u32, deadline: Instant },
    /// Between two attempts, if the policy has more than one.
    Pause { next: u32, until: Instant },
}

impl Reconnecting {
    /// The reconnect attempt after a failover of the Focus, from the conference.
    pub(super) fn plan_rejoin(evidence: &Evidence, failed: u32, cx: &mut Context) -> Self {
        let mut plan = Self::plan(RecoveryLevel::Focus, evidence, failed, cx);
        plan.rejoin(1, pause(evidence, cx), cx);
        plan
    }

    /// The heal loop after the loss of the route, from the conference.
    pub(super) fn plan_healing(evidence: &Evidence, failed: u32, cx: &mut Context) -> Self {
        cx.effect(Effect::StartHealing { at_once: !evidence.repair_tried });
        Self::plan(RecoveryLevel::Route, evidence, failed, cx)
    }

    fn plan(level: RecoveryLevel, evidence: &Evidence, failed: u32, cx: &Context) -> Self {
        Self {
            home: Home::Conference,
            recovery: Recovery::of_session(level, evidence, failed, cx.now),
            phase: Phase::Healing,
            give_up: cx.config.give_up_after.map(|after| cx.now + after),
            first: FirstDocument::default(),
        }
    }

    /// The join that waits in the lobby.
    pub(in crate::session) fn join(&self) -> Option<OperationId> {
        match self.home {
            Home::Conference => None,
            Home::Lobby { join, .. } => join,
        }
    }

    pub(in crate::session) fn status(&self) -> RecoveryStatus {
        self.recovery.status(self.give_up)
    }

    /// Everything that can happen while `Reconnecting`.
    pub(super) fn step(mut self: Box<Self>, input: Input, cx: &mut Context) -> State {
        match input {
            Input::Begin { op, command } => cx.refuse_retryable(op, command.name()),
            Input::EndForAll { op } => cx.refuse_retryable(op, OperationName::End),
            Input::Leave { op } => return self.leave(Leaving::Operation(op), cx),
            Input::HandleDropped => return self.leave(Leaving::Dropped, cx),
            Input::EscalationFailed => return self.leave(Leaving::Escalation, cx),
            Input::EndedByFocus { reason, reply } => return self.ended(reason, reply, cx),
            Input::Step(step) => self.recovery.step(step, cx.now),
            Input::HealAttempted if self.is_healing() => {
                self.recovery.attempt(RecoveryStep::UpdateSent, cx.now);
            }
            Input::Healed if self.is_healing() => {
                self.accepted(Phase::Healed, RecoveryStep::RouteRepaired, cx)
            }
            Input::HealFailed { error } if self.is_healing() => self.heal_failed(&error, cx),
            Input::HealFoundDialogGone { evidence } | Input::FrontEndLost { evidence, .. }
                if self.is_healing() =>
            {
                self.dialog_gone(&evidence, cx);
            }
            Input::RejoinAccepted => self.rejoin_accepted(cx),
            Input::RejoinFailed { error } => return self.attempt_failed(&error, cx),
            Input::Document { info, fresh: true } if self.awaits_document() => return self.arrive(&info, cx),
            Input::DocumentRejected { detail } if self.awaits_document() => {
                if !self.first.unreadable(cx) {
                    return self.unusable(&WireFailure::Protocol(Reply::transport(detail)), cx);
                }
            }
            other => return refuse_or_ignore(*self, other, cx),
        }
        (*self).into()
    }

    fn is_healing(&self) -> bool {
        matches!(self.phase, Phase::Healing | Phase::Healed)
    }

    fn awaits_document(&self) -> bool {
        matches!(self.phase, Phase::Healed | Phase::Accepted { .. })
    }

    /// A reconnect attempt begins.
    fn rejoin(&mut self, number: u32, after: Duration, cx: &mut Context) {
        self.first = FirstDocument::default();
        self.phase = Phase::Attempt { number, deadline: cx.now + after + cx.config.limits.attempt };
        self.recovery.attempt(RecoveryStep::AttemptBegun, cx.now);
        cx.effect(Effect::Rejoin { attempt: number, after });
    }

    /// The signalling works again; what is missing is the document.
    fn accepted(&mut self, phase: Phase, step: RecoveryStep, cx: &Context) {
        self.phase = phase;
        self.first = FirstDocument::default();
        self.recovery.step(step, cx.now);
    }

    fn rejoin_accepted(&mut self, cx: &mut Context) {
        if let Phase::Attempt { number, deadline } = self.phase {
            self.accepted(Phase::Accepted { number, deadline }, RecoveryStep::InviteAccepted, cx);
        } else {
            cx.count_ignored();
        }
    }

    fn heal_failed(&mut self, error: &WireFailure, cx: &Context) {
        self.phase = Phase::Healing;
        self.first = FirstDocument::default();
        self.recovery.failed(RecoveryStep::UpdateFailed, error, cx.now);
    }

    /// Healing learned that it is a failover: M3 now, and the one attempt; still one report.
    fn dialog_gone(&mut self, evidence: &Evidence, cx: &mut Context) {
        self.recovery.level = RecoveryLevel::Focus;
        self.recovery.step(RecoveryStep::DialogGone, cx.now);
        cx.lose_mcus();
        self.rejoin(1, pause(evidence, cx), cx);
    }

    /// What came after a healed route or an accepted INVITE is of no use.
    fn unusable(mut self: Box<Self>, error: &WireFailure, cx: &mut Context) -> State {
        if matches!(self.phase, Phase::Accepted { .. }) {
            return self.attempt_failed(error, cx);
        }
        self.heal_failed(error, cx);
        cx.effect(Effect::StartHealing { at_once: false });
        (*self).into()
    }

    /// The attempt failed: T8, unless the application's policy has more of them.
    fn attempt_failed(mut self: Box<Self>, error: &WireFailure, cx: &mut Context) -> State {
        let (Phase::Attempt { number, .. } | Phase::Accepted { number, .. }) = self.phase else {
            return cx.ignore(*self);
        };
        self.recovery.failed(RecoveryStep::AttemptFailed, error, cx.now);
        let policy = cx.config.reconnect;
        if number < policy.attempts_max {
            self.first = FirstDocument::default();
            self.phase =
                Phase::Pause { next: number.saturating_add(1), until: cx.now + policy.pause_after(number) };
            return (*self).into();
        }
        let reply = error.reply();
        let dropped = OperationError::Dropped { reply: reply.cloned().unwrap_or_default() };
        self.fail(Why::reply(Cause::ReconnectFailed, reply), dropped, cx)
    }

    /// The fresh document: T7, T12, or wait on.
    fn arrive(mut self: Box<Self>, info: &ConferenceInfo, cx: &mut Context) -> State {
        match (info.state, cx.roster.own_status(info)) {
            (DocumentState::Deleted, _) => self.ended(EndedReason::Ended, Reply::default(), cx),
            (DocumentState::Full, OwnStatus::Inside) => self.back_inside(info, cx),
            (DocumentState::Full, OwnStatus::InLobby) => self.back_in_lobby(info, cx),
            (DocumentState::Full, OwnStatus::Unknown | OwnStatus::Removed) | (DocumentState::Partial, _) => {
                self.first.without_us(cx);
                (*self).into()
            }
        }
    }

    /// T7: one event per difference, and none where there is no difference.
    fn back_inside(mut self: Box<Self>, info: &ConferenceInfo, cx: &mut Context) -> State {
        self.recovery.step(RecoveryStep::RosterReceived, cx.now);
        let (join, level) = (self.join(), self.recovery.level);
        let mut recovery = None;
        let next = cx.cross(edge::T7, *self, Cause::Recovered.into(), |old| {
            recovery = Some(old.recovery);
            Connected::new()
        });
        let changes = cx.enter(info, Scope::Member, level == RecoveryLevel::Focus);
        recovered(recovery, changes, cx);
        if let Some(join) = join {
            cx.finish(join, Ok(OperationValue::Done));
        }
        next
    }

    /// T12: as T7. If we came from the conference, a new wait begins.
    fn back_in_lobby(mut self: Box<Self>, info: &ConferenceInfo, cx: &mut Context) -> State {
        self.recovery.step(RecoveryStep::RosterReceived, cx.now);
        let fresh_deadline = cx.now + cx.config.lobby_timeout;
        let mut recovery = None;
        let next = cx.cross(edge::T12, *self, Cause::Recovered.into(), |old| {
            recovery = Some(old.recovery);
            match old.home {
                Home::Conference => InLobby::new(None, fresh_deadline),
                Home::Lobby { join, deadline } => InLobby::new(join, deadline),
            }
        });
        let changes = cx.enter(info, Scope::Lobby, false);
        recovered(recovery, changes, cx);
        next
    }

    /// The server ended it meanwhile: T8, with its cause.
    fn ended(self: Box<Self>, reason: EndedReason, reply: Reply, cx: &mut Context) -> State {
        let why = Why::reply(ended_cause(reason), Some(&reply));
        self.fail(why, lobby_error(reason, reply), cx)
    }

    /// T8.
    fn fail(self: Box<Self>, why: Why, join_error: OperationError, cx: &mut Context) -> State {
        let (join, cause) = (self.join(), why.cause);
        let deadline = cx.now + cx.config.limits.termination;
        let mut recovery = None;
        let next = cx.cross(edge::T8, *self, why, |old| {
            recovery = Some(old.recovery);
            Disconnecting::new(deadline, false)
        });
        finish(recovery, RecoveryResult::Failed, cause, cx);
        finish_join(join, join_error, TerminateMode::Orderly, cx);
        next
    }

    fn leave(self: Box<Self>, who: Leaving, cx: &mut Context) -> State {
        who.begin(cx);
        let cancelled = OperationError::Cancelled { operation: OperationName::Join };
        self.abandon(who.cause(), cancelled, who.to_idle(), cx)
    }

    /// T15: always possible, by the best way known, in 2 s.
    fn abandon(
        self: Box<Self>,
        cause: Cause,
        join_error: OperationError,
        to_idle: bool,
        cx: &mut Context,
    ) -> State {
        let join = self.join();
        let deadline = cx.now + cx.config.limits.termination_best_effort;
        let mut recovery = None;
        let next = cx.cross(edge::T15, *self, cause.into(), |old| {
            recovery = Some(old.recovery);
            Disconnecting::new(deadline, to_idle)
        });
        finish(recovery, RecoveryResult::Abandoned, cause, cx);
        finish_join(join, join_error, TerminateMode::BestEffort, cx);
        next
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let phase = match self.phase {
            Phase::Healing | Phase::Healed => None,
            Phase::Attempt { deadline, .. } | Phase::Accepted { deadline, .. } => {
                Some((deadline, Timer::Attempt))
            }
            Phase::Pause { until, .. } => Some((until, Timer::NextAttempt)),
        };
        let lobby = match self.home {
            Home::Conference => None,
            Home::Lobby { deadline, .. } => Some((deadline, Timer::Lobby)),
        };
        let give_up = self.give_up.map(|at| (at, Timer::GiveUp));
        let first = self.first.deadline().map(|at| (at, Timer::FirstDocument));
        [phase, lobby, give_up, first].into_iter().flatten().min()
    }

    pub(super) fn expire(mut self: Box<Self>, timer: Timer, cx: &mut Context) -> State {
        let limits = cx.config.limits;
        let silent = |awaited, waited| WireFailure::Silent { awaited, waited };
        match (timer, self.phase) {
            (Timer::GiveUp, _) => {
                let error = OperationError::Cancelled { operation: OperationName::Join };
                self.abandon(Cause::GaveUp, error, false, cx)
            }
            (Timer::Lobby, _) => {
                let error = OperationError::LobbyTimeout { reply: Reply::default() };
                self.abandon(Cause::LobbyTimeout, error, false, cx)
            }
            (Timer::NextAttempt, Phase::Pause { next, .. }) => {
                self.rejoin(next, Duration::ZERO, cx);
                (*self).into()
            }
            (Timer::FirstDocument, _) => {
                if self.first.expire(cx) {
                    return self.unusable(&silent(Awaited::FirstDocument, limits.own_endpoint), cx);
                }
                (*self).into()
            }
            (_, Phase::Accepted { .. }) => {
                self.attempt_failed(&silent(Awaited::FirstDocument, limits.attempt), cx)
            }
            _ => self.attempt_failed(&silent(Awaited::InviteAnswer, limits.attempt), cx),
        }
    }
}

/// The pause before a reconnect attempt: what the server asked for, or the guard against storms.
fn pause(evidence: &Evidence, cx: &Context) -> Duration {
    evidence.retry_after.unwrap_or_default().max(cx.storm.pause(cx.now))
}

fn recovered(recovery: Option<Recovery>, changes: usize, cx: &mut Context) {
    let Some(recovery) = recovery else { return };
    if recovery.level == RecoveryLevel::Focus {
        cx.storm.recovered(cx.now);
    }
    cx.stage.report(recovery.report(RecoveryResult::Recovered, Cause::Recovered, changes, cx.now));
}

fn finish(recovery: Option<Recovery>, result: RecoveryResult, cause: Cause, cx: &mut Context) {
    if let Some(recovery) = recovery {
        cx.stage.report(recovery.report(result, cause, 0, cx.now));
    }
}

fn finish_join(join: Option<OperationId>, error: OperationError, mode: TerminateMode, cx: &mut Context) {
    if let Some(join) = join {
        cx.finish(join, Err(error));
    }
    cx.cancel_pending();
    cx.effect(Effect::Terminate { mode });
}
