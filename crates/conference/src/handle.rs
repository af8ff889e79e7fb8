//! What an application holds: an [`Endpoint`], its [`Conference`]s, their [`Events`], and [`Operation`]s under way.
//!
//! Handles are cheap to clone and safe to share; one task owns everything behind them. Each command returns an
//! [`Operation`] at once, which is a future with an id. What a caller sees after an operation ends already includes every
//! event that it caused.
//!
//! # Examples
//!
//! ```no_run
//! use conference::{Endpoint, EndpointConfig, Event, JoinOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = EndpointConfig::new("sip:bob@example.com".parse()?)
//!     .with_display_name("Bob")
//!     .with_server("tcp:127.0.0.1:5060".parse()?);
//! let endpoint = Endpoint::start(config).await?;
//! let conference = endpoint.conference();
//! let mut events = conference.events();
//! conference.join("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9", JoinOptions::default()).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message { from, text, .. } = event {
//!         println!("{from}: {text}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use c3p::McuType;
use sip_core::{Credentials, ListenAddr, NameAddr, TransportConfig, Uri};
use tokio::sync::{mpsc, oneshot, watch};

use crate::client::{ConferenceId, JoinTarget};
use crate::driver;
use crate::event::Event;
use crate::link::LinkTimes;
use crate::lookup::{Lookup, LookupError};
use crate::roster::RosterSnapshot;
use crate::session::{Command, OperationError, OperationId, OperationName, OperationValue, Status};

/// Commands that may wait for the endpoint's task; one more fails as retryable.
pub(crate) const COMMANDS_MAX: usize = 1024;

/// What an [`Endpoint`] is started with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// Our address of record.
    pub address: Uri,
    /// The name for people.
    pub display_name: Option<String>,
    /// Servers in order of preference; they count as the addresses of one name.
    pub servers: Vec<ListenAddr>,
    /// The name of the servers, and who looks it up: at the start, and whenever the connection is lost. `servers` do not
    /// count then.
    pub lookup: Option<(Uri, Arc<dyn Lookup>)>,
    /// The sockets: their limits, TLS, and who sees the messages. Limits on messages are those of this endpoint.
    pub transport: TransportConfig,
    /// Whether to register first (a server without a registrar is joined all the same).
    pub register: bool,
    /// The largest message that is accepted on our own flow, in bytes.
    pub message_bytes_max: usize,
    /// Events that may wait for a slow reader before it is told that it fell behind.
    pub events_max: usize,
    /// The times of signalling.
    pub times: LinkTimes,
    /// What servers that ask for a password get.
    pub credentials: Option<Credentials>,
}

impl EndpointConfig {
    /// An endpoint for `address` with the defaults: it registers, accepts 16 MiB a message, keeps 1,024 events.
    #[must_use]
    pub fn new(address: Uri) -> Self {
        EndpointConfig {
            address,
            display_name: None,
            servers: Vec::new(),
            lookup: None,
            transport: TransportConfig::default(),
            register: true,
            message_bytes_max: 16 * 1024 * 1024,
            events_max: 1024,
            times: LinkTimes::default(),
            credentials: None,
        }
    }

    /// Adds a server behind those there are.
    #[must_use]
    pub fn with_server(mut self, server: ListenAddr) -> Self {
        self.servers.push(server);
        self
    }

    /// Finds the servers by this name instead (RFC 3263, if that is what `lookup` does).
    #[must_use]
    pub fn with_lookup(mut self, uri: Uri, lookup: Arc<dyn Lookup>) -> Self {
        self.lookup = Some((uri, lookup));
        self
    }

