//! The roster: everybody in a conference as one immutable picture, and what changes from one picture to the next.
//!
//! A [`RosterDocument`] is read straight from the bytes of a conference-info document into [`Person`]s, each one piece of
//! memory; applying it to a [`Roster`] gives the next roster and the [`Differences`]. Rosters are cheap to copy: old ones
//! stay what they were and share what did not change, so that a reader never waits and a partial document costs what it
//! changes, however many are in the conference.
//!
//! Versions follow RFC 4575 section 4 as this project reads it: the next number is applied, an old one ignored, a gap asks
//! for a full document. A full document that answers a new subscription is compared with what was known: only what really
//! differs is a difference.
//!
//! Not here: what is an event for an application (crate `conference`), and parts of a document that are not about people,
//! beyond keeping the newest ones ([`Roster::about`]).
//!
//! # Examples
//!
//! ```
//! use c3p::info::{ConferenceInfo, Endpoint, EndpointStatus, SessionType, User, Users};
//! use c3p::roster::{Applied, Kind, Roster, RosterDocument};
//!
//! let user = |name: &str| {
//!     User::new(format!("sip:{name}@example.com"))
//!         .with_endpoint(Endpoint::new("{1}", SessionType::Focus).with_status(EndpointStatus::Connected))
//! };
//! let mut full = ConferenceInfo::new("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9");
//! full.version = Some(7);
//! full.users = Some(Users::full(vec![user("alice"), user("bob")]));
//! let document = RosterDocument::parse(&full.write(), &c3p::Limits::default())?;
//! let Applied::Changed(roster, differences) = Roster::default().apply(&document, true) else { panic!("a full one") };
//! assert_eq!((roster.len(), differences.people.len()), (2, 2));
//!
//! // Bob leaves: a partial document with the next number.
//! let mut partial = ConferenceInfo::partial(full.entity.as_str());
//! partial.version = Some(8);
//! partial.users = Some(Users::partial(vec![User::deleted("sip:bob@example.com")]));
//! let document = RosterDocument::parse(&partial.write(), &c3p::Limits::default())?;
//! let Applied::Changed(next, differences) = roster.apply(&document, false) else { panic!("the next one") };
//! assert_eq!((next.len(), roster.len()), (1, 2));
//! assert_eq!(differences.people[0].kind(), Kind::Left);
//! # Ok::<(), c3p::DocumentError>(())
//! ```

mod difference;
mod person;
mod read;
mod tree;
mod write;

use std::sync::Arc;

use bytes::Bytes;

use crate::info::{ConferenceInfo, EntityView, State, Views};
use crate::xml::{Ns, Reader};
use crate::{DocumentError, ErrorKind, Limits};

pub use difference::{Differences, EndpointDifference, Kind, MediaDifference, PersonDifference};
pub use person::{EndpointRef, MediaRef, Person};
use read::{Entry, PeopleReader};
use tree::Tree;

/// A conference-info document, its people read as a roster keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct RosterDocument {
    about: ConferenceInfo,
    users: Option<(State, Vec<Entry>)>,
}

impl RosterDocument {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// When it is over a limit, not well-formed, or not a conference-info document: the same faults, but for those inside
    /// elements that a [`Person`] does not hold, as those of [`ConferenceInfo::parse`].
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        let mut reader = Reader::new(body, limits)?;
        let root = reader.root()?;
        if root.key() != (Ns::Info, "conference-info") {
            return Err(root.error(ErrorKind::WrongRoot, ""));
        }
        let mut users = None;
        let mut people = PeopleReader::new(limits);
        let about = crate::info::read_all_but_users(&mut reader, root, |reader, mut element| {
            let state = crate::info::read_state(&mut element, "users")?;
            let entries = people.users(reader.tokens()).map_err(|error| error.within("users"))?;
            users = Some((state, entries));
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self { about, users })
    }

    /// What it says beside the people; its [`users`](ConferenceInfo::users) is `None`.
    #[must_use]
    pub fn about(&self) -> &ConferenceInfo {
        &self.about
    }

    /// How the document is to be applied.
    #[must_use]
    pub fn state(&self) -> State {
        self.about.state
    }

    /// Its number.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.about.version
    }

    /// The people in it, in its order, with how each entry is to be applied.
    pub fn people(&self) -> impl Iterator<Item = (State, &Person)> {
        let entries = self.users.iter().flat_map(|(_, entries)| entries);
        entries.map(|entry| (entry.state, &entry.person))
    }
}

impl From<ConferenceInfo> for RosterDocument {
    fn from(mut info: ConferenceInfo) -> Self {
        let users = info.users.take().map(|users| {
            let entries =
                users.users.iter().map(|user| Entry { state: user.state, person: Person::from(user) }).collect();
            (users.state, entries)
        });
        Self { about: info, users }
    }
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was applied: the next roster, and what it differs in.
    Changed(Roster, Differences),
    /// It is old, or known already.
    Ignored,
    /// It cannot be applied: documents before it are missing, or it goes back in an unbroken subscription. A full document
    /// is needed.
    Gap,
    /// The conference is over.
    Over,
}

/// Everybody in a conference, at one version.
///
/// A copy is two pointers. An empty one without a version is where a subscription begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roster {
    about: Arc<ConferenceInfo>,
    people: Tree<Person>,
}

