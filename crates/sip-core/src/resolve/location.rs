//! From a URI to destinations: the procedures of RFC 3263 sections 4.1, 4.2 and 5 as one machine.
//!
//! ```text
//!  address ───────────────────────────────────────────────────────► Over
//!  name, port ──────────────────────────────────────► Hosts ──────► Over
//!  name, transport ─────────────► Services ─────────► Hosts ──────► Over
//!  name ──────────► Naptr ──────► Services ─────────► Hosts ──────► Over
//!                                  │ ▲  no SRV: the domain itself ▲ │
//!                                  │ └── nothing found, next order ─┘
//! ```
//!
//! # Invariants
//!
//! - While there is no outcome, there is a question to ask or to be answered.
//! - A failed question counts like one without records: the search goes on with what is known. When nothing is found in the
//!   end, a failure is told before an absence, since it may pass.
//! - A destination is found once, and at most [`LocateConfig::max_destinations`] are.
//! - `sips` leads to TLS alone, whatever the DNS says.
//!
//! # Where the RFC leaves room
//!
//! - No usable NAPTR record counts like none.
//! - A `sip` URI without NAPTR records: `_sips._tcp` is asked for as well when TLS is spoken, as SIPS services of NAPTR records
//!   are kept for it.
//! - NXDOMAIN for the NAPTR question does not end the search: there are servers that say so of names that have addresses.
//! - Of NAPTR records only those of the lowest usable order count; the next order is looked at when that one leads nowhere.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::cache::Cache;
use super::config::{AddressFamilies, Destination, LocateConfig, LocateError};
use super::order::{Service, order_naptr, order_srv};
use super::question::{Answer, DomainName, Naptr, Question, QuestionKind, Record, RecordData, Srv};
use crate::endpoint::PeerName;
use crate::header::lex;
use crate::ids::SeededIds;
use crate::{Scheme, TransportKind, Uri, Via};

/// A host whose addresses are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    transport: TransportKind,
    name: DomainName,
    port: u16,
}

/// What is being asked.
#[derive(Debug)]
enum Stage {
    /// The services of the domain.
    Naptr(Question),
    /// The hosts of these services.
    Services(Vec<Service>),
    /// The addresses of these hosts.
    Hosts(Vec<Host>),
    /// Nothing any more.
    Over,
}

/// What became of a question, aliases followed.
#[derive(Debug, Clone)]
enum Found {
    Data(Vec<RecordData>),
    Absent,
    Failed,
    TimedOut,
}

/// A question on its way along aliases.
#[derive(Debug)]
struct Chain {
    root: Question,
    at: Question,
    aliases: usize,
}

/// What one answer means for a chain.
enum Read {
    Done(Found),
    Continue { name: DomainName, aliases: usize },
}

/// The search for the destinations of one URI. See the module's text.
///
/// Drive it so: until [`outcome`](Self::outcome) is there, ask every question that [`poll_question`](Self::poll_question) gives,
/// hand each answer to [`handle_answer`](Self::handle_answer) in whatever order they come, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so.
#[derive(Debug)]
pub struct Location {
    config: LocateConfig,
    ids: SeededIds,
    secure: bool,
    identity: PeerName,
    /// The domain, unless the host is an address.
    domain: Option<DomainName>,
    stage: Stage,
    /// Services of higher NAPTR orders.
    later: VecDeque<Vec<Service>>,
    /// For the domain's own addresses: the transports to take, in order, and those that the domain refused.
    candidates: Vec<TransportKind>,
    refused: Vec<TransportKind>,
    fell_back: bool,
    found: HashMap<Question, Found>,
    chains: Vec<Chain>,
    to_ask: VecDeque<Question>,
    outstanding: HashSet<Question>,
    asked: usize,
    failure: Option<LocateError>,
    deadline: Instant,
    patience_ends: Option<Instant>,
    closed: bool,
    destinations: Vec<Destination>,
    outcome: Option<Result<(), LocateError>>,
}

