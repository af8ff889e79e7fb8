//! Requests that wait for their connection: in which order they leave, which do not leave at all, and where they go when it
//! cannot be made. Found by the simulation of the client (crate `testkit`).

use std::net::SocketAddr;
use std::time::Instant;

use sip_core::ua::{Routing, UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    CloseReason, Endpoint, EndpointConfig, FlowId, FlowInfo, ListenAddr, Method, NameAddr, RequestDraft,
    SeededIds, Target, TransportInput, TransportKind, UnreachableReason, Uri,
};

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

fn at(last: u8) -> Target {
    Target::Address { transport: TransportKind::Tcp, addr: addr(last) }
}

fn connected(flow: u64, last: u8) -> TransportInput {
    let info = FlowInfo {
        remote: addr(last),
        local: SocketAddr::from(([192, 0, 2, 99], 40_000)),
        transport: TransportKind::Tcp,
    };
    TransportInput::Connected { flow: FlowId::new(flow), info }
}

fn refused(last: u8) -> TransportInput {
    let reason = UnreachableReason::Refused;
    TransportInput::Unreachable { transport: TransportKind::Tcp, addr: addr(last), reason }
}

fn draft(method: Method) -> RequestDraft {
    let uri = |text| Uri::parse(text).expect("a URI");
    RequestDraft::new(method, uri("sip:alice@example.com"))
        .from(NameAddr::new(uri("sip:bob@example.com")).with_tag("1"))
        .to(NameAddr::new(uri("sip:alice@example.com")))
        .call_id("waiting")
        .cseq(1)
}

fn endpoint() -> Endpoint {
    Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)))
}

fn methods(endpoint: &mut Endpoint) -> Vec<String> {
    let sent = std::iter::from_fn(|| endpoint.poll_transmit()).filter(|transmit| !transmit.bytes.is_empty());
    sent.map(|transmit| {
        String::from_utf8_lossy(&transmit.bytes).split(' ').next().unwrap_or_default().to_owned()
    })
    .collect()
}

/// RFC 3261 section 13.2.2.4: the ACK goes before the BYE of its dialog.
#[test]
fn ack_leaves_before_bye() {
    let (mut endpoint, now) = (endpoint(), Instant::now());
    endpoint.send_oneway(draft(Method::Ack), at(1), now);
    endpoint.send_request(draft(Method::Bye), at(1), now);
    endpoint.handle(connected(1, 1), now);
    assert_eq!(methods(&mut endpoint), ["ACK", "BYE"]);
}

/// What is withdrawn before its connection is there is never sent; what is abandoned is.
#[test]
fn withdrawn_requests_are_not_sent() {
    let (mut endpoint, now) = (endpoint(), Instant::now());
    let update = endpoint.send_request(draft(Method::Update), at(1), now);
    let bye = endpoint.send_request(draft(Method::Bye), at(1), now);
    endpoint.withdraw(update);
    endpoint.abandon(bye);
    endpoint.handle(connected(1, 1), now);
    assert_eq!(methods(&mut endpoint), ["BYE"]);
    assert_eq!(endpoint.transactions().0, 1);
}

/// A connection that dies and cannot be made again: the request goes to the next server, and fails when none is left.
#[test]
fn lost_connection_leads_to_the_next_server() {
    let now = Instant::now();
    let servers = [1, 2].map(|last| ListenAddr::new(TransportKind::Tcp, addr(last))).to_vec();
    let identity = NameAddr::new(Uri::parse("sip:bob@example.com").expect("a URI"));
    let mut ua = UserAgent::new(endpoint(), UserAgentConfig::new(identity, servers).without_registration());
    let id = ua.send(draft(Method::Subscribe), Routing::Outbound, now);
    ua.endpoint().handle(connected(1, 1), now);
    while ua.poll_event(now).is_some() {}
    assert_eq!(methods(ua.endpoint()), ["SUBSCRIBE"]);
    ua.endpoint().handle(TransportInput::Closed { flow: FlowId::new(1), reason: CloseReason::Remote }, now);
    assert!(matches!(ua.poll_event(now), Some(UaEvent::FlowLost)));
    assert!(ua.poll_event(now).is_none(), "it is tried again");
    ua.endpoint().handle(refused(1), now);
    assert!(ua.poll_event(now).is_none(), "there is another server");
    ua.endpoint().handle(connected(2, 2), now);
    assert_eq!(methods(ua.endpoint()), ["SUBSCRIBE"]);
    ua.endpoint().handle(TransportInput::Closed { flow: FlowId::new(2), reason: CloseReason::Remote }, now);
    let failed = std::iter::from_fn(|| ua.poll_event(now))
        .any(|event| matches!(event, UaEvent::Failed { id: of, .. } if of == id));
    assert!(failed, "each server once");
}
