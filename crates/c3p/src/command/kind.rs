//! The commands: what may be asked for.

use serde::{Deserialize, Serialize};

use super::{CommandResult, ConferenceList};
use crate::AnyElement;
use crate::info::{
    ConferenceInfo, Endpoint, Filter, JoiningMethod, Media, MediaFilters, MediaStatus, Role, User,
};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Creates a conference with these settings (at the Factory). `entity` is empty.
    AddConference(Box<ConferenceInfo>),
    /// Adds a user: a join, a dial-in, a dial-out, or an entry of the allow list.
    AddUser(AddUser),
    /// Removes a user, with all endpoints, or (with `mcu_uri`) from one MCU.
    DeleteUser {
        /// The conference.
        conference: String,
        /// The user.
        user: String,
    },
    /// Locks or unlocks the conference.
    ModifyConferenceLock {
        /// The conference.
        conference: String,
        /// Locked or not.
        locked: bool,
    },
    /// Gives a user a role.
    ModifyUserRoles {
        /// The conference.
        conference: String,
        /// The user.
        user: String,
        /// The role.
        role: Role,
    },
    /// Lets people in from the lobby or turns them away.
    SetLobbyAccess {
        /// The conference.
        conference: String,
        /// Those who wait.
        users: Vec<String>,
        /// In or away.
        access: Access,
    },
    /// Ends a conference (at the Focus), or deletes its record (at the Factory).
    DeleteConference {
        /// Which one.
        key: ConferenceKey,
    },
    /// Asks for the whole roster document (at the Focus), or the record (at the Factory).
    GetConference {
        /// Which one.
        key: ConferenceKey,
    },
    /// Focus to MCU: take up this conference.
    ActivateConference {
        /// The conference.
        conference: String,
        /// Its record, lock and users so far.
        info: Box<ConferenceInfo>,
    },
    /// Focus to MCU: end the calls of this conference and forget it.
    DeactivateConference {
        /// The conference.
        conference: String,
    },
    /// Focus to MCU: a new owner asks for all that the MCU has of this conference.
    Resync {
        /// The conference.
        conference: String,
    },
    /// Changes a conference: its record (at the Factory, replaced as a whole under its version), the running conference
    /// (at the Focus), or with `mcu_uri` an MCU's own view; the latter two hold what changes only.
    ModifyConference(Box<ConferenceInfo>),
    /// Asks for the organizer's conferences (at the Factory).
    GetConferences,
    /// Asks what the Factory can do.
    GetConferencingCapabilities,
    /// Asks which types of MCU the Factory has.
    GetAvailableMcuTypes,
    /// Asks for a key under which old secrets are encrypted (at the Factory).
    GetEncryptionKey,
    /// Somebody trusted vouches for a user.
    EndorseUser {
        /// The conference.
        conference: String,
        /// The user.
        user: String,
    },
    /// Mutes or unmutes one stream of an endpoint (at the A/V MCU).
    ModifyEndpointMedia {
        /// Which stream.
        keys: MediaKeys,
        /// What it is to be.
        media: Media,
    },
    /// Changes properties of one's own endpoint: each of its extensions replaces those of the same name.
    ModifyEndpoint {
        /// Which endpoint.
        keys: EndpointKeys,
        /// What changes.
        endpoint: Box<Endpoint>,
    },
    /// Mutes or unmutes everybody by rule (at the A/V MCU): "mute all".
    ModifyUsersMediaFilters {
        /// The conference.
        conference: String,
        /// The rules per role.
        filters: MediaFilters,
        /// Those whom the rules do not touch: the caller, as a rule.
        except: Vec<String>,
    },
    /// Has joins and leaves announced, or not (at the A/V MCU).
    ModifyConferenceAnnouncements {
        /// The conference.
        conference: String,
        /// Announced or not.
        enabled: bool,
    },
    /// A command that is not known here, as it came (without `mcuUri`); to be answered with 501 and diagnostics 3004.
    Unknown(Box<AnyElement>),
}

tokens! {
    /// What to do with those who wait in the lobby.
    pub enum Access {
        /// Let them in.
        Granted = "granted",
        /// Turn them away.
        Denied = "denied",
    }
}

/// How a command names its conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConferenceKey {
    /// By its address: to the Focus (`confEntity`).
    Entity(String),
    /// By its id: to the organizer's Factory (`conference-id`).
    Id(String),
}

/// One endpoint in a conference: `endpointKeys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointKeys {
    /// The conference.
    pub conference: String,
    /// The user.
    pub user: String,
    /// The entity of the endpoint.
    pub endpoint: String,
}

/// One stream of an endpoint: `mediaKeys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaKeys {
    /// The conference.
    pub conference: String,
    /// The user.
    pub user: String,
    /// The entity of the endpoint in that MCU, as in the roster; not that of the focus endpoint.
    pub endpoint: String,
    /// The id of the stream within it, as in the roster.
    pub media: String,
}

