//! The side that asks: nonces without state until they are used, and the verdict on an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::algorithm::hex;
use super::{
    Accounts, Algorithm, Answer, AuthenticationInfo, Authorization, Challenge, Guard, GuardConfig, Ha1, Kind,
    ProxyAuthorization, keyed_hash, same,
};
use crate::header::HeaderError;
use crate::ids::IdSource;
use crate::message::Request;
use crate::uri::Uri;

/// How long a nonce is good.
const NONCE_LIFE: Duration = Duration::from_secs(600);
/// Used nonces that are remembered; beyond, the oldest ones end early.
const USED_MAX: usize = 65_536;

/// What a server thinks of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was sent by this user: `user@domain`, the domain in lower case.
    Accepted {
        /// Who.
        user: String,
    },
    /// There is no answer in it to a challenge of ours: challenge it.
    Missing,
    /// The nonce is over or another flow's, or it was used and the password is right: challenge it with `stale`.
    Stale,
    /// User, password or digest-uri are wrong: challenge it.
    Refused,
    /// The header cannot be read: 400. An answer with another quality of protection than `auth` is one of those.
    Malformed,
    /// Too many wrong passwords: whether this one is right is not told.
    Locked {
        /// So long.
        wait: Duration,
    },
}

/// The use of a nonce.
struct Used {
    /// The highest count.
    nc: u32,
    /// The session that began with it, and whose it is.
    session: Option<(String, Algorithm, Ha1)>,
}

/// Who answered with a right password, and with which session, if it is one that begins.
struct Proved {
    user: String,
    session: Option<(String, Algorithm, Ha1)>,
}

/// Makes nonces and judges answers; see the module's header.
///
/// A nonce holds the time of its making, a random number, and a keyed hash over both and its flow. Only nonces that
/// were used with a right password are remembered, so nobody else can make the server remember anything.
pub struct DigestServer {
    key: Zeroizing<[u8; 32]>,
    began: Instant,
    life: Duration,
    used_max: usize,
    /// Each used nonce, by its time and random number.
    used: BTreeMap<(u64, u64), Used>,
    /// Nonces up to this time that are not remembered are over.
    floor: u64,
    kind: Kind,
    algorithms: Vec<Algorithm>,
    any_uri: bool,
    guard: Guard,
}

