//! The server's side: challenges without state, associations that are bounded, and signatures for all that is sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{
    AssociationError, DEFAULT_REALM, ReplayWindow, Role, SecurityParams, Signature, SignedFields,
    VERSION_MAX, signed_text,
};
use crate::auth::algorithm::hex;
use crate::auth::ntlm::{
    AuthenticateMessage, ChallengeMessage, FileTime, Flags, NtHash, NtHashes, SessionKeys, TargetInfo,
};
use crate::auth::{Guard, GuardConfig, Kind, keyed_hash, same};
use crate::build::{RequestDraft, ResponseDraft};
use crate::header::HeaderName;
use crate::ids::IdSource;
use crate::message::{Request, Response};

/// Names and limits of a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AssociationConfig {
    /// The realm of the service. Default: [`DEFAULT_REALM`].
    pub realm: String,
    /// The name of this server.
    pub targetname: String,
    /// The version that is offered: 2, 3 or 4. Default: 4.
    pub version: u8,
    /// The oldest version that is taken. Default: 3; version 2 signs less.
    pub version_min: u8,
    /// What clients are told about the server. Default: its name as DNS name.
    pub target_info: TargetInfo,
    /// Whether clients are told the time: then they have to repeat it, and newer ones add a MIC. Default: true.
    pub tells_time: bool,
    /// Whether an answer without a MIC is refused. Default: false, as old clients know none.
    pub mic_needed: bool,
    /// Whether sealing keys of less than 128 bits are refused. Default: false: they weaken no signing key.
    pub key_128_needed: bool,
    /// How long an association is good. Default: 8 h.
    pub life: Duration,
    /// How long a challenge may be answered. Default: 60 s.
    pub handshake_life: Duration,
    /// Associations; beyond, the oldest ones end. Default: 20,000.
    pub associations_max: usize,
    /// Associations of one user; beyond, his oldest ones end. Default: 16.
    pub per_user_max: usize,
}

impl AssociationConfig {
    /// The defaults, for a server of this name.
    pub fn new(targetname: impl Into<String>) -> Self {
        let targetname = targetname.into();
        Self {
            realm: DEFAULT_REALM.to_owned(),
            target_info: TargetInfo::new().with_dns_computer(&targetname),
            targetname,
            version: VERSION_MAX,
            version_min: 3,
            tells_time: true,
            mic_needed: false,
            key_128_needed: false,
            life: Duration::from_secs(8 * 3600),
            handshake_life: Duration::from_secs(60),
            associations_max: 20_000,
            per_user_max: 16,
        }
    }

    /// Sets the realm.
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Sets the version that is offered, and the oldest one that is taken.
    #[must_use]
    pub fn with_versions(mut self, offered: u8, oldest: u8) -> Self {
        (self.version, self.version_min) = (offered.clamp(2, VERSION_MAX), oldest);
        self
    }

    /// Sets what clients are told about the server.
    #[must_use]
    pub fn with_target_info(mut self, info: TargetInfo) -> Self {
        self.target_info = info;
        self
    }

    /// Sets whether clients are told the time, and whether their MIC is needed.
    #[must_use]
    pub fn with_time(mut self, told: bool, mic_needed: bool) -> Self {
        (self.tells_time, self.mic_needed) = (told, mic_needed);
        self
    }

    /// Sets whether 128 bits are needed.
    #[must_use]
    pub fn with_key_128_needed(mut self, needed: bool) -> Self {
        self.key_128_needed = needed;
        self
    }

    /// Sets how long associations and challenges are good.
    #[must_use]
    pub fn with_lives(mut self, association: Duration, challenge: Duration) -> Self {
        (self.life, self.handshake_life) = (association, challenge);
        self
    }

    /// Sets how many associations there may be, in all and for each user.
    #[must_use]
    pub fn with_limits(mut self, all: usize, per_user: usize) -> Self {
        (self.associations_max, self.per_user_max) = (all.max(1), per_user.max(1));
        self
    }
}

/// Names one association.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(String);

