//! The side that answers: a password, and the nonces that its realms gave.

use std::collections::VecDeque;
use std::fmt;

use zeroize::Zeroizing;

use super::{
    Answer, AuthenticationInfo, Challenge, Ha1, Kind, Proof, ProxyAuthenticate, WwwAuthenticate, same,
};
use crate::build::RequestDraft;
use crate::header::TypedHeader;
use crate::ids::IdSource;
use crate::message::Response;

/// Challenges of different realms that are remembered.
const KNOWN_MAX: usize = 8;
/// Answers of which the server's proof can be checked.
const SENT_MAX: usize = 64;

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

/// An answer that was sent: what the server's own proof has to fit.
#[derive(Debug)]
struct Sent {
    nonce: String,
    proof: Proof,
    uri: String,
}

#[derive(Debug)]
struct Known {
    kind: Kind,
    challenge: Challenge,
    nc: u32,
    /// In a session: its client nonce, and what it has in place of HA1.
    session: Option<(String, Ha1)>,
    /// The last answers, the newest last.
    sent: VecDeque<Sent>,
}

/// What a response says about its server ([`AuthenticationInfo::rspauth`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerProof {
    /// Nothing: most servers do not prove anything.
    None,
    /// It knows the password, too.
    Right,
    /// It pretends to know the password: what it says did not happen.
    Wrong,
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
        let ours = self.choose_all(response).into_iter().filter(|(of, _)| *of == kind);
        ours.reduce(|best, next| if next.1.algorithm > best.1.algorithm { next } else { best })
    }

    /// For each realm that asks in a 401 or 407 and can be answered, its challenge with the strongest algorithm. A proxy
    /// that forked collects those of all branches, of servers and of proxies, in one response (RFC 3261 section 22.3).
    #[must_use]
    pub fn choose_all(&self, response: &Response) -> Vec<(Kind, Challenge)> {
        if Kind::of_status(response.status()).is_none() {
            return Vec::new();
        }
        let www = response.header::<WwwAuthenticate>().ok().flatten().map_or(Vec::new(), |list| list.0);
        let proxy = response.header::<ProxyAuthenticate>().ok().flatten().map_or(Vec::new(), |list| list.0);
        let www = www.into_iter().map(|challenge| (Kind::Www, challenge));
        let all = www.chain(proxy.into_iter().map(|challenge| (Kind::Proxy, challenge)));
        let mut chosen: Vec<(Kind, Challenge)> = Vec::new();
        for (kind, challenge) in all.filter(|(_, challenge)| self.credentials.is_for(&challenge.realm)) {
            let same = |(of, one): &&mut (Kind, Challenge)| {
                *of == kind && one.realm.eq_ignore_ascii_case(&challenge.realm)
            };
            match chosen.iter_mut().find(same) {
                Some((_, best)) if challenge.algorithm > best.algorithm => *best = challenge,
                Some(_) => {}
                None => chosen.push((kind, challenge)),
            }
        }
        chosen
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
        self.known.push(Known { kind, challenge, nc: 0, session: None, sent: VecDeque::new() });
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
            let answer = one.answer(&self.credentials, draft, ids);
            draft.push_header(one.kind.answer_header(), answer.to_string());
            used.push(one.challenge.nonce.clone());
        }
        // Without a count, an answer is like the next one: each is for its own challenge only.
        self.known.retain(|one| one.challenge.qop_auth);
        used
    }

    /// Reads what a response says with `Authentication-Info` and `Proxy-Authentication-Info`: goes on with the next nonce,
    /// and checks the server's proof, if there is one. A proof that fits no answer of ours is wrong.
    pub fn check(&mut self, response: &Response) -> ServerProof {
        let mut verdict = ServerProof::None;
        for (kind, name) in [(Kind::Www, "Authentication-Info"), (Kind::Proxy, "Proxy-Authentication-Info")] {
            let mut values = response.headers().get_all(name);
            let Ok(Some(info)) = AuthenticationInfo::parse_all(&mut values) else { continue };
            let mut of_kind = self.known.iter_mut().filter(|one| one.kind == kind);
            let known = match &info.proof {
                Some(proof) => of_kind.find(|one| one.sent.iter().any(|sent| sent.proof == *proof)),
                None => of_kind.next().filter(|_| of_kind.next().is_none()),
            };
            match (known, &info.rspauth) {
                (Some(known), Some(rspauth)) => {
                    if !known.is_proved_by(&self.credentials, &info, rspauth) {
                        return ServerProof::Wrong;
                    }
                    verdict = ServerProof::Right;
                    known.go_on_with(info.next_nonce);
                }
                (Some(known), None) => known.go_on_with(info.next_nonce),
                // The answer may be that of a challenge which was replaced meanwhile.
                (None, _) => {}
            }
        }
        verdict
    }
}

impl Known {
    fn answer(&mut self, credentials: &Credentials, draft: &RequestDraft, ids: &mut dyn IdSource) -> Answer {
        self.nc += 1;
        let uri = draft.uri.as_str().to_owned();
        let mut answer = Answer::of(&self.challenge, &credentials.username, &uri, None);
        let algorithm = answer.algorithm;
        let ha1 = Ha1::new(algorithm, &answer.username, &answer.realm, &credentials.password);
        let method = draft.method.as_str();
        if !self.challenge.qop_auth {
            answer.response = algorithm.respond(&ha1, &answer.nonce, None, method, &uri);
            return answer;
        }
        if algorithm.has_session() && self.session.is_none() {
            let cnonce = ids.token();
            let session = algorithm.session(&ha1, &answer.nonce, &cnonce);
            self.session = Some((cnonce, session));
        }
        // In a session all answers have one client nonce: servers differ in whether the first or the present one counts.
        let (cnonce, a1) = match &self.session {
            Some((cnonce, session)) => (cnonce.clone(), session),
            None => (ids.token(), &ha1),
        };
        let nc = format!("{:08x}", self.nc);
        answer.response = algorithm.respond(a1, &answer.nonce, Some((&nc, &cnonce)), method, &uri);
        let proof = Proof { nc: self.nc, cnonce };
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { nonce: answer.nonce.clone(), proof: proof.clone(), uri });
        answer.proof = Some(proof);
        answer
    }

    fn is_proved_by(&self, credentials: &Credentials, info: &AuthenticationInfo, rspauth: &str) -> bool {
        let algorithm = self.challenge.algorithm;
        let ha1 = Ha1::new(algorithm, &credentials.username, &self.challenge.realm, &credentials.password);
        let a1 = self.session.as_ref().map_or(&ha1, |(_, session)| session);
        let found = rspauth.to_ascii_lowercase();
        self.sent.iter().rev().filter(|sent| Some(&sent.proof) == info.proof.as_ref()).any(|sent| {
            let nc = format!("{:08x}", sent.proof.nc);
            let with = Some((nc.as_str(), sent.proof.cnonce.as_str()));
            same(algorithm.respond(a1, &sent.nonce, with, "", &sent.uri).as_bytes(), found.as_bytes())
        })
    }

    /// The session stays what it was: its first nonce is in it.
    fn go_on_with(&mut self, nonce: Option<String>) {
        if let Some(nonce) = nonce.filter(|nonce| *nonce != self.challenge.nonce) {
            self.challenge.nonce = nonce;
            self.nc = 0;
        }
    }
}
