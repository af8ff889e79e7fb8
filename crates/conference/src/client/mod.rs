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

mod calls;
mod factory;
mod wire;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use c3p::McuType;
use c3p::command as cccp;
use c3p::info::{AdmissionPolicy, ConferenceInfo, Description, EntityView, Views};
use mcu::im::{CallEvent, ImCall, MessageToken, SendFailure};
use sip_core::recoverable::Fault;
use sip_core::resolve::Destination;
use sip_core::ua::{RequestId, Routing, SendError, UaEvent, UserAgent};
use sip_core::{
    DialogId, FlowId, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, ServerTransactionId,
    Transmit, TransportInput, Uri,
};

use crate::event::Event;
use crate::handle::{JoinOptions, ScheduleOptions, Scheduled};
use crate::link::{FocusLink, LinkTimes};
use crate::roster::RosterSnapshot;
use crate::session::{
    Awaited, Command, CommandOutcome, Completion, ConferenceSession, Detector, Effect, Input, OperationError,
    OperationId, OperationName, OperationValue, Output, RepairedDialog, Reply, SessionConfig, SessionState,
    Status, TerminateMode, WireFailure,
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
    Factory { command: Box<cccp::Command>, purpose: FactoryPurpose },
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
    pub fn join(
        &mut self,
        id: ConferenceId,
        op: OperationId,
        target: JoinTarget,
        options: JoinOptions,
        now: Instant,
    ) {
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

    /// The URI of the conference that a session joins or joined.
    #[must_use]
    pub fn uri(&self, id: ConferenceId) -> Option<String> {
        match &self.conversations.get(&id)?.target {
            Some(JoinTarget::Uri(uri)) => Some(uri.clone()),
            Some(JoinTarget::New(_)) | None => None,
        }
    }

    /// The Call-ID of the call to an MCU, while there is one.
    #[must_use]
    pub fn call_id(&self, id: ConferenceId, mcu: McuType) -> Option<String> {
        let call = self.conversations.get(&id)?.calls.get(&mcu)?;
        call.state().is_up().then(|| call.call_id().to_owned())
    }

    /// Whether there still is a session with this id: until it is over and its last handle is gone.
    #[must_use]
    pub fn is_open(&self, id: ConferenceId) -> bool {
        self.conversations.contains_key(&id)
    }

    /// Whether every session is over or was never begun.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.factory.is_empty()
            && self.conversations.values().all(|conversation| {
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

    /// The name of the servers that is to be looked up, once for each look-up: what comes of it goes to
    /// [`handle_servers`](Self::handle_servers).
    pub fn poll_lookup(&mut self) -> Option<Uri> {
        self.ua.poll_locate()
    }

    /// These are the servers from now on; none: the look-up failed, and those known so far are tried.
    pub fn handle_servers(&mut self, found: &[Destination], now: Instant) {
        self.ua.set_servers(found, now);
        self.drain(now);
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
        let Some(conversation) = self.conversations.get(&id).filter(|conversation| conversation.made_here)
        else {
            return;
        };
        if let Some(JoinTarget::Uri(uri)) = &conversation.target
            && let Some(conference_id) = c3p::uri::conference_id(uri)
        {
            let key = cccp::ConferenceKey::Id(conference_id.to_owned());
            self.ask_factory(cccp::Command::DeleteConference { key }, FactoryPurpose::Delete, now);
        }
    }
}

/// An endpoint GUID, in braces as C3P wants it.
fn new_guid(ua: &mut UserAgent) -> String {
    let raw = ua.endpoint().new_token().to_ascii_uppercase();
    let at = |from: usize, to: usize| raw.get(from..to).unwrap_or("0").to_owned();
    format!("{{{}-{}-4{}-8{}-{}}}", at(0, 8), at(8, 12), at(13, 16), at(17, 20), at(20, 32))
}