/// What a server thinks of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssociationVerdict {
    /// It is from this user. All that is sent to him on this flow has to be signed from now on.
    Accepted {
        /// Who: `user@domain`, the domain in lower case. That From names him is for the caller to see to.
        user: String,
        /// The association that it opened or is in.
        association: AssociationId,
    },
    /// It begins a handshake: 401 with this challenge.
    Continue {
        /// The value of `WWW-Authenticate` or `Proxy-Authenticate`.
        challenge: String,
    },
    /// There is nothing of ours in it, or it is over: 401 with [`AssociationServer::challenge`].
    Missing,
    /// User or password are wrong, or the client offers too little: 401 with [`AssociationServer::challenge`].
    Refused,
    /// Too many wrong passwords: neither was this one looked at.
    Locked {
        /// So long.
        wait: Duration,
    },
    /// The signature is wrong: 403, or close the connection.
    Forged,
    /// It came before: no effect, no answer.
    Replayed,
    /// The header cannot be read: 400.
    Malformed,
}

struct Association {
    user: String,
    flow: String,
    kind: Kind,
    version: u8,
    keys: SessionKeys,
    sent: u32,
    window: ReplayWindow,
    until: Instant,
    number: u64,
}

/// A challenge in the words of its `opaque`: when it was made, and a random number.
type Made = (u64, u64);

/// The associations of a server with its clients; see the module's header.
///
/// A challenge is computed from its `opaque`, its flow, and a key: who only asks makes the server remember nothing.
pub struct AssociationServer {
    config: AssociationConfig,
    key: Zeroizing<[u8; 32]>,
    began: Instant,
    began_at: FileTime,
    associations: HashMap<AssociationId, Association>,
    /// In the order in which they were made.
    by_number: BTreeMap<u64, AssociationId>,
    by_user: HashMap<String, BTreeSet<u64>>,
    /// Challenges that were answered rightly and would still be good; bounded as associations are.
    used: BTreeSet<Made>,
    /// Challenges up to this time are over.
    floor: u64,
    next: u64,
    guard: Guard,
}

