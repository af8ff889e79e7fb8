//! Negotiation and times of RFC 4028, on virtual time.

use super::*;
use crate::test_util::{request, response};
use crate::{Method, Uri};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn update(headers: &str) -> Request {
    request(&format!(
        "UPDATE sip:c@d SIP/2.0
        Via: SIP/2.0/TCP h;branch=z9hG4bK1
        From: <sip:a@b>;tag=1
        To: <sip:c@d>;tag=2
        Call-ID: x
        CSeq: 5 UPDATE
        {headers}"
    ))
}

fn answer(status: u16, headers: &str) -> Response {
    response(&format!(
        "SIP/2.0 {status} Text
        Via: SIP/2.0/TCP h;branch=z9hG4bK1
        From: <sip:a@b>;tag=1
        To: <sip:c@d>;tag=2
        Call-ID: x
        CSeq: 5 UPDATE
        {headers}"
    ))
}

/// RFC 4028 section 7.1: what the offer says.
#[test]
fn offer_names_interval_and_minimum() {
    let draft = RequestDraft::new(Method::Invite, Uri::parse("sip:c@d").unwrap());
    let draft = SessionTimerConfig::default().offer(draft, None);
    assert_eq!(draft.get("Session-Expires"), Some("1800"));
    assert_eq!(draft.get("Min-SE"), Some("90"));
    assert_eq!(draft.get("Supported"), Some("timer"));
}

/// RFC 4028 section 7.2: the sender of the request refreshes unless the response says otherwise.
#[test]
fn response_settles_who_refreshes() {
    let config = SessionTimerConfig::default();
    let table = [
        ("Session-Expires: 1800;refresher=uac", Some((1800, true))),
        ("Session-Expires: 600;refresher=uas", Some((600, false))),
        ("Session-Expires: 600", Some((600, true))),
        ("Expires: 600", None),
    ];
    for (header, expected) in table {
        let timer = SessionTimer::from_response(&answer(200, header), &config, Instant::now()).unwrap();
        assert_eq!(timer.map(|timer| (timer.interval_s(), timer.we_refresh())), expected, "{header}");
    }
}

/// RFC 4028 section 9: a proxy asks for a client that knows no session timers: this end refreshes, and requires nothing.
#[test]
fn proxy_asks_for_a_client_without_timers() {
    let config = SessionTimerConfig::default();
    let request = update("Session-Expires: 1200;refresher=uac");
    let mut timer = SessionTimer::from_request(&request, &config, Instant::now()).unwrap().unwrap();
    timer.restart(Instant::now());
    let draft = timer.answer(ResponseDraft::to(&request, 200));
    assert_eq!((draft.get("Session-Expires"), draft.get("Require")), (Some("1200;refresher=uas"), None));
    assert!(timer.we_refresh());
}

/// RFC 4028 section 9: the server takes the offer down to its own interval, not below the Min-SE of anybody.
#[test]
fn request_is_answered() {
    let config = SessionTimerConfig::default();
    let table = [
        ("Supported: timer\nSession-Expires: 1200", "1200;refresher=uac"),
        ("Supported: timer\nSession-Expires: 7200", "1800;refresher=uac"),
        ("Supported: timer\nSession-Expires: 7200\nMin-SE: 3600", "3600;refresher=uac"),
        ("Supported: timer\nSession-Expires: 1200;refresher=uas", "1200;refresher=uas"),
        ("Supported: timer", "1800;refresher=uac"),
    ];
    for (headers, expected) in table {
        let request = update(headers);
        let timer = SessionTimer::from_request(&request, &config, Instant::now()).unwrap().unwrap();
        let draft = timer.answer(ResponseDraft::to(&request, 200));
        assert_eq!(draft.get("Session-Expires"), Some(expected), "{headers}");
        assert_eq!(draft.get("Require"), Some("timer"));
    }
}

/// A client without `timer` (sipe) gets no session timer, whatever else it says.
#[test]
fn no_timer_without_support() {
    let config = SessionTimerConfig::default();
    for headers in ["", "Session-Expires: 60", "Supported: gruu-10"] {
        assert_eq!(SessionTimer::from_request(&update(headers), &config, Instant::now()), Ok(None));
    }
}

