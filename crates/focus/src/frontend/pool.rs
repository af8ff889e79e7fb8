//! Being a node of the pool: the own beat, the others' records, heartbeats, deaths, and giving everything away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sip_core::{Method, NameAddr, RequestDraft, Target, Uri};

use super::FrontEndCore;
use super::core::{Asked, Wanted};
use super::nodes::NodeEvent;
use super::ownership::Slot;
use crate::record::{ConferenceHead, NodeKind, NodeRecord, Record, VERSION, key};
use crate::report::{NodeChange, NodeReport};
use crate::store::{Entry, Expect, StoreError, StoreOp, StoreValue, Txn};

/// Reads of the pool are at least this far apart, whatever they are wanted for.
const READ_GAP: Duration = Duration::from_millis(100);

/// Owned conferences that are looked at with each beat.
const CHECKS_PER_BEAT: usize = 32;

/// The own part in the pool.
#[derive(Debug)]
pub(super) struct PoolState {
    beat: u64,
    revision: Option<u64>,
    renew_at: Instant,
    renewing: bool,
    /// When the last beat that was committed was begun: the own lease counts from there.
    renewed: Option<Instant>,
    begun: Instant,
    read_at: Instant,
    reading: bool,
    /// When the last read was begun.
    read_begun: Option<Instant>,
    /// Another read is wanted behind the one that is under way.
    read_again: bool,
    /// The owned conference that was looked at last, to see whether it is still ours.
    looked_at: String,
    clean_at: Instant,
    sweeping: bool,
    sweep_again: bool,
    pub(super) draining: bool,
    drained: bool,
    /// Another process has this node's name: this one owns nothing any more.
    pub(super) replaced: bool,
    interior_id: u64,
    swept: bool,
    /// Conferences that may be somebody else's by now: the own lease had run out.
    unchecked: BTreeSet<String>,
}

impl PoolState {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            beat: 0,
            revision: None,
            renew_at: now,
            renewing: false,
            renewed: None,
            begun: now,
            read_at: now,
            reading: false,
            read_begun: None,
            read_again: false,
            looked_at: String::new(),
            clean_at: now,
            sweeping: false,
            sweep_again: false,
            draining: false,
            drained: false,
            replaced: false,
            interior_id: 0,
            swept: false,
            unchecked: BTreeSet::new(),
        }
    }

    /// The requestId of the next interior request.
    pub(super) fn next_interior_id(&mut self) -> u64 {
        self.interior_id += 1;
        self.interior_id
    }
}

impl FrontEndCore {
    /// Gives all conferences to other front ends (planned move), then reports `Drained`.
    pub fn drain(&mut self, now: Instant) {
        if std::mem::replace(&mut self.pool.draining, true) {
            return;
        }
        tracing::info!("draining");
        self.pool.renew_at = now;
        for name in self.owned() {
            self.with_conference(&name, now, |conference, _| conference.release());
        }
        self.pool_due(now);
        self.drained_if_empty();
    }

    /// Whether the own lease is young enough to act on what is in memory of a conference.
    pub(super) fn may_act(&self, name: &str, now: Instant) -> bool {
        self.lease_is_fresh(now) && !self.pool.unchecked.contains(name)
    }

    fn lease_is_fresh(&self, now: Instant) -> bool {
        let margin = self.config.timers.lease_renew / 2;
        let lease = self.config.timers.lease.saturating_sub(margin);
        self.pool.renewed.is_some_and(|at| now.saturating_duration_since(at) < lease)
    }

    pub(super) fn drained_if_empty(&mut self) {
        if self.pool.draining && !self.pool.drained && self.owned().is_empty() {
            self.pool.drained = true;
            self.reports.push_back(NodeReport::Node {
                name: self.config.name.clone(),
                kind: NodeKind::FrontEnd,
                change: NodeChange::Drained,
                detail: "all conferences were given away".to_owned(),
            });
        }
    }

