//! Kamailio: a proxy in the path and a registrar with digest, one for all cases; and the cases that are about it.

use std::fs::File;
use std::path::Path;

use super::lab::{DOMAIN, Lab, PASSWORD, Wire, fill};
use super::process::{self, Guarded, Program};
use super::script;

/// One Kamailio on its ports.
pub(super) struct Kamailio {
    host: String,
    port: u16,
    tls_port: u16,
    _process: Guarded,
}

impl Kamailio {
    /// Starts it, and waits until it listens on all transports.
    pub(super) fn start(lab: &Lab) -> Result<Self, String> {
        let folder = lab.folder("kamailio")?;
        let (host, port) = (lab.host.to_string(), process::free_port_of_both(lab.host)?);
        let tls_port = process::free_port(lab.host, Wire::Tls)?;
        let (port_text, tls_text) = (port.to_string(), tls_port.to_string());
        let (here, certificates) = (folder.display().to_string(), lab.logs.display().to_string());
        let values = [
            ("HOST", host.as_str()),
            ("PORT", &port_text),
            ("TLS_PORT", &tls_text),
            ("DOMAIN", DOMAIN),
            ("PASSWORD", PASSWORD),
            ("FOLDER", &here),
            ("CERTIFICATES", &certificates),
        ];
        for file in ["kamailio.cfg", "tls.cfg"] {
            fill(&format!("kamailio/{file}"), &values, &folder.join(file))?;
        }
        let log = File::create(folder.join("log")).map_err(|error| error.to_string())?;
        let log_too = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = process::tied("kamailio");
        command
            .arg("-f")
            .arg(folder.join("kamailio.cfg"))
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-Y", &here, "-w", &here, "-P"])
            .arg(folder.join("pid"))
            .stdout(log)
            .stderr(log_too);
        let mut process = Guarded::start_gently(&mut command)?;
        for (wire, port) in [(Wire::Udp, port), (Wire::Tcp, port), (Wire::Tls, tls_port)] {
            process::wait_for_port(&mut process, lab.host, wire, port)
                .map_err(|error| format!("Kamailio: {error}; its log is {here}/log"))?;
            lab.note(wire, port);
        }
        Ok(Self { host, port, tls_port, _process: process })
    }

    /// Its port.
    pub(super) fn port(&self, wire: Wire) -> u16 {
        match wire {
            Wire::Udp | Wire::Tcp => self.port,
            Wire::Tls => self.tls_port,
        }
    }

    /// How a Route names it.
    pub(super) fn uri(&self, wire: Wire) -> String {
        format!("sip:{}:{};transport={wire};lr", self.host, self.port(wire))
    }
}

/// An agent behind the proxy that has registered.
pub(super) fn registered(
    lab: &Lab,
    proxy: &Kamailio,
    folder: &Path,
    name: &str,
    wire: Wire,
) -> Result<Program, String> {
    let (mut agent, _) = outbound(lab, proxy, folder, name, wire, PASSWORD)?;
    script::play(&mut agent, "register; < again because=401; < registered", "")?;
    Ok(agent)
}

/// An agent behind the proxy.
fn outbound(
    lab: &Lab,
    proxy: &Kamailio,
    folder: &Path,
    name: &str,
    wire: Wire,
    password: &str,
) -> Result<(Program, u16), String> {
    let route = format!("--route={}", proxy.uri(wire));
    let password = format!("--password={password}");
    lab.agent(folder, name, wire, &[&route, &password])
}

/// Registers with a proof, again with the same nonce, and gives the binding back; nobody is found there then.
pub(super) fn registration(lab: &Lab, proxy: &Kamailio, wire: Wire, folder: &Path) -> Result<(), String> {
    let user = format!("register{wire}");
    let mut agent = registered(lab, proxy, folder, &user, wire)?;
    script::play(&mut agent, "register; < registered; unregister; < unregistered", "")?;
    let own = format!("sip:{user}@{DOMAIN}");
    script::play(&mut agent, "call; < ended cause=rejected status=404", &own)?;
    script::quit(&mut agent)?;
    let (mut liar, _) = outbound(lab, proxy, folder, &format!("{user}-liar"), wire, "guessed")?;
    script::play(&mut liar, "register; < again because=401; < register-failed status=401", "")?;
    script::quit(&mut liar)
}

/// Two agents behind the proxy: hold and UPDATE from both sides, BYE from the caller, then from the callee; a call that is
/// cancelled.
pub(super) fn proxied(lab: &Lab, proxy: &Kamailio, wire: Wire, folder: &Path) -> Result<(), String> {
    between(lab, proxy, folder, (wire, wire), "")
}

/// The same with each side over another transport: two Record-Routes.
pub(super) fn crossed(lab: &Lab, proxy: &Kamailio, wire: Wire, folder: &Path) -> Result<(), String> {
    let other = match wire {
        Wire::Udp => Wire::Tls,
        Wire::Tcp => Wire::Udp,
        Wire::Tls => Wire::Tcp,
    };
    between(lab, proxy, folder, (wire, other), "x")
}

fn between(
    lab: &Lab,
    proxy: &Kamailio,
    folder: &Path,
    (near, far): (Wire, Wire),
    mark: &str,
) -> Result<(), String> {
    let (caller, callee) = (format!("alice{near}{mark}"), format!("bob{near}{mark}"));
    let mut alice = registered(lab, proxy, folder, &caller, near)?;
    let mut bob = registered(lab, proxy, folder, &callee, far)?;
    let bobs = format!("sip:{callee}@{DOMAIN}");
    let both = |alice: &mut Program, bob: &mut Program, script: &[(bool, &str)]| {
        for (is_alice, steps) in script {
            script::play(if *is_alice { alice } else { bob }, steps, &bobs)
                .map_err(|error| format!("{}: {error}", if *is_alice { "caller" } else { "callee" }))?;
        }
        Ok::<(), String>(())
    };
    both(
        &mut alice,
        &mut bob,
        &[
            (true, "call; < established"),
            (false, "< confirmed"),
            (true, "hold; < answered method=INVITE status=200 direction=recvonly"),
            (false, "< reinvited direction=sendonly"),
            (true, "resume; < answered method=INVITE status=200 direction=sendrecv"),
            (false, "update; < answered method=UPDATE status=200"),
            (true, "< updated; update; < answered method=UPDATE status=200"),
            (false, "hold; < answered method=INVITE status=200"),
            (true, "< reinvited direction=sendonly; bye; < ended cause=local-bye"),
            (false, "< ended cause=remote-bye"),
            (true, "call; < established"),
            (false, "< confirmed; bye; < ended cause=local-bye"),
            (true, "< ended cause=remote-bye"),
            (false, "answer-after 30000"),
            (true, "call; < progress status=180; cancel; < ended cause=cancelled"),
            (false, "< ended cause=cancelled; reject 486"),
            (true, "call; < ended cause=rejected status=486; unregister; < unregistered"),
            (false, "unregister; < unregistered"),
        ],
    )?;
    script::quit(&mut alice)?;
    script::quit(&mut bob)
}
