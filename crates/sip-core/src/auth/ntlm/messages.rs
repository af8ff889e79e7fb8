//! The three messages ([MS-NLMP] section 2.2.1).

use std::fmt;

use super::wire::{Reader, Writer, from_utf16, utf16};
use super::{FileTime, Flags, NtlmError, TargetInfo};

const NEGOTIATE: u32 = 1;
const CHALLENGE: u32 = 2;
const AUTHENTICATE: u32 = 3;

/// Bytes of the fixed parts, with the version.
const NEGOTIATE_FIXED: usize = 40;
const CHALLENGE_FIXED: usize = 56;
const AUTHENTICATE_FIXED: usize = 72;
/// Where the MIC is, behind the version.
pub(super) const MIC_AT: usize = 72;

/// Bytes of an answer of version 2: the proof, then the blob's fixed part, pairs, and 4 bytes.
const PROOF: usize = 16;
const BLOB_FIXED: usize = 28;

/// The program that wrote a message; for people only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub [u8; 8]);

impl Default for Version {
    /// The revision of NTLM that this is, and no product.
    fn default() -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0x0f])
    }
}

/// How a client begins in the connection-oriented kind; SIP begins with an empty token instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiateMessage {
    /// What the client can do.
    pub flags: Flags,
}

impl NegotiateMessage {
    /// With these flags; domain and workstation are not told.
    #[must_use]
    pub fn new(flags: Flags) -> Self {
        Self { flags }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`NtlmError`] when it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, NtlmError> {
        let reader = Reader::new(bytes, NEGOTIATE)?;
        let flags = Flags(reader.u32(12)?);
        // Old clients end here; what newer ones have has to be inside.
        if reader.len() >= 32 {
            reader.field(16)?;
            reader.field(24)?;
        }
        Ok(Self { flags })
    }

    /// As on the wire.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Writer::new(NEGOTIATE, NEGOTIATE_FIXED);
        let empty = out.put(&[]);
        out.u32(self.flags.0).field(empty).field(empty).raw(&Version::default().0);
        out.finish()
    }
}

/// What a server asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChallengeMessage {
    /// What the server can do.
    pub flags: Flags,
    /// 8 bytes that nobody can foresee.
    pub nonce: [u8; 8],
    /// The name of the target; empty where it does not matter.
    pub target_name: String,
    /// What the server tells about itself.
    pub target_info: TargetInfo,
}

impl ChallengeMessage {
    /// Without a target name.
    #[must_use]
    pub fn new(nonce: [u8; 8], flags: Flags, target_info: TargetInfo) -> Self {
        Self { flags, nonce, target_name: String::new(), target_info }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`NtlmError`] when it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, NtlmError> {
        let reader = Reader::new(bytes, CHALLENGE)?;
        let flags = Flags(reader.u32(20)?);
        let nonce = reader.array(24)?;
        // 8 reserved bytes, then the pairs; very old servers have neither.
        let info = if reader.len() >= 48 { reader.field(40)? } else { &[] };
        let target_info = if info.is_empty() { TargetInfo::new() } else { TargetInfo::read(info)? };
        let name = reader.field(12)?;
        let target_name = if flags.has(Flags::UNICODE) { from_utf16(name)? } else { String::new() };
        Ok(Self { flags, nonce, target_name, target_info })
    }

    /// As on the wire.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Writer::new(CHALLENGE, CHALLENGE_FIXED);
        let name = out.put(&utf16(&self.target_name));
        let info = out.put(&self.target_info.write());
        out.field(name).u32(self.flags.0).raw(&self.nonce).raw(&[0; 8]).field(info);
        out.raw(&Version::default().0);
        out.finish()
    }
}

/// What a client answers a challenge with: who it is, and the proof of his password.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthenticateMessage {
    pub(super) flags: Flags,
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) workstation: String,
    pub(super) lm_answer: Vec<u8>,
    /// Proof and blob.
    pub(super) answer: Vec<u8>,
    /// The pairs in the blob.
    pub(super) target_info: TargetInfo,
    pub(super) session_key: [u8; 16],
    pub(super) version: Version,
    pub(super) mic: Option<[u8; 16]>,
    /// The message with zeros for the MIC, if it has one.
    pub(super) unsigned: Vec<u8>,
}

impl AuthenticateMessage {
    /// Reads one of version 2 with an exchanged key.
    ///
    /// # Errors
    ///
    /// [`NtlmError`] when it is none; [`NtlmError::Answer`] for the answers of older versions.
    pub fn read(bytes: &[u8]) -> Result<Self, NtlmError> {
        let reader = Reader::new(bytes, AUTHENTICATE)?;
        let flags = Flags(reader.u32(60)?);
        if !flags.has(Flags::UNICODE) {
            return Err(NtlmError::Text);
        }
        let answer = reader.field(20)?;
        let blob = answer.get(PROOF..).ok_or(NtlmError::Answer)?;
        let pairs = blob.get(BLOB_FIXED..).ok_or(NtlmError::Answer)?;
        if blob[..2] != [1, 1] {
            return Err(NtlmError::Answer);
        }
        let target_info = TargetInfo::read(pairs)?;
        let session_key = reader.field(52)?.try_into().map_err(|_| NtlmError::Field)?;
        let mut unsigned = bytes.to_vec();
        let mic = match target_info.has_mic_flag() {
            true => {
                let mic = reader.array(MIC_AT)?;
                unsigned[MIC_AT..MIC_AT + 16].fill(0);
                Some(mic)
            }
            false => None,
        };
        Ok(Self {
            flags,
            user: from_utf16(reader.field(36)?)?,
            domain: from_utf16(reader.field(28)?)?,
            workstation: from_utf16(reader.field(44)?)?,
            lm_answer: reader.field(12)?.to_vec(),
            answer: answer.to_vec(),
            target_info,
            session_key,
            version: Version(if reader.len() >= AUTHENTICATE_FIXED { reader.array(64)? } else { [0; 8] }),
            mic,
            unsigned,
        })
    }

    /// As on the wire; the MIC is `mic`, or zeros until it is known.
    pub(super) fn write(&self) -> Vec<u8> {
        let mic = self.mic.is_some();
        let mut out = Writer::new(AUTHENTICATE, AUTHENTICATE_FIXED + if mic { 16 } else { 0 });
        let domain = out.put(&utf16(&self.domain));
        let user = out.put(&utf16(&self.user));
        let workstation = out.put(&utf16(&self.workstation));
        let lm_answer = out.put(&self.lm_answer);
        let answer = out.put(&self.answer);
        let session_key = out.put(&self.session_key);
        out.field(lm_answer).field(answer).field(domain).field(user).field(workstation).field(session_key);
        out.u32(self.flags.0).raw(&self.version.0);
        if let Some(mic) = &self.mic {
            out.raw(mic);
        }
        out.finish()
    }

    /// Who it says it is.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The domain of the user; often empty, when the name is a whole address.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What the client took of the server's offer.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// What it repeats of the challenge.
    #[must_use]
    pub fn target_info(&self) -> &TargetInfo {
        &self.target_info
    }

    /// The time in the answer: the server's if it told it, else the client's own.
    #[must_use]
    pub fn time(&self) -> FileTime {
        let bytes = self.answer.get(PROOF + 8..).and_then(|rest| rest.first_chunk::<8>());
        FileTime(bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }
}

impl fmt::Debug for AuthenticateMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateMessage").field("flags", &self.flags).finish_non_exhaustive()
    }
}
