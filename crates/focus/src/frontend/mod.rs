//! The front end: one process that hosts the Focus of many conferences.
//!
//! Conferences are owned one by one: a lease in the pool store, a fencing epoch, and compare-and-set decide who acts for
//! which. A front end takes any request of any client: for its own conferences it answers, for others' it is a hop.

mod cleanup;
mod core;
mod dispatch;
mod ended;
mod exec;
mod gate;
pub(crate) mod nodes;
mod ownership;
mod pool;
pub(crate) mod refusal;
mod service;
mod silence;

#[cfg(test)]
mod tests;

pub use self::core::FrontEndCore;
