//! What two rosters differ in: people, their endpoints, the media streams of these.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::fields::Fields;
use super::person::{EndpointRef, MediaRef, Person};
use super::tree::Pair;
use super::{Roster, field, tree, write};

/// What happened to somebody or something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It was there and is not any more.
    Left,
    /// It is there with other values.
    Updated,
    /// It was not there.
    Joined,
}

/// What a roster differs in from the one before.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Differences {
    /// Whether the description is another one.
    pub description: bool,
    /// Whether the host is another one.
    pub host_info: bool,
    /// Whether the state of the conference is another one.
    pub conference_state: bool,
    /// The entities of the views that came, went or changed, sorted.
    pub views: Vec<String>,
    /// Something beside people is not there any more, which no partial document can say.
    pub(super) unsayable: bool,
    /// People: those who left, then those whose entries changed, then those who joined, each by entity.
    pub people: Vec<PersonDifference>,
}

impl Differences {
    /// Compares whole rosters. What they share costs nothing.
    #[must_use]
    pub fn between(old: &Roster, new: &Roster) -> Self {
        let pairs = tree::differences(&old.people, &new.people);
        let people = pairs.into_iter().map(|pair| match pair {
            Pair::Left(before) => PersonDifference { before: Some(before.clone()), after: None },
            Pair::Right(after) => PersonDifference { before: None, after: Some(after.clone()) },
            Pair::Both(before, after) => {
                PersonDifference { before: Some(before.clone()), after: Some(after.clone()) }
            }
        });
        Self::about(old, new).with_people(people.collect())
    }

    /// Compares the entries of these people only.
    pub(super) fn of(old: &Roster, new: &Roster, touched: &[&Person]) -> Self {
        let entities: BTreeSet<&str> = touched.iter().map(|person| person.entity()).collect();
        let people = entities.into_iter().filter_map(|entity| {
            let (before, after) = (old.person(entity), new.person(entity));
            (before != after).then(|| PersonDifference { before: before.cloned(), after: after.cloned() })
        });
        Self::about(old, new).with_people(people.collect())
    }

    fn about(old: &Roster, new: &Roster) -> Self {
        let (old, new) = (old.about(), new.about());
        let views = || old.views().chain(new.views()).map(|view| view.entity.as_str());
        let find = |info: &'_ crate::info::ConferenceInfo, entity: &str| {
            info.views().find(|view| view.entity == entity).cloned()
        };
        let changed = views().collect::<BTreeSet<_>>().into_iter();
        Self {
            description: old.description != new.description,
            host_info: old.host_info != new.host_info,
            conference_state: old.conference_state != new.conference_state,
            unsayable: (old.description.is_some() && new.description.is_none())
                || (old.host_info.is_some() && new.host_info.is_none())
                || (old.conference_state.is_some() && new.conference_state.is_none())
                || (old.extensions != new.extensions),
            views: changed.filter(|one| find(old, one) != find(new, one)).map(str::to_owned).collect(),
            people: Vec::new(),
        }
    }

    fn with_people(mut self, mut people: Vec<PersonDifference>) -> Self {
        people.retain(|person| person.kind() != Kind::Updated || person.is_visible());
        // Stable: by entity within a kind.
        people.sort_by_key(PersonDifference::kind);
        self.people = people;
        self
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The document that tells of them: to be sent to everybody who has the roster before, under the number of `new`, which
    /// is the roster after. A partial one, unless something went of which a partial document cannot say that it did.
    #[must_use]
    pub fn write(&self, new: &Roster) -> Bytes {
        if self.unsayable { new.write() } else { write::partial(self, new) }
    }
}

/// What happened to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonDifference {
    before: Option<Person>,
    after: Option<Person>,
}

impl PersonDifference {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        kind(self.before.is_some(), self.after.is_some())
    }

    /// Whom it is about: as he is, or as he was when he left.
    #[must_use]
    pub fn person(&self) -> &Person {
        self.after.as_ref().or(self.before.as_ref()).unwrap_or_else(|| unreachable!("one of them is there"))
    }

    /// As he was before; `None` if he joined.
    #[must_use]
    pub fn before(&self) -> Option<&Person> {
        self.before.as_ref()
    }

    /// As he is now; `None` if he left.
    #[must_use]
    pub fn after(&self) -> Option<&Person> {
        self.after.as_ref()
    }

    /// The values of the person himself that changed, by the names of the elements. Empty unless he was updated.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => changed(before.fields(), after.fields(), field::is_of_person),
            _ => Vec::new(),
        }
    }

    /// His endpoints that left, changed or joined, in that order, each in the order of the document. Those of somebody who
    /// left have left, those of somebody who joined have joined.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointDifference<'_>> {
        let before: Vec<EndpointRef<'_>> = self.before.iter().flat_map(Person::endpoints).collect();
        let after: Vec<EndpointRef<'_>> = self.after.iter().flat_map(Person::endpoints).collect();
        pairs(before, after, |one, other| one.is(other.entity(), other.session_type().as_ref()))
            .into_iter()
            .map(|(before, after)| EndpointDifference { before, after })
            .filter(|difference| difference.kind() != Kind::Updated || difference.is_visible())
            .collect()
    }

    /// Whether anything but the order of things is different.
    fn is_visible(&self) -> bool {
        !self.fields().is_empty() || !self.endpoints().is_empty()
    }
}

