//! The outbound servers of a user agent: addresses of the configuration, or what a look-up of a name found.
//!
//! The look-up itself is the shell's: [`UserAgent::poll_locate`] says what to look up, [`UserAgent::set_servers`] and
//! [`UserAgent::locate_failed`] take what came of it. The name is looked up at the start, and again before a registration
//! for which there is no connection, and when a connection is lost. While a connection works, its server stays the one in use,
//! whatever the DNS says by then.

use std::time::{Duration, Instant};

use super::{Outstanding, REGISTER_EXPIRES_S, Registration, UserAgent, UserAgentConfig};
use crate::endpoint::{FlowId, Target};
use crate::resolve::Destination;
use crate::transport::ListenAddr;
use crate::uri::Uri;

/// How long a registration waits for a look-up that nobody answers.
const LOCATE_TIME: Duration = Duration::from_secs(30);

/// The servers, and whether their name has to be looked up.
#[derive(Debug, Default)]
pub(super) struct Servers {
    uri: Option<Uri>,
    wanted: bool,
    list: Vec<Destination>,
}

impl Servers {
    /// The configured addresses, each with the name that it has to prove over TLS, and the name to look up.
    pub(super) fn new(config: &UserAgentConfig) -> Self {
        let known = |server: &ListenAddr| Destination {
            transport: server.transport,
            addr: server.addr,
            identity: config.server_name.clone().unwrap_or_else(|| server.addr.ip().into()),
        };
        let uri = config.server_uri.clone();
        Self { wanted: uri.is_some(), uri, list: config.servers.iter().map(known).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Destination> {
        self.list.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.list.iter()
    }

    /// The name is to be looked up again, if there is one.
    pub(super) fn seek(&mut self) -> bool {
        self.wanted |= self.uri.is_some();
        self.wanted
    }
}

impl UserAgent {
    /// The URI whose destinations are wanted, once for each look-up; give them to [`set_servers`](Self::set_servers). Ask after
    /// each input, as for events. Always `None` unless [`UserAgentConfig::server_uri`](super::UserAgentConfig::server_uri) is set.
    ///
    /// # Examples
    ///
    /// With the feature `dns`, in the loop that drives the user agent (a task of its own for the look-up, where the loop has others to
    /// serve meanwhile):
    ///
    /// ```
    /// # #[cfg(feature = "dns")]
    /// # async fn turn(ua: &mut sip_core::ua::UserAgent, locator: &sip_core::resolve::Locator) {
    /// if let Some(uri) = ua.poll_locate() {
    ///     match locator.locate(&uri).await {
    ///         Ok(found) => ua.set_servers(&found, sip_core::transport::now()),
    ///         Err(_) => ua.locate_failed(sip_core::transport::now()),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn poll_locate(&mut self) -> Option<Uri> {
        let wanted = std::mem::take(&mut self.servers.wanted);
        self.servers.uri.clone().filter(|_| wanted)
    }

    /// These are the servers from now on, in this order; a registration that waited for them goes out.
    ///
    /// The server in use stays the first one while its connection is open. An empty list changes nothing, as
    /// [`locate_failed`](Self::locate_failed).
    pub fn set_servers(&mut self, found: &[Destination], now: Instant) {
        if found.is_empty() {
            return self.locate_failed(now);
        }
        let old = std::mem::take(&mut self.servers.list);
        let in_use = old.get(self.current).filter(|_| self.flow.is_some());
        let mut list: Vec<Destination> = in_use.cloned().into_iter().collect();
        for destination in found {
            if !list.contains(destination) {
                list.push(destination.clone());
            }
        }
        // A request at a server that is no longer one is not moved elsewhere.
        for entry in self.requests.values_mut() {
            let place = entry.server.and_then(|index| old.get(index));
            entry.server = place.and_then(|server| list.iter().position(|known| known == server));
        }
        self.servers.list = list;
        self.current = 0;
        if self.flow.is_none() {
            self.flow = self.server_target(0).and_then(|target| self.endpoint.flow_for(&target));
        }
        self.located(now);
    }

    /// The look-up found nothing: the servers known so far are tried, or the registration waits.
    pub fn locate_failed(&mut self, now: Instant) {
        self.located(now);
    }

    fn located(&mut self, now: Instant) {
        if !matches!(self.registration, Registration::Locating { .. }) {
            return;
        }
        if self.servers.len() == 0 {
            return self.wait_to_register(None, now);
        }
        self.send_register(REGISTER_EXPIRES_S, now);
    }

    /// Registers: over the connection in use, else after a look-up, if the servers have a name.
    pub(super) fn begin_register(&mut self, now: Instant) {
        if self.flow.is_none() && self.servers.seek() {
            self.registration = Registration::Locating { until: now + LOCATE_TIME };
        } else {
            self.send_register(REGISTER_EXPIRES_S, now);
        }
    }

    pub(super) fn server(&self, index: usize) -> Option<&Destination> {
        self.servers.get(index)
    }

    pub(super) fn server_target(&self, index: usize) -> Option<Target> {
        self.server(index).map(Destination::target)
    }

    /// Whether this is the connection that requests to the server in use go out on: over its transport, and over TLS made for
    /// its name.
    pub(super) fn leads_to_server(&self, flow: FlowId) -> bool {
        let target = self.server_target(self.current);
        target.is_some_and(|target| self.endpoint.flow_for(&target) == Some(flow))
    }

    /// Makes the next server the one in use.
    pub(super) fn advance(&mut self) {
        self.flow = None;
        self.current = (self.current + 1) % self.servers.len().max(1);
        if self.current == 0 {
            // All were tried: perhaps there are others by now.
            self.servers.seek();
        }
        self.flow = self.server_target(self.current).and_then(|target| self.endpoint.flow_for(&target));
    }

    /// The server said nothing: the next one is in use from now on, and gets our registration.
    pub(super) fn leave_silent(&mut self, server: Option<usize>, now: Instant) {
        if server != Some(self.current) || self.servers.len() < 2 {
            return;
        }
        self.advance();
        if matches!(self.registration, Registration::Registered { .. }) {
            self.send_register(REGISTER_EXPIRES_S, now);
        }
    }

    /// The server that a request went to: by its index, or because its route leads there.
    pub(super) fn server_of(&self, entry: &Outstanding) -> Option<usize> {
        let by_route = || match self.target(&entry.draft, entry.routing) {
            (Target::Address { addr, .. }, None) => {
                self.server(self.current).filter(|server| server.addr == addr).map(|_| self.current)
            }
            _ => None,
        };
        entry.server.or_else(by_route)
    }
}
