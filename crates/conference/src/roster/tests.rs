//! Merging, folding, comparing.

use c3p::info::{Endpoint, Role, SessionType, User, Users};

use super::*;
use crate::event::AttendanceChange;

const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";

fn endpoint(entity: &str, kind: SessionType) -> Endpoint {
    Endpoint::new(entity, kind).with_status(EndpointStatus::Connected)
}

fn user(name: &str, endpoints: &[(&str, SessionType)]) -> User {
    let mut user = User::new(format!("sip:{name}@example.com"));
    user.endpoints = endpoints.iter().map(|(entity, kind)| endpoint(entity, kind.clone())).collect();
    user
}

fn full(version: u32, users: Vec<User>) -> ConferenceInfo {
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.version = Some(version);
    info.users = Some(Users::full(users));
    info
}

fn partial(version: u32, users: Vec<User>) -> ConferenceInfo {
    let mut info = ConferenceInfo::partial(CONFERENCE);
    info.version = Some(version);
    info.users = Some(Users::partial(users));
    info
}

fn roster(users: Vec<User>) -> Roster {
    let mut roster = Roster::new("sip:me@example.com", "{ME}");
    assert!(matches!(roster.apply(&full(1, users), true, Scope::Member), Applied::Changed(_)));
    roster
}

/// The differences as `change user endpoint`.
fn changes(applied: Applied) -> Vec<String> {
    let Applied::Changed(changes) = applied else { panic!("{applied:?}") };
    let line = |difference: &Difference| {
        let Difference { change, participant } = difference;
        let name = participant.uri.trim_start_matches("sip:").trim_end_matches("@example.com");
        format!("{} {name} {}", change.as_str(), participant.endpoint)
    };
    changes.attendance.iter().map(line).collect()
}

use SessionType::{AudioVideo, Chat, Focus};

/// Specification section 7: an MCU endpoint folds into the Focus endpoint with the same epid or endpoint-uri.
#[test]
fn folds_by_device() {
    let mut bob = user("bob", &[("{B1}", Focus), ("{B2}", Focus), ("{B3}", Chat), ("{B4}", AudioVideo)]);
    bob.endpoints[0].epid = Some("e1".into());
    bob.endpoints[1].endpoint_uri = Some("sip:bob@example.com;opaque=2;gruu".into());
    bob.endpoints[2].epid = Some("e1".into());
    bob.endpoints[3].endpoint_uri = bob.endpoints[1].endpoint_uri.clone();
    let snapshot = roster(vec![bob]).snapshot();
    let mcus: Vec<_> =
        snapshot.participants.iter().map(|who| (who.endpoint.as_str(), who.mcus.clone())).collect();
    assert_eq!(mcus, [("{B1}", vec![McuType::Im]), ("{B2}", vec![McuType::Av])]);
}

/// Else into all of that user.
#[test]
fn folds_into_all_devices() {
    let snapshot = roster(vec![user("bob", &[("{B1}", Focus), ("{B2}", Focus), ("{B3}", Chat)])]).snapshot();
    assert!(snapshot.participants.iter().all(|who| who.mcus == [McuType::Im]));
    assert_eq!(snapshot.participants.len(), 2);
}

/// A user without any Focus endpoint, a telephone, is one entry per MCU endpoint.
#[test]
fn telephone() {
    let snapshot = roster(vec![user("phone", &[("{P1}", AudioVideo)])]).snapshot();
    assert_eq!(snapshot.participants[0].endpoint, "{P1}");
    assert_eq!(snapshot.participants[0].mcus, [McuType::Av]);
}

/// Attendance begins with `connected`; dialling and ringing is none.
#[test]
fn ringing_is_no_attendance() {
    let mut ringing = user("bob", &[("{B1}", Focus)]);
    ringing.endpoints[0].status = Some(EndpointStatus::Alerting);
    let mut roster = roster(vec![ringing.clone()]);
    assert!(roster.snapshot().participants.is_empty());
    ringing.endpoints[0].status = Some(EndpointStatus::Connected);
    assert_eq!(changes(roster.apply(&partial(2, vec![ringing]), false, Scope::Member)), ["joined bob {B1}"]);
}

/// Left, then updated, then joined, each sorted by user and endpoint, octet by octet.
#[test]
fn order_of_differences() {
    let mut roster = roster(vec![
        user("bob", &[("{B2}", Focus), ("{B1}", Focus)]),
        user("Carol", &[("{C1}", Focus)]),
        user("dave", &[("{D1}", Focus)]),
    ]);
    let mut dave = user("dave", &[("{D1}", Focus), ("{D2}", Focus)]);
    dave.roles = vec![Role::Presenter];
    let next = full(9, vec![user("erin", &[("{E1}", Focus)]), dave, user("adam", &[("{A1}", Focus)])]);
    assert_eq!(
        changes(roster.apply(&next, false, Scope::Member)),
        [
            "left Carol {C1}",
            "left bob {B1}",
            "left bob {B2}",
            "updated dave {D1}",
            "joined adam {A1}",
            "joined dave {D2}",
            "joined erin {E1}"
        ]
    );
}

/// Our own endpoint is in the roster and marked; it is updated, but never joins or leaves.
#[test]
fn own_endpoint() {
    let mut me = user("me", &[("{me}", Focus), ("{ME2}", Focus)]);
    let mut roster = Roster::new("sip:me@example.com", "{ME}");
    assert_eq!(changes(roster.apply(&full(1, vec![me.clone()]), true, Scope::Member)), ["joined me {ME2}"]);
    me.roles = vec![Role::Presenter];
    let updated = changes(roster.apply(&partial(2, vec![me]), false, Scope::Member));
    assert_eq!(updated, ["updated me {ME2}", "updated me {me}"]);
    assert_eq!(changes(roster.apply(&full(3, vec![]), false, Scope::Member)), ["left me {ME2}"]);
}

