//! Bodies of several parts: `multipart/mixed`, `/alternative` and `/related` (RFC 2046 section 5.1, RFC 5621).
//!
//! Parsing copies no body: each [`Part`] is a slice of the message. Nested bodies are parsed on demand.
//!
//! # Invariants
//!
//! - Only CRLF ends a line here, so that no other reader sees other parts in binary bodies.
//! - Parts, their heads and their depth are bounded by [`MultipartLimits`].
//! - What is written parses to the same parts: the boundary is in none of them, and no value can end its line.
//!
//! Not here: transfer encodings (SIP is 8-bit clean, RFC 3261 section 7.4), S/MIME.
//!
//! # Examples
//!
//! ```
//! use sip_core::SeededIds;
//! use sip_core::multipart::{Multipart, MultipartKind, MultipartLimits, Part};
//!
//! let sent = Multipart::new(MultipartKind::Alternative)
//!     .with_part(Part::new("text/plain", "hello"))
//!     .with_part(Part::new("text/html", "<p>hello</p>"));
//! let (content_type, body) = sent.write(&mut SeededIds::new(1));
//! let read = Multipart::parse(&content_type, &body, MultipartLimits::default()).unwrap();
//! assert_eq!(read.parts().len(), 2);
//! // The last one that is understood is the best.
//! let best = read.best(|mime| mime == "text/plain").unwrap();
//! assert_eq!(&best.body()[..], b"hello");
//! ```

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use memchr::memmem;

use crate::header::{ContentType, HeaderError, HeaderName, TypedHeader, lex};
use crate::ids::IdSource;
use crate::message::Envelope;

/// How much a body of several parts may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultipartLimits {
    /// Parts of one body. Default 32.
    pub parts: usize,
    /// How deep bodies may be nested; 1 is not at all. Default 4.
    pub depth: u8,
    /// Headers of one part, in bytes. Default 8 KiB.
    pub head_bytes: usize,
    /// Header lines of one part. Default 32.
    pub header_lines: usize,
}

impl Default for MultipartLimits {
    fn default() -> Self {
        Self { parts: 32, depth: 4, head_bytes: 8 * 1024, header_lines: 32 }
    }
}

impl MultipartLimits {
    /// The same limits with another number of parts.
    #[must_use]
    pub fn with_parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// The same limits with another depth.
    #[must_use]
    pub fn with_depth(mut self, depth: u8) -> Self {
        self.depth = depth;
        self
    }

    /// The same limits with another size of a part's headers.
    #[must_use]
    pub fn with_head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }
}

/// Why a body cannot be taken apart, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of a multipart body")]
pub struct MultipartError {
    /// What is wrong.
    pub kind: MultipartErrorKind,
    /// Where, in bytes from the start of the body.
    pub offset: usize,
}

/// What is wrong with a body of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartErrorKind {
    /// The Content-Type is none of `multipart`
    #[error("not multipart")]
    NotMultipart,
    /// The Content-Type has no boundary, or one that is not legal
    #[error("bad boundary")]
    Boundary,
    /// No delimiter at all
    #[error("no part")]
    NoPart,
    /// The closing delimiter is missing
    #[error("unterminated")]
    Unterminated,
    /// A header line of a part without colon, or with a name that is no token
    #[error("bad header")]
    Header,
    /// Headers of a part are not UTF-8
    #[error("not utf-8")]
    Utf8,
    /// More parts than the limit
    #[error("too many parts")]
    TooManyParts,
    /// More headers of a part than the limit
    #[error("part headers too large")]
    HeadTooLong,
    /// Nested deeper than the limit
    #[error("nested too deep")]
    TooDeep,
}

fn error<T>(kind: MultipartErrorKind, offset: usize) -> Result<T, MultipartError> {
    Err(MultipartError { kind, offset })
}

/// How the parts belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultipartKind {
    /// One after the other
    Mixed,
    /// The same in several forms, the best one last
    Alternative,
    /// One root and what it refers to
    Related,
    /// Another one; to be treated as mixed (RFC 2046 section 5.1.7)
    Other(ByteString),
}

