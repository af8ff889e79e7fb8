//! A recoverable dialog against a peer that the test plays by hand: repair, resend, heal, and what ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::endpoint::{CloseReason, UnreachableReason};
use sip_core::recoverable::{
    DialogEvent, Fault, RECOVERY_ACTION, Recipe, RecoverableDialog, RecoveryTimes, Resend,
};
use sip_core::ua::{Routing, UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    Dialog, Endpoint, EndpointConfig, FlowId, FlowInfo, Limits, Message, Method, NameAddr, Request,
    RequestDraft, ResponseDraft, SeededIds, Target, TransportInput, TransportKind, Uri,
};

const HOP_1: &str = "127.0.0.1:7001";
const HOP_2: &str = "127.0.0.1:7002";

/// A user agent whose network is this struct.
struct World {
    ua: UserAgent,
    now: Instant,
    refusing: BTreeSet<SocketAddr>,
    flows: BTreeMap<FlowId, SocketAddr>,
    next_flow: u64,
}

impl World {
    fn new() -> World {
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(7)));
        let servers = vec![format!("tcp:{HOP_1}").parse().unwrap(), format!("tcp:{HOP_2}").parse().unwrap()];
        let identity = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        let config = UserAgentConfig::new(identity, servers).without_registration();
        let ua = UserAgent::new(endpoint, config);
        World { ua, now: Instant::now(), refusing: BTreeSet::new(), flows: BTreeMap::new(), next_flow: 0 }
    }

    fn handle(&mut self, input: TransportInput) {
        self.ua.endpoint().handle(input, self.now);
    }

    /// What is sent now, with the flow it goes out on; connections are made or refused on the way.
    fn sent(&mut self) -> Vec<(FlowId, Request)> {
        let mut requests = Vec::new();
        while let Some(transmit) = self.ua.endpoint().poll_transmit() {
            match transmit.to {
                Target::Address { transport, addr } => self.connect(transport, addr),
                Target::Server { name, .. } => panic!("nobody asked for {name}"),
                Target::Flow(flow) => {
                    if let Ok(Message::Request(request)) = Message::parse(transmit.bytes, &Limits::default())
                    {
                        requests.push((flow, request));
                    }
                }
            }
        }
        requests
    }

    fn connect(&mut self, transport: TransportKind, addr: SocketAddr) {
        if self.refusing.contains(&addr) {
            let reason = UnreachableReason::Refused;
            return self.handle(TransportInput::Unreachable { transport, addr, reason });
        }
        self.next_flow += 1;
        let flow = FlowId::new(self.next_flow);
        self.flows.insert(flow, addr);
        let info = FlowInfo { remote: addr, local: "127.0.0.1:50000".parse().unwrap(), transport };
        self.handle(TransportInput::Connected { flow, info });
    }

    /// The address dies: its connections close, new ones are refused.
    fn kill(&mut self, addr: &str) {
        let addr: SocketAddr = addr.parse().unwrap();
        self.refusing.insert(addr);
        let dead: Vec<FlowId> =
            self.flows.iter().filter(|(_, remote)| **remote == addr).map(|(flow, _)| *flow).collect();
        for flow in dead {
            self.flows.remove(&flow);
            self.handle(TransportInput::Closed { flow, reason: CloseReason::Remote });
        }
    }

    fn answer(&mut self, flow: FlowId, draft: ResponseDraft) {
        let message = Message::parse(draft.write(), &Limits::default()).unwrap();
        self.handle(TransportInput::Message { flow, message });
    }

    /// Hands the answers on to the dialog; gives out what it tells.
    fn events(&mut self, dialog: &mut RecoverableDialog) -> Vec<DialogEvent> {
        while let Some(event) = self.ua.poll_event(self.now) {
            match event {
                UaEvent::Response { id, response } => {
                    dialog.on_response(id, &response, &mut self.ua, self.now);
                }
                UaEvent::Failed { id, error } => {
                    dialog.on_failed(id, error, &mut self.ua, self.now);
                }
                _ => {}
            }
        }
        std::iter::from_fn(|| dialog.poll_event()).collect()
    }

    /// A dialog through hop 1, with the route set that its Record-Route gives.
    fn dialog(&mut self) -> RecoverableDialog {
        let focus = Uri::parse("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9").unwrap();
        let invite = RequestDraft::new(Method::Invite, focus.clone())
            .from(self.ua.new_from())
            .to(NameAddr::new(focus))
            .call_id("focus-1")
            .cseq(1)
            .header("Contact", "<sip:bob@example.com>");
        let id = self.ua.send(invite.clone(), Routing::Outbound, self.now);
        let (flow, request) = self.sent().remove(0);
        let accepted = ResponseDraft::to(&request, 200)
            .to_tag("f1")
            .header("Record-Route", format!("<sip:t1@{HOP_1};transport=tcp;lr>"))
            .header("Contact", "<sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9>;isfocus");
        self.answer(flow, accepted);
        let Some(UaEvent::Response { response, .. }) = self.ua.poll_event(self.now) else {
            panic!("the INVITE was answered")
        };
        let dialog = Dialog::uac(&invite, &response).unwrap();
        self.ua.send_ack(id, dialog.ack(1), self.now);
        self.sent();
        RecoverableDialog::new(dialog, &response, RecoveryTimes::default(), self.now)
    }

    fn pass(&mut self, dialog: &mut RecoverableDialog, time: Duration) {
        self.now += time;
        self.ua.handle_timeout(self.now);
        dialog.handle_timeout(&mut self.ua, self.now);
    }
}

