//! The shell on real sockets: what name servers say and do, and what is made of it.

use std::net::SocketAddr;
use std::time::Duration;

use sip_core::resolve::{
    AddressFamilies, Answer, CacheConfig, Dns, DnsConfig, DnsError, LocateConfig, LocateError, Locator,
    RecordData,
};
use sip_core::{TransportKind, Uri, Via};

use crate::name_server::NameServer;
use crate::zone::question;

/// For tests in which everybody answers: never over.
const LONG: Duration = Duration::from_secs(30);
/// For tests in which somebody is silent and then another one answers: enough for that one on a busy machine.
const MEDIUM: Duration = Duration::from_secs(1);
/// For tests in which silence is the end.
const SHORT: Duration = Duration::from_millis(200);

fn dns_within(servers: &[SocketAddr], timeout: Duration) -> Dns {
    let config =
        DnsConfig::default().with_servers(servers.iter().copied()).with_timeout(timeout).with_retries(0);
    Dns::new(&config).expect("servers are given")
}

pub(crate) fn dns(servers: &[SocketAddr]) -> Dns {
    dns_within(servers, LONG)
}

pub(crate) fn config() -> LocateConfig {
    LocateConfig::new(&[TransportKind::Udp, TransportKind::Tcp, TransportKind::Tls])
}

