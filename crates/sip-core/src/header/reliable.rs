//! Headers of dialogs and their usages: RAck (RFC 3262), Replaces (RFC 3891), and how Event and Subscription-State are written.

use std::fmt;

use bytestring::ByteString;

use super::lex::{self, Cursor, Fault, Params, fault};
use super::values::{Lines, number, single};
use super::{
    Event, HeaderError, HeaderErrorKind, HeaderName, Method, SubState, SubscriptionState, TypedHeader,
};

/// `RAck`: which reliable provisional response a PRACK acknowledges (RFC 3262 section 7.2).
///
/// # Examples
///
/// ```
/// use sip_core::Method;
/// use sip_core::header::{RAck, TypedHeader};
///
/// let rack = RAck::parse_all(&mut ["776656 1 INVITE"].into_iter()).unwrap().unwrap();
/// assert_eq!((rack.rseq, rack.cseq, &rack.method), (776656, 1, &Method::Invite));
/// assert_eq!(rack.to_string(), "776656 1 INVITE");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq number of the response.
    pub cseq: u32,
    /// The method in its CSeq.
    pub method: Method,
}

impl TypedHeader for RAck {
    const NAME: HeaderName = HeaderName::RAck;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        parse_rack(text).map(Some).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

fn parse_rack(text: &str) -> Result<RAck, Fault> {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let (rseq, cseq, method) = (words.next(), words.next(), words.next());
    let (Some(rseq), Some(cseq), Some(method), None) = (rseq, cseq, method, words.next()) else {
        return fault(HeaderErrorKind::Syntax, 0);
    };
    let method = method.parse().map_err(|_| Fault { kind: HeaderErrorKind::Syntax, at: 0 })?;
    Ok(RAck { rseq: number(rseq)?, cseq: number(cseq)?, method })
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, self.method)
    }
}

/// `Replaces`: the dialog that the INVITE takes the place of (RFC 3891).
///
/// The tags are those of the receiver's view: its dialog has `to_tag` as the local one.
///
/// # Examples
///
/// ```
/// use sip_core::header::{Replaces, TypedHeader};
///
/// let text = "98732@example.com;from-tag=r33;to-tag=ff87;early-only";
/// let replaces = Replaces::parse_all(&mut [text].into_iter()).unwrap().unwrap();
/// assert_eq!((&*replaces.call_id, &*replaces.to_tag, replaces.early_only), ("98732@example.com", "ff87", true));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: ByteString,
    /// The tag of the end that gets the INVITE.
    pub to_tag: ByteString,
    /// The tag of the other end.
    pub from_tag: ByteString,
    /// Only if it is an early dialog.
    pub early_only: bool,
}

impl TypedHeader for Replaces {
    const NAME: HeaderName = HeaderName::Replaces;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        parse_replaces(text).map(Some).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

fn parse_replaces(text: &str) -> Result<Replaces, Fault> {
    let end = text.find(';').unwrap_or(text.len());
    let call_id = text[..end].trim_end_matches([' ', '\t']);
    if call_id.is_empty() || call_id.contains([' ', '\t']) {
        return fault(HeaderErrorKind::Syntax, 0);
    }
    let mut cursor = Cursor::new(text, end);
    let params = Params::new(cursor.params(|_, _| ())?.of(text));
    let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
    for (name, value) in params {
        let slot = match name {
            n if n.eq_ignore_ascii_case("to-tag") => &mut to_tag,
            n if n.eq_ignore_ascii_case("from-tag") => &mut from_tag,
            n => {
                early_only |= n.eq_ignore_ascii_case("early-only");
                continue;
            }
        };
        if slot.replace(value.unwrap_or_default()).is_some() {
            return fault(HeaderErrorKind::Duplicate, end);
        }
    }
    match (to_tag, from_tag) {
        (Some(to), Some(from)) if lex::is_token_text(to) && lex::is_token_text(from) => {
            Ok(Replaces { call_id: call_id.into(), to_tag: to.into(), from_tag: from.into(), early_only })
        }
        (Some(_) | None, Some(_) | None) => fault(HeaderErrorKind::Syntax, end),
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

impl Event {
    /// Whether both name the same subscription in a dialog: package without case, `id` as it is (RFC 6665 section 8.2.1).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.package.eq_ignore_ascii_case(&other.package) && self.id == other.id
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        self.id.as_ref().map_or(Ok(()), |id| write!(f, ";id={id}"))
    }
}

impl fmt::Display for SubState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Terminated => "terminated",
            Self::Other(text) => text,
        })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if let Some(reason) = &self.reason {
            write!(f, ";reason={reason}")?;
        }
        if let Some(expires) = self.expires {
            write!(f, ";expires={expires}")?;
        }
        self.retry_after.map_or(Ok(()), |seconds| write!(f, ";retry-after={seconds}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<H: TypedHeader>(text: &str) -> Option<H> {
        H::parse_all(&mut [text].into_iter()).ok().flatten()
    }

    /// RFC 3262 section 7.2: two numbers and a method, nothing else.
    #[test]
    fn rack_table() {
        assert_eq!(read::<RAck>(" 1 \t 314159 INVITE ").unwrap().to_string(), "1 314159 INVITE");
        for text in ["", "1", "1 2", "1 2 INVITE 3", "x 2 INVITE", "1 -2 INVITE", "1 2 IN(VITE"] {
            assert_eq!(read::<RAck>(text), None, "{text}");
        }
    }

    /// RFC 3891 section 6.1: both tags are needed, each once.
    #[test]
    fn replaces_table() {
        for text in ["a@b;to-tag=1;from-tag=2", "a@b;to-tag=1;from-tag=2;early-only"] {
            assert_eq!(read::<Replaces>(text).unwrap().to_string(), text);
        }
        let mixed = read::<Replaces>("a@b ;x=y;FROM-TAG=2;Early-Only;to-tag=1").unwrap();
        assert_eq!(mixed.to_string(), "a@b;to-tag=1;from-tag=2;early-only");
        for text in [
            "",
            ";to-tag=1;from-tag=2",
            "a@b;to-tag=1",
            "a@b;from-tag=1",
            "a@b;to-tag=1;to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
        ] {
            assert_eq!(read::<Replaces>(text), None, "{text}");
        }
    }

    /// RFC 6665 section 8.2: what is written is what is read.
    #[test]
    fn event_and_state_round_trip() {
        for text in ["conference", "refer;id=93809824"] {
            assert_eq!(read::<Event>(text).unwrap().to_string(), text);
        }
        for text in ["active;expires=60", "pending", "terminated;reason=probation;retry-after=7", "waiting"] {
            assert_eq!(read::<SubscriptionState>(text).unwrap().to_string(), text);
        }
        let event = |text: &str| read::<Event>(text).unwrap();
        assert!(event("Conference;id=1").matches(&event("conference;id=1")));
        assert!(!event("conference;id=A").matches(&event("conference;id=a")));
        assert!(!event("conference").matches(&event("conference;id=a")));
    }
}
