//! A Focus, an MCU and clients on virtual time, one flow after the other.

use std::time::Duration;

use bytes::Bytes;
use c3p::command::{AddUser, Command, Document};
use c3p::info::{ConferenceInfo, Role, State};
use c3p::{Limits, McuType, mime};
use sip_core::{Dialog, Method, Request, RequestDraft, Response, ResponseDraft, SeededIds};

use super::{McuConfig, McuCore};
use crate::interior::{self, Answer, Envelope};
use crate::record::{self, NodeKind, NodeRecord, Record};
use crate::report::{NodeChange, NodeReport};
use crate::store::{PoolStore, Txn};
use crate::testnet::{Net, Peer, ready, request, tcp};

const FE: u16 = 21;
const FE2: u16 = 22;
const MCU: u16 = 30;
const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
const CHAT: &str = "sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9";
const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
const CAROL: &str = "sip:carol@example.com";
const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 5060 sip null\r\na=accept-types:text/plain text/html application/im-iscomposing+xml\r\n";

/// One client in the conference.
struct Client {
    port: u16,
    dialog: Dialog,
}

struct Scene {
    net: Net,
    calls: u32,
    commands: u64,
}

fn mcu(mcu: McuType, net: &Net) -> McuCore {
    let config = McuConfig::new("im1", mcu, vec![tcp(MCU)]);
    McuCore::new(config, Box::new(SeededIds::new(30)), net.now)
}

impl Scene {
    /// A Focus at epoch 1 and an MCU that took up its conference, without anybody in it.
    fn new() -> Self {
        let mut scene = Self::idle(McuType::Im);
        assert!(matches!(scene.activate(FE, 1, "im-1"), Answer::Done(_)));
        scene
    }

    /// Before the activation.
    fn idle(kind: McuType) -> Self {
        let mut net = Net::new();
        net.add(FE, Peer::auto(21, 200));
        net.add(FE2, Peer::auto(22, 200));
        let core = mcu(kind, &net);
        net.add(MCU, core);
        Self { net, calls: 0, commands: 0 }
    }

    fn with<const N: usize>(users: [(u16, &str); N]) -> (Self, [Client; N]) {
        let mut scene = Self::new();
        let clients = users.map(|(port, user)| scene.join(port, user));
        (scene, clients)
    }

    fn core(&mut self) -> &mut McuCore {
        self.net.node(MCU)
    }

    fn activate(&mut self, fe: u16, epoch: u64, instance: &str) -> Answer {
        let info = Box::new(ConferenceInfo::new(CONFERENCE));
        self.command(fe, epoch, instance, Command::ActivateConference { conference: CONFERENCE.into(), info })
    }

    fn command(&mut self, fe: u16, epoch: u64, instance: &str, command: Command) -> Answer {
        self.commands += 1;
        let command = c3p::command::Request::new(self.commands, CONFERENCE, CHAT, command);
        let envelope = Envelope { epoch, instance: instance.to_owned(), sender: tcp(fe) };
        let mut number = self.commands;
        let token = || {
            number += 1000;
            format!("t{number}")
        };
        let draft = interior::request(&envelope, &Document::Request(command), CONFERENCE, CHAT, token);
        self.net.send(fe, MCU, draft.expect("addresses"));
        let response = self.net.peer(fe).response();
        interior::parse_answer(&response, &Limits::default())
    }

    fn add_user(&mut self, user: &str) -> Answer {
        let add = AddUser::join(CONFERENCE, user, "{G}", Role::Attendee);
        self.command(FE, 1, "im-1", Command::AddUser(add))
    }

    fn invite(&mut self, user: &str) -> RequestDraft {
        self.calls += 1;
        let draft = request(Method::Invite, CHAT, user, &format!("im-{}", self.calls));
        draft.header("Session-Expires", "1800").body(mime::SDP, SDP)
    }

