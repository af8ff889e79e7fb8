//! The forwarding core of a hop, and of a front end that acts as one (RFC 3261 section 16, transaction stateful).
//!
//! It works on an [`Endpoint`](sip_core::Endpoint) that its owner lends it: requests come in as transactions of that endpoint, go out as new
//! ones, and answers travel back with nothing changed but the top Via. What it adds for recovery:
//!
//! - Record-Route with a flow token on every dialog-creating request and every UPDATE and SUBSCRIBE, Path on REGISTER;
//! - next hops tried in order: an unreachable one costs one attempt, not the request;
//! - 430 with `P-Dialog-Recovery-Action` when the way of a dialog is gone (`protocol/recovery-on-the-wire.md` 4.7).
//!
//! # Invariants
//!
//! - Each forwarded request gets exactly one final answer (2xx of an INVITE may repeat).
//! - A 481 of the far end is never turned into 430, nor is any other answer changed.
//! - Towards clients it connects only to hosts that were on that side before: whatever a Route or a Request-URI names.
//! - A MESSAGE that may have arrived is never sent a second time and never answered 430.
//!
//! The owner hands over each event ([`Proxy::handle_event`] says whether it was one of ours), asks [`Proxy::route`]
//! which way a request runs, and calls [`Proxy::forward`] with a [`Plan`].

mod forward;
mod refusal;
mod routing;
mod token;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use sip_core::{ClientTransactionId, ListenAddr, ServerTransactionId};

pub use forward::{Incoming, Plan, Returned};
pub use refusal::RecoveryAction;
pub use routing::{Resolved, Routed, target_of};
pub use token::Direction;

use forward::Forward;
use token::{FlowTokens, KnownHosts};

/// What a forwarding element is and may use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// Addresses under which peers reach this element: they go into Record-Route and Path. The first one of the
    /// transport of the client's flow is used, else the first one. Concrete addresses and ports only.
    pub listen: Vec<ListenAddr>,
    /// `source` in the diagnostics that it writes.
    pub source: String,
    /// Requests under way at one time; further ones are answered 503.
    pub forwards_max: usize,
    /// How long the next element may say nothing, to an INVITE not even 100, before it counts as unreachable.
    pub answer_limit: Duration,
    /// How long an INVITE may stay without a final answer after a provisional one (RFC 3261 Timer C).
    pub ringing_limit: Duration,
    /// How long a finished INVITE is remembered, for its ACK and repeated 2xx.
    pub linger: Duration,
}

impl ProxyConfig {
    /// An element that listens there, with the limits of `protocol/recovery-on-the-wire.md` 4.7 and 6.
    pub fn new(listen: Vec<ListenAddr>, source: impl Into<String>) -> ProxyConfig {
        ProxyConfig {
            listen,
            source: source.into(),
            forwards_max: 20_000,
            answer_limit: Duration::from_secs(10),
            ringing_limit: Duration::from_secs(180),
            linger: Duration::from_secs(32),
        }
    }
}

/// What the ACK of a 2xx has in common with it: Call-ID, To tag, CSeq number. (There are clients that use one Call-ID
/// and one From tag twice.)
type AckKey = (String, String, u32);

/// One forwarded request, for the life of this process.
type ForwardId = u64;

/// The forwarding core. See the module's header.
#[derive(Debug)]
pub struct Proxy {
    config: ProxyConfig,
    tokens: FlowTokens,
    hosts: KnownHosts,
    next_id: ForwardId,
    forwards: BTreeMap<ForwardId, Forward>,
    by_client: HashMap<ClientTransactionId, ForwardId>,
    by_server: HashMap<ServerTransactionId, ForwardId>,
    /// Answered INVITEs: their ACK goes where the INVITE went.
    acks: HashMap<AckKey, ForwardId>,
    timers: BTreeSet<(Instant, ForwardId)>,
    returned: Vec<Returned>,
}

impl Proxy {
    /// A core that forwards nothing yet.
    pub fn new(config: ProxyConfig) -> Proxy {
        Proxy {
            config,
            tokens: FlowTokens::default(),
            hosts: KnownHosts::default(),
            next_id: 0,
            forwards: BTreeMap::new(),
            by_client: HashMap::new(),
            by_server: HashMap::new(),
            acks: HashMap::new(),
            timers: BTreeSet::new(),
            returned: Vec::new(),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &ProxyConfig {
        &self.config
    }

    /// Requests under way, and INVITEs that are still remembered.
    pub fn forwards(&self) -> usize {
        self.forwards.len()
    }

    /// When [`Proxy::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn check_invariants(&self) {
        debug_assert!(self.by_server.len() <= self.forwards.len());
        debug_assert!(self.by_client.len() <= self.forwards.len());
        debug_assert!(self.acks.len() <= self.forwards.len());
        debug_assert!(self.timers.iter().all(|(_, id)| self.forwards.contains_key(id)));
    }
}
