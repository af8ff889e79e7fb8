//! The end that subscribes: SUBSCRIBE, refresh, notifications (RFC 6665 section 4.1).

use super::fate::{Fate, fate};
use super::sending::ClientUse;
use super::subscription::{Role, Subscriber};
use super::*;
use crate::TransactionError;
use crate::header::{Event as EventHeader, Expires, MinExpires, SubState, SubscriptionState};

impl Usages {
    /// Subscribes outside of dialogs.
    ///
    /// - `draft`: SUBSCRIBE with Request-URI, From, To, Event, Expires, and Accept where the package wants it. From tag, Call-ID,
    ///   CSeq and Contact are added where absent. All headers of its own are repeated in refreshes, but for Contact and proofs.
    ///
    /// # Errors
    ///
    /// [`Refused::Argument`] for another method or without Event, From or To; [`Refused::Full`].
    pub fn subscribe(
        &mut self,
        draft: RequestDraft,
        target: Target,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<SubscriptionId, Refused> {
        let event = draft.get("Event").and_then(read_event).ok_or(Refused::Argument)?;
        if draft.method != Method::Subscribe || draft.to_addr().is_none() {
            return Err(Refused::Argument);
        }
        if self.subs.len() >= self.config.max_usages {
            return Err(Refused::Full);
        }
        let payload = own_headers(&draft);
        let mut draft = self.named(draft, ep).ok_or(Refused::Argument)?;
        let asked = draft.get("Expires").and_then(|text| text.trim().parse().ok());
        let expires_s = asked.unwrap_or(self.config.max_expires_s);
        draft.set_header("Expires", expires_s.to_string());
        let tag = draft.from_addr().and_then(|from| from.tag().map(TagKey::of)).ok_or(Refused::Argument)?;
        let cx = &mut Cx { ep, now };
        let own = subscriber(Some(draft.clone()), target.clone(), expires_s, payload, cx);
        let id = SubscriptionId(self.subs.insert(Subscription {
            event,
            dialog: None,
            role: Role::Subscriber(Box::new(own)),
        }));
        self.sub_tags.insert(tag, id);
        let tx = self.dispatch(None, draft, target, cx);
        self.clients.insert(tx, ClientUse::Subscribe(id));
        self.settle_sub(id);
        Ok(id)
    }

    /// Subscribes in the dialog of an INVITE usage, which they share from then on (RFC 5057).
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] unless confirmed; [`Refused::RequestPending`] when there is a subscription to this event.
    pub fn subscribe_in(
        &mut self,
        invite: InviteId,
        event: EventHeader,
        expires_s: u32,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<SubscriptionId, Refused> {
        let key = self.dialog_key(invite)?;
        if self.invite_state(invite) != Some(InviteState::Confirmed) {
            return Err(Refused::WrongState);
        }
        if self.sub_in(key, &event, false).is_some() {
            return Err(Refused::RequestPending);
        }
        if self.subs.len() >= self.config.max_usages {
            return Err(Refused::Full);
        }
        let cx = &mut Cx { ep, now };
        let own = subscriber(None, Target::Flow(FlowId::new(0)), expires_s, payload, cx);
        let role = Role::Subscriber(Box::new(own));
        let id = SubscriptionId(self.subs.insert(Subscription { event, dialog: Some(key), role }));
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.subs.push(id);
        }
        self.resubscribe(id, expires_s, cx);
        self.settle_sub(id);
        Ok(id)
    }

    /// Refreshes a subscription now; `expires_s` changes what is asked for.
    ///
    /// # Errors
    ///
    /// [`Refused::RequestPending`] during another SUBSCRIBE, [`Refused::WrongState`] without a dialog.
    pub fn refresh(
        &mut self,
        id: SubscriptionId,
        expires_s: Option<u32>,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let (own, key) = self.subscriber_mut(id).ok_or(Refused::NoSuchUsage)?;
        if own.leaving || key.is_none() {
            return Err(Refused::WrongState);
        }
        if own.asking {
            return Err(Refused::RequestPending);
        }
        own.expires_s = expires_s.unwrap_or(own.expires_s);
        let expires_s = own.expires_s;
        self.resubscribe(id, expires_s, &mut Cx { ep, now });
        self.settle_sub(id);
        Ok(())
    }

