//! Typed headers about how bodies may be coded, in which languages they may be, and how long they are: Accept-Encoding,
//! Accept-Language, Content-Language, Content-Length.

use std::fmt;

use bytestring::ByteString;

use super::content::quality;
use super::lex::{self, Fault, fault};
use super::values::{Lines, token_and_params};
use super::{HeaderError, HeaderErrorKind, HeaderName, TypedHeader};

/// One value of a list in which each has a weight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Weighted {
    /// A content coding or a language range; `*` is any other one.
    pub value: ByteString,
    /// The `q` parameter in thousandths; 1000 when there is none, 0 is: not acceptable.
    pub quality: u16,
}

fn weighted(item: &str, legal: fn(&str) -> bool) -> Result<Weighted, Fault> {
    let (value, params) = token_and_params(item)?;
    if !legal(value) {
        return fault(HeaderErrorKind::Syntax, 0);
    }
    let quality = match params.value_of("q") {
        Some(text) => quality(text).ok_or(Fault { kind: HeaderErrorKind::Number, at: 0 })?,
        None => 1000,
    };
    Ok(Weighted { value: value.into(), quality })
}

/// The items of all lines, empty ones left out, as RFC 3261 section 7.3.1 readers do; `None` when there is no line.
fn items<T>(
    name: HeaderName,
    lines: Lines<'_, '_>,
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Result<Option<Vec<T>>, HeaderError> {
    let mut found = None;
    for line in lines {
        let list = found.get_or_insert_with(Vec::new);
        for (at, item) in lex::list_items(line).filter(|(_, item)| !item.is_empty()) {
            list.push(read(item).map_err(|f| HeaderError::from_fault(name, f.behind(at)))?);
        }
    }
    Ok(found)
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    list: &[T],
    one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in list.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        one(f, item)?;
    }
    Ok(())
}

fn write_weighted(f: &mut fmt::Formatter<'_>, item: &Weighted) -> fmt::Result {
    match item.quality {
        1000.. => f.write_str(&item.value),
        q => write!(f, "{};q=0.{q:03}", item.value),
    }
}

/// `Accept-Encoding`: how the bodies may be coded that the sender reads (RFC 3261 section 20.2).
///
/// # Examples
///
/// ```
/// use sip_core::header::{AcceptEncoding, TypedHeader};
///
/// let accept = AcceptEncoding::parse_all(&mut ["gzip;q=0.5, deflate"].into_iter()).unwrap().unwrap();
/// assert_eq!((accept.quality("GZIP"), accept.quality("deflate"), accept.quality("compress")), (500, 1000, 0));
/// assert_eq!(accept.quality("identity"), 1000);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptEncoding(
    /// The codings in order, over all lines of the header. An empty one admits `identity` only.
    pub Vec<Weighted>,
);

impl AcceptEncoding {
    /// How much a coding is wished for, in thousandths; 0 is: not acceptable. `identity` is, unless it is excluded
    /// (RFC 2616 section 14.3).
    #[must_use]
    pub fn quality(&self, coding: &str) -> u16 {
        let of = |name: &str| self.0.iter().find(|w| w.value.eq_ignore_ascii_case(name)).map(|w| w.quality);
        let default = if coding.eq_ignore_ascii_case("identity") { 1000 } else { 0 };
        of(coding).or_else(|| of("*")).unwrap_or(default)
    }
}

impl TypedHeader for AcceptEncoding {
    const NAME: HeaderName = HeaderName::AcceptEncoding;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        Ok(items(Self::NAME, lines, |item| weighted(item, |_| true))?.map(Self))
    }
}

impl fmt::Display for AcceptEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, write_weighted)
    }
}

/// `Accept-Language`: in which languages reason phrases, descriptions and bodies may be (RFC 3261 section 20.3).
///
/// # Examples
///
/// ```
/// use sip_core::header::{AcceptLanguage, TypedHeader};
///
/// let accept = AcceptLanguage::parse_all(&mut ["da, en-gb;q=0.8, en;q=0.7"].into_iter()).unwrap().unwrap();
/// assert_eq!((accept.quality("en-GB"), accept.quality("en-us"), accept.quality("de")), (800, 700, 0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptLanguage(
    /// The ranges in order, over all lines of the header.
    pub Vec<Weighted>,
);

impl AcceptLanguage {
    /// How much a language is wished for, in thousandths; 0 is: not acceptable. The longest range decides that the tag is or
    /// begins with (RFC 2616 section 14.4).
    #[must_use]
    pub fn quality(&self, tag: &str) -> u16 {
        let within = |range: &str| {
            let (Some(start), rest) = (tag.get(..range.len()), tag.get(range.len()..)) else { return false };
            start.eq_ignore_ascii_case(range)
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let named = self.0.iter().filter(|w| within(&w.value)).max_by_key(|w| w.value.len());
        named.or_else(|| self.0.iter().find(|w| &*w.value == "*")).map_or(0, |w| w.quality)
    }
}

impl TypedHeader for AcceptLanguage {
    const NAME: HeaderName = HeaderName::AcceptLanguage;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let legal = |text: &str| text == "*" || is_language(text);
        Ok(items(Self::NAME, lines, |item| weighted(item, legal))?.map(Self))
    }
}

