//! Nodes, each an endpoint with its usages, and the datagrams between them: lost, doubled, delayed as told, from a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::usage::{Cause, Refused, SubscriptionCause};
use sip_core::{
    Endpoint, EndpointConfig, FlowId, FlowInfo, IdSource, InviteEvent, InviteId, Limits, Message, Method,
    NameAddr, Payload, Request, RequestDraft, SeededIds, ServerTransactionId, SubscriptionEvent,
    SubscriptionId, Target, TransportInput, TransportKind, Uri, UsageConfig, UsageEvent, Usages,
};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;
/// Requests to this address go to B and C.
pub(crate) const FORK: &str = "192.0.2.99:5060";

pub(crate) fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn sdp() -> Payload {
    Payload::sdp("v=0\r\n")
}

pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    pub(crate) usages: Usages,
    addr: SocketAddr,
    flows: BTreeMap<FlowId, SocketAddr>,
    /// Events that no test has looked at.
    events: Vec<UsageEvent>,
}

type Loss = Box<dyn FnMut(&str) -> bool>;

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) nodes: Vec<Node>,
    wire: BTreeMap<(Instant, u64), (usize, SocketAddr, Bytes)>,
    sent: u64,
    newest_flow: u64,
    log: Vec<String>,
    pub(crate) dice: SeededIds,
    /// Which messages are lost, by their line in the log.
    lose: Option<Loss>,
    /// In per cent.
    pub(crate) loss: u64,
    /// In per cent.
    pub(crate) duplication: u64,
    /// In ms, at most.
    pub(crate) delay: u64,
}

pub(crate) fn addr(node: usize) -> SocketAddr {
    format!("192.0.2.{}:5060", node + 1).parse().unwrap()
}

pub(crate) fn uri(node: usize) -> Uri {
    Uri::parse(&format!("sip:{}@{}", ["a", "b", "c"][node], addr(node))).unwrap()
}

