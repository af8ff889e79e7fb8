//! Hostile XML: each is an error of its kind, none a panic, none expensive (reliability.md section 3).

use crate::common::{CONFERENCE, fixture, names};
use c3p::command::{Command, Document, Request};
use c3p::im::{Imdn, IsComposing, KeyboardActivity};
use c3p::info::ConferenceInfo;
use c3p::invite::ConferenceInvite;
use c3p::{ErrorKind, Limits};

const INFO: &str = "urn:ietf:params:xml:ns:conference-info";

fn info(attributes: &str, inner: &str) -> String {
    format!("<conference-info xmlns=\"{INFO}\" entity=\"x\" {attributes}>{inner}</conference-info>")
}

fn kind_of(body: impl AsRef<[u8]>, limits: &Limits) -> ErrorKind {
    ConferenceInfo::parse(body.as_ref(), limits).expect_err("hostile").kind
}

/// No document type declaration, so no entity of any kind.
#[test]
fn declarations_are_refused() {
    for name in names("hostile") {
        assert_eq!(kind_of(fixture(&name), &Limits::default()), ErrorKind::Dtd, "{name}");
        let error = Document::parse(&fixture(&name), &Limits::default()).expect_err("hostile");
        assert_eq!(error.kind, ErrorKind::Dtd, "{name}");
    }
}

