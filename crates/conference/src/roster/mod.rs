//! The roster: who is in the conference, as the Focus tells it.
//!
//! Applies conference-info documents (RFC 4575: `full`, `partial`, `deleted`) to one model, folds it into one entry per
//! device, and says what changed. Readers get a snapshot by `Arc`; they never wait for a writer.
//!
//! # Invariants
//!
//! - Versions only grow within one subscription; a gap asks for a full document and changes nothing.
//! - What two snapshots differ in is one event per difference, and nothing else is an event.
//! - Our own endpoint is in the roster, but never joins or leaves.
//!
//! Not here: XML (crate `c3p`), subscriptions (the wire), the state of an MCU (crate `mcu`).

mod difference;
mod fold;
mod model;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use c3p::info::{ConferenceInfo, EndpointStatus, State};
use c3p::{McuType, uri};
use mcu::McuReport;

pub use snapshot::{
    Difference, McuDifference, McuParticipant, Participant, PropertyChange, PropertyName, PropertyValue,
    RosterSnapshot,
};

use difference::Differences;
use model::Model;

/// The most users a roster takes; a document that would make more is refused.
const USERS_MAX: usize = 100_000;

/// Where a document says that we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnStatus {
    /// Our endpoint is not in it, or not in a state that says anything.
    Unknown,
    /// In the lobby.
    InLobby,
    /// In the conference.
    Inside,
    /// We were removed.
    Removed,
}

/// How much of a document is meant for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All of it.
    Member,
    /// The lobby's view: limited properties, no roster.
    Lobby,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was applied.
    Changed(Changes),
    /// It is old, or only confirms what is known.
    Ignored,
    /// It cannot be applied: documents before it are missing, or it goes back. The subscription needs a refresh.
    Stale,
    /// The conference is over.
    Over,
}

/// What a document changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Properties, sorted by name.
    pub properties: Vec<PropertyChange>,
    /// Attendance, in the order of the specification: left, updated, joined, each sorted.
    pub attendance: Vec<Difference>,
    /// The same for the McuSessions: by endpoint in an MCU.
    pub modalities: Vec<McuDifference>,
}

/// The roster of one conference.
///
/// # Examples
///
/// ```
/// use c3p::info::{ConferenceInfo, Endpoint, EndpointStatus, SessionType, User, Users};
/// use conference::roster::{Applied, Roster, Scope};
///
/// let mut document = ConferenceInfo::new("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9");
/// document.version = Some(12);
/// document.users = Some(Users::full(vec![
///     User::new("sip:bob@example.com")
///         .with_endpoint(Endpoint::new("{B1}", SessionType::Focus).with_status(EndpointStatus::Connected)),
/// ]));
///
/// let mut roster = Roster::new("sip:alice@example.com", "{A1}");
/// let Applied::Changed(changes) = roster.apply(&document, true, Scope::Member) else { panic!("a full document") };
/// assert_eq!(changes.attendance.len(), 1);
/// assert_eq!(roster.snapshot().participants[0].uri, "sip:bob@example.com");
/// ```
#[derive(Debug)]
pub struct Roster {
    own_user: String,
    own_endpoint: String,
    model: Model,
    folded: BTreeMap<String, Vec<Arc<Participant>>>,
    modalities: BTreeMap<String, Vec<Arc<McuParticipant>>>,
    version: Option<u32>,
    /// Documents are missing: partial ones are useless until a full one comes.
    stale: bool,
    snapshot: Arc<RosterSnapshot>,
}

impl Roster {
    /// An empty roster for this user and endpoint.
    #[must_use]
    pub fn new(own_user: impl Into<String>, own_endpoint: impl Into<String>) -> Self {
        Self {
            own_user: own_user.into(),
            own_endpoint: own_endpoint.into(),
            model: Model::default(),
            folded: BTreeMap::new(),
            modalities: BTreeMap::new(),
            version: None,
            stale: false,
            snapshot: Arc::default(),
        }
    }

    /// The present picture.
    #[must_use]
    pub fn snapshot(&self) -> Arc<RosterSnapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Where the document says that we are.
    #[must_use]
    pub fn own_status(&self, info: &ConferenceInfo) -> OwnStatus {
        let Some(user) = info.users().find(|user| uri::same(&user.entity, &self.own_user)) else {
            return OwnStatus::Unknown;
        };
        let own = user.endpoints.iter().find(|endpoint| {
            fold::is_focus(endpoint) && endpoint.entity.eq_ignore_ascii_case(&self.own_endpoint)
        });
        match own {
            Some(endpoint) if endpoint.state == State::Deleted => OwnStatus::Removed,
            Some(endpoint) => match endpoint.status {
                Some(EndpointStatus::OnHold) => OwnStatus::InLobby,
                Some(EndpointStatus::Connected | EndpointStatus::MutedViaFocus) | None => OwnStatus::Inside,
                Some(EndpointStatus::Disconnecting | EndpointStatus::Disconnected) => OwnStatus::Removed,
                Some(
                    EndpointStatus::Pending
                    | EndpointStatus::DialingOut
                    | EndpointStatus::DialingIn
                    | EndpointStatus::Alerting,
                ) => OwnStatus::Unknown,
            },
            None if user.state == State::Deleted => OwnStatus::Removed,
            None => OwnStatus::Unknown,
        }
    }

