//! The product's client on a simulated host: [`ClientCore`], driven by the network, with every event in the journal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use conference::client::{ClientCore, ClientOutput, ConferenceId, JoinTarget};
use conference::event::Event;
use conference::handle::JoinOptions;
use conference::link::LinkTimes;
use conference::roster::RosterSnapshot;
use conference::session::{
    Command, Completion, OperationError, OperationId, OperationName, OperationValue, RecoveryReport,
    SessionState,
};
use sip_core::auth::Credentials;
use sip_core::ua::{UserAgent, UserAgentConfig};
use sip_core::{Endpoint, EndpointConfig, ListenAddr, NameAddr, SeededIds, Transmit, TransportInput, Uri};

use crate::journal::App;
use crate::network::{Node, Remark};

/// The one session of a simulated client.
const SESSION: ConferenceId = ConferenceId(1);

/// A client with one conference session.
#[derive(Debug)]
pub struct SimClient {
    core: ClientCore,
    conference: String,
    next_operation: u64,
    state: SessionState,
    roster: Arc<RosterSnapshot>,
    completions: BTreeMap<OperationId, Completion>,
    reports: Vec<Arc<RecoveryReport>>,
    remarks: VecDeque<Remark>,
}

impl SimClient {
    /// A client of `user` (a SIP address) that knows these servers and will join `conference`.
    ///
    /// It has a password, for servers that ask for one in the realm of its domain.
    ///
    /// # Panics
    ///
    /// `user` is not a SIP address.
    #[must_use]
    pub fn new(user: &str, conference: &str, servers: Vec<ListenAddr>, seed: u64, now: Instant) -> Self {
        let address = Uri::parse(user).expect("a test's user is a SIP address");
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed)));
        let name = format!("{}@{}", address.user().unwrap_or_default(), address.host());
        let credentials = Credentials::new(name, "secret", address.host());
        let config = UserAgentConfig::new(NameAddr::new(address), servers).with_credentials(credentials);
        let ua = UserAgent::new(endpoint, config);
        let mut core = ClientCore::new(ua, LinkTimes::default());
        core.open(SESSION, now);
        SimClient {
            core,
            conference: conference.to_owned(),
            next_operation: 0,
            state: SessionState::Idle,
            roster: Arc::new(RosterSnapshot::default()),
            completions: BTreeMap::new(),
            reports: Vec::new(),
            remarks: VecDeque::new(),
        }
    }

    /// The core, for what has no method here.
    pub fn core(&mut self) -> &mut ClientCore {
        &mut self.core
    }

    /// Joins.
    pub fn join(&mut self, options: JoinOptions, now: Instant) -> OperationId {
        let op = self.operation(OperationName::Join);
        self.core.join(SESSION, op, JoinTarget::Uri(self.conference.clone()), options, now);
        self.collect();
        op
    }

    /// Starts a command, a call or a message.
    pub fn begin(&mut self, command: Command, now: Instant) -> OperationId {
        let op = self.operation(command.name());
        self.core.begin(SESSION, op, command, now);
        self.collect();
        op
    }

    /// Says something over the IM call.
    pub fn say(&mut self, text: &str, now: Instant) -> OperationId {
        let content_type = "text/plain; charset=UTF-8".to_owned();
        self.begin(Command::Say { content_type, text: text.to_owned() }, now)
    }

    /// Leaves.
    pub fn leave(&mut self, now: Instant) -> OperationId {
        let op = self.operation(OperationName::Leave);
        self.core.leave(SESSION, op, now);
        self.collect();
        op
    }

    /// Ends the conference for everybody.
    pub fn end(&mut self, now: Instant) -> OperationId {
        let op = self.operation(OperationName::End);
        self.core.end(SESSION, op, now);
        self.collect();
        op
    }

    /// The state that the last event told of.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// The users of the roster, those in the lobby included, sorted.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        let mut users: Vec<String> =
            self.roster.participants.iter().map(|participant| participant.uri.clone()).collect();
        users.sort();
        users.dedup();
        users
    }

    /// How an operation ended; `None` while it is under way.
    #[must_use]
    pub fn result(&self, op: OperationId) -> Option<&Result<OperationValue, OperationError>> {
        self.completions.get(&op).map(|completion| &completion.result)
    }

    /// The recovery reports so far.
    #[must_use]
    pub fn reports(&self) -> &[Arc<RecoveryReport>] {
        &self.reports
    }

    fn operation(&mut self, name: OperationName) -> OperationId {
        self.next_operation += 1;
        let begun = App::Begun { op: self.next_operation, name: name.as_str() };
        self.remarks.push_back(Remark::App(begun));
        OperationId(self.next_operation)
    }

    fn collect(&mut self) {
        while let Some(output) = self.core.poll_output() {
            let app = match output {
                ClientOutput::Event { event, .. } => self.on_event(event),
                ClientOutput::Complete(completion) => self.on_completion(completion),
                ClientOutput::Roster { roster, .. } => {
                    self.roster = roster;
                    continue;
                }
                ClientOutput::Over(_) => App::Over,
                ClientOutput::Scheduled { result, .. } => {
                    App::Other(format!("scheduled: {}", result.is_ok()))
                }
            };
            self.remarks.push_back(Remark::App(app));
        }
    }

    fn on_completion(&mut self, completion: Completion) -> App {
        let error = completion.result.as_ref().err();
        let app = App::Completed {
            op: completion.id.0,
            name: completion.name.as_str(),
            failure: error.map(|error| error.reason().as_str()),
            status: error.and_then(OperationError::sip_status),
        };
        self.completions.insert(completion.id, completion);
        app
    }

    fn on_event(&mut self, event: Event) -> App {
        match event {
            Event::State(change) => {
                self.state = change.to;
                App::State {
                    row: change.transition.as_str(),
                    from: change.from.as_str(),
                    to: change.to.as_str(),
                    cause: change.cause.as_str(),
                }
            }
            Event::Properties(_) => App::Properties,
            Event::Attendance { change, participant } => App::Attendance {
                change: change.as_str(),
                user: participant.uri.clone(),
                endpoint: participant.endpoint.clone(),
            },
            Event::McuState { mcu, from, to, transition } => App::Mcu {
                row: transition.as_str(),
                mcu: mcu.short_name(),
                from: from.as_str(),
                to: to.as_str(),
            },
            Event::Call { mcu, state, cause } => {
                App::Call { mcu: mcu.short_name(), state: state.as_str(), cause: cause.as_str() }
            }
            Event::Message { from, text, .. } => App::Message { from, text },
            Event::Operation(completion) => App::OperationEvent { op: completion.id.0 },
            Event::Repair { repaired, detected_by, .. } => {
                App::Repair { repaired, detected_by: detected_by.as_str() }
            }
            Event::Recovery(report) => {
                let app = App::Report {
                    level: report.level.as_str(),
                    result: report.result.as_str(),
                    attempts: report.attempts,
                    roster_changes: report.roster_changes,
                };
                self.reports.push(report);
                app
            }
            other => App::Other(format!("{other:?}")),
        }
    }
}

impl Node for SimClient {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.core.handle_transport(input, now);
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
        self.collect();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.poll_transmit()
    }

    fn poll_remark(&mut self) -> Option<Remark> {
        self.remarks.pop_front()
    }
}
