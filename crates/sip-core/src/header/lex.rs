//! The pieces that header values are made of (RFC 3261 section 25.1), as byte tables and a cursor over them.
//!
//! Everything here works on offsets into one text, so that values stay slices of the received message. Nothing allocates
//! and no input panics.

use std::net::Ipv6Addr;

use super::HeaderErrorKind;

/// Part of a text of at most 64 KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    /// Nothing, at the start.
    pub(crate) const NONE: Self = Self { start: 0, end: 0 };

    /// A span of a text whose length was checked against [`TEXT_MAX`].
    pub(crate) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= TEXT_MAX, "span {start}..{end}");
        Self { start: start as u16, end: end as u16 }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        &text[usize::from(self.start)..usize::from(self.end)]
    }

    /// The same of the bytes of a text: no look at its characters.
    pub(crate) fn in_bytes(self, text: &[u8]) -> &[u8] {
        &text[usize::from(self.start)..usize::from(self.end)]
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The longest text that typed values index.
pub(crate) const TEXT_MAX: usize = u16::MAX as usize;

/// What is wrong with a value, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: HeaderErrorKind,
    pub(crate) at: usize,
}

impl Fault {
    /// The same of an item of a list that begins at `at`.
    #[cold]
    pub(crate) fn behind(self, at: usize) -> Self {
        Self { at: at + self.at, ..self }
    }
}

/// Shorthand for a fault.
pub(crate) fn fault<T>(kind: HeaderErrorKind, at: usize) -> Result<T, Fault> {
    Err(Fault { kind, at })
}

const TOKEN: u8 = 1;
const HOST: u8 = 2;
const PARAM_VALUE: u8 = 4;
const URI: u8 = 8;
const SPACE: u8 = 16;
const URI_PARAM: u8 = 32;
const DIGIT: u8 = 64;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        let alnum = c.is_ascii_alphanumeric();
        let mut bits = 0;
        if alnum || matches!(c, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~') {
            bits |= TOKEN;
        }
        if alnum || matches!(c, b'-' | b'.' | b'_') {
            bits |= HOST;
        }
        if c > b' ' && c != 0x7f && !matches!(c, b';' | b',' | b'"' | b'<' | b'>') {
            bits |= PARAM_VALUE;
        }
        if c > b' ' && c < 0x7f && !matches!(c, b'<' | b'>' | b'"' | b'\\' | b'^' | b'`' | b'{' | b'}' | b'|')
        {
            bits |= URI;
        }
        if bits & URI != 0 && !matches!(c, b';' | b'?' | b'=' | b'%' | b'@') {
            bits |= URI_PARAM;
        }
        if matches!(c, b' ' | b'\t') {
            bits |= SPACE;
        }
        if c.is_ascii_digit() {
            bits |= DIGIT;
        }
        table[b] = bits;
        b += 1;
    }
    table
}

pub(crate) fn is_token(b: u8) -> bool {
    CLASS[usize::from(b)] & TOKEN != 0
}

pub(crate) fn is_uri(b: u8) -> bool {
    CLASS[usize::from(b)] & URI != 0
}

/// What may be in a URI and does not divide its parameters.
pub(crate) fn is_uri_param(b: u8) -> bool {
    CLASS[usize::from(b)] & URI_PARAM != 0
}

pub(crate) fn is_space(b: u8) -> bool {
    CLASS[usize::from(b)] & SPACE != 0
}

fn is_param_value(b: u8) -> bool {
    CLASS[usize::from(b)] & PARAM_VALUE != 0
}

/// Whether the whole text is one `token`.
pub(crate) fn is_token_text(text: &str) -> bool {
    is_token_bytes(text.as_bytes())
}

/// The same of bytes.
pub(crate) fn is_token_bytes(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| is_token(*b))
}

/// The address between the brackets. Three colons stand for two: the grammar of RFC 3261 makes writers put three before
/// an embedded IPv4 address (RFC 5118 section 4.10).
pub(crate) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => text.contains(":::").then(|| text.replacen(":::", "::", 1).parse().ok())?,
    }
}

