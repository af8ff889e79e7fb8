//! `cargo xtask test-interop`: SIPp, a SIP implementation that shares no code with ours, against both our sides.
//!
//! As participants (one, then a hundred in one conference) against `reconvene pool`; as a scripted Focus for
//! `reconvene join`. Each over UDP and TCP. The scenarios are in `xtask/sipp`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Outcome, shell};

/// How long any single thing that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Participants that are in one conference at the same time.
const CROWD: u32 = 100;

/// The conference that the scripted Focus plays.
const SCRIPTED: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:SIPPFOCUS";

/// Runs all scenarios over both transports.
pub(crate) fn run() -> Outcome {
    find_sipp()?;
    shell::run("cargo build --package reconvene")?;
    let binary = binary()?;
    let mut failed = Vec::new();
    let mut passed = 0;
    for transport in ["udp", "tcp"] {
        let cases = [
            ("participant", participant as fn(&Path, &str) -> Result<(), String>),
            ("crowd", crowd),
            ("focus", focus),
        ];
        for (name, case) in cases {
            let started = Instant::now();
            match case(&binary, transport) {
                Ok(()) => {
                    passed += 1;
                    println!("interop {name} over {transport}: ok ({} ms)", started.elapsed().as_millis());
                }
                Err(what) => {
                    println!("interop {name} over {transport}: FAILED: {what}");
                    failed.push(format!("{name} over {transport}"));
                }
            }
        }
    }
    if failed.is_empty() { Ok(format!("{passed} SIPp scenarios passed")) } else { Err(failed.join(", ")) }
}

/// Finds SIPp, or installs it where the system is Debian's.
fn find_sipp() -> Result<(), String> {
    if sipp_is_there() {
        return Ok(());
    }
    let sudo = if shell::has("sudo -n true") { "sudo -n " } else { "" };
    let install = format!("{sudo}apt-get install --yes --no-install-recommends sip-tester");
    if shell::run(&install).is_err() {
        shell::run(&format!("{sudo}apt-get update"))?;
        shell::run(&install)?;
    }
    if sipp_is_there() { Ok(()) } else { Err("SIPp is not there (Debian package sip-tester)".to_owned()) }
}

/// `sipp -v` exits with 99, so its words tell.
fn sipp_is_there() -> bool {
    Command::new("sipp").arg("-v").output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).contains("SIPp")
            || String::from_utf8_lossy(&output.stderr).contains("SIPp")
    })
}

/// The command that `cargo build` made.
fn binary() -> Result<PathBuf, String> {
    let metadata = shell::read("cargo metadata --format-version 1 --no-deps --offline")?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata has no target directory")?;
    Ok(Path::new(target).join("debug/reconvene"))
}

/// One participant: addUser, SUBSCRIBE, full document, command and asynchronous result, BYE.
fn participant(binary: &Path, transport: &str) -> Result<(), String> {
    join_pool(binary, transport, 1)
}

/// A hundred of them in one conference.
fn crowd(binary: &Path, transport: &str) -> Result<(), String> {
    join_pool(binary, transport, CROWD)
}

fn join_pool(binary: &Path, transport: &str, count: u32) -> Result<(), String> {
    let listen = format!("--listen={transport}:127.0.0.1:0");
    let mut pool = Program::start(binary, &["pool", "--json", "--open", &listen, "--mcu=im"])?;
    let ready = pool.event("ready", |_| true)?;
    let front_end = ready["nodes"][0]["listen"][0].as_str().ok_or("ready tells no address")?.to_owned();
    let server = format!("--server={front_end}");
    let mut schedule = Program::start(
        binary,
        &["schedule", "--json", &server, "--as=sip:alice@example.com", "--subject=interop"],
    )?;
    let scheduled = schedule.event("scheduled", |_| true)?;
    let conference = scheduled["uri"].as_str().ok_or("scheduled tells no URI")?;
    let address = front_end.split_once(':').map_or("", |(_, address)| address);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let count_text = count.to_string();
    let mut sipp = Command::new("sipp");
    sipp.args(["-sf", &scenario("participant.xml"), "-key", "conference", conference, "-i", "127.0.0.1"])
        .args(["-t", if transport == "udp" { "u1" } else { "tn" }, "-max_socket", "1000"])
        .args(["-m", &count_text, "-l", &count_text, "-r", "25", "-d", "6000"])
        .args([
            "-default_behaviors",
            "all,-abortunexp",
            "-recv_timeout",
            "20000",
            "-timeout",
            "60",
            "-timeout_error",
        ])
        .args(["-nostdin", "-trace_err", "-error_file", "errors.log", address])
        .current_dir(folder.path());
    let result = finish(sipp, folder.path());
    pool.stop()?;
    result
}

