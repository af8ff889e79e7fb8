//! What people write, provisioning, registration events, refusals: read, written, refused.

use std::path::Path;

use crate::common::{CONFERENCE, fixture};
use c3p::command::{Command, Request, RequestFault, Response};
use c3p::diagnostics::{Area, Diagnostics, ids};
use c3p::failure::{self, Refusal};
use c3p::im::{ComposingState, Imdn, ImdnRecipient, IsComposing, KeyboardActivity};
use c3p::invite::ConferenceInvite;
use c3p::message::{AcceptTypes, ImFormat, MessageBody, MessageError, OtherBody, Text};
use c3p::provisioning::{Provisioning, ProvisioningRequest};
use c3p::registration::{RegistrationEvent, RegistrationEventError, RegistrationEventKind};
use c3p::{AnyElement, ErrorKind, Limits, Reason, mime};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn limits() -> Limits {
    Limits::default()
}

/// A message fixture: the Content-Type in its first line, an empty line, the body.
fn message(name: &str) -> (String, Vec<u8>) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/message").join(format!("{name}.txt"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line");
    let head = std::str::from_utf8(&bytes[..at]).expect("a header");
    let content_type = head.strip_prefix("Content-Type: ").expect("a Content-Type").to_owned();
    (content_type, bytes[at + 4..].to_vec())
}

