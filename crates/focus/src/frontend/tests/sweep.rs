//! Random histories: three front ends that pause, lose their connections and die, four clients that do anything.
//!
//! A failure prints `SEED=.. STEP=..`; the same seed gives the same history.

use std::collections::BTreeMap;

use c3p::command::{Command, CommandResult, ConferenceKey};
use c3p::info::Role;
use sip_core::{IdSource, Method};

use super::*;
use crate::record::{ConferenceHead, Record, key};
use crate::store::PoolStore;
use crate::testnet::ready;

const FRONT_ENDS: [u16; 3] = [FE1, FE2, 5080];
const SEEDS: u64 = 60;
const STEPS: u64 = 50;

struct History {
    world: World,
    dice: SeededIds,
    clients: Vec<Client>,
    alive: Vec<u16>,
    muted: Option<u16>,
    epoch: u64,
    versions: BTreeMap<u16, u32>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut world = World { net: Net::new() };
        for (port, name) in FRONT_ENDS.into_iter().zip(["fe1", "fe2", "fe3"]) {
            world.add_front_end(port, name);
        }
        world.add_mcu(MCU, "im1");
        world.net.advance(secs(2));
        let mut clients = Vec::new();
        for (port, name) in (7001..).zip(["alice", "bob", "carol", "dave"]) {
            clients.push(world.client(name, port, FE1));
        }
        clients[0].schedule(&mut world);
        let alive = FRONT_ENDS.to_vec();
        let dice = SeededIds::new(seed);
        Self { world, dice, clients, alive, muted: None, epoch: 0, versions: BTreeMap::new() }
    }

    fn draw(&mut self, below: usize) -> usize {
        usize::try_from(self.dice.below(u64::try_from(below).expect("small"))).expect("small")
    }

    fn step(&mut self) {
        let who = self.draw(4);
        match self.draw(12) {
            0 | 1 => self.join(who),
            2 => self.command(who, lock(true)),
            3 => self.command(who, lock(false)),
            4 => {
                // The organizer keeps his role: recovery needs somebody who may unlock.
                let at = 1 + self.draw(3);
                let user = self.clients[at].user.clone();
                let role = if self.draw(2) == 0 { Role::Presenter } else { Role::Attendee };
                let conference = CONFERENCE.to_owned();
                self.command(who, Command::ModifyUserRoles { conference, user, role });
            }
            5 => self.leave(who),
            6 => self.pause(),
            7 => {
                let at = self.draw(self.alive.len());
                if self.muted != Some(self.alive[at]) {
                    self.world.net.reset(self.alive[at]);
                }
            }
            8 if self.alive.len() > 2 => {
                let at = self.draw(self.alive.len());
                let port = self.alive.remove(at);
                self.world.net.kill(port);
                self.muted = self.muted.filter(|muted| *muted != port);
            }
            _ => {
                let wait = self.dice.below(12_000);
                self.world.net.advance(Duration::from_millis(wait));
            }
        }
        self.check();
    }

    fn pause(&mut self) {
        match self.muted.take() {
            Some(port) => self.world.net.unmute(port),
            None => {
                let at = self.draw(self.alive.len());
                self.muted = Some(self.alive[at]);
                self.world.net.mute(self.alive[at]);
            }
        }
    }

    fn some_server(&mut self) -> u16 {
        let at = self.draw(self.alive.len());
        self.alive[at]
    }

    /// One INVITE, given the time that a front end may hold it; the dialogs follow from the answer.
    fn join(&mut self, who: usize) {
        let server = self.some_server();
        let client = &mut self.clients[who];
        client.server = server;
        client.focus = None;
        client.watch = None;
        let draft = client.join_draft();
        client.send(&mut self.world, draft.clone());
        self.world.net.advance(secs(1));
        let answers = std::mem::take(&mut self.world.net.peer(client.port).responses);
        let Some((_, response)) = answers.into_iter().rfind(|(_, one)| one.cseq().method == Method::Invite)
        else {
            return;
        };
        if response.status() == 200 && response.call_id() == draft.call_id_value().unwrap_or_default() {
            client.joined(&mut self.world, &draft, &response);
            let draft = client.subscribe_draft();
            client.send(&mut self.world, draft.clone());
            let answer = self.world.net.peer(client.port).responses.pop_back();
            if let Some((_, response)) = answer.filter(|(_, one)| one.status() == 200) {
                // A subscription begins anew: so does the order of its versions.
                self.versions.remove(&client.port);
                client.watch = Dialog::uac(&draft, &response).ok();
            }
        }
    }

    fn command(&mut self, who: usize, command: Command) {
        let client = &mut self.clients[who];
        if client.focus.is_none() {
            return;
        }
        client.requests += 1;
        let request = C3pRequest::new(client.requests, client.user.as_str(), CONFERENCE, command);
        let draft = client.in_dialog(Method::Info).body(mime::C3P, request.write());
        client.send(&mut self.world, draft);
    }

    fn leave(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if client.focus.is_some() {
            let bye = client.in_dialog(Method::Bye);
            client.send(&mut self.world, bye);
            client.focus = None;
            client.watch = None;
        }
    }

    /// P1: epochs never go back. G3: versions grow within a subscription.
    fn check(&mut self) {
        if let Some(head) = self.head() {
            assert!(head.epoch >= self.epoch, "the epoch went back");
            self.epoch = head.epoch;
        }
        for client in &mut self.clients {
            let current = client.watch.as_ref().map(|watch| watch.id().call_id.clone());
            for (_, request) in std::mem::take(&mut self.world.net.peer(client.port).oneways) {
                // What a paused owner still had to say in a subscription that was given up is of no account.
                if current.as_deref() != Some(request.call_id()) {
                    continue;
                }
                let version = document(request.body()).version.expect("a version");
                let last = self.versions.insert(client.port, version);
                assert!(
                    last.is_none_or(|last| last < version),
                    "{} saw {last:?}, then {version}",
                    client.user
                );
            }
        }
    }

    fn head(&mut self) -> Option<ConferenceHead> {
        let name = key::conference("sip:alice@example.com", "7Q4W2ZK9");
        let entry = ready(self.world.net.store.get(&key::head(&name))).expect("a store")?;
        Some(ConferenceHead::decode(&entry.value).expect("a head"))
    }

    /// Faults stop: everybody comes in through any front end, and all see the same.
    fn recover(&mut self) {
        if let Some(port) = self.muted.take() {
            self.world.net.unmute(port);
        }
        self.world.net.advance(secs(40));
        for client in &mut self.clients {
            client.forget(&mut self.world);
            self.world.net.peer(client.port).responses.clear();
        }
        for (number, client) in self.clients.iter_mut().enumerate() {
            client.server = self.alive[number % self.alive.len()];
            let status = client.join(&mut self.world).status();
            assert_eq!(status, 200, "{} comes in", client.user);
            client.subscribe(&mut self.world);
            if number == 0 {
                // Whoever waits in the lobby is let in by the organizer, and later ones need no lobby.
                client.command(&mut self.world, lock(false));
            }
        }
        let waiting = self.clients.iter().map(|client| client.user.clone()).collect();
        let access = Command::SetLobbyAccess {
            conference: CONFERENCE.to_owned(),
            users: waiting,
            access: c3p::command::Access::Granted,
        };
        self.clients[0].command(&mut self.world, access);
        self.world.net.advance(secs(100));
        let mut seen = Vec::new();
        for client in &mut self.clients {
            client.forget(&mut self.world);
            let key = ConferenceKey::Entity(CONFERENCE.to_owned());
            assert_eq!(client.command(&mut self.world, Command::GetConference { key }).status(), 202);
            let result = client.results(&mut self.world).pop().expect("a result");
            let CommandResult::GetConference(Some(info)) = result.result else { panic!("a document") };
            assert_eq!(info.users().count(), 4, "nobody is lost, and no ghost is left");
            seen.push(info);
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "all see the same");
        let alive = self.alive.clone();
        let owners: usize =
            alive.iter().map(|port| self.world.net.node::<FrontEndCore>(*port).conferences()).sum();
        assert_eq!(owners, 1, "one owner");
    }
}

#[test]
fn histories_keep_the_invariants() {
    for seed in 0..SEEDS {
        let mut step = 0;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut history = History::new(seed);
            while step < STEPS {
                history.step();
                step += 1;
            }
            history.recover();
        }));
        if let Err(panic) = outcome {
            eprintln!("SEED={seed} STEP={step}");
            std::panic::resume_unwind(panic);
        }
    }
}
