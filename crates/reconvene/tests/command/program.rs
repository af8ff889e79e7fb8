//! Running the command as a process, and reading along.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running command: its JSON lines, and what tells that it and all its children are gone.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: mpsc::Receiver<Value>,
    /// All lines so far.
    pub(crate) seen: Vec<Value>,
    gone: mpsc::Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_reconvene")).args(args))
    }

    /// As `start`, with temporary files in a directory of the test's own.
    pub(crate) fn start_in(directory: &std::path::Path, args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_reconvene")).args(args).env("TMPDIR", directory))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("every line is JSON"));
            }
        });
        // Children inherit stderr: its end is the end of the last of them.
        let (sender, gone) = mpsc::channel();
        let mut stderr = child.stderr.take().expect("piped");
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        Self { child, lines, seen: Vec::new(), gone }
    }

    /// Reads on to the next event of that name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.find(name, |_| true)
    }

    /// Reads on to the next event of that name that fits.
    pub(crate) fn find(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no such `{name}` event; seen: {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line["event"] == name && fits(&line) {
                return line;
            }
        }
    }

    /// Reads on to a transition of the session or of its IM McuSession.
    pub(crate) fn transition(&mut self, id: &str) -> Value {
        let event = if id.starts_with('T') { "state" } else { "mcu-state" };
        self.find(event, |line| line["transition"] == id && (event == "state" || line["mcu"] == "im"))
    }

    /// Types a line. A command that is over reads no more; that it is over shows elsewhere.
    pub(crate) fn say(&mut self, line: &str) {
        let _ = writeln!(self.child.stdin.as_mut().expect("piped"), "{line}");
    }

    /// Waits for the end; gives the status, and what it told on stderr.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let told = self.all_gone();
        (self.child.wait().expect("it ends").code(), told)
    }

    /// Waits for the end; gives the status, and everything that it told, on stdout or stderr.
    pub(crate) fn told(&mut self) -> (Option<i32>, String) {
        let (code, mut told) = self.end();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            told.push_str(&line.to_string());
        }
        (code, told)
    }

    /// Waits until it and its children are gone; gives what they told on stderr.
    pub(crate) fn all_gone(&mut self) -> String {
        self.gone.recv_timeout(PATIENCE).expect("every process ends")
    }
}

pub(crate) fn signal(name: &str, pid: u64) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// A pool of two front ends on ports that it picks, and its `ready` line.
pub(crate) fn pool(more: &[&str]) -> (Running, Value) {
    let base = ["pool", "--open", "--listen", "tcp:127.0.0.1:0", "--front-ends", "2"];
    let mut running = Running::start(&[&base, more].concat());
    let ready = running.event("ready");
    (running, ready)
}
