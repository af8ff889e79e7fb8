//! What a client does where servers misbehave in ways that the scenarios R1 to R23 do not name: sentences of the
//! specification and of the protocol note on recovery, one test each.

use std::time::Duration;

use conference::session::{OperationError, Reason, SessionState};
use sip_core::Method;
use testkit::journal::{App, HostId, What};
use testkit::mock::{Action, MockFocus};
use testkit::scenario::{Scenario, Topology};
use testkit::wire::Wire;

const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const UPDATE_ROUTE: &str = "Dialog-Route-Set-Update";
const WAIT: &str = "Wait-For-Session-Update";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn has_route(text: &str) -> bool {
    Wire::read(text.as_bytes()).expect("a SIP message").header("Route").is_some()
}

/// The causes of the state events from a mark on.
fn causes(scenario: &Scenario, client: HostId, from: usize) -> Vec<(&'static str, &'static str)> {
    let states = scenario.app(client, from).filter_map(|app| match app {
        App::State { row, cause, .. } => Some((*row, *cause)),
        _ => None,
    });
    states.collect()
}

/// A version is missing, so the client asks for a full document.
fn miss_a_version(scenario: &mut Scenario) {
    scenario.conference.borrow_mut().skip_version();
    scenario.conference.borrow_mut().add_person(CAROL);
    scenario.run(1);
}

/// The way to the Focus is lost, and the session heals.
fn lose_the_way(scenario: &mut Scenario, client: HostId) {
    scenario.hop(|hop| hop.script.next(Method::Info, Action::flow_failed(WAIT)));
    let op = scenario.lock(client);
    assert!(scenario.outcome(client, op).is_err());
}

/// Section 4.3: a repair refreshes the subscription; one that is on its way by the dead route does not count.
#[test]
fn repair_replaces_a_refresh_that_is_on_its_way() {
    let (mut scenario, bob) = Scenario::connected(Topology::Hops);
    let mark = scenario.mark();
    scenario.hop(|hop| {
        hop.script.next(Method::Subscribe, Action::Silence);
        hop.script.next(Method::Info, Action::flow_failed(UPDATE_ROUTE));
    });
    miss_a_version(&mut scenario);
    let op = scenario.lock(bob);
    scenario.done(bob, op);
    scenario.run(1);
    assert_eq!(scenario.attendance(bob, mark), [format!("joined {CAROL}")], "{}", scenario.flow());
    scenario.run(60);
    assert_eq!(scenario.rows(bob, mark), [""; 0], "{}", scenario.flow());
}

/// Section 4.1: a subscription is recovered like a dialog: its SUBSCRIBE goes without the route set.
#[test]
fn subscription_that_lost_its_way_is_recovered() {
    let (mut scenario, bob) = Scenario::connected(Topology::Hops);
    let mark = scenario.mark();
    scenario.hop(|hop| hop.script.next(Method::Subscribe, Action::flow_failed(UPDATE_ROUTE)));
    miss_a_version(&mut scenario);
    scenario.run(5);
    let subscribes = scenario.requests(bob, "SUBSCRIBE", mark);
    let routes: Vec<bool> = subscribes.iter().map(|(_, text)| has_route(text)).collect();
    assert_eq!(routes, [true, false], "{}", scenario.flow());
    assert_eq!(scenario.attendance(bob, mark), [format!("joined {CAROL}")]);
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
}

/// Section 4.5: not healed until a roster came, also where the SUBSCRIBE is accepted and nothing follows.
#[test]
fn healing_goes_on_where_no_roster_follows() {
    let (mut scenario, bob) = Scenario::connected(Topology::Hops);
    let mark = scenario.mark();
    let accepted = vec![("Expires".to_owned(), "3600".to_owned())];
    let accepted = Action::Answer { status: 200, headers: accepted };
    scenario.focus(|focus, _| focus.script.next(Method::Subscribe, accepted));
    lose_the_way(&mut scenario, bob);
    scenario.until(bob, SessionState::Connected, 60);
    assert_eq!(scenario.rows(bob, mark), ["T6b", "T7"], "{}", scenario.flow());
    assert_eq!(scenario.requests(bob, "UPDATE", mark).len(), 2, "{}", scenario.flow());
}

