//! The core behind an endpoint: one user agent, and the conversations that go through it.
//!
//! A [`ClientCore`] ties a [`ConferenceSession`] machine to its wire: the [`FocusLink`], and one call per modality. It
//! carries out the machine's effects and feeds it what the wire saw. It is a core like those below it: no socket, clock,
//! task or lock; a driver gives it messages and the time.
//!
//! # Invariants
//!
//! - What the machine puts out is handled in order before the next input, so the order of section 7 of the specification
//!   holds for the application.
//! - A conversation whose session is over holds no dialog, and is dropped with its last handle.
//!
//! Not here: what the states mean ([`crate::session`]), sockets (the task behind [`crate::handle`]).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use c3p::McuType;
use c3p::command as cccp;
use c3p::info::{AdmissionPolicy, ConferenceInfo, Description, EntityView, Views};
use mcu::im::{CallEvent, ImCall, MessageToken, SendFailure};
use sip_core::recoverable::Fault;
use sip_core::ua::{RequestId, Routing, SendError, UaEvent, UserAgent};
use sip_core::{
    DialogId, FlowId, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, ServerTransactionId, Transmit,
    TransportInput, Uri,
};

use crate::event::Event;
use crate::handle::{JoinOptions, ScheduleOptions, Scheduled};
use crate::link::{FocusLink, LinkTimes};
use crate::roster::RosterSnapshot;
use crate::session::{
    Awaited, Command, CommandOutcome, Completion, ConferenceSession, Detector, Effect, Input, OperationError,
    OperationId, OperationName, OperationValue, Output, RepairedDialog, Reply, SessionConfig, SessionState, Status,
    TerminateMode, WireFailure,
};

/// Names one conference session of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConferenceId(pub u64);

/// Names one request to the Factory that the application waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduleId(pub u64);

/// What to join.
#[derive(Debug, Clone)]
pub enum JoinTarget {
    /// The conference with this URI, as people type it.
    Uri(String),
    /// One that is made first.
    New(ScheduleOptions),
}

/// What the core tells its driver.
#[derive(Debug)]
pub enum ClientOutput {
    /// Something happened to a session.
    Event {
        /// Which session.
        id: ConferenceId,
        /// What.
        event: Event,
    },
    /// An operation is over.
    Complete(Completion),
    /// The roster of a session changed.
    Roster {
        /// Which session.
        id: ConferenceId,
        /// What it is now.
        roster: Arc<RosterSnapshot>,
    },
    /// The session is over: no more events.
    Over(ConferenceId),
    /// The Factory answered.
    Scheduled {
        /// Which request.
        id: ScheduleId,
        /// What it said.
        result: Result<Scheduled, OperationError>,
    },
}

/// What an answer of the Factory is for.
#[derive(Debug)]
enum FactoryPurpose {
    Schedule(ScheduleId),
    Join(ConferenceId),
    Delete,
}

/// A request to the Factory that waits until the registration is settled.
#[derive(Debug)]
enum Waiting {
    Factory { command: cccp::Command, purpose: FactoryPurpose },
    Link(ConferenceId),
}

#[derive(Debug)]
struct Conversation {
    session: ConferenceSession,
    config: SessionConfig,
    target: Option<JoinTarget>,
    lobby_capable: bool,
    link: Option<FocusLink>,
    calls: BTreeMap<McuType, ImCall>,
    messages: HashMap<(McuType, MessageToken), OperationId>,
    /// The conference was made by this session: ending it deletes it, too.
    made_here: bool,
    roster: Arc<RosterSnapshot>,
    dropped: bool,
    over: bool,
}

/// One endpoint and its conference sessions, without I/O.
#[derive(Debug)]
pub struct ClientCore {
    ua: UserAgent,
    times: LinkTimes,
    conversations: BTreeMap<ConferenceId, Conversation>,
    factory: HashMap<RequestId, FactoryPurpose>,
    waiting: Vec<Waiting>,
    request_id: u64,
    out: VecDeque<ClientOutput>,
}

impl ClientCore {
    /// A core over a user agent. Nothing is sent yet.
    #[must_use]
    pub fn new(ua: UserAgent, times: LinkTimes) -> Self {
        ClientCore {
            ua,
            times,
            conversations: BTreeMap::new(),
            factory: HashMap::new(),
            waiting: Vec::new(),
            request_id: 0,
            out: VecDeque::new(),
        }
    }

