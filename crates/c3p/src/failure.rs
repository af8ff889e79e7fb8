//! How a refusal travels: diagnostics ids, SIP status codes and reasons side by side.

use crate::command::{Code, RequestFault, Response};
use crate::diagnostics::{self, Diagnostics, ids};
use crate::{DocumentError, Reason};

/// One row of the table of C3P errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The id in `ms-diagnostics`.
    pub id: u32,
    /// The SIP status beside it.
    pub status: u16,
    /// What it means, as the text of the `reason` parameter.
    pub meaning: &'static str,
    /// Whether it goes into `ms-diagnostics-public`.
    pub public: bool,
}

const fn row(id: u32, status: u16, meaning: &'static str) -> Row {
    Row { id, status, meaning, public: id == ids::C3P_NOT_IMPLEMENTED }
}

/// The C3P errors: id, SIP status, meaning, by rising id.
pub const TABLE: &[Row] = &[
    row(ids::C3P_FROM, 400, "The from of the C3P request is wrong"),
    row(ids::C3P_TO, 400, "The to of the C3P request is wrong"),
    row(ids::C3P_TARGET_USER, 404, "The target user is not valid"),
    row(ids::C3P_CONFERENCE_ENTITY, 400, "The conference entity of the request is not valid"),
    row(ids::C3P_NOT_IMPLEMENTED, 501, "The command is not implemented"),
    row(ids::C3P_NOT_TO_MCU, 400, "The request may not be sent to an MCU"),
    row(ids::C3P_NOT_PARSABLE, 400, "The C3P document cannot be parsed"),
    row(ids::C3P_ADD_USER, 400, "The body of addUser is not valid"),
    row(ids::C3P_ACCESS_METHOD, 403, "The access or authentication method is not acceptable"),
    row(ids::C3P_ENDPOINT_ENTITY, 400, "The endpoint entity is malformed"),
    row(ids::C3P_SESSION_TIMER, 421, "The session timer extension is required"),
    row(ids::C3P_MCU_CONTACT, 500, "The MCU gave no usable contact"),
    row(ids::C3P_CONFERENCE_URI, 404, "The conference URI is not valid"),
    row(ids::C3P_MCU_URI, 404, "The MCU URI is not valid"),
    row(ids::C3P_AUTHORIZATION, 403, "The authorization failed"),
    row(ids::C3P_DIAL_OUT, 403, "Attendees may not dial out"),
    row(ids::C3P_ROLE, 400, "The role is not valid"),
    row(ids::C3P_DIAL_OUT_PRESENTER, 403, "Attendees may not dial out to unknown presenters"),
    row(ids::C3P_JOINING_METHOD, 400, "Exactly one joining method is required"),
    row(ids::C3P_ANONYMOUS_TARGET, 403, "An anonymous user may address a conference only"),
    row(ids::C3P_ANONYMOUS_TARGET + 1, 403, "An anonymous user may address a conference only"),
    row(ids::C3P_ANONYMOUS_TARGET + 2, 403, "An anonymous user may address a conference only"),
    row(ids::C3P_ANONYMOUS_TARGET + 3, 403, "An anonymous user may address a conference only"),
];

/// The row of a diagnostics id.
#[must_use]
pub fn by_id(id: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id == id)
}

/// The rows that travel with a SIP status.
pub fn by_status(status: u16) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(move |row| row.status == status)
}

/// The SIP status of a diagnostics id.
///
/// # Examples
///
/// ```
/// use c3p::{diagnostics::ids, failure};
///
/// assert_eq!(failure::status_of(ids::C3P_NOT_IMPLEMENTED), Some(501));
/// assert_eq!(failure::status_of(17), None);
/// ```
#[must_use]
pub fn status_of(id: u32) -> Option<u16> {
    by_id(id).map(|row| row.status)
}

