//! Ready-made little worlds: a pool, an MCU, perhaps hops, and a few clients.

use std::time::Duration;

use c3p::McuType;
use conference::handle::JoinOptions;
use conference::session::{Command, OperationError, OperationId, OperationValue, SessionState};
use sip_core::{ListenAddr, TransportKind};

use crate::client::SimClient;
use crate::journal::{App, HostId};
use crate::ladder;
use crate::mock::{MockConference, MockFocus, MockHop, MockMcu, SharedConference};
use crate::network::{Death, Listener, NetworkConfig, Simulation};
use crate::wire::Wire;

/// The conference of all scenarios.
pub const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
const PORT: u16 = 5060;

/// How clients reach the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Straight, over connections; the second front end is the second server.
    Direct,
    /// Straight, over datagrams.
    Datagrams,
    /// Through one of two hops.
    Hops,
}

/// A world with two front ends, an MCU, two hops and clients.
#[derive(Debug)]
pub struct Scenario {
    /// The network; tests may do anything with it.
    pub simulation: Simulation,
    /// The record of the conference.
    pub conference: SharedConference,
    /// The front ends.
    pub front_ends: [HostId; 2],
    /// The IM MCU.
    pub mcu: HostId,
    /// The hops; only `Topology::Hops` uses them.
    pub hops: [HostId; 2],
    /// The clients, in the order in which they were added.
    pub clients: Vec<HostId>,
    topology: Topology,
    seed: u64,
    lives: u64,
}

