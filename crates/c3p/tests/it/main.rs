//! Tests of the crate through its API, as one binary.

mod changes;
mod commands;
mod common;
mod conference_info;
mod hostile;
mod json;
mod messages;
mod mutate;
mod roster;
mod round_trip;
mod small_bodies;
