//! A hop: a proxy between clients and front ends, with Record-Route, Path and flow tokens.

use std::net::SocketAddr;
use std::time::Instant;

use sip_core::{FlowId, Message, Method, NameAddr, Request, RequestDraft, Transmit, TransportInput};

use super::forward::Forwarder;
use super::{Action, Script};
use crate::network::Node;

/// A hop. Its token for a client's flow holds its life, so after a restart old tokens mean nothing.
#[derive(Debug)]
pub struct MockHop {
    /// What it was told to do.
    pub script: Script,
    forwarder: Forwarder,
    next: Vec<SocketAddr>,
    life: u32,
}

impl MockHop {
    /// A hop at `addr` that passes on to the first of `next` that takes the connection.
    ///
    /// - `life`: another number for each restart.
    #[must_use]
    pub fn new(name: &'static str, addr: SocketAddr, next: Vec<SocketAddr>, life: u32) -> Self {
        MockHop { script: Script::default(), forwarder: Forwarder::new(name, addr), next, life }
    }

    fn own_uri(&self, flow: FlowId) -> String {
        format!("<sip:f{}-{}@{};transport=tcp;lr>", flow.number(), self.life, self.forwarder.addr)
    }

    /// The flow that a token of this life names.
    fn flow_of(&self, route: &NameAddr) -> Option<FlowId> {
        let (flow, life) = route.uri().user()?.strip_prefix('f')?.split_once('-')?;
        let known = life.parse::<u32>().ok()? == self.life;
        let flow = FlowId::new(flow.parse().ok()?);
        (known && self.forwarder.is_open(flow)).then_some(flow)
    }

    fn on_request(&mut self, flow: FlowId, request: &Request) {
        match self.script.take(request.method()) {
            Action::Silence => return,
            Action::Answer { status, headers } => {
                return self.forwarder.answer(flow, request, status, &headers);
            }
            Action::Usual | Action::Hold(_) => {}
        }
        let mut draft = RequestDraft::from_request(request);
        let ours =
            request.route().first().filter(|route| route.uri().sip_addr() == Some(self.forwarder.addr));
        if let Some(route) = ours {
            draft.pop_route();
            match self.flow_of(route) {
                // From elsewhere: down to the client.
                Some(client) if client != flow => {
                    self.add_record_route(request, &mut draft, client);
                    return self.forwarder.pass_to_flow(flow, request, draft, client);
                }
                Some(_) => {}
                None if from_client(request) => {}
                None => return self.flow_failed(flow, request, "Wait-For-Session-Update"),
            }
        }
        self.add_record_route(request, &mut draft, flow);
        let next =
            draft.route_values().first().map_or_else(|| request.uri().clone(), |route| route.uri().clone());
        let addr = next.sip_addr().or_else(|| self.next.first().copied());
        match addr {
            Some(addr) => self.forwarder.pass_to_address(flow, request, draft, addr),
            None => self.forwarder.answer(flow, request, 503, &[]),
        }
    }

    fn add_record_route(&self, request: &Request, draft: &mut RequestDraft, client: FlowId) {
        let own = self.own_uri(client);
        match request.method() {
            Method::Invite | Method::Update | Method::Subscribe => {
                draft.push_front("Record-Route", own);
            }
            Method::Register => {
                draft.push_front("Path", own);
            }
            _ => {}
        }
    }

    fn flow_failed(&mut self, flow: FlowId, request: &Request, token: &str) {
        let status = if request.supports("ms-dialog-route-set-update") { 430 } else { 481 };
        let Action::Answer { headers, .. } = Action::flow_failed(token) else { return };
        self.forwarder.answer(flow, request, status, &headers);
    }

    /// The next element refuses: another one for what has no dialog, 430 for what has.
    fn on_unreachable(&mut self) {
        for (addr, flow, request) in std::mem::take(&mut self.forwarder.failed) {
            let bound = request.route().len() > 1 || request.uri().sip_addr().is_some();
            let index = self.next.iter().position(|next| *next == addr);
            let other = index.and_then(|index| self.next.get(index + 1)).copied();
            match other.filter(|_| !bound) {
                Some(other) => {
                    let mut draft = RequestDraft::from_request(&request);
                    if !request.route().is_empty() {
                        draft.pop_route();
                    }
                    self.add_record_route(&request, &mut draft, flow);
                    self.forwarder.pass_to_address(flow, &request, draft, other);
                }
                None if *request.method() == Method::Ack => {}
                None if request.to().tag().is_some() => {
                    self.flow_failed(flow, &request, "Dialog-Route-Set-Update");
                }
                None => {
                    let why =
                        ("ms-diagnostics".to_owned(), "61004;reason=\"nothing alive behind\"".to_owned());
                    self.forwarder.answer(flow, &request, 503, &[why]);
                }
            }
        }
    }
}

/// Front ends address clients by GRUU or by the address of a flow; clients address conferences.
fn from_client(request: &Request) -> bool {
    request.uri().as_str().contains("app:conf:") || request.uri().sip_addr().is_some()
}

impl Node for MockHop {
    fn handle_transport(&mut self, input: TransportInput, _now: Instant) {
        self.forwarder.note(&input);
        match input {
            TransportInput::Message { flow, message: Message::Request(request) } => {
                self.on_request(flow, &request)
            }
            TransportInput::Message { message: Message::Response(response), .. } => {
                self.forwarder.back(&response);
            }
            _ => {}
        }
        self.on_unreachable();
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.forwarder.poll_transmit()
    }
}
