//! `pool` and `join` as somebody runs them in three terminals: talk, kill a front end, talk again.

use crate::program::{Running, pool, signal};
use serde_json::Value;

/// The servers of a pool as options, those of `ready` in their order.
fn servers(ready: &Value) -> Vec<String> {
    let nodes = ready["nodes"].as_array().expect("a list").iter().filter(|node| node["kind"] == "front-end");
    nodes.map(|node| format!("--server={}", node["listen"][0].as_str().expect("an address"))).collect()
}

fn pid(ready: &Value, name: &Value) -> u64 {
    let nodes = ready["nodes"].as_array().expect("a list");
    nodes.iter().find(|node| node["name"] == *name).and_then(|node| node["pid"].as_u64()).expect("a pid")
}

fn schedule(servers: &[String]) -> String {
    let mut command = Running::start(&["schedule", "--as", "sip:alice@example.com", &servers[0]]);
    command.event("scheduled")["uri"].as_str().expect("a URI").to_owned()
}

fn join(uri: &str, who: &str, servers: &[String]) -> Running {
    let mut args = vec!["join", uri, "--as", who];
    args.extend(servers.iter().map(String::as_str));
    let mut running = Running::start(&args);
    running.find("operation", |line| line["name"] == "join" && line["result"] == "ok");
    running.find("call", |line| line["mcu"] == "im" && line["state"] == "established");
    // In the call for everybody, not only for the caller.
    sees_in_call(&mut running, who);
    running
}

fn sees_in_call(viewer: &mut Running, who: &str) {
    viewer.find("attendance", |line| {
        line["uri"] == who && line["mcus"].as_array().is_some_and(|mcus| mcus.contains(&"im".into()))
    });
}

fn hears(listener: &mut Running, text: &str) {
    listener.find("message", |line| line["text"] == text);
}

/// The owner's pid from the `ready` line is killed; both print T6a, M3, T7, M5, and talk on.
#[test]
fn the_owner_dies() {
    let (mut pool, ready) = pool(&[]);
    let servers = servers(&ready);
    let uri = schedule(&servers);
    let mut alice = join(&uri, "sip:alice@example.com", &servers);
    let mut bob = join(&uri, "sip:bob@example.com", &servers);
    sees_in_call(&mut alice, "sip:bob@example.com");
    alice.say("say hello");
    hears(&mut bob, "hello");
    let owner = pool.find("conference", |line| line["change"] == "activated")["owner"].clone();
    signal("-KILL", pid(&ready, &owner));
    for person in [&mut alice, &mut bob] {
        assert_eq!(person.transition("T6a")["cause"], "focus-failover");
        person.transition("M3");
        assert_eq!(person.transition("T7")["cause"], "recovered");
        person.transition("M5");
        let report = person.event("recovery");
        assert_eq!((&report["level"], &report["result"]), (&"focus".into(), &"recovered".into()));
    }
    let moved = pool.find("conference", |line| line["change"] == "moved");
    assert_ne!(moved["owner"], owner);
    bob.say("say still there?");
    hears(&mut alice, "still there?");
    for person in [&mut alice, &mut bob] {
        person.say("leave");
        person.transition("T4");
        assert_eq!(person.end().0, Some(0));
    }
}

/// The other front end dies before the one reconnect attempt is answered: T8, T4, exit status 1, one clear line.
///
/// The attempt cannot succeed before: a new owner holds it until the MCUs have told what they have, and the MCU is stopped.
/// Who was not told of the failover when the second front end died finds the route lost instead (T6b).
#[test]
fn both_front_ends_die() {
    let (mut pool, ready) = pool(&["--mcu", "im"]);
    let next = servers(&ready).iter().map(|server| server.replace("--server", "--next")).collect::<Vec<_>>();
    let mut hop = Running::start(&["hop", "--listen", "tcp:127.0.0.1:0", &next[0], &next[1]]);
    let hops =
        [format!("--server={}", hop.event("ready")["nodes"][0]["listen"][0].as_str().expect("an address"))];
    let uri = schedule(&hops);
    let who =
        ["sip:alice@example.com", "sip:bob@example.com", "sip:carol@example.com", "sip:dave@example.com"];
    let mut people = who.map(|who| join(&uri, who, &hops));
    let owner = pool.find("conference", |line| line["change"] == "activated")["owner"].clone();
    let other = if owner == "fe1" { "fe2" } else { "fe1" };
    signal("-STOP", pid(&ready, &"im1".into()));
    signal("-KILL", pid(&ready, &owner));
    assert_eq!(people[0].transition("T6a")["cause"], "focus-failover");
    signal("-KILL", pid(&ready, &other.into()));
    let mut failed = 0;
    for (index, person) in people.iter_mut().enumerate() {
        person.say("lock");
        let is_one_of = |line: &Value, ids: [&str; 2]| ids.iter().any(|id| line["transition"] == *id);
        let told =
            index == 0 || person.find("state", |line| is_one_of(line, ["T6a", "T6b"]))["transition"] == "T6a";
        if told && person.find("state", |line| is_one_of(line, ["T7", "T8"]))["transition"] == "T8" {
            failed += 1;
            person.transition("T4");
            let (status, told) = person.end();
            assert_eq!((status, told.lines().count()), (Some(1), 1), "{told}");
        }
    }
    signal("-CONT", pid(&ready, &"im1".into()));
    assert!(failed > 0);
}

/// The main job with a shorter outage: the demo's own checks decide.
#[test]
fn the_demo_passes() {
    let mut demo = Running::start(&["demo", "--outage", "2s"]);
    let (status, told) = demo.end();
    assert_eq!(status, Some(0), "{told}");
}
