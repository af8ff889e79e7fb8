//! baresip, a user agent: it calls the agent and is called by it, directly and through Kamailio, with hold, resume and BYE
//! from both sides.
//!
//! It is steered over its module ctrl_tcp: netstrings of JSON, commands in, answers and events out.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kamailio::{self, Kamailio};
use super::lab::{DOMAIN, Lab, PASSWORD, Wire, fill, told};
use super::process::{self, Guarded, PATIENCE};
use super::script;

/// Where packages put its modules.
const MODULES: [&str; 4] = [
    "/usr/lib/baresip/modules",
    "/usr/lib/x86_64-linux-gnu/baresip/modules",
    "/usr/lib/aarch64-linux-gnu/baresip/modules",
    "/usr/local/lib/baresip/modules",
];

/// The largest thing that it says at once.
const SAID_MAX: usize = 1 << 20;

/// One baresip with one account.
struct Baresip {
    _process: Guarded,
    control: TcpStream,
    unread: Vec<u8>,
    seen: Vec<String>,
    port: u16,
}

impl Baresip {
    /// Starts it; `user` answers every call. With a proxy it registers there and sends everything by it.
    fn start(
        lab: &Lab,
        folder: &Path,
        user: &str,
        wire: Wire,
        proxy: Option<&Kamailio>,
    ) -> Result<Self, String> {
        let home = folder.join("baresip");
        fs::create_dir_all(&home).map_err(|error| told(&home, &error))?;
        let port = free_pair(lab.host)?;
        let control = process::free_port(Ipv4Addr::LOCALHOST, Wire::Tcp)?;
        let (host, here) = (lab.host.to_string(), home.display().to_string());
        let (listen, control_at) = (format!("{host}:{port}"), format!("{}:{control}", Ipv4Addr::LOCALHOST));
        let modules = modules()?.display().to_string();
        let certificates = lab.logs.display().to_string();
        let values = [
            ("LISTEN", listen.as_str()),
            ("HOST", &host),
            ("FOLDER", &here),
            ("CERTIFICATES", &certificates),
            ("MODULES", &modules),
            ("CONTROL", &control_at),
        ];
        fill("baresip/config", &values, &home.join("config"))?;
        let account = account(user, wire, proxy);
        fs::write(home.join("accounts"), account).map_err(|error| told(&home, &error))?;
        let log = File::create(folder.join("baresip.log")).map_err(|error| error.to_string())?;
        let log_too = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = process::tied("baresip");
        command.args(["-4", "-f", &here]).current_dir(&home).stdin(Stdio::null()).stdout(log).stderr(log_too);
        let mut process = Guarded::start(&mut command)?;
        process::wait_for_port(&mut process, Ipv4Addr::LOCALHOST, Wire::Tcp, control)
            .map_err(|error| format!("baresip: {error}"))?;
        lab.note(Wire::Udp, port);
        lab.note(Wire::Tcp, port);
        // It keeps TLS one port above.
        lab.note(Wire::Tls, port + 1);
        let control = connect(control)?;
        Ok(Self {
            _process: process,
            control,
            unread: Vec::new(),
            seen: Vec::new(),
            port: if wire == Wire::Tls { port + 1 } else { port },
        })
    }

    /// Returns once it has registered. The event may have come before anybody listened, so it is asked.
    fn has_registered(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let told = self.say("reginfo", "")?;
            if told["data"].as_str().is_some_and(|list| list.contains("OK")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("baresip does not register".to_owned())
    }

    /// Gives a command, which has to be done; what it answers.
    fn say(&mut self, command: &str, params: &str) -> Result<Value, String> {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        self.seen.push(format!("> {command} {params}"));
        write!(self.control, "{}:{text},", text.len()).map_err(|error| format!("ctrl_tcp: {error}"))?;
        let answer = self.next(|said| said["response"] == true && said["token"] == command)?;
        if answer["ok"] == true { Ok(answer) } else { Err(format!("baresip does not {command}: {answer}")) }
    }

    /// The next event of this type.
    fn event(&mut self, name: &str) -> Result<Value, String> {
        self.next(|said| said["event"] == true && said["type"] == name)
            .map_err(|error| format!("no {name}: {error}"))
    }

    /// The next thing said that fits.
    fn next(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            while let Some(said) = netstring(&mut self.unread)? {
                self.seen.push(said.to_string());
                if fits(&said) {
                    return Ok(said);
                }
            }
            let mut buffer = [0; 4096];
            match self.control.read(&mut buffer) {
                Ok(0) => return Err(format!("baresip is gone; seen:\n{}", self.seen.join("\n"))),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if is_timeout(&error) => (),
                Err(error) => return Err(format!("ctrl_tcp: {error}")),
            }
        }
        Err(format!("baresip does not say it; seen:\n{}", self.seen.join("\n")))
    }
}

/// It calls the agent, without a proxy; who holds is baresip, then the agent; baresip hangs up.
pub(super) fn calls(lab: &Lab, wire: Wire, folder: &Path) -> Result<(), String> {
    let (mut agent, port) = lab.agent(folder, "bob", wire, &[])?;
    let mut baresip = Baresip::start(lab, folder, "carol", wire, None)?;
    baresip.say("dial", &format!("sip:bob@{}:{port}", lab.host))?;
    baresip.event("CALL_ESTABLISHED")?;
    script::play(&mut agent, "< confirmed", "")?;
    baresip.say("hold", "")?;
    script::play(&mut agent, "< reinvited direction=sendonly", "")?;
    // Its own re-INVITE ends with the ACK; it refuses to begin another before.
    script::play(&mut agent, "< acknowledged", "")?;
    baresip.say("resume", "")?;
    script::play(&mut agent, "< reinvited direction=sendrecv; < acknowledged; hold", "")?;
    script::play(&mut agent, "< answered method=INVITE status=200; resume", "")?;
    script::play(&mut agent, "< answered method=INVITE status=200", "")?;
    baresip.say("hangup", "")?;
    script::play(&mut agent, "< ended cause=remote-bye", "")?;
    script::quit(&mut agent)
}

