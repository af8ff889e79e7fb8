//! The side that asks: nonces without state until they are used, and the verdict on an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::algorithm::hex;
use super::{Accounts, Algorithm, Answer, Authorization, Challenge, Ha1, keyed_hash, same};
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
    /// The password is right, but the nonce is over, used, or another flow's: challenge it with `stale`.
    Stale,
    /// User, password or digest-uri are wrong: challenge it.
    Refused,
    /// The header cannot be read: 400.
    Malformed,
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
    /// The highest count of each used nonce, by its time and random number.
    used: BTreeMap<(u64, u64), u32>,
    /// Nonces up to this time that are not remembered are over.
    floor: u64,
}

impl DigestServer {
    /// A server with a key of its own: what another one made is stale here.
    pub fn new(ids: &mut dyn IdSource, now: Instant) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let (low, high) = key.split_at_mut(16);
        low.copy_from_slice(&ids.next_u128().to_be_bytes());
        high.copy_from_slice(&ids.next_u128().to_be_bytes());
        Self { key, began: now, life: NONCE_LIFE, used_max: USED_MAX, used: BTreeMap::new(), floor: 0 }
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
        [Algorithm::Sha256, Algorithm::Md5]
            .into_iter()
            .map(|algorithm| Challenge::new(realm, nonce.as_str(), algorithm).with_stale(stale))
            .collect()
    }

    /// Judges the `Authorization` of a request, and takes note of the use of its nonce.
    pub fn check(&mut self, request: &Request, flow: &str, accounts: &Accounts, now: Instant) -> Verdict {
        let answers = match request.header::<Authorization>() {
            Ok(Some(Authorization(answers))) => answers,
            Ok(None) => return Verdict::Missing,
            Err(_) => return Verdict::Malformed,
        };
        let Some(answer) = answers.into_iter().find(|answer| accounts.serves(&answer.realm)) else {
            return Verdict::Missing;
        };
        let nonce = self.read_nonce(&answer.nonce, flow, now);
        let Some(user) = self.judge(&answer, request, accounts) else { return Verdict::Refused };
        match nonce.filter(|nonce| self.use_once(*nonce, &answer)) {
            Some(_) => Verdict::Accepted { user },
            None => Verdict::Stale,
        }
    }

    /// Who it is, if the password is right. An unknown user costs what a known one costs.
    fn judge(&self, answer: &Answer, request: &Request, accounts: &Accounts) -> Option<String> {
        let seed = keyed_hash(&self.key, &[b"nobody", answer.username.as_bytes()]);
        let nobody = Ha1::dummy(seed, answer.algorithm);
        let found = accounts.find(&answer.username, &answer.realm, answer.algorithm);
        let ha1 = found.map_or(&nobody, |(_, ha1)| ha1);
        let proof = answer.proof.as_ref();
        let wanted = answer.algorithm.response(ha1, &answer.nonce, proof, request.method(), &answer.uri);
        let right = same(wanted.as_bytes(), answer.response.to_ascii_lowercase().as_bytes());
        let user = found.map(|(user, _)| user.to_owned())?;
        (right && is_uri_of(&answer.uri, request.uri())).then_some(user)
    }

    /// Whether this use is newer than all before it.
    fn use_once(&mut self, nonce: (u64, u64), answer: &Answer) -> bool {
        // Without a count, once is all.
        let nc = answer.proof.as_ref().map_or(u32::MAX, |proof| proof.nc);
        match self.used.get_mut(&nonce) {
            Some(last) if *last < nc && answer.proof.is_some() => *last = nc,
            Some(_) => return false,
            None if nonce.0 <= self.floor || nc == 0 => return false,
            None => {
                self.used.insert(nonce, nc);
            }
        }
        while self.used.len() > self.used_max {
            if let Some(((made, _), _)) = self.used.pop_first() {
                self.floor = self.floor.max(made);
            }
        }
        true
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
        let part = |from: usize| u64::from_str_radix(text.get(from..from + 16)?, 16).ok();
        let (made, random) = (part(0)?, part(16)?);
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

/// Whether the digest-uri names what was requested (RFC 7616 section 3.4.6).
fn is_uri_of(text: &str, uri: &Uri) -> bool {
    text == uri.as_str() || Uri::parse(text).is_ok_and(|digest_uri| digest_uri.equivalent(uri))
}
