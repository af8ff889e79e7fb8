//! Typed headers about bodies: what is acceptable, what is there, how it is coded and what it is for.

use std::fmt;

use bytestring::ByteString;

use super::lex::{self, Cursor, Fault, Params, fault};
use super::values::{Lines, single, token_and_params, tokens_of};
use super::{HeaderError, HeaderErrorKind, HeaderName, TypedHeader};

/// One range of an [`Accept`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRange {
    /// `type/subtype`, `type/*` or `*/*`.
    pub mime: ByteString,
    /// The `q` parameter in thousandths; 1000 when there is none, 0 is: not acceptable.
    pub quality: u16,
}

impl MediaRange {
    /// How closely it names `mime`: 3 the type itself, 2 `type/*`, 1 `*/*`, 0 not at all.
    fn closeness(&self, mime: &str) -> u8 {
        if self.mime.eq_ignore_ascii_case(mime) {
            return 3;
        }
        match self.mime.split_once('/') {
            Some(("*", "*")) => 1,
            Some((kind, "*")) => {
                let same = mime.split_once('/').is_some_and(|(k, _)| k.eq_ignore_ascii_case(kind));
                if same { 2 } else { 0 }
            }
            Some(_) | None => 0,
        }
    }
}

/// `Accept`: which bodies the sender reads (RFC 3261 section 20.1). An empty one admits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accept(
    /// The ranges in order, over all lines of the header.
    pub Vec<MediaRange>,
);

impl Accept {
    /// Whether a body of this `type/subtype` may be sent: the range that names it most closely decides.
    #[must_use]
    pub fn admits(&self, mime: &str) -> bool {
        let named = self.0.iter().filter(|range| range.closeness(mime) > 0);
        named.max_by_key(|range| (range.closeness(mime), range.quality)).is_some_and(|r| r.quality > 0)
    }
}

impl TypedHeader for Accept {
    const NAME: HeaderName = HeaderName::Accept;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let mut any = false;
        let mut ranges = Vec::new();
        for line in lines {
            any = true;
            for (at, item) in lex::list_items(line).filter(|(_, item)| !item.is_empty()) {
                let range = media_range(item)
                    .map_err(|f| HeaderError::from_fault(Self::NAME, Fault { at: at + f.at, ..f }))?;
                ranges.push(range);
            }
        }
        Ok(any.then_some(Self(ranges)))
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, range.mime)?;
            match range.quality {
                1000.. => {}
                q => write!(f, ";q=0.{q:03}")?,
            }
        }
        Ok(())
    }
}

fn media_range(item: &str) -> Result<MediaRange, Fault> {
    let (mime, params) = mime_and_params(item)?;
    let quality = match params.clone().value_of("q") {
        Some(text) => quality(text).ok_or(Fault { kind: HeaderErrorKind::Number, at: 0 })?,
        None => 1000,
    };
    Ok(MediaRange { mime, quality })
}

/// `qvalue`: 0 to 1 with at most three digits behind the point; in thousandths.
pub(crate) fn quality(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = rest.bytes().chain(*b"000").take(3).fold(0, |sum, b| sum * 10 + u16::from(b - b'0'));
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// `type/subtype` with blanks around the slash, and the parameters.
pub(super) fn mime_and_params(text: &str) -> Result<(ByteString, Params<'_>), Fault> {
    let mut cursor = Cursor::new(text, 0);
    let kind = cursor.token()?.of(text);
    cursor.skip_space();
    if !cursor.eat(b'/') {
        return fault(HeaderErrorKind::Syntax, cursor.at);
    }
    cursor.skip_space();
    let sub = cursor.token()?.of(text);
    let params = Params::new(cursor.params(|_, _| ())?.of(text));
    Ok((format!("{kind}/{sub}").into(), params))
}

/// `Content-Type`: `type/subtype` and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentType {
    /// `type/subtype` as written; compare without case, see [`ContentType::is`].
    pub mime: ByteString,
    /// The parameters in order, values without quotes.
    pub params: Vec<(ByteString, ByteString)>,
}

impl ContentType {
    /// A type without parameters.
    ///
    /// # Errors
    ///
    /// When it is not `type/subtype`.
    pub fn new(mime: &str) -> Result<Self, HeaderError> {
        Self::parse_value(mime).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }

    /// The same type with another parameter.
    #[must_use]
    pub fn with_param(mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Whether it is this `type/subtype`.
    #[must_use]
    pub fn is(&self, mime: &str) -> bool {
        self.mime.eq_ignore_ascii_case(mime)
    }

    /// Whether it is one of the `multipart` types.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.mime.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/"))
    }

    /// The value of a parameter, e.g. `charset` or `boundary`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    pub(crate) fn parse_value(text: &str) -> Result<Self, Fault> {
        let (mime, params) = mime_and_params(text)?;
        let params = params.map(|(n, v)| (n.into(), lex::unescaped(v.unwrap_or_default()).into())).collect();
        Ok(Self { mime, params })
    }
}

impl TypedHeader for ContentType {
    const NAME: HeaderName = HeaderName::ContentType;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        Self::parse_value(text).map(Some).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.mime.to_string();
        for (name, value) in self.params.iter().filter(|(name, _)| lex::is_token_text(name)) {
            // Values of MIME parameters are tokens or quoted, not hosts (RFC 3261 `m-value`).
            lex::push_param(&mut out, name, lex::is_token_text(value).then_some(&**value));
            if !lex::is_token_text(value) {
                out.push('=');
                lex::push_quoted(&mut out, value);
            }
        }
        f.write_str(&out)
    }
}

/// `Content-Encoding`: how the body is coded, in the order it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentEncoding(
    /// The codings in order, over all lines of the header.
    pub Vec<ByteString>,
);

impl TypedHeader for ContentEncoding {
    const NAME: HeaderName = HeaderName::ContentEncoding;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let mut any = false;
        let mut codings = Vec::new();
        for line in lines {
            any = true;
            for token in tokens_of(line) {
                codings.push(token.map_err(|f| HeaderError::from_fault(Self::NAME, f))?.into());
            }
        }
        Ok(any.then_some(Self(codings)))
    }
}

/// `Content-Disposition`: what the body is for (RFC 3261 section 20.11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentDisposition {
    /// `session`, `render`, `icon`, `alert`, ...
    pub kind: ByteString,
    /// The `handling` parameter: what to do when it is not understood.
    pub handling: Option<ByteString>,
}

impl ContentDisposition {
    /// Whether a receiver that does not understand the body may go on without it.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.handling.as_ref().is_some_and(|h| h.eq_ignore_ascii_case("optional"))
    }
}

impl TypedHeader for ContentDisposition {
    const NAME: HeaderName = HeaderName::ContentDisposition;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        let (kind, params) = token_and_params(text).map_err(|f| HeaderError::from_fault(Self::NAME, f))?;
        Ok(Some(Self { kind: kind.into(), handling: params.value_of("handling").map(ByteString::from) }))
    }
}
