//! Requests and responses as they were received: slices of one buffer, with a typed envelope.
//!
//! The structural pass finds the lines; then start line, Via, From, To, Call-ID, CSeq, Contact, Route, Record-Route,
//! Require, Max-Forwards and Content-Length are checked and typed. No code behind it meets an untyped dialog key. All other
//! headers stay text ([`Headers`]) and are typed on demand ([`Envelope::header`]).
//!
//! # Invariants
//!
//! - A message that parsed has exactly one From, To, Call-ID and CSeq, at least one Via, and the CSeq of a request names
//!   its method.
//! - Header values contain no line end: folded lines are unfolded.
//!
//! Not here: message boundaries on a stream ([`crate::framing`]), writing ([`crate::build`]).

use std::net::SocketAddr;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use bytestring::ByteString;

use crate::build::ResponseDraft;
use crate::header::lex;
use crate::header::{CSeq, HeaderError, HeaderName, Headers, Line, Method, NameAddr, TypedHeader, Via};
use crate::index::{Fields, Found, Index};
use crate::limits::Limits;
use crate::scan::{self, Head, Lines, Scan};
use crate::uri::{self, Uri, UriErrorKind};

pub use crate::parse_error::{ParseError, ParseErrorKind, Rejection};

/// A message from a peer.
#[derive(Debug, Clone)]
pub enum Message {
    /// Somebody asks
    Request(Request),
    /// Somebody answers
    Response(Response),
}

impl Message {
    /// Parses one complete message, as it comes in a datagram. Bytes after the body that Content-Length announces are
    /// dropped (RFC 3261 section 18.3); without Content-Length the body goes to the end.
    ///
    /// # Errors
    ///
    /// When it is no SIP message, a limit is exceeded, or a header of the envelope is missing or wrong.
    pub fn parse(raw: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        Parsed::parse(raw, limits).map(Self::from)
    }

    /// What requests and responses have in common.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        match self {
            Self::Request(request) => request,
            Self::Response(response) => response,
        }
    }
}

impl From<Parsed> for Message {
    fn from(parsed: Parsed) -> Self {
        let Parsed { start, envelope } = parsed;
        match start {
            Start::Request { method, uri } => {
                let uri = uri.value(&envelope.head);
                Self::Request(Request { inner: Arc::new(RequestInner { method, uri, envelope }) })
            }
            Start::Response { status, reason } => {
                Self::Response(Response { inner: Arc::new(ResponseInner { status, reason, envelope }) })
            }
        }
    }
}

/// A message as the parser leaves it, by value: parsing a usual message allocates nothing. [`Message`] is the same behind
/// one pointer, which is what travels through queues.
#[derive(Debug, Clone)]
pub struct Parsed {
    start: Start,
    envelope: Envelope,
}

#[derive(Debug, Clone)]
enum Start {
    Request { method: Method, uri: Found<uri::Parts> },
    Response { status: u16, reason: Found<()> },
}

impl Parsed {
    /// See [`Message::parse`].
    ///
    /// # Errors
    ///
    /// As [`Message::parse`].
    pub fn parse(raw: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        if raw.len() > limits.message_bytes {
            return Err(ParseError::at(ParseErrorKind::MessageTooLarge, limits.message_bytes));
        }
        let mut parsed = Self { start: Start::UNKNOWN, envelope: Envelope::new(raw) };
        // In place: a message is large to move.
        let envelope = &mut parsed.envelope;
        let scan = scan::scan(&envelope.raw, limits, &mut envelope.lines)?;
        parsed.read(scan, limits)?;
        Ok(parsed)
    }

    /// The same of a message of allowed size, whose head was read.
    pub(crate) fn of_head(raw: Bytes, head: Head, limits: &Limits) -> Result<Self, ParseError> {
        let mut parsed = Self { start: Start::UNKNOWN, envelope: Envelope::new(raw) };
        parsed.envelope.lines = head.lines;
        parsed.read(head.scan, limits)?;
        Ok(parsed)
    }

