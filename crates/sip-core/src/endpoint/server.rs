//! The server side of the endpoint: requests, their retransmissions, answers, ACK and CANCEL.

use std::time::Instant;

use bytes::Bytes;

use super::event::{Event, ServerTransactionId};
use super::flow::{FlowId, Target, Transmit};
use super::keys::{MergeKey, ServerKey};
use super::timers::Who;
use super::{Endpoint, wire};
use crate::build::ResponseDraft;
use crate::dialog::{DialogId, in_dialog_id};
use crate::header::Via;
use crate::transaction::{AckDuty, ServerInvite, ServerInviteState, ServerNonInvite, ServerStep};
use crate::{Method, Request, TransportKind};

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

/// Where the responses of a request go: RFC 3261 section 18.2.2.
#[derive(Clone, Debug)]
pub(super) struct ReturnPath {
    flow: FlowId,
    /// The topmost Via, with the source noted.
    via: Via,
}

/// A server transaction and its bytes.
#[derive(Debug)]
pub(super) struct Server {
    machine: Machine,
    key: ServerKey,
    /// The request, until it has its final response.
    request: Option<Request>,
    back: ReturnPath,
    /// The last response.
    last: Option<Bytes>,
    ack_key: Option<DialogId>,
    merge_key: Option<MergeKey>,
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

    fn is_over(&self) -> bool {
        !self.machine.is_waiting() && self.machine.deadline().is_none()
    }
}

