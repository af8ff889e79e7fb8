//! The lobby: T10 to T14.

use super::*;

/// T10: limited properties, no roster; the join goes on.
#[test]
fn t10_the_join_waits() {
    let mut t = Scenario::accepted_with(Scenario::config());
    let mut info = lobby_document(11);
    info.description = Some(Description { subject: Some("numbers".into()), ..Description::default() });
    t.send(info, true);
    assert_eq!(t.outputs(), ["T10 lobby", "1 properties"]);
    assert!(t.session.roster().participants.is_empty());
    assert_eq!(t.session.status().pending_operations, 1);
}

/// Section 4: while in the lobby every command is refused with `InvalidState`.
#[test]
fn t10_no_command_in_the_lobby() {
    let mut t = Scenario::in_lobby();
    t.lock(2);
    t.say(3);
    t.input(Input::EndForAll { op: op(4) });
    assert_eq!(t.outputs(), ["2 InvalidState", "3 InvalidState", "4 InvalidState"]);
}

/// T13: as T2.
#[test]
fn t13_raises_everybody_before_the_join_returns() {
    let mut t = Scenario::in_lobby();
    t.version += 1;
    t.send(document(t.version, &["bob", "me"], ACTIVE), false);
    assert_eq!(t.outputs(), ["T13 admitted", "joined bob", "M1 im", "1 ok"]);
}

/// A partial document that says we are in does not say who else is: T13 waits for the full one.
#[test]
fn t13_needs_a_full_document() {
    let mut t = Scenario::in_lobby();
    let mut info = ConferenceInfo::partial(CONFERENCE);
    info.version = Some(t.version + 1);
    info.users = Some(Users::partial(vec![person("me", EndpointStatus::Connected)]));
    t.send(info, false);
    assert_eq!(t.outputs(), ["> RefreshSubscription"]);
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T13 admitted", "joined bob", "M1 im", "1 ok"]);
}

/// T11a: as T6a, but the join that waits does not fail (invariant C8).
#[test]
fn t11a_the_join_survives() {
    let mut t = Scenario::in_lobby();
    t.front_end_lost();
    assert_eq!(t.outputs(), ["T11a focus-failover", "> Rejoin"]);
    assert_eq!(t.session.status().pending_operations, 1);
}

/// T11b: the same with a lost route.
#[test]
fn t11b_the_join_survives() {
    let mut t = Scenario::in_lobby();
    t.lose_route();
    assert_eq!(t.outputs(), ["T11b route-lost", "> StartHealing"]);
    assert_eq!(t.session.status().pending_operations, 1);
}

/// T12: back in the lobby, and the join still waits, as long as it would have.
#[test]
fn t12_the_wait_goes_on() {
    let mut t = Scenario::in_lobby();
    t.wait(secs(600));
    t.front_end_lost();
    t.input(Input::RejoinAccepted);
    t.outputs();
    t.lobby();
    assert_eq!(t.outputs(), ["T12 recovered", "report focus recovered"]);
    t.wait(secs(299));
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(1));
    assert_eq!(t.outputs(), ["T14c lobby-timeout", "1 LobbyTimeout", "> Terminate"]);
}

/// T12 by healing.
#[test]
fn t12_healed() {
    let mut t = Scenario::in_lobby();
    t.lose_route();
    t.input(Input::Healed);
    t.outputs();
    t.lobby();
    assert_eq!(t.outputs(), ["T12 recovered", "report route recovered"]);
}

/// T12 from the conference: everybody is gone for us, and no join waits.
#[test]
fn t12_from_the_conference() {
    let mut t = Scenario::failed_over();
    t.input(Input::RejoinAccepted);
    t.lobby();
    assert_eq!(t.outputs(), ["T12 recovered", "left bob", "report focus recovered"]);
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T13 admitted", "joined bob", "M5 im"]);
}

