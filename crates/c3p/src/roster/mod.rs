//! The roster: everybody in a conference as one immutable picture, and what changes from one picture to the next.
//!
//! A [`RosterDocument`] is read straight from the bytes of a conference-info document into [`Person`]s, each one piece of
//! memory; applying it to a [`Roster`] gives the next roster and the [`Differences`]. Rosters are cheap to copy: old ones
//! stay what they were and share what did not change, so that a reader never waits and a partial document costs what it
//! changes, however many are in the conference.
//!
//! Versions are judged, and what is not about people is merged, by [`change`]. A full document that answers a new subscription is compared with what was known: only what really
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
mod field;
mod fields;
mod packer;
mod parts;
mod person;
mod read;
mod tree;
mod word;
mod write;

use std::sync::Arc;

use bytes::Bytes;

use crate::change::{self, Verdict};
use crate::info::{ConferenceInfo, State};
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
            let entries = users
                .users
                .iter()
                .map(|user| Entry { state: user.state, person: Person::from(user) })
                .collect();
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
    /// It is older than the roster, and changes nothing.
    Old,
    /// It cannot be applied: documents before it are missing. A full document is needed.
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
        if document.state() == State::Deleted {
            return Applied::Over;
        }
        match change::judge(self.version(), &document.about, fresh) {
            Verdict::Apply => {}
            Verdict::Old => return Applied::Old,
            Verdict::Gap => return Applied::Gap,
        }
        let mut next = match document.state() {
            State::Partial => self.clone(),
            State::Full | State::Deleted => Self::default(),
        };
        change::apply(Arc::make_mut(&mut next.about), &document.about);
        let touched = next.merge_people(document);
        let differences = match touched {
            Some(touched) if document.state() == State::Partial => Differences::of(self, &next, &touched),
            _ => Differences::between(self, &next),
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
                if entries.iter().all(|entry| entry.state == State::Full) {
                    self.people =
                        Tree::of(entries.iter().map(|entry| entry.person.clone().settled()).collect());
                } else {
                    // One after the other: one entry may take back what another said.
                    self.people = Tree::default();
                    entries.iter().for_each(|entry| self.merge_person(entry));
                }
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
