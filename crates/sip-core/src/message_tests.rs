//! Whole messages: what parses to what, what is refused with which status, and what is answered.
//!
//! The torture cases follow the ideas of RFC 4475; their text is our own.

use super::*;
use crate::uri::UriErrorKind;

const TOP: &str = "Via: SIP/2.0/TCP 192.0.2.20:50320;branch=z9hG4bK1\r\n";
const IDS: &str = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x@y\r\nCSeq: 7 OPTIONS\r\n";

fn parse(raw: impl Into<Bytes>) -> Result<Message, ParseError> {
    Message::parse(raw.into(), &Limits::default())
}

fn request(raw: impl Into<Bytes>) -> Request {
    match parse(raw) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

fn response(raw: impl Into<Bytes>) -> Response {
    match parse(raw) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    }
}

/// An OPTIONS with more header lines before its end.
fn options(more: &str) -> String {
    format!("OPTIONS sip:c@d SIP/2.0\r\n{TOP}{IDS}{more}\r\n")
}

fn kind(raw: impl Into<Bytes>) -> ParseErrorKind {
    parse(raw).expect_err("it is malformed").kind
}

#[test]
fn envelope_is_typed() {
    let raw = options(
        "Max-Forwards: 70\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\nRoute: <sip:p3>\r\n\
         Record-Route: <sip:r1;lr>\r\nContact: \"x\" <sip:a@h>;q=1, <sip:b@h>\r\nSupported: timer, gruu-10\r\n\
         Require: com.x\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n",
    ) + "hi";
    let request = request(raw.clone());
    assert_eq!((request.method(), request.uri().as_str()), (&Method::Options, "sip:c@d"));
    assert_eq!(request.via().branch(), Some("z9hG4bK1"));
    assert_eq!((request.from().tag(), request.to().tag()), (Some("1"), None));
    assert_eq!((request.call_id(), request.cseq()), ("x@y", &CSeq::new(7, Method::Options)));
    assert_eq!(request.max_forwards(), Some(70));
    assert_eq!(request.route().iter().map(|r| r.uri().host()).collect::<Vec<_>>(), ["p1", "p2", "p3"]);
    assert_eq!(request.record_route().len(), 1);
    assert_eq!(request.contact().map(|c| c.uri().as_str()), Some("sip:a@h"));
    assert!(request.supports("Timer") && !request.supports("com.x") && request.requires("com.x"));
    assert_eq!((request.content_type(), &request.body()[..]), (Some("text/plain"), &b"hi"[..]));
    assert_eq!(request.raw(), raw.as_bytes());
}

/// Values share the bytes of the message: nothing was copied.
#[test]
fn values_are_slices_of_the_message() {
    let raw = Bytes::from(options("Content-Length: 1\r\n") + "z");
    let request = request(raw.clone());
    let range = raw.as_ptr_range();
    for text in
        [request.call_id(), request.from().as_str(), request.to().uri().as_str(), request.via().as_str()]
    {
        assert!(range.contains(&text.as_ptr()), "{text}");
    }
    assert!(range.contains(&request.body().as_ptr()));
}

