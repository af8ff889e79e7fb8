//! SIPp against `reconvene`: as participants (one, then a hundred in one conference) against `reconvene pool`, and as a
//! scripted Focus for `reconvene join`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use super::lab::{Lab, Wire};
use super::process::{self, Guarded, PATIENCE, Program};
use super::sipp;

/// What SIPp asks for as its receive buffer. Its own 64 kB overflow when a crowd leaves: notifications to those who are gone
/// come again in step with its own repetitions, and would hide the answers to these for as long as both last.
const RECEIVE_BYTES: &str = "1048576";

/// Participants that are in one conference at the same time.
const CROWD: u32 = 100;

/// The conference that the scripted Focus plays.
const SCRIPTED: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:SIPPFOCUS";

/// One participant: addUser, SUBSCRIBE, full document, command and asynchronous result, BYE.
pub(super) fn participant(lab: &Lab, wire: Wire, folder: &Path) -> Result<(), String> {
    join_pool(lab, wire, folder, 1)
}

/// A hundred of them in one conference.
pub(super) fn crowd(lab: &Lab, wire: Wire, folder: &Path) -> Result<(), String> {
    join_pool(lab, wire, folder, CROWD)
}

fn join_pool(lab: &Lab, wire: Wire, folder: &Path, count: u32) -> Result<(), String> {
    let listen = format!("--listen={wire}:{}:0", lab.host);
    let args = ["pool", "--json", "--open", &listen, "--mcu=im"];
    let mut pool = Program::start(&lab.reconvene, &args, &folder.join("pool.jsonl"))?;
    let ready = pool.event("ready", |_| true)?;
    let front_end = ready["nodes"][0]["listen"][0].as_str().ok_or("ready tells no address")?.to_owned();
    let address = front_end.split_once(':').map_or("", |(_, address)| address);
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    lab.note(wire, port.ok_or("the pool tells no port")?);
    let server = format!("--server={front_end}");
    let args = ["schedule", "--json", &server, "--as=sip:alice@example.com", "--subject=interop"];
    let mut schedule = Program::start(&lab.reconvene, &args, &folder.join("schedule.jsonl"))?;
    let scheduled = schedule.event("scheduled", |_| true)?;
    let conference = scheduled["uri"].as_str().ok_or("scheduled tells no URI")?;
    let count_text = count.to_string();
    let mut command = sipp::command(lab, folder, "participant");
    command
        .args(["-key", "conference", conference])
        .args([
            "-t",
            if wire == Wire::Udp { "u1" } else { "tn" },
            "-max_socket",
            "1000",
            "-buff_size",
            RECEIVE_BYTES,
        ])
        .args(["-m", &count_text, "-l", &count_text, "-r", "25", "-d", "6000"])
        .args(["-default_behaviors", "all,-abortunexp", "-recv_timeout", "20000"])
        .args(["-timeout", "60", "-timeout_error", address]);
    if wire == Wire::Udp {
        sipp::at_free_port(lab, &mut command, wire)?;
    }
    let result = sipp::finish(&mut Guarded::start(&mut command)?, folder, sipp::RUN);
    pool.stop()?;
    result
}

/// SIPp plays the Focus: `join` joins, gets 481 to its next command, rejoins with exactly one INVITE, and leaves.
pub(super) fn focus(lab: &Lab, wire: Wire, folder: &Path) -> Result<(), String> {
    let mut command = sipp::command(lab, folder, "focus");
    command
        .args(["-key", "conference", SCRIPTED, "-key", "user", "sip:bob@example.com"])
        .args(["-key", "gruu", "sip:bob@example.com;opaque=user:epid:interop;gruu"])
        .args(["-t", if wire == Wire::Udp { "u1" } else { "t1" }, "-deadcall_wait", "0"])
        .args(["-trace_msg", "-message_file", "messages.log"]);
    let port = sipp::at_free_port(lab, &mut command, wire)?;
    let mut sipp = Guarded::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    process::wait_for_port(&mut sipp, lab.host, wire, port)?;
    let server = format!("--server={wire}:{}:{port}", lab.host);
    let args = ["join", "--json", SCRIPTED, &server, "--as=sip:bob@example.com", "--modality=none"];
    let mut join = Program::start(&lab.reconvene, &args, &folder.join("join.jsonl"))?;
    transition(&mut join, "T2")?;
    join.say("lock")?;
    transition(&mut join, "T6a")?;
    transition(&mut join, "T7")?;
    join.say("leave")?;
    transition(&mut join, "T4")?;
    join.exit_with(0)?;
    let log = std::fs::read_to_string(folder.join("messages.log")).map_err(|error| error.to_string())?;
    let invites = calls_with(&log, "INVITE");
    sipp.signal("USR1");
    let status = sipp.wait(PATIENCE)?;
    if invites != 2 {
        return Err(format!("{invites} INVITEs in place of two: one to join, one to rejoin"));
    }
    for (method, least) in [("REGISTER", 1), ("SUBSCRIBE", 2), ("BYE", 1)] {
        if calls_with(&log, method) < least {
            return Err(format!("no {method} came"));
        }
    }
    if status.success() { Ok(()) } else { Err(format!("SIPp: {status}\n{}", sipp::errors(folder))) }
}

fn transition(join: &mut Program, id: &str) -> Result<(), String> {
    join.event("state", |state| state["transition"] == id)
        .map(|_| ())
        .map_err(|error| format!("{id}: {error}"))
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
