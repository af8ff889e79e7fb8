//! The adversary.

pub mod chaos;
pub mod client;
pub mod clock;
pub mod invariants;
pub mod journal;
pub mod ladder;
pub mod mock;
pub mod network;
pub mod scenario;
pub mod wire;
