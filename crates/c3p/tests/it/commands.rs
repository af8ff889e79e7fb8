//! C3P: a table of requests and responses as files beside the values they stand for.

use crate::common::{AV, CHAT, CONFERENCE, fixture, names};
use c3p::command::{
    Access, AddUser, Code, Command, CommandResult, ConferenceKey, ConferenceList, ConferencingCapabilities,
    Document, Endorsement, EndpointKeys, LobbyResult, MediaKeys, Notify, Request, RequestFault, Response,
};
use c3p::diagnostics::ids;
use c3p::info::{
    AccessNumbers, AdmissionPolicy, ConferenceInfo, ConferenceState, Description, Endpoint, EndpointStatus,
    EntityView, Extension, JoiningMethod, Media, MediaFilters, NamedValues, PstnAccess, Region, Role,
    SessionType, State, User, Users, Views,
};
use c3p::{AnyAttribute, AnyElement, ErrorKind, Limits, McuType, Reason, failure};

const C3P: &str = "urn:ietf:params:xml:ns:cccp";
const MSCP: &str = "http://schemas.microsoft.com/rtc/2005/08/cccpextensions";
const MSCI: &str = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions";
const PAVEL: &str = "sip:pavel@contoso.test";
const OLGA: &str = "sip:olga@contoso.test";
const FACTORY: &str = "sip:olga@contoso.test;gruu;opaque=app:conf:focusfactory";

fn conference() -> String {
    CONFERENCE.to_owned()
}

fn to_focus(id: u64, command: Command) -> Request {
    Request::new(id, PAVEL, CONFERENCE, command)
}

fn add_conference() -> Request {
    // Something of a later release, with a name of ours inside.
    let wrong = AnyElement::leaf(MSCI, "conference-id", "WRONG");
    let tomorrow = AnyElement::new(MSCI, "something-of-tomorrow").with_child(wrong);
    let mut info = ConferenceInfo::new("");
    info.description = Some(Description {
        subject: Some("Budget & hiring".into()),
        conference_id: Some("MEET0042".into()),
        expiry_time: Some("2032-02-29T10:00:00Z".into()),
        admission_policy: Some(AdmissionPolicy::ClosedAuthenticated),
        pstn_access: Some(PstnAccess::default()),
        autopromote: Some(3),
        pstn_lobby_bypass: Some(false),
        extensions: vec![Extension::new(tomorrow).in_group(2)],
        ..Description::default()
    });
    info.users = Some(Users::full(vec![User::new(PAVEL).with_role(Role::Presenter)]));
    info.views = Some(Views::full(vec![EntityView::new("chat"), EntityView::new("audio-video")]));
    Request::new(7, OLGA, FACTORY, Command::AddConference(Box::new(info)))
}

fn sipe_schedule() -> Request {
    let mut info = ConferenceInfo::new("");
    info.description = Some(Description {
        subject: Some(String::new()),
        conference_id: Some("0123456789ABCDEF0123456789ABCDEF".into()),
        expiry_time: Some("2032-03-01T07:00:00Z".into()),
        admission_policy: Some(AdmissionPolicy::OpenAuthenticated),
        ..Description::default()
    });
    info.views = Some(Views::full(vec![EntityView::new("chat")]));
    Request::new(4, OLGA, FACTORY, Command::AddConference(Box::new(info)))
}

fn dial_in() -> Command {
    let audio = Media { label: Some("main-audio".into()), ..Media::new("1", "audio") };
    let mut add = AddUser::dial_in(CONFERENCE, PAVEL, "{99999999-2222-4333-8444-555555555555}");
    add.user.endpoints[0].media.push(audio);
    Command::AddUser(add)
}

fn dial_out() -> Command {
    let endpoint = Endpoint {
        joining_method: Some(JoiningMethod::DialedOut),
        endpoint_uri: Some("sip:quinn@contoso.test;opaque=user:epid:q1;gruu".into()),
        refer_to_uri: Some("tel:+15550123".into()),
        ..Endpoint::unbound("{77777777-2222-4333-8444-555555555555}")
    };
    let user = User::new("sip:quinn@contoso.test").with_display_text("Quinn").with_endpoint(endpoint);
    Command::AddUser(AddUser { conference: conference(), user })
}

fn sipe_join() -> Command {
    let endpoint = Endpoint::unbound("{0A0A0A0A-0000-4000-8000-0B0B0B0B0B0B}");
    let user = User::new(PAVEL).with_role(Role::Attendee).with_endpoint(endpoint);
    Command::AddUser(AddUser { conference: conference(), user })
}

fn lobby_access(users: &[&str], access: Access) -> Command {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    Command::SetLobbyAccess { conference: conference(), users, access }
}

