//! A pull reader with limits, on top of `quick_xml::NsReader`.
//!
//! A document is read by tables: [`Reader::children`] calls back for each child element, and whatever the callback does
//! not read is skipped. So "ignore the unknown" is what happens when a table has no row.
//!
//! # Invariants
//!
//! - No document type declaration, no entity but the five, no character that XML 1.0 does not allow.
//! - `depth` counts the open elements; at the end of the input it is 0, or the document is truncated.
//! - Work and memory are bounded by [`Limits`]; quick-xml's search for duplicate attributes is quadratic and therefore
//!   cut off at `Limits::attributes`.

use std::borrow::Cow;
use std::mem;
use std::str::FromStr;

use quick_xml::errors::SyntaxError;
use quick_xml::escape::{EscapeError, resolve_predefined_entity, unescape};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{LocalName, Namespace, NamespaceError, ResolveResult};
use quick_xml::reader::NsReader;
use quick_xml::{Error, XmlVersion};
use smol_str::SmolStr;

use super::Ns;
use crate::any::{self, AnyAttribute, AnyContent, AnyElement};
use crate::{DocumentError, ErrorKind, Limits};

/// Declarations of namespaces that may be in scope at once.
const NAMESPACES_MAX: usize = 64;
/// Namespaces of attributes in one tree of unknown elements: as many can be declared again at its root.
const ANY_NAMESPACES_MAX: usize = 8;
/// Attributes of one unknown element: with the declarations, its tag stays within the limit when it is written.
const ANY_ATTRIBUTES_MAX: usize = 48;
/// What an unknown element costs beside its texts, and what an attribute of it does.
const ANY_ELEMENT_BYTES: usize = 160;
const ANY_ATTRIBUTE_BYTES: usize = 96;
/// The byte order mark that some writers put before a document.
const BOM: &[u8] = b"\xef\xbb\xbf";

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// The reader of one document.
pub(crate) struct Reader<'a> {
    inner: NsReader<&'a [u8]>,
    limits: Limits,
    depth: usize,
    endpoints: usize,
    entries: usize,
    within: &'static str,
    /// The start tag that was read last, for [`Reader::any`].
    tag: Option<BytesStart<'a>>,
    /// Memory that unknown elements may still take.
    unknown_bytes: usize,
}

/// A start tag that was read.
#[derive(Debug)]
pub(crate) struct Element {
    /// Its namespace.
    pub(crate) ns: Ns,
    /// Its local name.
    pub(crate) name: SmolStr,
    attributes: Vec<Attribute>,
    offset: usize,
}

/// An attribute without a namespace, or in one that is known.
#[derive(Debug)]
struct Attribute {
    name: SmolStr,
    value: String,
}

/// What comes next in a document.
enum Piece<'a> {
    Start(Element),
    End,
    Text(Cow<'a, str>),
    Eof,
}

impl Element {
    /// The key of a table row.
    pub(crate) fn key(&self) -> (Ns, &str) {
        (self.ns, self.name.as_str())
    }

    /// Takes an attribute, written with or without one of the known namespaces; both at once is an error.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<Option<String>> {
        let Some(at) = self.attributes.iter().position(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        let value = self.attributes.swap_remove(at).value;
        if self.attributes.iter().any(|attribute| attribute.name == name) {
            return Err(self.error(ErrorKind::DuplicateAttribute, ""));
        }
        Ok(Some(value))
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

fn parse_boolean(text: &str) -> Option<bool> {
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
        let fail = |kind, offset| Err(DocumentError { kind, element: "", offset });
        if body.len() > limits.bytes {
            return fail(ErrorKind::TooLarge, limits.bytes);
        }
        let body = body.strip_prefix(BOM).unwrap_or(body);
        // quick-xml would skip another one.
        if body.starts_with(BOM) {
            return fail(ErrorKind::Syntax, 0);
        }
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(error) => return fail(ErrorKind::NotUtf8, error.valid_up_to()),
        };
        if let Some(offset) = illegal_character(text) {
            return fail(ErrorKind::IllegalCharacter, offset);
        }
        let mut inner = NsReader::from_str(text);
        inner.config_mut().expand_empty_elements = true;
        inner.config_mut().check_comments = true;
        inner.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
        Ok(Self {
            inner,
            limits: *limits,
            depth: 0,
            endpoints: 0,
            entries: 0,
            within: "",
            tag: None,
            unknown_bytes: limits.unknown_bytes,
        })
    }

