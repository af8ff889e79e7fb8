//! The shell under every core: UDP, TCP and TLS sockets on tokio, and the loop that drives a core over them.
//!
//! One owner holds the [`Transport`]: it numbers the flows and is the only one that opens, feeds and closes them. Each
//! connection is one task that frames bytes and writes what is queued; nothing of the protocol happens there.
//!
//! # Invariants
//!
//! - `Connected` or `Accepted` comes before anything else of a flow, `Closed` once and last.
//! - `send` never waits: what a connection cannot take is queued up to a limit, and beyond it the connection is closed.
//! - Every task ends with the transport.
//!
//! Without the feature `tls`, or without `TransportConfig::tls`, a target over TLS is `Unreachable` as unsupported.
//!
//! Not here: transactions.

#[cfg(feature = "capture")]
pub mod capture;
mod config;
mod connection;
#[cfg(feature = "metrics")]
pub mod count;
mod drive;
pub mod tap;
#[cfg(feature = "tls")]
pub mod tls;
mod udp;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub use config::{ListenAddr, ListenAddrError, TransportConfig};
pub use drive::{Core, drive, flush, now, sleep_until, turn};
pub use tap::{Direction, Seen, Tap};

use crate::endpoint::{
    CloseReason, FlowId, FlowInfo, PeerIdentity, Remote, Target, Transmit, TransportInput, UnreachableReason,
};
use crate::{Message, StreamFramer, TransportKind};
use connection::{Connection, Queued, Stream};
use udp::{Datagram, Udp};

/// What the tasks report at most before they wait.
const INBOX: usize = 1_024;
/// Reports at most that were taken over and wait to be given out; beyond, the rest waits in the system and in the inbox.
const READY: usize = 4_096;
/// Datagrams at most that one look takes over.
const BATCH_DATAGRAMS: usize = 32;
/// After so many reports without a wait the other tasks have their turn.
const GIVEN: u32 = 64;
/// While reports wait, sockets are looked at again after so many of them.
const LOOK_AGAIN: u32 = 8;
/// What waits at most for one connection to open.
const CONNECTING_MESSAGES: usize = 256;
/// What a keep-alive is answered with (RFC 5626 section 4.4.1).
const KEEP_ALIVE_ANSWER: Bytes = Bytes::from_static(b"\r\n");

/// What the tasks report to the transport.
#[derive(Debug)]
enum Internal {
    Accepted {
        stream: TcpStream,
        transport: TransportKind,
    },
    Connected {
        addr: SocketAddr,
        stream: TcpStream,
    },
    ConnectFailed {
        remote: Remote,
        reason: UnreachableReason,
    },
    /// The handshake of a connection that we accepted is over.
    #[cfg(feature = "tls")]
    Shaken {
        number: u64,
        outcome: Result<tls::Opened, crate::endpoint::TlsFailure>,
    },
    /// That of one that we opened.
    #[cfg(feature = "tls")]
    Secured {
        remote: Remote,
        opened: tls::Opened,
    },
    Input(TransportInput),
    Closed {
        flow: FlowId,
        reason: CloseReason,
    },
}

/// An open connection, seen from its owner.
#[derive(Debug)]
struct Open {
    info: FlowInfo,
    accepted: bool,
    peer: PeerIdentity,
    /// What it is used for when something has to go to an address.
    remote: Option<Remote>,
    /// `None` once it is being closed.
    queue: Option<mpsc::Sender<Bytes>>,
    queued: Queued,
    task: AbortHandle,
}

/// Reports that were taken over, each with when.
#[derive(Debug, Default)]
struct Ready {
    queue: VecDeque<(Instant, TransportInput)>,
    /// How long the one that was given out last had waited.
    waited: Duration,
}

impl Ready {
    fn push_back(&mut self, input: TransportInput) {
        self.queue.push_back((now(), input));
    }

