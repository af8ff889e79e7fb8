//! The client side of an endpoint: who we are, which servers we use, and the flow to the one in use.
//!
//! A [`UserAgent`] wraps the [`Endpoint`] with what every client needs before it can place a dialog: an ordered list of
//! outbound servers that counts as the addresses of one DNS answer (RFC 3263 section 4.3), a registration that yields a
//! GRUU (RFC 5627 with the `gruu-10` dialect of [MS-SIPREGE]), and stable request ids that survive the change to the next server.
//!
//! # Invariants
//!
//! - Each request sent by [`UserAgent::send`] ends with exactly one final [`UaEvent::Response`] or [`UaEvent::Failed`]
//!   (2xx retransmissions of an INVITE aside), unless it was abandoned.
//! - Only a request that surely did not reach anybody (its connection was never made, or closed before any answer came)
//!   is tried at the next server, each server at most once.
//!
//! - A challenge (401, 407) is answered as the same request, with the next free CSeq of its dialog; who sent it sees only
//!   the final answer. Requests of one dialog never share a number, whatever the dialog counts.
//! - Answers to challenges go only to the servers of the configuration.
//!
//! Not here: dialogs and the repair of their routes ([`crate::recoverable`]), look-ups ([`crate::resolve`]), sockets.

mod challenge;
mod numbers;
mod servers;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::auth::{Credentials, DigestClient};
use crate::build::RequestDraft;
use crate::endpoint::{
    ClientTransactionId, Endpoint, Event, FlowId, PeerName, ServerTransactionId, Target, TransactionError,
};
use crate::header::{KeepAlive, Method, NameAddr, TransportKind};
use crate::keep_alive::ClientKeepAlive;
use crate::message::{Request, Response};
use crate::transport::ListenAddr;
use crate::uri::Uri;
use challenge::Proof;
use numbers::Numbers;
use servers::Servers;

/// How often a registration that found no server is tried again: the gaps, the last one repeated.
const REGISTER_GAPS_S: [u64; 5] = [1, 2, 4, 8, 15];
/// What we ask for; a registrar may shorten it (auth.md section 2).
const REGISTER_EXPIRES_S: u32 = 7200;
/// How long a 2xx of an INVITE may be repeated: Timer M of RFC 6026, 64*T1.
const ACCEPTED_TIME: Duration = Duration::from_secs(32);

/// Names one request of a [`UserAgent`], whichever server it ends up at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Where a request goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// To the outbound servers, in order: initial requests, and those sent off their dialog's route.
    Outbound,
    /// To the first `Route`, else to a remote target with a literal address, else to the outbound servers.
    Route,
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No final answer in the time of RFC 3261 (Timer B or F).
    #[error("no final answer in time")]
    Timeout,
    /// No connection could be made: nobody received the request.
    #[error("the next hop refused the connection")]
    Unreachable,
    /// The connection closed before an answer came: somebody may have received the request.
    #[error("the connection to the next hop was lost")]
    FlowLost,
    /// Nothing was sent: too many transactions, or the request cannot be written.
    #[error("the request could not be sent")]
    NotSent,
    /// The answer came from who pretends to know the password.
    #[error("the server did not prove that it knows the password")]
    Impostor,
}

/// What a [`UserAgent`] is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UserAgentConfig {
    /// Our address of record with the display name, without tag.
    pub identity: NameAddr,
    /// Outbound servers in order of preference; at least one, unless there is `server_uri`.
    pub servers: Vec<ListenAddr>,
    /// The outbound servers by name (RFC 3263): see [`UserAgent::poll_locate`]. `servers` are used until it was looked up.
    pub server_uri: Option<Uri>,
    /// The name that servers over TLS have to prove, all of them: the domain whose look-up gave their addresses. Without it each
    /// has to prove its address.
    pub server_name: Option<PeerName>,
    /// Whether to register. Without it there is no GRUU, and the Contact is the flow's address.
    pub register: bool,
    /// A client-to-server ping (CRLF CRLF) goes out when the connection to the server in use carried nothing for this long, as
    /// long as the registrar names no timeout (`ms-keep-alive`); zero: never.
    pub keep_alive: Duration,
    /// What challenges of the servers are answered with; without it a 401 or 407 is an answer like any other.
    pub credentials: Option<Credentials>,
}

