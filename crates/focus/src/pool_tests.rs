//! A whole pool on virtual time: clients behind record-routing hops, two front ends, an IM MCU, one store. What the parts
//! promise each other is only seen when they are together.

use std::time::Duration;

use c3p::command::{AddUser, Command, Request as C3pRequest};
use c3p::info::{ConferenceInfo, Description, Role};
use c3p::mime;
use sip_core::{Dialog, Method, NameAddr, Request, RequestDraft, Response, SeededIds};

use crate::config::FrontEndConfig;
use crate::frontend::FrontEndCore;
use crate::hop::{HopConfig, HopCore};
use crate::mcu::{McuConfig, McuCore};
use crate::testnet::{Net, Peer, tcp};

const HOP1: u16 = 4000;
const HOP2: u16 = 4010;
const FE1: u16 = 5060;
const FE2: u16 = 5070;
const MCU: u16 = 6000;
const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
const CHAT: &str = "sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9";
const FACTORY: &str = "sip:alice@example.com;gruu;opaque=app:conf:focusfactory";
const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 5060 sip null\r\na=accept-types:text/plain\r\n";

struct Person {
    port: u16,
    hop: u16,
    user: String,
    contact: String,
    calls: u32,
    focus: Option<Dialog>,
    chat: Option<Dialog>,
}

struct Pool {
    net: Net,
}

impl Pool {
    fn new() -> Self {
        let mut pool = Self { net: Net::new() };
        for (port, name) in [(FE1, "fe1"), (FE2, "fe2")] {
            let config = FrontEndConfig::new(name, vec![tcp(port)]).with_mcu_types(vec!["chat".to_owned()]);
            let wall = "2030-01-01T00:00:00Z".parse().expect("a time");
            let ids = Box::new(SeededIds::new(u64::from(port)));
            let core = FrontEndCore::new(config, ids, pool.net.now, wall);
            pool.net.add(port, core);
        }
        let config = McuConfig::new("im1", c3p::McuType::Im, vec![tcp(MCU)]);
        let core = McuCore::new(config, Box::new(SeededIds::new(1)), pool.net.now);
        pool.net.add(MCU, core);
        pool.add_hop(HOP1);
        pool.add_hop(HOP2);
        pool.net.advance(Duration::from_secs(2));
        pool
    }

    fn add_hop(&mut self, port: u16) {
        let config = HopConfig::new("px", vec![tcp(port)], vec![tcp(FE1), tcp(FE2)]);
        self.net.add(port, HopCore::new(config, Box::new(SeededIds::new(u64::from(port)))));
    }

    /// Alice and Bob, registered, joined and in the IM call, each behind the first hop.
    fn with_two() -> (Self, Person, Person) {
        let mut pool = Self::new();
        let mut alice = Person::new("alice", 7001);
        let mut bob = Person::new("bob", 7002);
        for person in [&mut alice, &mut bob] {
            pool.net.add(person.port, Peer::auto(u64::from(person.port), 200));
            person.register(&mut pool);
        }
        alice.schedule(&mut pool);
        for person in [&mut alice, &mut bob] {
            person.join(&mut pool);
            pool.net.advance(Duration::from_secs(1));
            person.call(&mut pool);
        }
        pool.net.advance(Duration::from_secs(1));
        alice.received(&mut pool);
        bob.received(&mut pool);
        (pool, alice, bob)
    }
}

impl Person {
    fn new(name: &str, port: u16) -> Self {
        let user = format!("sip:{name}@example.com");
        let contact = format!("<sip:127.0.0.1:{port};transport=tcp>");
        Self { port, hop: HOP1, user, contact, calls: 0, focus: None, chat: None }
    }

    fn initial(&mut self, method: Method, to: &str) -> RequestDraft {
        self.calls += 1;
        let from = NameAddr::new(self.user.parse().expect("a URI")).with_tag(&format!("t{}", self.calls));
        RequestDraft::new(method, to.parse().expect("a URI"))
            .from(from.with_param("epid", Some("0b0b")))
            .to(NameAddr::new(to.parse().expect("a URI")))
            .call_id(format!("{}-{}", self.user, self.calls))
            .cseq(1)
            .header("Contact", self.contact.clone())
            .header("Supported", "ms-dialog-route-set-update, timer")
    }

