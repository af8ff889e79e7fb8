//! A name server for one zone on loopback, over UDP and TCP at one port, with faults. It shares no code with the resolver.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use sip_core::resolve::{Answer, DomainName, Question, QuestionKind, Record, RecordData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::zone::{Zone, name};

const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
const REFUSED: u8 = 5;

/// A running server; it ends with this value.
pub(crate) struct NameServer {
    pub(crate) addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl NameServer {
    /// Serves a zone; see [`Zone`] for its text, and `reply` for the faults.
    pub(crate) async fn start(zone: &str) -> Self {
        let zone = Arc::new(Zone::new(zone));
        let (udp, tcp) = sockets().await;
        let addr = udp.local_addr().expect("a bound socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, zone.clone(), asked.clone()));
        tasks.spawn(serve_tcp(tcp, zone, asked.clone()));
        Self { addr, asked, _tasks: tasks }
    }

    /// The questions since the last time, sorted, since they come at the same time.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().expect("no test panicked"));
        asked.sort_unstable();
        asked
    }
}

/// One port of the system's choice that is free for both.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("a bound socket")).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>, asked: Arc<Mutex<Vec<String>>>) {
    let mut buffer = [0; 4_096];
    while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
        let Some(query) = Query::read(&buffer[..len]) else { continue };
        asked.lock().expect("no test panicked").push(format!("udp {}", query.text()));
        for reply in replies(&query, &zone, true) {
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>, asked: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let (zone, asked) = (zone.clone(), asked.clone());
        connections.spawn(async move {
            while let Ok(len) = stream.read_u16().await {
                let mut message = vec![0; usize::from(len)];
                if stream.read_exact(&mut message).await.is_err() {
                    return;
                }
                let Some(query) = Query::read(&message) else { return };
                asked.lock().expect("no test panicked").push(format!("tcp {}", query.text()));
                for reply in replies(&query, &zone, false) {
                    let mut framed = (reply.len() as u16).to_be_bytes().to_vec();
                    framed.extend(reply);
                    if stream.write_all(&framed).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// A question as it came: its bytes are repeated in the answer, in the case in which they were written.
struct Query {
    id: [u8; 2],
    question: Question,
    raw: Vec<u8>,
}

impl Query {
    fn read(message: &[u8]) -> Option<Self> {
        let mut labels: Vec<String> = Vec::new();
        let mut at = 12;
        loop {
            let len = usize::from(*message.get(at)?);
            at += 1;
            if len == 0 {
                break;
            }
            labels.push(String::from_utf8(message.get(at..at + len)?.to_vec()).ok()?);
            at += len;
        }
        let kind = match u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?) {
            1 => QuestionKind::A,
            28 => QuestionKind::Aaaa,
            33 => QuestionKind::Srv,
            35 => QuestionKind::Naptr,
            _ => return None,
        };
        let question = Question::new(DomainName::parse(&labels.join(".")).ok()?, kind);
        Some(Self { id: [message[0], message[1]], question, raw: message.get(12..at + 4)?.to_vec() })
    }

    fn text(&self) -> String {
        self.question.to_string().replace("example.test", "@")
    }
}

/// What is sent back; nothing for `!silent`.
///
/// Faults: `!fail`, `!refused`, `!silent`, `!cut` (over UDP: nothing but the sign that it was cut), `!garbage`, `!id` (the answer
/// of another query, then the right one), `!other` (of another question), `!alien` (records of other names alone).
fn replies(query: &Query, zone: &Zone, datagram: bool) -> Vec<Vec<u8>> {
    let fault = zone.fault(&query.question).unwrap_or_default();
    let good = |zone: &Zone| match zone.answer(&query.question) {
        Answer::Records(records) => query.reply(NO_ERROR, &records),
        Answer::NoData { .. } => query.reply(NO_ERROR, &[]),
        Answer::NoSuchName { .. } => query.reply(NO_SUCH_NAME, &[]),
        Answer::Failed | Answer::TimedOut => query.reply(SERVER_FAILURE, &[]),
    };
    match fault {
        "" => vec![good(zone)],
        "!silent" => vec![],
        "!fail" => vec![query.reply(SERVER_FAILURE, &[])],
        "!refused" => vec![query.reply(REFUSED, &[])],
        "!cut" if datagram => {
            let mut cut = query.reply(NO_ERROR, &[]);
            cut[2] |= 0x02;
            vec![cut]
        }
        "!cut" => vec![good(zone)],
        "!garbage" => vec![vec![query.id[0], query.id[1], 0x84, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 0x0c]],
        "!id" => {
            let mut wrong = good(zone);
            wrong[0] ^= 0x55;
            vec![wrong, good(zone)]
        }
        "!other" => {
            let mut other = good(zone);
            other[13] ^= 0x01;
            vec![other]
        }
        "!alien" => {
            let data = RecordData::A([203, 0, 113, 66].into());
            vec![query.reply(NO_ERROR, &[Record { owner: name("evil.@"), ttl: crate::zone::TTL, data }])]
        }
        other => panic!("no fault: {other}"),
    }
}

impl Query {
    fn reply(&self, code: u8, records: &[Record]) -> Vec<u8> {
        let mut out = self.id.to_vec();
        // An authoritative response that offers recursion.
        out.extend([0x84, 0x80 | code, 0, 1]);
        out.extend((records.len() as u16).to_be_bytes());
        out.extend([0, u8::from(records.is_empty()), 0, 0]);
        out.extend(&self.raw);
        for record in records {
            push_record(&mut out, record);
        }
        if records.is_empty() {
            push_soa(&mut out);
        }
        out
    }
}

fn push_name(out: &mut Vec<u8>, name: Option<&DomainName>) {
    for label in name.map_or("", DomainName::as_str).split('.').filter(|label| !label.is_empty()) {
        push_text(out, label);
    }
    out.push(0);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
}

fn push_record(out: &mut Vec<u8>, record: &Record) {
    let mut data = Vec::new();
    let kind: u16 = match &record.data {
        RecordData::A(ip) => {
            data.extend(ip.octets());
            1
        }
        RecordData::Aaaa(ip) => {
            data.extend(ip.octets());
            28
        }
        RecordData::Alias(target) => {
            push_name(&mut data, Some(target));
            5
        }
        RecordData::Srv(srv) => {
            for number in [srv.priority, srv.weight, srv.port] {
                data.extend(number.to_be_bytes());
            }
            push_name(&mut data, srv.target.as_ref());
            33
        }
        RecordData::Naptr(naptr) => {
            data.extend(naptr.order.to_be_bytes());
            data.extend(naptr.preference.to_be_bytes());
            for text in [&naptr.flags, &naptr.service, &naptr.regexp] {
                push_text(&mut data, text);
            }
            push_name(&mut data, naptr.replacement.as_ref());
            35
        }
    };
    push_name(out, Some(&record.owner));
    push_head(out, kind, record.ttl.as_secs() as u32, &data);
}

/// For how long an absence may be believed: a minute (RFC 2308).
fn push_soa(out: &mut Vec<u8>) {
    let mut data = Vec::new();
    push_name(&mut data, Some(&name("ns.@")));
    push_name(&mut data, Some(&name("admin.@")));
    for number in [1_u32, 3_600, 600, 86_400, 60] {
        data.extend(number.to_be_bytes());
    }
    push_name(out, Some(&name("@")));
    push_head(out, 6, 60, &data);
}

fn push_head(out: &mut Vec<u8>, kind: u16, ttl: u32, data: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend(1_u16.to_be_bytes());
    out.extend(ttl.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
}
