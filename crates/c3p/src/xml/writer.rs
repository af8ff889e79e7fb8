//! A writer of XML into one buffer.
//!
//! A start tag stays open for attributes until content or the end comes, so an element without content closes itself.
//! Texts are escaped; characters that XML 1.0 cannot carry become U+FFFD.

use bytes::Bytes;

use super::chars::is_illegal;
use crate::any::{AnyContent, AnyElement, XML, XMLNS, is_name};

/// The writer of one document.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    open: Vec<&'static str>,
    in_tag: bool,
}

impl Writer {
    /// A document with its declaration.
    pub(crate) fn document() -> Self {
        Self::document_of(1_024)
    }

    /// A document that will have about so many bytes.
    pub(crate) fn document_of(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        Self { out, open: Vec::with_capacity(16), in_tag: false }
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &'static str) -> &mut Self {
        self.end_tag();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.open.push(name);
        self.in_tag = true;
        self
    }

    /// Writes an attribute of the element that was just begun.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "an attribute belongs to a start tag");
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        self.escape(value, true);
        self.out.push(b'"');
        self
    }

    /// Writes an attribute if there is a value.
    pub(crate) fn attribute_if(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// Writes text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.end_tag();
            self.escape(text, false);
        }
        self
    }

    /// Ends the element that was begun last.
    pub(crate) fn end(&mut self) -> &mut Self {
        let Some(name) = self.open.pop() else {
            debug_assert!(false, "no element is open");
            return self;
        };
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'>');
        }
        self
    }

    /// Writes an element with nothing but text.
    pub(crate) fn leaf(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.start(name).text(text).end()
    }

    /// Writes an element with nothing but text if there is a value.
    pub(crate) fn leaf_if(&mut self, name: &'static str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.leaf(name, text),
            None => self,
        }
    }

    /// Writes an element with a truth value if there is one.
    pub(crate) fn boolean_if(&mut self, name: &'static str, value: Option<bool>) -> &mut Self {
        self.leaf_if(name, value.map(|value| if value { "true" } else { "false" }))
    }

    /// Writes an element with a number if there is one.
    pub(crate) fn number_if(&mut self, name: &'static str, value: Option<u32>) -> &mut Self {
        match value {
            Some(value) => self.leaf(name, &value.to_string()),
            None => self,
        }
    }

    /// Writes an element with nothing but text whose name came from elsewhere; `prefix` with its colon.
    pub(crate) fn leaf_named(&mut self, prefix: &str, name: &str, text: &str) -> &mut Self {
        let name = if is_name(name) { name } else { "unknown" };
        self.end_tag();
        self.out.push(b'<');
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        self.escape(text, false);
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        self
    }

    /// Writes an element that is not known, with further attributes (names with their prefixes) at its tag.
    ///
    /// Whatever it holds, the document stays well-formed: a name that cannot be one becomes `unknown`.
    pub(crate) fn any(&mut self, element: &AnyElement, more: &[(&str, &str)]) -> &mut Self {
        self.end_tag();
        let mut namespaces = Vec::new();
        collect_namespaces(element, &mut namespaces);
        self.any_tree(element, true, None, &namespaces, more);
        self
    }

    fn any_tree(
        &mut self,
        element: &AnyElement,
        is_root: bool,
        parent: Option<&str>,
        namespaces: &[&str],
        more: &[(&str, &str)],
    ) {
        let name = if is_name(&element.name) { element.name.as_str() } else { "unknown" };
        let prefix = if element.namespace == XML { "xml:" } else { "" };
        let namespace = if element.namespace == XMLNS { "" } else { element.namespace.as_str() };
        // A prefix by birth leaves the default as it is.
        let default = if prefix.is_empty() { Some(namespace) } else { parent };
        self.out.push(b'<');
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.in_tag = true;
        if let Some(default) = default
            && parent != Some(default)
        {
            self.attribute("xmlns", default);
        }
        if is_root {
            for (at, namespace) in namespaces.iter().enumerate() {
                self.attribute(&format!("xmlns:n{at}"), namespace);
            }
        }
        let mut written: Vec<(&str, &str)> = Vec::new();
        for attribute in &element.attributes {
            let key = (attribute.namespace.as_str(), attribute.name.as_str());
            if !is_name(key.1) || key == ("", "xmlns") || key.0 == XMLNS || written.contains(&key) {
                continue;
            }
            written.push(key);
            match namespaces.iter().position(|known| *known == key.0) {
                _ if key.0.is_empty() => self.attribute(key.1, &attribute.value),
                _ if key.0 == XML => self.attribute(&format!("xml:{}", key.1), &attribute.value),
                Some(at) => self.attribute(&format!("n{at}:{}", key.1), &attribute.value),
                None => self,
            };
        }
        for (name, value) in more {
            self.attribute(name, value);
        }
        if element.content.is_empty() {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
            return;
        }
        self.end_tag();
        for content in &element.content {
            match content {
                AnyContent::Element(child) => self.any_tree(child, false, default, namespaces, &[]),
                AnyContent::Text(text) => self.escape(text, false),
            }
        }
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }

    /// The bytes of the document.
    pub(crate) fn finish(self) -> Bytes {
        debug_assert!(self.open.is_empty() && !self.in_tag, "every element has ended");
        Bytes::from(self.out)
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.out.push(b'>');
            self.in_tag = false;
        }
    }

    fn escape(&mut self, text: &str, attribute: bool) {
        escape(&mut self.out, text.as_bytes(), attribute);
    }

    /// For who writes elements in another way: where the content of the element goes that was begun last. What is written
    /// there has to be whole elements.
    pub(crate) fn content(&mut self) -> &mut Vec<u8> {
        self.end_tag();
        &mut self.out
    }
}

