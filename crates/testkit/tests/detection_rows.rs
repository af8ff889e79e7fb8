//! The decision table of the protocol note on recovery, section 1: what the client sees, and what it then does.
//!
//! One case for each row D1 to D21, more where a row has several signals. Each tells the signal, the rows of the table of
//! transitions that the session and its IM McuSession cross, what the command that met the signal gets, what the client
//! says that it saw, and how many requests it sends for it: INVITEs to the Focus, UPDATEs in the Focus dialog, and others
//! where they matter. [`every_row_has_a_case`] fails when a row is left out.
//!
//! Not here: what comes later in a recovery (`scenarios.rs`), servers that do what no row names (`client_side.rs`).

use std::collections::BTreeSet;

use conference::session::{Detector, OperationId, SessionState};
use sip_core::Method;
use testkit::client::SimClient;
use testkit::journal::{App, HostId};
use testkit::mock::{Action, Admission};
use testkit::network::Death;
use testkit::scenario::{Scenario, Topology};
use testkit::wire::Wire;

const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const UPDATE_ROUTE: &str = "Dialog-Route-Set-Update";
const REGISTRATION: &str = "Registration-Route-Set-Update";
const WAIT: &str = "Wait-For-Session-Update";

/// What a failover that succeeds goes through.
const FAILOVER: &[&str] = &["T6a", "M3", "T7", "M5"];
/// What a route that is healed goes through.
const HEALED: &[&str] = &["T6b", "T7"];
/// Nothing that the application would see as a change of state.
const NONE: &[&str] = &[];

/// Where a session is when the signal comes.
#[derive(Debug, Clone, Copy)]
enum Scene {
    Connected(Topology),
    WithCall(Topology),
    InLobby,
}

/// One row, or one of its signals.
struct Case {
    row: Detector,
    scene: Scene,
    /// Makes the signal come; gives the command that meets it, if any.
    signal: fn(&mut Scenario, HostId) -> Option<OperationId>,
    /// How that command ends: `None` is success, else its reason and status.
    command: Option<(&'static str, Option<u16>)>,
    /// Virtual seconds until all is over.
    seconds: u64,
    rows: &'static [&'static str],
    /// What repairs and reports say that they were caused by, in order; repairs with whether they worked.
    repairs: &'static [(bool, Detector)],
    reports: &'static [(&'static str, Option<Detector>)],
    invites: usize,
    updates: usize,
    /// Further requests to count, in all dialogs.
    others: &'static [(&'static str, usize)],
}

/// A case in which nothing happens: to be changed where something does.
const QUIET: Case = Case {
    row: Detector::D1,
    scene: Scene::Connected(Topology::Hops),
    signal: |_, _| None,
    command: None,
    seconds: 20,
    rows: NONE,
    repairs: &[],
    reports: &[],
    invites: 0,
    updates: 0,
    others: &[],
};

impl Case {
    fn check(&self) {
        let (mut scenario, bob) = self.scene.open();
        let mark = scenario.mark();
        let op = (self.signal)(&mut scenario, bob);
        let command = op.and_then(|op| scenario.outcome(bob, op).err());
        let command = command.map(|error| (error.reason().as_str(), error.sip_status()));
        assert_eq!(command, self.command, "the command\n{}", scenario.flow());
        scenario.run(self.seconds);
        let flow = scenario.flow();
        assert_eq!(scenario.rows(bob, mark), self.rows, "rows\n{flow}");
        assert_eq!(repairs(&scenario, bob, mark), words(self.repairs), "repairs\n{flow}");
        assert_eq!(reports(&scenario, bob), self.reports, "reports\n{flow}");
        assert_eq!(of_the_focus(&scenario, bob, "INVITE", mark), self.invites, "INVITEs\n{flow}");
        assert_eq!(of_the_focus(&scenario, bob, "UPDATE", mark), self.updates, "UPDATEs\n{flow}");
        for (method, count) in self.others {
            assert_eq!(scenario.requests(bob, method, mark).len(), *count, "{method}s\n{flow}");
        }
    }
}

impl Scene {
    /// A world with Bob in it, whose subscription is old enough to be made anew at once (D10).
    fn open(self) -> (Scenario, HostId) {
        let (mut scenario, bob) = match self {
            Scene::Connected(topology) => Scenario::connected(topology),
            Scene::WithCall(topology) => Scenario::with_call(topology),
            Scene::InLobby => {
                let mut scenario = Scenario::new(Topology::Direct);
                let bob = scenario.add_client("bob");
                scenario.conference.borrow_mut().admission = Admission::Lobby;
                scenario.start_join(bob);
                scenario.until(bob, SessionState::InLobby, 5);
                (scenario, bob)
            }
        };
        scenario.run(6);
        (scenario, bob)
    }
}