/// A cursor over one value: offsets instead of remaining input, for spans and for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { text: text.as_bytes(), at }
    }

    pub(crate) fn of_bytes(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes as many bytes of one kind as there are, at least one.
    #[inline]
    fn run(&mut self, kind: u8) -> Result<Span, Fault> {
        let start = self.at;
        self.at = end_of_run(self.text, start, kind);
        if self.at == start { fault(HeaderErrorKind::Syntax, start) } else { Ok(Span::new(start, self.at)) }
    }

    /// Takes one piece; its span.
    #[inline]
    pub(crate) fn take(
        &mut self,
        piece: impl FnOnce(&mut Self) -> Result<Span, Fault>,
    ) -> Result<Span, Fault> {
        piece(self)
    }

    /// Takes one `token`.
    pub(crate) fn token(&mut self) -> Result<Span, Fault> {
        self.run(TOKEN)
    }

    /// Takes decimal digits.
    pub(crate) fn digits(&mut self) -> Result<Span, Fault> {
        self.run(DIGIT)
    }

    fn host_or_address(&mut self) -> Result<Span, Fault> {
        if self.peek() != Some(b'[') {
            return self.run(HOST);
        }
        let start = self.at;
        let Some(len) = memchr::memchr(b']', self.rest()) else {
            return fault(HeaderErrorKind::Syntax, start);
        };
        if std::str::from_utf8(&self.rest()[1..len]).ok().and_then(ipv6).is_none() {
            return fault(HeaderErrorKind::Syntax, start);
        }
        self.at += len + 1;
        Ok(Span::new(start, self.at))
    }

    /// Takes a quoted string; its span with the quotes.
    pub(crate) fn quoted(&mut self) -> Result<Span, Fault> {
        let start = self.at;
        let mut i = start + 1;
        while let Some(step) = memchr::memchr2(b'"', b'\\', self.text.get(i..).unwrap_or_default()) {
            i += step;
            if self.text[i] == b'"' {
                self.at = i + 1;
                return Ok(Span::new(start, self.at));
            }
            i += 2;
        }
        fault(HeaderErrorKind::Unterminated, start)
    }

    /// Takes a decimal number of at most 16 bits.
    pub(crate) fn port(&mut self) -> Result<u16, Fault> {
        let start = self.at;
        let mut port = 0_u32;
        while let Some(digit) = self.peek().map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) {
            // What is too large stays too large.
            port = (port * 10 + u32::from(digit)).min(1 << 16);
            self.at += 1;
        }
        if self.at == start {
            return fault(HeaderErrorKind::Syntax, start);
        }
        u16::try_from(port).or(fault(HeaderErrorKind::Number, start))
    }

    /// Checks `*(;name[=value])` up to the end of the text and gives its span; `each` sees name and value with quotes.
    pub(crate) fn params(&mut self, each: impl FnMut(Span, Span)) -> Result<Span, Fault> {
        let found = self.some_params(each)?;
        if self.at < self.text.len() { fault(HeaderErrorKind::Syntax, self.at) } else { Ok(found) }
    }

    /// The same up to what is no parameter, with the blanks before it.
    #[inline]
    pub(crate) fn some_params(&mut self, mut each: impl FnMut(Span, Span)) -> Result<Span, Fault> {
        let mut all = Span::new(self.at, self.at);
        self.skip_space();
        if self.peek() == Some(b';') {
            all = Span::new(self.at, self.at);
        }
        while self.eat(b';') {
            self.skip_space();
            let name = self.run(TOKEN)?;
            let mut value = Span::new(self.at, self.at);
            self.skip_space();
            if self.eat(b'=') {
                self.skip_space();
                value = if self.peek() == Some(b'"') { self.quoted()? } else { self.run(PARAM_VALUE)? };
            }
            each(name, value);
            all.end = value.end;
            self.skip_space();
        }
        Ok(all)
    }
}

/// Where the bytes of one kind end that begin at `start`.
#[inline]
fn end_of_run(text: &[u8], start: usize, kind: u8) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().position(|b| CLASS[usize::from(*b)] & kind == 0).unwrap_or(rest.len())
}

/// Where the letters, digits, `-`, `.` and `_` end that begin at `start`: of a host name, and of most user parts.
#[inline]
pub(crate) fn end_of_host(text: &[u8], start: usize) -> usize {
    end_of_run(text, start, HOST)
}

/// Where the bytes end that may be in a URI and do not divide its parameters.
#[inline]
pub(crate) fn end_of_uri_param(text: &[u8], start: usize) -> usize {
    end_of_run(text, start, URI_PARAM)
}

/// Where digits end.
#[inline]
pub(crate) fn end_of_digits(text: &[u8], start: usize) -> usize {
    end_of_run(text, start, DIGIT)
}

/// One `token`.
pub(crate) fn token(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    cursor.run(TOKEN)
}

/// Decimal digits, e.g. of a port.
pub(crate) fn digits(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    cursor.run(DIGIT)
}

/// An IPv6 reference with its brackets, an IPv4 address or a host name.
pub(crate) fn host(cursor: &mut Cursor<'_>) -> Result<Span, Fault> {
    cursor.host_or_address()
}

/// A decimal number without sign; `None` when there is another character, nothing, or more than 64 bits.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// The parameters of a value that was checked: name and value without quotes; `None` for a flag.
#[derive(Debug, Clone)]
pub struct Params<'a> {
    text: &'a str,
}

impl<'a> Params<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The value of the first parameter of that name, `Some("")` for a flag.
    pub(crate) fn value_of(mut self, name: &str) -> Option<&'a str> {
        self.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.unwrap_or(""))
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.text.find(';')? + 1;
        let end = end_of_param(self.text, start);
        let one = &self.text[start..end];
        self.text = &self.text[end..];
        let blank = |c: char| c == ' ' || c == '\t';
        Some(match one.split_once('=') {
            Some((name, value)) => (name.trim_matches(blank), Some(unquote(value.trim_matches(blank)))),
            None => (one.trim_matches(blank), None),
        })
    }
}

