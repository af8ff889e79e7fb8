//! Requests that are too large for a datagram (RFC 3261 section 18.1.1): they go over TCP to the same address, and back to
//! UDP if nobody is there.

use std::net::SocketAddr;
use std::time::Instant;

use super::Machine;
use crate::TransportKind;
use crate::build::RequestDraft;
use crate::endpoint::flow::{Remote, Target, UnreachableReason};
use crate::endpoint::{Endpoint, wire};

impl Endpoint {
    /// Where a request goes that was meant for `target`, and whether it is there for its size only.
    ///
    /// A flow that was named is kept: who names one knows why, and may have nothing else (RFC 5626).
    pub(super) fn by_size(&self, draft: &RequestDraft, target: Target) -> (Target, bool) {
        match target {
            Target::Address { transport: TransportKind::Udp, addr }
                if wire::request_size(draft, &self.config) > self.config.udp_request_limit =>
            {
                (Target::Address { transport: TransportKind::Tcp, addr }, true)
            }
            other => (other, false),
        }
    }

    /// Takes a request that waited for TCP because of its size back to UDP; `false` if it was not there for its size.
    fn fall_back_client(&mut self, id: u64, addr: SocketAddr, now: Instant) -> bool {
        let udp = Target::Address { transport: TransportKind::Udp, addr };
        let Ok(place) = self.place(udp) else {
            return false;
        };
        let machine = match self.clients.get(&id) {
            Some(client) if client.large => {
                Machine::new(client.is_invite(), self.config.timing, self.link(&place), now)
            }
            Some(_) | None => return false,
        };
        if let Some(client) = self.clients.get_mut(&id) {
            client.machine = machine;
            client.place = place.clone();
            client.large = false;
        }
        self.send_at(id, place);
        true
    }

    /// Takes back to UDP what waited for a TCP connection because of its size, if nobody takes TCP there; gives what has
    /// failed, and whether everything was taken back.
    pub(in crate::endpoint) fn fall_back(
        &mut self,
        remote: &Remote,
        reason: UnreachableReason,
        now: Instant,
    ) -> (Vec<u64>, bool) {
        let (clients, oneway) = self.flows.stop_waiting(remote);
        let no_tcp = matches!(reason, UnreachableReason::Refused | UnreachableReason::Unsupported);
        let may = no_tcp && remote.transport == TransportKind::Tcp;
        let before = clients.len() + oneway.len();
        // First the ACKs: the BYE of the same dialog may be among the others.
        let mut dropped = 0;
        for (draft, large) in oneway {
            let udp = Target::Address { transport: TransportKind::Udp, addr: remote.addr };
            match self.place(udp) {
                Ok(place) if may && large => self.send_oneway_to(draft, place, false),
                Ok(_) | Err(_) => dropped += 1,
            }
        }
        self.counters.oneway_dropped += dropped as u64;
        let mut failed = Vec::from_iter(clients);
        failed.retain(|id| !(may && self.fall_back_client(*id, remote.addr, now)));
        let all_fell_back = before > 0 && failed.is_empty() && dropped == 0;
        (failed, all_fell_back)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::endpoint::{
        EndpointConfig, Event, FlowId, FlowInfo, TransactionError, Transmit, TransportInput,
    };
    use crate::{Limits, Message, Method, NameAddr, Request, SeededIds, Uri};

    const TCP: TransportKind = TransportKind::Tcp;
    const UDP: TransportKind = TransportKind::Udp;

    struct Rig(Endpoint, Instant);

    impl Rig {
        fn new() -> Self {
            Self(Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(1))), Instant::now())
        }

        fn send(&mut self, method: Method, body: usize) {
            self.0.send_request(draft(method, body), target(UDP), self.1);
        }

        /// What is to be connected next.
        fn connecting(&mut self) -> Target {
            let transmit = self.0.poll_transmit().expect("something to connect");
            assert!(transmit.is_connect(), "{transmit:?}");
            transmit.to
        }

        fn connect(&mut self, flow: u64, transport: TransportKind) {
            let info = FlowInfo { remote: remote(), local: "192.0.2.1:5062".parse().unwrap(), transport };
            self.0.handle(TransportInput::Connected { flow: FlowId::new(flow), info }, self.1);
            assert!(matches!(self.0.poll_event(), Some(Event::FlowOpened { .. })));
        }

        fn refuse(&mut self, transport: TransportKind, reason: UnreachableReason) {
            self.0.handle(TransportInput::Unreachable { transport, addr: remote(), reason }, self.1);
        }

