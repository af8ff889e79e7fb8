//! Flows: what the endpoint and the shell under it say to each other about connections.
//!
//! A flow is one connection, or for UDP one pair of local socket and remote address (the meaning of RFC 5626). The
//! shell numbers them; a number is never used twice in one process.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::{Message, ParseError, TransportKind};

/// The name of one flow, unique in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(u64);

impl FlowId {
    /// The flow with this number; only shells make flows.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow {}", self.0)
    }
}

/// The two ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowInfo {
    /// The other end.
    pub remote: SocketAddr,
    /// Our end; what goes into the sent-by of Via unless another address is advertised.
    pub local: SocketAddr,
    /// Its transport.
    pub transport: TransportKind,
}

/// Where something is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// On this flow, and nowhere else.
    Flow(FlowId),
    /// To this address: on an open flow to it, else on a new one.
    Address {
        /// The transport to use.
        transport: TransportKind,
        /// The remote address.
        addr: SocketAddr,
    },
}

/// Why a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The other end closed it.
    #[error("closed by the other end")]
    Remote,
    /// We closed it.
    #[error("closed by us")]
    Local,
    /// Nothing was received for the idle time, or a message stayed incomplete for too long.
    #[error("idle for too long")]
    Idle,
    /// More was queued for it than the limit allows.
    #[error("send queue overflow")]
    Overflow,
    /// The stream could not be cut into messages any more.
    #[error("message boundaries lost")]
    Framing,
    /// The limit on flows was reached.
    #[error("too many connections")]
    Limit,
    /// The transport failed.
    #[error("transport error: {0}")]
    Io(io::ErrorKind),
}

/// Why an address could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreachableReason {
    /// Actively refused: nobody listens there.
    #[error("refused")]
    Refused,
    /// No answer within the connect timeout.
    #[error("no answer")]
    TimedOut,
    /// The limit on flows was reached.
    #[error("too many connections")]
    Limit,
    /// This transport is not available.
    #[error("transport not supported")]
    Unsupported,
    /// Another error of the transport.
    #[error("transport error: {0}")]
    Io(io::ErrorKind),
}

impl From<io::ErrorKind> for UnreachableReason {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::Unsupported => Self::Unsupported,
            other => Self::Io(other),
        }
    }
}

/// What the shell reports to the endpoint.
#[derive(Clone, Debug)]
pub enum TransportInput {
    /// A complete message came.
    Message {
        /// On this flow.
        flow: FlowId,
        /// The message.
        message: Message,
    },
    /// A complete message came that cannot be read.
    Malformed {
        /// On this flow.
        flow: FlowId,
        /// What is wrong with it.
        error: ParseError,
        /// Its bytes.
        raw: Bytes,
    },
    /// A flow was opened because something was sent to an address; `info.remote` is that address.
    Connected {
        /// The new flow.
        flow: FlowId,
        /// Its ends.
        info: FlowInfo,
    },
    /// A flow was opened by the other end.
    Accepted {
        /// The new flow.
        flow: FlowId,
        /// Its ends.
        info: FlowInfo,
    },
    /// A flow ended; its number does not come again.
    Closed {
        /// The flow.
        flow: FlowId,
        /// Why.
        reason: CloseReason,
    },
    /// An address something was sent to cannot be reached.
    Unreachable {
        /// The transport tried.
        transport: TransportKind,
        /// The address.
        addr: SocketAddr,
        /// Why.
        reason: UnreachableReason,
    },
    /// A keep-alive came; the shell has answered it.
    Ping {
        /// On this flow.
        flow: FlowId,
    },
    /// The answer to a keep-alive came.
    Pong {
        /// On this flow.
        flow: FlowId,
    },
}

/// What the shell has to send.
///
/// With an address and no bytes it is a request to open a flow: the shell answers [`TransportInput::Connected`], also
/// for UDP and also when such a flow is open, or [`TransportInput::Unreachable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Target,
    /// The bytes; one message, or a keep-alive.
    pub bytes: Bytes,
    /// Whether the flow is to be closed once this is sent.
    pub close_after: bool,
}

impl Transmit {
    /// Bytes for an open flow.
    pub fn on_flow(flow: FlowId, bytes: Bytes) -> Self {
        Self { to: Target::Flow(flow), bytes, close_after: false }
    }

    /// A request to open a flow.
    pub fn connect(transport: TransportKind, addr: SocketAddr) -> Self {
        Self { to: Target::Address { transport, addr }, bytes: Bytes::new(), close_after: false }
    }

    /// Whether it only asks for a flow to be opened.
    pub fn is_connect(&self) -> bool {
        matches!(self.to, Target::Address { .. }) && self.bytes.is_empty()
    }
}