    /// Unsubscribes: `Ended` comes with the last NOTIFY, or 64*T1 later.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuchUsage`].
    pub fn unsubscribe(
        &mut self,
        id: SubscriptionId,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let cx = &mut Cx { ep, now };
        let by = now + cx.give_up();
        let (own, key) = self.subscriber_mut(id).ok_or(Refused::NoSuchUsage)?;
        if !own.leaving {
            own.leaving = true;
            own.notify_by = Some(by);
            own.refresh_at = None;
            // Otherwise once the SUBSCRIBE that is under way has its answer.
            if key.is_some() && !own.asking {
                self.leave(id, cx);
            }
            self.settle_sub(id);
        }
        Ok(())
    }

    fn leave(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) {
        if let Some((own, _)) = self.subscriber_mut(id) {
            own.left = true;
            self.resubscribe(id, 0, cx);
        }
    }

    /// SUBSCRIBE in the dialog.
    pub(super) fn resubscribe(&mut self, id: SubscriptionId, expires_s: u32, cx: &mut Cx<'_>) {
        let Some(sub) = self.subs.get(id.0) else { return };
        let (Some(key), event) = (sub.dialog, sub.event.to_string()) else { return };
        let Some(draft) = self.draft_in(key, Method::Subscribe, false) else { return };
        let draft = draft
            .contact(self.config.contact.clone())
            .header("Event", event)
            .header("Expires", expires_s.to_string());
        let Some((own, _)) = self.subscriber_mut(id) else { return };
        own.asking = true;
        let draft = own.payload.clone().into_request(draft);
        let tx = self.send_in(key, draft, cx);
        self.clients.insert(tx, ClientUse::Subscribe(id));
    }

    /// The answer to a SUBSCRIBE of ours.
    pub(super) fn on_subscribe_answer(
        &mut self,
        id: SubscriptionId,
        flow: FlowId,
        answer: Result<&Response, TransactionError>,
        cx: &mut Cx<'_>,
    ) {
        let Some((own, key)) = self.subscriber_mut(id) else { return };
        own.asking = false;
        let (draft, leaving) = (own.draft.clone(), own.leaving);
        match (answer, draft) {
            (Ok(response), draft) if response.is_success() => {
                if let Some(draft) = draft {
                    self.first_accepted(id, &draft, flow, response);
                }
                self.accepted(id, flow, response, cx);
            }
            (Ok(response), Some(draft)) if key.is_none() => self.first_refused(id, draft, response, cx),
            (Ok(response), _) => self.refresh_refused(id, key, response, cx),
            (Err(error), Some(_)) if key.is_none() => self.end_sub(id, SubscriptionCause::Failed { error }),
            (Err(_), _) if leaving => self.end_sub(id, SubscriptionCause::Local),
            // Also after a time-out: RFC 6665 section 4.1.2.2 overrules RFC 5057 here.
            (Err(_), _) => {
                self.keep_until_expiry(id, cx);
                self.tell(SubscriptionEvent::RefreshFailed { id, status: None });
            }
        }
        self.settle_sub(id);
    }

    /// The 2xx of the first SUBSCRIBE: a dialog, unless a NOTIFY was faster.
    fn first_accepted(
        &mut self,
        id: SubscriptionId,
        draft: &RequestDraft,
        flow: FlowId,
        response: &Response,
    ) {
        if let Some(tag) = draft.from_addr().and_then(|from| from.tag().map(TagKey::of)) {
            self.sub_tags.remove(&tag);
        }
        let Some((own, key)) = self.subscriber_mut(id) else { return };
        own.draft = None;
        if key.is_some() {
            return;
        }
        let Ok(dialog) = Dialog::uac(draft, response) else { return };
        self.join_dialog(id, &dialog, flow);
    }

