//! Tables of REGISTER requests and what becomes of them.

use sip_core::{Limits, Message, Uri};

use super::*;

const CONTACT: &str = "<sip:192.0.2.20:50233;transport=tcp>;+sip.instance=\"<urn:uuid:5b1c>\"";

fn request(lines: &[&str]) -> Request {
    let mut text =
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.20:50233;branch=z9hG4bKg1\r\n\
        Call-ID: r\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n"
            .to_owned();
    for line in lines {
        text += line;
        text += "\r\n";
    }
    text += "\r\n";
    match Message::parse(text.into(), &Limits::default()).expect("a message") {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn of(user: &str, lines: &[&str]) -> Request {
    let (from, to) = (format!("From: <{user}>;tag=1"), format!("To: <{user}>"));
    request(&[&[from.as_str(), to.as_str()], lines].concat())
}

fn wall() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn edge() -> NameAddr {
    "<sip:token@127.0.0.1:5060;transport=tcp;lr>".parse().expect("a Path")
}

fn run(request: &Request) -> Result<Registration, RegistrarError> {
    run_from(request, None)
}

fn run_from(request: &Request, sender: Option<&str>) -> Result<Registration, RegistrarError> {
    let sender = sender.map(|host| host.parse().expect("an address"));
    register(request, &RegistrarConfig::default(), "fe1", &edge(), sender, wall())
}

fn bound(request: &Request) -> (String, BindingRecord, ResponseDraft) {
    match run(request).expect("accepted") {
        Registration::Bound { key, binding, answer } => (key, binding, answer),
        Registration::Removed { .. } => panic!("it binds"),
    }
}

/// auth section 2: 200 with the GRUU of the device, the lifetime, and `ms-keep-alive`.
#[test]
fn binds_a_device() {
    let contact = format!("Contact: {CONTACT}");
    let (key, binding, answer) =
        bound(&of("sip:bob@Example.com", &[&contact, "Expires: 600", "ms-keep-alive: UAC;hop-hop=yes"]));
    assert_eq!(binding.contact, "sip:192.0.2.20:50233;transport=tcp");
    assert_eq!(binding.expires, "2026-01-01T00:10:00Z");
    assert_eq!((binding.edge.as_str(), binding.path.len()), ("fe1", 1));
    let gruu = Uri::parse(&binding.gruu).expect("a URI");
    assert!(gruu.has_param("gruu") && gruu.host() == "example.com");
    let line = answer.get("Contact").expect("a Contact");
    assert!(line.contains(
        ";expires=600;+sip.instance=\"<urn:uuid:5b1c>\";gruu=\"sip:bob@example.com;opaque=user:epid:"
    ));
    assert_eq!(answer.get("Expires"), Some("600"));
    assert_eq!(answer.get("ms-keep-alive"), Some("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=300"));
    for offer in ["Expires: 600", "ms-keep-alive: UAC;hop-hop=no", "ms-keep-alive: ;"] {
        let (_, _, answer) = bound(&of("sip:bob@Example.com", &[&contact, offer]));
        assert_eq!(answer.get("ms-keep-alive"), None, "{offer}");
    }
    assert_eq!(key_of(&gruu), Some(key));
}

/// One device, one GRUU: after a new connection, and found by any spelling that is the same URI.
#[test]
fn gruu_is_stable() {
    let with = |user: &str, contact: &str| bound(&of(user, &[&format!("Contact: {contact}")])).1.gruu;
    let first = with("sip:bob@example.com", CONTACT);
    let moved = CONTACT.replace("50233", "50999");
    assert_eq!(first, with("sip:bob@EXAMPLE.com", &moved));
    assert_ne!(first, with("sip:carol@example.com", CONTACT));
    assert_ne!(first, with("sip:bob@example.com", &CONTACT.replace("5b1c", "5b1d")));
    let gruu = Uri::parse(&first).expect("a URI");
    let opaque = gruu.param("opaque").expect("opaque");
    let swapped = Uri::parse(&format!("sip:bob@EXAMPLE.COM;gruu;opaque={opaque}")).expect("a URI");
    assert_eq!(key_of(&swapped), key_of(&gruu));
    for other in
        ["sip:bob@example.com", "sip:bob@example.com;gruu", "sip:a@b;gruu;opaque=app:conf:focus:id:7Q4W2ZK9"]
    {
        assert_eq!(key_of(&Uri::parse(other).expect("a URI")), None, "{other}");
    }
}

/// RFC 3327: the way to the device is the hops', nearest to the registrar first; ours only where there is no hop, because
/// it must not lead through a front end that may be the one that died.
#[test]
fn path_is_the_route() {
    let path = "Path: <sip:a@192.0.2.1;lr>, <sip:b@192.0.2.2;lr>";
    let contact = format!("Contact: {CONTACT}");
    let through = of("sip:bob@example.com", &[&contact, path, "Path: <sip:c@192.0.2.3;lr>"]);
    let Ok(Registration::Bound { binding, .. }) = run_from(&through, Some("192.0.2.1")) else {
        panic!("it binds")
    };
    let route: Vec<String> = route_to(&binding, wall()).iter().map(|one| one.uri().to_string()).collect();
    let expected = ["sip:a@192.0.2.1;lr", "sip:b@192.0.2.2;lr", "sip:c@192.0.2.3;lr"];
    assert_eq!(route, expected);
    let (_, direct, _) = bound(&of("sip:bob@example.com", &[&contact]));
    let route: Vec<String> = route_to(&direct, wall()).iter().map(|one| one.uri().to_string()).collect();
    assert_eq!(route, ["sip:token@127.0.0.1:5060;transport=tcp;lr"]);
    let late = wall().checked_add(SignedDuration::from_secs(7200)).expect("a time");
    assert!(route_to(&binding, late).is_empty(), "over");
    let broken = BindingRecord { path: vec!["<".into()], ..binding };
    assert!(route_to(&broken, wall()).is_empty());
}

/// Both ways to sign off, and how the lifetime is found.
#[test]
fn lifetimes() {
    let contact = format!("Contact: {CONTACT}");
    let own = format!("Contact: {CONTACT};expires=900");
    let key = bound(&of("sip:bob@example.com", &[&contact])).0;
    for off in
        [vec![contact.as_str(), "Expires: 0"], vec![&format!("Contact: {CONTACT};expires=0"), "Expires: 60"]]
    {
        match run(&of("sip:bob@example.com", &off)) {
            Ok(Registration::Removed { key: removed, answer }) => {
                assert_eq!((removed, answer.get("Expires")), (key.clone(), Some("0")));
            }
            other => panic!("{other:?}"),
        }
    }
    let expires =
        |lines: &[&str]| bound(&of("sip:bob@example.com", lines)).2.get("Expires").map(str::to_owned);
    assert_eq!(expires(&[&contact]), Some("7200".into()));
    assert_eq!(expires(&[&contact, "Expires: 99999"]), Some("7200".into()));
    assert_eq!(expires(&[&own, "Expires: 60"]), Some("900".into()));
}

/// What is refused, and how.
#[test]
fn refusals() {
    let contact = format!("Contact: {CONTACT}");
    let long = format!("Contact: <sip:{}@192.0.2.20>", "x".repeat(2000));
    let path = format!("Path: {}", ["<sip:192.0.2.1;lr>"; 9].join(","));
    let table: [(&[&str], u16); 6] = [
        (&[], 400),
        (&["Contact: *"], 400),
        (&[&long], 400),
        (&[&contact, "Expires: soon"], 400),
        (&[&contact, "Expires: 5"], 423),
        (&[&contact, &path], 400),
    ];
    for (lines, status) in table {
        let request = of("sip:bob@example.com", lines);
        let refusal = run(&request).expect_err("refused").answer(&request, "fe1");
        assert_eq!(refusal.status, status, "{lines:?}");
        assert!(refusal.get("ms-diagnostics").is_some());
        assert_eq!(refusal.get("Min-Expires"), (status == 423).then_some("30"));
    }
    let third = request(&["From: <sip:mallory@example.com>;tag=1", "To: <sip:bob@example.com>", &contact]);
    assert_eq!(run(&third).map(|_| ()), Err(RegistrarError::ThirdParty));
}

/// A Path that does not begin where the request came from leads over the request's own flow: a client cannot have the pool
/// connect to whom it likes.
#[test]
fn foreign_path_leads_over_the_own_flow() {
    let contact = format!("Contact: {CONTACT}");
    let forged = of("sip:bob@example.com", &[&contact, "Path: <sip:x@192.0.2.66:25;lr>"]);
    for sender in [Some("192.0.2.20"), None] {
        let Ok(Registration::Bound { binding, .. }) = run_from(&forged, sender) else { panic!("it binds") };
        assert_eq!(binding.path, [edge().to_string(), "<sip:x@192.0.2.66:25;lr>".to_owned()]);
    }
}
