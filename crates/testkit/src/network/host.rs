//! One host: its node, its listeners, its ends of connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sip_core::{FlowId, FlowInfo, Frame, Limits, StreamFramer, TransportInput, TransportKind};

use super::Node;

/// What a listener does with a connection that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Takes it.
    Accepts,
    /// Refuses it, as a host does on which nobody listens.
    Refuses,
    /// Says nothing: the connect runs into its timeout.
    Silent,
}

/// One end of a flow.
pub(super) enum End {
    Stream { connection: u64, side: usize, framer: Box<StreamFramer> },
    Datagram { info: FlowInfo },
}

/// A host of the network.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) ip: Ipv4Addr,
    pub(super) node: Option<Box<dyn Node>>,
    pub(super) tcp: BTreeMap<u16, Listener>,
    pub(super) udp: BTreeSet<u16>,
    pub(super) ends: BTreeMap<FlowId, End>,
    /// Grows with each restart: what was meant for an earlier life does not arrive.
    pub(super) life: u32,
    pub(super) paused: bool,
    pub(super) backlog: VecDeque<TransportInput>,
    limits: Limits,
    next_flow: u64,
    next_port: u16,
}

impl Host {
    pub(super) fn new(name: &str, ip: Ipv4Addr, node: Box<dyn Node>) -> Self {
        Host {
            name: name.to_owned(),
            ip,
            node: Some(node),
            tcp: BTreeMap::new(),
            udp: BTreeSet::new(),
            ends: BTreeMap::new(),
            life: 0,
            paused: false,
            backlog: VecDeque::new(),
            limits: Limits::default(),
            next_flow: 0,
            next_port: 40_000,
        }
    }

    pub(super) fn addr(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.ip), port)
    }

    pub(super) fn new_port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    fn new_flow(&mut self) -> FlowId {
        self.next_flow += 1;
        FlowId::new(self.next_flow)
    }

    pub(super) fn open_stream(
        &mut self,
        connection: u64,
        side: usize,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> (FlowId, FlowInfo) {
        let flow = self.new_flow();
        let limits = self.limits;
        let framer = if side == 0 { StreamFramer::opened(limits) } else { StreamFramer::new(limits) };
        let info = FlowInfo { remote, local, transport: TransportKind::Tcp };
        self.ends.insert(flow, End::Stream { connection, side, framer: Box::new(framer) });
        (flow, info)
    }

    pub(super) fn open_datagram(&mut self, local: SocketAddr, remote: SocketAddr) -> (FlowId, FlowInfo) {
        let flow = self.new_flow();
        let info = FlowInfo { remote, local, transport: TransportKind::Udp };
        self.ends.insert(flow, End::Datagram { info });
        (flow, info)
    }

    pub(super) fn datagram_flow(&self, local: SocketAddr, remote: SocketAddr) -> Option<FlowId> {
        self.ends.iter().find_map(|(flow, end)| match end {
            End::Datagram { info } if info.local == local && info.remote == remote => Some(*flow),
            End::Datagram { .. } | End::Stream { .. } => None,
        })
    }

    pub(super) fn udp_port(&mut self) -> u16 {
        match self.udp.first() {
            Some(port) => *port,
            None => {
                let port = self.new_port();
                self.udp.insert(port);
                port
            }
        }
    }

    pub(super) fn stream_flow(&self, of: u64) -> Option<FlowId> {
        self.ends.iter().find_map(|(flow, end)| match end {
            End::Stream { connection, .. } if *connection == of => Some(*flow),
            End::Stream { .. } | End::Datagram { .. } => None,
        })
    }

    /// Cuts bytes of a stream into inputs; `split` says after how many bytes the segment is torn in two.
    pub(super) fn receive(&mut self, flow: FlowId, bytes: &[u8], split: usize) -> Vec<TransportInput> {
        let Some(End::Stream { framer, .. }) = self.ends.get_mut(&flow) else { return Vec::new() };
        let mut inputs = Vec::new();
        let (first, rest) = bytes.split_at(split.min(bytes.len()));
        for part in [first, rest] {
            framer.push(part);
            while let Ok(Some(frame)) = framer.next() {
                inputs.push(match frame {
                    Frame::Message(message) => TransportInput::Message { flow, message },
                    Frame::KeepAlivePing => TransportInput::Ping { flow },
                    Frame::KeepAlivePong => TransportInput::Pong { flow },
                    Frame::Malformed { error, raw } => TransportInput::Malformed { flow, error, raw },
                });
            }
        }
        inputs
    }
}
