//! A pool in this process on ports that the system picks, and people who meet in it.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::sync::Arc;
use std::time::Duration;

use focus::config::{FrontEndConfig, PoolUsers};
use focus::hop::HopConfig;
use focus::mcu::McuConfig;
use focus::node;
use focus::report::NodeReport;
use focus::store::{MemoryStore, PoolStore};
use reconvene::{
    Conference, Endpoint, EndpointConfig, Event, Events, JoinOptions, McuType, OperationError, Scheduled,
};
use sip_core::auth::{Accounts, SharedKey};
use sip_core::{ListenAddr, SystemIds};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Nothing on loopback takes this long; it is here so that a test that waits for nothing ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One running node.
pub(crate) struct Node {
    pub(crate) listen: Vec<ListenAddr>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Front ends and one IM MCU over one memory store.
pub(crate) struct Pool {
    pub(crate) front_ends: Vec<Node>,
    pub(crate) mcu: Node,
}

impl Pool {
    /// A pool with this many front ends, each on UDP and TCP.
    pub(crate) async fn start(front_ends: usize) -> Pool {
        Self::launch(front_ends, None).await
    }

    /// The same that lets in only those who are in `lines` (`user@domain:password`).
    pub(crate) async fn with_users(front_ends: usize, lines: &str) -> Pool {
        let accounts = Arc::new(Accounts::parse(lines).expect("a list of users"));
        let key = SharedKey::new(&mut SystemIds::new());
        Self::launch(front_ends, Some(PoolUsers { accounts, key })).await
    }

    async fn launch(front_ends: usize, users: Option<PoolUsers>) -> Pool {
        let store: Arc<dyn PoolStore> = Arc::new(MemoryStore::new());
        let mcu = {
            let mut config = McuConfig::new("im1", McuType::Im, any(&["tcp"]));
            config.key = users.as_ref().map(|users| users.key.clone());
            let store = Arc::clone(&store);
            start(move |reports, stop| async move {
                node::run_mcu(config, store, reports, stop).await.expect("an MCU");
            })
            .await
        };
        let mut nodes = Vec::new();
        for number in 1..=front_ends {
            let mut config = FrontEndConfig::new(format!("fe{number}"), any(&["tcp", "udp"]))
                .with_domain(Some("example.com".into()))
                .with_mcu_types(vec!["chat".into()]);
            config.users = users.clone();
            let store = Arc::clone(&store);
            let node = start(move |reports, stop| async move {
                node::run_front_end(config, store, reports, stop).await.expect("a front end");
            });
            nodes.push(node.await);
        }
        Pool { front_ends: nodes, mcu }
    }

    /// The TCP addresses of the front ends.
    pub(crate) fn servers(&self) -> Vec<ListenAddr> {
        self.front_ends.iter().filter_map(|node| node.listen.first().copied()).collect()
    }

    /// Somebody with an endpoint at this pool.
    pub(crate) async fn person(&self, name: &str) -> Person {
        Person::at(name, &self.servers()).await
    }

    /// A conference of Alice's.
    pub(crate) async fn scheduled(&self) -> (Person, Scheduled) {
        let alice = self.person("alice").await;
        let scheduled = alice.endpoint.schedule(Default::default()).await.expect("a conference");
        (alice, scheduled)
    }
}

/// A hop in front of a pool.
pub(crate) async fn hop(next: Vec<ListenAddr>) -> Node {
    let config = HopConfig::new("hop1", any(&["tcp"]), next);
    start(move |reports, stop| async move {
        node::run_hop(config, reports, stop).await.expect("a hop");
    })
    .await
}

fn any(transports: &[&str]) -> Vec<ListenAddr> {
    transports
        .iter()
        .map(|transport| format!("{transport}:127.0.0.1:0").parse().expect("an address"))
        .collect()
}

async fn start<F, R>(run: R) -> Node
where
    F: Future<Output = ()> + Send + 'static,
    R: FnOnce(mpsc::Sender<NodeReport>, Stop) -> F,
{
    let (reports, mut told) = mpsc::channel(256);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(run(reports, Stop(stopped)));
    let listen = match told.recv().await {
        Some(NodeReport::Ready { listen }) => listen,
        other => panic!("the node did not listen: {other:?}"),
    };
    tokio::spawn(async move { while told.recv().await.is_some() {} });
    Node { listen, stop, task }
}

/// Ready when the node is told to stop, or its owner is gone.
pub(crate) struct Stop(oneshot::Receiver<()>);

impl Future for Stop {
    type Output = ();

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|_| ())
    }
}

