//! Operations: what the application starts, and how each of them ends, exactly once.
//!
//! # Invariants
//!
//! - An operation is in the table from its beginning to its one completion.
//! - Each one has an owner (the session, one McuSession, one call) that decides what a recovery does to it.

mod error;
mod table;

use std::time::Duration;

use c3p::McuType;
use c3p::info::Role;

pub use error::{Awaited, Began, Fault, Obstacle, OperationError, Reason, Reply};
pub(super) use table::{Entry, Operations, Owner};

use super::vocabulary::words;

/// The number of an operation, given by the caller; never used twice in a session's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

impl std::fmt::Display for OperationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

words! {
    /// What kind of operation, by the word that people type.
    #[non_exhaustive]
    pub enum OperationName {
        /// Joins the conference.
        Join = "join",
        /// Leaves it.
        Leave = "leave",
        /// Ends it for everybody.
        End = "end",
        /// Locks it.
        Lock = "lock",
        /// Unlocks it.
        Unlock = "unlock",
        /// Lets people in from the lobby.
        Admit = "admit",
        /// Sends people away from the lobby.
        Deny = "deny",
        /// Removes a participant.
        Eject = "eject",
        /// Makes a participant a presenter.
        Promote = "promote",
        /// Makes a participant an attendee.
        Demote = "demote",
        /// Mutes a participant.
        Mute = "mute",
        /// Lets a muted participant speak.
        Unmute = "unmute",
        /// Invites somebody.
        Invite = "invite",
        /// Places a call to an MCU.
        Call = "call",
        /// Ends a call to an MCU.
        Hangup = "hangup",
        /// Sends an instant message.
        Say = "say",
        /// Tells that we are typing.
        Typing = "typing",
        /// Asks the Focus for its roster.
        Roster = "roster",
        /// Creates a conference at the Factory.
        Schedule = "schedule",
    }
}

/// What an application asks of the conference, apart from joining and leaving it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Lock or unlock the conference (`modifyConferenceLock`).
    Lock {
        /// Whether to lock.
        locked: bool,
    },
    /// Let these people in from the lobby (`setLobbyAccess`); answered person by person.
    Admit {
        /// User entities.
        users: Vec<String>,
    },
    /// Send these people away from the lobby.
    Deny {
        /// User entities.
        users: Vec<String>,
    },
    /// Remove a participant with all endpoints (`deleteUser`).
    Eject {
        /// User entity.
        user: String,
    },
    /// Remove a participant from one modality only: a command of its McuSession.
    EjectFrom {
        /// Which modality.
        mcu: McuType,
        /// User entity.
        user: String,
    },
    /// Change a participant's role (`modifyUserRoles`).
    SetRole {
        /// User entity.
        user: String,
        /// The new role.
        role: Role,
    },
    /// Mute or unmute a participant in the audio MCU (`modifyEndpointMedia`): a command of the McuSession.
    Mute {
        /// User entity.
        user: String,
        /// Whether to mute.
        muted: bool,
    },
    /// Ask the Focus for its roster document (`getConference`), without touching ours: an audit.
    FetchRoster,
    /// Invite somebody to the conference.
    Invite {
        /// The address.
        user: String,
    },
    /// Place the call to an MCU.
    Call {
        /// Which.
        mcu: McuType,
    },
    /// End the call to an MCU.
    Hangup {
        /// Which.
        mcu: McuType,
    },
    /// Send an instant message over the IM call.
    Say {
        /// MIME type.
        content_type: String,
        /// The text.
        text: String,
    },
    /// Tell over the IM call that we are typing, or no more.
    Typing {
        /// Whether we are.
        active: bool,
    },
}

/// Whose dialog carries a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// The Focus dialog, for the conference.
    Session,
    /// The Focus dialog, for one MCU; also the placing of a call.
    Mcu(McuType),
    /// The dialog of an established call.
    Call(McuType),
}

impl Command {
    /// The word for it.
    #[must_use]
    pub const fn name(&self) -> OperationName {
        match self {
            Self::Lock { locked: true } => OperationName::Lock,
            Self::Lock { locked: false } => OperationName::Unlock,
            Self::Admit { .. } => OperationName::Admit,
            Self::Deny { .. } => OperationName::Deny,
            Self::Eject { .. } | Self::EjectFrom { .. } => OperationName::Eject,
            Self::SetRole { role: Role::Presenter, .. } => OperationName::Promote,
            Self::SetRole { .. } => OperationName::Demote,
            Self::Mute { muted: true, .. } => OperationName::Mute,
            Self::Mute { muted: false, .. } => OperationName::Unmute,
            Self::FetchRoster => OperationName::Roster,
            Self::Invite { .. } => OperationName::Invite,
            Self::Call { .. } => OperationName::Call,
            Self::Hangup { .. } => OperationName::Hangup,
            Self::Say { .. } => OperationName::Say,
            Self::Typing { .. } => OperationName::Typing,
        }
    }

    pub(super) const fn carrier(&self) -> Carrier {
        match self {
            Self::Lock { .. }
            | Self::Admit { .. }
            | Self::Deny { .. }
            | Self::Eject { .. }
            | Self::SetRole { .. }
            | Self::FetchRoster
            | Self::Invite { .. } => Carrier::Session,
            Self::EjectFrom { mcu, .. } => Carrier::Mcu(*mcu),
            Self::Mute { .. } => Carrier::Mcu(McuType::Av),
            Self::Call { mcu } => Carrier::Mcu(*mcu),
            Self::Hangup { mcu } => Carrier::Call(*mcu),
            Self::Say { .. } | Self::Typing { .. } => Carrier::Call(McuType::Im),
        }
    }
}

/// What an operation gives when it succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OperationValue {
    /// It is done.
    #[default]
    Done,
    /// The Focus's own roster document, as it would be in a fresh subscription.
    Roster(Box<c3p::info::ConferenceInfo>),
    /// Admitting or denying: person by person. Partial failure is a result, not an error.
    People(Vec<PersonOutcome>),
    /// The message was taken by the MCU, which may have given it a number. Recipients that it could not reach are
    /// listed with the reason.
    Message {
        /// The MCU's number for it.
        id: Option<u64>,
        /// Who did not get it.
        failed: Vec<PersonOutcome>,
    },
}

/// What became of one person in an operation on several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonOutcome {
    /// User entity.
    pub user: String,
    /// `None`: it worked; else the reason that the server gave.
    pub failure: Option<String>,
}

/// An operation and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Its number.
    pub id: OperationId,
    /// Its kind.
    pub name: OperationName,
    /// How it ended.
    pub result: Result<OperationValue, OperationError>,
}

/// What the wire reports about a command that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// The final answer is success.
    Success(OperationValue),
    /// The final answer is a refusal.
    Failure(Reply),
    /// The server is still at it: the time for the answer starts anew.
    Pending,
}

/// A command whose own request met the failure that began a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCommand {
    /// Its number.
    pub op: OperationId,
    /// What came in place of an answer.
    pub reply: Reply,
}

/// How long operations may wait for their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationLimits {
    /// For a C3P command; each `pending` starts it anew.
    pub command: Duration,
    /// For a message, or the end of a call: something that goes over the call's own dialog.
    pub message: Duration,
    /// For the Focus to end the conference (T3b).
    pub end: Duration,
    /// How many may be under way at once; more are refused with `RetryableOperation`.
    pub pending_max: usize,
}

impl Default for OperationLimits {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(180),
            message: Duration::from_secs(60),
            end: Duration::from_secs(32),
            pending_max: 1024,
        }
    }
}
