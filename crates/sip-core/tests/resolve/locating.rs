//! From URIs to destinations: RFC 3263 sections 4.1 and 4.2 as tables over written zones.

use std::time::{Duration, Instant};

use sip_core::resolve::{
    AddressFamilies, Answer, Cache, CacheConfig, LocateConfig, LocateError, Location, Record, RecordData,
};
use sip_core::{Endpoint, EndpointConfig, SeededIds, Target, TransportKind, Uri};

use crate::zone::{Search, TTL, Zone, name, question, run};

pub(crate) fn speaks(text: &str) -> Vec<TransportKind> {
    text.split(' ').filter(|t| !t.is_empty()).map(|t| t.parse().expect("a transport")).collect()
}

fn locate(uri: &str, transports: &str, zone: &str) -> Search {
    let uri = Uri::parse(&uri.replace('@', "example.test").replace('#', "@")).expect("a URI");
    let config = LocateConfig::new(&speaks(transports));
    run(Location::new(&uri, &config, 1, Instant::now()), &Zone::new(zone))
}

/// The domain of RFC 3263 section 4.1's example: TLS before TCP before UDP, two hosts.
const FULL: &str = "
    @ NAPTR 50 50 s SIPS+D2T - _sips._tcp.@
    @ NAPTR 90 50 s SIP+D2T - _sip._tcp.@
    @ NAPTR 100 50 s SIP+D2U - _sip._udp.@
    _sips._tcp.@ SRV 0 1 5061 one.@
    _sips._tcp.@ SRV 1 1 5061 two.@
    _sip._tcp.@ SRV 0 1 5060 one.@
    _sip._tcp.@ SRV 1 2 5060 two.@
    _sip._udp.@ SRV 0 1 5060 one.@
    _sip._udp.@ SRV 1 2 5060 two.@
    one.@ A 192.0.2.1
    two.@ A 192.0.2.2
";

/// No NAPTR.
const SRV_ONLY: &str = "
    _sip._tcp.@ SRV 0 0 5070 one.@
    _sip._udp.@ SRV 0 0 5080 one.@
    one.@ A 192.0.2.1
    @ A 192.0.2.9
";

const ADDRESS_ONLY: &str = "
    @ A 192.0.2.9
    @ AAAA 2001:db8::9
";

/// In URIs, `@` is the domain and `#` the sign.
#[test]
fn uris_without_dns() {
    let rows = [
        ("sip:192.0.2.1", "udp tcp tls", "udp:192.0.2.1:5060"),
        ("sip:192.0.2.1:5080", "udp tcp tls", "udp:192.0.2.1:5080"),
        ("sip:bob#192.0.2.1;transport=tcp", "udp tcp tls", "tcp:192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=TLS", "udp tcp tls", "tls:192.0.2.1:5061"),
        ("sip:192.0.2.1", "tcp tls", "tcp:192.0.2.1:5060"),
        ("sip:192.0.2.1", "tls tcp", "tls:192.0.2.1:5061"),
        ("sips:192.0.2.1", "udp tcp tls", "tls:192.0.2.1:5061"),
        ("sips:192.0.2.1:5080;transport=tcp", "udp tcp tls", "tls:192.0.2.1:5080"),
        ("sips:192.0.2.1;transport=tls", "tls", "tls:192.0.2.1:5061"),
        ("sip:[2001:db8::1]", "udp tcp tls", "udp:[2001:db8::1]:5060"),
        ("sips:[2001:db8::1]:5080", "udp tcp tls", "tls:[2001:db8::1]:5080"),
        ("sip:@;maddr=192.0.2.7", "udp", "udp:192.0.2.7:5060"),
        ("sip:@:5090;maddr=[2001:db8::7];transport=tcp", "udp tcp", "tcp:[2001:db8::7]:5090"),
        ("sip:192.0.2.1;maddr=239.255.255.1", "udp tcp", "udp:239.255.255.1:5060"),
        ("sips:192.0.2.1", "udp tcp", "Transport"),
        ("sips:192.0.2.1;transport=udp", "udp tcp tls", "Transport"),
        ("sip:192.0.2.1;transport=sctp", "udp tcp tls", "Transport"),
        ("sip:192.0.2.1;transport=tcp", "udp tls", "Transport"),
        ("sip:192.0.2.1", "", "Transport"),
        ("tel:+12015550123", "udp tcp tls", "Scheme"),
        ("mailto:bob#example.test", "udp tcp tls", "Scheme"),
        ("sip:@;maddr=a..b", "udp", "Host"),
    ];
    for (uri, transports, expected) in rows {
        let search = locate(uri, transports, FULL);
        assert_eq!(search.text(), expected, "{uri} {transports}");
        assert!(search.asked.is_empty(), "{uri} asked {:?}", search.asked);
    }
}

