//! The client side of the endpoint: sending requests, matching responses, ACK of failures, CANCEL.

mod large;

use std::time::Instant;

use bytes::Bytes;

use super::event::{ClientTransactionId, Event, TransactionError};
use super::flow::{CloseReason, FlowId, Remote, Target, Transmit};
use super::keys::ClientKey;
use super::timers::Who;
use super::{Endpoint, wire};
use crate::build::RequestDraft;
use crate::transaction::{ClientInvite, ClientInviteState, ClientNonInvite, ClientStep, Link, Timing};
use crate::{Method, Response, TransportKind};

/// One of the two client machines.
#[derive(Debug)]
enum Machine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl Machine {
    fn new(invite: bool, timing: Timing, link: Link, now: Instant) -> Self {
        if invite {
            Self::Invite(ClientInvite::new(timing, link, now))
        } else {
            Self::NonInvite(ClientNonInvite::new(timing, link, now))
        }
    }

    fn is_waiting(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_waiting(),
            Self::NonInvite(machine) => machine.is_waiting(),
        }
    }

    fn handle_response(&mut self, status: u16, now: Instant) -> ClientStep {
        match self {
            Self::Invite(machine) => machine.handle_response(status, now),
            Self::NonInvite(machine) => machine.handle_response(status, now),
        }
    }

    fn handle_transport_error(&mut self) -> ClientStep {
        match self {
            Self::Invite(machine) => machine.handle_transport_error(),
            Self::NonInvite(machine) => machine.handle_transport_error(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> ClientStep {
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

    /// Over: neither waiting for an answer nor for a deadline.
    fn is_over(&self) -> bool {
        !self.is_waiting() && self.deadline().is_none()
    }
}

/// Where a client transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Its address is being connected; nothing was sent.
    Waiting(Remote),
    /// On this flow.
    Flow(FlowId),
}

/// What became of the wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    /// None.
    No,
    /// To be sent once a provisional response came (RFC 3261 section 9.1).
    Wanted,
    /// Sent.
    Sent,
}

/// A client transaction and its bytes.
#[derive(Debug)]
pub(super) struct Client {
    machine: Machine,
    key: ClientKey,
    place: Place,
    /// The request: for an INVITE always, since ACK and CANCEL repeat parts of it; else until it was sent.
    draft: Option<RequestDraft>,
    bytes: Bytes,
    ack: Bytes,
    cancel: Cancel,
    /// Nobody wants its events.
    silent: bool,
    /// It waits for TCP because it is too large for UDP.
    large: bool,
    began: Instant,
    /// When an INVITE that got a provisional response is given up.
    give_up: Option<Instant>,
    /// The deadline known to the timers.
    deadline: Option<Instant>,
}

impl Client {
    fn is_invite(&self) -> bool {
        matches!(self.machine, Machine::Invite(_))
    }

    fn next_deadline(&self) -> Option<Instant> {
        let give_up = self.give_up.filter(|_| self.machine.is_waiting());
        [self.machine.deadline(), give_up].into_iter().flatten().min()
    }
}

impl Endpoint {
    /// Sends a request in a new client transaction.
    ///
    /// Adds Via, Max-Forwards if absent, and User-Agent unless the request is being forwarded (has a Via).
    /// The outcome comes as events; even an immediate failure does. A request for an address over UDP that is larger than
    /// [`EndpointConfig::udp_request_limit`](super::EndpointConfig::udp_request_limit) goes there over TCP.
    pub fn send_request(&mut self, draft: RequestDraft, target: Target, now: Instant) -> ClientTransactionId {
        let id = self.next_id();
        let tx = ClientTransactionId(id);
        if self.clients.len() >= self.config.max_transactions {
            self.events.push_back(Event::Failed { tx, error: TransactionError::Overloaded });
            return tx;
        }
        let (target, large) = self.by_size(&draft, target);
        let place = match self.place(target) {
            Ok(place) => place,
            Err(error) => {
                self.events.push_back(Event::Failed { tx, error });
                return tx;
            }
        };
        self.start_client(id, draft, place, large, now);
        tx
    }

    /// Sends a request that has no transaction: the ACK of a 2xx, a BENOTIFY.
    pub fn send_oneway(&mut self, draft: RequestDraft, target: Target, _now: Instant) {
        let (target, large) = self.by_size(&draft, target);
        match self.place(target) {
            Ok(place) => self.send_oneway_to(draft, place, large),
            Err(_) => self.counters.oneway_dropped += 1,
        }
    }

    /// Cancels an INVITE that has no final response: at once, or after its first provisional response.
    ///
    /// The transaction still ends in a response (487 as a rule) or `Failed`. An INVITE that was not sent yet, because
    /// its flow is not open, ends at once as `FlowClosed` by us.
    pub fn cancel(&mut self, tx: ClientTransactionId, now: Instant) {
        let Some(client) = self.clients.get_mut(&tx.0) else {
            return;
        };
        let Machine::Invite(machine) = &client.machine else {
            return;
        };
        if !machine.is_waiting() || client.cancel != Cancel::No {
            return;
        }
        client.cancel = Cancel::Wanted;
        let unsent = matches!(client.place, Place::Waiting(_));
        let calling = matches!(machine.state(), ClientInviteState::Calling { .. });
        if unsent {
            self.fail_client(tx.0, TransactionError::FlowClosed { reason: CloseReason::Local }, now);
        } else if !calling {
            self.send_cancel(tx.0, now);
            self.settle_client(tx.0);
        }
    }

    /// Whether an INVITE got a provisional response, 100 included, and still waits for its final one.
    pub fn is_proceeding(&self, tx: ClientTransactionId) -> bool {
        let machine = self.clients.get(&tx.0).map(|client| &client.machine);
        matches!(machine, Some(Machine::Invite(invite)) if invite.state() == ClientInviteState::Proceeding)
    }

    /// Drops a transaction that nobody needs any more: as [`Self::abandon`], and what was not sent yet, because its flow
    /// is still being opened, is not sent at all.
    pub fn withdraw(&mut self, tx: ClientTransactionId) {
        self.abandon(tx);
        if self.clients.get(&tx.0).is_some_and(|client| matches!(client.place, Place::Waiting(_))) {
            self.remove_client(tx.0);
        }
    }

    /// Drops interest in a transaction: no event of it comes any more, but it is brought to its end.
    pub fn abandon(&mut self, tx: ClientTransactionId) {
        if let Some(client) = self.clients.get_mut(&tx.0) {
            client.silent = true;
        }
        let of_tx = |event: &Event| match event {
            Event::Response { tx: of, .. } | Event::Failed { tx: of, .. } => *of == tx,
            _ => false,
        };
        self.events.retain(|event| !of_tx(event));
    }

    /// A response came.
    pub(super) fn receive_response(&mut self, flow: FlowId, response: Response, now: Instant) {
        let id = ClientKey::of_response(&response).and_then(|key| self.client_keys.get(&key).copied());
        let Some((id, client)) = id.and_then(|id| Some((id, self.clients.get_mut(&id)?))) else {
            self.counters.stray_responses += 1;
            return;
        };
        let status = response.status();
        let step = client.machine.handle_response(status, now);
        let rings = matches!(&client.machine, Machine::Invite(invite) if invite.is_waiting());
        if rings && client.give_up.is_none() {
            client.give_up = Some(now + self.config.invite_total);
        }
        if step == ClientStep::DeliverAndAck {
            client.ack = client.draft.as_ref().map(|invite| wire::ack(invite, &response)).unwrap_or_default();
        }
        match step {
            ClientStep::Deliver => self.deliver(id, flow, response),
            ClientStep::DeliverAndAck => {
                self.send_ack(id);
                self.deliver(id, flow, response);
            }
            ClientStep::Ack => {
                self.counters.retransmissions_sent += 1;
                self.send_ack(id);
            }
            ClientStep::Nothing | ClientStep::Resend | ClientStep::TimedOut | ClientStep::Failed => {}
        }
        if status < 200 && self.clients.get(&id).is_some_and(|client| client.cancel == Cancel::Wanted) {
            self.send_cancel(id, now);
        }
        self.settle_client(id);
    }

    /// The timers of a client transaction.
    pub(super) fn client_timeout(&mut self, id: u64, now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.deadline = None;
        let gave_up = client.give_up.is_some_and(|at| now >= at) && client.machine.is_waiting();
        let waited = now.saturating_duration_since(client.began);
        match client.machine.handle_timeout(now) {
            ClientStep::Resend => self.resend_request(id),
            ClientStep::TimedOut => {
                self.counters.timeouts += 1;
                self.fail_event(id, TransactionError::Timeout { waited });
            }
            ClientStep::Nothing
            | ClientStep::Deliver
            | ClientStep::DeliverAndAck
            | ClientStep::Ack
            | ClientStep::Failed => {}
        }
        if gave_up {
            self.give_up_invite(id, now);
        }
        self.settle_client(id);
    }

    /// Ends a client transaction whose flow or address failed.
    pub(super) fn fail_client(&mut self, id: u64, error: TransactionError, _now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.machine.handle_transport_error() == ClientStep::Failed {
            self.fail_event(id, error);
        }
        self.settle_client(id);
    }

    /// Sends everything that waited for this flow.
    pub(super) fn flush_waiting(&mut self, flow: FlowId, remote: &Remote, _now: Instant) {
        let (clients, oneway) = self.flows.stop_waiting(remote);
        // First the ACKs: the BYE of the same dialog may wait, too.
        for (draft, _) in oneway {
            self.send_oneway_on(flow, draft);
        }
        for id in clients {
            if let Some(client) = self.clients.get_mut(&id) {
                client.place = Place::Flow(flow);
                self.flows.bind(flow, id);
                self.transmit_request(id, flow);
                self.settle_client(id);
            }
        }
    }

    fn place(&self, target: Target) -> Result<Place, TransactionError> {
        if let Some(remote) = target.remote() {
            let open = self.flows.to(&remote).map(Place::Flow);
            return Ok(open.unwrap_or(Place::Waiting(remote)));
        }
        match target {
            Target::Flow(flow) if self.flows.info(flow).is_some() => Ok(Place::Flow(flow)),
            Target::Flow(_) | Target::Address { .. } | Target::Server { .. } => {
                Err(TransactionError::FlowClosed { reason: CloseReason::Local })
            }
        }
    }

    fn start_client(&mut self, id: u64, draft: RequestDraft, place: Place, large: bool, now: Instant) {
        let key = ClientKey::new(self.ids.token(), &draft.method);
        self.insert_client(id, key, draft, place.clone(), now);
        if let Some(client) = self.clients.get_mut(&id) {
            client.large = large;
        }
        self.send_at(id, place);
    }

    /// Sends a request the first time, or lets it wait for its flow.
    fn send_at(&mut self, id: u64, place: Place) {
        match place {
            Place::Flow(flow) => {
                self.flows.bind(flow, id);
                self.transmit_request(id, flow);
            }
            Place::Waiting(remote) => {
                if self.flows.wait_client(&remote, id) {
                    self.transmits.push_back(remote.open());
                }
            }
        }
        self.settle_client(id);
    }

    fn insert_client(&mut self, id: u64, key: ClientKey, draft: RequestDraft, place: Place, now: Instant) {
        let link = self.link(&place);
        let timing = self.config.timing;
        let machine = Machine::new(draft.method == Method::Invite, timing, link, now);
        self.client_keys.insert(key.clone(), id);
        let client = Client {
            machine,
            key,
            place,
            draft: Some(draft),
            bytes: Bytes::new(),
            ack: Bytes::new(),
            cancel: Cancel::No,
            silent: false,
            large: false,
            began: now,
            give_up: None,
            deadline: None,
        };
        self.clients.insert(id, client);
    }

    fn link(&self, place: &Place) -> Link {
        let transport = match place {
            Place::Waiting(remote) => Some(remote.transport),
            Place::Flow(flow) => self.flows.info(*flow).map(|info| info.transport),
        };
        wire::link(transport.unwrap_or(TransportKind::Tcp))
    }

    /// Writes the request for this flow and sends it the first time.
    fn transmit_request(&mut self, id: u64, flow: FlowId) {
        let Some(info) = self.flows.info(flow) else {
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let Some(draft) = client.draft.take() else {
            return;
        };
        let draft = wire::complete_request(draft, client.key.branch(), info, &self.config);
        let invite = draft.method == Method::Invite;
        let bytes = draft.write();
        client.bytes = bytes.clone();
        client.draft = invite.then_some(draft);
        self.counters.requests_sent += 1;
        self.transmits.push_back(Transmit::on_flow(flow, bytes));
    }

    fn send_oneway_to(&mut self, draft: RequestDraft, place: Place, large: bool) {
        let remote = match place {
            Place::Flow(flow) => return self.send_oneway_on(flow, draft),
            Place::Waiting(remote) => remote,
        };
        match self.flows.wait_oneway(&remote, draft, large, self.config.max_waiting_oneway) {
            Some(true) => self.transmits.push_back(remote.open()),
            Some(false) => {}
            None => self.counters.oneway_dropped += 1,
        }
    }

    fn send_oneway_on(&mut self, flow: FlowId, draft: RequestDraft) {
        let Some(info) = self.flows.info(flow) else {
            self.counters.oneway_dropped += 1;
            return;
        };
        let branch = ClientKey::new(self.ids.token(), &draft.method);
        let draft = wire::complete_request(draft, branch.branch(), info, &self.config);
        self.counters.requests_sent += 1;
        self.transmits.push_back(Transmit::on_flow(flow, draft.write()));
    }

    fn resend_request(&mut self, id: u64) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        if let Place::Flow(flow) = client.place {
            self.counters.retransmissions_sent += 1;
            self.transmits.push_back(Transmit::on_flow(flow, client.bytes.clone()));
        }
    }

    fn send_ack(&mut self, id: u64) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        if let Place::Flow(flow) = client.place
            && !client.ack.is_empty()
        {
            self.transmits.push_back(Transmit::on_flow(flow, client.ack.clone()));
        }
    }

    /// Sends the CANCEL of an INVITE, in a transaction of its own that nobody hears of.
    fn send_cancel(&mut self, id: u64, now: Instant) {
        let give_up = now + self.config.timing.give_up();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.cancel = Cancel::Sent;
        // RFC 3261 section 9.1: without a final response within 64*T1 the INVITE counts as cancelled.
        client.give_up = Some(give_up);
        let (place, branch) = (client.place.clone(), client.key.branch().to_owned());
        let Some(cancel) = client.draft.as_ref().map(wire::cancel) else {
            return;
        };
        let Place::Flow(flow) = place else {
            return;
        };
        let bytes = cancel.write();
        let cancel_id = self.next_id();
        self.insert_client(cancel_id, ClientKey::with_branch(branch, &Method::Cancel), cancel, place, now);
        self.flows.bind(flow, cancel_id);
        if let Some(client) = self.clients.get_mut(&cancel_id) {
            client.silent = true;
            client.draft = None;
            client.bytes = bytes.clone();
        }
        self.counters.requests_sent += 1;
        self.transmits.push_back(Transmit::on_flow(flow, bytes));
        self.settle_client(cancel_id);
    }

    /// The limit on a ringing or cancelled INVITE was reached.
    fn give_up_invite(&mut self, id: u64, now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let waited = now.saturating_duration_since(client.began);
        let cancelled = client.cancel == Cancel::Sent;
        self.counters.timeouts += 1;
        self.fail_event(id, TransactionError::Timeout { waited });
        if let Some(client) = self.clients.get_mut(&id) {
            client.silent = true;
            if cancelled {
                client.machine.handle_transport_error();
                return;
            }
        }
        // It stays for the ACK of the 487 to come.
        self.send_cancel(id, now);
    }

    fn deliver(&mut self, id: u64, flow: FlowId, response: Response) {
        let silent = self.clients.get(&id).is_none_or(|client| client.silent);
        if response.status() != 100 && !silent {
            self.events.push_back(Event::Response { tx: ClientTransactionId(id), flow, response });
        }
    }

    fn fail_event(&mut self, id: u64, error: TransactionError) {
        if self.clients.get(&id).is_some_and(|client| !client.silent) {
            self.events.push_back(Event::Failed { tx: ClientTransactionId(id), error });
        }
    }

    /// After every change of a client transaction: its timer, or its end.
    fn settle_client(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.machine.is_over() {
            self.remove_client(id);
            return;
        }
        let new = client.next_deadline();
        self.timers.change(Who::Client(id), client.deadline, new);
        client.deadline = new;
    }

    fn remove_client(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        self.timers.change(Who::Client(id), client.deadline, None);
        self.client_keys.remove(&client.key);
        match client.place {
            Place::Flow(flow) => self.flows.unbind(flow, id),
            Place::Waiting(remote) => self.flows.unwait_client(&remote, id),
        }
    }
}