fn info(resend: Resend) -> Recipe {
    let body = Some(("application/cccp+xml".to_owned(), "<request/>".into()));
    Recipe { method: Method::Info, headers: Vec::new(), body, resend }
}

fn flow_failed(request: &Request, action: &str) -> ResponseDraft {
    ResponseDraft::to(request, 430).header(RECOVERY_ACTION, action)
}

/// The 2xx of a recovery UPDATE by way of hop 2.
fn by_hop_2(request: &Request) -> ResponseDraft {
    ResponseDraft::to(request, 200).header("Record-Route", format!("<sip:t2@{HOP_2};transport=tcp;lr>"))
}

fn route_of(request: &Request) -> String {
    request.route().first().map(|route| route.uri().to_string()).unwrap_or_default()
}

/// D1, R1: UPDATE without route set, then the same request again on the new route with a higher CSeq.
#[test]
fn flow_failed_is_repaired_and_the_request_resent() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    let token = dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, first) = w.sent().remove(0);
    assert!(route_of(&first).contains(HOP_1));
    w.answer(flow, flow_failed(&first, "Dialog-Route-Set-Update"));
    assert!(w.events(&mut dialog).is_empty(), "a repair is silent");
    let (flow, update) = w.sent().remove(0);
    assert_eq!((update.method(), update.route().len()), (&Method::Update, 0));
    w.answer(flow, by_hop_2(&update));
    let events = w.events(&mut dialog);
    assert!(matches!(events[..], [DialogEvent::Repaired { fault: Fault::FlowFailed, .. }]), "{events:?}");
    let (flow, again) = w.sent().remove(0);
    assert!(route_of(&again).contains(HOP_2));
    assert_eq!(again.body(), first.body());
    assert_eq!(again.cseq().number, first.cseq().number + 2);
    w.answer(flow, ResponseDraft::to(&again, 202));
    let events = w.events(&mut dialog);
    assert!(matches!(&events[..], [DialogEvent::Answered { token: t, .. }] if *t == token), "{events:?}");
}

/// D2, D3: no repair is tried where it cannot help.
#[test]
fn what_a_repair_cannot_help() {
    for (action, fault) in [
        ("Wait-For-Session-Update", Fault::WaitForFarEnd),
        ("Registration-Route-Set-Update", Fault::RegistrationLost),
        ("wait-for-session-update, registration-route-set-update", Fault::RegistrationLost),
    ] {
        let mut w = World::new();
        let mut dialog = w.dialog();
        let token = dialog.send(info(Resend::Always), &mut w.ua, w.now);
        let (flow, request) = w.sent().remove(0);
        w.answer(flow, flow_failed(&request, action));
        let events = w.events(&mut dialog);
        assert!(
            matches!(events.last(), Some(DialogEvent::RepairFailed { fault: f, token: Some(t), tried: false, .. })
                if *f == fault && *t == token),
            "{action}: {events:?}"
        );
        assert!(w.sent().is_empty(), "{action}: no UPDATE");
    }
}

