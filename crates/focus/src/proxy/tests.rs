//! Client, hop and pool on virtual time: which way requests run, and what is answered when the way is gone.

use std::time::Duration;

use sip_core::{Dialog, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, SeededIds};

use crate::hop::{HopConfig, HopCore};
use crate::testnet::{Net, Peer, request, tcp, uri};

const CLIENT: u16 = 1;
const HOP: u16 = 10;
const FE1: u16 = 21;
const FE2: u16 = 22;
const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
const BOB: &str = "sip:bob@example.com";

fn hop(seed: u64) -> HopCore {
    let config = HopConfig::new("px1", vec![tcp(HOP)], vec![tcp(FE1), tcp(FE2)]);
    HopCore::new(config, Box::new(SeededIds::new(seed)))
}

/// Client, hop, two front ends.
fn net() -> Net {
    let mut net = Net::new();
    net.add(CLIENT, Peer::new(1));
    net.add(HOP, hop(10));
    net.add(FE1, Peer::new(21));
    net.add(FE2, Peer::new(22));
    net
}

fn invite() -> RequestDraft {
    request(Method::Invite, CONFERENCE, BOB, "c1")
}

/// Both ends of the dialog of an INVITE through the hop.
struct Established {
    client: Dialog,
    focus: Dialog,
    invite: Request,
}

fn establish(net: &mut Net, fe: u16) -> Established {
    let draft = invite();
    net.send(CLIENT, HOP, draft.clone());
    let (tx, _, received) = net.peer(fe).request();
    let contact = format!("<{CONFERENCE}>;isfocus");
    let answer = ResponseDraft::to(&received, 200).to_tag("focus").header("Contact", contact);
    net.respond(fe, tx, answer);
    let response = net.peer(CLIENT).response();
    assert_eq!(response.status(), 200);
    let client = Dialog::uac(&draft, &response).expect("a dialog");
    let focus = Dialog::uas(&received, "focus").expect("a dialog");
    net.send_oneway(CLIENT, HOP, client.ack(1));
    assert_eq!(net.peer(fe).oneways.pop_front().expect("the ACK").1.method(), &Method::Ack);
    Established { client, focus, invite: received }
}

fn recovery(response: &Response) -> (u16, Option<&str>, bool) {
    let action = response.headers().get("P-Dialog-Recovery-Action");
    let flow_failed =
        response.headers().get("ms-diagnostics").is_some_and(|value| value.starts_with("61004;"));
    (response.status(), action, flow_failed)
}

fn supported(draft: RequestDraft) -> RequestDraft {
    draft.header("Supported", "ms-dialog-route-set-update")
}

/// Section 4.7: a dialog-creating request gets Record-Route; both directions follow it, by the token of the client's flow.
#[test]
fn routes_both_ways_by_token() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    assert_eq!(call.invite.record_route().len(), 1);
    assert_eq!(call.invite.max_forwards(), Some(69));
    assert_eq!(call.client.route_set(), call.focus.route_set());

    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    let (tx, _, info) = net.peer(FE1).request();
    assert!(info.route().is_empty(), "the hop's own Route was removed");
    net.respond(FE1, tx, ResponseDraft::to(&info, 202));
    assert_eq!(net.peer(CLIENT).response().status(), 202);

    // Down, over a connection of its own: the hop uses the client's flow.
    net.send(FE1, HOP, supported(call.focus.request(Method::Info)));
    let (tx, _, info) = net.peer(CLIENT).request();
    net.respond(CLIENT, tx, ResponseDraft::to(&info, 200));
    assert_eq!(net.peer(FE1).response().status(), 200);
    assert_eq!(net.node::<HopCore>(HOP).forwards(), 1, "the INVITE lingers for its ACK");
    net.advance(Duration::from_secs(33));
    assert_eq!(net.node::<HopCore>(HOP).forwards(), 0);
}

