//! One front end, MCU or hop: the process behind `reconvene node`, or a task of the supervisor.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use focus::config::FrontEndConfig;
use focus::hop::HopConfig;
use focus::mcu::McuConfig;
use focus::node::{Stopped, run_front_end, run_hop, run_mcu};
use focus::report::NodeReport;
use focus::store::{MemoryStore, PoolStore, SqliteStore};
use sip_core::TransportConfig;
use tokio::sync::mpsc;

use crate::args::{NodeKind, NodeOptions, StoreChoice};
use crate::capture;
use crate::event::ConferenceChange;
use crate::failure::{Failure, chain};
use crate::security;
use crate::signals::StopSignals;
use crate::stdin;
use crate::supervisor::{NodeLine, NodeSpec};
use crate::users::Access;

/// Reports of a node that wait to be passed on.
const REPORTS_AHEAD: usize = 256;

/// The store that nodes of one process share; a hop needs none.
#[derive(Clone)]
pub(crate) struct SharedStore(Option<Arc<dyn PoolStore>>);

impl std::fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "SharedStore" } else { "no store" })
    }
}

impl SharedStore {
    /// For a hop.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Opens the store of that choice.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or the kind is not served.
    pub(crate) fn open(choice: &StoreChoice) -> Result<Self, Failure> {
        match choice {
            StoreChoice::Memory => Ok(Self(Some(Arc::new(MemoryStore::new())))),
            StoreChoice::Sqlite(file) => {
                let store = SqliteStore::open(file).map_err(|error| {
                    Failure::new(format!("the store {} cannot be opened: {}", file.display(), chain(&error)))
                        .try_this("a file in a directory that you may write to")
                })?;
                Ok(Self(Some(Arc::new(store))))
            }
            StoreChoice::Etcd(_) => Err(Failure::unavailable("--store etcd", "--store sqlite:FILE")),
        }
    }

    /// The store itself.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn get(&self) -> Result<Arc<dyn PoolStore>, Failure> {
        self.0.clone().ok_or_else(|| Failure::usage("this node needs --store"))
    }
}

/// Runs the hidden subcommand: one node, until its supervisor is gone or a signal comes.
///
/// # Errors
///
/// The node could not start; its supervisor is told by a line besides.
pub(crate) async fn run(options: NodeOptions) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let temporary = temporary_directory(&options);
    let abandoned = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&abandoned);
    let (lines, mut said) = mpsc::channel(REPORTS_AHEAD);
    let print = async {
        while let Some(line) = said.recv().await {
            print_line(&line);
        }
    };
    let stop = async move {
        tokio::select! {
            asked = stdin::asked_to_stop() => seen.store(!asked, Ordering::Relaxed),
            () = signals.next() => {}
        }
    };
    let serve = async {
        let store = match &options.store {
            Some(choice) => SharedStore::open(choice),
            None => Ok(SharedStore::none()),
        };
        let lines_of_failure = lines.clone();
        let result = match store {
            Ok(store) => match spec(options) {
                Ok(spec) => serve(spec, store, lines, stop).await,
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &result {
            let line = NodeLine::Failed {
                message: failure.message().to_owned(),
                help: failure.help().map(str::to_owned),
            };
            // The printer lives until this sender is dropped.
            let _ = lines_of_failure.send(line).await;
        }
        result
    };
    let (result, ()) = tokio::join!(serve, print);
    if abandoned.load(Ordering::Relaxed) {
        temporary.iter().for_each(|directory| remove(directory));
    }
    result
}

/// The directory that the supervisor made for the store and removes in the end, if it lives to see it.
fn temporary_directory(options: &NodeOptions) -> Option<PathBuf> {
    match &options.store {
        Some(StoreChoice::Sqlite(file)) if options.temporary => file.parent().map(Path::to_owned),
        Some(StoreChoice::Sqlite(_) | StoreChoice::Memory | StoreChoice::Etcd(_)) | None => None,
    }
}

/// Every node of a supervisor that was killed tries; the last one that ends succeeds.
fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory) {
        tracing::debug!(%error, "the store's directory stays");
    }
}

fn spec(options: NodeOptions) -> Result<NodeSpec, Failure> {
    let access = options.users.as_deref().map(Access::of_pool).transpose()?;
    Ok(NodeSpec {
        access,
        name: options.name,
        kind: options.kind,
        mcus: options.mcu,
        listen: options.listen,
        next: options.next,
        store: options.store,
        domain: options.domain,
        temporary: options.temporary,
        tls: options.tls,
        capture: options.capture,
    })
}

