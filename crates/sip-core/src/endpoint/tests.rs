//! One endpoint with hand-written messages, on virtual time.

use std::time::Duration;

use super::*;
use crate::build::{RequestDraft, ResponseDraft};
use crate::test_util::{request, response};
use crate::{Limits, NameAddr, Request, Response, SeededIds, Uri};

const FLOW: FlowId = FlowId::new(7);

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An endpoint with one open flow, its clock, and what it put out.
struct Rig {
    endpoint: Endpoint,
    start: Instant,
    now: Instant,
    transport: TransportKind,
}

impl Rig {
    fn new(transport: TransportKind) -> Self {
        Self::with(transport, EndpointConfig::default().with_user_agent("Rig"))
    }

    fn with(transport: TransportKind, config: EndpointConfig) -> Self {
        let start = Instant::now();
        let endpoint = Endpoint::new(config, Box::new(SeededIds::new(1)));
        let mut rig = Self { endpoint, start, now: start, transport };
        rig.open(FLOW, "192.0.2.9:5070");
        rig
    }

    fn open(&mut self, flow: FlowId, remote: &str) {
        let info = self.info(remote);
        self.input(TransportInput::Accepted { flow, info });
        assert!(matches!(self.event(), Event::FlowOpened { .. }));
    }

    fn info(&self, remote: &str) -> FlowInfo {
        FlowInfo { remote: addr(remote), local: addr("192.0.2.1:5060"), transport: self.transport }
    }

    fn input(&mut self, input: TransportInput) {
        self.endpoint.handle(input, self.now);
    }

    fn receive(&mut self, text: &str) {
        let message = Message::Request(request(text));
        self.input(TransportInput::Message { flow: FLOW, message });
    }

    fn receive_response(&mut self, response: Response) {
        self.input(TransportInput::Message { flow: FLOW, message: Message::Response(response) });
    }

    fn event(&mut self) -> Event {
        self.endpoint.poll_event().expect("an event")
    }

    fn quiet(&mut self) {
        assert!(self.endpoint.poll_event().is_none(), "no event");
        assert!(self.endpoint.poll_transmit().is_none(), "nothing to send");
    }

    fn request_event(&mut self) -> (ServerTransactionId, Request) {
        match self.event() {
            Event::Request { tx, request, .. } => (tx, request),
            other => panic!("{other:?}"),
        }
    }

    fn failed(&mut self) -> TransactionError {
        match self.event() {
            Event::Failed { error, .. } => error,
            other => panic!("{other:?}"),
        }
    }

    fn sent(&mut self) -> Message {
        let transmit = self.endpoint.poll_transmit().expect("something to send");
        assert_eq!(transmit.to, Target::Flow(FLOW));
        Message::parse(transmit.bytes, &Limits::default()).unwrap()
    }

    fn sent_request(&mut self) -> Request {
        match self.sent() {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{response:?}"),
        }
    }

    fn sent_response(&mut self) -> Response {
        match self.sent() {
            Message::Response(response) => response,
            Message::Request(request) => panic!("{request:?}"),
        }
    }

    /// Moves the clock from deadline to deadline up to this time after the start.
    fn until(&mut self, after: Duration) {
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= self.start + after) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
        }
        self.now = self.start + after;
    }

    fn send(&mut self, method: Method) -> ClientTransactionId {
        self.send_to(method, Target::Flow(FLOW))
    }

    fn send_to(&mut self, method: Method, target: Target) -> ClientTransactionId {
        self.endpoint.send_request(draft(method), target, self.now)
    }
}

fn draft(method: Method) -> RequestDraft {
    let bob = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
    RequestDraft::new(method, Uri::parse("sip:bob@192.0.2.9").unwrap())
        .from(bob.with_tag("a1"))
        .to(bob)
        .call_id("c1")
        .cseq(3)
        .route(vec!["<sip:p1;lr>".parse().unwrap()])
}

/// The answer a server would give to this request.
fn answer(request: &Request, status: u16) -> Response {
    let bytes = ResponseDraft::to(request, status).to_tag("f1").write();
    match Message::parse(bytes, &Limits::default()) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn invite(branch: &str) -> String {
    incoming("INVITE", branch, 1, "")
}

fn incoming(method: &str, branch: &str, cseq: u32, to_tag: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.1 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.9:5070{branch}
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@192.0.2.1>{to_tag}
        Call-ID: c1
        CSeq: {cseq} {method}"
    )
}

