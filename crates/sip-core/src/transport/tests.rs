//! The shell on real sockets of the loopback, ports chosen by the system, nothing waited for but reports.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use tokio::net::UdpSocket;

use super::*;
use crate::build::{RequestDraft, ResponseDraft};
use crate::{
    Endpoint, EndpointConfig, Event, Limits, Message, Method, NameAddr, SeededIds, TransactionError, Uri,
};

/// Far more than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn listening(listen: &str, config: TransportConfig) -> (Transport, SocketAddr) {
    let transport = Transport::bind(&[listen.parse().unwrap()], config).await.unwrap();
    let addr = transport.local_addrs()[0].addr;
    assert_ne!(addr.port(), 0);
    (transport, addr)
}

async fn tcp(config: TransportConfig) -> (Transport, SocketAddr) {
    listening("tcp:127.0.0.1:0", config).await
}

async fn client() -> Transport {
    Transport::bind(&[], TransportConfig::default()).await.unwrap()
}

async fn next(transport: &mut Transport) -> TransportInput {
    tokio::time::timeout(PATIENCE, transport.next()).await.expect("a report")
}

async fn connected(transport: &mut Transport) -> (FlowId, FlowInfo) {
    match next(transport).await {
        TransportInput::Connected { flow, info } => (flow, info),
        other => panic!("{other:?}"),
    }
}

async fn accepted(transport: &mut Transport) -> (FlowId, FlowInfo) {
    match next(transport).await {
        TransportInput::Accepted { flow, info } => (flow, info),
        other => panic!("{other:?}"),
    }
}

async fn closed(transport: &mut Transport) -> CloseReason {
    loop {
        if let TransportInput::Closed { reason, .. } = next(transport).await {
            return reason;
        }
    }
}

async fn message(transport: &mut Transport) -> (FlowId, Message) {
    match next(transport).await {
        TransportInput::Message { flow, message } => (flow, message),
        other => panic!("{other:?}"),
    }
}

async fn raw_client(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

fn request(method: Method, cseq: u32) -> RequestDraft {
    let uri = Uri::parse("sip:bob@127.0.0.1").unwrap();
    RequestDraft::new(method, uri.clone())
        .from(NameAddr::new(uri.clone()).with_tag("1"))
        .to(NameAddr::new(uri))
        .call_id("c1")
        .cseq(cseq)
        .max_forwards(70)
}

fn info(cseq: u32) -> Bytes {
    request(Method::Info, cseq).header("Via", "SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK1").write()
}

fn to(transport: TransportKind, addr: SocketAddr, bytes: Bytes) -> Transmit {
    Transmit { to: Target::Address { transport, addr }, bytes, close_after: false }
}

/// `Display` and `FromStr` of addresses are inverse; what is no address is an error.
#[test]
fn listen_addresses_are_text() {
    for text in ["tcp:127.0.0.1:5060", "udp:[::1]:0", "tls:0.0.0.0:5061"] {
        assert_eq!(text.parse::<ListenAddr>().unwrap().to_string(), text);
    }
    for (text, error) in [
        ("127.0.0.1:5060", ListenAddrError::Transport),
        ("sctp:127.0.0.1:5060", ListenAddrError::Transport),
        ("5060", ListenAddrError::Transport),
        ("tcp:localhost:5060", ListenAddrError::Address),
        ("tcp:127.0.0.1", ListenAddrError::Address),
    ] {
        assert_eq!(text.parse::<ListenAddr>(), Err(error), "{text}");
    }
}

/// A message to an address opens a connection, comes in order, is answered on it, and the next one reuses it.
#[tokio::test]
async fn tcp_connects_once_and_keeps_order() {
    let (mut server, addr) = tcp(TransportConfig::default()).await;
    let mut client = client().await;
    for cseq in 1..=50 {
        client.send(to(TransportKind::Tcp, addr, info(cseq)));
    }
    let (flow, opened) = connected(&mut client).await;
    assert_eq!((opened.remote, opened.transport), (addr, TransportKind::Tcp));
    let (_, seen) = accepted(&mut server).await;
    assert_eq!((seen.remote, seen.local), (opened.local, addr));
    let mut on = None;
    for expected in 1..=50 {
        let (flow, message) = message(&mut server).await;
        assert_eq!(message.envelope().cseq().number, expected);
        on = Some(flow);
    }
    server.send(Transmit::on_flow(on.unwrap(), info(99)));
    let (back, answer) = message(&mut client).await;
    assert_eq!((back, answer.envelope().cseq().number), (flow, 99));
    client.send(Transmit::connect(TransportKind::Tcp, addr));
    assert_eq!(connected(&mut client).await.0, flow);
    assert_eq!((client.connections(), server.connections()), (1, 1));
}

/// A port where nobody listens is refused, not waited for.
#[tokio::test]
async fn refused_connection_is_unreachable() {
    let (server, addr) = tcp(TransportConfig::default()).await;
    server.shutdown().await;
    let mut client = client().await;
    client.send(to(TransportKind::Tcp, addr, info(1)));
    match next(&mut client).await {
        TransportInput::Unreachable { transport: TransportKind::Tcp, addr: of, reason } => {
            assert_eq!((of, reason), (addr, UnreachableReason::Refused));
        }
        other => panic!("{other:?}"),
    }
}

/// A socket that connected to itself, as may happen where nobody listens any more, counts as refused.
#[tokio::test]
async fn connection_to_itself_is_refused() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    let stream = socket.connect(addr).await.unwrap();
    let mut client = client().await;
    client.take(Internal::Connected { addr, stream });
    let report = next(&mut client).await;
    assert!(matches!(report, TransportInput::Unreachable { reason: UnreachableReason::Refused, .. }));
}

