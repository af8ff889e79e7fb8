//! A name server for one zone on loopback, over UDP. The zone can be changed while it runs.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// Nobody keeps an answer for longer than this many seconds: what changes is seen at once.
const TTL: u32 = 0;

const A: u16 = 1;
const SRV: u16 = 33;

type Zone = Arc<Mutex<HashMap<(String, u16), Vec<Vec<u8>>>>>;

/// A running name server; its thread ends with the process.
pub(crate) struct NameServer {
    pub(crate) addr: SocketAddr,
    zone: Zone,
}

impl NameServer {
    /// One that knows nothing.
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let addr = socket.local_addr().expect("bound");
        let zone = Zone::default();
        let shared = Arc::clone(&zone);
        std::thread::spawn(move || serve(&socket, &shared));
        Self { addr, zone }
    }

    /// From now on the service (`_sip._tcp.example.com`) is at these addresses, in this order, and nowhere else. The one
    /// host that it names is `host`.
    pub(crate) fn offer(&self, service: &str, host: &str, at: &[SocketAddr]) {
        let mut zone = self.zone.lock().expect("no test panicked");
        let records = at.iter().enumerate().map(|(priority, addr)| {
            let mut data = (priority as u16).to_be_bytes().to_vec();
            data.extend([0, 0]);
            data.extend(addr.port().to_be_bytes());
            data.extend(name(host));
            data
        });
        zone.insert((service.to_owned(), SRV), records.collect());
        zone.insert((host.to_owned(), A), vec![vec![127, 0, 0, 1]]);
    }
}

fn serve(socket: &UdpSocket, zone: &Zone) {
    let mut buffer = [0; 2_048];
    while let Ok((len, from)) = socket.recv_from(&mut buffer) {
        if let Some(reply) = reply(&buffer[..len], zone) {
            let _ = socket.send_to(&reply, from);
        }
    }
}

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

/// The question is repeated as it came; records refer to its name.
fn reply(query: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let len = usize::from(*query.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        labels.push(String::from_utf8(query.get(at..at + len)?.to_vec()).ok()?.to_ascii_lowercase());
        at += len;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    let zone = zone.lock().expect("no test panicked");
    let found = zone.get(&(labels.join("."), kind)).cloned().unwrap_or_default();
    let mut out = query[..2].to_vec();
    out.extend([0x84, 0x80, 0, 1]);
    out.extend((found.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(&query[12..at + 4]);
    for data in found {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(TTL.to_be_bytes());
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
