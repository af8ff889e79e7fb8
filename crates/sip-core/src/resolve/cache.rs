//! What the DNS said, for as long as it may be believed.
//!
//! # Invariants
//!
//! - At most [`CacheConfig::max_entries`] answers; the one that ends first makes room.
//! - An answer is served until its shortest TTL is over, and never longer than the configuration allows.
//! - Negative answers are kept as well (RFC 2308), failures for a few seconds (RFC 9520).
//! - When the DNS fails, an answer that is over is used for a while longer (RFC 8767).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::question::{Answer, Question};

/// Limits of a [`Cache`]; start from the default and use `with_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheConfig {
    /// Answers kept. Default 1,024.
    pub max_entries: usize,
    /// The longest time that records are believed. Default one hour.
    pub max_ttl: Duration,
    /// The longest time that the absence of records is believed. Default 5 min.
    pub max_negative_ttl: Duration,
    /// For how long a failed question is not asked again. Default 5 s.
    pub failure_ttl: Duration,
    /// For how long records are used after their time, while the DNS fails. Default one hour; zero: never.
    pub stale_for: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_entries: 1_024,
            max_ttl: Duration::from_secs(3_600),
            max_negative_ttl: Duration::from_secs(300),
            failure_ttl: Duration::from_secs(5),
            stale_for: Duration::from_secs(3_600),
        }
    }
}

impl CacheConfig {
    /// With room for this many answers; 0 keeps nothing.
    #[must_use]
    pub fn with_max_entries(mut self, max: usize) -> Self {
        self.max_entries = max;
        self
    }

    /// With this longest time for records.
    #[must_use]
    pub fn with_max_ttl(mut self, max: Duration) -> Self {
        self.max_ttl = max;
        self
    }

    /// With this longest time for the absence of records.
    #[must_use]
    pub fn with_max_negative_ttl(mut self, max: Duration) -> Self {
        self.max_negative_ttl = max;
        self
    }

    /// With this time for failures.
    #[must_use]
    pub fn with_failure_ttl(mut self, ttl: Duration) -> Self {
        self.failure_ttl = ttl;
        self
    }

    /// With this time for records that are over while the DNS fails.
    #[must_use]
    pub fn with_stale_for(mut self, time: Duration) -> Self {
        self.stale_for = time;
        self
    }
}

/// No answer is kept for longer, whatever the configuration says: a sum of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

#[derive(Debug)]
struct Entry {
    answer: Answer,
    fresh_until: Instant,
    /// Its key in `by_end`.
    end: (Instant, u64),
}

/// A bounded store of answers.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_core::resolve::{Answer, Cache, CacheConfig, DomainName, Question, QuestionKind};
///
/// let mut cache = Cache::new(CacheConfig::default());
/// let question = Question::new(DomainName::parse("example.com").unwrap(), QuestionKind::Naptr);
/// let now = Instant::now();
/// cache.learn(&question, Answer::NoData { ttl: Duration::from_secs(60) }, now);
/// assert!(cache.get(&question, now + Duration::from_secs(59)).is_some());
/// assert!(cache.get(&question, now + Duration::from_secs(60)).is_none());
/// ```
#[derive(Debug, Default)]
pub struct Cache {
    config: CacheConfig,
    entries: HashMap<Question, Entry>,
    by_end: BTreeMap<(Instant, u64), Question>,
    newest: u64,
}

impl Cache {
    /// An empty store.
    #[must_use]
    pub fn new(config: CacheConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// The answer, if one is known that may still be believed. TTLs in it are those of the time when it came.
    #[must_use]
    pub fn get(&self, question: &Question, now: Instant) -> Option<Answer> {
        let entry = self.entries.get(question)?;
        (now < entry.fresh_until).then(|| entry.answer.clone())
    }

    /// Keeps an answer, and gives what is to be used: the answer itself, or what was known before if this is a failure.
    pub fn learn(&mut self, question: &Question, answer: Answer, now: Instant) -> Answer {
        if answer.is_failure()
            && let Some(entry) = self.entries.get_mut(question)
            && !entry.answer.is_failure()
            && now < entry.end.0
        {
            // Not asked again at once, but the end stays where it is.
            entry.fresh_until =
                entry.fresh_until.max((now + self.config.failure_ttl.min(LONGEST)).min(entry.end.0));
            return entry.answer.clone();
        }
        self.forget(question);
        let (fresh, stale) = self.times(&answer);
        let (fresh, stale) = (fresh.min(LONGEST), stale.min(LONGEST));
        if fresh.is_zero() || self.config.max_entries == 0 {
            return answer;
        }
        while self.entries.len() >= self.config.max_entries {
            let Some((_, soonest)) = self.by_end.pop_first() else { break };
            self.entries.remove(&soonest);
        }
        self.newest += 1;
        let fresh_until = now + fresh;
        let end = (fresh_until + stale, self.newest);
        self.by_end.insert(end, question.clone());
        self.entries.insert(question.clone(), Entry { answer: answer.clone(), fresh_until, end });
        debug_assert_eq!(self.entries.len(), self.by_end.len(), "each answer has one end");
        answer
    }

    /// Forgets one answer.
    pub fn forget(&mut self, question: &Question) {
        if let Some(entry) = self.entries.remove(question) {
            self.by_end.remove(&entry.end);
        }
    }

    /// Forgets everything: after a change of the network, answers may be others.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.by_end.clear();
    }

    /// How many answers it holds, those that are over included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How long an answer is fresh, and how long it may be used after that.
    fn times(&self, answer: &Answer) -> (Duration, Duration) {
        match answer {
            Answer::Records(records) => {
                let shortest = records.iter().map(|record| record.ttl).min().unwrap_or_default();
                (shortest.min(self.config.max_ttl), self.config.stale_for)
            }
            Answer::NoSuchName { ttl } | Answer::NoData { ttl } => {
                ((*ttl).min(self.config.max_negative_ttl), Duration::ZERO)
            }
            Answer::Failed | Answer::TimedOut => (self.config.failure_ttl, Duration::ZERO),
        }
    }
}