    /// Our user entity, as rosters show it.
    #[must_use]
    pub fn user(&self) -> String {
        self.ua.address().to_string()
    }

    /// The user agent below.
    #[must_use]
    pub fn user_agent(&self) -> &UserAgent {
        &self.ua
    }

    // ---- the application ----

    /// Makes a session in `Idle`.
    pub fn open(&mut self, id: ConferenceId, now: Instant) {
        let config = SessionConfig::new(self.user(), new_guid(&mut self.ua));
        let session = ConferenceSession::new(config.clone(), now);
        let roster = session.roster();
        let conversation = Conversation {
            session,
            config,
            target: None,
            lobby_capable: true,
            link: None,
            calls: BTreeMap::new(),
            messages: HashMap::new(),
            made_here: false,
            roster,
            dropped: false,
            over: false,
        };
        self.conversations.insert(id, conversation);
    }

    /// Joins (T1).
    pub fn join(&mut self, id: ConferenceId, op: OperationId, target: JoinTarget, options: JoinOptions, now: Instant) {
        if let Some(conversation) = self.conversations.get_mut(&id)
            && conversation.session.state() == SessionState::Idle
        {
            conversation.config.lobby_timeout = options.lobby_timeout;
            conversation.config.give_up_after = options.give_up_after;
            conversation.session = ConferenceSession::new(conversation.config.clone(), now);
            conversation.made_here = matches!(target, JoinTarget::New(_));
            conversation.target = Some(target);
        }
        self.input(id, op, OperationName::Join, Input::Join { op }, now);
    }

    /// Starts a command, a call or a message.
    pub fn begin(&mut self, id: ConferenceId, op: OperationId, command: Command, now: Instant) {
        let name = command.name();
        self.input(id, op, name, Input::Begin { op, command }, now);
    }

    /// Leaves; always possible.
    pub fn leave(&mut self, id: ConferenceId, op: OperationId, now: Instant) {
        self.input(id, op, OperationName::Leave, Input::Leave { op }, now);
    }

    /// Ends the conference for everybody (T3b).
    pub fn end(&mut self, id: ConferenceId, op: OperationId, now: Instant) {
        self.input(id, op, OperationName::End, Input::EndForAll { op }, now);
    }

    /// The last handle of a session is gone: it leaves by itself.
    pub fn handle_dropped(&mut self, id: ConferenceId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.dropped = true;
        conversation.session.handle_input(Input::HandleDropped, now);
        self.pump(id, now);
        self.reap(id);
    }

    /// Shows the others that we type, or stopped; nobody waits for it.
    pub fn typing(&mut self, id: ConferenceId, types: bool, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if let Some(call) = conversation.calls.get_mut(&McuType::Im) {
            call.typing(types, &mut self.ua, now);
        }
    }

    /// Creates a conference at our Factory.
    pub fn schedule(&mut self, id: ScheduleId, options: &ScheduleOptions, now: Instant) {
        let command = self.add_conference(options);
        self.ask_factory(command, FactoryPurpose::Schedule(id), now);
    }

    /// The session at this moment.
    #[must_use]
    pub fn status(&self, id: ConferenceId) -> Option<Status> {
        self.conversations.get(&id).map(|conversation| conversation.session.status())
    }

    /// The Call-ID of the call to an MCU, while there is one.
    #[must_use]
    pub fn call_id(&self, id: ConferenceId, mcu: McuType) -> Option<String> {
        let call = self.conversations.get(&id)?.calls.get(&mcu)?;
        call.state().is_up().then(|| call.call_id().to_owned())
    }

