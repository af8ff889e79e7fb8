//! The roster document: conference-info (RFC 4575) with the extensions of the protocol.
//!
//! A document is `full`, `partial` or `deleted`, and so are the parts of it that have a [`State`]. Applying it to a
//! roster is not done here. A part that is `None` (or an empty list) was not in the document; in a partial one that
//! means "as before".
//!
//! Not here: versions are carried, not judged (crate `conference`).

mod parts;
mod query;
mod read;
mod words;
mod write;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use parts::{
    AccessNumbers, CallInfo, Execution, Extension, HostInfo, MediaFilters, NamedValue, NamedValues, Region,
    RoleFilter,
};
pub(crate) use read::{
    Keeper, read_access_numbers, read_all_but_users, read_conference_info, read_endpoint, read_media,
    read_media_filters, read_roles, read_state, read_user,
};
pub use words::{
    AccessMethod, AdmissionPolicy, AuthMethod, DisconnectionMethod, EndpointStatus, Filter, JoiningMethod,
    McuStatus, MediaStatus, Role, SessionType, State,
};
pub(crate) use write::{
    Form, NumberNames, write_access_numbers, write_conference_info, write_endpoint_alone, write_frame,
    write_media_alone, write_media_filters, write_user,
};

use crate::{DocumentError, Limits};

/// A conference-info document.
///
/// # Examples
///
/// ```
/// use c3p::info::{ConferenceInfo, Endpoint, EndpointStatus, Role, SessionType, User, Users};
///
/// let bob = User::new("sip:bob@example.com").with_role(Role::Attendee).with_endpoint(
///     Endpoint::new("{6B1F0D6C-52F1-4C58-9E43-0D4C7F0A5E11}", SessionType::Focus)
///         .with_status(EndpointStatus::Connected),
/// );
/// let mut document = ConferenceInfo::new("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9");
/// document.version = Some(12);
/// document.users = Some(Users::full(vec![bob]));
///
/// let read = ConferenceInfo::parse(&document.write(), &c3p::Limits::default())?;
/// assert_eq!(read, document);
/// # Ok::<(), c3p::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConferenceInfo {
    /// The address of the conference, byte for byte as clients use it; empty in `addConference`.
    pub entity: String,
    /// How to apply the document.
    pub state: State,
    /// The number of the document.
    pub version: Option<u32>,
    /// Whether it is the always-present meeting (attribute `static`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_static: Option<bool>,
    /// What the conference is; replaced as a whole.
    pub description: Option<Description>,
    /// Who is its host; replaced as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_info: Option<HostInfo>,
    /// How the conference is; replaced as a whole.
    pub conference_state: Option<ConferenceState>,
    /// Who is in it.
    pub users: Option<Users>,
    /// The Focus's and the MCUs' own parts (`conference-view`).
    pub views: Option<Views>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// What a conference is: `conference-description`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    /// A description for people.
    pub display_text: Option<String>,
    /// The title.
    pub subject: Option<String>,
    /// More about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_text: Option<String>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The addresses of the MCUs, one per type.
    pub conf_uris: Vec<ConfUri>,
    /// Other addresses: web pages, recordings, ...
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_uris: Vec<ConfUri>,
    /// The most users.
    pub maximum_user_count: Option<u32>,
    /// The media that it can have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub available_media: Vec<MediaEntry>,
    /// The conference id.
    pub conference_id: Option<String>,
    /// The passcode of old clients.
    pub conference_key: Option<String>,
    /// When the record was last changed, as an XML dateTime.
    pub last_update: Option<String>,
    /// When the conference was last activated, as an XML dateTime.
    pub last_activate: Option<String>,
    /// Whether it is running.
    pub is_active: Option<bool>,
    /// When the record expires, as an XML dateTime.
    pub expiry_time: Option<String>,
    /// Who may come in.
    pub admission_policy: Option<AdmissionPolicy>,
    /// Opaque, for the organizer only.
    pub organizer_roaming_data: Option<String>,
    /// Opaque, for all participants.
    pub notification_data: Option<String>,
    /// The version of the record, which is not that of the document.
    pub record_version: Option<u32>,
    /// How to dial in by phone.
    pub pstn_access: Option<PstnAccess>,
    /// Who becomes presenter: a bit mask, unknown bits kept.
    pub autopromote: Option<u32>,
    /// Whether phones pass the lobby.
    pub pstn_lobby_bypass: Option<bool>,
    /// Whose conference it is.
    pub organizer: Option<Organizer>,
    /// The web address for joining.
    pub join_url: Option<String>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// One address with what it is for: an entry of `conf-uris`, `service-uris`, `uris` or `associated-aors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfUri {
    /// The address.
    pub uri: String,
    /// A name for people.
    pub display_text: Option<String>,
    /// What it is for: the word of an MCU type.
    pub purpose: Option<String>,
    /// When and why it was changed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Execution>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// How to dial in by phone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PstnAccess {
    /// The number that identifies the conference to a caller.
    pub id: Option<String>,
    /// The numbers to call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_numbers: Option<AccessNumbers>,
    /// The region of the organizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// Whose conference it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Organizer {
    /// A name for people.
    pub display_name: Option<String>,
    /// The SIP address.
    pub uri: Option<String>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// How a conference is: `conference-state`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConferenceState {
    /// How many are inside, the lobby not counted.
    pub user_count: Option<u32>,
    /// Whether it is running.
    pub active: Option<bool>,
    /// Whether it is locked.
    pub locked: Option<bool>,
    /// Seconds until it ends by itself; absent when that is not under way.
    pub termination_countdown: Option<u32>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// The collection of users, with how to apply it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Users {
    /// `full`: these are all. `partial`: merge by entity. `deleted`: nobody is left.
    pub state: State,
    /// The users, in the order of the document.
    pub users: Vec<User>,
}

