//! IM bodies, invitations, diagnostics, addresses, and the tables around them.

use crate::common::{AV, CHAT, CONFERENCE, fixture};
use c3p::diagnostics::{Diagnostics, DiagnosticsError, ids};
use c3p::im::{ComposingState, Imdn, ImdnRecipient, IsComposing, KeyboardActivity};
use c3p::invite::{ConferenceInvite, ImInvite};
use c3p::uri::{self, ConferenceTarget, InputError};
use c3p::{ErrorKind, Limits, McuType, Reason, failure, mime};

/// im-and-invite.md 3: both forms of typing.
#[test]
fn typing_is_read_and_written() {
    let limits = Limits::default();
    let typing = KeyboardActivity::parse(&fixture("body/keyboard_activity"), &limits);
    assert_eq!(typing, Ok(KeyboardActivity::Typing));
    for activity in KeyboardActivity::ALL {
        assert_eq!(KeyboardActivity::parse(&activity.write(), &limits), Ok(*activity));
    }

    let composing = IsComposing::parse(&fixture("body/is_composing"), &limits).expect("a body");
    let expected = IsComposing {
        content_type: Some("text/plain".into()),
        refresh: Some(90),
        ..IsComposing::new(ComposingState::Active)
    };
    assert_eq!(composing, expected);
    assert_eq!(IsComposing::parse(&composing.write(), &limits), Ok(expected));
}

/// im-and-invite.md 2.1: the report, and who counts as not reached.
#[test]
fn reports_are_read_and_written() {
    let report = Imdn::parse(&fixture("body/imdn"), &Limits::default()).expect("a report");
    assert_eq!(report.message_id, "5");
    assert_eq!(report.recipients[0].uri, "<sip:quinn@contoso.test>");
    assert_eq!(report.recipients[0].status, Some(480));
    assert_eq!(report.recipients[0].entries[0].1, "6001;reason=\"Request Timeout\"");
    assert!(report.recipients.iter().all(ImdnRecipient::is_failure));
    assert!(!ImdnRecipient { uri: String::new(), status: Some(200), entries: Vec::new() }.is_failure());
    assert_eq!(Imdn::parse(&report.write(), &Limits::default()), Ok(report));
}

/// im-and-invite.md 4: the invitation; one without focus-uri is none.
#[test]
fn invitations_are_read_and_written() {
    let limits = Limits::default();
    let invite = ConferenceInvite::parse(&fixture("body/invite"), &limits).expect("an invitation");
    let expected = ConferenceInvite::new(CONFERENCE)
        .with_subject("Lunch <now>")
        .with_im(ImInvite::default())
        .with_audio(false);
    assert_eq!(invite, expected);
    assert_eq!(ConferenceInvite::parse(&invite.write(), &limits), Ok(expected));

    // The known client inserts the subject without escaping it.
    let broken =
        b"<Conferencing version=\"2.0\"><focus-uri>x</focus-uri><subject>a & b</subject></Conferencing>";
    assert_eq!(ConferenceInvite::parse(broken, &limits).expect_err("broken").kind, ErrorKind::Syntax);
    let empty = ConferenceInvite::parse(b"<Conferencing/>", &limits).expect_err("empty");
    assert_eq!(empty.kind, ErrorKind::Missing("focus-uri"));
}

