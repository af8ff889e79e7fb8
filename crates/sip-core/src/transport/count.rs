//! Counting through the `metrics` facade, for whatever recorder the application installs.
//!
//! | name | labels | what |
//! |---|---|---|
//! | `sip_messages_total` | `direction`, `transport`, `kind` (a known method, `other`, or `1xx` … `6xx`) | messages that crossed a socket |
//! | `sip_responses_total` | `direction`, `status` | responses by status |
//! | `sip_bytes_total` | `direction`, `transport` | their bytes |
//! | `sip_dropped_total` | `reason` | what the endpoint refused or dropped, by the name in [`Counters`] |
//!
//! Labels come from closed sets: nobody outside can make a recorder grow.

use std::collections::BTreeMap;

use super::tap::{Seen, Tap};
use crate::endpoint::Counters;

/// Methods that are counted by name.
const METHODS: [&str; 16] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "SUBSCRIBE",
    "NOTIFY",
    "BENOTIFY",
    "INFO",
    "UPDATE",
    "MESSAGE",
    "SERVICE",
    "REFER",
    "PUBLISH",
    "PRACK",
];

/// Counts each message.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use sip_core::transport::{TransportConfig, count::MessageCount};
///
/// let config = TransportConfig::default().with_tap(Arc::new(MessageCount));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageCount;

impl Tap for MessageCount {
    fn see(&self, seen: Seen<'_>) {
        let direction = seen.direction.as_str();
        let transport = seen.info.transport.as_str();
        let first = First::of(seen.bytes);
        metrics::counter!("sip_messages_total", "direction" => direction, "transport" => transport, "kind" => first.kind())
            .increment(1);
        metrics::counter!("sip_bytes_total", "direction" => direction, "transport" => transport)
            .increment(seen.bytes.len() as u64);
        if let First::Status(status) = first {
            metrics::counter!("sip_responses_total", "direction" => direction, "status" => status.to_string())
                .increment(1);
        }
    }
}