impl Scenario {
    /// The world of `topology` with well-behaved networks.
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        Self::seeded(topology, 1, NetworkConfig::default())
    }

    /// The world of `topology` for a seed.
    #[must_use]
    pub fn seeded(topology: Topology, seed: u64, network: NetworkConfig) -> Self {
        let mut simulation = Simulation::new(seed, network);
        let conference = MockConference::new(CONFERENCE).shared();
        // Addresses are given out in order, so they are known before the hosts are there.
        let at = |last: u8| std::net::SocketAddr::from(([10, 0, 0, last], PORT));
        let mcu = MockMcu::new(at(1), conference.clone(), seed ^ 0x6d63_7500);
        let mcu = simulation.add_host("mcu", Box::new(mcu));
        let front_end = |simulation: &mut Simulation, name: &'static str, last: u8| {
            let node = MockFocus::new(
                name,
                at(last),
                conference.clone(),
                seed ^ u64::from(last) << 8,
                simulation.now(),
            );
            simulation.add_host(name, Box::new(node.with_mcu(McuType::Im, at(1))))
        };
        let front_ends = [front_end(&mut simulation, "fe1", 2), front_end(&mut simulation, "fe2", 3)];
        let pool = vec![at(2), at(3)];
        let hop = |simulation: &mut Simulation, name: &'static str, last: u8| {
            simulation.add_host(name, Box::new(MockHop::new(name, at(last), pool.clone(), 1)))
        };
        let hops = [hop(&mut simulation, "px1", 4), hop(&mut simulation, "px2", 5)];
        for host in [mcu, front_ends[0], front_ends[1], hops[0], hops[1]] {
            simulation.listen_tcp(host, PORT, Listener::Accepts);
            simulation.listen_udp(host, PORT);
        }
        Scenario {
            simulation,
            conference,
            front_ends,
            mcu,
            hops,
            clients: Vec::new(),
            topology,
            seed,
            lives: 1,
        }
    }

    /// How clients reach the pool.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.topology
    }

    /// Adds a client, not joined.
    pub fn add_client(&mut self, name: &str) -> HostId {
        let servers = match self.topology {
            Topology::Direct | Topology::Datagrams => self.front_ends,
            Topology::Hops => self.hops,
        };
        let transport = match self.topology {
            Topology::Direct | Topology::Hops => TransportKind::Tcp,
            Topology::Datagrams => TransportKind::Udp,
        };
        let servers = servers
            .iter()
            .map(|host| ListenAddr::new(transport, self.simulation.addr(*host, PORT)))
            .collect();
        let seed =
            self.seed.wrapping_mul(31).wrapping_add(u64::try_from(self.clients.len()).unwrap_or(0) + 1);
        let user = format!("sip:{name}@example.com");
        let client = SimClient::new(&user, CONFERENCE, servers, seed, self.simulation.now());
        let host = self.simulation.add_host(name, Box::new(client));
        self.clients.push(host);
        host
    }

    /// A world with one client that is `Connected`; what came before is over.
    #[must_use]
    pub fn connected(topology: Topology) -> (Self, HostId) {
        let mut scenario = Self::new(topology);
        let client = scenario.add_client("bob");
        scenario.join(client);
        (scenario, client)
    }

    /// The same, with an established IM call.
    #[must_use]
    pub fn with_call(topology: Topology) -> (Self, HostId) {
        let (mut scenario, client) = Self::connected(topology);
        let call = scenario.begin(client, Command::Call { mcu: McuType::Im });
        scenario.done(client, call);
        (scenario, client)
    }

    /// Joins and waits until it is done.
    ///
    /// # Panics
    ///
    /// The join fails, or is not over within a minute.
    pub fn join(&mut self, client: HostId) {
        let op = self.start_join(client);
        self.done(client, op);
        self.run(1);
        assert_eq!(self.state(client), SessionState::Connected, "{}", self.flow());
    }

    /// Joins and does not wait.
    pub fn start_join(&mut self, client: HostId) -> OperationId {
        self.simulation.act(client, |node: &mut SimClient, now| node.join(JoinOptions::default(), now))
    }

    /// Starts a command.
    pub fn begin(&mut self, client: HostId, command: Command) -> OperationId {
        self.simulation.act(client, |node: &mut SimClient, now| node.begin(command, now))
    }

    /// Locks the conference: the plainest of commands.
    pub fn lock(&mut self, client: HostId) -> OperationId {
        self.begin(client, Command::Lock { locked: true })
    }

    /// Says something.
    pub fn say(&mut self, client: HostId, text: &str) -> OperationId {
        self.simulation.act(client, |node: &mut SimClient, now| node.say(text, now))
    }

    /// Leaves, without waiting.
    pub fn leave(&mut self, client: HostId) -> OperationId {
        self.simulation.act(client, |node: &mut SimClient, now| node.leave(now))
    }

    /// Does something with the first front end.
    pub fn focus<R>(&mut self, act: impl FnOnce(&mut MockFocus, std::time::Instant) -> R) -> R {
        self.simulation.act(self.front_ends[0], act)
    }

    /// Does something with the first hop.
    pub fn hop<R>(&mut self, act: impl FnOnce(&mut MockHop) -> R) -> R {
        self.simulation.act(self.hops[0], |node, _| act(node))
    }

    /// Does something with the MCU.
    pub fn im_mcu<R>(&mut self, act: impl FnOnce(&mut MockMcu, std::time::Instant) -> R) -> R {
        self.simulation.act(self.mcu, act)
    }

    /// Kills a front end and its memory; the record survives in the pool.
    pub fn kill(&mut self, host: HostId, death: Death) {
        self.simulation.kill(host, death);
    }

    /// Starts a dead front end or hop again, with empty memory.
    pub fn restart(&mut self, host: HostId) {
        self.lives += 1;
        let (name, addr, now) =
            (self.simulation.name(host).to_owned(), self.simulation.addr(host, PORT), self.simulation.now());
        let seed = self.seed ^ self.lives << 32;
        let pool = self.front_ends.map(|host| self.simulation.addr(host, PORT)).to_vec();
        let mcu = self.simulation.addr(self.mcu, PORT);
        let focus = |name| {
            Box::new(
                MockFocus::new(name, addr, self.conference.clone(), seed, now).with_mcu(McuType::Im, mcu),
            )
        };
        let life = u32::try_from(self.lives).unwrap_or(u32::MAX);
        match name.as_str() {
            "fe1" => self.simulation.restart(host, focus("fe1")),
            "fe2" => self.simulation.restart(host, focus("fe2")),
            "px1" => self.simulation.restart(host, Box::new(MockHop::new("px1", addr, pool, life))),
            "px2" => self.simulation.restart(host, Box::new(MockHop::new("px2", addr, pool, life))),
            _ => self.simulation.restart(host, Box::new(MockMcu::new(addr, self.conference.clone(), seed))),
        }
    }

    /// Runs for so many virtual seconds.
    pub fn run(&mut self, seconds: u64) {
        self.simulation.run_for(Duration::from_secs(seconds));
    }

    /// The state of a client.
    #[must_use]
    pub fn state(&self, client: HostId) -> SessionState {
        self.simulation.node::<SimClient>(client).state()
    }

    /// Runs until a client is in this state.
    ///
    /// # Panics
    ///
    /// It is not within `seconds`.
    pub fn until(&mut self, client: HostId, state: SessionState, seconds: u64) {
        let limit = Duration::from_secs(seconds);
        let reached = self
            .simulation
            .run_until(limit, |simulation| simulation.node::<SimClient>(client).state() == state);
        assert!(reached, "not {state} within {seconds} s but {}\n{}", self.state(client), self.flow());
    }

    /// Runs until an operation is over, and gives its result.
    ///
    /// # Panics
    ///
    /// It is not within five minutes.
    pub fn outcome(&mut self, client: HostId, op: OperationId) -> Result<OperationValue, OperationError> {
        let over = |simulation: &Simulation| simulation.node::<SimClient>(client).result(op).is_some();
        let reached = self.simulation.run_until(Duration::from_secs(300), over);
        assert!(reached, "operation {op} is not over\n{}", self.flow());
        match self.simulation.node::<SimClient>(client).result(op) {
            Some(result) => result.clone(),
            None => unreachable!("it is over"),
        }
    }

    /// Runs until an operation is over, which has to succeed.
    ///
    /// # Panics
    ///
    /// It fails.
    pub fn done(&mut self, client: HostId, op: OperationId) {
        let outcome = self.outcome(client, op);
        assert!(outcome.is_ok(), "{outcome:?}\n{}", self.flow());
    }

    /// The rows that a client crossed, McuSessions included, from this record of the journal on.
    #[must_use]
    pub fn rows(&self, client: HostId, from: usize) -> Vec<&'static str> {
        self.app(client, from)
            .filter_map(|app| match app {
                App::State { row, .. } | App::Mcu { row, .. } => Some(*row),
                _ => None,
            })
            .collect()
    }

    /// The attendance events of a client as `joined sip:…`, from this record on.
    #[must_use]
    pub fn attendance(&self, client: HostId, from: usize) -> Vec<String> {
        self.app(client, from)
            .filter_map(|app| match app {
                App::Attendance { change, user, .. } => Some(format!("{change} {user}")),
                _ => None,
            })
            .collect()
    }

    /// What the application of a client did and was told, from this record on.
    pub fn app(&self, client: HostId, from: usize) -> impl Iterator<Item = &App> {
        self.simulation.journal().records().iter().skip(from).filter_map(move |record| match &record.what {
            crate::journal::What::App(host, app) if *host == client => Some(app),
            _ => None,
        })
    }

    /// The length of the journal: a place to count from.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.simulation.journal().records().len()
    }

    /// The requests of this method that a host sent from this record on: when, and the message.
    #[must_use]
    pub fn requests(&self, host: HostId, method: &str, from: usize) -> Vec<(Duration, String)> {
        let records = self.simulation.journal().records().iter().skip(from);
        records
            .filter_map(|record| match &record.what {
                crate::journal::What::Sent(packet) if packet.from == host => {
                    let wire = Wire::read(&packet.bytes)?;
                    let text = String::from_utf8_lossy(&packet.bytes).into_owned();
                    (wire.method() == Some(method)).then_some((record.at, text))
                }
                _ => None,
            })
            .collect()
    }

    /// The run as a message flow.
    #[must_use]
    pub fn flow(&self) -> String {
        ladder::ladder(self.simulation.journal(), &self.simulation.names(), 120)
    }
}