impl UserAgentConfig {
    /// A registering user agent for `identity` behind `servers`.
    pub fn new(identity: NameAddr, servers: Vec<ListenAddr>) -> Self {
        UserAgentConfig {
            identity,
            servers,
            server_uri: None,
            server_name: None,
            register: true,
            keep_alive: Duration::from_secs(200),
            credentials: None,
        }
    }

    /// The same with a password.
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The same with servers that are found by a name.
    pub fn with_server_uri(mut self, uri: Uri) -> Self {
        self.server_uri = Some(uri);
        self
    }

    /// The same with this name that servers over TLS have to prove.
    pub fn with_server_name(mut self, name: PeerName) -> Self {
        self.server_name = Some(name);
        self
    }

    /// The same without registration.
    pub fn without_registration(mut self) -> Self {
        self.register = false;
        self
    }
}

/// What a [`UserAgent`] tells the dialogs above it.
#[derive(Debug)]
pub enum UaEvent {
    /// An answer: provisional (not 100) or final.
    Response {
        /// The request.
        id: RequestId,
        /// Its answer.
        response: Response,
    },
    /// The request ended without an answer.
    Failed {
        /// The request.
        id: RequestId,
        /// Why.
        error: SendError,
    },
    /// A request came in that needs an answer.
    Request {
        /// To answer it with.
        tx: ServerTransactionId,
        /// Where it came from.
        flow: FlowId,
        /// The request.
        request: Request,
    },
    /// An ACK or a BENOTIFY.
    Oneway {
        /// The request.
        request: Request,
    },
    /// The INVITE of this transaction was cancelled; answer it with 487.
    Cancelled {
        /// The INVITE's transaction.
        tx: ServerTransactionId,
    },
    /// Registered, anew or again over a new flow.
    Registered,
    /// The registrar refused, or there is none; the Contact is the flow's address.
    NotRegistered {
        /// The answer's status, if there was one.
        status: Option<u16>,
    },
    /// The flow to the server in use is gone (D13 of recovery-on-the-wire.md).
    FlowLost,
}

#[derive(Debug)]
struct Outstanding {
    draft: RequestDraft,
    tx: ClientTransactionId,
    routing: Routing,
    /// Index of the server it is at, and how many were tried; `None` for a route of its own.
    server: Option<usize>,
    tried: usize,
    answered: bool,
    redirected: bool,
    /// Its connection was lost, and it was sent again on a new one.
    reconnected: bool,
    /// Nobody wants it to succeed any more.
    cancelled: bool,
    proof: Proof,
}

