//! Drafts: what is written, and that nothing breaks out of its line.

use super::*;
use crate::HeaderErrorKind;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn draft() -> RequestDraft {
    RequestDraft::new(Method::Invite, uri("sip:c@d"))
        .header("Via", "SIP/2.0/TCP h;branch=z9hG4bK1")
        .from("<sip:a@b>;tag=1".parse().unwrap())
        .to("<sip:c@d>".parse().unwrap())
        .call_id("x@y")
        .cseq(1)
}

fn request(draft: &RequestDraft) -> Request {
    match Message::parse(draft.write(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_written_in_order() {
    let written = draft()
        .max_forwards(70)
        .route(vec!["<sip:p1;lr>".parse().unwrap(), "<sip:p2;lr>".parse().unwrap()])
        .contact("<sip:a@h>".parse().unwrap())
        .body("text/plain", "hi")
        .write();
    let expected = "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
        Call-ID: x@y\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\nContact: <sip:a@h>\r\n\
        Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(written, expected.as_bytes());
}

#[test]
fn headers_are_set_pushed_and_removed() {
    let mut draft = draft().header("X-A", "1").header("x-a", "2").header("Supported", "a").header("k", "b");
    assert_eq!(draft.get_all("X-A").collect::<Vec<_>>(), ["1", "2"]);
    draft.set_header("X-a", "3").push_front("Via", "SIP/2.0/UDP top").push_header("X-Y", "z");
    assert_eq!(draft.get_all("x-A").collect::<Vec<_>>(), ["3"]);
    assert_eq!(draft.get_all("v").count(), 2);
    assert_eq!(draft.top_via().map(|v| v.host().to_owned()), Some("top".into()));
    // Removed under every spelling (CVE-2020-28361 was a header removed under one only).
    assert!(draft.remove_header("Supported"));
    assert!(draft.get("k").is_none() && !draft.remove_header("k"));
    assert_eq!(draft.headers().last(), Some(("X-Y", "z")));
    assert_eq!(draft.set_body("", "").get("Content-Type"), None);
}

#[test]
fn values_cannot_end_their_line() {
    let draft = draft()
        .header("X", "a\r\nEvil: 1\n\nBody\0")
        .header("Content-Length", "99")
        .body("text/plain\r\nE: 1", "b");
    let request = request(&draft);
    assert_eq!(request.headers().get("X"), Some("a  Evil: 1  Body"));
    assert!(!request.headers().contains("Evil") && !request.headers().contains("E"));
    assert_eq!(&request.body()[..], b"b");
    let answer = ResponseDraft::to(&request, 200).reason("x\r\nEvil: 1").to_tag("a b\r\n");
    let Ok(Message::Response(answer)) = Message::parse(answer.write(), &Limits::default()) else { panic!() };
    assert_eq!((answer.reason(), answer.to().tag()), ("x  Evil: 1", Some("\"a b  \"")));
}

#[test]
fn vias_and_routes_are_popped_value_by_value() {
    let mut draft = draft().header("Route", "<sip:a;lr>, \"x, y\" <sip:b;lr>").header("Route", "<sip:c;lr>");
    draft.push_header("Via", "SIP/2.0/UDP i , SIP/2.0/UDP j");
    assert_eq!(draft.next_hop_uri().as_str(), "sip:a;lr");
    let hosts = |list: Vec<NameAddr>| list.iter().map(|r| r.uri().host().to_owned()).collect::<Vec<_>>();
    assert_eq!(hosts(draft.route_values()), ["a", "b", "c"]);
    let popped: Vec<_> = std::iter::from_fn(|| draft.pop_route()).collect();
    assert_eq!(hosts(popped), ["a", "b", "c"]);
    assert_eq!((draft.get("Route"), draft.next_hop_uri().as_str()), (None, "sip:c@d"));
    let popped: Vec<_> = std::iter::from_fn(|| draft.pop_via()).map(|v| v.host().to_owned()).collect();
    assert_eq!(popped, ["h", "i", "j"]);
    let via: Via = "SIP/2.0/UDP new".parse().unwrap();
    assert_eq!(draft.set_top_via(&via).set_top_via(&via).get_all("Via").count(), 1);
    assert_eq!(draft.headers().next().map(|(n, _)| n), Some("Via"));
}

/// RFC 3261 section 8.2.6.2 and 12.1.1; route repair needs Record-Route in the 2xx of an UPDATE.
#[test]
fn a_response_copies_what_it_must() {
    let full = draft()
        .header("Record-Route", "<sip:r;lr>")
        .header("Subject", "x")
        .header("Via", "SIP/2.0/TCP below");
    let answer = ResponseDraft::to(&request(&full), 200).to_tag("9");
    let names: Vec<_> = answer.headers().map(|(n, _)| n).collect();
    assert_eq!(names, ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route", "Via"]);
    assert_eq!(answer.get("To"), Some("<sip:c@d>;tag=9"));
    assert_eq!(answer.clone().to_tag("10").get("To"), Some("<sip:c@d>;tag=9"));
    let mut other = full.clone();
    other.method = Method::Info;
    let answer = ResponseDraft::to(&request(&other.cseq(1)), 481);
    assert_eq!((answer.get("Record-Route"), answer.reason_text()), (None, "Call/Transaction Does Not Exist"));
    let mut other = full;
    other.method = Method::Update;
    assert!(ResponseDraft::to(&request(&other.cseq(1)), 200).get("Record-Route").is_some());
}

#[test]
fn forwarded_copies_are_the_same() {
    let original = draft()
        .header("Rc-Epoch", "7")
        .header("Via", "SIP/2.0/UDP a, SIP/2.0/UDP b")
        .header("Empty", "")
        .body("text/plain", "hi");
    let copy = RequestDraft::from_request(&request(&original));
    assert_eq!(copy, original);
    let answer = ResponseDraft::to(&request(&original), 200).to_tag("2").header("X", "y");
    let Ok(Message::Response(read)) = Message::parse(answer.write(), &Limits::default()) else { panic!() };
    assert_eq!(ResponseDraft::from_response(&read), answer);
}

/// Clients that know long names only get long names (`sipe`).
#[test]
fn compact_forms_are_forwarded_long() {
    let written =
        String::from_utf8(draft().header("k", "timer").header("o", "conference").write().to_vec()).unwrap();
    assert!(written.contains("\r\nSupported: timer\r\nEvent: conference\r\n"));
    let compact = written.replace("\r\nCall-ID:", "\r\ni:").replace("\r\nFrom:", "\r\nf:");
    let Ok(Message::Request(read)) = Message::parse(compact.into(), &Limits::default()) else { panic!() };
    assert_eq!(RequestDraft::from_request(&read).write(), written.as_bytes());
}

#[test]
fn every_status_has_a_reason() {
    assert!((100..=699).all(|status| !default_reason(status).is_empty()));
    assert_eq!(default_reason(499), "Request Failure");
    assert!(ResponseDraft::bare(9999).write().starts_with(b"SIP/2.0 699 "));
}

#[test]
fn check_finds_what_is_malformed() {
    let limits = Limits::default();
    let address = |text: &str| text.parse::<NameAddr>().unwrap();
    let whole = RequestDraft::new(Method::Info, Uri::parse("sip:a@b").unwrap())
        .header("Via", "SIP/2.0/TCP h;branch=z9hG4bK1")
        .from(address("<sip:a@b>;tag=1"))
        .to(address("<sip:a@b>"))
        .call_id("x")
        .cseq(1);
    let read = whole.check(&limits).unwrap();
    assert_eq!(RequestDraft::from_request(&read), whole);
    let rows = [
        (whole.clone().cseq(1).header("CSeq", "2 INFO"), ParseErrorKind::Duplicate),
        (whole.clone().call_id(""), ParseErrorKind::Value(HeaderErrorKind::Syntax)),
        (whole.clone().header("Max-Forwards", "many"), ParseErrorKind::Value(HeaderErrorKind::Number)),
        (RequestDraft { method: Method::Bye, ..whole.clone() }, ParseErrorKind::MethodMismatch),
    ];
    for (draft, kind) in rows {
        assert_eq!(draft.check(&limits).map(|_| ()).map_err(|e| e.kind), Err(kind));
    }
    let answer = ResponseDraft::to(&read, 200);
    assert_eq!(answer.check(&limits).map(|r| r.status()), Ok(200));
    assert!(ResponseDraft::bare(200).check(&limits).is_err());
}

/// RFC 3261 section 16.6 step 1: a copy has all header fields, in order. Lines that we do not know are not written anew.
#[test]
fn what_is_forwarded_stays_as_it_came() {
    let odd = "X-Signed : \ta,\r\n\t b  \r\n   \r\n c ;d\r\nx-empty:\r\nX-Late:\r\n  value\r\nX-Usual: 1\r\nX-close:2\r\n\
               s: folded\r\n subject \r\nX-Signed: again\t\r\n";
    let raw = format!(
        "INFO sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
         Call-ID: x\r\nCSeq: 7 INFO\r\n{odd}Content-Length: 2\r\n\r\nhi"
    );
    let request = |text: String| match Message::parse(text.into(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    };
    let mut draft = RequestDraft::from_request(&request(raw.clone()));
    assert_eq!(draft.get("x-signed"), Some("a,  \t b          c ;d"));
    assert_eq!(draft.write(), raw.as_bytes());
    // What is changed is written anew, and nothing else.
    draft.set_header("Subject", "other");
    draft.set_header("X-Late", "now");
    let expected =
        raw.replace("s: folded\r\n subject ", "Subject: other").replace("X-Late:\r\n  value", "X-Late: now");
    assert_eq!(draft.write(), expected.as_bytes());
    // A line end that another reader might not take for one does not leave.
    let bare = request(raw.replace("\t b  \r\n", "\t b  \n"));
    let written = RequestDraft::from_request(&bare).write();
    assert!(memchr::memmem::find(&written, b"X-Signed: a,  \t b         c ;d\r\n").is_some());
}
