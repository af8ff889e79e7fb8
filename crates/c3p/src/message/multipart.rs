//! Multiparts (RFC 2046 section 5.1): split into parts, and put together.

use bytes::{BufMut, Bytes, BytesMut};

use super::MessageError;
use crate::mime;

/// The most parts of one multipart.
const PARTS_MAX: usize = 32;
/// The longest header of a part, in bytes.
const HEADER_MAX: usize = 8 * 1024;

/// One part of a multipart.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Its Content-Type; `text/plain` if it has none.
    pub(super) content_type: String,
    /// Its bytes.
    pub(super) body: &'a [u8],
}

/// What stands between two parts.
struct Delimiter {
    /// Where the part before it ends.
    before: usize,
    /// Where the part after it begins.
    after: usize,
    is_last: bool,
}

/// Splits a multipart. What stands before the first and behind the last part is skipped.
pub(super) fn split<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, MessageError> {
    let boundary = mime::parameter(content_type, "boundary").filter(|boundary| is_boundary(boundary));
    let delimiter = format!("--{}", boundary.ok_or(MessageError::Boundary)?);
    let mut parts = Vec::new();
    let mut at = 0;
    let mut begin = None;
    loop {
        let found = next(body, delimiter.as_bytes(), at).ok_or(MessageError::Multipart(at))?;
        if let Some(begin) = begin {
            if parts.len() == PARTS_MAX {
                return Err(MessageError::TooManyParts);
            }
            // An empty part's delimiter begins with the line break that ends its header.
            let end = found.before.max(begin);
            parts.push(part(&body[begin..end], begin)?);
        }
        if found.is_last {
            return if parts.is_empty() { Err(MessageError::Multipart(at)) } else { Ok(parts) };
        }
        begin = Some(found.after);
        at = found.after;
    }
}

/// RFC 2046 section 5.1.1: 1 to 70 characters, none that could end a line, no blank at the end.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len())
        && text.bytes().all(|byte| (b' '..0x7f).contains(&byte))
        && !text.ends_with(' ')
}

/// The next delimiter at the beginning of a line, from a place that is one.
fn next(body: &[u8], delimiter: &[u8], from: usize) -> Option<Delimiter> {
    let mut line = from;
    while line <= body.len() {
        let end = line_end(body, line);
        if let Some(rest) = body[line..end].strip_prefix(delimiter) {
            let (is_last, rest) = match rest.strip_prefix(b"--") {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            if rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                return Some(Delimiter { before: break_before(body, line), after: end, is_last });
            }
        }
        if end == line {
            return None;
        }
        line = end;
    }
    None
}

/// Where the line that begins here ends, its line break included.
fn line_end(body: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &body[from..]).map_or(body.len(), |at| from + at + 1)
}

/// Where the line break before a line begins: it belongs to the delimiter.
fn break_before(body: &[u8], line: usize) -> usize {
    match &body[..line] {
        [.., b'\r', b'\n'] => line - 2,
        [.., b'\n'] => line - 1,
        _ => line,
    }
}

/// Takes a part apart: header lines, an empty line, and the rest.
fn part(bytes: &[u8], offset: usize) -> Result<Part<'_>, MessageError> {
    let mut content_type: Option<String> = None;
    let mut at = 0;
    // What continues a line that was not asked for is not either.
    let mut folding = false;
    loop {
        let end = line_end(bytes, at);
        if end > HEADER_MAX {
            return Err(MessageError::Multipart(offset + at));
        }
        let line = std::str::from_utf8(&bytes[at..end]).map_err(|_| MessageError::Multipart(offset + at))?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            // The first line of a folded value may be empty.
            let content_type = content_type.map(|value| value.trim().to_owned());
            let content_type = content_type.filter(|value| !value.is_empty());
            let content_type = content_type.unwrap_or_else(|| mime::TEXT_PLAIN.to_owned());
            return Ok(Part { content_type, body: &bytes[end..] });
        }
        if line.contains(|character: char| character.is_control() && character != '\t') {
            return Err(MessageError::Multipart(offset + at));
        }
        if line.starts_with([' ', '\t']) {
            if folding && let Some(value) = &mut content_type {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else {
            let (name, value) = line.split_once(':').ok_or(MessageError::Multipart(offset + at))?;
            folding = name.trim().eq_ignore_ascii_case("content-type");
            if folding {
                content_type = Some(value.trim().to_owned());
            }
            if name.trim().eq_ignore_ascii_case("content-transfer-encoding") && !is_identity(value.trim()) {
                return Err(MessageError::Encoded);
            }
        }
        at = end;
    }
}

fn is_identity(encoding: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
}

/// Puts parts together; gives the Content-Type with the boundary, and the bytes.
pub(super) fn write(media_type: &str, parts: &[(String, Bytes)]) -> (String, Bytes) {
    let boundary = free_boundary(parts);
    let mut out = BytesMut::new();
    for (content_type, body) in parts {
        // A Content-Type that would end the header early is not written.
        let content_type = if content_type.contains(['\r', '\n']) { "" } else { content_type };
        out.put_slice(format!("--{boundary}\r\n").as_bytes());
        if !content_type.is_empty() {
            out.put_slice(format!("Content-Type: {content_type}\r\n").as_bytes());
        }
        out.put_slice(b"\r\n");
        out.put_slice(body);
        out.put_slice(b"\r\n");
    }
    out.put_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("{media_type}; boundary=\"{boundary}\""), out.freeze())
}

/// The first boundary that occurs in no part.
fn free_boundary(parts: &[(String, Bytes)]) -> String {
    let mut number = 0_u64;
    loop {
        let boundary = format!("part-{number}");
        let finder = memchr::memmem::Finder::new(&boundary);
        if parts.iter().all(|(_, body)| finder.find(body).is_none()) {
            return boundary;
        }
        number += 1;
    }
}