    /// Reads the root's start tag.
    pub(crate) fn root(&mut self) -> Result<Element> {
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
        mut each: impl FnMut(&mut Self, Element) -> Result<()>,
    ) -> Result<()> {
        let outer = mem::replace(&mut self.within, within);
        let depth = self.depth;
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
        let depth = self.depth;
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
        let bare = match self.tag.take() {
            Some(tag) => {
                let bare = self.any_name(&tag)?;
                self.tag = Some(tag);
                bare
            }
            None => AnyElement::default(),
        };
        Ok(self.any()?.unwrap_or(bare))
    }

    fn any_name(&self, tag: &BytesStart<'_>) -> Result<AnyElement> {
        let (resolved, name) = self.inner.resolver().resolve_element(tag.name());
        if !any::is_name(name.as_ref()) {
            return Err(self.error(ErrorKind::Syntax));
        }
        Ok(AnyElement::new(self.namespace_text(&resolved)?, name.as_ref()))
    }

    /// Name and attributes of the start tag that was read last.
    fn any_head(&mut self, namespaces: &mut Vec<String>) -> Result<Option<AnyElement>> {
        let Some(tag) = self.tag.take() else { return Ok(None) };
        let mut found = self.any_name(&tag)?;
        let mut cost = ANY_ELEMENT_BYTES + found.size();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| self.attribute_error(&error))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (resolved, name) = self.inner.resolver().resolve_attribute(attribute.key);
            if !any::is_name(name.as_ref()) {
                return Err(self.error(ErrorKind::Syntax));
            }
            let namespace = self.namespace_text(&resolved)?;
            if !namespace.is_empty() && namespace != any::XML && !namespaces.contains(&namespace) {
                namespaces.push(namespace.clone());
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.syntax(&error))?;
            cost += ANY_ATTRIBUTE_BYTES + namespace.len() + name.as_ref().len() + value.len();
            let (name, value) = (name.as_ref().to_owned(), value.into_owned());
            found.attributes.push(AnyAttribute { namespace, name, value });
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

    fn namespace_text(&self, resolved: &ResolveResult<'_>) -> Result<String> {
        match resolved {
            ResolveResult::Unbound => Ok(String::new()),
            ResolveResult::Unknown(_) => Err(self.error(ErrorKind::Namespace)),
            ResolveResult::Bound(namespace) => {
                let text = unescape(namespace.0).map_err(|error| self.syntax(&Error::Escape(error)))?;
                if text.contains(is_illegal) {
                    return Err(self.error(ErrorKind::IllegalCharacter));
                }
                Ok(text.into_owned())
            }
        }
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
        usize::try_from(self.inner.buffer_position()).unwrap_or(usize::MAX)
    }

