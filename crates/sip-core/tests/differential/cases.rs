//! The messages that both parsers read: every place of a message with every value that is tried there.

use bytes::Bytes;
use proptest::prelude::*;

/// A message, and what is special about it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Which line was changed; `torture` for the files.
    pub(crate) place: &'static str,
    /// To what; the name of a file.
    pub(crate) value: String,
    pub(crate) raw: Bytes,
}

/// Lines of a message that both read: name, value.
const BASE: [(&str, &str); 10] = [
    ("Via", "SIP/2.0/TCP host.example.org:5070;branch=z9hG4bKone"),
    ("From", "\"Ines\" <sip:ines@example.net>;tag=1"),
    ("To", "<sip:oda@example.org>"),
    ("Call-ID", "one@example.net"),
    ("CSeq", "7 INVITE"),
    ("Contact", "<sip:ines@192.0.2.7:5060>"),
    ("Route", "<sip:edge.example.org;lr>"),
    ("Record-Route", "<sip:a.example.org;lr>, <sip:b.example.org;lr>"),
    ("Max-Forwards", "70"),
    ("Content-Length", "0"),
];

const START: &str = "INVITE sip:oda@example.org SIP/2.0";

const STARTS: &[&str] = &[
    "INVITE sip:oda@example.org SIP/2.0",
    "INVITE sip:example.org SIP/2.0",
    "INVITE sips:oda@example.org:5061;transport=tcp SIP/2.0",
    "INVITE sip:oda:secret@example.org;lr;x=y SIP/2.0",
    "INVITE sip:%6Fda%40x@Example.ORG SIP/2.0",
    "INVITE sip:oda@[2001:DB8::1]:5060 SIP/2.0",
    "INVITE sip:oda@[2001:db8:::192.0.2.1] SIP/2.0",
    "INVITE sip:oda@192.0.2.300 SIP/2.0",
    "INVITE sip:oda@host_name.example.org SIP/2.0",
    "INVITE sip:oda@-x.example.org SIP/2.0",
    "INVITE sip:oda@example.org. SIP/2.0",
    "INVITE sip:oda@example.org:0 SIP/2.0",
    "INVITE sip:oda@example.org:65536 SIP/2.0",
    "INVITE sip:oda@example.org: SIP/2.0",
    "INVITE sip:oda@example.org?a=b SIP/2.0",
    "INVITE sip:@example.org SIP/2.0",
    "INVITE sip:o da@example.org SIP/2.0",
    "INVITE sip:oda@ SIP/2.0",
    "INVITE sip: SIP/2.0",
    "INVITE tel:+15550100 SIP/2.0",
    "INVITE urn:service:sos SIP/2.0",
    "INVITE SIP:oda@example.org SIP/2.0",
    "INVITE sip:oda@example.org sip/2.0",
    "INVITE sip:oda@example.org SIP/2.1",
    "INVITE sip:oda@example.org SIP/2.0 ",
    "INVITE  sip:oda@example.org SIP/2.0",
    "INVITE <sip:oda@example.org> SIP/2.0",
    "INVITE sip:oda@example.org;;x SIP/2.0",
    "INVITE sip:oda@example.org;x= SIP/2.0",
    "INVITE sip:od%zz@example.org SIP/2.0",
    "INVITE sip:%00@example.org SIP/2.0",
    "INVITE sip:%ff@example.org SIP/2.0",
    "IN(VITE sip:oda@example.org SIP/2.0",
    "SIP/2.0 200 OK",
    "SIP/2.0 200 ",
    "SIP/2.0 200",
    "SIP/2.0 099 Low",
    "SIP/2.0 700 High",
    "SIP/2.0 65536 Higher",
    "SIP/2.0 20x OK",
    "SIP/3.0 200 OK",
    "sip/2.0 200 OK",
];

const VIAS: &[&str] = &[
    "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport;received=192.0.2.2",
    "SIP / 2.0 / UDP host : 5060 ; branch = z9hG4bKx",
    "SIP/2.0/SCTP [2001:db8::1]:5060;branch=z9hG4bKx",
    "SIP/2.0/TCP a.example.org;branch=z9hG4bKx, SIP/2.0/UDP b.example.org;branch=z9hG4bKy",
    "SIP/2.0/TCP host.example.org",
    "SIP/2.0/TCP host;branch=z9hG4bKx;x=\"a;b,c\"",
    "SIP/2.0/TCP host;received=2001:db8::1;branch=z9hG4bKx",
    "SIP/2.0/TCP host;;branch=z9hG4bKx",
    "SIP/2.0/TCP host;branch=",
    "SIP/2.0/TCP host;branch=a;branch=b",
    "SIP/2.0/TCP host;branch=a b",
    "SIP/2.0/TCP host:99999;branch=z9hG4bKx",
    "SIP/2.0/TCP [::1;branch=z9hG4bKx",
    "SIP/2.0/ host;branch=z9hG4bKx",
    "SIP/1.0/TCP host;branch=z9hG4bKx",
    "sip/2.0/TCP host;branch=z9hG4bKx",
    "SIP/2.0/TCP",
    "",
];

