//! What of a message goes to which receiver: content types, and the choice out of `multipart/alternative`.

use bytes::Bytes;

/// The types that a sender may use (im-and-invite section 2).
const TAKEN: [&str; 6] = [
    "text/plain",
    "text/html",
    "text/rtf",
    "multipart/alternative",
    "multipart/related",
    "application/im-iscomposing+xml",
];

/// Parts of a multipart body that are looked at.
const PARTS_MAX: usize = 16;

/// The MIME type without parameters, in lower case.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the MCU distributes this type at all.
pub(super) fn is_taken(content_type: &str) -> bool {
    TAKEN.contains(&essence(content_type).as_str())
}

/// What one receiver gets: content type and body, unchanged, or one part of it. `None`: nothing that it accepts.
///
/// Of `multipart/alternative` it is the last part that the receiver accepts (RFC 2046 section 5.1.4), unless it takes
/// the whole. Plain text goes to everybody.
pub(super) fn choose(content_type: &str, body: &Bytes, accepted: &[String]) -> Option<(String, Bytes)> {
    let kind = essence(content_type);
    let accepts = |kind: &str| kind == "text/plain" || accepted.iter().any(|one| matches(one, kind));
    if kind != "multipart/alternative" || accepted.contains(&kind) {
        return accepts(&kind).then(|| (content_type.to_owned(), body.clone()));
    }
    let boundary = parameter(content_type, "boundary")?;
    let mut chosen = None;
    for part in parts(body, &boundary) {
        if accepts(&essence(&part.0)) {
            chosen = Some(part);
        }
    }
    chosen
}

/// `*/*`, `text/*` or the type itself.
fn matches(accepted: &str, kind: &str) -> bool {
    accepted == kind
        || accepted == "*/*"
        || accepted.strip_suffix("/*").is_some_and(|major| kind.split('/').next() == Some(major))
}

/// A parameter of a content type, without quotes.
fn parameter(content_type: &str, name: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Content type and body of each part of a multipart body. A broken body has fewer parts, nothing worse.
fn parts(body: &Bytes, boundary: &str) -> Vec<(String, Bytes)> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start: Option<usize> = None;
    let mut offset = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let trimmed = line.trim_ascii_end();
        if trimmed.starts_with(delimiter.as_bytes()) {
            if let Some(start) = start {
                parts.extend(part(body, start, offset));
            }
            let closing = trimmed.get(delimiter.len()..) == Some(b"--".as_slice());
            start = (!closing && parts.len() < PARTS_MAX).then_some(offset + line.len());
        }
        offset += line.len();
    }
    parts
}

/// One part: its headers up to the empty line, then its content without the line end before the delimiter.
fn part(body: &Bytes, start: usize, end: usize) -> Option<(String, Bytes)> {
    let mut content_type = "text/plain".to_owned();
    let mut offset = start;
    for line in body.get(start..end)?.split_inclusive(|byte| *byte == b'\n') {
        offset += line.len();
        let line = std::str::from_utf8(line).ok()?.trim_end();
        if line.is_empty() {
            let mut content = body.slice(offset.min(end)..end);
            let length = content.len();
            content.truncate(length - line_end(&content));
            return Some((content_type, content));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-type")
        {
            content_type = value.trim().to_owned();
        }
    }
    None
}

fn line_end(content: &[u8]) -> usize {
    if content.ends_with(b"\r\n") { 2 } else { usize::from(content.ends_with(b"\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MULTI: &str = "--b1\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\nhello\r\n--b1\r\n\
        Content-Type: text/html\r\n\r\n<b>hello</b>\r\n--b1--\r\n";

    fn pick(kind: &str, body: &str, accepted: &[&str]) -> Option<(String, String)> {
        let accepted: Vec<String> = accepted.iter().map(|one| (*one).to_owned()).collect();
        let (kind, body) = choose(kind, &Bytes::copy_from_slice(body.as_bytes()), &accepted)?;
        Some((kind, String::from_utf8_lossy(&body).into_owned()))
    }

    /// [CONFIM 4.2.1]: the last part that the receiver accepts.
    #[test]
    fn multipart_choice_per_receiver() {
        let kind = "multipart/alternative; boundary=\"b1\"";
        let plain = Some(("text/plain; charset=UTF-8".to_owned(), "hello".to_owned()));
        let html = Some(("text/html".to_owned(), "<b>hello</b>".to_owned()));
        assert_eq!(pick(kind, MULTI, &["text/plain"]), plain);
        assert_eq!(pick(kind, MULTI, &["text/plain", "text/html"]), html);
        assert_eq!(pick(kind, MULTI, &["text/*"]), html);
        let whole = pick(kind, MULTI, &["multipart/alternative"]);
        assert_eq!(whole, Some((kind.to_owned(), MULTI.to_owned())));
    }

    /// Content goes on unchanged, parameters included, and plain text to everybody.
    #[test]
    fn single_types() {
        let plain = "text/plain; charset=UTF-8;msgr=WAAt";
        assert_eq!(pick(plain, "x", &[]), Some((plain.to_owned(), "x".to_owned())));
        assert_eq!(pick("text/html", "x", &["text/plain"]), None);
        assert!(is_taken("Text/HTML; charset=utf-8"));
        assert!(!is_taken("message/cpim"));
        assert!(!is_taken("text/x-msmsgsinvite"));
    }

    /// Broken bodies yield nothing, and never panic.
    #[test]
    fn broken_multipart() {
        let kind = "multipart/alternative; boundary=b1";
        for body in
            ["", "--b1", "--b1\r\n", "--b1\r\n--b1--", "--b1\r\nContent-Type: text/plain", "--b1--\r\n\r\n"]
        {
            assert_eq!(pick(kind, body, &["text/plain"]), None, "{body:?}");
        }
        assert_eq!(pick("multipart/alternative", MULTI, &["text/plain"]), None);
        assert_eq!(pick(kind, "--b1\n\nx\n--b1--", &[]), Some(("text/plain".into(), "x".into())));
    }
}
