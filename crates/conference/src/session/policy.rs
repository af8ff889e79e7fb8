//! What an application can set: who we are, how long to wait, how often to try.

use std::time::Duration;

use c3p::McuType;

use super::operation::OperationLimits;

/// Settings of one session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Our user entity, as in the roster.
    pub own_user: String,
    /// Our endpoint entity (a GUID), generated once per session and kept for every reconnect attempt.
    pub own_endpoint: String,
    /// Which McuSessions exist.
    pub mcus: Vec<McuType>,
    /// How long to wait in the lobby; zero: do not wait.
    pub lobby_timeout: Duration,
    /// Give a recovery up after this time (T15). `None`: the application decides.
    pub give_up_after: Option<Duration>,
    /// How often to try to reconnect after a failover of the Focus.
    pub reconnect: ReconnectPolicy,
    /// Limits of operations.
    pub operations: OperationLimits,
    /// Limits of the stages of the session.
    pub limits: SessionLimits,
}

impl SessionConfig {
    /// The defaults of the specification for this user and endpoint.
    #[must_use]
    pub fn new(own_user: impl Into<String>, own_endpoint: impl Into<String>) -> Self {
        Self {
            own_user: own_user.into(),
            own_endpoint: own_endpoint.into(),
            mcus: McuType::ALL.to_vec(),
            lobby_timeout: Duration::from_secs(15 * 60),
            give_up_after: None,
            reconnect: ReconnectPolicy::default(),
            operations: OperationLimits::default(),
            limits: SessionLimits::default(),
        }
    }

    /// The same with another wait in the lobby.
    #[must_use]
    pub const fn with_lobby_timeout(mut self, timeout: Duration) -> Self {
        self.lobby_timeout = timeout;
        self
    }

    /// The same with a deadline for recoveries.
    #[must_use]
    pub const fn with_give_up_after(mut self, after: Option<Duration>) -> Self {
        self.give_up_after = after;
        self
    }

    /// The same with another policy for reconnect attempts.
    #[must_use]
    pub const fn with_reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }
}

/// How often to try to reconnect after a failover of the Focus. The default is the specification's: once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// Attempts in all; at least one is made.
    pub attempts_max: u32,
    /// The pause between two attempts; doubled each time.
    pub backoff: Duration,
}

impl ReconnectPolicy {
    /// That many attempts with that first pause between them.
    #[must_use]
    pub const fn attempts(attempts_max: u32, backoff: Duration) -> Self {
        Self { attempts_max, backoff }
    }

    /// The pause after the attempt of that number.
    pub(super) fn pause_after(&self, attempt: u32) -> Duration {
        const LONGEST: Duration = Duration::from_secs(300);
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(doubled).min(LONGEST)
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self { attempts_max: 1, backoff: Duration::from_secs(2) }
    }
}

/// Limits of the stages of a session (protocol note on recovery, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// The whole join, without the wait in the lobby.
    pub join: Duration,
    /// A document without our endpoint: ask again after this time.
    pub own_endpoint_retry: Duration,
    /// Still none: the join failed.
    pub own_endpoint: Duration,
    /// One reconnect attempt in all.
    pub attempt: Duration,
    /// Ending all dialogs in order; a guard, each dialog has its own 32 s.
    pub termination: Duration,
    /// The same while the peers may be out of reach (T15).
    pub termination_best_effort: Duration,
    /// The least time between two refreshes of the subscription because of a gap.
    pub refresh_interval: Duration,
    /// The wait of operations for an MCU that is not active.
    pub mcu_queue: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            join: secs(60),
            own_endpoint_retry: secs(10),
            own_endpoint: secs(32),
            attempt: secs(60),
            termination: secs(66),
            termination_best_effort: secs(2),
            refresh_interval: secs(5),
            mcu_queue: secs(30),
        }
    }
}
