//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966) as slices of one text.
//!
//! A [`Uri`] keeps the text as it was received and knows where its parts are: reading a part never allocates, and a
//! URI taken from a message shares the message's bytes.
//!
//! `==` compares the text; [`Uri::equivalent`] compares as RFC 3261 section 19.1.4 says.

use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bytestring::ByteString;

use crate::header::lex::{self, Cursor, Params, Span, TEXT_MAX};
use crate::header::{HeaderErrorKind, TransportKind};

/// What precedes the first colon of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`; see [`Uri::tel`]
    Tel,
    /// Another one; the text is kept as it is, and a server answers 416.
    Other,
}

/// Why a text is no URI, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of a URI")]
pub struct UriError {
    /// What is wrong.
    pub kind: UriErrorKind,
    /// Where, in bytes from the start of the URI.
    pub offset: usize,
}

/// What is wrong with a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriErrorKind {
    /// No scheme, or one with illegal characters.
    #[error("no scheme")]
    Scheme,
    /// A character that no URI may have, or a `%` without two hexadecimal digits.
    #[error("illegal character")]
    Character,
    /// The user part is empty, or there are two `@`.
    #[error("bad user part")]
    User,
    /// No host, or one that is no name and no address.
    #[error("bad host")]
    Host,
    /// The port is no number of 16 bits.
    #[error("bad port")]
    Port,
    /// The parameters do not follow the grammar, or are more than 64.
    #[error("bad parameter")]
    Parameter,
    /// Headers (`?name=value`) where there may be none.
    #[error("headers out of place")]
    Headers,
    /// More than 65,535 bytes, or than the limit of its place.
    #[error("too long")]
    TooLong,
}

/// A URI as text, with its parts found.
#[derive(Clone)]
pub struct Uri {
    /// The URI, or the header value that it is in.
    within: ByteString,
    /// Where in it.
    span: Span,
    parts: Parts,
}

/// Where the parts of a URI are in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    scheme: Scheme,
    user: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

impl Parts {
    /// Of no URI: nothing of it was found.
    pub(crate) const NONE: Self = Self {
        scheme: Scheme::Other,
        user: Span::NONE,
        host: Span::NONE,
        port: None,
        params: Span::NONE,
        headers: Span::NONE,
    };

    /// Where the headers begin.
    pub(crate) fn headers_at(&self) -> Option<usize> {
        (!self.headers.is_empty()).then(|| usize::from(self.headers.start))
    }
}

