//! Keep-alive of connections (RFC 5626 section 4.4.1, [MS-CONMGMT] section 3.4.2): when a client pings, and when a server gives
//! a silent client up.
//!
//! The client offers it in REGISTER, the server answers with a timeout ([`KeepAlive`]). The client then sends two empty lines
//! when two thirds of the timeout passed without traffic. The server waits one transaction longer than the timeout: some
//! clients ping at the timeout itself. Traffic of any kind counts.
//!
//! Not here: the ping itself ([`Endpoint::ping`](crate::Endpoint::ping)), and which flow it is about.

use std::time::{Duration, Instant};

use crate::header::{HeaderError, KeepAlive, KeepAliveRole};
use crate::{Request, Response};

/// The shortest timeout that is obeyed; below, a server would make its clients flood it.
const TIMEOUT_MIN: Duration = Duration::from_secs(15);

/// The client's side: when to ping.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use sip_core::keep_alive::ClientKeepAlive;
///
/// let start = Instant::now();
/// let mut alive = ClientKeepAlive::negotiated(Duration::from_secs(300), start);
/// assert_eq!(alive.poll_timeout(), start + Duration::from_secs(200));
/// alive.handle_traffic(start + Duration::from_secs(150));
/// assert!(!alive.handle_timeout(start + Duration::from_secs(200)));
/// assert!(alive.handle_timeout(start + Duration::from_secs(350)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeepAlive {
    every: Duration,
    due: Instant,
}

impl ClientKeepAlive {
    /// Pings after this time without traffic, as long as nothing was negotiated.
    pub fn new(every: Duration, now: Instant) -> Self {
        Self { every, due: now + every }
    }

    /// Pings when two thirds of the server's timeout passed without traffic. Less than 15 s count as 15 s.
    pub fn negotiated(timeout: Duration, now: Instant) -> Self {
        Self::new(timeout.max(TIMEOUT_MIN) * 2 / 3, now)
    }

    /// The timeout in the 2xx of a REGISTER that offered keep-alives; `None` if the server does not take the offer.
    ///
    /// # Errors
    ///
    /// When the header cannot be read: nothing is negotiated then.
    pub fn timeout_of(response: &Response) -> Result<Option<Duration>, HeaderError> {
        let answer = response.header::<KeepAlive>()?;
        Ok(answer
            .filter(|answer| answer.role == KeepAliveRole::Server && answer.hop_hop)
            .and_then(KeepAlive::timeout))
    }

    /// Something was sent or received.
    pub fn handle_traffic(&mut self, now: Instant) {
        self.due = self.due.max(now + self.every);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// Whether to ping now. The ping counts as traffic.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = now >= self.due;
        if due {
            self.due = now + self.every;
        }
        due
    }
}

/// The server's side: when a client has been silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeepAlive {
    patience: Duration,
    give_up: Instant,
}

impl ServerKeepAlive {
    /// Waits for the timeout that was promised, and one transaction more (64*T1).
    pub fn new(timeout: Duration, transaction: Duration, now: Instant) -> Self {
        let patience = timeout + transaction;
        Self { patience, give_up: now + patience }
    }

    /// The header for the 2xx of a REGISTER; `None` if it offers no keep-alives.
    /// Less than 15 s become 15 s.
    ///
    /// # Errors
    ///
    /// When the offer cannot be read: it is as good as none.
    pub fn answer_to(request: &Request, timeout: Duration) -> Result<Option<KeepAlive>, HeaderError> {
        let offer = request.header::<KeepAlive>()?;
        let offer = offer.filter(|offer| offer.role == KeepAliveRole::Client && offer.hop_hop);
        let ours = u32::try_from(timeout.max(TIMEOUT_MIN).as_secs()).unwrap_or(u32::MAX);
        Ok(offer.map(|_| KeepAlive::answer(ours)))
    }

    /// Something was received.
    pub fn handle_traffic(&mut self, now: Instant) {
        self.give_up = self.give_up.max(now + self.patience);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        self.give_up
    }

