//! Timers A to M of RFC 3261 section 17 and RFC 6026, by letter, and what their durations follow from.
//!
//! Not here: a clock. Each machine is given `now` and tells its soonest deadline.

use std::time::{Duration, Instant};

/// Which timer of RFC 3261 (table 4) or RFC 6026 a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerName {
    /// INVITE request retransmission, unreliable transports only.
    A,
    /// INVITE transaction time-out.
    B,
    /// Waits for more retransmissions of a non-2xx final response to an INVITE (client).
    D,
    /// Non-INVITE request retransmission, unreliable transports only.
    E,
    /// Non-INVITE transaction time-out.
    F,
    /// Retransmission of a non-2xx final response to an INVITE, unreliable transports only.
    G,
    /// Waits for the ACK.
    H,
    /// Waits for retransmissions of the ACK.
    I,
    /// Waits for retransmissions of a non-INVITE request.
    J,
    /// Waits for retransmissions of a response to a non-INVITE request.
    K,
    /// Waits for retransmissions of an INVITE that got a 2xx (RFC 6026, server).
    L,
    /// Waits for retransmissions of the 2xx to an INVITE (RFC 6026, client).
    M,
    /// The 200 ms after which a server INVITE transaction says 100 (RFC 3261 section 17.2.1); it has no letter.
    Trying,
}

/// T1, T2 and T4 of RFC 3261 table 4: everything else follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Round-trip time estimate.
    pub t1: Duration,
    /// Longest interval between retransmissions of a non-INVITE request or an INVITE response.
    pub t2: Duration,
    /// Longest time a message stays in the network.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// 64*T1: timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: at least 32 s on unreliable transports, nothing on reliable ones.
    pub(super) fn timer_d(&self, link: Link) -> Duration {
        match link {
            Link::Reliable => Duration::ZERO,
            Link::Unreliable => self.give_up().max(Duration::from_secs(32)),
        }
    }

    /// Timers I and K: T4 on unreliable transports, nothing on reliable ones.
    pub(super) fn linger(&self, link: Link) -> Duration {
        match link {
            Link::Reliable => Duration::ZERO,
            Link::Unreliable => self.t4,
        }
    }

    /// Timer J: 64*T1 on unreliable transports, nothing on reliable ones.
    pub(super) fn timer_j(&self, link: Link) -> Duration {
        match link {
            Link::Reliable => Duration::ZERO,
            Link::Unreliable => self.give_up(),
        }
    }
}

/// Whether the transport delivers by itself (TCP, TLS) or the transaction has to retransmit (UDP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// TCP, TLS: no retransmissions.
    Reliable,
    /// UDP: retransmit until answered.
    Unreliable,
}

/// A retransmission timer: next deadline and the interval that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    /// When to send again.
    pub(super) at: Instant,
    interval: Duration,
}

impl Retransmit {
    /// Armed for T1 from `now` on unreliable transports; absent on reliable ones.
    pub(super) fn start(timing: &Timing, link: Link, now: Instant) -> Option<Self> {
        match link {
            Link::Reliable => None,
            Link::Unreliable => Some(Self { at: now + timing.t1, interval: timing.t1 }),
        }
    }

    /// The same timer after it fired: the interval doubled, but at most `cap`.
    pub(super) fn again(self, now: Instant, cap: Option<Duration>) -> Self {
        let doubled = self.interval * 2;
        let interval = cap.map_or(doubled, |cap| doubled.min(cap));
        Self { at: now + interval, interval }
    }

    /// The same timer after it fired, from now on in equal steps.
    pub(super) fn every(self, now: Instant, interval: Duration) -> Self {
        Self { at: now + interval, interval }
    }
}

/// The sooner of a retransmission and the deadline that ends the state.
pub(super) fn sooner(
    again: Option<Retransmit>,
    name: TimerName,
    end: (Instant, TimerName),
) -> (Instant, TimerName) {
    match again {
        Some(again) if again.at < end.0 => (again.at, name),
        Some(_) | None => end,
    }
}
