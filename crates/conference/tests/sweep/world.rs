//! The world around one session: an application, a wire and a Focus that mostly do what they should.

use std::sync::Arc;
use std::time::{Duration, Instant};

use c3p::McuType;
use c3p::info::{
    ConfUri, ConferenceInfo, Description, Endpoint, EndpointStatus, EntityView, McuState, McuStatus, Role,
    SessionType, State, User, Users, Views,
};
use conference::event::Event;
use conference::session::*;
use mcu::{CallCause, CallChange, CallState};

use crate::Dice;

const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
const NAMES: [&str; 5] = ["bob", "carol", "dave", "erin", "frank"];

/// What was put in, and what came out.
pub(crate) struct Turn {
    pub(crate) now: Instant,
    pub(crate) before: SessionState,
    pub(crate) input: Option<Input>,
    pub(crate) outputs: Vec<Output>,
}

/// One person as the Focus has it.
#[derive(Clone)]
struct Person {
    name: &'static str,
    leader: bool,
    im: bool,
}

pub(crate) struct World {
    pub(crate) session: ConferenceSession,
    dice: Dice,
    now: Instant,
    next_op: u64,
    version: u32,
    people: Vec<Person>,
    in_lobby: bool,
    im: Option<McuStatus>,
    im_instance: u32,
    /// Commands that were sent and not answered.
    asked: Vec<OperationId>,
    ending: Option<OperationId>,
}

