//! The INVITE server transaction: RFC 3261 section 17.2.1 with the `Accepted` state of RFC 6026.
//!
//! The retransmission of a 2xx until its ACK (RFC 3261 section 13.3.1.4) is a duty of the transaction user there; the
//! machine does it here, so that no user of the endpoint has to. A proxy passes [`AckDuty::Elsewhere`]: the 2xx it
//! forwards is retransmitted by whoever made it.

use std::time::{Duration, Instant};

use super::ServerStep;
use super::timers::{Link, Retransmit, TimerName, Timing, sooner};

/// After this long without an answer of the user the transaction says 100 by itself.
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// Who retransmits a 2xx until its ACK comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckDuty {
    /// This transaction: the 2xx was made here.
    Here,
    /// Whoever made the 2xx: it is only forwarded here.
    Elsewhere,
}

/// The state of a [`ServerInvite`] transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInviteState {
    /// The INVITE went to the user; no final response yet.
    Proceeding {
        /// When to say 100, unless the user has answered before.
        trying: Option<Instant>,
    },
    /// A non-2xx final response was sent and waits for its ACK.
    Completed {
        /// Timer G: the next retransmission of the response.
        g: Option<Retransmit>,
        /// Timer H: gives up waiting.
        h: Instant,
    },
    /// The ACK of a non-2xx came; its retransmissions are absorbed.
    Confirmed {
        /// Timer I: ends the transaction.
        i: Instant,
    },
    /// A 2xx was sent; retransmissions of the INVITE are absorbed.
    Accepted {
        /// Timer G, used for the 2xx as well: the next retransmission, until the ACK.
        g: Option<Retransmit>,
        /// Whether an ACK is still owed to us.
        ack_owed: bool,
        /// Timer L: ends the transaction.
        l: Instant,
    },
    /// Over.
    Terminated,
}

/// INVITE server transaction.
///
/// ```text
///                        | INVITE: to TU, 100 after 200 ms
///      INVITE: resend    v
///          +--------- Proceeding ---------- transport error ----------+
///          +----------->  |  | 2xx from TU: send                      |
///     1xx from TU: send   |  +-----------> Accepted ------- L --------+
///                         |                |  ^ ACK: to TU            |
///     300-699 from TU:    |                +--+ 2xx: (re)send         |
///                 send    v                                           |
///          +--------- Completed ------- H, transport error -----------+
///          +----------->  |                                           |
///   INVITE, G: resend     | ACK                                       |
///                         v                                           v
///                     Confirmed ------------- I --------------> Terminated
/// ```
#[derive(Debug)]
pub struct ServerInvite {
    state: ServerInviteState,
    timing: Timing,
    link: Link,
}

impl ServerInvite {
    /// A transaction for an INVITE that came at `now`.
    pub fn new(timing: Timing, link: Link, now: Instant) -> Self {
        let trying = Some(now + TRYING_AFTER);
        Self { state: ServerInviteState::Proceeding { trying }, timing, link }
    }

    /// The present state.
    pub fn state(&self) -> ServerInviteState {
        self.state
    }

    /// Whether the user has not yet given a final response.
    pub fn is_waiting(&self) -> bool {
        match self.state {
            ServerInviteState::Proceeding { .. } => true,
            ServerInviteState::Completed { .. }
            | ServerInviteState::Confirmed { .. }
            | ServerInviteState::Accepted { .. }
            | ServerInviteState::Terminated => false,
        }
    }

    /// The INVITE came again.
    pub fn handle_retransmission(&mut self) -> ServerStep {
        match self.state {
            ServerInviteState::Proceeding { .. } | ServerInviteState::Completed { .. } => ServerStep::Resend,
            ServerInviteState::Confirmed { .. }
            | ServerInviteState::Accepted { .. }
            | ServerInviteState::Terminated => ServerStep::Nothing,
        }
    }

