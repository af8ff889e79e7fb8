//! Both parts of a handshake: the answer to a challenge, and the verdict on it ([MS-NLMP] sections 3.1.5.2, 3.2.5.2).

use std::fmt;

use super::crypto::{self, Key};
use super::{
    AuthenticateMessage, ChallengeMessage, FileTime, Flags, MESSAGE_MAX, NtHash, NtlmError, SessionKeys,
    Version,
};
use crate::auth::same;

/// Why an answer does not open an association, or a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no NTLM message.
    #[error(transparent)]
    Message(#[from] NtlmError),
    /// The other side has not all of [`Flags::NEEDED`], or takes what was not offered.
    #[error("the other side does not offer what is needed")]
    Flags,
    /// Wrong password, an answer to another challenge, or a MIC that does not fit.
    #[error("the proof is wrong")]
    Proof,
}

/// What a client has to choose at random for one handshake.
#[derive(Clone, Copy)]
pub struct Nonces {
    /// Its part of the challenge.
    pub client: [u8; 8],
    /// The session key.
    pub key: [u8; 16],
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(..)")
    }
}

/// Who a client logs in as.
#[derive(Debug, Clone)]
pub struct Login {
    user: String,
    domain: String,
    workstation: String,
    response_key: ResponseKey,
}

#[derive(Clone)]
struct ResponseKey(Key);

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseKey(..)")
    }
}

/// A client's answer, and the keys that it leads to if the server takes it.
#[derive(Debug, Clone)]
pub struct LoginAnswer {
    /// The message for the server.
    pub message: Vec<u8>,
    /// For what follows.
    pub keys: SessionKeys,
}

impl Login {
    /// - `user`: the name, or a whole address with an empty `domain`.
    #[must_use]
    pub fn new(user: &str, domain: &str, hash: &NtHash) -> Self {
        let response_key = ResponseKey(hash.response_key(user, domain));
        Self { user: user.to_owned(), domain: domain.to_owned(), workstation: String::new(), response_key }
    }

    /// Tells the server the name of the machine.
    #[must_use]
    pub fn with_workstation(mut self, name: &str) -> Self {
        name.clone_into(&mut self.workstation);
        self
    }

    /// Answers a challenge, with a MIC if the server told the time.
    ///
    /// - `now`: for servers that do not tell the time.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when it is no challenge, or does not offer what is needed.
    pub fn answer(&self, challenge: &[u8], nonces: Nonces, now: FileTime) -> Result<LoginAnswer, Refusal> {
        self.answer_as(challenge, nonces, now, Version::default())
    }

    pub(super) fn answer_as(
        &self,
        bytes: &[u8],
        nonces: Nonces,
        now: FileTime,
        version: Version,
    ) -> Result<LoginAnswer, Refusal> {
        let challenge = ChallengeMessage::read(bytes)?;
        if !challenge.flags.has(Flags::NEEDED) {
            return Err(Refusal::Flags);
        }
        let mut flags = challenge.flags & Flags::OFFER | Flags::REQUEST_TARGET;
        if flags.has(Flags::KEY_128) {
            flags = flags.without(Flags::KEY_56);
        }
        let told = challenge.target_info.time();
        let target_info = match told {
            Some(_) => challenge.target_info.clone().with_mic_flag(),
            None => challenge.target_info.clone(),
        };
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend_from_slice(&told.unwrap_or(now).0.to_le_bytes());
        blob.extend_from_slice(&nonces.client);
        blob.extend_from_slice(&[0; 4]);
        blob.extend_from_slice(&target_info.write());
        blob.extend_from_slice(&[0; 4]);
        let key = &self.response_key.0;
        let proof = crypto::proof(key, &challenge.nonce, &blob);
        let mut session_key = nonces.key;
        crypto::rc4(&crypto::exchange_key(key, &proof), &mut session_key);
        let lm_answer = match told {
            // A server that tells the time wants no LM answer.
            Some(_) => vec![0; 24],
            None => {
                let mut lm = crypto::proof(key, &challenge.nonce, &nonces.client).to_vec();
                lm.extend_from_slice(&nonces.client);
                lm
            }
        };
        let mut message = AuthenticateMessage {
            flags,
            user: self.user.clone(),
            domain: self.domain.clone(),
            workstation: self.workstation.clone(),
            lm_answer,
            answer: [proof.as_slice(), &blob].concat(),
            target_info,
            session_key,
            version,
            mic: told.map(|_| [0; 16]),
            unsigned: Vec::new(),
        };
        if message.mic.is_some() {
            message.mic = Some(*crypto::mic(&nonces.key, &[bytes, &message.write()]));
        }
        let message = message.write();
        if message.len() > MESSAGE_MAX {
            return Err(NtlmError::TooLong.into());
        }
        Ok(LoginAnswer { message, keys: SessionKeys::new(&nonces.key, flags) })
    }
}

impl ChallengeMessage {
    /// Whether a client has the password; if so, the keys for what follows. All the work is done in any case.
    ///
    /// The answer has to repeat the time, if the challenge tells it; a MIC has to fit, if the answer says that it has one.
    ///
    /// # Errors
    ///
    /// [`Refusal::Flags`], [`Refusal::Proof`].
    pub fn verify(&self, answer: &AuthenticateMessage, hash: &NtHash) -> Result<SessionKeys, Refusal> {
        let key = hash.response_key(&answer.user, &answer.domain);
        let (proof, blob) = answer.answer.split_at_checked(16).ok_or(NtlmError::Answer)?;
        let wanted = crypto::proof(&key, &self.nonce, blob);
        let mut exported = answer.session_key;
        crypto::rc4(&crypto::exchange_key(&key, &wanted), &mut exported);
        let mic = crypto::mic(&exported, &[&self.write(), &answer.unsigned]);
        let mic_fits = answer.mic.is_none_or(|found| same(&found, mic.as_slice()));
        let time_fits = self.target_info.time().is_none_or(|time| time == answer.time());
        if !answer.flags.has(Flags::NEEDED) || !self.flags.has(answer.flags.without(Flags::REQUEST_TARGET)) {
            return Err(Refusal::Flags);
        }
        if !(same(wanted.as_slice(), proof) & mic_fits & time_fits) {
            return Err(Refusal::Proof);
        }
        Ok(SessionKeys::new(&exported, answer.flags))
    }
}
