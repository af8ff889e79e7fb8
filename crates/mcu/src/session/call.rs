//! The call to an MCU as the McuSession knows it: its state, and why it changed.

/// The state of our call to one MCU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum CallState {
    /// No call was placed.
    #[default]
    Idle,
    /// The INVITE is under way.
    Establishing,
    /// The call is up.
    Established,
    /// The BYE is under way.
    Terminating,
    /// The last call is over. Another may be placed.
    Terminated,
}

impl CallState {
    /// The name as in event lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Establishing => "establishing",
            Self::Established => "established",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        }
    }

    /// Whether there is a call: from the INVITE until it is over.
    #[must_use]
    pub const fn is_up(self) -> bool {
        match self {
            Self::Establishing | Self::Established | Self::Terminating => true,
            Self::Idle | Self::Terminated => false,
        }
    }
}

impl std::fmt::Display for CallState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why the state of a call changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CallCause {
    /// The application placed or ended it.
    Local,
    /// The MCU answered.
    Answered,
    /// The MCU ended it.
    Remote,
    /// It could not be established, or its dialog is gone.
    Failed,
    /// The MCU failed over (M4).
    McuFailover,
    /// Another server of this modality is active than the one the call was made to.
    InstanceChanged,
    /// The conference has no such MCU any more.
    McuGone,
    /// The session ended.
    SessionEnded,
}

impl CallCause {
    /// The word of event lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Answered => "answered",
            Self::Remote => "remote",
            Self::Failed => "failed",
            Self::McuFailover => "mcu-failover",
            Self::InstanceChanged => "instance-changed",
            Self::McuGone => "mcu-gone",
            Self::SessionEnded => "session-ended",
        }
    }
}

impl std::fmt::Display for CallCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One change of a call's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallChange {
    /// The new state.
    pub state: CallState,
    /// Why.
    pub cause: CallCause,
}

/// Why the McuSession has its call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// The MCU is rolling over: BYE with `ms-client-diagnostics: 24067`.
    RollingOver,
    /// Another server of this modality took over.
    InstanceChanged,
    /// The conference has no such MCU any more.
    McuGone,
    /// The session ends.
    SessionEnding,
}

impl EndReason {
    /// The cause that the call's event carries.
    #[must_use]
    pub const fn cause(self) -> CallCause {
        match self {
            Self::RollingOver => CallCause::McuFailover,
            Self::InstanceChanged => CallCause::InstanceChanged,
            Self::McuGone => CallCause::McuGone,
            Self::SessionEnding => CallCause::SessionEnded,
        }
    }
}
