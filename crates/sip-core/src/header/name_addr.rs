//! Addresses in headers: `"Name" <uri>;param=value` (From, To, Contact, Route, ...).

use std::borrow::Cow;
use std::str::FromStr;

use bytestring::ByteString;

use super::lex::{self, Cursor, Fault, Params, Span, TEXT_MAX, fault};
use super::{HeaderError, HeaderErrorKind, HeaderName};
use crate::uri::{self, Uri};

/// A URI with a display name and header parameters; a slice of the message it came in.
///
/// `==` compares the text.
///
/// # Examples
///
/// ```
/// use sip_core::NameAddr;
///
/// let from: NameAddr = r#""Bob" <sip:bob@example.com>;tag=42;epid=0b01"#.parse().unwrap();
/// assert_eq!(from.display(), Some("Bob"));
/// assert_eq!(from.uri().as_str(), "sip:bob@example.com");
/// assert_eq!((from.tag(), from.param("epid")), (Some("42"), Some("0b01")));
/// assert_eq!(from.with_tag("7").to_string(), r#""Bob" <sip:bob@example.com>;epid=0b01;tag=7"#);
/// ```
#[derive(Clone)]
pub struct NameAddr {
    /// It has the text of the whole value.
    uri: Uri,
    display: Span,
    tag: Span,
    params: Span,
}

impl NameAddr {
    /// An address without display name and parameters.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        let text = ByteString::from(format!("<{uri}>"));
        Self::try_from(text.clone()).unwrap_or_else(|_| {
            // Only a URI at the length limit: without its brackets it still fits.
            let end = Span::new(uri.as_str().len(), uri.as_str().len());
            let uri = Uri::of_parts(uri.to_byte_string(), *uri.parts());
            Self { uri, display: Span::default(), tag: end, params: end }
        })
    }

    /// The same address with a display name; an empty one removes it.
    #[must_use]
    pub fn with_display(&self, name: &str) -> Self {
        let mut text = String::with_capacity(self.as_str().len() + name.len() + 4);
        if !name.is_empty() {
            lex::push_quoted(&mut text, name);
            text.push(' ');
        }
        self.push_uri(&mut text);
        text.push_str(self.params.of(self.as_str()));
        self.rebuilt(text)
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The display name as written, without quotes, escapes kept; see [`NameAddr::display_text`].
    #[must_use]
    pub fn display(&self) -> Option<&str> {
        let text = lex::unquote(self.display.of(self.as_str()));
        (!text.is_empty()).then_some(text)
    }

    /// The display name for people: without quotes and escapes.
    #[must_use]
    pub fn display_text(&self) -> Option<Cow<'_, str>> {
        let text = self.display()?;
        if !text.contains('\\') {
            return Some(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
        }
        Some(Cow::Owned(out))
    }

    /// The `tag` parameter.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        (!self.tag.is_empty()).then(|| self.tag.of(self.as_str()))
    }

    /// The value of a header parameter without quotes, `Some("")` for a flag. Names are compared without case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().value_of(name)
    }

    /// All header parameters in order.
    #[must_use]
    pub fn params(&self) -> Params<'_> {
        Params::new(self.params.of(self.as_str()))
    }

    /// The same address with this tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    /// The same address without a tag.
    #[must_use]
    pub fn without_tag(&self) -> Self {
        self.without_param("tag")
    }

    /// The same address with a header parameter added, or replaced; `None` makes it a flag.
    ///
    /// A value that is no token is quoted; characters that could end the header line are replaced.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let mut text = self.text_without(name);
        lex::push_param(&mut text, name, value);
        self.rebuilt(text)
    }

    /// The same address without a header parameter.
    #[must_use]
    pub fn without_param(&self, name: &str) -> Self {
        if self.param(name).is_none() { self.clone() } else { self.rebuilt(self.text_without(name)) }
    }

    /// The value as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.uri.within()
    }

    /// The same as a shared text.
    #[must_use]
    pub fn as_byte_string(&self) -> &ByteString {
        self.uri.within()
    }

    /// The same address in memory of its own: what outlives a message keeps a copy, not the message.
    #[must_use]
    pub fn detached(&self) -> Self {
        let uri = self.uri.with_value_detached();
        Self { uri, display: self.display, tag: self.tag, params: self.params }
    }

    fn push_uri(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.uri.as_str());
        out.push('>');
    }

    fn text_without(&self, name: &str) -> String {
        let mut text = String::with_capacity(self.as_str().len() + 40);
        let display = self.display.of(self.as_str());
        if !display.is_empty() {
            text.push_str(display);
            text.push(' ');
        }
        self.push_uri(&mut text);
        for (kept, value) in self.raw_params().filter(|(n, _)| !n.eq_ignore_ascii_case(name)) {
            text.push(';');
            text.push_str(kept);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }

    /// Names and values, quotes kept.
    fn raw_params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let mut found = Vec::new();
        let start = usize::from(self.params.start);
        let checked = Cursor::new(self.as_str(), start).params(|name, value| {
            found.push((name.of(self.as_str()), (!value.is_empty()).then(|| value.of(self.as_str()))));
        });
        debug_assert!(checked.is_ok(), "checked when it was parsed");
        found.into_iter()
    }

    /// What we made of checked parts parses again, unless it grew over the length limit: then nothing changes.
    fn rebuilt(&self, text: String) -> Self {
        Self::try_from(ByteString::from(text)).unwrap_or_else(|_| self.clone())
    }

    /// Parses `item`, a slice of `owner`; the result shares the owner's bytes.
    pub(crate) fn parse_shared(owner: &ByteString, item: &str) -> Result<Self, Fault> {
        Ok(Self::of_parts(owner, item, AddressParts::find(item.as_bytes())?))
    }

    /// What was found in `item`, a slice of `owner`, as a value that shares the owner's bytes.
    pub(crate) fn of_parts(owner: &ByteString, item: &str, found: AddressParts) -> Self {
        let AddressParts { display, uri, uri_parts, tag, params } = found;
        let uri = Uri::in_value(owner.slice_ref(item), uri, uri_parts);
        Self { uri, display, tag, params }
    }
}