/// RFC 4475 section 3.1.1.1 in spirit: every liberty of the grammar at once.
#[test]
fn tortuous_but_legal() {
    let raw = "INVITE sip:vivek@example.com;unknown SIP/2.0\r\n\
        TO :\r\n sip:vivek@example.com ;   tag    = 1918181833n\r\n\
        f   : \"J Rosenberg \\\\\\\"\"       <sip:j@example.org>\r\n  ;\r\n  tag = 98asjd8\r\n\
        mAx-FoRwArDs: 0068\r\n\
        i: wsinv.1@192.0.2.1\r\n\
        CONTENT-LENGTH   : 4\r\n\
        cseq: 0009\r\n  INVITE\r\n\
        v:  SIP  / 2.0  / UDP  192.0.2.2;branch=390skdjuw\r\n\
        s :\r\n\
        NewFangledHeader:   a value\r\n continued ;;,,;,;\r\n\
        Unknown: \x01 $^*&! \u{fc}\r\n\
        c: application/sdp\r\n\
        Route:\r\n <sip:s.example.com;unknown=x-%C0%AE;lr>\r\n\
        v:  SIP  / 2.0  / TCP  h.example.com   ;\r\n  branch  =   z9hG4bK9  ,\r\n SIP  /    2.0   / UDP  192.0.2.3   ; branch=\r\n z9hG4bK3\r\n\
        m:\"Quoted \\\"\\\" string\" <sip:j@example.org> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\nv=0\n";
    let request = request(raw);
    assert_eq!(request.to().tag(), Some("1918181833n"));
    assert_eq!(
        (request.from().tag(), request.from().display_text().as_deref()),
        (Some("98asjd8"), Some("J Rosenberg \\\""))
    );
    assert_eq!((request.max_forwards(), request.cseq().number), (Some(68), 9));
    assert_eq!(request.via().branch(), Some("390skdjuw"));
    assert_eq!(request.headers().values("Via").count(), 3);
    assert_eq!(request.headers().get("subject"), Some(""));
    assert_eq!(request.headers().get("newfangledheader"), Some("a value   continued ;;,,;,;"));
    assert_eq!(request.route()[0].uri().param("unknown"), Some("x-%C0%AE"));
    assert_eq!(request.contact().and_then(|c| c.param("newparam")), Some("newvalue"));
    assert_eq!(&request.body()[..], b"v=0\n");
}

#[test]
fn legal_oddities_table() {
    let rows = [
        ("escaped NUL, BEL and DEL in a quoted string", "X: 1\r\nSubject: \"\\\0\\\x07\\\x7f\"\r\n"),
        ("unknown method in CSeq order of headers", "Allow: OPTIONS, X-Y.z!\r\n"),
        ("empty list items", "Supported: ,timer,,\r\n"),
        ("tel in Contact", "Contact: <tel:+1-201>\r\n"),
        ("Contact star", "Contact: *\r\n"),
        ("equal Content-Lengths", "Content-Length: 0\r\nl: 00\r\n"),
        ("header without value", "Date:\r\n"),
        (
            "two-letter and long unknown names",
            "Zz: 1\r\nX-A-Very-Long-Name-Of-A-Header-That-Nobody-Knows: 1\r\n",
        ),
        ("IPv6 Record-Route", "Record-Route: <sip:[2001:db8::1]:5060;lr>\r\n"),
        ("blank continuation line", "X: 1\r\n  \r\n"),
    ];
    for (what, more) in rows {
        assert!(parse(options(more)).is_ok(), "{what}: {:?}", parse(options(more)));
    }
    let bare_lf = options("Content-Length: 0\r\n").replace("\r\n", "\n");
    assert_eq!(request(bare_lf).call_id(), "x@y");
    let blank_lines_first = format!("\r\n\r\n{}", options(""));
    assert_eq!(request(blank_lines_first).from().tag(), Some("1"));
    let beyond = options("Content-Length: 1\r\n") + "abc";
    assert_eq!(&request(beyond).body()[..], b"a");
    let to_the_end = options("") + "abc";
    assert_eq!(&request(to_the_end).body()[..], b"abc");
}

/// What real clients send: no branch, lower-case transport, epid (`sipe`).
#[test]
fn branchless_via_is_accepted() {
    let raw = "INVITE sip:o@e;gruu;opaque=app:conf:focus:id:ABC SIP/2.0\r\nVia: SIP/2.0/tcp 192.0.2.20:50320\r\n\
        From: <sip:bob@example.com>;tag=4389111476;epid=cf0b98dadeb9\r\nTo: <sip:o@e;gruu;opaque=app:conf:focus:id:ABC>\r\n\
        Max-Forwards: 70\r\nCSeq: 1 INVITE\r\nCall-ID: 0123gABCD\r\nContent-Length: 0\r\n\r\n";
    let request = request(raw);
    assert_eq!((request.via().branch(), request.via().transport()), (None, Some(crate::TransportKind::Tcp)));
    assert_eq!(request.to().uri().param("opaque"), Some("app:conf:focus:id:ABC"));
    assert_eq!(request.from().param("EPID"), Some("cf0b98dadeb9"));
}

