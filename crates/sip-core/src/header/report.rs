//! Typed headers that say why, when and what else: Warning, Reason, Date, Retry-After, diagnostics, dialog recovery.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytestring::ByteString;
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

use super::lex::{self, Cursor, Fault, fault};
use super::values::{Lines, number, number_and_params, single, token_and_params, tokens_of};
use super::{HeaderError, HeaderErrorKind, HeaderName, TypedHeader};

/// One value of a [`Warning`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WarningValue {
    /// Three digits, e.g. 399 for anything.
    pub code: u16,
    /// Host or pseudonym of who warns.
    pub agent: ByteString,
    /// The text without quotes and escapes.
    pub text: ByteString,
}

/// `Warning` (RFC 3261 section 20.43).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warning(
    /// The values in order, over all lines of the header.
    pub Vec<WarningValue>,
);

impl Warning {
    /// One warning; the code becomes three digits, an agent that is none `-`.
    #[must_use]
    pub fn new(code: u16, agent: &str, text: &str) -> Self {
        let legal =
            !agent.is_empty() && agent.bytes().all(|b| b > b' ' && b != 0x7f && b != b'"' && b != b',');
        let agent = if legal { agent } else { "-" };
        Self(vec![WarningValue { code: code.clamp(100, 999), agent: agent.into(), text: text.into() }])
    }
}

impl TypedHeader for Warning {
    const NAME: HeaderName = HeaderName::Warning;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let mut any = false;
        let mut values = Vec::new();
        for line in lines {
            any = true;
            for (at, item) in lex::list_items(line) {
                let value = warning(item)
                    .map_err(|f| HeaderError::from_fault(Self::NAME, Fault { at: at + f.at, ..f }))?;
                values.push(value);
            }
        }
        Ok(any.then_some(Self(values)))
    }
}

/// `code SP agent SP "text"`.
fn warning(item: &str) -> Result<WarningValue, Fault> {
    let (code, rest) = item.split_once(' ').ok_or(Fault { kind: HeaderErrorKind::Syntax, at: 0 })?;
    let number = lex::decimal(code.as_bytes()).filter(|n| code.len() == 3 && *n >= 100);
    let Some(code) = number else { return fault(HeaderErrorKind::Number, 0) };
    let rest = rest.trim_start_matches([' ', '\t']);
    let at = item.len() - rest.len();
    let Some((agent, text)) = rest.split_once([' ', '\t']).filter(|(agent, _)| !agent.contains('"')) else {
        return fault(HeaderErrorKind::Syntax, at);
    };
    let text = text.trim_start_matches([' ', '\t']);
    let at = item.len() - text.len();
    let mut cursor = Cursor::new(text, 0);
    if cursor.peek() != Some(b'"') {
        return fault(HeaderErrorKind::Syntax, at);
    }
    cursor.quoted().map_err(|f| Fault { at: at + f.at, ..f })?;
    if cursor.at < text.len() {
        return fault(HeaderErrorKind::Syntax, at + cursor.at);
    }
    Ok(WarningValue {
        code: code as u16,
        agent: agent.into(),
        text: lex::unescaped(lex::unquote(text)).into(),
    })
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            let mut text = String::new();
            lex::push_quoted(&mut text, &value.text);
            write!(f, "{}{} {} {text}", if i == 0 { "" } else { ", " }, value.code, value.agent)?;
        }
        Ok(())
    }
}

/// One value of `Reason` (RFC 3326): why a request was sent. Only the first value is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason {
    /// `SIP`, `Q.850`, ...
    pub protocol: ByteString,
    /// The `cause` parameter.
    pub cause: Option<u32>,
    /// The `text` parameter without quotes.
    pub text: Option<ByteString>,
}

impl TypedHeader for Reason {
    const NAME: HeaderName = HeaderName::Reason;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some((at, item)) = lines.next().and_then(|line| lex::list_items(line).next()) else {
            return Ok(None);
        };
        let error = |f: Fault| HeaderError::from_fault(Self::NAME, Fault { at: at + f.at, ..f });
        let (protocol, params) = token_and_params(item).map_err(error)?;
        let cause = params.clone().value_of("cause").map(number).transpose().map_err(error)?;
        let text = params.value_of("text").map(|t| lex::unescaped(t).into());
        Ok(Some(Self { protocol: protocol.into(), cause, text }))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, " ;cause={cause}")?;
        }
        let Some(text) = &self.text else { return Ok(()) };
        let mut quoted = String::new();
        lex::push_quoted(&mut quoted, text);
        write!(f, " ;text={quoted}")
    }
}

