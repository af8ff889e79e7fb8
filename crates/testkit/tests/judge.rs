//! The judge is tested, too: each planted breach has to be found, and a clean journal passes.

use std::sync::Arc;
use std::time::Duration;

use sip_core::TransportKind;
use testkit::invariants::Judge;
use testkit::journal::{App, HostId, Journal, Packet, What};

const BOB: HostId = HostId(0);
const SERVER: HostId = HostId(1);

/// A journal written by hand.
#[derive(Default)]
struct Story {
    journal: Journal,
    step: u64,
}

impl Story {
    /// Up to `Connected`, with one active McuSession.
    fn connected() -> Self {
        let mut story = Story::default();
        story.app(App::Begun { op: 1, name: "join" });
        story.same(state("T1", "Idle", "Connecting"));
        story.app(state("T2", "Connecting", "Connected"));
        story.same(App::Mcu { row: "M1", mcu: "im", from: "Idle", to: "Active" });
        story.same(done(1, "join", None));
        story
    }

    /// The next step.
    fn app(&mut self, app: App) {
        self.step += 1;
        self.same(app);
    }

    /// In the same step.
    fn same(&mut self, app: App) {
        self.push(What::App(BOB, app));
    }

    fn push(&mut self, what: What) {
        self.journal.push(Duration::from_secs(self.step), self.step, what);
    }

    fn sends(&mut self, message: &str) {
        self.step += 1;
        self.sends_now(message);
    }

    fn sends_now(&mut self, message: &str) {
        self.push(What::Sent(packet(BOB, SERVER, message)));
    }

    fn gets(&mut self, message: &str) {
        self.step += 1;
        self.push(What::Delivered(packet(SERVER, BOB, message)));
    }

    fn failover(&mut self) {
        self.app(state("T6a", "Connected", "Reconnecting"));
        self.same(App::Mcu { row: "M3", mcu: "im", from: "Active", to: "Retrying" });
    }

    /// The rule that the judge finds broken.
    fn verdict(&self) -> Option<&'static str> {
        Judge::new(&[BOB]).observe(&self.journal).err().map(|violation| violation.rule)
    }
}

fn state(row: &'static str, from: &'static str, to: &'static str) -> App {
    App::State { row, from, to, cause: "recovered" }
}

fn done(op: u64, name: &'static str, failure: Option<&'static str>) -> App {
    App::Completed { op, name, failure, status: None }
}

fn packet(from: HostId, to: HostId, message: &str) -> Arc<Packet> {
    let bytes = message.to_owned().into();
    Arc::new(Packet { number: 1, from, to: Some(to), transport: TransportKind::Tcp, bytes })
}

fn request(method: &str, call: &str, branch: &str, body: &str) -> String {
    format!(
        "{method} sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9 SIP/2.0\r\n\
         Via: SIP/2.0/TCP h;branch={branch}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n{body}"
    )
}

fn answer(status: u16, method: &str, call: &str, body: &str) -> String {
    format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/TCP h;branch=z\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n\r\n{body}"
    )
}

const FULL: &str = "<conference-info state=\"full\">";

/// A failover as it should be.
#[test]
fn clean_failover_passes() {
    let mut story = Story::connected();
    story.app(App::Begun { op: 2, name: "lock" });
    story.failover();
    story.same(done(2, "lock", Some("SessionRetrying")));
    story.sends(&request("INVITE", "focus-2", "a", ""));
    story.gets(&answer(200, "INVITE", "focus-2", ""));
    story.gets(&answer(200, "SUBSCRIBE", "sub-2", FULL));
    story.same(state("T7", "Reconnecting", "Connected"));
    story.same(App::Attendance { change: "left", user: "sip:c@d".into(), endpoint: "{1}".into() });
    story.same(App::Mcu { row: "M5", mcu: "im", from: "Retrying", to: "Active" });
    assert_eq!(story.verdict(), None);
}

#[test]
fn c1_row_that_is_not_in_the_table() {
    let mut story = Story::connected();
    story.app(state("T6a", "Connected", "Disconnecting"));
    assert_eq!(story.verdict(), Some("C1"));
}

#[test]
fn c1_event_from_another_state() {
    let mut story = Story::connected();
    story.app(state("T13", "InLobby", "Connected"));
    assert_eq!(story.verdict(), Some("C1"));
}

