//! Properties of messages over generated input: round trips, splits, and that no bytes do harm.

use std::fmt::{Debug, Display};

use bytes::Bytes;
use proptest::prelude::*;
use sip_core::header::{
    Accept, AcceptEncoding, AcceptLanguage, Allow, Contact, ContentDisposition, ContentLanguage,
    ContentLength, ContentType, Date, DialogRecoveryAction, Event, MsDiagnostics, Reason, RetryInfo, Route,
    SessionExpires, SubscriptionState, Supported, TypedHeader, Warning,
};
use sip_core::message::parse_for_reply;
use sip_core::multipart::{Multipart, MultipartKind, MultipartLimits, Part};
use sip_core::{
    Frame, Limits, Message, Method, NameAddr, RequestDraft, ResponseDraft, SeededIds, StreamFramer,
    TransportKind, Uri, Via,
};

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,8}(\\.[a-z]{1,5}){0,2}",
        Just("192.0.2.1".into()),
        Just("[2001:db8::1]".into())
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = proptest::option::of("[a-zA-Z0-9._~*'()&=+$,;?/-]{1,10}");
    let params =
        proptest::collection::vec(("[a-z]{1,6}", proptest::option::of("[a-zA-Z0-9:/+-]{1,8}")), 0..4);
    (any::<bool>(), user, host(), proptest::option::of(any::<u16>()), params).prop_map(
        |(tls, user, host, port, params)| {
            let mut text = String::from(if tls { "sips:" } else { "sip:" });
            text += &user.map(|u| u + "@").unwrap_or_default();
            text += &host;
            text += &port.map(|p| format!(":{p}")).unwrap_or_default();
            let base = Uri::parse(&text).expect("a URI by construction");
            params.iter().fold(base, |uri, (name, value)| uri.with_param(name, value.as_deref()))
        },
    )
}

/// Three URIs, as a rule of the same resource: other case, escapes and orders, and parameters that do not count. Those have the
/// same value wherever they are.
fn similar_uris() -> impl Strategy<Value = [Uri; 3]> {
    (resource(), [spelling(), spelling(), spelling()]).prop_map(|(shared, spellings)| {
        spellings.map(|(other, [user, host, headers, strict], loose)| {
            let parts = other.unwrap_or(shared);
            let pick = |pair: [&'static str; 2], second| pair[usize::from(second)];
            let (user, host) = (pick(parts.1, user), pick(parts.2, host));
            let (strict, headers) = (pick(parts.4, strict), pick(parts.5, headers));
            let (before, after) = loose.split_at(loose.len() / 2);
            let (before, after) = (before.concat(), after.concat());
            let text = format!("{}{user}{host}{}{before}{strict}{after}{headers}", parts.0, parts.3);
            Uri::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"))
        })
    })
}

/// Scheme, user, host, port, parameters that count, headers: in two spellings where there are two.
type Resource =
    (&'static str, [&'static str; 2], [&'static str; 2], &'static str, [&'static str; 2], [&'static str; 2]);

fn resource() -> impl Strategy<Value = Resource> {
    (
        prop_oneof![Just("sip:"), Just("sips:")],
        prop_oneof![
            Just(["", ""]),
            Just(["a@", "%61@"]),
            Just(["A@", "%41@"]),
            Just(["a:p@", "%61:%70@"]),
            Just(["%3a@", "%3A@"])
        ],
        prop_oneof![Just(["h", "H"]), Just(["[::a]", "[0:0::A]"])],
        prop_oneof![Just(""), Just(":5060")],
        prop_oneof![Just(["", ""]), Just([";transport=udp", ";Transport=U%44P"])],
        prop_oneof![Just(["", ""]), Just(["?a=b&c=d", "?c=%64&A=b"])],
    )
}

/// Now and then another resource; which spelling; and what does not count.
fn spelling() -> impl Strategy<Value = (Option<Resource>, [bool; 4], Vec<&'static str>)> {
    let loose = proptest::sample::subsequence(vec![";x=1", ";X=%31", ";lr", ";l%72", ";y"], 0..4);
    (proptest::option::weighted(0.2, resource()), any::<[bool; 4]>(), loose.prop_shuffle())
}

fn part() -> impl Strategy<Value = Part> {
    let headers = proptest::collection::vec(("[A-Za-z-]{1,12}", ".{0,20}"), 0..4);
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        "(\r|\n|-|\r\n--|[a-f0-9]){0,40}".prop_map(String::into_bytes),
    ];
    (headers, body).prop_map(|(headers, body)| {
        let part = Part::new("text/plain", body);
        headers.iter().fold(part, |part, (name, value)| part.with_header(name, value))
    })
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    (uri(), ".{0,10}", proptest::option::of(token()), proptest::option::of(".{0,10}")).prop_map(
        |(uri, name, tag, extra)| {
            let mut addr = NameAddr::new(uri).with_display(&name);
            if let Some(tag) = tag {
                addr = addr.with_tag(&tag);
            }
            addr.with_param("x", extra.as_deref())
        },
    )
}