/// The request gets Via with our address and a fresh branch, Max-Forwards and User-Agent.
#[test]
fn request_is_completed() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.send(Method::Options);
    rig.send(Method::Options);
    let (first, second) = (rig.sent_request(), rig.sent_request());
    assert_eq!((first.via().host(), first.via().port()), ("192.0.2.1", Some(5060)));
    assert_eq!(first.via().transport(), Some(TransportKind::Tcp));
    assert!(first.via().has_rfc3261_branch());
    assert_ne!(first.via().branch(), second.via().branch());
    assert_eq!(first.max_forwards(), Some(70));
    assert_eq!(first.headers().get("User-Agent"), Some("Rig"));
}

/// A forwarded request keeps its Vias and Max-Forwards below ours, and gets no User-Agent.
#[test]
fn forwarded_request_is_left_alone() {
    let mut rig = Rig::with(
        TransportKind::Tcp,
        EndpointConfig::default()
            .with_user_agent("Rig")
            .with_advertised(TransportKind::Tcp, addr("198.51.100.1:5080")),
    );
    rig.receive(&(incoming("INFO", ";branch=z9hG4bKx", 4, "") + "\nMax-Forwards: 12"));
    let (_, received) = rig.request_event();
    let draft = RequestDraft::from_request(&received);
    rig.endpoint.send_request(draft, Target::Flow(FLOW), rig.now);
    let sent = rig.sent_request();
    let vias: Vec<&str> = sent.headers().get_all("Via").collect();
    assert_eq!(vias.len(), 2);
    assert!(vias[0].contains("198.51.100.1:5080"), "{vias:?}");
    assert!(vias[1].contains("z9hG4bKx"), "{vias:?}");
    assert_eq!((sent.max_forwards(), sent.headers().get("User-Agent")), (Some(12), None));
}

/// RFC 3261 section 17.1: provisional responses but 100, then one final response; the rest is stray.
#[test]
fn response_is_delivered_once() {
    let mut rig = Rig::new(TransportKind::Udp);
    let tx = rig.send(Method::Info);
    let request = rig.sent_request();
    for status in [100, 183, 200, 200] {
        rig.receive_response(answer(&request, status));
    }
    for expected in [183, 200] {
        match rig.event() {
            Event::Response { tx: of, flow, response } => {
                assert_eq!((of, flow, response.status()), (tx, FLOW, expected));
            }
            other => panic!("{other:?}"),
        }
    }
    rig.quiet();
    rig.until(ms(6_000));
    assert_eq!(rig.endpoint.transactions(), (0, 0));
    rig.receive_response(answer(&request, 200));
    rig.quiet();
    assert_eq!(rig.endpoint.counters().stray_responses, 1);
}

/// RFC 3261 section 17.1.1.3: the ACK of a failure has the INVITE's URI, branch, Route and number, and the response's To.
#[test]
fn failure_is_acknowledged_in_the_transaction() {
    let mut rig = Rig::new(TransportKind::Udp);
    rig.send(Method::Invite);
    let invite = rig.sent_request();
    for _ in 0..2 {
        rig.receive_response(answer(&invite, 486));
        let ack = rig.sent_request();
        assert_eq!((ack.method(), ack.uri()), (&Method::Ack, invite.uri()));
        assert_eq!(ack.via().branch(), invite.via().branch());
        assert_eq!((ack.cseq().number, ack.to().tag()), (3, Some("f1")));
        assert_eq!(ack.route(), invite.route());
    }
    assert!(matches!(rig.event(), Event::Response { response, .. } if response.status() == 486));
    rig.quiet();
}

/// RFC 6026: each 2xx to an INVITE goes to the user, who acknowledges it.
#[test]
fn every_2xx_to_an_invite_is_delivered() {
    let mut rig = Rig::new(TransportKind::Udp);
    rig.send(Method::Invite);
    let invite = rig.sent_request();
    for _ in 0..3 {
        rig.receive_response(answer(&invite, 200));
        assert!(matches!(rig.event(), Event::Response { response, .. } if response.status() == 200));
    }
    rig.quiet();
    rig.until(ms(32_000));
    assert_eq!(rig.endpoint.transactions(), (0, 0));
}