/// `addUser`, in the request and in the response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddUser {
    /// The conference.
    pub conference: String,
    /// The one user: with the role that is asked for (request) or granted (response), and at most one endpoint.
    pub user: User,
}

impl Command {
    /// The local name of its element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::AddConference(_) => "addConference",
            Self::AddUser(_) => "addUser",
            Self::DeleteUser { .. } => "deleteUser",
            Self::ModifyConferenceLock { .. } => "modifyConferenceLock",
            Self::ModifyUserRoles { .. } => "modifyUserRoles",
            Self::SetLobbyAccess { .. } => "setLobbyAccess",
            Self::DeleteConference { .. } => "deleteConference",
            Self::GetConference { .. } => "getConference",
            Self::ActivateConference { .. } => "activateConference",
            Self::DeactivateConference { .. } => "deactivateConference",
            Self::Resync { .. } => "resync",
            Self::ModifyConference(_) => "modifyConference",
            Self::GetConferences => "getConferences",
            Self::GetConferencingCapabilities => "getConferencingCapabilities",
            Self::GetAvailableMcuTypes => "getAvailableMcuTypes",
            Self::GetEncryptionKey => "getEncryptionKey",
            Self::EndorseUser { .. } => "endorseUser",
            Self::ModifyEndpointMedia { .. } => "modifyEndpointMedia",
            Self::ModifyEndpoint { .. } => "modifyEndpoint",
            Self::ModifyUsersMediaFilters { .. } => "modifyUsersMediaFilters",
            Self::ModifyConferenceAnnouncements { .. } => "modifyConferenceAnnouncements",
            Self::Unknown(element) => &element.name,
        }
    }

    /// The address of the conference that it names, if it names one by address.
    #[must_use]
    pub fn conference(&self) -> Option<&str> {
        match self {
            Self::AddUser(AddUser { conference, .. })
            | Self::DeleteUser { conference, .. }
            | Self::ModifyConferenceLock { conference, .. }
            | Self::ModifyUserRoles { conference, .. }
            | Self::SetLobbyAccess { conference, .. }
            | Self::ActivateConference { conference, .. }
            | Self::DeactivateConference { conference }
            | Self::Resync { conference }
            | Self::EndorseUser { conference, .. }
            | Self::ModifyEndpointMedia { keys: MediaKeys { conference, .. }, .. }
            | Self::ModifyEndpoint { keys: EndpointKeys { conference, .. }, .. }
            | Self::ModifyUsersMediaFilters { conference, .. }
            | Self::ModifyConferenceAnnouncements { conference, .. }
            | Self::DeleteConference { key: ConferenceKey::Entity(conference) }
            | Self::GetConference { key: ConferenceKey::Entity(conference) } => Some(conference),
            Self::ModifyConference(info) => Some(info.entity.as_str()).filter(|entity| !entity.is_empty()),
            Self::AddConference(_)
            | Self::DeleteConference { key: ConferenceKey::Id(_) }
            | Self::GetConference { key: ConferenceKey::Id(_) }
            | Self::GetConferences
            | Self::GetConferencingCapabilities
            | Self::GetAvailableMcuTypes
            | Self::GetEncryptionKey
            | Self::Unknown(_) => None,
        }
    }

    /// Whether it belongs to the interior, between a Focus and an MCU; a client may not send it.
    #[must_use]
    pub fn is_interior(&self) -> bool {
        matches!(
            self,
            Self::ActivateConference { .. } | Self::DeactivateConference { .. } | Self::Resync { .. }
        )
    }

    /// Whether an MCU does it, or the Focus and every MCU; others may not name one.
    #[must_use]
    pub fn may_go_to_mcu(&self) -> bool {
        match self {
            Self::AddUser(_)
            | Self::DeleteUser { .. }
            | Self::ModifyConferenceLock { .. }
            | Self::ModifyConference(_)
            | Self::ModifyEndpointMedia { .. }
            | Self::ModifyUsersMediaFilters { .. }
            | Self::ModifyConferenceAnnouncements { .. }
            | Self::ModifyUserRoles { .. }
            | Self::ActivateConference { .. }
            | Self::DeactivateConference { .. }
            | Self::Resync { .. }
            | Self::Unknown(_) => true,
            Self::AddConference(_)
            | Self::SetLobbyAccess { .. }
            | Self::DeleteConference { .. }
            | Self::GetConference { .. }
            | Self::GetConferences
            | Self::GetConferencingCapabilities
            | Self::GetAvailableMcuTypes
            | Self::GetEncryptionKey
            | Self::EndorseUser { .. }
            | Self::ModifyEndpoint { .. } => false,
        }
    }

    /// The users it is about, as they are named in it.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let (one, many): (Option<&str>, &[String]) = match self {
            Self::AddUser(add) => (Some(&add.user.entity), &[]),
            Self::DeleteUser { user, .. }
            | Self::ModifyUserRoles { user, .. }
            | Self::EndorseUser { user, .. }
            | Self::ModifyEndpointMedia { keys: MediaKeys { user, .. }, .. }
            | Self::ModifyEndpoint { keys: EndpointKeys { user, .. }, .. } => (Some(user), &[]),
            Self::SetLobbyAccess { users, .. } => (None, users),
            Self::ModifyUsersMediaFilters { except, .. } => (None, except),
            Self::AddConference(_)
            | Self::ModifyConferenceLock { .. }
            | Self::DeleteConference { .. }
            | Self::GetConference { .. }
            | Self::ActivateConference { .. }
            | Self::DeactivateConference { .. }
            | Self::Resync { .. }
            | Self::ModifyConference(_)
            | Self::GetConferences
            | Self::GetConferencingCapabilities
            | Self::GetAvailableMcuTypes
            | Self::GetEncryptionKey
            | Self::ModifyConferenceAnnouncements { .. }
            | Self::Unknown(_) => (None, &[]),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }

    /// A command that is not known here, with nothing in it.
    #[must_use]
    pub fn unknown(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Unknown(Box::new(AnyElement::new(namespace, name)))
    }

    /// Mutes a stream (of what comes from the endpoint), or unmutes it.
    #[must_use]
    pub fn mute(keys: MediaKeys, kind: impl Into<String>, muted: bool) -> Self {
        let (status, filter) = if muted {
            (MediaStatus::RecvOnly, Filter::Block)
        } else {
            (MediaStatus::SendRecv, Filter::Unblock)
        };
        let media = Media {
            status: Some(status),
            ingress_filter: Some(filter),
            ..Media::new(keys.media.as_str(), kind)
        };
        Self::ModifyEndpointMedia { keys, media }
    }

    /// The result of this command with nothing in it, as for a failure.
    #[must_use]
    pub fn empty_result(&self) -> CommandResult {
        match self {
            Self::AddConference(_) => CommandResult::AddConference(None),
            Self::AddUser(_) => CommandResult::AddUser(None),
            Self::DeleteUser { .. } => CommandResult::DeleteUser,
            Self::ModifyConferenceLock { .. } => CommandResult::ModifyConferenceLock,
            Self::ModifyUserRoles { .. } => CommandResult::ModifyUserRoles,
            Self::SetLobbyAccess { .. } => CommandResult::SetLobbyAccess(Vec::new()),
            Self::DeleteConference { .. } => CommandResult::DeleteConference { entity: None },
            Self::GetConference { .. } => CommandResult::GetConference(None),
            Self::ActivateConference { .. } => CommandResult::ActivateConference(None),
            Self::DeactivateConference { .. } => CommandResult::DeactivateConference,
            Self::Resync { .. } => CommandResult::Resync(None),
            Self::ModifyConference(_) => CommandResult::ModifyConference(None),
            Self::GetConferences => CommandResult::GetConferences(ConferenceList::default()),
            Self::GetConferencingCapabilities => CommandResult::GetConferencingCapabilities(None),
            Self::GetAvailableMcuTypes => CommandResult::GetAvailableMcuTypes(Vec::new()),
            Self::GetEncryptionKey => CommandResult::GetEncryptionKey,
            Self::EndorseUser { .. } => CommandResult::EndorseUser(None),
            Self::ModifyEndpointMedia { .. } => CommandResult::ModifyEndpointMedia,
            Self::ModifyEndpoint { .. } => CommandResult::ModifyEndpoint,
            Self::ModifyUsersMediaFilters { .. } => CommandResult::ModifyUsersMediaFilters,
            Self::ModifyConferenceAnnouncements { .. } => CommandResult::ModifyConferenceAnnouncements,
            Self::Unknown(element) => {
                let bare = AnyElement::new(element.namespace.as_str(), element.name.as_str());
                CommandResult::Unknown(Box::new(bare))
            }
        }
    }
}

