//! Client against server over real messages: handshakes, every captured message again, every field changed, every
//! token cut off, and the exchange of real programs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::auth::ntlm::{FileTime, NtlmError, Refusal, TargetInfo};
use crate::auth::{Accounts, Credentials, Guard, GuardConfig};
use crate::header::HeaderName;
use crate::{
    IdSource, Limits, Message, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, SeededIds,
    Uri,
};

const FLOW: &str = "flow 7";
const TIME: FileTime = FileTime::from_unix(1_700_000_000);

/// A server with its users, Bob's client, and all that was sent between them.
struct Scene {
    server: AssociationServer,
    accounts: Accounts,
    client: AssociationClient,
    ids: SeededIds,
    now: Instant,
    address: Option<IpAddr>,
    cseq: u32,
    captured: Vec<Request>,
}

impl Scene {
    fn with(config: AssociationConfig, client: AssociationClientConfig, name: &str, password: &str) -> Scene {
        let (mut ids, now) = (SeededIds::new(3), Instant::now());
        let credentials = Credentials::new(name, password, DEFAULT_REALM);
        Scene {
            server: AssociationServer::new(config, &mut ids, TIME, now),
            accounts: Accounts::parse("bob@example.com:builder\nalice@example.com:secret").expect("a list"),
            client: AssociationClient::new(credentials, client),
            ids,
            now,
            address: None,
            cseq: 0,
            captured: Vec::new(),
        }
    }

    fn new() -> Scene {
        Self::version(4)
    }

    fn version(version: u8) -> Scene {
        let config = config().with_versions(version, 2);
        let client = AssociationClientConfig::default().with_version_min(2);
        Self::with(config, client, "bob@example.com", "builder")
    }

    fn password(name: &str, password: &str) -> Scene {
        Self::with(config(), AssociationClientConfig::default(), name, password)
    }

    fn up(version: u8) -> Scene {
        let mut t = Self::version(version);
        assert_eq!(t.sign_in(), [401, 401, 200]);
        assert!(t.client.is_up());
        t
    }

