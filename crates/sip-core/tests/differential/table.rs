//! Every disagreement of the two parsers: what it is, who is right, and why.

/// Who reads it as the RFC has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// We do.
    Ours,
    /// They do; we are lenient, and say why.
    Theirs,
}

/// A kind of disagreement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    /// They read the message, we refuse it; this is part of our reason.
    WeRefuse(&'static str),
    /// We read the message, they refuse it: where, and what in the text makes them.
    TheyRefuse(&'static [&'static str], fn(&str) -> bool),
    /// Both read it, and this field (any when empty) differs; what in the text makes it.
    Differs(&'static str, fn(&str) -> bool),
}

/// One explanation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) what: What,
    pub(crate) right: Right,
    pub(crate) why: &'static str,
}

const fn ours(what: What, why: &'static str) -> Row {
    Row { what, right: Right::Ours, why }
}

const fn theirs(what: What, why: &'static str) -> Row {
    Row { what, right: Right::Theirs, why }
}

use What::{Differs, TheyRefuse, WeRefuse};

/// Places in which they read an address that must be there.
const ADDRESSED: &[&str] = &["start line", "from", "to", "Contact"];

pub(crate) const TABLE: &[Row] = &[
    // What only we check when a message is read.
    ours(
        WeRefuse("bad length"),
        "Content-Length has to be a number (RFC 3261 20.14); they leave framing to their caller",
    ),
    ours(
        WeRefuse("conflicting lengths"),
        "two lengths are two messages for two readers; they leave framing to their caller",
    ),
    ours(
        WeRefuse("body shorter"),
        "the body has to be there (RFC 3261 18.3); they leave framing to their caller",
    ),
    ours(WeRefuse("Max-Forwards: bad number"), "0 to 255 (RFC 3261 20.22); they read it on demand"),
    ours(
        WeRefuse("method differs"),
        "the CSeq names the request's method, with case (RFC 3261 8.1.1.5); they compare nothing",
    ),
    ours(WeRefuse("CSeq: bad number"), "below 2**31 (RFC 3261 8.1.1.5); they take 32 bits"),
    ours(
        WeRefuse("duplicate"),
        "a header or parameter that may occur once (RFC 3261 7.3.1); they take the first",
    ),
    ours(
        WeRefuse("bad header name"),
        "a name is a token of at least one character (RFC 3261 25.1); they allow none",
    ),
    ours(WeRefuse("nul"), "a NUL is no TEXT-UTF8 (RFC 3261 25.1); who stops there reads another message"),
    // What they read the beginning of.
    ours(WeRefuse("syntax error"), "they ignore what is left of a value behind what they understood"),
    ours(
        WeRefuse("unterminated"),
        "they take the open quote into the display name, or an address that does not end for none",
    ),
    ours(WeRefuse("no scheme"), "an address that cannot be read is left out of their lists"),
    ours(WeRefuse("wrong protocol version"), "a Via that cannot be read is left out of their list"),
    ours(WeRefuse("Via: bad number"), "a Via that cannot be read is left out of their list"),
    ours(
        WeRefuse("bad start line"),
        "they ignore what follows the version (RFC 4475 3.1.2.10 leaves the choice)",
    ),
    ours(
        WeRefuse("request-uri: no scheme"),
        "one blank only (RFC 3261 7.1); RFC 4475 3.1.2.9 leaves the choice",
    ),
    ours(
        WeRefuse("request-uri: illegal character"),
        "they ignore the rest of the URI, and percent signs that escape nothing",
    ),
    ours(WeRefuse("request-uri: bad parameter"), "an empty parameter; they ignore the rest of the URI"),
    ours(WeRefuse("request-uri: bad user part"), "a user of no characters (RFC 3261 25.1); they allow it"),
    ours(
        WeRefuse("headers out of place"),
        "no headers in a Request-URI (RFC 3261 19.1.1, RFC 4475 3.1.2.11)",
    ),
    ours(WeRefuse("bad status"), "100 to 699, three digits (RFC 3261 7.2); they take any number"),
    // What only we read.
    ours(
        TheyRefuse(ADDRESSED, |text| {
            ["tel:", "urn:", "http:", "isbn:", "nobodyHas", "soap.beep:"].iter().any(|s| text.contains(s))
        }),
        "any scheme is well-formed (RFC 4475 3.3.2 to 3.3.4); they know sip and sips",
    ),
    ours(
        TheyRefuse(ADDRESSED, |text| text.contains("\\\"")),
        "a quoted string may have escaped quotes (RFC 3261 25.1)",
    ),
    ours(
        TheyRefuse(&["start line", "to"], |text| text.contains(":::")),
        "three colons are tolerated (RFC 5118 4.10)",
    ),
    ours(
        TheyRefuse(&["start line"], |text| text.contains("%ff")),
        "escapes are octets, not characters (RFC 3261 19.1.2)",
    ),
    ours(
        TheyRefuse(&["start line"], |text| text.contains("sip/2.0")),
        "the version is compared without case (RFC 3261 7.1)",
    ),
    theirs(
        TheyRefuse(&["start line"], |text| text.contains("host_name") || text.contains("@-x")),
        "no host name by the grammar, but names of machines are like that; we look nothing up by it",
    ),
    // What both read, and not alike.
    ours(
        Differs("", |text| text.contains("Via: sip/2.0")),
        "the protocol name is compared without case (RFC 3261 7.3.1); they leave the Via out",
    ),
    ours(
        Differs("", |text| text.contains("SIP / 2.0 / UDP host : 5060 ;")),
        "blanks around separators (RFC 3261 25.1, COLON, SEMI and EQUAL); they stop there",
    ),
    ours(
        Differs("from tag", |text| text.contains(" ; Tag = 5")),
        "names without case, blanks around separators (RFC 3261 7.3.1)",
    ),
    ours(
        Differs("to tag", |text| text.contains(" ; Tag = 5")),
        "names without case, blanks around separators (RFC 3261 7.3.1)",
    ),
    ours(
        Differs("from tag", |text| text.contains(";tag=\"5\"")),
        "a tag is a token: we compare one with quotes as it is, they without; both give it back",
    ),
    ours(
        Differs("to tag", |text| text.contains(";tag=\"5\"")),
        "a tag is a token: we compare one with quotes as it is, they without; both give it back",
    ),
    ours(
        Differs("contact", |text| ["<tel:", "<http:", "\\\""].iter().any(|s| text.contains(s))),
        "an address that they cannot read is left out of their list",
    ),
    ours(
        Differs("record-route", |text| ["<tel:", "<http:", "\\\""].iter().any(|s| text.contains(s))),
        "an address that they cannot read is left out of their list",
    ),
    ours(
        Differs("cseq", |text| text.contains("CSeq: 7 invite")),
        "methods are compared with case (RFC 3261 7.1); they read the known ones without",
    ),
    ours(
        Differs("branch 0", |text| text.contains("branch=z9hG4bK-.!%66")),
        "a percent sign in a token escapes nothing (RFC 4475 3.1.1.5); they read it as one",
    ),
];