impl MultipartKind {
    /// The subtype.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Mixed => "mixed",
            Self::Alternative => "alternative",
            Self::Related => "related",
            Self::Other(text) => text,
        }
    }

    fn of(subtype: &str) -> Self {
        match subtype {
            s if s.eq_ignore_ascii_case("mixed") => Self::Mixed,
            s if s.eq_ignore_ascii_case("alternative") => Self::Alternative,
            s if s.eq_ignore_ascii_case("related") => Self::Related,
            s => Self::Other(s.into()),
        }
    }
}

/// One part: its headers in order and its body.
#[derive(Debug, Clone)]
pub struct Part {
    headers: Vec<(ByteString, ByteString)>,
    body: Bytes,
    /// How deep it is.
    depth: u8,
}

impl Part {
    /// A part of this type.
    #[must_use]
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { headers: Vec::new(), body: body.into(), depth: 1 }.with_header("Content-Type", content_type)
    }

    /// The same part with another header. Line ends in the value become blanks; a name that is no token is ignored.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if lex::is_token_text(name) {
            let value = value.replace(['\r', '\n', '\0'], " ");
            self.headers.push((name.into(), value.trim_matches([' ', '\t']).into()));
        }
        self
    }

    /// Name as written and value of every header line.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The first line of that name; compact forms are resolved.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines_of(name).next()
    }

    /// A header that is typed on demand.
    ///
    /// # Errors
    ///
    /// When its value does not follow the grammar.
    pub fn header<H: TypedHeader>(&self) -> Result<Option<H>, HeaderError> {
        let name = if H::NAME == HeaderName::Other { H::TEXT } else { H::NAME.as_str() };
        H::parse_all(&mut self.lines_of(name))
    }

    /// `type/subtype` of the part; `text/plain` when it says none (RFC 2046 section 5.1).
    #[must_use]
    pub fn mime(&self) -> &str {
        let text = self.get("Content-Type").unwrap_or("text/plain");
        text.split(';').next().unwrap_or(text).trim_matches([' ', '\t'])
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The parts of this part; `None` when it has none.
    ///
    /// # Errors
    ///
    /// When its type says that there are parts and they cannot be found, or it is nested too deep.
    pub fn nested(&self, limits: MultipartLimits) -> Result<Option<Multipart>, MultipartError> {
        match self.header::<ContentType>() {
            Ok(Some(content_type)) if content_type.is_multipart() => {
                Multipart::parse_at(&content_type, &self.body, limits, self.depth + 1).map(Some)
            }
            Ok(Some(_) | None) => Ok(None),
            Err(_) => error(MultipartErrorKind::Header, 0),
        }
    }

    fn lines_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let wanted = HeaderName::resolve(name);
        let name = name.to_owned();
        let matches = move |text: &str| match HeaderName::resolve(text) {
            HeaderName::Other => wanted == HeaderName::Other && text.eq_ignore_ascii_case(&name),
            known => known == wanted,
        };
        self.headers.iter().filter(move |(text, _)| matches(text)).map(|(_, value)| &**value)
    }

    fn parse(
        body: &Bytes,
        start: usize,
        end: usize,
        limits: MultipartLimits,
    ) -> Result<Self, MultipartError> {
        let content = body.slice(start..end);
        let (head, body) = match content.strip_prefix(b"\r\n") {
            Some(_) => (0, 2),
            None => {
                memmem::find(&content, b"\r\n\r\n").map_or((content.len(), content.len()), |at| (at, at + 4))
            }
        };
        if head > limits.head_bytes {
            return error(MultipartErrorKind::HeadTooLong, start);
        }
        let text = std::str::from_utf8(&content[..head]).map_err(|e| MultipartError {
            kind: MultipartErrorKind::Utf8,
            offset: start + e.valid_up_to(),
        })?;
        Ok(Self { headers: headers(text, start, limits)?, body: content.slice(body..), depth: 1 })
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.headers == other.headers && self.body == other.body
    }
}

impl Eq for Part {}

