//! The server side of the endpoint: requests, their retransmissions, answers, ACK and CANCEL.

use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;

use super::event::{Event, ServerTransactionId};
use super::finished::Finished;
use super::flow::{FlowId, Target, Transmit};
use super::keys::Key;
use super::timers::Who;
use super::{Endpoint, wire};
use crate::build::ResponseDraft;
use crate::transaction::{
    AckDuty, ServerInvite, ServerInviteState, ServerNonInvite, ServerNonInviteState, ServerStep,
};
use crate::{Limits, Message, Method, Request, TransportKind};

/// One of the two server machines.
#[derive(Debug)]
enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl Machine {
    fn is_waiting(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_waiting(),
            Self::NonInvite(machine) => machine.is_waiting(),
        }
    }

    fn handle_retransmission(&mut self) -> ServerStep {
        match self {
            Self::Invite(machine) => machine.handle_retransmission(),
            Self::NonInvite(machine) => machine.handle_retransmission(),
        }
    }

    fn respond(&mut self, status: u16, duty: AckDuty, now: Instant) -> ServerStep {
        match self {
            Self::Invite(machine) => machine.respond(status, duty, now),
            Self::NonInvite(machine) => machine.respond(status, now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> ServerStep {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::NonInvite(machine) => machine.handle_timeout(now),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.poll_timeout(),
            Self::NonInvite(machine) => machine.poll_timeout(),
        }
        .map(|(at, _)| at)
    }
}

/// Where a server transaction is: among the active ones under its id, or among the finished ones under its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    fn active(id: u64) -> Self {
        Self(id << 1)
    }

    fn finished(number: u64) -> Self {
        Self(number << 1 | 1)
    }

    /// The id of an active transaction.
    fn id(self) -> Option<u64> {
        (self.0 & 1 == 0).then_some(self.0 >> 1)
    }

    /// The number of a finished one.
    fn number(self) -> Option<u64> {
        (self.0 & 1 == 1).then_some(self.0 >> 1)
    }
}

/// A server transaction that is not finished, and its bytes.
#[derive(Debug)]
pub(super) struct Server {
    machine: Machine,
    key: Key,
    /// The request, until it has its final response.
    request: Option<Request>,
    /// The flow it came on.
    flow: FlowId,
    /// The last response.
    last: Option<Bytes>,
    ack_key: Option<Key>,
    merge_key: Option<Key>,
    /// Whether its final response was only passed on: then more of the kind may follow.
    forwarded: bool,
    /// Whose budget it was taken from, until it has its final response.
    admitted: Option<IpAddr>,
    /// When the user has taken too long.
    answer_by: Instant,
    /// The deadline known to the timers.
    deadline: Option<Instant>,
}

impl Server {
    fn next_deadline(&self) -> Option<Instant> {
        let answer_by = Some(self.answer_by).filter(|_| self.machine.is_waiting());
        [self.machine.deadline(), answer_by].into_iter().flatten().min()
    }

    fn is_over(&self, now: Instant) -> bool {
        !self.machine.is_waiting()
            && self.machine.deadline().is_none_or(|at| at <= now && self.lingers().is_some())
    }

    /// When it ends, if nothing is to be done before but absorbing retransmissions; and what answers them.
    fn lingers(&self) -> Option<(Instant, Option<&Bytes>)> {
        match &self.machine {
            Machine::NonInvite(machine) => match machine.state() {
                ServerNonInviteState::Completed { j } => Some((j, self.last.as_ref())),
                ServerNonInviteState::Trying
                | ServerNonInviteState::Proceeding
                | ServerNonInviteState::Terminated => None,
            },
            Machine::Invite(machine) => match machine.state() {
                ServerInviteState::Accepted { g: None, ack_owed: false, l } if !self.forwarded => {
                    Some((l, None))
                }
                ServerInviteState::Proceeding { .. }
                | ServerInviteState::Completed { .. }
                | ServerInviteState::Confirmed { .. }
                | ServerInviteState::Accepted { .. }
                | ServerInviteState::Terminated => None,
            },
        }
    }
}

impl Endpoint {
    /// Answers a request, provisionally or finally. The first final answer counts; later ones are dropped.
    ///
    /// A To tag is added if there is none, Server if one is configured. A 2xx to an INVITE is retransmitted until its
    /// ACK comes.
    pub fn respond(&mut self, tx: ServerTransactionId, mut draft: ResponseDraft, now: Instant) {
        if draft.status > 100 {
            draft = wire::complete_response(draft, &mut *self.ids, &self.config);
        }
        self.answer(tx.0, draft, AckDuty::Here, now);
    }

