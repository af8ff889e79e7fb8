//! Two endpoints joined by an in-memory pipe that loses, repeats, delays and reorders, on virtual time from a seed.
//!
//! The rule under test: every client transaction ends exactly once, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::{
    ClientTransactionId, CloseReason, Dialog, Endpoint, EndpointConfig, Event, FlowId, FlowInfo, IdSource,
    Limits, Message, Method, NameAddr, RequestDraft, ResponseDraft, SeededIds, ServerTransactionId, Target,
    TransportInput, TransportKind, UnreachableReason, Uri,
};

const CLIENT: usize = 0;
const SERVER: usize = 1;
const REQUESTS: u32 = 12;

/// What the pipe does to a message.
#[derive(Clone, Copy)]
struct Faults {
    transport: TransportKind,
    /// In per cent.
    loss: u64,
    /// In per cent.
    duplication: u64,
    /// The longest delay, in ms.
    delay: u64,
    /// Whether the flow closes once, in the middle.
    closes: bool,
}

/// How a client transaction went on.
#[derive(Clone, Debug, Default)]
struct Fate {
    invite: bool,
    finals: Vec<u16>,
    failures: u32,
}

struct Net {
    seed: u64,
    faults: Faults,
    dice: SeededIds,
    start: Instant,
    now: Instant,
    ends: [Endpoint; 2],
    flows: [Option<FlowId>; 2],
    newest_flow: u64,
    /// In flight: when, number, to which end, what.
    wire: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: u64,
    fates: BTreeMap<ClientTransactionId, Fate>,
    /// Answers that the server gives later.
    pending: BTreeMap<(Instant, u64), (ServerTransactionId, ResponseDraft)>,
    seen: BTreeSet<u32>,
}

