//! Captures: what crosses the sockets, as a file that Wireshark and other analysers open.
//!
//! Each message is wrapped in the IP and UDP or TCP headers that it had, or would have had: TLS is shown as TCP with the
//! message in plain text. TCP flows get sequence numbers of their own, so that analysers follow the stream. Files are of the
//! classic format (pcap, link type "raw IP"), times are in microseconds.
//!
//! There is no writer task: messages go into a buffer, which is written out when it is full, by [`Capture::flush`], and at
//! the end.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use sip_core::redact::Redaction;
//! use sip_core::transport::{TransportConfig, capture::Capture};
//!
//! let capture = Arc::new(Capture::new(Vec::new(), Redaction::default())?);
//! let config = TransportConfig::default().with_tap(capture.clone());
//! // … run a transport with it …
//! assert_eq!(capture.messages(), 0);
//! # let _ = config;
//! # Ok::<(), sip_core::transport::capture::CaptureError>(())
//! ```

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use etherparse::PacketBuilder;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, PcapError};

use super::tap::{Direction, Seen, Tap};
use crate::TransportKind;
use crate::endpoint::FlowId;
use crate::redact::Redaction;

/// The most bytes of a message that one packet carries: an IP packet ends at 65,535 with its headers.
const SEGMENT_BYTES: usize = 60_000;
/// Room that a TCP sender is shown to have.
const WINDOW: u16 = 65_535;
/// TCP flows that are followed at the same time. Beyond, the numbers of all begin anew.
const FLOWS: usize = 65_536;

/// A capture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the capture cannot be written")]
#[non_exhaustive]
pub struct CaptureError(#[source] io::Error);

impl From<PcapError> for CaptureError {
    fn from(error: PcapError) -> Self {
        Self(match error {
            PcapError::IoError(error) => error,
            other => io::Error::other(other),
        })
    }
}

/// Writes each message into a capture.
///
/// An error of the file ends the capture, not the signalling: from then on messages are counted as [`dropped`](Self::dropped).
pub struct Capture<W: Write + Send> {
    file: Mutex<File<W>>,
    buffer: Buffer<W>,
    redaction: Redaction,
    messages: AtomicU64,
    dropped: AtomicU64,
}

struct File<W: Write> {
    /// `None` once it failed.
    writer: Option<PcapWriter<Buffer<W>>>,
    streams: HashMap<FlowId, Stream>,
}

/// The buffer before the file. It has two owners, since the writer of packets lends nobody what it writes to.
struct Buffer<W: Write>(Arc<Mutex<BufWriter<W>>>);

impl<W: Write> Buffer<W> {
    fn get(&self) -> MutexGuard<'_, BufWriter<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Write for Buffer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.get().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.get().flush()
    }
}

/// What each end of a TCP flow has sent, in bytes.
#[derive(Clone, Copy, Default)]
struct Stream {
    ours: u32,
    theirs: u32,
}

impl<W: Write + Send> fmt::Debug for Capture<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("messages", &self.messages())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

