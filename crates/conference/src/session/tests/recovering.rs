//! Recovery: T6, T7, T8, T15.

use super::*;

/// T6a: the state's event first, then what was pending fails; M3 for active McuSessions; one attempt begins.
#[test]
fn t6a_fails_pending_operations() {
    let mut t = Scenario::connected();
    t.lock(2);
    t.outputs();
    t.front_end_lost();
    assert_eq!(
        t.outputs(),
        ["T6a focus-failover", "M3 im", "2 SessionRetrying", "> DropCommand", "> Rejoin"]
    );
}

/// The command that met the failure carries the status; the others do not.
#[test]
fn t6a_failed_command_carries_the_status() {
    let mut t = Scenario::connected();
    t.lock(2);
    t.lock(3);
    t.outputs();
    let evidence = t.evidence(Detector::D7).with_status(Some(481));
    let failed = Some(FailedCommand { op: op(3), reply: Reply::status(481) });
    t.input(Input::FrontEndLost { evidence, failed });
    let (second, third) = (t.completion(), t.completion());
    assert_eq!((second.id, second.result.expect_err("failed").sip_status()), (op(2), None));
    assert_eq!((third.id, third.result.expect_err("failed").sip_status()), (op(3), Some(481)));
}

/// Section 3.1: calls to MCUs stay up, and messages go over them while the front end is dead.
#[test]
fn t6a_calls_stay_up() {
    let mut t = Scenario::in_call();
    t.say(2);
    t.outputs();
    t.front_end_lost();
    assert_eq!(t.outputs(), ["T6a focus-failover", "M3 im", "> Rejoin"]);
    t.answer(2, done());
    t.say(3);
    assert_eq!(t.outputs(), ["2 ok", "> SendCommand"]);
}

/// Section 4: what is begun while `Reconnecting` is refused at once and nothing is sent; joining makes no sense.
#[test]
fn t6a_refuses_new_operations() {
    let mut t = Scenario::failed_over();
    t.lock(2);
    t.begin(3, Command::Call { mcu: McuType::Im });
    t.input(Input::EndForAll { op: op(4) });
    t.input(Input::Join { op: op(5) });
    assert_eq!(
        t.outputs(),
        ["2 RetryableOperation", "3 RetryableOperation", "4 RetryableOperation", "5 InvalidState"]
    );
}

/// T6b: McuSessions keep their states; pending commands fail, messages do not.
#[test]
fn t6b_fails_pending_operations() {
    let mut t = Scenario::in_call();
    t.lock(2);
    t.say(3);
    t.outputs();
    t.lose_route();
    assert_eq!(t.outputs(), ["T6b route-lost", "2 SessionRetrying", "> DropCommand", "> StartHealing"]);
    t.begin(4, Command::Mute { user: "sip:bob@example.com".into(), muted: true });
    assert_eq!(t.outputs(), ["4 RetryableOperation"]);
}

/// The first UPDATE goes out at once, unless the silent repair was tried before.
#[test]
fn t6b_first_update() {
    for tried in [false, true] {
        let mut t = Scenario::connected();
        let evidence = t.evidence(Detector::D16).with_repair_tried(tried);
        t.input(Input::RouteLost { evidence, failed: None });
        let outputs: Vec<_> = std::iter::from_fn(|| t.session.poll_output()).collect();
        let Some(Output::Effect(effect)) = outputs.last() else { panic!("an effect") };
        assert_eq!(*effect, Effect::StartHealing { at_once: !tried });
    }
}

/// T7: the same roster, no attendance event at all; the MCU is active again.
#[test]
fn t7_no_difference_no_event() {
    let mut t = Scenario::failed_over();
    t.input(Input::RejoinAccepted);
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T7 recovered", "M5 im", "report focus recovered"]);
}