/// Section 4.5: the same where the roster cannot be read, twice.
#[test]
fn healing_goes_on_where_the_roster_is_unreadable() {
    let (mut scenario, bob) = Scenario::connected(Topology::Hops);
    let mark = scenario.mark();
    scenario.focus(|focus, _| focus.garbles = 2);
    lose_the_way(&mut scenario, bob);
    scenario.until(bob, SessionState::Connected, 20);
    assert_eq!(scenario.rows(bob, mark), ["T6b", "T7"], "{}", scenario.flow());
    assert_eq!(scenario.requests(bob, "SUBSCRIBE", mark).len(), 3, "{}", scenario.flow());
}

/// Spec section 7, first document: SUBSCRIBE once more at once; malformed again, the join fails.
#[test]
fn first_document_unreadable_once_and_twice() {
    for garbles in [1, 2] {
        let mut scenario = Scenario::new(Topology::Direct);
        let bob = scenario.add_client("bob");
        scenario.focus(|focus, _| focus.garbles = garbles);
        let op = scenario.start_join(bob);
        let outcome = scenario.outcome(bob, op);
        assert_eq!(scenario.requests(bob, "SUBSCRIBE", 0).len(), 2, "{}", scenario.flow());
        assert!(scenario.simulation.elapsed() < secs(2), "at once");
        match garbles {
            1 => assert!(outcome.is_ok(), "{outcome:?}"),
            _ => {
                assert_eq!(outcome.map_err(|error| error.reason()), Err(Reason::Failure));
                let expected = [("T1", "local-join"), ("T9", "protocol-error")];
                assert_eq!(causes(&scenario, bob, 0), expected, "{}", scenario.flow());
                scenario.run(1);
                assert_eq!(scenario.focus(|focus, _| focus.dialogs().0), 0, "nothing is left behind");
            }
        }
    }
}

/// Spec section 4: what is never answered is `Timeout`, with what was waited for.
#[test]
fn join_that_nobody_answers_is_a_timeout() {
    let mut scenario = Scenario::new(Topology::Direct);
    let bob = scenario.add_client("bob");
    scenario.focus(|focus, _| focus.script.always(Method::Invite, Action::Silence));
    let op = scenario.start_join(bob);
    let error = scenario.outcome(bob, op).expect_err("nobody answers");
    assert!(matches!(error, OperationError::Timeout { waited, .. } if waited == secs(32)), "{error:?}");
    assert_eq!(causes(&scenario, bob, 0), [("T1", "local-join"), ("T9", "timeout")], "{}", scenario.flow());
}

/// Spec section 7: a BYE while `Reconnecting` is T8 with the BYE's cause, also while the one attempt is under way.
#[test]
fn ejected_while_the_attempt_is_under_way() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    let mark = scenario.mark();
    scenario.focus(|focus, now| {
        focus.fail_over(true, now);
        focus.script.next(Method::Subscribe, Action::Silence);
    });
    scenario.run(3);
    scenario.focus(|focus, now| focus.bye(BOB, "61006;reason=\"removed\"", now));
    scenario.until(bob, SessionState::Disconnected, 40);
    let causes = causes(&scenario, bob, mark);
    let expected = [("T6a", "focus-failover"), ("T8", "ejected"), ("T4", "cleaned-up")];
    assert_eq!(causes, expected, "{}", scenario.flow());
}

/// D9: `probation` says when to come back.
#[test]
fn probation_is_waited_for() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    let mark = scenario.mark();
    let began = scenario.simulation.elapsed();
    scenario.focus(|focus, now| focus.end_subscription(BOB, "probation;retry-after=7", now));
    scenario.until(bob, SessionState::Reconnecting, 1);
    scenario.until(bob, SessionState::Connected, 10);
    let invites = scenario.requests(bob, "INVITE", mark);
    let waited = invites[0].0 - began;
    assert!((secs(7)..secs(8)).contains(&waited), "{waited:?}\n{}", scenario.flow());
}

/// D10: the subscription ran out: another one, and the dialog is not touched.
#[test]
fn subscription_that_ran_out_is_made_anew() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    scenario.run(10);
    let mark = scenario.mark();
    scenario.focus(|focus, now| focus.end_subscription(BOB, "timeout", now));
    scenario.run(1);
    scenario.conference.borrow_mut().add_person(CAROL);
    scenario.run(1);
    assert_eq!(scenario.attendance(bob, mark), [format!("joined {CAROL}")], "{}", scenario.flow());
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
    assert_eq!(scenario.requests(bob, "UPDATE", mark).len(), 0);
}

