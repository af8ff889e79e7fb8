//! Header names, values and the view of a message's headers.
//!
//! The envelope of a message (Via, From, To, Call-ID, CSeq, Contact, Route, Record-Route, ...) is typed when the message is
//! parsed. All else stays text in wire order and is typed on demand: a [`TypedHeader`] is a pure function of that text
//! and gives the same answer each time.

mod content;
mod keep_alive;
pub(crate) mod lex;
pub(crate) mod lookup;
mod method;
mod name;
mod name_addr;
mod reliable;
mod report;
pub(crate) mod values;
mod via;
mod view;
mod weighted;

pub use content::{Accept, ContentDisposition, ContentEncoding, ContentType, MediaRange};
pub use keep_alive::{KeepAlive, KeepAliveRole};
pub use lex::Params;
pub use method::{CSeq, Method};
pub use name::HeaderName;
pub(crate) use name_addr::AddressParts;
pub use name_addr::NameAddr;
pub use reliable::{RAck, Replaces};
pub use report::{Date, DialogRecoveryAction, MsDiagnostics, Reason, RetryInfo, Warning, WarningValue};
pub use values::{
    Allow, AllowEvents, Contact, Event, Expires, MaxForwards, MinExpires, MinSe, PAssertedIdentity, Path,
    ProxyRequire, RSeq, RecordRoute, Refresher, Require, RetryAfter, Route, SessionExpires, SubState,
    SubscriptionState, Supported, Unsupported,
};
pub(crate) use via::ViaParts;
pub use via::{TransportKind, UnknownTransport, Via};
pub use view::Headers;
pub(crate) use view::{Line, Selector};
pub use weighted::{AcceptEncoding, AcceptLanguage, ContentLanguage, ContentLength, Weighted};

use crate::uri::UriErrorKind;

/// A header that is read on demand.
pub trait TypedHeader: Sized {
    /// Its name; [`HeaderName::Other`] when [`TypedHeader::TEXT`] says it.
    const NAME: HeaderName;

    /// Its name as text; for headers that this library does not know.
    const TEXT: &'static str = Self::NAME.as_str();

    /// Parses all lines of that name, in order; no line is `Ok(None)`.
    ///
    /// # Errors
    ///
    /// When a line does not follow the header's grammar, or there are more lines than the header may have.
    fn parse_all(values: &mut dyn Iterator<Item = &str>) -> Result<Option<Self>, HeaderError>;
}

/// Why a header value cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} in {header} at byte {offset}")]
pub struct HeaderError {
    /// Whose value.
    pub header: HeaderName,
    /// What is wrong.
    pub kind: HeaderErrorKind,
    /// Where, in bytes from the start of the value.
    pub offset: usize,
}

impl HeaderError {
    /// An error of these parts.
    #[must_use]
    pub fn new(header: HeaderName, kind: HeaderErrorKind, offset: usize) -> Self {
        Self { header, kind, offset }
    }

    pub(crate) fn from_fault(header: HeaderName, fault: lex::Fault) -> Self {
        Self { header, kind: fault.kind, offset: fault.at }
    }
}

/// What is wrong with a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderErrorKind {
    /// It does not follow the grammar.
    #[error("syntax error")]
    Syntax,
    /// A quoted string or an angle bracket is not closed.
    #[error("unterminated quote or bracket")]
    Unterminated,
    /// A number is missing or out of range.
    #[error("bad number")]
    Number,
    /// Another protocol or version than SIP/2.0.
    #[error("wrong protocol version")]
    Version,
    /// What may occur once occurs twice.
    #[error("duplicate")]
    Duplicate,
    /// More values than the limit.
    #[error("too many values")]
    TooMany,
    /// More than 65,535 bytes.
    #[error("too long")]
    TooLong,
    /// The URI in it is wrong.
    #[error("{0}")]
    Uri(UriErrorKind),
}
