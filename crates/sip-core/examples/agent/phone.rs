//! The phone: a core over an endpoint and its usages, which answers by itself and obeys commands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sip_core::auth::DigestClient;
use sip_core::header::MinSe;
use sip_core::usage::{Cause, RequestId};
use sip_core::{
    Capabilities, ClientTransactionId, Core, Endpoint, EndpointConfig, Event, InviteEvent, InviteId,
    ListenAddr, Method, NameAddr, Payload, Request, RequestDraft, Response, ResponseDraft, SystemIds, Target,
    Transmit, TransportInput, TransportKind, Uri, UsageConfig, UsageEvent, Usages,
};

use crate::options::{Options, milliseconds};
use crate::registration::Registration;
use crate::session::{Session, direction_of};

/// How often a request is repeated because of what its answer says, for each reason.
pub(crate) const TRIES_MAX: u32 = 1;

/// Addresses that one call follows at most.
const MOVES_MAX: usize = 4;

/// How long `quit` waits for what is under way.
const QUIT_WITHIN: Duration = Duration::from_secs(20);

/// An INVITE of ours: what stays the same when it is sent again.
#[derive(Clone)]
struct Attempt {
    call_id: String,
    tag: String,
    number: u32,
    /// Where it went so far; the last is the present one.
    uris: Vec<Uri>,
    /// What a 422 wanted.
    least_s: Option<u32>,
}

/// One call.
struct Call {
    number: u64,
    session: Session,
    attempt: Option<Attempt>,
    accept_at: Option<Instant>,
    offered: Option<String>,
    is_confirmed: bool,
}

/// See the module's text.
pub(crate) struct Phone {
    pub(crate) options: Options,
    pub(crate) endpoint: Endpoint,
    pub(crate) contact: NameAddr,
    pub(crate) registration: Registration,
    usages: Usages,
    digest: Option<DigestClient>,
    bound: ListenAddr,
    calls: BTreeMap<InviteId, Call>,
    newest: u64,
    asked: HashMap<RequestId, Method>,
    options_sent: Vec<ClientTransactionId>,
    reject_with: Option<u16>,
    quit_by: Option<Instant>,
    reports: Vec<Value>,
}

impl Phone {
    /// A phone that is reached at `bound`; it says so.
    pub(crate) fn new(options: Options, bound: ListenAddr) -> Self {
        let contact = NameAddr::new(Uri::for_addr(options.user.user(), bound.addr, bound.transport));
        let digest = options.credentials.clone().map(DigestClient::new);
        let mut usages = Usages::new(UsageConfig::new(contact.clone()));
        if let Some(credentials) = &options.credentials {
            usages = usages.with_proofs(Box::new(DigestClient::new(credentials.clone())));
        }
        let able = Capabilities::new(usages.config().allow.iter().cloned())
            .with_option_tags(["100rel", "timer"])
            .with_content_types(["application/sdp"]);
        let mut config = EndpointConfig::default();
        config.user_agent = "agent".to_owned();
        config.capabilities = Some(Arc::new(able));
        config.refuse_merged = true;
        let mut endpoint = Endpoint::new(config, Box::new(SystemIds::new()));
        let registration = Registration::new(endpoint.new_token());
        let ready = json!({ "event": "ready", "listen": bound.to_string(), "port": bound.addr.port() });
        Self {
            digest,
            options,
            endpoint,
            contact,
            registration,
            usages,
            bound,
            calls: BTreeMap::new(),
            newest: 0,
            asked: HashMap::new(),
            options_sent: Vec::new(),
            reject_with: None,
            quit_by: None,
            reports: vec![ready],
        }
    }