/// RFC 3261 section 17.1.2.2: retransmissions over UDP, none over TCP, and the time-out.
#[test]
fn unanswered_request_times_out() {
    for (transport, sent) in [(TransportKind::Udp, 11), (TransportKind::Tcp, 1)] {
        let mut rig = Rig::new(transport);
        rig.send(Method::Message);
        rig.until(ms(40_000));
        assert_eq!(std::iter::from_fn(|| rig.endpoint.poll_transmit()).count(), sent, "{transport}");
        assert_eq!(rig.failed(), TransactionError::Timeout { waited: ms(32_000) });
        assert_eq!((rig.endpoint.transactions(), rig.endpoint.poll_timeout()), ((0, 0), None));
    }
}

/// RFC 3261 section 18.4: the closed flow fails its transactions at once, after the flow's own event.
#[test]
fn closed_flow_fails_its_transactions() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.send(Method::Invite);
    let done = rig.send(Method::Info);
    rig.sent_request();
    let info = rig.sent_request();
    rig.receive_response(answer(&info, 200));
    assert!(matches!(rig.event(), Event::Response { tx, .. } if tx == done));
    rig.input(TransportInput::Closed { flow: FLOW, reason: CloseReason::Remote });
    assert!(matches!(rig.event(), Event::FlowClosed { flow: FLOW, reason: CloseReason::Remote, .. }));
    assert_eq!(rig.failed(), TransactionError::FlowClosed { reason: CloseReason::Remote });
    rig.quiet();
    rig.send(Method::Info);
    assert!(matches!(rig.failed(), TransactionError::FlowClosed { .. }));
    assert_eq!(rig.endpoint.flow_info(FLOW), None);
}

/// An address is connected once; what waited for it is sent when it is, with the flow's own address in Via.
#[test]
fn address_is_connected_once() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let to = Target::Address { transport: TransportKind::Tcp, addr: addr("203.0.113.5:5060") };
    rig.send_to(Method::Invite, to.clone());
    rig.send_to(Method::Info, to.clone());
    rig.endpoint.send_oneway(draft(Method::Benotify), to.clone(), rig.now);
    let connect = rig.endpoint.poll_transmit().unwrap();
    assert!(connect.is_connect() && connect.to == to);
    rig.quiet();
    let flow = FlowId::new(9);
    let info = FlowInfo { local: addr("192.0.2.1:40000"), ..rig.info("203.0.113.5:5060") };
    rig.input(TransportInput::Connected { flow, info });
    let mut methods = Vec::new();
    while let Some(transmit) = rig.endpoint.poll_transmit() {
        assert_eq!(transmit.to, Target::Flow(flow));
        let Ok(Message::Request(sent)) = Message::parse(transmit.bytes, &Limits::default()) else { panic!() };
        assert_eq!(sent.via().port(), Some(40000));
        methods.push(sent.method().clone());
    }
    assert_eq!(methods, [Method::Benotify, Method::Invite, Method::Info]);
    assert_eq!(rig.endpoint.flow_to(TransportKind::Tcp, addr("203.0.113.5:5060")), Some(flow));
    rig.send_to(Method::Info, to);
    assert_eq!(rig.endpoint.poll_transmit().unwrap().to, Target::Flow(flow));
    assert!(matches!(rig.event(), Event::FlowOpened { .. }));
    rig.input(TransportInput::Closed { flow, reason: CloseReason::Remote });
    assert!(matches!(rig.event(), Event::FlowClosed { .. }));
    assert_eq!(std::iter::from_fn(|| rig.endpoint.poll_event()).count(), 3);
}

/// Design: an accepted flow whose remote address is exactly the target is used; `close_flow` retires it.
#[test]
fn accepted_flow_is_reused_until_retired() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let to = Target::Address { transport: TransportKind::Tcp, addr: addr("192.0.2.9:5070") };
    rig.send_to(Method::Info, to.clone());
    rig.sent_request();
    rig.endpoint.close_flow(FLOW);
    assert!(rig.endpoint.poll_transmit().unwrap().close_after);
    rig.send_to(Method::Info, to);
    assert!(rig.endpoint.poll_transmit().unwrap().is_connect());
}

/// RFC 3261 section 18.4: an address that cannot be reached fails what waits for it, after its own event.
#[test]
fn unreachable_address_fails_what_waits() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let (transport, addr) = (TransportKind::Tcp, addr("203.0.113.5:5060"));
    rig.send_to(Method::Info, Target::Address { transport, addr });
    rig.endpoint.send_oneway(draft(Method::Benotify), Target::Address { transport, addr }, rig.now);
    let reason = UnreachableReason::Refused;
    rig.input(TransportInput::Unreachable { transport, addr, reason });
    assert!(matches!(rig.event(), Event::Unreachable { reason: UnreachableReason::Refused, .. }));
    assert_eq!(rig.failed(), TransactionError::Unreachable { transport, addr, reason });
    assert_eq!(rig.endpoint.counters().oneway_dropped, 1);
    assert_eq!(rig.endpoint.transactions(), (0, 0));
}

