//! Challenges to requests of ours: 401 and 407 are answered by the same request with a proof (RFC 3261 section 22).
//!
//! Who proves what to whom is the user's decision: it gives [`Proofs`], or sees the 401 like any other refusal.

use std::fmt;

use super::*;
use crate::auth::{
    Authorization, Challenge, DigestClient, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
use crate::{IdSource, TypedHeader};

/// How often one request is repeated because of challenges: several realms in turn, a nonce that ended.
const PROOFS_MAX: u8 = 3;
/// What a proof is in.
const PROOF_HEADERS: [&str; 2] = ["Authorization", "Proxy-Authorization"];

/// Answers challenges.
pub trait Proofs: Send {
    /// Whether who sends on this flow may be answered at all. By default anybody may: a challenge of a server behind our proxy
    /// comes on the proxy's flow. [`OnlyAt`] is stricter.
    fn trusts(&self, _flow: FlowId, _endpoint: &Endpoint) -> bool {
        true
    }

    /// Adds to the draft what this 401 or 407 asks for; `false`: the challenge is not to be answered.
    fn answer(&mut self, response: &Response, draft: &mut RequestDraft, ids: &mut dyn IdSource) -> bool;
}

impl Proofs for DigestClient {
    fn answer(&mut self, response: &Response, draft: &mut RequestDraft, ids: &mut dyn IdSource) -> bool {
        let asked = self.choose_all(response);
        let any = !asked.is_empty();
        for (kind, challenge) in asked {
            self.learn(kind, challenge);
        }
        any && !self.authorize(draft, ids).is_empty()
    }
}

/// Proofs for some servers alone: a challenge from elsewhere is a refusal like any other, whatever realm it claims.
#[derive(Debug)]
pub struct OnlyAt<P> {
    proofs: P,
    servers: Vec<Target>,
}

impl<P: Proofs> OnlyAt<P> {
    /// Answers only what comes from these: an address with its transport, or over TLS a server that proved its name.
    pub fn new(proofs: P, servers: impl IntoIterator<Item = Target>) -> Self {
        Self { proofs, servers: servers.into_iter().collect() }
    }
}

impl<P: Proofs> Proofs for OnlyAt<P> {
    fn trusts(&self, flow: FlowId, endpoint: &Endpoint) -> bool {
        let Some(info) = endpoint.flow_info(flow) else { return false };
        let proved = |name: &crate::PeerName| endpoint.peer(flow).is_some_and(|peer| peer.proves(name));
        self.servers.iter().any(|server| match server {
            Target::Flow(own) => *own == flow,
            Target::Server { addr, name } => {
                info.transport == TransportKind::Tls && info.remote == *addr && proved(name)
            }
            Target::Address { transport, addr } => {
                // What is too large for UDP goes to the same server over TCP.
                let same = info.transport == *transport
                    || (*transport, info.transport) == (TransportKind::Udp, TransportKind::Tcp);
                let named = info.transport != TransportKind::Tls || proved(&addr.ip().into());
                same && named && info.remote == *addr
            }
        }) && self.proofs.trusts(flow, endpoint)
    }

    fn answer(&mut self, response: &Response, draft: &mut RequestDraft, ids: &mut dyn IdSource) -> bool {
        self.proofs.answer(response, draft, ids)
    }
}

/// The proofs, and the requests that may be challenged; without proofs nothing is kept.
#[derive(Default)]
pub(super) struct Challenges {
    proofs: Option<Box<dyn Proofs>>,
    sent: HashMap<ClientTransactionId, Sent>,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").field("sent", &self.sent.len()).finish_non_exhaustive()
    }
}

/// A request that waits for its answer.
struct Sent {
    key: Option<Key>,
    draft: RequestDraft,
    target: Target,
    times: u8,
}

impl Challenges {
    /// Forgets a request that has its answer.
    pub(super) fn forget(&mut self, tx: ClientTransactionId) {
        self.sent.remove(&tx);
    }

    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }
}

impl Usages {
    /// Answers challenges by these proofs, e.g. a [`DigestClient`]: the password is used for its realms only, wherever the
    /// challenge comes from; in [`OnlyAt`], at its servers only.
    #[must_use]
    pub fn with_proofs(mut self, proofs: Box<dyn Proofs>) -> Self {
        self.challenges.proofs = Some(proofs);
        self
    }