/// T7: exactly the differences, left, updated, joined, each sorted; then M5, then the report.
#[test]
fn t7_exactly_the_differences() {
    let mut t = Scenario::connected_with(Scenario::config(), &["bob", "carol", "dave", "me"]);
    t.front_end_lost();
    t.input(Input::RejoinAccepted);
    t.outputs();
    let mut info = document(90, &["erin", "bob", "me"], ACTIVE);
    let users = info.users.as_mut().expect("users");
    users.users[1].roles = vec![Role::Presenter];
    users.users[2].roles = vec![Role::Presenter];
    t.send(info, true);
    assert_eq!(
        t.outputs(),
        [
            "T7 recovered",
            "left carol",
            "left dave",
            "updated bob",
            "updated me",
            "joined erin",
            "M5 im",
            "report focus recovered"
        ]
    );
}

/// Invariant C5: a document that comes before the signalling works again does not end the recovery.
#[test]
fn t7_needs_the_dialog_first() {
    let mut t = Scenario::route_lost();
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), [""; 0]);
    t.input(Input::Healed);
    t.version += 1;
    t.send(document(t.version, &["bob", "me"], ACTIVE), false);
    assert_eq!(t.outputs(), [""; 0], "nor does one that is not fresh");
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T7 recovered", "report route recovered"]);
}

/// The report of a healed route: who noticed and when, UPDATEs sent since T6, operations failed, roster changes.
#[test]
fn t7_report_of_a_healed_route() {
    let mut t = Scenario::connected();
    t.lock(2);
    let evidence = t.evidence(Detector::D6);
    t.wait(secs(10));
    let failed = Some(FailedCommand { op: op(2), reply: Reply::status(430) });
    t.input(Input::RouteLost { evidence, failed });
    for _ in 0..2 {
        t.wait(secs(2));
        t.input(Input::HealAttempted);
        t.input(Input::HealFailed { error: refused(503) });
    }
    let recovery = t.session.status().recovery.expect("a recovery");
    assert_eq!(recovery.last_error.as_deref(), Some("SIP status 503"));
    assert_eq!((recovery.attempts, recovery.level), (2, RecoveryLevel::Route));
    t.wait(secs(4));
    t.input(Input::HealAttempted);
    t.input(Input::Healed);
    t.inside(&["carol", "me"]);
    let report = t.report();
    assert_eq!((report.level, report.result), (RecoveryLevel::Route, RecoveryResult::Recovered));
    assert_eq!((report.attempts, report.operations_failed, report.roster_changes), (3, 1, 2));
    assert_eq!(report.detected_by, Some(Detector::D6));
    assert_eq!((report.detected, report.total), (secs(10), secs(8)));
    let names: Vec<_> = report.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names.first(), Some(&"detected"));
    assert_eq!(names.last(), Some(&"roster-received"));
}

/// A healed route without a document is not healed: the loop goes on.
#[test]
fn t7_healed_but_no_document() {
    let mut t = Scenario::route_lost();
    t.input(Input::Healed);
    t.input(Input::DocumentRejected { detail: "too large".into() });
    assert_eq!(t.outputs(), ["> RefreshSubscription"]);
    t.input(Input::DocumentRejected { detail: "too large".into() });
    assert_eq!(t.outputs(), ["> StartHealing"]);
    t.input(Input::Healed);
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T7 recovered", "report route recovered"]);
}

/// 481 while healing: it was a failover after all. M3 now, the one attempt, one report of level focus since T6b.
#[test]
fn t7_healing_becomes_failover() {
    let mut t = Scenario::route_lost();
    t.input(Input::HealAttempted);
    t.wait(secs(3));
    let evidence = t.evidence(Detector::D7);
    t.input(Input::HealFoundDialogGone { evidence });
    assert_eq!(t.outputs(), ["M3 im", "> Rejoin"]);
    t.input(Input::HealFailed { error: refused(408) });
    t.input(Input::RejoinAccepted);
    t.inside(&["bob", "me"]);
    let report = t.report();
    assert_eq!((report.level, report.attempts, report.total), (RecoveryLevel::Focus, 2, secs(3)));
    assert_eq!(report.detected_by, Some(Detector::D2));
}

/// T8: exactly one attempt; then T4.
#[test]
fn t8_one_attempt() {
    let mut t = Scenario::failed_over();
    t.input(Input::RejoinFailed { error: refused(503) });
    assert_eq!(t.outputs(), ["T8 reconnect-failed", "report focus failed", "> Terminate"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "> Release"]);
}

