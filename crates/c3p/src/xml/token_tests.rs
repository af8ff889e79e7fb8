//! Tokens beside a second reader, and what is refused.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::xml::chars::legal;

/// A document as one line: names with their namespaces, attributes sorted, texts joined.
fn tokens(document: &str) -> Result<String> {
    let text = legal(document.as_bytes())?;
    let mut tokens = Tokens::new(text, 64, 64);
    let mut line = String::new();
    let mut open = Vec::new();
    let mut roots = 0;
    let mut pending = String::new();
    let wrong =
        |tokens: &Tokens<'_>| DocumentError { kind: ErrorKind::Syntax, element: "", offset: tokens.offset() };
    loop {
        let step = tokens.next()?;
        if step != Step::Text && !pending.is_empty() {
            write!(line, "{pending:?}").expect("a string takes it");
            pending.clear();
        }
        match step {
            Step::Start => {
                roots += usize::from(open.is_empty());
                if roots > 1 {
                    return Err(wrong(&tokens));
                }
                open.push(());
                write!(line, "<{{{}}}{}", tokens.namespace(tokens.prefix()), tokens.name())
                    .expect("a string takes it");
                let mut attributes = Vec::new();
                for attribute in tokens.attributes() {
                    let namespace =
                        if attribute.prefix().is_empty() { "" } else { tokens.namespace(attribute.prefix()) };
                    attributes.push(format!(" {{{namespace}}}{}={:?}", attribute.name(), attribute.value()?));
                }
                attributes.sort();
                line.extend(attributes);
                line.push('>');
            }
            Step::End => {
                open.pop();
                line.push_str("</>");
            }
            Step::Text if open.is_empty() => {
                if !tokens.value()?.bytes().all(|byte| is(byte, class::SPACE)) {
                    return Err(wrong(&tokens));
                }
            }
            Step::Text => pending.push_str(&tokens.value()?),
            Step::Eof if open.is_empty() && roots == 1 => return Ok(line),
            Step::Eof => return Err(DocumentError { kind: ErrorKind::Truncated, ..wrong(&tokens) }),
        }
    }
}

/// The same line by a reader that is not ours.
fn tree(document: &str) -> Option<String> {
    fn write_node(node: roxmltree::Node<'_, '_>, line: &mut String) {
        let mut pending = String::new();
        let name = node.tag_name();
        write!(line, "<{{{}}}{}", name.namespace().unwrap_or_default(), name.name())
            .expect("a string takes it");
        let mut attributes: Vec<String> = node
            .attributes()
            .map(|one| {
                format!(" {{{}}}{}={:?}", one.namespace().unwrap_or_default(), one.name(), one.value())
            })
            .collect();
        attributes.sort();
        line.extend(attributes);
        line.push('>');
        for child in node.children() {
            if let Some(text) = child.text().filter(|_| child.is_text()) {
                pending.push_str(text);
            } else if child.is_element() {
                flush(&mut pending, line);
                write_node(child, line);
            }
        }
        flush(&mut pending, line);
        line.push_str("</>");
    }
    fn flush(pending: &mut String, line: &mut String) {
        if !pending.is_empty() {
            write!(line, "{pending:?}").expect("a string takes it");
            pending.clear();
        }
    }
    let document = roxmltree::Document::parse(document).ok()?;
    let mut line = String::new();
    write_node(document.root_element(), &mut line);
    Some(line)
}

#[test]
fn the_other_reader_agrees() {
    let cases = [
        "<a/>",
        "<a></a >",
        "<?xml version='1.0' encoding=\"UTF-8\" standalone='yes' ?>\n<!-- c --><a b='1' c = \"2\"/>\n<?pi x?> ",
        "<a xmlns='u' b='1'><c xmlns='' b='2'/><d/></a>",
        "<p:a xmlns:p='u' xmlns='v' p:b='1' b='2'><b p:c=''/></p:a>",
        "<a xmlns:p='u'><p:a xmlns:p='v'><p:b/></p:a><p:c/></a>",
        "<a b='&lt;&#65;&#x1F600;&quot;' c='x\ty\nz'>t&amp;&gt;]] &#10;</a>",
        "<a>one<![CDATA[<two>&amp;]]>three<!-- no -->four</a>",
        "<a>line\r\nline\rline</a>",
        "<a b='\"' c=\"'\"/>",
        "<a xml:lang='de' xmlns:q='u&amp;v' q:b='1'/>",
        "<\u{e4}\u{f6} \u{fc}='1'>\u{1F600}</\u{e4}\u{f6}>",
        "<a>]</a>",
        "<a>a very long text that goes on beyond where a search of many bytes begins &lt; and on</a>",
    ];
    for case in cases {
        let expected = tree(case);
        assert!(expected.is_some(), "the other reader refuses {case}");
        assert_eq!(
            tokens(case).map_err(|error| error.to_string()).ok(),
            expected,
            "{case}: {:?}",
            tokens(case)
        );
    }
}