/// BENOTIFY is forwarded without an answer; server-only headers come through from the pool, not from a client.
#[test]
fn oneway_and_server_headers() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    let sender = "<sip:carol@example.com>";
    net.send_oneway(FE1, HOP, call.focus.request(Method::Benotify).header("Ms-Sender", sender));
    let (_, notify) = net.peer(CLIENT).oneways.pop_front().expect("the BENOTIFY");
    assert_eq!(notify.headers().get("Ms-Sender"), Some(sender));
    let forged = call
        .client
        .request(Method::Message)
        .header("ms-sender", sender)
        .header("P-Asserted-Identity", sender);
    net.send(CLIENT, HOP, forged);
    let (_, _, message) = net.peer(FE1).request();
    assert!(!message.headers().contains("Ms-Sender") && !message.headers().contains("P-Asserted-Identity"));
}

/// Initial requests: the next one of the list, as long as one is alive; then 503 with 61004.
#[test]
fn initial_takes_the_next_hop() {
    let mut net = net();
    net.kill(FE1);
    establish(&mut net, FE2);
    net.kill(FE2);
    net.send(CLIENT, HOP, request(Method::Register, "sip:example.com", BOB, "c2"));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (503, None, true));
}

/// The ACK follows its INVITE, although the first of the list is back.
#[test]
fn ack_follows_its_invite() {
    let mut net = net();
    net.kill(FE1);
    let draft = invite();
    net.send(CLIENT, HOP, draft.clone());
    let (tx, _, received) = net.peer(FE2).request();
    net.add(FE1, Peer::new(31));
    net.respond(FE2, tx, ResponseDraft::to(&received, 200).header("Contact", format!("<{CONFERENCE}>")));
    let client = Dialog::uac(&draft, &net.peer(CLIENT).response()).expect("a dialog");
    net.send_oneway(CLIENT, HOP, client.ack(1));
    assert_eq!(net.peer(FE2).oneways.len(), 1);
    assert!(net.peer(FE1).oneways.is_empty());
}

/// In a dialog: 430 Dialog-Route-Set-Update when nothing behind the hop is reachable, 481 when the tag is absent.
#[test]
fn dead_next_hop_in_a_dialog() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.kill(FE1);
    net.kill(FE2);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (430, Some("Dialog-Route-Set-Update"), true));
    net.send(CLIENT, HOP, call.client.request(Method::Info));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (481, None, true));
}

/// The client's own flow is gone: only the client can come back, so the Focus is told to wait.
#[test]
fn dead_client_flow_is_wait() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.reset(CLIENT);
    net.send(FE1, HOP, supported(call.focus.request(Method::Info)));
    assert_eq!(recovery(&net.peer(FE1).response()), (430, Some("Wait-For-Session-Update"), true));
    net.send(FE1, HOP, call.focus.request(Method::Info));
    assert_eq!(recovery(&net.peer(FE1).response()), (481, None, true));
}

/// A client that comes back on another flow is told to repair its dialog, and its repair is routed without any Route.
#[test]
fn new_client_flow_is_repaired() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.reset(CLIENT);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (430, Some("Dialog-Route-Set-Update"), true));

    net.send(CLIENT, HOP, supported(call.client.request_off_route(Method::Update)));
    let (tx, _, update) = net.peer(FE1).request();
    assert_eq!(update.record_route().len(), 1, "every UPDATE is record-routed");
    call.focus.replace_route_from_request(&update);
    net.respond(FE1, tx, ResponseDraft::to(&update, 200));
    let repaired = net.peer(CLIENT).response();
    call.client.replace_route_from_response(&repaired);
    for direction in [(CLIENT, FE1), (FE1, CLIENT)] {
        let dialog = if direction.0 == CLIENT { &mut call.client } else { &mut call.focus };
        let draft = supported(dialog.request(Method::Info));
        net.send(direction.0, HOP, draft);
        assert_eq!(net.peer(direction.1).request().2.method(), &Method::Info);
    }
}

/// Without the tag there is no repair: what runs up over another flow goes on, and so does a BYE.
#[test]
fn unrepairable_requests_go_on() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.reset(CLIENT);
    net.send(CLIENT, HOP, call.client.request(Method::Info));
    assert_eq!(net.peer(FE1).request().2.method(), &Method::Info);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Bye)));
    assert_eq!(net.peer(FE1).request().2.method(), &Method::Bye);
}

