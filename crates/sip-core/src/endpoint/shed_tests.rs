//! One endpoint that is offered too much, on virtual time.

use std::time::Duration;

use super::super::*;
use crate::build::ResponseDraft;
use crate::test_util::request;
use crate::{Limits, Response, SeededIds};

const FLOW: FlowId = FlowId::new(1);
/// Another one of the same address, and one of another.
const SAME_ADDRESS: FlowId = FlowId::new(2);
const OTHER_ADDRESS: FlowId = FlowId::new(3);

struct Rig {
    endpoint: Endpoint,
    now: Instant,
    numbers: u32,
}

impl Rig {
    fn new(config: EndpointConfig) -> Self {
        let (endpoint, now) = (Endpoint::new(config, Box::new(SeededIds::new(1))), Instant::now());
        let mut rig = Self { endpoint, now, numbers: 0 };
        let flows =
            [(FLOW, "192.0.2.9:5070"), (SAME_ADDRESS, "192.0.2.9:5071"), (OTHER_ADDRESS, "192.0.2.8:5070")];
        for (flow, remote) in flows {
            let info = FlowInfo {
                remote: remote.parse().unwrap(),
                local: "192.0.2.1:5060".parse().unwrap(),
                transport: TransportKind::Udp,
            };
            rig.endpoint.handle(TransportInput::Accepted { flow, info }, rig.now);
            rig.endpoint.poll_event();
        }
        rig
    }

    fn receive(&mut self, flow: FlowId, method: &str, branch: u32, to_tag: &str) {
        let text = format!(
            "{method} sip:bob@192.0.2.1 SIP/2.0
            Via: SIP/2.0/UDP p1.example.com;branch=z9hG4bK{branch}, SIP/2.0/TCP a.example.com
            f: <sip:alice@example.com>;tag=a{branch}
            To: <sip:bob@192.0.2.1>{to_tag}
            Call-ID: c{branch}
            CSeq: {branch} {method}"
        );
        let message = Message::Request(request(&text));
        self.endpoint.handle(TransportInput::Message { flow, message }, self.now);
    }

    /// A new request; whether the user gets it.
    fn offer(&mut self, flow: FlowId) -> Option<ServerTransactionId> {
        self.numbers += 1;
        self.receive(flow, "INVITE", self.numbers, "");
        match self.endpoint.poll_event() {
            Some(Event::Request { tx, .. }) => Some(tx),
            Some(other) => panic!("{other:?}"),
            None => {
                assert_eq!(self.sent().status(), 503);
                None
            }
        }
    }

    fn sent(&mut self) -> Response {
        let transmit = self.endpoint.poll_transmit().expect("something to send");
        match Message::parse(transmit.bytes, &Limits::default()) {
            Ok(Message::Response(response)) => response,
            other => panic!("{other:?}"),
        }
    }
}

/// Reliability, "before state is made": the refusal is complete, leaves nothing, and its ACK is absorbed; another ACK is not.
#[test]
fn refusal_has_no_state() {
    let mut rig = Rig::new(EndpointConfig::default().with_max_backlog(3));
    rig.endpoint.handle_backlog(4);
    rig.receive(FLOW, "INVITE", 7, "");
    let refused = rig.sent();
    let get = |name| refused.headers().get_all(name).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((refused.status(), refused.call_id(), refused.cseq().number), (503, "c7", 7));
    assert_eq!(get("Retry-After"), ["10"]);
    let vias = ["SIP/2.0/UDP p1.example.com;branch=z9hG4bK7;received=192.0.2.9", "SIP/2.0/TCP a.example.com"];
    assert_eq!(get("Via"), vias);
    let tag = refused.to().tag().unwrap().to_owned();
    assert_eq!((rig.endpoint.transactions(), rig.endpoint.poll_timeout()), ((0, 0), None));
    assert!(rig.endpoint.poll_event().is_none());
    // The same request gets the same answer.
    rig.receive(FLOW, "INVITE", 7, "");
    assert_eq!(rig.sent().to().tag(), Some(&*tag));
    rig.receive(FLOW, "ACK", 7, &format!(";tag={tag}"));
    assert!(rig.endpoint.poll_event().is_none());
    rig.receive(FLOW, "ACK", 8, &format!(";tag={tag}"));
    assert!(matches!(rig.endpoint.poll_event(), Some(Event::Oneway { .. })));
    let counters = rig.endpoint.counters();
    assert_eq!((counters.shed_backlog, counters.refusal_acks, counters.responses_sent), (2, 1, 2));
}

/// What belongs to a dialog is served however much waits, and so is a retransmission of what was let in.
#[test]
fn dialogs_are_preferred() {
    let mut rig = Rig::new(EndpointConfig::default().with_max_backlog(3));
    let tx = rig.offer(FLOW).unwrap();
    rig.endpoint.handle_backlog(1_000);
    assert!(rig.offer(FLOW).is_none());
    rig.receive(FLOW, "BYE", 50, ";tag=b1");
    assert!(matches!(rig.endpoint.poll_event(), Some(Event::Request { .. })));
    rig.receive(FLOW, "INVITE", 1, "");
    assert!(rig.endpoint.is_unanswered(tx) && rig.endpoint.poll_transmit().is_none());
    assert_eq!(rig.endpoint.counters().retransmissions_absorbed, 1);
    rig.endpoint.handle_backlog(3);
    assert!(rig.offer(FLOW).is_some());
}