fn via() -> impl Strategy<Value = Via> {
    let transport = prop_oneof![Just(TransportKind::Udp), Just(TransportKind::Tcp), Just(TransportKind::Tls)];
    (transport, host(), proptest::option::of(any::<u16>()), token()).prop_map(
        |(transport, host, port, branch)| {
            Via::new(transport, &host, port, &branch).expect("a Via by construction")
        },
    )
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Invite),
        Just(Method::Notify),
        Just(Method::Update),
        token().prop_map(|t| t.parse().expect("a token"))
    ]
}

fn draft() -> impl Strategy<Value = RequestDraft> {
    let headers = proptest::collection::vec(("X-[A-Za-z0-9]{1,10}", ".{0,30}"), 0..8);
    let envelope =
        (method(), uri(), proptest::collection::vec(via(), 1..4), name_addr(), name_addr(), 0..1_u32 << 31);
    let routes = proptest::collection::vec(name_addr(), 0..6);
    let body = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60));
    (envelope, routes, headers, body).prop_map(
        |((method, uri, vias, from, to, cseq), route, headers, body)| {
            let mut draft = RequestDraft::new(method, uri);
            for via in &vias {
                draft.push_header("Via", via.as_str());
            }
            draft = draft.from(from).to(to).call_id("x@y").cseq(cseq).max_forwards(9).route(route);
            for (name, value) in headers {
                draft.push_header(&name, value);
            }
            match body {
                Some(body) => draft.body("application/octet-stream", body),
                None => draft,
            }
        },
    )
}

fn parse(raw: Bytes) -> Message {
    Message::parse(raw, &Limits::default()).expect("what we write parses")
}

