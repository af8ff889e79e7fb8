//! The parameters of challenges, answers, tokens and signatures in their headers.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::SCHEME;
use crate::auth::algorithm::hex;
use crate::auth::ntlm::MESSAGE_MAX;
use crate::auth::params::{AuthParams, Writer};
use crate::header::{HeaderError, HeaderErrorKind, HeaderName};

/// Values of one header that are looked at; one more is an error.
const VALUES_MAX: usize = 16;
/// The longest random number and count.
const SHORT_MAX: usize = 32;

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who signs: it decides how the parameters are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `crand`, `cnum`, `response`.
    Client,
    /// `srand`, `snum`, `rspauth`.
    Server,
}

impl Role {
    const fn names(self) -> [&'static str; 3] {
        match self {
            Self::Client => ["crand", "cnum", "response"],
            Self::Server => ["srand", "snum", "rspauth"],
        }
    }
}

/// A signature with what makes it unlike any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// A random number, as it is written.
    pub rand: String,
    /// The count, as it is written.
    pub num: String,
    /// The count.
    pub count: u32,
    /// The signature itself.
    pub bytes: [u8; 16],
}

/// What one of the headers says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityParams {
    /// Which service it is.
    pub realm: String,
    /// Which server of it.
    pub targetname: String,
    /// The version of the protocol; absent means 2.
    pub version: Option<u8>,
    /// Which association or handshake, in the words of the server.
    pub opaque: Option<String>,
    /// A token of the handshake; the first one is empty.
    pub token: Option<Vec<u8>>,
    /// The signature of the message.
    pub signature: Option<Signature>,
}

impl SecurityParams {
    /// Reads one value; `None` for another scheme.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when a parameter is missing or wrong.
    pub fn read(header: HeaderName, text: &str, role: Role) -> Result<Option<Self>, HeaderError> {
        let Some(params) = AuthParams::scheme(header, text, SCHEME)? else { return Ok(None) };
        let version = match params.get("version") {
            Some(text) => Some(text.parse().map_err(|_| number(header))?),
            None => None,
        };
        let token = match params.get("gssapi-data") {
            Some(text) if text.len() > MESSAGE_MAX / 3 * 4 + 4 => {
                return Err(HeaderError::new(header, HeaderErrorKind::TooLong, 0));
            }
            Some(text) => Some(BASE64.decode(text).map_err(|_| params.syntax())?),
            None => None,
        };
        Ok(Some(Self {
            realm: params.need("realm")?,
            targetname: params.need("targetname")?,
            version,
            opaque: params.owned("opaque"),
            token,
            signature: signature(&params, header, role)?,
        }))
    }

    /// The values of this scheme, in order.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; also when there are more than 16 values.
    pub fn read_all<'a>(
        header: HeaderName,
        values: impl Iterator<Item = &'a str>,
        role: Role,
    ) -> Result<Vec<Self>, HeaderError> {
        let mut list = Vec::new();
        for (index, value) in values.enumerate() {
            if index == VALUES_MAX {
                return Err(HeaderError::new(header, HeaderErrorKind::TooMany, 0));
            }
            list.extend(Self::read(header, value, role)?);
        }
        Ok(list)
    }

    /// As the value of a header.
    #[must_use]
    pub fn write(&self, role: Role) -> String {
        let mut out = Writer::scheme(SCHEME);
        if role == Role::Client || self.signature.is_some() {
            out = out.quoted("qop", "auth");
        }
        out = out.maybe("opaque", self.opaque.as_deref());
        out = out.quoted("realm", &self.realm).quoted("targetname", &self.targetname);
        if let Some(token) = &self.token {
            out = out.quoted("gssapi-data", &BASE64.encode(token));
        }
        if let Some(version) = self.version {
            out = out.plain("version", &version.to_string());
        }
        if let Some(Signature { rand, num, bytes, .. }) = &self.signature {
            let names = role.names();
            out = out.quoted(names[0], rand).quoted(names[1], num).quoted(names[2], &hex(bytes));
        }
        out.into_text()
    }
}

/// All three parameters, or none: a signature without its count would be one that is not counted.
fn signature(
    params: &AuthParams<'_>,
    header: HeaderName,
    role: Role,
) -> Result<Option<Signature>, HeaderError> {
    let names = role.names();
    if names.iter().all(|name| params.get(name).is_none()) {
        return Ok(None);
    }
    let [rand, num, bytes] = [params.need(names[0])?, params.need(names[1])?, params.need(names[2])?];
    if rand.len() > SHORT_MAX || num.len() > SHORT_MAX {
        return Err(HeaderError::new(header, HeaderErrorKind::TooLong, 0));
    }
    let digits = num.bytes().all(|b| b.is_ascii_digit());
    let count = num.parse().ok().filter(|_| digits).ok_or_else(|| number(header))?;
    let bytes = crate::auth::ntlm::un_hex(&bytes).ok_or_else(|| params.syntax())?;
    Ok(Some(Signature { rand, num, count, bytes }))
}

fn number(header: HeaderName) -> HeaderError {
    HeaderError::new(header, HeaderErrorKind::Number, 0)
}
