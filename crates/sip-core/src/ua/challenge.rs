//! Answering challenges: the same request again, with a proof of the password; and the server's own proof.

use std::time::Instant;

use super::{Registration, RequestId, SendError, UaEvent, UserAgent};
use crate::auth::{Kind, ServerProof};
use crate::build::RequestDraft;
use crate::endpoint::{ClientTransactionId, FlowId, PeerName, Target};
use crate::header::{Method, TransportKind};
use crate::message::Response;
use crate::resolve::Destination;

/// How often one request may be sent again because of challenges: several servers in turn, a nonce that ended.
const ANSWERS_MAX: u32 = 6;

/// The answers to challenges that a request went out with.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// Header and value of each.
    pub(super) lines: Vec<(&'static str, String)>,
    /// The nonces in them.
    nonces: Vec<String>,
    /// The realms whose challenge to this very request was answered, at the server where it is now.
    answered: Vec<(Kind, String)>,
    /// How often the request was sent again.
    times: u32,
}

impl UserAgent {
    /// Sends a request; to a server of ours with the answers to all challenges that are known.
    pub(super) fn transmit(
        &mut self,
        draft: &RequestDraft,
        target: Target,
        now: Instant,
    ) -> (ClientTransactionId, Proof) {
        let mut draft = draft.clone();
        let mut proof = Proof::default();
        if self.is_configured(&target)
            && let Some(digest) = &mut self.digest
        {
            proof.nonces = digest.authorize(&mut draft, self.endpoint.ids());
            for kind in [Kind::Www, Kind::Proxy] {
                let name = kind.answer_header();
                proof.lines.extend(draft.get_all(name).map(|value| (name, value.to_owned())));
            }
        }
        (self.endpoint.send_request(draft, target, now), proof)
    }

    /// Answers a 401 or 407 by the same request, on the flow that its nonce is good for; `false`: it is refused.
    pub(super) fn answer_challenge(
        &mut self,
        id: RequestId,
        flow: FlowId,
        response: &Response,
        now: Instant,
    ) -> bool {
        if !matches!(response.status(), 401 | 407) || !self.is_configured(&Target::Flow(flow)) {
            return false;
        }
        let Some(digest) = &mut self.digest else { return false };
        let asked = digest.choose_all(response);
        let Some(entry) = self.requests.get_mut(&id) else { return false };
        let refused = asked.iter().any(|(kind, challenge)| {
            let who = (*kind, challenge.realm.clone());
            entry.proof.nonces.contains(&challenge.nonce)
                || entry.proof.answered.contains(&who) && !challenge.stale
        });
        if refused || entry.cancelled || entry.proof.times >= ANSWERS_MAX {
            // The next request begins without an answer that was not taken.
            asked.iter().for_each(|(kind, challenge)| digest.forget(*kind, &challenge.realm));
            return false;
        }
        if asked.is_empty() {
            return false;
        }
        let whos: Vec<_> = asked.iter().map(|(kind, challenge)| (*kind, challenge.realm.clone())).collect();
        asked.into_iter().for_each(|(kind, challenge)| digest.learn(kind, challenge));
        let mut before = std::mem::take(&mut entry.proof);
        let (draft, old) = (entry.draft.clone(), entry.tx);
        debug_assert!(draft.method != Method::Ack, "nobody challenges an ACK");
        let draft = self.numbers.renumber(draft, self.requests.values().map(|other| &other.draft));
        let (tx, mut proof) = self.transmit(&draft, Target::Flow(flow), now);
        for who in whos {
            if !before.answered.contains(&who) {
                before.answered.push(who);
            }
        }
        proof.answered = before.answered;
        proof.times = before.times + 1;
        self.by_transaction.remove(&old);
        self.by_transaction.insert(tx, id);
        if let Some(entry) = self.requests.get_mut(&id) {
            entry.draft = draft;
            entry.tx = tx;
            entry.proof = proof;
            entry.answered = false;
        }
        true
    }

    /// Reads what a final answer of a server of ours says of nonces, and drops one that pretends to know the password.
    pub(super) fn drops_impostor(
        &mut self,
        id: RequestId,
        flow: FlowId,
        response: &Response,
        now: Instant,
    ) -> bool {
        if response.is_provisional() || !self.is_configured(&Target::Flow(flow)) {
            return false;
        }
        let Some(digest) = &mut self.digest else { return false };
        if digest.check(response) != ServerProof::Wrong {
            return false;
        }
        if let Some(entry) = self.requests.remove(&id) {
            self.by_transaction.remove(&entry.tx);
        }
        if self.registration == (Registration::Registering { id }) {
            self.wait_to_register(None, now);
        } else {
            self.events.push_back(UaEvent::Failed { id, error: SendError::Impostor });
        }
        true
    }

    /// Whether this is one of our servers: nobody else gets an answer made with the password.
    fn is_configured(&self, target: &Target) -> bool {
        let (transport, addr) = match target {
            Target::Address { transport, addr } => (*transport, *addr),
            Target::Server { addr, .. } => (TransportKind::Tls, *addr),
            Target::Flow(flow) => match self.endpoint.flow_info(*flow) {
                Some(info) => (info.transport, info.remote),
                None => return false,
            },
        };
        // Over TLS it counts only as what it proved, or will have to prove, to be.
        let proved = |name: &PeerName| match target {
            Target::Address { .. } => *name == addr.ip().into(),
            Target::Server { name: asked, .. } => asked == name,
            Target::Flow(flow) => self.endpoint.peer(*flow).is_some_and(|peer| peer.proves(name)),
        };
        let ours = |server: &Destination| {
            // What is too large for UDP goes to the same server over TCP.
            let same = server.transport == transport
                || (server.transport, transport) == (TransportKind::Udp, TransportKind::Tcp);
            same && server.addr == addr && (transport != TransportKind::Tls || proved(&server.identity))
        };
        self.servers.iter().any(ours)
    }
}