/// The SIP status with which a Focus refuses an INVITE for a reason, and the diagnostics id where one fits.
#[must_use]
pub fn for_reason(reason: &Reason) -> (u16, Option<u32>) {
    match reason {
        Reason::ConferenceDoesntExist => (404, Some(ids::C3P_CONFERENCE_URI)),
        Reason::UserDoesntExist | Reason::UserUnknown | Reason::InvalidUserEntity => {
            (404, Some(ids::C3P_TARGET_USER))
        }
        Reason::Forbidden
        | Reason::Unauthorized
        | Reason::AnonymousUsersNotAllowed
        | Reason::FederatedUsersNotAllowed
        | Reason::InvalidPasscode
        | Reason::UserDenied
        | Reason::UserRemoved => (403, Some(ids::C3P_AUTHORIZATION)),
        Reason::InvalidRole => (400, Some(ids::C3P_ROLE)),
        Reason::RequestMalformed => (400, Some(ids::C3P_NOT_PARSABLE)),
        Reason::NotSupported => (501, Some(ids::C3P_NOT_IMPLEMENTED)),
        Reason::McuFailingOver => (503, Some(ids::MCU_FAILING_OVER)),
        Reason::ServerBusy | Reason::MaxMeetingSizeExceeded => (503, None),
        Reason::RequestTooLarge => (413, None),
        Reason::Timeout => (408, None),
        Reason::UserBusy => (486, None),
        Reason::UserDeclined => (603, None),
        Reason::UserNotAnswered => (480, None),
        Reason::RequestCancelled => (487, None),
        Reason::UserExists => (403, None),
        Reason::ConferenceExists
        | Reason::InvalidConferenceId
        | Reason::EndpointDoesntExist
        | Reason::MediaDoesntExist
        | Reason::MediaExists
        | Reason::MediaNotSupported
        | Reason::InvalidAdmissionPolicy
        | Reason::InvalidAutopromoteValue
        | Reason::InvalidExpiryTime
        | Reason::InvalidVersion
        | Reason::InvalidStaticMeetingRequest
        | Reason::StaticFlagDoesntMatch
        | Reason::PstnLobbyBypassNotAllowed
        | Reason::InvalidEncryptionKeyUsed
        | Reason::StaleEncryptionKey
        | Reason::MaxConferencesExceeded
        | Reason::MaxStaticMeetingsExceeded
        | Reason::EntitySettingsTooLarge
        | Reason::NotificationDataTooLarge
        | Reason::OrganizerRoamingDataTooLarge
        | Reason::McuTypeNotAvailable
        | Reason::UnknownMcuType
        | Reason::OtherFailure
        | Reason::Other(_) => (500, None),
    }
}

/// A refusal as it travels: the status of the SIP response, and the header that says why.
///
/// # Examples
///
/// ```
/// use c3p::command::Request;
/// use c3p::failure::Refusal;
///
/// let error = Request::parse(b"<request", &c3p::Limits::default()).expect_err("cut off");
/// let refusal = Refusal::from(error).with_source("fe1.example.com");
/// assert_eq!(refusal.status, 400);
/// assert_eq!(
///     refusal.header(),
///     ("ms-diagnostics", r#"3006;reason="The C3P document cannot be parsed";source="fe1.example.com""#.to_owned()),
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SIP status.
    pub status: u16,
    /// What goes into the header; its reason is what known clients show to people.
    pub diagnostics: Diagnostics,
    /// Whether the header may cross to other organisations.
    pub is_public: bool,
    /// Whether the response document goes into the body: not with 400, where there is none.
    pub carries_response: bool,
}

impl Refusal {
    /// The refusal of a diagnostics id. One that is not in the table is an error of the server.
    #[must_use]
    pub fn of_id(id: u32) -> Self {
        match by_id(id) {
            Some(row) => Self::new(row.status, Diagnostics::new(id).with_reason(row.meaning), row.public),
            None => Self::new(500, Diagnostics::new(id), false),
        }
    }

    /// The refusal of an INVITE for a reason. One without diagnostics of its own gets the general id, with the word as
    /// its text; the word itself is the parameter `c3p`.
    #[must_use]
    pub fn of_reason(reason: &Reason) -> Self {
        let (status, id) = for_reason(reason);
        let row = id.and_then(by_id);
        let diagnostics = Diagnostics::new(id.unwrap_or(ids::INTERNAL_ERROR));
        let diagnostics = match row {
            Some(row) => diagnostics.with_reason(row.meaning),
            None => diagnostics.with_reason(reason.as_str()),
        };
        Self::new(status, diagnostics.with_param("c3p", reason.as_str()), row.is_some_and(|row| row.public))
    }

    /// The refusal of an INVITE whose command failed; `None` if it did not.
    #[must_use]
    pub fn of_response(response: &Response) -> Option<Self> {
        match response.code {
            Code::Success | Code::Pending => None,
            Code::Failure => Some(Self::of_reason(response.reason.as_ref().unwrap_or(&Reason::OtherFailure))),
        }
    }

    fn new(status: u16, diagnostics: Diagnostics, is_public: bool) -> Self {
        Self { status, diagnostics, is_public, carries_response: status != 400 }
    }

    /// Sets who refuses.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.diagnostics.source = Some(source.into());
        self
    }

    /// The name and the value of the header.
    #[must_use]
    pub fn header(&self) -> (&'static str, String) {
        let name = if self.is_public { diagnostics::HEADER_PUBLIC } else { diagnostics::HEADER };
        (name, self.diagnostics.to_string())
    }
}

impl From<DocumentError> for Refusal {
    fn from(error: DocumentError) -> Self {
        Self::of_id(error.diagnostics_id())
    }
}

impl From<RequestFault> for Refusal {
    fn from(fault: RequestFault) -> Self {
        Self::of_id(fault.diagnostics_id())
    }
}
