//! What runs on a host.

use std::any::Any;
use std::time::Instant;

use sip_core::{Transmit, TransportInput};

use crate::journal::{App, HostId, What};

/// Something a node wants in the journal; the network adds which host it is.
#[derive(Debug, Clone)]
pub enum Remark {
    /// For people.
    Note(String),
    /// What an application did or was told.
    App(App),
}

impl Remark {
    pub(super) fn at(self, host: HostId) -> What {
        match self {
            Remark::Note(text) => What::Note(host, text),
            Remark::App(app) => What::App(host, app),
        }
    }
}

/// A core without I/O on a host of the simulated network.
///
/// The network feeds it inputs, and drains remarks and transmits after each one.
pub trait Node: Any {
    /// Takes what the host's transport saw.
    fn handle_transport(&mut self, input: TransportInput, now: Instant);

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);

    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next bytes to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// The next thing for the journal.
    fn poll_remark(&mut self) -> Option<Remark> {
        None
    }
}
