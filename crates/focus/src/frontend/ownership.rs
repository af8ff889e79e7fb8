//! Who acts for a conference: finding the owner, holding requests meanwhile, claiming, taking over, losing.
//!
//! # Invariants
//!
//! - A conference is owned only by a commit that wrote this node into its head; no read decides that (P5).
//! - Everything held has a deadline: 20 s for an INVITE, 8 s for all else (recovery section 2.2).
//! - What is in memory is dropped as soon as a write meets another owner's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use c3p::diagnostics::ids;
use sip_core::{Method, Target};

use super::FrontEndCore;
use super::core::Wanted;
use super::nodes::Standing;
use super::refusal::{Refusal, SIP_LAYER};
use crate::conference::{Conference, Incoming, Join, PersonKey};
use crate::proxy::{self, Plan, RecoveryAction, Returned};
use crate::record::{ConferenceHead, NodeKind, ParticipantRecord, Record, ResultRecord, key};
use crate::report::{NodeChange, NodeReport};
use crate::seal;
use crate::store::{Entry, Expect, StoreError, StoreOp, StoreValue, Txn};

/// A new owner's documents begin this far above the highest version that may have been sent.
const VERSION_LEAP: u32 = 1000;

/// How long to wait before the head is read again when ownership is open.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What a held request asks for.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A join.
    Join(Box<Join>),
    /// A call to an MCU of this type.
    Call(String),
    /// The deletion of the record.
    Delete(Box<c3p::command::Request>),
    /// Anything in a dialog, and SUBSCRIBE.
    Other,
}

/// A request that waits until it is clear who owns its conference.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) incoming: Incoming,
    pub(crate) kind: Kind,
    pub(crate) until: Instant,
}

/// What is known of a conference that this front end has to do with.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Ownership is being settled.
    Settling(Settling),
    /// It is ours.
    Owned(Box<Conference>),
}

/// See [`Slot::Settling`].
#[derive(Debug, Default)]
pub(crate) struct Settling {
    held: VecDeque<Held>,
    /// A store request is under way.
    busy: bool,
    /// The head is read again then.
    look_at: Option<Instant>,
    /// Begun by a sweep, not by a request.
    takeover: bool,
}

impl FrontEndCore {
    /// Brings a request to its conference, wherever that is.
    pub(super) fn bring_to(&mut self, name: &str, held: Held, now: Instant) {
        let fresh = self.may_act(name, now);
        match self.slots.get_mut(name) {
            Some(Slot::Owned(conference)) if conference.is_closed() => {
                // The last write is still under way: the next owner is found behind it.
                self.verify(name, held);
            }
            Some(Slot::Owned(_)) if fresh => self.deliver(name, held, now),
            Some(Slot::Owned(_)) => self.verify(name, held),
            Some(Slot::Settling(settling)) => {
                if settling.held.len() >= self.config.bounds.held_max {
                    return self.refuse(&held.incoming, &no_owner(), now);
                }
                settling.held.push_back(held);
                self.schedule(name);
            }
            None => {
                let mut settling = Settling::default();
                settling.held.push_back(held);
                self.slots.insert(name.to_owned(), Slot::Settling(settling));
                self.look_up(name);
            }
        }
    }

    fn verify(&mut self, name: &str, held: Held) {
        let op = StoreOp::Get(key::head(name));
        self.want(op, Wanted::Verify { name: name.to_owned(), held: Box::new(held) });
    }

    fn look_up(&mut self, name: &str) {
        if let Some(Slot::Settling(settling)) = self.slots.get_mut(name) {
            settling.look_at = None;
            if !std::mem::replace(&mut settling.busy, true) {
                self.want(StoreOp::Get(key::head(name)), Wanted::Head { name: name.to_owned() });
            }
        }
        self.schedule(name);
    }

    /// Evidence changed: whoever waits for it looks again.
    pub(super) fn look_again(&mut self, _now: Instant) {
        let waiting: Vec<String> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Settling(settling) if settling.look_at.is_some()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in waiting {
            self.look_up(&name);
        }
    }

    fn schedule(&mut self, name: &str) {
        let at = match self.slots.get(name) {
            Some(Slot::Settling(settling)) => {
                let deadline = settling.held.iter().map(|held| held.until).min();
                [deadline, settling.look_at].into_iter().flatten().min()
            }
            Some(Slot::Owned(conference)) => conference.poll_timeout(),
            None => None,
        };
        self.set_wake(name, at);
    }

