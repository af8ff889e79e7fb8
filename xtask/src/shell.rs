//! Running other programs from the root of the workspace.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A command that runs in the root, its words split at spaces.
pub(crate) fn command(line: &str) -> Command {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    // Inside `cargo xtask` this names the very cargo that runs us.
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(if program == "cargo" { cargo.as_str() } else { program });
    command.args(words).current_dir(root());
    command
}

/// Runs a command with its output passed through.
pub(crate) fn run(line: &str) -> Result<(), String> {
    println!("$ {line}");
    run_command(command(line), line)
}

/// Runs a prepared command with its output passed through.
pub(crate) fn run_command(mut command: Command, name: &str) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("`{name}` could not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{name}`: {status}")) }
}

/// Runs a command, passing its output through, and gives its lines (stdout and stderr, each in order).
pub(crate) fn run_and_read(line: &str) -> (Vec<String>, Result<(), String>) {
    println!("$ {line}");
    let spawned = command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return (Vec::new(), Err(format!("`{line}` could not start: {error}"))),
    };
    let stderr = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        if let Some(stderr) = stderr {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                lines.push(line);
            }
        }
        lines
    });
    let mut lines = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            lines.push(line);
        }
    }
    let result = match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}`: {status}")),
        Err(error) => Err(format!("`{line}`: {error}")),
    };
    lines.extend(reader.join().unwrap_or_default());
    (lines, result)
}

/// What a command prints on stdout, if it succeeds.
pub(crate) fn read(line: &str) -> Result<String, String> {
    let output = command(line)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{line}` could not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}`: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{line}` printed no text"))
}

/// Whether a program is there.
pub(crate) fn has(line: &str) -> bool {
    command(line).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
