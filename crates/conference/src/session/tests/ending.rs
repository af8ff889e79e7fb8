//! Endings: T3, T4, T5.

use super::*;

/// T3a: what is pending is cancelled; the leaving completes with T4, which comes after the dialogs are gone.
#[test]
fn t3a_leave() {
    let mut t = Scenario::connected();
    t.lock(2);
    t.outputs();
    t.input(Input::Leave { op: op(3) });
    assert_eq!(t.outputs(), ["T3a local-leave", "2 Cancelled", "> DropCommand", "> Terminate"]);
    t.input(Input::Leave { op: op(4) });
    assert_eq!(t.outputs(), [""; 0]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "3 ok", "4 ok", "> Release"]);
}

/// Passive clean-up: the last handle was dropped.
#[test]
fn t3a_last_handle_dropped() {
    let mut t = Scenario::connected();
    t.input(Input::HandleDropped);
    assert_eq!(t.outputs(), ["T3a local-leave", "> Terminate"]);
}

/// T3b: `Disconnecting` at once; ended by the Focus, whose BYE may be all the answer.
#[test]
fn t3b_end_for_everybody() {
    let mut t = Scenario::connected();
    t.input(Input::EndForAll { op: op(2) });
    assert_eq!(t.outputs(), ["T3b local-end", "> EndForAll"]);
    t.ended(EndedReason::Ended);
    assert_eq!(t.outputs(), ["> Terminate"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 ok", "> Release"]);
}

/// T3b refused: the session leaves all the same, and the result says that the conference goes on.
#[test]
fn t3b_refused() {
    let mut t = Scenario::connected();
    t.input(Input::EndForAll { op: op(2) });
    t.outputs();
    t.answer(2, CommandOutcome::Failure(Reply::status(403)));
    assert_eq!(t.outputs(), ["> Terminate"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 Failure", "> Release"]);
}

/// T3b: the Focus has 32 s; a `pending` does not give it more.
#[test]
fn t3b_timeout() {
    let mut t = Scenario::connected();
    t.input(Input::EndForAll { op: op(2) });
    t.outputs();
    t.wait(secs(31));
    t.answer(2, CommandOutcome::Pending);
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(1));
    assert_eq!(t.outputs(), ["> Terminate"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 Timeout", "> Release"]);
}

/// T3b met by a failover: the conference goes on somewhere, and the result says so.
#[test]
fn t3b_front_end_lost() {
    let mut t = Scenario::connected();
    t.input(Input::EndForAll { op: op(2) });
    t.front_end_lost();
    t.input(Input::Terminated);
    let error = t.completion().result.expect_err("not ended");
    assert_eq!((error.reason(), error.sip_status()), (Reason::Failure, Some(481)));
    assert_eq!(t.session.state(), SessionState::Disconnected);
}

/// T3c: ejected; a BYE without any reason means the same.
#[test]
fn t3c_ejected() {
    for reason in [EndedReason::Ejected, EndedReason::Unknown] {
        let mut t = Scenario::connected();
        t.ended(reason);
        assert_eq!(t.outputs(), ["T3c ejected", "> Terminate"]);
        t.input(Input::Terminated);
        assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "> Release"]);
    }
}

/// T3d: ended by somebody else, by BYE or by a deleted document; replaced by another holder of our endpoint.
#[test]
fn t3d_conference_ended() {
    for (reason, cause) in [(EndedReason::Ended, "ended"), (EndedReason::Replaced, "replaced")] {
        let mut t = Scenario::connected();
        t.ended(reason);
        assert_eq!(t.outputs(), [format!("T3d {cause}"), "> Terminate".to_owned()]);
    }
    let mut t = Scenario::connected();
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.state = DocumentState::Deleted;
    t.send(info, false);
    assert_eq!(t.outputs(), ["T3d ended", "> Terminate"]);
}

/// T3e leads to T5: all "left" events and M7 come before the event for `Idle`, and the session can be joined again.
#[test]
fn t3e_escalation_failed() {
    let mut t = Scenario::connected_with(Scenario::config(), &["bob", "carol", "me"]);
    t.input(Input::EscalationFailed);
    assert_eq!(t.outputs(), ["T3e escalation-failed", "> Terminate"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["left bob", "left carol", "M7 im", "T5 escalation-failed", "> Release"]);
}

/// T5: the state is clean; a second join starts from nothing.
#[test]
fn t5_can_be_joined_again() {
    let mut t = Scenario::connected();
    t.input(Input::EscalationFailed);
    t.input(Input::Terminated);
    t.outputs();
    assert!(t.session.roster().participants.is_empty());
    assert_eq!(t.session.poll_timeout(), None);
    t.input(Input::Join { op: op(2) });
    t.input(Input::JoinAccepted);
    t.outputs();
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T2 joined", "joined bob", "M1 im", "2 ok"]);
}

/// T4 is the last event; later inputs change nothing, later operations are refused, leaving is done already.
#[test]
fn t4_nothing_follows() {
    let mut t = Scenario::in_call();
    t.input(Input::HandleDropped);
    t.outputs();
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "call im terminated", "T4 cleaned-up", "> EndCall", "> Release"]);
    t.inside(&["carol", "me"]);
    t.call(CallState::Established, CallCause::Answered);
    t.front_end_lost();
    assert_eq!(t.outputs(), [""; 0]);
    t.lock(3);
    t.say(4);
    t.input(Input::Leave { op: op(5) });
    assert_eq!(t.outputs(), ["3 InvalidState", "4 InvalidState", "5 ok"]);
    assert_eq!(t.session.poll_timeout(), None);
}

/// T4 does not wait for ever for a wire that does not answer.
#[test]
fn t4_has_a_limit() {
    let mut t = Scenario::connected();
    t.input(Input::Leave { op: op(2) });
    t.outputs();
    t.wait(secs(65));
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(1));
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 ok", "> Release"]);
}
