//! `name=value` lists of the authentication headers (RFC 3261 section 25.1, `auth-param`).

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::character::complete::{char, satisfy, space0};
use nom::combinator::{eof, recognize};
use nom::multi::many0_count;
use nom::sequence::{delimited, separated_pair, terminated};
use nom::{IResult, Parser};

use crate::header::{HeaderError, HeaderErrorKind, HeaderName, lex};

/// Parameters of one value; RFC 7616 knows 13.
const PARAMS_MAX: usize = 32;
/// Bytes of one value.
const VALUE_MAX: usize = 4096;

/// The parameters of one value, unquoted.
#[derive(Debug)]
pub(super) struct AuthParams<'a> {
    header: HeaderName,
    list: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> AuthParams<'a> {
    /// Reads `scheme name=value, ...`; `None` for another scheme than this.
    pub(super) fn scheme(
        header: HeaderName,
        text: &'a str,
        wanted: &str,
    ) -> Result<Option<Self>, HeaderError> {
        let text = text.trim_matches(is_blank);
        let (scheme, rest) = text.split_once(is_blank).unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case(wanted) {
            return Ok(None);
        }
        Self::list(header, rest).map(Some)
    }

    /// Reads `name=value, ...`, with or without this scheme before it; `None` when there is another one.
    pub(super) fn list_of(
        header: HeaderName,
        text: &'a str,
        wanted: &str,
    ) -> Result<Option<Self>, HeaderError> {
        let trimmed = text.trim_matches(is_blank);
        let word = trimmed.split(is_blank).next().unwrap_or_default();
        let behind = trimmed[word.len()..].trim_start_matches(is_blank);
        let is_scheme = !word.is_empty() && lex::is_token_text(word) && !behind.starts_with('=');
        if is_scheme { Self::scheme(header, trimmed, wanted) } else { Self::list(header, trimmed).map(Some) }
    }

    /// Reads `name=value, ...`.
    pub(super) fn list(header: HeaderName, text: &'a str) -> Result<Self, HeaderError> {
        let fail = |kind, offset| Err(HeaderError::new(header, kind, offset));
        if text.len() > VALUE_MAX {
            return fail(HeaderErrorKind::TooLong, VALUE_MAX);
        }
        let mut this = Self { header, list: Vec::new() };
        let mut rest = text.trim_start_matches(is_blank);
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let Ok((after, (name, value))) = auth_param(rest) else {
                return fail(HeaderErrorKind::Syntax, at);
            };
            if this.get(name).is_some() {
                return fail(HeaderErrorKind::Duplicate, at);
            }
            if this.list.len() == PARAMS_MAX {
                return fail(HeaderErrorKind::TooMany, at);
            }
            this.list.push((name, value));
            rest = after;
        }
        Ok(this)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<String, HeaderError> {
        self.owned(name).ok_or_else(|| self.syntax())
    }

    pub(super) fn syntax(&self) -> HeaderError {
        HeaderError::new(self.header, HeaderErrorKind::Syntax, 0)
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// `auth-param = auth-param-name EQUAL ( token / quoted-string )`, with the comma or the end behind it.
fn auth_param(input: &str) -> IResult<&str, (&str, Cow<'_, str>)> {
    let end = alt((recognize((char(','), space0)), eof));
    let param = separated_pair(token, (space0, char('='), space0), alt((quoted, plain)));
    terminated(param, (space0, end)).parse(input)
}

fn token(input: &str) -> IResult<&str, &str> {
    take_while1(|c: char| u8::try_from(c).is_ok_and(lex::is_token)).parse(input)
}

/// What stands up to a comma or blank. Old peers write URIs and base64 without quotes.
fn plain(input: &str) -> IResult<&str, Cow<'_, str>> {
    let plain = |c: char| !(is_blank(c) || c.is_control() || matches!(c, ',' | '"' | '\\'));
    take_while1(plain).map(Cow::Borrowed).parse(input)
}

/// A quoted string, without its quotes and escapes.
fn quoted(input: &str) -> IResult<&str, Cow<'_, str>> {
    let text = take_while1(|c: char| !(c.is_control() || matches!(c, '"' | '\\')));
    let escape = recognize((char('\\'), satisfy(|c| !c.is_control())));
    let inside = recognize(many0_count(alt((text, escape))));
    delimited(char('"'), inside, char('"')).map(unescape).parse(input)
}

fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('\\') { Cow::Owned(lex::unescaped(text)) } else { Cow::Borrowed(text) }
}

/// Writes `name=value, ...`, quoted where the grammar wants quotes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    begun: bool,
}

impl Writer {
    /// Begins with the scheme.
    pub(super) fn scheme(name: &str) -> Self {
        Self { text: name.to_owned(), begun: false }
    }

    fn name(&mut self, name: &str) {
        if self.begun {
            self.text.push(',');
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.begun = true;
        self.text.push_str(name);
        self.text.push('=');
    }

    pub(super) fn quoted(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        lex::push_quoted(&mut self.text, value);
        self
    }

    pub(super) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.quoted(name, value),
            None => self,
        }
    }

    pub(super) fn plain(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.text.push_str(value);
        self
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