impl AssociationServer {
    /// With a key of its own: what another server asked is nothing here.
    ///
    /// - `time`: the time of day at `now`.
    pub fn new(config: AssociationConfig, ids: &mut dyn IdSource, time: FileTime, now: Instant) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let (low, high) = key.split_at_mut(16);
        low.copy_from_slice(&ids.next_u128().to_be_bytes());
        high.copy_from_slice(&ids.next_u128().to_be_bytes());
        Self {
            config,
            key,
            began: now,
            began_at: time,
            associations: HashMap::new(),
            by_number: BTreeMap::new(),
            by_user: HashMap::new(),
            used: BTreeSet::new(),
            floor: 0,
            next: 0,
            guard: Guard::new(GuardConfig::default()),
        }
    }

    /// Sets how guessing is answered.
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// The challenge that begins: the value of `WWW-Authenticate` or `Proxy-Authenticate`.
    #[must_use]
    pub fn challenge(&self) -> String {
        self.params().write(Role::Server)
    }

    fn params(&self) -> SecurityParams {
        SecurityParams {
            realm: self.config.realm.clone(),
            targetname: self.config.targetname.clone(),
            version: (self.config.version > 2).then_some(self.config.version),
            ..SecurityParams::default()
        }
    }

    /// Judges a request.
    ///
    /// - `flow`: what associations are bound to. `address`: where it came from, if nobody stands between.
    pub fn check_request(
        &mut self,
        request: &Request,
        flow: &str,
        address: Option<IpAddr>,
        hashes: &dyn NtHashes,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> AssociationVerdict {
        self.forget_old(now);
        let (kind, params) = match self.find_params(request) {
            Ok(Some(found)) => found,
            Ok(None) => return AssociationVerdict::Missing,
            Err(()) => return AssociationVerdict::Malformed,
        };
        match params.token.as_deref() {
            None => self.check_signature(request, flow, &params),
            Some([]) => {
                let made = (self.millis(now), ids.next_u128() as u64);
                let mut answer = self.params();
                answer.opaque = Some(self.opaque(made, flow));
                answer.token = Some(self.message(made, flow).write());
                AssociationVerdict::Continue { challenge: answer.write(Role::Server) }
            }
            Some(token) => match AuthenticateMessage::read(token) {
                Ok(message) => {
                    let login = Answered { kind, params: &params, message, flow, address };
                    self.prove(request, login, hashes, now)
                }
                Err(_) => AssociationVerdict::Malformed,
            },
        }
    }

    /// Judges a response of a client to a request of ours.
    pub fn check_response(&mut self, response: &Response, flow: &str, now: Instant) -> AssociationVerdict {
        self.forget_old(now);
        match self.find_params(response) {
            Ok(Some((_, params))) => self.check_signature(response, flow, &params),
            Ok(None) => AssociationVerdict::Missing,
            Err(()) => AssociationVerdict::Malformed,
        }
    }

    /// The parameters for this server.
    fn find_params(&self, message: &dyn SignedFields) -> Result<Option<(Kind, SecurityParams)>, ()> {
        for kind in [Kind::Www, Kind::Proxy] {
            let name = kind.answer_header();
            let values = message.lines(name).into_iter();
            let list = SecurityParams::read_all(HeaderName::resolve(name), values, Role::Client);
            let ours = list.map_err(|_| ())?.into_iter();
            let mut ours =
                ours.filter(|one| one.realm == self.config.realm && one.targetname == self.config.targetname);
            if let Some(params) = ours.next() {
                return Ok(Some((kind, params)));
            }
        }
        Ok(None)
    }

    fn check_signature(
        &mut self,
        message: &dyn SignedFields,
        flow: &str,
        params: &SecurityParams,
    ) -> AssociationVerdict {
        let (Some(opaque), Some(signature)) = (&params.opaque, &params.signature) else {
            return AssociationVerdict::Missing;
        };
        let id = AssociationId(opaque.clone());
        let Some(one) = self.associations.get_mut(&id).filter(|one| one.flow == flow) else {
            return AssociationVerdict::Missing;
        };
        match one.judge(message, params, signature) {
            Ok(()) => AssociationVerdict::Accepted { user: one.user.clone(), association: id },
            Err(verdict) => verdict,
        }
    }

    /// The end of a handshake. An unknown user costs what a known one costs.
    fn prove(
        &mut self,
        request: &Request,
        login: Answered<'_>,
        hashes: &dyn NtHashes,
        now: Instant,
    ) -> AssociationVerdict {
        let Answered { kind, params, message, flow, address } = login;
        // Who did not see the challenge on this flow has not answered it: he is not counted for a guess.
        let made = params.opaque.as_deref().and_then(|text| self.read_opaque(text, flow));
        let Some(made) = made.filter(|made| self.is_open(*made, now)) else {
            return AssociationVerdict::Missing;
        };
        let (typed, domain) = (message.user(), message.domain());
        let seed = keyed_hash(&self.key, &[b"nobody", typed.as_bytes(), domain.as_bytes()]);
        let nobody = NtHash::dummy(&seed);
        let found = hashes.nt_hash(typed, domain);
        let keys = self.message(made, flow).verify(&message, found.map_or(&nobody, |(_, hash)| hash));
        let user = found.map(|(user, _)| user.to_owned());
        let identity = user.clone().unwrap_or_else(|| match typed.contains('@') {
            true => typed.to_owned(),
            false => format!("{typed}@{domain}"),
        });
        if let Some(wait) = self.guard.locked(&identity, address, now) {
            return AssociationVerdict::Locked { wait };
        }
        let enough = (!self.config.mic_needed || message.target_info().has_mic_flag())
            && (!self.config.key_128_needed || message.flags().has(Flags::KEY_128));
        let (Ok(keys), Some(user)) = (keys, user) else {
            self.guard.failed(&identity, address, now);
            return AssociationVerdict::Refused;
        };
        let version = params.version.unwrap_or(2);
        if !enough || version > self.config.version || version < self.config.version_min.max(2) {
            return AssociationVerdict::Refused;
        }
        let mut one = Association {
            user: user.clone(),
            flow: flow.to_owned(),
            kind,
            version,
            keys,
            sent: 0,
            window: ReplayWindow::default(),
            until: now.checked_add(self.config.life).unwrap_or(now),
            number: self.next,
        };
        // From version 4 on, the request that carries the answer is signed, too.
        let signed = match &params.signature {
            Some(signature) => one.judge(request, params, signature),
            None if version > 3 => Err(AssociationVerdict::Forged),
            None => Ok(()),
        };
        if let Err(verdict) = signed {
            return verdict;
        }
        self.guard.succeeded(&identity, address, now);
        self.use_up(made);
        let association = AssociationId(self.opaque(made, flow));
        self.insert(association.clone(), one);
        AssociationVerdict::Accepted { user, association }
    }

    /// The challenge of an `opaque`.
    fn message(&self, made: Made, flow: &str) -> ChallengeMessage {
        let (at, random) = (made.0.to_be_bytes(), made.1.to_be_bytes());
        let seed = keyed_hash(&self.key, &[b"challenge", &at, &random, flow.as_bytes()]);
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&seed[..8]);
        let info = self.config.target_info.clone();
        let info = match self.config.tells_time {
            true => info.with_time(self.began_at.plus_millis(made.0)),
            false => info,
        };
        ChallengeMessage::new(nonce, Flags::OFFER, info)
    }

    fn opaque(&self, (at, random): Made, flow: &str) -> String {
        let (at, random) = (at.to_be_bytes(), random.to_be_bytes());
        let mac = keyed_hash(&self.key, &[b"opaque", &at, &random, flow.as_bytes()]);
        hex(&at) + &hex(&random) + &hex(&mac[..8])
    }

    /// When it was made, if it was made here for this flow.
    fn read_opaque(&self, text: &str, flow: &str) -> Option<Made> {
        let part = |from: usize| u64::from_str_radix(text.get(from..from + 16)?, 16).ok();
        let made = (part(0)?, part(16)?);
        same(self.opaque(made, flow).as_bytes(), text.as_bytes()).then_some(made)
    }

    fn is_open(&self, made: Made, now: Instant) -> bool {
        let now = self.millis(now);
        let until = made.0.saturating_add(self.handshake_millis());
        made.0 > self.floor && made.0 <= now && now <= until && !self.used.contains(&made)
    }

    fn use_up(&mut self, made: Made) {
        self.used.insert(made);
        while self.used.len() > self.config.associations_max {
            if let Some((at, _)) = self.used.pop_first() {
                self.floor = self.floor.max(at);
            }
        }
    }

    fn insert(&mut self, id: AssociationId, one: Association) {
        self.next += 1;
        let numbers = self.by_user.entry(one.user.clone()).or_default();
        numbers.insert(one.number);
        let oldest_of_user =
            if numbers.len() > self.config.per_user_max { numbers.first().copied() } else { None };
        self.by_number.insert(one.number, id.clone());
        self.associations.insert(id, one);
        if let Some(id) = oldest_of_user.and_then(|number| self.by_number.get(&number).cloned()) {
            self.end(&id);
        }
        while self.associations.len() > self.config.associations_max {
            let Some(id) = self.by_number.first_key_value().map(|(_, id)| id.clone()) else { return };
            self.end(&id);
        }
        debug_assert_eq!(self.associations.len(), self.by_number.len(), "two views of the same associations");
    }

    /// Ends an association: the user is signed out.
    pub fn end(&mut self, id: &AssociationId) {
        let Some(one) = self.associations.remove(id) else { return };
        self.by_number.remove(&one.number);
        if let Some(numbers) = self.by_user.get_mut(&one.user) {
            numbers.remove(&one.number);
            if numbers.is_empty() {
                self.by_user.remove(&one.user);
            }
        }
    }

    /// Ends all associations of a flow: it is closed.
    pub fn end_flow(&mut self, flow: &str) {
        let ends = self.associations.iter().filter(|(_, one)| one.flow == flow);
        let ends: Vec<AssociationId> = ends.map(|(id, _)| id.clone()).collect();
        ends.iter().for_each(|id| self.end(id));
    }

    /// The newest association of a user on a flow: with it all has to be signed that is sent to him there.
    #[must_use]
    pub fn find(&self, user: &str, flow: &str) -> Option<AssociationId> {
        let numbers = self.by_user.get(user)?.iter().rev();
        let mut ids = numbers.filter_map(|number| self.by_number.get(number));
        ids.find(|id| self.associations.get(*id).is_some_and(|one| one.flow == flow)).cloned()
    }

    /// How many associations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.associations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    /// Signs a response, as the last step before it is sent. 1xx, 401 and 407 need none.
    ///
    /// # Errors
    ///
    /// [`AssociationError::NoAssociation`], [`AssociationError::Unsignable`].
    pub fn sign_response(
        &mut self,
        id: &AssociationId,
        draft: &mut ResponseDraft,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Result<(), AssociationError> {
        let (name, value) = self.sign(id, draft, ids, now)?;
        draft.push_header(name, value);
        Ok(())
    }

    /// Signs a request to a client, as the last step before it is sent.
    ///
    /// # Errors
    ///
    /// [`AssociationError::NoAssociation`], [`AssociationError::Unsignable`].
    pub fn sign_request(
        &mut self,
        id: &AssociationId,
        draft: &mut RequestDraft,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Result<(), AssociationError> {
        let (name, value) = self.sign(id, draft, ids, now)?;
        draft.push_header(name, value);
        Ok(())
    }

    fn sign(
        &mut self,
        id: &AssociationId,
        message: &dyn SignedFields,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Result<(&'static str, String), AssociationError> {
        self.forget_old(now);
        let mut params = self.params();
        (params.version, params.opaque) = (None, Some(id.0.clone()));
        let one = self.associations.get_mut(id).ok_or(AssociationError::NoAssociation)?;
        let count = one.sent.checked_add(1).ok_or(AssociationError::NoAssociation)?;
        let (rand, num) = (format!("{:08x}", ids.next_u128() as u32), count.to_string());
        let text = signed_text(one.version, message, &params, &rand, &num)?;
        one.sent = count;
        let bytes = one.keys.sign_as_server(text.as_bytes());
        params.signature = Some(Signature { rand, num, count, bytes });
        let name = match one.kind {
            Kind::Www => "Authentication-Info",
            Kind::Proxy => "Proxy-Authentication-Info",
        };
        Ok((name, params.write(Role::Server)))
    }

    /// Associations all live equally long: the oldest end first.
    fn forget_old(&mut self, now: Instant) {
        while let Some(id) = self.by_number.first_key_value().map(|(_, id)| id.clone()) {
            if self.associations.get(&id).is_some_and(|one| now < one.until) {
                break;
            }
            self.end(&id);
        }
        let (now, life) = (self.millis(now), self.handshake_millis());
        while self.used.first().is_some_and(|(made, _)| made.saturating_add(life) < now) {
            self.used.pop_first();
        }
    }

    fn handshake_millis(&self) -> u64 {
        u64::try_from(self.config.handshake_life.as_millis()).unwrap_or(u64::MAX)
    }

    /// Time in an `opaque`; 0 means none, so that the floor begins below all.
    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }
}

/// A request with an answer to a challenge.
struct Answered<'a> {
    kind: Kind,
    params: &'a SecurityParams,
    message: AuthenticateMessage,
    flow: &'a str,
    address: Option<IpAddr>,
}

impl Association {
    fn judge(
        &mut self,
        message: &dyn SignedFields,
        params: &SecurityParams,
        signature: &Signature,
    ) -> Result<(), AssociationVerdict> {
        let text = signed_text(self.version, message, params, &signature.rand, &signature.num);
        let right = text.is_ok_and(|text| self.keys.is_of_client(text.as_bytes(), &signature.bytes));
        if !right {
            return Err(AssociationVerdict::Forged);
        }
        if !self.window.take(signature.count) {
            return Err(AssociationVerdict::Replayed);
        }
        Ok(())
    }
}

impl fmt::Debug for AssociationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssociationServer").field("associations", &self.len()).finish_non_exhaustive()
    }
}
