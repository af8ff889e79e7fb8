//! The side that answers: a password, and the nonces that its realms gave.

use std::fmt;

use zeroize::Zeroizing;

use super::{Answer, Challenge, Ha1, Kind, Proof, ProxyAuthenticate, WwwAuthenticate};
use crate::build::RequestDraft;
use crate::ids::IdSource;
use crate::message::Response;

/// Challenges of different realms that are remembered.
const KNOWN_MAX: usize = 8;

/// A name and a password, and the realms that they are for. The password is erased when dropped, and never shown.
#[derive(Clone)]
pub struct Credentials {
    username: String,
    password: Zeroizing<String>,
    realms: Vec<String>,
}

impl Credentials {
    /// For one realm; nobody else is ever sent an answer made with this password.
    pub fn new(username: impl Into<String>, password: impl Into<String>, realm: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: Zeroizing::new(password.into()),
            realms: vec![realm.into()],
        }
    }

    /// For one more realm.
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>) -> Self {
        self.realms.push(realm.into());
        self
    }

    /// The name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    #[cfg(feature = "ntlm")]
    pub(super) fn password(&self) -> &str {
        &self.password
    }

    pub(super) fn is_for(&self, realm: &str) -> bool {
        self.realms.iter().any(|known| known.eq_ignore_ascii_case(realm))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realms", &self.realms).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Known {
    kind: Kind,
    challenge: Challenge,
    nc: u32,
}

/// Answers challenges with one password, and goes on with a nonce until it is not good any more.
#[derive(Debug)]
pub struct DigestClient {
    credentials: Credentials,
    known: Vec<Known>,
}

impl DigestClient {
    /// Knows no nonce yet.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, known: Vec::new() }
    }

    /// The challenge of a 401 or 407 that can be answered, the one with the strongest algorithm.
    #[must_use]
    pub fn choose(&self, response: &Response) -> Option<(Kind, Challenge)> {
        let kind = Kind::of_status(response.status())?;
        let list = match kind {
            Kind::Www => response.header::<WwwAuthenticate>().ok()??.0,
            Kind::Proxy => response.header::<ProxyAuthenticate>().ok()??.0,
        };
        let ours = list.into_iter().filter(|challenge| self.credentials.is_for(&challenge.realm));
        let best = ours.reduce(|best, next| if next.algorithm > best.algorithm { next } else { best })?;
        Some((kind, best))
    }

    /// Takes a challenge as the present one of its realm, with a new count.
    pub fn learn(&mut self, kind: Kind, challenge: Challenge) {
        if !self.credentials.is_for(&challenge.realm) {
            return;
        }
        self.forget(kind, &challenge.realm);
        if self.known.len() == KNOWN_MAX {
            self.known.remove(0);
        }
        self.known.push(Known { kind, challenge, nc: 0 });
    }

    /// Drops what is known of a realm: its server did not take the answer.
    pub fn forget(&mut self, kind: Kind, realm: &str) {
        self.known.retain(|one| one.kind != kind || !one.challenge.realm.eq_ignore_ascii_case(realm));
    }

    /// Adds an answer to each challenge that is known, each with the next count; the nonces that were used.
    pub fn authorize(&mut self, draft: &mut RequestDraft, ids: &mut dyn IdSource) -> Vec<String> {
        let mut used = Vec::with_capacity(self.known.len());
        // A count that is used up asks for another nonce.
        self.known.retain(|one| one.nc < u32::MAX);
        for one in &mut self.known {
            one.nc += 1;
            let proof = one.challenge.qop_auth.then(|| Proof { nc: one.nc, cnonce: ids.token() });
            let uri = draft.uri.as_str().to_owned();
            let mut answer = Answer::of(&one.challenge, &self.credentials.username, &uri, proof);
            let ha1 = Ha1::new(answer.algorithm, &answer.username, &answer.realm, &self.credentials.password);
            let (algorithm, proof) = (answer.algorithm, answer.proof.as_ref());
            answer.response = algorithm.response(&ha1, &answer.nonce, proof, &draft.method, &uri);
            draft.push_header(one.kind.answer_header(), answer.to_string());
            used.push(one.challenge.nonce.clone());
        }
        // Without a count, an answer is like the next one: each is for its own challenge only.
        self.known.retain(|one| one.challenge.qop_auth);
        used
    }
}