#[test]
fn refused() {
    use ErrorKind::{
        Dtd, DuplicateAttribute, IllegalCharacter, Namespace, NotUtf8, Syntax, TooDeep, Truncated,
    };
    let deep = "<a>".repeat(65);
    let cases = [
        ("", Truncated),
        ("<", Truncated),
        ("<a", Truncated),
        ("<a b", Truncated),
        ("<a b=", Truncated),
        ("<a b='", Truncated),
        ("<a b='1'", Truncated),
        ("<a/", Truncated),
        ("<a></", Truncated),
        ("<a></a", Truncated),
        ("<a><!-- ", Truncated),
        ("<a><![CDA", Truncated),
        ("<?xml version='1.0'", Truncated),
        ("<!DOCTYPE a><a/>", Dtd),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", Dtd),
        ("<a>&b;</a>", ErrorKind::UnknownEntity),
        ("<a>&b</a>", Syntax),
        ("<a>& b;</a>", Syntax),
        ("<a b='&c;'/>", ErrorKind::UnknownEntity),
        ("<a>&#0;</a>", IllegalCharacter),
        ("<a>&#xFFFE;</a>", IllegalCharacter),
        ("<a>&#+65;</a>", IllegalCharacter),
        ("<a>&#x;</a>", IllegalCharacter),
        ("<a>&#99999999999;</a>", IllegalCharacter),
        ("<a>\u{1}</a>", IllegalCharacter),
        ("<a>\u{ffff}</a>", IllegalCharacter),
        ("<a></b>", Syntax),
        ("<a></ab>", Syntax),
        ("<ab></a>", Syntax),
        ("</a>", Syntax),
        ("< a/>", Syntax),
        ("<1a/>", Syntax),
        ("<a b=1/>", Syntax),
        ("<a b='<'/>", Syntax),
        ("<a b='1'c='2'/>", Syntax),
        ("<a b/>", Syntax),
        ("<a / >", Syntax),
        ("<a>]]></a>", Syntax),
        ("<a/><b/>", Syntax),
        ("<a/>text", Syntax),
        ("<a><!-- -- --></a>", Syntax),
        ("<a><?xml version='1.0'?></a>", Syntax),
        (" <?xml version='1.0'?><a/>", Syntax),
        ("<?xml?><a/>", Syntax),
        ("<?xml encoding='utf-8'?><a/>", Syntax),
        ("<?xml version='1.0'encoding='utf-8'?><a/>", Syntax),
        ("<?xml version='2.0'?><a/>", Syntax),
        ("<?xml version='1.0' encoding='utf-16'?><a/>", NotUtf8),
        ("<![CDATA[x]]><a/>", Syntax),
        ("<a b='1' b='2'/>", DuplicateAttribute),
        ("<a xmlns='u' xmlns='u'/>", DuplicateAttribute),
        ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", DuplicateAttribute),
        ("<p:a/>", Namespace),
        ("<a p:b='1'/>", Namespace),
        ("<a:b:c xmlns:a='u'/>", Namespace),
        ("<:a/>", Syntax),
        ("<a xmlns:p=''/>", Namespace),
        ("<a xmlns:xml='u'/>", Namespace),
        ("<a xmlns:xmlns='u'/>", Namespace),
        ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", Namespace),
        ("<a><p:b xmlns:p='u'/><p:c/></a>", Namespace),
        (deep.as_str(), TooDeep),
    ];
    for (case, kind) in cases {
        assert_eq!(tokens(case).map_err(|error| error.kind), Err(kind), "{case}");
    }
    assert_eq!(legal(b"<a>\xff</a>").map_err(|error| (error.kind, error.offset)), Err((NotUtf8, 3)));
}

