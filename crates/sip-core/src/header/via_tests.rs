//! Via values: grammar, sent-by, and what a receiver notes.

use super::*;

fn via(text: &str) -> Via {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn parts_table() {
    type Row = (&'static str, Option<TransportKind>, &'static str, Option<u16>, Option<&'static str>);
    let rows: [Row; 7] = [
        ("SIP/2.0/UDP h", Some(TransportKind::Udp), "h", None, None),
        ("SIP/2.0/tcp 192.0.2.20:50320", Some(TransportKind::Tcp), "192.0.2.20", Some(50320), None),
        (
            "SIP  / 2.0  / TLS \t h : 1 ; branch = z9hG4bKx",
            Some(TransportKind::Tls),
            "h",
            Some(1),
            Some("z9hG4bKx"),
        ),
        ("sip/2.0/SCTP [2001:db8::9]:5060;Branch=x;rport", None, "[2001:db8::9]", Some(5060), Some("x")),
        (
            "SIP/2.0/UDP h;branch=z9hG4bK;received=192.0.2.1",
            Some(TransportKind::Udp),
            "h",
            None,
            Some("z9hG4bK"),
        ),
        ("SIP/2.0/UDP h;ttl=1;maddr=224.0.0.1;x=\"y;z\"", Some(TransportKind::Udp), "h", None, None),
        ("SIP/2.0/UDP h;received=2001:db8::1", Some(TransportKind::Udp), "h", None, None),
    ];
    for (text, transport, host, port, branch) in rows {
        let via = via(text);
        assert_eq!(
            (via.transport(), via.host(), via.port(), via.branch()),
            (transport, host, port, branch),
            "{text}"
        );
        assert_eq!(via.as_str(), text);
    }
}

#[test]
fn hostile_table() {
    let rows = [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 h",
        "SIP/1.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/ h",
        "SIP/2.0/UDPh;x",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:5060x",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;branch=1",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h;branch=1;branch=2",
        "SIP/2.0/UDP h;x=\"y",
        "SIP/2.0/UDP h h2",
        "SIP/2.0/UDP h,SIP/2.0/UDP i",
        "SIP/2.0/UDP \0",
    ];
    for text in rows {
        assert!(text.parse::<Via>().is_err(), "{text:?}");
    }
}

/// RFC 3261 section 18.2.1, RFC 3581 section 4.
#[test]
fn received_and_rport_are_noted_when_needed() {
    let source = "192.0.2.7:4000".parse().unwrap();
    let noted = |text: &str| via(text).with_received(source).to_string();
    assert_eq!(noted("SIP/2.0/UDP 192.0.2.7;branch=x"), "SIP/2.0/UDP 192.0.2.7;branch=x");
    assert_eq!(noted("SIP/2.0/UDP h;branch=x"), "SIP/2.0/UDP h;branch=x;received=192.0.2.7");
    assert_eq!(
        noted("SIP/2.0/UDP 192.0.2.7;rport;branch=x"),
        "SIP/2.0/UDP 192.0.2.7;branch=x;rport=4000;received=192.0.2.7"
    );
    // A forged note does not survive.
    assert_eq!(
        noted("SIP/2.0/UDP h;received=203.0.113.1;rport=9;x=\"a;b\""),
        "SIP/2.0/UDP h;x=\"a;b\";rport=4000;received=192.0.2.7"
    );
    assert_eq!(noted("SIP/2.0/UDP 192.0.2.7;received=203.0.113.1"), "SIP/2.0/UDP 192.0.2.7");
    let six = via("SIP/2.0/UDP h;rport").with_received("[2001:db8::1]:1".parse().unwrap());
    assert_eq!(six.response_addr(), Some("[2001:db8::1]:1".parse().unwrap()));
}

#[test]
fn response_addr_table() {
    let addr = |text: &str| via(text).response_addr().map(|a| a.to_string());
    assert_eq!(addr("SIP/2.0/UDP 192.0.2.1"), Some("192.0.2.1:5060".into()));
    assert_eq!(addr("SIP/2.0/TLS 192.0.2.1"), Some("192.0.2.1:5061".into()));
    assert_eq!(addr("SIP/2.0/UDP h:9;received=192.0.2.2"), Some("192.0.2.2:9".into()));
    assert_eq!(addr("SIP/2.0/UDP h:9;received=192.0.2.2;rport=7"), Some("192.0.2.2:7".into()));
    assert_eq!(addr("SIP/2.0/UDP h:9;received=nonsense"), None);
    assert_eq!(addr("SIP/2.0/UDP h"), None);
}

#[test]
fn new_refuses_what_would_break_out() {
    let made = |host, branch| Via::new(TransportKind::Tcp, host, Some(5060), branch);
    assert_eq!(
        made("2001:db8::1", "z9hG4bK1").unwrap().as_str(),
        "SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bK1;rport"
    );
    assert!(made("h\r\nX: y", "b").is_err() && made("h", "b\r\nX: y").is_err() && made("", "b").is_err());
}

#[test]
fn branch_promise_and_sent_by() {
    assert!(via("SIP/2.0/UDP h;branch=Z9HG4bK1").has_rfc3261_branch());
    assert!(!via("SIP/2.0/UDP h;branch=z9hG4bK").has_rfc3261_branch());
    assert!(!via("SIP/2.0/UDP h;branch=1").has_rfc3261_branch());
    assert!(!via("SIP/2.0/UDP h").has_rfc3261_branch());
    assert!(via("SIP/2.0/UDP H:1").same_sent_by(&via("SIP/2.0/TCP h:1")));
    assert!(!via("SIP/2.0/UDP h").same_sent_by(&via("SIP/2.0/UDP h:5060")));
}