    #[track_caller]
    fn ask(&mut self, pool: &mut Pool, draft: RequestDraft) -> Response {
        pool.net.peer(self.port).responses.clear();
        pool.net.send(self.port, self.hop, draft);
        for _ in 0..40 {
            let answers = &mut pool.net.peer(self.port).responses;
            if let Some((_, last)) = answers.iter().rfind(|(_, response)| response.status() >= 200) {
                return last.clone();
            }
            pool.net.advance(Duration::from_millis(500));
        }
        panic!("{} gets no final answer", self.user)
    }

    fn register(&mut self, pool: &mut Pool) {
        let draft = self.initial(Method::Register, "sip:example.com");
        let user = NameAddr::new(self.user.parse().expect("a URI"));
        let response = self.ask(pool, draft.to(user));
        assert_eq!(response.status(), 200);
        let gruu = response
            .contact()
            .expect("a Contact")
            .param("gruu")
            .expect("a GRUU")
            .trim_matches('"')
            .to_owned();
        self.contact = format!("<{gruu}>");
    }

    fn schedule(&mut self, pool: &mut Pool) {
        let id = Some("7Q4W2ZK9".to_owned());
        let info = ConferenceInfo {
            description: Some(Description { conference_id: id, ..Description::default() }),
            ..ConferenceInfo::default()
        };
        let command = Command::AddConference(Box::new(info));
        let body = C3pRequest::new(1, self.user.as_str(), FACTORY, command).write();
        let draft = self.initial(Method::Service, FACTORY).body(mime::C3P, body);
        assert_eq!(self.ask(pool, draft).status(), 200);
    }

    fn join(&mut self, pool: &mut Pool) {
        let endpoint = format!("{{{}}}", self.port);
        let add = AddUser::join(CONFERENCE, self.user.as_str(), endpoint, Role::Attendee);
        let body = C3pRequest::new(2, self.user.as_str(), CONFERENCE, Command::AddUser(add)).write();
        let draft = self.initial(Method::Invite, CONFERENCE).body(mime::C3P, body);
        self.focus = Some(self.dial(pool, draft));
        let draft = self.initial(Method::Subscribe, CONFERENCE).header("Event", "conference");
        assert_eq!(self.ask(pool, draft).status(), 200);
    }

    fn call(&mut self, pool: &mut Pool) {
        let draft = self.initial(Method::Invite, CHAT).header("Session-Expires", "1800").body(mime::SDP, SDP);
        self.chat = Some(self.dial(pool, draft));
    }

    #[track_caller]
    fn dial(&mut self, pool: &mut Pool, draft: RequestDraft) -> Dialog {
        let response = self.ask(pool, draft.clone());
        assert_eq!(response.status(), 200, "{response:?}");
        let dialog = Dialog::uac(&draft, &response).expect("a dialog");
        pool.net.send_oneway(self.port, self.hop, dialog.ack(1));
        dialog
    }

    fn say(&mut self, pool: &mut Pool, text: &str) -> u16 {
        let draft =
            self.chat.as_mut().expect("a call").request(Method::Message).body("text/plain", text.to_owned());
        self.ask(pool, draft.header("Supported", "ms-dialog-route-set-update")).status()
    }

    /// The recovery UPDATE of one dialog; gives the status.
    fn repair(&mut self, pool: &mut Pool, focus: bool) -> u16 {
        let dialog = if focus { &mut self.focus } else { &mut self.chat }.as_mut().expect("a dialog");
        let draft = dialog
            .request_off_route(Method::Update)
            .header("Contact", self.contact.clone())
            .header("Supported", "ms-dialog-route-set-update");
        let response = self.ask(pool, draft);
        if response.status() == 200 {
            let dialog = if focus { &mut self.focus } else { &mut self.chat }.as_mut().expect("a dialog");
            dialog.replace_route_from_response(&response);
            dialog.refresh_target(response.contact());
        }
        response.status()
    }

    fn received(&self, pool: &mut Pool) -> Vec<Request> {
        pool.net.peer(self.port).requests.drain(..).map(|(_, _, request)| request).collect()
    }

    /// Texts that came, with their authors.
    fn heard(&self, pool: &mut Pool) -> Vec<(String, String)> {
        let all = self.received(pool);
        let messages = all.iter().filter(|request| *request.method() == Method::Message);
        let author = |request: &Request| request.headers().get("Ms-Sender").unwrap_or_default().to_owned();
        messages.map(|one| (author(one), String::from_utf8_lossy(one.body()).into_owned())).collect()
    }
}

fn line(author: &str, text: &str) -> (String, String) {
    (format!("<sip:{author}@example.com>"), text.to_owned())
}