/// Floods end at their limits.
#[test]
fn limits() {
    let many = |count: usize, one: fn(usize) -> String| -> String {
        let inside: String = (0..count).map(one).collect();
        format!("<a{inside}/>")
    };
    let attributes = |count| tokens(&many(count, |at| format!(" b{at}='1'"))).map_err(|error| error.kind);
    assert!(attributes(64).is_ok());
    assert_eq!(attributes(65), Err(ErrorKind::TooManyAttributes));
    let nested: String = (0..33).map(|at| format!("<a xmlns:p{at}='u' xmlns:q{at}='v'>")).collect();
    assert_eq!(tokens(&nested).map_err(|error| error.kind), Err(ErrorKind::TooManyAttributes));
}

/// What a text is made of that comes near to being a document.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "<a>",
        "</a>",
        "<b/>",
        "<p:b>",
        "</p:b>",
        "<a xmlns:p='u'>",
        "<a b='1'>",
        " b='2'",
        "<",
        ">",
        "/",
        "=",
        "'",
        "\"",
        "&amp;",
        "&",
        ";",
        "&#65;",
        "]]>",
        "<![CDATA[",
        "<!--",
        "-->",
        "--",
        "<?x ",
        "?>",
        "text",
        " ",
        "\r\n",
        "\u{e9}",
        "xmlns='u'",
        "<a xmlns='v'>",
        ":",
        "-",
        "]",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..14)
        .prop_map(|parts| parts.concat())
}

/// Elements that resemble each other, inside one another; most are well-formed.
fn repeating() -> impl Strategy<Value = String> {
    let tags = [
        "<item one=\"1\">",
        "<item one=\"a longer value than others\">",
        "<item one=\"&lt;\t\">",
        "<item one=\"1\" two=\"2\">",
        "<item one=\"1\"  two=\"2\">",
        "<item one='1' two='\"'>",
        "<item one =\"1\">",
        "<item>",
        "<items>",
        "<items one=\"1\">",
        "<p:item p:one=\"1\">",
        "<p:item one=\"1\" p:one=\"1\">",
        "<item xmlns=\"v\">",
        "<item xmlns:p=\"x\" p:one=\"1\">",
        "<p:item xmlns:p=\"x\">",
        "<item p:one=\"1\" q:one=\"2\">",
        "<item xmlns:q=\"w\">",
        "<item xmlns:q=\"z\">",
    ];
    let others = [
        "<item one=\"<\">",
        "<item one=\"1\"two=\"2\">",
        "<item one=\"1\" one=\"1\">",
        "<item one=\"1\" two=\"",
        "<item/ >",
    ];
    let part = prop_oneof![
        40 => proptest::sample::select(tags.to_vec()).prop_map(Some),
        1 => proptest::sample::select(others.to_vec()).prop_map(Some),
        30 => Just(None),
    ];
    proptest::collection::vec((part, any::<bool>(), any::<bool>()), 0..24).prop_map(|parts| {
        let mut document = "<root xmlns:p=\"w\">".to_owned();
        let mut open = vec!["root"];
        for (tag, is_empty, has_text) in parts {
            match tag {
                Some(tag) if is_empty => document += &tag.replace('>', "/>"),
                Some(tag) => {
                    document += tag;
                    open.push(tag[1..].split([' ', '>', '/']).next().unwrap_or_default());
                }
                None if open.len() > 1 => document += &format!("</{}>", open.pop().unwrap_or_default()),
                None => {}
            }
            if has_text {
                document += "text";
            }
        }
        while let Some(name) = open.pop() {
            document += &format!("</{name}>");
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes: both readers read the same, or both refuse.
    #[test]
    fn beside_the_other_reader(inside in soup(), outside in soup(), wrap in any::<bool>()) {
        let document = if wrap { format!("<a xmlns:p='w'>{inside}</a>") } else { outside };
        prop_assert_eq!(tokens(&document).ok(), tree(&document), "{:?}", document);
    }

    #[test]
    fn no_input_panics(document in any::<Vec<u8>>()) {
        if let Ok(text) = std::str::from_utf8(&document) {
            let _ = tokens(text);
        }
    }

    /// Tags that come again are read by what they were before, unless they only look like it.
    #[test]
    fn what_came_before(document in repeating()) {
        prop_assert_eq!(tokens(&document).ok(), tree(&document), "{:?}", document);
    }
}
