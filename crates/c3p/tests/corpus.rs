//! What fuzzing kept, as ordinary tests: each input goes through the body of its target. `fuzz/README.md` says what each promises.

#[path = "../../../fuzz/bodies/c3p_bodies.rs"]
mod c3p_bodies;
#[path = "../../../fuzz/bodies/c3p_command.rs"]
mod c3p_command;
#[path = "../../../fuzz/bodies/conference_info.rs"]
mod conference_info;
#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/bodies/roster.rs"]
mod roster;

use replay::replay;

#[test]
fn c3p_bodies() {
    replay("c3p_bodies", c3p_bodies::run);
}

#[test]
fn c3p_command() {
    replay("c3p_command", c3p_command::run);
}

#[test]
fn conference_info() {
    replay("conference_info", conference_info::run);
}

#[test]
fn roster() {
    replay("roster", roster::run);
}

/// No folder without its test.
#[test]
fn complete() {
    let tested = ["c3p_bodies", "c3p_command", "conference_info", "roster"];
    assert_eq!(replay::folders(|name| !name.starts_with("sip_")), tested);
}
