//! Starts the processes of a pool, watches them, and ends them.
//!
//! Each front end, MCU and hop is this same binary with the hidden subcommand `node`. It tells what happens on its
//! stdout, one JSON line per [`NodeLine`]; its stdin carries the word that asks it to stop, and its end without that
//! word tells the child that the supervisor is gone, so that not even `kill -9` of it leaves anything behind. Children are in process
//! groups of their own: Ctrl-C at the terminal reaches the supervisor only, which then ends them in order.
//!
//! With [`Launch::Tasks`] the same nodes run as tasks of this process instead.
//!
//! # Invariants
//!
//! - Every start ends in exactly one [`Report::Exited`].
//! - A node's lines come in the order in which it wrote them, all before its exit.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip_core::ListenAddr;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::args::{Modality, NodeKind, StoreChoice, TlsOptions};
use crate::event::{ConferenceChange, NodeInfo};
use crate::failure::{Failure, chain};
use crate::node::{self, SharedStore};
use crate::stdin;
use crate::users::{Access, PASSWORD, POOL_KEY};

/// How long a node may take to stop cleanly before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Reports that wait for their reader; a child that reports faster is held back by its pipe.
const REPORTS_AHEAD: usize = 256;

/// One process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeSpec {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    /// An MCU's own modality; for a front end, those of new conferences.
    pub(crate) mcus: Vec<Modality>,
    pub(crate) listen: Vec<ListenAddr>,
    /// Hops only: where to send what belongs to the pool.
    pub(crate) next: Vec<ListenAddr>,
    /// Front ends and MCUs only.
    pub(crate) store: Option<StoreChoice>,
    pub(crate) domain: String,
    /// Front ends and MCUs of a pool with users.
    pub(crate) access: Option<Access>,
    /// The store's directory goes away with the pool, even if the supervisor cannot see to that.
    pub(crate) temporary: bool,
    /// Its certificate, and whom it trusts.
    pub(crate) tls: TlsOptions,
    /// Where it writes what crosses its sockets.
    pub(crate) capture: Option<PathBuf>,
}

impl NodeSpec {
    /// A front end at `listen`, whose conferences have these `mcus`.
    pub(crate) fn front_end(
        name: String,
        listen: Vec<ListenAddr>,
        mcus: &[Modality],
        store: &StoreChoice,
        domain: &str,
    ) -> Self {
        let (store, mcus, domain) = (Some(store.clone()), mcus.to_vec(), domain.to_owned());
        Self { mcus, store, domain, ..Self::bare(name, NodeKind::FrontEnd, listen) }
    }

    /// An MCU at `listen`.
    pub(crate) fn mcu(name: String, mcu: Modality, listen: Vec<ListenAddr>, store: &StoreChoice) -> Self {
        Self { mcus: vec![mcu], store: Some(store.clone()), ..Self::bare(name, NodeKind::Mcu, listen) }
    }

    /// A hop at `listen` that sends to `next`.
    pub(crate) fn hop(name: String, listen: Vec<ListenAddr>, next: Vec<ListenAddr>) -> Self {
        Self { next, ..Self::bare(name, NodeKind::Hop, listen) }
    }

    fn bare(name: String, kind: NodeKind, listen: Vec<ListenAddr>) -> Self {
        Self {
            name,
            kind,
            mcus: Vec::new(),
            listen,
            next: Vec::new(),
            store: None,
            domain: String::new(),
            access: None,
            temporary: false,
            tls: TlsOptions::default(),
            capture: None,
        }
    }

    /// What `ready` tells as the modality: that of an MCU.
    fn modality(&self) -> Option<Modality> {
        self.mcus.first().copied().filter(|_| self.kind == NodeKind::Mcu)
    }

    /// The arguments that make this binary that node.
    fn arguments(&self) -> Vec<String> {
        let mut args =
            vec!["node".to_owned(), self.kind.as_str().to_owned(), format!("--name={}", self.name)];
        args.extend(self.listen.iter().map(|addr| format!("--listen={addr}")));
        args.extend(self.next.iter().map(|addr| format!("--next={addr}")));
        args.extend(self.store.iter().map(|store| format!("--store={store}")));
        args.extend(self.mcus.iter().map(|mcu| format!("--mcu={}", mcu.as_str())));
        args.extend(self.access.iter().map(|access| format!("--users={}", access.file.display())));
        let files = [
            ("tls-cert", &self.tls.tls_cert),
            ("tls-key", &self.tls.tls_key),
            ("tls-ca", &self.tls.tls_ca),
            ("capture", &self.capture),
        ];
        for (name, file) in files {
            args.extend(file.iter().map(|file| format!("--{name}={}", file.display())));
        }
        if self.temporary {
            args.push("--temporary".to_owned());
        }
        if !self.domain.is_empty() {
            args.push(format!("--domain={}", self.domain));
        }
        args
    }
}

