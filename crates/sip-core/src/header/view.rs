//! The headers of one message, in wire order.

use super::HeaderName;
use super::lex;

/// Where one header line is in the head of its message. Continuation lines are part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Start of the name.
    pub(crate) start: u32,
    /// Start of the value from there, blanks skipped.
    pub(crate) value: u16,
    /// End of the value from there, blanks skipped.
    pub(crate) end: u16,
    pub(crate) name_len: u16,
    pub(crate) name: HeaderName,
    /// Whether the value goes over several lines.
    pub(crate) folded: bool,
}

impl Line {
    /// No line.
    pub(crate) const NONE: Self =
        Self { start: 0, value: 0, end: 0, name_len: 0, name: HeaderName::Other, folded: false };

    pub(crate) fn name_of<'a>(&self, head: &'a str) -> &'a str {
        let start = self.start as usize;
        &head[start..start + usize::from(self.name_len)]
    }

    pub(crate) fn value_of<'a>(&self, head: &'a str) -> &'a str {
        &head[self.value_at()..self.start as usize + usize::from(self.end)]
    }

    /// The same of the bytes of a head.
    #[inline]
    pub(crate) fn bytes_of<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(self.value_at()..self.start as usize + usize::from(self.end)).unwrap_or_default()
    }

    /// Where the value begins.
    pub(crate) fn value_at(&self) -> usize {
        self.start as usize + usize::from(self.value)
    }
}

/// What a header is looked up by: a resolved name, or the text of one that is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selector<'n> {
    name: HeaderName,
    text: &'n str,
}

impl<'n> Selector<'n> {
    pub(crate) fn text(text: &'n str) -> Self {
        Self { name: HeaderName::resolve(text), text }
    }

    pub(crate) fn matches(self, name: HeaderName, text: &str) -> bool {
        name == self.name && (name != HeaderName::Other || text.eq_ignore_ascii_case(self.text))
    }
}

/// The headers of a message in wire order: names without case, compact forms resolved, folded lines unfolded.
///
/// # Examples
///
/// ```
/// # use sip_core::{Limits, Message};
/// # let raw = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\n\
/// #   i: x\r\nCSeq: 1 OPTIONS\r\nk: timer,\r\n  gruu\r\nSupported: path\r\nl: 0\r\n\r\n";
/// # let Message::Response(response) = Message::parse(raw.to_vec().into(), &Limits::default()).unwrap() else { panic!() };
/// let headers = response.headers();
/// assert_eq!(headers.get("call-id"), Some("x"));
/// assert_eq!(headers.get_all("supported").count(), 2);
/// assert_eq!(headers.values("supported").collect::<Vec<_>>(), ["timer", "gruu", "path"]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    head: &'a str,
    lines: &'a [Line],
}

impl<'a> Headers<'a> {
    pub(crate) fn new(head: &'a str, lines: &'a [Line]) -> Self {
        Self { head, lines }
    }

    /// Name as written and value of every header line.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let head = self.head;
        self.lines.iter().map(move |l| (l.name_of(head), l.value_of(head)))
    }

    /// The first line of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.get_all(name).next()
    }

    /// All lines of that name in order; a line with a list is one item.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let (head, selector) = (self.head, Selector::text(name));
        let lines = self.lines.iter().filter(move |l| selector.matches(l.name, l.name_of(head)));
        lines.map(move |l| l.value_of(head))
    }

    /// All values of that name in order, lists split at their commas; empty ones are left out.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.get_all(name).flat_map(lex::list_items).map(|(_, item)| item).filter(|item| !item.is_empty())
    }

    /// Whether there is a line of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