/// The same document twice makes no event, and entries that did not change are shared.
#[test]
fn no_difference_no_event() {
    let mut roster = roster(vec![user("bob", &[("{B1}", Focus)])]);
    let before = roster.snapshot();
    let again = full(7, vec![user("bob", &[("{B1}", Focus)])]);
    assert_eq!(changes(roster.apply(&again, true, Scope::Member)), [""; 0]);
    let after = roster.snapshot();
    assert!(Arc::ptr_eq(&before.participants[0], &after.participants[0]));
    assert_eq!(after.version, Some(7));
}

/// Versions (specification section 7): the next one is applied, an old one ignored, after a gap only a full one counts.
#[test]
fn versions() {
    let mut roster = roster(vec![]);
    let bob = || vec![user("bob", &[("{B1}", Focus)])];
    assert_eq!(roster.apply(&partial(1, bob()), false, Scope::Member), Applied::Ignored);
    assert_eq!(roster.apply(&partial(3, bob()), false, Scope::Member), Applied::Stale);
    assert_eq!(roster.apply(&partial(2, bob()), false, Scope::Member), Applied::Stale);
    assert_eq!(roster.apply(&full(1, bob()), false, Scope::Member), Applied::Stale, "it brings nothing new");
    assert!(roster.snapshot().participants.is_empty());
    assert_eq!(changes(roster.apply(&full(3, bob()), false, Scope::Member)), ["joined bob {B1}"]);
    assert_eq!(roster.apply(&full(3, vec![]), false, Scope::Member), Applied::Ignored, "equal only confirms");
    assert_eq!(roster.apply(&full(2, vec![]), false, Scope::Member), Applied::Stale, "lower is refused");
    assert_eq!(
        changes(roster.apply(&full(2, vec![]), true, Scope::Member)),
        ["left bob {B1}"],
        "unless fresh"
    );
    let mut without = partial(3, vec![]);
    without.version = None;
    assert_eq!(roster.apply(&without, false, Scope::Member), Applied::Stale);
}

/// Partial users and endpoints: children are merged, deleted ones removed; the key of an endpoint has its modality.
#[test]
fn partial_users() {
    let mut roster = roster(vec![user("bob", &[("{B1}", Focus), ("{B1}", Chat)])]);
    let mut bob = user("bob", &[("{B1}", Chat)]);
    bob.state = State::Partial;
    bob.endpoints[0].state = State::Deleted;
    assert_eq!(
        changes(roster.apply(&partial(2, vec![bob.clone()]), false, Scope::Member)),
        ["updated bob {B1}"]
    );
    assert!(roster.snapshot().participants[0].mcus.is_empty());
    bob.endpoints.clear();
    bob.display_text = Some("Bob".into());
    assert_eq!(changes(roster.apply(&partial(3, vec![bob]), false, Scope::Member)), ["updated bob {B1}"]);
    let gone = User::deleted("sip:bob@example.com");
    assert_eq!(changes(roster.apply(&partial(4, vec![gone]), false, Scope::Member)), ["left bob {B1}"]);
}

/// Properties: each change once, with the value before; what disappears has no value after.
#[test]
fn properties() {
    let mut roster = roster(vec![]);
    let mut info = partial(2, vec![]);
    info.description =
        Some(c3p::info::Description { subject: Some("numbers".into()), ..c3p::info::Description::default() });
    info.conference_state =
        Some(c3p::info::ConferenceState { locked: Some(true), ..c3p::info::ConferenceState::default() });
    let Applied::Changed(changes) = roster.apply(&info, false, Scope::Member) else { panic!("applied") };
    let names: Vec<_> = changes.properties.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(names, ["locked", "subject"]);
    let Applied::Changed(changes) = roster.apply(&full(3, vec![]), false, Scope::Member) else {
        panic!("applied")
    };
    assert_eq!(changes.properties[0].old, Some(PropertyValue::Bool(true)));
    assert_eq!(changes.properties[0].new, None);
}

/// The lobby's view: properties and no roster, whatever the document has.
#[test]
fn lobby_has_no_roster() {
    let mut roster = roster(vec![user("bob", &[("{B1}", Focus)])]);
    let lobby = full(2, vec![user("me", &[("{ME}", Focus)])]);
    assert_eq!(changes(roster.apply(&lobby, true, Scope::Lobby)), ["left bob {B1}"]);
    assert!(roster.snapshot().participants.is_empty());
}

/// Where a document says that we are: the address as a URI, the GUID without regard to case.
#[test]
fn own_status() {
    let roster = Roster::new("sip:me@EXAMPLE.com", "{ME}");
    let mut info = full(1, vec![user("me", &[("{me}", Focus)])]);
    assert_eq!(roster.own_status(&info), OwnStatus::Inside);
    let own = &mut info.users.as_mut().expect("users").users[0];
    own.endpoints[0].status = Some(EndpointStatus::OnHold);
    assert_eq!(roster.own_status(&info), OwnStatus::InLobby);
    assert_eq!(roster.own_status(&full(1, vec![])), OwnStatus::Unknown);
    let removed = partial(1, vec![User::deleted("sip:me@example.com")]);
    assert_eq!(roster.own_status(&removed), OwnStatus::Removed);
}

/// Everybody leaves at the end of an escalation that failed.
#[test]
fn clear() {
    let mut roster = roster(vec![user("bob", &[("{B1}", Focus)]), user("me", &[("{ME}", Focus)])]);
    let changes = roster.clear();
    assert_eq!(changes.attendance.len(), 1);
    assert_eq!(changes.attendance[0].change, AttendanceChange::Left);
}