/// D8: 481 to the refresh alone: a probe, and another subscription. No state changes.
#[test]
fn lost_subscription_is_made_anew_after_a_probe() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    let mark = scenario.mark();
    scenario.focus(|focus, _| focus.script.next(Method::Subscribe, Action::status(481)));
    miss_a_version(&mut scenario);
    assert_eq!(scenario.attendance(bob, mark), [format!("joined {CAROL}")], "{}", scenario.flow());
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
    assert_eq!(scenario.requests(bob, "UPDATE", mark).len(), 1);
}

/// Section 4.3, the next address: a hop that accepts and stays silent is gone round, and nobody is told.
#[test]
fn frozen_hop_is_repaired_silently() {
    let (mut scenario, bob) = Scenario::connected(Topology::Hops);
    let mark = scenario.mark();
    scenario.hop(|hop| {
        for method in [Method::Info, Method::Update, Method::Subscribe, Method::Register] {
            hop.script.always(method, Action::Silence);
        }
    });
    let op = scenario.lock(bob);
    scenario.done(bob, op);
    scenario.run(60);
    assert_eq!(scenario.rows(bob, mark), [""; 0], "{}", scenario.flow());
}

/// D12: the Focus says that it moved: a failover like any other.
#[test]
fn bye_that_says_moved_is_a_failover() {
    for diagnostics in ["61001;reason=\"moved\"", "61008;reason=\"expired\""] {
        let (mut scenario, bob) = Scenario::connected(Topology::Direct);
        let mark = scenario.mark();
        scenario.focus(|focus, now| focus.bye(BOB, diagnostics, now));
        scenario.until(bob, SessionState::Reconnecting, 1);
        scenario.until(bob, SessionState::Connected, 2);
        assert_eq!(scenario.rows(bob, mark)[..3], ["T6a", "M3", "T7"], "{}", scenario.flow());
    }
}

/// D16: nothing heard for 120 s: a probe, and no more than that.
#[test]
fn silence_is_probed() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    let mark = scenario.mark();
    scenario.run(118);
    assert_eq!(scenario.requests(bob, "UPDATE", mark).len(), 0, "{}", scenario.flow());
    scenario.run(3);
    assert_eq!(scenario.requests(bob, "UPDATE", mark).len(), 1, "{}", scenario.flow());
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
}

/// T4: leaving by a way that is broken: BYE and SUBSCRIBE go once more without the route set, so that the Focus knows.
#[test]
fn leaving_goes_round_a_dead_hop() {
    for heals in [false, true] {
        let (mut scenario, bob) = Scenario::connected(Topology::Hops);
        if heals {
            scenario.hop(|hop| hop.script.always(Method::Update, Action::flow_failed(WAIT)));
            lose_the_way(&mut scenario, bob);
            scenario.run(1);
        }
        let mark = scenario.mark();
        for method in [Method::Bye, Method::Subscribe] {
            scenario.hop(|hop| hop.script.next(method, Action::flow_failed(UPDATE_ROUTE)));
        }
        if heals {
            // By then it is known that the route is of no use.
            scenario.hop(|hop| hop.script.clear());
        }
        let leave = scenario.leave(bob);
        scenario.done(bob, leave);
        let byes = scenario.requests(bob, "BYE", mark);
        let routes: Vec<bool> = byes.iter().map(|(_, text)| has_route(text)).collect();
        assert_eq!(routes, if heals { vec![false] } else { vec![true, false] }, "{}", scenario.flow());
        scenario.run(1);
        assert_eq!(scenario.focus(|focus, _| focus.dialogs()), (0, 0), "{}", scenario.flow());
    }
}

/// D14: the registrar says that the registration is gone: REGISTER, and a probe. No state changes.
#[test]
fn registration_notice_is_a_hint() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    let mark = scenario.mark();
    scenario.focus(|focus, now| focus.registration_notice(BOB, now));
    scenario.run(1);
    let count = |method| scenario.requests(bob, method, mark).len();
    assert_eq!((count("REGISTER"), count("UPDATE")), (1, 1), "{}", scenario.flow());
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
}

