//! The vectors of the RFCs, the rules of nonces, and round trips of the headers.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::test_util::request as parse_request;
use crate::{
    Limits, Message, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, SeededIds,
    TypedHeader, Uri,
};

const REALM: &str = "example.com";
const SHA_512_256_OF_A_B_C: &str = "8eb13a416df8d7c256bb1b2fdc7824b9ab088eba9459502ef1de3d73c9dd7901";

fn proof(nc: u32, cnonce: &str) -> Proof {
    Proof { nc, cnonce: cnonce.to_owned() }
}

/// RFC 2617 section 3.5.
#[test]
fn rfc_2617_vector() {
    let ha1 = Ha1::new(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
    let get = Method::Other("GET".into());
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    let response = Algorithm::Md5.response(&ha1, nonce, Some(&proof(1, "0a4f113b")), &get, "/dir/index.html");
    assert_eq!(response, "6629fae49393a05397450978507c4ef1");
}

/// RFC 7616 section 3.9.1, with both algorithms.
#[test]
fn rfc_7616_vectors() {
    let get = Method::Other("GET".into());
    let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let proof = proof(1, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
    for (algorithm, wanted) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let ha1 = Ha1::new(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(algorithm.response(&ha1, nonce, Some(&proof), &get, "/dir/index.html"), wanted);
    }
}

/// RFC 7616 section 3.9.2 has a name of which SHA-512/256 is taken; its figures are of another hash (errata 4897).
/// So: the hash of FIPS 180-4, and both sides agree (`every_algorithm`).
#[test]
fn sha_512_256() {
    let ha1 = Ha1::new(Algorithm::Sha512Trunc, "a", "b", "c");
    assert!(Ha1::from_hex(Algorithm::Sha512Trunc, SHA_512_256_OF_A_B_C).is_some_and(|known| known == ha1));
}

/// draft-smith-sipping-auth-examples-01 section 3.4: MD5-sess; and the session itself.
#[test]
fn md5_sess_vector() {
    let ha1 = Ha1::new(Algorithm::Md5Sess, "bob", "biloxi.com", "zanzibar");
    assert!(
        Ha1::from_hex(Algorithm::Md5, "12af60467a33e8518da5c68bbff12b11").is_some_and(|known| known == ha1)
    );
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    let (one, uri) = (proof(1, "0a4f113b"), "sip:bob@biloxi.com");
    let response = Algorithm::Md5Sess.response(&ha1, nonce, Some(&one), &Method::Invite, uri);
    assert_eq!(response, "e4e4ea61d186d07a92c9e1f6919902e9");
    let plain = Algorithm::Md5.response(&ha1, nonce, Some(&one), &Method::Invite, uri);
    assert_eq!(plain, "89eb0059246c02b2f6ee02c7961d5ea3", "section 3.3");
}

/// RFC 4231 section 4.3 checks HMAC-SHA-256 itself; here: key and every boundary between parts count.
#[test]
fn keyed_hash_depends_on_everything() {
    let base = keyed_hash(&[1; 32], &[b"ab", b"c"]);
    assert_eq!(base, keyed_hash(&[1; 32], &[b"ab", b"c"]));
    let others = [
        keyed_hash(&[2; 32], &[b"ab", b"c"]),
        keyed_hash(&[1; 32], &[b"a", b"bc"]),
        keyed_hash(&[1; 32], &[b"abc"]),
        keyed_hash(&[1; 32], &[b"ab", b"c", b""]),
    ];
    assert!(!others.contains(&base));
}

/// RFC 7616 section 3.9.1: the challenges and the answer as they are printed there.
#[test]
fn rfc_7616_headers() {
    let lines = [
        r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/x", opaque="FQhe/q""#,
        r#"Digest realm="http-auth@example.org",qop="auth, auth-int",algorithm=MD5,nonce="7ypf/x",stale=TRUE"#,
        r#"Digest realm="x", qop="auth", algorithm=SHA-1024, nonce="1""#,
        r#"Digest realm="x", qop="auth-int", algorithm=MD5, nonce="1""#,
        r#"NTLM realm="SIP Communications Service", targetname="fe1", version=4"#,
    ];
    let WwwAuthenticate(list) = WwwAuthenticate::parse_all(&mut lines.into_iter()).unwrap().unwrap();
    assert_eq!(list.iter().map(|one| one.algorithm).collect::<Vec<_>>(), [Algorithm::Sha256, Algorithm::Md5]);
    assert_eq!((list[0].opaque.as_deref(), list[0].stale, list[0].qop_auth), (Some("FQhe/q"), false, true));
    assert!(list[1].stale);
    let line = r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5,
        nonce="7ypf/x", nc=00000001, cnonce="f2/wE", qop=auth, response="8ca523f5e9506fed4657c9700eebdbec""#;
    let line = line.replace('\n', " ");
    let Authorization(list) = Authorization::parse_all(&mut std::iter::once(line.as_str())).unwrap().unwrap();
    assert_eq!((list[0].username.as_str(), list[0].proof.clone()), ("Mufasa", Some(proof(1, "f2/wE"))));
}

/// Hostile values are errors, not panics and not guesses.
#[test]
fn bad_headers() {
    for bad in [
        "Digest",
        "Digest username",
        r#"Digest username="a"#,
        r#"Digest username="a\"#,
        r#"Digest username="a" realm="b""#,
        r#"Digest username="a", realm="b", nonce="c", uri="d""#,
        r#"Digest username="a", username="b", realm="b", nonce="c", uri="d", response="e""#,
        r#"Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth, nc=1, cnonce="x""#,
        r#"Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth, nc=+0000001, cnonce="x""#,
        r#"Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth, nc=00000001"#,
        r#"Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth-int, nc=00000001, cnonce="x""#,
        "Digest username=\"a\u{0}\", realm=\"b\", nonce=\"c\", uri=\"d\", response=\"e\"",
    ] {
        assert!(Authorization::parse_all(&mut std::iter::once(bad)).is_err(), "{bad}");
    }
    let many: String = (0..40).map(|n| format!("a{n}=1,")).collect();
    assert!(Authorization::parse_all(&mut std::iter::once(format!("Digest {many}").as_str())).is_err());
    let long = format!("Digest realm=\"{}\"", "x".repeat(5000));
    assert!(WwwAuthenticate::parse_all(&mut std::iter::once(long.as_str())).is_err());
    assert!(WwwAuthenticate::parse_all(&mut std::iter::repeat_n("NTLM", 17)).is_err());
}

/// A server, its users, a client with Alice's password, and the clock.
struct Scene {
    server: DigestServer,
    accounts: Accounts,
    client: DigestClient,
    ids: SeededIds,
    now: Instant,
}

impl Scene {
    fn new() -> Scene {
        let (mut ids, now) = (SeededIds::new(3), Instant::now());
        let accounts = Accounts::parse("# people\n\nalice@Example.com:open:sesame\nbob@example.com:bob\n");
        Scene {
            server: DigestServer::new(&mut ids, now).with_life(Duration::from_secs(60)),
            accounts: accounts.expect("a list"),
            client: DigestClient::new(Credentials::new("alice@example.com", "open:sesame", REALM)),
            ids,
            now,
        }
    }

    fn with_password(username: &str, password: &str) -> Scene {
        let client = DigestClient::new(Credentials::new(username, password, REALM));
        Scene { client, ..Scene::new() }
    }

    /// The client gets a challenge for `flow`, of the strongest algorithm.
    fn challenge(&mut self, flow: &str) -> Challenge {
        let challenge = self.server.challenges(REALM, flow, false, &mut self.ids, self.now).remove(0);
        self.client.learn(Kind::Www, challenge.clone());
        challenge
    }

    fn request(&mut self) -> Request {
        let mut draft = register();
        self.client.authorize(&mut draft, &mut self.ids);
        read(&draft)
    }

    fn check(&mut self, request: &Request, flow: &str) -> Verdict {
        self.server.check(request, flow, &self.accounts, self.now)
    }
}

fn register() -> RequestDraft {
    let alice: NameAddr = "<sip:alice@example.com>;tag=1".parse().expect("an address");
    RequestDraft::new(Method::Register, Uri::parse("sip:example.com").expect("a URI"))
        .header("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
        .from(alice.clone())
        .to(alice.without_tag())
        .call_id("x")
        .cseq(1)
}

fn read(draft: &RequestDraft) -> Request {
    parse_request(std::str::from_utf8(&draft.write()).expect("text"))
}

fn accepted() -> Verdict {
    Verdict::Accepted { user: "alice@example.com".to_owned() }
}

/// One nonce serves many requests, each with the next count; none is good twice.
#[test]
fn counts_grow() {
    let mut t = Scene::new();
    assert_eq!(t.check(&read(&register()), "1"), Verdict::Missing);
    t.challenge("1");
    let requests: Vec<Request> = (0..3).map(|_| t.request()).collect();
    for request in &requests {
        assert_eq!(t.check(request, "1"), accepted());
    }
    for request in &requests {
        assert_eq!(t.check(request, "1"), Verdict::Stale, "sent again");
    }
    assert_eq!(t.server.remembered(), 1);
}

/// A nonce is good on its flow only, for its time only, and at its server only.
#[test]
fn nonces_are_bound() {
    let mut t = Scene::new();
    t.challenge("1");
    let request = t.request();
    assert_eq!(t.check(&request, "2"), Verdict::Stale);
    let mut other = Scene { server: DigestServer::new(&mut SeededIds::new(99), t.now), ..Scene::new() };
    assert_eq!(other.check(&request, "1"), Verdict::Stale);
    assert_eq!(t.check(&request, "1"), accepted(), "and only now it is used");
    t.now += Duration::from_secs(61);
    let late = t.request();
    assert_eq!(t.check(&late, "1"), Verdict::Stale);
    assert_eq!(t.server.remembered(), 0, "what is over is forgotten");
    t.challenge("1");
    let fresh = t.request();
    assert_eq!(t.check(&fresh, "1"), accepted());
}

/// Nonces that had to be forgotten early are not good again.
#[test]
fn forgotten_nonces_stay_over() {
    let mut t = Scene::new();
    t.server = DigestServer::new(&mut SeededIds::new(5), t.now).with_used_max(1);
    t.challenge("1");
    let first = t.request();
    assert_eq!(t.check(&first, "1"), accepted());
    t.now += Duration::from_secs(1);
    t.challenge("1");
    let second = t.request();
    assert_eq!(t.check(&second, "1"), accepted());
    assert_eq!((t.server.remembered(), t.check(&first, "1")), (1, Verdict::Stale));
}

/// Wrong password, unknown user, another method or Request-URI: the same refusal, and nothing is remembered.
#[test]
fn refusals_look_alike() {
    for (name, password) in [("alice@example.com", "wrong"), ("nobody@example.com", "x"), ("", "")] {
        let mut t = Scene::with_password(name, password);
        t.challenge("1");
        let request = t.request();
        assert_eq!((t.check(&request, "1"), t.server.remembered()), (Verdict::Refused, 0), "{name}");
        assert_eq!(
            t.check(&request, "2"),
            Verdict::Stale,
            "a stranger does not learn whether a password is good"
        );
    }
    let mut t = Scene::new();
    t.challenge("1");
    let mut draft = register();
    t.client.authorize(&mut draft, &mut t.ids);
    let mut elsewhere = draft.clone();
    elsewhere.uri = Uri::parse("sip:other.example.com").expect("a URI");
    assert_eq!(t.check(&read(&elsewhere), "1"), Verdict::Refused);
    draft.method = Method::Invite;
    assert_eq!(t.check(&read(&draft.cseq(1)), "1"), Verdict::Refused);
    let mut broken = register();
    broken.push_header("Authorization", "Digest username=");
    assert_eq!(t.check(&read(&broken), "1"), Verdict::Malformed);
    let mut foreign = register();
    foreign.push_header("Authorization", r#"NTLM response="x""#);
    assert_eq!(t.check(&read(&foreign), "1"), Verdict::Missing);
}

/// Old peers: MD5, a name without domain, no `qop`; without a count a nonce is good once.
#[test]
fn old_peers() {
    let mut t = Scene::with_password("alice", "open:sesame");
    let mut challenge = t.server.challenges(REALM, "1", false, &mut t.ids, t.now).remove(1);
    assert_eq!(challenge.algorithm, Algorithm::Md5);
    challenge.qop_auth = false;
    t.client.learn(Kind::Www, challenge.clone());
    let request = t.request();
    assert_eq!(t.check(&request, "1"), accepted());
    assert_eq!(t.check(&request, "1"), Verdict::Stale);
    t.client.learn(Kind::Www, challenge);
    let again = t.request();
    assert_eq!(t.check(&again, "1"), Verdict::Stale, "another request with the same nonce");
}

/// Every algorithm with several requests of one nonce: what both sides compute is the same, and the server's proof fits.
#[test]
fn every_algorithm() {
    for algorithm in Algorithm::ALL {
        let mut t = Scene::new();
        t.server = DigestServer::new(&mut t.ids, t.now).with_algorithms([algorithm]);
        let challenge = t.challenge("1");
        assert_eq!(challenge.algorithm, algorithm);
        for _ in 0..3 {
            let request = t.request();
            assert_eq!(t.check(&request, "1"), accepted(), "{algorithm}");
            assert_eq!(t.check(&request, "1"), Verdict::Stale, "{algorithm}");
            let info = t.server.info(&request, "1", &t.accounts, &mut t.ids, t.now).expect("a proof");
            let line = info.to_string();
            assert_eq!(t.client.check(&ok(&request, &line)), ServerProof::Right, "{algorithm}: {line}");
        }
    }
}

fn ok(request: &Request, info: &str) -> Response {
    let draft = ResponseDraft::to(request, 200).to_tag("2").header("Authentication-Info", info);
    match Message::parse(draft.write(), &Limits::default()) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// A client that keeps the session of its first answer and changes its own nonce is right, too; another user is not.
#[test]
fn sessions_go_on_with_another_cnonce() {
    let mut t = Scene::new();
    t.server = DigestServer::new(&mut t.ids, t.now).with_algorithms([Algorithm::Md5Sess]);
    let challenge = t.challenge("1");
    let first = t.request();
    let Some(Authorization(sent)) = first.header().unwrap() else { panic!() };
    assert_eq!(t.check(&first, "1"), accepted());
    let ha1 = Ha1::new(Algorithm::Md5, "alice@example.com", REALM, "open:sesame");
    let cnonce = &sent[0].proof.as_ref().expect("a proof").cnonce;
    let session = Algorithm::Md5Sess.session(&ha1, &challenge.nonce, cnonce);
    let mut next = |name: &str, nc: u32| {
        let mut answer = Answer::of(&challenge, name, "sip:example.com", Some(proof(nc, "another")));
        let with = Some((&*format!("{nc:08x}"), "another"));
        answer.response =
            Algorithm::Md5Sess.respond(&session, &challenge.nonce, with, "REGISTER", "sip:example.com");
        let draft = register().header("Authorization", answer.to_string());
        t.check(&read(&draft), "1")
    };
    assert_eq!(next("alice@example.com", 2), accepted());
    assert_eq!(next("bob@example.com", 3), Verdict::Refused);
    assert_eq!(next("alice@example.com", 2), Verdict::Stale);
}

/// RFC 7616 section 3.5: the next nonce is used from then on; a proof that is wrong is told, and nothing else in it counts.
#[test]
fn authentication_info() {
    let mut t = Scene::new();
    t.challenge("1");
    let request = t.request();
    assert_eq!(t.check(&request, "1"), accepted());
    let fresh = t.server.info(&request, "1", &t.accounts, &mut t.ids, t.now).expect("a proof");
    assert_eq!(fresh.next_nonce, None);
    t.now += Duration::from_secs(31);
    let mut info = t.server.info(&request, "1", &t.accounts, &mut t.ids, t.now).expect("a proof");
    let next = info.next_nonce.clone().expect("half of its life is over");
    let mut forged = info.clone();
    forged.rspauth = Some("0".repeat(64));
    assert_eq!(t.client.check(&ok(&request, &forged.to_string())), ServerProof::Wrong);
    assert_eq!(t.client.check(&ok(&request, &info.to_string())), ServerProof::Right);
    let request = t.request();
    let Some(Authorization(sent)) = request.header().unwrap() else { panic!() };
    assert_eq!((&sent[0].nonce, sent[0].proof.as_ref().map(|proof| proof.nc)), (&next, Some(1)));
    assert_eq!(t.check(&request, "1"), accepted());
    // Without a proof the nonce counts, and other schemes are none of ours.
    info = AuthenticationInfo { next_nonce: Some("next".to_owned()), ..AuthenticationInfo::default() };
    assert_eq!(t.client.check(&ok(&request, &info.to_string())), ServerProof::None);
    assert_eq!(t.client.authorize(&mut register(), &mut t.ids), ["next"]);
    assert_eq!(
        t.client.check(&ok(&request, "NTLM rspauth=\"01\", srand=\"1\", snum=\"1\"")),
        ServerProof::None
    );
    assert_eq!(t.client.check(&ok(&request, "Digest nextnonce=\"more\"")), ServerProof::None);
    assert_eq!(t.client.authorize(&mut register(), &mut t.ids), ["more"]);
}

/// RFC 3261 sections 22.2 and 22.3: servers and proxies ask in one response, several times; each is answered once, with its
/// strongest algorithm, and only those that the password is for.
#[test]
fn challenges_of_several_at_once() {
    let mut t = Scene::new();
    let request = read(&register());
    let ask =
        |realm: &str, nonce: &str, rest: &str| format!("Digest realm=\"{realm}\", nonce=\"{nonce}\"{rest}");
    for status in [401, 407] {
        let draft = ResponseDraft::to(&request, status)
            .header("WWW-Authenticate", ask(REALM, "w1", ", qop=\"auth\", algorithm=MD5"))
            .header("Proxy-Authenticate", ask("Example.COM", "p1", ", algorithm=SHA-256, qop=auth"))
            .header("WWW-Authenticate", ask(REALM, "w2", ", qop=\"auth-int,auth\", algorithm=SHA-256"))
            .header("WWW-Authenticate", ask("evil.example.net", "e", ""))
            .header("Proxy-Authenticate", "NTLM realm=\"SIP Communications Service\", targetname=\"a\"")
            .header("Proxy-Authenticate", ask(REALM, "p2", ", algorithm=MD5-sess"));
        let Ok(Message::Response(response)) = Message::parse(draft.write(), &Limits::default()) else {
            panic!()
        };
        let asked = t.client.choose_all(&response);
        let nonces: Vec<_> = asked.iter().map(|(kind, one)| (*kind, one.nonce.as_str())).collect();
        assert_eq!(nonces, [(Kind::Www, "w2"), (Kind::Proxy, "p1")], "{status}");
        let best = t.client.choose(&response).map(|(kind, _)| kind);
        assert_eq!(best, Kind::of_status(status));
        asked.into_iter().for_each(|(kind, challenge)| t.client.learn(kind, challenge));
    }
    let mut draft = register();
    assert_eq!(t.client.authorize(&mut draft, &mut t.ids), ["w2", "p1"]);
    assert!(draft.get("Authorization").is_some() && draft.get("Proxy-Authorization").is_some());
}

/// As a proxy: the other two headers; an answer for one is none for the other.
#[test]
fn proxies_ask_too() {
    let mut t = Scene::new();
    t.server = DigestServer::new(&mut t.ids, t.now).with_kind(Kind::Proxy);
    let challenge = t.server.challenges(REALM, "1", false, &mut t.ids, t.now).remove(0);
    t.client.learn(Kind::Www, challenge.clone());
    let request = t.request();
    assert_eq!(t.check(&request, "1"), Verdict::Missing);
    t.client.forget(Kind::Www, REALM);
    t.client.learn(Kind::Proxy, challenge);
    let request = t.request();
    assert_eq!(t.check(&request, "1"), accepted());
}

/// Spellings that peers send and that mean what they should, and some that mean nothing.
#[test]
fn odd_spellings() {
    let mut t = Scene::new();
    let challenge = t.challenge("1");
    let ha1 = Ha1::new(Algorithm::Md5, "alice@example.com", REALM, "open:sesame");
    let (nonce, uri) = (&challenge.nonce, "sip:example.com");
    let hash = |nc: &str, uri: &str| Algorithm::Md5.respond(&ha1, nonce, Some((nc, "c")), "REGISTER", uri);
    let (low, high) = (hash("0000000a", uri), hash("0000000B", uri));
    let nonsense = hash("0000000c", "(null)");
    let base = format!("realm=\"{REALM}\", nonce=\"{nonce}\"");
    let star = "UTF-8''alice%40example.com";
    let table = [
        // Without quotes, with tabs and blanks, in other letters, the algorithm left out.
        (
            format!(
                "DIGEST\tusername=alice@example.com ,\trealm = {REALM}, NONCE=\"{nonce}\", uri={uri}, \
            qop=\"AUTH\", nc=\"0000000a\", cnonce=c, response={}",
                low.to_uppercase()
            ),
            accepted(),
        ),
        (
            format!(
                "Digest username=\"alice@example.com\", {base}, uri=\"{uri}\", algorithm=\"md5\", qop=auth, \
            nc=0000000B, cnonce=\"c\", response=\"{high}\",auth-param=x"
            ),
            accepted(),
        ),
        (
            format!(
                "Digest username*={star}, {base}, uri=\"{uri}\", qop=auth, nc=0000000c, cnonce=c, response=\"{}\"",
                hash("0000000c", uri)
            ),
            accepted(),
        ),
        (
            format!(
                "Digest username=\"alice@example.com\", {base}, uri=\"{uri}\", userhash=false, qop=auth, \
            nc=0000000d, cnonce=c, response=\"{}\"",
                hash("0000000d", uri)
            ),
            accepted(),
        ),
        (
            format!(
                "Digest username=\"alice@example.com\", {base}, uri=\"{uri}\", userhash=true, qop=auth, \
            nc=0000000e, cnonce=c, response=\"{}\"",
                hash("0000000e", uri)
            ),
            Verdict::Refused,
        ),
        (
            format!(
                "Digest username=\"alice@example.com\", {base}, uri=\"(null)\", qop=auth, nc=0000000c, cnonce=c, \
            response=\"{nonsense}\""
            ),
            Verdict::Refused,
        ),
        (
            format!("Digest username=\"alice\", username*={star}, {base}, uri=\"{uri}\", response=x"),
            Verdict::Malformed,
        ),
        (
            format!("Digest username*=iso-8859-1''alice, {base}, uri=\"{uri}\", response=x"),
            Verdict::Malformed,
        ),
        (format!("Digest username*=UTF-8''%4, {base}, uri=\"{uri}\", response=x"), Verdict::Malformed),
        (
            format!("Digest username=alice, {base}, uri=\"{uri}\", algorithm=MD5-sess, response=x"),
            Verdict::Malformed,
        ),
        (
            format!(
                "Digest username=alice, {base}, uri=\"{uri}\", qop=auth-int, nc=00000001, cnonce=c, response=x"
            ),
            Verdict::Malformed,
        ),
        (
            format!("Digest username=alice, {base}, uri=\"{uri}\", algorithm=SHA-1024, response=x"),
            Verdict::Missing,
        ),
        (
            format!("Digest username=alice, {base}, uri=\"{uri}\", algorithm=SHA-512-256, response=x"),
            Verdict::Refused,
        ),
    ];
    for (line, wanted) in table {
        assert_eq!(t.check(&read(&register().header("Authorization", line.as_str())), "1"), wanted, "{line}");
    }
    t.server = DigestServer::new(&mut t.ids, t.now).with_any_uri(true);
    let fresh = t.challenge("1").nonce;
    let response = Algorithm::Md5.respond(&ha1, &fresh, Some(("00000001", "c")), "REGISTER", "(null)");
    let line = format!(
        "Digest username=alice@example.com, realm={REALM}, nonce=\"{fresh}\", uri=\"(null)\", qop=auth, \
        nc=00000001, cnonce=c, response=\"{response}\""
    );
    assert_eq!(
        t.check(&read(&register().header("Authorization", line)), "1"),
        accepted(),
        "when it may be any"
    );
}

/// Guesses are counted, for those who exist and those who do not; a lock hides even the right password, and ends.
#[test]
fn guessing_is_locked_out() {
    let address = "198.51.100.7".parse().ok();
    for name in ["alice@example.com", "nobody@example.com"] {
        let mut t = Scene::with_password(name, "wrong");
        t.challenge("1");
        let guess = |t: &mut Scene| {
            let request = t.request();
            t.server.check_from(&request, "1", address, &t.accounts, t.now)
        };
        for _ in 0..5 {
            assert_eq!(guess(&mut t), Verdict::Refused, "{name}");
        }
        let wait = Duration::from_secs(2);
        assert_eq!(guess(&mut t), Verdict::Locked { wait }, "{name}");
        t.client = DigestClient::new(Credentials::new("alice@example.com", "open:sesame", REALM));
        t.challenge("1");
        let verdict = guess(&mut t);
        // Who did not get the nonce is not counted, and learns nothing.
        let request = t.request();
        let elsewhere = t.server.check_from(&request, "2", address, &t.accounts, t.now);
        assert_eq!(elsewhere, Verdict::Stale);
        if name.starts_with("alice") {
            assert_eq!(verdict, Verdict::Locked { wait });
            t.now += wait;
            assert_eq!(guess(&mut t), accepted());
        } else {
            assert_eq!(verdict, accepted(), "another identity is not locked by this one");
        }
    }
}

/// CVE-2021-41158: who asks for another realm gets nothing to guess with.
#[test]
fn foreign_realms_get_no_answer() {
    let mut t = Scene::new();
    t.client.learn(Kind::Proxy, Challenge::new("evil.example.net", "1", Algorithm::Md5));
    assert!(t.request().headers().get("Proxy-Authorization").is_none());
    assert!(!format!("{:?}{:?}", t.client, t.accounts).contains("sesame"));
}

/// The list of users: passwords with colons, hashes, comments; faults tell the line and never its text.
#[test]
fn lists_of_users() {
    let sha = "a".repeat(64);
    let list = format!("alice@example.com:{{SHA-256}}{sha}\nalice@example.com:{{MD5}}{}\n", "b".repeat(32));
    let accounts = Accounts::parse(&list).expect("a list");
    assert!(accounts.serves("EXAMPLE.com") && !accounts.serves("example.net") && !accounts.is_empty());
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        assert!(accounts.find("alice@Example.com", "example.com", algorithm).is_some());
        assert!(accounts.find("alice", "example.com", algorithm).is_none(), "its hash is not known");
        assert!(accounts.find("alice@example.com", "example.net", algorithm).is_none());
    }
    for (bad, line) in [
        ("alice", 1),
        ("\nalice:secret", 2),
        ("@example.com:x", 1),
        ("a@b@c:x", 1),
        ("alice@example.com:", 1),
        ("a@b:{MD5}12", 1),
        ("a@b:{SHA-1}12", 1),
        ("a@b:secret\na@b:other", 2),
    ] {
        let error = Accounts::parse(bad).expect_err(bad);
        assert_eq!(error.line, line, "{bad}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{0,20}"
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    proptest::sample::select(&Algorithm::ALL[..])
}

proptest! {
    /// What is written is read again, whatever the texts hold.
    #[test]
    fn headers_round_trip(
        (realm, nonce, name, uri) in (text(), text(), text(), text()),
        opaque in proptest::option::of(text()),
        algorithm in algorithms(),
        (qop_auth, stale, nc) in any::<(bool, bool, u32)>(),
    ) {
        let challenge = Challenge { realm, nonce, algorithm, qop_auth: qop_auth || algorithm.has_session(), opaque, stale };
        let line = challenge.to_string();
        let read = WwwAuthenticate::parse_all(&mut std::iter::once(line.as_str()));
        prop_assert_eq!(read, Ok(Some(WwwAuthenticate(vec![challenge.clone()]))));
        let proof = challenge.qop_auth.then(|| Proof { nc, cnonce: name.clone() });
        let mut answer = Answer::of(&challenge, &name, &uri, proof.clone());
        answer.response = name;
        let line = answer.to_string();
        let read = Authorization::parse_all(&mut std::iter::once(line.as_str()));
        prop_assert_eq!(read, Ok(Some(Authorization(vec![answer]))));
        let info = AuthenticationInfo { next_nonce: Some(uri), rspauth: None, proof };
        let read = AuthenticationInfo::parse_all(&mut std::iter::once(info.to_string().as_str()));
        prop_assert_eq!(read, Ok(Some(info)));
    }

    /// Any text is read without harm, and what was read can be written and read again.
    #[test]
    fn any_text_is_read(text in "(Digest )?[a-z]{0,3}[\\PC\"\\\\,= ]{0,60}") {
        if let Ok(Some(Authorization(list))) = Authorization::parse_all(&mut std::iter::once(text.as_str())) {
            for answer in list {
                let line = answer.to_string();
                let again = Authorization::parse_all(&mut std::iter::once(line.as_str()));
                prop_assert_eq!(again, Ok(Some(Authorization(vec![answer]))));
            }
        }
    }

    /// No change of a used nonce, a count or a proof is accepted.
    #[test]
    fn no_other_nonce_is_accepted(at in 0_usize..64, by in 1_u8..15) {
        let mut t = Scene::new();
        let mut challenge = t.challenge("1");
        let mut bytes = challenge.nonce.clone().into_bytes();
        let digit = char::from(bytes[at]).to_digit(16).expect("a digit") as u8;
        bytes[at] = char::from_digit(u32::from((digit + by) % 16), 16).expect("a digit") as u8;
        challenge.nonce = String::from_utf8(bytes).expect("digits");
        t.client.learn(Kind::Www, challenge);
        let request = t.request();
        prop_assert_eq!(t.check(&request, "1"), Verdict::Stale);
    }
}
