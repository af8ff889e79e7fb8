//! Signalling: a dialog-stateful server (INVITE, 200, ACK, BYE, 200), beside its limit and its peers.
//!
//! What is compared is the CPU time of the server processes alone, as the scheduler counts it, per completed call. All servers
//! have their turn in each round and the cheapest round of each counts: that is the nearest to what the code costs on a
//! machine with other work.
//!
//! Two callers. Our own keeps so many calls under way that no server ever waits: what is counted is work, not waking up, and
//! how fast the caller is takes no part in it. SIPp calls at a fixed rate beside it, for the record: it pauses between its
//! calls, and each of them wakes the server up several times.
//!
//! Here: rounds, figures, the table. The programs are in `signalling_programs`, SIPp as caller in `signalling_caller`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::signalling_caller::{Calls, call};
use super::signalling_programs::{Load, Programs, Proto, Server};
use super::{Figure, Report};
use crate::shell;

/// Rounds of all servers; each counts with its best.
const ROUNDS: usize = 4;
/// Calls that our own caller keeps under way.
const IN_FLIGHT: u32 = 64;
/// Until every cache and buffer has its size.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long CPU time is counted in each round.
const TIME: Duration = Duration::from_millis(1_200);
/// Calls a second of SIPp.
const SIPP_RATE: u32 = 8_000;
/// Calls of SIPp in its one round.
const SIPP_CALLS: u32 = 12_000;
/// What the application of the overloaded server computes for each new dialog.
const WORK: Duration = Duration::from_micros(250);
/// How long overload is looked at, and when its rates are steady.
const OVERLOAD: Duration = Duration::from_secs(5);
const OVERLOAD_WARM_UP: Duration = Duration::from_secs(3);

/// One row: a server over one transport.
struct Row {
    server: Server,
    proto: Proto,
    /// The cheapest round under our own caller.
    us_per_call: Option<f64>,
    /// The fastest.
    peak: Option<f64>,
    /// Under SIPp's calls.
    us_per_sipp_call: Option<f64>,
}

/// Builds, measures, reports.
pub(super) fn run() -> Result<Report, String> {
    let programs = Programs::build()?;
    let mut table = heading();
    let mut figures = Vec::new();
    for missing in programs.missing() {
        let _ = writeln!(table, "{missing}");
    }
    let rows = measure(&programs)?;
    print(&rows, &mut table);
    figures.extend(ratios(&rows));
    figures.extend(overload(&programs, &mut table)?);
    figures.extend(memory(&programs, &mut table)?);
    Ok(Report { table, figures })
}

fn heading() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    format!(
        "Signalling: INVITE, 200, ACK, BYE, 200 on loopback, server and caller on a core each; {ROUNDS} rounds of {} ms, all servers\n\
         in turn, the best of each. CPU: user and system time of the server's processes per completed call, with {IN_FLIGHT} calls\n\
         under way from a caller of our own that never sleeps (over TCP on one connection); \"by SIPp\": one round of SIPp's calls\n\
         at {SIPP_RATE}/s, each of which wakes the server up. Load of the machine at the start: {load}\n\
         The system's work for a datagram or segment on loopback is done, and counted, where it is sent: a server pays for what\n\
         its caller receives, and not for what reaches it.\n",
        TIME.as_millis()
    )
}

fn measure(programs: &Programs) -> Result<Vec<Row>, String> {
    let servers = programs.servers();
    let mut rows: Vec<Row> = Proto::BOTH
        .into_iter()
        .flat_map(|proto| servers.iter().map(move |server| (*server, proto)))
        .map(|(server, proto)| Row { server, proto, us_per_call: None, peak: None, us_per_sipp_call: None })
        .collect();
    for round in 0..ROUNDS {
        for row in &mut rows {
            eprintln!("round {round}: {} {}", row.proto.as_str(), row.server.name());
            let running = programs.start(row.server, row.proto)?;
            let (calls, used) =
                programs.call(&running, row.proto, Load::InFlight(IN_FLIGHT), WARM_UP, TIME)?;
            note(row, &calls, used);
        }
    }
    for row in rows.iter_mut().filter(|_| programs.has_caller()) {
        eprintln!("SIPp calls: {} {}", row.proto.as_str(), row.server.name());
        let running = programs.start(row.server, row.proto)?;
        let before = running.cpu_ns();
        let calls = call(programs.caller(), running.addr(), row.proto, SIPP_RATE, SIPP_CALLS)?;
        row.us_per_sipp_call = us_per_call(&calls, running.cpu_ns().saturating_sub(before));
    }
    Ok(rows)
}

