//! The same document, written differently: prefixes, order of attributes, comments, unknown elements.
//!
//! The mutator reads a document with roxmltree, so with another library than ours, and writes it anew. What it changes
//! says nothing by the rules of XML namespaces, except the elements that it adds, which nobody knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::common::{fixture, names};
use c3p::command::Document;
use c3p::im::{Imdn, IsComposing};
use c3p::info::ConferenceInfo;
use c3p::invite::ConferenceInvite;
use c3p::provisioning::{Provisioning, ProvisioningRequest};
use c3p::{DocumentError, Limits};
use proptest::prelude::*;
use roxmltree::{Node, NodeType};

/// A small source of decisions, from one number.
struct Dice(u64);

impl Dice {
    /// A number below `sides` (splitmix64).
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % sides as u64).expect("small")
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

/// What the mutator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freedom {
    /// What means the same to everybody: prefixes, order, quotes, references, comments, declarations that nobody uses.
    Writing,
    /// Also elements and attributes in namespaces that nobody knows.
    Additions,
}

struct Mutator {
    dice: Dice,
    freedom: Freedom,
    out: String,
    /// Prefixes that were made, so that no two are the same.
    made: usize,
}

/// The declarations in scope: prefix to namespace.
type Scope = BTreeMap<String, String>;

