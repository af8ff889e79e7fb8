//! What both sides agree on ([MS-NLMP] section 2.2.2.5).

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// The negotiate flags of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Texts are UTF-16.
    pub const UNICODE: Self = Self(0x0000_0001);
    /// The client wants to know the target, and the server tells it.
    pub const REQUEST_TARGET: Self = Self(0x0000_0004);
    /// Messages are signed.
    pub const SIGN: Self = Self(0x0000_0010);
    /// Messages are encrypted.
    pub const SEAL: Self = Self(0x0000_0020);
    /// The connectionless kind.
    pub const DATAGRAM: Self = Self(0x0000_0040);
    /// Answers with the NT hash.
    pub const NTLM: Self = Self(0x0000_0200);
    /// Nobody: no answer to the challenge.
    pub const ANONYMOUS: Self = Self(0x0000_0800);
    /// A signature also where it is a dummy.
    pub const ALWAYS_SIGN: Self = Self(0x0000_8000);
    /// The target is a server.
    pub const TARGET_TYPE_SERVER: Self = Self(0x0002_0000);
    /// Keys for each direction, signatures by HMAC.
    pub const EXTENDED_SESSION_SECURITY: Self = Self(0x0008_0000);
    /// The server may learn who it is, no more.
    pub const IDENTIFY: Self = Self(0x0010_0000);
    /// The challenge has target information.
    pub const TARGET_INFO: Self = Self(0x0080_0000);
    /// The messages tell the version of their program.
    pub const VERSION: Self = Self(0x0200_0000);
    /// Sealing keys of 128 bits.
    pub const KEY_128: Self = Self(0x2000_0000);
    /// The client chooses the session key.
    pub const KEY_EXCHANGE: Self = Self(0x4000_0000);
    /// Sealing keys of 56 bits, when it is not 128; without both it is 40.
    pub const KEY_56: Self = Self(0x8000_0000);

    /// What both sides have to have: without one of these there is no association.
    pub const NEEDED: Self = Self(
        Self::UNICODE.0
            | Self::SIGN.0
            | Self::DATAGRAM.0
            | Self::NTLM.0
            | Self::ALWAYS_SIGN.0
            | Self::EXTENDED_SESSION_SECURITY.0
            | Self::IDENTIFY.0
            | Self::TARGET_INFO.0
            | Self::KEY_EXCHANGE.0,
    );

    /// What our server offers, and our client takes of an offer.
    pub const OFFER: Self =
        Self(Self::NEEDED.0 | Self::REQUEST_TARGET.0 | Self::VERSION.0 | Self::KEY_128.0 | Self::KEY_56.0);

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#010x})", self.0)
    }
}
