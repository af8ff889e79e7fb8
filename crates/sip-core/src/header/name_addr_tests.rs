//! Addresses: what is one, and that changed ones parse again.

use super::*;

fn addr(text: &str) -> NameAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn parts_table() {
    type Row = (&'static str, Option<&'static str>, &'static str, Option<&'static str>);
    let rows: [Row; 12] = [
        ("<sip:a@b>", None, "sip:a@b", None),
        ("sip:a@b;tag=1", None, "sip:a@b", Some("1")),
        ("sip:a@b ; tag = 1", None, "sip:a@b", Some("1")),
        ("<sip:a@b;tag=no>;tag=1", None, "sip:a@b;tag=no", Some("1")),
        ("Bob Smith <sip:a@b>;Tag=x", Some("Bob Smith"), "sip:a@b", Some("x")),
        (
            r#""a \"q\" <b>, c;tag=no" <sip:a@b>;tag=1"#,
            Some(r#"a \"q\" <b>, c;tag=no"#),
            "sip:a@b",
            Some("1"),
        ),
        ("\"\"<sip:a@b>", None, "sip:a@b", None),
        ("\"J\u{f6}rg\" <sip:j@b>;epid=01;tag=9", Some("J\u{f6}rg"), "sip:j@b", Some("9")),
        ("J\u{f6}rg <sip:j@b>", Some("J\u{f6}rg"), "sip:j@b", None),
        ("<tel:+1-2;ext=3>;x", None, "tel:+1-2;ext=3", None),
        (r#"<sip:a@b>;+sip.instance="<urn:uuid:1;2>";tag=1"#, None, "sip:a@b", Some("1")),
        ("  <sip:a@b>\t", None, "sip:a@b", None),
    ];
    for (text, display, uri, tag) in rows {
        let parsed = addr(text);
        assert_eq!((parsed.display(), parsed.uri().as_str(), parsed.tag()), (display, uri, tag), "{text}");
        assert_eq!(parsed.as_str(), text.trim());
    }
}

#[test]
fn hostile_table() {
    let rows = [
        "",
        " ",
        ";tag=1",
        "<sip:a@b",
        "sip:a@b>",
        "<>",
        "\"Bob <sip:a@b>",
        "\"Bob\\",
        "\"Bob\\\" <sip:a@b>",
        "\"Bob\" sip:a@b",
        "Bell, A <sip:a@b>",
        "a\"b\" <sip:a@b>",
        "< sip:a@b>",
        "<sip:a@b >",
        "<sip:a@b>x",
        "<sip:a@b>;",
        "<sip:a@b>;;x",
        "<sip:a@b>;=x",
        "<sip:a@b>;x=",
        "<sip:a@b>;x=\"y",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b> <sip:c@d>",
        "sip:a@b?Route=x",
        "<sip:a@b>, <sip:c@d>",
        "bob@example.com",
        "\0<sip:a@b>",
    ];
    for text in rows {
        assert!(text.parse::<NameAddr>().is_err(), "{text:?}");
    }
}

#[test]
fn tags_are_set_replaced_and_removed() {
    let base = addr(r#""A;b" <sip:a@b;x>;p="q;r";tag=1;lr"#);
    assert_eq!(base.with_tag("2").as_str(), r#""A;b" <sip:a@b;x>;p="q;r";lr;tag=2"#);
    assert_eq!(base.without_tag().as_str(), r#""A;b" <sip:a@b;x>;p="q;r";lr"#);
    assert_eq!(addr("sip:a@b;tag=1").with_tag("2").as_str(), "<sip:a@b>;tag=2");
    assert_eq!(base.with_tag("x\r\ny").param("tag"), Some("x  y"));
    assert_eq!((base.param("P"), base.param("lr"), base.param("z")), (Some("q;r"), Some(""), None));
}

#[test]
fn display_is_quoted_and_unquoted() {
    let named = addr("<sip:a@b>;tag=1").with_display("a \"b\" \\ \r\n<c>");
    assert_eq!(named.display_text().as_deref(), Some("a \"b\" \\   <c>"));
    assert_eq!(named.tag(), Some("1"));
    assert_eq!(named.with_display("").as_str(), "<sip:a@b>;tag=1");
}

#[test]
fn detached_is_the_same_text_elsewhere() {
    let base = addr("\"A\" <sip:a@b>;tag=1");
    let copy = base.detached();
    assert_eq!(copy, base);
    assert_ne!(copy.as_str().as_ptr(), base.as_str().as_ptr());
    assert_eq!((copy.tag(), copy.display(), copy.uri()), (Some("1"), Some("A"), base.uri()));
}

#[test]
fn longest_uri_still_makes_an_address() {
    let uri = Uri::parse(&format!("sip:{}@h", "a".repeat(TEXT_MAX - 6))).unwrap();
    assert_eq!(NameAddr::new(uri.clone()).uri(), &uri);
    assert_eq!(NameAddr::from(uri.clone()).with_tag("1").uri(), &uri);
}