    /// Passes on a response that another element made: unchanged, and without caring for the ACK of a 2xx.
    ///
    /// Call it for every retransmission of a 2xx to an INVITE as well (RFC 6026 section 7.3). The topmost Via is to be
    /// removed before.
    pub fn forward_response(&mut self, tx: ServerTransactionId, draft: ResponseDraft, now: Instant) {
        self.answer(tx.0, draft, AckDuty::Elsewhere, now);
    }

    /// Whether this request still waits for its final answer.
    pub fn is_unanswered(&self, tx: ServerTransactionId) -> bool {
        self.servers.get(&tx.0).is_some_and(|server| server.machine.is_waiting())
    }

    /// A request that is neither ACK, CANCEL nor BENOTIFY.
    pub(super) fn receive_request(&mut self, flow: FlowId, request: Request, now: Instant) {
        let key = self.keys.of(&request);
        if let Some(place) = self.server_keys.get(&key).copied() {
            return self.receive_again(place);
        }
        // The last tenth is for those who are in a dialog.
        let reserved = if request.to().tag().is_none() { self.config.max_transactions / 10 } else { 0 };
        if self.servers.len() >= self.config.max_transactions - reserved {
            self.refuse_overload(flow, &request);
            return;
        }
        let Ok(admitted) = self.admit(flow, &request, now) else {
            return;
        };
        let (merge_key, refusal) = self.refusal(&request);
        let id = self.insert_server(key, flow, request.clone(), now);
        if let Some(server) = self.servers.get_mut(&id) {
            server.admitted = admitted;
        }
        match refusal {
            Some(draft) => self.refuse(id, flow, draft, now),
            None => {
                self.note_merge_key(id, merge_key);
                self.events.push_back(Event::Request { tx: ServerTransactionId(id), flow, request });
                self.settle_server(id, now);
            }
        }
    }

    /// A retransmission of a request.
    fn receive_again(&mut self, place: Place) {
        self.counters.retransmissions_absorbed += 1;
        if let Some(finished) = place.number().and_then(|number| self.finished.get(number)) {
            if !finished.last.is_empty() {
                self.counters.retransmissions_sent += 1;
                let (flow, bytes) = (finished.flow, finished.last.clone());
                self.send_back(flow, bytes);
            }
        } else if let Some(id) = place.id() {
            let step = self.servers.get_mut(&id).map(|server| server.machine.handle_retransmission());
            self.server_step(id, step.unwrap_or(ServerStep::Nothing));
        }
    }

    /// As what the request is known when it comes on another way, and the answer to one that the user need not see.
    fn refusal(&mut self, request: &Request) -> (Option<Key>, Option<ResponseDraft>) {
        let merge_key = if self.config.refuse_merged { self.keys.of_merged(request) } else { None };
        if merge_key.is_some_and(|key| self.merge_keys.contains_key(&key)) {
            self.counters.merged_refused += 1;
            return (None, Some(ResponseDraft::merged_request(request)));
        }
        let refusal = self.config.capabilities.as_ref().and_then(|can| can.check(request).err());
        self.counters.incapable_refused += u64::from(refusal.is_some());
        (merge_key, refusal)
    }

    fn refuse(&mut self, id: u64, flow: FlowId, draft: ResponseDraft, now: Instant) {
        let (status, reason) = (draft.status, draft.reason_text().to_owned());
        let draft = draft.header("ms-diagnostics", self.diagnostics(&reason.replace(['"', '\\'], "'")));
        self.respond(ServerTransactionId(id), draft, now);
        self.events.push_back(Event::Rejected { flow, status: Some(status), reason });
    }

    fn note_merge_key(&mut self, id: u64, key: Option<Key>) {
        if let (Some(key), Some(server)) = (key, self.servers.get_mut(&id)) {
            server.merge_key = Some(key);
            self.merge_keys.insert(key, server.key);
        }
    }

    /// An ACK: it ends a transaction here, or is for a 2xx and goes to the user.
    pub(super) fn receive_ack(&mut self, flow: FlowId, request: Request, now: Instant) {
        let place = self.server_keys.get(&self.keys.of_invite(&request)).copied();
        let by_key = place.and_then(Place::id);
        let key = request.to().tag().map(|tag| self.keys.of_ack(&request, tag));
        let by_dialog = key.and_then(|key| self.ack_keys.get(&key).copied());
        // A client without branches numbers its ACK as it likes: there the dialog, with our tag in it, is surer.
        let has_branch = request.via().has_rfc3261_branch();
        let found = if has_branch { by_key.or(by_dialog) } else { by_dialog.or(by_key) };
        let Some(id) = found else {
            if place.is_none() && self.is_ack_of_refusal(&request) {
                self.counters.refusal_acks += 1;
                return;
            }
            self.events.push_back(Event::Oneway { flow, request });
            return;
        };
        let Some(Server { machine: Machine::Invite(machine), .. }) = self.servers.get_mut(&id) else {
            return;
        };
        // An ACK of an earlier 2xx must not end a later INVITE of the dialog that was refused.
        let own = by_key.is_some() || !has_branch;
        let accepted = matches!(machine.state(), ServerInviteState::Accepted { .. });
        if accepted || own {
            machine.handle_ack(now);
        }
        if accepted || !own {
            self.events.push_back(Event::Oneway { flow, request });
        }
        self.settle_server(id, now);
    }

