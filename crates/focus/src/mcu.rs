//! The MCU: holds the calls of many conferences in one modality; for IM it distributes their messages.
//!
//! A core like the front end's: messages, store replies and the time go in; messages, store requests and reports come
//! out. The Focus opens and closes conferences by interior commands ([`crate::interior`]); clients call with an INVITE
//! that a front end lets through, and then talk to the MCU directly.
//!
//! # Invariants
//!
//! - Only who the Focus announced gets in; the highest epoch heard of is the only one obeyed.
//! - One total order of messages per conference, the same for each receiver; nobody gets his own message back on the
//!   endpoint that sent it, and each failed receiver is in exactly one report to the sender.
//! - Calls outlive their Focus: without one they are kept for `orphan_hold`, then ended.
//!
//! Audio and video are signalling only: calls are taken and ended, nothing is mixed.
//!
//! Not here: the decision who may be in a conference.

mod call;
mod config;
mod content;
mod focus;
mod lease;
mod message;
mod room;
mod sdp;
mod way;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use c3p::Limits;
use c3p::diagnostics::{Diagnostics, HEADER};
use sip_core::{
    ClientTransactionId, DialogId, Endpoint, Event, FlowId, IdSource, ListenAddr, Method, Request,
    ResponseDraft, ServerTransactionId, Target, Transmit, TransportInput, TransportKind, Uri,
};

pub use config::{McuBounds, McuConfig, McuTimers};

use crate::record::{self, NodeKind, NodeRecord};
use crate::report::{NodeChange, NodeReport};
use crate::store::{StoreReply, StoreRequest};
use lease::{Learnt, Lease};
use room::{MemberId, Room, RoomId};
use way::FrontEnds;

/// What the MCU answers to a method that it does not know.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, MESSAGE, INFO, UPDATE, OPTIONS";
/// The option tags of its dialogs.
const SUPPORTED: &str = "ms-dialog-route-set-update, timer, ms-sender";
/// Epochs of conferences that were here and are not any more.
const EPOCHS_MAX: usize = 10_000;

/// What a client transaction of ours is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    /// The message at the head of a member's outbox.
    Message(RoomId, MemberId),
    /// A sign of life asked of a client.
    Refresh(RoomId, MemberId),
    /// A recovery UPDATE.
    Repair(RoomId, MemberId),
    /// News for the owner.
    Notify(RoomId),
}

/// The MCU's core. See the module's header.
#[derive(Debug)]
pub struct McuCore {
    config: McuConfig,
    limits: Limits,
    endpoint: Endpoint,
    lease: Lease,
    front_ends: FrontEnds,
    last_id: u64,
    rooms: BTreeMap<RoomId, Room>,
    room_keys: HashMap<String, RoomId>,
    dialogs: HashMap<DialogId, (RoomId, MemberId)>,
    sent: HashMap<ClientTransactionId, (Purpose, way::Step)>,
    timers: std::collections::BTreeSet<(Instant, RoomId)>,
    /// Highest epochs of conferences that left, oldest first.
    epochs: VecDeque<(String, u64)>,
    reports: VecDeque<NodeReport>,
    drained: bool,
}

impl McuCore {
    /// An MCU without conferences.
    pub fn new(config: McuConfig, mut ids: Box<dyn IdSource>, now: Instant) -> Self {
        let record = NodeRecord {
            v: record::VERSION,
            name: config.name.clone(),
            kind: NodeKind::Mcu,
            mcu: Some(config.mcu.as_str().to_owned()),
            listen: config.listen.iter().map(ToString::to_string).collect(),
            pid: config.pid,
            incarnation: ids.token(),
            beat: 0,
            draining: false,
        };
        let lease = Lease::new(record, config.timers.lease_renew, config.timers.nodes_read, now);
        let limits = Limits::default();
        let endpoint = Endpoint::new(config.endpoint.clone(), ids);
        Self {
            config,
            limits,
            endpoint,
            lease,
            front_ends: FrontEnds::default(),
            last_id: 0,
            rooms: BTreeMap::new(),
            room_keys: HashMap::new(),
            dialogs: HashMap::new(),
            sent: HashMap::new(),
            timers: std::collections::BTreeSet::new(),
            epochs: VecDeque::new(),
            reports: VecDeque::new(),
            drained: false,
        }
    }

