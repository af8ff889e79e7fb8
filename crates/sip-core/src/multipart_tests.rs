//! Bodies of several parts: what is a delimiter, what is a part, and what is neither.

use super::*;
use crate::ids::SeededIds;

fn parse_as(content_type: &str, body: &str) -> Result<Multipart, MultipartErrorKind> {
    let content_type = ContentType::parse_value(content_type).expect("a type");
    Multipart::parse(&content_type, &body.to_owned().into(), MultipartLimits::default()).map_err(|e| e.kind)
}

fn parse(body: &str) -> Result<Multipart, MultipartErrorKind> {
    parse_as("multipart/mixed;boundary=b", body)
}

/// Type and body of each part.
fn parts(body: &str) -> Vec<(String, String)> {
    let read = parse(body).unwrap_or_else(|e| panic!("{body:?}: {e}"));
    let text = |part: &Part| (part.mime().to_owned(), String::from_utf8_lossy(part.body()).into_owned());
    read.parts().iter().map(text).collect()
}

/// RFC 2046 section 5.1.1.
#[test]
fn parts_table() {
    type Row = (&'static str, &'static [(&'static str, &'static str)]);
    let rows: &[Row] = &[
        ("--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--", &[("a/b", "x")]),
        ("--b\r\n\r\nx\r\n--b--\r\n", &[("text/plain", "x")]),
        (
            "before\r\n--b  \r\n\r\nx\r\n--b\t\r\nc: q/r;s=t\r\n\r\n\r\n--b-- \r\nafter",
            &[("text/plain", "x"), ("q/r", "")],
        ),
        // Headers without body, and nothing at all.
        ("--b\r\nContent-Type: a/b\r\n--b--", &[("a/b", "")]),
        ("--b\r\n--b--", &[("text/plain", "")]),
        // Line ends of the body are its own; only the last belongs to the delimiter.
        ("--b\r\n\r\n\r\nx\r\n\r\n--b--", &[("text/plain", "\r\nx\r\n")]),
        // What looks like a delimiter and is none.
        (
            "--b\r\n\r\n--bc\r\nx--b\r\n--b--x\r\n\n--b\r\n-b\r\n--b--",
            &[("text/plain", "--bc\r\nx--b\r\n--b--x\r\n\n--b\r\n-b")],
        ),
        ("--b--", &[]),
        ("--b--\r\n--b\r\n\r\nx\r\n--b--", &[]),
        // Folding.
        ("--b\r\nContent-Type:\r\n a/b;\r\n  c=d\r\n\r\nx\r\n--b--", &[("a/b", "x")]),
    ];
    for (body, expected) in rows {
        let found = parts(body);
        let found: Vec<_> = found.iter().map(|(m, b)| (m.as_str(), b.as_str())).collect();
        assert_eq!(found, *expected, "{body:?}");
    }
}

#[test]
fn hostile_table() {
    use MultipartErrorKind::*;
    let many = "--b\r\n\r\nx\r\n".repeat(33) + "--b--";
    let long = format!("--b\r\nX: {}\r\n\r\nx\r\n--b--", "y".repeat(9000));
    let lines = format!("--b\r\n{}\r\nx\r\n--b--", "X: y\r\n".repeat(33));
    let rows = [
        ("", NoPart),
        ("x", NoPart),
        ("--b", NoPart),
        ("--b\n\nx\n--b--", NoPart),
        ("--b\r\n\r\nx", Unterminated),
        ("--b\r\n\r\nx\r\n--b\r\n", Unterminated),
        ("--b\r\n\r\nx--b--", Unterminated),
        ("--b\r\nno colon\r\n\r\nx\r\n--b--", Header),
        ("--b\r\na b: c\r\n\r\nx\r\n--b--", Header),
        ("--b\r\n folded\r\n\r\nx\r\n--b--", Header),
        ("--b\r\nX: y\nZ: w\r\n\r\nx\r\n--b--", Header),
        (&many, TooManyParts),
        (&long, HeadTooLong),
        (&lines, HeadTooLong),
    ];
    for (body, expected) in rows {
        assert_eq!(parse(body), Err(expected), "{body:.60?}");
    }
    let binary = Bytes::from_static(b"--b\r\nX: \xff\r\n\r\n\r\n--b--");
    let content_type = ContentType::new("multipart/mixed").unwrap().with_param("boundary", "b");
    let read = Multipart::parse(&content_type, &binary, MultipartLimits::default());
    assert_eq!(read, Err(MultipartError { kind: Utf8, offset: 8 }));
}

