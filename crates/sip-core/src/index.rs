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
    AddressParts, CSeq, HeaderErrorKind, HeaderName, Line, MaxForwards, NameAddr, Via, ViaParts, values,
};
use crate::limits::Limits;
use crate::message::{ParseError, ParseErrorKind};
use crate::scan::{self, Lines};

/// One value and what was found in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<P> {
    start: u32,
    end: u32,
    parts: P,
}

impl<P> Found<P> {
    fn new(base: usize, item: &str, parts: P) -> Self {
        Self { start: base as u32, end: (base + item.len()) as u32, parts }
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

impl Found<()> {
    pub(crate) fn text<'h>(&self, head: &'h str) -> &'h str {
        self.of(head)
    }
}

/// Route and Record-Route values in wire order; as many as usual chains have are kept in place.
type Hops = SmallVec<[(HeaderName, Found<AddressParts>); 10]>;

/// The envelope of a message that has all that it must have.
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
    /// Reads the lines of a head that ends at `end`; `body` takes the body when all of them are read.
    pub(crate) fn parse(
        head: &str,
        lines: &Lines,
        end: usize,
        limits: &Limits,
        body: impl FnOnce(Option<u64>) -> Result<(), ParseError>,
    ) -> Result<Self, ParseError> {
        let mut fields = Fields::new(limits);
        for line in lines.iter() {
            fields.take(head, line).map_err(|refusal| refusal.at(line))?;
        }
        body(fields.content_length)?;
        let missing = |name| ParseError::of(ParseErrorKind::Missing, name, end);
        let Fields { via, from, to, call_id, cseq, contact, hops, max_forwards, .. } = fields;
        Ok(Self {
            via: via.ok_or(missing(HeaderName::Via))?,
            from: from.ok_or(missing(HeaderName::From))?,
            to: to.ok_or(missing(HeaderName::To))?,
            call_id: call_id.ok_or(missing(HeaderName::CallId))?,
            cseq: cseq.ok_or(missing(HeaderName::CSeq))?,
            contact,
            hops,
            max_forwards,
        })
    }

    /// The values of Route or of Record-Route, topmost first.
    pub(crate) fn hops(&self, name: HeaderName, head: &ByteString) -> Box<[NameAddr]> {
        let mut made = Vec::with_capacity(self.hops.iter().filter(|(n, _)| *n == name).count());
        made.extend(self.hops.iter().filter(|(n, _)| *n == name).map(|(_, found)| found.value(head)));
        made.into_boxed_slice()
    }

    /// Whether there is a value of Route or of Record-Route.
    pub(crate) fn has_hops(&self, name: HeaderName) -> bool {
        self.hops.iter().any(|(n, _)| *n == name)
    }
}

/// The envelope while its lines are read.
struct Fields<'l> {
    limits: &'l Limits,
    via: Option<Found<ViaParts>>,
    vias: usize,
    from: Option<Found<AddressParts>>,
    to: Option<Found<AddressParts>>,
    call_id: Option<Found<()>>,
    cseq: Option<CSeq>,
    contact: Option<Found<AddressParts>>,
    contacts: usize,
    star: bool,
    hops: Hops,
    routes: usize,
    record_routes: usize,
    max_forwards: Option<u8>,
    content_length: Option<u64>,
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