    /// Applies a document; `fresh`: it answers our own SUBSCRIBE, or is the first one after it.
    pub fn apply(&mut self, info: &ConferenceInfo, fresh: bool, scope: Scope) -> Applied {
        match info.state {
            State::Deleted => Applied::Over,
            State::Full => self.apply_full(info, fresh, scope),
            State::Partial => self.apply_partial(info, scope),
        }
    }

    fn apply_full(&mut self, info: &ConferenceInfo, fresh: bool, scope: Scope) -> Applied {
        if !fresh && let (Some(new), Some(last)) = (info.version, self.version) {
            if new < last {
                return Applied::Stale;
            }
            if new == last {
                return if self.stale { Applied::Stale } else { Applied::Ignored };
            }
        }
        let mut model = Model::default();
        model.merge(info, scope);
        if model.users.len() > USERS_MAX {
            return Applied::Stale;
        }
        self.stale = false;
        self.model = model;
        self.refold_all(info.version)
    }

    fn apply_partial(&mut self, info: &ConferenceInfo, scope: Scope) -> Applied {
        let (Some(new), Some(last)) = (info.version, self.version) else {
            self.stale = true;
            return Applied::Stale;
        };
        if new <= last {
            return Applied::Ignored;
        }
        let next = last.checked_add(1) == Some(new);
        if self.stale || !next || self.model.users.len() > USERS_MAX {
            self.stale = true;
            return Applied::Stale;
        }
        let touched = self.model.merge(info, scope);
        match touched {
            model::Touched::All => self.refold_all(Some(new)),
            model::Touched::Users(users) => self.refold(users, Some(new)),
        }
    }

    /// Everybody leaves: what is raised before the session goes back to `Idle` (T5).
    pub fn clear(&mut self) -> Changes {
        self.model = Model::default();
        self.stale = false;
        match self.refold_all(None) {
            Applied::Changed(changes) => changes,
            Applied::Ignored | Applied::Stale | Applied::Over => Changes::default(),
        }
    }

    /// What the newest document says about an MCU.
    #[must_use]
    pub fn mcu_report(&self, mcu: McuType) -> McuReport {
        self.model.mcu_report(mcu)
    }

    fn refold_all(&mut self, version: Option<u32>) -> Applied {
        let mut users: Vec<String> = self.folded.keys().chain(self.model.users.keys()).cloned().collect();
        users.sort_unstable();
        users.dedup();
        self.refold(users, version)
    }

    /// Computes the entries of these users (sorted) anew.
    fn refold(&mut self, users: Vec<String>, version: Option<u32>) -> Applied {
        let (mut attendance, mut modalities) = (Differences::default(), Differences::default());
        for entity in users {
            let is_own = |endpoint: &str| self.is_own(&entity, endpoint);
            let (new, new_modalities) = match self.model.users.get(&entity) {
                Some(user) => (fold::participants(user, is_own), fold::modalities(user, is_own)),
                None => (Vec::new(), Vec::new()),
            };
            replace(&mut self.modalities, &entity, new_modalities, &mut modalities);
            replace(&mut self.folded, &entity, new, &mut attendance);
        }
        self.version = version;
        let properties = self.model.properties();
        let changes = Changes {
            properties: difference::properties(&self.snapshot.properties, &properties),
            attendance: attendance.into_ordered(|change, participant| Difference { change, participant }),
            modalities: modalities.into_ordered(|change, participant| McuDifference { change, participant }),
        };
        self.snapshot = Arc::new(RosterSnapshot {
            version,
            participants: self.folded.values().flatten().cloned().collect(),
            modalities: self.modalities.values().flatten().cloned().collect(),
            properties,
        });
        Applied::Changed(changes)
    }

    fn is_own(&self, user: &str, endpoint: &str) -> bool {
        endpoint.eq_ignore_ascii_case(&self.own_endpoint) && uri::same(user, &self.own_user)
    }
}

/// Puts a user's new entries in the place of the old ones, and notes the differences.
fn replace<T: difference::Entry>(
    lists: &mut BTreeMap<String, Vec<Arc<T>>>,
    user: &str,
    new: Vec<Arc<T>>,
    differences: &mut Differences<T>,
) {
    let old = lists.remove(user).unwrap_or_default();
    let new = differences.compare(old, new);
    if !new.is_empty() {
        lists.insert(user.to_owned(), new);
    }
}

#[cfg(test)]
mod tests;
