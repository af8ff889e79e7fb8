//! Where a request goes: to a conference, the Factory, the registrar, an MCU, a client, or back with a refusal.

use std::time::{Duration, Instant};

use c3p::command::{Command, Document};
use c3p::diagnostics::ids;
use c3p::uri::ConferenceTarget;
use sip_core::{FlowId, Method, NameAddr, Request, ResponseDraft, Target, TransportKind, Uri};

use super::FrontEndCore;
use super::core::Wanted;
use super::gate;
use super::ownership::{Held, Kind};
use super::refusal::{Refusal, SIP_LAYER};
use crate::conference::{Cx, Incoming, Join, check_sender, read_c3p, user_key};
use crate::interior;
use crate::proxy::{self, Plan, Routed, target_of};
use crate::record::{BindingRecord, Record, key};
use crate::registrar::{self, Registration};
use crate::store::{StoreError, StoreOp, StoreValue, Txn};

/// Every method that some part of a front end knows.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, OPTIONS, SUBSCRIBE, SERVICE, REGISTER";

/// Extensions that a request may require.
pub(super) const KNOWN_OPTIONS: [&str; 8] = [
    "timer",
    "gruu-10",
    "ms-sender",
    "ms-benotify",
    "ms-piggyback-first-notify",
    "ms-dialog-route-set-update",
    "com.microsoft.autoextend",
    "path",
];

/// A request on its way through this front end to a registered client.
#[derive(Debug)]
pub(super) struct Passing {
    flow: FlowId,
    tx: Option<sip_core::ServerTransactionId>,
    request: Request,
}

impl FrontEndCore {
    /// A request that wants an answer.
    pub(super) fn on_request(&mut self, incoming: Incoming, now: Instant) {
        if interior::is_interior(&incoming.request) {
            return self.on_interior(&incoming, now);
        }
        self.notice_node(&incoming.request, now);
        let as_proxy = |incoming: &Incoming| (incoming.flow, incoming.tx, incoming.request.clone());
        match self.proxy.route(&self.endpoint, incoming.flow, &incoming.request) {
            Routed::Down(plan) => {
                let (flow, tx, request) = as_proxy(&incoming);
                let incoming = proxy::Incoming { flow, tx: Some(tx), request: &request };
                self.proxy.forward(&mut self.endpoint, incoming, plan, now);
            }
            Routed::Lost(action) => {
                self.proxy.refuse(&mut self.endpoint, incoming.tx, &incoming.request, action, now);
            }
            Routed::Up { rest, .. } => self.on_request_up(incoming, rest, now),
        }
    }

    /// A request that is never answered: an ACK or BENOTIFY that only passes through.
    pub(super) fn on_oneway(&mut self, flow: FlowId, request: &Request, now: Instant) {
        let incoming = proxy::Incoming { flow, tx: None, request };
        match self.proxy.route(&self.endpoint, flow, request) {
            Routed::Down(plan) => self.proxy.forward(&mut self.endpoint, incoming, plan, now),
            // Without a Route of ours it is for us, and an ACK tells us nothing.
            Routed::Lost(_) | Routed::Up { through: false, .. } => {}
            Routed::Up { through: true, rest } => {
                let next = rest.first().map_or(request.uri(), NameAddr::uri);
                let Some(target) = self.pool_target(next) else { return };
                let plan = Plan::up(vec![target]).routes(rest).trusted(self.is_from_pool(flow));
                self.proxy.forward(&mut self.endpoint, incoming, plan, now);
            }
        }
    }

    fn on_request_up(&mut self, incoming: Incoming, rest: Vec<NameAddr>, now: Instant) {
        if !self.pass_gate(&incoming, now) {
            return;
        }
        // Further Route values lead on to somebody else of the pool, and to nobody else.
        let next = rest.first().map(NameAddr::uri).filter(|next| !self.proxy.is_own(next));
        if let Some(next) = next.filter(|next| target_of(next).is_some()) {
            let Incoming { tx, flow, request } = &incoming;
            let Some(target) = self.pool_target(next) else {
                let action = proxy::RecoveryAction::DialogRouteSetUpdate;
                return self.proxy.refuse(&mut self.endpoint, *tx, request, action, now);
            };
            let plan = Plan::up(vec![target]).routes(rest).trusted(self.is_from_pool(*flow));
            let passing = proxy::Incoming { flow: *flow, tx: Some(*tx), request };
            return self.proxy.forward(&mut self.endpoint, passing, plan, now);
        }
        if let Err(refusal) = self.classify(&incoming, now) {
            self.refuse(&incoming, &refusal, now);
        }
    }

