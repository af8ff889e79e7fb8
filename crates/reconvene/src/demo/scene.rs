//! The running demo: processes, people, and one loop that takes in whatever happens.

use std::sync::Arc;
use std::time::Duration;

use c3p::McuType;
use conference::event::Event as Told;
use focus::record::{ConferenceHead, Record, key};
use focus::store::PoolStore;
use sip_core::ListenAddr;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::person::Person;
use crate::args::Modality;
use crate::event::Event;
use crate::failure::{Failure, chain};
use crate::node::SharedStore;
use crate::output::Output;
use crate::pool::{self, START_DEADLINE};
use crate::signals::StopSignals;
use crate::supervisor::{Launch, NodeSpec, Report, Supervisor};
use crate::translate;

/// Events of all people that wait for the loop.
const EVENTS_AHEAD: usize = 1024;

/// How long leaving and stopping may take in all.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// Who takes part. The first organizes the conference.
const NAMES: [&str; 3] = ["Alice", "Bob", "Carol"];

/// One message that somebody sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// Index of the sender.
    pub(super) by: usize,
    pub(super) text: String,
    /// Whether it was sent while something was dead and not yet recovered from.
    pub(super) in_outage: bool,
}

/// Everything that runs.
pub(super) struct Scene<'a> {
    pub(super) people: Vec<Person>,
    pub(super) sent: Vec<Sent>,
    pub(super) output: &'a Output,
    supervisor: Supervisor,
    store: Arc<dyn PoolStore>,
    told: mpsc::Receiver<(usize, Told)>,
    readers: JoinSet<()>,
    signals: StopSignals,
    /// Processes that ended, by name.
    dead: Vec<String>,
    acts: u32,
    _directory: tempfile::TempDir,
}

impl<'a> Scene<'a> {
    /// Starts the processes, and three clients that know the hops and nothing else.
    ///
    /// # Errors
    ///
    /// A process or a client could not start.
    pub(super) async fn open(log: &str, output: &'a Output) -> Result<Self, Failure> {
        let signals = StopSignals::listen()?;
        let (choice, directory) = pool::temporary_store()?;
        let store = SharedStore::open(&choice)?.get()?;
        let mut supervisor = Supervisor::new(Launch::Processes, log);
        let any: ListenAddr = "tcp:127.0.0.1:0".parse().map_err(|_| Failure::new("no loopback address"))?;
        let listen = || vec![any];
        let im = [Modality::Im];
        let mut servers = vec![
            NodeSpec::front_end("fe1".into(), listen(), &im, &choice, "example.com"),
            NodeSpec::front_end("fe2".into(), listen(), &im, &choice, "example.com"),
            NodeSpec::mcu("im1".into(), Modality::Im, listen(), &choice),
            NodeSpec::mcu("im2".into(), Modality::Im, listen(), &choice),
        ];
        servers.iter_mut().for_each(|spec| spec.temporary = true);
        supervisor.start_all(servers, START_DEADLINE).await?;
        let front_ends = addresses(&supervisor, &["fe1", "fe2"])?;
        let hops = ["hop1", "hop2"].map(|name| NodeSpec::hop(name.into(), listen(), front_ends.clone()));
        supervisor.start_all(hops.into(), START_DEADLINE).await?;
        output.event(&Event::Ready { nodes: supervisor.infos() });
        let hops = addresses(&supervisor, &["hop1", "hop2"])?;
        let mut people = Vec::new();
        let mut readers = JoinSet::new();
        let (teller, told) = mpsc::channel(EVENTS_AHEAD);
        for (index, name) in NAMES.into_iter().enumerate() {
            let person = Person::start(name, &hops).await?;
            let mut events = person.conference.events();
            let teller = teller.clone();
            readers.spawn(async move {
                while let Some(event) = events.next().await {
                    if teller.send((index, event)).await.is_err() {
                        return;
                    }
                }
            });
            people.push(person);
        }
        Ok(Self {
            people,
            sent: Vec::new(),
            output,
            supervisor,
            store,
            told,
            readers,
            signals,
            dead: Vec::new(),
            acts: 0,
            _directory: directory,
        })
    }

    /// Tells what comes next.
    pub(super) fn act(&mut self, title: &str) {
        self.acts += 1;
        self.output.event(&Event::Act { number: self.acts, title: title.to_owned() });
    }

