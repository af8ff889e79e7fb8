//! The cache: TTLs, absence, failures, answers that are over, and its bound.

use std::time::{Duration, Instant};

use sip_core::resolve::{Answer, Cache, CacheConfig, LocateConfig, Location, Question, Record, RecordData};
use sip_core::{TransportKind, Uri};

use crate::zone::{TTL, Zone, name, question, run_cached};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(ttls: &[u64]) -> Answer {
    let record =
        |ttl: &u64| Record { owner: name("@"), ttl: secs(*ttl), data: RecordData::A([192, 0, 2, 1].into()) };
    Answer::Records(ttls.iter().map(record).collect())
}

#[test]
fn times_table() {
    let base = CacheConfig::default().with_stale_for(Duration::ZERO);
    let rows = [
        // The shortest TTL counts, up to the limit; zero is not kept.
        (base.clone(), address(&[60, 30, 90]), 30),
        (base.clone(), address(&[1_000_000]), 3_600),
        (base.clone().with_max_ttl(secs(7)), address(&[60]), 7),
        (base.clone(), address(&[60, 0]), 0),
        (base.clone(), address(&[]), 0),
        (base.clone(), Answer::NoSuchName { ttl: secs(60) }, 60),
        (base.clone(), Answer::NoData { ttl: secs(100_000) }, 300),
        (base.clone().with_max_negative_ttl(secs(9)), Answer::NoData { ttl: secs(60) }, 9),
        (base.clone(), Answer::Failed, 5),
        (base.clone().with_failure_ttl(secs(2)), Answer::TimedOut, 2),
        (base.clone().with_failure_ttl(Duration::ZERO), Answer::TimedOut, 0),
        (base.clone().with_max_entries(0), address(&[60]), 0),
        (base.with_max_ttl(Duration::MAX).with_stale_for(Duration::MAX), address(&[u64::MAX]), 365 * 86_400),
    ];
    let asked = question("A @");
    for (config, answer, seconds) in rows {
        let now = Instant::now();
        let mut cache = Cache::new(config);
        assert_eq!(cache.learn(&asked, answer.clone(), now), answer);
        let known = |at: u64| cache.get(&asked, now + secs(at)).is_some();
        assert_eq!(known(0), seconds > 0, "{answer:?}");
        assert!(seconds == 0 || known(seconds - 1), "{answer:?}");
        assert!(!known(seconds), "{answer:?}");
        assert_eq!(cache.is_empty(), seconds == 0);
    }
}

/// RFC 8767: when the DNS fails, what was known serves for a while longer; what it says counts at once.
#[test]
fn old_answers_serve_while_the_dns_fails() {
    let now = Instant::now();
    let asked = question("A @");
    let mut cache = Cache::new(CacheConfig::default().with_stale_for(secs(100)));
    let known = address(&[60]);
    cache.learn(&asked, known.clone(), now);
    assert_eq!(cache.get(&asked, now + secs(60)), None);
    assert_eq!(cache.learn(&asked, Answer::TimedOut, now + secs(60)), known);
    // Not asked again for 5 s.
    assert_eq!(cache.get(&asked, now + secs(64)), Some(known.clone()));
    assert_eq!(cache.get(&asked, now + secs(65)), None);
    assert_eq!(cache.learn(&asked, Answer::Failed, now + secs(159)), known);
    assert_eq!(cache.get(&asked, now + secs(160)), None);
    assert_eq!(cache.learn(&asked, Answer::Failed, now + secs(160)), Answer::Failed);
    // Absence is no failure.
    cache.learn(&asked, known, now + secs(200));
    let gone = Answer::NoSuchName { ttl: TTL };
    assert_eq!(cache.learn(&asked, gone.clone(), now + secs(201)), gone);
    assert_eq!(cache.get(&asked, now + secs(201)), Some(gone));
    cache.forget(&asked);
    assert!(cache.is_empty());
}

#[test]
fn the_cache_is_bounded() {
    let now = Instant::now();
    let mut cache = Cache::new(CacheConfig::default().with_max_entries(10));
    let of = |n: u64| -> Question { question(&format!("A h{n}.@")) };
    for n in 0..1_000 {
        // The later ones end sooner, but for the ten first ones.
        let ttl = if n < 10 { 100 + n } else { 50 };
        cache.learn(&of(n), address(&[ttl]), now);
        assert!(cache.len() <= 10);
    }
    // What ends first made room: the newest is always there, and those with the longest time left.
    assert!(cache.get(&of(999), now).is_some());
    assert!(cache.get(&of(9), now).is_some());
    assert!(cache.get(&of(998), now).is_none());
    cache.clear();
    assert_eq!(cache.len(), 0);
}

/// A second search asks nothing while the answers last; then it asks again.
#[test]
fn searches_share_the_cache() {
    let zone = Zone::new("_sip._udp.@ SRV 0 0 5060 one.@\n one.@ A 192.0.2.1");
    let uri = Uri::parse("sip:example.test").unwrap();
    let config = LocateConfig::new(&[TransportKind::Udp]);
    let mut cache = Cache::new(CacheConfig::default());
    let start = Instant::now();
    // NAPTR and AAAA are absent, and that is remembered too.
    for (at, asked) in [(0, 4), (1, 0), (59, 0), (60, 4), (61, 0)] {
        let now = start + secs(at);
        let search = run_cached(Location::new(&uri, &config, 1, now), &zone, &mut cache, now);
        assert_eq!(search.text(), "udp:192.0.2.1:5060");
        assert_eq!(search.asked.len(), asked, "after {at} s: {:?}", search.asked);
    }
}
