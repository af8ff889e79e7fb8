//! Properties of messages over generated input: round trips, splits, and that no bytes do harm.

use bytes::Bytes;
use proptest::prelude::*;
use sip_core::header::{Contact, ContentType, Event, SessionExpires, SubscriptionState, Supported};
use sip_core::message::parse_for_reply;
use sip_core::{
    Frame, Limits, Message, Method, NameAddr, RequestDraft, ResponseDraft, StreamFramer, TransportKind, Uri,
    Via,
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
