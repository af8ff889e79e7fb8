//! What can be wrong with the way to a peer, by the rows of the decision table that one dialog can see.

use std::time::Duration;

use crate::header::{DialogRecoveryAction, RetryAfter};
use crate::message::Response;

/// What is wrong with the way to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 430 that asks us to update the route set, or gives no known token (D1, D4).
    FlowFailed,
    /// 430 that asks us to wait for the far end (D2).
    WaitForFarEnd,
    /// 430 that says our registration's route is lost (D3).
    RegistrationLost,
    /// The same request got 430 a second time (D5).
    FlowFailedAgain,
    /// The next hop refused the connection (D6).
    Unreachable,
    /// The connection to the next hop was lost with the request on it (D6).
    FlowLost,
    /// No final answer (D6).
    Silent,
    /// A final status that says the next hop or the target cannot be reached (D6: 408, 503, 504; D18: 404, 410, 480, 604).
    Status(u16),
}

impl Fault {
    /// The SIP status behind it, where an answer was received.
    pub fn status(self) -> Option<u16> {
        match self {
            Fault::FlowFailed | Fault::WaitForFarEnd | Fault::RegistrationLost | Fault::FlowFailedAgain => {
                Some(430)
            }
            Fault::Status(status) => Some(status),
            Fault::Unreachable | Fault::FlowLost | Fault::Silent => None,
        }
    }

    /// Whether the request was surely not delivered.
    pub(super) fn is_undelivered(self) -> bool {
        matches!(self, Fault::FlowFailed | Fault::Unreachable)
    }

    /// Whether one silent repair is worth trying.
    pub(super) fn is_repairable(self) -> bool {
        !matches!(self, Fault::WaitForFarEnd | Fault::RegistrationLost | Fault::FlowFailedAgain)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::FlowFailed => f.write_str("430 Flow Failed"),
            Fault::WaitForFarEnd => f.write_str("430 Flow Failed, the far end has to recover"),
            Fault::RegistrationLost => f.write_str("430 Flow Failed, the registration's route is lost"),
            Fault::FlowFailedAgain => f.write_str("430 Flow Failed twice"),
            Fault::Unreachable => f.write_str("the next hop refused the connection"),
            Fault::FlowLost => f.write_str("the connection to the next hop was lost"),
            Fault::Silent => f.write_str("no answer"),
            Fault::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// What a 430 asks for.
pub(super) fn recovery_action(response: &Response) -> Fault {
    // What cannot be read counts as what is not known: repair (D4).
    let action = response.header::<DialogRecoveryAction>().ok().flatten().unwrap_or_default();
    if action.contains("Registration-Route-Set-Update") {
        Fault::RegistrationLost
    } else if action.contains("Wait-For-Session-Update") && !action.contains("Dialog-Route-Set-Update") {
        Fault::WaitForFarEnd
    } else {
        Fault::FlowFailed
    }
}

pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let RetryAfter(seconds) = response.header().ok().flatten()?;
    Some(Duration::from_secs(u64::from(seconds)))
}
