//! A front end with the Focus of one conference, on the record that it shares with its pool.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use c3p::McuType;
use c3p::command::{AddUser, Command, CommandResult, Request as C3pRequest, Response as C3pResponse};
use c3p::info::{Endpoint as Device, EndpointStatus, SessionType, User};
use sip_core::{
    ClientTransactionId, Dialog, DialogId, Endpoint, EndpointConfig, Event, FlowId, Message, Method,
    NameAddr, Request, RequestDraft, ResponseDraft, SeededIds, ServerTransactionId, Target, Transmit,
    TransportInput, TransportKind, Uri,
};

use super::conference::SentAway;
use super::forward::Forwarder;
use super::{Action, Admission, Script, SharedConference};
use crate::network::{Node, Remark};

/// What makes a dialog survive its hops.
const RECOVERY_TAG: &str = "ms-dialog-route-set-update";

#[derive(Debug)]
struct FocusDialog {
    dialog: Dialog,
    user: String,
    endpoint: String,
    flow: FlowId,
}

#[derive(Debug)]
struct Watcher {
    dialog: Dialog,
    user: String,
    flow: FlowId,
    version: u32,
    lobby: bool,
}

#[derive(Debug)]
enum Later {
    Request { tx: ServerTransactionId, flow: FlowId, request: Box<Request> },
    Result { dialog: DialogId, answer: Box<C3pResponse> },
}

/// One front end.
#[derive(Debug)]
pub struct MockFocus {
    /// What it was told to do.
    pub script: Script,
    /// Whether the document rides in the 2xx of a SUBSCRIBE; else a notification follows.
    pub piggyback: bool,
    /// The session interval that it grants, in seconds.
    pub session_expires: u32,
    /// How long it grants a subscription, in seconds.
    pub subscription_expires: u32,
    /// How long a command takes until its result is sent.
    pub think: Duration,
    /// So many documents that answer a SUBSCRIBE are cut off in the middle.
    pub garbles: u32,
    /// Whether each result is announced by `pending` first.
    pub says_pending: bool,
    conference: SharedConference,
    endpoint: Endpoint,
    forwarder: Forwarder,
    mcus: Vec<(McuType, SocketAddr)>,
    dialogs: Vec<FocusDialog>,
    watchers: Vec<Watcher>,
    later: Vec<(Instant, Later)>,
    sent: Vec<(ClientTransactionId, DialogId)>,
    now: Instant,
    remarks: VecDeque<Remark>,
}