fn words(repairs: &[(bool, Detector)]) -> Vec<(bool, &'static str)> {
    repairs.iter().map(|(repaired, by)| (*repaired, by.as_str())).collect()
}

fn repairs(scenario: &Scenario, client: HostId, from: usize) -> Vec<(bool, &'static str)> {
    let told = scenario.app(client, from).filter_map(|app| match app {
        App::Repair { repaired, detected_by } => Some((*repaired, *detected_by)),
        _ => None,
    });
    told.collect()
}

fn reports(scenario: &Scenario, client: HostId) -> Vec<(&'static str, Option<Detector>)> {
    let reports = scenario.simulation.node::<SimClient>(client).reports();
    reports.iter().map(|report| (report.level.as_str(), report.detected_by)).collect()
}

/// Requests in the dialog with the Focus, old or new.
fn of_the_focus(scenario: &Scenario, client: HostId, method: &str, from: usize) -> usize {
    let requests = scenario.requests(client, method, from);
    let calls =
        requests.iter().filter_map(|(_, text)| Some(Wire::read(text.as_bytes())?.call_id().to_owned()));
    calls.filter(|call_id| call_id.starts_with("focus-")).count()
}

/// The hop answers the next requests of a method.
fn hop_says(scenario: &mut Scenario, method: Method, actions: impl IntoIterator<Item = Action>) {
    scenario.hop(|hop| actions.into_iter().for_each(|action| hop.script.next(method.clone(), action)));
}

/// The Focus answers the next requests of a method.
fn focus_says(scenario: &mut Scenario, method: Method, actions: impl IntoIterator<Item = Action>) {
    scenario
        .focus(|focus, _| actions.into_iter().for_each(|action| focus.script.next(method.clone(), action)));
}

/// Bob's lock meets what the hop says.
fn lock_at_hop(scenario: &mut Scenario, bob: HostId, action: Action) -> Option<OperationId> {
    hop_says(scenario, Method::Info, [action]);
    Some(scenario.lock(bob))
}

/// Bob's lock meets what the Focus says.
fn lock_at_focus(scenario: &mut Scenario, bob: HostId, action: Action) -> Option<OperationId> {
    focus_says(scenario, Method::Info, [action]);
    Some(scenario.lock(bob))
}

fn with_header(status: u16, name: &str, value: &str) -> Action {
    Action::Answer { status, headers: vec![(name.to_owned(), value.to_owned())] }
}

fn bye(scenario: &mut Scenario, diagnostics: &str) -> Option<OperationId> {
    scenario.focus(|focus, now| focus.bye(BOB, diagnostics, now));
    None
}

fn over(scenario: &mut Scenario, reason: &str) -> Option<OperationId> {
    scenario.focus(|focus, now| focus.end_subscription(BOB, reason, now));
    None
}

/// A version is missing, so the client refreshes its subscription.
fn miss_a_version(scenario: &mut Scenario) {
    scenario.conference.borrow_mut().skip_version();
    scenario.conference.borrow_mut().add_person(CAROL);
}

/// A test for each case, and the list of all.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident: $case:expr;)+) => {
        $($(#[$doc])* #[test] fn $name() { $case.check(); })+

        /// Names and rows, in the order of this file.
        fn all() -> Vec<(&'static str, Detector)> {
            vec![$((stringify!($name), $case.row)),+]
        }
    };
}

