//! The structural pass over a message head: where lines, names and values are. Nothing is copied.
//!
//! # Invariants
//!
//! - A line ends with CRLF or LF. A CR elsewhere is an error, so no two parsers see different lines.
//! - A line that begins with a blank continues the one before (RFC 3261 section 7.3.1).
//! - The first empty line ends the head; [`crate::framing`] finds the same one.

mod mask;

use std::ops::Deref;

use memchr::memchr;

use crate::header::lex::{self, is_space, is_token};
use crate::header::{HeaderName, Line, lookup};
use crate::limits::Limits;
use crate::message::{ParseError, ParseErrorKind};
use mask::{first_of_16, mask64};

/// The header lines of a message: as many as usual messages have are kept in place.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    len: usize,
    place: [Line; PLACES],
    /// All of them, once they are more than have a place.
    many: Vec<Line>,
}

/// The most lines that are kept in place.
const PLACES: usize = 32;

impl Lines {
    pub(crate) const fn new() -> Self {
        Self { len: 0, place: [Line::NONE; PLACES], many: Vec::new() }
    }

    #[inline(always)]
    fn push(&mut self, line: Line) {
        match self.place.get_mut(self.len) {
            Some(place) => *place = line,
            None => self.push_many(line),
        }
        self.len += 1;
    }

    #[cold]
    fn push_many(&mut self, line: Line) {
        if self.many.is_empty() {
            self.many.extend(self.place);
        }
        self.many.push(line);
    }

    fn last_mut(&mut self) -> Option<&mut Line> {
        if self.len > PLACES { self.many.last_mut() } else { self.place[..self.len].last_mut() }
    }
}

impl Deref for Lines {
    type Target = [Line];

    #[inline]
    fn deref(&self) -> &[Line] {
        self.place.get(..self.len).unwrap_or(&self.many)
    }
}

/// What the structural pass found beside the lines.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scan {
    /// Start of the start line: blank lines before it are skipped.
    pub(crate) start: usize,
    /// End of the start line.
    pub(crate) start_end: usize,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Whether a value goes over several lines.
    pub(crate) folded: bool,
}

/// The structure of a head.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) scan: Scan,
    pub(crate) lines: Lines,
}

impl Default for Head {
    fn default() -> Self {
        Self { scan: Scan::default(), lines: Lines::new() }
    }
}

/// Scans the head at the start of `raw`; its lines are added to `lines`, which are none yet.
pub(crate) fn scan(raw: &[u8], limits: &Limits, lines: &mut Lines) -> Result<Scan, ParseError> {
    let start = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
    let mut scan = Scan { start, start_end: 0, body: 0, folded: false };
    // Whether there is a CR without LF, or a NUL.
    let mut odd = false;
    let (mut from, mut base) = (start, start);
    let line_max = limits.header_line_bytes.min(lex::TEXT_MAX);
    while scan.body == 0 {
        let mut marks = controls(raw, base)?;
        while marks != 0 {
            let place = marks.trailing_zeros();
            let at = base + place as usize;
            marks &= marks - 1;
            // The LF of the line before, from another block.
            if at < from {
                continue;
            }
            let next = match raw.get(at..) {
                Some([b'\r', b'\n', ..]) => {
                    marks &= !(2 << place);
                    at + 2
                }
                Some([b'\n', ..]) => at + 1,
                other => {
                    odd |= matches!(other, Some([b'\r' | 0, ..]));
                    continue;
                }
            };
            if next > limits.head_bytes {
                return Err(ParseError::at(ParseErrorKind::HeadTooLong, limits.head_bytes));
            }
            match raw.get(from..at) {
                line if scan.start_end == 0 => scan.start_end = start + line.map_or(0, <[u8]>::len),
                None | Some([]) => {
                    scan.body = next;
                    break;
                }
                Some([b' ' | b'\t', ..]) => {
                    continue_line(lines, raw, from, at, line_max)?;
                    scan.folded = true;
                }
                Some(line) => {
                    if lines.len >= limits.header_lines {
                        return Err(ParseError::at(ParseErrorKind::TooManyLines, next));
                    }
                    if line.len() > line_max {
                        return Err(ParseError::at(ParseErrorKind::LineTooLong, from));
                    }
                    match usual_line(raw, from, line) {
                        Some(found) => lines.push(found),
                        None => lines.push(other_line(from, line)?),
                    }
                }
            }
            from = next;
        }
        base += 64;
    }
    // A header that only begins in its second line has a value of one line.
    scan.folded = scan.folded && lines.iter().any(|l| l.folded);
    if odd {
        check_each_control(&raw[start..scan.body], start)?;
    }
    if lines.len > limits.header_lines_same_name {
        check_same_name(lines, raw, limits)?;
    }
    Ok(scan)
}

