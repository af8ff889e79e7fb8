//! The command as a process: exit statuses, the pool's life, and that nothing outlives it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running command: its JSON lines, and what tells that it and all its children are gone.
struct Running {
    child: Child,
    lines: mpsc::Receiver<Value>,
    gone: mpsc::Receiver<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_reconvene"))
            .args(args)
            .stdin(Stdio::null())
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
            let _ = sender.send(());
        });
        Self { child, lines, gone }
    }

    fn event(&self, name: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{name}` event"));
            if line["event"] == name {
                return line;
            }
        }
    }

    fn all_gone(&self) {
        self.gone.recv_timeout(PATIENCE).expect("every process ends");
    }
}

fn signal(name: &str, pid: u64) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill runs");
    assert!(status.success());
}

fn pool(more: &[&str]) -> (Running, Value) {
    let base =
        ["pool", "--json", "--open", "--listen", "tcp:127.0.0.1:0", "--front-ends", "2", "--mcu", "im"];
    let running = Running::start(&[&base, more].concat());
    let ready = running.event("ready");
    (running, ready)
}

/// cli.md: one `ready` line when all listen; SIGTERM ends with status 0 and leaves nothing behind.
#[test]
fn pool_starts_and_stops() {
    let (mut running, ready) = pool(&[]);
    let nodes = ready["nodes"].as_array().expect("a list");
    let kinds: Vec<&str> = nodes.iter().filter_map(|node| node["kind"].as_str()).collect();
    assert_eq!(kinds, ["front-end", "front-end", "mcu"]);
    for node in nodes {
        let listen = node["listen"][0].as_str().expect("an address");
        assert!(listen.starts_with("tcp:127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
    }
    signal("-TERM", running.child.id().into());
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
    running.all_gone();
}

/// cli.md: a killed process is told, and not started again unless `--restart` says so.
#[test]
fn pool_tells_deaths() {
    let (running, ready) = pool(&[]);
    let victim = &ready["nodes"][0];
    signal("-KILL", victim["pid"].as_u64().expect("a pid"));
    let event = running.event("node");
    assert_eq!((&event["name"], &event["change"]), (&victim["name"], &Value::from("died")));
    assert_eq!(event["pid"], victim["pid"]);
}

/// cli.md `--restart`: the same node comes back where it listened, as a new process.
#[test]
fn pool_restarts() {
    let (running, ready) = pool(&["--restart"]);
    let victim = &ready["nodes"][2];
    signal("-KILL", victim["pid"].as_u64().expect("a pid"));
    assert_eq!(running.event("node")["change"], "died");
    let event = running.event("node");
    assert_eq!((&event["name"], &event["change"]), (&victim["name"], &Value::from("started")));
    assert_ne!(event["pid"], victim["pid"]);
}

/// Not even SIGKILL to the supervisor leaves a process behind.
#[test]
fn nothing_outlives_the_supervisor() {
    let (mut running, _) = pool(&[]);
    running.child.kill().expect("it runs");
    running.all_gone();
}

/// cli.md `--in-process`: everything in one process, which also may keep its store in memory.
#[test]
fn pool_in_process() {
    let (mut running, ready) = pool(&["--in-process", "--store", "memory"]);
    for node in ready["nodes"].as_array().expect("a list") {
        assert_eq!(node["pid"], running.child.id());
    }
    signal("-INT", running.child.id().into());
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
}

/// cli.md: `hop` prints `ready` with the picked port, and stops on a signal with status 0.
#[test]
fn hop_starts_and_stops() {
    let mut running =
        Running::start(&["hop", "--json", "--listen", "tcp:127.0.0.1:0", "--next", "tcp:127.0.0.1:9"]);
    let ready = running.event("ready");
    assert_eq!(ready["nodes"][0]["kind"], "hop");
    signal("-TERM", running.child.id().into());
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0));
}

/// cli.md: exit status 2 and one line for wrong usage, 1 and one line for what failed.
#[test]
fn exit_statuses() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_reconvene")).args(args).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, told) = run(&["pool", "--listen", "tcp:127.0.0.1:0"]);
    assert_eq!((status, told.lines().count()), (Some(2), 1), "{told}");
    assert!(told.contains("--open"), "{told}");
    assert_eq!(run(&["dance"]).0, Some(2));
    let (status, told) = run(&["hop", "--listen", "tcp:192.0.2.1:1", "--next", "tcp:127.0.0.1:9"]);
    assert_eq!((status, told.lines().count()), (Some(1), 1), "{told}");
    assert_eq!(run(&["--help"]).0, Some(0));
}
