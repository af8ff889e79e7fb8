//! What readers of the roster get: one immutable picture, shared.

use std::sync::Arc;

use c3p::McuType;
use c3p::info::Role;

use crate::event::AttendanceChange;

/// Who is in the conference and what it is like, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RosterSnapshot {
    /// The version of the newest document in it.
    pub version: Option<u32>,
    /// One per Focus endpoint, and per MCU endpoint of users without any; sorted by user and endpoint entity.
    pub participants: Vec<Arc<Participant>>,
    /// One per endpoint in an MCU; sorted by user, endpoint entity and modality.
    pub modalities: Vec<Arc<McuParticipant>>,
    /// The properties of the conference, sorted by name.
    pub properties: Vec<(PropertyName, PropertyValue)>,
}

impl RosterSnapshot {
    /// The participants of this user; the entity as in the roster.
    pub fn of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Arc<Participant>> {
        self.participants.iter().filter(move |participant| participant.uri == user)
    }

    /// The value of a property.
    #[must_use]
    pub fn property(&self, name: PropertyName) -> Option<&PropertyValue> {
        self.properties.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Who is in this MCU: the attendance of one McuSession.
    pub fn in_mcu(&self, mcu: McuType) -> impl Iterator<Item = &Arc<McuParticipant>> {
        self.modalities.iter().filter(move |participant| participant.mcu == mcu)
    }

    /// Our own endpoint.
    #[must_use]
    pub fn own(&self) -> Option<&Arc<Participant>> {
        self.participants.iter().find(|participant| participant.is_self)
    }
}

/// One endpoint of one user in the conference, with the modalities that it takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// User entity.
    pub uri: String,
    /// Endpoint entity.
    pub endpoint: String,
    /// The name for people.
    pub display_name: Option<String>,
    /// The role.
    pub role: Option<Role>,
    /// The modalities, sorted, each once.
    pub mcus: Vec<McuType>,
    /// Whether it waits in the lobby.
    pub in_lobby: bool,
    /// Whether it is our own.
    pub is_self: bool,
}

/// One endpoint of one user in one MCU: the attendance of an McuSession.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct McuParticipant {
    /// The modality.
    pub mcu: McuType,
    /// User entity.
    pub uri: String,
    /// Endpoint entity, as the MCU names it.
    pub endpoint: String,
    /// The name for people.
    pub display_name: Option<String>,
    /// Whether a stream of it is blocked.
    pub muted: bool,
    /// Whether it belongs to our own device.
    pub is_self: bool,
}

/// One attendance event of an McuSession.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McuDifference {
    /// What happened.
    pub change: AttendanceChange,
    /// To whom; for `Left` as he was.
    pub participant: Arc<McuParticipant>,
}

/// One attendance event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What happened.
    pub change: AttendanceChange,
    /// To whom; for `Left` as he was.
    pub participant: Arc<Participant>,
}

/// A property of the conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PropertyName {
    /// Who may come in.
    AdmissionPolicy,
    /// The conference id.
    ConferenceId,
    /// The description for people.
    Description,
    /// When the record expires.
    ExpiryTime,
    /// The web address for joining.
    JoinUrl,
    /// Whether it is locked.
    Locked,
    /// The organizer's name.
    Organizer,
    /// The title.
    Subject,
    /// Seconds until the conference ends by itself, while that is counted down.
    TerminationCountdown,
}

impl PropertyName {
    /// The name in event lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdmissionPolicy => "admission-policy",
            Self::ConferenceId => "conference-id",
            Self::Description => "description",
            Self::ExpiryTime => "expiry-time",
            Self::JoinUrl => "join-url",
            Self::Locked => "locked",
            Self::Organizer => "organizer",
            Self::Subject => "subject",
            Self::TerminationCountdown => "termination-countdown",
        }
    }
}

impl std::fmt::Display for PropertyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
}

/// One property that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyChange {
    /// Which.
    pub name: PropertyName,
    /// Before; `None`: it was not known.
    pub old: Option<PropertyValue>,
    /// After; `None`: it is gone.
    pub new: Option<PropertyValue>,
}