    /// Where a URI leads, if that is a node of the pool: a front end is nobody's relay.
    fn pool_target(&self, uri: &Uri) -> Option<Target> {
        let known = uri.sip_addr().is_some_and(|addr| self.nodes.is_pool_address(addr));
        target_of(uri).filter(|_| known)
    }

    /// Whether a node of the pool may be at the other end. (On one host with its clients, anybody may.)
    fn is_from_pool(&self, flow: FlowId) -> bool {
        let host = self.endpoint.flow_info(flow).map(|info| info.remote.ip());
        host.is_some_and(|host| self.nodes.is_pool_host(host))
    }

    fn classify(&mut self, incoming: &Incoming, now: Instant) -> Result<(), Refusal> {
        if self.store_is_behind() {
            let refusal = Refusal::new(503, ids::SERVICE_UNAVAILABLE, "The store is behind");
            return Err(refusal.with("Retry-After", "10"));
        }
        let request = &incoming.request;
        let uri = request.uri();
        if self.passes_through(incoming, now) {
            return Ok(());
        }
        self.check_options(request)?;
        let target = c3p::uri::target(uri.as_str());
        match (request.method(), target) {
            (Method::Register, _) => self.on_register(incoming, now),
            (Method::Other(_) | Method::Message | Method::Refer | Method::Publish | Method::Prack, _) => {
                Err(method_not_allowed())
            }
            (Method::Notify | Method::Benotify, _) => {
                Err(Refusal::new(481, SIP_LAYER, "No such subscription"))
            }
            (_, Some(ConferenceTarget::Factory)) => self.on_factory(incoming, now),
            (_, Some(ConferenceTarget::Focus { .. } | ConferenceTarget::Mcu { .. })) => {
                let (name, kind) = self.conference_kind(incoming, now)?;
                let until = now + self.hold(&kind);
                self.bring_to(&name, Held { incoming: incoming.clone(), kind, until }, now);
                Ok(())
            }
            (Method::Options, None) => {
                let token = self.endpoint.new_token();
                let mut response = ResponseDraft::to(request, 200).header("Allow", ALLOW);
                if request.to().tag().is_none() {
                    response = response.to_tag(&token);
                }
                self.endpoint.respond(incoming.tx, response, now);
                Ok(())
            }
            (Method::Subscribe, None) => {
                let refusal = Refusal::new(489, SIP_LAYER, "Only the conference package is known here");
                Err(refusal.with("Allow-Events", c3p::mime::EVENT_CONFERENCE))
            }
            (Method::Bye | Method::Info | Method::Update, None) => {
                Err(Refusal::new(481, SIP_LAYER, "No such dialog"))
            }
            (_, None) => Err(Refusal::c3p(ids::C3P_CONFERENCE_URI)),
        }
    }

    fn hold(&self, kind: &Kind) -> std::time::Duration {
        match kind {
            Kind::Join(_) | Kind::Call(_) => self.config.timers.hold_invite,
            Kind::Delete(_) | Kind::Other => self.config.timers.hold_request,
        }
    }

