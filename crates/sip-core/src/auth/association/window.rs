//! Which counts were seen: each is good once, in any order within a window.

/// How far behind the highest a count may be.
const SIZE: u32 = 256;

/// The counts of one direction of an association.
///
/// # Examples
///
/// ```
/// let mut window = sip_core::auth::association::ReplayWindow::default();
/// assert!(window.take(3) && window.take(1), "any order");
/// assert!(!window.take(3) && !window.take(0), "each once, from 1");
/// assert!(window.take(1000) && !window.take(2), "none that is far behind");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayWindow {
    highest: u32,
    /// A bit for each count modulo the size.
    seen: [u64; (SIZE / 64) as usize],
}

impl ReplayWindow {
    /// Whether this count is new; it is seen from now on.
    pub fn take(&mut self, count: u32) -> bool {
        if count == 0 || self.highest.saturating_sub(count) >= SIZE {
            return false;
        }
        if count > self.highest {
            let first = self.highest + 1;
            // What is passed over is not seen yet: its bits are those of counts that left the window.
            for passed in first.max(count.saturating_sub(SIZE - 1))..=count {
                let (word, bit) = place(passed);
                self.seen[word] &= !bit;
            }
            self.highest = count;
        }
        let (word, bit) = place(count);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

fn place(count: u32) -> (usize, u64) {
    let at = count % SIZE;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges() {
        let mut window = ReplayWindow::default();
        assert!(window.take(u32::MAX) && !window.take(u32::MAX));
        assert!(window.take(u32::MAX - 255) && !window.take(u32::MAX - 256));
    }

    proptest! {
        /// The window says what a set of all counts would say.
        #[test]
        fn is_a_set(steps in proptest::collection::vec(0_u32..700, 0..400), base in prop_oneof![Just(0), any::<u16>().prop_map(u32::from)]) {
            let (mut window, mut seen, mut highest) = (ReplayWindow::default(), BTreeSet::new(), 0);
            for step in steps {
                let count = base + step;
                let new = count != 0 && highest < count.saturating_add(256) && seen.insert(count);
                highest = highest.max(if new { count } else { 0 });
                prop_assert_eq!(window.take(count), new, "{}", count);
            }
        }
    }
}
