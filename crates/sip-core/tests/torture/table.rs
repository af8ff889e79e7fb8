//! The 49 messages of RFC 4475 and the 12 of RFC 5118: what each tries, and what has to come of it.

/// What comes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It parses; the UAS answers with this status.
    Served(u16),
    /// It does not parse, or the endpoint refuses it: this status.
    Refused(u16),
    /// It is a response to nothing that was asked: it parses and is dropped.
    Stray,
    /// It does not parse and nothing may be said to it.
    Dropped,
}

/// What comes of a message on a stream, where that is more than on a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The same, and the stream goes on behind it.
    Same,
    /// The same, and the stream is closed: nobody knows where the message ends.
    Closed,
    /// It never ends: nothing is said until the other end gives up.
    Endless,
    /// Another request follows in the same bytes, and is served with this status too.
    Two(u16),
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The file.
    pub(crate) name: &'static str,
    /// Section of its RFC: 4475 when it begins with 3, 5118 when it begins with 4.
    pub(crate) section: &'static str,
    /// As a datagram.
    pub(crate) verdict: Verdict,
    /// On a stream.
    pub(crate) stream: Stream,
    /// What the RFC says, and what we chose where it leaves a choice.
    pub(crate) why: &'static str,
}

const fn row(name: &'static str, section: &'static str, verdict: Verdict, why: &'static str) -> Row {
    Row { name, section, verdict, stream: Stream::Same, why }
}

const fn on_stream(row: Row, stream: Stream) -> Row {
    Row { stream, ..row }
}

use Stream::{Closed, Endless, Two};
use Verdict::{Dropped, Refused, Served, Stray};

