//! Messages and addresses without what must not be written down.
//!
//! [`Redaction`] rewrites the bytes of a message in place of secrets, byte for byte: the length and the places of all lines
//! stay, so that a capture still dissects. [`Person`] shows an address in a log line without the person.
//!
//! Credentials are hidden always: whoever gets a capture must not be able to try passwords on a digest at leisure. Bodies
//! and people are hidden where asked.
//!
//! # Examples
//!
//! ```
//! use sip_core::redact::{Person, Redaction};
//!
//! let raw = b"BYE sip:bob@example.com SIP/2.0\r\n\
//!     Authorization: Digest username=\"alice\", realm=\"example.com\", response=\"0123abcd\"\r\n\r\n";
//! let shown = Redaction::default().apply(raw);
//! assert_eq!(shown.len(), raw.len());
//! assert!(String::from_utf8_lossy(&shown).contains("realm=\"example.com\", response=\"xxxxxxxx\""));
//!
//! let shown = Redaction::default().with_people().apply(raw);
//! assert!(shown.starts_with(b"BYE sip:xxx@example.com SIP/2.0"));
//!
//! assert_eq!(Person("sip:bob@example.com;gruu").to_string(), "sip:…@example.com");
//! ```

use std::fmt;
use std::ops::Range;

use memchr::{memchr, memmem};

/// What stands in place of each hidden byte.
const HIDDEN: u8 = b'x';

/// Headers whose parameters prove who somebody is.
const PROOFS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
];

/// Parameters of these that prove nothing by themselves.
const HARMLESS: [&str; 10] =
    ["realm", "algorithm", "qop", "nc", "stale", "uri", "version", "targetname", "cnum", "snum"];

/// What is hidden in a message; start from the default and use `with_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redaction {
    /// Names of further headers whose values are hidden whole.
    pub headers: Vec<String>,
    /// Whether bodies are hidden whole; keys of media streams (`a=crypto`, `k=`) are in any case.
    pub bodies: bool,
    /// Whether user parts of addresses, and display names, are hidden.
    pub people: bool,
}

impl Redaction {
    /// Hiding the value of this header as well.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push(name.into());
        self
    }

    /// Hiding bodies.
    #[must_use]
    pub fn with_bodies(mut self) -> Self {
        self.bodies = true;
        self
    }

    /// Hiding people.
    #[must_use]
    pub fn with_people(mut self) -> Self {
        self.people = true;
        self
    }

    /// The message without what is hidden; as long as `raw`. Bytes that are no SIP message come back with what looks like
    /// a secret hidden.
    #[must_use]
    pub fn apply(&self, raw: &[u8]) -> Vec<u8> {
        let mut shown = raw.to_vec();
        let head_end = memmem::find(raw, b"\r\n\r\n").map_or(raw.len(), |at| at + 4);
        let (head, body) = shown.split_at_mut(head_end);
        self.hide_in_head(head);
        if self.bodies {
            hide(body, 0..body.len());
        } else {
            hide_media_keys(body);
        }
        shown
    }

    fn hide_in_head(&self, head: &mut [u8]) {
        let mut treatment = Treatment::Plain;
        for line in lines(head) {
            let folded = matches!(head.get(line.start), Some(b' ' | b'\t'));
            let value = if folded {
                line.clone()
            } else {
                let colon = memchr(b':', &head[line.clone()]);
                let name =
                    colon.map(|at| head[line.start..line.start + at].trim_ascii().to_ascii_lowercase());
                // The first line has no name; its colon is that of a URI.
                treatment = match name {
                    Some(name) if line.start > 0 => self.treatment(&name),
                    _ => Treatment::Plain,
                };
                let after = if line.start == 0 { 0 } else { colon.map_or(0, |at| at + 1) };
                line.start + after..line.end
            };
            match treatment {
                Treatment::Whole => hide(head, value),
                Treatment::Proof => match secret_of(&head[value.clone()]) {
                    None => hide_parameters(head, value),
                    Some(from) => {
                        hide(head, value.start + from..value.end);
                        treatment = Treatment::Whole;
                    }
                },
                Treatment::Plain if self.people => hide_people(head, value),
                Treatment::Plain => {}
            }
        }
    }

    fn treatment(&self, name: &[u8]) -> Treatment {
        if self.headers.iter().any(|hidden| hidden.as_bytes().eq_ignore_ascii_case(name)) {
            Treatment::Whole
        } else if PROOFS.iter().any(|proof| proof.as_bytes() == name) {
            Treatment::Proof
        } else {
            Treatment::Plain
        }
    }
}

