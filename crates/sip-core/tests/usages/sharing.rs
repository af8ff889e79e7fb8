//! Several usages in one dialog (RFC 5057), and dialogs with their usages written and read.

use sip_core::header::{Event, SubState};
use sip_core::usage::{DialogUsages, InviteState};
use sip_core::{InviteId, Method, Payload, SubscriptionId, UsageConfig, Usages};

use crate::net::*;

fn event() -> Event {
    Event { package: "dialog".into(), id: Some("7".into()) }
}

/// A call with a subscription of A's in it.
fn shared(net: &mut Net) -> (InviteId, InviteId, SubscriptionId, SubscriptionId) {
    let (a, b) = net.stands();
    let sub = net.on(A, |u, ep, now| u.subscribe_in(a, event(), 600, Payload::none(), ep, now).unwrap());
    net.settle();
    let other = net.subscriber(B);
    net.on(B, |u, ep, now| {
        u.accept_subscription(other, SubState::Active, None, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    assert_eq!(net.told(A), ["accepted 600", "notified active"]);
    assert_eq!(net.told(B), ["subscribe 600"]);
    net.wire();
    (a, b, sub, other)
}

/// RFC 5057 section 4: the dialog lives until the last usage has ended, whichever it is.
#[test]
fn dialog_ends_with_its_last_usage() {
    for call_first in [true, false] {
        let mut net = Net::new(1);
        let (a, _, sub, other) = shared(&mut net);
        assert_eq!((net.nodes[A].usages.dialogs(), net.nodes[B].usages.dialogs()), (1, 1));
        let end_call = |net: &mut Net| net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
        let leave = |net: &mut Net| net.on(A, |u, ep, now| u.unsubscribe(sub, ep, now).unwrap());
        if call_first {
            end_call(&mut net);
            net.settle();
            assert_eq!((net.nodes[A].usages.dialogs(), net.nodes[B].usages.dialogs()), (1, 1));
            net.on(B, |u, ep, now| u.notify(other, Payload::none(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.told(A), ["ended LocalBye", "notified active"]);
            leave(&mut net);
        } else {
            leave(&mut net);
            net.settle();
            assert_eq!(net.nodes[A].usages.invite_state(a), Some(InviteState::Confirmed));
            end_call(&mut net);
        }
        net.settle();
        assert_eq!((net.nodes[A].usages.dialogs(), net.nodes[B].usages.dialogs()), (0, 0));
        net.run(secs(100));
        net.assert_empty("both ended");
    }
}

/// RFC 5057 section 5: 481 ends the usage it came to, 404 the dialog with all of them.
#[test]
fn what_an_answer_takes_with_it() {
    for (status, told) in [
        (481, vec!["answered 481", "ended gone 481"]),
        (404, vec!["answered 404", "ended gone 404", "ended DialogEnded"]),
    ] {
        let mut net = Net::new(1);
        let (a, ..) = shared(&mut net);
        net.on(A, |u, ep, now| u.send(a, Method::Info, Payload::none(), ep, now).unwrap());
        net.settle();
        let tx = net.asked(B);
        net.on(B, |u, ep, now| u.answer(tx, status, Payload::none(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(A), told);
        assert_eq!(net.nodes[A].usages.subscriptions(), usize::from(status == 481));
    }
}

/// Written to text, read in another process: call, subscription and session timer go on.
#[test]
fn snapshot_round_trip() {
    let mut net = Net::new(1);
    let (a, b, sub, other) = shared(&mut net);
    net.run(secs(60));
    let now = net.now;
    for (node, id, notifier) in [(A, a, false), (B, b, true)] {
        let snapshot = net.nodes[node].usages.snapshot(id, now).unwrap();
        let text = serde_json::to_string(&snapshot).unwrap();
        let read: DialogUsages = serde_json::from_str(&text).unwrap();
        assert_eq!(read, snapshot);
        assert_eq!(read.version, 1);
        let session = read.invite.as_ref().unwrap().session.unwrap();
        assert_eq!((session.interval_s, session.elapsed_s), (1800, 60));
        assert_eq!((read.subscriptions[0].notifier, read.subscriptions[0].left_s), (notifier, 540));
        let mut fresh =
            Usages::new(UsageConfig::new(sip_core::NameAddr::new(uri(node))).with_packages(["dialog"]));
        let restored = fresh.restore(read, None, now).unwrap();
        assert_eq!((restored.subscriptions.len(), fresh.dialogs()), (1, 1));
        let id = restored.invite.unwrap();
        assert!(fresh.session(id).is_some());
        net.nodes[node].usages = fresh;
        let again = net.nodes[node].usages.restore(snapshot, None, now);
        assert!(again.is_err(), "it is there");
        if node == A {
            net.on(A, |u, ep, now| u.send(id, Method::Info, Payload::none(), ep, now).unwrap());
            net.settle();
            let tx = net.asked(B);
            net.on(B, |u, ep, now| u.answer(tx, 200, Payload::none(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.told(A), ["answered 200"]);
            net.told(B);
        } else {
            net.on(B, |u, ep, now| u.notify(restored.subscriptions[0], Payload::none(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.told(A), ["notified active"]);
            net.on(B, |u, ep, now| u.end(id, Payload::none(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.told(A), ["ended remote bye"]);
        }
    }
    let _ = (sub, other);
}

/// Only what both know to stand is written; a later version is not read.
#[test]
fn what_is_not_stored() {
    let mut net = Net::new(1);
    let a = net.call();
    let b = net.incoming(B);
    let now = net.now;
    assert_eq!(net.nodes[A].usages.snapshot(a, now), None);
    assert_eq!(net.nodes[B].usages.snapshot(b, now), None);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.settle();
    let mut snapshot = net.nodes[A].usages.snapshot(a, now).unwrap();
    snapshot.version = 2;
    let mut fresh = Usages::new(UsageConfig::new(sip_core::NameAddr::new(uri(A))));
    assert!(fresh.restore(snapshot, None, now).is_err());
    assert_eq!(fresh.dialogs(), 0);
}

/// A dialog whose hop is gone: UPDATE without the route set, and the route set by its answer.
#[test]
fn route_is_repaired_by_update() {
    let mut net = Net::with(1, |_, config| config.with_route_repair());
    let (a, _) = net.stands();
    let now = net.now;
    let mut snapshot = net.nodes[A].usages.snapshot(a, now).unwrap();
    snapshot.dialog.route_set = vec!["<sip:192.0.2.77:5060;lr>".to_owned()];
    let mut fresh = Usages::new(UsageConfig::new(sip_core::NameAddr::new(uri(A))));
    let a = fresh.restore(snapshot, None, now).unwrap().invite.unwrap();
    net.nodes[A].usages = fresh;
    assert_eq!(net.nodes[A].usages.dialog(a).unwrap().route_set().len(), 1);
    net.on(A, |u, ep, now| u.update_off_route(a, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["answered 200"]);
    assert!(net.nodes[A].usages.dialog(a).unwrap().route_set().is_empty());
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(B), ["updated", "ended remote bye"]);
}
