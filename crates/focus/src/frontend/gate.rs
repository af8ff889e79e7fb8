//! The gate: who sends a request, before anything is done for it.
//!
//! In a pool with users each request has to prove its sender (Digest), and its From has to be that user. Whatever passed
//! here goes on to other nodes of the pool under a [`crate::seal`], so that it is asked only once.
//!
//! # Invariants
//!
//! - What came through a hop proves itself request by request: the hop's connection carries many people.
//! - Without a proof only requests inside a dialog pass that was begun or used with a proof on the same connection, by the
//!   same user, with nobody between.
//! - A nonce is good on one connection, and an answer to it once: what was captured has no effect when it is sent again.
//! - Who guesses passwords waits, longer each time. What came through a hop counts for the user alone, not for the hop.
//!
//! Not here: what a user may do (module `conference`), the hashes (`sip_core::auth`).

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use c3p::uri::ConferenceTarget;
use sip_core::auth::{Accounts, DigestServer, SharedKey, Verdict};
use sip_core::{FlowId, IdSource, Method, Request, TransportKind};

use super::FrontEndCore;
use super::refusal::{Refusal, SIP_LAYER};
use crate::conference::{Incoming, user_key};
use crate::{registrar, seal};

/// Dialogs of which a proof is remembered; beyond, the oldest prove themselves again.
const DIALOGS_MAX: usize = 100_000;

/// Connection, Call-ID, the sender's tag, the sender.
type Known = (FlowId, String, String, String);

/// Asks for proofs, and judges them.
#[derive(Debug)]
pub(super) struct Gate {
    server: DigestServer,
    accounts: Arc<Accounts>,
    key: SharedKey,
    realm: String,
    /// Two generations: when the first is full it replaces the second.
    young: HashSet<Known>,
    old: HashSet<Known>,
}

impl Gate {
    /// `realm`: of challenges to people of domains that have no users here.
    pub(super) fn new(
        accounts: Arc<Accounts>,
        key: SharedKey,
        realm: String,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Self {
        let server = DigestServer::new(ids, now);
        Self { server, accounts, key, realm, young: HashSet::new(), old: HashSet::new() }
    }

    /// Why a request does not pass; `None` lets it in.
    ///
    /// - `address`: where it came from, if nobody stands between.
    /// - `room`: bytes that challenges may take.
    fn judge(
        &mut self,
        incoming: &Incoming,
        address: Option<IpAddr>,
        mut room: usize,
        ids: &mut dyn IdSource,
        now: Instant,
    ) -> Option<Refusal> {
        let request = &incoming.request;
        if seal::is_good(&self.key, request) {
            return None;
        }
        // The number of a connection is never given twice.
        let flow = format!("{:?}", incoming.flow);
        let verdict = self.server.check_from(request, &flow, address, &self.accounts, now);
        let known = known(incoming);
        let stale = match verdict {
            Verdict::Accepted { user } if user_key(&format!("sip:{user}")) == known.3 => {
                self.remember(known);
                return None;
            }
            Verdict::Accepted { .. } => {
                return Some(Refusal::new(403, SIP_LAYER, "From is not who was authenticated"));
            }
            Verdict::Malformed => {
                return Some(Refusal::new(400, SIP_LAYER, "Authorization cannot be read"));
            }
            Verdict::Locked { wait } => {
                let refusal = Refusal::new(403, SIP_LAYER, "Too many wrong passwords");
                return Some(refusal.with("Retry-After", wait.as_secs().max(1).to_string()));
            }
            Verdict::Missing | Verdict::Stale if self.is_known(request, &known) => return None,
            Verdict::Stale => true,
            _ => false,
        };
        let domain = request.from().uri().host();
        let realm =
            if self.accounts.serves(domain) { domain.to_ascii_lowercase() } else { self.realm.clone() };
        let challenges = self.server.challenges(&realm, &flow, stale, ids, now);
        let mut refusal = Refusal::new(401, SIP_LAYER, "Authentication is required");
        for (index, challenge) in challenges.iter().enumerate() {
            let line = challenge.to_string();
            room = room.saturating_sub(line.len() + "WWW-Authenticate: ".len());
            // The strongest one goes out in any case: nobody could answer otherwise.
            if index == 0 || room > 0 {
                refusal = refusal.with("WWW-Authenticate", line);
            }
        }
        Some(refusal)
    }

    fn is_known(&mut self, request: &Request, known: &Known) -> bool {
        if !is_direct(request) || request.to().tag().is_none() {
            return false;
        }
        if self.young.contains(known) {
            return true;
        }
        let old = self.old.contains(known);
        if old {
            self.remember(known.clone());
        }
        old
    }

    fn remember(&mut self, known: Known) {
        if self.young.len() >= DIALOGS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(known);
    }
}

/// Whether it came from its sender with nobody between.
pub(super) fn is_direct(request: &Request) -> bool {
    request.headers().values("Via").nth(1).is_none()
}

fn known(incoming: &Incoming) -> Known {
    let request = &incoming.request;
    let tag = request.from().tag().unwrap_or_default().to_owned();
    (incoming.flow, request.call_id().to_owned(), tag, user_key(request.from().uri().as_str()))
}

impl FrontEndCore {
    /// Lets a request in, or refuses it; whether it was let in.
    pub(super) fn pass_gate(&mut self, incoming: &Incoming, now: Instant) -> bool {
        let Some(gate) = &mut self.gate else { return true };
        if is_free(&incoming.request) {
            return true;
        }
        let info = self.endpoint.flow_info(incoming.flow);
        let udp = info.as_ref().is_some_and(|info| info.transport == TransportKind::Udp);
        let address = info.filter(|_| is_direct(&incoming.request)).map(|info| info.remote.ip());
        // The sender of a datagram may be forged: the answer stays below three times its length. Besides the challenges
        // and what it repeats, it has a status line, a tag and diagnostics.
        let room = if udp { (2 * incoming.request.raw().len()).saturating_sub(200) } else { usize::MAX };
        match gate.judge(incoming, address, room, self.endpoint.ids(), now) {
            None => true,
            Some(refusal) => {
                self.refuse(incoming, &refusal, now);
                false
            }
        }
    }

    /// The key of the pool, if it has users.
    pub(super) fn pool_key(&self) -> Option<&SharedKey> {
        self.gate.as_ref().map(|gate| &gate.key)
    }
}

/// What nobody has to prove: signs of life, and requests in the dialogs of registered clients, which they judge by
/// their tags (an MCU's, on their way to its members).
fn is_free(request: &Request) -> bool {
    let target = c3p::uri::target(request.uri().as_str());
    let conference = matches!(target, Some(ConferenceTarget::Focus { .. } | ConferenceTarget::Mcu { .. }));
    let sign_of_life = *request.method() == Method::Options && target.is_none();
    let to_client = registrar::key_of(request.uri()).is_some() && request.to().tag().is_some();
    !conference && (sign_of_life || to_client)
}