/// All of them, in the order of their RFCs.
pub(crate) const TABLE: &[Row] = &[
    row("wsinv", "3.1.1.1", Served(200), "valid: blanks, folding, case, compact forms, leading zeros"),
    row(
        "intmeth",
        "3.1.1.2",
        Refused(501),
        "valid: every character a token may have; the method is unknown to a UAS",
    ),
    row("esc01", "3.1.1.3", Served(200), "valid: escapes in URIs are no separators; escaped parameter names"),
    row("escnull", "3.1.1.4", Served(200), "valid: an escaped NUL is an octet like any other"),
    row(
        "esc02",
        "3.1.1.5",
        Refused(501),
        "valid: a percent sign in a token escapes nothing, so the method is unknown",
    ),
    row("lwsdisp", "3.1.1.6", Served(200), "valid: no blank between display name and bracket"),
    row("longreq", "3.1.1.7", Served(200), "valid: long values, 34 Vias"),
    on_stream(
        row("dblreq", "3.1.1.8", Served(200), "valid: what follows the body in a datagram is ignored"),
        Two(200),
    ),
    row("semiuri", "3.1.1.9", Served(200), "valid: semicolon and parameter belong to the user part"),
    row(
        "transports",
        "3.1.1.10",
        Served(200),
        "valid: transports that nobody here speaks, in Vias below the top",
    ),
    row("mpart01", "3.1.1.11", Served(200), "valid: multipart with binary parts"),
    row("unreason", "3.1.1.12", Stray, "valid: reason phrase of any UTF-8; we asked nothing"),
    row("noreason", "3.1.1.13", Stray, "valid: an empty reason phrase; we asked nothing"),
    row("badinv01", "3.1.2.1", Refused(400), "invalid: separators without parameters"),
    on_stream(
        row(
            "clerr",
            "3.1.2.2",
            Refused(400),
            "invalid: the body is shorter than it says; a stream waits for the rest",
        ),
        Endless,
    ),
    on_stream(row("ncl", "3.1.2.3", Refused(400), "invalid: negative length; a stream is lost"), Closed),
    row("scalar02", "3.1.2.4", Refused(400), "invalid: numbers too large for CSeq and Max-Forwards"),
    row("scalarlg", "3.1.2.5", Dropped, "invalid: numbers too large in a response, which is discarded"),
    row("quotbal", "3.1.2.6", Refused(400), "invalid: a quote that does not end"),
    row("ltgtruri", "3.1.2.7", Refused(400), "invalid: brackets around the Request-URI; not guessed at"),
    row("lwsruri", "3.1.2.8", Refused(400), "invalid: a blank in the Request-URI"),
    row("lwsstart", "3.1.2.9", Refused(400), "invalid: two blanks in the start line; not guessed at"),
    row("trws", "3.1.2.10", Refused(400), "invalid: blanks behind the start line; not guessed at"),
    row("escruri", "3.1.2.11", Refused(400), "invalid: headers in the Request-URI"),
    row("baddate", "3.1.2.12", Served(200), "invalid Date; may be ignored by who does not need it, and is"),
    row("regbadct", "3.1.2.13", Refused(400), "invalid: a Contact URI with headers outside of brackets"),
    row("badaspec", "3.1.2.14", Refused(400), "invalid: blanks in the brackets"),
    row(
        "baddn",
        "3.1.2.15",
        Refused(400),
        "invalid: a comma in a display name without quotes; not guessed at",
    ),
    row("badvers", "3.1.2.16", Refused(505), "another version"),
    row("mismatch01", "3.1.2.17", Refused(400), "invalid: the CSeq names another method"),
    row(
        "mismatch02",
        "3.1.2.18",
        Refused(400),
        "invalid: the CSeq names another method than the unknown one",
    ),
    row("bigcode", "3.1.2.19", Dropped, "invalid: the status is no number of three digits"),
    row("badbranch", "3.2.1", Served(200), "no identifier behind the cookie: matched as RFC 2543 had it"),
    row("insuf", "3.3.1", Refused(400), "From, To and Call-ID are missing: 400 with what there is"),
    row("unkscm", "3.3.2", Refused(416), "a scheme that nobody knows"),
    row("novelsc", "3.3.3", Refused(416), "a known scheme that is not for SIP"),
    row(
        "unksm2",
        "3.3.4",
        Served(400),
        "To, From and Contact with other schemes: valid, but no registrar serves it",
    ),
    row("bext01", "3.3.5", Refused(420), "Require and Proxy-Require of what nobody offers"),
    row("invut", "3.3.6", Refused(415), "a body of an unknown type"),
    row("regaut01", "3.3.7", Served(200), "an unknown authorization scheme is as good as none"),
    row("multi01", "3.3.8", Refused(400), "headers that may occur once occur twice"),
    on_stream(row("mcl01", "3.3.9", Refused(400), "two lengths that differ; a stream is lost"), Closed),
    row(
        "bcast",
        "3.3.10",
        Stray,
        "a response with two Vias, one of them broadcast: dropped, and sent to nobody",
    ),
    row("zeromf", "3.3.11", Served(200), "no hop is left; who it is for answers it"),
    row("cparam01", "3.3.12", Served(200), "a parameter of the Contact, not of its URI"),
    row("cparam02", "3.3.13", Served(200), "a parameter of the URI, not of the Contact"),
    row("regescrt", "3.3.14", Served(200), "headers in a Contact URI, in brackets"),
    row("sdp01", "3.3.15", Refused(406), "an Accept that admits no answer"),
    row("inv2543", "3.4.1", Served(200), "no branch, no tag, no Max-Forwards: RFC 2543"),
    row("ipv6-good", "4.1", Served(200), "valid: an IPv6 reference"),
    row("ipv6-bad", "4.2", Refused(400), "invalid: an IPv6 address without brackets"),
    row("port-ambiguous", "4.3", Served(200), "valid: the port was meant, but is a part of the address"),
    row("port-unambiguous", "4.4", Served(200), "valid: the port is behind the bracket"),
    row("via-received-param-with-delim", "4.5", Served(200), "received with brackets is accepted"),
    row(
        "via-received-param-no-delim",
        "4.5",
        Served(200),
        "received without brackets, as the grammar has it",
    ),
    row("ipv6-in-sdp", "4.6", Served(200), "valid: IPv6 in the body"),
    row("mult-ip-in-header", "4.7", Served(200), "valid: both address families in the Vias"),
    row("mult-ip-in-sdp", "4.8", Served(200), "valid: both address families in the body"),
    row("ipv4-mapped-ipv6", "4.9", Served(200), "valid: an IPv4 address as an IPv6 one"),
    row("ipv6-bug-abnf-3-colons", "4.10", Served(200), "three colons, a bug of the grammar, are tolerated"),
    row("ipv6-correct-abnf-2-colons", "4.10", Served(200), "valid: two colons before the IPv4 part"),
];
