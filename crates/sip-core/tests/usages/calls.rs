//! Calls from INVITE to BYE: RFC 3261 sections 9, 13 and 15.

use sip_core::usage::{Cause, InviteState, Refused};
use sip_core::{InviteEvent, Method, Payload, SessionTimerConfig, UsageEvent};

use crate::net::*;

/// RFC 3261 section 13: INVITE, 180, 200, ACK, and each end of it.
#[test]
fn call_stands_and_ends_once() {
    for hangs_up in [A, B] {
        let mut net = Net::new(1);
        let a = net.call();
        let b = net.incoming(B);
        net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), false, ep, now).unwrap());
        net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.wire(), ["A>B INVITE 1", "B>A 180 INVITE", "B>A 200 INVITE", "A>B ACK 1"]);
        assert_eq!(net.told(A), ["180", "established"]);
        assert_eq!(net.told(B), ["incoming", "confirmed"]);
        assert_eq!(net.nodes[A].usages.invite_state(a), Some(InviteState::Confirmed));
        let id = [a, b][hangs_up];
        net.on(hangs_up, |u, ep, now| u.end(id, Payload::none(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(hangs_up), ["ended LocalBye"]);
        assert_eq!(net.told(1 - hangs_up), ["ended remote bye"]);
        assert_eq!(refused(net.on(hangs_up, |u, ep, now| u.end(id, sdp(), ep, now))), Refused::NoSuchUsage);
        net.run(secs(100));
        net.assert_empty("after BYE");
    }
}

/// RFC 3261 section 13.2.2.4: each copy of the 2xx gets the ACK again.
#[test]
fn lost_ack_is_sent_again() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose_next("ACK");
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.run(secs(1));
    assert_eq!(net.wire()[1..], ["B>A 200 INVITE", "A>B ACK 1", "B>A 200 INVITE", "A>B ACK 1"]);
    assert_eq!(net.told(A), ["established"]);
    assert_eq!(net.told(B), ["incoming", "confirmed"]);
}

/// RFC 3261 section 13.3.1.4: no ACK within 64*T1: BYE.
#[test]
fn no_ack_ends_the_call() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose(&["ACK"]);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.run(secs(33));
    assert_eq!(net.told(B), ["incoming", "ended NoAck"]);
    assert_eq!(net.told(A), ["established", "ended remote bye"]);
    net.run(secs(100));
    net.assert_empty("after NoAck");
}

/// RFC 3261 section 15: the callee's BYE waits for the ACK.
#[test]
fn bye_of_the_callee_waits_for_the_ack() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose_next("ACK");
    net.on(B, |u, ep, now| {
        u.accept(b, sdp(), ep, now).unwrap();
        u.end(b, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    assert!(!net.wire().iter().any(|line| line.contains("BYE")));
    net.run(secs(1));
    assert_eq!(net.told(B), ["incoming", "confirmed", "ended LocalBye"]);
    assert_eq!(net.told(A), ["established", "ended remote bye"]);
}

/// RFC 3261 section 9: what each final answer makes of a call that was given up.
#[test]
fn cancel_table() {
    // Before any response: the CANCEL waits for one.
    let mut net = Net::new(1);
    let a = net.call();
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.quietly(B, |_, _, _| ());
    net.settle();
    assert_eq!(net.wire(), ["A>B INVITE 1"]);
    net.run(secs(1));
    let wire = net.wire();
    assert_eq!(wire[..3], ["B>A 100 INVITE", "A>B CANCEL 1", "B>A 200 CANCEL"], "{wire:?}");
    assert_eq!(wire[3..], ["B>A 487 INVITE", "A>B ACK 1"]);
    assert_eq!(net.told(A), ["ended Cancelled"]);
    assert_eq!(net.told(B), ["incoming", "ended Cancelled"]);
    net.run(secs(100));
    net.assert_empty("cancelled");

    // The 2xx crosses the CANCEL: ACK and BYE.
    let mut net = Net::new(1);
    let a = net.call();
    let b = net.incoming(B);
    net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), false, ep, now).unwrap());
    net.settle();
    net.quietly(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.settle();
    let wire = net.wire();
    assert!(wire.contains(&"A>B ACK 1".to_owned()) && wire.contains(&"A>B BYE 2".to_owned()), "{wire:?}");
    assert_eq!(net.told(A), ["180", "ended Cancelled"]);
    assert_eq!(net.told(B), ["incoming", "confirmed", "ended remote bye"]);
    net.run(secs(100));
    net.assert_empty("crossed");
}

