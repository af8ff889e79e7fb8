//! The task that owns an endpoint: a transport, a [`ClientCore`], and the handles' commands.
//!
//! The loop is the one of every shell: drain what the core puts out, wait for the next message, command or deadline, feed
//! the core one input, repeat. A look-up of the servers' name is a task of its own, of which there is one at most; it ends
//! with this one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use sip_core::ids::SystemIds;
use sip_core::resolve::Destination;
use sip_core::transport::Transport;
use sip_core::ua::{UserAgent, UserAgentConfig};
use sip_core::{Endpoint, EndpointConfig as SipConfig};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::client::{ClientCore, ClientOutput, ConferenceId, ScheduleId};
use crate::event::Event;
use crate::handle::{Action, COMMANDS_MAX, EndpointConfig, Orphans, Reply, Scheduled, StartError, ToDriver};
use crate::lookup::{Lookup, LookupError};
use crate::roster::RosterSnapshot;
use crate::session::{OperationError, OperationId};

/// Readers of one session's events.
const READERS_MAX: usize = 64;

/// Binds the sockets and spawns the task.
pub(crate) async fn start(
    config: EndpointConfig,
    orphans: Orphans,
) -> Result<mpsc::Sender<ToDriver>, StartError> {
    let (driver, tx) = Driver::bind(config, orphans).await?;
    tokio::spawn(driver.run());
    Ok(tx)
}

/// One reader of events, and how many it missed since it fell behind.
struct Reader {
    tx: mpsc::Sender<Event>,
    missed: u64,
}

struct Session {
    roster: watch::Sender<Arc<RosterSnapshot>>,
    readers: Vec<Reader>,
}

struct Driver {
    core: ClientCore,
    transport: Transport,
    rx: mpsc::Receiver<ToDriver>,
    sessions: HashMap<ConferenceId, Session>,
    replies: HashMap<OperationId, Reply>,
    schedules: HashMap<ScheduleId, oneshot::Sender<Result<Scheduled, OperationError>>>,
    next_schedule: u64,
    shutdown: Vec<oneshot::Sender<()>>,
    orphans: Orphans,
    /// Sessions that are over, to be forgotten if nobody holds them.
    over: Vec<ConferenceId>,
    lookup: Option<Arc<dyn Lookup>>,
    /// The look-up under way.
    looking: JoinSet<Result<Vec<Destination>, LookupError>>,
}

impl Driver {
    /// Binds the sockets.
    async fn bind(
        config: EndpointConfig,
        orphans: Orphans,
    ) -> Result<(Driver, mpsc::Sender<ToDriver>), StartError> {
        let most = config.message_bytes_max;
        let limits = sip_core::Limits::default().with_message_bytes(most).with_body_bytes(most);
        let transport = Transport::bind(&[], config.transport.clone().with_limits(limits)).await;
        let transport = transport.map_err(StartError::Transport)?;
        let (tx, rx) = mpsc::channel(COMMANDS_MAX);
        let servers = if config.lookup.is_some() { Vec::new() } else { config.servers.clone() };
        let mut ua_config = UserAgentConfig::new(config.identity(), servers);
        if !config.register {
            ua_config = ua_config.without_registration();
        }
        ua_config.credentials = config.credentials.clone();
        let endpoint = Endpoint::new(SipConfig::default(), Box::new(SystemIds::new()));
        let lookup = match config.lookup {
            Some((uri, lookup)) => {
                let found = lookup.find(&uri).await;
                let found =
                    found.map_err(|source| StartError::Lookup { name: uri.host().to_owned(), source })?;
                ua_config = ua_config.with_server_uri(uri);
                Some((lookup, found))
            }
            None => None,
        };
        let mut ua = UserAgent::new(endpoint, ua_config);
        let lookup = lookup.map(|(lookup, found)| {
            // It asks at the start; the answer is here already.
            let _ = ua.poll_locate();
            ua.set_servers(&found, now());
            lookup
        });
        let core = ClientCore::new(ua, config.times);
        let driver = Driver {
            core,
            transport,
            rx,
            sessions: HashMap::new(),
            replies: HashMap::new(),
            schedules: HashMap::new(),
            next_schedule: 0,
            shutdown: Vec::new(),
            orphans,
            over: Vec::new(),
            lookup,
            looking: JoinSet::new(),
        };
        Ok((driver, tx))
    }

    async fn run(mut self) {
        let mut open = true;
        loop {
            self.drain();
            self.look_up();
            if self.rx.is_empty() && self.take_orphans() {
                continue;
            }
            if (!open || !self.shutdown.is_empty()) && self.core.is_quiet() {
                break;
            }
            let deadline = self.core.poll_timeout().map(tokio::time::Instant::from_std);
            tokio::select! {
                input = self.transport.next() => self.core.handle_transport(input, now()),
                message = self.rx.recv(), if open => match message {
                    Some(message) => self.on_message(message),
                    // Every handle is gone: the sessions leave, then the task ends.
                    None => {
                        open = false;
                        self.core.shutdown(now());
                    }
                },
                Some(found) = self.looking.join_next() => self.on_found(found.ok()),
                () = sleep_until(deadline) => self.core.handle_timeout(now()),
            }
        }
        self.drain();
        self.looking.shutdown().await;
        self.transport.shutdown().await;
        for done in self.shutdown.drain(..) {
            let _ = done.send(());
        }
    }