fn config(node: usize) -> UsageConfig {
    UsageConfig::new(NameAddr::new(uri(node))).with_packages(["presence", "dialog"])
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_, config| config)
    }

    /// With settings changed for a node.
    pub(crate) fn with(seed: u64, change: impl Fn(usize, UsageConfig) -> UsageConfig) -> Self {
        let start = Instant::now() + secs(100_000);
        let nodes = (0..3).map(|n| Node {
            endpoint: Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed * 3 + n as u64))),
            usages: Usages::new(change(n, config(n))),
            addr: addr(n),
            flows: BTreeMap::new(),
            events: Vec::new(),
        });
        Self {
            now: start,
            start,
            nodes: nodes.collect(),
            wire: BTreeMap::new(),
            sent: 0,
            newest_flow: 0,
            log: Vec::new(),
            dice: SeededIds::new(seed ^ 0xd1ce),
            lose: None,
            loss: 0,
            duplication: 0,
            delay: 0,
        }
    }

    /// From now on these messages are lost: those whose line in the log has one of the words.
    pub(crate) fn lose(&mut self, words: &'static [&'static str]) {
        self.lose = Some(Box::new(move |line| words.iter().any(|word| line.contains(word))));
    }

    /// The next message whose line has the word is lost.
    pub(crate) fn lose_next(&mut self, word: &'static str) {
        let mut left = 1;
        self.lose = Some(Box::new(move |line| {
            let hit = left > 0 && line.contains(word);
            left -= i32::from(hit);
            hit
        }));
    }

    pub(crate) fn lose_nothing(&mut self) {
        self.lose = None;
    }

    /// Does something at a node, and moves what follows from it.
    pub(crate) fn on<T>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut Usages, &mut Endpoint, Instant) -> T,
    ) -> T {
        let Node { endpoint, usages, .. } = &mut self.nodes[node];
        let done = act(usages, endpoint, self.now);
        self.drain();
        done
    }

    /// The same, and nothing moves so far.
    pub(crate) fn quietly<T>(
        &mut self,
        node: usize,
        act: impl FnOnce(&mut Usages, &mut Endpoint, Instant) -> T,
    ) -> T {
        let Node { endpoint, usages, .. } = &mut self.nodes[node];
        act(usages, endpoint, self.now)
    }

    pub(crate) fn draft(method: Method, to: Uri) -> RequestDraft {
        RequestDraft::new(method, to.clone()).from(NameAddr::new(uri(A))).to(NameAddr::new(to))
    }

    pub(crate) fn to(to: SocketAddr) -> Target {
        Target::Address { transport: TransportKind::Udp, addr: to }
    }

    /// A calls B, with an offer.
    pub(crate) fn call(&mut self) -> InviteId {
        self.invite(addr(B), sdp())
    }

    pub(crate) fn invite(&mut self, to: SocketAddr, offer: Payload) -> InviteId {
        let mut draft = Self::draft(Method::Invite, uri(B));
        if offer != Payload::none() {
            draft = draft.body("application/sdp", "v=0\r\n");
        }
        self.on(A, |usages, ep, now| usages.invite(draft, Self::to(to), ep, now).unwrap())
    }

    /// A call from A to B that both know to stand: its names at A and B.
    pub(crate) fn stands(&mut self) -> (InviteId, InviteId) {
        let a = self.call();
        let b = self.incoming(B);
        self.on(B, |usages, ep, now| usages.accept(b, sdp(), ep, now).unwrap());
        self.settle();
        assert_eq!(self.told(A), ["established"]);
        assert_eq!(self.told(B), ["incoming", "confirmed"]);
        self.wire();
        (a, b)
    }

    /// The newest INVITE that came to a node.
    pub(crate) fn incoming(&mut self, node: usize) -> InviteId {
        self.settle();
        let ids = self.nodes[node].events.iter().rev().filter_map(|event| match event {
            UsageEvent::Invite(InviteEvent::Incoming { id, .. }) => Some(*id),
            _ => None,
        });
        ids.into_iter().next().expect("an INVITE has come")
    }

    pub(crate) fn find<T>(&self, node: usize, pick: impl Fn(&UsageEvent) -> Option<T>) -> T {
        self.nodes[node].events.iter().rev().find_map(pick).expect("it was told")
    }

    /// The newest request that a node has to answer.
    pub(crate) fn asked(&self, node: usize) -> ServerTransactionId {
        self.find(node, |event| match event {
            UsageEvent::Invite(
                InviteEvent::Reinvited { tx, .. }
                | InviteEvent::Request { tx, .. }
                | InviteEvent::Updated { tx: Some(tx), .. }
                | InviteEvent::Pracked { tx: Some(tx), .. },
            ) => Some(*tx),
            _ => None,
        })
    }

    pub(crate) fn subscriber(&self, node: usize) -> SubscriptionId {
        self.find(node, |event| match event {
            UsageEvent::Subscription(SubscriptionEvent::Incoming { id, .. }) => Some(*id),
            _ => None,
        })
    }

    pub(crate) fn events(&mut self, node: usize) -> Vec<UsageEvent> {
        std::mem::take(&mut self.nodes[node].events)
    }

    /// What a node was told, in short.
    pub(crate) fn told(&mut self, node: usize) -> Vec<String> {
        self.events(node).iter().map(short).collect()
    }

    /// What went over the wire, lost or not: `A>B INVITE 1`, `B>A 180 INVITE 1`.
    pub(crate) fn wire(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Moves everything that moves without time passing.
    pub(crate) fn settle(&mut self) {
        self.run(Duration::ZERO);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        loop {
            self.drain();
            let Some(at) = self.next().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.step();
            steps += 1;
            assert!(steps < 100_000, "it does not come to rest");
        }
        self.now = end;
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let timers = self.nodes.iter().flat_map(|n| [n.endpoint.poll_timeout(), n.usages.poll_timeout()]);
        timers.chain([self.wire.keys().next().map(|(at, _)| *at)]).flatten().min()
    }

    fn step(&mut self) {
        if let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, from, bytes) = entry.remove();
            let flow = self.flow(to, from);
            let message = Message::parse(bytes, &Limits::default()).expect("what is written can be read");
            self.nodes[to].endpoint.handle(TransportInput::Message { flow, message }, self.now);
            return;
        }
        for node in &mut self.nodes {
            node.endpoint.handle_timeout(self.now);
            node.usages.handle_timeout(&mut node.endpoint, self.now);
        }
    }

    fn flow(&mut self, node: usize, remote: SocketAddr) -> FlowId {
        if let Some((flow, _)) = self.nodes[node].flows.iter().find(|(_, addr)| **addr == remote) {
            return *flow;
        }
        self.newest_flow += 1;
        let flow = FlowId::new(self.newest_flow);
        let local = self.nodes[node].addr;
        self.nodes[node].flows.insert(flow, remote);
        let info = FlowInfo { remote, local, transport: TransportKind::Udp };
        self.nodes[node].endpoint.handle(TransportInput::Accepted { flow, info }, self.now);
        flow
    }

    fn drain(&mut self) {
        loop {
            let mut idle = true;
            for at in 0..self.nodes.len() {
                let Node { endpoint, usages, events, .. } = &mut self.nodes[at];
                while let Some(event) = endpoint.poll_event() {
                    idle = false;
                    if let Some(event) = usages.handle(event, endpoint, self.now) {
                        usages.refuse(event, endpoint, self.now);
                    }
                }
                while let Some(event) = usages.poll_event() {
                    idle = false;
                    events.push(event);
                }
                while let Some(transmit) = self.nodes[at].endpoint.poll_transmit() {
                    idle = false;
                    match &transmit.to {
                        Target::Flow(flow) => {
                            let to = self.nodes[at].flows[flow];
                            self.carry(at, to, &transmit.bytes);
                        }
                        Target::Address { addr, .. } if transmit.is_connect() => {
                            self.newest_flow += 1;
                            let flow = FlowId::new(self.newest_flow);
                            let local = self.nodes[at].addr;
                            self.nodes[at].flows.insert(flow, *addr);
                            let info = FlowInfo { remote: *addr, local, transport: TransportKind::Udp };
                            let input = TransportInput::Connected { flow, info };
                            self.nodes[at].endpoint.handle(input, self.now);
                        }
                        Target::Address { addr, .. } => self.carry(at, *addr, &transmit.bytes),
                        Target::Server { .. } => unreachable!("no TLS here"),
                    }
                }
            }
            if idle {
                return;
            }
        }
    }

    fn carry(&mut self, from: usize, to: SocketAddr, bytes: &Bytes) {
        let forked = to == FORK.parse().unwrap();
        let nodes: Vec<usize> = match forked {
            true => vec![B, C],
            false => (0..self.nodes.len()).filter(|n| self.nodes[*n].addr == to).collect(),
        };
        for node in nodes {
            let line = line(from, node, bytes);
            let lost = self.lose.as_mut().is_some_and(|lose| lose(&line));
            self.log.push(line);
            if lost || self.dice.below(100) < self.loss {
                continue;
            }
            let copies = 1 + u64::from(self.dice.below(100) < self.duplication);
            for _ in 0..copies {
                self.sent += 1;
                let at = self.now + ms(self.dice.below(self.delay + 1));
                self.wire.insert((at, self.sent), (node, self.nodes[from].addr, bytes.clone()));
            }
        }
    }

    /// Sends a request of A's hand to B, as it is: its Via is added, its answer is nobody's.
    pub(crate) fn inject(&mut self, from: usize, to: usize, text: &str) {
        let text: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let raw = format!("{}\r\nContent-Length: 0\r\n\r\n", text.join("\r\n"));
        let from = self.nodes[from].addr;
        self.sent += 1;
        self.wire.insert((self.now, self.sent), (to, from, raw.into()));
        self.settle();
    }

    /// Everything is over and nothing is left.
    pub(crate) fn assert_empty(&self, what: &str) {
        for (n, node) in self.nodes.iter().enumerate() {
            let usages = &node.usages;
            let left = (usages.invites(), usages.subscriptions(), usages.dialogs(), usages.pending());
            assert_eq!(left, (0, 0, 0, 0), "usages of {n}: {what}: {usages:#?}");
            assert_eq!(node.endpoint.transactions(), (0, 0), "transactions of {n}: {what}");
        }
    }
}

