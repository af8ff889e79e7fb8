//! Chance: which faults a run has, which actions its applications take, and when. All of it from one seed.
//!
//! Swarm testing: the seed first draws which kinds of faults exist in this run at all, then the run. There are two phases:
//! faults with safety checked at each step; then everything is mended, and the sessions that live have to be well.

use std::collections::BTreeMap;
use std::time::Duration;

use c3p::McuType;
use c3p::info::Role;
use conference::session::{Command, SessionState};
use sip_core::{IdSource, Method, SeededIds};

use crate::client::SimClient;
use crate::invariants::Judge;
use crate::journal::{App, HostId};
use crate::ladder;
use crate::mock::{Action, Admission, MockFocus, MockHop, MockMcu};
use crate::network::{Death, NetworkConfig};
use crate::scenario::{Scenario, Topology};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// How long faults come.
const FAULTS: Duration = Duration::from_secs(120);
/// How long what is mended has to recover (L1): who is idle learns of a silent failover by the probe of D16, after 120 s.
const MENDED_S: u64 = 140;
/// And then to see the change that shows who missed a notification.
const SETTLED_S: u64 = 10;
/// The longest orderly end: two times 32 s, and a little.
const ENDING_S: u64 = 130;

/// A run that broke a rule, for people.
#[derive(Debug)]
pub struct Failure {
    /// The seed that repeats it.
    pub seed: u64,
    /// In which step it showed.
    pub step: u64,
    /// What is wrong.
    pub what: String,
    /// The run as a message flow.
    pub flow: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SEED={} STEP={}: {}\n{}", self.seed, self.step, self.what, self.flow)
    }
}

/// What a run without failure tells.
#[derive(Debug)]
pub struct Outcome {
    /// The hash of everything that happened.
    pub trace: u64,
    /// The rows that were crossed, and how often.
    pub rows: BTreeMap<&'static str, usize>,
    /// The steps it took.
    pub steps: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    FailOver,
    KillFrontEnd,
    KillHop,
    Refuse,
    Silence,
    FlowFailed,
    Gone,
    EndSubscription,
    McuFailOver,
    McuHangsUp,
    Reset,
    Cut,
    Pause,
    Loss,
    LostNotification,
    People,
    FarEndUpdate,
    Bye,
    Door,
}

const FAULT_KINDS: [Fault; 19] = [
    Fault::FailOver,
    Fault::KillFrontEnd,
    Fault::KillHop,
    Fault::Refuse,
    Fault::Silence,
    Fault::FlowFailed,
    Fault::Gone,
    Fault::EndSubscription,
    Fault::McuFailOver,
    Fault::McuHangsUp,
    Fault::Reset,
    Fault::Cut,
    Fault::Pause,
    Fault::Loss,
    Fault::LostNotification,
    Fault::People,
    Fault::FarEndUpdate,
    Fault::Bye,
    Fault::Door,
];

/// Something that was broken and has to be mended.
#[derive(Debug)]
enum Mend {
    Restart(HostId),
    Join(HostId, HostId),
    GoOn(HostId),
    Recover,
    NoLoss,
}

struct Run {
    seed: u64,
    dice: SeededIds,
    scenario: Scenario,
    judge: Judge,
    kinds: Vec<Fault>,
    mends: Vec<(Duration, Mend)>,
    instances: u32,
    told: u32,
    /// The longest pause between two actions or faults, in milliseconds.
    pause_max: u64,
}