impl Mutator {
    fn escape(&mut self, text: &str, quote: Option<char>) {
        for character in text.chars() {
            match character {
                '<' => self.out.push_str("&lt;"),
                '&' => self.out.push_str("&amp;"),
                '>' => self.out.push_str("&#x3E;"),
                found if Some(found) == quote => _ = write!(self.out, "&#{};", u32::from(found)),
                '\n' | '\t' | '\r' => _ = write!(self.out, "&#{};", u32::from(character)),
                _ if self.dice.one_in(24) => _ = write!(self.out, "&#x{:x};", u32::from(character)),
                other => self.out.push(other),
            }
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.dice.one_in(6) && !text.contains("]]>") && !text.contains('\r') {
            _ = write!(self.out, "<![CDATA[{text}]]>");
        } else if self.dice.one_in(6) && text.is_char_boundary(text.len() / 2) {
            let (left, right) = text.split_at(text.len() / 2);
            self.escape(left, None);
            self.out.push_str("<!-- in the middle -->");
            self.escape(right, None);
        } else {
            self.escape(text, None);
        }
    }

    /// A prefix for a namespace, from the scope or newly declared in `declarations`.
    fn prefix(
        &mut self,
        namespace: &str,
        scope: &mut Scope,
        declarations: &mut Vec<(String, String)>,
    ) -> String {
        let known: Vec<String> = scope
            .iter()
            .filter(|(prefix, uri)| !prefix.is_empty() && uri.as_str() == namespace)
            .map(|(prefix, _)| prefix.clone())
            .collect();
        if !known.is_empty() && !self.dice.one_in(8) {
            return known[self.dice.roll(known.len())].clone();
        }
        self.made += 1;
        let prefix = format!("{}{}", ["a", "ci", "msci", "xmlish", "_", "é"][self.dice.roll(6)], self.made);
        scope.insert(prefix.clone(), namespace.to_owned());
        declarations.push((format!("xmlns:{prefix}"), namespace.to_owned()));
        prefix
    }

    fn element(&mut self, node: Node<'_, '_>, scope: &Scope) {
        let mut scope = scope.clone();
        let mut attributes: Vec<(String, String)> = Vec::new();
        let namespace = node.tag_name().namespace().unwrap_or("");
        let default = scope.get("").map_or("", String::as_str).to_owned();
        let is_default = if namespace.is_empty() || self.dice.one_in(3) {
            if default != namespace {
                attributes.push(("xmlns".to_owned(), namespace.to_owned()));
                scope.insert(String::new(), namespace.to_owned());
            }
            true
        } else {
            false
        };
        let name = if is_default {
            node.tag_name().name().to_owned()
        } else {
            let prefix = self.prefix(namespace, &mut scope, &mut attributes);
            format!("{prefix}:{}", node.tag_name().name())
        };
        for attribute in node.attributes() {
            let written = match attribute.namespace() {
                None => attribute.name().to_owned(),
                Some(namespace) => {
                    let prefix = self.prefix(namespace, &mut scope, &mut attributes);
                    format!("{prefix}:{}", attribute.name())
                }
            };
            attributes.push((written, attribute.value().to_owned()));
        }
        if self.dice.one_in(6) {
            self.made += 1;
            attributes.push((format!("xmlns:unused{}", self.made), "urn:example:unused".to_owned()));
        }
        if self.freedom == Freedom::Additions && self.dice.one_in(6) {
            let prefix = self.prefix("urn:example:nobody", &mut scope, &mut attributes);
            attributes.push((format!("{prefix}:state"), "deleted".to_owned()));
        }
        self.out.push('<');
        self.out.push_str(&name);
        while !attributes.is_empty() {
            let (name, value) = attributes.swap_remove(self.dice.roll(attributes.len()));
            let quote = if self.dice.one_in(2) { '"' } else { '\'' };
            let space = [" ", "  ", "\n\t"][self.dice.roll(3)];
            let equals = ["=", " = "][self.dice.roll(2)];
            _ = write!(self.out, "{space}{name}{equals}{quote}");
            // Whether a reference in a declaration counts is a corner where libraries differ.
            if name.starts_with("xmlns") {
                self.out.push_str(&value);
            } else {
                self.escape(&value, Some(quote));
            }
            self.out.push(quote);
        }
        if !node.has_children() && self.dice.one_in(2) {
            self.out.push_str("/>");
            return;
        }
        self.out.push('>');
        self.content(node, &scope);
        _ = write!(self.out, "</{name}>");
    }

    fn content(&mut self, node: Node<'_, '_>, scope: &Scope) {
        // A request has exactly one child, whatever its name.
        let is_envelope = matches!(node.tag_name().name(), "request" | "response");
        let freedom = if is_envelope { Freedom::Writing } else { self.freedom };
        let has_elements = node.children().any(|child| child.is_element());
        for child in node.children() {
            match child.node_type() {
                NodeType::Element => {
                    self.between(scope, freedom);
                    self.element(child, scope);
                }
                NodeType::Text if has_elements && child.text().is_some_and(|text| text.trim().is_empty()) => {
                }
                NodeType::Text => self.text(child.text().unwrap_or("")),
                NodeType::Root | NodeType::Comment | NodeType::PI => {}
            }
        }
        if has_elements {
            self.between(scope, freedom);
        }
    }

    /// What may stand between two elements.
    fn between(&mut self, scope: &Scope, freedom: Freedom) {
        match self.dice.roll(12) {
            0 => self.out.push_str("\n    "),
            1 => self.out.push_str("<!-- <users/> & such -->"),
            2 => self.out.push_str("<?stylesheet users?>"),
            3 | 4 if freedom == Freedom::Additions => self.stranger(scope),
            _ => {}
        }
    }

    /// An element that nobody knows, with names in it that everybody knows.
    fn stranger(&mut self, scope: &Scope) {
        let known = scope
            .values()
            .find(|uri| uri.contains("conference-info"))
            .map_or("urn:example:x", String::as_str);
        self.made += 1;
        let at = self.made;
        _ = write!(
            self.out,
            "<s{at}:user xmlns:s{at}=\"urn:example:nobody\" entity=\"sip:mallory@evil.test\"><users xmlns=\"{known}\">\
             <user entity=\"sip:mallory@evil.test\"/></users><s{at}:reason code=\"failure\">x</s{at}:reason></s{at}:user>"
        );
    }
}

/// Writes a document differently.
fn mutate(document: &str, seed: u64, freedom: Freedom) -> String {
    let tree = roxmltree::Document::parse(document).expect("a document");
    let mut mutator = Mutator { dice: Dice(seed), freedom, out: String::new(), made: 0 };
    if mutator.dice.one_in(2) {
        mutator.out.push_str("<?xml version='1.0' encoding='UTF-8'?>\n<!-- mutated -->");
    }
    mutator.element(tree.root_element(), &Scope::new());
    if mutator.dice.one_in(2) {
        mutator.out.push_str("\n<!-- the end -->\n");
    }
    mutator.out
}

/// Reads a document of any kind, as a text that is the same for the same model.
fn model(kind: &str, name: &str, body: &[u8], limits: &Limits) -> Result<String, DocumentError> {
    fn told(value: &impl std::fmt::Debug) -> String {
        format!("{value:?}")
    }
    match kind {
        "request" | "response" | "notify" => Document::parse(body, limits).map(|value| told(&value)),
        "info" => ConferenceInfo::parse(body, limits).map(|value| told(&value)),
        "provisioning" if name.ends_with("request") => {
            ProvisioningRequest::parse(body, limits).map(|value| told(&value))
        }
        "provisioning" => Provisioning::parse(body, limits).map(|value| told(&value)),
        _ if name.ends_with("imdn") => Imdn::parse(body, limits).map(|value| told(&value)),
        _ if name.ends_with("invite") => ConferenceInvite::parse(body, limits).map(|value| told(&value)),
        _ if name.ends_with("is_composing") => IsComposing::parse(body, limits).map(|value| told(&value)),
        _ => c3p::im::KeyboardActivity::parse(body, limits).map(|value| told(&value)),
    }
}

/// Kinds of fixtures. An unknown command is one addition, so it is looked at without additions only.
const KINDS: [&str; 6] = ["request", "response", "notify", "info", "body", "provisioning"];

fn check(seed: u64, freedom: Freedom) {
    // Without memory for what is not known, additions leave no trace; entity views keep their values in it, too.
    let limits = match freedom {
        Freedom::Writing => Limits::default(),
        Freedom::Additions => Limits::default().with_unknown_bytes(0),
    };
    for kind in KINDS {
        for name in names(kind) {
            if freedom == Freedom::Additions && (name.ends_with("unknown") || kind == "provisioning") {
                continue;
            }
            let body = fixture(&name);
            let text = std::str::from_utf8(&body).expect("text");
            let expected =
                model(kind, &name, &body, &limits).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mutated = mutate(text, seed, freedom);
            let found = model(kind, &name, mutated.as_bytes(), &limits)
                .unwrap_or_else(|error| panic!("{name}: {error}: {mutated}"));
            assert_eq!(found, expected, "{name}: {mutated}");
        }
    }
}

/// Additions are kept beside the model, and only there: without them it is the same.
fn check_kept(seed: u64) {
    for name in names("info") {
        let body = fixture(&name);
        let text = std::str::from_utf8(&body).expect("text");
        let mut expected = ConferenceInfo::parse(&body, &Limits::default()).expect("a document");
        let mutated = mutate(text, seed, Freedom::Additions);
        let mut found = ConferenceInfo::parse(mutated.as_bytes(), &Limits::default()).expect("a document");
        // ... and they survive being written.
        let again = ConferenceInfo::parse(&found.write(), &Limits::default());
        assert_eq!(again.as_ref(), Ok(&found), "{name}: {mutated}");
        expected.clear_extensions();
        found.clear_extensions();
        assert_eq!(found, expected, "{name}: {mutated}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// c3p.md 2.1: names by namespace, never by prefix; order, quotes, references, comments say nothing.
    #[test]
    fn the_same_document_written_differently_is_the_same(seed in any::<u64>()) {
        check(seed, Freedom::Writing);
    }

    /// c3p.md 2.1: what is not known is ignored, also with names of ours inside.
    #[test]
    fn additions_change_nothing(seed in any::<u64>()) {
        check(seed, Freedom::Additions);
    }

    /// Additions are kept, and written again.
    #[test]
    fn additions_are_kept_beside_the_model(seed in any::<u64>()) {
        check_kept(seed);
    }
}