#[test]
fn types_and_boundaries() {
    use MultipartErrorKind::{Boundary, NotMultipart};
    let body = "--a b\r\n\r\nx\r\n--a b--";
    assert_eq!(parse_as("Multipart/Mixed;BOUNDARY=\"a b\"", body).map(|m| m.parts().len()), Ok(1));
    assert_eq!(
        parse_as("multipart/x-y;boundary=\"a b\"", body).map(|m| m.kind().to_string()),
        Ok("x-y".into())
    );
    let long = format!("multipart/mixed;boundary={}", "a".repeat(71));
    for bad in ["multipart/mixed", "multipart/mixed;boundary=\"a \"", "multipart/mixed;boundary=\"\"", &long]
    {
        assert_eq!(parse_as(bad, body).map(|_| ()), Err(Boundary), "{bad}");
    }
    assert_eq!(parse_as("text/plain;boundary=b", body).map(|_| ()), Err(NotMultipart));
}

/// RFC 2046 section 5.1.4, RFC 2387, RFC 2392.
#[test]
fn alternatives_and_relations() {
    let text = Part::new("text/plain", "t");
    let html = Part::new("text/html", "h").with_header("Content-ID", "<h@x>");
    let both = Multipart::new(MultipartKind::Related).with_part(text.clone()).with_part(html.clone());
    assert_eq!(both.best(|_| true), Some(&html));
    assert_eq!(both.best(|mime| mime == "text/plain"), Some(&text));
    assert_eq!((both.root(), both.part("TEXT/html")), (Some(&text), Some(&html)));
    assert_eq!(both.by_content_id("h@x"), Some(&html));
    assert_eq!(both.clone().with_param("start", "<h@x>").root(), Some(&html));
    assert_eq!(both.with_param("start", "<y>").root(), None);
}

#[test]
fn nesting_ends_at_the_limit() {
    let mut ids = SeededIds::new(1);
    let mut part = Part::new("text/plain", "in the middle");
    for _ in 0..5 {
        let (content_type, body) = Multipart::new(MultipartKind::Mixed).with_part(part).write(&mut ids);
        part = Part::new(&content_type.to_string(), body);
    }
    let mut depth = 0;
    let limits = MultipartLimits::default();
    let content_type = part.header::<ContentType>().unwrap().unwrap();
    let mut read = Multipart::parse(&content_type, part.body(), limits);
    while let Ok(level) = read {
        depth += 1;
        read = level.parts()[0].nested(limits).map(|nested| nested.expect("another level"));
    }
    assert_eq!((depth, read.unwrap_err().kind), (4, MultipartErrorKind::TooDeep));
    assert_eq!(Part::new("text/plain", "x").nested(limits), Ok(None));
    assert!(Part::new("nonsense", "x").nested(limits).is_err());
}

/// A boundary that is in a part is not taken.
#[test]
fn the_boundary_is_in_no_part() {
    let first = SeededIds::new(3).token();
    let hostile = Part::new("text/plain", format!("\r\n--{first}--\r\n"));
    let (content_type, body) =
        Multipart::new(MultipartKind::Mixed).with_part(hostile.clone()).write(&mut SeededIds::new(3));
    assert_ne!(content_type.param("boundary"), Some(&*first));
    let read = Multipart::parse(&content_type, &body, MultipartLimits::default()).unwrap();
    assert_eq!(read.parts(), [hostile]);
    let broken = Part::new("a/b\r\nX: y", "").with_header("a b", "c");
    assert_eq!(broken.headers().collect::<Vec<_>>(), [("Content-Type", "a/b  X: y")]);
}
