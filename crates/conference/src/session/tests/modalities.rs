//! McuSessions within the session: M1 to M8, and what waits for an MCU.

use super::*;

const AWAY: Option<(McuStatus, &str)> = Some((McuStatus::FailingOver, "im-1"));
const IDLE: Option<(McuStatus, &str)> = Some((McuStatus::Idle, "im-1"));

fn connected_idle() -> Scenario {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.im_is(IDLE, true);
    t.outputs();
    t
}

/// M1 after the join: what waited for the MCU goes out.
#[test]
fn m1_releases_the_queue() {
    let mut t = connected_idle();
    t.begin(2, Command::Call { mcu: McuType::Im });
    assert_eq!(t.outputs(), [""; 0]);
    t.im_is(ACTIVE, false);
    assert_eq!(t.outputs(), ["M1 im", "> SendCommand"]);
    t.call(CallState::Establishing, CallCause::Local);
    t.call(CallState::Established, CallCause::Answered);
    assert_eq!(t.outputs(), ["call im establishing", "call im established", "2 ok"]);
}

/// Section 4: it waits 30 s, then goes out all the same.
#[test]
fn m1_queue_ends_after_30_s() {
    let mut t = connected_idle();
    t.begin(2, Command::Call { mcu: McuType::Im });
    t.wait(secs(29));
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(1));
    assert_eq!(t.outputs(), ["> SendCommand"]);
}

/// M2: the conference has no such MCU; before the join returns.
#[test]
fn m2_before_the_join_returns() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.im_is(None, true);
    assert_eq!(t.outputs(), ["T2 joined", "joined bob", "M2 im", "1 ok"]);
    t.begin(2, Command::Call { mcu: McuType::Im });
    assert_eq!(t.outputs(), ["2 InvalidState"]);
}

/// M4: the call is ended, its operations fail; the session stays `Connected`; M5 gives one report.
#[test]
fn m4_ends_the_call() {
    let mut t = Scenario::in_call();
    t.say(2);
    t.outputs();
    t.im_is(AWAY, false);
    assert_eq!(t.outputs(), ["M4 im", "call im terminated", "2 SessionRetrying", "> EndCall"]);
    assert_eq!(t.session.state(), SessionState::Connected);
    t.begin(3, Command::Call { mcu: McuType::Im });
    t.say(4);
    assert_eq!(t.outputs(), ["3 RetryableOperation", "4 InvalidState"]);
    t.im_is(Some((McuStatus::Active, "im-2")), false);
    assert_eq!(t.outputs(), ["M5 im", "report mcu recovered"]);
}

/// M4 and M5 back to back: only the new instance was seen.
#[test]
fn m5_instance_changed() {
    let mut t = Scenario::in_call();
    t.im_is(Some((McuStatus::Active, "im-2")), false);
    assert_eq!(t.outputs(), ["M4 im", "call im terminated", "M5 im", "report mcu recovered", "> EndCall"]);
}

/// M3, then M5 with another instance: the call was made to a server that is gone.
#[test]
fn m3_other_instance_after_the_reconnect() {
    let mut t = Scenario::in_call();
    t.front_end_lost();
    t.input(Input::RejoinAccepted);
    t.outputs();
    t.im_is(Some((McuStatus::Active, "im-2")), true);
    assert_eq!(
        t.outputs(),
        ["T7 recovered", "call im terminated", "M5 im", "report focus recovered", "> EndCall"]
    );
}

/// M3 keeps the call, M5 with the same instance too.
#[test]
fn m3_keeps_the_call() {
    let mut t = Scenario::in_call();
    t.front_end_lost();
    t.input(Input::RejoinAccepted);
    t.inside(&["bob", "me"]);
    assert_eq!(
        t.outputs(),
        ["T6a focus-failover", "M3 im", "> Rejoin", "T7 recovered", "M5 im", "report focus recovered"]
    );
    assert_eq!(t.session.status().calls, [(McuType::Im, CallState::Established)]);
}

/// M8: not active after the reconnect, and no call is up; with a call it waits for its end.
#[test]
fn m8_not_active_after_the_reconnect() {
    let mut t = Scenario::failed_over();
    t.input(Input::RejoinAccepted);
    t.im_is(IDLE, true);
    assert_eq!(t.outputs(), ["T7 recovered", "M8 im", "report focus recovered"]);

    let mut t = Scenario::in_call();
    t.front_end_lost();
    t.input(Input::RejoinAccepted);
    t.outputs();
    t.im_is(IDLE, true);
    assert_eq!(t.outputs(), ["T7 recovered", "report focus recovered"]);
    t.call(CallState::Terminated, CallCause::Remote);
    assert_eq!(t.outputs(), ["call im terminated", "M8 im"]);
}

/// M6 with the session; the type is gone from a later document: the same row.
#[test]
fn m6_mcu_removed_from_the_conference() {
    let mut t = Scenario::in_call();
    t.im_is(None, false);
    assert_eq!(t.outputs(), ["M6 im", "call im terminated", "> EndCall"]);
}

/// M7 with the parent's `Idle`, whatever the state was.
#[test]
fn m7_with_the_parent() {
    let mut t = Scenario::in_call();
    t.input(Input::EscalationFailed);
    t.input(Input::Terminated);
    assert_eq!(
        t.outputs(),
        [
            "T3e escalation-failed",
            "> Terminate",
            "left bob",
            "M7 im",
            "call im terminated",
            "T5 escalation-failed",
            "> EndCall",
            "> Release"
        ]
    );
}

/// McuSessions raise their own attendance, after the session's; M4 takes the MCU's endpoints along.
#[test]
fn m4_attendance_per_modality() {
    let mut t = Scenario::connected();
    let chat = Endpoint::new("{BOB-IM}", SessionType::Chat).with_status(EndpointStatus::Connected);
    let mut info = document(20, &["bob", "me"], ACTIVE);
    let users = info.users.as_mut().expect("users");
    users.users[0].endpoints.push(chat);
    t.send(info, false);
    assert_eq!(t.outputs(), ["updated bob", "joined {BOB-IM} im"]);
    assert_eq!(t.session.roster().in_mcu(McuType::Im).count(), 1);
    t.version = 20;
    t.im_is(AWAY, false);
    assert_eq!(t.outputs(), ["updated bob", "left {BOB-IM} im", "M4 im"]);
}

/// What waits for an MCU is pending on the session: it fails with T6.
#[test]
fn t6b_fails_the_queue() {
    let mut t = connected_idle();
    t.begin(2, Command::Call { mcu: McuType::Im });
    t.lose_route();
    assert_eq!(t.outputs(), ["T6b route-lost", "2 SessionRetrying", "> StartHealing"]);
    t.input(Input::Healed);
    t.im_is(ACTIVE, true);
    assert_eq!(t.outputs(), ["T7 recovered", "M1 im", "report route recovered"]);
}
