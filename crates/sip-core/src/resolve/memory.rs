//! What is remembered of destinations: which failed a while ago, and which one a dialog or a registration uses.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::config::Destination;
use crate::endpoint::Target;

/// Limits of a [`DestinationMemory`]; start from the default and use `with_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// For how long a destination that did not answer is tried last. Default 30 s.
    pub bad_for: Duration,
    /// The longest `Retry-After` that is believed. Default 10 min.
    pub max_retry_after: Duration,
    /// Failed destinations remembered; the one that may be tried again first makes room. Default 1,024.
    pub max_bad: usize,
    /// Dialogs and registrations whose destination is remembered; the one unused for longest makes room. Default 16,384.
    pub max_kept: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            bad_for: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(600),
            max_bad: 1_024,
            max_kept: 16_384,
        }
    }
}

impl MemoryConfig {
    /// With this time for destinations that did not answer.
    #[must_use]
    pub fn with_bad_for(mut self, time: Duration) -> Self {
        self.bad_for = time;
        self
    }

    /// With this longest `Retry-After`.
    #[must_use]
    pub fn with_max_retry_after(mut self, time: Duration) -> Self {
        self.max_retry_after = time;
        self
    }

    /// With room for this many failed destinations.
    #[must_use]
    pub fn with_max_bad(mut self, max: usize) -> Self {
        self.max_bad = max;
        self
    }

    /// With room for this many dialogs and registrations.
    #[must_use]
    pub fn with_max_kept(mut self, max: usize) -> Self {
        self.max_kept = max;
        self
    }
}

#[derive(Debug)]
struct Kept {
    destination: Destination,
    used: u64,
}

/// Which destinations failed, and who goes where; bounded.
///
/// One for all requests of a user agent or proxy. `who` is any text that names what has to stay together: a Call-ID, the
/// address of record of a registration.
#[derive(Debug, Default)]
pub struct DestinationMemory {
    config: MemoryConfig,
    bad: HashMap<Target, (Instant, u64)>,
    bad_by_end: BTreeMap<(Instant, u64), Target>,
    kept: HashMap<String, Kept>,
    kept_by_use: BTreeMap<u64, String>,
    newest: u64,
}

impl DestinationMemory {
    /// An empty memory.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &MemoryConfig {
        &self.config
    }

    /// Puts a list into the order in which it is to be tried: where `who` was before comes first, while it works; what failed
    /// comes last, in its old order. Nothing is left out.
    #[must_use]
    pub fn arrange(&self, who: Option<&str>, destinations: &[Destination], now: Instant) -> Vec<Destination> {
        let kept = who.and_then(|who| self.kept_for(who));
        let mut all = destinations.to_vec();
        all.sort_by_key(|destination| {
            let bad = self.is_bad(destination, now);
            (bad, bad || kept.is_none_or(|kept| kept != destination))
        });
        all
    }

    /// Remembers that a destination failed: it is tried last for [`MemoryConfig::bad_for`].
    pub fn failed(&mut self, destination: &Destination, now: Instant) {
        self.mark(destination, self.config.bad_for, now);
    }

    /// Remembers that a destination asked to be left alone for a while (503 with `Retry-After`).
    pub fn told_to_wait(&mut self, destination: &Destination, time: Duration, now: Instant) {
        self.mark(destination, time.min(self.config.max_retry_after), now);
    }

    /// Remembers that a destination answered, and that `who` is there now.
    pub fn works(&mut self, who: Option<&str>, destination: &Destination) {
        self.unmark(&destination.target());
        let Some(who) = who.filter(|_| self.config.max_kept > 0) else { return };
        self.release(who);
        while self.kept.len() >= self.config.max_kept {
            let Some((_, oldest)) = self.kept_by_use.pop_first() else { break };
            self.kept.remove(&oldest);
        }
        self.newest += 1;
        self.kept_by_use.insert(self.newest, who.to_owned());
        self.kept.insert(who.to_owned(), Kept { destination: destination.clone(), used: self.newest });
        debug_assert_eq!(self.kept.len(), self.kept_by_use.len(), "each is used at one time");
    }

    /// Whether a destination is to be tried last.
    #[must_use]
    pub fn is_bad(&self, destination: &Destination, now: Instant) -> bool {
        self.bad.get(&destination.target()).is_some_and(|(until, _)| now < *until)
    }

    /// Where `who` goes.
    #[must_use]
    pub fn kept_for(&self, who: &str) -> Option<&Destination> {
        self.kept.get(who).map(|kept| &kept.destination)
    }

    /// Forgets where `who` goes: the dialog or the registration is over.
    pub fn release(&mut self, who: &str) {
        if let Some(kept) = self.kept.remove(who) {
            self.kept_by_use.remove(&kept.used);
        }
    }

    /// How many failed destinations, and how many dialogs and registrations it remembers.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.bad.len(), self.kept.len())
    }

    /// Whether it remembers nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bad.is_empty() && self.kept.is_empty()
    }

    fn mark(&mut self, destination: &Destination, time: Duration, now: Instant) {
        let Some(until) = now.checked_add(time).filter(|_| !time.is_zero()) else { return };
        let place = destination.target();
        // A shorter time does not undo a longer one that the destination asked for.
        let until = self.bad.get(&place).map_or(until, |(known, _)| until.max(*known));
        self.unmark(&place);
        while self.bad.len() >= self.config.max_bad {
            let Some((_, soonest)) = self.bad_by_end.pop_first() else { return };
            self.bad.remove(&soonest);
        }
        self.newest += 1;
        self.bad.insert(place.clone(), (until, self.newest));
        self.bad_by_end.insert((until, self.newest), place);
        debug_assert_eq!(self.bad.len(), self.bad_by_end.len(), "each ends once");
    }

    fn unmark(&mut self, place: &Target) {
        if let Some(end) = self.bad.remove(place) {
            self.bad_by_end.remove(&end);
        }
    }
}