    /// Whether every session is over or was never begun.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.factory.is_empty() && self.conversations.values().all(|conversation| {
            matches!(conversation.session.state(), SessionState::Idle | SessionState::Disconnected)
        })
    }

    /// Leaves every session, as if all handles were dropped, and takes the registration back.
    pub fn shutdown(&mut self, now: Instant) {
        let ids: Vec<ConferenceId> = self.conversations.keys().copied().collect();
        for id in ids {
            self.handle_dropped(id, now);
        }
        self.ua.unregister(now);
    }

    // ---- the driver ----

    /// Takes what the transport saw.
    pub fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.ua.endpoint().handle(input, now);
        self.drain(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ua.handle_timeout(now);
        self.drain(now);
        let ids: Vec<ConferenceId> = self.conversations.keys().copied().collect();
        for id in ids {
            let Some(conversation) = self.conversations.get_mut(&id) else { continue };
            if let Some(link) = &mut conversation.link {
                link.handle_timeout(&mut self.ua, now);
            }
            for call in conversation.calls.values_mut() {
                call.handle_timeout(&mut self.ua, now);
            }
            if conversation.session.poll_timeout().is_some_and(|(at, _)| at <= now) {
                conversation.session.handle_timeout(now);
            }
            self.pump(id, now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let of_conversations = self.conversations.values().flat_map(|conversation| {
            let session = conversation.session.poll_timeout().map(|(at, _)| at);
            let link = conversation.link.as_ref().and_then(FocusLink::poll_timeout);
            let calls = conversation.calls.values().filter_map(ImCall::poll_timeout).min();
            [session, link, calls].into_iter().flatten()
        });
        of_conversations.chain(self.ua.poll_timeout()).min()
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.ua.endpoint().poll_transmit()
    }

    /// The next thing to tell the application.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.out.pop_front()
    }

    // ---- the machine ----

    fn input(&mut self, id: ConferenceId, op: OperationId, name: OperationName, input: Input, now: Instant) {
        match self.conversations.get_mut(&id) {
            Some(conversation) => {
                conversation.session.handle_input(input, now);
                self.pump(id, now);
            }
            None => {
                let result = Err(OperationError::Cancelled { operation: name });
                self.out.push_back(ClientOutput::Complete(Completion { id: op, name, result }));
            }
        }
    }

    /// Hands everything on until machine and wire have nothing more to say.
    fn pump(&mut self, id: ConferenceId, now: Instant) {
        loop {
            let Some(conversation) = self.conversations.get_mut(&id) else { return };
            if let Some(output) = conversation.session.poll_output() {
                self.on_output(id, output, now);
            } else if let Some(input) = conversation.link.as_mut().and_then(FocusLink::poll_event) {
                self.on_link_input(id, input, now);
            } else if !self.pump_call(id, now) {
                break;
            }
        }
        self.publish(id);
        self.close(id);
        self.reap(id);
    }

    /// After the final state's last event nothing more comes.
    fn close(&mut self, id: ConferenceId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if conversation.session.state() == SessionState::Disconnected && !conversation.over {
            conversation.over = true;
            self.out.push_back(ClientOutput::Over(id));
        }
    }

    fn publish(&mut self, id: ConferenceId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let roster = conversation.session.roster();
        if !Arc::ptr_eq(&roster, &conversation.roster) {
            conversation.roster = Arc::clone(&roster);
            self.out.push_back(ClientOutput::Roster { id, roster });
        }
    }

    fn reap(&mut self, id: ConferenceId) {
        let done = self.conversations.get(&id).is_some_and(|conversation| {
            conversation.dropped
                && matches!(conversation.session.state(), SessionState::Idle | SessionState::Disconnected)
        });
        if done {
            self.conversations.remove(&id);
        }
    }

    fn on_output(&mut self, id: ConferenceId, output: Output, now: Instant) {
        match output {
            Output::Event(event) => {
                // A reader of the roster must not be behind the events that tell of it.
                self.publish(id);
                self.out.push_back(ClientOutput::Event { id, event });
            }
            Output::Complete(completion) => {
                if completion.name == OperationName::End && completion.result.is_ok() {
                    self.delete_what_was_made(id, now);
                }
                self.out.push_back(ClientOutput::Complete(completion));
            }
            Output::Effect(effect) => self.on_effect(id, effect, now),
        }
    }

    fn on_effect(&mut self, id: ConferenceId, effect: Effect, now: Instant) {
        if let Effect::StartJoin { lobby_capable } = effect {
            return self.start_join(id, lobby_capable, now);
        }
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let ua = &mut self.ua;
        let link = conversation.link.as_mut();
        match effect {
            Effect::StartJoin { .. } => {}
            Effect::CancelJoin => match link {
                Some(link) => link.cancel_join(ua, now),
                None => {
                    conversation.target = None;
                    conversation.session.handle_input(Input::Terminated, now);
                }
            },
            Effect::SendCommand { op, command } => self.send_command(id, op, command, now),
            Effect::DropCommand { op } => {
                conversation.messages.retain(|_, other| *other != op);
                if let Some(link) = link {
                    link.drop_command(op);
                }
            }
            Effect::EndForAll { op } => {
                if let Some(link) = link {
                    let key = cccp::ConferenceKey::Entity(link.conference().to_owned());
                    link.command(op, cccp::Command::DeleteConference { key }, ua, now);
                }
            }
            Effect::Rejoin { after, .. } => {
                if let Some(link) = link {
                    link.rejoin(after, ua, now);
                }
            }
            Effect::StartHealing { at_once } => {
                if let Some(link) = link {
                    let at_once = at_once && !link.repair_was_tried();
                    link.heal(at_once, ua, now);
                }
            }
            Effect::RefreshSubscription => {
                if let Some(link) = link {
                    link.refresh(false, ua, now);
                }
            }
            Effect::Terminate { mode } => {
                for call in conversation.calls.values_mut() {
                    call.hangup(ua, now);
                }
                match link {
                    Some(link) => link.terminate(mode == TerminateMode::BestEffort, ua, now),
                    None => conversation.session.handle_input(Input::Terminated, now),
                }
            }
            Effect::EndCall { mcu, reason } => {
                if let Some(call) = conversation.calls.get_mut(&mcu) {
                    call.end(reason, ua, now);
                }
            }
            Effect::Release => self.release(id, now),
        }
    }

    fn release(&mut self, id: ConferenceId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if let Some(mut link) = conversation.link.take() {
            link.forget(&mut self.ua);
        }
        for call in conversation.calls.values_mut() {
            call.end(mcu::EndReason::SessionEnding, &mut self.ua, now);
        }
        conversation.calls.clear();
        conversation.messages.clear();
    }

    /// A conference that was made for this session alone goes with it: a later join gets 404.
    fn delete_what_was_made(&mut self, id: ConferenceId, now: Instant) {
        let Some(conversation) = self.conversations.get(&id).filter(|conversation| conversation.made_here) else {
            return;
        };
        if let Some(JoinTarget::Uri(uri)) = &conversation.target
            && let Some(conference_id) = c3p::uri::conference_id(uri)
        {
            let key = cccp::ConferenceKey::Id(conference_id.to_owned());
            self.ask_factory(cccp::Command::DeleteConference { key }, FactoryPurpose::Delete, now);
        }
    }

    // ---- joining ----

    fn start_join(&mut self, id: ConferenceId, lobby_capable: bool, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.lobby_capable = lobby_capable;
        match conversation.target.clone() {
            Some(JoinTarget::Uri(_)) => self.when_settled(Waiting::Link(id), now),
            Some(JoinTarget::New(options)) => {
                let command = self.add_conference(&options);
                self.ask_factory(command, FactoryPurpose::Join(id), now);
            }
            None => self.join_failed(id, Reply::transport("there is nothing to join"), now),
        }
    }

    fn start_link(&mut self, id: ConferenceId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(JoinTarget::Uri(text)) = &conversation.target else { return };
        let config = &conversation.config;
        let made = c3p::uri::clean_input(text).map_err(|error| error.to_string()).and_then(|uri| {
            let (user, endpoint) = (config.own_user.clone(), config.own_endpoint.clone());
            FocusLink::new(&uri, user, endpoint, conversation.lobby_capable, self.times)
                .map_err(|error| error.to_string())
        });
        match made {
            Ok(mut link) => {
                link.join(std::time::Duration::ZERO, &mut self.ua, now);
                conversation.link = Some(link);
                self.pump(id, now);
            }
            Err(error) => self.join_failed(id, Reply::transport(error), now),
        }
    }

    fn join_failed(&mut self, id: ConferenceId, reply: Reply, now: Instant) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.session.handle_input(Input::JoinFailed(WireFailure::Refused(reply)), now);
        }
        self.pump(id, now);
    }

    /// Runs what needs a Contact once the registration is settled: done, refused, or out of reach.
    fn when_settled(&mut self, what: Waiting, now: Instant) {
        if self.ua.is_settled() {
            return self.run(what, now);
        }
        self.waiting.push(what);
        self.ua.register(now);
    }

    fn run(&mut self, what: Waiting, now: Instant) {
        match what {
            Waiting::Link(id) => self.start_link(id, now),
            Waiting::Factory { command, purpose } => self.send_factory(command, purpose, now),
        }
    }

    // ---- the Factory ----

    fn add_conference(&mut self, options: &ScheduleOptions) -> cccp::Command {
        let id = options.id.clone().unwrap_or_else(|| {
            self.ua.endpoint().new_token().chars().take(20).collect::<String>().to_ascii_uppercase()
        });
        let mcus = if options.mcus.is_empty() { vec![McuType::Im] } else { options.mcus.clone() };
        let mut info = ConferenceInfo::new("");
        info.description = Some(Description {
            subject: Some(options.subject.clone().unwrap_or_default()),
            conference_id: Some(id),
            expiry_time: options.expires.clone(),
            admission_policy: Some(AdmissionPolicy::OpenAuthenticated),
            ..Description::default()
        });
        let views = mcus.into_iter().map(|mcu| EntityView::new(mcu.to_string())).collect();
        info.views = Some(Views::full(views));
        cccp::Command::AddConference(Box::new(info))
    }

    fn ask_factory(&mut self, command: cccp::Command, purpose: FactoryPurpose, now: Instant) {
        self.when_settled(Waiting::Factory { command, purpose }, now);
    }

    fn send_factory(&mut self, command: cccp::Command, purpose: FactoryPurpose, now: Instant) {
        let user = self.user();
        let factory = c3p::uri::factory_uri(&user);
        let Ok(uri) = Uri::parse(&factory) else {
            return self.factory_failed(purpose, Reply::transport("our address has no Factory"), now);
        };
        self.request_id += 1;
        let body = cccp::Request::new(self.request_id, user, factory, command).write();
        let call_id = self.ua.endpoint().new_token();
        let draft = RequestDraft::new(Method::Service, uri.clone())
            .from(self.ua.new_from())
            .to(NameAddr::new(uri))
            .call_id(call_id)
            .cseq(1)
            .header("Contact", self.ua.contact().to_string())
            .body(c3p::mime::C3P, body);
        let request = self.ua.send(draft, Routing::Outbound, now);
        self.factory.insert(request, purpose);
    }

    fn on_factory_answer(&mut self, purpose: FactoryPurpose, response: &Response, now: Instant) {
        let answer = cccp::Response::parse(response.body(), &c3p::Limits::default());
        let made = match answer {
            Ok(cccp::Response { code: cccp::Code::Success, result, .. }) if response.status() < 300 => Ok(result),
            Ok(cccp::Response { reason, .. }) => Err(reason.map(|reason| reason.to_string())),
            Err(_) => Err(None),
        };
        match (made, purpose) {
            (Ok(cccp::CommandResult::AddConference(Some(info))), FactoryPurpose::Schedule(id)) => {
                let expires = info.description.and_then(|description| description.expiry_time);
                let result = Ok(Scheduled { uri: info.entity, expires });
                self.out.push_back(ClientOutput::Scheduled { id, result });
            }
            (Ok(cccp::CommandResult::AddConference(Some(info))), FactoryPurpose::Join(id)) => {
                if let Some(conversation) = self.conversations.get_mut(&id)
                    && conversation.target.is_some()
                {
                    conversation.target = Some(JoinTarget::Uri(info.entity));
                    self.start_link(id, now);
                }
            }
            (made, purpose) => {
                let reply = Reply::status(response.status())
                    .with_diagnostics(response.headers().get("ms-diagnostics"))
                    .with_c3p_reason(made.err().flatten());
                self.factory_failed(purpose, reply, now);
            }
        }
    }

    fn factory_failed(&mut self, purpose: FactoryPurpose, reply: Reply, now: Instant) {
        match purpose {
            FactoryPurpose::Schedule(id) => {
                let result = Err(OperationError::Failure { operation: OperationName::Schedule, reply });
                self.out.push_back(ClientOutput::Scheduled { id, result });
            }
            FactoryPurpose::Join(id) => self.join_failed(id, reply, now),
            FactoryPurpose::Delete => {}
        }
    }

    fn on_factory_silent(&mut self, purpose: FactoryPurpose, error: SendError, now: Instant) {
        if error != SendError::Timeout {
            return self.factory_failed(purpose, Reply::transport(error.to_string()), now);
        }
        let waited = self.times.first_answer;
        let awaited = Awaited::FactoryAnswer;
        match purpose {
            FactoryPurpose::Schedule(id) => {
                let operation = OperationName::Schedule;
                let result = Err(OperationError::Timeout { operation, awaited, waited });
                self.out.push_back(ClientOutput::Scheduled { id, result });
            }
            FactoryPurpose::Join(id) => {
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    let failure = WireFailure::Silent { awaited, waited };
                    conversation.session.handle_input(Input::JoinFailed(failure), now);
                }
                self.pump(id, now);
            }
            FactoryPurpose::Delete => {}
        }
    }

    // ---- commands and calls ----

    fn send_command(&mut self, id: ConferenceId, op: OperationId, command: Command, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let ua = &mut self.ua;
        match command {
            Command::Call { mcu } => self.place_call(id, op, mcu, now),
            Command::Hangup { mcu } => {
                if let Some(call) = conversation.calls.get_mut(&mcu) {
                    call.hangup(ua, now);
                }
            }
            Command::Say { text, .. } => {
                let Some(call) = conversation.calls.get_mut(&McuType::Im) else { return };
                let token = call.send_text(&text, ua, now);
                conversation.messages.insert((McuType::Im, token), op);
            }
            Command::Typing { active } => {
                if let Some(call) = conversation.calls.get_mut(&McuType::Im) {
                    call.typing(active, ua, now);
                }
                let outcome = CommandOutcome::Success(OperationValue::Done);
                conversation.session.handle_input(Input::CommandAnswered { op, outcome }, now);
            }
            other => {
                let Some(link) = &mut conversation.link else { return };
                match focus_command(other, link.conference()) {
                    Some(command) => link.command(op, command, ua, now),
                    None => conversation.session.handle_input(unsupported(op), now),
                }
            }
        }
    }

    fn place_call(&mut self, id: ConferenceId, op: OperationId, mcu: McuType, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let conference = conversation.link.as_ref().map(|link| link.conference());
        let uri = conference
            .filter(|_| mcu == McuType::Im)
            .and_then(|conference| c3p::uri::mcu_uri(conference, mcu))
            .and_then(|uri| Uri::parse(&uri).ok());
        match uri {
            Some(uri) => {
                let mut call = ImCall::new(uri, self.times.recovery);
                call.place(&mut self.ua, now);
                conversation.calls.insert(mcu, call);
            }
            None => conversation.session.handle_input(unsupported(op), now),
        }
    }

    fn pump_call(&mut self, id: ConferenceId, now: Instant) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let next = conversation.calls.iter_mut().find_map(|(mcu, call)| Some((*mcu, call.poll_event()?)));
        let Some((mcu, event)) = next else { return false };
        let input = match event {
            CallEvent::State { change, status, diagnostics } => {
                let reply = status.map(|status| Reply::status(status).with_diagnostics(diagnostics.clone()));
                let reply = reply.or_else(|| diagnostics.map(|d| Reply::default().with_diagnostics(Some(d))));
                self.suspect(id, change, now);
                Some(Input::CallChanged { mcu, change, reply })
            }
            CallEvent::Message { from, content_type, text } => {
                Some(Input::MessageReceived { from, content_type, text })
            }
            CallEvent::Typing { from, state } => Some(Input::TypingReceived { from, active: state == "type" }),
            CallEvent::Sent { token, message_id } => conversation.messages.remove(&(mcu, token)).map(|op| {
                let id = message_id.and_then(|id| id.trim().parse().ok());
                let outcome = CommandOutcome::Success(OperationValue::Message { id, failed: Vec::new() });
                Input::CommandAnswered { op, outcome }
            }),
            CallEvent::NotSent { token, failure } => conversation.messages.remove(&(mcu, token)).map(|op| {
                let outcome = CommandOutcome::Failure(send_failure_reply(failure));
                Input::CommandAnswered { op, outcome }
            }),
            CallEvent::Repair { repaired, fault, first_sign } => {
                let dialog = if mcu == McuType::Av { RepairedDialog::Av } else { RepairedDialog::Im };
                let total = now.saturating_duration_since(first_sign);
                Some(Input::RouteRepaired { dialog, repaired, detected_by: call_detector(fault), total })
            }
            // Who did not get a message is known only after the operation ended; the MCU's report is for the log.
            CallEvent::Undelivered { .. } => None,
        };
        if let (Some(input), Some(conversation)) = (input, self.conversations.get_mut(&id)) {
            conversation.session.handle_input(input, now);
        }
        true
    }

    /// An MCU dialog that ended by itself is a hint about the Focus's way (D15).
    fn suspect(&mut self, id: ConferenceId, change: mcu::CallChange, now: Instant) {
        let hint = change.state == mcu::CallState::Terminated
            && matches!(change.cause, mcu::CallCause::Remote | mcu::CallCause::Failed);
        if let Some(link) = self.conversations.get_mut(&id).and_then(|c| c.link.as_mut())
            && hint
        {
            link.probe(Detector::D15, &mut self.ua, now);
        }
    }

    // ---- the wire ----

    fn on_link_input(&mut self, id: ConferenceId, input: Input, now: Instant) {
        let healed = matches!(input, Input::Healed);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.session.handle_input(input, now);
        if healed {
            // The other dialogs of the conference are on the same way (recovery-on-the-wire.md section 4.5).
            for call in conversation.calls.values_mut() {
                call.probe(&mut self.ua, now);
            }
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.ua.poll_event(now) {
            match event {
                UaEvent::Response { id, response } => self.on_response(id, &response, now),
                UaEvent::Failed { id, error } => self.on_failed(id, error, now),
                UaEvent::Request { tx, flow, request } => self.on_request(tx, flow, &request, now),
                UaEvent::Oneway { request } => self.on_oneway(&request, now),
                UaEvent::Cancelled { .. } => {}
                UaEvent::Registered => {
                    self.settled(now);
                    self.for_each_wire(now, |link, call, ua| {
                        link.into_iter().for_each(|link| link.hint(ua, now));
                        call.into_iter().for_each(|call| call.hint(ua, now));
                    });
                }
                UaEvent::NotRegistered { .. } => self.settled(now),
                UaEvent::FlowLost => self.for_each_wire(now, |link, call, ua| {
                    link.into_iter().for_each(|link| link.probe(Detector::D13, ua, now));
                    call.into_iter().for_each(|call| call.probe(ua, now));
                }),
            }
        }
    }

    fn settled(&mut self, now: Instant) {
        for what in std::mem::take(&mut self.waiting) {
            self.run(what, now);
        }
    }

    fn for_each_wire(
        &mut self,
        now: Instant,
        mut f: impl FnMut(Option<&mut FocusLink>, Option<&mut ImCall>, &mut UserAgent),
    ) {
        let ids: Vec<ConferenceId> = self.conversations.keys().copied().collect();
        for id in ids {
            let Some(conversation) = self.conversations.get_mut(&id) else { continue };
            f(conversation.link.as_mut(), None, &mut self.ua);
            for call in conversation.calls.values_mut() {
                f(None, Some(call), &mut self.ua);
            }
            self.pump(id, now);
        }
    }

    fn on_response(&mut self, request: RequestId, response: &Response, now: Instant) {
        if response.status() >= 200
            && let Some(purpose) = self.factory.remove(&request)
        {
            return self.on_factory_answer(purpose, response, now);
        }
        let ua = &mut self.ua;
        let taken = self.conversations.iter_mut().find_map(|(id, conversation)| {
            let by_link =
                conversation.link.as_mut().is_some_and(|link| link.on_response(request, response, ua, now));
            let taken = by_link
                || conversation.calls.values_mut().any(|call| call.on_response(request, response, ua, now));
            taken.then_some(*id)
        });
        if let Some(id) = taken {
            self.pump(id, now);
        }
    }

    fn on_failed(&mut self, request: RequestId, error: SendError, now: Instant) {
        if let Some(purpose) = self.factory.remove(&request) {
            return self.on_factory_silent(purpose, error, now);
        }
        let ua = &mut self.ua;
        let taken = self.conversations.iter_mut().find_map(|(id, conversation)| {
            let by_link = conversation.link.as_mut().is_some_and(|link| link.on_failed(request, error, ua, now));
            let taken =
                by_link || conversation.calls.values_mut().any(|call| call.on_failed(request, error, ua, now));
            taken.then_some(*id)
        });
        if let Some(id) = taken {
            self.pump(id, now);
        }
    }

    fn on_request(&mut self, tx: ServerTransactionId, _flow: FlowId, request: &Request, now: Instant) {
        let Some(dialog) = sip_core::in_dialog_id(request) else {
            return self.on_stray(tx, request, now);
        };
        let Some(id) = self.owner(&dialog) else {
            let answer = ResponseDraft::to(request, 481)
                .header(c3p::diagnostics::HEADER_CLIENT, "24083;reason=\"Message received out of dialog\"");
            return self.ua.endpoint().respond(tx, answer, now);
        };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            match conversation.link.as_mut().filter(|link| link.owns(&dialog)) {
                Some(link) => link.on_request(tx, request, &mut self.ua, now),
                None => {
                    let call =
                        conversation.calls.values_mut().find(|call| call.dialog_id() == Some(&dialog));
                    if let Some(call) = call {
                        call.on_request(tx, request, &mut self.ua, now);
                    }
                }
            }
        }
        self.pump(id, now);
    }

    fn on_oneway(&mut self, request: &Request, now: Instant) {
        let Some(dialog) = sip_core::in_dialog_id(request) else { return };
        let Some(id) = self.owner(&dialog) else { return };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            match conversation.link.as_mut().filter(|link| link.owns(&dialog)) {
                Some(link) => link.on_oneway(request, &mut self.ua, now),
                None => conversation
                    .calls
                    .values_mut()
                    .filter(|call| call.dialog_id() == Some(&dialog))
                    .for_each(|call| call.on_oneway(request)),
            }
        }
        self.pump(id, now);
    }

    fn owner(&self, dialog: &DialogId) -> Option<ConferenceId> {
        self.conversations
            .iter()
            .find(|(_, conversation)| {
                conversation.link.as_ref().is_some_and(|link| link.owns(dialog))
                    || conversation.calls.values().any(|call| call.dialog_id() == Some(dialog))
            })
            .map(|(id, _)| *id)
    }

    /// A request outside of any dialog: we are asked what we can do, or called, which this endpoint does not take.
    fn on_stray(&mut self, tx: ServerTransactionId, request: &Request, now: Instant) {
        let status = match request.method() {
            Method::Options => 200,
            Method::Invite => 488,
            Method::Notify => 481,
            _ => 405,
        };
        let answer = ResponseDraft::to(request, status)
            .header("Allow", "ACK, BYE, CANCEL, INFO, MESSAGE, NOTIFY, BENOTIFY, OPTIONS, UPDATE");
        self.ua.endpoint().respond(tx, answer, now);
    }
}

