//! The front end's core: everything that a front end decides, without socket, clock, task or store.

use std::time::Instant;

use sip_core::{IdSource, Transmit, TransportInput};

use crate::config::FrontEndConfig;
use crate::report::NodeReport;
use crate::store::{StoreReply, StoreRequest};

/// See the module's description. A shell calls it in a loop:
///
/// 1. `handle_transport`, `handle_store_result` or `handle_timeout` with what came and the time;
/// 2. `poll_transmit`, `poll_store_request`, `poll_report` until each is empty;
/// 3. wait for the next input, or until `poll_timeout`.
#[derive(Debug)]
pub struct FrontEndCore {
    config: FrontEndConfig,
}

impl FrontEndCore {
    /// A front end that knows nobody yet. `wall` is the civil time at `now`.
    pub fn new(config: FrontEndConfig, ids: Box<dyn IdSource>, now: Instant, wall: jiff::Timestamp) -> Self {
        let _ = (ids, now, wall);
        Self { config }
    }

    /// Takes what came from the network.
    pub fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        let _ = (input, now);
    }

    /// Takes the answer to one [`StoreRequest`].
    pub fn handle_store_result(&mut self, reply: StoreReply, now: Instant) {
        let _ = (reply, now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    /// The next request to the store; any number may be under way.
    pub fn poll_store_request(&mut self) -> Option<StoreRequest> {
        None
    }

    /// The next line for the operator.
    pub fn poll_report(&mut self) -> Option<NodeReport> {
        None
    }

    /// Gives all conferences to other front ends (planned move), then reports `Drained`.
    pub fn drain(&mut self, now: Instant) {
        let _ = now;
    }

    /// Its settings.
    pub fn config(&self) -> &FrontEndConfig {
        &self.config
    }
}