/// An ICMP error fails the transactions to that address over UDP, and those only.
#[test]
fn unreachable_udp_address_fails_what_was_sent_there() {
    let mut rig = Rig::new(TransportKind::Udp);
    rig.send(Method::Info);
    let other = FlowId::new(8);
    rig.open(other, "192.0.2.10:5060");
    rig.send_to(Method::Info, Target::Flow(other));
    let (transport, addr) = (TransportKind::Udp, addr("192.0.2.9:5070"));
    rig.input(TransportInput::Unreachable { transport, addr, reason: UnreachableReason::Refused });
    assert!(matches!(rig.event(), Event::Unreachable { .. }));
    assert!(matches!(rig.failed(), TransactionError::Unreachable { .. }));
    assert_eq!(rig.endpoint.transactions(), (1, 0));
}

/// RFC 3261 section 9.1: CANCEL waits for a provisional response and repeats the INVITE's envelope.
#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut rig = Rig::new(TransportKind::Udp);
    let tx = rig.send(Method::Invite);
    let invite = rig.sent_request();
    rig.endpoint.cancel(tx, rig.now);
    rig.quiet();
    rig.receive_response(answer(&invite, 100));
    let cancel = rig.sent_request();
    assert_eq!((cancel.method(), cancel.cseq().number), (&Method::Cancel, 3));
    assert_eq!((cancel.via().branch(), cancel.uri()), (invite.via().branch(), invite.uri()));
    rig.receive_response(answer(&cancel, 200));
    rig.receive_response(answer(&invite, 487));
    assert_eq!(rig.sent_request().method(), &Method::Ack);
    assert!(matches!(rig.event(), Event::Response { response, .. } if response.status() == 487));
    rig.quiet();
}

/// RFC 3261 section 9.1: a cancelled INVITE without final response ends 64*T1 after the CANCEL.
#[test]
fn cancelled_invite_is_given_up() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let tx = rig.send(Method::Invite);
    let invite = rig.sent_request();
    rig.receive_response(answer(&invite, 180));
    assert!(matches!(rig.event(), Event::Response { .. }));
    rig.endpoint.cancel(tx, rig.now);
    rig.until(ms(40_000));
    assert_eq!(rig.failed(), TransactionError::Timeout { waited: ms(32_000) });
    assert_eq!(rig.endpoint.transactions(), (0, 0));
}

/// An INVITE that rings for too long is cancelled and fails; a late 487 is still acknowledged.
#[test]
fn ringing_invite_is_limited() {
    let mut rig = Rig::with(TransportKind::Tcp, EndpointConfig::default().with_invite_total(ms(60_000)));
    rig.send(Method::Invite);
    let invite = rig.sent_request();
    rig.receive_response(answer(&invite, 180));
    rig.event();
    rig.until(ms(60_000));
    assert_eq!(rig.sent_request().method(), &Method::Cancel);
    assert_eq!(rig.failed(), TransactionError::Timeout { waited: ms(60_000) });
    rig.receive_response(answer(&invite, 487));
    assert_eq!(rig.sent_request().method(), &Method::Ack);
    rig.quiet();
}

/// Of an abandoned transaction nothing is heard, queued events included, but it is brought to its end.
#[test]
fn abandoned_transaction_is_silent() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let tx = rig.send(Method::Invite);
    let invite = rig.sent_request();
    rig.receive_response(answer(&invite, 180));
    rig.endpoint.abandon(tx);
    rig.receive_response(answer(&invite, 404));
    assert_eq!(rig.sent_request().method(), &Method::Ack);
    rig.quiet();
}

/// RFC 3261 section 17.2: a repeated request gets the last response again and is not seen twice.
#[test]
fn repeated_request_is_absorbed() {
    let mut rig = Rig::new(TransportKind::Udp);
    let text = incoming("INFO", ";branch=z9hG4bK1", 2, ";tag=b1");
    rig.receive(&text);
    let (tx, request) = rig.request_event();
    rig.receive(&text);
    rig.quiet();
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
    assert_eq!(rig.sent_response().status(), 200);
    rig.receive(&text);
    assert_eq!(rig.sent_response().status(), 200);
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 500), rig.now);
    rig.quiet();
    let counters = rig.endpoint.counters();
    assert_eq!((counters.retransmissions_absorbed, counters.late_answers), (2, 1));
    rig.until(ms(32_000));
    assert_eq!(rig.endpoint.transactions(), (0, 0));
}