    fn draft(&mut self, method: Method) -> RequestDraft {
        self.cseq += 1;
        let bob: NameAddr = "<sip:bob@example.com>;tag=1;epid=0b".parse().expect("an address");
        RequestDraft::new(method, Uri::parse("sip:example.com").expect("a URI"))
            .header("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
            .from(bob.clone())
            .to(bob.without_tag())
            .call_id("call-1")
            .cseq(self.cseq)
            .header("Expires", "7200")
    }

    fn send(&mut self, mut draft: RequestDraft) -> Request {
        self.client.authorize(&mut draft, &mut self.ids, self.now).expect("it can be signed");
        let request = read(&draft);
        self.captured.push(request.clone());
        request
    }

    fn judge(&mut self, request: &Request) -> AssociationVerdict {
        let (accounts, address, now) = (&self.accounts, self.address, self.now);
        self.server.check_request(request, FLOW, address, accounts, &mut self.ids, now)
    }

    /// The server's part, with signatures wherever they belong.
    fn answer(&mut self, request: &Request) -> Message {
        let challenge = match self.judge(request) {
            AssociationVerdict::Accepted { user, association } => {
                assert_eq!(user, "bob@example.com");
                assert_eq!(self.server.find(&user, FLOW).as_ref(), Some(&association));
                let mut draft = ResponseDraft::to(request, 200).to_tag("2");
                self.server
                    .sign_response(&association, &mut draft, &mut self.ids, self.now)
                    .expect("it can be signed");
                return message(&draft);
            }
            AssociationVerdict::Continue { challenge } => challenge,
            AssociationVerdict::Missing | AssociationVerdict::Refused => self.server.challenge(),
            other => panic!("{other:?}"),
        };
        message(&ResponseDraft::to(request, 401).to_tag("2").header("WWW-Authenticate", challenge))
    }

    /// Sends a request until the client has nothing more to say; the statuses of the answers.
    fn ask(&mut self, method: Method) -> (Vec<u16>, Result<Asked, AssociationError>) {
        let mut statuses = Vec::new();
        loop {
            let draft = self.draft(method.clone());
            let request = self.send(draft);
            let answer = self.answer(&request);
            let response = response(&answer);
            statuses.push(response.status());
            assert!(statuses.len() < 10, "{statuses:?}");
            if response.status() == 200 {
                assert_eq!(self.client.check(&answer), Inbound::Verified);
                return (statuses, Ok(Asked::NotForUs));
            }
            let asked = self.client.on_challenge(&response, &mut self.ids, TIME, self.now);
            if asked != Ok(Asked::SendAgain) {
                return (statuses, asked);
            }
        }
    }

    fn sign_in(&mut self) -> Vec<u16> {
        self.ask(Method::Register).0
    }

    fn association(&self) -> AssociationId {
        self.server.find("bob@example.com", FLOW).expect("an association")
    }

    /// A signed request of the server to Bob.
    fn call(&mut self) -> RequestDraft {
        let mut draft = self.draft(Method::Message);
        draft.remove_header("Expires");
        let id = self.association();
        self.server.sign_request(&id, &mut draft, &mut self.ids, self.now).expect("it can be signed");
        draft
    }
}

fn config() -> AssociationConfig {
    AssociationConfig::new("fe1.example.com")
}

fn read(draft: &RequestDraft) -> Request {
    match Message::parse(draft.write(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn message(draft: &ResponseDraft) -> Message {
    Message::parse(draft.write(), &Limits::default()).expect("a response")
}

fn response(message: &Message) -> Response {
    match message {
        Message::Response(response) => response.clone(),
        Message::Request(request) => panic!("{request:?}"),
    }
}

fn request_of(draft: &RequestDraft) -> Message {
    Message::Request(read(draft))
}

/// Each version, with and without a MIC: three requests open an association, then each message is signed, both ways.
#[test]
fn handshakes() {
    for version in [2, 3, 4] {
        for tells_time in [false, true] {
            let mut t = Scene::version(version);
            let config = config().with_versions(version, 2).with_time(tells_time, tells_time);
            t.server = AssociationServer::new(config, &mut t.ids, TIME, t.now);
            assert_eq!(t.sign_in(), [401, 401, 200], "{version}");
            assert!(t.client.is_up());
            for _ in 0..3 {
                assert_eq!(t.ask(Method::Info).0, [200], "{version}");
            }
            let call = t.call();
            assert_eq!(t.client.check(&request_of(&call)), Inbound::Verified, "{version}");
            let mut answer = ResponseDraft::to(&read(&call), 200).to_tag("9");
            t.client.sign_response(&mut answer, &mut t.ids, t.now).expect("it can be signed");
            let Message::Response(answer) = message(&answer) else { panic!() };
            let verdict = t.server.check_response(&answer, FLOW, t.now);
            assert!(matches!(verdict, AssociationVerdict::Accepted { .. }), "{version}: {verdict:?}");
            assert_eq!(t.server.check_response(&answer, FLOW, t.now), AssociationVerdict::Replayed);
        }
    }
}

/// The headers say what real-client programs look for, in each step.
#[test]
fn headers_of_a_handshake() {
    let mut t = Scene::new();
    assert_eq!(
        t.server.challenge(),
        r#"NTLM realm="SIP Communications Service", targetname="fe1.example.com", version=4"#
    );
    t.sign_in();
    let lines: Vec<String> = t
        .captured
        .iter()
        .map(|request| request.headers().get("Authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(lines[0], "");
    assert_eq!(
        lines[1],
        r#"NTLM qop="auth", realm="SIP Communications Service", targetname="fe1.example.com", gssapi-data="", version=4"#
    );
    for part in [
        "qop=\"auth\", opaque=\"",
        "gssapi-data=\"TlRMTVNTUAAD",
        "version=4",
        "crand=\"",
        "cnum=\"1\", response=\"01000000",
    ] {
        assert!(lines[2].contains(part), "{part}: {}", lines[2]);
    }
    let call = t.call();
    let line = call.get("Authentication-Info").expect("a signature");
    for part in ["NTLM qop=\"auth\", opaque=\"", "srand=\"", "snum=\"2\"", "rspauth=\"01000000"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(line.contains("64000000\""), "the sequence number is 100: {line}");
}

/// The replay rule of reliability: every request that was captured, sent again, in any order, on this flow or another.
#[test]
fn captured_requests_have_no_effect() {
    for version in [3, 4] {
        let mut t = Scene::up(version);
        for _ in 0..5 {
            assert_eq!(t.ask(Method::Info).0, [200]);
        }
        let (captured, associations) = (t.captured.clone(), t.server.len());
        for request in captured.iter().rev() {
            for flow in [FLOW, "flow 8"] {
                let (accounts, now) = (&t.accounts, t.now);
                let verdict = t.server.check_request(request, flow, None, accounts, &mut t.ids, now);
                let harmless = matches!(
                    verdict,
                    AssociationVerdict::Missing
                        | AssociationVerdict::Continue { .. }
                        | AssociationVerdict::Replayed
                        | AssociationVerdict::Refused
                );
                assert!(harmless, "{version} {flow}: {verdict:?}");
            }
        }
        assert_eq!(t.server.len(), associations);
        assert_eq!(t.ask(Method::Info).0, [200], "and nothing is broken");
    }
}

/// What a server sent does not count twice for the client.
#[test]
fn captured_responses_have_no_effect() {
    let mut t = Scene::up(4);
    let draft = t.draft(Method::Info);
    let request = t.send(draft);
    let answer = t.answer(&request);
    assert_eq!(t.client.check(&answer), Inbound::Verified);
    assert_eq!(t.client.check(&answer), Inbound::Replayed);
    let call = t.call();
    assert_eq!(t.client.check(&request_of(&call)), Inbound::Verified);
    assert_eq!(t.client.check(&request_of(&call)), Inbound::Replayed);
}

/// Changes a header of a draft.
type Change = fn(&mut RequestDraft);

fn replace(draft: &mut RequestDraft, name: &str, from: &str, to: &str) {
    let value = draft.get(name).expect("the header").replace(from, to);
    assert!(value.contains(to), "{name}");
    draft.set_header(name, value);
}

/// Each signed field is covered; for those that version 2 leaves out, that they are not.
#[test]
fn changed_fields_are_refused() {
    let changes: [(&str, bool, Change); 16] = [
        ("crand", true, |d| {
            let line = d.get("Authorization").expect("a line").to_owned();
            let at = line.find("crand=\"").expect("a number") + 7;
            let other = if line.as_bytes()[at] == b'0' { "1" } else { "0" };
            d.set_header("Authorization", format!("{}{other}{}", &line[..at], &line[at + 1..]));
        }),
        ("cnum", true, |d| replace(d, "Authorization", "cnum=\"2\"", "cnum=\"3\"")),
        ("response", true, |d| replace(d, "Authorization", "64000000", "65000000")),
        ("Call-ID", true, |d| replace(d, "Call-ID", "call-1", "Call-1")),
        ("CSeq number", true, |d| replace(d, "CSeq", "4", "5")),
        ("method", true, |d| {
            d.method = Method::Bye;
            replace(d, "CSeq", "INFO", "BYE");
        }),
        ("From", true, |d| replace(d, "From", "bob", "alice")),
        ("From tag", true, |d| replace(d, "From", "tag=1", "tag=2")),
        ("To", false, |d| replace(d, "To", "bob", "alice")),
        ("To tag", true, |d| replace(d, "To", ">", ">;tag=x")),
        ("Expires", true, |d| replace(d, "Expires", "7200", "0")),
        ("no Expires", true, |d| {
            d.remove_header("Expires");
        }),
        ("P-Preferred-Identity", false, |d| replace(d, "P-Preferred-Identity", "bob", "alice")),
        ("P-Preferred-Identity, tel", false, |d| replace(d, "P-Preferred-Identity", "+1", "+2")),
        ("no identity", false, |d| {
            d.remove_header("P-Preferred-Identity");
        }),
        ("P-Asserted-Identity", false, |d| {
            d.push_header("P-Asserted-Identity", "<sip:alice@example.com>");
        }),
    ];
    for version in [2, 3, 4] {
        let mut t = Scene::up(version);
        let mut signed = t.draft(Method::Info);
        signed.push_header("P-Preferred-Identity", "<sip:bob@example.com>, <tel:+15550100>");
        // Versions 2 and 3 do not sign the request with the answer: so that each counts 2 here.
        if version < 4 {
            let mut skipped = signed.clone();
            t.client.authorize(&mut skipped, &mut t.ids, t.now).expect("it can be signed");
        }
        t.client.authorize(&mut signed, &mut t.ids, t.now).expect("it can be signed");
        for (what, in_version_2, change) in &changes {
            let mut changed = signed.clone();
            change(&mut changed);
            let verdict = t.judge(&read(&changed));
            if version == 2 && !in_version_2 {
                assert!(matches!(verdict, AssociationVerdict::Accepted { .. }), "{what}: {verdict:?}");
                t = Scene::up(version);
                let mut skipped = t.draft(Method::Info);
                t.client.authorize(&mut skipped, &mut t.ids, t.now).expect("it can be signed");
                continue;
            }
            assert_eq!(verdict, AssociationVerdict::Forged, "{version}: {what}");
        }
        assert!(matches!(t.judge(&read(&signed)), AssociationVerdict::Accepted { .. }), "as it was sent");
    }
}

/// By design nothing else is covered: this test is the list of it.
#[test]
fn what_is_not_signed() {
    let changes: [(&str, Change); 8] = [
        ("Request-URI", |d| d.uri = Uri::parse("sip:other.example.com").expect("a URI")),
        ("body", |d| {
            d.set_body("text/plain", "other");
        }),
        ("Route", |d| {
            d.push_header("Route", "<sip:other.example.com;lr>");
        }),
        ("Contact", |d| {
            d.push_header("Contact", "<sip:mallory@203.0.113.1>");
        }),
        ("Via", |d| {
            d.push_front("Via", "SIP/2.0/TCP 203.0.113.1;branch=z9hG4bK9");
        }),
        ("Max-Forwards", |d| {
            d.set_header("Max-Forwards", "1");
        }),
        ("Event", |d| {
            d.push_header("Event", "conference");
        }),
        ("From epid", |d| replace(d, "From", "epid=0b", "epid=0c")),
    ];
    for (what, change) in changes {
        let mut t = Scene::up(4);
        let mut draft = t.draft(Method::Info);
        t.client.authorize(&mut draft, &mut t.ids, t.now).expect("it can be signed");
        change(&mut draft);
        let verdict = t.judge(&read(&draft));
        assert!(matches!(verdict, AssociationVerdict::Accepted { .. }), "{what}: {verdict:?}");
    }
}

/// What the server signed and somebody changed makes the client drop the connection; what nobody signed did not happen.
#[test]
fn what_a_client_believes() {
    let mut t = Scene::up(4);
    let draft = t.draft(Method::Info);
    let request = t.send(draft);
    let Message::Response(_) = t.answer(&request) else { panic!() };
    let answers = |status| message(&ResponseDraft::to(&request, status).to_tag("2"));
    for (status, wanted) in [
        (100, Inbound::Exempt),
        (180, Inbound::Exempt),
        (200, Inbound::Unsigned),
        (302, Inbound::Unsigned),
        (401, Inbound::Exempt),
        (407, Inbound::Exempt),
        (403, Inbound::Unsigned),
        (603, Inbound::Unsigned),
    ] {
        assert_eq!(t.client.check(&answers(status)), wanted, "{status}");
    }
    let id = t.association();
    let mut signed = ResponseDraft::to(&request, 200).to_tag("2");
    t.server.sign_response(&id, &mut signed, &mut t.ids, t.now).expect("it can be signed");
    let mut changed = signed.clone();
    changed.status = 202;
    assert_eq!(t.client.check(&message(&changed)), Inbound::Forged);
    let mut elsewhere = signed.clone();
    let line = signed.get("Authentication-Info").expect("a line").replace("fe1", "fe2");
    elsewhere.set_header("Authentication-Info", line);
    assert_eq!(t.client.check(&message(&elsewhere)), Inbound::Unsigned, "another server's");
    assert_eq!(t.client.check(&message(&signed)), Inbound::Verified);
    let mut unsigned = t.draft(Method::Message);
    unsigned.remove_header("Expires");
    assert_eq!(t.client.check(&request_of(&unsigned)), Inbound::Unsigned);
    t.client.reset();
    assert_eq!(t.client.check(&request_of(&unsigned)), Inbound::NoAssociation);
}

/// Wrong password, unknown user: the same refusal, counted, then locked; the client does not try again by itself.
#[test]
fn wrong_passwords() {
    for (name, password) in [("bob@example.com", "guess"), ("nobody@example.com", "x"), ("bob", "builder")] {
        let mut t = Scene::password(name, password);
        let (statuses, end) = t.ask(Method::Register);
        assert_eq!((statuses, end), (vec![401, 401, 401], Err(AssociationError::Refused)), "{name}");
        let draft = t.draft(Method::Register);
        assert!(!t.send(draft).headers().contains("Authorization"), "nothing more is told");
        assert!(t.server.is_empty());
    }
    let mut t = Scene::password("EXAMPLE.com\\bob", "builder");
    assert_eq!(t.sign_in(), [401, 401, 200], "a domain and a user in it");
}

/// Guessing is locked out, for those who exist and those who do not; a lock ends.
#[test]
fn guessing_is_locked_out() {
    for name in ["bob@example.com", "nobody@example.com"] {
        let mut t = Scene::password(name, "guess");
        t.server = AssociationServer::new(config(), &mut t.ids, TIME, t.now)
            .with_guard(Guard::new(GuardConfig::default().with_failures(2, 100)));
        for _ in 0..2 {
            t.client.reset();
            assert_eq!(t.sign_in(), [401, 401, 401], "{name}");
        }
        let good = Credentials::new(name, "builder", DEFAULT_REALM);
        t.client = AssociationClient::new(good, AssociationClientConfig::default());
        for _ in 0..2 {
            let draft = t.draft(Method::Register);
            let request = t.send(draft);
            let Message::Response(challenge) = t.answer(&request) else { panic!() };
            assert_eq!(t.client.on_challenge(&challenge, &mut t.ids, TIME, t.now), Ok(Asked::SendAgain));
        }
        let draft = t.draft(Method::Register);
        let request = t.send(draft);
        let wait = Duration::from_secs(2);
        assert_eq!(t.judge(&request), AssociationVerdict::Locked { wait }, "{name}: even the right one");
        t.now += wait;
        let opened = matches!(t.judge(&request), AssociationVerdict::Accepted { .. });
        assert_eq!(opened, name.starts_with("bob"));
    }
}

/// A challenge is over after its time, after its use, on another flow, and at another server.
#[test]
fn challenges_are_bound() {
    let answered = |t: &mut Scene| {
        for _ in 0..2 {
            let draft = t.draft(Method::Register);
            let request = t.send(draft);
            let Message::Response(challenge) = t.answer(&request) else { panic!() };
            t.client.on_challenge(&challenge, &mut t.ids, TIME, t.now).expect("a challenge");
        }
        let draft = t.draft(Method::Register);
        t.send(draft)
    };
    let mut t = Scene::new();
    let request = answered(&mut t);
    let (accounts, now) = (&t.accounts, t.now);
    let elsewhere = t.server.check_request(&request, "flow 8", None, accounts, &mut t.ids, now);
    assert_eq!(elsewhere, AssociationVerdict::Missing);
    let mut other = AssociationServer::new(config(), &mut SeededIds::new(77), TIME, now);
    let elsewhere = other.check_request(&request, FLOW, None, accounts, &mut t.ids, now);
    assert_eq!(elsewhere, AssociationVerdict::Missing);
    t.now += Duration::from_secs(61);
    assert_eq!(t.judge(&request), AssociationVerdict::Missing, "too late");
    t.client.reset();
    let request = answered(&mut t);
    assert!(matches!(t.judge(&request), AssociationVerdict::Accepted { .. }));
    assert_eq!(t.judge(&request), AssociationVerdict::Missing, "once");
    // The end of the association does not open its challenge again.
    let id = t.association();
    t.server.end(&id);
    assert_eq!(t.judge(&request), AssociationVerdict::Missing);
}

/// Associations end with their time; the client renews them before, by a request that is not signed.
#[test]
fn associations_end() {
    let mut t = Scene::up(4);
    let renew_at = t.client.renew_at().expect("a time");
    assert_eq!(renew_at - t.now, Duration::from_secs(8 * 3600 - 300));
    t.now = renew_at - Duration::from_millis(1);
    assert_eq!(t.ask(Method::Info).0, [200]);
    t.now = renew_at;
    assert_eq!(t.sign_in(), [401, 401, 200]);
    assert_eq!(t.server.len(), 2, "the old one lives until its own end");
    t.now += Duration::from_secs(301);
    let draft = t.draft(Method::Info);
    let request = t.send(draft);
    assert!(matches!(t.judge(&request), AssociationVerdict::Accepted { .. }));
    assert_eq!(t.server.len(), 1);
    t.server.end_flow(FLOW);
    assert!(t.server.is_empty());
    assert_eq!(t.ask(Method::Info).0, [401, 401, 200], "a server that forgot it asks again");
    t.now += Duration::from_secs(8 * 3600);
    let mut late = ResponseDraft::to(&request, 200).to_tag("2");
    assert_eq!(t.client.sign_response(&mut late, &mut t.ids, t.now), Err(AssociationError::NoAssociation));
}

/// Their number is bounded for each user, and in all; the oldest end.
#[test]
fn associations_are_bounded() {
    let mut t = Scene::new();
    t.server = AssociationServer::new(config().with_limits(3, 2), &mut t.ids, TIME, t.now);
    let mut ids = Vec::new();
    for _ in 0..4 {
        t.client.reset();
        t.now += Duration::from_secs(1);
        assert_eq!(t.sign_in(), [401, 401, 200]);
        ids.push(t.association());
    }
    assert_eq!(t.server.len(), 2);
    let mut draft = ResponseDraft::to(&t.captured[0].clone(), 200).to_tag("2");
    for (id, wanted) in ids.iter().zip([false, false, true, true]) {
        let signed = t.server.sign_response(id, &mut draft, &mut t.ids, t.now);
        assert_eq!(signed.is_ok(), wanted);
    }
    // Who only asks makes the server remember nothing.
    for _ in 0..100 {
        let begin = t.server.challenge() + ", gssapi-data=\"\", qop=\"auth\"";
        let request = read(&t.draft(Method::Register).header("Authorization", begin));
        assert!(matches!(t.judge(&request), AssociationVerdict::Continue { .. }));
    }
    assert_eq!(t.server.len(), 2);
}

/// Older versions only where both sides allow them; a downgrade on the way opens nothing.
#[test]
fn versions_are_agreed() {
    for (server, client, wanted) in [
        ((4, 3), 3, Ok(())),
        ((3, 3), 3, Ok(())),
        ((3, 3), 4, Err(AssociationError::Version)),
        ((2, 2), 3, Err(AssociationError::Version)),
        ((2, 2), 2, Ok(())),
    ] {
        let mut t = Scene::password("bob@example.com", "builder");
        let config = config().with_versions(server.0, server.1);
        t.server = AssociationServer::new(config, &mut t.ids, TIME, t.now);
        let credentials = Credentials::new("bob@example.com", "builder", DEFAULT_REALM);
        let limits = AssociationClientConfig::default().with_version_min(client);
        t.client = AssociationClient::new(credentials, limits);
        let (statuses, end) = t.ask(Method::Register);
        assert_eq!(end.map(|_| ()), wanted, "{server:?} {client}");
        assert_eq!(statuses.last() == Some(&200), wanted.is_ok());
    }
    let mut t = Scene::password("bob@example.com", "builder");
    for _ in 0..2 {
        let draft = t.draft(Method::Register);
        let request = t.send(draft);
        let Message::Response(challenge) = t.answer(&request) else { panic!() };
        t.client.on_challenge(&challenge, &mut t.ids, TIME, t.now).expect("a challenge");
    }
    let mut draft = t.draft(Method::Register);
    t.client.authorize(&mut draft, &mut t.ids, t.now).expect("it can be signed");
    for (version, wanted) in
        [("version=2", AssociationVerdict::Refused), ("version=3", AssociationVerdict::Forged)]
    {
        let mut changed = draft.clone();
        replace(&mut changed, "Authorization", "version=4", version);
        // Version 3 may carry the answer unsigned: a signature that is there has to be right, too.
        replace(&mut changed, "Authorization", "cnum=\"1\"", "cnum=\"2\"");
        assert_eq!(t.judge(&read(&changed)), wanted, "{version}");
    }
}

/// The client answers what it is meant to answer, and nothing else.
#[test]
fn what_a_client_answers() {
    let mut t = Scene::password("bob@example.com", "builder");
    let draft = t.draft(Method::Register);
    let request = t.send(draft);
    let asked = |t: &mut Scene, status: u16, line: &str| {
        let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let answer = ResponseDraft::to(&request, status).to_tag("2").header(name, line);
        let Message::Response(answer) = message(&answer) else { panic!() };
        t.client.on_challenge(&answer, &mut t.ids, TIME, t.now)
    };
    let realm = "realm=\"SIP Communications Service\"";
    let header =
        |kind| Err(AssociationError::Header(crate::HeaderError::new(HeaderName::WwwAuthenticate, kind, 0)));
    let table = [
        (
            401,
            "Kerberos realm=\"SIP Communications Service\", targetname=\"sip/a\"".to_owned(),
            Ok(Asked::NotForUs),
        ),
        (401, "NTLM realm=\"other\", targetname=\"a\", version=4".to_owned(), Ok(Asked::NotForUs)),
        (403, format!("NTLM {realm}, targetname=\"a\", version=4"), Ok(Asked::NotForUs)),
        (401, format!("NTLM {realm}, targetname=\"a\""), Err(AssociationError::Version)),
        (401, format!("NTLM {realm}, version=4"), header(crate::HeaderErrorKind::Syntax)),
        (401, format!("NTLM {realm}, targetname=\"a\", version=x"), header(crate::HeaderErrorKind::Number)),
        (
            401,
            format!("NTLM {realm}, targetname=\"a\", version=4, gssapi-data=\"AAAA\""),
            Err(AssociationError::Unexpected),
        ),
        (407, format!("ntlm {realm},targetname=a,version=9"), Ok(Asked::SendAgain)),
        (
            407,
            format!("NTLM {realm}, targetname=\"a\", version=4, gssapi-data=\"AAAA\""),
            Err(AssociationError::Token(Refusal::Message(NtlmError::Truncated))),
        ),
        (
            401,
            format!("NTLM {realm}, targetname=\"a\", version=4, gssapi-data=\"AAAA\""),
            Err(AssociationError::Unexpected),
        ),
    ];
    for (status, line, wanted) in table {
        assert_eq!(asked(&mut t, status, &line), wanted, "{line}");
    }
    let mut draft = t.draft(Method::Register);
    assert_eq!(t.client.authorize(&mut draft, &mut t.ids, t.now), Ok(Added::Token));
    assert!(draft.get("Proxy-Authorization").is_some(), "as it was asked");
    let limits = AssociationClientConfig::default().with_target("FE1.example.com");
    t.client = AssociationClient::new(Credentials::new("b", "c", DEFAULT_REALM), limits);
    let line = |name: &str| format!("NTLM {realm}, targetname=\"{name}\", version=4");
    assert_eq!(asked(&mut t, 401, &line("fe2.example.com")), Ok(Asked::NotForUs));
    assert_eq!(asked(&mut t, 401, &line("fe1.example.com")), Ok(Asked::SendAgain));
}

/// Requests that cross the handshake are sent again, signed, and do not make the client believe that it was refused.
#[test]
fn requests_that_cross_the_handshake() {
    let mut t = Scene::new();
    let early = t.draft(Method::Subscribe);
    let early = t.send(early);
    let Message::Response(early_401) = t.answer(&early) else { panic!() };
    for _ in 0..2 {
        let draft = t.draft(Method::Register);
        let request = t.send(draft);
        let Message::Response(challenge) = t.answer(&request) else { panic!() };
        t.client.on_challenge(&challenge, &mut t.ids, TIME, t.now).expect("a challenge");
    }
    let draft = t.draft(Method::Register);
    let register = t.send(draft);
    assert_eq!(t.client.on_challenge(&early_401, &mut t.ids, TIME, t.now), Ok(Asked::SendAgain));
    let answer = t.answer(&register);
    assert_eq!(t.client.check(&answer), Inbound::Verified);
    let draft = t.draft(Method::Subscribe);
    let again = t.send(draft);
    assert!(matches!(t.judge(&again), AssociationVerdict::Accepted { .. }));
}

/// Tokens cut off at every byte, and every parameter missing: refused, never believed, never a panic.
#[test]
fn truncated_tokens() {
    let mut t = Scene::up(4);
    let line = t.captured[2].headers().get("Authorization").expect("an answer").to_owned();
    let (before, rest) = line.split_once("gssapi-data=\"").expect("a token");
    let (token, behind) = rest.split_once('"').expect("its end");
    for end in 0..token.len() {
        let cut = format!("{before}gssapi-data=\"{}\"{behind}", &token[..end]);
        let verdict = t.judge(&read(&t.captured[2].clone().into_draft(&cut)));
        let harmless = !matches!(verdict, AssociationVerdict::Accepted { .. });
        assert!(harmless, "{end}: {verdict:?}");
    }
    for end in 0..line.len() {
        let verdict = t.judge(&read(&t.captured[2].clone().into_draft(&line[..end])));
        assert!(!matches!(verdict, AssociationVerdict::Accepted { .. }), "{end}: {verdict:?}");
    }
    let challenge = {
        let begin = t.server.challenge() + ", gssapi-data=\"\"";
        let request = read(&t.draft(Method::Register).header("Authorization", begin));
        let AssociationVerdict::Continue { challenge } = t.judge(&request) else { panic!() };
        challenge
    };
    for end in 0..challenge.len() {
        t.client.reset();
        let first = t.server.challenge();
        for line in [first.as_str(), &challenge[..end]] {
            let answer = ResponseDraft::to(&t.captured[0], 401).to_tag("2").header("WWW-Authenticate", line);
            let Message::Response(answer) = message(&answer) else { panic!() };
            // Whatever it says of the cut one: it does not panic, and it is not up.
            let _ = t.client.on_challenge(&answer, &mut t.ids, TIME, t.now);
            assert!(!t.client.is_up());
        }
    }
}

trait IntoDraft {
    fn into_draft(self, authorization: &str) -> RequestDraft;
}

impl IntoDraft for Request {
    fn into_draft(self, authorization: &str) -> RequestDraft {
        let mut draft = RequestDraft::from_request(&self);
        draft.set_header("Authorization", authorization);
        draft
    }
}

/// A text that could stand for two messages is not signed and not accepted.
#[test]
fn brackets_are_not_signed() {
    let mut t = Scene::up(4);
    let mut draft = t.draft(Method::Info).call_id("a><9");
    assert_eq!(t.client.authorize(&mut draft, &mut t.ids, t.now), Err(AssociationError::Unsignable));
    let mut answer = ResponseDraft::to(&read(&draft), 200).to_tag("2");
    let id = t.association();
    let signed = t.server.sign_response(&id, &mut answer, &mut t.ids, t.now);
    assert_eq!(signed, Err(AssociationError::Unsignable));
}

/// A server that wants more refuses who gives less.
#[test]
fn strict_servers() {
    for (config, wanted) in [
        (config().with_time(false, true), 401),
        (config().with_time(true, true).with_key_128_needed(true), 200),
    ] {
        let mut t = Scene::new();
        t.server = AssociationServer::new(config, &mut t.ids, TIME, t.now);
        assert_eq!(t.sign_in().last(), Some(&wanted));
    }
    let info = TargetInfo::new().with_domain("EXAMPLE").with_computer("FE1");
    let mut t = Scene::new();
    let config = config().with_target_info(info).with_realm("other");
    t.server = AssociationServer::new(config, &mut t.ids, TIME, t.now);
    t.client = AssociationClient::new(
        Credentials::new("bob@example.com", "builder", "other"),
        AssociationClientConfig::default().with_workstation("DESK"),
    );
    assert_eq!(t.sign_in(), [401, 401, 200]);
}

/// The texts of Communicator 2007 R2 and its server, from the messages that they sent ([MS-SIPAE] version 4).
#[test]
fn texts_of_real_programs() {
    let parse = |text: &str| {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let raw = format!("{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
        Message::parse(raw.into(), &Limits::default()).expect("a message")
    };
    let request = parse(
        r#"REGISTER sip:cosmo.local SIP/2.0
        Via: SIP/2.0/TLS 192.168.172.6:12723
        Max-Forwards: 70
        From: <sip:user@cosmo.local>;tag=3e49177a52;epid=c8ca638a15
        To: <sip:user@cosmo.local>
        Call-ID: 4037df9284354df39065195bd57a4b14
        CSeq: 3 REGISTER
        Proxy-Authorization: NTLM qop="auth", realm="SIP Communications Service", opaque="2BDBAC9D", targetname="cosmo-ocs-r2.cosmo.local", version=4, gssapi-data="AAAA", crand="13317733", cnum="1", response="0100000029618e9651b65a7764000000""#,
    );
    let answer = parse(
        r#"SIP/2.0 200 OK
        Authentication-Info: NTLM rspauth="01000000E615438A917661BE64000000", srand="9616454F", snum="1", opaque="2BDBAC9D", qop="auth", targetname="cosmo-ocs-r2.cosmo.local", realm="SIP Communications Service"
        From: "User"<sip:user@cosmo.local>;tag=3e49177a52;epid=c8ca638a15
        To: <sip:user@cosmo.local>;tag=5E61CCD925D17E043D9A74835A88F664
        Call-ID: 4037df9284354df39065195bd57a4b14
        CSeq: 3 REGISTER
        Via: SIP/2.0/TLS 192.168.172.6:12723;ms-received-port=12723;ms-received-cid=2600
        Expires: 7200"#,
    );
    for (message, name, role, wanted) in [
        (
            &request,
            "Proxy-Authorization",
            Role::Client,
            "<NTLM><13317733><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
                <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52>\
                <sip:user@cosmo.local><><><><>",
        ),
        (
            &answer,
            "Authentication-Info",
            Role::Server,
            "<NTLM><9616454F><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
                <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52>\
                <sip:user@cosmo.local><5E61CCD925D17E043D9A74835A88F664><><><7200><200>",
        ),
    ] {
        let line = message.envelope().headers().get(name).expect("the header");
        let params =
            SecurityParams::read(HeaderName::Other, line, role).expect("it can be read").expect("NTLM");
        let signature = params.signature.as_ref().expect("a signature");
        assert_eq!(signature.count, 1);
        let text = signed_text(4, message, &params, &signature.rand, &signature.num);
        assert_eq!(text.as_deref(), Ok(wanted));
    }
}

/// [MS-SIPAE] version 2: what a server of 2007 signed.
#[test]
fn text_of_version_2() {
    let raw = "SIP/2.0 200 OK\r\n\
        From: \"Gabriel\"<sip:gabriel@ocs.provo.novell.com>;tag=2947328781;epid=1234567890\r\n\
        To: <sip:gabriel@ocs.provo.novell.com>;tag=B816D65C2300A32CFA6D371F2AF537FD\r\n\
        Call-ID: 8592g5DCBa1694i5887m0D0Bt2247b3F38xAE9Fx\r\nCSeq: 3 REGISTER\r\n\
        Via: SIP/2.0/TLS 164.99.194.49:10409;branch=z9hG4bKE0E37DBAF252C3255BAD\r\n\
        Expires: 900\r\nContent-Length: 0\r\n\r\n";
    let message = Message::parse(raw.into(), &Limits::default()).expect("a message");
    let params = SecurityParams {
        realm: DEFAULT_REALM.to_owned(),
        targetname: "ocs1.ocs.provo.novell.com".to_owned(),
        ..SecurityParams::default()
    };
    assert_eq!(
        signed_text(2, &message, &params, "0878F41B", "1").as_deref(),
        Ok("<NTLM><0878F41B><1><SIP Communications Service><ocs1.ocs.provo.novell.com>\
            <8592g5DCBa1694i5887m0D0Bt2247b3F38xAE9Fx><3><REGISTER><sip:gabriel@ocs.provo.novell.com>\
            <2947328781><B816D65C2300A32CFA6D371F2AF537FD><900><200>")
    );
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

proptest! {
    /// What is written is read again.
    #[test]
    fn params_round_trip(
        (realm, targetname) in ("\\PC{0,20}", "\\PC{0,20}"),
        opaque in proptest::option::of("\\PC{0,20}"),
        (version, count) in (proptest::option::of(any::<u8>()), any::<u32>()),
        token in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        signed in proptest::option::of(("[0-9a-f]{0,8}", any::<[u8; 16]>())),
        role in roles(),
    ) {
        let signature = signed.map(|(rand, bytes)| Signature { rand, num: count.to_string(), count, bytes });
        let params = SecurityParams { realm, targetname, version, opaque, token, signature };
        let line = params.write(role);
        prop_assert_eq!(SecurityParams::read(HeaderName::Authorization, &line, role), Ok(Some(params)));
    }

    /// Any text is read without harm.
    #[test]
    fn any_text_is_read(text in "NTLM (realm=a, targetname=b, )?[a-z-]{0,11}[\\PC\"\\\\,= ]{0,60}", role in roles()) {
        if let Ok(Some(params)) = SecurityParams::read(HeaderName::Authorization, &text, role) {
            let again = SecurityParams::read(HeaderName::Authorization, &params.write(role), role);
            prop_assert_eq!(again, Ok(Some(params)));
        }
    }

    /// No digit of a signature can be another.
    #[test]
    fn no_other_signature_is_accepted(at in 0_usize..32, by in 1_u32..16) {
        let mut t = Scene::up(4);
        let mut draft = t.draft(Method::Info);
        t.client.authorize(&mut draft, &mut t.ids, t.now).expect("it can be signed");
        let line = draft.get("Authorization").expect("a line").to_owned();
        let place = line.find("response=\"").expect("a signature") + 10 + at;
        let digit = char::from(line.as_bytes()[place]).to_digit(16).expect("a digit");
        let digit = char::from_digit((digit + by) % 16, 16).expect("a digit");
        draft.set_header("Authorization", format!("{}{digit}{}", &line[..place], &line[place + 1..]));
        prop_assert_eq!(t.judge(&read(&draft)), AssociationVerdict::Forged);
    }

    /// Signed messages may come in any order, each once.
    #[test]
    fn order_does_not_matter(seed: u64) {
        let mut t = Scene::up(4);
        let mut requests: Vec<Request> = (0..20).map(|_| {
            let draft = t.draft(Method::Info);
            t.send(draft)
        }).collect();
        let mut dice = SeededIds::new(seed);
        for at in (1..requests.len()).rev() {
            requests.swap(at, dice.below(at as u64 + 1) as usize);
        }
        for request in &requests {
            let accepted = matches!(t.judge(request), AssociationVerdict::Accepted { .. });
            prop_assert!(accepted);
            prop_assert_eq!(t.judge(request), AssociationVerdict::Replayed);
        }
    }
}