/// D5: the same request gets 430 a second time, on the repaired route.
#[test]
fn a_second_430_ends_the_repair() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, request) = w.sent().remove(0);
    w.answer(flow, flow_failed(&request, "Dialog-Route-Set-Update"));
    w.events(&mut dialog);
    let (flow, update) = w.sent().remove(0);
    w.answer(flow, by_hop_2(&update));
    w.events(&mut dialog);
    let (flow, again) = w.sent().remove(0);
    w.answer(flow, flow_failed(&again, "Dialog-Route-Set-Update"));
    let events = w.events(&mut dialog);
    assert!(
        matches!(
            events[..],
            [DialogEvent::RepairFailed { fault: Fault::FlowFailedAgain, token: Some(_), .. }]
        ),
        "{events:?}"
    );
}

/// D6: a dead hop. The repair goes to the next server; a message that surely was not delivered is sent again.
#[test]
fn a_dead_hop_is_repaired_through_the_other() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    w.kill(HOP_1);
    dialog.send(info(Resend::Undelivered), &mut w.ua, w.now);
    assert!(w.sent().is_empty(), "the connection is refused");
    assert!(w.events(&mut dialog).is_empty());
    let (flow, update) = w.sent().remove(0);
    assert_eq!(w.flows[&flow].to_string(), HOP_2);
    w.answer(flow, by_hop_2(&update));
    let events = w.events(&mut dialog);
    assert!(matches!(events[..], [DialogEvent::Repaired { fault: Fault::Unreachable, .. }]), "{events:?}");
    assert_eq!(w.sent().len(), 1);
}

/// Section 4.3: a request that may have been delivered is not repeated unless that is harmless.
#[test]
fn silence_repeats_only_what_is_idempotent() {
    for (resend, repeated) in [(Resend::Always, true), (Resend::Undelivered, false)] {
        let mut w = World::new();
        let mut dialog = w.dialog();
        dialog.send(info(resend), &mut w.ua, w.now);
        w.sent();
        w.pass(&mut dialog, Duration::from_secs(33));
        w.events(&mut dialog);
        let (flow, update) = w.sent().remove(0);
        assert_eq!(update.method(), &Method::Update);
        w.answer(flow, by_hop_2(&update));
        let events = w.events(&mut dialog);
        assert_eq!(w.sent().len(), usize::from(repeated), "{resend:?}");
        let failed = events.iter().any(|e| matches!(e, DialogEvent::Failed { fault: Fault::Silent, .. }));
        assert_eq!(failed, !repeated, "{events:?}");
    }
}

/// D7: 481 ends the dialog, whatever asked.
#[test]
fn gone_is_told_once() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    let token = dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, request) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&request, 481));
    let events = w.events(&mut dialog);
    assert!(
        matches!(&events[..], [DialogEvent::Gone { token: Some(t), healing: false, .. }] if *t == token),
        "{events:?}"
    );
}

/// Requests that come while the route is repaired wait for it, and share a failure.
#[test]
fn requests_wait_for_the_repair_and_share_its_failure() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    let first = dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, request) = w.sent().remove(0);
    w.answer(flow, flow_failed(&request, "Dialog-Route-Set-Update"));
    w.events(&mut dialog);
    let (flow, update) = w.sent().remove(0);
    let second = dialog.send(info(Resend::Always), &mut w.ua, w.now);
    assert!(w.sent().is_empty(), "it waits");
    w.answer(flow, ResponseDraft::to(&update, 503));
    let events = w.events(&mut dialog);
    let [DialogEvent::RepairFailed { token: Some(a), tried: true, .. }, DialogEvent::Failed { token: b, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*a, *b), (first, second));
}

/// Section 4.4: gaps of 2, 4, 8, 16, 30, 30 s, each within a fifth, from the end of one attempt to the next one's start.
#[test]
fn heal_gaps() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    w.kill(HOP_1);
    w.kill(HOP_2);
    dialog.heal(false, &mut w.ua, w.now);
    for gap in [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] {
        let at = dialog.poll_timeout().unwrap();
        let seconds = at.duration_since(w.now).as_secs_f64();
        assert!((gap * 0.799..=gap * 1.201).contains(&seconds), "{gap}: {seconds}");
        w.now = at;
        dialog.handle_timeout(&mut w.ua, w.now);
        let mut events = Vec::new();
        for _ in 0..4 {
            // Both servers refuse: the attempt ends at once.
            w.sent();
            events.extend(w.events(&mut dialog));
        }
        assert!(matches!(events[..], [DialogEvent::HealTried, DialogEvent::HealFailed { .. }]), "{events:?}");
    }
    w.refusing.clear();
    dialog.hint(&mut w.ua, w.now);
    let (flow, update) = w.sent().remove(0);
    assert!(update.route().is_empty());
    w.answer(flow, by_hop_2(&update));
    let events = w.events(&mut dialog);
    assert!(matches!(events[..], [DialogEvent::HealTried, DialogEvent::Healed]), "{events:?}");
    assert!(!dialog.is_healing());
}