#[test]
fn start_lines_table() {
    use ParseErrorKind::{RequestUri, StartLine, Status, Version};
    use UriErrorKind as U;
    let with = |line: &str| parse(format!("{line}\r\n{TOP}{IDS}\r\n")).map(|_| ()).map_err(|e| e.kind);
    let rows = [
        ("OPTIONS sip:c@d SIP/2.0", Ok(())),
        ("OPTIONS sip:c@d sip/2.0", Ok(())),
        ("OPTIONS urn:x SIP/2.0", Ok(())),
        ("OPTIONS sip:c@d SIP/7.0", Err(Version)),
        ("OPTIONS sip:c@d SIP/2.00", Err(Version)),
        ("OPTIONS sip:c@d HTTP/1.1", Err(StartLine)),
        ("OPTIONS sip:c@d", Err(StartLine)),
        ("OPTIONS sip:c@d SIP/2.0 ", Err(StartLine)),
        ("OPTIONS  sip:c@d SIP/2.0", Err(RequestUri(U::Scheme))),
        ("OPTIONS sip:c@d  SIP/2.0", Err(RequestUri(U::Character))),
        ("OPTIONS sip:c@d; lr SIP/2.0", Err(RequestUri(U::Character))),
        ("OPTIONS <sip:c@d> SIP/2.0", Err(RequestUri(U::Scheme))),
        ("OPTI(NS sip:c@d SIP/2.0", Err(StartLine)),
        (" OPTIONS sip:c@d SIP/2.0", Err(StartLine)),
        ("OPTIONS", Err(StartLine)),
        ("options sip:c@d SIP/2.0", Err(ParseErrorKind::MethodMismatch)),
        ("SIP/2.0 200 OK", Ok(())),
        ("SIP/2.0 200 ", Ok(())),
        ("SIP/2.0 200", Ok(())),
        ("SIP/2.0 699 \u{2603} = 2**3 \u{438}", Ok(())),
        ("SIP/2.0 700 x", Err(Status)),
        ("SIP/2.0 99 x", Err(Status)),
        ("SIP/2.0 4294967301 x", Err(Status)),
        ("SIP/2.0 0200 x", Err(Status)),
        ("SIP/2.0 -20 x", Err(Status)),
        ("SIP/2.0  200 x", Err(Status)),
        ("SIP/3.0 200 OK", Err(Version)),
        ("SIP/2.0", Err(StartLine)),
        ("SIP/ 200 OK", Err(StartLine)),
    ];
    for (line, expected) in rows {
        assert_eq!(with(line), expected, "{line:?}");
    }
    assert_eq!(response(format!("SIP/2.0 486 Busy here\r\n{TOP}{IDS}\r\n")).reason(), "Busy here");
}

