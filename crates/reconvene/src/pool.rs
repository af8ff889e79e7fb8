//! `reconvene pool`: front ends and MCUs as processes, watched until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sip_core::{ListenAddr, TransportKind};

use crate::args::{Modality, NodeKind, PoolOptions, StoreChoice, TlsOptions};
use crate::capture;
use crate::event::{Event, NodeChange};
use crate::failure::Failure;
use crate::node::SharedStore;
use crate::output::Output;
use crate::security;
use crate::signals::StopSignals;
use crate::supervisor::{Launch, NodeLine, NodeSpec, Report, Supervisor};
use crate::users::Access;

/// How long all nodes may take until they listen.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(20);

/// Pause before a dead node is started again, so that one that cannot live does not spin.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a pool until SIGINT or SIGTERM.
///
/// # Errors
///
/// Wrong combinations of options; a node that could not start.
pub(crate) async fn run(options: PoolOptions, log: &str, output: &Output) -> Result<(), Failure> {
    check(&options)?;
    let mut signals = StopSignals::listen()?;
    let place = StorePlace::new(&options)?;
    let launch =
        if options.in_process { Launch::Tasks(SharedStore::open(&place.choice)?) } else { Launch::Processes };
    let access = options.users.as_deref().map(Access::new).transpose()?;
    let mut specs = specs(&options, &place.choice)?;
    for spec in &mut specs {
        spec.access.clone_from(&access);
        spec.temporary = place.directory.is_some();
        spec.tls.clone_from(&options.tls);
        spec.capture = options.capture.as_deref().map(|file| capture::of_node(file, &spec.name));
    }
    let mut supervisor = Supervisor::new(launch, log);
    let started = tokio::select! {
        started = start(&mut supervisor, specs, &options.tls) => started.map(Some),
        () = signals.next() => Ok(None),
    };
    let result = match started {
        Ok(None) => Ok(()),
        Ok(Some(early)) => {
            output.event(&Event::Ready { nodes: supervisor.infos() });
            for report in early {
                tell(&supervisor, &report, output);
            }
            watch(&mut supervisor, options.restart, &mut signals, output).await
        }
        Err(failure) => Err(failure),
    };
    stop(supervisor, &mut signals).await;
    result
}

/// Starts the nodes, and has them prove to each other who they are.
async fn start(
    supervisor: &mut Supervisor,
    specs: Vec<NodeSpec>,
    tls: &TlsOptions,
) -> Result<Vec<Report>, Failure> {
    let early = supervisor.start_all(specs, START_DEADLINE).await?;
    let listen = supervisor.infos().into_iter().flat_map(|info| info.listen);
    let listen: Vec<ListenAddr> = listen.filter_map(|text| text.parse().ok()).collect();
    security::prove(&listen, tls).await?;
    Ok(early)
}

/// Ends the nodes; a second signal does not wait for that.
async fn stop(supervisor: Supervisor, signals: &mut StopSignals) {
    tokio::select! {
        () = supervisor.stop() => {}
        () = signals.next() => {}
    }
}

/// Passes on what the nodes say until a signal.
async fn watch(
    supervisor: &mut Supervisor,
    restart: bool,
    signals: &mut StopSignals,
    output: &Output,
) -> Result<(), Failure> {
    let mut due: Vec<(tokio::time::Instant, NodeSpec)> = Vec::new();
    loop {
        let wake = due.first().map(|(at, _)| *at);
        tokio::select! {
            () = signals.next() => return Ok(()),
            report = supervisor.next() => {
                tell(supervisor, &report, output);
                if let Report::Exited { node, .. } = &report
                    && restart
                    && let Some(spec) = supervisor.spec(node)
                {
                    due.push((tokio::time::Instant::now() + RESTART_PAUSE, again(supervisor, spec.clone())));
                }
            }
            () = until(wake) => {
                let (_, spec) = due.remove(0);
                supervisor.start(spec)?;
            }
        }
    }
}

/// What a node is started with the next time: where it listened, so that others find it again.
pub(crate) fn again(supervisor: &Supervisor, mut spec: NodeSpec) -> NodeSpec {
    let listened: Option<Vec<ListenAddr>> = supervisor
        .info(&spec.name)
        .and_then(|info| info.listen.iter().map(|text| text.parse().ok()).collect());
    if let Some(listened) = listened.filter(|listened| !listened.is_empty()) {
        spec.listen = listened;
    }
    spec
}

async fn until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Prints what a report means.
pub(crate) fn tell(supervisor: &Supervisor, report: &Report, output: &Output) {
    if let Some(event) = event_of(supervisor, report) {
        output.event(&event);
    }
}

