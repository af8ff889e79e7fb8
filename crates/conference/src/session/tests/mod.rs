//! One test per numbered transition and rule, and the builder of their scenarios.
//!
//! What a session gives out is compared as a list of short lines, so that a test reads like a trace: `T6a focus-failover`
//! (a transition and its cause), `joined bob`, `M3 im`, `call im terminated`, `report focus recovered`, `2 ok` (operation 2
//! completes), `> Rejoin` (the wire has to do something).

mod ending;
mod joining;
mod lobby;
mod modalities;
mod operations;
mod recovering;

use std::sync::Arc;
use std::time::{Duration, Instant};

use c3p::McuType;
use c3p::info::{
    ConfUri, ConferenceInfo, Description, Endpoint, EndpointStatus, EntityView, McuState, McuStatus, Role,
    SessionType, State as DocumentState, User, Users, Views,
};
use mcu::{CallCause, CallChange, CallState};

use super::*;
use crate::event::Event;

const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";

/// A session, a clock, and what was given out since the last look.
struct Scenario {
    session: ConferenceSession,
    start: Instant,
    now: Instant,
    version: u32,
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn op(id: u64) -> OperationId {
    OperationId(id)
}

/// A Focus endpoint of this user; its GUID is made of the name.
fn person(name: &str, status: EndpointStatus) -> User {
    User::new(format!("sip:{name}@example.com")).with_role(Role::Attendee).with_endpoint(
        Endpoint::new(format!("{{{}}}", name.to_uppercase()), SessionType::Focus).with_status(status),
    )
}

/// A full document with these people inside, with an IM MCU of this status, and nothing else.
fn document(version: u32, people: &[&str], im: Option<(McuStatus, &str)>) -> ConferenceInfo {
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.version = Some(version);
    info.users =
        Some(Users::full(people.iter().map(|name| person(name, EndpointStatus::Connected)).collect()));
    let mut description = Description::default();
    if let Some((status, instance)) = im {
        let entry = ConfUri::of_mcu(CONFERENCE, McuType::Im).expect("a conference URI");
        let state = McuState::new(status, Some(instance.to_owned()));
        info.views =
            Some(Views::full(vec![EntityView::of_mcu(entry.uri.clone(), McuType::Im, state, false)]));
        description.conf_uris.push(entry);
    }
    info.description = Some(description);
    info
}

/// The limited document of somebody who waits in the lobby.
fn lobby_document(version: u32) -> ConferenceInfo {
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.version = Some(version);
    info.users = Some(Users::full(vec![person("me", EndpointStatus::OnHold)]));
    info
}

const ACTIVE: Option<(McuStatus, &str)> = Some((McuStatus::Active, "im-1"));

impl Scenario {
    fn with(config: SessionConfig) -> Self {
        let start = Instant::now();
        let mut config = config;
        config.mcus = vec![McuType::Im];
        Self { session: ConferenceSession::new(config, start), start, now: start, version: 10 }
    }

    fn config() -> SessionConfig {
        SessionConfig::new("sip:me@example.com", "{ME}")
    }

    fn idle() -> Self {
        Self::with(Self::config())
    }

    /// Joining, operation 1, the INVITE accepted.
    fn accepted_with(config: SessionConfig) -> Self {
        let mut t = Self::with(config);
        t.input(Input::Join { op: op(1) });
        t.input(Input::JoinAccepted);
        t.outputs();
        t
    }

    /// In the conference with these people and an active IM MCU.
    fn connected_with(config: SessionConfig, people: &[&str]) -> Self {
        let mut t = Self::accepted_with(config);
        t.inside(people);
        t.outputs();
        assert_eq!(t.session.state(), SessionState::Connected);
        t
    }

    fn connected() -> Self {
        Self::connected_with(Self::config(), &["bob", "me"])
    }

    /// The same with an established IM call.
    fn in_call() -> Self {
        let mut t = Self::connected();
        t.call(CallState::Established, CallCause::Answered);
        t.outputs();
        t
    }

    fn in_lobby_with(config: SessionConfig) -> Self {
        let mut t = Self::accepted_with(config);
        t.lobby();
        t.outputs();
        assert_eq!(t.session.state(), SessionState::InLobby);
        t
    }

    fn in_lobby() -> Self {
        Self::in_lobby_with(Self::config())
    }

    /// Reconnecting after a failover of the Focus.
    fn failed_over() -> Self {
        let mut t = Self::connected();
        t.front_end_lost();
        t.outputs();
        t
    }

    /// Reconnecting after the loss of the route.
    fn route_lost() -> Self {
        let mut t = Self::connected();
        t.lose_route();
        t.outputs();
        t
    }

