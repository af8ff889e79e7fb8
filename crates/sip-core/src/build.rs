//! Messages to be sent: drafts that are filled, changed and written.
//!
//! A draft keeps its headers in order, by canonical long names, and writes Content-Length itself. Of a message that is
//! forwarded, lines with names that we do not know, and folded ones, are written byte for byte as they came, as long as
//! nobody changes them.
//!
//! # Invariants
//!
//! - What is written has the lines that it was given: no value can end its line, and a name that is no token is refused.
//!   That the values fit their headers is asked by `check`.

use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

use crate::header::{CSeq, HeaderName, Method, NameAddr, Selector, Via, lex};
use crate::limits::Limits;
use crate::message::{Envelope, Message, ParseError, ParseErrorKind, Request, Response, SharedLine};
use crate::uri::Uri;

/// Lines of a usual answer: those it copies, and a few of its own.
const ANSWER_LINES: usize = 12;

/// Values that are not longer are put together without being read anew.
const LINE_MAX: usize = 4_096;

#[derive(Debug, Clone, PartialEq, Eq)]
struct DraftHeader {
    name: HeaderName,
    text: ByteString,
    value: ByteString,
    /// The whole line as it was received, when it is written so.
    wire: Option<ByteString>,
}

impl DraftHeader {
    /// `None` for a name that is no token, and for Content-Length, which [`write`] computes.
    fn new(name: &str, value: ByteString) -> Option<Self> {
        let resolved = HeaderName::resolve(name);
        if !lex::is_token_text(name) || resolved == HeaderName::ContentLength {
            debug_assert!(resolved == HeaderName::ContentLength, "header name {name:?}");
            return None;
        }
        let text = match resolved {
            HeaderName::Other => ByteString::from(name),
            known => ByteString::from_static(known.as_str()),
        };
        Some(Self { name: resolved, text, value: one_line(value), wire: None })
    }
}

impl DraftHeader {
    /// As it is written, with its line end.
    fn len(&self) -> usize {
        2 + self.wire.as_ref().map_or(self.text.len() + self.value.len() + 2, |line| line.len())
    }
}

/// The value without what could end its line, and without blanks around it.
fn one_line(value: ByteString) -> ByteString {
    let clean = if memchr::memchr3(b'\r', b'\n', 0, value.as_bytes()).is_some() {
        ByteString::from(value.replace(['\r', '\n', '\0'], " "))
    } else {
        value
    };
    let trimmed = clean.trim_matches([' ', '\t']);
    if trimmed.len() == clean.len() { clean } else { clean.slice_ref(trimmed) }
}

/// The headers of a draft.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct DraftHeaders(Vec<DraftHeader>);

impl DraftHeaders {
    fn of(envelope: &Envelope) -> Self {
        Self::of_those(envelope, envelope.headers().len() + 2, |_| true)
    }

    /// Those that are wanted; `room` is how many are expected.
    fn of_those(envelope: &Envelope, room: usize, wanted: impl Fn(HeaderName) -> bool) -> Self {
        let mut list = Vec::with_capacity(room);
        let mut top = Some(envelope.via().as_byte_string());
        let wanted = |name| name != HeaderName::ContentLength && wanted(name);
        for SharedLine { name, text, value, wire } in envelope.shared_lines(wanted) {
            if name == HeaderName::Via
                && let Some(via) = top.take()
            {
                push_top_via(&mut list, via, &value);
                continue;
            }
            let text = match name {
                HeaderName::Other => ByteString::from(text),
                known => ByteString::from_static(known.as_str()),
            };
            list.push(DraftHeader { name, text, value, wire });
        }
        Self(list)
    }

    fn position(&self, name: &str) -> Option<usize> {
        let selector = Selector::text(name);
        self.0.iter().position(|h| selector.matches(h.name, &h.text))
    }

    fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a ByteString> + use<'a, 'n> {
        let selector = Selector::text(name);
        self.0.iter().filter(move |h| selector.matches(h.name, &h.text)).map(|h| &h.value)
    }

    fn push(&mut self, name: &str, value: ByteString) {
        self.0.extend(DraftHeader::new(name, value));
    }

    fn push_front(&mut self, name: &str, value: ByteString) {
        if let Some(header) = DraftHeader::new(name, value) {
            let at = self.position(name).unwrap_or(0);
            self.0.insert(at, header);
        }
    }