fn activate() -> Command {
    let mut info = ConferenceInfo::new(CONFERENCE);
    info.conference_state = Some(ConferenceState { locked: Some(false), ..ConferenceState::default() });
    Command::ActivateConference { conference: conference(), info: Box::new(info) }
}

fn requests() -> Vec<(&'static str, Request)> {
    let quinn = || "sip:quinn@contoso.test".to_owned();
    let join = AddUser::join(CONFERENCE, PAVEL, "{11111111-2222-4333-8444-555555555555}", Role::Attendee)
        .with_display_text("Pavel");
    let allow = AddUser {
        conference: conference(),
        user: User::new("sip:ruth@contoso.test").with_role(Role::Attendee),
    };
    let eject = || Command::DeleteUser { conference: conference(), user: quinn() };
    let promote = Command::ModifyUserRoles { conference: conference(), user: quinn(), role: Role::Presenter };
    let lock = Command::ModifyConferenceLock { conference: conference(), locked: true };
    let policy = AnyElement::leaf(C3P, "admission-policy", "anonymous");
    let entity = || ConferenceKey::Entity(conference());
    let id = || ConferenceKey::Id("MEET0042".into());
    vec![
        ("add_conference", add_conference()),
        ("join", to_focus(0, Command::AddUser(join))),
        ("dial_in", to_focus(8, dial_in()).with_mcu_uri(AV)),
        ("dial_out", to_focus(9, dial_out()).with_mcu_uri(CHAT)),
        ("allow_list", to_focus(10, Command::AddUser(allow))),
        ("delete_user", to_focus(11, eject())),
        ("delete_user_mcu", to_focus(12, eject()).with_mcu_uri(CHAT)),
        ("lock", to_focus(13, lock).with_extension(policy)),
        ("unlock", to_focus(14, Command::ModifyConferenceLock { conference: conference(), locked: false })),
        ("promote", to_focus(15, promote)),
        ("admit", to_focus(16, lobby_access(&["sip:a@other.test", "sip:b@other.test"], Access::Granted))),
        ("deny", to_focus(17, lobby_access(&["sip:a@other.test"], Access::Denied))),
        ("end", to_focus(18, Command::DeleteConference { key: entity() })),
        ("delete_record", to_focus(19, Command::DeleteConference { key: id() })),
        ("get_document", to_focus(20, Command::GetConference { key: entity() })),
        ("get_record", to_focus(21, Command::GetConference { key: id() })),
        ("activate", to_focus(24, activate())),
        ("deactivate", to_focus(25, Command::DeactivateConference { conference: conference() })),
        ("resync", to_focus(26, Command::Resync { conference: conference() })),
        ("sipe_join", to_focus(3, sipe_join())),
        ("sipe_schedule", sipe_schedule()),
    ]
    .into_iter()
    .chain(factory_requests())
    .chain(mcu_requests())
    .collect()
}

fn to_factory(id: u64, command: Command) -> Request {
    Request::new(id, OLGA, FACTORY, command)
}

fn factory_requests() -> Vec<(&'static str, Request)> {
    let mut moved = ConferenceInfo::new(CONFERENCE);
    moved.is_static = Some(true);
    moved.description = Some(Description {
        subject: Some("Moved".into()),
        conference_id: Some("MEET0042".into()),
        record_version: Some(7),
        ..Description::default()
    });
    let certificate = AnyElement::leaf(MSCI, "x509-certificate", "TUlJQg==");
    let encrypted = to_factory(29, Command::GetConference { key: ConferenceKey::Id("MEET0042".into()) })
        .with_extension(AnyElement::new(MSCI, "encryption-key").with_child(certificate));
    vec![
        ("capabilities", to_factory(22, Command::GetConferencingCapabilities)),
        ("mcu_types", to_factory(27, Command::GetAvailableMcuTypes)),
        ("modify_record", to_factory(28, Command::ModifyConference(Box::new(moved)))),
        ("get_record_encrypted", encrypted),
        ("list", to_factory(30, Command::GetConferences)),
        ("encryption_key", to_factory(31, Command::GetEncryptionKey)),
    ]
}

