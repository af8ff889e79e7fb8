//! Client side of a conference: the ConferenceSession, its roster and its recovery.
//!
//! - [`session`]: the ConferenceSession machine: states and numbered transitions, operations, recovery. No I/O.
//! - [`roster`]: the roster as an immutable snapshot, and what changed from one to the next.
//! - [`event`]: what the application is told.
//!
//! Not here: XML (crate `c3p`), SIP (crate `sip-core`), the state of one modality (crate `mcu`).

pub mod event;
pub mod roster;
pub mod session;