    /// Something of a slot is due.
    pub(super) fn slot_due(&mut self, name: &str, now: Instant) {
        let may_act = self.may_act(name, now);
        match self.slots.get_mut(name) {
            // Who may not be the owner any more does nothing by himself.
            Some(Slot::Owned(_)) if !may_act => self.set_wake(name, Some(now + LOOK_AGAIN)),
            Some(Slot::Owned(_)) => {
                self.with_conference(name, now, |conference, cx| conference.handle_timeout(cx));
            }
            Some(Slot::Settling(settling)) => {
                let (late, held) =
                    std::mem::take(&mut settling.held).into_iter().partition(|one| one.until <= now);
                settling.held = held;
                let look = settling.look_at.is_some_and(|at| at <= now);
                let idle = settling.held.is_empty() && !settling.takeover && !settling.busy;
                for one in Vec::<Held>::from(late) {
                    self.expire(&one, now);
                }
                if idle {
                    self.slots.remove(name);
                } else if look {
                    return self.look_up(name);
                }
                self.schedule(name);
            }
            None => {}
        }
    }

    /// Ownership was not settled in time.
    fn expire(&mut self, held: &Held, now: Instant) {
        let request = &held.incoming.request;
        match held.kind {
            Kind::Other => {
                let action = RecoveryAction::DialogRouteSetUpdate;
                self.proxy.refuse(&mut self.endpoint, held.incoming.tx, request, action, now);
            }
            Kind::Join(_) | Kind::Call(_) | Kind::Delete(_) => self.refuse(&held.incoming, &no_owner(), now),
        }
    }

    /// A CANCEL came.
    pub(super) fn on_cancelled(&mut self, tx: sip_core::ServerTransactionId, now: Instant) {
        let mut cancelled = None;
        for slot in self.slots.values_mut() {
            let Slot::Settling(settling) = slot else { continue };
            if let Some(at) = settling.held.iter().position(|held| held.incoming.tx == tx) {
                cancelled = settling.held.remove(at);
                break;
            }
        }
        if let Some(held) = cancelled {
            return self.refuse(&held.incoming, &Refusal::new(487, SIP_LAYER, "Cancelled"), now);
        }
        for name in self.owned() {
            self.with_conference(&name, now, |conference, cx| conference.on_cancelled(tx, cx));
        }
    }

    /// A request for somebody else's conference could not be forwarded.
    pub(super) fn on_returned(&mut self, returned: Returned, now: Instant) {
        let Returned { tx, flow, request, until } = returned;
        let incoming = Incoming { tx, flow, request };
        let Some((name, kind)) = self.classify_again(&incoming, now) else {
            return self.refuse(&incoming, &no_owner(), now);
        };
        let held = Held { incoming, kind, until };
        match self.slots.get_mut(&name) {
            Some(_) => self.bring_to(&name, held, now),
            None => {
                // The owner may only have lost its connection: a moment for the evidence to come in.
                let settling = Settling {
                    held: VecDeque::from([held]),
                    look_at: Some(now + LOOK_AGAIN),
                    ..Settling::default()
                };
                self.slots.insert(name.clone(), Slot::Settling(settling));
                self.schedule(&name);
            }
        }
    }

    /// Hands a request to an owned conference.
    fn deliver(&mut self, name: &str, held: Held, now: Instant) {
        let writing_since = match self.slots.get(name) {
            Some(Slot::Owned(conference)) => conference.write_again().map(|(_, since)| since),
            Some(Slot::Settling(_)) | None => None,
        };
        let patience = self.config.timers.store_patience;
        if writing_since.is_some_and(|since| now.saturating_duration_since(since) > patience) {
            let refusal = Refusal::new(503, ids::SERVICE_UNAVAILABLE, "The store is not available");
            return self.refuse(&held.incoming, &refusal.with("Retry-After", "10"), now);
        }
        let incoming = held.incoming;
        self.with_conference(name, now, |conference, cx| match held.kind {
            Kind::Join(join) => conference.on_join(incoming, *join, cx),
            Kind::Call(mcu) => conference.on_call(incoming, &mcu, cx),
            Kind::Delete(request) => conference.delete(&incoming, &request, cx),
            Kind::Other => conference.on_request(incoming, cx),
        });
    }

