//! What a hop and a front end have in common: passing messages on with another Via, and their answers back.
//!
//! Stateless in the sense of RFC 3261 section 16.11: the branch is made from the one that came, so a repetition takes the
//! same way. Raw messages only; no transactions.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use sip_core::{
    FlowId, FlowInfo, Request, RequestDraft, Response, ResponseDraft, Transmit, TransportInput,
    TransportKind, Via,
};

/// A request that waits for its connection: the flow it came on, as it came, and as it goes on.
type Waiting = (FlowId, Request, RequestDraft);

/// Passes messages on.
#[derive(Debug)]
pub(super) struct Forwarder {
    name: &'static str,
    pub(super) addr: SocketAddr,
    flows: BTreeMap<FlowId, FlowInfo>,
    back: BTreeMap<String, FlowId>,
    waiting: BTreeMap<(TransportKind, SocketAddr), Vec<Waiting>>,
    out: VecDeque<Transmit>,
    /// Requests whose next element cannot be reached, with the flow they came on.
    pub(super) failed: Vec<(SocketAddr, FlowId, Request)>,
}

impl Forwarder {
    pub(super) fn new(name: &'static str, addr: SocketAddr) -> Self {
        Forwarder {
            name,
            addr,
            flows: BTreeMap::new(),
            back: BTreeMap::new(),
            waiting: BTreeMap::new(),
            out: VecDeque::new(),
            failed: Vec::new(),
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    pub(super) fn is_open(&self, flow: FlowId) -> bool {
        self.flows.contains_key(&flow)
    }

    /// Notes what becomes of flows, and sends what waited for one.
    pub(super) fn note(&mut self, input: &TransportInput) {
        match input {
            TransportInput::Connected { flow, info } => {
                self.flows.insert(*flow, *info);
                let waiting = self.waiting.remove(&(info.transport, info.remote)).unwrap_or_default();
                for (_, request, draft) in waiting {
                    self.send_on(*flow, &request, draft);
                }
            }
            TransportInput::Accepted { flow, info } => {
                self.flows.insert(*flow, *info);
            }
            TransportInput::Closed { flow, .. } => {
                self.flows.remove(flow);
            }
            TransportInput::Unreachable { transport, addr, .. } => {
                let waiting = self.waiting.remove(&(*transport, *addr)).unwrap_or_default();
                self.failed.extend(waiting.into_iter().map(|(from, request, _)| (*addr, from, request)));
            }
            TransportInput::Message { .. }
            | TransportInput::Malformed { .. }
            | TransportInput::Secured { .. }
            | TransportInput::ServerUnreachable { .. }
            | TransportInput::Ping { .. }
            | TransportInput::Pong { .. } => {}
        }
    }

    /// Passes a request on to an address.
    pub(super) fn pass_to_address(
        &mut self,
        from: FlowId,
        request: &Request,
        draft: RequestDraft,
        addr: SocketAddr,
    ) {
        let transport = self.flows.get(&from).map_or(TransportKind::Tcp, |info| info.transport);
        self.remember(from, request);
        let open = self
            .flows
            .iter()
            .rev()
            .find(|(_, info)| info.remote == addr && info.transport == transport)
            .map(|(flow, _)| *flow);
        match open {
            Some(flow) => self.send_on(flow, request, draft),
            None => {
                let waiting = self.waiting.entry((transport, addr)).or_default();
                waiting.push((from, request.clone(), draft));
                if waiting.len() == 1 {
                    self.out.push_back(Transmit::connect(transport, addr));
                }
            }
        }
    }

    /// Passes a request on to a flow.
    pub(super) fn pass_to_flow(
        &mut self,
        from: FlowId,
        request: &Request,
        draft: RequestDraft,
        flow: FlowId,
    ) {
        self.remember(from, request);
        self.send_on(flow, request, draft);
    }

    /// Passes an answer back; `false` if it is not to a request that was passed on.
    pub(super) fn back(&mut self, response: &Response) -> bool {
        let branch = response.via().branch().unwrap_or_default();
        let Some(flow) = branch.strip_prefix(&self.prefix()).and_then(|of| self.back.get(of)).copied() else {
            return false;
        };
        let mut draft = ResponseDraft::from_response(response);
        draft.pop_via();
        self.out.push_back(Transmit::on_flow(flow, draft.write()));
        true
    }

    /// Answers a request right here.
    pub(super) fn answer(
        &mut self,
        flow: FlowId,
        request: &Request,
        status: u16,
        headers: &[(String, String)],
    ) {
        let draft = ResponseDraft::to(request, status).to_tag(self.name);
        let draft = headers.iter().fold(draft, |draft, (name, value)| draft.header(name, value.clone()));
        self.out.push_back(Transmit::on_flow(flow, draft.write()));
    }

    fn prefix(&self) -> String {
        format!("z9hG4bK{}", self.name)
    }

    fn remember(&mut self, from: FlowId, request: &Request) {
        let branch = request.via().branch().unwrap_or_default();
        self.back.insert(branch.to_owned(), from);
    }

    fn send_on(&mut self, flow: FlowId, request: &Request, mut draft: RequestDraft) {
        let branch = format!("{}{}", self.prefix(), request.via().branch().unwrap_or_default());
        let transport = self.flows.get(&flow).map_or(TransportKind::Tcp, |info| info.transport);
        let via = Via::new(transport, &self.addr.ip().to_string(), Some(self.addr.port()), &branch);
        if let Ok(via) = via {
            draft.push_via(&via);
        }
        let bytes: Bytes = draft.write();
        self.out.push_back(Transmit::on_flow(flow, bytes));
    }
}
