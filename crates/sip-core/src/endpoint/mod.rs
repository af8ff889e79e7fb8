//! The endpoint: all transactions of one process part, over all its flows, without I/O.
//!
//! Inputs are [`TransportInput`]s, time, and the calls of the transaction user; outputs are [`Transmit`]s and
//! [`Event`]s. After each input or call drain both: first `poll_event`, whose handling may add transmits, then
//! `poll_transmit`; then wait until `poll_timeout`.
//!
//! # Invariants
//!
//! - Each client transaction ends in exactly one final [`Event::Response`] or [`Event::Failed`] (2xx to an INVITE may
//!   come again), unless it was abandoned.
//! - Each request but ACK and BENOTIFY gets a final response: from the user, or after
//!   [`EndpointConfig::answer_within`] from the endpoint.
//! - A message that is dropped has its count in [`Counters`].
//!
//! Not here: dialogs (the user maps them), routing decisions (the user gives a [`Target`]), sockets (the shell).

mod budget;
mod client;
mod config;
mod counters;
mod event;
mod finished;
mod flow;
mod flows;
mod keys;
mod peer;
mod reject;
mod server;
mod shed;
mod timers;
mod wire;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use budget::Rate;
pub use config::EndpointConfig;
pub use counters::Counters;
pub use event::{ClientTransactionId, Event, ServerTransactionId, TransactionError};
pub(crate) use flow::Remote;
pub use flow::{CloseReason, FlowId, FlowInfo, Target, Transmit, TransportInput, UnreachableReason};
pub use peer::{PeerIdentity, PeerName, PeerNameError, TlsFailure};

use crate::{IdSource, Message, Method, TransportKind};
use budget::Budgets;
use client::Client;
use finished::FinishedQueue;
use flows::Flows;
use keys::{ClientKey, Key, KeyMap, Keys};
use server::{Place, Server};
use timers::{Timers, Who};

/// Transactions under one sans-I/O core; see the module's text.
pub struct Endpoint {
    config: EndpointConfig,
    ids: Box<dyn IdSource>,
    flows: Flows,
    budgets: Budgets,
    clients: BTreeMap<u64, Client>,
    /// Those that are not finished.
    servers: BTreeMap<u64, Server>,
    finished: FinishedQueue,
    /// Number of the newest transaction, of either side.
    newest: u64,
    client_keys: HashMap<ClientKey, u64>,
    keys: Keys,
    server_keys: KeyMap<Place>,
    /// The server transactions of requests outside of dialogs; empty unless merged requests are refused.
    merge_keys: KeyMap<Key>,
    /// The INVITE server transaction whose final response waits for an ACK with this number in this dialog.
    ack_keys: KeyMap<u64>,
    timers: Timers,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    counters: Counters,
    /// How many inputs wait, as the shell says.
    backlog: usize,
    /// How long the input at hand has waited, as the shell says.
    waited: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("clients", &self.clients.len())
            .field("servers", &self.servers.len())
            .field("finished", &self.finished.len())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint without flows or transactions.
    ///
    /// - `ids`: where branches and tags come from; they have to be unguessable outside simulations.
    pub fn new(config: EndpointConfig, ids: Box<dyn IdSource>) -> Self {
        Self {
            config,
            ids,
            flows: Flows::default(),
            budgets: Budgets::default(),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            finished: FinishedQueue::default(),
            newest: 0,
            client_keys: HashMap::new(),
            keys: Keys::default(),
            server_keys: KeyMap::default(),
            merge_keys: KeyMap::default(),
            ack_keys: KeyMap::default(),
            timers: Timers::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            backlog: 0,
            waited: Duration::ZERO,
        }
    }

    /// Takes what the shell reports.
    pub fn handle(&mut self, input: TransportInput, now: Instant) {
        match input {
            TransportInput::Message { flow, message: Message::Request(request) } => {
                self.counters.requests_received += 1;
                let request = match self.flows.info(flow) {
                    Some(info) => request.with_received(info.remote),
                    None => request,
                };
                match request.method() {
                    Method::Ack => self.receive_ack(flow, request, now),
                    Method::Cancel => self.receive_cancel(flow, request, now),
                    Method::Benotify => self.events.push_back(Event::Oneway { flow, request }),
                    _ => self.receive_request(flow, request, now),
                }
            }
            TransportInput::Message { flow, message: Message::Response(response) } => {
                self.counters.responses_received += 1;
                self.receive_response(flow, response, now);
            }
            TransportInput::Malformed { flow, error, raw } => self.receive_malformed(flow, &error, &raw),
            TransportInput::Connected { flow, info } => {
                let remote = Remote::new(info.transport, info.remote);
                self.open_flow(flow, info, Some(remote.clone()), PeerIdentity::default(), now);
                self.flush_waiting(flow, &remote, now);
            }
            TransportInput::Accepted { flow, info } => {
                let remote = Remote::new(info.transport, info.remote);
                // Over TLS it proved nothing, its address neither.
                let remote = remote.name.is_none().then_some(remote);
                self.open_flow(flow, info, remote, PeerIdentity::default(), now);
            }
            TransportInput::Secured { flow, info, asked, peer } => {
                let remote = asked.map(|name| Remote::server(info.remote, name));
                self.open_flow(flow, info, remote.clone(), peer, now);
                if let Some(remote) = remote {
                    self.flush_waiting(flow, &remote, now);
                }
            }
            TransportInput::Closed { flow, reason } => self.flow_closed(flow, reason, now),
            TransportInput::Unreachable { transport, addr, reason } => {
                self.unreachable(&Remote::new(transport, addr), reason, now);
            }
            TransportInput::ServerUnreachable { addr, name, reason } => {
                self.unreachable(&Remote::server(addr, name), reason, now);
            }
            TransportInput::Ping { .. } => {}
            TransportInput::Pong { flow } => self.events.push_back(Event::Pong { flow }),
        }
        self.check_invariants();
    }

