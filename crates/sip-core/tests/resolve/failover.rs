//! The next destination: RFC 3263 section 4.3 and RFC 4320 as a table, and over an endpoint.

use std::time::{Duration, Instant};

use sip_core::resolve::{
    Destination, DestinationMemory, Failover, MemoryConfig, NextStep, Progress, Sending, TryOutcome,
};
use sip_core::{
    CloseReason, Endpoint, EndpointConfig, Event, FlowId, FlowInfo, Limits, Message, Method, Request,
    RequestDraft, ResponseDraft, SeededIds, TransactionError, Transmit, TransportInput, TransportKind,
    UnreachableReason, Uri,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(n: u8) -> Destination {
    let identity = "example.test".parse().unwrap();
    Destination { transport: TransportKind::Udp, addr: ([192, 0, 2, n], 5060).into(), identity }
}

fn list(numbers: &[u8]) -> Vec<Destination> {
    numbers.iter().copied().map(at).collect()
}

fn numbers(list: &[Destination]) -> Vec<u8> {
    let last = |d: &Destination| match d.addr.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    };
    list.iter().map(last).collect()
}

const TIMEOUT: TryOutcome = TryOutcome::Failed(TransactionError::Timeout { waited: Duration::from_secs(32) });
const CLOSED_BY_US: TryOutcome =
    TryOutcome::Failed(TransactionError::FlowClosed { reason: CloseReason::Local });
const CLOSED: TryOutcome = TryOutcome::Failed(TransactionError::FlowClosed { reason: CloseReason::Remote });
const OVERLOADED: TryOutcome = TryOutcome::Failed(TransactionError::Overloaded);

fn refused() -> TryOutcome {
    TryOutcome::Failed(TransactionError::Unreachable {
        transport: TransportKind::Udp,
        addr: at(1).addr,
        reason: UnreachableReason::Refused,
    })
}

fn answer(status: u16) -> TryOutcome {
    TryOutcome::Final { status, retry_after: None }
}

fn busy(seconds: u64) -> TryOutcome {
    TryOutcome::Final { status: 503, retry_after: Some(secs(seconds)) }
}

/// What is remembered of the first destination.
#[derive(Debug, PartialEq)]
enum Memory {
    Nothing,
    /// Bad until so many seconds later.
    Bad(u64),
    Works,
}

