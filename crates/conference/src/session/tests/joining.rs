//! Joining: T1, T2, T9, T16.

use super::*;

/// T1: the join goes out, and says that we can wait in the lobby.
#[test]
fn t1_join_starts() {
    let mut t = Scenario::idle();
    t.input(Input::Join { op: op(1) });
    assert_eq!(t.outputs(), ["T1 local-join", "> StartJoin"]);
    assert_eq!(t.session.status().pending_operations, 1);
}

/// T1 starts in `Idle` only: a second join is refused and changes nothing.
#[test]
fn t1_only_from_idle() {
    let mut t = Scenario::connected();
    t.input(Input::Join { op: op(2) });
    assert_eq!(t.outputs(), ["2 InvalidState"]);
}

/// T2: everybody who is there has been raised, sorted, before the join returns; M1 too. We ourselves do not join.
#[test]
fn t2_raises_everybody_before_the_join_returns() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.inside(&["carol", "me", "bob"]);
    assert_eq!(t.outputs(), ["T2 joined", "joined bob", "joined carol", "M1 im", "1 ok"]);
    let own = t.session.roster();
    assert_eq!(own.own().map(|own| own.uri.as_str()), Some("sip:me@example.com"));
}

/// Conference-info note, section 6: a document without us is asked for again after 10 s, and fails the join after 32.
#[test]
fn t2_waits_for_our_own_endpoint() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.inside(&["bob"]);
    assert_eq!(t.outputs(), [""; 0]);
    t.wait(secs(10));
    assert_eq!(t.outputs(), ["> RefreshSubscription"]);
    t.inside(&["bob", "me"]);
    assert_eq!(t.outputs(), ["T2 joined", "joined bob", "M1 im", "1 ok"]);
}

/// The same, and it never comes: what there is of the join is ended, then T9.
#[test]
fn t9_our_own_endpoint_never_shows() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.inside(&["bob"]);
    t.wait(secs(31));
    t.outputs();
    t.wait(secs(1));
    assert_eq!(t.outputs(), ["> CancelJoin"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M7 im", "T9 timeout", "1 Timeout", "> Release"]);
}

/// T9: the error goes to the join, the McuSessions are reset first, and nothing is left: no timer, no operation.
#[test]
fn t9_leaves_nothing_behind() {
    let mut t = Scenario::idle();
    t.input(Input::Join { op: op(1) });
    t.outputs();
    t.input(Input::JoinFailed(refused(404)));
    assert_eq!(t.outputs(), ["M7 im", "T9 join-failed", "1 Failure", "> Release"]);
    assert_eq!(t.session.poll_timeout(), None);
    t.input(Input::Join { op: op(2) });
    assert_eq!(t.outputs(), ["T1 local-join", "> StartJoin"], "Idle can be joined again");
}

/// Specification section 7: without a wait in the lobby, its refusal is `LobbyTimeout`.
#[test]
fn t9_no_wait_in_the_lobby() {
    let config = Scenario::config().with_lobby_timeout(Duration::ZERO);
    let mut t = Scenario::with(config.clone());
    t.input(Input::Join { op: op(1) });
    let effects = std::iter::from_fn(|| t.session.poll_output());
    let effect = effects.filter_map(|output| match output {
        Output::Effect(effect) => Some(effect),
        Output::Event(_) | Output::Complete(_) => None,
    });
    assert_eq!(effect.last(), Some(Effect::StartJoin { lobby_capable: false }));
    t.input(Input::JoinFailed(refused(403)));
    assert_eq!(t.outputs(), ["M7 im", "T9 lobby-timeout", "1 LobbyTimeout", "> Release"]);

    let mut t = Scenario::accepted_with(config);
    t.lobby();
    assert_eq!(t.outputs(), ["> CancelJoin"], "a Focus that puts us there all the same");
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M7 im", "T9 lobby-timeout", "1 LobbyTimeout", "> Release"]);
}

/// Specification section 7, first document: malformed, SUBSCRIBE once more at once; again, the join fails.
#[test]
fn t9_malformed_first_document() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.input(Input::DocumentRejected { detail: "not well-formed".into() });
    assert_eq!(t.outputs(), ["> RefreshSubscription"]);
    t.input(Input::DocumentRejected { detail: "not well-formed".into() });
    assert_eq!(t.outputs(), ["> CancelJoin"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M7 im", "T9 protocol-error", "1 Failure", "> Release"]);
}

/// Interplay: a recovery signal while joining is a failure of the join; a BYE too, with what it said.
#[test]
fn t9_no_recovery_while_joining() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.front_end_lost();
    assert_eq!(t.outputs(), ["> CancelJoin"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M7 im", "T9 join-failed", "1 Failure", "> Release"]);

    let mut t = Scenario::accepted_with(Scenario::config());
    let reply = Reply::default().with_diagnostics(Some("61007"));
    t.input(Input::EndedByFocus { reason: EndedReason::Ended, reply });
    t.input(Input::Terminated);
    let error = t.completion().result.expect_err("the join failed");
    assert_eq!(error.diagnostics(), Some("61007"));
}

/// The whole join has 60 s; a wire that never answers to the cancellation does not hold the session.
#[test]
fn t9_join_timeout() {
    let mut t = Scenario::idle();
    t.input(Input::Join { op: op(1) });
    t.outputs();
    t.wait(secs(60));
    assert_eq!(t.outputs(), ["> CancelJoin"]);
    t.wait(secs(66));
    assert_eq!(t.outputs(), ["M7 im", "T9 timeout", "1 Timeout", "> Release"]);
}

/// T16: the join returns at once, the leaving when nothing is left.
#[test]
fn t16_leave_while_joining() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.input(Input::Leave { op: op(2) });
    assert_eq!(t.outputs(), ["T16 cancelled", "1 Cancelled", "> CancelJoin"]);
    t.input(Input::Terminated);
    assert_eq!(t.outputs(), ["M6 im", "T4 cleaned-up", "2 ok", "> Release"]);
}

/// T16 by an escalation that failed: back to `Idle` (T5).
#[test]
fn t16_escalation_failed() {
    let mut t = Scenario::accepted_with(Scenario::config());
    t.input(Input::EscalationFailed);
    assert_eq!(t.outputs(), ["T16 escalation-failed", "1 Cancelled", "> CancelJoin"]);
    t.input(Input::JoinFailed(refused(487)));
    assert_eq!(t.outputs(), ["M7 im", "T5 escalation-failed", "> Release"]);
}
