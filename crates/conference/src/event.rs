//! What an application is told, in order: one to one the lines of the command's `--json` output.

use std::sync::Arc;
use std::time::Duration;

use c3p::McuType;
use mcu::{CallCause, CallState, McuSessionState, McuTransition};

use crate::roster::{McuParticipant, Participant, PropertyChange};
use crate::session::{
    Cause, Completion, Detector, RecoveryReport, RepairedDialog, SessionState, TransitionId,
};

/// One event. Cheap to clone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The ConferenceSession changed its state.
    State(StateChange),
    /// Properties of the conference changed.
    Properties(Arc<[PropertyChange]>),
    /// Somebody joined, left or changed.
    Attendance {
        /// Which of these.
        change: AttendanceChange,
        /// Who; for `Left` as he was.
        participant: Arc<Participant>,
    },
    /// An McuSession's own attendance: an endpoint joined or left its MCU, or changed there. The command line folds these
    /// into the `mcus` of the [`Attendance`](Self::Attendance) event.
    McuAttendance {
        /// Which of these.
        change: AttendanceChange,
        /// Who, and in which MCU; for `Left` as he was.
        participant: Arc<McuParticipant>,
    },
    /// An McuSession changed its state.
    McuState {
        /// Which.
        mcu: McuType,
        /// Before.
        from: McuSessionState,
        /// After.
        to: McuSessionState,
        /// The row of the table.
        transition: McuTransition,
    },
    /// The call to an MCU changed its state.
    Call {
        /// Which.
        mcu: McuType,
        /// After.
        state: CallState,
        /// Why.
        cause: CallCause,
    },
    /// An instant message.
    Message {
        /// Who sent it (user entity).
        from: String,
        /// MIME type.
        content_type: String,
        /// The text.
        text: String,
    },
    /// Somebody types, or stopped.
    Typing {
        /// Who (user entity).
        from: String,
        /// Whether he does.
        active: bool,
    },
    /// An operation is over.
    Operation(Completion),
    /// A route was repaired without a transition, or could not be.
    Repair {
        /// Of which dialog.
        dialog: RepairedDialog,
        /// Whether it worked.
        repaired: bool,
        /// What told that it was broken.
        detected_by: Detector,
        /// From the first sign to the end of the repair.
        total: Duration,
    },
    /// A recovery is over.
    Recovery(Arc<RecoveryReport>),
    /// This reader was too slow, and this many events are lost to it. The roster's snapshot is up to date.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// A change of the ConferenceSession's state, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// Before.
    pub from: SessionState,
    /// After.
    pub to: SessionState,
    /// The row of the table.
    pub transition: TransitionId,
    /// Why.
    pub cause: Cause,
    /// The SIP status that has to do with it.
    pub sip_status: Option<u16>,
    /// The `ms-diagnostics` that have to do with it.
    pub diagnostics: Option<String>,
}

/// What became of a participant's endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttendanceChange {
    /// It is new.
    Joined,
    /// It is gone.
    Left,
    /// Its role, lobby state, modalities or display name changed.
    Updated,
}

impl AttendanceChange {
    /// The word of event lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Updated => "updated",
        }
    }
}
