//! The command line: subcommands and options as data, with the help texts.
//!
//! Options of the interface that this version does not serve yet are parsed and hidden from the help: using one is
//! an error that says so, never a silent no-op.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use c3p::McuType;
use clap::{Args, Parser, Subcommand, ValueEnum};
use reconvene::lookup::Server;
use sip_core::ListenAddr;

/// Conferences that keep their meetings through failures.
///
/// New here? Run `reconvene demo`: it starts a small pool of servers, lets three people meet and talk, kills servers
/// one after the other, and shows what every session goes through.
#[derive(Debug, Parser)]
#[command(name = "reconvene", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every subcommand takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print one JSON object per line instead of text, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How much to log to stderr: error, warn, info, debug, trace (or a filter such as `sip_core=debug`)
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    pub(crate) log: String,
    /// Read options from a TOML file, by the same names; the command line wins over it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it all with nothing to set up: a pool, three clients, four failures, and a recovery report
    ///
    /// Starts two front ends, two IM MCUs and two hops as processes on loopback ports that it picks. Three clients
    /// join through the hops and talk. Then it kills, with SIGKILL, the front end that owns the conference, the MCU
    /// in use, the hop in use, and both hops. Exits with 0 only if every session recovered and no message was lost.
    Demo(DemoOptions),
    /// Run a pool of front ends and MCUs until stopped (Ctrl-C)
    ///
    /// Every front end and MCU is a process of its own, so that you can kill one and watch: the first line printed
    /// tells names, addresses and pids.
    Pool(PoolOptions),
    /// Create a conference and print its URI
    Schedule(ScheduleOptions),
    /// Join a conference: print what happens, take commands on stdin
    ///
    /// Commands, one a line: say TEXT, roster, state, lock, unlock, admit URI, deny URI, eject URI, promote URI,
    /// demote URI, call im, hangup im, leave, end (for everybody).
    Join(Box<JoinOptions>),
    /// Run one record-routing hop between clients and a pool
    Hop(HopOptions),
    /// One process of a pool; the supervisor starts these
    #[command(hide = true)]
    Node(NodeOptions),
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// How long the last outage lasts: both hops dead, then one comes back
    #[arg(long, value_name = "DURATION", default_value = "10s", hide = true)]
    pub(crate) outage: Span,
}

/// TLS of who listens and connects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct TlsOptions {
    /// For addresses over TLS: our certificate as PEM, then those of its issuers; it has to name those addresses
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whose certificates to trust when connecting over TLS, as PEM [default: the one of --tls-cert]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
}

/// What `pool` takes.
#[derive(Debug, Args)]
pub(crate) struct PoolOptions {
    /// Where a front end listens; each one given is one more front end (port 0 picks one, `ready` tells which)
    #[arg(long, value_name = "TRANSPORT:HOST:PORT", default_value = "tcp:127.0.0.1:5060")]
    pub(crate) listen: Vec<ListenAddr>,
    /// Run this many front ends, on consecutive ports from the one --listen
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) front_ends: Option<u16>,
    /// The pool's own domain; people of other domains come in as guests of their own
    #[arg(long, value_name = "NAME", default_value = "example.com")]
    pub(crate) domain: String,
    /// Where conferences are kept: `memory` (only with --in-process) or `sqlite:FILE` [default: a temporary file]
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreChoice>,
    /// MCUs to run, one process for each word given; two of a kind can take over from each other
    #[arg(long, value_name = "im,im", value_delimiter = ',', default_value = "im,im")]
    pub(crate) mcu: Vec<Modality>,
    /// No authentication: people are who they say they are; loopback addresses only
    #[arg(long)]
    pub(crate) open: bool,
    /// With --open: listen on other than loopback addresses all the same
    #[arg(long, requires = "open")]
    pub(crate) force: bool,
    /// Let in only the people of this file, by their passwords (SIP Digest)
    ///
    /// One person a line: `user@domain:password`, or instead of the password a hash of `user@domain:domain:password`:
    /// `user@domain:{SHA-256}HEX` (or `{MD5}HEX` for old clients). Empty lines and lines that begin with # do not count.
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    pub(crate) users: Option<PathBuf>,
    /// Start a new process when one dies
    #[arg(long)]
    pub(crate) restart: bool,
    /// Run everything as tasks of this one process instead
    #[arg(long)]
    pub(crate) in_process: bool,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// Write what crosses the sockets to a file (pcap), passwords hidden; each node's name is put into its own
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    #[arg(long, value_name = "HOST:PORT", hide = true)]
    pub(crate) dashboard: Option<String>,
    #[arg(long, value_name = "HOST:PORT", hide = true)]
    pub(crate) metrics: Option<String>,
}

