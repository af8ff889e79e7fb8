//! The MCU's record in the pool store, and what it reads there about the front ends.
//!
//! The record is rewritten under a guard on its last revision, so that an operator's wish to drain, written into it by
//! somebody else, is seen and never overwritten.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use sip_core::{ListenAddr, TransportKind};

use crate::record::{self, NodeKind, NodeRecord, Record};
use crate::store::{Expect, StoreError, StoreOp, StoreReply, StoreRequest, StoreValue, Txn};

/// Reads that somebody's arrival asks for are at least this far apart.
const READ_GAP: Duration = Duration::from_millis(100);

/// What a reply of the store told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// The front ends' addresses for other nodes, by name.
    FrontEnds(Vec<ListenAddr>),
    /// Somebody wants this node to drain.
    Drain,
    /// Nothing to act on.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Beat,
    Own,
    Nodes,
}

/// The lease of one MCU.
#[derive(Debug)]
pub(super) struct Lease {
    record: NodeRecord,
    revision: Option<u64>,
    renew: Duration,
    read: Duration,
    next_beat: Instant,
    next_read: Instant,
    /// When the last read was begun.
    read_begun: Option<Instant>,
    /// Another read is wanted behind the one that is under way.
    read_again: bool,
    asked: BTreeMap<u64, Asked>,
    last_id: u64,
    requests: VecDeque<StoreRequest>,
}

