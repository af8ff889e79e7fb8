//! `text/registration-event`: what a server tells a client about its registration, in one line.
//!
//! The body of a NOTIFY of the event package [`mime::EVENT_REGISTRATION_NOTIFY`](crate::mime::EVENT_REGISTRATION_NOTIFY).
//! One known client (pidgin-sipe) goes offline for good on any such body, also on one that says that services are back.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::diagnostics::ids;

/// The longest body that is read, in bytes.
const BYTES_MAX: usize = 1024;

open_tokens! {
    /// What happened to a registration.
    pub enum RegistrationEventKind {
        /// By an administrator, or by the user elsewhere: register once more.
        Unregistered = "unregistered",
        /// Refused: stop.
        Rejected = "rejected",
        /// The registrar goes down: register again.
        Deactivated = "deactivated",
        /// Another registrar is to be used; a header names it.
        PreferredRegistrarChange = "preferred-registrar-change",
        /// Presence and conferencing are down (gone when `deregistered`, back when `registered`).
        UserServicesUnavailable = "userservices-unavailable",
    }
}

/// A registration event.
///
/// # Examples
///
/// ```
/// use c3p::registration::{RegistrationEvent, RegistrationEventKind};
///
/// let event = RegistrationEvent::parse(b"deregistered;event=deactivated\r\n")?;
/// assert!(!event.is_registered);
/// assert_eq!(event.kind, Some(RegistrationEventKind::Deactivated));
/// assert_eq!(event.diagnostics_id(), Some(4142));
/// # Ok::<(), c3p::registration::RegistrationEventError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegistrationEvent {
    /// Whether the client counts as registered after it.
    pub is_registered: bool,
    /// What happened.
    #[serde(default)]
    pub kind: Option<RegistrationEventKind>,
}

/// The body is not a registration event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationEventError {
    /// It is longer than such a line can be.
    #[error("registration event too large")]
    TooLarge,
    /// It does not begin with `registered` or `deregistered`, or is more than one line.
    #[error("not a registration event")]
    Syntax,
}

impl RegistrationEvent {
    /// The registration has ended.
    #[must_use]
    pub fn deregistered(kind: RegistrationEventKind) -> Self {
        Self { is_registered: false, kind: Some(kind) }
    }

    /// The registration holds.
    #[must_use]
    pub fn registered(kind: RegistrationEventKind) -> Self {
        Self { is_registered: true, kind: Some(kind) }
    }

    /// Reads the body of a NOTIFY.
    ///
    /// # Errors
    ///
    /// [`RegistrationEventError`].
    pub fn parse(body: &[u8]) -> Result<Self, RegistrationEventError> {
        if body.len() > BYTES_MAX {
            return Err(RegistrationEventError::TooLarge);
        }
        std::str::from_utf8(body).map_err(|_| RegistrationEventError::Syntax)?.parse()
    }

    /// Writes the body of a NOTIFY.
    #[must_use]
    pub fn write(&self) -> Bytes {
        Bytes::from(format!("{self}\r\n"))
    }

    /// The id that goes into `ms-diagnostics` beside it.
    #[must_use]
    pub fn diagnostics_id(&self) -> Option<u32> {
        match (self.is_registered, self.kind.as_ref()?) {
            (false, RegistrationEventKind::Unregistered) => Some(ids::UNREGISTERED),
            (false, RegistrationEventKind::Rejected) => Some(ids::REGISTRATION_REJECTED),
            (false, RegistrationEventKind::Deactivated) => Some(ids::REGISTRATION_DEACTIVATED),
            (false, RegistrationEventKind::UserServicesUnavailable) => Some(ids::USER_SERVICES_UNAVAILABLE),
            (_, RegistrationEventKind::PreferredRegistrarChange) => Some(ids::PREFERRED_REGISTRAR_CHANGED),
            (_, RegistrationEventKind::Other(_)) | (true, _) => None,
        }
    }
}

impl FromStr for RegistrationEvent {
    type Err = RegistrationEventError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split(';').map(str::trim);
        let is_registered = match parts.next() {
            Some(word) if word.eq_ignore_ascii_case("registered") => true,
            Some(word) if word.eq_ignore_ascii_case("deregistered") => false,
            Some(_) | None => return Err(RegistrationEventError::Syntax),
        };
        let mut kind = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.contains(char::is_whitespace) || value.contains(|c: char| c.is_whitespace() || c == '"') {
                return Err(RegistrationEventError::Syntax);
            }
            if name.eq_ignore_ascii_case("event") && !value.is_empty() && kind.is_none() {
                kind = Some(RegistrationEventKind::from_token(value));
            }
        }
        Ok(Self { is_registered, kind })
    }
}

impl fmt::Display for RegistrationEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_registered { "registered" } else { "deregistered" })?;
        match &self.kind {
            Some(kind) => write!(f, ";event={kind}"),
            None => Ok(()),
        }
    }
}