fn mcu_requests() -> Vec<(&'static str, Request)> {
    let conference = conference;
    let keys = || MediaKeys {
        conference: conference(),
        user: "sip:quinn@contoso.test".into(),
        endpoint: "{E2B1}".into(),
        media: "1".into(),
    };
    let own = EndpointKeys { conference: conference(), user: PAVEL.into(), endpoint: "{1111}".into() };
    let kind = AnyElement::leaf("urn:example:recording", "kind", "voluntary");
    let recording = AnyElement::new("urn:example:recording", "recording")
        .with_attribute("since", "2032-01-01T00:00:00Z")
        .with_child(kind);
    let mut recorder = Endpoint::unbound("{1111}");
    recorder.extensions.push(Extension::new(recording));
    let mute_all = Command::ModifyUsersMediaFilters {
        conference: conference(),
        filters: MediaFilters::mute_all(false),
        except: vec![PAVEL.into()],
    };
    let announce = |enabled| Command::ModifyConferenceAnnouncements { conference: conference(), enabled };
    let endorse = Command::EndorseUser { conference: conference(), user: "sip:ruth@contoso.test".into() };
    let lock = Command::ModifyConferenceLock { conference: conference(), locked: true };
    let policy = AnyElement::leaf(MSCI, "admission-policy", "closedAuthenticated");
    vec![
        ("endorse", to_focus(32, endorse)),
        ("mute", to_focus(33, Command::mute(keys(), "audio", true)).with_mcu_uri(AV)),
        ("unmute", to_focus(34, Command::mute(keys(), "audio", false)).with_mcu_uri(AV)),
        ("recording", to_focus(35, Command::ModifyEndpoint { keys: own, endpoint: Box::new(recorder) })),
        ("mute_all", to_focus(23, mute_all).with_mcu_uri(AV)),
        ("announcements", to_focus(36, announce(true)).with_mcu_uri(AV)),
        ("announcements_inside", to_focus(37, announce(false)).with_mcu_uri(AV)),
        ("modify_mcu", to_focus(38, modify_mcu()).with_mcu_uri(AV)),
        ("modify_focus", to_focus(39, modify_focus())),
        ("lock_later_dialect", to_focus(40, lock).with_extension(policy)),
        ("unknown", to_focus(41, start_recording()).with_mcu_uri(AV)),
    ]
}

fn modify_mcu() -> Command {
    let mut view = EntityView::new(AV);
    view.state = State::Partial;
    view.settings = Some(NamedValues::default().with("video-layout", "gallery"));
    let mut info = ConferenceInfo::partial(CONFERENCE);
    info.views = Some(Views::partial(vec![view]));
    Command::ModifyConference(Box::new(info))
}

fn modify_focus() -> Command {
    let mut info = ConferenceInfo::partial(CONFERENCE);
    info.description = Some(Description {
        admission_policy: Some(AdmissionPolicy::Anonymous),
        pstn_lobby_bypass: Some(true),
        ..Description::default()
    });
    Command::ModifyConference(Box::new(info))
}

fn start_recording() -> Command {
    let keys = AnyElement::new(C3P, "conferenceKeys").with_attribute("confEntity", CONFERENCE);
    let mut format = AnyElement::leaf("urn:example:formats", "format", "ogg");
    let namespace = "urn:example:formats".to_owned();
    format.attributes.push(AnyAttribute { namespace, name: "codec".into(), value: "opus".into() });
    let command = AnyElement::new(MSCP, "startRecording").with_attribute("mode", "all");
    Command::Unknown(Box::new(command.with_child(keys).with_child(format)))
}

/// [CONFPRO 2.2.2], [CONFBAS 2.2.3]: every request fixture is the value beside it, and survives being written.
#[test]
fn requests_are_read_and_written() {
    let table = requests();
    assert_eq!(table.len(), names("request").len(), "each fixture has its row");
    for (name, expected) in table {
        let body = fixture(&format!("request/{name}"));
        let read =
            Request::parse(&body, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read, expected, "{name}");
        assert_eq!(Request::parse(&read.write(), &Limits::default()), Ok(expected), "{name}, written");
    }
}