impl Roster {
    /// The number of the newest document in it.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.about.version
    }

    /// The newest parts that are not about people, merged; its `users` is `None`.
    #[must_use]
    pub fn about(&self) -> &ConferenceInfo {
        &self.about
    }

    /// How many people are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.len() == 0
    }

    /// A person; the entity octet by octet as in the documents.
    #[must_use]
    pub fn person(&self, entity: &str) -> Option<&Person> {
        self.people.get(entity)
    }

    /// Everybody, by entity.
    pub fn people(&self) -> impl ExactSizeIterator<Item = &Person> {
        self.people.iter()
    }

    /// Applies a document; `fresh`: it answers a SUBSCRIBE of ours, so that its number begins anew.
    #[must_use]
    pub fn apply(&self, document: &RosterDocument, fresh: bool) -> Applied {
        let (new, last) = (document.version(), self.version());
        match document.state() {
            State::Deleted => return Applied::Over,
            State::Full if fresh => {}
            State::Full => match (new, last) {
                (Some(new), Some(last)) if new < last => return Applied::Gap,
                (Some(new), Some(last)) if new == last => return Applied::Ignored,
                _ => {}
            },
            State::Partial => match (new, last) {
                (Some(new), Some(last)) if new <= last => return Applied::Ignored,
                (Some(new), Some(last)) if last.checked_add(1) == Some(new) => {}
                _ => return Applied::Gap,
            },
        }
        let mut next = match document.state() {
            State::Partial => self.clone(),
            State::Full | State::Deleted => Self::default(),
        };
        next.merge_about(&document.about);
        let touched = next.merge_people(document);
        let differences = match touched {
            Some(touched) => Differences::of(self, &next, &touched),
            None => Differences::between(self, &next),
        };
        Applied::Changed(next, differences)
    }

    /// As a full document.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::full(self)
    }

    /// As the structure that documents are made of.
    #[must_use]
    pub fn to_info(&self) -> ConferenceInfo {
        let users = self.people().map(Person::to_user).collect();
        ConferenceInfo { users: Some(crate::info::Users::full(users)), ..(*self.about).clone() }
    }

    /// The memory that its people take, in bytes, their places in the roster included.
    #[must_use]
    pub fn size_of_people(&self) -> usize {
        self.people().map(Person::size).sum::<usize>() + self.people.size()
    }

    fn merge_about(&mut self, new: &ConferenceInfo) {
        if new.state == State::Full {
            self.about = Arc::new(new.clone());
            return;
        }
        let about = Arc::make_mut(&mut self.about);
        about.version = new.version;
        if new.description.is_some() {
            about.description.clone_from(&new.description);
        }
        if new.host_info.is_some() {
            about.host_info.clone_from(&new.host_info);
        }
        if new.conference_state.is_some() {
            about.conference_state.clone_from(&new.conference_state);
        }
        if !new.extensions.is_empty() {
            about.extensions.clone_from(&new.extensions);
        }
        if let Some(views) = &new.views {
            merge_views(about.views.get_or_insert_default(), views);
        }
    }

    /// Merges people; whom the document names, `None` for everybody.
    fn merge_people<'a>(&mut self, document: &'a RosterDocument) -> Option<Vec<&'a Person>> {
        let Some((state, entries)) = &document.users else {
            return (document.state() == State::Partial).then(Vec::new);
        };
        match state {
            State::Deleted => {
                self.people = Tree::default();
                None
            }
            State::Full => {
                let present = entries.iter().filter(|entry| entry.state != State::Deleted);
                self.people = Tree::of(present.map(|entry| entry.person.clone().settled()).collect());
                None
            }
            State::Partial => {
                for entry in entries {
                    self.merge_person(entry);
                }
                Some(entries.iter().map(|entry| &entry.person).collect())
            }
        }
    }

    fn merge_person(&mut self, entry: &Entry) {
        let entity = entry.person.entity();
        let merged = match entry.state {
            State::Deleted => {
                self.people.remove(entity);
                return;
            }
            State::Full => entry.person.clone().settled(),
            State::Partial => match self.people.get(entity) {
                Some(known) => known.merged(&entry.person),
                None => entry.person.clone().settled(),
            },
        };
        if self.people.get(entity) != Some(&merged) {
            self.people.insert(merged);
        }
    }
}

fn merge_views(known: &mut Views, new: &Views) {
    if new.state != State::Partial {
        known.views.clear();
    }
    if new.state == State::Deleted {
        return;
    }
    for view in &new.views {
        let at = known.views.iter().position(|known| known.entity == view.entity);
        match (view.state, at) {
            (State::Deleted, Some(at)) => drop(known.views.remove(at)),
            (State::Deleted, None) => {}
            (State::Partial, Some(at)) => merge_view(&mut known.views[at], view),
            (State::Full, Some(at)) => known.views[at].clone_from(view),
            (State::Full | State::Partial, None) => {
                known.views.push(EntityView { state: State::Full, ..view.clone() });
            }
        }
    }
}

fn merge_view(known: &mut EntityView, new: &EntityView) {
    fn take<T: Clone>(known: &mut Option<T>, new: &Option<T>) {
        if new.is_some() {
            known.clone_from(new);
        }
    }
    take(&mut known.capabilities, &new.capabilities);
    take(&mut known.policy, &new.policy);
    take(&mut known.settings, &new.settings);
    take(&mut known.entity_state, &new.entity_state);
    if !new.extensions.is_empty() {
        known.extensions.clone_from(&new.extensions);
    }
}

#[cfg(test)]
mod tests;
