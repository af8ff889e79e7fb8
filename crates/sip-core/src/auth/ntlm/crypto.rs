//! The hashes, keys and signatures of NTLM ([MS-NLMP] sections 3.3.2 and 3.4).

use std::fmt;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use md4::Md4;
use md5::Md5;
use rc4::{Rc4, StreamCipher};
use sha2::Digest;
use zeroize::Zeroizing;

use super::Flags;
use super::wire::utf16;
use crate::auth::same;

/// The sequence number of every signature: SIP counts in headers of its own.
const SEQUENCE: u32 = 100;

const CLIENT_SIGNS: &[u8] = b"session key to client-to-server signing key magic constant\0";
const SERVER_SIGNS: &[u8] = b"session key to server-to-client signing key magic constant\0";
const CLIENT_SEALS: &[u8] = b"session key to client-to-server sealing key magic constant\0";
const SERVER_SEALS: &[u8] = b"session key to server-to-client sealing key magic constant\0";

/// A secret of 16 bytes. Erased when dropped.
pub(super) type Key = Zeroizing<[u8; 16]>;

/// What a password is to NTLM: as good as the password itself. Erased when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct NtHash(Key);

impl NtHash {
    /// Of a password (`NTOWFv1`).
    #[must_use]
    pub fn of(password: &str) -> Self {
        let text = Zeroizing::new(utf16(password));
        Self(Zeroizing::new(Md4::digest(text.as_slice()).into()))
    }

    /// As it is kept in files; `None` unless it is 32 hexadecimal digits.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        un_hex(hex).map(|key| Self(Zeroizing::new(key)))
    }

    /// One that belongs to nobody.
    pub(in crate::auth) fn dummy(seed: &[u8; 32]) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        key.copy_from_slice(&seed[..16]);
        Self(key)
    }

    /// The key of answers with this password (`NTOWFv2`): also of the user's name, without case, and of the domain's.
    pub(super) fn response_key(&self, user: &str, domain: &str) -> Key {
        let mut text = utf16(&upper(user));
        text.extend(utf16(domain));
        hmac_md5(&self.0, &[&text])
    }
}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NtHash(..)")
    }
}

/// Each character by its one upper-case form; those with several stay.
fn upper(text: &str) -> String {
    let one = |c: char| {
        let mut forms = c.to_uppercase();
        match (forms.next(), forms.next()) {
            (Some(upper), None) => upper,
            _ => c,
        }
    };
    text.chars().map(one).collect()
}

/// 16 bytes of hexadecimal digits.
pub(in crate::auth) fn un_hex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 16];
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(out)
}

pub(super) fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> Key {
    // HMAC fills keys up with zeros to the block: the same key in another type.
    let mut block = Zeroizing::new([0; 64]);
    block[..16].copy_from_slice(key);
    let mut mac = Hmac::<Md5>::new(&(*block).into());
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn md5(parts: &[&[u8]]) -> Key {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().into())
}

pub(super) fn rc4(key: &[u8; 16], data: &mut [u8]) {
    // The schedule repeats short keys: twice the key is the same key in another type.
    let mut twice = Zeroizing::new([0; 32]);
    twice[..16].copy_from_slice(key);
    twice[16..].copy_from_slice(key);
    Rc4::new(&(*twice).into()).apply_keystream(data);
}

/// The proof that an answer begins with (`NTProofStr`).
pub(super) fn proof(response_key: &[u8; 16], server_challenge: &[u8; 8], blob: &[u8]) -> Key {
    hmac_md5(response_key, &[server_challenge, blob])
}

/// The key of the key exchange (`SessionBaseKey`; in version 2 it is `KeyExchangeKey`, too).
pub(super) fn exchange_key(response_key: &[u8; 16], proof: &[u8; 16]) -> Key {
    hmac_md5(response_key, &[proof])
}

/// The MIC over the messages of a handshake.
pub(super) fn mic(exported: &[u8; 16], messages: &[&[u8]]) -> Key {
    hmac_md5(exported, messages)
}

/// The keys of one direction.
#[derive(Clone, PartialEq, Eq)]
struct Direction {
    sign: Key,
    seal: Key,
}

impl Direction {
    fn signature(&self, text: &[u8]) -> [u8; 16] {
        let number = SEQUENCE.to_le_bytes();
        let mac = hmac_md5(&self.sign, &[&number, text]);
        let mut checksum = [0; 8];
        checksum.copy_from_slice(&mac[..8]);
        rc4(&md5(&[self.seal.as_slice(), &number]), &mut checksum);
        let mut out = [0; 16];
        out[..4].copy_from_slice(&1_u32.to_le_bytes());
        out[4..12].copy_from_slice(&checksum);
        out[12..].copy_from_slice(&number);
        out
    }
}

/// The keys of a finished handshake, for both directions. Erased when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKeys {
    client: Direction,
    server: Direction,
}

impl SessionKeys {
    /// Of the exported session key; the flags tell how much of it the sealing keys use ([MS-NLMP] section 3.4.5).
    #[must_use]
    pub fn new(exported: &[u8; 16], flags: Flags) -> Self {
        let strong = if flags.has(Flags::KEY_128) {
            16
        } else if flags.has(Flags::KEY_56) {
            7
        } else {
            5
        };
        let direction = |signs: &[u8], seals: &[u8]| Direction {
            sign: md5(&[exported, signs]),
            seal: md5(&[&exported[..strong], seals]),
        };
        Self { client: direction(CLIENT_SIGNS, CLIENT_SEALS), server: direction(SERVER_SIGNS, SERVER_SEALS) }
    }

    /// The client's signature of a text.
    #[must_use]
    pub fn sign_as_client(&self, text: &[u8]) -> [u8; 16] {
        self.client.signature(text)
    }

    /// The server's signature of a text.
    #[must_use]
    pub fn sign_as_server(&self, text: &[u8]) -> [u8; 16] {
        self.server.signature(text)
    }

    /// Whether it is the client's signature of a text.
    #[must_use]
    pub fn is_of_client(&self, text: &[u8], signature: &[u8; 16]) -> bool {
        same(&self.client.signature(text), signature)
    }

    /// Whether it is the server's signature of a text.
    #[must_use]
    pub fn is_of_server(&self, text: &[u8], signature: &[u8; 16]) -> bool {
        same(&self.server.signature(text), signature)
    }

    #[cfg(test)]
    pub(super) fn client_keys(&self) -> ([u8; 16], [u8; 16]) {
        (*self.client.sign, *self.client.seal)
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}
