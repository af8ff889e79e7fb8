//! Which way a request runs: reading off this element's own Route, and naming the next element.

use sip_core::{Endpoint, FlowId, NameAddr, Request, Target, TransportKind, Uri};

use super::Proxy;
use super::forward::Plan;
use super::refusal::RecoveryAction;
use super::token::{Direction, Mark};

/// What this element's own Route, if it is on top, says about a request.
#[derive(Debug)]
pub enum Routed {
    /// Towards the pool. The owner chooses the target.
    Up {
        /// Whether a Route of this element was on top (and is not in `rest` any more).
        through: bool,
        /// The Route values that remain.
        rest: Vec<NameAddr>,
    },
    /// Towards a client, over its own flow or the next element of the route: forward it by this plan.
    Down(Plan),
    /// The way is gone: [`Proxy::refuse`] with this action (nothing for an ACK).
    Lost(RecoveryAction),
}

/// Where a request of our own goes that has a certain route set.
#[derive(Debug)]
pub struct Resolved {
    /// Where to send it.
    pub target: Target,
    /// The Route values to put on it.
    pub route: Vec<NameAddr>,
}

/// The address that a URI with a literal IP names; without a transport parameter it is UDP (RFC 3263 section 4.1).
///
/// A GRUU (also that of a conference) is no address, even if its domain is written as one: it has to be looked up.
pub fn target_of(uri: &Uri) -> Option<Target> {
    let addr = uri.sip_addr().filter(|_| !uri.has_param("gruu"))?;
    Some(Target::Address { transport: uri.transport().unwrap_or(TransportKind::Udp), addr })
}

impl Proxy {
    /// Reads this element's own Route off a request and says which way it runs.
    ///
    /// A dialog's mark tells the direction by the From tag. A request that runs up, but not over the flow that its mark
    /// names, comes from a client that lost that flow: its sender is told to repair the dialog, if it can; else it goes
    /// on, because only the way back is broken. BYE and ACK go on in any case.
    pub fn route(&self, endpoint: &Endpoint, flow: FlowId, request: &Request) -> Routed {
        let routes = request.route();
        let Some(mark) = routes.first().and_then(|first| self.own_mark(first.uri())) else {
            return Routed::Up { through: false, rest: routes.to_vec() };
        };
        let rest = routes[1..].to_vec();
        let marked = mark.token.as_deref().and_then(|token| self.open_flow(endpoint, token));
        let direction = mark.direction(request.from().tag()).unwrap_or(if marked == Some(flow) {
            Direction::Up
        } else {
            Direction::Down
        });
        match direction {
            Direction::Up if mark.token.is_none() || marked == Some(flow) || !can_repair(request) => {
                Routed::Up { through: true, rest }
            }
            Direction::Up => Routed::Lost(RecoveryAction::DialogRouteSetUpdate),
            Direction::Down => match self.way_down(&mark, marked, &rest, request.uri()) {
                Ok(target) => Routed::Down(Plan::down(vec![target]).routes(rest)),
                Err(action) => Routed::Lost(action),
            },
        }
    }

    /// Finds the target of a request that this element sends itself, by a route set whose first entry may be its own.
    ///
    /// # Errors
    ///
    /// What a 430 for it would say: the flow is gone, or nothing in it can be turned into an address.
    pub fn resolve(
        &self,
        endpoint: &Endpoint,
        route: &[NameAddr],
        uri: &Uri,
    ) -> Result<Resolved, RecoveryAction> {
        if let Some(mark) = route.first().and_then(|first| self.own_mark(first.uri())) {
            let marked = mark.token.as_deref().and_then(|token| self.open_flow(endpoint, token));
            let target = self.way_down(&mark, marked, &route[1..], uri)?;
            return Ok(Resolved { target, route: route[1..].to_vec() });
        }
        let next = route.first().map_or(uri, NameAddr::uri);
        let target = target_of(next).ok_or(RecoveryAction::DialogRouteSetUpdate)?;
        Ok(Resolved { target, route: route.to_vec() })
    }

    /// The Route value that leads from this element to the other end of a flow: Path for a REGISTER that came on it.
    pub fn path_for(&mut self, endpoint: &mut Endpoint, flow: FlowId) -> NameAddr {
        let info = endpoint.flow_info(flow);
        if let Some(info) = &info {
            self.hosts.learn(info.remote.ip());
        }
        let transport = info.map(|info| info.transport);
        let token = self.tokens.token(flow, || endpoint.new_token());
        self.own_route(&Mark::path(token), transport)
    }

