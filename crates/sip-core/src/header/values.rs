//! Typed headers that are read on demand: numbers, token lists, event packages, address lists.

use std::fmt;
use std::time::Duration;

use bytestring::ByteString;

use super::lex::{self, Cursor, Fault, Params, TEXT_MAX, fault};
use super::{HeaderError, HeaderErrorKind, HeaderName, NameAddr, TypedHeader};

/// The values of one header, as [`TypedHeader::parse_all`] gets them.
pub(crate) type Lines<'i, 'a> = &'i mut dyn Iterator<Item = &'a str>;

/// The only line of a header that may occur once; two lines are an error.
pub(crate) fn single<'a>(name: HeaderName, lines: Lines<'_, 'a>) -> Result<Option<&'a str>, HeaderError> {
    let Some(first) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(HeaderError::new(name, HeaderErrorKind::Duplicate, 0));
    }
    if first.len() > TEXT_MAX {
        return Err(HeaderError::new(name, HeaderErrorKind::TooLong, TEXT_MAX));
    }
    Ok(Some(first.trim_matches([' ', '\t'])))
}

pub(crate) fn number(text: &str) -> Result<u32, Fault> {
    match lex::decimal(text.as_bytes()) {
        // More seconds than fit are as good as for ever (RFC 3261 section 20.19 allows 32 bits).
        Some(n) => Ok(u32::try_from(n).unwrap_or(u32::MAX)),
        None => fault(HeaderErrorKind::Number, 0),
    }
}

/// A number before parameters: `1800;refresher=uac`; the number and the parameters.
pub(crate) fn number_and_params(text: &str) -> Result<(u32, Params<'_>), Fault> {
    let mut cursor = Cursor::new(text, 0);
    let value = number(cursor.take(lex::digits)?.of(text))?;
    Ok((value, Params::new(cursor.params(|_, _| ())?.of(text))))
}

/// A token before parameters: `conference;id=1`.
pub(crate) fn token_and_params(text: &str) -> Result<(&str, Params<'_>), Fault> {
    let mut cursor = Cursor::new(text, 0);
    let token = cursor.take(lex::token)?.of(text);
    Ok((token, Params::new(cursor.params(|_, _| ())?.of(text))))
}

macro_rules! seconds_headers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(
            /// The number; larger ones than 32 bits are read as the largest.
            pub u32,
        );

        impl $name {
            /// The number as seconds.
            #[must_use]
            pub fn duration(self) -> Duration {
                Duration::from_secs(u64::from(self.0))
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName = HeaderName::$name;

            fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
                let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
                number(text).map(|n| Some(Self(n))).map_err(|f| HeaderError::from_fault(Self::NAME, f))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )+};
}

seconds_headers! {
    /// `Expires`: how long a registration or subscription lives, in seconds.
    Expires,
    /// `Min-Expires`: the shortest that a registrar or notifier accepts, in seconds.
    MinExpires,
    /// `RSeq`: number of a reliable provisional response (RFC 3262).
    RSeq,
}

/// `Max-Forwards`: how many hops are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MaxForwards(
    /// 0 to 255 (RFC 3261 section 20.22).
    pub u8,
);

impl MaxForwards {
    pub(crate) fn read(text: &[u8]) -> Result<u8, Fault> {
        match lex::decimal(text).map(u8::try_from) {
            Some(Ok(hops)) => Ok(hops),
            Some(Err(_)) | None => fault(HeaderErrorKind::Number, 0),
        }
    }
}

impl TypedHeader for MaxForwards {
    const NAME: HeaderName = HeaderName::MaxForwards;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        Self::read(text.as_bytes()).map(|n| Some(Self(n))).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

/// `Retry-After`: when to try again; a comment and parameters are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RetryAfter(
    /// Seconds.
    pub u32,
);