/// Where the parts of an address are in its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressParts {
    display: Span,
    uri: Span,
    uri_parts: uri::Parts,
    tag: Span,
    params: Span,
}

impl AddressParts {
    /// Of no address: nothing of it was found.
    pub(crate) const NONE: Self = Self {
        display: Span::NONE,
        uri: Span::NONE,
        uri_parts: uri::Parts::NONE,
        tag: Span::NONE,
        params: Span::NONE,
    };

    /// Finds the parts, and checks every byte.
    pub(crate) fn find(text: &[u8]) -> Result<Self, Fault> {
        let (parts, next) = Self::find_first(text)?;
        if next < text.len() { fault(HeaderErrorKind::Syntax, next) } else { Ok(parts) }
    }

    /// The same of the first address of a list; where the list goes on, at a comma, or where it ends.
    pub(crate) fn find_first(text: &[u8]) -> Result<(Self, usize), Fault> {
        if text.len() > TEXT_MAX {
            return fault(HeaderErrorKind::TooLong, TEXT_MAX);
        }
        let mut cursor = Cursor::of_bytes(text, 0);
        cursor.skip_space();
        let start = cursor.at;
        let mut display = Span::new(start, start);
        match cursor.peek() {
            Some(b'<') => {}
            Some(b'"') => {
                display = cursor.quoted()?;
                cursor.skip_space();
            }
            _ => {
                let first = |b: &u8| matches!(b, b'<' | b';' | b'"' | b',');
                match cursor.rest().iter().position(first).map(|len| start + len) {
                    Some(at) if text[at] == b'<' => {
                        cursor.at = at;
                        display = unquoted_display(text, start, at)?;
                    }
                    _ => return Self::addr_spec(cursor),
                }
            }
        }
        if !cursor.eat(b'<') {
            return fault(HeaderErrorKind::Syntax, cursor.at);
        }
        let start = cursor.at;
        let (uri_parts, len) = match uri::usual_parts(cursor.rest()) {
            Some((parts, len)) if cursor.rest().get(len) == Some(&b'>') => (parts, len),
            Some(_) | None => any_uri(cursor)?,
        };
        cursor.at += len + 1;
        Self::with_params(cursor, display, Span::new(start, start + len), uri_parts)
    }