    fn pop_front(&mut self) -> Option<TransportInput> {
        let (since, input) = self.queue.pop_front()?;
        // What comes one at a time is not asked how long it waited.
        self.waited =
            if self.queue.is_empty() { Duration::ZERO } else { now().saturating_duration_since(since) };
        Some(input)
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// Sockets as a source of [`TransportInput`] and a sink of [`Transmit`]; see the module's text.
#[derive(Debug)]
pub struct Transport {
    config: Arc<TransportConfig>,
    local: Vec<ListenAddr>,
    open: BTreeMap<FlowId, Open>,
    by_remote: HashMap<Remote, FlowId>,
    accepted_from: HashMap<IpAddr, usize>,
    connecting: HashMap<Remote, Vec<Bytes>>,
    #[cfg(feature = "tls")]
    tls: Option<tls::Tls>,
    udp: Udp,
    newest: u64,
    ready: Ready,
    /// How often reports were asked for.
    looks: u32,
    /// How many were given out without a wait.
    given: u32,
    inbox: mpsc::Receiver<Internal>,
    reports: mpsc::Sender<Internal>,
    tasks: JoinSet<()>,
}

impl Transport {
    /// Listens on these addresses. Without any it is a client: it opens connections, and a UDP socket when needed.
    ///
    /// # Errors
    ///
    /// What the system says when an address cannot be bound. `Unsupported` for TLS without the feature or its settings;
    /// `InvalidInput` with the error of those settings inside.
    pub async fn bind(listen: &[ListenAddr], config: TransportConfig) -> io::Result<Self> {
        let (reports, inbox) = mpsc::channel(INBOX);
        #[cfg(feature = "tls")]
        let tls = {
            let serves = listen.iter().any(|listen| listen.transport == TransportKind::Tls);
            config.tls.as_ref().map(|tls| tls::Tls::new(tls, serves)).transpose()?
        };
        let mut transport = Self {
            config: Arc::new(config),
            local: Vec::new(),
            open: BTreeMap::new(),
            by_remote: HashMap::new(),
            accepted_from: HashMap::new(),
            connecting: HashMap::new(),
            #[cfg(feature = "tls")]
            tls,
            udp: Udp::default(),
            newest: 0,
            ready: Ready::default(),
            looks: 0,
            given: 0,
            inbox,
            reports,
            tasks: JoinSet::new(),
        };
        for listen in listen {
            let addr = match listen.transport {
                TransportKind::Udp => transport.listen_udp(listen.addr)?,
                TransportKind::Tls if !transport.speaks_tls() => {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                TransportKind::Tcp | TransportKind::Tls => transport.listen_stream(listen).await?,
            };
            transport.local.push(ListenAddr::new(listen.transport, addr));
        }
        Ok(transport)
    }

    /// What it listens on, in the order of `bind`, with the real ports.
    pub fn local_addrs(&self) -> &[ListenAddr] {
        &self.local
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.open.len()
    }

    /// The next report. Cancel safe.
    pub async fn next(&mut self) -> TransportInput {
        if self.given >= GIVEN {
            self.given = 0;
            tokio::task::yield_now().await;
        }
        loop {
            if let Some(input) = self.try_next() {
                return input;
            }
            self.given = 0;
            let Self { inbox, udp, .. } = self;
            let internal = poll_fn(|cx| {
                if udp.poll_readable(cx).is_ready() {
                    return Poll::Ready(None);
                }
                match inbox.poll_recv(cx) {
                    Poll::Ready(Some(internal)) => Poll::Ready(Some(internal)),
                    // Not while `self.reports` lives, but after `shutdown` nothing comes.
                    Poll::Ready(None) | Poll::Pending => Poll::Pending,
                }
            });
            if let Some(internal) = internal.await {
                self.take(internal);
            }
        }
    }

    /// The next report, if there is one already.
    pub fn try_next(&mut self) -> Option<TransportInput> {
        self.read_datagrams();
        if self.ready.len() < READY
            && let Ok(internal) = self.inbox.try_recv()
        {
            self.take(internal);
        }
        loop {
            if let Some(input) = self.ready.pop_front() {
                self.given += 1;
                return Some(input);
            }
            let internal = self.inbox.try_recv().ok()?;
            self.take(internal);
        }
    }

    /// How many reports wait: what came and was not given out by [`Self::next`] yet.
    pub fn backlog(&self) -> usize {
        self.ready.len() + self.inbox.len()
    }

    /// How long what was given out last had waited since it was taken over from the system.
    pub fn waited(&self) -> Duration {
        self.ready.waited
    }

    /// Takes over datagrams that the system has: before it has to drop some, since only here is it known what they are.
    fn read_datagrams(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOK_AGAIN) && !self.ready.is_empty() {
            self.udp.look_again();
        }
        for _ in 0..BATCH_DATAGRAMS {
            if self.ready.len() >= READY {
                return;
            }
            let Some((socket, from, datagram)) = self.udp.receive(&self.config.limits) else {
                return;
            };
            self.datagram(socket, from, datagram);
        }
    }

    /// Sends, or opens a flow; never waits. What becomes of it is reported, if it fails.
    pub fn send(&mut self, transmit: Transmit) {
        let Transmit { to, bytes, close_after } = transmit;
        match (to.remote(), to) {
            (None, Target::Flow(flow)) => {
                self.send_on(flow, bytes);
                if close_after {
                    self.close(flow);
                }
            }
            (Some(remote), _) if remote.transport == TransportKind::Udp => self.send_udp(remote.addr, bytes),
            (Some(remote), _) => self.send_stream(remote, bytes),
            (None, Target::Address { .. } | Target::Server { .. }) => {
                debug_assert!(false, "only a flow leads to no address");
            }
        }
    }

    /// Closes a flow after what is queued for it; its end is reported.
    pub fn close(&mut self, flow: FlowId) {
        if let Some(open) = self.open.get_mut(&flow) {
            open.queue = None;
        } else if self.udp.close(flow) {
            self.ready.push_back(TransportInput::Closed { flow, reason: CloseReason::Local });
        }
    }

    /// Stops listening, sends what is queued, closes everything.
    pub async fn shutdown(mut self) {
        self.inbox.close();
        for open in self.open.values_mut() {
            open.queue = None;
        }
        let connections = std::mem::take(&mut self.open);
        let mut ended = Box::pin(async {
            while connections.values().any(|open| !open.task.is_finished()) {
                if self.tasks.join_next().await.is_none() {
                    return;
                }
            }
        });
        // What did not end by itself in time is aborted with the task set: listeners always, slow connections too.
        let _ = tokio::time::timeout(self.config.shutdown_timeout, &mut ended).await;
        drop(ended);
        self.tasks.shutdown().await;
    }

    /// How certificates and trust anchors are replaced; `None` if it does not speak TLS.
    #[cfg(feature = "tls")]
    pub fn tls_reload(&self) -> Option<tls::TlsReload> {
        self.tls.as_ref().map(tls::Tls::reload)
    }

    /// How the handshakes of accepted connections went.
    #[cfg(feature = "tls")]
    pub fn tls_stats(&self) -> tls::TlsStats {
        self.tls.as_ref().map(|tls| tls.handshakes.stats()).unwrap_or_default()
    }

    fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// How many handshakes of accepted connections are under way.
    fn handshakes(&self) -> usize {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().map_or(0, |tls| tls.handshakes.len());
        #[cfg(not(feature = "tls"))]
        0
    }

    async fn listen_stream(&mut self, listen: &ListenAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(listen.addr).await?;
        let bound = listener.local_addr()?;
        self.tasks.spawn(accept_all(listener, listen.transport, self.reports.clone()));
        Ok(bound)
    }

    fn listen_udp(&mut self, addr: SocketAddr) -> io::Result<SocketAddr> {
        self.udp.bind(addr).map(|(_, bound)| bound)
    }

    fn next_flow(&mut self) -> FlowId {
        self.newest += 1;
        FlowId::new(self.newest)
    }

    fn take(&mut self, internal: Internal) {
        while self.tasks.try_join_next().is_some() {}
        match internal {
            Internal::Accepted { stream, transport } => self.accepted(stream, transport),
            Internal::Connected { addr, stream } => self.connected(addr, stream),
            Internal::ConnectFailed { remote, reason } => {
                self.connecting.remove(&remote);
                self.unreachable(&remote, reason);
            }
            #[cfg(feature = "tls")]
            Internal::Shaken { number, outcome } => self.shaken(number, outcome),
            #[cfg(feature = "tls")]
            Internal::Secured { remote, opened } => self.secured(remote, opened),
            Internal::Input(input) => self.input(input),
            Internal::Closed { flow, reason } => self.closed(flow, reason),
        }
    }

    /// A report of a connection; those of one that was closed for overflow are dropped.
    fn input(&mut self, input: TransportInput) {
        let flow = match &input {
            TransportInput::Message { flow, .. }
            | TransportInput::Malformed { flow, .. }
            | TransportInput::Connected { flow, .. }
            | TransportInput::Accepted { flow, .. }
            | TransportInput::Secured { flow, .. }
            | TransportInput::Closed { flow, .. }
            | TransportInput::Ping { flow }
            | TransportInput::Pong { flow } => *flow,
            TransportInput::Unreachable { .. } | TransportInput::ServerUnreachable { .. } => {
                return self.ready.push_back(input);
            }
        };
        if let Some(info) = self.open.get(&flow).map(|open| open.info) {
            match &input {
                TransportInput::Ping { .. } => self.send_on(flow, KEEP_ALIVE_ANSWER),
                TransportInput::Message { message, .. } => {
                    self.show(Direction::Received, flow, info, raw_of(message));
                }
                TransportInput::Malformed { raw, .. } => self.show(Direction::Received, flow, info, raw),
                _ => {}
            }
            self.ready.push_back(input);
        }
    }

    fn accepted(&mut self, stream: TcpStream, transport: TransportKind) {
        let Ok(info) = ends(&stream, transport) else {
            return;
        };
        let open = self.open.len() + self.handshakes();
        let from = self.accepted_from.get(&info.remote.ip()).copied().unwrap_or(0);
        if open >= self.config.max_connections || from >= self.config.max_connections_per_peer {
            tracing::warn!(open, "connection refused: too many");
            return;
        }
        self.accepted_from.insert(info.remote.ip(), from + 1);
        tune(&stream, &self.config);
        #[cfg(feature = "tls")]
        if transport == TransportKind::Tls {
            return self.shake(stream, info);
        }
        let remote = Remote::new(transport, info.remote);
        let flow = self.start(Stream::Tcp(stream), info, true, Some(remote), PeerIdentity::default());
        self.ready.push_back(TransportInput::Accepted { flow, info });
    }

    fn connected(&mut self, addr: SocketAddr, stream: TcpStream) {
        let remote = Remote::new(TransportKind::Tcp, addr);
        let waiting = self.connecting.remove(&remote).unwrap_or_default();
        match ends(&stream, TransportKind::Tcp) {
            // The system may give a connecting socket the very port it connects to: that is nobody but ourselves.
            Ok(found) if found.local == found.remote => {
                self.unreachable(&remote, UnreachableReason::Refused);
            }
            Ok(found) => {
                let info = FlowInfo { remote: addr, ..found };
                tune(&stream, &self.config);
                let flow =
                    self.start(Stream::Tcp(stream), info, false, Some(remote), PeerIdentity::default());
                self.ready.push_back(TransportInput::Connected { flow, info });
                waiting.into_iter().for_each(|bytes| self.send_on(flow, bytes));
            }
            Err(error) => self.unreachable(&remote, error.kind().into()),
        }
    }

    /// Starts the task of a connection; `remote` is what it may be used for besides its own flow.
    fn start(
        &mut self,
        stream: Stream,
        info: FlowInfo,
        accepted: bool,
        remote: Option<Remote>,
        peer: PeerIdentity,
    ) -> FlowId {
        let flow = self.next_flow();
        let (queue, outgoing) = mpsc::channel(self.config.max_queued_messages.max(1));
        let queued = Queued::default();
        let limits = self.config.limits;
        let connection = Connection {
            flow,
            framer: if accepted { StreamFramer::new(limits) } else { StreamFramer::opened(limits) },
            inbox: self.reports.clone(),
            outgoing,
            queued: Arc::clone(&queued),
            config: Arc::clone(&self.config),
        };
        let task = self.tasks.spawn(connection.run(stream));
        if let Some(remote) = &remote {
            self.by_remote.insert(remote.clone(), flow);
        }
        self.open.insert(flow, Open { info, accepted, peer, remote, queue: Some(queue), queued, task });
        flow
    }

    fn closed(&mut self, flow: FlowId, reason: CloseReason) {
        let Some(open) = self.open.remove(&flow) else {
            return;
        };
        if let Some(remote) = &open.remote
            && self.by_remote.get(remote) == Some(&flow)
        {
            self.by_remote.remove(remote);
        }
        if open.accepted {
            self.release(open.info.remote.ip());
        }
        if let Some(tap) = &self.config.tap {
            tap.closed(flow);
        }
        self.ready.push_back(TransportInput::Closed { flow, reason });
    }

    /// One accepted connection from this address less.
    fn release(&mut self, ip: IpAddr) {
        if let Some(count) = self.accepted_from.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.accepted_from.remove(&ip);
            }
        }
    }

