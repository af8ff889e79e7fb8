//! A pool with users, over real sockets: who gets in, who does not, and what a captured request is worth.

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::{PATIENCE, Person, Pool, hop, patient};
use reconvene::{EndpointConfig, McuType};
use sip_core::{Credentials, Frame, Limits, ListenAddr, Message, Method, RequestDraft, StreamFramer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const USERS: &str = "alice@example.com:wonderland\nbob@example.com:builder\ncarol@example.com:christmas\n";

fn config(name: &str) -> EndpointConfig {
    EndpointConfig::new(format!("sip:{name}@example.com").parse().expect("a URI")).with_display_name(name)
}

async fn person(name: &str, password: &str, servers: &[ListenAddr]) -> Person {
    Person::start(config(name).with_password(password), servers).await
}

/// Alice's conference, with her in it and in the call.
async fn alice_in(servers: &[ListenAddr]) -> (Person, String) {
    let mut alice = person("alice", "wonderland", servers).await;
    let scheduled = patient("the conference", alice.endpoint.schedule(Default::default())).await.unwrap();
    alice.join(&scheduled.uri).await.unwrap();
    alice.sees("M1 im").await;
    patient("the call", alice.conference.call(McuType::Im)).await.unwrap();
    (alice, scheduled.uri)
}

/// With the right password a session joins, talks, and survives the death of its owner.
#[tokio::test]
async fn the_right_password_joins_and_recovers() {
    let mut pool = Pool::with_users(2, USERS).await;
    let servers = pool.servers();
    let (mut alice, uri) = alice_in(&servers).await;
    // Bob comes in by the other front end, which vouches for him at the owner's.
    let mut bob = person("bob", "builder", &[servers[1], servers[0]]).await;
    bob.join(&uri).await.unwrap();
    patient("the call", bob.conference.call(McuType::Im)).await.unwrap();
    patient("the message", bob.conference.say("hello")).await.unwrap();
    alice.sees("message sip:bob@example.com hello").await;
    patient("the lock", alice.conference.lock()).await.unwrap();
    assert!(patient("the unlock", bob.conference.unlock()).await.is_err(), "not his to unlock");
    pool.front_ends.remove(0).stop().await;
    for person in [&mut alice, &mut bob] {
        person.sees("T7").await;
        assert_eq!(person.transitions()[2..], ["T6a focus-failover", "T7 recovered"]);
    }
    patient("the unlock", alice.conference.unlock()).await.unwrap();
    patient("the message", bob.conference.say("still there?")).await.unwrap();
    alice.sees("message sip:bob@example.com still there?").await;
    for person in [alice, bob] {
        patient("the leave", person.conference.leave()).await.unwrap();
    }
}

/// The same through a hop, whose one connection to the pool carries everybody.
#[tokio::test]
async fn through_a_hop() {
    let pool = Pool::with_users(2, USERS).await;
    let hop = hop(pool.servers()).await;
    let (mut alice, uri) = alice_in(&hop.listen).await;
    let mut bob = person("bob", "builder", &hop.listen).await;
    bob.join(&uri).await.unwrap();
    patient("the lock", alice.conference.lock()).await.unwrap();
    alice.sees("joined sip:bob@example.com attendee").await;
    let mut mallory = Person::start(config("alice").with_credentials(bobs()), &hop.listen).await;
    assert_eq!(mallory.join(&uri).await.unwrap_err().sip_status(), Some(403));
    patient("the leave", bob.conference.leave()).await.unwrap();
    alice.sees("left sip:bob@example.com").await;
}

/// D6 with users: the hop dies, the UPDATE by the other one is challenged there, and the repair stays silent.
#[tokio::test]
async fn a_route_is_repaired() {
    let pool = Pool::with_users(1, USERS).await;
    let (first, second) = (hop(pool.servers()).await, hop(pool.servers()).await);
    let hops = [first.listen[0], second.listen[0]];
    let (mut alice, _) = alice_in(&hops).await;
    patient("the lock", alice.conference.lock()).await.unwrap();
    first.stop().await;
    patient("the unlock", alice.conference.unlock()).await.unwrap();
    alice.sees("properties locked=Some(Bool(false))").await;
    patient("the message", alice.conference.say("anybody?")).await.unwrap();
    assert_eq!(alice.transitions(), ["T1 local-join", "T2 joined"]);
}

/// The same over UDP, where a connection is a pair of addresses.
#[tokio::test]
async fn over_udp() {
    let pool = Pool::with_users(1, USERS).await;
    let udp = pool.front_ends[0].listen[1];
    let (mut alice, uri) = alice_in(&[udp]).await;
    let mut bob = person("bob", "wrong", &[udp]).await;
    assert_eq!(bob.join(&uri).await.unwrap_err().sip_status(), Some(401));
    let mut bob = person("bob", "builder", &[udp]).await;
    bob.join(&uri).await.unwrap();
    alice.sees("joined sip:bob@example.com attendee").await;
}

/// Bob's, for whoever uses them.
fn bobs() -> Credentials {
    Credentials::new("bob@example.com", "builder", "example.com")
}

/// Wrong password, unknown user, no password: 401. Somebody else's From: 403. Nobody sees any of them.
#[tokio::test]
async fn who_is_refused() {
    let pool = Pool::with_users(1, USERS).await;
    let (mut alice, uri) = alice_in(&pool.servers()).await;
    let people = [
        (config("bob").with_password("wrong"), 401),
        (config("nobody").with_password("builder"), 401),
        (config("bob"), 401),
        (config("carol").with_credentials(bobs()), 403),
        (config("alice").with_credentials(bobs()), 403),
    ];
    for (config, status) in people {
        let name = config.address.to_string();
        for config in [config.clone(), config.without_registration()] {
            let mut stranger = Person::start(config, &pool.servers()).await;
            let refused = stranger.join(&uri).await.unwrap_err();
            assert_eq!(refused.sip_status(), Some(status), "{name}: {refused:?}");
            let refused = stranger.endpoint.schedule(Default::default()).await.unwrap_err();
            assert_eq!(refused.sip_status(), Some(status), "{name}: {refused:?}");
        }
    }
    assert_eq!(roster(&mut alice).await, ["sip:alice@example.com"]);
    assert!(!alice.has_seen("joined sip:bob") && !alice.has_seen("joined sip:carol"), "{:?}", alice.seen);
}

/// Who is in the conference, as the Focus tells it.
async fn roster(person: &mut Person) -> Vec<String> {
    let value = patient("the roster", person.conference.fetch_roster()).await.unwrap();
    let reconvene::OperationValue::Roster(info) = value else { panic!("{value:?}") };
    info.users().map(|user| user.entity.clone()).collect()
}

/// Section 3 of the threat model: every captured request, sent again from another connection, has no effect.
#[tokio::test]
async fn captured_requests_are_worthless() {
    let pool = Pool::with_users(1, USERS).await;
    let front_end = pool.servers()[0];
    let (tap, captured) = tap(front_end.addr).await;
    replay_all(&pool.servers(), tap, &captured, front_end.addr).await;
}

/// The same behind a hop, where another connection to the hop ends in the same connection to the front end.
#[tokio::test]
async fn captured_requests_are_worthless_behind_a_hop() {
    let pool = Pool::with_users(1, USERS).await;
    let (tap, captured) = tap(pool.servers()[0].addr).await;
    let hop = hop(vec![tap]).await;
    replay_all(&pool.servers(), hop.listen[0], &captured, hop.listen[0].addr).await;
}

/// Lets Bob, at `server`, do all sorts of things, and sends all that was captured on the way again, to `victim`.
async fn replay_all(servers: &[ListenAddr], server: ListenAddr, captured: &Captured, victim: SocketAddr) {
    let (mut alice, uri) = alice_in(servers).await;
    let mut bob = person("bob", "builder", &[server]).await;
    bob.join(&uri).await.unwrap();
    patient("the promotion", alice.conference.promote(&bob.uri)).await.unwrap();
    bob.sees("updated sip:bob@example.com presenter").await;
    patient("the conference", bob.endpoint.schedule(Default::default())).await.unwrap();
    patient("the lock", bob.conference.lock()).await.unwrap();
    alice.sees("properties locked=Some(Bool(true))").await;
    patient("the unlock", alice.conference.unlock()).await.unwrap();
    let taken = captured.lock().unwrap().clone();
    let methods: Vec<Method> = taken.iter().map(|request| request.method.clone()).collect();
    for method in [Method::Register, Method::Invite, Method::Subscribe, Method::Service, Method::Info] {
        assert!(methods.contains(&method), "{methods:?}");
    }
    for request in &taken {
        for fresh in [false, true] {
            replay(victim, request, fresh).await;
        }
    }
    // Nothing happened: the conference is open still, nobody came, left or was replaced.
    assert_eq!(roster(&mut alice).await.len(), 2);
    bob.note();
    assert_eq!(bob.transitions(), ["T1 local-join", "T2 joined"]);
    assert_eq!(alice.transitions(), ["T1 local-join", "T2 joined"]);
    let locks =
        |person: &Person| person.seen.iter().filter(|line| line.contains("locked=Some(Bool(true))")).count();
    alice.note();
    assert_eq!((locks(&alice), locks(&bob)), (1, 1));
    patient("the lock", bob.conference.lock()).await.unwrap();
    patient("the leave", bob.conference.leave()).await.unwrap();
    alice.sees("left sip:bob@example.com").await;
}

type Captured = Arc<Mutex<Vec<RequestDraft>>>;

/// Sends a request on a connection of its own, as it was or as a transaction of its own; nobody accepts it.
async fn replay(victim: SocketAddr, request: &RequestDraft, fresh: bool) {
    let mut draft = request.clone();
    let via = draft.top_via().expect("a Via");
    let branch = via.branch().unwrap_or_default().to_owned();
    if fresh {
        draft.set_header("Via", via.to_string().replace(&branch, &format!("{branch}x")));
    }
    let mut stream = TcpStream::connect(victim).await.unwrap();
    stream.write_all(&draft.write()).await.unwrap();
    // The answer to this one shows that the server is through with what came before.
    let mark = format!("mark-{}", draft.call_id_value().unwrap_or_default());
    let options = RequestDraft::new(Method::Options, "sip:example.com".parse().unwrap())
        .header("Via", format!("SIP/2.0/TCP 127.0.0.1:9;branch={branch}mark{fresh}"))
        .from("<sip:mallory@example.com>;tag=m".parse().unwrap())
        .to("<sip:example.com>".parse().unwrap())
        .call_id(mark.clone())
        .cseq(1)
        .max_forwards(70);
    stream.write_all(&options.write()).await.unwrap();
    let mut framer = StreamFramer::new(Limits::default());
    let mut buffer = vec![0; 65_536];
    loop {
        let read =
            tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("an answer").unwrap();
        assert_ne!(read, 0, "closed before the answer");
        framer.push(&buffer[..read]);
        while let Ok(Some(frame)) = framer.next() {
            let Frame::Message(Message::Response(response)) = frame else { continue };
            if response.call_id() == mark {
                return;
            }
            let (method, status) = (response.cseq().method.clone(), response.status());
            assert_eq!(status, 401, "{method} sent again");
        }
    }
}

/// Listens, passes everything on to `to`, and keeps the requests that go there.
async fn tap(to: SocketAddr) -> (ListenAddr, Captured) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = format!("tcp:{}", listener.local_addr().unwrap()).parse().unwrap();
    let captured = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&captured);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(to).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut framer = StreamFramer::new(Limits::default());
                let mut buffer = vec![0; 65_536];
                while let Ok(read) = from_client.read(&mut buffer).await {
                    if read == 0 || to_server.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                    framer.push(&buffer[..read]);
                    while let Ok(Some(frame)) = framer.next() {
                        if let Frame::Message(Message::Request(request)) = frame
                            && *request.method() != Method::Ack
                        {
                            keep.lock().unwrap().push(as_sent(RequestDraft::from_request(&request)));
                        }
                    }
                }
            });
        }
    });
    (addr, captured)
}

/// A request without what a hop put in.
fn as_sent(mut request: RequestDraft) -> RequestDraft {
    if request.get_all("Via").count() > 1 {
        request.pop_via();
        request.remove_header("Record-Route");
        request.remove_header("Path");
    }
    request
}