impl Uri {
    /// Parses a copy of `text`. From a [`ByteString`] (`try_from`) nothing is copied.
    ///
    /// # Errors
    ///
    /// When `text` is not a URI by the grammar; blanks around it are not allowed either.
    ///
    /// # Examples
    ///
    /// ```
    /// use sip_core::{Scheme, TransportKind, Uri};
    ///
    /// let uri = Uri::parse("sip:alice@example.com:5070;transport=tcp;lr").unwrap();
    /// assert_eq!(uri.scheme(), Scheme::Sip);
    /// assert_eq!((uri.user(), uri.host(), uri.port()), (Some("alice"), "example.com", Some(5070)));
    /// assert_eq!(uri.transport(), Some(TransportKind::Tcp));
    /// assert!(uri.is_loose_router());
    /// ```
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let parts = parse_parts(text.as_bytes())?;
        Ok(Self::of_parts(ByteString::from(text), parts))
    }

    /// A text that was parsed, with its parts.
    pub(crate) fn of_parts(text: ByteString, parts: Parts) -> Self {
        let span = Span::new(0, text.len().min(TEXT_MAX));
        Self { within: text, span, parts }
    }

    /// The same of a part of a value: one share of the message for both.
    pub(crate) fn in_value(value: ByteString, span: Span, parts: Parts) -> Self {
        Self { within: value, span, parts }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The value that the URI is in, or the URI.
    pub(crate) fn within(&self) -> &ByteString {
        &self.within
    }

    /// The same value copied, into memory of its own.
    pub(crate) fn with_value_detached(&self) -> Self {
        Self { within: ByteString::from(&*self.within), span: self.span, parts: self.parts }
    }

    /// A URI for a socket address: `sip:user@192.0.2.1:5060;transport=tcp` (`sips` is never chosen).
    ///
    /// Characters that a user part may not have are escaped.
    #[must_use]
    pub fn for_addr(user: Option<&str>, addr: SocketAddr, transport: TransportKind) -> Self {
        let mut text = String::from("sip:");
        if let Some(user) = user.filter(|u| !u.is_empty()) {
            push_user(&mut text, user);
            text.push('@');
        }
        text.push_str(&addr.to_string());
        text.push_str(";transport=");
        text.push_str(transport.as_str());
        Self::rebuilt(text, "sip:invalid.invalid")
    }

    /// The URI as it was received or built.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.span.of(&self.within)
    }

    /// The same as a shared text.
    #[must_use]
    pub fn to_byte_string(&self) -> ByteString {
        self.within.slice_ref(self.as_str())
    }

    /// The same URI in memory of its own: what outlives a message keeps a copy, not the message.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::of_parts(ByteString::from(self.as_str()), self.parts)
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The user part, escapes kept, without a password; `None` when there is none, and for other schemes than SIP.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        let all = self.parts.user.of(self.as_str());
        let user = all.split(':').next().unwrap_or(all);
        (!self.parts.user.is_empty()).then_some(user)
    }

    /// The host as written (IPv6 with brackets); empty for other schemes than SIP.
    #[must_use]
    pub fn host(&self) -> &str {
        self.parts.host.of(self.as_str())
    }

    /// The port, when one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The value of a URI parameter, escapes kept, `Some("")` for a flag. Names are compared without case and escapes.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let plain = !name.contains('%') && !self.parts.params.of(self.as_str()).contains('%');
        if plain {
            return self.params().value_of(name);
        }
        let found = self.params().find(|(n, _)| same_unescaped_ignoring_case(n, name));
        found.map(|(_, value)| value.unwrap_or(""))
    }

    /// Whether the URI parameter is there, with or without a value.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// All URI parameters in order.
    #[must_use]
    pub fn params(&self) -> Params<'_> {
        Params::new(self.parts.params.of(self.as_str()))
    }

    /// The headers, `name=value` pairs with `&` between them, escapes kept; empty when there are none.
    #[must_use]
    pub fn headers(&self) -> &str {
        self.parts.headers.of(self.as_str()).trim_start_matches('?')
    }

    /// The `transport` parameter, when it names one that we speak.
    #[must_use]
    pub fn transport(&self) -> Option<TransportKind> {
        self.param("transport")?.parse().ok()
    }

    /// Whether the `lr` parameter is there (RFC 3261 section 16.12).
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.has_param("lr")
    }

    /// Where to send without a look-up: host when it is an address, with the port or its default (5060, `sips` 5061).
    #[must_use]
    pub fn sip_addr(&self) -> Option<SocketAddr> {
        let tls = match self.parts.scheme {
            Scheme::Sip => self.transport() == Some(TransportKind::Tls),
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other => return None,
        };
        let host = self.host();
        let ip: IpAddr = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(six) => lex::ipv6(six)?.into(),
            None => host.parse().ok()?,
        };
        Some(SocketAddr::new(ip, self.parts.port.unwrap_or(if tls { 5061 } else { 5060 })))
    }

    /// The same URI with a parameter added, or replaced; `None` makes it a flag.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        self.edit(name, |out| push_uri_param(out, name, value))
    }

    /// The same URI without a parameter.
    #[must_use]
    pub fn without_param(&self, name: &str) -> Self {
        if self.has_param(name) { self.edit(name, |_| ()) } else { self.clone() }
    }

    /// Scheme, user and host, without password, port, parameters and headers: who, not where.
    #[must_use]
    pub fn address_of_record(&self) -> Self {
        let scheme = match self.parts.scheme {
            Scheme::Sip => "sip:",
            Scheme::Sips => "sips:",
            Scheme::Tel | Scheme::Other => return self.clone(),
        };
        let mut text = String::from(scheme);
        if let Some(user) = self.user() {
            text.push_str(user);
            text.push('@');
        }
        text.push_str(self.host());
        Self::rebuilt(text, self.as_str())
    }

    /// Whether both name the same resource by RFC 3261 section 19.1.4.
    ///
    /// As the RFC says itself, this is not transitive: a parameter that only one has does not count, so that
    /// `sip:carol@example.com` is equivalent to the same with `;x=1` and with `;x=2`, which differ. Among URIs that
    /// agree in such parameters it is an equivalence.
    ///
    /// Stricter in one point: `opaque`, `gruu` and `gr` in one URI only make them differ, so that an address is never
    /// taken for one of its devices or conferences.
    ///
    /// ```
    /// # use sip_core::Uri;
    /// let uri = |text| Uri::parse(text).unwrap();
    /// assert!(uri("sip:%61lice@Example.com;x=1").equivalent(&uri("sip:alice@example.COM")));
    /// assert!(!uri("sip:alice@example.com").equivalent(&uri("sip:alice@example.com:5060")));
    /// assert!(!uri("sip:alice@example.com;opaque=app:conf:1").equivalent(&uri("sip:alice@example.com")));
    /// ```
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        let (a, b) = (&self.parts, &other.parts);
        if a.scheme != b.scheme {
            return false;
        }
        match a.scheme {
            Scheme::Tel | Scheme::Other => match (self.tel(), other.tel()) {
                (Some(ours), Some(theirs)) => return ours.equivalent(theirs),
                (Some(_) | None, _) => return self.as_str().eq_ignore_ascii_case(other.as_str()),
            },
            Scheme::Sip | Scheme::Sips => {}
        }
        same_unescaped(a.user.of(self.as_str()), b.user.of(other.as_str()))
            && same_host(self.host(), other.host())
            && a.port == b.port
            && same_headers(a.headers.of(self.as_str()), b.headers.of(other.as_str()))
            && params_agree(self, other)
            && params_agree(other, self)
    }

    /// Rebuilds the text with the parameters except `name`, and what `push` adds.
    fn edit(&self, name: &str, push: impl FnOnce(&mut String)) -> Self {
        let (params, headers) = match self.parts.scheme {
            Scheme::Sip | Scheme::Sips => (self.parts.params, self.parts.headers),
            Scheme::Tel | Scheme::Other => return self.clone(),
        };
        let mut text = String::with_capacity(self.as_str().len() + 32);
        text.push_str(&self.as_str()[..usize::from(params.start)]);
        for (kept, value) in self.params().filter(|(n, _)| !n.eq_ignore_ascii_case(name)) {
            text.push(';');
            text.push_str(kept);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        push(&mut text);
        text.push_str(headers.of(self.as_str()));
        Self::rebuilt(text, self.as_str())
    }

    /// A text that we made of checked parts; should it not parse all the same, the fallback stands for it.
    fn rebuilt(text: String, fallback: &str) -> Self {
        let text = match parse_parts(text.as_bytes()) {
            Ok(parts) => return Self::of_parts(ByteString::from(text), parts),
            Err(_) => ByteString::from(fallback),
        };
        let parts = parse_parts(text.as_bytes()).unwrap_or(Parts::NONE);
        Self::of_parts(text, parts)
    }
}

