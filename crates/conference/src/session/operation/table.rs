//! The one table of operations under way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use c3p::McuType;

use super::{Awaited, Command, OperationId, OperationName};
use crate::session::output::{Deadline, Timer};

/// To whom an operation belongs: what decides its fate when something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Owner {
    /// The join: its own rules.
    Join,
    /// Leaving: ends with the session.
    Leave,
    /// Ending the conference: its own rules.
    End,
    /// Commands on the Focus dialog.
    Session,
    /// The same for one MCU, and what waits for it.
    Mcu(McuType),
    /// What goes over one call, and the placing of it once its INVITE is out: recoveries of the session do not touch it.
    Call(McuType),
}

/// The answer that an operation waits for.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Wait {
    pub(in crate::session) awaited: Awaited,
    pub(in crate::session) limit: Duration,
    pub(in crate::session) deadline: Instant,
}

/// One operation.
#[derive(Debug)]
pub(in crate::session) struct Entry {
    pub(in crate::session) name: OperationName,
    pub(in crate::session) owner: Owner,
    /// What to send, while it waits for its MCU.
    pub(in crate::session) queued: Option<Command>,
    pub(in crate::session) wait: Option<Wait>,
}

impl Entry {
    /// An operation that waits for nothing with a deadline of its own.
    pub(in crate::session) const fn new(name: OperationName, owner: Owner) -> Self {
        Self { name, owner, queued: None, wait: None }
    }
}

/// Operations by number, so in the order in which they began.
#[derive(Debug, Default)]
pub(in crate::session) struct Operations {
    entries: BTreeMap<OperationId, Entry>,
}

impl Operations {
    pub(in crate::session) fn insert(&mut self, op: OperationId, entry: Entry) {
        let old = self.entries.insert(op, entry);
        debug_assert!(old.is_none(), "operation {op} began twice");
    }

    pub(in crate::session) fn contains(&self, op: OperationId) -> bool {
        self.entries.contains_key(&op)
    }

    pub(in crate::session) fn get(&self, op: OperationId) -> Option<&Entry> {
        self.entries.get(&op)
    }

    pub(in crate::session) fn get_mut(&mut self, op: OperationId) -> Option<&mut Entry> {
        self.entries.get_mut(&op)
    }

    pub(in crate::session) fn remove(&mut self, op: OperationId) -> Option<Entry> {
        self.entries.remove(&op)
    }

    /// Takes all whose owner fits, in order.
    pub(in crate::session) fn take(&mut self, fits: impl Fn(&Entry) -> bool) -> Vec<(OperationId, Entry)> {
        let (taken, kept) = std::mem::take(&mut self.entries).into_iter().partition(|(_, entry)| fits(entry));
        let taken: BTreeMap<_, _> = taken;
        self.entries = kept;
        taken.into_iter().collect()
    }

    /// Starts the wait for an answer, or starts it anew.
    pub(in crate::session) fn wait(
        &mut self,
        op: OperationId,
        awaited: Awaited,
        limit: Duration,
        now: Instant,
    ) {
        if let Some(entry) = self.entries.get_mut(&op) {
            entry.wait = Some(Wait { awaited, limit, deadline: now + limit });
        }
    }

    pub(in crate::session) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(in crate::session) fn any(&self, fits: impl Fn(&Entry) -> bool) -> bool {
        self.entries.values().any(fits)
    }

    /// The soonest deadline.
    pub(in crate::session) fn soonest(&self) -> Option<Deadline> {
        let waits = self.entries.iter().filter_map(|(op, entry)| Some((entry.wait?.deadline, *op)));
        waits.min().map(|(at, op)| (at, Timer::Operation(op)))
    }
}
