//! The shell: questions to real name servers, and the search for destinations over them.
//!
//! The library below does the wire format, the sockets, and the change from UDP to TCP when an answer was cut. What is believed,
//! for how long and in which order is the core's affair: the library's own cache, search domains and host file are off.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Refusal, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{self, Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::task::JoinSet;

use super::cache::{Cache, CacheConfig};
use super::config::{Destination, LocateConfig, LocateError};
use super::location::Location;
use super::question::{Answer, DomainName, Naptr, Question, QuestionKind, Record, RecordData, Srv};
use crate::ids::{IdSource, SystemIds};
use crate::transport::{now, sleep_until};
use crate::{Uri, Via};

/// How long the absence of something is believed when the server does not say (RFC 2308 section 5 wants an SOA record).
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

/// Which name servers are asked, and for how long; start from the default and use `with_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsConfig {
    /// The name servers, in the order in which they are asked; empty for those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long one server may take for one answer; then the next one is asked. Default 2 s.
    pub timeout: Duration,
    /// How often all servers are asked again when none could tell. Default once.
    pub retries: usize,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(2), retries: 1 }
    }
}

impl DnsConfig {
    /// With these name servers instead of the system's.
    #[must_use]
    pub fn with_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.servers = servers.into_iter().collect();
        self
    }

    /// With this time for one answer.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With so many repetitions.
    #[must_use]
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }
}

/// Name servers cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The system does not say which name servers it uses, or says it wrongly.
    #[error("the system's name servers are not known")]
    System(#[source] io::Error),
    /// The settings cannot be used.
    #[error("the name servers cannot be used")]
    Settings(#[source] io::Error),
}

/// Name servers, asked one question at a time or many at once. Cheap to clone; needs a tokio runtime to ask.
#[derive(Clone)]
pub struct Dns {
    /// One for each server: which one is asked when, and for how long, is decided here.
    servers: Arc<[TokioResolver]>,
    timeout: Duration,
    rounds: usize,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("servers", &self.servers.len()).finish_non_exhaustive()
    }
}

impl Dns {
    /// Prepares to ask; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`DnsError::System`] when no server is given and those of the system cannot be read.
    pub fn new(config: &DnsConfig) -> Result<Self, DnsError> {
        let servers = if config.servers.is_empty() {
            let (system, _) = read_system_conf().map_err(|e| DnsError::System(io::Error::other(e)))?;
            system.name_servers().to_vec()
        } else {
            config.servers.iter().map(|server| name_server(*server)).collect()
        };
        if servers.is_empty() {
            return Err(DnsError::System(io::ErrorKind::NotFound.into()));
        }
        let servers = servers.into_iter().map(|server| asker(server, config.timeout));
        let servers: Result<Arc<[TokioResolver]>, NetError> = servers.collect();
        let servers = servers.map_err(|e| DnsError::Settings(io::Error::other(e)))?;
        Ok(Self { servers, timeout: config.timeout, rounds: config.retries.saturating_add(1) })
    }

    /// Asks one question: the servers in order until one can tell. Search domains and the host file of the system do not count.
    pub async fn ask(&self, question: &Question) -> Answer {
        // The final dot: a name is never completed.
        let Ok(name) = Name::from_ascii(format!("{}.", question.name)) else { return Answer::Failed };
        let kind = match question.kind {
            QuestionKind::Naptr => RecordType::NAPTR,
            QuestionKind::Srv => RecordType::SRV,
            QuestionKind::A => RecordType::A,
            QuestionKind::Aaaa => RecordType::AAAA,
        };
        let mut answer = Answer::Failed;
        for _ in 0..self.rounds {
            for server in self.servers.iter() {
                // Once for the datagram, once for the connection when the answer was cut.
                let limit = self.timeout.saturating_mul(2);
                answer = match tokio::time::timeout(limit, server.lookup(name.clone(), kind)).await {
                    Ok(Ok(lookup)) => Answer::Records(lookup.answers().iter().filter_map(record).collect()),
                    Ok(Err(error)) => failure(&error),
                    Err(_) => Answer::TimedOut,
                };
                tracing::debug!(%question, ?answer, "name server");
                if !answer.is_failure() {
                    return answer;
                }
            }
        }
        answer
    }
}

/// What asks one server. Its own cache, search domains, host file and order are off.
fn asker(server: NameServerConfig, timeout: Duration) -> Result<TokioResolver, NetError> {
    let settings = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(settings, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = timeout;
    options.attempts = 0;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = true;
    // A forged answer has to guess the case of each letter, too.
    options.case_randomization = true;
    builder.build()
}

/// One server over UDP, and over TCP at the same port.
fn name_server(addr: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = addr.port();
        connection
    });
    NameServerConfig::new(addr.ip(), true, connections.into())
}

fn failure(error: &NetError) -> Answer {
    match error {
        NetError::Dns(Refusal::NoRecordsFound(none)) => {
            let seconds = none.negative_ttl.map(u64::from);
            let ttl = seconds.map_or(NEGATIVE_TTL, Duration::from_secs);
            match none.response_code {
                ResponseCode::NXDomain => Answer::NoSuchName { ttl },
                ResponseCode::NoError => Answer::NoData { ttl },
                _ => Answer::Failed,
            }
        }
        NetError::Timeout => Answer::TimedOut,
        _ => Answer::Failed,
    }
}