/// Specification section 7: MCU dialogs do not go through the front end, which is not in their route set.
#[test]
fn im_runs_past_the_front_end() {
    let (mut pool, mut alice, mut bob) = Pool::with_two();
    let route = |dialog: &Option<Dialog>| dialog.as_ref().expect("a dialog").route_set().len();
    assert_eq!((route(&alice.focus), route(&alice.chat)), (1, 1), "the hop only");
    assert_eq!(bob.say(&mut pool, "hello"), 200);
    assert_eq!(alice.heard(&mut pool), [line("bob", "hello")]);
    // Both front ends dead: IM goes on.
    pool.net.kill(FE1);
    pool.net.kill(FE2);
    assert_eq!(alice.say(&mut pool, "still there?"), 200);
    assert_eq!(bob.heard(&mut pool), [line("alice", "still there?")]);
}

/// Level 1 behind a hop: the next front end takes over, tells the idle client at its GRUU, and answers 481 with 61001;
/// the IM call is untouched, and belongs to the new owner after the rejoin.
#[test]
fn focus_fails_over_behind_a_hop() {
    let (mut pool, mut alice, mut bob) = Pool::with_two();
    pool.net.kill(FE1);
    let info = bob.focus.as_mut().expect("joined").request(Method::Update);
    let response = bob.ask(&mut pool, info.header("Supported", "ms-dialog-route-set-update"));
    assert_eq!(response.status(), 481);
    assert!(response.headers().get("ms-diagnostics").expect("diagnostics").starts_with("61001;"));
    pool.net.advance(Duration::from_secs(2));
    let told = alice.received(&mut pool);
    let state = |request: &Request| request.headers().get("Subscription-State").map(str::to_owned);
    let ended = told.iter().filter_map(state).find(|state| state.starts_with("terminated"));
    assert_eq!(ended.as_deref(), Some("terminated;reason=deactivated"));
    for person in [&mut alice, &mut bob] {
        person.join(&mut pool);
    }
    assert_eq!(alice.say(&mut pool, "moved"), 200);
    assert_eq!(bob.heard(&mut pool), [line("alice", "moved")]);
    assert_eq!(pool.net.node::<McuCore>(MCU).load(), (1, 2));
}

/// Level 3: the hop dies; each client goes to the other hop, registers, and repairs its dialogs by UPDATE without route.
/// A message sent meanwhile reaches the one who comes back.
#[test]
fn hop_fails_and_routes_are_repaired() {
    let (mut pool, mut alice, mut bob) = Pool::with_two();
    pool.net.kill(HOP1);
    alice.hop = HOP2;
    alice.register(&mut pool);
    assert_eq!((alice.repair(&mut pool, true), alice.repair(&mut pool, false)), (200, 200));
    assert_eq!(alice.say(&mut pool, "where are you?"), 200);
    pool.net.advance(Duration::from_secs(3));
    bob.hop = HOP2;
    bob.register(&mut pool);
    assert_eq!((bob.repair(&mut pool, true), bob.repair(&mut pool, false)), (200, 200));
    pool.net.advance(Duration::from_secs(3));
    assert_eq!(bob.heard(&mut pool), [line("alice", "where are you?")]);
    assert_eq!(bob.say(&mut pool, "here"), 200);
    assert_eq!(alice.heard(&mut pool), [line("bob", "here")]);
    let reports = |person: &Person, pool: &mut Pool| {
        let oneways = std::mem::take(&mut pool.net.peer(person.port).oneways);
        oneways.iter().filter(|(_, one)| one.content_type() == Some(mime::IMDN)).count()
    };
    assert_eq!(reports(&alice, &mut pool), 0, "nothing was lost");
}

/// The recovery UPDATE through a front end itself: it passes on, without becoming part of the IM call's route.
#[test]
fn repair_through_a_front_end() {
    let (mut pool, mut alice, mut bob) = Pool::with_two();
    pool.net.kill(HOP1);
    pool.net.kill(HOP2);
    bob.hop = FE2;
    bob.register(&mut pool);
    assert_eq!(bob.repair(&mut pool, false), 200);
    alice.hop = FE1;
    alice.register(&mut pool);
    assert_eq!(alice.repair(&mut pool, false), 200);
    assert_eq!(bob.chat.as_ref().expect("a call").route_set().len(), 0);
    let mcu = bob.hop;
    bob.hop = MCU;
    assert_eq!(bob.say(&mut pool, "direct"), 200);
    bob.hop = mcu;
    assert_eq!(alice.heard(&mut pool), [line("bob", "direct")], "by her GRUU, with the author");
}
