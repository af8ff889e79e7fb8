//! A seeded sweep over the session machine: thousands of random lives, judged by code that shares nothing with it.
//!
//! Each seed is one session with a world around it that answers, fails and misbehaves at random, on a virtual clock. The
//! judge looks at outputs only and knows the table from the CSV. A failure prints `SEED=.. STEP=..`;
//! `RECONVENE_SEED=n cargo test -p conference --test sweep` replays one and prints what happened;
//! `RECONVENE_SEEDS=n` runs another number of them.

mod judge;
mod world;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use judge::Judge;
use world::World;

const SEEDS: u64 = 10_000;
const STEPS: u32 = 60;

/// The sequence of numbers of one seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(list.len() as u64)).expect("small")]
    }
}

/// One life: random steps, then the end. Gives the numbers of the rows that were crossed.
fn live(seed: u64, step: &Cell<u32>, verbose: bool) -> BTreeSet<String> {
    let mut world = World::new(Dice(seed));
    let mut judge = Judge::new(verbose);
    for number in 0..STEPS {
        step.set(number);
        let turn = world.step();
        judge.turn(&turn, &world.session);
    }
    for number in STEPS.. {
        step.set(number);
        let Some(turn) = world.wind_up() else { break };
        judge.turn(&turn, &world.session);
        assert!(number < STEPS + 1000, "the session does not come to an end");
    }
    judge.end(&world.session);
    judge.crossed
}

/// Invariants C1 to C9, as far as one machine shows them, in every run; and together the runs cross every row.
#[test]
fn every_life_obeys_the_table_and_together_they_cross_all_of_it() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let replay = number("RECONVENE_SEED");
    let count = number("RECONVENE_SEEDS").unwrap_or(SEEDS);
    let seeds = replay.map_or(0..count, |seed| seed..seed + 1);
    let mut crossed = BTreeSet::new();
    for seed in seeds {
        let step = Cell::new(0);
        let life = catch_unwind(AssertUnwindSafe(|| live(seed, &step, replay.is_some())));
        let Ok(rows) = life else { panic!("SEED={seed} STEP={}", step.get()) };
        crossed.extend(rows);
    }
    if replay.is_none() {
        let all: BTreeSet<String> = judge::table().into_keys().collect();
        let missing: Vec<_> = all.difference(&crossed).collect();
        assert!(missing.is_empty(), "never crossed: {missing:?}");
    }
}