    /// Without angle brackets all parameters are the header's, and the URI has no headers (RFC 3261 section 20.10).
    #[inline(never)]
    fn addr_spec(mut cursor: Cursor<'_>) -> Result<(Self, usize), Fault> {
        let (start, rest) = (cursor.at, cursor.rest());
        let end = |b: &u8| matches!(b, b';' | b',') || lex::is_space(*b);
        let len = rest.iter().position(end).unwrap_or(rest.len());
        let text = &rest[..len];
        if let Some(bad) = memchr::memchr(b'?', text) {
            return fault(HeaderErrorKind::Syntax, start + bad);
        }
        let parts = uri::parse_parts(text).map_err(|e| at_uri(start, e))?;
        cursor.at += len;
        Self::with_params(cursor, Span::new(start, start), Span::new(start, start + len), parts)
    }

    #[inline]
    fn with_params(
        mut cursor: Cursor<'_>,
        display: Span,
        uri: Span,
        uri_parts: uri::Parts,
    ) -> Result<(Self, usize), Fault> {
        let mut tag = Span::NONE;
        let mut twice = None;
        let text = cursor.text();
        let params = cursor.some_params(|name, value| {
            if name.in_bytes(text).eq_ignore_ascii_case(b"tag") {
                twice = (tag != Span::NONE).then_some(usize::from(name.start)).or(twice);
                tag = value;
            }
        })?;
        if let Some(at) = twice {
            return fault(HeaderErrorKind::Duplicate, at);
        }
        match cursor.peek() {
            None | Some(b',') => Ok((Self { display, uri, uri_parts, tag, params }, cursor.at)),
            Some(_) => fault(HeaderErrorKind::Syntax, cursor.at),
        }
    }

    /// Where the text of the address ends.
    pub(crate) fn end(&self) -> usize {
        usize::from(self.params.end)
    }
}

/// The URI before the next `>`, and its length.
#[cold]
fn any_uri(cursor: Cursor<'_>) -> Result<(uri::Parts, usize), Fault> {
    match memchr::memchr(b'>', cursor.rest()) {
        Some(len) => match uri::any_parts(&cursor.rest()[..len]) {
            Ok(parts) => Ok((parts, len)),
            Err(error) => Err(at_uri(cursor.at, error)),
        },
        None => fault(HeaderErrorKind::Unterminated, cursor.at),
    }
}

fn at_uri(start: usize, error: uri::UriError) -> Fault {
    Fault { at: start + error.offset, kind: error.into() }
}

/// `*(token LWS)`, read leniently: anything but specials and control characters.
fn unquoted_display(text: &[u8], start: usize, end: usize) -> Result<Span, Fault> {
    let mut name = &text[start..end];
    while let [rest @ .., b' ' | b'\t'] = name {
        name = rest;
    }
    let special =
        |b: &u8| matches!(b, b',' | b'"' | b'>' | b'\\' | b'@') || (*b < b' ' && *b != b'\t') || *b == 0x7f;
    match name.iter().position(special) {
        Some(at) => fault(HeaderErrorKind::Syntax, start + at),
        None => Ok(Span::new(start, start + name.len())),
    }
}

impl TryFrom<ByteString> for NameAddr {
    type Error = HeaderError;

    fn try_from(text: ByteString) -> Result<Self, HeaderError> {
        let trimmed = text.trim_matches([' ', '\t']);
        Self::parse_shared(&text, trimmed).map_err(|f| HeaderError::from_fault(HeaderName::Other, f))
    }
}

impl FromStr for NameAddr {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        Self::try_from(ByteString::from(text))
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

text_value!(NameAddr);

#[cfg(test)]
#[path = "name_addr_tests.rs"]
mod tests;