/// Who a client is and where its servers are.
#[derive(Debug, Args)]
pub(crate) struct ClientOptions {
    /// A server to use (udp, tcp or tls); repeat it for more, in order of preference
    #[arg(long, value_name = "TRANSPORT:HOST:PORT")]
    pub(crate) server: Vec<Server>,
    /// Your address
    #[arg(long = "as", value_name = "SIP-URI", default_value = "sip:alice@example.com")]
    pub(crate) identity: String,
    /// Your name as others see it
    #[arg(long, value_name = "NAME")]
    pub(crate) display_name: Option<String>,
    /// Find the servers of this domain instead, by its DNS records (RFC 3263)
    #[arg(long, value_name = "NAME", conflicts_with = "server")]
    pub(crate) domain: Option<String>,
    /// Ask this name server about --domain, not the system's
    #[arg(long, value_name = "ADDRESS:PORT", hide = true)]
    pub(crate) dns: Vec<SocketAddr>,
    /// Read your password from the first line of this file [default: the variable RECONVENE_PASSWORD, if set]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Whose certificates to trust over TLS, as PEM: that of the server itself, or of its issuer
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
}

/// What `schedule` takes.
#[derive(Debug, Args)]
pub(crate) struct ScheduleOptions {
    #[command(flatten)]
    pub(crate) client: ClientOptions,
    /// What the conference is about
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
}

/// What `join` takes.
#[derive(Debug, Args)]
pub(crate) struct JoinOptions {
    /// The conference's URI, or `new` to create one and join it
    #[arg(value_name = "URI")]
    pub(crate) uri: String,
    #[command(flatten)]
    pub(crate) client: ClientOptions,
    /// The calls to place as soon as their MCU is active: im, or none
    #[arg(long, value_name = "im|none", default_value = "im")]
    pub(crate) modality: Modalities,
    /// How long to wait in the lobby; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    pub(crate) lobby_timeout: Span,
    /// Give up a session that has been reconnecting for this long
    #[arg(long, value_name = "DURATION")]
    pub(crate) give_up_after: Option<Span>,
    /// Leave when stdin ends (without it the session stays until Ctrl-C)
    #[arg(long)]
    pub(crate) leave_on_eof: bool,
    /// Join without registering; a broken route can then be healed from this side only
    #[arg(long)]
    pub(crate) no_register: bool,
    /// Write what crosses the sockets to a file (pcap), passwords hidden
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    #[arg(long, value_name = "once", default_value = "once", hide = true)]
    pub(crate) reconnect: String,
    #[arg(long, value_name = "URL", hide = true)]
    pub(crate) checkpoint: Option<String>,
    #[arg(long, value_name = "SOURCE", hide = true)]
    pub(crate) audio: Option<String>,
    #[arg(long, value_name = "WAV", hide = true)]
    pub(crate) audio_out: Option<PathBuf>,
}

/// What `hop` takes.
#[derive(Debug, Args)]
pub(crate) struct HopOptions {
    /// Where clients and servers reach this hop (port 0 picks one, `ready` tells which)
    #[arg(long, value_name = "TRANSPORT:HOST:PORT", required = true)]
    pub(crate) listen: Vec<ListenAddr>,
    /// Where to send what belongs to the pool; repeat it for more, in order of preference
    #[arg(long, value_name = "TRANSPORT:HOST:PORT", required = true)]
    pub(crate) next: Vec<ListenAddr>,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// Write what crosses the sockets to a file (pcap), passwords hidden
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
}

