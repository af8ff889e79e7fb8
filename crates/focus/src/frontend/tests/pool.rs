//! Several front ends: forwarding, takeover on hard evidence and on silence, the deposed owner, drain.

use c3p::command::{Code, Command, CommandResult, ConferenceKey};
use c3p::info::{McuStatus, Role};
use sip_core::Method;

use super::*;

fn audit(world: &mut World, client: &mut Client) -> ConferenceInfo {
    client.forget(world);
    let key = ConferenceKey::Entity(CONFERENCE.to_owned());
    assert_eq!(client.command(world, Command::GetConference { key }).status(), 202);
    let result = client.results(world).pop().expect("a result");
    let CommandResult::GetConference(Some(info)) = result.result else { panic!("a document") };
    *info
}

/// Any front end serves any client: one that does not own the conference is a hop, and stays in the route set.
#[test]
fn foreign_conference_is_forwarded() {
    let (mut world, _alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE2);
    let route = bob.focus.as_ref().expect("a dialog").route_set().to_vec();
    assert_eq!(route.len(), 1);
    assert_eq!(route[0].uri().port(), Some(FE2));
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 0);
    assert_eq!(audit(&mut world, &mut bob).users().count(), 2);
}

/// Recovery section 2: the owner dies, a refused connection is the evidence; 481 with 61001, then the rejoin finds role,
/// answers and a version above all that were sent.
#[test]
fn refused_connection_is_taken_over_at_once() {
    let (mut world, mut alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE1);
    alice.command_again(
        &mut world,
        50,
        Command::ModifyUserRoles {
            conference: CONFERENCE.to_owned(),
            user: bob.user.clone(),
            role: Role::Presenter,
        },
    );
    let answered = alice.results(&mut world).pop().expect("a result");
    let before = audit(&mut world, &mut alice);
    world.net.kill(FE1);
    world.net.advance(secs(2));
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1, "taken over without any request");

    alice.server = FE2;
    bob.server = FE2;
    let lost = alice.command(&mut world, lock(true));
    assert_eq!((lost.status(), diagnostics(&lost)), (481, 61001));
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.join(&mut world).status(), 200);
        let fresh = client.subscribe(&mut world);
        assert!(fresh.version > before.version.map(|version| version + 999));
        assert_eq!(names(&fresh), names(&before), "nobody left");
        assert_eq!(fresh.mcu_view(McuType::Im), before.mcu_view(McuType::Im), "the same MCU instance");
    }
    assert_eq!(bob.command(&mut world, lock(true)).status(), 202, "the role is kept");
    alice.forget(&mut world);
    let again = Command::ModifyUserRoles {
        conference: CONFERENCE.to_owned(),
        user: bob.user.clone(),
        role: Role::Presenter,
    };
    alice.command_again(&mut world, 50, again);
    assert_eq!(alice.results(&mut world), [answered], "P3 across owners");
}

/// A takeover tells idle clients: NOTIFY `deactivated` in the old subscription, CSeq far above.
#[test]
fn idle_clients_are_told() {
    let (mut world, mut alice) = World::with_alice();
    let cseq = alice.watch.as_ref().map(|watch| watch.remote_cseq());
    assert!(cseq.is_some());
    alice.forget(&mut world);
    world.net.kill(FE1);
    world.net.advance(secs(2));
    let told = alice.inbox(&mut world).pop().expect("a NOTIFY");
    assert_eq!(told.method(), &Method::Notify);
    assert_eq!(told.headers().get("Subscription-State"), Some("terminated;reason=deactivated"));
    assert!(told.headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("61001;")));
    assert!(told.cseq().number >= 1000);
    assert_eq!(told.to().tag(), alice.watch.as_ref().map(|watch| watch.id().local_tag.as_str()));
}

/// A silent owner loses its lease after ten seconds of the same beat; an INVITE is held until then.
#[test]
fn silence_is_taken_over_by_lease() {
    let (mut world, mut alice) = World::with_alice();
    world.net.mute(FE1);
    world.net.advance(secs(5));
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 0);
    world.net.advance(secs(9));
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1);
    alice.server = FE2;
    assert_eq!(alice.join(&mut world).status(), 200);
}

/// The owner dies while a request is forwarded to it: held, then 481 with 61001.
#[test]
fn request_meets_the_death() {
    let (mut world, _alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE2);
    world.net.kill(FE1);
    let answer = bob.command(&mut world, lock(true));
    assert_eq!((answer.status(), diagnostics(&answer)), (481, 61001));
    assert_eq!(bob.join(&mut world).status(), 200);
}

/// P1: an owner that slept through its lease cannot write: what it is asked gets 481 or goes to the new owner.
#[test]
fn deposed_owner_does_not_act() {
    let (mut world, mut alice) = World::with_alice();
    world.net.mute(FE1);
    world.net.advance(secs(15));
    world.net.unmute(FE1);
    let draft = alice.in_dialog(Method::Info);
    let request = C3pRequest::new(99, alice.user.as_str(), CONFERENCE, lock(true));
    alice.send(&mut world, draft.body(mime::C3P, request.write()));
    // Held until it knows the pool again, and then the new owner's to answer.
    world.net.advance(secs(1));
    let (_, answer) = world.net.peer(alice.port).responses.pop_back().expect("an answer");
    assert_eq!((answer.status(), diagnostics(&answer)), (481, 61001));
    world.net.advance(secs(5));
    assert_eq!(world.net.node::<FrontEndCore>(FE1).conferences(), 0);
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1);
    let mut bob = world.joined("bob", 7002, FE1);
    let info = audit(&mut world, &mut bob);
    assert_eq!(info.conference_state.and_then(|state| state.locked), Some(false), "the lock was not done");
}

