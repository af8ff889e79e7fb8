//! The store fails: nothing leaves before it is durable, nothing is lost or done twice, nobody is moved.

use c3p::command::{Code, Command, CommandResult, ConferenceKey};
use sip_core::{Core, Method, Transmit, TransportInput};

use super::*;
use crate::record::key;
use crate::store::{PoolStore, StoreError, StoreOp};
use crate::testnet::ready;

/// What happens to the store's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fine,
    /// Nothing is carried out.
    Down,
    /// Writes are carried out, but their answers are lost.
    AnswersLost,
    /// Writes stay under way.
    Slow,
    /// Reads are carried out, writes are not: a full disk.
    ReadOnly,
}

/// A front end before a store with weather.
struct Flaky {
    core: FrontEndCore,
    weather: Weather,
    /// Requests that were replaced by a harmless one, and writes.
    failing: Vec<u64>,
    writes: Vec<u64>,
    slow: Vec<StoreReply>,
    asked: usize,
}

impl Flaky {
    fn clear_up(&mut self, now: Instant) {
        self.weather = Weather::Fine;
        for reply in std::mem::take(&mut self.slow) {
            self.core.handle_store_result(reply, now);
        }
    }
}

impl Core for Flaky {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.core.handle_transport(input, now);
    }
    fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }
    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.poll_transmit()
    }
}

