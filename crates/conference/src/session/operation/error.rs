//! How an operation ends when it does not succeed (specification section 4).

use std::time::Duration;

use c3p::McuType;
use mcu::{CallState, McuSessionState, McuTransition};

use super::{OperationName, words};
use crate::session::TransitionId;
use crate::session::vocabulary::SessionState;

words! {
    /// The reason of a failed operation, by its public name.
    pub enum Reason {
        /// It was pending when a recovery began.
        SessionRetrying = "SessionRetrying",
        /// It was begun while a recovery is under way; nothing was sent.
        RetryableOperation = "RetryableOperation",
        /// It makes no sense in this state; nothing was sent.
        InvalidState = "InvalidState",
        /// The server refused.
        Failure = "Failure",
        /// Nobody answered.
        Timeout = "Timeout",
        /// The session ended first.
        Cancelled = "Cancelled",
        /// The lobby sent us away.
        LobbyDenied = "LobbyDenied",
        /// The wait in the lobby was over.
        LobbyTimeout = "LobbyTimeout",
        /// The lobby ended for another reason.
        Dropped = "Dropped",
    }
}

words! {
    /// Whose fault a failure is, as far as one can tell.
    pub enum Fault {
        /// The caller asked for something impossible.
        Caller = "caller",
        /// The server refused.
        Peer = "peer",
        /// The network, or a failure that recovery deals with.
        Network = "network",
    }
}

words! {
    /// A message that did not come.
    #[non_exhaustive]
    pub enum Awaited {
        /// The final answer to the INVITE to the Focus.
        InviteAnswer = "answer to the INVITE",
        /// The answer to the SUBSCRIBE.
        SubscribeAnswer = "answer to the SUBSCRIBE",
        /// The first conference document that tells where we are.
        FirstDocument = "first conference document",
        /// The result of a C3P command.
        CommandResult = "result of the C3P command",
        /// The answer to something sent over a call.
        CallAnswer = "answer over the call",
        /// The end of the conference.
        ConferenceEnd = "end of the conference",
        /// The answer of the conference factory.
        FactoryAnswer = "answer of the conference factory",
    }
}

/// What came back from a server in place of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The SIP status.
    pub sip_status: Option<u16>,
    /// The reason token of a C3P response, e.g. `userDoesntExist`.
    pub c3p_reason: Option<String>,
    /// The value of `ms-diagnostics`.
    pub diagnostics: Option<String>,
    /// What happened below SIP, e.g. "connection refused".
    pub transport: Option<String>,
}

impl Reply {
    /// A SIP status and nothing else.
    #[must_use]
    pub fn status(sip_status: u16) -> Self {
        Self { sip_status: Some(sip_status), ..Self::default() }
    }

    /// The refusal of a C3P response.
    #[must_use]
    pub fn c3p(reason: impl Into<String>) -> Self {
        Self { c3p_reason: Some(reason.into()), ..Self::default() }
    }

    /// A failure below SIP.
    #[must_use]
    pub fn transport(error: impl Into<String>) -> Self {
        Self { transport: Some(error.into()), ..Self::default() }
    }

    /// The same with diagnostics.
    #[must_use]
    pub fn with_diagnostics(mut self, diagnostics: Option<impl Into<String>>) -> Self {
        self.diagnostics = diagnostics.map(Into::into);
        self
    }

    /// The same with the reason token of a C3P response.
    #[must_use]
    pub fn with_c3p_reason(mut self, reason: Option<impl Into<String>>) -> Self {
        self.c3p_reason = reason.map(Into::into);
        self
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.sip_status.map(|status| format!("SIP status {status}")));
        parts.extend(self.c3p_reason.clone());
        parts.extend(self.diagnostics.as_ref().map(|text| format!("diagnostics {text}")));
        parts.extend(self.transport.clone());
        if parts.is_empty() {
            parts.push("no details".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

impl std::error::Error for Reply {}

/// The transition that began a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// The session's.
    Session(TransitionId),
    /// That of one McuSession.
    Mcu(McuTransition),
}

impl std::fmt::Display for Began {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(id) => id.fmt(f),
            Self::Mcu(id) => id.fmt(f),
        }
    }
}