/// Somebody with one conference session, who writes down what happens to it.
pub(crate) struct Person {
    pub(crate) endpoint: Endpoint,
    pub(crate) conference: Conference,
    pub(crate) uri: String,
    events: Events,
    /// Every state, MCU and attendance event so far, one short line each.
    pub(crate) seen: Vec<String>,
}

impl Person {
    pub(crate) async fn at(name: &str, servers: &[ListenAddr]) -> Person {
        let uri = format!("sip:{name}@example.com");
        let config = EndpointConfig::new(uri.parse().expect("a URI")).with_display_name(name);
        Self::start(config, servers).await
    }

    pub(crate) async fn start(mut config: EndpointConfig, servers: &[ListenAddr]) -> Person {
        for server in servers {
            config = config.with_server(*server);
        }
        let uri = config.address.to_string();
        let endpoint = Endpoint::start(config).await.expect("an endpoint");
        let conference = endpoint.conference();
        let events = conference.events();
        Person { endpoint, conference, uri, events, seen: Vec::new() }
    }

    pub(crate) async fn join(&mut self, uri: &str) -> Result<(), OperationError> {
        self.join_with(uri, JoinOptions::default()).await
    }

    pub(crate) async fn join_with(&mut self, uri: &str, options: JoinOptions) -> Result<(), OperationError> {
        let done = patient("the join", self.conference.join(uri, options)).await;
        self.note();
        done.map(|_| ())
    }

    /// Takes what is there without waiting.
    pub(crate) fn note(&mut self) {
        while let Some(event) = self.events.try_next() {
            self.seen.extend(line(&event));
        }
    }

    /// Waits for this line, or finds it among those seen.
    pub(crate) async fn sees(&mut self, wanted: &str) {
        self.note();
        while !self.seen.iter().any(|line| line.starts_with(wanted)) {
            let event = tokio::time::timeout(PATIENCE, self.events.next()).await;
            match event {
                Ok(Some(event)) => self.seen.extend(line(&event)),
                Ok(None) => panic!("{} never saw {wanted:?}, only {:#?}", self.uri, self.seen),
                Err(_) => panic!("{} waits for {wanted:?}, and saw {:#?}", self.uri, self.seen),
            }
        }
    }

    /// The transitions so far, with their causes: `T1 local-join`.
    pub(crate) fn transitions(&self) -> Vec<&str> {
        self.seen.iter().filter(|line| line.starts_with('T')).map(String::as_str).collect()
    }

    pub(crate) fn has_seen(&mut self, wanted: &str) -> bool {
        self.note();
        self.seen.iter().any(|line| line.starts_with(wanted))
    }
}

fn line(event: &Event) -> Option<String> {
    match event {
        Event::State(change) => Some(format!("{} {}", change.transition, change.cause)),
        Event::McuState { mcu, transition, .. } => Some(format!("{transition} {}", mcu.short_name())),
        Event::Attendance { change, participant } => {
            let role = participant.role.as_ref().map(ToString::to_string).unwrap_or_default();
            let lobby = if participant.in_lobby { " lobby" } else { "" };
            Some(format!("{} {} {role}{lobby}", change.as_str(), participant.uri))
        }
        Event::Properties(changes) => {
            let all = changes.iter().map(|change| format!("{}={:?}", change.name, change.new));
            Some(format!("properties {}", all.collect::<Vec<_>>().join(" ")))
        }
        Event::Message { from, text, .. } => Some(format!("message {from} {text}")),
        Event::Call { state, cause, .. } => Some(format!("call {state} {cause}")),
        Event::Recovery(report) => Some(format!("recovery {} {}", report.level, report.result)),
        _ => None,
    }
}

/// The result of something that must not take for ever.
pub(crate) async fn patient<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} took too long"),
    }
}