    fn join_dialog(&mut self, id: SubscriptionId, dialog: &Dialog, flow: FlowId) -> Key {
        let key = self.dialogs.insert(dialog, Some(flow));
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.subs.push(id);
        }
        if let Some(sub) = self.subs.get_mut(id.0) {
            sub.dialog = Some(key);
        }
        key
    }

    fn accepted(&mut self, id: SubscriptionId, flow: FlowId, response: &Response, cx: &mut Cx<'_>) {
        let Some((own, key)) = self.subscriber_mut(id) else { return };
        let (leaving, left) = (own.leaving, own.left);
        let Some(key) = key else {
            // A 2xx that makes no dialog: nothing could be notified.
            return self.end_sub(id, SubscriptionCause::Rejected { response: response.clone() });
        };
        let granted = response.header::<Expires>().ok().flatten().map(|Expires(seconds)| seconds);
        let expires_s = granted.unwrap_or(own.expires_s);
        if !leaving {
            own.expires_at = Some(cx.now + Duration::from_secs(u64::from(expires_s)).max(cx.give_up()));
            own.refresh_at = refresh_time(expires_s, cx.now);
        }
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.flow = Some(flow);
            let moved = response
                .contact()
                .is_some_and(|contact| contact.uri().as_str() != entry.packed.remote_target());
            if moved && let Some(mut dialog) = entry.packed.unpack() {
                dialog.refresh_target(response.contact());
                entry.packed.update(&dialog);
            }
        }
        if !leaving {
            self.tell(SubscriptionEvent::Accepted { id, response: response.clone(), expires_s });
        } else if !left {
            // Wanted while the SUBSCRIBE before was under way.
            self.leave(id, cx);
        }
    }

    /// The first SUBSCRIBE was refused: 423 is followed by what it asks for, once.
    fn first_refused(
        &mut self,
        id: SubscriptionId,
        draft: RequestDraft,
        response: &Response,
        cx: &mut Cx<'_>,
    ) {
        let min = response.header::<MinExpires>().ok().flatten().map(|MinExpires(seconds)| seconds);
        let Some((own, _)) = self.subscriber_mut(id) else { return };
        let raised =
            min.filter(|min| response.status() == 423 && !own.raised && !own.leaving && *min > own.expires_s);
        let Some(min) = raised else {
            let cause = if own.leaving {
                SubscriptionCause::Local
            } else {
                SubscriptionCause::Rejected { response: response.clone() }
            };
            return self.end_sub(id, cause);
        };
        own.raised = true;
        own.asking = true;
        own.expires_s = min;
        own.notify_by = Some(cx.now + cx.give_up());
        let cseq = draft.cseq_value().map_or(1, |cseq| cseq.number) + 1;
        let mut draft = draft.cseq(cseq);
        draft.set_header("Expires", min.to_string());
        own.draft = Some(draft.clone());
        let target = own.target.clone();
        let tx = self.dispatch(None, draft, target, cx);
        self.clients.insert(tx, ClientUse::Subscribe(id));
    }

    /// A refresh was refused (RFC 6665 section 4.1.2.2, RFC 5057).
    fn refresh_refused(
        &mut self,
        id: SubscriptionId,
        key: Option<Key>,
        response: &Response,
        cx: &mut Cx<'_>,
    ) {
        let status = response.status();
        let min = response.header::<MinExpires>().ok().flatten().map(|MinExpires(seconds)| seconds);
        let Some((own, _)) = self.subscriber_mut(id) else { return };
        if own.leaving {
            return self.end_sub(id, SubscriptionCause::Local);
        }
        if let Some(min) = min.filter(|min| status == 423 && !own.raised && *min > own.expires_s) {
            own.raised = true;
            own.expires_s = min;
            return self.resubscribe(id, min, cx);
        }
        match fate(status, true) {
            _ if status == 408 => {
                self.keep_until_expiry(id, cx);
                self.tell(SubscriptionEvent::RefreshFailed { id, status: Some(status) });
            }
            Fate::Transaction => {
                self.keep_until_expiry(id, cx);
                self.tell(SubscriptionEvent::RefreshFailed { id, status: Some(status) });
            }
            Fate::Usage => self.end_sub(id, SubscriptionCause::Gone { status }),
            Fate::Dialog => {
                self.end_sub(id, SubscriptionCause::Gone { status });
                if let Some(key) = key {
                    self.end_dialog(key, Cause::Gone { status }, cx);
                }
            }
        }
    }

    /// The subscription stands as long as it was granted; without any time granted it ends with the next notification.
    fn keep_until_expiry(&mut self, id: SubscriptionId, cx: &Cx<'_>) {
        let Some((own, _)) = self.subscriber_mut(id) else { return };
        own.notify_by = None;
        let Some(end) = own.expires_at else {
            own.expires_at = Some(cx.now + cx.give_up());
            return;
        };
        // Once more, half way to the end, while that is worth it.
        let left = end.saturating_duration_since(cx.now) / 2;
        own.refresh_at = (left > cx.t1() * 8).then(|| cx.now + left);
    }

    /// A NOTIFY for a SUBSCRIBE of ours that has no dialog so far makes it (RFC 6665 section 4.4.1).
    pub(super) fn notified_before_answer(&mut self, request: &Request, flow: FlowId) -> Option<Key> {
        if !matches!(request.method(), Method::Notify | Method::Benotify) {
            return None;
        }
        let tag = request.to().tag()?;
        let id = *self.sub_tags.get(&TagKey::of(tag))?;
        let event = request.header::<EventHeader>().ok().flatten()?;
        let sub = self.subs.get(id.0).filter(|sub| sub.dialog.is_none() && sub.event.matches(&event))?;
        let Role::Subscriber(own) = &sub.role else { return None };
        let draft = own.draft.as_ref().filter(|draft| draft.call_id_value() == Some(request.call_id()))?;
        let cseq = draft.cseq_value()?.number;
        let mut dialog = Dialog::uas(request, tag).ok()?;
        dialog.skip_local_cseq(cseq);
        Some(self.join_dialog(id, &dialog, flow))
    }

    /// A NOTIFY in a dialog.
    pub(super) fn on_notify_within(
        &mut self,
        key: Key,
        tx: ServerTransactionId,
        request: Request,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        match self.notification_of(key, &request) {
            Err(status) => {
                cx.respond(tx, ResponseDraft::to(&request, status));
                None
            }
            Ok(None) => {
                // A package that nobody subscribed to by SUBSCRIBE: that of a REFER, or one of the user's own.
                let refer = request.header::<EventHeader>().ok().flatten();
                let refer = refer.is_some_and(|event| event.package.eq_ignore_ascii_case("refer"));
                let invite = self.dialogs.get(key).and_then(|entry| entry.invite);
                let Some(id) = invite.filter(|_| refer) else {
                    cx.respond(tx, ResponseDraft::no_such_dialog(&request));
                    return None;
                };
                self.hand_up(id, key, tx, request, cx);
                None
            }
            Ok(Some((id, state))) => {
                self.refresh_by_request(key, &request);
                cx.respond(tx, ResponseDraft::to(&request, 200).contact(self.config.contact.clone()));
                self.notified(id, request, state, cx);
                None
            }
        }
    }

    /// A BENOTIFY: as a NOTIFY, without an answer.
    pub(super) fn on_benotify(&mut self, flow: FlowId, request: Request, cx: &mut Cx<'_>) -> Option<Event> {
        let key = self.dialogs.of_request(&request).or_else(|| self.notified_before_answer(&request, flow));
        let Some(key) = key else { return Some(Event::Oneway { flow, request }) };
        match self.notification_of(key, &request) {
            Ok(Some((id, state))) => {
                let entry = self.dialogs.get_mut(key)?;
                // What came late is dropped: a newer one has been told.
                if entry.packed.accepts(&request) {
                    entry.flow = Some(flow);
                    self.notified(id, request, state, cx);
                }
                None
            }
            Ok(None) | Err(_) => Some(Event::Oneway { flow, request }),
        }
    }

    /// Which subscription is notified and what of it; the status to refuse it with.
    fn notification_of(
        &self,
        key: Key,
        request: &Request,
    ) -> Result<Option<(SubscriptionId, SubscriptionState)>, u16> {
        let event = request.header::<EventHeader>().map_err(|_| 400_u16)?.ok_or(489_u16)?;
        let Some(id) = self.sub_in(key, &event, false) else { return Ok(None) };
        let state = request.header::<SubscriptionState>().map_err(|_| 400_u16)?.ok_or(400_u16)?;
        Ok(Some((id, state)))
    }

    fn notified(&mut self, id: SubscriptionId, request: Request, state: SubscriptionState, cx: &mut Cx<'_>) {
        let Some((own, _)) = self.subscriber_mut(id) else { return };
        let leaving = own.leaving;
        if !leaving {
            own.notify_by = None;
            own.state = state.state.clone();
            // RFC 6665 section 4.1.2.4: a notification may shorten or lengthen.
            if let Some(seconds) = state.expires {
                own.expires_at = Some(cx.now + Duration::from_secs(u64::from(seconds)));
                own.refresh_at = refresh_time(seconds, cx.now);
            }
        }
        let over = state.is_terminated();
        self.tell(SubscriptionEvent::Notified { id, request, state: state.clone() });
        if over {
            let again = Again::of(&state);
            let cause = match leaving {
                true => SubscriptionCause::Local,
                false => SubscriptionCause::Terminated { state, again },
            };
            return self.end_sub(id, cause);
        }
        self.settle_sub(id);
    }
}

