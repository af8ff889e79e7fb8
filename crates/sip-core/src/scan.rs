//! The structural pass over a message head: where lines, names and values are. Nothing is copied.
//!
//! # Invariants
//!
//! - A line ends with CRLF or LF. A CR elsewhere is an error, so no two parsers see different lines.
//! - A line that begins with a blank continues the one before (RFC 3261 section 7.3.1).
//! - The first empty line ends the head; [`crate::framing`] finds the same one.

use memchr::memchr;
use smallvec::SmallVec;

use crate::header::lex::{self, is_space, is_token};
use crate::header::{HeaderName, Line};
use crate::limits::Limits;
use crate::message::{ParseError, ParseErrorKind};

/// The header lines of a message: as many as usual messages have are kept in place.
pub(crate) type Lines = SmallVec<[Line; 32]>;

/// What the structural pass found.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Start of the start line: blank lines before it are skipped.
    pub(crate) start: usize,
    /// End of the start line.
    pub(crate) start_end: usize,
    pub(crate) lines: Lines,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Whether a value goes over several lines.
    pub(crate) folded: bool,
}

/// Scans the head at the start of `raw`.
pub(crate) fn scan(raw: &[u8], limits: &Limits) -> Result<Scan, ParseError> {
    let start = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
    let mut pass = Pass { raw, limits, crlf: 0, at: start };
    let (_, start_end) = pass.line()?;
    let mut scan = Scan { start, start_end, lines: Lines::new(), body: 0, folded: false };
    loop {
        let (from, to) = pass.line()?;
        if from == to {
            break;
        }
        if is_space(raw[from]) {
            continue_line(&mut scan.lines, raw, from, to, limits)?;
            scan.folded = true;
        } else {
            pass.check_count(scan.lines.len())?;
            scan.lines.push(header_line(raw, from, to, limits)?);
        }
    }
    scan.body = pass.at;
    // A header that only begins in its second line has a value of one line.
    scan.folded = scan.folded && scan.lines.iter().any(|l| l.folded);
    check_controls(&raw[start..scan.body], start, pass.crlf)?;
    check_same_name(&scan.lines, raw, limits)?;
    Ok(scan)
}

struct Pass<'a> {
    raw: &'a [u8],
    limits: &'a Limits,
    /// How many lines ended with CRLF.
    crlf: usize,
    at: usize,
}

impl Pass<'_> {
    /// The next line without its end.
    #[inline]
    fn line(&mut self) -> Result<(usize, usize), ParseError> {
        let from = self.at;
        let Some(len) = memchr(b'\n', &self.raw[from..]) else {
            return Err(ParseError::at(ParseErrorKind::HeadIncomplete, self.raw.len()));
        };
        self.at = from + len + 1;
        if self.at > self.limits.head_bytes {
            return Err(ParseError::at(ParseErrorKind::HeadTooLong, self.limits.head_bytes));
        }
        let crlf = len > 0 && self.raw[from + len - 1] == b'\r';
        self.crlf += usize::from(crlf);
        Ok((from, from + len - usize::from(crlf)))
    }

    fn check_count(&self, lines: usize) -> Result<(), ParseError> {
        if lines < self.limits.header_lines {
            return Ok(());
        }
        Err(ParseError::at(ParseErrorKind::TooManyLines, self.at))
    }
}

/// Longest header line that spans and limits allow.
fn line_max(limits: &Limits) -> usize {
    limits.header_line_bytes.min(lex::TEXT_MAX)
}

fn header_line(raw: &[u8], from: usize, to: usize, limits: &Limits) -> Result<Line, ParseError> {
    let line = &raw[from..to];
    if line.len() > line_max(limits) {
        return Err(ParseError::at(ParseErrorKind::LineTooLong, from));
    }
    let bad = ParseError::at(ParseErrorKind::HeaderName, from);
    let colon = first_colon(line).ok_or(bad)?;
    let name = trim_end(&line[..colon]);
    let resolved = HeaderName::resolve_bytes(name);
    // A name that is known is a token.
    if resolved == HeaderName::Other && (name.is_empty() || !name.iter().all(|b| is_token(*b))) {
        return Err(bad);
    }
    let rest = trim_start(&line[colon + 1..]);
    let value = line.len() - rest.len();
    Ok(Line {
        start: from as u32,
        value: value as u16,
        end: (value + trim_end(rest).len()) as u16,
        name_len: name.len() as u16,
        name: resolved,
        folded: false,
    })
}

