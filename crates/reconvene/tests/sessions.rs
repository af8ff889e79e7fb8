//! What people do to each other in a conference, over real sockets: the right rows and causes on all sides.

mod common;

use std::time::Duration;

use common::{Person, Pool, patient};
use reconvene::{JoinOptions, McuType, Operation, OperationError, OperationName, OperationValue};

/// T3a, T4: one leaves, the other sees it and stays.
#[tokio::test]
async fn leaving() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut bob = pool.person("bob").await;
    alice.join(&scheduled.uri).await.unwrap();
    bob.join(&scheduled.uri).await.unwrap();
    assert!(bob.has_seen("joined sip:alice@example.com presenter"), "before join returns: {:?}", bob.seen);
    alice.sees("joined sip:bob@example.com attendee").await;
    patient("the leave", bob.conference.leave()).await.unwrap();
    bob.sees("T4").await;
    assert_eq!(bob.transitions(), ["T1 local-join", "T2 joined", "T3a local-leave", "T4 cleaned-up"]);
    alice.sees("left sip:bob@example.com").await;
    assert_eq!(alice.transitions(), ["T1 local-join", "T2 joined"]);
}

/// T3b and T3d: a leader ends the conference for everybody; it can be activated again.
#[tokio::test]
async fn ending_for_everybody() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut bob = pool.person("bob").await;
    alice.join(&scheduled.uri).await.unwrap();
    bob.join(&scheduled.uri).await.unwrap();
    patient("the end", alice.conference.end()).await.unwrap();
    alice.sees("T4").await;
    bob.sees("T4").await;
    assert_eq!(alice.transitions()[2..], ["T3b local-end", "T4 cleaned-up"]);
    assert_eq!(bob.transitions()[2..], ["T3d ended", "T4 cleaned-up"]);
    let mut carol = pool.person("carol").await;
    carol.join(&scheduled.uri).await.unwrap();
}

/// Section 7 of the specification: a conference that was made by `join new` goes with its end; a later join gets 404.
#[tokio::test]
async fn ending_what_was_made_here_deletes_it() {
    let pool = Pool::start(1).await;
    let mut alice = pool.person("alice").await;
    let joined = alice.conference.join_new(Default::default(), JoinOptions::default());
    patient("the join", joined).await.unwrap();
    let uri = alice.conference.uri().await.expect("joined");
    patient("the end", alice.conference.end()).await.unwrap();
    alice.sees("T4").await;
    patient("the shutdown", alice.endpoint.shutdown()).await;
    let mut bob = pool.person("bob").await;
    let refused = bob.join(&uri).await.unwrap_err();
    assert_eq!(refused.sip_status(), Some(404), "{refused:?}");
    assert_eq!(bob.transitions(), ["T1 local-join", "T9 join-failed"]);
}

/// T3b by an attendee: the Focus refuses, the session leaves all the same, and the result says that the conference goes on.
#[tokio::test]
async fn an_attendee_cannot_end_it() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut bob = pool.person("bob").await;
    alice.join(&scheduled.uri).await.unwrap();
    bob.join(&scheduled.uri).await.unwrap();
    let refused = patient("the end", bob.conference.end()).await.unwrap_err();
    assert_eq!((refused.sip_status(), refused.diagnostics().is_some()), (Some(403), true), "{refused:?}");
    bob.sees("T4").await;
    assert_eq!(bob.transitions()[2..], ["T3b local-end", "T4 cleaned-up"]);
    alice.sees("left sip:bob@example.com").await;
    assert_eq!(alice.transitions(), ["T1 local-join", "T2 joined"]);
}

/// T3c: a leader removes somebody; nobody removes the organizer, and an attendee removes nobody.
#[tokio::test]
async fn ejecting() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut bob = pool.person("bob").await;
    let mut carol = pool.person("carol").await;
    for person in [&mut alice, &mut bob, &mut carol] {
        person.join(&scheduled.uri).await.unwrap();
    }
    let refused = patient("the eject", bob.conference.eject(&carol.uri)).await.unwrap_err();
    assert_eq!(refused.sip_status(), Some(403), "{refused:?}");
    assert!(
        matches!(refused, OperationError::Failure { operation: OperationName::Eject, .. }),
        "{refused:?}"
    );
    patient("the eject", alice.conference.eject(&bob.uri)).await.unwrap();
    bob.sees("T4").await;
    assert_eq!(bob.transitions()[2..], ["T3c ejected", "T4 cleaned-up"]);
    alice.sees("left sip:bob@example.com").await;
    carol.sees("left sip:bob@example.com").await;
    patient("the promotion", alice.conference.promote(&carol.uri)).await.unwrap();
    carol.sees("updated sip:carol@example.com presenter").await;
    let refused = patient("the eject", carol.conference.eject(&alice.uri)).await.unwrap_err();
    assert!(matches!(refused, OperationError::Failure { .. }), "{refused:?}");
    let nobody = patient("the eject", alice.conference.eject("sip:nobody@example.com")).await.unwrap_err();
    assert_eq!(nobody.c3p_code(), Some("userDoesntExist"), "{nobody:?}");
}