    #[inline]
    fn read(&mut self, scan: Scan, limits: &Limits) -> Result<(), ParseError> {
        let envelope = &mut self.envelope;
        envelope.head = shared_head(&envelope.raw, scan.body)?;
        envelope.folded = scan.folded;
        self.start = Start::parse(envelope.head.as_bytes(), &scan, limits)?;
        envelope.read(limits)?;
        if let Start::Request { method, .. } = &self.start
            && envelope.index.cseq.method != *method
        {
            let at = envelope.offset_of(HeaderName::CSeq);
            return Err(ParseError::of(ParseErrorKind::MethodMismatch, HeaderName::CSeq, at));
        }
        Ok(())
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }
}

impl Deref for Parsed {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

fn shared_head(raw: &Bytes, end: usize) -> Result<ByteString, ParseError> {
    ByteString::try_from(raw.slice(..end)).map_err(|_| not_utf8(&raw[..end]))
}

#[cold]
fn not_utf8(head: &[u8]) -> ParseError {
    let at = std::str::from_utf8(head).map_or_else(|e| e.valid_up_to(), str::len);
    ParseError::at(ParseErrorKind::Utf8, at)
}

/// What a message looks like before any value is read: its start line, its headers, where its body begins.
///
/// All structural checks were made: line ends, names, NUL, UTF-8, [`Limits`]. Nothing is typed, and nothing is copied before
/// a value that goes over several lines is asked for. For who forwards, counts or filters; [`Message`] is for who acts.
///
/// # Examples
///
/// ```
/// use sip_core::{Limits, message::Outline};
///
/// let raw = b"BYE sip:a@b SIP/2.0\r\ni: x\r\nSubject: over\r\n  and out\r\n\r\nbody";
/// let outline = Outline::parse(raw, &Limits::default()).unwrap();
/// assert_eq!(outline.start_line(), "BYE sip:a@b SIP/2.0");
/// assert_eq!(outline.headers().get("call-id"), Some("x"));
/// assert_eq!(outline.headers().get("subject"), Some("over    and out"));
/// assert_eq!(&raw[outline.head_len()..], b"body");
/// ```
#[derive(Debug)]
pub struct Outline<'a> {
    head: &'a str,
    /// The same without line ends in values; made when it is first needed.
    unfolded: OnceLock<String>,
    scan: Scan,
    lines: Lines,
}

impl<'a> Outline<'a> {
    /// Reads the head at the start of `raw`.
    ///
    /// # Errors
    ///
    /// When there is no whole head, its structure is broken, or a limit is exceeded.
    pub fn parse(raw: &'a [u8], limits: &Limits) -> Result<Self, ParseError> {
        let mut outline =
            Self { head: "", unfolded: OnceLock::new(), scan: Scan::default(), lines: Lines::new() };
        outline.scan = scan::scan(raw, limits, &mut outline.lines)?;
        let head = &raw[..outline.scan.body];
        outline.head = std::str::from_utf8(head).map_err(|_| not_utf8(head))?;
        Ok(outline)
    }

    /// The first line that is not empty.
    #[must_use]
    pub fn start_line(&self) -> &str {
        &self.head[self.scan.start..self.scan.start_end]
    }

    /// All headers in wire order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        let text = match self.scan.folded {
            true => self.unfolded.get_or_init(|| scan::unfolded(self.head, &self.lines)),
            false => self.head,
        };
        Headers::new(text, &self.lines)
    }

    /// Where the body begins.
    #[must_use]
    pub fn head_len(&self) -> usize {
        self.scan.body
    }
}

impl Start {
    /// Of no message.
    const UNKNOWN: Self = Self::Response { status: 0, reason: Found::new(0, 0, ()) };

    #[inline]
    fn parse(head: &[u8], scan: &Scan, limits: &Limits) -> Result<Self, ParseError> {
        let line = head.get(scan.start..scan.start_end).unwrap_or_default();
        let is_response = line.get(..4).is_some_and(|p| p.eq_ignore_ascii_case(b"SIP/"));
        if is_response {
            Self::status_line(line, scan.start)
        } else {
            Self::request_line(line, scan.start, limits)
        }
    }

