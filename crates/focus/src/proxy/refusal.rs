//! What the forwarding core itself answers: 430, 481, 503 and friends, each with its diagnostics.

use std::time::Instant;

use sip_core::{Endpoint, Request, ResponseDraft, ServerTransactionId};

use super::Proxy;

/// The option tag of dialogs that can be recovered ([MS-SIPRE] 3.7).
pub(crate) const ROUTE_SET_UPDATE: &str = "ms-dialog-route-set-update";

/// Diagnostics id: the flow to the next hop failed.
const FLOW_FAILED: u32 = 61004;

/// What the receiver of a 430 must do ([MS-SIPRE] 2.2.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryAction {
    /// An element on the route is unreachable: recover the dialog, then send the request again.
    DialogRouteSetUpdate,
    /// The requester's own registration is gone here: register, then recover the dialogs.
    RegistrationRouteSetUpdate,
    /// The far end's own flow is gone; only the far end can come back.
    WaitForSessionUpdate,
}

impl RecoveryAction {
    /// The token in `P-Dialog-Recovery-Action`.
    pub fn token(self) -> &'static str {
        match self {
            RecoveryAction::DialogRouteSetUpdate => "Dialog-Route-Set-Update",
            RecoveryAction::RegistrationRouteSetUpdate => "Registration-Route-Set-Update",
            RecoveryAction::WaitForSessionUpdate => "Wait-For-Session-Update",
        }
    }
}

impl Proxy {
    /// Refuses a request whose way is gone.
    ///
    /// Initial request: 503. In a dialog: 430 with the action when the sender can recover dialogs, else 481. All carry
    /// diagnostics 61004.
    pub fn refuse(
        &self,
        endpoint: &mut Endpoint,
        tx: ServerTransactionId,
        request: &Request,
        action: RecoveryAction,
        now: Instant,
    ) {
        let (status, reason) = if request.to().tag().is_none() {
            (503, "No next hop reachable")
        } else if request.supports(ROUTE_SET_UPDATE) {
            (430, "Flow to next hop failed")
        } else {
            (481, "Flow to next hop failed")
        };
        let mut draft = self.answer(request, status, FLOW_FAILED, reason);
        if status == 430 {
            draft = draft.reason("Flow Failed").header("P-Dialog-Recovery-Action", action.token());
        }
        endpoint.respond(tx, draft, now);
    }

    /// An answer of our own with diagnostics.
    pub(super) fn answer(&self, request: &Request, status: u16, id: u32, reason: &str) -> ResponseDraft {
        let source = &self.config.source;
        let diagnostics = format!("{id};reason=\"{reason}\";source=\"{source}\"");
        ResponseDraft::to(request, status).header("ms-diagnostics", diagnostics)
    }
}
