//! Questions to the parts of a roster document, and short ways to make them.

use super::{
    ConfUri, ConferenceInfo, Description, Endpoint, EndpointStatus, EntityState, EntityView, JoiningMethod,
    McuState, McuStatus, Media, MediaEntry, MediaStatus, Role, SessionType, State, User, Users, Views,
};
use crate::{McuType, uri};

impl ConferenceInfo {
    /// A full document about this conference with nothing in it.
    #[must_use]
    pub fn new(entity: impl Into<String>) -> Self {
        Self { entity: entity.into(), ..Self::default() }
    }

    /// A partial document about this conference with nothing in it.
    #[must_use]
    pub fn partial(entity: impl Into<String>) -> Self {
        Self { state: State::Partial, ..Self::new(entity) }
    }

    /// Whether it is a full one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state == State::Full
    }

    /// The users in the document.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().flat_map(|users| users.users.iter())
    }

    /// The entry of a user; addresses are compared as URIs.
    #[must_use]
    pub fn user(&self, entity: &str) -> Option<&User> {
        self.users().find(|user| uri::same(&user.entity, entity))
    }

    /// The views in the document.
    pub fn views(&self) -> impl Iterator<Item = &EntityView> {
        self.views.iter().flat_map(|views| views.views.iter())
    }

    /// The view of an MCU: by the address in it, or by its type as in `addConference`.
    #[must_use]
    pub fn mcu_view(&self, mcu: McuType) -> Option<&EntityView> {
        self.views().find(|view| view.mcu_type() == Some(mcu))
    }

    /// The MCU types that the views name, in the order of the document: in `addConference`, what is asked for.
    pub fn view_mcu_types(&self) -> impl Iterator<Item = McuType> {
        self.views().filter_map(EntityView::mcu_type)
    }

    /// The address of an MCU as published in `conf-uris`.
    #[must_use]
    pub fn mcu_uri(&self, mcu: McuType) -> Option<&str> {
        self.description.as_ref()?.mcu_uri(mcu)
    }

    /// Removes what is not known here, at every level: what is left is what this crate understands.
    pub fn clear_extensions(&mut self) {
        self.extensions.clear();
        if let Some(description) = &mut self.description {
            description.clear_extensions();
        }
        if let Some(host) = &mut self.host_info {
            host.extensions.clear();
            clear_uris(&mut host.uris);
        }
        if let Some(state) = &mut self.conference_state {
            state.extensions.clear();
        }
        self.users.iter_mut().flat_map(|users| users.users.iter_mut()).for_each(User::clear_extensions);
        self.views.iter_mut().flat_map(|views| views.views.iter_mut()).for_each(EntityView::clear_extensions);
    }
}

fn clear_uris(uris: &mut [ConfUri]) {
    uris.iter_mut().for_each(|entry| entry.extensions.clear());
}

impl Description {
    /// The address of an MCU as published in `conf-uris`.
    #[must_use]
    pub fn mcu_uri(&self, mcu: McuType) -> Option<&str> {
        self.conf_uris.iter().find(|entry| entry.mcu_type() == Some(mcu)).map(|entry| entry.uri.as_str())
    }
}

impl Description {
    fn clear_extensions(&mut self) {
        self.extensions.clear();
        clear_uris(&mut self.conf_uris);
        clear_uris(&mut self.service_uris);
        self.available_media.iter_mut().for_each(|entry| entry.extensions.clear());
        if let Some(access) = &mut self.pstn_access {
            access.extensions.clear();
        }
        if let Some(organizer) = &mut self.organizer {
            organizer.extensions.clear();
        }
    }
}

impl ConfUri {
    /// The entry of an MCU of this conference; `None` if this is not the address of a conference.
    #[must_use]
    pub fn of_mcu(conference: &str, mcu: McuType) -> Option<Self> {
        let word = mcu.as_str().to_owned();
        Some(Self {
            uri: uri::mcu_uri(conference, mcu)?,
            display_text: Some(word.clone()),
            purpose: Some(word),
            ..Self::default()
        })
    }

    /// The MCU type that `purpose` names.
    #[must_use]
    pub fn mcu_type(&self) -> Option<McuType> {
        McuType::from_token(self.purpose.as_deref()?)
    }
}