/// A heal attempt that nobody answers ends after ten seconds, and the loop goes on.
#[test]
fn a_silent_heal_attempt_ends() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.heal(true, &mut w.ua, w.now);
    assert_eq!(w.sent().len(), 1);
    w.pass(&mut dialog, Duration::from_secs(10));
    let events = w.events(&mut dialog);
    assert!(
        matches!(events[..], [DialogEvent::HealTried, DialogEvent::HealFailed { fault: Fault::Silent }]),
        "{events:?}"
    );
    assert!(dialog.poll_timeout().is_some_and(|at| at > w.now));
}

/// 481 to a heal UPDATE: the dialog is gone, which is another story (R11).
#[test]
fn healing_learns_that_the_dialog_is_gone() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.heal(true, &mut w.ua, w.now);
    let (flow, update) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&update, 481));
    let events = w.events(&mut dialog);
    assert!(
        matches!(events[..], [DialogEvent::HealTried, DialogEvent::Gone { healing: true, .. }]),
        "{events:?}"
    );
    assert!(!dialog.is_healing());
}

/// RFC 4028: the refresher sends UPDATE at half the interval.
#[test]
fn the_session_is_refreshed_at_half_the_interval() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.probe(&mut w.ua, w.now);
    let (flow, probe) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&probe, 200).header("Session-Expires", "600;refresher=uac"));
    assert!(matches!(w.events(&mut dialog)[..], [DialogEvent::Confirmed]));
    assert_eq!(dialog.poll_timeout(), Some(w.now + Duration::from_secs(300)));
    w.pass(&mut dialog, Duration::from_secs(300));
    let (_, refresh) = w.sent().remove(0);
    assert_eq!(refresh.method(), &Method::Update);
    assert!(route_of(&refresh).contains(HOP_1), "a refresh follows the route");
}

/// RFC 4028 section 7.3: a 422 is followed by the same UPDATE with the interval that it wants, once; also where the UPDATE
/// repairs or heals: who answers 422 knows the dialog.
#[test]
fn too_short_an_interval_is_raised() {
    let too_short =
        |update: &Request, min: u32| ResponseDraft::to(update, 422).header("Min-SE", min.to_string());
    let longer = |update: &Request, min: &str| {
        assert_eq!(update.headers().get("Session-Expires"), Some(format!("{min};refresher=uac").as_str()));
        assert_eq!(update.headers().get("Min-SE"), Some(min));
    };
    let mut w = World::new();
    let mut dialog = w.dialog();
    // A probe, twice refused.
    dialog.probe(&mut w.ua, w.now);
    let (flow, probe) = w.sent().remove(0);
    w.answer(flow, too_short(&probe, 3600));
    assert!(w.events(&mut dialog).is_empty());
    let (flow, again) = w.sent().remove(0);
    longer(&again, "3600");
    w.answer(flow, too_short(&again, 7200));
    assert!(matches!(w.events(&mut dialog)[..], [DialogEvent::Confirmed]));
    assert!(w.sent().is_empty(), "once");
    // A repair.
    dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, request) = w.sent().remove(0);
    w.answer(flow, flow_failed(&request, "Dialog-Route-Set-Update"));
    w.events(&mut dialog);
    let (flow, update) = w.sent().remove(0);
    longer(&update, "3600");
    w.answer(flow, too_short(&update, 7200));
    assert!(w.events(&mut dialog).is_empty());
    let (flow, update) = w.sent().remove(0);
    longer(&update, "7200");
    assert!(update.route().is_empty(), "still straight to the peer");
    w.answer(flow, by_hop_2(&update));
    assert!(matches!(w.events(&mut dialog)[..], [DialogEvent::Repaired { .. }]));
    w.sent();
    // Healing.
    dialog.heal(true, &mut w.ua, w.now);
    let (flow, update) = w.sent().remove(0);
    w.answer(flow, too_short(&update, 9000));
    assert!(matches!(w.events(&mut dialog)[..], [DialogEvent::HealTried, DialogEvent::HealTried]));
    let (flow, update) = w.sent().remove(0);
    longer(&update, "9000");
    w.answer(flow, by_hop_2(&update));
    assert!(matches!(w.events(&mut dialog)[..], [DialogEvent::Healed]));
}

