//! Dialogs and their usages: calls and subscriptions, without I/O (RFC 3261 sections 12-15, RFC 3262, 3311, 4028, 5057, 6665).
//!
//! [`Usages`] owns all dialogs of one [`Endpoint`]. It is fed with the endpoint's events, acts on the endpoint, and tells its
//! user what happened as [`UsageEvent`]s. After each event or call drain [`Usages::poll_event`]; call
//! [`Usages::handle_timeout`] when [`Usages::poll_timeout`] says so.
//!
//! The user says what it wants (`invite`, `accept`, `update`, `end`, ...) and puts bodies into [`Payload`]s; what the bodies
//! mean is its own business. The machine keeps the rules: ACK and its repetitions, CANCEL and its race with the 2xx, PRACK,
//! who may offer when, glare, session timers, routes and numbers, and which answers end what.
//!
//! # Invariants
//!
//! - Each [`InviteId`] that was told or returned ends in exactly one [`InviteEvent::Ended`], each [`SubscriptionId`] in exactly
//!   one [`SubscriptionEvent::Ended`]; nothing comes after it.
//! - A dialog lives as long as one of its usages (RFC 5057).
//! - A 2xx to an INVITE of ours is always acknowledged, also when nobody wants it any more: then a BYE follows.
//! - An established usage in which nothing goes on has no timer (but a session timer) and keeps no message.
//!
//! # Examples
//!
//! Answer every call; the loop around it is [`crate::transport::drive`]:
//!
//! ```
//! use std::time::Instant;
//! use sip_core::{Endpoint, InviteEvent, Payload, UsageEvent, Usages};
//!
//! fn work(endpoint: &mut Endpoint, usages: &mut Usages, now: Instant) {
//!     while let Some(event) = endpoint.poll_event() {
//!         if let Some(event) = usages.handle(event, endpoint, now) {
//!             usages.refuse(event, endpoint, now);
//!         }
//!         while let Some(event) = usages.poll_event() {
//!             if let UsageEvent::Invite(InviteEvent::Incoming { id, .. }) = event {
//!                 usages.accept(id, Payload::sdp("v=0\r\n"), endpoint, now).expect("it has just come");
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! Not here: who proves what to whom ([`Proofs`] are given), DNS, and what a body says.

mod agent;
mod config;
mod event;
mod fate;
mod notifier;
mod proof;
mod sending;
mod store;
mod subscriber;
mod subscription;
mod table;
mod uac;
mod uas;
mod within;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use agent::Agent;
pub use config::{Fork, Payload, Routing, UsageConfig};
pub use event::{
    Again, Cause, EarlyId, InviteEvent, InviteId, InviteState, Refused, Reliable, RequestId,
    SubscriptionCause, SubscriptionEvent, SubscriptionId, UsageEvent,
};
pub use proof::{OnlyAt, Proofs};
pub use store::{DialogUsages, Restored, StoredInvite, StoredSession, StoredSubscription};
pub use subscription::SubscriptionInfo;

use crate::{
    ClientTransactionId, Dialog, Endpoint, Event, FlowId, Method, Request, RequestDraft, Response,
    ResponseDraft, ServerTransactionId, SessionTimer, Target, TransportKind, Uri,
};
use sending::{ClientUse, ServerUse};
use subscription::Subscription;
use table::{Dialogs, Key, Slab, TagKey, Timers};
use uac::Attempt;
use uas::Ringing;

/// What an input acts on.
pub(crate) struct Cx<'a> {
    ep: &'a mut Endpoint,
    now: Instant,
}

impl Cx<'_> {
    fn t1(&self) -> Duration {
        self.ep.config().timing.t1
    }

    /// 64*T1: after that everybody has given up.
    fn give_up(&self) -> Duration {
        self.ep.config().timing.give_up()
    }

    fn respond(&mut self, tx: ServerTransactionId, draft: ResponseDraft) {
        self.ep.respond(tx, draft, self.now);
    }
}

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Who {
    /// Ringing, reliable responses, session timer.
    Invite(InviteId),
    /// A request to be repeated after 491, or a late PRACK, in this dialog.
    Talk(Key),
    /// A 2xx may come again until then.
    Attempt(ClientTransactionId),
    /// A request that the user did not answer, or an ACK that did not come.
    Server(ServerTransactionId),
    /// A subscription.
    Sub(SubscriptionId),
}