impl Node for Flaky {
    fn any(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn store_request(&mut self) -> Option<StoreRequest> {
        let mut request = self.core.poll_store_request()?;
        self.asked += 1;
        let write = matches!(request.op, StoreOp::Commit(_));
        if write {
            self.writes.push(request.id);
        }
        if self.weather == Weather::Down || (write && self.weather == Weather::ReadOnly) {
            self.failing.push(request.id);
            request.op = StoreOp::Get("nothing".to_owned());
        }
        Some(request)
    }

    fn store_reply(&mut self, mut reply: StoreReply, now: Instant) {
        let write = self.writes.contains(&reply.id);
        let lost = self.weather == Weather::AnswersLost && write;
        if lost || self.failing.contains(&reply.id) {
            reply.result = Err(StoreError::Unavailable("weather".to_owned()));
        }
        if self.weather == Weather::Slow && write {
            return self.slow.push(reply);
        }
        self.core.handle_store_result(reply, now);
    }
}

/// Alice in her conference on a front end with weather; a second one has none.
fn flaky() -> (World, Client) {
    let mut world = World { net: Net::new() };
    let config = FrontEndConfig::new("fe1", vec![tcp(FE1)]).with_mcu_types(vec!["chat".to_owned()]);
    let wall = "2030-01-01T00:00:00Z".parse().expect("a time");
    let core = FrontEndCore::new(config, Box::new(SeededIds::new(1)), world.net.now, wall);
    let flaky =
        Flaky { core, weather: Weather::Fine, failing: vec![], writes: vec![], slow: vec![], asked: 0 };
    world.net.add(FE1, flaky);
    world.add_front_end(FE2, "fe2");
    world.net.advance(secs(2));
    let mut alice = world.client("alice", 7001, FE1);
    alice.schedule(&mut world);
    alice.join(&mut world);
    alice.subscribe(&mut world);
    world.net.advance(secs(1));
    alice.forget(&mut world);
    (world, alice)
}

fn is_locked(world: &mut World, client: &mut Client) -> Option<bool> {
    client.forget(world);
    let key = ConferenceKey::Entity(CONFERENCE.to_owned());
    client.command(world, Command::GetConference { key });
    let result = client.results(world).pop()?;
    let CommandResult::GetConference(Some(info)) = result.result else { return None };
    info.conference_state.and_then(|state| state.locked)
}

fn info(client: &mut Client, id: u64, command: Command) -> RequestDraft {
    let request = C3pRequest::new(id, client.user.as_str(), CONFERENCE, command);
    client.in_dialog(Method::Info).body(mime::C3P, request.write())
}

/// P2: while a write is under way, neither the 202 nor the result nor the document leaves.
#[test]
fn nothing_leaves_before_the_commit() {
    let (mut world, mut alice) = flaky();
    world.net.node::<Flaky>(FE1).weather = Weather::Slow;
    let draft = info(&mut alice, 101, lock(true));
    alice.send(&mut world, draft);
    let second = info(&mut alice, 102, lock(false));
    alice.send(&mut world, second);
    world.net.advance(Duration::from_millis(500));
    assert!(world.net.peer(alice.port).responses.is_empty());
    assert!(alice.documents(&mut world).is_empty() && alice.inbox(&mut world).is_empty());
    let now = world.net.now;
    world.net.node::<Flaky>(FE1).clear_up(now);
    world.net.settle();
    let results: Vec<(u64, Code)> =
        alice.results(&mut world).iter().map(|one| (one.request_id, one.code)).collect();
    assert_eq!(results, [(101, Code::Success), (102, Code::Success)], "in their order");
    assert_eq!(alice.documents(&mut world).len(), 2);
}

/// An outage delays; when it is over, the command was done once, and the owner is the same (P5).
#[test]
fn outage_moves_nobody() {
    let (mut world, mut alice) = flaky();
    world.net.node::<Flaky>(FE1).weather = Weather::Down;
    let draft = info(&mut alice, 101, lock(true));
    alice.send(&mut world, draft);
    world.net.advance(secs(5));
    assert!(alice.results(&mut world).is_empty());
    let now = world.net.now;
    world.net.node::<Flaky>(FE1).clear_up(now);
    world.net.advance(secs(2));
    assert_eq!(alice.results(&mut world).len(), 1);
    assert_eq!(is_locked(&mut world, &mut alice), Some(true));
    assert_eq!(world.net.node::<FrontEndCore>(FE2).conferences(), 0);
}

/// A write whose answer was lost is recognized as the own one.
#[test]
fn lost_answer_is_not_a_lost_conference() {
    let (mut world, mut alice) = flaky();
    world.net.node::<Flaky>(FE1).weather = Weather::AnswersLost;
    let draft = info(&mut alice, 101, lock(true));
    alice.send(&mut world, draft);
    world.net.advance(secs(1));
    let now = world.net.now;
    world.net.node::<Flaky>(FE1).clear_up(now);
    world.net.advance(secs(1));
    let results = alice.results(&mut world);
    assert_eq!(results.iter().map(|one| one.code).collect::<Vec<_>>(), [Code::Success]);
    assert_eq!(is_locked(&mut world, &mut alice), Some(true));
    assert_eq!(world.net.node::<Flaky>(FE1).core.conferences(), 1);
}

/// A longer outage: requests are refused with 503, the owner comes back to what is still its own.
#[test]
fn long_outage_is_said() {
    let (mut world, mut alice) = flaky();
    world.net.node::<Flaky>(FE1).weather = Weather::Down;
    world.net.advance(secs(9));
    let mut bob = world.client("bob", 7002, FE1);
    let refused = bob.join(&mut world);
    assert_eq!((refused.status(), diagnostics(&refused)), (503, 1));
    assert!(refused.headers().get("Retry-After").is_some());
    let now = world.net.now;
    world.net.node::<Flaky>(FE1).clear_up(now);
    world.net.advance(Duration::from_millis(900));
    assert_eq!(is_locked(&mut world, &mut alice), Some(false));
}

/// P8, P7: the owner dies when the end is committed and nobody was told. Who takes that for a failover is told by the
/// refusal of his rejoin; it does not begin the conference anew. A new session may.
#[test]
fn end_that_nobody_heard_of_is_not_undone() {
    let (mut world, mut alice) = flaky();
    let mut bob = world.joined("bob", 7002, FE1);
    world.net.node::<Flaky>(FE1).weather = Weather::Slow;
    let key = ConferenceKey::Entity(CONFERENCE.to_owned());
    let end = info(&mut alice, 101, Command::DeleteConference { key });
    alice.send(&mut world, end);
    world.net.kill(FE1);
    world.net.advance(secs(2));
    assert!(bob.inbox(&mut world).is_empty(), "not told");
    bob.server = FE2;
    let lost = bob.command(&mut world, lock(true));
    assert_eq!((lost.status(), diagnostics(&lost)), (481, 61001));
    let over = bob.join(&mut world);
    assert_eq!((over.status(), diagnostics(&over)), (404, 60002));
    bob.endpoint = "{bob-2}".to_owned();
    assert_eq!(bob.join(&mut world).status(), 200);
    assert_eq!(names(&bob.subscribe(&mut world)), [bob.user.clone()]);
}

/// The disk is full: reads go on, writes fail. What waits for the end of a conference waits without a busy loop.
#[test]
fn failing_writes_are_not_a_busy_loop() {
    let (mut world, mut alice) = flaky();
    world.net.node::<Flaky>(FE1).weather = Weather::ReadOnly;
    let key = ConferenceKey::Entity(CONFERENCE.to_owned());
    let end = info(&mut alice, 101, Command::DeleteConference { key });
    alice.send(&mut world, end);
    let mut bob = world.client("bob", 7002, FE1);
    let join = bob.join_draft();
    bob.send(&mut world, join);
    let before = world.net.node::<Flaky>(FE1).asked;
    world.net.advance(secs(5));
    let asked = world.net.node::<Flaky>(FE1).asked - before;
    assert!(asked < 200, "{asked} store requests in five seconds");
    let now = world.net.now;
    world.net.node::<Flaky>(FE1).clear_up(now);
    world.net.advance(secs(1));
    let (_, answer) = world.net.peer(bob.port).responses.pop_back().expect("an answer");
    assert_eq!(answer.status(), 200, "the next life of the conference");
}

/// Nothing stays in the store for ever: a binding that ran out and a conference that expired go away by themselves.
#[test]
fn what_expired_goes_away() {
    let mut world = World { net: Net::new() };
    let mut config = FrontEndConfig::new("fe1", vec![tcp(FE1)]).with_mcu_types(vec!["chat".to_owned()]);
    config.timers.conference_life = secs(600);
    config.timers.registration = secs(600);
    config.timers.clean_up = secs(60);
    let wall = "2030-01-01T00:00:00Z".parse().expect("a time");
    world.net.add(FE1, FrontEndCore::new(config, Box::new(SeededIds::new(1)), world.net.now, wall));
    world.net.advance(secs(2));
    let mut alice = world.client("alice", 7001, FE1);
    alice.schedule(&mut world);
    alice.join(&mut world);
    let mut register = alice.initial(Method::Register, "sip:alice@example.com");
    register.set_header("To", "<sip:alice@example.com>");
    assert_eq!(alice.ask(&mut world, register).status(), 200);
    let left = |world: &World| {
        let list = |prefix| ready(world.net.store.list(prefix)).expect("a store").len();
        (list(key::HEADS), list("conf/"), list(key::BINDINGS))
    };
    assert_eq!(left(&world), (1, 1, 1));
    // Whether she heard of the end is not known, so that more than the head is left.
    world.net.peer(alice.port).auto = None;
    let end = ConferenceKey::Entity(CONFERENCE.to_owned());
    assert_eq!(alice.command(&mut world, Command::DeleteConference { key: end }).status(), 202);
    world.net.advance(secs(500));
    let (heads, of_alice, bindings) = left(&world);
    assert!((heads, bindings) == (1, 1) && of_alice > 0, "it may begin again");
    world.net.advance(secs(200));
    assert_eq!(left(&world), (0, 0, 0));
}