    /// Starts the look-up that the core wants. One that is under way serves for it as well.
    fn look_up(&mut self) {
        let (Some(uri), Some(lookup)) = (self.core.poll_lookup(), &self.lookup) else { return };
        if self.looking.is_empty() {
            tracing::debug!("the servers are looked up");
            let lookup = Arc::clone(lookup);
            self.looking.spawn(async move { lookup.find(&uri).await });
        }
    }

    /// What came of the look-up; `None`: its task ended without a result.
    fn on_found(&mut self, found: Option<Result<Vec<Destination>, LookupError>>) {
        let found = match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the servers cannot be looked up");
                Vec::new()
            }
            None => Vec::new(),
        };
        self.core.handle_servers(&found, now());
    }

    fn on_message(&mut self, message: ToDriver) {
        match message {
            ToDriver::Open { id, roster } => {
                self.core.open(id, now());
                self.sessions.insert(id, Session { roster, readers: Vec::new() });
            }
            ToDriver::Subscribe { id, tx } => {
                if let Some(session) = self.sessions.get_mut(&id)
                    && session.readers.len() < READERS_MAX
                {
                    session.readers.push(Reader { tx, missed: 0 });
                }
            }
            ToDriver::Run { id, op, what, reply } => {
                self.replies.insert(op, reply);
                self.run_action(id, op, what);
            }
            ToDriver::Typing { id, types } => self.core.typing(id, types, now()),
            ToDriver::Status { id, reply } => {
                if let Some(status) = self.core.status(id) {
                    let _ = reply.send(status);
                }
            }
            ToDriver::CallId { id, mcu, reply } => {
                let _ = reply.send(self.core.call_id(id, mcu));
            }
            ToDriver::Uri { id, reply } => {
                let _ = reply.send(self.core.uri(id));
            }
            ToDriver::Schedule { options, reply } => {
                self.next_schedule += 1;
                let id = ScheduleId(self.next_schedule);
                self.schedules.insert(id, reply);
                self.core.schedule(id, &options, now());
            }
            ToDriver::Dropped { id } => self.on_dropped(id),
            // What waits is looked for when the queue is empty.
            ToDriver::Wake => {}
            ToDriver::Shutdown { reply } => {
                self.shutdown.push(reply);
                self.core.shutdown(now());
            }
        }
    }

    fn run_action(&mut self, id: ConferenceId, op: OperationId, what: Action) {
        let now = now();
        match what {
            Action::Join { target, options } => self.core.join(id, op, target, options, now),
            Action::Leave => self.core.leave(id, op, now),
            Action::End => self.core.end(id, op, now),
            Action::Command(command) => self.core.begin(id, op, command, now),
        }
    }

    /// Sends and tells everything that the core has ready.
    fn drain(&mut self) {
        while let Some(transmit) = self.core.poll_transmit() {
            self.transport.send(transmit);
        }
        while let Some(output) = self.core.poll_output() {
            self.on_output(output);
        }
        for id in std::mem::take(&mut self.over) {
            self.forget(id);
        }
    }

    fn on_dropped(&mut self, id: ConferenceId) {
        self.core.handle_dropped(id, now());
        self.forget(id);
    }

    /// `true`: there were some.
    fn take_orphans(&mut self) -> bool {
        let orphans = self.orphans.take();
        orphans.iter().for_each(|id| self.on_dropped(*id));
        !orphans.is_empty()
    }

    /// Nothing is kept of a session that is over and that nobody holds.
    fn forget(&mut self, id: ConferenceId) {
        if !self.core.is_open(id) {
            self.sessions.remove(&id);
        }
    }

    fn on_output(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Event { id, event } => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.readers.retain_mut(|reader| reader.give(&event));
                }
            }
            ClientOutput::Roster { id, roster } => {
                if let Some(session) = self.sessions.get(&id) {
                    session.roster.send_replace(roster);
                }
            }
            ClientOutput::Complete(completion) => {
                if let Some(reply) = self.replies.remove(&completion.id) {
                    let _ = reply.send(completion.result);
                }
            }
            // The streams end when the readers have taken what is left.
            ClientOutput::Over(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.readers.clear();
                }
                self.over.push(id);
            }
            ClientOutput::Scheduled { id, result } => {
                if let Some(reply) = self.schedules.remove(&id) {
                    let _ = reply.send(result);
                }
            }
        }
    }
}

impl Reader {
    /// Hands an event over without waiting; `false`: nobody reads any more.
    fn give(&mut self, event: &Event) -> bool {
        if self.missed > 0 {
            match self.tx.try_send(Event::Lagged { missed: self.missed }) {
                Ok(()) => self.missed = 0,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.missed += 1;
                    return true;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
        }
        match self.tx.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver() -> Driver {
        let mut config = EndpointConfig::new("sip:bob@example.com".parse().expect("an address"));
        config.servers.push("tcp:127.0.0.1:9".parse().expect("a server"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (driver, _) = runtime.block_on(Driver::bind(config, Orphans::default())).expect("sockets");
        driver
    }

    /// A session that nobody holds leaves nothing in the task.
    #[test]
    fn dropped_sessions_are_forgotten() {
        let mut driver = driver();
        for id in 0..100 {
            let id = ConferenceId(id);
            let (roster, _) = watch::channel(Arc::default());
            driver.on_message(ToDriver::Open { id, roster });
            driver.on_message(ToDriver::Dropped { id });
        }
        driver.drain();
        assert!(driver.sessions.is_empty());
    }
}
