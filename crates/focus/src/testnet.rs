//! A network for tests: cores joined by flows in memory, under a clock that only the test moves.
//!
//! Connections behave like TCP: refused where nobody listens, reset when a node dies. A muted node takes bytes and says
//! nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::{
    CloseReason, Core, Endpoint, EndpointConfig, Event, FlowId, FlowInfo, Limits, ListenAddr, Message,
    Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, SeededIds, ServerTransactionId, Target,
    Transmit, TransportInput, TransportKind, UnreachableReason, Uri,
};

use crate::store::{MemoryStore, StoreReply, StoreRequest};

/// A node of the network.
pub(crate) trait Node: Core {
    /// For access from the test.
    fn any(&mut self) -> &mut dyn std::any::Any;

    /// Of a core that uses the store.
    fn store_request(&mut self) -> Option<StoreRequest> {
        None
    }

    /// Of a core that uses the store.
    fn store_reply(&mut self, _reply: StoreReply, _now: Instant) {}
}

impl Node for crate::hop::HopCore {
    fn any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

impl Node for crate::mcu::McuCore {
    fn any(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn store_request(&mut self) -> Option<StoreRequest> {
        self.poll_store_request()
    }

    fn store_reply(&mut self, reply: StoreReply, now: Instant) {
        self.handle_store_result(reply, now);
    }
}

/// The address of a port on the one host.
pub(crate) fn tcp(port: u16) -> ListenAddr {
    ListenAddr::new(TransportKind::Tcp, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// See the file's header.
pub(crate) struct Net {
    pub(crate) now: Instant,
    nodes: BTreeMap<u16, Box<dyn Node>>,
    /// (node, its flow) to the other end.
    links: BTreeMap<(u16, FlowId), (u16, FlowId)>,
    remotes: BTreeMap<(u16, FlowId), SocketAddr>,
    muted: BTreeSet<u16>,
    /// What a muted node will find when it goes on.
    backlog: BTreeMap<u16, Vec<TransportInput>>,
    next_flow: u64,
    /// The clock of the shared store moves by its replies only.
    pub(crate) store: MemoryStore,
    /// Of the pool, if it is not an open one.
    pub(crate) users: Option<crate::config::PoolUsers>,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::now(),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            remotes: BTreeMap::new(),
            muted: BTreeSet::new(),
            backlog: BTreeMap::new(),
            next_flow: 0,
            store: MemoryStore::default(),
            users: None,
        }
    }

    /// Puts a node on a port.
    pub(crate) fn add(&mut self, port: u16, node: impl Node + 'static) {
        self.nodes.insert(port, Box::new(node));
        self.settle();
    }

    /// Kills a node: its connections are reset, its port refuses.
    pub(crate) fn kill(&mut self, port: u16) {
        self.nodes.remove(&port);
        let flows: Vec<_> = self.links.keys().filter(|(node, _)| *node == port).copied().collect();
        for end in flows {
            self.cut(end);
        }
        self.settle();
    }

    /// A muted node swallows what it gets, and its timers stand still.
    pub(crate) fn mute(&mut self, port: u16) {
        self.muted.insert(port);
    }

    /// Lets a muted node go on, with all that came meanwhile.
    pub(crate) fn unmute(&mut self, port: u16) {
        self.muted.remove(&port);
        for input in self.backlog.remove(&port).unwrap_or_default() {
            self.input(port, input);
        }
        self.settle();
    }

    /// Cuts all connections of a node; it lives.
    pub(crate) fn reset(&mut self, port: u16) {
        let flows: Vec<_> = self.links.keys().filter(|(node, _)| *node == port).copied().collect();
        for end in flows {
            self.input(end.0, TransportInput::Closed { flow: end.1, reason: CloseReason::Remote });
            self.cut(end);
        }
        self.settle();
    }

    fn cut(&mut self, end: (u16, FlowId)) {
        if let Some(other) = self.links.remove(&end) {
            self.links.remove(&other);
            self.input(other.0, TransportInput::Closed { flow: other.1, reason: CloseReason::Remote });
        }
    }

    pub(crate) fn node<N: 'static>(&mut self, port: u16) -> &mut N {
        let node = self.nodes.get_mut(&port).expect("a node on this port");
        node.any().downcast_mut().expect("of this kind")
    }

