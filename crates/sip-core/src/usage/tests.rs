//! Where requests inside a dialog go; limits.

use super::*;
use crate::{EndpointConfig, FlowInfo, SeededIds, TransportInput};

/// Which way is taken, by setting, transport and next hop: an open flow to the same host, or what the URI says.
#[test]
fn way_table() {
    let now = Instant::now();
    let mut ep = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)));
    let flows = [(1, TransportKind::Tcp), (2, TransportKind::Udp)];
    for (n, transport) in flows {
        let info = FlowInfo {
            remote: "192.0.2.7:40000".parse().unwrap(),
            local: "192.0.2.1:5060".parse().unwrap(),
            transport,
        };
        ep.handle(TransportInput::Accepted { flow: FlowId::new(n), info }, now);
    }
    let flow = |n| Target::Flow(FlowId::new(n));
    let to = |transport, addr: &str| Target::Address { transport, addr: addr.parse().unwrap() };
    let (tcp, udp) = (TransportKind::Tcp, TransportKind::Udp);
    let table = [
        (Routing::FlowFirst, Some(1), "sip:x@192.0.2.7:5070;transport=tcp", flow(1)),
        (Routing::FlowFirst, Some(1), "sip:x@192.0.2.8", to(tcp, "192.0.2.8:5060")),
        (Routing::FlowFirst, Some(1), "sip:x@host.example.com", flow(1)),
        (Routing::FlowFirst, Some(2), "sip:x@192.0.2.7:5070", to(udp, "192.0.2.7:5070")),
        (Routing::FlowFirst, Some(9), "sip:x@192.0.2.7;transport=tcp", to(tcp, "192.0.2.7:5060")),
        (Routing::FlowFirst, None, "sip:x@192.0.2.7", to(udp, "192.0.2.7:5060")),
        (Routing::Flow, Some(2), "sip:x@10.0.0.1:5070", flow(2)),
        (Routing::Flow, Some(9), "sip:x@10.0.0.1:5070", to(udp, "10.0.0.1:5070")),
        (Routing::ByUri, Some(1), "sip:x@192.0.2.7:5070", to(tcp, "192.0.2.7:5070")),
    ];
    for (routing, on, uri, expected) in table {
        let way = target_of(on.map(FlowId::new), &Uri::parse(uri).unwrap(), routing, &ep);
        assert_eq!(way, expected, "{routing:?} {on:?} {uri}");
    }
}

/// Dialogs with one local tag (the early ones of a fork) are found and removed each for itself, in any order.
#[test]
fn dialogs_with_one_local_tag() {
    let dialog = |remote: &str| {
        Dialog::restore(crate::DialogSnapshot {
            call_id: "c".into(),
            local: "<sip:a@b>;tag=l".into(),
            remote: format!("<sip:c@d>;tag={remote}"),
            remote_target: "sip:c@d".into(),
            route_set: vec![],
            local_cseq: 1,
            remote_cseq: None,
            remote_has_sent: false,
        })
        .unwrap()
    };
    let tags = ["r1", "r2", "r3"];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1]] {
        let mut dialogs = Dialogs::default();
        let keys = tags.map(|tag| dialogs.insert(&dialog(tag), None));
        for (gone, n) in order.into_iter().enumerate() {
            assert_eq!(dialogs.find("c", "l", tags[n]), Some(keys[n]));
            dialogs.remove(keys[n]);
            assert_eq!(dialogs.find("c", "l", tags[n]), None);
            for left in &order[gone + 1..] {
                assert_eq!(dialogs.find("c", "l", tags[*left]), Some(keys[*left]), "{order:?}");
            }
        }
        assert_eq!((dialogs.find("x", "l", "r1"), dialogs.len()), (None, 0));
    }
}

/// A key of a place that was filled again finds nothing.
#[test]
fn keys_are_used_once() {
    let mut slab = Slab::default();
    let first = slab.insert('a');
    assert_eq!(slab.remove(first), Some('a'));
    let second = slab.insert('b');
    assert_eq!(slab.remove(first), None);
    assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
    assert_eq!(slab.len(), 1);
}