impl DigestServer {
    /// A server with a key of its own: what another one made is stale here.
    pub fn new(ids: &mut dyn IdSource, now: Instant) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let (low, high) = key.split_at_mut(16);
        low.copy_from_slice(&ids.next_u128().to_be_bytes());
        high.copy_from_slice(&ids.next_u128().to_be_bytes());
        Self {
            key,
            began: now,
            life: NONCE_LIFE,
            used_max: USED_MAX,
            used: BTreeMap::new(),
            floor: 0,
            kind: Kind::Www,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            any_uri: false,
            guard: Guard::new(GuardConfig::default()),
        }
    }

    /// Sets whether it asks as a server (401, the default) or as a proxy (407).
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the algorithms that are offered, the preferred one first. Default: SHA-256, MD5. An answer with another one is
    /// refused.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets whether the digest-uri may name something else than the Request-URI. Default: no. Some old clients write
    /// nonsense there (Sipe: `(null)`); then an answer that was captured before it arrived fits another Request-URI, too.
    #[must_use]
    pub fn with_any_uri(mut self, any: bool) -> Self {
        self.any_uri = any;
        self
    }

    /// Sets how guessing is answered. Default: [`GuardConfig::default`].
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sets how long a nonce is good.
    #[must_use]
    pub fn with_life(mut self, life: Duration) -> Self {
        self.life = life;
        self
    }

    /// Sets how many used nonces are remembered.
    #[must_use]
    pub fn with_used_max(mut self, most: usize) -> Self {
        self.used_max = most.max(1);
        self
    }

    /// The challenges of one 401, the strongest first.
    ///
    /// - `flow`: what the nonce is bound to; an answer from elsewhere is stale.
    pub fn challenges(
        &self,
        realm: &str,
        flow: &str,
        stale: bool,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Vec<Challenge> {
        let made = self.millis(now);
        // The lower half of 128 random bits.
        let random = ids.next_u128() as u64;
        let nonce = self.nonce(made, random, flow);
        let one = |algorithm: &Algorithm| Challenge::new(realm, nonce.as_str(), *algorithm).with_stale(stale);
        self.algorithms.iter().map(one).collect()
    }

    /// Judges the `Authorization` (as a proxy: `Proxy-Authorization`) of a request, and takes note of the use of its nonce.
    pub fn check(&mut self, request: &Request, flow: &str, accounts: &Accounts, now: Instant) -> Verdict {
        self.check_from(request, flow, None, accounts, now)
    }

    /// As [`Self::check`]; failures count for the address, too.
    ///
    /// - `address`: where the request came from, if nobody stands between.
    pub fn check_from(
        &mut self,
        request: &Request,
        flow: &str,
        address: Option<IpAddr>,
        accounts: &Accounts,
        now: Instant,
    ) -> Verdict {
        let answers = match self.answers(request) {
            Ok(Some(answers)) => answers,
            Ok(None) => return Verdict::Missing,
            Err(_) => return Verdict::Malformed,
        };
        let Some(answer) = answers.into_iter().find(|answer| accounts.serves(&answer.realm)) else {
            return Verdict::Missing;
        };
        // What is no answer to a nonce of this flow proves nothing either way, and counts for nobody: its sender may be forged.
        let Some(nonce) = self.read_nonce(&answer.nonce, flow, now) else { return Verdict::Stale };
        let proved = self.judge(&answer, nonce, request, accounts);
        let identity = identity(&answer, accounts);
        if let Some(wait) = self.guard.locked(&identity, address, now) {
            return Verdict::Locked { wait };
        }
        let Some(Proved { user, session }) = proved else {
            self.guard.failed(&identity, address, now);
            return Verdict::Refused;
        };
        if !self.use_once(nonce, &answer, session) {
            return Verdict::Stale;
        }
        self.guard.succeeded(&identity, address, now);
        Verdict::Accepted { user }
    }

    fn answers(&self, request: &Request) -> Result<Option<Vec<Answer>>, HeaderError> {
        Ok(match self.kind {
            Kind::Www => request.header::<Authorization>()?.map(|list| list.0),
            Kind::Proxy => request.header::<ProxyAuthorization>()?.map(|list| list.0),
        })
    }

    /// Who it is, if the password is right. An unknown user costs what a known one costs.
    fn judge(
        &self,
        answer: &Answer,
        nonce: (u64, u64),
        request: &Request,
        accounts: &Accounts,
    ) -> Option<Proved> {
        let seed = keyed_hash(&self.key, &[b"nobody", answer.username.as_bytes()]);
        let nobody = Ha1::dummy(seed, answer.algorithm);
        let found = accounts.find(&answer.username, &answer.realm, answer.algorithm);
        let ha1 = found.map_or(&nobody, |(_, ha1)| ha1);
        let user = found.map(|(user, _)| user).filter(|_| !answer.userhash);
        let Some(proof) = &answer.proof else {
            let right = is_response(answer, ha1, None, request);
            let fits = right && self.allows(answer, request);
            return user.filter(|_| fits).map(|user| Proved { user: user.to_owned(), session: None });
        };
        let begins = answer
            .algorithm
            .has_session()
            .then(|| answer.algorithm.session(ha1, &answer.nonce, &proof.cnonce));
        let mut right = is_response(answer, begins.as_ref().unwrap_or(ha1), Some(proof.nc), request);
        // A client may go on with the session that its first answer began, and change its own nonce.
        let goes_on = self.used.get(&nonce).and_then(|used| used.session.as_ref());
        if let Some((of, algorithm, session)) = goes_on
            && Some(of.as_str()) == user
            && *algorithm == answer.algorithm
        {
            right |= is_response(answer, session, Some(proof.nc), request);
        }
        let user = user.filter(|_| right && self.allows(answer, request))?.to_owned();
        let session = begins.map(|session| (user.clone(), answer.algorithm, session));
        Some(Proved { user, session })
    }

    /// Whether algorithm and digest-uri are as they should be.
    fn allows(&self, answer: &Answer, request: &Request) -> bool {
        self.algorithms.contains(&answer.algorithm) && (self.any_uri || is_uri_of(&answer.uri, request.uri()))
    }

    /// Whether this use is newer than all before it.
    fn use_once(
        &mut self,
        nonce: (u64, u64),
        answer: &Answer,
        session: Option<(String, Algorithm, Ha1)>,
    ) -> bool {
        // Without a count, once is all.
        let nc = answer.proof.as_ref().map_or(u32::MAX, |proof| proof.nc);
        match self.used.get_mut(&nonce) {
            Some(used) if used.nc < nc && answer.proof.is_some() => used.nc = nc,
            Some(_) => return false,
            None if nonce.0 <= self.floor || nc == 0 => return false,
            None => {
                self.used.insert(nonce, Used { nc, session });
            }
        }
        while self.used.len() > self.used_max {
            if let Some(((made, _), _)) = self.used.pop_first() {
                self.floor = self.floor.max(made);
            }
        }
        true
    }

    /// What to add to the response to a request that was accepted, as `Authentication-Info` (as a proxy:
    /// `Proxy-Authentication-Info`): the server's own proof, and a new nonce when the old one is half over. `None` for old
    /// peers, which could not read it. For nobody else than the sender of that request.
    pub fn info(
        &self,
        request: &Request,
        flow: &str,
        accounts: &Accounts,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Option<AuthenticationInfo> {
        let answers = self.answers(request).ok()??;
        let answer = answers.into_iter().find(|answer| accounts.serves(&answer.realm))?;
        let proof = answer.proof.clone()?;
        let (_, ha1) = accounts.find(&answer.username, &answer.realm, answer.algorithm)?;
        let (at, random) = parts(&answer.nonce)?;
        let session = self.used.get(&(at, random)).and_then(|used| used.session.as_ref());
        let a1 = session.map_or(ha1, |(_, _, session)| session);
        let nc = format!("{:08x}", proof.nc);
        let with = Some((nc.as_str(), proof.cnonce.as_str()));
        let rspauth = answer.algorithm.respond(a1, &answer.nonce, with, "", &answer.uri);
        let (now, life) = (self.millis(now), u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX));
        // A session is bound to its first nonce.
        let old = session.is_none() && now.saturating_sub(at) > life / 2;
        let next_nonce = old.then(|| self.nonce(now, ids.next_u128() as u64, flow));
        Some(AuthenticationInfo { next_nonce, rspauth: Some(rspauth), proof: Some(proof) })
    }

    fn nonce(&self, made: u64, random: u64, flow: &str) -> String {
        let (made, random) = (made.to_be_bytes(), random.to_be_bytes());
        let mac = keyed_hash(&self.key, &[b"nonce", &made, &random, flow.as_bytes()]);
        format!("{}{}{}", hex(&made), hex(&random), hex(&mac[..16]))
    }

    /// Time and random number of a nonce that is ours, of this flow, and not over. Forgets those that are.
    fn read_nonce(&mut self, text: &str, flow: &str, now: Instant) -> Option<(u64, u64)> {
        let now = self.millis(now);
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        while self.used.first_key_value().is_some_and(|((made, _), _)| made.saturating_add(life) < now) {
            self.used.pop_first();
        }
        let (made, random) = parts(text)?;
        let ours = same(self.nonce(made, random, flow).as_bytes(), text.as_bytes());
        (ours && made <= now && now <= made.saturating_add(life)).then_some((made, random))
    }

    /// Time in a nonce; 0 means none, so that the floor begins below all.
    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }

    /// Used nonces that are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.used.len()
    }
}