    pub(super) fn pool_timeout(&self) -> Instant {
        let renew = (!self.pool.renewing && !self.pool.replaced).then_some(self.pool.renew_at);
        let read = (!self.pool.reading).then_some(self.pool.read_at);
        let far = self.pool.begun + Duration::from_secs(3600);
        [renew, read, Some(self.pool.clean_at), self.nodes.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(far)
    }

    pub(super) fn pool_due(&mut self, now: Instant) {
        if self.pool.renew_at <= now && !self.pool.renewing && !self.pool.replaced {
            self.beat(now);
        }
        if self.pool.read_at <= now && !self.pool.reading {
            self.pool.reading = true;
            self.pool.read_begun = Some(now);
            self.want(StoreOp::List(key::NODES.to_owned()), Wanted::Nodes);
        }
        if self.pool.clean_at <= now {
            self.pool.clean_at = now + self.config.timers.clean_up;
            self.clean_up();
        }
        self.heartbeats(now);
    }

    fn beat(&mut self, now: Instant) {
        self.pool.renewing = true;
        self.pool.begun = now;
        self.pool.beat += 1;
        let record = NodeRecord {
            v: VERSION,
            name: self.config.name.clone(),
            kind: NodeKind::FrontEnd,
            mcu: None,
            listen: self.config.listen.iter().map(ToString::to_string).collect(),
            pid: self.config.pid,
            incarnation: self.me.incarnation.clone(),
            beat: self.pool.beat,
            draining: self.pool.draining,
        };
        let at = key::node(&self.config.name);
        let mut txn = Txn::new().put(at.clone(), record.encode());
        if let Some(revision) = self.pool.revision {
            txn = txn.guard(at, Expect::Revision(revision));
        }
        self.want(StoreOp::Commit(txn), Wanted::Beat);
    }

    /// The beat was written, or not.
    pub(super) fn on_beat(&mut self, result: Result<StoreValue, StoreError>, now: Instant) {
        self.pool.renewing = false;
        let (renew, retry) = (self.config.timers.lease_renew, self.config.timers.store_retry);
        match result {
            Ok(StoreValue::Committed(committed)) => {
                self.pool.revision = Some(committed.revision);
                let (fresh, first) = (self.lease_is_fresh(now), self.pool.renewed.is_none());
                self.pool.renewed = Some(self.pool.begun);
                if first {
                    // Of two nodes that start together, the one that reads last sees both, and makes itself known.
                    self.read_soon(now);
                }
                if fresh {
                    self.check_some();
                } else {
                    self.check_all();
                }
                self.pool.renew_at = now.max(self.pool.begun + renew);
            }
            Err(StoreError::Conflict) => {
                self.pool.renewing = true;
                self.want(StoreOp::Get(key::node(&self.config.name)), Wanted::OwnRecord);
            }
            Ok(StoreValue::Entries(_)) | Err(_) => self.pool.renew_at = now + retry,
        }
    }

    /// Reads the pool as soon as it may: somebody is there, or needed, that is not known.
    pub(super) fn read_soon(&mut self, now: Instant) {
        if self.pool.reading {
            self.pool.read_again = true;
            return;
        }
        let soonest = self.pool.read_begun.map_or(now, |at| at + READ_GAP);
        self.pool.read_at = self.pool.read_at.min(soonest.max(now));
    }

    /// A node that is not known asks for a sign of life: it has just come.
    pub(super) fn notice_node(&mut self, request: &sip_core::Request, now: Instant) {
        let from = request.from().uri();
        let node = from.user().is_none() && *request.method() == Method::Options;
        let stranger = from.sip_addr().filter(|addr| node && !self.nodes.is_pool_address(*addr));
        if stranger.is_some() {
            self.read_soon(now);
        }
    }

    /// Looks at a few owned conferences in turn. Who was taken for dead while his lease was good learns it here, though
    /// nobody asks him anything (reliability P1).
    fn check_some(&mut self) {
        let from = std::mem::take(&mut self.pool.looked_at);
        let names = self.owned();
        let behind = names.iter().filter(|name| **name > from);
        let around = behind.chain(names.iter().filter(|name| **name <= from));
        for name in around.take(CHECKS_PER_BEAT).cloned().collect::<Vec<_>>() {
            self.want(StoreOp::Get(key::head(&name)), Wanted::Check { name: name.clone() });
            self.pool.looked_at = name;
        }
    }

    /// The own lease had run out: every conference may have another owner by now.
    fn check_all(&mut self) {
        for name in self.owned() {
            self.want(StoreOp::Get(key::head(&name)), Wanted::Check { name: name.clone() });
            self.pool.unchecked.insert(name);
        }
    }

    /// The head of a conference was read to see whose it is.
    pub(super) fn on_check(&mut self, name: &str, result: Result<StoreValue, StoreError>, now: Instant) {
        let Ok(StoreValue::Entries(entries)) = result else {
            return self.want_later(
                StoreOp::Get(key::head(name)),
                Wanted::Check { name: name.to_owned() },
                now,
            );
        };
        self.pool.unchecked.remove(name);
        let head = entries.first().and_then(|entry| ConferenceHead::decode(&entry.value).ok());
        let Some(Slot::Owned(conference)) = self.slots.get(name) else { return };
        // What was read before the own claim tells nothing about it.
        let lost = head.is_none_or(|head| head.epoch > conference.head().epoch);
        if lost && !conference.is_closed() {
            self.depose(name, now);
        }
    }

    /// Somebody else wrote the own record: an operator who wants it drained, or a process that took the name.
    pub(super) fn on_own_record(&mut self, result: Result<StoreValue, StoreError>, now: Instant) {
        self.pool.renewing = false;
        self.pool.renew_at = now + self.config.timers.store_retry;
        let Ok(StoreValue::Entries(entries)) = result else { return };
        let Some(entry) = entries.first() else {
            self.pool.revision = None;
            return;
        };
        match NodeRecord::decode(&entry.value) {
            Ok(record) if record.incarnation == self.me.incarnation => {
                self.pool.revision = Some(entry.revision);
                if record.draining {
                    self.drain(now);
                }
            }
            Ok(_) | Err(_) => {
                tracing::info!("another process has this node's name; giving up all conferences");
                self.pool.replaced = true;
                for name in self.owned() {
                    self.depose(&name, now);
                }
            }
        }
    }

    /// The pool was read, or not.
    pub(super) fn on_nodes(&mut self, result: Result<StoreValue, StoreError>, now: Instant) {
        self.pool.reading = false;
        self.pool.read_at = now + self.config.timers.nodes_read;
        if std::mem::take(&mut self.pool.read_again) {
            self.read_soon(now);
        }
        let Ok(StoreValue::Entries(entries)) = result else {
            self.nodes.read_failed();
            return;
        };
        let records = entries.iter().filter_map(|entry| NodeRecord::decode(&entry.value).ok()).collect();
        let events = self.nodes.read(records, now);
        self.on_node_events(events, now);
        // The first time: what the whole pool held before it was stopped, or this node before it was started anew.
        if self.nodes.any_draining() || !std::mem::replace(&mut self.pool.swept, true) {
            self.sweep();
        }
        self.heartbeats(now);
    }

    /// Acts on what happened to other nodes.
    pub(super) fn on_node_events(&mut self, events: Vec<NodeEvent>, now: Instant) {
        if events.is_empty() {
            return;
        }
        for event in &events {
            match event {
                NodeEvent::Died { name, why } => {
                    tracing::info!(node = %name, why, "a node died");
                    let kind = self.nodes.get(name).map_or(NodeKind::FrontEnd, |node| node.record.kind);
                    self.reports.push_back(NodeReport::Node {
                        name: name.clone(),
                        kind,
                        change: NodeChange::Died,
                        detail: (*why).to_owned(),
                    });
                    self.sweep();
                }
                NodeEvent::Restarted { name } => {
                    tracing::info!(node = %name, "a node was started anew");
                    self.sweep();
                }
                NodeEvent::Draining { name } => tracing::info!(node = %name, "a node is draining"),
                NodeEvent::Appeared { name } => tracing::debug!(node = %name, "a node is there"),
            }
        }
        for name in self.owned() {
            self.with_conference(&name, now, |conference, cx| conference.on_nodes_changed(cx));
        }
        self.look_again(now);
    }

    /// Asks those whose heartbeat is due for a sign of life.
    pub(super) fn heartbeats(&mut self, now: Instant) {
        let due = self.nodes.take_due(now, self.config.timers.heartbeat);
        for node in due.silent {
            self.drop_silent_flow(&node);
        }
        self.on_node_events(due.events, now);
        for (node, address, number) in due.send {
            let Some(own) = self.interior_address() else { continue };
            let from = NameAddr::new(Uri::for_addr(None, own.addr, own.transport))
                .with_tag(&self.endpoint.new_token());
            let to = Uri::for_addr(None, address.addr, address.transport);
            let call_id = self.endpoint.new_token();
            let draft = RequestDraft::new(Method::Options, to.clone())
                .from(from)
                .to(NameAddr::new(to))
                .call_id(call_id)
                .cseq(1);
            let target = Target::Address { transport: address.transport, addr: address.addr };
            let tx = self.endpoint.send_request(draft, target, now);
            self.asked.insert(tx, Asked::Heartbeat { node, number });
        }
    }

    /// Looks for conferences without a living owner.
    pub(super) fn sweep(&mut self) {
        if std::mem::replace(&mut self.pool.sweeping, true) {
            self.pool.sweep_again = true;
            return;
        }
        self.want(StoreOp::List(key::HEADS.to_owned()), Wanted::Sweep);
    }

    /// All heads were read, or not.
    pub(super) fn on_sweep(&mut self, result: Result<StoreValue, StoreError>, now: Instant) {
        self.pool.sweeping = false;
        let again = std::mem::take(&mut self.pool.sweep_again);
        match result {
            Ok(StoreValue::Entries(entries)) => self.find_orphans(&entries, now),
            Ok(StoreValue::Committed(_)) | Err(_) => {
                self.pool.sweeping = true;
                self.want_later(StoreOp::List(key::HEADS.to_owned()), Wanted::Sweep, now);
            }
        }
        if again {
            self.sweep();
        }
    }

    fn find_orphans(&mut self, entries: &[Entry], now: Instant) {
        if self.pool.draining || self.pool.replaced {
            return;
        }
        for entry in entries {
            let Ok(head) = ConferenceHead::decode(&entry.value) else { continue };
            let Some(name) = entry.key.strip_prefix(key::HEADS).map(str::to_owned) else { continue };
            let orphan = match &head.owner {
                Some(owner) => {
                    self.nodes.standing(owner, &self.me.incarnation, now) == super::nodes::Standing::Dead
                }
                None => true,
            };
            let known =
                matches!(self.slots.get(&name), Some(Slot::Owned(_))) || self.takeovers.contains(&name);
            if orphan && head.active && !known {
                self.takeovers.push_back(name);
            }
        }
        self.next_takeovers(now);
    }
}