/// RFC 4028 section 9: an interval below ours is refused with 422 and Min-SE; the client takes that once.
#[test]
fn too_small_interval_is_refused_and_raised() {
    let server = SessionTimerConfig::default().with_min_s(300);
    let request = update("Supported: timer\nSession-Expires: 120");
    let error = SessionTimer::from_request(&request, &server, Instant::now()).unwrap_err();
    assert_eq!(error, SessionTimerError::TooSmall { min_s: 300 });
    let draft = error.response(&request);
    assert_eq!((draft.status, draft.get("Min-SE")), (422, Some("300")));

    let client = SessionTimerConfig::default().with_interval_s(120);
    let raised = client.after_422(&answer(422, "Min-SE: 300")).unwrap();
    assert_eq!((raised.interval_s, raised.min_s), (300, 300));
    assert_eq!(raised.after_422(&answer(422, "Min-SE: 300")), None);
    assert_eq!(client.after_422(&answer(422, "")), None);
    assert_eq!(client.after_422(&answer(200, "Min-SE: 300")), None);
}

/// A header that cannot be read is refused with 400.
#[test]
fn unreadable_offer_is_refused() {
    let request = update("Supported: timer\nSession-Expires: soon");
    let error =
        SessionTimer::from_request(&request, &SessionTimerConfig::default(), Instant::now()).unwrap_err();
    assert_eq!(error.response(&request).status, 400);
}

/// RFC 4028 sections 7.2 and 10: refresh at half, expiry min(32 s, a third) before the end.
#[test]
fn refresher_refreshes_at_half() {
    let start = Instant::now();
    let mut timer = SessionTimer::start(1800, 90, true, start);
    assert_eq!(timer.poll_timeout(), Some((start + secs(900), SessionTimerEvent::Refresh)));
    assert_eq!(timer.handle_timeout(start + secs(899)), None);
    assert_eq!(timer.handle_timeout(start + secs(900)), Some(SessionTimerEvent::Refresh));
    assert_eq!(timer.poll_timeout(), Some((start + secs(1768), SessionTimerEvent::Expired)));
    timer.restart(start + secs(901));
    assert_eq!(timer.poll_timeout(), Some((start + secs(1801), SessionTimerEvent::Refresh)));
}

/// The end that does not refresh only watches; expiry is told once.
#[test]
fn non_refresher_expires_once() {
    for (interval, expires) in [(1800, 1768), (90, 60), (96, 64), (120, 88)] {
        let start = Instant::now();
        let mut timer = SessionTimer::start(interval, 90, false, start);
        let at = start + secs(expires);
        assert_eq!(timer.poll_timeout(), Some((at, SessionTimerEvent::Expired)), "{interval}");
        assert_eq!(timer.handle_timeout(at), Some(SessionTimerEvent::Expired));
        assert_eq!((timer.handle_timeout(at + secs(9)), timer.poll_timeout()), (None, None));
    }
}

/// focus-flows.md section 15: after a failure that does not end the dialog, once more at three quarters.
#[test]
fn failed_refresh_is_tried_at_three_quarters() {
    let start = Instant::now();
    let mut timer = SessionTimer::start(1000, 90, true, start);
    timer.handle_timeout(start + secs(500));
    timer.refresh_failed(start + secs(532));
    assert_eq!(timer.poll_timeout(), Some((start + secs(750), SessionTimerEvent::Refresh)));
    assert_eq!(timer.handle_timeout(start + secs(750)), Some(SessionTimerEvent::Refresh));
    timer.refresh_failed(start + secs(782));
    assert_eq!(timer.poll_timeout(), Some((start + secs(968), SessionTimerEvent::Expired)));
}

/// recovery-on-the-wire.md section 4.2: the clock stands still in recovery and runs on where it stopped.
#[test]
fn pause_stops_the_clock() {
    let start = Instant::now();
    let mut timer = SessionTimer::start(1800, 90, true, start);
    timer.pause(start + secs(100));
    timer.pause(start + secs(200));
    assert_eq!((timer.poll_timeout(), timer.handle_timeout(start + secs(5000))), (None, None));
    timer.resume(start + secs(1100));
    timer.resume(start + secs(1200));
    assert_eq!(timer.poll_timeout(), Some((start + secs(1900), SessionTimerEvent::Refresh)));
}

/// RFC 4028 section 7.4: a refresh names who refreshes at present, from the view of its sender.
#[test]
fn refresh_offers_to_go_on() {
    for (we_refresh, expected) in [(true, "1800;refresher=uac"), (false, "1800;refresher=uas")] {
        let timer = SessionTimer::start(1800, 90, we_refresh, Instant::now());
        let draft = timer.offer(RequestDraft::new(Method::Update, Uri::parse("sip:c@d").unwrap()));
        assert_eq!(draft.get("Session-Expires"), Some(expected));
    }
}
