//! `cargo xtask transitions`: the audit of the numbered transitions.
//!
//! Types cannot tell T6a from T6b, tests can: each number must have its row in an `edges!` table, a place in the code
//! that crosses it, and a test whose name carries it.

use crate::Outcome;
use crate::sources::{self, Source};

/// Every number of the specification's table, in its order.
const IDS: &[&str] = &[
    "T1", "T2", "T3a", "T3b", "T3c", "T3d", "T3e", "T4", "T5", "T6a", "T6b", "T7", "T8", "T9", "T10", "T11a",
    "T11b", "T12", "T13", "T14a", "T14b", "T14c", "T15", "T16", "M1", "M2", "M3", "M4", "M5", "M8", "M6",
    "M7",
];

/// What the sources have of one number.
#[derive(Debug, Default)]
struct Found {
    row: Option<String>,
    sites: Vec<String>,
    tests: Vec<String>,
}

/// Prints the audit; fails if a number lacks one of the three.
pub(crate) fn run() -> Outcome {
    let sources = sources::all()?;
    let mut missing = Vec::new();
    for id in IDS {
        let found = find(id, &sources);
        println!("{id:<5} {}", found.row.as_deref().unwrap_or("NO ROW"));
        println!("      crossed: {}", shown(&found.sites));
        println!("      tests:   {}", shown(&found.tests));
        if found.row.is_none() || found.sites.is_empty() || found.tests.is_empty() {
            missing.push(*id);
        }
    }
    let extra = rows(&sources).into_iter().filter(|id| !IDS.contains(&id.as_str())).collect::<Vec<_>>();
    if !extra.is_empty() {
        return Err(format!("rows that the specification does not have: {}", extra.join(", ")));
    }
    if missing.is_empty() {
        Ok(format!("{} of {} transitions have row, site and test", IDS.len(), IDS.len()))
    } else {
        Err(format!("something is missing for {}", missing.join(", ")))
    }
}

fn shown(list: &[String]) -> String {
    if list.is_empty() { "NONE".to_owned() } else { list.join(", ") }
}

/// The crates whose machines the table is about.
fn in_scope(source: &Source) -> bool {
    ["crates/conference/", "crates/mcu/"].iter().any(|folder| source.path.starts_with(folder))
}

fn find(id: &str, sources: &[Source]) -> Found {
    let mut found = Found::default();
    for source in sources.iter().filter(|source| in_scope(source)) {
        for (number, line) in source.code() {
            if row_id(line) == Some(id) {
                found.row = Some(line.trim().to_owned());
            } else if crosses(line, id) {
                found.sites.push(format!("{}:{number}", source.path));
            }
        }
    }
    let prefix = id.to_ascii_lowercase();
    for source in sources {
        found
            .tests
            .extend(test_names(&source.text).filter(|name| name.split('_').any(|part| part == prefix)));
    }
    found
}

/// All numbers that have rows.
fn rows(sources: &[Source]) -> Vec<String> {
    let scoped = sources.iter().filter(|source| in_scope(source));
    scoped.flat_map(|source| source.code().filter_map(|(_, line)| row_id(line)).map(str::to_owned)).collect()
}

/// `T6a` of `    T6a: Connected => Reconnecting, "...";`.
fn row_id(line: &str) -> Option<&str> {
    let (id, rest) = line.trim().split_once(": ")?;
    let is_id =
        id.starts_with(['T', 'M']) && id.len() > 1 && id[1..].starts_with(|c: char| c.is_ascii_digit());
    (is_id && rest.contains("=>") && rest.contains('"')).then_some(id)
}

/// Whether a line of code names the edge: `edge::T6a`, not `edge::T6ab`.
fn crosses(line: &str, id: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.split("edge::").skip(1).any(|rest| {
        rest.strip_prefix(id).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    })
}

/// Names of the functions under `#[test]`.
fn test_names(text: &str) -> impl Iterator<Item = String> {
    let mut after_attribute = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            after_attribute = true;
            return None;
        }
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        std::mem::take(&mut after_attribute).then(|| name.split('(').next().unwrap_or_default().to_owned())
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Rows, sites and tests are told apart from what only looks like them.
    #[test]
    fn finds() {
        assert_eq!(
            row_id("    T6a: Connected => Reconnecting, \"focus front end failed over\";"),
            Some("T6a")
        );
        assert_eq!(row_id("    Test: a => b, \"\""), None);
        assert!(crosses("cx.cross(edge::T6a, self, go)", "T6a"));
        assert!(!crosses("cx.cross(edge::T16, self, go)", "T1"));
        assert!(!crosses("// edge::T1", "T1"));
        let text = "#[test]\nfn t6a_fails() {}\nfn t7_helper() {}\n#[tokio::test]\nasync fn t7_x() {}";
        assert_eq!(test_names(text).collect::<Vec<_>>(), ["t6a_fails", "t7_x"]);
    }
}
