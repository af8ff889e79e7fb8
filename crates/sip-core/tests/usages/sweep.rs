//! Seeds over a wire that loses, doubles and reorders: both ends agree at last, and each usage ends exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use sip_core::{IdSource, InviteEvent, InviteId, Payload, SessionTimerConfig, SubscriptionEvent, UsageEvent};

use crate::net::*;

/// What a node knows of its usages.
#[derive(Default)]
struct Book {
    ends: BTreeMap<InviteId, u32>,
    subs: BTreeMap<sip_core::SubscriptionId, u32>,
}

impl Book {
    fn note(&mut self, event: &UsageEvent, at: &str) {
        let told = |ends: &BTreeMap<_, u32>, id| ends.get(&id).copied().unwrap_or(0);
        match event {
            UsageEvent::Invite(event) => {
                let (id, end) = match event {
                    InviteEvent::Ended { id, .. } => (*id, 1),
                    InviteEvent::Incoming { id, .. }
                    | InviteEvent::Provisional { id, .. }
                    | InviteEvent::Established { id, .. }
                    | InviteEvent::Forked { id, .. }
                    | InviteEvent::Surplus { id, .. }
                    | InviteEvent::Redirected { id, .. }
                    | InviteEvent::Confirmed { id, .. }
                    | InviteEvent::Pracked { id, .. }
                    | InviteEvent::Reinvited { id, .. }
                    | InviteEvent::Updated { id, .. }
                    | InviteEvent::Withdrawn { id, .. }
                    | InviteEvent::Request { id, .. }
                    | InviteEvent::Answered { id, .. }
                    | InviteEvent::RequestFailed { id, .. }
                    | InviteEvent::RefreshDue { id } => (*id, 0),
                    _ => return,
                };
                assert_eq!(told(&self.ends, id), 0, "{event:?} after the end, {at}");
                *self.ends.entry(id).or_default() += end;
            }
            UsageEvent::Subscription(event) => {
                let (id, end) = match event {
                    SubscriptionEvent::Ended { id, .. } => (*id, 1),
                    SubscriptionEvent::Incoming { id, .. }
                    | SubscriptionEvent::Accepted { id, .. }
                    | SubscriptionEvent::Notified { id, .. }
                    | SubscriptionEvent::NotifyDue { id }
                    | SubscriptionEvent::RefreshFailed { id, .. } => (*id, 0),
                    _ => return,
                };
                let before = self.subs.get(&id).copied().unwrap_or(0);
                assert_eq!(before, 0, "{event:?} after the end, {at}");
                *self.subs.entry(id).or_default() += end;
            }
        }
    }
}

struct Sweep {
    seed: u64,
    net: Net,
    books: [Book; 3],
    /// Every kind of event that was told.
    seen: BTreeSet<String>,
}

impl Sweep {
    fn new(seed: u64, loss: u64) -> Self {
        let session = Some(SessionTimerConfig::default().with_interval_s(90));
        let mut net = Net::with(seed, |_, config| config.with_session(session));
        (net.loss, net.duplication, net.delay) = (loss, 15, 400);
        Self { seed, net, books: Default::default(), seen: BTreeSet::new() }
    }

    fn roll(&mut self, n: u64) -> u64 {
        self.net.dice.below(n)
    }

    /// Both look at what they were told, and do this or that.
    fn react(&mut self) {
        for node in [A, B, C] {
            for event in self.net.events(node) {
                let at = format!("SEED={} at {:?}", self.seed, self.net.now - self.net.start);
                self.books[node].note(&event, &at);
                self.seen.insert(short(&event));
                self.answer(node, event);
            }
        }
    }

    fn answer(&mut self, node: usize, event: UsageEvent) {
        let dice = self.roll(100);
        let net = &mut self.net;
        match event {
            UsageEvent::Invite(InviteEvent::Incoming { id, .. }) => match dice {
                0..10 => net
                    .on(node, |u, ep, now| u.reject(id, 486, Payload::none(), ep, now))
                    .map(drop)
                    .unwrap_or_default(),
                10..20 => {}
                20..60 => {
                    let _ = net.on(node, |u, ep, now| u.ring(id, 183, sdp(), true, ep, now));
                    let _ = net.on(node, |u, ep, now| u.accept(id, Payload::none(), ep, now));
                }
                _ => net.on(node, |u, ep, now| u.accept(id, sdp(), ep, now)).map(drop).unwrap_or_default(),
            },
            UsageEvent::Invite(InviteEvent::Provisional { id, owes_prack: Some(reliable), .. }) => {
                let _ = net.on(node, |u, ep, now| u.prack(id, reliable, sdp(), ep, now));
            }
            UsageEvent::Invite(
                InviteEvent::Established { id, owes_ack: true, .. }
                | InviteEvent::Answered { id, owes_ack: true, .. },
            ) => {
                let _ = net.on(node, |u, ep, now| u.ack(id, sdp(), ep, now));
            }
            UsageEvent::Invite(
                InviteEvent::Reinvited { tx, .. }
                | InviteEvent::Request { tx, .. }
                | InviteEvent::Updated { tx: Some(tx), .. }
                | InviteEvent::Pracked { tx: Some(tx), .. },
            ) => {
                let status = [200, 200, 200, 488][dice as usize % 4];
                let _ = net.on(node, |u, ep, now| u.answer(tx, status, sdp(), ep, now));
            }
            UsageEvent::Subscription(SubscriptionEvent::Incoming { id, .. }) => {
                let state = sip_core::header::SubState::Active;
                let _ = net
                    .on(node, |u, ep, now| u.accept_subscription(id, state, None, Payload::none(), ep, now));
            }
            UsageEvent::Subscription(SubscriptionEvent::NotifyDue { id }) => {
                let _ = net.on(node, |u, ep, now| u.notify(id, Payload::none(), ep, now));
            }
            UsageEvent::Invite(_) | UsageEvent::Subscription(_) => {}
        }
    }

