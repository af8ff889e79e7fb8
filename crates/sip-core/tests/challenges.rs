//! A user agent with a password against servers that ask for it: one request id, growing CSeq, no leak.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use sip_core::auth::{Accounts, Authorization, Credentials, DigestServer, Verdict};
use sip_core::endpoint::UnreachableReason;
use sip_core::ua::{RequestId, Routing, SendError, UaEvent, UserAgent, UserAgentConfig};
use sip_core::{
    Dialog, Endpoint, EndpointConfig, FlowId, FlowInfo, Limits, Message, Method, NameAddr, Request,
    RequestDraft, ResponseDraft, SeededIds, Target, TransportInput, TransportKind, Uri,
};

const SERVER: &str = "127.0.0.1:7001";
const OTHER: &str = "127.0.0.1:7002";
const STRANGER: &str = "127.0.0.1:7003";
const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";

/// A user agent, whose network and servers are this struct.
struct World {
    ua: UserAgent,
    server: DigestServer,
    accounts: Accounts,
    ids: SeededIds,
    now: Instant,
    refusing: BTreeSet<SocketAddr>,
    next_flow: u64,
}

impl World {
    fn new(password: &str) -> World {
        let now = Instant::now();
        let endpoint = Endpoint::new(EndpointConfig::default(), Box::new(SeededIds::new(7)));
        let servers = vec![format!("tcp:{SERVER}").parse().unwrap(), format!("tcp:{OTHER}").parse().unwrap()];
        let identity = NameAddr::new(Uri::parse("sip:bob@example.com").unwrap());
        let credentials = Credentials::new("bob@example.com", password, "example.com");
        let config = UserAgentConfig::new(identity, servers).with_credentials(credentials);
        let mut ids = SeededIds::new(8);
        World {
            ua: UserAgent::new(endpoint, config),
            server: DigestServer::new(&mut ids, now),
            accounts: Accounts::parse("bob@example.com:secret").unwrap(),
            ids,
            now,
            refusing: BTreeSet::new(),
            next_flow: 0,
        }
    }

    fn handle(&mut self, input: TransportInput) {
        self.ua.endpoint().handle(input, self.now);
    }

