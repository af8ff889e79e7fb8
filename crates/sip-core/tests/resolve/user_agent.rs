//! A user agent whose servers are a name: looked up at the start and when a connection is gone, kept while one works.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::resolve::Destination;
use sip_core::ua::{Routing, SendError, UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    CloseReason, Credentials, Endpoint, EndpointConfig, FlowId, FlowInfo, Limits, Message, Method, NameAddr,
    PeerIdentity, PeerName, Request, RequestDraft, ResponseDraft, SeededIds, Target, TransportInput,
    TransportKind, UnreachableReason, Uri,
};

/// A user agent and the network around it.
struct World {
    ua: UserAgent,
    now: Instant,
    refusing: HashSet<SocketAddr>,
    flows: u64,
}

fn addr(n: u8) -> SocketAddr {
    ([192, 0, 2, n], 5060).into()
}

fn servers(transport: TransportKind, numbers: &[u8]) -> Vec<Destination> {
    let identity: PeerName = "example.test".parse().unwrap();
    numbers.iter().map(|n| Destination { transport, addr: addr(*n), identity: identity.clone() }).collect()
}

fn tcp(numbers: &[u8]) -> Vec<Destination> {
    servers(TransportKind::Tcp, numbers)
}

impl World {
    fn new(change: impl FnOnce(UserAgentConfig) -> UserAgentConfig) -> Self {
        let identity = NameAddr::new(Uri::parse("sip:bob@example.test").unwrap());
        let config = UserAgentConfig::new(identity, Vec::new())
            .with_server_uri(Uri::parse("sip:example.test;transport=tcp").unwrap());
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(3)));
        let ua = UserAgent::new(endpoint, change(config));
        Self { ua, now: Instant::now(), refusing: HashSet::new(), flows: 0 }
    }

    fn handle(&mut self, input: TransportInput) {
        self.ua.endpoint().handle(input, self.now);
    }

    /// What is sent, with the server that it goes to; connections open, or are refused.
    fn sent(&mut self) -> Vec<(FlowId, SocketAddr, Request)> {
        let mut requests = Vec::new();
        loop {
            self.drain();
            let Some(transmit) = self.ua.endpoint().poll_transmit() else { return requests };
            match transmit.to {
                Target::Address { transport, addr } if self.refusing.contains(&addr) => {
                    let reason = UnreachableReason::Refused;
                    self.handle(TransportInput::Unreachable { transport, addr, reason });
                }
                Target::Address { transport, addr } => {
                    let (flow, info) = self.flow(transport, addr);
                    self.handle(TransportInput::Connected { flow, info });
                }
                Target::Server { addr, name } => {
                    let (flow, info) = self.flow(TransportKind::Tls, addr);
                    let peer = PeerIdentity::new([name.clone()]);
                    self.handle(TransportInput::Secured { flow, info, asked: Some(name), peer });
                }
                Target::Flow(flow) => {
                    let Ok(Message::Request(request)) = Message::parse(transmit.bytes, &Limits::default())
                    else {
                        continue;
                    };
                    let at = self.ua.endpoint().flow_info(flow).expect("an open flow").remote;
                    requests.push((flow, at, request));
                }
            }
        }
    }

    /// Events are made by asking for them; those that matter here are asked for by `event`.
    fn drain(&mut self) {
        while self.ua.poll_event(self.now).is_some() {}
    }

    fn flow(&mut self, transport: TransportKind, remote: SocketAddr) -> (FlowId, FlowInfo) {
        self.flows += 1;
        (FlowId::new(self.flows), FlowInfo { remote, local: addr(99), transport })
    }

    /// The one request that is sent, and where to.
    fn one(&mut self) -> (FlowId, SocketAddr, Request) {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn answer(&mut self, flow: FlowId, draft: ResponseDraft) {
        let message = Message::parse(draft.write(), &Limits::default()).unwrap();
        self.handle(TransportInput::Message { flow, message });
    }

    /// Looked up: these.
    fn found(&mut self, destinations: &[Destination]) {
        assert_eq!(self.ua.poll_locate().expect("a look-up is wanted").host(), "example.test");
        assert_eq!(self.ua.poll_locate(), None, "once");
        self.ua.set_servers(destinations, self.now);
    }

    /// Registered at this server.
    fn registered(&mut self, n: u8) -> FlowId {
        let (flow, at, request) = self.one();
        assert_eq!((at, request.method()), (addr(n), &Method::Register));
        self.answer(flow, ResponseDraft::to(&request, 200).to_tag("r").header("Expires", "3600".to_owned()));
        assert!(matches!(self.ua.poll_event(self.now), Some(UaEvent::Registered)));
        flow
    }

    fn options(&mut self) {
        let draft = RequestDraft::new(Method::Options, Uri::parse("sip:carol@example.test").unwrap())
            .from(self.ua.new_from())
            .to("<sip:carol@example.test>".parse().unwrap())
            .call_id("4711")
            .cseq(1);
        self.ua.send(draft, Routing::Outbound, self.now);
    }
}

/// The registration waits for the look-up, and goes to the first server that does not refuse.
#[test]
fn registration_waits_for_the_look_up() {
    let mut w = World::new(|config| config);
    w.refusing.insert(addr(1));
    w.ua.register(w.now);
    w.ua.register(w.now);
    assert!(w.sent().is_empty() && !w.ua.is_settled());
    w.found(&tcp(&[1, 2]));
    w.registered(2);
    assert!(w.ua.is_settled());
    // Everything else goes there as well, and nobody looks up again.
    w.options();
    assert_eq!(w.one().1, addr(2));
    assert_eq!(w.ua.poll_locate(), None);
}