/// What one process of a pool is told; see `supervisor::NodeSpec`.
#[derive(Debug, Args)]
pub(crate) struct NodeOptions {
    #[arg(value_enum)]
    pub(crate) kind: NodeKind,
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long, required = true)]
    pub(crate) listen: Vec<ListenAddr>,
    #[arg(long)]
    pub(crate) next: Vec<ListenAddr>,
    #[arg(long)]
    pub(crate) store: Option<StoreChoice>,
    #[arg(long, default_value = "example.com")]
    pub(crate) domain: String,
    /// An MCU's own modality; for a front end, those of new conferences
    #[arg(long)]
    pub(crate) mcu: Vec<Modality>,
    /// Of a pool with users; its key comes in the environment
    #[arg(long)]
    pub(crate) users: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// This node's own file
    #[arg(long)]
    pub(crate) capture: Option<PathBuf>,
    /// Remove the directory of the store if the supervisor dies
    #[arg(long)]
    pub(crate) temporary: bool,
}

/// What a process of a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeKind {
    FrontEnd,
    Mcu,
    Hop,
}

impl NodeKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FrontEnd => "front-end",
            Self::Mcu => "mcu",
            Self::Hop => "hop",
        }
    }
}

/// A modality as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Modality {
    Im,
    Av,
}

impl Modality {
    /// The MCU type of the documents.
    pub(crate) fn mcu_type(self) -> McuType {
        match self {
            Self::Im => McuType::Im,
            Self::Av => McuType::Av,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Im => "im",
            Self::Av => "av",
        }
    }
}

/// The calls that `join` places itself: `im`, `av`, `im,av` or `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modalities(pub(crate) Vec<Modality>);

impl FromStr for Modalities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(|word| Modality::from_str(word, false)).collect::<Result<_, _>>().map(Self)
    }
}

/// Where the pool keeps its conferences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreChoice {
    Memory,
    Sqlite(PathBuf),
    Etcd(String),
}

impl FromStr for StoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", file)) if !file.is_empty() => Ok(Self::Sqlite(PathBuf::from(file))),
            Some(("etcd", urls)) if !urls.is_empty() => Ok(Self::Etcd(urls.to_owned())),
            Some(_) | None => Err("expected memory, sqlite:FILE or etcd:URL".to_owned()),
        }
    }
}

impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Etcd(urls) => write!(f, "etcd:{urls}"),
        }
    }
}

/// A span of time as people write it: `0`, `90s`, `15m`, `2h`, `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 =
            number.parse().map_err(|_| "expected a number with ms, s, m or h, such as 15m".to_owned())?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "" if number == 0 => 1,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err("expected a unit: ms, s, m or h, such as 15m".to_owned()),
        };
        number
            .checked_mul(millis)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| "too long".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The definition is consistent: clap checks it.
    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    /// cli.md: spans such as 15m; 0 means "do not wait".
    #[test]
    fn spans() {
        assert_eq!("15m".parse(), Ok(Span(Duration::from_secs(900))));
        assert_eq!("0".parse(), Ok(Span(Duration::ZERO)));
        assert_eq!("500ms".parse(), Ok(Span(Duration::from_millis(500))));
        for bad in ["", "15", "m", "1d", "-1s", "99999999999999999999h"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    /// cli.md: `--store memory | sqlite:FILE | etcd:URL`.
    #[test]
    fn stores() {
        for text in ["memory", "sqlite:/tmp/pool.db", "etcd:http://a,http://b"] {
            assert_eq!(text.parse::<StoreChoice>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "sqlite", "sqlite:", "redis:x"] {
            assert!(bad.parse::<StoreChoice>().is_err(), "{bad}");
        }
    }

    /// cli.md: `--modality im|av|im,av|none`.
    #[test]
    fn modalities() {
        assert_eq!("none".parse(), Ok(Modalities(vec![])));
        assert_eq!("im,av".parse(), Ok(Modalities(vec![Modality::Im, Modality::Av])));
        assert!("video".parse::<Modalities>().is_err());
    }
}
