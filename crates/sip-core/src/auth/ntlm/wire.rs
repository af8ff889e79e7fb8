//! The form of NTLM messages: a fixed part with lengths and offsets, and a payload that they point into.

use super::{MESSAGE_MAX, NtlmError};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Reads one message. Nothing in it is believed before it was found to be inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks signature, kind and size.
    pub(super) fn new(bytes: &'a [u8], kind: u32) -> Result<Self, NtlmError> {
        if bytes.len() > MESSAGE_MAX {
            return Err(NtlmError::TooLong);
        }
        let this = Self { bytes };
        if bytes.get(..8).ok_or(NtlmError::Truncated)? != SIGNATURE || this.u32(8)? != kind {
            return Err(NtlmError::Kind);
        }
        Ok(this)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], NtlmError> {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(NtlmError::Truncated)
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, NtlmError> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// What the length and offset at `at` point to; an empty field may point anywhere.
    pub(super) fn field(&self, at: usize) -> Result<&'a [u8], NtlmError> {
        let len = usize::from(u16::from_le_bytes(self.array(at)?));
        let start = usize::try_from(self.u32(at + 4)?).map_err(|_| NtlmError::Field)?;
        if len == 0 {
            return Ok(&[]);
        }
        let end = start.checked_add(len).ok_or(NtlmError::Field)?;
        self.bytes.get(start..end).ok_or(NtlmError::Field)
    }
}

/// Writes one message: first the fixed part, fields by fields, then what they point to.
#[derive(Debug)]
pub(super) struct Writer {
    fixed: Vec<u8>,
    payload: Vec<u8>,
    fixed_len: usize,
}

impl Writer {
    /// `fixed_len`: bytes before the payload.
    pub(super) fn new(kind: u32, fixed_len: usize) -> Self {
        let mut fixed = Vec::with_capacity(fixed_len);
        fixed.extend_from_slice(SIGNATURE);
        fixed.extend_from_slice(&kind.to_le_bytes());
        Self { fixed, payload: Vec::new(), fixed_len }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.fixed.extend_from_slice(bytes);
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// A field whose bytes were written as payload.
    pub(super) fn field(&mut self, place: Place) -> &mut Self {
        let at = self.fixed_len + place.at;
        // Writers check the length of the whole message: `finish`.
        let len = u16::try_from(place.len).unwrap_or(u16::MAX).to_le_bytes();
        self.raw(&len).raw(&len).u32(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Appends to the payload; gives its place.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Place {
        let place = Place { at: self.payload.len(), len: bytes.len() };
        self.payload.extend_from_slice(bytes);
        place
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        debug_assert_eq!(self.fixed.len(), self.fixed_len, "the fixed part of a message");
        self.fixed.append(&mut self.payload);
        self.fixed
    }
}

/// Where bytes are in the payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at: usize,
    len: usize,
}

/// UTF-16, little end first.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Reads UTF-16, little end first.
pub(super) fn from_utf16(bytes: &[u8]) -> Result<String, NtlmError> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(NtlmError::Text);
    }
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| NtlmError::Text)
}
