//! The envelope of a message before anybody asks for a value: checked, and where its parts are.
//!
//! A part is an offset, not a share of the message's bytes: an envelope of twenty addresses costs no reference counting and
//! no allocation. [`crate::message::Envelope`] makes values of those that are asked for.
//!
//! # Invariants
//!
//! - Offsets are those of the head as received. Unfolding keeps the length of a value, so they fit the unfolded head too.

use bytestring::ByteString;
use smallvec::SmallVec;

use crate::header::lex::{self, Fault};
use crate::header::{
    AddressParts, CSeq, HeaderErrorKind, HeaderName, Line, MaxForwards, Method, NameAddr, Via, ViaParts,
    values,
};
use crate::limits::Limits;
use crate::message::{ParseError, ParseErrorKind};
use crate::scan;
use crate::uri::{self, Uri};

/// One value and what was found in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<P> {
    start: u32,
    end: u32,
    parts: P,
}

impl<P> Found<P> {
    pub(crate) const fn new(start: usize, end: usize, parts: P) -> Self {
        Self { start: start as u32, end: end as u32, parts }
    }

    fn of<'h>(&self, head: &'h str) -> &'h str {
        &head[self.start as usize..self.end as usize]
    }
}

impl Found<AddressParts> {
    pub(crate) fn value(&self, head: &ByteString) -> NameAddr {
        NameAddr::of_parts(head, self.of(head), self.parts)
    }
}

impl Found<ViaParts> {
    pub(crate) fn value(&self, head: &ByteString) -> Via {
        Via::of_parts(head, self.of(head), self.parts)
    }
}

impl Found<uri::Parts> {
    pub(crate) fn value(&self, head: &ByteString) -> Uri {
        Uri::of_parts(head.slice_ref(self.of(head)), self.parts)
    }
}

impl Found<()> {
    pub(crate) fn text<'h>(&self, head: &'h str) -> &'h str {
        self.of(head)
    }
}

/// Route and Record-Route values in wire order; as many as usual chains have are kept in place.
type Hops = SmallVec<[(HeaderName, Found<AddressParts>); 8]>;

/// The envelope of a message. Those that a message must have are there when [`Fields::complete`] said so.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) via: Found<ViaParts>,
    pub(crate) from: Found<AddressParts>,
    pub(crate) to: Found<AddressParts>,
    pub(crate) call_id: Found<()>,
    pub(crate) cseq: CSeq,
    pub(crate) contact: Option<Found<AddressParts>>,
    pub(crate) hops: Hops,
    pub(crate) max_forwards: Option<u8>,
}

impl Index {
    /// Of no message.
    pub(crate) fn new() -> Self {
        let address = Found::new(0, 0, AddressParts::NONE);
        Self {
            via: Found::new(0, 0, ViaParts::NONE),
            from: address,
            to: address,
            call_id: Found::new(0, 0, ()),
            cseq: CSeq::new(0, Method::Options),
            contact: None,
            hops: Hops::new(),
            max_forwards: None,
        }
    }

    /// The values of Route, then those of Record-Route, each topmost first.
    pub(crate) fn hops(&self, head: &ByteString) -> Box<[NameAddr]> {
        let of = |name| self.hops.iter().filter(move |(n, _)| *n == name).map(|(_, found)| found.value(head));
        let mut made = Vec::with_capacity(self.hops.len());
        made.extend(of(HeaderName::Route));
        made.extend(of(HeaderName::RecordRoute));
        made.into_boxed_slice()
    }

    /// How many values of Route there are.
    pub(crate) fn routes(&self) -> usize {
        self.hops.iter().filter(|(name, _)| *name == HeaderName::Route).count()
    }
}

/// The envelope while its lines are read.
pub(crate) struct Fields<'e> {
    index: &'e mut Index,
    limits: &'e Limits,
    from: bool,
    to: bool,
    call_id: bool,
    cseq: bool,
    vias: usize,
    contacts: usize,
    star: bool,
    routes: usize,
    record_routes: usize,
    pub(crate) content_length: Option<u64>,
}

enum Refusal {
    Value(Fault),
    Kind(ParseErrorKind),
}

