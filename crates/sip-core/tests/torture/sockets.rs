//! The torture messages over real sockets of the loopback, against a UAS of a few lines: each gets the RFC's answer or none,
//! nothing else is sent, and the next valid request is served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::transaction::Timing;
use sip_core::{
    Capabilities, Core, Endpoint, EndpointConfig, Event, Frame, Limits, ListenAddr, Message, Method, Request,
    Response, ResponseDraft, Scheme, SeededIds, StreamFramer, Transmit, Transport, TransportConfig,
    TransportInput, TransportKind, transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::message;
use super::table::{Row, Stream, TABLE, Verdict};

/// Far more than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A UAS: serves everything that its endpoint's capabilities admit; as a registrar only for SIP addresses.
struct Uas {
    endpoint: Endpoint,
    /// How many requests came through to it.
    served: usize,
    /// Requests without transaction, and events that no message of these may cause.
    other: usize,
}

impl Uas {
    fn new() -> Self {
        let able = Capabilities::new([
            Method::Invite,
            Method::Options,
            Method::Register,
            Method::Message,
            Method::Bye,
        ])
        .with_option_tags(["timer"])
        .with_content_types(["application/sdp", "multipart/mixed"])
        .with_answers(["application/sdp"]);
        // One answer each: no retransmission comes between.
        let t1 = Duration::from_secs(600);
        let slow = Timing { t1, t2: t1, ..Timing::default() };
        let config = EndpointConfig::default().with_capabilities(able).with_timing(slow);
        Self { endpoint: Endpoint::new(config, Box::new(SeededIds::new(1))), served: 0, other: 0 }
    }

    fn serve(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, request, .. } => {
                    self.served += 1;
                    let answer = answer(&request);
                    self.endpoint.respond(tx, answer, now);
                }
                Event::FlowOpened { .. } | Event::FlowClosed { .. } | Event::Rejected { .. } => {}
                _ => self.other += 1,
            }
        }
    }
}

fn answer(request: &Request) -> ResponseDraft {
    let sip = matches!(request.to().uri().scheme(), Scheme::Sip | Scheme::Sips);
    match request.method() {
        Method::Register if !sip => ResponseDraft::bad_request(request, "Not A SIP Address"),
        _ => ResponseDraft::to(request, 200),
    }
}

