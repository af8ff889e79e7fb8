//! The order of NAPTR and SRV records: RFC 3403, RFC 2782.

use std::collections::BTreeMap;

use sip_core::resolve::{Naptr, Srv, order_naptr, order_srv};
use sip_core::{IdSource, SeededIds, TransportKind};

use crate::zone::name;

/// Gives the numbers of a script; after it, zeros.
struct Script(std::vec::IntoIter<u64>);

impl IdSource for Script {
    fn next_u128(&mut self) -> u128 {
        self.0.next().unwrap_or(0).into()
    }
}

fn srv(priority: u16, weight: u16, target: &str) -> Srv {
    Srv { priority, weight, port: 5060, target: (target != ".").then(|| name(target)) }
}

fn first(records: &[Srv], numbers: Vec<u64>) -> String {
    let ordered = order_srv(records, &mut Script(numbers.into_iter()));
    ordered[0].target.as_ref().expect("a target").to_string()
}

/// RFC 2782: the share of each record as first one, counted over every number that can be drawn. With two records, one number
/// of two orders them, and one of `sum + 1` draws.
#[test]
fn weights_of_two_are_exact() {
    // The number of draws that give the first and the second, summed over both orders.
    let rows = [
        ((0, 0), (1, 1)),
        ((1, 1), (3, 3)),
        ((1, 3), (3, 7)),
        ((10, 60), (10 + 1 + 10, 60 + 1 + 60)),
        ((0, 5), (2, 10)),
        ((65_535, 65_535), (131_071, 131_071)),
    ];
    for ((a, b), expected) in rows {
        let records = [srv(1, a, "a.@"), srv(1, b, "b.@")];
        let mut counts = BTreeMap::from([("a.example.test".to_owned(), 0), ("b.example.test".to_owned(), 0)]);
        for order in 0..2 {
            for number in 0..=u64::from(a) + u64::from(b) {
                *counts.get_mut(&first(&records, vec![order, number])).unwrap() += 1;
            }
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [expected.0, expected.1], "{a} {b}");
    }
}

/// The first whose running sum reaches the number: 1 of (1, 3) is the first one's, 2 is not. (Number 1 of 2 leaves the order.)
#[test]
fn the_running_sum_reaches_the_number() {
    let records = [srv(1, 1, "a.@"), srv(1, 3, "b.@")];
    let rows = [(0, "a"), (1, "a"), (2, "b"), (4, "b")];
    for (number, expected) in rows {
        assert_eq!(first(&records, vec![1, number]), format!("{expected}.example.test"), "{number}");
    }
}

/// RFC 2782's example of a domain, in our words: a fast host gets three quarters, a slow one the rest, spares come last.
#[test]
fn rfc_2782_example() {
    let records = [
        srv(0, 1, "old-slow-box.@"),
        srv(0, 3, "new-fast-box.@"),
        srv(1, 0, "sysadmins-box.@"),
        srv(1, 0, "server.@"),
    ];
    let mut firsts = BTreeMap::<String, u32>::new();
    let mut spares = BTreeMap::<String, u32>::new();
    let runs = 4_000;
    for seed in 0..runs {
        let ordered = order_srv(&records, &mut SeededIds::new(seed));
        let priorities: Vec<u16> = ordered.iter().map(|record| record.priority).collect();
        assert_eq!(priorities, [0, 0, 1, 1]);
        *firsts.entry(ordered[0].target.as_ref().unwrap().to_string()).or_default() += 1;
        *spares.entry(ordered[2].target.as_ref().unwrap().to_string()).or_default() += 1;
    }
    // 7 of 10 draws (see above). The seeds are fixed, so these counts are the same on every run.
    let fast = f64::from(firsts["new-fast-box.example.test"]) / runs as f64;
    let spare = f64::from(spares["server.example.test"]) / runs as f64;
    assert!((fast - 0.7).abs() < 0.02, "{fast}");
    assert!((spare - 0.5).abs() < 0.02, "{spare}");
}

#[test]
fn srv_table() {
    let rows: [(&[Srv], &[&str]); 6] = [
        (&[], &[]),
        (&[srv(1, 1, ".")], &[]),
        (&[srv(2, 9, "b.@"), srv(1, 0, "a.@"), srv(3, 9, "c.@")], &["a", "b", "c"]),
        (&[srv(65_535, 0, "b.@"), srv(0, 0, "a.@")], &["a", "b"]),
        // The same twice counts once; other ports and weights are others.
        (&[srv(1, 1, "a.@"), srv(1, 1, "a.@"), srv(2, 1, "a.@")], &["a", "a"]),
        (&[Srv { port: 0, ..srv(1, 1, "a.@") }, srv(2, 1, "b.@"), srv(0, 0, ".")], &["b"]),
    ];
    for (records, expected) in rows {
        for seed in 0..20 {
            let ordered = order_srv(records, &mut SeededIds::new(seed));
            let hosts: Vec<&str> = ordered
                .iter()
                .map(|r| r.target.as_ref().unwrap().as_str().split('.').next().unwrap())
                .collect();
            assert_eq!(hosts, expected, "{records:?}");
        }
    }
}

#[test]
fn naptr_table() {
    use TransportKind::{Tcp, Tls, Udp};
    let record = |order, preference, service: &str| Naptr {
        order,
        preference,
        flags: "s".into(),
        service: service.into(),
        regexp: String::new(),
        replacement: Some(name("_x.@")),
    };
    let (udp, tcp, tls) = ("SIP+D2U", "SIP+D2T", "SIPS+D2T");
    let mixed = [record(20, 1, udp), record(10, 2, tcp), record(10, 1, tls), record(20, 1, "SIP+D2S")];
    type Row<'a> = (&'a [Naptr], bool, &'a [TransportKind], &'a [&'a [TransportKind]]);
    let rows: [Row<'_>; 8] = [
        (&mixed, false, &[Udp, Tcp, Tls], &[&[Tls, Tcp], &[Udp]]),
        (&mixed, false, &[Udp, Tcp], &[&[Tcp], &[Udp]]),
        (&mixed, false, &[Udp], &[&[Udp]]),
        (&mixed, true, &[Udp, Tcp, Tls], &[&[Tls]]),
        (&mixed, true, &[Udp, Tcp], &[]),
        (&mixed, false, &[], &[]),
        (&[], false, &[Udp], &[]),
        // Equal in all: the order of the answer. Repetitions count where they stand first.
        (&[record(1, 1, tcp), record(1, 1, udp), record(2, 1, tcp)], false, &[Udp, Tcp], &[&[Tcp, Udp]]),
    ];
    for (records, secure, speaks, expected) in rows {
        let groups = order_naptr(records, secure, speaks);
        let found: Vec<Vec<TransportKind>> =
            groups.iter().map(|group| group.iter().map(|service| service.transport).collect()).collect();
        assert_eq!(found, expected, "{records:?} {secure} {speaks:?}");
    }
}
