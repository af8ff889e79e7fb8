//! The adversary.

pub mod client;
pub mod clock;
pub mod journal;
pub mod ladder;
pub mod mock;
pub mod network;
pub mod scenario;
pub mod wire;