/// Where the first colon is; 8 bytes at a time, as names are short.
fn first_colon(line: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = line.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let other = u64::from_le_bytes(*word) ^ (ONES * b':' as u64);
        // The lowest bit that is left marks the first byte that is 0; only bits above it can be wrong.
        let marks = other.wrapping_sub(ONES) & !other & (ONES << 7);
        if marks != 0 {
            return Some(i * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|b| *b == b':').map(|at| words.len() * 8 + at)
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn continue_line(
    lines: &mut Lines,
    raw: &[u8],
    from: usize,
    to: usize,
    limits: &Limits,
) -> Result<(), ParseError> {
    let Some(line) = lines.last_mut() else {
        return Err(ParseError::at(ParseErrorKind::HeaderName, from));
    };
    let start = line.start as usize;
    if to - start > line_max(limits) {
        return Err(ParseError::at(ParseErrorKind::LineTooLong, start));
    }
    let rest = trim_start(&raw[from..to]);
    if !rest.is_empty() {
        let value = to - rest.len() - start;
        if line.value == line.end {
            line.value = value as u16;
        } else {
            line.folded = true;
        }
        line.end = (value + trim_end(rest).len()) as u16;
    }
    Ok(())
}

/// CR only before LF; NUL only escaped in a quoted string.
fn check_controls(head: &[u8], offset: usize, crlf: usize) -> Result<(), ParseError> {
    let (returns, nul) = controls(head);
    if returns == crlf && !nul { Ok(()) } else { check_each_control(head, offset) }
}

#[cold]
fn check_each_control(head: &[u8], offset: usize) -> Result<(), ParseError> {
    if let Some(at) = memchr::memchr_iter(b'\r', head).find(|at| head.get(at + 1) != Some(&b'\n')) {
        return Err(ParseError::at(ParseErrorKind::LineEnd, offset + at));
    }
    match memchr::memchr_iter(0, head).find(|at| *at == 0 || head[at - 1] != b'\\') {
        Some(at) => Err(ParseError::at(ParseErrorKind::Nul, offset + at)),
        None => Ok(()),
    }
}

/// How many CR there are, and whether there is a NUL; in blocks, of which the compiler makes vectors.
fn controls(head: &[u8]) -> (usize, bool) {
    let (blocks, rest) = head.as_chunks::<128>();
    let (mut returns, mut least) = (0, u8::MAX);
    for block in blocks {
        let mut count = 0_u8;
        for b in block {
            count += u8::from(*b == b'\r');
            least = least.min(*b);
        }
        returns += usize::from(count);
    }
    for b in rest {
        returns += usize::from(*b == b'\r');
        least = least.min(*b);
    }
    (returns, least == 0)
}

/// The limit on lines of one name. Only a message with that many lines at all can exceed it.
fn check_same_name(lines: &Lines, raw: &[u8], limits: &Limits) -> Result<(), ParseError> {
    if lines.len() <= limits.header_lines_same_name {
        return Ok(());
    }
    let key = |l: &Line| {
        let text = match l.name {
            HeaderName::Other => {
                raw[l.start as usize..l.start as usize + usize::from(l.name_len)].to_ascii_lowercase()
            }
            _ => Vec::new(),
        };
        (l.name, text)
    };
    let mut counts = std::collections::HashMap::new();
    for line in lines {
        let count = counts.entry(key(line)).or_insert(0_usize);
        *count += 1;
        if *count > limits.header_lines_same_name {
            return Err(ParseError::of(ParseErrorKind::TooManyLines, line.name, line.start as usize));
        }
    }
    Ok(())
}

/// The head with the line ends inside of folded values made blanks: same length, same offsets.
pub(crate) fn unfolded(head: &str, lines: &[Line]) -> String {
    let mut text = String::with_capacity(head.len());
    for line in lines.iter().filter(|l| l.folded) {
        let value = line.value_of(head);
        text.push_str(&head[text.len()..line.value_at()]);
        text.extend(value.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }));
    }
    text.push_str(&head[text.len()..]);
    text
}

/// Makes line ends blanks.
pub(crate) fn blank_ends(value: &mut [u8]) {
    for b in value {
        if matches!(b, b'\r' | b'\n') {
            *b = b' ';
        }
    }
}

/// What the Content-Length lines of a complete head say; the framer's look before the whole message is there.
pub(crate) fn content_length(head: &[u8]) -> Result<Option<u64>, ParseErrorKind> {
    let mut found = None;
    let mut rest = head;
    // The start line is no header.
    rest = &rest[memchr(b'\n', rest).map_or(rest.len(), |n| n + 1)..];
    while let Some(len) = memchr(b'\n', rest) {
        let mut end = len + 1;
        if is_content_length(&rest[..len]) {
            while rest.get(end).copied().is_some_and(is_space) {
                end += memchr(b'\n', &rest[end..]).map_or(rest.len() - end, |n| n + 1);
            }
            merge_length(&mut found, value_after_colon(&rest[..end]))?;
        }
        rest = &rest[end..];
    }
    Ok(found)
}

/// Notes one Content-Length; a second one must say the same.
pub(crate) fn merge_length(found: &mut Option<u64>, value: &[u8]) -> Result<(), ParseErrorKind> {
    let length = lex::decimal(value).ok_or(ParseErrorKind::ContentLength)?;
    match found.replace(length) {
        Some(other) if other != length => Err(ParseErrorKind::ContentLengthConflict),
        Some(_) | None => Ok(()),
    }
}

fn is_content_length(line: &[u8]) -> bool {
    if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
        return false;
    }
    let name = line.iter().position(|b| !is_token(*b)).unwrap_or(line.len());
    HeaderName::resolve_bytes(&line[..name]) == HeaderName::ContentLength
}

fn value_after_colon(line: &[u8]) -> &[u8] {
    let from = memchr(b':', line).map_or(line.len(), |n| n + 1);
    line[from..].trim_ascii()
}