impl Users {
    /// All users.
    #[must_use]
    pub fn full(users: Vec<User>) -> Self {
        Self { state: State::Full, users }
    }

    /// Those who changed.
    #[must_use]
    pub fn partial(users: Vec<User>) -> Self {
        Self { state: State::Partial, users }
    }
}

impl User {
    /// A user with nothing but the address.
    #[must_use]
    pub fn new(entity: impl Into<String>) -> Self {
        Self { entity: entity.into(), ..Self::default() }
    }

    /// A user who is gone.
    #[must_use]
    pub fn deleted(entity: impl Into<String>) -> Self {
        Self { state: State::Deleted, ..Self::new(entity) }
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_display_text(mut self, text: impl Into<String>) -> Self {
        self.display_text = Some(text.into());
        self
    }

    /// Sets the one role.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.roles = vec![role];
        self
    }

    /// Appends an endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Removes what is not known here, also in the endpoints.
    pub fn clear_extensions(&mut self) {
        self.extensions.clear();
        clear_uris(&mut self.associated_aors);
        self.endpoints.iter_mut().for_each(Endpoint::clear_extensions);
    }

    /// The first role.
    #[must_use]
    pub fn role(&self) -> Option<&Role> {
        self.roles.first()
    }

    /// The focus endpoint with this entity.
    #[must_use]
    pub fn focus_endpoint(&self, entity: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.is_focus() && endpoint.entity.eq_ignore_ascii_case(entity))
    }

    /// Whether the person waits in the lobby: a focus endpoint on hold, and none connected.
    #[must_use]
    pub fn is_in_lobby(&self) -> bool {
        let has = |status| {
            self.endpoints.iter().any(|endpoint| endpoint.is_focus() && endpoint.status == Some(status))
        };
        has(EndpointStatus::OnHold) && !has(EndpointStatus::Connected)
    }
}

impl Endpoint {
    /// An endpoint of this modality.
    #[must_use]
    pub fn new(entity: impl Into<String>, session_type: SessionType) -> Self {
        Self { session_type: Some(session_type), ..Self::unbound(entity) }
    }

    /// An endpoint without a modality, as in `addUser`.
    #[must_use]
    pub fn unbound(entity: impl Into<String>) -> Self {
        Self { entity: entity.into(), ..Self::default() }
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: EndpointStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets who called whom.
    #[must_use]
    pub fn with_joining_method(mut self, method: JoiningMethod) -> Self {
        self.joining_method = Some(method);
        self
    }

    /// Appends a stream.
    #[must_use]
    pub fn with_media(mut self, media: Media) -> Self {
        self.media.push(media);
        self
    }

    /// Removes what is not known here, also in the media.
    pub fn clear_extensions(&mut self) {
        self.extensions.clear();
        self.client_info.clear();
        self.media.iter_mut().for_each(|media| media.extensions.clear());
    }

    /// Whether it is a focus endpoint.
    #[must_use]
    pub fn is_focus(&self) -> bool {
        self.session_type == Some(SessionType::Focus)
    }

    /// The MCU whose endpoint it is.
    #[must_use]
    pub fn mcu_type(&self) -> Option<McuType> {
        self.session_type.as_ref().and_then(SessionType::mcu_type)
    }

    /// A value of `connection-info`; keys compare without regard to case.
    #[must_use]
    pub fn connection_value(&self, key: &str) -> Option<&str> {
        self.connection_info
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.as_str())
    }
}

impl Media {
    /// A stream of this type.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { id: id.into(), kind: Some(kind.into()), ..Self::default() }
    }
}

impl SessionType {
    /// The MCU of this modality.
    #[must_use]
    pub fn mcu_type(&self) -> Option<McuType> {
        match self {
            Self::Chat => Some(McuType::Im),
            Self::AudioVideo => Some(McuType::Av),
            Self::ApplicationSharing => Some(McuType::AppSharing),
            Self::Meeting => Some(McuType::Data),
            Self::Focus | Self::PhoneConf | Self::Other(_) => None,
        }
    }
}

impl From<McuType> for SessionType {
    fn from(mcu: McuType) -> Self {
        match mcu {
            McuType::Im => Self::Chat,
            McuType::Av => Self::AudioVideo,
            McuType::AppSharing => Self::ApplicationSharing,
            McuType::Data => Self::Meeting,
        }
    }
}