    fn request_line(line: &[u8], offset: usize, limits: &Limits) -> Result<Self, ParseError> {
        let bad = |at| ParseError::at(ParseErrorKind::StartLine, offset + at);
        let space = |b: &u8| *b == b' ';
        let uri_at = line.iter().position(space).ok_or(bad(0))? + 1;
        let uri_end = line.iter().rposition(space).filter(|end| *end >= uri_at).ok_or(bad(uri_at - 1))?;
        let (method, uri, version) = (&line[..uri_at - 1], &line[uri_at..uri_end], &line[uri_end + 1..]);
        if !lex::is_token_bytes(method) {
            return Err(bad(0));
        }
        check_version(version, offset + uri_end + 1)?;
        let start = offset + uri_at;
        let bad_uri = |kind, at| Err(ParseError::at(ParseErrorKind::RequestUri(kind), start + at));
        if uri.len() > limits.request_uri_bytes {
            return bad_uri(UriErrorKind::TooLong, limits.request_uri_bytes);
        }
        let parts = match uri::parse_parts(uri) {
            Ok(parts) => parts,
            Err(error) => return bad_uri(error.kind, error.offset),
        };
        // Headers in a URI are for who makes a request of it (RFC 3261 section 19.1.1): there are none on the wire.
        if let Some(at) = parts.headers_at() {
            return bad_uri(UriErrorKind::Headers, at);
        }
        let uri = Found::new(start, start + uri.len(), parts);
        Ok(Self::Request { method: Method::from_token(method), uri })
    }

    fn status_line(line: &[u8], offset: usize) -> Result<Self, ParseError> {
        let space = |b: &u8| *b == b' ';
        let Some(blank) = line.iter().position(space) else {
            return Err(ParseError::at(ParseErrorKind::StartLine, offset));
        };
        check_version(&line[..blank], offset)?;
        let status = &line[blank + 1..];
        let (status, reason) = match status.iter().position(space) {
            Some(len) => (&status[..len], blank + len + 2),
            None => (status, line.len()),
        };
        let number = lex::decimal(status).filter(|n| status.len() == 3 && (100..700).contains(n));
        let reason = Found::new(offset + reason, offset + line.len(), ());
        match number {
            Some(n) => Ok(Self::Response { status: n as u16, reason }),
            None => Err(ParseError::at(ParseErrorKind::Status, offset + blank + 1)),
        }
    }
}

#[inline]
fn check_version(text: &[u8], offset: usize) -> Result<(), ParseError> {
    if text.eq_ignore_ascii_case(b"SIP/2.0") { Ok(()) } else { Err(bad_version(text, offset)) }
}

#[cold]
fn bad_version(text: &[u8], offset: usize) -> ParseError {
    let mut numbers = text.get(4..).unwrap_or_default().split(|b| *b == b'.');
    let other = text.get(..4).is_some_and(|p| p.eq_ignore_ascii_case(b"SIP/"))
        && numbers.clone().count() == 2
        && numbers.all(|n| lex::decimal(n).is_some());
    ParseError::at(if other { ParseErrorKind::Version } else { ParseErrorKind::StartLine }, offset)
}

/// What requests and responses have in common: headers, the typed ones among them, and the body.
#[derive(Debug, Clone)]
pub struct Envelope {
    raw: Bytes,
    /// Start line and headers as received.
    head: ByteString,
    /// The same without line ends in values; made when it is first needed.
    unfolded: OnceLock<ByteString>,
    folded: bool,
    /// Where the body is.
    body: Range<usize>,
    lines: Lines,
    index: Index,
    values: Values,
}

/// Values of the envelope, each made when it is first asked for.
#[derive(Debug, Clone, Default)]
struct Values {
    body: OnceLock<Bytes>,
    via: OnceLock<Via>,
    from: OnceLock<NameAddr>,
    to: OnceLock<NameAddr>,
    contact: OnceLock<NameAddr>,
    /// Of Route, then of Record-Route.
    hops: OnceLock<Box<[NameAddr]>>,
}