/// Each fault has its kind.
#[test]
fn faults_have_kinds() {
    let table = [
        (
            info("", "<conference-description><subject>&lol;</subject></conference-description>"),
            ErrorKind::UnknownEntity,
        ),
        (info("version=\"&lol;\"", ""), ErrorKind::UnknownEntity),
        (info("version=\"1\" version=\"2\"", ""), ErrorKind::DuplicateAttribute),
        (
            info(&format!("state=\"full\" xmlns:ci=\"{INFO}\" ci:state=\"deleted\""), ""),
            ErrorKind::DuplicateAttribute,
        ),
        (info("xmlns:a=\"urn:x\" xmlns:b=\"urn:x\" a:p=\"1\" b:p=\"2\"", ""), ErrorKind::DuplicateAttribute),
        (info("z:state=\"full\"", ""), ErrorKind::Namespace),
        (info("", "<z:users/>"), ErrorKind::Namespace),
        (info("xmlns:xmlns=\"urn:x\"", ""), ErrorKind::Namespace),
        (info("", "<users></user>"), ErrorKind::Syntax),
        (info("", "<users a=b></users>"), ErrorKind::Syntax),
        (info("", "</conference-info><x>"), ErrorKind::Syntax),
        (info("", "") + "<more/>", ErrorKind::Syntax),
        (info("", "") + "more", ErrorKind::Syntax),
        (format!("text{}", info("", "")), ErrorKind::Syntax),
        (info("", "<?xml version=\"1.0\"?>"), ErrorKind::Syntax),
        (info("", "<users>&#0;</users>"), ErrorKind::IllegalCharacter),
        (info("", "<users>&#xFFFE;</users>"), ErrorKind::IllegalCharacter),
        (info("version=\"&#1;\"", ""), ErrorKind::IllegalCharacter),
        (info("", "\u{1}"), ErrorKind::IllegalCharacter),
        (info("", "\u{ffff}"), ErrorKind::IllegalCharacter),
        (String::new(), ErrorKind::Truncated),
        ("   ".to_owned(), ErrorKind::Truncated),
        (info("", "").replace(INFO, "urn:example:other"), ErrorKind::WrongRoot),
        (info("", "").replace(" xmlns=\"urn:ietf:params:xml:ns:conference-info\"", ""), ErrorKind::WrongRoot),
        (info("", "").replace("entity", "entities"), ErrorKind::Missing("@entity")),
        (info("state=\"half\"", ""), ErrorKind::BadValue("@state")),
        (info("version=\"-1\"", ""), ErrorKind::BadValue("@version")),
        (info("version=\"4294967296\"", ""), ErrorKind::BadValue("@version")),
        (info("", "<users/><users/>"), ErrorKind::Repeated("users")),
        (format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{}", info("", "")), ErrorKind::NotUtf8),
    ];
    for (body, kind) in table {
        let error = ConferenceInfo::parse(body.as_bytes(), &Limits::default()).expect_err(&body);
        assert_eq!(error.kind, kind, "{body}");
        assert!(error.offset <= body.len(), "{body}");
    }
    assert_eq!(kind_of(b"<conference-info \xff", &Limits::default()), ErrorKind::NotUtf8);
}

/// Depth, size, endpoints, entries, attributes and declarations are bounded.
#[test]
fn limits_hold() {
    let limits = Limits::default();
    let nested = |depth: usize| info("", &("<d>".repeat(depth) + &"</d>".repeat(depth)));
    assert!(ConferenceInfo::parse(nested(31).as_bytes(), &limits).is_ok());
    assert_eq!(kind_of(nested(32), &limits), ErrorKind::TooDeep);
    assert_eq!(kind_of(info("", &"<d>".repeat(200_000)), &limits), ErrorKind::TooDeep);

    assert_eq!(kind_of(info("", &" ".repeat(4 * 1024 * 1024)), &limits), ErrorKind::TooLarge);

    let crowd = |count: usize| {
        let endpoints = "<endpoint entity=\"\"/>".repeat(count);
        info("", &format!("<users><user entity=\"\">{endpoints}</user></users>"))
    };
    let few = limits.with_endpoints(10);
    assert!(ConferenceInfo::parse(crowd(10).as_bytes(), &few).is_ok());
    assert_eq!(kind_of(crowd(11), &few), ErrorKind::TooManyEndpoints);
    assert_eq!(kind_of(crowd(50_001), &limits), ErrorKind::TooManyEndpoints);

    let users = info("", &format!("<users>{}</users>", "<user entity=\"\"/>".repeat(200_001)));
    assert_eq!(kind_of(users, &limits), ErrorKind::TooManyEntries);

    let attributes: String = (0..10_000).map(|at| format!("a{at}=\"\" ")).collect();
    assert_eq!(kind_of(info(&attributes, ""), &limits), ErrorKind::TooManyAttributes);
    let declarations: String = (0..10_000).map(|at| format!("xmlns:a{at}=\"urn:x\" ")).collect();
    assert_eq!(kind_of(info(&declarations, ""), &limits), ErrorKind::TooManyAttributes);
}

/// A name of ours in a foreign namespace is not ours: neither command, nor key, nor attribute.
#[test]
fn foreign_namespaces_are_not_read() {
    let request = |inner: &str| {
        format!(
            "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" xmlns:evil=\"urn:example:evil\" requestId=\"1\" \
             from=\"a\" to=\"b\" evil:from=\"mallory\">{inner}</request>"
        )
    };
    let command = request(&format!(
        "<evil:deleteUser><userKeys confEntity=\"{CONFERENCE}\" userEntity=\"sip:a@b.test\"/></evil:deleteUser>"
    ));
    let read = Request::parse(command.as_bytes(), &Limits::default()).expect("well-formed");
    let Command::Unknown(kept) = &read.command else { panic!("{:?}", read.command) };
    assert!(kept.is("urn:example:evil", "deleteUser"));
    assert_eq!(read.from, "a");

    let keys = request("<deleteUser><evil:userKeys confEntity=\"c\" userEntity=\"u\"/></deleteUser>");
    let error = Request::parse(keys.as_bytes(), &Limits::default()).expect_err("no keys");
    assert_eq!(error.kind, ErrorKind::Missing("userKeys"));

    let attribute = request("<deleteUser><userKeys confEntity=\"c\" evil:userEntity=\"u\"/></deleteUser>");
    let error = Request::parse(attribute.as_bytes(), &Limits::default()).expect_err("no user");
    assert_eq!(error.kind, ErrorKind::Missing("@userEntity"));
}

/// No document that is cut anywhere is read, and none makes the reader panic.
#[test]
fn truncated_documents_are_errors() {
    let limits = Limits::default();
    for kind in ["request", "response", "info", "body"] {
        for name in names(kind) {
            let body = fixture(&name);
            let whole = body.trim_ascii_end().len();
            for end in 0..whole {
                let cut = &body[..end];
                assert!(Document::parse(cut, &limits).is_err(), "{name} cut at {end}");
                assert!(ConferenceInfo::parse(cut, &limits).is_err(), "{name} cut at {end}");
                assert!(ConferenceInvite::parse(cut, &limits).is_err(), "{name} cut at {end}");
                assert!(Imdn::parse(cut, &limits).is_err(), "{name} cut at {end}");
                assert!(IsComposing::parse(cut, &limits).is_err(), "{name} cut at {end}");
                assert!(KeyboardActivity::parse(cut, &limits).is_err(), "{name} cut at {end}");
            }
        }
    }
}

/// Whatever one changed byte makes of a document: an answer, never a panic.
#[test]
fn changed_bytes_never_panic() {
    for name in ["request/join", "response/lobby", "info/partial"] {
        let body = fixture(name);
        for at in 0..body.len() {
            for byte in [0, b'<', b'>', b'&', b'"', b'\'', b'/', b'!', b':', b';', 0xef, 0xff] {
                let mut changed = body.clone();
                changed[at] = byte;
                if let Ok(document) = Document::parse(&changed, &Limits::default()) {
                    assert_eq!(Document::parse(&document.write(), &Limits::default()), Ok(document));
                }
                if let Ok(document) = ConferenceInfo::parse(&changed, &Limits::default()) {
                    assert_eq!(ConferenceInfo::parse(&document.write(), &Limits::default()), Ok(document));
                }
            }
        }
    }
}

/// A byte order mark, other quotes, comments and instructions are XML like any other.
#[test]
fn unusual_but_legal_xml_is_read() {
    let body = format!(
        "\u{feff}<?xml version='1.0' encoding='UTF-8'?><?pi x?><!-- c --><conference-info\n xmlns='{INFO}'\n\
         entity = 'a\"b' ><!-- d --><?pi?></conference-info >\n<!-- e -->\n"
    );
    let read = ConferenceInfo::parse(body.as_bytes(), &Limits::default()).expect("legal");
    assert_eq!(read, ConferenceInfo::new("a\"b"));
}
