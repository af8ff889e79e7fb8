//! The headers: challenges, answers to them, and what an accepting server adds.

use std::fmt;

use super::Algorithm;
use super::params::{AuthParams, Writer};
use crate::header::{HeaderError, HeaderErrorKind, HeaderName, TypedHeader};

/// Challenges or answers of one message that are read; one more is an error.
const VALUES_MAX: usize = 16;

/// Who asks: the far end or registrar (401), or a proxy on the way (407).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `WWW-Authenticate` and `Authorization`.
    Www,
    /// `Proxy-Authenticate` and `Proxy-Authorization`.
    Proxy,
}

impl Kind {
    /// The one that a status asks for; `None` for any other status.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Www),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    /// The header that challenges.
    #[must_use]
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Self::Www => HeaderName::WwwAuthenticate.as_str(),
            Self::Proxy => HeaderName::ProxyAuthenticate.as_str(),
        }
    }

    /// The header that answers.
    #[must_use]
    pub const fn answer_header(self) -> &'static str {
        match self {
            Self::Www => HeaderName::Authorization.as_str(),
            Self::Proxy => HeaderName::ProxyAuthorization.as_str(),
        }
    }
}

/// A Digest challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// Which password is asked for.
    pub realm: String,
    /// What the answer has to contain.
    pub nonce: String,
    /// With which hash.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` is offered; an old server offers none.
    pub qop_auth: bool,
    /// To be sent back as it is.
    pub opaque: Option<String>,
    /// The answer before was right, only its nonce is not good any more.
    pub stale: bool,
}

impl Challenge {
    /// A challenge with `qop=auth` and without `opaque`.
    #[must_use]
    pub fn new(realm: impl Into<String>, nonce: impl Into<String>, algorithm: Algorithm) -> Self {
        Self {
            realm: realm.into(),
            nonce: nonce.into(),
            algorithm,
            qop_auth: true,
            opaque: None,
            stale: false,
        }
    }

    /// Says that only the nonce was wrong.
    #[must_use]
    pub fn with_stale(mut self, stale: bool) -> Self {
        self.stale = stale;
        self
    }

    /// `None`: another scheme or algorithm, or no quality of protection that we have.
    fn read(header: HeaderName, text: &str) -> Result<Option<Self>, HeaderError> {
        let Some(params) = AuthParams::scheme(header, text, "Digest")? else { return Ok(None) };
        let Some(algorithm) = algorithm(&params) else { return Ok(None) };
        let qop_auth = match params.get("qop") {
            None => false,
            Some(list) if list.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return Ok(None),
        };
        if algorithm.has_session() && !qop_auth {
            return Ok(None); // a session is made of the client's nonce, which is only there with `qop`
        }
        Ok(Some(Self {
            realm: params.need("realm")?,
            nonce: params.need("nonce")?,
            algorithm,
            qop_auth,
            opaque: params.owned("opaque"),
            stale: params.get("stale").is_some_and(|word| word.eq_ignore_ascii_case("true")),
        }))
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::scheme("Digest").quoted("realm", &self.realm);
        if self.qop_auth {
            out = out.quoted("qop", "auth");
        }
        out = out.plain("algorithm", self.algorithm.as_str()).quoted("nonce", &self.nonce);
        out = out.maybe("opaque", self.opaque.as_deref());
        if self.stale {
            out = out.plain("stale", "true");
        }
        f.write_str(&out.into_text())
    }
}

/// What `qop=auth` adds to an answer: it is not like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// How often the client has used the nonce, this time included.
    pub nc: u32,
    /// The client's own nonce.
    pub cnonce: String,
}

/// The Digest answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Who answers.
    pub username: String,
    /// Of the challenge.
    pub realm: String,
    /// Of the challenge.
    pub nonce: String,
    /// The digest-uri: the Request-URI as the client wrote it.
    pub uri: String,
    /// The hash that proves the password.
    pub response: String,
    /// With which hash.
    pub algorithm: Algorithm,
    /// Of the challenge.
    pub opaque: Option<String>,
    /// With `qop=auth`: count and client nonce.
    pub proof: Option<Proof>,
    /// The name is a hash (RFC 7616 section 3.4.4). No server of ours offers that, so it is nobody's name.
    pub userhash: bool,
}

impl Answer {
    /// `None`: another scheme or algorithm.
    fn read(header: HeaderName, text: &str) -> Result<Option<Self>, HeaderError> {
        let Some(params) = AuthParams::scheme(header, text, "Digest")? else { return Ok(None) };
        let Some(algorithm) = algorithm(&params) else { return Ok(None) };
        let proof = proof(&params, header)?;
        if algorithm.has_session() && proof.is_none() {
            return Err(params.syntax());
        }
        let username = match (params.get("username"), params.get("username*")) {
            (Some(name), None) => name.to_owned(),
            (None, Some(text)) => extended(text).ok_or_else(|| params.syntax())?,
            (Some(_), Some(_)) => return Err(HeaderError::new(header, HeaderErrorKind::Duplicate, 0)),
            (None, None) => return Err(params.syntax()),
        };
        Ok(Some(Self {
            username,
            realm: params.need("realm")?,
            nonce: params.need("nonce")?,
            uri: params.need("uri")?,
            response: params.need("response")?,
            algorithm,
            opaque: params.owned("opaque"),
            proof,
            userhash: params.get("userhash").is_some_and(|word| word.eq_ignore_ascii_case("true")),
        }))
    }
}