    /// Sets what the sockets are made with: TLS, for one.
    #[must_use]
    pub fn with_transport(mut self, transport: TransportConfig) -> Self {
        self.transport = transport;
        self
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Does not register: the Contact is the flow's address, and a broken flow means a rejoin.
    #[must_use]
    pub fn without_registration(mut self) -> Self {
        self.register = false;
        self
    }

    /// Sets the password of our address. It answers our own domain only, through the servers that are set.
    #[must_use]
    pub fn with_password(self, password: impl Into<String>) -> Self {
        let (user, domain) = (self.address.user().unwrap_or_default(), self.address.host());
        let credentials = Credentials::new(format!("{user}@{domain}"), password, domain);
        self.with_credentials(credentials)
    }

    /// Sets another name and password than those of our address, or another realm than our domain.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the times of signalling.
    #[must_use]
    pub fn with_times(mut self, times: LinkTimes) -> Self {
        self.times = times;
        self
    }

    pub(crate) fn identity(&self) -> NameAddr {
        let identity = NameAddr::new(self.address.clone());
        match &self.display_name {
            Some(name) => identity.with_display(name),
            None => identity,
        }
    }
}

/// Why an endpoint did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no server to talk to.
    #[error("no server is configured")]
    NoServer,
    /// The name of the servers leads nowhere, at least now.
    #[error("no server of {name} was found")]
    Lookup {
        /// What was looked up.
        name: String,
        /// Why.
        #[source]
        source: LookupError,
    },
    /// The sockets could not be made.
    #[error("the transport could not be started")]
    Transport(#[source] std::io::Error),
}

/// How to join.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JoinOptions {
    /// How long to wait in the lobby; zero: do not wait, fail with `LobbyTimeout` instead.
    pub lobby_timeout: Duration,
    /// How long to stay in `Reconnecting` before leaving by ourselves; `None`: for as long as it takes.
    pub give_up_after: Option<Duration>,
}

impl Default for JoinOptions {
    fn default() -> Self {
        JoinOptions { lobby_timeout: Duration::from_secs(15 * 60), give_up_after: None }
    }
}

impl JoinOptions {
    /// Sets the wait in the lobby; zero does not wait.
    #[must_use]
    pub fn with_lobby_timeout(mut self, wait: Duration) -> Self {
        self.lobby_timeout = wait;
        self
    }

    /// Leaves by itself when recovery takes longer than this.
    #[must_use]
    pub fn with_give_up_after(mut self, after: Duration) -> Self {
        self.give_up_after = Some(after);
        self
    }
}

/// What conference to make.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ScheduleOptions {
    /// The title.
    pub subject: Option<String>,
    /// The conference id (8 to 32 letters and digits); a random one if `None`.
    pub id: Option<String>,
    /// When it expires, RFC 3339; the server's default if `None`.
    pub expires: Option<String>,
    /// The modalities; IM alone if empty.
    pub mcus: Vec<McuType>,
}

impl ScheduleOptions {
    /// Sets the title.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the time of expiry, RFC 3339.
    #[must_use]
    pub fn with_expires(mut self, expires: impl Into<String>) -> Self {
        self.expires = Some(expires.into());
        self
    }

    /// Sets the modalities.
    #[must_use]
    pub fn with_mcus(mut self, mcus: Vec<McuType>) -> Self {
        self.mcus = mcus;
        self
    }
}

/// A conference that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its URI: what people join.
    pub uri: String,
    /// When it expires, RFC 3339, as the server says.
    pub expires: Option<String>,
}

/// One SIP endpoint of ours: the root of everything else. Clones are the same endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tx: mpsc::Sender<ToDriver>,
    next_operation: AtomicU64,
    next_conference: AtomicU64,
    events_max: usize,
    orphans: Orphans,
}

/// Sessions whose last handle went while the queue to the task was full: at most those there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orphans(Arc<Mutex<Vec<ConferenceId>>>);

