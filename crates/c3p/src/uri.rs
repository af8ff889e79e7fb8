//! The addresses of a conference: made, taken apart, compared.
//!
//! ```text
//! Focus Factory  sip:alice@example.com;gruu;opaque=app:conf:focusfactory
//! conference     sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9
//! MCU            sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9
//! ```
//!
//! The address of an MCU is that of the conference with one word replaced: clients build it so, byte for byte.

use crate::McuType;

const OPAQUE_FACTORY: &str = "app:conf:focusfactory";
const OPAQUE_PREFIX: &str = "app:conf:";
const FOCUS: &str = "focus";
const ID_LENGTH: std::ops::RangeInclusive<usize> = 8..=32;

/// What an address of a conference points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConferenceTarget<'a> {
    /// The Focus Factory of an organizer.
    Factory,
    /// The Focus of the conference with this id.
    Focus {
        /// The conference id.
        id: &'a str,
    },
    /// An MCU of the conference with this id.
    Mcu {
        /// Which MCU.
        mcu: McuType,
        /// The conference id.
        id: &'a str,
    },
}

/// Why a text that a person gave is not the address of a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It does not begin with `sip:`, also not behind `conf:` or `meet:`.
    #[error("not a sip address")]
    NotSip,
    /// A percent sign is left after unescaping, or the escapes are not UTF-8.
    #[error("bad percent escape")]
    BadEscape,
    /// It holds blanks, control characters or one of `<>"?`.
    #[error("illegal character in address")]
    IllegalCharacter,
    /// A SIP address, but not that of a conference.
    #[error("not the address of a conference")]
    NotConference,
}

/// The address of the conference with this id of this organizer (a SIP address; its parameters are dropped).
///
/// # Examples
///
/// ```
/// assert_eq!(
///     c3p::uri::conference_uri("sip:alice@example.com", "7Q4W2ZK9"),
///     "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9",
/// );
/// ```
#[must_use]
pub fn conference_uri(organizer: &str, id: &str) -> String {
    format!("{};gruu;opaque={OPAQUE_PREFIX}{FOCUS}:id:{id}", without_params(organizer))
}

/// The address of the Focus Factory of a user (a SIP address; its parameters are dropped).
#[must_use]
pub fn factory_uri(user: &str) -> String {
    format!("{};gruu;opaque={OPAQUE_FACTORY}", without_params(user))
}

/// The address of an MCU of the conference: `:focus:` replaced, nothing else changed; `None` if this is not the address
/// of a conference.
///
/// # Examples
///
/// ```
/// use c3p::{McuType, uri};
///
/// let conference = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
/// let chat = uri::mcu_uri(conference, McuType::Im).expect("a conference");
/// assert_eq!(chat, "sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9");
/// assert_eq!(uri::conference_of_mcu(&chat), Some((conference.to_owned(), McuType::Im)));
/// ```
#[must_use]
pub fn mcu_uri(conference: &str, mcu: McuType) -> Option<String> {
    match target(conference)? {
        ConferenceTarget::Focus { .. } => Some(replace_kind(conference, FOCUS, mcu.as_str())),
        ConferenceTarget::Factory | ConferenceTarget::Mcu { .. } => None,
    }
}

/// The address of the conference to which an MCU's address belongs, and which MCU it is.
#[must_use]
pub fn conference_of_mcu(mcu_uri: &str) -> Option<(String, McuType)> {
    match target(mcu_uri)? {
        ConferenceTarget::Mcu { mcu, .. } => Some((replace_kind(mcu_uri, mcu.as_str(), FOCUS), mcu)),
        ConferenceTarget::Factory | ConferenceTarget::Focus { .. } => None,
    }
}

/// What an address points to; `None` if it has nothing to do with conferences.
#[must_use]
pub fn target(uri: &str) -> Option<ConferenceTarget<'_>> {
    let (_, params) = split(uri)?;
    let opaque = params.split(';').find_map(|param| param_value(param, "opaque"))?;
    if opaque == OPAQUE_FACTORY {
        return Some(ConferenceTarget::Factory);
    }
    let (kind, id) = opaque.strip_prefix(OPAQUE_PREFIX)?.split_once(":id:")?;
    if id.is_empty() {
        return None;
    }
    if kind == FOCUS {
        return Some(ConferenceTarget::Focus { id });
    }
    // The words are compared as given: the replacement works on bytes.
    let mcu = McuType::ALL.iter().copied().find(|mcu| mcu.as_str() == kind)?;
    Some(ConferenceTarget::Mcu { mcu, id })
}

/// The id in the address of a conference or of one of its MCUs.
#[must_use]
pub fn conference_id(uri: &str) -> Option<&str> {
    match target(uri)? {
        ConferenceTarget::Focus { id } | ConferenceTarget::Mcu { id, .. } => Some(id),
        ConferenceTarget::Factory => None,
    }
}

/// The organizer's address in the address of a factory, a conference or an MCU: everything before the parameters.
#[must_use]
pub fn organizer(uri: &str) -> Option<&str> {
    target(uri).map(|_| without_params(uri))
}

/// Whether this is the address of a conference (of its Focus).
#[must_use]
pub fn is_conference(uri: &str) -> bool {
    matches!(target(uri), Some(ConferenceTarget::Focus { .. }))
}