impl Refusal {
    fn at(self, line: &Line) -> ParseError {
        match self {
            Self::Value(Fault { kind: HeaderErrorKind::Duplicate, at }) => {
                ParseError::of(ParseErrorKind::Duplicate, line.name, line.value_at() + at)
            }
            Self::Value(Fault { kind, at }) => {
                ParseError::of(ParseErrorKind::Value(kind), line.name, line.value_at() + at)
            }
            Self::Kind(kind) => ParseError::of(kind, line.name, line.value_at()),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Value(fault)
    }
}

impl<'e> Fields<'e> {
    /// Reads the lines of a head into an index that is new.
    pub(crate) fn read(
        index: &'e mut Index,
        head: &[u8],
        lines: &[Line],
        limits: &'e Limits,
    ) -> Result<Self, ParseError> {
        let mut fields = Self {
            index,
            limits,
            from: false,
            to: false,
            call_id: false,
            cseq: false,
            vias: 0,
            contacts: 0,
            star: false,
            routes: 0,
            record_routes: 0,
            content_length: None,
        };
        for line in lines {
            // Most lines are no part of the envelope.
            if line.name <= HeaderName::ContentLength {
                fields.take(head, line).map_err(|refusal| refusal.at(line))?;
            }
        }
        Ok(fields)
    }

    /// Whether all is there that a message must have, whose head ends at `end`.
    pub(crate) fn complete(&self, end: usize) -> Result<(), ParseError> {
        let needed = [
            (self.vias > 0, HeaderName::Via),
            (self.from, HeaderName::From),
            (self.to, HeaderName::To),
            (self.call_id, HeaderName::CallId),
            (self.cseq, HeaderName::CSeq),
        ];
        match needed.iter().find(|(there, _)| !there) {
            Some((_, name)) => Err(ParseError::of(ParseErrorKind::Missing, *name, end)),
            None => Ok(()),
        }
    }

    /// Takes one header line into the envelope.
    #[inline]
    fn take(&mut self, head: &[u8], line: &Line) -> Result<(), Refusal> {
        let value = line.bytes_of(head);
        if line.folded { self.take_folded(value, line) } else { self.take_value(value, line) }
    }

    /// A value over several lines is read as the one line that it means; where its parts are stays the same.
    #[cold]
    fn take_folded(&mut self, value: &[u8], line: &Line) -> Result<(), Refusal> {
        let mut copy: SmallVec<[u8; 512]> = SmallVec::from_slice(value);
        scan::blank_ends(&mut copy);
        self.take_value(&copy, line)
    }

