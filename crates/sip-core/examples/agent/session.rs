//! The description of a session that every call has: one stream of sound, which goes nowhere.

use std::net::IpAddr;

use sip_core::Payload;

/// One side's description, as it changes in a call.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    host: IpAddr,
    version: u32,
    direction: &'static str,
}

impl Session {
    /// Sound both ways.
    pub(crate) fn new(host: IpAddr) -> Self {
        Self { host, version: 0, direction: "sendrecv" }
    }

    /// An offer with this direction.
    pub(crate) fn offer(&mut self, direction: &'static str) -> Payload {
        self.direction = direction;
        self.next()
    }

    /// An offer that changes nothing.
    pub(crate) fn again(&mut self) -> Payload {
        self.next()
    }

    /// The answer to an offer with this direction.
    pub(crate) fn answer(&mut self, offered: Option<&str>) -> Payload {
        self.direction = match offered {
            Some("sendonly") => "recvonly",
            Some("recvonly") => "sendonly",
            Some("inactive") => "inactive",
            _ => "sendrecv",
        };
        self.next()
    }

    fn next(&mut self) -> Payload {
        Payload::sdp(self.text())
    }

    /// The next version of the description.
    pub(crate) fn text(&mut self) -> String {
        self.version += 1;
        let (host, version, direction) = (self.host, self.version, self.direction);
        let family = if host.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no=agent 1 {version} IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n\
             m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
        )
    }
}

/// The direction that a description names; `None` without a description.
pub(crate) fn direction_of(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.is_empty())?;
    let named = text.lines().filter_map(|line| line.strip_prefix("a="));
    let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
    Some(named.map(str::trim).find(|name| known.contains(name)).unwrap_or("sendrecv"))
}