/// How far an INVITE usage is.
#[derive(Debug)]
enum Phase {
    Calling(ClientTransactionId),
    Ringing(Box<Ringing>),
    Accepted,
    Confirmed,
}

/// An INVITE usage.
#[derive(Debug)]
struct Invite {
    /// Its dialog; while our INVITE has no 2xx there is none, but early ones.
    dialog: Option<Key>,
    phase: Phase,
    session: Option<Box<SessionTimer>>,
    /// The BYE that has to wait for the ACK of our 2xx.
    ending: Option<Box<Payload>>,
    /// We made the Call-ID.
    we_called: bool,
    /// The other end takes no UPDATE.
    no_update: bool,
}

impl Invite {
    fn state(&self) -> InviteState {
        match self.phase {
            Phase::Calling(_) => InviteState::Calling,
            Phase::Ringing(_) => InviteState::Ringing,
            Phase::Accepted => InviteState::Accepted,
            Phase::Confirmed => InviteState::Confirmed,
        }
    }
}

/// All dialogs of an endpoint with their usages; see the module's text.
#[derive(Debug)]
pub struct Usages {
    config: UsageConfig,
    texts: config::Texts,
    dialogs: Dialogs,
    invites: Slab<Invite>,
    subs: Slab<Subscription>,
    /// Our INVITEs, until no 2xx can come any more.
    attempts: HashMap<ClientTransactionId, Attempt>,
    /// Our other requests.
    clients: HashMap<ClientTransactionId, ClientUse>,
    /// Their requests that the user answers, and 2xx that wait for an ACK.
    servers: HashMap<ServerTransactionId, ServerUse>,
    /// SUBSCRIBEs of ours without a dialog so far, by their From tag.
    sub_tags: HashMap<TagKey, SubscriptionId>,
    timers: Timers<Who>,
    events: VecDeque<UsageEvent>,
    newest_request: u64,
    challenges: proof::Challenges,
}

impl Usages {
    /// Without any dialog.
    #[must_use]
    pub fn new(config: UsageConfig) -> Self {
        Self {
            texts: config::Texts::new(&config),
            config,
            dialogs: Dialogs::default(),
            invites: Slab::default(),
            subs: Slab::default(),
            attempts: HashMap::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            sub_tags: HashMap::new(),
            timers: Timers::default(),
            events: VecDeque::new(),
            newest_request: 0,
            challenges: proof::Challenges::default(),
        }
    }

    /// Takes an event of the endpoint; gives it back if it belongs to no usage and makes none.
    pub fn handle(&mut self, event: Event, ep: &mut Endpoint, now: Instant) -> Option<Event> {
        let cx = &mut Cx { ep, now };
        match event {
            Event::Request { tx, flow, request } => self.on_request(tx, flow, request, cx),
            Event::Oneway { flow, request } => self.on_oneway(flow, request, cx),
            Event::Cancelled { tx } => self.on_cancelled(tx, cx),
            Event::NoAck { tx } => self.on_no_ack(tx, cx),
            Event::Response { tx, flow, response } => self.on_response(tx, flow, response, cx),
            Event::Failed { tx, error } => self.on_failed(tx, error, cx),
            Event::FlowOpened { .. }
            | Event::FlowClosed { .. }
            | Event::Unreachable { .. }
            | Event::Rejected { .. }
            | Event::Pong { .. } => Some(event),
        }
    }