/// Names without case, IPv6 addresses by their value (RFC 5954 section 4.2).
fn same_host(a: &str, b: &str) -> bool {
    let six = |host: &str| lex::ipv6(host.strip_prefix('[')?.strip_suffix(']')?);
    a.eq_ignore_ascii_case(b) || six(a).is_some_and(|address| six(b) == Some(address))
}

/// User, ttl, method, maddr and transport must be in both or in neither; so must what names a device or conference.
fn params_agree(one: &Uri, other: &Uri) -> bool {
    const STRICT: [&str; 8] = ["user", "ttl", "method", "maddr", "transport", "opaque", "gruu", "gr"];
    // Of a name that is there twice, against RFC 3261 section 19.1.1, the first counts.
    one.params().all(|(name, _)| match (one.param(name), other.param(name)) {
        (Some(ours), Some(theirs)) => same_unescaped_ignoring_case(ours, theirs),
        (Some(_) | None, _) => !STRICT.iter().any(|s| same_unescaped_ignoring_case(s, name)),
    })
}

/// Headers are compared as a set, each without case.
fn same_headers(a: &str, b: &str) -> bool {
    let list = |text: &str| {
        let each = text.trim_start_matches('?').split('&');
        let mut all: Vec<Vec<(bool, u8)>> = each.map(|one| lower(one).collect()).collect();
        all.sort_unstable();
        all
    };
    a.is_empty() == b.is_empty() && (a == b || list(a) == list(b))
}

