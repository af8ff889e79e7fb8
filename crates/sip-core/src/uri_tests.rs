//! URIs: what is one, what its parts are, when two are the same.

use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// RFC 3261 section 19.1.1; conference and GRUU forms as clients send them.
#[test]
fn parts_table() {
    type Row = (&'static str, Option<&'static str>, &'static str, Option<u16>);
    let rows: [Row; 11] = [
        ("sip:alice@example.com", Some("alice"), "example.com", None),
        ("SIP:alice:secret@example.com:5070", Some("alice"), "example.com", Some(5070)),
        ("sips:example.com;transport=tcp", None, "example.com", None),
        ("sip:[2001:db8::9:1]:5061;lr", None, "[2001:db8::9:1]", Some(5061)),
        ("sip:%61;b?c=$/+@h", Some("%61;b?c=$/+"), "h", None),
        ("sip:a@h?Subject=x%20y&to=z%40q", Some("a"), "h", None),
        ("sip:a@192.0.2.1:65535", Some("a"), "192.0.2.1", Some(65535)),
        ("sip:a@h;gruu;opaque=app:conf:focus:id:X7+/==", Some("a"), "h", None),
        ("tel:+1-201-555-0123", None, "", None),
        ("urn:uuid:0b0b", None, "", None),
        ("sip:a_b-c.d!e~f*g'(h)&i@h", Some("a_b-c.d!e~f*g'(h)&i"), "h", None),
    ];
    for (text, user, host, port) in rows {
        let uri = uri(text);
        assert_eq!((uri.user(), uri.host(), uri.port()), (user, host, port), "{text}");
        assert_eq!(uri.to_string(), text);
        assert_eq!(Uri::try_from(ByteString::from(text)), Ok(uri));
    }
}

#[test]
fn hostile_table() {
    use UriErrorKind::{Character, Host, Parameter, Port, Scheme, User};
    let rows = [
        ("", Scheme),
        ("alice@example.com", Scheme),
        (":a", Scheme),
        ("1sip:a", Scheme),
        ("s p:a@b", Scheme),
        ("sip:", Host),
        ("sip:a@", Host),
        ("sip:@h", User),
        ("sip:a@b@c", User),
        ("sip:a@h;x=@", User),
        ("sip:a@h:", Port),
        ("sip:a@h:65536", Port),
        ("sip:a@h:99999999999999999999999", Port),
        ("sip:a@h:+1", Port),
        ("sip:a@[::1", Host),
        ("sip:a@[]", Host),
        ("sip:a@[::1]x", Parameter),
        ("sip:a@h;", Parameter),
        ("sip:a@h;;lr", Parameter),
        ("sip:a@h;=x", Parameter),
        ("sip:a@h;x=", Parameter),
        ("sip:a@h;x=%4", Parameter),
        ("sip:a%zz@h", Character),
        ("sip:a b@h", Character),
        ("sip:a@h\r\nX: y", Character),
        ("sip:a\0@h", Character),
        ("sip:\u{e9}@h", Character),
        ("<sip:a@h>", Scheme),
        ("tel:", Host),
    ];
    for (text, kind) in rows {
        assert_eq!(Uri::parse(text).map_err(|e| e.kind), Err(kind), "{text:?}");
    }
    let long = format!("sip:{}@h", "a".repeat(70_000));
    assert_eq!(Uri::parse(&long).map_err(|e| e.kind), Err(UriErrorKind::TooLong));
}

/// RFC 3261 section 19.1.4, its own examples first.
#[test]
fn equivalence_table() {
    let same = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        ("sip:a@b?x=1&y=2", "sip:a@b?Y=2&x=1"),
        ("tel:+1-2", "TEL:+1-2"),
    ];
    for (a, b) in same {
        assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
    }
    let different = [
        ("SIP:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sip:a@b?subject=x"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a%3bb@h", "sip:a;b@h"),
        ("sip:a@b;opaque=app:conf:focus:id:1", "sip:a@b;opaque=app:conf:focus:id:2"),
        ("sip:a@b;opaque=user:epid:1;gruu", "sip:a@b"),
    ];
    for (a, b) in different {
        assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
    }
}

#[test]
fn params_are_set_replaced_and_removed() {
    let base = uri("sip:a@h;LR;x=1?h=v");
    assert_eq!(base.with_param("x", Some("2")).as_str(), "sip:a@h;LR;x=2?h=v");
    assert_eq!(base.with_param("lr", None).as_str(), "sip:a@h;x=1;lr?h=v");
    assert_eq!(base.without_param("lr").as_str(), "sip:a@h;x=1?h=v");
    assert_eq!(base.with_param("y", Some("a b;c@d\r\n")).param("y"), Some("a%20b%3Bc%40d%0D%0A"));
    assert_eq!(base.with_param("bad name", Some("1")), base);
    assert_eq!(uri("tel:1").with_param("x", None).as_str(), "tel:1");
    assert_eq!((base.param("lr"), base.param("X"), base.param("z")), (Some(""), Some("1"), None));
}

#[test]
fn for_addr_gives_back_its_address() {
    for addr in ["192.0.2.1:5060", "[2001:db8::1]:40000"] {
        let addr = addr.parse().unwrap();
        for transport in [TransportKind::Udp, TransportKind::Tcp, TransportKind::Tls] {
            let uri = Uri::for_addr(Some("to ken@x"), addr, transport);
            assert_eq!((uri.sip_addr(), uri.transport()), (Some(addr), Some(transport)), "{uri}");
            assert_eq!(uri.user(), Some("to%20ken%40x"));
        }
        assert_eq!(Uri::for_addr(None, addr, TransportKind::Tcp).user(), None);
    }
}

#[test]
fn sip_addr_needs_a_literal_address() {
    let addr = |text: &str| uri(text).sip_addr().map(|a| a.to_string());
    assert_eq!(addr("sip:a@192.0.2.1"), Some("192.0.2.1:5060".into()));
    assert_eq!(addr("sip:a@192.0.2.1;transport=tls"), Some("192.0.2.1:5061".into()));
    assert_eq!(addr("sips:[::1]"), Some("[::1]:5061".into()));
    assert_eq!(addr("sip:a@example.com:5060"), None);
    assert_eq!(addr("tel:192"), None);
}

#[test]
fn address_of_record_has_no_device() {
    let aor = |text: &str| uri(text).address_of_record().to_string();
    assert_eq!(aor("sip:bob:pw@example.com:5060;opaque=user:epid:X;gruu?h=v"), "sip:bob@example.com");
    assert_eq!(aor("SIPS:example.com;lr"), "sips:example.com");
    assert_eq!(aor("tel:+1"), "tel:+1");
}

#[test]
fn serde_uses_the_text() {
    let text = serde_json::to_string(&uri("sip:a@b;lr")).unwrap();
    assert_eq!(text, "\"sip:a@b;lr\"");
    assert_eq!(serde_json::from_str::<Uri>(&text).unwrap(), uri("sip:a@b;lr"));
    assert!(serde_json::from_str::<Uri>("\"x\"").is_err());
}

/// Comparing is quadratic in the parameters: their number is bounded.
#[test]
fn parameters_are_bounded() {
    let with = |count: usize| Uri::parse(&format!("sip:a@b{}", ";x".repeat(count)));
    assert!(with(64).is_ok());
    assert_eq!(with(65).map_err(|e| (e.kind, e.offset)), Err((UriErrorKind::Parameter, 7 + 64 * 2)));
    let long = Uri::parse(&format!("tel:1{}", ";x".repeat(65))).unwrap();
    assert!(long.tel().is_none() && long.equivalent(&long));
}

proptest::proptest! {
    /// The one look at usual URIs and the way for all of them agree, in what they take and in what they find.
    #[test]
    fn usual_uris_are_read_alike(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "sip:", "SIP:", "sips:", "a", "bob.x", "@", ":", "5060", "65536", ";", "lr", "=", "1", "x-y", "?", "%41", "%",
                "[::1]", "192.0.2.1", ">", " ", ",", "&", "é", "\"", "(", "/",
            ]),
            0..12,
        ),
        scheme in proptest::bool::weighted(0.8),
    ) {
        let text = if scheme { format!("sip:{}", pieces.concat()) } else { pieces.concat() };
        if let Some((parts, end)) = usual_parts(text.as_bytes()) {
            proptest::prop_assert_eq!(any_parts(&text.as_bytes()[..end]), Ok(parts), "{}", text);
        }
    }
}
