//! TLS, names and captures as a person at a terminal has them: certificates in files, servers by name, files to look into.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::dns::NameServer;
use crate::program::{Running, signal};

/// A directory with an issuer's certificate, and one of its own for loopback.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        let mut issuer = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
        issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let ca = issuer.self_signed(&key).expect("a certificate");
        let issuer = rcgen::Issuer::new(issuer, key);
        files.write("ca.pem", &ca.pem());
        for (name, names) in
            [("pool", vec!["127.0.0.1", "localhost", "example.com"]), ("other", vec!["other.example"])]
        {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            let key = rcgen::KeyPair::generate().expect("a key");
            let parameters = rcgen::CertificateParams::new(names).expect("parameters");
            let certificate = parameters.signed_by(&key, &issuer).expect("a certificate");
            files.write(&format!("{name}.pem"), &certificate.pem());
            files.write(&format!("{name}.key"), &key.serialize_pem());
        }
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn option(&self, option: &str, name: &str) -> String {
        format!("--{option}={}", self.path(name).display())
    }

    /// What who listens with this certificate is told.
    fn identity(&self, name: &str) -> [String; 3] {
        [
            self.option("tls-cert", &format!("{name}.pem")),
            self.option("tls-key", &format!("{name}.key")),
            self.option("tls-ca", "ca.pem"),
        ]
    }
}

fn start(args: &[&str], more: &[String]) -> Running {
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    Running::start(&[args, &more].concat())
}

const POOL: [&str; 6] = ["pool", "--open", "--front-ends=2", "--mcu=im", "--listen", "tls:127.0.0.1:0"];

/// Addresses of the nodes of a kind.
fn addresses(ready: &Value, kind: &str) -> Vec<String> {
    let nodes = ready["nodes"].as_array().expect("a list").iter().filter(|node| node["kind"] == kind);
    nodes.map(|node| node["listen"][0].as_str().expect("an address").to_owned()).collect()
}

/// The transport of everything in a pool is TLS, calls and recoveries included; and whoever looks into the captures finds
/// the messages in plain text.
#[test]
fn a_pool_over_tls() {
    let files = Files::new();
    let mut more = files.identity("pool").to_vec();
    more.push(files.option("capture", "pool.pcap"));
    let mut pool = start(&POOL, &more);
    let ready = pool.event("ready");
    let servers = addresses(&ready, "front-end");
    assert!(servers.iter().chain(&addresses(&ready, "mcu")).all(|addr| addr.starts_with("tls:")), "{ready}");
    // One by its address, one by its name.
    let by_name = servers[1].replace("127.0.0.1", "localhost");
    let mut client = vec![
        format!("--server={}", servers[0]),
        format!("--server={by_name}"),
        files.option("tls-ca", "ca.pem"),
    ];
    let scheduled = start(&["schedule"], &client).event("scheduled");
    let uri = scheduled["uri"].as_str().expect("a URI");
    let mut bob = {
        let mut join = client.clone();
        join.push("--as=sip:bob@example.com".to_owned());
        start(&["join", uri], &join)
    };
    bob.find("call", |line| line["mcu"] == "im" && line["state"] == "established");
    client.push(files.option("capture", "alice.pcap"));
    let mut alice = start(&["join", uri], &client);
    alice.find("call", |line| line["mcu"] == "im" && line["state"] == "established");
    bob.find("attendance", |line| line["uri"] == "sip:alice@example.com" && line["mcus"][0] == "im");

    let owner = pool.find("conference", |line| line["change"] == "activated")["owner"].clone();
    let nodes = ready["nodes"].as_array().expect("a list");
    let pid = nodes.iter().find(|node| node["name"] == owner).and_then(|node| node["pid"].as_u64());
    signal("-KILL", pid.expect("a pid"));
    for person in [&mut alice, &mut bob] {
        assert_eq!(person.transition("T7")["cause"], "recovered");
    }
    alice.say("say over TLS, in plain text");
    bob.find("message", |line| line["text"] == "over TLS, in plain text");
    for person in [&mut alice, &mut bob] {
        person.say("leave");
        assert_eq!(person.end().0, Some(0));
    }
    signal("-TERM", u64::from(pool.child.id()));
    assert_eq!(pool.end().0, Some(0));
    for name in ["alice.pcap", "pool-im1.pcap"] {
        let capture = std::fs::read(files.path(name)).expect("a capture");
        assert_eq!(capture[..4], 0xa1b2_c3d4_u32.to_be_bytes(), "{name}");
        let text = String::from_utf8_lossy(&capture);
        assert!(text.contains("over TLS, in plain text"), "{name}");
    }
    assert!(files.path("pool-fe1.pcap").exists() && files.path("pool-fe2.pcap").exists());
}

