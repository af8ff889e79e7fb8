//! The flows of one conference, message by message.

use c3p::command::{Access, Code, Command, CommandResult, ConferenceKey};
use c3p::info::{EndpointStatus, McuStatus, Role, State};
use c3p::{McuType, Reason};
use sip_core::Method;

use super::*;

/// [MS-CONMGMT] section 3.4.2: a client that offered to be heard, and is silent, loses its connection; its REGISTER said so.
#[test]
fn a_silent_client_loses_its_connection() {
    let mut world = World::new();
    let mut alice = world.client("alice", 7001, FE1);
    let offer = "UAC;hop-hop=yes";
    let draft = alice.initial(Method::Register, "sip:alice@example.com").header("ms-keep-alive", offer);
    let response = alice.ask(&mut world, draft);
    let promise = response.headers().get("ms-keep-alive");
    assert_eq!((response.status(), promise), (200, Some("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=300")));
    let server = crate::testnet::tcp(FE1);
    let mut is_open = |after: u64| {
        world.net.advance(secs(after));
        world.net.peer(7001).endpoint.flow_to(server.transport, server.addr).is_some()
    };
    assert!(is_open(330));
    assert!(!is_open(20));
}

/// Flow 4: the organizer is presenter, the first document is full, the MCU becomes active in it.
#[test]
fn join_activates_the_conference() {
    let mut world = World::new();
    let mut alice = world.client("alice", 7001, FE1);
    let scheduled = alice.schedule(&mut world);
    assert_eq!(scheduled.status(), 200);
    let answer = C3pResponse::parse(scheduled.body(), &Limits::default()).expect("a response");
    let CommandResult::AddConference(Some(info)) = answer.result else { panic!("a record") };
    assert_eq!(info.entity, CONFERENCE);

    let response = alice.join(&mut world);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().get("Session-Expires"), Some("1800;refresher=uac"));
    assert!(response.headers().get("Contact").is_some_and(|contact| contact.ends_with(";isfocus")));
    let answer = C3pResponse::parse(response.body(), &Limits::default()).expect("a response");
    let CommandResult::AddUser(Some(granted)) = answer.result else { panic!("a grant") };
    assert_eq!(granted.user.role(), Some(&Role::Presenter));

    let first = alice.subscribe(&mut world);
    assert!(first.is_full());
    assert_eq!(names(&first), ["sip:alice@example.com"]);
    assert_eq!(first.entity, CONFERENCE);
    assert_eq!(first.mcu_uri(McuType::Im), Some(CHAT));
    world.net.advance(secs(1));
    let last = alice.documents(&mut world).pop();
    let chat = last.as_ref().unwrap_or(&first).mcu_view(McuType::Im).expect("the chat view").mcu_status();
    assert_eq!(chat, McuStatus::Active);
}

/// Who joins is told to the others, in a document of the next version; who leaves, too.
#[test]
fn joins_and_leaves_are_told() {
    let (mut world, mut alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE1);
    world.net.advance(secs(1));
    let told = alice.documents(&mut world);
    assert_eq!(names(&told[0]), ["sip:bob@example.com"]);
    assert_eq!(told[0].state, State::Partial);
    assert!(told.windows(2).all(|pair| pair[1].version == pair[0].version.map(|version| version + 1)));

    let bye = bob.in_dialog(Method::Bye);
    assert_eq!(bob.ask(&mut world, bye).status(), 200);
    world.net.advance(secs(1));
    let told = alice.documents(&mut world);
    let gone = told.last().and_then(|last| last.user("sip:bob@example.com")).expect("bob");
    assert_eq!(gone.state, State::Deleted);
}