    /// Answers what nobody wanted: 481 to what is or ought to be inside a dialog, 200 to OPTIONS, 405 else. Events that need no
    /// answer are dropped.
    pub fn refuse(&self, event: Event, ep: &mut Endpoint, now: Instant) {
        let Event::Request { tx, request, .. } = event else { return };
        let draft = match request.method() {
            _ if request.to().tag().is_some() => ResponseDraft::no_such_dialog(&request),
            Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => {
                ResponseDraft::no_such_dialog(&request)
            }
            Method::Options => self.able(ResponseDraft::to(&request, 200)),
            _ => ResponseDraft::to(&request, 405).header("Allow", self.texts.allow.clone()),
        };
        ep.respond(tx, draft, now);
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<UsageEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.soonest()
    }

    /// Fires every timer due at `now`.
    pub fn handle_timeout(&mut self, ep: &mut Endpoint, now: Instant) {
        let cx = &mut Cx { ep, now };
        while let Some(who) = self.timers.pop_due(now) {
            match who {
                Who::Invite(id) => self.invite_timeout(id, cx),
                Who::Talk(key) => self.talk_timeout(key, cx),
                Who::Attempt(tx) => self.attempt_over(tx, cx),
                Who::Server(tx) => self.forget_request(tx, cx),
                Who::Sub(id) => self.sub_timeout(id, cx),
            }
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &UsageConfig {
        &self.config
    }

    /// Where an INVITE usage is; `None` once it has ended.
    #[must_use]
    pub fn invite_state(&self, id: InviteId) -> Option<InviteState> {
        self.invites.get(id.0).map(Invite::state)
    }

    /// The dialog of an INVITE usage; `None` while there is none, or only early ones of an INVITE of ours.
    #[must_use]
    pub fn dialog(&self, id: InviteId) -> Option<Dialog> {
        self.dialogs.get(self.invites.get(id.0)?.dialog?)?.packed.unpack()
    }

    /// The session timer of an INVITE usage: interval in seconds, and whether this end refreshes.
    #[must_use]
    pub fn session(&self, id: InviteId) -> Option<(u32, bool)> {
        let session = self.invites.get(id.0)?.session.as_ref()?;
        Some((session.interval_s(), session.we_refresh()))
    }

    /// Sends the requests of this dialog there from now on, whatever its route says.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchUsage`]; [`Refused::WrongState`] without a dialog.
    pub fn set_target(&mut self, id: InviteId, target: Target) -> Result<(), Refused> {
        let key = self.dialog_key(id)?;
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.fixed = Some(Box::new(target));
        }
        Ok(())
    }

    /// The number of INVITE usages, with those that may become one.
    #[must_use]
    pub fn invites(&self) -> usize {
        self.invites.len()
    }

    /// The number of subscriptions, of both roles.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subs.len()
    }

