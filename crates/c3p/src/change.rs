//! Full, partial and deleted: how a roster document follows from the one before, and the change from two of them.
//!
//! Three pure functions on documents. [`judge`] says by its version whether a document may be applied, [`apply`] merges
//! it (RFC 4575 section 4), [`between`] is the inverse: the document that turns one roster into another. Who keeps the
//! roster, and what a difference means to people, is not said here (crate `conference`).
//!
//! | `state` | of the document | of `users`, `conference-view` | of `user`, `endpoint`, `entity-view` |
//! |---|---|---|---|
//! | `full` | replaces everything | replaces the collection | replaces the entry, or adds it |
//! | `partial` | children are applied | entries are merged by key | children are merged |
//! | `deleted` | the conference is over | the collection is empty | the entry goes |
//!
//! Keys are `user@entity`, `endpoint@entity` together with the session type, `entity-view@entity`, `media@id`.
//!
//! # Examples
//!
//! ```
//! use c3p::change::{self, Verdict};
//! use c3p::info::{ConferenceInfo, Role, User, Users};
//!
//! let mut before = ConferenceInfo::new("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9");
//! before.version = Some(7);
//! before.users = Some(Users::full(vec![User::new("sip:bob@example.com"), User::new("sip:carol@example.com")]));
//! let mut after = before.clone();
//! after.version = Some(8);
//! after.users = Some(Users::full(vec![User::new("sip:bob@example.com").with_role(Role::Presenter)]));
//!
//! // What a Focus publishes: Bob, complete, and that Carol is gone...
//! let partial = change::between(&before, &after).expect("something changed");
//! assert_eq!(partial.users().count(), 2);
//! // ... and what a client makes of it.
//! assert_eq!(change::judge(before.version, &partial, false), Verdict::Apply);
//! change::apply(&mut before, &partial);
//! assert_eq!(before, after);
//! ```

use std::collections::{HashMap, HashSet};

use crate::info::{ConferenceInfo, Endpoint, EntityView, Extension, Media, State, User, Users, Views};

/// Up to so many changed entries are looked for one by one; for more an index is made.
const SEARCHED_MAX: usize = 8;

/// What is to become of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the next, or a full one: apply it.
    Apply,
    /// It is old: ignore it, it still gets its 200.
    Old,
    /// Documents before it are missing: the roster is stale until a full one comes, so refresh the subscription.
    Gap,
}

/// Judges a document by its version (RFC 4575 section 4.6).
///
/// - `last`: the version of the roster as it is; `None` if there is none, or it is stale.
/// - `fresh`: the document answers a new subscription or a refresh, whose count may begin anywhere.
#[must_use]
pub fn judge(last: Option<u32>, document: &ConferenceInfo, fresh: bool) -> Verdict {
    match (document.state, last, document.version) {
        // Nothing comes after it that it could be too early for.
        (State::Deleted, ..) => Verdict::Apply,
        (State::Full, Some(last), Some(new)) if new < last && !fresh => Verdict::Old,
        (State::Full, ..) => Verdict::Apply,
        (State::Partial, Some(last), Some(new)) if new <= last => Verdict::Old,
        (State::Partial, Some(last), Some(new)) if new - last == 1 => Verdict::Apply,
        (State::Partial, ..) => Verdict::Gap,
    }
}

/// Merges a document into a roster. The version is taken over, not judged.
///
/// The roster stays a full document: entries that are marked as deleted are not in it. After a deleted document nothing
/// is left but entity, version and the state `deleted`.
pub fn apply(roster: &mut ConferenceInfo, document: &ConferenceInfo) {
    match document.state {
        State::Full => {
            *roster = document.clone();
            settle(roster);
        }
        State::Deleted => {
            *roster = ConferenceInfo {
                entity: document.entity.clone(),
                state: State::Deleted,
                version: document.version,
                ..ConferenceInfo::default()
            };
        }
        State::Partial => apply_partial(roster, document),
    }
}

fn apply_partial(roster: &mut ConferenceInfo, document: &ConferenceInfo) {
    replace(&mut roster.version, document.version.as_ref());
    replace(&mut roster.is_static, document.is_static.as_ref());
    replace(&mut roster.description, document.description.as_ref());
    replace(&mut roster.host_info, document.host_info.as_ref());
    replace(&mut roster.conference_state, document.conference_state.as_ref());
    merge_extensions(&mut roster.extensions, &document.extensions);
    if let Some(users) = &document.users {
        merge_users(roster.users.get_or_insert_default(), users);
    }
    if let Some(views) = &document.views {
        merge_views(roster.views.get_or_insert_default(), views);
    }
}

/// Replaces a value that is in the document.
fn replace<T: Clone>(old: &mut Option<T>, new: Option<&T>) {
    if let Some(new) = new {
        *old = Some(new.clone());
    }
}

/// Replaces a list that is in the document.
fn replace_list<T: Clone>(old: &mut Vec<T>, new: &[T]) {
    if !new.is_empty() {
        new.clone_into(old);
    }
}