/// RFC 3261 section 18.2.1 and RFC 3581: the response's Via says where the request came from; a To tag is added.
#[test]
fn response_notes_the_source() {
    let mut rig = Rig::new(TransportKind::Udp);
    let text = incoming("OPTIONS", ";branch=z9hG4bK1;rport", 2, "")
        .replace("UDP 192.0.2.9:5070", "UDP 10.0.0.1:5060");
    rig.receive(&text);
    let (tx, request) = rig.request_event();
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
    let response = rig.sent_response();
    assert_eq!(response.via().rport(), Some(Some(5070)));
    assert_eq!(response.via().received(), Some("192.0.2.9".parse().unwrap()));
    assert!(response.to().tag().is_some());
    assert_eq!(response.headers().get("Server"), Some("Rig"));
}

/// RFC 3261 section 18.2.2: when the flow is gone, the response goes where Via says; a name cannot be followed.
#[test]
fn response_goes_by_via_when_the_flow_is_gone() {
    let table = [
        (TransportKind::Tcp, "TCP 10.0.0.1:5062", Some("192.0.2.9:5062")),
        (TransportKind::Tcp, "TCP 192.0.2.9", Some("192.0.2.9:5060")),
        (TransportKind::Udp, "UDP 10.0.0.1:5062;rport", Some("192.0.2.9:5070")),
    ];
    for (transport, via, expected) in table {
        let mut rig = Rig::new(transport);
        let text = incoming("OPTIONS", ";branch=z9hG4bK1", 2, "").replace("UDP 192.0.2.9:5070", via);
        rig.receive(&text);
        let (tx, request) = rig.request_event();
        rig.input(TransportInput::Closed { flow: FLOW, reason: CloseReason::Remote });
        rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
        let to = rig.endpoint.poll_transmit().map(|transmit| transmit.to);
        assert_eq!(to, expected.map(|text| Target::Address { transport, addr: addr(text) }), "{via}");
    }
}

/// real-client-sipe.md section 3: without branch, requests are told apart by Call-ID, From tag, CSeq and sent-by.
#[test]
fn requests_without_branch_are_matched_the_old_way() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let first = incoming("INFO", "", 2, ";tag=b1");
    rig.receive(&first);
    rig.request_event();
    rig.receive(&first);
    rig.quiet();
    let others = [
        incoming("INFO", "", 3, ";tag=b1"),
        first.replace("tag=a1", "tag=a2"),
        first.replace("Call-ID: c1", "Call-ID: c2"),
        first.replace(":5070", ":5071"),
    ];
    for other in others {
        rig.receive(&other);
        rig.request_event();
    }
}

/// An ACK of a failure ends with its transaction; an ACK of a 2xx goes to the user and stops the repetition.
#[test]
fn ack_finds_its_invite() {
    for (status, seen) in [(486, false), (200, true)] {
        let mut rig = Rig::new(TransportKind::Udp);
        rig.receive(&invite(";branch=z9hG4bK1"));
        let (tx, request) = rig.request_event();
        rig.endpoint.respond(tx, ResponseDraft::to(&request, status).to_tag("b1"), rig.now);
        rig.until(ms(500));
        assert_eq!((rig.sent_response().status(), rig.sent_response().status()), (status, status));
        let branch = if seen { ";branch=z9hG4bK2" } else { ";branch=z9hG4bK1" };
        rig.receive(&incoming("ACK", branch, 1, ";tag=b1"));
        if seen {
            assert!(matches!(rig.event(), Event::Oneway { .. }));
        }
        rig.until(ms(40_000));
        rig.quiet();
        assert_eq!(rig.endpoint.transactions(), (0, 0));
    }
}

/// c3p.md section 7: sipe's ACK has no branch and always CSeq 1; the dialog finds its INVITE.
#[test]
fn ack_of_sipe_is_found_by_the_dialog() {
    for (status, seen) in [(486, false), (200, true)] {
        let mut rig = Rig::new(TransportKind::Tcp);
        rig.receive(&incoming("INVITE", "", 2, ""));
        let (tx, request) = rig.request_event();
        rig.endpoint.respond(tx, ResponseDraft::to(&request, status).to_tag("b1"), rig.now);
        rig.sent_response();
        rig.receive(&incoming("ACK", "", 1, ";tag=b1"));
        assert_eq!(matches!(rig.endpoint.poll_event(), Some(Event::Oneway { .. })), seen);
        rig.until(ms(40_000));
        rig.quiet();
        assert_eq!(rig.endpoint.counters().missing_acks, 0);
    }
}