    /// Which conference a request is for, and what it wants there.
    fn conference_kind(&mut self, incoming: &Incoming, now: Instant) -> Result<(String, Kind), Refusal> {
        let request = &incoming.request;
        let uri = request.uri().as_str();
        let id = c3p::uri::conference_id(uri).ok_or_else(|| Refusal::c3p(ids::C3P_CONFERENCE_URI))?;
        let organizer = c3p::uri::organizer(uri).ok_or_else(|| Refusal::c3p(ids::C3P_CONFERENCE_URI))?;
        let name = key::conference(&user_key(organizer), id);
        let in_dialog = request.to().tag().is_some();
        match (c3p::uri::target(uri), request.method()) {
            (Some(ConferenceTarget::Mcu { mcu, .. }), Method::Invite) if !in_dialog => {
                Ok((name, Kind::Call(mcu.as_str().to_owned())))
            }
            (Some(ConferenceTarget::Mcu { .. }), _) => {
                Err(Refusal::new(481, ids::MCU_FAILING_OVER, "The dialogs of an MCU are at the MCU"))
            }
            (_, Method::Invite) if !in_dialog => {
                let join = self.read_join(request, now)?;
                Ok((name, Kind::Join(Box::new(join))))
            }
            (_, Method::Service) => Err(method_not_allowed()),
            _ => Ok((name, Kind::Other)),
        }
    }

    /// As at first, for a request that came back.
    pub(super) fn classify_again(&mut self, incoming: &Incoming, now: Instant) -> Option<(String, Kind)> {
        if let Some(ConferenceTarget::Factory) = c3p::uri::target(incoming.request.uri().as_str()) {
            return self.delete_kind(incoming, now);
        }
        self.conference_kind(incoming, now).ok()
    }

    /// The INVITE's body has to be a join, and in the sender's own name (c3p section 3.9).
    fn read_join(&mut self, request: &Request, now: Instant) -> Result<Join, Refusal> {
        let wall = self.wall(now);
        let cx = Cx { now, wall, ids: self.endpoint.ids(), config: &self.config, nodes: &self.nodes };
        let Document::Request(c3p) = read_c3p(request, &cx)? else {
            return Err(Refusal::c3p(ids::C3P_NOT_PARSABLE));
        };
        let target = request.uri().as_str();
        let Command::AddUser(add) = c3p.command.clone() else {
            return Err(Refusal::c3p(ids::C3P_NOT_IMPLEMENTED));
        };
        check_sender(request, &c3p)?;
        if !c3p::uri::same(&c3p.to, target) {
            return Err(Refusal::c3p(ids::C3P_TO));
        }
        if !c3p::uri::same(&add.conference, target) {
            return Err(Refusal::c3p(ids::C3P_CONFERENCE_ENTITY));
        }
        let longest = self.config.bounds.name_chars_max;
        if user_key(&add.user.entity) != user_key(request.from().uri().as_str())
            || add.user.entity.len() > longest
        {
            return Err(Refusal::c3p(ids::C3P_TARGET_USER).with_status(403));
        }
        let endpoint = add.endpoint().map(|endpoint| endpoint.entity.as_str()).unwrap_or_default();
        let printable = endpoint.bytes().all(|byte| byte.is_ascii_graphic());
        if endpoint.is_empty() || endpoint.len() > longest || !printable {
            return Err(Refusal::c3p(ids::C3P_ENDPOINT_ENTITY));
        }
        if c3p.mcu_uri.is_some() {
            return Err(Refusal::c3p(ids::C3P_NOT_TO_MCU));
        }
        Ok(Join { request: c3p, add })
    }

    // ----- registered clients -----

    /// A request to a registered client, or in a dialog with an MCU, only passes through.
    fn passes_through(&mut self, incoming: &Incoming, now: Instant) -> bool {
        let uri = incoming.request.uri();
        if let Some(at) = registrar::key_of(uri) {
            let Incoming { tx, flow, request } = incoming.clone();
            let passing = Box::new(Passing { flow, tx: Some(tx), request });
            self.want(StoreOp::Get(at), Wanted::Through { incoming: passing });
            return true;
        }
        let to_mcu = uri.sip_addr().is_some_and(|addr| self.nodes.is_mcu_address(addr));
        let Some(target) = target_of(uri).filter(|_| to_mcu && !self.proxy.is_own(uri)) else { return false };
        let plan = Plan::up(vec![target]).off_route();
        let passing =
            proxy::Incoming { flow: incoming.flow, tx: Some(incoming.tx), request: &incoming.request };
        self.proxy.forward(&mut self.endpoint, passing, plan, now);
        true
    }