    /// The front end forwards an INVITE; gives the answer.
    fn call(&mut self, draft: RequestDraft) -> Response {
        self.net.send(FE, MCU, draft);
        self.net.peer(FE).response()
    }

    fn join(&mut self, port: u16, user: &str) -> Client {
        let draft = self.invite(user);
        self.join_as(port, user, draft)
    }

    fn join_as(&mut self, port: u16, user: &str, draft: RequestDraft) -> Client {
        assert!(matches!(self.add_user(user), Answer::Done(_)));
        let response = self.call(draft.clone());
        assert_eq!(response.status(), 200, "{response:?}");
        let dialog = Dialog::uac(&draft, &response).expect("a dialog");
        self.net.add(port, Peer::new(u64::from(port)));
        self.net.send_oneway(port, MCU, dialog.ack(1));
        Client { port, dialog }
    }

    /// Sends a request of a client to the MCU; gives the answer.
    fn ask(
        &mut self,
        client: &mut Client,
        method: Method,
        fill: impl FnOnce(RequestDraft) -> RequestDraft,
    ) -> Response {
        let draft = fill(client.dialog.request(method));
        self.net.send(client.port, MCU, draft);
        self.net.peer(client.port).response()
    }

    fn say(&mut self, client: &mut Client, text: &str) -> Response {
        let text = text.to_owned();
        self.ask(client, Method::Message, |draft| draft.body("text/plain; charset=UTF-8", text))
    }

    /// Answers what waits at a client, one after the other; gives the requests.
    fn answer_all(&mut self, port: u16, status: u16) -> Vec<Request> {
        let mut all = Vec::new();
        while let Some((tx, _, request)) = self.net.peer(port).requests.pop_front() {
            self.net.respond(port, tx, ResponseDraft::to(&request, status));
            all.push(request);
        }
        all
    }

    /// The documents that an owner was told since the last time.
    fn told(&mut self, fe: u16) -> Vec<ConferenceInfo> {
        let requests: Vec<_> = self.net.peer(fe).requests.drain(..).collect();
        let notify = |request: &Request| match interior::parse(request, &Limits::default()).expect("interior")
        {
            (_, Document::Notify(notify)) => *notify.info,
            (_, other) => panic!("{other:?}"),
        };
        requests
            .iter()
            .filter(|(_, _, request)| interior::is_interior(request))
            .map(|(_, _, r)| notify(r))
            .collect()
    }

    /// A front end's record, so that the MCU finds it.
    fn publish(&mut self, name: &str, fe: u16) {
        let record = NodeRecord {
            v: record::VERSION,
            name: name.to_owned(),
            kind: NodeKind::FrontEnd,
            mcu: None,
            listen: vec![tcp(fe).to_string()],
            pid: 1,
            incarnation: "i".to_owned(),
            beat: 1,
            draining: false,
        };
        let txn = Txn::new().put(record::key::node(name), record.encode());
        ready(self.net.store.commit(txn)).expect("a commit");
        self.net.advance(Duration::from_secs(2));
    }
}

fn text(request: &Request) -> (String, Option<String>, Option<String>) {
    let header = |name| request.headers().get(name).map(str::to_owned);
    (String::from_utf8_lossy(request.body()).into_owned(), header("Ms-Sender"), header("Message-Id"))
}

fn diagnostics(request: &Request) -> Option<&str> {
    request.headers().get("ms-diagnostics").and_then(|value| value.split(';').next())
}