    /// What happened since the last time.
    pub(crate) fn take_reports(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.reports)
    }

    /// Says something.
    pub(crate) fn report(&mut self, report: Value) {
        self.reports.push(report);
    }

    /// Whether it was told to quit and nothing is under way any more; says so.
    pub(crate) fn is_done(&mut self, now: Instant) -> bool {
        let Some(by) = self.quit_by else { return false };
        let is_idle = self.calls.is_empty() && self.registration.is_idle();
        if is_idle || now >= by {
            self.report(json!({ "event": "done", "calls": self.calls.len() }));
            return true;
        }
        false
    }

    /// Obeys a line.
    pub(crate) fn obey(&mut self, line: &str, now: Instant) {
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match command {
            "call" => self.call(rest, now),
            "hold" => self.change(Method::Invite, Some("sendonly"), now),
            "resume" => self.change(Method::Invite, Some("sendrecv"), now),
            "update" => self.change(Method::Update, None, now),
            "bye" | "cancel" => self.end(rest == "all", now),
            "register" => self.register(true, now),
            "unregister" => self.register(false, now),
            "options" => self.ask_options(rest, now),
            "answer-after" => {
                self.options.answer_after = milliseconds(rest).unwrap_or(self.options.answer_after);
            }
            "reject" => self.reject_with = rest.parse().ok(),
            "quit" => self.quit_by = Some(now + QUIT_WITHIN),
            _ => self.refused(line, "no such command"),
        }
        self.work(now);
    }

    fn refused(&mut self, command: &str, reason: &str) {
        self.report(json!({ "event": "refused", "command": command, "reason": reason }));
    }

    /// The latest call.
    fn latest(&self) -> Option<InviteId> {
        self.calls.iter().max_by_key(|(_, call)| call.number).map(|(id, _)| *id)
    }

    fn call(&mut self, uri: &str, now: Instant) {
        let Ok(uri) = uri.parse() else { return self.refused("call", "no URI") };
        let attempt = Attempt {
            call_id: self.endpoint.new_token(),
            tag: self.endpoint.new_token(),
            number: 0,
            uris: vec![uri],
            least_s: None,
        };
        self.newest += 1;
        self.invite(attempt, self.newest, now);
    }

    /// Sends an INVITE, for the first time or again.
    fn invite(&mut self, mut attempt: Attempt, number: u64, now: Instant) {
        let (Some(uri), Some(first)) = (attempt.uris.last().cloned(), attempt.uris.first().cloned()) else {
            return;
        };
        attempt.number += 1;
        let from = NameAddr::new(self.options.user.clone()).with_tag(&attempt.tag);
        let mut draft = RequestDraft::new(Method::Invite, uri)
            .from(from)
            .to(NameAddr::new(first))
            .call_id(attempt.call_id.clone())
            .cseq(attempt.number);
        if let Some(least) = attempt.least_s {
            draft = draft
                .header("Supported", "100rel, timer")
                .header("Session-Expires", least.to_string())
                .header("Min-SE", least.to_string());
        }
        let mut session = Session::new(self.bound.addr.ip());
        draft = draft.body("application/sdp", session.text());
        self.prepare(&mut draft);
        let Some(target) = self.target(&draft) else { return self.refused("call", "no address") };
        match self.usages.invite(draft, target, &mut self.endpoint, now) {
            Ok(id) => {
                let attempt = Some(attempt);
                let call =
                    Call { number, session, attempt, accept_at: None, offered: None, is_confirmed: false };
                self.calls.insert(id, call);
                self.report(json!({ "event": "calling", "call": number }));
            }
            Err(error) => self.refused("call", &error.to_string()),
        }
    }

    /// Adds what every request has that starts outside a dialog: the route, and proofs.
    pub(crate) fn prepare(&mut self, draft: &mut RequestDraft) {
        if let Some(route) = &self.options.route {
            draft.push_header("Route", route.to_string());
        }
        if let Some(digest) = &mut self.digest {
            digest.authorize(draft, self.endpoint.ids());
        }
    }

    /// Where a request goes: what its first Route or its URI says, by its literal address.
    pub(crate) fn target(&self, draft: &RequestDraft) -> Option<Target> {
        let hop = draft.next_hop_uri();
        let transport = hop.transport().unwrap_or(TransportKind::Udp);
        Some(Target::Address { transport, addr: hop.sip_addr()? })
    }

    /// Remembers a challenge; whether it can be met.
    pub(crate) fn learn(&mut self, response: &Response) -> bool {
        let Some(digest) = &mut self.digest else { return false };
        let Some((kind, challenge)) = digest.choose(response) else { return false };
        digest.learn(kind, challenge);
        true
    }

    /// Offers a change of the latest call.
    fn change(&mut self, method: Method, direction: Option<&'static str>, now: Instant) {
        let Some(id) = self.latest() else { return self.refused("change", "no call") };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let offer = match direction {
            Some(direction) => call.session.offer(direction),
            None => call.session.again(),
        };
        let sent = match method {
            Method::Update => self.usages.update(id, offer, &mut self.endpoint, now),
            _ => self.usages.reinvite(id, offer, &mut self.endpoint, now),
        };
        match sent {
            Ok(request) => {
                self.asked.insert(request, method);
            }
            Err(error) => self.refused(method.as_str(), &error.to_string()),
        }
    }

    /// Hangs up the latest call, or all.
    fn end(&mut self, all: bool, now: Instant) {
        let ids: Vec<InviteId> =
            if all { self.calls.keys().copied().collect() } else { self.latest().into_iter().collect() };
        for id in ids {
            if let Err(error) = self.usages.end(id, Payload::none(), &mut self.endpoint, now) {
                self.refused("bye", &error.to_string());
            }
        }
    }

    fn ask_options(&mut self, uri: &str, now: Instant) {
        let Ok(uri) = uri.parse::<Uri>() else { return self.refused("options", "no URI") };
        let tag = self.endpoint.new_token();
        let mut draft = RequestDraft::new(Method::Options, uri.clone())
            .from(NameAddr::new(self.options.user.clone()).with_tag(&tag))
            .to(NameAddr::new(uri))
            .call_id(self.endpoint.new_token())
            .cseq(1)
            .header("Accept", "application/sdp");
        self.prepare(&mut draft);
        let Some(target) = self.target(&draft) else { return self.refused("options", "no address") };
        let tx = self.endpoint.send_request(draft, target, now);
        self.options_sent.push(tx);
    }

    /// Takes all that the endpoint and the usages have to say.
    fn work(&mut self, now: Instant) {
        loop {
            while let Some(event) = self.usages.poll_event() {
                if let UsageEvent::Invite(event) = event {
                    self.on_invite(event, now);
                }
            }
            let Some(event) = self.endpoint.poll_event() else { return };
            if let Some(event) = self.usages.handle(event, &mut self.endpoint, now) {
                self.on_other(event, now);
            }
        }
    }

    /// What belongs to no call.
    fn on_other(&mut self, event: Event, now: Instant) {
        match event {
            Event::Response { tx, response, .. } if self.registration.owns(tx) => {
                self.on_registered(&response, now)
            }
            Event::Failed { tx, error } if self.registration.owns(tx) => {
                self.on_register_failed(&error.to_string())
            }
            Event::Response { tx, response, .. } if self.options_sent.contains(&tx) => {
                let allow = response.headers().get("Allow");
                self.reports.push(json!({ "event": "options", "status": response.status(), "allow": allow }));
            }
            Event::Rejected { status, reason, .. } => {
                self.report(json!({ "event": "rejected-message", "status": status, "reason": reason }));
            }
            Event::Request { tx, request, .. } if *request.method() == Method::Options => {
                let answer = ResponseDraft::to(&request, 200).contact(self.contact.clone());
                let answer = match &self.endpoint.config().capabilities {
                    Some(able) if request.to().tag().is_none() => able.advertise(answer),
                    Some(_) | None => ResponseDraft::no_such_dialog(&request),
                };
                self.endpoint.respond(tx, answer, now);
            }
            other => {
                if let Event::Request { request, .. } = &other {
                    self.reports.push(json!({ "event": "unwanted", "method": request.method().as_str() }));
                }
                self.usages.refuse(other, &mut self.endpoint, now);
            }
        }
    }

    /// What happened in a call.
    fn on_invite(&mut self, event: InviteEvent, now: Instant) {
        match event {
            InviteEvent::Incoming { id, request, .. } => self.on_incoming(id, &request, now),
            InviteEvent::Provisional { id, response, .. } => self.tell(id, "progress", Some(&response)),
            InviteEvent::Established { id, response, .. } => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.is_confirmed = true;
                }
                self.tell(id, "established", Some(&response));
            }
            InviteEvent::Surplus { id, response } => self.tell(id, "surplus", Some(&response)),
            InviteEvent::Confirmed { id, request } => self.on_confirmed(id, &request),
            InviteEvent::Pracked { id, .. } => self.tell(id, "pracked", None),
            InviteEvent::Reinvited { id, tx, request, offer } => {
                self.tell_offer(id, "reinvited", &request);
                self.answer(id, tx, offer.then_some(&request), now);
            }
            InviteEvent::Updated { id, tx, request } => {
                self.tell_offer(id, "updated", &request);
                if let Some(tx) = tx {
                    self.answer(id, tx, Some(&request), now);
                }
            }
            InviteEvent::Answered { id, request, response, .. } => self.on_answered(id, request, &response),
            InviteEvent::RequestFailed { id, error, .. } => {
                self.report(json!({ "event": "request-failed", "call": self.number(id), "reason": error.to_string() }));
            }
            InviteEvent::RefreshDue { .. } => self.change(Method::Invite, None, now),
            InviteEvent::Redirected { id, targets, .. } => self.on_redirected(id, targets, now),
            InviteEvent::Ended { id, cause } => self.on_ended(id, &cause, now),
            other => self.on_rest(other, now),
        }
    }

    /// What a test has no use for is answered, that it may go on.
    fn on_rest(&mut self, event: InviteEvent, now: Instant) {
        if let InviteEvent::Request { tx, request, .. } = event {
            self.report(json!({ "event": "request", "method": request.method().as_str() }));
            if let Err(error) = self.usages.answer(tx, 200, Payload::none(), &mut self.endpoint, now) {
                self.refused("answer", &error.to_string());
            }
        }
    }

    fn number(&self, id: InviteId) -> Option<u64> {
        self.calls.get(&id).map(|call| call.number)
    }

    fn tell(&mut self, id: InviteId, event: &str, response: Option<&Response>) {
        let direction = response.and_then(|response| direction_of(response.body()));
        let status = response.map(Response::status);
        let call = self.number(id);
        self.reports.push(json!({ "event": event, "call": call, "status": status, "direction": direction }));
    }

    fn tell_offer(&mut self, id: InviteId, event: &str, request: &Request) {
        let direction = direction_of(request.body());
        self.reports.push(json!({ "event": event, "call": self.number(id), "direction": direction }));
    }

    /// Rings, reliably if the caller insists; it is accepted later, or refused at once.
    fn on_incoming(&mut self, id: InviteId, request: &Request, now: Instant) {
        self.newest += 1;
        let call = Call {
            number: self.newest,
            session: Session::new(self.bound.addr.ip()),
            attempt: None,
            accept_at: None,
            offered: direction_of(request.body()).map(str::to_owned),
            is_confirmed: false,
        };
        self.calls.insert(id, call);
        self.tell_offer(id, "incoming", request);
        let done = match self.reject_with {
            Some(status) => self.usages.reject(id, status, Payload::none(), &mut self.endpoint, now),
            None => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.accept_at = Some(now + self.options.answer_after);
                }
                let reliably =
                    request.headers().values("Require").any(|tag| tag.eq_ignore_ascii_case("100rel"));
                self.usages.ring(id, 180, Payload::none(), reliably, &mut self.endpoint, now)
            }
        };
        if let Err(error) = done {
            self.refused("ring", &error.to_string());
        }
    }

    /// Accepts the calls whose time has come.
    fn accept_due(&mut self, now: Instant) {
        for (id, call) in &mut self.calls {
            if call.accept_at.is_none_or(|at| at > now) {
                continue;
            }
            call.accept_at = None;
            let answer = match call.offered.as_deref() {
                Some(offered) => call.session.answer(Some(offered)),
                None => call.session.again(),
            };
            if let Err(error) = self.usages.accept(*id, answer, &mut self.endpoint, now) {
                let reason = error.to_string();
                self.reports.push(json!({ "event": "refused", "command": "accept", "reason": reason }));
            }
        }
    }

    /// The ACK of the first INVITE, or of a later one.
    fn on_confirmed(&mut self, id: InviteId, request: &Request) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let event =
            if std::mem::replace(&mut call.is_confirmed, true) { "acknowledged" } else { "confirmed" };
        self.tell_offer(id, event, request);
    }

    /// Answers an offer; without one, makes one.
    fn answer(
        &mut self,
        id: InviteId,
        tx: sip_core::ServerTransactionId,
        offer: Option<&Request>,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let payload = match offer {
            Some(request) => call.session.answer(direction_of(request.body())),
            None => call.session.again(),
        };
        if let Err(error) = self.usages.answer(tx, 200, payload, &mut self.endpoint, now) {
            self.refused("answer", &error.to_string());
        }
    }

    fn on_answered(&mut self, id: InviteId, request: RequestId, response: &Response) {
        let method = self.asked.remove(&request);
        let direction = direction_of(response.body());
        let method = method.as_ref().map_or("", Method::as_str);
        self.reports.push(json!({
            "event": "answered", "call": self.number(id), "method": method, "status": response.status(),
            "direction": direction,
        }));
    }

    /// Goes on to the best target that was not tried; the end of this usage is then not the call's.
    fn on_redirected(&mut self, id: InviteId, mut targets: Vec<NameAddr>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(mut attempt) = call.attempt.take() else { return };
        let weight = |target: &NameAddr| target.param("q").and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
        targets.sort_by(|left, right| weight(right).total_cmp(&weight(left)));
        let next =
            targets.into_iter().map(|target| target.uri().clone()).find(|uri| !attempt.uris.contains(uri));
        if let Some(uri) = next.filter(|_| attempt.uris.len() < MOVES_MAX) {
            attempt.uris.push(uri);
            let number = call.number;
            self.report(json!({ "event": "again", "method": "INVITE", "because": 302 }));
            self.calls.remove(&id);
            self.invite(attempt, number, now);
        }
    }

    /// The end of a usage: of the call too, unless the INVITE is sent again.
    fn on_ended(&mut self, id: InviteId, cause: &Cause, now: Instant) {
        let Some(call) = self.calls.remove(&id) else { return };
        if let (Cause::Rejected { response }, Some(attempt)) = (cause, call.attempt)
            && let Some(attempt) = once_more(attempt, response)
        {
            self.report(json!({ "event": "again", "method": "INVITE", "because": response.status() }));
            return self.invite(attempt, call.number, now);
        }
        let (cause, status) = name(cause);
        self.report(json!({ "event": "ended", "call": call.number, "cause": cause, "status": status }));
    }
}

