//! Full, partial, deleted: the rules of versions and of merging, and the views of one roster.

use crate::common::{AV, CHAT, CONFERENCE, fixture, names};
use c3p::change::{self, Verdict};
use c3p::info::{
    ConferenceInfo, ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus, EntityView,
    Extension, McuState, McuStatus, Media, MediaStatus, Organizer, Role, SessionType, State, User, Users,
    Views,
};
use c3p::view::{self, Audience};
use c3p::{AnyElement, Limits, McuType};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

fn versioned(state: State, version: Option<u32>) -> ConferenceInfo {
    ConferenceInfo { state, version, ..ConferenceInfo::new(CONFERENCE) }
}

/// conference-info.md 2, client rules: next, old, gap; a full document is always good unless it goes back.
#[test]
fn versions_are_judged() {
    let table = [
        (State::Partial, Some(7), Some(8), false, Verdict::Apply),
        (State::Partial, Some(7), Some(7), false, Verdict::Old),
        (State::Partial, Some(7), Some(1), false, Verdict::Old),
        (State::Partial, Some(7), Some(9), false, Verdict::Gap),
        (State::Partial, Some(7), Some(9), true, Verdict::Gap),
        (State::Partial, Some(7), None, false, Verdict::Gap),
        (State::Partial, None, Some(1), false, Verdict::Gap),
        (State::Partial, Some(u32::MAX), Some(0), false, Verdict::Old),
        (State::Full, None, Some(900), false, Verdict::Apply),
        (State::Full, Some(7), Some(8), false, Verdict::Apply),
        (State::Full, Some(7), Some(1000), false, Verdict::Apply),
        (State::Full, Some(7), Some(7), false, Verdict::Apply),
        (State::Full, Some(7), Some(6), false, Verdict::Old),
        (State::Full, Some(7), Some(6), true, Verdict::Apply),
        (State::Full, Some(7), None, false, Verdict::Apply),
        (State::Deleted, Some(7), Some(3), false, Verdict::Apply),
    ];
    for (state, last, new, fresh, verdict) in table {
        let found = change::judge(last, &versioned(state, new), fresh);
        assert_eq!(found, verdict, "{state} {new:?} after {last:?}, fresh {fresh}");
    }
}

fn endpoint(entity: &str, kind: SessionType) -> Endpoint {
    Endpoint::new(entity, kind).with_status(EndpointStatus::Connected)
}

fn of_users(state: State, users: Vec<User>) -> ConferenceInfo {
    let mut info = ConferenceInfo::partial(CONFERENCE);
    info.users = Some(Users { state, users });
    info
}

fn roster() -> ConferenceInfo {
    let mut info = ConferenceInfo::new(CONFERENCE);
    let carol = User::new("sip:carol@b.test")
        .with_role(Role::Attendee)
        .with_endpoint(endpoint("{C}", SessionType::Focus))
        .with_endpoint(endpoint("{C}", SessionType::Chat));
    let olga = User::new("sip:olga@b.test").with_endpoint(endpoint("{O}", SessionType::Focus));
    info.version = Some(17);
    info.users = Some(Users::full(vec![olga, carol]));
    info
}

/// What is left of a user after a document.
fn after(document: &ConferenceInfo, user: &str) -> Option<User> {
    let mut info = roster();
    change::apply(&mut info, document);
    info.user(user).cloned()
}

