//! What is rare on the wire, and what somebody does on purpose.

use sip_core::header::SubState;
use sip_core::usage::Refused;
use sip_core::{
    CloseReason, Event, InviteEvent, Method, Payload, SubscriptionEvent, TransportInput, UsageEvent,
};

use crate::net::*;

/// RFC 3262 section 3, RFC 4028: an accepted call that waits for a PRACK has no session, and no timer of it, however long.
#[test]
fn session_begins_with_the_success() {
    let mut net = Net::new(1);
    let draft = Net::draft(Method::Invite, uri(B))
        .header("Supported", "timer, 100rel")
        .header("Session-Expires", "90;refresher=uas")
        .body("application/sdp", "v=0\r\n");
    net.on(A, |u, ep, now| u.invite(draft, Net::to(addr(B)), ep, now).unwrap());
    let b = net.incoming(B);
    // Half of the interval passes before the second PRACK comes.
    net.lose(&["PRACK 2"]);
    net.on(B, |u, ep, now| {
        u.ring(b, 183, sdp(), true, ep, now).unwrap();
        u.ring(b, 183, sdp(), true, ep, now).unwrap();
        u.accept(b, Payload::none(), ep, now).unwrap();
    });
    net.run(secs(29));
    net.lose(&["PRACK 3"]);
    net.run(secs(31));
    net.lose_nothing();
    net.run(secs(20));
    assert_eq!(net.told(A), ["183", "183", "established"]);
    assert_eq!(net.told(B), ["incoming", "pracked", "pracked", "confirmed"]);
}

