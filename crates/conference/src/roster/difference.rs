//! What changed from one picture to the next.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{McuParticipant, Participant, PropertyChange, PropertyName, PropertyValue};
use crate::event::AttendanceChange;

/// One entry of a user's list.
pub(super) trait Entry: PartialEq {
    /// The order of entries of one user; equal means the same entry.
    fn order(&self, other: &Self) -> Ordering;
    /// Whether its coming and going is an event.
    fn comes_and_goes(&self) -> bool;
}

impl Entry for Participant {
    fn order(&self, other: &Self) -> Ordering {
        self.endpoint.cmp(&other.endpoint)
    }

    fn comes_and_goes(&self) -> bool {
        !self.is_self
    }
}

impl Entry for McuParticipant {
    fn order(&self, other: &Self) -> Ordering {
        self.endpoint.cmp(&other.endpoint).then(self.mcu.cmp(&other.mcu))
    }

    fn comes_and_goes(&self) -> bool {
        true
    }
}

/// The differences found so far, in three lists. Users come in their order, so each list is sorted.
#[derive(Debug)]
pub(super) struct Differences<T> {
    left: Vec<Arc<T>>,
    updated: Vec<Arc<T>>,
    joined: Vec<Arc<T>>,
}

impl<T> Default for Differences<T> {
    fn default() -> Self {
        Self { left: Vec::new(), updated: Vec::new(), joined: Vec::new() }
    }
}

impl<T: Entry> Differences<T> {
    /// Compares the entries of one user, both lists sorted. Gives the new list back; entries that did not change are
    /// shared with the old one.
    pub(super) fn compare(&mut self, old: Vec<Arc<T>>, mut new: Vec<Arc<T>>) -> Vec<Arc<T>> {
        for entry in &mut new {
            match old.binary_search_by(|known| known.order(entry)) {
                Ok(at) if old[at] == *entry => *entry = Arc::clone(&old[at]),
                Ok(_) => self.updated.push(Arc::clone(entry)),
                Err(_) if entry.comes_and_goes() => self.joined.push(Arc::clone(entry)),
                Err(_) => {}
            }
        }
        let is_gone = |entry: &Arc<T>| new.binary_search_by(|known| known.order(entry)).is_err();
        self.left.extend(old.into_iter().filter(|entry| entry.comes_and_goes() && is_gone(entry)));
        new
    }

    /// Left, then updated, then joined.
    pub(super) fn into_ordered<D>(self, difference: impl Fn(AttendanceChange, Arc<T>) -> D) -> Vec<D> {
        let left = self.left.into_iter().map(|entry| (AttendanceChange::Left, entry));
        let updated = self.updated.into_iter().map(|entry| (AttendanceChange::Updated, entry));
        let joined = self.joined.into_iter().map(|entry| (AttendanceChange::Joined, entry));
        left.chain(updated).chain(joined).map(|(change, entry)| difference(change, entry)).collect()
    }
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