    /// One of the things that users do.
    fn act(&mut self) {
        let (node, dice) = (self.roll(2) as usize, self.roll(100));
        let ids: Vec<InviteId> =
            self.books[node].ends.iter().filter(|(_, n)| **n == 0).map(|(id, _)| *id).collect();
        let Some(id) = ids.last().copied() else { return };
        let net = &mut self.net;
        match dice {
            0..25 => net.on(node, |u, ep, now| u.reinvite(id, sdp(), ep, now)).map(drop).unwrap_or_default(),
            25..35 => net
                .on(node, |u, ep, now| u.reinvite(id, Payload::none(), ep, now))
                .map(drop)
                .unwrap_or_default(),
            35..60 => net.on(node, |u, ep, now| u.update(id, sdp(), ep, now)).map(drop).unwrap_or_default(),
            60..75 => net
                .on(node, |u, ep, now| u.send(id, sip_core::Method::Info, sdp(), ep, now))
                .map(drop)
                .unwrap_or_default(),
            75..85 => {
                let event = sip_core::header::Event { package: "dialog".into(), id: None };
                net.on(node, |u, ep, now| u.subscribe_in(id, event, 60, Payload::none(), ep, now))
                    .map(drop)
                    .unwrap_or_default();
            }
            85..90 => {
                net.on(node, |u, ep, now| u.end(id, Payload::none(), ep, now)).map(drop).unwrap_or_default()
            }
            _ => {}
        }
    }

    fn play(&mut self) {
        for _ in 0..3 {
            let offer = if self.roll(3) == 0 { Payload::none() } else { sdp() };
            let forks = self.roll(3) == 0;
            let to = if forks { FORK.parse().unwrap() } else { addr(B) };
            let a = self.net.invite(to, offer);
            self.books[A].ends.insert(a, 0);
            for _ in 0..30 {
                let wait = self.roll(2_500);
                self.turn(wait);
                self.act();
            }
            let _ = self.net.on(A, |u, ep, now| u.end(a, Payload::none(), ep, now));
        }
        for node in [A, B, C] {
            for id in self.books[node].subs.keys().copied().collect::<Vec<_>>() {
                let _ = self.net.on(node, |u, ep, now| u.unsubscribe(id, ep, now));
            }
        }
        for _ in 0..1_500 {
            self.turn(1_000);
        }
        for node in [A, B, C] {
            let left: Vec<_> =
                self.books[node].ends.iter().filter(|(_, n)| **n == 0).map(|(id, _)| *id).collect();
            assert_eq!(left, [], "no end at {node}, SEED={}", self.seed);
            let subs = self.books[node].subs.values().filter(|n| **n == 0).count();
            assert_eq!(subs, 0, "no end of a subscription at {node}, SEED={}", self.seed);
        }
        self.net.assert_empty(&format!("SEED={}", self.seed));
    }

    fn turn(&mut self, wait_ms: u64) {
        let until = self.net.now + ms(wait_ms);
        loop {
            self.react();
            match self.net.next().filter(|at| *at <= until) {
                Some(at) => self.net.run(at.saturating_duration_since(self.net.now)),
                None => break,
            }
        }
        self.net.run(until.saturating_duration_since(self.net.now));
    }
}

/// All kinds of events that were told in any of the runs.
fn sweep(seeds: Range<u64>, loss: u64) -> BTreeSet<String> {
    let runs = seeds.map(|seed| {
        let mut sweep = Sweep::new(seed, loss);
        sweep.play();
        sweep.seen
    });
    runs.flatten().collect()
}

fn assert_seen(seen: &BTreeSet<String>, kinds: &[&str]) {
    for kind in kinds {
        assert!(seen.contains(*kind), "{kind} never happened: {seen:?}");
    }
}

/// No loss, but copies and disorder.
#[test]
fn disorder() {
    let seen = sweep(0..60, 0);
    assert_seen(
        &seen,
        &[
            "established",
            "established owed",
            "confirmed",
            "surplus",
            "183",
            "183 owed",
            "pracked",
            "pracked sdp",
        ],
    );
    assert_seen(
        &seen,
        &["reinvited sdp", "reinvited", "updated sdp", "answered 200", "answered 488", "request INFO"],
    );
    assert_seen(&seen, &["ended LocalBye", "ended remote bye", "ended Cancelled", "ended rejected 486"]);
    assert_seen(
        &seen,
        &["subscribe 60", "accepted 60", "notified active", "notify due", "notified terminated"],
    );
}

/// A wire that loses a third.
#[test]
fn loss() {
    let seen = sweep(100..180, 30);
    assert_seen(&seen, &["established", "confirmed", "answered 200", "surplus", "ended remote bye"]);
}

/// A wire that loses most of what it carries.
#[test]
fn heavy_loss() {
    let seen = sweep(200..240, 70);
    assert_seen(&seen, &["ended NoAck", "ended SessionExpired", "ended failed"]);
}

/// A wire that carries hardly anything.
#[test]
fn almost_dead() {
    assert_seen(&sweep(300..320, 95), &["ended failed"]);
}
