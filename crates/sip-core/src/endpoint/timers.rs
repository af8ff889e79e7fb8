//! One deadline per transaction, in order.

use std::collections::BTreeSet;
use std::time::Instant;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A client transaction.
    Client(u64),
    /// A server transaction.
    Server(u64),
}

/// The deadlines of all transactions.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, Who)>,
}

impl Timers {
    /// Replaces the deadline `old` of `who` by `new`.
    pub(super) fn change(&mut self, who: Who, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.due.remove(&(old, who));
        }
        if let Some(new) = new {
            self.due.insert((new, who));
        }
    }

    /// Takes out the next one due at `now`; its owner has to set its deadline anew.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Who> {
        let first = *self.due.first()?;
        if first.0 > now {
            return None;
        }
        self.due.remove(&first);
        Some(first.1)
    }

    /// The soonest deadline.
    pub(super) fn soonest(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}
