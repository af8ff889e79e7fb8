//! The simulated network: hosts, connections, datagrams and their faults, under one clock and one seed. No I/O.
//!
//! Bytes really travel: each stream is cut by a [`StreamFramer`](sip_core::StreamFramer), each datagram is read by
//! `Message::parse`, so a peer sees what the wire carries and nothing else.
//!
//! # Invariants
//!
//! - One step handles one thing that is due; the run is decided by the seed and the calls alone.
//! - A stream keeps its order. A datagram may be lost, doubled or overtaken.
//! - What was on its way to a host that died does not reach its next life.
//!
//! # Model
//!
//! A connect takes one round trip; it is refused by a dead host or a missing listener, and times out after
//! [`NetworkConfig::connect_timeout`] where nobody answers. Across a cut, streams stall and go on when it is mended; after
//! [`NetworkConfig::dead_peer_after`] without acknowledgement the sender's end is closed.

mod host;
mod node;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::{
    CloseReason, FlowId, IdSource, Limits, Message, SeededIds, Target, Transmit, TransportInput,
    TransportKind, UnreachableReason,
};

pub use host::Listener;
use host::{End, Host};
pub use node::{Node, Remark};

use crate::clock::Clock;
use crate::journal::{HostId, Journal, Packet, What};

/// The most steps without time moving: more is a loop that would never end.
const STEPS_PER_MOMENT_MAX: u32 = 20_000;

/// How the network behaves.
#[derive(Debug, Clone, Copy)]
pub struct NetworkConfig {
    /// What every message takes at least.
    pub latency: Duration,
    /// What it takes on top, at most.
    pub jitter: Duration,
    /// Of a hundred datagrams, how many are lost.
    pub loss_percent: u64,
    /// Of a hundred datagrams, how many come twice.
    pub duplicate_percent: u64,
    /// Whether stream segments are torn in two at a random place.
    pub tear: bool,
    /// How long a connect waits for a silent host.
    pub connect_timeout: Duration,
    /// After how long a stream without acknowledgement is closed.
    pub dead_peer_after: Duration,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        NetworkConfig {
            latency: Duration::from_millis(5),
            jitter: Duration::ZERO,
            loss_percent: 0,
            duplicate_percent: 0,
            tear: false,
            connect_timeout: Duration::from_secs(4),
            dead_peer_after: Duration::from_secs(20),
        }
    }
}

/// How a host dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The process is killed: its system closes the connections and refuses new ones.
    Killed,
    /// The machine is gone: nothing says so.
    Vanished,
}

struct Connection {
    hosts: [HostId; 2],
    open: [bool; 2],
    /// When the last segment to each side arrives: later ones do not overtake it.
    arrives: [Instant; 2],
    /// What a cut holds back from each side.
    held: [Vec<Due>; 2],
}

enum Due {
    Input { host: HostId, life: u32, input: TransportInput },
    Knock { from: HostId, life: u32, local: SocketAddr, remote: SocketAddr },
    Opened { from: HostId, life: u32, connection: u64, local: SocketAddr, remote: SocketAddr },
    Segment { connection: u64, side: usize, packet: Option<Arc<Packet>>, bytes: Bytes },
    Closed { connection: u64, side: usize, reason: CloseReason },
    DeadPeer { connection: u64, side: usize },
    Datagram { packet: Arc<Packet>, from: SocketAddr, to: SocketAddr },
}

/// One simulated network and everything on it.
pub struct Simulation {
    clock: Clock,
    dice: SeededIds,
    config: NetworkConfig,
    hosts: Vec<Host>,
    vanished: BTreeSet<HostId>,
    connections: BTreeMap<u64, Connection>,
    cuts: BTreeSet<(HostId, HostId)>,
    queue: BTreeMap<(Instant, u64), Due>,
    number: u64,
    step: u64,
    still: u32,
    journal: Journal,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("elapsed", &self.clock.elapsed())
            .field("step", &self.step)
            .field("hosts", &self.hosts.len())
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// An empty network whose chances are decided by `seed`.
    #[must_use]
    pub fn new(seed: u64, config: NetworkConfig) -> Self {
        Simulation {
            clock: Clock::new(),
            dice: SeededIds::new(seed ^ 0x6e65_7477_6f72_6b21),
            config,
            hosts: Vec::new(),
            vanished: BTreeSet::new(),
            connections: BTreeMap::new(),
            cuts: BTreeSet::new(),
            queue: BTreeMap::new(),
            number: 0,
            step: 0,
            still: 0,
            journal: Journal::default(),
        }
    }

