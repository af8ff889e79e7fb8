//! Where tags, branches and Call-IDs come from.
//!
//! Cores never roll dice: they are given an [`IdSource`]. Shells give [`SystemIds`]; simulations give [`SeededIds`], so
//! that a run repeats from its seed.

use std::fmt::Write as _;

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

/// A source of unpredictable (or, in simulations, repeatable) numbers.
pub trait IdSource: Send {
    /// The next 128 bits.
    fn next_u128(&mut self) -> u128;

    /// 32 lower-case hexadecimal digits: a tag, the variable part of a branch, a Call-ID.
    fn token(&mut self) -> String {
        let mut text = String::with_capacity(32);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{:032x}", self.next_u128());
        text
    }

    /// A number from 0 to `n` - 1, and 0 when `n` is 0: for random waits.
    fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { (self.next_u128() % u128::from(n)) as u64 }
    }
}

/// Random numbers from a generator seeded by the operating system. For shells only.
#[derive(Debug)]
pub struct SystemIds {
    rng: StdRng,
}

impl SystemIds {
    /// A generator with a fresh seed of the operating system.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers to give: tags would be guessable then, so nothing may start.
    #[must_use]
    pub fn new() -> Self {
        let rng = StdRng::try_from_rng(&mut SysRng).expect("the operating system gives random numbers");
        Self { rng }
    }
}

impl Default for SystemIds {
    fn default() -> Self {
        Self::new()
    }
}

impl IdSource for SystemIds {
    fn next_u128(&mut self) -> u128 {
        u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64())
    }
}

/// A repeatable sequence (SplitMix64): the same seed gives the same identifiers, on every machine and version.
#[derive(Debug, Clone)]
pub struct SeededIds {
    state: u64,
}

impl SeededIds {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl IdSource for SeededIds {
    fn next_u128(&mut self) -> u128 {
        u128::from(self.next_u64()) << 64 | u128::from(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_ids_repeat_and_differ_by_seed() {
        let (mut a, mut b, mut c) = (SeededIds::new(7), SeededIds::new(7), SeededIds::new(8));
        let first = a.token();
        assert_eq!(first, b.token());
        assert_ne!(first, c.token());
        assert_ne!(first, a.token());
    }

    #[test]
    fn token_is_32_hex_digits() {
        for seed in 0..200 {
            let token = SeededIds::new(seed).token();
            assert_eq!(token.len(), 32);
            assert!(token.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        }
        assert_ne!(SystemIds::new().token(), SystemIds::default().token());
    }

    #[test]
    fn below_stays_below() {
        let mut ids = SeededIds::new(1);
        assert_eq!(ids.below(0), 0);
        assert_eq!(ids.below(1), 0);
        assert!((0..1000).all(|_| ids.below(10) < 10));
    }
}