    /// Replaces the first line in its place and removes the others; appends when there is none.
    fn set(&mut self, name: &str, value: ByteString) {
        let Some(header) = DraftHeader::new(name, value) else { return };
        match self.position(name) {
            Some(at) => {
                self.0[at] = header;
                let selector = Selector::text(name);
                let mut index = 0;
                self.0.retain(|h| {
                    index += 1;
                    index - 1 <= at || !selector.matches(h.name, &h.text)
                });
            }
            None => self.0.push(header),
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let selector = Selector::text(name);
        let before = self.0.len();
        self.0.retain(|h| !selector.matches(h.name, &h.text));
        self.0.len() < before
    }

    /// Removes the first value of a list header, and its line when nothing is left.
    fn pop_value(&mut self, name: &str) -> Option<ByteString> {
        let at = self.position(name)?;
        let value = self.0[at].value.clone();
        let mut items = lex::list_items(&value);
        let (_, first) = items.next()?;
        match items.next() {
            Some((rest, _)) => {
                let header = &mut self.0[at];
                (header.value, header.wire) = (value.slice_ref(&value[rest..]), None);
            }
            None => {
                self.0.remove(at);
            }
        }
        Some(value.slice_ref(first))
    }

    fn write(&self, out: &mut Vec<u8>, body: &Bytes) {
        for header in &self.0 {
            match &header.wire {
                Some(line) => out.extend_from_slice(line.as_bytes()),
                None => {
                    out.extend_from_slice(header.text.as_bytes());
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(header.value.as_bytes());
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Content-Length: ");
        push_number(out, body.len());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }

    /// What [`Self::write`] writes: a response is kept for long, and nothing is kept with it.
    fn written_len(&self, body: &Bytes) -> usize {
        let digits = body.len().checked_ilog10().map_or(1, |n| n as usize + 1);
        "Content-Length: \r\n\r\n".len()
            + digits
            + body.len()
            + self.0.iter().map(DraftHeader::len).sum::<usize>()
    }
}

fn push_number(out: &mut Vec<u8>, n: usize) {
    if n >= 10 {
        push_number(out, n / 10);
    }
    out.push(b'0' + (n % 10) as u8);
}

/// The tag of an address as nearly everybody writes it, with angle brackets and without quotes behind them, and of a usual
/// value; `None` when only a reader of the whole grammar can tell.
fn usual_tag(address: &str) -> Option<Option<&str>> {
    let end = memchr::memrchr(b'>', address.as_bytes())?;
    let mut params = &address[end + 1..];
    if memchr::memchr(b'"', params.as_bytes()).is_some() {
        return None;
    }
    while !params.is_empty() {
        let len = memchr::memchr(b';', params.as_bytes()).unwrap_or(params.len());
        let (param, rest) = params.split_at(len);
        params = rest.get(1..).unwrap_or_default();
        let (name, value) = match memchr::memchr(b'=', param.as_bytes()) {
            Some(at) => (&param[..at], &param[at + 1..]),
            None => (param, ""),
        };
        if name.trim_ascii().eq_ignore_ascii_case("tag") {
            let value = value.trim_ascii();
            return lex::is_token_text(value).then_some(Some(value));
        }
    }
    Some(None)
}

/// The topmost Via as noted by the receiver, then what else its line has.
fn push_top_via(list: &mut Vec<DraftHeader>, via: &ByteString, line: &ByteString) {
    let text = ByteString::from_static("Via");
    let header = |value| DraftHeader { name: HeaderName::Via, text: text.clone(), value, wire: None };
    list.push(header(via.clone()));
    if memchr::memchr(b',', line.as_bytes()).is_some()
        && let Some((rest, _)) = lex::list_items(line).nth(1)
    {
        list.push(header(line.slice_ref(&line[rest..])));
    }
}

macro_rules! header_methods {
    ($draft:ident) => {
        impl $draft {
            /// Appends a header line. Line ends in the value become blanks; Content-Length is ignored, it is computed.
            #[must_use]
            pub fn header(mut self, name: &str, value: impl Into<ByteString>) -> Self {
                self.headers.push(name, value.into());
                self
            }

            /// Appends a header line in place.
            pub fn push_header(&mut self, name: &str, value: impl Into<ByteString>) -> &mut Self {
                self.headers.push(name, value.into());
                self
            }

            /// Puts a line before the others of that name (Via, Record-Route, Path), or before all headers.
            pub fn push_front(&mut self, name: &str, value: impl Into<ByteString>) -> &mut Self {
                self.headers.push_front(name, value.into());
                self
            }

            /// Replaces all lines of that name by one, in the place of the first.
            pub fn set_header(&mut self, name: &str, value: impl Into<ByteString>) -> &mut Self {
                self.headers.set(name, value.into());
                self
            }

            /// Removes all lines of that name, in whatever spelling; whether there was one.
            pub fn remove_header(&mut self, name: &str) -> bool {
                self.headers.remove(name)
            }

            /// The first line of that name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<&str> {
                self.headers.get_all(name).next().map(|v| &**v)
            }

            /// All lines of that name in order.
            pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
                self.headers.get_all(name).map(|v| &**v)
            }

            /// Name and value of all lines in order.
            pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
                self.headers.0.iter().map(|h| (&*h.text, &*h.value))
            }

            /// Sets the body with its Content-Type; an empty type removes the header.
            #[must_use]
            pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
                self.set_body(content_type, body);
                self
            }

            /// Sets the body in place.
            pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) -> &mut Self {
                if content_type.is_empty() {
                    self.headers.remove("Content-Type");
                } else {
                    self.headers.set("Content-Type", content_type.into());
                }
                self.body = body.into();
                self
            }

            /// The body.
            #[must_use]
            pub fn payload(&self) -> &Bytes {
                &self.body
            }

            /// The From header.
            #[must_use]
            pub fn from_addr(&self) -> Option<NameAddr> {
                self.address("From")
            }

            /// The To header.
            #[must_use]
            pub fn to_addr(&self) -> Option<NameAddr> {
                self.address("To")
            }

            /// The Call-ID.
            #[must_use]
            pub fn call_id_value(&self) -> Option<&str> {
                self.get("Call-ID")
            }

            /// The CSeq header.
            #[must_use]
            pub fn cseq_value(&self) -> Option<CSeq> {
                self.get("CSeq")?.parse().ok()
            }

            /// The topmost Via.
            #[must_use]
            pub fn top_via(&self) -> Option<Via> {
                let line = self.headers.get_all("Via").next()?;
                lex::list_items(line).next()?.1.parse().ok()
            }

            /// Replaces the topmost Via; adds it when there is none.
            pub fn set_top_via(&mut self, via: &Via) -> &mut Self {
                self.headers.pop_value("Via");
                self.push_via(via)
            }

            /// Puts a Via on top.
            pub fn push_via(&mut self, via: &Via) -> &mut Self {
                self.headers.push_front("Via", via.as_byte_string().clone());
                self
            }

            /// Removes the topmost Via.
            pub fn pop_via(&mut self) -> Option<Via> {
                self.headers.pop_value("Via")?.parse().ok()
            }

            fn address(&self, name: &str) -> Option<NameAddr> {
                NameAddr::try_from(self.headers.get_all(name).next()?.clone()).ok()
            }
        }
    };
}

