//! Typed headers that say why, when and what else: Warning, Reason, Date, Retry-After, diagnostics, dialog recovery.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytestring::ByteString;

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

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY_S: u64 = 86_400;

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

    /// `Sat, 13 Nov 2010 23:29:00 GMT`, names and zone compared with case, as RFC 1123 has them.
    fn parse_value(text: &str) -> Option<Self> {
        let (weekday, rest) = text.split_once(',')?;
        let mut words = rest.split_ascii_whitespace();
        let mut word = || words.next();
        let (day, month, year) = (digits(word()?, 2)?, word()?, digits(word()?, 4)?);
        let mut clock = word()?.split(':').map(|part| digits(part, 2));
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        if word()? != "GMT" || word().is_some() || clock.next().is_some() {
            return None;
        }
        let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
        let in_range = year >= 1970 && (1..=month_days(year, month)).contains(&day);
        // 60 is a leap second.
        if !in_range || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_before(year, month) + day - 1;
        // The weekday is only looked at: a wrong one makes no other time of it.
        WEEKDAYS.contains(&weekday.trim()).then_some(())?;
        Some(Self { unix_s: days * DAY_S + hour * 3600 + minute * 60 + second })
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
        let (days, seconds) = (self.unix_s / DAY_S, self.unix_s % DAY_S);
        let (year, month, day) = civil(days);
        let weekday = WEEKDAYS[(days % 7) as usize];
        let name = MONTHS[(month - 1) as usize];
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{weekday}, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

fn digits(text: &str, count: usize) -> Option<u64> {
    lex::decimal(text.as_bytes()).filter(|_| text.len() == count)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of this month.
fn days_before(year: u64, month: u64) -> u64 {
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|m| month_days(year, m)).sum::<u64>()
}

/// Year, month and day of a number of days since 1970-01-01; years end at 9999.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.min(days_before(9999, 12) + 30);
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let mut month = 12;
    while days_before(year, month) > days {
        month -= 1;
    }
    (year, month, days - days_before(year, month) + 1)
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
