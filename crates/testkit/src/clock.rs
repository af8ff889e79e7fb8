//! The virtual clock: time that moves only when the simulation moves it.

use std::time::{Duration, Instant};

/// Virtual time, counted from the beginning of a run.
///
/// Cores want [`Instant`]s, which cannot be made from nothing: the clock takes one when it is made, and from then on only
/// differences count. Two runs of one seed see the same differences.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
    now: Instant,
}

impl Clock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        let origin = Instant::now();
        Clock { origin, now: origin }
    }

    /// The present moment, as cores want it.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long the run lasts already.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// Moves to a later moment; an earlier one changes nothing.
    pub fn advance_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
