//! What the ConferenceSession machine is told: by the application, and by the wire.
//!
//! The wire reports facts and refuses nothing; the machine decides what they mean in its present state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use c3p::McuType;
use c3p::info::ConferenceInfo;
use mcu::CallChange;

use super::operation::{Awaited, Command, CommandOutcome, FailedCommand, OperationId, Reply};
use super::vocabulary::{Detector, RecoveryStep, words};

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Input {
    // --- the application ---
    /// Join the conference. Completes at T2, T13, T7 (from the lobby), or with its failure.
    Join {
        /// The operation.
        op: OperationId,
    },
    /// Start a command, a call or a message.
    Begin {
        /// The operation.
        op: OperationId,
        /// What to do.
        command: Command,
    },
    /// Leave. Always works; completes when the session is over.
    Leave {
        /// The operation.
        op: OperationId,
    },
    /// End the conference for everybody (T3b).
    EndForAll {
        /// The operation.
        op: OperationId,
    },
    /// The parent Conversation failed an escalation (T3e, then T5).
    EscalationFailed,
    /// The last handle was dropped: leave without an operation.
    HandleDropped,

    // --- the wire: join ---
    /// The INVITE was accepted; the SUBSCRIBE follows.
    JoinAccepted,
    /// The join failed, and nothing of it is left on the wire.
    JoinFailed(WireFailure),

    // --- the wire: documents ---
    /// A conference document.
    Document {
        /// The document.
        info: Arc<ConferenceInfo>,
        /// It came in the 2xx of our own SUBSCRIBE, or is the first one after it.
        fresh: bool,
    },
    /// A notification or answer whose document is malformed or over a limit.
    DocumentRejected {
        /// What was wrong with it.
        detail: String,
    },

    // --- the wire: commands and calls ---
    /// A command that was sent was answered.
    CommandAnswered {
        /// The operation.
        op: OperationId,
        /// How.
        outcome: CommandOutcome,
    },
    /// The dialog with an MCU changed.
    CallChanged {
        /// Which.
        mcu: McuType,
        /// What it is now, and why.
        change: CallChange,
        /// What the MCU said, if it refused or ended the call.
        reply: Option<Reply>,
    },
    /// An instant message came.
    MessageReceived {
        /// Who sent it (user entity).
        from: String,
        /// MIME type.
        content_type: String,
        /// The text.
        text: String,
    },
    /// Somebody types, or stopped.
    TypingReceived {
        /// Who (user entity).
        from: String,
        /// Whether he does.
        active: bool,
    },

    // --- the wire: failures and recovery ---
    /// The Focus dialog is gone: 481, `deactivated`, or BYE with 61001 or 61008 (D7, D9, D12).
    FrontEndLost {
        /// What told so.
        evidence: Evidence,
        /// The command that met it, if any.
        failed: Option<FailedCommand>,
    },
    /// The route is broken, and the silent repair failed or is not to be tried (D2, D3, D5, D6 ...).
    RouteLost {
        /// What told so.
        evidence: Evidence,
        /// The command that met it, if any.
        failed: Option<FailedCommand>,
    },
    /// A route was repaired silently, or could not be (specification section 3.3): an event, no transition.
    RouteRepaired {
        /// Of which dialog.
        dialog: RepairedDialog,
        /// Whether it worked. `false` is followed by [`RouteLost`](Self::RouteLost) if the dialog is the Focus's.
        repaired: bool,
        /// What told that the route was broken.
        detected_by: Detector,
        /// From the first sign to the end of the repair.
        total: Duration,
    },
    /// An UPDATE of the heal loop was sent.
    HealAttempted,
    /// It was refused or not answered; or what follows a healed route (SUBSCRIBE) failed. The loop goes on.
    HealFailed {
        /// What came back.
        error: WireFailure,
    },
    /// The route is back: a 2xx to our UPDATE, an UPDATE of the far end, or 405/501. The SUBSCRIBE follows.
    Healed,
    /// 481 to an UPDATE of the heal loop: the dialog is gone, the one reconnect attempt begins.
    HealFoundDialogGone {
        /// What told so.
        evidence: Evidence,
    },
    /// The INVITE of a reconnect attempt was accepted; the SUBSCRIBE follows.
    RejoinAccepted,
    /// The reconnect attempt failed.
    RejoinFailed {
        /// What came back.
        error: WireFailure,
    },
    /// Something that the report of the recovery should list.
    Step(RecoveryStep),

    // --- the wire: ends ---
    /// The Focus ended our part, or the conference: BYE, or a notification `terminated`.
    EndedByFocus {
        /// Why.
        reason: EndedReason,
        /// What the message said.
        reply: Reply,
    },
    /// After [`Effect::Terminate`](super::Effect::Terminate) or [`Effect::CancelJoin`](super::Effect::CancelJoin): the
    /// Focus dialog and the subscription are gone.
    Terminated,
}

