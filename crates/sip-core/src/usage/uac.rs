//! INVITEs of ours: early dialogs, PRACK, CANCEL and its race, ACK and its repetitions, forks (RFC 3261 section 13.2, RFC 3262).
//!
//! An [`Attempt`] is one INVITE transaction and lives as long as a 2xx to it can come: until its failure, or 64*T1 after the
//! first 2xx. Its early dialogs are in the table of dialogs meanwhile, so that numbers go on where they stood.

use super::sending::{ClientUse, Wanted};
use super::table::Offer;
use super::*;
use crate::header::{RAck, RSeq};
use crate::{SessionTimerConfig, TransactionError};

/// An INVITE of ours.
#[derive(Debug)]
pub(super) struct Attempt {
    id: InviteId,
    draft: RequestDraft,
    target: Target,
    /// It carries an offer.
    offered: bool,
    /// Its early dialogs; none for a re-INVITE.
    early: Vec<Key>,
    /// The 2xx so far.
    accepted: Vec<Accepted>,
    /// Nobody wants its 2xx.
    cancelled: bool,
    /// The settings of a first INVITE after 422.
    raised: bool,
    /// How often it was repeated with a proof.
    proved: u8,
    /// Of a re-INVITE.
    within: Option<Box<Within>>,
}

/// A re-INVITE's dialog.
#[derive(Debug)]
struct Within {
    key: Key,
    wanted: Wanted,
    /// The dialog as it was when its usage ended.
    gone: Option<Dialog>,
}

/// A 2xx, and the ACK that is sent again each time it comes again.
#[derive(Debug)]
struct Accepted {
    to_tag: String,
    key: Key,
    ack: Option<RequestDraft>,
    target: Target,
}

impl Attempt {
    /// A re-INVITE.
    pub(super) fn within(
        id: InviteId,
        draft: RequestDraft,
        target: Target,
        offered: bool,
        key: Key,
        wanted: Wanted,
    ) -> Self {
        let within = Some(Box::new(Within { key, wanted, gone: None }));
        Self {
            id,
            draft,
            target,
            offered,
            early: Vec::new(),
            accepted: Vec::new(),
            cancelled: false,
            raised: false,
            proved: 0,
            within,
        }
    }

    /// Its usage ended before it: its 2xx is still to be acknowledged.
    pub(super) fn outlives(&mut self, dialog: Option<Dialog>) {
        if let Some(within) = &mut self.within {
            within.gone = dialog;
        }
    }

    /// What a challenge to it needs; `None` if nobody waits for it.
    pub(super) fn challenged(&self) -> Option<(Option<Key>, RequestDraft, Target, u8)> {
        let gone = self.within.as_ref().is_some_and(|within| within.gone.is_some());
        let wanted = !self.cancelled && self.accepted.is_empty() && !gone;
        let key = self.within.as_ref().map(|within| within.key);
        wanted.then(|| (key, self.draft.clone(), self.target.clone(), self.proved))
    }

    fn cseq(&self) -> u32 {
        self.draft.cseq_value().map_or(1, |cseq| cseq.number)
    }
}

/// What a provisional response is, by its RSeq.
enum Order {
    /// Not reliable.
    Plain,
    /// Reliable and next: acknowledged, unless it carries an offer.
    Next(Option<Reliable>),
    /// Reliable, and seen before or out of order: dropped (RFC 3262 section 4).
    Wrong,
}

