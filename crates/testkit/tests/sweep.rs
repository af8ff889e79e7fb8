//! The seeded sweep: a few hundred small worlds with faults, judged at each step.
//!
//! - `RECONVENE_SEED=17 cargo test -p testkit --test sweep -- --nocapture` repeats one seed with its message flow.
//! - `RECONVENE_SEEDS=5000` runs that many.

use std::collections::BTreeMap;

use testkit::chaos;

/// Seeds in a plain `cargo test`.
const SEEDS: u64 = 300;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// C1 to C7, G1, L1 over seeds; every 100th runs twice and must agree with itself.
#[test]
fn sweep() {
    if let Some(seed) = number("RECONVENE_SEED") {
        match chaos::run(seed) {
            Ok(outcome) => {
                println!("SEED={seed} is well after {} steps, rows {:?}", outcome.steps, outcome.rows)
            }
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for seed in 1..=number("RECONVENE_SEEDS").unwrap_or(SEEDS) {
        match chaos::run(seed) {
            Ok(outcome) => {
                if seed % 100 == 0 {
                    let again = chaos::run(seed).map(|again| again.trace).ok();
                    assert_eq!(Some(outcome.trace), again, "SEED={seed} does not repeat itself");
                }
                outcome.rows.into_iter().for_each(|(row, times)| *rows.entry(row).or_default() += times);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if let Some(first) = failures.first() {
        println!("{first}");
        let list: Vec<String> =
            failures.iter().map(|f| format!("SEED={} STEP={}: {}", f.seed, f.step, f.what)).collect();
        panic!("{} seeds broke a rule:\n{}", failures.len(), list.join("\n"));
    }
    println!("rows crossed: {rows:?}");
    // "Sometimes" goals: a sweep that does not come here tests too little.
    for row in ["T2", "T4", "T6a", "T6b", "T7", "T8", "T15", "M3", "M4", "M5", "M6"] {
        assert!(rows.contains_key(row), "{row} was never crossed");
    }
}

/// Seeds beyond the sweep that broke a rule once; what each had found is said beside it.
#[test]
fn seeds_that_failed_once() {
    for (seed, _found) in [
        (1408, "a BYE of the same moment as T4 was taken for one after the end"),
        (5344, "a full document that a notification had overtaken took somebody out of the roster again"),
    ] {
        if let Err(failure) = chaos::run(seed) {
            panic!("{failure}");
        }
    }
}