    /// Fires every timer due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(who) = self.timers.pop_due(now) {
            match who {
                Who::Client(id) => self.client_timeout(id, now),
                Who::Server(id) => self.server_timeout(id, now),
            }
        }
        self.end_finished(now);
        self.check_invariants();
    }

    /// Takes note of how many inputs wait: beyond [`EndpointConfig::max_backlog`] requests that would begin something new are
    /// refused, until fewer wait. What belongs to a dialog is served.
    pub fn handle_backlog(&mut self, waiting: usize) {
        self.backlog = waiting;
    }

    /// Takes note of how long the next input has waited: beyond [`EndpointConfig::max_wait`] it is refused like one beyond
    /// [`EndpointConfig::max_backlog`]. How many may wait says little where an application takes long for each.
    pub fn handle_wait(&mut self, waited: Duration) {
        self.waited = waited;
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.soonest(), self.finished.soonest()].into_iter().flatten().min()
    }

    /// The next thing to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A new unguessable token: a tag, a Call-ID.
    pub fn new_token(&mut self) -> String {
        self.ids.token()
    }

    /// The source of identifiers and random waits.
    pub fn ids(&mut self) -> &mut dyn IdSource {
        &mut *self.ids
    }

    /// The settings.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The number of client and server transactions, finished ones that linger included.
    pub fn transactions(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len() + self.finished.len())
    }

    /// The ends of an open flow.
    pub fn flow_info(&self, flow: FlowId) -> Option<FlowInfo> {
        self.flows.info(flow)
    }

    /// What the other end of an open flow proved by its certificate (mutual TLS, if it opened the flow).
    pub fn peer(&self, flow: FlowId) -> Option<&PeerIdentity> {
        self.flows.peer(flow)
    }

    /// The newest open flow to this address; over TLS one whose server proved the address itself.
    pub fn flow_to(&self, transport: TransportKind, addr: SocketAddr) -> Option<FlowId> {
        self.flows.to(&Remote::new(transport, addr))
    }

    /// The flow that a request to this target would be sent on, if it is open.
    pub fn flow_for(&self, target: &Target) -> Option<FlowId> {
        match target {
            Target::Flow(flow) => self.flows.info(*flow).map(|_| *flow),
            Target::Address { .. } | Target::Server { .. } => self.flows.to(&target.remote()?),
        }
    }

    /// Every open flow.
    pub fn flows(&self) -> impl Iterator<Item = (FlowId, FlowInfo)> {
        self.flows.iter()
    }

    /// Closes a flow once everything queued for it is sent; its end is reported like any other.
    pub fn close_flow(&mut self, flow: FlowId) {
        if self.flows.retire(flow) {
            self.transmits.push_back(Transmit {
                to: Target::Flow(flow),
                bytes: Bytes::new(),
                close_after: true,
            });
        }
    }

    /// Opens a flow to this address unless there is one; the outcome is an event (`FlowOpened`, `Unreachable`).
    pub fn connect(&mut self, transport: TransportKind, addr: SocketAddr) {
        self.connect_to(&Target::Address { transport, addr });
    }

    /// The same for any target; nothing for a flow, which is open or will never be.
    pub fn connect_to(&mut self, target: &Target) {
        if let Some(remote) = target.remote()
            && self.flows.to(&remote).is_none()
        {
            self.transmits.push_back(remote.open());
        }
    }

    /// Sends a keep-alive (RFC 5626 section 4.4.1); its answer is [`Event::Pong`].
    pub fn ping(&mut self, flow: FlowId) {
        if self.flows.info(flow).is_some() {
            self.transmits.push_back(Transmit::on_flow(flow, Bytes::from_static(b"\r\n\r\n")));
        }
    }

    fn next_id(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    fn open_flow(
        &mut self,
        flow: FlowId,
        info: FlowInfo,
        remote: Option<Remote>,
        peer: PeerIdentity,
        now: Instant,
    ) {
        if self.flows.open(flow, info, remote, peer) {
            self.budgets.open(flow, info.remote.ip(), now);
            self.events.push_back(Event::FlowOpened { flow, info });
        }
    }

    fn flow_closed(&mut self, flow: FlowId, reason: CloseReason, now: Instant) {
        let Some((info, clients)) = self.flows.close(flow) else {
            return;
        };
        self.budgets.close(flow, info.remote.ip(), now);
        self.events.push_back(Event::FlowClosed { flow, info, reason });
        for id in clients {
            self.fail_client(id, TransactionError::FlowClosed { reason }, now);
        }
    }

    fn unreachable(&mut self, remote: &Remote, reason: UnreachableReason, now: Instant) {
        let Remote { transport, addr, .. } = *remote;
        let (mut failed, all_fell_back) = self.fall_back(remote, reason, now);
        if all_fell_back {
            // Nobody asked for TCP: the address is tried over UDP now.
            return;
        }
        self.events.push_back(Event::Unreachable { transport, addr, reason });
        if transport == TransportKind::Udp {
            failed.extend(self.flows.clients_to(remote));
        }
        for id in failed {
            self.fail_client(id, TransactionError::Unreachable { transport, addr, reason }, now);
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.client_keys.len() == self.clients.len(), "a client transaction without its key");
        let servers = self.servers.len() + self.finished.len();
        debug_assert!(self.server_keys.len() == servers, "a server transaction without its key");
        debug_assert!(self.timers.len() <= self.clients.len() + self.servers.len(), "a timer without owner");
    }
}

#[cfg(test)]
mod tests;
