//! Against guessing: who fails to prove a password too often has to wait, longer each time.
//!
//! Failures are counted per identity and per address. An identity that is locked is locked for addresses that never
//! proved it: whoever was let in from an address before is not locked out there by what others try elsewhere. Unknown
//! identities are counted and locked as known ones are, so a lock tells nothing.
//!
//! # Invariants
//!
//! - The number of remembered identities, addresses and places is bounded; the oldest ones are forgotten.
//! - A success forgives nothing: else who has one password could guess others without end. Failures are forgotten by time.
//! - While somebody is locked his failures do not count: a lock ends.
//!
//! Not here: what a failure is ([`super::DigestServer`], the server of associations), which address counts when a
//! request came through others.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How many failures are free, and how long one has to wait after more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GuardConfig {
    /// Failures of one identity before it is locked. Default: 5.
    pub identity_failures: u32,
    /// Failures from one address before it is locked: many people may share it. Default: 30.
    pub address_failures: u32,
    /// The first lock; each one after it is twice as long. Default: 2 s.
    pub first_lock: Duration,
    /// The longest lock. Default: 15 min.
    pub lock_max: Duration,
    /// After this time without a failure nothing is held against one any more. Default: 1 h.
    pub forget_after: Duration,
    /// Identities, addresses, and places of identities that are remembered, each. Default: 50,000.
    pub entries_max: usize,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            identity_failures: 5,
            address_failures: 30,
            first_lock: Duration::from_secs(2),
            lock_max: Duration::from_secs(900),
            forget_after: Duration::from_secs(3600),
            entries_max: 50_000,
        }
    }
}

impl GuardConfig {
    /// Sets how many failures are free: of an identity, and from an address.
    #[must_use]
    pub fn with_failures(mut self, identity: u32, address: u32) -> Self {
        (self.identity_failures, self.address_failures) = (identity, address);
        self
    }

    /// Sets the shortest and the longest lock.
    #[must_use]
    pub fn with_locks(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_lock, self.lock_max) = (first, longest);
        self
    }

    /// Sets how long failures count.
    #[must_use]
    pub fn with_forget_after(mut self, time: Duration) -> Self {
        self.forget_after = time;
        self
    }

    /// Sets how much is remembered.
    #[must_use]
    pub fn with_entries_max(mut self, entries: usize) -> Self {
        self.entries_max = entries.max(1);
        self
    }
}

/// An identity by a hash: long names take no more memory than short ones.
type Identity = [u8; 16];

/// Who is locked, until when; see the module's header.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_core::auth::{Guard, GuardConfig};
///
/// let (home, cafe) = ("192.0.2.1".parse().ok(), "198.51.100.7".parse().ok());
/// let now = Instant::now();
/// let mut guard = Guard::new(GuardConfig::default().with_failures(3, 100));
/// guard.succeeded("alice@example.com", home, now);
/// for _ in 0..3 {
///     assert_eq!(guard.locked("alice@example.com", cafe, now), None);
///     guard.failed("alice@example.com", cafe, now);
/// }
/// assert_eq!(guard.locked("alice@example.com", cafe, now), Some(Duration::from_secs(2)));
/// assert_eq!(guard.locked("alice@example.com", home, now), None, "she was here before");
/// assert_eq!(guard.locked("alice@example.com", cafe, now + Duration::from_secs(2)), None);
/// ```
pub struct Guard {
    config: GuardConfig,
    identities: Table<Identity>,
    addresses: Table<IpAddr>,
    places: Table<(Identity, IpAddr)>,
}

impl Guard {
    /// Nobody is locked.
    #[must_use]
    pub fn new(config: GuardConfig) -> Self {
        Self { config, identities: Table::default(), addresses: Table::default(), places: Table::default() }
    }

    /// How long somebody still has to wait; `None`: not at all.
    ///
    /// - `address`: where it came from; `None` when others stand between, then only the identity counts.
    #[must_use]
    pub fn locked(&self, identity: &str, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let identity = key_of(identity);
        let address = address.map(network);
        let place = address.and_then(|address| self.places.until(&(identity, address)));
        let identity = self.identities.until(&identity).filter(|_| place.is_none_or(|until| until <= now));
        let address = address.and_then(|address| self.addresses.until(&address));
        let until = identity.max(address)?;
        (now < until).then(|| until - now)
    }

    /// Takes note of a wrong proof. Not to be called for somebody who is locked.
    pub fn failed(&mut self, identity: &str, address: Option<IpAddr>, now: Instant) {
        let config = &self.config;
        self.identities.count(key_of(identity), config.identity_failures, config, now);
        if let Some(address) = address {
            self.addresses.count(network(address), config.address_failures, config, now);
        }
    }

    /// Takes note of a right proof: this identity is known at this address for a day, or eight times the time that
    /// failures count if that is longer. Without an address it means nothing: anybody may come that way.
    pub fn succeeded(&mut self, identity: &str, address: Option<IpAddr>, now: Instant) {
        let life = Duration::from_secs(86_400).max(self.config.forget_after.saturating_mul(8));
        let Some(address) = address else { return };
        let entry = Entry { failures: 0, last: now, until: later(now, life) };
        self.places.put((key_of(identity), network(address)), entry, self.config.entries_max);
    }

