//! The flows that are open, who uses them, and what waits for one.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{FlowId, FlowInfo, Remote};
use super::peer::PeerIdentity;
use crate::build::RequestDraft;

/// One open flow.
#[derive(Debug)]
struct Flow {
    info: FlowInfo,
    /// What it may be chosen for; `None` for one that others opened over TLS, which is reached by its number only.
    remote: Option<Remote>,
    peer: PeerIdentity,
    clients: BTreeSet<u64>,
}

/// What waits until a flow to one address is open.
#[derive(Debug, Default)]
struct Waiting {
    clients: BTreeSet<u64>,
    /// Each with whether it waits because of its size.
    oneway: Vec<(RequestDraft, bool)>,
}

/// The open flows and the addresses being connected.
#[derive(Debug, Default)]
pub(super) struct Flows {
    open: BTreeMap<FlowId, Flow>,
    by_remote: BTreeMap<Remote, BTreeSet<FlowId>>,
    waiting: BTreeMap<Remote, Waiting>,
}

impl Flows {
    /// Adds a flow that may be chosen for `remote`; `false` if it is known.
    pub(super) fn open(
        &mut self,
        flow: FlowId,
        info: FlowInfo,
        remote: Option<Remote>,
        peer: PeerIdentity,
    ) -> bool {
        if self.open.contains_key(&flow) {
            return false;
        }
        if let Some(remote) = &remote {
            self.by_remote.entry(remote.clone()).or_default().insert(flow);
        }
        self.open.insert(flow, Flow { info, remote, peer, clients: BTreeSet::new() });
        true
    }

    /// Forgets a flow; its ends and the client transactions on it.
    pub(super) fn close(&mut self, flow: FlowId) -> Option<(FlowInfo, BTreeSet<u64>)> {
        self.retire(flow);
        self.open.remove(&flow).map(|gone| (gone.info, gone.clients))
    }

    /// Keeps a flow from being chosen for its address; `false` if it is unknown.
    pub(super) fn retire(&mut self, flow: FlowId) -> bool {
        let Some(open) = self.open.get(&flow) else {
            return false;
        };
        if let Some(remote) = &open.remote
            && let Some(flows) = self.by_remote.get_mut(remote)
        {
            flows.remove(&flow);
            if flows.is_empty() {
                self.by_remote.remove(remote);
            }
        }
        true
    }

    /// The ends of an open flow.
    pub(super) fn info(&self, flow: FlowId) -> Option<FlowInfo> {
        self.open.get(&flow).map(|flow| flow.info)
    }

    /// What the other end of an open flow proved.
    pub(super) fn peer(&self, flow: FlowId) -> Option<&PeerIdentity> {
        self.open.get(&flow).map(|flow| &flow.peer)
    }

    /// The newest flow that leads there.
    pub(super) fn to(&self, remote: &Remote) -> Option<FlowId> {
        self.by_remote.get(remote)?.last().copied()
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

    /// The client transactions on flows that lead there.
    pub(super) fn clients_to(&self, remote: &Remote) -> BTreeSet<u64> {
        let flows = self.by_remote.get(remote).into_iter().flatten();
        flows.filter_map(|flow| self.open.get(flow)).flat_map(|flow| flow.clients.iter().copied()).collect()
    }

    /// Lets a client transaction wait for a flow there; `true` if it is the first thing that does.
    pub(super) fn wait_client(&mut self, remote: &Remote, client: u64) -> bool {
        let first = !self.waiting.contains_key(remote);
        self.waiting.entry(remote.clone()).or_default().clients.insert(client);
        first
    }

    /// Takes a client transaction out of the wait.
    pub(super) fn unwait_client(&mut self, remote: &Remote, client: u64) {
        if let Some(waiting) = self.waiting.get_mut(remote) {
            waiting.clients.remove(&client);
            if waiting.clients.is_empty() && waiting.oneway.is_empty() {
                self.waiting.remove(remote);
            }
        }
    }

    /// Lets a request without transaction wait for a flow there. `Some(true)` if it is the first thing that does,
    /// `None` if too many do.
    ///
    /// - `large`: it waits because of its size.
    pub(super) fn wait_oneway(
        &mut self,
        remote: &Remote,
        draft: RequestDraft,
        large: bool,
        limit: usize,
    ) -> Option<bool> {
        let first = !self.waiting.contains_key(remote);
        let waiting = self.waiting.entry(remote.clone()).or_default();
        if waiting.oneway.len() >= limit {
            return None;
        }
        waiting.oneway.push((draft, large));
        Some(first)
    }

    /// Everything that waits for a flow there.
    pub(super) fn stop_waiting(&mut self, remote: &Remote) -> (BTreeSet<u64>, Vec<(RequestDraft, bool)>) {
        let waiting = self.waiting.remove(remote).unwrap_or_default();
        (waiting.clients, waiting.oneway)
    }
}