impl AddUser {
    /// A join: this user, through this endpoint, asking for this role. The client can wait in the lobby.
    #[must_use]
    pub fn join(
        conference: impl Into<String>,
        user: impl Into<String>,
        endpoint: impl Into<String>,
        role: Role,
    ) -> Self {
        let endpoint = Endpoint { lobby_capable: Some(true), ..Endpoint::unbound(endpoint) };
        Self { conference: conference.into(), user: User::new(user).with_role(role).with_endpoint(endpoint) }
    }

    /// A dial-in to the MCU that the request names: this user will call through this endpoint.
    #[must_use]
    pub fn dial_in(
        conference: impl Into<String>,
        user: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        let endpoint = Endpoint::unbound(endpoint).with_joining_method(JoiningMethod::DialedIn);
        Self { conference: conference.into(), user: User::new(user).with_endpoint(endpoint) }
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_display_text(mut self, text: impl Into<String>) -> Self {
        self.user.display_text = Some(text.into());
        self
    }

    /// The endpoint, if there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.user.endpoints.first()
    }

    /// Whether the client can wait in the lobby; silence means no.
    #[must_use]
    pub fn lobby_capable(&self) -> bool {
        self.endpoint().and_then(|endpoint| endpoint.lobby_capable).unwrap_or(false)
    }
}
