//! SIPp as the caller, and what its statistics say.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::signalling::scratch;
use super::signalling_programs::Proto;

/// How long all calls of one measurement may take; then those count that were made.
const PATIENCE: Duration = Duration::from_secs(6);

/// What became of the calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Calls that ended with the 200 to their BYE.
    pub(super) completed: u64,
    /// Calls that did not.
    pub(super) failed: u64,
    /// Completed calls a second.
    pub(super) per_second: f64,
    /// Others a second.
    pub(super) failed_per_second: f64,
}

impl Calls {
    /// Of what was completed and failed in these seconds, as our own caller writes it.
    pub(super) fn counted(completed: &str, failed: &str, seconds: &str) -> Option<Self> {
        let (completed, failed) = (completed.parse::<u64>().ok()?, failed.parse::<u64>().ok()?);
        let seconds = seconds.parse::<f64>().ok()?.max(0.001);
        let (per_second, failed_per_second) = (completed as f64 / seconds, failed as f64 / seconds);
        Some(Self { completed, failed, per_second, failed_per_second })
    }
}

/// Makes so many calls at this rate and waits for their ends.
pub(super) fn call(
    caller: &[String],
    addr: SocketAddr,
    proto: Proto,
    rate: u32,
    calls: u32,
) -> Result<Calls, String> {
    let (calls, limit) = (calls.to_string(), "20000");
    let rows = run(caller, addr, proto, rate, &["-m", &calls, "-l", limit], PATIENCE)?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Calls::default());
    };
    let seconds = (last.at - first.started).max(0.001);
    Ok(Calls {
        completed: last.completed,
        failed: last.failed,
        per_second: last.completed as f64 / seconds,
        failed_per_second: last.failed as f64 / seconds,
    })
}

fn run(
    caller: &[String],
    addr: SocketAddr,
    proto: Proto,
    rate: u32,
    more: &[&str],
    time: Duration,
) -> Result<Vec<Stat>, String> {
    let dir = scratch()?;
    let stats = dir.path().join("stat.csv");
    let transport = match proto {
        Proto::Udp => "u1",
        Proto::Tcp => "t1",
    };
    let (program, before) = caller.split_first().ok_or("no caller")?;
    let mut command = Command::new(program);
    command.args(before).args(["-sn", "uac", "-nostdin", "-i", "127.0.0.1", "-t", transport]);
    command.args(["-d", "0", "-rp", "1000", "-fd", "1", "-trace_stat", "-r", &rate.to_string()]);
    command.args(more).arg("-stf").arg(&stats).arg(addr.to_string());
    command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("sipp could not start: {error}"))?;
    let until = Instant::now() + time;
    while child.try_wait().map_err(|error| format!("sipp: {error}"))?.is_none() {
        if Instant::now() >= until {
            // It is ours and has nothing to finish: what it found is in the file, up to its last second.
            let _ = child.kill();
            let _ = child.wait();
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    read(&stats)
}

/// A line of SIPp's statistics.
#[derive(Debug, PartialEq)]
struct Stat {
    /// When SIPp began, in seconds since the epoch.
    started: f64,
    /// When the line was written.
    at: f64,
    completed: u64,
    failed: u64,
}

fn read(path: &Path) -> Result<Vec<Stat>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("sipp wrote no statistics: {error}"))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Vec<Stat> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    let column = |name| names.iter().position(|n| *n == name);
    let columns =
        [column("StartTime"), column("CurrentTime"), column("SuccessfulCall(C)"), column("FailedCall(C)")];
    let [Some(started), Some(at), Some(completed), Some(failed)] = columns else {
        return Vec::new();
    };
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(';').collect();
        let time = |at: usize| fields.get(at)?.rsplit('\t').next()?.parse::<f64>().ok();
        let count = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Stat {
            started: time(started)?,
            at: time(at)?,
            completed: count(completed)?,
            failed: count(failed)?,
        })
    };
    lines.filter_map(row).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Columns are found by name; a line that was cut is left out.
    #[test]
    fn statistics() {
        let text = "StartTime;CurrentTime;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C)\n\
            d\tt\t100.5;d\tt\t101.5;1;10;0\n\
            d\tt\t100.5;d\tt\t103.5;1;40;5\n\
            d\tt\t100.5;d\tt\t105.5;1;80;25\n\
            d\tt\t100.5;d\tt\t1";
        let rows = parse(text);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1], Stat { started: 100.5, at: 103.5, completed: 40, failed: 5 });
        assert_eq!(parse("other\n1;2").len(), 0);
    }

    /// What our own caller writes.
    #[test]
    fn counted() {
        let calls = Calls::counted("40", "20", "2.0").unwrap();
        assert_eq!(
            (calls.completed, calls.failed, calls.per_second, calls.failed_per_second),
            (40, 20, 20.0, 10.0)
        );
        assert!(Calls::counted("x", "20", "2.0").is_none());
    }
}