/// What has waited too long is refused like what too much waits behind; in a dialog it is served.
#[test]
fn waiting_time() {
    let limit = Duration::from_millis(40);
    let mut rig = Rig::new(EndpointConfig::default().with_max_wait(limit));
    rig.endpoint.handle_wait(limit);
    assert!(rig.offer(FLOW).is_some());
    rig.endpoint.handle_wait(limit + Duration::from_millis(1));
    assert!(rig.offer(FLOW).is_none());
    assert_eq!(rig.endpoint.counters().shed_backlog, 1);
    rig.receive(FLOW, "BYE", 50, ";tag=b1");
    assert!(matches!(rig.endpoint.poll_event(), Some(Event::Request { .. })));
    rig.endpoint.handle_wait(Duration::ZERO);
    assert!(rig.offer(FLOW).is_some());
}

/// The last tenth of the transactions is for dialogs.
#[test]
fn transactions_are_kept_for_dialogs() {
    let mut rig = Rig::new(EndpointConfig::default().with_max_transactions(10));
    assert!((0..9).all(|_| rig.offer(FLOW).is_some()));
    rig.receive(FLOW, "INVITE", 99, "");
    assert_eq!(rig.sent().status(), 503);
    assert!(matches!(rig.endpoint.poll_event(), Some(Event::Rejected { status: Some(503), .. })));
    rig.receive(FLOW, "BYE", 50, ";tag=b1");
    assert!(matches!(rig.endpoint.poll_event(), Some(Event::Request { .. })));
}

/// A flow that brings too much is refused, others of its address are not, and it may again when time has passed.
#[test]
fn flow_rate_is_limited() {
    let mut rig = Rig::new(EndpointConfig::default().with_flow_rate(Rate { per_second: 10, burst: 2 }));
    let told: Vec<bool> = [FLOW, FLOW, FLOW, SAME_ADDRESS].map(|flow| rig.offer(flow).is_some()).into();
    assert_eq!(told, [true, true, false, true]);
    rig.now += Duration::from_millis(100);
    assert_eq!([FLOW, FLOW].map(|flow| rig.offer(flow).is_some()), [true, false]);
    assert_eq!(rig.endpoint.counters().shed_flow_rate, 2);
}

/// All flows of an address share its rate.
#[test]
fn address_rate_is_limited() {
    let mut rig = Rig::new(EndpointConfig::default().with_address_rate(Rate { per_second: 10, burst: 2 }));
    let told = [FLOW, SAME_ADDRESS, FLOW, SAME_ADDRESS, OTHER_ADDRESS].map(|flow| rig.offer(flow).is_some());
    assert_eq!(told, [true, true, false, false, true]);
    assert_eq!(rig.endpoint.counters().shed_address_rate, 2);
}

/// Requests without answer count against their flow and their address until they are answered.
#[test]
fn pending_requests_are_limited() {
    let mut rig = Rig::new(EndpointConfig::default().with_max_pending(2, 3));
    let first = rig.offer(FLOW).unwrap();
    assert_eq!([FLOW, FLOW].map(|flow| rig.offer(flow).is_some()), [true, false]);
    assert_eq!([SAME_ADDRESS, SAME_ADDRESS].map(|flow| rig.offer(flow).is_some()), [true, false]);
    let counters = rig.endpoint.counters();
    assert_eq!((counters.shed_flow_pending, counters.shed_address_pending), (1, 1));
    let refused = ResponseDraft::bare(486);
    rig.endpoint.respond(first, refused, rig.now);
    assert_eq!(rig.sent_status(), 486);
    assert_eq!([SAME_ADDRESS, FLOW].map(|flow| rig.offer(flow).is_some()), [true, false]);
}

impl Rig {
    fn sent_status(&mut self) -> u16 {
        let transmit = self.endpoint.poll_transmit().expect("something to send");
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }
}

/// Beyond the limit the oldest finished transaction is forgotten: its retransmission is a new request.
#[test]
fn finished_transactions_are_limited() {
    let mut rig = Rig::new(EndpointConfig::default().with_max_finished(2));
    for n in 1..=3 {
        rig.receive(FLOW, "OPTIONS", n, "");
        let Some(Event::Request { tx, request, .. }) = rig.endpoint.poll_event() else { panic!() };
        rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
        rig.sent();
    }
    assert_eq!((rig.endpoint.transactions(), rig.endpoint.counters().finished_evicted), ((0, 2), 1));
    rig.receive(FLOW, "OPTIONS", 2, "");
    assert_eq!(rig.sent().status(), 200);
    rig.receive(FLOW, "OPTIONS", 1, "");
    assert!(matches!(rig.endpoint.poll_event(), Some(Event::Request { .. })));
    // Timer J: 64*T1 after the answer they are gone.
    rig.now += Duration::from_secs(32);
    rig.endpoint.handle_timeout(rig.now);
    assert_eq!(rig.endpoint.transactions(), (0, 1));
}