/// Flow 5: a locked conference sends newcomers to the lobby; admitted they see all, denied they see nothing.
#[test]
fn lobby_admits_and_denies() {
    let (mut world, mut alice) = World::with_alice();
    assert_eq!(alice.command(&mut world, lock(true)).status(), 202);
    assert_eq!(alice.results(&mut world)[0].code, Code::Success);
    assert_eq!(alice.documents(&mut world)[0].conference_state.as_ref().and_then(|s| s.locked), Some(true));

    let mut dave = world.client("dave", 7002, FE1);
    dave.join(&mut world);
    let limited = dave.subscribe(&mut world);
    assert_eq!(names(&limited), ["sip:dave@example.com"]);
    assert!(limited.views.is_none() && limited.description.as_ref().is_some_and(|d| d.conf_uris.is_empty()));
    assert!(limited.users().all(c3p::info::User::is_in_lobby));
    let mut erin = world.joined("erin", 7003, FE1);
    world.net.advance(secs(1));
    let told = alice.documents(&mut world);
    assert!(
        told.iter().any(|one| one.user("sip:dave@example.com").is_some_and(c3p::info::User::is_in_lobby))
    );
    assert_eq!(dave.command(&mut world, lock(false)).status(), 403);

    let access = |user: &str, access| Command::SetLobbyAccess {
        conference: CONFERENCE.to_owned(),
        users: vec![user.to_owned(), "sip:nobody@example.com".to_owned()],
        access,
    };
    alice.command(&mut world, access("sip:dave@example.com", Access::Granted));
    let result = alice.results(&mut world).remove(0);
    let CommandResult::SetLobbyAccess(results) = &result.result else { panic!("results") };
    assert_eq!(result.code, Code::Success);
    assert_eq!(results[1].failure, Some(Reason::UserDoesntExist));
    let admitted = dave.documents(&mut world).pop().expect("a document");
    assert!(admitted.is_full() && names(&admitted).contains(&"sip:alice@example.com".to_owned()));

    alice.command(&mut world, access("sip:erin@example.com", Access::Denied));
    let last: Vec<Request> = erin.inbox(&mut world);
    assert_eq!(last[0].headers().get("Subscription-State"), Some("terminated;reason=rejected"));
    assert_eq!(names(&document(last[0].body())), ["sip:erin@example.com"], "no roster for the lobby");
    assert_eq!(last[1].method(), &Method::Bye);
    assert!(last[1].headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("61006;")));
    // S2: a denial is not undone by coming back.
    alice.command(&mut world, lock(false));
    assert_eq!(erin.join(&mut world).status(), 403);

    alice.command(&mut world, lock(true));
    let mut carol = world.client("carol", 7004, FE1);
    carol.lobby_capable = false;
    let refused = carol.join(&mut world);
    assert_eq!((refused.status(), diagnostics(&refused)), (403, 3014));
}

/// The server's own limit of the lobby ends with `giveup`.
#[test]
fn lobby_wait_runs_out() {
    let (mut world, mut alice) = World::with_alice();
    alice.command(&mut world, lock(true));
    let mut dave = world.joined("dave", 7002, FE1);
    world.net.advance(secs(29 * 60));
    dave.forget(&mut world);
    world.net.advance(secs(2 * 60));
    let mut last = dave.inbox(&mut world);
    last.retain(|one| *one.method() != Method::Update); // the session was asked about before
    assert_eq!(last[0].headers().get("Subscription-State"), Some("terminated;reason=giveup"));
    assert!(last[1].headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("61005;")));
}

/// Flow 10: the ejected hears it in both dialogs, the others in a document, and he does not come back.
#[test]
fn eject_is_final() {
    let (mut world, mut alice) = World::with_alice();
    let mut carol = world.joined("carol", 7002, FE1);
    world.net.advance(secs(1));
    alice.forget(&mut world);
    carol.forget(&mut world);
    assert_eq!(alice.command(&mut world, eject("sip:CAROL@example.com")).status(), 202);
    assert_eq!(alice.results(&mut world)[0].reason, Some(Reason::UserDoesntExist));
    assert_eq!(alice.command(&mut world, eject("sip:carol@EXAMPLE.com")).status(), 202);
    assert_eq!(alice.results(&mut world)[0].code, Code::Success);
    let gone = alice.documents(&mut world).remove(0);
    assert_eq!(gone.user(&carol.user).map(|user| user.state), Some(State::Deleted));
    let methods: Vec<Method> = carol.inbox(&mut world).iter().map(|one| one.method().clone()).collect();
    assert_eq!(methods, [Method::Notify, Method::Bye]);
    let refused = carol.join(&mut world);
    assert_eq!((refused.status(), diagnostics(&refused)), (403, 61006));
}