    // ---- hosts ----

    /// Adds a host; the first is 10.0.0.1, the next 10.0.0.2, and so on.
    pub fn add_host(&mut self, name: &str, node: Box<dyn Node>) -> HostId {
        let id = HostId(self.hosts.len());
        let last = u8::try_from(id.0 + 1).unwrap_or(u8::MAX);
        self.hosts.push(Host::new(name, Ipv4Addr::new(10, 0, 0, last), node));
        id
    }

    /// Has a host listen on a TCP port.
    pub fn listen_tcp(&mut self, host: HostId, port: u16, listener: Listener) {
        self.hosts[host.0].tcp.insert(port, listener);
    }

    /// Has a host listen on a UDP port.
    pub fn listen_udp(&mut self, host: HostId, port: u16) {
        self.hosts[host.0].udp.insert(port);
    }

    /// The address of a port of a host.
    #[must_use]
    pub fn addr(&self, host: HostId, port: u16) -> SocketAddr {
        self.hosts[host.0].addr(port)
    }

    /// The name of a host.
    #[must_use]
    pub fn name(&self, host: HostId) -> &str {
        &self.hosts[host.0].name
    }

    /// The names of all hosts, by number.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.clone()).collect()
    }

    /// Whether the host runs.
    #[must_use]
    pub fn is_alive(&self, host: HostId) -> bool {
        self.hosts[host.0].node.is_some()
    }

    /// The node of a host, to look at.
    ///
    /// # Panics
    ///
    /// The host is dead or runs another kind of node.
    #[must_use]
    pub fn node<T: Node>(&self, host: HostId) -> &T {
        let node = self.hosts[host.0].node.as_deref().expect("the host is alive");
        (node as &dyn Any).downcast_ref().expect("the host runs this kind of node")
    }

    /// Does something with a node, then lets it send what it has: one step.
    ///
    /// # Panics
    ///
    /// The host is dead or runs another kind of node.
    pub fn act<T: Node, R>(&mut self, host: HostId, act: impl FnOnce(&mut T, Instant) -> R) -> R {
        self.step += 1;
        let now = self.clock.now();
        let node = self.hosts[host.0].node.as_deref_mut().expect("the host is alive");
        let node = (node as &mut dyn Any).downcast_mut().expect("the host runs this kind of node");
        let result = act(node, now);
        self.flush(host);
        result
    }

    // ---- time ----

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The number of the present step.
    #[must_use]
    pub fn step_number(&self) -> u64 {
        self.step
    }

    /// What happened so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Writes a remark of the test into the journal.
    pub fn note_fault(&mut self, text: impl Into<String>) {
        self.record(What::Fault(text.into()));
    }

    /// Does the next thing that is due by `until`; `false` if there is none, and time is `until` then.
    pub fn step_until(&mut self, until: Instant) -> bool {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timer = self.soonest_timer();
        let next = [queued, timer.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(at) = next.filter(|at| *at <= until) else {
            self.clock.advance_to(until);
            self.still = 0;
            return false;
        };
        self.still = if at > self.clock.now() { 0 } else { self.still + 1 };
        assert!(self.still < STEPS_PER_MOMENT_MAX, "time stands still at step {}", self.step);
        self.clock.advance_to(at);
        self.step += 1;
        match (queued, timer) {
            (Some(queued), _) if queued <= at => {
                if let Some((_, due)) = self.queue.pop_first() {
                    self.handle(due);
                }
            }
            (_, Some((_, host))) => self.fire(host),
            (_, None) => {}
        }
        true
    }

    /// Runs for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.clock.now() + span;
        while self.step_until(until) {}
    }

    /// Runs until `done` holds; `false` if it does not within `limit`.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let until = self.clock.now() + limit;
        while !done(self) {
            if !self.step_until(until) {
                return done(self);
            }
        }
        true
    }

    // ---- faults ----

    /// Kills a host. Its node is dropped with everything in its memory.
    pub fn kill(&mut self, host: HostId, death: Death) {
        if self.hosts[host.0].node.take().is_none() {
            return;
        }
        self.note_fault(format!(
            "{} {}",
            self.hosts[host.0].name,
            if death == Death::Killed { "killed" } else { "vanished" }
        ));
        let state = &mut self.hosts[host.0];
        state.life += 1;
        state.ends.clear();
        state.backlog.clear();
        state.paused = false;
        if death == Death::Vanished {
            self.vanished.insert(host);
        }
        let latency = self.latency();
        for (number, connection) in &mut self.connections {
            for side in 0..2 {
                if connection.hosts[side] == host && connection.open[side] {
                    connection.open[side] = false;
                    if death == Death::Killed {
                        let at = connection.arrives[1 - side].max(self.clock.now() + latency);
                        let reason = CloseReason::Io(ErrorKind::ConnectionReset);
                        let due = Due::Closed { connection: *number, side: 1 - side, reason };
                        self.number += 1;
                        self.queue.insert((at, self.number), due);
                    }
                }
            }
        }
    }

    /// Starts a dead host again with a new node; its listeners are as before.
    pub fn restart(&mut self, host: HostId, node: Box<dyn Node>) {
        self.note_fault(format!("{} restarted", self.hosts[host.0].name));
        self.vanished.remove(&host);
        self.hosts[host.0].node = Some(node);
    }

    /// Stops a process (what arrives waits), or lets it go on.
    pub fn pause(&mut self, host: HostId, paused: bool) {
        self.note_fault(format!("{} {}", self.hosts[host.0].name, if paused { "paused" } else { "goes on" }));
        self.hosts[host.0].paused = paused;
        if !paused {
            while let Some(input) = self.hosts[host.0].backlog.pop_front() {
                self.input(host, input);
            }
        }
    }

    /// Cuts the way between two hosts, or mends it.
    pub fn cut(&mut self, a: HostId, b: HostId, cut: bool) {
        let text = if cut { "cut off from" } else { "joined to" };
        self.note_fault(format!("{} {text} {}", self.hosts[a.0].name, self.hosts[b.0].name));
        let pair = (a.min(b), a.max(b));
        if cut {
            self.cuts.insert(pair);
            return;
        }
        self.cuts.remove(&pair);
        let released: Vec<Due> = self
            .connections
            .values_mut()
            .filter(|connection| {
                (connection.hosts[0].min(connection.hosts[1]), connection.hosts[0].max(connection.hosts[1]))
                    == pair
            })
            .flat_map(|connection| connection.held.iter_mut().flat_map(std::mem::take).collect::<Vec<_>>())
            .collect();
        let at = self.clock.now() + self.config.latency;
        released.into_iter().for_each(|due| self.at(at, due));
    }

    /// Resets every connection between two hosts.
    pub fn reset(&mut self, a: HostId, b: HostId) {
        self.note_fault(format!(
            "connections between {} and {} reset",
            self.hosts[a.0].name, self.hosts[b.0].name
        ));
        let of_pair: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.hosts == [a, b] || connection.hosts == [b, a])
            .map(|(number, _)| *number)
            .collect();
        for connection in of_pair {
            for side in 0..2 {
                let reason = CloseReason::Io(ErrorKind::ConnectionReset);
                self.at(self.clock.now(), Due::Closed { connection, side, reason });
            }
        }
    }

    /// Changes what a listener does from now on.
    pub fn set_listener(&mut self, host: HostId, port: u16, listener: Listener) {
        self.note_fault(format!("{}:{port} {listener:?}", self.hosts[host.0].name));
        self.listen_tcp(host, port, listener);
    }

    /// Changes loss and duplication of datagrams from now on.
    pub fn set_loss(&mut self, loss_percent: u64, duplicate_percent: u64) {
        self.note_fault(format!("loss {loss_percent} %, duplicates {duplicate_percent} %"));
        self.config.loss_percent = loss_percent;
        self.config.duplicate_percent = duplicate_percent;
    }

    // ---- inside ----

    fn record(&mut self, what: What) {
        self.journal.push(self.clock.elapsed(), self.step, what);
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.number += 1;
        self.queue.insert((at, self.number), due);
    }

    fn latency(&mut self) -> Duration {
        let span = u64::try_from(self.config.jitter.as_micros()).unwrap_or(0);
        self.config.latency + Duration::from_micros(self.dice.below(span + 1))
    }

    fn is_cut(&self, a: HostId, b: HostId) -> bool {
        self.cuts.contains(&(a.min(b), a.max(b)))
    }

    fn host_at(&self, ip: IpAddr) -> Option<HostId> {
        self.hosts.iter().position(|host| IpAddr::V4(host.ip) == ip).map(HostId)
    }

    fn soonest_timer(&self) -> Option<(Instant, HostId)> {
        let of = |(index, host): (usize, &Host)| {
            let node = host.node.as_ref().filter(|_| !host.paused)?;
            node.poll_timeout().map(|at| (at.max(self.clock.now()), HostId(index)))
        };
        self.hosts.iter().enumerate().filter_map(of).min()
    }

    fn fire(&mut self, host: HostId) {
        let now = self.clock.now();
        if let Some(node) = &mut self.hosts[host.0].node {
            node.handle_timeout(now);
        }
        self.flush(host);
    }

    fn input(&mut self, host: HostId, input: TransportInput) {
        if self.hosts[host.0].paused {
            self.hosts[host.0].backlog.push_back(input);
            return;
        }
        let now = self.clock.now();
        if let Some(node) = &mut self.hosts[host.0].node {
            node.handle_transport(input, now);
        }
        self.flush(host);
    }

    /// Takes everything that a node has to say.
    fn flush(&mut self, host: HostId) {
        loop {
            let Some(node) = &mut self.hosts[host.0].node else { return };
            if let Some(remark) = node.poll_remark() {
                self.record(remark.at(host));
            } else if let Some(transmit) = node.poll_transmit() {
                self.transmit(host, transmit);
            } else {
                return;
            }
        }
    }

    fn transmit(&mut self, host: HostId, transmit: Transmit) {
        match transmit.to {
            Target::Address { transport, addr } => self.connect(host, transport, addr),
            Target::Server { addr, name } => {
                // Nobody has certificates here.
                let reason = UnreachableReason::Unsupported;
                self.input(host, TransportInput::ServerUnreachable { addr, name, reason });
            }
            Target::Flow(flow) => self.send(host, flow, transmit.bytes, transmit.close_after),
        }
    }

    fn connect(&mut self, host: HostId, transport: TransportKind, remote: SocketAddr) {
        let life = self.hosts[host.0].life;
        match transport {
            TransportKind::Udp => {
                let port = self.hosts[host.0].udp_port();
                let local = self.hosts[host.0].addr(port);
                let known = self.hosts[host.0].datagram_flow(local, remote);
                let flow = known.unwrap_or_else(|| self.hosts[host.0].open_datagram(local, remote).0);
                let info = sip_core::FlowInfo { remote, local, transport };
                let input = TransportInput::Connected { flow, info };
                self.at(self.clock.now(), Due::Input { host, life, input });
            }
            TransportKind::Tcp => {
                let port = self.hosts[host.0].new_port();
                let local = self.hosts[host.0].addr(port);
                let at = self.clock.now() + self.latency();
                self.at(at, Due::Knock { from: host, life, local, remote });
            }
            TransportKind::Tls => {
                let reason = UnreachableReason::Unsupported;
                let input = TransportInput::Unreachable { transport, addr: remote, reason };
                self.at(self.clock.now(), Due::Input { host, life, input });
            }
        }
    }

    fn send(&mut self, host: HostId, flow: FlowId, bytes: Bytes, close_after: bool) {
        match self.hosts[host.0].ends.get(&flow) {
            Some(End::Stream { connection, side, .. }) => {
                let (connection, side) = (*connection, *side);
                self.send_stream(host, connection, 1 - side, bytes, close_after);
            }
            Some(End::Datagram { info }) => {
                let (from, to) = (info.local, info.remote);
                self.send_datagram(host, from, to, bytes);
            }
            None => {}
        }
    }

    fn packet(
        &mut self,
        from: HostId,
        to: Option<HostId>,
        transport: TransportKind,
        bytes: Bytes,
    ) -> Arc<Packet> {
        self.number += 1;
        let packet = Arc::new(Packet { number: self.number, from, to, transport, bytes });
        self.record(What::Sent(Arc::clone(&packet)));
        packet
    }

    fn send_stream(
        &mut self,
        host: HostId,
        connection: u64,
        to_side: usize,
        bytes: Bytes,
        close_after: bool,
    ) {
        let Some(to) = self.connections.get(&connection).map(|connection| connection.hosts[to_side]) else {
            return;
        };
        let latency = self.latency();
        let now = self.clock.now();
        let Some(state) = self.connections.get_mut(&connection) else { return };
        let at = state.arrives[to_side].max(now + latency);
        state.arrives[to_side] = at;
        if !bytes.is_empty() {
            // An empty line is a keep-alive, which nobody wants to read about.
            let noisy = bytes.len() <= 4;
            let packet = (!noisy).then(|| self.packet(host, Some(to), TransportKind::Tcp, bytes.clone()));
            self.at(at, Due::Segment { connection, side: to_side, packet, bytes });
        }
        if close_after {
            self.at(at, Due::Closed { connection, side: to_side, reason: CloseReason::Remote });
            self.at(now, Due::Closed { connection, side: 1 - to_side, reason: CloseReason::Local });
        }
    }

    fn send_datagram(&mut self, host: HostId, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        let receiver = self.host_at(to.ip());
        let packet = self.packet(host, receiver, TransportKind::Udp, bytes);
        let copies = 1 + usize::from(self.dice.below(100) < self.config.duplicate_percent);
        for _ in 0..copies {
            let lost = self.dice.below(100) < self.config.loss_percent
                || receiver.is_none_or(|receiver| self.is_cut(host, receiver));
            if lost {
                self.record(What::Lost(Arc::clone(&packet)));
            } else {
                let at = self.clock.now() + self.latency();
                self.at(at, Due::Datagram { packet: Arc::clone(&packet), from, to });
            }
        }
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Input { host, life, input } => {
                if self.hosts[host.0].life == life {
                    self.input(host, input);
                }
            }
            Due::Knock { from, life, local, remote } => self.knock(from, life, local, remote),
            Due::Opened { from, life, connection, local, remote } => {
                self.opened(from, life, connection, local, remote);
            }
            Due::Segment { connection, side, packet, bytes } => self.segment(connection, side, packet, bytes),
            Due::Closed { connection, side, reason } => self.closed(connection, side, reason),
            Due::DeadPeer { connection, side } => self.dead_peer(connection, side),
            Due::Datagram { packet, from, to } => self.datagram(packet, from, to),
        }
    }

    /// A connection is asked for at its listener.
    fn knock(&mut self, from: HostId, life: u32, local: SocketAddr, remote: SocketAddr) {
        let fails =
            |reason| TransportInput::Unreachable { transport: TransportKind::Tcp, addr: remote, reason };
        let to = self.host_at(remote.ip());
        let silent = to.is_none_or(|to| self.vanished.contains(&to) || self.is_cut(from, to));
        let listener = to.map_or(Listener::Refuses, |to| {
            let host = &self.hosts[to.0];
            let known = host.tcp.get(&remote.port()).copied().unwrap_or(Listener::Refuses);
            if host.node.is_some() { known } else { Listener::Refuses }
        });
        let back = self.clock.now() + self.latency();
        match (listener, to) {
            (Listener::Accepts, Some(to)) if !silent => {
                self.number += 1;
                let connection = self.number;
                let arrives = [back, self.clock.now()];
                let state = Connection {
                    hosts: [from, to],
                    open: [true, true],
                    arrives,
                    held: [Vec::new(), Vec::new()],
                };
                self.connections.insert(connection, state);
                let (flow, info) = self.hosts[to.0].open_stream(connection, 1, remote, local);
                self.at(back, Due::Opened { from, life, connection, local, remote });
                self.input(to, TransportInput::Accepted { flow, info });
            }
            (Listener::Refuses, _) if !silent => {
                self.at(back, Due::Input { host: from, life, input: fails(UnreachableReason::Refused) });
            }
            (Listener::Accepts | Listener::Refuses | Listener::Silent, _) => {
                let at = self.clock.now() + self.config.connect_timeout;
                self.at(at, Due::Input { host: from, life, input: fails(UnreachableReason::TimedOut) });
            }
        }
    }

    fn opened(&mut self, from: HostId, life: u32, connection: u64, local: SocketAddr, remote: SocketAddr) {
        if self.hosts[from.0].life != life {
            return;
        }
        let (flow, info) = self.hosts[from.0].open_stream(connection, 0, local, remote);
        self.input(from, TransportInput::Connected { flow, info });
        // Reset while the answer to the knock was on its way.
        if !self.connections.get(&connection).is_some_and(|connection| connection.open[0]) {
            self.hosts[from.0].ends.remove(&flow);
            let reason = CloseReason::Io(ErrorKind::ConnectionReset);
            self.input(from, TransportInput::Closed { flow, reason });
        }
    }

    fn segment(&mut self, number: u64, side: usize, packet: Option<Arc<Packet>>, bytes: Bytes) {
        let Some(connection) = self.connections.get(&number) else { return };
        let (from, to) = (connection.hosts[1 - side], connection.hosts[side]);
        let lost = packet.clone();
        if !connection.open[side] {
            lost.into_iter().for_each(|packet| self.record(What::Lost(packet)));
            let at = self.clock.now() + self.config.latency;
            if self.vanished.contains(&to) {
                let at = self.clock.now() + self.config.dead_peer_after;
                return self.at(at, Due::DeadPeer { connection: number, side: 1 - side });
            }
            let reason = CloseReason::Io(ErrorKind::ConnectionReset);
            return self.at(at, Due::Closed { connection: number, side: 1 - side, reason });
        }
        if self.is_cut(from, to) {
            let first = connection.held[side].is_empty();
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.held[side].push(Due::Segment { connection: number, side, packet, bytes });
            }
            if first {
                let at = self.clock.now() + self.config.dead_peer_after;
                self.at(at, Due::DeadPeer { connection: number, side: 1 - side });
            }
            return;
        }
        let Some(flow) = self.hosts[to.0].stream_flow(number) else { return };
        packet.into_iter().for_each(|packet| self.record(What::Delivered(packet)));
        let len = u64::try_from(bytes.len()).unwrap_or(0);
        let split = if self.config.tear { self.dice.below(len + 1) } else { len };
        let inputs = self.hosts[to.0].receive(flow, &bytes, usize::try_from(split).unwrap_or(0));
        for input in inputs {
            if let TransportInput::Ping { .. } = input {
                // The shell answers keep-alives, not the core.
                self.send(to, flow, Bytes::from_static(b"\r\n"), false);
            }
            self.input(to, input);
        }
    }

    fn closed(&mut self, number: u64, side: usize, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let host = connection.hosts[side];
        let was_open = std::mem::replace(&mut connection.open[side], false);
        let held = std::mem::take(&mut connection.held[side]);
        if connection.open == [false, false] {
            self.connections.remove(&number);
        }
        for due in held {
            if let Due::Segment { packet: Some(packet), .. } = due {
                self.record(What::Lost(packet));
            }
        }
        if let Some(flow) = self.hosts[host.0].stream_flow(number)
            && was_open
        {
            self.hosts[host.0].ends.remove(&flow);
            self.input(host, TransportInput::Closed { flow, reason });
        }
    }

    /// What this side sent was not acknowledged for too long.
    fn dead_peer(&mut self, number: u64, side: usize) {
        let Some(connection) = self.connections.get(&number) else { return };
        let gone = self.vanished.contains(&connection.hosts[1 - side]);
        if gone || !connection.held[1 - side].is_empty() {
            self.closed(number, side, CloseReason::Io(ErrorKind::TimedOut));
        }
    }

    fn datagram(&mut self, packet: Arc<Packet>, from: SocketAddr, to: SocketAddr) {
        let Some(host) = packet.to.filter(|host| {
            let state = &self.hosts[host.0];
            state.node.is_some() && state.udp.contains(&to.port())
        }) else {
            return self.record(What::Lost(packet));
        };
        let bytes = packet.bytes.clone();
        self.record(What::Delivered(packet));
        let flow = match self.hosts[host.0].datagram_flow(to, from) {
            Some(flow) => flow,
            None => {
                let (flow, info) = self.hosts[host.0].open_datagram(to, from);
                self.input(host, TransportInput::Accepted { flow, info });
                flow
            }
        };
        if bytes.len() <= 4 {
            return;
        }
        let input = match Message::parse(bytes.clone(), &Limits::default()) {
            Ok(message) => TransportInput::Message { flow, message },
            Err(error) => TransportInput::Malformed { flow, error, raw: bytes },
        };
        self.input(host, input);
    }
}