/// How a header is treated.
#[derive(Clone, Copy)]
enum Treatment {
    Plain,
    Proof,
    Whole,
}

/// An address as a log shows it: its scheme and host, without the person, the parameters and the headers.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a>(
    /// The address.
    pub &'a str,
);

impl fmt::Display for Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once(':') else {
            return f.write_str("…");
        };
        let address = rest.split([';', '?', '>']).next().unwrap_or_default();
        match rest.rsplit_once('@').map(|(_, host)| host.split([';', '?', '>']).next().unwrap_or_default()) {
            Some(host) => write!(f, "{scheme}:…@{host}"),
            None if scheme.eq_ignore_ascii_case("tel") => write!(f, "{scheme}:…"),
            None => write!(f, "{scheme}:{address}"),
        }
    }
}

/// The lines of a head, without their ends.
fn lines(head: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < head.len() {
        let end = memchr(b'\n', &head[start..]).map_or(head.len(), |at| start + at);
        let text_end = if end > start && head[end - 1] == b'\r' { end - 1 } else { end };
        lines.push(start..text_end);
        start = end + 1;
    }
    lines
}

/// Hides all but white space, line ends and separators of lists.
fn hide(bytes: &mut [u8], range: Range<usize>) {
    for byte in &mut bytes[range] {
        if !byte.is_ascii_whitespace() {
            *byte = HIDDEN;
        }
    }
}

/// Where the secret begins in a proof that is no list of parameters, as of `Basic` and `Bearer`: behind its scheme.
fn secret_of(value: &[u8]) -> Option<usize> {
    const WITH_PARAMETERS: [&[u8]; 4] = [b"digest", b"ntlm", b"kerberos", b"tls-dsk"];
    let start = value.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let end = value[start..].iter().position(u8::is_ascii_whitespace).map(|length| start + length)?;
    let scheme = &value[start..end];
    let parameters = WITH_PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    // A parameter at once: `Authentication-Info`, or a line that goes on.
    let bare = memchr(b'=', scheme).is_some() || value[end..].trim_ascii_start().starts_with(b"=");
    (!parameters && !bare).then_some(end)
}

/// Hides the values of the parameters of a challenge or proof, but for those that tell nothing.
fn hide_parameters(bytes: &mut [u8], value: Range<usize>) {
    let mut at = value.start;
    while let Some(equals) = memchr(b'=', &bytes[at..value.end]).map(|found| at + found) {
        // White space may stand around the sign (RFC 3261 section 25.1).
        let name_end = at + bytes[at..equals].trim_ascii_end().len();
        let name_start = bytes[at..name_end]
            .iter()
            .rposition(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'*'))
            .map_or(at, |found| at + found + 1);
        let name = String::from_utf8_lossy(&bytes[name_start..name_end]).to_ascii_lowercase();
        let rest = &bytes[equals + 1..value.end];
        let start = value.end - rest.trim_ascii_start().len();
        let end = end_of_value(bytes, start, value.end);
        if !HARMLESS.contains(&name.as_str()) {
            let quoted = start < value.end && bytes[start] == b'"';
            let inner_end = if quoted && end > start + 1 && bytes[end - 1] == b'"' { end - 1 } else { end };
            hide(bytes, (start + usize::from(quoted)).min(inner_end)..inner_end);
        }
        at = end;
    }
}