/// Flow 12 and the table of rights: an attendee may not lead, the promoted may, the organizer is not ejected.
#[test]
fn roles_decide() {
    let (mut world, mut alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE1);
    let refused = bob.command(&mut world, lock(true));
    assert_eq!((refused.status(), diagnostics(&refused)), (403, 3014));
    let role = |role| Command::ModifyUserRoles {
        conference: CONFERENCE.to_owned(),
        user: "sip:bob@example.com".to_owned(),
        role,
    };
    alice.command(&mut world, role(Role::Presenter));
    assert_eq!(alice.results(&mut world)[0].code, Code::Success);
    assert_eq!(bob.command(&mut world, lock(true)).status(), 202);
    assert_eq!(bob.command(&mut world, eject("sip:alice@example.com")).status(), 202);
    let results = bob.results(&mut world);
    assert_eq!(results.last().and_then(|last| last.reason.clone()), Some(Reason::Forbidden));
    alice.command(&mut world, role(Role::from_token("king")));
    assert_eq!(alice.results(&mut world)[0].reason, Some(Reason::InvalidRole));
}

/// Flow 13: everybody is told twice; the record stays and may be activated again by another owner epoch.
#[test]
fn end_ends_for_all_and_can_begin_again() {
    let (mut world, mut alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE1);
    world.net.advance(secs(1));
    bob.forget(&mut world);
    let key = ConferenceKey::Entity(CONFERENCE.to_owned());
    assert_eq!(alice.command(&mut world, Command::DeleteConference { key }).status(), 202);
    let last = bob.inbox(&mut world);
    assert_eq!(last[0].headers().get("Subscription-State"), Some("terminated;reason=noresource"));
    assert_eq!(document(last[0].body()).state, State::Deleted);
    assert!(last[1].headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("61007;")));
    assert_eq!(world.net.node::<FrontEndCore>(FE1).conferences(), 0);
    // A late request of a dialog that is over.
    let late = bob.command(&mut world, lock(true));
    assert_eq!(late.status(), 481);
    // Through the other front end this time.
    bob.server = FE2;
    assert_eq!(bob.join(&mut world).status(), 200);
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 1);
}

/// The rejoin rule: same endpoint, new dialog; the old one ends with 60001, nobody else notices.
#[test]
fn rejoin_replaces_silently() {
    let (mut world, mut alice) = World::with_alice();
    let mut bob = world.joined("bob", 7002, FE1);
    let promote = Command::ModifyUserRoles {
        conference: CONFERENCE.to_owned(),
        user: bob.user.clone(),
        role: Role::Presenter,
    };
    alice.command(&mut world, promote);
    world.net.advance(secs(1));
    alice.forget(&mut world);
    bob.forget(&mut world);
    let response = bob.join(&mut world);
    let answer = C3pResponse::parse(response.body(), &Limits::default()).expect("a response");
    let CommandResult::AddUser(Some(granted)) = answer.result else { panic!("a grant") };
    assert_eq!(granted.user.role(), Some(&Role::Presenter), "the role is kept");
    let bye = bob.inbox(&mut world).pop().expect("a BYE");
    assert!(bye.headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("60001;")));
    world.net.advance(secs(1));
    assert!(alice.documents(&mut world).is_empty(), "nothing changed for the others");
}

/// P3: the same requestId has one effect and the same answer, on another dialog of the endpoint, too.
#[test]
fn same_request_same_effect() {
    let (mut world, mut alice) = World::with_alice();
    alice.command_again(&mut world, 7, lock(true));
    let first = alice.results(&mut world);
    alice.command(&mut world, lock(false));
    alice.forget(&mut world);
    alice.command_again(&mut world, 7, lock(true));
    assert_eq!(alice.results(&mut world), first);
    alice.join(&mut world);
    alice.forget(&mut world);
    assert_eq!(alice.command_again(&mut world, 7, lock(true)).status(), 202);
    assert_eq!(alice.results(&mut world), first);
    let key = ConferenceKey::Entity(CONFERENCE.to_owned());
    alice.command(&mut world, Command::GetConference { key });
    let audit = alice.results(&mut world).remove(0);
    let CommandResult::GetConference(Some(info)) = audit.result else { panic!("a document") };
    assert_eq!(info.conference_state.and_then(|state| state.locked), Some(false), "executed once");
}