impl Location {
    /// Begins the search for where a request to `uri` goes (RFC 3263 section 4): the first Route of the request, else its
    /// Request-URI.
    ///
    /// - `seed`: draws among SRV records of one priority; take `ids.next_u128() as u64`, or a hash of what has to lead to the
    ///   same place each time (a stateless proxy: RFC 3263 section 4.3).
    ///
    /// # Errors
    ///
    /// [`LocateError::Scheme`], [`LocateError::Host`] or [`LocateError::Transport`]: no question would help.
    pub fn new(uri: &Uri, config: &LocateConfig, seed: u64, now: Instant) -> Result<Self, LocateError> {
        let secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other => return Err(LocateError::Scheme),
        };
        let asked = match uri.param("transport") {
            None => None,
            Some(text) => Some(text.parse::<TransportKind>().map_err(|_| LocateError::Transport)?),
        };
        let transport = match (secure, asked) {
            (true, Some(TransportKind::Udp)) => return Err(LocateError::Transport),
            (true, Some(TransportKind::Tcp | TransportKind::Tls) | None) => asked.map(|_| TransportKind::Tls),
            (false, asked) => asked,
        };
        let identity = identity(uri.host()).ok_or(LocateError::Host)?;
        let mut location = Self::begin(config, identity, secure, seed, now);
        location.candidates = location.usable_transports(transport);
        if location.candidates.is_empty() {
            return Err(LocateError::Transport);
        }
        location.search(uri.param("maddr").unwrap_or(uri.host()), uri.port(), transport)?;
        Ok(location)
    }

    /// Begins the search for where a response goes whose connection is gone, by the topmost Via of the request
    /// (RFC 3263 section 5, RFC 3261 section 18.2.2).
    ///
    /// The first destination is where the request came from: over streams `received` with the port of sent-by, over datagrams
    /// `maddr`, else `received` and `rport`. Then comes what the DNS says of sent-by.
    ///
    /// # Errors
    ///
    /// [`LocateError::Transport`] when the Via names one that we do not speak, [`LocateError::Host`] when it leads nowhere.
    pub fn for_response(
        via: &Via,
        config: &LocateConfig,
        seed: u64,
        now: Instant,
    ) -> Result<Self, LocateError> {
        let transport = via.transport().filter(|t| config.transports.contains(t));
        let transport = transport.ok_or(LocateError::Transport)?;
        let secure = transport == TransportKind::Tls;
        let identity = identity(via.host()).or_else(|| via.received().map(PeerName::from));
        let identity = identity.ok_or(LocateError::Host)?;
        let mut location = Self::begin(config, identity, secure, seed, now);
        location.candidates = vec![transport];
        let port = via.port().unwrap_or(transport.default_port());
        let maddr = via.param("maddr").filter(|_| transport == TransportKind::Udp);
        let source = match (maddr.and_then(literal), via.received()) {
            (Some(ip), _) => Some(SocketAddr::new(ip, port)),
            (None, Some(ip)) if transport.is_reliable() => Some(SocketAddr::new(ip, port)),
            (None, _) => via.response_addr().filter(|_| !transport.is_reliable()),
        };
        if let Some(addr) = source {
            location.add(transport, addr);
        }
        match location.search(maddr.unwrap_or(via.host()), via.port(), Some(transport)) {
            Err(error) if location.destinations.is_empty() => return Err(error),
            Err(_) => location.finish(),
            Ok(()) => {}
        }
        Ok(location)
    }

    fn begin(config: &LocateConfig, identity: PeerName, secure: bool, seed: u64, now: Instant) -> Self {
        Self {
            config: config.clone(),
            ids: SeededIds::new(seed),
            secure,
            identity,
            domain: None,
            stage: Stage::Over,
            later: VecDeque::new(),
            candidates: Vec::new(),
            refused: Vec::new(),
            fell_back: false,
            found: HashMap::new(),
            chains: Vec::new(),
            to_ask: VecDeque::new(),
            outstanding: HashSet::new(),
            asked: 0,
            failure: None,
            deadline: now.checked_add(config.time_limit).unwrap_or(now + Duration::from_secs(3_600)),
            patience_ends: None,
            closed: false,
            destinations: Vec::new(),
            outcome: None,
        }
    }

    /// The next question. What the cache knows is taken from there and not asked.
    pub fn poll_question(&mut self, cache: &Cache, now: Instant) -> Option<Question> {
        while self.outcome.is_none() {
            let question = self.to_ask.pop_front()?;
            if self.outstanding.contains(&question) {
                continue;
            }
            if let Some(answer) = cache.get(&question, now) {
                self.take(&question, answer, now);
            } else if self.asked >= self.config.max_questions {
                self.take(&question, Answer::Failed, now);
            } else {
                self.asked += 1;
                self.outstanding.insert(question.clone());
                return Some(question);
            }
        }
        None
    }

    /// Takes the answer to a question that was asked, and lets the cache learn it; others are ignored.
    pub fn handle_answer(&mut self, question: &Question, answer: Answer, cache: &mut Cache, now: Instant) {
        if self.outstanding.remove(question) {
            let answer = cache.learn(question, answer.bounded(self.config.max_records), now);
            self.take(question, answer, now);
        }
        self.check_invariants();
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; `None` when the search is over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let soonest = self.patience_ends.map_or(self.deadline, |at| at.min(self.deadline));
        self.outcome.is_none().then_some(soonest)
    }

    /// Ends the search when its time is over: with what is known. The cache learns which questions had no answer.
    pub fn handle_timeout(&mut self, cache: &mut Cache, now: Instant) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        self.closed = true;
        for question in std::mem::take(&mut self.outstanding) {
            let answer = cache.learn(&question, Answer::TimedOut, now);
            self.give(&question, &answer);
        }
        for chain in std::mem::take(&mut self.chains) {
            self.settle(chain.root, Found::TimedOut);
        }
        self.to_ask.clear();
        self.advance();
        self.check_invariants();
    }

    /// The destinations in the order in which they are to be tried, at least one, once the search is over.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<&[Destination], LocateError>> {
        self.outcome.map(|outcome| outcome.map(|()| &*self.destinations))
    }

    /// Begins at the stage that the parts of the URI ask for.
    fn search(
        &mut self,
        host: &str,
        port: Option<u16>,
        transport: Option<TransportKind>,
    ) -> Result<(), LocateError> {
        let first = self.candidates[0];
        if let Some(ip) = literal(host) {
            self.add(first, SocketAddr::new(ip, port.unwrap_or(first.default_port())));
            self.finish();
            return Ok(());
        }
        let domain = DomainName::parse(host).map_err(|_| LocateError::Host)?;
        self.domain = Some(domain.clone());
        match (port, transport) {
            (Some(port), _) => self.ask_hosts(vec![Host { transport: first, name: domain, port }]),
            (None, Some(_)) => self.ask_services_of(&[first], &domain),
            (None, None) => {
                let question = Question::new(domain, QuestionKind::Naptr);
                self.want(question.clone());
                self.stage = Stage::Naptr(question);
            }
        }
        self.advance();
        Ok(())
    }

    /// The transports for the domain's own address, the RFC's choice first: TLS for `sips`, UDP for `sip`.
    fn usable_transports(&self, asked: Option<TransportKind>) -> Vec<TransportKind> {
        let rfc = if self.secure { TransportKind::Tls } else { TransportKind::Udp };
        let fits = |t: &TransportKind| match asked {
            Some(asked) => *t == asked,
            None => !self.secure || *t == TransportKind::Tls,
        };
        let mut all: Vec<TransportKind> = self.config.transports.iter().copied().filter(fits).collect();
        all.sort_by_key(|t| *t != rfc);
        all
    }

    /// Makes a question one that has to be answered before the search goes on.
    fn want(&mut self, question: Question) {
        if self.found.contains_key(&question) || self.chains.iter().any(|chain| chain.root == question) {
            return;
        }
        if self.closed {
            return self.settle(question, Found::TimedOut);
        }
        self.to_ask.push_back(question.clone());
        self.chains.push(Chain { root: question.clone(), at: question, aliases: 0 });
    }

    fn settle(&mut self, question: Question, found: Found) {
        match &found {
            Found::Failed => self.failure = Some(LocateError::Dns),
            Found::TimedOut => self.failure = self.failure.or(Some(LocateError::TimedOut)),
            Found::Data(_) | Found::Absent => {}
        }
        self.found.insert(question, found);
    }

    fn take(&mut self, question: &Question, answer: Answer, now: Instant) {
        self.give(question, &answer.bounded(self.config.max_records));
        self.be_patient(now);
        self.advance();
    }

    /// Gives an answer to the chains that wait for it.
    fn give(&mut self, question: &Question, answer: &Answer) {
        for chain in std::mem::take(&mut self.chains) {
            if chain.at != *question {
                self.chains.push(chain);
                continue;
            }
            match read(question, answer, chain.aliases, self.config.max_aliases) {
                Read::Done(found) => self.settle(chain.root, found),
                Read::Continue { name, aliases } => {
                    let at = Question::new(name, question.kind);
                    self.to_ask.push_back(at.clone());
                    self.chains.push(Chain { root: chain.root, at, aliases });
                }
            }
        }
    }

    /// With the first address begins the time that others have left.
    fn be_patient(&mut self, now: Instant) {
        let Stage::Hosts(hosts) = &self.stage else { return };
        let known = |host: &Host| {
            let kinds = [QuestionKind::Aaaa, QuestionKind::A].into_iter();
            let mut found = kinds.map(|kind| self.found.get(&Question::new(host.name.clone(), kind)));
            found.any(|found| matches!(found, Some(Found::Data(_))))
        };
        if self.patience_ends.is_none() && hosts.iter().any(known) {
            self.patience_ends = now.checked_add(self.config.patience);
        }
    }

    /// Goes from stage to stage while nothing is being waited for.
    fn advance(&mut self) {
        while self.outcome.is_none() && self.chains.is_empty() {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Naptr(question) => self.on_naptr(&question),
                Stage::Services(services) => self.on_services(&services),
                Stage::Hosts(hosts) => self.on_hosts(&hosts),
                Stage::Over => self.finish(),
            }
        }
    }

    fn on_naptr(&mut self, question: &Question) {
        let records: Vec<Naptr> = self.data(question, |data| match data {
            RecordData::Naptr(naptr) => Some(naptr.clone()),
            RecordData::Srv(_) | RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Alias(_) => None,
        });
        let groups = order_naptr(&records, self.secure, &self.config.transports);
        if groups.is_empty() {
            let ours = |t: &TransportKind| self.candidates.contains(t);
            let all: Vec<TransportKind> = self.config.transports.iter().copied().filter(ours).collect();
            return self.ask_services_of(&all, &question.name);
        }
        // The domain's own address is asked for over what the domain prefers.
        self.candidates.clear();
        for service in groups.iter().flatten() {
            if !self.candidates.contains(&service.transport) {
                self.candidates.push(service.transport);
            }
        }
        self.later = groups.into();
        self.next_order();
    }

    fn on_services(&mut self, services: &[Service]) {
        let mut hosts: Vec<Host> = Vec::new();
        for service in services {
            let question = Question::new(service.srv.clone(), QuestionKind::Srv);
            let records: Vec<Srv> = self.data(&question, |data| match data {
                RecordData::Srv(srv) => Some(srv.clone()),
                RecordData::Naptr(_) | RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Alias(_) => None,
            });
            if !records.is_empty() && records.iter().all(|record| record.target.is_none()) {
                self.refused.push(service.transport);
            }
            for Srv { port, target, .. } in order_srv(&records, &mut self.ids) {
                let host = target.map(|name| Host { transport: service.transport, name, port });
                hosts.extend(host.filter(|host| !hosts.contains(host)));
            }
        }
        hosts.truncate(self.config.max_hosts);
        if hosts.is_empty() { self.next_order() } else { self.ask_hosts(hosts) }
    }

    fn on_hosts(&mut self, hosts: &[Host]) {
        for host in hosts {
            for kind in self.families() {
                let question = Question::new(host.name.clone(), kind);
                let addresses: Vec<IpAddr> = self.data(&question, |data| match data {
                    RecordData::A(ip) => Some(IpAddr::V4(*ip)),
                    RecordData::Aaaa(ip) => Some(IpAddr::V6(*ip)),
                    RecordData::Naptr(_) | RecordData::Srv(_) | RecordData::Alias(_) => None,
                });
                for ip in addresses {
                    self.add(host.transport, SocketAddr::new(ip, host.port));
                }
            }
        }
        if self.destinations.is_empty() && !self.later.is_empty() {
            self.next_order();
        } else {
            self.finish();
        }
    }

    /// The services of the next NAPTR order; without one, the domain itself at its default port.
    fn next_order(&mut self) {
        if let Some(services) = self.later.pop_front() {
            return self.ask_services(services);
        }
        let transport = self.candidates.iter().copied().find(|t| !self.refused.contains(t));
        if let (false, Some(transport), Some(name)) = (self.fell_back, transport, self.domain.clone()) {
            self.fell_back = true;
            self.ask_hosts(vec![Host { transport, name, port: transport.default_port() }]);
        } else {
            self.finish();
        }
    }

    /// The SRV records that the domain itself has for these transports.
    fn ask_services_of(&mut self, transports: &[TransportKind], domain: &DomainName) {
        let service = |transport: &TransportKind| {
            let srv = domain.prefixed(match transport {
                TransportKind::Udp => "_sip._udp",
                TransportKind::Tcp => "_sip._tcp",
                TransportKind::Tls => "_sips._tcp",
            })?;
            Some(Service { transport: *transport, srv })
        };
        self.ask_services(transports.iter().filter_map(service).collect());
    }

    fn ask_services(&mut self, services: Vec<Service>) {
        for service in &services {
            self.want(Question::new(service.srv.clone(), QuestionKind::Srv));
        }
        self.stage = Stage::Services(services);
    }

    fn ask_hosts(&mut self, hosts: Vec<Host>) {
        self.patience_ends = None;
        for host in &hosts {
            for kind in self.families() {
                self.want(Question::new(host.name.clone(), kind));
            }
        }
        self.stage = Stage::Hosts(hosts);
    }

    fn families(&self) -> Vec<QuestionKind> {
        match self.config.families {
            AddressFamilies::Ipv6First => vec![QuestionKind::Aaaa, QuestionKind::A],
            AddressFamilies::Ipv4First => vec![QuestionKind::A, QuestionKind::Aaaa],
            AddressFamilies::Ipv4Only => vec![QuestionKind::A],
            AddressFamilies::Ipv6Only => vec![QuestionKind::Aaaa],
        }
    }

    /// What was found for a question, as far as it is of the right kind.
    fn data<T>(&self, question: &Question, pick: impl FnMut(&RecordData) -> Option<T>) -> Vec<T> {
        match self.found.get(question) {
            Some(Found::Data(data)) => data.iter().filter_map(pick).collect(),
            Some(Found::Absent | Found::Failed | Found::TimedOut) | None => Vec::new(),
        }
    }

    fn add(&mut self, transport: TransportKind, addr: SocketAddr) {
        let destination = Destination { transport, addr, identity: self.identity.clone() };
        if self.destinations.len() < self.config.max_destinations && !self.destinations.contains(&destination)
        {
            self.destinations.push(destination);
        }
    }

    fn finish(&mut self) {
        let nothing = match self.failure {
            Some(failure) => failure,
            None if self.candidates.iter().all(|t| self.refused.contains(t)) => LocateError::NotOffered,
            None => LocateError::NoAddress,
        };
        self.outcome = Some(if self.destinations.is_empty() { Err(nothing) } else { Ok(()) });
    }

    fn check_invariants(&self) {
        debug_assert!(
            self.outcome.is_some() || !self.to_ask.is_empty() || !self.outstanding.is_empty(),
            "a search that nothing moves"
        );
        debug_assert!(
            !matches!(self.outcome, Some(Ok(()))) || !self.destinations.is_empty(),
            "found nothing"
        );
    }
}

