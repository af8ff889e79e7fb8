//! Forwarding one request: its targets in turn, its answers back, its end when nobody answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_core::{
    ClientTransactionId, Endpoint, Event, FlowId, Method, NameAddr, Request, RequestDraft, Response,
    ResponseDraft, ServerTransactionId, Target, TransactionError, Uri,
};

use super::refusal::RecoveryAction;
use super::token::Direction;
use super::{AckKey, ForwardId, Proxy};

/// Max-Forwards of a request that came without (RFC 3261 section 16.6 step 3).
const MAX_FORWARDS: u8 = 70;

/// Headers that only servers may write; from a client they are removed at the edge.
const SERVER_ONLY: [&str; 2] = ["Ms-Sender", "P-Asserted-Identity"];

/// A request as the endpoint's event brought it.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The flow it came on.
    pub flow: FlowId,
    /// Its server transaction; `None` for an ACK or BENOTIFY, which nobody answers.
    pub tx: Option<ServerTransactionId>,
    /// The request itself.
    pub request: &'a Request,
}

/// Where a request goes, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    targets: Vec<Target>,
    direction: Direction,
    routes: Vec<NameAddr>,
    record_route: bool,
    /// Headers that only servers may write stay.
    trusted: bool,
    uri: Option<Uri>,
    headers: Vec<(String, String)>,
    hand_back: Option<Instant>,
    answer_within: Option<Duration>,
}

/// A request that could not be forwarded and is its owner's again.
#[derive(Debug)]
pub struct Returned {
    /// Its server transaction.
    pub tx: ServerTransactionId,
    /// The flow it came on.
    pub flow: FlowId,
    /// The request.
    pub request: Request,
    /// What the plan said.
    pub until: Instant,
}

impl Plan {
    /// Towards the pool: the targets are tried in order. Server-only headers of the client are removed.
    pub fn up(targets: Vec<Target>) -> Plan {
        Plan {
            targets,
            direction: Direction::Up,
            routes: Vec::new(),
            record_route: true,
            trusted: false,
            uri: None,
            headers: Vec::new(),
            hand_back: None,
            answer_within: None,
        }
    }

    /// Towards a client, from somebody of the pool.
    pub fn down(targets: Vec<Target>) -> Plan {
        Plan { direction: Direction::Down, trusted: true, ..Plan::up(targets) }
    }

    /// Whether the request comes from a server, whose headers nobody else may write. Unless said: what runs down does.
    pub fn trusted(mut self, trusted: bool) -> Plan {
        self.trusted = trusted;
        self
    }

    /// The Route values that the request goes out with (none unless said).
    pub fn routes(mut self, routes: Vec<NameAddr>) -> Plan {
        self.routes = routes;
        self
    }

    /// Stays out of the route set: no Record-Route. A front end does this with the first INVITE to an MCU.
    pub fn off_route(mut self) -> Plan {
        self.record_route = false;
        self
    }

    /// Replaces the Request-URI.
    pub fn uri(mut self, uri: Uri) -> Plan {
        self.uri = Some(uri);
        self
    }

    /// Gives the request back ([`Proxy::take_returned`]) instead of refusing it when no target can be reached: its owner
    /// may know another way before `until`.
    pub fn hand_back(mut self, until: Instant) -> Plan {
        self.hand_back = Some(until);
        self
    }

    /// How long each target may stay silent, if not as long as the configuration says.
    pub fn answer_within(mut self, limit: Duration) -> Plan {
        self.answer_within = Some(limit);
        self
    }

    /// Adds a header, after those of the same name have been removed.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Plan {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What a 430 says when no target of this plan can be reached.
    fn lost(&self) -> RecoveryAction {
        match (self.direction, self.targets.last()) {
            // The client's own flow: only the client can open another one.
            (Direction::Down, Some(Target::Flow(_)) | None) => RecoveryAction::WaitForSessionUpdate,
            (Direction::Down, Some(Target::Address { .. } | Target::Server { .. })) | (Direction::Up, _) => {
                RecoveryAction::DialogRouteSetUpdate
            }
        }
    }
}

