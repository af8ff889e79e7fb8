//! Usages over endpoints that are joined in memory, on virtual time: one test a rule, and a sweep of seeds over a bad wire.

mod calls;
mod changes;
mod edges;
mod forks;
mod net;
mod proofs;
mod reliable;
mod sharing;
mod subscriptions;
mod sweep;
