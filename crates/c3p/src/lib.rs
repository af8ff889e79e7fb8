//! Documents of the conference control protocol: bytes to types and back.
//!
//! C3P commands ([`command`]), the roster document ([`info`]), IM bodies ([`im`]), conference invitations
//! ([`invite`]), the `ms-diagnostics` header value ([`diagnostics`]), the addresses of a conference ([`uri`]) and the
//! small vocabularies around them ([`McuType`], [`Reason`], [`failure`], [`mime`]).
//!
//! # Invariants
//!
//! - Reading is total: whatever the bytes, the answer is a value or a [`DocumentError`], never a panic, and the work
//!   is bounded by [`Limits`].
//! - Names are matched by namespace and local name, never by prefix. What is not known is skipped.
//! - What [`write`](info::ConferenceInfo::write) makes, `parse` reads back as an equal value, as long as the texts hold
//!   only characters that XML 1.0 can carry (others are written as U+FFFD).
//!
//! Not here: SIP, sockets, clocks, the merging of partial documents (crate `conference`), and what a command does
//! (crate `focus`).
//!
//! # Examples
//!
//! ```
//! use c3p::command::{Code, Command, CommandResult, Document, Request, Response};
//! use c3p::{Limits, uri};
//!
//! let conference = uri::conference_uri("sip:alice@example.com", "7Q4W2ZK9");
//! let request = Request::new(
//!     42,
//!     "sip:bob@example.com",
//!     conference.clone(),
//!     Command::ModifyConferenceLock { conference, locked: true },
//! );
//!
//! // Over the wire, in the body of an INFO...
//! let Document::Request(received) = Document::parse(&request.write(), &Limits::default())? else {
//!     panic!("a request was sent");
//! };
//! assert_eq!(received, request);
//!
//! // ... and the answer.
//! let answer = Response::success(&received, CommandResult::ModifyConferenceLock);
//! let answer = Response::parse(&answer.write(), &Limits::default())?;
//! assert_eq!((answer.request_id, answer.code), (42, Code::Success));
//! # Ok::<(), c3p::DocumentError>(())
//! ```

#[macro_use]
mod token;

mod any;
pub mod change;
pub mod command;
pub mod diagnostics;
mod error;
pub mod failure;
pub mod im;
pub mod info;
pub mod invite;
mod limits;
mod mcu_type;
pub mod message;
pub mod mime;
pub mod provisioning;
mod reason;
pub mod registration;
pub mod roster;
pub mod uri;
pub mod view;
mod xml;

pub use any::{AnyAttribute, AnyContent, AnyElement, is_name};
pub use error::{DocumentError, ErrorKind};
pub use limits::Limits;
pub use mcu_type::McuType;
pub use reason::Reason;