/// A request under way. It ends with its final answer; an INVITE lingers for its ACK and repeated 2xx.
#[derive(Debug)]
pub(super) struct Forward {
    server: ServerTransactionId,
    client: Option<ClientTransactionId>,
    flow: FlowId,
    request: Request,
    plan: Plan,
    remaining: VecDeque<Target>,
    target: Option<Target>,
    cancelled: bool,
    /// It is an INVITE, and its next element showed that it lives.
    ringing: bool,
    /// Of an INVITE that was answered 2xx: what its ACK will have in it.
    finished: Option<AckKey>,
    timer: Option<Instant>,
}

/// Why one attempt ended without a final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Miss {
    /// It surely never arrived.
    NotDelivered,
    /// Nobody knows: the connection broke, or nothing was heard in time.
    Unknown,
}

impl Proxy {
    /// Forwards a request by a plan; every outcome, refusal included, is answered by this core.
    pub fn forward(&mut self, endpoint: &mut Endpoint, incoming: Incoming<'_>, plan: Plan, now: Instant) {
        let Some(tx) = incoming.tx else {
            return self.forward_oneway(endpoint, incoming, &plan, now);
        };
        let request = incoming.request;
        if request.max_forwards() == Some(0) {
            let draft = self.answer(request, 483, 1000, "Max-Forwards ran out");
            return endpoint.respond(tx, draft, now);
        }
        if self.forwards.len() >= self.config.forwards_max {
            let draft = self.answer(request, 503, 1000, "Too many requests under way");
            return endpoint.respond(tx, draft.header("Retry-After", "5"), now);
        }
        self.next_id += 1;
        let id = self.next_id;
        let remaining = plan.targets.iter().cloned().collect();
        let forward = Forward {
            server: tx,
            client: None,
            flow: incoming.flow,
            request: request.clone(),
            plan,
            remaining,
            target: None,
            cancelled: false,
            ringing: false,
            finished: None,
            timer: None,
        };
        self.forwards.insert(id, forward);
        self.by_server.insert(tx, id);
        self.attempt(endpoint, id, now);
        self.check_invariants();
    }

    /// Takes an event if it belongs to a forwarded request; `false` leaves it to the owner.
    pub fn handle_event(&mut self, endpoint: &mut Endpoint, event: &Event, now: Instant) -> bool {
        let ours = match event {
            Event::Response { tx, response, .. } => match self.by_client.get(tx).copied() {
                Some(id) => {
                    self.on_response(endpoint, id, response, now);
                    true
                }
                None => false,
            },
            Event::Failed { tx, error } => match self.by_client.remove(tx) {
                Some(id) => {
                    self.on_miss(endpoint, id, Miss::of(error), now);
                    true
                }
                None => false,
            },
            Event::Cancelled { tx } => match self.by_server.get(tx).copied() {
                Some(id) => {
                    self.on_cancel(endpoint, id, now);
                    true
                }
                None => false,
            },
            // The ACK of a forwarded 2xx may take another way.
            Event::NoAck { tx } => self.by_server.contains_key(tx),
            Event::FlowClosed { flow, .. } => {
                self.tokens.forget(*flow);
                false
            }
            _ => false,
        };
        self.check_invariants();
        ours
    }

    /// The requests whose plan said to hand them back.
    pub fn take_returned(&mut self) -> Vec<Returned> {
        std::mem::take(&mut self.returned)
    }

