//! The front end's core: everything that a front end decides, without socket, clock, task or store.
//!
//! # Invariants
//!
//! - It acts for a conference only while it holds it by compare-and-set; a lost one is dropped with 481 or 503 (P1).
//! - Every request gets exactly one final answer, or waits here with a deadline.
//! - Nothing of a conference leaves before the write behind it is committed (P2).
//!
//! Not here: what a conference does (module `conference`), forwarding (module `proxy`).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use jiff::Timestamp;
use sip_core::{
    Capabilities, ClientTransactionId, Endpoint, EndpointConfig, Event, IdSource, ListenAddr, RequestDraft,
    ResponseDraft, Transmit, TransportInput, TransportKind,
};

use super::gate::Gate;
use super::nodes::Nodes;
use super::ownership::Slot;
use super::refusal::Refusal;
use super::silence::Silence;
use crate::conference::{Cx, Incoming, McuAnswer, McuOrder, Outcome, Sent};
use crate::config::FrontEndConfig;
use crate::factory;
use crate::proxy::{Proxy, ProxyConfig};
use crate::record::{ConferenceHead, Owner};
use crate::registrar::RegistrarConfig;
use crate::report::NodeReport;
use crate::store::{StoreError, StoreOp, StoreReply, StoreRequest};

/// What one of the front end's own requests was for.
#[derive(Debug)]
pub(super) enum Asked {
    /// A conference sent it.
    Conference { name: String, sent: Sent },
    /// An order to an MCU.
    Mcu { name: String, mcu: String, instance: String, order: McuOrder },
    /// A sign of life asked of a node.
    Heartbeat { node: String, number: u64 },
}

/// What one of the front end's store requests was for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The own beat was written.
    Beat,
    /// The own record, after a beat met another writer.
    OwnRecord,
    /// Everybody's records.
    Nodes,
    /// The head of a conference whose owner is asked for.
    Head { name: String },
    /// A conference was claimed.
    Claim { name: String, head: Box<ConferenceHead>, took_over: bool },
    /// The participants of a claimed conference.
    Members { name: String, head: Box<ConferenceHead>, revision: u64, took_over: bool },
    /// Changes of an owned conference.
    Write { name: String },
    /// The head, after a write met another writer.
    WriteConflict { name: String },
    /// The head, because the own lease is old.
    Verify { name: String, held: Box<super::ownership::Held> },
    /// The head, because the own lease had run out.
    Check { name: String },
    /// All bindings, to find those that ran out.
    Bindings,
    /// All heads, to find those that expired.
    Heads,
    /// What is left of an expired conference.
    Expired { name: String, revision: u64 },
    /// What is left of an ended conference: some have heard of the end.
    Told { name: String },
    /// All heads, to find those of the dead.
    Sweep,
    /// A conference was made.
    Created { incoming: Box<Incoming>, request: Box<c3p::command::Request>, head: Box<ConferenceHead> },
    /// A record to show.
    Shown { incoming: Box<Incoming>, request: Box<c3p::command::Request> },
    /// A binding was written.
    Bound { incoming: Box<Incoming>, answer: Box<ResponseDraft> },
    /// A binding, to send a request of ours.
    Way { draft: Box<RequestDraft>, asked: Option<Box<Asked>> },
    /// A binding, to forward a request.
    Through { incoming: Box<super::dispatch::Passing> },
    /// Nobody waits for it.
    Nothing,
}

/// See the module's description. A shell calls it in a loop:
///
/// 1. `handle_transport`, `handle_store_result` or `handle_timeout` with what came and the time;
/// 2. `poll_transmit`, `poll_store_request`, `poll_report` until each is empty;
/// 3. wait for the next input, or until `poll_timeout`.
#[derive(Debug)]
pub struct FrontEndCore {
    pub(super) config: FrontEndConfig,
    pub(super) registrar: RegistrarConfig,
    pub(super) endpoint: Endpoint,
    pub(super) proxy: Proxy,
    /// Connections whose clients have to be heard.
    pub(super) silence: Silence,
    /// What a request may require.
    pub(super) able: Capabilities,
    /// In a pool with users.
    pub(super) gate: Option<Gate>,
    pub(super) nodes: Nodes,
    pub(super) me: Owner,
    pub(super) pool: super::pool::PoolState,
    started: Instant,
    started_wall: Timestamp,
    pub(super) slots: BTreeMap<String, Slot>,
    wakes: BTreeSet<(Instant, String)>,
    wake_of: HashMap<String, Instant>,
    pub(super) asked: HashMap<ClientTransactionId, Asked>,
    wanted: HashMap<u64, Wanted>,
    next_store_id: u64,
    store_requests: VecDeque<StoreRequest>,
    /// The last answer of the store was that it cannot answer.
    store_down: bool,
    /// Store requests that failed, and when they are tried again.
    retries: VecDeque<(Instant, StoreOp, Wanted)>,
    pub(super) reports: VecDeque<NodeReport>,
    /// Conferences to take over, one after the other.
    pub(super) takeovers: VecDeque<String>,
    /// By conference that has ended: the keys of those who have heard of it.
    pub(super) told: BTreeMap<String, BTreeSet<String>>,
}