fn responses() -> Vec<(&'static str, Response)> {
    let response = |request_id, code, reason, result| Response {
        request_id,
        from: conference(),
        to: PAVEL.to_owned(),
        code,
        reason,
        result,
        extensions: Vec::new(),
    };
    let ok = |request_id, result| response(request_id, Code::Success, None, result);
    let user = |endpoint| User::new(PAVEL).with_endpoint(endpoint);
    let waiting =
        Endpoint::unbound("{11111111-2222-4333-8444-555555555555}").with_status(EndpointStatus::OnHold);
    let joined = AddUser { conference: conference(), user: user(waiting).with_role(Role::Presenter) };
    let mut called = Endpoint::unbound("{9}").with_joining_method(JoiningMethod::DialedIn);
    called.connection_info.push(("MCU-Conference-URI".into(), AV.into()));
    let dialed_in = AddUser { conference: conference(), user: user(called) };
    let mut document = ConferenceInfo::new(CONFERENCE);
    document.version = Some(5);
    let lobby = vec![
        LobbyResult { user: "sip:a@other.test".into(), failure: None },
        LobbyResult { user: "sip:b@other.test".into(), failure: Some(Reason::MaxMeetingSizeExceeded) },
    ];
    let scheduled = CommandResult::AddConference(Some(Box::new(ConferenceInfo::new(CONFERENCE))));
    let failed = |request_id, reason, result| response(request_id, Code::Failure, Some(reason), result);
    let recording = AnyElement::new(MSCP, "recording").with_attribute("id", "r1");
    let started = AnyElement::new(MSCP, "startRecording").with_child(recording);
    let started = CommandResult::Unknown(Box::new(started));
    let mut detail = AnyElement::leaf("urn:example:errors", "detail", "Nobody of that name.");
    let namespace = "urn:example:errors".to_owned();
    detail.attributes.push(AnyAttribute { namespace, name: "code".into(), value: "7".into() });
    let mut in_words = failed(11, Reason::UserDoesntExist, CommandResult::DeleteUser);
    in_words.extensions.push(detail);
    vec![
        ("joined", ok(0, CommandResult::AddUser(Some(joined)))),
        ("dialed_in", ok(8, CommandResult::AddUser(Some(dialed_in)))),
        ("scheduled", ok(7, scheduled)),
        ("locked", ok(13, CommandResult::ModifyConferenceLock)),
        ("pending", response(13, Code::Pending, None, CommandResult::ModifyConferenceLock)),
        ("refused", failed(11, Reason::UserDoesntExist, CommandResult::DeleteUser)),
        ("strange", failed(15, Reason::Other("starsAreWrong".into()), CommandResult::ModifyUserRoles)),
        ("no_code", failed(15, Reason::OtherFailure, CommandResult::ModifyUserRoles)),
        ("lobby", ok(16, CommandResult::SetLobbyAccess(lobby))),
        ("ended", ok(18, CommandResult::DeleteConference { entity: Some(conference()) })),
        ("document", ok(20, CommandResult::GetConference(Some(Box::new(document))))),
        (
            "not_implemented",
            failed(22, Reason::NotSupported, CommandResult::GetConferencingCapabilities(None)),
        ),
        ("endorsed", ok(32, endorsed(None))),
        ("not_endorsed", ok(32, endorsed(Some(Reason::OtherFailure)))),
        ("muted", ok(33, CommandResult::ModifyEndpointMedia)),
        ("mute_failed", failed(33, Reason::EndpointDoesntExist, CommandResult::ModifyEndpointMedia)),
        ("recording", ok(35, CommandResult::ModifyEndpoint)),
        ("muted_all", ok(23, CommandResult::ModifyUsersMediaFilters)),
        ("announcements", failed(36, Reason::NotSupported, CommandResult::ModifyConferenceAnnouncements)),
        ("modify_mcu", response(38, Code::Pending, None, CommandResult::ModifyConference(None))),
        ("dialing_out", response(9, Code::Pending, None, CommandResult::AddUser(None))),
        ("unknown", ok(41, started)),
        ("failed_in_words", in_words),
    ]
    .into_iter()
    .chain(factory_responses())
    .collect()
}

fn endorsed(failure: Option<Reason>) -> CommandResult {
    CommandResult::EndorseUser(Some(Endorsement { conference: conference(), failure }))
}

fn factory_responses() -> Vec<(&'static str, Response)> {
    let response = |request_id, reason: Option<Reason>, result| Response {
        request_id,
        from: FACTORY.to_owned(),
        to: OLGA.to_owned(),
        code: if reason.is_some() { Code::Failure } else { Code::Success },
        reason,
        result,
        extensions: Vec::new(),
    };
    let capabilities = ConferencingCapabilities {
        version: 0,
        mcu_types: vec![SessionType::Chat, SessionType::AudioVideo, SessionType::PhoneConf],
        anonymous_scheduling: true,
        access_numbers: Some(AccessNumbers {
            regions: vec![Region::new("Office One", ["+15550100", "+15550101"])],
            default_region: Some("Office One".into()),
        }),
    };
    let mut modified = ConferenceInfo::new(CONFERENCE);
    modified.description = Some(Description { record_version: Some(8), ..Description::default() });
    let mut listed = ConferenceInfo::new(CONFERENCE);
    listed.description = Some(Description {
        subject: Some("Weekly".into()),
        conference_id: Some("MEET0042".into()),
        last_update: Some("2031-01-01T00:00:00Z".into()),
        is_active: Some(false),
        expiry_time: Some("2032-02-29T10:00:00Z".into()),
        record_version: Some(7),
        ..Description::default()
    });
    let list = ConferenceList { conferences: vec![listed], truncated: true };
    let mut key = response(31, None, CommandResult::GetEncryptionKey);
    key.extensions = vec![AnyElement::leaf("urn:example:keys", "key", "QUJD").with_attribute("id", "k1")];
    let types = vec![SessionType::Chat, SessionType::Meeting];
    let nothing = CommandResult::GetConferencingCapabilities(None);
    vec![
        ("capabilities", response(22, None, CommandResult::GetConferencingCapabilities(Some(capabilities)))),
        ("capabilities_failed", response(22, Some(Reason::OtherFailure), nothing)),
        ("mcu_types", response(27, None, CommandResult::GetAvailableMcuTypes(types))),
        (
            "record_conflict",
            response(28, Some(Reason::InvalidVersion), CommandResult::ModifyConference(None)),
        ),
        ("modified", response(28, None, CommandResult::ModifyConference(Some(Box::new(modified))))),
        ("list", response(30, None, CommandResult::GetConferences(list))),
        ("list_empty", response(30, None, CommandResult::GetConferences(ConferenceList::default()))),
        ("encryption_key", key),
        ("encryption_key_refused", response(31, Some(Reason::NotSupported), CommandResult::GetEncryptionKey)),
    ]
}

