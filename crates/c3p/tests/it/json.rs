//! The names under which the models are kept as JSON: they are part of what the pool's store holds, so they stay.

use std::path::{Path, PathBuf};

use crate::common::{fixture, names};
use c3p::command::Document;
use c3p::info::ConferenceInfo;
use c3p::{Limits, Reason};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/json").join(format!("{name}.json"))
}

fn kept(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every element of the roster model has its name in JSON; what was kept is read as the same model.
#[test]
fn roster_names_are_stable() {
    let info = ConferenceInfo::parse(&fixture("info/rich"), &Limits::default()).expect("a document");
    let expected: Value = serde_json::from_str(&kept("rich")).expect("JSON");
    assert_eq!(serde_json::to_value(&info).expect("JSON"), expected);
    assert_eq!(serde_json::from_value::<ConferenceInfo>(expected).expect("the model"), info);
}

/// One request per command and one response per result, by their names on the wire.
#[test]
fn command_names_are_stable() {
    for kind in ["request", "response", "notify"] {
        let expected: Value = serde_json::from_str(&kept(kind)).expect("JSON");
        for name in names(kind) {
            let document = Document::parse(&fixture(&name), &Limits::default()).expect("a document");
            let json = serde_json::to_value(&document).expect("JSON");
            assert_eq!(json, expected[&name], "{name}");
            assert_eq!(serde_json::from_value::<Document>(json).expect("the model"), document, "{name}");
        }
    }
}

/// What an older version of the pool has kept lacks what is new; that is no error.
#[test]
fn older_records_are_read() {
    let info: ConferenceInfo = serde_json::from_str(
        r#"{"entity":"x","users":{"users":[{"entity":"u","endpoints":[{"entity":"e"}]}]}}"#,
    )
    .expect("the model");
    assert_eq!(info.users().count(), 1);
    let reason: Reason = serde_json::from_str("\"starsAreWrong\"").expect("a word");
    assert_eq!(reason.as_str(), "starsAreWrong");
}

/// Everything that the roster model has is in the rich document: none of its parts is absent everywhere.
#[test]
fn rich_document_has_everything() {
    fn absent(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Null => found.push(path.to_owned()),
            Value::Array(items) if items.is_empty() => found.push(path.to_owned()),
            Value::Array(items) => items.iter().for_each(|item| absent(item, path, found)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    absent(field, &format!("{path}.{name}"), found);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    fn present(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                if !items.is_empty() {
                    found.push(path.to_owned());
                }
                items.iter().for_each(|item| present(item, path, found));
            }
            Value::Object(fields) => {
                found.push(path.to_owned());
                for (name, field) in fields {
                    present(field, &format!("{path}.{name}"), found);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(path.to_owned()),
        }
    }
    let info = ConferenceInfo::parse(&fixture("info/rich"), &Limits::default()).expect("a document");
    let json = serde_json::to_value(&info).expect("JSON");
    let (mut missing, mut there) = (Vec::new(), Vec::new());
    absent(&json, "", &mut missing);
    present(&json, "", &mut there);
    // The small parts that occur in several places are complete in one of them; only a dial-out names where to go
    // instead, and it is in the fixture of that request.
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let said: Vec<String> = there.iter().map(|path| last(path)).collect();
    missing.retain(|path| !said.contains(&last(path)) && !path.ends_with(".refer_to_uri"));
    assert_eq!(missing, Vec::<String>::new());
}
