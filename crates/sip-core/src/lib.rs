//! SIP as a library: messages, transactions, dialogs and transports, without conference knowledge.
//!
//! Messages are slices of the bytes they came in, with a typed envelope; drafts are what is sent. Nothing here but
//! `transport` touches a socket or a clock.
//!
//! # Examples
//!
//! Read a request and answer it:
//!
//! ```
//! use sip_core::{Limits, Message, Method, ResponseDraft};
//!
//! let raw = "OPTIONS sip:bob@example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/TCP 192.0.2.20:50320;branch=z9hG4bK77;rport\r\n\
//!     From: \"Alice\" <sip:alice@example.com>;tag=1\r\n\
//!     To: <sip:bob@example.com>\r\n\
//!     Call-ID: 4711@example.com\r\n\
//!     CSeq: 1 OPTIONS\r\n\
//!     Content-Length: 0\r\n\r\n";
//! let message = Message::parse(raw.into(), &Limits::default())?;
//! let Message::Request(request) = message else { panic!("it is a request") };
//! assert_eq!(request.method(), &Method::Options);
//! assert_eq!(request.from().display(), Some("Alice"));
//!
//! let request = request.with_received("192.0.2.20:50320".parse().unwrap());
//! let answer = ResponseDraft::to(&request, 200).to_tag("2").header("Supported", "timer");
//! let Message::Response(read) = Message::parse(answer.write(), &Limits::default())? else { panic!() };
//! assert_eq!((read.status(), read.via().rport()), (200, Some(Some(50320))));
//! # Ok::<(), sip_core::ParseError>(())
//! ```
//!
//! # TLS
//!
//! With the feature `tls` the shell speaks TLS 1.2 and 1.3 (`TransportConfig::with_tls`; `transport::tls` has a server and a
//! client that runs). A request for [`Target::Server`] goes out on a connection whose server proved that very name
//! (RFC 5922), and never on one that was made for another name:
//!
//! ```
//! use sip_core::{PeerName, Target};
//!
//! let name: PeerName = "Conf.Example.com".parse()?;
//! let target = Target::Server { addr: "192.0.2.10:5061".parse().unwrap(), name };
//! assert_ne!(target, Target::Server { addr: "192.0.2.10:5061".parse().unwrap(), name: "example.com".parse()? });
//! # Ok::<(), sip_core::PeerNameError>(())
//! ```

#[macro_use]
mod text_value;

pub mod auth;
pub mod build;
pub mod dialog;
pub mod endpoint;
pub mod framing;
pub mod header;
pub mod ids;
mod index;
pub mod keep_alive;
pub mod limits;
pub mod message;
pub mod multipart;
mod parse_error;
pub mod recoverable;
pub mod redact;
pub mod refuse;
pub mod resolve;
mod scan;
pub mod session_timer;
pub mod tel;
#[cfg(test)]
mod test_util;
pub mod transaction;
pub mod transport;
pub mod ua;
pub mod uri;
pub mod usage;

pub use auth::Credentials;
pub use build::{RequestDraft, ResponseDraft, default_reason};
pub use dialog::{CSeqOutOfOrder, Dialog, DialogError, DialogId, DialogSnapshot, in_dialog_id};
pub use endpoint::{
    ClientTransactionId, CloseReason, Counters, Endpoint, EndpointConfig, Event, FlowId, FlowInfo, PeerIdentity,
    PeerName, PeerNameError, ServerTransactionId, Target, TlsFailure, TransactionError, Transmit, TransportInput,
    UnreachableReason,
};
pub use framing::{Frame, FrameError, StreamFramer};
pub use header::{
    CSeq, HeaderError, HeaderErrorKind, HeaderName, Headers, Method, NameAddr, TransportKind, TypedHeader,
    Via,
};
pub use ids::{IdSource, SeededIds, SystemIds};
pub use limits::Limits;
pub use message::{Envelope, Message, ParseError, ParseErrorKind, Rejection, Request, Response};
pub use refuse::Capabilities;
pub use session_timer::{SessionTimer, SessionTimerConfig, SessionTimerError, SessionTimerEvent};
pub use transport::{Core, ListenAddr, ListenAddrError, Transport, TransportConfig};
pub use uri::{Scheme, Uri, UriError};
pub use usage::{
    InviteEvent, InviteId, Payload, SubscriptionEvent, SubscriptionId, UsageConfig, UsageEvent, Usages,
};
