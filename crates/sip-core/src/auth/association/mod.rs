//! Security associations of SIP with NTLM ([MS-SIPAE] versions 2, 3 and 4): a handshake once, then each message is signed.
//!
//! ```text
//!  client                                                    server
//!   REGISTER                                                    ->
//!        <- 401  WWW-Authenticate: NTLM realm, targetname, version=4
//!   REGISTER  Authorization: NTLM gssapi-data=""                ->
//!        <- 401  WWW-Authenticate: NTLM opaque, gssapi-data="challenge"
//!   REGISTER  Authorization: NTLM opaque, gssapi-data="answer", crand, cnum, response   ->
//!        <- 200  Authentication-Info: NTLM opaque, srand, snum, rspauth
//!   any request or response  Authorization: NTLM opaque, crand, cnum, response          ->
//!        <- any request or response  Authentication-Info: NTLM opaque, srand, snum, rspauth
//! ```
//!
//! - [`AssociationClient`]: takes challenges, adds tokens and signatures, checks what the server signed.
//! - [`AssociationServer`]: the same from the other side, for many clients, without state before a password was proved.
//! - [`signed_text`]: what a signature covers.
//!
//! # What is signed
//!
//! Scheme, random number and count, realm, target name, Call-ID, CSeq, the URIs and tags of From and To, the asserted or
//! preferred identity, Expires, and the status. **Not** the body, the Request-URI, Route, Contact, Via and all others:
//! whoever is on the way can change those. Version 2 leaves out the URI of To and the identity, too; it is off unless
//! the settings allow it. Before version 4 the request that carries the answer is not signed itself. The signature is
//! for peers that know nothing better; what it leaves open, TLS has to close.
//!
//! # Rules for servers
//!
//! A client with an association obeys nothing that is not signed but 1xx, 401 and 407: an unsigned 200 is lost, an
//! unsigned request is not even answered, and a wrong signature makes it drop the connection. So a server that did a
//! handshake signs **everything**: each response ([`AssociationServer::sign_response`]) and each request
//! ([`AssociationServer::sign_request`]) to that user on that flow ([`AssociationServer::find`]), as the last step before
//! the message is written.
//!
//! # Invariants
//!
//! - Each count is accepted once, and none that is far behind the highest: what was captured has no effect.
//! - An answer opens an association once; afterwards its challenge is over.
//! - An association is good on one flow, for a limited time; their number is bounded, in all and for each user.
//! - A text in which a field could pass for two (`<` or `>` in it) is neither signed nor accepted.
//!
//! Not here: who may do what; that From is who was authenticated ([`AssociationVerdict::Accepted`] says who it was).
//!
//! # Examples
//!
//! ```
//! use std::time::Instant;
//! use sip_core::auth::association::*;
//! use sip_core::auth::{Accounts, Credentials, ntlm::FileTime};
//! use sip_core::{Limits, Message, Method, NameAddr, RequestDraft, ResponseDraft, SeededIds, Uri};
//!
//! let (mut ids, now, time) = (SeededIds::new(1), Instant::now(), FileTime::from_unix(1_700_000_000));
//! let accounts = Accounts::parse("bob@example.com:builder").unwrap();
//! let mut server = AssociationServer::new(AssociationConfig::new("fe1.example.com"), &mut ids, time, now);
//! let credentials = Credentials::new("bob@example.com", "builder", DEFAULT_REALM);
//! let mut client = AssociationClient::new(credentials, AssociationClientConfig::default());
//!
//! let bob: NameAddr = "<sip:bob@example.com>;tag=1".parse().unwrap();
//! for (cseq, expected) in [(1, 401), (2, 401), (3, 200)] {
//!     let mut draft = RequestDraft::new(Method::Register, Uri::parse("sip:example.com").unwrap())
//!         .header("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
//!         .from(bob.clone()).to(bob.without_tag()).call_id("x").cseq(cseq);
//!     client.authorize(&mut draft, &mut ids, now).unwrap();
//!     let Ok(Message::Request(request)) = Message::parse(draft.write(), &Limits::default()) else { panic!() };
//!
//!     let answer = match server.check_request(&request, "flow 7", None, &accounts, &mut ids, now) {
//!         AssociationVerdict::Accepted { user, association } => {
//!             assert_eq!(user, "bob@example.com");
//!             let mut answer = ResponseDraft::to(&request, 200).to_tag("2");
//!             server.sign_response(&association, &mut answer, &mut ids, now).unwrap();
//!             answer
//!         }
//!         AssociationVerdict::Continue { challenge } => {
//!             ResponseDraft::to(&request, 401).to_tag("2").header("WWW-Authenticate", challenge)
//!         }
//!         _ => ResponseDraft::to(&request, 401).to_tag("2").header("WWW-Authenticate", server.challenge()),
//!     };
//!     assert_eq!(answer.status, expected);
//!
//!     let message = Message::parse(answer.write(), &Limits::default()).unwrap();
//!     let Message::Response(response) = &message else { panic!() };
//!     match response.status() {
//!         401 => assert_eq!(client.on_challenge(response, &mut ids, time, now), Ok(Asked::SendAgain)),
//!         _ => assert_eq!(client.check(&message), Inbound::Verified),
//!     }
//! }
//! assert!(client.is_up());
//! ```

mod client;
mod header;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod window;

pub use client::{Added, Asked, AssociationClient, AssociationClientConfig, Inbound};
pub use header::{Role, SecurityParams, Signature};
pub use server::{AssociationConfig, AssociationId, AssociationServer, AssociationVerdict};
pub use text::{SignedFields, signed_text};
pub use window::ReplayWindow;

/// The scheme in the headers.
pub const SCHEME: &str = "NTLM";
/// The realm of Microsoft's servers.
pub const DEFAULT_REALM: &str = "SIP Communications Service";
/// The newest version of the protocol that is spoken.
pub const VERSION_MAX: u8 = 4;

/// Why something is not signed, or a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssociationError {
    /// There is no association, or it is over.
    #[error("there is no association")]
    NoAssociation,
    /// A field that is signed is missing, or has `<` or `>` in it.
    #[error("the message cannot be signed")]
    Unsignable,
    /// The challenge cannot be read.
    #[error("the challenge cannot be read: {0}")]
    Header(crate::header::HeaderError),
    /// The version of the server is not spoken.
    #[error("the version of the server is not allowed")]
    Version,
    /// The server goes on with a handshake that did not begin.
    #[error("the server answered what was not asked")]
    Unexpected,
    /// The token of the challenge is none, or offers too little.
    #[error("the token cannot be answered: {0}")]
    Token(super::ntlm::Refusal),
    /// The server did not take the password: it is not sent again.
    #[error("the server refused the password")]
    Refused,
}
