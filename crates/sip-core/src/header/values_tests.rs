//! Headers that are read on demand, as tables: lines to value or error.

use super::*;
use crate::header::ContentType;

fn parse<H: TypedHeader>(lines: &[&str]) -> Result<Option<H>, HeaderErrorKind> {
    H::parse_all(&mut lines.iter().copied()).map_err(|e| e.kind)
}

#[test]
fn seconds() {
    assert_eq!(parse::<Expires>(&[]), Ok(None));
    assert_eq!(parse::<Expires>(&["0"]), Ok(Some(Expires(0))));
    assert_eq!(parse::<Expires>(&[" 7200 "]), Ok(Some(Expires(7200))));
    assert_eq!(parse::<Expires>(&["99999999999"]), Ok(Some(Expires(u32::MAX))));
    for bad in ["", "-1", "1.5", "1;x=y", "99999999999999999999999999"] {
        assert_eq!(parse::<Expires>(&[bad]), Err(HeaderErrorKind::Number), "{bad}");
    }
    assert_eq!(parse::<Expires>(&["1", "1"]), Err(HeaderErrorKind::Duplicate));
    assert_eq!(Expires(60).duration(), Duration::from_secs(60));
}

#[test]
fn retry_after_skips_comment_and_params() {
    for (text, seconds) in [("5", 5), ("18000;duration=3600", 18000), ("120 (I'm in a meeting)", 120)] {
        assert_eq!(parse::<RetryAfter>(&[text]), Ok(Some(RetryAfter(seconds))), "{text}");
    }
    assert!(parse::<RetryAfter>(&["soon"]).is_err() && parse::<RetryAfter>(&["5 minutes"]).is_err());
}

/// RFC 4028
#[test]
fn session_timer_headers() {
    let got = parse::<SessionExpires>(&["1800 ; Refresher = UAC"]).unwrap().unwrap();
    assert_eq!(got, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) });
    assert_eq!(got.to_string(), "1800;refresher=uac");
    assert_eq!(parse(&["90"]), Ok(Some(SessionExpires { seconds: 90, refresher: None })));
    assert!(parse::<SessionExpires>(&["90;refresher=me"]).is_err());
    assert_eq!(parse(&["90;x=1"]), Ok(Some(MinSe(90))));
    assert!(parse::<MinSe>(&["x"]).is_err());
}

#[test]
fn events_and_subscription_states() {
    let event = parse::<Event>(&["conference;id=7"]).unwrap().unwrap();
    assert_eq!((&*event.package, event.id.as_deref()), ("conference", Some("7")));
    assert!(parse::<Event>(&["a b"]).is_err() && parse::<Event>(&[""]).is_err());

    let state =
        parse::<SubscriptionState>(&["terminated;reason=deactivated;retry-after=5"]).unwrap().unwrap();
    assert!(state.is_terminated());
    assert_eq!(
        (state.reason.as_deref(), state.retry_after, state.expires),
        (Some("deactivated"), Some(5), None)
    );
    let state = parse::<SubscriptionState>(&["Active ;expires=600"]).unwrap().unwrap();
    assert_eq!((state.state, state.expires), (SubState::Active, Some(600)));
    let state = parse::<SubscriptionState>(&["waiting"]).unwrap().unwrap();
    assert_eq!(state.state, SubState::Other("waiting".into()));
    assert!(parse::<SubscriptionState>(&["active;expires=soon"]).is_err());
}

#[test]
fn content_types() {
    let kind = parse::<ContentType>(&["Text / Plain ; charset=\"UTF-8\";format=flowed"]).unwrap().unwrap();
    assert!(kind.is("text/plain"));
    assert_eq!((kind.param("Charset"), kind.param("boundary")), (Some("UTF-8"), None));
    for bad in ["text", "text/", "/plain", "text/plain;", "text/plain x"] {
        assert!(parse::<ContentType>(&[bad]).is_err(), "{bad}");
    }
}

#[test]
fn token_lists_over_lines() {
    let supported =
        parse::<Supported>(&["timer, gruu-10", "", "com.microsoft.autoextend ,,x"]).unwrap().unwrap();
    assert_eq!(supported.to_string(), "timer, gruu-10, com.microsoft.autoextend, x");
    assert!(supported.contains("TIMER") && !supported.contains("path"));
    assert_eq!(parse::<Allow>(&[""]), Ok(Some(Allow(vec![]))));
    assert_eq!(parse::<Require>(&[]), Ok(None));
    assert!(parse::<Require>(&["a b"]).is_err() && parse::<Require>(&["\"a\""]).is_err());
}

#[test]
fn contacts_and_routes() {
    assert_eq!(parse::<Contact>(&["*"]), Ok(Some(Contact::Star)));
    assert_eq!(parse::<Contact>(&[" * "]).unwrap().unwrap().addresses().len(), 0);
    assert!(parse::<Contact>(&["*", "<sip:a@b>"]).is_err() && parse::<Contact>(&["<sip:a@b>, *"]).is_err());
    let list =
        parse::<Contact>(&["<sip:a@b>;q=0.5, \"x, y\" <sip:c@d>", "sip:e@f;expires=5"]).unwrap().unwrap();
    let uris: Vec<_> = list.addresses().iter().map(|a| a.uri().as_str()).collect();
    assert_eq!(uris, ["sip:a@b", "sip:c@d", "sip:e@f"]);
    let route = parse::<Route>(&["<sip:a;lr>,<sip:b;lr>", "<sip:c;lr>"]).unwrap().unwrap();
    assert_eq!(route.0.len(), 3);
    let error = Path::parse_all(&mut ["<sip:a;lr>, <sip:b"].into_iter()).unwrap_err();
    assert_eq!(
        (error.header, error.kind, error.offset),
        (HeaderName::Path, HeaderErrorKind::Unterminated, 13)
    );
}

/// A header of another crate is found by its text.
#[test]
fn foreign_headers_can_be_typed() {
    struct Epoch(u64);
    impl TypedHeader for Epoch {
        const NAME: HeaderName = HeaderName::Other;
        const TEXT: &'static str = "Rc-Epoch";

        fn parse_all(lines: &mut dyn Iterator<Item = &str>) -> Result<Option<Self>, HeaderError> {
            Ok(lines.next().and_then(|l| l.parse().ok()).map(Epoch))
        }
    }
    let raw = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\n\
        CSeq: 1 INFO\r\nRC-EPOCH: 12\r\n\r\n";
    let message = crate::Message::parse(raw.into(), &crate::Limits::default()).unwrap();
    assert_eq!(message.envelope().header::<Epoch>().unwrap().map(|e| e.0), Some(12));
}