cases! {
    /// Repaired at once, and the command goes again: nobody is told but by the repair itself.
    d01_update_the_route: Case {
        row: Detector::D1,
        signal: |s, bob| lock_at_hop(s, bob, Action::flow_failed(UPDATE_ROUTE)),
        repairs: &[(true, Detector::D1)],
        updates: 1,
        others: &[("INFO", 2), ("SUBSCRIBE", 1)],
        ..QUIET
    };
    /// No repair: the heal loop, whose first UPDATE goes at once.
    d02_wait_for_the_far_end: Case {
        row: Detector::D2,
        signal: |s, bob| lock_at_hop(s, bob, Action::flow_failed(WAIT)),
        command: Some(("SessionRetrying", Some(430))),
        rows: HEALED,
        reports: &[("route", Some(Detector::D2))],
        updates: 1,
        others: &[("INFO", 1)],
        ..QUIET
    };
    /// REGISTER, and then the UPDATE.
    d03_registration_lost: Case {
        row: Detector::D3,
        signal: |s, bob| lock_at_hop(s, bob, Action::flow_failed(REGISTRATION)),
        command: Some(("SessionRetrying", Some(430))),
        rows: HEALED,
        reports: &[("route", Some(Detector::D3))],
        updates: 1,
        others: &[("REGISTER", 1)],
        ..QUIET
    };
    /// The same with other tokens beside it.
    d03_among_others: Case {
        row: Detector::D3,
        signal: |s, bob| {
            lock_at_hop(s, bob, Action::flow_failed("Dialog-Route-Set-Update, Registration-Route-Set-Update"))
        },
        command: Some(("SessionRetrying", Some(430))),
        rows: HEALED,
        reports: &[("route", Some(Detector::D3))],
        updates: 1,
        others: &[("REGISTER", 1)],
        ..QUIET
    };
    /// As D1, and told as D1.
    d04_without_the_header: Case {
        row: Detector::D4,
        signal: |s, bob| lock_at_hop(s, bob, Action::status(430)),
        repairs: &[(true, Detector::D1)],
        updates: 1,
        others: &[("INFO", 2)],
        ..QUIET
    };
    /// As D1, and told as D1.
    d04_unknown_token: Case {
        row: Detector::D4,
        signal: |s, bob| lock_at_hop(s, bob, Action::flow_failed("Change-Horses")),
        repairs: &[(true, Detector::D1)],
        updates: 1,
        others: &[("INFO", 2)],
        ..QUIET
    };
    /// The repair worked, and the command met 430 again: no second repair. One UPDATE repaired, one heals.
    d05_flow_failed_twice: Case {
        row: Detector::D5,
        signal: |s, bob| {
            hop_says(s, Method::Info, [UPDATE_ROUTE; 2].map(Action::flow_failed));
            Some(s.lock(bob))
        },
        command: Some(("SessionRetrying", Some(430))),
        rows: HEALED,
        repairs: &[(true, Detector::D1), (false, Detector::D5)],
        reports: &[("route", Some(Detector::D5))],
        updates: 2,
        others: &[("INFO", 2)],
        ..QUIET
    };
    d06_408: from_a_hop(Detector::D6, |s, bob| lock_at_hop(s, bob, Action::status(408)));
    d06_503: from_a_hop(Detector::D6, |s, bob| lock_at_hop(s, bob, Action::status(503)));
    d06_504: from_a_hop(Detector::D6, |s, bob| lock_at_hop(s, bob, Action::status(504)));
    /// No final answer in 32 s.
    d06_silence: from_a_hop(Detector::D6, |s, bob| lock_at_hop(s, bob, Action::Silence));
    /// The dialog is gone: one INVITE.
    d07_unknown_dialog: Case {
        row: Detector::D7,
        signal: |s, bob| {
            s.focus(|focus, now| focus.fail_over(false, now));
            Some(s.lock(bob))
        },
        command: Some(("SessionRetrying", Some(481))),
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D7))],
        invites: 1,
        ..QUIET
    };
    /// 481 to an UPDATE of the heal loop: M3 then, and one report of both.
    d07_while_healing: Case {
        row: Detector::D7,
        signal: |s, bob| {
            s.focus(|focus, now| focus.fail_over(false, now));
            lock_at_hop(s, bob, Action::flow_failed(WAIT))
        },
        command: Some(("SessionRetrying", Some(430))),
        rows: &["T6b", "M3", "T7", "M5"],
        reports: &[("focus", Some(Detector::D2))],
        invites: 1,
        updates: 1,
        ..QUIET
    };
    /// Asked, the Focus knows the dialog: another subscription and no more.
    d08_subscription_lost: Case {
        row: Detector::D8,
        scene: Scene::Connected(Topology::Direct),
        signal: |s, _| {
            focus_says(s, Method::Subscribe, [Action::status(481)]);
            miss_a_version(s);
            None
        },
        updates: 1,
        others: &[("SUBSCRIBE", 2)],
        ..QUIET
    };
    /// Asked, the Focus does not know the dialog either.
    d08_and_the_dialog: Case {
        row: Detector::D8,
        scene: Scene::Connected(Topology::Direct),
        signal: |s, _| {
            focus_says(s, Method::Subscribe, [Action::moved()]);
            focus_says(s, Method::Update, [Action::moved()]);
            miss_a_version(s);
            None
        },
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D7))],
        invites: 1,
        updates: 1,
        ..QUIET
    };
    d09_deactivated: Case {
        row: Detector::D9,
        signal: |s, _| {
            s.focus(|focus, now| focus.fail_over(true, now));
            None
        },
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D9))],
        invites: 1,
        ..QUIET
    };
    d09_probation: Case {
        row: Detector::D9,
        signal: |s, _| over(s, "probation;retry-after=3"),
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D9))],
        invites: 1,
        ..QUIET
    };
    /// Another subscription; the dialog is left alone.
    d10_subscription_ran_out: Case {
        row: Detector::D10,
        signal: |s, _| over(s, "timeout"),
        others: &[("SUBSCRIBE", 1)],
        ..QUIET
    };
    d11_rejected: ended(Detector::D11, &["T3c", "M6", "T4"], |s, _| over(s, "rejected"));
    d11_noresource: ended(Detector::D11, &["T3d", "M6", "T4"], |s, _| over(s, "noresource"));
    /// The server's wait in the lobby is over.
    d11_giveup_in_the_lobby: Case {
        scene: Scene::InLobby,
        ..ended(Detector::D11, &["T14a", "M6", "M6", "M6", "M6", "T4"], |s, _| over(s, "giveup"))
    };
    d12_removed: ended(Detector::D12, &["T3c", "M6", "T4"], |s, _| bye(s, "61006;reason=\"removed\""));
    d12_conference_over: ended(Detector::D12, &["T3d", "M6", "T4"], |s, _| bye(s, "61007;reason=\"ended\""));
    /// Another holder of the endpoint: ends quietly, no INVITE.
    d12_replaced: ended(Detector::D12, &["T3d", "M6", "T4"], |s, _| bye(s, "60001;reason=\"replaced\""));
    d12_moved: Case {
        row: Detector::D12,
        signal: |s, _| bye(s, "61001;reason=\"moved\""),
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D12))],
        invites: 1,
        ..QUIET
    };
    d12_session_expired: Case {
        row: Detector::D12,
        signal: |s, _| bye(s, "61008;reason=\"expired\""),
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D12))],
        invites: 1,
        ..QUIET
    };
    /// The connection is lost and the way is there again: REGISTER, and the Focus is asked.
    d13_connection_lost: Case {
        row: Detector::D13,
        scene: Scene::Connected(Topology::Direct),
        signal: |s, bob| {
            s.simulation.reset(bob, s.front_ends[0]);
            None
        },
        updates: 1,
        others: &[("REGISTER", 1), ("SUBSCRIBE", 1)],
        ..QUIET
    };
    /// The hop behind it is dead, so the question finds no way by the old route: one UPDATE repairs, and the question, an
    /// UPDATE as well, goes again by the new one.
    d13_hop_killed: Case {
        row: Detector::D13,
        signal: |s, _| {
            s.kill(s.hops[0], Death::Killed);
            None
        },
        repairs: &[(true, Detector::D13)],
        updates: 2,
        ..QUIET
    };
    /// The front end behind it is dead: the next one does not know the dialog.
    d13_front_end_killed: Case {
        row: Detector::D13,
        scene: Scene::Connected(Topology::Direct),
        signal: |s, _| {
            s.kill(s.front_ends[0], Death::Killed);
            None
        },
        rows: FAILOVER,
        reports: &[("focus", Some(Detector::D7))],
        invites: 1,
        updates: 1,
        ..QUIET
    };
    d14_registration_gone: Case {
        row: Detector::D14,
        scene: Scene::Connected(Topology::Direct),
        signal: |s, _| {
            s.focus(|focus, now| focus.registration_notice(BOB, now));
            None
        },
        updates: 1,
        others: &[("REGISTER", 1)],
        ..QUIET
    };
    /// The call repairs itself; the Focus is asked by the same occasion.
    d15_way_of_a_call: Case {
        row: Detector::D15,
        scene: Scene::WithCall(Topology::Hops),
        signal: |s, bob| {
            hop_says(s, Method::Message, [Action::flow_failed(UPDATE_ROUTE)]);
            Some(s.say(bob, "hello"))
        },
        repairs: &[(true, Detector::D1)],
        updates: 1,
        others: &[("MESSAGE", 2)],
        ..QUIET
    };
    d15_call_ended_by_the_mcu: Case {
        row: Detector::D15,
        scene: Scene::WithCall(Topology::Direct),
        signal: |s, _| {
            s.im_mcu(|mcu, now| mcu.bye(BOB, "61002;reason=\"draining\"", now));
            None
        },
        updates: 1,
        ..QUIET
    };
    d16_silence: Case { row: Detector::D16, seconds: 130, updates: 1, ..QUIET };
    /// The UPDATE of the far end heals: none of ours after the first, which failed.
    d17_healed_from_the_far_end: Case {
        row: Detector::D17,
        signal: |s, bob| {
            hop_says(s, Method::Update, [Action::flow_failed(WAIT)]);
            let op = lock_at_hop(s, bob, Action::flow_failed(WAIT));
            s.run(1);
            assert_eq!(s.state(bob), SessionState::Reconnecting);
            s.focus(|focus, now| focus.update(BOB, now));
            op
        },
        command: Some(("SessionRetrying", Some(430))),
        rows: HEALED,
        reports: &[("route", Some(Detector::D2))],
        updates: 1,
        ..QUIET
    };
    d18_404: from_a_hop(Detector::D18, |s, bob| lock_at_hop(s, bob, Action::status(404)));
    d18_410: from_a_hop(Detector::D18, |s, bob| lock_at_hop(s, bob, Action::status(410)));
    d18_480: from_a_hop(Detector::D18, |s, bob| lock_at_hop(s, bob, Action::status(480)));
    d18_604: from_a_hop(Detector::D18, |s, bob| lock_at_hop(s, bob, Action::status(604)));
    /// In the heal loop: a failed attempt, and the loop goes on.
    d18_while_healing: Case {
        row: Detector::D18,
        signal: |s, bob| {
            hop_says(s, Method::Update, [Action::status(404), Action::status(480)]);
            lock_at_hop(s, bob, Action::flow_failed(WAIT))
        },
        command: Some(("SessionRetrying", Some(430))),
        rows: HEALED,
        reports: &[("route", Some(Detector::D2))],
        updates: 3,
        ..QUIET
    };
    /// The same request with a proof; neither dialog nor session learns of it.
    d19_challenge: Case {
        row: Detector::D19,
        scene: Scene::Connected(Topology::Direct),
        signal: |s, bob| {
            let challenge = "Digest realm=\"example.com\", nonce=\"5b1c\", qop=\"auth\", algorithm=MD5";
            lock_at_focus(s, bob, with_header(401, "WWW-Authenticate", challenge))
        },
        others: &[("INFO", 2)],
        ..QUIET
    };
    d20_491: again(|s, bob| lock_at_focus(s, bob, Action::status(491)));
    d20_500_with_retry_after: again(|s, bob| lock_at_focus(s, bob, with_header(500, "Retry-After", "1")));
    d21_403: refused(403, |s, bob| lock_at_focus(s, bob, Action::status(403)));
    d21_488: refused(488, |s, bob| lock_at_focus(s, bob, Action::status(488)));
    d21_500: refused(500, |s, bob| lock_at_focus(s, bob, Action::status(500)));
    d21_603: refused(603, |s, bob| lock_at_focus(s, bob, Action::status(603)));
}

