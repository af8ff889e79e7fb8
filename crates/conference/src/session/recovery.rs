//! A recovery under way: what its report and the session's status will say, and the guard against storms.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use c3p::McuType;

use super::input::{Evidence, WireFailure};
use super::report::{RecoveryReport, RecoveryStatus, Step};
use super::vocabulary::{Cause, Detector, RecoveryLevel, RecoveryResult, RecoveryStep};

/// The most steps a report lists; a heal loop of days must not grow for ever.
const STEPS_MAX: usize = 256;

/// The evidence of one recovery, from its classification on.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) level: RecoveryLevel,
    pub(super) since: Instant,
    mcu: Option<McuType>,
    detected_by: Option<Detector>,
    detected: Duration,
    attempts: u32,
    operations_failed: u32,
    last_error: Option<String>,
    steps: Vec<Step>,
}

impl Recovery {
    pub(super) fn of_session(level: RecoveryLevel, evidence: &Evidence, failed: u32, now: Instant) -> Self {
        let detected = now.saturating_duration_since(evidence.first_sign);
        let mut recovery = Self::new(level, Some(evidence.detected_by), detected, now);
        recovery.operations_failed = failed;
        recovery.step(RecoveryStep::Detected, now);
        recovery
    }

    pub(super) fn of_mcu(mcu: McuType, now: Instant) -> Self {
        let mut recovery = Self::new(RecoveryLevel::Mcu, None, Duration::ZERO, now);
        recovery.mcu = Some(mcu);
        recovery.step(RecoveryStep::McuLost, now);
        recovery
    }

    fn new(level: RecoveryLevel, detected_by: Option<Detector>, detected: Duration, now: Instant) -> Self {
        Self {
            level,
            since: now,
            mcu: None,
            detected_by,
            detected,
            attempts: 0,
            operations_failed: 0,
            last_error: None,
            steps: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, name: RecoveryStep, now: Instant) {
        if self.steps.len() < STEPS_MAX {
            self.steps.push(Step { name, at: now.saturating_duration_since(self.since) });
        }
    }

    /// An UPDATE or an INVITE goes out.
    pub(super) fn attempt(&mut self, step: RecoveryStep, now: Instant) {
        self.attempts = self.attempts.saturating_add(1);
        self.step(step, now);
    }

    pub(super) fn failed(&mut self, step: RecoveryStep, error: &WireFailure, now: Instant) {
        self.last_error = Some(error.to_string());
        self.step(step, now);
    }

    pub(super) fn count_failed_operations(&mut self, failed: u32) {
        self.operations_failed = self.operations_failed.saturating_add(failed);
    }

    pub(super) fn report(
        self,
        result: RecoveryResult,
        cause: Cause,
        roster_changes: usize,
        now: Instant,
    ) -> RecoveryReport {
        RecoveryReport {
            level: self.level,
            mcu: self.mcu,
            result,
            cause,
            attempts: self.attempts,
            detected_by: self.detected_by,
            detected: self.detected,
            total: now.saturating_duration_since(self.since),
            operations_failed: self.operations_failed,
            roster_changes: u32::try_from(roster_changes).unwrap_or(u32::MAX),
            steps: self.steps,
        }
    }

    pub(super) fn status(&self, deadline: Option<Instant>) -> RecoveryStatus {
        RecoveryStatus {
            level: self.level,
            since: self.since,
            attempts: self.attempts,
            last_error: self.last_error.clone(),
            deadline,
        }
    }
}

/// The guard against storms: three failovers that succeeded within a minute make the next attempt wait.
#[derive(Debug, Default)]
pub(super) struct StormGuard {
    recovered: VecDeque<Instant>,
}

impl StormGuard {
    const WINDOW: Duration = Duration::from_secs(60);
    const FREE: usize = 3;
    const PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];

    /// A failover was survived.
    pub(super) fn recovered(&mut self, now: Instant) {
        self.recovered.push_back(now);
        if self.recovered.len() > Self::FREE + Self::PAUSES.len() {
            self.recovered.pop_front();
        }
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let recent =
            self.recovered.iter().filter(|at| now.saturating_duration_since(**at) < Self::WINDOW).count();
        match recent.checked_sub(Self::FREE) {
            None => Duration::ZERO,
            Some(over) => Self::PAUSES[over.min(Self::PAUSES.len() - 1)],
        }
    }
}