/// For From, To and Contact.
const ADDRESSES: &[&str] = &[
    "sip:oda@example.org",
    "sip:oda@example.org;tag=5",
    "<sip:oda@example.org;x=y>;tag=5",
    "<sip:oda@example.org>;tag=\"5\"",
    "<sip:oda@example.org> ; Tag = 5",
    "Oda<sip:oda@example.org>;tag=5",
    "Oda N. Oda <sip:oda@example.org>;tag=5",
    "\"a \\\"b\\\" <sip:x@y>\" <sip:oda@example.org>;tag=5",
    "\"Oda, Nobu\" <sip:oda@example.org>;tag=5",
    "Oda, Nobu <sip:oda@example.org>;tag=5",
    "\"Oda <sip:oda@example.org>;tag=5",
    "< sip:oda@example.org >;tag=5",
    "<sip:oda@example.org;tag=5",
    "<sip:oda@example.org>;tag=5;tag=6",
    "<sip:oda@example.org>;tag=",
    "<sip:oda@example.org>;;tag=5",
    "<sip:oda@example.org>tag=5",
    "<sip:oda@example.org>;tag=a b",
    "<sip:oda@example.org?subject=x>;tag=5",
    "sip:oda@example.org?subject=x",
    "<tel:+15550100>;tag=5",
    "<http://example.org>;tag=5",
    "<sip:Oda@EXAMPLE.org:5070>;x=\"y;z\";tag=5",
    "<sip:oda@example.org>, <sip:ruth@example.org>",
    "*",
    "<>",
    "",
];

const ROUTES: &[&str] = &[
    "<sip:a.example.org;lr>, <sip:b.example.org;lr>",
    "<sip:a.example.org;lr>;x=y,<sip:b.example.org>",
    "\"A, B\" <sip:a.example.org;lr>",
    "sip:a.example.org;lr",
    "<sip:a.example.org;lr",
    "<sip:a.example.org;lr>,",
    "",
];

const OTHERS: &[(&str, &[&str])] = &[
    ("Call-ID", &["a", "a@b@c", "a b", "\u{fc}@x", "<x>", ""]),
    (
        "CSeq",
        &[
            "0 INVITE",
            "007  INVITE",
            "7\tINVITE",
            "2147483648 INVITE",
            "4294967296 INVITE",
            "-1 INVITE",
            "7",
            "7 INFO",
            "7 invite",
            "7INVITE",
            "x INVITE",
            "7 INVITE x",
            "",
        ],
    ),
    ("Max-Forwards", &["0", "255", "256", "-1", "x", "7 0", ""]),
    ("Content-Length", &["1", "-1", "x", "00", "0 0", "", "18446744073709551616"]),
];

/// Whole lines put before the last.
const LINES: &[&str] = &[
    "Subject : x",
    "Subject: a\r\n b",
    " folded at the start of nothing",
    "no colon",
    "a b: c",
    ": x",
    "From: <sip:two@example.org>;tag=2",
    "To: <sip:two@example.org>",
    "Call-ID: two",
    "CSeq: 8 INVITE",
    "Via: SIP/2.0/UDP below.example.org;branch=z9hG4bKbelow",
    "Content-Length: 0",
    "Content-Length: 1",
    "X: \u{e4}",
    "X: \u{1}",
    "X: \0",
    "X: a\rb",
];

/// A message with other values in these places.
fn message(start: &str, replaced: &[(&str, &str)], line: Option<&str>) -> Bytes {
    let value_of =
        |name, value| replaced.iter().find(|(other, _)| *other == name).map_or(value, |(_, new)| *new);
    let mut lines: Vec<String> =
        BASE.iter().map(|(name, value)| format!("{name}: {}", value_of(*name, *value))).collect();
    lines.insert(0, start.to_owned());
    lines.splice(lines.len() - 1..lines.len() - 1, line.map(str::to_owned));
    (lines.join("\r\n") + "\r\n\r\n").into()
}

/// What is tried in which header.
fn tables() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let addresses = ["From", "To", "Contact", "Record-Route"].map(|name| (name, ADDRESSES));
    [("Via", VIAS), ("Route", ROUTES)].into_iter().chain(addresses).chain(OTHERS.iter().copied())
}

/// Messages with some of the values at once, a start line and perhaps another line of the tables.
pub(crate) fn generated() -> impl Strategy<Value = Bytes> {
    (
        proptest::sample::select(STARTS),
        proptest::collection::vec(proptest::sample::select(values()), 0..4),
        proptest::option::weighted(0.2, proptest::sample::select(LINES)),
    )
        .prop_map(|(start, replaced, line)| message(start, &replaced, line))
}

/// Every two values at once, in a request and in a response; and every value with every start line.
pub(crate) fn pairs() -> Vec<Bytes> {
    let values = values();
    let mut all = Vec::new();
    for (i, one) in values.iter().enumerate() {
        all.extend(STARTS.iter().map(|start| message(start, &[*one], None)));
        all.extend(LINES.iter().map(|line| message(START, &[*one], Some(line))));
        for two in values[i + 1..].iter().filter(|two| two.0 != one.0) {
            all.extend([START, "SIP/2.0 200 OK"].map(|start| message(start, &[*one, *two], None)));
        }
    }
    all
}

/// Name and value of everything that is tried in a header.
fn values() -> Vec<(&'static str, &'static str)> {
    tables().flat_map(|(name, values)| values.iter().map(move |value| (name, *value))).collect()
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |place, value: &str, raw| cases.push(Case { place, value: value.to_owned(), raw });
    for start in STARTS {
        add("start", start, message(start, &[], None));
    }
    for (name, values) in tables() {
        for value in values {
            add(name, value, message(START, &[(name, *value)], None));
            add(name, value, message("SIP/2.0 200 OK", &[(name, *value)], None));
        }
    }
    for line in LINES {
        add("line", line, message(START, &[], Some(line)));
    }
    for entry in
        std::fs::read_dir(format!("{}/tests/torture", env!("CARGO_MANIFEST_DIR"))).expect("the files")
    {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|ext| ext == "dat") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let raw = std::fs::read(&path).expect("a file").into();
            cases.push(Case { place: "torture", value: name, raw });
        }
    }
    cases.sort_by(|a, b| (a.place, &a.value).cmp(&(b.place, &b.value)));
    cases
}
