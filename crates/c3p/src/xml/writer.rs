//! A writer of XML into one buffer.
//!
//! A start tag stays open for attributes until content or the end comes, so an element without content closes itself.
//! Texts are escaped; characters that XML 1.0 cannot carry become U+FFFD.

use bytes::Bytes;

use super::reader::is_illegal;

/// The writer of one document.
#[derive(Debug)]
pub(crate) struct Writer {
    out: String,
    open: Vec<&'static str>,
    in_tag: bool,
}

impl Writer {
    /// A document with its declaration.
    pub(crate) fn document() -> Self {
        Self {
            out: String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>"),
            open: Vec::with_capacity(16),
            in_tag: false,
        }
    }

    /// Begins an element.
    pub(crate) fn start(&mut self, name: &'static str) -> &mut Self {
        self.end_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.open.push(name);
        self.in_tag = true;
        self
    }

    /// Writes an attribute of the element that was just begun.
    pub(crate) fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "an attribute belongs to a start tag");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.escape(value, true);
        self.out.push('"');
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
            self.out.push_str("/>");
            self.in_tag = false;
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
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

    /// Writes an element without content whose name came from elsewhere; a name that could not be one becomes `unknown`.
    pub(crate) fn empty_named(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        let name = if is_plain_name(name) { name } else { "unknown" };
        self.end_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.in_tag = true;
        for (name, value) in attributes {
            self.attribute(name, value);
        }
        self.out.push_str("/>");
        self.in_tag = false;
        self
    }

    /// The bytes of the document.
    pub(crate) fn finish(self) -> Bytes {
        debug_assert!(self.open.is_empty() && !self.in_tag, "every element has ended");
        Bytes::from(self.out)
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }

    /// Copies runs of plain text at once.
    fn escape(&mut self, text: &str, attribute: bool) {
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
            self.out.push_str(&text[plain..at]);
            self.out.push_str(replacement);
            plain = at + character.len_utf8();
        }
        self.out.push_str(&text[plain..]);
    }
}

/// Whether a text can be the local name of an element, by a stricter rule than XML's.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character))
}