fn line(from: usize, to: usize, bytes: &Bytes) -> String {
    let name = |n: usize| ["A", "B", "C"][n];
    let what = match Message::parse(bytes.clone(), &Limits::default()).expect("what is written can be read") {
        Message::Request(request) => format!("{} {}", request.method(), request.cseq().number),
        Message::Response(response) => format!("{} {}", response.status(), response.cseq().method),
    };
    format!("{}>{} {what}", name(from), name(to))
}

fn offer(request: &Request) -> &'static str {
    if request.body().is_empty() { "" } else { " sdp" }
}

fn owed(owes: bool) -> &'static str {
    if owes { " owed" } else { "" }
}

/// An event in a few words.
pub(crate) fn short(event: &UsageEvent) -> String {
    match event {
        UsageEvent::Invite(event) => match event {
            InviteEvent::Incoming { .. } => "incoming".to_owned(),
            InviteEvent::Provisional { response, owes_prack, .. } => {
                format!("{}{}", response.status(), owed(owes_prack.is_some()))
            }
            InviteEvent::Established { owes_ack, .. } => format!("established{}", owed(*owes_ack)),
            InviteEvent::Forked { owes_ack, .. } => format!("forked{}", owed(*owes_ack)),
            InviteEvent::Surplus { .. } => "surplus".to_owned(),
            InviteEvent::Redirected { targets, .. } => format!("redirected {}", targets.len()),
            InviteEvent::Confirmed { .. } => "confirmed".to_owned(),
            InviteEvent::Pracked { request, .. } => format!("pracked{}", offer(request)),
            InviteEvent::Reinvited { request, .. } => format!("reinvited{}", offer(request)),
            InviteEvent::Updated { request, .. } => format!("updated{}", offer(request)),
            InviteEvent::Withdrawn { .. } => "withdrawn".to_owned(),
            InviteEvent::Request { request, .. } => format!("request {}", request.method()),
            InviteEvent::Answered { response, owes_ack, .. } => {
                format!("answered {}{}", response.status(), owed(*owes_ack))
            }
            InviteEvent::RequestFailed { .. } => "request failed".to_owned(),
            InviteEvent::RefreshDue { .. } => "refresh due".to_owned(),
            InviteEvent::Ended { cause, .. } => format!("ended {}", cause_word(cause)),
            _ => "?".to_owned(),
        },
        UsageEvent::Subscription(event) => match event {
            SubscriptionEvent::Incoming { expires_s, .. } => format!("subscribe {expires_s}"),
            SubscriptionEvent::Accepted { expires_s, .. } => format!("accepted {expires_s}"),
            SubscriptionEvent::Notified { state, .. } => format!("notified {}", state.state),
            SubscriptionEvent::NotifyDue { .. } => "notify due".to_owned(),
            SubscriptionEvent::RefreshFailed { status, .. } => format!("refresh failed {status:?}"),
            SubscriptionEvent::Ended { cause, .. } => format!("ended {}", sub_cause_word(cause)),
            _ => "?".to_owned(),
        },
    }
}

fn cause_word(cause: &Cause) -> String {
    match cause {
        Cause::Rejected { response } => format!("rejected {}", response.status()),
        Cause::RemoteBye { .. } => "remote bye".to_owned(),
        Cause::LocalReject { status } => format!("local reject {status}"),
        Cause::Gone { status } => format!("gone {status}"),
        Cause::Failed { .. } => "failed".to_owned(),
        other => format!("{other:?}"),
    }
}

fn sub_cause_word(cause: &SubscriptionCause) -> String {
    match cause {
        SubscriptionCause::Rejected { response } => format!("rejected {}", response.status()),
        SubscriptionCause::Terminated { again, .. } => format!("terminated {again:?}"),
        SubscriptionCause::Gone { status } => format!("gone {status}"),
        SubscriptionCause::Failed { .. } => "failed".to_owned(),
        other => format!("{other:?}"),
    }
}

/// For tests that only care for the refusal.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refused>) -> Refused {
    result.expect_err("it is refused")
}
