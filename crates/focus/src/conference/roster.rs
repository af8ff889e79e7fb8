//! The documents: full, partial, and the lobby's view of itself (conference-info sections 2 to 6).

use bytes::Bytes;
use c3p::McuType;
use c3p::info::{
    AdmissionPolicy, AuthMethod, ConfUri, ConferenceInfo, ConferenceState, Description, Endpoint,
    EndpointStatus, EntityView, JoiningMethod, McuState, McuStatus, Organizer, Role, SessionType, User,
    Users, Views,
};

use super::{Conference, Participant, PersonKey};
use crate::record::{McuSlot, SlotStatus};

impl Conference {
    /// What a member sees; shared by all who ask before the next change.
    pub(super) fn full_document(&mut self) -> Bytes {
        if let Some(document) = &self.publish.full {
            return document.clone();
        }
        let document = self.full_info().write();
        self.publish.full = Some(document.clone());
        document
    }

    /// The same, as a value.
    pub(super) fn full_info(&self) -> ConferenceInfo {
        let users = self.users().iter().filter_map(|user| self.user_element(user)).collect();
        ConferenceInfo {
            version: Some(self.head.version),
            description: Some(self.description()),
            conference_state: Some(self.conference_state()),
            users: Some(Users::full(users)),
            views: Some(Views::full(self.views(|_| true))),
            ..ConferenceInfo::new(self.head.uri.as_str())
        }
    }

    /// The pending changes, under the present version.
    pub(super) fn partial_document(&self) -> Bytes {
        let changed = self.publish.users.iter().filter_map(|user| self.user_element(user));
        let users: Vec<User> = changed.chain(self.publish.removed.values().cloned()).collect();
        let locked_changed = self.publish.state;
        let views =
            self.views(|mcu| locked_changed || mcu.is_some_and(|mcu| self.publish.views.contains(mcu)));
        let info = ConferenceInfo {
            version: Some(self.head.version),
            conference_state: Some(self.conference_state()),
            users: (!users.is_empty()).then(|| Users::partial(users)),
            views: (!views.is_empty()).then(|| Views::partial(views)),
            ..ConferenceInfo::partial(self.head.uri.as_str())
        };
        info.write()
    }

    /// What somebody in the lobby sees: limited properties and himself.
    pub(super) fn lobby_document(&self, person: &PersonKey) -> Bytes {
        let own = self.people.get(person).map(|found| {
            let endpoint = focus_endpoint(found);
            user_of(found).with_role(role_of(found)).with_endpoint(endpoint)
        });
        let full = self.description();
        let description = Description {
            subject: full.subject,
            conference_id: full.conference_id,
            organizer: full.organizer,
            ..Description::default()
        };
        let info = ConferenceInfo {
            version: Some(self.head.version),
            description: Some(description),
            conference_state: Some(ConferenceState {
                locked: Some(self.head.locked),
                ..ConferenceState::default()
            }),
            users: Some(Users::full(own.into_iter().collect())),
            ..ConferenceInfo::new(self.head.uri.as_str())
        };
        info.write()
    }

    /// The last document of somebody in the lobby: himself, gone.
    pub(super) fn own_end(&self, found: &Participant, method: c3p::info::DisconnectionMethod) -> Bytes {
        let mut endpoint = focus_endpoint(found).with_status(EndpointStatus::Disconnected);
        endpoint.disconnection_method = Some(method);
        let user = User::deleted(found.record.user.as_str()).with_endpoint(endpoint);
        let info = ConferenceInfo {
            version: Some(self.head.version),
            users: Some(Users::partial(vec![user])),
            ..ConferenceInfo::partial(self.head.uri.as_str())
        };
        info.write()
    }

    /// A user as an MCU is told of him: address, name, role.
    pub(crate) fn introduction(&self, user: &str) -> Option<User> {
        let mut element = self.user_element(user)?;
        element.endpoints.clear();
        Some(element)
    }

    /// The record, as the Factory and the MCUs see it.
    pub(super) fn description(&self) -> Description {
        describe(&self.head)
    }

