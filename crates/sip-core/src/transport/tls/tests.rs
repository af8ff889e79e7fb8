//! TLS on real sockets of the loopback, with certificates made for each test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, NameConstraints, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::build::RequestDraft;
use crate::endpoint::{
    CloseReason, FlowId, FlowInfo, PeerIdentity, PeerName, Target, TlsFailure, Transmit, TransportInput,
    UnreachableReason,
};
use crate::transport::{Core, Direction, Seen, Tap, Transport, TransportConfig, turn};
use crate::{
    Endpoint, EndpointConfig, Event, Method, NameAddr, ResponseDraft, SeededIds, TransportKind, Uri,
};

/// Far more than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// An issuer of certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key as PEM.
#[derive(Clone)]
struct Issued {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        static NEWEST: AtomicUsize = AtomicUsize::new(0);
        let newest = NEWEST.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("Authority {newest}"));
        change(&mut params);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// For these names: domains, addresses, and URIs where there is a scheme.
    fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let (uris, names): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.starts_with("sip"));
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.0).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }

    /// Trusting this authority.
    fn trusted(&self) -> TlsConfig {
        TlsConfig::new().with_roots(self.pem().as_bytes())
    }
}

impl Issued {
    fn shown(&self) -> TlsConfig {
        self.and(TlsConfig::new())
    }

    fn and(&self, config: TlsConfig) -> TlsConfig {
        config.with_identity(self.chain.as_bytes(), self.key.as_bytes())
    }
}

fn settings(tls: TlsConfig) -> TransportConfig {
    TransportConfig::default().with_tls(tls)
}

async fn server(config: TransportConfig) -> (Transport, SocketAddr) {
    let server = Transport::bind(&["tls:127.0.0.1:0".parse().unwrap()], config).await.unwrap();
    let listen = server.local_addrs()[0];
    assert_eq!(listen.transport, TransportKind::Tls);
    assert_ne!(listen.addr.port(), 0);
    (server, listen.addr)
}

async fn client(tls: TlsConfig) -> Transport {
    Transport::bind(&[], settings(tls)).await.unwrap()
}

fn name(text: &str) -> PeerName {
    text.parse().unwrap()
}

fn at(addr: SocketAddr, host: &str) -> Target {
    Target::Server { addr, name: name(host) }
}

fn to(target: Target, bytes: Bytes) -> Transmit {
    Transmit { to: target, bytes, close_after: false }
}

fn request(method: Method, cseq: u32) -> RequestDraft {
    let uri = Uri::parse("sip:bob@example.com").unwrap();
    RequestDraft::new(method, uri.clone())
        .from(NameAddr::new(uri.clone()).with_tag("1"))
        .to(NameAddr::new(uri))
        .call_id("c1")
        .cseq(cseq)
        .max_forwards(70)
}

fn info(cseq: u32) -> Bytes {
    request(Method::Info, cseq).header("Via", "SIP/2.0/TLS 127.0.0.1:1;branch=z9hG4bK1").write()
}

async fn next(transport: &mut Transport) -> TransportInput {
    tokio::time::timeout(PATIENCE, transport.next()).await.expect("a report")
}

async fn secured(transport: &mut Transport) -> (FlowId, FlowInfo, Option<PeerName>, PeerIdentity) {
    match next(transport).await {
        TransportInput::Secured { flow, info, asked, peer } => (flow, info, asked, peer),
        other => panic!("{other:?}"),
    }
}

async fn message(transport: &mut Transport) -> (FlowId, u32) {
    match next(transport).await {
        TransportInput::Message { flow, message } => (flow, message.envelope().cseq().number),
        other => panic!("{other:?}"),
    }
}