/// The ACK with CSeq 1 of a 2xx to an INVITE with CSeq 2 is not taken for that of a refused INVITE with CSeq 1.
#[test]
fn ack_of_sipe_is_not_taken_for_that_of_its_first_invite() {
    let mut rig = Rig::new(TransportKind::Tcp);
    for (cseq, status, tag) in [(1, 401, "b1"), (2, 200, "b2")] {
        rig.receive(&incoming("INVITE", "", cseq, ""));
        let (tx, request) = rig.request_event();
        rig.endpoint.respond(tx, ResponseDraft::to(&request, status).to_tag(tag), rig.now);
        rig.sent_response();
    }
    rig.receive(&incoming("ACK", "", 1, ";tag=b2"));
    assert!(matches!(rig.event(), Event::Oneway { .. }));
    rig.until(ms(40_000));
    rig.quiet();
    // ACK of the 401 never came: on TCP nobody but the counter notices.
    assert_eq!(rig.endpoint.counters().missing_acks, 1);
}

/// An ACK of an earlier 2xx does not end a later INVITE of the same dialog that was refused.
#[test]
fn ack_of_an_earlier_2xx_does_not_confirm_a_failure() {
    let mut rig = Rig::new(TransportKind::Udp);
    rig.receive(&incoming("INVITE", ";branch=z9hG4bK1", 5, ";tag=b1"));
    let (tx, request) = rig.request_event();
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 491), rig.now);
    rig.sent_response();
    rig.receive(&incoming("ACK", ";branch=z9hG4bK0", 4, ";tag=b1"));
    assert!(matches!(rig.event(), Event::Oneway { .. }));
    rig.until(ms(500));
    assert_eq!(rig.sent_response().status(), 491);
}

/// RFC 3261 section 13.3.1.4: an ACK is for the 2xx with its number, whatever else the dialog was answered.
#[test]
fn ack_stops_the_2xx_with_its_number() {
    // The copy of an old ACK does not stop the 2xx of the next INVITE.
    let mut rig = Rig::new(TransportKind::Udp);
    rig.receive(&incoming("INVITE", ";branch=z9hG4bK1", 5, ";tag=b1"));
    let (tx, request) = rig.request_event();
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
    rig.sent_response();
    rig.receive(&incoming("ACK", ";branch=z9hG4bK0", 4, ";tag=b1"));
    assert!(matches!(rig.event(), Event::Oneway { .. }));
    rig.until(ms(500));
    assert_eq!(rig.sent_response().status(), 200);
    // An INVITE that is refused while the ACK of the one before is on its way does not hide it.
    rig.receive(&incoming("INVITE", ";branch=z9hG4bK2", 6, ";tag=b1"));
    let (tx, request) = rig.request_event();
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 491), rig.now);
    rig.sent_response();
    rig.receive(&incoming("ACK", ";branch=z9hG4bK2", 6, ";tag=b1"));
    rig.receive(&incoming("ACK", ";branch=z9hG4bK3", 5, ";tag=b1"));
    assert!(matches!(rig.event(), Event::Oneway { .. }));
    rig.until(ms(40_000));
    rig.quiet();
    assert_eq!(rig.endpoint.counters().missing_acks, 0);
}

/// Nobody acknowledges the 2xx: the user hears of it at 64*T1, also over TCP; a forwarded 2xx is not our business.
#[test]
fn missing_ack_is_told() {
    for (transport, repeated) in [(TransportKind::Udp, 10), (TransportKind::Tcp, 10)] {
        let mut rig = Rig::new(transport);
        rig.receive(&invite(";branch=z9hG4bK1"));
        let (tx, request) = rig.request_event();
        rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
        rig.until(ms(40_000));
        assert_eq!(std::iter::from_fn(|| rig.endpoint.poll_transmit()).count(), 1 + repeated);
        assert!(matches!(rig.event(), Event::NoAck { tx: of } if of == tx));
        rig.quiet();
    }
    let mut rig = Rig::new(TransportKind::Udp);
    rig.receive(&invite(";branch=z9hG4bK1"));
    let (tx, request) = rig.request_event();
    for _ in 0..2 {
        rig.endpoint.forward_response(tx, ResponseDraft::to(&request, 200), rig.now);
        assert_eq!(rig.sent_response().headers().get("Server"), None);
    }
    rig.until(ms(40_000));
    rig.quiet();
}