    fn input(&mut self, input: Input) {
        self.session.handle_input(input, self.now);
    }

    /// Lets time pass, with all deadlines on the way.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.session.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn send(&mut self, info: ConferenceInfo, fresh: bool) {
        self.input(Input::Document { info: Arc::new(info), fresh });
    }

    /// A fresh document: these people are inside, the IM MCU is active.
    fn inside(&mut self, people: &[&str]) {
        self.version += 1;
        self.send(document(self.version, people, ACTIVE), true);
    }

    /// A later full document with another state of the IM MCU.
    fn im_is(&mut self, im: Option<(McuStatus, &str)>, fresh: bool) {
        self.version += 1;
        self.send(document(self.version, &["bob", "me"], im), fresh);
    }

    fn lobby(&mut self) {
        self.version += 1;
        self.send(lobby_document(self.version), true);
    }

    fn begin(&mut self, id: u64, command: Command) {
        self.input(Input::Begin { op: op(id), command });
    }

    fn lock(&mut self, id: u64) {
        self.begin(id, Command::Lock { locked: true });
    }

    fn say(&mut self, id: u64) {
        self.begin(id, Command::Say { content_type: "text/plain".into(), text: "hello".into() });
    }

    fn answer(&mut self, id: u64, outcome: CommandOutcome) {
        self.input(Input::CommandAnswered { op: op(id), outcome });
    }

    fn call(&mut self, state: CallState, cause: CallCause) {
        let change = CallChange { state, cause };
        self.input(Input::CallChanged { mcu: McuType::Im, change, reply: None });
    }

    fn evidence(&self, detector: Detector) -> Evidence {
        Evidence::new(detector, self.now)
    }

    fn front_end_lost(&mut self) {
        let evidence = self.evidence(Detector::D7).with_status(Some(481));
        self.input(Input::FrontEndLost { evidence, failed: None });
    }

    fn lose_route(&mut self) {
        let evidence = self.evidence(Detector::D2).with_status(Some(430));
        self.input(Input::RouteLost { evidence, failed: None });
    }

    fn ended(&mut self, reason: EndedReason) {
        self.input(Input::EndedByFocus { reason, reply: Reply::default() });
    }

    /// What was given out since the last look, as short lines.
    fn outputs(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut announced = None;
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Event(Event::Operation(completion)) => announced = Some(completion),
                Output::Event(event) => lines.push(self.event(&event)),
                Output::Complete(completion) => {
                    assert_eq!(announced.take().as_ref(), Some(&completion), "event, then completion");
                    let result = completion.result.map_or_else(|error| error.reason().as_str(), |_| "ok");
                    lines.push(format!("{} {result}", completion.id));
                }
                Output::Effect(effect) => lines.push(format!("> {}", name_of(&effect))),
            }
        }
        lines
    }

    fn event(&self, event: &Event) -> String {
        match event {
            Event::State(change) => {
                assert_eq!(change.transition.row().from, [change.from.as_str()]);
                assert_eq!(change.transition.row().to, change.to.as_str());
                format!("{} {}", change.transition, change.cause)
            }
            Event::Properties(changes) => format!("{} properties", changes.len()),
            Event::Attendance { change, participant } => {
                let name = participant.uri.trim_start_matches("sip:").split('@').next().unwrap_or_default();
                format!("{} {name}", change.as_str())
            }
            Event::McuAttendance { change, participant } => {
                format!("{} {} {}", change.as_str(), participant.endpoint, participant.mcu.short_name())
            }
            Event::McuState { mcu, transition, .. } => format!("{transition} {}", mcu.short_name()),
            Event::Call { mcu, state, .. } => format!("call {} {state}", mcu.short_name()),
            Event::Recovery(report) => format!("report {} {}", report.level, report.result),
            other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
        }
    }

    /// The next report, with everything else dropped.
    fn report(&mut self) -> Arc<RecoveryReport> {
        loop {
            match self.session.poll_output().expect("a report") {
                Output::Event(Event::Recovery(report)) => return report,
                Output::Event(_) | Output::Complete(_) | Output::Effect(_) => {}
            }
        }
    }

    /// The next completion, with everything else dropped.
    fn completion(&mut self) -> Completion {
        loop {
            match self.session.poll_output().expect("a completion") {
                Output::Complete(completion) => return completion,
                Output::Event(_) | Output::Effect(_) => {}
            }
        }
    }
}

/// The name of an effect without its fields.
fn name_of(effect: &Effect) -> String {
    format!("{effect:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
}

fn refused(status: u16) -> WireFailure {
    WireFailure::Refused(Reply::status(status))
}

fn done() -> CommandOutcome {
    CommandOutcome::Success(OperationValue::Done)
}
