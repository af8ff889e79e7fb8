//! What can be set on an MCU, with the defaults of `protocol/recovery-on-the-wire.md` 6.

use std::time::Duration;

use c3p::McuType;
use sip_core::auth::SharedKey;
use sip_core::{EndpointConfig, ListenAddr, TransportConfig};

/// One MCU.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McuConfig {
    /// Name of the node; unique in the pool.
    pub name: String,
    /// Its modality. IM is complete; audio and video are signalling only.
    pub mcu: McuType,
    /// Where it listens; concrete addresses and ports. The first TCP one is in its Contact and for front ends, else the first (TLS).
    pub listen: Vec<ListenAddr>,
    /// Process id for the node record.
    pub pid: u32,
    /// The pool's key, where it has users: orders and calls count only under its seal.
    pub key: Option<SharedKey>,
    /// Settings of its transactions.
    pub endpoint: EndpointConfig,
    /// Times.
    pub timers: McuTimers,
    /// Bounds.
    pub bounds: McuBounds,
    /// Its sockets: their limits, TLS, and who sees the messages.
    pub transport: TransportConfig,
}

impl McuConfig {
    /// An MCU with the default times and bounds.
    pub fn new(name: impl Into<String>, mcu: McuType, listen: Vec<ListenAddr>) -> Self {
        let name = name.into();
        let endpoint = EndpointConfig::default().with_diagnostics_source(name.clone());
        Self {
            name,
            mcu,
            listen,
            pid: 0,
            key: None,
            endpoint,
            timers: McuTimers::default(),
            bounds: McuBounds::default(),
            transport: TransportConfig::default(),
        }
    }
}

/// Times of an MCU.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McuTimers {
    /// How often the own node record is rewritten.
    pub lease_renew: Duration,
    /// How often the records of the front ends are read.
    pub nodes_read: Duration,
    /// Silence of the owner after which it is asked for a sign of life.
    pub owner_silence: Duration,
    /// Gap between two tries to tell the owner something.
    pub notify_retry: Duration,
    /// How long calls are kept without a Focus.
    pub orphan_hold: Duration,
    /// How long an INVITE that the Focus announced may take to come.
    pub authorization: Duration,
    /// How long an answered INVITE may stay without ACK.
    pub unconfirmed: Duration,
    /// Session interval granted at most.
    pub session_interval: Duration,
    /// Shortest session interval accepted (`Min-SE`).
    pub session_minimum: Duration,
    /// Sign of life asked of clients that have no session timer.
    pub liveness: Duration,
    /// How long a message waits for a member whose way is broken.
    pub delivery_hold: Duration,
    /// Gap between two tries to reach such a member.
    pub delivery_retry: Duration,
    /// At most one typing relay per sender in this time.
    pub typing: Duration,
}

impl Default for McuTimers {
    fn default() -> Self {
        Self {
            lease_renew: Duration::from_secs(3),
            nodes_read: Duration::from_secs(1),
            owner_silence: Duration::from_secs(15),
            notify_retry: Duration::from_secs(2),
            orphan_hold: Duration::from_secs(120),
            authorization: Duration::from_secs(60),
            unconfirmed: Duration::from_secs(32),
            session_interval: Duration::from_secs(1800),
            session_minimum: Duration::from_secs(90),
            liveness: Duration::from_secs(300),
            delivery_hold: Duration::from_secs(20),
            delivery_retry: Duration::from_secs(2),
            typing: Duration::from_secs(3),
        }
    }
}

/// Bounds of everything that a peer can make grow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McuBounds {
    /// Conferences at one time.
    pub rooms_max: usize,
    /// Calls in one conference.
    pub members_max: usize,
    /// Announced users in one conference whose INVITE has not come.
    pub authorized_max: usize,
    /// Body of one message.
    pub message_bytes_max: usize,
    /// Messages that wait for one member.
    pub outbox_max: usize,
    /// Messages of one conference on their way.
    pub deliveries_max: usize,
    /// MIME types of one client's accept-types.
    pub accept_types_max: usize,
    /// Front ends that are known.
    pub front_ends_max: usize,
}

impl Default for McuBounds {
    fn default() -> Self {
        Self {
            rooms_max: 10_000,
            members_max: 10_000,
            authorized_max: 10_000,
            message_bytes_max: 64 * 1024,
            outbox_max: 256,
            deliveries_max: 1_024,
            accept_types_max: 32,
            front_ends_max: 64,
        }
    }
}
