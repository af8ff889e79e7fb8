//! What nobody needs any more goes away: bindings that ran out, and conferences that expired while nobody was in them.
//!
//! Every front end looks from time to time. Each removal is guarded by what was read, so that they do not disturb each
//! other, or anybody who is just coming back.

use std::time::Instant;

use super::FrontEndCore;
use super::core::Wanted;
use crate::record::{BindingRecord, ConferenceHead, Record, key};
use crate::store::{Entry, Expect, StoreError, StoreOp, StoreValue, Txn};

/// Bindings that go away in one write; the rest waits for the next look.
const BINDINGS_MAX: usize = 500;

impl FrontEndCore {
    /// Looks through the store.
    pub(super) fn clean_up(&mut self) {
        self.want(StoreOp::List(key::BINDINGS.to_owned()), Wanted::Bindings);
        self.want(StoreOp::List(key::HEADS.to_owned()), Wanted::Heads);
    }

    /// All bindings were read, or not.
    pub(super) fn on_bindings(&mut self, result: Result<StoreValue, StoreError>, now: Instant) {
        let Ok(StoreValue::Entries(entries)) = result else { return };
        let over = |entry: &Entry| {
            BindingRecord::decode(&entry.value).is_ok_and(|record| self.is_past(&record.expires, now))
        };
        let mut txn = Txn::new();
        for entry in entries.into_iter().filter(over).take(BINDINGS_MAX) {
            txn = txn.guard(entry.key.clone(), Expect::Revision(entry.revision)).delete(entry.key);
        }
        if !txn.deletes.is_empty() {
            self.want(StoreOp::Commit(txn), Wanted::Nothing);
        }
    }

    /// All conferences were read, or not.
    pub(super) fn on_heads(&mut self, result: Result<StoreValue, StoreError>, now: Instant) {
        let Ok(StoreValue::Entries(entries)) = result else { return };
        for entry in entries {
            let Some(name) = entry.key.strip_prefix(key::HEADS).map(str::to_owned) else { continue };
            let over = |head: &ConferenceHead| !head.active && self.is_past(&head.expires, now);
            if ConferenceHead::decode(&entry.value).is_ok_and(|head| over(&head)) {
                let op = StoreOp::List(key::members(&name));
                self.want(op, Wanted::Expired { name, revision: entry.revision });
            }
        }
    }

    fn is_past(&self, time: &str, now: Instant) -> bool {
        time.parse::<jiff::Timestamp>().is_ok_and(|until| until <= self.wall(now))
    }
}