impl Lease {
    pub(super) fn new(record: NodeRecord, renew: Duration, read: Duration, now: Instant) -> Self {
        Self {
            record,
            revision: None,
            renew,
            read,
            next_beat: now,
            next_read: now,
            read_begun: None,
            read_again: false,
            asked: BTreeMap::new(),
            last_id: 0,
            requests: VecDeque::new(),
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.record.draining
    }

    /// Says in the record that nothing new is taken.
    pub(super) fn set_draining(&mut self, now: Instant) {
        self.record.draining = true;
        self.next_beat = now;
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.next_beat.min(self.next_read)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next_beat {
            self.next_beat = now + self.renew;
            self.beat();
        }
        if now >= self.next_read {
            self.next_read = now + self.read;
            self.read_begun = Some(now);
            self.ask(Asked::Nodes, StoreOp::List(record::key::NODES.to_owned()));
        }
    }

    pub(super) fn poll_store_request(&mut self) -> Option<StoreRequest> {
        self.requests.pop_front()
    }

    pub(super) fn handle_store_result(&mut self, reply: StoreReply, front_ends_max: usize) -> Learnt {
        let Some(asked) = self.asked.remove(&reply.id) else { return Learnt::Nothing };
        if asked == Asked::Nodes && std::mem::take(&mut self.read_again) {
            self.read_again();
        }
        match (asked, reply.result) {
            (Asked::Beat, Ok(StoreValue::Committed(committed))) => {
                if self.revision.replace(committed.revision).is_none() {
                    // Of two nodes that start together, the one that reads last sees both, and makes itself known.
                    self.read_again();
                }
                Learnt::Nothing
            }
            (Asked::Beat, Err(StoreError::Conflict)) => {
                self.ask(Asked::Own, StoreOp::Get(record::key::node(&self.record.name)));
                Learnt::Nothing
            }
            (Asked::Own, Ok(StoreValue::Entries(entries))) => {
                let own = entries.first();
                self.revision = own.map(|entry| entry.revision);
                let wish = own.and_then(|entry| NodeRecord::decode(&entry.value).ok());
                let drain = wish.is_some_and(|found| found.draining) && !self.record.draining;
                self.record.draining |= drain;
                self.beat();
                if drain { Learnt::Drain } else { Learnt::Nothing }
            }
            (Asked::Nodes, Ok(StoreValue::Entries(entries))) => {
                let nodes = entries.iter().filter_map(|entry| NodeRecord::decode(&entry.value).ok());
                let front_ends = nodes.filter(|node| node.kind == NodeKind::FrontEnd && !node.draining);
                Learnt::FrontEnds(front_ends.filter_map(|node| address(&node)).take(front_ends_max).collect())
            }
            (Asked::Beat | Asked::Own | Asked::Nodes, Ok(_) | Err(_)) => Learnt::Nothing,
        }
    }

    /// A front end is there that is not known: reads as soon as it may.
    pub(super) fn read_soon(&mut self, now: Instant) {
        let soonest = self.read_begun.map_or(now, |at| at + READ_GAP);
        self.next_read = self.next_read.min(soonest.max(now));
    }

    fn read_again(&mut self) {
        self.read_again = self.asked.values().any(|asked| *asked == Asked::Nodes);
        self.ask(Asked::Nodes, StoreOp::List(record::key::NODES.to_owned()));
    }

    /// Rewrites the record. One write at a time: the next beat comes soon enough.
    fn beat(&mut self) {
        if self.asked.values().any(|asked| matches!(asked, Asked::Beat | Asked::Own)) {
            return;
        }
        self.record.beat += 1;
        let key = record::key::node(&self.record.name);
        let txn = Txn::new().put(key.clone(), self.record.encode());
        let txn = match self.revision {
            Some(revision) => txn.guard(key, Expect::Revision(revision)),
            None => txn,
        };
        self.ask(Asked::Beat, StoreOp::Commit(txn));
    }

    fn ask(&mut self, asked: Asked, op: StoreOp) {
        if self.asked.values().filter(|one| **one == asked).count() >= 1 {
            return;
        }
        self.last_id += 1;
        self.asked.insert(self.last_id, asked);
        self.requests.push_back(StoreRequest { id: self.last_id, op });
    }
}

/// Where a node is for other nodes: its first TCP listener, else its first over TLS.
fn address(node: &NodeRecord) -> Option<ListenAddr> {
    let listen = node.listen.iter().filter_map(|text| text.parse::<ListenAddr>().ok());
    let mut streams: Vec<ListenAddr> = listen.filter(|one| one.transport != TransportKind::Udp).collect();
    streams.sort_by_key(|one| one.transport != TransportKind::Tcp);
    streams.first().copied()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{Committed, Entry};

    fn record(name: &str, kind: NodeKind) -> NodeRecord {
        NodeRecord {
            v: record::VERSION,
            name: name.to_owned(),
            kind,
            mcu: None,
            listen: vec!["udp:127.0.0.1:5060".to_owned(), "tcp:127.0.0.1:5061".to_owned()],
            pid: 1,
            incarnation: "i".to_owned(),
            beat: 0,
            draining: false,
        }
    }

    fn lease(now: Instant) -> Lease {
        Lease::new(record("im1", NodeKind::Mcu), Duration::from_secs(3), Duration::from_secs(1), now)
    }

    fn entry(record: &NodeRecord) -> Entry {
        Entry { key: record::key::node(&record.name), value: record.encode(), revision: 9 }
    }

    /// The first beat writes whatever was there; each further one is guarded by the revision of the last.
    #[test]
    fn beats_are_guarded() {
        let now = Instant::now();
        let mut lease = lease(now);
        lease.handle_timeout(now);
        let first = lease.poll_store_request().expect("a write");
        assert!(matches!(&first.op, StoreOp::Commit(txn) if txn.guards.is_empty()));
        let committed = Ok(StoreValue::Committed(Committed { revision: 4 }));
        lease.handle_store_result(StoreReply { id: first.id, result: committed }, 9);
        let _list = lease.poll_store_request().expect("a read");
        lease.handle_timeout(now + Duration::from_secs(3));
        let second = lease.poll_store_request().expect("a write");
        let StoreOp::Commit(txn) = second.op else { panic!("a write") };
        assert_eq!(txn.guards, [(record::key::node("im1"), Expect::Revision(4))]);
    }

    /// A wish to drain that an operator wrote is seen, and kept in the next write.
    #[test]
    fn drain_wish_is_seen() {
        let now = Instant::now();
        let mut lease = lease(now);
        lease.handle_timeout(now);
        let write = lease.poll_store_request().expect("a write");
        let _list = lease.poll_store_request().expect("a read");
        lease.handle_store_result(StoreReply { id: write.id, result: Err(StoreError::Conflict) }, 9);
        let read = lease.poll_store_request().expect("a read of the own record");
        let wish = NodeRecord { draining: true, ..record("im1", NodeKind::Mcu) };
        let result = Ok(StoreValue::Entries(vec![entry(&wish)]));
        assert_eq!(lease.handle_store_result(StoreReply { id: read.id, result }, 9), Learnt::Drain);
        let again = lease.poll_store_request().expect("a write");
        let StoreOp::Commit(txn) = again.op else { panic!("a write") };
        assert!(NodeRecord::decode(&txn.puts[0].1).expect("a record").draining);
    }

    /// Front ends are told by their TCP address; MCUs, draining ones and unreadable records are not.
    #[test]
    fn front_ends_are_read() {
        let now = Instant::now();
        let mut lease = lease(now);
        lease.handle_timeout(now);
        let _write = lease.poll_store_request().expect("a write");
        let read = lease.poll_store_request().expect("a read");
        let leaving = NodeRecord { draining: true, ..record("fe2", NodeKind::FrontEnd) };
        let broken = Entry { key: "node/x".to_owned(), value: Bytes::from_static(b"{"), revision: 1 };
        let entries = vec![
            entry(&record("fe1", NodeKind::FrontEnd)),
            entry(&leaving),
            entry(&record("im2", NodeKind::Mcu)),
            broken,
        ];
        let result = Ok(StoreValue::Entries(entries));
        let learnt = lease.handle_store_result(StoreReply { id: read.id, result }, 9);
        assert_eq!(learnt, Learnt::FrontEnds(vec!["tcp:127.0.0.1:5061".parse().expect("an address")]));
    }
}