    /// A CANCEL: answered here; the user hears of it if its INVITE is still open.
    pub(super) fn receive_cancel(&mut self, flow: FlowId, request: Request, now: Instant) {
        let key = self.keys.of(&request);
        if let Some(place) = self.server_keys.get(&key).copied() {
            return self.receive_again(place);
        }
        let invite = self.server_keys.get(&self.keys.of_invite(&request)).copied();
        let status = if invite.is_some() { 200 } else { 481 };
        let mut draft = ResponseDraft::to(&request, status);
        if let Some(tag) = invite.and_then(|place| self.tag_given(place)) {
            draft = draft.to_tag(&tag);
        }
        if self.servers.len() >= self.config.max_transactions {
            self.refuse_overload(flow, &request);
        } else {
            let id = self.insert_server(key, flow, request, now);
            self.respond(ServerTransactionId(id), draft, now);
        }
        match invite {
            Some(place) => {
                let open = place.id().map(ServerTransactionId).filter(|tx| self.is_unanswered(*tx));
                self.events.extend(open.map(|tx| Event::Cancelled { tx }));
            }
            None => self.counters.stray_cancels += 1,
        }
    }

    /// The To tag of the last response of an active transaction.
    fn tag_given(&self, place: Place) -> Option<String> {
        let last = self.servers.get(&place.id()?)?.last.clone()?;
        match Message::parse(last, &Limits::default()) {
            Ok(Message::Response(response)) => response.to().tag().map(str::to_owned),
            Ok(Message::Request(_)) | Err(_) => None,
        }
    }

    /// The timers of a server transaction.
    pub(super) fn server_timeout(&mut self, id: u64, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        server.deadline = None;
        let step = server.machine.handle_timeout(now);
        let overdue = server.machine.is_waiting() && now >= server.answer_by;
        self.server_step(id, step);
        if overdue {
            self.answer_for_user(id, now);
        }
        self.settle_server(id, now);
    }

    fn insert_server(&mut self, key: Key, flow: FlowId, request: Request, now: Instant) -> u64 {
        let id = self.next_id();
        let transport = self.flows.info(flow).map(|info| info.transport);
        let link = wire::link(transport.or_else(|| request.via().transport()).unwrap_or(TransportKind::Udp));
        let timing = self.config.timing;
        let machine = if *request.method() == Method::Invite {
            Machine::Invite(ServerInvite::new(timing, link, now))
        } else {
            Machine::NonInvite(ServerNonInvite::new(timing, link))
        };
        self.server_keys.insert(key, Place::active(id));
        let server = Server {
            machine,
            key,
            request: Some(request),
            flow,
            last: None,
            ack_key: None,
            merge_key: None,
            forwarded: false,
            admitted: None,
            answer_by: now + self.config.answer_within,
            deadline: None,
        };
        self.servers.insert(id, server);
        id
    }

    fn answer(&mut self, id: u64, draft: ResponseDraft, duty: AckDuty, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else {
            self.counters.late_answers += 1;
            return;
        };
        let status = draft.status;
        if server.machine.respond(status, duty, now) == ServerStep::Nothing {
            self.counters.late_answers += 1;
            return;
        }
        let bytes = draft.write();
        server.last = Some(bytes.clone());
        let flow = server.flow;
        if status >= 200 {
            let request = server.request.take();
            if let Some(ip) = server.admitted.take() {
                self.budgets.give_back(flow, ip, now);
            }
            server.forwarded = duty == AckDuty::Elsewhere;
            if let (Machine::Invite(_), Some(request)) = (&server.machine, request) {
                let key = draft.to_tag_text().map(|tag| self.keys.of_ack(&request, &tag));
                server.ack_key = key;
                self.ack_keys.extend(key.map(|key| (key, id)));
            }
        }
        self.counters.responses_sent += 1;
        self.send_back(flow, bytes);
        self.settle_server(id, now);
    }

    /// Carries out what a machine said.
    fn server_step(&mut self, id: u64, step: ServerStep) {
        match step {
            ServerStep::Nothing | ServerStep::Send | ServerStep::PassAck => {}
            ServerStep::Resend => {
                self.counters.retransmissions_sent += 1;
                self.send_last(id);
            }
            ServerStep::SendTrying => self.send_trying(id),
            ServerStep::NoAck { accepted } => {
                self.counters.missing_acks += 1;
                if accepted {
                    self.events.push_back(Event::NoAck { tx: ServerTransactionId(id) });
                }
            }
        }
    }

