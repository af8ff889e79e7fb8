//! Front ends on virtual time, over a network in memory: clients that a test plays by hand, an IM MCU, one store.

mod flows;
mod gate;
mod pool;
mod refusals;
mod store;
mod sweep;
mod ways;

use std::time::{Duration, Instant};

use bytes::Bytes;
use c3p::command::{AddUser, Command, Document, Request as C3pRequest, Response as C3pResponse};
use c3p::info::{ConferenceInfo, Role};
use c3p::{Limits, McuType, mime};
use sip_core::{Dialog, Method, NameAddr, Request, RequestDraft, Response, SeededIds};

use super::FrontEndCore;
use crate::config::{FrontEndConfig, PoolUsers};
use crate::mcu::{McuConfig, McuCore};
use crate::store::{StoreReply, StoreRequest};
use crate::testnet::{Net, Node, Peer, tcp};

const FE1: u16 = 5060;
const FE2: u16 = 5070;
const MCU: u16 = 6000;
const MCU2: u16 = 6010;
const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
const CHAT: &str = "sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9";
const FACTORY: &str = "sip:alice@example.com;gruu;opaque=app:conf:focusfactory";

impl Node for FrontEndCore {
    fn any(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn store_request(&mut self) -> Option<StoreRequest> {
        self.poll_store_request()
    }

    fn store_reply(&mut self, reply: StoreReply, now: Instant) {
        self.handle_store_result(reply, now);
    }
}

/// One client: a peer on a port of its own, its two dialogs, and what it was told.
struct Client {
    port: u16,
    server: u16,
    user: String,
    endpoint: String,
    calls: u32,
    requests: u64,
    focus: Option<Dialog>,
    watch: Option<Dialog>,
    lobby_capable: bool,
}

struct World {
    net: Net,
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl World {
    /// Two front ends and an IM MCU; nobody in them.
    fn new() -> Self {
        Self::with(None)
    }

    fn with(users: Option<PoolUsers>) -> Self {
        let mut world = Self { net: Net::new() };
        world.net.users = users;
        world.add_front_end(FE1, "fe1");
        world.add_front_end(FE2, "fe2");
        world.add_mcu(MCU, "im1");
        world.net.advance(secs(2));
        world
    }

    fn add_front_end(&mut self, port: u16, name: &str) {
        let mut config = FrontEndConfig::new(name, vec![tcp(port)]).with_mcu_types(vec!["chat".to_owned()]);
        config.users = self.net.users.clone();
        let wall = "2030-01-01T00:00:00Z".parse().expect("a time");
        let core = FrontEndCore::new(config, Box::new(SeededIds::new(u64::from(port))), self.net.now, wall);
        self.net.add(port, core);
    }

    fn add_mcu(&mut self, port: u16, name: &str) {
        let mut config = McuConfig::new(name, McuType::Im, vec![tcp(port)]);
        config.key = self.net.users.as_ref().map(|users| users.key.clone());
        let core = McuCore::new(config, Box::new(SeededIds::new(u64::from(port))), self.net.now);
        self.net.add(port, core);
    }

    fn client(&mut self, name: &str, port: u16, server: u16) -> Client {
        self.net.add(port, Peer::auto(u64::from(port), 200));
        Client {
            port,
            server,
            user: format!("sip:{name}@example.com"),
            endpoint: format!("{{{name}-1}}"),
            calls: 0,
            requests: 0,
            focus: None,
            watch: None,
            lobby_capable: true,
        }
    }

    /// Alice with her conference, joined through the first front end.
    fn with_alice() -> (Self, Client) {
        let mut world = Self::new();
        let mut alice = world.client("alice", 7001, FE1);
        alice.schedule(&mut world);
        assert_eq!(alice.join(&mut world).status(), 200);
        alice.subscribe(&mut world);
        world.net.advance(secs(1));
        alice.forget(&mut world);
        (world, alice)
    }

    /// Somebody more, joined and subscribed.
    fn joined(&mut self, name: &str, port: u16, server: u16) -> Client {
        let mut client = self.client(name, port, server);
        assert_eq!(client.join(self).status(), 200);
        client.subscribe(self);
        client
    }
}

impl Client {
    fn gruu(&self) -> String {
        format!("<sip:{}@127.0.0.1:{};transport=tcp>", self.user.trim_start_matches("sip:"), self.port)
            .replace("@example.com", "")
    }

    fn initial(&mut self, method: Method, to: &str) -> RequestDraft {
        self.calls += 1;
        let call_id = format!("{}-{}", self.user, self.calls);
        let from = NameAddr::new(self.user.parse().expect("a URI")).with_tag(&format!("t{}", self.calls));
        RequestDraft::new(method, to.parse().expect("a URI"))
            .from(from)
            .to(NameAddr::new(to.parse().expect("a URI")))
            .call_id(call_id)
            .cseq(1)
            .header("Contact", self.gruu())
            .header("Supported", "ms-dialog-route-set-update, timer")
    }

    /// Sends a request and gives its final answer.
    #[track_caller]
    fn ask(&mut self, world: &mut World, draft: RequestDraft) -> Response {
        self.send(world, draft);
        let answers = std::mem::take(&mut world.net.peer(self.port).responses);
        let last =
            answers.into_iter().map(|(_, response)| response).rfind(|response| response.status() >= 200);
        last.unwrap_or_else(|| panic!("{} gets no final answer", self.user))
    }