/// Section 3.2 of c3p.md, class "MCU": one modality drops somebody; the session and everything else of his go on.
#[tokio::test]
async fn ejecting_from_the_im_mcu_only() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut bob = pool.person("bob").await;
    for person in [&mut alice, &mut bob] {
        person.join(&scheduled.uri).await.unwrap();
        person.sees("M1 im").await;
        patient("the call", person.conference.call(McuType::Im)).await.unwrap();
    }
    bob.sees("updated sip:bob@example.com").await;
    patient("the message", bob.conference.say("hello")).await.unwrap();
    alice.sees("message sip:bob@example.com hello").await;
    patient("the eject", alice.conference.eject_from(McuType::Im, &bob.uri)).await.unwrap();
    bob.sees("call terminated remote").await;
    let alone = patient("the message", bob.conference.say("anybody?")).await.unwrap_err();
    assert!(matches!(alone, OperationError::InvalidState { .. }), "{alone:?}");
    assert_eq!(bob.transitions(), ["T1 local-join", "T2 joined"]);
    let refused = patient("the eject", bob.conference.eject_from(McuType::Im, &alice.uri)).await.unwrap_err();
    assert_eq!(refused.sip_status(), Some(403), "{refused:?}");
}

/// Roles: promoted and demoted people see it in the roster, and may what their role may.
#[tokio::test]
async fn roles() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut bob = pool.person("bob").await;
    alice.join(&scheduled.uri).await.unwrap();
    bob.join(&scheduled.uri).await.unwrap();
    assert!(patient("the lock", bob.conference.lock()).await.is_err());
    patient("the promotion", alice.conference.promote(&bob.uri)).await.unwrap();
    bob.sees("updated sip:bob@example.com presenter").await;
    patient("the lock", bob.conference.lock()).await.unwrap();
    alice.sees("properties locked=Some(Bool(true))").await;
    patient("the demotion", alice.conference.demote(&bob.uri)).await.unwrap();
    bob.sees("updated sip:bob@example.com attendee").await;
    assert!(patient("the unlock", bob.conference.unlock()).await.is_err());
}

/// A locked conference of Alice's, and Dave in its lobby with his join pending.
async fn somebody_waits() -> (Pool, Person, Person, Operation) {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut dave = pool.person("dave").await;
    alice.join(&scheduled.uri).await.unwrap();
    patient("the lock", alice.conference.lock()).await.unwrap();
    let join = dave.conference.join(&scheduled.uri, JoinOptions::default());
    dave.sees("T10 lobby").await;
    (pool, alice, dave, join)
}

/// T10, T13: a locked conference has a lobby; who is admitted has the whole roster before the join returns.
#[tokio::test]
async fn admitted_from_the_lobby() {
    let (_pool, mut alice, mut dave, join) = somebody_waits().await;
    assert!(!dave.has_seen("joined sip:alice"), "no roster in the lobby: {:?}", dave.seen);
    let refused = patient("the lock", dave.conference.lock()).await.unwrap_err();
    assert!(matches!(refused, OperationError::InvalidState { .. }), "{refused:?}");
    alice.sees("joined sip:dave@example.com attendee lobby").await;
    let people = [dave.uri.clone(), "sip:nobody@example.com".to_owned()];
    let admitted = patient("the admission", alice.conference.admit(&people)).await.unwrap();
    let OperationValue::People(people) = admitted else { panic!("{admitted:?}") };
    assert_eq!(
        people.iter().map(|one| one.failure.is_none()).collect::<Vec<_>>(),
        [true, false],
        "{people:?}"
    );
    patient("the join", join).await.unwrap();
    dave.note();
    assert_eq!(dave.transitions(), ["T1 local-join", "T10 lobby", "T13 admitted"]);
    assert!(dave.has_seen("joined sip:alice@example.com presenter"), "{:?}", dave.seen);
    alice.sees("updated sip:dave@example.com attendee").await;
}

/// T14a: denied.
#[tokio::test]
async fn denied_in_the_lobby() {
    let (_pool, mut alice, mut dave, join) = somebody_waits().await;
    alice.sees("joined sip:dave@example.com attendee lobby").await;
    patient("the denial", alice.conference.deny(std::slice::from_ref(&dave.uri))).await.unwrap();
    let denied = patient("the join", join).await.unwrap_err();
    assert!(matches!(denied, OperationError::LobbyDenied { .. }), "{denied:?}");
    dave.sees("T4").await;
    assert_eq!(dave.transitions()[2..], ["T14a denied", "T4 cleaned-up"]);
    alice.sees("left sip:dave@example.com").await;
}