/// conference-info.md 2: one table of states per level. Carol has one GUID in two modalities.
#[test]
fn states_are_applied_per_level() {
    let carol = "sip:carol@b.test";
    let partial = |user: User| of_users(State::Partial, vec![User { state: State::Partial, ..user }]);

    let gone = of_users(State::Partial, vec![User::deleted(carol)]);
    assert_eq!(after(&gone, carol), None);
    assert!(after(&gone, "sip:olga@b.test").is_some(), "the others stay");

    let full = of_users(State::Partial, vec![User::new(carol)]);
    assert_eq!(after(&full, carol).expect("Carol").endpoints, []);

    let renamed = partial(User::new(carol).with_display_text("Carol"));
    let found = after(&renamed, carol).expect("Carol");
    assert_eq!((found.display_text.as_deref(), found.endpoints.len()), (Some("Carol"), 2));
    assert_eq!((found.role(), found.state), (Some(&Role::Attendee), State::Full));

    let chat = Endpoint { state: State::Deleted, ..Endpoint::new("{C}", SessionType::Chat) };
    let found = after(&partial(User::new(carol).with_endpoint(chat)), carol).expect("Carol");
    assert_eq!(found.endpoints.len(), 1);
    assert!(found.endpoints[0].is_focus(), "the key has the modality in it");

    let held = Endpoint { state: State::Partial, ..Endpoint::new("{C}", SessionType::Focus) };
    let held = held.with_status(EndpointStatus::OnHold).with_media(Media::new("1", "audio"));
    let found = after(&partial(User::new(carol).with_endpoint(held)), carol).expect("Carol");
    assert_eq!(found.endpoints[0].status, Some(EndpointStatus::OnHold));
    assert_eq!(
        (found.endpoints[0].media.len(), found.endpoints[1].status),
        (1, Some(EndpointStatus::Connected))
    );

    let all = of_users(State::Full, vec![User::new("sip:new@b.test")]);
    assert_eq!(after(&all, carol), None);
    let none = of_users(State::Deleted, Vec::new());
    assert_eq!(after(&none, "sip:olga@b.test"), None);

    let mut over = roster();
    change::apply(&mut over, &versioned(State::Deleted, Some(99)));
    assert_eq!(over, versioned(State::Deleted, Some(99)));
}

/// Media are replaced by id, extensions by qualified name, parts without a state as a whole.
#[test]
fn children_are_merged_by_key() {
    let hand = |text: &str| Extension::new(AnyElement::leaf("urn:example:hands", "hand", text));
    let mut info = roster();
    let audio = |status| Media { status: Some(status), ..Media::new("1", "audio") };
    let user = |media: Media, extension: Extension| {
        let mut device = Endpoint { state: State::Partial, ..Endpoint::new("{C}", SessionType::Focus) };
        device.media = vec![media];
        device.extensions = vec![extension];
        User { state: State::Partial, ..User::new("sip:carol@b.test").with_endpoint(device) }
    };
    for (status, text) in [(MediaStatus::SendRecv, "up"), (MediaStatus::RecvOnly, "down")] {
        change::apply(&mut info, &of_users(State::Partial, vec![user(audio(status), hand(text))]));
    }
    let device = &info.user("sip:carol@b.test").expect("Carol").endpoints[0];
    assert_eq!(device.media, [audio(MediaStatus::RecvOnly)]);
    assert_eq!(device.extensions, [hand("down")]);

    let mut described = ConferenceInfo::partial(CONFERENCE);
    described.description = Some(Description { subject: Some("a".into()), ..Description::default() });
    change::apply(&mut info, &described);
    described.description = Some(Description { free_text: Some("b".into()), ..Description::default() });
    change::apply(&mut info, &described);
    assert_eq!(info.description.expect("one").subject, None, "replaced as a whole");
    assert_eq!(info.version, Some(17), "a document without a version leaves it");
}

/// Views are merged by entity; a partial one keeps what it does not name.
#[test]
fn views_are_merged() {
    let mut info = roster();
    let state = McuState::new(McuStatus::Active, Some("im-1".into()));
    let chat = EntityView::of_mcu(CHAT, McuType::Im, state, false);
    let mut full = ConferenceInfo::partial(CONFERENCE);
    full.views = Some(Views::full(vec![chat.clone(), EntityView::new(AV)]));
    change::apply(&mut info, &full);
    let mut settings = EntityView { state: State::Partial, ..EntityView::new(CHAT) };
    settings.settings = Some(c3p::info::NamedValues::default().with("a", "b"));
    let mut partial = ConferenceInfo::partial(CONFERENCE);
    partial.views =
        Some(Views::partial(vec![settings, EntityView { state: State::Deleted, ..EntityView::new(AV) }]));
    change::apply(&mut info, &partial);
    let found: Vec<_> = info.views().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].instance(), found[0].settings.as_ref().and_then(|all| all.get("a"))),
        (Some("im-1"), Some("b"))
    );
}

/// Nothing changed: no document. What a partial one cannot say: a full one.
#[test]
fn changes_that_cannot_be_said_are_full() {
    let before = roster();
    let mut after = roster();
    after.version = Some(18);
    assert_eq!(change::between(&before, &after), None);
    let over = versioned(State::Deleted, Some(40));
    assert_eq!(change::between(&over, &over), None);
    let mut described = roster();
    described.description = Some(Description::default());
    assert!(change::between(&described, &after).expect("changed").is_full());
    assert!(!change::between(&after, &described).expect("changed").is_full());
}

