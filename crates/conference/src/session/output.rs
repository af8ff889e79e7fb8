//! What the ConferenceSession machine gives out: events, completions, and what the wire has to do.

use std::time::{Duration, Instant};

use c3p::McuType;
use mcu::EndReason;

use super::operation::{Command, Completion, OperationId};
use super::vocabulary::words;
use crate::event::Event;

/// One thing to do, in order. Drain after every input.
#[derive(Debug, Clone)]
pub enum Output {
    /// Tell the application.
    Event(Event),
    /// An operation is over. The same completion was an [`Event::Operation`] just before.
    Complete(Completion),
    /// The wire has to do something.
    Effect(Effect),
}

/// What the wire has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Register, INVITE, SUBSCRIBE. Answer: [`JoinAccepted`] and a fresh document, or [`JoinFailed`].
    ///
    /// [`JoinAccepted`]: super::Input::JoinAccepted
    /// [`JoinFailed`]: super::Input::JoinFailed
    StartJoin {
        /// Whether the INVITE says that we can wait in the lobby.
        lobby_capable: bool,
    },
    /// Give the join up (CANCEL, or ACK and BYE). Answer: [`Terminated`](super::Input::Terminated) when nothing is left.
    CancelJoin,
    /// Send this. Answer: [`CommandAnswered`](super::Input::CommandAnswered); for `Call` and `Hangup` the
    /// [`CallChanged`](super::Input::CallChanged) is the answer.
    SendCommand {
        /// The operation.
        op: OperationId,
        /// What to send.
        command: Command,
    },
    /// The operation is over; what is still under way for it on the wire matters no more.
    DropCommand {
        /// The operation.
        op: OperationId,
    },
    /// Ask the Focus to end the conference. Answer: [`CommandAnswered`](super::Input::CommandAnswered) or
    /// [`EndedByFocus`](super::Input::EndedByFocus).
    EndForAll {
        /// The operation.
        op: OperationId,
    },
    /// Forget the old Focus dialog and subscription without a word, stop healing, and make one reconnect attempt (INVITE
    /// with a new Call-ID, then SUBSCRIBE). Answer: [`RejoinAccepted`](super::Input::RejoinAccepted) and a fresh document,
    /// or [`RejoinFailed`](super::Input::RejoinFailed). What is left of an attempt before this one is ended quietly.
    Rejoin {
        /// 1 for the first. By default there is no second.
        attempt: u32,
        /// The pause before it: what the server asked for, or the guard against storms. Jitter comes on top.
        after: Duration,
    },
    /// Run the heal loop. `at_once`: no silent repair came before, so the first UPDATE goes out now.
    StartHealing {
        /// Whether the first UPDATE goes out now.
        at_once: bool,
    },
    /// Refresh the subscription; the answer is a fresh document.
    RefreshSubscription,
    /// End the MCU calls, the subscription and the Focus dialog, as far as they are up; stop all else. Answer:
    /// [`Terminated`](super::Input::Terminated).
    Terminate {
        /// How much patience.
        mode: TerminateMode,
    },
    /// End one call, best effort. It counts as ended already.
    EndCall {
        /// Which.
        mcu: McuType,
        /// Why.
        reason: EndReason,
    },
    /// The session is over, or `Idle` again: drop every dialog, timer and transaction of it without a word.
    Release,
}

words! {
    /// How much patience a termination has.
    pub enum TerminateMode {
        /// Each dialog gets its 32 s.
        Orderly = "orderly",
        /// The peers may be out of reach: 2 s in all.
        BestEffort = "best-effort",
    }
}

/// Which deadline comes next; names only, the machine knows what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The whole join.
    Join,
    /// The first document that shows our endpoint.
    FirstDocument,
    /// Our wait in the lobby.
    Lobby,
    /// The answer to an operation.
    Operation(OperationId),
    /// The Focus's time to end the conference.
    EndForAll,
    /// The time for ending the dialogs.
    Termination,
    /// One reconnect attempt.
    Attempt,
    /// The pause before the next reconnect attempt.
    NextAttempt,
    /// The deadline that the application set for recoveries.
    GiveUp,
    /// A refresh of the subscription that had to wait.
    Refresh,
    /// Operations that wait for an MCU.
    McuQueue(McuType),
}

/// A deadline and what it is for.
pub type Deadline = (Instant, Timer);