/// RFC 3262 section 3: an answer to the offer of a PRACK does not let the 2xx pass a reliable response that describes a session.
#[test]
fn success_waits_for_every_description() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.lose(&["PRACK"]);
    net.on(B, |u, ep, now| {
        u.ring(b, 183, sdp(), true, ep, now).unwrap();
        u.ring(b, 180, Payload::none(), true, ep, now).unwrap();
        u.accept(b, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    assert!(!net.wire().contains(&"B>A 200 INVITE".to_owned()));
    net.lose_nothing();
    net.run(secs(1));
    let wire = net.wire();
    assert!(wire.contains(&"B>A 200 INVITE".to_owned()), "{wire:?}");
    assert!(!wire.contains(&"B>A 180 INVITE".to_owned()), "no progress once it is accepted: {wire:?}");
}

/// RFC 3261 section 13.2.2.4: the ACK that a user owes and never sends ends the call when the other end has given up.
#[test]
fn ack_that_is_owed_for_ever() {
    let mut net = Net::new(1);
    net.invite(addr(B), Payload::none());
    let b = net.incoming(B);
    net.lose(&["B>A BYE"]);
    net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
    net.run(secs(100));
    assert_eq!(net.told(A), ["established owed", "ended NoAck"]);
    net.run(secs(100));
    net.assert_empty("not acknowledged");
}

/// RFC 3428 section 4, RFC 6086 section 5: MESSAGE and INFO say no Contact; what refreshes a target does.
#[test]
fn contact_is_for_who_refreshes() {
    for (method, named) in
        [(Method::Message, false), (Method::Info, false), (Method::Refer, true), (Method::Options, true)]
    {
        let mut net = Net::new(1);
        let (a, _) = net.stands();
        net.on(A, |u, ep, now| u.send(a, method.clone(), Payload::none(), ep, now).unwrap());
        net.settle();
        let request = net.find(B, |event| match event {
            UsageEvent::Invite(InviteEvent::Request { request, .. }) => Some(request.clone()),
            _ => None,
        });
        assert_eq!(request.contact().is_some(), named, "{method}");
    }
}

/// RFC 3261 section 8.2.2.3: what a request requires and nobody supports gets 420, inside dialogs as well.
#[test]
fn unknown_extensions_inside_dialogs() {
    let odd = || Payload::none().header("Require", "teleport");
    let mut net = Net::new(1);
    let (a, _) = net.stands();
    net.on(A, |u, ep, now| u.update(a, odd(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["answered 420"]);
    net.on(A, |u, ep, now| u.reinvite(a, odd(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["answered 420"]);
    let draft =
        Net::draft(Method::Subscribe, uri(B)).header("Event", "presence").header("Require", "teleport");
    net.on(A, |u, ep, now| u.subscribe(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["ended rejected 420"]);
    assert!(net.told(B).is_empty());
}

/// RFC 3261 section 15.1.2, RFC 6665 section 4.1.3: what ought to be in a dialog and names none gets 481.
#[test]
fn requests_that_need_a_dialog() {
    for method in ["BYE", "PRACK", "UPDATE", "INFO", "NOTIFY"] {
        for tag in ["", ";tag=unknown"] {
            let mut net = Net::new(1);
            let text = format!(
                "{method} sip:b@192.0.2.2 SIP/2.0
                Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlost
                From: <sip:a@x>;tag=1
                To: <sip:b@x>{tag}
                Call-ID: lost
                CSeq: 7 {method}"
            );
            net.inject(A, B, &text);
            assert_eq!(net.wire(), [format!("B>A 481 {method}")]);
        }
    }
}

/// Unsubscribing ends also when the SUBSCRIBE that says so cannot be sent: nobody waits for an hour.
#[test]
fn leaving_without_a_flow() {
    let mut net = Net::new(1);
    let draft = Net::draft(Method::Subscribe, uri(B)).header("Event", "presence").header("Expires", "3600");
    let a = net.on(A, |u, ep, now| u.subscribe(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    let b = net.subscriber(B);
    net.on(B, |u, ep, now| {
        u.accept_subscription(b, SubState::Active, None, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    net.told(A);
    net.lose(&["SUBSCRIBE"]);
    net.on(A, |u, ep, now| u.unsubscribe(a, ep, now).unwrap());
    let flow = net.nodes[A].endpoint.flows().map(|(flow, _)| flow).next().unwrap();
    let now = net.now;
    net.nodes[A].endpoint.handle(TransportInput::Closed { flow, reason: CloseReason::Remote }, now);
    net.settle();
    assert_eq!(net.told(A), ["ended Local"]);
}

/// An event of a transaction that is none of theirs is given back.
#[test]
fn missing_ack_of_somebody_else_is_given_back() {
    let mut net = Net::with(1, |_, config| config.without_invites());
    let (now, flow) = (net.now, sip_core::FlowId::new(77));
    let info =
        sip_core::FlowInfo { remote: addr(A), local: addr(B), transport: sip_core::TransportKind::Udp };
    let Node { endpoint, usages, .. } = &mut net.nodes[B];
    endpoint.handle(TransportInput::Accepted { flow, info }, now);
    let text = "INVITE sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKown\r\n\
        From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: own\r\nCSeq: 1 INVITE\r\n\r\n";
    let message = sip_core::Message::parse(text.into(), &sip_core::Limits::default()).unwrap();
    endpoint.handle(TransportInput::Message { flow, message }, now);
    let mut given_back = Vec::new();
    while let Some(event) = endpoint.poll_event() {
        given_back.extend(usages.handle(event, endpoint, now));
    }
    let Some(Event::Request { tx, request, .. }) = given_back.pop() else { panic!("{given_back:?}") };
    endpoint.respond(tx, sip_core::ResponseDraft::to(&request, 200), now);
    let mut at = now;
    while at < now + secs(40) {
        at += ms(500);
        endpoint.handle_timeout(at);
        while let Some(event) = endpoint.poll_event() {
            given_back.extend(usages.handle(event, endpoint, at));
        }
    }
    assert!(matches!(given_back.last(), Some(Event::NoAck { tx: of }) if *of == tx), "{given_back:?}");
}

/// RFC 3261 section 12.1.2: a branch that rings without Contact says it later; the PRACK goes there.
#[test]
fn contact_comes_with_the_second_response() {
    let mut net = Net::new(1);
    net.call();
    net.settle();
    let invite = net.find(B, |event| match event {
        UsageEvent::Invite(InviteEvent::Incoming { request, .. }) => Some(request.clone()),
        _ => None,
    });
    let said = |status: &str, more: &str| {
        format!(
            "SIP/2.0 {status}
            Via: {}
            From: {}
            To: {};tag=branch
            Call-ID: {}
            {more}
            CSeq: 1 INVITE",
            invite.headers().get("Via").unwrap(),
            invite.headers().get("From").unwrap(),
            invite.headers().get("To").unwrap(),
            invite.call_id(),
        )
    };
    net.wire();
    net.inject(B, A, &said("180 Ringing", "X: y"));
    net.inject(B, A, &said("183 Progress", "Contact: <sip:c@192.0.2.3>\nRequire: 100rel\nRSeq: 5"));
    assert_eq!(net.wire()[0], "A>C PRACK 2");
}

/// However many ends answer one INVITE, there is a limit to what is kept of them.
#[test]
fn endless_fork() {
    let mut net = Net::with(1, |_, config| config.with_session(None));
    net.call();
    net.settle();
    let invite = net.find(B, |event| match event {
        UsageEvent::Invite(InviteEvent::Incoming { request, .. }) => Some(request.clone()),
        _ => None,
    });
    net.lose(&["BYE", "ACK"]);
    for n in 0..200 {
        net.inject(
            B,
            A,
            &format!(
                "SIP/2.0 200 OK
                Via: {}
                From: {}
                To: {};tag=branch{n}
                Call-ID: {}
                Contact: <sip:b@192.0.2.2>
                CSeq: 1 INVITE",
                invite.headers().get("Via").unwrap(),
                invite.headers().get("From").unwrap(),
                invite.headers().get("To").unwrap(),
                invite.call_id(),
            ),
        );
    }
    assert_eq!(net.told(A).len(), 16);
    let pending = net.nodes[A].usages.pending();
    assert!(pending <= 1 + 1 + 15, "{pending}");
}

/// RFC 5057 section 4.1: a subscription in an early dialog outlives the INVITE that failed.
#[test]
fn early_dialog_lives_on_for_its_subscription() {
    let mut net = Net::new(1);
    let a = net.call();
    let b = net.incoming(B);
    net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), false, ep, now).unwrap());
    net.settle();
    let dialog = net.nodes[B].usages.dialog(b).unwrap();
    let text = format!(
        "SUBSCRIBE sip:a@192.0.2.1 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKsub
        From: <sip:b@x>;tag={}
        To: <sip:a@x>;tag={}
        Call-ID: {}
        Contact: <sip:b@192.0.2.2>
        Event: dialog
        Expires: 600
        CSeq: 9 SUBSCRIBE",
        dialog.id().local_tag,
        dialog.id().remote_tag,
        dialog.id().call_id
    );
    net.inject(B, A, &text);
    let sub = net.subscriber(A);
    net.on(B, |u, ep, now| u.reject(b, 486, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.nodes[A].usages.invite_state(a), None);
    net.wire();
    net.on(A, |u, ep, now| {
        u.accept_subscription(sub, SubState::Active, None, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    assert_eq!(net.wire()[..2], ["A>B 200 SUBSCRIBE", "A>B NOTIFY 2"]);
    net.run(secs(100));
    net.assert_empty("481 to its NOTIFY");
}

/// Headers and body of a SUBSCRIBE are in refreshes after a restart, too.
#[test]
fn restored_subscription_keeps_its_headers() {
    let mut net = Net::new(1);
    let draft = Net::draft(Method::Subscribe, uri(B))
        .header("Event", "presence")
        .header("Expires", "600")
        .header("Accept", "application/pidf+xml")
        .header("Authorization", "Digest username=\"a\", realm=\"x\", nonce=\"n\", uri=\"u\", response=\"r\"")
        .body("application/simple-filter+xml", "<f/>");
    let a = net.on(A, |u, ep, now| u.subscribe(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    let b = net.subscriber(B);
    net.on(B, |u, ep, now| {
        u.accept_subscription(b, SubState::Active, None, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    let stored = net.nodes[A].usages.subscription_snapshot(a, net.now).unwrap();
    let text = serde_json::to_string(&stored).unwrap();
    let config = net.nodes[A].usages.config().clone();
    let now = net.now;
    net.nodes[A].usages = sip_core::Usages::new(config);
    let restored = net.nodes[A].usages.restore(serde_json::from_str(&text).unwrap(), None, now).unwrap();
    let id = restored.subscriptions[0];
    net.on(A, |u, ep, now| u.refresh(id, None, ep, now).unwrap());
    let again = net.quietly(A, |u, ep, now| u.refresh(id, None, ep, now));
    assert_eq!(refused(again), Refused::RequestPending);
    let stored = net.nodes[A].usages.subscription_snapshot(id, net.now).unwrap().subscriptions.remove(0);
    assert_eq!(stored.headers, [("Accept".to_owned(), "application/pidf+xml".to_owned())]);
    assert_eq!(stored.body, Some(("application/simple-filter+xml".to_owned(), b"<f/>".to_vec())));
    net.settle();
    assert!(net.events(A).iter().any(|event| {
        matches!(event, UsageEvent::Subscription(SubscriptionEvent::Accepted { id: of, .. }) if *of == id)
    }));
}

/// RFC 6665 section 4.2.1.1: what the user grants at most, it grants at refreshes, too.
#[test]
fn granted_time_holds_for_refreshes() {
    let mut net = Net::new(1);
    let draft = Net::draft(Method::Subscribe, uri(B)).header("Event", "presence").header("Expires", "3600");
    let a = net.on(A, |u, ep, now| u.subscribe(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    let b = net.subscriber(B);
    net.on(B, |u, ep, now| {
        u.accept_subscription(b, SubState::Active, Some(300), Payload::none(), ep, now).unwrap();
    });
    net.settle();
    net.on(A, |u, ep, now| u.refresh(a, Some(1800), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["accepted 300", "notified active", "accepted 300"]);
}

/// RFC 5057 section 5: a dialog that is gone while its INVITE rings takes the call along, with an answer to the INVITE.
#[test]
fn ringing_call_in_a_lost_dialog_is_answered() {
    let mut net = Net::new(1);
    net.call();
    let b = net.incoming(B);
    net.on(B, |u, ep, now| u.ring(b, 180, Payload::none(), false, ep, now).unwrap());
    net.settle();
    let dialog = net.nodes[B].usages.dialog(b).unwrap();
    let text = format!(
        "SUBSCRIBE sip:b@192.0.2.2 SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsub
        From: <sip:a@x>;tag={}
        To: <sip:b@x>;tag={}
        Call-ID: {}
        Contact: <sip:a@192.0.2.1>
        Event: dialog
        Expires: 600
        CSeq: 9 SUBSCRIBE",
        dialog.id().remote_tag,
        dialog.id().local_tag,
        dialog.id().call_id
    );
    net.inject(A, B, &text);
    let sub = net.subscriber(B);
    net.quietly(B, |u, ep, now| {
        u.accept_subscription(sub, SubState::Active, None, Payload::none(), ep, now).unwrap();
    });
    let now = net.now;
    while let Some(transmit) = net.nodes[B].endpoint.poll_transmit() {
        let sip_core::Target::Flow(flow) = transmit.to else { continue };
        let limits = sip_core::Limits::default();
        let Ok(sip_core::Message::Request(notify)) = sip_core::Message::parse(transmit.bytes, &limits) else {
            continue;
        };
        let gone = sip_core::ResponseDraft::to(&notify, 404).write();
        let message = sip_core::Message::parse(gone, &limits).unwrap();
        net.nodes[B].endpoint.handle(TransportInput::Message { flow, message }, now);
    }
    net.settle();
    assert_eq!(net.told(B), ["incoming", "subscribe 600", "ended gone 404", "ended gone 404"]);
    assert_eq!(net.told(A), ["180", "ended rejected 500"]);
    net.run(secs(100));
    net.assert_empty("both ended");
}