impl RetryAfter {
    /// The number as seconds.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

impl TypedHeader for RetryAfter {
    const NAME: HeaderName = HeaderName::RetryAfter;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let rest = text[end..].trim_start_matches([' ', '\t']);
        if !(rest.is_empty() || rest.starts_with(['(', ';'])) {
            return Err(HeaderError::new(Self::NAME, HeaderErrorKind::Syntax, end));
        }
        number(&text[..end]).map(|n| Some(Self(n))).map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

/// Who refreshes a session (RFC 4028): the client or the server of the *transaction* that agreed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// Who sent the request
    Uac,
    /// Who answered it
    Uas,
}

impl Refresher {
    /// As in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uac => "uac",
            Self::Uas => "uas",
        }
    }
}

/// `Session-Expires` (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// The session interval.
    pub seconds: u32,
    /// Who refreshes, when said.
    pub refresher: Option<Refresher>,
}

impl TypedHeader for SessionExpires {
    const NAME: HeaderName = HeaderName::SessionExpires;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        let (seconds, params) =
            number_and_params(text).map_err(|f| HeaderError::from_fault(Self::NAME, f))?;
        let refresher = match params.value_of("refresher") {
            Some(r) if r.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(r) if r.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(HeaderError::new(Self::NAME, HeaderErrorKind::Syntax, 0)),
            None => None,
        };
        Ok(Some(Self { seconds, refresher }))
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        self.refresher.map_or(Ok(()), |r| write!(f, ";refresher={}", r.as_str()))
    }
}

/// `Min-SE` (RFC 4028): the shortest session interval that is accepted, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MinSe(
    /// Seconds.
    pub u32,
);

impl TypedHeader for MinSe {
    const NAME: HeaderName = HeaderName::MinSe;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        number_and_params(text)
            .map(|(n, _)| Some(Self(n)))
            .map_err(|f| HeaderError::from_fault(Self::NAME, f))
    }
}

/// `Event`: the package that is subscribed to, or notified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// The package, e.g. `conference`.
    pub package: ByteString,
    /// The `id` parameter.
    pub id: Option<ByteString>,
}

impl TypedHeader for Event {
    const NAME: HeaderName = HeaderName::Event;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        let (package, params) = token_and_params(text).map_err(|f| HeaderError::from_fault(Self::NAME, f))?;
        Ok(Some(Self { package: package.into(), id: params.value_of("id").map(ByteString::from) }))
    }
}

/// The state that a notifier reports (RFC 6665 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubState {
    /// Accepted
    Active,
    /// Not decided yet
    Pending,
    /// Over
    Terminated,
    /// An extension
    Other(ByteString),
}

/// `Subscription-State`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubscriptionState {
    /// The state.
    pub state: SubState,
    /// Seconds that are left.
    pub expires: Option<u32>,
    /// Why it is terminated, e.g. `deactivated`, `noresource`, `rejected`, `timeout`.
    pub reason: Option<ByteString>,
    /// Seconds to wait before subscribing again.
    pub retry_after: Option<u32>,
}

impl SubscriptionState {
    /// Whether the subscription is over.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.state == SubState::Terminated
    }
}

impl TypedHeader for SubscriptionState {
    const NAME: HeaderName = HeaderName::SubscriptionState;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let Some(text) = single(Self::NAME, lines)? else { return Ok(None) };
        let error = |f| HeaderError::from_fault(Self::NAME, f);
        let (state, params) = token_and_params(text).map_err(error)?;
        let state = match state {
            s if s.eq_ignore_ascii_case("active") => SubState::Active,
            s if s.eq_ignore_ascii_case("pending") => SubState::Pending,
            s if s.eq_ignore_ascii_case("terminated") => SubState::Terminated,
            s => SubState::Other(s.into()),
        };
        let seconds = |name| params.clone().value_of(name).map(number).transpose().map_err(error);
        let (expires, retry_after) = (seconds("expires")?, seconds("retry-after")?);
        let reason = params.value_of("reason").map(ByteString::from);
        Ok(Some(Self { state, expires, reason, retry_after }))
    }
}

