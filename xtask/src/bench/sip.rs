//! Parsing of SIP messages: runs the program in `bench-peers`, which is a workspace of its own, and prints what it found.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Figure, Report};
use crate::shell;

/// Passes over the corpus of which the instructions are counted.
const PASSES: u32 = 40;

/// Builds, measures and counts.
pub(super) fn run() -> Result<Report, String> {
    let program = build("bench-peers")?;
    let output = output(std::process::Command::new(&program).arg("measure"))?;
    let measured: Value = serde_json::from_str(&output).map_err(|error| format!("bench-peers: {error}"))?;
    let count = |what| {
        if shell::has("valgrind --version") { instructions(&program, what).map(Some) } else { Ok(None) }
    };
    let counted = Counted { limit: count("limit")?, parse: count("parse")?, typed: count("typed")? };
    report(&Measured { all: &measured }, &counted).ok_or_else(|| "bench-peers: a row is missing".to_owned())
}

/// Builds a program of `bench-peers`.
pub(super) fn build(name: &str) -> Result<PathBuf, String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
    let line = "cargo build --release --quiet --manifest-path bench-peers/Cargo.toml";
    let mut command = shell::command(line);
    command.args(["--bin", name, "--target-dir"]).arg(&target);
    shell::run_command(command, line)?;
    Ok(target.join("release").join(name))
}

/// What a program prints.
pub(super) fn output(command: &mut std::process::Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?} could not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    // Callgrind tells its count on stderr.
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// Instructions per message: of twice as many passes less those of the passes, so that the start does not count.
fn instructions(program: &Path, what: &str) -> Result<f64, String> {
    let count = |passes: u32| {
        let mut command = std::process::Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let text = output(command.arg(program).args(["repeat", what, &passes.to_string()]))?;
        read_count(&text).ok_or_else(|| format!("callgrind told no count: {text}"))
    };
    let (one, two) = (count(PASSES)?, count(2 * PASSES)?);
    Ok((two.1 - one.1) / f64::from(PASSES) / one.0)
}

/// Messages in a pass, as the program says, and all instructions, as callgrind says.
pub(super) fn read_count(text: &str) -> Option<(f64, f64)> {
    let messages = text.lines().next()?.trim().parse().ok()?;
    let collected = text.lines().find_map(|line| line.split_once("Collected :"))?.1.trim().parse().ok()?;
    Some((messages, collected))
}

struct Counted {
    limit: Option<f64>,
    parse: Option<f64>,
    typed: Option<f64>,
}

/// What the program printed.
struct Measured<'a> {
    all: &'a Value,
}

impl Measured<'_> {
    fn entry(&self, group: &str, name: &str) -> Option<&Value> {
        self.all["entries"].as_array()?.iter().find(|e| e["group"] == group && e["name"] == name)
    }

    fn nanoseconds(&self, group: &str, name: &str) -> Option<f64> {
        self.entry(group, name)?["nanoseconds"].as_f64()
    }

    fn allocations(&self, group: &str, name: &str) -> Option<f64> {
        self.entry(group, name)?["allocations"].as_f64()
    }

    fn refused(&self, group: &str, name: &str) -> usize {
        self.entry(group, name).and_then(|e| e["refused"].as_array()).map_or(0, Vec::len)
    }
}

const PEERS: [&str; 3] = ["rsipstack", "rsip", "ezk-sip-types"];

