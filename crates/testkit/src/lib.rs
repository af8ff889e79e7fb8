//! The adversary: virtual clock, simulated network, mock Focus and mock MCU, invariants.
//!
//! Runs the product's client core, not a model of it, against scripted servers on a network that obeys one clock and one
//! seed. Nothing here does I/O, reads a clock or rolls a die: a run is decided by its seed and the calls of the test, and
//! thousands of virtual minutes fit into one `cargo test`.
//!
//! - [`network`]: hosts, connections, datagrams; kill, cut, pause, reset, lose. Bytes are framed and parsed for real.
//! - [`mock`]: [`MockFocus`](mock::MockFocus), [`MockMcu`](mock::MockMcu), [`MockHop`](mock::MockHop), and the
//!   [`Script`](mock::Script) of what they do wrong.
//! - [`client`]: the product's client on a host. [`scenario`]: small worlds, ready made.
//! - [`journal`]: what happened; [`ladder`] prints it as a message flow; [`invariants`] judges it, by code of its own.
//! - [`chaos`]: one seed, one run with faults, judged at each step.
//!
//! Not here: logic that the product needs; the Focus and the pool as such (crate `focus` tests them with its own network).
//!
//! # Examples
//!
//! A hop answers 430, and nobody but the message flow notices (R1):
//!
//! ```
//! use sip_core::Method;
//! use testkit::mock::Action;
//! use testkit::scenario::{Scenario, Topology};
//!
//! let (mut scenario, bob) = Scenario::connected(Topology::Hops);
//! let mark = scenario.mark();
//! scenario.hop(|hop| hop.script.next(Method::Info, Action::flow_failed("Dialog-Route-Set-Update")));
//!
//! let lock = scenario.lock(bob);
//! scenario.done(bob, lock);
//! assert!(scenario.rows(bob, mark).is_empty(), "no transition");
//! assert_eq!(scenario.requests(bob, "INFO", mark).len(), 2);
//! assert!(scenario.flow().contains("430 (INFO)"));
//! ```

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