impl Views {
    /// All views.
    #[must_use]
    pub fn full(views: Vec<EntityView>) -> Self {
        Self { state: State::Full, views }
    }

    /// Those that changed.
    #[must_use]
    pub fn partial(views: Vec<EntityView>) -> Self {
        Self { state: State::Partial, views }
    }
}

impl EntityView {
    /// A view with nothing but the entity, as in `addConference`.
    #[must_use]
    pub fn new(entity: impl Into<String>) -> Self {
        Self { entity: entity.into(), ..Self::default() }
    }

    fn clear_extensions(&mut self) {
        self.extensions.clear();
        for values in [&mut self.capabilities, &mut self.policy, &mut self.settings].into_iter().flatten() {
            values.extensions.clear();
        }
        if let Some(state) = &mut self.entity_state {
            state.extensions.clear();
            state.media.iter_mut().for_each(|entry| entry.extensions.clear());
        }
    }

    /// The view of the Focus: locked or not.
    #[must_use]
    pub fn of_focus(conference: impl Into<String>, locked: bool) -> Self {
        let state = EntityState { locked: Some(locked), ..EntityState::default() };
        Self { entity_state: Some(state), ..Self::new(conference) }
    }

    /// The view of an MCU. The lock and the media are written only while it is active, so that clients that do not know
    /// `rc:mcu-status` see the right thing.
    #[must_use]
    pub fn of_mcu(uri: impl Into<String>, mcu: McuType, state: McuState, locked: bool) -> Self {
        let mut entity_state = EntityState::default();
        if state.status.is_active() {
            entity_state.display_text = Some(mcu_title(mcu).to_owned());
            entity_state.locked = Some(locked);
            entity_state.media = media_entries(mcu);
        }
        entity_state.mcu = Some(state);
        Self { entity_state: Some(entity_state), ..Self::new(uri) }
    }

    /// The MCU whose view it is: by the address, or by the word of its type.
    #[must_use]
    pub fn mcu_type(&self) -> Option<McuType> {
        match uri::target(&self.entity) {
            Some(uri::ConferenceTarget::Mcu { mcu, .. }) => Some(mcu),
            Some(_) => None,
            None => McuType::from_token(&self.entity),
        }
    }

    /// How the MCU is: what `rc:mcu-status` says, else inferred from the media (a foreign Focus).
    #[must_use]
    pub fn mcu_status(&self) -> McuStatus {
        match &self.entity_state {
            Some(EntityState { mcu: Some(mcu), .. }) => mcu.status,
            Some(state) if !state.media.is_empty() => McuStatus::Active,
            Some(_) | None => McuStatus::Idle,
        }
    }

    /// Which instance of the MCU it is, if that is told.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.entity_state.as_ref()?.mcu.as_ref()?.instance.as_deref()
    }

    /// Whether it is locked, if that is told.
    #[must_use]
    pub fn locked(&self) -> Option<bool> {
        self.entity_state.as_ref()?.locked
    }
}

impl McuState {
    /// An MCU in a state, of this instance.
    #[must_use]
    pub fn new(status: McuStatus, instance: Option<String>) -> Self {
        Self { status, instance }
    }
}

impl MediaEntry {
    /// A medium that flows both ways.
    #[must_use]
    pub fn new(label: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            kind: Some(kind.into()),
            status: Some(MediaStatus::SendRecv),
            ..Self::default()
        }
    }
}

fn mcu_title(mcu: McuType) -> &'static str {
    match mcu {
        McuType::Im => "IM",
        McuType::Av => "Audio/Video",
        McuType::AppSharing => "Application sharing",
        McuType::Data => "Meeting",
    }
}

fn media_entries(mcu: McuType) -> Vec<MediaEntry> {
    match mcu {
        McuType::Im => vec![MediaEntry::new("chat", "chat")],
        McuType::Av => vec![MediaEntry::new("main-audio", "audio"), MediaEntry::new("main-video", "video")],
        McuType::AppSharing => vec![MediaEntry::new("applicationsharing", "applicationsharing")],
        McuType::Data => vec![MediaEntry::new("meeting", "meeting")],
    }
}
