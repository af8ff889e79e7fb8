//! An IM MCU: takes calls, passes messages on to everybody else, and reports its endpoints to the record.

use std::net::SocketAddr;
use std::time::Instant;

use c3p::McuType;
use c3p::info::McuStatus;
use sip_core::{
    Dialog, Endpoint, EndpointConfig, Event, FlowId, Method, Request, ResponseDraft, SeededIds,
    ServerTransactionId, Target, Transmit, TransportInput, TransportKind,
};

use super::focus::mcu_contact;
use super::{Action, Script, SharedConference};
use crate::network::Node;

#[derive(Debug)]
struct Call {
    dialog: Dialog,
    user: String,
    flow: FlowId,
}

/// An IM MCU.
#[derive(Debug)]
pub struct MockMcu {
    /// What it was told to do.
    pub script: Script,
    /// The texts it took, in order, with their authors.
    pub messages: Vec<(String, String)>,
    conference: SharedConference,
    addr: SocketAddr,
    endpoint: Endpoint,
    calls: Vec<Call>,
    failing_over: bool,
}

impl MockMcu {
    /// An MCU at `addr`.
    #[must_use]
    pub fn new(addr: SocketAddr, conference: SharedConference, seed: u64) -> Self {
        MockMcu {
            script: Script::default(),
            messages: Vec::new(),
            conference,
            addr,
            endpoint: Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed))),
            calls: Vec::new(),
            failing_over: false,
        }
    }

    /// Who has a call.
    #[must_use]
    pub fn callers(&self) -> Vec<&str> {
        self.calls.iter().map(|call| call.user.as_str()).collect()
    }

    /// Fails over: the roster says so, the calls are forgotten.
    pub fn fail_over(&mut self) {
        self.failing_over = true;
        self.calls.clear();
        let old = self.conference.borrow().instance(McuType::Im).unwrap_or_default();
        self.conference.borrow_mut().set_mcu(McuType::Im, McuStatus::FailingOver, &old);
    }

    /// Is active again as another instance.
    pub fn recover(&mut self, instance: &str) {
        self.failing_over = false;
        self.conference.borrow_mut().set_mcu(McuType::Im, McuStatus::Active, instance);
    }

    /// Hangs up on a user.
    pub fn bye(&mut self, user: &str, diagnostics: &str, now: Instant) {
        let (gone, kept) = std::mem::take(&mut self.calls).into_iter().partition(|call| call.user == user);
        self.calls = kept;
        let gone: Vec<Call> = gone;
        for mut call in gone {
            let draft = call.dialog.request(Method::Bye).header("ms-diagnostics", diagnostics);
            let target = target(&draft, call.flow);
            self.endpoint.send_request(draft, target, now);
            self.conference.borrow_mut().set_chat(user, None);
        }
    }

    fn on_request(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        match self.script.take(request.method()) {
            Action::Silence => return,
            Action::Answer { status, headers } => {
                let draft = ResponseDraft::to(request, status);
                let draft =
                    headers.iter().fold(draft, |draft, (name, value)| draft.header(name, value.clone()));
                return self.endpoint.respond(tx, draft, now);
            }
            Action::Hold(_) | Action::Usual => {}
        }
        if request.to().tag().is_none() {
            return self.on_initial(tx, flow, request, now);
        }
        let id = sip_core::in_dialog_id(request);
        match self.calls.iter().position(|call| Some(call.dialog.id()) == id.as_ref()) {
            Some(index) => self.on_in_dialog(index, tx, flow, request, now),
            None => self.endpoint.respond(tx, ResponseDraft::to(request, 481), now),
        }
    }

    fn on_initial(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        if *request.method() != Method::Invite {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 481), now);
        }
        if self.failing_over {
            let why = "61002;reason=\"MCU failing over\";source=\"mcu.example.com\"";
            let draft = ResponseDraft::to(request, 503).header("ms-diagnostics", why);
            return self.endpoint.respond(tx, draft, now);
        }
        let user = request.from().uri().address_of_record().to_string();
        let tag = self.endpoint.new_token();
        let transport = self.endpoint.flow_info(flow).map_or(TransportKind::Tcp, |info| info.transport);
        let contact = mcu_contact(&self.conference.borrow().uri, self.addr, transport);
        let draft = ResponseDraft::to(request, 200)
            .to_tag(&tag)
            .header("Contact", contact)
            .header("Supported", "ms-dialog-route-set-update")
            .body("application/sdp", "v=0\r\no=- 0 0 IN IP4 10.0.0.1\r\ns=session\r\nt=0 0\r\n");
        if let Ok(dialog) = Dialog::uas(request, &tag) {
            let chat = format!("im-{}", &tag[..8]);
            self.calls.retain(|call| call.user != user);
            self.calls.push(Call { dialog, user: user.clone(), flow });
            self.conference.borrow_mut().set_chat(&user, Some(chat));
        }
        self.endpoint.respond(tx, draft, now);
    }

    fn on_in_dialog(
        &mut self,
        index: usize,
        tx: ServerTransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let call = &mut self.calls[index];
        if call.dialog.check_request(request).is_err() {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 500), now);
        }
        call.flow = flow;
        let user = call.user.clone();
        match request.method() {
            Method::Message => {
                let text = String::from_utf8_lossy(request.body()).into_owned();
                self.messages.push((user.clone(), text));
                let draft =
                    ResponseDraft::to(request, 200).header("Message-Id", self.messages.len().to_string());
                self.endpoint.respond(tx, draft, now);
                self.pass_on(&user, request, now);
            }
            Method::Info | Method::Options => self.endpoint.respond(tx, ResponseDraft::to(request, 200), now),
            Method::Update => {
                call.dialog.refresh_target(request.contact());
                call.dialog.replace_route_from_request(request);
                let draft = ResponseDraft::to(request, 200).header("Supported", "ms-dialog-route-set-update");
                self.endpoint.respond(tx, draft, now);
            }
            Method::Bye => {
                self.calls.remove(index);
                self.conference.borrow_mut().set_chat(&user, None);
                self.endpoint.respond(tx, ResponseDraft::to(request, 200), now);
            }
            _ => self.endpoint.respond(tx, ResponseDraft::to(request, 405), now),
        }
    }

    fn pass_on(&mut self, from: &str, request: &Request, now: Instant) {
        let content_type = request.content_type().unwrap_or("text/plain").to_owned();
        for call in self.calls.iter_mut().filter(|call| call.user != from) {
            let draft = call
                .dialog
                .request(Method::Message)
                .header("Ms-Sender", format!("<{from}>"))
                .header("Message-Id", self.messages.len().to_string())
                .body(&content_type, request.body().clone());
            let target = target(&draft, call.flow);
            self.endpoint.send_request(draft, target, now);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, flow, request } => self.on_request(tx, flow, &request, now),
                // The ACK comes straight, on the connection that is used from then on.
                Event::Oneway { flow, request } if *request.method() == Method::Ack => {
                    let id = sip_core::in_dialog_id(&request);
                    let call = self.calls.iter_mut().find(|call| Some(call.dialog.id()) == id.as_ref());
                    call.into_iter().for_each(|call| call.flow = flow);
                }
                _ => {}
            }
        }
    }
}

fn target(draft: &sip_core::RequestDraft, flow: FlowId) -> Target {
    let hop = draft.route_values().first().and_then(|route| route.uri().sip_addr());
    hop.map_or(Target::Flow(flow), |addr| Target::Address { transport: TransportKind::Tcp, addr })
}

impl Node for MockMcu {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}
