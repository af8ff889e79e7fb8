//! The registration's connection is kept alive as its registrar wants it; on virtual time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::ua::{Routing, UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    Endpoint, EndpointConfig, FlowId, FlowInfo, Limits, ListenAddr, Message, Method, NameAddr, Request,
    RequestDraft, ResponseDraft, SeededIds, Target, TransportInput, TransportKind, Uri,
};

const FLOW: FlowId = FlowId::new(1);

fn server() -> SocketAddr {
    "192.0.2.9:5060".parse().unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Rig {
    ua: UserAgent,
    start: Instant,
    now: Instant,
}

impl Rig {
    fn new(transport: TransportKind) -> Self {
        let identity = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        let config = UserAgentConfig::new(identity, vec![ListenAddr::new(transport, server())]);
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)));
        let (ua, start) = (UserAgent::new(endpoint, config), Instant::now());
        Self { ua, start, now: start }
    }

    fn connect(&mut self, transport: TransportKind) {
        let info = FlowInfo { remote: server(), local: "192.0.2.1:40000".parse().unwrap(), transport };
        self.input(TransportInput::Connected { flow: FLOW, info });
    }

    fn input(&mut self, input: TransportInput) {
        self.ua.endpoint().handle(input, self.now);
        while self.ua.poll_event(self.now).is_some() {}
    }

    /// The requests that are sent now, and how many pings.
    fn sent(&mut self) -> (Vec<Request>, usize) {
        let (mut requests, mut pings) = (Vec::new(), 0);
        while let Some(transmit) = self.ua.endpoint().poll_transmit() {
            if &transmit.bytes[..] == b"\r\n\r\n" {
                assert_eq!(transmit.to, Target::Flow(FLOW));
                pings += 1;
            } else if let Ok(Message::Request(request)) = Message::parse(transmit.bytes, &Limits::default()) {
                requests.push(request);
            }
        }
        (requests, pings)
    }

    /// Registers; the registrar answers with this `ms-keep-alive`, if any.
    fn register(&mut self, answer: Option<&str>) {
        self.ua.register(self.now);
        self.connect(TransportKind::Tcp);
        let (mut requests, _) = self.sent();
        let register = requests.pop().expect("a REGISTER");
        assert_eq!(register.headers().get("ms-keep-alive"), Some("UAC;hop-hop=yes"));
        let mut response = ResponseDraft::to(&register, 200).to_tag("r").header("Expires", "7200");
        if let Some(answer) = answer {
            response = response.header("ms-keep-alive", answer);
        }
        let message = Message::parse(response.write(), &Limits::default()).unwrap();
        self.input(TransportInput::Message { flow: FLOW, message });
        assert!(self.ua.is_settled());
    }

    /// The times after the start, in seconds, at which pings go out up to this one.
    fn pings_until(&mut self, last: u64) -> Vec<u64> {
        let mut at = Vec::new();
        while let Some(due) = self.ua.poll_timeout().filter(|due| *due <= self.start + secs(last)) {
            self.now = due;
            self.ua.handle_timeout(due);
            if self.sent().1 > 0 {
                at.push((due - self.start).as_secs());
            }
        }
        self.now = self.start + secs(last);
        at
    }
}

/// [MS-CONMGMT] section 3.4.2: two thirds of the registrar's timeout; without one, what is configured.
#[test]
fn pings_follow_the_registrar() {
    for (answer, expected) in [
        (Some("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=60"), [40, 80, 120].as_slice()),
        (Some("UAS;tcp=no;hop-hop=no;end-end=no;timeout=60"), &[]),
        (Some("UAS;timeout=soon"), &[]),
        (None, &[]),
    ] {
        let mut rig = Rig::new(TransportKind::Tcp);
        rig.register(answer);
        assert_eq!(rig.pings_until(130), expected, "{answer:?}");
        if expected.is_empty() {
            assert_eq!(rig.pings_until(450), [200, 400], "{answer:?}");
        }
    }
}

/// Traffic of any kind counts, the pong as well.
#[test]
fn traffic_moves_the_ping() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.register(Some("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=60"));
    assert_eq!(rig.pings_until(30), []);
    rig.input(TransportInput::Pong { flow: FLOW });
    assert_eq!(rig.pings_until(69), []);
    assert_eq!(rig.pings_until(70), [70]);
    // What comes on another connection is none.
    rig.now = rig.start + secs(100);
    rig.input(TransportInput::Pong { flow: FlowId::new(2) });
    assert_eq!(rig.pings_until(110), [110]);
}

/// RFC 3261 section 18.1.1: behind a UDP server, a request that is too large for a datagram goes over TCP.
#[test]
fn large_requests_leave_the_udp_flow() {
    let mut rig = Rig::new(TransportKind::Udp);
    let draft = |body: usize| {
        let bob = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        RequestDraft::new(Method::Message, Uri::parse("sip:alice@example.com").unwrap())
            .from(bob.with_tag("1"))
            .to(bob)
            .call_id("c1")
            .cseq(1)
            .body("text/plain", vec![b'x'; body])
    };
    rig.ua.send(draft(10), Routing::Outbound, rig.now);
    rig.sent();
    rig.connect(TransportKind::Udp);
    assert_eq!(rig.sent().0[0].via().transport(), Some(TransportKind::Udp));
    rig.ua.send(draft(10), Routing::Outbound, rig.now);
    assert_eq!(rig.sent().0[0].via().transport(), Some(TransportKind::Udp));
    rig.ua.send(draft(2_000), Routing::Outbound, rig.now);
    let connect = rig.ua.endpoint().poll_transmit().unwrap();
    assert!(connect.is_connect());
    assert_eq!(connect.to, Target::Address { transport: TransportKind::Tcp, addr: server() });
    let events = std::iter::from_fn(|| rig.ua.poll_event(rig.now));
    assert!(!events.into_iter().any(|event| matches!(event, UaEvent::Failed { .. })));
}
