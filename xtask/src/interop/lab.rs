//! What all cases share: an address of the loopback network, folders, certificates, the programs under test.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::process::Program;
use crate::shell;

/// The domain that Kamailio serves, and its realm.
pub(super) const DOMAIN: &str = "interop.example";

/// Everybody's password there.
pub(super) const PASSWORD: &str = "secret";

/// What carries SIP in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wire {
    Udp,
    Tcp,
    Tls,
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

/// Shared by all cases of a run.
pub(super) struct Lab {
    /// The address of everybody in this run, in a network of the loopback that nobody else uses: what was captured there
    /// is ours.
    pub(super) host: Ipv4Addr,
    /// Where logs are kept, one folder a case.
    pub(super) logs: PathBuf,
    /// The programs under test.
    pub(super) reconvene: PathBuf,
    pub(super) agent: PathBuf,
    /// Ports with SIP in the clear; what is captured there has to be SIP.
    ports: Mutex<BTreeSet<(Wire, u16)>>,
}

impl Lab {
    /// Builds the programs, empties the folder of logs, makes the certificates.
    pub(super) fn new() -> Result<Self, String> {
        shell::run("cargo build --package reconvene")?;
        shell::run("cargo build --package sip-core --features tls,capture --example agent")?;
        let target = target()?;
        let logs = target.join("interop");
        match fs::remove_dir_all(&logs) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(told(&logs, &error)),
            Ok(()) | Err(_) => (),
        }
        fs::create_dir_all(&logs).map_err(|error| told(&logs, &error))?;
        // Two runs at the same time have process ids that differ.
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let lab = Self {
            host: Ipv4Addr::new(127, 64 + (high & 0x7f), low, 1),
            reconvene: target.join("debug/reconvene"),
            agent: target.join("debug/examples/agent"),
            logs,
            ports: Mutex::default(),
        };
        super::certificates::write(&lab.logs, lab.host)?;
        Ok(lab)
    }

    /// The folder of a case.
    pub(super) fn folder(&self, case: &str) -> Result<PathBuf, String> {
        let folder = self.logs.join(case);
        fs::create_dir_all(&folder).map_err(|error| told(&folder, &error))?;
        Ok(folder)
    }

    /// Notes that SIP goes over this port.
    pub(super) fn note(&self, wire: Wire, port: u16) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).insert((wire, port));
    }

    /// The ports that were noted.
    pub(super) fn ports(&self) -> Vec<(Wire, u16)> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// An agent that listens over this transport, and where. What it sends and gets is captured in the folder.
    pub(super) fn agent(
        &self,
        folder: &Path,
        name: &str,
        wire: Wire,
        args: &[&str],
    ) -> Result<(Program, u16), String> {
        let listen = format!("--listen={wire}:{}:0", self.host);
        let user = format!("--user=sip:{name}@{DOMAIN}");
        let capture = format!("--capture={}", folder.join(format!("{name}.pcap")).display());
        let logs = self.logs.display();
        let trust = format!("--ca={logs}/ca.pem");
        let certificate = format!("--certificate={logs}/peer.pem");
        let key = format!("--key={logs}/peer.key");
        let mut all = vec![listen.as_str(), &user, &capture, &trust, &certificate, &key];
        all.extend(args);
        let mut agent = Program::start(&self.agent, &all, &folder.join(format!("{name}.jsonl")))?;
        let ready = agent.event("ready", |_| true)?;
        let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("the agent tells no port")?;
        self.note(wire, port);
        Ok((agent, port))
    }
}

/// A file of the repository with the names between @ signs replaced, as a file of a run.
pub(super) fn fill(template: &str, values: &[(&str, &str)], to: &Path) -> Result<(), String> {
    let from = shell::root().join("xtask").join(template);
    let mut text = fs::read_to_string(&from).map_err(|error| told(&from, &error))?;
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    fs::write(to, text).map_err(|error| told(to, &error))
}

/// An error with the file that it is about.
pub(super) fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Cargo's target folder.
fn target() -> Result<PathBuf, String> {
    let metadata = shell::read("cargo metadata --format-version 1 --no-deps --offline")?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let target = metadata["target_directory"].as_str().ok_or("cargo metadata has no target directory")?;
    Ok(PathBuf::from(target))
}
