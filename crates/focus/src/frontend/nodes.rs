//! Who else is in the pool, and who of them is alive.
//!
//! Two kinds of evidence against a node: its silence in the store (front ends rewrite their beat), and its address refusing
//! connections or leaving heartbeats unanswered. Neither decides anything by itself: ownership changes by compare-and-set
//! only, so a wrong suspicion costs a rejoin and no more (reliability section 1).
//!
//! # Invariants
//!
//! - Silence is counted only between two successful reads with no failed one between them (reliability P5).
//! - A node is reported dead once per incarnation, until its beat moves again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip_core::{ListenAddr, TransportKind};

use crate::record::{NodeKind, NodeRecord, Owner};

/// One heartbeat unanswered is nothing; this many in a row are a death.
const MISSED_MAX: u8 = 3;

/// A change that others have to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeEvent {
    /// It is there, or there again.
    Appeared { name: String },
    /// It is dead.
    Died { name: String, why: &'static str },
    /// It was started anew: what its former incarnation held is lost.
    Restarted { name: String },
    /// It gives away what it has.
    Draining { name: String },
}

/// One node as seen from here.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) record: NodeRecord,
    pub(crate) address: Option<ListenAddr>,
    silence: Duration,
    dead: bool,
    missed: u8,
    /// When the next heartbeat is due.
    heartbeat_at: Instant,
    /// The number of the last one.
    heartbeat: u64,
    /// It was neither answered nor counted as missed.
    waiting: bool,
}

/// Heartbeats to send, and what those told that were not answered until now.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// To whom, where, and the number.
    pub(crate) send: Vec<(String, ListenAddr, u64)>,
    /// Who missed one.
    pub(crate) silent: Vec<String>,
    pub(crate) events: Vec<NodeEvent>,
}

/// All nodes but the own one.
#[derive(Debug)]
pub(crate) struct Nodes {
    own: String,
    lease: Duration,
    nodes_max: usize,
    nodes: BTreeMap<String, Node>,
    /// The last read, if it succeeded.
    last_read: Option<Instant>,
}

/// Whether somebody can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Ourselves, in this incarnation.
    Own,
    /// As far as is known.
    Alive(Option<ListenAddr>),
    /// Dead, restarted, or not in the pool.
    Dead,
    /// The pool was never read: nothing is known yet.
    Unknown,
}

impl Nodes {
    pub(crate) fn new(own: &str, lease: Duration, nodes_max: usize) -> Self {
        Self { own: own.to_owned(), lease, nodes_max, nodes: BTreeMap::new(), last_read: None }
    }

    /// Takes one successful read of all records.
    pub(crate) fn read(&mut self, records: Vec<NodeRecord>, now: Instant) -> Vec<NodeEvent> {
        let since =
            self.last_read.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let mut events = Vec::new();
        let mut present: Vec<String> = Vec::new();
        let own = self.own.clone();
        for record in records.into_iter().filter(|record| record.name != own).take(self.nodes_max) {
            present.push(record.name.clone());
            self.seen(record, since, now, &mut events);
        }
        let gone: Vec<String> = self.nodes.keys().filter(|name| !present.contains(name)).cloned().collect();
        for name in gone {
            // It took its record away: a clean stop.
            if self.nodes.remove(&name).is_some_and(|node| !node.dead) {
                events.push(NodeEvent::Died { name, why: "left the pool" });
            }
        }
        events
    }

