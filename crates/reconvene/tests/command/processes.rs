//! The command as a process: exit statuses, the pool's life, and that nothing outlives it.

use std::process::Command;

use crate::program::{Running, pool, signal};
use serde_json::Value;

/// cli.md: one `ready` line when all listen; SIGTERM ends with status 0 and leaves nothing behind.
#[test]
fn pool_starts_and_stops() {
    let (mut running, ready) = pool(&["--mcu", "im"]);
    let nodes = ready["nodes"].as_array().expect("a list");
    let kinds: Vec<&str> = nodes.iter().filter_map(|node| node["kind"].as_str()).collect();
    assert_eq!(kinds, ["front-end", "front-end", "mcu"]);
    for node in nodes {
        let listen = node["listen"][0].as_str().expect("an address");
        assert!(listen.starts_with("tcp:127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
    }
    signal("-TERM", running.child.id().into());
    assert_eq!(running.end().0, Some(0));
}

/// cli.md: a killed process is told, and not started again unless `--restart` says so.
#[test]
fn pool_tells_deaths() {
    let (mut running, ready) = pool(&["--mcu", "im"]);
    let victim = &ready["nodes"][0];
    signal("-KILL", victim["pid"].as_u64().expect("a pid"));
    let event = running.event("node");
    assert_eq!((&event["name"], &event["change"]), (&victim["name"], &Value::from("died")));
    assert_eq!(event["pid"], victim["pid"]);
}

/// cli.md `--restart`: the same node comes back where it listened, as a new process.
#[test]
fn pool_restarts() {
    let (mut running, ready) = pool(&["--restart", "--mcu", "im"]);
    let victim = &ready["nodes"][2];
    signal("-KILL", victim["pid"].as_u64().expect("a pid"));
    assert_eq!(running.event("node")["change"], "died");
    let event = running.event("node");
    assert_eq!((&event["name"], &event["change"]), (&victim["name"], &Value::from("started")));
    assert_ne!(event["pid"], victim["pid"]);
}

/// Not even SIGKILL to the supervisor leaves a process or a file behind.
#[test]
fn nothing_outlives_the_supervisor() {
    let directory = tempfile::tempdir().expect("a directory");
    let args = ["pool", "--open", "--listen", "tcp:127.0.0.1:0", "--front-ends", "2", "--mcu", "im"];
    let mut running = Running::start_in(directory.path(), &args);
    running.event("ready");
    let files = || std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(files(), 1, "the store");
    running.child.kill().expect("it runs");
    running.all_gone();
    assert_eq!(files(), 0);
}

/// cli.md `--in-process`: everything in one process, which also may keep its store in memory.
#[test]
fn pool_in_process() {
    let (mut running, ready) = pool(&["--in-process", "--store", "memory"]);
    for node in ready["nodes"].as_array().expect("a list") {
        assert_eq!(node["pid"], running.child.id());
    }
    signal("-INT", running.child.id().into());
    assert_eq!(running.end().0, Some(0));
}

/// cli.md: `hop` prints `ready` with the picked port, and stops on a signal with status 0.
#[test]
fn hop_starts_and_stops() {
    let mut running = Running::start(&["hop", "--listen", "tcp:127.0.0.1:0", "--next", "tcp:127.0.0.1:9"]);
    let ready = running.event("ready");
    assert_eq!(ready["nodes"][0]["kind"], "hop");
    signal("-TERM", running.child.id().into());
    assert_eq!(running.end().0, Some(0));
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