impl MockFocus {
    /// A front end at `addr`.
    ///
    /// - `seed`: of its tags and Call-IDs; another one for each life.
    #[must_use]
    pub fn new(
        name: &'static str,
        addr: SocketAddr,
        conference: SharedConference,
        seed: u64,
        now: Instant,
    ) -> Self {
        MockFocus {
            script: Script::default(),
            piggyback: true,
            session_expires: 1800,
            subscription_expires: 3600,
            think: Duration::from_millis(2),
            garbles: 0,
            says_pending: false,
            conference,
            endpoint: Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed))),
            forwarder: Forwarder::new(name, addr),
            mcus: Vec::new(),
            dialogs: Vec::new(),
            watchers: Vec::new(),
            later: Vec::new(),
            sent: Vec::new(),
            now,
            remarks: VecDeque::new(),
        }
    }

    /// Tells it where an MCU is.
    #[must_use]
    pub fn with_mcu(mut self, mcu: McuType, addr: SocketAddr) -> Self {
        self.mcus.push((mcu, addr));
        self
    }

    /// The record it works on.
    #[must_use]
    pub fn conference(&self) -> &SharedConference {
        &self.conference
    }

    /// How many Focus dialogs and subscriptions it holds.
    #[must_use]
    pub fn dialogs(&self) -> (usize, usize) {
        (self.dialogs.len(), self.watchers.len())
    }

    /// Another front end takes the conference over behind the same address: dialogs are gone, the record stays.
    ///
    /// With `announce` each participant is told by a NOTIFY `deactivated`, whose CSeq leaves a gap.
    pub fn fail_over(&mut self, announce: bool, now: Instant) {
        self.dialogs.clear();
        for mut watcher in std::mem::take(&mut self.watchers) {
            if announce {
                watcher.dialog.skip_local_cseq(1000);
                let why = "61001;reason=\"Conference moved\";source=\"fe2.example.com\"";
                self.notify_over(&mut watcher, "deactivated", why, now);
            }
        }
        self.later.retain(|(_, later)| !matches!(later, Later::Result { .. }));
        self.remarks.push_back(Remark::Note("fails over".to_owned()));
    }

    /// Ends the subscription of a user with this reason.
    pub fn end_subscription(&mut self, user: &str, reason: &str, now: Instant) {
        let (gone, kept) =
            std::mem::take(&mut self.watchers).into_iter().partition(|watcher| watcher.user == user);
        self.watchers = kept;
        let gone: Vec<Watcher> = gone;
        for mut watcher in gone {
            self.notify_over(&mut watcher, reason, "", now);
        }
    }

    /// Ends the Focus dialog of a user with these diagnostics.
    pub fn bye(&mut self, user: &str, diagnostics: &str, now: Instant) {
        let (gone, kept) =
            std::mem::take(&mut self.dialogs).into_iter().partition(|dialog| dialog.user == user);
        self.dialogs = kept;
        let gone: Vec<FocusDialog> = gone;
        for mut dialog in gone {
            let draft = dialog.dialog.request(Method::Bye).header("ms-diagnostics", diagnostics);
            self.send(draft, dialog.flow, now);
        }
    }

    /// Sends the UPDATE of the far end into the Focus dialog of a user: what heals a route from this side.
    pub fn update(&mut self, user: &str, now: Instant) {
        let contact = self.contact();
        let Some(index) = self.dialogs.iter().position(|dialog| dialog.user == user) else { return };
        let draft = self.dialogs[index].dialog.request(Method::Update).header("Contact", contact);
        let draft = draft.header("Supported", RECOVERY_TAG);
        let flow = self.dialogs[index].flow;
        self.send(draft, flow, now);
    }

    /// Tells a user as the registrar that his registration is gone.
    pub fn registration_notice(&mut self, user: &str, now: Instant) {
        let gruu = self.conference.borrow().bindings.keys().find(|gruu| gruu.starts_with(user)).cloned();
        let (Some(Ok(gruu)), Ok(user)) = (gruu.as_deref().map(Uri::parse), Uri::parse(user)) else { return };
        let draft = RequestDraft::new(Method::Notify, gruu)
            .from(NameAddr::new(user.clone()).with_tag("registrar"))
            .to(NameAddr::new(user))
            .call_id(self.endpoint.new_token())
            .cseq(1)
            .header("Event", "registration-notify")
            .header("Subscription-State", "terminated;expires=0")
            .body("text/registration-event", "deregistered;event=unregistered");
        self.send(draft, FlowId::new(0), now);
    }

    fn contact(&self) -> String {
        format!("<{}>;isfocus", self.conference.borrow().uri)
    }

    /// To the flow of the dialog, else wherever its user is registered.
    fn send(&mut self, mut draft: RequestDraft, flow: FlowId, now: Instant) -> Option<ClientTransactionId> {
        let hop = draft.route_values().first().and_then(|route| route.uri().sip_addr());
        let bound = self.conference.borrow().bindings.get(draft.uri.as_str()).cloned();
        let target = match (hop, bound) {
            (Some(addr), _) => Target::Address { transport: TransportKind::Tcp, addr },
            (None, _) if self.endpoint.flow_info(flow).is_some() => Target::Flow(flow),
            (None, Some(binding)) => {
                let path: NameAddr = binding.parse().ok()?;
                let addr = path.uri().sip_addr()?;
                if path.uri().is_loose_router() {
                    draft = draft.route(vec![path.clone()]);
                }
                Target::Address { transport: path.uri().transport().unwrap_or(TransportKind::Udp), addr }
            }
            (None, None) => return None,
        };
        Some(self.endpoint.send_request(draft, target, now))
    }

    // ---- requests ----

    fn on_request(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        match self.script.take(request.method()) {
            Action::Silence => return,
            Action::Answer { status, headers } => {
                let draft = ResponseDraft::to(request, status);
                let draft =
                    headers.iter().fold(draft, |draft, (name, value)| draft.header(name, value.clone()));
                return self.endpoint.respond(tx, draft, now);
            }
            Action::Hold(wait) => {
                self.endpoint.respond(tx, ResponseDraft::to(request, 100), now);
                self.later
                    .push((now + wait, Later::Request { tx, flow, request: Box::new(request.clone()) }));
                return;
            }
            Action::Usual => {}
        }
        self.usual(tx, flow, request, now);
    }

    fn usual(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        match (request.method(), request.to().tag().is_some()) {
            (Method::Register, _) => self.on_register(tx, flow, request, now),
            (Method::Invite, false) => self.on_invite(tx, flow, request, now),
            (Method::Subscribe, false) => self.on_subscribe(tx, flow, request, now),
            (Method::Options, false) => self.endpoint.respond(tx, ResponseDraft::to(request, 200), now),
            (_, false) => self.endpoint.respond(tx, ResponseDraft::to(request, 405), now),
            (_, true) => self.on_in_dialog(tx, flow, request, now),
        }
    }

    fn on_register(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        let contact = request.headers().get("Contact").unwrap_or_default().to_owned();
        let user = request.to().uri().as_str().to_owned();
        let instance =
            contact.split("urn:uuid:").nth(1).and_then(|uuid| uuid.split('-').next()).unwrap_or("none");
        let gruu = format!("{user};opaque=user:epid:{instance};gruu");
        let edge = self
            .endpoint
            .flow_info(flow)
            .map(|info| format!("<sip:{};transport={}>", info.remote, info.transport));
        let path = request.headers().get("Path").map(str::to_owned);
        if let Some(binding) = path.or(edge) {
            self.conference.borrow_mut().bindings.insert(gruu.clone(), binding);
        }
        let draft = ResponseDraft::to(request, 200).header("Contact", format!("{contact};gruu=\"{gruu}\""));
        self.endpoint.respond(tx, draft.header("Expires", "7200"), now);
    }

    fn on_invite(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        let parsed = C3pRequest::parse(request.body(), &c3p::Limits::default());
        let (ended, admission, locked) = {
            let conference = self.conference.borrow();
            (conference.ended, conference.admission, conference.locked)
        };
        let Ok(C3pRequest { request_id, from, to, mcu_uri, command: Command::AddUser(add), extensions }) =
            parsed
        else {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 400), now);
        };
        let user = add.user.entity.clone();
        let device = add.endpoint().map(|endpoint| endpoint.entity.clone()).unwrap_or_default();
        let known =
            self.conference.borrow().members.get(&user).is_some_and(|member| member.endpoint == device);
        let refusal = match admission {
            _ if ended => Some(404),
            Admission::Refused => Some(403),
            Admission::Lobby if !add.lobby_capable() && !known => Some(403),
            Admission::Open | Admission::Lobby => None,
        };
        if let Some(status) = refusal {
            let why = if status == 404 {
                "3012;reason=\"no such conference\""
            } else {
                "3014;reason=\"not admitted\""
            };
            return self.endpoint.respond(
                tx,
                ResponseDraft::to(request, status).header("ms-diagnostics", why),
                now,
            );
        }
        let lobby = admission == Admission::Lobby || locked;
        let role = self.conference.borrow_mut().join(
            &user,
            &device,
            add.user.display_text.clone(),
            lobby,
            Some(self.forwarder.addr),
        );
        let lobby = self.conference.borrow().in_lobby(&user);
        let status = if lobby { EndpointStatus::OnHold } else { EndpointStatus::Connected };
        let granted = User::new(&user)
            .with_role(role)
            .with_endpoint(Device::new(&device, SessionType::Focus).with_status(status));
        let conference = add.conference.clone();
        let command = Command::AddUser(add);
        let asked = C3pRequest { request_id, from, to, mcu_uri, command, extensions };
        let result = CommandResult::AddUser(Some(AddUser { conference, user: granted }));
        let tag = self.endpoint.new_token();
        let draft = ResponseDraft::to(request, 200)
            .to_tag(&tag)
            .header("Contact", self.contact())
            .header("Supported", RECOVERY_TAG)
            .header("Require", "timer")
            .header("Session-Expires", format!("{};refresher=uac", self.session_expires))
            .body(c3p::mime::C3P, C3pResponse::success(&asked, result).write());
        if let Ok(dialog) = Dialog::uas(request, &tag) {
            self.dialogs.retain(|known| known.endpoint != device || known.user != user);
            self.dialogs.push(FocusDialog { dialog, user, endpoint: device, flow });
        }
        self.endpoint.respond(tx, draft, now);
    }

    fn on_subscribe(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        let user = request.from().uri().address_of_record().to_string();
        let member = self.conference.borrow().members.contains_key(&user);
        if !member {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 403), now);
        }
        let tag = self.endpoint.new_token();
        let Ok(dialog) = Dialog::uas(request, &tag) else { return };
        let lobby = self.conference.borrow().in_lobby(&user);
        // One subscription for each user is enough here: the newest.
        self.watchers.retain(|watcher| watcher.user != user);
        self.watchers.push(Watcher { dialog, user: user.clone(), flow, version: 0, lobby });
        let index = self.watchers.len() - 1;
        let draft = ResponseDraft::to(request, 200).to_tag(&tag);
        self.answer_subscribe(tx, draft, index, now);
    }

    fn answer_subscribe(
        &mut self,
        tx: ServerTransactionId,
        draft: ResponseDraft,
        index: usize,
        now: Instant,
    ) {
        let user = self.watchers[index].user.clone();
        let info = self.conference.borrow().full(&user);
        let draft = draft
            .header("Contact", self.contact())
            .header("Supported", RECOVERY_TAG)
            .header("Event", "conference")
            .header("Expires", self.subscription_expires.to_string())
            .header("Subscription-State", format!("active;expires={}", self.subscription_expires));
        self.watchers[index].version = info.version.unwrap_or(0);
        self.watchers[index].lobby = self.conference.borrow().in_lobby(&user);
        let mut body = info.write();
        if self.garbles > 0 {
            self.garbles -= 1;
            body.truncate(body.len() / 2);
        }
        if self.piggyback {
            return self.endpoint.respond(tx, draft.body(c3p::mime::CONFERENCE_INFO, body), now);
        }
        self.endpoint.respond(tx, draft, now);
        self.notify(index, body, now);
    }

    fn on_in_dialog(&mut self, tx: ServerTransactionId, flow: FlowId, request: &Request, now: Instant) {
        let id = sip_core::in_dialog_id(request);
        let focus = self.dialogs.iter().position(|dialog| Some(dialog.dialog.id()) == id.as_ref());
        let watcher = self.watchers.iter().position(|watcher| Some(watcher.dialog.id()) == id.as_ref());
        match (focus, watcher) {
            (Some(index), _) => self.on_focus_request(index, tx, flow, request, now),
            (None, Some(index)) => self.on_watcher_request(index, tx, flow, request, now),
            (None, None) => {
                let why = "61001;reason=\"no such dialog here\";source=\"fe.example.com\"";
                self.endpoint.respond(tx, ResponseDraft::to(request, 481).header("ms-diagnostics", why), now);
            }
        }
    }

    fn on_focus_request(
        &mut self,
        index: usize,
        tx: ServerTransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let contact = self.contact();
        let dialog = &mut self.dialogs[index];
        if dialog.dialog.check_request(request).is_err() {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 500), now);
        }
        dialog.flow = flow;
        match request.method() {
            Method::Update => {
                dialog.dialog.refresh_target(request.contact());
                // A hop writes itself into each UPDATE; one that came straight brings an empty route.
                dialog.dialog.replace_route_from_request(request);
                let draft = ResponseDraft::to(request, 200)
                    .header("Contact", contact)
                    .header("Supported", RECOVERY_TAG)
                    .header("Session-Expires", format!("{};refresher=uac", self.session_expires));
                self.endpoint.respond(tx, draft, now);
            }
            Method::Bye => {
                let gone = self.dialogs.remove(index);
                self.conference.borrow_mut().remove_person(&gone.user);
                self.endpoint.respond(tx, ResponseDraft::to(request, 200), now);
            }
            Method::Info => self.on_command(index, tx, request, now),
            _ => self.endpoint.respond(tx, ResponseDraft::to(request, 405), now),
        }
    }

    fn on_command(&mut self, index: usize, tx: ServerTransactionId, request: &Request, now: Instant) {
        let Ok(command) = C3pRequest::parse(request.body(), &c3p::Limits::default()) else {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 400), now);
        };
        self.endpoint.respond(tx, ResponseDraft::to(request, 202), now);
        let dialog = &self.dialogs[index];
        let (user, endpoint, id) = (dialog.user.clone(), dialog.endpoint.clone(), dialog.dialog.id().clone());
        let answer = self.conference.borrow_mut().execute(&user, &endpoint, &command);
        if self.says_pending {
            let pending = C3pResponse::pending(&command);
            self.later.push((now, Later::Result { dialog: id.clone(), answer: Box::new(pending) }));
        }
        self.later.push((now + self.think, Later::Result { dialog: id, answer: Box::new(answer) }));
    }

    fn on_watcher_request(
        &mut self,
        index: usize,
        tx: ServerTransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let watcher = &mut self.watchers[index];
        if watcher.dialog.check_request(request).is_err() {
            return self.endpoint.respond(tx, ResponseDraft::to(request, 500), now);
        }
        watcher.flow = flow;
        watcher.dialog.refresh_target(request.contact());
        watcher.dialog.replace_route_from_request(request);
        let over = request.headers().get("Expires").is_some_and(|value| value.trim() == "0");
        if over {
            self.watchers.remove(index);
            let draft =
                ResponseDraft::to(request, 200).header("Expires", "0").header("Contact", self.contact());
            return self.endpoint.respond(tx, draft, now);
        }
        self.answer_subscribe(tx, ResponseDraft::to(request, 200), index, now);
    }

    // ---- notifications ----

    fn notify(&mut self, index: usize, body: bytes::Bytes, now: Instant) {
        let contact = self.contact();
        let watcher = &mut self.watchers[index];
        let draft = watcher
            .dialog
            .request(Method::Benotify)
            .header("Contact", contact)
            .header("Event", "conference")
            .header("Subscription-State", "active;expires=3600")
            .body(c3p::mime::CONFERENCE_INFO, body);
        let hop = draft.route_values().first().and_then(|route| route.uri().sip_addr());
        let target = match hop {
            Some(addr) => Target::Address { transport: TransportKind::Tcp, addr },
            None => Target::Flow(watcher.flow),
        };
        self.endpoint.send_oneway(draft, target, now);
    }

    fn notify_over(&mut self, watcher: &mut Watcher, reason: &str, diagnostics: &str, now: Instant) {
        let mut draft = watcher
            .dialog
            .request(Method::Notify)
            .header("Contact", self.contact())
            .header("Event", "conference")
            .header("Supported", RECOVERY_TAG)
            .header("Subscription-State", format!("terminated;reason={reason}"));
        if !diagnostics.is_empty() {
            draft = draft.header("ms-diagnostics", diagnostics);
        }
        self.send(draft, watcher.flow, now);
    }

    fn is_stale(&self) -> bool {
        let conference = self.conference.borrow();
        let away = conference.sent_away.iter().any(|away| away.home == Some(self.forwarder.addr));
        away || self.watchers.iter().any(|watcher| {
            watcher.version < conference.version || (watcher.lobby && !conference.in_lobby(&watcher.user))
        })
    }

    /// Tells watchers what they do not know yet, and sends those away who were removed.
    fn publish(&mut self, now: Instant) {
        let here = Some(self.forwarder.addr);
        let (away, others): (Vec<SentAway>, Vec<SentAway>) =
            std::mem::take(&mut self.conference.borrow_mut().sent_away)
                .into_iter()
                .partition(|away| away.home == here);
        self.conference.borrow_mut().sent_away = others;
        for SentAway { user, reason, diagnostics, .. } in away {
            self.end_subscription(&user, reason, now);
            self.bye(&user, &format!("{diagnostics};reason=\"{reason}\";source=\"fe.example.com\""), now);
        }
        let version = self.conference.borrow().version;
        for index in 0..self.watchers.len() {
            let (user, lobby, known) = {
                let watcher = &self.watchers[index];
                (watcher.user.clone(), watcher.lobby, watcher.version)
            };
            self.watchers[index].version = version;
            if lobby {
                if !self.conference.borrow().in_lobby(&user) {
                    self.watchers[index].lobby = false;
                    let info = self.conference.borrow().full(&user);
                    self.notify(index, info.write(), now);
                }
                continue;
            }
            let changes = self.conference.borrow().since(known);
            for change in changes {
                self.notify(index, change.write(), now);
            }
        }
    }

    fn send_result(&mut self, id: &DialogId, answer: &C3pResponse, now: Instant) {
        let Some(index) = self.dialogs.iter().position(|dialog| dialog.dialog.id() == id) else { return };
        let contact = self.contact();
        let dialog = &mut self.dialogs[index];
        let flow = dialog.flow;
        let draft = dialog
            .dialog
            .request(Method::Info)
            .header("Contact", contact)
            .header("Supported", RECOVERY_TAG)
            .body(c3p::mime::C3P, answer.write());
        if let Some(tx) = self.send(draft, flow, now) {
            self.sent.push((tx, id.clone()));
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, flow, request } => self.on_request(tx, flow, &request, now),
                Event::Response { tx, response, .. } if response.status() == 481 => {
                    // Only 481 ends a dialog whose reverse INFO failed.
                    if let Some((_, id)) = self.sent.iter().find(|(sent, _)| *sent == tx) {
                        self.dialogs.retain(|dialog| dialog.dialog.id() != id);
                    }
                }
                _ => {}
            }
        }
    }

    /// An INVITE to an MCU is passed on, without a Record-Route.
    fn forwards(&mut self, flow: FlowId, request: &Request) -> bool {
        let Some((_, mcu)) = c3p::uri::conference_of_mcu(request.uri().as_str()) else { return false };
        let Some((_, addr)) = self.mcus.iter().find(|(of, _)| *of == mcu) else { return false };
        let user = request.from().uri().address_of_record().to_string();
        let inside = self.dialogs.iter().any(|dialog| dialog.user == user)
            && !self.conference.borrow().in_lobby(&user);
        if *request.method() == Method::Invite && !inside {
            self.forwarder.answer(flow, request, 403, &[]);
            return true;
        }
        let mut draft = RequestDraft::from_request(request);
        let own =
            request.route().first().is_some_and(|route| route.uri().sip_addr() == Some(self.forwarder.addr));
        if own {
            draft.pop_route();
        }
        self.forwarder.pass_to_address(flow, request, draft, *addr);
        true
    }
}