/// The state that makes an operation impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The session's.
    Session(SessionState),
    /// That of an McuSession.
    Mcu(McuType, McuSessionState),
    /// That of a call.
    Call(McuType, CallState),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(state) => write!(f, "the session is {state}"),
            Self::Mcu(mcu, state) => write!(f, "the {} McuSession is {state}", mcu.short_name()),
            Self::Call(mcu, state) => write!(f, "the {} call is {state}", mcu.short_name()),
        }
    }
}

/// How an operation on a conference ended, when it did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// It was pending when recovery began; repeat it once the session is `Connected` again.
    #[error("a recovery began ({began}) before {operation} was answered")]
    SessionRetrying {
        /// What it was.
        operation: OperationName,
        /// The transition that failed it.
        began: Began,
        /// What came in place of an answer, if its own request met the failure.
        reply: Option<Reply>,
    },
    /// A recovery is under way; nothing was sent. Repeat it later.
    #[error("{operation} is not possible while a recovery is under way")]
    RetryableOperation {
        /// What it was.
        operation: OperationName,
    },
    /// It makes no sense in this state; nothing was sent.
    #[error("{operation} is not possible while {obstacle}")]
    InvalidState {
        /// What it was.
        operation: OperationName,
        /// The state that forbids it.
        obstacle: Obstacle,
    },
    /// The server refused.
    #[error("{operation} was refused")]
    Failure {
        /// What it was.
        operation: OperationName,
        /// What the server said.
        #[source]
        reply: Reply,
    },
    /// Nobody answered.
    #[error("no {awaited} within {waited:?}")]
    Timeout {
        /// What it was.
        operation: OperationName,
        /// The message that did not come.
        awaited: Awaited,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The session was ended first.
    #[error("{operation} was cancelled by the end of the session")]
    Cancelled {
        /// What it was.
        operation: OperationName,
    },
    /// The lobby sent us away.
    #[error("the lobby did not let us in")]
    LobbyDenied {
        /// What the server said.
        reply: Reply,
    },
    /// The wait in the lobby was over.
    #[error("nobody let us in from the lobby in time")]
    LobbyTimeout {
        /// What the server said, if it was its time that was over.
        reply: Reply,
    },
    /// The lobby ended for another reason.
    #[error("the wait in the lobby ended")]
    Dropped {
        /// What the server said.
        reply: Reply,
    },
}

impl OperationError {
    /// The reason by its public name.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::SessionRetrying { .. } => Reason::SessionRetrying,
            Self::RetryableOperation { .. } => Reason::RetryableOperation,
            Self::InvalidState { .. } => Reason::InvalidState,
            Self::Failure { .. } => Reason::Failure,
            Self::Timeout { .. } => Reason::Timeout,
            Self::Cancelled { .. } => Reason::Cancelled,
            Self::LobbyDenied { .. } => Reason::LobbyDenied,
            Self::LobbyTimeout { .. } => Reason::LobbyTimeout,
            Self::Dropped { .. } => Reason::Dropped,
        }
    }

    /// What the server said, if it said anything.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::SessionRetrying { reply, .. } => reply.as_ref(),
            Self::Failure { reply, .. }
            | Self::LobbyDenied { reply }
            | Self::LobbyTimeout { reply }
            | Self::Dropped { reply } => Some(reply),
            Self::RetryableOperation { .. }
            | Self::InvalidState { .. }
            | Self::Timeout { .. }
            | Self::Cancelled { .. } => None,
        }
    }

    /// The SIP status that came back.
    #[must_use]
    pub fn sip_status(&self) -> Option<u16> {
        self.reply().and_then(|reply| reply.sip_status)
    }

    /// The reason token of the C3P response.
    #[must_use]
    pub fn c3p_code(&self) -> Option<&str> {
        self.reply().and_then(|reply| reply.c3p_reason.as_deref())
    }

    /// The value of `ms-diagnostics`.
    #[must_use]
    pub fn diagnostics(&self) -> Option<&str> {
        self.reply().and_then(|reply| reply.diagnostics.as_deref())
    }

    /// Whether the same call can succeed once the session has recovered.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::SessionRetrying { .. } | Self::RetryableOperation { .. })
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::InvalidState { .. } | Self::Cancelled { .. } => Fault::Caller,
            Self::Failure { .. }
            | Self::LobbyDenied { .. }
            | Self::LobbyTimeout { .. }
            | Self::Dropped { .. } => Fault::Peer,
            Self::SessionRetrying { .. } | Self::RetryableOperation { .. } | Self::Timeout { .. } => {
                Fault::Network
            }
        }
    }
}