/// RFC 3261 section 13.2.2.2 and 13.2.2.3: refusals end, redirections give their targets first.
#[test]
fn refusal_table() {
    for status in [404, 486, 500, 603] {
        let mut net = Net::new(1);
        net.call();
        let b = net.incoming(B);
        net.on(B, |u, ep, now| u.reject(b, status, Payload::none(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(A), [format!("ended rejected {status}")]);
        assert_eq!(net.told(B), ["incoming".to_owned(), format!("ended local reject {status}")]);
        net.run(secs(100));
        net.assert_empty("refused");
    }
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    let targets = [sip_core::NameAddr::new(uri(C)), sip_core::NameAddr::new(uri(A))];
    net.on(B, |u, ep, now| u.redirect(b, &targets, ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["redirected 2", "ended Redirected"]);
    assert_eq!(net.told(B), ["incoming", "ended local reject 302"]);
}

/// RFC 3261 section 13.3.1.1: who rings says so every minute.
#[test]
fn ringing_is_said_again() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), false, ep, now).unwrap());
    net.run(secs(150));
    assert_eq!(net.told(A), ["180", "180", "180"]);
}

/// Whoever is asked and does not answer: 480 after the time for it.
#[test]
fn unanswered_invite_ends() {
    let mut net = Net::new(1);
    net.call();
    net.run(secs(181));
    assert_eq!(net.told(B), ["incoming", "ended RingTimeout"]);
    assert_eq!(net.told(A), ["ended rejected 480"]);
    net.run(secs(100));
    net.assert_empty("not answered");
}

/// Nobody there at all.
#[test]
fn dead_wire_fails_the_call() {
    let mut net = Net::new(1);
    net.lose(&["A>B"]);
    net.call();
    net.run(secs(33));
    assert_eq!(net.told(A), ["ended failed"]);
    net.run(secs(100));
    net.assert_empty("dead");
}

/// RFC 3264: an INVITE without offer; the 2xx offers, the ACK answers. Given up before, it is still acknowledged.
#[test]
fn offer_in_the_answer() {
    for answers in [true, false] {
        let mut net = Net::new(1);
        let a = net.invite(addr(B), Payload::none());
        let b = net.incoming(B);
        net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(A), ["established owed"]);
        assert!(!net.wire().iter().any(|line| line.contains("ACK")));
        if answers {
            assert_eq!(refused(net.on(A, |u, ep, now| u.update(a, sdp(), ep, now))), Refused::OfferPending);
            net.on(A, |u, ep, now| u.ack(a, sdp(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.wire(), ["A>B ACK 1"]);
            let confirmed = net.events(B).pop().unwrap();
            let UsageEvent::Invite(InviteEvent::Confirmed { request, .. }) = confirmed else {
                panic!("{confirmed:?}")
            };
            assert!(!request.body().is_empty());
        } else {
            net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.wire(), ["A>B ACK 1", "A>B BYE 2", "B>A 200 BYE"]);
            assert_eq!(net.told(B), ["incoming", "confirmed", "ended remote bye"]);
        }
    }
}

/// RFC 4028 section 7.3: 422 is followed by the same INVITE with what it asks for.
#[test]
fn interval_too_small_is_raised_once() {
    let short = SessionTimerConfig::default().with_interval_s(100);
    let long = SessionTimerConfig::default().with_interval_s(600).with_min_s(300);
    let mut net = Net::with(1, |n, config| config.with_session(Some(if n == A { short } else { long })));
    let a = net.call();
    net.settle();
    assert_eq!(net.wire(), ["A>B INVITE 1", "B>A 422 INVITE", "A>B ACK 1", "A>B INVITE 2"]);
    let b = net.incoming(B);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.nodes[A].usages.session(a), Some((300, true)));
    assert_eq!(net.nodes[B].usages.session(b), Some((300, false)));
}

/// RFC 4028: who refreshes does so at half the interval; silence ends the session at both ends.
#[test]
fn session_timer_refreshes_and_expires() {
    let config = SessionTimerConfig::default().with_interval_s(90);
    let mut net = Net::with(1, |_, c| c.with_session(Some(config)));
    net.stands();
    net.run(secs(46));
    assert_eq!(net.wire(), ["A>B UPDATE 2", "B>A 200 UPDATE"]);
    assert_eq!((net.told(A), net.told(B)), (vec![], vec!["updated".to_owned()]));
    net.run(secs(1000));
    assert_eq!(net.told(A), Vec::<String>::new());
    net.told(B);
    net.lose(&["A>B", "B>A"]);
    net.run(secs(200));
    assert_eq!(net.told(A), ["ended SessionExpired"], "its UPDATE was not answered");
    assert_eq!(net.told(B), ["ended SessionExpired"]);
    net.run(secs(100));
    net.assert_empty("expired");
}