impl Node for MockFocus {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.now = now;
        self.forwarder.note(&input);
        let passed_on = match &input {
            TransportInput::Message { flow, message: Message::Request(request) } => {
                self.forwards(*flow, request)
            }
            TransportInput::Message { message: Message::Response(response), .. } => {
                self.forwarder.back(response)
            }
            _ => false,
        };
        if passed_on {
            return;
        }
        for (_, flow, request) in std::mem::take(&mut self.forwarder.failed) {
            if *request.method() == Method::Invite {
                let why = ("ms-diagnostics".to_owned(), "61002;reason=\"MCU failing over\"".to_owned());
                self.forwarder.answer(flow, &request, 503, &[why]);
            }
        }
        self.endpoint.handle(input, now);
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.endpoint.handle_timeout(now);
        self.drain(now);
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, what) in due {
            match what {
                Later::Request { tx, flow, request } => self.usual(tx, flow, &request, now),
                Later::Result { dialog, answer } => {
                    // What a command changed is told before its result.
                    self.publish(now);
                    self.send_result(&dialog, &answer, now);
                }
            }
        }
        self.publish(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let later = self.later.iter().map(|(at, _)| *at).min();
        let stale = self.is_stale().then_some(self.now);
        [later, stale, self.endpoint.poll_timeout()].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.forwarder.poll_transmit().or_else(|| self.endpoint.poll_transmit())
    }

    fn poll_remark(&mut self) -> Option<Remark> {
        self.remarks.pop_front()
    }
}

/// The Contact of an MCU: its own address, so that requests in its dialogs pass no front end.
pub(super) fn mcu_contact(conference: &str, addr: SocketAddr, transport: TransportKind) -> String {
    let id = c3p::uri::conference_id(conference).unwrap_or("conference");
    format!("<{}>;isfocus", Uri::for_addr(Some(id), addr, transport))
}
