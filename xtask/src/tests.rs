//! `cargo xtask test`: everything, with one summary line.

use crate::{Outcome, interop, interop_xml, shell, transitions};

/// Runs all tests; goes on after a failure so that one run tells all.
pub(crate) fn run() -> Outcome {
    let parts = [
        ("tests", tests as fn() -> Outcome),
        ("doc tests", doc_tests),
        ("interop", || interop::run(None)),
        ("interop xml", interop_xml::run),
        ("table", transitions::run),
    ];
    let mut told = Vec::new();
    let mut failed = false;
    for (name, part) in parts {
        match part() {
            Ok(summary) => told.push(format!("{name}: {summary}")),
            Err(what) => {
                failed = true;
                told.push(format!("{name} FAILED: {what}"));
            }
        }
    }
    let summary = told.join("; ");
    if failed { Err(summary) } else { Ok(summary) }
}

/// Unit and integration tests, by nextest where it is installed.
fn tests() -> Outcome {
    let line = if shell::has("cargo nextest --version") {
        "cargo nextest run --workspace --all-features --no-fail-fast --status-level fail --final-status-level fail"
    } else {
        "cargo test --workspace --all-features --no-fail-fast --lib --bins --tests --examples"
    };
    counted(line)
}

fn doc_tests() -> Outcome {
    counted("cargo test --workspace --all-features --no-fail-fast --doc")
}

fn counted(line: &str) -> Outcome {
    let (lines, result) = shell::run_and_read(line);
    let (passed, failed) = count(&lines);
    match result {
        Ok(()) => Ok(format!("{passed} passed")),
        Err(_) if failed > 0 => Err(format!("{failed} of {} failed", passed + failed)),
        Err(error) => Err(error),
    }
}

/// Sums up what nextest ("Summary [...] 3 passed, 1 failed") or libtest ("test result: ok. 3 passed; 1 failed") told.
///
/// nextest repeats the libtest lines of failed tests; then its own summary is the one that counts.
fn count(lines: &[String]) -> (u64, u64) {
    let all = |start: &str| -> Vec<&String> {
        lines.iter().filter(|line| line.trim_start().starts_with(start)).collect()
    };
    let nextest = all("Summary [");
    let summaries = if nextest.is_empty() { all("test result:") } else { nextest };
    summaries.iter().fold((0, 0), |(passed, failed), line| {
        (passed + before(line, "passed"), failed + before(line, "failed") + before(line, "timed"))
    })
}

/// The number in front of `word`.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|w| *w == word);
    at.and_then(|at| at.checked_sub(1)).and_then(|at| words[at].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Both runners' summaries are understood.
    #[test]
    fn counts() {
        let libtest =
            ["test result: ok. 3 passed; 1 failed; 0 ignored", "test result: ok. 2 passed; 0 failed;"];
        assert_eq!(count(&libtest.map(str::to_owned)), (5, 1));
        let nextest =
            ["     Summary [   0.005s] 7 tests run: 6 passed (1 slow), 1 failed, 0 skipped".to_owned()];
        assert_eq!(count(&nextest), (6, 1));
    }
}
