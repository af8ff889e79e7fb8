//! Everything that happened in a run, in order: packets, faults, what the application did and what it was told.
//!
//! The judge ([`crate::invariants`]) and the printer ([`crate::ladder`]) read nothing else. Entries about the product are
//! plain words and numbers, so that judging them needs no code of the product.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip_core::TransportKind;

/// The number of a host in its simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// One message on its way.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    /// Unique in the run.
    pub number: u64,
    /// Who sent it.
    pub from: HostId,
    /// Who it is for; `None` if no host has the address.
    pub to: Option<HostId>,
    /// Over what.
    pub transport: TransportKind,
    /// Its bytes.
    pub bytes: Bytes,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A host sent this.
    Sent(Arc<Packet>),
    /// The network dropped it, or its receiver is dead.
    Lost(Arc<Packet>),
    /// It was handed to its receiver.
    Delivered(Arc<Packet>),
    /// The simulation broke or mended something.
    Fault(String),
    /// A host has something to say that only people read.
    Note(HostId, String),
    /// A client's application did something or was told something.
    App(HostId, App),
}

/// What an application did, or was told. Words as in event lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum App {
    /// It began an operation.
    Begun {
        /// The operation's number.
        op: u64,
        /// Its name.
        name: &'static str,
    },
    /// The operation is over.
    Completed {
        /// Its number.
        op: u64,
        /// Its name.
        name: &'static str,
        /// `None` for success, else the reason.
        failure: Option<&'static str>,
        /// The SIP status that came with the failure.
        status: Option<u16>,
    },
    /// The event that tells of the same completion.
    OperationEvent {
        /// The operation's number.
        op: u64,
    },
    /// A transition of the session.
    State {
        /// The row.
        row: &'static str,
        /// The state before.
        from: &'static str,
        /// The state after.
        to: &'static str,
        /// Why.
        cause: &'static str,
    },
    /// A transition of an McuSession.
    Mcu {
        /// The row.
        row: &'static str,
        /// Which.
        mcu: &'static str,
        /// The state before.
        from: &'static str,
        /// The state after.
        to: &'static str,
    },
    /// A call changed.
    Call {
        /// To which MCU.
        mcu: &'static str,
        /// Its state now.
        state: &'static str,
        /// Why.
        cause: &'static str,
    },
    /// An attendance event.
    Attendance {
        /// `joined`, `left` or `updated`.
        change: &'static str,
        /// The user entity.
        user: String,
        /// The endpoint entity.
        endpoint: String,
    },
    /// Properties of the conference changed.
    Properties,
    /// An instant message came.
    Message {
        /// From whom.
        from: String,
        /// The text.
        text: String,
    },
    /// A route was repaired silently, or could not be.
    Repair {
        /// Whether it worked.
        repaired: bool,
        /// The row of the decision table.
        detected_by: &'static str,
    },
    /// A recovery report.
    Report {
        /// `focus`, `mcu` or `route`.
        level: &'static str,
        /// How it ended.
        result: &'static str,
        /// Attempts in it.
        attempts: u32,
        /// Attendance events in it.
        roster_changes: u32,
    },
    /// The session is over.
    Over,
    /// Something else was told.
    Other(String),
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Virtual time since the beginning.
    pub at: Duration,
    /// The step of the run in which it happened.
    pub step: u64,
    /// What.
    pub what: What,
}

/// The journal of one run.
#[derive(Debug, Default)]
pub struct Journal {
    records: Vec<Record>,
}

impl Journal {
    /// Adds an entry.
    pub fn push(&mut self, at: Duration, step: u64, what: What) {
        self.records.push(Record { at, step, what });
    }

    /// All entries, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// What the applications did and were told at one host.
    pub fn app(&self, host: HostId) -> impl Iterator<Item = &App> {
        self.records.iter().filter_map(move |record| match &record.what {
            What::App(of, app) if *of == host => Some(app),
            _ => None,
        })
    }

    /// The messages that a host sent, with the time.
    pub fn sent(&self, host: HostId) -> impl Iterator<Item = (Duration, &Packet)> {
        self.records.iter().filter_map(move |record| match &record.what {
            What::Sent(packet) if packet.from == host => Some((record.at, &**packet)),
            _ => None,
        })
    }

    /// A number that two runs share only if they are the same, step by step and byte by byte (FNV-1a).
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for record in &self.records {
            mix(&record.at.as_nanos().to_le_bytes());
            mix(&record.step.to_le_bytes());
            match &record.what {
                What::Sent(packet) => mix(&packet.bytes),
                What::Lost(packet) | What::Delivered(packet) => mix(&packet.number.to_le_bytes()),
                other @ (What::Fault(_) | What::Note(..) | What::App(..)) => {
                    mix(format!("{other:?}").as_bytes())
                }
            }
        }
        hash
    }
}