impl<'l> Fields<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            via: None,
            vias: 0,
            from: None,
            to: None,
            call_id: None,
            cseq: None,
            contact: None,
            contacts: 0,
            star: false,
            hops: Hops::new(),
            routes: 0,
            record_routes: 0,
            max_forwards: None,
            content_length: None,
        }
    }

    /// Takes one header line into the envelope.
    fn take(&mut self, head: &str, line: &Line) -> Result<(), Refusal> {
        let value = line.value_of(head);
        if line.folded { self.take_folded(value, line) } else { self.take_value(value, line) }
    }

    /// A value over several lines is read as the one line that it means; where its parts are stays the same.
    #[cold]
    fn take_folded(&mut self, value: &str, line: &Line) -> Result<(), Refusal> {
        let mut copy: SmallVec<[u8; 512]> = SmallVec::from_slice(value.as_bytes());
        scan::blank_ends(&mut copy);
        let text = std::str::from_utf8(&copy).map_err(|_| Refusal::Kind(ParseErrorKind::Utf8))?;
        self.take_value(text, line)
    }

    fn take_value(&mut self, value: &str, line: &Line) -> Result<(), Refusal> {
        let base = line.value_at();
        match line.name {
            HeaderName::Via => self.take_vias(value, base)?,
            HeaderName::From => once(&mut self.from, address(value, base)?)?,
            HeaderName::To => once(&mut self.to, address(value, base)?)?,
            HeaderName::CallId => once(&mut self.call_id, call_id(value, base)?)?,
            HeaderName::CSeq => once(&mut self.cseq, CSeq::parse_shared(value, |t| t.into())?)?,
            HeaderName::MaxForwards => once(&mut self.max_forwards, MaxForwards::parse_value(value)?)?,
            HeaderName::Contact => self.take_contacts(value, base)?,
            HeaderName::Route => {
                take_hops(&mut self.hops, &mut self.routes, value, line, self.limits)?;
            }
            HeaderName::RecordRoute => {
                take_hops(&mut self.hops, &mut self.record_routes, value, line, self.limits)?;
            }
            HeaderName::Require => values::tokens_of(value).try_for_each(|t| t.map(|_| ()))?,
            HeaderName::ContentLength => {
                scan::merge_length(&mut self.content_length, value.as_bytes()).map_err(Refusal::Kind)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_vias(&mut self, value: &str, base: usize) -> Result<(), Fault> {
        for (at, item) in lex::list_items(value) {
            self.vias += 1;
            check_count(self.vias, self.limits, at)?;
            // Those below the top are checked too: a response to it would carry them on.
            let parts = ViaParts::find(item).map_err(|f| Fault { at: at + f.at, ..f })?;
            self.via.get_or_insert(Found::new(base + at, item, parts));
        }
        Ok(())
    }

    fn take_contacts(&mut self, value: &str, base: usize) -> Result<(), Fault> {
        for (at, item) in lex::list_items(value) {
            self.contacts += 1;
            check_count(self.contacts, self.limits, at)?;
            if item == "*" {
                self.star = true;
            } else {
                let contact = address(item, base + at).map_err(|f| Fault { at: at + f.at, ..f })?;
                self.contact.get_or_insert(contact);
            }
            if self.star && self.contacts > 1 {
                return lex::fault(HeaderErrorKind::Syntax, at);
            }
        }
        Ok(())
    }
}

fn take_hops(
    hops: &mut Hops,
    count: &mut usize,
    value: &str,
    line: &Line,
    limits: &Limits,
) -> Result<(), Fault> {
    for (at, item) in lex::list_items(value) {
        *count += 1;
        check_count(*count, limits, at)?;
        let hop = address(item, line.value_at() + at).map_err(|f| Fault { at: at + f.at, ..f })?;
        hops.push((line.name, hop));
    }
    Ok(())
}

fn address(item: &str, base: usize) -> Result<Found<AddressParts>, Fault> {
    Ok(Found::new(base, item, AddressParts::find(item)?))
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Fault> {
    match slot.replace(value) {
        Some(_) => lex::fault(HeaderErrorKind::Duplicate, 0),
        None => Ok(()),
    }
}

fn check_count(count: usize, limits: &Limits, at: usize) -> Result<(), Fault> {
    if count > limits.list_values { lex::fault(HeaderErrorKind::TooMany, at) } else { Ok(()) }
}

/// `word ["@" word]`, read leniently: visible characters.
fn call_id(value: &str, base: usize) -> Result<Found<()>, Fault> {
    let blank = value.bytes().position(|b| b <= b' ' || b == 0x7f || b == b',');
    match (blank, value.is_empty()) {
        (Some(at), _) => lex::fault(HeaderErrorKind::Syntax, at),
        (None, true) => lex::fault(HeaderErrorKind::Syntax, 0),
        (None, false) => Ok(Found::new(base, value, ())),
    }
}
