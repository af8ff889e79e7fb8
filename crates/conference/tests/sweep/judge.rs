//! The judge: what must hold in every life, from what came out of the session alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use c3p::McuType;
use c3p::info::{McuStatus, State};
use conference::event::{AttendanceChange, Event};
use conference::session::{
    Command, CommandOutcome, Completion, ConferenceSession, Effect, Input, OperationId, Output, Reason,
    RecoveryLevel, RecoveryResult, SessionState,
};

use crate::world::Turn;

/// The table: number, states in which it starts, state in which it ends.
pub(crate) fn table() -> BTreeMap<String, (Vec<String>, String)> {
    let lines = include_str!("../transitions.csv").lines().skip(1);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let from = cells[2].split('|').map(str::to_owned).collect();
            (cells[0].to_owned(), (from, cells[3].to_owned()))
        })
        .collect()
}

/// An operation that has not completed.
struct Pending {
    kind: Kind,
    /// When the answer must have come.
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Join,
    Leave,
    End,
    Command,
    /// Goes over a call, or places it: the session's recoveries do not touch it once it is sent.
    Call,
}

pub(crate) struct Judge {
    table: BTreeMap<String, (Vec<String>, String)>,
    pub(crate) crossed: BTreeSet<String>,
    state: String,
    mcus: BTreeMap<McuType, String>,
    begun: BTreeSet<OperationId>,
    pending: BTreeMap<OperationId, Pending>,
    refused: BTreeSet<OperationId>,
    /// Who attends, by the attendance events.
    known: BTreeSet<(String, String)>,
    /// Who is in which MCU, by the attendance events of the McuSessions.
    known_in_mcus: BTreeSet<(String, String, McuType)>,
    rejoins: u32,
    /// The failure is of the Focus, so a reconnect attempt is allowed.
    focus_lost: bool,
    /// The signalling works again since the recovery began.
    signalling: bool,
    verbose: bool,
}

impl Judge {
    pub(crate) fn new(verbose: bool) -> Self {
        Self {
            table: table(),
            crossed: BTreeSet::new(),
            state: "Idle".into(),
            mcus: BTreeMap::new(),
            begun: BTreeSet::new(),
            pending: BTreeMap::new(),
            refused: BTreeSet::new(),
            known: BTreeSet::new(),
            known_in_mcus: BTreeSet::new(),
            rejoins: 0,
            focus_lost: false,
            signalling: false,
            verbose,
        }
    }

    pub(crate) fn turn(&mut self, turn: &Turn, session: &ConferenceSession) {
        if self.verbose {
            println!("{:?}\n    {:?}", turn.input, turn.outputs);
        }
        assert_eq!(self.state, turn.before.as_str());
        let over = self.state == "Disconnected";
        self.note_input(turn);
        Self::order(turn);
        let crossed = self.transitions(&turn.outputs, over);
        self.operations(turn, &crossed);
        self.effects(turn, &crossed);
        self.recoveries(turn, &crossed);
        self.attendance(&turn.outputs, &crossed, session);
        self.modalities(turn, session);
        assert_eq!(self.state, session.state().as_str());
        if self.state == "Disconnected" || self.state == "Idle" {
            assert_eq!(session.poll_timeout(), None, "a timer is left");
            assert!(self.pending.is_empty(), "an operation is left");
        }
    }

    pub(crate) fn end(&self, session: &ConferenceSession) {
        assert!(matches!(session.state(), SessionState::Idle | SessionState::Disconnected));
        assert!(self.pending.is_empty(), "operations that never completed");
    }

