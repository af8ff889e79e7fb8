//! What can be seen of the signalling from outside: taps and spans, on real sockets.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sip_core::transport::{Core, Direction, Seen, Tap, turn};
use sip_core::{
    FlowId, Message, Method, NameAddr, RequestDraft, ResponseDraft, Target, Transmit, Transport,
    TransportConfig, TransportInput, TransportKind, Uri,
};

/// Far more than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps what it is shown: direction, transport, first line.
#[derive(Debug, Default)]
struct Book {
    lines: Mutex<Vec<String>>,
    closed: Mutex<Vec<FlowId>>,
}

impl Tap for Book {
    fn see(&self, seen: Seen<'_>) {
        let text = String::from_utf8_lossy(seen.bytes);
        let first = text.lines().next().unwrap_or_default();
        let line = format!("{} {} {first}", seen.direction.as_str(), seen.info.transport);
        self.lines.lock().unwrap().push(line);
    }

    fn closed(&self, flow: FlowId) {
        self.closed.lock().unwrap().push(flow);
    }
}

/// Answers each request, and logs a line for it.
#[derive(Default)]
struct Echo {
    out: Vec<Transmit>,
    answered: bool,
}

impl Core for Echo {
    fn handle_transport(&mut self, input: TransportInput, _now: Instant) {
        if let TransportInput::Message { flow, message: Message::Request(request) } = input {
            tracing::info!("a request");
            self.out.push(Transmit::on_flow(flow, ResponseDraft::to(&request, 200).to_tag("2").write()));
            self.answered = true;
        } else {
            tracing::info!("something else");
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop()
    }
}

fn options(transport: TransportKind) -> RequestDraft {
    let uri = Uri::parse("sip:bob@127.0.0.1").unwrap();
    RequestDraft::new(Method::Options, uri.clone())
        .header("Via", format!("SIP/2.0/{} 127.0.0.1:1;branch=z9hG4bK1;rport", transport.as_via()))
        .from(NameAddr::new(uri.clone()).with_tag("1"))
        .to(NameAddr::new(uri))
        .call_id("a-call-id")
        .cseq(1)
        .max_forwards(70)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

/// Runs the echo until it answered one request over `transport`; what the taps of both ends saw.
async fn exchange(transport: TransportKind) -> (Vec<String>, Vec<String>) {
    let (ours, theirs) = (Arc::new(Book::default()), Arc::new(Book::default()));
    let listen = format!("{transport}:127.0.0.1:0").parse().unwrap();
    let config = TransportConfig::default().with_tap(theirs.clone());
    let mut server = Transport::bind(&[listen], config).await.unwrap();
    let config = TransportConfig::default().with_tap(ours.clone());
    let mut client = Transport::bind(&[], config).await.unwrap();
    let to = Target::Address { transport, addr: server.local_addrs()[0].addr };
    client.send(Transmit { to, bytes: options(transport).write(), close_after: false });
    let mut echo = Echo::default();
    within(async {
        loop {
            tokio::select! {
                _ = turn(&mut echo, &mut server, std::future::pending::<()>()) => {}
                input = client.next() => {
                    if let TransportInput::Message { flow, .. } = input {
                        client.send(Transmit::on_flow(flow, b"\r\n\r\n".as_slice().into()));
                        client.close(flow);
                    }
                    if let TransportInput::Closed { .. } = input {
                        return;
                    }
                }
            }
        }
    })
    .await;
    if transport != TransportKind::Udp {
        assert_eq!(ours.closed.lock().unwrap().len(), 1, "the end of the connection is shown");
    }
    let lines = |book: &Book| book.lines.lock().unwrap().clone();
    (lines(&ours), lines(&theirs))
}

/// Both ends see each message once, with its direction and transport, and no keep-alive.
#[tokio::test]
async fn a_tap_sees_each_message_once() {
    for transport in [TransportKind::Udp, TransportKind::Tcp] {
        let (ours, theirs) = exchange(transport).await;
        let line = |direction: Direction, first: &str| format!("{} {transport} {first}", direction.as_str());
        let (request, answer) = ("OPTIONS sip:bob@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK");
        assert_eq!(ours, [line(Direction::Sent, request), line(Direction::Received, answer)]);
        assert_eq!(theirs, [line(Direction::Received, request), line(Direction::Sent, answer)]);
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line that is logged while a message is handled names its Call-ID, method and flow; other lines do not.
#[test]
fn log_lines_name_the_call() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(exchange(TransportKind::Tcp));
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("observation")).collect();
    let (about_it, others): (Vec<&str>, Vec<&str>) =
        lines.iter().partition(|line| line.contains("a request"));
    assert_eq!(about_it.len(), 1, "{text}");
    assert!(about_it[0].contains("sip{call_id=\"a-call-id\" method=\"OPTIONS\" flow="), "{text}");
    assert!(!others.is_empty() && others.iter().all(|line| !line.contains("sip{")), "{text}");
}
