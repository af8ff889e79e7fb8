//! The roster beside the plain merging of documents: the same people, found in another way.
//!
//! Each run generates documents and applies them twice. `C3P_CASES=100000` runs so many instead of 256.

use std::collections::BTreeMap;

use c3p::Limits;
use c3p::change;
use c3p::info::{
    AccessMethod, AuthMethod, ConferenceInfo, ConferenceState, DisconnectionMethod, Endpoint, EndpointStatus,
    EntityView, Filter, JoiningMethod, Media, MediaStatus, Role, SessionType, State, User, Users, Views,
};
use c3p::roster::{Applied, Differences, Kind, Person, PersonDifference, Roster, RosterDocument};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::{CONFERENCE, fixture, names};

fn state() -> impl Strategy<Value = State> {
    prop_oneof![6 => Just(State::Full), 3 => Just(State::Partial), 2 => Just(State::Deleted)]
}

fn text() -> impl Strategy<Value = String> {
    select(vec!["", "a", "Bob & <Co>", "\u{e9}t\u{e9}", " two  words ", "line\nline", &LONG])
        .prop_map(str::to_owned)
}

/// Its length is written in two digits.
static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "0123456789".repeat(7));

/// A text of an element in which blanks at the ends mean nothing.
fn trimmed() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.trim().to_owned())
}

fn media() -> impl Strategy<Value = Media> {
    let words = (
        of(select(MediaStatus::ALL.to_vec())),
        of(select(Filter::ALL.to_vec())),
        of(select(Filter::ALL.to_vec())),
    );
    (select(vec!["1", "2"]), of(text()), of(trimmed()), of(trimmed()), words).prop_map(
        |(id, display_text, label, src_id, (status, ingress_filter, egress_filter))| Media {
            display_text,
            label,
            src_id,
            status,
            ingress_filter,
            egress_filter,
            ..Media::new(id, "audio")
        },
    )
}

fn session_type() -> impl Strategy<Value = SessionType> {
    prop_oneof![select(SessionType::KNOWN.to_vec()), Just(SessionType::Other("holography".into()))]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let who = (select(vec!["{1}", "{2}"]), state(), of(session_type()), of(text()), of(text()));
    let words = (
        of(select(EndpointStatus::ALL.to_vec())),
        of(select(JoiningMethod::ALL.to_vec())),
        of(select(DisconnectionMethod::ALL.to_vec())),
        of(select(AccessMethod::ALL.to_vec())),
        of(select(AuthMethod::ALL.to_vec())),
        of(any::<bool>()),
    );
    // The same key twice in one endpoint means nothing.
    let media = vec(media(), 0..3).prop_map(|mut media| {
        media.sort_by(|one, other| one.id.cmp(&other.id));
        media.dedup_by(|one, other| one.id == other.id);
        media
    });
    (who, words, of(text()), media).prop_map(
        |((entity, state, session_type, endpoint_uri, epid), words, display_text, media)| Endpoint {
            entity: entity.to_owned(),
            state,
            session_type,
            endpoint_uri,
            epid,
            display_text,
            status: words.0,
            joining_method: words.1,
            disconnection_method: words.2,
            access_method: words.3,
            auth_method: words.4,
            lobby_capable: words.5,
            media,
            ..Endpoint::default()
        },
    )
}

fn user() -> impl Strategy<Value = User> {
    let role = prop_oneof![select(Role::KNOWN.to_vec()), Just(Role::Other("producer".into()))];
    let lists = (vec(role, 0..3), vec(select(vec!["de", "fr"]), 0..3), of(trimmed()));
    (0..40_usize, state(), of(text()), lists, vec(endpoint(), 0..4)).prop_map(
        |(number, state, display_text, (roles, languages, cascaded_focus), endpoints)| User {
            entity: format!("sip:user{number:02}@b.test"),
            state,
            display_text,
            roles,
            languages: languages.into_iter().map(str::to_owned).collect(),
            cascaded_focus,
            endpoints,
            ..User::default()
        },
    )
}

