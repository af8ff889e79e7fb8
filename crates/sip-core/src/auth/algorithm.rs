//! The hashes of Digest: HA1, the response (RFC 7616 section 3.4), and a keyed hash for nonces.

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Proof;
use crate::header::Method;

/// A hash algorithm of Digest (RFC 7616 section 3.3, RFC 8760), the weaker ones first.
///
/// With a `-sess` variant the password's hash is hashed once more, with the nonce and the client's nonce of the first
/// answer: who checks answers need not know more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// MD5, for peers that know nothing better; also what a challenge without `algorithm` means.
    Md5,
    /// MD5-sess, which Microsoft's servers ask anonymous people for.
    Md5Sess,
    /// SHA-512/256, which hardly anybody has.
    Sha512Trunc,
    /// SHA-512/256 with a session.
    Sha512TruncSess,
    /// SHA-256: preferred, as everybody who has a better one than MD5 has it.
    Sha256,
    /// SHA-256 with a session.
    Sha256Sess,
}

impl Algorithm {
    /// All of them, the weaker ones first.
    pub const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha512Trunc, Self::Sha512TruncSess, Self::Sha256, Self::Sha256Sess];

    /// The name in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512Trunc => "SHA-512-256",
            Self::Sha512TruncSess => "SHA-512-256-sess",
        }
    }

    /// Hexadecimal digits of one hash.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self.base() {
            Self::Md5 => 32,
            _ => 64,
        }
    }

    /// The same without a session: what [`Ha1`] is made with.
    #[must_use]
    pub const fn base(self) -> Self {
        match self {
            Self::Md5 | Self::Md5Sess => Self::Md5,
            Self::Sha256 | Self::Sha256Sess => Self::Sha256,
            Self::Sha512Trunc | Self::Sha512TruncSess => Self::Sha512Trunc,
        }
    }

    /// Whether it is a `-sess` variant.
    #[must_use]
    pub const fn has_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512TruncSess)
    }

    /// The hash of `parts` with colons between them, in lower-case hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hash_with::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => hash_with::<Sha256>(parts),
            Self::Sha512Trunc | Self::Sha512TruncSess => hash_with::<Sha512_256>(parts),
        }
    }

    /// What takes the place of HA1 in a session: the same for all answers to one challenge (RFC 7616 section 3.4.2).
    ///
    /// - `nonce`, `cnonce`: of the first answer.
    #[must_use]
    pub fn session(self, ha1: &Ha1, nonce: &str, cnonce: &str) -> Ha1 {
        Ha1(Zeroizing::new(self.hash(&[ha1.as_str(), nonce, cnonce])))
    }

    /// The `response` of an answer.
    ///
    /// - `ha1`: of the password, also in a session; then the session is taken to begin with this answer.
    /// - `proof`: count and client nonce; `None` as RFC 2069 had it, for old peers.
    /// - `uri`: the digest-uri, as the answer writes it.
    #[must_use]
    pub fn response(
        self,
        ha1: &Ha1,
        nonce: &str,
        proof: Option<&Proof>,
        method: &Method,
        uri: &str,
    ) -> String {
        let session = match proof {
            Some(proof) if self.has_session() => Some(self.session(ha1, nonce, &proof.cnonce)),
            _ => None,
        };
        let count = proof.map_or(String::new(), |proof| format!("{:08x}", proof.nc));
        let with = proof.map(|proof| (count.as_str(), proof.cnonce.as_str()));
        self.respond(session.as_ref().unwrap_or(ha1), nonce, with, method.as_str(), uri)
    }

    /// The `rspauth` of Authentication-Info, by which a server shows that it knows the password, too.
    #[must_use]
    pub fn rspauth(self, ha1: &Ha1, nonce: &str, proof: &Proof, uri: &str) -> String {
        let session = self.has_session().then(|| self.session(ha1, nonce, &proof.cnonce));
        let count = format!("{:08x}", proof.nc);
        self.respond(session.as_ref().unwrap_or(ha1), nonce, Some((&count, &proof.cnonce)), "", uri)
    }

    /// `a1`: HA1, or what a session has in its place. `with`: the count as it is written, and the client's nonce.
    pub(super) fn respond(
        self,
        a1: &Ha1,
        nonce: &str,
        with: Option<(&str, &str)>,
        method: &str,
        uri: &str,
    ) -> String {
        let ha2 = self.hash(&[method, uri]);
        match with {
            Some((nc, cnonce)) => self.hash(&[a1.as_str(), nonce, nc, cnonce, "auth", &ha2]),
            None => self.hash(&[a1.as_str(), nonce, &ha2]),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of an algorithm that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown digest algorithm")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownAlgorithm)
    }
}

/// The hash of user name, realm and password: as good as the password in its realm. Erased when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1(Zeroizing<String>);

impl Ha1 {
    /// Of a password.
    #[must_use]
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Self {
        Self(Zeroizing::new(algorithm.hash(&[user, realm, password])))
    }

    /// As it is kept in files; `None` unless it is as many hexadecimal digits as the algorithm makes.
    #[must_use]
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let fits = hex.len() == algorithm.hex_len() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self(Zeroizing::new(hex.to_ascii_lowercase())))
    }

    /// One that belongs to nobody.
    pub(super) fn dummy(hash: [u8; 32], algorithm: Algorithm) -> Self {
        let mut text = hex(&hash);
        text.truncate(algorithm.hex_len());
        Self(Zeroizing::new(text))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// HMAC-SHA-256 (RFC 2104) over `parts`, each with its length, so that no two lists give the same input.
#[must_use]
pub fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = Zeroizing::new([pad; 64]);
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new();
    inner.update(padded(0x36).as_slice());
    for part in parts {
        inner.update((part.len() as u64).to_be_bytes());
        inner.update(part);
    }
    let mut outer = Sha256::new();
    outer.update(padded(0x5c).as_slice());
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// Whether two byte strings are the same, in a time that does not tell where they differ.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn hash_with<D: Digest>(parts: &[&str]) -> String {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}