impl Net {
    fn new(seed: u64, faults: Faults) -> Self {
        let start = Instant::now();
        let endpoint = |n| Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed * 2 + n)));
        Self {
            seed,
            faults,
            dice: SeededIds::new(seed ^ 0x5eed),
            start,
            now: start,
            ends: [endpoint(0), endpoint(1)],
            flows: [None, None],
            newest_flow: 0,
            wire: BTreeMap::new(),
            sent: 0,
            fates: BTreeMap::new(),
            pending: BTreeMap::new(),
            seen: BTreeSet::new(),
        }
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.dice.below(100) < chance
    }

    /// Answers a request to connect: refused in some runs without a flow.
    fn connect(&mut self) {
        let addr = |n: u8| format!("192.0.2.{n}:5060").parse().unwrap();
        let transport = self.faults.transport;
        if self.faults.closes && self.percent(30) {
            let reason = UnreachableReason::Refused;
            let input = TransportInput::Unreachable { transport, addr: addr(2), reason };
            return self.ends[CLIENT].handle(input, self.now);
        }
        self.newest_flow += 1;
        let flow = FlowId::new(self.newest_flow);
        self.flows = [Some(flow), Some(flow)];
        let info = FlowInfo { remote: addr(1), local: addr(2), transport };
        self.ends[SERVER].handle(TransportInput::Accepted { flow, info }, self.now);
        let info = FlowInfo { remote: addr(2), local: addr(1), transport };
        self.ends[CLIENT].handle(TransportInput::Connected { flow, info }, self.now);
    }

    fn close(&mut self) {
        for end in [CLIENT, SERVER] {
            if let Some(flow) = self.flows[end].take() {
                self.ends[end].handle(TransportInput::Closed { flow, reason: CloseReason::Remote }, self.now);
            }
        }
        self.wire.clear();
    }

    fn begin(&mut self, cseq: u32) {
        let uri = Uri::parse("sip:s@192.0.2.2").unwrap();
        let method = if cseq.is_multiple_of(3) { Method::Invite } else { Method::Info };
        let invite = method == Method::Invite;
        let draft = RequestDraft::new(method, uri.clone())
            .from(NameAddr::new(Uri::parse("sip:c@192.0.2.1").unwrap()).with_tag("c"))
            .to(NameAddr::new(uri))
            .call_id(format!("call-{cseq}"))
            .cseq(cseq);
        let addr = "192.0.2.2:5060".parse().unwrap();
        let target = Target::Address { transport: self.faults.transport, addr };
        let tx = self.ends[CLIENT].send_request(draft, target, self.now);
        assert!(self.fates.insert(tx, Fate { invite, ..Fate::default() }).is_none());
        if invite && self.percent(30) {
            self.ends[CLIENT].cancel(tx, self.now);
        }
    }

    /// Moves everything both ends put out; what they said is handled.
    fn drain(&mut self) {
        loop {
            let mut idle = true;
            for end in [CLIENT, SERVER] {
                while let Some(event) = self.ends[end].poll_event() {
                    idle = false;
                    self.event(end, event);
                }
                while let Some(transmit) = self.ends[end].poll_transmit() {
                    idle = false;
                    if transmit.is_connect() {
                        self.connect();
                    } else if transmit.to
                        == self.flows[end].map_or(Target::Flow(FlowId::new(0)), Target::Flow)
                    {
                        self.carry(1 - end, transmit.bytes);
                    }
                }
            }
            if idle {
                return;
            }
        }
    }

    fn carry(&mut self, to: usize, bytes: Bytes) {
        let datagrams = self.faults.transport == TransportKind::Udp;
        if datagrams && self.percent(self.faults.loss) {
            return;
        }
        let copies = if datagrams && self.percent(self.faults.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            self.sent += 1;
            let delay = if datagrams { self.dice.below(self.faults.delay + 1) } else { 1 };
            let at = self.now + Duration::from_millis(delay);
            self.wire.insert((at, self.sent), (to, bytes.clone()));
        }
    }

    fn event(&mut self, end: usize, event: Event) {
        match event {
            Event::Request { tx, request, .. } => {
                assert_eq!(end, SERVER);
                assert!(self.seen.insert(request.cseq().number), "seen twice: {}", self.at());
                self.answer_later(tx, &request);
            }
            Event::Cancelled { .. } | Event::NoAck { .. } => assert_eq!(end, SERVER),
            Event::Response { tx, response, flow } => {
                assert_eq!(end, CLIENT);
                let fate = self.fates.get_mut(&tx).expect("ours");
                if response.status() >= 200 {
                    fate.finals.push(response.status());
                    if fate.invite && response.is_success() {
                        self.ack(&response, flow);
                    }
                }
            }
            Event::Failed { tx, .. } => self.fates.get_mut(&tx).expect("ours").failures += 1,
            Event::Oneway { request, .. } => assert_eq!(request.method(), &Method::Ack),
            _ => {}
        }
    }

    fn ack(&mut self, response: &sip_core::Response, flow: FlowId) {
        let sent = RequestDraft::new(Method::Invite, Uri::parse("sip:s@192.0.2.2").unwrap());
        let ack = Dialog::uac(&sent, response).unwrap().ack(response.cseq().number);
        self.ends[CLIENT].send_oneway(ack, Target::Flow(flow), self.now);
    }

    fn answer_later(&mut self, tx: ServerTransactionId, request: &sip_core::Request) {
        let statuses = [200, 200, 404, 486, 500];
        let status = statuses[self.dice.below(statuses.len() as u64) as usize];
        if self.percent(30) {
            self.ends[SERVER].respond(tx, ResponseDraft::to(request, 180), self.now);
        }
        // A tenth is never answered: the endpoint has to.
        if !self.percent(10) {
            let at = self.now + Duration::from_millis(self.dice.below(3_000));
            self.sent += 1;
            self.pending.insert((at, self.sent), (tx, ResponseDraft::to(request, status)));
        }
    }

    /// Runs until nothing is left to happen.
    fn run(&mut self) {
        let mut cseq = 0;
        let mut steps = 0;
        loop {
            self.drain();
            let begin = (cseq < REQUESTS).then(|| self.start + Duration::from_millis(700) * cseq);
            let next = [
                self.ends[CLIENT].poll_timeout(),
                self.ends[SERVER].poll_timeout(),
                self.wire.keys().next().map(|(at, _)| *at),
                self.pending.keys().next().map(|(at, _)| *at),
                begin,
            ];
            let Some(at) = next.into_iter().flatten().min() else {
                return;
            };
            self.now = self.now.max(at);
            steps += 1;
            assert!(steps < 20_000, "does not end: {}", self.at());
            if begin == Some(at) {
                cseq += 1;
                self.begin(cseq);
                if self.faults.closes && cseq == REQUESTS / 2 {
                    self.close();
                }
            }
            self.step();
        }
    }

    fn step(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, bytes) = entry.remove();
            let message = Message::parse(bytes, &Limits::default()).expect("what we write can be read");
            if let Some(flow) = self.flows[to] {
                self.ends[to].handle(TransportInput::Message { flow, message }, self.now);
            }
        }
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (tx, draft) = entry.remove();
            self.ends[SERVER].respond(tx, draft, self.now);
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
    }

    fn at(&self) -> String {
        format!("SEED={} at {:?}", self.seed, self.now - self.start)
    }

    /// Every client transaction ended exactly once; only a 2xx to an INVITE may have come again.
    fn check(&self) {
        assert_eq!(self.fates.len(), REQUESTS as usize);
        for (tx, fate) in &self.fates {
            let what = format!("{tx:?} {fate:?} SEED={}", self.seed);
            match fate.finals.split_first() {
                None => assert_eq!(fate.failures, 1, "{what}"),
                Some((first, again)) => {
                    assert_eq!(fate.failures, 0, "{what}");
                    let repeatable = fate.invite && (200..300).contains(first);
                    assert!(again.is_empty() || repeatable && again.iter().all(|s| s == first), "{what}");
                }
            }
        }
        for end in &self.ends {
            assert_eq!((end.transactions(), end.poll_timeout()), ((0, 0), None), "{}", self.at());
        }
    }
}

