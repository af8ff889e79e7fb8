//! The non-INVITE client transaction: RFC 3261 section 17.1.2.
//!
//! Not here: messages. The machine is told the status of a response and says what is to be done.

use std::time::Instant;

use super::ClientStep;
use super::timers::{Link, Retransmit, TimerName, Timing, sooner};

/// The state of a [`ClientNonInvite`] transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientNonInviteState {
    /// The request was sent, nothing came back.
    Trying {
        /// Timer E: the next retransmission, doubling up to T2.
        e: Option<Retransmit>,
        /// Timer F: gives up.
        f: Instant,
    },
    /// A provisional response came; retransmissions go on every T2.
    Proceeding {
        /// Timer E: the next retransmission.
        e: Option<Retransmit>,
        /// Timer F: gives up.
        f: Instant,
    },
    /// The final response came; its retransmissions are absorbed.
    Completed {
        /// Timer K: ends the transaction.
        k: Instant,
    },
    /// Over.
    Terminated,
}

/// Non-INVITE client transaction.
///
/// ```text
///                   | request sent
///     E: resend     v
///        +------ Trying ------- F, transport error: inform TU ----+
///        +------>  |  |                                           |
///      1xx: to TU  |  +------- 200-699: to TU --------+           |
///                  v                                  |           |
///        +-- Proceeding -- F, transport error: inform TU ---------+
///        +--->     |                                  v           |
///   E: resend      +-- 200-699: to TU ----------> Completed       |
///   1xx: to TU                                        | K         v
///                                                     +---> Terminated
/// ```
#[derive(Debug)]
pub struct ClientNonInvite {
    state: ClientNonInviteState,
    timing: Timing,
    link: Link,
}

impl ClientNonInvite {
    /// A transaction whose request is being sent at `now`.
    pub fn new(timing: Timing, link: Link, now: Instant) -> Self {
        let state = ClientNonInviteState::Trying {
            e: Retransmit::start(&timing, link, now),
            f: now + timing.give_up(),
        };
        Self { state, timing, link }
    }

    /// The present state.
    pub fn state(&self) -> ClientNonInviteState {
        self.state
    }

    /// Whether no final response has come yet.
    pub fn is_waiting(&self) -> bool {
        match self.state {
            ClientNonInviteState::Trying { .. } | ClientNonInviteState::Proceeding { .. } => true,
            ClientNonInviteState::Completed { .. } | ClientNonInviteState::Terminated => false,
        }
    }

    /// A response with this status came.
    pub fn handle_response(&mut self, status: u16, now: Instant) -> ClientStep {
        match self.state {
            ClientNonInviteState::Trying { e, f } | ClientNonInviteState::Proceeding { e, f } => {
                let next = if status < 200 {
                    ClientNonInviteState::Proceeding { e, f }
                } else {
                    ClientNonInviteState::Completed { k: now + self.timing.linger(self.link) }
                };
                self.cross(next, ClientStep::Deliver)
            }
            ClientNonInviteState::Completed { .. } | ClientNonInviteState::Terminated => ClientStep::Nothing,
        }
    }

    /// The transport cannot send it; the user is told only if no final response had come.
    pub fn handle_transport_error(&mut self) -> ClientStep {
        let told = if self.is_waiting() { ClientStep::Failed } else { ClientStep::Nothing };
        self.cross(ClientNonInviteState::Terminated, told)
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> ClientStep {
        match self.state {
            ClientNonInviteState::Trying { f, .. } | ClientNonInviteState::Proceeding { f, .. }
                if now >= f =>
            {
                self.cross(ClientNonInviteState::Terminated, ClientStep::TimedOut)
            }
            ClientNonInviteState::Trying { e: Some(e), f } if now >= e.at => {
                let e = Some(e.again(now, Some(self.timing.t2)));
                self.cross(ClientNonInviteState::Trying { e, f }, ClientStep::Resend)
            }
            ClientNonInviteState::Proceeding { e: Some(e), f } if now >= e.at => {
                let e = Some(e.every(now, self.timing.t2));
                self.cross(ClientNonInviteState::Proceeding { e, f }, ClientStep::Resend)
            }
            ClientNonInviteState::Completed { k } if now >= k => {
                self.cross(ClientNonInviteState::Terminated, ClientStep::Nothing)
            }
            ClientNonInviteState::Trying { .. }
            | ClientNonInviteState::Proceeding { .. }
            | ClientNonInviteState::Completed { .. }
            | ClientNonInviteState::Terminated => ClientStep::Nothing,
        }
    }

    /// The soonest deadline and whose it is.
    pub fn poll_timeout(&self) -> Option<(Instant, TimerName)> {
        match self.state {
            ClientNonInviteState::Trying { e, f } | ClientNonInviteState::Proceeding { e, f } => {
                Some(sooner(e, TimerName::E, (f, TimerName::F)))
            }
            ClientNonInviteState::Completed { k } => Some((k, TimerName::K)),
            ClientNonInviteState::Terminated => None,
        }
    }

    fn cross(&mut self, to: ClientNonInviteState, step: ClientStep) -> ClientStep {
        self.state = to;
        step
    }
}
