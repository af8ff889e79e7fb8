//! The client's side: one server, one password, one association at a time.

use std::fmt;
use std::time::{Duration, Instant};

use super::{
    AssociationError, ReplayWindow, Role, SecurityParams, Signature, SignedFields, VERSION_MAX, signed_text,
};
use crate::auth::ntlm::{FileTime, Login, Nonces, NtHash, SessionKeys};
use crate::auth::{Credentials, Kind};
use crate::build::{RequestDraft, ResponseDraft};
use crate::header::HeaderName;
use crate::ids::IdSource;
use crate::message::{Message, Response};

/// Limits and preferences of a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AssociationClientConfig {
    /// The target names that are answered; empty: all of a realm that the password is for. Default: empty.
    pub targets: Vec<String>,
    /// How long an association is used at most. Default: 8 h.
    pub life: Duration,
    /// So long before its end it is renewed. Default: 5 min.
    pub lead: Duration,
    /// The oldest version of the protocol that is spoken. Default: 3; version 2 signs less.
    pub version_min: u8,
    /// What the server is told about the name of this machine. Default: nothing.
    pub workstation: String,
}

impl Default for AssociationClientConfig {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            life: Duration::from_secs(8 * 3600),
            lead: Duration::from_secs(300),
            version_min: 3,
            workstation: String::new(),
        }
    }
}

impl AssociationClientConfig {
    /// Answers only this target, and those that were named before.
    #[must_use]
    pub fn with_target(mut self, name: impl Into<String>) -> Self {
        self.targets.push(name.into());
        self
    }

    /// Sets how long an association is used, and how long before its end it is renewed.
    #[must_use]
    pub fn with_life(mut self, life: Duration, lead: Duration) -> Self {
        (self.life, self.lead) = (life, lead);
        self
    }

    /// Sets the oldest version that is spoken: 2, 3 or 4.
    #[must_use]
    pub fn with_version_min(mut self, version: u8) -> Self {
        self.version_min = version;
        self
    }

    /// Tells the server the name of this machine.
    #[must_use]
    pub fn with_workstation(mut self, name: impl Into<String>) -> Self {
        self.workstation = name.into();
        self
    }
}

/// What a 401 or 407 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The same request again, with [`AssociationClient::authorize`].
    SendAgain,
    /// Nothing that this client can answer: another scheme, realm or target.
    NotForUs,
}

/// What was added to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// Nothing: there is no association and no handshake.
    Nothing,
    /// A token of the handshake.
    Token,
    /// A signature.
    Signature,
}

/// What a client thinks of a message from its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// There is no association: nobody promised a signature.
    NoAssociation,
    /// The server signed it, and it is the first of its count.
    Verified,
    /// It is not signed, and need not be: 1xx, 401, 407.
    Exempt,
    /// It is not signed: it did not happen.
    Unsigned,
    /// The signature is wrong: the connection is not worth anything any more.
    Forged,
    /// It came before: it did not happen again.
    Replayed,
}

/// Who asked, and in which version.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Peer {
    kind: Kind,
    realm: String,
    targetname: String,
    version: u8,
}

impl Peer {
    fn params(&self, opaque: Option<&str>) -> SecurityParams {
        SecurityParams {
            realm: self.realm.clone(),
            targetname: self.targetname.clone(),
            opaque: opaque.map(str::to_owned),
            ..SecurityParams::default()
        }
    }

    /// Version 2 knows no parameter of that name.
    fn told_version(&self) -> Option<u8> {
        (self.version > 2).then_some(self.version)
    }
}

/// The request that carries the answer: Call-ID and CSeq.
type Carrier = (String, String);

struct Session {
    peer: Peer,
    opaque: Option<String>,
    keys: SessionKeys,
    sent: u32,
    window: ReplayWindow,
    /// When it has to be renewed.
    until: Instant,
    proof: Proof,
}

enum Proof {
    /// The answer waits for the next request.
    Due(Vec<u8>),
    /// This request carried it.
    Sent(Carrier),
    /// The server signed something with the same keys.
    Taken,
}

enum State {
    Idle,
    /// The next request asks for a challenge.
    Begun(Peer),
    Session(Box<Session>),
    Refused,
}

/// One client's association with its server; see the module's header.
pub struct AssociationClient {
    credentials: Credentials,
    config: AssociationClientConfig,
    state: State,
}

impl AssociationClient {
    /// Without an association; the first 401 begins one. The password answers only realms that it was given for: for most
    /// servers that is [`super::DEFAULT_REALM`]. A name with a backslash is a domain and a user in it.
    #[must_use]
    pub fn new(credentials: Credentials, config: AssociationClientConfig) -> Self {
        Self { credentials, config, state: State::Idle }
    }