    /// Skips until no more than `depth` elements are open.
    fn skip_to(&mut self, depth: usize) -> Result<()> {
        while self.depth > depth {
            if let Piece::Eof = self.next()? {
                return Err(self.error(ErrorKind::Truncated));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Piece<'a>> {
        loop {
            let at_start = self.offset() == 0;
            let event = self.inner.read_event().map_err(|error| self.syntax(&error))?;
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    let element = self.start(&start)?;
                    self.tag = Some(start);
                    return Ok(Piece::Start(element));
                }
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(Piece::End);
                }
                Event::Text(text) => return Ok(Piece::Text(text.xml10_content())),
                Event::CData(text) if self.depth > 0 => return Ok(Piece::Text(text.xml10_content())),
                Event::GeneralRef(reference) if self.depth > 0 => return self.reference(&reference),
                Event::Decl(declaration) if at_start => self.declaration(&declaration)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(self.error(ErrorKind::Dtd)),
                Event::CData(_) | Event::GeneralRef(_) | Event::Decl(_) => {
                    return Err(self.error(ErrorKind::Syntax));
                }
                Event::Eof if self.depth > 0 => return Err(self.error(ErrorKind::Truncated)),
                Event::Eof => return Ok(Piece::Eof),
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<Element> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.error(ErrorKind::TooDeep));
        }
        let (ns, name) = self.inner.resolver().resolve_element(start.name());
        let ns = self.namespace(&ns)?;
        let name = SmolStr::new(name.as_ref());
        Ok(Element { ns, name, attributes: self.attributes(start)?, offset: self.offset() })
    }

    /// Reads the attributes of a tag: all are checked, those in foreign namespaces are dropped.
    fn attributes(&self, start: &BytesStart<'_>) -> Result<Vec<Attribute>> {
        let mut kept = Vec::new();
        let mut qualified: Vec<(Namespace<'_>, LocalName<'_>)> = Vec::new();
        for (at, attribute) in start.attributes().enumerate() {
            let attribute = attribute.map_err(|error| self.attribute_error(&error))?;
            if at >= self.limits.attributes {
                return Err(self.error(ErrorKind::TooManyAttributes));
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (resolved, local) = self.inner.resolver().resolve_attribute(attribute.key);
            let ns = self.namespace(&resolved)?;
            if let ResolveResult::Bound(namespace) = resolved {
                if qualified.contains(&(namespace, local)) {
                    return Err(self.error(ErrorKind::DuplicateAttribute));
                }
                qualified.push((namespace, local));
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.syntax(&error))?;
            if value.contains(is_illegal) {
                return Err(self.error(ErrorKind::IllegalCharacter));
            }
            if ns != Ns::Foreign {
                kept.push(Attribute { name: SmolStr::new(local.as_ref()), value: value.into_owned() });
            }
        }
        Ok(kept)
    }

    fn namespace(&self, resolved: &ResolveResult<'_>) -> Result<Ns> {
        match resolved {
            ResolveResult::Unbound => Ok(Ns::None),
            ResolveResult::Bound(namespace) => Ok(Ns::of(namespace.0)),
            ResolveResult::Unknown(_) => Err(self.error(ErrorKind::Namespace)),
        }
    }

    /// One of the five entities, or a character by its number.
    fn reference(&self, reference: &BytesRef<'_>) -> Result<Piece<'a>> {
        let illegal = || self.error(ErrorKind::IllegalCharacter);
        if let Some(character) = reference.resolve_char_ref().map_err(|_| illegal())? {
            if is_illegal(character) {
                return Err(illegal());
            }
            return Ok(Piece::Text(Cow::Owned(character.to_string())));
        }
        match resolve_predefined_entity(reference) {
            Some(text) => Ok(Piece::Text(Cow::Borrowed(text))),
            None => Err(self.error(ErrorKind::UnknownEntity)),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<()> {
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => {
                Ok(())
            }
            Some(Ok(_)) => Err(self.error(ErrorKind::NotUtf8)),
            Some(Err(_)) => Err(self.error(ErrorKind::Syntax)),
        }
    }

    fn attribute_error(&self, error: &AttrError) -> DocumentError {
        match error {
            AttrError::Duplicated(..) => self.error(ErrorKind::DuplicateAttribute),
            AttrError::ExpectedEq(_)
            | AttrError::ExpectedValue(_)
            | AttrError::UnquotedValue(_)
            | AttrError::ExpectedQuote(..) => self.error(ErrorKind::Syntax),
        }
    }

    fn syntax(&self, error: &Error) -> DocumentError {
        let kind = match error {
            Error::Syntax(SyntaxError::InvalidBangMarkup) => ErrorKind::Syntax,
            // All others of this kind are markup that the end of the input cut off.
            Error::Syntax(_) => ErrorKind::Truncated,
            Error::InvalidAttr(error) => return self.attribute_error(error),
            Error::Escape(EscapeError::UnrecognizedEntity(..)) => ErrorKind::UnknownEntity,
            Error::Escape(EscapeError::InvalidCharRef(_)) => ErrorKind::IllegalCharacter,
            Error::Namespace(NamespaceError::TooManyBindings(_)) => ErrorKind::TooManyAttributes,
            Error::Namespace(NamespaceError::TooDeeplyNested(_)) => ErrorKind::TooDeep,
            Error::Namespace(_) => ErrorKind::Namespace,
            Error::Encoding(_) => ErrorKind::NotUtf8,
            Error::Io(_) | Error::IllFormed(_) | Error::Escape(_) => ErrorKind::Syntax,
        };
        self.error(kind)
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

/// Whether XML 1.0 does not allow this character (section 2.2).
pub(super) fn is_illegal(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        other => other < ' ',
    }
}

/// Where the first illegal character is. Works on bytes: almost all documents are ASCII.
fn illegal_character(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, byte)| {
        let illegal = match byte {
            b'\t' | b'\n' | b'\r' => false,
            0xef => matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])),
            other => *other < b' ',
        };
        illegal.then_some(at)
    })
}