impl fmt::Debug for DigestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestServer").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

/// Time and random number of a nonce, whoever made it.
fn parts(nonce: &str) -> Option<(u64, u64)> {
    let part = |from: usize| u64::from_str_radix(nonce.get(from..from + 16)?, 16).ok();
    Some((part(0)?, part(16)?))
}

/// Who is to be locked out if this goes on: the user, by whichever of his names, or a name that nobody has.
fn identity(answer: &Answer, accounts: &Accounts) -> String {
    match accounts.find(&answer.username, &answer.realm, answer.algorithm) {
        Some((user, _)) => user.to_owned(),
        None if answer.username.contains('@') => answer.username.clone(),
        None => format!("{}@{}", answer.username, answer.realm),
    }
}

/// Whether this is the response of who has `a1`. The count is part of it as it is written: some write its letters large.
fn is_response(answer: &Answer, a1: &Ha1, nc: Option<u32>, request: &Request) -> bool {
    let cnonce = answer.proof.as_ref().map_or("", |proof| &proof.cnonce);
    let found = answer.response.to_ascii_lowercase();
    let is = |count: Option<&str>| {
        let with = count.map(|count| (count, cnonce));
        let method = request.method().as_str();
        let wanted = answer.algorithm.respond(a1, &answer.nonce, with, method, &answer.uri);
        same(wanted.as_bytes(), found.as_bytes())
    };
    match nc {
        Some(nc) => is(Some(&format!("{nc:08x}"))) | is(Some(&format!("{nc:08X}"))),
        None => is(None),
    }
}

/// Whether the digest-uri names what was requested (RFC 7616 section 3.4.6).
fn is_uri_of(text: &str, uri: &Uri) -> bool {
    text == uri.as_str() || Uri::parse(text).is_ok_and(|digest_uri| digest_uri.equivalent(uri))
}
