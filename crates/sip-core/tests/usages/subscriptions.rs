//! Subscriptions of both roles: RFC 6665.

use sip_core::header::{Event, SubState};
use sip_core::usage::{Again, Refused};
use sip_core::{Method, Payload, SubscriptionEvent, SubscriptionId, UsageEvent};

use crate::net::*;

fn subscribe(net: &mut Net, event: &str, expires: u32) -> SubscriptionId {
    let draft =
        Net::draft(Method::Subscribe, uri(B)).header("Event", event).header("Expires", expires.to_string());
    let id = net.on(A, |u, ep, now| u.subscribe(draft, Net::to(addr(B)), ep, now).unwrap());
    net.settle();
    id
}

fn accept(net: &mut Net) -> SubscriptionId {
    let b = net.subscriber(B);
    net.on(B, |u, ep, now| {
        u.accept_subscription(b, SubState::Active, None, Payload::none(), ep, now).unwrap()
    });
    net.settle();
    b
}

fn stands(net: &mut Net, expires: u32) -> (SubscriptionId, SubscriptionId) {
    let a = subscribe(net, "presence", expires);
    let b = accept(net);
    net.told(A);
    net.told(B);
    net.wire();
    (a, b)
}

/// Section 4.1 and 4.2: SUBSCRIBE, 200, NOTIFY, 200; more notifications; the subscriber leaves.
#[test]
fn subscribes_and_leaves() {
    let mut net = Net::new(1);
    let a = subscribe(&mut net, "presence", 600);
    let b = accept(&mut net);
    assert_eq!(net.wire(), ["A>B SUBSCRIBE 1", "B>A 200 SUBSCRIBE", "B>A NOTIFY 1", "A>B 200 NOTIFY"]);
    assert_eq!(net.told(A), ["accepted 600", "notified active"]);
    net.on(B, |u, ep, now| u.notify(b, Payload::new("text/plain", "x"), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["notified active"]);
    net.on(A, |u, ep, now| u.unsubscribe(a, ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["notified terminated", "ended Local"]);
    assert_eq!(net.told(B), ["subscribe 600", "ended Expired"]);
    net.run(secs(100));
    net.assert_empty("left");
}

/// Section 4.1.2.2: refreshed before the end, for as long as it stands; each refresh wants the full state.
#[test]
fn refreshes() {
    let mut net = Net::new(1);
    let (_, b) = stands(&mut net, 600);
    net.run(secs(600 - 120 + 1));
    assert_eq!(net.wire()[0], "A>B SUBSCRIBE 2");
    assert_eq!(net.told(B), ["notify due"]);
    net.on(B, |u, ep, now| u.notify(b, Payload::none(), ep, now).unwrap());
    net.run(secs(5000));
    assert!(net.nodes[B].usages.subscription(b).is_some());
}

/// Section 4.4.1: a NOTIFY before the 2xx makes the dialog; the 2xx may even be lost.
#[test]
fn notify_before_the_answer() {
    let mut net = Net::new(1);
    net.lose_next("200 SUBSCRIBE");
    subscribe(&mut net, "presence", 600);
    accept(&mut net);
    assert_eq!(net.told(A), ["notified active"]);
    net.run(secs(1));
    assert_eq!(net.told(A), ["accepted 600"]);
    assert_eq!(net.nodes[A].usages.dialogs(), 1);
}

/// Section 4.1.2.4: without a NOTIFY, timer N ends it.
#[test]
fn timer_n() {
    let mut net = Net::new(1);
    net.lose(&["NOTIFY"]);
    subscribe(&mut net, "presence", 600);
    accept(&mut net);
    net.run(secs(33));
    assert_eq!(net.told(A), ["accepted 600", "ended NoNotify"]);
    assert_eq!(net.told(B), ["subscribe 600", "ended failed"]);
    net.run(secs(100));
    net.assert_empty("timer N");
}

/// Section 4.2.1.1: 489 for another package, 423 for too short a time, which is raised once.
#[test]
fn refusal_table() {
    let mut net = Net::new(1);
    subscribe(&mut net, "weather", 600);
    assert_eq!(net.told(A), ["ended rejected 489"]);
    net.wire();
    subscribe(&mut net, "presence", 30);
    assert_eq!(net.wire(), ["A>B SUBSCRIBE 1", "B>A 423 SUBSCRIBE", "A>B SUBSCRIBE 2"]);
    accept(&mut net);
    assert_eq!(net.told(A), ["accepted 60", "notified active"]);
    subscribe(&mut net, "presence", 600);
    let b = net.subscriber(B);
    net.on(B, |u, ep, now| u.reject_subscription(b, 403, Payload::none(), ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["ended rejected 403"]);
}

/// Section 4.1.3: what each reason says about subscribing again.
#[test]
fn termination_table() {
    let table = [
        ("deactivated", None, Again::Now),
        ("timeout", None, Again::Now),
        ("probation", Some(30), Again::After { seconds: 30 }),
        ("probation", None, Again::Later),
        ("giveup", Some(7), Again::After { seconds: 7 }),
        ("rejected", Some(7), Again::Never),
        ("noresource", None, Again::Never),
        ("invariant", None, Again::Never),
        ("strange", Some(5), Again::After { seconds: 5 }),
        ("strange", None, Again::Now),
    ];
    for (reason, retry_after, again) in table {
        let mut net = Net::new(1);
        let (_, b) = stands(&mut net, 600);
        net.on(B, |u, ep, now| u.terminate(b, reason, retry_after, Payload::none(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(A), ["notified terminated".to_owned(), format!("ended terminated {again:?}")]);
        assert_eq!(net.told(B), ["ended Local"]);
        net.run(secs(100));
        net.assert_empty(reason);
    }
}

/// Section 4.2.1: one that is not refreshed ends at both ends.
#[test]
fn expires() {
    let mut net = Net::new(1);
    stands(&mut net, 600);
    net.lose(&["SUBSCRIBE"]);
    net.run(secs(700));
    assert_eq!(net.told(A), ["refresh failed None", "refresh failed None", "ended Expired"]);
    assert_eq!(net.told(B), ["ended Expired"]);
    net.run(secs(100));
    net.assert_empty("expired");
}

/// Section 4.1.2.2 and RFC 5057: 481 to a refresh ends it; other answers leave it as long as it was granted.
#[test]
fn refresh_of_what_is_gone() {
    let mut net = Net::new(1);
    let (a, b) = stands(&mut net, 600);
    net.lose(&["NOTIFY"]);
    net.on(B, |u, ep, now| u.terminate(b, "giveup", None, Payload::none(), ep, now).unwrap());
    net.run(secs(40));
    net.on(A, |u, ep, now| u.refresh(a, None, ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["ended gone 481"]);
}

/// Section 4.2.2: a NOTIFY that gets 481, or no answer, ends the subscription.
#[test]
fn failed_notify_ends() {
    for answered in [true, false] {
        let mut net = Net::new(1);
        let (a, b) = stands(&mut net, 600);
        if answered {
            net.lose(&["A>B SUBSCRIBE", "B>A NOTIFY"]);
            net.on(A, |u, ep, now| u.unsubscribe(a, ep, now).unwrap());
            net.run(secs(33));
            net.lose_nothing();
        } else {
            net.lose(&["NOTIFY"]);
        }
        net.on(B, |u, ep, now| u.notify(b, Payload::none(), ep, now).unwrap());
        net.run(secs(33));
        assert_eq!(net.told(B), [if answered { "ended gone 481" } else { "ended failed" }]);
    }
}

/// A fetch: Expires 0 gets one notification.
#[test]
fn fetch() {
    let mut net = Net::new(1);
    subscribe(&mut net, "presence", 0);
    accept(&mut net);
    assert_eq!(net.told(A), ["notified terminated", "ended Local"]);
    assert_eq!(net.told(B), ["subscribe 0", "ended Expired"]);
    net.run(secs(100));
    net.assert_empty("fetched");
}

/// Pending, then active.
#[test]
fn pending_becomes_active() {
    let mut net = Net::new(1);
    subscribe(&mut net, "presence", 600);
    let b = net.subscriber(B);
    net.on(B, |u, ep, now| {
        assert_eq!(refused(u.notify(b, Payload::none(), ep, now)), Refused::WrongState);
        u.accept_subscription(b, SubState::Pending, Some(300), Payload::none(), ep, now).unwrap();
        u.activate(b, Payload::none(), ep, now).unwrap();
    });
    net.settle();
    assert_eq!(net.told(A), ["accepted 300", "notified pending", "notified active"]);
    let info = net.nodes[B].usages.subscription(b).unwrap();
    assert_eq!(
        (info.event.to_string().as_str(), info.state, info.notifier),
        ("presence", SubState::Active, true)
    );
}

/// Notifications go one after the other: none overtakes another, however bad the wire.
#[test]
fn notifications_keep_their_order() {
    let mut net = Net::new(5);
    let (_, b) = stands(&mut net, 3600);
    (net.loss, net.delay, net.duplication) = (20, 300, 20);
    for n in 0..20 {
        net.on(B, |u, ep, now| u.notify(b, Payload::new("text/plain", n.to_string()), ep, now).unwrap());
    }
    net.run(secs(120));
    let bodies = net.events(A).into_iter().filter_map(|event| match event {
        UsageEvent::Subscription(SubscriptionEvent::Notified { request, .. }) => Some(request.body().clone()),
        _ => None,
    });
    let bodies: Vec<_> = bodies.collect();
    let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(bodies, expected);
}

/// A BENOTIFY is told like a NOTIFY and never answered; an older one is not told.
#[test]
fn benotify() {
    let mut net = Net::new(1);
    let (a, _) = stands(&mut net, 600);
    let dialog = net.nodes[A].usages.subscription_dialog(a).unwrap();
    let benotify = |cseq: u32| {
        format!(
            "BENOTIFY sip:a@192.0.2.1 SIP/2.0
            Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKbe{cseq}
            From: <sip:b@x>;tag={}
            To: <sip:a@x>;tag={}
            Call-ID: {}
            Event: presence
            Subscription-State: active;expires=500
            CSeq: {cseq} BENOTIFY",
            dialog.id().remote_tag,
            dialog.id().local_tag,
            dialog.id().call_id
        )
    };
    net.inject(B, A, &benotify(9));
    net.inject(B, A, &benotify(8));
    assert_eq!(net.told(A), ["notified active"]);
    assert_eq!(net.wire(), Vec::<String>::new());
}

/// Section 8.2.1: `id` tells subscriptions apart, and a NOTIFY for none of them gets 481.
#[test]
fn id_takes_part() {
    let mut net = Net::new(1);
    let (a, _) = stands(&mut net, 600);
    let dialog = net.nodes[A].usages.subscription_dialog(a).unwrap();
    let notify = |event: &str, cseq: u32| {
        format!(
            "NOTIFY sip:a@192.0.2.1 SIP/2.0
            Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKn{cseq}
            From: <sip:b@x>;tag={}
            To: <sip:a@x>;tag={}
            Call-ID: {}
            {event}
            CSeq: {cseq} NOTIFY",
            dialog.id().remote_tag,
            dialog.id().local_tag,
            dialog.id().call_id
        )
    };
    let table = [
        ("Event: presence;id=2\nSubscription-State: active", "481"),
        ("Event: dialog\nSubscription-State: active", "481"),
        ("X: y", "489"),
        ("Event: presence", "400"),
        ("Event: PRESENCE\nSubscription-State: active", "200"),
    ];
    for (i, (event, status)) in table.into_iter().enumerate() {
        net.inject(B, A, &notify(event, 10 + i as u32));
        assert_eq!(net.wire(), [format!("A>B {status} NOTIFY")], "{event}");
    }
    let event = Event { package: "presence".into(), id: None };
    assert_eq!(net.nodes[A].usages.subscription(a).unwrap().event, event);
}