/// [CONFPRO 2.2.3]: every response fixture is the value beside it, and survives being written.
#[test]
fn responses_are_read_and_written() {
    let table = responses();
    assert_eq!(table.len(), names("response").len(), "each fixture has its row");
    for (name, expected) in table {
        let body = fixture(&format!("response/{name}"));
        let read =
            Response::parse(&body, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read, expected, "{name}");
        assert_eq!(Response::parse(&read.write(), &Limits::default()), Ok(expected), "{name}, written");
    }
}

/// c3p.md 2.3: the addresses of a response are those of the request, swapped; the failure names the same command.
#[test]
fn responses_answer_their_request() {
    for (name, request) in requests() {
        let failure = Response::failure(&request, Reason::Forbidden);
        assert_eq!((&failure.from, &failure.to), (&request.to, &request.from), "{name}");
        assert_eq!(failure.request_id, request.request_id, "{name}");
        assert_eq!(failure.result.name(), request.command.name(), "{name}");
        assert_eq!(Response::parse(&failure.write(), &Limits::default()).as_ref(), Ok(&failure), "{name}");
        let pending = Response::pending(&request);
        assert!(!pending.is_final() && failure.is_final(), "{name}");
        assert_eq!(Response::parse(&pending.write(), &Limits::default()), Ok(pending), "{name}");
    }
}

/// c3p.md 2.4: what an MCU tells its Focus.
#[test]
fn notifications_are_read_and_written() {
    let body = fixture("notify/mcu");
    let document = Document::parse(&body, &Limits::default()).expect("a notification");
    let Document::Notify(notify) = &document else { panic!("a notification: {document:?}") };
    assert_eq!((notify.from.as_str(), notify.to.as_str()), (CHAT, CONFERENCE));
    assert_eq!(notify.info.version, Some(3));
    assert_eq!(notify.info.user(PAVEL).map(|user| user.state), Some(State::Partial));
    assert_eq!(Document::parse(&document.write(), &Limits::default()), Ok(document));
}

/// c3p.md 3.5: the certificate of the encrypted form is found.
#[test]
fn certificates_are_found() {
    let request = Request::parse(&fixture("request/get_record_encrypted"), &Limits::default());
    assert_eq!(request.expect("a request").certificate().as_deref(), Some("TUlJQg=="));
}

/// c3p.md 3.6: at most 200, by expiry time, without secrets, users and views.
#[test]
fn lists_are_cut_off() {
    let of = |at: usize| {
        let mut info = ConferenceInfo::new(format!("c{at}"));
        info.description = Some(Description {
            expiry_time: Some(format!("2032-01-01T00:{:02}:{:02}Z", (300 - at) / 60, (300 - at) % 60)),
            conference_key: Some("secret".into()),
            ..Description::default()
        });
        info.users = Some(Users::full(vec![User::new(PAVEL)]));
        info
    };
    let list = ConferenceList::new((0..250).map(of).collect());
    assert_eq!((list.conferences.len(), list.truncated), (ConferenceList::MAX, true));
    assert_eq!(list.conferences[0].entity, "c249");
    assert!(list.conferences.iter().all(|info| info.users.is_none()));
    let keys = list.conferences.iter().filter_map(|info| info.description.as_ref()?.conference_key.as_ref());
    assert_eq!(keys.count(), 0);
    assert!(!ConferenceList::new(vec![of(1)]).truncated);
}

/// c3p.md 2.4: a notify root is told apart from the others.
#[test]
fn notify_is_its_own_document() {
    let notify = Notify::new(CHAT, CONFERENCE, ConferenceInfo::partial(CONFERENCE));
    let body = notify.write();
    assert_eq!(Document::parse(&body, &Limits::default()), Ok(Document::Notify(notify)));
    let error = Response::parse(&body, &Limits::default()).expect_err("not a response");
    assert_eq!(error.kind, ErrorKind::WrongRoot);
}