#[test]
fn c1_request_after_the_end() {
    let mut story = Story::connected();
    story.app(state("T3a", "Connected", "Disconnecting"));
    story.app(state("T4", "Disconnecting", "Disconnected"));
    story.same(App::Over);
    story.sends(&request("SUBSCRIBE", "sub-1", "late", ""));
    assert_eq!(story.verdict(), Some("C1"));
}

#[test]
fn c2_operation_that_ends_twice() {
    let mut story = Story::connected();
    story.app(done(1, "join", None));
    assert_eq!(story.verdict(), Some("C2"));
}

#[test]
fn c2_pending_operation_that_outlives_the_begin_of_a_recovery() {
    let mut story = Story::connected();
    story.app(App::Begun { op: 2, name: "lock" });
    story.failover();
    story.app(done(2, "lock", Some("SessionRetrying")));
    assert_eq!(story.verdict(), Some("C2"));
}

#[test]
fn c2_bytes_for_a_refused_operation() {
    let mut story = Story::connected();
    story.failover();
    story.app(App::Begun { op: 2, name: "lock" });
    story.same(done(2, "lock", Some("RetryableOperation")));
    story.sends_now(&request("INFO", "focus-1", "b", "<request requestId=\"2\"/>"));
    assert_eq!(story.verdict(), Some("C2"));
}

#[test]
fn c3_attendance_after_the_report() {
    let mut story = Story::connected();
    story.app(state("T3a", "Connected", "Disconnecting"));
    story.same(App::Report { level: "focus", result: "failed", attempts: 1, roster_changes: 0 });
    story.same(App::Attendance { change: "left", user: "sip:c@d".into(), endpoint: "{1}".into() });
    assert_eq!(story.verdict(), Some("C3"));
}

#[test]
fn c4_second_attempt() {
    let mut story = Story::connected();
    story.failover();
    story.sends(&request("INVITE", "focus-2", "a", ""));
    story.gets(&answer(503, "INVITE", "focus-2", ""));
    story.sends(&request("INVITE", "focus-3", "b", ""));
    assert_eq!(story.verdict(), Some("C4"));
}

#[test]
fn c4_invite_while_healing() {
    let mut story = Story::connected();
    story.app(state("T6b", "Connected", "Reconnecting"));
    story.sends(&request("INVITE", "focus-2", "a", ""));
    assert_eq!(story.verdict(), Some("C4"));
}

#[test]
fn c5_recovered_without_a_document() {
    let mut story = Story::connected();
    story.app(state("T6b", "Connected", "Reconnecting"));
    story.gets(&answer(200, "UPDATE", "focus-1", ""));
    story.app(state("T7", "Reconnecting", "Connected"));
    assert_eq!(story.verdict(), Some("C5"));
}

#[test]
fn c5_recovered_without_an_answer() {
    let mut story = Story::connected();
    story.app(state("T6b", "Connected", "Reconnecting"));
    story.gets(&answer(200, "SUBSCRIBE", "sub-1", FULL));
    story.app(state("T7", "Reconnecting", "Connected"));
    assert_eq!(story.verdict(), Some("C5"));
}

#[test]
fn c6_repetition_with_another_number() {
    let mut story = Story::connected();
    story.app(App::Begun { op: 2, name: "lock" });
    story.sends_now(&request("INFO", "focus-1", "a", "<request requestId=\"2\"/>"));
    story.sends(&request("INFO", "focus-1", "b", "<request requestId=\"3\"/>"));
    assert_eq!(story.verdict(), Some("C6"));
}

#[test]
fn c7_call_hung_up_by_a_failover() {
    let mut story = Story::connected();
    story.failover();
    story.sends(&request("BYE", "im-1", "a", ""));
    assert_eq!(story.verdict(), Some("C7"));
}

#[test]
fn c8_join_that_is_retrying() {
    let mut story = Story::default();
    story.app(App::Begun { op: 1, name: "join" });
    story.same(state("T1", "Idle", "Connecting"));
    story.app(state("T10", "Connecting", "InLobby"));
    story.app(state("T11a", "InLobby", "Reconnecting"));
    story.same(done(1, "join", Some("SessionRetrying")));
    assert_eq!(story.verdict(), Some("C8"));
}

#[test]
fn unfinished_operation_is_found_at_the_end() {
    let mut story = Story::connected();
    story.app(App::Begun { op: 2, name: "lock" });
    let mut judge = Judge::new(&[BOB]);
    assert_eq!(judge.finish(&story.journal).err().map(|violation| violation.rule), Some("C2"));
}
