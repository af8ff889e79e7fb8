//! Client side of a conference: the ConferenceSession, its roster and its recovery.
//!
//! - [`handle`]: what an application holds ([`Endpoint`], [`Conference`], [`Events`], [`Operation`]).
//! - [`session`]: the ConferenceSession machine: states and numbered transitions, operations, recovery. No I/O.
//! - [`roster`]: the roster as an immutable snapshot, and what changed from one to the next.
//! - [`event`]: what the application is told.
//! - [`lookup`]: servers that have a name, and who finds them.
//! - [`link`]: the wire side of a session with its Focus. [`client`]: an endpoint and its sessions as one core. No I/O.
//!
//! Not here: XML (crate `c3p`), SIP (crate `sip-core`), the state of one modality (crate `mcu`).
//!
//! # Examples
//!
//! The machine alone, without a network: a join that the Focus refuses.
//!
//! ```
//! use std::time::Instant;
//!
//! use conference::session::{ConferenceSession, Effect, Input, OperationId, Output, Reply, SessionConfig};
//! use conference::session::{SessionState, WireFailure};
//!
//! let now = Instant::now();
//! let mut session = ConferenceSession::new(SessionConfig::new("sip:bob@example.com", "{6B1F0D6C}"), now);
//! session.handle_input(Input::Join { op: OperationId(1) }, now);
//! assert_eq!(session.state(), SessionState::Connecting);
//! let asked = std::iter::from_fn(|| session.poll_output())
//!     .any(|output| matches!(output, Output::Effect(Effect::StartJoin { .. })));
//! assert!(asked);
//!
//! session.handle_input(Input::JoinFailed(WireFailure::Refused(Reply::status(404))), now);
//! assert_eq!(session.state(), SessionState::Idle);
//! ```

pub mod client;
mod driver;
pub mod event;
pub mod handle;
pub mod link;
pub mod lookup;
pub mod roster;
pub mod session;

pub use event::Event;
pub use handle::{
    Conference, Endpoint, EndpointConfig, Events, JoinOptions, Operation, ScheduleOptions, Scheduled,
    StartError,
};
pub use lookup::{Lookup, LookupError};