/// One person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// The SIP or tel address.
    pub entity: String,
    /// How to apply the entry. What the Focus of this project writes is `full` or `deleted`, never `partial`.
    pub state: State,
    /// A name for people.
    pub display_text: Option<String>,
    /// Other addresses of the person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub associated_aors: Vec<ConfUri>,
    /// The roles; one in practice.
    pub roles: Vec<Role>,
    /// The languages of the person, as language tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The address of the conference that this "user" stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cascaded_focus: Option<String>,
    /// One endpoint per device and modality.
    pub endpoints: Vec<Endpoint>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// One device of a person in one modality.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// A GUID in braces, or an MCU's id of it.
    pub entity: String,
    /// How to apply the entry.
    pub state: State,
    /// The modality; part of the key together with `entity`.
    pub session_type: Option<SessionType>,
    /// The GRUU of the device.
    pub endpoint_uri: Option<String>,
    /// The epid of the device.
    pub epid: Option<String>,
    /// Where a dial-out is to go instead.
    pub refer_to_uri: Option<String>,
    /// A name for people.
    pub display_text: Option<String>,
    /// When, why and by whom it was invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred: Option<Execution>,
    /// Whether it is connected, in the lobby, ...
    pub status: Option<EndpointStatus>,
    /// Who called whom.
    pub joining_method: Option<JoiningMethod>,
    /// When, why and by whom it joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joining_info: Option<Execution>,
    /// How it went.
    pub disconnection_method: Option<DisconnectionMethod>,
    /// When, why and by whom it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnection_info: Option<Execution>,
    /// The media streams.
    pub media: Vec<Media>,
    /// The SIP dialog of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_info: Option<CallInfo>,
    /// From inside or outside the organisation's network.
    pub access_method: Option<AccessMethod>,
    /// How its user was authenticated.
    pub auth_method: Option<AuthMethod>,
    /// Whether the client can wait in the lobby and let others in (`clientInfo/lobby-capable`).
    pub lobby_capable: Option<bool>,
    /// Where to call, in the answer to a dial-in: keys (without regard to case) and values.
    pub connection_info: Vec<(String, String)>,
    /// What else `clientInfo` holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_info: Vec<Extension>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// One media stream of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Media {
    /// The key within the endpoint.
    pub id: String,
    /// A name for people.
    pub display_text: Option<String>,
    /// `audio`, `video`, `applicationsharing`, `chat` (element `type`).
    pub kind: Option<String>,
    /// `main-audio`, `main-video`, `panoramic-video`, `applicationsharing`.
    pub label: Option<String>,
    /// The SSRC or the like.
    pub src_id: Option<String>,
    /// In which directions it flows.
    pub status: Option<MediaStatus>,
    /// Whether what comes from the endpoint is let in.
    pub ingress_filter: Option<Filter>,
    /// Whether the endpoint is given the mix.
    pub egress_filter: Option<Filter>,
    /// The state of the stream (`connected`, ...).
    pub media_state: Option<String>,
    /// The source id of the stream.
    pub media_source_id: Option<String>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// The collection of entity views, with how to apply it: `conference-view`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Views {
    /// `full`: these are all. `partial`: merge by entity. `deleted`: none is left.
    pub state: State,
    /// The views, in the order of the document.
    pub views: Vec<EntityView>,
}

/// The part of the Focus or of one MCU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntityView {
    /// The address of the conference or of the MCU; in `addConference` the word of the MCU type.
    pub entity: String,
    /// How to apply the entry.
    pub state: State,
    /// What it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<NamedValues>,
    /// The limits that the Focus imposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<NamedValues>,
    /// What the organizer asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<NamedValues>,
    /// Its state; replaced as a whole.
    pub entity_state: Option<EntityState>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// The state of the Focus or of one MCU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntityState {
    /// A name for people.
    pub display_text: Option<String>,
    /// Whether it is locked.
    pub locked: Option<bool>,
    /// The media it has; clients ignore the view of an MCU without them.
    pub media: Vec<MediaEntry>,
    /// How the MCU is; an addition of this project that others may not write.
    pub mcu: Option<McuState>,
    /// Whether joins and leaves are announced (audio).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcements: Option<bool>,
    /// Who is muted by rule (audio): the "mute all" in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_filters: Option<MediaFilters>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// One medium of an MCU, or one that a conference can have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaEntry {
    /// The label.
    pub label: Option<String>,
    /// `chat`, `audio`, ... (element `type`).
    pub kind: Option<String>,
    /// In which directions it flows.
    pub status: Option<MediaStatus>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_text: Option<String>,
    /// How the picture is chosen (video).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_mode: Option<String>,
    /// Whose picture is shown, if that was chosen (video).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_source: Option<String>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// How an MCU is: `rc:mcu-status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McuState {
    /// Its state.
    pub status: McuStatus,
    /// Which instance of it. Another one under `active` means that it failed over in between.
    pub instance: Option<String>,
}

impl ConferenceInfo {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, or a required attribute missing.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        read::parse(body, limits)
    }

    /// Writes the document, elements in the documented order.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::write(self)
    }
}