fn small_user() -> impl Strategy<Value = User> {
    let kind = select(vec![SessionType::Focus, SessionType::Chat]);
    let devices = btree_map((select(vec!["{1}", "{2}"]), 0..2_u8), kind, 0..3);
    (of("[ab]{1,2}"), vec(select(vec![Role::Presenter, Role::Attendee]), 0..2), devices).prop_map(
        |(name, roles, devices)| {
            let endpoints = devices.into_iter().map(|((entity, kind), _)| {
                let kind = if kind == 0 { SessionType::Focus } else { SessionType::Chat };
                endpoint(entity, kind)
            });
            User { display_text: name, roles, endpoints: endpoints.collect(), ..User::default() }
        },
    )
}

fn small_roster() -> impl Strategy<Value = ConferenceInfo> {
    let users = btree_map(0..24_u8, small_user(), 0..16);
    let views = btree_map(select(vec![CONFERENCE, CHAT, AV]), any::<bool>(), 0..3);
    (users, of(views), of(any::<bool>()), of("[ab]{1,2}")).prop_map(|(users, views, locked, subject)| {
        let mut info = ConferenceInfo::new(CONFERENCE);
        let named = |(at, user): (u8, User)| User { entity: format!("sip:u{at}@b.test"), ..user };
        info.users = Some(Users::full(users.into_iter().map(named).collect()));
        info.views = views.map(|views| {
            Views::full(
                views.into_iter().map(|(entity, locked)| EntityView::of_focus(entity, locked)).collect(),
            )
        });
        info.conference_state =
            locked.map(|locked| ConferenceState { locked: Some(locked), ..Default::default() });
        info.description =
            subject.map(|subject| Description { subject: Some(subject), ..Default::default() });
        info
    })
}

/// The same roster whatever the order in which people came.
fn sorted(mut info: ConferenceInfo) -> ConferenceInfo {
    if let Some(users) = &mut info.users {
        users.users.sort_by(|a, b| a.entity.cmp(&b.entity));
    }
    if let Some(views) = &mut info.views {
        views.views.sort_by(|a, b| a.entity.cmp(&b.entity));
    }
    info
}

proptest! {
    /// What is between two rosters turns the one into the other, also after a way over the wire.
    #[test]
    fn a_change_turns_one_roster_into_the_other(before in small_roster(), after in small_roster()) {
        let (mut before, mut after) = (before, after);
        (before.version, after.version) = (Some(5), Some(6));
        match change::between(&before, &after) {
            None => prop_assert_eq!(ConferenceInfo { version: Some(6), ..before }, after),
            Some(document) => {
                let read = ConferenceInfo::parse(&document.write(), &Limits::default()).expect("written");
                prop_assert_eq!(&read, &document);
                prop_assert_eq!(change::judge(before.version, &read, false), Verdict::Apply);
                change::apply(&mut before, &read);
                prop_assert_eq!(sorted(before), sorted(after));
            }
        }
    }

    /// Users in a change are complete or deleted, never partial.
    #[test]
    fn changes_name_users_completely(before in small_roster(), after in small_roster()) {
        if let Some(document) = change::between(&before, &after) {
            prop_assert!(document.users().all(|user| user.state != State::Partial));
        }
    }

    /// A full document is a roster at once; applied twice it changes nothing.
    #[test]
    fn full_documents_are_idempotent(info in small_roster(), other in small_roster()) {
        let mut roster = other;
        change::apply(&mut roster, &info);
        prop_assert_eq!(&roster, &info);
        change::apply(&mut roster, &info);
        prop_assert_eq!(&roster, &info);
    }
}

/// The corpus applies: each document to each other.
#[test]
fn corpus_can_be_applied() {
    let all: Vec<_> = names("info")
        .iter()
        .map(|name| ConferenceInfo::parse(&fixture(name), &Limits::default()).expect("a document"))
        .collect();
    for first in &all {
        for second in &all {
            let mut roster = ConferenceInfo::default();
            change::apply(&mut roster, first);
            change::apply(&mut roster, second);
            assert!(roster.users().all(|user| user.state == State::Full));
            assert!(roster.views().all(|view| view.state == State::Full));
        }
    }
}

