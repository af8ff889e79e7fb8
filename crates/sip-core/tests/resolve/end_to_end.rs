//! A name, a name server, SIP servers that refuse, are busy or silent, and one that answers: the request arrives there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::resolve::{Destination, DestinationMemory, Failover, Locator, MemoryConfig, Progress, Sending};
use sip_core::transaction::Timing;
use sip_core::transport::{Core, drive, now, turn};
use sip_core::ua::{UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    Endpoint, EndpointConfig, Event, ListenAddr, Method, NameAddr, RequestDraft, ResponseDraft, SystemIds,
    Transmit, Transport, TransportConfig, TransportInput, TransportKind, Uri,
};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;

use crate::name_server::NameServer;
use crate::shell::{config, dns};

/// Answers every request with one status.
struct Uas {
    endpoint: Endpoint,
    status: u16,
}

impl Core for Uas {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        while let Some(event) = self.endpoint.poll_event() {
            let Event::Request { tx, request, .. } = event else { continue };
            let mut answer = ResponseDraft::to(&request, self.status).to_tag("2");
            if self.status == 503 {
                answer = answer.header("Retry-After", "60".to_owned());
            }
            self.endpoint.respond(tx, answer, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}

/// Sends one request along its destinations.
struct Uac {
    endpoint: Endpoint,
    memory: DestinationMemory,
    sending: Option<Sending>,
    moves: usize,
    end: Option<Event>,
}

impl Uac {
    fn new(t1: Duration) -> Self {
        let timing = Timing { t1, ..Timing::default() };
        Self {
            endpoint: Endpoint::new(
                EndpointConfig::default().with_timing(timing),
                Box::new(SystemIds::new()),
            ),
            memory: DestinationMemory::new(MemoryConfig::default()),
            sending: None,
            moves: 0,
            end: None,
        }
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            let Some(sending) = &mut self.sending else { continue };
            match sending.handle_event(&event, &mut self.endpoint, &mut self.memory, now) {
                Progress::Moved => self.moves += 1,
                Progress::Ended => self.end = Some(event),
                Progress::Unrelated | Progress::Provisional => {}
            }
        }
    }

    /// The status in the end, `None` for a failure, and how many destinations failed before.
    async fn send(
        &mut self,
        transport: &mut Transport,
        who: &str,
        destinations: &[Destination],
    ) -> (Option<u16>, usize) {
        let uri = Uri::parse("sip:bob@example.test").unwrap();
        let draft = RequestDraft::new(Method::Options, uri)
            .from("<sip:alice@example.test>;tag=1".parse().unwrap())
            .to("<sip:bob@example.test>".parse().unwrap())
            .call_id(who)
            .cseq(1);
        let failover = Failover::new(&draft.method, Some(who), destinations, &self.memory, now());
        (self.moves, self.end) = (0, None);
        self.sending = Some(Sending::start(draft, failover, &mut self.endpoint, now()).unwrap());
        while self.end.is_none() {
            turn(self, transport, std::future::pending::<()>()).await;
        }
        let status = match self.end.take() {
            Some(Event::Response { response, .. }) => Some(response.status()),
            _ => None,
        };
        (status, self.moves)
    }

    fn at(&self) -> String {
        self.sending.as_ref().and_then(Sending::destination).map(ToString::to_string).unwrap_or_default()
    }
}

impl Core for Uac {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.take_events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.take_events(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}

/// A server that answers with this status; its address.
async fn server(tasks: &mut JoinSet<()>, listen: &str, status: u16) -> SocketAddr {
    let listen: ListenAddr = listen.parse().unwrap();
    let mut transport = Transport::bind(&[listen], TransportConfig::default()).await.unwrap();
    let addr = transport.local_addrs()[0].addr;
    tasks.spawn(async move {
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SystemIds::new()));
        drive(&mut Uas { endpoint, status }, &mut transport, std::future::pending()).await
    });
    addr
}

/// A port that refuses as long as the socket lives: bound, but nobody listens.
fn refusing(ip: &str) -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

async fn locate(zone: &str, uri: &str) -> Vec<Destination> {
    let names = NameServer::start(zone).await;
    let locator = Locator::new(dns(&[names.addr]), config());
    locator.locate(&Uri::parse(uri).unwrap()).await.unwrap()
}

/// Long enough to never matter: T1 of the tests in which nobody is silent.
const SLOW: Duration = Duration::from_millis(500);

/// NAPTR, SRV, two addresses of one host at one port: the first refuses, the second answers.
#[tokio::test]
async fn the_second_address_answers() {
    let mut tasks = JoinSet::new();
    // The same port at both addresses, free of others.
    let (_guard, port) = loop {
        let (guard, refused) = refusing("127.0.0.1");
        let free = std::net::TcpListener::bind(("127.0.0.2", refused.port())).is_ok();
        if free {
            break (guard, refused.port());
        }
    };
    server(&mut tasks, &format!("tcp:127.0.0.2:{port}"), 200).await;
    let zone = format!(
        "@ NAPTR 10 10 s SIP+D2T - _sip._tcp.@
         _sip._tcp.@ SRV 0 0 {port} sip.@
         sip.@ A 127.0.0.1
         sip.@ A 127.0.0.2"
    );
    let destinations = locate(&zone, "sip:bob@example.test").await;
    assert_eq!(destinations.len(), 2);
    let mut transport = Transport::bind(&[], TransportConfig::default()).await.unwrap();
    let mut uac = Uac::new(SLOW);
    assert_eq!(uac.send(&mut transport, "one", &destinations).await, (Some(200), 1));
    assert_eq!(uac.at(), format!("tcp:127.0.0.2:{port}"));
    // The next request begins where it worked; so does one of another dialog, since the first place is known to be bad.
    assert_eq!(uac.send(&mut transport, "one", &destinations).await, (Some(200), 0));
    assert_eq!(uac.send(&mut transport, "two", &destinations).await, (Some(200), 0));
}

