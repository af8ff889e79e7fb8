//! Searches and orders over arbitrary zones: whatever the DNS says, the promises hold.

use std::collections::HashSet;
use std::time::Instant;

use proptest::prelude::*;
use sip_core::resolve::{
    Answer, Cache, CacheConfig, Destination, DestinationMemory, DomainName, LocateConfig, Location,
    MemoryConfig, Naptr, QuestionKind, Record, RecordData, Srv, order_srv,
};
use sip_core::{SeededIds, TransportKind, Uri};

use crate::zone::{TTL, name};

/// Few names, so that answers often point at each other and at the question.
fn any_name() -> impl Strategy<Value = DomainName> {
    let names = [
        "@",
        "a.@",
        "b.@",
        "c.@",
        "other.test",
        "_sip._udp.@",
        "_sip._tcp.@",
        "_sips._tcp.@",
        "_sip._udp.other.test",
    ];
    prop::sample::select(names.to_vec()).prop_map(name)
}

fn any_srv() -> impl Strategy<Value = Srv> {
    let target = prop::option::weighted(0.9, any_name());
    (0..4_u16, prop_oneof![Just(0), 0..10_u16, any::<u16>()], 0..3_u16, target)
        .prop_map(|(priority, weight, port, target)| Srv { priority, weight, port, target })
}

fn any_naptr() -> impl Strategy<Value = Naptr> {
    let service = prop::sample::select(vec!["SIP+D2U", "sip+d2t", "SIPS+D2T", "SIP+D2S", "nonsense"]);
    let flags = prop::sample::select(vec!["s", "S", "u", ""]);
    (0..3_u16, 0..3_u16, flags, service, prop::option::weighted(0.9, any_name())).prop_map(
        |(order, preference, flags, service, replacement)| Naptr {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            regexp: String::new(),
            replacement,
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    let data = prop_oneof![
        any_naptr().prop_map(RecordData::Naptr),
        any_srv().prop_map(RecordData::Srv),
        (0..9_u8).prop_map(|n| RecordData::A([192, 0, 2, n].into())),
        (0..9_u16).prop_map(|n| RecordData::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into())),
        any_name().prop_map(RecordData::Alias),
    ];
    (any_name(), data).prop_map(|(owner, data)| Record { owner, ttl: TTL, data })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        6 => prop::collection::vec(any_record(), 0..24).prop_map(Answer::Records),
        1 => Just(Answer::NoData { ttl: TTL }),
        1 => Just(Answer::NoSuchName { ttl: TTL }),
        1 => Just(Answer::Failed),
        1 => Just(Answer::TimedOut),
    ]
}

const URIS: [&str; 6] = [
    "sip:example.test",
    "sips:example.test",
    "sip:example.test;transport=tcp",
    "sip:example.test:5070",
    "sip:a.example.test;transport=tls",
    "sip:other.test;maddr=example.test",
];

