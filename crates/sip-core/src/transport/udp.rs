//! UDP sockets and the flows over them.
//!
//! The owner of the transport reads the sockets itself, without a task between: a datagram costs one system call, and what
//! waits in the system is taken over in batches.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::endpoint::{FlowId, FlowInfo};
use crate::{Limits, Message, ParseError, TransportKind};

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_535;

/// Errors that one look at a socket passes over.
const ERRORS_MAX: usize = 16;
/// What the system is asked to keep of what was not read yet; it gives what its own limit allows.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// One socket, seen in two ways: tokio knows when it can be read, and the system is asked without tokio's leave.
#[derive(Debug)]
struct Socket {
    watched: UdpSocket,
    direct: std::net::UdpSocket,
    local: Option<SocketAddr>,
    /// Whether something may be there that was not read.
    unread: bool,
}

impl Socket {
    fn bind(addr: SocketAddr) -> io::Result<Self> {
        let direct = std::net::UdpSocket::bind(addr)?;
        direct.set_nonblocking(true)?;
        if let Err(error) = SockRef::from(&direct).set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
            tracing::debug!(%error, "receive buffer not set");
        }
        let watched = UdpSocket::from_std(direct.try_clone()?)?;
        Ok(Self { watched, local: direct.local_addr().ok(), direct, unread: true })
    }

    /// Reads one datagram; `None` when there is none.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        for _ in 0..ERRORS_MAX {
            // The first look takes note for tokio that nothing is left; what tokio does not know of yet is asked for directly.
            let mut asked = false;
            let watched = self.watched.try_io(Interest::READABLE, || {
                asked = true;
                self.direct.recv_from(buffer)
            });
            let received = match watched {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !asked => {
                    self.direct.recv_from(buffer)
                }
                received => received,
            };
            match received {
                Ok(received) => return Some(received),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error of an earlier datagram: it does not say of which, so the transaction's timer decides.
                Err(_) => {}
            }
        }
        self.unread = false;
        None
    }
}

/// What a datagram was.
#[derive(Debug)]
pub(super) enum Datagram {
    Message(Message),
    Malformed { error: ParseError, raw: Bytes },
}

/// One flow: which socket, which remote address, when last used.
#[derive(Debug)]
struct UdpFlow {
    socket: usize,
    info: FlowInfo,
    used: u64,
}

/// All sockets, and the flows over them by use.
#[derive(Debug, Default)]
pub(super) struct Udp {
    sockets: Vec<Socket>,
    buffer: Vec<u8>,
    flows: HashMap<FlowId, UdpFlow>,
    by_remote: HashMap<(usize, SocketAddr), FlowId>,
    by_use: BTreeMap<u64, FlowId>,
    ticks: u64,
}

impl Udp {
    /// Binds a socket; its number and its address.
    pub(super) fn bind(&mut self, addr: SocketAddr) -> io::Result<(usize, SocketAddr)> {
        let socket = Socket::bind(addr)?;
        let bound = socket.direct.local_addr()?;
        self.sockets.push(socket);
        Ok((self.sockets.len() - 1, bound))
    }

    /// A socket that can send to this address: one we have, else a new one on a port of the system's choice.
    pub(super) fn socket_for(&mut self, addr: SocketAddr) -> io::Result<usize> {
        let fits = |socket: &Socket| socket.local.is_some_and(|local| local.is_ipv4() == addr.is_ipv4());
        if let Some(index) = self.sockets.iter().position(fits) {
            return Ok(index);
        }
        let any: IpAddr =
            if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Ok(self.bind(SocketAddr::new(any, 0))?.0)
    }