/// A pool on TCP behind a hop on TLS: clients outside are over TLS.
#[test]
fn a_hop_over_tls() {
    let files = Files::new();
    let trust = files.option("tls-ca", "ca.pem");
    let mut pool = start(
        &["pool", "--open", "--mcu=im", "--listen=tcp:127.0.0.1:0", "--in-process"],
        std::slice::from_ref(&trust),
    );
    let next = format!("--next={}", addresses(&pool.event("ready"), "front-end")[0]);
    let mut hop = start(&["hop", "--listen=tls:127.0.0.1:0", &next], &files.identity("pool"));
    let server = addresses(&hop.event("ready"), "hop")[0].clone();
    let mut person = start(&["join", "new", "--server", &server], &[trust]);
    person.find("call", |line| line["mcu"] == "im" && line["state"] == "established");
    person.say("say hello");
    person.find("operation", |line| line["name"] == "say" && line["result"] == "ok");
    person.say("leave");
    assert_eq!(person.end().0, Some(0));
}

/// `--domain`: the DNS says over what and where; over TLS the domain is what the certificate has to name.
#[test]
fn servers_of_a_domain() {
    let files = Files::new();
    let mut pool = start(&POOL, &files.identity("pool"));
    let ready = pool.event("ready");
    let at: Vec<_> = addresses(&ready, "front-end")
        .iter()
        .map(|addr| addr.strip_prefix("tls:").and_then(|addr| addr.parse().ok()).expect("an address"))
        .collect();
    let names = NameServer::start();
    names.offer("_sips._tcp.example.com", "sip.example.com", &at);
    names.offer("_sips._tcp.other.test", "sip.example.com", &at);
    let schedule = |domain: &str| {
        let domain = format!("--domain={domain}");
        let dns = format!("--dns={}", names.addr);
        start(&["schedule", &domain, &dns], &[files.option("tls-ca", "ca.pem")])
    };
    schedule("example.com").event("scheduled");
    // The same servers for a domain that they cannot prove, and one that nobody knows.
    for (domain, says) in
        [("other.test", "could not be scheduled"), ("nowhere.test", "no server of nowhere.test")]
    {
        let mut refused = schedule(domain);
        let told = refused.event("error");
        assert!(told["message"].as_str().expect("text").contains(says), "{told}");
        assert_eq!(refused.end().0, Some(1));
    }
}

/// What cannot work is told in one line before anything starts, or as the reason why nothing does.
#[test]
fn refusals() {
    let files = Files::new();
    let pool = |more: &[String]| start(&POOL, more);
    let identity = |name: &str| files.identity(name).to_vec();
    let mixed = [identity("pool"), vec!["--listen=tcp:127.0.0.1:0".to_owned()]].concat();
    let crossed = vec![files.option("tls-cert", "pool.pem"), files.option("tls-key", "other.key")];
    let text = |path: &Path| path.display().to_string();
    let cases = [
        (pool(&[]), 2, "needs a certificate"),
        (pool(&[files.option("tls-cert", "pool.pem")]), 2, "--tls-key"),
        (pool(&[files.option("tls-cert", "no.pem"), files.option("tls-key", "no.key")]), 2, "cannot read"),
        (start(&["pool", "--open", "--listen=tls:127.0.0.1:0"], &mixed), 2, "over TLS alone"),
        (pool(&crossed), 1, "do not belong together"),
        (pool(&identity("other")), 1, "do not trust each other"),
        (start(&["schedule", "--server=tls:localhost:5061"], &[]), 2, "--tls-ca"),
        (start(&["schedule", "--server=tcp:127.0.0.256:5060"], &[]), 2, "TRANSPORT:HOST:PORT"),
        (start(&["schedule", "--domain=-"], &[]), 2, "no name of a domain"),
        (start(&["hop", "--listen=tcp:127.0.0.1:0", "--next=tls:127.0.0.1:1"], &[]), 2, "--tls-ca"),
        (
            start(
                &["join", "new", "--server=tcp:127.0.0.1:1"],
                &[format!("--capture={}", text(&files.path("no/a")))],
            ),
            1,
            "the capture",
        ),
    ];
    for (mut command, status, says) in cases {
        let (code, told) = command.told();
        assert!(code == Some(status) && told.contains(says), "{says}: {code:?} {told}");
    }
}

/// The help names the options of TLS, names and captures.
#[test]
fn help_names_them() {
    for (command, options) in [
        ("pool", &["--tls-cert", "--tls-key", "--tls-ca", "--capture"][..]),
        ("hop", &["--tls-cert", "--tls-key", "--tls-ca", "--capture"]),
        ("join", &["--tls-ca", "--domain", "--capture"]),
        ("schedule", &["--tls-ca", "--domain"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_reconvene")).args([command, "--help"]).output();
        let text = String::from_utf8(output.expect("it runs").stdout).expect("text");
        for option in options {
            assert!(text.contains(option), "{command} {option}");
        }
    }
}
