//! What a conference wants done, and the ledger that holds it back until the change behind it is durable.
//!
//! # Invariants
//!
//! - Effects leave in the order in which they were made (an answer never overtakes the notification before it).
//! - No effect leaves before all changes made before it are committed (reliability P2).
//! - At most one write of a conference is under way; all changes made meanwhile share the next one.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use sip_core::{FlowId, ListenAddr, Request, RequestDraft, ResponseDraft, ServerTransactionId};

use super::{Incoming, PersonKey};
use crate::report::ConferenceChange;
use crate::store::{Expect, Txn};

/// How a participant is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The flow of the dialog's last request, if it may still be open.
    pub(crate) flow: Option<FlowId>,
    /// The participant's GRUU, for the bindings in the store.
    pub(crate) gruu: Option<String>,
}

/// What a request of the Focus was for, so that its answer finds its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// An INFO with the result of a command; the body for a second try after a route repair.
    Result { person: PersonKey, body: Bytes, repaired: bool },
    /// The UPDATE that repairs the route for such an INFO.
    Repair { person: PersonKey, body: Bytes },
    /// The UPDATE or OPTIONS that asks whether somebody is still there.
    Probe { person: PersonKey },
    /// A NOTIFY in a living subscription.
    Notify { person: PersonKey },
    /// The BYE that tells somebody of the end of the conference; the front end takes the answer.
    Over { person: PersonKey },
    /// A last message of a dialog: nobody cares for the answer.
    Farewell,
}

/// What an MCU is told; the answer comes back with the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum McuOrder {
    /// Open the conference.
    Activate,
    /// Tell all; a new owner is here.
    Resync,
    /// Let this user call.
    Admit { call: CallKey, user: String },
    /// Throw this user out. `command` is the command that waits for it, if any.
    Remove { user: String, command: Option<CommandKey> },
    /// The conference is locked, or not any more.
    Lock { locked: bool },
    /// The conference is over.
    Deactivate,
}

/// A call to an MCU that waits for the MCU's consent.
pub(crate) type CallKey = u64;

/// A command that waits for an MCU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandKey {
    pub(crate) person: PersonKey,
    pub(crate) request_id: u64,
}

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Answer a request; it is kept for another answer, should the conference be lost before.
    Respond { incoming: Incoming, response: ResponseDraft },
    /// Send a request and bring its answer back.
    Request { draft: RequestDraft, reach: Reach, sent: Sent },
    /// Send a request that is never answered.
    Oneway { draft: RequestDraft, reach: Reach },
    /// Tell an MCU something.
    Mcu { mcu: String, address: ListenAddr, instance: String, order: McuOrder },
    /// Forward an INVITE to an MCU.
    Call { tx: ServerTransactionId, flow: FlowId, request: Request, address: ListenAddr },
    /// Tell the operator.
    Report { change: ConferenceChange, participants: usize },
}

/// A write under way and what waits for it.
#[derive(Debug)]
struct InFlight {
    txn: Txn,
    effects: Vec<Effect>,
    since: Instant,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    puts: BTreeMap<String, Option<Bytes>>,
    head_changed: bool,
    effects: Vec<Effect>,
    in_flight: Option<InFlight>,
}

impl Ledger {
    pub(crate) fn put(&mut self, key: String, value: Bytes) {
        self.puts.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: String) {
        self.puts.insert(key, None);
    }

    pub(crate) fn head_changed(&mut self) {
        self.head_changed = true;
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Whether something waits to be written.
    pub(crate) fn is_dirty(&self) -> bool {
        self.head_changed || !self.puts.is_empty()
    }

    /// Whether a write is under way.
    pub(crate) fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Since when the write under way is.
    pub(crate) fn writing_since(&self) -> Option<Instant> {
        self.in_flight.as_ref().map(|write| write.since)
    }

    /// Begins the next write, if there is something to write and none under way. Without `head` its record is removed.
    pub(crate) fn begin(
        &mut self,
        head_key: &str,
        revision: u64,
        head: Option<Bytes>,
        now: Instant,
    ) -> Option<Txn> {
        if self.is_writing() || !self.is_dirty() {
            return None;
        }
        self.head_changed = false;
        let txn = Txn::new().guard(head_key, Expect::Revision(revision));
        let mut txn = match head {
            Some(head) => txn.put(head_key, head),
            None => txn.delete(head_key),
        };
        for (key, value) in std::mem::take(&mut self.puts) {
            match value {
                Some(value) => txn.puts.push((key, value)),
                None => txn.deletes.push(key),
            }
        }
        let effects = std::mem::take(&mut self.effects);
        self.in_flight = Some(InFlight { txn: txn.clone(), effects, since: now });
        Some(txn)
    }

    /// The write under way, to try it again.
    pub(crate) fn again(&self) -> Option<Txn> {
        self.in_flight.as_ref().map(|write| write.txn.clone())
    }

    /// The write under way is durable: what waited for it may leave.
    pub(crate) fn committed(&mut self) -> Vec<Effect> {
        self.in_flight.take().map(|write| write.effects).unwrap_or_default()
    }

    /// What may leave at once because no change is open.
    pub(crate) fn take_free(&mut self) -> Vec<Effect> {
        if self.is_writing() || self.is_dirty() { Vec::new() } else { std::mem::take(&mut self.effects) }
    }

    /// Everything that was held back, when the conference is lost.
    pub(crate) fn into_effects(mut self) -> Vec<Effect> {
        let mut all = self.committed();
        all.append(&mut self.effects);
        all
    }
}
