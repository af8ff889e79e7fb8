//! A caller that costs less than what it calls: INVITE, 200, ACK, BYE, 200 over one socket, without a SIP stack.
//!
//! It never sleeps: whoever sends to it does not pay for waking it, which is the same for every server. Answers are told apart
//! by their Call-ID and CSeq; what goes out again is written from a few fixed lines. INVITE and BYE are repeated over UDP as
//! RFC 3261 has it, from half a second on.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Failure, message_length};

/// After this long without an answer a request is sent again, over UDP.
const T1: Duration = Duration::from_millis(500);
/// A call that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(4);
/// Calls at most that an open load has under way.
const OPEN_MAX: usize = 200_000;
/// As much as SIPp's own caller sends.
const BODY: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// How many calls are made, and when.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// So many are under way at each time.
    InFlight(usize),
    /// So many begin each second, whatever becomes of them.
    PerSecond(f64),
}

/// The caller's end, which never waits.
enum Wire {
    Udp(Rc<UdpSocket>),
    Tcp { stream: TcpStream, raw: Vec<u8>, kept: usize, out: Vec<u8> },
}

/// A call under way.
struct Call {
    began: Instant,
    /// The To line of the answer; empty until then.
    to: Vec<u8>,
    /// How long the last wait for its answer is.
    wait: Duration,
}

struct Caller {
    wire: Wire,
    local: SocketAddr,
    /// Tells these calls from those of earlier callers.
    run: u32,
    calls: HashMap<u64, Call>,
    /// When to look at which call, the next first for each length of wait: 0.5, 1 and 2 s.
    looks: [VecDeque<(Instant, u64)>; 3],
    next: u64,
    completed: u64,
    failed: u64,
    message: Vec<u8>,
}

/// Calls for so long and prints what became of it after a warm-up: completed and failed calls, and the seconds counted.
pub(crate) fn call(proto: &str, addr: SocketAddr, load: Load, times: [Duration; 2]) -> Result<(), Failure> {
    let wire = match proto {
        "udp" => {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(addr)?;
            socket.set_nonblocking(true)?;
            socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
            Wire::Udp(Rc::new(socket))
        }
        "tcp" => {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Wire::Tcp { stream, raw: vec![0; 1 << 18], kept: 0, out: Vec::new() }
        }
        _ => return Err("over udp or tcp".into()),
    };
    let local = match &wire {
        Wire::Udp(socket) => socket.local_addr()?,
        Wire::Tcp { stream, .. } => stream.local_addr()?,
    };
    let run = std::process::id();
    let (calls, looks) = (HashMap::new(), Default::default());
    let mut caller =
        Caller { wire, local, run, calls, looks, next: 0, completed: 0, failed: 0, message: Vec::new() };
    let [warm_up, time] = times;
    let began = Instant::now();
    caller.offer(load, began, began + warm_up)?;
    // Whoever measures takes the server's time now, and again at the next line.
    println!("begin");
    let (from, completed, failed) = (Instant::now(), caller.completed, caller.failed);
    caller.offer(load, began, from + time)?;
    let seconds = from.elapsed().as_secs_f64();
    println!("end {} {} {seconds}", caller.completed - completed, caller.failed - failed);
    Ok(())
}