impl Usages {
    /// Calls: sends an INVITE outside of dialogs.
    ///
    /// - `draft`: INVITE with Request-URI, From and To, and with an offer or without. From tag, Call-ID, CSeq, Contact, Allow,
    ///   Supported and the session timer are added where absent. Requests inside the dialog have the Contact of the settings.
    ///
    /// # Errors
    ///
    /// [`Refused::Argument`] for another method or without From or To; [`Refused::Full`].
    pub fn invite(
        &mut self,
        draft: RequestDraft,
        target: Target,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<InviteId, Refused> {
        if draft.method != Method::Invite || draft.to_addr().is_none() {
            return Err(Refused::Argument);
        }
        if self.invites.len() >= self.config.max_usages {
            return Err(Refused::Full);
        }
        let draft = self.named(draft, ep).ok_or(Refused::Argument)?;
        let draft = self.introduced(draft);
        let disposition = draft.get("Content-Disposition");
        let offered = self.config.is_session(draft.get("Content-Type"), disposition, draft.payload());
        let tx = ep.send_request(draft.clone(), target.clone(), now);
        let id = InviteId(self.invites.insert(Invite {
            dialog: None,
            phase: Phase::Calling(tx),
            session: None,
            ending: None,
            we_called: true,
            no_update: false,
        }));
        let attempt = Attempt {
            id,
            draft,
            target,
            offered,
            early: Vec::new(),
            accepted: Vec::new(),
            cancelled: false,
            raised: false,
            proved: 0,
            within: None,
        };
        self.attempts.insert(tx, attempt);
        Ok(id)
    }

    /// Acknowledges a 2xx that carried an offer; the payload is the answer.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] when no ACK is owed.
    pub fn ack(
        &mut self,
        id: InviteId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let key = self.dialog_key(id)?;
        let entry = self.dialogs.get(key).ok_or(Refused::WrongState)?;
        let tx = entry.talk.as_ref().and_then(|talk| talk.ack_due).ok_or(Refused::WrongState)?;
        self.send_owed_ack(tx, key, payload, &mut Cx { ep, now });
        self.rest(id, key);
        Ok(())
    }

    /// Acknowledges a reliable provisional response that carried an offer; the payload is the answer.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchUsage`] when the early dialog is gone; [`Refused::WrongState`] when there is no offer to answer.
    pub fn prack(
        &mut self,
        id: InviteId,
        reliable: Reliable,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let key = reliable.early.0;
        let entry = self.dialogs.get_mut(key).filter(|entry| entry.invite == Some(id));
        let talk = entry.ok_or(Refused::NoSuchUsage)?.talk();
        if talk.offer != Offer::Theirs {
            return Err(Refused::WrongState);
        }
        talk.offer = Offer::Stable;
        talk.exchanged = true;
        self.send_prack(key, reliable, payload, &mut Cx { ep, now });
        Ok(())
    }

    /// From tag, Call-ID and CSeq of a request that begins a dialog.
    pub(super) fn named(&self, draft: RequestDraft, ep: &mut Endpoint) -> Option<RequestDraft> {
        let from = draft.from_addr()?;
        let mut draft = match from.tag() {
            Some(_) => draft,
            None => draft.from(from.with_tag(&ep.new_token())),
        };
        if draft.call_id_value().is_none() {
            draft = draft.call_id(ep.new_token());
        }
        if draft.cseq_value().is_none() {
            draft = draft.cseq(1);
        }
        if draft.get("Contact").is_none() {
            draft = draft.contact(self.config.contact.clone());
        }
        Some(draft)
    }

    /// Allow, Supported and the session timer.
    fn introduced(&self, mut draft: RequestDraft) -> RequestDraft {
        if draft.get("Allow").is_none() {
            draft = draft.header("Allow", self.texts.allow.clone());
        }
        let tags = &self.texts.beside_timer;
        if draft.get("Supported").is_none() && !tags.is_empty() {
            draft = draft.header("Supported", tags.clone());
        }
        match &self.config.session {
            Some(session) if draft.get("Session-Expires").is_none() => session.offer(draft, None),
            Some(_) | None => draft,
        }
    }

    /// CANCEL; a 2xx that is on its way is acknowledged and ended.
    pub(super) fn cancel(&mut self, tx: ClientTransactionId, cx: &mut Cx<'_>) {
        if let Some(attempt) = self.attempts.get_mut(&tx) {
            attempt.cancelled = true;
            cx.ep.cancel(tx, cx.now);
        }
    }

    /// A response to an INVITE of ours.
    pub(super) fn on_invite_response(
        &mut self,
        tx: ClientTransactionId,
        flow: FlowId,
        response: Response,
        cx: &mut Cx<'_>,
    ) {
        let Some(mut attempt) = self.attempts.remove(&tx) else { return };
        let lives = match (response.status(), attempt.within.is_some()) {
            (..200, false) => {
                self.provisional(&mut attempt, flow, response, cx);
                true
            }
            (..200, true) => true,
            (200..300, _) => self.success(tx, &mut attempt, flow, response, cx),
            (300.., false) => {
                self.failure(attempt, response, cx);
                return;
            }
            (300.., true) => {
                self.reinvite_failure(attempt, Ok(&response), cx);
                return;
            }
        };
        if lives {
            self.attempts.insert(tx, attempt);
        }
    }

    /// An INVITE of ours got no final response.
    pub(super) fn on_invite_failed(
        &mut self,
        tx: ClientTransactionId,
        error: TransactionError,
        cx: &mut Cx<'_>,
    ) {
        let Some(attempt) = self.attempts.remove(&tx) else { return };
        if attempt.within.is_some() {
            return self.reinvite_failure(attempt, Err(error), cx);
        }
        self.forget_early(&attempt.early);
        let cause = if attempt.cancelled { Cause::Cancelled } else { Cause::Failed { error } };
        self.end_invite(attempt.id, cause, cx);
    }

    /// No 2xx can come any more. One whose ACK the user still owes has been given up by the other end: BYE.
    pub(super) fn attempt_over(&mut self, tx: ClientTransactionId, cx: &mut Cx<'_>) {
        let Some(attempt) = self.attempts.get_mut(&tx) else { return };
        let early = std::mem::take(&mut attempt.early);
        let owed =
            attempt.accepted.iter().filter(|accepted| accepted.ack.is_none()).map(|accepted| accepted.key);
        let owed: Vec<Key> = owed.collect();
        self.forget_early(&early);
        for key in owed {
            let entry = self.dialogs.get(key);
            let due =
                entry.is_some_and(|entry| entry.talk.as_ref().is_some_and(|talk| talk.ack_due == Some(tx)));
            if let Some(id) = entry.and_then(|entry| entry.invite).filter(|_| due) {
                self.bye(id, Payload::none(), Cause::NoAck, cx);
            }
        }
        self.attempts.remove(&tx);
    }

    /// An INVITE was repeated with a proof: it has another transaction and number. `false` if it is none.
    pub(super) fn invite_goes_on(
        &mut self,
        tx: ClientTransactionId,
        new: ClientTransactionId,
        draft: &RequestDraft,
    ) -> bool {
        let Some(mut attempt) = self.attempts.remove(&tx) else { return false };
        self.forget_early(&std::mem::take(&mut attempt.early));
        attempt.draft = draft.clone();
        attempt.proved += 1;
        match &attempt.within {
            Some(within) => {
                if let Some(entry) = self.dialogs.get_mut(within.key).filter(|e| e.invite == Some(attempt.id))
                {
                    entry.talk().our_invite = Some(new);
                }
            }
            None => {
                if let Some(invite) = self.invites.get_mut(attempt.id.0) {
                    invite.phase = Phase::Calling(new);
                }
            }
        }
        self.attempts.insert(new, attempt);
        true
    }

    /// The INVITE usage of early dialogs comes to nothing; one that has a subscription lives on for it (RFC 5057).
    fn forget_early(&mut self, early: &[Key]) {
        for key in early {
            self.timers.set(Who::Talk(*key), None);
            if let Some(entry) = self.dialogs.get_mut(*key) {
                entry.invite = None;
                entry.talk = None;
            }
            self.leave_dialog(*key);
        }
    }

    fn provisional(&mut self, attempt: &mut Attempt, flow: FlowId, response: Response, cx: &mut Cx<'_>) {
        if attempt.cancelled || !attempt.accepted.is_empty() {
            return;
        }
        let id = attempt.id;
        let early = self.early(attempt, flow, &response);
        let order = early.map_or(Order::Plain, |key| self.order(key, attempt, &response));
        self.note_methods(id, &response);
        let owes_prack = match order {
            Order::Wrong => return,
            Order::Plain => None,
            Order::Next(owed) => owed,
        };
        if let (Order::Next(None), Some(key), Ok(Some(RSeq(rseq)))) =
            (&order, early, response.header::<RSeq>())
        {
            let reliable = Reliable { early: EarlyId(key), rseq, cseq: attempt.cseq() };
            self.send_prack(key, reliable, Payload::none(), cx);
        }
        self.emit(InviteEvent::Provisional { id, early: early.map(EarlyId), response, owes_prack });
    }

    /// The early dialog of this response; it is made if there is none.
    fn early(&mut self, attempt: &mut Attempt, flow: FlowId, response: &Response) -> Option<Key> {
        let tag = response.to().tag()?;
        let of_tag =
            |key: &&Key| self.dialogs.get(**key).is_some_and(|entry| entry.packed.remote_tag() == tag);
        if let Some(key) = attempt.early.iter().find(of_tag).copied() {
            self.learn_target(key, attempt, response);
            return Some(key);
        }
        if attempt.early.len() >= self.config.max_early || response.status() == 100 {
            return None;
        }
        let dialog = Dialog::uac(&attempt.draft, response).ok()?;
        let key = self.dialogs.insert(&dialog, Some(flow));
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.invite = Some(attempt.id);
            entry.talk().offer = if attempt.offered { Offer::Ours } else { Offer::Stable };
        }
        attempt.early.push(key);
        Some(key)
    }