    /// Takes in what happens until `done`.
    ///
    /// # Errors
    ///
    /// It did not come to that in time, or somebody pressed Ctrl-C.
    pub(super) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        while !done(self) {
            if !self.step(deadline).await? {
                let people: Vec<String> = self.people.iter().map(Person::describe).collect();
                return Err(Failure::new(format!("{what}: not within {patience:?} ({})", people.join("; ")))
                    .try_this("--log debug 2> demo.log"));
            }
        }
        Ok(())
    }

    /// Takes in what happens until that moment.
    ///
    /// # Errors
    ///
    /// Somebody pressed Ctrl-C.
    pub(super) async fn until_moment(&mut self, moment: Instant) -> Result<(), Failure> {
        while self.step(moment).await? {}
        Ok(())
    }

    /// Takes in one thing; `false`: the deadline came first.
    async fn step(&mut self, deadline: Instant) -> Result<bool, Failure> {
        tokio::select! {
            Some((index, told)) = self.told.recv() => self.take(index, &told),
            report = self.supervisor.next() => {
                if let Report::Exited { node, .. } = &report {
                    self.dead.push(node.clone());
                }
                pool::tell(&self.supervisor, &report, self.output);
            }
            () = self.signals.next() => return Err(Failure::new("stopped before the end")),
            () = tokio::time::sleep_until(deadline) => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, index: usize, told: &Told) {
        let Some(person) = self.people.get_mut(index) else { return };
        person.log.take(told);
        if self.output.is_json() || !is_dull(told) {
            translate::event(told).iter().for_each(|line| self.output.session_event(person.name, line));
        }
    }

    /// SIGKILL; returns when the processes are gone.
    ///
    /// # Errors
    ///
    /// They do not die, or Ctrl-C.
    pub(super) async fn kill(&mut self, names: &[&str]) -> Result<(), Failure> {
        self.dead.retain(|name| !names.contains(&name.as_str()));
        for name in names {
            self.supervisor.kill(name);
        }
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.until("a killed process ends", Duration::from_secs(5), move |scene| {
            names.iter().all(|name| scene.dead.contains(name))
        })
        .await
    }

    /// Whether a process is dead.
    pub(super) fn is_dead(&self, name: &str) -> bool {
        self.dead.iter().any(|dead| dead == name)
    }

    /// Starts a dead process again where it listened.
    ///
    /// # Errors
    ///
    /// It does not start or does not listen, or Ctrl-C.
    pub(super) async fn restart(&mut self, name: &str) -> Result<(), Failure> {
        let spec = self.supervisor.spec(name).cloned();
        let spec = spec.ok_or_else(|| Failure::new(format!("{name} never ran")))?;
        let spec = pool::again(&self.supervisor, spec);
        self.dead.retain(|dead| dead != name);
        self.supervisor.start(spec)?;
        let name = name.to_owned();
        self.until("a restarted process listens", START_DEADLINE, move |scene| {
            scene.supervisor.info(&name).is_some_and(|info| !info.listen.is_empty())
        })
        .await
    }

    /// The names of the front end that owns the conference and of its IM MCU, from the pool's store.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or the conference has none.
    pub(super) async fn owner_and_mcu(&self) -> Result<(String, String), Failure> {
        let entries = self.store.list(key::HEADS).await.map_err(|error| Failure::new(chain(&error)))?;
        let entry = entries.first().ok_or_else(|| Failure::new("the store has no conference"))?;
        let head = ConferenceHead::decode(&entry.value).map_err(|error| Failure::new(chain(&error)))?;
        let owner =
            head.owner.map(|owner| owner.node).ok_or_else(|| Failure::new("nobody owns the conference"))?;
        let mcu = head
            .mcus
            .into_iter()
            .find(|slot| slot.mcu == c3p::McuType::Im.as_str())
            .and_then(|slot| slot.node);
        Ok((owner, mcu.ok_or_else(|| Failure::new("the conference has no IM MCU"))?))
    }

    /// Everybody leaves, every process ends.
    pub(super) async fn close(mut self) {
        let people = std::mem::take(&mut self.people);
        let leave = async {
            for person in &people {
                person.endpoint.shutdown().await;
            }
        };
        if tokio::time::timeout(CLOSE_DEADLINE, leave).await.is_err() {
            tracing::debug!("not everybody could leave in time");
        }
        self.readers.shutdown().await;
        self.supervisor.stop().await;
    }
}

/// What people need not read in the demo, because other lines show it: that a message was taken, that this pool has
/// no audio MCU, and the properties that a conference starts with.
fn is_dull(told: &Told) -> bool {
    match told {
        Told::Operation(done) => done.result.is_ok(),
        Told::McuState { mcu, .. } => *mcu != McuType::Im,
        Told::Properties(changes) => changes.iter().all(|change| change.old.is_none()),
        _ => false,
    }
}

/// Where these nodes listen.
fn addresses(supervisor: &Supervisor, names: &[&str]) -> Result<Vec<ListenAddr>, Failure> {
    let listens = names.iter().filter_map(|name| supervisor.info(name)).flat_map(|info| info.listen);
    listens.map(|text| text.parse().map_err(|_| Failure::new(format!("{text} is no address")))).collect()
}