/// A server that says 503 is left alone for the time it asks for.
#[tokio::test]
async fn a_busy_server_is_left_alone() {
    let mut tasks = JoinSet::new();
    let busy = server(&mut tasks, "udp:127.0.0.1:0", 503).await;
    let good = server(&mut tasks, "udp:127.0.0.1:0", 200).await;
    let zone = format!(
        "_sip._udp.@ SRV 0 0 {} sip.@
         _sip._udp.@ SRV 1 0 {} sip.@
         sip.@ A 127.0.0.1",
        busy.port(),
        good.port()
    );
    let destinations = locate(&zone, "sip:bob@example.test").await;
    let mut transport = Transport::bind(&[], TransportConfig::default()).await.unwrap();
    let mut uac = Uac::new(SLOW);
    assert_eq!(uac.send(&mut transport, "one", &destinations).await, (Some(200), 1));
    assert!(uac.memory.is_bad(&destinations[0], now()));
    assert_eq!(uac.send(&mut transport, "two", &destinations).await, (Some(200), 0));
    assert_eq!(uac.at(), format!("udp:{good}"));
    // All are busy: the 503 is the answer.
    let only = &destinations[..1];
    assert_eq!(uac.send(&mut transport, "three", only).await, (Some(503), 0));
}

/// A silent server: Timer F, then the next; here over UDP first and TCP then, as the domain prefers.
#[tokio::test]
async fn a_silent_server_is_passed_over() {
    let mut tasks = JoinSet::new();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let good = server(&mut tasks, "tcp:127.0.0.1:0", 200).await;
    let zone = format!(
        "@ NAPTR 10 10 s SIP+D2U - _sip._udp.@
         @ NAPTR 10 20 s SIP+D2T - _sip._tcp.@
         _sip._udp.@ SRV 0 0 {} sip.@
         _sip._tcp.@ SRV 0 0 {} sip.@
         sip.@ A 127.0.0.1",
        silent.local_addr().unwrap().port(),
        good.port()
    );
    let destinations = locate(&zone, "sip:bob@example.test").await;
    assert_eq!(
        destinations.iter().map(|d| d.transport).collect::<Vec<_>>(),
        [TransportKind::Udp, TransportKind::Tcp]
    );
    let mut transport = Transport::bind(&[], TransportConfig::default()).await.unwrap();
    let mut uac = Uac::new(Duration::from_millis(25));
    let outcome = uac.send(&mut transport, "one", &destinations).await;
    assert_eq!(outcome, (Some(200), 1));
    assert_eq!(uac.at(), format!("tcp:{good}"));
    // Nobody is left: the timeout is the end.
    assert_eq!(uac.send(&mut transport, "two", &destinations[..1]).await, (None, 0));
}

/// A user agent over sockets.
struct Client(UserAgent);

impl Core for Client {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.0.endpoint().handle(input, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.0.endpoint().poll_transmit()
    }
}

/// A user agent whose servers are a name registers at the second one, since the first refuses.
#[tokio::test]
async fn a_user_agent_registers_by_name() {
    let mut tasks = JoinSet::new();
    let (_guard, refused) = refusing("127.0.0.1");
    let good = server(&mut tasks, "tcp:127.0.0.1:0", 200).await;
    let names = NameServer::start(&format!(
        "@ NAPTR 10 10 s SIP+D2T - _sip._tcp.@
         _sip._tcp.@ SRV 0 0 {} sip.@
         _sip._tcp.@ SRV 1 0 {} sip.@
         sip.@ A 127.0.0.1",
        refused.port(),
        good.port()
    ))
    .await;
    let locator = Locator::new(dns(&[names.addr]), config());
    let identity = NameAddr::new(Uri::parse("sip:bob@example.test").unwrap());
    let settings =
        UserAgentConfig::new(identity, Vec::new()).with_server_uri(Uri::parse("sip:example.test").unwrap());
    let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SystemIds::new()));
    let mut client = Client(UserAgent::new(endpoint, settings));
    let mut transport = Transport::bind(&[], TransportConfig::default()).await.unwrap();
    client.0.register(now());
    loop {
        if let Some(uri) = client.0.poll_locate() {
            let found = locator.locate(&uri).await.expect("the zone has servers");
            client.0.set_servers(&found, now());
        }
        match client.0.poll_event(now()) {
            Some(UaEvent::Registered) => break,
            Some(other) => panic!("{other:?}"),
            None => turn(&mut client, &mut transport, std::future::pending::<()>()).await,
        };
    }
    let flows: Vec<SocketAddr> = client.0.endpoint().flows().map(|(_, info)| info.remote).collect();
    assert_eq!(flows, [good]);
}