/// A connect timeout that is over at once is reported as such.
#[tokio::test]
async fn slow_connection_is_unreachable() {
    let config = TransportConfig::default().with_connect_timeout(Duration::ZERO);
    let mut client = Transport::bind(&[], config).await.unwrap();
    // TEST-NET-1 of RFC 5737: nobody is there, so it cannot be faster than no time at all.
    client.send(to(TransportKind::Tcp, "192.0.2.1:5060".parse().unwrap(), info(1)));
    assert!(matches!(next(&mut client).await, TransportInput::Unreachable { .. }));
}

/// TLS is not there: listening fails, sending is unreachable.
#[tokio::test]
async fn tls_is_unsupported() {
    let listen = "tls:127.0.0.1:0".parse().unwrap();
    let error = Transport::bind(&[listen], TransportConfig::default()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    let mut client = client().await;
    client.send(Transmit::connect(TransportKind::Tls, "127.0.0.1:1".parse().unwrap()));
    let report = next(&mut client).await;
    assert!(matches!(report, TransportInput::Unreachable { reason: UnreachableReason::Unsupported, .. }));
}

/// Both ends hear of a close, each with its reason, after what was queued has been written.
#[tokio::test]
async fn close_flushes_and_is_reported() {
    let (mut server, addr) = tcp(TransportConfig::default()).await;
    let mut client = client().await;
    client.send(Transmit::connect(TransportKind::Tcp, addr));
    let (flow, _) = connected(&mut client).await;
    accepted(&mut server).await;
    client.send(Transmit { to: Target::Flow(flow), bytes: info(1), close_after: true });
    assert_eq!(message(&mut server).await.1.envelope().cseq().number, 1);
    assert_eq!(closed(&mut server).await, CloseReason::Remote);
    assert_eq!(closed(&mut client).await, CloseReason::Local);
    client.send(Transmit::on_flow(flow, info(2)));
    assert_eq!((client.connections(), server.connections()), (0, 0));
}

/// Messages are cut from the stream wherever the segments end; keep-alives are answered.
#[tokio::test]
async fn stream_is_framed_and_pings_are_answered() {
    let (mut server, addr) = tcp(TransportConfig::default()).await;
    let mut stream = raw_client(addr).await;
    accepted(&mut server).await;
    stream.write_all(b"\r\n\r\n").await.unwrap();
    assert!(matches!(next(&mut server).await, TransportInput::Ping { .. }));
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
    let (both, middle) = ([info(1), info(2)].concat(), info(1).len() + 7);
    stream.write_all(&both[..middle]).await.unwrap();
    assert_eq!(message(&mut server).await.1.envelope().cseq().number, 1);
    stream.write_all(&both[middle..]).await.unwrap();
    assert_eq!(message(&mut server).await.1.envelope().cseq().number, 2);
}

/// A malformed message is reported and the stream goes on behind it; a broken stream is closed.
#[tokio::test]
async fn malformed_messages_are_reported() {
    let (mut server, addr) = tcp(TransportConfig::default()).await;
    let mut stream = raw_client(addr).await;
    accepted(&mut server).await;
    stream.write_all(b"FOO\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert!(matches!(next(&mut server).await, TransportInput::Malformed { .. }));
    stream.write_all(&info(3)).await.unwrap();
    assert_eq!(message(&mut server).await.1.envelope().cseq().number, 3);
    stream.write_all(b"INFO sip:a SIP/2.0\r\nContent-Length: nonsense\r\n\r\n").await.unwrap();
    assert!(matches!(next(&mut server).await, TransportInput::Malformed { .. }));
    assert_eq!(closed(&mut server).await, CloseReason::Framing);
}

/// What a connection does not take is queued up to the limit; then it is closed, and nobody else waits.
#[tokio::test]
async fn overflow_closes_the_connection() {
    let (mut server, addr) = tcp(TransportConfig::default().with_queue(100_000, 256 * 1024)).await;
    let stream = raw_client(addr).await;
    let (flow, _) = accepted(&mut server).await;
    // Nobody reads, and this task never yields: the queue is all there is.
    let big = Bytes::from(vec![b'x'; 64 * 1024]);
    for _ in 0..5 {
        server.send(Transmit::on_flow(flow, big.clone()));
    }
    assert_eq!(closed(&mut server).await, CloseReason::Overflow);
    assert_eq!(server.connections(), 0);
    drop(stream);
}

/// Connections beyond the limits, of all or of one peer, are closed before they are reported.
#[tokio::test]
async fn connections_are_limited() {
    let config = TransportConfig::default();
    for config in [config.clone().with_max_connections(2), config.with_max_connections_per_peer(2)] {
        let (mut server, addr) = tcp(config).await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            streams.push(raw_client(addr).await);
            accepted(&mut server).await;
        }
        let mut refused = raw_client(addr).await;
        let mut end = [0; 1];
        let read = tokio::select! {
            read = refused.read(&mut end) => read,
            report = next(&mut server) => panic!("{report:?}"),
        };
        assert!(matches!(read, Ok(0) | Err(_)));
        drop(streams);
        assert_eq!(closed(&mut server).await, CloseReason::Remote);
        assert_eq!(closed(&mut server).await, CloseReason::Remote);
        let again = raw_client(addr).await;
        accepted(&mut server).await;
        drop(again);
    }
}

/// A client at its limit opens no connection.
#[tokio::test]
async fn outgoing_connections_are_limited() {
    let (_server, addr) = tcp(TransportConfig::default()).await;
    let mut client = Transport::bind(&[], TransportConfig::default().with_max_connections(0)).await.unwrap();
    client.send(Transmit::connect(TransportKind::Tcp, addr));
    let report = next(&mut client).await;
    assert!(matches!(report, TransportInput::Unreachable { reason: UnreachableReason::Limit, .. }));
}

/// A connection that brings nothing, or never the end of its message, is closed.
#[tokio::test]
async fn idle_and_stuck_connections_are_closed() {
    let short = Duration::from_millis(50);
    let idle = TransportConfig::default().with_idle_timeout(short);
    let (mut server, addr) = tcp(idle).await;
    let _silent = raw_client(addr).await;
    assert_eq!(closed(&mut server).await, CloseReason::Idle);

    let stuck = TransportConfig::default().with_partial_timeout(short);
    let (mut server, addr) = tcp(stuck).await;
    let mut stream = raw_client(addr).await;
    stream.write_all(b"INFO sip:a@b SIP/2.0\r\n").await.unwrap();
    assert_eq!(closed(&mut server).await, CloseReason::Idle);
}

/// Datagrams make flows: one per pair of addresses, opened by either side, with the specific local address.
#[tokio::test]
async fn udp_flows_are_pairs_of_addresses() {
    let (mut server, addr) = listening("udp:127.0.0.1:0", TransportConfig::default()).await;
    let mut client = client().await;
    client.send(to(TransportKind::Udp, addr, info(1)));
    let (flow, opened) = connected(&mut client).await;
    assert_eq!((opened.remote, opened.local.ip()), (addr, addr.ip()));
    let (back, seen) = accepted(&mut server).await;
    assert_eq!(seen.remote.port(), opened.local.port());
    assert_eq!(message(&mut server).await.0, back);
    server.send(Transmit::on_flow(back, info(2)));
    assert_eq!(message(&mut client).await.0, flow);
    client.send(Transmit::on_flow(flow, info(3)));
    assert_eq!(message(&mut server).await.0, back);
    client.send(Transmit::connect(TransportKind::Udp, addr));
    assert_eq!(connected(&mut client).await.0, flow);
    client.close(flow);
    assert!(matches!(next(&mut client).await, TransportInput::Closed { reason: CloseReason::Local, .. }));
}

/// Keep-alive datagrams are nothing, bad ones are reported, and the oldest flow makes room for a new one.
#[tokio::test]
async fn udp_flows_are_bounded() {
    let config = TransportConfig::default().with_max_udp_flows(2);
    let (mut server, addr) = listening("udp:127.0.0.1:0", config).await;
    let mut flows = Vec::new();
    for cseq in 1..=3 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"\r\n\r\n", addr).await.unwrap();
        let bytes = if cseq == 1 { Bytes::from_static(b"FOO\r\n\r\n") } else { info(cseq) };
        socket.send_to(&bytes, addr).await.unwrap();
        let mut report = next(&mut server).await;
        if let TransportInput::Closed { flow, reason } = report {
            assert_eq!((flow, reason), (flows[0], CloseReason::Limit));
            report = next(&mut server).await;
        }
        let TransportInput::Accepted { flow, .. } = report else { panic!("{report:?}") };
        flows.push(flow);
        match next(&mut server).await {
            TransportInput::Malformed { .. } => assert_eq!(cseq, 1),
            TransportInput::Message { .. } => assert!(cseq > 1),
            other => panic!("{other:?}"),
        }
    }
}