    /// What is sent now; connections are made or refused on the way. ACKs are left out.
    fn sent(&mut self) -> Vec<(FlowId, Request)> {
        let mut requests = Vec::new();
        while let Some(transmit) = self.ua.endpoint().poll_transmit() {
            match transmit.to {
                Target::Address { transport, addr } => self.connect(transport, addr),
                Target::Server { name, .. } => panic!("nobody asked for {name}"),
                Target::Flow(flow) => {
                    if let Ok(Message::Request(request)) = Message::parse(transmit.bytes, &Limits::default())
                        && *request.method() != Method::Ack
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
        let info = FlowInfo { remote: addr, local: "127.0.0.1:50000".parse().unwrap(), transport };
        self.handle(TransportInput::Connected { flow: FlowId::new(self.next_flow), info });
    }

    fn answer(&mut self, flow: FlowId, draft: ResponseDraft) {
        let message = Message::parse(draft.write(), &Limits::default()).unwrap();
        self.handle(TransportInput::Message { flow, message });
    }

    /// The server's part: judges a request, and challenges it or answers 200.
    fn serve(&mut self, flow: FlowId, request: &Request) -> Verdict {
        let name = format!("{flow:?}");
        let verdict = self.server.check(request, &name, &self.accounts, self.now);
        let draft = match verdict {
            Verdict::Accepted { .. } => ResponseDraft::to(request, 200),
            _ => {
                let stale = verdict == Verdict::Stale;
                let challenges = self.server.challenges("example.com", &name, stale, &mut self.ids, self.now);
                challenges.iter().fold(ResponseDraft::to(request, 401), |draft, challenge| {
                    draft.header("WWW-Authenticate", challenge.to_string())
                })
            }
        };
        let draft = if request.to().tag().is_none() { draft.to_tag("f1") } else { draft };
        self.answer(flow, draft.header("Contact", format!("<{CONFERENCE}>")));
        verdict
    }

    /// What one request is answered with, by hand: what is sent next, and what the application is told.
    fn answered(&mut self, draft: ResponseDraft, flow: FlowId) -> (Vec<(FlowId, Request)>, Option<UaEvent>) {
        self.answer(flow, draft.to_tag("f1"));
        let event = self.ua.poll_event(self.now);
        (self.sent(), event)
    }

    /// Serves until nothing more is sent: what was sent, with its verdict, and how it ended.
    fn run(&mut self) -> (Vec<Served>, Vec<(RequestId, u16)>) {
        let (mut served, mut ends) = (Vec::new(), Vec::new());
        // A refused connection sends nothing by itself: twice quiet is the end.
        let mut quiet = 0;
        loop {
            while let Some(event) = self.ua.poll_event(self.now) {
                match event {
                    UaEvent::Response { id, response } => ends.push((id, response.status())),
                    UaEvent::Failed { error, .. } => panic!("{error}"),
                    _ => {}
                }
            }
            let sent = self.sent();
            quiet = if sent.is_empty() { quiet + 1 } else { 0 };
            if quiet == 2 {
                return (served, ends);
            }
            for (flow, request) in sent {
                let verdict = self.serve(flow, &request);
                served.push((request, verdict));
            }
        }
    }

    fn invite(&mut self) -> RequestDraft {
        let focus = Uri::parse(CONFERENCE).unwrap();
        RequestDraft::new(Method::Invite, focus.clone())
            .from(self.ua.new_from())
            .to(NameAddr::new(focus))
            .call_id("focus-1")
            .cseq(1)
            .header("Contact", "<sip:bob@example.com>")
    }
}

/// A request that was sent, and what its server thought of it.
type Served = (Request, Verdict);

fn numbers(served: &[Served]) -> Vec<u32> {
    served.iter().map(|(request, _)| request.cseq().number).collect()
}

fn count(request: &Request) -> Option<u32> {
    let Authorization(answers) = request.header::<Authorization>().unwrap()?;
    answers.first()?.proof.as_ref().map(|proof| proof.nc)
}

/// RFC 3261 section 22.2: the same Call-ID, From tag and To, the next CSeq; for the caller it is one request.
#[test]
fn a_challenge_is_answered_as_the_same_request() {
    let mut t = World::new("secret");
    let invite = t.invite();
    let id = t.ua.send(invite.clone(), Routing::Outbound, t.now);
    let (served, ends) = t.run();
    assert_eq!(numbers(&served), [1, 2]);
    assert_eq!(ends, [(id, 200)]);
    let [(first, _), (second, verdict)] = &served[..] else { panic!("{served:?}") };
    assert_eq!(first.call_id(), second.call_id());
    assert_eq!((first.from().tag(), second.to().tag()), (second.from().tag(), None));
    assert_ne!(first.via().branch(), second.via().branch());
    assert!(matches!(verdict, Verdict::Accepted { .. }));
}

/// One nonce serves every request, each with the next count; the registration is one of them.
#[test]
fn the_nonce_is_used_again() {
    let mut t = World::new("secret");
    t.ua.register(t.now);
    let (served, _) = t.run();
    assert_eq!(served.iter().map(|(request, _)| count(request)).collect::<Vec<_>>(), [None, Some(1)]);
    assert!(t.ua.is_settled());
    let invite = t.invite();
    t.ua.send(invite, Routing::Outbound, t.now);
    let (served, ends) = t.run();
    assert_eq!((numbers(&served), count(&served[0].0), ends.len()), (vec![1], Some(2), 1));
}

/// RFC 3261 section 12.2.1.1: numbers in the dialog grow, also of requests that cross the challenge.
#[test]
fn numbers_in_a_dialog_stay_in_order() {
    let mut t = World::new("secret");
    let invite = t.invite();
    t.ua.send(invite.clone(), Routing::Outbound, t.now);
    let (served, _) = t.run();
    let ok = ResponseDraft::to(&served[1].0, 200).to_tag("f1").header("Contact", format!("<{CONFERENCE}>"));
    let Ok(Message::Response(ok)) = Message::parse(ok.write(), &Limits::default()) else { panic!() };
    let mut dialog = Dialog::uac(&invite, &ok).unwrap();
    // Another server: it takes none of the nonces, so each of the two is challenged.
    t.server = DigestServer::new(&mut SeededIds::new(77), t.now);
    let ids: Vec<RequestId> =
        (0..2).map(|_| t.ua.send(dialog.request(Method::Info), Routing::Route, t.now)).collect();
    let (served, ends) = t.run();
    assert_eq!(numbers(&served), [3, 4, 5, 6]);
    assert_eq!(ends, [(ids[0], 200), (ids[1], 200)]);
    t.ua.send(dialog.request(Method::Info), Routing::Route, t.now);
    let (served, _) = t.run();
    assert_eq!(numbers(&served), [7]);
}

/// A wrong password is refused once: no second try with the same, and the answer is the caller's.
#[test]
fn a_refusal_is_final() {
    let mut t = World::new("wrong");
    let invite = t.invite();
    let id = t.ua.send(invite, Routing::Outbound, t.now);
    let (served, ends) = t.run();
    assert_eq!(
        served.iter().map(|(_, verdict)| verdict.clone()).collect::<Vec<_>>(),
        [Verdict::Missing, Verdict::Refused]
    );
    assert_eq!(ends, [(id, 401)]);
    t.ua.register(t.now);
    let (served, _) = t.run();
    assert_eq!(served.len(), 2, "it begins without an answer again");
    assert!(t.ua.is_settled());
}

/// `stale`: the next server does not know the nonce, and gets an answer to its own.
#[test]
fn a_stale_nonce_is_replaced() {
    let mut t = World::new("secret");
    t.ua.register(t.now);
    t.run();
    t.server = DigestServer::new(&mut SeededIds::new(77), t.now);
    let invite = t.invite();
    let id = t.ua.send(invite, Routing::Outbound, t.now);
    let (served, ends) = t.run();
    assert_eq!(served[0].1, Verdict::Stale);
    assert_eq!((served.len(), ends), (2, vec![(id, 200)]));
}

/// CVE-2021-41158: neither another realm nor another server gets an answer, asked or not.
#[test]
fn strangers_get_no_answer() {
    let mut t = World::new("secret");
    t.ua.register(t.now);
    t.run();
    let to_stranger = |t: &mut World, realm: &str, host: &str| {
        let uri = Uri::parse(&format!("sip:{host};transport=tcp")).unwrap();
        let bye = RequestDraft::new(Method::Bye, uri.clone())
            .from(t.ua.new_from())
            .to(NameAddr::new(uri).with_tag("x"))
            .call_id("bye")
            .cseq(2);
        t.ua.send(bye, Routing::Route, t.now);
        let (flow, request) = t.sent().remove(0);
        let challenge = format!("Digest realm=\"{realm}\", nonce=\"1\", qop=\"auth\"");
        t.answer(flow, ResponseDraft::to(&request, 407).header("Proxy-Authenticate", challenge));
        let event = t.ua.poll_event(t.now);
        assert!(matches!(&event, Some(UaEvent::Response { response, .. }) if response.status() == 407));
        assert!(t.sent().is_empty());
        request
    };
    let request = to_stranger(&mut t, "example.com", STRANGER);
    assert_eq!(count(&request), None, "not even the answer that our server knows");
    let request = to_stranger(&mut t, "evil.example.net", SERVER);
    assert_eq!(count(&request), Some(2), "the server's own");
}

/// A request that moves to the next server is challenged there, too.
#[test]
fn the_next_server_asks_again() {
    let mut t = World::new("secret");
    t.refusing.insert(SERVER.parse().unwrap());
    let invite = t.invite();
    let id = t.ua.send(invite, Routing::Outbound, t.now);
    let (served, ends) = t.run();
    assert_eq!((numbers(&served), ends), (vec![1, 2], vec![(id, 200)]));
}

/// RFC 3261 section 22.3: a proxy that forked collected challenges of servers and proxies; all are answered at once, and
/// one that comes later too.
#[test]
fn a_forked_challenge_is_answered_in_whole() {
    let mut t = World::new("secret");
    let invite = t.invite();
    let id = t.ua.send(invite, Routing::Outbound, t.now);
    let (flow, request) = t.sent().remove(0);
    let ask = |nonce: &str| {
        format!("Digest realm=\"example.com\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256")
    };
    let draft = ResponseDraft::to(&request, 407)
        .header("WWW-Authenticate", ask("w"))
        .header("Proxy-Authenticate", ask("p"))
        .header("WWW-Authenticate", "Digest realm=\"other.example.net\", nonce=\"x\"");
    let (sent, event) = t.answered(draft, flow);
    assert!(event.is_none(), "{event:?}");
    let [(_, second)] = &sent[..] else { panic!("{sent:?}") };
    let answers = |request: &Request, name: &str| request.headers().get_all(name).count();
    assert_eq!((answers(second, "Authorization"), answers(second, "Proxy-Authorization")), (1, 1));
    // The same proxy again: it did not take the answer. That is the end, also for the other one.
    let draft = ResponseDraft::to(second, 407).header("Proxy-Authenticate", ask("p2"));
    let (sent, event) = t.answered(draft, flow);
    assert!(sent.is_empty());
    assert!(
        matches!(event, Some(UaEvent::Response { id: of, response }) if of == id && response.status() == 407)
    );
}

/// RFC 7616 section 3.5: the next nonce is used without being asked; a server that pretends to know the password is not
/// believed.
#[test]
fn servers_prove_themselves_too() {
    let mut t = World::new("secret");
    let options = |t: &mut World| {
        let uri = Uri::parse("sip:example.com").unwrap();
        let draft = RequestDraft::new(Method::Options, uri.clone())
            .from(t.ua.new_from())
            .to(NameAddr::new(uri))
            .call_id("options")
            .cseq(1);
        t.ua.send(draft, Routing::Outbound, t.now)
    };
    t.ua.register(t.now);
    t.run();
    let name = |flow: FlowId| format!("{flow:?}");
    options(&mut t);
    let (flow, request) = t.sent().remove(0);
    t.server.check(&request, &name(flow), &t.accounts, t.now);
    t.now += std::time::Duration::from_secs(400);
    let info = t.server.info(&request, &name(flow), &t.accounts, &mut t.ids, t.now).unwrap();
    let ok = ResponseDraft::to(&request, 200).header("Authentication-Info", info.to_string());
    let (_, event) = t.answered(ok, flow);
    assert!(matches!(event, Some(UaEvent::Response { response, .. }) if response.status() == 200));
    let id = options(&mut t);
    let (flow, request) = t.sent().remove(0);
    let Some(Authorization(answers)) = request.header().unwrap() else { panic!() };
    assert_eq!((Some(&answers[0].nonce), count(&request)), (info.next_nonce.as_ref(), Some(1)));
    assert!(matches!(t.server.check(&request, &name(flow), &t.accounts, t.now), Verdict::Accepted { .. }));
    let mut info = t.server.info(&request, &name(flow), &t.accounts, &mut t.ids, t.now).unwrap();
    info.rspauth = Some("0".repeat(64));
    let ok = ResponseDraft::to(&request, 200).header("Authentication-Info", info.to_string());
    let (_, event) = t.answered(ok, flow);
    assert!(matches!(event, Some(UaEvent::Failed { id: of, error: SendError::Impostor }) if of == id));
}