fn same_unescaped(a: &str, b: &str) -> bool {
    a == b || Unescape { bytes: a.as_bytes() }.eq(Unescape { bytes: b.as_bytes() })
}

fn same_unescaped_ignoring_case(a: &str, b: &str) -> bool {
    a == b || lower(a).eq(lower(b))
}

/// The characters without escapes and case.
fn lower(text: &str) -> impl Iterator<Item = (bool, u8)> {
    Unescape { bytes: text.as_bytes() }.map(|(kept, b)| (kept, b.to_ascii_lowercase()))
}

/// The bytes with `%HH` resolved. An escaped reserved character stays apart from the bare one (RFC 3261 19.1.4).
struct Unescape<'a> {
    bytes: &'a [u8],
}

impl Iterator for Unescape<'_> {
    type Item = (bool, u8);

    fn next(&mut self) -> Option<(bool, u8)> {
        let (&first, rest) = self.bytes.split_first()?;
        if let (b'%', [high, low, rest @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.bytes = rest;
            let byte = high << 4 | low;
            return Some((!is_unreserved(byte), byte));
        }
        self.bytes = rest;
        Some((false, first))
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

fn push_user(out: &mut String, user: &str) {
    for b in user.bytes() {
        if is_unreserved(b) || matches!(b, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/') {
            out.push(char::from(b));
        } else {
            push_escaped(out, b);
        }
    }
}

fn push_uri_param(out: &mut String, name: &str, value: Option<&str>) {
    if !lex::is_token_text(name) {
        return;
    }
    out.push(';');
    out.push_str(name);
    if let Some(value) = value {
        out.push('=');
        for b in value.bytes() {
            if is_unreserved(b) || matches!(b, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$' | b'%' | b'=') {
                out.push(char::from(b));
            } else {
                push_escaped(out, b);
            }
        }
    }
}

fn push_escaped(out: &mut String, b: u8) {
    const HEX: [u8; 16] = *b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(b >> 4)]));
    out.push(char::from(HEX[usize::from(b & 15)]));
}

/// Finds the parts of a URI, and checks every byte of it.
pub(crate) fn parse_parts(bytes: &[u8]) -> Result<Parts, UriError> {
    if bytes.len() <= TEXT_MAX
        && let Some((parts, end)) = usual_parts(bytes)
        && end == bytes.len()
    {
        return Ok(parts);
    }
    any_parts(bytes)
}

