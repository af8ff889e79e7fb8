//! One test per row M1 to M8, for the machine by itself.

use super::*;

struct Scenario {
    session: McuSession,
    now: Instant,
}

fn active(instance: &str) -> McuReport {
    McuReport::Active { instance: Some(instance.to_owned()) }
}

impl Scenario {
    fn idle() -> Self {
        Self { session: McuSession::new(McuType::Im), now: Instant::now() }
    }

    fn active() -> Self {
        let mut t = Self::idle();
        t.report(&active("im-1"));
        t.outputs();
        t
    }

    fn in_call() -> Self {
        let mut t = Self::active();
        t.call(CallState::Established);
        t.outputs();
        t
    }

    fn report(&mut self, report: &McuReport) {
        self.session.handle_report(report, false, self.now);
    }

    fn call(&mut self, state: CallState) {
        self.session.handle_call(CallChange { state, cause: CallCause::Remote }, self.now);
    }

    /// What was given out since the last look, as short lines.
    fn outputs(&mut self) -> Vec<String> {
        let outputs = std::iter::from_fn(|| self.session.poll_output());
        let line = |output| match output {
            Output::Transition { id, from, to } => {
                assert!(id.row().from.contains(&from.as_str()), "{id} from {from}");
                assert_eq!(id.row().to, to.as_str());
                id.to_string()
            }
            Output::Call(change) => format!("call {} {}", change.state, change.cause),
            Output::EndCall { .. } => "end-call".to_owned(),
            Output::FailPending { .. } => "fail-pending".to_owned(),
            Output::Send(ticket) => format!("send {}", ticket.0),
            Output::Reject(ticket, _) => format!("reject {}", ticket.0),
        };
        outputs.map(line).collect()
    }
}

/// M1: the MCU is active; what waited goes out, in order.
#[test]
fn m1_releases_the_queue() {
    let mut t = Scenario::idle();
    assert_eq!(t.session.begin(QueueTicket(1), t.now), Ok(Admission::Queued));
    assert_eq!(t.session.begin(QueueTicket(2), t.now), Ok(Admission::Queued));
    t.session.forget(QueueTicket(1));
    t.report(&active("im-1"));
    assert_eq!(t.outputs(), ["M1", "send 2"]);
    assert_eq!(t.session.begin(QueueTicket(3), t.now), Ok(Admission::Send));
}

/// Idle, and activating: it waits 30 s, then the server decides.
#[test]
fn m1_the_wait_ends() {
    let mut t = Scenario::idle();
    t.session.begin(QueueTicket(1), t.now).expect("queued");
    assert_eq!(t.session.poll_timeout(), Some(t.now + QUEUE_WAIT));
    t.session.handle_timeout(t.now + QUEUE_WAIT);
    assert_eq!(t.outputs(), ["send 1"]);
    assert_eq!(t.session.poll_timeout(), None);
}

/// M2: there is no such MCU; what waited is rejected.
#[test]
fn m2_no_such_mcu() {
    let mut t = Scenario::idle();
    t.session.begin(QueueTicket(1), t.now).expect("queued");
    t.report(&McuReport::Absent);
    assert_eq!(t.outputs(), ["reject 1", "M2"]);
    let refused = Refused::InvalidState(McuSessionState::Terminated);
    assert_eq!(t.session.begin(QueueTicket(2), t.now), Err(refused));
}

/// M3: the call is kept, operations are refused.
#[test]
fn m3_keeps_the_call() {
    let mut t = Scenario::in_call();
    t.session.handle_focus_lost(t.now);
    assert_eq!(t.outputs(), ["M3"]);
    assert_eq!(t.session.call(), CallState::Established);
    assert_eq!(t.session.begin(QueueTicket(1), t.now), Err(Refused::Retryable));
}

/// M4: the call is ended and what is pending fails. An MCU that was active and is reported idle is lost as well.
#[test]
fn m4_ends_the_call() {
    for report in [McuReport::FailingOver, McuReport::Inactive] {
        let mut t = Scenario::in_call();
        t.report(&report);
        assert_eq!(t.outputs(), ["M4", "call terminated mcu-failover", "end-call", "fail-pending"]);
    }
}