/// A restarted hop knows no token that its predecessor gave, in either direction.
#[test]
fn restarted_hop_does_not_honour_old_tokens() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.kill(HOP);
    net.add(HOP, hop(11));
    net.send(FE1, HOP, supported(call.focus.request(Method::Info)));
    assert_eq!(recovery(&net.peer(FE1).response()), (430, Some("Wait-For-Session-Update"), true));
    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (430, Some("Dialog-Route-Set-Update"), true));
    assert!(net.peer(CLIENT).requests.is_empty() && net.peer(FE1).requests.is_empty());
}

/// Section 4.7, last rule: a 481 of the Focus stays a 481, and nothing is added to it.
#[test]
fn focus_481_is_not_converted() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    let (tx, _, info) = net.peer(FE1).request();
    let moved = "61001;reason=\"moved\"";
    net.respond(FE1, tx, ResponseDraft::to(&info, 481).header("ms-diagnostics", moved));
    let response = net.peer(CLIENT).response();
    assert_eq!((response.status(), response.headers().get("ms-diagnostics")), (481, Some(moved)));
}

/// A next hop that says nothing counts as unreachable after 10 s, not at Timer F; the next of the list is tried.
#[test]
fn silent_next_hop_is_given_up_early() {
    let mut net = net();
    net.mute(FE1);
    net.send(CLIENT, HOP, request(Method::Subscribe, CONFERENCE, BOB, "c2"));
    net.advance(Duration::from_millis(9_900));
    assert!(net.peer(FE2).requests.is_empty());
    net.advance(Duration::from_millis(200));
    assert_eq!(net.peer(FE2).request().2.record_route().len(), 1);
}

/// An INVITE, too; 100 Trying is a sign of life, and then there is time.
#[test]
fn silent_next_hop_of_an_invite() {
    let mut net = net();
    net.mute(FE1);
    net.send(CLIENT, HOP, invite());
    net.advance(Duration::from_millis(10_100));
    let (tx, _, received) = net.peer(FE2).request();
    net.advance(Duration::from_secs(60));
    assert!(net.peer(CLIENT).responses.is_empty(), "the second one sent 100");
    net.respond(FE2, tx, ResponseDraft::to(&received, 603));
    assert_eq!(net.peer(CLIENT).response().status(), 603);
}

/// A MESSAGE that may have arrived is neither sent twice nor answered 430, which would make its sender repeat it.
#[test]
fn message_is_never_doubled() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.mute(FE1);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Message)));
    net.advance(Duration::from_secs(11));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (408, None, true));
    assert!(net.peer(FE2).requests.is_empty());
}

/// A killed next hop: what was under way is tried at the next one, since only a MESSAGE may not come twice.
#[test]
fn killed_next_hop_under_way() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    net.kill(FE1);
    let (tx, _, info) = net.peer(FE2).request();
    net.respond(FE2, tx, ResponseDraft::to(&info, 481));
    assert_eq!(net.peer(CLIENT).response().status(), 481);
}

/// RFC 3261 section 16.10: CANCEL is answered by the hop and goes on; the 487 comes back.
#[test]
fn cancel_is_forwarded() {
    let mut net = net();
    net.send(CLIENT, HOP, invite());
    let (tx, _, received) = net.peer(FE1).request();
    net.respond(FE1, tx, ResponseDraft::to(&received, 180));
    assert_eq!(net.peer(CLIENT).response().status(), 180);
    let now = net.now;
    let client = net.peer(CLIENT);
    let target = sip_core::Target::Address { transport: tcp(HOP).transport, addr: tcp(HOP).addr };
    let second = client.endpoint.send_request(request(Method::Invite, CONFERENCE, BOB, "c9"), target, now);
    net.settle();
    let (tx, _, received) = net.peer(FE1).request();
    net.respond(FE1, tx, ResponseDraft::to(&received, 180));
    net.peer(CLIENT).responses.clear();
    net.peer(CLIENT).endpoint.cancel(second, now);
    net.settle();
    assert_eq!(net.peer(FE1).cancelled.pop_front(), Some(tx));
    net.respond(FE1, tx, ResponseDraft::to(&received, 487));
    assert_eq!(net.peer(CLIENT).response().status(), 487);
}

