//! Processes that do not outlive their test, and what is read from them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::lab::Wire;
use crate::shell;

/// How long any single thing that is waited for may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often something is looked at that cannot be waited for.
const GLANCE: Duration = Duration::from_millis(10);

/// How long a process that was asked to end may take before it is made to.
const GRACE: Duration = Duration::from_secs(5);

/// A command whose process gets SIGTERM when we die, whatever kills us; where `setpriv` is, which is on every Debian.
pub(super) fn tied(program: impl AsRef<std::ffi::OsStr>) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    if *SETPRIV.get_or_init(|| shell::has("setpriv --pdeathsig TERM -- true")) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A process that does not outlive its test.
pub(super) struct Guarded {
    child: Child,
    /// Whether it has children of its own, which only it can end: SIGTERM before SIGKILL.
    gently: bool,
}

impl Guarded {
    /// Starts a process that is ended by SIGKILL at the latest.
    pub(super) fn start(command: &mut Command) -> Result<Self, String> {
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
        Ok(Self { child, gently: false })
    }

    /// As `start`, for a process that has to clean up.
    pub(super) fn start_gently(command: &mut Command) -> Result<Self, String> {
        let mut process = Self::start(command)?;
        process.gently = true;
        Ok(process)
    }

    /// Sends a signal, by its name.
    pub(super) fn signal(&self, name: &str) {
        // Already gone is as good.
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// Its exit status, once it ends.
    pub(super) fn wait(&mut self, patience: Duration) -> Result<ExitStatus, String> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => std::thread::sleep(GLANCE),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("it does not end within {patience:?}"))
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.gently && self.is_alive() {
            self.signal("TERM");
            if self.wait(GRACE).is_ok() {
                return;
            }
        }
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of ours: it prints JSON lines with an `event` each, and takes lines as commands.
pub(super) struct Program {
    child: Guarded,
    lines: mpsc::Receiver<Value>,
    seen: Vec<String>,
}

impl Program {
    /// Starts it; what it prints is kept in `log` too.
    pub(super) fn start(binary: &Path, args: &[&str], log: &Path) -> Result<Self, String> {
        let mut out = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let err = File::create(log.with_extension("stderr")).map_err(|error| error.to_string())?;
        let mut command = tied(binary);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(err);
        let mut child = Guarded::start(&mut command)?;
        let stdout = child.child.stdout.take().ok_or("no stdout")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The log is for people; without it, the test says the same.
                let _ = writeln!(out, "{line}");
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines, seen: Vec::new() })
    }

    /// The next event of that name which fits; those before it are passed over.
    pub(super) fn event(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
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

    /// Types a line.
    pub(super) fn say(&mut self, line: &str) -> Result<(), String> {
        self.seen.push(format!("> {line}"));
        let stdin = self.child.child.stdin.as_mut().ok_or("no stdin")?;
        writeln!(stdin, "{line}").map_err(|error| error.to_string())
    }

    /// Waits for its end.
    pub(super) fn exit_with(&mut self, expected: i32) -> Result<(), String> {
        match self.child.wait(PATIENCE)?.code().unwrap_or(-1) {
            status if status == expected => Ok(()),
            status => {
                Err(format!("exit status {status} in place of {expected}; seen:\n{}", self.seen.join("\n")))
            }
        }
    }

    /// SIGTERM, then a clean end.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        self.child.signal("TERM");
        self.exit_with(0)
    }
}

/// A port that was free a moment ago, for those who cannot pick one by themselves and tell.
pub(super) fn free_port(host: Ipv4Addr, wire: Wire) -> Result<u16, String> {
    let any = (host, 0);
    let address = match wire {
        Wire::Udp => UdpSocket::bind(any).and_then(|socket| socket.local_addr()),
        Wire::Tcp | Wire::Tls => TcpListener::bind(any).and_then(|listener| listener.local_addr()),
    };
    address.map(|address| address.port()).map_err(|error| error.to_string())
}

/// A port that was free a moment ago over both UDP and TCP.
pub(super) fn free_port_of_both(host: Ipv4Addr) -> Result<u16, String> {
    for _ in 0..100 {
        let port = free_port(host, Wire::Udp)?;
        if TcpListener::bind((host, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free over both UDP and TCP".to_owned())
}

/// Returns when the process has the port: when it accepts, or nobody else can bind it.
pub(super) fn wait_for_port(
    process: &mut Guarded,
    host: Ipv4Addr,
    wire: Wire,
    port: u16,
) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let taken = match wire {
            Wire::Udp => UdpSocket::bind((host, port)).is_err(),
            Wire::Tcp | Wire::Tls => TcpStream::connect((host, port)).is_ok(),
        };
        if taken {
            return Ok(());
        }
        if !process.is_alive() {
            return Err(format!("it ended before it listened on {wire} port {port}"));
        }
        std::thread::sleep(GLANCE);
    }
    Err(format!("nobody listens on {wire} port {port}"))
}