    pub(crate) fn peer(&mut self, port: u16) -> &mut Peer {
        self.node(port)
    }

    /// Lets everything that is under way arrive.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let ports: Vec<u16> = self.nodes.keys().copied().collect();
            let mut quiet = true;
            for port in ports {
                if self.muted.contains(&port) {
                    continue;
                }
                while let Some(transmit) = self.nodes.get_mut(&port).and_then(|node| node.poll_transmit()) {
                    quiet = false;
                    self.transmit(port, transmit);
                }
                while let Some(request) = self.nodes.get_mut(&port).and_then(|node| node.store_request()) {
                    quiet = false;
                    let reply = ready(crate::store::execute(&self.store, request));
                    let now = self.now;
                    self.nodes.get_mut(&port).expect("a node").store_reply(reply, now);
                }
            }
            if quiet {
                return;
            }
        }
        panic!("the network does not come to rest");
    }

    /// Moves the clock from deadline to deadline.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            self.settle();
            let live = self.nodes.iter().filter(|(port, _)| !self.muted.contains(port));
            let next = live.filter_map(|(_, node)| node.poll_timeout()).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = next.max(self.now);
            let now = self.now;
            for (port, node) in &mut self.nodes {
                if !self.muted.contains(port) && node.poll_timeout().is_some_and(|at| at <= now) {
                    node.handle_timeout(now);
                }
            }
        }
        self.now = end;
        self.settle();
    }

    fn transmit(&mut self, from: u16, transmit: Transmit) {
        match transmit.to {
            // Nothing to send: it is closed below.
            Target::Flow(_) if transmit.bytes.is_empty() => {}
            Target::Flow(flow) => self.deliver((from, flow), transmit.bytes),
            Target::Address { addr, .. } | Target::Server { addr, .. } => {
                let known = self.remotes.iter().find(|((node, flow), remote)| {
                    *node == from && **remote == addr && self.links.contains_key(&(*node, *flow))
                });
                let end = known.map(|(end, _)| *end).or_else(|| self.connect(from, addr));
                if let Some(end) = end.filter(|_| !transmit.bytes.is_empty()) {
                    self.deliver(end, transmit.bytes);
                }
            }
        }
        if let Target::Flow(flow) = transmit.to
            && transmit.close_after
        {
            self.input(from, TransportInput::Closed { flow, reason: CloseReason::Local });
            self.cut((from, flow));
        }
    }

    fn connect(&mut self, from: u16, addr: SocketAddr) -> Option<(u16, FlowId)> {
        let to = addr.port();
        if !self.nodes.contains_key(&to) {
            let reason = UnreachableReason::Refused;
            let transport = TransportKind::Tcp;
            self.input(from, TransportInput::Unreachable { transport, addr, reason });
            return None;
        }
        self.next_flow += 2;
        let (near, far) = (FlowId::new(self.next_flow), FlowId::new(self.next_flow + 1));
        let ephemeral =
            SocketAddr::from(([127, 0, 0, 1], 20_000 + u16::try_from(self.next_flow).expect("few flows")));
        self.links.insert((from, near), (to, far));
        self.links.insert((to, far), (from, near));
        self.remotes.insert((from, near), addr);
        let transport = TransportKind::Tcp;
        let info = FlowInfo { remote: ephemeral, local: addr, transport };
        self.input(to, TransportInput::Accepted { flow: far, info });
        let info = FlowInfo { remote: addr, local: ephemeral, transport };
        self.input(from, TransportInput::Connected { flow: near, info });
        Some((from, near))
    }

    fn deliver(&mut self, end: (u16, FlowId), bytes: Bytes) {
        let Some((to, flow)) = self.links.get(&end).copied() else {
            // It was cut while its owner was muted: now it hears of it.
            return self.input(end.0, TransportInput::Closed { flow: end.1, reason: CloseReason::Remote });
        };
        let message = Message::parse(bytes.clone(), &Limits::default());
        let message = message.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)));
        self.input(to, TransportInput::Message { flow, message });
    }

    fn input(&mut self, to: u16, input: TransportInput) {
        if self.muted.contains(&to) {
            return self.backlog.entry(to).or_default().push(input);
        }
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&to) {
            node.handle_transport(input, now);
        }
    }
}