impl Answer {
    pub(super) fn of(challenge: &Challenge, username: &str, uri: &str, proof: Option<Proof>) -> Self {
        Self {
            username: username.to_owned(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: uri.to_owned(),
            response: String::new(),
            algorithm: challenge.algorithm,
            opaque: challenge.opaque.clone(),
            proof,
            userhash: false,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::scheme("Digest")
            .quoted("username", &self.username)
            .quoted("realm", &self.realm)
            .quoted("nonce", &self.nonce)
            .quoted("uri", &self.uri)
            .plain("algorithm", self.algorithm.as_str())
            .maybe("opaque", self.opaque.as_deref());
        if let Some(Proof { nc, cnonce }) = &self.proof {
            out = out.plain("qop", "auth").plain("nc", &format!("{nc:08x}")).quoted("cnonce", cnonce);
        }
        if self.userhash {
            out = out.plain("userhash", "true");
        }
        f.write_str(&out.quoted("response", &self.response).into_text())
    }
}

/// `UTF-8'language'percent-encoded` (RFC 8187), as `username*` has it.
fn extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_, value) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?];
                (digits[0] * 16 + digits[1]) as u8
            }
            _ => byte,
        });
    }
    // A name with line ends in it could not be written again, and is nobody's.
    String::from_utf8(bytes).ok().filter(|name| !name.contains(char::is_control))
}

fn algorithm(params: &AuthParams<'_>) -> Option<Algorithm> {
    params.get("algorithm").map_or(Some(Algorithm::Md5), |name| name.parse().ok())
}

fn proof(params: &AuthParams<'_>, header: HeaderName) -> Result<Option<Proof>, HeaderError> {
    match params.get("qop") {
        None => Ok(None),
        Some(qop) if qop.eq_ignore_ascii_case("auth") => {
            let nc = params.need("nc")?;
            let digits = nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
            let nc = u32::from_str_radix(&nc, 16).ok().filter(|_| digits);
            let nc = nc.ok_or_else(|| HeaderError::new(header, HeaderErrorKind::Number, 0))?;
            Ok(Some(Proof { nc, cnonce: params.need("cnonce")? }))
        }
        Some(_) => Err(params.syntax()),
    }
}

macro_rules! list_header {
    ($(#[$doc:meta])* $name:ident, $item:ident, $header:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub Vec<$item>);

        impl TypedHeader for $name {
            const NAME: HeaderName = HeaderName::$header;

            fn parse_all(values: &mut dyn Iterator<Item = &str>) -> Result<Option<Self>, HeaderError> {
                let mut list: Option<Vec<$item>> = None;
                for (index, value) in values.enumerate() {
                    if index == VALUES_MAX {
                        return Err(HeaderError::new(Self::NAME, HeaderErrorKind::TooMany, 0));
                    }
                    list.get_or_insert_default().extend($item::read(Self::NAME, value)?);
                }
                Ok(list.map(Self))
            }
        }
    };
}

list_header!(
    /// `WWW-Authenticate`: the challenges that can be answered, in order; others are left out.
    WwwAuthenticate,
    Challenge,
    WwwAuthenticate
);
list_header!(
    /// `Proxy-Authenticate`: the challenges that can be answered, in order; others are left out.
    ProxyAuthenticate,
    Challenge,
    ProxyAuthenticate
);
list_header!(
    /// `Authorization`: the Digest answers, in order; those of other schemes are left out.
    Authorization,
    Answer,
    Authorization
);
list_header!(
    /// `Proxy-Authorization`: the Digest answers, in order; those of other schemes are left out.
    ProxyAuthorization,
    Answer,
    ProxyAuthorization
);

/// `Authentication-Info`: what a server adds to its answer when it accepted ours (RFC 7616 section 3.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthenticationInfo {
    /// The nonce to use from now on.
    pub next_nonce: Option<String>,
    /// The server's own proof that it knows the password, see [`Algorithm::rspauth`].
    pub rspauth: Option<String>,
    /// Count and client nonce of the answer that was accepted.
    pub proof: Option<Proof>,
}

impl TypedHeader for AuthenticationInfo {
    const NAME: HeaderName = HeaderName::AuthenticationInfo;

    /// The one for Digest; what other schemes add is left out.
    fn parse_all(values: &mut dyn Iterator<Item = &str>) -> Result<Option<Self>, HeaderError> {
        let mut found = None;
        for (index, value) in values.enumerate() {
            if index == VALUES_MAX {
                return Err(HeaderError::new(Self::NAME, HeaderErrorKind::TooMany, 0));
            }
            let Some(params) = AuthParams::list_of(Self::NAME, value, "Digest")? else { continue };
            let info = Self {
                next_nonce: params.owned("nextnonce"),
                rspauth: params.owned("rspauth"),
                proof: proof(&params, Self::NAME)?,
            };
            if found.replace(info).is_some() {
                return Err(HeaderError::new(Self::NAME, HeaderErrorKind::Duplicate, 0));
            }
        }
        Ok(found)
    }
}

impl fmt::Display for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::default().maybe("nextnonce", self.next_nonce.as_deref());
        if let Some(Proof { nc, cnonce }) = &self.proof {
            out = out.plain("qop", "auth").plain("nc", &format!("{nc:08x}")).quoted("cnonce", cnonce);
        }
        f.write_str(&out.maybe("rspauth", self.rspauth.as_deref()).into_text())
    }
}