    /// Sends a request that is no INVITE, and keeps it as long as it may be challenged.
    pub(super) fn dispatch(
        &mut self,
        key: Option<Key>,
        draft: RequestDraft,
        target: Target,
        cx: &mut Cx<'_>,
    ) -> ClientTransactionId {
        if self.challenges.proofs.is_none() {
            return cx.ep.send_request(draft, target, cx.now);
        }
        let tx = cx.ep.send_request(draft.clone(), target.clone(), cx.now);
        self.challenges.sent.insert(tx, Sent { key, draft, target, times: 0 });
        tx
    }

    /// Whether a challenge was answered: the request goes on under another transaction.
    pub(super) fn proves(
        &mut self,
        tx: ClientTransactionId,
        flow: FlowId,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> bool {
        let proofs = self.challenges.proofs.as_deref().filter(|_| matches!(response.status(), 401 | 407));
        if !proofs.is_some_and(|proofs| proofs.trusts(flow, cx.ep)) {
            return false;
        }
        let of_invite = self.attempts.get(&tx).map(Attempt::challenged);
        let of_other =
            || self.challenges.sent.get(&tx).map(|s| (s.key, s.draft.clone(), s.target.clone(), s.times));
        let found = match of_invite {
            Some(invite) => invite,
            None => of_other(),
        };
        let Some((key, mut draft, target, times)) = found.filter(|(.., times)| *times < PROOFS_MAX) else {
            return false;
        };
        if was_refused(&draft, response) {
            return false;
        }
        for name in PROOF_HEADERS {
            draft.remove_header(name);
        }
        let last = draft.cseq_value().map_or(1, |cseq| cseq.number);
        let cseq = match key.and_then(|key| self.dialogs.get_mut(key)) {
            Some(entry) => {
                entry.packed.local_cseq = entry.packed.local_cseq.max(last) + 1;
                entry.packed.local_cseq
            }
            None => last + 1,
        };
        let mut draft = draft.cseq(cseq);
        let proofs = self.challenges.proofs.as_deref_mut();
        if !proofs.is_some_and(|proofs| proofs.answer(response, &mut draft, cx.ep.ids())) {
            return false;
        }
        let new = cx.ep.send_request(draft.clone(), target.clone(), cx.now);
        if !self.invite_goes_on(tx, new, &draft) {
            self.other_goes_on(tx, new, &draft);
            self.challenges.sent.insert(new, Sent { key, draft, target, times: times + 1 });
        }
        true
    }

    /// A request that is no INVITE has another transaction now.
    fn other_goes_on(&mut self, tx: ClientTransactionId, new: ClientTransactionId, draft: &RequestDraft) {
        self.challenges.sent.remove(&tx);
        let Some(what) = self.clients.remove(&tx) else { return };
        match &what {
            ClientUse::Update { key, .. } => {
                if let Some(entry) = self.dialogs.get_mut(*key) {
                    entry.talk().our_update = Some(new);
                }
            }
            ClientUse::Subscribe(id) => {
                if let Some((own, None)) = self.subscriber_mut(*id) {
                    own.draft = Some(draft.clone());
                }
            }
            ClientUse::Bye | ClientUse::Prack | ClientUse::Other { .. } | ClientUse::Notify(_) => {}
        }
        self.clients.insert(new, what);
    }
}

/// Whether a realm that asks has had an answer in this very request and does not call it stale: the password is wrong, and saying
/// it again would only lock its owner out.
fn was_refused(draft: &RequestDraft, response: &Response) -> bool {
    let www = response.header::<WwwAuthenticate>().ok().flatten().map(|list| list.0);
    let proxy = response.header::<ProxyAuthenticate>().ok().flatten().map(|list| list.0);
    let said_www = read::<Authorization>(draft).map(|list| list.0);
    let said_proxy = read::<ProxyAuthorization>(draft).map(|list| list.0);
    [(www, said_www), (proxy, said_proxy)].into_iter().any(|(asked, said)| {
        let (asked, said) = (asked.unwrap_or_default(), said.unwrap_or_default());
        let known = |challenge: &Challenge| said.iter().any(|answer| answer.realm == challenge.realm);
        asked.iter().any(|challenge| !challenge.stale && known(challenge))
    })
}

fn read<H: TypedHeader>(draft: &RequestDraft) -> Option<H> {
    H::parse_all(&mut draft.get_all(H::NAME.as_str())).ok().flatten()
}

/// The ACK of a 2xx has the proof of its INVITE (RFC 3261 section 22.1).
pub(super) fn proved(ack: RequestDraft, invite: &RequestDraft) -> RequestDraft {
    PROOF_HEADERS.iter().fold(ack, |ack, name| {
        invite.get_all(name).fold(ack, |ack, value| ack.header(name, value.to_owned()))
    })
}