macro_rules! token_lists {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name(
            /// The tokens in order, over all lines of the header.
            pub Vec<ByteString>,
        );

        impl $name {
            /// Whether the token is in the list, compared without case.
            #[must_use]
            pub fn contains(&self, token: &str) -> bool {
                self.0.iter().any(|t| t.eq_ignore_ascii_case(token))
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName = HeaderName::$name;

            fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
                let mut any = false;
                let mut tokens = Vec::new();
                for line in lines {
                    any = true;
                    for token in tokens_of(line) {
                        let token = token.map_err(|f| HeaderError::from_fault(Self::NAME, f))?;
                        tokens.push(ByteString::from(token));
                    }
                }
                Ok(any.then_some(Self(tokens)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (i, token) in self.0.iter().enumerate() {
                    write!(f, "{}{token}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    )+};
}

token_lists! {
    /// `Supported`: option tags of extensions that the sender knows.
    Supported,
    /// `Require`: option tags that the receiver must know (else 420).
    Require,
    /// `Proxy-Require`: option tags that every proxy must know.
    ProxyRequire,
    /// `Unsupported`: option tags that were not known.
    Unsupported,
    /// `Allow`: methods that the sender takes.
    Allow,
    /// `Allow-Events`: event packages that the sender knows.
    AllowEvents,
}

/// The tokens of one line; empty items are skipped, as RFC 3261 section 7.3.1 readers do.
pub(crate) fn tokens_of(line: &str) -> impl Iterator<Item = Result<&str, Fault>> {
    lex::list_items(line).filter(|(_, item)| !item.is_empty()).map(|(at, item)| {
        if lex::is_token_text(item) { Ok(item) } else { fault(HeaderErrorKind::Syntax, at) }
    })
}

fn address_list(name: HeaderName, lines: Lines<'_, '_>) -> Result<Option<Vec<NameAddr>>, HeaderError> {
    let mut any = false;
    let mut list = Vec::new();
    for line in lines {
        any = true;
        let owner = ByteString::from(line);
        for (at, item) in lex::list_items(&owner) {
            let address = NameAddr::parse_shared(&owner, item)
                .map_err(|f| HeaderError::from_fault(name, Fault { at: at + f.at, ..f }))?;
            list.push(address);
        }
    }
    Ok(any.then_some(list))
}

macro_rules! address_lists {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name(
            /// The addresses in order, over all lines of the header.
            pub Vec<NameAddr>,
        );

        impl TypedHeader for $name {
            const NAME: HeaderName = HeaderName::$name;

            fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
                Ok(address_list(Self::NAME, lines)?.map(Self))
            }
        }
    )+};
}

address_lists! {
    /// `Route`: the hops that a request still has to visit.
    Route,
    /// `Record-Route`: the hops that want to stay on the way of a dialog.
    RecordRoute,
    /// `Path` (RFC 3327): the hops between registrar and user agent.
    Path,
    /// `P-Asserted-Identity` (RFC 3325).
    PAssertedIdentity,
}

/// `Contact`: where the sender can be reached, or `*` (only in a REGISTER that removes all).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// `*`
    Star,
    /// Addresses in order, over all lines of the header.
    Addresses(Vec<NameAddr>),
}

impl Contact {
    /// The addresses; none for `*`.
    #[must_use]
    pub fn addresses(&self) -> &[NameAddr] {
        match self {
            Self::Star => &[],
            Self::Addresses(list) => list,
        }
    }
}

impl TypedHeader for Contact {
    const NAME: HeaderName = HeaderName::Contact;

    fn parse_all(lines: Lines<'_, '_>) -> Result<Option<Self>, HeaderError> {
        let lines: Vec<&str> = lines.collect();
        if let [only] = lines[..]
            && only.trim_matches([' ', '\t']) == "*"
        {
            return Ok(Some(Self::Star));
        }
        Ok(address_list(Self::NAME, &mut lines.into_iter())?.map(Self::Addresses))
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
