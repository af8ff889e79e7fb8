//! The non-INVITE server transaction: RFC 3261 section 17.2.2, without 1xx while `Trying` (RFC 4320 leaves them to
//! the user).
//!
//! Not here: messages. The machine is told what happened and says what is to be done.

use std::time::Instant;

use super::ServerStep;
use super::timers::{Link, TimerName, Timing};

/// The state of a [`ServerNonInvite`] transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNonInviteState {
    /// The request went to the user, which has not answered.
    Trying,
    /// The user gave a provisional response.
    Proceeding,
    /// The final response was sent; retransmissions of the request get it again.
    Completed {
        /// Timer J: ends the transaction.
        j: Instant,
    },
    /// Over.
    Terminated,
}

/// Non-INVITE server transaction.
///
/// ```text
///                    | request: to TU
///                    v
///   request:      Trying -------- 200-699 from TU: send -------+
///   nothing          |                                         |
///                    | 1xx from TU: send                       |
///                    v                                         |
///          +---- Proceeding --- 200-699 from TU: send ---+     |
///          +------>     request: resend                  v     v
///     1xx from TU: send                    +---------- Completed
///                                          +------------->  | J
///                                     request: resend       v
///                                                      Terminated
/// ```
#[derive(Debug)]
pub struct ServerNonInvite {
    state: ServerNonInviteState,
    timing: Timing,
    link: Link,
}

impl ServerNonInvite {
    /// A transaction for a request that just came.
    pub fn new(timing: Timing, link: Link) -> Self {
        Self { state: ServerNonInviteState::Trying, timing, link }
    }

    /// The present state.
    pub fn state(&self) -> ServerNonInviteState {
        self.state
    }

    /// Whether the user has not yet given a final response.
    pub fn is_waiting(&self) -> bool {
        match self.state {
            ServerNonInviteState::Trying | ServerNonInviteState::Proceeding => true,
            ServerNonInviteState::Completed { .. } | ServerNonInviteState::Terminated => false,
        }
    }

    /// The request came again.
    pub fn handle_retransmission(&mut self) -> ServerStep {
        match self.state {
            ServerNonInviteState::Proceeding | ServerNonInviteState::Completed { .. } => ServerStep::Resend,
            ServerNonInviteState::Trying | ServerNonInviteState::Terminated => ServerStep::Nothing,
        }
    }

    /// The user answers with this status.
    pub fn respond(&mut self, status: u16, now: Instant) -> ServerStep {
        match self.state {
            ServerNonInviteState::Trying | ServerNonInviteState::Proceeding => {
                self.state = if status < 200 {
                    ServerNonInviteState::Proceeding
                } else {
                    ServerNonInviteState::Completed { j: now + self.timing.timer_j(self.link) }
                };
                ServerStep::Send
            }
            ServerNonInviteState::Completed { .. } | ServerNonInviteState::Terminated => ServerStep::Nothing,
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> ServerStep {
        match self.state {
            ServerNonInviteState::Completed { j } if now >= j => {
                self.state = ServerNonInviteState::Terminated;
            }
            ServerNonInviteState::Trying
            | ServerNonInviteState::Proceeding
            | ServerNonInviteState::Completed { .. }
            | ServerNonInviteState::Terminated => {}
        }
        ServerStep::Nothing
    }

    /// The soonest deadline and whose it is.
    pub fn poll_timeout(&self) -> Option<(Instant, TimerName)> {
        match self.state {
            ServerNonInviteState::Completed { j } => Some((j, TimerName::J)),
            ServerNonInviteState::Trying
            | ServerNonInviteState::Proceeding
            | ServerNonInviteState::Terminated => None,
        }
    }
}
