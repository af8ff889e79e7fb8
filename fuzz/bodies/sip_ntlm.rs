//! Any bytes as NTLM messages, as headers of security associations, and as answers in a handshake: no panic, nobody is let
//! in without the password, and what was read is written and read again.

use std::time::Instant;

use sip_core::auth::association::{
    AssociationClient, AssociationClientConfig, AssociationConfig, AssociationServer, AssociationVerdict,
    DEFAULT_REALM, Inbound, Role, SecurityParams, signed_text,
};
use sip_core::auth::ntlm::{
    AuthenticateMessage, ChallengeMessage, FileTime, NegotiateMessage, NtHash, TargetInfo,
};
use sip_core::auth::{Accounts, Credentials};
use sip_core::header::HeaderName;
use sip_core::{Limits, Message, Method, NameAddr, Request, RequestDraft, ResponseDraft, SeededIds, Uri};

const TIME: FileTime = FileTime::from_unix(1_700_000_000);

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    messages(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        headers(text);
        server(text);
        client(text);
    }
}

fn messages(bytes: &[u8]) {
    let _ = NegotiateMessage::read(bytes);
    if let Ok(challenge) = ChallengeMessage::read(bytes) {
        let again = ChallengeMessage::read(&challenge.write());
        assert_eq!(again.map(|again| again.target_info), Ok(challenge.target_info));
    }
    if let Ok(info) = TargetInfo::read(bytes) {
        assert_eq!(TargetInfo::read(&info.write()), Ok(info));
    }
    if let Ok(answer) = AuthenticateMessage::read(bytes) {
        let challenge = ChallengeMessage::new([7; 8], answer.flags(), TargetInfo::new());
        assert!(challenge.verify(&answer, &NtHash::of("nobody knows this")).is_err());
    }
}

fn headers(text: &str) {
    for role in [Role::Client, Role::Server] {
        if let Ok(Some(params)) = SecurityParams::read(HeaderName::Authorization, text, role) {
            let line = params.write(role);
            assert_eq!(
                SecurityParams::read(HeaderName::Authorization, &line, role),
                Ok(Some(params.clone()))
            );
            let _ = signed_text(4, &request(""), &params, "0", "1");
        }
    }
}

fn request(authorization: &str) -> Request {
    let bob: NameAddr = "<sip:bob@example.com>;tag=1".parse().expect("an address");
    let draft = RequestDraft::new(Method::Register, Uri::parse("sip:example.com").expect("a URI"))
        .header("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
        .from(bob.clone())
        .to(bob.without_tag())
        .call_id("x")
        .cseq(1)
        .header("Authorization", authorization);
    match Message::parse(draft.write(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        _ => self::request(""),
    }
}

fn server(text: &str) {
    let (mut ids, now) = (SeededIds::new(1), Instant::now());
    let accounts = Accounts::parse("bob@example.com:builder").expect("a list");
    let mut server = AssociationServer::new(AssociationConfig::new("fe1"), &mut ids, TIME, now);
    let prefixed = format!("{}, {text}", server.challenge());
    for line in [text, &prefixed] {
        let verdict = server.check_request(&request(line), "1", None, &accounts, &mut ids, now);
        assert!(!matches!(verdict, AssociationVerdict::Accepted { .. }), "{line}");
    }
    assert!(server.is_empty());
}

fn client(text: &str) {
    let (mut ids, now) = (SeededIds::new(1), Instant::now());
    let credentials = Credentials::new("bob@example.com", "builder", DEFAULT_REALM);
    let mut client = AssociationClient::new(credentials, AssociationClientConfig::default());
    let begin = format!("NTLM realm=\"{DEFAULT_REALM}\", targetname=\"fe1\", version=4");
    for line in [&begin, &format!("{begin}, {text}"), text] {
        let request = request("");
        let draft = ResponseDraft::to(&request, 401).to_tag("2").header("WWW-Authenticate", line);
        let Ok(Message::Response(response)) = Message::parse(draft.write(), &Limits::default()) else {
            return;
        };
        let _ = client.on_challenge(&response, &mut ids, TIME, now);
        let ok = ResponseDraft::to(&request, 200).to_tag("2").header("Authentication-Info", line);
        if let Ok(message) = Message::parse(ok.write(), &Limits::default()) {
            assert_ne!(client.check(&message), Inbound::Verified);
        }
    }
}
