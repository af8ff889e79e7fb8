//! The roster document: fixtures beside what is to be found in them.

use crate::common::{AV, CHAT, CONFERENCE, fixture, names};
use c3p::info::{
    AccessMethod, AuthMethod, ConfUri, ConferenceInfo, ConferenceState, Description, DisconnectionMethod,
    Endpoint, EndpointStatus, EntityView, Filter, McuState, McuStatus, MediaStatus, Role, SessionType, State,
    User, Users, Views,
};
use c3p::{Limits, McuType};

fn read(name: &str) -> ConferenceInfo {
    ConferenceInfo::parse(&fixture(name), &Limits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// RFC 4575 section 5 with extensions: description and state of a full document with foreign elements in it.
#[test]
fn full_document_describes_the_conference() {
    let info = read("info/full");
    assert_eq!((info.entity.as_str(), info.state, info.version), (CONFERENCE, State::Full, Some(31)));
    let description = info.description.as_ref().expect("a description");
    assert_eq!(description.subject.as_deref(), Some("Weekly"));
    assert_eq!(description.join_url.as_deref(), Some("https://meet.contoso.test/olga/MEET0042?a=1&b=2"));
    assert_eq!(description.organizer.as_ref().and_then(|who| who.display_name.as_deref()), Some("Olga"));
    assert_eq!(info.mcu_uri(McuType::Im), Some(CHAT));
    assert_eq!(info.mcu_uri(McuType::Av), None, "not in conf-uris");
    let state = info.conference_state.as_ref().expect("a state");
    assert_eq!(
        (state.user_count, state.locked, state.termination_countdown),
        (Some(2), Some(true), Some(540))
    );
}

/// dependencies.md finding 4: a user of a foreign namespace does not enter the roster, nor does its version.
#[test]
fn foreign_names_are_not_ours() {
    let info = read("info/full");
    assert!(info.users().all(|user| !user.entity.contains("mallory")));
    assert_eq!(info.users().count(), 2);
}

/// conference-info.md 4: users, endpoints and media, attributes with and without their namespace.
#[test]
fn full_document_lists_users() {
    let info = read("info/full");
    let olga = info.user("sip:olga@CONTOSO.test").expect("compared as a URI");
    assert_eq!(olga.display_text.as_deref(), Some("Olga П <boss>"));
    assert_eq!(olga.role(), Some(&Role::Presenter));
    let focus = olga.focus_endpoint("{a}").expect("a focus endpoint");
    assert_eq!(focus.epid.as_deref(), Some("aa11"));
    assert_eq!(
        (focus.access_method, focus.auth_method),
        (Some(AccessMethod::Internal), Some(AuthMethod::Enterprise))
    );
    let media = &olga.endpoints[1].media[0];
    assert_eq!(olga.endpoints[1].mcu_type(), Some(McuType::Av));
    assert_eq!((media.status, media.ingress_filter), (Some(MediaStatus::RecvOnly), Some(Filter::Block)));
    assert!(!olga.is_in_lobby());
    assert!(info.user("sip:guest@other.test").expect("the guest").is_in_lobby());
}

/// conference-info.md 5.1: MCU status and instance, read where they are written and inferred where not.
#[test]
fn views_tell_how_the_mcus_are() {
    let info = read("info/full");
    let chat = info.mcu_view(McuType::Im).expect("a view");
    assert_eq!(
        (chat.mcu_status(), chat.instance(), chat.locked()),
        (McuStatus::Active, Some("im-77"), Some(true))
    );
    assert!(info.mcu_view(McuType::Av).is_none());

    let failing = read("info/failing_over");
    let chat = failing.mcu_view(McuType::Im).expect("a view");
    assert_eq!((chat.mcu_status(), chat.instance()), (McuStatus::FailingOver, Some("im-77")));

    let mut foreign = info.mcu_view(McuType::Im).expect("a view").clone();
    foreign.entity_state.as_mut().expect("a state").mcu = None;
    assert_eq!(foreign.mcu_status(), McuStatus::Active, "it has media");
    assert_eq!(EntityView::new(CHAT).mcu_status(), McuStatus::Idle);
}

/// conference-info.md 2, 6: partial and deleted documents, and the lobby's view.
#[test]
fn partial_and_deleted_documents() {
    let info = read("info/partial");
    assert_eq!((info.state, info.version), (State::Partial, Some(32)));
    assert!(info.description.is_none() && info.views.is_none());
    let users = info.users.as_ref().expect("users");
    assert_eq!((users.state, users.users[0].state), (State::Partial, State::Deleted));
    let endpoint = &users.users[0].endpoints[0];
    assert_eq!(endpoint.status, Some(EndpointStatus::Disconnected));
    assert_eq!(endpoint.disconnection_method, Some(DisconnectionMethod::Booted));
    let info = endpoint.disconnection_info.as_ref().expect("why");
    assert_eq!((info.reason.as_deref(), info.by.as_deref()), (Some("denied"), Some("sip:olga@contoso.test")));

    let lobby = read("info/lobby");
    assert!(lobby.is_full() && lobby.views.is_none());
    assert!(lobby.description.as_ref().is_some_and(|description| description.conf_uris.is_empty()));
    assert!(lobby.users().all(User::is_in_lobby));

    assert_eq!(read("info/deleted").state, State::Deleted);
}

/// style.md 6: write and parse are inverse on the corpus.
#[test]
fn corpus_survives_being_written() {
    for name in names("info") {
        let info = read(&name);
        assert_eq!(ConferenceInfo::parse(&info.write(), &Limits::default()), Ok(info), "{name}");
    }
}

/// RFC 4575 section 5: the order of the written elements, users with their state, groups behind separators.
#[test]
fn written_document_is_in_order() {
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.version = Some(1);
    info.description = Some(Description {
        subject: Some("<&>".into()),
        conf_uris: McuType::ALL.iter().filter_map(|mcu| ConfUri::of_mcu(CONFERENCE, *mcu)).collect(),
        conference_id: Some("MEET0042".into()),
        join_url: Some("https://meet.contoso.test/1".into()),
        ..Description::default()
    });
    info.conference_state = Some(ConferenceState { locked: Some(false), ..ConferenceState::default() });
    let endpoint = Endpoint::new("{A}", SessionType::Focus).with_status(EndpointStatus::Connected);
    info.users = Some(Users::partial(vec![User::new("sip:a@b.test").with_endpoint(endpoint)]));
    let state = McuState::new(McuStatus::Active, Some("av-1".into()));
    info.views = Some(Views::full(vec![
        EntityView::of_focus(CONFERENCE, false),
        EntityView::of_mcu(AV, McuType::Av, state, false),
    ]));
    let body = info.write();
    let mut rest = std::str::from_utf8(&body).expect("text");
    for part in [
        "<conference-description>",
        "<subject>&lt;&amp;&gt;</subject>",
        "<conf-uris state=\"full\">",
        "<uri>sip:olga@contoso.test;gruu;opaque=app:conf:chat:id:MEET0042</uri>",
        "<msci:conference-id>",
        "<cis:separator/><cis:separator/><msci:join-url>",
        "<conference-state><locked>false</locked></conference-state>",
        "<users state=\"partial\">",
        "<user entity=\"sip:a@b.test\" state=\"full\">",
        "<endpoint entity=\"{A}\" msci:session-type=\"focus\"><status>connected</status>",
        "<msci:conference-view ci:state=\"full\">",
        "<msci:media><msci:entry label=\"main-audio\"><msci:type>audio</msci:type>",
        "<rc:mcu-status instance=\"av-1\">active</rc:mcu-status>",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} in order in {rest}"));
        rest = &rest[at + part.len()..];
    }
}

/// conference-info.md 5.1: only an active MCU shows media and lock, so that clients without `rc` are not misled.
#[test]
fn idle_mcus_show_nothing_but_their_status() {
    for status in McuStatus::ALL {
        let view = EntityView::of_mcu(CHAT, McuType::Im, McuState::new(*status, None), true);
        let state = view.entity_state.as_ref().expect("a state");
        assert_eq!(!state.media.is_empty(), status.is_active(), "{status}");
        assert_eq!(state.locked, status.is_active().then_some(true), "{status}");
    }
}

/// conference-info.md 1: words that are not in the set are skipped, not guessed.
#[test]
fn unknown_words_are_skipped() {
    let body = br#"<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="x"><users>
        <user entity="sip:a@b.test"><roles><entry>king</entry></roles>
        <endpoint entity="{A}" session-type="holo"><status>asleep</status></endpoint></user></users></conference-info>"#;
    let info = ConferenceInfo::parse(body, &Limits::default()).expect("well-formed");
    let user = info.users().next().expect("a user");
    assert_eq!(user.role().map(Role::as_str), Some("king"));
    assert_eq!(user.endpoints[0].session_type.as_ref().map(SessionType::as_str), Some("holo"));
    assert_eq!(user.endpoints[0].status, None);
}

/// The types are kept in the pool's store as JSON.
#[test]
fn documents_survive_json() {
    for name in names("info") {
        let info = read(&name);
        let json = serde_json::to_string(&info).expect("JSON");
        assert_eq!(serde_json::from_str::<ConferenceInfo>(&json).expect("the same type"), info, "{name}");
    }
}