/// Whether a text stands for itself. Sure only if it does: what may need a look is looked at by characters.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    #[inline]
    fn are_plain<const N: usize>(block: &[u8; N]) -> bool {
        // The last is where the characters begin that are none (U+FFFE and U+FFFF).
        let is_special = |byte: u8| {
            (byte < b' ') | (byte == b'&') | (byte == b'<') | (byte == b'>') | (byte == b'"') | (byte == 0xef)
        };
        !block.iter().fold(false, |special, byte| special | is_special(*byte))
    }
    let (blocks, tail) = text.as_chunks::<16>();
    if !blocks.iter().all(are_plain) {
        return false;
    }
    // Some bytes are looked at twice, many at once.
    match (text.last_chunk::<16>(), tail.first_chunk::<8>(), tail.last_chunk::<8>()) {
        (Some(last), ..) => are_plain(last),
        (None, Some(first), Some(last)) => are_plain(first) && are_plain(last),
        _ => match (tail.first_chunk::<4>(), tail.last_chunk::<4>()) {
            (Some(first), Some(last)) => are_plain(first) && are_plain(last),
            _ => tail.iter().all(|byte| are_plain(&[*byte])),
        },
    }
}

/// Adds a text.
#[inline]
pub(crate) fn escape(out: &mut Vec<u8>, text: &[u8], attribute: bool) {
    if is_plain(text) {
        out.extend_from_slice(text);
    } else {
        escape_characters(out, text, attribute);
    }
}

/// Copies runs of plain text at once.
#[inline(never)]
fn escape_characters(out: &mut Vec<u8>, text: &[u8], attribute: bool) {
    let Ok(text) = std::str::from_utf8(text) else {
        debug_assert!(false, "all that is written is text");
        return;
    };
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let replacement = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' if attribute => "&quot;",
            '\r' => "&#13;",
            '\t' if attribute => "&#9;",
            '\n' if attribute => "&#10;",
            illegal if is_illegal(illegal) => "\u{fffd}",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        out.extend_from_slice(replacement.as_bytes());
        plain = at + character.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

/// The namespaces of the attributes in a tree; each gets a prefix at its root.
fn collect_namespaces<'a>(element: &'a AnyElement, found: &mut Vec<&'a str>) {
    for attribute in &element.attributes {
        let namespace = attribute.namespace.as_str();
        if !["", XML, XMLNS].contains(&namespace) && !found.contains(&namespace) {
            found.push(namespace);
        }
    }
    for child in element.children() {
        collect_namespaces(child, found);
    }
}