/// Makes a received full document a roster: deleted entries go, partial ones are all that is known.
fn settle(roster: &mut ConferenceInfo) {
    if let Some(users) = &mut roster.users {
        let new = std::mem::take(users);
        merge_users(users, &new);
    }
    if let Some(views) = &mut roster.views {
        let new = std::mem::take(views);
        merge_views(views, &new);
    }
}

/// Something with a key and a state in a collection.
trait Entry: Clone {
    fn key(&self) -> &str;
    fn state(&self) -> State;
    fn merge(&mut self, new: &Self);
    /// As it stands in a roster after it came full.
    fn settled(&self) -> Self;
}

impl Entry for User {
    fn key(&self) -> &str {
        &self.entity
    }

    fn state(&self) -> State {
        self.state
    }

    fn merge(&mut self, new: &Self) {
        replace(&mut self.display_text, new.display_text.as_ref());
        replace_list(&mut self.associated_aors, &new.associated_aors);
        replace_list(&mut self.roles, &new.roles);
        replace_list(&mut self.languages, &new.languages);
        replace(&mut self.cascaded_focus, new.cascaded_focus.as_ref());
        for endpoint in &new.endpoints {
            merge_endpoint(&mut self.endpoints, endpoint);
        }
        merge_extensions(&mut self.extensions, &new.extensions);
    }

    fn settled(&self) -> Self {
        let mut settled = Self { state: State::Full, endpoints: Vec::new(), ..self.clone() };
        for endpoint in &self.endpoints {
            merge_endpoint(&mut settled.endpoints, endpoint);
        }
        settled
    }
}

impl Entry for EntityView {
    fn key(&self) -> &str {
        &self.entity
    }

    fn state(&self) -> State {
        self.state
    }

    fn merge(&mut self, new: &Self) {
        replace(&mut self.capabilities, new.capabilities.as_ref());
        replace(&mut self.policy, new.policy.as_ref());
        replace(&mut self.settings, new.settings.as_ref());
        replace(&mut self.entity_state, new.entity_state.as_ref());
        merge_extensions(&mut self.extensions, &new.extensions);
    }

    fn settled(&self) -> Self {
        Self { state: State::Full, ..self.clone() }
    }
}

fn merge_users(old: &mut Users, new: &Users) {
    match new.state {
        State::Deleted => old.users.clear(),
        State::Full => {
            old.users.clear();
            merge_entries(&mut old.users, &new.users);
        }
        State::Partial => merge_entries(&mut old.users, &new.users),
    }
}

fn merge_views(old: &mut Views, new: &Views) {
    match new.state {
        State::Deleted => old.views.clear(),
        State::Full => {
            old.views.clear();
            merge_entries(&mut old.views, &new.views);
        }
        State::Partial => merge_entries(&mut old.views, &new.views),
    }
}

/// Merges entries by key: those that are there keep their place, new ones are appended. Linear in both lists.
fn merge_entries<T: Entry>(old: &mut Vec<T>, new: &[T]) {
    let mut index: HashMap<String, usize> = HashMap::new();
    let indexed = new.len() > SEARCHED_MAX;
    if indexed {
        index.extend(old.iter().enumerate().map(|(at, entry)| (entry.key().to_owned(), at)));
    }
    let mut gone = HashSet::new();
    for entry in new {
        let found = if indexed {
            index.get(entry.key()).copied()
        } else {
            old.iter().position(|known| known.key() == entry.key())
        };
        match (entry.state(), found) {
            (State::Deleted, Some(at)) => {
                gone.insert(at);
            }
            (State::Deleted, None) => {}
            (State::Full, Some(at)) => {
                old[at] = entry.settled();
                gone.remove(&at);
            }
            // Deleted and named again in the same document: it begins anew.
            (State::Partial, Some(at)) if gone.remove(&at) => old[at] = entry.settled(),
            (State::Partial, Some(at)) => old[at].merge(entry),
            (State::Full | State::Partial, None) => {
                if indexed {
                    index.insert(entry.key().to_owned(), old.len());
                }
                old.push(entry.settled());
            }
        }
    }
    if !gone.is_empty() {
        let mut at = 0;
        old.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
    }
}

fn merge_endpoint(old: &mut Vec<Endpoint>, new: &Endpoint) {
    let same = |known: &Endpoint| known.entity == new.entity && known.session_type == new.session_type;
    match (new.state, old.iter().position(same)) {
        (State::Deleted, Some(at)) => {
            old.remove(at);
        }
        (State::Deleted, None) => {}
        (State::Full, Some(at)) => old[at] = new.clone(),
        (State::Partial, Some(at)) => merge_endpoint_children(&mut old[at], new),
        (State::Full | State::Partial, None) => old.push(Endpoint { state: State::Full, ..new.clone() }),
    }
}