/// SIPp plays the Focus: `join` joins, gets 481 to its next command, rejoins with exactly one INVITE, and leaves.
fn focus(binary: &Path, transport: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let port = free_port(transport)?.to_string();
    let mut command = Command::new("sipp");
    command
        .args([
            "-sf",
            &scenario("focus.xml"),
            "-key",
            "conference",
            SCRIPTED,
            "-key",
            "user",
            "sip:bob@example.com",
        ])
        .args([
            "-key",
            "gruu",
            "sip:bob@example.com;opaque=user:epid:interop;gruu",
            "-i",
            "127.0.0.1",
            "-p",
            &port,
        ])
        .args(["-t", if transport == "udp" { "u1" } else { "t1" }, "-deadcall_wait", "0", "-nostdin"])
        .args(["-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut sipp = Killed(command.spawn().map_err(|error| format!("sipp: {error}"))?);
    wait_for_port(transport, &port)?;
    let server = format!("--server={transport}:127.0.0.1:{port}");
    let args = ["join", "--json", SCRIPTED, &server, "--as=sip:bob@example.com", "--modality=none"];
    let mut join = Program::start(binary, &args)?;
    join.transition("T2")?;
    join.say("lock")?;
    join.transition("T6a")?;
    join.transition("T7")?;
    join.say("leave")?;
    join.transition("T4")?;
    join.exit_with(0)?;
    let log =
        std::fs::read_to_string(folder.path().join("messages.log")).map_err(|error| error.to_string())?;
    let invites = calls_with(&log, "INVITE");
    shell::run(&format!("kill -USR1 {}", sipp.0.id()))?;
    let status = wait(&mut sipp.0, PATIENCE)?;
    if invites != 2 {
        return Err(format!("{invites} INVITEs in place of two: one to join, one to rejoin"));
    }
    for (method, least) in [("REGISTER", 1), ("SUBSCRIBE", 2), ("BYE", 1)] {
        if calls_with(&log, method) < least {
            return Err(format!("no {method} came"));
        }
    }
    if status == 0 { Ok(()) } else { Err(format!("sipp ended with {status}\n{}", errors(folder.path()))) }
}

/// How many calls of SIPp's message log have a request with this method.
fn calls_with(log: &str, method: &str) -> usize {
    let start = format!("{method} ");
    let mut calls = BTreeSet::new();
    let mut in_request = false;
    for line in log.lines() {
        if line.starts_with(&start) {
            in_request = true;
        } else if let (true, Some(call)) = (in_request, line.strip_prefix("Call-ID:")) {
            calls.insert(call.trim().to_owned());
            in_request = false;
        }
    }
    calls.len()
}

fn scenario(file: &str) -> String {
    shell::root().join("xtask/sipp").join(file).to_string_lossy().into_owned()
}

/// A port that was free a moment ago; SIPp cannot pick one by itself and tell.
fn free_port(transport: &str) -> Result<u16, String> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let address = match transport {
        "udp" => UdpSocket::bind(any).and_then(|socket| socket.local_addr()),
        _ => TcpListener::bind(any).and_then(|listener| listener.local_addr()),
    };
    address.map(|address| address.port()).map_err(|error| error.to_string())
}

/// Returns when SIPp has the port: when nobody else can bind it.
fn wait_for_port(transport: &str, port: &str) -> Result<(), String> {
    let port: u16 = port.parse().map_err(|_| "no port".to_owned())?;
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let at = (Ipv4Addr::LOCALHOST, port);
        let taken = match transport {
            "udp" => UdpSocket::bind(at).is_err(),
            _ => std::net::TcpStream::connect(at).is_ok(),
        };
        if taken {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("sipp does not listen".to_owned())
}

/// Runs SIPp to its end; it succeeds only when no call failed.
fn finish(mut command: Command, folder: &Path) -> Result<(), String> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut sipp = Killed(command.spawn().map_err(|error| format!("sipp: {error}"))?);
    match wait(&mut sipp.0, Duration::from_secs(90))? {
        0 => Ok(()),
        status => Err(format!("sipp ended with {status}\n{}", errors(folder))),
    }
}

/// The beginning of what SIPp complained about, other than the notifications that it lets pass.
fn errors(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("errors.log")).unwrap_or_default();
    let told = text
        .split("\n'")
        .filter(|entry| !entry.contains("received 'BENOTIFY"))
        .collect::<Vec<_>>()
        .join("\n");
    told.chars().take(3000).collect()
}

fn wait(child: &mut Child, patience: Duration) -> Result<i32, String> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.code().unwrap_or(-1)),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("it does not end within {patience:?}"))
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One `reconvene` process, read by its JSON lines.
struct Program {
    child: Killed,
    lines: mpsc::Receiver<Value>,
    seen: Vec<String>,
}

impl Program {
    fn start(binary: &Path, args: &[&str]) -> Result<Self, String> {
        let mut child = Command::new(binary)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child: Killed(child), lines, seen: Vec::new() })
    }

    /// The next event of that name which fits.
    fn event(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let value = self
                .lines
                .recv_timeout(left)
                .map_err(|_| format!("no `{name}` event came; seen:\n{}", self.seen.join("\n")))?;
            self.seen.push(value.to_string());
            if value["event"] == name && fits(&value) {
                return Ok(value);
            }
        }
    }

    fn transition(&mut self, id: &str) -> Result<(), String> {
        self.event("state", |state| state["transition"] == id)
            .map(|_| ())
            .map_err(|error| format!("{id}: {error}"))
    }

    /// Types a line.
    fn say(&mut self, line: &str) -> Result<(), String> {
        let stdin = self.child.0.stdin.as_mut().ok_or("no stdin")?;
        writeln!(stdin, "{line}").map_err(|error| error.to_string())
    }

    fn exit_with(&mut self, expected: i32) -> Result<(), String> {
        match wait(&mut self.child.0, PATIENCE)? {
            status if status == expected => Ok(()),
            status => {
                Err(format!("exit status {status} in place of {expected}; seen:\n{}", self.seen.join("\n")))
            }
        }
    }

    /// SIGTERM, then a clean end.
    fn stop(&mut self) -> Result<(), String> {
        shell::run(&format!("kill -TERM {}", self.child.0.id()))?;
        self.exit_with(0)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Calls are counted by Call-ID, so a retransmission counts once and an answer's CSeq not at all.
    #[test]
    fn counts_calls() {
        let log = "INVITE sip:x SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\nINVITE sip:x SIP/2.0\r\nCall-ID: a\r\n\n\
                   SIP/2.0 200 OK\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\nBYE sip:x SIP/2.0\r\nCall-ID: b\r\n";
        assert_eq!((calls_with(log, "INVITE"), calls_with(log, "BYE")), (1, 1));
    }
}
