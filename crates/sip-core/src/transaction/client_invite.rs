//! The INVITE client transaction: RFC 3261 section 17.1.1 with the `Accepted` state of RFC 6026.
//!
//! Not here: messages. The machine is told the status of a response and says what is to be done; the endpoint holds
//! the bytes of the request and of the ACK.

use std::time::Instant;

use super::ClientStep;
use super::timers::{Link, Retransmit, TimerName, Timing, sooner};

/// The state of a [`ClientInvite`] transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientInviteState {
    /// The INVITE was sent, nothing came back.
    Calling {
        /// Timer A: the next retransmission.
        a: Option<Retransmit>,
        /// Timer B: gives up.
        b: Instant,
    },
    /// A provisional response came; no timer of the RFC runs (the endpoint bounds the wait, like timer C of a proxy).
    Proceeding,
    /// A non-2xx final response came; its retransmissions get the ACK again.
    Completed {
        /// Timer D: ends the transaction.
        d: Instant,
    },
    /// A 2xx came; further 2xx (retransmissions, forks) go to the transaction user.
    Accepted {
        /// Timer M: ends the transaction.
        m: Instant,
    },
    /// Over.
    Terminated,
}

/// INVITE client transaction.
///
/// ```text
///                      | INVITE sent
///       A: resend      v
///          +------ Calling ------ B, transport error: inform TU ------+
///          +------>  |  |  |                                          |
///               1xx  |  |  +-- 300-699: ACK, to TU --> Completed --D--+
///             to TU  |  |                               ^  | 3-6xx:   |
///                    v  |                               |  +-- ACK    |
///   1xx: to TU  Proceeding --- 300-699: ACK, to TU -----+             |
///          +------+  |  |                                             |
///                    |  +-- 2xx: to TU --+                            |
///                    +-- 2xx: to TU --> Accepted --------- M ---------+
///                                       |    ^                        v
///                                       +----+ 2xx: to TU        Terminated
/// ```
#[derive(Debug)]
pub struct ClientInvite {
    state: ClientInviteState,
    timing: Timing,
    link: Link,
}

impl ClientInvite {
    /// A transaction whose INVITE is being sent at `now`.
    pub fn new(timing: Timing, link: Link, now: Instant) -> Self {
        let state = ClientInviteState::Calling {
            a: Retransmit::start(&timing, link, now),
            b: now + timing.give_up(),
        };
        Self { state, timing, link }
    }

    /// The present state.
    pub fn state(&self) -> ClientInviteState {
        self.state
    }

    /// Whether no final response has come yet.
    pub fn is_waiting(&self) -> bool {
        match self.state {
            ClientInviteState::Calling { .. } | ClientInviteState::Proceeding => true,
            ClientInviteState::Completed { .. }
            | ClientInviteState::Accepted { .. }
            | ClientInviteState::Terminated => false,
        }
    }

    /// A response with this status came.
    pub fn handle_response(&mut self, status: u16, now: Instant) -> ClientStep {
        match self.state {
            ClientInviteState::Calling { .. } | ClientInviteState::Proceeding => match status {
                ..200 => self.cross(ClientInviteState::Proceeding, ClientStep::Deliver),
                200..300 => {
                    let m = now + self.timing.give_up();
                    self.cross(ClientInviteState::Accepted { m }, ClientStep::Deliver)
                }
                300.. => {
                    let d = now + self.timing.timer_d(self.link);
                    self.cross(ClientInviteState::Completed { d }, ClientStep::DeliverAndAck)
                }
            },
            ClientInviteState::Completed { .. } if status >= 300 => ClientStep::Ack,
            ClientInviteState::Accepted { .. } if (200..300).contains(&status) => ClientStep::Deliver,
            ClientInviteState::Completed { .. }
            | ClientInviteState::Accepted { .. }
            | ClientInviteState::Terminated => ClientStep::Nothing,
        }
    }

    /// The transport cannot send it; the user is told only if no final response had come.
    pub fn handle_transport_error(&mut self) -> ClientStep {
        let told = if self.is_waiting() { ClientStep::Failed } else { ClientStep::Nothing };
        self.cross(ClientInviteState::Terminated, told)
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> ClientStep {
        match self.state {
            ClientInviteState::Calling { b, .. } if now >= b => {
                self.cross(ClientInviteState::Terminated, ClientStep::TimedOut)
            }
            ClientInviteState::Calling { a: Some(a), b } if now >= a.at => {
                self.cross(ClientInviteState::Calling { a: Some(a.again(now, None)), b }, ClientStep::Resend)
            }
            ClientInviteState::Completed { d: end } | ClientInviteState::Accepted { m: end }
                if now >= end =>
            {
                self.cross(ClientInviteState::Terminated, ClientStep::Nothing)
            }
            ClientInviteState::Calling { .. }
            | ClientInviteState::Proceeding
            | ClientInviteState::Completed { .. }
            | ClientInviteState::Accepted { .. }
            | ClientInviteState::Terminated => ClientStep::Nothing,
        }
    }

    /// The soonest deadline and whose it is.
    pub fn poll_timeout(&self) -> Option<(Instant, TimerName)> {
        match self.state {
            ClientInviteState::Calling { a, b } => Some(sooner(a, TimerName::A, (b, TimerName::B))),
            ClientInviteState::Completed { d } => Some((d, TimerName::D)),
            ClientInviteState::Accepted { m } => Some((m, TimerName::M)),
            ClientInviteState::Proceeding | ClientInviteState::Terminated => None,
        }
    }

    fn cross(&mut self, to: ClientInviteState, step: ClientStep) -> ClientStep {
        self.state = to;
        step
    }
}