    fn datagram(&mut self, socket: usize, from: SocketAddr, datagram: Datagram) {
        let flow = match self.udp.known(socket, from) {
            Some(flow) => flow,
            None => {
                let (flow, info) = self.open_udp(socket, from);
                self.ready.push_back(TransportInput::Accepted { flow, info });
                flow
            }
        };
        if self.config.tap.is_some()
            && let Some(info) = self.udp.info(flow)
        {
            let raw = match &datagram {
                Datagram::Message(message) => raw_of(message),
                Datagram::Malformed { raw, .. } => raw,
            };
            self.show(Direction::Received, flow, info, raw);
        }
        self.ready.push_back(match datagram {
            Datagram::Message(message) => TransportInput::Message { flow, message },
            Datagram::Malformed { error, raw } => TransportInput::Malformed { flow, error, raw },
        });
    }

    fn open_udp(&mut self, socket: usize, remote: SocketAddr) -> (FlowId, FlowInfo) {
        let flow = self.next_flow();
        let (info, forgotten) = self.udp.open(flow, socket, remote, self.config.max_udp_flows);
        if let Some(flow) = forgotten {
            self.ready.push_back(TransportInput::Closed { flow, reason: CloseReason::Limit });
        }
        (flow, info)
    }

    fn send_on(&mut self, flow: FlowId, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let Some(open) = self.open.get(&flow) else {
            return self.send_datagram(flow, &bytes);
        };
        let Some(queue) = &open.queue else {
            return;
        };
        self.show(Direction::Sent, flow, open.info, &bytes);
        let len = bytes.len();
        let before = open.queued.fetch_add(len, Ordering::Relaxed);
        if before + len <= self.config.max_queued_bytes && queue.try_send(bytes).is_ok() {
            return;
        }
        open.task.abort();
        self.closed(flow, CloseReason::Overflow);
    }