#[test]
fn envelope_errors_table() {
    use crate::header::HeaderErrorKind as H;
    use ParseErrorKind::{
        ContentLength, ContentLengthConflict, Duplicate, LineEnd, Nul, TooManyLines, Truncated, Value,
    };
    let rows = [
        ("From: <sip:z@b>;tag=2\r\n", Duplicate),
        ("t: <sip:c@d>\r\n", Duplicate),
        ("i: x\r\n", Duplicate),
        ("CSeq: 7 OPTIONS\r\n", Duplicate),
        ("Max-Forwards: 1\r\nMax-Forwards: 1\r\n", Duplicate),
        ("Max-Forwards: 300\r\n", Value(H::Number)),
        ("Max-Forwards: -1\r\n", Value(H::Number)),
        ("Contact: <sip:a@b\r\n", Value(H::Unterminated)),
        ("Contact: *, <sip:a@b>\r\n", Value(H::Syntax)),
        ("Contact: sip:a@b?Route=%3Cx%3E\r\n", Value(H::Syntax)),
        ("Contact: <sip:a@b>,\r\n", Value(H::Uri(UriErrorKind::Scheme))),
        ("Route: x\r\n", Value(H::Uri(UriErrorKind::Scheme))),
        ("Record-Route: <sip:a@b:99999>\r\n", Value(H::Uri(UriErrorKind::Port))),
        ("Require: a b\r\n", Value(H::Syntax)),
        ("Via: SIP/2.0/UDP h;;,;,,\r\n", Value(H::Syntax)),
        ("Via: SIP/3.0/UDP h\r\n", Value(H::Version)),
        ("Content-Length: 5\r\n", Truncated),
        ("Content-Length: -1\r\n", ContentLength),
        ("Content-Length: 0, 0\r\n", ContentLength),
        ("Content-Length:\r\n", ContentLength),
        ("Content-Length: 99999999999999999999999\r\n", ContentLength),
        ("Content-Length: 0\r\nl: 1\r\n", ContentLengthConflict),
        ("Content-Length: 4294967296\r\n", ParseErrorKind::BodyTooLarge),
        ("no colon here\r\n", ParseErrorKind::HeaderName),
        (": empty name\r\n", ParseErrorKind::HeaderName),
        ("Na me: x\r\n", ParseErrorKind::HeaderName),
        ("N\u{e4}me: x\r\n", ParseErrorKind::HeaderName),
        ("X: a\rY: b\r\n", LineEnd),
        ("X: a\r\r\n", LineEnd),
        ("X: a\0b\r\n", Nul),
    ];
    for (more, expected) in rows {
        assert_eq!(kind(options(more)), expected, "{more:?}");
        assert!((400..=599).contains(&parse(options(more)).unwrap_err().reject().status));
    }
    assert_eq!(kind(options(&"X: 1\r\n".repeat(65))), TooManyLines);
    assert_eq!(kind(options(&"Subject: 1\r\n".repeat(65))), TooManyLines);
    assert!(parse(options(&"X: 1\r\n".repeat(64))).is_ok());
    let many: String = (0..300).map(|i| format!("X-{i}: 1\r\n")).collect();
    assert_eq!(kind(options(&many)), TooManyLines);
    assert_eq!(kind(options(&format!("Route: {}<sip:a>\r\n", "<sip:a>,".repeat(64)))), Value(H::TooMany));
}

#[test]
fn missing_headers_are_named() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let raw: String = options("").split_inclusive("\r\n").filter(|l| !l.starts_with(name)).collect();
        let error = parse(raw).expect_err(name);
        assert_eq!((error.kind, error.header), (ParseErrorKind::Missing, Some(HeaderName::resolve(name))));
    }
}

#[test]
fn errors_say_where() {
    let raw = options("Route: <sip:a>, <sip:b:x>\r\n");
    let error = parse(raw.clone()).unwrap_err();
    assert_eq!(error.header, Some(HeaderName::Route));
    assert_eq!(&raw[error.offset as usize..error.offset as usize + 2], "x>");
    assert!(error.to_string().starts_with("bad port in Route at byte "), "{error}");
    assert!(size_of::<ParseError>() <= 12);
}

#[test]
fn not_utf8_is_refused_where_it_is() {
    let mut raw = options("X: 1\r\n").into_bytes();
    let at = raw.iter().position(|b| *b == b'1').unwrap();
    raw[at] = 0xff;
    let error = parse(raw).unwrap_err();
    assert_eq!((error.kind, error.offset as usize), (ParseErrorKind::Utf8, at));
}

#[test]
fn limits_have_their_statuses() {
    let limits = Limits::default().with_message_bytes(2000).with_head_bytes(1000).with_body_bytes(100);
    let status = |raw: String| Message::parse(raw.into(), &limits).unwrap_err().reject().status;
    assert_eq!(status(options("") + &"b".repeat(101)), 413);
    assert_eq!(status(options(&format!("X: {}\r\n", "x".repeat(1000)))), 513);
    assert_eq!(status("x".repeat(2001)), 513);
    let limits = limits.with_header_line_bytes(300);
    let long = options(&format!("X: {}\r\n {}\r\n", "x".repeat(200), "y".repeat(200)));
    assert_eq!(Message::parse(long.into(), &limits).unwrap_err().kind, ParseErrorKind::LineTooLong);
    let uri = format!("OPTIONS sip:{}@d SIP/2.0\r\n{TOP}{IDS}\r\n", "u".repeat(70_000));
    assert_eq!(parse(uri.clone()).unwrap_err().reject().status, 513);
    let wide = Limits::default().with_head_bytes(100_000);
    assert_eq!(Message::parse(uri.into(), &wide).unwrap_err().reject().status, 414);
}