proptest! {
    /// Priorities never fall, every record with a place is there once, and nothing else is.
    #[test]
    fn srv_order_respects_priority(records in prop::collection::vec(any_srv(), 0..64), seed in any::<u64>()) {
        let ordered = order_srv(&records, &mut SeededIds::new(seed));
        prop_assert!(ordered.windows(2).all(|two| two[0].priority <= two[1].priority));
        let usable = |r: &&Srv| r.target.is_some() && r.port != 0;
        let key = |r: &Srv| format!("{r:?}");
        let expected: HashSet<String> = records.iter().filter(usable).map(key).collect();
        let found: HashSet<String> = ordered.iter().map(key).collect();
        prop_assert_eq!(found.len(), ordered.len());
        prop_assert_eq!(found, expected);
        prop_assert_eq!(order_srv(&records, &mut SeededIds::new(seed)), ordered);
    }

    /// Whatever is answered, in whatever order: the search ends, within its limits, each place once, `sips` over TLS alone.
    #[test]
    fn every_search_ends(
        answers in prop::collection::vec(any_answer(), 1..12),
        uri in prop::sample::select(URIS.to_vec()),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        seed in any::<u64>(),
        (questions, aliases, hosts, places) in (0..40_usize, 0..5_usize, 1..6_usize, 1..6_usize),
    ) {
        let now = Instant::now();
        let all = [TransportKind::Udp, TransportKind::Tcp, TransportKind::Tls];
        let config = LocateConfig::new(&all)
            .with_max_questions(questions)
            .with_max_aliases(aliases)
            .with_max_hosts(hosts)
            .with_max_destinations(places)
            .with_max_records(20);
        let uri = Uri::parse(uri).unwrap();
        let mut cache = Cache::new(CacheConfig::default().with_max_entries(8));
        let mut location = Location::new(&uri, &config, seed, now).unwrap();
        let (mut open, mut asked) = (Vec::new(), 0);
        let mut answers = answers.iter().cycle();
        let mut picks = picks.iter().cycle();
        while location.outcome().is_none() {
            while let Some(question) = location.poll_question(&cache, now) {
                asked += 1;
                prop_assert!(!open.contains(&question));
                open.push(question);
            }
            if location.outcome().is_some() {
                break;
            }
            prop_assert!(!open.is_empty(), "nothing to wait for");
            let question = open.swap_remove(picks.next().unwrap().index(open.len()));
            location.handle_answer(&question, answers.next().unwrap().clone(), &mut cache, now);
            prop_assert!(cache.len() <= 8);
        }
        prop_assert!(asked <= questions, "{asked} questions");
        prop_assert_eq!(location.poll_timeout(), None);
        if let Some(Ok(found)) = location.outcome() {
            prop_assert!((1..=places).contains(&found.len()));
            let distinct: HashSet<&Destination> = found.iter().collect();
            prop_assert_eq!(distinct.len(), found.len());
            for one in found {
                prop_assert!(uri.scheme() != sip_core::Scheme::Sips || one.transport == TransportKind::Tls);
                prop_assert_eq!(one.identity.to_string(), uri.host());
                prop_assert!(one.addr.port() != 0);
            }
        }
    }

    /// The memory stays within its bounds and loses no destination of a list.
    #[test]
    fn memory_is_bounded(steps in prop::collection::vec((0..5_u8, 0..20_u8, 0..100_u64), 0..40)) {
        let start = Instant::now();
        let config = MemoryConfig::default().with_max_bad(5).with_max_kept(4);
        let mut memory = DestinationMemory::new(config);
        let all: Vec<Destination> = (0..20_u8)
            .map(|n| Destination {
                transport: TransportKind::Udp,
                addr: ([192, 0, 2, n], 5060).into(),
                identity: "example.test".parse().unwrap(),
            })
            .collect();
        let mut now = start;
        for (what, which, seconds) in steps {
            now += std::time::Duration::from_secs(seconds / 10);
            let one = &all[usize::from(which)];
            match what {
                0 => memory.failed(one, now),
                1 => memory.told_to_wait(one, std::time::Duration::from_secs(seconds), now),
                2 => memory.works(None, one),
                3 => memory.works(Some(&format!("dialog {which}")), one),
                _ => memory.release(&format!("dialog {which}")),
            }
            let (bad, kept) = memory.len();
            prop_assert!(bad <= 5 && kept <= 4);
            let who = format!("dialog {which}");
            let arranged = memory.arrange(Some(&who), &all, now);
            prop_assert_eq!(arranged.iter().collect::<HashSet<_>>(), all.iter().collect::<HashSet<_>>());
            prop_assert_eq!(arranged.len(), all.len());
            let bads: Vec<bool> = arranged.iter().map(|one| memory.is_bad(one, now)).collect();
            prop_assert!(bads.is_sorted(), "what failed comes last");
        }
    }

    /// No text makes a name panic; what is accepted reads back.
    #[test]
    fn names(text in "[-_.a-zA-Z0-9é ]{0,80}") {
        if let Ok(name) = DomainName::parse(&text) {
            prop_assert_eq!(DomainName::parse(name.as_str()).unwrap(), name.clone());
            prop_assert!(name.as_str().len() <= 253);
        }
    }
}

/// A question of each kind has its words; names have theirs.
#[test]
fn names_table() {
    let long = "a".repeat(63);
    let fits = format!("{long}.{long}.{long}.{}", "b".repeat(61));
    for good in ["a", "A.b", "a.", "_sip._udp.a", "1.2", &fits] {
        assert!(DomainName::parse(good).is_ok(), "{good}");
    }
    for bad in ["", ".", "a..", "a..b", ".a", "a b", "ä", "a/b", &format!("{fits}b"), &format!("{long}a.b")]
    {
        assert!(DomainName::parse(bad).is_err(), "{bad}");
    }
    assert!(DomainName::parse(&fits).unwrap().prefixed("_sip._udp").is_none());
    let all = [QuestionKind::Naptr, QuestionKind::Srv, QuestionKind::A, QuestionKind::Aaaa];
    assert_eq!(all.map(|kind| kind.to_string()), ["NAPTR", "SRV", "A", "AAAA"]);
}