/// What the first line of a message says.
enum First {
    Method(&'static str),
    Status(u16),
    Unreadable,
}

impl First {
    fn of(bytes: &[u8]) -> Self {
        let line = bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let first = words.next().unwrap_or_default();
        if first.eq_ignore_ascii_case(b"SIP/2.0") {
            let status = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            return match status {
                Some(status @ 100..=699) => Self::Status(status),
                _ => Self::Unreadable,
            };
        }
        let known = METHODS.into_iter().find(|name| name.as_bytes() == first);
        Self::Method(known.unwrap_or("other"))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Method(name) => name,
            Self::Status(100..=199) => "1xx",
            Self::Status(200..=299) => "2xx",
            Self::Status(300..=399) => "3xx",
            Self::Status(400..=499) => "4xx",
            Self::Status(500..=599) => "5xx",
            Self::Status(_) => "6xx",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Hands the growth of an endpoint's counters on; keep one per endpoint and call it now and then.
#[derive(Debug, Default)]
pub struct DropCount {
    told: BTreeMap<&'static str, u64>,
}

impl DropCount {
    /// Adds what was counted since the last call.
    pub fn publish(&mut self, counters: &Counters) {
        for (reason, total) in drops(counters) {
            let told = self.told.insert(reason, total).unwrap_or_default();
            if total > told {
                metrics::counter!("sip_dropped_total", "reason" => reason).increment(total - told);
            }
        }
    }
}

/// What was not served, and why.
fn drops(counters: &Counters) -> [(&'static str, u64); 19] {
    [
        ("stray_responses", counters.stray_responses),
        ("malformed_answered", counters.malformed_answered),
        ("malformed_dropped", counters.malformed_dropped),
        ("overload_rejected", counters.overload_rejected),
        ("shed_backlog", counters.shed_backlog),
        ("shed_flow_rate", counters.shed_flow_rate),
        ("shed_flow_pending", counters.shed_flow_pending),
        ("shed_address_rate", counters.shed_address_rate),
        ("shed_address_pending", counters.shed_address_pending),
        ("finished_evicted", counters.finished_evicted),
        ("incapable_refused", counters.incapable_refused),
        ("merged_refused", counters.merged_refused),
        ("stray_cancels", counters.stray_cancels),
        ("late_answers", counters.late_answers),
        ("unanswered", counters.unanswered),
        ("unroutable_responses", counters.unroutable_responses),
        ("oneway_dropped", counters.oneway_dropped),
        ("timeouts", counters.timeouts),
        ("missing_acks", counters.missing_acks),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;
    use crate::transport::tap::Direction;
    use crate::{FlowId, FlowInfo, Method, TransportKind};

    type Totals = Arc<Mutex<BTreeMap<String, u64>>>;

    /// Keeps every counter in a map, labels in its name.
    #[derive(Default)]
    struct Book(Totals);

    struct Line(Totals, String);

    impl CounterFn for Line {
        fn increment(&self, value: u64) {
            *self.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
        }

        fn absolute(&self, value: u64) {
            self.0.lock().unwrap().insert(self.1.clone(), value);
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels: Vec<String> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let name = format!("{} {}", key.name(), labels.join(" "));
            Counter::from_arc(Arc::new(Line(Arc::clone(&self.0), name)))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn counted(work: impl FnOnce()) -> Vec<(String, u64)> {
        let book = Book::default();
        metrics::with_local_recorder(&book, work);
        book.0.lock().unwrap().clone().into_iter().collect()
    }

    /// Each kind of first line has its label, and no foreign text becomes one.
    #[test]
    fn kinds() {
        let cases = [
            ("INVITE sip:a SIP/2.0\r\n", "INVITE"),
            ("invite sip:a SIP/2.0\r\n", "other"),
            ("FOO-4711 sip:a SIP/2.0\r\n", "other"),
            ("SIP/2.0 180 Ringing\r\n", "1xx"),
            ("SIP/2.0 699 Strange\r\n", "6xx"),
            ("SIP/2.0 99999 Strange\r\n", "unreadable"),
            ("", "other"),
        ];
        for (raw, kind) in cases {
            assert_eq!(First::of(raw.as_bytes()).kind(), kind, "{raw}");
        }
        for name in METHODS {
            assert!(!matches!(name.parse(), Ok(Method::Other(_)) | Err(_)), "{name}");
        }
    }

    #[test]
    fn messages_and_bytes() {
        let addr = "192.0.2.1:5060".parse().expect("an address");
        let info = FlowInfo { remote: addr, local: addr, transport: TransportKind::Udp };
        let told = counted(|| {
            for (direction, raw) in [
                (Direction::Received, "BYE sip:a SIP/2.0\r\n\r\n"),
                (Direction::Sent, "SIP/2.0 481 Gone\r\n\r\n"),
                (Direction::Sent, "SIP/2.0 481 Gone\r\n\r\n"),
            ] {
                MessageCount.see(Seen::new(direction, FlowId::new(1), info, raw.as_bytes()));
            }
        });
        let expected = [
            ("sip_bytes_total direction=received transport=udp", 21),
            ("sip_bytes_total direction=sent transport=udp", 40),
            ("sip_messages_total direction=received transport=udp kind=BYE", 1),
            ("sip_messages_total direction=sent transport=udp kind=4xx", 2),
            ("sip_responses_total direction=sent status=481", 2),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    /// Only growth is told, and each only once.
    #[test]
    fn drops_grow() {
        let mut counters = Counters::default();
        let mut count = DropCount::default();
        let told = counted(|| {
            counters.merged_refused = 2;
            count.publish(&counters);
            count.publish(&counters);
            counters.merged_refused = 5;
            count.publish(&counters);
        });
        assert_eq!(told, [("sip_dropped_total reason=merged_refused".to_owned(), 5)]);
    }
}