    /// The first response of a branch may leave out Contact and Record-Route, although it makes the dialog: the next one says them.
    fn learn_target(&mut self, key: Key, attempt: &Attempt, response: &Response) {
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        if response.contact().is_some()
            && entry.packed.remote_target() == attempt.draft.uri.as_str()
            && let Ok(dialog) = Dialog::uac(&attempt.draft, response)
        {
            let mut packed = crate::dialog::Packed::new(&dialog);
            packed.inherit(&entry.packed);
            entry.packed = packed;
        }
    }

    /// RFC 3262 section 4: in each early dialog, one after the other.
    fn order(&mut self, key: Key, attempt: &Attempt, response: &Response) -> Order {
        if !response.requires("100rel") {
            return Order::Plain;
        }
        let Ok(Some(RSeq(rseq))) = response.header::<RSeq>() else { return Order::Plain };
        let session = self.has_session(response);
        let Some(entry) = self.dialogs.get_mut(key) else { return Order::Wrong };
        let talk = entry.talk();
        if talk.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return Order::Wrong;
        }
        talk.rseq = Some(rseq);
        match talk.offer {
            Offer::Ours if session => {
                talk.offer = Offer::Stable;
                talk.exchanged = true;
                Order::Next(None)
            }
            Offer::Stable if session && !attempt.offered && !talk.exchanged => {
                talk.offer = Offer::Theirs;
                Order::Next(Some(Reliable { early: EarlyId(key), rseq, cseq: attempt.cseq() }))
            }
            Offer::Ours | Offer::Theirs | Offer::Stable => Order::Next(None),
        }
    }

    fn send_prack(&mut self, key: Key, reliable: Reliable, payload: Payload, cx: &mut Cx<'_>) {
        let Some(draft) = self.draft_in(key, Method::Prack, false) else { return };
        let rack = RAck { rseq: reliable.rseq, cseq: reliable.cseq, method: Method::Invite };
        let draft = payload.into_request(draft.header("RAck", rack.to_string()));
        let tx = self.send_in(key, draft, cx);
        self.clients.insert(tx, ClientUse::Prack);
    }

    /// A 2xx: the first of its To tag makes or confirms a dialog, later ones get the same ACK. Whether the attempt lives on.
    fn success(
        &mut self,
        tx: ClientTransactionId,
        attempt: &mut Attempt,
        flow: FlowId,
        response: Response,
        cx: &mut Cx<'_>,
    ) -> bool {
        let tag = response.to().tag().unwrap_or_default();
        if let Some(known) = attempt.accepted.iter().find(|accepted| accepted.to_tag == tag) {
            if let Some(ack) = &known.ack {
                cx.ep.send_oneway(ack.clone(), known.target.clone(), cx.now);
            }
            return true;
        }
        if attempt.accepted.is_empty() {
            self.timers.set(Who::Attempt(tx), Some(cx.now + cx.give_up()));
        }
        // No proxy forks that often: somebody makes them up.
        if attempt.accepted.len() >= self.config.max_early.max(1) {
            return true;
        }
        if attempt.within.is_some() {
            self.reinvite_success(tx, attempt, flow, response, cx);
            return true;
        }
        let Ok(dialog) = Dialog::uac(&attempt.draft, &response) else {
            // Without a tag there is nothing that an ACK could name.
            if attempt.accepted.is_empty() {
                self.timers.set(Who::Attempt(tx), None);
                self.forget_early(&attempt.early);
                self.end_invite(attempt.id, Cause::Rejected { response }, cx);
                return false;
            }
            return true;
        };
        let (key, owes_ack) = self.confirm_dialog(attempt, &dialog, flow, &response);
        let first = attempt.accepted.is_empty();
        let calling = self.invites.get(attempt.id.0).is_some_and(|i| matches!(i.phase, Phase::Calling(_)));
        if first && calling && !attempt.cancelled {
            self.establish(attempt.id, key, &response, cx);
            self.acknowledge(tx, attempt, key, &response, owes_ack, cx);
            self.emit(InviteEvent::Established { id: attempt.id, response, owes_ack });
            self.rest(attempt.id, key);
        } else if !attempt.cancelled
            && self.config.fork == Fork::Keep
            && self.invites.len() < self.config.max_usages
        {
            let id = InviteId(self.invites.insert(Invite {
                dialog: Some(key),
                phase: Phase::Confirmed,
                session: None,
                ending: None,
                we_called: true,
                no_update: false,
            }));
            self.establish(id, key, &response, cx);
            self.acknowledge(tx, attempt, key, &response, owes_ack, cx);
            self.emit(InviteEvent::Forked { id, of: attempt.id, response, owes_ack });
            self.rest(id, key);
        } else {
            self.turn_away(tx, attempt, key, &response, cx);
            if first {
                self.end_invite(attempt.id, Cause::Cancelled, cx);
            } else if self.invites.get(attempt.id.0).is_some() {
                self.emit(InviteEvent::Surplus { id: attempt.id, response });
            }
        }
        true
    }

    /// The dialog of a 2xx: target and route by it, numbers by the early one. And whether the 2xx carries an offer.
    fn confirm_dialog(
        &mut self,
        attempt: &mut Attempt,
        dialog: &Dialog,
        flow: FlowId,
        response: &Response,
    ) -> (Key, bool) {
        let tag = &dialog.id().remote_tag;
        let of_tag = |key: &Key| self.dialogs.get(*key).is_some_and(|entry| entry.packed.remote_tag() == tag);
        let key = match attempt.early.iter().position(of_tag) {
            Some(at) => {
                let key = attempt.early.swap_remove(at);
                if let Some(entry) = self.dialogs.get_mut(key) {
                    let mut packed = crate::dialog::Packed::new(dialog);
                    packed.inherit(&entry.packed);
                    entry.packed = packed;
                    entry.flow = Some(flow);
                }
                key
            }
            None => {
                let key = self.dialogs.insert(dialog, Some(flow));
                if let Some(entry) = self.dialogs.get_mut(key) {
                    entry.talk().offer = if attempt.offered { Offer::Ours } else { Offer::Stable };
                }
                key
            }
        };
        let session = self.has_session(response);
        let Some(entry) = self.dialogs.get_mut(key) else { return (key, false) };
        let updating = entry.talk().our_update.is_some();
        let talk = entry.talk();
        let owes = match talk.offer {
            Offer::Ours if !updating => {
                talk.offer = Offer::Stable;
                false
            }
            Offer::Stable if session && !attempt.offered && !talk.exchanged => {
                talk.offer = Offer::Theirs;
                true
            }
            Offer::Ours | Offer::Theirs | Offer::Stable => false,
        };
        (key, owes)
    }

    fn establish(&mut self, id: InviteId, key: Key, response: &Response, cx: &mut Cx<'_>) {
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.invite = Some(id);
        }
        let config = self.config.session;
        let Some(invite) = self.invites.get_mut(id.0) else { return };
        invite.dialog = Some(key);
        invite.phase = Phase::Confirmed;
        if let Some(config) = config {
            invite.session =
                SessionTimer::from_response(response, &config, cx.now).unwrap_or(None).map(Box::new);
        }
        self.note_methods(id, response);
        self.settle(id);
    }

    /// The ACK of a 2xx, or the note that the user owes it.
    fn acknowledge(
        &mut self,
        tx: ClientTransactionId,
        attempt: &mut Attempt,
        key: Key,
        response: &Response,
        owes: bool,
        cx: &mut Cx<'_>,
    ) {
        let to_tag = response.to().tag().unwrap_or_default().to_owned();
        let ack =
            self.ack_in(key, response.cseq().number).map(|ack| super::proof::proved(ack, &attempt.draft));
        let target =
            ack.as_ref().map_or_else(|| attempt.target.clone(), |ack| self.target_in(key, ack, cx.ep));
        if owes {
            if let Some(entry) = self.dialogs.get_mut(key) {
                entry.talk().ack_due = Some(tx);
            }
            attempt.accepted.push(Accepted { to_tag, key, ack: None, target });
            return;
        }
        if let Some(ack) = ack.clone() {
            cx.ep.send_oneway(ack, target.clone(), cx.now);
        }
        attempt.accepted.push(Accepted { to_tag, key, ack, target });
    }

    /// The ACK that the user owed.
    pub(super) fn send_owed_ack(
        &mut self,
        tx: ClientTransactionId,
        key: Key,
        payload: Payload,
        cx: &mut Cx<'_>,
    ) {
        let Some(entry) = self.dialogs.get_mut(key) else { return };
        let talk = entry.talk();
        talk.ack_due = None;
        talk.offer = Offer::Stable;
        let tag = entry.packed.remote_tag().to_owned();
        let Some(attempt) = self.attempts.get(&tx) else { return };
        let Some(ack) = self.ack_in(key, attempt.cseq()) else { return };
        let ack = payload.into_request(super::proof::proved(ack, &attempt.draft));
        let target = self.target_in(key, &ack, cx.ep);
        cx.ep.send_oneway(ack.clone(), target.clone(), cx.now);
        let accepted = self.attempts.get_mut(&tx).map(|attempt| attempt.accepted.iter_mut());
        if let Some(accepted) = accepted.into_iter().flatten().find(|accepted| accepted.to_tag == tag) {
            accepted.ack = Some(ack);
            accepted.target = target;
        }
    }

    fn ack_in(&self, key: Key, cseq: u32) -> Option<RequestDraft> {
        Some(self.dialogs.get(key)?.packed.unpack()?.ack(cseq))
    }

    /// A 2xx that nobody wants: ACK and BYE (RFC 3261 section 13.2.2.4).
    fn turn_away(
        &mut self,
        tx: ClientTransactionId,
        attempt: &mut Attempt,
        key: Key,
        response: &Response,
        cx: &mut Cx<'_>,
    ) {
        self.acknowledge(tx, attempt, key, response, false, cx);
        if let Some(draft) = self.draft_in(key, Method::Bye, false) {
            let bye = self.send_in(key, draft, cx);
            self.clients.insert(bye, ClientUse::Bye);
        }
        self.forget_early(&[key]);
    }

    /// 300 to 699 to a first INVITE.
    fn failure(&mut self, attempt: Attempt, response: Response, cx: &mut Cx<'_>) {
        self.forget_early(&attempt.early);
        let id = attempt.id;
        if !attempt.cancelled && !attempt.raised && self.invite_again(&attempt, &response, cx) {
            return;
        }
        let cause = match response.status() {
            _ if attempt.cancelled => Cause::Cancelled,
            300..400 => {
                let contact = response.header::<crate::header::Contact>().ok().flatten();
                let targets = contact.map(|list| list.addresses().to_vec()).unwrap_or_default();
                self.emit(InviteEvent::Redirected { id, targets, response });
                Cause::Redirected
            }
            _ => Cause::Rejected { response },
        };
        self.end_invite(id, cause, cx);
    }

    /// After 422: the same INVITE with a longer session interval, once (RFC 4028 section 7.3).
    fn invite_again(&mut self, attempt: &Attempt, response: &Response, cx: &mut Cx<'_>) -> bool {
        let Some(raised) = self.config.session.and_then(|config| config.after_422(response)) else {
            return false;
        };
        let mut draft = attempt.draft.clone();
        let SessionTimerConfig { interval_s, min_s } = raised;
        draft.set_header("Session-Expires", interval_s.to_string());
        draft.set_header("Min-SE", min_s.to_string());
        let draft = draft.cseq(attempt.cseq() + 1);
        let tx = cx.ep.send_request(draft.clone(), attempt.target.clone(), cx.now);
        if let Some(invite) = self.invites.get_mut(attempt.id.0) {
            invite.phase = Phase::Calling(tx);
        }
        let again = Attempt {
            id: attempt.id,
            draft,
            target: attempt.target.clone(),
            offered: attempt.offered,
            early: Vec::new(),
            accepted: Vec::new(),
            cancelled: false,
            raised: true,
            proved: attempt.proved,
            within: None,
        };
        self.attempts.insert(tx, again);
        true
    }

    /// The first 2xx to a re-INVITE.
    fn reinvite_success(
        &mut self,
        tx: ClientTransactionId,
        attempt: &mut Attempt,
        flow: FlowId,
        response: Response,
        cx: &mut Cx<'_>,
    ) {
        let (id, offered) = (attempt.id, attempt.offered);
        let Some(within) = &mut attempt.within else { return };
        let (key, request) = (within.key, within.wanted.request);
        if let Some(gone) = within.gone.take() {
            let ack = gone.ack(response.cseq().number);
            let target = attempt.target.clone();
            cx.ep.send_oneway(ack.clone(), target.clone(), cx.now);
            let to_tag = response.to().tag().unwrap_or_default().to_owned();
            attempt.accepted.push(Accepted { to_tag, key, ack: Some(ack), target });
            return;
        }
        self.refreshed(id, key, flow, &response, false, cx);
        let session = self.has_session(&response);
        let mut owes_ack = false;
        if let Some(entry) = self.dialogs.get_mut(key) {
            let talk = entry.talk();
            talk.our_invite = None;
            if offered {
                talk.offer = Offer::Stable;
            } else if session {
                talk.offer = Offer::Theirs;
                owes_ack = true;
            }
        }
        self.acknowledge(tx, attempt, key, &response, owes_ack, cx);
        self.emit(InviteEvent::Answered { id, request, response, owes_ack });
        self.rest(id, key);
    }

    /// A re-INVITE was refused or got no answer: the session stays as it was (RFC 3261 section 14.1).
    fn reinvite_failure(
        &mut self,
        mut attempt: Attempt,
        answer: Result<&Response, TransactionError>,
        cx: &mut Cx<'_>,
    ) {
        let id = attempt.id;
        let Some(within) = attempt.within.take() else { return };
        let Within { key, mut wanted, .. } = *within;
        let Some(entry) = self.dialogs.get_mut(key).filter(|entry| entry.invite == Some(id)) else { return };
        let talk = entry.talk();
        talk.our_invite = None;
        if attempt.offered {
            talk.offer = Offer::Stable;
        }
        if let Ok(response) = answer
            && self.goes_again(id, key, &mut wanted, response, cx)
        {
            return;
        }
        self.report(id, wanted.request, answer);
        self.judge(id, key, answer, true, cx);
        self.rest(id, key);
    }
}