/// What happened to one endpoint of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointDifference<'a> {
    before: Option<EndpointRef<'a>>,
    after: Option<EndpointRef<'a>>,
}

impl<'a> EndpointDifference<'a> {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        kind(self.before.is_some(), self.after.is_some())
    }

    /// As it was before; `None` if it joined.
    #[must_use]
    pub fn before(&self) -> Option<EndpointRef<'a>> {
        self.before
    }

    /// As it is now; `None` if it left.
    #[must_use]
    pub fn after(&self) -> Option<EndpointRef<'a>> {
        self.after
    }

    /// The values of the endpoint itself that changed, by the names of the elements or attributes. Empty unless it was
    /// updated.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        match (self.before, self.after) {
            (Some(before), Some(after)) => {
                changed(before.fields(), after.fields(), |field| field::rank(field) < field::MEDIA_RANK)
            }
            _ => Vec::new(),
        }
    }

    /// Its media streams that left, changed or joined, in that order.
    #[must_use]
    pub fn media(&self) -> Vec<MediaDifference<'a>> {
        let all =
            |endpoint: Option<EndpointRef<'a>>| endpoint.into_iter().flat_map(EndpointRef::media).collect();
        pairs(all(self.before), all(self.after), |one: &MediaRef<'_>, other| one.id() == other.id())
            .into_iter()
            .map(|(before, after)| MediaDifference { before, after })
            .filter(|difference| difference.kind() != Kind::Updated || !difference.fields().is_empty())
            .collect()
    }

    fn is_visible(&self) -> bool {
        !self.fields().is_empty() || !self.media().is_empty()
    }
}

/// What happened to one media stream of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaDifference<'a> {
    before: Option<MediaRef<'a>>,
    after: Option<MediaRef<'a>>,
}

impl<'a> MediaDifference<'a> {
    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        kind(self.before.is_some(), self.after.is_some())
    }

    /// As it was before; `None` if it is new.
    #[must_use]
    pub fn before(&self) -> Option<MediaRef<'a>> {
        self.before
    }

    /// As it is now; `None` if it ended.
    #[must_use]
    pub fn after(&self) -> Option<MediaRef<'a>> {
        self.after
    }

    /// The values that changed, by the names of the elements. Empty unless it was updated.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        match (self.before, self.after) {
            (Some(before), Some(after)) => changed(before.fields(), after.fields(), |_| true),
            _ => Vec::new(),
        }
    }
}

fn kind(before: bool, after: bool) -> Kind {
    match (before, after) {
        (true, false) => Kind::Left,
        (false, true) => Kind::Joined,
        (true, true) | (false, false) => Kind::Updated,
    }
}

/// Finds what belongs together: what left, what is in both, what joined.
fn pairs<T: Copy + PartialEq>(
    before: Vec<T>,
    after: Vec<T>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<(Option<T>, Option<T>)> {
    let partner = |one: &T, others: &[T]| others.iter().find(|other| is_same(one, other)).copied();
    let left = before.iter().filter(|one| partner(one, &after).is_none()).map(|one| (Some(*one), None));
    let both = after.iter().filter_map(|one| Some((Some(partner(one, &before)?), Some(*one))));
    let joined = after.iter().filter(|one| partner(one, &before).is_none()).map(|one| (None, Some(*one)));
    left.chain(both.filter(|(before, after)| before != after)).chain(joined).collect()
}

/// The names of the fields of one level that differ.
fn changed(before: Fields<'_>, after: Fields<'_>, is_own: impl Fn(u8) -> bool) -> Vec<&'static str> {
    let own = |fields: Fields<'_>| -> Vec<(u8, String)> {
        let own = fields.take_while(|(field, _)| is_own(*field));
        own.map(|(field, value)| (field, value.to_owned())).collect()
    };
    let (before, after) = (own(before), own(after));
    let of = |values: &[(u8, String)], wanted: u8| -> Vec<String> {
        values.iter().filter(|(field, _)| *field == wanted).map(|(_, value)| value.clone()).collect()
    };
    let names: BTreeSet<u8> = before.iter().chain(&after).map(|(field, _)| *field).collect();
    let mut names: Vec<u8> =
        names.into_iter().filter(|name| of(&before, *name) != of(&after, *name)).collect();
    names.sort_by_key(|name| field::rank(*name));
    names.into_iter().map(field::name).collect()
}
