//! Walking over the fields of a packed person.

use super::field;
use super::person::Person;

/// The fields of a packed text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) rest: &'a str,
    /// What fields may refer to; found on the way in a whole person.
    pub(super) first_uri: Option<&'a str>,
    pub(super) first_epid: Option<&'a str>,
    pub(super) is_resolved: bool,
}

impl<'a> Fields<'a> {
    /// Of a whole person, or of what refers to nothing; references are resolved.
    pub(super) fn of(text: &'a str) -> Self {
        Self { is_resolved: true, ..Self::raw(text) }
    }

    /// As they stand there.
    pub(super) fn raw(text: &'a str) -> Self {
        Self { rest: text, first_uri: None, first_epid: None, is_resolved: false }
    }

    /// What was not walked over yet.
    pub(super) fn rest(self) -> &'a str {
        self.rest
    }

    fn resolved(&mut self, field: u8, value: &'a str) -> (u8, &'a str) {
        match field {
            field::ENDPOINT_URI => self.first_uri = self.first_uri.or(Some(value)),
            field::EPID => self.first_epid = self.first_epid.or(Some(value)),
            field::SAME_URI => return (field::ENDPOINT_URI, self.first_uri.unwrap_or_default()),
            field::SAME_EPID => return (field::EPID, self.first_epid.unwrap_or_default()),
            _ => {}
        }
        (field, value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a str);

    fn next(&mut self) -> Option<(u8, &'a str)> {
        let bytes = self.rest.as_bytes();
        let field = *bytes.first()?;
        let (mut length, mut shift, mut at) = (0usize, 0, 1);
        loop {
            let digit = *bytes.get(at)?;
            at += 1;
            length |= usize::from(digit & 63) << shift;
            shift += 6;
            if digit < 64 {
                break;
            }
        }
        let value = self.rest.get(at..at + length)?;
        self.rest = self.rest.get(at + length..)?;
        Some(if self.is_resolved { self.resolved(field, value) } else { (field, value) })
    }
}

/// The fields of a person as bytes, for who writes all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldBytes<'a> {
    pub(super) rest: &'a [u8],
    /// What fields may refer to.
    pub(super) first_uri: Option<&'a [u8]>,
    pub(super) first_epid: Option<&'a [u8]>,
}

impl<'a> FieldBytes<'a> {
    pub(super) fn of(person: &'a Person) -> Self {
        Self { rest: person.0.as_bytes(), first_uri: None, first_epid: None }
    }

    /// The field that comes next; of one that refers to another, its own letter.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The GRUU that is the value of a field.
    #[inline]
    pub(super) fn uri(&mut self, field: u8, value: &'a [u8]) -> &'a [u8] {
        let first = *self.first_uri.get_or_insert(value);
        if field == field::SAME_URI { first } else { value }
    }

    /// The epid that is the value of a field.
    #[inline]
    pub(super) fn epid(&mut self, field: u8, value: &'a [u8]) -> &'a [u8] {
        let first = *self.first_epid.get_or_insert(value);
        if field == field::SAME_EPID { first } else { value }
    }

    /// The next field, if it is one of those.
    #[inline]
    pub(super) fn next_if(&mut self, is_one: impl FnOnce(u8) -> bool) -> Option<(u8, &'a [u8])> {
        if is_one(self.peek()?) { self.next() } else { None }
    }

    fn next_long(&mut self) -> Option<(u8, &'a [u8])> {
        let mut rest = self.rest;
        let field = *rest.split_off_first()?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let digit = *rest.split_off_first()?;
            length |= usize::from(digit & 63) << shift;
            shift += 6;
            if digit < 64 {
                break;
            }
        }
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((field, value))
    }
}

impl<'a> Iterator for FieldBytes<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match *self.rest {
            [field, length, ref rest @ ..] if length < 64 => {
                let (value, rest) = rest.split_at_checked(usize::from(length))?;
                self.rest = rest;
                Some((field, value))
            }
            _ => self.next_long(),
        }
    }
}

/// The parts of a text that begin with a field, each up to the next of its kind.
pub(super) struct Groups<'a> {
    pub(super) rest: &'a str,
    pub(super) begin: u8,
}

impl<'a> Iterator for Groups<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut fields = Fields::raw(self.rest);
        let start = loop {
            let here = fields.rest();
            if fields.next()?.0 == self.begin {
                break here;
            }
        };
        let end = loop {
            let here = fields.rest();
            match fields.next() {
                Some((field, _)) if field != self.begin => {}
                _ => break here,
            }
        };
        self.rest = end;
        start.get(..start.len() - end.len())
    }
}