/// What to change after a refusal that can be met; challenges are met by the usages.
fn once_more(mut attempt: Attempt, response: &Response) -> Option<Attempt> {
    match response.status() {
        422 if attempt.least_s.is_none() => attempt.least_s = Some(response.header::<MinSe>().ok()??.0),
        _ => return None,
    }
    Some(attempt)
}

/// A cause's name, and the status that goes with it.
fn name(cause: &Cause) -> (&'static str, Option<u16>) {
    match cause {
        Cause::Rejected { response } => ("rejected", Some(response.status())),
        Cause::Redirected => ("redirected", None),
        Cause::Cancelled => ("cancelled", None),
        Cause::LocalBye => ("local-bye", None),
        Cause::RemoteBye { .. } => ("remote-bye", None),
        Cause::LocalReject { status } => ("local-reject", Some(*status)),
        Cause::NoAck => ("no-ack", None),
        Cause::NoPrack => ("no-prack", None),
        Cause::RingTimeout => ("ring-timeout", None),
        Cause::SessionExpired => ("session-expired", None),
        Cause::Gone { status } => ("gone", Some(*status)),
        Cause::Failed { .. } => ("failed", None),
        Cause::DialogEnded => ("dialog-ended", None),
        _ => ("other", None),
    }
}

impl Core for Phone {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.work(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.usages.handle_timeout(&mut self.endpoint, now);
        self.accept_due(now);
        self.work(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let accept = self.calls.values().filter_map(|call| call.accept_at).min();
        let all = [self.endpoint.poll_timeout(), self.usages.poll_timeout(), accept, self.quit_by];
        all.into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}