    // ----- the head -----

    /// The head was read.
    pub(super) fn on_head(&mut self, name: &str, result: Result<StoreValue, StoreError>, now: Instant) {
        let Some(Slot::Settling(settling)) = self.slots.get_mut(name) else { return };
        settling.busy = false;
        let entry = match result {
            Ok(StoreValue::Entries(entries)) => entries.into_iter().next(),
            Ok(StoreValue::Committed(_)) | Err(_) => return self.look_later(name, now),
        };
        let Some(entry) = entry else { return self.absent(name, now) };
        match ConferenceHead::decode(&entry.value) {
            Ok(head) => self.settle(name, head, entry.revision, now),
            Err(error) => {
                tracing::info!(%error, "a conference record is not readable");
                let refusal = Refusal::new(500, ids::STATE_LOST, "The conference record is not readable");
                self.refuse_all(name, &refusal, now);
            }
        }
    }

    fn settle(&mut self, name: &str, head: ConferenceHead, revision: u64, now: Instant) {
        let expired = head.expires.parse::<jiff::Timestamp>().is_ok_and(|until| until <= self.wall(now));
        if expired && !head.active {
            let wanted = Wanted::Expired { name: name.to_owned(), revision };
            self.want(StoreOp::List(key::members(name)), wanted);
            return self.absent(name, now);
        }
        let standing = head.owner.as_ref().map(|owner| self.nodes.standing(owner, &self.me.incarnation, now));
        match standing {
            Some(Standing::Alive(Some(address))) => self.forward_held(name, address, now),
            Some(Standing::Alive(None) | Standing::Unknown) => self.look_later(name, now),
            Some(Standing::Own | Standing::Dead) => self.claim(name, head, revision, true, now),
            None if self.is_wanted(name, &head) => {
                let took_over = head.active;
                self.claim(name, head, revision, took_over, now);
            }
            // Nobody is in it, and nobody wants in.
            None => self.refuse_all(name, &Refusal::moved(), now),
        }
    }

    /// All that is left of an expired conference was read: it goes away with the head.
    pub(super) fn on_expired(&mut self, name: &str, revision: u64, result: Result<StoreValue, StoreError>) {
        let Ok(StoreValue::Entries(entries)) = result else { return };
        let at = key::head(name);
        let mut txn = Txn::new().guard(at.clone(), Expect::Revision(revision)).delete(at);
        txn.deletes.extend(entries.into_iter().map(|entry| entry.key));
        self.want(StoreOp::Commit(txn), Wanted::Nothing);
    }

    fn is_wanted(&self, name: &str, head: &ConferenceHead) -> bool {
        let Some(Slot::Settling(settling)) = self.slots.get(name) else { return false };
        let joins = |held: &Held| matches!(held.kind, Kind::Join(_) | Kind::Delete(_));
        head.active || settling.held.iter().any(joins)
    }

    fn look_later(&mut self, name: &str, now: Instant) {
        if let Some(Slot::Settling(settling)) = self.slots.get_mut(name) {
            settling.look_at = Some(now + LOOK_AGAIN);
        }
        self.schedule(name);
    }

    fn forward_held(&mut self, name: &str, address: sip_core::ListenAddr, now: Instant) {
        for held in self.take_settling(name) {
            let target = Target::Address { transport: address.transport, addr: address.addr };
            let mut plan =
                Plan::up(vec![target]).hand_back(held.until).answer_within(self.owner_answers(&held, now));
            match held.kind {
                // Nobody of the pool stays on the way to an MCU.
                Kind::Call(_) => plan = plan.off_route(),
                Kind::Join(_) | Kind::Delete(_) | Kind::Other => {}
            }
            let Incoming { tx, flow, request } = &held.incoming;
            if let Some(key) = self.pool_key() {
                plan = plan.header(seal::SEAL, seal::of(key, request));
            }
            let incoming = proxy::Incoming { flow: *flow, tx: Some(*tx), request };
            self.proxy.forward(&mut self.endpoint, incoming, plan, now);
        }
        self.next_takeovers(now);
    }

