//! Handshakes: of connections that we open, each in the task that opens it, and of accepted ones, counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;

use super::super::{TransportConfig, ends, tune};
use super::{Contexts, failure_of, names};
use crate::TransportKind;
use crate::endpoint::{FlowInfo, PeerIdentity, PeerName, TlsFailure, UnreachableReason};

/// A connection whose handshake is over, and what the other end proved in it.
#[derive(Debug)]
pub(in crate::transport) struct Opened {
    /// The stream in plain text.
    pub(in crate::transport) stream: Box<TlsStream<TcpStream>>,
    /// Its ends.
    pub(in crate::transport) info: FlowInfo,
    /// Who is at its other end.
    pub(in crate::transport) peer: PeerIdentity,
}

/// How the handshakes of accepted connections went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsStats {
    /// Under way now.
    pub under_way: usize,
    /// Over, with a flow.
    pub completed: u64,
    /// Over, without one.
    pub failed: u64,
    /// Given up because too many were under way.
    pub evicted: u64,
    /// Why the last one failed.
    pub last_failure: Option<TlsFailure>,
}

/// The handshakes of accepted connections that are under way, the oldest first.
#[derive(Debug, Default)]
pub(in crate::transport) struct Handshakes {
    under_way: BTreeMap<u64, (IpAddr, AbortHandle)>,
    newest: u64,
    stats: TlsStats,
}

impl Handshakes {
    /// The number of the next one.
    pub(in crate::transport) fn number(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    /// Notes one that began; if there are more than `limit`, gives up the oldest of the address that has most of them under
    /// way, and says whose it was.
    pub(in crate::transport) fn began(
        &mut self,
        number: u64,
        from: IpAddr,
        task: AbortHandle,
        limit: usize,
    ) -> Option<IpAddr> {
        self.under_way.insert(number, (from, task));
        if self.under_way.len() <= limit.max(1) {
            return None;
        }
        let number = self.oldest_of_busiest()?;
        let (whose, task) = self.under_way.remove(&number)?;
        task.abort();
        self.stats.evicted += 1;
        Some(whose)
    }

    fn oldest_of_busiest(&self) -> Option<u64> {
        let mut by_address: HashMap<IpAddr, (usize, Reverse<u64>)> = HashMap::new();
        for (number, (from, _)) in &self.under_way {
            by_address.entry(*from).or_insert((0, Reverse(*number))).0 += 1;
        }
        by_address.into_values().max().map(|(_, Reverse(oldest))| oldest)
    }

    /// Notes one that is over; `None` if it had been given up.
    pub(in crate::transport) fn over(&mut self, number: u64, failure: Option<TlsFailure>) -> Option<IpAddr> {
        let (whose, _) = self.under_way.remove(&number)?;
        match failure {
            None => self.stats.completed += 1,
            Some(_) => {
                self.stats.failed += 1;
                self.stats.last_failure = failure;
            }
        }
        Some(whose)
    }

    /// How many are under way.
    pub(in crate::transport) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// How they went so far.
    pub(in crate::transport) fn stats(&self) -> TlsStats {
        TlsStats { under_way: self.under_way.len(), ..self.stats }
    }
}

/// The handshake of a connection that we accepted.
pub(in crate::transport) async fn accept(
    stream: TcpStream,
    info: FlowInfo,
    contexts: Arc<Contexts>,
    limit: Duration,
) -> Result<Opened, TlsFailure> {
    let Some(acceptor) = &contexts.acceptor else {
        return Err(TlsFailure::NoCertificate);
    };
    let deadline = Instant::now() + limit;
    let stream = match timeout_at(deadline, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(failure_of(&error).unwrap_or(TlsFailure::Truncated)),
        Err(_) => return Err(TlsFailure::HandshakeTimeout),
    };
    let chain = stream.get_ref().1.peer_certificates();
    let peer = names::identity(chain, None, info.remote.ip(), contexts.constrained);
    Ok(Opened { stream: Box::new(TlsStream::Server(stream)), info, peer })
}

/// Opens a connection to a server that has to prove a name; everything within the connect timeout.
pub(in crate::transport) async fn connect(
    addr: SocketAddr,
    name: PeerName,
    contexts: Arc<Contexts>,
    config: &TransportConfig,
) -> Result<Opened, UnreachableReason> {
    let deadline = Instant::now() + config.connect_timeout;
    let stream = match timeout_at(deadline, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(error.kind().into()),
        Err(_) => return Err(UnreachableReason::TimedOut),
    };
    let info = match ends(&stream, TransportKind::Tls) {
        // The system may give a connecting socket the very port it connects to.
        Ok(found) if found.local == found.remote => return Err(UnreachableReason::Refused),
        Ok(found) => FlowInfo { remote: addr, ..found },
        Err(error) => return Err(error.kind().into()),
    };
    tune(&stream, config);
    let server = match (name.ip(), name.domain()) {
        (Some(ip), _) => ServerName::IpAddress(ip.into()),
        (None, domain) => ServerName::try_from(domain.unwrap_or_default().to_owned())
            .map_err(|_| UnreachableReason::Tls(TlsFailure::NameMismatch))?,
    };
    let stream = match timeout_at(deadline, contexts.connector.connect(server, stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(unreachable_by(&error)),
        Err(_) => return Err(UnreachableReason::Tls(TlsFailure::HandshakeTimeout)),
    };
    let chain = stream.get_ref().1.peer_certificates();
    let peer = names::identity(chain, Some(&name), addr.ip(), contexts.constrained);
    Ok(Opened { stream: Box::new(TlsStream::Client(stream)), info, peer })
}

fn unreachable_by(error: &io::Error) -> UnreachableReason {
    failure_of(error).map_or_else(|| error.kind().into(), UnreachableReason::Tls)
}
