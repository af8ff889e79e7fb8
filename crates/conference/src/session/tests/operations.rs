//! Operations: deadlines, refusals, the subscription's refresh.

use super::*;

/// Section 4: 3 min, started anew by each `pending`; then `Timeout` with what was waited for.
#[test]
fn command_timeout() {
    let mut t = Scenario::connected();
    t.lock(2);
    t.wait(secs(179));
    t.answer(2, CommandOutcome::Pending);
    t.wait(secs(179));
    assert_eq!(t.outputs(), ["> SendCommand"]);
    t.wait(secs(1));
    let completion = t.completion();
    let error = completion.result.expect_err("nobody answered");
    assert_eq!(error.to_string(), "no result of the C3P command within 180s");
    t.answer(2, done());
    assert_eq!(t.outputs(), ["> DropCommand"], "a late answer changes nothing");
}

/// A refusal carries all that the server said.
#[test]
fn command_refused() {
    let mut t = Scenario::connected();
    t.begin(2, Command::Eject { user: "sip:bob@example.com".into() });
    let reply = Reply::c3p("userDoesntExist").with_diagnostics(Some("3011"));
    t.answer(2, CommandOutcome::Failure(reply));
    let completion = t.completion();
    assert_eq!(completion.name.as_str(), "eject");
    let error = completion.result.expect_err("refused");
    assert_eq!((error.c3p_code(), error.diagnostics()), (Some("userDoesntExist"), Some("3011")));
    assert!(!error.is_retryable());
}

/// A message without a call makes no sense; a second call to the same MCU neither.
#[test]
fn no_message_without_a_call() {
    let mut t = Scenario::connected();
    t.say(2);
    t.begin(3, Command::Hangup { mcu: McuType::Im });
    assert_eq!(t.outputs(), ["2 InvalidState", "3 InvalidState"]);
    t.begin(4, Command::Call { mcu: McuType::Im });
    t.begin(5, Command::Call { mcu: McuType::Im });
    assert_eq!(t.outputs(), ["> SendCommand", "5 InvalidState"]);
}

/// The call that was placed is refused: so is its operation.
#[test]
fn call_refused() {
    let mut t = Scenario::connected();
    t.begin(2, Command::Call { mcu: McuType::Im });
    t.call(CallState::Establishing, CallCause::Local);
    t.outputs();
    let change = CallChange { state: CallState::Terminated, cause: CallCause::Failed };
    t.input(Input::CallChanged { mcu: McuType::Im, change, reply: Some(Reply::status(503)) });
    let error = t.completion().result.expect_err("refused");
    assert_eq!((error.reason(), error.sip_status()), (Reason::Failure, Some(503)));
}

/// Hanging up completes when the call is over.
#[test]
fn hangup() {
    let mut t = Scenario::in_call();
    t.begin(2, Command::Hangup { mcu: McuType::Im });
    t.call(CallState::Terminating, CallCause::Local);
    t.call(CallState::Terminated, CallCause::Local);
    assert_eq!(t.outputs(), ["> SendCommand", "call im terminating", "call im terminated", "2 ok"]);
}

/// Versions: a gap asks for a full document, not more often than every 5 s, and changes nothing.
#[test]
fn gap_refreshes_at_most_every_5_s() {
    let mut t = Scenario::connected();
    let partial = |version| {
        let mut info = ConferenceInfo::partial(CONFERENCE);
        info.version = Some(version);
        info.users = Some(Users::partial(vec![person("carol", EndpointStatus::Connected)]));
        info
    };
    t.send(partial(t.version + 2), false);
    assert_eq!(t.outputs(), ["> RefreshSubscription"]);
    t.wait(secs(1));
    t.send(partial(t.version + 3), false);
    t.send(partial(t.version + 1), false);
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(4));
    assert_eq!(t.outputs(), ["> RefreshSubscription"]);
    t.inside(&["bob", "carol", "me"]);
    assert_eq!(t.outputs(), ["joined carol"]);
    t.wait(secs(60));
    assert_eq!(t.outputs(), [""; 0]);
}

/// Silent repairs are events, not transitions; messages too.
#[test]
fn events_without_transitions() {
    let mut t = Scenario::connected();
    t.input(Input::RouteRepaired {
        dialog: RepairedDialog::Focus,
        repaired: true,
        detected_by: Detector::D1,
        total: secs(1),
    });
    t.input(Input::TypingReceived { from: "sip:bob@example.com".into(), active: true });
    assert_eq!(t.outputs(), ["Repair", "Typing"]);
}

/// The table is bounded: beyond it, operations are refused and nothing is sent.
#[test]
fn too_many_operations() {
    let mut config = Scenario::config();
    config.operations.pending_max = 2;
    let mut t = Scenario::connected_with(config, &["bob", "me"]);
    t.lock(2);
    t.lock(3);
    t.lock(4);
    assert_eq!(t.outputs(), ["> SendCommand", "> SendCommand", "4 RetryableOperation"]);
}
