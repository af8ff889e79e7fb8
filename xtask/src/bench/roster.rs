//! Roster documents: runs `roster-peers` of `bench-peers`, and prints what it found.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::sip::{build, output, read_count};
use super::{Figure, Report};
use crate::shell;

/// The sizes of the conferences, in users.
const SIZES: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Passes of which the instructions are counted, on a thousand users.
const PASSES: u32 = 4;

/// Builds, measures and counts.
pub(super) fn run() -> Result<Report, String> {
    let program = build("roster-peers")?;
    let output = output(std::process::Command::new(&program).arg("measure"))?;
    let all: Value = serde_json::from_str(&output).map_err(|error| format!("roster-peers: {error}"))?;
    let counted = if shell::has("valgrind --version") {
        ["limit", "read", "write"]
            .into_iter()
            .map(|what| Ok((what, instructions(&program, what)?)))
            .collect::<Result<Vec<_>, String>>()?
    } else {
        Vec::new()
    };
    report(&Measured { all: &all }, &counted).ok_or_else(|| "roster-peers: a row is missing".to_owned())
}

/// Instructions per user: of so many passes more than of one, so that the start does not count.
fn instructions(program: &Path, what: &str) -> Result<f64, String> {
    let count = |passes: u32| {
        let mut command = std::process::Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let text = output(command.arg(program).args(["repeat", what, "1000", &passes.to_string()]))?;
        read_count(&text).ok_or_else(|| format!("callgrind told no count: {text}"))
    };
    let (one, more) = (count(1)?, count(1 + PASSES)?);
    Ok((more.1 - one.1) / f64::from(PASSES) / one.0)
}

/// What the program printed.
struct Measured<'a> {
    all: &'a Value,
}

impl Measured<'_> {
    fn entry(&self, name: &str, users: u32) -> Option<&Value> {
        self.all["entries"].as_array()?.iter().find(|entry| entry["name"] == name && entry["users"] == users)
    }

    fn microseconds(&self, name: &str, users: u32) -> Option<f64> {
        self.entry(name, users)?["microseconds"].as_f64()
    }

    fn allocations(&self, name: &str, users: u32) -> Option<f64> {
        self.entry(name, users)?["allocations"].as_f64()
    }

    /// One divided by another.
    fn ratio(&self, name: &str, other: &str, users: u32) -> Option<f64> {
        Some(self.microseconds(name, users)? / self.microseconds(other, users)?)
    }

    fn bytes_per_user(&self, users: u32) -> Option<f64> {
        let all = self.all["kept_per_user"].as_array()?;
        all.iter().find(|kept| kept["users"] == users)?["bytes"].as_f64()
    }
}

/// Rows of the table: what they are called, and their names in what the program printed.
const READ: [(&str, &str); 7] = [
    ("read full: limit, memchr for < and >", "limit"),
    ("  ours, to the model", "read"),
    ("  ours, applied to an empty roster", "apply full"),
    ("  quick-xml, events only", "quick-xml events"),
    ("  quick-xml, events and namespaces", "quick-xml events, namespaces"),
    ("  quick-xml, hand-written model", "quick-xml model"),
    ("  quick-xml and serde", "quick-xml serde"),
];
const WRITE: [(&str, &str); 2] =
    [("write full: limit, copy the document", "copy"), ("  ours, from the model", "write full")];
const PARTIAL: [(&str, &str); 8] = [
    ("partial, one user: limit, memchr", "partial limit"),
    ("  ours, read", "partial read"),
    ("  ours, applied", "partial apply"),
    ("  ours, written once", "partial write"),
    ("  ours, for 10,000 watchers", "partial for 10,000"),
    ("  quick-xml, events and namespaces", "partial quick-xml events"),
    ("  quick-xml, hand-written model", "partial quick-xml model"),
    ("  quick-xml and serde", "partial quick-xml serde"),
];