fn subscriber(
    draft: Option<RequestDraft>,
    target: Target,
    expires_s: u32,
    payload: Payload,
    cx: &Cx<'_>,
) -> Subscriber {
    Subscriber {
        draft,
        target,
        expires_s,
        payload,
        state: SubState::Pending,
        asking: true,
        notify_by: Some(cx.now + cx.give_up()),
        refresh_at: None,
        expires_at: None,
        raised: false,
        leaving: expires_s == 0,
        left: expires_s == 0,
    }
}

/// When to refresh: some time before the end, more for long ones; what is asked for once only is not refreshed.
fn refresh_time(expires_s: u32, now: Instant) -> Option<Instant> {
    let before = (expires_s / 5).clamp(1, 600);
    (expires_s > 1).then(|| now + Duration::from_secs(u64::from(expires_s - before)))
}

fn read_event(text: &str) -> Option<EventHeader> {
    <EventHeader as crate::TypedHeader>::parse_all(&mut [text].into_iter()).ok().flatten()
}

/// What a SUBSCRIBE has beside what each request in its dialog has: repeated in refreshes.
fn own_headers(draft: &RequestDraft) -> Payload {
    const OTHERS: [&str; 13] = [
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Event",
        "Expires",
        "Route",
        "Via",
        "Max-Forwards",
        "Content-Type",
        // Each proof is for one request.
        "Authorization",
        "Proxy-Authorization",
    ];
    let own =
        draft.headers().filter(|(name, _)| !OTHERS.iter().any(|other| other.eq_ignore_ascii_case(name)));
    let start = Payload::new(draft.get("Content-Type").unwrap_or_default(), draft.payload().clone());
    own.fold(start, |payload, (name, value)| payload.header(name, value))
}