/// `None` when more than a few calls failed: they cost something, too, and such a run says nothing about the others.
fn us_per_call(calls: &Calls, used_ns: u64) -> Option<f64> {
    let counts = calls.completed > 0 && calls.failed * 50 <= calls.completed;
    counts.then(|| used_ns as f64 / 1_000.0 / calls.completed as f64)
}

fn note(row: &mut Row, calls: &Calls, used_ns: u64) {
    if let Some(us) = us_per_call(calls, used_ns) {
        row.us_per_call = Some(row.us_per_call.map_or(us, |best| best.min(us)));
        row.peak = Some(row.peak.map_or(calls.per_second, |best| best.max(calls.per_second)));
    }
}

fn print(rows: &[Row], table: &mut String) {
    let _ = writeln!(
        table,
        "{:<38}{:>12}{:>9}{:>9}{:>14}{:>15}",
        "", "CPU us/call", "x limit", "x sipp", "peak calls/s", "by SIPp us"
    );
    for row in rows {
        let of = |server| of(rows, server, row.proto);
        let ratio = |other: Option<f64>| match (row.us_per_call, other) {
            (Some(ours), Some(theirs)) => format!("{:.2}", ours / theirs),
            _ => "–".to_owned(),
        };
        let number = |n: Option<f64>, places: usize| {
            n.map_or_else(|| "failed".to_owned(), |n| format!("{n:.places$}"))
        };
        let _ = writeln!(
            table,
            "{:<38}{:>12}{:>9}{:>9}{:>14}{:>15}",
            format!("{} {}", row.proto.as_str().to_uppercase(), row.server.name()),
            number(row.us_per_call, 1),
            ratio(of(Server::Limit)),
            ratio(of(Server::Sipp)),
            number(row.peak, 0),
            number(row.us_per_sipp_call, 1),
        );
    }
    let _ = writeln!(
        table,
        "peak: completed in the fastest round, on the share of its core that other work left to the server; a million divided by\n\
         CPU us/call is what it can on a core of its own."
    );
}

fn of(rows: &[Row], server: Server, proto: Proto) -> Option<f64> {
    rows.iter().find(|row| row.server == server && row.proto == proto)?.us_per_call
}

