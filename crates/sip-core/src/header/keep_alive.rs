//! `ms-keep-alive`: whether the client keeps its connection alive, and how long the server lets it be silent
//! ([MS-CONMGMT] section 2.2.1).

use std::fmt;
use std::time::Duration;

use super::lex::{Fault, fault};
use super::values::{Lines, number, single, token_and_params};
use super::{HeaderError, HeaderErrorKind, HeaderName, TypedHeader};

/// Who wrote a [`KeepAlive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepAliveRole {
    /// `UAC`: the client, in a REGISTER, offers to send keep-alives.
    Client,
    /// `UAS`: the server, in the answer, says what it wants.
    Server,
}

/// `ms-keep-alive`: the offer of a client, or the answer of a server.
///
/// ```
/// use sip_core::header::{KeepAlive, TypedHeader};
/// let answer = KeepAlive::parse_all(&mut ["UAS;tcp=no;hop-hop=yes;end-end=no;timeout=300"].into_iter())?.unwrap();
/// assert_eq!((answer.hop_hop, answer.timeout_s), (true, Some(300)));
/// assert_eq!(KeepAlive::offer().to_string(), "UAC;hop-hop=yes");
/// # Ok::<(), sip_core::HeaderError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    /// Who wrote it.
    pub role: KeepAliveRole,
    /// `tcp`: keep-alives of TCP itself. Only a server says it.
    pub tcp: bool,
    /// `hop-hop`: empty lines between client and server, as in RFC 5626.
    pub hop_hop: bool,
    /// `end-end`: requests between the ends. Only a server says it.
    pub end_end: bool,
    /// `timeout`: after how many seconds of silence the server may drop the connection.
    pub timeout_s: Option<u32>,
}

impl KeepAlive {
    /// The offer of a client: empty lines between it and its server.
    pub const fn offer() -> Self {
        Self { role: KeepAliveRole::Client, tcp: false, hop_hop: true, end_end: false, timeout_s: None }
    }

    /// The answer of a server that takes such an offer.
    pub const fn answer(timeout_s: u32) -> Self {
        let timeout_s = Some(timeout_s);
        Self { role: KeepAliveRole::Server, tcp: false, hop_hop: true, end_end: false, timeout_s }
    }

    /// The silence after which the server may drop the connection.
    pub fn timeout(self) -> Option<Duration> {
        self.timeout_s.map(|seconds| Duration::from_secs(u64::from(seconds)))
    }

    fn parse_value(text: &str) -> Result<Self, Fault> {
        let (role, params) = token_and_params(text)?;
        let role = match role {
            role if role.eq_ignore_ascii_case("UAC") => KeepAliveRole::Client,
            role if role.eq_ignore_ascii_case("UAS") => KeepAliveRole::Server,
            _ => return fault(HeaderErrorKind::Syntax, 0),
        };
        let mut value = Self { role, tcp: false, hop_hop: false, end_end: false, timeout_s: None };
        for (name, text) in params {
            let text = text.unwrap_or("");
            // What we do not know is not for us.
            match name.to_ascii_lowercase().as_str() {
                "tcp" => value.tcp = yes(text)?,
                "hop-hop" => value.hop_hop = yes(text)?,
                "end-end" => value.end_end = yes(text)?,
                "timeout" => value.timeout_s = Some(number(text)?),
                _ => {}
            }
        }
        Ok(value)
    }
}

fn yes(text: &str) -> Result<bool, Fault> {
    match text {
        text if text.eq_ignore_ascii_case("yes") => Ok(true),
        text if text.eq_ignore_ascii_case("no") => Ok(false),
        _ => fault(HeaderErrorKind::Syntax, 0),
    }
}

impl TypedHeader for KeepAlive {
    const NAME: HeaderName = HeaderName::MsKeepAlive;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        Self::parse_value(text).map(Some).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

impl fmt::Display for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |flag| if flag { "yes" } else { "no" };
        match self.role {
            KeepAliveRole::Client => write!(f, "UAC;hop-hop={}", word(self.hop_hop))?,
            KeepAliveRole::Server => {
                let (tcp, hop_hop, end_end) = (word(self.tcp), word(self.hop_hop), word(self.end_end));
                write!(f, "UAS;tcp={tcp};hop-hop={hop_hop};end-end={end_end}")?;
            }
        }
        match self.timeout_s {
            Some(seconds) => write!(f, ";timeout={seconds}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Result<Option<KeepAlive>, HeaderErrorKind> {
        KeepAlive::parse_all(&mut lines.iter().copied()).map_err(|error| error.kind)
    }

    /// [MS-CONMGMT] section 2.2.1: what clients and servers write, and what they must not.
    #[test]
    fn values() {
        let answer = KeepAlive::answer(300);
        for (text, expected) in [
            ("UAC;hop-hop=yes", KeepAlive::offer()),
            ("uac ; Hop-Hop = YES;x=y", KeepAlive::offer()),
            ("UAC", KeepAlive { hop_hop: false, ..KeepAlive::offer() }),
            ("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=300", answer),
            ("UAS; timeout=300; hop-hop=yes", answer),
            ("UAS;tcp=yes;hop-hop=yes;timeout=300", KeepAlive { tcp: true, ..answer }),
            ("UAS;hop-hop=yes;timeout=99999999999", KeepAlive::answer(u32::MAX)),
        ] {
            assert_eq!(parse(&[text]), Ok(Some(expected)), "{text}");
            assert_eq!(parse(&[&expected.to_string()]), Ok(Some(expected)));
        }
        for (lines, error) in [
            (&[""][..], HeaderErrorKind::Syntax),
            (&["UAX;hop-hop=yes"], HeaderErrorKind::Syntax),
            (&["UAC;hop-hop=perhaps"], HeaderErrorKind::Syntax),
            (&["UAC;hop-hop"], HeaderErrorKind::Syntax),
            (&["UAS;timeout=-1"], HeaderErrorKind::Number),
            (&["UAS;timeout"], HeaderErrorKind::Number),
            (&["UAC;hop-hop=yes", "UAC;hop-hop=yes"], HeaderErrorKind::Duplicate),
        ] {
            assert_eq!(parse(lines), Err(error), "{lines:?}");
        }
        assert_eq!(parse(&[]), Ok(None));
    }
}