/// RFC 3263 section 4.1: transport and SRV name by NAPTR; section 4.2: then SRV and addresses.
#[test]
fn by_naptr() {
    let tls = "tls:192.0.2.1:5061 tls:192.0.2.2:5061";
    let tcp = "tcp:192.0.2.1:5060 tcp:192.0.2.2:5060";
    let udp = "udp:192.0.2.1:5060 udp:192.0.2.2:5060";
    let rows = [
        // The domain's preference, as far as we speak it; a sip URI may get TLS.
        ("sip:bob#@", "udp tcp tls", FULL.to_owned(), tls),
        ("sip:bob#@", "udp tcp", FULL.to_owned(), tcp),
        ("sip:bob#@", "udp", FULL.to_owned(), udp),
        ("sips:bob#@", "udp tcp tls", FULL.to_owned(), tls),
        ("SIP:bob#EXAMPLE.TEST.", "udp", FULL.to_owned(), udp),
        // maddr instead of the host.
        ("sip:other.test;maddr=@", "udp", FULL.to_owned(), udp),
        // Equal order: preference decides, and all are used.
        (
            "sip:@",
            "udp tcp",
            FULL.replace("90 50", "100 60"),
            "udp:192.0.2.1:5060 udp:192.0.2.2:5060 tcp:192.0.2.1:5060 tcp:192.0.2.2:5060",
        ),
        // Case of flag and service does not count.
        ("sip:@", "tcp", FULL.replace("90 50 s SIP+D2T", "90 50 S sip+d2t"), tcp),
        // A replacement in another domain.
        (
            "sip:@",
            "udp",
            "@ NAPTR 1 1 s SIP+D2U - _sip._udp.provider.test
             _sip._udp.provider.test SRV 0 0 5066 sip.provider.test
             sip.provider.test A 198.51.100.1"
                .to_owned(),
            "udp:198.51.100.1:5066",
        ),
        // Records of no use: another flag, a regular expression, no replacement, a service that nobody here knows.
        (
            "sip:@",
            "udp tcp",
            format!(
                "@ NAPTR 1 1 u SIP+D2U - _sip._udp.no.test
                 @ NAPTR 2 1 - SIP+D2U - _sip._udp.no.test
                 @ NAPTR 3 1 s SIP+D2U !x!y! _sip._udp.no.test
                 @ NAPTR 4 1 s SIP+D2U - .
                 @ NAPTR 5 1 s SIP+D2S - _sip._sctp.no.test
                 @ NAPTR 6 1 s E2U+sip - _sip._udp.no.test
                 {FULL}"
            ),
            tcp,
        ),
        // The first order leads nowhere: the next one.
        ("sip:@", "udp tcp", FULL.replace("_sip._tcp.@ SRV", "other.@ SRV"), udp),
        (
            "sip:@",
            "udp tcp",
            FULL.replace("5060 one", "5060 gone").replace("5060 two", "5060 gone"),
            "NoAddress",
        ),
        // NAPTR without any SRV: the domain itself over the transport that it prefers.
        (
            "sip:@",
            "udp tcp",
            "@ NAPTR 1 1 s SIP+D2T - _sip._tcp.@
             @ NAPTR 2 1 s SIP+D2U - _sip._udp.@
             @ A 192.0.2.9"
                .to_owned(),
            "tcp:192.0.2.9:5060",
        ),
        // The preferred transport is refused by its SRV: the next one.
        (
            "sip:@",
            "udp tcp",
            "@ NAPTR 1 1 s SIP+D2T - _sip._tcp.@
             @ NAPTR 1 2 s SIP+D2U - _sip._udp.@
             _sip._tcp.@ SRV 0 0 0 .
             @ A 192.0.2.9"
                .to_owned(),
            "udp:192.0.2.9:5060",
        ),
    ];
    for (uri, transports, zone, expected) in rows {
        assert_eq!(locate(uri, transports, &zone).text(), expected, "{uri} {transports} {zone}");
    }
}

