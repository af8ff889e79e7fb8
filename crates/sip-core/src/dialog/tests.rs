//! Dialog rules of RFC 3261 section 12, and those of real clients.

use super::*;
use crate::test_util::{request, response};

const SENT: &str = "sip:conf@example.com;gruu;opaque=x";

/// The dialog of a client whose INVITE with CSeq 2 got this 2xx.
fn uac(headers: &str) -> Dialog {
    let sent = RequestDraft::new(Method::Invite, Uri::parse(SENT).unwrap());
    Dialog::uac(&sent, &invite_answer(200, headers)).unwrap()
}

fn invite_answer(status: u16, headers: &str) -> Response {
    response(&format!(
        "SIP/2.0 {status} OK
        Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1
        From: <sip:bob@example.com>;tag=b1;epid=0b
        To: <{SENT}>;tag=f1
        Call-ID: c1
        CSeq: 2 INVITE
        {headers}"
    ))
}

/// The dialog of a server that got this INVITE.
fn uas(headers: &str) -> Dialog {
    Dialog::uas(&invite(headers), "f1").unwrap()
}

fn invite(headers: &str) -> Request {
    in_dialog("INVITE", 7, headers)
}

fn in_dialog(method: &str, cseq: u32, headers: &str) -> Request {
    request(&format!(
        "{method} {SENT} SIP/2.0
        Via: SIP/2.0/TCP 192.0.2.1:5060
        From: <sip:bob@example.com>;tag=b1;epid=0b
        To: <{SENT}>
        Call-ID: c1
        CSeq: {cseq} {method}
        {headers}"
    ))
}

