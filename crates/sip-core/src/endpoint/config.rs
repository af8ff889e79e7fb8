//! The settings of an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::budget::Rate;
use crate::TransportKind;
use crate::refuse::Capabilities;
use crate::transaction::Timing;

/// Settings of an [`Endpoint`](super::Endpoint); start from the default and use `with_*`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// T1, T2 and T4.
    pub timing: Timing,
    /// Text of `User-Agent` and `Server`; empty for none.
    pub user_agent: String,
    /// The `source` of the `ms-diagnostics` the endpoint writes itself; a host name.
    pub diagnostics_source: String,
    /// Addresses that requests name in Via instead of the flow's own, at most one per transport.
    pub advertised: Vec<(TransportKind, SocketAddr)>,
    /// How long an INVITE may stay without final response after its first provisional one.
    pub invite_total: Duration,
    /// How long the transaction user may leave a request without final response; then 500 is sent for it.
    pub answer_within: Duration,
    /// Transactions of each side, client and server, at the same time; without those that are finished here and wait for
    /// retransmissions. Beyond: 503 and `Overloaded`.
    pub max_transactions: usize,
    /// Server transactions that are finished and wait for retransmissions only (timers J and L). Beyond: the oldest ends early,
    /// and a retransmission of its request is a new request.
    pub max_finished: usize,
    /// Inputs that may wait ([`Endpoint::handle_backlog`](super::Endpoint::handle_backlog)) before requests outside of dialogs
    /// are refused.
    pub max_backlog: usize,
    /// How long an input may have waited ([`Endpoint::handle_wait`](super::Endpoint::handle_wait)) before it is refused if it is
    /// a request outside of dialogs. Half of T1 by default: what waits longer is soon sent again.
    pub max_wait: Duration,
    /// Requests outside of dialogs that one flow may bring. The default is what one core can serve at all; where strangers come
    /// from, set it to what a client needs.
    pub flow_rate: Rate,
    /// The same for all flows from one IP address.
    pub address_rate: Rate,
    /// Requests outside of dialogs of one flow that may wait for their final response.
    pub max_pending_per_flow: usize,
    /// The same for all flows from one IP address.
    pub max_pending_per_address: usize,
    /// Requests without transaction that wait for one address to be connected.
    pub max_waiting_oneway: usize,
    /// `Retry-After` of the 503 above, in seconds.
    pub retry_after_s: u32,
    /// The largest request, in bytes, that goes to an address over UDP; a larger one goes over TCP, and back to UDP if TCP is
    /// refused there (RFC 3261 section 18.1.1). 1,300 where the path MTU is unknown, else 200 less than that.
    pub udp_request_limit: usize,
    /// What the transaction user can do: the endpoint refuses other requests by itself ([`Capabilities::check`]). `None` when
    /// the user looks for itself, as one has to that forwards requests.
    pub capabilities: Option<Arc<Capabilities>>,
    /// Whether a request that also came on another way, and is being served, gets 482 (RFC 3261 section 8.2.2.2). Not for who
    /// forwards: a request may come to a proxy twice.
    pub refuse_merged: bool,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            user_agent: String::new(),
            diagnostics_source: "localhost".to_owned(),
            advertised: Vec::new(),
            invite_total: Duration::from_secs(190),
            answer_within: Duration::from_secs(300),
            max_transactions: 50_000,
            max_finished: 200_000,
            max_backlog: 1_024,
            max_wait: Duration::from_millis(250),
            flow_rate: Rate::per_second(50_000),
            address_rate: Rate::per_second(50_000),
            max_pending_per_flow: 20_000,
            max_pending_per_address: 40_000,
            max_waiting_oneway: 1_000,
            retry_after_s: 10,
            udp_request_limit: 1_300,
            capabilities: None,
            refuse_merged: false,
        }
    }
}

impl EndpointConfig {
    /// With these transaction timings.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// With this `User-Agent` and `Server` text.
    #[must_use]
    pub fn with_user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// With this `source` in the diagnostics written by the endpoint.
    #[must_use]
    pub fn with_diagnostics_source(mut self, host: impl Into<String>) -> Self {
        self.diagnostics_source = host.into();
        self
    }

    /// With this address in the Via of requests over `transport`.
    #[must_use]
    pub fn with_advertised(mut self, transport: TransportKind, addr: SocketAddr) -> Self {
        self.advertised.retain(|(known, _)| *known != transport);
        self.advertised.push((transport, addr));
        self
    }

    /// With this limit on an INVITE that rings.
    #[must_use]
    pub fn with_invite_total(mut self, limit: Duration) -> Self {
        self.invite_total = limit;
        self
    }

    /// With this limit on the transaction user's time to answer.
    #[must_use]
    pub fn with_answer_within(mut self, limit: Duration) -> Self {
        self.answer_within = limit;
        self
    }

    /// With this limit on transactions.
    #[must_use]
    pub fn with_max_transactions(mut self, limit: usize) -> Self {
        self.max_transactions = limit;
        self
    }

    /// With this many inputs that may wait.
    #[must_use]
    pub fn with_max_backlog(mut self, limit: usize) -> Self {
        self.max_backlog = limit;
        self
    }

    /// With this time that an input may wait.
    #[must_use]
    pub fn with_max_wait(mut self, limit: Duration) -> Self {
        self.max_wait = limit;
        self
    }

    /// With this rate of requests outside of dialogs for each flow.
    #[must_use]
    pub fn with_flow_rate(mut self, rate: Rate) -> Self {
        self.flow_rate = rate;
        self
    }

    /// With this rate of requests outside of dialogs for each IP address.
    #[must_use]
    pub fn with_address_rate(mut self, rate: Rate) -> Self {
        self.address_rate = rate;
        self
    }

    /// With these limits on requests outside of dialogs that wait for their final response, of one flow and of one IP address.
    #[must_use]
    pub fn with_max_pending(mut self, per_flow: usize, per_address: usize) -> Self {
        self.max_pending_per_flow = per_flow;
        self.max_pending_per_address = per_address;
        self
    }

    /// With this limit on finished server transactions.
    #[must_use]
    pub fn with_max_finished(mut self, limit: usize) -> Self {
        self.max_finished = limit;
        self
    }

    /// With this limit on requests over UDP, in bytes.
    #[must_use]
    pub fn with_udp_request_limit(mut self, bytes: usize) -> Self {
        self.udp_request_limit = bytes;
        self
    }

    /// Refusing what this says cannot be served.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = Some(Arc::new(capabilities));
        self
    }

    /// Refusing requests that came on another way already.
    #[must_use]
    pub fn with_merged_refused(mut self) -> Self {
        self.refuse_merged = true;
        self
    }
}