/// A request to be sent.
///
/// # Examples
///
/// ```
/// use sip_core::{Method, NameAddr, RequestDraft, Uri};
///
/// let alice: NameAddr = "<sip:alice@example.com>;tag=1".parse().unwrap();
/// let bob = Uri::parse("sip:bob@example.com").unwrap();
/// let draft = RequestDraft::new(Method::Message, bob.clone())
///     .from(alice)
///     .to(NameAddr::new(bob))
///     .call_id("x@example.com")
///     .cseq(1)
///     .body("text/plain", "hi");
/// assert!(draft.write().starts_with(b"MESSAGE sip:bob@example.com SIP/2.0\r\nFrom: <sip:alice@example.com>;tag=1\r\n"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestDraft {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    headers: DraftHeaders,
    body: Bytes,
}

header_methods!(RequestDraft);

impl RequestDraft {
    /// A request without headers.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: DraftHeaders::default(), body: Bytes::new() }
    }

    /// A copy to forward: all headers in order, Vias included, the topmost with the noted source; and the body.
    #[must_use]
    pub fn from_request(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: DraftHeaders::of(request),
            body: request.body().clone(),
        }
    }

    /// Sets From.
    #[must_use]
    pub fn from(mut self, from: NameAddr) -> Self {
        self.headers.set("From", from.as_byte_string().clone());
        self
    }

    /// Sets To.
    #[must_use]
    pub fn to(mut self, to: NameAddr) -> Self {
        self.headers.set("To", to.as_byte_string().clone());
        self
    }

    /// Sets the Call-ID.
    #[must_use]
    pub fn call_id(mut self, call_id: impl Into<ByteString>) -> Self {
        self.headers.set("Call-ID", call_id.into());
        self
    }

    /// Sets the CSeq: this number and the draft's method.
    #[must_use]
    pub fn cseq(mut self, number: u32) -> Self {
        self.headers.set("CSeq", format!("{number} {}", self.method).into());
        self
    }

    /// Sets Max-Forwards.
    #[must_use]
    pub fn max_forwards(mut self, hops: u8) -> Self {
        self.headers.set("Max-Forwards", hops.to_string().into());
        self
    }

    /// Sets Contact.
    #[must_use]
    pub fn contact(mut self, contact: NameAddr) -> Self {
        self.headers.set("Contact", contact.as_byte_string().clone());
        self
    }

    /// Sets the Route headers, one line each, topmost first.
    #[must_use]
    pub fn route(mut self, route: Vec<NameAddr>) -> Self {
        self.headers.remove("Route");
        for hop in route {
            self.headers.push("Route", hop.as_byte_string().clone());
        }
        self
    }

    /// All Route values, topmost first.
    #[must_use]
    pub fn route_values(&self) -> Vec<NameAddr> {
        let lines = self.headers.get_all("Route");
        lines.flat_map(|l| lex::list_items(l)).filter_map(|(_, item)| item.parse().ok()).collect()
    }

    /// Removes the topmost Route value.
    pub fn pop_route(&mut self) -> Option<NameAddr> {
        NameAddr::try_from(self.headers.pop_value("Route")?).ok()
    }

    /// Where it has to go next: the topmost Route, else the Request-URI.
    #[must_use]
    pub fn next_hop_uri(&self) -> Uri {
        let top = self.headers.get_all("Route").next();
        let top = top.and_then(|l| lex::list_items(l).next()).and_then(|(_, item)| item.parse().ok());
        top.map_or_else(|| self.uri.clone(), |hop: NameAddr| hop.uri().clone())
    }

    /// The request as its receiver reads it: whoever sends what this gives sends nothing that is malformed.
    ///
    /// # Errors
    ///
    /// When a header is missing that each request has, a value is none for its header, or a limit is exceeded.
    ///
    /// # Examples
    ///
    /// ```
    /// use sip_core::header::HeaderName;
    /// use sip_core::{Limits, Method, ParseErrorKind, RequestDraft, Uri};
    ///
    /// let draft = RequestDraft::new(Method::Options, Uri::parse("sip:bob@example.com").unwrap());
    /// let error = draft.check(&Limits::default()).unwrap_err();
    /// assert_eq!((error.kind, error.header), (ParseErrorKind::Missing, Some(HeaderName::Via)));
    /// ```
    pub fn check(&self, limits: &Limits) -> Result<Request, ParseError> {
        match Message::parse(self.write(), limits)? {
            Message::Request(request) => Ok(request),
            Message::Response(_) => Err(ParseError::at(ParseErrorKind::StartLine, 0)),
        }
    }

    /// The bytes to send.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(
            self.method.as_str().len()
                + self.uri.as_str().len()
                + "  SIP/2.0\r\n".len()
                + self.headers.written_len(&self.body),
        );
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(self.uri.as_str().as_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.headers.write(&mut out, &self.body);
        out.into()
    }
}