/// Every cut of a message is refused or means the same; no cut panics.
#[test]
fn every_prefix_is_handled() {
    let raw = Bytes::from(options("Contact: \"x\\\"\" <sip:a@b>\r\n ;q=1\r\nContent-Length: 3\r\n") + "abc");
    for end in 0..raw.len() {
        assert!(parse(raw.slice(..end)).is_err(), "{end}");
    }
    assert!(parse(raw).is_ok());
}

/// Every byte replaced by every class of byte: an answer, never a panic; the reply draft parses.
#[test]
fn every_byte_may_be_hostile() {
    let raw = options("Contact: \"x\" <sip:a@b>;q=1\r\nRoute: <sip:p;lr>, <sip:q>\r\nContent-Length: 0\r\n")
        .into_bytes();
    for at in 0..raw.len() {
        for bad in [
            0, b'\n', b'\r', b' ', b'"', b'<', b'>', b',', b';', b':', b'=', b'%', b'\\', b'[', 0x7f, 0xc3,
            0xff,
        ] {
            let mut raw = raw.clone();
            raw[at] = bad;
            let raw = Bytes::from(raw);
            if let Err(error) = parse(raw.clone()) {
                assert!(error.offset as usize <= raw.len());
                if let Some(reply) = parse_for_reply(&raw, &error) {
                    assert_eq!(reply.status, error.reject().status);
                    assert!(memchr::memmem::find(&reply.write(), b"\r\n\r\n").is_some());
                }
            }
        }
    }
}

/// RFC 4475 sections 3.1.2.1 and 3.3.1: what is given back is what there is.
#[test]
fn unreadable_and_missing_headers_do_not_keep_a_request_from_its_answer() {
    let rows = [
        (options("").replace("SIP/2.0/TCP", "SIP"), "Via: SIP 192.0.2.20:50320;branch=z9hG4bK1\r\n"),
        (options("").replace("Call-ID", "Call"), "CSeq: 7 OPTIONS\r\n"),
    ];
    for (raw, line) in rows {
        let raw = Bytes::from(raw);
        let reply = parse_for_reply(&raw, &parse(raw.clone()).unwrap_err()).unwrap();
        assert_eq!(reply.status, 400);
        let text = String::from_utf8(reply.write().to_vec()).unwrap();
        assert!(text.contains(line), "{text}");
    }
    let raw = Bytes::from(options("").replace("Call-ID", "Call").replace("CSeq", "Seq"));
    assert_eq!(parse_for_reply(&raw, &parse(raw.clone()).unwrap_err()), None);
}

/// RFC 3261 sections 19.1.1 and 21.4.14.
#[test]
fn request_uris_have_a_limit_and_no_headers() {
    let kind = |uri: &str| {
        let raw = options("").replacen("sip:c@d", uri, 1);
        let limits = Limits::default().with_request_uri_bytes(40);
        Message::parse(raw.into(), &limits).map(|_| ()).map_err(|e| (e.kind, e.reject().status))
    };
    let uri = |kind| ParseErrorKind::RequestUri(kind);
    assert_eq!(kind(&format!("sip:{}@d", "c".repeat(34))), Ok(()));
    assert_eq!(kind(&format!("sip:{}@d", "c".repeat(35))), Err((uri(UriErrorKind::TooLong), 414)));
    assert_eq!(kind("sip:c@d?x=y"), Err((uri(UriErrorKind::Headers), 400)));
}

