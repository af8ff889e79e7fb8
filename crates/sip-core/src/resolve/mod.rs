//! Where a SIP request goes: from a URI to addresses (RFC 3263), and on to the next one when an address fails.
//!
//! | what | is |
//! |---|---|
//! | [`Location`] | the search as a machine: questions out, answers in, destinations at the end |
//! | [`Cache`] | answers, while they may be believed |
//! | [`Failover`], [`Sending`] | one request along the destinations (RFC 3263 section 4.3, RFC 4320) |
//! | [`DestinationMemory`] | which destinations failed; who stays where |
//! | `Locator` (feature `dns`) | the shell: [`Location`] and [`Cache`] over real name servers |
//!
//! All but the shell is without sockets and clocks. What the domain of the URI is called in a certificate is part of each
//! [`Destination`]: names that came from the DNS prove nothing (RFC 5922 section 4).
//!
//! # Examples
//!
//! A request to `sip:bob@example.com`, with the answers of the DNS written out. With the feature `dns`,
//! `Locator::locate` does the first half.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use sip_core::resolve::{
//!     Answer, Cache, CacheConfig, DestinationMemory, Failover, LocateConfig, Location, MemoryConfig, QuestionKind, Record,
//!     RecordData, Sending, Srv,
//! };
//! use sip_core::{
//!     Endpoint, EndpointConfig, Method, NameAddr, RequestDraft, SeededIds, TransportInput, TransportKind, UnreachableReason,
//! };
//!
//! let now = Instant::now();
//! let mut endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1)));
//! let me: NameAddr = "<sip:alice@example.com>;tag=1".parse().unwrap();
//! let bob: NameAddr = "<sip:bob@example.com>".parse().unwrap();
//! let draft = RequestDraft::new(Method::Options, bob.uri().clone()).from(me).to(bob).call_id("4711").cseq(1);
//!
//! // Where does it go?
//! let config = LocateConfig::new(&[TransportKind::Tcp]);
//! let seed = endpoint.ids().next_u128() as u64;
//! let mut location = Location::new(&draft.next_hop_uri(), &config, seed, now).unwrap();
//! let mut cache = Cache::new(CacheConfig::default());
//! let ttl = Duration::from_secs(60);
//! while let Some(question) = location.poll_question(&cache, now) {
//!     let records = |data: Vec<RecordData>| {
//!         let owner = question.name.clone();
//!         Answer::Records(data.into_iter().map(|data| Record { owner: owner.clone(), ttl, data }).collect())
//!     };
//!     let target = "sip.example.com".parse().ok();
//!     let answer = match question.kind {
//!         QuestionKind::Naptr | QuestionKind::Aaaa => Answer::NoData { ttl },
//!         QuestionKind::Srv => records(vec![RecordData::Srv(Srv { priority: 1, weight: 0, port: 5070, target })]),
//!         QuestionKind::A => records(vec![
//!             RecordData::A([192, 0, 2, 1].into()),
//!             RecordData::A([192, 0, 2, 2].into()),
//!         ]),
//!     };
//!     location.handle_answer(&question, answer, &mut cache, now);
//! }
//! let destinations = location.outcome().expect("it is over").unwrap().to_vec();
//! assert_eq!(destinations[0].to_string(), "tcp:192.0.2.1:5070");
//!
//! // Send it; when the first destination refuses, it goes to the second.
//! let mut memory = DestinationMemory::new(MemoryConfig::default());
//! let failover = Failover::new(&draft.method, Some("4711"), &destinations, &memory, now);
//! let mut sending = Sending::start(draft, failover, &mut endpoint, now).unwrap();
//! let (transport, addr) = (TransportKind::Tcp, destinations[0].addr);
//! let refused = TransportInput::Unreachable { transport, addr, reason: UnreachableReason::Refused };
//! endpoint.handle(refused, now);
//! while let Some(event) = endpoint.poll_event() {
//!     sending.handle_event(&event, &mut endpoint, &mut memory, now);
//! }
//! assert_eq!(sending.destination(), Some(&destinations[1]));
//! assert!(memory.is_bad(&destinations[0], now));
//! ```

mod cache;
mod config;
mod failover;
mod location;
mod memory;
mod order;
mod question;
#[cfg(feature = "dns")]
mod shell;

pub use cache::{Cache, CacheConfig};
pub use config::{AddressFamilies, Destination, LocateConfig, LocateError};
pub use failover::{Failover, NextStep, NoDestination, Progress, Sending, TryOutcome};
pub use location::Location;
pub use memory::{DestinationMemory, MemoryConfig};
pub use order::{Service, order_naptr, order_srv};
pub use question::{
    Answer, DomainName, DomainNameError, Naptr, Question, QuestionKind, Record, RecordData, Srv,
};
#[cfg(feature = "dns")]
pub use shell::{Dns, DnsConfig, DnsError, Locator};