/// `Retry-After` with all it says (RFC 3261 section 20.33); [`super::RetryAfter`] is the number alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RetryInfo {
    /// When to try again, in seconds.
    pub seconds: u32,
    /// The comment without its parentheses.
    pub comment: Option<ByteString>,
    /// The `duration` parameter: how long it is then available, in seconds.
    pub duration: Option<u32>,
}

impl TypedHeader for RetryInfo {
    const NAME: HeaderName = HeaderName::RetryAfter;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        let error = |f: Fault| HeaderError::from_fault(Self::NAME, f);
        let mut cursor = Cursor::new(text, 0);
        let seconds = number(cursor.digits().map_err(error)?.of(text)).map_err(error)?;
        cursor.skip_space();
        let mut comment = None;
        if cursor.peek() == Some(b'(') {
            let end = comment_end(text, cursor.at).map_err(error)?;
            comment = Some(lex::unescaped(&text[cursor.at + 1..end - 1]).into());
            cursor.at = end;
        }
        let params = lex::Params::new(cursor.params(|_, _| ()).map_err(error)?.of(text));
        let duration = params.value_of("duration").map(number).transpose().map_err(error)?;
        Ok(Some(Self { seconds, comment, duration }))
    }
}

/// The end of the comment that begins at `start`: comments nest, and escape as quoted strings do.
fn comment_end(text: &str, start: usize) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, start);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return Ok(at),
            b')' => depth -= 1,
            b'\\' => at += 1,
            _ => {}
        }
    }
    fault(HeaderErrorKind::Unterminated, start)
}

/// `Date` (RFC 3261 section 20.17): always GMT, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// Seconds since 1970-01-01 00:00:00 GMT.
    pub unix_s: u64,
}

impl Date {
    /// The date of a system time; earlier ones than 1970 are taken for 1970.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self { unix_s: time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) }
    }

    /// The same as a system time.
    #[must_use]
    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.unix_s)
    }

    /// `Sat, 13 Nov 2010 23:29:00 GMT`; no other zone. A wrong weekday makes no other time of it.
    fn parse_value(text: &str) -> Option<Self> {
        let parser = DateTimeParser::new().relaxed_weekday(true);
        let time = parser.parse_timestamp(text).ok().filter(|_| text.ends_with("GMT"))?;
        u64::try_from(time.as_second()).ok().map(|unix_s| Self { unix_s })
    }
}

impl TypedHeader for Date {
    const NAME: HeaderName = HeaderName::Date;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        match Self::parse_value(text) {
            Some(date) => Ok(Some(date)),
            None => Err(HeaderError::new(Self::NAME, HeaderErrorKind::Syntax, 0)),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Later than jiff can tell is the last second that it can.
        let seconds = i64::try_from(self.unix_s).unwrap_or(i64::MAX);
        let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// `ms-diagnostics`: why, for machines: `1000;reason="text";source="host"`. Only the first value is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MsDiagnostics {
    /// The number of the error.
    pub id: u32,
    /// The `reason` parameter without quotes.
    pub reason: Option<ByteString>,
    /// The `source` parameter without quotes: the host that made it.
    pub source: Option<ByteString>,
}

impl TypedHeader for MsDiagnostics {
    const NAME: HeaderName = HeaderName::MsDiagnostics;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some((at, item)) = lines.next().and_then(|line| lex::list_items(line).next()) else {
            return Ok(None);
        };
        let error = |f: Fault| HeaderError::from_fault(Self::NAME, Fault { at: at + f.at, ..f });
        let (id, params) = number_and_params(item).map_err(error)?;
        let reason = params.clone().value_of("reason").map(|t| lex::unescaped(t).into());
        Ok(Some(Self { id, reason, source: params.value_of("source").map(|t| lex::unescaped(t).into()) }))
    }
}

/// `P-Dialog-Recovery-Action`: what a hop that answers 430 wants to be done. Unknown tokens are to be ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialogRecoveryAction(
    /// The tokens in order, over all lines of the header.
    pub Vec<ByteString>,
);

impl DialogRecoveryAction {
    /// Whether the token is there, compared without case.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|t| t.eq_ignore_ascii_case(token))
    }
}

impl TypedHeader for DialogRecoveryAction {
    const NAME: HeaderName = HeaderName::Other;
    const TEXT: &'static str = "P-Dialog-Recovery-Action";

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let mut any = false;
        let mut tokens = Vec::new();
        for line in lines {
            any = true;
            for token in tokens_of(line) {
                tokens.push(token.map_err(|f| HeaderError::from_fault(Self::NAME, f))?.into());
            }
        }
        Ok(any.then_some(Self(tokens)))
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
