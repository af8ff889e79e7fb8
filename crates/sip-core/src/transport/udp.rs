//! UDP sockets and the flows over them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::{Internal, TransportConfig};
use crate::endpoint::{FlowId, FlowInfo};
use crate::{Message, ParseError, TransportKind};

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_535;

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
    sockets: Vec<Arc<UdpSocket>>,
    flows: HashMap<FlowId, UdpFlow>,
    by_remote: HashMap<(usize, SocketAddr), FlowId>,
    by_use: BTreeMap<u64, FlowId>,
    ticks: u64,
}

impl Udp {
    /// Adds a socket; its number.
    pub(super) fn add(&mut self, socket: Arc<UdpSocket>) -> usize {
        self.sockets.push(socket);
        self.sockets.len() - 1
    }

    /// A socket that can send to this address: one we have, else a new one on a port of the system's choice.
    pub(super) fn socket_for(&mut self, addr: SocketAddr) -> io::Result<(usize, Option<Arc<UdpSocket>>)> {
        let fits = |socket: &Arc<UdpSocket>| {
            socket.local_addr().is_ok_and(|local| local.is_ipv4() == addr.is_ipv4())
        };
        if let Some(index) = self.sockets.iter().position(fits) {
            return Ok((index, None));
        }
        let any: IpAddr =
            if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        Ok((self.add(Arc::clone(&socket)), Some(socket)))
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
        let bound = self.sockets[socket].local_addr().ok();
        let local = bound.map_or(remote, |bound| local_towards(bound, remote));
        let info = FlowInfo { remote, local, transport: TransportKind::Udp };
        let forgotten = (self.flows.len() >= limit.max(1)).then(|| self.oldest()).flatten();
        if let Some(forgotten) = forgotten {
            self.close(forgotten);
        }
        self.flows.insert(flow, UdpFlow { socket, info, used: 0 });
        self.by_remote.insert((socket, remote), flow);
        self.touch(flow);
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
        // Not tokio's `try_send_to`: before its first poll of a new socket that only says that it would block.
        let socket = SockRef::from(&*self.sockets[known.socket]);
        match socket.send_to(bytes, &known.info.remote.into()) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn touch(&mut self, flow: FlowId) {
        self.ticks += 1;
        if let Some(known) = self.flows.get_mut(&flow) {
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

/// Reads one socket until the transport is gone.
pub(super) async fn receive_all(
    index: usize,
    socket: Arc<UdpSocket>,
    inbox: mpsc::Sender<Internal>,
    config: Arc<TransportConfig>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let (len, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An ICMP error of an earlier datagram: it does not say of which, so the transaction's timer decides.
            Err(_) => {
                tokio::task::yield_now().await;
                continue;
            }
        };
        let raw = &buffer[..len];
        // Keep-alives over UDP ask for no answer (RFC 5626 section 3.5.2 uses STUN there).
        if raw.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            continue;
        }
        let raw = Bytes::copy_from_slice(raw);
        let datagram = match Message::parse(raw.clone(), &config.limits) {
            Ok(message) => Datagram::Message(message),
            Err(error) => Datagram::Malformed { error, raw },
        };
        if inbox.send(Internal::Datagram { socket: index, from, datagram }).await.is_err() {
            return;
        }
    }
}