    /// Takes what came from the network.
    pub fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.drain_events(now);
    }

    /// Takes the answer to one [`StoreRequest`].
    pub fn handle_store_result(&mut self, reply: StoreReply, now: Instant) {
        match self.lease.handle_store_result(reply, self.config.bounds.front_ends_max) {
            Learnt::FrontEnds(front_ends) => {
                let new = self.front_ends.learn(front_ends);
                self.greet(new, now);
            }
            Learnt::Drain => self.drain(now),
            Learnt::Nothing => {}
        }
        self.drain_events(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.lease.handle_timeout(now);
        while let Some((at, room)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, room));
            if let Some(found) = self.rooms.get_mut(&room) {
                found.due = None;
            }
            self.room_timeout(room, now);
            self.reschedule(room);
        }
        self.drain_events(now);
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let rooms = self.timers.first().map(|(at, _)| *at);
        [self.endpoint.poll_timeout(), Some(self.lease.poll_timeout()), rooms].into_iter().flatten().min()
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// The next request to the store; any number may be under way.
    pub fn poll_store_request(&mut self) -> Option<StoreRequest> {
        self.lease.poll_store_request()
    }

    /// The next line for the operator.
    pub fn poll_report(&mut self) -> Option<NodeReport> {
        self.reports.pop_front()
    }

    /// Takes nothing new, ends all calls with diagnostics 61002, then reports `Drained`.
    pub fn drain(&mut self, now: Instant) {
        self.lease.set_draining(now);
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.close_room(room, &call::Ending::FailingOver, now);
        }
        if !std::mem::replace(&mut self.drained, true) {
            self.reports.push_back(NodeReport::Node {
                name: self.config.name.clone(),
                kind: NodeKind::Mcu,
                change: NodeChange::Drained,
                detail: "all calls ended".to_owned(),
            });
        }
    }

    /// Its settings.
    pub fn config(&self) -> &McuConfig {
        &self.config
    }

    /// Conferences, and calls in all of them.
    pub fn load(&self) -> (usize, usize) {
        (self.rooms.len(), self.dialogs.len())
    }

    fn drain_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, flow, request } => self.on_request(tx, flow, &request, now),
                Event::Oneway { flow, request } => self.on_oneway(flow, &request, now),
                Event::Response { tx, response, .. } => {
                    if response.status() >= 200
                        && let Some((purpose, _)) = self.sent.remove(&tx)
                    {
                        self.on_answer(purpose, &response, now);
                    }
                }
                Event::Failed { tx, error } => {
                    if let Some((purpose, step)) = self.sent.remove(&tx) {
                        self.on_no_answer(purpose, step, error, now);
                    }
                }
                Event::Rejected { status, reason, .. } => {
                    tracing::info!(status = status.unwrap_or_default(), reason, "message refused");
                }
                // Unconfirmed calls have a deadline of their own, and flows are looked at when they are used.
                _ => {}
            }
        }
        self.check_invariants();
    }

    fn on_request(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        if !self.is_trusted(request) {
            return self.refuse(tx, request, 403, c3p::diagnostics::ids::C3P_AUTHORIZATION, now);
        }
        if crate::interior::is_interior(request) {
            return self.on_interior(tx, request, now);
        }
        if let Some(id) = sip_core::dialog::in_dialog_id(request) {
            return match self.dialogs.get(&id).copied() {
                Some((room, member)) => self.on_in_dialog(tx, flow, request, (room, member), now),
                None => self.refuse(tx, request, 481, c3p::diagnostics::ids::MCU_FAILING_OVER, now),
            };
        }
        match request.method() {
            Method::Invite => self.on_invite(tx, request, now),
            Method::Options => {
                self.heard_from(request, now);
                let draft = ResponseDraft::to(request, 200).header("Allow", ALLOW);
                self.endpoint.respond(tx, draft, now);
            }
            Method::Message | Method::Info | Method::Update | Method::Bye => {
                self.refuse(tx, request, 481, c3p::diagnostics::ids::MCU_FAILING_OVER, now);
            }
            _ => self.refuse(tx, request, 405, c3p::diagnostics::ids::INTERNAL_ERROR, now),
        }
    }

    /// In a pool with users, orders and calls come from its front ends only.
    fn is_trusted(&self, request: &Request) -> bool {
        let call = *request.method() == Method::Invite && request.to().tag().is_none();
        match &self.config.key {
            Some(key) if call || crate::interior::is_interior(request) => crate::seal::is_good(key, request),
            Some(_) | None => true,
        }
    }

    fn on_in_dialog(
        &mut self,
        tx: ServerTransactionId,
        flow: FlowId,
        request: &Request,
        at: (RoomId, MemberId),
        now: Instant,
    ) {
        let closed = self.config.key.is_some();
        let Some(member) = self.member_mut(at) else { return };
        // A captured message that is sent again is not distributed again.
        let again = closed && *request.method() == Method::Message && member.dialog.repeats(request);
        if again || member.dialog.check_request(request).is_err() {
            return self.refuse(tx, request, 500, c3p::diagnostics::ids::INTERNAL_ERROR, now);
        }
        self.touch(at, flow, request, now);
        match request.method() {
            Method::Message if self.config.mcu == c3p::McuType::Im => self.on_message(tx, request, at, now),
            Method::Info => self.on_info(tx, request, at, now),
            Method::Update => self.on_update(tx, request, at, now),
            Method::Bye => self.on_bye(tx, request, at, now),
            Method::Options => {
                let draft = ResponseDraft::to(request, 200).header("Allow", ALLOW);
                self.endpoint.respond(tx, draft, now);
            }
            Method::Invite => self.refuse(tx, request, 488, c3p::diagnostics::ids::INTERNAL_ERROR, now),
            _ => self.refuse(tx, request, 405, c3p::diagnostics::ids::INTERNAL_ERROR, now),
        }
        self.pump(at, now);
    }

    fn on_oneway(&mut self, flow: FlowId, request: &Request, now: Instant) {
        let at = sip_core::dialog::in_dialog_id(request).and_then(|id| self.dialogs.get(&id).copied());
        if let Some(at) = at.filter(|_| *request.method() == Method::Ack) {
            self.touch(at, flow, request, now);
            self.pump(at, now);
        }
    }

    /// A refusal with diagnostics.
    fn refuse(&mut self, tx: ServerTransactionId, request: &Request, status: u16, id: u32, now: Instant) {
        let reason = sip_core::default_reason(status);
        let diagnostics = Diagnostics::new(id).with_reason(reason).with_source(self.config.name.clone());
        let mut draft = ResponseDraft::to(request, status).header(HEADER, diagnostics.to_string());
        if status == 405 {
            draft = draft.header("Allow", ALLOW);
        }
        self.endpoint.respond(tx, draft, now);
    }

    fn member_mut(&mut self, (room, member): (RoomId, MemberId)) -> Option<&mut room::Member> {
        self.rooms.get_mut(&room)?.members.get_mut(&member)
    }

    fn room_of(&self, uri: &str) -> Option<RoomId> {
        self.room_keys.get(&room_key(uri)?).copied()
    }

    /// The listener that others reach it by.
    fn listener(&self) -> ListenAddr {
        let listen = &self.config.listen;
        let tcp = listen.iter().find(|one| one.transport == TransportKind::Tcp).or(listen.first());
        tcp.copied().unwrap_or(ListenAddr {
            transport: TransportKind::Tcp,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        })
    }

    /// Its Contact in the calls of one conference.
    fn contact(&self, room: &Room) -> String {
        let listener = self.listener();
        let uri = Uri::for_addr(c3p::uri::conference_id(&room.uri), listener.addr, listener.transport);
        format!("<{uri}>;isfocus")
    }

    /// Sets a room's timer to what is due next.
    fn reschedule(&mut self, id: RoomId) {
        let timers = &self.config.timers;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let next = room.next_due(timers.owner_silence, timers.orphan_hold, timers.unconfirmed);
        if let Some(old) = room.due.replace(next) {
            self.timers.remove(&(old, id));
        }
        self.timers.insert((next, id));
    }

    /// Makes sure that a room's timer is not later than `at`.
    fn wake(&mut self, id: RoomId, at: Instant) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.due.is_some_and(|due| due <= at) {
            return;
        }
        if let Some(old) = room.due.replace(at) {
            self.timers.remove(&(old, id));
        }
        self.timers.insert((at, id));
    }

    fn check_invariants(&self) {
        debug_assert_eq!(self.rooms.len(), self.room_keys.len());
        debug_assert_eq!(
            self.dialogs.len(),
            self.rooms.values().map(|room| room.members.len()).sum::<usize>()
        );
        debug_assert!(self.timers.len() <= self.rooms.len());
        debug_assert!(self.epochs.len() <= EPOCHS_MAX);
    }
}

/// The name under which a conference is kept, from its own URI or that of an MCU.
fn room_key(uri: &str) -> Option<String> {
    Some(record::key::conference(c3p::uri::organizer(uri)?, c3p::uri::conference_id(uri)?))
}

/// Where a listener is, as a target.
fn target(listener: ListenAddr) -> Target {
    Target::Address { transport: listener.transport, addr: listener.addr }
}