/// im-and-invite.md 5: values as they come in.
#[test]
fn diagnostics_are_read() {
    let read = |text: &str| text.parse::<Diagnostics>();
    let full = read(r#" 6001.7 ; SOURCE = "im1.contoso.test";reason="a \"b\" \\ c; d, e";component=ImMcu"#);
    let mut expected = Diagnostics::new(6001)
        .with_reason("a \"b\" \\ c; d, e")
        .with_source("im1.contoso.test")
        .with_param("component", "ImMcu");
    expected.sub = Some(7);
    assert_eq!(full, Ok(expected.clone()));
    assert_eq!(expected.param("COMPONENT"), Some("ImMcu"));
    assert_eq!(expected.param("Reason"), expected.reason.as_deref());
    assert_eq!(read("24067"), Ok(Diagnostics::new(ids::MCU_ROLLING_OVER)));

    let list =
        Diagnostics::parse_list("61001;reason=\"a,b\", 0;source=fe1.contoso.test").expect("two values");
    assert_eq!(list.iter().map(|value| value.id).collect::<Vec<_>>(), [61001, 0]);

    for bad in ["", "x", ";reason=\"a\"", "-1", "4294967296"] {
        assert_eq!(read(bad), Err(DiagnosticsError::NoId), "{bad}");
    }
    for bad in ["1;", "1;=x", "1;a", "1;a=\"b", "1;a=\"b\\", "1 x", "1;a=\"b\"c"] {
        assert_eq!(read(bad), Err(DiagnosticsError::BadParameter), "{bad}");
    }
    let many = vec!["1"; 17].join(",");
    assert_eq!(Diagnostics::parse_list(&many), Err(DiagnosticsError::TooMany));
    assert_eq!(Diagnostics::parse_list("1,"), Err(DiagnosticsError::NoId));
}

/// A text cannot end the header it is in.
#[test]
fn diagnostics_do_not_inject_headers() {
    let value = Diagnostics::new(1).with_reason("a\r\nVia: x").with_param("bad name", "x").to_string();
    assert_eq!(value, "1;reason=\"a  Via: x\"");
}

/// c3p.md 4.3: the table is complete and in order, and every id is found again.
#[test]
fn failure_table_is_complete() {
    assert_eq!(
        failure::TABLE.iter().map(|row| row.id).collect::<Vec<_>>(),
        (3000..=3022).collect::<Vec<_>>()
    );
    for row in failure::TABLE {
        assert_eq!(failure::status_of(row.id), Some(row.status));
        assert!(failure::by_status(row.status).any(|other| other == row));
        assert_eq!(row.public, row.id == ids::C3P_NOT_IMPLEMENTED);
    }
    assert_eq!(failure::status_of(ids::C3P_SESSION_TIMER), Some(421));
    for reason in Reason::KNOWN {
        let (status, id) = failure::for_reason(reason);
        assert!((400..700).contains(&status), "{reason}");
        if let Some(row) = id.and_then(failure::by_id) {
            assert_eq!(row.status, status, "{reason}");
        }
    }
}

/// c3p.md 4.1: reasons compare without regard to case and keep what they do not know.
#[test]
fn reasons_compare_without_case() {
    assert_eq!(Reason::from_token("USERdoesntexist"), Reason::UserDoesntExist);
    let odd = Reason::from_token("starsAreWrong");
    assert_eq!((odd.as_str(), odd.is_known()), ("starsAreWrong", false));
    assert_eq!(odd, Reason::from_token("STARSAREWRONG"));
    assert_eq!(Reason::Other("Forbidden".into()), Reason::Forbidden);
    for reason in Reason::KNOWN {
        assert_eq!(&Reason::from_token(reason.as_str()), reason);
    }
}

/// c3p.md 1.2: addresses are made by replacement and taken apart again.
#[test]
fn addresses_are_made_and_taken_apart() {
    assert_eq!(uri::conference_uri("sip:olga@contoso.test;transport=tcp", "MEET0042"), CONFERENCE);
    assert_eq!(uri::target(&uri::factory_uri("sip:olga@contoso.test")), Some(ConferenceTarget::Factory));
    assert_eq!(uri::target(CONFERENCE), Some(ConferenceTarget::Focus { id: "MEET0042" }));
    assert_eq!(uri::target(AV), Some(ConferenceTarget::Mcu { mcu: McuType::Av, id: "MEET0042" }));
    assert_eq!(
        (uri::conference_id(CHAT), uri::organizer(CHAT)),
        (Some("MEET0042"), Some("sip:olga@contoso.test"))
    );
    for mcu in McuType::ALL {
        let made = uri::mcu_uri(CONFERENCE, *mcu).expect("a conference");
        assert_eq!(uri::conference_of_mcu(&made), Some((CONFERENCE.to_owned(), *mcu)));
        assert_eq!(McuType::from_short_name(mcu.short_name()), Some(*mcu));
        assert_eq!(uri::mcu_uri(&made, *mcu), None, "not the address of a conference");
    }
    for other in
        ["", "sip:", "tel:+1555", "sip:a@b.test", "sip:a@b.test;opaque=app:conf:focus:id:", "sip:é@b;opaque"]
    {
        assert_eq!(uri::target(other), None, "{other}");
    }
    assert!(uri::is_valid_id("3814A82809A34ED0958CFDB60957BDF"));
    assert!(
        !uri::is_valid_id("short")
            && !uri::is_valid_id("has-dash-in-it")
            && !uri::is_valid_id(&"a".repeat(33))
    );
}

/// c3p.md 1.2: how addresses compare.
#[test]
fn addresses_compare_as_addresses() {
    let same = "SIP:olga@Contoso.TEST;opaque=app:conf:focus:id:MEET0042;GRUU";
    assert!(uri::same(CONFERENCE, same) && uri::same(same, CONFERENCE));
    for other in [
        "sip:Olga@contoso.test;gruu;opaque=app:conf:focus:id:MEET0042",
        "sips:olga@contoso.test;gruu;opaque=app:conf:focus:id:MEET0042",
        "sip:olga@contoso.test;gruu;opaque=app:conf:focus:id:meet0042",
        "sip:olga@contoso.test;opaque=app:conf:focus:id:MEET0042",
        CHAT,
    ] {
        assert!(!uri::same(CONFERENCE, other) && !uri::same(other, CONFERENCE), "{other}");
    }
}

/// c3p.md 1.2: what people type.
#[test]
fn typed_addresses_are_cleaned() {
    for typed in [
        CONFERENCE.to_owned(),
        format!("conf:{CONFERENCE}"),
        format!("  MEET:{CONFERENCE}?conf-key=1%zz\n"),
        CONFERENCE.replace(';', "%3b").replace('@', "%40"),
    ] {
        assert_eq!(uri::clean_input(&typed).as_deref(), Ok(CONFERENCE), "{typed}");
    }
    let table = [
        ("", InputError::NotSip),
        ("sips:olga@contoso.test;opaque=app:conf:focus:id:MEET0042", InputError::NotSip),
        ("https://meet.contoso.test/olga", InputError::NotSip),
        ("sip:a%@b.test", InputError::BadEscape),
        ("sip:a%2541@b.test", InputError::BadEscape),
        ("sip:a%ff@b.test", InputError::BadEscape),
        ("sip:a b@c.test", InputError::IllegalCharacter),
        ("sip:a%0d%0a@b.test", InputError::IllegalCharacter),
        ("sip:a@b.test%3Fx", InputError::IllegalCharacter),
        ("sip:olga@contoso.test", InputError::NotConference),
        (CHAT, InputError::NotConference),
    ];
    for (typed, error) in table {
        assert_eq!(uri::clean_input(typed), Err(error), "{typed}");
    }
}

/// MIME types compare without parameters and case.
#[test]
fn mime_types_compare() {
    assert!(mime::is(" application/CONFERENCE-info+xml ;charset=x", mime::CONFERENCE_INFO));
    assert!(!mime::is("application/conference-info", mime::CONFERENCE_INFO));
}
