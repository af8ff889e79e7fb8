//! Server side: Focus front ends, factory, MCU servers, hops and the pool store.
//!
//! The cores ([`frontend::FrontEndCore`] and its parts) take messages, store replies and the time, and give messages, store
//! requests and reports; the shells in `node` join them to sockets and a store.

mod conference;
pub mod config;
mod factory;
pub mod frontend;
pub mod hop;
pub mod interior;
pub mod mcu;
pub mod node;
pub mod proxy;
pub mod record;
pub mod registrar;
pub mod report;
pub mod store;

#[cfg(test)]
mod pool_tests;
#[cfg(test)]
mod testnet;