    /// Shows a message to whom it may concern. Line ends between messages are none.
    fn show(&self, direction: Direction, flow: FlowId, info: FlowInfo, bytes: &[u8]) {
        if let Some(tap) = &self.config.tap
            && !bytes.starts_with(b"\r\n")
        {
            tap.see(Seen::new(direction, flow, info, bytes));
        }
    }

    fn send_datagram(&mut self, flow: FlowId, bytes: &[u8]) {
        if self.config.tap.is_some()
            && let Some(info) = self.udp.info(flow)
        {
            self.show(Direction::Sent, flow, info, bytes);
        }
        let Err(error) = self.udp.send(flow, bytes) else {
            return;
        };
        if let Some(info) = self.udp.info(flow) {
            self.unreachable(&Remote::new(info.transport, info.remote), error.kind().into());
        }
    }

    fn send_stream(&mut self, remote: Remote, bytes: Bytes) {
        if remote.transport == TransportKind::Tls && !self.speaks_tls() {
            return self.unreachable(&remote, UnreachableReason::Unsupported);
        }
        let open = self.by_remote.get(&remote).copied();
        if let Some((flow, open)) = open.and_then(|flow| Some((flow, self.open.get(&flow)?)))
            && open.queue.is_some()
        {
            let info = open.info;
            if bytes.is_empty() {
                self.report_open(flow, info, remote);
            }
            return self.send_on(flow, bytes);
        }
        if let Some(waiting) = self.connecting.get_mut(&remote) {
            if !bytes.is_empty() && waiting.len() < CONNECTING_MESSAGES {
                waiting.push(bytes);
            }
            return;
        }
        if self.open.len() + self.handshakes() + self.connecting.len() >= self.config.max_connections {
            return self.unreachable(&remote, UnreachableReason::Limit);
        }
        let waiting = if bytes.is_empty() { Vec::new() } else { vec![bytes] };
        self.connecting.insert(remote.clone(), waiting);
        self.connect(remote);
    }

