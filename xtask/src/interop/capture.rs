//! What crossed the loopback in a run, read by Wireshark's dissector.
//!
//! Two sources. `dumpcap` records the network of the run, where the system lets it: everybody's UDP and TCP. And each agent
//! writes what it sends and gets, TLS in plain text. Both are decoded as SIP on the ports that are known to carry it; no
//! packet may be malformed, and none may have an expert note of level error.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::lab::{Lab, Wire, told};
use super::process::{self, Guarded, PATIENCE};

/// The level "error" of tshark's expert notes (`PI_ERROR`).
const ERROR: &str = "8388608";

/// What one message in the capture is.
const FIELDS: [&str; 5] =
    ["frame.number", "sip.Method", "sip.Status-Code", "_ws.expert.severity", "_ws.expert.message"];

/// Requests that a run of all cases cannot be without, and how often they come at least.
const LEAST: [(&str, u64); 10] = [
    ("INVITE", 100),
    ("ACK", 100),
    ("BYE", 60),
    ("CANCEL", 10),
    ("UPDATE", 10),
    ("PRACK", 8),
    ("OPTIONS", 3),
    ("REGISTER", 20),
    ("200", 200),
    ("491", 4),
];

/// A recording of the network of a run.
pub(super) struct Recording {
    file: PathBuf,
    dumpcap: Guarded,
}

impl Recording {
    /// Begins to record; an error when this system does not let us.
    pub(super) fn start(lab: &Lab) -> Result<Self, String> {
        let file = lab.logs.join("loopback.pcapng");
        let log = lab.logs.join("dumpcap.log");
        let out = File::create(&log).map_err(|error| told(&log, &error))?;
        let mut command = process::tied("dumpcap");
        command
            .args(["-q", "-i", "lo", "-f", &format!("host {}", lab.host), "-B", "64", "-w"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(out);
        let mut dumpcap = Guarded::start_gently(&mut command)?;
        // It makes the file once it records.
        let end = Instant::now() + PATIENCE;
        while fs::metadata(&file).map_or(true, |file| file.len() == 0) {
            if !dumpcap.is_alive() || Instant::now() >= end {
                let text = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("dumpcap does not record: {}", text.trim()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { file, dumpcap })
    }

    /// Ends it, and gives the file.
    pub(super) fn stop(mut self) -> Result<PathBuf, String> {
        // What is still in the kernel's buffer.
        std::thread::sleep(Duration::from_millis(500));
        self.dumpcap.signal("INT");
        self.dumpcap.wait(PATIENCE)?;
        Ok(self.file.clone())
    }
}

/// What the dissector made of captures.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// SIP messages by their method or status.
    messages: BTreeMap<String, u64>,
    /// What it objected to.
    wrong: Vec<String>,
}

impl Findings {
    /// All SIP messages.
    pub(super) fn count(&self) -> u64 {
        self.messages.values().sum()
    }

    /// Takes what another capture showed.
    pub(super) fn add(&mut self, other: Self) {
        for (name, count) in other.messages {
            *self.messages.entry(name).or_default() += count;
        }
        self.wrong.extend(other.wrong);
    }

    /// What is wrong, and what is missing of a run of all cases.
    pub(super) fn verdict(&self, whole: bool) -> Result<(), String> {
        let mut wrong = self.wrong.clone();
        for (name, least) in LEAST.iter().filter(|_| whole) {
            let count = self.messages.get(*name).copied().unwrap_or(0);
            if count < *least {
                wrong.push(format!("only {count} {name} in place of {least} at least"));
            }
        }
        if self.count() == 0 {
            wrong.push("no SIP message at all".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Takes one line of tshark's: the fields, parted by tabs.
    fn line(&mut self, file: &Path, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[number, methods, statuses, severities, told] = fields.as_slice() else { return };
        for one in methods.split(',').chain(statuses.split(',')).filter(|one| !one.is_empty()) {
            *self.messages.entry(one.to_owned()).or_default() += 1;
        }
        if severities.split(',').any(|one| one == ERROR) {
            self.wrong.push(format!("{} packet {number} ({methods}{statuses}): {told}", file.display()));
        }
    }
}

/// Lets the dissector read one capture.
///
/// A malformed packet is an expert note of level error too, so that one question finds both. Over UDP, whatever is no SIP on
/// a port of SIP is wrong, but for keep-alives and what the kernel says of ports that nobody has.
pub(super) fn read(lab: &Lab, file: &Path, tls_is_plain: bool) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut decode = Vec::new();
    for (wire, port) in lab.ports() {
        match wire {
            Wire::Udp => decode.push(format!("udp.port=={port},sip")),
            Wire::Tcp => decode.push(format!("tcp.port=={port},sip")),
            Wire::Tls if tls_is_plain => decode.push(format!("tcp.port=={port},sip")),
            Wire::Tls => (),
        }
    }
    let fields: Vec<&str> = FIELDS.iter().flat_map(|field| ["-e", field]).collect();
    let wanted = format!("sip || _ws.malformed || _ws.expert.severity == {ERROR}");
    for line in tshark(file, &decode, &wanted, &fields)?.lines() {
        findings.line(file, line);
    }
    let ports: Vec<String> =
        lab.ports().iter().filter(|(wire, _)| *wire == Wire::Udp).map(|(_, port)| port.to_string()).collect();
    if !ports.is_empty() {
        let strange = format!("udp.port in {{{}}} && !sip && !icmp && udp.length > 12", ports.join(","));
        for line in tshark(file, &decode, &strange, &["-e", "frame.number", "-e", "data"])?.lines() {
            findings.wrong.push(format!("{}: no SIP on a port of SIP: {line}", file.display()));
        }
    }
    Ok(findings)
}

/// Runs tshark over a file.
fn tshark(file: &Path, decode: &[String], filter: &str, fields: &[&str]) -> Result<String, String> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(file);
    for one in decode {
        command.args(["-d", one]);
    }
    let output = command
        .args(["-Y", filter, "-T", "fields"])
        .args(fields)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("tshark: {error}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("tshark: {}: {}", output.status, told.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the agents of a run captured, in one file.
pub(super) fn of_agents(lab: &Lab) -> Result<Option<PathBuf>, String> {
    let mut files = Vec::new();
    for case in fs::read_dir(&lab.logs).map_err(|error| told(&lab.logs, &error))? {
        let case = case.map_err(|error| error.to_string())?.path();
        let Ok(entries) = fs::read_dir(&case) else { continue };
        files.extend(
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|kind| kind == "pcap")),
        );
    }
    if files.is_empty() {
        return Ok(None);
    }
    let merged = lab.logs.join("agents.pcapng");
    let output = Command::new("mergecap")
        .arg("-w")
        .arg(&merged)
        .args(&files)
        .output()
        .map_err(|error| format!("mergecap: {error}"))?;
    if !output.status.success() {
        return Err(format!("mergecap: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(Some(merged))
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Messages are counted by method and status; a note of level error is what is wrong.
    #[test]
    fn lines() {
        let mut findings = Findings::default();
        let file = Path::new("capture");
        findings.line(file, "1\tINVITE\t\t\t");
        findings.line(file, "2\tACK,BYE\t200\t2097152\tSequence");
        assert_eq!((findings.count(), findings.verdict(false)), (4, Ok(())));
        findings.line(file, "3\t\t200\t2097152,8388608\tMalformed Packet (Exception occurred)");
        assert_eq!(findings.wrong.len(), 1);
        assert!(findings.verdict(false).is_err() && Findings::default().verdict(false).is_err());
    }
}