#[test]
fn malformed_requests_can_be_answered() {
    let rows = [
        (options("Contact: <\r\n"), Some(400)),
        (options("Contact: <\r\n").replace("SIP/2.0\r\n", "SIP/3.0\r\n"), Some(505)),
        (options("Max-Forwards: x\r\n").replace("\r\n", "\n"), Some(400)),
        (options("\u{1}: x\r\n"), Some(400)),
        (options("").replace("CSeq: 7 OPTIONS", "CSeq: 7 INFO"), Some(400)),
        (options("").replace("OPTIONS", "ACK") + "\0", None),
        (options("x\r\n").replace("OPTIONS", "ACK"), None),
        (options("x\r\n").replace("OPTIONS sip:c@d SIP/2.0", "SIP/2.0 200 OK"), None),
        (options("x\r\n").replace("Via", "Vix"), None),
        (options("x\r\n").replace("Call-ID", "Call"), None),
        (String::new(), None),
    ];
    for (raw, expected) in rows {
        let raw = Bytes::from(raw);
        let error = match parse(raw.clone()) {
            Err(error) => error,
            Ok(_) => ParseError::at(ParseErrorKind::StartLine, 0),
        };
        let reply = parse_for_reply(&raw, &error);
        assert_eq!(reply.as_ref().map(|r| r.status), expected, "{raw:?}");
        if let Some(reply) = reply {
            let written = response(reply.write());
            assert_eq!((written.call_id(), written.from().tag()), ("x@y", Some("1")));
            assert_eq!(written.via().branch(), Some("z9hG4bK1"));
        }
    }
}

/// A reply cannot be made to carry headers of the attacker's choice, or all of a huge request.
#[test]
fn replies_do_not_amplify() {
    let raw = options(&format!("From: <sip:evil@x>\r\n{}", "Via: SIP/2.0/UDP h\r\n".repeat(200)));
    let raw = Bytes::from(raw);
    let reply = parse_for_reply(&raw, &parse(raw.clone()).unwrap_err()).unwrap();
    assert_eq!(reply.get("From"), Some("<sip:a@b>;tag=1"));
    assert!(reply.get_all("Via").count() <= 64);
    assert!(reply.write().len() < raw.len());
}

#[test]
fn received_is_noted_for_answers_and_copies() {
    let raw = options("v: SIP/2.0/UDP below\r\n").replace("z9hG4bK1", "z9hG4bK1;rport, SIP/2.0/UDP second");
    let request = request(raw).with_received("203.0.113.9:4000".parse().unwrap());
    let note = "SIP/2.0/TCP 192.0.2.20:50320;branch=z9hG4bK1;rport=4000;received=203.0.113.9";
    assert_eq!(request.via().as_str(), note);
    let answer = ResponseDraft::to(&request, 200);
    assert_eq!(answer.get_all("Via").collect::<Vec<_>>(), [note, "SIP/2.0/UDP second", "SIP/2.0/UDP below"]);
    let copy = crate::RequestDraft::from_request(&request);
    assert_eq!(copy.get_all("via").next(), Some(note));
}

#[test]
fn messages_travel_as_one_pointer() {
    assert!(size_of::<Message>() <= 16);
    let message = parse(options("")).unwrap();
    assert_eq!(message.clone().envelope().call_id(), "x@y");
}

/// Lines are looked for in blocks of 64 bytes: what ends, folds or is out of place may be anywhere in one, or in two.
#[test]
fn blocks_have_no_borders() {
    for pad in (0..=130).map(|len| "p".repeat(len)) {
        let lines = format!("X-Pad:{pad}\r\nA-B: 1 \r\nX-Fold: {pad}\r\n\t2\r\nX-Bare: 3\nZ:\t4");
        let message = request(format!("{}body", options(&format!("{lines}\r\nContent-Length: 4\r\n"))));
        let get = |name| message.headers().get(name);
        assert_eq!(
            (get("x-pad"), get("a-b"), get("x-bare"), get("z")),
            (Some(&*pad), Some("1"), Some("3"), Some("4"))
        );
        let folded = if pad.is_empty() { "2".to_owned() } else { format!("{pad}  \t2") };
        assert_eq!(get("x-fold"), Some(&*folded));
        assert_eq!(&message.body()[..], b"body");
        for (bad, expected) in [
            ("\r", ParseErrorKind::LineEnd),
            ("\0", ParseErrorKind::Nul),
            ("\r\r\n", ParseErrorKind::LineEnd),
        ] {
            let message = options(&format!("X-Pad:{pad}{bad}\r\nContent-Length: 0\r\n"));
            assert_eq!(kind(message), expected, "{bad:?} behind {}", pad.len());
        }
    }
}