/// RFC 3261 section 9.2: CANCEL is answered 200 and told once; after the final answer it changes nothing; 481 if unknown.
#[test]
fn cancel_is_answered() {
    let mut rig = Rig::new(TransportKind::Udp);
    rig.receive(&invite(";branch=z9hG4bK1"));
    let (tx, request) = rig.request_event();
    let cancel = incoming("CANCEL", ";branch=z9hG4bK1", 1, "");
    rig.receive(&cancel);
    assert_eq!(rig.sent_response().status(), 200);
    assert!(matches!(rig.event(), Event::Cancelled { tx: of } if of == tx));
    rig.receive(&cancel);
    assert_eq!(rig.sent_response().status(), 200);
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 487), rig.now);
    assert_eq!(rig.sent_response().status(), 487);
    rig.quiet();

    rig.receive(&incoming("CANCEL", ";branch=z9hG4bK9", 1, ""));
    assert_eq!(rig.sent_response().status(), 481);
    rig.quiet();
    assert_eq!(rig.endpoint.counters().stray_cancels, 1);
}

/// RFC 3261 section 9.2: the answer to a CANCEL has the To tag that the INVITE was answered with.
#[test]
fn cancel_is_answered_with_the_tag_of_its_invite() {
    for status in [180, 200] {
        let mut rig = Rig::new(TransportKind::Udp);
        rig.receive(&invite(";branch=z9hG4bK1"));
        let (tx, request) = rig.request_event();
        rig.endpoint.respond(tx, ResponseDraft::to(&request, status), rig.now);
        let answered = rig.sent_response();
        rig.receive(&incoming("CANCEL", ";branch=z9hG4bK1", 1, ""));
        let cancelled = rig.sent_response();
        assert_eq!(cancelled.status(), 200);
        assert!(answered.to().tag().is_some() && answered.to().tag() == cancelled.to().tag(), "{status}");
    }
}

/// A CANCEL without branch finds its INVITE the old way.
#[test]
fn cancel_without_branch_finds_its_invite() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.receive(&incoming("INVITE", "", 1, ""));
    let (tx, _) = rig.request_event();
    rig.receive(&incoming("CANCEL", "", 1, ""));
    assert!(matches!(rig.event(), Event::Cancelled { tx: of } if of == tx));
}

/// RFC 3261 section 17.2.1: 100 after 200 ms, unless the user answered.
#[test]
fn trying_is_said_for_a_slow_user() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.receive(&invite(";branch=z9hG4bK1"));
    let (tx, request) = rig.request_event();
    rig.until(ms(200));
    let trying = rig.sent_response();
    assert_eq!((trying.status(), trying.to().tag()), (100, None));
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 180), rig.now);
    assert_eq!(rig.sent_response().status(), 180);
    rig.receive(&invite(";branch=z9hG4bK1"));
    assert_eq!(rig.sent_response().status(), 180);
}

/// A request that the user forgets is answered for it.
#[test]
fn forgotten_request_is_answered() {
    let mut rig = Rig::with(TransportKind::Tcp, EndpointConfig::default().with_answer_within(ms(10_000)));
    rig.receive(&incoming("INFO", ";branch=z9hG4bK1", 1, ";tag=b1"));
    rig.request_event();
    rig.until(ms(10_000));
    assert_eq!(rig.sent_response().status(), 500);
    assert_eq!(rig.endpoint.counters().unanswered, 1);
    assert_eq!(rig.endpoint.transactions(), (0, 0));
}

/// Too many transactions: 503 with Retry-After and diagnostics, statelessly; our own requests fail at once.
#[test]
fn transactions_are_limited() {
    let config =
        EndpointConfig::default().with_max_transactions(2).with_diagnostics_source("fe1.example.com");
    let mut rig = Rig::with(TransportKind::Tcp, config);
    for cseq in 1..=3 {
        rig.receive(&incoming("INFO", &format!(";branch=z9hG4bK{cseq}"), cseq, ";tag=b1"));
    }
    rig.request_event();
    let (tx, request) = rig.request_event();
    assert!(matches!(rig.event(), Event::Rejected { status: Some(503), .. }));
    let refused = rig.sent_response();
    assert_eq!((refused.status(), refused.cseq().number), (503, 3));
    assert_eq!(refused.headers().get("Retry-After"), Some("10"));
    let diagnostics = r#"1000;reason="Too many transactions";source="fe1.example.com""#;
    assert_eq!(refused.headers().get("ms-diagnostics"), Some(diagnostics));
    assert_eq!(rig.endpoint.transactions(), (0, 2));
    rig.endpoint.respond(tx, ResponseDraft::to(&request, 200), rig.now);
    rig.sent_response();
    rig.until(ms(0));
    rig.receive(&incoming("INFO", ";branch=z9hG4bK4", 4, ";tag=b1"));
    rig.request_event();
    for _ in 0..3 {
        rig.send(Method::Info);
    }
    assert_eq!(rig.failed(), TransactionError::Overloaded);
}