    /// What begins, and what the wire said about the signalling.
    fn note_input(&mut self, turn: &Turn) {
        let mut begin = |op: OperationId, kind| {
            assert!(self.begun.insert(op));
            self.pending.insert(op, Pending { kind, deadline: None });
        };
        match &turn.input {
            Some(Input::Join { op }) => begin(*op, Kind::Join),
            Some(Input::Leave { op }) => begin(*op, Kind::Leave),
            Some(Input::EndForAll { op }) => begin(*op, Kind::End),
            Some(Input::Begin { op, command }) => {
                let over_a_call = matches!(command, Command::Say { .. } | Command::Hangup { .. });
                begin(*op, if over_a_call { Kind::Call } else { Kind::Command });
                if turn.before == SessionState::Reconnecting && !over_a_call {
                    self.refused.insert(*op);
                }
            }
            Some(Input::Healed) if !self.focus_lost => self.signalling = true,
            Some(Input::RejoinAccepted) if self.focus_lost => self.signalling = true,
            Some(Input::HealFailed { .. }) if !self.focus_lost => self.signalling = false,
            Some(Input::FrontEndLost { .. } | Input::HealFoundDialogGone { .. }) => self.focus_lost = true,
            Some(Input::CommandAnswered { op, outcome: CommandOutcome::Pending }) => {
                if let Some(pending) = self.pending.get_mut(op)
                    && pending.deadline.is_some()
                {
                    pending.deadline = Some(turn.now + Duration::from_secs(180));
                }
            }
            _ => {}
        }
    }

    /// C3: state, properties, attendance, MCU-state and calls, report, completions; effects last. At T4, T5 and T9 the
    /// state comes after the other events.
    fn order(turn: &Turn) {
        let outputs = &turn.outputs;
        let late = outputs.iter().any(|output| {
            matches!(output, Output::Event(Event::State(change)) if ["T4", "T5", "T9"].contains(&change.transition.as_str()))
        });
        let rank = |output: &Output| match output {
            Output::Event(Event::State(_)) => {
                if late {
                    7
                } else {
                    0
                }
            }
            Output::Event(Event::Properties(_)) => 1,
            Output::Event(Event::Attendance { .. }) => 2,
            Output::Event(Event::McuAttendance { .. }) => 3,
            Output::Event(Event::McuState { .. } | Event::Call { .. }) => 4,
            Output::Event(Event::Recovery(_)) => 5,
            Output::Event(Event::Operation(_)) | Output::Complete(_) => 8,
            Output::Event(_) => 6,
            Output::Effect(_) => 9,
        };
        let ranks: Vec<u8> = outputs.iter().map(rank).collect();
        // Several deadlines can come at one time: several turns.
        if turn.input.is_some() {
            assert!(ranks.is_sorted(), "order {ranks:?}");
        }
        let mut attendance = outputs.iter().filter_map(|output| match output {
            Output::Event(Event::Attendance { change, participant }) => {
                let class = match change {
                    AttendanceChange::Left => 0,
                    AttendanceChange::Updated => 1,
                    AttendanceChange::Joined => 2,
                };
                Some((class, participant.uri.clone(), participant.endpoint.clone()))
            }
            _ => None,
        });
        assert!(attendance.by_ref().is_sorted(), "attendance is sorted");
    }

    /// C1 and C9: only rows of the table, each from the state before it; nothing after the end.
    fn transitions(&mut self, outputs: &[Output], over: bool) -> Vec<String> {
        let mut crossed = Vec::new();
        let mut is_over = over;
        for output in outputs {
            match output {
                Output::Event(Event::State(change)) => {
                    assert!(!is_over, "a transition after the end");
                    let id = change.transition.as_str().to_owned();
                    let (from, to) = &self.table[&id];
                    assert!(from.iter().eq([&self.state]), "{id} from {}", self.state);
                    assert_eq!(
                        (change.from.as_str(), change.to.as_str()),
                        (self.state.as_str(), to.as_str())
                    );
                    self.state.clone_from(to);
                    is_over = self.state == "Disconnected";
                    crossed.push(id);
                }
                Output::Event(Event::McuState { mcu, from, to, transition }) => {
                    assert!(!is_over, "an event after the end");
                    let id = transition.as_str().to_owned();
                    let state = self.mcus.entry(*mcu).or_insert_with(|| "Idle".into());
                    let (starts, end) = &self.table[&id];
                    assert!(starts.contains(state), "{id} from {state}");
                    assert_eq!((from.as_str(), to.as_str()), (state.as_str(), end.as_str()));
                    state.clone_from(end);
                    self.crossed.insert(id);
                }
                Output::Event(Event::Operation(_)) | Output::Complete(_) => {}
                Output::Event(_) => assert!(!is_over, "an event after the end"),
                Output::Effect(effect) => {
                    assert!(!over, "something to do after the end");
                    assert!(!is_over || !matches!(effect, Effect::SendCommand { .. }));
                }
            }
        }
        if crossed.iter().any(|id| id == "T5" || id == "T9") {
            self.mcus.clear();
        }
        self.crossed.extend(crossed.iter().cloned());
        crossed
    }