impl World {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let now = Instant::now();
        let mut config = SessionConfig::new("sip:me@example.com", "{ME}");
        config.mcus = vec![McuType::Im, McuType::Av];
        if dice.percent(30) {
            config = config.with_lobby_timeout(Duration::from_secs(dice.below(60)));
        }
        if dice.percent(30) {
            config = config.with_give_up_after(Some(Duration::from_secs(1 + dice.below(100))));
        }
        let im = if dice.percent(10) { None } else { Some(dice.pick(&[McuStatus::Active, McuStatus::Idle])) };
        Self {
            session: ConferenceSession::new(config, now),
            now,
            next_op: 1,
            version: 100,
            people: Vec::new(),
            in_lobby: dice.percent(35),
            im,
            im_instance: 1,
            asked: Vec::new(),
            ending: None,
            dice,
        }
    }

    /// One random thing: mostly what the state lets one expect, now and then anything.
    pub(crate) fn step(&mut self) -> Turn {
        if self.dice.percent(30) {
            return self.pass_time();
        }
        let input = if self.dice.percent(8) { self.anything() } else { self.expected() };
        self.turn(Some(input))
    }

    /// After the random part: the application drops the session, and time passes until nothing is left to do.
    pub(crate) fn wind_up(&mut self) -> Option<Turn> {
        match self.session.state() {
            SessionState::Connecting
            | SessionState::InLobby
            | SessionState::Connected
            | SessionState::Reconnecting => Some(self.turn(Some(Input::HandleDropped))),
            SessionState::Idle | SessionState::Disconnecting | SessionState::Disconnected => {
                let (at, _) = self.session.poll_timeout()?;
                self.now = self.now.max(at);
                Some(self.turn(None))
            }
        }
    }

    fn pass_time(&mut self) -> Turn {
        let due = self.session.poll_timeout().map(|(at, _)| at);
        self.now = match due {
            Some(at) if self.dice.percent(40) => self.now.max(at),
            _ => {
                let later = self.now + Duration::from_millis(self.dice.below(20_000));
                due.map_or(later, |at| later.min(at).max(self.now))
            }
        };
        self.turn(None)
    }

    fn turn(&mut self, input: Option<Input>) -> Turn {
        let before = self.session.state();
        match input.clone() {
            Some(input) => self.session.handle_input(input, self.now),
            None => self.session.handle_timeout(self.now),
        }
        let outputs: Vec<Output> = std::iter::from_fn(|| self.session.poll_output()).collect();
        for output in &outputs {
            match output {
                Output::Effect(Effect::SendCommand { op, .. }) => self.asked.push(*op),
                Output::Effect(Effect::EndForAll { op }) => self.ending = Some(*op),
                Output::Event(Event::State(_))
                | Output::Effect(_)
                | Output::Event(_)
                | Output::Complete(_) => {}
            }
        }
        Turn { now: self.now, before, input, outputs }
    }

    fn op(&mut self) -> OperationId {
        self.next_op += 1;
        OperationId(self.next_op)
    }

    fn expected(&mut self) -> Input {
        match self.session.state() {
            SessionState::Idle => Input::Join { op: self.op() },
            SessionState::Connecting => self.while_connecting(),
            SessionState::InLobby => self.while_in_lobby(),
            SessionState::Connected => self.while_connected(),
            SessionState::Reconnecting => self.while_reconnecting(),
            SessionState::Disconnecting => self.while_disconnecting(),
            SessionState::Disconnected => self.anything(),
        }
    }

    fn while_connecting(&mut self) -> Input {
        match self.dice.below(20) {
            0 => Input::JoinFailed(self.failure()),
            1 => self.leaving(),
            2 => self.ended(),
            3 => Input::Terminated,
            4..=8 => Input::JoinAccepted,
            _ => self.fresh(),
        }
    }

    fn while_in_lobby(&mut self) -> Input {
        match self.dice.below(20) {
            0..=3 => {
                self.in_lobby = false;
                self.document(false)
            }
            4..=6 => self.document(false),
            7..=8 => self.lost(),
            9..=10 => self.ended(),
            11 => self.leaving(),
            _ => self.command(),
        }
    }

    fn while_connected(&mut self) -> Input {
        match self.dice.below(40) {
            0..=7 => self.command(),
            8..=13 => self.answer(),
            14..=19 => self.change(),
            20..=24 => self.mcu_change(),
            25..=28 => self.call_change(),
            29..=33 => self.lost(),
            34 => self.leaving(),
            35 => self.ended(),
            36 => Input::EndForAll { op: self.op() },
            37 => self.fresh(),
            38 => self.skipped(),
            _ => Input::DocumentRejected { detail: "malformed".into() },
        }
    }

    fn while_reconnecting(&mut self) -> Input {
        match self.dice.below(24) {
            0..=2 => Input::HealAttempted,
            3 => Input::HealFailed { error: self.failure() },
            4..=6 => Input::Healed,
            7 => Input::HealFoundDialogGone { evidence: self.evidence(Detector::D7) },
            8..=11 => Input::RejoinAccepted,
            12 => Input::RejoinFailed { error: self.failure() },
            13..=16 => self.fresh(),
            17 => {
                self.in_lobby = !self.in_lobby;
                self.shuffle_people();
                self.fresh()
            }
            18 => {
                self.shuffle_mcu();
                self.fresh()
            }
            19 => self.command(),
            20 => self.ended(),
            21 => self.leaving(),
            22 => self.call_change(),
            _ => self.lost(),
        }
    }

    fn while_disconnecting(&mut self) -> Input {
        match self.dice.below(6) {
            0 => Input::Leave { op: self.op() },
            1 => self.command(),
            2 => self.ended(),
            3 => match self.ending.take() {
                Some(op) if self.dice.percent(50) => {
                    Input::CommandAnswered { op, outcome: CommandOutcome::Failure(Reply::status(403)) }
                }
                Some(op) => {
                    Input::CommandAnswered { op, outcome: CommandOutcome::Success(OperationValue::Done) }
                }
                None => Input::Terminated,
            },
            _ => Input::Terminated,
        }
    }

    /// Any input, whether it makes sense or not.
    fn anything(&mut self) -> Input {
        match self.dice.below(16) {
            0 => Input::Join { op: self.op() },
            1 => self.command(),
            2 => self.answer(),
            3 => self.fresh(),
            4 => self.change(),
            5 => self.call_change(),
            6 => self.lost(),
            7 => Input::Healed,
            8 => Input::RejoinAccepted,
            9 => Input::Terminated,
            10 => Input::JoinAccepted,
            11 => Input::EscalationFailed,
            12 => Input::Step(RecoveryStep::Registered),
            13 => Input::CommandAnswered {
                op: OperationId(self.dice.below(50)),
                outcome: CommandOutcome::Success(OperationValue::Done),
            },
            14 => Input::HealFoundDialogGone { evidence: self.evidence(Detector::D7) },
            _ => Input::EndForAll { op: self.op() },
        }
    }

    fn leaving(&mut self) -> Input {
        match self.dice.below(3) {
            0 => Input::EscalationFailed,
            1 => Input::HandleDropped,
            _ => Input::Leave { op: self.op() },
        }
    }

    fn ended(&mut self) -> Input {
        let reason = self.dice.pick(EndedReason::ALL);
        Input::EndedByFocus { reason, reply: Reply::default() }
    }

    fn lost(&mut self) -> Input {
        let failed = if self.asked.is_empty() || self.dice.percent(50) {
            None
        } else {
            Some(FailedCommand { op: self.dice.pick(&self.asked), reply: Reply::status(481) })
        };
        if self.dice.percent(50) {
            Input::FrontEndLost { evidence: self.evidence(Detector::D7), failed }
        } else {
            Input::RouteLost { evidence: self.evidence(Detector::D6), failed }
        }
    }

    fn evidence(&mut self, detector: Detector) -> Evidence {
        Evidence::new(detector, self.now).with_repair_tried(self.dice.percent(50))
    }

    fn failure(&mut self) -> WireFailure {
        WireFailure::Refused(Reply::status(self.dice.pick(&[403, 404, 408, 503])))
    }

    fn command(&mut self) -> Input {
        let user = format!("sip:{}@example.com", self.dice.pick(&NAMES));
        let command = match self.dice.below(7) {
            0 => Command::Lock { locked: self.dice.percent(50) },
            1 => Command::Eject { user },
            2 => Command::Mute { user, muted: true },
            3 => Command::Call { mcu: McuType::Im },
            4 => Command::Hangup { mcu: McuType::Im },
            5 => Command::Admit { users: vec![user] },
            _ => Command::Say { content_type: "text/plain".into(), text: "hello".into() },
        };
        Input::Begin { op: self.op(), command }
    }

    fn answer(&mut self) -> Input {
        let op = if self.asked.is_empty() { OperationId(0) } else { self.dice.pick(&self.asked) };
        let outcome = match self.dice.below(4) {
            0 => CommandOutcome::Pending,
            1 => CommandOutcome::Failure(Reply::c3p("userDoesntExist")),
            _ => CommandOutcome::Success(OperationValue::Done),
        };
        Input::CommandAnswered { op, outcome }
    }

    fn call_change(&mut self) -> Input {
        let (state, cause) = self.dice.pick(&[
            (CallState::Establishing, CallCause::Local),
            (CallState::Established, CallCause::Answered),
            (CallState::Terminating, CallCause::Local),
            (CallState::Terminated, CallCause::Remote),
        ]);
        let change = CallChange { state, cause };
        Input::CallChanged { mcu: McuType::Im, change, reply: None }
    }

    fn shuffle_people(&mut self) {
        self.people.clear();
        for name in NAMES {
            if self.dice.percent(50) {
                let (leader, im) = (self.dice.percent(30), self.dice.percent(50));
                self.people.push(Person { name, leader, im });
            }
        }
    }

    fn shuffle_mcu(&mut self) {
        self.im = match self.dice.below(12) {
            0 => None,
            1..=4 => Some(McuStatus::Idle),
            5..=7 => Some(McuStatus::FailingOver),
            8 => {
                self.im_instance += 1;
                Some(McuStatus::Active)
            }
            _ => Some(McuStatus::Active),
        };
    }

    /// Somebody comes, goes or changes: a partial document, or a full one.
    fn change(&mut self) -> Input {
        let name = self.dice.pick(&NAMES);
        let full = self.dice.percent(30);
        self.version += 1;
        let known = self.people.iter().position(|person| person.name == name);
        let user = match known {
            Some(at) if self.dice.percent(50) => {
                self.people.remove(at);
                User::deleted(format!("sip:{name}@example.com"))
            }
            at => {
                let person = Person { name, leader: self.dice.percent(50), im: self.dice.percent(50) };
                let entry = entry(&person);
                match at {
                    Some(at) => self.people[at] = person,
                    None => self.people.push(person),
                }
                entry
            }
        };
        if full {
            return input(self.full(), false);
        }
        let mut info = ConferenceInfo::partial(CONFERENCE);
        info.version = Some(self.version);
        info.users = Some(Users::partial(vec![user]));
        input(info, false)
    }

    /// A partial document after a gap, or an old one.
    fn skipped(&mut self) -> Input {
        let mut info = ConferenceInfo::partial(CONFERENCE);
        info.version = if self.dice.percent(50) {
            self.version += 2;
            Some(self.version)
        } else {
            Some(self.version.saturating_sub(3))
        };
        info.users = Some(Users::partial(vec![User::deleted("sip:bob@example.com")]));
        input(info, false)
    }

    fn mcu_change(&mut self) -> Input {
        self.shuffle_mcu();
        self.document(false)
    }

    fn fresh(&mut self) -> Input {
        if self.dice.percent(30) {
            self.shuffle_people();
        }
        self.document(true)
    }

    fn document(&mut self, fresh: bool) -> Input {
        self.version += 1;
        input(self.full(), fresh)
    }

    fn full(&mut self) -> ConferenceInfo {
        let mut info = ConferenceInfo::new(CONFERENCE);
        info.version = Some(self.version);
        let own = if self.in_lobby { EndpointStatus::OnHold } else { EndpointStatus::Connected };
        let me = User::new("sip:me@example.com")
            .with_endpoint(Endpoint::new("{ME}", SessionType::Focus).with_status(own));
        if self.in_lobby {
            info.users = Some(Users::full(vec![me]));
            return info;
        }
        let mut users: Vec<User> = self.people.iter().map(entry).collect();
        if !self.dice.percent(3) {
            users.push(me);
        }
        info.users = Some(Users::full(users));
        let mut description = Description::default();
        let mut views = Vec::new();
        if let Some(status) = self.im {
            let uri = ConfUri::of_mcu(CONFERENCE, McuType::Im).expect("a conference URI");
            let state = McuState::new(status, Some(format!("im-{}", self.im_instance)));
            views.push(EntityView::of_mcu(uri.uri.clone(), McuType::Im, state, false));
            description.conf_uris.push(uri);
        }
        info.description = Some(description);
        info.views = Some(Views::full(views));
        if self.dice.percent(1) {
            info.state = State::Deleted;
        }
        info
    }
}

fn input(info: ConferenceInfo, fresh: bool) -> Input {
    Input::Document { info: Arc::new(info), fresh }
}

fn entry(person: &Person) -> User {
    let connected = |entity: String, kind| Endpoint::new(entity, kind).with_status(EndpointStatus::Connected);
    let name = person.name;
    let role = if person.leader { Role::Presenter } else { Role::Attendee };
    let mut user = User::new(format!("sip:{name}@example.com"))
        .with_role(role)
        .with_endpoint(connected(format!("{{{name}-1}}"), SessionType::Focus));
    if person.im {
        user = user.with_endpoint(connected(format!("{{{name}-2}}"), SessionType::Chat));
    }
    user
}