    fn seen(&mut self, record: NodeRecord, since: Duration, now: Instant, events: &mut Vec<NodeEvent>) {
        let name = record.name.clone();
        let Some(node) = self.nodes.get_mut(&name) else {
            let draining = record.draining;
            self.nodes.insert(name.clone(), Node::new(record, now));
            events.push(NodeEvent::Appeared { name: name.clone() });
            if draining {
                events.push(NodeEvent::Draining { name });
            }
            return;
        };
        if node.record.incarnation != record.incarnation {
            *node = Node::new(record, now);
            events.push(NodeEvent::Restarted { name });
            return;
        }
        let moved = node.record.beat != record.beat;
        if record.draining && !node.record.draining {
            events.push(NodeEvent::Draining { name: name.clone() });
        }
        node.record = record;
        if moved {
            node.silence = Duration::ZERO;
            node.missed = 0;
            if std::mem::take(&mut node.dead) {
                node.heartbeat_at = now;
                events.push(NodeEvent::Appeared { name });
            }
        } else {
            node.silence += since;
            let expired = node.record.kind == NodeKind::FrontEnd && node.silence >= self.lease;
            if expired && !std::mem::replace(&mut node.dead, true) {
                events.push(NodeEvent::Died { name, why: "its lease ran out" });
            }
        }
    }

    /// A read failed: the time up to the next successful one is nobody's silence.
    pub(crate) fn read_failed(&mut self) {
        self.last_read = None;
    }

    /// The address refuses connections.
    pub(crate) fn refused(&mut self, addr: std::net::SocketAddr) -> Vec<NodeEvent> {
        let mut events = Vec::new();
        for (name, node) in &mut self.nodes {
            if node.address.is_some_and(|known| known.addr == addr)
                && !std::mem::replace(&mut node.dead, true)
            {
                events.push(NodeEvent::Died { name: name.clone(), why: "its address refuses connections" });
            }
        }
        events
    }

    /// A connection to the address was lost: find out at once whether it is still there.
    pub(crate) fn flow_lost(&mut self, addr: std::net::SocketAddr, now: Instant) {
        for node in self.nodes.values_mut() {
            if node.address.is_some_and(|known| known.addr == addr) {
                node.heartbeat_at = now;
            }
        }
    }

    /// Whether the heartbeat of this number is the one that is waited for.
    pub(crate) fn waits_for(&self, name: &str, number: u64) -> bool {
        self.nodes.get(name).is_some_and(|node| node.waiting && node.heartbeat == number)
    }

    /// A heartbeat was answered, or cannot be any more.
    pub(crate) fn heartbeat(&mut self, name: &str, number: u64, answered: bool) -> Option<NodeEvent> {
        let waited = self.waits_for(name, number);
        let node = self.nodes.get_mut(name)?;
        if !answered {
            return if waited { node.miss() } else { None };
        }
        node.waiting &= !waited;
        node.missed = 0;
        // A front end is alive again when its beat moves; an MCU has no other sign than this.
        let back = node.record.kind == NodeKind::Mcu && std::mem::take(&mut node.dead);
        back.then(|| NodeEvent::Appeared { name: name.to_owned() })
    }

    /// Nodes whose heartbeat is due. One that has not answered the last one by now has missed it: a node that hangs does
    /// not say so.
    pub(crate) fn take_due(&mut self, now: Instant, gap: Duration) -> Due {
        let mut due = Due::default();
        for (name, node) in self.nodes.iter_mut().filter(|(_, node)| node.heartbeat_at <= now) {
            let Some(address) = node.address else { continue };
            if node.waiting {
                due.silent.push(name.clone());
                due.events.extend(node.miss());
            }
            node.heartbeat += 1;
            node.waiting = true;
            node.heartbeat_at = now + gap;
            due.send.push((name.clone(), address, node.heartbeat));
        }
        due
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.nodes.values().filter(|node| node.address.is_some()).map(|node| node.heartbeat_at).min()
    }

    /// What is known of a conference's owner. Who has not read the pool lately (it was paused, or the store is down) knows
    /// nothing, whatever it knew before.
    pub(crate) fn standing(&self, owner: &Owner, own_incarnation: &str, now: Instant) -> Standing {
        if owner.node == self.own {
            return if owner.incarnation == own_incarnation { Standing::Own } else { Standing::Dead };
        }
        let fresh = self.last_read.is_some_and(|at| now.saturating_duration_since(at) < self.lease / 2);
        match self.nodes.get(&owner.node) {
            _ if !fresh => Standing::Unknown,
            Some(node) if node.record.incarnation != owner.incarnation || node.dead => Standing::Dead,
            Some(node) => Standing::Alive(node.address),
            None => Standing::Dead,
        }
    }

