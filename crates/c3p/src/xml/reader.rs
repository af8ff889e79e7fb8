//! A pull reader with limits, on top of [`Tokens`].
//!
//! A document is read by tables: [`Reader::children`] calls back for each child element, and whatever the callback does
//! not read is skipped. So "ignore the unknown" is what happens when a table has no row.
//!
//! # Invariants
//!
//! - At the end of the input no element is open, or the document is truncated.
//! - Work and memory are bounded by [`Limits`].

use std::borrow::Cow;
use std::mem;
use std::ops::Deref;
use std::str::FromStr;

use super::Ns;
use super::chars;
use super::token::{self, Step, Tokens};
use crate::any::{self, AnyAttribute, AnyContent, AnyElement};
use crate::{DocumentError, ErrorKind, Limits};

/// Namespaces of attributes in one tree of unknown elements: as many can be declared again at its root.
const ANY_NAMESPACES_MAX: usize = 8;
/// Attributes of one unknown element: with the declarations, its tag stays within the limit when it is written.
const ANY_ATTRIBUTES_MAX: usize = 48;
/// What an unknown element costs beside its texts, and what an attribute of it does.
const ANY_ELEMENT_BYTES: usize = 160;
const ANY_ATTRIBUTE_BYTES: usize = 96;
type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// The reader of one document.
pub(crate) struct Reader<'a> {
    tokens: Tokens<'a>,
    limits: Limits,
    endpoints: usize,
    entries: usize,
    within: &'static str,
    /// Memory that unknown elements may still take.
    unknown_bytes: usize,
}

/// The name of an element without its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalName<'a>(&'a str);

impl<'a> LocalName<'a> {
    /// As text.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
}

impl Deref for LocalName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl PartialEq<&str> for LocalName<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// A start tag that was read.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    /// Its namespace.
    pub(crate) ns: Ns,
    /// Its local name.
    pub(crate) name: LocalName<'a>,
    /// Its attributes without a namespace, or in one that is known.
    attributes: Vec<(&'a str, Cow<'a, str>)>,
    offset: usize,
}

/// What comes next in a document.
enum Piece<'a> {
    Start(Element<'a>),
    End,
    Text(Cow<'a, str>),
    Eof,
}

impl<'a> Element<'a> {
    /// The key of a table row.
    pub(crate) fn key(&self) -> (Ns, &'a str) {
        (self.ns, self.name.as_str())
    }

    /// Takes an attribute, written with or without one of the known namespaces; both at once is an error.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<Option<String>> {
        let Some(at) = self.attributes.iter().position(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let (_, value) = self.attributes.swap_remove(at);
        if self.attributes.iter().any(|(known, _)| *known == name) {
            return Err(self.error(ErrorKind::DuplicateAttribute, ""));
        }
        Ok(Some(value.into_owned()))
    }

    /// Takes an attribute that has to be there; `label` is its name with `@` before it.
    pub(crate) fn require(
        &mut self,
        name: &'static str,
        label: &'static str,
        within: &'static str,
    ) -> Result<String> {
        self.take(name)?.ok_or_else(|| self.error(ErrorKind::Missing(label), within))
    }

    /// Takes an attribute that has to be a number if it is there.
    pub(crate) fn number<T: FromStr>(
        &mut self,
        name: &'static str,
        label: &'static str,
        within: &'static str,
    ) -> Result<Option<T>> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        parse_number(&text).map(Some).ok_or_else(|| self.error(ErrorKind::BadValue(label), within))
    }

    /// Takes an attribute that has to be a truth value if it is there.
    pub(crate) fn boolean(
        &mut self,
        name: &'static str,
        label: &'static str,
        within: &'static str,
    ) -> Result<Option<bool>> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        parse_boolean(&text).map(Some).ok_or_else(|| self.error(ErrorKind::BadValue(label), within))
    }

    /// A fault of this tag.
    pub(crate) fn error(&self, kind: ErrorKind, within: &'static str) -> DocumentError {
        DocumentError { kind, element: within, offset: self.offset }
    }
}