    /// C2 and C8: each completes once, in time, for the reason of section 4.
    fn operations(&mut self, turn: &Turn, crossed: &[String]) {
        let began = crossed.iter().any(|id| id.starts_with("T6") || id.starts_with("T11"));
        for output in &turn.outputs {
            match output {
                Output::Complete(completion) => self.completed(completion, turn.now, began),
                Output::Effect(Effect::SendCommand { op, command }) => {
                    assert!(!self.refused.contains(op), "sent although refused");
                    let pending = self.pending.get_mut(op).expect("sent while pending");
                    assert!(pending.deadline.is_none(), "sent twice");
                    pending.deadline = Some(turn.now + Duration::from_secs(180));
                    if matches!(command, Command::Call { .. }) {
                        pending.kind = Kind::Call;
                    }
                }
                Output::Event(_) | Output::Effect(_) => {}
            }
        }
        for pending in self.pending.values() {
            assert!(!(began && pending.kind == Kind::Command), "pending after T6 or T11");
            let in_time = pending.deadline.is_none_or(|deadline| turn.now < deadline || turn.input.is_some());
            assert!(in_time, "past its deadline");
        }
        for op in &self.refused {
            assert!(!self.pending.contains_key(op), "refused, but not at once");
        }
    }

    fn completed(&mut self, completion: &Completion, now: Instant, began: bool) {
        let pending = self.pending.remove(&completion.id).expect("completes once");
        let reason = completion.result.as_ref().err().map(|error| error.reason());
        if self.refused.contains(&completion.id) {
            assert_eq!(reason, Some(Reason::RetryableOperation));
        }
        if began {
            assert!(pending.kind != Kind::Join, "the join survives T11");
            if pending.kind == Kind::Command {
                assert_eq!(reason, Some(Reason::SessionRetrying));
            }
        }
        assert!(pending.deadline.is_none_or(|deadline| now <= deadline), "after its deadline");
        if pending.kind == Kind::Join && reason.is_none() {
            assert_eq!(self.state, "Connected", "a join that succeeds is in the conference");
        }
    }

    /// C4 and C7: one attempt per failover, none while healing; T6 and T11 end no call.
    fn effects(&mut self, turn: &Turn, crossed: &[String]) {
        let began = crossed.iter().any(|id| id.starts_with("T6") || id.starts_with("T11"));
        if began {
            self.rejoins = 0;
            self.focus_lost = crossed.iter().any(|id| id.ends_with('a'));
            self.signalling = false;
        }
        for output in &turn.outputs {
            match output {
                Output::Effect(Effect::Rejoin { .. }) => {
                    self.rejoins += 1;
                    self.signalling = false;
                    assert_eq!(self.rejoins, 1, "exactly one attempt");
                    assert!(self.focus_lost, "no attempt while healing");
                }
                Output::Effect(Effect::StartHealing { .. }) => self.signalling = false,
                Output::Effect(Effect::EndCall { .. } | Effect::Terminate { .. }) => {
                    assert!(!began, "T6 and T11 end nothing");
                }
                Output::Event(_) | Output::Complete(_) | Output::Effect(_) => {}
            }
        }
    }

