//! One INVITE, several answers: RFC 3261 sections 12.1, 13.2.2.4.

use sip_core::usage::Fork;
use sip_core::{InviteEvent, InviteId, Payload, UsageEvent};

use crate::net::*;

fn forked(net: &mut Net) -> (InviteId, InviteId, InviteId) {
    let a = net.invite(FORK.parse().unwrap(), sdp());
    let (b, c) = (net.incoming(B), net.incoming(C));
    for (node, id) in [(B, b), (C, c)] {
        net.on(node, |u, ep, now| u.ring(id, 180, Payload::none(), false, ep, now).unwrap());
    }
    net.settle();
    (a, b, c)
}

/// Each To tag of a provisional response is an early dialog.
#[test]
fn early_dialogs_are_told_apart() {
    let mut net = Net::new(1);
    forked(&mut net);
    let early = net.events(A).into_iter().filter_map(|event| match event {
        UsageEvent::Invite(InviteEvent::Provisional { early, .. }) => early,
        _ => None,
    });
    let early: Vec<_> = early.collect();
    assert_eq!(early.len(), 2);
    assert_ne!(early[0], early[1]);
    assert_eq!(net.nodes[A].usages.dialogs(), 2);
}

/// The first 2xx is the call; the second gets ACK and BYE, each time it comes.
#[test]
fn surplus_answer_is_turned_away() {
    let mut net = Net::new(1);
    let (a, b, c) = forked(&mut net);
    net.told(A);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.settle();
    net.wire();
    net.lose_next("ACK");
    net.on(C, |u, ep, now| u.accept(c, sdp(), ep, now).unwrap());
    net.run(secs(1));
    assert_eq!(
        net.wire(),
        ["C>A 200 INVITE", "A>C ACK 1", "A>C BYE 2", "C>A 200 BYE", "C>A 200 INVITE", "A>C ACK 1"]
    );
    assert_eq!(net.told(A), ["established", "surplus"]);
    assert_eq!(net.told(B), ["incoming", "confirmed"]);
    assert_eq!(net.told(C), ["incoming", "ended remote bye"]);
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.run(secs(100));
    net.assert_empty("all ended");
}

/// With `Fork::Keep` the second 2xx is a usage of its own; each ends for itself.
#[test]
fn second_answer_can_be_kept() {
    let mut net = Net::with(1, |_, config| config.with_fork(Fork::Keep));
    let (a, b, c) = forked(&mut net);
    net.told(A);
    for (node, id) in [(B, b), (C, c)] {
        net.on(node, |u, ep, now| u.accept(id, sdp(), ep, now).unwrap());
    }
    net.settle();
    let second = net.find(A, |event| match event {
        UsageEvent::Invite(InviteEvent::Forked { id, of, .. }) if *of == a => Some(*id),
        _ => None,
    });
    assert_eq!(net.told(A), ["established", "forked"]);
    net.on(A, |u, ep, now| u.end(second, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(C), ["incoming", "confirmed", "ended remote bye"]);
    assert_eq!(net.told(B), ["incoming", "confirmed"]);
    net.on(B, |u, ep, now| u.end(b, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["ended LocalBye", "ended remote bye"]);
    net.run(secs(100));
    net.assert_empty("both ended");
}

/// A 2xx that comes after the call was ended, or was given up: ACK and BYE, and nobody is told.
#[test]
fn late_answer_after_the_end() {
    let mut net = Net::new(1);
    let (a, b, c) = forked(&mut net);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.settle();
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["180", "180", "established", "ended LocalBye"]);
    net.run(secs(5));
    net.on(C, |u, ep, now| u.accept(c, sdp(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), Vec::<String>::new());
    assert_eq!(net.told(C), ["incoming", "confirmed", "ended remote bye"]);
    net.run(secs(100));
    net.assert_empty("late");
}

/// The early dialog's numbers go on: a PRACK and an UPDATE in it, then its 2xx comes second.
#[test]
fn numbers_of_an_early_dialog_go_on() {
    let mut net = Net::new(1);
    let a = net.invite(FORK.parse().unwrap(), sdp());
    let (b, c) = (net.incoming(B), net.incoming(C));
    net.on(C, |u, ep, now| u.ring(c, 183, sdp(), true, ep, now).unwrap());
    net.settle();
    let early = net.find(A, |event| match event {
        UsageEvent::Invite(InviteEvent::Provisional { early, .. }) => *early,
        _ => None,
    });
    net.on(A, |u, ep, now| u.update_early(a, early, sdp(), ep, now).unwrap());
    net.settle();
    let tx = net.asked(C);
    net.on(C, |u, ep, now| u.answer(tx, 200, sdp(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["183", "answered 200"]);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.wire();
    net.on(C, |u, ep, now| u.accept(c, Payload::none(), ep, now).unwrap());
    net.settle();
    assert!(net.wire().contains(&"A>C BYE 4".to_owned()));
    assert_eq!(net.told(C), ["incoming", "pracked", "updated sdp", "confirmed", "ended remote bye"]);
}