impl FrontEndCore {
    /// A front end that knows nobody yet. `wall` is the civil time at `now`.
    pub fn new(config: FrontEndConfig, mut ids: Box<dyn IdSource>, now: Instant, wall: Timestamp) -> Self {
        let incarnation = ids.token();
        let mut settings = EndpointConfig::default()
            .with_user_agent(concat!("Reconvene/", env!("CARGO_PKG_VERSION")))
            .with_diagnostics_source(config.name.clone());
        for listen in config.listen.iter().rev() {
            settings = settings.with_advertised(listen.transport, listen.addr);
        }
        let registrar = RegistrarConfig {
            expires_s: u32::try_from(config.timers.registration.as_secs()).unwrap_or(u32::MAX),
            ..RegistrarConfig::default()
        };
        let timers = &config.timers;
        let gate = config.users.as_ref().map(|users| {
            let realm = config.domain.clone().unwrap_or_else(|| config.name.clone());
            Gate::new(users.accounts.clone(), users.key.clone(), realm, &mut *ids, now)
        });
        Self {
            gate,
            registrar,
            silence: Silence::default(),
            able: Capabilities::default().with_option_tags(super::dispatch::KNOWN_OPTIONS),
            endpoint: Endpoint::new(settings, ids),
            proxy: Proxy::new(proxy_config(&config)),
            nodes: Nodes::new(&config.name, timers.lease, config.bounds.nodes_max),
            me: Owner { node: config.name.clone(), incarnation },
            pool: super::pool::PoolState::new(now),
            started: now,
            started_wall: wall,
            slots: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake_of: HashMap::new(),
            asked: HashMap::new(),
            wanted: HashMap::new(),
            next_store_id: 0,
            store_requests: VecDeque::new(),
            store_down: false,
            retries: VecDeque::new(),
            reports: VecDeque::new(),
            takeovers: VecDeque::new(),
            told: BTreeMap::new(),
            config,
        }
    }