/// What a node tells its supervisor, one JSON line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub(crate) enum NodeLine {
    /// It listens.
    Ready { listen: Vec<ListenText> },
    /// A conference that it owns, or owned.
    Conference { uri: String, owner: String, epoch: u64, participants: usize, change: ConferenceChange },
    /// It took over what another node held.
    TookOver { detail: String },
    /// It cannot go on.
    Failed { message: String, help: Option<String> },
}

/// An address as the lines write it: `tcp:127.0.0.1:5060`.
pub(crate) type ListenText = String;

/// What the supervisor tells.
#[derive(Debug)]
pub(crate) enum Report {
    /// A node said something.
    Said { node: String, line: NodeLine },
    /// A node is gone.
    Exited { node: String, pid: u32, how: String },
}

/// How nodes are run.
#[derive(Debug, Clone)]
pub(crate) enum Launch {
    /// Each as a process of its own.
    Processes,
    /// All as tasks of this process, with the store they share.
    Tasks(SharedStore),
}

/// The running nodes.
#[derive(Debug)]
pub(crate) struct Supervisor {
    launch: Launch,
    log: String,
    nodes: Vec<Running>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
}

/// One node, and what ends it.
#[derive(Debug)]
struct Running {
    spec: NodeSpec,
    pid: u32,
    listen: Vec<String>,
    alive: bool,
    /// Dropped to ask for a clean stop. A task's has nothing to drop: it watches `end`.
    stdin: Option<ChildStdin>,
    end: watch::Sender<End>,
    watcher: JoinHandle<()>,
}

/// What the supervisor wants of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Run,
    Stop,
    Kill,
}