async fn closed(transport: &mut Transport) -> CloseReason {
    match next(transport).await {
        TransportInput::Closed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Opens a connection; what both ends are told. A handshake needs both owners to run.
async fn open(server: &mut Transport, client: &mut Transport, target: Target) -> (FlowId, FlowId) {
    client.send(Transmit::open(target));
    let (there, here) = tokio::join!(secured(server), secured(client));
    (there.0, here.0)
}

/// Why a client does not reach a target, while the server runs and accepts nobody.
async fn refusal(server: &mut Transport, client: &mut Transport, target: Target) -> UnreachableReason {
    client.send(Transmit::open(target));
    let report = tokio::select! {
        report = next(client) => report,
        report = next(server) => panic!("{report:?}"),
    };
    match report {
        TransportInput::Unreachable { transport: TransportKind::Tls, reason, .. }
        | TransportInput::ServerUnreachable { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Runs a server that accepts nobody until this many handshakes have failed or been given up.
async fn until_failed(server: &mut Transport, handshakes: u64) -> TlsStats {
    let waited = async {
        loop {
            let stats = server.tls_stats();
            if stats.failed + stats.evicted >= handshakes {
                return stats;
            }
            tokio::select! {
                biased;
                report = server.next() => panic!("{report:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.expect("handshakes that fail")
}

/// A client without our code: the TLS library alone.
async fn bare_client(addr: SocketAddr, authority: &Authority) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("conf.example.com").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// RFC 3261 section 26.2.1: messages go both ways in order over one connection, by name and by address.
#[tokio::test]
async fn messages_go_both_ways() {
    let authority = Authority::new();
    let ours = authority.issue(&["conf.example.com", "127.0.0.1"]);
    let (mut server, addr) = server(settings(ours.shown())).await;
    let mut client = client(authority.trusted()).await;
    for target in [at(addr, "conf.example.com"), Target::Address { transport: TransportKind::Tls, addr }] {
        for cseq in 1..=50 {
            client.send(to(target.clone(), info(cseq)));
        }
        let ((there, seen, none, anonymous), (here, opened, asked, peer)) =
            tokio::join!(secured(&mut server), secured(&mut client));
        assert_eq!((opened.remote, opened.transport, seen.remote), (addr, TransportKind::Tls, opened.local));
        assert_eq!((none, anonymous), (None, PeerIdentity::default()));
        assert!(peer.proves(&asked.unwrap()));
        assert_eq!(peer.names(), [name("conf.example.com"), name("127.0.0.1")]);
        for expected in 1..=50 {
            let both = tokio::select! {
                got = message(&mut server) => got,
                report = next(&mut client) => panic!("{report:?}"),
            };
            assert_eq!(both, (there, expected));
        }
        server.send(Transmit::on_flow(there, info(99)));
        let answer = tokio::select! {
            got = message(&mut client) => got,
            report = next(&mut server) => panic!("{report:?}"),
        };
        assert_eq!(answer, (here, 99));
        client.send(Transmit::open(target));
        assert_eq!(secured(&mut client).await.0, here);
    }
    assert_eq!((client.connections(), server.connections()), (2, 2));
    let stats = server.tls_stats();
    assert_eq!((stats.completed, stats.failed, stats.under_way), (2, 0, 0));
}

/// RFC 5922 section 7: which certificates prove which names, and what is said of those that do not.
#[tokio::test]
async fn certificates_prove_names() {
    type Change = fn(&mut CertificateParams);
    /// Issuer, whom the client trusts, names and the rest of the certificate, what is wrong with it.
    type Case<'a> = (&'a Authority, &'a TlsConfig, &'a [&'a str], Change, Option<TlsFailure>);
    let authority = Authority::new();
    let stranger = Authority::new();
    let constrained = Authority::with(|params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.com".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    let trust = authority.trusted().with_roots(constrained.pem().as_bytes());
    let unconstrained = authority.trusted();
    let same: Change = |_| {};
    let expired: Change = |params| params.not_after = date_time_ymd(2020, 1, 1);
    let early: Change = |params| params.not_before = date_time_ymd(4000, 1, 1);
    let wrong_use: Change = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let right_use: Change = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mismatch = Some(TlsFailure::NameMismatch);
    let table: &[Case<'_>] = &[
        (&authority, &unconstrained, &["conf.example.com"], same, None),
        (&authority, &unconstrained, &["CONF.Example.com"], right_use, None),
        (&authority, &unconstrained, &["other.example.com", "conf.example.com"], same, None),
        (&authority, &unconstrained, &["sip:conf.example.com"], same, None),
        (&authority, &unconstrained, &["sips:x.example.com", "conf.example.com"], same, None),
        (&authority, &unconstrained, &["sip:alice@conf.example.com", "conf.example.com"], same, None),
        (&constrained, &trust, &["conf.example.com"], same, None),
        (&authority, &unconstrained, &["other.example.com"], same, mismatch),
        (&authority, &unconstrained, &["example.com"], same, mismatch),
        (&authority, &unconstrained, &["*.example.com"], same, mismatch),
        (&authority, &unconstrained, &["127.0.0.1"], same, mismatch),
        (&authority, &unconstrained, &["sip:other.example.com", "conf.example.com"], same, mismatch),
        (&authority, &unconstrained, &["sip:alice@conf.example.com"], same, mismatch),
        // A URI escapes the constraints of an issuer, so with constraints it proves nothing.
        (&constrained, &trust, &["sip:conf.example.com"], same, mismatch),
        (&constrained, &trust, &["conf.example.org"], same, Some(TlsFailure::BadCertificate)),
        (&stranger, &unconstrained, &["conf.example.com"], same, Some(TlsFailure::UnknownIssuer)),
        (&authority, &unconstrained, &["conf.example.com"], expired, Some(TlsFailure::Expired)),
        (&authority, &unconstrained, &["conf.example.com"], early, Some(TlsFailure::NotYetValid)),
        (&authority, &unconstrained, &["conf.example.com"], wrong_use, Some(TlsFailure::BadCertificate)),
    ];
    for (issuer, trust, names, change, expected) in table {
        let (mut server, addr) = server(settings(issuer.issue_with(names, change).shown())).await;
        let mut client = client((*trust).clone()).await;
        let target = at(addr, "conf.example.com");
        match expected {
            None => {
                open(&mut server, &mut client, target).await;
            }
            Some(failure) => {
                let reason = refusal(&mut server, &mut client, target).await;
                assert_eq!(reason, UnreachableReason::Tls(*failure), "{names:?}");
                assert_eq!(
                    until_failed(&mut server, 1).await.last_failure,
                    Some(TlsFailure::CertificateRefused)
                );
            }
        }
    }
}

/// A target without a name has to prove the address itself; a name that merely leads there is not enough.
#[tokio::test]
async fn addresses_are_proved_too() {
    let authority = Authority::new();
    for names in [["conf.example.com"], ["127.0.0.2"]] {
        let (mut server, addr) = server(settings(authority.issue(&names).shown())).await;
        let mut client = client(authority.trusted()).await;
        let target = Target::Address { transport: TransportKind::Tls, addr };
        let reason = refusal(&mut server, &mut client, target).await;
        assert_eq!(reason, UnreachableReason::Tls(TlsFailure::NameMismatch));
    }
}

/// CVE-2020-15260: a connection made for one name is not used for another one, even if the certificate has both.
#[tokio::test]
async fn each_name_has_its_connection() {
    let authority = Authority::new();
    let both = authority.issue(&["a.example.com", "b.example.com"]);
    let (mut server, addr) = server(settings(both.shown())).await;
    let mut client = client(authority.trusted()).await;
    let first = open(&mut server, &mut client, at(addr, "a.example.com")).await;
    let second = open(&mut server, &mut client, at(addr, "b.example.com")).await;
    assert_ne!(first, second);
    client.send(Transmit::open(at(addr, "A.EXAMPLE.com")));
    assert_eq!(secured(&mut client).await.0, first.1);
    let reason = refusal(&mut server, &mut client, at(addr, "c.example.com")).await;
    assert_eq!(reason, UnreachableReason::Tls(TlsFailure::NameMismatch));
    assert_eq!((client.connections(), server.connections()), (2, 2));
}

/// Nobody is reached over a connection that he opened by naming his address: it proved nothing.
#[tokio::test]
async fn accepted_connections_are_not_chosen_by_address() {
    let authority = Authority::new();
    let ours = authority.issue(&["conf.example.com"]);
    let (mut server, addr) = server(settings(ours.shown())).await;
    let mut client = client(authority.trusted()).await;
    let (there, _) = open(&mut server, &mut client, at(addr, "conf.example.com")).await;
    let mut core = endpoint(1);
    let remote: SocketAddr = "127.0.0.1:40000".parse().unwrap();
    let info = FlowInfo { remote, local: addr, transport: TransportKind::Tls };
    let peer = PeerIdentity::default();
    let input = TransportInput::Secured { flow: there, info, asked: None, peer };
    core.handle(input, std::time::Instant::now());
    assert_eq!(core.flow_to(TransportKind::Tls, remote), None);
    assert_eq!(core.flow_for(&Target::Flow(there)), Some(there));
}

/// Mutual TLS: the names in a client's certificate are known to the server, and only those of a verified chain.
#[tokio::test]
async fn clients_prove_their_names() {
    let authority = Authority::new();
    let ours = authority.issue(&["conf.example.com"]);
    let theirs = authority.issue(&["app.example.com", "*.example.net", "127.0.0.1"]);
    for wanted in [ClientCertificates::Required, ClientCertificates::Optional] {
        let config = ours.and(authority.trusted()).with_client_certificates(wanted);
        let (mut server, addr) = server(settings(config)).await;
        let mut client = client(theirs.and(authority.trusted())).await;
        client.send(Transmit::open(at(addr, "conf.example.com")));
        let ((_, _, asked, peer), _) = tokio::join!(secured(&mut server), secured(&mut client));
        assert_eq!(asked, None);
        assert_eq!(peer.names(), [name("app.example.com"), name("127.0.0.1")]);
        assert!(!peer.proves(&name("x.example.net")));
    }
    // Another certificate for opened connections than for accepted ones.
    let config = ours.and(authority.trusted()).with_client_certificates(ClientCertificates::Required);
    let (mut server, addr) = server(settings(config)).await;
    let both =
        ours.and(authority.trusted()).with_client_identity(theirs.chain.as_bytes(), theirs.key.as_bytes());
    let mut client = client(both).await;
    client.send(Transmit::open(at(addr, "conf.example.com")));
    let ((_, _, _, peer), _) = tokio::join!(secured(&mut server), secured(&mut client));
    assert!(peer.proves(&name("app.example.com")));
}

/// Mutual TLS: no certificate, or one of a stranger, is refused; where it is optional, only the latter.
#[tokio::test]
async fn clients_without_proof_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ours = authority.issue(&["conf.example.com"]);
    let foreign = stranger.issue(&["app.example.com"]).and(authority.trusted());
    let expired =
        authority.issue_with(&["app.example.com"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let late = expired.and(authority.trusted());
    let none = authority.trusted();
    use ClientCertificates::{Optional, Required};
    for (wanted, theirs, failure) in [
        (Required, &none, TlsFailure::NoCertificate),
        (Required, &foreign, TlsFailure::UnknownIssuer),
        (Optional, &foreign, TlsFailure::UnknownIssuer),
        (Required, &late, TlsFailure::Expired),
    ] {
        let config = ours.and(authority.trusted()).with_client_certificates(wanted);
        let (mut server, addr) = server(settings(config)).await;
        let mut client = client(theirs.clone()).await;
        client.send(Transmit::open(at(addr, "conf.example.com")));
        let stats = until_failed(&mut server, 1).await;
        assert_eq!((stats.last_failure, server.connections()), (Some(failure), 0));
        // TLS 1.3: the client learns of it after its own handshake is over.
        secured(&mut client).await;
        assert_eq!(closed(&mut client).await, CloseReason::Tls(TlsFailure::CertificateRefused));
    }
    let config = ours.and(authority.trusted()).with_client_certificates(Optional);
    let (mut server, addr) = server(settings(config)).await;
    let mut client = client(none).await;
    client.send(Transmit::open(at(addr, "conf.example.com")));
    let ((_, _, _, peer), _) = tokio::join!(secured(&mut server), secured(&mut client));
    assert!(peer.is_anonymous());
}

/// What is no TLS, or an old one, makes no flow on either side, and is named.
#[tokio::test]
async fn garbage_is_not_tls() {
    let authority = Authority::new();
    let (mut server, addr) = server(settings(authority.issue(&["conf.example.com"]).shown())).await;
    // A ClientHello of TLS 1.1 with one cipher suite, with and without signature algorithms.
    let mut older = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    older.extend([7; 32]);
    older.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut old = vec![0x16, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    old.extend([7; 32]);
    old.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 1]);
    let mut failures = 0;
    for (bytes, expected) in [
        (info(1).to_vec(), TlsFailure::NotTls),
        (b"\r\n\r\n\r\n\r\n".to_vec(), TlsFailure::NotTls),
        (vec![0; 64], TlsFailure::NotTls),
        (old, TlsFailure::NoCommonVersion),
        (older, TlsFailure::NoCommonVersion),
    ] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        failures += 1;
        let stats = until_failed(&mut server, failures).await;
        assert_eq!(stats.last_failure, Some(expected), "{bytes:?}");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    // Gone before the handshake was over.
    drop(TcpStream::connect(addr).await.unwrap());
    assert_eq!(until_failed(&mut server, 6).await.last_failure, Some(TlsFailure::Truncated));
    assert_eq!(server.connections(), 0);

    for (answer, expected) in [
        (&b"SIP/2.0 400 Bad Request\r\n\r\n"[..], TlsFailure::NotTls),
        (&[0x15, 3, 1, 0, 2, 2, 70], TlsFailure::NoCommonVersion),
        (&[0x15, 3, 1, 0, 2, 2, 80], TlsFailure::Alert(80)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = client(authority.trusted()).await;
        client.send(Transmit::open(at(addr, "conf.example.com")));
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        match next(&mut client).await {
            TransportInput::ServerUnreachable { addr: of, name: whose, reason } => {
                assert_eq!((of, whose), (addr, name("conf.example.com")));
                assert_eq!(reason, UnreachableReason::Tls(expected));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A handshake that does not go on is given up within the connect timeout, on either side.
#[tokio::test]
async fn stalled_handshakes_end() {
    let authority = Authority::new();
    let short = Duration::from_millis(50);
    let config = settings(authority.issue(&["conf.example.com"]).shown()).with_connect_timeout(short);
    let (mut server, addr) = server(config).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    assert_eq!(until_failed(&mut server, 1).await.last_failure, Some(TlsFailure::HandshakeTimeout));
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = settings(authority.trusted()).with_connect_timeout(short);
    let mut client = Transport::bind(&[], config).await.unwrap();
    client.send(Transmit::open(at(listener.local_addr().unwrap(), "conf.example.com")));
    match next(&mut client).await {
        TransportInput::ServerUnreachable { reason, .. } => {
            assert_eq!(reason, UnreachableReason::Tls(TlsFailure::HandshakeTimeout));
        }
        other => panic!("{other:?}"),
    }
}

/// Half-open handshakes count as connections of their peer, and beyond their limit the oldest make room.
#[tokio::test]
async fn half_open_handshakes_are_bounded() {
    let authority = Authority::new();
    let ours = authority.issue(&["conf.example.com"]).shown();
    let (mut server_a, addr) = server(settings(ours.clone()).with_max_handshakes(2)).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(TcpStream::connect(addr).await.unwrap());
    }
    let stats = until_failed(&mut server_a, 4).await;
    assert_eq!((stats.under_way, stats.evicted, stats.failed), (2, 4, 0));
    assert_eq!(held[0].read(&mut [0; 1]).await.unwrap_or(0), 0);
    let mut client_a = client(authority.trusted()).await;
    open(&mut server_a, &mut client_a, at(addr, "conf.example.com")).await;
    assert_eq!(server_a.tls_stats().under_way, 1);

    // Who floods gives way to others, not they to him.
    let (mut server_c, addr) = server(settings(ours.clone()).with_max_handshakes(2)).await;
    let elsewhere = tokio::net::TcpSocket::new_v4().unwrap();
    elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut patient = elsewhere.connect(addr).await.unwrap();
    let flood = [TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap()];
    assert_eq!(until_failed(&mut server_c, 1).await.under_way, 2);
    assert_eq!(patient.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let [mut first, _second] = flood;
    assert_eq!(first.read(&mut [0; 1]).await.unwrap_or(0), 0);
    patient.write_all(b"no handshake").await.unwrap();
    assert_eq!(until_failed(&mut server_c, 2).await.last_failure, Some(TlsFailure::NotTls));

    let (mut server_b, addr) = server(settings(ours).with_max_connections_per_peer(2)).await;
    let first = TcpStream::connect(addr).await.unwrap();
    let second = TcpStream::connect(addr).await.unwrap();
    let mut third = TcpStream::connect(addr).await.unwrap();
    let mut end = [0; 1];
    let refused = tokio::select! {
        refused = third.read(&mut end) => refused,
        report = next(&mut server_b) => panic!("{report:?}"),
    };
    assert!(matches!(refused, Ok(0) | Err(_)));
    assert_eq!(server_b.tls_stats().under_way, 2);
    drop((first, second));
    until_failed(&mut server_b, 2).await;
    let mut client_b = client(authority.trusted()).await;
    open(&mut server_b, &mut client_b, at(addr, "conf.example.com")).await;
}

/// RFC 3261 section 18.3: records are no boundaries of messages; and a stream that is cut is told from one that ends.
#[tokio::test]
async fn records_are_not_messages() {
    let authority = Authority::new();
    let (mut server, addr) = server(settings(authority.issue(&["conf.example.com"]).shown())).await;
    for cut in [false, true] {
        let (mut stream, (flow, ..)) = tokio::join!(bare_client(addr, &authority), secured(&mut server));
        let two = [&b"\r\n\r\n"[..], &info(1), &info(2)].concat();
        for part in two.chunks(37) {
            stream.write_all(part).await.unwrap();
            stream.flush().await.unwrap();
        }
        assert!(matches!(next(&mut server).await, TransportInput::Ping { .. }));
        assert_eq!(message(&mut server).await, (flow, 1));
        assert_eq!(message(&mut server).await, (flow, 2));
        let mut pong = [0; 2];
        stream.read_exact(&mut pong).await.unwrap();
        assert_eq!(&pong, b"\r\n");
        server.send(Transmit::on_flow(flow, info(3)));
        let mut answer = vec![0; info(3).len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, info(3));
        stream.write_all(&info(4)[..20]).await.unwrap();
        if cut {
            stream.flush().await.unwrap();
            drop(stream.into_inner());
        } else {
            stream.shutdown().await.unwrap();
            // Ours ends in order, too: anything else is an error here.
            assert_eq!(stream.read(&mut pong).await.unwrap(), 0);
        }
        let expected = if cut { CloseReason::Tls(TlsFailure::Truncated) } else { CloseReason::Remote };
        assert_eq!(closed(&mut server).await, expected);
    }
}

/// A tap sees messages in plain text, and the ends of the flow.
#[tokio::test]
async fn taps_see_plain_text() {
    #[derive(Debug, Default)]
    struct Notes(std::sync::Mutex<Vec<(Direction, TransportKind, Vec<u8>)>>);

    impl Tap for Notes {
        fn see(&self, seen: Seen<'_>) {
            self.0.lock().unwrap().push((seen.direction, seen.info.transport, seen.bytes.to_vec()));
        }
    }

    let authority = Authority::new();
    let notes = Arc::new(Notes::default());
    let tapped = settings(authority.issue(&["conf.example.com"]).shown()).with_tap(notes.clone());
    let (mut server, addr) = server(tapped).await;
    let mut client = client(authority.trusted()).await;
    let (there, here) = open(&mut server, &mut client, at(addr, "conf.example.com")).await;
    client.send(Transmit::on_flow(here, info(1)));
    assert_eq!(message(&mut server).await, (there, 1));
    server.send(Transmit::on_flow(there, info(2)));
    assert_eq!(message(&mut client).await, (here, 2));
    let tls = TransportKind::Tls;
    let expected = [(Direction::Received, tls, info(1).to_vec()), (Direction::Sent, tls, info(2).to_vec())];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}

/// Both ends hear of a close, each with its reason, after what was queued has been written.
#[tokio::test]
async fn close_flushes_and_is_reported() {
    let authority = Authority::new();
    let (mut server, addr) = server(settings(authority.issue(&["conf.example.com"]).shown())).await;
    let mut client = client(authority.trusted()).await;
    let (there, here) = open(&mut server, &mut client, at(addr, "conf.example.com")).await;
    client.send(Transmit { to: Target::Flow(here), bytes: info(1), close_after: true });
    let (got, reason) = tokio::join!(message(&mut server), closed(&mut client));
    assert_eq!((got, reason), ((there, 1), CloseReason::Local));
    assert_eq!(closed(&mut server).await, CloseReason::Remote);
}

/// New certificates and trust anchors hold for new handshakes; open connections stay; broken ones change nothing.
#[tokio::test]
async fn certificates_are_replaced_while_running() {
    let (old, new) = (Authority::new(), Authority::new());
    let (mut server, addr) = server(settings(old.issue(&["conf.example.com"]).shown())).await;
    let mut client = client(old.trusted()).await;
    let target = || at(addr, "conf.example.com");
    let (there, here) = open(&mut server, &mut client, target()).await;

    let reload = server.tls_reload().unwrap();
    assert_eq!(reload.replace(&TlsConfig::new()), Err(TlsConfigError::NoIdentity));
    let broken = TlsConfig::new().with_identity(b"nothing", b"nothing");
    assert_eq!(reload.replace(&broken), Err(TlsConfigError::Pem(TlsPart::Chain)));
    let mut other = self::client(old.trusted()).await;
    open(&mut server, &mut other, target()).await;

    reload.replace(&new.issue(&["conf.example.com"]).shown()).unwrap();
    server.send(Transmit::on_flow(there, info(1)));
    assert_eq!(message(&mut client).await, (here, 1));
    let mut third = self::client(old.trusted()).await;
    let reason = refusal(&mut server, &mut third, target()).await;
    assert_eq!(reason, UnreachableReason::Tls(TlsFailure::UnknownIssuer));
    third.tls_reload().unwrap().replace(&new.trusted()).unwrap();
    open(&mut server, &mut third, target()).await;
}

/// Settings that cannot be used say why, and what they are about.
#[tokio::test]
async fn settings_are_checked() {
    let authority = Authority::new();
    let (ours, theirs) = (authority.issue(&["a.example.com"]), authority.issue(&["b.example.com"]));
    let mixed = Issued { chain: ours.chain.clone(), key: theirs.key.clone() };
    let keyless = Issued { chain: ours.chain.clone(), key: ours.chain.clone() };
    let rotten = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (config, error) in [
        (TlsConfig::new(), TlsConfigError::NoIdentity),
        (mixed.shown(), TlsConfigError::KeyMismatch),
        (keyless.shown(), TlsConfigError::Pem(TlsPart::Key)),
        (ours.shown().with_roots(b"no PEM"), TlsConfigError::Pem(TlsPart::Roots)),
        (ours.shown().with_roots(rotten.as_bytes()), TlsConfigError::Unusable(TlsPart::Roots)),
        (ours.shown().with_client_certificates(ClientCertificates::Required), TlsConfigError::NoRoots),
    ] {
        let bound = Transport::bind(&["tls:127.0.0.1:0".parse().unwrap()], settings(config)).await;
        let bound = bound.unwrap_err();
        assert_eq!(bound.kind(), std::io::ErrorKind::InvalidInput);
        let inner = bound.get_ref().and_then(|inner| inner.downcast_ref::<TlsConfigError>());
        assert_eq!(inner, Some(&error));
    }
    let shown = format!("{:?}", ours.shown());
    assert!(!shown.contains("KEY") && shown.contains("identity: true"), "{shown}");
}

/// PEM comes from files, too.
#[tokio::test]
async fn settings_come_from_files() {
    let authority = Authority::new();
    let ours = authority.issue(&["conf.example.com"]);
    let dir = std::env::temp_dir().join(format!("sip-core-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let [chain, key, roots] = ["chain.pem", "key.pem", "roots.pem"].map(|file| dir.join(file));
    std::fs::write(&chain, &ours.chain).unwrap();
    std::fs::write(&key, &ours.key).unwrap();
    std::fs::write(&roots, authority.pem()).unwrap();
    let shown = TlsConfig::new().with_identity_files(&chain, &key).unwrap();
    let trust = TlsConfig::new().with_roots_file(&roots).unwrap();
    let missing = TlsConfig::new().with_roots_file(&dir.join("missing.pem")).unwrap_err();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    let (mut server, addr) = server(settings(shown)).await;
    let mut client = client(trust).await;
    open(&mut server, &mut client, at(addr, "conf.example.com")).await;
}

fn endpoint(seed: u64) -> Endpoint {
    Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(seed)))
}

/// A core that answers, and says who asked; and one that keeps the answers.
struct Party(Endpoint, Vec<u16>, Vec<PeerIdentity>);

impl Core for Party {
    fn handle_transport(&mut self, input: TransportInput, now: std::time::Instant) {
        self.0.handle(input, now);
        while let Some(event) = self.0.poll_event() {
            match event {
                Event::Request { tx, request, flow } => {
                    assert_eq!(request.via().transport(), Some(TransportKind::Tls));
                    self.2.extend(self.0.peer(flow).cloned());
                    self.0.respond(tx, ResponseDraft::to(&request, 200), now);
                }
                Event::Response { response, .. } => self.1.push(response.status()),
                Event::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }

    fn handle_timeout(&mut self, now: std::time::Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<std::time::Instant> {
        self.0.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.0.poll_transmit()
    }
}

/// The whole way: requests to two names go out on two flows, Via says TLS, and the server knows the application.
#[tokio::test]
async fn cores_are_driven_over_tls() {
    let authority = Authority::new();
    let config = authority.issue(&["a.example.com", "b.example.com"]).and(authority.trusted());
    let config = config.with_client_certificates(ClientCertificates::Required);
    let (mut server, addr) = server(settings(config)).await;
    let mut client = client(authority.issue(&["app.example.com"]).and(authority.trusted())).await;
    let mut answering = Party(endpoint(1), Vec::new(), Vec::new());
    let mut asking = Party(endpoint(2), Vec::new(), Vec::new());
    let now = crate::transport::now();
    for cseq in 1..=20 {
        for host in ["a.example.com", "b.example.com"] {
            asking.0.send_request(request(Method::Options, cseq), at(addr, host), now);
        }
    }
    let both = async {
        while asking.1.len() < 40 {
            let answered = turn(&mut answering, &mut server, std::future::pending::<()>());
            let asked = turn(&mut asking, &mut client, std::future::pending::<()>());
            tokio::select! { _ = answered => {} _ = asked => {} }
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("forty answers");
    assert!(asking.1.iter().all(|status| *status == 200));
    assert_eq!(asking.0.flows().count(), 2);
    assert!(answering.2.len() == 40 && answering.2.iter().all(|peer| peer.proves(&name("app.example.com"))));
}
