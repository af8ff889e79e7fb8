//! `cargo xtask ci`: what needs no test run: format, lints, documentation, dependencies, the rules of the house.

use crate::sources::{self, Source};
use crate::{Outcome, licences, shell};

/// Files of library crates that may use sockets, clocks, tasks and locks: the shells around the cores.
const SHELLS: &[&str] = &[
    "sip-core/src/transport",
    "sip-core/src/resolve/shell",
    "conference/src/client",
    "conference/src/driver",
    "conference/src/handle",
    "conference/src/link",
    "focus/src/node",
    "focus/src/store",
    "focus/src/bin",
];

/// Words that no core says (style.md section 9).
const NOT_IN_CORES: &[&str] =
    &["tokio::", "Instant::now", "SystemTime::now", "spawn(", "Mutex<", "RwLock<", "rand::rng("];

/// Longest file, in lines without its tests.
const FILE_LINES_MAX: usize = 800;

/// Runs all checks; goes on after a failure so that one run tells all.
pub(crate) fn run() -> Outcome {
    let parts = [
        ("fmt", fmt as fn() -> Outcome),
        ("clippy", clippy),
        ("doc", doc),
        ("deny", licences::run),
        ("house", house),
    ];
    let mut told = Vec::new();
    let mut failed = Vec::new();
    for (name, part) in parts {
        match part() {
            Ok(summary) => told.push(format!("{name} {summary}")),
            Err(what) => failed.push(format!("{name}: {what}")),
        }
    }
    if failed.is_empty() { Ok(told.join(", ")) } else { Err(failed.join("; ")) }
}

fn fmt() -> Outcome {
    shell::run("cargo fmt --all -- --check").map(|()| "ok".to_owned())
}

fn clippy() -> Outcome {
    shell::run("cargo clippy --workspace --all-targets --all-features -- -D warnings")?;
    // Features alone and none of them: code that only builds when all are on helps nobody.
    for features in ["", "tls", "dns", "ntlm", "capture", "metrics"] {
        shell::run(&format!("cargo clippy --package sip-core --features={features} -- -D warnings"))?;
    }
    Ok("ok".to_owned())
}

fn doc() -> Outcome {
    let line = "cargo doc --workspace --all-features --no-deps --document-private-items";
    println!("$ RUSTDOCFLAGS=\"-D warnings\" {line}");
    let mut command = shell::command(line);
    command.env("RUSTDOCFLAGS", "-D warnings");
    shell::run_command(command, line).map(|()| "ok".to_owned())
}

/// Rules that no lint knows: cores are pure, files say what they are and stay small.
fn house() -> Outcome {
    let sources = sources::all()?;
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    for fault in &faults {
        println!("{fault}");
    }
    match faults.len() {
        0 => Ok(format!("ok ({} files)", sources.len())),
        count => Err(format!("{count} faults, listed above")),
    }
}

fn faults(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut faults = Vec::new();
    if !source.text.starts_with("//!") && !path.ends_with("/build.rs") {
        faults.push(format!("{path}: no module header (`//!`)"));
    }
    let lines = source.code().count();
    if lines > FILE_LINES_MAX {
        faults.push(format!("{path}: {lines} lines without its tests, over {FILE_LINES_MAX}"));
    }
    if is_core(path) {
        for (number, line) in source.code() {
            let code = line.split("//").next().unwrap_or_default();
            faults.extend(
                NOT_IN_CORES
                    .iter()
                    .filter(|word| code.contains(**word))
                    .map(|word| format!("{path}:{number}: a core says `{word}`")),
            );
        }
    }
    faults
}

/// Whether a file is part of a core: protocol logic without I/O.
fn is_core(path: &str) -> bool {
    let Some(path) = path.strip_prefix("crates/") else { return false };
    let library = ["sip-core/src/", "c3p/src/", "mcu/src/", "conference/src/", "focus/src/"];
    library.iter().any(|folder| path.starts_with(folder))
        && !SHELLS.iter().any(|shell| path.starts_with(shell))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    /// A clock in a core is a fault; in its tests, in a comment, or in a shell it is none.
    #[test]
    fn clocks_in_cores() {
        let clock = "//! A core.\nlet now = Instant::now();\n";
        assert_eq!(faults(&source("crates/mcu/src/session.rs", clock)).len(), 1);
        assert!(faults(&source("crates/sip-core/src/transport/tcp.rs", clock)).is_empty());
        let fine = "//! A core.\n// Instant::now\n#[cfg(test)]\nInstant::now();\n";
        assert!(faults(&source("crates/mcu/src/session.rs", fine)).is_empty());
    }

    /// A file without a header is a fault.
    #[test]
    fn headers() {
        assert_eq!(faults(&source("crates/mcu/src/x.rs", "fn x() {}\n")).len(), 1);
    }
}
