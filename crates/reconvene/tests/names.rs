//! Servers that have a name: found at the start, and found again when they have moved.

mod common;
#[path = "common/dns.rs"]
mod dns;

use std::sync::Arc;

use common::{Person, Pool, hop, patient};
use dns::NameServer;
use reconvene::lookup::{ByDomain, ByHosts, Server};
use reconvene::{Endpoint, EndpointConfig, McuType, StartError};
use sip_core::TransportKind;
use sip_core::resolve::{Dns, DnsConfig, LocateConfig, Locator};

const SERVICE: &str = "_sip._tcp.example.com";

fn by_domain(names: &NameServer) -> Arc<ByDomain> {
    let dns = Dns::new(&DnsConfig::default().with_servers([names.addr])).expect("a name server");
    Arc::new(ByDomain::new(Locator::new(dns, LocateConfig::new(&[TransportKind::Tcp]))))
}

fn bob() -> EndpointConfig {
    EndpointConfig::new("sip:bob@example.com".parse().expect("a URI")).with_display_name("bob")
}

fn domain() -> sip_core::Uri {
    "sip:example.com".parse().expect("a URI")
}

/// RFC 3263: the first server of the domain is used. When it dies and the DNS names another one by then, the session goes on
/// over that.
#[tokio::test]
async fn a_moved_server_is_found_again() {
    let pool = Pool::start(1).await;
    let (first, second) = (hop(pool.servers()).await, hop(pool.servers()).await);
    let names = NameServer::start();
    names.offer(SERVICE, "sip.example.com", &[first.listen[0].addr]);
    let (mut alice, scheduled) = pool.scheduled().await;
    alice.join(&scheduled.uri).await.expect("joined");
    let mut bob = Person::start(bob().with_lookup(domain(), by_domain(&names)), &[]).await;
    bob.join(&scheduled.uri).await.expect("joined");
    for person in [&alice, &bob] {
        patient("the call", person.conference.call(McuType::Im)).await.expect("a call");
    }
    // Bob's call is up at its other end, too.
    alice.sees("updated sip:bob@example.com").await;

    names.offer(SERVICE, "sip.example.com", &[second.listen[0].addr]);
    first.stop().await;
    patient("the message", alice.conference.say("still there?")).await.expect("said");
    bob.sees("message sip:alice@example.com still there?").await;
    patient("the answer", bob.conference.say("moved")).await.expect("said");
    alice.sees("message sip:bob@example.com moved").await;
}

/// A name that leads nowhere is told at the start.
#[tokio::test]
async fn a_name_without_servers() {
    let names = NameServer::start();
    let config = bob().with_lookup(domain(), by_domain(&names));
    let error = patient("the start", Endpoint::start(config)).await.expect_err("nobody is there");
    assert!(matches!(&error, StartError::Lookup { name, .. } if name == "example.com"), "{error:?}");
}

/// Servers by the names of their hosts, without registration: requests go out at once.
#[tokio::test]
async fn hosts_by_name() {
    let pool = Pool::start(1).await;
    let server: Server =
        format!("tcp:localhost:{}", pool.servers()[0].addr.port()).parse().expect("a server");
    let (_alice, scheduled) = pool.scheduled().await;
    let uri = "sip:localhost".parse().expect("a URI");
    let config = bob().without_registration().with_lookup(uri, Arc::new(ByHosts::new(vec![server])));
    let mut bob = Person::start(config, &[]).await;
    bob.join(&scheduled.uri).await.expect("joined");
}
