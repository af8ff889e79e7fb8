//! SIP as a library: messages, transactions, dialogs and transports, without conference knowledge.
//!
//! For clients, servers, gateways, tests: whoever speaks SIP (RFC 3261 and what grew around it) and wants to see, decide and
//! simulate each step. Protocol logic is machines without sockets, clocks, tasks, locks or randomness; a thin shell on tokio
//! runs them over UDP, TCP and TLS.
//!
//! # The layers
//!
//! Each stands on those above it in this table, and can be used without those below.
//!
//! | layer | what it is | where |
//! |---|---|---|
//! | messages | what is received is slices of its bytes with a typed envelope; what is sent is a draft that cannot be malformed | [`Message`], [`RequestDraft`], [`ResponseDraft`], [`header`], [`uri`], [`multipart`], [`framing`] |
//! | transactions | requests and their answers, with every timer; flows; what no user should have to refuse by hand | [`Endpoint`] |
//! | dialogs and usages | calls, subscriptions: ACK, PRACK, CANCEL races, glare, session timers, forks | [`usage`], [`Dialog`] |
//! | user agent | registration, servers to choose from, keep-alive; dialogs that survive their proxy | [`ua`], [`recoverable`] |
//! | shell | sockets, connections, TLS, the loop that drives a core | [`transport`] |
//! | beside them | who somebody is; where a request goes; what may be written down | [`auth`], [`resolve`], [`redact`] |
//!
//! Every machine works alike: give it an input and the time (`handle…`, or a method that says what you want), then take what it
//! has for you (`poll_transmit`, `poll_event`) until there is no more, and come back at `poll_timeout`.
//!
//! # Read a message and answer it
//!
//! ```
//! use sip_core::{Limits, Message, Method, ResponseDraft};
//!
//! let raw = "OPTIONS sip:bob@example.com SIP/2.0\r\n\
//!     Via: SIP/2.0/TCP 192.0.2.20:50320;branch=z9hG4bK77;rport\r\n\
//!     From: \"Alice\" <sip:alice@example.com>;tag=1\r\n\
//!     To: <sip:bob@example.com>\r\n\
//!     Call-ID: 4711@example.com\r\n\
//!     CSeq: 1 OPTIONS\r\n\
//!     Content-Length: 0\r\n\r\n";
//! let message = Message::parse(raw.into(), &Limits::default())?;
//! let Message::Request(request) = message else { panic!("it is a request") };
//! assert_eq!(request.method(), &Method::Options);
//! assert_eq!(request.from().display(), Some("Alice"));
//!
//! let request = request.with_received("192.0.2.20:50320".parse().unwrap());
//! let answer = ResponseDraft::to(&request, 200).to_tag("2").header("Supported", "timer");
//! let Message::Response(read) = Message::parse(answer.write(), &Limits::default())? else { panic!() };
//! assert_eq!((read.status(), read.via().rport()), (200, Some(Some(50320))));
//! # Ok::<(), sip_core::ParseError>(())
//! ```
//!
//! # A user agent server
//!
//! It takes every call, answers with a session description, and hangs up when the caller does. Everything between INVITE and
//! BYE that RFC 3261 asks for is in [`Usages`]; [`usage::Agent`] joins it with an endpoint and a function.
//!
//! ```
//! use sip_core::transport::drive;
//! use sip_core::usage::Agent;
//! use sip_core::{
//!     Endpoint, EndpointConfig, InviteEvent, Payload, SystemIds, Transport, TransportConfig, UsageConfig, UsageEvent, Usages,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listen = ["udp:127.0.0.1:0".parse()?, "tcp:127.0.0.1:0".parse()?];
//! let mut transport = Transport::bind(&listen, TransportConfig::default()).await?;
//! let address = transport.local_addrs()[0].addr;
//!
//! let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SystemIds::new()));
//! let usages = Usages::new(UsageConfig::new(format!("<sip:uas@{address}>").parse()?));
//! let mut agent = Agent::new(endpoint, usages, |event, usages, endpoint, now| match event {
//!     UsageEvent::Invite(InviteEvent::Incoming { id, .. }) => {
//!         let answer = Payload::sdp("v=0\r\n");
//!         usages.accept(id, answer, endpoint, now).expect("it has just come");
//!     }
//!     UsageEvent::Invite(InviteEvent::Ended { cause, .. }) => println!("over: {cause:?}"),
//!     _ => {}
//! });
//! # let stop = caller(address);
//! // Until `stop` is ready; a server that never ends waits for `std::future::pending()`.
//! drive(&mut agent, &mut transport, stop).await;
//! assert_eq!(agent.usages().invites(), 1);
//! # Ok(())
//! # }
//! # /// A caller without any help: one INVITE, and its answer.
//! # async fn caller(server: std::net::SocketAddr) {
//! #     let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
//! #     let ours = socket.local_addr().unwrap();
//! #     let invite = format!(
//! #         "INVITE sip:uas@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
//! #          From: <sip:a@{ours}>;tag=1\r\nTo: <sip:uas@{server}>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
//! #          Contact: <sip:a@{ours}>\r\nContent-Length: 0\r\n\r\n"
//! #     );
//! #     socket.send_to(invite.as_bytes(), server).await.unwrap();
//! #     let mut buffer = [0; 2_000];
//! #     loop {
//! #         let length = socket.recv(&mut buffer).await.unwrap();
//! #         let answer = String::from_utf8_lossy(&buffer[..length]);
//! #         assert!(answer.starts_with("SIP/2.0 100") || answer.starts_with("SIP/2.0 200"), "{answer}");
//! #         if answer.starts_with("SIP/2.0 200") {
//! #             return assert!(answer.contains("application/sdp"));
//! #         }
//! #     }
//! # }
//! ```
//!
//! # A user agent client that proves who it is
//!
//! Challenges are answered by the same request with a proof; the password goes with its realm only ([`auth`]), and here to
//! one server only.
//!
//! ```
//! use sip_core::auth::{Credentials, DigestClient};
//! use sip_core::transport::{drive, now};
//! use sip_core::usage::{Agent, OnlyAt};
//! use sip_core::{
//!     Endpoint, EndpointConfig, InviteEvent, Method, Payload, RequestDraft, SystemIds, Target, Transport, TransportConfig,
//!     TransportKind, UsageConfig, UsageEvent, Usages, Uri,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
//! # let proxy = server.local_addr()?;
//! let mut transport = Transport::bind(&["udp:127.0.0.1:0".parse()?], TransportConfig::default()).await?;
//! let ours = transport.local_addrs()[0].addr;
//!
//! let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SystemIds::new()));
//! let target = Target::Address { transport: TransportKind::Udp, addr: proxy };
//! let password = Credentials::new("alice", "wonderland", "example.com");
//! let usages = Usages::new(UsageConfig::new(format!("<sip:alice@{ours}>").parse()?))
//!     .with_proofs(Box::new(OnlyAt::new(DigestClient::new(password), [target.clone()])));
//! let (established, done) = tokio::sync::oneshot::channel();
//! let mut established = Some(established);
//! let mut agent = Agent::new(endpoint, usages, move |event, usages, endpoint, now| match event {
//!     // The ACK was sent already: we made the offer.
//!     UsageEvent::Invite(InviteEvent::Established { id, response, .. }) => {
//!         usages.end(id, Payload::none(), endpoint, now).expect("it is there");
//!         established.take().map(|channel| channel.send(response.status()));
//!     }
//!     UsageEvent::Invite(InviteEvent::Ended { cause, .. }) => println!("over: {cause:?}"),
//!     _ => {}
//! });
//!
//! let invite = RequestDraft::new(Method::Invite, Uri::parse("sip:bob@example.com")?)
//!     .from("<sip:alice@example.com>".parse()?)
//!     .to("<sip:bob@example.com>".parse()?)
//!     .body("application/sdp", "v=0\r\n");
//! agent.act(now(), |usages, endpoint| usages.invite(invite, target, endpoint, now()))?;
//!
//! # tokio::spawn(serve(server));
//! let status = drive(&mut agent, &mut transport, done).await?;
//! assert_eq!(status, 200);
//! # Ok(())
//! # }
//! # /// A server of a few lines: asks once, then agrees to everything.
//! # async fn serve(socket: tokio::net::UdpSocket) {
//! #     use sip_core::{Limits, Message, ResponseDraft};
//! #     let mut buffer = [0; 4_000];
//! #     loop {
//! #         let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
//! #         let raw = buffer[..length].to_vec();
//! #         let Ok(Message::Request(request)) = Message::parse(raw.into(), &Limits::default()) else { panic!() };
//! #         if request.method() == &Method::Ack {
//! #             continue;
//! #         }
//! #         let proof = request.headers().get("Authorization");
//! #         let answer = match proof {
//! #             Some(proof) => {
//! #                 assert!(proof.contains("username=\"alice\""));
//! #                 ResponseDraft::to(&request, 200).contact(format!("<sip:bob@{from}>").parse().unwrap())
//! #             }
//! #             None => ResponseDraft::to(&request, 401).header(
//! #                 "WWW-Authenticate",
//! #                 "Digest realm=\"example.com\", nonce=\"1\", qop=\"auth\", algorithm=SHA-256",
//! #             ),
//! #         };
//! #         socket.send_to(&answer.to_tag("2").write(), from).await.unwrap();
//! #     }
//! # }
//! ```
//!
//! # A subscription
//!
//! One agent is told of a state, the other tells it. Refreshes, expiry, and which answers end what are kept by the machine.
//!
//! ```
//! use sip_core::header::SubState;
//! use sip_core::transport::{drive, now};
//! use sip_core::usage::Agent;
//! use sip_core::{
//!     Endpoint, EndpointConfig, Method, Payload, RequestDraft, SubscriptionEvent, SystemIds, Target, Transport,
//!     TransportConfig, TransportKind, UsageConfig, UsageEvent, Usages, Uri,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let endpoint = || Endpoint::new(EndpointConfig::default(), Box::new(SystemIds::new()));
//! // Who tells: takes subscriptions to "presence", for ten minutes at most.
//! let mut transport = Transport::bind(&["tcp:127.0.0.1:0".parse()?], TransportConfig::default()).await?;
//! let addr = transport.local_addrs()[0].addr;
//! let config = UsageConfig::new(format!("<sip:bob@{addr};transport=tcp>").parse()?).with_packages(["presence"]);
//! let mut notifier = Agent::new(endpoint(), Usages::new(config), |event, usages, endpoint, now| {
//!     if let UsageEvent::Subscription(SubscriptionEvent::Incoming { id, .. }) = event {
//!         let first = Payload::new("text/plain", "at his desk");
//!         usages.accept_subscription(id, SubState::Active, Some(600), first, endpoint, now).expect("it has just come");
//!     }
//! });
//!
//! // Who wants to know.
//! let mut own = Transport::bind(&["tcp:127.0.0.1:0".parse()?], TransportConfig::default()).await?;
//! let contact = format!("<sip:alice@{};transport=tcp>", own.local_addrs()[0].addr).parse()?;
//! let (told, mut news) = tokio::sync::mpsc::channel(8);
//! let mut watcher = Agent::new(endpoint(), Usages::new(UsageConfig::new(contact)), move |event, _, _, _| {
//!     if let UsageEvent::Subscription(SubscriptionEvent::Notified { request, state, .. }) = event {
//!         told.try_send((state.state.clone(), request.body().clone())).expect("one waits for it");
//!     }
//! });
//! let subscribe = RequestDraft::new(Method::Subscribe, Uri::parse("sip:bob@example.com")?)
//!     .from("<sip:alice@example.com>".parse()?)
//!     .to("<sip:bob@example.com>".parse()?)
//!     .header("Event", "presence")
//!     .header("Expires", "3600");
//! let target = Target::Address { transport: TransportKind::Tcp, addr };
//! watcher.act(now(), |usages, endpoint| usages.subscribe(subscribe, target, endpoint, now()))?;
//!
//! let watch = drive(&mut watcher, &mut own, news.recv());
//! let (state, body) = drive(&mut notifier, &mut transport, watch).await.expect("a notification");
//! assert_eq!((state, &body[..]), (SubState::Active, &b"at his desk"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! # TLS, names, captures, metrics
//!
//! Each is a feature, and off unless asked for: `tls` (TLS 1.2 and 1.3, `transport::tls` has a server and a client that run),
//! `dns` (RFC 3263 over real name servers: `resolve::Locator`), `ntlm`, `capture` (files that packet analysers open, secrets
//! hidden: `transport::capture`), `metrics` (`transport::count`). A request for [`Target::Server`] goes out on a connection
//! whose server proved that very name (RFC 5922), and never on one that was made for another name:
//!
//! ```
//! use sip_core::{PeerName, Target};
//!
//! let name: PeerName = "Conf.Example.com".parse()?;
//! let target = Target::Server { addr: "192.0.2.10:5061".parse().unwrap(), name };
//! assert_ne!(target, Target::Server { addr: "192.0.2.10:5061".parse().unwrap(), name: "example.com".parse()? });
//! # Ok::<(), sip_core::PeerNameError>(())
//! ```
//!
//! # Hostile input
//!
//! No input panics, and none makes anything grow without bound: each limit has a default and a setting ([`Limits`],
//! [`EndpointConfig`], [`TransportConfig`], [`UsageConfig`]). A request that cannot be served gets the response that says why;
//! what is dropped is counted ([`Counters`]).