/// T8: an attempt has 60 s in all, also after the INVITE was accepted.
#[test]
fn t8_attempt_timeout() {
    let mut t = Scenario::failed_over();
    t.wait(secs(59));
    t.input(Input::RejoinAccepted);
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(1));
    assert_eq!(t.outputs(), ["T8 reconnect-failed", "report focus failed", "> Terminate"]);
}

/// T8 by the server: a BYE while healing ends it with the BYE's cause.
#[test]
fn t8_ended_by_the_server() {
    let mut t = Scenario::route_lost();
    t.ended(EndedReason::Ended);
    assert_eq!(t.outputs(), ["T8 ended", "report route failed", "> Terminate"]);
}

/// A policy with more attempts: pauses that double, then T8. Off by default.
#[test]
fn t8_after_the_attempts_of_the_policy() {
    let config = Scenario::config().with_reconnect(ReconnectPolicy::attempts(3, secs(2)));
    let mut t = Scenario::connected_with(config, &["bob", "me"]);
    t.front_end_lost();
    t.outputs();
    for pause in [2, 4] {
        t.input(Input::RejoinFailed { error: refused(503) });
        t.wait(secs(pause) - Duration::from_millis(1));
        assert_eq!(t.outputs(), [""; 0]);
        t.wait(Duration::from_millis(1));
        assert_eq!(t.outputs(), ["> Rejoin"]);
    }
    t.input(Input::RejoinFailed { error: refused(503) });
    let report = t.report();
    assert_eq!((report.result, report.attempts), (RecoveryResult::Failed, 3));
}

/// T15: the application can always give up; 2 s, then T4.
#[test]
fn t15_leave_while_reconnecting() {
    let mut t = Scenario::route_lost();
    t.input(Input::Leave { op: op(2) });
    assert_eq!(t.outputs(), ["T15 local-leave", "report route abandoned", "> Terminate"]);
    t.wait(secs(2));
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 ok", "> Release"]);
}

/// T15 by the deadline that the application set; the status shows it.
#[test]
fn t15_gave_up() {
    let config = Scenario::config().with_give_up_after(Some(secs(30)));
    let mut t = Scenario::connected_with(config, &["bob", "me"]);
    t.lose_route();
    let deadline = t.session.status().recovery.and_then(|recovery| recovery.deadline);
    assert_eq!(deadline, Some(t.now + secs(30)));
    t.outputs();
    t.wait(secs(30));
    assert_eq!(t.outputs(), ["T15 gave-up", "report route abandoned", "> Terminate"]);
}

/// Nothing else ends a heal loop: no limit, no timeout of its own.
#[test]
fn t6b_heals_for_ever() {
    let mut t = Scenario::route_lost();
    for _ in 0..10_000 {
        t.wait(secs(30));
        t.input(Input::HealAttempted);
        t.input(Input::HealFailed { error: refused(408) });
    }
    assert_eq!(t.outputs(), [""; 0]);
    assert_eq!(t.session.state(), SessionState::Reconnecting);
    assert!(t.now - t.start > secs(299_999));
}

/// Interplay: signals of the old dialog during the attempt mean nothing.
#[test]
fn t6a_old_signals_are_ignored() {
    let mut t = Scenario::failed_over();
    t.front_end_lost();
    t.lose_route();
    t.input(Input::HealAttempted);
    t.input(Input::Healed);
    t.inside(&["carol", "me"]);
    assert_eq!(t.outputs(), [""; 0]);
    assert_eq!(t.session.status().recovery.map(|recovery| recovery.attempts), Some(1));
}

/// The guard against storms: three failovers survived within a minute put a pause before the next attempt.
#[test]
fn t6a_storm_guard() {
    let mut t = Scenario::connected();
    let mut pauses = Vec::new();
    for _ in 0..5 {
        t.front_end_lost();
        while let Some(output) = t.session.poll_output() {
            if let Output::Effect(Effect::Rejoin { after, .. }) = output {
                pauses.push(after.as_secs());
            }
        }
        t.input(Input::RejoinAccepted);
        t.inside(&["bob", "me"]);
        t.outputs();
        t.wait(secs(1));
    }
    assert_eq!(pauses, [0, 0, 0, 5, 10]);
}