/// A malformed request with readable essentials is answered; ACKs, responses and garbage are dropped and counted.
#[test]
fn malformed_messages_are_answered_or_counted() {
    let mut rig = Rig::new(TransportKind::Tcp);
    let good = incoming("INFO", ";branch=z9hG4bK1", 1, ";tag=b1").replace('\n', "\r\n")
        + "\r\nContent-Length: 0\r\n\r\n";
    let good: String = good.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let table = [
        (good.replacen("SIP/2.0", "SIP/3.0", 1), Some(505)),
        (good.replace("CSeq: 1 INFO", "CSeq: 1 BYE"), Some(400)),
        (good.replace("INFO sip:bob@192.0.2.1", "ACK nonsense").replace("1 INFO", "1 ACK"), None),
        (good.replace("Via", "X-Via"), None),
        ("SIP/2.0 2000 OK\r\n\r\n".to_owned(), None),
    ];
    let (mut answered, mut dropped) = (0, 0);
    for (text, expected) in table {
        let raw = Bytes::from(text.clone());
        let error = Message::parse(raw.clone(), &Limits::default()).unwrap_err();
        rig.input(TransportInput::Malformed { flow: FLOW, error, raw });
        assert!(matches!(rig.event(), Event::Rejected { status, .. } if status == expected), "{text}");
        match expected {
            Some(status) => {
                let response = rig.sent_response();
                assert_eq!(response.status(), status, "{text}");
                assert!(response.headers().get("ms-diagnostics").unwrap().starts_with("1000;reason=\""));
                answered += 1;
            }
            None => dropped += 1,
        }
        rig.quiet();
    }
    let counters = rig.endpoint.counters();
    assert_eq!((counters.malformed_answered, counters.malformed_dropped), (answered, dropped));
}

/// BENOTIFY and stray ACKs go to the user without transaction; unknown methods as any other request.
#[test]
fn oneway_requests_have_no_transaction() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.receive(&incoming("BENOTIFY", ";branch=z9hG4bK1", 1, ";tag=b1"));
    rig.receive(&incoming("ACK", ";branch=z9hG4bK2", 1, ";tag=b1"));
    rig.receive(&incoming("FROBNICATE", ";branch=z9hG4bK3", 1, ";tag=b1"));
    assert!(matches!(rig.event(), Event::Oneway { request, .. } if *request.method() == Method::Benotify));
    assert!(matches!(rig.event(), Event::Oneway { request, .. } if *request.method() == Method::Ack));
    let (_, request) = rig.request_event();
    assert_eq!(request.method().to_string(), "FROBNICATE");
    assert_eq!(rig.endpoint.transactions(), (0, 1));
}

/// A keep-alive goes out on request, and its answer is told.
#[test]
fn keep_alive_is_sent_and_answered() {
    let mut rig = Rig::new(TransportKind::Tcp);
    rig.endpoint.ping(FLOW);
    assert_eq!(&rig.endpoint.poll_transmit().unwrap().bytes[..], b"\r\n\r\n");
    rig.input(TransportInput::Pong { flow: FLOW });
    assert!(matches!(rig.event(), Event::Pong { flow: FLOW }));
    rig.endpoint.ping(FlowId::new(99));
    rig.quiet();
}

/// A response whose branch is not ours is dropped and counted.
#[test]
fn stray_response_is_dropped() {
    let mut rig = Rig::new(TransportKind::Udp);
    rig.receive_response(response(
        "SIP/2.0 200 OK
        Via: SIP/2.0/UDP h;branch=z9hG4bKother
        From: <sip:a@b>;tag=1
        To: <sip:c@d>;tag=2
        Call-ID: x
        CSeq: 1 INFO",
    ));
    rig.quiet();
    assert_eq!(rig.endpoint.counters().stray_responses, 1);
}
