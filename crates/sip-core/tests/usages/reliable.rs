//! Reliable provisional responses: RFC 3262.

use sip_core::usage::{Refused, Reliable};
use sip_core::{InviteEvent, InviteId, Payload, UsageEvent};

use crate::net::*;

fn rings(net: &mut Net, b: InviteId, payload: Payload) {
    net.on(B, |u, ep, now| u.ring(b, 183, payload, true, ep, now).unwrap());
    net.settle();
}

fn owed(net: &Net) -> Reliable {
    net.find(A, |event| match event {
        UsageEvent::Invite(InviteEvent::Provisional { owes_prack, .. }) => *owes_prack,
        _ => None,
    })
}

/// Section 3 and 4: 183 with the answer, PRACK, 200; then the call.
#[test]
fn prack_by_itself() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    rings(&mut net, b, sdp());
    assert_eq!(net.wire(), ["A>B INVITE 1", "B>A 183 INVITE", "A>B PRACK 2", "B>A 200 PRACK"]);
    net.on(B, |u, ep, now| u.accept(b, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["183", "established"]);
    assert_eq!(net.told(B), ["incoming", "pracked", "confirmed"]);
}

/// Section 3: again after T1, doubled each time, without limit but 64*T1; then 504.
#[test]
fn no_prack_refuses_the_call() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose(&["PRACK"]);
    net.on(B, |u, ep, now| u.ring(b, 183, sdp(), true, ep, now).unwrap());
    let mut at = Vec::new();
    let start = net.now;
    while net.now - start < secs(33) {
        net.run(ms(100));
        if net.wire().contains(&"B>A 183 INVITE".to_owned()) {
            at.push((net.now - start).as_millis() / 100 * 100);
        }
    }
    assert_eq!(at, [100, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(net.told(B), ["incoming", "ended NoPrack"]);
    assert_eq!(net.told(A), ["183", "ended rejected 504"]);
    net.run(secs(100));
    net.assert_empty("no PRACK");
}

/// Section 4: what is lost comes again; what comes twice is acknowledged once.
#[test]
fn lost_and_doubled() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose_next("183");
    rings(&mut net, b, sdp());
    net.run(secs(1));
    let wire: Vec<_> = net.wire().into_iter().filter(|line| line.contains("PRACK")).collect();
    assert_eq!(wire, ["A>B PRACK 2", "B>A 200 PRACK"]);
    assert_eq!(net.told(A), ["183"]);
    let mut net = Net::new(1);
    net.duplication = 100;
    net.call();
    let b = net.incoming(B);
    rings(&mut net, b, sdp());
    assert_eq!(net.told(A), ["183"]);
    assert_eq!(net.told(B), ["incoming", "pracked"]);
}

/// Section 3: one at a time: the second waits for the PRACK of the first.
#[test]
fn one_after_the_other() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose_next("PRACK");
    net.on(B, |u, ep, now| {
        u.ring(b, 183, sdp(), true, ep, now).unwrap();
        u.ring(b, 180, Payload::none(), true, ep, now).unwrap();
    });
    net.settle();
    assert_eq!(net.told(A), ["183"]);
    net.run(secs(1));
    assert_eq!(net.told(A), ["180"]);
    assert_eq!(net.told(B), ["incoming", "pracked", "pracked"]);
}

/// Section 3: the 2xx waits while an offer or answer is not acknowledged; else it does not.
#[test]
fn success_waits_for_the_prack() {
    for (payload, waits) in [(sdp(), true), (Payload::none(), false)] {
        let mut net = Net::new(1);
        net.call();
        let b = net.incoming(B);
        net.lose_next("PRACK");
        net.on(B, |u, ep, now| {
            u.ring(b, 183, payload, true, ep, now).unwrap();
            let answer = if waits { Payload::none() } else { sdp() };
            u.accept(b, answer, ep, now).unwrap();
            assert_eq!(refused(u.accept(b, sdp(), ep, now)), Refused::WrongState);
        });
        net.settle();
        assert_eq!(net.wire().contains(&"B>A 200 INVITE".to_owned()), !waits);
        net.run(secs(1));
        assert_eq!(net.told(A), ["183", "established"]);
        let mut told = vec!["incoming", "confirmed"];
        if waits {
            told.insert(1, "pracked");
        }
        assert_eq!(net.told(B), told);
        assert!(!net.wire().iter().any(|line| line.contains("481")), "a late PRACK is fine");
    }
}