/// What came of the first try: the second one is made, or not; and what is remembered.
#[test]
fn first_try_table() {
    use Memory::{Bad, Nothing, Works};
    let (invite, other) = (Method::Invite, Method::Options);
    let heard = TryOutcome::Provisional;
    let rows: [(&Method, bool, &[TryOutcome], bool, Memory); 28] = [
        (&other, false, &[TIMEOUT], true, Bad(30)),
        (&invite, false, &[TIMEOUT], true, Bad(30)),
        (&invite, true, &[TIMEOUT], true, Bad(30)),
        // RFC 4320: the client before us has given up too.
        (&other, true, &[TIMEOUT], false, Bad(30)),
        (&other, true, &[refused()], true, Bad(30)),
        (&other, false, &[refused()], true, Bad(30)),
        (&invite, false, &[refused()], true, Bad(30)),
        (&other, false, &[CLOSED], true, Bad(30)),
        // Somebody has the request.
        (&invite, false, &[heard, TIMEOUT], false, Nothing),
        (&invite, false, &[heard, CLOSED], false, Nothing),
        (&other, false, &[heard, TIMEOUT], false, Nothing),
        // 503 moves on, even after a provisional answer; only its Retry-After is remembered, up to 10 min.
        (&other, false, &[answer(503)], true, Nothing),
        (&invite, false, &[answer(503)], true, Nothing),
        (&other, true, &[answer(503)], true, Nothing),
        (&invite, false, &[heard, answer(503)], true, Nothing),
        (&other, false, &[busy(7)], true, Bad(7)),
        (&other, false, &[busy(0)], true, Nothing),
        (&other, false, &[busy(100_000)], true, Bad(600)),
        // Everything else is the answer.
        (&other, false, &[answer(200)], false, Works),
        (&other, false, &[answer(408)], false, Works),
        (&invite, false, &[answer(408)], false, Works),
        (&other, false, &[answer(500)], false, Works),
        (&other, false, &[answer(504)], false, Works),
        (&invite, false, &[answer(603)], false, Works),
        (&invite, false, &[answer(302)], false, Works),
        (&invite, false, &[heard, heard, answer(200)], false, Works),
        // Closed by this end: nobody failed.
        (&other, false, &[CLOSED_BY_US], true, Nothing),
        (&other, false, &[OVERLOADED], false, Nothing),
    ];
    let now = Instant::now();
    for (method, forwarding, outcomes, moves, remembered) in rows {
        let mut memory = DestinationMemory::new(MemoryConfig::default());
        let mut failover = Failover::new(method, Some("dialog"), &list(&[1, 2]), &memory, now);
        if forwarding {
            failover = failover.forwarding();
        }
        let mut last = NextStep::Wait;
        for outcome in outcomes {
            assert_eq!(last, NextStep::Wait);
            last = failover.handle(*outcome, &mut memory, now);
        }
        let expected = if moves { NextStep::Try(at(2)) } else { NextStep::Done };
        assert_eq!(last, expected, "{method} {forwarding} {outcomes:?}");
        let bad = |seconds| memory.is_bad(&at(1), now + secs(seconds));
        match remembered {
            Nothing => assert!(memory.is_empty(), "{outcomes:?}"),
            Bad(time) => assert!(bad(time - 1) && !bad(time), "{outcomes:?}"),
            Works => assert_eq!(memory.kept_for("dialog"), Some(&at(1)), "{outcomes:?}"),
        }
    }
}

/// Each destination once, and then the last failure is the outcome; nothing happens after the end.
#[test]
fn the_list_ends() {
    let now = Instant::now();
    let mut memory = DestinationMemory::new(MemoryConfig::default());
    let mut failover = Failover::new(&Method::Options, None, &list(&[1, 2, 3]), &memory, now);
    assert_eq!(numbers(failover.rest()), [2, 3]);
    assert_eq!(failover.handle(refused(), &mut memory, now), NextStep::Try(at(2)));
    assert_eq!(failover.handle(TryOutcome::Provisional, &mut memory, now), NextStep::Wait);
    // The provisional answer was the second one's: the third may time out and so on.
    assert_eq!(failover.handle(answer(503), &mut memory, now), NextStep::Try(at(3)));
    assert_eq!(failover.handle(TIMEOUT, &mut memory, now), NextStep::Done);
    assert_eq!(failover.handle(answer(200), &mut memory, now), NextStep::Done);
    assert_eq!(memory.len(), (2, 0));

    let mut few = Failover::new(&Method::Options, None, &list(&[4, 5, 6]), &memory, now).with_max_tries(2);
    assert_eq!(few.handle(refused(), &mut memory, now), NextStep::Try(at(5)));
    assert_eq!(few.handle(refused(), &mut memory, now), NextStep::Done);
    let mut none = Failover::new(&Method::Options, None, &[], &memory, now).with_max_tries(0);
    assert_eq!(none.current(), None);
    assert_eq!(none.handle(TIMEOUT, &mut memory, now), NextStep::Done);
    let mut stopped = Failover::new(&Method::Invite, None, &list(&[7, 8]), &memory, now);
    stopped.stop();
    assert_eq!(stopped.handle(refused(), &mut memory, now), NextStep::Done);
}