/// Who does not come back in time is removed; who does stays.
#[test]
fn rejoin_grace_ends() {
    let (mut world, mut alice) = World::with_alice();
    let _bob = world.joined("bob", 7002, FE1);
    world.net.kill(FE1);
    world.net.advance(secs(2));
    alice.server = FE2;
    alice.join(&mut world);
    assert_eq!(alice.subscribe(&mut world).users().count(), 2);
    world.net.advance(secs(90));
    assert_eq!(audit(&mut world, &mut alice).users().count(), 1);
}

/// S1: recovery never admits; who was in the lobby is in the lobby.
#[test]
fn lobby_survives_the_takeover() {
    let (mut world, mut alice) = World::with_alice();
    alice.command(&mut world, lock(true));
    let mut dave = world.joined("dave", 7002, FE1);
    world.net.kill(FE1);
    world.net.advance(secs(2));
    dave.server = FE2;
    dave.join(&mut world);
    let seen = dave.subscribe(&mut world);
    assert_eq!(names(&seen), ["sip:dave@example.com"]);
    assert!(seen.users().all(c3p::info::User::is_in_lobby));
}

/// Drain: the conference moves without a death, and everybody can come back.
#[test]
fn drain_moves_conferences() {
    let (mut world, mut alice) = World::with_alice();
    let now = world.net.now;
    world.net.node::<FrontEndCore>(FE1).drain(now);
    world.net.advance(secs(3));
    assert_eq!(world.net.node::<FrontEndCore>(FE1).conferences(), 0);
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1);
    let answer = alice.command(&mut world, lock(true));
    assert_eq!((answer.status(), diagnostics(&answer)), (481, 61001));
    assert_eq!(alice.join(&mut world).status(), 200);
    let first = alice.command(&mut world, lock(true));
    assert_eq!(first.status(), 202);
    assert_eq!(alice.results(&mut world).pop().map(|last| last.code), Some(Code::Success));
}

/// Nodes that start together know each other at once: neither a death nor a call waits for the next look at the pool.
#[test]
fn nodes_know_each_other_at_once() {
    let mut world = World { net: Net::new() };
    world.add_front_end(FE1, "fe1");
    world.add_mcu(MCU, "im1");
    world.add_front_end(FE2, "fe2");
    world.net.advance(Duration::from_millis(200));
    let mut alice = world.client("alice", 7001, FE1);
    alice.schedule(&mut world);
    alice.join(&mut world);
    let first = alice.subscribe(&mut world);
    assert!(first.mcu_view(McuType::Im).is_some_and(|view| view.mcu_status() == McuStatus::Active));
    world.net.kill(FE1);
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1, "taken over at once");
}

/// An MCU that comes when a conference waits for one, and one that comes when another has just died, are taken at once.
#[test]
fn new_mcu_is_taken_at_once() {
    let mut world = World { net: Net::new() };
    world.add_front_end(FE1, "fe1");
    let mut alice = world.client("alice", 7001, FE1);
    alice.schedule(&mut world);
    alice.join(&mut world);
    alice.subscribe(&mut world);
    for (port, name, other) in [(MCU, "im1", None), (MCU2, "im2", Some(MCU))] {
        world.net.advance(Duration::from_millis(1300));
        if let Some(other) = other {
            world.net.kill(other);
        }
        world.add_mcu(port, name);
        world.net.advance(Duration::from_millis(150));
        let last = alice.documents(&mut world).pop().expect("a document");
        let view = last.mcu_view(McuType::Im).expect("its view");
        assert_eq!(view.mcu_status(), McuStatus::Active, "{name}");
    }
}

/// P1: an owner that was taken for dead while it was well (a refused connection) learns it, though nobody asks it.
#[test]
fn idle_owner_learns_that_it_was_deposed() {
    let (mut world, _alice) = World::with_alice();
    let refused = sip_core::TransportInput::Unreachable {
        transport: sip_core::TransportKind::Tcp,
        addr: tcp(FE1).addr,
        reason: sip_core::UnreachableReason::Refused,
    };
    let now = world.net.now;
    world.net.node::<FrontEndCore>(FE2).handle_transport(refused, now);
    world.net.settle();
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1);
    world.net.advance(secs(4));
    assert_eq!(world.net.node::<FrontEndCore>(FE1).conferences(), 0);
}

/// An MCU that hangs, its connections open, is dead after three heartbeats of five seconds, not after three timeouts of SIP.
#[test]
fn hanging_mcu_is_failed_over() {
    let (mut world, mut alice) = World::with_alice();
    world.add_mcu(MCU2, "im2");
    world.net.advance(secs(1));
    alice.forget(&mut world);
    world.net.mute(MCU);
    world.net.advance(secs(9));
    assert!(alice.documents(&mut world).is_empty(), "one missed is nothing");
    world.net.advance(secs(12));
    let statuses: Vec<McuStatus> = alice
        .documents(&mut world)
        .iter()
        .filter_map(|one| one.mcu_view(McuType::Im).map(c3p::info::EntityView::mcu_status))
        .collect();
    assert_eq!(
        (statuses.first(), statuses.last()),
        (Some(&McuStatus::FailingOver), Some(&McuStatus::Active))
    );
}
