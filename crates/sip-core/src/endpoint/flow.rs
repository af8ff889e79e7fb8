//! Flows: what the endpoint and the shell under it say to each other about connections.
//!
//! A flow is one connection, or for UDP one pair of local socket and remote address (the meaning of RFC 5626). The
//! shell numbers them; a number is never used twice in one process.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use super::peer::{PeerIdentity, PeerName, TlsFailure};
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// On this flow, and nowhere else.
    Flow(FlowId),
    /// To this address: on an open flow to it, else on a new one. Over TLS the server has to prove the address itself.
    Address {
        /// The transport to use.
        transport: TransportKind,
        /// The remote address.
        addr: SocketAddr,
    },
    /// Over TLS to this address, where the server has to prove this name: on a flow on which it did, else on a new one.
    Server {
        /// The remote address.
        addr: SocketAddr,
        /// The domain of the URI before it was looked up, or the literal address in it.
        name: PeerName,
    },
}

impl Target {
    /// What the flow has to lead to; `None` for a flow itself.
    pub(crate) fn remote(&self) -> Option<Remote> {
        match self {
            Self::Flow(_) => None,
            Self::Address { transport, addr } => Some(Remote::new(*transport, *addr)),
            Self::Server { addr, name } => Some(Remote::server(*addr, name.clone())),
        }
    }
}

/// What makes two flows equal for a request that has to go to an address: over TLS also the name that was asked for.
///
/// A connection made for one name is never used for another one, even if its certificate would cover both
/// (CVE-2020-15260 is what happens otherwise).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Remote {
    /// The transport.
    pub(crate) transport: TransportKind,
    /// The address.
    pub(crate) addr: SocketAddr,
    /// The name to prove; over TLS always.
    pub(crate) name: Option<PeerName>,
}

impl Remote {
    /// An address; over TLS the name is the address itself.
    pub(crate) fn new(transport: TransportKind, addr: SocketAddr) -> Self {
        let name = (transport == TransportKind::Tls).then(|| addr.ip().into());
        Self { transport, addr, name }
    }

    /// A name at an address, over TLS.
    pub(crate) fn server(addr: SocketAddr, name: PeerName) -> Self {
        Self { transport: TransportKind::Tls, addr, name: Some(name) }
    }

    /// A request to open a flow to it.
    pub(crate) fn open(&self) -> Transmit {
        let to = match &self.name {
            Some(name) if *name != self.addr.ip().into() => {
                Target::Server { addr: self.addr, name: name.clone() }
            }
            Some(_) | None => Target::Address { transport: self.transport, addr: self.addr },
        };
        Transmit { to, bytes: Bytes::new(), close_after: false }
    }
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
    /// TLS failed: the other end refused us, or the stream was cut.
    #[error("{0}")]
    Tls(TlsFailure),
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
    /// There is somebody, but no TLS connection to whom we look for.
    #[error("{0}")]
    Tls(TlsFailure),
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
    /// A flow over TLS was opened, by either end; comes instead of the two above.
    Secured {
        /// The new flow.
        flow: FlowId,
        /// Its ends.
        info: FlowInfo,
        /// The name it was opened for and that the other end proved; `None` if the other end opened it.
        asked: Option<PeerName>,
        /// Everything the other end proved.
        peer: PeerIdentity,
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
    /// A server something was sent to over TLS cannot be reached, or is somebody else.
    ServerUnreachable {
        /// The address.
        addr: SocketAddr,
        /// The name it had to prove.
        name: PeerName,
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
/// for UDP and also when such a flow is open, or [`TransportInput::Unreachable`]; over TLS [`TransportInput::Secured`] or
/// [`TransportInput::ServerUnreachable`].
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

    /// A request to open a flow to any target; for a flow it is nothing.
    pub fn open(target: Target) -> Self {
        Self { to: target, bytes: Bytes::new(), close_after: false }
    }

    /// Whether it only asks for a flow to be opened.
    pub fn is_connect(&self) -> bool {
        !matches!(self.to, Target::Flow(_)) && self.bytes.is_empty()
    }
}