    /// Starts the task that opens a connection.
    fn connect(&mut self, remote: Remote) {
        #[cfg(feature = "tls")]
        if remote.transport == TransportKind::Tls {
            return self.connect_tls(remote);
        }
        self.tasks.spawn(connect(remote, Arc::clone(&self.config), self.reports.clone()));
    }

    /// Reports a flow that was open when somebody asked for it.
    fn report_open(&mut self, flow: FlowId, info: FlowInfo, remote: Remote) {
        let peer = self.open.get(&flow).map(|open| open.peer.clone()).unwrap_or_default();
        self.ready.push_back(match remote.name {
            Some(name) => TransportInput::Secured { flow, info, asked: Some(name), peer },
            None => TransportInput::Connected { flow, info },
        });
    }

    fn send_udp(&mut self, addr: SocketAddr, bytes: Bytes) {
        let socket = match self.udp.socket_for(addr) {
            Ok(index) => index,
            Err(error) => {
                let remote = Remote::new(TransportKind::Udp, addr);
                return self.unreachable(&remote, error.kind().into());
            }
        };
        let known = self.udp.known(socket, addr).and_then(|flow| Some((flow, self.udp.info(flow)?)));
        let (flow, info) = match known {
            Some(known) => known,
            None => self.open_udp(socket, addr),
        };
        if known.is_none() || bytes.is_empty() {
            self.ready.push_back(TransportInput::Connected { flow, info });
        }
        self.send_on(flow, bytes);
    }

