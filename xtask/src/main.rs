//! What a maintainer runs: `cargo xtask test`, and the parts of it.
//!
//! Not here: anything that the product needs.

#![forbid(unsafe_code)]

mod bench;
mod checks;
mod interop;
mod interop_xml;
mod licences;
mod picture;
mod shell;
mod sources;
mod tests;
mod transitions;

use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
cargo xtask COMMAND

  test          everything: unit and integration tests, doc tests, interop, the table audit; one summary line
  test-interop  SIPp, Kamailio and baresip against the pool, `reconvene join` and sip-core's agent, over UDP, TCP and TLS,
                read by Wireshark's dissector (installs what is missing); with a WORD the cases that have it in their name
  test-xml      libxml2 reads what c3p writes, under schemas of RFC 4575 and of C3P (installs what is missing)
  transitions   for every numbered transition its row, the lines that cross it and its tests; and whether the picture
                in docs/recovery.md is the table's
  picture       draws the table of transitions into docs/recovery.md
  bench WHAT    what the code costs beside its limit and its peers: sip, all; --json for one object
  ci            fmt, clippy and rustdoc without warnings, licences and dependencies, rules of the cores
";

/// How a command ended: one line for the summary, or what failed.
type Outcome = Result<String, String>;

fn main() -> ExitCode {
    let started = Instant::now();
    let command = std::env::args().nth(1).unwrap_or_default();
    let outcome = match command.as_str() {
        "test" => tests::run(),
        "test-interop" => interop::run(std::env::args().nth(2).as_deref()),
        "test-xml" => interop_xml::run(),
        "transitions" => transitions::run(),
        "picture" => picture::run(),
        "ci" => checks::run(),
        "bench" => return bench::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(if matches!(command.as_str(), "help" | "--help" | "-h") { 0 } else { 2 });
        }
    };
    let seconds = started.elapsed().as_secs();
    match outcome {
        Ok(summary) => {
            println!("{command}: ok; {summary}; {seconds} s");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{command}: FAILED; {what}; {seconds} s");
            ExitCode::FAILURE
        }
    }
}