/// RFC 3261 section 16.3: 483 when Max-Forwards ran out.
#[test]
fn max_forwards_ends_here() {
    let mut net = net();
    net.send(CLIENT, HOP, invite().max_forwards(0));
    assert_eq!(net.peer(CLIENT).response().status(), 483);
    assert!(net.peer(FE1).requests.is_empty());
}

/// REGISTER gets a Path; what comes with that Path goes down the flow it names, with no direction known.
#[test]
fn path_leads_to_the_registered_flow() {
    let mut net = net();
    net.send(
        CLIENT,
        HOP,
        request(Method::Register, "sip:example.com", BOB, "r1").header("Path", "<sip:192.0.2.1;lr>"),
    );
    let (_, _, register) = net.peer(FE1).request();
    let path: Vec<NameAddr> =
        register.headers().values("Path").map(|value| value.parse().expect("a Path")).collect();
    assert_eq!((path.len(), path[1].uri().host()), (2, "192.0.2.1"));
    assert_eq!(path[0].uri().sip_addr(), Some(tcp(HOP).addr));
    let down = request(Method::Invite, BOB, "sip:carol@example.com", "i1").route(path[..1].to_vec());
    net.send(FE2, HOP, down.clone());
    let (tx, _, received) = net.peer(CLIENT).request();
    net.respond(CLIENT, tx, ResponseDraft::to(&received, 200).header("Contact", format!("<{BOB};gruu>")));
    // A dialog that the pool began: its route works both ways, too.
    let response = net.peer(FE2).response();
    let mut caller = Dialog::uac(&down, &response).expect("a dialog");
    let mut callee = Dialog::uas(&received, response.to().tag().expect("a tag")).expect("a dialog");
    net.send(FE2, HOP, supported(caller.request(Method::Info)));
    assert_eq!(net.peer(CLIENT).request().2.method(), &Method::Info);
    net.send(CLIENT, HOP, supported(callee.request(Method::Info)));
    let arrived = net.peer(FE1).request().2;
    assert_eq!(arrived.call_id(), "i1", "up, to the first of the list: the caller has a GRUU as Contact");
}

/// An MCU's Contact is an address: requests of its dialog go there directly.
#[test]
fn literal_target_is_reached_directly() {
    let mut net = net();
    let mcu = 30;
    net.add(mcu, Peer::new(30));
    let mut call = establish(&mut net, FE1);
    let contact: NameAddr = "<sip:7Q4W2ZK9@127.0.0.1:30;transport=tcp>;isfocus".parse().expect("a Contact");
    call.client.refresh_target(Some(&contact));
    net.send(CLIENT, HOP, supported(call.client.request(Method::Message)));
    let (tx, _, message) = net.peer(mcu).request();
    net.respond(mcu, tx, ResponseDraft::to(&message, 200));
    assert_eq!(net.peer(CLIENT).response().status(), 200);
    // Dead: refused at once, and the message was not delivered.
    net.kill(mcu);
    net.send(CLIENT, HOP, supported(call.client.request(Method::Message)));
    assert_eq!(recovery(&net.peer(CLIENT).response()), (430, Some("Dialog-Route-Set-Update"), true));
    // A stranger's address is not connected to: the next hops decide.
    let stranger: NameAddr = "<sip:x@192.0.2.99:5060;transport=tcp>".parse().expect("a Contact");
    call.client.refresh_target(Some(&stranger));
    net.send(CLIENT, HOP, supported(call.client.request(Method::Info)));
    assert_eq!(net.peer(FE1).request().2.uri(), stranger.uri());
}

/// The INVITE of an MCU call goes through a front end, its ACK does not.
#[test]
fn ack_to_a_literal_contact() {
    let mut net = net();
    let mcu = 30;
    net.add(mcu, Peer::new(30));
    let draft = invite();
    net.send(CLIENT, HOP, draft.clone());
    let (tx, _, received) = net.peer(FE1).request();
    let contact = "<sip:7Q4W2ZK9@127.0.0.1:30;transport=tcp>;isfocus";
    net.respond(FE1, tx, ResponseDraft::to(&received, 200).header("Contact", contact));
    let client = Dialog::uac(&draft, &net.peer(CLIENT).response()).expect("a dialog");
    net.send_oneway(CLIENT, HOP, client.ack(1));
    assert_eq!((net.peer(mcu).oneways.len(), net.peer(FE1).oneways.len()), (1, 0));
}