    /// Takes a 401 or 407.
    ///
    /// - `time`: the time of day, for servers that do not tell it. `now`: for the end of the association.
    ///
    /// # Errors
    ///
    /// [`AssociationError`] when there is nothing to be sent again. After [`AssociationError::Refused`] nothing is
    /// answered until [`Self::reset`].
    pub fn on_challenge(
        &mut self,
        response: &Response,
        ids: &mut dyn IdSource,
        time: FileTime,
        now: Instant,
    ) -> Result<Asked, AssociationError> {
        let Some((peer, params)) = self.choose(response)? else { return Ok(Asked::NotForUs) };
        match (&self.state, &params.token) {
            (State::Refused, _) => Err(AssociationError::Refused),
            (State::Begun(begun), Some(token)) if *begun == peer => {
                let session = self.prove(peer, params.opaque.clone(), token, ids, time, now)?;
                self.state = State::Session(Box::new(session));
                Ok(Asked::SendAgain)
            }
            (_, Some(_)) => Err(AssociationError::Unexpected),
            (State::Session(session), None) if session.is_refused_by(response) => {
                self.state = State::Refused;
                Err(AssociationError::Refused)
            }
            // Another request that went out before the answer was known: again, with what is known now.
            (State::Session(session), None) if !matches!(session.proof, Proof::Taken) => Ok(Asked::SendAgain),
            (State::Session(_) | State::Idle | State::Begun(_), None) => {
                self.state = State::Begun(peer);
                Ok(Asked::SendAgain)
            }
        }
    }

    /// The first challenge that is for us.
    fn choose(&self, response: &Response) -> Result<Option<(Peer, SecurityParams)>, AssociationError> {
        let Some(kind) = Kind::of_status(response.status()) else { return Ok(None) };
        let name = kind.challenge_header();
        let values = response.headers().get_all(name);
        let list = SecurityParams::read_all(HeaderName::resolve(name), values, Role::Server);
        let list = list.map_err(AssociationError::Header)?;
        let targets = &self.config.targets;
        let Some(params) = list.into_iter().find(|one| {
            let named = targets.is_empty() || targets.iter().any(|t| t.eq_ignore_ascii_case(&one.targetname));
            named && self.credentials.is_for(&one.realm)
        }) else {
            return Ok(None);
        };
        let version = params.version.unwrap_or(2).min(VERSION_MAX);
        if version < self.config.version_min.max(2) {
            return Err(AssociationError::Version);
        }
        let (realm, targetname) = (params.realm.clone(), params.targetname.clone());
        Ok(Some((Peer { kind, realm, targetname, version }, params)))
    }

    fn prove(
        &self,
        peer: Peer,
        opaque: Option<String>,
        token: &[u8],
        ids: &mut dyn IdSource,
        time: FileTime,
        now: Instant,
    ) -> Result<Session, AssociationError> {
        let name = self.credentials.username();
        let (domain, user) = name.split_once('\\').unwrap_or(("", name));
        let hash = NtHash::of(self.credentials.password());
        let login = Login::new(user, domain, &hash).with_workstation(&self.config.workstation);
        let client = (ids.next_u128() as u64).to_be_bytes();
        let nonces = Nonces { client, key: ids.next_u128().to_be_bytes() };
        let answer = login.answer(token, nonces, time).map_err(AssociationError::Token)?;
        let life = self.config.life.saturating_sub(self.config.lead);
        Ok(Session {
            peer,
            opaque,
            keys: answer.keys,
            sent: 0,
            window: ReplayWindow::default(),
            until: now.checked_add(life).unwrap_or(now),
            proof: Proof::Due(answer.message),
        })
    }

