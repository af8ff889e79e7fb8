//! What changed and is not told yet, and telling it.
//!
//! The first change after a silence goes out at once, further ones share a document for a short time (conference-info
//! section 7.6); a lock, an admission, an ejection or a change of an MCU never waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use c3p::info::{DisconnectionMethod, Endpoint, EndpointStatus, SessionType, State, User};

use super::{Conference, Cx, Participant, PersonKey};

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    /// Users whose element changed, by their normal form.
    pub(super) users: BTreeSet<String>,
    /// Last elements of users who have left, by their normal form.
    pub(super) removed: BTreeMap<String, User>,
    /// MCU types whose view changed.
    pub(super) views: BTreeSet<String>,
    /// Lock or description changed.
    pub(super) state: bool,
    last: Option<Instant>,
    due: Option<Instant>,
    /// The full document of a version, until something changes.
    pub(super) full: Option<Bytes>,
}

impl Publisher {
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_pending(&self) -> bool {
        self.state || !(self.users.is_empty() && self.removed.is_empty() && self.views.is_empty())
    }
}

impl Conference {
    /// A user's element is another one now.
    pub(super) fn changed_user(&mut self, user: &str) {
        self.publish.full = None;
        self.publish.removed.remove(user);
        self.publish.users.insert(user.to_owned());
    }

    /// An MCU's view is another one now.
    pub(super) fn changed_view(&mut self, mcu: &str) {
        self.publish.full = None;
        self.publish.views.insert(mcu.to_owned());
    }

    /// The state of the whole is another one now.
    pub(super) fn changed_state(&mut self) {
        self.publish.full = None;
        self.publish.state = true;
    }

    /// Somebody has no seat any more.
    pub(super) fn gone(&mut self, person: &PersonKey, found: &Participant, method: DisconnectionMethod) {
        self.changed_user(&person.user);
        if self.of_user(&person.user).next().is_some() {
            return;
        }
        self.publish.users.remove(&person.user);
        let mut endpoint = Endpoint::new(found.record.endpoint.as_str(), SessionType::Focus)
            .with_status(EndpointStatus::Disconnected);
        endpoint.disconnection_method = Some(method);
        let user = User::deleted(found.record.user.as_str()).with_endpoint(endpoint);
        self.publish.removed.insert(person.user.clone(), user);
    }

    /// Has the pending changes told, now or within the coalescing time.
    pub(super) fn schedule_publish(&mut self, urgent: bool, cx: &mut Cx<'_>) {
        if !self.publish.is_pending() || self.closed {
            return;
        }
        let window = cx.config.timers.coalesce;
        match self.publish.last.map(|last| last + window).filter(|next| *next > cx.now) {
            Some(next) if !urgent => {
                self.publish.due = Some(self.publish.due.map_or(next, |due| due.min(next)))
            }
            Some(_) | None => self.publish_now(cx),
        }
    }

    /// Tells all pending changes in one document.
    pub(super) fn publish_now(&mut self, cx: &mut Cx<'_>) {
        self.publish.due = None;
        if self.publish.is_pending() {
            let document = self.next_document(cx);
            self.broadcast(&document, cx);
        }
    }

    /// The document with all pending changes, under the next version.
    pub(super) fn next_document(&mut self, cx: &Cx<'_>) -> Bytes {
        self.countdown_s = self.countdown.map(|at| at.saturating_duration_since(cx.now).as_secs());
        self.head.version = self.head.version.saturating_add(1);
        self.ledger.head_changed();
        self.publish.due = None;
        self.publish.last = Some(cx.now);
        self.publish.full = None;
        let document = self.partial_document();
        self.publish.users.clear();
        self.publish.removed.clear();
        self.publish.views.clear();
        document
    }

    /// Sends a partial document to all who are inside, a full one to those who need it, the lobby's to the lobby.
    pub(super) fn broadcast(&mut self, document: &Bytes, cx: &mut Cx<'_>) {
        let for_lobby = std::mem::take(&mut self.publish.state);
        let watchers: Vec<(PersonKey, bool, bool)> = self
            .people
            .iter()
            .filter_map(|(key, found)| {
                found.watch.as_ref().map(|watch| (key.clone(), found.record.in_lobby, watch.needs_full))
            })
            .collect();
        for (person, in_lobby, needs_full) in watchers {
            let body = match (in_lobby, needs_full) {
                (true, false) if !for_lobby => continue,
                (true, _) => self.lobby_document(&person),
                (false, true) => self.full_document(),
                (false, false) => document.clone(),
            };
            self.notify(&person, body, cx);
        }
    }

    /// A full document by NOTIFY, answered, to one who may have missed something.
    pub(super) fn notify_full(&mut self, person: &PersonKey, cx: &mut Cx<'_>) {
        let body = self.document_for(person);
        self.notify_surely(person, body, cx);
    }

    /// The document that a fresh subscription of this participant gets.
    pub(super) fn document_for(&mut self, person: &PersonKey) -> Bytes {
        match self.people.get(person) {
            Some(found) if found.is_in() => self.full_document(),
            Some(_) | None => self.lobby_document(person),
        }
    }

    /// The last document of all: the conference is over.
    pub(super) fn final_document(&mut self) -> Bytes {
        self.head.version = self.head.version.saturating_add(1);
        let info = c3p::info::ConferenceInfo {
            state: State::Deleted,
            version: Some(self.head.version),
            ..c3p::info::ConferenceInfo::new(self.head.uri.as_str())
        };
        info.write()
    }
}