fn sweep(faults: Faults, seeds: std::ops::Range<u64>) -> Vec<Net> {
    seeds
        .map(|seed| {
            let mut net = Net::new(seed, faults);
            net.run();
            net.check();
            net
        })
        .collect()
}

/// A clean datagram pipe: every request is answered or, if the server forgets it, times out.
#[test]
fn clean_pipe() {
    let faults = Faults { transport: TransportKind::Udp, loss: 0, duplication: 0, delay: 20, closes: false };
    for net in sweep(faults, 0..50) {
        assert_eq!(net.seen.len(), REQUESTS as usize, "{}", net.at());
        // Only the answer given for a server that forgot comes after the client has given up.
        let stray = net.ends[CLIENT].counters().stray_responses;
        assert!(stray == 0 || net.ends[SERVER].counters().unanswered > 0, "{}", net.at());
    }
}

/// Loss, duplication and reordering: retransmissions bring everything to its one end.
#[test]
fn lossy_pipe() {
    let faults =
        Faults { transport: TransportKind::Udp, loss: 30, duplication: 20, delay: 900, closes: false };
    let nets = sweep(faults, 0..200);
    assert!(nets.iter().any(|net| net.ends[CLIENT].counters().retransmissions_sent > 0));
    assert!(nets.iter().any(|net| net.ends[SERVER].counters().retransmissions_absorbed > 0));
}

/// A pipe that carries almost nothing: time-outs on both sides, nothing left behind.
#[test]
fn dead_pipe() {
    let faults = Faults { transport: TransportKind::Udp, loss: 95, duplication: 0, delay: 50, closes: false };
    let nets = sweep(faults, 0..50);
    assert!(nets.iter().any(|net| net.ends[CLIENT].counters().timeouts > 0));
}

/// A connection that closes in the middle and may be refused afterwards.
#[test]
fn closing_connection() {
    let faults = Faults { transport: TransportKind::Tcp, loss: 0, duplication: 0, delay: 1, closes: true };
    let nets = sweep(faults, 0..200);
    assert!(nets.iter().any(|net| net.fates.values().any(|fate| fate.failures == 1)));
    assert!(nets.iter().all(|net| net.ends[CLIENT].counters().retransmissions_sent == 0));
}

/// The same seed gives the same run.
#[test]
fn runs_repeat() {
    let faults =
        Faults { transport: TransportKind::Udp, loss: 30, duplication: 20, delay: 900, closes: false };
    let told = |net: &Net| (net.ends[CLIENT].counters(), net.ends[SERVER].counters(), net.now - net.start);
    let (first, second) = (sweep(faults, 42..43), sweep(faults, 42..43));
    assert_eq!(told(&first[0]), told(&second[0]));
}
