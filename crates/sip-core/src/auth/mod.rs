//! Authentication as pure code: Digest (RFC 7616, RFC 8760), NTLM as Microsoft's SIP peers speak it, and a guard against
//! guessing.
//!
//! - [`Challenge`] and [`Answer`]: what `WWW-`/`Proxy-Authenticate` and `(Proxy-)Authorization` say.
//! - [`DigestClient`] with [`Credentials`]: answers challenges, goes on with their nonces, checks the server's own proof.
//! - [`DigestServer`] with [`Accounts`]: makes nonces and judges answers.
//! - [`Guard`]: who fails too often has to wait.
//! - [`SharedKey`]: how servers of one service vouch for messages among themselves.
//! - `ntlm` and `association` (feature `ntlm`): the handshake, and the signatures of each message after it. How a handshake
//!   runs is shown at `association`.
//!
//! # What is spoken
//!
//! MD5, SHA-256 and SHA-512-256, each also with a session (`-sess`). A server offers SHA-256 and MD5 unless told otherwise
//! ([`DigestServer::with_algorithms`]). The quality of protection is `auth`, or none for old peers; **`auth-int` is
//! refused**: a challenge with nothing else is passed over, an answer with it is malformed, so bodies are not protected.
//! `username*` is read; `userhash` is understood as nobody's name, and never asked for. `nextnonce` and `rspauth` are made
//! and honoured. What a peer writes without quotes, in other letters, or with blanks around is read all the same.
//!
//! # Invariants
//!
//! - A nonce is good for one flow and for a limited time, and each answer with it once: its count has to grow.
//! - An unknown user and a wrong password cost the same, get the same answer, and are locked out alike.
//! - Only an answer to a nonce of its own flow tells, or counts, whether a password is right.
//! - A password answers only realms that it was given for.
//!
//! Not here: who may do what (the owner of the server), which requests are challenged.
//!
//! # Examples
//!
//! A user agent client that is challenged, and answers:
//!
//! ```
//! use sip_core::auth::{Credentials, DigestClient};
//! use sip_core::{Limits, Message, Method, NameAddr, RequestDraft, SeededIds, Uri};
//!
//! let mut client = DigestClient::new(Credentials::new("bob", "zanzibar", "biloxi.com"));
//! let raw = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
//!     From: <sip:bob@biloxi.com>;tag=1\r\nTo: <sip:bob@biloxi.com>;tag=2\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n\
//!     WWW-Authenticate: Digest realm=\"biloxi.com\", qop=\"auth\", nonce=\"dcd98b\", algorithm=MD5\r\n\
//!     Content-Length: 0\r\n\r\n";
//! let Ok(Message::Response(response)) = Message::parse(raw.into(), &Limits::default()) else { panic!() };
//! for (kind, challenge) in client.choose_all(&response) {
//!     client.learn(kind, challenge);
//! }
//!
//! let bob: NameAddr = "<sip:bob@biloxi.com>;tag=1".parse().unwrap();
//! let mut again = RequestDraft::new(Method::Register, Uri::parse("sip:biloxi.com").unwrap())
//!     .from(bob.clone()).to(bob.without_tag()).call_id("x").cseq(2);
//! client.authorize(&mut again, &mut SeededIds::new(1));
//! let line = again.get("Authorization").unwrap();
//! assert!(line.starts_with("Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b\", uri=\"sip:biloxi.com\""));
//! assert!(line.contains("qop=auth, nc=00000001, cnonce=\""));
//! ```
//!
//! A server that asks, judges, and proves itself:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use sip_core::auth::{Accounts, Credentials, DigestClient, DigestServer, Kind, ServerProof, Verdict};
//! use sip_core::{Limits, Message, Method, NameAddr, RequestDraft, ResponseDraft, SeededIds, Uri};
//!
//! let accounts = Accounts::parse("alice@example.com:secret")?;
//! let (mut ids, now) = (SeededIds::new(1), Instant::now());
//! let mut server = DigestServer::new(&mut ids, now);
//! let mut client = DigestClient::new(Credentials::new("alice@example.com", "secret", "example.com"));
//!
//! let uri = Uri::parse("sip:example.com").unwrap();
//! let alice: NameAddr = "<sip:alice@example.com>;tag=1".parse().unwrap();
//! let mut draft = RequestDraft::new(Method::Register, uri)
//!     .header("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
//!     .from(alice.clone()).to(alice.without_tag()).call_id("x").cseq(1);
//! let challenge = server.challenges("example.com", "flow 7", false, &mut ids, now).remove(0);
//! client.learn(Kind::Www, challenge);
//! client.authorize(&mut draft, &mut ids);
//! let Message::Request(request) = Message::parse(draft.write(), &Limits::default()).unwrap() else { panic!() };
//! let verdict = server.check(&request, "flow 7", &accounts, now);
//! assert_eq!(verdict, Verdict::Accepted { user: "alice@example.com".into() });
//! assert_eq!(server.check(&request, "flow 7", &accounts, now), Verdict::Stale); // sent again
//!
//! let info = server.info(&request, "flow 7", &accounts, &mut ids, now).unwrap();
//! let ok = ResponseDraft::to(&request, 200).to_tag("2").header("Authentication-Info", info.to_string());
//! let Ok(Message::Response(ok)) = Message::parse(ok.write(), &Limits::default()) else { panic!() };
//! assert_eq!(client.check(&ok), ServerProof::Right);
//!
//! // Somebody guesses: after five times he has to wait, even with the right password.
//! let mut guess = |password: &str, cseq: u32, ids: &mut SeededIds| {
//!     let mut client = DigestClient::new(Credentials::new("alice@example.com", password, "example.com"));
//!     client.learn(Kind::Www, server.challenges("example.com", "flow 8", false, ids, now).remove(0));
//!     let mut draft = draft.clone().cseq(cseq);
//!     draft.remove_header("Authorization");
//!     client.authorize(&mut draft, ids);
//!     let Ok(Message::Request(request)) = Message::parse(draft.write(), &Limits::default()) else { panic!() };
//!     server.check(&request, "flow 8", &accounts, now)
//! };
//! for n in 2..7 {
//!     assert_eq!(guess("guess", n, &mut ids), Verdict::Refused);
//! }
//! assert_eq!(guess("secret", 7, &mut ids), Verdict::Locked { wait: Duration::from_secs(2) });
//! # Ok::<(), sip_core::auth::AccountsError>(())
//! ```

mod accounts;
mod algorithm;
#[cfg(feature = "ntlm")]
pub mod association;
mod client;
mod guard;
mod header;
#[cfg(feature = "ntlm")]
pub mod ntlm;
mod params;
mod server;
mod shared_key;
#[cfg(test)]
mod tests;

pub use accounts::{Accounts, AccountsError, AccountsErrorKind};
pub use algorithm::{Algorithm, Ha1, keyed_hash, same};
pub use client::{Credentials, DigestClient, ServerProof};
pub use guard::{Guard, GuardConfig};
pub use header::{
    Answer, AuthenticationInfo, Authorization, Challenge, Kind, Proof, ProxyAuthenticate, ProxyAuthorization,
    WwwAuthenticate,
};
pub use server::{DigestServer, Verdict};
pub use shared_key::SharedKey;
