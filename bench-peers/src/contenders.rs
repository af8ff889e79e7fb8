//! Who is measured: the limit, ourselves, and what a user would take instead.
//!
//! Each one has a function from the bytes of a message to whether it could be read. *Parse* finds start line and headers;
//! *typed* adds every Via, From, To, Call-ID, CSeq, Contact, Route and Record-Route, checked and taken apart.
//!
//! A message that a peer refuses is left out of its corpus, and of ours when we stand beside it. A single value that it
//! refuses (rsip: a flag among the parameters of a Contact) is left in: the work was done.

use std::hint::black_box;

use bytes::Bytes;
use sip_core::Limits;
use sip_core::message::{Outline, Parsed};

/// One row of the table.
pub struct Contender {
    pub name: &'static str,
    pub run: fn(&Bytes) -> bool,
}

/// The least work: where lines end, and where the first colon of each is.
pub fn limit(raw: &Bytes) -> bool {
    let mut rest = &raw[..];
    let mut found = 0;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        if end < 2 {
            return black_box(found) > 0;
        }
        found += memchr::memchr(b':', &rest[..end]).unwrap_or(end);
        rest = &rest[end + 1..];
    }
    false
}

/// Ours: start line and headers, with all checks of the structure.
pub fn parse(raw: &Bytes) -> bool {
    let outline = Outline::parse(raw, &Limits::default());
    black_box(&outline).is_ok()
}

/// Ours: every value that counts as typed, checked and taken apart.
pub fn typed(raw: &Bytes) -> bool {
    let parsed = Parsed::parse(raw.clone(), &Limits::default());
    black_box(&parsed).is_ok()
}

/// Ours, each value also taken: a share of the message that lives on its own.
pub fn taken(raw: &Bytes) -> bool {
    let Ok(parsed) = Parsed::parse(raw.clone(), &Limits::default()) else { return false };
    black_box((parsed.via(), parsed.from(), parsed.to(), parsed.call_id(), parsed.cseq()));
    black_box((parsed.contact(), parsed.route(), parsed.record_route()));
    true
}

/// Ours, as it travels: behind one pointer.
pub fn message(raw: &Bytes) -> bool {
    let parsed = sip_core::Message::parse(raw.clone(), &Limits::default());
    black_box(&parsed).is_ok()
}

/// What stands in a table beside us.
pub struct Peer {
    pub parse: Contender,
    pub typed: Contender,
}

/// The peers, by the name of their crate.
pub fn peers() -> [Peer; 3] {
    let peer = |name, parse, typed| Peer {
        parse: Contender { name, run: parse },
        typed: Contender { name, run: typed },
    };
    [
        peer("rsipstack", rsipstack_parse as fn(&Bytes) -> bool, rsipstack_typed as fn(&Bytes) -> bool),
        peer("rsip", rsip_parse, rsip_typed),
        peer("ezk-sip-types", ezk_parse, ezk_typed),
    ]
}

/// Takes every line that counts as typed out of a message of rsip's family.
macro_rules! typed_lines {
    ($headers:expr, $header:path) => {{
        use $header as H;
        for header in $headers.iter() {
            match header {
                H::Via(h) => keep(h.typed()),
                H::From(h) => keep(h.typed()),
                H::To(h) => keep(h.typed()),
                H::CSeq(h) => keep(h.typed()),
                H::Contact(h) => keep(h.typed()),
                H::Route(h) => keep(h.typed()),
                H::RecordRoute(h) => keep(h.typed()),
                H::CallId(h) => !black_box(h).value().is_empty(),
                _ => true,
            };
        }
        true
    }};
}

fn keep<T, E>(value: Result<T, E>) -> bool {
    black_box(&value).is_ok()
}

fn rsip_parse(raw: &Bytes) -> bool {
    keep(rsip::SipMessage::try_from(&raw[..]))
}

fn rsip_typed(raw: &Bytes) -> bool {
    use rsip::headers::{ToTypedHeader as _, UntypedHeader as _};
    use rsip::message::HasHeaders as _;
    match rsip::SipMessage::try_from(&raw[..]) {
        Ok(message) => typed_lines!(message.headers(), rsip::Header),
        Err(_) => false,
    }
}

fn rsipstack_parse(raw: &Bytes) -> bool {
    keep(rsipstack::sip::parser::parse_message(raw))
}

fn rsipstack_typed(raw: &Bytes) -> bool {
    use rsipstack::sip::{HasHeaders as _, ToTypedHeader as _};
    match rsipstack::sip::parser::parse_message(raw) {
        Ok(message) => typed_lines!(message.headers(), rsipstack::sip::Header),
        Err(_) => false,
    }
}

fn ezk_message(raw: &Bytes) -> Option<ezk_sip_types::Headers> {
    use ezk_sip_types::msg::{Line, MessageLine, PullParser};
    use ezk_sip_types::parse::Parse as _;
    let mut lines = PullParser::new(raw, 0);
    let start = std::str::from_utf8(lines.next()?.ok()?).ok()?;
    let (_, start) = MessageLine::parse(raw)(start).ok()?;
    black_box(&start);
    let mut headers = ezk_sip_types::Headers::new();
    for line in lines {
        let line = std::str::from_utf8(line.ok()?).ok()?;
        let (_, line) = Line::parse(raw, line).ok()?;
        headers.insert(line.name, line.value);
    }
    Some(headers)
}

fn ezk_parse(raw: &Bytes) -> bool {
    black_box(&ezk_message(raw)).is_some()
}

fn ezk_typed(raw: &Bytes) -> bool {
    use ezk_sip_types::Name;
    use ezk_sip_types::header::typed::{CSeq, CallID, Contact, FromTo, Routing, Via};
    let Some(headers) = ezk_message(raw) else { return false };
    keep(headers.get::<Vec<Via>>(Name::VIA))
        && keep(headers.get::<FromTo>(Name::FROM))
        && keep(headers.get::<FromTo>(Name::TO))
        && keep(headers.get_named::<CallID>())
        && keep(headers.get_named::<CSeq>())
        && (!headers.contains(&Name::CONTACT) || keep(headers.get::<Vec<Contact>>(Name::CONTACT)))
        && (!headers.contains(&Name::ROUTE) || keep(headers.get::<Vec<Routing>>(Name::ROUTE)))
        && (!headers.contains(&Name::RECORD_ROUTE) || keep(headers.get::<Vec<Routing>>(Name::RECORD_ROUTE)))
}