    /// The binding of a registered client was read.
    pub(super) fn on_through(
        &mut self,
        passing: &Passing,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        let route = self.route_of(result, now);
        let request = &passing.request;
        let resolved = match route.is_empty() {
            true => None,
            false => self.proxy.resolve(&self.endpoint, &route, request.uri()).ok(),
        };
        let incoming = proxy::Incoming { flow: passing.flow, tx: passing.tx, request };
        match (resolved, passing.tx) {
            (Some(resolved), _) => {
                let trusted = self.is_from_pool(passing.flow);
                let plan = Plan::down(vec![resolved.target]).routes(resolved.route).trusted(trusted);
                self.proxy.forward(&mut self.endpoint, incoming, plan, now);
            }
            (None, Some(tx)) if request.to().tag().is_some() => {
                let action = proxy::RecoveryAction::WaitForSessionUpdate;
                self.proxy.refuse(&mut self.endpoint, tx, request, action, now);
            }
            (None, Some(tx)) => {
                let incoming = Incoming { tx, flow: passing.flow, request: request.clone() };
                self.refuse(&incoming, &Refusal::new(480, SIP_LAYER, "The user is not registered"), now);
            }
            (None, None) => {}
        }
    }

    /// The route to a bound device.
    pub(super) fn route_of(&self, result: Result<StoreValue, StoreError>, now: Instant) -> Vec<NameAddr> {
        let Ok(StoreValue::Entries(entries)) = result else { return Vec::new() };
        let binding = entries.first().and_then(|entry| BindingRecord::decode(&entry.value).ok());
        binding.map(|binding| registrar::route_to(&binding, self.wall(now))).unwrap_or_default()
    }

    /// RFC 3261 sections 8.2.2.3 and 16.3: a front end serves requests and passes them on.
    fn check_options(&self, request: &Request) -> Result<(), Refusal> {
        let checks = [self.able.check(request), self.able.check_forwarded(request)];
        let refused = checks.into_iter().filter_map(Result::err).find(|draft| draft.status == 420);
        let Some(draft) = refused else { return Ok(()) };
        let refusal = Refusal::new(420, SIP_LAYER, "An extension is not supported");
        Err(refusal.with("Unsupported", draft.get("Unsupported").unwrap_or_default()))
    }

    fn on_register(&mut self, incoming: &Incoming, now: Instant) -> Result<(), Refusal> {
        let path = self.proxy.path_for(&mut self.endpoint, incoming.flow);
        let wall = self.wall(now);
        let sender = self.endpoint.flow_info(incoming.flow).map(|info| info.remote.ip());
        let (request, name) = (&incoming.request, &self.config.name);
        match registrar::register(request, &self.registrar, name, &path, sender, wall) {
            Ok(Registration::Bound { key, binding, answer }) => {
                let promised = answer.get("ms-keep-alive").is_some() && gate::is_direct(request);
                let transport = self.endpoint.flow_info(incoming.flow).map(|info| info.transport);
                if promised && transport.is_some_and(TransportKind::is_reliable) {
                    let timeout = Duration::from_secs(u64::from(self.registrar.keep_alive_s));
                    self.silence.watch(incoming.flow, timeout, now);
                }
                let txn = Txn::new().put(key, binding.encode());
                self.store_binding(incoming, txn, answer);
            }
            Ok(Registration::Removed { key, answer }) => {
                self.store_binding(incoming, Txn::new().delete(key), answer);
            }
            Err(error) => {
                tracing::info!(%error, "registration refused");
                let token = self.endpoint.new_token();
                let answer = error.answer(&incoming.request, &self.config.name).to_tag(&token);
                self.endpoint.respond(incoming.tx, answer, now);
            }
        }
        Ok(())
    }

    fn store_binding(&mut self, incoming: &Incoming, txn: Txn, answer: ResponseDraft) {
        let answer = match incoming.request.to().tag() {
            Some(_) => answer,
            None => answer.to_tag(&self.endpoint.new_token()),
        };
        let wanted = Wanted::Bound { incoming: Box::new(incoming.clone()), answer: Box::new(answer) };
        self.want(StoreOp::Commit(txn), wanted);
    }
}

pub(super) fn method_not_allowed() -> Refusal {
    Refusal::new(405, SIP_LAYER, "The method is not known here").with("Allow", ALLOW)
}
