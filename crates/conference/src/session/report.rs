//! The report of a recovery, and the status of a session.

use std::time::{Duration, Instant};

use c3p::McuType;
use mcu::{CallState, McuSessionState};

use super::vocabulary::{Cause, Detector, RecoveryLevel, RecoveryResult, RecoveryStep, SessionState};

/// What one recovery was, from its first sign to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Focus, MCU or route. A lost route that turned out to be a lost Focus is `Focus`.
    pub level: RecoveryLevel,
    /// The MCU, for the level `Mcu`.
    pub mcu: Option<McuType>,
    /// How it ended.
    pub result: RecoveryResult,
    /// The cause of the transition that ended it.
    pub cause: Cause,
    /// UPDATEs and INVITEs sent since the session began to reconnect.
    pub attempts: u32,
    /// What told us; `None` for an MCU, where the Focus says so.
    pub detected_by: Option<Detector>,
    /// From the first sign to the classification.
    pub detected: Duration,
    /// From the classification to the end.
    pub total: Duration,
    /// Operations that it failed.
    pub operations_failed: u32,
    /// Attendance events that the comparison of the rosters raised.
    pub roster_changes: u32,
    /// What was done, and when, counted from the classification.
    pub steps: Vec<Step>,
}

/// One step of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub name: RecoveryStep,
    /// When, counted from the beginning of the recovery.
    pub at: Duration,
}

/// A session at one moment: the answer to `state`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The state.
    pub state: SessionState,
    /// Since when.
    pub since: Instant,
    /// The McuSessions.
    pub mcus: Vec<(McuType, McuSessionState)>,
    /// The calls to their MCUs.
    pub calls: Vec<(McuType, CallState)>,
    /// Operations under way.
    pub pending_operations: usize,
    /// The recovery under way.
    pub recovery: Option<RecoveryStatus>,
}

/// A recovery under way: what an application needs to decide when to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryStatus {
    /// Focus or route.
    pub level: RecoveryLevel,
    /// Since when.
    pub since: Instant,
    /// UPDATEs and INVITEs sent so far.
    pub attempts: u32,
    /// What came back last.
    pub last_error: Option<String>,
    /// When it will be given up, if the application set a deadline.
    pub deadline: Option<Instant>,
}
