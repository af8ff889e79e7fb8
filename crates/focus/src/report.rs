//! What a node tells its operator.

use sip_core::ListenAddr;

use crate::record::NodeKind;

/// What happened to a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConferenceChange {
    /// `addConference` succeeded.
    Created,
    /// The first participant joined.
    Activated,
    /// Another front end owns it now.
    Moved,
    /// Everybody is out; it may be activated again until it expires.
    Ended,
}

impl ConferenceChange {
    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Activated => "activated",
            Self::Moved => "moved",
            Self::Ended => "ended",
        }
    }
}

/// What happened to a node, seen by itself or by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeChange {
    /// It listens.
    Started,
    /// Its silence or a refused connection says so.
    Died,
    /// It gave away all that it had.
    Drained,
    /// It took over a conference of a dead one.
    TookOver,
}

impl NodeChange {
    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Died => "died",
            Self::Drained => "drained",
            Self::TookOver => "took-over",
        }
    }
}

/// One line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeReport {
    /// It listens.
    Ready {
        /// The addresses.
        listen: Vec<ListenAddr>,
    },
    /// A conference changed.
    Conference {
        /// Conference URI.
        uri: String,
        /// Name of the owner.
        owner: String,
        /// Fencing token.
        epoch: u64,
        /// Endpoints inside.
        participants: usize,
        /// What happened.
        change: ConferenceChange,
    },
    /// A node changed.
    Node {
        /// Its name.
        name: String,
        /// Its kind.
        kind: NodeKind,
        /// What happened.
        change: NodeChange,
        /// For people.
        detail: String,
    },
}