/// A response to be sent.
///
/// # Examples
///
/// ```
/// # use sip_core::{Limits, Message};
/// use sip_core::ResponseDraft;
/// # let raw = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
/// #   Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
/// # let Message::Request(request) = Message::parse(raw.to_vec().into(), &Limits::default()).unwrap() else { panic!() };
/// let answer = ResponseDraft::to(&request, 200).to_tag("42").header("Allow", "OPTIONS");
/// assert!(answer.write().starts_with(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"));
/// assert_eq!(answer.get("to"), Some("<sip:c@d>;tag=42"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseDraft {
    /// 100 to 699.
    pub status: u16,
    reason: ByteString,
    headers: DraftHeaders,
    body: Bytes,
}

header_methods!(ResponseDraft);

impl ResponseDraft {
    /// A response to `request`, with what RFC 3261 section 8.2.6.2 copies: Vias, From, To, Call-ID, CSeq; and Record-Route when
    /// the request may create a dialog, or repairs one (SUBSCRIBE, UPDATE, NOTIFY).
    #[must_use]
    pub fn to(request: &Request, status: u16) -> Self {
        let method = request.method();
        let routed = method.creates_dialog() || matches!(method, Method::Update | Method::Notify);
        let headers = DraftHeaders::of_those(request, ANSWER_LINES, |name| match name {
            HeaderName::Via | HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq => {
                true
            }
            HeaderName::RecordRoute => routed,
            HeaderName::Timestamp => status == 100,
            _ => false,
        });
        Self { headers, ..Self::bare(status) }
    }

