//! Flow tokens: what a record-routing element writes into its own Route URIs, and how it reads them again.
//!
//! A token names one flow of this process (RFC 5626 section 5.3). It is a fresh random value per flow, kept in a table,
//! so nobody can make one up, and a restarted process knows none of those that it gave before. A mark may carry,
//! besides the token, a digest of one dialog tag: it tells whether a request with that Route runs up to the pool or
//! down to the client, whatever connection brings it.
//!
//! Not here: where a request goes then (`proxy::routing`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use sip_core::FlowId;

/// The part of a mark that says "no flow": the element is on the route, but the next Route decides.
const NO_FLOW: &str = "0";

/// Which way a request runs that has this element in its route set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client towards the pool.
    Up,
    /// From the pool towards the client.
    Down,
}

impl Direction {
    fn reversed(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }

    fn letter(self) -> char {
        match self {
            Direction::Up => 'u',
            Direction::Down => 'd',
        }
    }
}

/// The user part of one of our own Route URIs, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The token of the client-side flow; `None` where the next Route leads on.
    pub(crate) token: Option<String>,
    /// The direction of requests whose From tag has this digest.
    side: Option<(Direction, u32)>,
}

impl Mark {
    /// The mark of a Path (RFC 3327): whatever comes with it runs down.
    pub(crate) fn path(token: String) -> Mark {
        Mark { token: Some(token), side: None }
    }

    /// The mark of a Record-Route: requests with this From tag run in this direction, all others the other way.
    pub(crate) fn dialog(token: Option<String>, direction: Direction, from_tag: &str) -> Mark {
        Mark { token, side: Some((direction, digest(from_tag))) }
    }

    /// The mark of a Route without user part: whatever comes with it runs up.
    pub(crate) fn preloaded() -> Mark {
        // No request that passed the parser has an empty From tag, so the other direction is the one that counts.
        Mark::dialog(None, Direction::Down, "")
    }

    /// Reads the user part of a Route URI; `None` when it is not one of ours.
    pub(crate) fn parse(user: &str) -> Option<Mark> {
        let (token, side) = match user.split_once('.') {
            None => (user, None),
            Some((token, rest)) => (token, Some(parse_side(rest)?)),
        };
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let token = (token != NO_FLOW).then(|| token.to_owned());
        Some(Mark { token, side })
    }

    /// The direction of a request with this From tag; `None` for a Path mark, which does not know.
    pub(crate) fn direction(&self, from_tag: Option<&str>) -> Option<Direction> {
        let (direction, known) = self.side?;
        let same = from_tag.is_some_and(|tag| digest(tag) == known);
        Some(if same { direction } else { direction.reversed() })
    }

    /// Writes it as the user part of a URI.
    pub(crate) fn to_user(&self) -> String {
        let token = self.token.as_deref().unwrap_or(NO_FLOW);
        match self.side {
            None => token.to_owned(),
            Some((direction, digest)) => format!("{token}.{}{digest:08x}", direction.letter()),
        }
    }
}

fn parse_side(text: &str) -> Option<(Direction, u32)> {
    let (direction, hex) = match (text.strip_prefix('u'), text.strip_prefix('d')) {
        (Some(hex), _) => (Direction::Up, hex),
        (None, Some(hex)) => (Direction::Down, hex),
        (None, None) => return None,
    };
    let valid = hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let digest = u32::from_str_radix(hex, 16).ok().filter(|_| valid)?;
    Some((direction, digest))
}

/// FNV-1a: the same in every process and release. Nothing rests on its being hard to invert.
fn digest(tag: &str) -> u32 {
    tag.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The tokens of the flows that are open now.
#[derive(Debug, Default)]
pub(crate) struct FlowTokens {
    by_flow: HashMap<FlowId, String>,
    by_token: HashMap<String, FlowId>,
}

impl FlowTokens {
    /// The token of a flow, made on first use.
    pub(crate) fn token(&mut self, flow: FlowId, fresh: impl FnOnce() -> String) -> String {
        if let Some(token) = self.by_flow.get(&flow) {
            return token.clone();
        }
        let token = fresh();
        self.by_flow.insert(flow, token.clone());
        self.by_token.insert(token.clone(), flow);
        token
    }

    /// The open flow that a token names.
    pub(crate) fn flow(&self, token: &str) -> Option<FlowId> {
        self.by_token.get(token).copied()
    }

    /// The flow is gone: its token is worth nothing from now on.
    pub(crate) fn forget(&mut self, flow: FlowId) {
        if let Some(token) = self.by_flow.remove(&flow) {
            self.by_token.remove(&token);
        }
    }
}

/// Hosts on the client side that are remembered; beyond, the oldest is forgotten.
const HOSTS_MAX: usize = 10_000;

/// The hosts that were on the client side of this element: clients, and hops between them and us. A Route is written by
/// others; only towards these hosts does it make us connect.
#[derive(Debug, Default)]
pub(crate) struct KnownHosts {
    hosts: HashSet<IpAddr>,
    order: VecDeque<IpAddr>,
}

impl KnownHosts {
    /// Remembers one.
    pub(crate) fn learn(&mut self, host: IpAddr) {
        if self.hosts.insert(host) {
            self.order.push_back(host);
        }
        if self.order.len() > HOSTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.hosts.remove(&oldest);
        }
    }

    /// Whether it was on the client side.
    pub(crate) fn knows(&self, host: IpAddr) -> bool {
        self.hosts.contains(&host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mark reads back as it was written, in each of its three forms.
    #[test]
    fn marks_round_trip() {
        let token = || Some("0123abcd".to_owned());
        for mark in [
            Mark::path("0123abcd".into()),
            Mark::dialog(token(), Direction::Up, "bf01"),
            Mark::dialog(None, Direction::Down, ""),
        ] {
            assert_eq!(Mark::parse(&mark.to_user()), Some(mark));
        }
    }

    /// The From tag alone decides the direction, for either side that began the dialog.
    #[test]
    fn direction_follows_the_tag() {
        let up = Mark::dialog(None, Direction::Up, "client");
        assert_eq!(up.direction(Some("client")), Some(Direction::Up));
        assert_eq!(up.direction(Some("focus")), Some(Direction::Down));
        let down = Mark::dialog(None, Direction::Down, "focus");
        assert_eq!(down.direction(Some("focus")), Some(Direction::Down));
        assert_eq!(down.direction(Some("client")), Some(Direction::Up));
        assert_eq!(Mark::path("t".into()).direction(Some("client")), None);
    }

    /// Hostile user parts are not ours, and never panic.
    #[test]
    fn foreign_marks_are_refused() {
        for user in
            ["", ".", ".u00000000", "tok.x00000000", "tok.u0000", "tok.u0000000g", "to%6b", "tok.u+0000000"]
        {
            assert_eq!(Mark::parse(user), None, "{user}");
        }
    }
}