/// A lost connection: looked up again before the registration; the old servers are forgotten.
#[test]
fn a_lost_connection_looks_up_again() {
    let mut w = World::new(|config| config);
    w.ua.register(w.now);
    w.found(&tcp(&[1, 2]));
    let flow = w.registered(1);
    w.handle(TransportInput::Closed { flow, reason: CloseReason::Remote });
    w.drain();
    assert!(w.sent().is_empty());
    w.found(&tcp(&[3, 4]));
    w.registered(3);
}

/// New answers while the connection works change nothing for it; the next ones in line are the new ones.
#[test]
fn the_server_in_use_stays() {
    let mut w = World::new(|config| config);
    w.ua.register(w.now);
    w.found(&tcp(&[1, 2]));
    let flow = w.registered(1);
    w.ua.set_servers(&tcp(&[3, 1]), w.now);
    assert!(w.sent().is_empty());
    w.options();
    assert_eq!(w.one().1, addr(1));
    // The refresh goes over the same connection, without a look-up.
    w.now = w.ua.poll_timeout().unwrap().max(w.now + Duration::from_secs(3_000));
    w.ua.handle_timeout(w.now);
    assert_eq!(w.ua.poll_locate(), None);
    assert!(w.sent().iter().all(|(on, at, _)| (*on, *at) == (flow, addr(1))));
}

/// The same over datagrams, where nothing is lost when an address is left: the server in use stays all the same, even when it is no
/// longer listed.
#[test]
fn the_server_in_use_stays_over_udp() {
    let mut w = World::new(|config| config);
    w.ua.register(w.now);
    w.found(&servers(TransportKind::Udp, &[1, 2]));
    w.registered(1);
    w.ua.set_servers(&servers(TransportKind::Udp, &[3, 4]), w.now);
    w.options();
    assert_eq!(w.one().1, addr(1));
}

/// Nothing found, or nobody answers: the registration is tried again later, with another look-up.
#[test]
fn failed_look_ups() {
    for answered in [true, false] {
        let mut w = World::new(|config| config);
        w.ua.register(w.now);
        assert!(w.ua.poll_locate().is_some());
        if answered {
            w.ua.locate_failed(w.now);
        } else {
            w.now = w.ua.poll_timeout().expect("a look-up has an end");
            w.ua.handle_timeout(w.now);
        }
        assert!(matches!(w.ua.poll_event(w.now), Some(UaEvent::NotRegistered { status: None })));
        assert!(w.sent().is_empty());
        w.now = w.ua.poll_timeout().expect("it is tried again");
        w.ua.handle_timeout(w.now);
        w.found(&tcp(&[5]));
        w.registered(5);
    }
}

/// Addresses of the configuration serve until the name was looked up, and when that fails.
#[test]
fn configured_addresses_are_kept() {
    let with = |mut config: UserAgentConfig| {
        config.servers = vec!["tcp:192.0.2.7:5060".parse().unwrap()];
        config
    };
    let mut w = World::new(with);
    w.ua.register(w.now);
    assert!(w.ua.poll_locate().is_some());
    w.ua.set_servers(&[], w.now);
    w.registered(7);
}

/// Without registration: a request at a server that is no longer listed fails there; the next one goes to the new one. When all
/// refused, they are looked up again.
#[test]
fn without_registration() {
    let mut w = World::new(UserAgentConfig::without_registration);
    w.found(&tcp(&[1]));
    w.refusing.insert(addr(1));
    w.options();
    let failed = loop {
        match w.ua.endpoint().poll_transmit() {
            Some(transmit) => {
                let Target::Address { transport, addr } = transmit.to else { panic!("{transmit:?}") };
                let reason = UnreachableReason::Refused;
                w.handle(TransportInput::Unreachable { transport, addr, reason });
            }
            None => break w.ua.poll_event(w.now),
        }
    };
    assert!(matches!(failed, Some(UaEvent::Failed { error: SendError::Unreachable, .. })));
    w.found(&tcp(&[2]));
    w.options();
    assert_eq!(w.one().1, addr(2));
}

/// Over TLS the password is proved to who proved the name, and nobody else (RFC 5922 section 4).
#[test]
fn credentials_go_to_the_name() {
    let with =
        |config: UserAgentConfig| config.with_credentials(Credentials::new("bob", "secret", "example.test"));
    for (identity, answers) in [("example.test", true), ("other.test", false)] {
        let mut w = World::new(with);
        w.ua.register(w.now);
        w.found(&servers(TransportKind::Tls, &[1]));
        let (flow, at, request) = w.one();
        assert_eq!(at, addr(1));
        let challenge = "Digest realm=\"example.test\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";
        let refusal =
            ResponseDraft::to(&request, 401).to_tag("r").header("WWW-Authenticate", challenge.to_owned());
        if identity == "other.test" {
            // The answer comes over a connection on which somebody else proved another name.
            let (other, info) = w.flow(TransportKind::Tls, addr(1));
            let name: PeerName = identity.parse().unwrap();
            let peer = PeerIdentity::new([name.clone()]);
            w.handle(TransportInput::Secured { flow: other, info, asked: Some(name), peer });
            w.answer(other, refusal);
        } else {
            w.answer(flow, refusal);
        }
        let proofs = w.sent().iter().filter(|(_, _, r)| r.headers().contains("Authorization")).count();
        assert_eq!(proofs > 0, answers, "{identity}");
    }
}