impl Envelope {
    /// All headers in wire order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.text(), &self.lines)
    }

    /// Start line and headers; no value has a line end in it.
    fn text(&self) -> &ByteString {
        if !self.folded {
            return &self.head;
        }
        self.unfolded.get_or_init(|| ByteString::from(scan::unfolded(&self.head, &self.lines)))
    }

    /// A header that is typed on demand; `None` when there is no such line.
    ///
    /// # Errors
    ///
    /// When its value does not follow the grammar.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sip_core::{Limits, Message};
    /// use sip_core::header::{Expires, RetryAfter};
    /// # let raw = b"SIP/2.0 503 Busy\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
    /// #   Call-ID: x\r\nCSeq: 1 OPTIONS\r\nRetry-After: 5 (soon)\r\nContent-Length: 0\r\n\r\n";
    /// # let Message::Response(response) = Message::parse(raw.to_vec().into(), &Limits::default()).unwrap() else { panic!() };
    /// assert_eq!(response.header::<RetryAfter>(), Ok(Some(RetryAfter(5))));
    /// assert_eq!(response.header::<Expires>(), Ok(None));
    /// ```
    pub fn header<H: TypedHeader>(&self) -> Result<Option<H>, HeaderError> {
        match H::NAME {
            HeaderName::Other => H::parse_all(&mut self.headers().get_all(H::TEXT)),
            name => H::parse_all(&mut self.lines_of(name)),
        }
    }

    /// The topmost Via; of a request it has what [`Request::with_received`] noted.
    #[must_use]
    pub fn via(&self) -> &Via {
        self.values.via.get_or_init(|| self.index.via.value(self.text()))
    }

    /// The From header.
    #[must_use]
    pub fn from(&self) -> &NameAddr {
        self.values.from.get_or_init(|| self.index.from.value(self.text()))
    }

    /// The To header.
    #[must_use]
    pub fn to(&self) -> &NameAddr {
        self.values.to.get_or_init(|| self.index.to.value(self.text()))
    }

    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        self.index.call_id.text(self.text())
    }

    /// The CSeq header.
    #[must_use]
    pub fn cseq(&self) -> &CSeq {
        &self.index.cseq
    }

    /// The first Contact; `None` for `*` too.
    #[must_use]
    pub fn contact(&self) -> Option<&NameAddr> {
        let contact = self.index.contact.as_ref()?;
        Some(self.values.contact.get_or_init(|| contact.value(self.text())))
    }

    /// All Route values, topmost first.
    #[must_use]
    pub fn route(&self) -> &[NameAddr] {
        &self.hops()[..self.index.routes()]
    }

    /// All Record-Route values, topmost first.
    #[must_use]
    pub fn record_route(&self) -> &[NameAddr] {
        &self.hops()[self.index.routes()..]
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.values.body.get_or_init(|| match self.body.is_empty() {
            true => Bytes::new(),
            false => self.raw.slice(self.body.clone()),
        })
    }

    /// The message as it was received.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether the option tag is in a Supported header.
    #[must_use]
    pub fn supports(&self, option_tag: &str) -> bool {
        self.has_token(HeaderName::Supported, option_tag)
    }

    /// Whether the option tag is in a Require header.
    #[must_use]
    pub fn requires(&self, option_tag: &str) -> bool {
        self.has_token(HeaderName::Require, option_tag)
    }

    /// `type/subtype` of the body, without parameters.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        let value = self.lines_of(HeaderName::ContentType).next()?;
        Some(value.split(';').next().unwrap_or(value).trim_matches([' ', '\t']))
    }

    fn has_token(&self, name: HeaderName, token: &str) -> bool {
        self.lines_of(name)
            .flat_map(lex::list_items)
            .any(|(_, item)| !item.is_empty() && item.eq_ignore_ascii_case(token))
    }

    fn hops(&self) -> &[NameAddr] {
        if self.index.hops.is_empty() {
            return &[];
        }
        self.values.hops.get_or_init(|| self.index.hops(self.text()))
    }

    fn lines_of(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        let text = self.text();
        self.lines.iter().filter(move |l| l.name == name).map(|l| l.value_of(text))
    }

    /// Each line of those names with a shared value, for drafts.
    pub(crate) fn shared_lines(
        &self,
        wanted: impl Fn(HeaderName) -> bool,
    ) -> impl Iterator<Item = SharedLine<'_>> {
        let text = self.text();
        let lines = self.lines.iter().enumerate().filter(move |(_, line)| wanted(line.name));
        lines.map(move |(i, line)| SharedLine {
            name: line.name,
            text: line.name_of(text),
            value: text.slice_ref(line.value_of(text)),
            wire: self.odd_line(i, line).map(|odd| self.head.slice_ref(odd)),
        })
    }

    /// The line as it was received, when it is folded, or not known and not written as we write.
    fn odd_line(&self, at: usize, line: &Line) -> Option<&str> {
        if line.name != HeaderName::Other && !line.folded {
            return None;
        }
        let end = match self.lines.get(at + 1) {
            Some(next) => next.start as usize,
            None => without_line_end(&self.head).len(),
        };
        let all = without_line_end(&self.head[line.start as usize..end]);
        let usual = usize::from(line.end) == all.len() && line.value == line.name_len + 2 && !line.folded;
        // No line end but the one of the protocol leaves this house: another reader might see another line.
        let ends_well = || memchr::memchr_iter(b'\n', all.as_bytes()).all(|lf| all[..lf].ends_with('\r'));
        (!usual && ends_well()).then_some(all)
    }

    fn offset_of(&self, name: HeaderName) -> usize {
        self.lines.iter().find(|l| l.name == name).map_or(0, Line::value_at)
    }

    /// Of a message that was not read yet.
    fn new(raw: Bytes) -> Self {
        Self {
            raw,
            head: ByteString::new(),
            unfolded: OnceLock::new(),
            folded: false,
            body: 0..0,
            lines: Lines::new(),
            index: Index::new(),
            values: Values::default(),
        }
    }

    /// Reads the lines, which were found.
    #[inline]
    fn read(&mut self, limits: &Limits) -> Result<(), ParseError> {
        let head = self.head.as_bytes();
        let fields = Fields::read(&mut self.index, head, &self.lines, limits)?;
        self.body = body(&self.raw, head.len(), fields.content_length, limits)?;
        fields.complete(head.len())
    }
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// One header line, to be written again.
pub(crate) struct SharedLine<'e> {
    pub(crate) name: HeaderName,
    /// The name as written.
    pub(crate) text: &'e str,
    pub(crate) value: ByteString,
    /// The whole line, when it is to be written as it was.
    pub(crate) wire: Option<ByteString>,
}