fn document() -> impl Strategy<Value = ConferenceInfo> {
    let view = (select(vec!["v1", "v2"]), state())
        .prop_map(|(entity, state)| EntityView { state, ..EntityView::new(entity) });
    let views = of((state(), vec(view, 0..3)).prop_map(|(state, views)| Views { state, views }));
    let users = of((state(), vec(user(), 0..36)).prop_map(|(state, users)| Users { state, users }));
    let count = of(0..5_u32).prop_map(|count| {
        count.map(|count| ConferenceState { user_count: Some(count), ..ConferenceState::default() })
    });
    (prop_oneof![1 => Just(State::Full), 4 => Just(State::Partial)], users, count, views).prop_map(
        |(state, users, conference_state, views)| ConferenceInfo {
            state,
            users,
            conference_state,
            views,
            ..ConferenceInfo::new(CONFERENCE)
        },
    )
}

/// A roster document without what a person does not hold, its people in order, an empty list of them as none.
fn comparable(mut info: ConferenceInfo) -> ConferenceInfo {
    let mut users = info.users.take().map(|users| users.users).unwrap_or_default();
    users.sort_by(|one, other| one.entity.cmp(&other.entity));
    info.users = Some(Users::full(users.iter().map(|user| Person::from(user).to_user()).collect()));
    info
}

fn parsed(info: &ConferenceInfo) -> RosterDocument {
    RosterDocument::parse(&info.write(), &Limits::default()).expect("written here")
}

/// What the differences make of the people of a roster.
fn patched(old: &Roster, differences: &Differences) -> BTreeMap<String, Person> {
    let mut people: BTreeMap<String, Person> =
        old.people().map(|person| (person.entity().to_owned(), person.clone())).collect();
    for difference in &differences.people {
        let entity = difference.person().entity().to_owned();
        let before = match difference.after() {
            Some(after) => people.insert(entity, after.clone()),
            None => people.remove(&entity),
        };
        assert_eq!(before.as_ref(), difference.before(), "it tells what was there");
    }
    people
}

/// Rosters are equal but for the order of what has no order: what is no difference to anybody.
fn assert_same_people(found: &BTreeMap<String, Person>, expected: &Roster) {
    let unordered = |person: &Person| {
        let mut user = person.to_user();
        user.endpoints.sort_by_key(|endpoint| format!("{} {:?}", endpoint.entity, endpoint.session_type));
        for endpoint in &mut user.endpoints {
            endpoint.media.sort_by(|one, other| one.id.cmp(&other.id));
        }
        user
    };
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.values().zip(expected.people()) {
        assert_eq!(unordered(found), unordered(expected));
    }
}

