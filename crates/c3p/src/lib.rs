//! Documents of the conference control protocol: bytes to types and back.
//!
//! This page teaches C3P to somebody who has never seen it, in the order in which a conference happens. Each section
//! has an example that runs. The types are in [`command`] (requests, responses, notifications), [`info`] (the roster
//! document), [`message`], [`im`] and [`invite`] (what people write and send), [`diagnostics`] and [`failure`] (how
//! something is refused), [`provisioning`] and [`registration`] (what comes before), [`uri`] (addresses). [`change`] and
//! [`view`] are functions on roster documents; [`roster`] keeps one at little cost. [`AnyElement`] is what nobody knows, kept.
//!
//! # Who talks to whom
//!
//! ```text
//!             SERVICE (schedule)        ┌───────────────┐
//!         ┌────────────────────────────►│ Focus Factory │   one per organizer: keeps records
//!         │                             └───────────────┘
//! ┌────────┐  INVITE, INFO (commands)   ┌───────────────┐  activate, addUser, ...   ┌─────────┐
//! │ client │◄──────────────────────────►│     Focus     │◄─────────────────────────►│   MCU   │ one per modality
//! └────────┘  SUBSCRIBE, NOTIFY (roster)└───────────────┘  notify                   └─────────┘
//!         │                        one per conference                                    ▲
//!         └──────────────────────────────────────────────────────────────────────────────┘
//!                            INVITE, MESSAGE (the IM call), later media
//! ```
//!
//! SIP carries everything; C3P is the XML in the bodies. A **request** holds exactly one command, a **response** the
//! same command with what it brought. What a command changes is not in its response: it comes in the **roster
//! document**, before or after the response, to everybody alike. Addresses say what they belong to ([`uri`]):
//!
//! ```
//! use c3p::{McuType, uri};
//!
//! assert_eq!(
//!     uri::factory_uri("sip:alice@example.com"),
//!     "sip:alice@example.com;gruu;opaque=app:conf:focusfactory",
//! );
//! let conference = uri::conference_uri("sip:alice@example.com", "7Q4W2ZK9");
//! assert_eq!(conference, "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9");
//! let chat = uri::mcu_uri(&conference, McuType::Im).expect("a conference");
//! assert_eq!(chat, "sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9");
//! ```
//!
//! # Before: provisioning and scheduling
//!
//! A client learns its Factory from [`provisioning`], asks it what it can do, and has a conference made. The client
//! chooses the id; in this record an MCU is named by its type.
//!
//! ```
//! use c3p::command::{Command, CommandResult, ConferencingCapabilities, Request, Response};
//! use c3p::info::{AdmissionPolicy, ConferenceInfo, Description, EntityView, SessionType, Views};
//! use c3p::provisioning::Provisioning;
//! use c3p::{Limits, McuType, Reason};
//!
//! let limits = Limits::default();
//! let answer = Provisioning::for_user("sip:alice@example.com").write();
//! let provisioning = Provisioning::parse(&answer, &limits)?;
//! let factory = provisioning.focus_factory_uri().expect("a factory");
//!
//! // "What can you do?"
//! let ask = Request::new(1, "sip:alice@example.com", factory, Command::GetConferencingCapabilities);
//! let found = ConferencingCapabilities { mcu_types: vec![SessionType::Chat], ..Default::default() };
//! let answer = Response::success(&ask, CommandResult::GetConferencingCapabilities(Some(found)));
//! assert!(Response::parse(&answer.write(), &limits)?.is_final());
//!
//! // "Make this conference." The entity is empty: the Factory fills it in.
//! let mut record = ConferenceInfo::new("");
//! record.description = Some(Description {
//!     subject: Some("Quarterly numbers".into()),
//!     conference_id: Some("7Q4W2ZK9".into()),
//!     admission_policy: Some(AdmissionPolicy::OpenAuthenticated),
//!     ..Description::default()
//! });
//! record.views = Some(Views::full(vec![EntityView::new(McuType::Im.as_str())]));
//! let ask = Request::new(2, "sip:alice@example.com", factory, Command::AddConference(Box::new(record)));
//! let read = Request::parse(&ask.write(), &limits)?;
//! assert_eq!(read, ask);
//!
//! // Refused: the id is taken. A failure names its reason, in a word that is kept even if nobody knows it.
//! let refused = Response::parse(&Response::failure(&read, Reason::ConferenceExists).write(), &limits)?;
//! assert_eq!(refused.reason, Some(Reason::ConferenceExists));
//! # Ok::<(), c3p::DocumentError>(())
//! ```
//!
//! # Joining
//!
//! The INVITE to the conference's address holds `addUser`: who, through which endpoint (a GUID of the client's), asking
//! for which role. The 200 holds the role that was granted. A join that is refused is a SIP failure with
//! `ms-diagnostics`, because known clients show its text and look at nothing else.
//!
//! ```
//! use c3p::command::{AddUser, Command, CommandResult, Request, Response};
//! use c3p::failure::Refusal;
//! use c3p::info::{EndpointStatus, Role};
//! use c3p::{Limits, Reason};
//!
//! let conference = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
//! let bob = AddUser::join(conference, "sip:bob@example.com", "{6B1F0D6C}", Role::Attendee);
//! let invite = Request::new(0, "sip:bob@example.com", conference, Command::AddUser(bob));
//!
//! // The Focus reads it and checks what can be checked without knowing the conference.
//! let received = Request::parse(&invite.write(), &Limits::default())?;
//! received.check_addresses("sip:bob@example.com", conference).expect("he is who he says");
//! received.check().expect("it can be meant");
//! let Command::AddUser(add) = &received.command else { panic!("a join") };
//! assert!(add.lobby_capable());
//!
//! // In: the 200, with the granted role and a hint where he is.
//! let mut granted = add.clone();
//! granted.user.endpoints[0].status = Some(EndpointStatus::Connected);
//! let ok = Response::success(&received, CommandResult::AddUser(Some(granted)));
//! assert_eq!(Response::parse(&ok.write(), &Limits::default())?, ok);
//!
//! // Not in: the status and the header.
//! let refusal = Refusal::of_reason(&Reason::AnonymousUsersNotAllowed).with_source("fe1.example.com");
//! assert_eq!((refusal.status, refusal.header().0), (403, "ms-diagnostics"));
//! # Ok::<(), c3p::DocumentError>(())
//! ```
//!
//! # The roster
//!
//! A SUBSCRIBE brings the whole document (`full`), then changes (`partial`), numbered by `version`; in the end
//! `deleted`. [`change::judge`] says whether one may be applied, [`change::apply`] merges it, [`change::between`] makes
//! it. One `user` per person, one `endpoint` per device and modality, one `entity-view` for the Focus and for each MCU.
//!
//! ```
//! use c3p::change::{self, Verdict};
//! use c3p::info::{ConferenceInfo, Endpoint, EndpointStatus, Role, SessionType, User, Users};
//! use c3p::view::{self, Audience};
//!
//! let conference = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
//! let person = |address: &str, guid: &str, status| {
//!     let device = Endpoint::new(guid, SessionType::Focus).with_status(status);
//!     User::new(address).with_role(Role::Attendee).with_endpoint(device)
//! };
//! let alice = person("sip:alice@example.com", "{A1}", EndpointStatus::Connected);
//! let mut roster = ConferenceInfo::new(conference);
//! roster.version = Some(12);
//! roster.users = Some(Users::full(vec![alice.clone()]));
//!
//! // Dave comes and has to wait: his focus endpoint is on hold.
//! let dave = person("sip:dave@partner.example.net", "{D1}", EndpointStatus::OnHold);
//! let mut next = roster.clone();
//! next.version = Some(13);
//! next.users = Some(Users::full(vec![alice, dave]));
//! let partial = change::between(&roster, &next).expect("something changed");
//! assert_eq!(change::judge(roster.version, &partial, false), Verdict::Apply);
//! change::apply(&mut roster, &partial);
//! assert!(roster.user("sip:dave@partner.example.net").expect("Dave").is_in_lobby());
//!
//! // Members see him; he sees himself, and no MCU to call.
//! assert_eq!(view::member(&roster, Audience::Attendee).users().count(), 2);
//! let seen = view::lobby(&roster, "sip:dave@partner.example.net", "{D1}");
//! assert_eq!(seen.users().count(), 1);
//!
//! // A document that comes too early: refresh the subscription.
//! let later = ConferenceInfo { version: Some(17), ..ConferenceInfo::partial(conference) };
//! assert_eq!(change::judge(roster.version, &later, false), Verdict::Gap);
//! ```
//!
//! # Commands, pending and done
//!
//! A member sends commands by INFO. The Focus accepts (202), and answers by an INFO of its own: `pending` as often as it
//! likes, then `success` or `failure`, tied to the request by `requestId` within the dialog. A command with an `mcuUri`
//! is carried out by that MCU.
//!
//! ```
//! use c3p::command::{Access, Code, Command, LobbyResult, CommandResult, MediaKeys, Request, Response};
//! use c3p::info::MediaFilters;
//! use c3p::{Limits, McuType, Reason, uri};
//!
//! let conference = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
//! let av = uri::mcu_uri(conference, McuType::Av).expect("a conference");
//! let alice = "sip:alice@example.com";
//!
//! // The lobby: let two in at once. The result is per person.
//! let users = vec!["sip:dave@partner.example.net".to_owned(), "sip:erin@partner.example.net".to_owned()];
//! let admit = Command::SetLobbyAccess { conference: conference.into(), users, access: Access::Granted };
//! let admit = Request::new(7, alice, conference, admit);
//! let pending = Response::parse(&Response::pending(&admit).write(), &Limits::default())?;
//! assert_eq!((pending.request_id, pending.code, pending.is_final()), (7, Code::Pending, false));
//! let results = vec![
//!     LobbyResult { user: "sip:dave@partner.example.net".into(), failure: None },
//!     LobbyResult { user: "sip:erin@partner.example.net".into(), failure: Some(Reason::UserDoesntExist) },
//! ];
//! let done = Response::success(&admit, CommandResult::SetLobbyAccess(results));
//! assert_eq!(Response::parse(&done.write(), &Limits::default())?, done);
//!
//! // Mute one stream, then everybody but oneself: both are the MCU's to do.
//! let keys = MediaKeys {
//!     conference: conference.into(),
//!     user: "sip:bob@example.com".into(),
//!     endpoint: "{E2B1C8F0}".into(),
//!     media: "1".into(),
//! };
//! let mute = Request::new(8, alice, conference, Command::mute(keys, "audio", true)).with_mcu_uri(&av);
//! assert_eq!(mute.check(), Ok(()));
//! let mute_all = Command::ModifyUsersMediaFilters {
//!     conference: conference.into(),
//!     filters: MediaFilters::mute_all(false),
//!     except: vec![alice.into()],
//! };
//! let mute_all = Request::new(9, alice, conference, mute_all).with_mcu_uri(&av);
//! assert_eq!(Request::parse(&mute_all.write(), &Limits::default())?, mute_all);
//! # Ok::<(), c3p::DocumentError>(())
//! ```
//!
//! # The Focus and its MCUs
//!
//! With the first participant the Focus activates the conference at one MCU per modality. The MCU answers with its view
//! and its instance; later it tells every change by `notify`. Another instance under `active` is a failover.
//!
//! ```
//! use c3p::command::{Command, CommandResult, Document, Notify, Request, Response};
//! use c3p::info::{ConferenceInfo, EntityView, McuState, McuStatus, Views};
//! use c3p::{Limits, McuType, uri};
//!
//! let conference = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
//! let chat = uri::mcu_uri(conference, McuType::Im).expect("a conference");
//! let view = |status, instance: &str| {
//!     let state = McuState::new(status, Some(instance.to_owned()));
//!     let mut info = ConferenceInfo::partial(conference);
//!     info.views = Some(Views::partial(vec![EntityView::of_mcu(chat.as_str(), McuType::Im, state, false)]));
//!     Box::new(info)
//! };
//! let info = Box::new(ConferenceInfo::new(conference));
//! let activate = Command::ActivateConference { conference: conference.into(), info };
//! assert!(activate.is_interior(), "no client may send it");
//! let activate = Request::new(1, conference, chat.as_str(), activate);
//! let active = CommandResult::ActivateConference(Some(view(McuStatus::Active, "im-3f2a")));
//! let active = Response::success(&activate, active);
//! assert_eq!(Response::parse(&active.write(), &Limits::default())?, active);
//!
//! let moved = Notify::new(chat.as_str(), conference, *view(McuStatus::Active, "im-77"));
//! let Document::Notify(moved) = Document::parse(&moved.write(), &Limits::default())? else { panic!("a notify") };
//! assert_eq!(moved.info.mcu_view(McuType::Im).and_then(EntityView::instance), Some("im-77"));
//! # Ok::<(), c3p::DocumentError>(())
//! ```
//!
//! # What people write
//!
//! IM is a call to the IM MCU with MESSAGEs in it. The MCU gives each receiver the form that he understands, and tells
//! the sender who was not reached.
//!
//! ```
//! use c3p::im::{ComposingState, Imdn, ImdnRecipient, IsComposing, KeyboardActivity};
//! use c3p::invite::{ConferenceInvite, ImInvite};
//! use c3p::message::{AcceptTypes, MessageBody};
//! use c3p::Limits;
//!
//! let limits = Limits::default();
//! let said = MessageBody::alternative("hello there", "<b>hello</b> there");
//! let (content_type, body) = said.write();
//! let relayed = MessageBody::parse(&content_type, &body, &limits).expect("a message");
//! let accepted = AcceptTypes::parse("text/plain text/html");
//! assert_eq!(relayed.choose(&accepted), Some(&MessageBody::html("<b>hello</b> there")));
//!
//! // Typing, in both forms.
//! let typing = IsComposing::new(ComposingState::Active);
//! assert_eq!(IsComposing::parse(&typing.write(), &limits)?, typing);
//! assert_eq!(KeyboardActivity::parse(&KeyboardActivity::Typing.write(), &limits)?, KeyboardActivity::Typing);
//!
//! // Carol did not get message 17.
//! let carol = ImdnRecipient { uri: "<sip:carol@example.com>".into(), status: Some(408), entries: Vec::new() };
//! let report = Imdn { message_id: "17".into(), recipients: vec![carol] };
//! assert!(Imdn::parse(&report.write(), &limits)?.recipients[0].is_failure());
//!
//! // "Come, too": an INVITE to a person, outside of the conference.
//! let invite = ConferenceInvite::new("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9")
//!     .with_subject("Quarterly numbers")
//!     .with_im(ImInvite::default());
//! assert_eq!(ConferenceInvite::parse(&invite.write(), &limits)?, invite);
//! # Ok::<(), c3p::DocumentError>(())
//! ```
//!
//! # The end
//!
//! A presenter ends the conference for all by `deleteConference`; the roster's last document is `deleted`. A server that
//! goes down tells by a [`registration`] event; why a dialog ended is in `ms-diagnostics`.
//!
//! ```
//! use c3p::command::{Command, ConferenceKey, Request};
//! use c3p::diagnostics::{Area, Diagnostics, ids};
//! use c3p::registration::RegistrationEvent;
//!
//! let conference = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
//! let end = Command::DeleteConference { key: ConferenceKey::Entity(conference.into()) };
//! assert_eq!(Request::new(20, "sip:alice@example.com", conference, end).check(), Ok(()));
//!
//! let why: Diagnostics = r#"61001;reason="Conference moved";source="fe2.example.com""#.parse()?;
//! assert_eq!((why.id, why.area()), (ids::FOCUS_MOVED, Area::ApplicationExpected));
//! let event: RegistrationEvent = "deregistered;event=deactivated".parse()?;
//! assert!(!event.is_registered);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What nobody knows
//!
//! Names are matched by namespace and local name, never by prefix; attributes of ours with and without their namespace.
//! What is not known is kept as [`AnyElement`] where it stood, and written again. An unknown command is kept whole, so
//! that it can be refused by name.
//!
//! ```
//! use c3p::command::{Command, Request, RequestFault};
//! use c3p::failure::Refusal;
//! use c3p::Limits;
//!
//! let body = br#"<c:request xmlns:c="urn:ietf:params:xml:ns:cccp" requestId="5" from="sip:bob@example.com" to="sip:x">
//!     <z:levitate xmlns:z="urn:example:magic" height="2"><z:slowly/></z:levitate></c:request>"#;
//! let request = Request::parse(body, &Limits::default())?;
//! let Command::Unknown(element) = &request.command else { panic!("nobody knows it") };
//! assert!(element.is("urn:example:magic", "levitate") && element.child("slowly").is_some());
//! let refusal = Refusal::from(request.check().expect_err("not implemented"));
//! assert_eq!((refusal.status, refusal.header().0), (501, "ms-diagnostics-public"));
//! # Ok::<(), c3p::DocumentError>(())
//! ```
//!
//! # Invariants
//!
//! - Reading is total: whatever the bytes, the answer is a value or a typed error with the element and the byte where it
//!   went wrong, never a panic; work and memory are bounded by [`Limits`].
//! - What `write` makes, `parse` reads back as an equal value, as long as the texts hold only characters that XML 1.0 can
//!   carry (others are written as U+FFFD), and as long as the limits leave room for it.
//! - Prefixes, the order of attributes, comments and blanks between elements say nothing.
//! - The models serialize to JSON under names that do not change.
//!
//! Not here: SIP, sockets, clocks, who may do what (crate `focus`), what a difference means to people (crate
//! `conference`).

#[macro_use]
mod token;

mod any;
pub mod change;
pub mod command;
pub mod diagnostics;
mod error;
pub mod failure;
pub mod im;
pub mod info;
pub mod invite;
mod limits;
mod mcu_type;
pub mod message;
pub mod mime;
pub mod provisioning;
mod reason;
pub mod registration;
pub mod roster;
pub mod uri;
pub mod view;
mod xml;

pub use any::{AnyAttribute, AnyContent, AnyElement, is_name};
pub use error::{DocumentError, ErrorKind};
pub use limits::Limits;
pub use mcu_type::McuType;
pub use reason::Reason;

/// The examples of the README run, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