/// Where the body of a complete message is.
fn body(raw: &Bytes, at: usize, length: Option<u64>, limits: &Limits) -> Result<Range<usize>, ParseError> {
    let there = raw.len() - at;
    let length = match length {
        Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
        None => there,
    };
    if length > limits.body_bytes {
        return Err(ParseError::of(ParseErrorKind::BodyTooLarge, HeaderName::ContentLength, at));
    }
    if length > there {
        return Err(ParseError::of(ParseErrorKind::Truncated, HeaderName::ContentLength, raw.len()));
    }
    Ok(at..at + length)
}

/// A request from a peer; a clone shares it.
///
/// Headers and body: see [`Envelope`], to which it dereferences.
#[derive(Debug, Clone)]
pub struct Request {
    inner: Arc<RequestInner>,
}

#[derive(Debug, Clone)]
struct RequestInner {
    method: Method,
    uri: Uri,
    envelope: Envelope,
}

impl Request {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.inner.method
    }

    /// The Request-URI.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.inner.uri
    }

    /// The Max-Forwards header.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.inner.envelope.index.max_forwards
    }

    /// The same request with the real source noted in its topmost Via (RFC 3261 section 18.2.1, RFC 3581): responses to it and
    /// forwarded copies of it carry the note. `headers()` and `raw()` stay as received.
    #[must_use]
    pub fn with_received(mut self, source: SocketAddr) -> Self {
        if self.via().is_from(source) {
            return self;
        }
        let via = self.via().with_received(source);
        if via != *self.via() {
            Arc::make_mut(&mut self.inner).envelope.values.via = OnceLock::from(via);
        }
        self
    }
}

impl Deref for Request {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.inner.envelope
    }
}

