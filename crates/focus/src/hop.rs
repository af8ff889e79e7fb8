//! A hop: a record-routing proxy between clients and a pool, without any conference knowledge.
//!
//! Whatever comes up from a client goes to the next Route, else to the media server that the Request-URI names by
//! address, else to the configured next hops in their order. What comes down goes over the flow that the hop's own Route
//! names. All else (430, Record-Route, Path, CANCEL, limits) is [`crate::proxy`].
//!
//! # Invariants
//!
//! - Each request is forwarded or answered; the hop owns no dialog and keeps no state beyond transactions and flows.
//! - A client can make it connect only to hosts of the pool: those of its next hops, its own, and `relay_hosts`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip_core::{
    Endpoint, EndpointConfig, Event, IdSource, ListenAddr, Method, Request, ResponseDraft, Target, Transmit,
    TransportConfig, TransportInput, Uri,
};

use crate::proxy::{Incoming, Plan, Proxy, ProxyConfig, RecoveryAction, Routed, target_of};

/// What a hop is and may use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HopConfig {
    /// Its name, in reports and diagnostics.
    pub name: String,
    /// Where it listens; concrete addresses and ports.
    pub listen: Vec<ListenAddr>,
    /// Next hops towards the pool, in order of preference; at least one.
    pub next: Vec<ListenAddr>,
    /// Hosts besides those of `next` and `listen` that a Route or Request-URI may name by address (media servers).
    /// Requests for other addresses go to the next hops, which know the pool.
    pub relay_hosts: Vec<IpAddr>,
    /// Settings of its transactions.
    pub endpoint: EndpointConfig,
    /// Requests under way at one time.
    pub forwards_max: usize,
    /// How long a next hop may stay silent before the next one is tried.
    pub answer_limit: Duration,
    /// Its sockets: their limits, TLS, and who sees the messages.
    pub transport: TransportConfig,
}

impl HopConfig {
    /// A hop with the default limits.
    pub fn new(name: impl Into<String>, listen: Vec<ListenAddr>, next: Vec<ListenAddr>) -> Self {
        let name = name.into();
        let limits = ProxyConfig::new(Vec::new(), "");
        let endpoint = EndpointConfig::default().with_diagnostics_source(name.clone());
        Self {
            name,
            listen,
            next,
            relay_hosts: Vec::new(),
            endpoint,
            forwards_max: limits.forwards_max,
            answer_limit: limits.answer_limit,
            transport: TransportConfig::default(),
        }
    }

    fn proxy(&self) -> ProxyConfig {
        let mut proxy = ProxyConfig::new(self.listen.clone(), self.name.clone());
        proxy.forwards_max = self.forwards_max;
        proxy.answer_limit = self.answer_limit;
        proxy
    }
}

/// The hop's core. A shell feeds it and drains `poll_transmit` after each input; see the module's header.
#[derive(Debug)]
pub struct HopCore {
    config: HopConfig,
    endpoint: Endpoint,
    proxy: Proxy,
}

impl HopCore {
    /// A hop that knows no flow yet.
    pub fn new(config: HopConfig, ids: Box<dyn IdSource>) -> Self {
        debug_assert!(!config.listen.is_empty(), "a hop that nobody can reach");
        let endpoint = Endpoint::new(config.endpoint.clone(), ids);
        let proxy = Proxy::new(config.proxy());
        Self { config, endpoint, proxy }
    }

    /// Takes what came from the network.
    pub fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.drain_events(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.proxy.handle_timeout(&mut self.endpoint, now);
        self.drain_events(now);
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.endpoint.poll_timeout(), self.proxy.poll_timeout()].into_iter().flatten().min()
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// Requests under way, and INVITEs that are still remembered.
    pub fn forwards(&self) -> usize {
        self.proxy.forwards()
    }

    /// Its settings.
    pub fn config(&self) -> &HopConfig {
        &self.config
    }

    fn drain_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            if self.proxy.handle_event(&mut self.endpoint, &event, now) {
                continue;
            }
            match event {
                Event::Request { tx, flow, request } => {
                    self.on_request(Incoming { flow, tx: Some(tx), request: &request }, now);
                }
                Event::Oneway { flow, request } => {
                    self.on_request(Incoming { flow, tx: None, request: &request }, now);
                }
                Event::Rejected { status, reason, .. } => {
                    tracing::info!(status = status.unwrap_or_default(), reason, "message refused");
                }
                // Answers to requests that are over already, and connections that carried nothing of ours.
                _ => {}
            }
        }
    }

    fn on_request(&mut self, incoming: Incoming<'_>, now: Instant) {
        let request = incoming.request;
        if let Some(tx) = incoming.tx.filter(|_| self.is_for_us(request)) {
            let status = if *request.method() == Method::Options { 200 } else { 405 };
            let draft = ResponseDraft::to(request, status).header("Allow", "OPTIONS");
            return self.endpoint.respond(tx, draft, now);
        }
        match self.proxy.route(&self.endpoint, incoming.flow, request) {
            Routed::Down(plan) => self.proxy.forward(&mut self.endpoint, incoming, plan, now),
            Routed::Up { rest, .. } => {
                let plan =
                    Plan::up(self.targets_up(request, rest.first().map(|next| next.uri()))).routes(rest);
                self.proxy.forward(&mut self.endpoint, incoming, plan, now);
            }
            Routed::Lost(action) => self.refuse(incoming, action, now),
        }
    }

    fn refuse(&mut self, incoming: Incoming<'_>, action: RecoveryAction, now: Instant) {
        if let Some(tx) = incoming.tx {
            self.proxy.refuse(&mut self.endpoint, tx, incoming.request, action, now);
        }
    }

    /// Where a request from a client goes: one address that it names, or the next hops in order.
    fn targets_up(&self, request: &Request, next_route: Option<&Uri>) -> Vec<Target> {
        if let Some(next) = next_route {
            // What cannot be resolved here, or is no host of the pool, the next hops may know.
            let known = target_of(next).filter(|_| self.may_relay_to(next));
            return known.map_or_else(|| self.next_hops(), |target| vec![target]);
        }
        let uri = request.uri();
        match target_of(uri) {
            Some(target) if request.to().tag().is_some() && self.may_relay_to(uri) => vec![target],
            Some(_) | None => self.next_hops(),
        }
    }

    fn next_hops(&self) -> Vec<Target> {
        let target = |next: &ListenAddr| Target::Address { transport: next.transport, addr: next.addr };
        self.config.next.iter().map(target).collect()
    }

    fn may_relay_to(&self, uri: &Uri) -> bool {
        let Some(addr) = uri.sip_addr() else { return false };
        let known = self.config.next.iter().chain(&self.config.listen).map(|one| one.addr.ip());
        !self.proxy.is_own(uri)
            && known.chain(self.config.relay_hosts.iter().copied()).any(|ip| ip == addr.ip())
    }

    /// A keep-alive OPTIONS to the hop's own address, outside of any dialog.
    fn is_for_us(&self, request: &Request) -> bool {
        self.proxy.is_own(request.uri()) && request.uri().user().is_none() && request.route().is_empty()
    }
}