/// T14b: the conference ends while somebody waits.
#[tokio::test]
async fn ended_while_in_the_lobby() {
    let (_pool, alice, mut dave, join) = somebody_waits().await;
    patient("the end", alice.conference.end()).await.unwrap();
    let dropped = patient("the join", join).await.unwrap_err();
    assert!(matches!(dropped, OperationError::Dropped { .. }), "{dropped:?}");
    dave.sees("T4").await;
    assert_eq!(dave.transitions()[2..], ["T14b ended", "T4 cleaned-up"]);
}

/// T14c: who waits leaves, or has waited long enough.
#[tokio::test]
async fn leaving_the_lobby() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    alice.join(&scheduled.uri).await.unwrap();
    patient("the lock", alice.conference.lock()).await.unwrap();

    let mut dave = pool.person("dave").await;
    let join = dave.conference.join(&scheduled.uri, JoinOptions::default());
    dave.sees("T10 lobby").await;
    patient("the leave", dave.conference.leave()).await.unwrap();
    assert!(matches!(patient("the join", join).await, Err(OperationError::Cancelled { .. })));
    dave.sees("T4").await;
    assert_eq!(dave.transitions()[2..], ["T14c local-leave", "T4 cleaned-up"]);

    let mut erin = pool.person("erin").await;
    let brief = JoinOptions::default().with_lobby_timeout(Duration::from_millis(200));
    let late = erin.join_with(&scheduled.uri, brief).await.unwrap_err();
    assert!(matches!(late, OperationError::LobbyTimeout { .. }), "{late:?}");
    erin.sees("T4").await;
    assert_eq!(erin.transitions()[1..], ["T10 lobby", "T14c lobby-timeout", "T4 cleaned-up"]);

    let mut frank = pool.person("frank").await;
    let never = JoinOptions::default().with_lobby_timeout(Duration::ZERO);
    let refused = frank.join_with(&scheduled.uri, never).await.unwrap_err();
    assert!(matches!(refused, OperationError::LobbyTimeout { .. }), "{refused:?}");
    assert_eq!(frank.transitions(), ["T1 local-join", "T9 lobby-timeout"]);
}

/// T9: a conference that does not exist, and a server that does not answer; the session can be joined again.
#[tokio::test]
async fn refused_joins() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let nowhere = scheduled.uri.replace(":id:", ":id:NOSUCH");
    let refused = alice.join(&nowhere).await.unwrap_err();
    assert_eq!(refused.sip_status(), Some(404), "{refused:?}");
    assert!(refused.diagnostics().is_some_and(|text| text.starts_with("3012")), "{refused:?}");
    assert_eq!(alice.transitions(), ["T1 local-join", "T9 join-failed"]);
    let nonsense = alice.join("mailto:bob@example.com").await.unwrap_err();
    assert!(matches!(nonsense, OperationError::Failure { .. }), "{nonsense:?}");
    alice.join(&scheduled.uri).await.unwrap();
}

/// T16: whoever leaves while joining gets "cancelled", and nothing is left behind.
#[tokio::test]
async fn leaving_while_joining() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let join = alice.conference.join(&scheduled.uri, JoinOptions::default());
    let leave = alice.conference.leave();
    assert!(matches!(patient("the join", join).await, Err(OperationError::Cancelled { .. })));
    patient("the leave", leave).await.unwrap();
    alice.sees("T4").await;
    assert_eq!(alice.transitions(), ["T1 local-join", "T16 cancelled", "T4 cleaned-up"]);
}

/// T3d "replaced" needs the same endpoint GUID and is the simulation's; here: two devices of one user are two endpoints.
#[tokio::test]
async fn two_devices_of_one_user() {
    let pool = Pool::start(1).await;
    let (mut alice, scheduled) = pool.scheduled().await;
    let mut desk = pool.person("bob").await;
    let mut phone = pool.person("bob").await;
    alice.join(&scheduled.uri).await.unwrap();
    desk.join(&scheduled.uri).await.unwrap();
    phone.join(&scheduled.uri).await.unwrap();
    desk.sees("joined sip:bob@example.com").await;
    let roster = patient("the roster", phone.conference.fetch_roster()).await.unwrap();
    let OperationValue::Roster(info) = roster else { panic!("{roster:?}") };
    let bob = info.users().find(|user| user.entity == "sip:bob@example.com").expect("bob");
    assert_eq!(bob.endpoints.iter().filter(|endpoint| endpoint.is_focus()).count(), 2);
    patient("the leave", desk.conference.leave()).await.unwrap();
    phone.sees("left sip:bob@example.com").await;
    assert_eq!(phone.transitions(), ["T1 local-join", "T2 joined"]);
}
