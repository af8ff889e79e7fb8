//! What can be set on a front end, with the defaults of recovery-on-the-wire section 6.

use std::time::Duration;

use std::sync::Arc;

use sip_core::auth::{Accounts, SharedKey};
use sip_core::{ListenAddr, TransportConfig};

/// Times of a front end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Timers {
    /// How often the own node record is rewritten.
    pub lease_renew: Duration,
    /// Silence of an owner after which others take over.
    pub lease: Duration,
    /// How often the node records are read.
    pub nodes_read: Duration,
    /// Longest hold of an INVITE while ownership is settled.
    pub hold_invite: Duration,
    /// Longest hold of an in-dialog request while ownership is settled.
    pub hold_request: Duration,
    /// How long participants stay in the roster after a takeover without having come back.
    pub rejoin_grace: Duration,
    /// Longest time for an MCU to answer an activation or a resync.
    pub mcu_answer: Duration,
    /// Heartbeat to MCUs and other front ends; three missed are a death.
    pub heartbeat: Duration,
    /// Longest wait in the lobby.
    pub lobby: Duration,
    /// How long a conference goes on without anybody who is known by name inside.
    pub countdown: Duration,
    /// Changes within this time share one document.
    pub coalesce: Duration,
    /// Session interval offered and accepted at most.
    pub session_interval: Duration,
    /// Shortest session interval accepted (`Min-SE`).
    pub session_minimum: Duration,
    /// Lifetime of a subscription.
    pub subscription: Duration,
    /// How long after a route repair a SUBSCRIBE may take before a full document is sent by NOTIFY.
    pub repair_subscribe: Duration,
    /// Life of a conference scheduled without expiry.
    pub conference_life: Duration,
    /// Longest lifetime of a registration.
    pub registration: Duration,
    /// Gap between two looks for what has expired in the store.
    pub clean_up: Duration,
    /// Gap between two tries of a write while the store is unavailable.
    pub store_retry: Duration,
    /// How long a change may wait for the store before its requester gets 503.
    pub store_patience: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            lease_renew: Duration::from_secs(3),
            lease: Duration::from_secs(10),
            nodes_read: Duration::from_secs(1),
            hold_invite: Duration::from_secs(20),
            hold_request: Duration::from_secs(8),
            rejoin_grace: Duration::from_secs(90),
            mcu_answer: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            lobby: Duration::from_secs(30 * 60),
            countdown: Duration::from_secs(10 * 60),
            coalesce: Duration::from_millis(200),
            session_interval: Duration::from_secs(1800),
            session_minimum: Duration::from_secs(90),
            subscription: Duration::from_secs(3600),
            repair_subscribe: Duration::from_secs(10),
            conference_life: Duration::from_secs(8 * 3600),
            registration: Duration::from_secs(7200),
            clean_up: Duration::from_secs(3600),
            store_retry: Duration::from_millis(200),
            store_patience: Duration::from_secs(10),
        }
    }
}

/// Bounds of everything that a peer can make grow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bounds {
    /// Conferences owned by one front end.
    pub conferences_max: usize,
    /// Endpoints in one conference; more get `maxMeetingSizeExceeded`.
    pub participants_max: usize,
    /// Of them, in the lobby.
    pub lobby_max: usize,
    /// Answers kept per endpoint.
    pub results_max: usize,
    /// Requests held while ownership of one conference is settled.
    pub held_max: usize,
    /// Requests of MCUs and clients that wait for an MCU or the store.
    pub pending_max: usize,
    /// Body of one request.
    pub body_bytes_max: usize,
    /// Characters of a user or endpoint entity, a display name, a subject.
    pub name_chars_max: usize,
    /// Nodes of the pool that are watched.
    pub nodes_max: usize,
    /// Takeovers under way at once.
    pub takeovers_max: usize,
    /// Termination NOTIFYs of a takeover per second.
    pub rejoin_rate: u32,
    /// Watchers up to which every new one makes pending changes go out at once.
    pub flush_watchers_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            conferences_max: 10_000,
            participants_max: 10_000,
            lobby_max: 1_000,
            results_max: 256,
            held_max: 20_000,
            pending_max: 20_000,
            body_bytes_max: 64 * 1024,
            name_chars_max: 256,
            nodes_max: 256,
            takeovers_max: 8,
            rejoin_rate: 500,
            flush_watchers_max: 256,
        }
    }
}

/// The users of a pool, and the key by which its nodes know each other: the same at each of them.
#[derive(Debug, Clone)]
pub struct PoolUsers {
    /// Who has which password.
    pub accounts: Arc<Accounts>,
    /// Known to the front ends and MCUs of the pool only.
    pub key: SharedKey,
}

/// One front end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FrontEndConfig {
    /// Name of the node; unique in the pool.
    pub name: String,
    /// Where it really listens (no port 0). The first TCP one is for other nodes, else the first (TLS).
    pub listen: Vec<ListenAddr>,
    /// The domain of the pool; own addresses if none.
    pub domain: Option<String>,
    /// MCU types of new conferences that name none (`chat`, `audio-video`).
    pub mcu_types: Vec<String>,
    /// Who may come in, if not everybody as who they say they are.
    pub users: Option<PoolUsers>,
    /// Process id for the node record.
    pub pid: u32,
    /// Times.
    pub timers: Timers,
    /// Bounds.
    pub bounds: Bounds,
    /// Its sockets: their limits, TLS, and who sees the messages.
    pub transport: TransportConfig,
}

impl FrontEndConfig {
    /// A front end with the default times and bounds.
    pub fn new(name: impl Into<String>, listen: Vec<ListenAddr>) -> Self {
        Self {
            name: name.into(),
            listen,
            domain: None,
            mcu_types: vec!["chat".to_owned(), "audio-video".to_owned()],
            users: None,
            pid: 0,
            timers: Timers::default(),
            bounds: Bounds::default(),
            transport: TransportConfig::default(),
        }
    }

    /// Sets the domain.
    #[must_use]
    pub fn with_domain(mut self, domain: Option<String>) -> Self {
        self.domain = domain;
        self
    }

    /// Sets the MCU types of new conferences.
    #[must_use]
    pub fn with_mcu_types(mut self, types: Vec<String>) -> Self {
        self.mcu_types = types;
        self
    }

    /// Lets in only these users, by their passwords.
    #[must_use]
    pub fn with_users(mut self, users: PoolUsers) -> Self {
        self.users = Some(users);
        self
    }

    /// Sets the process id that the node record tells.
    #[must_use]
    pub fn with_pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// Sets the times.
    #[must_use]
    pub fn with_timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// Sets what its sockets are made with.
    #[must_use]
    pub fn with_transport(mut self, transport: TransportConfig) -> Self {
        self.transport = transport;
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }
}