/// The C3P command for what the application asked, where the Focus carries it out.
fn focus_command(command: Command, conference: &str) -> Option<cccp::Command> {
    let conference = conference.to_owned();
    match command {
        Command::Lock { locked } => Some(cccp::Command::ModifyConferenceLock { conference, locked }),
        Command::Admit { users } => {
            Some(cccp::Command::SetLobbyAccess { conference, users, access: cccp::Access::Granted })
        }
        Command::Deny { users } => {
            Some(cccp::Command::SetLobbyAccess { conference, users, access: cccp::Access::Denied })
        }
        Command::Eject { user } => Some(cccp::Command::DeleteUser { conference, user }),
        Command::SetRole { user, role } => Some(cccp::Command::ModifyUserRoles { conference, user, role }),
        Command::FetchRoster => {
            Some(cccp::Command::GetConference { key: cccp::ConferenceKey::Entity(conference) })
        }
        Command::Mute { .. }
        | Command::Invite { .. }
        | Command::Call { .. }
        | Command::Hangup { .. }
        | Command::Say { .. }
        | Command::Typing { .. } => None,
    }
}

fn unsupported(op: OperationId) -> Input {
    let reply = Reply::transport("this version cannot do that yet");
    Input::CommandAnswered { op, outcome: CommandOutcome::Failure(reply) }
}

fn send_failure_reply(failure: SendFailure) -> Reply {
    match failure {
        SendFailure::Refused { status, diagnostics } => Reply::status(status).with_diagnostics(diagnostics),
        other => match other.status() {
            Some(status) => Reply::status(status),
            None => Reply::transport(other.to_string()),
        },
    }
}

/// The row of the decision table for a fault of an MCU dialog: what the fault would be in the Focus dialog.
fn call_detector(fault: Fault) -> Detector {
    crate::link::detector(fault)
}

/// An endpoint GUID, in braces as C3P wants it.
fn new_guid(ua: &mut UserAgent) -> String {
    let raw = ua.endpoint().new_token().to_ascii_uppercase();
    let at = |from: usize, to: usize| raw.get(from..to).unwrap_or("0").to_owned();
    format!("{{{}-{}-4{}-8{}-{}}}", at(0, 8), at(8, 12), at(13, 16), at(17, 20), at(20, 32))
}