/// Flow 7: who was announced gets in; the ACK makes the endpoint appear, with what the roster needs.
#[test]
fn join_tells_the_owner() {
    let mut scene = Scene::new();
    assert!(matches!(scene.add_user(BOB), Answer::Done(_)));
    let draft = scene.invite(BOB);
    let response = scene.call(draft.clone());
    assert_eq!(response.status(), 200);
    let contact = response.contact().expect("a Contact");
    assert_eq!(contact.to_string(), "<sip:7Q4W2ZK9@127.0.0.1:30;transport=tcp>;isfocus");
    assert_eq!(response.headers().get("Session-Expires"), Some("1800;refresher=uac"));
    assert!(String::from_utf8_lossy(response.body()).contains("m=message 30 sip sip:alice"));
    assert!(scene.told(FE).is_empty(), "not before the ACK");

    let dialog = Dialog::uac(&draft, &response).expect("a dialog");
    scene.net.add(1, Peer::new(1));
    scene.net.send_oneway(1, MCU, dialog.ack(1));
    let told = scene.told(FE);
    let user = told[0].user(BOB).expect("Bob");
    assert_eq!((told.len(), told[0].state, user.endpoints.len()), (1, State::Partial, 1));
    let device = &user.endpoints[0];
    assert_eq!(device.endpoint_uri.as_deref(), Some("sip:bob@example.com;gruu;opaque=user:epid:1"));
    assert_eq!((device.mcu_type(), device.media[0].kind.as_deref()), (Some(McuType::Im), Some("chat")));
    assert_eq!(told[0].mcu_view(McuType::Im).expect("a view").instance(), Some("im-1"));
}

/// What a call may be refused for: 403 unannounced, 404 no conference, 415, 488, 422.
#[test]
fn refused_calls() {
    let mut scene = Scene::new();
    let draft = scene.invite(BOB);
    let response = scene.call(draft);
    assert_eq!(response.status(), 403);
    assert!(response.headers().get("ms-diagnostics").expect("diagnostics").starts_with("3014;"));
    scene.add_user(BOB);
    let elsewhere = "sip:alice@example.com;gruu;opaque=app:conf:chat:id:OTHER123";
    let draft = request(Method::Invite, elsewhere, BOB, "x").body(mime::SDP, SDP);
    assert_eq!(scene.call(draft).status(), 404);
    for (status, kind, body) in [(415, "text/plain", SDP), (488, mime::SDP, "v=0\r\nm=audio 1 RTP/AVP 0\r\n")]
    {
        let draft = scene.invite(BOB).body(kind, body);
        assert_eq!(scene.call(draft).status(), status);
    }
    let mut draft = scene.invite(BOB);
    draft.set_header("Session-Expires", "60");
    let response = scene.call(draft);
    assert_eq!((response.status(), response.headers().get("Min-SE")), (422, Some("90")));
    let draft = scene.invite(BOB);
    assert_eq!(scene.call(draft).status(), 200);
    let draft = scene.invite(BOB);
    assert_eq!(scene.call(draft).status(), 403, "announced once, in once");
}

/// Section 2 of im-and-invite: one total order, numbered, with the author; the author's other device gets it, too.
#[test]
fn messages_go_to_all_others() {
    let (mut scene, [mut alice, mut bob, _]) = Scene::with([(1, ALICE), (2, BOB), (3, CAROL)]);
    let mut draft = scene.invite(BOB);
    draft.set_header("Contact", "<sip:bob@example.com;gruu;opaque=user:epid:2>");
    scene.join_as(4, BOB, draft);
    assert_eq!(scene.say(&mut bob, "one").headers().get("Message-Id"), Some("1"));
    assert_eq!(scene.say(&mut alice, "two").headers().get("Message-Id"), Some("2"));
    assert_eq!(scene.say(&mut bob, "three").headers().get("Message-Id"), Some("3"));
    let line = |text: &str, sender: &str, id: &str| {
        (text.to_owned(), Some(format!("<{sender}>")), Some(id.to_owned()))
    };
    let (one, two, three) = (line("one", BOB, "1"), line("two", ALICE, "2"), line("three", BOB, "3"));
    let mut received = |port| scene.answer_all(port, 200).iter().map(text).collect::<Vec<_>>();
    assert_eq!(received(3), [one.clone(), two.clone(), three.clone()]);
    assert_eq!(received(1), [one.clone(), three.clone()]);
    assert_eq!(received(2), std::slice::from_ref(&two));
    assert_eq!(received(4), [one, two, three]);
    assert!(scene.net.peer(2).oneways.is_empty(), "success is never reported");
}

