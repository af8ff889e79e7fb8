//! How a refusal travels: diagnostics ids, SIP status codes and reasons side by side.

use crate::Reason;
use crate::diagnostics::ids;

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
