//! The simulated network: what connections and datagrams do, and what faults do to them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::{CloseReason, FlowId, Target, Transmit, TransportInput, TransportKind, UnreachableReason};
use testkit::journal::{HostId, What};
use testkit::network::{Death, Listener, NetworkConfig, Node, Simulation};

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n\
                       To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// Remembers what it was told, and sends what it is told to.
#[derive(Default)]
struct Probe {
    seen: Vec<String>,
    flows: Vec<FlowId>,
    out: VecDeque<Transmit>,
}

impl Probe {
    fn connect(&mut self, transport: TransportKind, addr: SocketAddr) {
        self.out.push_back(Transmit::connect(transport, addr));
    }

    fn send(&mut self, text: &str) {
        let flow = *self.flows.last().expect("a flow is open");
        self.out.push_back(Transmit {
            to: Target::Flow(flow),
            bytes: Bytes::from(text.to_owned()),
            close_after: false,
        });
    }
}

impl Node for Probe {
    fn handle_transport(&mut self, input: TransportInput, _now: Instant) {
        self.seen.push(match input {
            TransportInput::Message { message, .. } => format!("message {}", message.envelope().call_id()),
            TransportInput::Malformed { .. } => "malformed".to_owned(),
            TransportInput::Connected { flow, .. } => {
                self.flows.push(flow);
                "connected".to_owned()
            }
            TransportInput::Accepted { flow, .. } => {
                self.flows.push(flow);
                "accepted".to_owned()
            }
            TransportInput::Closed { reason: CloseReason::Remote, .. } => "closed".to_owned(),
            TransportInput::Closed { .. } => "reset".to_owned(),
            TransportInput::Unreachable { reason: UnreachableReason::Refused, .. } => "refused".to_owned(),
            TransportInput::Unreachable { .. } => "timed out".to_owned(),
            TransportInput::Secured { .. } | TransportInput::ServerUnreachable { .. } => "tls".to_owned(),
            TransportInput::Ping { .. } => "ping".to_owned(),
            TransportInput::Pong { .. } => "pong".to_owned(),
        });
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }
}

struct Pair {
    simulation: Simulation,
    client: HostId,
    server: HostId,
}

impl Pair {
    fn new(seed: u64, config: NetworkConfig) -> Self {
        let mut simulation = Simulation::new(seed, config);
        let client = simulation.add_host("client", Box::new(Probe::default()));
        let server = simulation.add_host("server", Box::new(Probe::default()));
        simulation.listen_tcp(server, 5060, Listener::Accepts);
        simulation.listen_udp(server, 5060);
        Pair { simulation, client, server }
    }

    fn connect(&mut self, transport: TransportKind) {
        let addr = self.simulation.addr(self.server, 5060);
        self.simulation.act(self.client, |probe: &mut Probe, _| probe.connect(transport, addr));
        self.run(1);
    }

    fn send(&mut self, text: &str) {
        self.simulation.act(self.client, |probe: &mut Probe, _| probe.send(text));
    }

    fn run(&mut self, seconds: u64) {
        self.simulation.run_for(Duration::from_secs(seconds));
    }

    fn seen(&self, host: HostId) -> Vec<&str> {
        self.simulation.node::<Probe>(host).seen.iter().map(String::as_str).collect()
    }
}

#[test]
fn stream_carries_messages_in_order_however_torn() {
    let config = NetworkConfig { tear: true, jitter: Duration::from_millis(50), ..NetworkConfig::default() };
    let mut pair = Pair::new(7, config);
    pair.connect(TransportKind::Tcp);
    for call in ["one", "two", "three"] {
        pair.send(&OPTIONS.replace("Call-ID: x", &format!("Call-ID: {call}")));
    }
    pair.send("\r\n\r\n");
    pair.run(1);
    assert_eq!(pair.seen(pair.server), ["accepted", "message one", "message two", "message three", "ping"]);
    assert_eq!(pair.seen(pair.client), ["connected", "pong"]);
}

#[test]
fn listeners_refuse_or_stay_silent() {
    let mut pair = Pair::new(1, NetworkConfig::default());
    pair.simulation.set_listener(pair.server, 5060, Listener::Refuses);
    pair.connect(TransportKind::Tcp);
    pair.simulation.set_listener(pair.server, 5060, Listener::Silent);
    pair.connect(TransportKind::Tcp);
    assert_eq!(pair.seen(pair.client), ["refused"]);
    pair.run(4);
    assert_eq!(pair.seen(pair.client), ["refused", "timed out"]);
}