/// Which of the 64 bytes from `base` on are line ends, or other control characters up to CR.
#[inline(always)]
fn controls(raw: &[u8], base: usize) -> Result<u64, ParseError> {
    let rest = raw.get(base..).unwrap_or_default();
    match rest.first_chunk() {
        Some(block) => Ok(mask64(block, |b| b <= b'\r')),
        None if rest.is_empty() => Err(ParseError::at(ParseErrorKind::HeadIncomplete, raw.len())),
        None => Ok(last_controls(rest)),
    }
}

#[inline(never)]
fn last_controls(rest: &[u8]) -> u64 {
    let mut block = [b' '; 64];
    for (place, b) in block.iter_mut().zip(rest) {
        *place = *b;
    }
    mask64(&block, |b| b <= b'\r')
}

/// Takes a line apart that begins at `from`, when a short name stands right before the colon, as nearly always.
#[inline(always)]
fn usual_line(raw: &[u8], from: usize, line: &[u8]) -> Option<Line> {
    let first = raw.get(from..)?.first_chunk()?;
    let colon = first_of_16(first, b':');
    if colon >= line.len() {
        return None;
    }
    let mut name = match colon {
        1 => HeaderName::compact(first[0]),
        _ => lookup::find_covered(first, colon),
    };
    if name == HeaderName::Other {
        name = other_name(first, colon)?;
    }
    Some(parts(line, from, name, colon, colon))
}

/// A name that is not known, when it is a token and fits.
#[inline(never)]
fn other_name(first: &[u8; 16], len: usize) -> Option<HeaderName> {
    let name = first.get(..len).filter(|_| len < first.len())?;
    lex::is_token_bytes(name).then_some(HeaderName::Other)
}

/// Takes any line apart, with blanks before the colon too.
#[inline(never)]
fn other_line(from: usize, line: &[u8]) -> Result<Line, ParseError> {
    let bad = ParseError::at(ParseErrorKind::HeaderName, from);
    let colon = memchr(b':', line).ok_or(bad)?;
    let name = trim_end(&line[..colon]);
    let resolved = HeaderName::resolve_bytes(name);
    // A name that is known is a token.
    if resolved == HeaderName::Other && (name.is_empty() || !name.iter().all(|b| is_token(*b))) {
        return Err(bad);
    }
    Ok(parts(line, from, resolved, name.len(), colon))
}

#[inline(always)]
fn parts(line: &[u8], start: usize, name: HeaderName, name_len: usize, colon: usize) -> Line {
    let value = match line.get(colon + 1..) {
        // As nearly everybody writes it.
        Some([b' ', first, ..]) if *first > b' ' => colon + 2,
        rest => line.len() - trim_start(rest.unwrap_or_default()).len(),
    };
    let end = match line {
        [.., last] if *last > b' ' => line.len(),
        _ => value + trim_end(line.get(value..).unwrap_or_default()).len(),
    };
    Line {
        start: start as u32,
        value: value as u16,
        end: end as u16,
        name_len: name_len as u16,
        name,
        folded: false,
    }
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

#[inline(never)]
fn continue_line(
    lines: &mut Lines,
    raw: &[u8],
    from: usize,
    to: usize,
    line_max: usize,
) -> Result<(), ParseError> {
    let Some(line) = lines.last_mut() else {
        return Err(ParseError::at(ParseErrorKind::HeaderName, from));
    };
    let start = line.start as usize;
    if to - start > line_max {
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

/// The limit on lines of one name. Only a message with that many lines at all can exceed it.
#[cold]
fn check_same_name(lines: &Lines, raw: &[u8], limits: &Limits) -> Result<(), ParseError> {
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
    for line in lines.iter() {
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
