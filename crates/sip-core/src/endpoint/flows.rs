//! The flows that are open, who uses them, and what waits for one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::flow::{FlowId, FlowInfo};
use crate::TransportKind;
use crate::build::RequestDraft;

/// One open flow.
#[derive(Debug)]
struct Flow {
    info: FlowInfo,
    clients: BTreeSet<u64>,
}

/// What waits until a flow to one address is open.
#[derive(Debug, Default)]
struct Waiting {
    clients: BTreeSet<u64>,
    oneway: Vec<RequestDraft>,
}

/// The open flows and the addresses being connected.
#[derive(Debug, Default)]
pub(super) struct Flows {
    open: BTreeMap<FlowId, Flow>,
    by_remote: BTreeMap<(TransportKind, SocketAddr), BTreeSet<FlowId>>,
    waiting: BTreeMap<(TransportKind, SocketAddr), Waiting>,
}

impl Flows {
    /// Adds a flow; `false` if it is known.
    pub(super) fn open(&mut self, flow: FlowId, info: FlowInfo) -> bool {
        if self.open.contains_key(&flow) {
            return false;
        }
        self.open.insert(flow, Flow { info, clients: BTreeSet::new() });
        self.by_remote.entry((info.transport, info.remote)).or_default().insert(flow);
        true
    }

    /// Forgets a flow; its ends and the client transactions on it.
    pub(super) fn close(&mut self, flow: FlowId) -> Option<(FlowInfo, BTreeSet<u64>)> {
        self.retire(flow);
        self.open.remove(&flow).map(|gone| (gone.info, gone.clients))
    }

    /// Keeps a flow from being chosen for its address; `false` if it is unknown.
    pub(super) fn retire(&mut self, flow: FlowId) -> bool {
        let Some(info) = self.info(flow) else {
            return false;
        };
        let key = (info.transport, info.remote);
        if let Some(flows) = self.by_remote.get_mut(&key) {
            flows.remove(&flow);
            if flows.is_empty() {
                self.by_remote.remove(&key);
            }
        }
        true
    }

    /// The ends of an open flow.
    pub(super) fn info(&self, flow: FlowId) -> Option<FlowInfo> {
        self.open.get(&flow).map(|flow| flow.info)
    }

    /// The newest flow to this address.
    pub(super) fn to(&self, transport: TransportKind, addr: SocketAddr) -> Option<FlowId> {
        self.by_remote.get(&(transport, addr))?.last().copied()
    }

    /// Every open flow.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FlowId, FlowInfo)> {
        self.open.iter().map(|(id, flow)| (*id, flow.info))
    }

    /// Notes that this client transaction is on this flow.
    pub(super) fn bind(&mut self, flow: FlowId, client: u64) {
        if let Some(flow) = self.open.get_mut(&flow) {
            flow.clients.insert(client);
        }
    }

    /// Notes that it is no longer.
    pub(super) fn unbind(&mut self, flow: FlowId, client: u64) {
        if let Some(flow) = self.open.get_mut(&flow) {
            flow.clients.remove(&client);
        }
    }

    /// The client transactions on flows to this address.
    pub(super) fn clients_to(&self, transport: TransportKind, addr: SocketAddr) -> BTreeSet<u64> {
        let flows = self.by_remote.get(&(transport, addr)).into_iter().flatten();
        flows.filter_map(|flow| self.open.get(flow)).flat_map(|flow| flow.clients.iter().copied()).collect()
    }

    /// Lets a client transaction wait for the address; `true` if it is the first thing that does.
    pub(super) fn wait_client(&mut self, transport: TransportKind, addr: SocketAddr, client: u64) -> bool {
        let first = !self.waiting.contains_key(&(transport, addr));
        self.waiting.entry((transport, addr)).or_default().clients.insert(client);
        first
    }

    /// Takes a client transaction out of the wait.
    pub(super) fn unwait_client(&mut self, transport: TransportKind, addr: SocketAddr, client: u64) {
        if let Some(waiting) = self.waiting.get_mut(&(transport, addr)) {
            waiting.clients.remove(&client);
            if waiting.clients.is_empty() && waiting.oneway.is_empty() {
                self.waiting.remove(&(transport, addr));
            }
        }
    }

    /// Lets a request without transaction wait for the address. `Some(true)` if it is the first thing that does,
    /// `None` if too many do.
    pub(super) fn wait_oneway(
        &mut self,
        transport: TransportKind,
        addr: SocketAddr,
        draft: RequestDraft,
        limit: usize,
    ) -> Option<bool> {
        let first = !self.waiting.contains_key(&(transport, addr));
        let waiting = self.waiting.entry((transport, addr)).or_default();
        if waiting.oneway.len() >= limit {
            return None;
        }
        waiting.oneway.push(draft);
        Some(first)
    }

    /// Everything that waits for the address.
    pub(super) fn stop_waiting(
        &mut self,
        transport: TransportKind,
        addr: SocketAddr,
    ) -> (BTreeSet<u64>, Vec<RequestDraft>) {
        let waiting = self.waiting.remove(&(transport, addr)).unwrap_or_default();
        (waiting.clients, waiting.oneway)
    }
}
