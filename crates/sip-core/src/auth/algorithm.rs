//! The hashes of Digest: HA1, the response (RFC 7616 section 3.4), and a keyed hash for nonces.

use std::fmt;
use std::str::FromStr;

use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Proof;
use crate::header::Method;

/// A hash algorithm of Digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5, for peers that know nothing better; also what a challenge without `algorithm` means.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The name in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Hexadecimal digits of one hash.
    #[must_use]
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }

    /// The hash of `parts` with colons between them, in lower-case hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 => hash_with::<Md5>(parts),
            Self::Sha256 => hash_with::<Sha256>(parts),
        }
    }

    /// The `response` of an answer.
    ///
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
        let ha2 = self.hash(&[method.as_str(), uri]);
        match proof {
            Some(Proof { nc, cnonce }) => {
                self.hash(&[ha1.as_str(), nonce, &format!("{nc:08x}"), cnonce, "auth", &ha2])
            }
            None => self.hash(&[ha1.as_str(), nonce, &ha2]),
        }
    }

    /// The `rspauth` of Authentication-Info, by which a server shows that it knows the password, too.
    #[must_use]
    pub fn rspauth(self, ha1: &Ha1, nonce: &str, proof: &Proof, uri: &str) -> String {
        let ha2 = self.hash(&["", uri]);
        self.hash(&[ha1.as_str(), nonce, &format!("{:08x}", proof.nc), &proof.cnonce, "auth", &ha2])
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of an algorithm that is known here (`-sess` variants included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown digest algorithm")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Md5, Self::Sha256]
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownAlgorithm)
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