/// An INVITE that got its 2xx: repeated ones get the same ACK again (RFC 6026).
#[derive(Debug)]
struct Accepted {
    id: RequestId,
    tx: ClientTransactionId,
    ack: Option<RequestDraft>,
    /// The answers to challenges that the INVITE went out with: its ACK has the same (RFC 3261 section 22.1).
    authorization: Vec<(&'static str, String)>,
    until: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Registration {
    Idle,
    /// The servers are being looked up.
    Locating {
        until: Instant,
    },
    Registering {
        id: RequestId,
    },
    Registered {
        refresh_at: Instant,
    },
    Waiting {
        until: Instant,
    },
    NoRegistrar,
}

/// One client endpoint: identity, outbound servers, registration.
#[derive(Debug)]
pub struct UserAgent {
    endpoint: Endpoint,
    config: UserAgentConfig,
    epid: String,
    instance: String,
    register_call_id: String,
    register_cseq: u32,
    register_gap: usize,
    registration: Registration,
    gruu: Option<Uri>,
    servers: Servers,
    current: usize,
    flow: Option<FlowId>,
    next_id: u64,
    requests: HashMap<RequestId, Outstanding>,
    by_transaction: HashMap<ClientTransactionId, RequestId>,
    accepted: Vec<Accepted>,
    events: VecDeque<UaEvent>,
    keep_alive: Option<ClientKeepAlive>,
    digest: Option<DigestClient>,
    numbers: Numbers,
}

impl UserAgent {
    /// A user agent over `endpoint`. Nothing is sent yet.
    pub fn new(mut endpoint: Endpoint, mut config: UserAgentConfig) -> Self {
        let servers = Servers::new(&config);
        let digest = config.credentials.take().map(DigestClient::new);
        let epid: String = endpoint.new_token().chars().take(10).collect();
        let raw = endpoint.new_token();
        let at = |from: usize, to: usize| raw.get(from..to).unwrap_or("0");
        let instance =
            format!("urn:uuid:{}-{}-4{}-8{}-{}", at(0, 8), at(8, 12), at(13, 16), at(17, 20), at(20, 32));
        let register_call_id = endpoint.new_token();
        UserAgent {
            endpoint,
            config,
            epid,
            instance,
            register_call_id,
            register_cseq: 0,
            register_gap: 0,
            registration: Registration::Idle,
            gruu: None,
            servers,
            current: 0,
            flow: None,
            next_id: 0,
            requests: HashMap::new(),
            by_transaction: HashMap::new(),
            accepted: Vec::new(),
            events: VecDeque::new(),
            keep_alive: None,
            digest,
            numbers: Numbers::default(),
        }
    }

    /// The transactions below.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Our address, as the From of a new request needs it: with a fresh tag and our epid.
    pub fn new_from(&mut self) -> NameAddr {
        let tag: String = self.endpoint.new_token().chars().take(16).collect();
        self.config.identity.with_tag(&tag).with_param("epid", Some(&self.epid))
    }

    /// Our address of record.
    pub fn address(&self) -> &Uri {
        self.config.identity.uri()
    }

    /// The display name we go by, if any.
    pub fn display_name(&self) -> Option<&str> {
        self.config.identity.display()
    }

    /// The device's epid.
    pub fn epid(&self) -> &str {
        &self.epid
    }

    /// The GRUU, once registered.
    pub fn gruu(&self) -> Option<&Uri> {
        self.gruu.as_ref()
    }

    /// What to put into the Contact of a dialog: the GRUU if there is one, else the address of our flow.
    pub fn contact(&self) -> NameAddr {
        match &self.gruu {
            Some(gruu) => NameAddr::new(gruu.clone()),
            None => NameAddr::new(self.flow_uri()),
        }
    }

    /// Whether a registration is settled: done, refused, or not wanted.
    pub fn is_settled(&self) -> bool {
        !self.config.register
            || matches!(self.registration, Registration::Registered { .. } | Registration::NoRegistrar)
    }

    /// Registers, unless it is under way or done. Ends with [`UaEvent::Registered`] or [`UaEvent::NotRegistered`].
    pub fn register(&mut self, now: Instant) {
        if !self.config.register {
            return;
        }
        if !matches!(self.registration, Registration::Registering { .. } | Registration::Locating { .. }) {
            self.begin_register(now);
        }
    }

    /// Takes the registration back, best effort: nobody waits for the answer.
    pub fn unregister(&mut self, now: Instant) {
        if let Registration::Registered { .. } = self.registration {
            self.send_register(0, now);
            self.registration = Registration::Idle;
        }
    }

    /// Sends a request; it is answered by events with the id returned.
    pub fn send(&mut self, draft: RequestDraft, routing: Routing, now: Instant) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let draft = self.numbers.number(draft);
        let (target, server) = self.target(&draft, routing);
        let (tx, proof) = self.transmit(&draft, target, now);
        self.by_transaction.insert(tx, id);
        let entry = Outstanding {
            draft,
            tx,
            routing,
            server,
            tried: 1,
            answered: false,
            redirected: false,
            reconnected: false,
            cancelled: false,
            proof,
        };
        self.requests.insert(id, entry);
        id
    }

    /// Acknowledges the 2xx of the INVITE `id` along its dialog's route; a repeated 2xx gets the same ACK by itself.
    pub fn send_ack(&mut self, id: RequestId, mut draft: RequestDraft, now: Instant) {
        if let Some(entry) = self.accepted.iter_mut().find(|entry| entry.id == id) {
            for (name, value) in &entry.authorization {
                draft.push_header(name, value.clone());
            }
            entry.ack = Some(draft.clone());
        }
        let (target, _) = self.target(&draft, Routing::Route);
        self.endpoint.send_oneway(draft, target, now);
    }

    /// Cancels an INVITE; its final answer (487, or a crossing 2xx) still comes.
    pub fn cancel(&mut self, id: RequestId, now: Instant) {
        if let Some(entry) = self.requests.get_mut(&id) {
            entry.cancelled = true;
            self.endpoint.cancel(entry.tx, now);
        }
    }

    /// Forgets a request: no more events for it. It is still sent, if its connection is being made.
    pub fn abandon(&mut self, id: RequestId) {
        if let Some(entry) = self.requests.remove(&id) {
            self.by_transaction.remove(&entry.tx);
            self.endpoint.abandon(entry.tx);
        }
    }

    /// Forgets a request that nobody needs any more: not sent at all, if its connection is still being made.
    pub fn withdraw(&mut self, id: RequestId) {
        if let Some(entry) = self.requests.remove(&id) {
            self.by_transaction.remove(&entry.tx);
            self.endpoint.withdraw(entry.tx);
        }
    }

    /// Forgets a request that was not answered in the time that its sender had for it: the server that it was sent to
    /// is not the first to be asked next time, if there is another.
    pub fn give_up(&mut self, id: RequestId, now: Instant) {
        let server = self.requests.get(&id).filter(|entry| !entry.answered).and_then(|entry| entry.server);
        self.withdraw(id);
        self.leave_silent(server, now);
    }

    /// Takes one event of the endpoint and makes of it what dialogs understand.
    pub fn poll_event(&mut self, now: Instant) -> Option<UaEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let event = self.endpoint.poll_event()?;
            self.on_event(event, now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, transactions included.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.registration {
            Registration::Registered { refresh_at } => Some(refresh_at),
            Registration::Waiting { until } | Registration::Locating { until } => Some(until),
            Registration::Idle | Registration::Registering { .. } | Registration::NoRegistrar => None,
        };
        let ping_at = self.keep_alive.map(|alive| alive.poll_timeout());
        [own, ping_at, self.endpoint.poll_timeout()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        let due = match self.registration {
            Registration::Registered { refresh_at } => refresh_at <= now,
            Registration::Waiting { until } => until <= now,
            Registration::Locating { until } if until <= now => return self.locate_failed(now),
            Registration::Idle
            | Registration::Locating { .. }
            | Registration::Registering { .. }
            | Registration::NoRegistrar => false,
        };
        if due {
            self.begin_register(now);
        }
        if self.keep_alive.as_mut().is_some_and(|alive| alive.handle_timeout(now)) {
            match self.flow {
                Some(flow) => self.endpoint.ping(flow),
                None => self.keep_alive = None,
            }
        }
    }

    fn arm_ping(&mut self, now: Instant) {
        let every = self.config.keep_alive;
        self.keep_alive = (!every.is_zero()).then(|| ClientKeepAlive::new(every, now));
    }

    /// The registrar's answer says after how much silence it gives up the connection in use.
    fn negotiate_keep_alive(&mut self, response: &Response, now: Instant) {
        // What cannot be read negotiates nothing.
        if let Ok(Some(timeout)) = ClientKeepAlive::timeout_of(response)
            && self.keep_alive.is_some()
        {
            self.keep_alive = Some(ClientKeepAlive::negotiated(timeout, now));
        }
    }

    /// Something came on the connection in use.
    fn note_traffic(&mut self, event: &Event, now: Instant) {
        let flow = match event {
            Event::Request { flow, .. } | Event::Oneway { flow, .. } => *flow,
            Event::Response { flow, .. } | Event::Pong { flow } => *flow,
            _ => return,
        };
        if self.flow == Some(flow)
            && let Some(alive) = &mut self.keep_alive
        {
            alive.handle_traffic(now);
        }
    }

    fn target(&self, draft: &RequestDraft, routing: Routing) -> (Target, Option<usize>) {
        if routing == Routing::Route {
            let next = draft.next_hop_uri();
            if let Some(addr) = next.sip_addr() {
                let transport = next.transport().unwrap_or_else(|| self.default_transport());
                return (Target::Address { transport, addr }, None);
            }
        }
        let target = match self.flow {
            // Over UDP the address leads to the same flow, and lets large requests go over TCP.
            Some(flow) if self.server(self.current).is_none_or(|s| s.transport.is_reliable()) => {
                Some(Target::Flow(flow))
            }
            Some(_) | None => self.server_target(self.current),
        };
        // A configuration without servers sends to nowhere: an address that refuses.
        let nowhere = Target::Address {
            transport: TransportKind::Tcp,
            addr: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        (target.unwrap_or(nowhere), Some(self.current))
    }

    fn default_transport(&self) -> TransportKind {
        self.server(self.current).map_or(TransportKind::Udp, |s| s.transport)
    }

    fn flow_uri(&self) -> Uri {
        let user = self.config.identity.uri().user();
        let info = self.flow.and_then(|flow| self.endpoint.flow_info(flow));
        let (addr, transport) = match info {
            Some(info) => (info.local, info.transport),
            None => (std::net::SocketAddr::from(([0, 0, 0, 0], 5060)), self.default_transport()),
        };
        Uri::for_addr(user, addr, transport)
    }

    fn send_register(&mut self, expires: u32, now: Instant) {
        self.register_cseq += 1;
        let from = self.new_from();
        let to = self.config.identity.without_tag();
        let domain = Uri::parse(&format!("sip:{}", self.config.identity.uri().host()))
            .unwrap_or_else(|_| self.config.identity.uri().clone());
        let contact = format!(
            "<{}>;proxy=replace;+sip.instance=\"<{}>\";expires={expires}",
            self.flow_uri(),
            self.instance
        );
        let draft = RequestDraft::new(Method::Register, domain)
            .from(from)
            .to(to)
            .call_id(self.register_call_id.clone())
            .cseq(self.register_cseq)
            .header("Contact", contact)
            .header("Supported", "gruu-10, path, ms-forking")
            .header("Event", "registration")
            .header("ms-keep-alive", KeepAlive::offer().to_string())
            .header("Expires", expires.to_string());
        let id = self.send(draft, Routing::Outbound, now);
        self.registration = Registration::Registering { id };
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        self.note_traffic(&event, now);
        match event {
            Event::Response { tx, flow, response } => self.on_response(tx, flow, response, now),
            Event::Failed { tx, error } => self.on_failed(tx, error, now),
            Event::Request { tx, flow, request } => {
                self.events.push_back(UaEvent::Request { tx, flow, request });
            }
            Event::Oneway { request, .. } => self.events.push_back(UaEvent::Oneway { request }),
            Event::Cancelled { tx } => self.events.push_back(UaEvent::Cancelled { tx }),
            Event::FlowOpened { flow, .. } => {
                if self.flow.is_none() && self.leads_to_server(flow) {
                    self.flow = Some(flow);
                    self.arm_ping(now);
                }
            }
            Event::FlowClosed { flow, .. } if self.flow == Some(flow) => self.on_flow_lost(now),
            Event::Unreachable { transport, addr, .. } => {
                if self.server(self.current).is_some_and(|s| s.transport == transport && s.addr == addr) {
                    self.advance();
                }
            }
            Event::FlowClosed { .. } | Event::NoAck { .. } | Event::Rejected { .. } | Event::Pong { .. } => {}
        }
    }

    fn on_flow_lost(&mut self, now: Instant) {
        self.flow = None;
        self.keep_alive = None;
        self.servers.seek();
        if matches!(self.registration, Registration::Registered { .. }) {
            self.begin_register(now);
        }
        self.events.push_back(UaEvent::FlowLost);
    }

    fn on_response(&mut self, tx: ClientTransactionId, flow: FlowId, response: Response, now: Instant) {
        let Some(&id) = self.by_transaction.get(&tx) else {
            return self.on_late_response(tx, now);
        };
        let is_final = response.status() >= 200;
        let Some(entry) = self.requests.get_mut(&id) else { return };
        entry.answered = true;
        let of_server = entry.server == Some(self.current);
        if of_server && self.flow.is_none() && self.leads_to_server(flow) {
            self.flow = Some(flow);
            self.arm_ping(now);
        }
        if (300..400).contains(&response.status()) && self.follow_redirect(id, &response, now) {
            return;
        }
        if self.answer_challenge(id, flow, &response, now) || self.drops_impostor(id, flow, &response, now) {
            return;
        }
        if is_final && let Some(entry) = self.requests.remove(&id) {
            self.by_transaction.remove(&tx);
            self.accepted.retain(|accepted| accepted.until > now);
            if entry.draft.method == Method::Invite && response.status() < 300 {
                let authorization = entry.proof.lines;
                let until = now + ACCEPTED_TIME;
                self.accepted.push(Accepted { id, tx, ack: None, authorization, until });
            }
        }
        if self.registration == (Registration::Registering { id }) {
            if is_final {
                self.on_register_answer(&response, now);
            }
            return;
        }
        self.events.push_back(UaEvent::Response { id, response });
    }

    fn on_late_response(&mut self, tx: ClientTransactionId, now: Instant) {
        let ack = self.accepted.iter().find(|entry| entry.tx == tx).and_then(|entry| entry.ack.clone());
        if let Some(draft) = ack {
            let (target, _) = self.target(&draft, Routing::Route);
            self.endpoint.send_oneway(draft, target, now);
        }
    }

    /// Follows one 3xx with a literal address, as the same request (RFC 3261 section 8.1.3.4).
    fn follow_redirect(&mut self, id: RequestId, response: &Response, now: Instant) -> bool {
        let Some(uri) = response.contact().map(|contact| contact.uri().clone()) else { return false };
        let Some(addr) = uri.sip_addr() else { return false };
        let Some(entry) = self.requests.get_mut(&id) else { return false };
        if entry.redirected || entry.routing != Routing::Outbound {
            return false;
        }
        entry.redirected = true;
        entry.server = None;
        let transport = uri.transport().unwrap_or(TransportKind::Udp);
        let cseq = entry.draft.cseq_value().map_or(1, |cseq| cseq.number) + 1;
        entry.draft = self.numbers.number(entry.draft.clone().cseq(cseq));
        entry.proof = Proof::default();
        if entry.draft.method != Method::Register {
            // The Focus compares the To with its own URI; only the place changes when the user part is the same.
            let same = entry.draft.uri.user() == uri.user();
            if !same && uri.user().is_some() {
                entry.draft.uri = uri;
            }
        }
        let old = entry.tx;
        entry.tx = self.endpoint.send_request(entry.draft.clone(), Target::Address { transport, addr }, now);
        self.by_transaction.remove(&old);
        self.by_transaction.insert(entry.tx, id);
        true
    }

    fn on_register_answer(&mut self, response: &Response, now: Instant) {
        let status = response.status();
        match status {
            200..300 => {
                let granted = granted_expiry(response, &self.instance).unwrap_or(REGISTER_EXPIRES_S);
                let lead = (granted / 5).max(30).min(granted / 2).max(1);
                self.registration = Registration::Registered {
                    refresh_at: now + Duration::from_secs(u64::from(granted - lead.min(granted))),
                };
                self.gruu = granted_gruu(response, &self.instance).or(self.gruu.take());
                self.register_gap = 0;
                self.negotiate_keep_alive(response, now);
                self.events.push_back(UaEvent::Registered);
            }
            408 | 480 | 500 | 503 | 504 => self.wait_to_register(Some(status), now),
            _ => {
                self.registration = Registration::NoRegistrar;
                self.events.push_back(UaEvent::NotRegistered { status: Some(status) });
            }
        }
    }

    fn wait_to_register(&mut self, status: Option<u16>, now: Instant) {
        let last = REGISTER_GAPS_S.len() - 1;
        let gap = REGISTER_GAPS_S[self.register_gap.min(last)];
        self.register_gap += 1;
        self.registration = Registration::Waiting { until: now + Duration::from_secs(gap) };
        self.events.push_back(UaEvent::NotRegistered { status });
    }

    fn on_failed(&mut self, tx: ClientTransactionId, error: TransactionError, now: Instant) {
        let Some(id) = self.by_transaction.remove(&tx) else { return };
        let Some(mut entry) = self.requests.remove(&id) else { return };
        let error = match error {
            TransactionError::Timeout { .. } => SendError::Timeout,
            TransactionError::Unreachable { .. } => SendError::Unreachable,
            TransactionError::FlowClosed { .. } => SendError::FlowLost,
            TransactionError::Overloaded => SendError::NotSent,
        };
        let may_move = match error {
            SendError::Unreachable => true,
            SendError::FlowLost => {
                !entry.answered && !entry.reconnected && entry.routing == Routing::Outbound
            }
            SendError::Timeout | SendError::NotSent | SendError::Impostor => false,
        };
        if error == SendError::Timeout && !entry.answered {
            self.leave_silent(self.server_of(&entry), now);
        }
        // A lost connection is made again once, to the same server: it does not count as another server tried.
        let again = error == SendError::FlowLost;
        if may_move && !entry.cancelled && entry.server.is_some() {
            if entry.server == Some(self.current) {
                if again { self.flow = None } else { self.advance() }
            }
            if again || entry.tried < self.servers.len() {
                let (target, server) = self.target(&entry.draft, Routing::Outbound);
                entry.reconnected |= again;
                entry.tried += usize::from(!again);
                entry.server = server;
                (entry.tx, entry.proof) = self.transmit(&entry.draft, target, now);
                self.by_transaction.insert(entry.tx, id);
                self.requests.insert(id, entry);
                return;
            }
        }
        if self.registration == (Registration::Registering { id }) {
            self.wait_to_register(None, now);
            return;
        }
        self.events.push_back(UaEvent::Failed { id, error });
    }
}

/// The Contact of a REGISTER's 2xx that is ours, as its text.
fn own_binding<'a>(response: &'a Response, instance: &str) -> Option<&'a str> {
    let mut all = response.headers().get_all("Contact");
    let mut first = None;
    for value in all.by_ref() {
        if value.contains(instance) {
            return Some(value);
        }
        first = first.or(Some(value));
    }
    first
}

fn granted_gruu(response: &Response, instance: &str) -> Option<Uri> {
    let contact: NameAddr = own_binding(response, instance)?.parse().ok()?;
    let gruu = contact.param("gruu").or_else(|| contact.param("pub-gruu"))?;
    Uri::parse(gruu.trim_matches('"')).ok()
}

fn granted_expiry(response: &Response, instance: &str) -> Option<u32> {
    let contact: Option<NameAddr> = own_binding(response, instance).and_then(|c| c.parse().ok());
    let by_contact = contact.and_then(|c| c.param("expires").and_then(|e| e.parse().ok()));
    by_contact.or_else(|| response.headers().get("Expires").and_then(|e| e.trim().parse().ok()))
}