/// The event that a report means.
pub(crate) fn event_of(supervisor: &Supervisor, report: &Report) -> Option<Event> {
    let node_event = |name: &str, pid: Option<u32>, change, detail| {
        let kind = supervisor.spec(name).map_or(NodeKind::FrontEnd, |spec| spec.kind);
        let pid = pid.or_else(|| supervisor.info(name).map(|info| info.pid));
        Event::Node { name: name.to_owned(), kind, pid, change, detail }
    };
    Some(match report {
        Report::Exited { node, pid, how } => {
            node_event(node, Some(*pid), NodeChange::Died, Some(how.clone()))
        }
        Report::Said { node, line } => match line {
            NodeLine::Ready { .. } => node_event(node, None, NodeChange::Started, None),
            NodeLine::TookOver { detail } => {
                node_event(node, None, NodeChange::TookOver, Some(detail.clone()))
            }
            NodeLine::Conference { uri, owner, epoch, participants, change } => Event::Conference {
                uri: uri.clone(),
                owner: Some(owner.clone()),
                epoch: Some(*epoch),
                participants: Some(*participants),
                change: *change,
            },
            NodeLine::Failed { message, help } => {
                Event::Error { message: message.clone(), help: help.clone() }
            }
        },
    })
}

/// Refuses what cannot work, before anything is started.
fn check(options: &PoolOptions) -> Result<(), Failure> {
    for (given, name) in
        [(options.dashboard.is_some(), "--dashboard"), (options.metrics.is_some(), "--metrics")]
    {
        if given {
            return Err(Failure::unavailable(name, "--json, and read its lines"));
        }
    }
    if options.mcu.contains(&Modality::Av) {
        return Err(Failure::unavailable("--mcu av", "--mcu im,im"));
    }
    if !options.open && options.users.is_none() {
        return Err(Failure::usage("a pool needs to know its people, or must say that it lets in anybody")
            .try_this("--users FILE, or --open"));
    }
    if options.front_ends.is_some() && options.listen.len() != 1 {
        return Err(Failure::usage("--front-ends counts up from one --listen, but there are several")
            .try_this("leave --front-ends out, or give --listen once"));
    }
    let outside = options.listen.iter().find(|listen| !listen.addr.ip().is_loopback());
    if let (Some(outside), true) = (outside, options.open && !options.force) {
        return Err(Failure::usage(format!(
            "--open would let anybody in at {outside}, which is not a loopback address"
        ))
        .try_this("a loopback address, or --force if the network is trusted"));
    }
    let over_tls = options.listen.iter().filter(|listen| listen.transport == TransportKind::Tls).count();
    if over_tls > 0 && over_tls < options.listen.len() {
        return Err(Failure::usage(
            "a pool listens over TLS alone, or not at all: its MCUs are reached one way only",
        )
        .try_this("a `reconvene hop` in front of the pool, which listens both ways"));
    }
    options.tls.check(&options.listen, &[])?;
    if options.store == Some(StoreChoice::Memory) && !options.in_process {
        return Err(Failure::usage("--store memory cannot be shared by several processes")
            .try_this("--in-process, or --store sqlite:FILE"));
    }
    Ok(())
}

/// Where conferences are kept; a temporary file goes away with this value.
struct StorePlace {
    choice: StoreChoice,
    directory: Option<tempfile::TempDir>,
}

impl StorePlace {
    fn new(options: &PoolOptions) -> Result<Self, Failure> {
        match (&options.store, options.in_process) {
            (Some(StoreChoice::Etcd(_)), _) => {
                Err(Failure::unavailable("--store etcd", "--store sqlite:FILE"))
            }
            (Some(choice), _) => Ok(Self { choice: choice.clone(), directory: None }),
            (None, true) => Ok(Self { choice: StoreChoice::Memory, directory: None }),
            (None, false) => {
                let (choice, directory) = temporary_store()?;
                Ok(Self { choice, directory: Some(directory) })
            }
        }
    }
}

/// A store in a new temporary directory, which lives as long as the second value.
pub(crate) fn temporary_store() -> Result<(StoreChoice, tempfile::TempDir), Failure> {
    let directory = tempfile::Builder::new()
        .prefix("reconvene-")
        .tempdir()
        .map_err(|error| Failure::new(format!("no temporary directory for the store: {error}")))?;
    let file: PathBuf = directory.path().join("pool.db");
    Ok((StoreChoice::Sqlite(file), directory))
}

