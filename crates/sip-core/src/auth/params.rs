//! `name=value` lists of the authentication headers (RFC 3261 section 25.1, `auth-param`).

use std::borrow::Cow;

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
    /// Reads `scheme name=value, ...`; `None` for another scheme than Digest.
    pub(super) fn digest(header: HeaderName, text: &'a str) -> Result<Option<Self>, HeaderError> {
        let text = text.trim_matches(is_blank);
        let (scheme, rest) = text.split_once(is_blank).unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Ok(None);
        }
        Self::list(header, rest).map(Some)
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
            let Some((name, value)) = rest.split_once('=') else { return fail(HeaderErrorKind::Syntax, at) };
            let name = name.trim_end_matches(is_blank);
            if !lex::is_token_text(name) {
                return fail(HeaderErrorKind::Syntax, at);
            }
            if this.get(name).is_some() {
                return fail(HeaderErrorKind::Duplicate, at);
            }
            if this.list.len() == PARAMS_MAX {
                return fail(HeaderErrorKind::TooMany, at);
            }
            let value = value.trim_start_matches(is_blank);
            let Some((value, after)) = take_value(value) else { return fail(HeaderErrorKind::Syntax, at) };
            this.list.push((name, value));
            let after = after.trim_start_matches(is_blank);
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start_matches(is_blank),
                None if after.is_empty() => after,
                None => return fail(HeaderErrorKind::Syntax, text.len() - after.len()),
            };
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

/// A quoted string without its quotes and escapes, or what stands up to a comma or blank; and the text behind it.
fn take_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c| is_blank(c) || c == ',').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        let plain = !value.is_empty() && !value.contains(|c: char| c == '"' || c == '\\' || c.is_control());
        return plain.then_some((Cow::Borrowed(value), rest));
    };
    let mut out = Cow::Borrowed("");
    let mut from = 0;
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                append(&mut out, &quoted[from..at]);
                return Some((out, &quoted[at + 1..]));
            }
            '\\' => {
                append(&mut out, &quoted[from..at]);
                let (next, escaped) = chars.next()?;
                if escaped.is_control() {
                    return None;
                }
                from = next;
            }
            c if c.is_control() => return None,
            _ => {}
        }
    }
    None
}

fn append<'a>(out: &mut Cow<'a, str>, piece: &'a str) {
    if out.is_empty() {
        *out = Cow::Borrowed(piece);
    } else if !piece.is_empty() {
        out.to_mut().push_str(piece);
    }
}

/// Writes `name=value, ...`, quoted where the grammar wants quotes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    begun: bool,
}

impl Writer {
    /// Begins with the scheme.
    pub(super) fn digest() -> Self {
        Self { text: "Digest".to_owned(), begun: false }
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