/// What told us that something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The row of the decision table.
    pub detected_by: Detector,
    /// When the first sign of it came: the request that was not answered, the flow that closed.
    pub first_sign: Instant,
    /// The SIP status, if one came.
    pub sip_status: Option<u16>,
    /// `ms-diagnostics`, if there were any.
    pub diagnostics: Option<String>,
    /// The server asked for a pause before the reconnect attempt.
    pub retry_after: Option<Duration>,
    /// The silent repair was tried and failed: the heal loop begins with its first gap, not with an UPDATE.
    pub repair_tried: bool,
}

impl Evidence {
    /// What was detected, and when its first sign came.
    #[must_use]
    pub const fn new(detected_by: Detector, first_sign: Instant) -> Self {
        Self {
            detected_by,
            first_sign,
            sip_status: None,
            diagnostics: None,
            retry_after: None,
            repair_tried: false,
        }
    }

    /// The same with a status.
    #[must_use]
    pub const fn with_status(mut self, status: Option<u16>) -> Self {
        self.sip_status = status;
        self
    }

    /// The same with diagnostics.
    #[must_use]
    pub fn with_diagnostics(mut self, diagnostics: Option<impl Into<String>>) -> Self {
        self.diagnostics = diagnostics.map(Into::into);
        self
    }

    /// The same after a silent repair that failed.
    #[must_use]
    pub const fn with_repair_tried(mut self, tried: bool) -> Self {
        self.repair_tried = tried;
        self
    }

    /// The same with a pause that the server asked for.
    #[must_use]
    pub const fn with_retry_after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }
}

/// How a join, a heal attempt or a reconnect attempt failed on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireFailure {
    /// A server refused, or could not be reached.
    Refused(Reply),
    /// Nobody answered in time.
    Silent {
        /// What did not come.
        awaited: Awaited,
        /// How long it was waited for.
        waited: Duration,
    },
    /// What came cannot be understood.
    Protocol(Reply),
}

impl WireFailure {
    /// What the server said, if it said anything.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused(reply) | Self::Protocol(reply) => Some(reply),
            Self::Silent { .. } => None,
        }
    }
}

impl std::fmt::Display for WireFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(reply) => reply.fmt(f),
            Self::Protocol(reply) => write!(f, "protocol error: {reply}"),
            Self::Silent { awaited, waited } => write!(f, "no {awaited} within {waited:?}"),
        }
    }
}

words! {
    /// Why the Focus ended our part, from the last document, the Subscription-State reason and the diagnostics.
    pub enum EndedReason {
        /// Removed by a leader.
        Ejected = "ejected",
        /// Refused in the lobby.
        Denied = "denied",
        /// The conference is over (`noresource`, 60002, 61007).
        Ended = "ended",
        /// Another holder of our endpoint took over (60001).
        Replaced = "replaced",
        /// The server's wait in the lobby is over (`giveup`, 61005).
        LobbyTimeout = "lobby-timeout",
        /// The message does not say.
        Unknown = "unknown",
    }
}

words! {
    /// A dialog whose route was repaired.
    pub enum RepairedDialog {
        /// The Focus dialog.
        Focus = "focus",
        /// The IM call.
        Im = "im",
        /// The audio/video call.
        Av = "av",
    }
}