fn end_of_param(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut i = start;
    while let Some(step) = memchr::memchr2(b';', b'"', &bytes[i..]) {
        i += step;
        if bytes[i] == b';' {
            return i;
        }
        let mut cursor = Cursor { text: bytes, at: i };
        match cursor.quoted() {
            Ok(_) => i = cursor.at,
            Err(_) => return bytes.len(),
        }
    }
    bytes.len()
}

/// The inside of a quoted string (escapes kept), or the text itself.
pub(crate) fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text)
}

/// The inside of a quoted string without its escapes.
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    out
}

/// `text` as a parameter value or display name: as it is when it is a token, else quoted and without control characters.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Adds `;name=value` or `;name`, in a form that always parses again.
pub(crate) fn push_param(out: &mut String, name: &str, value: Option<&str>) {
    let before = out.len();
    out.push(';');
    out.extend(name.chars().filter(|c| u8::try_from(*c).is_ok_and(is_token)));
    if out.len() == before + 1 {
        out.truncate(before); // a name without one legal character is no parameter
        return;
    }
    if let Some(value) = value {
        out.push('=');
        if !value.is_empty() && value.bytes().all(is_param_value) {
            out.push_str(value);
        } else {
            push_quoted(out, value);
        }
    }
}

/// The values of a list header: split at commas outside of quotes and angle brackets, blanks trimmed, with offsets.
#[derive(Debug, Clone)]
pub(crate) struct ListItems<'a> {
    text: &'a str,
    at: usize,
    done: bool,
}

/// Splits a list value.
pub(crate) fn list_items(text: &str) -> ListItems<'_> {
    ListItems { text, at: 0, done: false }
}

impl<'a> Iterator for ListItems<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let start = self.at;
        let end = end_of_item(self.text.as_bytes(), start);
        self.done = end == self.text.len();
        self.at = end + 1;
        let raw = &self.text.as_bytes()[start..end];
        let before = raw.iter().take_while(|b| is_space(**b)).count();
        let behind = raw[before..].iter().rev().take_while(|b| is_space(**b)).count();
        Some((start + before, &self.text[start + before..end - behind]))
    }
}

fn end_of_item(bytes: &[u8], start: usize) -> usize {
    let mut i = start;
    // Most lists have one item: without a comma nothing has to be taken apart.
    if memchr::memchr(b',', &bytes[start..]).is_none() {
        return bytes.len();
    }
    while let Some(step) = memchr::memchr3(b',', b'"', b'<', &bytes[i..]) {
        i += step;
        match bytes[i] {
            b',' => return i,
            b'<' => match memchr::memchr(b'>', &bytes[i..]) {
                Some(step) => i += step + 1,
                None => return bytes.len(),
            },
            _ => {
                let mut cursor = Cursor { text: bytes, at: i };
                match cursor.quoted() {
                    Ok(_) => i = cursor.at,
                    Err(_) => return bytes.len(),
                }
            }
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_items_split_outside_quotes_and_brackets() {
        let items: Vec<_> = list_items(r#""a, \"b" <sip:x@y;a=1,2>;p , <sip:z>,q"#).map(|(_, t)| t).collect();
        assert_eq!(items, [r#""a, \"b" <sip:x@y;a=1,2>;p"#, "<sip:z>", "q"]);
        assert_eq!(list_items("").map(|(_, t)| t).collect::<Vec<_>>(), [""]);
        assert_eq!(list_items("a,").collect::<Vec<_>>(), [(0, "a"), (2, "")]);
    }

    #[test]
    fn params_iterate_flags_quotes_and_blanks() {
        let found: Vec<_> = Params::new(r#" ; a = 1;b;c="x;y=z" ;d=[::1]"#).collect();
        assert_eq!(found, [("a", Some("1")), ("b", None), ("c", Some("x;y=z")), ("d", Some("[::1]"))]);
    }

    #[test]
    fn decimal_refuses_signs_blanks_and_overflow() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["18446744073709551616", "", "+1", "-1", " 1", "1 ", "0x1", "１"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn host_takes_names_and_addresses() {
        let found = |text: &'static str| Cursor::new(text, 0).take(host).map(|h| h.of(text));
        assert_eq!(found("[2001:db8::1]:5060"), Ok("[2001:db8::1]"));
        assert_eq!(found("a.example;x"), Ok("a.example"));
        for bad in ["[::1", "[]", "[a b]", ";", ""] {
            assert!(found(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pushed_params_cannot_break_out() {
        let mut out = String::new();
        push_param(&mut out, "ta;g", Some("a\r\nb\";c"));
        assert_eq!(out, r#";tag="a  b\";c""#);
        push_param(&mut out, "\r\n", Some("x"));
        assert_eq!(out, r#";tag="a  b\";c""#);
    }
}
