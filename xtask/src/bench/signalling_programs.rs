//! The servers that are measured, and our own caller: how each is built, started, watched and stopped.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::signalling::{is_installed, scratch};
use super::signalling_caller::Calls;
use crate::shell;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proto {
    Udp,
    Tcp,
}

impl Proto {
    /// Both, in the order of the table.
    pub(super) const BOTH: [Self; 2] = [Self::Udp, Self::Tcp];

    /// As in addresses.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// How our own caller calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// With so many calls under way at each time: as fast as caller and server are together.
    InFlight(u32),
    /// With so many new calls a second, whatever becomes of them.
    PerSecond(u32),
}

/// Our own caller. It is killed when it is dropped.
struct Caller(Child);

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that answers calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Limit,
    Ours,
    Sipp,
    KamailioStateless,
    KamailioTm,
}

impl Server {
    /// As in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit: stateless answer, no SIP stack",
            Self::Ours => "ours: example uas, dialogs",
            Self::Sipp => "sipp -sn uas",
            Self::KamailioStateless => "kamailio, stateless",
            Self::KamailioTm => "kamailio, transactions",
        }
    }
}

/// What can be run here.
pub(super) struct Programs {
    examples: PathBuf,
    caller: Option<Vec<String>>,
    kamailio: Option<PathBuf>,
    /// The modules of Kamailio.
    modules: PathBuf,
    pinned: bool,
}

impl Programs {
    /// Builds ours as it is deployed and looks for the others.
    pub(super) fn build() -> Result<Self, String> {
        let line = "cargo build --profile dist --quiet --package sip-core --example uas --example uas_bench";
        shell::run_command(shell::command(line), line)?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let pinned = cpus > 1 && is_installed("taskset");
        let prefix: &[&str] = if pinned { &["taskset", "-c", "1", "sipp"] } else { &["sipp"] };
        let modules = [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/lib64",
        ];
        let modules = modules
            .map(|dir| Path::new(dir).join("kamailio/modules"))
            .into_iter()
            .find(|dir| dir.join("tm.so").is_file());
        Ok(Self {
            examples: target.join("dist/examples"),
            caller: is_installed("sipp").then(|| prefix.iter().map(|word| (*word).to_owned()).collect()),
            kamailio: modules
                .as_ref()
                .filter(|_| is_installed("kamailio"))
                .map(|_| PathBuf::from("kamailio")),
            modules: modules.unwrap_or_default(),
            pinned,
        })
    }

