//! C3P: a table of requests and responses as files beside the values they stand for.

use crate::common::{AV, CHAT, CONFERENCE, fixture, names};
use c3p::command::{
    Access, AddUser, Code, Command, CommandResult, ConferenceKey, Document, LobbyResult, Notify, Request,
    Response,
};
use c3p::diagnostics::ids;
use c3p::info::{
    AdmissionPolicy, ConferenceInfo, ConferenceState, Description, Endpoint, EndpointStatus, EntityView,
    Extension, JoiningMethod, Media, PstnAccess, Role, User, Users, Views,
};
use c3p::{AnyElement, ErrorKind, Limits, McuType, Reason};

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
    let entity = || ConferenceKey::Entity(conference());
    let id = || ConferenceKey::Id("MEET0042".into());
    let unknown = |name: &str| Command::Unknown { name: name.to_owned() };
    vec![
        ("add_conference", add_conference()),
        ("join", to_focus(0, Command::AddUser(join))),
        ("dial_in", to_focus(8, dial_in()).with_mcu_uri(AV)),
        ("dial_out", to_focus(9, dial_out()).with_mcu_uri(CHAT)),
        ("allow_list", to_focus(10, Command::AddUser(allow))),
        ("delete_user", to_focus(11, eject())),
        ("delete_user_mcu", to_focus(12, eject()).with_mcu_uri(CHAT)),
        ("lock", to_focus(13, Command::ModifyConferenceLock { conference: conference(), locked: true })),
        ("unlock", to_focus(14, Command::ModifyConferenceLock { conference: conference(), locked: false })),
        ("promote", to_focus(15, promote)),
        ("admit", to_focus(16, lobby_access(&["sip:a@other.test", "sip:b@other.test"], Access::Granted))),
        ("deny", to_focus(17, lobby_access(&["sip:a@other.test"], Access::Denied))),
        ("end", to_focus(18, Command::DeleteConference { key: entity() })),
        ("delete_record", to_focus(19, Command::DeleteConference { key: id() })),
        ("get_document", to_focus(20, Command::GetConference { key: entity() })),
        ("get_record", to_focus(21, Command::GetConference { key: id() })),
        ("capabilities", to_focus(22, unknown("getConferencingCapabilities"))),
        ("mute_all", to_focus(23, unknown("modifyUsersMediaFilters")).with_mcu_uri(AV)),
        ("activate", to_focus(24, activate())),
        ("deactivate", to_focus(25, Command::DeactivateConference { conference: conference() })),
        ("resync", to_focus(26, Command::Resync { conference: conference() })),
        ("sipe_join", to_focus(3, sipe_join())),
        ("sipe_schedule", sipe_schedule()),
    ]
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
            failed(
                22,
                Reason::NotSupported,
                CommandResult::Unknown { name: "getConferencingCapabilities".into() },
            ),
        ),
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
        assert_eq!(Response::parse(&failure.write(), &Limits::default()), Ok(failure), "{name}");
        assert!(!Response::pending(&request).is_final(), "{name}");
    }
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
    let request = to_focus(1, Command::Unknown { name: "a b=\"c\"><d".into() });
    let read = Request::parse(&request.write(), &Limits::default()).expect("well-formed");
    assert_eq!(read.command, Command::Unknown { name: "unknown".into() });
}

/// A name of ours that came in another namespace does not become ours by being written (found by fuzzing).
#[test]
fn foreign_commands_stay_foreign() {
    for (_, request) in requests() {
        let name = request.command.name().to_owned();
        let request = to_focus(1, Command::Unknown { name: name.clone() }).with_mcu_uri(CHAT);
        assert_eq!(Request::parse(&request.write(), &Limits::default()).as_ref(), Ok(&request), "{name}");
        let response = Response::failure(&request, Reason::NotSupported);
        assert_eq!(Response::parse(&response.write(), &Limits::default()), Ok(response), "{name}");
    }
}