/// M5 after M4; and both back to back when only the other instance was seen.
#[test]
fn m5_active_again() {
    let mut t = Scenario::active();
    t.report(&McuReport::FailingOver);
    t.report(&McuReport::Inactive);
    t.report(&active("im-2"));
    assert_eq!(t.outputs(), ["M4", "fail-pending", "M5"]);
    assert_eq!(t.session.instance(), Some("im-2"));

    let mut t = Scenario::in_call();
    t.report(&active("im-2"));
    assert_eq!(t.outputs(), ["M4", "call terminated instance-changed", "end-call", "fail-pending", "M5"]);
}

/// M5 after M3: the same instance keeps the call, another one has it ended first.
#[test]
fn m5_after_m3() {
    for (instance, expected) in [
        ("im-1", vec!["M3", "M5"]),
        ("im-2", vec!["M3", "call terminated instance-changed", "end-call", "M5"]),
    ] {
        let mut t = Scenario::in_call();
        t.session.handle_focus_lost(t.now);
        t.session.handle_report(&active(instance), true, t.now);
        assert_eq!(t.outputs(), expected);
    }
}

/// After M3 the fresh document says "failing over": the call is ended, and the wait goes on.
#[test]
fn m3_then_failing_over() {
    let mut t = Scenario::in_call();
    t.session.handle_focus_lost(t.now);
    t.session.handle_report(&McuReport::FailingOver, true, t.now);
    assert_eq!(t.outputs(), ["M3", "call terminated mcu-failover", "end-call"]);
    assert_eq!(t.session.state(), McuSessionState::Retrying);
}

/// M8: only after the reconnect, and only when no call is up.
#[test]
fn m8_after_the_reconnect() {
    let mut t = Scenario::active();
    t.session.handle_focus_lost(t.now);
    t.report(&McuReport::Inactive);
    assert_eq!(t.outputs(), ["M3"], "not the document of the reconnect");
    t.session.handle_report(&McuReport::Inactive, true, t.now);
    assert_eq!(t.outputs(), ["M8"]);

    let mut t = Scenario::in_call();
    t.session.handle_focus_lost(t.now);
    t.session.handle_report(&McuReport::Inactive, true, t.now);
    assert_eq!(t.outputs(), ["M3"]);
    t.call(CallState::Terminated);
    assert_eq!(t.outputs(), ["call terminated remote", "M8"]);
}

/// M6: from any state, once, and the call with it; also when the MCU leaves the conference.
#[test]
fn m6_session_ended() {
    let mut t = Scenario::in_call();
    t.session.handle_session_ended(t.now);
    t.session.handle_session_ended(t.now);
    assert_eq!(t.outputs(), ["M6", "call terminated session-ended", "end-call"]);
    t.call(CallState::Established);
    t.report(&active("im-1"));
    assert_eq!(t.outputs(), [""; 0]);

    let mut t = Scenario::active();
    t.report(&McuReport::Absent);
    assert_eq!(t.outputs(), ["M6"]);
}

/// M7: from any state but `Terminated`.
#[test]
fn m7_parent_idle() {
    let mut t = Scenario::in_call();
    t.session.handle_session_idle(t.now);
    assert_eq!(t.outputs(), ["M7", "call terminated session-ended", "end-call"]);
    let mut t = Scenario::idle();
    t.session.handle_session_idle(t.now);
    assert_eq!(t.outputs(), ["M7"]);
}

/// A Focus that does not name instances: nothing can be told from them, so nothing is.
#[test]
fn m1_without_instances() {
    let mut t = Scenario::idle();
    t.report(&McuReport::Active { instance: None });
    t.call(CallState::Established);
    t.report(&McuReport::Active { instance: None });
    assert_eq!(t.outputs(), ["M1", "call established remote"]);
}

/// A call's late or repeated changes are no events.
#[test]
fn late_call_changes() {
    let mut t = Scenario::in_call();
    t.call(CallState::Terminated);
    t.call(CallState::Terminated);
    t.call(CallState::Terminating);
    assert_eq!(t.outputs(), ["call terminated remote"]);
}