/// Section 2.1: one report to the sender with all who did not get it; one message in flight per receiver.
#[test]
fn failed_receivers_are_reported() {
    let (mut scene, [mut alice, _, _]) = Scene::with([(1, ALICE), (2, BOB), (3, CAROL)]);
    scene.say(&mut alice, "one");
    scene.say(&mut alice, "two");
    assert_eq!(scene.net.peer(2).requests.len(), 1, "the second waits for the answer to the first");
    let (tx, _, first) = scene.net.peer(2).requests.pop_front().expect("a message");
    scene.net.respond(2, tx, ResponseDraft::to(&first, 486));
    scene.answer_all(3, 200);
    scene.answer_all(2, 200);
    let (_, report) = scene.net.peer(1).oneways.pop_front().expect("a report");
    assert_eq!(report.method(), &Method::Benotify);
    let report = c3p::im::Imdn::parse(report.body(), &Limits::default()).expect("a report");
    let failed: Vec<_> = report.recipients.iter().map(|one| (one.uri.as_str(), one.status)).collect();
    assert_eq!((report.message_id.as_str(), failed), ("1", vec![("<sip:bob@example.com>", Some(486))]));
    assert!(scene.net.peer(1).oneways.is_empty());
}

/// What a message may be refused for, and methods that are not known.
#[test]
fn refused_messages() {
    let (mut scene, [mut alice, _]) = Scene::with([(1, ALICE), (2, BOB)]);
    let big = Bytes::from(vec![b'x'; 64 * 1024 + 1]);
    assert_eq!(scene.ask(&mut alice, Method::Message, |draft| draft.body("text/plain", big)).status(), 413);
    let odd = scene.ask(&mut alice, Method::Message, |draft| draft.body("message/cpim", "x"));
    assert_eq!(odd.status(), 415);
    let refer = scene.ask(&mut alice, Method::Refer, |draft| draft);
    assert_eq!(refer.status(), 405);
    assert!(refer.headers().get("Allow").expect("Allow").contains("MESSAGE"));
    assert_eq!(scene.ask(&mut alice, Method::Invite, |draft| draft.body(mime::SDP, SDP)).status(), 488);
    let back = scene.ask(&mut alice, Method::Message, |draft| draft.cseq(2).body("text/plain", "x"));
    assert_eq!(back.status(), 500, "CSeq going back");
    let stray = request(Method::Message, CHAT, BOB, "nowhere").body("text/plain", "x");
    scene.net.send(2, MCU, stray);
    let stray = scene.net.peer(2).response();
    assert_eq!(stray.status(), 481);
    assert!(scene.net.peer(2).requests.is_empty(), "nothing was distributed");
}