    /// How to get what is not there, a line each.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let mut lines = Vec::new();
        if self.caller.is_none() {
            lines.push(
                "sipp is missing: Debian's package sip-tester has it. Its rows and its calls are left out.",
            );
        }
        if self.kamailio.is_none() {
            lines.push("kamailio is missing: Debian's package kamailio has it. Its rows are left out.");
        }
        if !self.pinned {
            lines
                .push("one core, or no taskset (Debian's util-linux): caller and server are not kept apart.");
        }
        lines
    }

    /// Whether SIPp is there, to call and to be called.
    pub(super) fn has_caller(&self) -> bool {
        self.caller.is_some()
    }

    /// The words that start SIPp.
    pub(super) fn caller(&self) -> &[String] {
        self.caller.as_deref().unwrap_or_default()
    }

    /// The servers that can be run.
    pub(super) fn servers(&self) -> Vec<Server> {
        let mut servers = vec![Server::Limit, Server::Ours];
        servers.extend(self.has_caller().then_some(Server::Sipp));
        if self.kamailio.is_some() {
            servers.extend([Server::KamailioStateless, Server::KamailioTm]);
        }
        servers
    }

    /// Starts a server on a free port of the loopback.
    pub(super) fn start(&self, server: Server, proto: Proto) -> Result<Running, String> {
        let any = format!("{}:127.0.0.1:0", proto.as_str());
        match server {
            Server::Limit => self.start_example("uas_bench", &["answer", proto.as_str()]),
            Server::Ours => self.start_example("uas", &[&any]),
            Server::Sipp => {
                let port = free_port()?;
                let transport = if proto == Proto::Udp { "u1" } else { "t1" };
                let mut command = self.command(Path::new("sipp"));
                command.args([
                    "-sn",
                    "uas",
                    "-nostdin",
                    "-i",
                    "127.0.0.1",
                    "-t",
                    transport,
                    "-p",
                    &port.to_string(),
                ]);
                Running::elsewhere(command, port, proto)
            }
            Server::KamailioStateless => self.start_kamailio(proto, r#"sl_send_reply("200", "OK");"#),
            Server::KamailioTm => self.start_kamailio(proto, "t_newtran(); t_reply(\"200\", \"OK\");"),
        }
    }

    /// Calls a server with our own caller for so long, after a warm-up: what became of the calls, and the CPU time that the
    /// server used meanwhile, in nanoseconds.
    pub(super) fn call(
        &self,
        server: &Running,
        proto: Proto,
        load: Load,
        warm_up: Duration,
        time: Duration,
    ) -> Result<(Calls, u64), String> {
        let (how, n) = match load {
            Load::InFlight(n) => ("in-flight", n),
            Load::PerSecond(n) => ("per-second", n),
        };
        let addr = server.addr().to_string();
        let numbers = [u128::from(n), warm_up.as_millis(), time.as_millis()].map(|n| n.to_string());
        let [n, warm_up, time] = &numbers;
        let mut command = self.command_on("1", &self.examples.join("uas_bench"));
        command.args(["call", proto.as_str(), &addr, how, n, warm_up, time]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut caller = Caller(child.map_err(|error| format!("the caller could not start: {error}"))?);
        let lines = BufReader::new(caller.0.stdout.take().ok_or("the caller has no output")?).lines();
        let (mut before, mut outcome) = (0, Err(String::from("the caller broke off")));
        for line in lines.map_while(Result::ok) {
            // It says when its warm-up is over and when it has finished, and the clock of the server is read then.
            let now = server.cpu_ns();
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["begin"] => before = now,
                ["end", completed, failed, seconds] => {
                    let calls = Calls::counted(completed, failed, seconds);
                    outcome = calls.map(|calls| (calls, now.saturating_sub(before))).ok_or(line);
                }
                _ => outcome = Err(line),
            }
        }
        outcome
    }

    /// Starts our server over UDP with an application that computes for so long for each new dialog.
    pub(super) fn start_busy(&self, work: Duration) -> Result<Running, String> {
        self.start_example("uas_bench", &["busy", &work.as_micros().to_string(), "udp:127.0.0.1:0"])
    }

    /// How many bytes a server's memory grew for so many of these.
    pub(super) fn memory(&self, what: &str, n: u32) -> Result<f64, String> {
        let program = self.examples.join("uas_bench");
        let output = Command::new(&program).args(["memory", what, &n.to_string()]).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let grown = text.split(' ').next().and_then(|word| word.parse().ok());
        grown.ok_or_else(|| {
            format!("uas_bench memory {what} {n}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    fn command(&self, program: &Path) -> Command {
        self.command_on("0", program)
    }

    fn command_on(&self, core: &str, program: &Path) -> Command {
        if !self.pinned {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(program);
        command
    }

    fn start_example(&self, example: &str, args: &[&str]) -> Result<Running, String> {
        let mut command = self.command(&self.examples.join(example));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{example} could not start: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| format!("{example}: {error}"))?;
        }
        let addr = line.trim().split_once(':').and_then(|(_, addr)| addr.parse().ok());
        let mut running = Running { child, addr: SocketAddr::from(([127, 0, 0, 1], 0)), dir: None };
        running.addr = addr.ok_or_else(|| format!("{example} told no address: {line}"))?;
        Ok(running)
    }

    fn start_kamailio(&self, proto: Proto, answer: &str) -> Result<Running, String> {
        let (dir, port) = (scratch()?, free_port()?);
        let config = dir.path().join("kamailio.cfg");
        let text = kamailio_config(&self.modules, proto, port, answer);
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let mut command = self.command(self.kamailio.as_deref().unwrap_or(Path::new("kamailio")));
        command.args(["-x", "fm", "-X", "fm", "-DD", "-E", "-m", "512", "-M", "32", "-f"]).arg(&config);
        command.arg("-w").arg(dir.path()).arg("-Y").arg(dir.path());
        Running::in_dir(command, port, proto, dir)
    }
}

/// A configuration with one process for each transport, that answers and does nothing else.
fn kamailio_config(modules: &Path, proto: Proto, port: u16, answer: &str) -> String {
    format!(
        "#!KAMAILIO\ndebug=-1\nlog_stderror=yes\nchildren=1\ntcp_children=1\nauto_aliases=no\ndns=no\nrev_dns=no\n\
         disable_tcp={}\nlisten={}:127.0.0.1:{port}\nmpath=\"{}/\"\n\
         loadmodule \"sl.so\"\nloadmodule \"tm.so\"\nloadmodule \"pv.so\"\n\
         request_route {{\n    if (method == \"ACK\") {{ exit; }}\n    {answer}\n    exit;\n}}\n",
        if proto == Proto::Udp { "yes" } else { "no" },
        proto.as_str(),
        modules.display(),
    )
}

/// A server that runs. It is killed when it is dropped.
pub(super) struct Running {
    child: Child,
    addr: SocketAddr,
    /// Where it keeps its files.
    dir: Option<tempfile::TempDir>,
}

impl Running {
    /// Starts a program that says nothing, in a directory of its own.
    fn elsewhere(command: Command, port: u16, proto: Proto) -> Result<Self, String> {
        Self::in_dir(command, port, proto, scratch()?)
    }

    /// Starts a program that says nothing, and waits until its port is taken.
    fn in_dir(mut command: Command, port: u16, proto: Proto, dir: tempfile::TempDir) -> Result<Self, String> {
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{command:?} could not start: {error}"))?;
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let running = Self { child, addr, dir: Some(dir) };
        let until = Instant::now() + START;
        while !is_open(addr, proto) {
            if Instant::now() > until {
                return Err(format!("{command:?} does not listen"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Processes that it starts beside the one that listens have their time to do so.
        std::thread::sleep(Duration::from_millis(300));
        Ok(running)
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The CPU time that all its processes have used, in nanoseconds.
    pub(super) fn cpu_ns(&self) -> u64 {
        processes(self.child.id()).into_iter().map(cpu_of).sum()
    }

    /// Ends it, and what it started.
    pub(super) fn stop(&mut self) {
        let pid = self.child.id();
        // Asked first: Kamailio ends its children itself.
        let asked = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
        let until = Instant::now() + Duration::from_millis(700);
        while asked.is_ok() && matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.dir = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody has now, for programs that cannot be asked which one they got.
fn free_port() -> Result<u16, String> {
    let none = |error| format!("no free port: {error}");
    for _ in 0..20 {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").map_err(none)?;
        let addr = udp.local_addr().map_err(none)?;
        if std::net::TcpListener::bind(addr).is_ok() {
            return Ok(addr.port());
        }
    }
    Err("no port is free for UDP and TCP".to_owned())
}

/// Whether somebody has the port.
fn is_open(addr: SocketAddr, proto: Proto) -> bool {
    match proto {
        Proto::Udp => std::net::UdpSocket::bind(addr).is_err(),
        Proto::Tcp => TcpStream::connect_timeout(&addr, Duration::from_millis(200)).is_ok(),
    }
}

/// A process and its descendants.
fn processes(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(pid) = found.get(at).copied() {
        at += 1;
        for task in tasks(pid) {
            let children = std::fs::read_to_string(task.join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        }
    }
    found
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The CPU time of all threads of a process: user and system.
fn cpu_of(pid: u32) -> u64 {
    let of_task = |task: PathBuf| {
        let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
    };
    tasks(pid).into_iter().map(of_task).sum()
}

#[cfg(test)]
mod unit {
    use super::*;

    /// One process for each transport, and nothing listens but what is measured.
    #[test]
    fn configuration_of_kamailio() {
        let text = kamailio_config(Path::new("/modules"), Proto::Udp, 5070, "t_newtran();");
        for line in [
            "children=1",
            "disable_tcp=yes",
            "listen=udp:127.0.0.1:5070",
            "mpath=\"/modules/\"",
            "    t_newtran();",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
    }

    /// CPU time of this very process is found.
    #[test]
    fn cpu_time() {
        let pid = std::process::id();
        assert!(processes(pid).contains(&pid));
        assert!(!cfg!(target_os = "linux") || cpu_of(pid) > 0);
    }
}