/// Section 3.3: the route is repaired once for a request, also where it fails in another way the second time.
#[test]
fn one_request_is_repaired_once() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    let token = dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, request) = w.sent().remove(0);
    w.answer(flow, flow_failed(&request, "Dialog-Route-Set-Update"));
    w.events(&mut dialog);
    let (flow, update) = w.sent().remove(0);
    w.answer(flow, by_hop_2(&update));
    w.events(&mut dialog);
    let (flow, again) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&again, 503));
    let events = w.events(&mut dialog);
    assert!(
        matches!(&events[..], [DialogEvent::RepairFailed { fault: Fault::Status(503), token: Some(t), tried: true, .. }]
            if *t == token),
        "{events:?}"
    );
    assert!(w.sent().is_empty(), "no second repair");
}

/// D20: glare is no repair: the request that met it still has its one.
#[test]
fn glare_does_not_use_up_the_repair() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let (flow, request) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&request, 491));
    assert!(w.events(&mut dialog).is_empty());
    w.pass(&mut dialog, Duration::from_secs(2));
    let (flow, again) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&again, 503));
    assert!(w.events(&mut dialog).is_empty(), "a repair is silent");
    let (_, update) = w.sent().remove(0);
    assert_eq!((update.method(), update.route().len()), (&Method::Update, 0));
}

/// D20: glare without end is an answer like any other in the end.
#[test]
fn glare_ends() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    let token = dialog.send(info(Resend::Always), &mut w.ua, w.now);
    let mut answered = Vec::new();
    for _ in 0..20 {
        let Some((flow, request)) = w.sent().pop() else { break };
        w.answer(flow, ResponseDraft::to(&request, 491));
        answered.extend(w.events(&mut dialog));
        w.pass(&mut dialog, Duration::from_secs(2));
    }
    assert!(matches!(&answered[..], [DialogEvent::Answered { token: t, .. }] if *t == token), "{answered:?}");
}

/// Section 4.3: where the present server is silent, the next attempt goes to another address of the same name.
#[test]
fn a_silent_server_is_not_asked_twice_in_a_row() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.heal(true, &mut w.ua, w.now);
    let (flow, _) = w.sent().remove(0);
    assert_eq!(w.flows[&flow].to_string(), HOP_1);
    w.pass(&mut dialog, Duration::from_secs(10));
    w.events(&mut dialog);
    dialog.hint(&mut w.ua, w.now);
    let (flow, update) = w.sent().remove(0);
    assert_eq!(w.flows[&flow].to_string(), HOP_2);
    w.answer(flow, by_hop_2(&update));
    assert!(matches!(w.events(&mut dialog)[..], [DialogEvent::HealTried, DialogEvent::Healed]));
}

/// D6, section 4.3: a hop that swallows a request is the dead one, so the repair goes round it.
#[test]
fn the_repair_goes_round_a_silent_hop() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.send(info(Resend::Always), &mut w.ua, w.now);
    w.sent();
    w.pass(&mut dialog, Duration::from_secs(33));
    w.events(&mut dialog);
    let (flow, update) = w.sent().remove(0);
    assert_eq!((update.method(), w.flows[&flow].to_string().as_str()), (&Method::Update, HOP_2));
}

/// Section 4.4: glare in the heal loop: the next attempt is when the peer says.
#[test]
fn healing_waits_as_long_as_the_peer_asks() {
    let mut w = World::new();
    let mut dialog = w.dialog();
    dialog.heal(true, &mut w.ua, w.now);
    let (flow, update) = w.sent().remove(0);
    w.answer(flow, ResponseDraft::to(&update, 500).header("Retry-After", "7"));
    w.events(&mut dialog);
    assert_eq!(dialog.poll_timeout(), Some(w.now + Duration::from_secs(7)));
}
