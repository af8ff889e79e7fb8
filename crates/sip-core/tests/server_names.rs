//! A user agent behind servers over TLS: which name they have to prove, and which connection is theirs.

use std::net::SocketAddr;
use std::time::Instant;

use sip_core::auth::Credentials;
use sip_core::ua::{Routing, UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    Endpoint, EndpointConfig, FlowId, FlowInfo, Limits, ListenAddr, Message, Method, NameAddr, PeerIdentity,
    PeerName, Request, RequestDraft, ResponseDraft, SeededIds, Target, TlsFailure, TransportInput,
    TransportKind, UnreachableReason, Uri,
};

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5061))
}

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

fn server(last: u8, host: &str) -> Target {
    Target::Server { addr: addr(last), name: name(host) }
}

struct Rig {
    ua: UserAgent,
    now: Instant,
}

impl Rig {
    fn new(server_name: Option<&str>) -> Self {
        let identity = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        let servers = [1, 2].map(|last| ListenAddr::new(TransportKind::Tls, addr(last))).to_vec();
        let credentials = Credentials::new("bob@example.com", "secret", "example.com");
        let mut config = UserAgentConfig::new(identity, servers).with_credentials(credentials);
        config = config.without_registration();
        config.server_name = server_name.map(name);
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)));
        Self { ua: UserAgent::new(endpoint, config), now: Instant::now() }
    }

    fn send(&mut self) {
        let bob = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        let draft = RequestDraft::new(Method::Message, Uri::parse("sip:alice@example.com").unwrap())
            .from(bob.with_tag("1"))
            .to(bob)
            .call_id("c1")
            .cseq(1);
        self.ua.send(draft, Routing::Outbound, self.now);
    }

    /// Takes an input; what the dialogs are told.
    fn input(&mut self, input: TransportInput) -> Vec<UaEvent> {
        self.ua.endpoint().handle(input, self.now);
        std::iter::from_fn(|| self.ua.poll_event(self.now)).collect()
    }

    fn secured(&mut self, flow: u64, last: u8, host: &str) {
        let local = "192.0.2.99:40000".parse().unwrap();
        let info = FlowInfo { remote: addr(last), local, transport: TransportKind::Tls };
        let (asked, peer) = (Some(name(host)), PeerIdentity::new([name(host)]));
        self.input(TransportInput::Secured { flow: FlowId::new(flow), info, asked, peer });
    }

    fn connecting(&mut self) -> Target {
        let transmit = self.ua.endpoint().poll_transmit().expect("something to connect");
        assert!(transmit.is_connect(), "{transmit:?}");
        transmit.to
    }

    fn sent(&mut self) -> (u64, Request) {
        let transmit = self.ua.endpoint().poll_transmit().expect("a request");
        let Target::Flow(flow) = transmit.to else { panic!("{transmit:?}") };
        match Message::parse(transmit.bytes, &Limits::default()).unwrap() {
            Message::Request(request) => (flow.number(), request),
            Message::Response(response) => panic!("{response:?}"),
        }
    }
}

/// RFC 5922 section 4: the domain whose look-up gave the addresses, else the address itself.
#[test]
fn servers_prove_the_configured_name() {
    let mut rig = Rig::new(Some("sip.example.com"));
    rig.send();
    assert_eq!(rig.connecting(), server(1, "sip.example.com"));
    let mut rig = Rig::new(None);
    rig.send();
    assert_eq!(rig.connecting(), Target::Address { transport: TransportKind::Tls, addr: addr(1) });
}

/// A connection to the same address that was made for another name is not the server's, and carries nothing for it.
#[test]
fn connections_of_other_names_are_left_alone() {
    let mut rig = Rig::new(Some("sip.example.com"));
    rig.secured(7, 1, "other.example.com");
    rig.send();
    assert_eq!(rig.connecting(), server(1, "sip.example.com"));
    rig.secured(8, 1, "sip.example.com");
    assert_eq!(rig.sent().0, 8);
    rig.send();
    assert_eq!(rig.sent().0, 8);
}

/// A server that proves another name counts as unreachable: the next one is asked.
#[test]
fn impostors_are_passed_over() {
    let mut rig = Rig::new(Some("sip.example.com"));
    rig.send();
    assert_eq!(rig.connecting(), server(1, "sip.example.com"));
    let reason = UnreachableReason::Tls(TlsFailure::NameMismatch);
    let told =
        rig.input(TransportInput::ServerUnreachable { addr: addr(1), name: name("sip.example.com"), reason });
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(rig.connecting(), server(2, "sip.example.com"));
}

/// CVE-2021-41158: only who proved to be a server of ours gets an answer made with the password.
#[test]
fn passwords_are_for_proved_servers() {
    for (host, answered) in [("sip.example.com", true), ("192.0.2.1", false), ("other.example.com", false)] {
        let mut rig = Rig::new(Some("sip.example.com"));
        rig.send();
        rig.connecting();
        rig.secured(1, 1, "sip.example.com");
        let (_, request) = rig.sent();
        rig.secured(2, 1, host);
        let challenge = ResponseDraft::to(&request, 401).to_tag("2").header(
            "WWW-Authenticate",
            "Digest realm=\"example.com\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"",
        );
        let message = Message::parse(challenge.write(), &Limits::default()).unwrap();
        let told = rig.input(TransportInput::Message { flow: FlowId::new(2), message });
        let again = rig.ua.endpoint().poll_transmit();
        assert_eq!((again.is_some(), told.is_empty()), (answered, answered), "{host}");
    }
}
