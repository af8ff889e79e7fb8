//! What is asked of the DNS and what it says: names, questions, records, answers.
//!
//! Plain data with checked names; no wire format, which is the affair of the shell.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The longest name, in characters without the final dot (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
const LABEL_MAX: usize = 63;

/// A domain name: lower case, without the final dot, letters, digits, `-` and `_` only.
///
/// # Examples
///
/// ```
/// use sip_core::resolve::DomainName;
///
/// let name = DomainName::parse("Example.COM.").unwrap();
/// assert_eq!(name.as_str(), "example.com");
/// assert_eq!(name.prefixed("_sip._udp").unwrap().as_str(), "_sip._udp.example.com");
/// assert!(DomainName::parse("a..b").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

/// The text is no domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no domain name")]
pub struct DomainNameError;

impl DomainName {
    /// Checks and keeps a name; case and one final dot are dropped.
    ///
    /// # Errors
    ///
    /// When a label is empty or longer than 63 characters, the name is longer than 253, or has another character than
    /// letters, digits, `-` and `_`.
    pub fn parse(text: &str) -> Result<Self, DomainNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(legal)
        };
        if text.len() > NAME_MAX || !text.split('.').all(label) {
            return Err(DomainNameError);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name with labels before it; `None` when that is no name, above all because it is too long.
    #[must_use]
    pub fn prefixed(&self, labels: &str) -> Option<Self> {
        Self::parse(&format!("{labels}.{self}")).ok()
    }

    /// The text: lower case, no final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for DomainName {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, DomainNameError> {
        Self::parse(text)
    }
}

/// What kind of record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuestionKind {
    /// Which transports, in which order, and the names of their SRV records (RFC 3403).
    Naptr,
    /// Which hosts and ports (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl fmt::Display for QuestionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// One question to the DNS, class IN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Question {
    /// The name asked for.
    pub name: DomainName,
    /// The kind of record.
    pub kind: QuestionKind,
}

impl Question {
    /// This kind of record of this name.
    #[must_use]
    pub fn new(name: DomainName, kind: QuestionKind) -> Self {
        Self { name, kind }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The content of a NAPTR record (RFC 3403 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first; of records that can be used, those with another order than the lowest do not count.
    pub order: u16,
    /// Among records of one order: lower ones first.
    pub preference: u16,
    /// `s` when the replacement is the name of SRV records; other flags are nothing for SIP (RFC 3263 section 4.1).
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`, ...
    pub service: String,
    /// Not used by SIP: a record that has one is ignored.
    pub regexp: String,
    /// The next name; `None` for `.`.
    pub replacement: Option<DomainName>,
}

/// The content of an SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// Among records of one priority: the share of clients that try this one first.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `None` for `.`: the service is decidedly not available.
    pub target: Option<DomainName>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordData {
    /// NAPTR
    Naptr(Naptr),
    /// SRV
    Srv(Srv),
    /// A
    A(Ipv4Addr),
    /// AAAA
    Aaaa(Ipv6Addr),
    /// CNAME: everything about the owner is found under this name.
    Alias(DomainName),
}

impl RecordData {
    /// The kind of question that it answers; `None` for an alias, which answers any.
    #[must_use]
    pub fn kind(&self) -> Option<QuestionKind> {
        match self {
            Self::Naptr(_) => Some(QuestionKind::Naptr),
            Self::Srv(_) => Some(QuestionKind::Srv),
            Self::A(_) => Some(QuestionKind::A),
            Self::Aaaa(_) => Some(QuestionKind::Aaaa),
            Self::Alias(_) => None,
        }
    }
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is. Records of names that were not asked for, and are no alias of it, are ignored.
    pub owner: DomainName,
    /// For how long it may be kept.
    pub ttl: Duration,
    /// What it says.
    pub data: RecordData,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Records, in the order in which they came.
    Records(Vec<Record>),
    /// There is no such name (NXDOMAIN).
    NoSuchName {
        /// For how long that may be believed (RFC 2308 section 5).
        ttl: Duration,
    },
    /// The name has no records of this kind.
    NoData {
        /// For how long that may be believed.
        ttl: Duration,
    },
    /// The server could not or would not tell (SERVFAIL, REFUSED, NOTIMP, nonsense, nobody to ask).
    Failed,
    /// No answer in time.
    TimedOut,
}

impl Answer {
    /// Whether nobody knows more than before: another try later may tell.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Failed | Self::TimedOut => true,
            Self::Records(_) | Self::NoSuchName { .. } | Self::NoData { .. } => false,
        }
    }

    /// The same with at most `max` records.
    pub(super) fn bounded(mut self, max: usize) -> Self {
        if let Self::Records(records) = &mut self {
            records.truncate(max);
        }
        self
    }
}