    /// C5 and evidence: a recovery ends by a fresh document after the signalling works again, and gives one report.
    fn recoveries(&self, turn: &Turn, crossed: &[String]) {
        let back = crossed.iter().any(|id| id == "T7" || id == "T12");
        if back {
            assert!(self.signalling, "recovered without signalling");
            assert!(matches!(turn.input, Some(Input::Document { fresh: true, .. })));
        }
        let reports: Vec<_> = turn
            .outputs
            .iter()
            .filter_map(|output| match output {
                Output::Event(Event::Recovery(report)) if report.level != RecoveryLevel::Mcu => Some(report),
                _ => None,
            })
            .collect();
        let expected = crossed.iter().find_map(|id| match id.as_str() {
            "T7" | "T12" => Some(RecoveryResult::Recovered),
            "T8" => Some(RecoveryResult::Failed),
            "T15" => Some(RecoveryResult::Abandoned),
            _ => None,
        });
        let results: Vec<_> = reports.iter().map(|report| report.result).collect();
        assert_eq!(results, expected.into_iter().collect::<Vec<_>>(), "one report for each recovery");
    }

    /// G2, T2, T5: the events add up to the roster.
    fn attendance(&mut self, outputs: &[Output], crossed: &[String], session: &ConferenceSession) {
        for output in outputs {
            self.mcu_attendance(output);
            let Output::Event(Event::Attendance { change, participant }) = output else { continue };
            let key = (participant.uri.clone(), participant.endpoint.clone());
            match change {
                AttendanceChange::Joined => assert!(self.known.insert(key), "joined twice"),
                AttendanceChange::Left => assert!(self.known.remove(&key), "left without having joined"),
                AttendanceChange::Updated => assert!(participant.is_self || self.known.contains(&key)),
            }
            assert!(!participant.is_self || *change == AttendanceChange::Updated);
        }
        if crossed.iter().any(|id| id == "T5") {
            assert!(self.known.is_empty() && self.known_in_mcus.is_empty(), "somebody was forgotten at T5");
        }
        let roster = session.roster();
        let others = roster.participants.iter().filter(|participant| !participant.is_self);
        let roster: BTreeSet<_> = others.map(|who| (who.uri.clone(), who.endpoint.clone())).collect();
        assert_eq!(self.known, roster, "the events do not add up to the roster");
        let modalities = session.roster();
        let modalities = modalities.modalities.iter();
        let in_mcus: BTreeSet<_> =
            modalities.map(|who| (who.uri.clone(), who.endpoint.clone(), who.mcu)).collect();
        assert_eq!(self.known_in_mcus, in_mcus, "the McuSessions' events do not add up to the roster");
    }

    fn mcu_attendance(&mut self, output: &Output) {
        let Output::Event(Event::McuAttendance { change, participant }) = output else { return };
        let key = (participant.uri.clone(), participant.endpoint.clone(), participant.mcu);
        match change {
            AttendanceChange::Joined => assert!(self.known_in_mcus.insert(key), "joined an MCU twice"),
            AttendanceChange::Left => {
                assert!(self.known_in_mcus.remove(&key), "left an MCU without having joined")
            }
            AttendanceChange::Updated => assert!(self.known_in_mcus.contains(&key)),
        }
    }

    /// C9: what a fresh document said is what the McuSession is.
    fn modalities(&self, turn: &Turn, session: &ConferenceSession) {
        let Some(Input::Document { info, fresh: true }) = &turn.input else { return };
        let arrived = turn.before == SessionState::Connected || !turn.outputs.is_empty();
        if session.state() != SessionState::Connected
            || !arrived
            || info.state != State::Full
            || info.views.is_none()
        {
            return;
        }
        let reported = info.mcu_view(McuType::Im).is_some_and(|view| view.mcu_status() == McuStatus::Active);
        let state = self.mcus.get(&McuType::Im).map_or("Idle", String::as_str);
        assert!(state == "Terminated" || reported == (state == "Active"), "{state}, reported {reported}");
    }
}
