//! What an endpoint refuses by itself: merged requests, and what its user said it cannot do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::{
    Capabilities, Endpoint, EndpointConfig, Event, FlowId, FlowInfo, Limits, Message, Method, Response,
    ResponseDraft, SeededIds, TransportInput, TransportKind,
};

struct Rig {
    endpoint: Endpoint,
    now: Instant,
    flows: u64,
}

impl Rig {
    fn new(config: EndpointConfig) -> Self {
        Self { endpoint: Endpoint::new(config, Box::new(SeededIds::new(7))), now: Instant::now(), flows: 0 }
    }

    fn flow(&mut self, remote: &str) -> FlowId {
        self.flows += 1;
        let flow = FlowId::new(self.flows);
        let remote: SocketAddr = remote.parse().unwrap();
        let info =
            FlowInfo { remote, local: "192.0.2.1:5060".parse().unwrap(), transport: TransportKind::Udp };
        self.endpoint.handle(TransportInput::Accepted { flow, info }, self.now);
        flow
    }

    /// Hands in a message; the requests that the user sees, and the statuses sent.
    fn receive(&mut self, flow: FlowId, text: &str) -> (Vec<Event>, Vec<Response>) {
        let raw = text.replace('\n', "\r\n") + "\r\nContent-Length: 0\r\n\r\n";
        let message = Message::parse(raw.into(), &Limits::default()).unwrap();
        self.endpoint.handle(TransportInput::Message { flow, message }, self.now);
        self.drain()
    }

    fn drain(&mut self) -> (Vec<Event>, Vec<Response>) {
        let events = std::iter::from_fn(|| self.endpoint.poll_event());
        let events =
            events.filter(|e| !matches!(e, Event::FlowOpened { .. } | Event::Rejected { .. })).collect();
        let mut sent = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            match Message::parse(transmit.bytes, &Limits::default()) {
                Ok(Message::Response(response)) => sent.push(response),
                other => panic!("{other:?}"),
            }
        }
        (events, sent)
    }
}

fn request(method: &str, vias: &[&str], to_tag: &str, more: &str) -> String {
    let vias: Vec<String> = vias.iter().map(|via| format!("Via: SIP/2.0/UDP {via}")).collect();
    format!(
        "{method} sip:oda@192.0.2.1 SIP/2.0\n{}\nFrom: <sip:ines@example.net>;tag=a\n\
         To: <sip:oda@example.org>{to_tag}\nCall-ID: one\nCSeq: 5 {method}{more}",
        vias.join("\n")
    )
}

/// RFC 3261 section 8.2.2.2: a request that a proxy forked and that met itself here.
#[test]
fn merged_requests_get_482() {
    let mut rig = Rig::new(EndpointConfig::default().with_merged_refused());
    let (one, two) = (rig.flow("192.0.2.10:5060"), rig.flow("192.0.2.20:5060"));
    let ways = [
        ["192.0.2.10;branch=z9hG4bKa", "192.0.2.9;branch=z9hG4bKu"],
        ["192.0.2.20;branch=z9hG4bKb", "192.0.2.9;branch=z9hG4bKu"],
    ];
    let (seen, _) = rig.receive(one, &request("INVITE", &ways[0], "", ""));
    let [Event::Request { tx, request: first, .. }] = &seen[..] else { panic!("{seen:?}") };
    let (seen, sent) = rig.receive(two, &request("INVITE", &ways[1], "", ""));
    assert!(seen.is_empty() && sent.len() == 1);
    assert_eq!((sent[0].status(), sent[0].via().branch()), (482, Some("z9hG4bKb")));
    assert!(sent[0].to().tag().is_some());
    // Its ACK ends it, and the first goes on.
    let (seen, sent) = rig.receive(two, &request("ACK", &ways[1][..1], ";tag=x", ""));
    assert!(seen.is_empty() && sent.is_empty());
    rig.endpoint.respond(*tx, ResponseDraft::to(first, 486), rig.now);
    assert_eq!(rig.drain().1[0].status(), 486);
    assert_eq!(rig.endpoint.counters().merged_refused, 1);
}

/// Not merged: a retransmission, a request of another client with the same identifiers, one in a dialog, and the same
/// request once the first is forgotten.
#[test]
fn what_is_not_merged_is_served() {
    let mut rig = Rig::new(EndpointConfig::default().with_merged_refused());
    let flow = rig.flow("192.0.2.10:5060");
    let other = rig.flow("192.0.2.11:5060");
    let served = |(seen, sent): (Vec<Event>, Vec<Response>)| seen.len() == 1 && sent.is_empty();
    let first = request("MESSAGE", &["192.0.2.10;branch=z9hG4bKa"], "", "");
    assert!(served(rig.receive(flow, &first)));
    assert!(rig.receive(flow, &first).0.is_empty(), "a retransmission");
    assert!(
        served(rig.receive(other, &request("MESSAGE", &["192.0.2.11;branch=z9hG4bKa"], "", ""))),
        "a twin"
    );
    let in_dialog = request("MESSAGE", &["192.0.2.10;branch=z9hG4bKc"], ";tag=t", "");
    assert!(served(rig.receive(flow, &in_dialog)));
    let again = request("MESSAGE", &["192.0.2.10;branch=z9hG4bKd"], "", "");
    assert_eq!(rig.receive(flow, &again).1[0].status(), 482);
    // Unanswered requests are answered 500 after a while, and forgotten 64*T1 later.
    for _ in 0..2 {
        rig.now += Duration::from_secs(400);
        rig.endpoint.handle_timeout(rig.now);
    }
    rig.drain();
    assert_eq!(rig.endpoint.transactions(), (0, 0));
    let later = request("MESSAGE", &["192.0.2.10;branch=z9hG4bKe"], "", "");
    assert!(served(rig.receive(flow, &later)));
}

/// Off by default: a proxy may see a request twice.
#[test]
fn merged_requests_are_passed_up_by_default() {
    let mut rig = Rig::new(EndpointConfig::default());
    let flow = rig.flow("192.0.2.10:5060");
    for branch in ["a", "b"] {
        let via = format!("192.0.2.10;branch=z9hG4bK{branch}");
        let (seen, sent) = rig.receive(flow, &request("INVITE", &[&via], "", ""));
        assert!(matches!(&seen[..], [Event::Request { .. }]) && sent.is_empty());
    }
}

/// The user never sees what it cannot do; the refusal has a transaction, so a retransmission gets it again.
#[test]
fn incapable_requests_are_refused() {
    let able = Capabilities::new([Method::Options, Method::Invite]).with_option_tags(["timer"]);
    let mut rig = Rig::new(EndpointConfig::default().with_capabilities(able));
    let flow = rig.flow("192.0.2.10:5060");
    let refused = request("INVITE", &["192.0.2.10;branch=z9hG4bKa"], "", "\nRequire: 100rel, timer");
    for _ in 0..2 {
        let (seen, sent) = rig.receive(flow, &refused);
        assert!(seen.is_empty());
        assert_eq!((sent[0].status(), sent[0].headers().get("Unsupported")), (420, Some("100rel")));
        let diagnostics = sent[0].headers().get("ms-diagnostics");
        assert_eq!(diagnostics, Some("1000;reason=\"Bad Extension\";source=\"localhost\""));
    }
    let (seen, sent) = rig.receive(flow, &request("PUBLISH", &["192.0.2.10;branch=z9hG4bKb"], "", ""));
    assert!(seen.is_empty());
    assert_eq!((sent[0].status(), sent[0].headers().get("Allow")), (405, Some("OPTIONS, INVITE")));
    assert_eq!(rig.endpoint.counters().incapable_refused, 2);
}