/// In a pool with users, a captured message that is sent again is not heard again.
#[test]
fn repeated_messages_are_refused() {
    let (mut scene, [mut alice, _bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    scene.core().config.key = Some(sip_core::auth::SharedKey::new(&mut SeededIds::new(1)));
    assert_eq!(scene.say(&mut alice, "hello").status(), 200);
    let number = alice.dialog.local_cseq();
    let heard = scene.answer_all(2, 200).len();
    let again = |draft: RequestDraft| draft.cseq(number).body("text/plain; charset=UTF-8", "hello");
    assert_eq!(scene.ask(&mut alice, Method::Message, again).status(), 500);
    assert_eq!((heard, scene.answer_all(2, 200).len()), (1, 0));
    assert_eq!(scene.say(&mut alice, "next").status(), 200);
}

/// Section 3: typing in both forms is answered 200 and relayed as INFO, at most once per sender and 3 s.
#[test]
fn typing_is_relayed() {
    let (mut scene, [mut alice, _]) = Scene::with([(1, ALICE), (2, BOB)]);
    let typing = || c3p::im::KeyboardActivity::Typing.write();
    let info = |draft: RequestDraft| draft.body(mime::KEYBOARD_ACTIVITY, typing());
    assert_eq!(scene.ask(&mut alice, Method::Info, info).status(), 200);
    assert_eq!(scene.ask(&mut alice, Method::Info, info).status(), 200);
    let relayed = scene.answer_all(2, 200);
    assert_eq!((relayed.len(), relayed[0].method()), (1, &Method::Info));
    assert_eq!(relayed[0].headers().get("Ms-Sender"), Some("<sip:alice@example.com>"));
    scene.net.advance(Duration::from_secs(3));
    let composing = c3p::im::IsComposing::new(c3p::im::ComposingState::Active).write();
    let answer = scene.ask(&mut alice, Method::Message, |draft| draft.body(mime::IS_COMPOSING, composing));
    assert_eq!((answer.status(), answer.headers().get("Message-Id")), (200, None));
    assert_eq!(scene.answer_all(2, 200)[0].body(), &typing());
    let odd = scene.ask(&mut alice, Method::Info, |draft| draft.body("x/y", "?"));
    assert_eq!(odd.status(), 200, "a client drops its call over some failures");
}

/// BYE both ways: the client's own, and that of a deleteUser, with the reason.
#[test]
fn calls_end_both_ways() {
    let (mut scene, [mut alice, bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    scene.told(FE);
    assert_eq!(scene.ask(&mut alice, Method::Bye, |draft| draft).status(), 200);
    let told = scene.told(FE);
    assert_eq!(told[0].user(ALICE).expect("Alice").state, State::Deleted);
    let delete = Command::DeleteUser { conference: CONFERENCE.into(), user: "sip:bob@EXAMPLE.com".into() };
    assert!(matches!(scene.command(FE, 1, "im-1", delete), Answer::Done(_)));
    let bye = scene.answer_all(bob.port, 200);
    assert_eq!((bye[0].method(), diagnostics(&bye[0])), (&Method::Bye, Some("61006")));
    assert_eq!(scene.told(FE)[0].user(BOB).expect("Bob").state, State::Deleted);
    assert_eq!(scene.core().load(), (1, 0));
    assert_eq!(scene.ask(&mut alice, Method::Info, |draft| draft).status(), 481);
}

/// P6: the highest epoch is obeyed, also by what it leaves behind; news goes to the owner heard last.
#[test]
fn stale_epochs_are_refused() {
    let (mut scene, [mut alice, _]) = Scene::with([(1, ALICE), (2, BOB)]);
    let resync = || Command::Resync { conference: CONFERENCE.into() };
    let Answer::Done(response) = scene.command(FE2, 5, "im-1", resync()) else { panic!("refused") };
    let c3p::command::CommandResult::Resync(Some(document)) = response.result else { panic!("no document") };
    assert_eq!((document.is_full(), document.users().count()), (true, 2));
    let stale = scene.command(FE, 4, "im-1", resync());
    assert_eq!(stale, Answer::Refused { status: 403, current_epoch: Some(5) });
    scene.told(FE);
    scene.ask(&mut alice, Method::Bye, |draft| draft);
    assert_eq!((scene.told(FE).len(), scene.told(FE2).len()), (0, 1));
    let gone = Command::DeactivateConference { conference: CONFERENCE.into() };
    assert!(matches!(scene.command(FE2, 5, "im-1", gone), Answer::Done(_)));
    assert_eq!(scene.activate(FE, 4, "im-9"), Answer::Refused { status: 403, current_epoch: Some(5) });
    assert_eq!(scene.command(FE2, 6, "im-1", resync()), Answer::Refused { status: 481, current_epoch: None });
}

/// Activation is idempotent per instance; another instance is another life: the calls of the old one end.
#[test]
fn instances_are_lives() {
    let (mut scene, [alice]) = Scene::with([(1, ALICE)]);
    assert!(matches!(scene.activate(FE, 1, "im-1"), Answer::Done(_)));
    assert_eq!(scene.core().load(), (1, 1));
    let wrong = scene.command(FE, 1, "im-0", Command::Resync { conference: CONFERENCE.into() });
    assert_eq!(wrong, Answer::Refused { status: 481, current_epoch: None });
    assert!(matches!(scene.activate(FE, 1, "im-2"), Answer::Done(_)));
    assert_eq!(scene.core().load(), (1, 0));
    assert_eq!(diagnostics(&scene.answer_all(alice.port, 200)[0]), Some("61002"));
}

/// Level 1 of recovery: calls outlive the Focus and IM goes on; nobody comes for 120 s, then they end.
#[test]
fn orphans_are_held() {
    let (mut scene, [mut alice, bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    scene.net.kill(FE);
    scene.net.advance(Duration::from_secs(100));
    assert_eq!(scene.say(&mut alice, "still here").status(), 200);
    assert_eq!(text(&scene.answer_all(bob.port, 200)[0]).0, "still here");
    // A new owner within the time: the clock stops.
    let resync = Command::Resync { conference: CONFERENCE.into() };
    assert!(matches!(scene.command(FE2, 2, "im-1", resync), Answer::Done(_)));
    scene.net.advance(Duration::from_secs(200));
    assert_eq!(scene.core().load(), (1, 2));
    scene.net.kill(FE2);
    scene.net.advance(Duration::from_secs(134));
    assert_eq!(scene.core().load(), (1, 2), "15 s of silence, then 120 s");
    scene.net.advance(Duration::from_secs(2));
    assert_eq!(scene.core().load(), (0, 0));
    let byes = scene.answer_all(bob.port, 200);
    assert_eq!((byes[0].method(), diagnostics(&byes[0])), (&Method::Bye, Some("61003")));
}

/// An owner that answers 481 is none: the clock of the orphans runs.
#[test]
fn refused_news_is_an_orphan() {
    let (mut scene, [mut alice]) = Scene::with([(1, ALICE)]);
    scene.net.peer(FE).auto = Some(481);
    scene.ask(&mut alice, Method::Options, |draft| draft);
    scene.net.advance(Duration::from_secs(15 + 121));
    assert_eq!(scene.core().load(), (0, 0));
}

/// Session refresh and recovery UPDATE: 200 with the interval; with Record-Route the route set is replaced.
#[test]
fn update_refreshes_and_repairs() {
    let (mut scene, [mut alice, mut bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    let refresh = |draft: RequestDraft| draft.header("Session-Expires", "3600");
    let response = scene.ask(&mut alice, Method::Update, refresh);
    assert_eq!(response.headers().get("Session-Expires"), Some("1800;refresher=uac"));
    assert!(response.headers().get("Require") == Some("timer") && response.contact().is_some());
    let brief = scene.ask(&mut alice, Method::Update, |draft| draft.header("Session-Expires", "30"));
    assert_eq!(brief.status(), 422);

    // The repair comes through a hop, which is a peer here.
    let hop = 10;
    scene.net.add(hop, Peer::new(10));
    let update = alice
        .dialog
        .request_off_route(Method::Update)
        .header("Record-Route", "<sip:t@127.0.0.1:10;transport=tcp;lr>");
    scene.net.send(hop, MCU, update);
    let response = scene.net.peer(hop).response();
    assert_eq!(response.record_route().len(), 1);
    scene.say(&mut bob, "hello");
    let (_, _, message) = scene.net.peer(hop).request();
    assert_eq!(message.route().len(), 1, "over the flow of the UPDATE, with the new route");
    assert!(scene.net.peer(1).requests.is_empty());
}

/// A member whose flow is gone: the route set's first hop by address, else its GRUU through a front end.
#[test]
fn lost_flow_takes_another_way() {
    let (mut scene, [mut alice, bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    scene.publish("fe1", FE);
    scene.told(FE);
    scene.net.peer(FE).auto = None;
    scene.net.reset(bob.port);
    scene.say(&mut alice, "hello");
    let (tx, _, message) = scene.net.peer(FE).request();
    assert_eq!(message.uri().as_str(), "sip:bob@example.com;gruu;opaque=user:epid:1");
    assert!(message.route().is_empty());
    scene.net.respond(FE, tx, ResponseDraft::to(&message, 200));
    assert!(scene.net.peer(1).oneways.is_empty());
}

/// Nobody knows the way: messages wait, and go out in order when the client comes back; too late, they have failed.
#[test]
fn messages_wait_for_the_client() {
    let (mut scene, [mut alice, mut bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    scene.net.reset(bob.port);
    scene.say(&mut alice, "one");
    scene.say(&mut alice, "two");
    scene.net.advance(Duration::from_secs(5));
    let update = bob.dialog.request(Method::Update);
    scene.net.send(bob.port, MCU, update);
    let texts: Vec<_> = scene.answer_all(bob.port, 200).iter().map(|request| text(request).0).collect();
    assert_eq!(texts, ["one", "two"]);
    assert!(scene.net.peer(1).oneways.is_empty());

    scene.net.reset(bob.port);
    scene.say(&mut alice, "three");
    scene.net.advance(Duration::from_secs(25));
    let (_, report) = scene.net.peer(1).oneways.pop_front().expect("a report");
    let report = c3p::im::Imdn::parse(report.body(), &Limits::default()).expect("a report");
    assert_eq!((report.message_id.as_str(), report.recipients[0].status), ("3", Some(430)));
}

/// 430 Dialog-Route-Set-Update: the MCU repairs its own route by an UPDATE through a front end, then sends again.
#[test]
fn mcu_repairs_its_route() {
    let (mut scene, [mut alice, bob]) = Scene::with([(1, ALICE), (2, BOB)]);
    scene.publish("fe1", FE);
    scene.told(FE);
    scene.net.peer(FE).auto = None;
    scene.say(&mut alice, "hello");
    let (tx, _, message) = scene.net.peer(bob.port).request();
    let failed =
        ResponseDraft::to(&message, 430).header("P-Dialog-Recovery-Action", "dialog-route-set-update");
    scene.net.respond(bob.port, tx, failed);
    let (tx, _, update) = scene.net.peer(FE).request();
    assert_eq!((update.method(), update.route().len()), (&Method::Update, 0));
    let record_route = "<sip:t@127.0.0.1:21;transport=tcp;lr>";
    scene.net.respond(FE, tx, ResponseDraft::to(&update, 200).header("Record-Route", record_route));
    let (_, _, again) = scene.net.peer(FE).request();
    assert_eq!((text(&again).0.as_str(), again.route().len()), ("hello", 1));
}

/// RFC 4028, softened: no refresh, then one UPDATE of our own; 481 to it ends the call.
#[test]
fn silent_sessions_are_asked() {
    let (mut scene, [bob]) = Scene::with([(2, BOB)]);
    scene.told(FE);
    scene.net.advance(Duration::from_secs(1767));
    assert!(scene.net.peer(bob.port).requests.is_empty());
    scene.net.advance(Duration::from_secs(2));
    let (tx, _, update) = scene.net.peer(bob.port).request();
    assert_eq!(update.method(), &Method::Update);
    scene.net.respond(bob.port, tx, ResponseDraft::to(&update, 501));
    assert_eq!(scene.core().load(), (1, 1), "501 means alive");
    scene.net.advance(Duration::from_secs(1770));
    let (tx, _, update) = scene.net.peer(bob.port).request();
    scene.net.respond(bob.port, tx, ResponseDraft::to(&update, 481));
    assert_eq!(scene.core().load(), (1, 0));
}

/// A 200 that nobody acknowledges: no endpoint appears, and the call is given up.
#[test]
fn missing_ack() {
    let mut scene = Scene::new();
    scene.add_user(BOB);
    let draft = scene.invite(BOB);
    assert_eq!(scene.call(draft).status(), 200);
    scene.net.advance(Duration::from_secs(33));
    assert_eq!(scene.core().load(), (1, 0));
    assert!(scene.told(FE).iter().all(|document| document.users().count() == 0));
}

/// The same device calls again: the older call is replaced.
#[test]
fn second_call_of_a_device_replaces_the_first() {
    let (mut scene, [first]) = Scene::with([(1, ALICE)]);
    scene.join(2, ALICE);
    assert_eq!(scene.core().load(), (1, 1));
    assert_eq!(diagnostics(&scene.answer_all(first.port, 200)[0]), Some("60001"));
}

/// Drain: every call ends with 61002, nothing new is taken, and the node says when it is done.
#[test]
fn drain_ends_all_calls() {
    let (mut scene, [alice]) = Scene::with([(1, ALICE)]);
    let now = scene.net.now;
    scene.core().drain(now);
    scene.net.settle();
    assert_eq!(diagnostics(&scene.answer_all(alice.port, 200)[0]), Some("61002"));
    let drained = scene.core().poll_report();
    assert!(matches!(drained, Some(NodeReport::Node { change: NodeChange::Drained, .. })));
    assert_eq!(scene.activate(FE, 2, "im-2"), Answer::Refused { status: 503, current_epoch: None });
    scene.net.advance(Duration::from_secs(4));
    let own = ready(scene.net.store.get(&record::key::node("im1"))).expect("the store").expect("a record");
    assert!(NodeRecord::decode(&own.value).expect("a record").draining);
}

/// The conference ends: everybody is told why.
#[test]
fn deactivation_ends_all_calls() {
    let (mut scene, [alice]) = Scene::with([(1, ALICE)]);
    let gone = Command::DeactivateConference { conference: CONFERENCE.into() };
    assert!(matches!(scene.command(FE, 1, "im-1", gone), Answer::Done(_)));
    assert_eq!(diagnostics(&scene.answer_all(alice.port, 200)[0]), Some("60002"));
    assert_eq!(scene.core().load(), (0, 0));
}

/// Audio is signalling only: the streams are taken as offered, messages are not.
#[test]
fn audio_call() {
    let mut scene = Scene::idle(McuType::Av);
    scene.activate(FE, 1, "im-1");
    let offer =
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let draft = scene.invite(ALICE).body(mime::SDP, offer);
    let mut alice = scene.join_as(1, ALICE, draft);
    let told = scene.told(FE);
    let device = &told[0].user(ALICE).expect("Alice").endpoints[0];
    assert_eq!(
        (device.mcu_type(), device.media[0].label.as_deref()),
        (Some(McuType::Av), Some("main-audio"))
    );
    assert_eq!(scene.say(&mut alice, "hello").status(), 405);
    assert_eq!(scene.ask(&mut alice, Method::Bye, |draft| draft).status(), 200);
}

/// An interior message that makes no sense is refused, and changes nothing.
#[test]
fn malformed_interior() {
    let mut scene = Scene::new();
    let base = || {
        request(Method::Service, CHAT, CONFERENCE, "s").header("Rc-Epoch", "1").header("Rc-Instance", "im-1")
    };
    scene.net.send(FE, MCU, base().body(mime::C3P, "<request"));
    assert_eq!(scene.net.peer(FE).response().status(), 400);
    let lobby = Command::SetLobbyAccess {
        conference: CONFERENCE.into(),
        users: vec![BOB.into()],
        access: c3p::command::Access::Granted,
    };
    assert_eq!(scene.command(FE, 1, "im-1", lobby), Answer::Refused { status: 501, current_epoch: None });
    scene.net.send(FE, MCU, request(Method::Service, CHAT, CONFERENCE, "t"));
    assert_eq!(scene.net.peer(FE).response().status(), 405);
}