    /// How long the owner may leave a forwarded request unanswered before ownership is looked at again: an INVITE waits
    /// longer than a lease, so that it finds the next owner when it comes back.
    fn owner_answers(&self, held: &Held, now: Instant) -> Duration {
        let timers = &self.config.timers;
        match held.kind {
            Kind::Join(_) | Kind::Call(_) => timers.lease + timers.nodes_read * 2,
            Kind::Delete(_) | Kind::Other => held.until.saturating_duration_since(now),
        }
    }

    fn take_settling(&mut self, name: &str) -> VecDeque<Held> {
        self.set_wake(name, None);
        match self.slots.remove(name) {
            Some(Slot::Settling(settling)) => settling.held,
            Some(owned @ Slot::Owned(_)) => {
                self.slots.insert(name.to_owned(), owned);
                VecDeque::new()
            }
            None => VecDeque::new(),
        }
    }

    fn refuse_all(&mut self, name: &str, refusal: &Refusal, now: Instant) {
        for held in self.take_settling(name) {
            self.refuse(&held.incoming, refusal, now);
        }
        self.next_takeovers(now);
    }

    fn absent(&mut self, name: &str, now: Instant) {
        for held in self.take_settling(name) {
            let in_dialog = held.incoming.request.to().tag().is_some();
            let refusal = match &held.kind {
                Kind::Call(_) => Refusal::c3p(ids::C3P_MCU_URI),
                Kind::Other if in_dialog => Refusal::c3p(ids::C3P_CONFERENCE_URI).with_status(481),
                Kind::Join(join) => {
                    let reason = c3p::Reason::ConferenceDoesntExist;
                    let body = c3p::command::Response::failure(&join.request, reason).write();
                    Refusal::c3p(ids::C3P_CONFERENCE_URI).with_body(body)
                }
                Kind::Delete(request) => {
                    self.answer_failure(&held.incoming, request, c3p::Reason::ConferenceDoesntExist, now);
                    continue;
                }
                Kind::Other => Refusal::c3p(ids::C3P_CONFERENCE_URI),
            };
            self.refuse(&held.incoming, &refusal, now);
        }
        self.next_takeovers(now);
    }

    // ----- claiming -----

    fn claim(&mut self, name: &str, mut head: ConferenceHead, revision: u64, took_over: bool, now: Instant) {
        if self.pool.draining
            || self.pool.replaced
            || self.conferences() >= self.config.bounds.conferences_max
        {
            // Somebody else will; who waits here is held until then.
            if self.nodes.has_other_front_end() {
                return self.look_later(name, now);
            }
            return self.refuse_all(name, &no_owner(), now);
        }
        head.owner = Some(self.me.clone());
        head.epoch += 1;
        head.writes += 1;
        if took_over {
            head.version = head.version.saturating_add(VERSION_LEAP);
        }
        let at = key::head(name);
        let txn = Txn::new().guard(at.clone(), Expect::Revision(revision)).put(at, head.encode());
        if let Some(Slot::Settling(settling)) = self.slots.get_mut(name) {
            settling.busy = true;
        }
        let wanted = Wanted::Claim { name: name.to_owned(), head: Box::new(head), took_over };
        self.want(StoreOp::Commit(txn), wanted);
        self.schedule(name);
    }

    /// The claim was decided.
    pub(super) fn on_claim(
        &mut self,
        name: String,
        head: Box<ConferenceHead>,
        took_over: bool,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        match result {
            Ok(StoreValue::Committed(committed)) => {
                let op = StoreOp::List(key::members(&name));
                self.want(op, Wanted::Members { name, head, revision: committed.revision, took_over });
            }
            Err(StoreError::Conflict) => {
                // Another front end was faster, or the owner lives: the head says who.
                if let Some(Slot::Settling(settling)) = self.slots.get_mut(&name) {
                    settling.busy = false;
                }
                self.look_up(&name);
            }
            Ok(StoreValue::Entries(_)) | Err(_) => {
                if let Some(Slot::Settling(settling)) = self.slots.get_mut(&name) {
                    settling.busy = false;
                }
                self.look_later(&name, now);
            }
        }
    }

