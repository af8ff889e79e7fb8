//! What a server tells about itself in its challenge: a list of pairs ([MS-NLMP] section 2.2.2.1).

use super::wire::{from_utf16, utf16};
use super::{NtlmError, PAIRS_MAX};

const END: u16 = 0;
const COMPUTER: u16 = 1;
const DOMAIN: u16 = 2;
const DNS_COMPUTER: u16 = 3;
const DNS_DOMAIN: u16 = 4;
const FLAGS: u16 = 6;
const TIMESTAMP: u16 = 7;

/// A bit of the flags pair: the message has a MIC.
const HAS_MIC: u32 = 2;

/// A time as NTLM writes it: units of 100 ns since 1601-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileTime(pub u64);

impl FileTime {
    /// Seconds from 1601 to 1970.
    const EPOCH_S: u64 = 11_644_473_600;
    const UNITS_PER_S: u64 = 10_000_000;

    /// Of seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds.saturating_add(Self::EPOCH_S).saturating_mul(Self::UNITS_PER_S))
    }

    /// Later by so many milliseconds.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis.saturating_mul(Self::UNITS_PER_S / 1000)))
    }
}

/// One pair: an id of [MS-NLMP] section 2.2.2.1 and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvPair {
    /// Which fact.
    pub id: u16,
    /// The fact, as on the wire.
    pub value: Vec<u8>,
}

/// The pairs of a challenge, without the one that ends them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetInfo {
    pairs: Vec<AvPair>,
}

impl TargetInfo {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the NetBIOS name of the domain.
    #[must_use]
    pub fn with_domain(self, name: &str) -> Self {
        self.with(DOMAIN, utf16(name))
    }

    /// Tells the NetBIOS name of the server.
    #[must_use]
    pub fn with_computer(self, name: &str) -> Self {
        self.with(COMPUTER, utf16(name))
    }

    /// Tells the DNS name of the domain.
    #[must_use]
    pub fn with_dns_domain(self, name: &str) -> Self {
        self.with(DNS_DOMAIN, utf16(name))
    }

    /// Tells the DNS name of the server.
    #[must_use]
    pub fn with_dns_computer(self, name: &str) -> Self {
        self.with(DNS_COMPUTER, utf16(name))
    }

    /// Tells the time. Clients repeat it, and add a MIC to their answer.
    #[must_use]
    pub fn with_time(self, time: FileTime) -> Self {
        self.with(TIMESTAMP, time.0.to_le_bytes().to_vec())
    }

    /// Says that the message which repeats this has a MIC.
    #[must_use]
    pub fn with_mic_flag(self) -> Self {
        let flags = self.flags() | HAS_MIC;
        self.with(FLAGS, flags.to_le_bytes().to_vec())
    }

    /// Replaces the pair of this id, or appends it while there is room.
    #[must_use]
    pub fn with(mut self, id: u16, value: Vec<u8>) -> Self {
        let place = self.pairs.iter().position(|pair| pair.id == id);
        match place {
            Some(place) => self.pairs[place].value = value,
            None if self.pairs.len() < PAIRS_MAX && id != END => self.pairs.push(AvPair { id, value }),
            None => {}
        }
        self
    }

    /// All pairs in order.
    #[must_use]
    pub fn pairs(&self) -> &[AvPair] {
        &self.pairs
    }

    fn value(&self, id: u16) -> Option<&[u8]> {
        self.pairs.iter().find(|pair| pair.id == id).map(|pair| pair.value.as_slice())
    }

    /// The DNS name of the server, if it is told and is text.
    #[must_use]
    pub fn dns_computer(&self) -> Option<String> {
        from_utf16(self.value(DNS_COMPUTER)?).ok()
    }

    /// The time of the server, if it is told.
    #[must_use]
    pub fn time(&self) -> Option<FileTime> {
        Some(FileTime(u64::from_le_bytes(self.value(TIMESTAMP)?.try_into().ok()?)))
    }

    fn flags(&self) -> u32 {
        self.value(FLAGS).and_then(|value| value.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Whether it says that there is a MIC.
    #[must_use]
    pub fn has_mic_flag(&self) -> bool {
        self.flags() & HAS_MIC != 0
    }

    /// Reads pairs up to the one that ends them; what is behind is left alone.
    ///
    /// # Errors
    ///
    /// [`NtlmError::TargetInfo`] when they do not end or a value has a wrong length; [`NtlmError::TooLong`].
    pub fn read(mut bytes: &[u8]) -> Result<Self, NtlmError> {
        let mut pairs = Vec::new();
        loop {
            let (head, rest) = bytes.split_first_chunk::<4>().ok_or(NtlmError::TargetInfo)?;
            let id = u16::from_le_bytes([head[0], head[1]]);
            if id == END {
                return Ok(Self { pairs });
            }
            let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let (value, rest) = rest.split_at_checked(len).ok_or(NtlmError::TargetInfo)?;
            let fixed = match id {
                FLAGS => 4,
                TIMESTAMP => 8,
                _ => len,
            };
            if len != fixed || pairs.iter().any(|pair: &AvPair| pair.id == id) {
                return Err(NtlmError::TargetInfo);
            }
            if pairs.len() == PAIRS_MAX {
                return Err(NtlmError::TooLong);
            }
            pairs.push(AvPair { id, value: value.to_vec() });
            bytes = rest;
        }
    }

    /// As on the wire, with the pair that ends it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for pair in &self.pairs {
            let len = u16::try_from(pair.value.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&pair.id.to_le_bytes());
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&pair.value[..usize::from(len)]);
        }
        out.extend_from_slice(&[0; 4]);
        out
    }
}
