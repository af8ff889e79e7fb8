//! Refusals: status and the header that goes with it; the order of inspection.

use super::*;
use crate::test_util::request;

fn able() -> Capabilities {
    Capabilities::new([Method::Invite, Method::Options, Method::Subscribe])
        .with_option_tags(["timer", "gruu"])
        .with_content_types(["application/sdp"])
        .with_answers(["application/sdp"])
        .with_event_packages(["conference"])
}

fn asked(method: &str, uri: &str, more: &str) -> Request {
    request(&format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>\n\
         Call-ID: x\nCSeq: 1 {method}\n{more}"
    ))
}

fn with_body(more: &str) -> Request {
    let raw = format!(
        "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
         Call-ID: x\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 1\r\n\r\nx"
    );
    match crate::Message::parse(raw.into(), &crate::Limits::default()) {
        Ok(crate::Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn verdict(result: Result<(), ResponseDraft>, header: &str) -> (u16, Option<String>) {
    match result {
        Ok(()) => (200, None),
        Err(draft) => (draft.status, draft.get(header).map(str::to_owned)),
    }
}

/// RFC 3261 section 8.2: what is wrong, what says so, and which fault is named first.
#[test]
fn a_uas_inspects_in_order() {
    let rows = [
        ("OPTIONS", "sip:c@d", "Require: timer", 200, "", ""),
        ("OPTIONS", "tel:+1", "Proxy-Require: x", 200, "", ""),
        ("BYE", "urn:x", "Require: x", 405, "Allow", "INVITE, OPTIONS, SUBSCRIBE"),
        ("FROB", "sip:c@d", "", 501, "Allow", "INVITE, OPTIONS, SUBSCRIBE"),
        ("OPTIONS", "urn:x", "Require: x", 416, "", ""),
        ("OPTIONS", "sip:c@d", "Require: Timer, x\nRequire: y", 420, "Unsupported", "x, y"),
        ("ACK", "urn:x", "Require: x", 200, "", ""),
        ("CANCEL", "sip:c@d", "Require: x", 200, "", ""),
        ("SUBSCRIBE", "sip:c@d", "Event: Conference;id=1", 200, "", ""),
        ("SUBSCRIBE", "sip:c@d", "Event: presence", 489, "Allow-Events", "conference"),
        ("SUBSCRIBE", "sip:c@d", "", 489, "Allow-Events", "conference"),
        ("SUBSCRIBE", "sip:c@d", "Event: a b", 400, "", ""),
        ("INVITE", "sip:c@d", "Accept: text/plain", 406, "", ""),
        ("INVITE", "sip:c@d", "Accept: application/*;q=0.1", 200, "", ""),
        ("INVITE", "sip:c@d", "Accept: nonsense", 400, "", ""),
    ];
    for (method, uri, more, status, header, value) in rows {
        let seen = verdict(able().check(&asked(method, uri, more)), header);
        let value = (!value.is_empty()).then(|| value.to_owned());
        assert_eq!(seen, (status, value), "{method} {uri} {more}");
    }
}

/// RFC 3261 section 8.2.3.
#[test]
fn bodies_are_read_or_refused() {
    let rows = [
        ("Content-Type: Application/SDP;x=y\r\n", 200, ""),
        ("Content-Type: text/plain\r\n", 415, "Accept"),
        ("", 415, "Accept"),
        ("Content-Type: text/plain\r\nContent-Disposition: icon;handling=optional\r\n", 200, ""),
        ("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", 415, "Accept-Encoding"),
        ("Content-Type: application/sdp\r\nContent-Encoding: identity\r\n", 200, ""),
    ];
    for (more, status, header) in rows {
        let (seen, value) = verdict(able().check(&with_body(more)), header);
        assert_eq!((seen, value.is_some()), (status, !header.is_empty()), "{more}");
    }
    let zipped = with_body("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n");
    assert_eq!(able().with_encodings(["GZIP"]).check(&zipped), Ok(()));
}

/// RFC 3261 section 16.3.
#[test]
fn a_proxy_inspects_in_order() {
    let check = |uri, more| verdict(able().check_forwarded(&asked("OPTIONS", uri, more)), "Unsupported");
    assert_eq!(check("sip:c@d", "Require: x\nMax-Forwards: 1"), (200, None));
    assert_eq!(check("urn:c", "Max-Forwards: 0"), (416, None));
    assert_eq!(check("sip:c@d", "Max-Forwards: 0\nProxy-Require: x"), (483, None));
    assert_eq!(check("sip:c@d", "Proxy-Require: gruu, x"), (420, Some("x".into())));
    assert_eq!(able().with_foreign_schemes().check_forwarded(&asked("OPTIONS", "urn:c", "")), Ok(()));
}

#[test]
fn nothing_known_refuses_nothing_but_schemes() {
    let any = Capabilities::default();
    assert_eq!(any.check(&asked("FROB", "sip:c@d", "Require: x")), Ok(()));
    assert_eq!(verdict(any.check(&asked("FROB", "x:y", "")), "").0, 416);
}

#[test]
fn each_refusal_has_its_header() {
    let ask = asked("INVITE", "sip:c@d", "");
    let rows = [
        (ResponseDraft::bad_request(&ask, "Bad Thing"), 400, None),
        (ResponseDraft::body_too_large(&ask, Some(9)), 413, Some(("Retry-After", "9"))),
        (ResponseDraft::body_too_large(&ask, None), 413, None),
        (ResponseDraft::uri_too_long(&ask), 414, None),
        (ResponseDraft::unsupported_encoding::<&str>(&ask, &[]), 415, Some(("Accept-Encoding", "identity"))),
        (ResponseDraft::extension_required(&ask, &["100rel"]), 421, Some(("Require", "100rel"))),
        (ResponseDraft::session_interval_too_small(&ask, 90), 422, Some(("Min-SE", "90"))),
        (ResponseDraft::interval_too_brief(&ask, 60), 423, Some(("Min-Expires", "60"))),
        (ResponseDraft::no_such_dialog(&ask), 481, None),
        (ResponseDraft::merged_request(&ask), 482, None),
        (ResponseDraft::request_pending(&ask), 491, None),
        (ResponseDraft::unavailable(&ask, 5), 503, Some(("Retry-After", "5"))),
    ];
    for (draft, status, header) in rows {
        assert_eq!(draft.status, status);
        if let Some((name, value)) = header {
            assert_eq!(draft.get(name), Some(value));
        }
    }
    let told = able().with_encodings(["gzip"]).advertise(ResponseDraft::to(&ask, 200));
    let names: Vec<_> = told.headers().map(|(n, _)| n.to_owned()).skip(5).collect();
    assert_eq!(names, ["Allow", "Accept", "Accept-Encoding", "Supported", "Allow-Events"]);
}