fn rich_roster() -> ConferenceInfo {
    let mut info = roster();
    info.description = Some(Description {
        subject: Some("Weekly".into()),
        conference_id: Some("MEET0042".into()),
        conference_key: Some("1234".into()),
        organizer_roaming_data: Some("own".into()),
        join_url: Some("https://meet.contoso.test/1".into()),
        organizer: Some(Organizer { display_name: Some("Olga".into()), ..Organizer::default() }),
        conf_uris: McuType::ALL
            .iter()
            .filter_map(|mcu| c3p::info::ConfUri::of_mcu(CONFERENCE, *mcu))
            .collect(),
        ..Description::default()
    });
    info.conference_state =
        Some(ConferenceState { user_count: Some(2), locked: Some(true), ..ConferenceState::default() });
    let state = McuState::new(McuStatus::Active, Some("im-1".into()));
    info.views = Some(Views::full(vec![EntityView::of_mcu(CHAT, McuType::Im, state, true)]));
    info
}

/// conference-info.md 3: the passcode is for leaders, the organizer's data for nobody.
#[test]
fn members_do_not_see_secrets() {
    let seen = |audience| view::member(&rich_roster(), audience).description.expect("one");
    assert_eq!(seen(Audience::Attendee).conference_key, None);
    assert_eq!(seen(Audience::Presenter).conference_key.as_deref(), Some("1234"));
    assert_eq!(seen(Audience::Presenter).organizer_roaming_data, None);
}

/// conference-info.md 6: who waits sees himself on hold, no MCU, nobody else; and his end says why.
#[test]
fn the_lobby_sees_little() {
    let seen = view::lobby(&rich_roster(), "sip:guest@other.test", "{G}");
    assert!(seen.is_full() && seen.views.is_none());
    assert_eq!(seen.users().map(|user| user.entity.as_str()).collect::<Vec<_>>(), ["sip:guest@other.test"]);
    assert!(seen.users().all(User::is_in_lobby));
    let description = seen.description.as_ref().expect("one");
    assert!(description.conf_uris.is_empty() && description.conference_key.is_none());
    assert_eq!(description.subject.as_deref(), Some("Weekly"));
    let state = seen.conference_state.as_ref().expect("one");
    assert_eq!((state.locked, state.user_count), (Some(true), None));
    let text = String::from_utf8(seen.write().to_vec()).expect("text");
    for secret in ["carol", "olga@b.test", "chat", "1234"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }

    let end = view::lobby_end(&rich_roster(), "sip:guest@other.test", "{G}", DisconnectionMethod::Booted);
    let own = end.users().next().expect("himself");
    assert_eq!((end.state, own.state), (State::Partial, State::Deleted));
    assert_eq!(own.endpoints[0].disconnection_method, Some(DisconnectionMethod::Booted));
}

/// real-client-sipe.md 6.1: complete users, explicit leavers, no dead endpoints, presenter first, lock beside medium.
#[test]
fn a_known_client_gets_it_right() {
    let mut roster = rich_roster();
    let users = roster.users.as_mut().expect("users");
    users.users[1].state = State::Partial;
    users.users[1].roles = vec![Role::Attendee, Role::Presenter];
    users.users[1].endpoints[1].state = State::Deleted;
    let views = roster.views.as_mut().expect("views");
    views.views[0].entity_state.as_mut().expect("a state").media.clear();
    let typed = CONFERENCE.replace("sip:olga", "sip:Olga");
    let seen = view::known_client(&roster, &typed, &["sip:dave@b.test".into()]);
    assert!(view::is_read_by_known_client(&seen, &typed));
    let carol = seen.user("sip:carol@b.test").expect("Carol");
    assert_eq!((carol.state, carol.role(), carol.endpoints.len()), (State::Full, Some(&Role::Presenter), 1));
    assert_eq!(seen.user("sip:dave@b.test").map(|user| user.state), Some(State::Deleted));
    let chat = seen.mcu_view(McuType::Im).expect("a view").entity_state.as_ref().expect("a state");
    assert_eq!((chat.locked, chat.media[0].kind.as_deref()), (Some(true), Some("chat")));

    let nothing = view::known_client(&ConferenceInfo::partial(CONFERENCE), CONFERENCE, &[]);
    assert!(nothing.users.is_none());
}