impl fmt::Display for AcceptLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, write_weighted)
    }
}

/// Parts of one to eight letters or digits with `-` between them; the first has letters only (RFC 3066 section 2.1).
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let fits = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    parts.next().is_some_and(|first| fits(first) && first.bytes().all(|b| b.is_ascii_alphabetic()))
        && parts.all(fits)
}

/// `Content-Language`: for whom the body is (RFC 3261 section 20.13).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentLanguage(
    /// The language tags in order, over all lines of the header.
    pub Vec<ByteString>,
);

impl TypedHeader for ContentLanguage {
    const NAME: HeaderName = HeaderName::ContentLanguage;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let tag = |item: &str| match is_language(item) {
            true => Ok(ByteString::from(item)),
            false => fault(HeaderErrorKind::Syntax, 0),
        };
        Ok(items(Self::NAME, lines, tag)?.map(Self))
    }
}

impl fmt::Display for ContentLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0, |f, tag| f.write_str(tag))
    }
}

/// `Content-Length`: bytes of the body (RFC 3261 section 20.14). A message that was parsed has this many, or more came in its
/// datagram; drafts compute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentLength(
    /// Bytes.
    pub u64,
);

impl TypedHeader for ContentLength {
    const NAME: HeaderName = HeaderName::ContentLength;

    /// Several lines may say the same.
    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let mut found = None;
        for line in lines {
            let error = |kind| HeaderError::new(Self::NAME, kind, 0);
            let length = lex::decimal(line.as_bytes()).ok_or(error(HeaderErrorKind::Number))?;
            if found.replace(length).is_some_and(|other| other != length) {
                return Err(error(HeaderErrorKind::Duplicate));
            }
        }
        Ok(found.map(Self))
    }
}

impl fmt::Display for ContentLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<H: TypedHeader>(lines: &[&str]) -> Result<Option<H>, HeaderErrorKind> {
        H::parse_all(&mut lines.iter().copied()).map_err(|error| error.kind)
    }

    #[test]
    fn codings_and_their_weights() {
        let accept = |line: &str| read::<AcceptEncoding>(&[line]).unwrap().unwrap();
        let rows = [
            ("", "identity", 1000),
            ("", "gzip", 0),
            ("gzip", "identity", 1000),
            ("*;q=0", "identity", 0),
            ("*;q=0, identity;q=0.5", "identity", 500),
            ("identity;q=0", "IDENTITY", 0),
            ("gzip;q=1.000,*;q=0.25", "br", 250),
            ("gzip ; Q = 0.1", "gzip", 100),
        ];
        for (line, coding, expected) in rows {
            assert_eq!(accept(line).quality(coding), expected, "{line:?}: {coding}");
            assert_eq!(accept(&accept(line).to_string()), accept(line), "{line:?}");
        }
        for bad in ["gzip;q=2", "gzip;q=0.1234", "a b", "gzip;"] {
            assert!(read::<AcceptEncoding>(&[bad]).is_err(), "{bad:?}");
        }
        assert_eq!(read::<AcceptEncoding>(&[]), Ok(None));
        assert_eq!(read::<AcceptEncoding>(&["gzip", "deflate"]).unwrap().unwrap().0.len(), 2);
    }

    #[test]
    fn languages_by_their_longest_range() {
        let accept = |line: &str| read::<AcceptLanguage>(&[line]).unwrap().unwrap();
        let rows = [
            ("en", "en", 1000),
            ("en", "en-us", 1000),
            ("en", "eng", 0),
            ("en-us", "en", 0),
            ("en;q=0.1, en-US;q=0.2, *;q=0.3", "en-us-x", 200),
            ("en;q=0.1, *;q=0.3", "de", 300),
            ("", "de", 0),
            ("zh-Hant-1996", "zh-hant-1996", 1000),
            ("en", "é", 0),
        ];
        for (line, tag, expected) in rows {
            assert_eq!(accept(line).quality(tag), expected, "{line:?}: {tag}");
            assert_eq!(accept(&accept(line).to_string()), accept(line), "{line:?}");
        }
        for bad in ["e1", "en-", "en--us", "abcdefghi", "en_us", "en;q=x"] {
            assert!(read::<AcceptLanguage>(&[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_body_says_of_itself() {
        assert_eq!(read::<ContentLanguage>(&["fr, en-CA"]).unwrap().unwrap().to_string(), "fr, en-CA");
        assert_eq!(read::<ContentLanguage>(&["*"]), Err(HeaderErrorKind::Syntax));
        assert_eq!(read::<ContentLength>(&["017", "17"]), Ok(Some(ContentLength(17))));
        assert_eq!(read::<ContentLength>(&["17", "18"]), Err(HeaderErrorKind::Duplicate));
        for bad in ["", "-1", "1 2", "18446744073709551616"] {
            assert_eq!(read::<ContentLength>(&[bad]), Err(HeaderErrorKind::Number), "{bad:?}");
        }
    }
}