/// The offer is in the 183: the user answers it in the PRACK.
#[test]
fn offer_in_the_provisional_response() {
    let mut net = Net::new(1);
    let a = net.invite(addr(B), Payload::none());
    let b = net.incoming(B);
    rings(&mut net, b, sdp());
    assert_eq!(net.told(A).last().map(String::as_str), Some("183 owed"));
    assert!(!net.wire().iter().any(|line| line.contains("PRACK")));
    assert_eq!(refused(net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now))), Refused::OfferPending);
    net.run(secs(1));
    assert_eq!(net.told(A), Vec::<String>::new(), "a copy is not told");
    let _ = a;
}

/// The same to its end, and a new offer in the PRACK of a later one.
#[test]
fn answer_in_the_prack() {
    let mut net = Net::new(1);
    let a = net.invite(addr(B), Payload::none());
    let b = net.incoming(B);
    rings(&mut net, b, sdp());
    let reliable = owed(&net);
    net.on(A, |u, ep, now| u.prack(a, reliable, sdp(), ep, now).unwrap());
    assert_eq!(refused(net.on(A, |u, ep, now| u.prack(a, reliable, sdp(), ep, now))), Refused::WrongState);
    net.settle();
    assert_eq!(net.told(B), ["incoming", "pracked sdp"]);
    net.on(B, |u, ep, now| u.accept(b, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["183 owed", "established"]);
    assert_eq!(net.told(B), ["confirmed"]);
}

/// Section 3: only for who supports it; always for who requires it.
#[test]
fn needs_100rel() {
    let mut net = Net::with(1, |_, config| config.with_supported([] as [&str; 0]));
    net.call();
    let b = net.incoming(B);
    let result = net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), true, ep, now));
    assert_eq!(refused(result), Refused::NotSupported);

    let mut net = Net::new(1);
    let draft = Net::draft(sip_core::Method::Invite, uri(B)).header("Require", "100rel");
    net.on(A, |u, ep, now| u.invite(draft, Net::to(addr(B)), ep, now).unwrap());
    let b = net.incoming(B);
    net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), false, ep, now).unwrap());
    net.settle();
    assert!(net.wire().contains(&"A>B PRACK 2".to_owned()));
}

/// RFC 3311: UPDATE in an early dialog, by both ends, once an offer is answered.
#[test]
fn early_update() {
    let mut net = Net::new(1);
    let a = net.call();
    let b = net.incoming(B);
    rings(&mut net, b, sdp());
    net.on(B, |u, ep, now| u.update(b, sdp(), ep, now).unwrap());
    net.settle();
    let tx = net.asked(A);
    net.on(A, |u, ep, now| u.answer(tx, 200, sdp(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["183", "updated sdp"]);
    assert_eq!(net.told(B), ["incoming", "pracked", "answered 200"]);
    net.on(B, |u, ep, now| u.accept(b, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["established"]);
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.run(secs(100));
    net.assert_empty("ended");
}

/// A 491 to an UPDATE and a PRACK that is late wait for times of their own: neither puts the other off.
#[test]
fn glare_before_the_success() {
    let mut net = Net::new(1);
    let a = net.call();
    let b = net.incoming(B);
    rings(&mut net, b, sdp());
    let early = net.find(A, |event| match event {
        UsageEvent::Invite(InviteEvent::Provisional { early, .. }) => *early,
        _ => None,
    });
    net.quietly(A, |u, ep, now| u.update_early(a, early, sdp(), ep, now).unwrap());
    net.on(B, |u, ep, now| u.update(b, sdp(), ep, now).unwrap());
    net.settle();
    // Both met 491, and B accepts while a reliable response has no PRACK.
    net.lose(&["PRACK"]);
    net.on(B, |u, ep, now| {
        u.ring(b, 180, Payload::none(), true, ep, now).unwrap();
        u.accept(b, Payload::none(), ep, now).unwrap();
    });
    net.lose_nothing();
    net.wire();
    net.run(secs(4));
    let wire = net.wire();
    assert!(wire.iter().any(|line| line.starts_with("B>A UPDATE")), "{wire:?}");
    assert!(!wire.iter().any(|line| line.contains("481")), "{wire:?}");
}
