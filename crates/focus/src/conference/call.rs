//! Calls to the MCUs: the first INVITE passes the Focus, which lets only members through (flows 7 and 8).

use std::collections::BTreeMap;

use c3p::diagnostics::ids;
use sip_core::ListenAddr;

use super::{CallKey, Conference, Cx, Effect, Incoming, McuAnswer, McuOrder, user_key};
use crate::frontend::refusal::{Refusal, SIP_LAYER};
use crate::record::SlotStatus;

/// INVITEs that wait for the consent of an MCU.
#[derive(Debug, Default)]
pub(super) struct Calls {
    next: CallKey,
    waiting: BTreeMap<CallKey, (String, Incoming)>,
}

impl Calls {
    pub(super) fn into_incoming(self) -> impl Iterator<Item = Incoming> {
        self.waiting.into_values().map(|(_, incoming)| incoming)
    }
}

impl Conference {
    /// An INVITE to one of the MCUs.
    pub(crate) fn on_call(&mut self, incoming: Incoming, mcu: &str, cx: &mut Cx<'_>) {
        let user = user_key(incoming.request.from().uri().as_str());
        if let Err(refusal) = self.may_call(&user, mcu, cx) {
            return self.refuse(&incoming, &refusal, cx);
        }
        let call = self.calls.next;
        self.calls.next += 1;
        if self.order(mcu, McuOrder::Admit { call, user }) {
            self.calls.waiting.insert(call, (mcu.to_owned(), incoming));
        } else {
            self.refuse(&incoming, &failing_over(), cx);
        }
    }

    fn may_call(&self, user: &str, mcu: &str, cx: &Cx<'_>) -> Result<(), Refusal> {
        let slot = self.head.mcus.iter().find(|slot| slot.mcu == mcu);
        let slot = slot.ok_or_else(|| Refusal::c3p(ids::C3P_MCU_URI))?;
        if !self.of_user(user).any(|(_, found)| found.is_in() && found.focus.is_some()) {
            return Err(Refusal::c3p(ids::C3P_AUTHORIZATION));
        }
        if self.calls.waiting.len() >= cx.config.bounds.pending_max {
            return Err(Refusal::new(503, SIP_LAYER, "Too many calls at once").with("Retry-After", "5"));
        }
        match slot.status {
            SlotStatus::Active => Ok(()),
            SlotStatus::Idle | SlotStatus::Activating | SlotStatus::FailingOver => Err(failing_over()),
        }
    }

    /// The MCU said whether it takes the call.
    pub(super) fn call_admitted(&mut self, call: CallKey, mcu: &str, answer: &McuAnswer, cx: &mut Cx<'_>) {
        let Some((_, incoming)) = self.calls.waiting.remove(&call) else { return };
        let slot = self.head.mcus.iter().find(|slot| slot.mcu == mcu);
        let address =
            slot.and_then(|slot| slot.address.as_ref()).and_then(|text| text.parse::<ListenAddr>().ok());
        match (answer, address) {
            (McuAnswer::Done(_), Some(address)) => {
                let Incoming { tx, flow, request } = incoming;
                self.emit(Effect::Call { tx, flow, request, address });
            }
            (McuAnswer::Done(_) | McuAnswer::Refused | McuAnswer::Lost, _) => {
                self.refuse(&incoming, &failing_over(), cx);
            }
        }
    }

    /// The MCU that was asked is not the conference's any more.
    pub(super) fn call_lost(&mut self, call: CallKey, cx: &mut Cx<'_>) {
        if let Some((_, incoming)) = self.calls.waiting.remove(&call) {
            self.refuse(&incoming, &failing_over(), cx);
        }
    }

    /// The MCU is failing over: so do the calls that wait for it.
    pub(super) fn calls_failed(&mut self, mcu: &str, cx: &mut Cx<'_>) {
        let lost: Vec<CallKey> = self
            .calls
            .waiting
            .iter()
            .filter(|(_, (wanted, _))| wanted == mcu)
            .map(|(call, _)| *call)
            .collect();
        for call in lost {
            self.call_lost(call, cx);
        }
    }

    /// A CANCEL came for an INVITE that waits here.
    pub(crate) fn on_cancelled(&mut self, tx: sip_core::ServerTransactionId, cx: &mut Cx<'_>) {
        let call =
            self.calls.waiting.iter().find(|(_, (_, incoming))| incoming.tx == tx).map(|(call, _)| *call);
        if let Some((_, incoming)) = call.and_then(|call| self.calls.waiting.remove(&call)) {
            self.refuse(&incoming, &Refusal::new(487, SIP_LAYER, "Cancelled"), cx);
        }
        let join = self.waiting.iter().position(|(incoming, _)| incoming.tx == tx);
        if let Some((incoming, _)) = join.and_then(|at| self.waiting.remove(at)) {
            self.refuse(&incoming, &Refusal::new(487, SIP_LAYER, "Cancelled"), cx);
        }
    }

    /// Everything that waits here is refused: the conference is over.
    pub(super) fn refuse_waiting(&mut self, cx: &mut Cx<'_>) {
        let calls = std::mem::take(&mut self.calls.waiting);
        let joins = std::mem::take(&mut self.waiting);
        let all =
            calls.into_values().map(|(_, incoming)| incoming).chain(joins.into_iter().map(|(one, _)| one));
        for incoming in all.collect::<Vec<_>>() {
            self.refuse(&incoming, &Refusal::c3p(ids::C3P_CONFERENCE_URI), cx);
        }
    }
}

fn failing_over() -> Refusal {
    Refusal::new(503, ids::MCU_FAILING_OVER, "The MCU is failing over").with("Retry-After", "5")
}