fn read(name: &str) -> MessageBody {
    let (content_type, body) = message(name);
    MessageBody::parse(&content_type, &body, &limits()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(content_type: &str, text: &str) -> Text {
    Text { content_type: content_type.to_owned(), text: text.to_owned() }
}

/// im-and-invite.md 2: every kind of body is the value beside it, and survives being written.
#[test]
fn messages_are_read_and_written() {
    let ink = OtherBody { content_type: "application/x-ink".into(), bytes: vec![1, 2, b'\r', b'\n'] };
    let html = "<html><body><b>hello</b><br>there &amp; &#233;</body></html>";
    let (formatted, _) = message("formatted");
    let gif = OtherBody { content_type: "image/gif".into(), bytes: b"GIF89a".to_vec() };
    let cpim = OtherBody { content_type: "message/cpim".into(), bytes: b"From: x".to_vec() };
    let table = [
        (
            "alternative",
            MessageBody::Alternative(vec![
                MessageBody::Plain(text("text/plain; charset=UTF-8", "hello there")),
                MessageBody::Html(text("text/html; charset=utf-8", html)),
                MessageBody::Other(ink),
            ]),
        ),
        ("formatted", MessageBody::Plain(text(&formatted, "hello"))),
        ("html", MessageBody::Html(text("text/html", "<div>one</div>two<script>evil()</script>"))),
        ("keyboard", MessageBody::Keyboard(KeyboardActivity::Idle)),
        ("other", MessageBody::Other(cpim)),
        (
            "related",
            MessageBody::Related(vec![
                MessageBody::Alternative(vec![MessageBody::Plain(text("text/plain", "plain"))]),
                MessageBody::Other(gif),
            ]),
        ),
    ];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/message");
    assert_eq!(table.len(), std::fs::read_dir(path).expect("fixtures").count(), "each fixture has its row");
    for (name, expected) in table {
        let found = read(name);
        assert_eq!(found, expected, "{name}");
        let (content_type, body) = found.write();
        assert_eq!(MessageBody::parse(&content_type, &body, &limits()), Ok(expected), "{name}, written");
    }
}

/// The XML bodies are found by their types, too.
#[test]
fn xml_bodies_are_found_by_their_types() {
    let bodies = [
        MessageBody::Composing(IsComposing::new(ComposingState::Active)),
        MessageBody::Invite(ConferenceInvite::new(CONFERENCE)),
        MessageBody::Report(Imdn {
            message_id: "5".into(),
            recipients: vec![ImdnRecipient {
                uri: "<sip:a@b>".into(),
                status: Some(408),
                entries: Vec::new(),
            }],
        }),
    ];
    for body in bodies {
        let (content_type, bytes) = body.write();
        assert_eq!(MessageBody::parse(&content_type, &bytes, &limits()), Ok(body.clone()));
        let json = serde_json::to_string(&body).expect("JSON");
        assert_eq!(serde_json::from_str::<MessageBody>(&json).expect("the same type"), body);
    }
    let strange = MessageBody::parse("application/xml", b"<other/>", &limits()).expect("anybody's");
    assert!(matches!(strange, MessageBody::Other(_)));
}

/// im-and-invite.md 2: of alternatives, the last that the receiver accepts; text for people from any form.
#[test]
fn receivers_get_what_they_understand() {
    let body = read("alternative");
    let chosen =
        |line: &str| body.choose(&AcceptTypes::parse(line)).map(|part| part.media_type().into_owned());
    let table = [
        ("text/plain", Some("text/plain")),
        ("TEXT/HTML text/plain", Some("text/html")),
        ("text/plain application/x-ink text/html", Some("application/x-ink")),
        ("text/*", Some("text/html")),
        ("*", Some("application/x-ink")),
        ("", Some("text/plain")),
        ("image/gif", None),
        ("text/pl*", None),
    ];
    for (line, expected) in table {
        assert_eq!(chosen(line).as_deref(), expected, "{line:?}");
    }
    assert_eq!(body.text().as_deref(), Some("hello there"));
    assert_eq!(read("html").text().as_deref(), Some("one\ntwo"));
    assert_eq!(MessageBody::html("a<br>b &lt;&bogus; &#x41;&").text().as_deref(), Some("a\nb <&bogus; A&"));
    assert_eq!(read("other").text(), None);
}

/// real-client-sipe.md 8: colour and weight travel in a parameter, base64 of UTF-16.
#[test]
fn formats_are_read() {
    let MessageBody::Plain(plain) = read("formatted") else { panic!("plain text") };
    let format = plain.format().expect("a format");
    let expected = ImFormat {
        font: Some("Segoe UI".into()),
        is_bold: true,
        is_italic: true,
        color: Some(0xff),
        ..ImFormat::default()
    };
    assert_eq!(format, expected);
    let again = text("text/plain", "x").with_format(&format);
    assert_eq!(again.format(), Some(format));
    for bad in ["", "!", "WA", "WAA", "WAAt", "4piD"] {
        assert_eq!(ImFormat::from_parameter(bad), None, "{bad}");
    }
}

/// Each fault of a message has its error and its status.
#[test]
fn broken_messages_are_refused() {
    let alternative = "multipart/alternative; boundary=b";
    let many = "--b\r\n\r\n\r\n".repeat(40) + "--b--";
    let deep = |levels: usize| {
        let mut body = MessageBody::plain("x");
        for _ in 0..levels {
            body = MessageBody::Alternative(vec![body]);
        }
        body.write()
    };
    let (deep_type, deep_body) = deep(5);
    let table: [(&str, &[u8], MessageError, u16); 13] = [
        ("text/plain; charset=UTF-16", b"x", MessageError::Charset, 415),
        ("text/plain", b"ab\xff", MessageError::NotText(2), 400),
        ("multipart/alternative", b"--\r\n", MessageError::Boundary, 400),
        ("multipart/alternative; boundary=\"\"", b"--\r\n", MessageError::Boundary, 400),
        ("multipart/alternative; boundary=\"a\tb\"", b"--a\tb\r\n", MessageError::Boundary, 400),
        (alternative, b"", MessageError::Multipart(0), 400),
        (alternative, b"--b--", MessageError::Multipart(0), 400),
        (alternative, b"--b\r\n\r\nhello", MessageError::Multipart(5), 400),
        (alternative, b"--b\r\nno colon\r\n\r\nx\r\n--b--", MessageError::Multipart(5), 400),
        (alternative, b"--b\r\nX: \x01\r\n\r\nx\r\n--b--", MessageError::Multipart(5), 400),
        (
            alternative,
            b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--",
            MessageError::Encoded,
            415,
        ),
        (alternative, many.as_bytes(), MessageError::TooManyParts, 413),
        (&deep_type, &deep_body, MessageError::TooManyParts, 413),
    ];
    for (content_type, body, error, status) in table {
        let found = MessageBody::parse(content_type, body, &limits()).expect_err(content_type);
        assert_eq!((found, found.status()), (error, status), "{content_type}");
    }
    let (fits_type, fits) = deep(4);
    assert!(MessageBody::parse(&fits_type, &fits, &limits()).is_ok());
    let large = MessageBody::parse("text/plain", b"12345", &limits().with_bytes(4)).expect_err("large");
    assert_eq!(large.status(), 413);
    let xml = MessageBody::parse(mime::IS_COMPOSING, b"<x/>", &limits()).expect_err("not composing");
    assert!(matches!(xml, MessageError::Document(error) if error.kind == ErrorKind::WrongRoot));
}

/// Lines that end in LF alone, a delimiter without its line break, empty parts: all as others write them.
#[test]
fn odd_multiparts_are_read() {
    let parts =
        |body: &str| match MessageBody::parse("multipart/alternative;boundary=b", body.as_bytes(), &limits())
        {
            Ok(MessageBody::Alternative(parts)) => {
                parts.iter().map(|part| part.text().unwrap_or_default().into_owned()).collect::<Vec<_>>()
            }
            other => panic!("{body:?}: {other:?}"),
        };
    assert_eq!(parts("--b\n\nx\n--b\n\ny\n--b--"), ["x", "y"]);
    assert_eq!(parts("--b\r\n\r\n--b--"), [""]);
    assert_eq!(parts("--b\r\n\r\n\r\n--b--\r\n"), [""]);
    assert_eq!(parts("--b\r\n--b--"), [""]);
    assert_eq!(parts("--b\r\nContent-Type:\r\n  text/plain\r\n\r\nx\r\n--b--"), ["x"]);
    assert_eq!(parts("--b\r\n\r\na --b\r\n--bx\r\n--b--"), ["a --b\r\n--bx"]);
}

/// real-client-sipe.md 5: what a client asks for, and what it reads of the answer, in whatever namespace.
#[test]
fn provisioning_is_read_and_written() {
    let request = ProvisioningRequest::parse(&fixture("provisioning/request"), &limits()).expect("a request");
    assert_eq!(request, ProvisioningRequest::new(["ServerConfiguration", "meetingPolicy"]));
    assert_eq!(ProvisioningRequest::parse(&request.write(), &limits()), Ok(request));

    let answer = Provisioning::parse(&fixture("provisioning/answer"), &limits()).expect("an answer");
    assert_eq!(answer.focus_factory_uri(), Some("sip:pavel@contoso.test;gruu;opaque=app:conf:focusfactory"));
    assert_eq!(answer.media_relay_uri(), Some("sip:mras.contoso.test@contoso.test;gruu;opaque=srvr:MRAS"));
    assert!(!answer.requires_encryption());
    assert_eq!(answer.media_ports(), Some((20000, 20100)));
    let policy = answer.group("meetingPolicy").expect("a group");
    assert_eq!(policy.extensions[0].child("property").map(AnyElement::text).as_deref(), Some("true"));
    assert!(Provisioning::default().requires_encryption(), "silence means yes");
    let small = limits().with_unknown_bytes(10);
    let error = Provisioning::parse(&fixture("provisioning/answer"), &small).expect_err("does not fit");
    assert_eq!(error.kind, ErrorKind::TooLarge);

    let own = Provisioning::for_user("sip:bob@contoso.test");
    assert_eq!(Provisioning::parse(&own.write(), &limits()), Ok(own));
}

/// auth.md 3: each event with its diagnostics.
#[test]
fn registration_events_are_read_and_written() {
    use RegistrationEventKind as Kind;
    let table = [
        ("deregistered;event=unregistered", false, Some(Kind::Unregistered), Some(4140)),
        ("DEREGISTERED ; Event = rejected\r\n", false, Some(Kind::Rejected), Some(4141)),
        ("deregistered;event=deactivated", false, Some(Kind::Deactivated), Some(4142)),
        (
            "deregistered;event=preferred-registrar-change",
            false,
            Some(Kind::PreferredRegistrarChange),
            Some(4166),
        ),
        (
            "deregistered;event=userservices-unavailable",
            false,
            Some(Kind::UserServicesUnavailable),
            Some(4165),
        ),
        ("registered;event=userservices-unavailable", true, Some(Kind::UserServicesUnavailable), None),
        ("registered;event=\"moon-phase\";x", true, Some(Kind::Other("moon-phase".into())), None),
        ("registered", true, None, None),
    ];
    for (body, is_registered, kind, id) in table {
        let event = RegistrationEvent::parse(body.as_bytes()).expect(body);
        assert_eq!(
            (event.is_registered, &event.kind, event.diagnostics_id()),
            (is_registered, &kind, id),
            "{body}"
        );
        assert_eq!(RegistrationEvent::parse(&event.write()), Ok(event), "{body}");
    }
    for bad in ["", "reregistered", "registered;event=a b", "registered\r\nVia: x;y z", "\u{1}"] {
        assert_eq!(RegistrationEvent::parse(bad.as_bytes()), Err(RegistrationEventError::Syntax), "{bad:?}");
    }
    assert_eq!(RegistrationEvent::parse(b"\xff"), Err(RegistrationEventError::Syntax));
    assert_eq!(RegistrationEvent::parse(&[b' '; 2000]), Err(RegistrationEventError::TooLarge));
}

/// c3p.md 4: a fault becomes a status, a header and, beside 400, a body.
#[test]
fn refusals_carry_status_and_diagnostics() {
    let unknown = Refusal::from(RequestFault::NotImplemented);
    assert_eq!((unknown.status, unknown.header().0), (501, "ms-diagnostics-public"));
    for row in failure::TABLE {
        let refusal = Refusal::of_id(row.id);
        assert_eq!((refusal.status, refusal.diagnostics.id), (row.status, row.id));
        assert_eq!(refusal.carries_response, row.status != 400, "{}", row.id);
        assert_eq!(refusal.diagnostics.area(), Area::Focus);
    }
    for reason in Reason::KNOWN.iter().chain([&Reason::Other("starsAreWrong".into())]) {
        let refusal = Refusal::of_reason(reason).with_source("fe1.contoso.test");
        let header = refusal.header().1.parse::<Diagnostics>().expect("a header");
        assert_eq!(header.param("c3p"), Some(reason.as_str()));
        assert_eq!(header, refusal.diagnostics);
        assert!((400..700).contains(&refusal.status));
    }
    let request = Request::new(1, "a", "b", Command::GetConferences);
    assert_eq!(Refusal::of_response(&Response::pending(&request)), None);
    let refused = Refusal::of_response(&Response::failure(&request, Reason::Forbidden)).expect("refused");
    assert_eq!((refused.status, refused.diagnostics.id), (403, ids::C3P_AUTHORIZATION));
    assert_eq!(Refusal::of_id(99_999).status, 500);
}

/// im-and-invite.md 6: the ranges of ids.
#[test]
fn ids_have_areas() {
    let table = [
        (0, Area::Common),
        (1999, Area::Sip),
        (3146, Area::Focus),
        (4140, Area::UserServices),
        (6001, Area::ImMcu),
        (7008, Area::AvMcu),
        (11_000, Area::Unknown),
        (24_067, Area::ClientPlatform),
        (52_017, Area::ClientMedia),
        (60_001, Area::ApplicationSuccess),
        (61_001, Area::ApplicationExpected),
        (62_001, Area::ApplicationUnexpected),
        (u32::MAX, Area::Unknown),
    ];
    for (id, area) in table {
        assert_eq!(Area::of(id), area, "{id}");
    }
}

fn body() -> impl Strategy<Value = MessageBody> {
    let said = "[a-z<>&\\-\r\n ]{0,24}";
    let leaf = prop_oneof![
        said.prop_map(MessageBody::plain),
        said.prop_map(MessageBody::html),
        vec(any::<u8>(), 0..24).prop_map(|bytes| MessageBody::Other(OtherBody {
            content_type: "application/octet-stream".into(),
            bytes
        })),
        select(vec![ComposingState::Active, ComposingState::Idle])
            .prop_map(|state| MessageBody::Composing(IsComposing::new(state))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(MessageBody::Alternative),
            vec(inner, 1..4).prop_map(MessageBody::Related),
        ]
    })
}

proptest! {
    #[test]
    fn messages_survive_being_written(body in body()) {
        let (content_type, bytes) = body.write();
        prop_assert_eq!(MessageBody::parse(&content_type, &bytes, &limits()), Ok(body));
    }

    #[test]
    fn messages_survive_json(body in body()) {
        let json = serde_json::to_string(&body).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<MessageBody>(&json).expect("the same type"), body);
    }

    #[test]
    fn formats_survive_being_written(
        font in proptest::option::of("[ -~é☃]{0,12}"),
        flags in any::<[bool; 4]>(),
        color in proptest::option::of(0..0x100_0000_u32),
    ) {
        let [is_bold, is_italic, is_underlined, is_struck] = flags;
        let format = ImFormat { font, is_bold, is_italic, is_underlined, is_struck, color };
        prop_assert_eq!(ImFormat::from_parameter(&format.to_parameter()), Some(format));
    }

    /// No bytes make a reader panic; every truncation of a multipart is answered.
    #[test]
    fn any_message_is_answered(bytes in vec(any::<u8>(), 0..120), end in 0..400_usize) {
        let (content_type, body) = message("alternative");
        let _ = MessageBody::parse(&content_type, &bytes, &limits());
        let _ = MessageBody::parse(&content_type, &body[..end.min(body.len())], &limits());
        let text = String::from_utf8_lossy(&bytes);
        let _ = MessageBody::parse(&text, &bytes, &limits());
        let _ = MessageBody::html(text.as_ref()).text();
        let _ = ImFormat::from_parameter(&text);
        let _ = mime::parameter(&text, "charset");
        let _ = RegistrationEvent::parse(&bytes);
        let _ = Provisioning::parse(&bytes, &limits());
    }
}