/// The same, and the MCU is not active any more: the document of the admission is the fresh one (M8).
#[test]
fn m8_after_the_lobby() {
    let mut t = Scenario::failed_over();
    t.input(Input::RejoinAccepted);
    t.lobby();
    t.outputs();
    t.im_is(Some((McuStatus::Idle, "im-1")), false);
    assert_eq!(t.outputs(), ["T13 admitted", "joined bob", "M8 im"]);
}

/// The lobby's view while `Connected` is out of place: it would empty the roster.
#[test]
fn t10_not_from_connected() {
    let mut t = Scenario::connected();
    t.lobby();
    assert_eq!(t.outputs(), [""; 0]);
    assert_eq!(t.session.roster().participants.len(), 2);
    assert_eq!(t.session.ignored_inputs(), 1);
}

/// Admitted while reconnecting: T7, attendance first, then the join returns.
#[test]
fn t7_admitted_meanwhile() {
    let mut t = Scenario::in_lobby();
    t.front_end_lost();
    t.input(Input::RejoinAccepted);
    t.outputs();
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T7 recovered", "joined bob", "M1 im", "report focus recovered", "1 ok"]);
}

/// T14a: denied, removed, or the server's own wait is over.
#[test]
fn t14a_denied() {
    for (reason, cause, result) in [
        (EndedReason::Denied, "denied", "LobbyDenied"),
        (EndedReason::Ejected, "ejected", "LobbyDenied"),
        (EndedReason::LobbyTimeout, "lobby-timeout", "LobbyTimeout"),
    ] {
        let mut t = Scenario::in_lobby();
        t.ended(reason);
        assert_eq!(t.outputs(), [format!("T14a {cause}"), format!("1 {result}"), "> Terminate".to_owned()]);
        t.input(Input::Terminated);
        assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "> Release"]);
    }
}

/// T14b: anything else, the conference's end included, drops the join.
#[test]
fn t14b_conference_ended() {
    for reason in [EndedReason::Ended, EndedReason::Unknown] {
        let mut t = Scenario::in_lobby();
        t.ended(reason);
        assert_eq!(t.outputs(), ["T14b ended", "1 Dropped", "> Terminate"]);
    }
    let mut t = Scenario::in_lobby();
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.state = DocumentState::Deleted;
    t.send(info, false);
    assert_eq!(t.outputs(), ["T14b ended", "1 Dropped", "> Terminate"]);
}

/// T14c: the application leaves, or its own wait is over.
#[test]
fn t14c_leave_or_timeout() {
    let mut t = Scenario::in_lobby();
    t.input(Input::Leave { op: op(2) });
    assert_eq!(t.outputs(), ["T14c local-leave", "1 Cancelled", "> Terminate"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 ok", "> Release"]);

    let mut t = Scenario::in_lobby();
    t.wait(secs(15 * 60));
    assert_eq!(t.outputs(), ["T14c lobby-timeout", "1 LobbyTimeout", "> Terminate"]);
}

/// The wait in the lobby ends while reconnecting: the application's bound holds there, too.
#[test]
fn t15_lobby_timeout_while_reconnecting() {
    let mut t = Scenario::in_lobby_with(Scenario::config().with_lobby_timeout(secs(20)));
    t.lose_route();
    t.outputs();
    t.wait(secs(20));
    assert_eq!(t.outputs(), ["T15 lobby-timeout", "report route abandoned", "1 LobbyTimeout", "> Terminate"]);
}

/// T8 from the lobby: the join is dropped, or denied if the server says so.
#[test]
fn t8_from_the_lobby() {
    let mut t = Scenario::in_lobby();
    t.front_end_lost();
    t.outputs();
    t.input(Input::RejoinFailed { error: refused(503) });
    assert_eq!(t.outputs(), ["T8 reconnect-failed", "report focus failed", "1 Dropped", "> Terminate"]);

    let mut t = Scenario::in_lobby();
    t.lose_route();
    t.outputs();
    t.ended(EndedReason::Denied);
    assert_eq!(t.outputs(), ["T8 denied", "report route failed", "1 LobbyDenied", "> Terminate"]);
}