    /// The participants of a claimed conference were read: from here on it is ours.
    pub(super) fn on_members(
        &mut self,
        name: String,
        head: Box<ConferenceHead>,
        revision: u64,
        took_over: bool,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        let Ok(StoreValue::Entries(mut entries)) = result else {
            let op = StoreOp::List(key::members(&name));
            return self.want_later(op, Wanted::Members { name, head, revision, took_over }, now);
        };
        entries.retain(|entry| !self.is_needless(&name, entry));
        let held = self.take_settling(&name);
        let (epoch, id) = (head.epoch, head.id.clone());
        let conference = Conference::new(name.clone(), *head, revision);
        tracing::info!(conference = %id, epoch, took_over, "conference claimed");
        self.slots.insert(name.clone(), Slot::Owned(Box::new(conference)));
        self.with_conference(&name, now, |conference, cx| {
            conference.start_clock(cx);
            restore(conference, &name, &entries, cx);
            if took_over {
                conference.take_over(cx);
            }
        });
        if took_over {
            self.reports.push_back(NodeReport::Node {
                name: self.config.name.clone(),
                kind: NodeKind::FrontEnd,
                change: NodeChange::TookOver,
                detail: format!("conference {id}, epoch {epoch}"),
            });
        }
        for one in held {
            self.bring_to(&name, one, now);
        }
        self.next_takeovers(now);
    }

    /// Begins as many takeovers as may be under way at once.
    pub(super) fn next_takeovers(&mut self, _now: Instant) {
        let mut under_way = self
            .slots
            .values()
            .filter(|slot| matches!(slot, Slot::Settling(settling) if settling.takeover))
            .count();
        while under_way < self.config.bounds.takeovers_max {
            let Some(name) = self.takeovers.pop_front() else { return };
            match self.slots.get_mut(&name) {
                Some(Slot::Owned(_)) => continue,
                Some(Slot::Settling(settling)) => settling.takeover = true,
                None => {
                    let settling = Settling { takeover: true, ..Settling::default() };
                    self.slots.insert(name.clone(), Slot::Settling(settling));
                }
            }
            under_way += 1;
            self.look_up(&name);
        }
    }

    // ----- losing -----

    /// Another owner wrote: a join or call that was not answered goes to him, what was in a dialog is refused, the rest is
    /// forgotten.
    pub(super) fn depose(&mut self, name: &str, now: Instant) {
        if !matches!(self.slots.get(name), Some(Slot::Owned(_))) {
            return;
        }
        self.set_wake(name, None);
        let Some(Slot::Owned(conference)) = self.slots.remove(name) else { return };
        tracing::info!(conference = %conference.head().id, "ownership was lost");
        for incoming in conference.into_unanswered() {
            let again = (*incoming.request.method() == Method::Invite
                && incoming.request.to().tag().is_none())
            .then(|| self.classify_again(&incoming, now))
            .flatten();
            match again {
                Some((name, kind)) => {
                    let until = now + self.config.timers.hold_invite;
                    self.bring_to(&name, Held { incoming, kind, until }, now);
                }
                None if incoming.request.to().tag().is_some() => {
                    self.refuse(&incoming, &Refusal::moved(), now)
                }
                None => self.refuse(&incoming, &no_owner(), now),
            }
        }
        self.drained_if_empty();
    }

    /// The head was read because the own lease is old, or because the conference is just ending.
    pub(super) fn on_verify(
        &mut self,
        name: &str,
        held: Held,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        let Ok(StoreValue::Entries(entries)) = result else {
            let refusal = Refusal::new(503, ids::SERVICE_UNAVAILABLE, "The store is not available");
            return self.refuse(&held.incoming, &refusal.with("Retry-After", "10"), now);
        };
        let stored = entries.first().and_then(|entry| ConferenceHead::decode(&entry.value).ok());
        // What was read before the own claim tells nothing about it.
        let ours = |conference: &Conference| {
            stored.as_ref().is_some_and(|head| head.epoch <= conference.head().epoch)
        };
        match self.slots.get(name) {
            Some(Slot::Owned(conference)) if ours(conference) && !conference.is_closed() => {
                self.deliver(name, held, now)
            }
            Some(Slot::Owned(conference)) if conference.is_closed() && !conference.is_done() => {
                if held.until <= now {
                    return self.expire(&held, now);
                }
                // A write that cannot be done may take as long as it likes, but not the processor.
                let wanted = Wanted::Verify { name: name.to_owned(), held: Box::new(held) };
                self.want_later(StoreOp::Get(key::head(name)), wanted, now);
            }
            Some(Slot::Owned(_)) => {
                self.depose(name, now);
                self.bring_to(name, held, now);
            }
            Some(Slot::Settling(_)) | None => self.bring_to(name, held, now),
        }
    }