/// The header lines of a part, unfolded.
fn headers(
    text: &str,
    offset: usize,
    limits: MultipartLimits,
) -> Result<Vec<(ByteString, ByteString)>, MultipartError> {
    let mut found: Vec<(ByteString, String)> = Vec::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        if line.contains(['\r', '\n', '\0']) {
            return error(MultipartErrorKind::Header, offset);
        }
        if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), found.last_mut()) {
            value.push(' ');
            value.push_str(line.trim_matches([' ', '\t']));
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return error(MultipartErrorKind::Header, offset);
        };
        let name = name.trim_end_matches([' ', '\t']);
        if !lex::is_token_text(name) || found.len() >= limits.header_lines {
            let kind = if lex::is_token_text(name) {
                MultipartErrorKind::HeadTooLong
            } else {
                MultipartErrorKind::Header
            };
            return error(kind, offset);
        }
        found.push((name.into(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let done =
        |(name, value): (ByteString, String)| (name, ByteString::from(value.trim_matches([' ', '\t'])));
    Ok(found.into_iter().map(done).collect())
}

/// A body of several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    kind: MultipartKind,
    /// Parameters of the type but the boundary.
    params: Vec<(ByteString, ByteString)>,
    parts: Vec<Part>,
}

impl Multipart {
    /// A body without parts; it has to get one before it is written.
    #[must_use]
    pub fn new(kind: MultipartKind) -> Self {
        Self { kind, params: Vec::new(), parts: Vec::new() }
    }

    /// The same with another part behind the others.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// The same with a parameter of its type, e.g. `start` or `type` of `related`; `boundary` is ignored.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        if lex::is_token_text(name) && !name.eq_ignore_ascii_case("boundary") {
            self.params.push((name.into(), value.into()));
        }
        self
    }

    /// Takes a body apart. What comes before the first and after the closing delimiter is ignored.
    ///
    /// # Errors
    ///
    /// When the type is not `multipart`, a delimiter is missing, a part's headers are none, or a limit is exceeded.
    pub fn parse(
        content_type: &ContentType,
        body: &Bytes,
        limits: MultipartLimits,
    ) -> Result<Self, MultipartError> {
        Self::parse_at(content_type, body, limits, 1)
    }

    fn parse_at(
        content_type: &ContentType,
        body: &Bytes,
        limits: MultipartLimits,
        depth: u8,
    ) -> Result<Self, MultipartError> {
        let Some((_, subtype)) = content_type.mime.split_once('/').filter(|_| content_type.is_multipart())
        else {
            return error(MultipartErrorKind::NotMultipart, 0);
        };
        if depth > limits.depth {
            return error(MultipartErrorKind::TooDeep, 0);
        }
        let boundary = content_type.param("boundary").filter(|b| is_boundary(b));
        let Some(boundary) = boundary else { return error(MultipartErrorKind::Boundary, 0) };
        let mut parts = Vec::new();
        let mut delimiters = Delimiters::new(body, boundary);
        let Some(mut last) = delimiters.next() else { return error(MultipartErrorKind::NoPart, 0) };
        while !last.closes {
            let Some(next) = delimiters.next() else {
                return error(MultipartErrorKind::Unterminated, body.len());
            };
            if parts.len() >= limits.parts {
                return error(MultipartErrorKind::TooManyParts, last.end);
            }
            let part = Part::parse(body, last.end, next.start.max(last.end), limits)?;
            parts.push(Part { depth, ..part });
            last = next;
        }
        let params = content_type.params.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("boundary"));
        Ok(Self { kind: MultipartKind::of(subtype), params: params.cloned().collect(), parts })
    }

    /// How the parts belong together.
    #[must_use]
    pub fn kind(&self) -> &MultipartKind {
        &self.kind
    }

    /// The parts in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A parameter of the type.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// The first part of this type.
    #[must_use]
    pub fn part(&self, mime: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.mime().eq_ignore_ascii_case(mime))
    }

    /// The part to use of alternatives: the last one that is understood (RFC 2046 section 5.1.4).
    #[must_use]
    pub fn best(&self, understood: impl Fn(&str) -> bool) -> Option<&Part> {
        self.parts.iter().rev().find(|part| understood(part.mime()))
    }

    /// The part that refers to the others (RFC 2387): the one that `start` names, else the first.
    #[must_use]
    pub fn root(&self) -> Option<&Part> {
        let Some(start) = self.param("start") else { return self.parts.first() };
        self.parts.iter().find(|part| part.get("Content-ID") == Some(start))
    }

    /// The part with this Content-ID, which a `cid:` URI has without angle brackets (RFC 2392).
    #[must_use]
    pub fn by_content_id(&self, id: &str) -> Option<&Part> {
        let bare = |text: &str| text.trim_start_matches('<').trim_end_matches('>').to_owned();
        self.parts.iter().find(|part| part.get("Content-ID").map(bare).as_deref() == Some(id))
    }

    /// Type and body to send. The boundary is taken from `ids`.
    pub fn write(&self, ids: &mut dyn IdSource) -> (ContentType, Bytes) {
        let boundary = loop {
            let token = ids.token();
            if !self.parts.iter().any(|part| part.mentions(&token)) {
                break token;
            }
        };
        let mut out = BytesMut::new();
        for part in &self.parts {
            out.put_slice(format!("--{boundary}\r\n").as_bytes());
            for (name, value) in part.headers() {
                out.put_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            out.put_slice(b"\r\n");
            out.put_slice(&part.body);
            out.put_slice(b"\r\n");
        }
        out.put_slice(format!("--{boundary}--\r\n").as_bytes());
        let mime = ByteString::from(format!("multipart/{}", self.kind.as_str()));
        let params = std::iter::once((ByteString::from_static("boundary"), boundary.into()));
        (ContentType { mime, params: params.chain(self.params.iter().cloned()).collect() }, out.freeze())
    }
}