    /// A response without headers.
    #[must_use]
    pub fn bare(status: u16) -> Self {
        let reason = ByteString::from_static(default_reason(status));
        Self { status, reason, headers: DraftHeaders::default(), body: Bytes::new() }
    }

    /// A copy to forward: all headers in order, Vias included, and the body.
    #[must_use]
    pub fn from_response(response: &Response) -> Self {
        Self {
            status: response.status(),
            reason: ByteString::from(response.reason()),
            headers: DraftHeaders::of(response),
            body: response.body().clone(),
        }
    }

    /// Sets the reason phrase.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = one_line(reason.into());
        self
    }

    /// The reason phrase.
    #[must_use]
    pub fn reason_text(&self) -> &str {
        &self.reason
    }

    /// Sets the To tag, unless the request had one.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        let Some(at) = self.headers.0.iter().position(|header| header.name == HeaderName::To) else {
            return self;
        };
        let value = &self.headers.0[at].value;
        if usual_tag(value) == Some(None) && lex::is_token_text(tag) && value.len() + tag.len() < LINE_MAX {
            let mut tagged = String::with_capacity(value.len() + ";tag=".len() + tag.len());
            tagged.extend([value, ";tag=", tag]);
            let header = &mut self.headers.0[at];
            (header.value, header.wire) = (tagged.into(), None);
        } else if let Some(to) = self.to_addr().filter(|to| to.tag().is_none()) {
            self.headers.set("To", to.with_tag(tag).as_byte_string().clone());
        }
        self
    }

    /// Whether there is a To and no tag in it.
    pub(crate) fn lacks_to_tag(&self) -> bool {
        let to = self.headers.0.iter().find(|header| header.name == HeaderName::To);
        match to.map(|to| usual_tag(&to.value)) {
            Some(Some(tag)) => tag.is_none(),
            Some(None) => self.to_addr().is_some_and(|to| to.tag().is_none()),
            None => false,
        }
    }

    /// The tag in To.
    pub(crate) fn to_tag_text(&self) -> Option<Cow<'_, str>> {
        let to = self.headers.0.iter().find(|header| header.name == HeaderName::To)?;
        match usual_tag(&to.value) {
            Some(tag) => tag.map(Cow::Borrowed),
            None => Some(Cow::Owned(self.to_addr()?.tag()?.to_owned())),
        }
    }

    /// Sets Contact.
    #[must_use]
    pub fn contact(mut self, contact: NameAddr) -> Self {
        self.headers.set("Contact", contact.as_byte_string().clone());
        self
    }

    /// The response as its receiver reads it; see [`RequestDraft::check`].
    ///
    /// # Errors
    ///
    /// When a header is missing that each response has, a value is none for its header, or a limit is exceeded.
    pub fn check(&self, limits: &Limits) -> Result<Response, ParseError> {
        match Message::parse(self.write(), limits)? {
            Message::Response(response) => Ok(response),
            Message::Request(_) => Err(ParseError::at(ParseErrorKind::StartLine, 0)),
        }
    }

    /// The bytes to send.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let len = "SIP/2.0 200 \r\n".len() + self.reason.len() + self.headers.written_len(&self.body);
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(b"SIP/2.0 ");
        push_number(&mut out, usize::from(self.status.clamp(100, 699)));
        out.extend_from_slice(b" ");
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.headers.write(&mut out, &self.body);
        debug_assert_eq!(out.len(), len, "the length that was computed");
        out.into()
    }
}

/// The reason phrase that goes with a status by its RFC; of an unknown one, that of its class.
#[must_use]
pub fn default_reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        430 => "Flow Failed",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => class_reason(status),
    }
}

/// What the first digit of a status means (RFC 3261 section 7.2).
fn class_reason(status: u16) -> &'static str {
    match status {
        0..200 => "Progress",
        200..300 => "Success",
        300..400 => "Redirection",
        400..500 => "Request Failure",
        500..600 => "Server Failure",
        600.. => "Global Failure",
    }
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
