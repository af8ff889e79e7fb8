//! The conference as the documents describe it: the rules of merging (RFC 4575 section 4).

use std::collections::BTreeMap;

use c3p::McuType;
use c3p::info::{
    ConferenceInfo, ConferenceState, Description, Endpoint, EntityView, McuStatus, State, User, Users, Views,
};
use mcu::McuReport;

use super::{PropertyName, PropertyValue, Scope};

/// The merged documents.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// By user entity, octet by octet.
    pub(super) users: BTreeMap<String, User>,
    description: Option<Description>,
    state: Option<ConferenceState>,
    views: BTreeMap<McuType, EntityView>,
    focus_locked: Option<bool>,
}

/// Whose entries a document may have changed.
#[derive(Debug)]
pub(super) enum Touched {
    /// Anybody's.
    All,
    /// These users', sorted, each once.
    Users(Vec<String>),
}

impl Model {
    /// Merges a document. For a full one the model must be a new one.
    pub(super) fn merge(&mut self, info: &ConferenceInfo, scope: Scope) -> Touched {
        if let Some(description) = &info.description {
            self.description = Some(description.clone());
        }
        if let Some(state) = &info.conference_state {
            self.state = Some(state.clone());
        }
        match scope {
            Scope::Lobby => Touched::All,
            Scope::Member => {
                if let Some(views) = &info.views {
                    self.merge_views(views);
                }
                info.users
                    .as_ref()
                    .map_or_else(|| Touched::Users(Vec::new()), |users| self.merge_users(users))
            }
        }
    }

    fn merge_users(&mut self, users: &Users) -> Touched {
        if users.state != State::Partial {
            self.users.clear();
        }
        if users.state != State::Deleted {
            for user in &users.users {
                self.merge_user(user);
            }
        }
        if users.state != State::Partial {
            return Touched::All;
        }
        let mut touched: Vec<_> = users.users.iter().map(|user| user.entity.clone()).collect();
        touched.sort_unstable();
        touched.dedup();
        Touched::Users(touched)
    }

    fn merge_user(&mut self, user: &User) {
        match user.state {
            State::Deleted => {
                self.users.remove(&user.entity);
            }
            State::Full => {
                let mut entry = user.clone();
                entry.endpoints.retain(|endpoint| endpoint.state != State::Deleted);
                self.users.insert(user.entity.clone(), entry);
            }
            State::Partial => {
                let entry =
                    self.users.entry(user.entity.clone()).or_insert_with(|| User::new(user.entity.clone()));
                if user.display_text.is_some() {
                    entry.display_text.clone_from(&user.display_text);
                }
                if !user.roles.is_empty() {
                    entry.roles.clone_from(&user.roles);
                }
                for endpoint in &user.endpoints {
                    merge_endpoint(&mut entry.endpoints, endpoint);
                }
            }
        }
    }

    fn merge_views(&mut self, views: &Views) {
        if views.state != State::Partial {
            self.views.clear();
            self.focus_locked = None;
        }
        if views.state == State::Deleted {
            return;
        }
        for view in &views.views {
            self.merge_view(view);
        }
    }

    fn merge_view(&mut self, view: &EntityView) {
        let Some(mcu) = view.mcu_type() else {
            self.focus_locked = view.locked().or(self.focus_locked);
            return;
        };
        match view.state {
            State::Deleted => {
                self.views.remove(&mcu);
            }
            State::Full => {
                self.views.insert(mcu, view.clone());
            }
            State::Partial => {
                let entry = self.views.entry(mcu).or_insert_with(|| EntityView::new(view.entity.clone()));
                if view.entity_state.is_some() {
                    entry.entity_state.clone_from(&view.entity_state);
                }
            }
        }
    }

    /// What is known of an MCU (protocol note on conference-info, section 5.1).
    pub(super) fn mcu_report(&self, mcu: McuType) -> McuReport {
        let listed = self.description.as_ref().is_some_and(|known| known.mcu_uri(mcu).is_some());
        let Some(view) = self.views.get(&mcu) else {
            return if listed { McuReport::Inactive } else { McuReport::Absent };
        };
        match view.mcu_status() {
            McuStatus::Idle | McuStatus::Activating => McuReport::Inactive,
            McuStatus::Active => McuReport::Active { instance: view.instance().map(str::to_owned) },
            McuStatus::FailingOver => McuReport::FailingOver,
        }
    }

    /// The properties that are known, sorted by name.
    pub(super) fn properties(&self) -> Vec<(PropertyName, PropertyValue)> {
        use PropertyName as Name;
        let text = |text: Option<&String>| text.cloned().map(PropertyValue::Text);
        let about = self.description.as_ref();
        let state = self.state.as_ref();
        let organizer = about.and_then(|about| about.organizer.as_ref());
        let policy = about.and_then(|about| about.admission_policy.as_ref());
        let known = [
            (Name::AdmissionPolicy, policy.map(|policy| PropertyValue::Text(policy.as_str().to_owned()))),
            (Name::ConferenceId, text(about.and_then(|about| about.conference_id.as_ref()))),
            (Name::Description, text(about.and_then(|about| about.display_text.as_ref()))),
            (Name::ExpiryTime, text(about.and_then(|about| about.expiry_time.as_ref()))),
            (Name::JoinUrl, text(about.and_then(|about| about.join_url.as_ref()))),
            (
                Name::Locked,
                state.and_then(|state| state.locked).or(self.focus_locked).map(PropertyValue::Bool),
            ),
            (Name::Organizer, text(organizer.and_then(|who| who.display_name.as_ref().or(who.uri.as_ref())))),
            (Name::Subject, text(about.and_then(|about| about.subject.as_ref()))),
            (
                Name::TerminationCountdown,
                state.and_then(|state| state.termination_countdown).map(PropertyValue::Number),
            ),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Merges one endpoint of a partial user. Its key is its entity together with its modality.
fn merge_endpoint(endpoints: &mut Vec<Endpoint>, new: &Endpoint) {
    let at =
        endpoints.iter().position(|old| old.entity == new.entity && old.session_type == new.session_type);
    match (new.state, at) {
        (State::Deleted, Some(at)) => {
            endpoints.remove(at);
        }
        (State::Deleted, None) => {}
        (State::Full, Some(at)) => new.clone_into(&mut endpoints[at]),
        (State::Partial, Some(at)) => merge_children(&mut endpoints[at], new),
        (State::Full | State::Partial, None) => endpoints.push(new.clone()),
    }
}

fn merge_children(old: &mut Endpoint, new: &Endpoint) {
    fn take<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
        if new.is_some() {
            old.clone_from(new);
        }
    }
    take(&mut old.status, &new.status);
    take(&mut old.endpoint_uri, &new.endpoint_uri);
    take(&mut old.epid, &new.epid);
    take(&mut old.display_text, &new.display_text);
    for media in &new.media {
        match old.media.iter_mut().find(|known| known.id == media.id) {
            Some(known) => known.clone_from(media),
            None => old.media.push(media.clone()),
        }
    }
}