impl Orphans {
    fn add(&self, id: ConferenceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// All of them, once.
    pub(crate) fn take(&self) -> Vec<ConferenceId> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What handles tell the task that owns the endpoint.
#[derive(Debug)]
pub(crate) enum ToDriver {
    Open {
        id: ConferenceId,
        roster: watch::Sender<Arc<RosterSnapshot>>,
    },
    Subscribe {
        id: ConferenceId,
        tx: mpsc::Sender<Event>,
    },
    Run {
        id: ConferenceId,
        op: OperationId,
        what: Action,
        reply: Reply,
    },
    Typing {
        id: ConferenceId,
        types: bool,
    },
    Status {
        id: ConferenceId,
        reply: oneshot::Sender<Status>,
    },
    CallId {
        id: ConferenceId,
        mcu: McuType,
        reply: oneshot::Sender<Option<String>>,
    },
    Uri {
        id: ConferenceId,
        reply: oneshot::Sender<Option<String>>,
    },
    Schedule {
        options: ScheduleOptions,
        reply: oneshot::Sender<Result<Scheduled, OperationError>>,
    },
    Dropped {
        id: ConferenceId,
    },
    /// Look for orphans.
    Wake,
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

pub(crate) type Reply = oneshot::Sender<Result<OperationValue, OperationError>>;

/// What a conference is asked to do.
#[derive(Debug)]
pub(crate) enum Action {
    Join { target: JoinTarget, options: JoinOptions },
    Leave,
    End,
    Command(Command),
}

impl Action {
    fn name(&self) -> OperationName {
        match self {
            Action::Join { .. } => OperationName::Join,
            Action::Leave => OperationName::Leave,
            Action::End => OperationName::End,
            Action::Command(command) => command.name(),
        }
    }
}

impl Shared {
    fn new(tx: mpsc::Sender<ToDriver>, events_max: usize, orphans: Orphans) -> Self {
        let (next_operation, next_conference) = (AtomicU64::new(1), AtomicU64::new(1));
        Shared { tx, next_operation, next_conference, events_max, orphans }
    }
}

impl Endpoint {
    /// Binds sockets, looks the servers up if they have a name, and starts the task that owns the endpoint. No server hears
    /// anything before the first join.
    ///
    /// # Errors
    ///
    /// [`StartError`]: there is no server in `config`, none is found, or sockets cannot be had.
    pub async fn start(config: EndpointConfig) -> Result<Endpoint, StartError> {
        if config.servers.is_empty() && config.lookup.is_none() {
            return Err(StartError::NoServer);
        }
        let events_max = config.events_max.max(1);
        let orphans = Orphans::default();
        let tx = driver::start(config, orphans.clone()).await?;
        Ok(Endpoint { shared: Arc::new(Shared::new(tx, events_max, orphans)) })
    }

    /// A conference session in `Idle`.
    #[must_use]
    pub fn conference(&self) -> Conference {
        let id = ConferenceId(self.shared.next_conference.fetch_add(1, Ordering::Relaxed));
        let (roster_tx, roster) = watch::channel(Arc::new(RosterSnapshot::default()));
        let held = Arc::new(Held { id, shared: Arc::clone(&self.shared) });
        // A full queue shows at the first operation, which then fails; nothing is lost silently.
        let _ = self.shared.tx.try_send(ToDriver::Open { id, roster: roster_tx });
        Conference { held, roster }
    }

    /// Creates a conference at our Factory (C3P `addConference`).
    ///
    /// # Errors
    ///
    /// [`OperationError::Failure`] with what the Factory said, [`OperationError::Timeout`].
    pub async fn schedule(&self, options: ScheduleOptions) -> Result<Scheduled, OperationError> {
        let (reply, answer) = oneshot::channel();
        if self.shared.tx.send(ToDriver::Schedule { options, reply }).await.is_err() {
            return Err(OperationError::Cancelled { operation: OperationName::Schedule });
        }
        answer.await.unwrap_or(Err(OperationError::Cancelled { operation: OperationName::Schedule }))
    }

    /// Leaves every conference in an orderly way and ends the endpoint's task.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self.shared.tx.send(ToDriver::Shutdown { reply }).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// One conference session: a cheap handle. When the last one is dropped, the session leaves by itself.
///
/// Each operation ends exactly once, after every event that it caused. When it may be begun, and how it can fail:
///
/// | operations | states | else |
/// |---|---|---|
/// | `join`, `join_new` | `Idle` | [`InvalidState`](OperationError::InvalidState) |
/// | `leave` | all | – |
/// | `end` | `Connected` | [`RetryableOperation`](OperationError::RetryableOperation) in `Reconnecting`, `InvalidState` |
/// | `lock` to `fetch_roster` | `Connected` | as `end` |
/// | `eject_from`, `call` | `Connected`; waits up to 30 s for an MCU that is not active, and is then sent all the same | as `end`; `RetryableOperation` while the MCU fails over, `InvalidState` where the conference has no such MCU |
/// | `hangup`, `say` | whenever the call is there | `InvalidState` |
///
/// What was begun fails with
/// - [`SessionRetrying`](OperationError::SessionRetrying) when `Reconnecting` begins (commands) or the MCU fails over
///   (what concerns it),
/// - [`Failure`](OperationError::Failure) with what Focus or MCU said,
/// - [`Timeout`](OperationError::Timeout): 180 s after the command or its last `pending`, 60 s for a message, 32 s for `end`,
/// - [`Cancelled`](OperationError::Cancelled) when the session is left, or the endpoint shut down.
///
/// Source: specification sections 2 and 4, focus-flows.md; each method names its C3P command.
#[derive(Debug, Clone)]
pub struct Conference {
    held: Arc<Held>,
    roster: watch::Receiver<Arc<RosterSnapshot>>,
}

/// Its drop is the drop of the last handle.
#[derive(Debug)]
struct Held {
    id: ConferenceId,
    shared: Arc<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let dropped = self.shared.tx.try_send(ToDriver::Dropped { id: self.id });
        if let Err(mpsc::error::TrySendError::Full(_)) = dropped {
            self.shared.orphans.add(self.id);
            // The task looks for orphans when it has read all there is; if the queue is full again, it still will.
            let _ = self.shared.tx.try_send(ToDriver::Wake);
        }
    }
}

impl Conference {
    /// Everything that happens from now on, in order. Each call makes a stream of its own.
    #[must_use]
    pub fn events(&self) -> Events {
        let (tx, rx) = mpsc::channel(self.held.shared.events_max);
        let _ = self.held.shared.tx.try_send(ToDriver::Subscribe { id: self.held.id, tx });
        Events { rx }
    }

    /// Joins the conference with this URI (T1). Ends when the roster is there (T2, T13), or with the reason why not.
    ///
    /// While a leader has not decided about us the operation is pending in the lobby (T10); from there it can also fail
    /// with [`LobbyDenied`](OperationError::LobbyDenied), [`LobbyTimeout`](OperationError::LobbyTimeout) or
    /// [`Dropped`](OperationError::Dropped). A failed join leaves the session `Idle` (T9), so it can be tried again.
    /// C3P: `addUser`. Limits: 32 s without an answer, 60 s in all, the wait in the lobby apart.
    pub fn join(&self, uri: &str, options: JoinOptions) -> Operation {
        self.run(Action::Join { target: JoinTarget::Uri(uri.to_owned()), options })
    }

    /// Makes a conference and joins it; `end` then also deletes it. C3P: `addConference`, then as [`join`](Self::join).
    pub fn join_new(&self, schedule: ScheduleOptions, options: JoinOptions) -> Operation {
        self.run(Action::Join { target: JoinTarget::New(schedule), options })
    }

    /// Leaves (T3a, T14c, T15, T16); always possible. Ends with the session: within 32 s for each
    /// dialog with the Focus, within about 2 s while `Reconnecting`.
    pub fn leave(&self) -> Operation {
        self.run(Action::Leave)
    }

    /// Ends the conference for everybody (T3b). Role: leader; if refused, we leave all the same and the result says so.
    /// C3P: `deleteConference`.
    pub fn end(&self) -> Operation {
        self.run(Action::End)
    }

    /// Locks the conference: newcomers wait in the lobby. Role: leader. C3P: `modifyConferenceLock`.
    pub fn lock(&self) -> Operation {
        self.run(Action::Command(Command::Lock { locked: true }))
    }

    /// Unlocks the conference. Role: leader. C3P: `modifyConferenceLock`.
    pub fn unlock(&self) -> Operation {
        self.run(Action::Command(Command::Lock { locked: false }))
    }

    /// Lets people (user entities) in from the lobby. Role: leader. The value tells person by person. C3P: `setLobbyAccess`.
    pub fn admit(&self, users: &[String]) -> Operation {
        self.run(Action::Command(Command::Admit { users: users.to_vec() }))
    }

    /// Turns people (user entities) in the lobby away. Role: leader. The value tells person by person. C3P:
    /// `setLobbyAccess`.
    pub fn deny(&self, users: &[String]) -> Operation {
        self.run(Action::Command(Command::Deny { users: users.to_vec() }))
    }

    /// Removes a participant (a user entity) with all endpoints. Role: leader. C3P: `deleteUser`.
    pub fn eject(&self, user: &str) -> Operation {
        self.run(Action::Command(Command::Eject { user: user.to_owned() }))
    }

    /// Removes a participant from one modality: his call to that MCU ends, he stays in the conference. Role: leader.
    /// C3P: `deleteUser` with `mcuUri`.
    pub fn eject_from(&self, mcu: McuType, user: &str) -> Operation {
        self.run(Action::Command(Command::EjectFrom { mcu, user: user.to_owned() }))
    }

    /// Makes a participant (a user entity) a leader. Role: leader. C3P: `modifyUserRoles`.
    pub fn promote(&self, user: &str) -> Operation {
        self.run(Action::Command(Command::SetRole {
            user: user.to_owned(),
            role: c3p::info::Role::Presenter,
        }))
    }

    /// Makes a leader (a user entity) an attendee. Role: leader. C3P: `modifyUserRoles`.
    pub fn demote(&self, user: &str) -> Operation {
        self.run(Action::Command(Command::SetRole { user: user.to_owned(), role: c3p::info::Role::Attendee }))
    }

    /// Asks the Focus for its own roster; the value holds it. For an audit: the session's roster is not touched.
    /// C3P: `getConference`.
    pub fn fetch_roster(&self) -> Operation {
        self.run(Action::Command(Command::FetchRoster))
    }

    /// Places the call to an MCU. Ends when it is established. Only IM calls can be placed; anything else is a
    /// [`Failure`](OperationError::Failure).
    pub fn call(&self, mcu: McuType) -> Operation {
        self.run(Action::Command(Command::Call { mcu }))
    }

    /// Ends the call to an MCU, within 2 s whatever the MCU says.
    pub fn hangup(&self, mcu: McuType) -> Operation {
        self.run(Action::Command(Command::Hangup { mcu }))
    }

    /// Sends an instant message on the IM call. Possible whenever that call is established, whatever the session's state.
    /// Ends when the MCU took it for distribution. More than 64 KiB are a [`Failure`](OperationError::Failure).
    pub fn say(&self, text: &str) -> Operation {
        let content_type = c3p::mime::TEXT_PLAIN_UTF8.to_owned();
        self.run(Action::Command(Command::Say { content_type, text: text.to_owned() }))
    }

    /// Shows the others that we type, or stopped.
    pub fn typing(&self, types: bool) {
        let _ = self.held.shared.tx.try_send(ToDriver::Typing { id: self.held.id, types });
    }

    /// The roster as of now. Never waits.
    #[must_use]
    pub fn roster(&self) -> Arc<RosterSnapshot> {
        Arc::clone(&self.roster.borrow())
    }

    /// State, since when, MCUs, calls, pending operations, and the recovery under way; `None` after shutdown.
    pub async fn status(&self) -> Option<Status> {
        let (reply, answer) = oneshot::channel();
        self.held.shared.tx.send(ToDriver::Status { id: self.held.id, reply }).await.ok()?;
        answer.await.ok()
    }

    /// The URI of the conference that is being joined or was joined last; for a conference that is made by
    /// [`join_new`](Self::join_new) once the Factory has answered.
    pub async fn uri(&self) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.held.shared.tx.send(ToDriver::Uri { id: self.held.id, reply }).await.ok()?;
        answer.await.ok().flatten()
    }

    /// The Call-ID of the dialog of a call, while there is one: it stays the same for as long as the call lives.
    pub async fn call_id(&self, mcu: McuType) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.held.shared.tx.send(ToDriver::CallId { id: self.held.id, mcu, reply }).await.ok()?;
        answer.await.ok().flatten()
    }

    fn run(&self, what: Action) -> Operation {
        let op = OperationId(self.held.shared.next_operation.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let operation = what.name();
        let sent = self.held.shared.tx.try_send(ToDriver::Run { id: self.held.id, op, what, reply });
        let answer = match sent {
            Ok(()) => Ok(answer),
            Err(mpsc::error::TrySendError::Full(_)) => Err(OperationError::RetryableOperation { operation }),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(OperationError::Cancelled { operation }),
        };
        Operation { id: op, operation, answer: Some(answer) }
    }
}

/// Something under way: a future that ends exactly once. Dropping it does not take the operation back.
#[derive(Debug)]
#[must_use = "an operation reports its failure only to who awaits it"]
pub struct Operation {
    id: OperationId,
    operation: OperationName,
    answer: Option<Result<oneshot::Receiver<Result<OperationValue, OperationError>>, OperationError>>,
}

impl Operation {
    /// The number that its `operation` event carries.
    #[must_use]
    pub fn id(&self) -> OperationId {
        self.id
    }
}

impl Future for Operation {
    type Output = Result<OperationValue, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cancelled = OperationError::Cancelled { operation: self.operation };
        match self.answer.take() {
            Some(Ok(mut answer)) => match Pin::new(&mut answer).poll(cx) {
                Poll::Pending => {
                    self.answer = Some(Ok(answer));
                    Poll::Pending
                }
                Poll::Ready(result) => Poll::Ready(result.unwrap_or(Err(cancelled))),
            },
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Err(cancelled)),
        }
    }
}