    /// Adds a token or a signature to a request, as the last step before it is sent: what is signed may not change
    /// any more.
    ///
    /// # Errors
    ///
    /// [`AssociationError::Unsignable`].
    pub fn authorize(
        &mut self,
        draft: &mut RequestDraft,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Result<Added, AssociationError> {
        self.renew(now);
        match &mut self.state {
            State::Idle | State::Refused => Ok(Added::Nothing),
            State::Begun(peer) => {
                let mut params = peer.params(None);
                (params.token, params.version) = (Some(Vec::new()), peer.told_version());
                draft.push_header(peer.kind.answer_header(), params.write(Role::Client));
                Ok(Added::Token)
            }
            State::Session(session) => {
                let token = match &session.proof {
                    Proof::Due(token) => Some(token.clone()),
                    Proof::Sent(_) | Proof::Taken => None,
                };
                let mut params = session.peer.params(session.opaque.as_deref());
                let added = if token.is_some() { Added::Token } else { Added::Signature };
                if session.peer.version > 3 || token.is_none() {
                    params.signature = Some(session.sign(draft, ids)?);
                }
                if token.is_some() {
                    (params.token, params.version) = (token, session.peer.told_version());
                    session.proof = Proof::Sent(carrier(draft));
                }
                draft.push_header(session.peer.kind.answer_header(), params.write(Role::Client));
                Ok(added)
            }
        }
    }

    /// Signs a response, as the last step before it is sent.
    ///
    /// # Errors
    ///
    /// [`AssociationError::NoAssociation`], [`AssociationError::Unsignable`].
    pub fn sign_response(
        &mut self,
        draft: &mut ResponseDraft,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Result<(), AssociationError> {
        self.renew(now);
        let State::Session(session) = &mut self.state else { return Err(AssociationError::NoAssociation) };
        let mut params = session.peer.params(session.opaque.as_deref());
        params.signature = Some(session.sign(draft, ids)?);
        draft.push_header(session.peer.kind.answer_header(), params.write(Role::Client));
        Ok(())
    }

    /// Checks a message from the server.
    pub fn check(&mut self, message: &Message) -> Inbound {
        let State::Session(session) = &mut self.state else { return Inbound::NoAssociation };
        let Some((params, signature)) = session.signature_of(message) else {
            let exempt = match message {
                Message::Response(response) => {
                    response.status() < 200 || Kind::of_status(response.status()).is_some()
                }
                Message::Request(_) => false,
            };
            return if exempt { Inbound::Exempt } else { Inbound::Unsigned };
        };
        let text = signed_text(session.peer.version, message, &params, &signature.rand, &signature.num);
        let right = text.is_ok_and(|text| session.keys.is_of_server(text.as_bytes(), &signature.bytes));
        if !right {
            return Inbound::Forged;
        }
        session.proof = Proof::Taken;
        if session.window.take(signature.count) { Inbound::Verified } else { Inbound::Replayed }
    }

    /// Whether the server has shown that it knows the password, too.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(&self.state, State::Session(session) if matches!(session.proof, Proof::Taken))
    }

    /// When the association is renewed: a REGISTER that is sent then is not signed, and challenged.
    #[must_use]
    pub fn renew_at(&self) -> Option<Instant> {
        match &self.state {
            State::Session(session) => Some(session.until),
            State::Idle | State::Begun(_) | State::Refused => None,
        }
    }

    /// Forgets the association: the connection is another one, or the password was corrected.
    pub fn reset(&mut self) {
        self.state = State::Idle;
    }

    fn renew(&mut self, now: Instant) {
        if let State::Session(session) = &self.state
            && (now >= session.until || session.sent == u32::MAX)
        {
            self.state = State::Idle;
        }
    }
}

impl Session {
    fn sign(
        &mut self,
        message: &dyn SignedFields,
        ids: &mut dyn IdSource,
    ) -> Result<Signature, AssociationError> {
        let (rand, num) = (format!("{:08x}", ids.next_u128() as u32), (self.sent + 1).to_string());
        let params = self.peer.params(None);
        let text = signed_text(self.peer.version, message, &params, &rand, &num)?;
        self.sent += 1;
        Ok(Signature { rand, num, count: self.sent, bytes: self.keys.sign_as_client(text.as_bytes()) })
    }

    /// The signature of this very server and association. What cannot be read is none.
    fn signature_of(&self, message: &Message) -> Option<(SecurityParams, Signature)> {
        let headers = message.envelope().headers();
        ["Authentication-Info", "Proxy-Authentication-Info"].into_iter().find_map(|name| {
            let name_read = HeaderName::resolve(name);
            let list = SecurityParams::read_all(name_read, headers.get_all(name), Role::Server).ok()?;
            let ours = list.into_iter().find(|one| {
                one.realm == self.peer.realm
                    && one.targetname == self.peer.targetname
                    && (one.opaque.is_none() || one.opaque == self.opaque)
            })?;
            let signature = ours.signature.clone()?;
            Some((ours, signature))
        })
    }

    /// Whether this 401 answers the request that carried the proof.
    fn is_refused_by(&self, response: &Response) -> bool {
        let Proof::Sent((call_id, cseq)) = &self.proof else { return false };
        let found = response.headers().get("CSeq").unwrap_or_default();
        response.call_id() == call_id && found == cseq
    }
}

fn carrier(draft: &RequestDraft) -> Carrier {
    let text = |name| draft.get(name).unwrap_or_default().to_owned();
    (text("Call-ID"), text("CSeq"))
}

impl fmt::Debug for AssociationClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Idle => "idle",
            State::Begun(_) => "begun",
            State::Session(_) if self.is_up() => "up",
            State::Session(_) => "answered",
            State::Refused => "refused",
        };
        f.debug_struct("AssociationClient").field("state", &state).finish_non_exhaustive()
    }
}