/// What failed comes last for its time; where a dialog was comes first while it works.
#[test]
fn arrangement() {
    let now = Instant::now();
    let mut memory = DestinationMemory::new(MemoryConfig::default().with_bad_for(secs(10)));
    let all = list(&[1, 2, 3, 4]);
    let order = |memory: &DestinationMemory, who, at| numbers(&memory.arrange(who, &all, at));
    memory.failed(&at(1), now);
    memory.told_to_wait(&at(3), secs(20), now);
    assert_eq!(order(&memory, None, now), [2, 4, 1, 3]);
    assert_eq!(order(&memory, None, now + secs(10)), [1, 2, 4, 3]);
    assert_eq!(order(&memory, None, now + secs(20)), [1, 2, 3, 4]);
    // A shorter time does not undo what it asked for.
    memory.failed(&at(3), now);
    assert!(memory.is_bad(&at(3), now + secs(19)));

    memory.works(Some("one"), &at(4));
    memory.works(Some("two"), &at(2));
    assert_eq!(order(&memory, Some("one"), now), [4, 2, 1, 3]);
    assert_eq!(order(&memory, Some("two"), now), [2, 4, 1, 3]);
    assert_eq!(order(&memory, Some("three"), now), [2, 4, 1, 3]);
    // It does not work any more: last, like others.
    memory.failed(&at(4), now);
    assert_eq!(order(&memory, Some("one"), now), [2, 1, 3, 4]);
    // It answers again.
    memory.works(Some("one"), &at(4));
    assert_eq!(order(&memory, Some("one"), now), [4, 2, 1, 3]);
    memory.release("one");
    assert_eq!(memory.kept_for("one"), None);
    // No longer in the DNS: never added to a list.
    memory.works(Some("one"), &at(9));
    assert_eq!(order(&memory, Some("one"), now), [2, 4, 1, 3]);
}

/// An endpoint, and the requests that it sends.
struct Wire {
    endpoint: Endpoint,
    flows: u64,
    now: Instant,
}

impl Wire {
    fn new() -> Self {
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)));
        Self { endpoint, flows: 0, now: Instant::now() }
    }

    /// Opens what is asked for, and gives the next message that goes out, with its flow.
    fn sent(&mut self) -> (FlowId, Request) {
        loop {
            let transmit: Transmit = self.endpoint.poll_transmit().expect("something is sent");
            match transmit.to {
                sip_core::Target::Address { transport, addr: remote } => {
                    self.flows += 1;
                    let info = FlowInfo { remote, local: "192.0.2.99:5060".parse().unwrap(), transport };
                    let flow = FlowId::new(self.flows);
                    self.endpoint.handle(TransportInput::Connected { flow, info }, self.now);
                }
                sip_core::Target::Flow(flow) => {
                    match Message::parse(transmit.bytes, &Limits::default()).expect("a message") {
                        Message::Request(request) => return (flow, request),
                        Message::Response(_) => panic!("a response was sent"),
                    }
                }
                sip_core::Target::Server { .. } => panic!("TLS was not asked for"),
            }
        }
    }

    fn answer(&mut self, flow: FlowId, request: &Request, status: u16, retry_after: Option<&str>) {
        let mut draft = ResponseDraft::to(request, status).to_tag("2");
        if let Some(value) = retry_after {
            draft = draft.header("Retry-After", value.to_owned());
        }
        let message = Message::parse(draft.write(), &Limits::default()).expect("our own response");
        self.endpoint.handle(TransportInput::Message { flow, message }, self.now);
    }

    fn events(&mut self, sending: &mut Sending, memory: &mut DestinationMemory) -> Vec<Progress> {
        let mut told = Vec::new();
        while let Some(event) = self.endpoint.poll_event() {
            told.push(sending.handle_event(&event, &mut self.endpoint, memory, self.now));
        }
        told.retain(|progress| *progress != Progress::Unrelated);
        told
    }
}

fn draft(method: Method) -> RequestDraft {
    let uri = Uri::parse("sip:bob@example.test").unwrap();
    RequestDraft::new(method, uri)
        .from("<sip:alice@example.test>;tag=1".parse().unwrap())
        .to("<sip:bob@example.test>".parse().unwrap())
        .call_id("4711")
        .cseq(7)
}