type Signal = fn(&mut Scenario, HostId) -> Option<OperationId>;

/// A command meets a hop that is of no use: one repair, and the command goes again.
const fn from_a_hop(row: Detector, signal: Signal) -> Case {
    let repairs: &[(bool, Detector)] = match row {
        Detector::D18 => &[(true, Detector::D18)],
        _ => &[(true, Detector::D6)],
    };
    Case { row, signal, repairs, updates: 1, others: &[("INFO", 2)], ..QUIET }
}

/// The server ends it: no recovery, no INVITE.
const fn ended(row: Detector, rows: &'static [&'static str], signal: Signal) -> Case {
    Case { row, scene: Scene::Connected(Topology::Direct), rows, signal, ..QUIET }
}

/// Glare: the same request a moment later.
const fn again(signal: Signal) -> Case {
    Case { row: Detector::D20, signal, others: &[("INFO", 2)], ..QUIET }
}

/// The command failed, and nothing else.
const fn refused(status: u16, signal: Signal) -> Case {
    Case {
        row: Detector::D21,
        signal,
        command: Some(("Failure", Some(status))),
        others: &[("INFO", 1)],
        ..QUIET
    }
}

/// Each of D1 to D21 has a case, and each case is named after its row.
#[test]
fn every_row_has_a_case() {
    let covered: BTreeSet<Detector> = all().into_iter().map(|(_, row)| row).collect();
    assert_eq!(covered, Detector::ALL.iter().copied().collect());
    for (name, row) in all() {
        let number = row.as_str().trim_start_matches('D');
        assert!(name.starts_with(&format!("d{number:0>2}_")), "{name} is a case of {row}");
    }
}