#[macro_use]
mod text_value;

pub mod auth;
pub mod build;
pub mod dialog;
pub mod endpoint;
pub mod framing;
pub mod header;
pub mod ids;
mod index;
pub mod keep_alive;
pub mod limits;
pub mod message;
pub mod multipart;
mod parse_error;
pub mod recoverable;
pub mod redact;
pub mod refuse;
pub mod resolve;
mod scan;
pub mod session_timer;
pub mod tel;
#[cfg(test)]
mod test_util;
pub mod transaction;
pub mod transport;
pub mod ua;
pub mod uri;
pub mod usage;

pub use auth::Credentials;
pub use build::{RequestDraft, ResponseDraft, default_reason};
pub use dialog::{CSeqOutOfOrder, Dialog, DialogError, DialogId, DialogSnapshot, in_dialog_id};
pub use endpoint::{
    ClientTransactionId, CloseReason, Counters, Endpoint, EndpointConfig, Event, FlowId, FlowInfo,
    PeerIdentity, PeerName, PeerNameError, ServerTransactionId, Target, TlsFailure, TransactionError,
    Transmit, TransportInput, UnreachableReason,
};
pub use framing::{Frame, FrameError, StreamFramer};
pub use header::{
    CSeq, HeaderError, HeaderErrorKind, HeaderName, Headers, Method, NameAddr, TransportKind, TypedHeader,
    Via,
};
pub use ids::{IdSource, SeededIds, SystemIds};
pub use limits::Limits;
pub use message::{Envelope, Message, ParseError, ParseErrorKind, Rejection, Request, Response};
pub use refuse::Capabilities;
pub use session_timer::{SessionTimer, SessionTimerConfig, SessionTimerError, SessionTimerEvent};
pub use transport::{Core, ListenAddr, ListenAddrError, Transport, TransportConfig};
pub use uri::{Scheme, Uri, UriError};
pub use usage::{
    InviteEvent, InviteId, Payload, SubscriptionEvent, SubscriptionId, UsageConfig, UsageEvent, Usages,
};
