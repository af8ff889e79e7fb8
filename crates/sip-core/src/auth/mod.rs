//! Digest authentication (RFC 7616, RFC 8760) as pure code: headers, the side that answers, the side that asks.
//!
//! - [`Challenge`] and [`Answer`]: what `WWW-`/`Proxy-Authenticate` and `(Proxy-)Authorization` say.
//! - [`DigestClient`] with [`Credentials`]: answers challenges, and goes on with their nonces.
//! - [`DigestServer`] with [`Accounts`]: makes nonces and judges answers.
//! - [`SharedKey`]: how servers of one service vouch for messages among themselves.
//!
//! Algorithms are SHA-256 and, for old peers, MD5; the quality of protection is `auth`. Bodies are not protected.
//!
//! # Invariants
//!
//! - A nonce is good for one flow and for a limited time, and each answer with it once: its count has to grow.
//! - An unknown user and a wrong password cost the same and get the same answer.
//! - A password answers only realms that it was given for.
//!
//! Not here: who may do what (the owner of the server), which requests are challenged.
//!
//! # Examples
//!
//! ```
//! use std::time::Instant;
//! use sip_core::auth::{Accounts, Credentials, DigestClient, DigestServer, Kind, Verdict};
//! use sip_core::{Limits, Message, Method, NameAddr, RequestDraft, SeededIds, Uri};
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
