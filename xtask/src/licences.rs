//! Licences and dependencies: by cargo-deny, or its offline part by ourselves.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Outcome, shell};

/// The minutes that installing cargo-deny takes are not ours to spend by default; this variable asks for it.
const INSTALL: &str = "XTASK_INSTALL_DENY";

/// Licences that `deny.toml` allows; kept equal by a test.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];

/// Checks licences, sources and wildcards.
pub(crate) fn run() -> Outcome {
    if !shell::has("cargo deny --version") && std::env::var_os(INSTALL).is_some() {
        // Where it cannot be had, the offline part has to do.
        if let Err(error) = shell::run("timeout 900 cargo install --locked cargo-deny") {
            println!("cargo-deny is not to be had: {error}");
        }
    }
    if shell::has("cargo deny --version") {
        // Packages of other systems are looked at, too. Advisories need a database that is not in a registry.
        shell::run("cargo fetch --locked")?;
        return shell::run("cargo deny --offline check licenses bans sources")
            .map(|()| "ok (cargo-deny)".to_owned());
    }
    // What this machine builds is already here; packages of other systems would have to be fetched.
    let host = host()?;
    let metadata =
        shell::read(&format!("cargo metadata --format-version 1 --locked --filter-platform {host}"))?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata has no packages")?;
    let faults: BTreeSet<String> = packages.iter().flat_map(faults).collect();
    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() {
        Ok(format!("ok (offline part, {} packages; {INSTALL}=1 installs cargo-deny)", packages.len()))
    } else {
        Err(format!("{} faults in dependencies, listed above", faults.len()))
    }
}

/// The target triple that rustc builds for by default.
fn host() -> Result<String, String> {
    let version = shell::read("rustc -vV")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV tells no host".to_owned())
}

fn faults(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or("?");
    let mut faults = Vec::new();
    match package["license"].as_str() {
        Some(licence) if allowed(licence) => {}
        licence => faults.push(format!("{name}: licence {licence:?} is not allowed")),
    }
    match package["source"].as_str() {
        None => {}
        Some(source) if source.starts_with("registry+") => {}
        Some(source) => faults.push(format!("{name}: comes from {source}")),
    }
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        if package["source"].is_null() && dependency["path"].is_null() && dependency["req"] == "*" {
            faults
                .push(format!("{name}: wildcard version of {}", dependency["name"].as_str().unwrap_or("?")));
        }
    }
    faults
}

/// Whether an SPDX expression can be met with allowed licences: `OR` needs one side, `AND` both.
fn allowed(expression: &str) -> bool {
    let mut tokens = tokens(expression).into_iter().peekable();
    let met = any_of(&mut tokens);
    met && tokens.peek().is_none()
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<String>>;

/// Words and brackets; `WITH` stays with its licence; the old `/` means `OR`.
fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut tokens: Vec<String> = Vec::new();
    let mut words = spaced.split_whitespace();
    while let Some(word) = words.next() {
        match (word, tokens.last_mut()) {
            ("WITH", Some(last)) => *last = format!("{last} WITH {}", words.next().unwrap_or_default()),
            _ => tokens.push(word.to_owned()),
        }
    }
    tokens
}

fn any_of(tokens: &mut Tokens) -> bool {
    let mut met = all_of(tokens);
    while tokens.next_if(|token| token == "OR").is_some() {
        met |= all_of(tokens);
    }
    met
}

fn all_of(tokens: &mut Tokens) -> bool {
    let mut met = one(tokens);
    while tokens.next_if(|token| token == "AND").is_some() {
        met &= one(tokens);
    }
    met
}

fn one(tokens: &mut Tokens) -> bool {
    match tokens.next() {
        Some(token) if token == "(" => {
            let met = any_of(tokens);
            tokens.next_if(|token| token == ")").is_some() && met
        }
        Some(token) => ALLOWED.contains(&token.as_str()),
        None => false,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// SPDX expressions: OR, AND, brackets, WITH, and the old slash.
    #[test]
    fn expressions() {
        for fine in ["MIT", "MIT OR GPL-3.0", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert!(allowed(fine), "{fine}");
        }
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR MIT"));
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT Apache-2.0"] {
            assert!(!allowed(bad), "{bad}");
        }
    }

    /// `deny.toml` has the same list.
    #[test]
    fn same_list_as_deny_toml() {
        let text = std::fs::read_to_string(shell::root().join("deny.toml")).expect("deny.toml is there");
        for licence in ALLOWED {
            assert!(text.contains(&format!("\"{licence}\"")), "{licence}");
        }
    }
}
