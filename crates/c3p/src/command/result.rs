//! The results: what a command brought.

use serde::{Deserialize, Serialize};

use super::AddUser;
use crate::info::{AccessNumbers, ConferenceInfo, SessionType};
use crate::{AnyElement, Reason};

/// What a command brought; the content is that of a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandResult {
    /// The record, with its `entity` filled in.
    AddConference(Option<Box<ConferenceInfo>>),
    /// The user with the granted role; an endpoint with `on-hold` hints at the lobby.
    AddUser(Option<AddUser>),
    /// Nothing.
    DeleteUser,
    /// Nothing.
    ModifyConferenceLock,
    /// Nothing.
    ModifyUserRoles,
    /// How it went for each user. The code is a failure only if it failed for all.
    SetLobbyAccess(Vec<LobbyResult>),
    /// The address of the conference, from a Focus.
    DeleteConference {
        /// The conference.
        entity: Option<String>,
    },
    /// The document or the record.
    GetConference(Option<Box<ConferenceInfo>>),
    /// What the MCU has: its view (with its instance) and endpoints.
    ActivateConference(Option<Box<ConferenceInfo>>),
    /// Nothing.
    DeactivateConference,
    /// What the MCU has: its view (with its instance) and endpoints.
    Resync(Option<Box<ConferenceInfo>>),
    /// The record with its new version, from the Factory; nothing from an MCU.
    ModifyConference(Option<Box<ConferenceInfo>>),
    /// The organizer's conferences.
    GetConferences(ConferenceList),
    /// What the Factory can do.
    GetConferencingCapabilities(Option<ConferencingCapabilities>),
    /// The types of MCU that there are, as words (`phone-conf` may be among them).
    GetAvailableMcuTypes(Vec<SessionType>),
    /// The key, in the extensions of the response: its form is not known here.
    GetEncryptionKey,
    /// Whether the user counts as endorsed.
    EndorseUser(Option<Endorsement>),
    /// Nothing: what changed comes in the roster, from the MCU.
    ModifyEndpointMedia,
    /// Nothing.
    ModifyEndpoint,
    /// Nothing: the rules in force come in the view of the MCU.
    ModifyUsersMediaFilters,
    /// Nothing.
    ModifyConferenceAnnouncements,
    /// The answer to a command that is not known here, as it came (without `reason`).
    Unknown(Box<AnyElement>),
}

/// How `setLobbyAccess` went for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LobbyResult {
    /// The user.
    pub user: String,
    /// Why it failed for him; `None` is success.
    pub failure: Option<Reason>,
}

/// The answer to `getConferences`: for each its address, and a description without the secrets; no users, no views.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConferenceList {
    /// The conferences, by expiry time.
    pub conferences: Vec<ConferenceInfo>,
    /// Whether there are more than these.
    pub truncated: bool,
}

impl ConferenceList {
    /// The most conferences in one answer.
    pub const MAX: usize = 200;

    /// A list of these, sorted by expiry time and cut off at [`MAX`](Self::MAX); users and views are dropped.
    #[must_use]
    pub fn new(mut conferences: Vec<ConferenceInfo>) -> Self {
        let expiry = |info: &ConferenceInfo| {
            info.description.as_ref().and_then(|description| description.expiry_time.clone())
        };
        conferences.sort_by_cached_key(expiry);
        let truncated = conferences.len() > Self::MAX;
        conferences.truncate(Self::MAX);
        for info in &mut conferences {
            (info.users, info.views) = (None, None);
            if let Some(description) = &mut info.description {
                description.conference_key = None;
                description.organizer_roaming_data = None;
            }
        }
        Self { conferences, truncated }
    }
}

/// The answer to `getConferencingCapabilities`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConferencingCapabilities {
    /// The version of the capabilities; 0 is the base.
    pub version: u32,
    /// The types of MCU, as words. Clients schedule only these.
    pub mcu_types: Vec<SessionType>,
    /// Whether conferences may be open to anonymous people.
    pub anonymous_scheduling: bool,
    /// The phone numbers, if one can dial in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_numbers: Option<AccessNumbers>,
}

/// The answer to `endorseUser`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endorsement {
    /// The conference.
    pub conference: String,
    /// Why the user is not endorsed; `None` is success.
    pub failure: Option<Reason>,
}

impl CommandResult {
    /// The local name of the command's element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::AddConference(_) => "addConference",
            Self::AddUser(_) => "addUser",
            Self::DeleteUser => "deleteUser",
            Self::ModifyConferenceLock => "modifyConferenceLock",
            Self::ModifyUserRoles => "modifyUserRoles",
            Self::SetLobbyAccess(_) => "setLobbyAccess",
            Self::DeleteConference { .. } => "deleteConference",
            Self::GetConference(_) => "getConference",
            Self::ActivateConference(_) => "activateConference",
            Self::DeactivateConference => "deactivateConference",
            Self::Resync(_) => "resync",
            Self::ModifyConference(_) => "modifyConference",
            Self::GetConferences(_) => "getConferences",
            Self::GetConferencingCapabilities(_) => "getConferencingCapabilities",
            Self::GetAvailableMcuTypes(_) => "getAvailableMcuTypes",
            Self::GetEncryptionKey => "getEncryptionKey",
            Self::EndorseUser(_) => "endorseUser",
            Self::ModifyEndpointMedia => "modifyEndpointMedia",
            Self::ModifyEndpoint => "modifyEndpoint",
            Self::ModifyUsersMediaFilters => "modifyUsersMediaFilters",
            Self::ModifyConferenceAnnouncements => "modifyConferenceAnnouncements",
            Self::Unknown(element) => &element.name,
        }
    }
}