/// Where the parameter value that begins here ends, quotes included.
fn end_of_value(bytes: &[u8], start: usize, limit: usize) -> usize {
    if bytes.get(start) != Some(&b'"') {
        return bytes[start..limit]
            .iter()
            .position(|byte| matches!(byte, b',' | b' ' | b'\t'))
            .map_or(limit, |found| start + found);
    }
    let mut at = start + 1;
    while at < limit {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    limit
}

/// Hides what stands before the `@` of each address, telephone numbers, and display names.
fn hide_people(bytes: &mut [u8], value: Range<usize>) {
    let line = bytes[value.clone()].to_ascii_lowercase();
    for scheme in [&b"sip:"[..], b"sips:", b"tel:", b"im:", b"pres:"] {
        for found in memmem::find_iter(&line, scheme) {
            let start = found + scheme.len();
            let stop = line[start..]
                .iter()
                .position(|byte| matches!(byte, b'>' | b'<' | b'"' | b' ' | b'\t' | b','))
                .map_or(line.len(), |at| start + at);
            let at_sign = line[start..stop].iter().rposition(|byte| *byte == b'@');
            let end = match at_sign {
                Some(at) => start + at,
                None if scheme == b"tel:" => {
                    line[start..stop].iter().position(|byte| *byte == b';').map_or(stop, |at| start + at)
                }
                None => continue,
            };
            hide(bytes, value.start + start..value.start + end);
        }
    }
    // A display name is a quoted string, or what stands before an angle bracket.
    let mut name_start = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'"' => {
                let end = end_of_value(&line, at, line.len());
                let inner_end = if end > at + 1 && line[end - 1] == b'"' { end - 1 } else { end };
                let is_name = line[end..].trim_ascii_start().starts_with(b"<");
                if is_name {
                    hide(bytes, value.start + at + 1..value.start + inner_end);
                }
                at = end;
                name_start = end;
            }
            b'<' => {
                hide(bytes, value.start + name_start..value.start + at);
                at += memchr(b'>', &line[at..]).unwrap_or(line.len() - at);
            }
            b',' => {
                at += 1;
                name_start = at;
            }
            _ => at += 1,
        }
    }
}

