//! `cargo xtask bench`: what the code costs, beside its limit and beside what others offer.
//!
//! A figure is a ratio of two things that were measured in one run, in alternation, or a count. Nothing here fails because
//! a figure is bad: the tables say whether a goal is met.

mod roster;
mod signalling;
mod signalling_caller;
mod signalling_programs;
mod sip;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::shell;

const HELP: &str = "\
cargo xtask bench WHAT [--json]

  sip    parsing of SIP messages: ours, the limit, rsipstack, rsip, ezk-sip-types (builds them in release)
  roster  roster documents: ours, the limit, quick-xml by hand and with serde (builds them in release)
  signalling  calls: a dialog-stateful server of ours, its limit, SIPp and Kamailio as servers (needs sipp; 3 min)
  all    all of the above

  --json   one object instead of tables: machine, commit, figures
";

/// Which way a number is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    /// At most the goal is met.
    Lower,
    /// At least the goal is met.
    Higher,
}

/// One number that is followed over time.
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: f64,
    better: Better,
}

impl Figure {
    /// One of which less is better.
    fn lower(name: &'static str, value: f64, unit: &'static str, goal: f64) -> Self {
        Self { name, value, unit, goal, better: Better::Lower }
    }

    /// One of which more is better.
    fn higher(name: &'static str, value: f64, unit: &'static str, goal: f64) -> Self {
        Self { name, value, unit, goal, better: Better::Higher }
    }

    fn met(&self) -> bool {
        match self.better {
            Better::Lower => self.value <= self.goal,
            Better::Higher => self.value >= self.goal,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "goal": rounded(self.goal),
            "better": match self.better {
                Better::Lower => "lower",
                Better::Higher => "higher",
            },
            "met": self.met(),
        })
    }
}

/// What a bench found: text for people, and figures.
struct Report {
    table: String,
    figures: Vec<Figure>,
}

type Bench = fn() -> Result<Report, String>;

const BENCHES: [(&str, Bench); 3] =
    [("sip", sip::run), ("roster", roster::run), ("signalling", signalling::run)];

/// Runs the benches that `args` name.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let json = args.iter().any(|a| a == "--json");
    let named: Vec<&str> = args.iter().map(String::as_str).filter(|a| *a != "--json").collect();
    let chosen: Vec<Bench> = match named[..] {
        ["all"] => BENCHES.iter().map(|(_, bench)| *bench).collect(),
        [name] => BENCHES.iter().filter(|(n, _)| *n == name).map(|(_, bench)| *bench).collect(),
        _ => Vec::new(),
    };
    if chosen.is_empty() {
        eprint!("{HELP}");
        return ExitCode::from(2);
    }
    let mut figures = Vec::new();
    for bench in chosen {
        match bench() {
            Ok(report) => {
                if !json {
                    println!("{}\n{}", report.table, list(&report.figures));
                }
                figures.extend(report.figures.iter().map(Figure::to_json));
            }
            Err(what) => {
                eprintln!("bench: FAILED; {what}");
                return ExitCode::FAILURE;
            }
        }
    }
    if json {
        println!("{}", json!({ "machine": machine(), "commit": commit(), "figures": figures }));
    } else {
        println!("{}, commit {}", machine(), commit());
    }
    ExitCode::SUCCESS
}

fn list(figures: &[Figure]) -> String {
    let line = |f: &Figure| {
        let met = if f.met() { "met" } else { "not met" };
        format!("{:<28}{:>10}  goal {:>8}  {met} ({})\n", f.name, rounded(f.value), rounded(f.goal), f.unit)
    };
    figures.iter().map(line).collect()
}

/// Three places are more than a shared machine can tell apart.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ")).map(|(_, m)| m);
    format!(
        "{} {}, {cpus} x {}",
        std::env::consts::OS,
        std::env::consts::ARCH,
        model.unwrap_or("unknown CPU")
    )
}

fn commit() -> String {
    let commit = shell::read("git rev-parse --short=12 HEAD").unwrap_or_default();
    let commit = commit.trim();
    let dirty =
        shell::read("git status --porcelain --untracked-files=no").is_ok_and(|s| !s.trim().is_empty());
    format!("{}{}", if commit.is_empty() { "unknown" } else { commit }, if dirty { "+" } else { "" })
}

#[cfg(test)]
mod unit {
    use super::*;

    /// A figure as it is printed: the names of its fields are what others read.
    #[test]
    fn figure_as_json() {
        let figure = Figure::lower("sip.typed.x_limit", 4.123_49, "x", 5.0);
        let expected = json!({
            "name": "sip.typed.x_limit", "value": 4.123, "unit": "x", "goal": 5.0, "better": "lower", "met": true,
        });
        assert_eq!(figure.to_json(), expected);
        assert!(!Figure { value: 5.1, ..figure }.met());
        let higher = Figure::higher("signalling.overload.goodput", 91.0, "%", 90.0);
        assert_eq!((higher.to_json()["better"].clone(), higher.met()), (json!("higher"), true));
        assert!(!Figure { value: 89.0, ..higher }.met());
    }
}