impl Core for Uas {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.serve(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.serve(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}

/// Runs `client` against a UAS; what it gave, and the UAS.
async fn against_uas<T>(kind: TransportKind, client: impl AsyncFnOnce(SocketAddr) -> T) -> (T, Uas) {
    let listen = [ListenAddr::new(kind, "127.0.0.1:0".parse().unwrap())];
    let mut shell = Transport::bind(&listen, TransportConfig::default()).await.unwrap();
    let addr = shell.local_addrs()[0].addr;
    let mut uas = Uas::new();
    let run = transport::drive(&mut uas, &mut shell, client(addr));
    let outcome = tokio::time::timeout(PATIENCE * 5, run).await.expect("an end");
    shell.shutdown().await;
    (outcome, uas)
}

/// A request that is served; its number makes it a new one.
fn probe(number: usize) -> Bytes {
    format!(
        "OPTIONS sip:oda@example.org SIP/2.0\r\nVia: SIP/2.0/UDP probe.example.net;branch=z9hG4bKprobe{number}\r\n\
         From: <sip:ines@example.net>;tag=1\r\nTo: <sip:oda@example.org>\r\nCall-ID: probe\r\nCSeq: {number} OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into()
}

fn is_probe(response: &Response, number: usize) -> bool {
    response.call_id() == "probe" && response.cseq().number as usize == number
}

/// What must come back for a message on its own.
fn expected(verdict: Verdict) -> Vec<u16> {
    match verdict {
        Verdict::Served(status) | Verdict::Refused(status) => vec![status],
        Verdict::Stray | Verdict::Dropped => Vec::new(),
    }
}

/// The status line; answers to incomplete requests are incomplete, too.
fn status_of(raw: &[u8]) -> u16 {
    let line = std::str::from_utf8(raw.get(8..11).unwrap_or_default()).unwrap_or_default();
    line.parse().unwrap_or_else(|_| panic!("no response: {}", String::from_utf8_lossy(raw)))
}

async fn receive(socket: &UdpSocket) -> Bytes {
    let mut buffer = vec![0; 65_536];
    let received =
        tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    buffer.truncate(received);
    buffer.into()
}

/// Sends one message and a probe; the answers before the probe's.
async fn one_datagram(socket: &UdpSocket, row: &Row, number: usize) -> Vec<Bytes> {
    socket.send(&message(row.name)).await.unwrap();
    socket.send(&probe(number)).await.unwrap();
    let mut answers = Vec::new();
    loop {
        let raw = receive(socket).await;
        match Message::parse(raw.clone(), &Limits::default()) {
            Ok(Message::Response(response)) if is_probe(&response, number) => {
                assert_eq!(response.status(), 200, "behind {}", row.name);
                return answers;
            }
            Ok(_) | Err(_) => answers.push(raw),
        }
    }
}

/// Every torture message over UDP.
#[tokio::test]
async fn datagrams() {
    let ((), uas) = against_uas(TransportKind::Udp, async |addr| {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(addr).await.unwrap();
        for (number, row) in TABLE.iter().enumerate() {
            let answers = one_datagram(&socket, row, number + 1).await;
            let statuses: Vec<u16> = answers.iter().map(|raw| status_of(raw)).collect();
            assert_eq!(statuses, expected(row.verdict), "{} ({})", row.name, row.why);
            answers.iter().for_each(|raw| check_answer(row, raw));
        }
    })
    .await;
    check_counts(&uas, 0);
}

/// The user saw the requests that are served, a probe for each message, and nothing else.
fn check_counts(uas: &Uas, more: usize) {
    let of = |wanted: fn(&Verdict) -> bool| TABLE.iter().filter(|row| wanted(&row.verdict)).count();
    let served = of(|verdict| matches!(verdict, Verdict::Served(_)));
    assert_eq!((uas.served, uas.other), (served + TABLE.len() + more, 0));
    let (stray, dropped) = (of(|v| *v == Verdict::Stray), of(|v| *v == Verdict::Dropped));
    let counters = uas.endpoint.counters();
    assert_eq!((counters.stray_responses, counters.malformed_dropped), (stray as u64, dropped as u64));
}

/// What an answer says beside its status.
fn check_answer(row: &Row, raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    assert!(text.contains("ms-diagnostics: 1000;reason=") || !is_malformed(row), "{}: {text}", row.name);
    let wanted = match row.name {
        "bext01" => "Unsupported: nobodyOffersThis, nobodyOffersThisEither\r\n",
        "invut" => "Accept: application/sdp, multipart/mixed\r\n",
        "intmeth" | "esc02" => "Allow: INVITE, OPTIONS, REGISTER, MESSAGE, BYE\r\n",
        "insuf" => "CSeq: 193942 INVITE\r\n",
        "badvers" => "Via: SIP/7.0/UDP c.example.net;branch=z9hG4bKkdjuw\r\n",
        _ => "",
    };
    assert!(text.contains(wanted), "{}: {text}", row.name);
}

fn is_malformed(row: &Row) -> bool {
    Message::parse(message(row.name), &Limits::default()).is_err()
}

/// Reads frames from one connection.
struct Reader {
    stream: TcpStream,
    framer: StreamFramer,
}

impl Reader {
    async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        Self { stream, framer: StreamFramer::opened(Limits::default()) }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next response, as bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.framer.next().unwrap() {
                Some(Frame::Message(message)) => return Some(message.envelope().raw().clone()),
                Some(Frame::Malformed { raw, .. }) => return Some(raw),
                Some(Frame::KeepAlivePing | Frame::KeepAlivePong) => {}
                None => {
                    let read = self.stream.read_buf(self.framer.buffer_mut());
                    let got = tokio::time::timeout(PATIENCE, read).await.expect("an answer or the end");
                    if matches!(got, Ok(0) | Err(_)) {
                        return None;
                    }
                }
            }
        }
    }

    /// All answers up to the probe's.
    async fn until_probe(&mut self, row: &Row, number: usize) -> Vec<u16> {
        let mut statuses = Vec::new();
        loop {
            let raw = self.next().await.unwrap_or_else(|| panic!("the connection ended behind {}", row.name));
            match Message::parse(raw.clone(), &Limits::default()) {
                Ok(Message::Response(response)) if is_probe(&response, number) => return statuses,
                Ok(_) | Err(_) => statuses.push(status_of(&raw)),
            }
        }
    }

    /// All answers up to the end.
    async fn until_end(&mut self) -> Vec<u16> {
        let mut statuses = Vec::new();
        while let Some(raw) = self.next().await {
            statuses.push(status_of(&raw));
        }
        statuses
    }
}

/// Every torture message over TCP: one connection as long as its framing holds.
#[tokio::test]
async fn streams() {
    let ((), uas) = against_uas(TransportKind::Tcp, async |addr| {
        let mut reader = Reader::connect(addr).await;
        for (number, row) in TABLE.iter().enumerate() {
            reader.send(&message(row.name)).await;
            let (statuses, wanted) = match row.stream {
                Stream::Same => {
                    reader.send(&probe(number)).await;
                    (reader.until_probe(row, number).await, expected(row.verdict))
                }
                Stream::Two(second) => {
                    reader.send(&probe(number)).await;
                    let mut both = expected(row.verdict);
                    both.push(second);
                    (reader.until_probe(row, number).await, both)
                }
                Stream::Closed => (reader.until_end().await, expected(row.verdict)),
                Stream::Endless => {
                    reader.stream.shutdown().await.unwrap();
                    (reader.until_end().await, Vec::new())
                }
            };
            assert_eq!(statuses, wanted, "{} ({})", row.name, row.why);
            if matches!(row.stream, Stream::Closed | Stream::Endless) {
                reader = Reader::connect(addr).await;
                reader.send(&probe(number)).await;
                assert!(
                    reader.until_probe(row, number).await.is_empty(),
                    "the next is served behind {}",
                    row.name
                );
            }
        }
    })
    .await;
    let twins = TABLE.iter().filter(|row| matches!(row.stream, Stream::Two(_))).count();
    let endless = TABLE.iter().filter(|row| row.stream == Stream::Endless).count();
    assert_eq!((twins, endless), (1, 1));
    check_counts(&uas, twins);
}