/// Nobody makes a hop connect to a stranger: not by a Route, either.
#[test]
fn route_to_a_stranger() {
    let mut net = net();
    let mut call = establish(&mut net, FE1);
    let mut draft = supported(call.client.request(Method::Info));
    draft.push_header("Route", "<sip:192.0.2.99:5060;transport=tcp;lr>");
    net.send(CLIENT, HOP, draft);
    assert_eq!(net.peer(FE1).request().2.route().len(), 1, "the next hop decides");
}

/// Two hops in a row: each takes its own Route off, in both directions.
#[test]
fn two_hops() {
    let mut net = net();
    let outer = 11;
    let config = HopConfig::new("px0", vec![tcp(outer)], vec![tcp(HOP)]);
    net.add(outer, HopCore::new(config, Box::new(SeededIds::new(99))));
    let draft = invite();
    net.send(CLIENT, outer, draft.clone());
    let (tx, _, received) = net.peer(FE1).request();
    assert_eq!(received.record_route().len(), 2);
    net.respond(
        FE1,
        tx,
        ResponseDraft::to(&received, 200).to_tag("focus").header("Contact", format!("<{CONFERENCE}>")),
    );
    let mut client = Dialog::uac(&draft, &net.peer(CLIENT).response()).expect("a dialog");
    let mut focus = Dialog::uas(&received, "focus").expect("a dialog");
    net.send(CLIENT, outer, supported(client.request(Method::Info)));
    assert!(net.peer(FE1).request().2.route().is_empty());
    net.send(FE1, HOP, supported(focus.request(Method::Info)));
    let (tx, _, info) = net.peer(CLIENT).request();
    assert!(info.route().is_empty());
    net.respond(CLIENT, tx, ResponseDraft::to(&info, 200));
    assert_eq!(net.peer(FE1).response().status(), 200);
    // The outer hop is gone: on the way down that is an element of the route, not the client's own flow.
    net.kill(outer);
    net.send(FE1, HOP, supported(focus.request(Method::Info)));
    assert_eq!(recovery(&net.peer(FE1).response()), (430, Some("Dialog-Route-Set-Update"), true));
}

/// A keep-alive OPTIONS to the hop's own address is answered by the hop.
#[test]
fn own_options() {
    let mut net = net();
    net.send(CLIENT, HOP, request(Method::Options, "sip:127.0.0.1:10;transport=tcp", BOB, "o1"));
    assert_eq!(net.peer(CLIENT).response().status(), 200);
    net.send(CLIENT, HOP, request(Method::Options, CONFERENCE, BOB, "o2"));
    assert_eq!(net.peer(FE1).request().2.uri(), &uri(CONFERENCE));
}

/// Nobody makes a hop connect anywhere by a Route that looks like the hop's own: down, it connects only to hosts that were
/// on that side.
#[test]
fn forged_mark_is_no_relay() {
    let mut net = net();
    const VICTIM: u16 = 99;
    net.add(VICTIM, Peer::new(99));
    let victim = format!("<sip:127.0.0.1:{VICTIM};transport=tcp;lr>");
    for own in ["0.u00000000", "0123.u00000000", "0"] {
        let route = format!("<sip:{own}@127.0.0.1:{HOP};transport=tcp;lr>, {victim}");
        let forged = request(Method::Options, CONFERENCE, BOB, own).header("Route", route);
        net.send(CLIENT, HOP, forged);
        net.peer(CLIENT).responses.clear();
        let target = format!("sip:eve@127.0.0.1:{VICTIM};transport=tcp");
        let route = format!("<sip:{own}@127.0.0.1:{HOP};transport=tcp;lr>");
        let forged = request(Method::Options, &target, BOB, &format!("{own}x")).header("Route", route);
        net.send(CLIENT, HOP, forged);
        net.peer(CLIENT).responses.clear();
    }
    assert!(net.peer(VICTIM).requests.is_empty());
}
