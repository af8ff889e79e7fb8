//! What the valid messages mean: values that a wrong parser reads otherwise.

use sip_core::header::{Contact, Date, HeaderErrorKind};
use sip_core::multipart::MultipartLimits;
use sip_core::{Limits, Message, Method, Request, RequestDraft, Response};

fn request(name: &str) -> Request {
    match Message::parse(super::message(name), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn response(name: &str) -> Response {
    match Message::parse(super::message(name), &Limits::default()) {
        Ok(Message::Response(response)) => response,
        other => panic!("{name}: {other:?}"),
    }
}

/// RFC 4475 section 3.1.1.1.
#[test]
fn wsinv() {
    let m = request("wsinv");
    assert!(m.uri().has_param("unknownparam"));
    assert_eq!(m.to().tag(), Some("1918181833n"));
    assert_eq!((m.from().display_text().as_deref(), m.from().tag()), (Some("Ines \\\"Q\""), Some("98asjd8")));
    assert_eq!((m.max_forwards(), m.cseq().number), (Some(68), 9));
    assert_eq!((m.via().host(), m.via().branch()), ("192.0.2.12", Some("390skdjuw")));
    assert_eq!(m.headers().values("Via").count(), 3);
    assert_eq!(m.headers().get("Subject"), Some(""));
    assert_eq!(m.headers().get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let contact = m.contact().unwrap();
    assert_eq!(contact.display_text().as_deref(), Some("Quoted string \"\""));
    let params = (contact.param("newparam"), contact.param("secondparam"), contact.param("q"));
    assert_eq!(params, (Some("newvalue"), Some(""), Some("0.33")));
    assert_eq!(m.route()[0].uri().param("unknownwith"), Some("value"));
    assert_eq!(m.content_type(), Some("application/sdp"));
}

/// RFC 4475 section 3.1.1.2.
#[test]
fn intmeth() {
    let m = request("intmeth");
    assert!(matches!(m.method(), Method::Other(name) if name.ends_with(".%sure'~")));
    assert_eq!(m.uri().host(), "example.org");
    assert!(m.uri().user().is_some_and(|user| user.ends_with(",/;;*")), "the rest is the password");
    assert_eq!(m.to().display_text().as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(m.from().display(), Some("word1~` word2'+_ word3*%!.-"));
    assert_eq!(m.from().param("fromParam''~+*_!.-%"), Some("работа"));
    assert_eq!(m.from().tag(), Some("_token~1'+`*%!-."));
    assert!(m.call_id().ends_with("`~)(><:\\/\"][?}{"));
    assert_eq!(m.headers().get("EXTENSIONHEADER-!.%*+_`'~"), Some("\u{feff}大停電"));
}

/// RFC 4475 sections 3.1.1.3 to 3.1.1.5: escapes are kept, and mean nothing outside of URIs.
#[test]
fn escapes() {
    let m = request("esc01");
    assert_eq!((m.uri().user(), m.uri().host()), (Some("sips%3Aoda%40example.org"), "example.net"));
    assert!(m.to().uri().equivalent(&"sip:oda@example.org".parse().unwrap()));
    let contact = m.contact().unwrap().uri();
    assert!(contact.is_loose_router(), "%6C%72 is lr");
    assert_eq!(contact.param("name"), Some("v%61lue%25%34%31"));
    assert!(contact.equivalent(&"sip:ines@host5.example.net;lr;name=value%2541".parse().unwrap()));
    let m = request("escnull");
    let contacts = m.header::<Contact>().unwrap().unwrap();
    let [one, two] = contacts.addresses() else { panic!("two contacts") };
    assert!(!one.uri().equivalent(two.uri()));
    let m = request("esc02");
    assert_eq!(m.method().as_str(), "RE%47IST%45R");
    assert_eq!(m.to().display(), Some("%Z%45"));
}

/// RFC 4475 sections 3.1.1.6 to 3.1.1.11.
#[test]
fn valid_ones_in_between() {
    let m = request("lwsdisp");
    assert_eq!(m.from().display(), Some("Ines"));
    let m = request("longreq");
    assert_eq!(m.headers().values("Via").count(), 34);
    assert_eq!(m.to().uri().port(), Some(6000));
    let m = request("dblreq");
    assert!(*m.method() == Method::Register && m.body().is_empty());
    let m = request("semiuri");
    assert_eq!((m.uri().user(), m.uri().params().count()), (Some("oda;par=o%40example.net"), 0));
    let m = request("transports");
    assert_eq!(m.headers().values("Via").count(), 5);
    let m = request("mpart01");
    assert_eq!(m.header::<Date>().unwrap().map(|date| date.unix_s), Some(1_129_351_496));
    let parts = m.multipart(MultipartLimits::default()).unwrap().unwrap();
    let sizes: Vec<_> = parts.parts().iter().map(|part| (part.mime(), part.body().len())).collect();
    assert_eq!(sizes, [("text/plain", 7), ("application/octet-stream", 270)]);
}

/// RFC 4475 sections 3.1.1.12 and 3.1.1.13.
#[test]
fn reasons() {
    assert!(response("unreason").reason().starts_with("= 2**3 * 5**2 но сто"));
    assert_eq!((response("noreason").status(), response("noreason").reason()), (100, ""));
}

/// RFC 4475 section 3.1.2.12: who needs the Date is told that it is none.
#[test]
fn baddate() {
    let kind = request("baddate").header::<Date>().map_err(|e| e.kind);
    assert_eq!(kind, Err(HeaderErrorKind::Syntax));
}

/// RFC 4475 sections 3.3.12 to 3.3.14: whose parameter it is.
#[test]
fn contact_parameters() {
    let whose = |name| {
        let m = request(name);
        let contact = m.contact().unwrap();
        (contact.param("unknownparam").is_some(), contact.uri().has_param("unknownparam"))
    };
    assert_eq!((whose("cparam01"), whose("cparam02")), ((true, false), (false, true)));
    let m = request("regescrt");
    assert_eq!(m.contact().unwrap().uri().headers(), "Route=%3Csip:edge.example.org%3E");
}

/// RFC 5118.
#[test]
fn ipv6() {
    let addr = |name| request(name).uri().sip_addr().map(|addr| addr.to_string());
    assert_eq!(addr("ipv6-good"), Some("[2001:db8::10]:5060".into()));
    assert_eq!(addr("port-ambiguous"), Some("[2001:db8::10:5070]:5060".into()));
    assert_eq!(addr("port-unambiguous"), Some("[2001:db8::10]:5070".into()));
    assert_eq!(addr("ipv6-bug-abnf-3-colons"), addr("ipv6-correct-abnf-2-colons"));
    assert_eq!(addr("ipv6-bug-abnf-3-colons"), Some("[2001:db8::c000:201]:5060".into()));
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(request(name).via().received(), "2001:db8::9:255".parse().ok(), "{name}");
    }
    let m = request("ipv4-mapped-ipv6");
    assert_eq!(m.via().response_addr(), "[::ffff:192.0.2.10]:19823".parse().ok());
}

/// What is forwarded is what came: every header in its order, every value as it was.
#[test]
fn every_valid_request_is_forwarded_unchanged() {
    for row in super::TABLE {
        let Ok(Message::Request(m)) = Message::parse(super::message(row.name), &Limits::default()) else {
            continue;
        };
        let copy = RequestDraft::from_request(&m).write();
        let Ok(Message::Request(again)) = Message::parse(copy, &Limits::default()) else {
            panic!("{}", row.name)
        };
        let lines = |m: &Request| -> Vec<(String, String)> {
            let resolved = |n: &str| match sip_core::HeaderName::resolve(n) {
                sip_core::HeaderName::Other => n.to_owned(),
                known => known.as_str().to_owned(),
            };
            let all = m.headers().iter().map(|(n, v)| (resolved(n), v.to_owned()));
            all.filter(|(n, _)| n != "Content-Length" && n != "Via").collect()
        };
        assert_eq!(lines(&m), lines(&again), "{}", row.name);
        let vias = |m: &Request| m.headers().values("Via").map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((vias(&m), m.body()), (vias(&again), again.body()), "{}", row.name);
    }
}