fn report(measured: &Measured<'_>, counted: &Counted) -> Option<Report> {
    let (limit, parse) = (measured.nanoseconds("ours", "limit")?, measured.nanoseconds("ours", "parse")?);
    let typed = measured.nanoseconds("ours", "typed")?;
    let allocs = measured.allocations("ours", "typed")?;
    let mut table = heading(measured)?;
    row(&mut table, "limit: memchr over lines and colons", None, limit, limit, 0.0, counted.limit);
    row(&mut table, "ours", Some(parse), typed, limit, allocs, counted.typed);
    let taken = measured.nanoseconds("ours", "taken")?;
    row(
        &mut table,
        "ours, and each value taken",
        None,
        taken,
        limit,
        measured.allocations("ours", "taken")?,
        None,
    );
    let message = measured.nanoseconds("ours", "message")?;
    row(
        &mut table,
        "ours, as a Message",
        None,
        message,
        limit,
        measured.allocations("ours", "message")?,
        None,
    );
    let mut best = 0.0_f64;
    for peer in PEERS {
        let (theirs, same) = (measured.nanoseconds("typed", peer)?, measured.nanoseconds("same", peer)?);
        best = best.max(same / theirs);
        let allocs = measured.allocations("typed", peer)?;
        row(&mut table, peer, measured.nanoseconds("parse", peer), theirs, limit, allocs, None);
        let _ = match measured.refused("typed", peer) {
            0 => writeln!(table, "    ours beside it: {same:.0} ns, {:.2} x", same / theirs),
            n => writeln!(
                table,
                "    ours beside it: {same:.0} ns, {:.2} x ({n} messages refused by it)",
                same / theirs
            ),
        };
    }
    let figure = Figure::lower;
    let mut figures = vec![
        figure("sip.parse.x_limit", parse / limit, "x", 1.5),
        figure("sip.typed.x_limit", typed / limit, "x", 5.0),
        figure("sip.typed.x_best_rust_peer", best, "x", 1.0),
        figure("sip.typed.allocs", allocs, "allocations/message", 0.0),
    ];
    if let (Some(typed), Some(limit)) = (counted.typed, counted.limit) {
        figures.push(figure("sip.typed.instructions", typed, "instructions/message", 5.0 * limit));
    }
    if let (Some(parse), Some(limit)) = (counted.parse, counted.limit) {
        let _ = writeln!(table, "instructions of parse: {parse:.0}, {:.2} x limit", parse / limit);
    }
    Some(Report { table, figures })
}

fn heading(measured: &Measured<'_>) -> Option<String> {
    let all = measured.all;
    let (messages, rounds) = (all["messages"].as_u64()?, all["rounds"].as_u64()?);
    let (bytes, headers) = (all["bytes"].as_f64()?, all["headers"].as_f64()?);
    let mut text = format!("SIP messages: {messages}, mean {bytes:.0} bytes, {headers:.0} headers; ");
    let _ = writeln!(text, "all rows in turn, {rounds} rounds of one thread, the fastest of each");
    let _ = writeln!(
        text,
        "{:<37}{:>9}{:>9}{:>9}{:>13}{:>14}",
        "", "parse ns", "typed ns", "x limit", "allocations", "instructions"
    );
    Some(text)
}

fn row(
    table: &mut String,
    name: &str,
    parse: Option<f64>,
    typed: f64,
    limit: f64,
    allocations: f64,
    instructions: Option<f64>,
) {
    let number = |n: Option<f64>| n.map_or_else(|| "–".to_owned(), |n| format!("{n:.0}"));
    let _ = writeln!(
        table,
        "{name:<37}{:>9}{typed:>9.0}{:>9.1}{allocations:>13.1}{:>14}",
        number(parse),
        typed / limit,
        number(instructions)
    );
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn entry(group: &str, name: &str, nanoseconds: f64) -> Value {
        json!({ "group": group, "name": name, "nanoseconds": nanoseconds, "allocations": 0.0, "refused": [] })
    }

    /// The figures are ratios of rows of one run; the best peer is the one that we are the least ahead of.
    #[test]
    fn figures_of_a_run() {
        let mut entries = vec![entry("ours", "limit", 100.0), entry("ours", "parse", 150.0)];
        entries.extend(["typed", "taken", "message"].map(|name| entry("ours", name, 400.0)));
        for (peer, typed) in PEERS.iter().zip([1000.0, 2000.0, 4000.0]) {
            entries.extend([
                entry("parse", peer, 500.0),
                entry("typed", peer, typed),
                entry("same", peer, 400.0),
            ]);
        }
        let all = json!({ "messages": 2, "bytes": 1.0, "headers": 1.0, "rounds": 1, "entries": entries });
        let counted = Counted { limit: Some(1000.0), parse: Some(1400.0), typed: Some(6000.0) };
        let report = report(&Measured { all: &all }, &counted).expect("all rows are there");
        let found: Vec<_> = report.figures.iter().map(|f| (f.name, f.value, f.met())).collect();
        let expected = [
            ("sip.parse.x_limit", 1.5, true),
            ("sip.typed.x_limit", 4.0, true),
            ("sip.typed.x_best_rust_peer", 0.4, true),
            ("sip.typed.allocs", 0.0, true),
            ("sip.typed.instructions", 6000.0, false),
        ];
        assert_eq!(found, expected);
    }

    /// Callgrind's count stands among its other lines.
    #[test]
    fn count_of_callgrind() {
        let text = "12\n==7== Events    : Ir\n==7== Collected : 1249145\n==7==\n";
        assert_eq!(read_count(text), Some((12.0, 1_249_145.0)));
        assert_eq!(read_count("12\n"), None);
    }
}