    fn send(&mut self, world: &mut World, draft: RequestDraft) {
        world.net.send(self.port, self.server, draft);
    }

    fn schedule(&mut self, world: &mut World) -> Response {
        let mut info = ConferenceInfo::default();
        info.description = Some(c3p::info::Description {
            conference_id: Some("7Q4W2ZK9".to_owned()),
            ..c3p::info::Description::default()
        });
        let request = C3pRequest::new(1, self.user.as_str(), FACTORY, Command::AddConference(Box::new(info)));
        let draft = self.initial(Method::Service, FACTORY).body(mime::C3P, request.write());
        self.ask(world, draft)
    }

    fn join_draft(&mut self) -> RequestDraft {
        let mut add = AddUser::join(CONFERENCE, self.user.as_str(), self.endpoint.as_str(), Role::Attendee);
        for endpoint in &mut add.user.endpoints {
            endpoint.lobby_capable = self.lobby_capable.then_some(true);
        }
        let request = C3pRequest::new(0, self.user.as_str(), CONFERENCE, Command::AddUser(add));
        self.initial(Method::Invite, CONFERENCE)
            .header("Session-Expires", "1800")
            .body(mime::C3P, request.write())
    }

    fn join(&mut self, world: &mut World) -> Response {
        let draft = self.join_draft();
        let response = self.ask(world, draft.clone());
        if response.status() == 200 {
            self.joined(world, &draft, &response);
        }
        response
    }

    fn joined(&mut self, world: &mut World, draft: &RequestDraft, response: &Response) {
        let dialog = Dialog::uac(draft, response).expect("a dialog");
        world.net.send_oneway(self.port, self.server, dialog.ack(1));
        self.focus = Some(dialog);
    }

    fn subscribe_draft(&mut self) -> RequestDraft {
        self.initial(Method::Subscribe, CONFERENCE)
            .header("Event", "conference")
            .header("Accept", mime::CONFERENCE_INFO)
            .header("Supported", "ms-benotify, ms-piggyback-first-notify, com.microsoft.autoextend")
    }

    /// Subscribes; gives the first document.
    fn subscribe(&mut self, world: &mut World) -> ConferenceInfo {
        let draft = self.subscribe_draft();
        let response = self.ask(world, draft.clone());
        assert_eq!(response.status(), 200);
        self.watch = Some(Dialog::uac(&draft, &response).expect("a dialog"));
        assert!(response.headers().get("ms-piggyback-cseq").is_some());
        document(response.body())
    }

    /// Sends a command; gives the answer to the INFO.
    fn command(&mut self, world: &mut World, command: Command) -> Response {
        self.requests += 1;
        let id = self.requests;
        self.command_again(world, id, command)
    }

    fn command_again(&mut self, world: &mut World, id: u64, command: Command) -> Response {
        let request = C3pRequest::new(id, self.user.as_str(), CONFERENCE, command);
        let draft = self.in_dialog(Method::Info).body(mime::C3P, request.write());
        self.ask(world, draft)
    }

    fn in_dialog(&mut self, method: Method) -> RequestDraft {
        let contact = self.gruu();
        let dialog = self.focus.as_mut().expect("a Focus dialog");
        dialog
            .request(method)
            .header("Contact", contact)
            .header("Supported", "ms-dialog-route-set-update, timer")
    }

    /// The requests that came since the last time, in order; BENOTIFYs apart.
    fn inbox(&mut self, world: &mut World) -> Vec<Request> {
        std::mem::take(&mut world.net.peer(self.port).requests)
            .into_iter()
            .map(|(_, _, request)| request)
            .collect()
    }

    /// The documents that came by BENOTIFY since the last time.
    fn documents(&mut self, world: &mut World) -> Vec<ConferenceInfo> {
        let all = std::mem::take(&mut world.net.peer(self.port).oneways);
        all.into_iter().map(|(_, request)| document(request.body())).collect()
    }

    /// The results of commands that came by INFO since the last time.
    fn results(&mut self, world: &mut World) -> Vec<C3pResponse> {
        let infos = self.inbox(world).into_iter().filter(|request| *request.method() == Method::Info);
        infos.map(|request| result(&request)).collect()
    }

    fn forget(&mut self, world: &mut World) {
        self.inbox(world);
        self.documents(world);
    }
}

#[track_caller]
fn document(body: &Bytes) -> ConferenceInfo {
    ConferenceInfo::parse(body, &Limits::default()).expect("a roster document")
}

#[track_caller]
fn result(request: &Request) -> C3pResponse {
    match Document::parse(request.body(), &Limits::default()) {
        Ok(Document::Response(response)) => response,
        other => panic!("no result: {other:?}"),
    }
}

fn diagnostics(response: &Response) -> u32 {
    let value = response.headers().get("ms-diagnostics").expect("ms-diagnostics");
    value.split(';').next().and_then(|id| id.trim().parse().ok()).expect("an id")
}

fn names(info: &ConferenceInfo) -> Vec<String> {
    info.users().map(|user| user.entity.clone()).collect()
}

fn lock(locked: bool) -> Command {
    Command::ModifyConferenceLock { conference: CONFERENCE.to_owned(), locked }
}

fn eject(user: &str) -> Command {
    Command::DeleteUser { conference: CONFERENCE.to_owned(), user: user.to_owned() }
}
