//! `pool --users` and `--password-file`: who joins, who does not, and what a person reads then.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Running, signal};
use serde_json::Value;

/// A directory with a file of users, and one with each password.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        files.write("users", "# people\nalice@example.com:open sesame\nbob@example.com:builder\n");
        files.write("alice", "open sesame\n");
        files.write("bob", "builder\n");
        files.write("wrong", "guess\n");
        files
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path(name);
        std::fs::write(&file, text).expect("a file");
        file
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn pool(files: &Files) -> (Running, Value, Vec<String>) {
    let users = files.path("users");
    let base = ["pool", "--listen", "tcp:127.0.0.1:0", "--front-ends", "2", "--mcu", "im", "--users"];
    let mut pool = Running::start(&[&base[..], &[text(&users)]].concat());
    let ready = pool.event("ready");
    let nodes = ready["nodes"].as_array().expect("a list").iter().filter(|node| node["kind"] == "front-end");
    let servers = nodes.map(|node| format!("--server={}", node["listen"][0].as_str().expect("an address")));
    let servers = servers.collect();
    (pool, ready, servers)
}

/// A pool with users; the owner is killed, and the session, which has to prove itself anew, recovers.
#[test]
fn the_right_password_joins_and_recovers() {
    let files = Files::new();
    let (mut pool, ready, servers) = pool(&files);
    let password = |name: &str| format!("--password-file={}", text(&files.path(name)));
    let with = |args: &[&str], name: &str| {
        let (who, password) = (format!("--as=sip:{name}@example.com"), password(name));
        let mut args = args.to_vec();
        args.extend([who.as_str(), password.as_str()]);
        args.extend(servers.iter().map(String::as_str));
        Running::start(&args)
    };
    let scheduled = with(&["schedule"], "alice").event("scheduled");
    let uri = scheduled["uri"].as_str().expect("a URI");
    // One after the other: what Alice is told of Bob comes after what she waits for.
    let join = |name: &str| {
        let mut person = with(&["join", uri], name);
        person.find("call", |line| line["mcu"] == "im" && line["state"] == "established");
        person
    };
    let (mut alice, mut bob) = (join("alice"), join("bob"));
    alice.find("attendance", |line| line["uri"] == "sip:bob@example.com" && line["mcus"][0] == "im");
    let owner = pool.find("conference", |line| line["change"] == "activated")["owner"].clone();
    let nodes = ready["nodes"].as_array().expect("a list");
    let pid = nodes.iter().find(|node| node["name"] == owner).and_then(|node| node["pid"].as_u64());
    signal("-KILL", pid.expect("a pid"));
    for person in [&mut alice, &mut bob] {
        assert_eq!(person.transition("T7")["cause"], "recovered");
    }
    bob.say("say still there?");
    alice.find("message", |line| line["text"] == "still there?");
    for person in [&mut alice, &mut bob] {
        person.say("leave");
        assert_eq!(person.end().0, Some(0));
    }
}

/// cli.md: exit status 1, and one line that says what, why, and what to try; the password is nowhere in it.
#[test]
fn a_wrong_password_is_one_clear_line() {
    let files = Files::new();
    let (_pool, _, servers) = pool(&files);
    let run = |args: &[&str], password: Option<&str>, who: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconvene"));
        command.args(args).args(&servers).args(["--as", who]);
        command.env_remove("RECONVENE_PASSWORD").envs(password.map(|text| ("RECONVENE_PASSWORD", text)));
        let output = command.output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let wrong = format!("--password-file={}", text(&files.path("wrong")));
    let uri = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
    let bob = "sip:bob@example.com";
    for (number, args) in
        [&["join", uri, &wrong][..], &["join", "new", &wrong], &["schedule", &wrong], &["schedule"]]
            .into_iter()
            .enumerate()
    {
        // Who is wrong too often has to wait: each one here is wrong once.
        let (status, told) = run(args, None, &format!("sip:guest{number}@example.com"));
        assert_eq!((status, told.lines().count()), (Some(1), 1), "{args:?}: {told}");
        assert!(told.contains("--password-file") && !told.contains("guess"), "{args:?}: {told}");
    }
    assert_eq!(run(&["schedule"], Some("builder"), bob).0, Some(0), "RECONVENE_PASSWORD");
    assert_eq!(
        run(&["schedule", &format!("--password-file={}", text(&files.path("none")))], None, bob).0,
        Some(2)
    );
}

/// A fault in the file of users is told before anything starts.
#[test]
fn a_bad_list_of_users_starts_nothing() {
    let files = Files::new();
    let bad = files.write("bad", "alice@example.com:secret\nbob:builder\n");
    let mut pool = Running::start(&["pool", "--listen", "tcp:127.0.0.1:0", "--users", text(&bad)]);
    let (status, told) = pool.end();
    assert_eq!((status, told.lines().count()), (Some(2), 1), "{told}");
    assert!(told.contains("line 2") && !told.contains("builder"), "{told}");
}
