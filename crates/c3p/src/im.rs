//! The XML bodies of an IM call: typing in both forms, and the report of what was not delivered.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{DocumentError, Limits, xml};

tokens! {
    /// Typing, as the body of an INFO (`application/xml`).
    pub enum KeyboardActivity {
        /// Somebody types.
        Typing = "type",
        /// Nobody types any more.
        Idle = "idle",
    }
}

impl KeyboardActivity {
    /// Reads the body of an INFO.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, or no known `status`.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        xml::bodies::read_keyboard_activity(body, limits)
    }

    /// Writes the body of an INFO.
    #[must_use]
    pub fn write(self) -> Bytes {
        xml::bodies::write_keyboard_activity(self)
    }
}

tokens! {
    /// The states of RFC 3994.
    pub enum ComposingState {
        /// Somebody types.
        Active = "active",
        /// Nobody types any more.
        Idle = "idle",
    }
}

/// Typing, as the body of a MESSAGE (RFC 3994).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsComposing {
    /// Typing or not; an unknown word counts as idle (RFC 3994 section 3.3).
    pub state: ComposingState,
    /// When it was last active, as written.
    pub last_active: Option<String>,
    /// What is being written.
    pub content_type: Option<String>,
    /// After how many seconds the state is to be taken as idle.
    pub refresh: Option<u32>,
}

impl IsComposing {
    /// A state with nothing else.
    #[must_use]
    pub fn new(state: ComposingState) -> Self {
        Self { state, last_active: None, content_type: None, refresh: None }
    }

    /// Reads the body of a MESSAGE.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, or without `state`.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        xml::bodies::read_is_composing(body, limits)
    }

    /// Writes the body of a MESSAGE.
    #[must_use]
    pub fn write(&self) -> Bytes {
        xml::bodies::write_is_composing(self)
    }
}

/// The report that a message did not reach everybody (`application/ms-imdn+xml`); one per message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imdn {
    /// The `Message-Id` of the 200 that the sender got.
    pub message_id: String,
    /// Those who did not get it.
    pub recipients: Vec<ImdnRecipient>,
}

/// One who did not get a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImdnRecipient {
    /// His address, as a `name-addr` (with angle brackets).
    pub uri: String,
    /// The SIP status of the attempt.
    pub status: Option<u16>,
    /// Further headers of the attempt, such as `ms-diagnostics`.
    pub entries: Vec<(String, String)>,
}

impl ImdnRecipient {
    /// Whether he did not get it: no status, 0, or 300 and above.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.status.is_none_or(|status| status == 0 || status >= 300)
    }
}

impl Imdn {
    /// Reads the body of a BENOTIFY.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, or without `message-id`.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        xml::bodies::read_imdn(body, limits)
    }

    /// Writes the body of a BENOTIFY.
    #[must_use]
    pub fn write(&self) -> Bytes {
        xml::bodies::write_imdn(self)
    }
}
