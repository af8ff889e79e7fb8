//! What a search for destinations may use and may cost, how it can fail, and what it finds.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::TransportKind;
use crate::endpoint::{PeerName, Target};

/// Which addresses of a host are used, and which first.
///
/// The addresses of one host stay together: with two hosts of an SRV record, all addresses of the first come before those
/// of the second (RFC 7984 section 4.2). Within a family the order is that of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressFamilies {
    /// IPv6, then IPv4, as RFC 6724 prefers.
    #[default]
    Ipv6First,
    /// IPv4, then IPv6.
    Ipv4First,
    /// IPv4 alone.
    Ipv4Only,
    /// IPv6 alone.
    Ipv6Only,
}

/// What a [`Location`](super::Location) may use and may cost; start from [`LocateConfig::new`] and use `with_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocateConfig {
    /// The transports that we speak, in our order of preference: it counts where the domain states none of its own.
    pub transports: Vec<TransportKind>,
    /// Which addresses.
    pub families: AddressFamilies,
    /// Records read of one answer. Default 64.
    pub max_records: usize,
    /// Aliases (CNAME) followed for one question. Default 8.
    pub max_aliases: usize,
    /// Questions asked for one URI; further ones count as failed. Default 64.
    pub max_questions: usize,
    /// Hosts of SRV records whose addresses are looked up. Default 16.
    pub max_hosts: usize,
    /// Destinations found. Default 32.
    pub max_destinations: usize,
    /// How long it may take in all; what is known by then is the result. Default 10 s.
    pub time_limit: Duration,
    /// How long it waits for further addresses once it has one. Default 1 s.
    pub patience: Duration,
}

impl LocateConfig {
    /// The defaults for who speaks these transports; repeated ones count once.
    #[must_use]
    pub fn new(transports: &[TransportKind]) -> Self {
        let mut all = Vec::with_capacity(3);
        for transport in transports {
            if !all.contains(transport) {
                all.push(*transport);
            }
        }
        Self {
            transports: all,
            families: AddressFamilies::default(),
            max_records: 64,
            max_aliases: 8,
            max_questions: 64,
            max_hosts: 16,
            max_destinations: 32,
            time_limit: Duration::from_secs(10),
            patience: Duration::from_secs(1),
        }
    }

    /// With these addresses.
    #[must_use]
    pub fn with_families(mut self, families: AddressFamilies) -> Self {
        self.families = families;
        self
    }

    /// With this many records of one answer.
    #[must_use]
    pub fn with_max_records(mut self, max: usize) -> Self {
        self.max_records = max;
        self
    }

    /// With this many aliases.
    #[must_use]
    pub fn with_max_aliases(mut self, max: usize) -> Self {
        self.max_aliases = max;
        self
    }

    /// With this many questions.
    #[must_use]
    pub fn with_max_questions(mut self, max: usize) -> Self {
        self.max_questions = max;
        self
    }

    /// With this many hosts.
    #[must_use]
    pub fn with_max_hosts(mut self, max: usize) -> Self {
        self.max_hosts = max;
        self
    }

    /// With this many destinations.
    #[must_use]
    pub fn with_max_destinations(mut self, max: usize) -> Self {
        self.max_destinations = max;
        self
    }

    /// With this limit on the whole search.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// With this patience for further addresses.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Why a URI leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// Neither `sip` nor `sips`: a `tel` URI says who, not where.
    #[error("the scheme names no place")]
    Scheme,
    /// The host is no address and no domain name.
    #[error("the host is no domain name")]
    Host,
    /// The URI asks for a transport that we do not speak; `sips` over datagrams is one that nobody does.
    #[error("the transport is not spoken here")]
    Transport,
    /// The domain says that it does not offer the service (SRV with target `.`).
    #[error("the domain does not offer the service")]
    NotOffered,
    /// The DNS knows no address for it.
    #[error("no address is known for the host")]
    NoAddress,
    /// The DNS could not tell.
    #[error("the name servers could not tell")]
    Dns,
    /// The DNS did not answer in time.
    #[error("the name servers did not answer in time")]
    TimedOut,
}

impl LocateError {
    /// Whether the same search may find something later.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        match self {
            Self::Dns | Self::TimedOut => true,
            Self::Scheme | Self::Host | Self::Transport | Self::NotOffered | Self::NoAddress => false,
        }
    }
}

/// One place that a request can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Over what.
    pub transport: TransportKind,
    /// Where.
    pub addr: SocketAddr,
    /// Whom a certificate there has to name: the host of the URI, never a name that the DNS told (RFC 5922 section 4).
    pub identity: PeerName,
}

impl Destination {
    /// As the endpoint takes it: over TLS with the name to prove, unless that is the address.
    #[must_use]
    pub fn target(&self) -> Target {
        let Self { transport, addr, identity } = self;
        match transport {
            TransportKind::Tls if *identity != addr.ip().into() => {
                Target::Server { addr: *addr, name: identity.clone() }
            }
            TransportKind::Udp | TransportKind::Tcp | TransportKind::Tls => {
                Target::Address { transport: *transport, addr: *addr }
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.addr)
    }
}
