//! Servers by name: the two ways to find them that the command offers, for applications as well.
//!
//! - [`ByDomain`]: RFC 3263. The domain's NAPTR and SRV records say which servers, over what, in which order.
//! - [`ByHosts`]: a list of servers, some of them by the name of their host, which the system looks up.
//!
//! Over TLS each server has to prove the name that was looked up, never one that the look-up told (RFC 5922 section 4).
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use reconvene::EndpointConfig;
//! use reconvene::lookup::{ByHosts, Server};
//!
//! let servers: Vec<Server> = vec!["tls:fe1.example.com:5061".parse()?, "tls:192.0.2.2:5061".parse()?];
//! let config = EndpointConfig::new("sip:bob@example.com".parse()?)
//!     .with_lookup("sip:fe1.example.com".parse()?, Arc::new(ByHosts::new(servers)));
//! # let _ = config;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use conference::{Lookup, LookupError};
use sip_core::resolve::{Destination, DomainName, LocateError, Locator};
use sip_core::{ListenAddr, TransportKind, Uri};

/// How long the system may take for one host.
const HOST_TIME: Duration = Duration::from_secs(5);

/// Addresses of one host that are used.
const ADDRESSES_MAX: usize = 8;

/// A server as people name it: `tcp:127.0.0.1:5060`, `tls:sip.example.com:5061`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// By its address.
    Address(ListenAddr),
    /// By the name of its host.
    Host {
        /// Over what.
        transport: TransportKind,
        /// The host.
        name: DomainName,
        /// The port.
        port: u16,
    },
}

/// A text that is no [`Server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// What stands before the first colon is not `udp`, `tcp` or `tls`.
    #[error("expected udp, tcp or tls before the first colon")]
    Transport,
    /// What stands behind it is neither an address nor the name of a host, or there is no port.
    #[error("expected an address or the name of a host, and a port, behind the transport")]
    Host,
}

impl Server {
    /// Over what it is reached.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        match self {
            Self::Address(addr) => addr.transport,
            Self::Host { transport, .. } => *transport,
        }
    }

    /// The name of its host, unless it is an address.
    #[must_use]
    pub fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Address(_) => None,
            Self::Host { name, .. } => Some(name),
        }
    }

    /// Its address, unless it is a name.
    #[must_use]
    pub fn address(&self) -> Option<ListenAddr> {
        match self {
            Self::Address(addr) => Some(*addr),
            Self::Host { .. } => None,
        }
    }

    async fn find(&self) -> Result<Vec<Destination>, LookupError> {
        let (transport, name, port) = match self {
            Self::Address(ListenAddr { transport, addr }) => {
                let identity = addr.ip().into();
                return Ok(vec![Destination { transport: *transport, addr: *addr, identity }]);
            }
            Self::Host { transport, name, port } => (*transport, name.as_str(), *port),
        };
        let identity: sip_core::PeerName = name.parse().map_err(|_| LocateError::Host)?;
        let asked = tokio::time::timeout(HOST_TIME, tokio::net::lookup_host((name, port))).await;
        let found = asked.map_err(|_| LookupError::TimedOut)??.take(ADDRESSES_MAX);
        Ok(found.map(|addr| Destination { transport, addr, identity: identity.clone() }).collect())
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(addr) = text.parse() {
            return Ok(Self::Address(addr));
        }
        let (transport, rest) = text.split_once(':').ok_or(ServerError::Transport)?;
        let transport = transport.parse().map_err(|_| ServerError::Transport)?;
        let (host, port) = rest.rsplit_once(':').ok_or(ServerError::Host)?;
        // A mistyped address is no name: no top level domain is a number.
        let number =
            host.rsplit('.').next().is_none_or(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        let name = DomainName::parse(host).ok().filter(|_| !number).ok_or(ServerError::Host)?;
        Ok(Self::Host { transport, name, port: port.parse().map_err(|_| ServerError::Host)? })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => addr.fmt(f),
            Self::Host { transport, name, port } => write!(f, "{transport}:{name}:{port}"),
        }
    }
}

/// The servers of a domain, as RFC 3263 finds them.
#[derive(Debug, Clone)]
pub struct ByDomain {
    locator: Locator,
}

impl ByDomain {
    /// Searches with `locator`.
    #[must_use]
    pub fn new(locator: Locator) -> Self {
        Self { locator }
    }
}

#[async_trait]
impl Lookup for ByDomain {
    async fn find(&self, uri: &Uri) -> Result<Vec<Destination>, LookupError> {
        Ok(self.locator.locate(uri).await?)
    }
}

/// A list of servers, in order of preference; names are looked up by the system.
#[derive(Debug, Clone)]
pub struct ByHosts {
    servers: Vec<Server>,
}

impl ByHosts {
    /// These servers, whatever the URI is that is asked for.
    #[must_use]
    pub fn new(servers: Vec<Server>) -> Self {
        Self { servers }
    }
}

#[async_trait]
impl Lookup for ByHosts {
    async fn find(&self, _uri: &Uri) -> Result<Vec<Destination>, LookupError> {
        let mut all = Vec::new();
        let mut failed = LookupError::System(io::ErrorKind::NotFound.into());
        for server in &self.servers {
            match server.find().await {
                Ok(found) => all.extend(found),
                Err(error) => {
                    tracing::debug!(%server, %error, "not found");
                    failed = error;
                }
            }
        }
        if all.is_empty() { Err(failed) } else { Ok(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cli.md: `TRANSPORT:HOST:PORT`, where the host is an address or a name.
    #[test]
    fn servers() {
        for text in ["tcp:127.0.0.1:5060", "tls:[::1]:5061", "tls:sip.example.com:5061", "udp:localhost:5060"]
        {
            let server: Server = text.parse().expect("a server");
            assert_eq!(server.to_string(), text);
            assert_eq!(server.name().is_some(), text.contains(['x', 'h']), "{text}");
        }
        for (text, error) in [
            ("", ServerError::Transport),
            ("sctp:a.example:1", ServerError::Transport),
            ("tcp:a.example", ServerError::Host),
            ("tcp::5060", ServerError::Host),
            ("tcp:a.example:", ServerError::Host),
            ("tcp:a.example:65536", ServerError::Host),
            ("tcp:127.0.0.256:5060", ServerError::Host),
            ("tcp:5060", ServerError::Host),
            ("tcp:a b:5060", ServerError::Host),
        ] {
            assert_eq!(text.parse::<Server>(), Err(error), "{text}");
        }
    }

    /// RFC 5922 section 4: the name that was asked for is the one to prove; an address proves itself. The order stays.
    #[test]
    fn hosts_of_the_system() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let found = runtime.block_on(async {
            let servers =
                ["tls:192.0.2.1:5061", "tls:localhost:5061"].map(|text| text.parse().expect("a server"));
            let uri = "sip:localhost".parse().expect("a URI");
            ByHosts::new(servers.to_vec()).find(&uri).await.expect("found")
        });
        assert_eq!(
            (found[0].to_string().as_str(), found[0].identity.to_string().as_str()),
            ("tls:192.0.2.1:5061", "192.0.2.1")
        );
        assert!(found.len() > 1);
        for destination in &found[1..] {
            assert!(destination.addr.ip().is_loopback() && destination.addr.port() == 5061);
            assert_eq!(destination.identity.to_string(), "localhost");
        }
    }
}