fn text(found: Result<Vec<sip_core::resolve::Destination>, LocateError>) -> String {
    match found {
        Ok(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{error:?}"),
    }
}

async fn locate(zone: &str, uri: &str, timeout: Duration) -> String {
    let server = NameServer::start(zone).await;
    text(Locator::new(dns_within(&[server.addr], timeout), config()).locate(&Uri::parse(uri).unwrap()).await)
}

const FULL: &str = "
    @ NAPTR 10 10 s SIPS+D2T - _sips._tcp.@
    @ NAPTR 20 10 s SIP+D2T - _sip._tcp.@
    _sips._tcp.@ SRV 2 0 5081 two.@
    _sips._tcp.@ SRV 1 0 5071 one.@
    _sip._tcp.@ SRV 1 0 5070 one.@
    one.@ A 192.0.2.1
    one.@ AAAA 2001:db8::1
    two.@ CNAME alias.@
    alias.@ A 192.0.2.2
";

/// NAPTR, SRV, A, AAAA, CNAME over the wire; the second search asks nobody.
#[tokio::test]
async fn all_kinds_and_the_cache() {
    let server = NameServer::start(FULL).await;
    let locator = Locator::new(dns(&[server.addr]), config());
    let uri = Uri::parse("sip:bob@example.test").unwrap();
    let expected = "tls:[2001:db8::1]:5071 tls:192.0.2.1:5071 tls:192.0.2.2:5081";
    assert_eq!(text(locator.locate(&uri).await), expected);
    let asked = server.asked();
    assert!(asked.contains(&"udp NAPTR @".to_owned()) && asked.contains(&"udp SRV _sips._tcp.@".to_owned()));
    assert!(!asked.iter().any(|one| one.contains("_sip._tcp")), "{asked:?}");
    assert_eq!(text(locator.clone().locate(&uri).await), expected);
    assert_eq!(server.asked(), Vec::<String>::new());
    locator.forget();
    assert_eq!(text(locator.locate(&uri).await), expected);
    assert_eq!(server.asked(), asked);
}

/// What a server may say instead of an answer.
#[tokio::test]
async fn answers_table() {
    let server = NameServer::start(
        "here.@ A 192.0.2.1
         here.@ AAAA !fail
         here.@ SRV !refused
         here.@ NAPTR !silent
         junk.@ A !garbage
         id.@ A 192.0.2.1
         id.@ A !id
         other.@ A 192.0.2.1
         other.@ A !other
         evil.@ A 203.0.113.1
         cut.@ A 192.0.2.1
         cut.@ A !cut
         dot.@ SRV 0 0 0 .
         none.@ A 192.0.2.1",
    )
    .await;
    let dns = dns(&[server.addr]);
    let minute = Duration::from_secs(60);
    assert_eq!(dns_within(&[server.addr], SHORT).ask(&question("NAPTR here.@")).await, Answer::TimedOut);
    let rows = [
        ("AAAA here.@", Some(Answer::Failed)),
        ("SRV here.@", Some(Answer::Failed)),
        ("AAAA none.@", Some(Answer::NoData { ttl: minute })),
        ("A gone.@", Some(Answer::NoSuchName { ttl: minute })),
        ("A here.@", None),
        // The answer of another query is not taken for ours; the right one comes behind it.
        ("A id.@", None),
        // Cut: asked again over TCP.
        ("A cut.@", None),
    ];
    for (asked, expected) in rows {
        let answer = dns.ask(&question(asked)).await;
        match expected {
            Some(expected) => assert_eq!(answer, expected, "{asked}"),
            None => {
                let Answer::Records(records) = answer else { panic!("{asked}: {answer:?}") };
                assert_eq!(records.len(), 1, "{asked}");
                assert_eq!(records[0].data, RecordData::A([192, 0, 2, 1].into()));
                assert_eq!((records[0].owner.clone(), records[0].ttl), (question(asked).name, minute));
            }
        }
    }
    for asked in ["A junk.@", "A other.@"] {
        // Datagrams again: a connection is kept once there is one.
        let answer = dns_within(&[server.addr], SHORT).ask(&question(asked)).await;
        assert!(answer.is_failure(), "{asked}: {answer:?}");
    }
    let Answer::Records(records) = dns.ask(&question("SRV dot.@")).await else { panic!("an SRV record") };
    assert!(matches!(&records[0].data, RecordData::Srv(srv) if srv.target.is_none()));
    let all = server.asked();
    assert!(all.contains(&"udp A cut.@".to_owned()) && all.contains(&"tcp A cut.@".to_owned()), "{all:?}");
}

#[tokio::test]
async fn searches_table() {
    let rows = [
        (FULL, "sips:bob@example.test:5099;transport=tcp", LONG, "NoAddress"),
        (FULL, "sip:alias.example.test", LONG, "udp:192.0.2.2:5060"),
        (FULL, "sip:two.example.test:5099", LONG, "udp:192.0.2.2:5099"),
        (FULL, "sip:gone.example.test", LONG, "NoAddress"),
        ("@ A !fail\n @ AAAA !fail", "sip:example.test:5060", LONG, "Dns"),
        ("@ A !silent\n @ AAAA !silent", "sip:example.test:5060", SHORT, "TimedOut"),
        ("@ NAPTR !silent\n @ A 192.0.2.1", "sip:example.test", MEDIUM, "udp:192.0.2.1:5060"),
        ("@ A !alien\n @ AAAA !alien", "sip:example.test:5060", LONG, "NoAddress"),
        // The library follows aliases itself, and says of a circle that there is nothing.
        ("a.@ CNAME b.@\n b.@ CNAME a.@", "sip:a.example.test:5060", LONG, "NoAddress"),
        ("_sip._udp.@ SRV 0 0 0 .\n @ A 192.0.2.1", "sip:example.test;transport=udp", LONG, "NotOffered"),
        (FULL, "tel:+12015550123", LONG, "Scheme"),
    ];
    for (zone, uri, timeout, expected) in rows {
        assert_eq!(locate(zone, uri, timeout).await, expected, "{uri} {zone}");
    }
}

/// More records than anybody reads: over TCP, and no more than the limit.
#[tokio::test]
async fn oversized_answers_are_cut() {
    let mut zone = String::from("@ A !cut\n");
    for n in 0..600 {
        zone.push_str(&format!("@ A 192.0.{}.{}\n", n / 250, n % 250));
    }
    let server = NameServer::start(&zone).await;
    let config = config().with_families(AddressFamilies::Ipv4Only).with_max_destinations(1_000);
    let locator = Locator::new(dns(&[server.addr]), config);
    let found = locator.locate(&Uri::parse("sip:example.test:5060").unwrap()).await.unwrap();
    assert_eq!(found.len(), 64);
    assert!(server.asked().contains(&"tcp A @".to_owned()));
}

/// The first server is silent, or nobody is there: the second one answers.
#[tokio::test]
async fn the_next_name_server() {
    let silent = NameServer::start("@ A !silent\n @ AAAA !silent").await;
    let good = NameServer::start("@ A 192.0.2.1").await;
    let gone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uri = Uri::parse("sip:example.test:5060").unwrap();
    for first in [silent.addr, gone] {
        let locator = Locator::new(dns_within(&[first, good.addr], MEDIUM), config());
        assert_eq!(text(locator.locate(&uri).await), "udp:192.0.2.1:5060");
    }
    assert!(!silent.asked().is_empty());
}

/// The time for all ends a search whose servers are silent; what is known by then is the result.
#[tokio::test]
async fn the_search_has_an_end() {
    let server = NameServer::start(
        "_sip._udp.@ SRV 0 0 5060 one.@
         one.@ A 192.0.2.1
         one.@ AAAA !silent
         quiet.@ A !silent
         quiet.@ AAAA !silent",
    )
    .await;
    let patient = dns_within(&[server.addr], Duration::from_secs(600));
    let impatient = config().with_patience(Duration::from_millis(50)).with_time_limit(LONG);
    let locator = Locator::new(patient.clone(), impatient);
    let found = locator.locate(&Uri::parse("sip:example.test;transport=udp").unwrap()).await;
    assert_eq!(text(found), "udp:192.0.2.1:5060");
    let locator = Locator::new(patient, config().with_time_limit(SHORT));
    let found = locator.locate(&Uri::parse("sip:quiet.example.test:5060").unwrap()).await;
    assert_eq!(text(found), "TimedOut");
}

/// RFC 3263 section 5 over the wire, and old answers while the name server fails (RFC 8767).
#[tokio::test]
async fn responses_and_old_answers() {
    let server = NameServer::start(FULL).await;
    let cache =
        CacheConfig::default().with_max_ttl(Duration::from_nanos(1)).with_max_negative_ttl(Duration::ZERO);
    let locator = Locator::with_cache(dns_within(&[server.addr], MEDIUM), config(), cache);
    let via: Via = "SIP/2.0/TCP example.test;branch=z9hG4bKx;received=198.51.100.7".parse().unwrap();
    let expected = "tcp:198.51.100.7:5060 tcp:[2001:db8::1]:5070 tcp:192.0.2.1:5070";
    assert_eq!(text(locator.locate_response(&via).await), expected);
    drop(server);
    // Each record is over, and nobody answers.
    assert_eq!(text(locator.locate_response(&via).await), expected);
}

/// Many searches at once over one locator.
#[tokio::test]
async fn many_at_once() {
    let mut zone = String::new();
    for n in 0..50 {
        zone.push_str(&format!("_sip._udp.d{n}.@ SRV 0 0 {} h.@\n", 6_000 + n));
    }
    zone.push_str("h.@ A 192.0.2.1");
    let server = NameServer::start(&zone).await;
    let generous = DnsConfig::default().with_servers([server.addr]).with_timeout(Duration::from_secs(30));
    let locator =
        Locator::new(Dns::new(&generous).unwrap(), config().with_time_limit(Duration::from_secs(60)));
    let mut searches = tokio::task::JoinSet::new();
    for n in 0..50 {
        let locator = locator.clone();
        searches.spawn(async move {
            let uri = Uri::parse(&format!("sip:d{n}.example.test")).unwrap();
            (n, text(locator.locate(&uri).await))
        });
    }
    let mut done = 0;
    while let Some(found) = searches.join_next().await {
        let (n, found) = found.unwrap();
        assert_eq!(found, format!("udp:192.0.2.1:{}", 6_000 + n));
        done += 1;
    }
    assert_eq!(done, 50);
}

/// What cannot work is told when it is made; the system's servers are an option, not a need.
#[tokio::test]
async fn nobody_to_ask() {
    // A machine without settings is no reason to panic.
    assert!(matches!(Dns::new(&DnsConfig::default()), Ok(_) | Err(DnsError::System(_))));
    let gone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let locator = Locator::new(dns_within(&[gone], SHORT), config());
    let error = locator.locate(&Uri::parse("sip:example.test").unwrap()).await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    assert_eq!(text(locator.locate(&Uri::parse("sips:192.0.2.1").unwrap()).await), "tls:192.0.2.1:5061");
}
