//! `cargo xtask transitions`: the audit of the numbered transitions.
//!
//! Types cannot tell T6a from T6b, tests can. Each row of the table must be declared in an `edges!` table with the same
//! states and trigger, must be crossed somewhere in the code, and must have a test whose name carries its number. The
//! picture of the table in the documents must be the table's ([`crate::picture`]).

use crate::Outcome;
use crate::picture::{self, Row, TABLE};
use crate::sources::{self, Source};

/// The crates whose machines the table is about.
const MACHINES: [&str; 2] = ["crates/conference/", "crates/mcu/"];
/// The crates whose tests count. In others `t1` is a timer.
const TESTERS: [&str; 4] = ["crates/conference/", "crates/mcu/", "crates/testkit/", "crates/reconvene/"];

/// What the sources have of one row.
#[derive(Debug, Default)]
struct Found {
    /// Where it is declared, and what the declaration says.
    declared: Option<(String, String)>,
    /// Where it is crossed, as `file:line`.
    sites: Vec<String>,
    tests: Vec<String>,
}

impl Found {
    /// What is missing or wrong, in words.
    fn faults(&self, row: &Row) -> Vec<String> {
        let mut faults = Vec::new();
        match &self.declared {
            None => faults.push(format!("{} is declared in no edges! table", row.id)),
            Some((place, text)) if *text != declaration(row) => {
                faults.push(format!("{} at {place} is not the row of the table: {text}", row.id));
            }
            Some(_) => {}
        }
        if self.sites.is_empty() {
            faults.push(format!("{} is crossed nowhere", row.id));
        }
        if self.tests.is_empty() {
            faults.push(format!("{} has no test with its name", row.id));
        }
        faults
    }
}

/// Prints the audit; fails if a row lacks one of the three, or the picture is old.
pub(crate) fn run() -> Outcome {
    let sources = sources::all()?;
    let table = picture::table()?;
    let (lines, mut faults) = audit(&table, &sources);
    for line in lines {
        println!("{line}");
    }
    faults.extend(picture::check(&table).err());
    if faults.is_empty() {
        let rows = table.len();
        Ok(format!("{rows} of {rows} transitions have row, site and test; the picture is the table's"))
    } else {
        Err(faults.join("; "))
    }
}

/// The report as lines, and what is wrong.
fn audit(table: &[Row], sources: &[Source]) -> (Vec<String>, Vec<String>) {
    let mut cells = vec![["row", "from -> to", "crossed at", "tests"].map(str::to_owned)];
    let mut faults = Vec::new();
    for row in table {
        let found = find(&row.id, sources);
        faults.extend(found.faults(row));
        let way = format!("{} -> {}", row.from.join("|"), row.to);
        let (sites, tests) = (or_none(&found.sites), or_none(&found.tests));
        for line in 0..sites.len().max(tests.len()) {
            let only_first = |text: &str| if line == 0 { text.to_owned() } else { String::new() };
            let nth = |list: &[String]| list.get(line).cloned().unwrap_or_default();
            cells.push([only_first(&row.id), only_first(&way), nth(&sites), nth(&tests)]);
        }
    }
    for (id, place) in declared(sources) {
        if !table.iter().any(|row| row.id == id) {
            faults.push(format!("{id} at {place} is not in {TABLE}"));
        }
    }
    (aligned(&cells), faults)
}

fn or_none(list: &[String]) -> Vec<String> {
    if list.is_empty() { vec!["NONE".to_owned()] } else { list.to_vec() }
}

/// The cells as columns.
fn aligned(cells: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (id, way, site) = (width(0), width(1), width(2));
    let line =
        |[a, b, c, d]: &[String; 4]| format!("{a:id$}  {b:way$}  {c:site$}  {d}").trim_end().to_owned();
    cells.iter().map(line).collect()
}

fn is_of(source: &Source, folders: &[&str]) -> bool {
    folders.iter().any(|folder| source.path.starts_with(folder))
}

fn find(id: &str, sources: &[Source]) -> Found {
    let mut found = Found::default();
    for source in sources.iter().filter(|source| is_of(source, &MACHINES)) {
        for (number, line) in source.code() {
            let place = || format!("{}:{number}", source.path);
            if row_id(line) == Some(id) {
                found.declared = Some((place(), line.trim().to_owned()));
            } else if crosses(line, id) {
                found.sites.push(place());
            }
        }
    }
    let word = id.to_ascii_lowercase();
    let testers = sources.iter().filter(|source| is_of(source, &TESTERS));
    let tests = testers.flat_map(|source| test_names(&source.text));
    found.tests = tests.filter(|name| name.split('_').any(|part| part == word)).collect();
    found.tests.sort();
    // The machine and the session that drives it may name a test alike.
    found.tests.dedup();
    found
}

/// All numbers that are declared, and where.
fn declared(sources: &[Source]) -> Vec<(String, String)> {
    let scoped = sources.iter().filter(|source| is_of(source, &MACHINES));
    scoped
        .flat_map(|source| {
            source.code().filter_map(|(number, line)| {
                Some((row_id(line)?.to_owned(), format!("{}:{number}", source.path)))
            })
        })
        .collect()
}

/// The line by which an `edges!` table declares a row.
fn declaration(row: &Row) -> String {
    format!("{}: {} => {}, \"{}\";", row.id, row.from.join(" | "), row.to, row.trigger)
}

