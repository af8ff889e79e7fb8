//! A pool with users: each method with its own and with somebody else's identity, and what nodes believe of each other.

use std::sync::Arc;

use sip_core::auth::{Accounts, Credentials, DigestClient, SharedKey, WwwAuthenticate};

use super::*;
use crate::frontend::ownership::Slot;
use crate::interior::{self, Envelope};
use crate::seal;

/// What somebody logs in with.
struct Login {
    digest: DigestClient,
    ids: SeededIds,
}

impl Login {
    fn new(name: &str) -> Self {
        Self::with_password(name, &format!("{name}'s"))
    }

    fn with_password(name: &str, password: &str) -> Self {
        let credentials = Credentials::new(format!("{name}@example.com"), password, "example.com");
        Self { digest: DigestClient::new(credentials), ids: SeededIds::new(9) }
    }

    /// Sends a request, and again with an answer to its challenge; gives the last final answer.
    #[track_caller]
    fn ask(&mut self, client: &mut Client, world: &mut World, draft: RequestDraft) -> Response {
        let first = client.ask(world, draft.clone());
        if first.status() != 401 {
            return first;
        }
        let (kind, challenge) = self.digest.choose(&first).expect("a challenge for us");
        self.digest.learn(kind, challenge);
        let number = draft.cseq_value().expect("a CSeq").number + 1;
        let mut again = draft.cseq(number);
        self.digest.authorize(&mut again, &mut self.ids);
        client.ask(world, again)
    }
}

fn with_users() -> World {
    let list = ["alice", "bob", "carol"].map(|name| format!("{name}@example.com:{name}'s"));
    let accounts = Arc::new(Accounts::parse(&list.join("\n")).expect("a list"));
    World::with(Some(PoolUsers { accounts, key: SharedKey::new(&mut SeededIds::new(5)) }))
}

/// Alice with her conference, joined through the first front end.
fn with_alice() -> (World, Client, Login) {
    let mut world = with_users();
    let (mut alice, mut login) = (world.client("alice", 7001, FE1), Login::new("alice"));
    let info = ConferenceInfo {
        description: Some(c3p::info::Description {
            conference_id: Some("7Q4W2ZK9".to_owned()),
            ..c3p::info::Description::default()
        }),
        ..ConferenceInfo::default()
    };
    let request = C3pRequest::new(1, alice.user.as_str(), FACTORY, Command::AddConference(Box::new(info)));
    let draft = alice.initial(Method::Service, FACTORY).body(mime::C3P, request.write());
    assert_eq!(login.ask(&mut alice, &mut world, draft).status(), 200);
    join(&mut alice, &mut login, &mut world);
    (world, alice, login)
}

#[track_caller]
fn join(client: &mut Client, login: &mut Login, world: &mut World) {
    let draft = client.join_draft();
    let response = login.ask(client, world, draft.clone());
    assert_eq!(response.status(), 200);
    let dialog = Dialog::uac(&draft, &response).expect("a dialog");
    let ack = dialog.ack(response.cseq().number);
    world.net.send_oneway(client.port, client.server, ack);
    client.focus = Some(dialog);
}

/// One request of each method that a front end knows, or knows not, out of any dialog.
fn each_method(client: &mut Client) -> Vec<RequestDraft> {
    let mut all = vec![client.join_draft(), client.subscribe_draft()];
    let registrar = "sip:example.com";
    let other = |name: &'static str| Method::Other(name.into());
    for (method, to) in [
        (Method::Register, registrar),
        (Method::Service, FACTORY),
        (Method::Invite, CHAT),
        (Method::Options, CONFERENCE),
        (Method::Info, CONFERENCE),
        (Method::Update, CONFERENCE),
        (Method::Bye, CONFERENCE),
        (Method::Notify, CONFERENCE),
        (Method::Message, CONFERENCE),
        (Method::Refer, CONFERENCE),
        (Method::Publish, registrar),
        (other("DANCE"), CONFERENCE),
        (Method::Invite, "sip:bob@192.0.2.9:5060"),
    ] {
        all.push(client.initial(method, to));
    }
    all
}

/// Section 3 of the threat model, "each method x each role x own, other": without a proof 401, in another's name 403.
#[test]
fn each_method_needs_a_proof() {
    let (mut world, _alice, _) = with_alice();
    let mut nobody = world.client("bob", 7002, FE1);
    for draft in each_method(&mut nobody) {
        let method = draft.method.clone();
        let response = nobody.ask(&mut world, draft);
        assert_eq!(response.status(), 401, "{method}");
        let WwwAuthenticate(list) = response.header().expect("readable").expect("challenges");
        let algorithms: Vec<&str> = list.iter().map(|one| one.algorithm.as_str()).collect();
        assert_eq!(algorithms, ["SHA-256", "MD5"], "{method}");
    }
    let mut mallory = world.client("alice", 7003, FE1);
    let mut login = Login::new("bob");
    for draft in each_method(&mut mallory) {
        let method = draft.method.clone();
        assert_eq!(login.ask(&mut mallory, &mut world, draft).status(), 403, "{method}");
    }
    let life = nobody.initial(Method::Options, "sip:example.com");
    assert_eq!(nobody.ask(&mut world, life).status(), 200, "a sign of life is free");
}

