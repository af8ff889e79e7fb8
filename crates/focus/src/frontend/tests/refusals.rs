//! What is refused, and how: specification section 7, "Answers".

use c3p::command::Command;
use sip_core::Method;

use super::*;

/// Unknown methods, packages, conferences and bodies, each with its status and diagnostics.
#[test]
fn refusals_say_why() {
    let mut world = World::new();
    let mut eve = world.client("eve", 7001, FE1);
    let unknown = eve.initial(Method::Other("DANCE".into()), CONFERENCE);
    let response = eve.ask(&mut world, unknown);
    assert_eq!((response.status(), diagnostics(&response)), (405, 1000));
    assert!(response.headers().get("Allow").is_some_and(|allow| allow.contains("SUBSCRIBE")));

    let presence = eve.initial(Method::Subscribe, "sip:eve@example.com").header("Event", "presence");
    assert_eq!(eve.ask(&mut world, presence).status(), 489);

    let missing = eve.join(&mut world);
    assert_eq!((missing.status(), diagnostics(&missing)), (404, 3012));

    let mut wrong = eve.initial(Method::Invite, CONFERENCE);
    wrong.set_body("application/sdp", Bytes::from_static(b"v=0\r\n"));
    assert_eq!(eve.ask(&mut world, wrong).status(), 415);

    let garbage = eve.initial(Method::Invite, CONFERENCE).body(mime::C3P, Bytes::from_static(b"<request"));
    let response = eve.ask(&mut world, garbage);
    assert_eq!((response.status(), diagnostics(&response)), (400, 3006));

    let large = eve.initial(Method::Invite, CONFERENCE).body(mime::C3P, Bytes::from(vec![b' '; 100_000]));
    assert_eq!(eve.ask(&mut world, large).status(), 413);

    let required = eve.initial(Method::Options, CONFERENCE).header("Require", "telepathy");
    let response = eve.ask(&mut world, required);
    assert_eq!(response.status(), 420);
    assert_eq!(response.headers().get("Unsupported"), Some("telepathy"));
    let passed_on = eve.initial(Method::Options, CONFERENCE).header("Proxy-Require", "gruu-10, telepathy");
    let response = eve.ask(&mut world, passed_on);
    assert_eq!((response.status(), response.headers().get("Unsupported")), (420, Some("telepathy")));

    let stray = eve.initial(Method::Bye, CONFERENCE);
    assert_eq!(eve.ask(&mut world, stray).status(), 404, "no such conference at all");
}

/// Inside a dialog: CSeq going back, other events, other people's names, unknown commands, unknown dialogs.
#[test]
fn refusals_in_dialog() {
    let (mut world, mut alice) = World::with_alice();
    let stale = alice.in_dialog(Method::Info).cseq(1);
    // The first request sets the mark, the second one goes below it.
    alice.command(&mut world, lock(true));
    alice.command(&mut world, lock(false));
    let response = alice.ask(&mut world, stale);
    assert_eq!(response.status(), 500);

    let request = C3pRequest::new(90, "sip:bob@example.com", CONFERENCE, lock(true));
    let draft = alice.in_dialog(Method::Info).body(mime::C3P, request.write());
    let response = alice.ask(&mut world, draft);
    assert_eq!((response.status(), diagnostics(&response)), (403, 3000));

    let response = alice.command(&mut world, Command::unknown("", "levitate"));
    assert_eq!((response.status(), diagnostics(&response)), (501, 3004));

    let request = C3pRequest::new(91, alice.user.as_str(), CONFERENCE, lock(true));
    let mut draft = alice.in_dialog(Method::Info).body(mime::C3P, request.write());
    draft.set_header("To", format!("<{CONFERENCE}>;tag=unknown"));
    let response = alice.ask(&mut world, draft);
    assert_eq!((response.status(), diagnostics(&response)), (481, 61001));

    let reinvite = alice.in_dialog(Method::Invite);
    assert_eq!(alice.ask(&mut world, reinvite).status(), 488);

    let mut bob = world.client("bob", 7002, FE1);
    let draft = bob.subscribe_draft();
    let response = bob.ask(&mut world, draft);
    assert_eq!((response.status(), diagnostics(&response)), (403, 3014), "no Focus dialog, no roster");
}

/// RFC 4028: an interval that is too small is refused with the smallest one; a join without timer is let in.
#[test]
fn session_interval_has_a_minimum() {
    let (mut world, _alice) = World::with_alice();
    let mut bob = world.client("bob", 7002, FE1);
    let mut draft = bob.join_draft();
    draft.set_header("Session-Expires", "30");
    let response = bob.ask(&mut world, draft);
    assert_eq!((response.status(), response.headers().get("Min-SE")), (422, Some("90")));
    let mut draft = bob.join_draft();
    draft.remove_header("Session-Expires");
    draft.set_header("Supported", "ms-sender");
    let response = bob.ask(&mut world, draft);
    assert_eq!((response.status(), response.headers().get("Session-Expires")), (200, None));
}

/// The Factory: a second conference of one id, somebody else's Factory, a bad id.
#[test]
fn factory_refuses() {
    let mut world = World::new();
    let mut alice = world.client("alice", 7001, FE1);
    alice.schedule(&mut world);
    let second = alice.schedule(&mut world);
    let answer = C3pResponse::parse(second.body(), &Limits::default()).expect("a response");
    assert_eq!(answer.reason, Some(c3p::Reason::ConferenceExists));
    let mut eve = world.client("eve", 7002, FE2);
    assert_eq!(eve.schedule(&mut world).status(), 403);
}

/// deleteConference at the Factory ends it, and a later join gets 404 (also through another front end).
#[test]
fn factory_deletes() {
    let (mut world, mut alice) = World::with_alice();
    alice.server = FE2;
    let key = c3p::command::ConferenceKey::Id("7Q4W2ZK9".to_owned());
    let request = C3pRequest::new(5, alice.user.as_str(), FACTORY, Command::DeleteConference { key });
    let draft = alice.initial(Method::Service, FACTORY).body(mime::C3P, request.write());
    let response = alice.ask(&mut world, draft);
    assert_eq!(response.status(), 200);
    let methods: Vec<Method> = alice.inbox(&mut world).iter().map(|one| one.method().clone()).collect();
    assert_eq!(methods, [Method::Notify, Method::Bye]);
    assert_eq!(alice.join(&mut world).status(), 404);
}