impl Endpoint {
    /// Answers a request, provisionally or finally. The first final answer counts; later ones are dropped.
    ///
    /// A To tag is added if there is none, Server if one is configured. A 2xx to an INVITE is retransmitted until its
    /// ACK comes.
    pub fn respond(&mut self, tx: ServerTransactionId, mut draft: ResponseDraft, now: Instant) {
        if draft.status > 100 {
            let tag = self.ids.token();
            draft = wire::complete_response(draft, &tag, &self.config);
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
        let key = ServerKey::of(&request);
        if let Some(id) = self.server_keys.get(&key).copied() {
            self.counters.retransmissions_absorbed += 1;
            let step = self.servers.get_mut(&id).map(|server| server.machine.handle_retransmission());
            self.server_step(id, step.unwrap_or(ServerStep::Nothing));
            return;
        }
        if self.servers.len() >= self.config.max_transactions {
            self.refuse_overload(flow, &request);
            return;
        }
        let refusal = self.refusal(&request);
        let id = self.insert_server(key, flow, request.clone(), now);
        match refusal {
            Some(draft) => self.refuse(id, flow, draft, now),
            None => {
                self.note_merge_key(id, &request);
                self.events.push_back(Event::Request { tx: ServerTransactionId(id), flow, request });
                self.settle_server(id);
            }
        }
    }

    /// The answer to a request that the user need not see.
    fn refusal(&mut self, request: &Request) -> Option<ResponseDraft> {
        if self.config.refuse_merged
            && MergeKey::of(request).is_some_and(|key| self.merge_keys.contains_key(&key))
        {
            self.counters.merged_refused += 1;
            return Some(ResponseDraft::merged_request(request));
        }
        let refusal = self.config.capabilities.as_ref()?.check(request).err()?;
        self.counters.incapable_refused += 1;
        Some(refusal)
    }

    fn refuse(&mut self, id: u64, flow: FlowId, draft: ResponseDraft, now: Instant) {
        let (status, reason) = (draft.status, draft.reason_text().to_owned());
        let draft = draft.header("ms-diagnostics", self.diagnostics(&reason.replace(['"', '\\'], "'")));
        self.respond(ServerTransactionId(id), draft, now);
        self.events.push_back(Event::Rejected { flow, status: Some(status), reason });
    }

    fn note_merge_key(&mut self, id: u64, request: &Request) {
        let key = MergeKey::of(request).filter(|_| self.config.refuse_merged);
        if let (Some(key), Some(server)) = (key, self.servers.get_mut(&id)) {
            server.merge_key = Some(key.clone());
            self.merge_keys.insert(key, id);
        }
    }

    /// An ACK: it ends a transaction here, or is for a 2xx and goes to the user.
    pub(super) fn receive_ack(&mut self, flow: FlowId, request: Request, now: Instant) {
        let key = ServerKey::of_invite(&request);
        let by_key = self.server_keys.get(&key).copied();
        let by_dialog = in_dialog_id(&request).and_then(|dialog| self.ack_keys.get(&dialog).copied());
        // A client without branches numbers its ACK as it likes: there the dialog, with our tag in it, is surer.
        let found = if key.is_branch() { by_key.or(by_dialog) } else { by_dialog.or(by_key) };
        let Some(id) = found else {
            self.events.push_back(Event::Oneway { flow, request });
            return;
        };
        let Some(Server { machine: Machine::Invite(machine), .. }) = self.servers.get_mut(&id) else {
            return;
        };
        // An ACK of an earlier 2xx must not end a later INVITE of the dialog that was refused.
        let own = by_key.is_some() || !key.is_branch();
        let accepted = matches!(machine.state(), ServerInviteState::Accepted { .. });
        if accepted || own {
            machine.handle_ack(now);
        }
        if accepted || !own {
            self.events.push_back(Event::Oneway { flow, request });
        }
        self.settle_server(id);
    }

    /// A CANCEL: answered here; the user hears of it if its INVITE is still open.
    pub(super) fn receive_cancel(&mut self, flow: FlowId, request: Request, now: Instant) {
        let key = ServerKey::of(&request);
        if let Some(id) = self.server_keys.get(&key).copied() {
            self.counters.retransmissions_absorbed += 1;
            self.server_step(id, ServerStep::Resend);
            return;
        }
        let invite = self.server_keys.get(&ServerKey::of_invite(&request)).copied();
        let status = if invite.is_some() { 200 } else { 481 };
        let draft = ResponseDraft::to(&request, status);
        if self.servers.len() >= self.config.max_transactions {
            self.refuse_overload(flow, &request);
        } else {
            let id = self.insert_server(key, flow, request, now);
            self.respond(ServerTransactionId(id), draft, now);
        }
        match invite {
            Some(id) if self.is_unanswered(ServerTransactionId(id)) => {
                self.events.push_back(Event::Cancelled { tx: ServerTransactionId(id) });
            }
            Some(_) => {}
            None => self.counters.stray_cancels += 1,
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
        self.settle_server(id);
    }

    /// Sends a response that belongs to no transaction.
    pub(super) fn send_stateless(&mut self, flow: FlowId, request: &Request, draft: ResponseDraft) {
        let back = return_path(flow, request);
        let tag = self.ids.token();
        let draft = wire::complete_response(draft, &tag, &self.config);
        self.counters.responses_sent += 1;
        self.send_back(&back, draft.write());
    }

    fn insert_server(&mut self, key: ServerKey, flow: FlowId, request: Request, now: Instant) -> u64 {
        let id = self.next_id();
        let back = return_path(flow, &request);
        let link = wire::link(self.transport_of(flow, &back.via));
        let timing = self.config.timing;
        let machine = if *request.method() == Method::Invite {
            Machine::Invite(ServerInvite::new(timing, link, now))
        } else {
            Machine::NonInvite(ServerNonInvite::new(timing, link))
        };
        self.server_keys.insert(key.clone(), id);
        let server = Server {
            machine,
            key,
            request: Some(request),
            back,
            last: None,
            ack_key: None,
            merge_key: None,
            answer_by: now + self.config.answer_within,
            deadline: None,
        };
        self.servers.insert(id, server);
        id
    }

    /// The transport of a flow; of one that is gone, what Via says.
    fn transport_of(&self, flow: FlowId, via: &Via) -> TransportKind {
        let open = self.flows.info(flow).map(|info| info.transport);
        open.or_else(|| via.transport()).unwrap_or(TransportKind::Udp)
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
        let ack_key = wire::dialog_of_response(&draft);
        server.last = Some(draft.write());
        if status >= 200 {
            server.request = None;
            if let (Machine::Invite(_), Some(dialog)) = (&server.machine, ack_key) {
                server.ack_key = Some(dialog.clone());
                self.ack_keys.insert(dialog, id);
            }
        }
        self.counters.responses_sent += 1;
        self.send_last(id);
        self.settle_server(id);
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
            let back = server.back.clone();
            self.send_back(&back, bytes);
        }
    }

    /// Sends a response to the flow its request came on, else to where Via says.
    fn send_back(&mut self, back: &ReturnPath, bytes: Bytes) {
        if self.flows.info(back.flow).is_some() {
            self.transmits.push_back(Transmit::on_flow(back.flow, bytes));
            return;
        }
        let Some(addr) = wire::response_addr(&back.via) else {
            self.counters.unroutable_responses += 1;
            return;
        };
        let transport = self.transport_of(back.flow, &back.via);
        let address = Target::Address { transport, addr };
        let to = self.flow_for(&address).map_or(address, Target::Flow);
        self.transmits.push_back(Transmit { to, bytes, close_after: false });
    }

    fn refuse_overload(&mut self, flow: FlowId, request: &Request) {
        self.counters.overload_rejected += 1;
        let draft = ResponseDraft::to(request, 503)
            .header("Retry-After", self.config.retry_after_s.to_string())
            .header("ms-diagnostics", self.diagnostics("Too many transactions"));
        self.send_stateless(flow, request, draft);
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

    /// After every change of a server transaction: its timer, or its end.
    fn settle_server(&mut self, id: u64) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if !server.is_over() {
            let new = server.next_deadline();
            self.timers.change(Who::Server(id), server.deadline, new);
            server.deadline = new;
            return;
        }
        if let Some(server) = self.servers.remove(&id) {
            self.timers.change(Who::Server(id), server.deadline, None);
            self.server_keys.remove(&server.key);
            if let Some(key) = server.merge_key {
                self.merge_keys.remove(&key);
            }
            if let Some(dialog) = server.ack_key
                && self.ack_keys.get(&dialog) == Some(&id)
            {
                self.ack_keys.remove(&dialog);
            }
        }
    }
}

fn return_path(flow: FlowId, request: &Request) -> ReturnPath {
    ReturnPath { flow, via: request.via().clone() }
}
