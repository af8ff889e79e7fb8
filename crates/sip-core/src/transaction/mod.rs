//! The four transaction machines of RFC 3261 section 17, corrected by RFC 6026.
//!
//! Each is one enum of states that own their timers, driven by `handle_*` calls that take `now` and answer with at most
//! one step. They know neither messages nor transports: [`crate::Endpoint`] holds the bytes, matches messages to
//! machines, and carries out the steps.
//!
//! # Invariants
//!
//! - A client machine says `Deliver` (or `DeliverAndAck`) for a final response, `Failed`, or `TimedOut` exactly once;
//!   only further 2xx to an INVITE are delivered again.
//! - A `Terminated` machine does nothing and has no deadline.

mod client_invite;
mod client_non_invite;
mod server_invite;
mod server_non_invite;
mod timers;

pub use client_invite::{ClientInvite, ClientInviteState};
pub use client_non_invite::{ClientNonInvite, ClientNonInviteState};
pub use server_invite::{AckDuty, ServerInvite, ServerInviteState};
pub use server_non_invite::{ServerNonInvite, ServerNonInviteState};
pub use timers::{Link, Retransmit, TimerName, Timing};

/// What the owner of a client transaction has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// Nothing.
    Nothing,
    /// Send the request again.
    Resend,
    /// Give the response to the transaction user.
    Deliver,
    /// Give the response to the transaction user and send the ACK.
    DeliverAndAck,
    /// Send the ACK again; the response is a retransmission.
    Ack,
    /// Tell the user that nobody answered.
    TimedOut,
    /// Tell the user that the transport failed.
    Failed,
}

/// What the owner of a server transaction has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerStep {
    /// Nothing.
    Nothing,
    /// Send the response just given, and keep it as the last one.
    Send,
    /// Send the last response again, if there is one.
    Resend,
    /// Send a 100.
    SendTrying,
    /// Give the ACK to the transaction user.
    PassAck,
    /// No ACK came for the final response.
    NoAck {
        /// Whether that response was a 2xx: then the user has to end the dialog.
        accepted: bool,
    },
}

#[cfg(test)]
mod tests;
