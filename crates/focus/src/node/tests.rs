//! The shells on real sockets and the real clock: ports that the system picks, no waiting by time.

use std::sync::Arc;

use sip_core::{ListenAddr, Method, NameAddr, RequestDraft, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::store::MemoryStore;

fn any_port() -> Vec<ListenAddr> {
    vec!["tcp:127.0.0.1:0".parse().expect("an address")]
}

fn on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test);
}

async fn ready(reports: &mut mpsc::Receiver<NodeReport>) -> ListenAddr {
    match reports.recv().await {
        Some(NodeReport::Ready { listen }) => listen[0],
        other => panic!("{other:?}"),
    }
}

fn options(to: &str) -> RequestDraft {
    let uri = Uri::parse(to).expect("a URI");
    RequestDraft::new(Method::Options, uri.clone())
        .from(NameAddr::new(Uri::parse("sip:bob@example.com").expect("a URI")).with_tag("1"))
        .to(NameAddr::new(uri))
        .call_id("c")
        .cseq(1)
        .max_forwards(70)
        .header("Via", "SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK1;rport")
}

/// Reads up to the end of a message without body.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.expect("a message"));
    }
    String::from_utf8(text).expect("text")
}

/// A hop between two real sockets: port 0 is told, requests go on to the next one that listens, answers come back.
#[test]
fn hop_forwards() {
    on(async {
        let next = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let dead = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = |listener: &TcpListener| {
            ListenAddr::new(sip_core::TransportKind::Tcp, listener.local_addr().expect("bound"))
        };
        let list = vec![addr(&dead), addr(&next)];
        drop(dead);
        let (reports, mut reported) = mpsc::channel(8);
        let (stop, stopped) = oneshot::channel::<()>();
        let config = HopConfig::new("px1", any_port(), list);
        let hop = tokio::spawn(async move {
            run_hop(config, reports, async { stopped.await.unwrap_or_default() }).await
        });
        let listen = ready(&mut reported).await;
        assert_ne!(listen.addr.port(), 0);

        let mut client = TcpStream::connect(listen.addr).await.expect("the hop listens");
        client.write_all(&options("sip:alice@example.com").write()).await.expect("sent");
        let (mut server, _) = next.accept().await.expect("the hop connects");
        let request = read_head(&mut server).await;
        assert!(
            request.starts_with("OPTIONS sip:alice@example.com SIP/2.0\r\n")
                && request.contains("Max-Forwards: 69")
        );
        let vias: String = request
            .lines()
            .filter(|line| line.starts_with("Via:"))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let answer = format!(
            "SIP/2.0 200 OK\r\n{vias}From: <sip:bob@example.com>;tag=1\r\nTo: <sip:alice@example.com>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        server.write_all(answer.as_bytes()).await.expect("sent");
        let answer = read_head(&mut client).await;
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"));
        assert_eq!(answer.matches("Via:").count(), 1);
        stop.send(()).expect("it runs");
        assert_eq!(hop.await.expect("no panic").expect("it ran"), Stopped::Shutdown);
        assert!(TcpStream::connect(listen.addr).await.is_err(), "nobody listens any more");
    });
}

/// Over UDP, too: the Record-Route names the listener of the client's transport, and the token leads back to its socket.
#[test]
fn hop_takes_datagrams() {
    on(async {
        let next = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let list = vec![ListenAddr::new(sip_core::TransportKind::Tcp, next.local_addr().expect("bound"))];
        let (reports, mut reported) = mpsc::channel(8);
        let listen = ["tcp:127.0.0.1:0", "udp:127.0.0.1:0"].map(|text| text.parse().expect("an address"));
        let config = HopConfig::new("px1", listen.to_vec(), list);
        let (stop, stopped) = oneshot::channel::<()>();
        let hop = tokio::spawn(async move {
            run_hop(config, reports, async { stopped.await.unwrap_or_default() }).await
        });
        let Some(NodeReport::Ready { listen }) = reported.recv().await else { panic!("ready") };
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let own = client.local_addr().expect("bound");
        let mut update = options("sip:alice@example.com").header("Contact", "<sip:bob@example.com;gruu>");
        update.method = Method::Update;
        let update = update.cseq(1).write();
        let via = format!("SIP/2.0/UDP {own}");
        let text = String::from_utf8_lossy(&update).replace("SIP/2.0/TCP 127.0.0.1:1", &via);
        client.send_to(text.as_bytes(), listen[1].addr).await.expect("sent");
        let (mut server, _) = next.accept().await.expect("the hop connects");
        let request = read_head(&mut server).await;
        let route = request.lines().find_map(|line| line.strip_prefix("Record-Route: ")).expect("a route");
        let route: NameAddr = route.parse().expect("a name-addr");
        assert_eq!(route.uri().sip_addr(), Some(listen[1].addr));
        assert_eq!(route.uri().transport(), Some(sip_core::TransportKind::Udp));

        // Down, over TCP, by the token.
        let mut down = options("sip:bob@example.com").route(vec![route]);
        down.method = Method::Info;
        let from = NameAddr::new(Uri::parse("sip:alice@example.com").expect("a URI")).with_tag("2");
        let to = NameAddr::new(Uri::parse("sip:bob@example.com").expect("a URI")).with_tag("1");
        let mut pool = TcpStream::connect(listen[0].addr).await.expect("the hop listens");
        pool.write_all(&down.from(from).to(to).cseq(1).write()).await.expect("sent");
        let mut datagram = vec![0; 2048];
        let (length, from) = client.recv_from(&mut datagram).await.expect("a datagram");
        assert!(datagram[..length].starts_with(b"INFO sip:bob@example.com SIP/2.0\r\n"));
        assert_eq!(from, listen[1].addr);
        stop.send(()).expect("it runs");
        assert_eq!(hop.await.expect("no panic").expect("it ran"), Stopped::Shutdown);
    });
}

/// An MCU on a store: it says that it is ready, writes its record, answers, and ends when it is drained.
#[test]
fn mcu_writes_its_record_and_drains() {
    on(async {
        let store: Arc<dyn PoolStore> = Arc::new(MemoryStore::default());
        let (reports, mut reported) = mpsc::channel(8);
        let mut config = McuConfig::new("im1", c3p::McuType::Im, any_port());
        config.timers.lease_renew = std::time::Duration::from_millis(20);
        let shared = Arc::clone(&store);
        let mcu = tokio::spawn(async move { run_mcu(config, shared, reports, std::future::pending()).await });
        let listen = ready(&mut reported).await;
        let mut client = TcpStream::connect(listen.addr).await.expect("it listens");
        client.write_all(&options("sip:im1@example.com").write()).await.expect("sent");
        assert!(read_head(&mut client).await.starts_with("SIP/2.0 200 OK\r\n"));

        let key = crate::record::key::node("im1");
        let entry = loop {
            match store.get(&key).await.expect("a store") {
                Some(entry) => break entry,
                None => tokio::task::yield_now().await,
            }
        };
        let mut record =
            <crate::record::NodeRecord as crate::record::Record>::decode(&entry.value).expect("a record");
        assert_eq!(record.listen, [listen.to_string()]);
        record.draining = true;
        let wish = crate::store::Txn::new().put(key, crate::record::Record::encode(&record));
        store.commit(wish).await.expect("a commit");
        let drained = reported.recv().await;
        assert!(matches!(drained, Some(NodeReport::Node { change: NodeChange::Drained, .. })));
        assert_eq!(mcu.await.expect("no panic").expect("it ran"), Stopped::Drained);
    });
}

/// An address in use is an error of the start, not of later.
#[test]
fn address_in_use() {
    on(async {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = ListenAddr::new(sip_core::TransportKind::Tcp, taken.local_addr().expect("bound"));
        let (reports, _reported) = mpsc::channel(8);
        let config = HopConfig::new("px1", vec![addr], any_port());
        let outcome = run_hop(config, reports, std::future::pending()).await;
        assert_eq!(outcome.expect_err("in use").kind(), io::ErrorKind::AddrInUse);
    });
}
