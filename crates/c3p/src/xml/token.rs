//! Markup: a document cut into start tags, end tags and texts, with names resolved to namespaces.
//!
//! One pass over the bytes, without a copy and, but for the stack of open elements, without an allocation. What is checked
//! is all of XML 1.0 and of its namespaces that a document without a type declaration can break, except that any character
//! beyond ASCII is taken as part of a name.
//!
//! # Invariants
//!
//! - Every start tag gets its end tag, also one that is both; [`Tokens::depth`] is the number between them.
//! - Names and values are slices of the document. A value is decoded only when somebody asks for it.
//! - A search never starts again from where one began: work is linear in the document, but for the attributes of one tag,
//!   which are compared with each other up to the limit.
//!
//! Not here: the size of a document, which elements there are, and what they mean.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::attribute::Attribute;
use super::chars::{Blanks, as_text, begins_with, class, decode, end_of, is, is_plain_value, same};
use super::ns::Ns;
use crate::{DocumentError, ErrorKind};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// Declarations of namespaces that may be in scope at once.
const BINDINGS_MAX: usize = 64;
/// How far a text is searched byte by byte: most end before a search of many bytes at once would have begun.
const SHORT_TEXT: usize = 24;
/// The byte order mark that some writers put before a document.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";
/// The prefix that needs no declaration, and what it stands for.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A start tag: [`Tokens::ns`] and the like, and [`Tokens::attributes`], are about it until the next step.
    Start,
    /// The end of the element that was opened last.
    End,
    /// A text: [`Tokens::value`], until the next step.
    Text,
    /// The end of the document. Elements may be open.
    Eof,
}

/// What a text needs before it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextKind {
    Plain,
    Escaped,
    Section,
}

/// An element that is open.
#[derive(Debug, Clone, Copy)]
struct Open<'a> {
    /// Its name with the prefix.
    name: &'a [u8],
    /// How many declarations were in scope before it.
    bindings: usize,
    /// The scope before it.
    scope: u32,
}

/// Attributes of a tag that is expected to come again.
const SEEN_ATTRIBUTES_MAX: usize = 6;
/// Tags that are expected to come again; a power of two.
const SEEN_TAGS: usize = 64;
/// Documents shorter than this are read before much of them comes again; those of the tests are short.
const SHORT_DOCUMENT: usize = if cfg!(test) { 1 } else { 8 * 1_024 };

/// A start tag as it was read before: when one comes that begins with the same bytes, in the same scope, its names need not
/// be looked at again.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    name: &'a [u8],
    /// Where its colon is; 0 without one.
    colon: u32,
    scope: u32,
    ns: Ns,
    count: u8,
    attributes: [SeenAttribute<'a>; SEEN_ATTRIBUTES_MAX],
}

/// An attribute of such a tag.
#[derive(Debug, Clone, Copy)]
struct SeenAttribute<'a> {
    /// What stands before its value: a blank, the name, the quote.
    lead: &'a [u8],
    colon: u32,
    ns: Ns,
}

impl SeenAttribute<'_> {
    const NONE: Self = SeenAttribute { lead: b"", colon: 0, ns: Ns::None };
}

/// A declaration of a namespace.
#[derive(Debug, Clone)]
struct Binding<'a> {
    prefix: &'a [u8],
    ns: Ns,
    text: Cow<'a, str>,
}

/// The tokens of one document.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open<'a>>,
    bindings: Vec<Binding<'a>>,
    /// The namespace of names without a prefix.
    default: Ns,
    /// The start tag that was read last.
    ns: Ns,
    prefix: &'a [u8],
    local: &'a [u8],
    attributes: Vec<Attribute<'a>>,
    /// Stands for the declarations in scope: as long as it is the same, names mean the same.
    scope: u32,
    /// The newest scope there was.
    newest_scope: u32,
    /// By the first bytes of a tag; empty in a short document.
    seen: Vec<Option<Seen<'a>>>,
    /// It is an end tag as well.
    empty: bool,
    /// The text that was read last.
    raw: &'a [u8],
    kind: TextKind,
    depth_max: usize,
    attributes_max: usize,
}

