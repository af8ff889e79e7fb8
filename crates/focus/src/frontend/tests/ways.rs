//! Ways to participants: NOTIFY and BENOTIFY, repairs, hops, registered clients, clients without session timers.

use sip_core::{Method, ResponseDraft};

use super::*;
use crate::hop::{HopConfig, HopCore};

const HOP: u16 = 5050;
const HOP2: u16 = 5051;

fn with_hops() -> World {
    let mut world = World::new();
    for port in [HOP, HOP2] {
        let config = HopConfig::new(format!("px{port}"), vec![tcp(port)], vec![tcp(FE1), tcp(FE2)]);
        world.net.add(port, HopCore::new(config, Box::new(SeededIds::new(u64::from(port)))));
    }
    let mut alice = world.client("alice", 7001, FE1);
    alice.schedule(&mut world);
    alice.join(&mut world);
    alice.subscribe(&mut world);
    world
}

/// Without `ms-benotify` the documents come as NOTIFY, without piggyback the first one, too.
#[test]
fn plain_watcher_gets_notify() {
    let (mut world, _alice) = World::with_alice();
    let mut bob = world.client("bob", 7002, FE1);
    bob.join(&mut world);
    let mut draft = bob.subscribe_draft();
    draft.set_header("Supported", "timer");
    let response = bob.ask(&mut world, draft);
    assert_eq!((response.status(), response.body().len()), (200, 0));
    let first = bob.inbox(&mut world).remove(0);
    assert_eq!((first.method(), first.headers().get("Event")), (&Method::Notify, Some("conference")));
    assert!(document(first.body()).is_full());
}

/// A subscription ends in its dialog, or (one real client) outside of it.
#[test]
fn unsubscribe_inside_and_outside() {
    let (mut world, mut alice) = World::with_alice();
    let draft = alice.subscribe_draft().header("Expires", "0");
    assert_eq!(alice.ask(&mut world, draft).status(), 200);
    let last = alice.inbox(&mut world).remove(0);
    assert_eq!(last.headers().get("Subscription-State"), Some("terminated;reason=timeout"));
    alice.subscribe(&mut world);
    let watch = alice.watch.as_mut().expect("a subscription");
    let draft = watch.request(Method::Subscribe).header("Event", "conference").header("Expires", "0");
    assert_eq!(alice.ask(&mut world, draft).status(), 200);
    let last = alice.inbox(&mut world).remove(0);
    assert_eq!(last.headers().get("Subscription-State"), Some("terminated;reason=timeout"));
}

/// Section 4.8: after a repair by UPDATE a SUBSCRIBE is expected; without one a full document comes by NOTIFY.
#[test]
fn repair_without_subscribe_gets_a_document() {
    let mut world = with_hops();
    let mut bob = world.joined("bob", 7002, HOP);
    assert_eq!(bob.focus.as_ref().map(|focus| focus.route_set().len()), Some(1));
    bob.forget(&mut world);
    world.net.kill(HOP);
    bob.server = HOP2;
    let contact = bob.gruu();
    let update = bob
        .focus
        .as_mut()
        .expect("a dialog")
        .request_off_route(Method::Update)
        .header("Contact", contact)
        .header("Supported", "ms-dialog-route-set-update, timer")
        .header("Session-Expires", "1800;refresher=uac");
    let answer = bob.ask(&mut world, update);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.record_route().first().and_then(|route| route.uri().port()), Some(HOP2));
    bob.focus.as_mut().expect("a dialog").replace_route_from_response(&answer);
    assert_eq!(bob.command(&mut world, lock(true)).status(), 403, "the new route works, an attendee may not");
    world.net.advance(secs(9));
    assert!(bob.inbox(&mut world).is_empty());
    world.net.advance(secs(2));
    // The subscription's own route is still the dead one: the document has to find another way, or is lost.
    let subscribe = {
        let watch = bob.watch.as_mut().expect("a subscription");
        watch.request_off_route(Method::Subscribe).header("Event", "conference").header("Expires", "3600")
    };
    assert_eq!(bob.ask(&mut world, subscribe).status(), 200);
    bob.forget(&mut world);
    let _carol = world.joined("carol", 7003, FE1);
    world.net.advance(secs(1));
    assert!(!bob.inbox(&mut world).is_empty() || !bob.documents(&mut world).is_empty());
}

/// A participant is not removed because a hop broke (section 4.8).
#[test]
fn broken_hop_removes_nobody() {
    let mut world = with_hops();
    let _bob = world.joined("bob", 7002, HOP);
    world.net.kill(HOP);
    world.net.advance(secs(300));
    let mut carol = world.client("carol", 7003, FE1);
    carol.join(&mut world);
    assert_eq!(carol.subscribe(&mut world).users().count(), 3);
}

/// A registered client is reached by its GRUU through any front end, in the binding's way.
#[test]
fn gruu_is_routed_by_any_front_end() {
    let mut world = World::new();
    let mut bob = world.client("bob", 7002, FE1);
    let register = bob.initial(Method::Register, "sip:bob@example.com").header("Expires", "3600");
    let mut register = register;
    register.set_header("From", "<sip:bob@example.com>;tag=r1;epid=0b01");
    let answer = bob.ask(&mut world, register);
    assert_eq!(answer.status(), 200);
    let contact = answer.headers().get("Contact").expect("a binding").to_owned();
    let gruu =
        contact.split("gruu=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a GRUU").to_owned();
    let mut carol = world.client("carol", 7003, FE2);
    let options = carol.initial(Method::Options, &gruu);
    assert_eq!(carol.ask(&mut world, options).status(), 200);
    assert_eq!(bob.inbox(&mut world).len(), 1);
    // A cut connection ends that way.
    world.net.kill(bob.port);
    let options = carol.initial(Method::Options, &gruu);
    let response = carol.ask(&mut world, options);
    assert_eq!((response.status(), diagnostics(&response)), (503, 61004));
    let nobody = carol.initial(Method::Options, "sip:eve@example.com;opaque=user:epid:none;gruu");
    assert_eq!(carol.ask(&mut world, nobody).status(), 480);
}