    fn conference_state(&self) -> ConferenceState {
        let inside = self.people.iter().filter(|(_, found)| found.is_in()).map(|(key, _)| &key.user);
        let count = inside.collect::<std::collections::BTreeSet<_>>().len();
        ConferenceState {
            user_count: Some(u32::try_from(count).unwrap_or(u32::MAX)),
            active: Some(self.head.active),
            locked: Some(self.head.locked),
            termination_countdown: self.countdown_s.and_then(|seconds| u32::try_from(seconds).ok()),
            ..ConferenceState::default()
        }
    }

    /// A user, complete: a real client recomputes the user from this element alone.
    fn user_element(&self, user: &str) -> Option<User> {
        let (_, first) = self.of_user(user).min_by_key(|(_, found)| found.record.order)?;
        let mut element = user_of(first);
        let presenter = self.is_presenter(user);
        element.roles = vec![if presenter { Role::Presenter } else { Role::Attendee }];
        element.endpoints = self.of_user(user).map(|(_, found)| focus_endpoint(found)).collect();
        if self.user_is_in(user) {
            element.endpoints.extend(self.mcus.endpoints_of(user).cloned());
        }
        Some(element)
    }

    fn views(&self, wanted: impl Fn(Option<&str>) -> bool) -> Vec<EntityView> {
        let focus = wanted(None).then(|| EntityView::of_focus(self.head.uri.as_str(), self.head.locked));
        let mcus = self.head.mcus.iter().filter(|slot| wanted(Some(&slot.mcu)));
        focus.into_iter().chain(mcus.filter_map(|slot| self.mcu_view(slot))).collect()
    }

    fn mcu_view(&self, slot: &McuSlot) -> Option<EntityView> {
        let mcu = McuType::from_token(&slot.mcu)?;
        let uri = c3p::uri::mcu_uri(&self.head.uri, mcu)?;
        let (status, instance) = match slot.status {
            SlotStatus::Idle => (McuStatus::Idle, None),
            SlotStatus::Activating => (McuStatus::Activating, None),
            SlotStatus::Active => (McuStatus::Active, slot.instance.clone()),
            SlotStatus::FailingOver => (McuStatus::FailingOver, slot.lost.clone()),
        };
        Some(EntityView::of_mcu(uri, mcu, McuState::new(status, instance), self.head.locked))
    }
}

/// The provisioned part of a conference, as documents tell it.
pub(crate) fn describe(head: &crate::record::ConferenceHead) -> Description {
    let mcus = head.mcus.iter().filter_map(|slot| McuType::from_token(&slot.mcu));
    Description {
        subject: Some(head.subject.clone()),
        conf_uris: mcus.filter_map(|mcu| ConfUri::of_mcu(&head.uri, mcu)).collect(),
        conference_id: Some(head.id.clone()),
        is_active: Some(head.active),
        expiry_time: Some(head.expires.clone()),
        admission_policy: Some(AdmissionPolicy::from_token(&head.admission_policy)),
        organizer: Some(Organizer { uri: Some(head.organizer.clone()), ..Organizer::default() }),
        ..Description::default()
    }
}

fn user_of(found: &Participant) -> User {
    let user = User::new(found.record.user.as_str());
    if found.record.display.is_empty() { user } else { user.with_display_text(found.record.display.as_str()) }
}

fn role_of(found: &Participant) -> Role {
    if found.record.presenter { Role::Presenter } else { Role::Attendee }
}

fn focus_endpoint(found: &Participant) -> Endpoint {
    let status = if found.record.in_lobby { EndpointStatus::OnHold } else { EndpointStatus::Connected };
    let mut endpoint = Endpoint::new(found.record.endpoint.as_str(), SessionType::Focus)
        .with_status(status)
        .with_joining_method(JoiningMethod::DialedIn);
    endpoint.endpoint_uri.clone_from(&found.record.gruu);
    endpoint.epid.clone_from(&found.record.epid);
    endpoint.auth_method = found.record.user.ends_with("@anonymous.invalid").then_some(AuthMethod::Anonymous);
    endpoint
}
