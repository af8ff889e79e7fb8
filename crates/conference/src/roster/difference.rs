//! What changed from one picture to the next.

use std::sync::Arc;

use super::{Difference, Participant, PropertyChange, PropertyName, PropertyValue};
use crate::event::AttendanceChange;

/// The differences found so far, in three lists. Users come in their order, so each list is sorted.
#[derive(Debug, Default)]
pub(super) struct Differences {
    left: Vec<Difference>,
    updated: Vec<Difference>,
    joined: Vec<Difference>,
}

impl Differences {
    /// Compares the entries of one user, both lists sorted by endpoint. Gives the new list back; entries that did not
    /// change are shared with the old one.
    pub(super) fn compare(
        &mut self,
        old: Vec<Arc<Participant>>,
        mut new: Vec<Arc<Participant>>,
    ) -> Vec<Arc<Participant>> {
        for participant in &mut new {
            match old.binary_search_by(|known| known.endpoint.cmp(&participant.endpoint)) {
                Ok(at) if old[at] == *participant => *participant = Arc::clone(&old[at]),
                Ok(_) => self.updated.push(difference(AttendanceChange::Updated, participant)),
                Err(_) if participant.is_self => {}
                Err(_) => self.joined.push(difference(AttendanceChange::Joined, participant)),
            }
        }
        let gone = |participant: &&Arc<Participant>| {
            !participant.is_self
                && new.binary_search_by(|known| known.endpoint.cmp(&participant.endpoint)).is_err()
        };
        self.left.extend(old.iter().filter(gone).map(|who| difference(AttendanceChange::Left, who)));
        new
    }

    /// Left, then updated, then joined.
    pub(super) fn into_ordered(self) -> Vec<Difference> {
        let mut all = self.left;
        all.extend(self.updated);
        all.extend(self.joined);
        all
    }
}

fn difference(change: AttendanceChange, participant: &Arc<Participant>) -> Difference {
    Difference { change, participant: Arc::clone(participant) }
}

/// The properties that differ, by name.
pub(super) fn properties(
    old: &[(PropertyName, PropertyValue)],
    new: &[(PropertyName, PropertyValue)],
) -> Vec<PropertyChange> {
    let value = |list: &[(PropertyName, PropertyValue)], name| {
        list.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    let mut names: Vec<_> = old.iter().chain(new).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| PropertyChange { name, old: value(old, name), new: value(new, name) })
        .filter(|change| change.old != change.new)
        .collect()
}