impl Supervisor {
    /// Runs nothing yet. `log`: the level that children get.
    pub(crate) fn new(launch: Launch, log: &str) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS_AHEAD);
        Self { launch, log: log.to_owned(), nodes: Vec::new(), reports, reporter }
    }

    /// Starts a node, in the place of a dead one of the same name if there is one.
    ///
    /// # Errors
    ///
    /// The process could not be started.
    pub(crate) fn start(&mut self, spec: NodeSpec) -> Result<u32, Failure> {
        let running = match &self.launch {
            Launch::Processes => self.start_process(spec)?,
            Launch::Tasks(store) => self.start_task(spec, store.clone()),
        };
        let pid = running.pid;
        self.nodes.retain(|node| node.spec.name != running.spec.name);
        self.nodes.push(running);
        Ok(pid)
    }

    fn start_process(&self, spec: NodeSpec) -> Result<Running, Failure> {
        let mut child = spawn(&spec, &self.log)
            .map_err(|error| Failure::new(format!("{} could not be started: {error}", spec.name)))?;
        let pid = child.id().unwrap_or_default();
        let stdin = child.stdin.take();
        let (end, wanted) = watch::channel(End::Run);
        let watcher =
            tokio::spawn(watch_process(spec.name.clone(), pid, child, wanted, self.reporter.clone()));
        Ok(Running { spec, pid, listen: Vec::new(), alive: true, stdin, end, watcher })
    }

    fn start_task(&self, spec: NodeSpec, store: SharedStore) -> Running {
        let pid = std::process::id();
        let (end, wanted) = watch::channel(End::Run);
        let watcher = tokio::spawn(watch_task(spec.clone(), store, wanted, self.reporter.clone()));
        Running { spec, pid, listen: Vec::new(), alive: true, stdin: None, end, watcher }
    }

    /// The next thing that happens. Cancel safe.
    pub(crate) async fn next(&mut self) -> Report {
        // The channel cannot close: `self.reporter` keeps it open.
        let Some(report) = self.reports.recv().await else { return std::future::pending().await };
        match &report {
            Report::Said { node, line: NodeLine::Ready { listen } } => {
                if let Some(node) = self.find(node) {
                    node.listen.clone_from(listen);
                }
            }
            Report::Exited { node, pid, .. } => {
                let pid = *pid;
                if let Some(node) = self.find(node).filter(|node| node.pid == pid) {
                    node.alive = false;
                }
            }
            Report::Said { .. } => {}
        }
        report
    }

    fn find(&mut self, name: &str) -> Option<&mut Running> {
        self.nodes.iter_mut().find(|node| node.spec.name == name)
    }

    /// Starts `spec`s and waits until all of them listen.
    ///
    /// # Errors
    ///
    /// One could not start, or did not listen by the deadline.
    pub(crate) async fn start_all(
        &mut self,
        specs: Vec<NodeSpec>,
        deadline: Duration,
    ) -> Result<Vec<Report>, Failure> {
        let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
        for spec in specs {
            self.start(spec)?;
        }
        let mut others = Vec::new();
        let all = async {
            while !self.listening(&names) {
                match self.next().await {
                    Report::Said { node, line: NodeLine::Failed { message, help } } => {
                        let failure = Failure::new(format!("{node} could not start: {message}"));
                        return Err(match help {
                            Some(help) => failure.try_this(help),
                            None => failure,
                        });
                    }
                    Report::Exited { node, how, .. } if names.contains(&node) => {
                        return Err(Failure::new(format!("{node} ended before it listened: {how}"))
                            .try_this("--log debug"));
                    }
                    Report::Said { line: NodeLine::Ready { .. }, .. } => {}
                    report => others.push(report),
                }
            }
            Ok(())
        };
        match tokio::time::timeout(deadline, all).await {
            Ok(result) => result.map(|()| others),
            Err(_) => {
                Err(Failure::new(format!("not every node listens after {deadline:?}"))
                    .try_this("--log debug"))
            }
        }
    }

    fn listening(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.info(name).is_some_and(|info| !info.listen.is_empty()))
    }

    /// What `ready` tells about a node.
    pub(crate) fn info(&self, name: &str) -> Option<NodeInfo> {
        self.nodes.iter().find(|node| node.spec.name == name).map(|node| NodeInfo {
            name: node.spec.name.clone(),
            kind: node.spec.kind,
            mcu: node.spec.modality(),
            listen: node.listen.clone(),
            pid: node.pid,
        })
    }

    /// What `ready` tells about all of them, in the order of their start.
    pub(crate) fn infos(&self) -> Vec<NodeInfo> {
        self.nodes.iter().filter_map(|node| self.info(&node.spec.name)).collect()
    }

    /// What a node was started with.
    pub(crate) fn spec(&self, name: &str) -> Option<&NodeSpec> {
        self.nodes.iter().find(|node| node.spec.name == name).map(|node| &node.spec)
    }

    /// Ends a node with SIGKILL (a task: at its next await). Its exit is reported like any other.
    pub(crate) fn kill(&mut self, name: &str) {
        if let Some(node) = self.find(name) {
            node.end.send_replace(End::Kill);
        }
    }

    /// Ends all nodes: first by asking, after a grace by SIGKILL.
    pub(crate) async fn stop(mut self) {
        for node in &mut self.nodes {
            if let Some(mut stdin) = node.stdin.take() {
                // A child that is gone already needs no word.
                let _ = stdin.write_all(format!("{}\n", stdin::STOP).as_bytes()).await;
            }
            node.end.send_if_modified(|end| {
                let running = *end == End::Run;
                if running {
                    *end = End::Stop;
                }
                running
            });
        }
        // Watchers must not wait for a reader of their reports.
        self.reports.close();
        for mut node in self.nodes {
            if tokio::time::timeout(STOP_GRACE, &mut node.watcher).await.is_err() {
                node.end.send_replace(End::Kill);
                // Ended by SIGKILL now: nothing is left to tell about it.
                let _ = node.watcher.await;
            }
        }
    }
}

fn spawn(spec: &NodeSpec, log: &str) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(access) = &spec.access {
        // Not an argument: every user of the machine can read those.
        command.env(POOL_KEY, access.key.to_hex().as_str());
    }
    command
        .args(spec.arguments())
        .arg(format!("--log={log}"))
        .env_remove(PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
}