/// What a framer makes of chunks, as texts.
fn frames(stream: &[u8], sizes: &[usize]) -> Vec<String> {
    let mut framer = StreamFramer::new(Limits::default());
    let mut seen = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        rest = tail;
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(m))) => seen.push(format!("{:?}", m.envelope().raw())),
                // What is there of a message without end depends on the chunks.
                Ok(Some(Frame::Malformed { error, .. })) => seen.push(error.to_string()),
                Ok(Some(other)) => seen.push(format!("{other:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }
    seen
}

fn round_trips<H: TypedHeader + PartialEq + Debug + Display>(line: &str) -> Result<(), TestCaseError> {
    if let Ok(Some(header)) = H::parse_all(&mut std::iter::once(line)) {
        let text = header.to_string();
        prop_assert_eq!(H::parse_all(&mut std::iter::once(&*text)), Ok(Some(header)), "{:?}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_round_trip(draft in draft()) {
        let Message::Request(read) = parse(draft.write()) else { panic!("a request") };
        prop_assert_eq!(read.method(), &draft.method);
        let again = RequestDraft::from_request(&read);
        prop_assert_eq!(&again, &draft);
        prop_assert_eq!(again.write(), draft.write());
    }

    #[test]
    fn responses_round_trip(draft in draft(), status in 100_u16..700, reason in ".{0,20}", tag in token()) {
        let Message::Request(request) = parse(draft.write()) else { panic!("a request") };
        let answer = ResponseDraft::to(&request, status).reason(&reason).to_tag(&tag).header("X", "1").body("a/b", "c");
        let Message::Response(read) = parse(answer.write()) else { panic!("a response") };
        prop_assert_eq!(read.status(), status);
        prop_assert!(read.to().tag().is_some());
        prop_assert_eq!(ResponseDraft::from_response(&read), answer);
    }

    #[test]
    fn addresses_round_trip(addr in name_addr()) {
        prop_assert_eq!(addr.to_string().parse::<NameAddr>(), Ok(addr.clone()));
        let changed = addr.with_tag("t").without_tag().with_param("y", Some("\"; ,\\"));
        prop_assert_eq!(changed.uri(), addr.uri());
        prop_assert_eq!(changed.display_text(), addr.display_text());
    }

    #[test]
    fn equivalence_is_reflexive_and_symmetric(a in uri(), b in uri()) {
        prop_assert!(a.equivalent(&a));
        prop_assert_eq!(a.equivalent(&b), b.equivalent(&a));
        prop_assert!(a.address_of_record().equivalent(&a.address_of_record()));
    }

    /// RFC 3261 section 19.1.4, among URIs that agree in the parameters that only some have.
    #[test]
    fn equivalence_is_transitive([a, b, c] in similar_uris()) {
        prop_assert!(a.equivalent(&a));
        prop_assert_eq!(a.equivalent(&b), b.equivalent(&a));
        if a.equivalent(&b) && b.equivalent(&c) {
            prop_assert!(a.equivalent(&c), "{} {} {}", a, b, c);
        }
    }

    /// Whatever arrives first: a message is complete with its last byte, on a stream and in a datagram.
    #[test]
    fn no_prefix_is_a_message(draft in draft()) {
        let raw = draft.write();
        let mut framer = StreamFramer::new(Limits::default());
        for at in 0..raw.len() {
            prop_assert!(Message::parse(raw.slice(..at), &Limits::default()).is_err(), "{} bytes", at);
            prop_assert!(matches!(framer.next(), Ok(None)), "{} bytes", at);
            framer.push(&raw[at..=at]);
        }
        prop_assert!(matches!(framer.next(), Ok(Some(Frame::Message(_)))));
        prop_assert!(framer.is_empty());
    }

    #[test]
    fn multipart_round_trips(parts in proptest::collection::vec(part(), 1..6), seed in any::<u64>()) {
        let whole = parts.iter().cloned().fold(Multipart::new(MultipartKind::Mixed), Multipart::with_part);
        let (content_type, body) = whole.with_param("x", "y \"z\\").write(&mut SeededIds::new(seed));
        let text = content_type.to_string();
        let draft = RequestDraft::new(Method::Message, Uri::parse("sip:a@b").expect("a URI"))
            .from("<sip:a@b>;tag=1".parse().expect("an address"))
            .to("<sip:a@b>".parse().expect("an address"))
            .call_id("x")
            .cseq(1)
            .header("Via", "SIP/2.0/TCP h;branch=z9hG4bK1")
            .body(&text, body);
        let message = parse(draft.write());
        let read = message.envelope().multipart(MultipartLimits::default()).expect("parts").expect("parts");
        prop_assert_eq!(read.parts(), parts);
        prop_assert_eq!(read.param("x"), Some("y \"z\\"));
        let again = read.write(&mut SeededIds::new(seed.wrapping_add(1)));
        let again = Multipart::parse(&again.0, &again.1, MultipartLimits::default()).expect("parts");
        prop_assert_eq!(&again, &read);
    }

    /// Any bytes between delimiters: no panic, and what parses is written and read as itself.
    #[test]
    fn any_multipart_body(pieces in proptest::collection::vec(
        prop_oneof![Just("--b"), Just("--"), Just("\r\n"), Just("\n"), Just("A: b"), Just(" "), Just(":"), Just("x")], 0..30,
    )) {
        let content_type = ContentType::new("multipart/mixed").expect("a type").with_param("boundary", "b");
        let body = Bytes::from(pieces.concat());
        if let Ok(read) = Multipart::parse(&content_type, &body, MultipartLimits::default()) {
            let again = read.write(&mut SeededIds::new(1));
            let again = Multipart::parse(&again.0, &again.1, MultipartLimits::default()).expect("what we write parses");
            prop_assert_eq!(again.parts(), read.parts());
        }
    }

    /// Any line as each header that can be written again: what is read is written and read as itself.
    #[test]
    fn typed_headers_round_trip(line in prop_oneof![
        "[\\PC\t]{0,40}",
        "([a-zA-Z0-9.*/;=,:() \"\\\\-]|GMT|Jan|Mon){0,40}",
        "[0-9]{3} [a-z]{1,3} \"(\\\\\\PC|[^\"\\\\\\pC])*\"",
        "[a-z*]{1,3}/[a-z*]{1,3}(;[a-z]{1,2}=([a-z]{1,3}|\"[a-z \\\\]{0,4}\"))?(;q=[01](\\.[0-9]{1,3})?)?",
    ]) {
        round_trips::<Accept>(&line)?;
        round_trips::<AcceptEncoding>(&line)?;
        round_trips::<AcceptLanguage>(&line)?;
        round_trips::<Allow>(&line)?;
        round_trips::<ContentLanguage>(&line)?;
        round_trips::<ContentLength>(&line)?;
        round_trips::<ContentType>(&line)?;
        round_trips::<Date>(&line)?;
        round_trips::<Reason>(&line)?;
        round_trips::<SessionExpires>(&line)?;
        round_trips::<Warning>(&line)?;
        let one = || std::iter::once(&*line);
        let _ = (RetryInfo::parse_all(&mut one()), MsDiagnostics::parse_all(&mut one()));
        let _ = (DialogRecoveryAction::parse_all(&mut one()), ContentDisposition::parse_all(&mut one()));
    }

    /// The envelope reads a list from item to item, typed headers split it first: they take the same lists, and find the same.
    #[test]
    fn lists_are_read_alike(pieces in proptest::collection::vec(
        prop_oneof![
            4 => Just("<sip:a@b;lr>"),
            2 => Just("sip:c@d"),
            3 => Just(","),
            2 => Just(";x=1"),
            6 => proptest::sample::select(vec![
                "<", ">", "\"", "\\", ";", "=", " ", "\t", "x", "lr", "*", "<sip:a,b@c>", "Bob ", "\"B, <\" ", "<tel:1;a=\">", "é",
            ]),
        ],
        1..9,
    )) {
        let line = pieces.concat();
        let line = line.trim_matches([' ', '\t']);
        let raw = format!(
            "INFO sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
             Call-ID: x\r\nCSeq: 7 INFO\r\nRoute: {line}\r\nContent-Length: 0\r\n\r\n"
        );
        let split = Route::parse_all(&mut std::iter::once(line)).map(|list| list.map(|Route(hops)| hops));
        match Message::parse(raw.into(), &Limits::default()) {
            Ok(message) => prop_assert_eq!(split, Ok(Some(message.envelope().route().to_vec())), "{}", line),
            Err(error) => prop_assert!(split.is_err(), "{line}: {error}, but {split:?}"),
        }
    }

    #[test]
    fn any_split_gives_the_same_frames(
        drafts in proptest::collection::vec((draft(), "(\r\n){0,3}"), 1..4),
        sizes in proptest::collection::vec(1_usize..200, 1..6),
    ) {
        let mut stream = Vec::new();
        for (draft, between) in &drafts {
            stream.extend_from_slice(between.as_bytes());
            stream.extend_from_slice(&draft.write());
        }
        prop_assert_eq!(frames(&stream, &sizes), frames(&stream, &[usize::MAX]));
    }

    /// A valid stream with one byte changed: still the same frames for any split.
    #[test]
    fn any_split_of_a_damaged_stream_too(
        draft in draft(), at in any::<prop::sample::Index>(), byte in any::<u8>(), size in 1_usize..50,
    ) {
        let mut stream = [draft.write(), draft.write()].concat();
        let at = at.index(stream.len());
        stream[at] = byte;
        prop_assert_eq!(frames(&stream, &[size]), frames(&stream, &[usize::MAX]));
    }

    #[test]
    fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let raw = Bytes::from(raw);
        if let Err(error) = Message::parse(raw.clone(), &Limits::default()) {
            let _ = parse_for_reply(&raw, &error);
        }
        let _ = frames(&raw, &[3]);
    }

    #[test]
    fn no_text_panics(text in "[\\PC\r\n\t\0]{0,60}") {
        let _ = (text.parse::<Uri>(), text.parse::<NameAddr>(), text.parse::<Via>(), text.parse::<Method>());
        let raw = format!(
            "INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nf: <sip:a@b>\r\nt: <sip:a@b>\r\ni: x\r\nCSeq: 1 INFO\r\n\
             m: {text}\r\nk: {text}\r\nc: {text}\r\no: {text}\r\nx: {text}\r\nSubscription-State: {text}\r\n\r\n"
        );
        if let Ok(message) = Message::parse(raw.into(), &Limits::default()) {
            let m = message.envelope();
            let _ = (m.header::<Contact>(), m.header::<Supported>(), m.header::<ContentType>(), m.header::<Event>());
            let _ = (m.header::<SessionExpires>(), m.header::<SubscriptionState>(), m.supports("timer"));
        }
    }

    /// One byte changed: refused, or a message whose copy parses to the same again.
    #[test]
    fn what_parses_can_be_forwarded(draft in draft(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut raw = draft.write().to_vec();
        let at = at.index(raw.len());
        raw[at] = byte;
        if let Ok(Message::Request(read)) = Message::parse(raw.into(), &Limits::default()) {
            let copy = RequestDraft::from_request(&read);
            let Message::Request(again) = parse(copy.write()) else { panic!("a request") };
            prop_assert_eq!(RequestDraft::from_request(&again), copy);
        }
    }
}

/// RFC 3261 section 19.1.4 says itself that its comparison is no equivalence: what only one has does not count.
#[test]
fn parameters_of_one_side_only_break_transitivity() {
    let uri = |text| Uri::parse(text).expect("a URI");
    let plain = uri("sip:carol@example.com");
    let (on, off) = (uri("sip:carol@example.com;security=on"), uri("sip:carol@example.com;security=off"));
    assert!(plain.equivalent(&on) && plain.equivalent(&off) && !on.equivalent(&off));
}