/// RFC 3263 section 4.1 without NAPTR, section 4.2 with SRV and without.
#[test]
fn without_naptr() {
    let rows = [
        // Each transport is asked for, and ours is the order.
        ("sip:@", "udp tcp", SRV_ONLY, "udp:192.0.2.1:5080 tcp:192.0.2.1:5070"),
        ("sip:@", "tcp udp", SRV_ONLY, "tcp:192.0.2.1:5070 udp:192.0.2.1:5080"),
        ("sip:@;transport=udp", "tcp udp", SRV_ONLY, "udp:192.0.2.1:5080"),
        ("sip:@;transport=tcp", "tcp udp", SRV_ONLY, "tcp:192.0.2.1:5070"),
        // A port: no SRV.
        ("sip:@:5099", "tcp udp", SRV_ONLY, "udp:192.0.2.9:5099"),
        ("sip:@:5099;transport=tcp", "tcp udp", SRV_ONLY, "tcp:192.0.2.9:5099"),
        ("sips:@:5099", "tcp udp tls", SRV_ONLY, "tls:192.0.2.9:5099"),
        // No SRV: UDP for sip, TLS for sips, default ports; IPv6 first.
        ("sip:@", "tls tcp udp", ADDRESS_ONLY, "udp:[2001:db8::9]:5060 udp:192.0.2.9:5060"),
        ("sips:@", "tls tcp udp", ADDRESS_ONLY, "tls:[2001:db8::9]:5061 tls:192.0.2.9:5061"),
        ("sip:@;transport=tcp", "tls tcp udp", ADDRESS_ONLY, "tcp:[2001:db8::9]:5060 tcp:192.0.2.9:5060"),
        ("sip:@;transport=tls", "tls tcp udp", ADDRESS_ONLY, "tls:[2001:db8::9]:5061 tls:192.0.2.9:5061"),
        ("sip:@", "tls tcp", ADDRESS_ONLY, "tls:[2001:db8::9]:5061 tls:192.0.2.9:5061"),
        // sips never leaves TLS: SRV records of other transports are not even asked for.
        ("sips:@", "tls tcp udp", SRV_ONLY, "tls:192.0.2.9:5061"),
        // TLS for a sip URI, by the SRV records of sips.
        ("sip:@", "tls", "_sips._tcp.@ SRV 0 0 5061 one.@\n one.@ A 192.0.2.1", "tls:192.0.2.1:5061"),
        // Nothing there.
        ("sip:@", "udp tcp", "", "NoAddress"),
        ("sip:nowhere.test", "udp tcp", FULL, "NoAddress"),
        // The service is decidedly not there, whatever addresses are.
        ("sip:@;transport=udp", "udp", "_sip._udp.@ SRV 0 0 0 .\n @ A 192.0.2.9", "NotOffered"),
        ("sip:@", "udp", "_sip._udp.@ SRV 0 0 0 .\n @ A 192.0.2.9", "NotOffered"),
        ("sip:@", "udp tcp", "_sip._udp.@ SRV 0 0 0 .\n @ A 192.0.2.9", "tcp:192.0.2.9:5060"),
        // The hosts of SRV have no address: the domain's own is not meant.
        ("sip:@;transport=udp", "udp", "_sip._udp.@ SRV 0 0 5060 gone.@\n @ A 192.0.2.9", "NoAddress"),
        // A host without address is passed over; port 0 is no place; repetitions count once.
        (
            "sip:@;transport=udp",
            "udp",
            "_sip._udp.@ SRV 0 0 5060 gone.@
             _sip._udp.@ SRV 1 0 0 one.@
             _sip._udp.@ SRV 2 0 5062 one.@
             _sip._udp.@ SRV 3 0 5062 one.@
             _sip._udp.@ SRV 4 0 5062 same.@
             one.@ A 192.0.2.1
             one.@ A 192.0.2.1
             same.@ A 192.0.2.1",
            "udp:192.0.2.1:5062",
        ),
    ];
    for (uri, transports, zone, expected) in rows {
        assert_eq!(locate(uri, transports, zone).text(), expected, "{uri} {transports} {zone}");
    }
}