        fn sent(&mut self) -> (FlowId, Request) {
            let Some(Transmit { to: Target::Flow(flow), bytes, .. }) = self.0.poll_transmit() else {
                panic!("a request")
            };
            match Message::parse(bytes, &Limits::default()).unwrap() {
                Message::Request(request) => (flow, request),
                Message::Response(response) => panic!("{response:?}"),
            }
        }
    }

    fn remote() -> SocketAddr {
        "192.0.2.9:5060".parse().unwrap()
    }

    fn target(transport: TransportKind) -> Target {
        Target::Address { transport, addr: remote() }
    }

    fn draft(method: Method, body: usize) -> RequestDraft {
        let bob = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        RequestDraft::new(method, Uri::parse("sip:bob@192.0.2.9").unwrap())
            .from(bob.with_tag("a1"))
            .to(bob)
            .call_id("c1")
            .cseq(3)
            .body("text/plain", vec![b'x'; body])
    }

    /// RFC 3261 section 18.1.1: a small request stays on UDP, a large one goes over TCP with TCP in its Via.
    #[test]
    fn large_requests_go_over_tcp() {
        let mut rig = Rig::new();
        rig.send(Method::Message, 100);
        assert_eq!(rig.connecting(), target(UDP));
        rig.connect(1, UDP);
        assert_eq!(rig.sent().1.via().transport(), Some(UDP));
        rig.send(Method::Message, 1_300);
        assert_eq!(rig.connecting(), target(TCP));
        rig.connect(2, TCP);
        let (flow, request) = rig.sent();
        assert_eq!((flow, request.via().transport()), (FlowId::new(2), Some(TCP)));
        // Over TCP nothing is sent again.
        rig.0.handle_timeout(rig.1 + Duration::from_millis(600));
        assert_eq!(rig.0.counters().retransmissions_sent, 1, "only the one over UDP");
        assert_eq!(rig.sent().0, FlowId::new(1));
        // A flow that was named is kept, whatever the size.
        rig.0.send_request(draft(Method::Message, 2_000), Target::Flow(FlowId::new(1)), rig.1);
        assert_eq!(rig.sent().0, FlowId::new(1));
    }

    /// RFC 3261 section 18.1.1: where TCP is refused it goes over UDP after all, as the same transaction, with Via rewritten.
    #[test]
    fn refused_tcp_falls_back_to_udp() {
        for open in [false, true] {
            let mut rig = Rig::new();
            if open {
                rig.0.connect(UDP, remote());
                rig.connecting();
                rig.connect(1, UDP);
            }
            rig.send(Method::Invite, 2_000);
            rig.0.send_oneway(draft(Method::Benotify, 2_000), target(UDP), rig.1);
            assert_eq!(rig.connecting(), target(TCP));
            rig.refuse(TCP, UnreachableReason::Refused);
            assert!(rig.0.poll_event().is_none(), "nobody asked for TCP");
            if !open {
                assert_eq!(rig.connecting(), target(UDP));
                rig.connect(1, UDP);
            }
            for method in [Method::Benotify, Method::Invite] {
                let (flow, request) = rig.sent();
                assert_eq!((flow, request.method()), (FlowId::new(1), &method));
                assert_eq!(request.via().transport(), Some(UDP));
                assert_eq!(request.headers().get_all("Via").count(), 1);
            }
            // Now it is sent again as over UDP.
            rig.0.handle_timeout(rig.1 + Duration::from_millis(500));
            assert_eq!(rig.sent().1.method(), &Method::Invite);
            // And is refused there for good.
            rig.refuse(UDP, UnreachableReason::Refused);
            assert!(matches!(rig.0.poll_event(), Some(Event::Unreachable { transport: UDP, .. })));
            assert!(matches!(rig.0.poll_event(), Some(Event::Failed { .. })));
        }
    }

    /// What asked for TCP itself, and what met another failure, does not fall back.
    #[test]
    fn other_failures_are_failures() {
        let mut rig = Rig::new();
        rig.send(Method::Message, 2_000);
        rig.0.send_request(draft(Method::Message, 10), target(TCP), rig.1);
        assert_eq!(rig.connecting(), target(TCP));
        rig.refuse(TCP, UnreachableReason::Refused);
        assert!(matches!(rig.0.poll_event(), Some(Event::Unreachable { transport: TCP, .. })));
        assert!(matches!(rig.0.poll_event(), Some(Event::Failed { .. })));
        assert!(rig.0.poll_event().is_none(), "the large one waits for UDP");
        assert_eq!(rig.connecting(), target(UDP));

        let mut rig = Rig::new();
        rig.send(Method::Message, 2_000);
        rig.0.send_oneway(draft(Method::Benotify, 2_000), target(UDP), rig.1);
        rig.connecting();
        rig.refuse(TCP, UnreachableReason::TimedOut);
        assert!(matches!(rig.0.poll_event(), Some(Event::Unreachable { transport: TCP, .. })));
        let Some(Event::Failed { error, .. }) = rig.0.poll_event() else { panic!("it failed") };
        let reason = UnreachableReason::TimedOut;
        assert_eq!(error, TransactionError::Unreachable { transport: TCP, addr: remote(), reason });
        assert_eq!((rig.0.counters().oneway_dropped, rig.0.transactions().0), (1, 0));
    }

    /// The size that decides is that of the request as it leaves, or a little more.
    #[test]
    fn size_is_that_of_the_bytes() {
        let config = EndpointConfig::default().with_user_agent("agent/1.0");
        for body in [0, 900, 5_000] {
            let info =
                FlowInfo { remote: remote(), local: "192.0.2.1:5062".parse().unwrap(), transport: UDP };
            let branch = format!("z9hG4bK{}", "0".repeat(32));
            let full =
                wire::complete_request(draft(Method::Message, body), &branch, info, &config).write().len();
            let estimate = wire::request_size(&draft(Method::Message, body), &config);
            assert!((full..full + 80).contains(&estimate), "{estimate} for {full}");
        }
    }
}