    /// The number of dialogs, early ones included.
    #[must_use]
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// The number of requests, answers and deadlines it still waits for: 0 when everything has ended and lingered out.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.attempts.len()
            + self.clients.len()
            + self.servers.len()
            + self.sub_tags.len()
            + self.timers.len()
            + self.challenges.len()
    }

    /// An estimate of the bytes that dialogs and INVITE usages at rest take up, tables included.
    #[must_use]
    pub fn bytes_at_rest(&self) -> usize {
        self.dialogs.bytes() + self.invites.capacity_bytes()
    }

    fn on_request(
        &mut self,
        tx: ServerTransactionId,
        flow: FlowId,
        request: Request,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        if request.to().tag().is_some() {
            if let Some(key) = self.dialogs.of_request(&request) {
                return self.on_request_within(key, tx, flow, request, cx);
            }
            return match self.notified_before_answer(&request, flow) {
                Some(key) => self.on_request_within(key, tx, flow, request, cx),
                None => Some(Event::Request { tx, flow, request }),
            };
        }
        match request.method() {
            Method::Invite if self.config.invites => self.on_invite(tx, flow, request, cx),
            Method::Subscribe if !self.config.packages.is_empty() => {
                self.on_subscribe(None, tx, flow, request, cx)
            }
            _ => return Some(Event::Request { tx, flow, request }),
        }
        None
    }

    fn on_response(
        &mut self,
        tx: ClientTransactionId,
        flow: FlowId,
        response: Response,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        if self.proves(tx, flow, &response, cx) {
            return None;
        }
        if self.attempts.contains_key(&tx) {
            self.on_invite_response(tx, flow, response, cx);
            return None;
        }
        if !self.clients.contains_key(&tx) {
            return Some(Event::Response { tx, flow, response });
        }
        if response.status() >= 200
            && let Some(what) = self.clients.remove(&tx)
        {
            self.challenges.forget(tx);
            self.on_client_answer(what, flow, Ok(&response), cx);
        }
        None
    }

    fn on_failed(
        &mut self,
        tx: ClientTransactionId,
        error: crate::TransactionError,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        if self.attempts.contains_key(&tx) {
            self.on_invite_failed(tx, error, cx);
        } else if let Some(what) = self.clients.remove(&tx) {
            self.challenges.forget(tx);
            // The flow is not looked at without a response.
            self.on_client_answer(what, FlowId::new(0), Err(error), cx);
        } else {
            return Some(Event::Failed { tx, error });
        }
        None
    }

    fn emit(&mut self, event: InviteEvent) {
        self.events.push_back(UsageEvent::Invite(event));
    }

    fn tell(&mut self, event: SubscriptionEvent) {
        self.events.push_back(UsageEvent::Subscription(event));
    }

    fn next_request(&mut self) -> RequestId {
        self.newest_request += 1;
        RequestId(self.newest_request)
    }

    /// The dialog of a usage that has one.
    fn dialog_key(&self, id: InviteId) -> Result<Key, Refused> {
        self.invites.get(id.0).ok_or(Refused::NoSuchUsage)?.dialog.ok_or(Refused::WrongState)
    }

    /// A response that says what this end can do.
    fn able(&self, draft: ResponseDraft) -> ResponseDraft {
        let draft = draft.contact(self.config.contact.clone()).header("Allow", self.texts.allow.clone());
        let supported = &self.texts.supported;
        if supported.is_empty() { draft } else { draft.header("Supported", supported.clone()) }
    }

    fn has_session(&self, message: &crate::Envelope) -> bool {
        let disposition = message.headers().get("Content-Disposition");
        self.config.is_session(message.content_type(), disposition, message.body())
    }

    /// The next request in this dialog, and the dialog's new number.
    fn draft_in(&mut self, key: Key, method: Method, off_route: bool) -> Option<RequestDraft> {
        let entry = self.dialogs.get_mut(key)?;
        let mut dialog = entry.packed.unpack()?;
        let draft = if off_route { dialog.request_off_route(method) } else { dialog.request(method) };
        entry.packed.local_cseq = dialog.local_cseq();
        Some(draft)
    }

    /// Where a request of this dialog goes.
    fn target_in(&self, key: Key, draft: &RequestDraft, ep: &Endpoint) -> Target {
        let entry = self.dialogs.get(key);
        if let Some(fixed) = entry.and_then(|entry| entry.fixed.as_deref()) {
            return fixed.clone();
        }
        target_of(entry.and_then(|entry| entry.flow), &draft.next_hop_uri(), self.config.routing, ep)
    }

    fn send_in(&mut self, key: Key, draft: RequestDraft, cx: &mut Cx<'_>) -> ClientTransactionId {
        let target = self.target_in(key, &draft, cx.ep);
        self.dispatch(Some(key), draft, target, cx)
    }

    /// Takes the dialog away once no usage is left (RFC 5057 section 4).
    fn leave_dialog(&mut self, key: Key) {
        let left = self.dialogs.get(key).is_some_and(|entry| entry.invite.is_none() && entry.subs.is_empty());
        if left {
            self.timers.set(Who::Talk(key), None);
            self.dialogs.remove(key);
        }
    }

    /// Ends all usages of a dialog.
    fn end_dialog(&mut self, key: Key, cause: Cause, cx: &mut Cx<'_>) {
        let Some(entry) = self.dialogs.get(key) else { return };
        let (invite, subs) = (entry.invite, entry.subs.clone());
        let phase = invite.and_then(|id| Some((id, &self.invites.get(id.0)?.phase)));
        match phase {
            // An early dialog alone: the answer to the INVITE decides.
            Some((_, Phase::Calling(_))) | None => {}
            Some((id, Phase::Ringing(_))) => self.refuse_invite(id, 500, Payload::none(), cause, cx),
            Some((id, Phase::Accepted | Phase::Confirmed)) => self.end_invite(id, cause, cx),
        }
        for sub in subs {
            self.end_sub(sub, SubscriptionCause::DialogEnded);
        }
    }

    /// The end of an INVITE usage: what it still owes is answered, and its user is told, once.
    fn end_invite(&mut self, id: InviteId, cause: Cause, cx: &mut Cx<'_>) {
        let Some(invite) = self.invites.remove(id.0) else { return };
        self.timers.set(Who::Invite(id), None);
        if let Phase::Ringing(ringing) = &invite.phase {
            self.servers.remove(&ringing.tx);
        }
        if let Some(key) = invite.dialog {
            self.close_talk(key, cx);
            if let Some(entry) = self.dialogs.get_mut(key) {
                entry.invite = None;
            }
            self.leave_dialog(key);
        }
        self.emit(InviteEvent::Ended { id, cause });
    }

    /// Nothing is offered or awaited in this dialog any more.
    fn close_talk(&mut self, key: Key, cx: &mut Cx<'_>) {
        self.timers.set(Who::Talk(key), None);
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        let Some(talk) = entry.talk.take() else { return };
        if let Some(attempt) = talk.our_invite.and_then(|tx| self.attempts.get_mut(&tx)) {
            attempt.outlives(entry.packed.unpack());
        }
        for tx in [talk.their_invite, talk.their_update, talk.their_prack].into_iter().flatten() {
            self.timers.set(Who::Server(tx), None);
            if let Some(request) = self.servers.remove(&tx).and_then(|server| server.request) {
                cx.respond(tx, ResponseDraft::to(&request, 487));
            }
        }
        if let Some((tx, _)) = talk.await_ack {
            self.timers.set(Who::Server(tx), None);
            self.servers.remove(&tx);
        }
    }

    /// The soonest deadline of an INVITE usage.
    fn settle(&mut self, id: InviteId) {
        let Some(invite) = self.invites.get(id.0) else { return };
        let at = match &invite.phase {
            // The session begins with the 2xx, which may still wait for a PRACK.
            Phase::Ringing(ringing) => Some(ringing.deadline()),
            Phase::Calling(_) | Phase::Accepted | Phase::Confirmed => {
                invite.session.as_ref().and_then(|session| session.poll_timeout()).map(|(at, _)| at)
            }
        };
        self.timers.set(Who::Invite(id), at);
    }
}

/// Where a request goes whose next hop is `uri`, in a dialog that was heard on `flow`.
fn target_of(flow: Option<FlowId>, uri: &Uri, routing: Routing, ep: &Endpoint) -> Target {
    let open = flow.and_then(|flow| Some((flow, ep.flow_info(flow)?)));
    let Some(addr) = uri.sip_addr() else {
        return Target::Flow(flow.unwrap_or(FlowId::new(0)));
    };
    let default = open.map_or(TransportKind::Udp, |(_, info)| info.transport);
    let transport = uri.transport().unwrap_or(default);
    let by_uri = Target::Address { transport, addr };
    match (routing, open) {
        (Routing::Flow, Some((flow, _))) => Target::Flow(flow),
        (Routing::FlowFirst, Some((flow, info)))
            if info.transport.is_reliable() && info.remote.ip() == addr.ip() =>
        {
            Target::Flow(flow)
        }
        (Routing::Flow | Routing::FlowFirst | Routing::ByUri, _) => by_uri,
    }
}

#[cfg(test)]
mod tests;