/// A failure counts like nothing for the next step, and is told when nothing is found.
#[test]
fn failures() {
    let broken = |what: &str, how: &str| format!("{SRV_ONLY}\n{what} {how}");
    let rows = [
        ("sip:@", broken("@ NAPTR", "!fail"), "udp:192.0.2.1:5080 tcp:192.0.2.1:5070"),
        ("sip:@", broken("@ NAPTR", "!silent"), "udp:192.0.2.1:5080 tcp:192.0.2.1:5070"),
        ("sip:@", broken("_sip._udp.@ SRV", "!fail"), "tcp:192.0.2.1:5070"),
        ("sip:@;transport=udp", broken("_sip._udp.@ SRV", "!silent"), "udp:192.0.2.9:5060"),
        ("sip:@", broken("one.@ AAAA", "!silent"), "udp:192.0.2.1:5080 tcp:192.0.2.1:5070"),
        ("sip:@", broken("one.@ A", "!silent"), "TimedOut"),
        ("sip:@", broken("one.@ A", "!fail"), "Dns"),
        ("sip:@:5060", broken("@ A", "!fail"), "Dns"),
    ];
    for (uri, zone, expected) in rows {
        let search = locate(uri, "udp tcp", &zone);
        assert_eq!(search.text(), expected, "{uri} {zone}");
        if let Err(error) = search.result {
            assert!(error.is_temporary());
        }
    }
    assert!(!LocateError::NoAddress.is_temporary());
}

/// Aliases: in the answer, to be asked for, in a circle, too long, and records that nobody asked for.
#[test]
fn aliases() {
    let mut long = String::from("h9.@ A 192.0.2.1\n");
    for n in 0..9 {
        long.push_str(&format!("h{n}.@ CNAME h{}.@\n", n + 1));
    }
    let rows = [
        ("sip:www.@:5060", "www.@ CNAME host.@\n host.@ A 192.0.2.1", "udp:192.0.2.1:5060"),
        ("sip:@", "@ CNAME other.test\n other.test A 192.0.2.2", "udp:192.0.2.2:5060"),
        (
            "sip:@;transport=udp",
            "_sip._udp.@ CNAME s.test\n s.test SRV 0 0 5070 h.test\n h.test CNAME g.test\n g.test A 192.0.2.3",
            "udp:192.0.2.3:5070",
        ),
        ("sip:a.@:5060", "a.@ CNAME b.@\n b.@ CNAME a.@", "Dns"),
        ("sip:a.@:5060", "a.@ CNAME a.@", "Dns"),
        ("sip:h1.@:5060", &long, "udp:192.0.2.1:5060"),
        ("sip:h0.@:5060", &long, "Dns"),
        ("sip:a.@:5060", "a.@ CNAME gone.@", "NoAddress"),
    ];
    for (uri, zone, expected) in rows {
        assert_eq!(locate(uri, "udp", zone).text(), expected, "{uri} {zone}");
    }
}

/// Records of other names in an answer are nothing; a chain within one answer is followed there.
#[test]
fn answers_with_foreign_records() {
    let now = Instant::now();
    let record = |owner: &str, data| Record { owner: name(owner), ttl: TTL, data };
    let config = LocateConfig::new(&[TransportKind::Udp]).with_families(AddressFamilies::Ipv4Only);
    let uri = Uri::parse("sip:a.example.test:5060").unwrap();
    let rows = [
        (vec![record("evil.@", RecordData::A([203, 0, 113, 1].into()))], "Err(NoAddress)"),
        (
            vec![
                record("b.@", RecordData::A([192, 0, 2, 1].into())),
                record("evil.@", RecordData::A([203, 0, 113, 1].into())),
                record("a.@", RecordData::Alias(name("b.@"))),
            ],
            "Ok([\"udp:192.0.2.1:5060\"])",
        ),
        (vec![record("a.@", RecordData::Aaaa([1, 2, 3, 4, 5, 6, 7, 8].into()))], "Err(NoAddress)"),
    ];
    for (records, expected) in rows {
        let mut cache = Cache::new(CacheConfig::default());
        let mut location = Location::new(&uri, &config, 1, now).unwrap();
        let asked = location.poll_question(&cache, now).unwrap();
        assert_eq!(asked, question("A a.@"));
        // An answer to a question that nobody asked changes nothing.
        location.handle_answer(&question("A evil.@"), Answer::Records(records.clone()), &mut cache, now);
        assert!(location.outcome().is_none() && cache.is_empty());
        location.handle_answer(&asked, Answer::Records(records), &mut cache, now);
        let found = location.outcome().expect("over");
        let found = found.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(format!("{found:?}"), expected);
    }
}