/// c3p.md 3.9: what a join asks for and offers, also from a client that is silent about the lobby.
#[test]
fn join_tells_whether_the_client_can_wait() {
    let lobby_capable = |name: &str| {
        let request = Request::parse(&fixture(name), &Limits::default()).expect("a join");
        match request.command {
            Command::AddUser(add) => add.lobby_capable(),
            other => panic!("{}", other.name()),
        }
    };
    assert!(lobby_capable("request/join"));
    assert!(!lobby_capable("request/sipe_join"));
}

/// c3p.md 3.11: the keys of connection-info compare without regard to case.
#[test]
fn connection_info_ignores_case() {
    let response = Response::parse(&fixture("response/dialed_in"), &Limits::default()).expect("a response");
    let CommandResult::AddUser(Some(add)) = response.result else { panic!("{:?}", response.result) };
    assert_eq!(add.endpoint().and_then(|endpoint| endpoint.connection_value("Mcu-Conference-Uri")), Some(AV));
}

/// c3p.md 2.2, 4.3: what is wrong with a request, and the diagnostics id with which it is refused.
#[test]
fn broken_requests_say_what_is_wrong() {
    let keys = format!("<conferenceKeys confEntity=\"{CONFERENCE}\"/>");
    let user = |inner: &str| {
        format!(
            "<user xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:a@b.test\">{inner}</user>"
        )
    };
    let add = |inner: &str| format!("<addUser>{keys}{inner}</addUser>");
    let table = [
        (String::new(), ErrorKind::Missing("command"), ids::C3P_NOT_PARSABLE),
        ("<resync/><resync/>".into(), ErrorKind::Repeated("command"), ids::C3P_NOT_PARSABLE),
        ("<deleteUser/>".into(), ErrorKind::Missing("userKeys"), ids::C3P_CONFERENCE_ENTITY),
        (
            "<deleteUser><userKeys userEntity=\"sip:a@b.test\"/></deleteUser>".into(),
            ErrorKind::Missing("@confEntity"),
            ids::C3P_CONFERENCE_ENTITY,
        ),
        (
            "<getConference><conferenceKeys/></getConference>".into(),
            ErrorKind::Missing("@confEntity"),
            ids::C3P_CONFERENCE_ENTITY,
        ),
        ("<modifyEndpoint/>".into(), ErrorKind::Missing("endpointKeys"), ids::C3P_CONFERENCE_ENTITY),
        ("<modifyEndpointMedia/>".into(), ErrorKind::Missing("mediaKeys"), ids::C3P_CONFERENCE_ENTITY),
        (
            "<modifyEndpoint><endpointKeys confEntity=\"c\" userEntity=\"u\"/></modifyEndpoint>".into(),
            ErrorKind::Missing("@endpointEntity"),
            ids::C3P_ENDPOINT_ENTITY,
        ),
        (
            "<deleteUser><userKeys confEntity=\"c\"/></deleteUser>".into(),
            ErrorKind::Missing("@userEntity"),
            ids::C3P_NOT_PARSABLE,
        ),
        (
            format!("<modifyUsersMediaFilters>{keys}</modifyUsersMediaFilters>"),
            ErrorKind::Missing("media-filters-rules"),
            ids::C3P_NOT_PARSABLE,
        ),
        (
            format!("<modifyConferenceAnnouncements>{keys}</modifyConferenceAnnouncements>"),
            ErrorKind::Missing("enabled"),
            ids::C3P_NOT_PARSABLE,
        ),
        (
            format!("<endorseUser>{keys}</endorseUser>"),
            ErrorKind::Missing("userEntity"),
            ids::C3P_NOT_PARSABLE,
        ),
        ("<modifyConference/>".into(), ErrorKind::Missing("conference-info"), ids::C3P_NOT_PARSABLE),
        (add(""), ErrorKind::Missing("user"), ids::C3P_ADD_USER),
        (add(&(user("") + &user(""))), ErrorKind::Repeated("user"), ids::C3P_ADD_USER),
        (add(&user("<endpoint/>")), ErrorKind::Missing("@entity"), ids::C3P_ENDPOINT_ENTITY),
        (
            add(&user("<endpoint entity=\"{1}\"/><endpoint entity=\"{2}\"/>")),
            ErrorKind::Repeated("endpoint"),
            ids::C3P_ADD_USER,
        ),
        (
            format!("<modifyConferenceLock>{keys}<locked>perhaps</locked></modifyConferenceLock>"),
            ErrorKind::BadValue("locked"),
            ids::C3P_NOT_PARSABLE,
        ),
        (
            format!("<modifyConferenceLock>{keys}</modifyConferenceLock>"),
            ErrorKind::Missing("locked"),
            ids::C3P_NOT_PARSABLE,
        ),
        (
            format!("<setLobbyAccess>{keys}<access>granted</access></setLobbyAccess>"),
            ErrorKind::Missing("userEntity"),
            ids::C3P_NOT_PARSABLE,
        ),
        (
            format!(
                "<setLobbyAccess>{keys}<userEntity>sip:a@b.test</userEntity><access>x</access></setLobbyAccess>"
            ),
            ErrorKind::BadValue("access"),
            ids::C3P_NOT_PARSABLE,
        ),
    ];
    for (command, kind, id) in table {
        let body = format!(
            "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" requestId=\"1\" from=\"sip:a@b.test\" \
             to=\"{CONFERENCE}\">{command}</request>"
        );
        let error = Request::parse(body.as_bytes(), &Limits::default()).expect_err(&command);
        assert_eq!((error.kind, error.diagnostics_id()), (kind, id), "{command}");
        assert!(error.offset <= body.len(), "{command}");
    }
}