/// Runs one seed.
///
/// # Errors
///
/// The first rule that is broken, with the message flow.
pub fn run(seed: u64) -> Result<Outcome, Box<Failure>> {
    let mut run = Run::new(seed);
    let result = run.go();
    result.map_err(|what| {
        let simulation = &run.scenario.simulation;
        let flow = ladder::ladder(simulation.journal(), &simulation.names(), 400);
        Box::new(Failure { seed, step: simulation.step_number(), what, flow })
    })?;
    let journal = run.scenario.simulation.journal();
    let rows = run.scenario.clients.iter().flat_map(|client| journal.app(*client));
    let mut crossed = BTreeMap::new();
    for app in rows {
        if let App::State { row, .. } | App::Mcu { row, .. } = app {
            *crossed.entry(*row).or_default() += 1;
        }
    }
    Ok(Outcome { trace: journal.trace_hash(), rows: crossed, steps: run.scenario.simulation.step_number() })
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = SeededIds::new(seed ^ 0x6368_616f_7321);
        let topology = [Topology::Direct, Topology::Datagrams, Topology::Hops][pick(&mut dice, 3)];
        let network = NetworkConfig {
            latency: Duration::from_millis(1 + dice.below(40)),
            jitter: Duration::from_millis(dice.below(60)),
            tear: dice.below(2) == 0,
            ..NetworkConfig::default()
        };
        let mut scenario = Scenario::seeded(topology, seed, network);
        let count = 1 + pick(&mut dice, NAMES.len());
        for name in NAMES.iter().take(count) {
            scenario.add_client(name);
        }
        if dice.below(4) == 0 {
            scenario.conference.borrow_mut().admission = Admission::Lobby;
        }
        let kinds = FAULT_KINDS.iter().copied().filter(|_| dice.below(3) == 0).collect();
        let judge = Judge::new(&scenario.clients);
        let (piggyback, pending) = (dice.below(4) != 0, dice.below(4) == 0);
        let interval = if dice.below(2) == 0 { 1800 } else { 90 };
        for host in scenario.front_ends {
            scenario.simulation.act(host, |focus: &mut MockFocus, _| {
                focus.piggyback = piggyback;
                focus.says_pending = pending;
                focus.session_expires = interval;
                // Short, so that who lost his subscription without a word learns of it within the run.
                focus.subscription_expires = 100;
            });
        }
        let pause_max = [1_500, 4_000, 9_000][pick(&mut dice, 3)];
        Run { seed, dice, scenario, judge, kinds, mends: Vec::new(), instances: 1, told: 0, pause_max }
    }

    fn go(&mut self) -> Result<(), String> {
        for client in self.scenario.clients.clone() {
            self.scenario.start_join(client);
        }
        let span = Duration::from_secs(3);
        self.advance(span)?;
        while self.scenario.simulation.elapsed() < FAULTS {
            let pause = Duration::from_millis(100 + self.dice.below(self.pause_max));
            self.advance(pause)?;
            if self.dice.below(2) == 0 {
                self.fault();
            } else {
                self.action();
            }
        }
        self.mend_all();
        self.advance(Duration::from_secs(MENDED_S))?;
        // A BENOTIFY that was lost (the first one may be, on a connection that is dead by half) shows by the gap before the
        // next one.
        for user in ["sip:yves@example.com", "sip:zoe@example.com"] {
            self.scenario.conference.borrow_mut().add_person(user);
            self.advance(Duration::from_secs(SETTLED_S))?;
        }
        self.check_liveness()?;
        for client in self.scenario.clients.clone() {
            self.scenario.leave(client);
        }
        self.advance(Duration::from_secs(ENDING_S))?;
        self.judge.finish(self.scenario.simulation.journal()).map_err(|violation| violation.to_string())
    }

    /// Runs for a while, with the judge at each step.
    fn advance(&mut self, span: Duration) -> Result<(), String> {
        let end = self.scenario.simulation.now() + span;
        loop {
            self.mend_due();
            let elapsed = self.scenario.simulation.elapsed();
            let next = self.mends.iter().map(|(at, _)| at.saturating_sub(elapsed)).min();
            let until = next.map_or(end, |next| end.min(self.scenario.simulation.now() + next));
            let went = self.scenario.simulation.step_until(until);
            self.judge
                .observe(self.scenario.simulation.journal())
                .map_err(|violation| violation.to_string())?;
            if !went && self.scenario.simulation.now() >= end {
                return Ok(());
            }
        }
    }

    fn mend_due(&mut self) {
        let elapsed = self.scenario.simulation.elapsed();
        while let Some(index) = self.mends.iter().position(|(at, _)| *at <= elapsed) {
            let (_, mend) = self.mends.remove(index);
            self.mend(mend);
        }
    }

    fn mend_all(&mut self) {
        for (_, mend) in std::mem::take(&mut self.mends) {
            self.mend(mend);
        }
        self.scenario.simulation.note_fault("all is mended");
        for host in self.scenario.front_ends {
            self.scenario.simulation.act(host, |focus: &mut MockFocus, _| focus.script.clear());
        }
        for host in self.scenario.hops {
            self.scenario.simulation.act(host, |hop: &mut MockHop, _| hop.script.clear());
        }
        self.scenario.im_mcu(|mcu, _| mcu.script.clear());
    }

    fn mend(&mut self, mend: Mend) {
        match mend {
            Mend::Restart(host) => self.scenario.restart(host),
            Mend::Join(a, b) => self.scenario.simulation.cut(a, b, false),
            Mend::GoOn(host) => self.scenario.simulation.pause(host, false),
            Mend::Recover => {
                self.instances += 1;
                let instance = format!("im-{}", self.instances);
                self.scenario.im_mcu(|mcu, _| mcu.recover(&instance));
            }
            Mend::NoLoss => self.scenario.simulation.set_loss(0, 0),
        }
    }

    fn later(&mut self, mend: Mend, at_most_s: u64) {
        let at = self.scenario.simulation.elapsed()
            + Duration::from_millis(500 + self.dice.below(at_most_s * 1000));
        self.mends.push((at, mend));
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> T {
        of[pick(&mut self.dice, of.len())]
    }

    // ---- faults ----

    fn fault(&mut self) {
        if self.kinds.is_empty() {
            return;
        }
        let kinds = self.kinds.clone();
        match self.any(&kinds) {
            Fault::FailOver => {
                let announce = self.dice.below(2) == 0;
                self.focus(|focus, now| focus.fail_over(announce, now));
            }
            Fault::KillFrontEnd => {
                let hosts = self.scenario.front_ends;
                self.kill(&hosts);
            }
            Fault::KillHop => {
                let hosts = self.scenario.hops;
                self.kill(&hosts);
            }
            Fault::Refuse => {
                let status = self.any(&[403, 404, 408, 480, 491, 500, 503, 504, 604]);
                self.script(Action::status(status));
            }
            Fault::Silence => self.script(Action::Silence),
            Fault::FlowFailed => {
                let tokens = [
                    "Dialog-Route-Set-Update",
                    "Wait-For-Session-Update",
                    "Registration-Route-Set-Update",
                    "Other",
                ];
                let token = self.any(&tokens);
                self.script(Action::flow_failed(token));
            }
            Fault::Gone => self.script(Action::moved()),
            Fault::EndSubscription => {
                let reason = self.any(&["deactivated", "probation", "timeout"]);
                let user = self.user();
                self.focus(|focus, now| focus.end_subscription(&user, reason, now));
            }
            Fault::McuFailOver => {
                if !self.mends.iter().any(|(_, mend)| matches!(mend, Mend::Recover)) {
                    self.scenario.im_mcu(|mcu, _| mcu.fail_over());
                    self.later(Mend::Recover, 15);
                }
            }
            Fault::McuHangsUp => {
                let user = self.user();
                self.scenario.im_mcu(|mcu, now| mcu.bye(&user, "61002;reason=\"drain\"", now));
            }
            Fault::Reset => {
                let (client, server) = self.pair();
                self.scenario.simulation.reset(client, server);
            }
            Fault::Cut => {
                let (client, server) = self.pair();
                self.scenario.simulation.cut(client, server, true);
                self.later(Mend::Join(client, server), 45);
            }
            Fault::Pause => {
                let host = self.server();
                let free = !self.mends.iter().any(|(_, mend)| matches!(mend, Mend::GoOn(of) if *of == host));
                if self.scenario.simulation.is_alive(host) && free {
                    self.scenario.simulation.pause(host, true);
                    self.later(Mend::GoOn(host), 40);
                }
            }
            Fault::Loss => {
                let (loss, doubled) = (self.dice.below(30), self.dice.below(50));
                self.scenario.simulation.set_loss(loss, doubled);
                self.later(Mend::NoLoss, 30);
            }
            Fault::LostNotification => self.scenario.conference.borrow_mut().skip_version(),
            Fault::People => {
                let user =
                    self.any(&["sip:dave@example.com", "sip:erin@example.com", "sip:frank@example.com"]);
                let inside = self.scenario.conference.borrow().users().iter().any(|known| known == user);
                let mut conference = self.scenario.conference.borrow_mut();
                if inside { conference.remove_person(user) } else { conference.add_person(user) }
            }
            Fault::FarEndUpdate => {
                let user = self.user();
                self.focus(|focus, now| focus.update(&user, now));
            }
            Fault::Door => {
                let user = self.user();
                let mut conference = self.scenario.conference.borrow_mut();
                if self.dice.below(4) == 0 { conference.eject(&user) } else { conference.admit(&user) }
            }
            Fault::Bye => {
                let user = self.user();
                let why = self.any(&["61001;reason=\"moved\"", "61008;reason=\"expired\""]);
                self.focus(|focus, now| focus.bye(&user, why, now));
            }
        }
    }

    fn focus(&mut self, act: impl FnOnce(&mut MockFocus, std::time::Instant)) {
        let hosts = self.scenario.front_ends;
        let host = self.any(&hosts);
        if self.scenario.simulation.is_alive(host) {
            let name = self.scenario.simulation.name(host).to_owned();
            self.scenario.simulation.note_fault(format!("{name} acts"));
            self.scenario.simulation.act(host, act);
        }
    }

    fn script(&mut self, action: Action) {
        let methods = [
            Method::Info,
            Method::Update,
            Method::Subscribe,
            Method::Invite,
            Method::Register,
            Method::Bye,
            Method::Message,
        ];
        let method = methods[pick(&mut self.dice, methods.len())].clone();
        self.scenario.simulation.note_fault(format!("next {method}: {action:?}"));
        if method == Method::Message {
            return self.scenario.im_mcu(|mcu: &mut MockMcu, _| mcu.script.next(method, action));
        }
        let host = self.server();
        if !self.scenario.simulation.is_alive(host) {
            return;
        }
        if self.scenario.hops.contains(&host) {
            self.scenario.simulation.act(host, |hop: &mut MockHop, _| hop.script.next(method, action));
        } else {
            self.scenario.simulation.act(host, |focus: &mut MockFocus, _| focus.script.next(method, action));
        }
    }

    /// Kills one of two, if the other one lives.
    fn kill(&mut self, hosts: &[HostId; 2]) {
        let victim = self.any(hosts);
        let paused =
            self.mends.iter().any(|(_, mend)| matches!(mend, Mend::GoOn(host) if hosts.contains(host)));
        if paused || !hosts.iter().all(|host| self.scenario.simulation.is_alive(*host)) {
            return;
        }
        let death = if self.dice.below(3) == 0 { Death::Vanished } else { Death::Killed };
        self.scenario.kill(victim, death);
        self.later(Mend::Restart(victim), 40);
    }

    fn server(&mut self) -> HostId {
        let (front_ends, hops) = (self.scenario.front_ends, self.scenario.hops);
        let at_hop = self.scenario.topology() == Topology::Hops && self.dice.below(2) == 0;
        if at_hop { self.any(&hops) } else { self.any(&front_ends) }
    }

    fn pair(&mut self) -> (HostId, HostId) {
        let clients = self.scenario.clients.clone();
        let client = self.any(&clients);
        let hops = self.scenario.topology() == Topology::Hops;
        let servers = if hops { self.scenario.hops } else { self.scenario.front_ends };
        (client, self.any(&servers))
    }

    fn user(&mut self) -> String {
        let count = self.scenario.clients.len();
        format!("sip:{}@example.com", NAMES[pick(&mut self.dice, count)])
    }

    // ---- the applications ----

    fn action(&mut self) {
        let clients = self.scenario.clients.clone();
        let client = self.any(&clients);
        let command = match self.dice.below(20) {
            0..5 => Command::Lock { locked: false },
            5..7 => Command::FetchRoster,
            7..9 => Command::SetRole { user: self.user(), role: Role::Presenter },
            9..11 => Command::Call { mcu: McuType::Im },
            11 => Command::Hangup { mcu: McuType::Im },
            12 if self.dice.below(4) == 0 => {
                self.scenario.leave(client);
                return;
            }
            13 if self.dice.below(12) == 0 => {
                self.scenario.simulation.act(client, |node: &mut SimClient, now| node.end(now));
                return;
            }
            14 if self.dice.below(6) == 0 => Command::Eject { user: self.user() },
            _ => {
                self.told += 1;
                let text = format!("message {}", self.told);
                self.scenario.say(client, &text);
                return;
            }
        };
        self.scenario.begin(client, command);
    }

    /// L1, G1: with everything mended, who is not out is in, and sees who is in.
    fn check_liveness(&mut self) -> Result<(), String> {
        let simulation = &self.scenario.simulation;
        for client in &self.scenario.clients {
            let node = simulation.node::<SimClient>(*client);
            let name = simulation.name(*client);
            match node.state() {
                SessionState::Idle | SessionState::Disconnected => {}
                SessionState::Connected => {
                    let (seen, real) = (node.users(), self.scenario.conference.borrow().everybody());
                    if seen != real {
                        return Err(format!(
                            "G1: {name} sees {seen:?}, and there are {real:?} (seed {})",
                            self.seed
                        ));
                    }
                }
                SessionState::InLobby => {
                    let user = format!("sip:{name}@example.com");
                    if !self.scenario.conference.borrow().waits(&user) {
                        return Err(format!("G1: {name} waits in the lobby, and the Focus does not say so"));
                    }
                }
                other => return Err(format!("L1: {name} is still {other}")),
            }
        }
        Ok(())
    }
}

fn pick(dice: &mut SeededIds, of: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(of).unwrap_or(1))).unwrap_or(0)
}