    /// A write was decided.
    pub(super) fn on_write(&mut self, name: &str, result: Result<StoreValue, StoreError>, now: Instant) {
        match result {
            Ok(StoreValue::Committed(committed)) => self.on_committed(name, committed.revision, now),
            Err(StoreError::Conflict) => {
                let op = StoreOp::Get(key::head(name));
                self.want(op, Wanted::WriteConflict { name: name.to_owned() });
            }
            Ok(StoreValue::Entries(_)) | Err(_) => {
                self.write_later(name, now);
            }
        }
    }

    /// After a conflict: was it our own write, whose answer was lost, or another owner's?
    pub(super) fn on_write_conflict(
        &mut self,
        name: &str,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        let Ok(StoreValue::Entries(entries)) = result else {
            let op = StoreOp::Get(key::head(name));
            return self.want_later(op, Wanted::WriteConflict { name: name.to_owned() }, now);
        };
        let Some(Slot::Owned(conference)) = self.slots.get(name) else { return };
        let stored = entries
            .first()
            .and_then(|entry| Some((entry.revision, ConferenceHead::decode(&entry.value).ok()?)));
        match stored {
            Some((revision, head)) if conference.wrote(&head) => self.on_committed(name, revision, now),
            Some(_) | None => self.depose(name, now),
        }
    }

    fn on_committed(&mut self, name: &str, revision: u64, now: Instant) {
        let Some(Slot::Owned(conference)) = self.slots.get_mut(name) else { return };
        let effects = conference.committed(revision);
        self.carry_out(name, effects, now);
        self.pump(name, now);
    }

    /// Tries the write again after a moment.
    fn write_later(&mut self, name: &str, now: Instant) {
        let Some(Slot::Owned(conference)) = self.slots.get(name) else { return };
        if let Some((txn, _)) = conference.write_again() {
            self.want_later(StoreOp::Commit(txn), Wanted::Write { name: name.to_owned() }, now);
        }
    }

    /// Carries out what an owned conference wants: writes first, then what may leave.
    pub(super) fn pump(&mut self, name: &str, now: Instant) {
        let Some(Slot::Owned(conference)) = self.slots.get_mut(name) else { return };
        conference.settle(now);
        let effects = conference.free_effects();
        let txn = conference.begin_write(now);
        let (done, wake) = (conference.is_done(), conference.poll_timeout());
        let lacks_mcu = conference.lacks_mcu();
        self.set_wake(name, wake);
        if lacks_mcu {
            self.read_soon(now);
        }
        if let Some(txn) = txn {
            self.want(StoreOp::Commit(txn), Wanted::Write { name: name.to_owned() });
        }
        if !effects.is_empty() {
            self.carry_out(name, effects, now);
        }
        if done {
            // Over or given away: the next request finds its next owner.
            self.set_wake(name, None);
            self.slots.remove(name);
            self.drained_if_empty();
        }
    }
}

fn restore(conference: &mut Conference, name: &str, entries: &[Entry], cx: &crate::conference::Cx<'_>) {
    let prefix = key::members(name);
    let mut answers = Vec::new();
    for entry in entries {
        let Some(rest) = entry.key.strip_prefix(&prefix) else { continue };
        let parts: Vec<String> = rest.split('/').filter_map(key::unescape).collect();
        match parts.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["p", _, _] => match ParticipantRecord::decode(&entry.value) {
                Ok(record) => conference.restore(record, cx),
                Err(error) => tracing::info!(%error, "a participant record is not readable"),
            },
            ["r", user, endpoint, request_id] => {
                if let (Ok(record), Ok(id)) = (ResultRecord::decode(&entry.value), request_id.parse::<u64>())
                {
                    answers.push((PersonKey::new(user, endpoint), id, record));
                }
            }
            _ => {}
        }
    }
    // The answers' keys sort behind the participants', but nothing may rest on that.
    for (person, id, record) in answers {
        conference.restore_answer(&person, id, &record);
    }
}

fn no_owner() -> Refusal {
    Refusal::new(503, ids::NO_OWNER, "No front end owns the conference yet").with("Retry-After", "10")
}