/// Passes on a child's lines, and its exit.
async fn watch_process(
    name: String,
    pid: u32,
    mut child: Child,
    mut wanted: watch::Receiver<End>,
    reports: mpsc::Sender<Report>,
) {
    let stdout = child.stdout.take();
    let reading = read_lines(name.clone(), stdout, reports.clone());
    let waiting = async {
        tokio::select! {
            status = child.wait() => return status,
            () = until(&mut wanted, |end| end == End::Kill) => {}
        }
        if let Err(error) = child.start_kill() {
            tracing::debug!(%error, "already gone");
        }
        child.wait().await
    };
    let (status, ()) = tokio::join!(waiting, reading);
    let how = match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    report(&reports, Report::Exited { node: name, pid, how }).await;
}

async fn read_lines(
    name: String,
    stdout: Option<tokio::process::ChildStdout>,
    reports: mpsc::Sender<Report>,
) {
    let Some(stdout) = stdout else { return };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        match serde_json::from_str(&text) {
            Ok(line) => report(&reports, Report::Said { node: name.clone(), line }).await,
            Err(error) => tracing::warn!(node = name, %error, "a line that is no report"),
        }
    }
}

/// Runs a node as a task, and reports like a process.
async fn watch_task(
    spec: NodeSpec,
    store: SharedStore,
    mut wanted: watch::Receiver<End>,
    reports: mpsc::Sender<Report>,
) {
    let name = spec.name.clone();
    let (lines, mut said) = mpsc::channel(REPORTS_AHEAD);
    let mut stop = wanted.clone();
    let stopped = async move { until(&mut stop, |end| end != End::Run).await };
    let run = async {
        tokio::select! {
            result = node::serve(spec, store, lines, stopped) => match result {
                Ok(()) => "stopped".to_owned(),
                Err(failure) => chain(&failure),
            },
            () = until(&mut wanted, |end| end == End::Kill) => "killed".to_owned(),
        }
    };
    let pass_on = async {
        while let Some(line) = said.recv().await {
            report(&reports, Report::Said { node: name.clone(), line }).await;
        }
    };
    let (how, ()) = tokio::join!(run, pass_on);
    report(&reports, Report::Exited { node: name, pid: std::process::id(), how }).await;
}

/// Returns when the supervisor wants that of a node, or is gone: then nobody wants the node either.
async fn until(wanted: &mut watch::Receiver<End>, is: impl Fn(End) -> bool) {
    let _ = wanted.wait_for(|end| is(*end)).await;
}

/// Tells the supervisor; while it stops, nobody listens any more.
async fn report(reports: &mpsc::Sender<Report>, report: Report) {
    if let Err(unsent) = reports.send(report).await {
        tracing::debug!(report = ?unsent.0, "after the end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child's arguments parse back into what it was to be.
    #[test]
    fn arguments_parse() {
        use clap::Parser;
        let listen: ListenAddr = "tcp:127.0.0.1:0".parse().expect("an address");
        let store = StoreChoice::Sqlite("/tmp/pool.db".into());
        let spec = NodeSpec::mcu("im1".into(), Modality::Im, vec![listen], &store);
        let args = std::iter::once("reconvene".to_owned()).chain(spec.arguments());
        let cli = crate::args::Cli::try_parse_from(args).expect("valid");
        let crate::args::Command::Node(options) = cli.command else { panic!("node was asked for") };
        assert_eq!((options.kind, options.name.as_str()), (NodeKind::Mcu, "im1"));
        assert_eq!(
            (options.listen, options.store, options.mcu),
            (vec![listen], Some(store), vec![Modality::Im])
        );
    }

    /// The lines between a node and its supervisor survive the way.
    #[test]
    fn lines_round_trip() {
        for line in [
            NodeLine::Ready { listen: vec!["tcp:127.0.0.1:5060".into()] },
            NodeLine::Conference {
                uri: "sip:a@b".into(),
                owner: "fe1".into(),
                epoch: 2,
                participants: 3,
                change: ConferenceChange::Moved,
            },
            NodeLine::TookOver { detail: "1 conference of fe1".into() },
            NodeLine::Failed { message: "in use".into(), help: None },
        ] {
            let text = serde_json::to_string(&line).expect("JSON");
            assert_eq!(serde_json::from_str::<NodeLine>(&text).expect("a line"), line);
        }
    }
}
