//! A look at what crosses the sockets: for captures, counters and logs, never for decisions.
//!
//! A [`Tap`] sees each message as its receiver framed it or its sender wrote it, over TLS in plain text. It is called by
//! the owner of the transport, once per message, before anything else is done with it.
//!
//! Not here: what a tap makes of it. `transport::capture` writes files that packet analysers open, `transport::count` counts.

use std::fmt;

use crate::endpoint::{FlowId, FlowInfo};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To us.
    Received,
    /// From us.
    Sent,
}

impl Direction {
    /// `received` or `sent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
        }
    }
}

/// One message on its way.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Seen<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// The flow it came on or goes out on.
    pub flow: FlowId,
    /// The ends of the flow.
    pub info: FlowInfo,
    /// The message, whole; also one that cannot be read. Keep-alives are not shown.
    pub bytes: &'a [u8],
}

impl<'a> Seen<'a> {
    /// A message on its way; who tests a tap makes one.
    pub const fn new(direction: Direction, flow: FlowId, info: FlowInfo, bytes: &'a [u8]) -> Self {
        Self { direction, flow, info, bytes }
    }
}

/// Who looks.
///
/// It is called in the loop that drives the core: it must not wait. What it cannot keep up with it drops, and counts.
pub trait Tap: fmt::Debug + Send + Sync {
    /// Shows one message.
    fn see(&self, seen: Seen<'_>);

    /// A flow ended; its number does not come again.
    fn closed(&self, flow: FlowId) {
        let _ = flow;
    }
}

/// Several taps as one, in this order.
impl Tap for Vec<std::sync::Arc<dyn Tap>> {
    fn see(&self, seen: Seen<'_>) {
        self.iter().for_each(|tap| tap.see(seen));
    }

    fn closed(&self, flow: FlowId) {
        self.iter().for_each(|tap| tap.closed(flow));
    }
}