fn print_line(line: &NodeLine) {
    use std::io::Write;
    let Ok(text) = serde_json::to_string(line) else { return };
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "the supervisor does not listen");
    }
}

/// Runs a node until `stop` is ready. What it tells goes to `lines`.
///
/// # Errors
///
/// It could not listen, or has no store.
pub(crate) async fn serve(
    spec: NodeSpec,
    store: SharedStore,
    lines: mpsc::Sender<NodeLine>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    let (reports, mut reported) = mpsc::channel(REPORTS_AHEAD);
    let pass_on = async {
        while let Some(report) = reported.recv().await {
            if let Some(line) = line_of(report)
                && lines.send(line).await.is_err()
            {
                return;
            }
        }
    };
    let (result, ()) = tokio::join!(start(&spec, store, reports, stop), pass_on);
    match result? {
        Ok(stopped) => {
            tracing::info!(node = spec.name, ?stopped, "over");
            Ok(())
        }
        Err(error) => {
            if let Some(failure) = security::wrong_settings(&error) {
                return Err(failure);
            }
            let listen: Vec<String> = spec.listen.iter().map(ToString::to_string).collect();
            Err(Failure::new(format!("{} cannot listen at {}: {error}", spec.name, listen.join(" and ")))
                .try_this("another port, or port 0 to have one picked"))
        }
    }
}

/// Runs the shell of that kind of node.
async fn start(
    spec: &NodeSpec,
    store: SharedStore,
    reports: mpsc::Sender<NodeReport>,
    stop: impl Future<Output = ()> + Send,
) -> Result<io::Result<Stopped>, Failure> {
    let (name, listen, pid) = (spec.name.clone(), spec.listen.clone(), std::process::id());
    let transport = transport(spec)?;
    Ok(match spec.kind {
        NodeKind::FrontEnd => {
            let types = spec.mcus.iter().map(|mcu| mcu.mcu_type().as_str().to_owned()).collect();
            let mut config = FrontEndConfig::new(name, listen)
                .with_domain(Some(spec.domain.clone()))
                .with_mcu_types(types)
                .with_pid(pid)
                .with_transport(transport);
            if let Some(access) = &spec.access {
                config = config.with_users(access.users()?);
            }
            run_front_end(config, store.get()?, reports, stop).await
        }
        NodeKind::Mcu => {
            let kind = spec.mcus.first().ok_or_else(|| Failure::usage("an MCU needs --mcu"))?;
            let mut config = McuConfig::new(name, kind.mcu_type(), listen);
            config.pid = pid;
            config.transport = transport;
            config.key = spec.access.as_ref().map(|access| access.key.clone());
            run_mcu(config, store.get()?, reports, stop).await
        }
        NodeKind::Hop => {
            let mut config = HopConfig::new(name, listen, spec.next.clone());
            config.transport = transport;
            run_hop(config, reports, stop).await
        }
    })
}

/// What its sockets are made with.
fn transport(spec: &NodeSpec) -> Result<TransportConfig, Failure> {
    let mut config = TransportConfig::default();
    if let Some(tls) = spec.tls.config()? {
        config = config.with_tls(tls);
    }
    if let Some(file) = &spec.capture {
        config = config.with_tap(capture::start(file)?);
    }
    Ok(config)
}

/// What a report means to the supervisor; its own knowledge of processes is better than a node's opinion.
fn line_of(report: NodeReport) -> Option<NodeLine> {
    use focus::report::{ConferenceChange as Reported, NodeChange};
    match report {
        NodeReport::Ready { listen } => {
            Some(NodeLine::Ready { listen: listen.iter().map(ToString::to_string).collect() })
        }
        NodeReport::Conference { uri, owner, epoch, participants, change } => {
            let change = match change {
                Reported::Created => ConferenceChange::Created,
                Reported::Activated => ConferenceChange::Activated,
                Reported::Moved => ConferenceChange::Moved,
                Reported::Ended => ConferenceChange::Ended,
                _ => return None,
            };
            Some(NodeLine::Conference { uri, owner, epoch, participants, change })
        }
        NodeReport::Node { change: NodeChange::TookOver, detail, .. } => Some(NodeLine::TookOver { detail }),
        _ => None,
    }
}
