//! The Via header (RFC 3261 section 20.42, RFC 3581) and the transports we speak.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bytestring::ByteString;

use super::lex::{self, Cursor, Fault, Params, Span, TEXT_MAX, fault};
use super::{HeaderError, HeaderErrorKind, HeaderName};

/// A transport protocol that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransportKind {
    /// Datagrams
    Udp,
    /// A stream
    Tcp,
    /// A stream inside TLS
    Tls,
}

impl TransportKind {
    /// Lower case, as in URIs and listen addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Upper case, as in a Via.
    #[must_use]
    pub const fn as_via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether it delivers by itself (no retransmissions by transactions).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    /// 5060, and 5061 for TLS.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

/// The text names no transport that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport")]
pub struct UnknownTransport;

impl FromStr for TransportKind {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Self, UnknownTransport> {
        [Self::Udp, Self::Tcp, Self::Tls]
            .into_iter()
            .find(|t| t.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownTransport)
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One Via value: over what, from where, and the branch of the transaction.
///
/// # Examples
///
/// ```
/// use sip_core::{TransportKind, Via};
///
/// let via: Via = "SIP/2.0/TCP 192.0.2.20:50320;branch=z9hG4bKx;rport".parse().unwrap();
/// assert_eq!(via.transport(), Some(TransportKind::Tcp));
/// assert_eq!((via.host(), via.port(), via.branch()), ("192.0.2.20", Some(50320), Some("z9hG4bKx")));
/// let via = via.with_received("198.51.100.7:40000".parse().unwrap());
/// assert_eq!(via.response_addr(), Some("198.51.100.7:40000".parse().unwrap()));
/// ```
#[derive(Clone)]
pub struct Via {
    text: ByteString,
    parts: ViaParts,
}

/// Where the parts of a Via are in its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViaParts {
    transport: Span,
    host: Span,
    port: Option<u16>,
    branch: Span,
    params: Span,
}

impl Via {
    /// A Via of our own, with an empty `rport` (RFC 3581).
    ///
    /// `host`: a name or an address, IPv6 with or without brackets.
    ///
    /// # Errors
    ///
    /// When `host` or `branch` has a character that does not belong there.
    pub fn new(
        transport: TransportKind,
        host: &str,
        port: Option<u16>,
        branch: &str,
    ) -> Result<Self, HeaderError> {
        let mut text = format!("SIP/2.0/{} ", transport.as_via());
        if host.contains(':') && !host.starts_with('[') {
            text.extend(["[", host, "]"]);
        } else {
            text.push_str(host);
        }
        if let Some(port) = port {
            text.push(':');
            text.push_str(&port.to_string());
        }
        text.push_str(";branch=");
        text.push_str(branch);
        text.push_str(";rport");
        text.parse()
    }

    /// The transport, when it is one that we speak.
    #[must_use]
    pub fn transport(&self) -> Option<TransportKind> {
        self.transport_text().parse().ok()
    }

    /// The transport as written.
    #[must_use]
    pub fn transport_text(&self) -> &str {
        self.parts.transport.of(&self.text)
    }

    /// The host of sent-by as written (IPv6 with brackets).
    #[must_use]
    pub fn host(&self) -> &str {
        self.parts.host.of(&self.text)
    }

    /// The port of sent-by, when one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The branch; real clients leave it out.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        (!self.parts.branch.is_empty()).then(|| self.parts.branch.of(&self.text))
    }

    /// Whether the branch promises to be unique (`z9hG4bK`, RFC 3261 section 8.1.1.7).
    #[must_use]
    pub fn has_rfc3261_branch(&self) -> bool {
        self.branch()
            .is_some_and(|b| b.get(..7).is_some_and(|p| p.eq_ignore_ascii_case("z9hG4bK")) && b.len() > 7)
    }

    /// Where the request really came from, as the receiver noted.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.param("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The `rport` parameter: `None` not there, `Some(None)` asked for, `Some(Some(port))` filled in.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.param("rport").map(|p| p.parse().ok())
    }