impl Part {
    fn mentions(&self, token: &str) -> bool {
        let in_headers =
            self.headers.iter().any(|(name, value)| name.contains(token) || value.contains(token));
        in_headers || memmem::find(&self.body, token.as_bytes()).is_some()
    }
}

impl Envelope {
    /// The parts of the body; `None` when its type is not `multipart`.
    ///
    /// # Errors
    ///
    /// When the Content-Type is malformed, or says that there are parts and they cannot be found.
    pub fn multipart(&self, limits: MultipartLimits) -> Result<Option<Multipart>, MultipartError> {
        match self.header::<ContentType>() {
            Ok(Some(content_type)) if content_type.is_multipart() => {
                Multipart::parse(&content_type, self.body(), limits).map(Some)
            }
            Ok(Some(_) | None) => Ok(None),
            Err(_) => error(MultipartErrorKind::NotMultipart, 0),
        }
    }
}

/// 1 to 70 characters that a boundary may have, no blank at the end (RFC 2046 section 5.1.1).
fn is_boundary(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=70).contains(&text.len()) && text.bytes().all(legal) && !text.ends_with(' ')
}

/// Where one delimiter is.
struct Delimiter {
    /// Its CRLF, which does not belong to the part before.
    start: usize,
    /// Behind its line.
    end: usize,
    closes: bool,
}

/// Finds the delimiters of a body.
struct Delimiters<'a> {
    body: &'a [u8],
    dashed: String,
    at: usize,
}

impl<'a> Delimiters<'a> {
    fn new(body: &'a [u8], boundary: &str) -> Self {
        Self { body, dashed: format!("--{boundary}"), at: 0 }
    }

    /// The delimiter that begins at `dashes`, if it stands alone in its line.
    fn read(&self, dashes: usize) -> Option<Delimiter> {
        let start = match dashes {
            0 => 0,
            _ => dashes.checked_sub(2).filter(|from| self.body[*from..].starts_with(b"\r\n"))?,
        };
        let mut at = dashes + self.dashed.len();
        let closes = self.body[at..].starts_with(b"--");
        at += if closes { 2 } else { 0 };
        at += self.body[at..].iter().take_while(|b| lex::is_space(**b)).count();
        match &self.body[at..] {
            [] if closes => Some(Delimiter { start, end: at, closes }),
            [b'\r', b'\n', ..] => Some(Delimiter { start, end: at + 2, closes }),
            _ => None,
        }
    }
}

impl Iterator for Delimiters<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        while let Some(step) = memmem::find(&self.body[self.at..], self.dashed.as_bytes()) {
            let dashes = self.at + step;
            self.at = dashes + 1;
            if let Some(found) = self.read(dashes) {
                // The CRLF of its line may be that of the next delimiter.
                self.at = found.end;
                return Some(found);
            }
        }
        None
    }
}

impl fmt::Display for MultipartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
