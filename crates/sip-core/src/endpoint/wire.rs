//! What the endpoint writes into messages and reads out of them.

use std::net::SocketAddr;

use bytes::Bytes;

use super::config::EndpointConfig;
use super::flow::FlowInfo;
use crate::build::{RequestDraft, ResponseDraft};
use crate::transaction::Link;
use crate::{IdSource, Method, NameAddr, Response, TransportKind, Via};

/// Whether transactions over this transport retransmit.
pub(super) fn link(transport: TransportKind) -> Link {
    if transport.is_reliable() { Link::Reliable } else { Link::Unreliable }
}

/// The request with everything a sender adds: Via, Max-Forwards, and User-Agent if it is our own.
pub(super) fn complete_request(
    mut draft: RequestDraft,
    branch: &str,
    info: FlowInfo,
    config: &EndpointConfig,
) -> RequestDraft {
    let forwarded = draft.get("Via").is_some();
    if draft.get("Max-Forwards").is_none() {
        draft = draft.max_forwards(70);
    }
    if !forwarded && !config.user_agent.is_empty() && draft.get("User-Agent").is_none() {
        draft = draft.header("User-Agent", config.user_agent.clone());
    }
    let advertised = config.advertised.iter().find(|(transport, _)| *transport == info.transport);
    let ours = advertised.map_or(info.local, |(_, addr)| *addr);
    match Via::new(info.transport, &ours.ip().to_string(), Some(ours.port()), branch) {
        Ok(via) => {
            draft.push_via(&via);
        }
        Err(error) => debug_assert!(false, "literal addresses and hexadecimal branches make a Via: {error}"),
    }
    draft
}

/// The size of a request in bytes when it leaves here; that of the Via is an estimate, and rather too large.
pub(super) fn request_size(draft: &RequestDraft, config: &EndpointConfig) -> usize {
    /// `Via: SIP/2.0/UDP [address]:port;branch=z9hG4bK...;rport` with 128 random bits, and Content-Length.
    const VIA_AND_LENGTH: usize = 120 + 22;
    /// `Max-Forwards: 70`, and the ends of start line and head.
    const FIXED: usize = 18 + 14;
    let lines: usize = draft.headers().map(|(name, value)| name.len() + value.len() + 4).sum();
    let start = draft.method.as_str().len() + draft.uri.as_str().len();
    start + lines + draft.payload().len() + config.user_agent.len() + 14 + VIA_AND_LENGTH + FIXED
}

/// The response with everything a sender adds: a To tag if there is none, and Server.
pub(super) fn complete_response(
    mut draft: ResponseDraft,
    ids: &mut dyn IdSource,
    config: &EndpointConfig,
) -> ResponseDraft {
    if draft.lacks_to_tag() {
        draft = draft.to_tag(&ids.token());
    }
    if !config.user_agent.is_empty() && draft.get("Server").is_none() {
        draft = draft.header("Server", config.user_agent.clone());
    }
    draft
}

/// Where a response goes whose flow is gone: RFC 3261 section 18.2.2.
pub(super) fn response_addr(via: &Via) -> Option<SocketAddr> {
    if via.transport().is_some_and(TransportKind::is_reliable) {
        // The port of a connection is gone with it: sent-by names the one that listens.
        let ip = via.response_addr()?.ip();
        let port = via.port().or_else(|| via.transport().map(TransportKind::default_port))?;
        return Some(SocketAddr::new(ip, port));
    }
    via.response_addr()
}

/// The ACK of a non-2xx response (RFC 3261 section 17.1.1.3), in the INVITE's own transaction.
pub(super) fn ack(invite: &RequestDraft, response: &Response) -> Bytes {
    repeat(invite, Method::Ack, Some(response.to())).write()
}

/// The CANCEL of an INVITE (RFC 3261 section 9.1).
pub(super) fn cancel(invite: &RequestDraft) -> RequestDraft {
    repeat(invite, Method::Cancel, None)
}

/// A request of the INVITE's own transaction: same Request-URI, topmost Via, Route, From, Call-ID and CSeq number.
fn repeat(invite: &RequestDraft, method: Method, to: Option<&NameAddr>) -> RequestDraft {
    let copied = |draft: RequestDraft, name: &str| match invite.get(name) {
        Some(value) => draft.header(name, value.to_owned()),
        None => draft,
    };
    let mut draft = RequestDraft::new(method, invite.uri.clone());
    if let Some(via) = invite.top_via() {
        draft.push_via(&via);
    }
    let draft = draft.max_forwards(70).route(invite.route_values());
    let draft = copied(draft, "From");
    let draft = match to {
        Some(to) => draft.to(to.clone()),
        None => copied(draft, "To"),
    };
    copied(draft, "Call-ID").cseq(invite.cseq_value().map_or(1, |cseq| cseq.number))
}