/// The agent asks what it can do and calls it, without a proxy; who holds is the agent, then baresip; the agent hangs up.
pub(super) fn called(lab: &Lab, wire: Wire, folder: &Path) -> Result<(), String> {
    let mut baresip = Baresip::start(lab, folder, "carol", wire, None)?;
    let (mut agent, _) = lab.agent(folder, "bob", wire, &[])?;
    let uri = format!("sip:carol@{}:{};transport={wire}", lab.host, baresip.port);
    script::play(&mut agent, "options; < options status=200; call; < established", &uri)?;
    baresip.event("CALL_ESTABLISHED")?;
    script::play(&mut agent, "hold; < answered method=INVITE status=200; resume", "")?;
    script::play(&mut agent, "< answered method=INVITE status=200", "")?;
    baresip.say("hold", "")?;
    script::play(&mut agent, "< reinvited direction=sendonly; < acknowledged", "")?;
    baresip.say("resume", "")?;
    script::play(&mut agent, "< reinvited direction=sendrecv; < acknowledged", "")?;
    script::play(&mut agent, "bye; < ended cause=local-bye", "")?;
    baresip.event("CALL_CLOSED")?;
    script::quit(&mut agent)
}

/// Both have registered with Kamailio and call each other through it.
pub(super) fn registered(lab: &Lab, proxy: &Kamailio, wire: Wire, folder: &Path) -> Result<(), String> {
    let (theirs, ours) = (format!("carol{wire}"), format!("dave{wire}"));
    let mut agent = kamailio::registered(lab, proxy, folder, &ours, wire)?;
    let mut baresip = Baresip::start(lab, folder, &theirs, wire, Some(proxy))?;
    baresip.has_registered()?;
    baresip.say("dial", &format!("sip:{ours}@{DOMAIN}"))?;
    baresip.event("CALL_ESTABLISHED")?;
    script::play(&mut agent, "< confirmed; hold; < answered method=INVITE status=200", "")?;
    script::play(&mut agent, "resume; < answered method=INVITE status=200", "")?;
    script::play(&mut agent, "bye; < ended cause=local-bye", "")?;
    baresip.event("CALL_CLOSED")?;
    let uri = format!("sip:{theirs}@{DOMAIN}");
    script::play(&mut agent, "call; < established", &uri)?;
    baresip.event("CALL_ESTABLISHED")?;
    baresip.say("hold", "")?;
    script::play(&mut agent, "< reinvited direction=sendonly; < acknowledged", "")?;
    baresip.say("hangup", "")?;
    script::play(&mut agent, "< ended cause=remote-bye; unregister; < unregistered", "")?;
    script::quit(&mut agent)
}

/// Its account.
fn account(user: &str, wire: Wire, proxy: Option<&Kamailio>) -> String {
    let how = match proxy {
        None => "regint=0".to_owned(),
        Some(proxy) => {
            format!("auth_user={user};auth_pass={PASSWORD};outbound=\"{}\";regint=600", proxy.uri(wire))
        }
    };
    format!("<sip:{user}@{DOMAIN};transport={wire}>;{how};answermode=auto;audio_codecs=PCMU\n")
}

/// A port that is free over UDP and TCP, and the next one over TCP.
fn free_pair(host: Ipv4Addr) -> Result<u16, String> {
    for _ in 0..100 {
        let port = process::free_port_of_both(host)?;
        if port.checked_add(1).is_some_and(|next| TcpListener::bind((host, next)).is_ok()) {
            return Ok(port);
        }
    }
    Err("no two ports beside each other are free".to_owned())
}

fn modules() -> Result<PathBuf, String> {
    let found = MODULES.iter().map(PathBuf::from).find(|folder| folder.join("ctrl_tcp.so").exists());
    found.ok_or_else(|| "baresip's modules are not there (ctrl_tcp.so)".to_owned())
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let control =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| format!("ctrl_tcp: {error}"))?;
    control.set_read_timeout(Some(Duration::from_millis(100))).map_err(|error| error.to_string())?;
    Ok(control)
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Takes one whole netstring of JSON from the front.
fn netstring(unread: &mut Vec<u8>) -> Result<Option<Value>, String> {
    let Some(colon) = unread.iter().position(|byte| *byte == b':') else { return Ok(None) };
    let length = std::str::from_utf8(&unread[..colon]).ok().and_then(|text| text.parse::<usize>().ok());
    let length = length.filter(|length| *length <= SAID_MAX).ok_or("ctrl_tcp speaks no netstrings")?;
    let end = colon + 1 + length;
    if unread.len() <= end {
        return Ok(None);
    }
    let said =
        serde_json::from_slice(&unread[colon + 1..end]).map_err(|error| format!("ctrl_tcp: {error}"))?;
    unread.drain(..=end);
    Ok(Some(said))
}

#[cfg(test)]
mod unit {
    use super::*;

    /// Netstrings come in pieces and several at once.
    #[test]
    fn netstrings() {
        let mut unread = b"2:{},3:[1],4:tr".to_vec();
        assert_eq!(netstring(&mut unread), Ok(Some(json!({}))));
        assert_eq!(netstring(&mut unread), Ok(Some(json!([1]))));
        assert_eq!(netstring(&mut unread), Ok(None));
        unread.extend_from_slice(b"ue,");
        assert_eq!(netstring(&mut unread), Ok(Some(json!(true))));
        assert!(netstring(&mut b"x:".to_vec()).is_err());
    }
}