#[test]
fn death_is_noticed_at_once_or_after_a_while() {
    for (death, soon) in [(Death::Killed, true), (Death::Vanished, false)] {
        let mut pair = Pair::new(1, NetworkConfig::default());
        pair.connect(TransportKind::Tcp);
        pair.simulation.kill(pair.server, death);
        pair.send(OPTIONS);
        pair.run(1);
        assert_eq!(pair.seen(pair.client).contains(&"reset"), soon, "{death:?}");
        pair.run(30);
        assert!(pair.seen(pair.client).contains(&"reset"), "{death:?}");
    }
}

#[test]
fn restarted_host_knows_no_old_connection() {
    let mut pair = Pair::new(1, NetworkConfig::default());
    pair.connect(TransportKind::Tcp);
    pair.simulation.kill(pair.server, Death::Vanished);
    pair.simulation.restart(pair.server, Box::new(Probe::default()));
    pair.send(OPTIONS);
    pair.run(1);
    assert_eq!(pair.seen(pair.client), ["connected", "reset"]);
    assert!(pair.seen(pair.server).is_empty());
}

#[test]
fn cut_holds_streams_back_and_drops_datagrams() {
    let mut pair = Pair::new(1, NetworkConfig::default());
    pair.connect(TransportKind::Tcp);
    pair.simulation.cut(pair.client, pair.server, true);
    pair.send(OPTIONS);
    pair.run(10);
    assert_eq!(pair.seen(pair.server), ["accepted"]);
    pair.simulation.cut(pair.client, pair.server, false);
    pair.run(1);
    assert_eq!(pair.seen(pair.server), ["accepted", "message x"]);

    let mut pair = Pair::new(1, NetworkConfig::default());
    pair.connect(TransportKind::Udp);
    pair.simulation.cut(pair.client, pair.server, true);
    pair.send(OPTIONS);
    pair.simulation.cut(pair.client, pair.server, false);
    pair.run(1);
    assert!(pair.seen(pair.server).is_empty());
    let lost = pair.simulation.journal().records().iter().any(|record| matches!(record.what, What::Lost(_)));
    assert!(lost);
}

#[test]
fn cut_that_lasts_closes_the_stream() {
    let mut pair = Pair::new(1, NetworkConfig::default());
    pair.connect(TransportKind::Tcp);
    pair.simulation.cut(pair.client, pair.server, true);
    pair.send(OPTIONS);
    pair.run(30);
    assert_eq!(pair.seen(pair.client), ["connected", "reset"]);
}

#[test]
fn paused_host_reads_later() {
    let mut pair = Pair::new(1, NetworkConfig::default());
    pair.connect(TransportKind::Tcp);
    pair.simulation.pause(pair.server, true);
    pair.send(OPTIONS);
    pair.run(5);
    assert_eq!(pair.seen(pair.server), ["accepted"]);
    pair.simulation.pause(pair.server, false);
    assert_eq!(pair.seen(pair.server), ["accepted", "message x"]);
}

#[test]
fn datagrams_are_lost_and_doubled_as_often_as_told() {
    let config = NetworkConfig { loss_percent: 30, duplicate_percent: 50, ..NetworkConfig::default() };
    let mut pair = Pair::new(3, config);
    pair.connect(TransportKind::Udp);
    for _ in 0..1000 {
        pair.send(OPTIONS);
    }
    pair.run(1);
    // Half of them twice, and of all copies seven of ten.
    let came = pair.seen(pair.server).len();
    assert!((950..1150).contains(&came), "{came}");
}

#[test]
fn same_seed_same_trace() {
    let trace = |seed| {
        let config =
            NetworkConfig { loss_percent: 20, jitter: Duration::from_millis(30), ..NetworkConfig::default() };
        let mut pair = Pair::new(seed, config);
        pair.connect(TransportKind::Udp);
        (0..50).for_each(|_| pair.send(OPTIONS));
        pair.run(1);
        pair.simulation.journal().trace_hash()
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}
