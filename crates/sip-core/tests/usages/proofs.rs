//! Challenges: the same request again, with a proof (RFC 3261 section 22).

use sip_core::auth::{Credentials, DigestClient};
use sip_core::usage::OnlyAt;
use sip_core::{InviteEvent, Method, Payload, Request, UsageEvent, Usages};

use crate::net::*;

const CHALLENGE: &str = r#"Digest realm="x", nonce="n1", qop="auth", algorithm=MD5"#;

fn with_password(net: &mut Net) {
    let config = net.nodes[A].usages.config().clone();
    let client = DigestClient::new(Credentials::new("alice", "secret", "x"));
    net.nodes[A].usages = Usages::new(config).with_proofs(Box::new(client));
}

fn challenge(header: &str) -> Payload {
    Payload::none().header(header, CHALLENGE)
}

fn last_invite(net: &Net) -> Request {
    net.find(B, |event| match event {
        UsageEvent::Invite(InviteEvent::Incoming { request, .. }) => Some(request.clone()),
        _ => None,
    })
}

/// Sections 22.2 and 22.3: INVITE, its ACK, and a request inside the dialog; with the number after the last.
#[test]
fn challenged_requests_go_again() {
    for (status, asks, answers) in
        [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")]
    {
        let mut net = Net::new(1);
        with_password(&mut net);
        let a = net.call();
        let b = net.incoming(B);
        net.on(B, |u, ep, now| u.reject(b, status, challenge(asks), ep, now).unwrap());
        let b = net.incoming(B);
        let again = last_invite(&net);
        assert_eq!(again.cseq().number, 2);
        assert!(again.headers().get(answers).unwrap().contains("nonce=\"n1\""));
        net.on(B, |u, ep, now| u.accept(b, sdp(), ep, now).unwrap());
        net.settle();
        assert_eq!(net.told(A), ["established"]);
        let ack = net.find(B, |event| match event {
            UsageEvent::Invite(InviteEvent::Confirmed { request, .. }) => Some(request.clone()),
            _ => None,
        });
        assert_eq!(ack.headers().get(answers), again.headers().get(answers));
        net.wire();
        net.on(A, |u, ep, now| u.send(a, Method::Info, Payload::none(), ep, now).unwrap());
        net.settle();
        for (status, payload) in [(status, challenge(asks)), (200, Payload::none())] {
            let tx = net.asked(B);
            net.on(B, |u, ep, now| u.answer(tx, status, payload, ep, now).unwrap());
            net.settle();
        }
        assert_eq!(net.told(A), ["answered 200"]);
        let wire = net.wire();
        assert_eq!((wire[0].as_str(), wire[2].as_str()), ("A>B INFO 3", "A>B INFO 4"), "{wire:?}");
        net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now).unwrap());
        net.run(secs(100));
        net.assert_empty("ended");
    }
}

/// What is not for us, or is asked for again and again, is a refusal like any other.
#[test]
fn proof_that_is_not_taken() {
    let mut net = Net::new(1);
    with_password(&mut net);
    // The same realm asks twice: the password is wrong, and is not said again. A nonce that ended is another matter, to a limit.
    for (stale, times) in [("", 2), (", stale=true", 4)] {
        net.call();
        for _ in 0..times {
            assert!(net.told(A).is_empty());
            let b = net.incoming(B);
            let asked = Payload::none().header("WWW-Authenticate", format!("{CHALLENGE}{stale}"));
            net.on(B, |u, ep, now| u.reject(b, 401, asked, ep, now).unwrap());
            net.settle();
        }
        assert_eq!(net.told(A), ["ended rejected 401"]);
        net.told(B);
    }
    net.call();
    let b = net.incoming(B);
    let other = Payload::none().header("WWW-Authenticate", CHALLENGE.replace("realm=\"x\"", "realm=\"y\""));
    net.on(B, |u, ep, now| u.reject(b, 401, other, ep, now).unwrap());
    net.settle();
    assert_eq!(net.told(A), ["ended rejected 401"]);
    net.run(secs(100));
    net.assert_empty("refused");
}

/// A subscription that is challenged, and one without proofs.
#[test]
fn challenged_subscribe() {
    for able in [true, false] {
        let mut net = Net::new(1);
        if able {
            with_password(&mut net);
        }
        let draft =
            Net::draft(Method::Subscribe, uri(B)).header("Event", "presence").header("Expires", "600");
        net.on(A, |u, ep, now| u.subscribe(draft, Net::to(addr(B)), ep, now).unwrap());
        net.settle();
        let b = net.subscriber(B);
        net.on(B, |u, ep, now| {
            u.reject_subscription(b, 401, challenge("WWW-Authenticate"), ep, now).unwrap();
        });
        net.settle();
        if !able {
            assert_eq!(net.told(A), ["ended rejected 401"]);
            continue;
        }
        let b = net.subscriber(B);
        net.on(B, |u, ep, now| {
            let state = sip_core::header::SubState::Active;
            u.accept_subscription(b, state, None, Payload::none(), ep, now).unwrap();
        });
        net.settle();
        assert_eq!(net.told(A), ["accepted 600", "notified active"]);
    }
}

/// The password is said to its own server; whoever else asks gets nothing.
#[test]
fn only_at_its_servers() {
    for (server, proves) in [(addr(B), true), (addr(C), false)] {
        let mut net = Net::new(1);
        let config = net.nodes[A].usages.config().clone();
        let client = DigestClient::new(Credentials::new("alice", "secret", "x"));
        let proofs = OnlyAt::new(client, [Net::to(server)]);
        net.nodes[A].usages = Usages::new(config).with_proofs(Box::new(proofs));
        net.call();
        let b = net.incoming(B);
        net.on(B, |u, ep, now| u.reject(b, 401, challenge("WWW-Authenticate"), ep, now).unwrap());
        net.settle();
        assert_eq!(net.wire().contains(&"A>B INVITE 2".to_owned()), proves, "{server}");
    }
}
