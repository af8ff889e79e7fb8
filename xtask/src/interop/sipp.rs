//! Running SIPp: its arguments, its end, what it complained about.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::lab::{Lab, Wire};
use super::process::{self, Guarded};
use crate::shell;

/// How long a run of SIPp may take; its own limits are below this.
pub(super) const RUN: Duration = Duration::from_secs(70);

/// SIPp with a scenario of `xtask/sipp`, in a folder that keeps its errors.
pub(super) fn command(lab: &Lab, folder: &Path, scenario: &str) -> Command {
    let file = shell::root().join("xtask/sipp").join(format!("{scenario}.xml"));
    let mut command = process::tied("sipp");
    command
        .arg("-sf")
        .arg(file)
        .args(["-i", &lab.host.to_string(), "-nostdin", "-trace_err", "-error_file", "errors.log"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Gives SIPp a port of its own: it cannot pick one by itself and tell.
pub(super) fn at_free_port(lab: &Lab, command: &mut Command, wire: Wire) -> Result<u16, String> {
    let port = process::free_port(lab.host, wire)?;
    command.args(["-p", &port.to_string()]);
    lab.note(wire, port);
    Ok(port)
}

/// Waits for SIPp's end; it succeeds only when no call failed.
pub(super) fn finish(sipp: &mut Guarded, folder: &Path, patience: Duration) -> Result<(), String> {
    let status = sipp.wait(patience).map_err(|error| format!("SIPp: {error}\n{}", errors(folder)))?;
    if status.success() { Ok(()) } else { Err(format!("SIPp: {status}\n{}", errors(folder))) }
}

/// The beginning of what SIPp complained about, other than the notifications that it lets pass.
pub(super) fn errors(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("errors.log")).unwrap_or_default();
    let told = text
        .split("\n'")
        .filter(|entry| !entry.contains("received 'BENOTIFY"))
        .collect::<Vec<_>>()
        .join("\n");
    told.chars().take(3000).collect()
}
