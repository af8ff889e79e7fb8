//! Golden tests: the keys of every event line against the table of the command's specification.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::args::{Modality, NodeKind};
use crate::event::*;

/// The table "Event lines": event, further keys.
const TABLE: &[(&str, &[&str])] = &[
    ("ready", &["nodes"]),
    ("node", &["name", "kind", "pid", "change", "detail"]),
    ("conference", &["uri", "owner", "epoch", "participants", "change"]),
    ("scheduled", &["uri", "expires"]),
    ("state", &["machine", "from", "to", "transition", "cause", "sip_status", "diagnostics"]),
    ("status", &["state", "since", "mcus", "calls", "pending_operations", "recovery"]),
    ("mcu-state", &["mcu", "from", "to", "transition"]),
    ("call", &["mcu", "state", "cause"]),
    ("attendance", &["change", "uri", "endpoint", "display_name", "role", "mcus", "in_lobby", "self"]),
    ("properties", &["changes"]),
    ("message", &["from", "content_type", "text"]),
    ("typing", &["from", "state"]),
    ("operation", &["id", "name", "result", "reason", "sip_status", "c3p_code", "diagnostics"]),
    ("roster", &["participants", "version"]),
    ("repair", &["dialog", "result", "detected_by", "total_ms"]),
    (
        "recovery",
        &[
            "level",
            "result",
            "attempts",
            "detected_by",
            "detected_ms",
            "total_ms",
            "operations_failed",
            "roster_changes",
            "steps",
        ],
    ),
    ("error", &["message", "help"]),
];

fn participant() -> Participant {
    Participant {
        uri: "sip:alice@example.com".into(),
        endpoint: None,
        display_name: None,
        role: None,
        mcus: vec!["im".into()],
        in_lobby: false,
        own: true,
    }
}

/// One of each, with as much left out as the types allow: keys must be there all the same.
fn samples() -> Vec<Event> {
    let text = String::new;
    vec![
        Event::Ready {
            nodes: vec![NodeInfo {
                name: "fe1".into(),
                kind: NodeKind::FrontEnd,
                mcu: None,
                listen: vec!["tcp:127.0.0.1:5060".into()],
                pid: 7,
            }],
        },
        Event::Node {
            name: text(),
            kind: NodeKind::Mcu,
            pid: None,
            change: NodeChange::TookOver,
            detail: None,
        },
        Event::Conference {
            uri: text(),
            owner: None,
            epoch: None,
            participants: None,
            change: ConferenceChange::Moved,
        },
        Event::Scheduled { uri: text(), expires: None },
        Event::State {
            machine: "ConferenceSession",
            from: text(),
            to: text(),
            transition: text(),
            cause: text(),
            sip_status: None,
            diagnostics: None,
        },
        Event::Status {
            state: text(),
            since: text(),
            mcus: BTreeMap::new(),
            calls: BTreeMap::new(),
            pending_operations: 0,
            recovery: None,
        },
        Event::McuState { mcu: text(), from: text(), to: text(), transition: text() },
        Event::Call { mcu: text(), state: text(), cause: None },
        Event::Attendance { change: "joined".into(), participant: participant() },
        Event::Properties { changes: vec![PropertyChange { name: "locked".into(), old: None, new: None }] },
        Event::Message { from: text(), content_type: text(), text: text() },
        Event::Typing { from: text(), state: text() },
        Event::Operation {
            id: 1,
            name: text(),
            result: OperationResult::Ok,
            reason: None,
            sip_status: None,
            c3p_code: None,
            diagnostics: None,
        },
        Event::Roster { participants: vec![participant()], version: None },
        Event::Repair { dialog: text(), result: text(), detected_by: None, total_ms: 0 },
        Event::Recovery {
            level: text(),
            result: text(),
            attempts: 1,
            detected_by: None,
            detected_ms: 0,
            total_ms: 0,
            operations_failed: 0,
            roster_changes: 0,
            steps: vec![Step { name: "invite".into(), ms: 3 }],
        },
        Event::Error { message: text(), help: None },
    ]
}

fn json(event: &Event) -> Value {
    let at = "2026-11-20T10:11:12.5Z".parse().expect("a timestamp");
    serde_json::to_value(Line::new(at, None, event)).expect("lines are JSON")
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// cli.md "Event lines": each event of the table has exactly its keys, and each is written.
#[test]
fn keys_of_every_event() {
    let samples = samples();
    assert_eq!(
        samples.iter().map(Event::name).collect::<Vec<_>>(),
        TABLE.iter().map(|r| r.0).collect::<Vec<_>>()
    );
    for (event, (name, further)) in samples.iter().zip(TABLE) {
        let expected: BTreeSet<&str> = further.iter().copied().chain(["event", "at"]).collect();
        assert_eq!(keys(&json(event)), expected, "{name}");
    }
}

/// cli.md: `at` is RFC 3339 with milliseconds, UTC; lines start with the event's name.
#[test]
fn head_of_a_line() {
    let at = "2026-11-20T10:11:12.5Z".parse().expect("a timestamp");
    let event = Event::Typing { from: "sip:a@b".into(), state: "active".into() };
    assert_eq!(
        serde_json::to_string(&Line::new(at, None, &event)).expect("JSON"),
        r#"{"event":"typing","at":"2026-11-20T10:11:12.500Z","from":"sip:a@b","state":"active"}"#
    );
}

/// The demo says whose session a line is about; no other command adds the key.
#[test]
fn session_of_a_demo_line() {
    let event = Event::Typing { from: "sip:a@b".into(), state: "active".into() };
    let line =
        serde_json::to_value(Line::new(jiff::Timestamp::UNIX_EPOCH, Some("alice"), &event)).expect("JSON");
    assert_eq!(line["session"], "alice");
}

/// cli.md: keys of the objects inside lists, and the words for kinds and changes.
#[test]
fn nested_keys_and_words() {
    let ready = json(&samples()[0]);
    assert_eq!(keys(&ready["nodes"][0]), BTreeSet::from(["name", "kind", "mcu", "listen", "pid"]));
    assert_eq!(ready["nodes"][0]["kind"], "front-end");
    assert_eq!(serde_json::to_value(Modality::Im).expect("JSON"), "im");
    assert_eq!(json(&samples()[1])["change"], "took-over");
    assert_eq!(json(&samples()[2])["change"], "moved");
    let roster = json(&samples()[13]);
    assert_eq!(
        keys(&roster["participants"][0]),
        BTreeSet::from(["uri", "endpoint", "display_name", "role", "mcus", "in_lobby", "self"])
    );
    assert_eq!(keys(&json(&samples()[9])["changes"][0]), BTreeSet::from(["name", "old", "new"]));
    assert_eq!(keys(&json(&samples()[15])["steps"][0]), BTreeSet::from(["name", "ms"]));
    assert_eq!(json(&samples()[12])["result"], "ok");
}

/// cli.md `status`: the keys of a recovery under way.
#[test]
fn recovery_status_keys() {
    let status = RecoveryStatus {
        level: "route".into(),
        since: String::new(),
        attempts: 2,
        last_error: None,
        deadline: None,
    };
    let value = serde_json::to_value(status).expect("JSON");
    assert_eq!(keys(&value), BTreeSet::from(["level", "since", "attempts", "last_error", "deadline"]));
}