fn merge_endpoint_children(old: &mut Endpoint, new: &Endpoint) {
    replace(&mut old.endpoint_uri, new.endpoint_uri.as_ref());
    replace(&mut old.epid, new.epid.as_ref());
    replace(&mut old.refer_to_uri, new.refer_to_uri.as_ref());
    replace(&mut old.display_text, new.display_text.as_ref());
    replace(&mut old.referred, new.referred.as_ref());
    replace(&mut old.status, new.status.as_ref());
    replace(&mut old.joining_method, new.joining_method.as_ref());
    replace(&mut old.joining_info, new.joining_info.as_ref());
    replace(&mut old.disconnection_method, new.disconnection_method.as_ref());
    replace(&mut old.disconnection_info, new.disconnection_info.as_ref());
    for media in &new.media {
        merge_media(&mut old.media, media);
    }
    replace(&mut old.call_info, new.call_info.as_ref());
    replace(&mut old.access_method, new.access_method.as_ref());
    replace(&mut old.auth_method, new.auth_method.as_ref());
    replace(&mut old.lobby_capable, new.lobby_capable.as_ref());
    replace_list(&mut old.connection_info, &new.connection_info);
    merge_extensions(&mut old.client_info, &new.client_info);
    merge_extensions(&mut old.extensions, &new.extensions);
}

fn merge_media(old: &mut Vec<Media>, new: &Media) {
    match old.iter_mut().find(|known| known.id == new.id) {
        Some(known) => known.clone_from(new),
        None => old.push(new.clone()),
    }
}

/// Replaces those of the same qualified name, as `modifyEndpoint` does too; new ones are appended in their groups.
pub fn merge_extensions(old: &mut Vec<Extension>, new: &[Extension]) {
    if new.is_empty() {
        return;
    }
    let named =
        |known: &Extension| new.iter().any(|new| known.element.is(&new.element.namespace, &new.element.name));
    old.retain(|known| !named(known));
    old.extend(new.iter().cloned());
    old.sort_by_key(|extension| extension.group);
}

/// The document that turns one roster into another; `None` if they are the same but for the version.
///
/// Both are full documents without duplicate keys. The version is that of `after`, which the caller has counted up.
/// Users and views that changed are complete in it (`full`), because real clients recompute a user from that element
/// alone; those that went are `deleted`. What a partial document cannot say, namely that a part of the conference's
/// own is no longer there, makes it a full one. New users and views come behind the old ones when it is applied.
#[must_use]
pub fn between(before: &ConferenceInfo, after: &ConferenceInfo) -> Option<ConferenceInfo> {
    if !is_sayable(before, after) {
        let same = ConferenceInfo { version: before.version, ..after.clone() } == *before;
        return (!same).then(|| after.clone());
    }
    let mut change =
        ConferenceInfo { version: after.version, ..ConferenceInfo::partial(after.entity.as_str()) };
    change.is_static = changed(before.is_static.as_ref(), after.is_static.as_ref());
    change.description = changed(before.description.as_ref(), after.description.as_ref());
    change.host_info = changed(before.host_info.as_ref(), after.host_info.as_ref());
    change.conference_state = changed(before.conference_state.as_ref(), after.conference_state.as_ref());
    if let Some(after) = &after.users {
        let old = before.users.as_ref().map_or(&[][..], |users| &users.users);
        let users = changed_entries(old, &after.users, |user| User::deleted(user.entity.as_str()));
        change.users = (!users.is_empty() || before.users.is_none()).then(|| Users::partial(users));
    }
    if let Some(after) = &after.views {
        let old = before.views.as_ref().map_or(&[][..], |views| &views.views);
        let gone =
            |view: &EntityView| EntityView { state: State::Deleted, ..EntityView::new(view.entity.as_str()) };
        let views = changed_entries(old, &after.views, gone);
        change.views = (!views.is_empty() || before.views.is_none()).then(|| Views::partial(views));
    }
    let nothing = ConferenceInfo { version: after.version, ..ConferenceInfo::partial(after.entity.as_str()) };
    (change != nothing).then_some(change)
}

/// Whether a partial document can say the difference.
fn is_sayable(before: &ConferenceInfo, after: &ConferenceInfo) -> bool {
    fn stays<T>(before: Option<&T>, after: Option<&T>) -> bool {
        before.is_none() || after.is_some()
    }
    before.state == State::Full
        && before.entity == after.entity
        && before.extensions == after.extensions
        && stays(before.is_static.as_ref(), after.is_static.as_ref())
        && stays(before.description.as_ref(), after.description.as_ref())
        && stays(before.host_info.as_ref(), after.host_info.as_ref())
        && stays(before.conference_state.as_ref(), after.conference_state.as_ref())
        && stays(before.users.as_ref(), after.users.as_ref())
        && stays(before.views.as_ref(), after.views.as_ref())
}

fn changed<T: Clone + PartialEq>(before: Option<&T>, after: Option<&T>) -> Option<T> {
    if before == after { None } else { after.cloned() }
}

/// The entries that are new or different, then those that went.
fn changed_entries<T: Entry + PartialEq>(before: &[T], after: &[T], gone: impl Fn(&T) -> T) -> Vec<T> {
    let old: HashMap<&str, &T> = before.iter().map(|entry| (entry.key(), entry)).collect();
    let new: HashSet<&str> = after.iter().map(Entry::key).collect();
    let changed = after.iter().filter(|entry| old.get(entry.key()) != Some(entry)).cloned();
    let went = before.iter().filter(|entry| !new.contains(entry.key())).map(gone);
    changed.chain(went).collect()
}