impl<'a> Tokens<'a> {
    /// Of bytes whose characters are all legal ([`super::chars::legal`]).
    pub(crate) fn new(bytes: &'a [u8], depth_max: usize, attributes_max: usize) -> Self {
        Self {
            bytes,
            at: 0,
            open: Vec::with_capacity(depth_max.min(32)),
            bindings: Vec::new(),
            default: Ns::None,
            ns: Ns::None,
            prefix: b"",
            local: b"",
            attributes: Vec::new(),
            scope: 0,
            newest_scope: 0,
            seen: if bytes.len() < SHORT_DOCUMENT { Vec::new() } else { vec![None; SEEN_TAGS] },
            empty: false,
            raw: b"",
            kind: TextKind::Plain,
            depth_max,
            attributes_max,
        }
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// How far it has read, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The namespace of the tag that was read last.
    pub(crate) fn ns(&self) -> Ns {
        self.ns
    }

    /// The prefix of the tag that was read last; empty for none.
    pub(crate) fn prefix(&self) -> &'a str {
        as_text(self.prefix)
    }

    /// The name of the tag that was read last, without the prefix.
    pub(crate) fn name(&self) -> &'a str {
        as_text(self.local)
    }

    /// Namespace and name of the tag that was read last.
    #[inline]
    pub(crate) fn key(&self) -> (Ns, &'a [u8]) {
        (self.ns, self.local)
    }

    /// The attributes of the tag that was read last, declarations of namespaces left out.
    #[inline]
    pub(crate) fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// The text of the namespace that a prefix stands for here; empty for none.
    pub(crate) fn namespace(&self, prefix: &str) -> &str {
        match self.bindings.iter().rev().find(|binding| binding.prefix == prefix.as_bytes()) {
            Some(binding) => &binding.text,
            None if prefix == "xml" => XML,
            None => "",
        }
    }

    /// The text that was read last: references resolved, ends of lines as one character.
    pub(crate) fn value(&self) -> Result<Cow<'a, str>> {
        let raw = as_text(self.raw);
        match self.kind {
            TextKind::Plain => Ok(Cow::Borrowed(raw)),
            TextKind::Section if memchr(b'\r', self.raw).is_none() => Ok(Cow::Borrowed(raw)),
            TextKind::Section => Ok(Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))),
            TextKind::Escaped => decode(raw, Blanks::Lines).map(Cow::Owned).map_err(|kind| DocumentError {
                kind,
                element: "",
                offset: self.at,
            }),
        }
    }

    /// Reads on by one step.
    pub(crate) fn next(&mut self) -> Result<Step> {
        if self.empty {
            self.empty = false;
            self.close();
            return Ok(Step::End);
        }
        match *self.rest() {
            [] => Ok(Step::Eof),
            [b'<', b'/', ..] => self.end_tag().map(|()| Step::End),
            [b'<', byte, ..] if is(byte, class::NAME_START) => self.start_tag().map(|()| Step::Start),
            [b'<', ..] => self.other_markup(),
            _ => self.character_data().map(|()| Step::Text),
        }
    }

    /// Reads on to the next child of the element that is being read; `false` at its end. Texts are checked and left out.
    #[inline]
    pub(crate) fn child(&mut self) -> Result<bool> {
        if !self.empty {
            match *self.rest() {
                [b'<', b'/', ..] => return self.end_tag().map(|()| false),
                [b'<', byte, ..] if is(byte, class::NAME_START) => return self.start_tag().map(|()| true),
                _ => {}
            }
        }
        self.later_child()
    }

    /// As [`Tokens::child`], when something stands before it.
    fn later_child(&mut self) -> Result<bool> {
        loop {
            match self.next()? {
                Step::Start => return Ok(true),
                Step::End => return Ok(false),
                Step::Text => self.check()?,
                Step::Eof => return Err(self.fault(ErrorKind::Truncated)),
            }
        }
    }

    /// The text of the element whose start tag was read last, if there is nothing but one piece of plain text in it. Else
    /// nothing was read.
    #[inline]
    pub(crate) fn plain_leaf(&mut self) -> Option<&'a [u8]> {
        if self.empty {
            return None;
        }
        let rest = self.rest();
        let name = self.open.last()?.name;
        let end = end_of(rest, 0, class::TEXT);
        let name_end = end + 2 + name.len();
        let is_leaf = rest.len() > name_end
            && rest[end] == b'<'
            && rest[end + 1] == b'/'
            && rest[name_end] == b'>'
            && same(&rest[end + 2..name_end], name);
        if !is_leaf {
            return None;
        }
        self.at += name_end + 1;
        self.close();
        Some(&rest[..end])
    }

    /// What stands for the declarations in scope: as long as it is the same, equal bytes are equal elements.
    pub(crate) fn scope(&self) -> u32 {
        self.scope
    }

    /// What was not read yet of the document; nothing before an end that is not written.
    #[inline]
    pub(crate) fn upcoming(&self) -> &'a [u8] {
        if self.empty { &[] } else { self.rest() }
    }

    /// Goes on behind elements that were read before, byte by byte the same and in the same scope.
    #[inline]
    pub(crate) fn pass(&mut self, length: usize) {
        debug_assert!(!self.empty && length <= self.rest().len(), "what comes was looked at");
        self.at += length;
    }

    /// Reads on until no more than `depth` elements are open; nothing of it is looked at but the markup.
    pub(crate) fn skip_to(&mut self, depth: usize) -> Result<()> {
        while self.open.len() > depth {
            match self.next()? {
                Step::Eof => return Err(self.fault(ErrorKind::Truncated)),
                // What nobody reads has to be well-formed all the same.
                Step::Text => self.check()?,
                Step::Start | Step::End => {}
            }
        }
        Ok(())
    }

    /// Lets the text that was read last go unread, but not unchecked.
    fn check(&self) -> Result<()> {
        if self.kind == TextKind::Escaped { self.value().map(drop) } else { Ok(()) }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[cold]
    fn fault(&self, kind: ErrorKind) -> DocumentError {
        DocumentError { kind, element: "", offset: self.at }
    }

    /// The fault of markup that the end of the document cut off, or else of markup that is wrong.
    #[cold]
    fn cut_or_wrong(&self, rest: &[u8], at: usize) -> DocumentError {
        self.fault(if at >= rest.len() { ErrorKind::Truncated } else { ErrorKind::Syntax })
    }

    /// The end of a name that begins at `start`, and the place of its colon or, without one, of its start.
    #[inline]
    fn scan_name(&self, rest: &[u8], start: usize) -> Result<(usize, usize)> {
        let at = end_of(rest, start, class::NAME);
        if rest.get(at) == Some(&b':') { self.scan_local_name(rest, start, at) } else { Ok((at, start)) }
    }

    fn scan_local_name(&self, rest: &[u8], start: usize, colon: usize) -> Result<(usize, usize)> {
        let at = end_of(rest, colon + 1, class::NAME);
        let begins_well = at >= rest.len() || is(rest[colon + 1], class::NAME_START);
        if colon == start || !begins_well || rest.get(at) == Some(&b':') {
            return Err(self.fault(ErrorKind::Namespace));
        }
        Ok((at, colon))
    }

    #[inline]
    fn end_tag(&mut self) -> Result<()> {
        let rest = self.rest();
        let Some(open) = self.open.last() else {
            return Err(self.fault(ErrorKind::Syntax));
        };
        let end = 2 + open.name.len();
        if rest.len() > end && rest[end] == b'>' && same(&rest[2..end], open.name) {
            self.at += end + 1;
            self.close();
            return Ok(());
        }
        self.unusual_end_tag(rest, open.name)
    }

    /// An end tag with blanks in it, or a wrong one.
    #[cold]
    fn unusual_end_tag(&mut self, rest: &[u8], name: &[u8]) -> Result<()> {
        let mut at = 2 + name.len();
        if rest.get(2..at) != Some(name) {
            let is_cut = rest.len() < at && name.starts_with(&rest[2..]);
            return Err(self.fault(if is_cut { ErrorKind::Truncated } else { ErrorKind::Syntax }));
        }
        at = end_of(rest, at, class::SPACE);
        if rest.get(at) != Some(&b'>') {
            return Err(self.cut_or_wrong(rest, at));
        }
        self.at += at + 1;
        self.close();
        Ok(())
    }

    /// Forgets the element that was opened last, and what it declared.
    #[inline]
    fn close(&mut self) {
        if let Some(open) = self.open.pop()
            && self.bindings.len() > open.bindings
        {
            self.forget_bindings(open);
        }
    }

    #[inline(never)]
    fn forget_bindings(&mut self, open: Open<'_>) {
        self.bindings.truncate(open.bindings);
        self.scope = open.scope;
        self.default = self.bound(b"").unwrap_or(Ns::None);
    }

    #[inline]
    fn start_tag(&mut self) -> Result<()> {
        match self.seen_tag() {
            Some(()) => Ok(()),
            None => self.new_tag(),
        }
    }

    /// The place of a tag among those that were seen, by its first bytes.
    #[inline]
    fn place(rest: &[u8]) -> Option<usize> {
        let (first, _) = rest.get(1..)?.split_first_chunk::<8>()?;
        let mixed = u64::from_le_bytes(*first).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Six bits.
        Some((mixed >> 58) as usize)
    }

    /// Reads a start tag that is like one before; `None` if it is not, and nothing was read.
    #[inline]
    fn seen_tag(&mut self) -> Option<()> {
        let rest = self.rest();
        let seen = self.seen.get(Self::place(rest)?)?.as_ref()?;
        let mut at = 1 + seen.name.len();
        if seen.scope != self.scope
            || self.open.len() >= self.depth_max
            || !begins_with(&rest[1..], seen.name)
        {
            return None;
        }
        self.attributes.clear();
        for expected in &seen.attributes[..usize::from(seen.count)] {
            let tail = rest.get(at..)?;
            if !begins_with(tail, expected.lead) {
                return None;
            }
            let (lead, tail) = tail.split_at(expected.lead.len());
            let length = memchr2(b'"', b'<', tail)?;
            let raw = &tail[..length];
            if tail[length] == b'<' {
                return None;
            }
            at += lead.len() + length + 1;
            self.attributes.push(Attribute {
                ns: expected.ns,
                plain: is_plain_value(raw),
                colon: expected.colon,
                full_name: &lead[1..lead.len() - 2],
                raw,
                offset: self.at + at - 1,
            });
        }
        match *rest.get(at..)? {
            [b'>', ..] => {}
            [b'/', b'>', ..] => {
                self.empty = true;
                at += 1;
            }
            _ => return None,
        }
        let name = &rest[1..=seen.name.len()];
        self.open.push(Open { name, bindings: self.bindings.len(), scope: self.scope });
        (self.ns, self.prefix, self.local) = match seen.colon as usize {
            0 => (seen.ns, &name[..0], name),
            colon => (seen.ns, &name[..colon], &name[colon + 1..]),
        };
        self.at += at + 1;
        Some(())
    }

    /// Takes the tag that was read, from `start` on, as one to come again.
    fn remember_tag(&mut self, start: usize) -> Option<()> {
        let open = self.open.last()?;
        let place = Self::place(self.bytes.get(start..)?)?;
        if open.scope != self.scope || self.attributes.len() > SEEN_ATTRIBUTES_MAX {
            return None;
        }
        let mut attributes = [SeenAttribute::NONE; SEEN_ATTRIBUTES_MAX];
        let mut end = start + 1 + open.name.len();
        for (seen, one) in attributes.iter_mut().zip(&self.attributes) {
            // In the usual spelling only: one blank, and nothing around the sign.
            let lead = self.bytes.get(end..one.offset.checked_sub(one.raw.len())?)?;
            let [b' ', name @ .., b'=', b'"'] = lead else { return None };
            if name != one.full_name {
                return None;
            }
            *seen = SeenAttribute { lead, colon: one.colon, ns: one.ns };
            end = one.offset + 1;
        }
        let colon = u32::try_from(self.prefix.len()).ok()?;
        let count = self.attributes.len() as u8;
        let seen = Seen { name: open.name, colon, scope: self.scope, ns: self.ns, count, attributes };
        *self.seen.get_mut(place)? = Some(seen);
        Some(())
    }

    fn new_tag(&mut self) -> Result<()> {
        let start = self.at;
        self.read_new_tag()?;
        if !self.seen.is_empty() {
            // One that is not as usual is not remembered.
            let _ = self.remember_tag(start);
        }
        Ok(())
    }

    fn read_new_tag(&mut self) -> Result<()> {
        let rest = self.rest();
        let (end, colon) = self.scan_name(rest, 1)?;
        if self.open.len() >= self.depth_max {
            return Err(self.fault(ErrorKind::TooDeep));
        }
        self.open.push(Open { name: &rest[1..end], bindings: self.bindings.len(), scope: self.scope });
        self.attributes.clear();
        if end < rest.len() && rest[end] == b'>' {
            self.at += end + 1;
        } else {
            self.read_attributes(rest, end)?;
        }
        if colon == 1 {
            (self.ns, self.prefix, self.local) = (self.default, b"", &rest[1..end]);
        } else {
            (self.prefix, self.local) = (&rest[1..colon], &rest[colon + 1..end]);
            self.ns = self.resolve(self.prefix)?;
        }
        Ok(())
    }

    /// Reads what stands in a tag behind its name, up to and with its end.
    fn read_attributes(&mut self, rest: &'a [u8], mut at: usize) -> Result<()> {
        let mut count = 0;
        loop {
            let before = at;
            at = end_of(rest, at, class::SPACE);
            match rest.get(at) {
                Some(b'>') => break,
                Some(b'/') if rest.get(at + 1) == Some(&b'>') => {
                    self.empty = true;
                    at += 1;
                    break;
                }
                Some(b'/') => return Err(self.cut_or_wrong(rest, at + 1)),
                Some(byte) if is(*byte, class::NAME_START) && at > before => {}
                _ => return Err(self.cut_or_wrong(rest, at)),
            }
            count += 1;
            if count > self.attributes_max {
                return Err(self.fault(ErrorKind::TooManyAttributes));
            }
            at = self.read_attribute(rest, at)?;
        }
        self.at += at + 1;
        self.resolve_attributes()
    }

    /// Reads one attribute that begins at `at`; where it ends.
    fn read_attribute(&mut self, rest: &'a [u8], start: usize) -> Result<usize> {
        let (name_end, colon) = self.scan_name(rest, start)?;
        let mut at = name_end;
        // The usual spelling has no blanks here.
        if !matches!(rest.get(at..at + 2), Some([b'=', b'"'])) {
            at = end_of(rest, at, class::SPACE);
            if rest.get(at) != Some(&b'=') {
                return Err(self.cut_or_wrong(rest, at));
            }
            at = end_of(rest, at + 1, class::SPACE) - 1;
        }
        let quote = match rest.get(at + 1) {
            Some(quote @ (b'"' | b'\'')) => *quote,
            _ => return Err(self.cut_or_wrong(rest, at + 1)),
        };
        let value_start = at + 2;
        let tail = rest.get(value_start..).unwrap_or_default();
        let length = memchr(quote, tail).ok_or_else(|| self.fault(ErrorKind::Truncated))?;
        let raw = &tail[..length];
        let plain = is_plain_value(raw);
        if !plain && memchr(b'<', raw).is_some() {
            return Err(self.fault(ErrorKind::Syntax));
        }
        at = value_start + length;
        let full_name = &rest[start..name_end];
        let Ok(colon) = u32::try_from(colon - start) else { return Err(self.fault(ErrorKind::TooLarge)) };
        let attribute = Attribute { ns: Ns::None, plain, colon, full_name, raw, offset: self.at + at };
        if attribute.prefix_bytes() == b"xmlns" {
            self.declare(attribute.local(), &attribute)?;
        } else if full_name == b"xmlns" {
            self.declare(b"", &attribute)?;
        } else {
            self.attributes.push(attribute);
        }
        Ok(at + 1)
    }

    /// Takes a declaration of a namespace into the scope of the tag that is being read.
    #[inline(never)]
    fn declare(&mut self, prefix: &'a [u8], attribute: &Attribute<'a>) -> Result<()> {
        let text = attribute.value()?;
        let outside = self.open.last().map_or(0, |open| open.bindings);
        if self.bindings.get(outside..).unwrap_or_default().iter().any(|known| known.prefix == prefix) {
            return Err(self.fault(ErrorKind::DuplicateAttribute));
        }
        let legal = match prefix {
            b"" => text != XML && text != XMLNS,
            b"xml" => text == XML,
            b"xmlns" => false,
            _ => !text.is_empty() && text != XML && text != XMLNS,
        };
        if !legal {
            return Err(self.fault(ErrorKind::Namespace));
        }
        if self.bindings.len() >= BINDINGS_MAX {
            return Err(self.fault(ErrorKind::TooManyAttributes));
        }
        let ns = if text.is_empty() { Ns::None } else { Ns::of(&text) };
        if prefix.is_empty() {
            self.default = ns;
        }
        self.newest_scope += 1;
        self.scope = self.newest_scope;
        self.bindings.push(Binding { prefix, ns, text });
        Ok(())
    }

    /// Finds the namespaces of the attributes, and attributes that are there twice.
    fn resolve_attributes(&mut self) -> Result<()> {
        for at in 0..self.attributes.len() {
            let one = self.attributes[at];
            if one.colon != 0 {
                self.attributes[at].ns = self.resolve(one.prefix_bytes())?;
            }
            for other in &self.attributes[..at] {
                if same(other.local(), one.local())
                    && self.is_same_namespace(other.prefix_bytes(), one.prefix_bytes())
                {
                    return Err(self.fault(ErrorKind::DuplicateAttribute));
                }
            }
        }
        Ok(())
    }

    /// Whether two prefixes of attributes stand for the same.
    fn is_same_namespace(&self, one: &[u8], other: &[u8]) -> bool {
        one == other
            || (!one.is_empty()
                && !other.is_empty()
                && self.namespace(as_text(one)) == self.namespace(as_text(other)))
    }

    fn bound(&self, prefix: &[u8]) -> Option<Ns> {
        self.bindings.iter().rev().find(|binding| same(binding.prefix, prefix)).map(|binding| binding.ns)
    }

    fn resolve(&self, prefix: &[u8]) -> Result<Ns> {
        match self.bound(prefix) {
            Some(ns) => Ok(ns),
            None if prefix == b"xml" => Ok(Ns::Foreign),
            None => Err(self.fault(ErrorKind::Namespace)),
        }
    }

    fn character_data(&mut self) -> Result<()> {
        let rest = self.rest();
        let mut end = 0;
        while end < SHORT_TEXT && rest.get(end).is_some_and(|byte| is(*byte, class::TEXT)) {
            end += 1;
        }
        self.kind = TextKind::Plain;
        if end < rest.len() && rest[end] != b'<' {
            end += memchr(b'<', &rest[end..]).unwrap_or(rest.len() - end);
            let text = &rest[..end];
            if memchr3(b'&', b']', b'\r', text).is_some() {
                if memmem::find(text, b"]]>").is_some() {
                    return Err(self.fault(ErrorKind::Syntax));
                }
                self.kind = TextKind::Escaped;
            }
        }
        self.raw = &rest[..end];
        self.at += end;
        Ok(())
    }

    /// Comments, instructions, CDATA sections, and what is not allowed.
    #[cold]
    fn other_markup(&mut self) -> Result<Step> {
        loop {
            let rest = self.rest();
            if rest.starts_with(b"<!--") {
                let end = self.find(rest, 4, b"--")?;
                if rest.get(end + 2) != Some(&b'>') {
                    return Err(self.cut_or_wrong(rest, end + 2));
                }
                self.at += end + 3;
            } else if rest.starts_with(b"<?") {
                self.instruction(rest)?;
            } else if rest.starts_with(b"<![CDATA[") && !self.open.is_empty() {
                let end = self.find(rest, 9, b"]]>")?;
                (self.raw, self.kind) = (&rest[9..end], TextKind::Section);
                self.at += end + 3;
                return Ok(Step::Text);
            } else if rest.get(..9).is_some_and(|word| word.eq_ignore_ascii_case(b"<!DOCTYPE")) {
                // In another spelling it is no declaration, and meant as one.
                return Err(self.fault(ErrorKind::Dtd));
            } else {
                let cut =
                    [&b"<!--"[..], b"<![CDATA[", b"<!DOCTYPE", b"<?"].iter().any(|all| all.starts_with(rest));
                return Err(self.fault(if cut { ErrorKind::Truncated } else { ErrorKind::Syntax }));
            }
            // The usual case is that a tag or a text follows; another comment goes round.
            match self.rest() {
                [b'<', b'!' | b'?', ..] | [b'<'] => {}
                _ => return self.next(),
            }
        }
    }

    /// An instruction, or the declaration at the start of the document.
    fn instruction(&mut self, rest: &'a [u8]) -> Result<()> {
        let end = self.find(rest, 2, b"?>")?;
        let content = as_text(&rest[2..end]);
        let target =
            content.split(|character: char| character.is_ascii_whitespace()).next().unwrap_or_default();
        if !target.bytes().next().is_some_and(|byte| is(byte, class::NAME_START)) {
            return Err(self.fault(ErrorKind::Syntax));
        }
        if target.eq_ignore_ascii_case("xml") {
            if self.at != 0 || target != "xml" {
                return Err(self.fault(ErrorKind::Syntax));
            }
            self.declaration(&content[target.len()..])?;
        }
        self.at += end + 2;
        Ok(())
    }

    /// The declaration: the version, which has to be there, and an encoding that has to be ours.
    fn declaration(&self, mut content: &str) -> Result<()> {
        let wrong = || self.fault(ErrorKind::Syntax);
        let mut expected = ["version", "encoding", "standalone"].iter();
        let mut is_first = true;
        loop {
            let trimmed = content.trim_start_matches([' ', '\t', '\r', '\n']);
            if trimmed.is_empty() {
                return if is_first { Err(wrong()) } else { Ok(()) };
            }
            let (name, tail) = trimmed.split_once('=').ok_or_else(wrong)?;
            let name = name.trim_end_matches([' ', '\t', '\r', '\n']);
            let tail = tail.trim_start_matches([' ', '\t', '\r', '\n']);
            let quote = tail.chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or_else(wrong)?;
            let (value, after) = tail[1..].split_once(quote).ok_or_else(wrong)?;
            if trimmed.len() == content.len() || !expected.any(|known| *known == name) {
                return Err(wrong());
            }
            match name {
                "version" if value.starts_with("1.") => {}
                "encoding"
                    if value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("us-ascii") => {}
                "encoding" => return Err(self.fault(ErrorKind::NotUtf8)),
                "standalone" if matches!(value, "yes" | "no") => {}
                _ => return Err(wrong()),
            }
            if is_first && name != "version" {
                return Err(wrong());
            }
            is_first = false;
            content = after;
        }
    }

    /// Where `what` is, from `from` on.
    fn find(&self, rest: &[u8], from: usize, what: &[u8]) -> Result<usize> {
        let tail = rest.get(from..).unwrap_or_default();
        memmem::find(tail, what).map(|at| from + at).ok_or_else(|| self.fault(ErrorKind::Truncated))
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