/// What is asked, in which order; nothing twice.
#[test]
fn questions() {
    let rows: [(&str, &str, &[&str]); 4] = [
        ("sip:@", FULL, &["NAPTR @", "SRV _sip._tcp.@", "AAAA one.@", "A one.@", "AAAA two.@", "A two.@"]),
        ("sip:@", SRV_ONLY, &["NAPTR @", "SRV _sip._udp.@", "SRV _sip._tcp.@", "AAAA one.@", "A one.@"]),
        ("sip:@;transport=tcp", ADDRESS_ONLY, &["SRV _sip._tcp.@", "AAAA @", "A @"]),
        ("sip:@:5060", ADDRESS_ONLY, &["AAAA @", "A @"]),
    ];
    for (uri, zone, expected) in rows {
        assert_eq!(locate(uri, "udp tcp", zone).asked, expected, "{uri}");
    }
}

#[test]
fn address_families() {
    let zone = Zone::new(
        "_sip._udp.@ SRV 0 0 5060 one.@
         _sip._udp.@ SRV 1 0 5060 two.@
         one.@ A 192.0.2.1
         one.@ AAAA 2001:db8::1
         two.@ A 192.0.2.2
         two.@ AAAA 2001:db8::2",
    );
    let uri = Uri::parse("sip:example.test;transport=udp").unwrap();
    let (six1, four1) = ("udp:[2001:db8::1]:5060", "udp:192.0.2.1:5060");
    let (six2, four2) = ("udp:[2001:db8::2]:5060", "udp:192.0.2.2:5060");
    let rows = [
        (AddressFamilies::Ipv6First, vec![six1, four1, six2, four2]),
        (AddressFamilies::Ipv4First, vec![four1, six1, four2, six2]),
        (AddressFamilies::Ipv4Only, vec![four1, four2]),
        (AddressFamilies::Ipv6Only, vec![six1, six2]),
    ];
    for (families, expected) in rows {
        let config = LocateConfig::new(&[TransportKind::Udp]).with_families(families);
        let search = run(Location::new(&uri, &config, 1, Instant::now()), &zone);
        assert_eq!(search.result.unwrap(), expected, "{families:?}");
    }
}

/// RFC 5922 section 4: the name to prove is that of the URI, not what the DNS made of it, and not maddr.
#[test]
fn identity_is_the_host_of_the_uri() {
    let zone = Zone::new(FULL);
    let rows = [
        ("sips:bob@EXAMPLE.test", "example.test"),
        ("sips:other.test;maddr=example.test", "other.test"),
        ("sips:192.0.2.1", "192.0.2.1"),
        ("sips:[2001:DB8::1]", "2001:db8::1"),
    ];
    for (uri, expected) in rows {
        let config = LocateConfig::new(&[TransportKind::Tls]);
        let mut cache = Cache::new(CacheConfig::default());
        let now = Instant::now();
        let mut location = Location::new(&Uri::parse(uri).unwrap(), &config, 1, now).unwrap();
        while let Some(question) = location.poll_question(&cache, now) {
            location.handle_answer(&question, zone.answer(&question), &mut cache, now);
        }
        let first = &location.outcome().unwrap().unwrap()[0];
        assert_eq!(first.identity.to_string(), expected);
        let of_name = Target::Server { addr: first.addr, name: first.identity.clone() };
        let of_address = Target::Address { transport: TransportKind::Tls, addr: first.addr };
        assert_eq!(first.target(), if first.identity.ip().is_none() { of_name } else { of_address });
        // It is what an endpoint connects to.
        let mut endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)));
        let draft = sip_core::RequestDraft::new(sip_core::Method::Options, Uri::parse(uri).unwrap());
        endpoint.send_request(draft, first.target(), now);
        assert!(endpoint.poll_transmit().is_some_and(|transmit| transmit.is_connect()));
    }
}

