//! What a recoverable dialog tells its owner.

use std::time::Instant;

use super::{Fault, Token};
use crate::message::Response;

/// What a dialog tells its owner.
#[derive(Debug)]
pub enum DialogEvent {
    /// A final answer that is not a recovery signal.
    Answered {
        /// The request.
        token: Token,
        /// Its answer.
        response: Response,
    },
    /// The request ended without an answer that concerns it: the route was repaired, but it must not be repeated, or too
    /// many wait.
    Failed {
        /// The request.
        token: Token,
        /// What it met.
        fault: Fault,
    },
    /// The dialog works: a probe or a session refresh was answered.
    Confirmed,
    /// The route was repaired silently; what waited was sent again.
    Repaired {
        /// What was wrong.
        fault: Fault,
        /// When it was seen.
        first_sign: Instant,
    },
    /// The route could not be repaired. What else was under way stays with the dialog until `fail_all` or an answer.
    RepairFailed {
        /// What was wrong at first.
        fault: Fault,
        /// When it was seen.
        first_sign: Instant,
        /// The request that met it, which has failed with it; `None` for a probe or a session refresh.
        token: Option<Token>,
        /// Whether an UPDATE was tried.
        tried: bool,
    },
    /// The peer does not know the dialog (481).
    Gone {
        /// The request that was told so; `None` for a probe, a refresh, a repair or a heal attempt.
        token: Option<Token>,
        /// The answer.
        response: Response,
        /// Whether a heal attempt learned it.
        healing: bool,
        /// When the first sign of trouble was seen, where it was before this answer.
        first_sign: Instant,
    },
    /// The registration has to be renewed before this dialog can heal.
    RegistrationNeeded,
    /// One attempt of the heal loop failed.
    HealFailed {
        /// What it met.
        fault: Fault,
    },
    /// The heal loop sent an UPDATE.
    HealTried,
    /// The route works again.
    Healed,
}

/// What a request from the peer is to the owner.
#[derive(Debug)]
pub enum Incoming {
    /// Answered here: UPDATE, OPTIONS, or out of order.
    Done,
    /// An UPDATE from the peer brought a new route: healed from the far end.
    Healed,
    /// Acceptable; the owner answers it.
    Deliver,
}