/// RFC 3261 section 12.2.2: an older number gets 500; a request for a dialog that is gone 481.
#[test]
fn requests_of_no_dialog() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    net.on(A, |u, ep, now| u.send(a, Method::Info, Payload::none(), ep, now).unwrap());
    net.settle();
    let tx = net.asked(B);
    net.on(B, |u, ep, now| u.answer(tx, 200, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["answered 200"]);
    net.wire();
    let dialog = net.nodes[A].usages.dialog(a).unwrap();
    let old = |method: &str, cseq: u32, tag: &str| {
        format!(
            "{method} sip:b@192.0.2.2 SIP/2.0
            Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}{cseq}{tag}
            From: <sip:a@x>;tag={}
            To: <sip:b@x>;tag={tag}
            Call-ID: {}
            CSeq: {cseq} {method}",
            dialog.id().local_tag,
            dialog.id().call_id
        )
    };
    net.inject(A, B, &old("INFO", 1, &dialog.id().remote_tag));
    net.inject(A, B, &old("INFO", 9, "other"));
    net.inject(A, B, &old("BYE", 9, "other"));
    net.inject(A, B, &old("PRACK", 9, &dialog.id().remote_tag));
    assert_eq!(net.wire(), ["B>A 500 INFO", "B>A 481 INFO", "B>A 481 BYE", "B>A 400 PRACK"]);
    assert_eq!(net.nodes[B].usages.invite_state(b), Some(InviteState::Confirmed));
}

/// RFC 3261 section 12.2.1.2 and RFC 5057: a 481 to any request ends the usage, once; silence sends a BYE, too.
#[test]
fn gone_peer_ends_the_call() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    // B forgets the call, as a restart would make it.
    net.lose(&["BYE"]);
    net.on(B, |u, ep, now| u.end(b, Payload::none(), ep, now).unwrap());
    net.run(secs(40));
    net.lose_nothing();
    net.on(A, |u, ep, now| u.send(a, Method::Info, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["answered 481", "ended gone 481"]);

    let mut net = Net::new(1);
    let (a, _) = net.stands();
    net.lose(&["INFO"]);
    net.on(A, |u, ep, now| u.send(a, Method::Info, Payload::none(), ep, now).unwrap());
    net.run(secs(33));
    let events = net.events(A);
    let [
        UsageEvent::Invite(InviteEvent::RequestFailed { .. }),
        UsageEvent::Invite(InviteEvent::Ended { cause, .. }),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert!(matches!(cause, Cause::Failed { .. }));
    assert_eq!(net.told(B), ["ended remote bye"]);
}

/// An idle call costs less than a kilobyte, keeps no message and waits for nothing but its session timer.
#[test]
fn idle_calls_are_small() {
    let mut net = Net::with(1, |_, config| config.with_session(None));
    for _ in 0..200 {
        net.call();
        let b = net.incoming(B);
        net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
        net.settle();
    }
    net.run(secs(100));
    for node in [A, B] {
        let usages = &net.nodes[node].usages;
        assert_eq!((usages.invites(), usages.dialogs(), usages.pending()), (200, 200, 0));
        let each = usages.bytes_at_rest() / 200;
        println!("{each} bytes for an idle call");
        assert!(each <= 1024, "{each} bytes");
    }
}

/// Beyond the limit 503, for them and for us; what is required and not known, 420.
#[test]
fn limits() {
    let mut net = Net::with(1, |_, config| config.with_max_usages(1));
    net.call();
    net.settle();
    let draft = Net::draft(Method::Invite, uri(C));
    assert_eq!(refused(net.on(A, |u, ep, now| u.invite(draft, Net::to(addr(C)), ep, now))), Refused::Full);
    net.wire();
    let draft = Net::draft(Method::Invite, uri(B));
    net.on(C, |u, ep, now| u.invite(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(C), ["ended rejected 503"]);
    let draft = Net::draft(Method::Invite, uri(B)).header("Require", "telepathy");
    let mut net = Net::new(1);
    net.on(A, |u, ep, now| u.invite(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    assert_eq!((net.told(A), net.told(B)), (vec!["ended rejected 420".to_owned()], vec![]));
}
