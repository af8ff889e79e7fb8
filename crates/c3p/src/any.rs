//! Elements that this crate does not know: kept as they are, so that they can be looked at and written again.
//!
//! A tree of names, attributes and texts without prefixes: two trees are equal when they mean the same, whatever the
//! prefixes, the order of the attributes, the comments and the blanks between elements were.

use serde::{Deserialize, Serialize};

/// The namespace of `xml:lang` and its like, which has its prefix by birth.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of declarations, in which nothing else may be.
pub(crate) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// An element of any name.
///
/// Names that cannot be names are written as `unknown`; [`is_name`] tells.
///
/// # Examples
///
/// ```
/// use c3p::AnyElement;
///
/// let hand = AnyElement::leaf("urn:example:hands", "raised", "true");
/// assert_eq!((hand.name.as_str(), hand.text().as_str()), ("raised", "true"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct AnyElement {
    /// The text of its namespace; empty for none.
    pub namespace: String,
    /// Its local name.
    pub name: String,
    /// Its attributes, sorted by namespace and name when it was read; declarations of namespaces are not among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AnyAttribute>,
    /// What is in it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<AnyContent>,
}

/// An attribute of any name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct AnyAttribute {
    /// The text of its namespace; empty for none, which is the usual.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its local name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is in an element.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnyContent {
    /// Another element.
    Element(AnyElement),
    /// Text. Blanks between elements are not kept.
    Text(String),
}

impl AnyElement {
    /// An element with nothing in it.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), ..Self::default() }
    }

    /// An element with nothing but text.
    #[must_use]
    pub fn leaf(namespace: impl Into<String>, name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let content = if text.is_empty() { Vec::new() } else { vec![AnyContent::Text(text)] };
        Self { content, ..Self::new(namespace, name) }
    }

    /// Sets an attribute without a namespace.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let attribute = AnyAttribute { namespace: String::new(), name: name.into(), value: value.into() };
        self.attributes.push(attribute);
        self.attributes.sort();
        self
    }

    /// Appends an element.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.content.push(AnyContent::Element(child));
        self
    }

    /// Whether it has this name in this namespace.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The value of an attribute by its local name, whatever its namespace.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|found| found.value.as_str())
    }

    /// The elements in it.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|content| match content {
            AnyContent::Element(element) => Some(element),
            AnyContent::Text(_) => None,
        })
    }

    /// The first element in it with this local name, whatever its namespace.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children().find(|child| child.name == name)
    }

    /// The text that is directly in it.
    #[must_use]
    pub fn text(&self) -> String {
        self.content
            .iter()
            .map(|content| match content {
                AnyContent::Element(_) => "",
                AnyContent::Text(text) => text,
            })
            .collect()
    }

    /// How much it says, in bytes of names, values and texts: what a server bounds before it stores it.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes: usize = self
            .attributes
            .iter()
            .map(|attribute| attribute.namespace.len() + attribute.name.len() + attribute.value.len())
            .sum();
        let content: usize = self
            .content
            .iter()
            .map(|content| match content {
                AnyContent::Element(element) => element.size(),
                AnyContent::Text(text) => text.len(),
            })
            .sum();
        self.namespace.len() + self.name.len() + attributes + content
    }
}

/// Whether a text can be a local name (Namespaces in XML 1.0, `NCName`).
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name_character)
}

fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
