//! Bad input over a real socket: each piece gets the status that says what is wrong, with `ms-diagnostics` and a line in the
//! log; the pool goes on serving, and nothing else changes.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use common::{PATIENCE, Person, Pool, patient};
use reconvene::OperationValue;
use sip_core::{Frame, ListenAddr, Message, Request, Response, ResponseDraft, StreamFramer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tracing_subscriber::fmt::MakeWriter;

/// What the pool logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The one log of this test binary.
    fn start() -> &'static Log {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            let subscriber = tracing_subscriber::fmt()
                .with_writer(log.clone())
                .with_ansi(false)
                .with_max_level(tracing::Level::INFO)
                .finish();
            tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
            log
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panicked")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// Mallory: a participant who writes her messages by hand.
struct Mallory {
    stream: TcpStream,
    framer: StreamFramer,
    name: &'static str,
    conference: String,
    to_tag: String,
    cseq: u32,
}

impl Mallory {
    async fn connect(server: ListenAddr, conference: &str) -> Mallory {
        Mallory {
            stream: TcpStream::connect(server.addr).await.expect("the front end listens"),
            framer: StreamFramer::opened(sip_core::Limits::default()),
            name: "mallory",
            conference: conference.to_owned(),
            to_tag: String::new(),
            cseq: 0,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the connection is open");
    }

    /// A request with this body, in the dialog if there is one.
    fn request(&mut self, method: &str, more: &str, body: &str) -> String {
        self.cseq += 1;
        let (cseq, uri, name) = (self.cseq, &self.conference, self.name);
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKm{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.com>;tag=m1;epid=0d0d\r\nTo: <{uri}>{tag}\r\n\
             Call-ID: {name}-1\r\nCSeq: {cseq} {method}\r\nContact: <sip:{name}@127.0.0.1:9;transport=tcp>\r\n\
             Supported: ms-dialog-route-set-update, timer\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// The next final response; requests of the pool are answered on the way.
    async fn response(&mut self) -> Response {
        loop {
            match self.message().await.expect("the connection is open") {
                Message::Response(response) if response.status() >= 200 => return response,
                Message::Response(_) => {}
                Message::Request(request) => self.answer(&request).await,
            }
        }
    }

    async fn answer(&mut self, request: &Request) {
        let answer = ResponseDraft::to(request, 200).write();
        self.send(&answer).await;
    }

    /// The next message; `None` when the connection is closed.
    async fn message(&mut self) -> Option<Message> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.framer.next().expect("the pool writes messages") {
                Some(Frame::Message(message)) => return Some(message),
                Some(_) => continue,
                None => {}
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            match read.expect("an answer in time") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.framer.push(&buffer[..count]),
            }
        }
    }

    async fn ask(&mut self, method: &str, more: &str, body: &str) -> Response {
        let request = self.request(method, more, body);
        self.send(request.as_bytes()).await;
        self.response().await
    }

    fn c3p(&self, from: &str, command: &str) -> String {
        format!(
            "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" C3PVersion=\"1\" requestId=\"{}\" from=\"{from}\" \
             to=\"{}\">{command}</request>",
            self.cseq + 100,
            self.conference
        )
    }

    async fn info(&mut self, from: &str, command: &str) -> Response {
        let body = self.c3p(from, command);
        self.ask("INFO", CCCP, &body).await
    }

    /// Joins as an attendee; the dialog is this connection's.
    async fn join(&mut self) {
        let uri = self.conference.clone();
        let add = format!(
            "<addUser><conferenceKeys confEntity=\"{uri}\"/><ci:user \
             xmlns:ci=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:mallory@example.com\"><ci:roles>\
             <ci:entry>attendee</ci:entry></ci:roles><ci:endpoint \
             entity=\"{{6B1F0D6C-52F1-4C58-9E43-0D4C7F0A5E11}}\"/></ci:user></addUser>"
        );
        let body = self.c3p(ME, &add);
        let joined = self.ask("INVITE", CCCP, &body).await;
        assert_eq!(joined.status(), 200, "{joined:?}");
        self.to_tag = joined.to().tag().expect("a dialog").to_owned();
        let ack = self.request("ACK", "", "").replace("CSeq: 2 ACK", "CSeq: 1 ACK");
        self.send(ack.as_bytes()).await;
    }
}

const ME: &str = "sip:mallory@example.com";
const CCCP: &str = "Content-Type: application/cccp+xml\r\n";

fn diagnostics(response: &Response) -> u32 {
    let headers = response.headers();
    let value = headers.get("ms-diagnostics").or_else(|| headers.get("ms-diagnostics-public"));
    let value = value.unwrap_or_else(|| panic!("{} without ms-diagnostics", response.status()));
    let id = value.split(';').next().unwrap_or_default().trim();
    assert!(value.contains("reason=\"") && value.contains("source=\""), "{value}");
    id.parse().unwrap_or_else(|_| panic!("{value}"))
}

/// A running conference with Alice in it, and Mallory beside her.
async fn meeting() -> (Pool, Person, Mallory) {
    Log::start();
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    alice.join(&scheduled.uri).await.unwrap();
    let mut mallory = Mallory::connect(pool.servers()[0], &scheduled.uri).await;
    mallory.join().await;
    alice.sees("joined sip:mallory@example.com").await;
    (pool, alice, mallory)
}

async fn version(alice: &Person) -> u32 {
    let roster = patient("the roster", alice.conference.fetch_roster()).await.unwrap();
    let OperationValue::Roster(info) = roster else { panic!("{roster:?}") };
    info.version.expect("a version")
}

/// The table of the specification's "Answers", and of c3p.md section 4.3.
#[tokio::test]
async fn each_refusal_says_what_is_wrong() {
    let (pool, mut alice, mut mallory) = meeting().await;
    let before = (version(&alice).await, alice.seen.len());
    let uri = mallory.conference.clone();
    let lock = format!(
        "<modifyConferenceLock><conferenceKeys confEntity=\"{uri}\"/><locked>true</locked></modifyConferenceLock>"
    );
    let eject = format!(
        "<deleteUser><userKeys confEntity=\"{uri}\" userEntity=\"sip:alice@example.com\"/></deleteUser>"
    );

    let bad_xml = mallory.ask("INFO", CCCP, "<request xmlns='urn:ietf:params:xml:ns:cccp'><a></b>").await;
    assert_eq!((bad_xml.status(), diagnostics(&bad_xml)), (400, 3006));
    let entity = "<!DOCTYPE r [<!ENTITY x 'y'>]><request xmlns='urn:ietf:params:xml:ns:cccp'>&x;</request>";
    let dtd = mallory.ask("INFO", CCCP, entity).await;
    assert_eq!((dtd.status(), diagnostics(&dtd)), (400, 3006));
    let unknown = mallory.info(ME, "<makeCoffee/>").await;
    assert_eq!((unknown.status(), diagnostics(&unknown)), (501, 3004));
    for command in [&lock, &eject] {
        let refused = mallory.info(ME, command).await;
        assert_eq!((refused.status(), diagnostics(&refused)), (403, 3014), "{command}");
    }
    let in_her_name = mallory.info("sip:alice@example.com", &lock).await;
    assert_eq!(in_her_name.status(), 403);
    diagnostics(&in_her_name);
    let other_type = mallory.ask("INFO", "Content-Type: image/gif\r\n", "GIF89a").await;
    assert_eq!(other_type.status(), 415);
    diagnostics(&other_type);
    let tag = std::mem::take(&mut mallory.to_tag);
    let event = mallory.ask("SUBSCRIBE", "Event: presence\r\nExpires: 60\r\n", "").await;
    mallory.to_tag = tag;
    assert_eq!(event.status(), 489);
    diagnostics(&event);
    let method = mallory.ask("MAKECOFFEE", "", "").await;
    assert_eq!((method.status(), method.headers().get("Allow").is_some()), (405, true));
    diagnostics(&method);
    let body = mallory.c3p(ME, &lock);
    let late = mallory.request("INFO", CCCP, &body);
    let late = late.replace(&format!("CSeq: {} INFO", mallory.cseq), "CSeq: 1 INFO");
    mallory.send(late.as_bytes()).await;
    let late = mallory.response().await;
    assert_eq!(late.status(), 500, "CSeq going back");
    diagnostics(&late);
    let large = format!("<!--{}-->", "x".repeat(200 * 1024));
    let oversized = mallory.ask("INFO", CCCP, &large).await;
    assert_eq!(oversized.status(), 413);
    diagnostics(&oversized);

    alice.note();
    assert_eq!((version(&alice).await, alice.seen.len()), before, "nothing changed: {:?}", alice.seen);
    let mut bob = pool.person("bob").await;
    bob.join(&uri).await.unwrap();
    let log = Log::start().text();
    for status in [400, 403, 405, 413, 415, 489, 500, 501] {
        let told = log.lines().any(|line| line.contains(&format!("status={status} ")));
        assert!(told, "no line in the log for {status}:\n{log}");
    }
}

/// What cannot be read as SIP: a reason where somebody can be told, else silence; the connection's neighbours notice nothing.
#[tokio::test]
async fn what_is_not_sip() {
    let (pool, mut alice, mut mallory) = meeting().await;
    let before = alice.seen.len();
    let request = mallory.request("OPTIONS", "", "");
    for (what, broken, status) in [
        ("Max-Forwards", request.replace("Max-Forwards: 70", "Max-Forwards: seventy"), 400),
        ("version", request.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        ("Route", request.replace("Max-Forwards", "Route: <<sip:x>\r\nMax-Forwards"), 400),
        ("CSeq method", request.replace(" OPTIONS\r\nContact", " INVITE\r\nContact"), 400),
    ] {
        mallory.send(broken.as_bytes()).await;
        let refused = mallory.response().await;
        assert_eq!((refused.status(), diagnostics(&refused)), (status, 1000), "{what}");
    }
    // A message over the limit: 513, then the connection is closed.
    let mut loud = Mallory::connect(pool.servers()[0], &mallory.conference.clone()).await;
    let huge = loud
        .request("OPTIONS", &format!("X: {}\r\n", "x".repeat(1024)), "")
        .replace("Content-Length: 0", "Content-Length: 900000");
    loud.send(huge.as_bytes()).await;
    let refused = loud.response().await;
    assert_eq!(refused.status(), 513);
    diagnostics(&refused);
    assert!(loud.message().await.is_none(), "closed");
    // Noise on a connection of its own, and as datagrams.
    let mut noise = Mallory::connect(pool.servers()[0], "sip:x@example.com").await;
    noise.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03GET / HTTP/1.1\r\n\r\n").await;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let listen = pool.front_ends[0].listen.iter().find(|one| one.transport == sip_core::TransportKind::Udp);
    for datagram in [&b"\0\0\0\0"[..], b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", &[0xff; 1400]] {
        udp.send_to(datagram, listen.expect("a UDP address").addr).await.unwrap();
    }
    // The pool serves: the very next request is answered, and Alice saw nothing of it.
    let options = mallory.ask("OPTIONS", "", "").await;
    assert_eq!(options.status(), 200);
    alice.note();
    assert_eq!(alice.seen.len(), before, "{:?}", alice.seen);
    let mut bob = pool.person("bob").await;
    bob.join(&mallory.conference).await.unwrap();
    assert!(Log::start().text().contains("status=513"), "{}", Log::start().text());
}

/// Who is not in the conference has no command, no roster and no MCU.
#[tokio::test]
async fn a_stranger() {
    let (pool, mut alice, mallory) = meeting().await;
    let before = alice.seen.len();
    let mut stranger = Mallory::connect(pool.servers()[0], &mallory.conference).await;
    stranger.name = "stranger";
    let roster = stranger.ask("SUBSCRIBE", "Event: conference\r\nExpires: 60\r\n", "").await;
    assert_eq!(roster.status(), 403, "{roster:?}");
    diagnostics(&roster);
    stranger.to_tag = "nobody".into();
    let command = stranger.info("sip:stranger@example.com", "<getConference/>").await;
    assert_eq!((command.status(), diagnostics(&command)), (481, 61001));
    alice.note();
    assert_eq!(alice.seen.len(), before, "{:?}", alice.seen);
}
