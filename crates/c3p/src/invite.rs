//! `application/ms-conf-invite+xml`: the body of an INVITE that asks somebody into a conference.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{DocumentError, Limits, xml};

/// An invitation to a conference.
///
/// # Examples
///
/// ```
/// use c3p::invite::{ConferenceInvite, ImInvite};
///
/// let invite = ConferenceInvite::new("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9")
///     .with_subject("Numbers & plans")
///     .with_im(ImInvite::default());
/// assert_eq!(ConferenceInvite::parse(&invite.write(), &c3p::Limits::default())?, invite);
/// # Ok::<(), c3p::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceInvite {
    /// The address of the conference, as it was written. Not yet checked: see [`crate::uri::is_conference`].
    pub focus_uri: String,
    /// The title of the conference.
    pub subject: Option<String>,
    /// What to join of IM, if it was named.
    pub im: Option<ImInvite>,
    /// Whether audio is to be joined, if it was named.
    pub audio: Option<bool>,
    /// Whether video is to be joined, if it was named.
    pub video: Option<bool>,
    /// Whether application sharing is to be joined, if it was named.
    pub application_sharing: Option<bool>,
}

/// The IM part of an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImInvite {
    /// Whether IM is to be joined.
    pub available: bool,
    /// The first message, shown with the invitation; often there and empty.
    pub first_im: Option<String>,
}

impl Default for ImInvite {
    /// To be joined, with the empty first message that clients send.
    fn default() -> Self {
        Self { available: true, first_im: Some(String::new()) }
    }
}

impl ConferenceInvite {
    /// An invitation that names no modality.
    #[must_use]
    pub fn new(focus_uri: impl Into<String>) -> Self {
        Self {
            focus_uri: focus_uri.into(),
            subject: None,
            im: None,
            audio: None,
            video: None,
            application_sharing: None,
        }
    }

    /// Sets the title.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Asks to join IM.
    #[must_use]
    pub fn with_im(mut self, im: ImInvite) -> Self {
        self.im = Some(im);
        self
    }

    /// Asks to join audio.
    #[must_use]
    pub fn with_audio(mut self, available: bool) -> Self {
        self.audio = Some(available);
        self
    }

    /// Reads the body of an INVITE.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, or without `focus-uri`.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        xml::bodies::read_invite(body, limits)
    }

    /// Writes the body of an INVITE.
    #[must_use]
    pub fn write(&self) -> Bytes {
        xml::bodies::write_invite(self)
    }
}