/// Flow 7: members are let through to the MCU, its endpoints come into the roster; others are refused.
#[test]
fn calls_pass_the_focus() {
    let (mut world, mut alice) = World::with_alice();
    let sdp = Bytes::from_static(
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
          m=message 5060 sip null\r\na=accept-types:text/plain\r\n",
    );
    let mut stranger = world.client("mallory", 7002, FE1);
    let draft = stranger.initial(Method::Invite, CHAT).body(mime::SDP, sdp.clone());
    let refused = stranger.ask(&mut world, draft);
    assert_eq!((refused.status(), diagnostics(&refused)), (403, 3014));

    let draft = alice.initial(Method::Invite, CHAT).body(mime::SDP, sdp);
    let answer = alice.ask(&mut world, draft.clone());
    assert_eq!(answer.status(), 200);
    assert!(answer.record_route().is_empty(), "the front end stays out of the route set");
    let dialog = Dialog::uac(&draft, &answer).expect("a dialog");
    assert_eq!(dialog.remote_target().port(), Some(MCU));
    world.net.send_oneway(alice.port, MCU, dialog.ack(1));
    world.net.advance(secs(1));
    let told = alice.documents(&mut world);
    let me = told.iter().rev().find_map(|one| one.user(&alice.user)).expect("an update");
    let chat = me.endpoints.iter().find(|one| one.mcu_type() == Some(McuType::Im)).expect("a chat endpoint");
    assert_eq!(chat.status, Some(EndpointStatus::Connected));
    assert!(me.endpoints.iter().any(c3p::info::Endpoint::is_focus), "the user is complete");
}

/// Recovery section 3: a dead MCU fails over in one document, and another instance becomes active.
#[test]
fn mcu_fails_over() {
    let (mut world, mut alice) = World::with_alice();
    world.add_mcu(MCU2, "im2");
    world.net.advance(secs(2));
    alice.forget(&mut world);
    world.net.kill(MCU);
    world.net.advance(secs(2));
    let told = alice.documents(&mut world);
    let chat: Vec<(McuStatus, Option<String>)> = told
        .iter()
        .filter_map(|one| one.mcu_view(McuType::Im))
        .map(|view| (view.mcu_status(), view.instance().map(str::to_owned)))
        .collect();
    assert_eq!(chat.first().map(|one| one.0), Some(McuStatus::FailingOver));
    assert_eq!(chat.last().map(|one| one.0), Some(McuStatus::Active));
    assert_ne!(chat.first().map(|one| &one.1), chat.last().map(|one| &one.1), "another instance");
}

/// A hundred joins: everybody ends with the same roster, and versions only grow.
#[test]
fn hundred_joins() {
    let (mut world, alice) = World::with_alice();
    let mut clients = vec![alice];
    for number in 0..100u16 {
        let server = if number % 2 == 0 { FE1 } else { FE2 };
        clients.push(world.joined(&format!("user{number}"), 8000 + number, server));
    }
    world.net.advance(secs(2));
    let key = || ConferenceKey::Entity(CONFERENCE.to_owned());
    let mut last_version = None;
    for client in &mut clients {
        let versions: Vec<Option<u32>> = client.documents(&mut world).iter().map(|one| one.version).collect();
        assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
        last_version = versions.last().copied().flatten().or(last_version);
        client.inbox(&mut world);
        client.command(&mut world, Command::GetConference { key: key() });
        let result = client.results(&mut world).remove(0);
        let CommandResult::GetConference(Some(info)) = result.result else { panic!("a document") };
        assert_eq!(info.users().count(), 101);
        assert_eq!(info.version, last_version);
    }
}

/// A session that nobody refreshes ends after its interval and the grace.
#[test]
fn silent_participant_is_removed() {
    let (mut world, mut alice) = World::with_alice();
    let bob = world.joined("bob", 7002, FE1);
    world.net.advance(secs(1));
    alice.forget(&mut world);
    world.net.kill(bob.port);
    world.net.advance(secs(89));
    assert!(alice.documents(&mut world).is_empty(), "the grace runs");
    world.net.advance(secs(3));
    let gone = alice.documents(&mut world).remove(0);
    assert_eq!(gone.user("sip:bob@example.com").map(|user| user.state), Some(State::Deleted));
}

/// Only the lobby is left: the countdown is told and runs out; everybody is told that it is over.
#[test]
fn countdown_ends_a_conference_without_members() {
    let (mut world, mut alice) = World::with_alice();
    alice.command(&mut world, lock(true));
    let mut dave = world.joined("dave", 7002, FE1);
    let bye = alice.in_dialog(Method::Bye);
    alice.ask(&mut world, bye);
    world.net.advance(secs(599));
    assert_eq!(world.net.node::<FrontEndCore>(FE1).conferences(), 1);
    dave.forget(&mut world);
    world.net.advance(secs(2));
    let last = dave.inbox(&mut world);
    assert_eq!(last[0].headers().get("Subscription-State"), Some("terminated;reason=noresource"));
    assert!(last[1].headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("60002;")));
    assert_eq!(world.net.node::<FrontEndCore>(FE1).conferences(), 0);
}