    /// The living MCUs of a type, those that do not drain.
    pub(crate) fn mcus<'a>(&'a self, mcu: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.values().filter(move |node| {
            node.record.kind == NodeKind::Mcu
                && node.record.mcu.as_deref() == Some(mcu)
                && !node.dead
                && !node.record.draining
                && node.address.is_some()
        })
    }

    /// Whether an MCU of the pool listens there.
    pub(crate) fn is_mcu_address(&self, addr: std::net::SocketAddr) -> bool {
        self.nodes.values().any(|node| {
            node.record.kind == NodeKind::Mcu
                && node
                    .record
                    .listen
                    .iter()
                    .any(|text| text.parse::<ListenAddr>().is_ok_and(|one| one.addr == addr))
        })
    }

    /// Whether a node of the pool listens there.
    pub(crate) fn is_pool_address(&self, addr: std::net::SocketAddr) -> bool {
        let listens = |text: &String| text.parse::<ListenAddr>().is_ok_and(|one| one.addr == addr);
        self.nodes.values().any(|node| node.record.listen.iter().any(listens))
    }

    /// Whether a node of the pool runs on this host.
    pub(crate) fn is_pool_host(&self, host: std::net::IpAddr) -> bool {
        self.nodes.values().any(|node| node.address.is_some_and(|address| address.addr.ip() == host))
    }

    /// Whether an MCU of the pool runs on this host.
    pub(crate) fn is_mcu_host(&self, host: std::net::IpAddr) -> bool {
        self.nodes.values().any(|node| {
            node.record.kind == NodeKind::Mcu && node.address.is_some_and(|address| address.addr.ip() == host)
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// Whether a living front end other than the own one could take conferences over.
    pub(crate) fn has_other_front_end(&self) -> bool {
        self.nodes
            .values()
            .any(|node| node.record.kind == NodeKind::FrontEnd && !node.dead && !node.record.draining)
    }

    /// Whether some front end is giving its conferences away.
    pub(crate) fn any_draining(&self) -> bool {
        self.nodes.values().any(|node| node.record.kind == NodeKind::FrontEnd && node.record.draining)
    }
}

impl Node {
    fn new(record: NodeRecord, now: Instant) -> Self {
        let address = interior_address(&record.listen);
        Self {
            record,
            address,
            silence: Duration::ZERO,
            dead: false,
            missed: 0,
            heartbeat_at: now,
            heartbeat: 0,
            waiting: false,
        }
    }

    /// A heartbeat was not answered.
    fn miss(&mut self) -> Option<NodeEvent> {
        self.waiting = false;
        self.missed = self.missed.saturating_add(1);
        let dead = self.missed >= MISSED_MAX && self.record.kind == NodeKind::Mcu;
        (dead && !std::mem::replace(&mut self.dead, true))
            .then(|| NodeEvent::Died { name: self.record.name.clone(), why: "it misses its heartbeats" })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }
}

/// The address at which other nodes reach a node: its first TCP one, else its first.
fn interior_address(listen: &[String]) -> Option<ListenAddr> {
    let parsed: Vec<ListenAddr> = listen.iter().filter_map(|text| text.parse().ok()).collect();
    parsed.iter().find(|one| one.transport == TransportKind::Tcp).or(parsed.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::VERSION;

    const LEASE: Duration = Duration::from_secs(10);
    const GAP: Duration = Duration::from_secs(5);

    fn record(name: &str, incarnation: &str, beat: u64) -> NodeRecord {
        NodeRecord {
            v: VERSION,
            name: name.to_owned(),
            kind: NodeKind::FrontEnd,
            mcu: None,
            listen: vec!["udp:127.0.0.1:5000".to_owned(), "tcp:127.0.0.1:5001".to_owned()],
            pid: 1,
            incarnation: incarnation.to_owned(),
            beat,
            draining: false,
        }
    }

    fn nodes() -> (Nodes, Instant) {
        (Nodes::new("fe1", LEASE, 8), Instant::now())
    }

    /// Ten seconds of the same beat are a death, told once; a new beat is a return.
    #[test]
    fn silence_is_death_once() {
        let (mut nodes, start) = nodes();
        let mut died = Vec::new();
        for second in 0..15 {
            let now = start + Duration::from_secs(second);
            let events = nodes.read(vec![record("fe2", "a", 1)], now);
            died.extend(events.into_iter().filter(|e| matches!(e, NodeEvent::Died { .. })).map(|_| second));
        }
        assert_eq!(died, [10]);
        let back = nodes.read(vec![record("fe2", "a", 2)], start + Duration::from_secs(16));
        assert_eq!(back, [NodeEvent::Appeared { name: "fe2".to_owned() }]);
    }

    /// P5: an outage of the store is nobody's silence.
    #[test]
    fn store_outage_is_not_silence() {
        let (mut nodes, start) = nodes();
        nodes.read(vec![record("fe2", "a", 1)], start);
        nodes.read_failed();
        let late = start + Duration::from_secs(60);
        assert!(nodes.read(vec![record("fe2", "a", 1)], late).is_empty());
        assert!(nodes.read(vec![record("fe2", "a", 1)], late + Duration::from_secs(9)).is_empty());
        assert_eq!(nodes.read(vec![record("fe2", "a", 1)], late + LEASE).len(), 1);
    }

    /// A refused connection is evidence at once; so is another incarnation, for what the former one owned.
    #[test]
    fn refusal_and_restart() {
        let (mut nodes, start) = nodes();
        let owner = Owner { node: "fe2".to_owned(), incarnation: "a".to_owned() };
        assert_eq!(nodes.standing(&owner, "me", start), Standing::Unknown);
        nodes.read(vec![record("fe2", "a", 1)], start);
        assert!(matches!(nodes.standing(&owner, "me", start), Standing::Alive(Some(_))));
        let addr = "127.0.0.1:5001".parse().expect("an address");
        assert_eq!(nodes.refused(addr).len(), 1);
        assert_eq!(nodes.refused(addr).len(), 0);
        assert_eq!(nodes.standing(&owner, "me", start), Standing::Dead);
        let events = nodes.read(vec![record("fe2", "b", 1)], start);
        assert_eq!(events, [NodeEvent::Restarted { name: "fe2".to_owned() }]);
        assert_eq!(nodes.standing(&owner, "me", start), Standing::Dead);
    }

    /// An MCU is judged by its heartbeats, not by its beat.
    #[test]
    fn mcu_dies_of_three_missed_heartbeats() {
        let (mut nodes, start) = nodes();
        let mcu = NodeRecord { kind: NodeKind::Mcu, mcu: Some("chat".to_owned()), ..record("im", "a", 1) };
        for second in 0..60 {
            let events = nodes.read(vec![mcu.clone()], start + Duration::from_secs(second));
            assert!(!events.iter().any(|event| matches!(event, NodeEvent::Died { .. })));
        }
        assert_eq!(nodes.mcus("chat").count(), 1);
        let beat = |seconds| start + GAP * seconds;
        assert_eq!(nodes.take_due(beat(0), GAP).send.len(), 1);
        assert!(nodes.take_due(beat(0), GAP).send.is_empty());
        // One that cannot be answered any more, one that is just not answered; each counts once.
        assert_eq!(nodes.heartbeat("im", 1, false), None);
        assert_eq!(nodes.heartbeat("im", 1, false), None);
        assert!(nodes.take_due(beat(1), GAP).silent.is_empty());
        assert_eq!(nodes.take_due(beat(2), GAP).silent, ["im"]);
        assert_eq!(nodes.heartbeat("im", 2, false), None);
        assert!(matches!(nodes.take_due(beat(3), GAP).events[..], [NodeEvent::Died { .. }]));
        assert_eq!(nodes.mcus("chat").count(), 0);
        assert!(matches!(nodes.heartbeat("im", 4, true), Some(NodeEvent::Appeared { .. })));
    }
}