/// The address that a host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(six) => lex::ipv6(six).map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Whom a certificate at the end of the way has to name.
fn identity(host: &str) -> Option<PeerName> {
    literal(host).map(PeerName::from).or_else(|| host.parse().ok())
}

/// Follows the aliases within one answer, and takes the records at their end; records of other names are nothing.
fn read(question: &Question, answer: &Answer, mut aliases: usize, max_aliases: usize) -> Read {
    let records: &[Record] = match answer {
        Answer::Records(records) => records,
        Answer::NoSuchName { .. } | Answer::NoData { .. } => return Read::Done(Found::Absent),
        Answer::Failed => return Read::Done(Found::Failed),
        Answer::TimedOut => return Read::Done(Found::TimedOut),
    };
    let mut name = &question.name;
    loop {
        let own = records.iter().filter(|record| record.owner == *name).map(|record| &record.data);
        let data: Vec<RecordData> =
            own.clone().filter(|data| data.kind() == Some(question.kind)).cloned().collect();
        if !data.is_empty() {
            return Read::Done(Found::Data(data));
        }
        let alias = own.clone().find_map(|data| match data {
            RecordData::Alias(target) => Some(target),
            RecordData::Naptr(_) | RecordData::Srv(_) | RecordData::A(_) | RecordData::Aaaa(_) => None,
        });
        match alias {
            Some(_) if aliases >= max_aliases => return Read::Done(Found::Failed),
            Some(target) => (name, aliases) = (target, aliases + 1),
            None if *name == question.name => return Read::Done(Found::Absent),
            None => return Read::Continue { name: name.clone(), aliases },
        }
    }
}