/// A response from a peer; a clone shares it.
///
/// Headers and body: see [`Envelope`], to which it dereferences.
#[derive(Debug, Clone)]
pub struct Response {
    inner: Arc<ResponseInner>,
}

#[derive(Debug, Clone)]
struct ResponseInner {
    status: u16,
    reason: Found<()>,
    envelope: Envelope,
}

impl Response {
    /// 100 to 699.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.inner.status
    }

    /// The reason phrase; may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.inner.reason.text(&self.inner.envelope.head)
    }

    /// Whether it is a 1xx.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.inner.status < 200
    }

    /// Whether it is a 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.inner.status)
    }
}

impl Deref for Response {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.inner.envelope
    }
}

/// The answer to a request that did not parse, when enough of it can be read: Via, From, To, Call-ID and CSeq.
///
/// `None` for responses, for an ACK (nobody may answer one) and without Via; one that is malformed is given back as it is, to
/// who sent it. A header that is missing, which is then what is wrong, is left out. The caller notes the real
/// source in the topmost Via ([`ResponseDraft::top_via`], [`ResponseDraft::set_top_via`]) and adds a To tag and diagnostics.
///
/// # Examples
///
/// ```
/// use sip_core::{Limits, Message, message::parse_for_reply};
///
/// let raw: bytes::Bytes = "INVITE sip:a@b SIP/7.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n\
///     To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".into();
/// let error = Message::parse(raw.clone(), &Limits::default()).unwrap_err();
/// let reply = parse_for_reply(&raw, &error).unwrap();
/// assert_eq!((reply.status, reply.get("CSeq")), (505, Some("1 INVITE")));
/// ```
#[must_use]
pub fn parse_for_reply(raw: &Bytes, error: &ParseError) -> Option<ResponseDraft> {
    let limits = Limits::default();
    let head = &raw[..raw.len().min(limits.head_bytes)];
    let mut lines = Unfolded { rest: head };
    let start = lines.find(|l| !l.is_empty())?;
    let method = start.split(' ').next()?;
    if !lex::is_token_text(method) || method == "ACK" {
        return None;
    }
    let Rejection { status, reason } = error.reject();
    let mut draft = ResponseDraft::bare(status).reason(reason);
    for line in lines.take_while(|l| !l.is_empty()).take(limits.header_lines) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::resolve(name.trim_end_matches([' ', '\t']));
        let value = value.trim_matches([' ', '\t']);
        let wanted = match name {
            HeaderName::Via => draft.get_all("Via").count() < limits.header_lines_same_name,
            HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq => {
                draft.get(name.as_str()).is_none()
            }
            _ => false,
        };
        if wanted && !value.is_empty() && value.len() <= limits.header_line_bytes {
            draft = draft.header(name.as_str(), value);
        }
    }
    let there = |name| draft.get(name).is_some();
    // What is missing cannot be copied; it is what the answer is about (RFC 4475 section 3.3.1).
    let missing = error.kind == ParseErrorKind::Missing && there("CSeq");
    let complete = missing || ["From", "To", "Call-ID", "CSeq"].iter().all(|n| there(n));
    // It need not parse, the flow is the way back (RFC 4475 sections 3.1.2.1 and 3.1.2.16).
    (complete && there("Via")).then_some(draft)
}

/// The lines of a head that need not be well-formed: unfolded; those that are not UTF-8 or have control characters are
/// given as a line without colon.
struct Unfolded<'a> {
    rest: &'a [u8],
}

impl Iterator for Unfolded<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut end = memchr::memchr(b'\n', self.rest)?;
        while end > 1 && self.rest.get(end + 1).copied().is_some_and(lex::is_space) {
            match memchr::memchr(b'\n', &self.rest[end + 1..]) {
                Some(len) => end += 1 + len,
                None => break,
            }
        }
        let line = self.rest[..end].strip_suffix(b"\r").unwrap_or(&self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        let text = std::str::from_utf8(line).unwrap_or("?").replace("\r\n", "  ").replace('\n', " ");
        Some(if text.contains(['\r', '\0']) { String::from("?") } else { text })
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
