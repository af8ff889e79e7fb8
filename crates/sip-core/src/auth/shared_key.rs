//! A key that the nodes of one service share, to vouch for messages among themselves.

use std::fmt;

use zeroize::Zeroizing;

use super::algorithm::hex;
use super::{keyed_hash, same};
use crate::ids::IdSource;

/// 256 secret bits. Erased when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedKey(Zeroizing<[u8; 32]>);

impl SharedKey {
    /// A fresh one.
    pub fn new(ids: &mut dyn IdSource) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let (low, high) = key.split_at_mut(16);
        low.copy_from_slice(&ids.next_u128().to_be_bytes());
        high.copy_from_slice(&ids.next_u128().to_be_bytes());
        Self(key)
    }

    /// The one that [`Self::to_hex`] wrote; `None` unless it is 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut key = Zeroizing::new([0; 32]);
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(key))
    }

    /// As text, for another node.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.0.as_slice()))
    }

    /// What only holders of the key can make of `parts`.
    #[must_use]
    pub fn seal(&self, parts: &[&[u8]]) -> String {
        hex(&keyed_hash(&self.0, parts))
    }

    /// Whether `seal` was made of `parts` with this key.
    #[must_use]
    pub fn is_seal_of(&self, parts: &[&[u8]], seal: &str) -> bool {
        same(self.seal(parts).as_bytes(), seal.as_bytes())
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededIds;

    /// The text form carries the key; another key, another part or another text fits nothing.
    #[test]
    fn seals_fit_their_key_and_parts() {
        let (key, other) = (SharedKey::new(&mut SeededIds::new(1)), SharedKey::new(&mut SeededIds::new(2)));
        let same = SharedKey::from_hex(&key.to_hex()).expect("a key");
        let seal = key.seal(&[b"a", b"b"]);
        assert!(same.is_seal_of(&[b"a", b"b"], &seal));
        assert!(!other.is_seal_of(&[b"a", b"b"], &seal));
        assert!(!same.is_seal_of(&[b"ab", b""], &seal) && !same.is_seal_of(&[b"a", b"b"], ""));
        assert!(SharedKey::from_hex("12").is_none() && SharedKey::from_hex(&"é".repeat(32)).is_none());
        assert_eq!(format!("{key:?}"), "SharedKey(..)");
    }
}
