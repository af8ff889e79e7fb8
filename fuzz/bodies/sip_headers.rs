//! Any lines as each typed header: no panic, the same answer each time, and what can be written is read as itself.

use std::fmt::{Debug, Display};

use sip_core::header::{
    Accept, AcceptEncoding, AcceptLanguage, Allow, Contact, ContentDisposition, ContentEncoding,
    ContentLanguage, ContentLength, ContentType, Date, DialogRecoveryAction, Event, Expires, MaxForwards,
    MinSe, MsDiagnostics, PAssertedIdentity, RSeq, Reason, RecordRoute, RetryAfter, RetryInfo,
    SessionExpires, SubscriptionState, Supported, TypedHeader, Warning,
};
use sip_core::{CSeq, NameAddr, Via};

fn read<H: TypedHeader + PartialEq + Debug>(lines: &[&str]) -> Option<H> {
    let first = H::parse_all(&mut lines.iter().copied());
    assert_eq!(first, H::parse_all(&mut lines.iter().copied()));
    first.ok().flatten()
}

fn written<H: TypedHeader + PartialEq + Debug + Display>(lines: &[&str]) {
    if let Some(header) = read::<H>(lines) {
        let text = header.to_string();
        assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
        // Control characters in quotes are read, and written as blanks.
        if lines.iter().any(|line| line.contains(char::is_control)) {
            return;
        }
        assert_eq!(read::<H>(&[&text]), Some(header), "{text:?}");
    }
}

fn text<T: std::str::FromStr + PartialEq + Debug + Display>(line: &str) {
    if let Ok(value) = line.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().ok(), Some(value));
    }
}

/// A value has no line ends where it comes from: they divide the lines of one header here.
pub(crate) fn run(data: &[u8]) {
    let Ok(all) = std::str::from_utf8(data) else { return };
    let lines: Vec<&str> = all.split(['\r', '\n', '\0']).collect();
    written::<Accept>(&lines);
    written::<AcceptEncoding>(&lines);
    written::<AcceptLanguage>(&lines);
    written::<Allow>(&lines);
    written::<ContentLanguage>(&lines);
    written::<ContentLength>(&lines);
    written::<ContentType>(&lines);
    written::<Date>(&lines);
    written::<Expires>(&lines);
    written::<Reason>(&lines);
    written::<SessionExpires>(&lines);
    written::<Supported>(&lines);
    written::<Warning>(&lines);
    let _ = (read::<Contact>(&lines), read::<ContentDisposition>(&lines), read::<ContentEncoding>(&lines));
    let _ = (read::<DialogRecoveryAction>(&lines), read::<Event>(&lines), read::<MaxForwards>(&lines));
    let _ = (read::<MinSe>(&lines), read::<MsDiagnostics>(&lines), read::<PAssertedIdentity>(&lines));
    let _ = (read::<RSeq>(&lines), read::<RecordRoute>(&lines), read::<RetryAfter>(&lines));
    let _ = (read::<RetryInfo>(&lines), read::<SubscriptionState>(&lines));
    text::<CSeq>(lines[0]);
    text::<NameAddr>(lines[0]);
    text::<Via>(lines[0]);
}