/// D15: an MCU dialog that met a broken way is a hint about the Focus's: a probe. The message goes through all the same.
#[test]
fn broken_way_of_a_call_is_a_hint() {
    let (mut scenario, bob) = Scenario::with_call(Topology::Hops);
    let mark = scenario.mark();
    scenario.hop(|hop| hop.script.next(Method::Message, Action::flow_failed(UPDATE_ROUTE)));
    let said = scenario.say(bob, "hello");
    scenario.done(bob, said);
    scenario.run(1);
    let updates = scenario.requests(bob, "UPDATE", mark);
    let calls =
        updates.iter().filter_map(|(_, text)| Some(Wire::read(text.as_bytes())?.call_id().to_owned()));
    let calls: Vec<String> = calls.map(|id| id.split('-').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(calls, ["im", "focus"], "{}", scenario.flow());
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
}

/// D10: a Focus that ends every subscription at once is asked again, but not in a storm.
#[test]
fn subscriptions_that_end_at_once_are_paced() {
    let (mut scenario, bob) = Scenario::connected(Topology::Direct);
    let mark = scenario.mark();
    for _ in 0..20 {
        scenario.focus(|focus, now| focus.end_subscription(BOB, "timeout", now));
        scenario.run(1);
    }
    let asked = scenario.requests(bob, "SUBSCRIBE", mark).len();
    assert!((5..=10).contains(&asked), "{asked}\n{}", scenario.flow());
    assert_eq!(scenario.rows(bob, mark), [""; 0]);
}

/// Spec section 7: a 3xx is followed once.
#[test]
fn redirection_is_followed_once() {
    for redirections in [1, 2] {
        let mut scenario = Scenario::new(Topology::Direct);
        let bob = scenario.add_client("bob");
        let there = scenario.simulation.addr(scenario.front_ends[1], 5060);
        let contact = vec![("Contact".to_owned(), format!("<sip:{there};transport=tcp>"))];
        for front_end in scenario.front_ends.into_iter().take(redirections) {
            let action = Action::Answer { status: 302, headers: contact.clone() };
            scenario.simulation.act(front_end, |focus: &mut MockFocus, _| {
                focus.script.next(Method::Invite, action);
            });
        }
        let op = scenario.start_join(bob);
        let outcome = scenario.outcome(bob, op).map_err(|error| error.sip_status());
        let expected = if redirections == 1 { Ok(()) } else { Err(Some(302)) };
        assert_eq!(outcome.map(|_| ()), expected, "{}", scenario.flow());
        assert_eq!(scenario.requests(bob, "INVITE", 0).len(), 2, "{}", scenario.flow());
    }
}

/// Flow 15: 422 is answered with the interval that the Focus insists on, as the same attempt.
#[test]
fn longer_session_interval_is_taken() {
    let mut scenario = Scenario::new(Topology::Direct);
    let bob = scenario.add_client("bob");
    let headers = vec![("Min-SE".to_owned(), "3600".to_owned())];
    let refused = Action::Answer { status: 422, headers };
    scenario.focus(|focus, _| focus.script.next(Method::Invite, refused));
    scenario.join(bob);
    let invites = scenario.requests(bob, "INVITE", 0);
    let wire = Wire::read(invites[1].1.as_bytes()).expect("a SIP message");
    assert_eq!(wire.header("Session-Expires"), Some("3600"), "{}", scenario.flow());
    assert_eq!(invites.len(), 2);
}

/// T4: what ends with the session is over with it: nothing goes another way when the time for an answer is up.
#[test]
fn nothing_is_sent_after_the_session() {
    let (mut scenario, bob) = Scenario::connected(Topology::Hops);
    scenario.hop(|hop| {
        [Method::Bye, Method::Subscribe]
            .into_iter()
            .for_each(|method| hop.script.always(method, Action::Silence));
    });
    let leave = scenario.leave(bob);
    scenario.done(bob, leave);
    scenario.run(1);
    let records = scenario.simulation.journal().records();
    let over = records.iter().position(
        |record| matches!(&record.what, What::App(host, App::State { row: "T4", .. }) if *host == bob),
    );
    let after = over.expect("the session is over");
    for method in ["BYE", "SUBSCRIBE", "UPDATE"] {
        assert_eq!(scenario.requests(bob, method, after).len(), 0, "{}", scenario.flow());
    }
}