/// A record of a kind that we know, in our words.
fn record(record: &rr::Record) -> Option<Record> {
    let data = match &record.data {
        RData::NAPTR(naptr) => RecordData::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: domain(&naptr.replacement),
        }),
        RData::SRV(srv) => RecordData::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: domain(&srv.target),
        }),
        RData::A(a) => RecordData::A(a.0),
        RData::AAAA(aaaa) => RecordData::Aaaa(aaaa.0),
        RData::CNAME(alias) => RecordData::Alias(domain(&alias.0)?),
        _ => return None,
    };
    Some(Record { owner: domain(&record.name)?, ttl: Duration::from_secs(u64::from(record.ttl)), data })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `None` for the root, and for names that no host has.
fn domain(name: &Name) -> Option<DomainName> {
    DomainName::parse(&name.to_ascii()).ok()
}

/// Finds the destinations of URIs: a [`Location`] per search, one [`Cache`] for all, over a [`Dns`].
///
/// Cheap to clone; clones share the cache.
///
/// # Examples
///
/// From a URI to a request on its way. (Here the URI has an address, so that no name server is asked.)
///
/// ```
/// use std::time::Instant;
/// use sip_core::resolve::{
///     DestinationMemory, Dns, DnsConfig, Failover, LocateConfig, Locator, MemoryConfig, Sending,
/// };
/// use sip_core::{
///     Endpoint, EndpointConfig, ListenAddr, Method, NameAddr, RequestDraft, SystemIds, TransportKind,
/// };
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let servers = DnsConfig::default().with_servers(["192.0.2.53:53".parse()?]);
/// let locator = Locator::new(Dns::new(&servers)?, LocateConfig::new(&[TransportKind::Udp, TransportKind::Tcp]));
/// let mut endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SystemIds::new()));
/// let mut memory = DestinationMemory::new(MemoryConfig::default());
///
/// let (me, bob): (NameAddr, NameAddr) = ("<sip:alice@192.0.2.9>;tag=1".parse()?, "<sip:bob@192.0.2.7>".parse()?);
/// let draft = RequestDraft::new(Method::Options, bob.uri().clone()).from(me).to(bob).call_id("4711").cseq(1);
/// let destinations = locator.locate(&draft.next_hop_uri()).await?;
/// assert_eq!(destinations[0].to_string(), "udp:192.0.2.7:5060");
///
/// let now = Instant::now();
/// let failover = Failover::new(&draft.method, Some("4711"), &destinations, &memory, now);
/// let mut sending = Sending::start(draft, failover, &mut endpoint, now)?;
/// // Now drive the endpoint over a `Transport`, and give each of its events to the request:
/// while let Some(event) = endpoint.poll_event() {
///     sending.handle_event(&event, &mut endpoint, &mut memory, now);
/// }
/// // Without failover it is one line:
/// # let draft = RequestDraft::new(Method::Options, "sip:192.0.2.7".parse()?);
/// endpoint.send_request(draft, destinations[0].target(), now);
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Locator {
    dns: Dns,
    config: Arc<LocateConfig>,
    /// Never locked across an await.
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    cache: Cache,
    ids: SystemIds,
}

impl Locator {
    /// Searches by `config` over `dns`, with a cache of the default size.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers to give ([`SystemIds::new`]).
    #[must_use]
    pub fn new(dns: Dns, config: LocateConfig) -> Self {
        Self::with_cache(dns, config, CacheConfig::default())
    }

    /// The same with another cache.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers to give ([`SystemIds::new`]).
    #[must_use]
    pub fn with_cache(dns: Dns, config: LocateConfig, cache: CacheConfig) -> Self {
        let shared = Shared { cache: Cache::new(cache), ids: SystemIds::new() };
        Self { dns, config: config.into(), shared: Arc::new(Mutex::new(shared)) }
    }

    /// Where a request to `uri` goes, first destination first; at least one. Takes at most
    /// [`LocateConfig::time_limit`]. Dropping the future gives the search up.
    ///
    /// # Errors
    ///
    /// See [`LocateError`]; [`LocateError::is_temporary`] says whether to try again later.
    pub async fn locate(&self, uri: &Uri) -> Result<Vec<Destination>, LocateError> {
        let location = Location::new(uri, &self.config, self.seed(), now())?;
        self.run(location).await
    }

    /// Where a response goes whose connection is gone, by the topmost Via of its request (RFC 3263 section 5).
    ///
    /// # Errors
    ///
    /// As for [`locate`](Self::locate).
    pub async fn locate_response(&self, via: &Via) -> Result<Vec<Destination>, LocateError> {
        let location = Location::for_response(via, &self.config, self.seed(), now())?;
        self.run(location).await
    }

    /// Forgets what was learned: after a change of the network.
    pub fn forget(&self) {
        self.with(|shared| shared.cache.clear());
    }

    fn seed(&self) -> u64 {
        self.with(|shared| shared.ids.next_u128() as u64)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn run(&self, mut location: Location) -> Result<Vec<Destination>, LocateError> {
        // Questions that are left when the search is over end with the set.
        let mut asking: JoinSet<(Question, Answer)> = JoinSet::new();
        loop {
            while let Some(question) = self.with(|shared| location.poll_question(&shared.cache, now())) {
                let dns = self.dns.clone();
                asking.spawn(async move {
                    let answer = dns.ask(&question).await;
                    (question, answer)
                });
            }
            if let Some(outcome) = location.outcome() {
                return outcome.map(<[Destination]>::to_vec);
            }
            let deadline: Option<Instant> = location.poll_timeout();
            tokio::select! {
                Some(answered) = asking.join_next() => {
                    if let Ok((question, answer)) = answered {
                        self.with(|shared| location.handle_answer(&question, answer, &mut shared.cache, now()));
                    }
                }
                () = sleep_until(deadline) => {
                    self.with(|shared| location.handle_timeout(&mut shared.cache, now()));
                }
            }
        }
    }
}