/// An endpoint that answers every request with 200.
struct Answering(Endpoint);

impl Core for Answering {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.0.handle(input, now);
        while let Some(event) = self.0.poll_event() {
            if let Event::Request { tx, request, .. } = event {
                self.0.respond(tx, ResponseDraft::to(&request, 200), now);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.0.poll_transmit()
    }
}

/// An endpoint that asks, and keeps what it hears.
struct Asking(Endpoint, Vec<Result<u16, TransactionError>>);

impl Core for Asking {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.0.handle(input, now);
        while let Some(event) = self.0.poll_event() {
            match event {
                Event::Response { response, .. } => self.1.push(Ok(response.status())),
                Event::Failed { error, .. } => self.1.push(Err(error)),
                _ => {}
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.0.poll_transmit()
    }
}

fn endpoint(seed: u64) -> Endpoint {
    Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed)))
}

async fn until_answered(asking: &mut Asking, client: &mut Transport, answers: usize) {
    while asking.1.len() < answers {
        let waited = turn(asking, client, tokio::time::sleep(PATIENCE)).await;
        assert_eq!(waited, None, "answers within {PATIENCE:?}");
    }
}

/// The whole way over both transports: two cores, two shells, a hundred requests; then the server goes away.
#[tokio::test]
async fn cores_are_driven() {
    for listen in ["tcp:127.0.0.1:0", "udp:127.0.0.1:0"] {
        let (mut server, addr) = listening(listen, TransportConfig::default()).await;
        let transport = server.local_addrs()[0].transport;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let mut core = Answering(endpoint(1));
            drive(&mut core, &mut server, stopped).await.unwrap();
            server.shutdown().await;
            core.0.counters()
        });
        let mut client = client().await;
        let mut asking = Asking(endpoint(2), Vec::new());
        let target = Target::Address { transport, addr };
        for cseq in 1..=100 {
            asking.0.send_request(request(Method::Options, cseq), target.clone(), now());
        }
        until_answered(&mut asking, &mut client, 100).await;
        assert!(asking.1.iter().all(|outcome| *outcome == Ok(200)), "{:?}", asking.1);
        stop.send(()).unwrap();
        let counters = serving.await.unwrap();
        assert!(counters.requests_received >= 100);
        if transport == TransportKind::Tcp {
            asking.0.send_request(request(Method::Options, 101), target, now());
            until_answered(&mut asking, &mut client, 101).await;
            assert!(matches!(
                asking.1[100],
                Err(TransactionError::FlowClosed { .. } | TransactionError::Unreachable { .. })
            ));
        }
    }
}

