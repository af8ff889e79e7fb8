//! The shells: each binds its sockets, drives one core over them and over the pool store, and passes on its reports.
//!
//! One loop for all three kinds ([`run_front_end`], [`run_mcu`], [`run_hop`]): send what the core has, hand its requests
//! to the store, wait for the network, the store, the core's deadline or the end, feed the core one input, repeat.
//!
//! # Invariants
//!
//! - `Ready` is the first report, sent when all addresses listen, with the ports that were really bound.
//! - A store request runs in a task of its own; all tasks have ended when the shell returns.
//! - A slow reader of reports loses reports (counted in the log), never time of the core.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use sip_core::transport::{self, Core};
use sip_core::{ListenAddr, SystemIds, Transmit, Transport, TransportConfig, TransportInput};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::FrontEndConfig;
use crate::frontend::FrontEndCore;
use crate::hop::{HopConfig, HopCore};
use crate::mcu::{McuConfig, McuCore};
use crate::report::{NodeChange, NodeReport};
use crate::store::{self, PoolStore, StoreReply, StoreRequest};

#[cfg(test)]
mod tests;

/// Why a node stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It was told to.
    Shutdown,
    /// It had given away all that it held.
    Drained,
}

/// A core that also uses the pool store and tells its operator something.
trait NodeCore: Core {
    fn poll_store_request(&mut self) -> Option<StoreRequest>;
    fn handle_store_result(&mut self, reply: StoreReply, now: Instant);
    fn poll_report(&mut self) -> Option<NodeReport>;
}

/// Runs a front end until `shutdown` is ready or it is drained.
///
/// # Errors
///
/// What the system says when an address cannot be bound.
pub async fn run_front_end(
    mut config: FrontEndConfig,
    store: Arc<dyn PoolStore>,
    reports: mpsc::Sender<NodeReport>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Stopped> {
    let (transport, listen) = listen(&config.listen, &config.transport, &reports).await?;
    config.listen = listen;
    let core =
        FrontEndCore::new(config, Box::new(SystemIds::new()), transport::now(), jiff::Timestamp::now());
    Ok(run(core, transport, Some(store), reports, shutdown).await)
}

/// Runs an MCU until `shutdown` is ready or it is drained.
///
/// # Errors
///
/// What the system says when an address cannot be bound.
pub async fn run_mcu(
    mut config: McuConfig,
    store: Arc<dyn PoolStore>,
    reports: mpsc::Sender<NodeReport>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Stopped> {
    let (transport, listen) = listen(&config.listen, &config.transport, &reports).await?;
    config.listen = listen;
    let core = McuCore::new(config, Box::new(SystemIds::new()), transport::now());
    Ok(run(core, transport, Some(store), reports, shutdown).await)
}

/// Runs a hop until `shutdown` is ready.
///
/// # Errors
///
/// What the system says when an address cannot be bound.
pub async fn run_hop(
    mut config: HopConfig,
    reports: mpsc::Sender<NodeReport>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Stopped> {
    let (transport, listen) = listen(&config.listen, &config.transport, &reports).await?;
    config.listen = listen;
    let core = HopCore::new(config, Box::new(SystemIds::new()));
    Ok(run(core, transport, None, reports, shutdown).await)
}

/// Binds, and says so.
async fn listen(
    addrs: &[ListenAddr],
    transport: &TransportConfig,
    reports: &mpsc::Sender<NodeReport>,
) -> io::Result<(Transport, Vec<ListenAddr>)> {
    if addrs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a node without a listening address"));
    }
    let transport = Transport::bind(addrs, transport.clone()).await?;
    let listen = transport.local_addrs().to_vec();
    // A reader that is gone misses nothing.
    let _ = reports.send(NodeReport::Ready { listen: listen.clone() }).await;
    Ok((transport, listen))
}

/// What ends one wait, besides the network and the clock.
enum Other {
    Stop,
    Reply(StoreReply),
}

async fn run<C: NodeCore>(
    mut core: C,
    mut transport: Transport,
    store: Option<Arc<dyn PoolStore>>,
    reports: mpsc::Sender<NodeReport>,
    shutdown: impl Future<Output = ()>,
) -> Stopped {
    let mut shutdown = pin!(shutdown);
    let mut asked: JoinSet<StoreReply> = JoinSet::new();
    core.handle_timeout(transport::now());
    let stopped = loop {
        while let Some(request) = core.poll_store_request() {
            if let Some(store) = store.clone() {
                asked.spawn(async move { store::execute(store.as_ref(), request).await });
            }
        }
        if pass_reports(&mut core, &reports) {
            break Stopped::Drained;
        }
        let other = wait_other(shutdown.as_mut(), &mut asked);
        match transport::turn(&mut core, &mut transport, other).await {
            Some(Other::Stop) => break Stopped::Shutdown,
            Some(Other::Reply(reply)) => core.handle_store_result(reply, transport::now()),
            None => {}
        }
    };
    transport::flush(&mut core, &mut transport);
    asked.shutdown().await;
    transport.shutdown().await;
    stopped
}

/// Waits for the end or for one answer of the store. Cancel safe.
async fn wait_other(shutdown: impl Future<Output = ()>, asked: &mut JoinSet<StoreReply>) -> Other {
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Other::Stop,
            Some(joined) = asked.join_next() => match joined {
                Ok(reply) => return Other::Reply(reply),
                Err(error) => tracing::error!(%error, "a store request ended without an answer"),
            },
        }
    }
}

/// Passes on what the core reports; `true` when it says that it is drained.
fn pass_reports<C: NodeCore>(core: &mut C, reports: &mpsc::Sender<NodeReport>) -> bool {
    let mut drained = false;
    while let Some(report) = core.poll_report() {
        drained |= matches!(&report, NodeReport::Node { change: NodeChange::Drained, .. });
        if let Err(error) = reports.try_send(report) {
            tracing::warn!(%error, "a report was lost");
        }
    }
    drained
}

macro_rules! core_of {
    ($core:ty) => {
        impl Core for $core {
            fn handle_transport(&mut self, input: TransportInput, now: Instant) {
                <$core>::handle_transport(self, input, now);
            }

            fn handle_timeout(&mut self, now: Instant) {
                <$core>::handle_timeout(self, now);
            }

            fn poll_timeout(&self) -> Option<Instant> {
                <$core>::poll_timeout(self)
            }

            fn poll_transmit(&mut self) -> Option<Transmit> {
                <$core>::poll_transmit(self)
            }
        }
    };
}

macro_rules! store_of {
    ($core:ty) => {
        impl NodeCore for $core {
            fn poll_store_request(&mut self) -> Option<StoreRequest> {
                <$core>::poll_store_request(self)
            }

            fn handle_store_result(&mut self, reply: StoreReply, now: Instant) {
                <$core>::handle_store_result(self, reply, now);
            }

            fn poll_report(&mut self) -> Option<NodeReport> {
                <$core>::poll_report(self)
            }
        }
    };
}

core_of!(FrontEndCore);
core_of!(McuCore);
core_of!(HopCore);
store_of!(FrontEndCore);
store_of!(McuCore);

impl NodeCore for HopCore {
    fn poll_store_request(&mut self) -> Option<StoreRequest> {
        None
    }

    fn handle_store_result(&mut self, _reply: StoreReply, _now: Instant) {}

    fn poll_report(&mut self) -> Option<NodeReport> {
        None
    }
}