    /// How many identities, addresses and places are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.identities.entries.len() + self.addresses.entries.len() + self.places.entries.len()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("remembered", &self.remembered()).finish_non_exhaustive()
    }
}

/// Names are without case here: `Alice` is not a second identity to guess at.
fn key_of(identity: &str) -> Identity {
    let hash: [u8; 32] = Sha256::digest(identity.to_lowercase().as_bytes()).into();
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

/// One subscriber of IPv6 has at least 64 bits for himself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        },
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}

#[derive(Clone, Copy)]
struct Entry {
    failures: u32,
    last: Instant,
    until: Instant,
}

/// Entries by key, and by the time of their last change.
struct Table<K> {
    entries: HashMap<K, Entry>,
    by_age: BTreeSet<(Instant, K)>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { entries: HashMap::new(), by_age: BTreeSet::new() }
    }
}

impl<K: Copy + Ord + Hash> Table<K> {
    fn until(&self, key: &K) -> Option<Instant> {
        self.entries.get(key).map(|entry| entry.until)
    }

    fn count(&mut self, key: K, free: u32, config: &GuardConfig, now: Instant) {
        let held = self.entries.get(&key).filter(|entry| now < later(entry.last, config.forget_after));
        let failures = held.map_or(0, |entry| entry.failures).saturating_add(1);
        let until = match failures.checked_sub(free.max(1)) {
            Some(times) => {
                let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
                later(now, config.first_lock.saturating_mul(factor).min(config.lock_max))
            }
            None => now,
        };
        self.put(key, Entry { failures, last: now, until }, config.entries_max);
    }

    fn put(&mut self, key: K, entry: Entry, most: usize) {
        if let Some(old) = self.entries.insert(key, entry) {
            self.by_age.remove(&(old.last, key));
        }
        self.by_age.insert((entry.last, key));
        while self.entries.len() > most {
            let Some((_, oldest)) = self.by_age.pop_first() else { return };
            self.entries.remove(&oldest);
        }
        debug_assert_eq!(self.entries.len(), self.by_age.len(), "two views of the same entries");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "alice@example.com";

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Locks double up to the longest; failures under a lock are the caller's not to count; time forgives.
    #[test]
    fn locks_grow_and_end() {
        let mut now = Instant::now();
        let config = GuardConfig::default().with_failures(2, 100).with_locks(secs(1), secs(5));
        let mut guard = Guard::new(config.with_forget_after(secs(60)));
        let mut waits = Vec::new();
        for _ in 0..6 {
            guard.failed(ALICE, None, now);
            let wait = guard.locked("ALICE@example.com", None, now);
            waits.push(wait.map_or(0, |wait| wait.as_secs()));
            now += wait.unwrap_or_default();
            assert_eq!(guard.locked(ALICE, None, now), None, "it ends");
        }
        assert_eq!(waits, [0, 1, 2, 4, 5, 5]);
        now += secs(60);
        guard.failed(ALICE, None, now);
        assert_eq!(guard.locked(ALICE, None, now), None, "forgotten");
    }

    /// One address that tries many names is locked for each of them; other addresses are not.
    #[test]
    fn addresses_count_too() {
        let now = Instant::now();
        let mut guard = Guard::new(GuardConfig::default().with_failures(5, 3));
        for name in ["a", "b", "c"] {
            assert_eq!(guard.locked(name, at("2001:db8::1"), now), None);
            guard.failed(name, at("2001:db8::1"), now);
        }
        assert!(guard.locked("d", at("2001:db8::2"), now).is_some(), "the same network");
        assert_eq!(guard.locked("d", at("2001:db8:1::"), now), None);
        assert_eq!(guard.locked("a", at("192.0.2.1"), now), None);
        for _ in 0..3 {
            guard.failed("e", at("::ffff:192.0.2.1"), now);
        }
        assert!(guard.locked("f", at("192.0.2.1"), now).is_some(), "the same address in two spellings");
    }

    /// A success does not forgive, neither the identity elsewhere nor the address.
    #[test]
    fn success_is_no_pardon() {
        let now = Instant::now();
        let mut guard = Guard::new(GuardConfig::default().with_failures(3, 3));
        let cafe = at("198.51.100.7");
        for _ in 0..3 {
            guard.failed(ALICE, cafe, now);
            guard.succeeded("mallory@example.com", cafe, now);
        }
        assert!(guard.locked(ALICE, cafe, now).is_some());
        assert!(guard.locked("mallory@example.com", cafe, now).is_some(), "the address is locked");
        assert!(guard.locked(ALICE, at("192.0.2.1"), now).is_some());
        guard.succeeded(ALICE, at("192.0.2.1"), now);
        assert_eq!(guard.locked(ALICE, at("192.0.2.1"), now), None, "known there");
    }

    /// However many are tried, no more is remembered than allowed.
    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut guard = Guard::new(GuardConfig::default().with_entries_max(10));
        for n in 0..1000_u32 {
            let address = Some(IpAddr::V4(n.into()));
            guard.failed(&format!("user{n}"), address, now + secs(u64::from(n)));
            guard.succeeded(&format!("user{n}"), address, now);
        }
        assert_eq!(guard.remembered(), 30);
    }
}
