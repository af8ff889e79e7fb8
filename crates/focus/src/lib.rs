//! Server side: Focus front ends, factory, MCU servers, hops and the pool store.
//!
//! The cores ([`frontend::FrontEndCore`] and its parts) take messages, store replies and the time, and give messages, store
//! requests and reports; the shells in `node` join them to sockets and a store.
//!
//! # Examples
//!
//! A pool of one front end in this process, which tells where it listens:
//!
//! ```
//! use std::sync::Arc;
//!
//! use focus::config::FrontEndConfig;
//! use focus::node::{self, Stopped};
//! use focus::report::NodeReport;
//! use focus::store::MemoryStore;
//! use tokio::sync::{mpsc, oneshot};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let config = FrontEndConfig::new("fe1", vec!["tcp:127.0.0.1:0".parse()?]);
//! let (reports, mut told) = mpsc::channel(16);
//! let (stop, stopped) = oneshot::channel::<()>();
//! let end = async { drop(stopped.await) };
//! let node = tokio::spawn(node::run_front_end(config, Arc::new(MemoryStore::new()), reports, end));
//! let Some(NodeReport::Ready { listen }) = told.recv().await else { panic!("it listens") };
//! assert_ne!(listen[0].addr.port(), 0);
//! drop(stop);
//! assert_eq!(node.await??, Stopped::Shutdown);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub mod seal;
pub mod store;

#[cfg(test)]
mod pool_tests;
#[cfg(test)]
mod testnet;