    fn send_trying(&mut self, id: u64) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let Some(request) = &server.request else {
            return;
        };
        let draft = ResponseDraft::to(request, 100);
        server.last = Some(draft.write());
        self.counters.responses_sent += 1;
        self.send_last(id);
    }

    fn send_last(&mut self, id: u64) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        if let Some(bytes) = server.last.clone() {
            self.send_back(server.flow, bytes);
        }
    }

    /// Sends a response to the flow its request came on, else to where its Via says (RFC 3261 section 18.2.2).
    pub(super) fn send_back(&mut self, flow: FlowId, bytes: Bytes) {
        if self.flows.info(flow).is_some() {
            self.transmits.push_back(Transmit::on_flow(flow, bytes));
            return;
        }
        // What we wrote has the topmost Via of the request, with the source noted.
        let Ok(Message::Response(response)) = Message::parse(bytes.clone(), &Limits::default()) else {
            self.counters.unroutable_responses += 1;
            return;
        };
        let Some(addr) = wire::response_addr(response.via()) else {
            self.counters.unroutable_responses += 1;
            return;
        };
        let transport = response.via().transport().unwrap_or(TransportKind::Udp);
        let address = Target::Address { transport, addr };
        let to = self.flow_for(&address).map_or(address, Target::Flow);
        self.transmits.push_back(Transmit { to, bytes, close_after: false });
    }

    fn refuse_overload(&mut self, flow: FlowId, request: &Request) {
        self.counters.overload_rejected += 1;
        let draft = ResponseDraft::to(request, 503)
            .to_tag(&self.refusal_tag(request))
            .header("Retry-After", self.config.retry_after_s.to_string())
            .header("ms-diagnostics", self.diagnostics("Too many transactions"));
        let draft = wire::complete_response(draft, &mut *self.ids, &self.config);
        self.counters.responses_sent += 1;
        self.send_back(flow, draft.write());
        self.events.push_back(Event::Rejected {
            flow,
            status: Some(503),
            reason: "too many transactions".to_owned(),
        });
    }

    fn answer_for_user(&mut self, id: u64, now: Instant) {
        let Some(request) = self.servers.get(&id).and_then(|server| server.request.clone()) else {
            return;
        };
        self.counters.unanswered += 1;
        let draft = ResponseDraft::to(&request, 500)
            .header("ms-diagnostics", self.diagnostics("The request was not answered in time"));
        self.respond(ServerTransactionId(id), draft, now);
    }

    /// The value of an `ms-diagnostics` header of ours.
    pub(super) fn diagnostics(&self, reason: &str) -> String {
        format!("1000;reason=\"{reason}\";source=\"{}\"", self.config.diagnostics_source)
    }

    /// After every change of a server transaction: its timer, its place among the finished ones, or its end.
    fn settle_server(&mut self, id: u64, now: Instant) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if !server.is_over(now) && server.lingers().is_none() {
            let new = server.next_deadline();
            self.timers.change(Who::Server(id), server.deadline, new);
            server.deadline = new;
            return;
        }
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        self.timers.change(Who::Server(id), server.deadline, None);
        if let Some(dialog) = server.ack_key
            && self.ack_keys.get(&dialog) == Some(&id)
        {
            self.ack_keys.remove(&dialog);
        }
        match server.lingers() {
            Some((until, last)) if until > now => {
                let last = last.cloned().unwrap_or_default();
                let Server { key, merge_key, flow, .. } = server;
                self.finish(Finished { key, merge_key, flow, last, until });
            }
            Some(_) | None => self.forget(server.key, server.merge_key),
        }
    }

    /// Keeps what is left of a transaction; when too many are kept, the oldest one goes.
    fn finish(&mut self, finished: Finished) {
        if self.finished.len() >= self.config.max_finished
            && let Some(oldest) = self.finished.pop()
        {
            self.counters.finished_evicted += 1;
            self.forget(oldest.key, oldest.merge_key);
        }
        let key = finished.key;
        let number = self.finished.push(finished);
        self.server_keys.insert(key, Place::finished(number));
    }

    /// Ends the finished transactions whose time has come.
    pub(super) fn end_finished(&mut self, now: Instant) {
        while let Some(gone) = self.finished.pop_due(now) {
            self.forget(gone.key, gone.merge_key);
        }
    }

    fn forget(&mut self, key: Key, merge_key: Option<Key>) {
        self.server_keys.remove(&key);
        if let Some(merge_key) = merge_key {
            self.merge_keys.remove(&merge_key);
        }
    }
}