    /// The value of a parameter without quotes, `Some("")` for a flag. Names are compared without case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        Params::new(self.parts.params.of(&self.text)).value_of(name)
    }

    /// Whether [`Self::with_received`] would change nothing, as far as that is told at one look: its only parameter is the
    /// branch, and it was sent by this very address.
    pub(crate) fn is_from(&self, source: SocketAddr) -> bool {
        let (params, branch) = (self.parts.params.of(&self.text), self.branch().unwrap_or_default());
        let alone = params.len() == ";branch=".len() + branch.len() && params.starts_with(";branch=");
        alone && self.host().parse::<IpAddr>().is_ok_and(|ip| ip == source.ip())
    }

    /// The same Via as the receiver notes it (RFC 3261 section 18.2.1, RFC 3581 section 4): `received` when sent-by is
    /// another address or `rport` was asked for, and `rport` with the real port when it was asked for.
    #[must_use]
    pub fn with_received(&self, source: SocketAddr) -> Self {
        let (mut asked, mut noted) = (false, false);
        for (name, _) in Params::new(self.parts.params.of(&self.text)) {
            asked |= name.eq_ignore_ascii_case("rport");
            noted |= name.eq_ignore_ascii_case("received");
        }
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let same = host.parse::<IpAddr>().is_ok_and(|ip| ip == source.ip());
        if same && !asked {
            return if noted { self.without(&["received"]) } else { self.clone() };
        }
        let mut text = self.without(&["received", "rport"]).text.to_string();
        if asked {
            text.push_str(&format!(";rport={}", source.port()));
        }
        text.push_str(&format!(";received={}", source.ip()));
        text.parse().unwrap_or_else(|_| self.clone())
    }

    /// Where a response over datagrams goes (RFC 3261 section 18.2.2): `received` and `rport` before sent-by. `None` when
    /// sent-by is a name and nothing was noted.
    #[must_use]
    pub fn response_addr(&self) -> Option<SocketAddr> {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let ip = self.received().or_else(|| host.parse().ok())?;
        let default = self.transport().map_or(5060, TransportKind::default_port);
        Some(SocketAddr::new(ip, self.rport().flatten().or(self.parts.port).unwrap_or(default)))
    }

    /// Whether both were sent by the same host and port; part of transaction matching.
    #[must_use]
    pub fn same_sent_by(&self, other: &Self) -> bool {
        self.parts.port == other.parts.port && self.host().eq_ignore_ascii_case(other.host())
    }

    /// The value as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same as a shared text.
    #[must_use]
    pub fn as_byte_string(&self) -> &ByteString {
        &self.text
    }

    fn without(&self, names: &[&str]) -> Self {
        if names.iter().all(|n| self.param(n).is_none()) {
            return self.clone();
        }
        let mut text = String::from(&self.text[..usize::from(self.parts.params.start)]);
        let start = usize::from(self.parts.params.start);
        // The text was checked when it was parsed.
        let _ = Cursor::new(&self.text, start).params(|name, value| {
            let name = name.of(&self.text);
            if !names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
                text.push(';');
                text.push_str(name);
                if !value.is_empty() {
                    text.push('=');
                    text.push_str(value.of(&self.text));
                }
            }
        });
        text.parse().unwrap_or_else(|_| self.clone())
    }

    /// Parses `item`, a slice of `owner`; the result shares the owner's bytes.
    fn parse_shared(owner: &ByteString, item: &str) -> Result<Self, Fault> {
        Ok(Self::of_parts(owner, item, ViaParts::find(item.as_bytes())?))
    }

    /// What was found in `item`, a slice of `owner`, as a value that shares the owner's bytes.
    pub(crate) fn of_parts(owner: &ByteString, item: &str, parts: ViaParts) -> Self {
        Self { text: owner.slice_ref(item), parts }
    }
}

impl ViaParts {
    /// Of no Via: nothing of it was found.
    pub(crate) const NONE: Self =
        Self { transport: Span::NONE, host: Span::NONE, port: None, branch: Span::NONE, params: Span::NONE };

    /// Finds the parts, and checks every byte.
    pub(crate) fn find(item: &[u8]) -> Result<Self, Fault> {
        let (parts, next) = Self::find_first(item)?;
        if next < item.len() { fault(HeaderErrorKind::Syntax, next) } else { Ok(parts) }
    }

    /// The same of the first Via of a list; where the list goes on, at a comma, or where it ends.
    pub(crate) fn find_first(text: &[u8]) -> Result<(Self, usize), Fault> {
        if text.len() > TEXT_MAX {
            return fault(HeaderErrorKind::TooLong, TEXT_MAX);
        }
        let mut cursor = Cursor::of_bytes(text, 0);
        let transport = protocol(&mut cursor)?;
        let host = lex::host(&mut cursor)?;
        let mut parts = Self { transport, host, params: Span::new(cursor.at, cursor.at), ..Self::NONE };
        cursor.skip_space();
        if cursor.eat(b':') {
            cursor.skip_space();
            parts.port = Some(cursor.port()?);
            parts.params = Span::new(cursor.at, cursor.at);
        }
        let mut branch = None;
        let mut twice = None;
        let params = cursor.some_params(|name, value| {
            if name.in_bytes(text).eq_ignore_ascii_case(b"branch") {
                twice = branch.map(|_| usize::from(name.start)).or(twice);
                branch = Some(value);
            }
        })?;
        if let Some(at) = twice {
            return fault(HeaderErrorKind::Duplicate, at);
        }
        if !params.is_empty() {
            parts.params = params;
        }
        parts.branch = branch.unwrap_or_default();
        match cursor.peek() {
            None | Some(b',') => Ok((parts, cursor.at)),
            Some(_) => fault(HeaderErrorKind::Syntax, cursor.at),
        }
    }

    /// Where the text of the Via ends.
    pub(crate) fn end(&self) -> usize {
        usize::from(self.params.end)
    }
}

/// `SIP / 2.0 / transport` with blanks as the grammar allows, and the blank after it; the span of the transport.
#[inline]
fn protocol(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    // As nearly everybody writes it.
    if cursor.rest().starts_with(b"SIP/2.0/") {
        cursor.at += b"SIP/2.0/".len();
        return transport(cursor);
    }
    any_protocol(cursor)
}

/// The same with the liberties of the grammar.
#[cold]
fn any_protocol(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    for expected in [b"SIP", b"2.0"] {
        let at = cursor.at;
        let found = cursor.take(lex::token)?;
        if !found.in_bytes(cursor.text()).eq_ignore_ascii_case(expected) {
            return fault(HeaderErrorKind::Version, at);
        }
        cursor.skip_space();
        if !cursor.eat(b'/') {
            return fault(HeaderErrorKind::Syntax, cursor.at);
        }
        cursor.skip_space();
    }
    transport(cursor)
}

#[inline]
fn transport(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    cursor.skip_space();
    let transport = cursor.take(lex::token)?;
    if !cursor.peek().is_some_and(lex::is_space) {
        return fault(HeaderErrorKind::Syntax, cursor.at);
    }
    cursor.skip_space();
    Ok(transport)
}

impl FromStr for Via {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let owner = ByteString::from(text);
        let item = owner.trim_matches([' ', '\t']);
        Self::parse_shared(&owner, item).map_err(|f| HeaderError::from_fault(HeaderName::Via, f))
    }
}

text_value!(Via);

#[cfg(test)]
#[path = "via_tests.rs"]
mod tests;