    /// The Record-Route value for a request that came over `incoming` and goes to `target`.
    pub(super) fn record_route_for(
        &mut self,
        endpoint: &mut Endpoint,
        direction: Direction,
        incoming: FlowId,
        target: &Target,
        from_tag: &str,
    ) -> NameAddr {
        let client_side = match (direction, target) {
            (Direction::Up, _) => Some(incoming),
            (Direction::Down, Target::Flow(flow)) => Some(*flow),
            // The next element of the route leads on; it has a mark of its own.
            (Direction::Down, Target::Address { .. } | Target::Server { .. }) => None,
        };
        let info = client_side.and_then(|flow| endpoint.flow_info(flow));
        let host = match target {
            Target::Address { addr, .. } | Target::Server { addr, .. } if direction == Direction::Down => {
                Some(addr.ip())
            }
            Target::Address { .. } | Target::Server { .. } | Target::Flow(_) => {
                info.as_ref().map(|info| info.remote.ip())
            }
        };
        if let Some(host) = host {
            self.hosts.learn(host);
        }
        let transport = info.map(|info| info.transport);
        let token = client_side.map(|flow| self.tokens.token(flow, || endpoint.new_token()));
        self.own_route(&Mark::dialog(token, direction, from_tag), transport)
    }

    /// Whether a URI names one of this element's addresses.
    pub fn is_own(&self, uri: &Uri) -> bool {
        let Some(addr) = uri.sip_addr() else { return false };
        self.config.listen.iter().any(|listen| {
            listen.addr == addr && uri.transport().is_none_or(|transport| transport == listen.transport)
        })
    }

    /// The target of a request that runs down: the marked flow, else the next element of the route.
    fn way_down(
        &self,
        mark: &Mark,
        marked: Option<FlowId>,
        rest: &[NameAddr],
        uri: &Uri,
    ) -> Result<Target, RecoveryAction> {
        if let Some(flow) = marked {
            return Ok(Target::Flow(flow));
        }
        match (rest.first(), mark.token.is_some()) {
            (Some(next), _) => self.known_target(next.uri()).ok_or(RecoveryAction::DialogRouteSetUpdate),
            (None, true) => Err(RecoveryAction::WaitForSessionUpdate),
            (None, false) => self.known_target(uri).ok_or(RecoveryAction::WaitForSessionUpdate),
        }
    }

    /// The target that a URI names, if its host was on the client side before.
    fn known_target(&self, uri: &Uri) -> Option<Target> {
        target_of(uri).filter(|_| uri.sip_addr().is_some_and(|addr| self.hosts.knows(addr.ip())))
    }

    fn open_flow(&self, endpoint: &Endpoint, token: &str) -> Option<FlowId> {
        self.tokens.flow(token).filter(|flow| endpoint.flow_info(*flow).is_some())
    }

    fn own_mark(&self, uri: &Uri) -> Option<Mark> {
        if !self.is_own(uri) {
            return None;
        }
        // Ours without a mark: a preloaded Route (RFC 3261 section 8.1.2), which just leads through here.
        uri.user().map_or_else(|| Some(Mark::preloaded()), Mark::parse)
    }

    fn own_route(&self, mark: &Mark, transport: Option<TransportKind>) -> NameAddr {
        let listen = &self.config.listen;
        let fitting = listen.iter().find(|one| Some(one.transport) == transport).or(listen.first());
        debug_assert!(fitting.is_some(), "an element that forwards listens somewhere");
        let (addr, transport) = fitting.map_or_else(
            || (std::net::SocketAddr::from(([0, 0, 0, 0], 0)), TransportKind::Tcp),
            |one| (one.addr, one.transport),
        );
        NameAddr::new(Uri::for_addr(Some(&mark.to_user()), addr, transport).with_param("lr", None))
    }
}

/// Whether a request that came up over a foreign flow is better answered 430 than sent on.
fn can_repair(request: &Request) -> bool {
    use sip_core::Method;
    let in_dialog = request.to().tag().is_some();
    let wanted = !matches!(request.method(), Method::Bye | Method::Ack | Method::Cancel);
    in_dialog && wanted && request.supports(super::refusal::ROUTE_SET_UPDATE)
}
