//! Whether a session ended as its person wanted: the exit status of `join`.

use conference::event::StateChange;
use conference::session::{Cause, SessionState, TransitionId};

use crate::failure::Failure;

/// What the last transition out of a living state says about the end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    over: bool,
    idle: bool,
    failure: Option<Failure>,
}

impl Ending {
    /// Takes note of a state event.
    pub(crate) fn see(&mut self, change: &StateChange) {
        if let Some(failure) = failure(change) {
            self.failure = Some(failure);
        }
        self.idle = change.to == SessionState::Idle;
        self.over = self.idle || change.to == SessionState::Disconnected;
    }

    /// Whether the session is over.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it is over because the join failed: it could be joined again.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle
    }

    /// The result of the command.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        self.failure.map_or(Ok(()), Err)
    }
}

/// The transitions that make `join` fail.
fn failure(change: &StateChange) -> Option<Failure> {
    let (what, help) = reason(change.transition, change.cause)?;
    let status = change.sip_status.map(|status| format!(", SIP status {status}")).unwrap_or_default();
    let diagnostics =
        change.diagnostics.as_ref().map(|text| format!(", diagnostics {text}")).unwrap_or_default();
    Some(Failure::new(format!("{what} ({}{status}{diagnostics})", change.cause)).try_this(help))
}

/// What went wrong, and what to try; `None` for an end that is as it should be.
fn reason(transition: TransitionId, cause: Cause) -> Option<(&'static str, &'static str)> {
    use TransitionId::{T8, T9, T14a, T14c, T15};
    Some(match (transition, cause) {
        (T8, _) => (
            "the session could not reconnect",
            "look whether a front end of the pool is alive, and join again",
        ),
        (T9, _) => ("the conference could not be joined", "check the URI and the servers"),
        (T14a | T14c | T15, Cause::LobbyTimeout) => (
            "nobody let us in from the lobby in time",
            "ask a presenter, then join again (--lobby-timeout waits longer)",
        ),
        (T14a, _) => ("a presenter did not let us in", "ask a presenter, then join again"),
        (T15, Cause::GaveUp) => ("the session was not healed in time", "a longer --give-up-after"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cli.md: which ends are exit status 1.
    #[test]
    fn exit_status() {
        use TransitionId::*;
        let table = [
            (T3a, Cause::LocalLeave, true),
            (T3b, Cause::LocalEnd, true),
            (T3c, Cause::Ejected, true),
            (T3d, Cause::Ended, true),
            (T14b, Cause::Ended, true),
            (T14c, Cause::LocalLeave, true),
            (T15, Cause::LocalLeave, true),
            (T16, Cause::Cancelled, true),
            (T8, Cause::ReconnectFailed, false),
            (T9, Cause::JoinFailed, false),
            (T14a, Cause::Denied, false),
            (T14a, Cause::LobbyTimeout, false),
            (T14c, Cause::LobbyTimeout, false),
            (T15, Cause::GaveUp, false),
            (T15, Cause::LobbyTimeout, false),
        ];
        for (transition, cause, fine) in table {
            let failed = reason(transition, cause).is_some();
            assert_eq!(!failed, fine, "{transition} {cause}");
        }
    }
}