/// Polls a future that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// A SIP element that a test plays by hand: what came is kept, and what is not asked for gets no answer.
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    /// Requests that wait for an answer, with the flow they came on.
    pub(crate) requests: VecDeque<(ServerTransactionId, FlowId, Request)>,
    pub(crate) oneways: VecDeque<(FlowId, Request)>,
    pub(crate) responses: VecDeque<(FlowId, Response)>,
    pub(crate) failures: usize,
    pub(crate) cancelled: VecDeque<ServerTransactionId>,
    /// Answers every request with this status at once.
    pub(crate) auto: Option<u16>,
}

impl Peer {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            endpoint: Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed))),
            requests: VecDeque::new(),
            oneways: VecDeque::new(),
            responses: VecDeque::new(),
            failures: 0,
            cancelled: VecDeque::new(),
            auto: None,
        }
    }

    pub(crate) fn auto(seed: u64, status: u16) -> Self {
        Self { auto: Some(status), ..Self::new(seed) }
    }

    /// The only response so far.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let (_, response) = self.responses.pop_front().expect("a response");
        assert!(self.responses.is_empty(), "one response, then {:?}", self.responses);
        response
    }

    /// The only request so far.
    #[track_caller]
    pub(crate) fn request(&mut self) -> (ServerTransactionId, FlowId, Request) {
        let request = self.requests.pop_front().expect("a request");
        assert!(self.requests.is_empty(), "one request, then {:?}", self.requests);
        request
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, flow, request } => match self.auto {
                    Some(status) => {
                        self.endpoint.respond(tx, ResponseDraft::to(&request, status), now);
                        self.requests.push_back((tx, flow, request));
                    }
                    None => self.requests.push_back((tx, flow, request)),
                },
                Event::Oneway { flow, request } => self.oneways.push_back((flow, request)),
                Event::Response { flow, response, .. } => self.responses.push_back((flow, response)),
                Event::Failed { .. } => self.failures += 1,
                Event::Cancelled { tx } => self.cancelled.push_back(tx),
                _ => {}
            }
        }
    }
}

impl Core for Peer {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        // Failures without a transmission (a closed flow) are events only.
        let transmit = self.endpoint.poll_transmit();
        if transmit.is_none() {
            self.drain(Instant::now());
        }
        transmit.or_else(|| self.endpoint.poll_transmit())
    }
}

impl Node for Peer {
    fn any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

/// A URI that is one.
pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

/// A request out of any dialog.
pub(crate) fn request(method: Method, to: &str, from: &str, call_id: &str) -> RequestDraft {
    RequestDraft::new(method, uri(to))
        .from(NameAddr::new(uri(from)).with_tag(&format!("tag-of-{call_id}")))
        .to(NameAddr::new(uri(to)))
        .call_id(call_id.to_owned())
        .cseq(1)
        .header("Contact", format!("<{from};gruu;opaque=user:epid:1>"))
        .header("Supported", "ms-dialog-route-set-update, timer")
}

impl Net {
    /// Sends a request from one node to the listener of another.
    pub(crate) fn send(&mut self, from: u16, to: u16, draft: RequestDraft) {
        let now = self.now;
        let to = tcp(to);
        let target = Target::Address { transport: to.transport, addr: to.addr };
        self.peer(from).endpoint.send_request(draft, target, now);
        self.settle();
    }

    /// Sends a request that is not answered.
    pub(crate) fn send_oneway(&mut self, from: u16, to: u16, draft: RequestDraft) {
        let now = self.now;
        let to = tcp(to);
        let target = Target::Address { transport: to.transport, addr: to.addr };
        self.peer(from).endpoint.send_oneway(draft, target, now);
        self.settle();
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, node: u16, tx: ServerTransactionId, draft: ResponseDraft) {
        let now = self.now;
        self.peer(node).endpoint.respond(tx, draft, now);
        self.settle();
    }
}