fn report(measured: &Measured<'_>, counted: &[(&str, f64)]) -> Option<Report> {
    let mut table = heading(measured)?;
    for rows in [&READ[..], &WRITE, &PARTIAL] {
        for (title, name) in rows {
            row(&mut table, measured, title, name)?;
        }
    }
    let _ = write!(table, "{:<39}", "bytes per user in memory");
    for users in SIZES {
        let _ = write!(table, "{:>13.0}", measured.bytes_per_user(users)?);
    }
    let events = measured.ratio("quick-xml events, namespaces", "read", 1_000)?;
    let _ = writeln!(
        table,
        "\nquick-xml's events alone take {events:.1} times what our reading takes, model included: its reader is the bound, so \
         the tokens are our own"
    );
    for (what, count) in counted {
        let _ = writeln!(table, "instructions per user of 1,000, {what}: {count:.0}");
    }
    let figure = Figure::lower;
    let figures = vec![
        figure("roster.full_1k.x_limit", measured.ratio("read", "limit", 1_000)?, "x", 1.43),
        figure("roster.full_100k.x_limit", measured.ratio("read", "limit", 100_000)?, "x", 1.55),
        figure(
            "roster.full_10k.x_quickxml_model",
            measured.ratio("read", "quick-xml model", 10_000)?,
            "x",
            1.0 / 3.0,
        ),
        figure("roster.partial.x_limit", measured.ratio("partial read", "partial limit", 1_000)?, "x", 1.43),
        figure("roster.apply_partial_100k.us", measured.microseconds("partial apply", 100_000)?, "us", 5.0),
        figure("roster.write_100k.ms", measured.microseconds("write full", 100_000)? / 1e3, "ms", 40.0),
        figure("roster.bytes_per_user", measured.bytes_per_user(100_000)?, "bytes", 400.0),
    ];
    Some(Report { table, figures })
}

fn heading(measured: &Measured<'_>) -> Option<String> {
    let all = measured.all;
    let (bytes, partial) = (all["bytes_per_user"].as_f64()?, all["partial_bytes"].as_f64()?);
    let mut text = format!(
        "Roster documents, {bytes:.0} bytes a user, a partial one {partial:.0} bytes; all rows in turn, one thread, the \
         fastest of each\nmicroseconds, and allocations where there are any, by users in the conference\n"
    );
    let _ = write!(text, "{:<39}", "");
    for users in SIZES {
        let _ = write!(text, "{users:>13}");
    }
    text.push('\n');
    Some(text)
}

fn row(table: &mut String, measured: &Measured<'_>, title: &str, name: &str) -> Option<()> {
    let _ = write!(table, "{title:<39}");
    for users in SIZES {
        let time = measured.microseconds(name, users)?;
        let time = if time < 100.0 { format!("{time:.2}") } else { format!("{time:.0}") };
        let _ = write!(table, "{time:>13}");
    }
    table.push('\n');
    let counts: Vec<f64> =
        SIZES.iter().map(|users| measured.allocations(name, *users)).collect::<Option<_>>()?;
    if counts.iter().any(|count| *count > 0.0) {
        let _ = write!(table, "{:<39}", "    allocations");
        for count in counts {
            let _ = write!(table, "{count:>13.0}");
        }
        table.push('\n');
    }
    Some(())
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    /// The figures are ratios of rows of one run, at the sizes of their names.
    #[test]
    fn figures_of_a_run() {
        let mut entries = Vec::new();
        for users in SIZES {
            let entry = |name: &str, microseconds: f64| json!({ "name": name, "users": users, "microseconds": microseconds, "allocations": 1 });
            for (_, name) in READ.iter().chain(&WRITE).chain(&PARTIAL) {
                let per_user = match *name {
                    "limit" => 0.5,
                    "read" => 0.75,
                    "quick-xml model" => 7.5,
                    _ => 0.25,
                };
                entries.push(entry(name, per_user * f64::from(users)));
            }
        }
        let kept = SIZES.map(|users| json!({ "users": users, "bytes": 300.0 }));
        let all = json!({ "bytes_per_user": 1300.0, "partial_bytes": 1700, "kept_per_user": kept, "entries": entries });
        let report = report(&Measured { all: &all }, &[("read", 9_000.0)]).expect("all rows are there");
        let found: Vec<_> = report.figures.iter().map(|f| (f.name, f.value, f.met())).collect();
        let expected = [
            ("roster.full_1k.x_limit", 1.5, false),
            ("roster.full_100k.x_limit", 1.5, true),
            ("roster.full_10k.x_quickxml_model", 0.1, true),
            ("roster.partial.x_limit", 1.0, true),
            ("roster.apply_partial_100k.us", 25_000.0, false),
            ("roster.write_100k.ms", 25.0, true),
            ("roster.bytes_per_user", 300.0, true),
        ];
        assert_eq!(found, expected);
        assert!(report.table.contains("instructions per user of 1,000, read: 9000"));
    }
}
