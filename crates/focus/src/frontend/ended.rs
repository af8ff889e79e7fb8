//! Who has heard of the end of a conference: those may come again as they were, all others are refused (reliability P8).
//!
//! The write that ends a conference leaves a record of everybody who was in. An answered BYE makes it needless; many of
//! them go away in one write, those that come meanwhile in the next.

use super::FrontEndCore;
use super::core::Wanted;
use crate::conference::{Outcome, PersonKey};
use crate::record::{ParticipantRecord, Record, Removed, key};
use crate::store::{Entry, Expect, StoreError, StoreOp, StoreValue, Txn};

impl FrontEndCore {
    /// Somebody answered the BYE that told him of the end, or did not.
    pub(super) fn on_end_told(&mut self, name: &str, person: &PersonKey, outcome: &Outcome) {
        // 481: he had left by himself.
        let told =
            matches!(outcome, Outcome::Response(answer) if answer.status() < 300 || answer.status() == 481);
        if !told {
            return;
        }
        let first = !self.told.contains_key(name);
        let at = key::participant(name, &person.user, &person.endpoint);
        self.told.entry(name.to_owned()).or_default().insert(at);
        if first {
            let op = StoreOp::List(key::members(name));
            self.want(op, Wanted::Told { name: name.to_owned() });
        }
    }

    /// What is left of an ended conference was read.
    pub(super) fn on_told(&mut self, name: &str, result: Result<StoreValue, StoreError>) {
        let told = self.told.remove(name).unwrap_or_default();
        let Ok(StoreValue::Entries(entries)) = result else { return };
        let mut txn = Txn::new();
        for entry in entries.into_iter().filter(|entry| told.contains(&entry.key) && is_of_the_end(entry)) {
            txn = txn.guard(entry.key.clone(), Expect::Revision(entry.revision)).delete(entry.key);
        }
        if !txn.deletes.is_empty() {
            self.want(StoreOp::Commit(txn), Wanted::Nothing);
        }
    }

    /// Whether a record says only that somebody was in at the end, and he knows that already.
    pub(super) fn is_needless(&self, name: &str, entry: &Entry) -> bool {
        self.told.get(name).is_some_and(|told| told.contains(&entry.key)) && is_of_the_end(entry)
    }
}

fn is_of_the_end(entry: &Entry) -> bool {
    ParticipantRecord::decode(&entry.value).is_ok_and(|record| record.removed == Some(Removed::Ended))
}