/// c3p.md 2.2: requestId is a non-negative integer.
#[test]
fn request_ids_are_numbers() {
    for bad in ["", "-1", "+1", "1.5", "0x1", "18446744073709551616"] {
        let body = format!(
            "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" requestId=\"{bad}\" from=\"a\" to=\"b\"><x/></request>"
        );
        let error = Request::parse(body.as_bytes(), &Limits::default()).expect_err(bad);
        assert_eq!(error.kind, ErrorKind::BadValue("@requestId"), "{bad}");
    }
}

/// c3p.md 3.3: the MCUs that are asked for, named by their words.
#[test]
fn scheduling_names_mcu_types() {
    let request = add_conference();
    let Command::AddConference(info) = &request.command else { panic!("{}", request.command.name()) };
    assert_eq!(info.view_mcu_types().collect::<Vec<_>>(), [McuType::Im, McuType::Av]);
}

/// c3p.md 3: elements are written in the order in which they are documented.
#[test]
fn elements_are_written_in_order() {
    let body = to_focus(16, lobby_access(&["sip:a@other.test"], Access::Granted)).write();
    let text = std::str::from_utf8(&body).expect("text");
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
    assert!(at("<conferenceKeys") < at("<userEntity>") && at("<userEntity>") < at("<access>"));
    assert!(text.starts_with(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><request xmlns=\"urn:ietf:params:xml:ns:cccp\""
    ));
}

/// An unknown command is written under its name only if that can be a name.
#[test]
fn names_from_elsewhere_do_not_inject_markup() {
    let request = to_focus(1, Command::unknown(C3P, "a b=\"c\"><d"));
    let read = Request::parse(&request.write(), &Limits::default()).expect("well-formed");
    assert_eq!(read.command, Command::unknown(C3P, "unknown"));
}

/// A name of ours that came in another namespace does not become ours by being written (found by fuzzing).
#[test]
fn foreign_commands_stay_foreign() {
    for (_, request) in requests() {
        let name = request.command.name().to_owned();
        let request = to_focus(1, Command::unknown("urn:example:evil", name.as_str())).with_mcu_uri(CHAT);
        assert_eq!(Request::parse(&request.write(), &Limits::default()).as_ref(), Ok(&request), "{name}");
        let response = Response::failure(&request, Reason::NotSupported);
        assert_eq!(Response::parse(&response.write(), &Limits::default()), Ok(response), "{name}");
    }
}