/// `T6a` of `    T6a: Connected => Reconnecting, "...";`.
fn row_id(line: &str) -> Option<&str> {
    let (id, rest) = line.trim().split_once(": ")?;
    let is_id =
        id.starts_with(['T', 'M']) && id.len() > 1 && id[1..].starts_with(|c: char| c.is_ascii_digit());
    (is_id && rest.contains("=>") && rest.contains('"')).then_some(id)
}

/// Whether a line of code gives the edge away as a value: `cross(edge::T6a, self, ...)`. `edge: edge::M6` and
/// `edge::M6: Edge<...>` only name its type.
fn crosses(line: &str, id: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("edge::").any(|(at, start)| {
        let before = code[..at].trim_end();
        let after = code[at + start.len()..].strip_prefix(id);
        !before.ends_with(':') && after.is_some_and(|after| after.trim_start().starts_with([',', ')']))
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

    const EDGES: &str = "mcu::edges! {\n    T6a: Connected => Reconnecting, \"focus front end failed over\";\n    \
                         M6: Idle | Active => Terminated, \"session ended\";\n}\n";
    const STATES: &str = "fn lost() {\n    cx.cross(edge::T6a, self, |_| plan)\n}\n\
                          fn end(edge: edge::M6, from: F)\nwhere\n    edge::M6: Edge<F>,\n{\n    \
                          end(edge::M6, self, cx)\n}\n\
                          #[cfg(test)]\nmod tests {\n    #[test]\n    fn m6_ends() {}\n}\n";
    const TESTS: &str = "#[test]\nfn t6a_fails_pending_operations() {}\n";

    fn row(id: &str, from: &[&str], to: &str, trigger: &str) -> Row {
        Row {
            id: id.into(),
            machine: "Session".into(),
            from: from.iter().map(|state| (*state).to_owned()).collect(),
            to: to.into(),
            trigger: trigger.into(),
        }
    }

    fn table() -> Vec<Row> {
        let failover = row("T6a", &["Connected"], "Reconnecting", "focus front end failed over");
        vec![failover, row("M6", &["Idle", "Active"], "Terminated", "session ended")]
    }

    fn faults(edges: &str, states: &str, tests: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let sources = [
            source("crates/conference/src/edge.rs", edges),
            source("crates/conference/src/states.rs", states),
            source("crates/conference/src/tests.rs", tests),
            source("crates/sip-core/src/timer.rs", "#[test]\nfn t6a_is_no_timer() {}\n"),
        ];
        audit(&table(), &sources).1
    }

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
        assert!(!crosses("// edge::T1, self", "T1"));
        assert!(!crosses("fn end(edge: edge::M6, from: F)", "M6"));
        assert!(!crosses("    edge::M6: Edge<F, To = Terminated>,", "M6"));
        let text = "#[test]\nfn t6a_fails() {}\nfn t7_helper() {}\n#[tokio::test]\nasync fn t7_x() {}";
        assert_eq!(test_names(text).collect::<Vec<_>>(), ["t6a_fails", "t7_x"]);
    }

    /// Each row has one line or more: number, way, sites, tests.
    #[test]
    fn tells_sites_and_tests() {
        let sources = [
            Source { path: "crates/mcu/src/edge.rs".into(), text: EDGES.into() },
            Source { path: "crates/mcu/src/states.rs".into(), text: STATES.into() },
            Source { path: "crates/mcu/src/tests.rs".into(), text: TESTS.into() },
        ];
        let (lines, faults) = audit(&table(), &sources);
        assert_eq!(faults, [""; 0]);
        let expected = [
            "row  from -> to                 crossed at                 tests",
            "T6a  Connected -> Reconnecting  crates/mcu/src/states.rs:2  t6a_fails_pending_operations",
            "M6   Idle|Active -> Terminated  crates/mcu/src/states.rs:8  m6_ends",
        ];
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            lines.iter().map(|line| squeezed(line)).collect::<Vec<_>>(),
            expected.map(squeezed).to_vec()
        );
    }

    /// A planted fault of each kind is found, and named by its row.
    #[test]
    fn finds_planted_faults() {
        assert_eq!(faults(EDGES, STATES, TESTS), [""; 0], "nothing planted");
        let uncrossed = STATES.replace("cx.cross(edge::T6a, self, |_| plan)", "plan // edge::T6a, self");
        assert_eq!(faults(EDGES, &uncrossed, TESTS), ["T6a is crossed nowhere"]);
        let only_types = STATES.replace("    end(edge::M6, self, cx)\n", "");
        assert_eq!(faults(EDGES, &only_types, TESTS), ["M6 is crossed nowhere"]);
        let untested = TESTS.replace("t6a_", "t6_");
        assert_eq!(faults(EDGES, STATES, &untested), ["T6a has no test with its name"]);
        let undeclared = EDGES.replace("    T6a:", "    // T6a");
        assert_eq!(faults(&undeclared, STATES, TESTS), ["T6a is declared in no edges! table"]);
        let extra = EDGES.replace("}\n", "    T99: Idle => Connected, \"magic\";\n}\n");
        let told = faults(&extra, STATES, TESTS);
        assert_eq!(told, [format!("T99 at crates/conference/src/edge.rs:4 is not in {TABLE}")]);
        let other = EDGES.replace("Connected => Reconnecting", "InLobby => Reconnecting");
        let told = faults(&other, STATES, TESTS);
        assert!(told.len() == 1 && told[0].starts_with("T6a at crates/conference/src/edge.rs:2"), "{told:?}");
    }
}