fn texts(values: &[NameAddr]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// RFC 3261 section 12.1.2: the client's route set is the Record-Route in reverse order.
#[test]
fn uac_reverses_record_route() {
    let dialog = uac("Record-Route: <sip:p2;lr>, <sip:p1;lr>
        Contact: <sip:conf@192.0.2.9:5060>;isfocus");
    assert_eq!(texts(dialog.route_set()), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(dialog.remote_target().as_str(), "sip:conf@192.0.2.9:5060");
    assert_eq!(dialog.id().local_tag, "b1");
    assert_eq!(dialog.id().remote_tag, "f1");
    assert_eq!((dialog.local_cseq(), dialog.remote_cseq()), (2, None));
}

/// RFC 3261 section 12.1.1: the server keeps the order.
#[test]
fn uas_keeps_record_route_order() {
    let dialog = uas("Record-Route: <sip:p2;lr>, <sip:p1;lr>
        Contact: <sip:bob@192.0.2.1:5060>");
    assert_eq!(texts(dialog.route_set()), ["<sip:p2;lr>", "<sip:p1;lr>"]);
    assert_eq!(dialog.local().tag(), Some("f1"));
    assert_eq!(dialog.remote().param("epid"), Some("0b"));
    assert_eq!((dialog.local_cseq(), dialog.remote_cseq()), (0, Some(7)));
}

/// RFC 3261 section 12.2.1.1: with a loose first hop the remote target is the Request-URI.
#[test]
fn request_is_routed_loosely() {
    let mut dialog = uac("Record-Route: <sip:p2;lr>, <sip:p1;lr>
        Contact: <sip:conf@192.0.2.9:5060>");
    let info = dialog.request(Method::Info);
    assert_eq!(info.uri.as_str(), "sip:conf@192.0.2.9:5060");
    assert_eq!(texts(&info.route_values()), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(info.next_hop_uri().as_str(), "sip:p1;lr");
    assert_eq!(info.get("CSeq"), Some("3 INFO"));
    assert_eq!(info.get("From"), Some("<sip:bob@example.com>;tag=b1;epid=0b"));
    assert_eq!(info.get("To"), Some(format!("<{SENT}>;tag=f1").as_str()));
    assert_eq!(info.get("Call-ID"), Some("c1"));
}

/// RFC 3261 section 12.2.1.1: a strict first hop becomes the Request-URI, the remote target the last Route.
#[test]
fn request_is_routed_strictly() {
    let mut dialog = uac("Record-Route: <sip:p2;lr>, <sip:p1.example.com>
        Contact: <sip:conf@192.0.2.9:5060>");
    let info = dialog.request(Method::Info);
    assert_eq!(info.uri.as_str(), "sip:p1.example.com");
    assert_eq!(texts(&info.route_values()), ["<sip:p2;lr>", "<sip:conf@192.0.2.9:5060>"]);
}

/// [MS-SIPRE] 3.7: the recovery request goes to the remote target without the route set, with the next CSeq.
#[test]
fn recovery_request_leaves_the_route_out() {
    let mut dialog = uac("Record-Route: <sip:p1;lr>
        Contact: <sip:conf@192.0.2.9:5060>");
    let update = dialog.request_off_route(Method::Update);
    assert_eq!(update.uri.as_str(), "sip:conf@192.0.2.9:5060");
    assert_eq!((update.route_values().len(), update.get("CSeq")), (0, Some("3 UPDATE")));
    assert_eq!(dialog.request(Method::Info).get("CSeq"), Some("4 INFO"));
}

/// RFC 3261 section 13.2.2.4: the ACK has the INVITE's number and the dialog's route, and uses up no number.
#[test]
fn ack_repeats_the_number() {
    let dialog = uac("Record-Route: <sip:p1;lr>");
    let ack = dialog.ack(2);
    assert_eq!(ack.get("CSeq"), Some("2 ACK"));
    assert_eq!(ack.route_values().len(), 1);
    assert_eq!(dialog.local_cseq(), 2);
}

/// A 2xx without Contact leaves the URI that was called; a request without one leaves the caller's address.
#[test]
fn missing_contact_is_tolerated() {
    assert_eq!(uac("").remote_target().as_str(), SENT);
    assert_eq!(uas("").remote_target().as_str(), "sip:bob@example.com");
}

/// RFC 3261 section 12.1: only 101 to 299 with a To tag make a dialog.
#[test]
fn not_every_response_makes_a_dialog() {
    let sent = RequestDraft::new(Method::Invite, Uri::parse(SENT).unwrap());
    for status in [100, 302, 486] {
        assert_eq!(Dialog::uac(&sent, &invite_answer(status, "")), Err(DialogError::Status { status }));
    }
    assert!(Dialog::uac(&sent, &invite_answer(183, "")).is_ok());
    let untagged = response(
        "SIP/2.0 200 OK
        Via: SIP/2.0/TCP h;branch=z9hG4bK1
        From: <sip:a@b>;tag=1
        To: <sip:c@d>
        Call-ID: x
        CSeq: 1 INVITE",
    );
    assert_eq!(Dialog::uac(&sent, &untagged), Err(DialogError::NoTag { header: "To" }));
    assert_eq!(of_response(&untagged), None);
}

/// RFC 3261 section 12.2.2: gaps are legal, equal numbers pass, lower ones get 500.
#[test]
fn cseq_may_jump_but_not_fall() {
    let mut dialog = uas("");
    for cseq in [8, 20, 20, 1_000_000] {
        assert_eq!(dialog.check_request(&in_dialog("INFO", cseq, "")), Ok(()), "{cseq}");
    }
    let late = dialog.check_request(&in_dialog("INFO", 999, ""));
    assert_eq!(late, Err(CSeqOutOfOrder { got: 999, had: 1_000_000 }));
    assert_eq!(dialog.remote_cseq(), Some(1_000_000));
}

/// ACK and CANCEL repeat an old number and change nothing.
#[test]
fn ack_does_not_take_part_in_cseq() {
    let mut dialog = uas("");
    dialog.check_request(&in_dialog("INFO", 9, "")).unwrap();
    assert_eq!(dialog.check_request(&in_dialog("ACK", 1, "")), Ok(()));
    assert_eq!(dialog.remote_cseq(), Some(9));
}

/// c3p.md section 7: sipe's first request inside the dialog may be lower than its INVITE; the second may not fall again.
#[test]
fn first_request_may_begin_again() {
    let mut dialog = uas("");
    assert_eq!(dialog.check_request(&in_dialog("INFO", 2, "")), Ok(()));
    assert_eq!(dialog.check_request(&in_dialog("INFO", 3, "")), Ok(()));
    assert_eq!(dialog.check_request(&in_dialog("INFO", 2, "")), Err(CSeqOutOfOrder { got: 2, had: 3 }));
}

/// Target refresh changes the target and nothing else; a repair replaces the route.
#[test]
fn repair_replaces_route_and_target() {
    let mut dialog = uac("Record-Route: <sip:p1;lr>
        Contact: <sip:conf@192.0.2.9>");
    let repaired = invite_answer(
        200,
        "Record-Route: <sip:p4;lr>, <sip:p3;lr>
        Contact: <sip:conf@192.0.2.10>",
    );
    dialog.refresh_target(repaired.contact());
    assert_eq!(dialog.remote_target().as_str(), "sip:conf@192.0.2.10");
    assert_eq!(texts(dialog.route_set()), ["<sip:p1;lr>"]);
    dialog.replace_route_from_response(&repaired);
    assert_eq!(texts(dialog.route_set()), ["<sip:p3;lr>", "<sip:p4;lr>"]);
    dialog.replace_route_from_response(&invite_answer(200, ""));
    assert!(dialog.route_set().is_empty());
    dialog.refresh_target(None);
    assert_eq!(dialog.remote_target().as_str(), "sip:conf@192.0.2.10");
}

/// recovery-on-the-wire.md section 4.5: a far-end UPDATE with Record-Route replaces the route, one without keeps it.
#[test]
fn far_end_repair_keeps_the_route_without_record_route() {
    let mut dialog = uas("Record-Route: <sip:p1;lr>");
    dialog.replace_route_from_request(&in_dialog("UPDATE", 8, ""));
    assert_eq!(texts(dialog.route_set()), ["<sip:p1;lr>"]);
    dialog.replace_route_from_request(&in_dialog("UPDATE", 9, "Record-Route: <sip:p2;lr>, <sip:p3;lr>"));
    assert_eq!(texts(dialog.route_set()), ["<sip:p2;lr>", "<sip:p3;lr>"]);
}

/// A dialog comes back from its snapshot as it was, also through serde.
#[test]
fn snapshot_restores_the_dialog() {
    let mut dialog = uas("Record-Route: <sip:p2;lr>, <sip:p1;lr>
        Contact: <sip:bob@192.0.2.1:5060;transport=tcp>");
    dialog.check_request(&in_dialog("INFO", 8, "")).unwrap();
    dialog.skip_local_cseq(1_000);
    assert_eq!(Dialog::restore(dialog.snapshot()).unwrap(), dialog);
    let text = serde_json::to_string(&dialog).unwrap();
    let mut back: Dialog = serde_json::from_str(&text).unwrap();
    assert_eq!(back, dialog);
    assert_eq!(back.request(Method::Notify).get("CSeq"), Some("1001 NOTIFY"));
    assert!(back.check_request(&in_dialog("INFO", 7, "")).is_err());
}

/// A damaged snapshot is an error that names the field.
#[test]
fn damaged_snapshot_is_refused() {
    let good = uas("").snapshot();
    let field = |snapshot| match Dialog::restore(snapshot) {
        Err(DialogError::Snapshot { field }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(DialogSnapshot { local: "<sip:a@b>".into(), ..good.clone() }), "local");
    assert_eq!(field(DialogSnapshot { remote: "".into(), ..good.clone() }), "remote");
    assert_eq!(field(DialogSnapshot { remote_target: "no uri".into(), ..good.clone() }), "remote_target");
    assert_eq!(field(DialogSnapshot { route_set: vec!["<".into()], ..good }), "route_set");
}

/// Both ends name the same dialog, each from its side.
#[test]
fn both_ends_agree_on_the_name() {
    let answer = invite_answer(200, "");
    let client = of_response(&answer).unwrap();
    let tagged = request(&format!(
        "INFO {SENT} SIP/2.0
        Via: SIP/2.0/TCP h
        From: <sip:bob@example.com>;tag=b1
        To: <{SENT}>;tag=f1
        Call-ID: c1
        CSeq: 3 INFO"
    ));
    let server = in_dialog_id(&tagged).unwrap();
    assert_eq!((&client.local_tag, &client.remote_tag), (&server.remote_tag, &server.local_tag));
    assert_eq!(in_dialog_id(&invite("")), None);
}

/// CSeq numbers never leave the range of RFC 3261 section 8.1.1.5.
#[test]
fn cseq_stays_in_range() {
    let mut dialog = uac("");
    dialog.skip_local_cseq(u32::MAX);
    assert_eq!(dialog.request(Method::Info).get("CSeq"), Some("2147483647 INFO"));
}