impl<W: Write + Send> Capture<W> {
    /// A capture into `file`, of messages as `redaction` leaves them.
    ///
    /// # Errors
    ///
    /// When the header of the file cannot be written.
    pub fn new(file: W, redaction: Redaction) -> Result<Self, CaptureError> {
        let header = PcapHeader { datalink: DataLink::RAW, snaplen: u32::MAX, ..PcapHeader::default() };
        let buffer = Arc::new(Mutex::new(BufWriter::new(file)));
        let writer = PcapWriter::with_header(Buffer(Arc::clone(&buffer)), header)?;
        Ok(Self {
            buffer: Buffer(buffer),
            file: Mutex::new(File { writer: Some(writer), streams: HashMap::new() }),
            redaction,
            messages: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// How many messages were written.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// How many messages are missing, because the file failed.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    ///
    /// When the file fails.
    pub fn flush(&self) -> Result<(), CaptureError> {
        self.buffer.get().flush().map_err(CaptureError)
    }

    /// Writes one message as seen at `at`; a shell's tap uses the time of day.
    pub fn write(&self, seen: Seen<'_>, at: SystemTime) {
        let shown = self.redaction.apply(seen.bytes);
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let File { writer: Some(writer), streams } = &mut *file else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if streams.len() >= FLOWS && !streams.contains_key(&seen.flow) {
            streams.clear();
        }
        let mut packet = Vec::with_capacity(shown.len() + 60);
        for segment in shown.chunks(SEGMENT_BYTES) {
            packet.clear();
            wrap(&seen, segment, streams, &mut packet);
            let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
            if let Err(error) = writer.write_packet(&PcapPacket::new(since, len, &packet)) {
                tracing::warn!(%error, "the capture ends here");
                file.writer = None;
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.messages.fetch_add(1, Ordering::Relaxed);
    }
}

impl<W: Write + Send> Tap for Capture<W> {
    fn see(&self, seen: Seen<'_>) {
        self.write(seen, SystemTime::now());
    }

    fn closed(&self, flow: FlowId) {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).streams.remove(&flow);
    }
}

/// Puts the headers of IP and of the transport before a message.
fn wrap(seen: &Seen<'_>, segment: &[u8], streams: &mut HashMap<FlowId, Stream>, packet: &mut Vec<u8>) {
    let (from, to) = match seen.direction {
        Direction::Sent => (seen.info.local, seen.info.remote),
        Direction::Received => (seen.info.remote, seen.info.local),
    };
    // A socket for both families shows IPv4 as mapped addresses; on the wire they were none.
    let ip = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
        (from, to) => PacketBuilder::ipv6(octets(from), octets(to), 64),
    };
    let written = match seen.info.transport {
        TransportKind::Udp => ip.udp(from.port(), to.port()).write_to_vec(packet, segment),
        TransportKind::Tcp | TransportKind::Tls => {
            let stream = streams.entry(seen.flow).or_default();
            let len = u32::try_from(segment.len()).unwrap_or(u32::MAX);
            let (sequence, acknowledged) = match seen.direction {
                Direction::Sent => (stream.ours, stream.theirs),
                Direction::Received => (stream.theirs, stream.ours),
            };
            match seen.direction {
                Direction::Sent => stream.ours = stream.ours.wrapping_add(len),
                Direction::Received => stream.theirs = stream.theirs.wrapping_add(len),
            }
            ip.tcp(from.port(), to.port(), sequence.wrapping_add(1), WINDOW)
                .ack(acknowledged.wrapping_add(1))
                .psh()
                .write_to_vec(packet, segment)
        }
    };
    // Only a payload beyond the size of a packet fails, and segments are below it.
    debug_assert!(written.is_ok(), "{written:?}");
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use pcap_file::pcap::PcapReader;

    use super::*;
    use crate::FlowInfo;

    /// A file that several hands hold.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A disk that is full after so many bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn info(transport: TransportKind, local: &str, remote: &str) -> FlowInfo {
        let addr = |text: &str| text.parse::<SocketAddr>().expect("an address");
        FlowInfo { remote: addr(remote), local: addr(local), transport }
    }

    fn packets(bytes: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        let mut reader = PcapReader::new(bytes).expect("a capture");
        let mut packets = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet.expect("a packet");
            packets.push((packet.timestamp, packet.data.into_owned()));
        }
        packets
    }

    /// What was seen comes out again with its ends, its time and its bytes, over each transport and both families.
    #[test]
    fn read_back() {
        let cases = [
            (TransportKind::Udp, "192.0.2.1:5060", "192.0.2.2:40000"),
            (TransportKind::Tcp, "[2001:db8::1]:5060", "[2001:db8::2]:40000"),
            (TransportKind::Tls, "[::ffff:192.0.2.1]:5061", "[::ffff:192.0.2.2]:40000"),
        ];
        for (transport, local, remote) in cases {
            let file = Shared::default();
            let capture = Capture::new(file.clone(), Redaction::default()).expect("memory takes it");
            let info = info(transport, local, remote);
            let raw = b"OPTIONS sip:a SIP/2.0\r\nX: 1\r\n\r\n";
            let at = UNIX_EPOCH + Duration::from_micros(1_000_007);
            for direction in [Direction::Sent, Direction::Received, Direction::Sent] {
                capture.write(Seen::new(direction, FlowId::new(1), info, raw), at);
            }
            capture.flush().expect("memory takes it");
            let bytes = file.0.lock().unwrap().clone();
            let packets = packets(&bytes);
            assert_eq!((packets.len(), capture.messages(), capture.dropped()), (3, 3, 0));
            let mut expected = vec![(1, 1), (1, 32), (32, 32)];
            for (number, (time, packet)) in packets.iter().enumerate() {
                assert_eq!(*time, Duration::from_micros(1_000_007));
                let sliced = SlicedPacket::from_ip(packet).expect("an IP packet");
                let v4 = info.remote.ip().to_canonical().is_ipv4();
                assert_eq!(v4, matches!(sliced.net, Some(NetSlice::Ipv4(_))));
                let from = if number == 1 { info.remote.port() } else { info.local.port() };
                let payload = match sliced.transport.expect("a transport") {
                    TransportSlice::Udp(udp) => {
                        assert_eq!((transport, udp.source_port()), (TransportKind::Udp, from));
                        expected.remove(0);
                        udp.payload().to_vec()
                    }
                    TransportSlice::Tcp(tcp) => {
                        assert_eq!(tcp.source_port(), from);
                        assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), expected.remove(0));
                        tcp.payload().to_vec()
                    }
                    other => panic!("{other:?}"),
                };
                assert_eq!(payload, raw);
            }
        }
    }

    /// A message longer than a packet is written in several.
    #[test]
    fn long_message() {
        let file = Shared::default();
        let capture = Capture::new(file.clone(), Redaction::default()).expect("memory takes it");
        let raw = vec![b'a'; SEGMENT_BYTES + 1];
        let info = info(TransportKind::Tcp, "192.0.2.1:5060", "192.0.2.2:40000");
        capture.see(Seen::new(Direction::Sent, FlowId::new(1), info, &raw));
        capture.flush().expect("memory takes it");
        assert_eq!(packets(&file.0.lock().unwrap()).len(), 2);
    }

    /// A full disk ends the capture, not the process, and what is missing is counted.
    #[test]
    fn full_disk() {
        let capture = Capture::new(Full(9_000), Redaction::default()).expect("room for the header");
        let raw = vec![b'a'; 7_000];
        let info = info(TransportKind::Udp, "192.0.2.1:5060", "192.0.2.2:40000");
        for _ in 0..5 {
            capture.see(Seen::new(Direction::Sent, FlowId::new(1), info, &raw));
        }
        assert!(capture.dropped() > 0);
        assert_eq!(capture.messages() + capture.dropped(), 5);
    }

    /// Secrets never reach the file.
    #[test]
    fn redacted() {
        let file = Shared::default();
        let capture = Capture::new(file.clone(), Redaction::default()).expect("memory takes it");
        let raw = b"BYE sip:a SIP/2.0\r\nAuthorization: Digest response=\"c0ffee\"\r\n\r\n";
        let info = info(TransportKind::Udp, "192.0.2.1:5060", "192.0.2.2:40000");
        capture.see(Seen::new(Direction::Sent, FlowId::new(1), info, raw));
        capture.flush().expect("memory takes it");
        assert!(memchr::memmem::find(&file.0.lock().unwrap(), b"c0ffee").is_none());
    }
}
