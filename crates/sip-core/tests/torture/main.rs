//! The torture messages of RFC 4475 and RFC 5118, as bytes and over sockets.
//!
//! The messages are files beside this one, written for this crate from what the RFCs say of each; [`table`] has the verdicts.

mod meaning;
mod sockets;
mod table;

use bytes::Bytes;
use sip_core::message::parse_for_reply;
use sip_core::{Limits, Message};
use table::{Row, TABLE, Verdict};

/// The bytes of a message.
fn message(name: &str) -> Bytes {
    let path = format!("{}/tests/torture/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

/// The table is complete: 49 and 12, each with its file, and no file without a row.
#[test]
fn every_message_has_its_verdict() {
    let of = |chapter| TABLE.iter().filter(|row| row.section.starts_with(chapter)).count();
    assert_eq!((of('3'), of('4'), TABLE.len()), (49, 12, 61));
    let mut names: Vec<String> = TABLE.iter().map(|row| format!("{}.dat", row.name)).collect();
    names.sort_unstable();
    names.dedup();
    let folder = std::fs::read_dir(format!("{}/tests/torture", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut files: Vec<String> =
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|name| name.ends_with(".dat"));
    files.sort_unstable();
    assert_eq!(files, names);
    assert!(TABLE.iter().all(|row| !row.why.is_empty()));
}

/// As a datagram: what the parser alone makes of it.
#[test]
fn the_parser_accepts_and_refuses_as_the_rfcs_say() {
    let mut wrong = Vec::new();
    for row in TABLE {
        let raw = message(row.name);
        let parsed = Message::parse(raw.clone(), &Limits::default());
        let fits = match (&parsed, row.verdict) {
            (Ok(Message::Request(_)), Verdict::Served(_)) => true,
            // What parses and is refused by the endpoint: an inspection of what the request asks for.
            (Ok(Message::Request(_)), Verdict::Refused(status)) => {
                [406, 415, 416, 420, 501].contains(&status)
            }
            (Ok(Message::Response(_)), Verdict::Stray) => true,
            (Err(error), Verdict::Refused(status)) => {
                parse_for_reply(&raw, error).is_some_and(|draft| draft.status == status)
            }
            (Err(error), Verdict::Dropped) => parse_for_reply(&raw, error).is_none(),
            _ => false,
        };
        if !fits {
            wrong.push(report(row, &parsed));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn report(row: &Row, parsed: &Result<Message, sip_core::ParseError>) -> String {
    let seen = match parsed {
        Ok(Message::Request(_)) => "a request".to_owned(),
        Ok(Message::Response(_)) => "a response".to_owned(),
        Err(error) => error.to_string(),
    };
    format!("{} ({}): {:?} expected, seen: {seen}", row.name, row.section, row.verdict)
}
