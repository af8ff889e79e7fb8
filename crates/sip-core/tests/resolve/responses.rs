//! Where a response goes whose connection is gone: RFC 3263 section 5, RFC 3261 section 18.2.2.

use std::time::Instant;

use sip_core::Via;
use sip_core::resolve::{LocateConfig, Location};

use crate::locating::speaks;
use crate::zone::{Zone, run};

const ZONE: &str = "
    _sip._tcp.@ SRV 0 0 5070 one.@
    _sip._udp.@ SRV 0 0 5080 one.@
    _sips._tcp.@ SRV 0 0 5071 one.@
    one.@ A 192.0.2.1
    @ A 192.0.2.9
    bare.@ A 192.0.2.8
";

#[test]
fn table() {
    let rows = [
        // Streams: where it came from with the port of sent-by, never the port of the old connection.
        ("TCP @;received=198.51.100.7;rport=40000", "tcp:198.51.100.7:5060 tcp:192.0.2.1:5070"),
        ("TCP @:5099;received=198.51.100.7", "tcp:198.51.100.7:5099 tcp:192.0.2.9:5099"),
        ("TLS @;received=198.51.100.7", "tls:198.51.100.7:5061 tls:192.0.2.1:5071"),
        ("TCP @", "tcp:192.0.2.1:5070"),
        ("TCP bare.@", "tcp:192.0.2.8:5060"),
        ("TCP 192.0.2.3:5090", "tcp:192.0.2.3:5090"),
        ("TCP 192.0.2.3;received=198.51.100.7", "tcp:198.51.100.7:5060 tcp:192.0.2.3:5060"),
        ("TCP [2001:db8::3]:5090;received=2001:db8::3", "tcp:[2001:db8::3]:5090"),
        // Datagrams: maddr, else received and rport, then sent-by.
        ("UDP @;received=198.51.100.7;rport=40000", "udp:198.51.100.7:40000 udp:192.0.2.1:5080"),
        ("UDP @;received=198.51.100.7", "udp:198.51.100.7:5060 udp:192.0.2.1:5080"),
        ("UDP @;maddr=239.255.255.1;received=198.51.100.7", "udp:239.255.255.1:5060"),
        ("UDP 192.0.2.3", "udp:192.0.2.3:5060"),
        // Nothing but where it came from.
        ("UDP gone.@;received=198.51.100.7", "udp:198.51.100.7:5060"),
        ("UDP 1.2.3.4.5;received=198.51.100.7", "udp:198.51.100.7:5060"),
        ("UDP 1.2.3.4.5", "Host"),
        ("TCP gone.@", "NoAddress"),
        ("SCTP @", "Transport"),
    ];
    for (via, expected) in rows {
        let via: Via =
            format!("SIP/2.0/{};branch=z9hG4bKx", via.replace('@', "example.test")).parse().unwrap();
        let config = LocateConfig::new(&speaks("udp tcp tls"));
        let search = run(Location::for_response(&via, &config, 1, Instant::now()), &Zone::new(ZONE));
        assert_eq!(search.text(), expected, "{via}");
    }
    let via: Via = "SIP/2.0/TCP example.test;branch=z9hG4bKx".parse().unwrap();
    let search = run(
        Location::for_response(&via, &LocateConfig::new(&speaks("udp")), 1, Instant::now()),
        &Zone::new(ZONE),
    );
    assert_eq!(search.text(), "Transport");
}