/// A stream of what happens to one conference session.
#[derive(Debug)]
pub struct Events {
    rx: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; `None` after the last one of a session that is over, or after shutdown.
    ///
    /// A reader that is too slow gets [`Event::Lagged`] in place of what it missed; the roster then has the present state.
    pub async fn next(&mut self) -> Option<Event> {
        self.rx.recv().await
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        self.rx.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec section 2, T4: the last handle dropped ends the session, also when the queue to the task is full just then.
    #[test]
    fn a_drop_is_not_lost_in_a_full_queue() {
        let (tx, mut rx) = mpsc::channel(2);
        let orphans = Orphans::default();
        let endpoint = Endpoint { shared: Arc::new(Shared::new(tx, 16, orphans.clone())) };
        let conference = endpoint.conference();
        conference.typing(true);
        drop(conference);
        assert_eq!(orphans.take(), [ConferenceId(1)]);
        assert!(orphans.take().is_empty(), "once");
        assert!(matches!(rx.try_recv(), Ok(ToDriver::Open { .. })));
        assert!(matches!(rx.try_recv(), Ok(ToDriver::Typing { .. })));
        drop(endpoint.conference());
        assert!(matches!(rx.try_recv(), Ok(ToDriver::Open { .. })));
        assert!(matches!(rx.try_recv(), Ok(ToDriver::Dropped { id: ConferenceId(2) })));
        assert!(orphans.take().is_empty(), "the queue had room");
    }
}