impl Caller {
    fn offer(&mut self, load: Load, began: Instant, until: Instant) -> Result<(), Failure> {
        let mut buffer = vec![0; 65_536];
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            let due = match load {
                Load::InFlight(n) => n.saturating_sub(self.calls.len()),
                Load::PerSecond(rate) => {
                    let due = ((now - began).as_secs_f64() * rate) as u64;
                    due.saturating_sub(self.next).min(32) as usize
                }
            };
            for _ in 0..due {
                self.begin(now)?;
            }
            self.look(now)?;
            self.read(&mut buffer)?;
            self.flush()?;
        }
    }

    fn begin(&mut self, now: Instant) -> io::Result<()> {
        let n = self.next;
        self.next += 1;
        if self.calls.len() >= OPEN_MAX {
            self.failed += 1;
            return Ok(());
        }
        self.calls.insert(n, Call { began: now, to: Vec::new(), wait: T1 });
        self.looks[0].push_back((now + T1, n));
        self.send("INVITE", n, &[])
    }

    /// Repeats what was not answered in time.
    fn look(&mut self, now: Instant) -> io::Result<()> {
        for stage in 0..self.looks.len() {
            while let Some((at, n)) = self.looks[stage].front().copied()
                && at <= now
            {
                self.looks[stage].pop_front();
                let Some(call) = self.calls.get_mut(&n) else { continue };
                if now - call.began >= PATIENCE {
                    self.calls.remove(&n);
                    self.failed += 1;
                    continue;
                }
                let next = (stage + 1).min(2);
                call.wait = T1 * (1 << next);
                let to = call.to.clone();
                self.looks[next].push_back((now + T1 * (1 << next), n));
                if matches!(self.wire, Wire::Udp(_)) {
                    self.send(if to.is_empty() { "INVITE" } else { "BYE" }, n, &to)?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        if let Wire::Udp(socket) = &self.wire {
            let socket = Rc::clone(socket);
            for _ in 0..32 {
                match socket.recv(buffer) {
                    Ok(len) => self.answered(&buffer[..len])?,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(());
        }
        let Wire::Tcp { stream, raw, kept, .. } = &mut self.wire else { return Ok(()) };
        let len = match stream.read(&mut raw[*kept..]) {
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (mut raw, end, mut at) = (std::mem::take(raw), *kept + len, 0);
        while let Some(message) = message_length(&raw[at..end]) {
            self.answered(&raw[at..at + message])?;
            at += message;
        }
        raw.copy_within(at..end, 0);
        if let Wire::Tcp { raw: empty, kept, .. } = &mut self.wire {
            (*empty, *kept) = (raw, end - at);
        }
        Ok(())
    }

    /// Carries a call on.
    fn answered(&mut self, raw: &[u8]) -> Result<(), Failure> {
        let Some((status, of_bye, n, to)) = read_answer(raw) else {
            return Err(format!("cannot read {}", String::from_utf8_lossy(raw)).into());
        };
        let Some(call) = self.calls.get_mut(&n).filter(|_| status >= 200) else { return Ok(()) };
        match (of_bye, status) {
            (false, 200) if call.to.is_empty() => {
                call.to = to.to_vec();
                self.send("ACK", n, to)?;
                self.send("BYE", n, to)?;
            }
            // The 2xx came again: its ACK may be lost.
            (false, 200) => self.send("ACK", n, to)?,
            (false, _) => {
                self.calls.remove(&n);
                self.failed += 1;
                self.send("ACK of a refusal", n, to)?;
            }
            (true, 200) => {
                self.calls.remove(&n);
                self.completed += 1;
            }
            (true, _) => {
                self.calls.remove(&n);
                self.failed += 1;
            }
        }
        Ok(())
    }

    /// One request of a call. The ACK of a refusal is of the INVITE's own transaction.
    fn send(&mut self, what: &str, n: u64, to: &[u8]) -> io::Result<()> {
        let Self { local, run, .. } = *self;
        let (method, branch) = match what {
            "INVITE" => ("INVITE", 0),
            "ACK of a refusal" => ("ACK", 0),
            "ACK" => ("ACK", 1),
            method => (method, 2),
        };
        let cseq = if method == "BYE" { 2 } else { 1 };
        let (kind, out) = match &mut self.wire {
            Wire::Udp(_) => {
                self.message.clear();
                ("UDP", &mut self.message)
            }
            Wire::Tcp { out, .. } => ("TCP", out),
        };
        write!(
            out,
            "{method} sip:service@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/{kind} {local};branch=z9hG4bK-{run}-{n}-{branch}\r\n\
             From: caller <sip:caller@{local}>;tag={run}c{n}\r\n"
        )?;
        out.extend_from_slice(if to.is_empty() {
            b"To: service <sip:service@127.0.0.1:5060>\r\n"
        } else {
            to
        });
        write!(
            out,
            "Call-ID: {n}-{run}@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@{local}>\r\n\
             Max-Forwards: 70\r\nSubject: Performance Test\r\n"
        )?;
        match method {
            "INVITE" => {
                write!(out, "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())?
            }
            _ => out.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
        }
        match &self.wire {
            // What does not fit is lost, as in a network, and repeated.
            Wire::Udp(socket) => socket.send(&self.message).map(drop).or_else(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Ok(()),
                _ => Err(error),
            }),
            Wire::Tcp { .. } => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Wire::Tcp { stream, out, .. } = &mut self.wire else { return Ok(()) };
        if out.is_empty() {
            return Ok(());
        }
        match stream.write(out) {
            Ok(len) => drop(out.drain(..len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Status, whether it is of a BYE, the number of the call, and the To line.
fn read_answer(raw: &[u8]) -> Option<(u16, bool, u64, &[u8])> {
    let status = std::str::from_utf8(raw.get(8..11)?).ok()?.parse().ok()?;
    let (mut of_bye, mut n, mut to) = (None, None, None);
    for line in raw.split_inclusive(|byte| *byte == b'\n').skip(1) {
        match line {
            [b'T', b'o', b':', ..] => to = Some(line),
            [b'C', b'S', b'e', b'q', ..] => of_bye = Some(line.trim_ascii_end().ends_with(b"BYE")),
            [b'C', b'a', b'l', b'l', b'-', b'I', b'D', b':', rest @ ..] => {
                let text = std::str::from_utf8(rest).ok()?.trim_start();
                n = text.split('-').next()?.parse().ok();
            }
            b"\r\n" => break,
            _ => {}
        }
    }
    Some((status, of_bye?, n?, to?))
}