    /// The user answers with this status.
    pub fn respond(&mut self, status: u16, duty: AckDuty, now: Instant) -> ServerStep {
        match self.state {
            ServerInviteState::Proceeding { .. } => {
                let next = match status {
                    ..200 => ServerInviteState::Proceeding { trying: None },
                    200..300 => self.accepted(duty, now),
                    300.. => ServerInviteState::Completed {
                        g: Retransmit::start(&self.timing, self.link, now),
                        h: now + self.timing.give_up(),
                    },
                };
                self.cross(next, ServerStep::Send)
            }
            // A proxy forwards each retransmission of the 2xx (RFC 6026 section 7.3).
            ServerInviteState::Accepted { .. } if (200..300).contains(&status) => ServerStep::Send,
            ServerInviteState::Completed { .. }
            | ServerInviteState::Confirmed { .. }
            | ServerInviteState::Accepted { .. }
            | ServerInviteState::Terminated => ServerStep::Nothing,
        }
    }

    /// An ACK came for the final response.
    pub fn handle_ack(&mut self, now: Instant) -> ServerStep {
        match self.state {
            ServerInviteState::Completed { .. } => {
                let i = now + self.timing.linger(self.link);
                self.cross(ServerInviteState::Confirmed { i }, ServerStep::Nothing)
            }
            ServerInviteState::Accepted { l, .. } => {
                self.cross(ServerInviteState::Accepted { g: None, ack_owed: false, l }, ServerStep::PassAck)
            }
            ServerInviteState::Proceeding { .. }
            | ServerInviteState::Confirmed { .. }
            | ServerInviteState::Terminated => ServerStep::Nothing,
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> ServerStep {
        match self.state {
            ServerInviteState::Proceeding { trying: Some(at) } if now >= at => {
                self.cross(ServerInviteState::Proceeding { trying: None }, ServerStep::SendTrying)
            }
            ServerInviteState::Completed { h: end, .. } if now >= end => {
                self.cross(ServerInviteState::Terminated, ServerStep::NoAck { accepted: false })
            }
            ServerInviteState::Accepted { ack_owed, l, .. } if now >= l => {
                let step = if ack_owed { ServerStep::NoAck { accepted: true } } else { ServerStep::Nothing };
                self.cross(ServerInviteState::Terminated, step)
            }
            ServerInviteState::Completed { g: Some(g), h } if now >= g.at => {
                let g = Some(g.again(now, Some(self.timing.t2)));
                self.cross(ServerInviteState::Completed { g, h }, ServerStep::Resend)
            }
            ServerInviteState::Accepted { g: Some(g), ack_owed, l } if now >= g.at => {
                let g = Some(g.again(now, Some(self.timing.t2)));
                self.cross(ServerInviteState::Accepted { g, ack_owed, l }, ServerStep::Resend)
            }
            ServerInviteState::Confirmed { i } if now >= i => {
                self.cross(ServerInviteState::Terminated, ServerStep::Nothing)
            }
            ServerInviteState::Proceeding { .. }
            | ServerInviteState::Completed { .. }
            | ServerInviteState::Confirmed { .. }
            | ServerInviteState::Accepted { .. }
            | ServerInviteState::Terminated => ServerStep::Nothing,
        }
    }

    /// The soonest deadline and whose it is.
    pub fn poll_timeout(&self) -> Option<(Instant, TimerName)> {
        match self.state {
            ServerInviteState::Proceeding { trying } => trying.map(|at| (at, TimerName::Trying)),
            ServerInviteState::Completed { g, h } => Some(sooner(g, TimerName::G, (h, TimerName::H))),
            ServerInviteState::Confirmed { i } => Some((i, TimerName::I)),
            ServerInviteState::Accepted { g, l, .. } => Some(sooner(g, TimerName::G, (l, TimerName::L))),
            ServerInviteState::Terminated => None,
        }
    }

    fn accepted(&self, duty: AckDuty, now: Instant) -> ServerInviteState {
        let l = now + self.timing.give_up();
        match duty {
            // Over reliable transports too: the hops behind the next one may be others (RFC 3261 section 13.3.1.4).
            AckDuty::Here => ServerInviteState::Accepted {
                g: Retransmit::start(&self.timing, Link::Unreliable, now),
                ack_owed: true,
                l,
            },
            AckDuty::Elsewhere => ServerInviteState::Accepted { g: None, ack_owed: false, l },
        }
    }

    fn cross(&mut self, to: ServerInviteState, step: ServerStep) -> ServerStep {
        self.state = to;
        step
    }
}