/// The time for all: what is known is the result, and the cache learns who was silent.
#[test]
fn deadline() {
    let now = Instant::now();
    let config = LocateConfig::new(&[TransportKind::Udp]).with_time_limit(Duration::from_secs(3));
    let uri = Uri::parse("sip:example.test:5060").unwrap();
    let mut cache = Cache::new(CacheConfig::default());
    let mut location = Location::new(&uri, &config, 1, now).unwrap();
    let asked: Vec<_> = std::iter::from_fn(|| location.poll_question(&cache, now)).collect();
    assert_eq!(asked, [question("AAAA @"), question("A @")]);
    assert_eq!(location.poll_timeout(), Some(now + Duration::from_secs(3)));
    location.handle_timeout(&mut cache, now + Duration::from_millis(2_999));
    assert!(location.outcome().is_none());
    location.handle_timeout(&mut cache, now + Duration::from_secs(3));
    assert_eq!(location.outcome(), Some(Err(LocateError::TimedOut)));
    assert_eq!(location.poll_timeout(), None);
    assert_eq!(cache.get(&asked[0], now + Duration::from_secs(3)), Some(Answer::TimedOut));
    // What comes too late is nothing any more.
    location.handle_answer(&asked[1], Answer::Failed, &mut cache, now + Duration::from_secs(4));
    assert_eq!(location.outcome(), Some(Err(LocateError::TimedOut)));
}

/// One address is enough: the other family has a second, not its whole time.
#[test]
fn patience() {
    let now = Instant::now();
    let second = now + Duration::from_secs(1);
    let config = LocateConfig::new(&[TransportKind::Udp]);
    let uri = Uri::parse("sip:example.test:5060").unwrap();
    let mut cache = Cache::new(CacheConfig::default());
    let mut location = Location::new(&uri, &config, 1, now).unwrap();
    while location.poll_question(&cache, now).is_some() {}
    let zone = Zone::new(ADDRESS_ONLY);
    location.handle_answer(&question("A @"), zone.answer(&question("A @")), &mut cache, now);
    assert_eq!(location.poll_timeout(), Some(second));
    location.handle_timeout(&mut cache, second);
    let found = location.outcome().expect("over").unwrap();
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["udp:192.0.2.9:5060"]);
    // The next search does not wait for the silent one again.
    let mut next = Location::new(&uri, &config, 1, second).unwrap();
    assert_eq!(next.poll_question(&cache, second), None);
    assert!(next.outcome().is_some());
}

/// Every limit holds.
#[test]
fn limits() {
    let mut zone = String::new();
    for n in 0..40 {
        zone.push_str(&format!("_sip._udp.@ SRV {n} 0 5060 h{n}.@\n"));
        for a in 0..3 {
            zone.push_str(&format!("h{n}.@ A 192.0.{a}.{n}\n"));
        }
    }
    let zone = Zone::new(&zone);
    let uri = Uri::parse("sip:example.test;transport=udp").unwrap();
    let base = LocateConfig::new(&[TransportKind::Udp]).with_families(AddressFamilies::Ipv4Only);
    let rows = [
        // 16 hosts of 3 addresses, cut at 32.
        (base.clone(), 17, 32),
        (base.clone().with_max_hosts(2), 3, 6),
        (base.clone().with_max_destinations(5), 17, 5),
        (base.clone().with_max_records(1), 2, 1),
        (base.clone().with_max_questions(4), 4, 9),
        (base.clone().with_max_hosts(100).with_max_destinations(1_000), 41, 120),
    ];
    for (config, asked, found) in rows {
        let search = run(Location::new(&uri, &config, 1, Instant::now()), &zone);
        assert_eq!((search.asked.len(), search.result.unwrap().len()), (asked, found), "{config:?}");
    }
    let config = base.with_max_questions(0);
    let search = run(Location::new(&uri, &config, 1, Instant::now()), &zone);
    assert_eq!(search.text(), "Dns");
}