/// Hides the keys of media streams in a session description (RFC 4568, RFC 4566 section 5.12).
fn hide_media_keys(body: &mut [u8]) {
    for line in lines(body) {
        let text = &body[line.clone()];
        if text.starts_with(b"k=") {
            hide(body, line.start + 2..line.end);
        } else if text.starts_with(b"a=crypto:")
            && let Some(inline) = memmem::find(text, b"inline:")
        {
            hide(body, line.start + inline + 7..line.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(redaction: &Redaction, raw: &str) -> String {
        let shown = redaction.apply(raw.as_bytes());
        assert_eq!(shown.len(), raw.len(), "the length stays");
        String::from_utf8(shown).expect("text stays text")
    }

    /// Nothing in a proof lets a password be tried, whatever the header's spelling.
    #[test]
    fn proofs() {
        let cases = [
            (
                "Digest username=\"bob\", realm=\"a\", nonce=\"n\\\"m\", uri=\"sip:a\", response=\"00ff\"",
                "Digest username=\"xxx\", realm=\"a\", nonce=\"xxxx\", uri=\"sip:a\", response=\"xxxx\"",
            ),
            ("NTLM qop=\"auth\", gssapi-data=\"TlRM==\"", "NTLM qop=\"auth\", gssapi-data=\"xxxxxx\""),
            ("Digest response=00ff,cnonce=\"ab", "Digest response=xxxx,cnonce=\"xx"),
            ("Digest response=\"", "Digest response=\""),
            ("Digest =,=", "Digest =,="),
            ("Digest realm = \"a\", response = \"00ff\"", "Digest realm = \"a\", response = \"xxxx\""),
            ("Basic Ym9iOnB3==", "Basic xxxxxxxxxx"),
            ("bearer eyJh.bGci,OiJ", "bearer xxxxxxxxxxxxx"),
            ("nextnonce=\"ab\", qop=auth", "nextnonce=\"xx\", qop=auth"),
            ("nextnonce = \"ab\"", "nextnonce = \"xx\""),
        ];
        for (value, expected) in cases {
            for name in ["Authorization", "PROXY-AUTHORIZATION", "WWW-Authenticate ", "Authentication-Info"] {
                let raw = format!("BYE sip:a SIP/2.0\r\n{name}: {value}\r\nX: 1\r\n\r\n");
                let expected = format!("BYE sip:a SIP/2.0\r\n{name}: {expected}\r\nX: 1\r\n\r\n");
                assert_eq!(shown(&Redaction::default(), &raw), expected);
            }
        }
    }

    /// A proof on a continuation line is one too.
    #[test]
    fn folded_proof() {
        let raw = "BYE sip:a SIP/2.0\r\nAuthorization: Digest realm=\"a\",\r\n response=\"00ff\"\r\n\r\n";
        assert!(shown(&Redaction::default(), raw).contains(" response=\"xxxx\"\r\n"));
        let raw = "BYE sip:a SIP/2.0\r\nAuthorization: Basic Ym9i\r\n OnB3\r\nX: y\r\n\r\n";
        assert!(shown(&Redaction::default(), raw).contains(": Basic xxxx\r\n xxxx\r\nX: y\r\n"));
    }

    /// People are hidden wherever an address stands; hosts and parameters stay.
    #[test]
    fn people() {
        let raw = "INVITE sip:bob@example.com SIP/2.0\r\nFrom: \"Alice, A.\" <sip:alice@a.com>;tag=1\r\n\
                   To: Bob B <sips:bob@example.com>\r\nP-Asserted-Identity: <tel:+4930123>, <sip:x@y>\r\n\
                   Via: SIP/2.0/UDP h;branch=z\r\nReason: SIP;text=\"why\"\r\n\r\n";
        let expected = "INVITE sip:xxx@example.com SIP/2.0\r\nFrom: \"xxxxxx xx\" <sip:xxxxx@a.com>;tag=1\r\n\
                        To: xxx x <sips:xxx@example.com>\r\nP-Asserted-Identity: <tel:xxxxxxxx>, <sip:x@y>\r\n\
                        Via: SIP/2.0/UDP h;branch=z\r\nReason: SIP;text=\"why\"\r\n\r\n";
        assert_eq!(shown(&Redaction::default().with_people(), raw), expected);
        assert_eq!(shown(&Redaction::default(), raw), raw);
    }

    /// Bodies go whole where asked; keys of media go always.
    #[test]
    fn bodies() {
        let raw =
            "INFO sip:a SIP/2.0\r\nPin: 12 34\r\n\r\nk=clear:abc\r\na=crypto:1 AES inline:d0Rm|2\r\nhi there";
        let keys =
            "INFO sip:a SIP/2.0\r\nPin: 12 34\r\n\r\nk=xxxxxxxxx\r\na=crypto:1 AES inline:xxxxxx\r\nhi there";
        assert_eq!(shown(&Redaction::default(), raw), keys);
        let all = Redaction::default().with_bodies().with_header("pin");
        assert!(shown(&all, raw).ends_with("\r\nxx xxxxx"));
        assert!(shown(&all, raw).contains("Pin: xx xx\r\n"));
    }

    /// The person is gone from every form of address.
    #[test]
    fn person() {
        let cases = [
            ("sip:bob@example.com", "sip:…@example.com"),
            ("sip:bob:pw@example.com:5060;transport=tcp", "sip:…@example.com:5060"),
            ("sip:example.com;lr", "sip:example.com"),
            ("tel:+49301", "tel:…"),
            ("bob", "…"),
        ];
        for (address, expected) in cases {
            assert_eq!(Person(address).to_string(), expected);
        }
    }

    proptest::proptest! {
        /// Any bytes: the same length, no panic, and hiding twice is hiding once.
        #[test]
        fn any_bytes(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let all = Redaction::default().with_bodies().with_people();
            let once = all.apply(&raw);
            assert_eq!(once.len(), raw.len());
            assert_eq!(all.apply(&once), once);
        }

        /// Text made of what a proof is made of.
        #[test]
        fn any_proof(value in "[ a-c=,\"\\\\<>@:;\r\n\t]{0,60}") {
            let raw = format!("BYE sip:a SIP/2.0\r\nAuthorization: {value}\r\nFrom: {value}\r\n\r\n");
            let all = Redaction::default().with_people();
            assert_eq!(all.apply(raw.as_bytes()).len(), raw.len());
        }
    }
}