/// RFC 3263 section 4.3: the same request, a transaction of its own. 503, then a timeout, then an answer.
#[test]
fn each_try_is_a_transaction_of_its_own() {
    let mut wire = Wire::new();
    let mut memory = DestinationMemory::new(MemoryConfig::default());
    let failover = Failover::new(&Method::Options, Some("4711"), &list(&[1, 2, 3]), &memory, wire.now);
    let mut sending = Sending::start(draft(Method::Options), failover, &mut wire.endpoint, wire.now).unwrap();
    let first_tx = sending.transaction();
    let (flow, one) = wire.sent();
    wire.answer(flow, &one, 503, Some("120 (tea)"));
    assert_eq!(wire.events(&mut sending, &mut memory), [Progress::Moved]);
    assert_ne!(sending.transaction(), first_tx);
    assert!(memory.is_bad(&at(1), wire.now + secs(119)));

    let (_, two) = wire.sent();
    for _ in 0..20 {
        let Some(deadline) = wire.endpoint.poll_timeout() else { break };
        wire.now = deadline;
        wire.endpoint.handle_timeout(wire.now);
        while wire.endpoint.poll_transmit().is_some() {}
        if wire.events(&mut sending, &mut memory) == [Progress::Moved] {
            break;
        }
    }
    assert_eq!(sending.destination(), Some(&at(3)));
    let (flow, three) = wire.sent();
    let branches = [&one, &two, &three].map(|request| request.via().branch().unwrap().to_owned());
    assert!(branches[0] != branches[1] && branches[1] != branches[2] && branches[0] != branches[2]);
    for other in [&two, &three] {
        assert_eq!((other.call_id(), other.cseq()), (one.call_id(), one.cseq()));
        assert_eq!(other.from().tag(), one.from().tag());
        assert_eq!(other.headers().get_all("Via").count(), 1);
    }
    wire.answer(flow, &three, 200, None);
    assert_eq!(wire.events(&mut sending, &mut memory), [Progress::Ended]);
    // The next request of the dialog goes where this one was answered.
    let next = Failover::new(&Method::Options, Some("4711"), &list(&[1, 2, 3]), &memory, wire.now);
    assert_eq!(next.current(), Some(&at(3)));
}

/// An INVITE that was cancelled goes nowhere else; one without destination does not start.
#[test]
fn cancelled_and_without_destination() {
    let mut wire = Wire::new();
    let mut memory = DestinationMemory::new(MemoryConfig::default());
    let failover = Failover::new(&Method::Invite, None, &list(&[1, 2]), &memory, wire.now);
    let mut sending = Sending::start(draft(Method::Invite), failover, &mut wire.endpoint, wire.now).unwrap();
    let (flow, invite) = wire.sent();
    wire.answer(flow, &invite, 180, None);
    assert_eq!(wire.events(&mut sending, &mut memory), [Progress::Provisional]);
    sending.cancel(&mut wire.endpoint, wire.now);
    assert_eq!(wire.sent().1.method(), &Method::Cancel);
    wire.answer(flow, &invite, 503, None);
    assert_eq!(wire.events(&mut sending, &mut memory), [Progress::Ended]);

    let nowhere = Failover::new(&Method::Invite, None, &[], &memory, wire.now);
    assert!(Sending::start(draft(Method::Invite), nowhere, &mut wire.endpoint, wire.now).is_err());
    // Events of other transactions are not its own.
    let other = wire.endpoint.send_request(draft(Method::Options), at(1).target(), wire.now);
    let event = Event::Failed { tx: other, error: TransactionError::Overloaded };
    let progress = sending.handle_event(&event, &mut wire.endpoint, &mut memory, wire.now);
    assert_eq!(progress, Progress::Unrelated);
}