/// Whether this is the address of a Focus Factory.
#[must_use]
pub fn is_factory(uri: &str) -> bool {
    matches!(target(uri), Some(ConferenceTarget::Factory))
}

/// Whether a conference id is 8 to 32 ASCII letters and digits.
#[must_use]
pub fn is_valid_id(id: &str) -> bool {
    ID_LENGTH.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether two addresses of conferences are the same: scheme and host without regard to case, user part and values as
/// given, parameters in any order.
///
/// # Examples
///
/// ```
/// assert!(c3p::uri::same(
///     "sip:alice@EXAMPLE.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9",
///     "SIP:alice@example.com;opaque=app:conf:focus:id:7Q4W2ZK9;gruu",
/// ));
/// ```
#[must_use]
pub fn same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (Some((left_base, left_params)), Some((right_base, right_params))) = (split(left), split(right))
    else {
        return false;
    };
    let (left_user, left_host) = user_and_host(left_base);
    let (right_user, right_host) = user_and_host(right_base);
    left_user == right_user
        && left_host.eq_ignore_ascii_case(right_host)
        && scheme(left).eq_ignore_ascii_case(scheme(right))
        && params_within(left_params, right_params)
        && params_within(right_params, left_params)
}

/// Makes the address of a conference out of what a person typed or pasted: a leading `conf:` or `meet:` and everything
/// from the first `?` on are dropped, percent escapes are undone.
///
/// # Errors
///
/// [`InputError`] says what keeps it from being the address of a conference.
///
/// # Examples
///
/// ```
/// use c3p::uri;
///
/// let typed = "conf:sip:alice@example.com%3Bgruu;opaque=app:conf:focus:id:7Q4W2ZK9?conf-key=17";
/// assert_eq!(uri::clean_input(typed)?, "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9");
/// # Ok::<(), uri::InputError>(())
/// ```
pub fn clean_input(text: &str) -> Result<String, InputError> {
    let mut text = text.trim();
    for prefix in ["conf:", "meet:"] {
        if text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            text = &text[prefix.len()..];
            break;
        }
    }
    let text = text.split('?').next().unwrap_or_default();
    let text = unescape_percent(text)?;
    if !text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sip:")) {
        return Err(InputError::NotSip);
    }
    if text
        .chars()
        .any(|character| character.is_control() || character.is_whitespace() || "<>\"?".contains(character))
    {
        return Err(InputError::IllegalCharacter);
    }
    if is_conference(&text) { Ok(text) } else { Err(InputError::NotConference) }
}

/// Splits a SIP address into what stands between scheme and parameters, and the parameters; headers are cut off.
fn split(uri: &str) -> Option<(&str, &str)> {
    let scheme = scheme(uri);
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return None;
    }
    let rest = &uri[scheme.len() + 1..];
    // A user part may hold `;` and `?`; parameters begin behind the host.
    let host = rest.find('@').map_or(0, |at| at + 1);
    let rest = match rest[host..].find('?') {
        Some(at) => &rest[..host + at],
        None => rest,
    };
    match rest[host..].find(';') {
        Some(at) => Some((&rest[..host + at], &rest[host + at + 1..])),
        None => Some((rest, "")),
    }
}

fn scheme(uri: &str) -> &str {
    uri.split_once(':').map_or("", |(scheme, _)| scheme)
}

fn without_params(uri: &str) -> &str {
    match split(uri) {
        Some((base, _)) => &uri[..scheme(uri).len() + 1 + base.len()],
        None => uri,
    }
}

fn user_and_host(base: &str) -> (&str, &str) {
    base.split_once('@').unwrap_or(("", base))
}

/// The value of one `name=value` if it has this name; the empty text for a bare name.
fn param_value<'a>(param: &'a str, name: &str) -> Option<&'a str> {
    let (known, value) = param.split_once('=').unwrap_or((param, ""));
    known.eq_ignore_ascii_case(name).then_some(value)
}

/// Whether each parameter of `left` is in `right` with the same value.
fn params_within(left: &str, right: &str) -> bool {
    left.split(';').filter(|param| !param.is_empty()).all(|param| {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        right.split(';').find_map(|other| param_value(other, name)) == Some(value)
    })
}

/// Replaces the word in `opaque=app:conf:<word>:id:`.
fn replace_kind(uri: &str, from: &str, to: &str) -> String {
    let from = format!("{OPAQUE_PREFIX}{from}:id:");
    // The last one: a user part could hold the same text.
    match uri.rfind(&from) {
        Some(at) => format!("{}{OPAQUE_PREFIX}{to}:id:{}", &uri[..at], &uri[at + from.len()..]),
        None => uri.to_owned(),
    }
}

fn unescape_percent(text: &str) -> Result<String, InputError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (rest.next().and_then(hex_digit), rest.next().and_then(hex_digit))
        else {
            return Err(InputError::BadEscape);
        };
        bytes.push(high * 16 + low);
    }
    let text = String::from_utf8(bytes).map_err(|_| InputError::BadEscape)?;
    if text.contains('%') { Err(InputError::BadEscape) } else { Ok(text) }
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