/// A peer without UPDATE is alive when it says 501 (sipe); one that says nothing for too long is not.
#[test]
fn answer_501_is_a_sign_of_life() {
    let (mut world, mut alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE1);
    world.net.peer(bob.port).auto = Some(501);
    world.net.advance(secs(1770));
    let asked = bob.inbox(&mut world).iter().filter(|one| *one.method() == Method::Update).count();
    assert_eq!(asked, 1);
    let update = alice.in_dialog(Method::Update).header("Session-Expires", "1800;refresher=uac");
    alice.ask(&mut world, update);
    world.net.advance(secs(600));
    alice.forget(&mut world);
    let key = c3p::command::ConferenceKey::Entity(CONFERENCE.to_owned());
    alice.command(&mut world, Command::GetConference { key });
    let result = alice.results(&mut world).remove(0);
    let c3p::command::CommandResult::GetConference(Some(info)) = result.result else { panic!("a document") };
    assert_eq!(info.users().count(), 2);
}

/// A result that meets a broken way (430) is sent again after the Focus's own repair.
#[test]
fn result_is_repeated_after_a_repair() {
    let (mut world, mut alice) = World::with_alice();
    world.net.peer(alice.port).auto = None;
    alice.command(&mut world, lock(true));
    let (tx, _, info) = world.net.peer(alice.port).requests.pop_front().expect("the result");
    let broken = ResponseDraft::to(&info, 430).header("P-Dialog-Recovery-Action", "Dialog-Route-Set-Update");
    world.net.respond(alice.port, tx, broken);
    // The repair goes to the Contact, which has a literal address here.
    let (tx, _, update) = world.net.peer(alice.port).requests.pop_front().expect("the repair");
    assert_eq!(update.method(), &Method::Update);
    world.net.respond(alice.port, tx, ResponseDraft::to(&update, 200));
    let (_, _, again) = world.net.peer(alice.port).requests.pop_front().expect("the result again");
    assert_eq!(again.body(), info.body());
    assert!(again.cseq().number > info.cseq().number);
}

/// A front end is nobody's relay: whatever a Route or a Request-URI names, it leads to nodes of the pool only.
#[test]
fn front_end_is_no_relay() {
    let mut world = World::new();
    let victim = world.client("victim", 7009, FE1);
    let mut eve = world.client("eve", 7002, FE1);
    let address = format!("sip:victim@127.0.0.1:{};transport=tcp", victim.port);
    let direct = eve.initial(Method::Options, &address);
    assert_eq!(eve.ask(&mut world, direct).status(), 200, "for the front end itself");
    let own = format!("<sip:127.0.0.1:{FE1};transport=tcp;lr>");
    for (call, route) in [format!("<{address};lr>"), format!("{own}, <{address};lr>")].iter().enumerate() {
        let routed = eve.initial(Method::Options, CONFERENCE).header("Route", route.as_str());
        let answer = eve.ask(&mut world, routed);
        assert_eq!((answer.status(), diagnostics(&answer)), (503, 61004), "{call}");
    }
    let mut acked = eve.initial(Method::Ack, &address).header("Route", own.as_str());
    acked.set_header("To", format!("<{address}>;tag=1"));
    world.net.send_oneway(eve.port, FE1, acked);
    // To a node of the pool it leads.
    let to_mcu = format!("<sip:127.0.0.1:{MCU};transport=tcp;lr>");
    let routed = eve.initial(Method::Options, CONFERENCE).header("Route", to_mcu);
    assert_eq!(eve.ask(&mut world, routed).status(), 200);
    let peer = world.net.peer(victim.port);
    assert!(peer.requests.is_empty() && peer.oneways.is_empty());
}

/// A conference too large to be looked through after each input still meets every deadline: all are asked for a sign of
/// life in time, also those who came between two looks.
#[test]
fn large_conference_meets_its_deadlines() {
    let (mut world, _alice) = World::with_alice();
    let mut people = Vec::new();
    for number in 0..80 {
        people.push(world.joined(&format!("p{number}"), 7100 + number, FE1));
        world.net.advance(Duration::from_millis(90));
    }
    for one in &mut people {
        one.forget(&mut world);
    }
    // 1800 s less 32 s after the first of them came in.
    world.net.advance(secs(1768) - Duration::from_millis(90 * 80 + 1));
    let asked = |world: &mut World, one: &mut Client| {
        one.inbox(world).iter().filter(|request| *request.method() == Method::Update).count()
    };
    assert_eq!(asked(&mut world, &mut people[0]), 0);
    for one in &mut people {
        world.net.advance(Duration::from_millis(90));
        assert_eq!(asked(&mut world, one), 1, "{}", one.user);
    }
}

/// The stored CSeq of a subscription follows the real one closely enough for the last NOTIFY of a new owner.
#[test]
fn stored_cseq_follows() {
    let (mut world, mut alice) = World::with_alice();
    for number in 0..600 {
        alice.command(&mut world, lock(number % 2 == 0));
        alice.forget(&mut world);
    }
    world.net.kill(FE1);
    world.net.advance(secs(2));
    let told = alice.inbox(&mut world).pop().expect("a NOTIFY");
    assert!((1500..2000).contains(&told.cseq().number), "{}", told.cseq().number);
}
