//! `cargo xtask test-interop`: peers that share no code with ours, against both our sides, over UDP, TCP and TLS.
//!
//! - SIPp as participants of `reconvene pool` (one, then a hundred in one conference), and as a scripted Focus of
//!   `reconvene join`.
//! - SIPp against `agent`, an example of sip-core that places and takes calls: one scenario of `xtask/sipp` each.
//! - Kamailio as registrar and as a proxy in the path (`xtask/kamailio`).
//! - baresip as user agent (`xtask/baresip`).
//!
//! What crosses the network is captured, and read by Wireshark's dissector in the end.
//!
//! `cargo xtask test-interop WORD` runs the cases whose names have the word in them.

mod baresip;
mod calls;
mod capture;
mod certificates;
mod install;
mod kamailio;
mod lab;
mod pool;
mod process;
mod script;
mod sipp;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kamailio::Kamailio;
use lab::{Lab, Wire};

use crate::Outcome;

/// Cases at the same time. They wait more than they compute.
const AT_ONCE: usize = 6;

/// What a case does, given its folder.
type Run = Box<dyn FnOnce(&Lab, &Kamailio, &Path) -> Result<(), String> + Send>;

/// One case over one transport.
struct Case {
    name: &'static str,
    wire: Wire,
    run: Run,
}

/// Runs all cases, or those with `only` in their name.
pub(crate) fn run(only: Option<&str>) -> Outcome {
    install::all()?;
    let lab = Lab::new()?;
    let recording = capture::Recording::start(&lab);
    let proxy = Kamailio::start(&lab)?;
    let mut cases = cases();
    cases.retain(|case| only.is_none_or(|word| format!("{}-{}", case.name, case.wire).contains(word)));
    let count = cases.len();
    if count == 0 {
        return Err("no case has this word in its name".to_owned());
    }
    let mut failed = run_cases(&lab, &proxy, cases);
    drop(proxy);
    let told = match dissect(&lab, recording, only.is_none()) {
        Ok(told) => told,
        Err(error) => {
            println!("interop dissector: FAILED: {error}");
            failed.push("dissector".to_owned());
            String::new()
        }
    };
    if failed.is_empty() {
        Ok(format!("{count} cases with SIPp, Kamailio and baresip passed; {told}"))
    } else {
        Err(format!("{}; logs in {}", failed.join(", "), lab.logs.display()))
    }
}

/// Every case over every transport that it is for; those that take longest come first.
fn cases() -> Vec<Case> {
    let direct = [Wire::Udp, Wire::Tcp];
    let all = [Wire::Udp, Wire::Tcp, Wire::Tls];
    let mut cases = Vec::new();
    let mut add = |name, wire, run: Run| cases.push(Case { name, wire, run });
    for wire in direct {
        add("crowd", wire, Box::new(move |lab, _, folder| pool::crowd(lab, wire, folder)));
        add("participant", wire, Box::new(move |lab, _, folder| pool::participant(lab, wire, folder)));
        add("focus", wire, Box::new(move |lab, _, folder| pool::focus(lab, wire, folder)));
    }
    for wire in all {
        add("proxy", wire, Box::new(move |lab, proxy, folder| kamailio::proxied(lab, proxy, wire, folder)));
        add(
            "proxy-between",
            wire,
            Box::new(move |lab, proxy, folder| kamailio::crossed(lab, proxy, wire, folder)),
        );
        add(
            "registrar",
            wire,
            Box::new(move |lab, proxy, folder| kamailio::registration(lab, proxy, wire, folder)),
        );
        add("baresip-calls", wire, Box::new(move |lab, _, folder| baresip::calls(lab, wire, folder)));
        add("baresip-called", wire, Box::new(move |lab, _, folder| baresip::called(lab, wire, folder)));
        add(
            "baresip-registered",
            wire,
            Box::new(move |lab, proxy, folder| baresip::registered(lab, proxy, wire, folder)),
        );
    }
    for scenario in calls::SCENARIOS {
        for wire in scenario.over.iter().copied() {
            let run =
                move |lab: &Lab, proxy: &Kamailio, folder: &Path| scenario.run(lab, proxy, wire, folder);
            add(scenario.name, wire, Box::new(run));
        }
    }
    cases
}

/// Runs the cases, a few at a time; the names of those that failed.
fn run_cases(lab: &Lab, proxy: &Kamailio, cases: Vec<Case>) -> Vec<String> {
    let queue = Mutex::new(VecDeque::from(cases));
    let failed = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let name = format!("{} over {}", case.name, case.wire);
                    if !run_case(lab, proxy, case) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one case and tells how it went.
fn run_case(lab: &Lab, proxy: &Kamailio, case: Case) -> bool {
    let started = Instant::now();
    let Case { name, wire, run } = case;
    let result = lab.folder(&format!("{name}-{wire}")).and_then(|folder| {
        run(lab, proxy, &folder).map_err(|what| format!("{what}\n  (logs: {})", folder.display()))
    });
    let took = started.elapsed().as_millis();
    match result {
        Ok(()) => println!("interop {name:<24} {wire}  ok      {took:>6} ms"),
        Err(ref what) => println!("interop {name:<24} {wire}  FAILED  {took:>6} ms  {what}"),
    }
    result.is_ok()
}

/// Lets the dissector read what was captured; what it saw, or what it objected to.
fn dissect(lab: &Lab, recording: Result<capture::Recording, String>, whole: bool) -> Outcome {
    let started = Instant::now();
    let mut findings = capture::Findings::default();
    let mut sources = Vec::new();
    match recording.and_then(capture::Recording::stop) {
        Ok(file) => {
            findings.add(capture::read(lab, &file, false)?);
            sources.push(format!("{} messages on the loopback", findings.count()));
        }
        // A container may forbid it; what the agents captured remains.
        Err(error) => println!("interop: the loopback is not captured: {error}"),
    }
    if let Some(file) = capture::of_agents(lab)? {
        let theirs = capture::read(lab, &file, true)?;
        sources.push(format!("{} by the agents", theirs.count()));
        findings.add(theirs);
    }
    findings.verdict(whole)?;
    let told = format!("tshark finds nothing wrong with {}", sources.join(" and "));
    println!("interop dissector: ok ({} ms): {told}", started.elapsed().as_millis());
    Ok(told)
}