/// c3p.md 4.3: every fault that a request can have beyond its grammar, with status and diagnostics.
#[test]
fn requests_are_checked() {
    let bob = "sip:bob@contoso.test";
    let add = |user: &str, endpoint: Endpoint| {
        Command::AddUser(AddUser { conference: conference(), user: User::new(user).with_endpoint(endpoint) })
    };
    let lock =
        |conference: &str| Command::ModifyConferenceLock { conference: conference.into(), locked: true };
    let role = |role| Command::ModifyUserRoles { conference: conference(), user: bob.into(), role };
    let dial_in = || Endpoint::unbound("{1}").with_joining_method(JoiningMethod::DialedIn);
    let from_outside =
        Endpoint { access_method: Some(c3p::info::AccessMethod::External), ..Endpoint::unbound("{1}") };
    let other = CHAT.replace("MEET0042", "MEET0043");
    let table = [
        (to_focus(1, lock(CONFERENCE)), Ok(())),
        (to_focus(1, lock(CONFERENCE)).with_mcu_uri(CHAT), Ok(())),
        (to_focus(1, add(bob, dial_in())).with_mcu_uri(AV), Ok(())),
        (to_focus(1, add("tel:+15550123", dial_in())).with_mcu_uri(AV), Ok(())),
        (to_focus(1, add(bob, Endpoint::unbound("{1}"))), Ok(())),
        (to_focus(1, lock(CHAT)), Err(RequestFault::ConferenceEntity)),
        (to_focus(1, lock("")), Err(RequestFault::ConferenceEntity)),
        (to_focus(1, Command::unknown(MSCP, "transfer")), Err(RequestFault::NotImplemented)),
        (to_focus(1, lobby_access(&[bob], Access::Granted)).with_mcu_uri(CHAT), Err(RequestFault::NotToMcu)),
        (to_focus(1, lobby_access(&[bob, "bob"], Access::Granted)), Err(RequestFault::TargetUser)),
        (to_focus(1, lock(CONFERENCE)).with_mcu_uri(CONFERENCE), Err(RequestFault::McuUri)),
        (to_focus(1, lock(CONFERENCE)).with_mcu_uri(other), Err(RequestFault::McuUri)),
        (to_focus(1, add("sip:", dial_in())), Err(RequestFault::TargetUser)),
        (to_focus(1, add("sip:a b@c", dial_in())), Err(RequestFault::TargetUser)),
        (to_focus(1, add(bob, Endpoint::unbound(""))), Err(RequestFault::EndpointEntity)),
        (to_focus(1, add(bob, from_outside)), Err(RequestFault::AccessMethod)),
        (to_focus(1, add(bob, Endpoint::unbound("{1}"))).with_mcu_uri(AV), Err(RequestFault::JoiningMethod)),
        (to_focus(1, role(Role::Presenter)), Ok(())),
        (to_focus(1, role(Role::from_token("king"))), Err(RequestFault::Role)),
    ];
    for (request, expected) in table {
        assert_eq!(request.check(), expected, "{request:?}");
        if let Err(fault) = expected {
            let row = failure::by_id(fault.diagnostics_id()).expect("a row of the table");
            assert_eq!(fault.status(), row.status);
        }
    }
    let request = to_focus(1, lock(CONFERENCE));
    assert_eq!(request.check_addresses("SIP:pavel@CONTOSO.test", CONFERENCE), Ok(()));
    assert_eq!(request.check_addresses(bob, CONFERENCE), Err(RequestFault::From));
    assert_eq!(request.check_addresses(PAVEL, CHAT), Err(RequestFault::To));
}

/// Every request of the corpus that is about a conference can be meant; only unknown commands are refused.
#[test]
fn corpus_is_meant() {
    for (name, request) in requests() {
        let expected = if name == "unknown" { Err(RequestFault::NotImplemented) } else { Ok(()) };
        assert_eq!(request.check(), expected, "{name}");
    }
}

/// A fault names the element in which it is and the byte at which the reader stood.
#[test]
fn errors_name_element_and_place() {
    let table = [
        ("<deleteUser><userKeys confEntity=\"c\"/>", "userKeys", "@userEntity"),
        (
            "<modifyEndpointMedia><mediaKeys confEntity=\"c\" userEntity=\"u\" endpointEntity=\"e\"/>",
            "mediaKeys",
            "@mediaId",
        ),
        (
            "<modifyEndpoint><endpointKeys confEntity=\"c\" userEntity=\"u\"/>",
            "endpointKeys",
            "@endpointEntity",
        ),
        ("<modifyUsersMediaFilters><except/>", "except", "@userEntity"),
        (
            "<addConference><i:conference-info xmlns:i=\"urn:ietf:params:xml:ns:conference-info\"/>",
            "conference-info",
            "@entity",
        ),
    ];
    let head = "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" requestId=\"1\" from=\"a\" to=\"b\">";
    for (inner, element, missing) in table {
        let body = format!("{head}{inner}");
        // What follows the fault does not matter, not even that it is missing.
        let error = Request::parse(body.as_bytes(), &Limits::default()).expect_err(inner);
        assert_eq!((error.kind, error.element), (ErrorKind::Missing(missing), element), "{inner}");
        assert_eq!(error.offset, body.len(), "{inner}: behind the tag");
        assert_eq!(error.to_string(), format!("missing {missing} in <{element}> at byte {}", body.len()));
    }
}

/// c3p.md 2.1: every attribute of the keys is found with and without the namespace of the extensions.
#[test]
fn attributes_are_found_qualified_and_not() {
    let read = |prefix: &str| {
        let body = format!(
            "<request xmlns=\"urn:ietf:params:xml:ns:cccp\" xmlns:p=\"{MSCP}\" requestId=\"1\" from=\"a\" to=\"b\">\
             <deleteUser {prefix}mcuUri=\"{CHAT}\"><userKeys {prefix}confEntity=\"{CONFERENCE}\" {prefix}userEntity=\"u\"/>\
             </deleteUser></request>"
        );
        Request::parse(body.as_bytes(), &Limits::default()).expect("a request")
    };
    let expected = Command::DeleteUser { conference: conference(), user: "u".into() };
    let expected = Request::new(1, "a", "b", expected).with_mcu_uri(CHAT);
    assert_eq!((read(""), read("p:")), (expected.clone(), expected));
}
