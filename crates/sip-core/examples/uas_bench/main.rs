//! What `cargo xtask bench signalling` measures beside the example `uas`: its limit, the same with work to do, its memory.
//!
//! - `answer udp|tcp`: the least work on the same bytes. No state, no transaction: five lines of each request are copied into
//!   a 200. What this costs is the kernel's share.
//! - `busy MICROSECONDS ADDRESS…`: the example `uas`, whose application computes for so long for each new dialog.
//! - `call udp|tcp ADDRESS in-flight|per-second N WARM-UP-MS MS`: calls, and prints what became of them (`caller`).
//! - `memory dialogs|transactions|calls N`: the growth of the resident memory for N of them, in virtual time.

mod caller;
#[expect(dead_code, reason = "its main function is another program's")]
#[path = "../uas.rs"]
mod uas;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sip_core::transport::drive;
use sip_core::{
    Core, Endpoint, EndpointConfig, FlowId, FlowInfo, Limits, ListenAddr, Message, SystemIds, Transmit,
    Transport, TransportConfig, TransportInput, TransportKind,
};
use uas::Uas;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["answer", "udp"] => answer_datagrams(),
        ["answer", "tcp"] => answer_stream(),
        ["busy", micros, ref listen @ ..] => busy(Duration::from_micros(micros.parse()?), listen),
        ["call", proto, addr, how, n, warm_up, time] => {
            let load = match how {
                "in-flight" => caller::Load::InFlight(n.parse()?),
                _ => caller::Load::PerSecond(n.parse()?),
            };
            let ms = |text: &str| text.parse().map(Duration::from_millis);
            caller::call(proto, addr.parse()?, load, [ms(warm_up)?, ms(time)?])
        }
        ["memory", what, n] => memory(what, n.parse()?),
        _ => {
            Err("uas_bench answer udp|tcp | busy MICROSECONDS ADDRESS… | call udp|tcp ADDRESS in-flight|per-second N WARM-UP-MS MS | \
                 memory dialogs|transactions|calls N"
                .into())
        }
    }
}

/// The 200 to the request at the start of `raw`, appended to `out`; nothing for an ACK.
fn answer(raw: &[u8], out: &mut Vec<u8>) {
    if raw.starts_with(b"ACK") {
        return;
    }
    out.extend_from_slice(b"SIP/2.0 200 OK\r\n");
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        match line {
            [b'V', b'i', b'a', ..]
            | [b'F', b'r', b'o', b'm', ..]
            | [b'C', b'a', b'l', b'l', ..]
            | [b'C', b'S', ..] => {
                out.extend_from_slice(line);
            }
            [b'T', b'o', b':', rest @ ..] => {
                out.extend_from_slice(b"To:");
                out.extend_from_slice(rest.trim_ascii_end());
                let tag: &[u8] =
                    if rest.windows(5).any(|part| part == b";tag=") { b"\r\n" } else { b";tag=1\r\n" };
                out.extend_from_slice(tag);
            }
            b"\r\n" => break,
            _ => {}
        }
    }
    out.extend_from_slice(b"Contact: <sip:127.0.0.1>\r\nContent-Length: 0\r\n\r\n");
}

fn answer_datagrams() -> Result<(), Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    println!("udp:{}", socket.local_addr()?);
    let (mut raw, mut out) = (vec![0; 65_536], Vec::new());
    loop {
        let (len, from) = socket.recv_from(&mut raw)?;
        out.clear();
        answer(&raw[..len], &mut out);
        if !out.is_empty() {
            socket.send_to(&out, from)?;
        }
    }
}

fn answer_stream() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("tcp:{}", listener.local_addr()?);
    loop {
        // One caller at a time is all that a limit needs.
        let (stream, _) = listener.accept()?;
        let _ = answer_connection(stream);
    }
}

fn answer_connection(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut raw, mut kept, mut out) = (vec![0; 65_536], 0, Vec::new());
    loop {
        let len = stream.read(&mut raw[kept..])?;
        if len == 0 {
            return Ok(());
        }
        let (end, mut at) = (kept + len, 0);
        out.clear();
        while let Some(message) = message_length(&raw[at..end]) {
            answer(&raw[at..at + message], &mut out);
            at += message;
        }
        raw.copy_within(at..end, 0);
        kept = end - at;
        stream.write_all(&out)?;
    }
}

/// The length of the message at the start, if all of it is there.
fn message_length(raw: &[u8]) -> Option<usize> {
    let mut body = 0;
    let mut at = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\r\n" {
            return (at + body <= raw.len()).then_some(at + body);
        }
        if let Some(value) = line.strip_prefix(b"Content-Length:") {
            body = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        }
    }
    None
}