    fn unreachable(&mut self, remote: &Remote, reason: UnreachableReason) {
        let Remote { transport, addr, .. } = *remote;
        self.ready.push_back(match &remote.name {
            Some(name) if *name != addr.ip().into() => {
                TransportInput::ServerUnreachable { addr, name: name.clone(), reason }
            }
            Some(_) | None => TransportInput::Unreachable { transport, addr, reason },
        });
    }
}

/// The bytes of a message.
fn raw_of(message: &Message) -> &Bytes {
    match message {
        Message::Request(request) => request.raw(),
        Message::Response(response) => response.raw(),
    }
}

/// The two ends of a stream.
fn ends(stream: &TcpStream, transport: TransportKind) -> io::Result<FlowInfo> {
    Ok(FlowInfo { remote: stream.peer_addr()?, local: stream.local_addr()?, transport })
}

/// Small messages at once, and a dead peer noticed.
fn tune(stream: &TcpStream, config: &TransportConfig) {
    let set = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        let Some(dead_after) = config.dead_peer_after else {
            return Ok(());
        };
        let socket = SockRef::from(stream);
        let probe = (dead_after / 4).max(Duration::from_secs(1));
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(dead_after / 2).with_interval(probe))?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(dead_after))?;
        Ok(())
    };
    if let Err(error) = set() {
        tracing::debug!(%error, "socket options not set");
    }
}

/// Accepts until the transport is gone.
async fn accept_all(listener: TcpListener, transport: TransportKind, reports: mpsc::Sender<Internal>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if reports.send(Internal::Accepted { stream, transport }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of descriptors, as a rule: asking again at once would only spin.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Opens one connection.
async fn connect(remote: Remote, config: Arc<TransportConfig>, reports: mpsc::Sender<Internal>) {
    let addr = remote.addr;
    let report = match tokio::time::timeout(config.connect_timeout, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => Internal::Connected { addr, stream },
        Ok(Err(error)) => Internal::ConnectFailed { remote, reason: error.kind().into() },
        Err(_) => Internal::ConnectFailed { remote, reason: UnreachableReason::TimedOut },
    };
    // The receiver is gone when the transport is.
    let _ = reports.send(report).await;
}

#[cfg(test)]
mod tests;