/// The parts of a SIP URI as most are, at the start of a text, and where it ends: user and host of letters, digits, `-`, `.`
/// and `_`, parameters without escapes, no headers. What [`any_parts`] says of the same bytes, in one look at each.
#[inline]
pub(crate) fn usual_parts(bytes: &[u8]) -> Option<(Parts, usize)> {
    let [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', ..] = bytes else { return None };
    let first = lex::end_of_host(bytes, 4);
    let (user, host) = match bytes.get(first) {
        Some(b'@') => (Span::new(4, first), Span::new(first + 1, lex::end_of_host(bytes, first + 1))),
        _ => (Span::new(4, 4), Span::new(4, first)),
    };
    if first == 4 || host.is_empty() {
        return None;
    }
    let mut at = usize::from(host.end);
    let mut port = None;
    if bytes.get(at) == Some(&b':') {
        let end = lex::end_of_digits(bytes, at + 1);
        port = Some(u16::try_from(lex::decimal(bytes.get(at + 1..end)?)?).ok()?);
        at = end;
    }
    let params = at;
    let mut left = PARAMS_MAX;
    while bytes.get(at) == Some(&b';') {
        left = left.checked_sub(1)?;
        let mut end = lex::end_of_uri_param(bytes, at + 1);
        if end == at + 1 {
            return None;
        }
        if bytes.get(end) == Some(&b'=') {
            at = end;
            end = lex::end_of_uri_param(bytes, at + 1);
            if end == at + 1 {
                return None;
            }
        }
        at = end;
    }
    // What may go on behind these parts, and then means another thing than they seem to.
    if matches!(bytes.get(at), Some(b'%' | b'=' | b'?' | b'@')) {
        return None;
    }
    let (params, headers) = (Span::new(params, at), Span::new(at, at));
    Some((Parts { scheme: Scheme::Sip, user, host, port, params, headers }, at))
}

/// The parts of any URI.
#[cold]
pub(crate) fn any_parts(bytes: &[u8]) -> Result<Parts, UriError> {
    if bytes.len() > TEXT_MAX {
        return error(UriErrorKind::TooLong, TEXT_MAX);
    }
    let (scheme, start) = match bytes {
        [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', ..] => (Scheme::Sip, 4),
        _ => other_scheme(bytes)?,
    };
    let found = match scheme {
        Scheme::Sip | Scheme::Sips => sip_parts(bytes, scheme, start),
        Scheme::Tel | Scheme::Other => opaque_parts(bytes, scheme, start),
    };
    // A character that no URI may have is told before what is wrong with the parts around it.
    found.map_err(|other| match bytes.iter().position(|b| !lex::is_uri(*b)) {
        Some(offset) => UriError { kind: UriErrorKind::Character, offset },
        None => other,
    })
}

fn error<T>(kind: UriErrorKind, offset: usize) -> Result<T, UriError> {
    Err(UriError { kind, offset })
}

/// The scheme and where the rest begins.
fn other_scheme(bytes: &[u8]) -> Result<(Scheme, usize), UriError> {
    let bad = UriError { kind: UriErrorKind::Scheme, offset: 0 };
    let colon = memchr::memchr(b':', bytes).ok_or(bad)?;
    Ok((scheme(&bytes[..colon]).ok_or(bad)?, colon + 1))
}

fn scheme(name: &[u8]) -> Option<Scheme> {
    let (first, rest) = name.split_first()?;
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !first.is_ascii_alphabetic() || !rest.iter().all(legal) {
        return None;
    }
    Some(match name {
        n if n.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        n if n.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        n if n.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    })
}

/// A URI of which nothing but its characters is known.
fn opaque_parts(bytes: &[u8], scheme: Scheme, start: usize) -> Result<Parts, UriError> {
    if start == bytes.len() {
        return error(UriErrorKind::Host, start);
    }
    if let Some(at) = bytes.iter().position(|b| !lex::is_uri(*b)) {
        return error(UriErrorKind::Character, at);
    }
    let (host, empty) = (Span::new(start, start), Span::new(bytes.len(), bytes.len()));
    Ok(Parts { scheme, user: host, host, port: None, params: empty, headers: empty })
}

fn sip_parts(bytes: &[u8], scheme: Scheme, start: usize) -> Result<Parts, UriError> {
    let (user, host_at) = match bytes[start..].iter().position(|b| *b == b'@') {
        Some(0) => return error(UriErrorKind::User, start),
        Some(len) => (Span::new(start, start + len), start + len + 1),
        None => (Span::new(start, start), start),
    };
    if let Err(at) = uri_text(bytes, user) {
        return error(UriErrorKind::Character, at);
    }
    let mut cursor = Cursor::of_bytes(bytes, host_at);
    let host = cursor.take(lex::host).map_err(|f| UriError { kind: UriErrorKind::Host, offset: f.at })?;
    let port = match cursor.eat(b':') {
        true => Some(cursor.port().map_err(|f| UriError { kind: UriErrorKind::Port, offset: f.at })?),
        false => None,
    };
    let params_at = cursor.at;
    let question = params(bytes, params_at)?;
    if let Some(bad) = bytes[question..].iter().position(|b| !lex::is_uri(*b)) {
        return error(UriErrorKind::Character, question + bad);
    }
    let (params, headers) = (Span::new(params_at, question), Span::new(question, bytes.len()));
    Ok(Parts { scheme, user, host, port, params, headers })
}

/// Whether all bytes may be in a URI, and each `%` is followed by two hexadecimal digits; else where not.
fn uri_text(bytes: &[u8], span: Span) -> Result<(), usize> {
    let mut at = usize::from(span.start);
    while at < usize::from(span.end) {
        let escaped = bytes[at] == b'%' && !is_escape(&bytes[..usize::from(span.end)], at);
        if escaped || !lex::is_uri(bytes[at]) {
            return Err(at);
        }
        at += 1;
    }
    Ok(())
}

/// Whether the `%` at `at` begins an escape.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at + 1..at + 3), Some([a, b]) if hex(*a).is_some() && hex(*b).is_some())
}

/// The most parameters of a URI: comparing looks each up in the other.
pub(crate) const PARAMS_MAX: usize = 64;

/// `*(;name[=value])` with the characters of URI parameters: no quotes, no blanks; gives where it ends, at a `?` or with
/// the text. Brackets, slash, colon, `&` and `$` are legal in names too (RFC 3261 `param-unreserved`).
fn params(bytes: &[u8], start: usize) -> Result<usize, UriError> {
    let mut at = start;
    let mut count = 0;
    while bytes.get(at) == Some(&b';') {
        let bad = UriError { kind: UriErrorKind::Parameter, offset: at };
        count += 1;
        if count > PARAMS_MAX {
            return Err(bad);
        }
        at += 1;
        let name = at;
        let mut equals = None;
        while let Some(&b) = bytes.get(at) {
            if !lex::is_uri_param(b) {
                match b {
                    b';' | b'?' => break,
                    b'=' => equals = equals.or(Some(at)),
                    b'%' if is_escape(bytes, at) => {}
                    b'@' => return second_at(bytes, start, at),
                    _ => return second_at(bytes, start, at).and(Err(bad)),
                }
            }
            at += 1;
        }
        // No name, or `=` without a value behind it.
        if at == name || equals.is_some_and(|e| e == name || e + 1 == at) {
            return second_at(bytes, start, at).and(Err(bad));
        }
    }
    match bytes.get(at) {
        None | Some(b'?') => Ok(at),
        Some(_) => {
            second_at(bytes, start, at).and(Err(UriError { kind: UriErrorKind::Parameter, offset: at }))
        }
    }
}

/// An `@` behind the host is told before what is wrong with the parameters.
fn second_at(bytes: &[u8], start: usize, fine: usize) -> Result<usize, UriError> {
    let question = memchr::memchr(b'?', &bytes[start..]).map_or(bytes.len(), |len| start + len);
    match memchr::memchr(b'@', &bytes[start..question]) {
        Some(two) => error(UriErrorKind::User, start + two),
        None => Ok(fine),
    }
}

impl TryFrom<ByteString> for Uri {
    type Error = UriError;

    fn try_from(text: ByteString) -> Result<Self, UriError> {
        let parts = parse_parts(text.as_bytes())?;
        Ok(Self::of_parts(text, parts))
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

text_value!(Uri);

impl From<UriError> for HeaderErrorKind {
    fn from(error: UriError) -> Self {
        Self::Uri(error.kind)
    }
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