/// A number without a sign and with nothing around it but blanks.
fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A truth value.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    match trim(text) {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

impl<'a> Reader<'a> {
    /// Takes a body, which has to be within its limits and made of legal characters.
    pub(crate) fn new(body: &'a [u8], limits: &Limits) -> Result<Self> {
        if body.len() > limits.bytes {
            return Err(DocumentError { kind: ErrorKind::TooLarge, element: "", offset: limits.bytes });
        }
        let text = chars::legal(body.strip_prefix(token::BOM).unwrap_or(body))?;
        Ok(Self {
            tokens: Tokens::new(text, limits.depth, limits.attributes),
            limits: *limits,
            endpoints: 0,
            entries: 0,
            within: "",
            unknown_bytes: limits.unknown_bytes,
        })
    }

    /// What it reads from, for who reads an element in another way.
    pub(crate) fn tokens(&mut self) -> &mut Tokens<'a> {
        &mut self.tokens
    }

    /// Reads the root's start tag.
    pub(crate) fn root(&mut self) -> Result<Element<'a>> {
        loop {
            match self.next()? {
                Piece::Start(element) => return Ok(element),
                Piece::Text(text) if is_blank(&text) => {}
                Piece::Text(_) | Piece::End => return Err(self.error(ErrorKind::Syntax)),
                Piece::Eof => return Err(self.error(ErrorKind::Truncated)),
            }
        }
    }

    /// Reads to the end of the document; behind the root there may be blanks, comments and instructions.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.skip_to(0)?;
        loop {
            match self.next()? {
                Piece::Eof => return Ok(()),
                Piece::Text(text) if is_blank(&text) => {}
                Piece::Text(_) | Piece::Start(_) | Piece::End => return Err(self.error(ErrorKind::Syntax)),
            }
        }
    }

    /// Reads the children of the element whose start tag was read last, up to and with its end tag.
    ///
    /// `each` gets the children's start tags and reads as much of them as it likes.
    pub(crate) fn children(
        &mut self,
        within: &'static str,
        mut each: impl FnMut(&mut Self, Element<'a>) -> Result<()>,
    ) -> Result<()> {
        let outer = mem::replace(&mut self.within, within);
        let depth = self.tokens.depth();
        loop {
            match self.next()? {
                Piece::Start(element) => {
                    each(self, element)?;
                    self.skip_to(depth)?;
                }
                Piece::End => break,
                Piece::Text(_) => {}
                Piece::Eof => return Err(self.error(ErrorKind::Truncated)),
            }
        }
        self.within = outer;
        Ok(())
    }

    /// Reads the text of the element whose start tag was read last; elements inside it are skipped.
    pub(crate) fn text(&mut self) -> Result<String> {
        let depth = self.tokens.depth();
        let mut all = String::new();
        loop {
            match self.next()? {
                Piece::Start(_) => self.skip_to(depth)?,
                Piece::End => return Ok(all),
                Piece::Text(text) => all.push_str(&text),
                Piece::Eof => return Err(self.error(ErrorKind::Truncated)),
            }
        }
    }

    /// Reads the element whose start tag was read last as one that is not known; `None` if it is more than is kept.
    pub(crate) fn any(&mut self) -> Result<Option<AnyElement>> {
        let mut namespaces = Vec::new();
        let Some(head) = self.any_head(&mut namespaces)? else { return Ok(None) };
        self.any_content(head, &mut namespaces)
    }

    /// As [`Reader::any`], with the name at least.
    pub(crate) fn any_or_name(&mut self) -> Result<AnyElement> {
        let bare = self.any_name()?;
        Ok(self.any()?.unwrap_or(bare))
    }

    fn any_name(&self) -> Result<AnyElement> {
        let name = self.tokens.name();
        if !any::is_name(name) {
            return Err(self.error(ErrorKind::Syntax));
        }
        Ok(AnyElement::new(self.tokens.namespace(self.tokens.prefix()).to_owned(), name))
    }

    /// Name and attributes of the start tag that was read last.
    fn any_head(&mut self, namespaces: &mut Vec<String>) -> Result<Option<AnyElement>> {
        let mut found = self.any_name()?;
        let mut cost = ANY_ELEMENT_BYTES + found.size();
        for attribute in self.tokens.attributes() {
            let name = attribute.name();
            if !any::is_name(name) {
                return Err(self.error(ErrorKind::Syntax));
            }
            let namespace = match attribute.prefix() {
                "" => "",
                prefix => self.tokens.namespace(prefix),
            };
            let is_new = !namespaces.iter().any(|known| known == namespace);
            if !namespace.is_empty() && namespace != any::XML && is_new {
                namespaces.push(namespace.to_owned());
            }
            let value = attribute.value().map_err(|error| error.within(self.within))?;
            cost += ANY_ATTRIBUTE_BYTES + namespace.len() + name.len() + value.len();
            found.attributes.push(AnyAttribute {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                value: value.into_owned(),
            });
        }
        found.attributes.sort();
        let fits = found.attributes.len() <= ANY_ATTRIBUTES_MAX && namespaces.len() <= ANY_NAMESPACES_MAX;
        Ok((fits && self.spend(cost)).then_some(found))
    }

    fn any_content(
        &mut self,
        mut element: AnyElement,
        namespaces: &mut Vec<String>,
    ) -> Result<Option<AnyElement>> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Piece::Start(_) => {
                    push_text(&mut element, &mut text);
                    let Some(head) = self.any_head(namespaces)? else { return Ok(None) };
                    let Some(child) = self.any_content(head, namespaces)? else { return Ok(None) };
                    element.content.push(AnyContent::Element(child));
                }
                Piece::End => break,
                Piece::Text(more) if self.spend(more.len()) => text.push_str(&more),
                Piece::Text(_) => return Ok(None),
                Piece::Eof => return Err(self.error(ErrorKind::Truncated)),
            }
        }
        push_text(&mut element, &mut text);
        // Blanks between elements are how a document is laid out, not what it says.
        if element.content.iter().any(|content| matches!(content, AnyContent::Element(_))) {
            element.content.retain(|content| !matches!(content, AnyContent::Text(text) if is_blank(text)));
        }
        Ok(Some(element))
    }

    /// Takes memory for an unknown element; after the first that does not fit, no more are kept.
    fn spend(&mut self, cost: usize) -> bool {
        let left = self.unknown_bytes.checked_sub(cost);
        self.unknown_bytes = left.unwrap_or(0);
        left.is_some()
    }

    /// Reads a text in which blanks at the ends mean nothing.
    pub(crate) fn trimmed(&mut self) -> Result<String> {
        let text = self.text()?;
        let trimmed = trim(&text);
        Ok(if trimmed.len() == text.len() { text } else { trimmed.to_owned() })
    }

    /// Reads a text as the word of a vocabulary.
    pub(crate) fn word<T>(&mut self, from_token: impl FnOnce(&str) -> T) -> Result<T> {
        Ok(from_token(trim(&self.text()?)))
    }

    /// Reads a truth value.
    pub(crate) fn boolean(&mut self, label: &'static str) -> Result<bool> {
        let text = self.text()?;
        parse_boolean(&text).ok_or_else(|| self.error(ErrorKind::BadValue(label)))
    }

    /// Reads a number.
    pub(crate) fn number<T: FromStr>(&mut self, label: &'static str) -> Result<T> {
        let text = self.text()?;
        parse_number(&text).ok_or_else(|| self.error(ErrorKind::BadValue(label)))
    }

    /// Counts one entry of a list.
    pub(crate) fn count_entry(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries { Err(self.error(ErrorKind::TooManyEntries)) } else { Ok(()) }
    }

    /// Counts one endpoint.
    pub(crate) fn count_endpoint(&mut self) -> Result<()> {
        self.endpoints += 1;
        if self.endpoints > self.limits.endpoints {
            return Err(self.error(ErrorKind::TooManyEndpoints));
        }
        self.count_entry()
    }

    /// A fault at the current place.
    pub(crate) fn error(&self, kind: ErrorKind) -> DocumentError {
        DocumentError { kind, element: self.within, offset: self.offset() }
    }

    fn offset(&self) -> usize {
        self.tokens.offset()
    }

    /// Skips until no more than `depth` elements are open.
    fn skip_to(&mut self, depth: usize) -> Result<()> {
        self.tokens.skip_to(depth).map_err(|error| error.within(self.within))
    }

    fn next(&mut self) -> Result<Piece<'a>> {
        let piece = match self.tokens.next() {
            Ok(Step::Start) => self.start().map(Piece::Start),
            Ok(Step::End) => Ok(Piece::End),
            Ok(Step::Text) => self.tokens.value().map(Piece::Text),
            Ok(Step::Eof) if self.tokens.depth() > 0 => Err(self.error(ErrorKind::Truncated)),
            Ok(Step::Eof) => Ok(Piece::Eof),
            Err(error) => Err(error),
        };
        piece.map_err(|error| error.within(self.within))
    }

    /// Takes the attributes of a tag: the values of all are checked, those in foreign namespaces are dropped.
    fn start(&self) -> Result<Element<'a>> {
        let mut attributes = Vec::new();
        for attribute in self.tokens.attributes() {
            let value = attribute.value()?;
            if attribute.ns != Ns::Foreign {
                attributes.push((attribute.name(), value));
            }
        }
        let name = LocalName(self.tokens.name());
        Ok(Element { ns: self.tokens.ns(), name, attributes, offset: self.tokens.offset() })
    }
}

fn push_text(element: &mut AnyElement, text: &mut String) {
    if !text.is_empty() {
        element.content.push(AnyContent::Text(mem::take(text)));
    }
}

/// White space of XML, which is less than that of Unicode.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

fn is_blank(text: &str) -> bool {
    trim(text).is_empty()
}
