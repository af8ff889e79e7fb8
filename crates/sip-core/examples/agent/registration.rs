//! The registration of the user (RFC 3261 section 10.2), as often as a command wants it.

use std::time::Instant;

use serde_json::json;
use sip_core::header::Expires;
use sip_core::{ClientTransactionId, Method, NameAddr, RequestDraft, Response, Uri};

use crate::phone::{Phone, TRIES_MAX};

/// The time that is asked for.
const EXPIRES_S: u32 = 600;

/// One Call-ID for all REGISTERs, and the one that is under way.
pub(crate) struct Registration {
    call_id: String,
    number: u32,
    under_way: Option<(ClientTransactionId, bool, u32)>,
}

impl Registration {
    /// Nothing is under way.
    pub(crate) fn new(call_id: String) -> Self {
        Self { call_id, number: 0, under_way: None }
    }

    /// Whether nothing is.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// Whether this is the REGISTER under way.
    pub(crate) fn owns(&self, tx: ClientTransactionId) -> bool {
        self.under_way.is_some_and(|(own, _, _)| own == tx)
    }
}

impl Phone {
    /// Registers the Contact, or takes it back.
    pub(crate) fn register(&mut self, wanted: bool, now: Instant) {
        self.send_register(wanted, 0, now);
    }

    fn send_register(&mut self, wanted: bool, tries: u32, now: Instant) {
        let Ok(domain) = format!("sip:{}", self.options.user.host()).parse::<Uri>() else { return };
        self.registration.number += 1;
        let user = NameAddr::new(self.options.user.clone());
        let tag = self.endpoint.new_token();
        let expires = if wanted { EXPIRES_S } else { 0 };
        let mut draft = RequestDraft::new(Method::Register, domain)
            .from(user.with_tag(&tag))
            .to(user)
            .call_id(self.registration.call_id.clone())
            .cseq(self.registration.number)
            .contact(self.contact.clone())
            .header("Expires", expires.to_string());
        self.prepare(&mut draft);
        let Some(target) = self.target(&draft) else {
            return self.report(json!({ "event": "register-failed", "reason": "no address" }));
        };
        let tx = self.endpoint.send_request(draft, target, now);
        self.registration.under_way = Some((tx, wanted, tries));
    }

    /// Takes the answer; a challenge is met once.
    pub(crate) fn on_registered(&mut self, response: &Response, now: Instant) {
        if response.status() < 200 {
            return;
        }
        let Some((_, wanted, tries)) = self.registration.under_way.take() else { return };
        let status = response.status();
        match status {
            200..=299 if wanted => {
                let expires = response.contact().and_then(|contact| contact.param("expires")?.parse().ok());
                let overall = response.header::<Expires>().ok().flatten().map(|expires| expires.0);
                self.report(json!({ "event": "registered", "expires": expires.or(overall) }));
            }
            200..=299 => self.report(json!({ "event": "unregistered" })),
            401 | 407 if tries < TRIES_MAX && self.learn(response) => {
                self.report(json!({ "event": "again", "method": "REGISTER", "because": status }));
                self.send_register(wanted, TRIES_MAX, now);
            }
            _ => self.report(json!({ "event": "register-failed", "status": status })),
        }
    }

    /// There was no answer.
    pub(crate) fn on_register_failed(&mut self, reason: &str) {
        self.registration.under_way = None;
        self.report(json!({ "event": "register-failed", "reason": reason }));
    }
}