    /// Takes what came from the network.
    pub fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.silence.note(&input, now);
        self.endpoint.handle(input, now);
        self.drain_events(now);
    }

    /// Takes the answer to one [`StoreRequest`].
    pub fn handle_store_result(&mut self, reply: StoreReply, now: Instant) {
        self.note_store(reply.result.as_ref().err());
        if let Some(wanted) = self.wanted.remove(&reply.id) {
            self.on_store(wanted, reply.result, now);
        }
        self.drain_events(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.proxy.handle_timeout(&mut self.endpoint, now);
        for flow in self.silence.take_silent(now) {
            tracing::debug!(?flow, "a client is silent: its connection is closed");
            self.endpoint.close_flow(flow);
        }
        self.pool_due(now);
        while self.retries.front().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, op, wanted)) = self.retries.pop_front() else { break };
            self.want(op, wanted);
        }
        while let Some((at, name)) = self.wakes.first().cloned() {
            if at > now {
                break;
            }
            self.set_wake(&name, None);
            self.slot_due(&name, now);
        }
        self.drain_events(now);
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let slots = self.wakes.first().map(|(at, _)| *at);
        let retry = self.retries.front().map(|(at, ..)| *at);
        [
            self.endpoint.poll_timeout(),
            self.proxy.poll_timeout(),
            Some(self.pool_timeout()),
            slots,
            retry,
            self.silence.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// The next request to the store; any number may be under way.
    pub fn poll_store_request(&mut self) -> Option<StoreRequest> {
        self.store_requests.pop_front()
    }

    /// The next line for the operator.
    pub fn poll_report(&mut self) -> Option<NodeReport> {
        self.reports.pop_front()
    }

    /// Its settings.
    pub fn config(&self) -> &FrontEndConfig {
        &self.config
    }

    /// Conferences that it owns now.
    pub fn conferences(&self) -> usize {
        self.slots.values().filter(|slot| matches!(slot, Slot::Owned(_))).count()
    }

    /// Civil time.
    pub(super) fn wall(&self, now: Instant) -> Timestamp {
        let since = now.saturating_duration_since(self.started);
        let since = jiff::SignedDuration::try_from(since).unwrap_or(jiff::SignedDuration::ZERO);
        self.started_wall.checked_add(since).unwrap_or(self.started_wall)
    }

    /// The address at which other nodes reach this one.
    pub(super) fn interior_address(&self) -> Option<ListenAddr> {
        let listen = &self.config.listen;
        listen.iter().find(|one| one.transport == TransportKind::Tcp).or(listen.first()).copied()
    }

    /// Asks the store.
    pub(super) fn want(&mut self, op: StoreOp, wanted: Wanted) {
        let id = self.next_store_id;
        self.next_store_id += 1;
        self.wanted.insert(id, wanted);
        self.store_requests.push_back(StoreRequest { id, op });
    }

    /// Asks the store again, after a moment: it could not answer.
    pub(super) fn want_later(&mut self, op: StoreOp, wanted: Wanted, now: Instant) {
        self.retries.push_back((now + self.config.timers.store_retry, op, wanted));
    }

    /// Whether the store has more to answer than it should.
    pub(super) fn store_is_behind(&self) -> bool {
        self.wanted.len() + self.retries.len() >= self.config.bounds.pending_max
    }

    /// Sets when a slot is due; `None`: not by itself.
    pub(super) fn set_wake(&mut self, name: &str, at: Option<Instant>) {
        if let Some(old) = self.wake_of.remove(name) {
            self.wakes.remove(&(old, name.to_owned()));
        }
        if let Some(at) = at {
            self.wake_of.insert(name.to_owned(), at);
            self.wakes.insert((at, name.to_owned()));
        }
    }

    /// Tells the operator when the store stops answering, and when it answers again.
    fn note_store(&mut self, error: Option<&StoreError>) {
        let down = error.filter(|error| **error != StoreError::Conflict);
        match (down, std::mem::replace(&mut self.store_down, down.is_some())) {
            (Some(error), false) => tracing::warn!(%error, "the store does not answer"),
            (None, true) => tracing::info!("the store answers again"),
            (Some(_), true) | (None, false) => {}
        }
    }

    /// Refuses a request with diagnostics.
    pub(super) fn refuse(&mut self, incoming: &Incoming, refusal: &Refusal, now: Instant) {
        let request = &incoming.request;
        let conference = c3p::uri::conference_id(request.uri().as_str()).unwrap_or("none");
        let method = request.method().as_str();
        let (status, id, reason) = (refusal.status, refusal.id, refusal.reason);
        tracing::info!(method, conference, status, id, reason, "refused");
        let response = refusal.response(&incoming.request, &self.config.name, self.endpoint.ids());
        self.endpoint.respond(incoming.tx, response, now);
    }

    /// Lets one owned conference do something, and carries out what it wants.
    pub(super) fn with_conference(
        &mut self,
        name: &str,
        now: Instant,
        work: impl FnOnce(&mut crate::conference::Conference, &mut Cx<'_>),
    ) {
        let wall = self.wall(now);
        let Some(Slot::Owned(conference)) = self.slots.get_mut(name) else { return };
        let mut cx = Cx { now, wall, ids: self.endpoint.ids(), config: &self.config, nodes: &self.nodes };
        work(conference, &mut cx);
        self.pump(name, now);
    }

    fn drain_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            if self.proxy.handle_event(&mut self.endpoint, &event, now) {
                for returned in self.proxy.take_returned() {
                    self.on_returned(returned, now);
                }
                continue;
            }
            self.on_event(event, now);
        }
        for returned in self.proxy.take_returned() {
            self.on_returned(returned, now);
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Request { tx, flow, request } => self.on_request(Incoming { tx, flow, request }, now),
            Event::Oneway { flow, request } => self.on_oneway(flow, &request, now),
            Event::Cancelled { tx } => self.on_cancelled(tx, now),
            Event::Response { tx, response, .. } if response.status() >= 200 => {
                self.on_outcome(tx, &Outcome::Response(response), now);
            }
            Event::Failed { tx, .. } => self.on_outcome(tx, &Outcome::Lost, now),
            Event::NoAck { tx } => {
                for name in self.owned() {
                    self.with_conference(&name, now, |conference, cx| conference.on_no_ack(tx, cx));
                }
            }
            Event::FlowClosed { flow, info, .. } => {
                self.nodes.flow_lost(info.remote, now);
                for name in self.owned() {
                    self.with_conference(&name, now, |conference, cx| conference.on_flow_closed(flow, cx));
                }
                self.heartbeats(now);
            }
            Event::Unreachable { addr, reason: sip_core::UnreachableReason::Refused, .. } => {
                let events = self.nodes.refused(addr);
                self.on_node_events(events, now);
            }
            Event::Rejected { status, reason, .. } => {
                tracing::info!(status = status.unwrap_or_default(), reason, "message refused");
            }
            _ => {}
        }
    }

    /// A request of ours ended.
    fn on_outcome(&mut self, tx: ClientTransactionId, outcome: &Outcome, now: Instant) {
        let Some(asked) = self.asked.remove(&tx) else { return };
        self.on_asked(asked, outcome, now);
    }

    /// As [`Self::on_outcome`], also for requests that were never sent.
    pub(super) fn on_asked(&mut self, asked: Asked, outcome: &Outcome, now: Instant) {
        match asked {
            Asked::Conference { name, sent: Sent::Over { person } } => {
                self.on_end_told(&name, &person, outcome);
            }
            Asked::Conference { name, sent } => {
                self.with_conference(&name, now, |conference, cx| conference.on_answer(sent, outcome, cx));
            }
            Asked::Mcu { name, mcu, instance, order } => {
                let answer = super::exec::mcu_answer(outcome);
                if let McuAnswer::Refused = answer {
                    let conference = self.id_of(&name);
                    tracing::info!(conference, %mcu, "an MCU refused an order");
                }
                self.with_conference(&name, now, |conference, cx| {
                    conference.on_mcu_answer(&mcu, &instance, order, answer, cx);
                });
            }
            Asked::Heartbeat { node, number } => {
                let answered = matches!(outcome, Outcome::Response(_));
                if !answered && self.nodes.waits_for(&node, number) {
                    self.drop_silent_flow(&node);
                }
                let event = self.nodes.heartbeat(&node, number, answered);
                self.on_node_events(event.into_iter().collect(), now);
            }
        }
    }

    /// A connection to a node that says nothing may be half open: the next request makes another one.
    pub(super) fn drop_silent_flow(&mut self, node: &str) {
        let address = self.nodes.get(node).and_then(|node| node.address);
        let flow = address.and_then(|address| self.endpoint.flow_to(address.transport, address.addr));
        if let Some(flow) = flow {
            self.endpoint.close_flow(flow);
        }
    }

    /// The id of an owned conference, for the log.
    fn id_of(&self, name: &str) -> &str {
        match self.slots.get(name) {
            Some(Slot::Owned(conference)) => &conference.head().id,
            Some(Slot::Settling(_)) | None => "none",
        }
    }

    /// Names of the owned conferences, in a fixed order.
    pub(super) fn owned(&self) -> Vec<String> {
        let owned = self.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Owned(_)));
        owned.map(|(name, _)| name.clone()).collect()
    }

    /// Reads an order to the Factory.
    pub(super) fn factory_order(
        &mut self,
        request: &c3p::command::Request,
        sender: &str,
        organizer: &str,
        now: Instant,
    ) -> Result<factory::Order, factory::Fault> {
        let wall = self.wall(now);
        let ids = self.endpoint.ids();
        factory::read(request, sender, organizer, &self.config, wall, || ids.token())
    }
}

/// How this front end forwards.
fn proxy_config(config: &FrontEndConfig) -> ProxyConfig {
    let mut proxy = ProxyConfig::new(config.listen.clone(), config.name.clone());
    // An owner that says nothing for so long is not going to: the request is back in time for the answer that it gets.
    proxy.answer_limit = config.timers.hold_request;
    proxy
}
