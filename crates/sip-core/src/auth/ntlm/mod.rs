//! NTLM version 2 as SIP uses it ([MS-NLMP]): messages, proofs of a password, keys, and signatures of single messages.
//!
//! SIP peers speak the connectionless kind: the client begins with an empty token, the server answers it with a
//! [`ChallengeMessage`], the client answers that with an [`AuthenticateMessage`]. Both sides then have the same
//! [`SessionKeys`], and sign each text by itself: RC4 begins anew with a key of the sequence number, which is always 100.
//!
//! - [`NtHash`]: what a password is to NTLM; [`NtHashes`]: where a server finds it.
//! - [`Login::answer`]: the client's part. [`ChallengeMessage::verify`]: the server's part.
//! - [`NegotiateMessage`]: how the connection-oriented kind begins; read and written, not used by SIP.
//!
//! Pure code: time ([`FileTime`]) and randomness are arguments.
//!
//! # Invariants
//!
//! - A message is read as a whole or refused with an [`NtlmError`]; no length or offset in it is believed.
//! - Only version 2 is spoken, with extended session security and key exchange. Version 1 and LM answers are refused.
//! - Keys and hashes are erased when dropped, and never shown.
//!
//! NTLM proves a password with MD4 and MD5: who hears the answer can guess the password at home, as with Digest. It
//! belongs inside TLS. It is here for peers that speak nothing better.
//!
//! Not here: the headers and the state around it ([`super::association`]).
//!
//! # Examples
//!
//! The handshake, and one text that is signed:
//!
//! ```
//! use sip_core::auth::ntlm::{ChallengeMessage, FileTime, Flags, Login, NtHash, Nonces, TargetInfo};
//!
//! // The server: a challenge, with 8 random bytes in it.
//! let info = TargetInfo::new().with_domain("EXAMPLE").with_dns_computer("fe1.example.com");
//! let challenge = ChallengeMessage::new(*b"8 random", Flags::OFFER, info);
//!
//! // The client: the password, and what it chose at random.
//! let login = Login::new("bob@example.com", "", &NtHash::of("builder"));
//! let nonces = Nonces { client: *b"and me 8", key: *b"a key of 16 byte" };
//! let answer = login.answer(&challenge.write(), nonces, FileTime::from_unix(1_700_000_000)).unwrap();
//!
//! // The server: who it is, and whether he has the password.
//! let read = sip_core::auth::ntlm::AuthenticateMessage::read(&answer.message).unwrap();
//! assert_eq!(read.user(), "bob@example.com");
//! let keys = challenge.verify(&read, &NtHash::of("builder")).unwrap();
//! assert!(challenge.verify(&read, &NtHash::of("guess")).is_err());
//!
//! let signature = answer.keys.sign_as_client(b"<NTLM><1>");
//! assert!(keys.is_of_client(b"<NTLM><1>", &signature));
//! assert!(!keys.is_of_client(b"<NTLM><2>", &signature));
//! ```

mod crypto;
mod flags;
mod handshake;
mod messages;
mod target_info;
#[cfg(test)]
mod tests;
mod wire;

pub(in crate::auth) use crypto::un_hex;
pub use crypto::{NtHash, SessionKeys};
pub use flags::Flags;
pub use handshake::{Login, LoginAnswer, Nonces, Refusal};
pub use messages::{AuthenticateMessage, ChallengeMessage, NegotiateMessage, Version};
pub use target_info::{AvPair, FileTime, TargetInfo};

/// The longest message that is read, in bytes.
pub const MESSAGE_MAX: usize = 2048;
/// The most pairs of a [`TargetInfo`].
pub const PAIRS_MAX: usize = 32;

/// Why bytes are no NTLM message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NtlmError {
    /// It does not begin with the signature of NTLM, or is another kind of message.
    #[error("no NTLM message of this kind")]
    Kind,
    /// It ends before its fixed part does.
    #[error("the message is cut off")]
    Truncated,
    /// It has more than [`MESSAGE_MAX`] bytes, or more than [`PAIRS_MAX`] pairs.
    #[error("the message is too long")]
    TooLong,
    /// A field points outside of the message.
    #[error("a field is outside of the message")]
    Field,
    /// The pairs of the target information do not end, or one has a wrong length.
    #[error("bad target information")]
    TargetInfo,
    /// A text is not UTF-16, or the text is not offered as Unicode.
    #[error("bad text")]
    Text,
    /// The answer to the challenge is not of version 2.
    #[error("the answer is not of version 2")]
    Answer,
}

/// Where a server finds the NT hashes of its users.
pub trait NtHashes {
    /// The address (`user@domain`, the domain in lower case) and the hash of who logs in so; `None`: nobody.
    ///
    /// - `user`, `domain`: as the client wrote them; the domain may be empty, and the user may be a whole address.
    fn nt_hash(&self, user: &str, domain: &str) -> Option<(&str, &NtHash)>;
}