    /// Ends attempts that nobody answered, and forgets INVITEs that have lingered.
    pub fn handle_timeout(&mut self, endpoint: &mut Endpoint, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.set_timer(id, None);
            self.on_timer(endpoint, id, now);
        }
        self.check_invariants();
    }

    fn on_timer(&mut self, endpoint: &mut Endpoint, id: ForwardId, now: Instant) {
        let Some(forward) = self.forwards.get_mut(&id) else { return };
        if forward.finished.is_some() {
            return self.forget(endpoint, id);
        }
        let (invite, ringing) = (*forward.request.method() == Method::Invite, forward.ringing);
        let proceeding = forward.client.is_some_and(|client| endpoint.is_proceeding(client));
        if invite && proceeding && !ringing {
            // It lives (100 Trying), so it has the time that a person may need.
            forward.ringing = true;
            return self.set_timer(id, Some(now + self.config.ringing_limit));
        }
        let client = forward.client.take();
        if let Some(client) = client {
            self.by_client.remove(&client);
            if invite {
                endpoint.cancel(client, now);
            }
            endpoint.abandon(client);
        }
        self.on_miss(endpoint, id, Miss::Unknown, now);
    }

    /// Sends the request to the next target, or gives it up when there is none.
    fn attempt(&mut self, endpoint: &mut Endpoint, id: ForwardId, now: Instant) {
        let Some(forward) = self.forwards.get_mut(&id) else { return };
        let Some(target) = forward.remaining.pop_front() else {
            return self.give_up(endpoint, id, Miss::NotDelivered, now);
        };
        forward.target = Some(target.clone());
        let (flow, plan, request) = (forward.flow, forward.plan.clone(), forward.request.clone());
        let draft = self.outgoing(endpoint, flow, &request, &plan, &target);
        let client = endpoint.send_request(draft, target, now);
        let limit = plan.answer_within.unwrap_or(self.config.answer_limit);
        self.by_client.insert(client, id);
        if let Some(forward) = self.forwards.get_mut(&id) {
            forward.client = Some(client);
            forward.ringing = false;
        }
        self.set_timer(id, Some(now + limit));
    }

    /// The request as it leaves here (RFC 3261 section 16.6).
    fn outgoing(
        &mut self,
        endpoint: &mut Endpoint,
        flow: FlowId,
        request: &Request,
        plan: &Plan,
        target: &Target,
    ) -> RequestDraft {
        let mut draft = RequestDraft::from_request(request);
        draft = draft.route(plan.routes.clone());
        if let Some(uri) = &plan.uri {
            draft.uri = uri.clone();
        }
        if !plan.trusted {
            for name in SERVER_ONLY {
                draft.remove_header(name);
            }
        }
        if plan.record_route && is_record_routed(request.method()) {
            let tag = request.from().tag().unwrap_or_default();
            let own = self.record_route_for(endpoint, plan.direction, flow, target, tag);
            draft.push_front("Record-Route", own.to_string());
        }
        if plan.record_route && *request.method() == Method::Register {
            let own = self.path_for(endpoint, flow);
            draft.push_front("Path", own.to_string());
        }
        for (name, value) in &plan.headers {
            draft.set_header(name, value.clone());
        }
        let hops = request.max_forwards().unwrap_or(MAX_FORWARDS + 1).saturating_sub(1);
        draft.max_forwards(hops)
    }

    fn forward_oneway(&mut self, endpoint: &mut Endpoint, incoming: Incoming<'_>, plan: &Plan, now: Instant) {
        let request = incoming.request;
        if request.max_forwards() == Some(0) {
            return;
        }
        let Some(target) = self.ack_target(request).or_else(|| plan.targets.first().cloned()) else { return };
        // Plan and request as for any other; nothing of a one-way request is record-routed.
        let draft = self.outgoing(endpoint, incoming.flow, request, plan, &target);
        endpoint.send_oneway(draft, target, now);
    }

    /// An ACK follows its INVITE when the route alone does not say where (a list of next hops, some of them dead).
    fn ack_target(&self, request: &Request) -> Option<Target> {
        if *request.method() != Method::Ack || target_is_set(request) {
            return None;
        }
        let tag = request.to().tag().unwrap_or_default();
        let id = self.acks.get(&(request.call_id().to_owned(), tag.to_owned(), request.cseq().number))?;
        self.forwards.get(id)?.target.clone()
    }

    fn on_response(&mut self, endpoint: &mut Endpoint, id: ForwardId, response: &Response, now: Instant) {
        let Some(forward) = self.forwards.get_mut(&id) else { return };
        let (server, invite) = (forward.server, *forward.request.method() == Method::Invite);
        let status = response.status();
        let mut draft = ResponseDraft::from_response(response);
        draft.pop_via();
        endpoint.forward_response(server, draft, now);
        if status < 200 {
            forward.ringing |= invite;
            let limit = if invite { self.config.ringing_limit } else { self.config.answer_limit };
            return self.set_timer(id, Some(now + limit));
        }
        if !(invite && status < 300) {
            return self.forget(endpoint, id);
        }
        if forward.finished.is_none() {
            let tag = response.to().tag().unwrap_or_default().to_owned();
            let key = (forward.request.call_id().to_owned(), tag, forward.request.cseq().number);
            forward.finished = Some(key.clone());
            self.acks.insert(key, id);
            self.set_timer(id, Some(now + self.config.linger));
        }
    }

    fn on_cancel(&mut self, endpoint: &mut Endpoint, id: ForwardId, now: Instant) {
        let Some(forward) = self.forwards.get_mut(&id) else { return };
        if forward.finished.is_some() || forward.cancelled {
            return;
        }
        forward.cancelled = true;
        forward.remaining.clear();
        if let Some(client) = forward.client {
            endpoint.cancel(client, now);
        }
    }

    /// An attempt ended without an answer: the next target, if sending twice does no harm.
    fn on_miss(&mut self, endpoint: &mut Endpoint, id: ForwardId, miss: Miss, now: Instant) {
        let Some(forward) = self.forwards.get_mut(&id) else { return };
        forward.client = None;
        if forward.finished.is_some() {
            return;
        }
        let again = miss == Miss::NotDelivered || *forward.request.method() != Method::Message;
        if again && !forward.remaining.is_empty() {
            self.attempt(endpoint, id, now);
        } else {
            self.give_up(endpoint, id, miss, now);
        }
    }

    fn give_up(&mut self, endpoint: &mut Endpoint, id: ForwardId, miss: Miss, now: Instant) {
        let Some(forward) = self.forwards.get(&id) else { return };
        let (server, request, action) = (forward.server, forward.request.clone(), forward.plan.lost());
        let unknown_message = miss == Miss::Unknown && *request.method() == Method::Message;
        if forward.cancelled {
            let draft = self.answer(&request, 487, 1000, "Cancelled");
            endpoint.respond(server, draft, now);
        } else if unknown_message {
            // 430 would promise that it was not delivered, and the sender would repeat it.
            let draft = self.answer(&request, 408, 61004, "No answer from next hop");
            endpoint.respond(server, draft, now);
        } else if let Some(until) = forward.plan.hand_back {
            self.returned.push(Returned { tx: server, flow: forward.flow, request, until });
        } else {
            self.refuse(endpoint, server, &request, action, now);
        }
        self.forget(endpoint, id);
    }

    fn forget(&mut self, endpoint: &mut Endpoint, id: ForwardId) {
        self.set_timer(id, None);
        let Some(forward) = self.forwards.remove(&id) else { return };
        self.by_server.remove(&forward.server);
        if let Some(client) = forward.client {
            self.by_client.remove(&client);
            if forward.finished.is_some() {
                endpoint.abandon(client);
            }
        }
        if let Some(key) = forward.finished.filter(|key| self.acks.get(key) == Some(&id)) {
            self.acks.remove(&key);
        }
    }

    fn set_timer(&mut self, id: ForwardId, at: Option<Instant>) {
        let Some(forward) = self.forwards.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut forward.timer, at) {
            self.timers.remove(&(old, id));
        }
        if let Some(at) = at {
            self.timers.insert((at, id));
        }
    }
}

impl Miss {
    fn of(error: &TransactionError) -> Miss {
        match error {
            TransactionError::Unreachable { .. } | TransactionError::Overloaded => Miss::NotDelivered,
            _ => Miss::Unknown,
        }
    }
}

/// Requests that put this element into a route set: those that create dialogs, and those that repair one.
fn is_record_routed(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Update | Method::Refer)
}

/// Whether a request names the address it goes to by itself: in the Route behind ours, else in its Request-URI (the
/// Contact of an MCU; its INVITE went another way, through a front end).
fn target_is_set(request: &Request) -> bool {
    let next = request.route().get(1).map_or(request.uri(), |next| next.uri());
    super::target_of(next).is_some()
}