/// Shutdown writes what is queued before it closes.
#[tokio::test]
async fn shutdown_flushes() {
    let (mut server, addr) = tcp(TransportConfig::default()).await;
    let mut stream = raw_client(addr).await;
    let (flow, _) = accepted(&mut server).await;
    for cseq in 1..=20 {
        server.send(Transmit::on_flow(flow, info(cseq)));
    }
    server.shutdown().await;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), (1..=20).map(|cseq| info(cseq).len()).sum::<usize>());
    assert!(TcpStream::connect(addr).await.is_err());
}

/// The limits on messages are those of the configuration.
#[tokio::test]
async fn message_limits_apply() {
    let limits = Limits::default().with_message_bytes(300);
    let (mut server, addr) = tcp(TransportConfig::default().with_limits(limits)).await;
    let mut stream = raw_client(addr).await;
    accepted(&mut server).await;
    let big = request(Method::Message, 1)
        .header("Via", "SIP/2.0/TCP h;branch=z9hG4bK1")
        .body("text/plain", vec![b'x'; 1_000])
        .write();
    stream.write_all(&big).await.unwrap();
    assert!(matches!(next(&mut server).await, TransportInput::Malformed { .. }));
}

/// A peer that reads too slowly is cut off when one write takes too long, before its queue is full.
#[tokio::test]
async fn slow_readers_are_cut_off() {
    let config = TransportConfig::default()
        .with_queue(1_000, 256 * 1024 * 1024)
        .with_write_timeout(Duration::from_millis(50));
    let (mut server, addr) = tcp(config).await;
    let stream = raw_client(addr).await;
    let (flow, _) = accepted(&mut server).await;
    // More than the buffers of both sockets hold.
    let big = Bytes::from(vec![b'x'; 4 * 1024 * 1024]);
    for _ in 0..16 {
        server.send(Transmit::on_flow(flow, big.clone()));
    }
    assert_eq!(closed(&mut server).await, CloseReason::Io(io::ErrorKind::TimedOut));
    drop(stream);
}

/// Small messages are not held back, on either side (`TCP_NODELAY`).
#[tokio::test]
async fn nothing_is_held_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let opened = raw_client(listener.local_addr().unwrap()).await;
    let (accepted, _) = listener.accept().await.unwrap();
    for stream in [opened, accepted] {
        assert!(!stream.nodelay().unwrap());
        tune(&stream, &TransportConfig::default());
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());
    }
}
