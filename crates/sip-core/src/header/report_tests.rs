//! Headers that say why and when, and those about bodies, as tables: lines to value or error.

use super::*;
use crate::header::{Accept, ContentDisposition, ContentEncoding, ContentType};

fn parse<H: TypedHeader>(lines: &[&str]) -> Result<Option<H>, HeaderErrorKind> {
    H::parse_all(&mut lines.iter().copied()).map_err(|e| e.kind)
}

/// RFC 3261 section 20.43.
#[test]
fn warnings() {
    let lines = [r#"307 isi.example.org "Session \"x\" not understood", 301 h "no""#, r#"399 - "z""#];
    let found = parse::<Warning>(&lines).unwrap().unwrap();
    let codes: Vec<_> = found.0.iter().map(|w| (w.code, &*w.agent, &*w.text)).collect();
    assert_eq!(
        codes,
        [(307, "isi.example.org", r#"Session "x" not understood"#), (301, "h", "no"), (399, "-", "z")]
    );
    assert_eq!(parse(&[&found.to_string()]), Ok(Some(found)));
    for bad in [
        "",
        "1812 overture \"x\"",
        "307 h",
        "307 h x",
        "307 \"x\"",
        "307 h \"x",
        "307 h \"x\" y",
        "99 h \"x\"",
    ] {
        assert!(parse::<Warning>(&[bad]).is_err(), "{bad}");
    }
    let made = Warning::new(7, "a b", "c\r\nX: \"y\"");
    assert_eq!(made.to_string(), r#"100 - "c  X: \"y\"""#);
}

/// RFC 3326.
#[test]
fn reasons() {
    let reason = parse::<Reason>(&[r#"SIP ;cause=600 ;text="Busy; very", Q.850;cause=16"#]).unwrap().unwrap();
    let text = Some("Busy; very".into());
    assert_eq!(reason, Reason { protocol: "SIP".into(), cause: Some(600), text });
    assert_eq!(parse(&[&reason.to_string()]), Ok(Some(reason)));
    assert!(parse::<Reason>(&["SIP;cause=x"]).is_err() && parse::<Reason>(&[""]).is_err());
}

/// RFC 3261 section 20.33.
#[test]
fn retry_after_in_full() {
    let info = |seconds, comment: Option<&str>, duration| {
        Ok(Some(RetryInfo { seconds, comment: comment.map(Into::into), duration }))
    };
    assert_eq!(
        parse(&["120 (I'm in a (long\\)) meeting)"]),
        info(120, Some("I'm in a (long)) meeting"), None)
    );
    assert_eq!(parse(&["18000;duration=3600"]), info(18000, None, Some(3600)));
    assert_eq!(parse(&["5 (x) ; duration = 1"]), info(5, Some("x"), Some(1)));
    for bad in ["", "x", "5 (", "5 (()", "5 ) ", "5 (a) b", "5;duration=x", "949302838503028349304023988"] {
        assert!(parse::<RetryInfo>(&[bad]).is_err(), "{bad}");
    }
}

/// RFC 3261 section 20.17, RFC 1123 section 5.2.14.
#[test]
fn dates() {
    for (text, unix_s) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
        ("Thu, 29 Feb 2024 12:00:01 GMT", 1_709_208_001),
        ("Thu, 30 Dec 9999 21:59:59 GMT", 253_402_207_199),
    ] {
        assert_eq!(parse(&[text]), Ok(Some(Date { unix_s })), "{text}");
        assert_eq!(Date { unix_s }.to_string(), text);
        assert_eq!(Date::at(Date { unix_s }.time()), Date { unix_s });
    }
    // Tolerated: a day of one digit, and a time to the minute, as RFC 2822 has them.
    for lax in ["Fri, 1 Jan 2010 16:00:00 GMT", "Fri, 01 Jan 2010 16:00 GMT"] {
        assert_eq!(parse(&[lax]), Ok(Some(Date { unix_s: 1_262_361_600 })), "{lax}");
    }
    for bad in [
        "Fri, 01 Jan 2010 16:00:00 EST",
        "Thu, 29 Feb 2023 12:00:00 GMT",
        "Thu, 01 Jan 1969 00:00:00 GMT",
        "Thu 01 Jan 1970 00:00:00 GMT",
        "Xxx, 01 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 24:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT x",
        "",
    ] {
        assert!(parse::<Date>(&[bad]).is_err(), "{bad}");
    }
    assert!(Date { unix_s: u64::MAX }.to_string().contains("30 Dec 9999"));
}

/// Every day of four centuries is written and read as itself.
#[test]
fn each_day_is_itself() {
    for day in 0..146_097_u64 {
        let date = Date { unix_s: day * 86_400 + 1 };
        assert_eq!(Date::parse_value(&date.to_string()), Some(date), "{date}");
    }
}

#[test]
fn diagnostics_and_recovery_actions() {
    let found =
        parse::<MsDiagnostics>(&[r#"3092;reason="The server; is \"gone\"";source="fe1.example.com""#]);
    let found = found.unwrap().unwrap();
    let (reason, source) = (found.reason.as_deref(), found.source.as_deref());
    assert_eq!((found.id, reason, source), (3092, Some("The server; is \"gone\""), Some("fe1.example.com")));
    assert!(parse::<MsDiagnostics>(&["x;reason=\"\""]).is_err());
    let action = parse::<DialogRecoveryAction>(&["x, dialog-route-set-update", "y"]).unwrap().unwrap();
    assert!(action.contains("Dialog-Route-Set-Update") && action.contains("y") && !action.contains("z"));
    assert!(parse::<DialogRecoveryAction>(&["a b"]).is_err());
}

/// RFC 3261 section 20.1: the closest range decides; an empty header admits nothing.
#[test]
fn accepted_types() {
    let accept = |lines: &[&str]| parse::<Accept>(lines).unwrap().unwrap();
    let some = accept(&["application/sdp;level=1, application/x-private;q=0", "text/*;q=0.5"]);
    assert!(some.admits("Application/SDP") && some.admits("text/html") && !some.admits("image/png"));
    assert!(!some.admits("application/x-private"));
    let all = accept(&["*/*, text/html;q=0.0"]);
    assert!(all.admits("a/b") && !all.admits("text/html"));
    assert!(!accept(&[""]).admits("a/b"));
    assert_eq!(some.to_string(), "application/sdp, application/x-private;q=0.000, text/*;q=0.500");
    for bad in ["text", "text/", "a/b;q=2", "a/b;q=0.1234", "a/b;q=", "a/b c"] {
        assert!(parse::<Accept>(&[bad]).is_err(), "{bad}");
    }
}

#[test]
fn content_headers() {
    let made =
        ContentType::new("multipart/mixed").unwrap().with_param("boundary", "a b\"c").with_param("x", "1");
    assert_eq!(made.to_string(), r#"multipart/mixed;boundary="a b\"c";x=1"#);
    assert!(made.is_multipart() && !ContentType::new("multipart").is_ok_and(|t| t.is_multipart()));
    let coded = parse::<ContentEncoding>(&["gzip, tar"]).unwrap().unwrap();
    assert_eq!(coded.0, ["gzip", "tar"]);
    let shown = parse::<ContentDisposition>(&["session;handling=Optional"]).unwrap().unwrap();
    assert!(&*shown.kind == "session" && shown.is_optional());
    assert!(!parse::<ContentDisposition>(&["render"]).unwrap().unwrap().is_optional());
    assert!(parse::<ContentDisposition>(&[";x"]).is_err());
}