    /// Ready when a socket can be read.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for socket in &mut self.sockets {
            if socket.watched.poll_recv_ready(cx).is_ready() {
                socket.unread = true;
                ready = Poll::Ready(());
            }
        }
        ready
    }

    /// Looks again at every socket, whatever was known of it.
    pub(super) fn look_again(&mut self) {
        self.sockets.iter_mut().for_each(|socket| socket.unread = true);
    }

    /// The next datagram, if there is one: of which socket, from where, what it is.
    pub(super) fn receive(&mut self, limits: &Limits) -> Option<(usize, SocketAddr, Datagram)> {
        self.buffer.resize(DATAGRAM_BYTES, 0);
        for (index, socket) in self.sockets.iter_mut().enumerate().filter(|(_, socket)| socket.unread) {
            while let Some((len, from)) = socket.receive(&mut self.buffer) {
                let raw = &self.buffer[..len];
                // Keep-alives over UDP ask for no answer (RFC 5626 section 3.5.2 uses STUN there).
                if raw.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                    continue;
                }
                let raw = Bytes::copy_from_slice(raw);
                let datagram = match Message::parse(raw.clone(), limits) {
                    Ok(message) => Datagram::Message(message),
                    Err(error) => Datagram::Malformed { error, raw },
                };
                return Some((index, from, datagram));
            }
        }
        None
    }

    /// The flow between this socket and this address, if there is one; it counts as used.
    pub(super) fn known(&mut self, socket: usize, remote: SocketAddr) -> Option<FlowId> {
        let flow = *self.by_remote.get(&(socket, remote))?;
        self.touch(flow);
        Some(flow)
    }

    /// Adds a flow; its ends, and the flow forgotten for it.
    pub(super) fn open(
        &mut self,
        flow: FlowId,
        socket: usize,
        remote: SocketAddr,
        limit: usize,
    ) -> (FlowInfo, Option<FlowId>) {
        let bound = self.sockets[socket].local;
        let local = bound.map_or(remote, |bound| local_towards(bound, remote));
        let info = FlowInfo { remote, local, transport: TransportKind::Udp };
        let forgotten = (self.flows.len() >= limit.max(1)).then(|| self.oldest()).flatten();
        if let Some(forgotten) = forgotten {
            self.close(forgotten);
        }
        self.ticks += 1;
        self.flows.insert(flow, UdpFlow { socket, info, used: self.ticks });
        self.by_remote.insert((socket, remote), flow);
        self.by_use.insert(self.ticks, flow);
        (info, forgotten)
    }

    /// Forgets a flow; `false` if it is unknown.
    pub(super) fn close(&mut self, flow: FlowId) -> bool {
        let Some(gone) = self.flows.remove(&flow) else {
            return false;
        };
        self.by_remote.remove(&(gone.socket, gone.info.remote));
        self.by_use.remove(&gone.used);
        true
    }

    /// The ends of a flow.
    pub(super) fn info(&self, flow: FlowId) -> Option<FlowInfo> {
        self.flows.get(&flow).map(|flow| flow.info)
    }

    /// Sends one datagram. A full socket buffer drops it, as the network might.
    pub(super) fn send(&mut self, flow: FlowId, bytes: &[u8]) -> io::Result<()> {
        self.touch(flow);
        let Some(known) = self.flows.get(&flow) else {
            return Ok(());
        };
        match self.sockets[known.socket].direct.send_to(bytes, known.info.remote) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Notes that a flow was used. One that is among the last used eighth stays where it is: which is the oldest does not
    /// depend on it.
    fn touch(&mut self, flow: FlowId) {
        let near = self.flows.len() as u64 / 8;
        if let Some(known) = self.flows.get_mut(&flow)
            && self.ticks > known.used + near
        {
            self.ticks += 1;
            self.by_use.remove(&known.used);
            known.used = self.ticks;
            self.by_use.insert(self.ticks, flow);
        }
    }

    fn oldest(&self) -> Option<FlowId> {
        self.by_use.first_key_value().map(|(_, flow)| *flow)
    }
}

/// The address our end has towards `remote`, also when the socket is bound to all addresses.
fn local_towards(bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    // Connecting a datagram socket only asks the routing table.
    let asked = std::net::UdpSocket::bind((bound.ip(), 0))
        .and_then(|probe| probe.connect(remote).and_then(|()| probe.local_addr()));
    asked.map_or(bound, |found| SocketAddr::new(found.ip(), bound.port()))
}
