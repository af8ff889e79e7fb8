//! The peers: found where they are installed, else installed by Debian's packages.

use std::process::{Command, Stdio};

use crate::shell;

/// A peer, how it shows itself, and the Debian packages that bring it.
struct Peer {
    name: &'static str,
    /// A command that prints `says`, whatever its exit status.
    asks: &'static [&'static str],
    says: &'static str,
    packages: &'static str,
}

const PEERS: [Peer; 5] = [
    Peer { name: "SIPp", asks: &["sipp", "-v"], says: "SIPp", packages: "sip-tester" },
    Peer {
        name: "Kamailio",
        asks: &["kamailio", "-v"],
        says: "USE_TLS",
        packages: "kamailio kamailio-tls-modules",
    },
    Peer { name: "baresip", asks: &["baresip", "-h"], says: "baresip", packages: "baresip-core" },
    Peer { name: "tshark", asks: &["tshark", "--version"], says: "TShark", packages: "tshark" },
    Peer { name: "dumpcap", asks: &["dumpcap", "--version"], says: "Dumpcap", packages: "wireshark-common" },
];

/// Finds all of them, or installs what is missing; fails when that does not help.
pub(super) fn all() -> Result<(), String> {
    let missing: Vec<&Peer> = PEERS.iter().filter(|peer| !peer.is_there()).collect();
    if !missing.is_empty() {
        let packages = missing.iter().map(|peer| peer.packages).collect::<Vec<_>>().join(" ");
        install(&packages);
    }
    match missing.iter().find(|peer| !peer.is_there()) {
        None => Ok(()),
        Some(peer) => Err(format!("{} is not there (Debian packages {})", peer.name, peer.packages)),
    }
}

impl Peer {
    fn is_there(&self) -> bool {
        let (program, args) = (self.asks[0], &self.asks[1..]);
        let output = Command::new(program).args(args).stdin(Stdio::null()).output();
        output.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).contains(self.says)
                || String::from_utf8_lossy(&output.stderr).contains(self.says)
        })
    }
}

/// Installs packages without a question, and without the start of a service, which a container may not have.
///
/// What apt says about a service that did not start counts for nothing: whether the peer is there is looked at again.
fn install(packages: &str) {
    let sudo = if shell::has("sudo -n true") { "sudo -n " } else { "" };
    let line = format!(
        "{sudo}env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install --yes --no-install-recommends {packages}"
    );
    if shell::run(&line).is_err() && shell::run(&format!("{sudo}apt-get update")).is_ok() {
        let _ = shell::run(&line);
    }
}