/// The example, and an application that computes for each new dialog.
struct Busy {
    uas: Uas,
    work: Duration,
}

impl Core for Busy {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        let before = self.uas.dialogs.len();
        self.uas.handle_transport(input, now);
        if self.uas.dialogs.len() > before {
            let began = Instant::now();
            while began.elapsed() < self.work {
                std::hint::spin_loop();
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.uas.handle_timeout(now);
    }

    fn handle_backlog(&mut self, waiting: usize) {
        self.uas.handle_backlog(waiting);
    }

    fn handle_wait(&mut self, waited: Duration) {
        self.uas.handle_wait(waited);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.uas.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.uas.poll_transmit()
    }
}

fn busy(work: Duration, listen: &[&str]) -> Result<(), Failure> {
    let listen: Vec<ListenAddr> = listen.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut transport = Transport::bind(&listen, TransportConfig::default()).await?;
        transport.local_addrs().iter().for_each(|addr| println!("{addr}"));
        let mut busy = Busy { uas: Uas::new("<sip:uas@127.0.0.1>".parse()?), work };
        drive(&mut busy, &mut transport, std::future::pending::<()>()).await;
        Ok(())
    })
}

/// A flow of its own for every so many, as behind a few proxies.
const FLOWS: u64 = 16;

/// Fills a server and prints how many bytes of memory each of them took.
fn memory(what: &str, n: u64) -> Result<(), Failure> {
    let config = EndpointConfig::default().with_max_finished(usize::MAX);
    let mut uas = Uas::new("<sip:uas@127.0.0.1:5060>".parse()?);
    uas.endpoint = Endpoint::new(config, Box::new(SystemIds::new()));
    let mut now = Instant::now();
    for flow in 0..FLOWS {
        let remote = format!("127.0.0.1:{}", 20_000 + flow).parse()?;
        let info = FlowInfo { remote, local: "127.0.0.1:5060".parse()?, transport: TransportKind::Udp };
        let input = TransportInput::Accepted { flow: FlowId::new(flow), info };
        uas.handle_transport(input, now);
    }
    // What is made once is not counted.
    fill(&mut uas, "calls", 0..100, &mut now)?;
    let before = resident()?;
    fill(&mut uas, what, 100..100 + n, &mut now)?;
    let grown = resident()?.saturating_sub(before);
    println!("{grown} {} {}", uas.dialogs.len(), uas.endpoint.transactions().1);
    Ok(())
}

fn fill(uas: &mut Uas, what: &str, numbers: std::ops::Range<u64>, now: &mut Instant) -> Result<(), Failure> {
    for n in numbers {
        let tag = if what == "transactions" { String::new() } else { receive(uas, "INVITE", n, "", *now)? };
        match what {
            "dialogs" => {
                receive(uas, "ACK", n, &tag, *now)?;
                // Slowly enough that what is left of the transactions does not add up.
                *now += Duration::from_millis(200);
                uas.handle_timeout(*now);
            }
            "calls" => {
                receive(uas, "ACK", n, &tag, *now)?;
                receive(uas, "BYE", n, &tag, *now)?;
            }
            "transactions" => drop(receive(uas, "OPTIONS", n, "", *now)?),
            _ => return Err("memory of what?".into()),
        }
    }
    Ok(())
}

/// Gives the server a request as SIPp writes it; the To tag of the answer.
fn receive(uas: &mut Uas, method: &str, n: u64, tag: &str, now: Instant) -> Result<String, Failure> {
    let (cseq, body) = match method {
        "BYE" => (2, ""),
        "INVITE" => (
            1,
            "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
        ),
        _ => (1, ""),
    };
    let to_tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let text = format!(
        "{method} sip:service@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:20000;branch=z9hG4bK-4711-{n}-{cseq}-{method}\r\n\
         From: sipp <sip:sipp@127.0.0.1:20000>;tag=4711SIPpTag00{n}\r\n\
         To: service <sip:service@127.0.0.1:5060>{to_tag}\r\n\
         Call-ID: {n}-4711@127.0.0.1\r\nCSeq: {cseq} {method}\r\n\
         Contact: sip:sipp@127.0.0.1:20000\r\nMax-Forwards: 70\r\nSubject: Performance Test\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let message = Message::parse(text.into(), &Limits::default())?;
    uas.handle_transport(TransportInput::Message { flow: FlowId::new(n % FLOWS), message }, now);
    let mut found = String::new();
    while let Some(transmit) = uas.poll_transmit() {
        if let Ok(Message::Response(response)) = Message::parse(transmit.bytes, &Limits::default()) {
            found = response.to().tag().unwrap_or_default().to_owned();
        }
    }
    Ok(found)
}

/// The resident memory of this process in bytes.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}