/// The nodes that the options ask for.
fn specs(options: &PoolOptions, store: &StoreChoice) -> Result<Vec<NodeSpec>, Failure> {
    let listens = front_end_addresses(&options.listen, options.front_ends)?;
    let host = listens.first().map_or([127, 0, 0, 1].into(), |listen| listen.addr.ip());
    let tls = listens.iter().any(|listen| listen.transport == TransportKind::Tls);
    let interior = if tls { TransportKind::Tls } else { TransportKind::Tcp };
    let any_port = ListenAddr::new(interior, SocketAddr::new(host, 0));
    let mut kinds = options.mcu.clone();
    kinds.sort_by_key(|kind| kind.as_str());
    kinds.dedup();
    let front_ends = listens.into_iter().enumerate().map(|(index, listen)| {
        // Nodes talk to each other over TCP or TLS, so a front end for UDP clients has a TCP address besides.
        let besides = (listen.transport != interior).then_some(any_port);
        let listen = std::iter::once(listen).chain(besides).collect();
        NodeSpec::front_end(format!("fe{}", index + 1), listen, &kinds, store, &options.domain)
    });
    let mut counts = std::collections::HashMap::new();
    let mcus = options.mcu.iter().map(|&mcu| {
        let count = counts.entry(mcu.as_str()).and_modify(|count| *count += 1).or_insert(1);
        NodeSpec::mcu(format!("{}{count}", mcu.as_str()), mcu, vec![any_port], store)
    });
    let mcus: Vec<NodeSpec> = mcus.collect();
    Ok(front_ends.chain(mcus).collect())
}

/// One address per front end: those given, or `count` consecutive ports from the one given.
fn front_end_addresses(given: &[ListenAddr], count: Option<u16>) -> Result<Vec<ListenAddr>, Failure> {
    let (Some(count), Some(first)) = (count, given.first()) else { return Ok(given.to_vec()) };
    (0..count)
        .map(|index| {
            let mut listen = *first;
            if first.addr.port() != 0 {
                let port = first.addr.port().checked_add(index);
                let port = port.ok_or_else(|| Failure::usage("--front-ends counts beyond the last port"))?;
                listen.addr.set_port(port);
            }
            Ok(listen)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn options(args: &[&str]) -> PoolOptions {
        let cli = Cli::try_parse_from(["reconvene", "pool"].iter().chain(args)).expect("valid");
        let Command::Pool(options) = cli.command else { panic!("pool was asked for") };
        options
    }

    fn names_and_addresses(args: &[&str]) -> Vec<String> {
        let specs = specs(&options(args), &StoreChoice::Memory).expect("valid");
        let text = |spec: &NodeSpec| {
            let listen: Vec<String> = spec.listen.iter().map(ToString::to_string).collect();
            format!("{} {}", spec.name, listen.join(" "))
        };
        specs.iter().map(text).collect()
    }

    /// cli.md: `--listen` repeatable, each is one more front end; `--mcu` a list.
    #[test]
    fn one_front_end_per_listen() {
        assert_eq!(
            names_and_addresses(&[
                "--listen",
                "tcp:127.0.0.1:7",
                "--listen",
                "udp:127.0.0.1:9",
                "--mcu",
                "im"
            ]),
            ["fe1 tcp:127.0.0.1:7", "fe2 udp:127.0.0.1:9 tcp:127.0.0.1:0", "im1 tcp:127.0.0.1:0"]
        );
    }

    /// cli.md: `--front-ends N`: on consecutive ports from the one `--listen`; port 0 stays "pick one".
    #[test]
    fn consecutive_ports() {
        let args = ["--front-ends", "2", "--mcu", "im", "--listen"];
        let with = |listen| names_and_addresses(&[&args[..], &[listen]].concat());
        assert_eq!(with("tcp:127.0.0.1:70")[..2], ["fe1 tcp:127.0.0.1:70", "fe2 tcp:127.0.0.1:71"]);
        assert_eq!(with("tcp:127.0.0.1:0")[..2], ["fe1 tcp:127.0.0.1:0", "fe2 tcp:127.0.0.1:0"]);
    }

    /// cli.md: loopback only unless forced; memory only in process; neither users nor --open. All before any start.
    #[test]
    fn refusals() {
        for args in [
            &["--listen", "tcp:127.0.0.1:0"][..],
            &["--open", "--listen", "tcp:192.0.2.1:5060"],
            &["--open", "--store", "memory"],
            &["--open", "--front-ends", "2", "--listen", "tcp:127.0.0.1:1", "--listen", "tcp:127.0.0.1:2"],
            &["--open", "--mcu", "im,av"],
        ] {
            let failure = check(&options(args)).expect_err("refused");
            assert_eq!(failure.status(), 2, "{args:?}");
            assert!(failure.help().is_some(), "{args:?}");
        }
        assert_eq!(check(&options(&["--open", "--force", "--listen", "tcp:192.0.2.1:5060"])), Ok(()));
        assert_eq!(check(&options(&["--open", "--store", "memory", "--in-process"])), Ok(()));
        assert_eq!(check(&options(&["--users", "people", "--listen", "tcp:192.0.2.1:5060"])), Ok(()));
    }
}