/// Guessing: the first wrong passwords are refused, then even the right one has to wait; nobody else has to.
#[test]
fn guesses_are_locked_out() {
    let (mut world, mut alice, _) = with_alice();
    for (name, port) in [("bob", 7006), ("nobody", 7007)] {
        let mut guesser = world.client(name, port, FE1);
        let mut ask = |world: &mut World, password: String| {
            let draft = guesser.initial(Method::Subscribe, CONFERENCE);
            Login::with_password(name, &password).ask(&mut guesser, world, draft)
        };
        for n in 0..5 {
            assert_eq!(ask(&mut world, n.to_string()).status(), 401, "{name}");
        }
        let locked = ask(&mut world, format!("{name}'s"));
        assert_eq!((locked.status(), locked.headers().get("Retry-After")), (403, Some("2")), "{name}");
    }
    assert_eq!(alice.command(&mut world, lock(true)).status(), 202, "Alice was here before");
    world.net.advance(secs(2));
    let mut bob = world.client("bob", 7008, FE1);
    let draft = bob.initial(Method::Subscribe, CONFERENCE);
    assert_ne!(Login::new("bob").ask(&mut bob, &mut world, draft).status(), 401, "a lock ends");
}

/// In a dialog: nothing to prove on its own connection; everything on another one, and to another front end.
#[test]
fn dialogs_are_known_on_their_connection() {
    let (mut world, mut alice, mut login) = with_alice();
    assert_eq!(alice.command(&mut world, lock(true)).status(), 202);
    world.net.reset(alice.port);
    let elsewhere = alice.in_dialog(Method::Update);
    assert_eq!(alice.ask(&mut world, elsewhere.clone()).status(), 401);
    assert_eq!(login.ask(&mut alice, &mut world, elsewhere.cseq(20)).status(), 200);
    let here = alice.in_dialog(Method::Options).cseq(30);
    assert_eq!(alice.ask(&mut world, here).status(), 200);
    alice.server = FE2;
    let there = alice.in_dialog(Method::Update).cseq(40);
    assert_eq!(alice.ask(&mut world, there.clone()).status(), 401);
    assert_eq!(login.ask(&mut alice, &mut world, there.cseq(41)).status(), 200, "vouched for at the owner");
}

/// Somebody with a password of his own, and with the tags of another's dialog, is still himself.
#[test]
fn a_dialog_is_with_one_user() {
    let (mut world, mut alice, _) = with_alice();
    let (mut carol, mut login) = (world.client("carol", 7004, FE1), Login::new("carol"));
    let tag = alice.focus.as_ref().expect("a dialog").id().local_tag.clone();
    for method in [Method::Bye, Method::Update, Method::Info] {
        let stolen = alice.in_dialog(method.clone());
        let alices = login.ask(&mut carol, &mut world, stolen.clone().cseq(50));
        assert_eq!(alices.status(), 403, "{method} as Alice");
        let from = NameAddr::new(carol.user.parse().expect("a URI")).with_tag(&tag);
        let own = login.ask(&mut carol, &mut world, stolen.from(from).cseq(60));
        assert_eq!(own.status(), 403, "{method} as herself");
    }
    let next = alice.in_dialog(Method::Options);
    assert_eq!(alice.ask(&mut world, next).status(), 200, "not even the CSeq moved");
}

/// Nodes believe each other's seals, and nobody's word: orders and calls to the MCU, its news to the front end.
#[test]
fn interior_messages_need_a_seal() {
    let (mut world, mut alice, _) = with_alice();
    world.net.advance(secs(1));
    // Everything that a participant can know.
    let front_end = world.net.node::<FrontEndCore>(FE1);
    let name = front_end.owned().remove(0);
    let Some(Slot::Owned(conference)) = front_end.slots.get(&name) else { panic!("owned") };
    let head = conference.head();
    let instance = head.mcus[0].instance.clone().expect("an instance");
    let envelope = Envelope { epoch: head.epoch, instance, sender: tcp(7005) };
    let key = world.net.users.as_ref().map(|users| users.key.clone()).expect("a key");

    let mut eve = world.client("eve", 7005, MCU);
    let sealed = |draft: RequestDraft, key: Option<&SharedKey>| seal::put(key, draft);
    let order = |command: Command| {
        let order = Document::Request(C3pRequest::new(1, CONFERENCE, CHAT, command));
        interior::request(&envelope, &order, CONFERENCE, CHAT, || "order".to_owned()).expect("addresses")
    };
    let admit = order(Command::AddUser(AddUser {
        conference: CONFERENCE.to_owned(),
        user: c3p::info::User::new("sip:eve@example.com"),
    }));
    let other = SharedKey::new(&mut SeededIds::new(6));
    for (draft, status) in [
        (sealed(admit.clone(), None), 403),
        (sealed(admit.clone().cseq(2), Some(&other)), 403),
        (sealed(admit.cseq(3), Some(&key)), 200),
    ] {
        assert_eq!(eve.ask(&mut world, draft).status(), status);
    }
    // Now she is announced; but no front end has let her call through.
    let call = eve.initial(Method::Invite, CHAT).body(mime::SDP, Bytes::from_static(b"v=0\r\n"));
    assert_eq!(eve.ask(&mut world, call.clone()).status(), 403);
    assert_eq!(eve.ask(&mut world, sealed(call.cseq(2), Some(&key))).status(), 488, "only its body is wrong");

    eve.server = FE1;
    let news = Document::Notify(c3p::command::Notify::new(CHAT, CONFERENCE, ConferenceInfo::default()));
    let news =
        interior::request(&envelope, &news, CHAT, CONFERENCE, || "news".to_owned()).expect("addresses");
    assert_eq!(eve.ask(&mut world, news.clone()).status(), 481);
    assert_eq!(eve.ask(&mut world, sealed(news.cseq(2), Some(&key))).status(), 200);
    assert_eq!(alice.command(&mut world, lock(true)).status(), 202);
}