fn cases() -> ProptestConfig {
    let asked = std::env::var("C3P_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(256))
}

proptest! {
    #![proptest_config(cases())]

    /// Documents applied one by one: the same as merging them as they are, and as the full document at the end. What each
    /// differs in, told or written, makes the next roster of the one before.
    #[test]
    fn beside_the_plain_merge(documents in vec(document(), 1..6)) {
        let mut plain = ConferenceInfo { version: Some(0), ..ConferenceInfo::new(CONFERENCE) };
        let Applied::Changed(mut roster, _) = Roster::default().apply(&plain.clone().into(), true) else {
            panic!("a full document");
        };
        for (number, mut document) in (1..).zip(documents) {
            document.version = Some(number);
            change::apply(&mut plain, &document);
            let Applied::Changed(next, differences) = roster.apply(&parsed(&document), false) else {
                panic!("the next document: {document:?}");
            };
            prop_assert_eq!(comparable(next.to_info()), comparable(plain.clone()));
            let again = next.apply(&parsed(&document), false);
            prop_assert_eq!(again == Applied::Old, document.state == State::Partial);
            assert_same_people(&patched(&roster, &differences), &next);
            let partial = RosterDocument::parse(&differences.write(&next), &Limits::default()).expect("written here");
            let Applied::Changed(retold, again) = roster.apply(&partial, false) else { panic!("a partial one") };
            prop_assert_eq!(&again.people, &differences.people);
            assert_same_people(&patched(&roster, &again), &next);
            prop_assert_eq!(retold.about().views.as_ref().map_or(0, |views| views.views.len()), next.about().views.as_ref().map_or(0, |views| views.views.len()));
            roster = next;
        }
        let full = RosterDocument::parse(&roster.write(), &Limits::default()).expect("written here");
        let Applied::Changed(read, _) = Roster::default().apply(&full, true) else { panic!("a full document") };
        prop_assert_eq!(read.to_info(), ConferenceInfo { state: State::Full, ..roster.to_info() });
    }

    /// Both readers of a document find the same people.
    #[test]
    fn both_readers_agree(document in document()) {
        let bytes = document.write();
        let plain = ConferenceInfo::parse(&bytes, &Limits::default()).expect("written here");
        prop_assert_eq!(RosterDocument::parse(&bytes, &Limits::default()), Ok(plain.into()));
    }

    /// Who writes a person walks over all of it, and finds what the accessors find.
    #[test]
    fn people_are_written_as_they_are(users in vec(user(), 0..4)) {
        let mut info = ConferenceInfo { version: Some(1), ..ConferenceInfo::new(CONFERENCE) };
        info.users = Some(Users::full(users));
        let Applied::Changed(roster, _) = Roster::default().apply(&info.into(), true) else { panic!("a full one") };
        prop_assert_eq!(roster.write(), ConferenceInfo { state: State::Full, ..roster.to_info() }.write());
    }

    /// A person holds what was put into it, and equal people are equal whatever the order in which they were told.
    #[test]
    fn people_hold_their_values(user in user()) {
        let person = Person::from(&user);
        let found = person.to_user();
        prop_assert_eq!(&found.entity, &user.entity);
        prop_assert_eq!(&found.display_text, &user.display_text);
        prop_assert_eq!((&found.roles, &found.languages), (&user.roles, &user.languages));
        let full: Vec<Endpoint> =
            user.endpoints.iter().map(|endpoint| Endpoint { state: State::Full, ..endpoint.clone() }).collect();
        prop_assert_eq!(&found.endpoints, &full);
    }
}

/// The corpus too, also where it is written in another order or with unknown elements.
#[test]
fn both_readers_agree_on_the_corpus() {
    let mut people = 0;
    for name in names("info") {
        let bytes = fixture(&name);
        let plain = ConferenceInfo::parse(&bytes, &Limits::default()).expect("a document");
        let document = RosterDocument::parse(&bytes, &Limits::default()).expect("a document");
        people += document.people().count();
        assert_eq!(document, plain.into(), "{name}");
    }
    assert!(people > 0, "the corpus has people");
}

/// The same people also where an element stands twice that should stand once: lists are taken
/// together, and of words the last one that is known counts (found by fuzzing).
#[test]
fn both_readers_agree_on_what_is_repeated() {
    let lists = "<roles><entry>attendee</entry></roles><languages>de</languages>\
        <associated-aors><entry><uri>sip:a@b.test</uri></entry></associated-aors>\
        <roles><entry>presenter</entry></roles><languages>fr</languages>\
        <associated-aors><entry><uri>sip:c@b.test</uri></entry></associated-aors>";
    let document = format!(
        "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='{CONFERENCE}'><users>\
        <user entity='sip:a@b.test'>{lists}<endpoint entity='{{1}}'><status>connected</status><status>odd</status>\
        <media id='1'><status>sendrecv</status><status/></media></endpoint></user></users></conference-info>"
    );
    let plain = ConferenceInfo::parse(document.as_bytes(), &Limits::default()).expect("a document");
    let user = &plain.users.as_ref().expect("users").users[0];
    assert_eq!(user.roles, [Role::Attendee, Role::Presenter]);
    assert_eq!(user.languages, ["de", "fr"]);
    assert_eq!(user.associated_aors.len(), 2);
    assert_eq!(user.endpoints[0].status, Some(EndpointStatus::Connected));
    assert_eq!(user.endpoints[0].media[0].status, Some(MediaStatus::SendRecv));
    assert_eq!(RosterDocument::parse(document.as_bytes(), &Limits::default()), Ok(plain.into()));
}

fn bob() -> User {
    User::new("sip:bob@b.test").with_role(Role::Attendee).with_endpoint(
        Endpoint::new("{1}", SessionType::AudioVideo)
            .with_status(EndpointStatus::Connected)
            .with_media(Media::new("1", "audio")),
    )
}

fn one(users: Vec<User>) -> Roster {
    let mut info = ConferenceInfo { version: Some(1), ..ConferenceInfo::new(CONFERENCE) };
    info.users = Some(Users::full(users));
    match Roster::default().apply(&info.into(), true) {
        Applied::Changed(roster, _) => roster,
        other => panic!("{other:?}"),
    }
}

/// Each level says what happened to it, by the names of what changed.
#[test]
fn differences_go_from_person_to_stream() {
    let before = bob();
    let mut after = bob();
    after.roles = vec![Role::Presenter];
    after.endpoints[0].status = Some(EndpointStatus::OnHold);
    after.endpoints[0].media[0].ingress_filter = Some(Filter::Block);
    after.endpoints.push(Endpoint::new("{1}", SessionType::Chat));
    let carol = User::new("sip:carol@b.test").with_endpoint(Endpoint::new("{2}", SessionType::Focus));
    let alice = User::new("sip:alice@b.test");
    let found = Differences::between(&one(vec![alice, before]), &one(vec![carol, after]));

    let told: Vec<(Kind, &str)> =
        found.people.iter().map(|person| (person.kind(), person.person().entity())).collect();
    let expected = [
        (Kind::Left, "sip:alice@b.test"),
        (Kind::Updated, "sip:bob@b.test"),
        (Kind::Joined, "sip:carol@b.test"),
    ];
    assert_eq!(told, expected);
    let bob = &found.people[1];
    assert_eq!(bob.fields(), ["roles"]);
    let endpoints = bob.endpoints();
    assert_eq!(endpoints.iter().map(|one| one.kind()).collect::<Vec<_>>(), [Kind::Updated, Kind::Joined]);
    assert_eq!(endpoints[0].fields(), ["status"]);
    assert_eq!(endpoints[0].media()[0].fields(), ["media-ingress-filter"]);
    assert_eq!(endpoints[1].after().and_then(|one| one.session_type()), Some(SessionType::Chat));
    let joined: Vec<Kind> = found.people[2].endpoints().iter().map(|one| one.kind()).collect();
    assert_eq!(joined, [Kind::Joined]);
}

/// A fresh full document that says the same is no difference, also if it says it in another order.
#[test]
fn the_same_is_no_difference() {
    let mut two = bob();
    two.endpoints.push(Endpoint::new("{2}", SessionType::Focus));
    let mut turned = two.clone();
    turned.endpoints.reverse();
    let found = Differences::between(&one(vec![two]), &one(vec![turned]));
    assert_eq!(found.people, Vec::<PersonDifference>::new());
    assert!(Differences::between(&one(vec![bob()]), &one(vec![bob()])).is_empty());
}

/// What a document does to a roster by its version; the rules are those of `change::judge`.
#[test]
fn versions() {
    let roster = one(vec![bob()]);
    let of = |state, version| {
        RosterDocument::from(ConferenceInfo { state, version, ..ConferenceInfo::new(CONFERENCE) })
    };
    assert!(matches!(roster.apply(&of(State::Partial, Some(2)), false), Applied::Changed(..)));
    assert_eq!(roster.apply(&of(State::Partial, Some(1)), false), Applied::Old);
    assert_eq!(roster.apply(&of(State::Partial, Some(3)), false), Applied::Gap);
    assert_eq!(roster.apply(&of(State::Full, Some(0)), false), Applied::Old);
    assert!(matches!(roster.apply(&of(State::Full, Some(0)), true), Applied::Changed(..)));
    assert_eq!(roster.apply(&of(State::Deleted, None), false), Applied::Over);
}

/// A partial document costs what it changes: of a large roster, all but a few nodes are shared.
#[test]
fn small_people() {
    let users: Vec<User> = (0..1_000)
        .map(|number| {
            let mut user = bob();
            user.entity = format!("sip:user{number:05}@example.com");
            user.display_text = Some(format!("User {number:05}"));
            let uri = format!("{};opaque=user:epid:Xf2abcdefghijkl;gruu", user.entity);
            user.endpoints[0].entity = format!("{{6B1F0D6C-52F1-4C58-9E43-{number:012}}}");
            user.endpoints[0].endpoint_uri = Some(uri.clone());
            user.endpoints.push(Endpoint {
                endpoint_uri: Some(uri),
                ..Endpoint::new(format!("{{7B1F0D6C-52F1-4C58-9E43-{number:012}}}"), SessionType::Focus)
            });
            user
        })
        .collect();
    let roster = one(users);
    assert_eq!(roster.len(), 1_000);
    assert!(roster.size_of_people() / 1_000 <= 400, "{}", roster.size_of_people() / 1_000);
    assert_eq!(roster.person("sip:user00500@example.com").and_then(Person::display_text), Some("User 00500"));
}