    fn take_value(&mut self, value: &[u8], line: &Line) -> Result<(), Refusal> {
        let base = line.value_at();
        match line.name {
            HeaderName::Via => self.take_vias(value, base)?,
            HeaderName::From => {
                self.index.from = address(value, base)?;
                once(&mut self.from)?;
            }
            HeaderName::To => {
                self.index.to = address(value, base)?;
                once(&mut self.to)?;
            }
            HeaderName::CallId => {
                self.index.call_id = call_id(value, base)?;
                once(&mut self.call_id)?;
            }
            HeaderName::CSeq => {
                self.index.cseq = CSeq::read(value)?;
                once(&mut self.cseq)?;
            }
            HeaderName::MaxForwards => {
                let mut twice = self.index.max_forwards.is_some();
                self.index.max_forwards = Some(MaxForwards::read(value)?);
                once(&mut twice)?;
            }
            HeaderName::Contact => self.take_contacts(value, base)?,
            HeaderName::Route | HeaderName::RecordRoute => self.take_hops(value, line)?,
            HeaderName::Require => {
                let text = std::str::from_utf8(value).map_err(|_| Refusal::Kind(ParseErrorKind::Utf8))?;
                values::tokens_of(text).try_for_each(|t| t.map(|_| ()))?;
            }
            HeaderName::ContentLength => {
                scan::merge_length(&mut self.content_length, value).map_err(Refusal::Kind)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_vias(&mut self, value: &[u8], base: usize) -> Result<(), Fault> {
        let mut list = List::new(value);
        while let Some((at, rest)) = list.item() {
            self.vias += 1;
            check_count(self.vias, self.limits, at)?;
            // Those below the top are checked too: a response to it would carry them on.
            let (parts, next) = ViaParts::find_first(rest).map_err(|f| f.behind(at))?;
            if self.vias == 1 {
                self.index.via = Found::new(base + at, base + at + parts.end(), parts);
            }
            list.go_on(at + next);
        }
        Ok(())
    }

    fn take_contacts(&mut self, value: &[u8], base: usize) -> Result<(), Fault> {
        let mut list = List::new(value);
        while let Some((at, rest)) = list.item() {
            self.contacts += 1;
            check_count(self.contacts, self.limits, at)?;
            match star(rest) {
                Some(next) => {
                    self.star = true;
                    list.go_on(at + next);
                }
                None => {
                    let (parts, next) = AddressParts::find_first(rest).map_err(|f| f.behind(at))?;
                    if self.index.contact.is_none() {
                        self.index.contact = Some(Found::new(base + at, base + at + parts.end(), parts));
                    }
                    list.go_on(at + next);
                }
            }
            if self.star && self.contacts > 1 {
                return lex::fault(HeaderErrorKind::Syntax, at);
            }
        }
        Ok(())
    }

    fn take_hops(&mut self, value: &[u8], line: &Line) -> Result<(), Fault> {
        let base = line.value_at();
        let count = if line.name == HeaderName::Route { &mut self.routes } else { &mut self.record_routes };
        let mut list = List::new(value);
        while let Some((at, rest)) = list.item() {
            *count += 1;
            check_count(*count, self.limits, at)?;
            let (parts, next) = AddressParts::find_first(rest).map_err(|f| f.behind(at))?;
            self.index.hops.push((line.name, Found::new(base + at, base + at + parts.end(), parts)));
            list.go_on(at + next);
        }
        Ok(())
    }
}

/// A list while it is read: each reader of an item says where its item ended, at a comma or with the list.
struct List<'v> {
    value: &'v [u8],
    /// Where the next item begins, with its blanks; behind the list's end when there is none.
    next: usize,
}

impl<'v> List<'v> {
    fn new(value: &'v [u8]) -> Self {
        Self { value, next: 0 }
    }

    /// Where the next item begins, and the list from there on.
    #[inline]
    fn item(&self) -> Option<(usize, &'v [u8])> {
        let mut rest = self.value.get(self.next..)?;
        while let [b' ' | b'\t', behind @ ..] = rest {
            rest = behind;
        }
        Some((self.value.len() - rest.len(), rest))
    }

    fn go_on(&mut self, end: usize) {
        self.next = end + 1;
    }
}

/// Whether the first item is `*`, and where it ends.
fn star(list: &[u8]) -> Option<usize> {
    let blanks = list.strip_prefix(b"*")?.iter().take_while(|b| lex::is_space(**b)).count();
    matches!(list.get(1 + blanks), None | Some(b',')).then_some(1 + blanks)
}

fn address(value: &[u8], base: usize) -> Result<Found<AddressParts>, Fault> {
    Ok(Found::new(base, base + value.len(), AddressParts::find(value)?))
}

fn once(there: &mut bool) -> Result<(), Fault> {
    if std::mem::replace(there, true) { lex::fault(HeaderErrorKind::Duplicate, 0) } else { Ok(()) }
}

fn check_count(count: usize, limits: &Limits, at: usize) -> Result<(), Fault> {
    if count > limits.list_values { lex::fault(HeaderErrorKind::TooMany, at) } else { Ok(()) }
}

/// `word ["@" word]`, read leniently: visible characters.
fn call_id(value: &[u8], base: usize) -> Result<Found<()>, Fault> {
    let blank = |b: &u8| *b <= b' ' || *b == 0x7f || *b == b',';
    match value.iter().position(blank) {
        Some(at) => lex::fault(HeaderErrorKind::Syntax, at),
        None if value.is_empty() => lex::fault(HeaderErrorKind::Syntax, 0),
        None => Ok(Found::new(base, base + value.len(), ())),
    }
}