    /// Whether to close the connection.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        now >= self.give_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{RequestDraft, ResponseDraft};
    use crate::{Limits, Message, Method, NameAddr, Uri};

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn register(offer: Option<&str>) -> Request {
        let uri = Uri::parse("sip:bob@example.com").unwrap();
        let draft = RequestDraft::new(Method::Register, uri.clone())
            .header("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")
            .from(NameAddr::new(uri.clone()).with_tag("1"))
            .to(NameAddr::new(uri))
            .call_id("c1")
            .cseq(1);
        let draft = match offer {
            Some(offer) => draft.header("ms-keep-alive", offer),
            None => draft,
        };
        draft.check(&Limits::default()).unwrap()
    }

    fn answer(value: Option<&str>) -> Response {
        let draft = ResponseDraft::to(&register(None), 200);
        let draft = match value {
            Some(value) => draft.header("ms-keep-alive", value),
            None => draft,
        };
        match Message::parse(draft.write(), &Limits::default()).unwrap() {
            Message::Response(response) => response,
            Message::Request(request) => panic!("{request:?}"),
        }
    }

    /// [MS-CONMGMT] section 3.4.2: two thirds of the timeout; traffic moves the ping; each ping counts as traffic.
    #[test]
    fn client_pings_at_two_thirds() {
        let start = Instant::now();
        let mut alive = ClientKeepAlive::negotiated(secs(300), start);
        assert!(!alive.handle_timeout(start + secs(199)));
        assert!(alive.handle_timeout(start + secs(200)));
        assert_eq!(alive.poll_timeout(), start + secs(400));
        for at in (210..1_000).step_by(100) {
            alive.handle_traffic(start + secs(at));
            assert!(!alive.handle_timeout(start + secs(at + 100)));
        }
        assert_eq!(alive.poll_timeout(), start + secs(910 + 200));
        // What is reported late moves nothing back.
        alive.handle_traffic(start);
        assert_eq!(alive.poll_timeout(), start + secs(910 + 200));
        assert_eq!(ClientKeepAlive::negotiated(Duration::ZERO, start).poll_timeout(), start + secs(10));
    }

    /// [MS-CONMGMT]: the server waits for the timeout and one transaction.
    #[test]
    fn server_waits_one_transaction_longer() {
        let start = Instant::now();
        let mut alive = ServerKeepAlive::new(secs(300), secs(32), start);
        assert!(!alive.handle_timeout(start + secs(331)));
        alive.handle_traffic(start + secs(331));
        assert!(!alive.handle_timeout(start + secs(662)));
        assert_eq!(alive.poll_timeout(), start + secs(663));
        assert!(alive.handle_timeout(start + secs(663)));
    }

    /// A client that pings as it should is never given up, whenever its traffic comes.
    #[test]
    fn pinging_client_is_kept() {
        let start = Instant::now();
        let mut client = ClientKeepAlive::negotiated(secs(300), start);
        let mut server = ServerKeepAlive::new(secs(300), secs(32), start);
        for minute in 1..=600 {
            let now = start + secs(minute * 60);
            if client.handle_timeout(now) {
                server.handle_traffic(now);
            }
            assert!(!server.handle_timeout(now), "minute {minute}");
        }
    }

    /// The offer is taken when it is one; the answer counts when it is one.
    #[test]
    fn negotiation() {
        for (offer, expected) in [
            (Some("UAC;hop-hop=yes"), Some("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=300")),
            (Some("UAC;hop-hop=no"), None),
            (Some("UAS;hop-hop=yes"), None),
            (None, None),
        ] {
            let answer = ServerKeepAlive::answer_to(&register(offer), secs(300)).unwrap();
            assert_eq!(answer.map(|answer| answer.to_string()).as_deref(), expected, "{offer:?}");
        }
        assert!(ServerKeepAlive::answer_to(&register(Some("nonsense;")), secs(300)).is_err());
        for (value, expected) in [
            (Some("UAS;tcp=no;hop-hop=yes;end-end=no;timeout=300"), Some(secs(300))),
            (Some("UAS;tcp=yes;hop-hop=no;end-end=no;timeout=300"), None),
            (Some("UAS;hop-hop=yes"), None),
            (Some("UAC;hop-hop=yes"), None),
            (None, None),
        ] {
            assert_eq!(ClientKeepAlive::timeout_of(&answer(value)), Ok(expected), "{value:?}");
        }
        assert!(ClientKeepAlive::timeout_of(&answer(Some("UAS;timeout=x"))).is_err());
    }
}
