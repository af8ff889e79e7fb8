//! The event lines of `--json`: names, keys and their order.
//!
//! Every key of an event is always there, `null` where it does not apply; names and meanings are stable once
//! released. The library's events become these in `translate`.
//!
//! Not here: how lines get to stdout (`output`), their human form (`human`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::args::{Modality, NodeKind};

/// One line: what happened, when, and the keys of that event.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    event: &'static str,
    at: String,
    /// Whose session it is, where one command runs several (`demo`).
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(flatten)]
    body: &'a Event,
}

impl<'a> Line<'a> {
    pub(crate) fn new(at: jiff::Timestamp, session: Option<&'a str>, body: &'a Event) -> Self {
        Self { event: body.name(), at: format!("{at:.3}"), session, body }
    }
}

/// What the command tells a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Event {
    /// All listen.
    Ready {
        nodes: Vec<NodeInfo>,
    },
    /// A process of the pool came, went, or took something over.
    Node {
        name: String,
        kind: NodeKind,
        pid: Option<u32>,
        change: NodeChange,
        detail: Option<String>,
    },
    /// A conference in the pool.
    Conference {
        uri: String,
        owner: Option<String>,
        epoch: Option<u64>,
        participants: Option<usize>,
        change: ConferenceChange,
    },
    Scheduled {
        uri: String,
        expires: Option<String>,
    },
    State {
        machine: &'static str,
        from: String,
        to: String,
        transition: String,
        cause: String,
        sip_status: Option<u16>,
        diagnostics: Option<String>,
    },
    Status {
        state: String,
        since: String,
        mcus: BTreeMap<String, String>,
        calls: BTreeMap<String, String>,
        pending_operations: usize,
        recovery: Option<RecoveryStatus>,
    },
    McuState {
        mcu: String,
        from: String,
        to: String,
        transition: String,
    },
    Call {
        mcu: String,
        state: String,
        cause: Option<String>,
    },
    Attendance {
        change: String,
        #[serde(flatten)]
        participant: Participant,
    },
    Properties {
        changes: Vec<PropertyChange>,
    },
    Message {
        from: String,
        content_type: String,
        text: String,
    },
    Typing {
        from: String,
        state: String,
    },
    Operation {
        id: u64,
        name: String,
        result: OperationResult,
        reason: Option<String>,
        sip_status: Option<u16>,
        c3p_code: Option<String>,
        diagnostics: Option<String>,
    },
    Roster {
        participants: Vec<Participant>,
        version: Option<u32>,
    },
    Repair {
        dialog: String,
        result: String,
        detected_by: Option<String>,
        total_ms: u64,
    },
    Recovery {
        level: String,
        result: String,
        attempts: u32,
        detected_by: Option<String>,
        detected_ms: u64,
        total_ms: u64,
        operations_failed: u32,
        roster_changes: u32,
        steps: Vec<Step>,
    },
    Error {
        message: String,
        help: Option<String>,
    },
    /// `demo` only: what it does next.
    Act {
        number: u32,
        title: String,
    },
    /// `demo` only: one of the things that must hold at the end.
    Check {
        name: String,
        result: OperationResult,
        detail: Option<String>,
    },
}

impl Event {
    /// The value of the key `event`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Node { .. } => "node",
            Self::Conference { .. } => "conference",
            Self::Scheduled { .. } => "scheduled",
            Self::State { .. } => "state",
            Self::Status { .. } => "status",
            Self::McuState { .. } => "mcu-state",
            Self::Call { .. } => "call",
            Self::Attendance { .. } => "attendance",
            Self::Properties { .. } => "properties",
            Self::Message { .. } => "message",
            Self::Typing { .. } => "typing",
            Self::Operation { .. } => "operation",
            Self::Roster { .. } => "roster",
            Self::Repair { .. } => "repair",
            Self::Recovery { .. } => "recovery",
            Self::Error { .. } => "error",
            Self::Act { .. } => "act",
            Self::Check { .. } => "check",
        }
    }
}

/// One process, as `ready` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NodeInfo {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    pub(crate) mcu: Option<Modality>,
    pub(crate) listen: Vec<String>,
    pub(crate) pid: u32,
}

/// What happened to a process of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeChange {
    Started,
    Died,
    TookOver,
}

/// What happened to a conference of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ConferenceChange {
    Created,
    Activated,
    Moved,
    Ended,
}

/// One participant's endpoint, as in `attendance` and `roster`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Participant {
    pub(crate) uri: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) mcus: Vec<String>,
    pub(crate) in_lobby: bool,
    #[serde(rename = "self")]
    pub(crate) own: bool,
}

/// One property before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PropertyChange {
    pub(crate) name: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

/// The recovery under way, in the answer to `state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RecoveryStatus {
    pub(crate) level: String,
    pub(crate) since: String,
    pub(crate) attempts: u32,
    pub(crate) last_error: Option<String>,
    pub(crate) deadline: Option<String>,
}

/// Whether an operation succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OperationResult {
    Ok,
    Failed,
}

/// One step of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) ms: u64,
}