fn ratios(rows: &[Row]) -> Vec<Figure> {
    let us = |server, proto| of(rows, server, proto);
    let ratio = |proto, peer| Some(us(Server::Ours, proto)? / us(peer, proto)?);
    let lower =
        |name, value: Option<f64>, unit, goal| value.map(|value| Figure::lower(name, value, unit, goal));
    [
        lower("signalling.udp.us_per_call", us(Server::Ours, Proto::Udp), "us", 16.0),
        lower("signalling.udp.x_sipp", ratio(Proto::Udp, Server::Sipp), "x", 0.5),
        lower("signalling.tcp.us_per_call", us(Server::Ours, Proto::Tcp), "us", 8.0),
        lower("signalling.tcp.x_sipp", ratio(Proto::Tcp, Server::Sipp), "x", 0.5),
        lower("signalling.udp.x_kamailio_tm", ratio(Proto::Udp, Server::KamailioTm), "x", 0.5),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Goodput at twice the capacity, of a server whose application has to work for each new dialog.
fn overload(programs: &Programs, table: &mut String) -> Result<Option<Figure>, String> {
    let work_us = WORK.as_micros() as f64;
    // What it can on the share of the core that it has just now.
    eprintln!("overload: capacity");
    let running = programs.start_busy(WORK)?;
    let (calls, _) =
        programs.call(&running, Proto::Udp, Load::InFlight(IN_FLIGHT), WARM_UP, OVERLOAD_WARM_UP)?;
    drop(running);
    let capacity = calls.per_second;
    let mut reached = Vec::new();
    for share in [0.8, 1.0, 2.0] {
        eprintln!("overload: {share} x capacity");
        let running = programs.start_busy(WORK)?;
        let rate = (capacity * share) as u32;
        let load = Load::PerSecond(rate);
        let (calls, _) = programs.call(&running, Proto::Udp, load, OVERLOAD_WARM_UP, OVERLOAD)?;
        reached.push((share, rate, calls));
    }
    let peak = reached.iter().filter(|(share, ..)| *share <= 1.0).map(|(.., calls)| calls.per_second);
    let peak = peak.fold(capacity, f64::max);
    let _ = writeln!(
        table,
        "\nOverload over UDP, {} s each, offered by our own caller without regard to answers; a call that is refused has failed. So\n\
         that one core can offer twice the capacity, that is restricted: the application computes {work_us:.0} us for each new dialog.\n\
         Capacity: {capacity:.0} calls/s, completed with {IN_FLIGHT} under way. A refusal costs three of the five messages of a call: the less\n\
         an application does for a call, the more of it a refusal costs; a server that\n\
         does nothing else could by arithmetic serve about a third of its peak at twice the load.\n\
         {:<16}{:>12}{:>20}{:>18}",
        OVERLOAD.as_secs(),
        "x capacity",
        "offered/s",
        "completed calls/s",
        "failed calls/s"
    );
    for (share, rate, calls) in &reached {
        let failed = calls.failed_per_second;
        let _ = writeln!(table, "{share:<16}{rate:>12}{:>20.0}{failed:>18.0}", calls.per_second);
    }
    let doubled = reached.last().map_or(0.0, |(.., calls)| calls.per_second);
    Ok((peak > 0.0)
        .then(|| Figure::higher("signalling.overload.goodput", 100.0 * doubled / peak, "% of peak", 90.0)))
}

/// Bytes of resident memory for each dialog and each finished transaction.
fn memory(programs: &Programs, table: &mut String) -> Result<Vec<Figure>, String> {
    let _ = writeln!(
        table,
        "\nMemory: growth of the resident memory of a server that is filled in virtual time, and between the two sizes\n\
         {:<38}{:>12}{:>12}{:>12}",
        "bytes each", "10,000", "50,000", "between"
    );
    let mut figures = Vec::new();
    for (what, name, figure, goal) in [
        ("dialogs", "idle dialog", Some("memory.idle_dialog.bytes"), 1_000.0),
        (
            "transactions",
            "finished OPTIONS with its response",
            Some("memory.finished_transaction.bytes"),
            600.0,
        ),
        ("calls", "finished call: INVITE and BYE", None, 0.0),
    ] {
        let (small, large) = (10_000_u32, 50_000_u32);
        let (few, many) = (programs.memory(what, small)?, programs.memory(what, large)?);
        let between = (many - few) / f64::from(large - small);
        let each = [few / f64::from(small), many / f64::from(large), between];
        let _ = writeln!(table, "{name:<38}{:>12.0}{:>12.0}{:>12.0}", each[0], each[1], each[2]);
        // The worst of the three: where a table has just doubled is chance.
        let worst = each.into_iter().fold(0.0, f64::max);
        figures.extend(figure.map(|figure| Figure::lower(figure, worst, "bytes", goal)));
    }
    Ok(figures)
}

/// Where the programs may write.
pub(super) fn scratch() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))
}

/// Whether a file can be run.
pub(super) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    found || Path::new("/usr/sbin").join(program).is_file() && shell::root().is_dir()
}

#[cfg(test)]
mod unit {
    use super::*;

    fn row(server: Server, proto: Proto, us: Option<f64>) -> Row {
        Row { server, proto, us_per_call: us, peak: None, us_per_sipp_call: None }
    }

    /// Figures are of rows that were measured; a peer that is missing takes only its own figure away.
    #[test]
    fn figures_of_a_run() {
        let rows = [
            row(Server::Limit, Proto::Udp, Some(10.0)),
            row(Server::Ours, Proto::Udp, Some(15.0)),
            row(Server::Sipp, Proto::Udp, Some(30.0)),
            row(Server::Ours, Proto::Tcp, Some(9.0)),
            row(Server::Sipp, Proto::Tcp, None),
        ];
        let found: Vec<_> = ratios(&rows).iter().map(|f| (f.name, f.value, f.met())).collect();
        let expected = [
            ("signalling.udp.us_per_call", 15.0, true),
            ("signalling.udp.x_sipp", 0.5, true),
            ("signalling.tcp.us_per_call", 9.0, false),
        ];
        assert_eq!(found, expected);
        let mut table = String::new();
        print(&rows, &mut table);
        assert!(table.contains("TCP sipp -sn uas") && table.contains("failed"));
    }

    /// The cheapest round counts; one in which calls failed does not.
    #[test]
    fn rounds() {
        let mut row = row(Server::Ours, Proto::Udp, None);
        let calls = |failed| Calls { completed: 100, failed, per_second: 7.0, failed_per_second: 0.0 };
        note(&mut row, &calls(0), 2_000_000);
        note(&mut row, &calls(0), 1_500_000);
        note(&mut row, &calls(50), 1_000);
        assert_eq!((row.us_per_call, row.peak), (Some(15.0), Some(7.0)));
    }
}
