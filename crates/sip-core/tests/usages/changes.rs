//! Changes of a call that stands: re-INVITE, UPDATE, glare, targets and routes (RFC 3261 section 14, RFC 3311, RFC 5407).

use sip_core::usage::Refused;
use sip_core::{InviteEvent, Method, NameAddr, Payload, SessionTimerConfig, UsageEvent};

use crate::net::*;

fn answers(net: &mut Net, node: usize, status: u16) {
    let tx = net.asked(node);
    net.on(node, |u, ep, now| u.answer(tx, status, sdp(), ep, now).unwrap());
    net.settle();
}

/// RFC 3261 section 14: offer in the INVITE, by either end; the ACK is sent by itself.
#[test]
fn reinvite_by_either_end() {
    for by in [A, B] {
        let mut net = Net::new(1);
        let (a, b) = net.stands();
        let id = [a, b][by];
        net.on(by, |u, ep, now| u.reinvite(id, sdp(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(1 - by)[..0], [""; 0]);
        net.on(by, |u, ep, now| {
            assert_eq!(refused(u.reinvite(id, sdp(), ep, now)), Refused::RequestPending);
            assert_eq!(refused(u.update(id, sdp(), ep, now)), Refused::OfferPending);
        });
    }
    for by in [A, B] {
        let mut net = Net::new(1);
        let (a, b) = net.stands();
        let id = [a, b][by];
        net.on(by, |u, ep, now| u.reinvite(id, sdp(), ep, now).unwrap());
        net.settle();
        answers(&mut net, 1 - by, 200);
        assert_eq!(net.told(1 - by), ["reinvited sdp", "confirmed"]);
        assert_eq!(net.told(by), ["answered 200"]);
        net.run(secs(40));
        let pending: Vec<usize> = [A, B].iter().map(|n| net.nodes[*n].usages.pending()).collect();
        assert_eq!(pending, [1, 1], "only the session timers");
    }
}

/// An INVITE without offer asks for one; the ACK answers it.
#[test]
fn reinvite_asks_for_an_offer() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    net.on(B, |u, ep, now| u.reinvite(b, Payload::none(), ep, now).unwrap());
    net.settle();
    answers(&mut net, A, 200);
    assert_eq!(net.told(A), ["reinvited"]);
    assert_eq!(net.told(B), ["answered 200 owed"]);
    assert_eq!(refused(net.on(A, |u, ep, now| u.reinvite(a, sdp(), ep, now))), Refused::RequestPending);
    net.on(B, |u, ep, now| u.ack(b, sdp(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["confirmed"]);
}

/// RFC 3261 section 14.1, RFC 5057 section 5: a refused change leaves the session as it was; which answers end it.
#[test]
fn refused_change_table() {
    for (status, ended) in
        [(488, false), (500, false), (603, false), (481, true), (404, true), (408, true), (480, true)]
    {
        let mut net = Net::new(1);
        let (a, _) = net.stands();
        net.on(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
        net.settle();
        answers(&mut net, B, status);
        let mut told = vec![format!("answered {status}")];
        if ended {
            told.push(format!("ended gone {status}"));
        }
        assert_eq!(net.told(A), told);
        assert_eq!(
            net.wire().iter().any(|line| line.contains("BYE")),
            status == 408 || status == 480,
            "{status}"
        );
    }
}

/// RFC 3261 section 14.1: INVITEs cross: both get 491, the owner of the Call-ID waits longer, both get through.
#[test]
fn invite_glare() {
    for seed in 0..20 {
        let mut net = Net::new(seed);
        let (a, b) = net.stands();
        net.quietly(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
        net.on(B, |u, ep, now| u.reinvite(b, sdp(), ep, now).unwrap());
        net.settle();
        let wire = net.wire();
        assert!(
            wire.contains(&"A>B 491 INVITE".to_owned()) && wire.contains(&"B>A 491 INVITE".to_owned()),
            "{wire:?}"
        );
        assert_eq!((net.told(A).len(), net.told(B).len()), (0, 0), "the user sees the last answer only");
        net.run(ms(2_001));
        assert_eq!(net.wire()[0], "B>A INVITE 2", "seed {seed}");
        answers(&mut net, A, 200);
        assert_eq!(net.told(B), ["answered 200"]);
        net.run(ms(2_000));
        answers(&mut net, B, 200);
        assert_eq!(net.told(A), ["reinvited sdp", "confirmed", "answered 200"]);
    }
}

/// RFC 3261 section 14.2: a second INVITE while one waits for its answer: 500 with Retry-After.
#[test]
fn second_invite_is_told_to_wait() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    net.on(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
    net.settle();
    assert_eq!(refused(net.on(B, |u, ep, now| u.reinvite(b, sdp(), ep, now))), Refused::RequestPending);
    assert_eq!(refused(net.on(B, |u, ep, now| u.update(b, sdp(), ep, now))), Refused::OfferPending);
    let dialog = net.nodes[A].usages.dialog(a).unwrap();
    let (ours, theirs) = (dialog.id().local_tag.clone(), dialog.id().remote_tag.clone());
    net.wire();
    net.inject(
        A,
        B,
        &format!(
            "INVITE sip:b@192.0.2.2 SIP/2.0
            Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsecond
            From: <sip:a@x>;tag={ours}
            To: <sip:b@x>;tag={theirs}
            Call-ID: {}
            CSeq: 7 INVITE",
            dialog.id().call_id
        ),
    );
    assert_eq!(net.wire(), ["B>A 500 INVITE"]);
}

/// RFC 3311: UPDATE with and without offer, and its glare.
#[test]
fn update_table() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    net.on(A, |u, ep, now| u.update(a, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!((net.told(A), net.told(B)), (vec!["answered 200".to_owned()], vec!["updated".to_owned()]));
    net.on(B, |u, ep, now| u.update(b, sdp(), ep, now).unwrap());
    net.settle();
    answers(&mut net, A, 200);
    assert_eq!((net.told(A), net.told(B)), (vec!["updated sdp".to_owned()], vec!["answered 200".to_owned()]));
    // They cross: both 491, both again.
    net.wire();
    net.quietly(A, |u, ep, now| u.update(a, sdp(), ep, now).unwrap());
    net.on(B, |u, ep, now| u.update(b, sdp(), ep, now).unwrap());
    net.settle();
    let mut wire = net.wire();
    wire.sort();
    assert_eq!(wire, ["A>B 491 UPDATE", "A>B UPDATE 3", "B>A 491 UPDATE", "B>A UPDATE 2"]);
    net.run(ms(2_001));
    answers(&mut net, A, 200);
    net.run(ms(2_000));
    answers(&mut net, B, 200);
    assert_eq!(net.told(A), ["updated sdp", "answered 200"]);
    assert_eq!(net.told(B), ["answered 200", "updated sdp"]);
}

/// RFC 3311 section 5.2: an offer in an UPDATE while an INVITE's offer is under way.
#[test]
fn update_meets_invite() {
    let mut net = Net::new(3);
    let (a, b) = net.stands();
    net.quietly(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
    net.on(B, |u, ep, now| u.update(b, sdp(), ep, now).unwrap());
    net.settle();
    let wire = net.wire();
    assert!(
        wire.contains(&"A>B 491 UPDATE".to_owned()) && wire.contains(&"B>A 491 INVITE".to_owned()),
        "{wire:?}"
    );
    net.run(ms(2_001));
    answers(&mut net, A, 200);
    net.run(ms(2_000));
    answers(&mut net, B, 200);
    assert_eq!(net.told(A), ["updated sdp", "answered 200"]);
    assert_eq!(net.told(B), ["answered 200", "reinvited sdp", "confirmed"]);
}

/// RFC 3261 section 9.2: a CANCEL of their re-INVITE withdraws it, and nothing else. Ours are not cancelled by `end`: BYE.
#[test]
fn bye_during_reinvite() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    net.on(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
    net.settle();
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.settle();
    let wire = net.wire();
    assert_eq!(wire, ["A>B INVITE 2", "A>B BYE 3", "B>A 200 BYE", "B>A 487 INVITE", "A>B ACK 2"], "{wire:?}");
    assert_eq!(net.told(A), ["ended LocalBye"]);
    assert_eq!(net.told(B), ["reinvited sdp", "ended remote bye"]);
    let _ = b;
    net.run(secs(100));
    net.assert_empty("both ended");
}

/// A 2xx to a re-INVITE that comes after the BYE is still acknowledged.
#[test]
fn late_answer_to_reinvite_is_acknowledged() {
    let mut net = Net::new(1);
    let (a, _) = net.stands();
    net.on(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
    net.settle();
    net.lose(&["BYE"]);
    net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
    net.wire();
    answers(&mut net, B, 200);
    assert_eq!(net.wire(), ["B>A 200 INVITE", "A>B ACK 2"]);
    assert_eq!(net.told(B), ["reinvited sdp", "confirmed"]);
}

/// RFC 3261 section 12.2: UPDATE and INVITE move the remote target; other requests do not.
#[test]
fn target_refresh() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    assert_eq!(net.nodes[B].usages.dialog(b).unwrap().remote_target(), &uri(A));
    let elsewhere = "<sip:a@192.0.2.1:5060;moved>";
    let moved = Payload::none().header("X-Unused", "1");
    net.on(A, |u, ep, now| u.send(a, Method::Info, moved, ep, now).unwrap());
    net.settle();
    let tx = net.asked(B);
    net.on(B, |u, ep, now| u.answer(tx, 200, Payload::none(), ep, now).unwrap());
    let dialog = net.nodes[A].usages.dialog(a).unwrap();
    let raw = format!(
        "UPDATE sip:b@192.0.2.2 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKmove
        From: <sip:a@x>;tag={}
        To: <sip:b@x>;tag={}
        Call-ID: {}
        Contact: {elsewhere}
        CSeq: 70 UPDATE",
        dialog.id().local_tag,
        dialog.id().remote_tag,
        dialog.id().call_id
    );
    net.inject(A, B, &raw);
    let target = net.nodes[B].usages.dialog(b).unwrap().remote_target().to_string();
    assert_eq!(NameAddr::new(sip_core::Uri::parse(&target).unwrap()).to_string(), elsewhere);
}

/// RFC 4028 section 7.3: a 422 to an UPDATE raises the interval, too.
#[test]
fn update_after_422() {
    let config = |interval: u32, min: u32| {
        Some(SessionTimerConfig::default().with_interval_s(interval).with_min_s(min))
    };
    let mut net = Net::with(1, |n, c| c.with_session(if n == A { config(100, 90) } else { None }));
    let (a, b) = net.stands();
    assert_eq!((net.nodes[A].usages.session(a), net.nodes[B].usages.session(b)), (None, None));
    // From now on B has timers: as if a hop on the way had changed.
    let dialog = net.nodes[B].usages.snapshot(b, net.now).unwrap();
    let mut usages = sip_core::Usages::new(
        sip_core::UsageConfig::new(NameAddr::new(uri(B))).with_session(config(600, 300)),
    );
    usages.restore(dialog, None, net.now).unwrap();
    net.nodes[B].usages = usages;
    net.on(A, |u, ep, now| u.update(a, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.wire(), ["A>B UPDATE 2", "B>A 422 UPDATE", "A>B UPDATE 3", "B>A 200 UPDATE"]);
    assert_eq!(net.told(A), ["answered 200"]);
    assert_eq!(net.nodes[A].usages.session(a).map(|(interval, _)| interval), Some(300));
}

/// A peer without UPDATE: the user refreshes by a re-INVITE.
#[test]
fn peer_without_update() {
    let session = Some(SessionTimerConfig::default().with_interval_s(90));
    let mut net = Net::with(1, |n, c| {
        let c = c.with_session(session);
        if n == B { c.with_allow([Method::Invite, Method::Ack, Method::Bye, Method::Cancel]) } else { c }
    });
    let (a, _) = net.stands();
    net.run(secs(46));
    assert_eq!(net.told(A), ["refresh due"]);
    net.on(A, |u, ep, now| u.reinvite(a, sdp(), ep, now).unwrap());
    net.settle();
    answers(&mut net, B, 200);
    net.run(secs(40));
    assert_eq!(net.told(A), ["answered 200"]);
    assert_eq!(net.told(B), ["reinvited sdp", "confirmed"]);
}

/// All other requests pass through, both ways, with the answer under the name of the request.
#[test]
fn other_requests_pass() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    for (node, id) in [(A, a), (B, b)] {
        for method in [Method::Info, Method::Message, Method::Refer, Method::Options] {
            let name = method.to_string();
            let request = net.on(node, |u, ep, now| u.send(id, method, sdp(), ep, now).unwrap());
            net.settle();
            assert_eq!(net.told(1 - node).len(), 1);
            net.told(node);
            let tx = net.nodes[1 - node].usages.pending();
            assert!(tx > 0, "{name} waits for its answer");
            let _ = request;
        }
        let refuse =
            [Method::Invite, Method::Bye, Method::Ack, Method::Cancel, Method::Prack, Method::Update];
        for method in refuse {
            let result = net.on(node, |u, ep, now| u.send(id, method, sdp(), ep, now));
            assert_eq!(refused(result), Refused::Argument);
        }
    }
    let request = net.on(A, |u, ep, now| u.send(a, Method::Info, sdp(), ep, now).unwrap());
    net.settle();
    answers(&mut net, B, 202);
    let named = net.find(A, |event| match event {
        UsageEvent::Invite(InviteEvent::Answered { request, .. }) => Some(*request),
        _ => None,
    });
    assert_eq!(named, request);
}

/// RFC 3261 section 9.2: their CANCEL withdraws a re-INVITE that is not answered; the call stands.
#[test]
fn cancelled_reinvite() {
    let mut net = Net::new(1);
    let (a, b) = net.stands();
    let dialog = net.nodes[A].usages.dialog(a).unwrap();
    for method in ["INVITE", "CANCEL"] {
        net.inject(
            A,
            B,
            &format!(
                "{method} sip:b@192.0.2.2 SIP/2.0
                Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtaken-back
                From: <sip:a@x>;tag={}
                To: <sip:b@x>;tag={}
                Call-ID: {}
                CSeq: 7 {method}",
                dialog.id().local_tag,
                dialog.id().remote_tag,
                dialog.id().call_id
            ),
        );
    }
    let mut wire = net.wire();
    wire.sort();
    assert_eq!(wire, ["B>A 200 CANCEL", "B>A 487 INVITE"]);
    assert_eq!(net.told(B), ["reinvited", "withdrawn"]);
    net.on(B, |u, ep, now| u.update(b, sdp(), ep, now).unwrap());
}
