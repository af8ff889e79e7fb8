//! What a transport listens on, and its limits.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::tap::Tap;
use crate::{Limits, TransportKind};

/// A transport and an address: `tcp:127.0.0.1:5060`, `udp:[::1]:0`.
///
/// # Examples
///
/// ```
/// use sip_core::ListenAddr;
///
/// let listen: ListenAddr = "tcp:127.0.0.1:5060".parse()?;
/// assert_eq!(listen.addr.port(), 5060);
/// assert_eq!(listen.to_string(), "tcp:127.0.0.1:5060");
/// # Ok::<(), sip_core::ListenAddrError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenAddr {
    /// The transport.
    pub transport: TransportKind,
    /// The address.
    pub addr: SocketAddr,
}

/// A text that is no [`ListenAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenAddrError {
    /// What stands before the first colon is not `udp`, `tcp` or `tls`.
    #[error("expected udp, tcp or tls before the first colon")]
    Transport,
    /// What stands behind it is not a literal address with port.
    #[error("expected a literal address and a port behind the transport")]
    Address,
}

impl ListenAddr {
    /// This transport on this address.
    pub const fn new(transport: TransportKind, addr: SocketAddr) -> Self {
        Self { transport, addr }
    }
}

impl FromStr for ListenAddr {
    type Err = ListenAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (transport, addr) = text.split_once(':').ok_or(ListenAddrError::Transport)?;
        Ok(Self {
            transport: transport.parse().map_err(|_| ListenAddrError::Transport)?,
            addr: addr.parse().map_err(|_| ListenAddrError::Address)?,
        })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.addr)
    }
}

/// Limits and times of a [`Transport`](super::Transport); start from the default and use `with_*`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportConfig {
    /// Limits on received messages.
    pub limits: Limits,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// Connections at the same time, of both directions. Beyond: accepted ones are closed, others `Unreachable`.
    pub max_connections: usize,
    /// Accepted connections from one IP address at the same time.
    pub max_connections_per_peer: usize,
    /// UDP flows remembered; the one unused for longest is forgotten first.
    pub max_udp_flows: usize,
    /// Messages queued for one connection. Beyond: it is closed.
    pub max_queued_messages: usize,
    /// Bytes queued for one connection. Beyond: it is closed.
    pub max_queued_bytes: usize,
    /// How long a connection may bring nothing.
    pub idle_timeout: Duration,
    /// How long a message may stay incomplete.
    pub partial_timeout: Duration,
    /// How long one write may take.
    pub write_timeout: Duration,
    /// After how long without acknowledgement the other end counts as dead; `None` leaves it to the system.
    pub dead_peer_after: Option<Duration>,
    /// How long `shutdown` waits until everything queued is sent.
    pub shutdown_timeout: Duration,
    /// Handshakes of accepted TLS connections under way. Beyond: the oldest is given up.
    pub max_handshakes: usize,
    /// TLS; `None` without.
    #[cfg(feature = "tls")]
    pub tls: Option<super::tls::TlsConfig>,
    /// Who sees each message that comes and goes; `None` for nobody.
    pub tap: Option<Arc<dyn Tap>>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(4),
            max_connections: 16_384,
            max_connections_per_peer: 16_384,
            max_udp_flows: 16_384,
            max_queued_messages: 8_192,
            max_queued_bytes: 16 * 1024 * 1024,
            idle_timeout: Duration::from_secs(3_600),
            partial_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            dead_peer_after: Some(Duration::from_secs(20)),
            shutdown_timeout: Duration::from_secs(2),
            max_handshakes: 1_024,
            #[cfg(feature = "tls")]
            tls: None,
            tap: None,
        }
    }
}

impl TransportConfig {
    /// With this look at each message.
    #[must_use]
    pub fn with_tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Speaking TLS with these settings.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: super::tls::TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// With this many handshakes of accepted TLS connections under way.
    #[must_use]
    pub fn with_max_handshakes(mut self, limit: usize) -> Self {
        self.max_handshakes = limit;
        self
    }

    /// With this limit on one write; a peer that reads slower is cut off.
    #[must_use]
    pub fn with_write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// With these limits on messages.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With this limit on opening a connection.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// With this many connections.
    #[must_use]
    pub fn with_max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// With this many accepted connections from one IP address.
    #[must_use]
    pub fn with_max_connections_per_peer(mut self, limit: usize) -> Self {
        self.max_connections_per_peer = limit;
        self
    }

    /// With this many UDP flows remembered.
    #[must_use]
    pub fn with_max_udp_flows(mut self, limit: usize) -> Self {
        self.max_udp_flows = limit;
        self
    }

    /// With these limits on what is queued for one connection.
    #[must_use]
    pub fn with_queue(mut self, messages: usize, bytes: usize) -> Self {
        self.max_queued_messages = messages;
        self.max_queued_bytes = bytes;
        self
    }

    /// With this idle time.
    #[must_use]
    pub fn with_idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// With this limit on an incomplete message.
    #[must_use]
    pub fn with_partial_timeout(mut self, limit: Duration) -> Self {
        self.partial_timeout = limit;
        self
    }
}
