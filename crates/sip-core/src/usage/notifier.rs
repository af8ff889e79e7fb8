//! The end that notifies: accepts, grants, notifies, ends (RFC 6665 section 4.2).

use super::fate::{Fate, fate};
use super::sending::ClientUse;
use super::subscription::{Notifier, Role};
use super::*;
use crate::TransactionError;
use crate::header::{Event as EventHeader, Expires, SubState, SubscriptionState};

/// RFC 6665 section 4.2.1.1: 423 may be used for less than one hour only.
const BRIEF_BELOW_S: u32 = 3600;

impl Usages {
    /// Accepts a subscription: 200, and the first NOTIFY with this payload.
    ///
    /// - `state`: `Active`, or `Pending` while somebody has to be asked.
    /// - `granted_s`: less than what was asked for, also at refreshes; `None` grants that.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] when it was answered; [`Refused::Argument`] for another state.
    pub fn accept_subscription(
        &mut self,
        id: SubscriptionId,
        state: SubState,
        granted_s: Option<u32>,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        if !matches!(state, SubState::Active | SubState::Pending) {
            return Err(Refused::Argument);
        }
        let cx = &mut Cx { ep, now };
        let (own, key) = self.notifier_mut(id).ok_or(Refused::NoSuchUsage)?;
        let (tx, request) = own.asked.take().ok_or(Refused::WrongState)?;
        own.most_s = granted_s.unwrap_or(u32::MAX);
        own.granted_s = own.granted_s.min(own.most_s);
        own.state = state;
        let granted = own.granted_s;
        own.expires_at = Some(now + Duration::from_secs(u64::from(granted)));
        let key = key.ok_or(Refused::WrongState)?;
        let draft = self.able_in(key, &request, 200).header("Expires", granted.to_string());
        cx.respond(tx, draft);
        if granted == 0 {
            self.finish(id, "timeout", None, payload, SubscriptionCause::Expired, cx);
        } else {
            self.notify_now(id, payload, cx);
            self.settle_sub(id);
        }
        Ok(())
    }

    /// Refuses a subscription; `Ended` follows.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] when it was answered; [`Refused::Argument`] for a status below 300.
    pub fn reject_subscription(
        &mut self,
        id: SubscriptionId,
        status: u16,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        if !(300..700).contains(&status) {
            return Err(Refused::Argument);
        }
        let (own, _) = self.notifier_mut(id).ok_or(Refused::NoSuchUsage)?;
        if own.asked.is_none() {
            return Err(Refused::WrongState);
        }
        self.refuse_subscribe(id, status, payload, &mut Cx { ep, now });
        Ok(())
    }

    /// Notifies; one after the other, so that none overtakes another.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] before it was accepted; [`Refused::Full`] when too many wait.
    pub fn notify(
        &mut self,
        id: SubscriptionId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let limit = self.config.max_queued;
        let (own, _) = self.notifier_mut(id).ok_or(Refused::NoSuchUsage)?;
        if own.asked.is_some() {
            return Err(Refused::WrongState);
        }
        if own.queue.len() >= limit {
            return Err(Refused::Full);
        }
        self.notify_now(id, payload, &mut Cx { ep, now });
        Ok(())
    }

    /// A pending subscription is active from now on, and notified of it.
    ///
    /// # Errors
    ///
    /// As [`Self::notify`].
    pub fn activate(
        &mut self,
        id: SubscriptionId,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let (own, _) = self.notifier_mut(id).ok_or(Refused::NoSuchUsage)?;
        if own.asked.is_none() {
            own.state = SubState::Active;
        }
        self.notify(id, payload, ep, now)
    }

    /// Ends a subscription with a last NOTIFY; `Ended` follows at once.
    ///
    /// - `reason`: of RFC 6665 section 4.1.3: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`, `invariant`.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongState`] before it was accepted.
    pub fn terminate(
        &mut self,
        id: SubscriptionId,
        reason: &str,
        retry_after_s: Option<u32>,
        payload: Payload,
        ep: &mut Endpoint,
        now: Instant,
    ) -> Result<(), Refused> {
        let (own, _) = self.notifier_mut(id).ok_or(Refused::NoSuchUsage)?;
        if own.asked.is_some() {
            return Err(Refused::WrongState);
        }
        self.finish(id, reason, retry_after_s, payload, SubscriptionCause::Local, &mut Cx { ep, now });
        Ok(())
    }

    /// Whether a SUBSCRIBE in this dialog is for a package served here, or for a subscription that there is.
    pub(super) fn subscribable(&self, key: Key, request: &Request) -> bool {
        let event = request.header::<EventHeader>().ok().flatten();
        !self.config.packages.is_empty()
            || event.is_some_and(|event| self.sub_in(key, &event, true).is_some())
    }

    /// A SUBSCRIBE, in a dialog or outside.
    pub(super) fn on_subscribe(
        &mut self,
        key: Option<Key>,
        tx: ServerTransactionId,
        flow: FlowId,
        request: Request,
        cx: &mut Cx<'_>,
    ) {
        if let Some(draft) = self.lacks(&request) {
            return cx.respond(tx, draft);
        }
        let event = match request.header::<EventHeader>() {
            Ok(Some(event)) => event,
            Ok(None) => return cx.respond(tx, ResponseDraft::bad_event(&request, &self.config.packages)),
            Err(_) => return cx.respond(tx, ResponseDraft::bad_request(&request, "Bad Event")),
        };
        let asked = match request.header::<Expires>() {
            Ok(asked) => asked.map_or(self.config.max_expires_s, |Expires(seconds)| seconds),
            Err(_) => return cx.respond(tx, ResponseDraft::bad_request(&request, "Bad Expires")),
        };
        if asked > 0 && asked < self.config.min_expires_s && asked < BRIEF_BELOW_S {
            return cx.respond(tx, ResponseDraft::interval_too_brief(&request, self.config.min_expires_s));
        }
        let expires_s = asked.min(self.config.max_expires_s);
        if let Some(id) = key.and_then(|key| self.sub_in(key, &event, true)) {
            return self.on_refresh(id, tx, request, expires_s, cx);
        }
        if !self.config.packages.iter().any(|package| event.package.eq_ignore_ascii_case(package)) {
            return cx.respond(tx, ResponseDraft::bad_event(&request, &self.config.packages));
        }
        if self.subs.len() >= self.config.max_usages {
            let draft = ResponseDraft::unavailable(&request, cx.ep.config().retry_after_s);
            return cx.respond(tx, draft);
        }
        let key = match key {
            Some(key) => key,
            None => {
                let Ok(dialog) = Dialog::uas(&request, &cx.ep.new_token()) else {
                    return cx.respond(tx, ResponseDraft::bad_request(&request, "No dialog can be made"));
                };
                self.dialogs.insert(&dialog, Some(flow))
            }
        };
        let own = Notifier {
            asked: Some((tx, request.clone())),
            state: SubState::Pending,
            granted_s: expires_s,
            most_s: u32::MAX,
            expires_at: Some(cx.now + self.config.ring_within.min(cx.ep.config().answer_within * 9 / 10)),
            notifying: false,
            queue: VecDeque::new(),
        };
        let role = Role::Notifier(Box::new(own));
        let id = SubscriptionId(self.subs.insert(Subscription { event, dialog: Some(key), role }));
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.subs.push(id);
        }
        self.settle_sub(id);
        self.tell(SubscriptionEvent::Incoming { id, flow, request, expires_s });
    }

    /// A SUBSCRIBE for a subscription that there is.
    fn on_refresh(
        &mut self,
        id: SubscriptionId,
        tx: ServerTransactionId,
        request: Request,
        expires_s: u32,
        cx: &mut Cx<'_>,
    ) {
        let Some((own, key)) = self.notifier_mut(id) else { return };
        if own.asked.is_some() {
            return cx.respond(tx, ResponseDraft::to(&request, 500).header("Retry-After", "1"));
        }
        let expires_s = expires_s.min(own.most_s);
        own.granted_s = expires_s;
        own.expires_at = Some(cx.now + Duration::from_secs(u64::from(expires_s)));
        let Some(key) = key else { return };
        self.refresh_by_request(key, &request);
        let draft = self.able_in(key, &request, 200).header("Expires", expires_s.to_string());
        cx.respond(tx, draft);
        if expires_s == 0 {
            return self.finish(id, "timeout", None, Payload::none(), SubscriptionCause::Expired, cx);
        }
        self.settle_sub(id);
        self.tell(SubscriptionEvent::NotifyDue { id });
    }

    pub(super) fn refuse_subscribe(
        &mut self,
        id: SubscriptionId,
        status: u16,
        payload: Payload,
        cx: &mut Cx<'_>,
    ) {
        let asked = self.notifier_mut(id).and_then(|(own, _)| own.asked.take());
        if let Some((tx, request)) = asked {
            cx.respond(tx, payload.into_response(ResponseDraft::to(&request, status)));
            self.end_sub(id, SubscriptionCause::Local);
        }
    }

    /// It was not refreshed.
    pub(super) fn notifier_expired(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) {
        self.finish(id, "timeout", None, Payload::none(), SubscriptionCause::Expired, cx);
    }

    /// NOTIFY now, or after the one that is under way.
    fn notify_now(&mut self, id: SubscriptionId, payload: Payload, cx: &mut Cx<'_>) {
        let Some((own, _)) = self.notifier_mut(id) else { return };
        if own.notifying {
            own.queue.push_back(payload);
            return;
        }
        own.notifying = true;
        let left = own.expires_at.map(|at| at.saturating_duration_since(cx.now).as_secs());
        let state = SubscriptionState {
            state: own.state.clone(),
            expires: left.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
            reason: None,
            retry_after: None,
        };
        if let Some(tx) = self.send_notify(id, &state, payload, cx) {
            self.clients.insert(tx, ClientUse::Notify(id));
        }
    }

    /// The last NOTIFY and the end; those that wait are not sent any more.
    fn finish(
        &mut self,
        id: SubscriptionId,
        reason: &str,
        retry_after: Option<u32>,
        payload: Payload,
        cause: SubscriptionCause,
        cx: &mut Cx<'_>,
    ) {
        let state = SubscriptionState {
            state: SubState::Terminated,
            expires: None,
            reason: Some(reason.into()),
            retry_after,
        };
        if let Some(tx) = self.send_notify(id, &state, payload, cx) {
            self.clients.insert(tx, ClientUse::Notify(id));
        }
        self.end_sub(id, cause);
    }

    fn send_notify(
        &mut self,
        id: SubscriptionId,
        state: &SubscriptionState,
        payload: Payload,
        cx: &mut Cx<'_>,
    ) -> Option<ClientTransactionId> {
        let sub = self.subs.get(id.0)?;
        let (key, event) = (sub.dialog?, sub.event.to_string());
        let draft = self
            .draft_in(key, Method::Notify, false)?
            .contact(self.config.contact.clone())
            .header("Event", event)
            .header("Subscription-State", state.to_string());
        Some(self.send_in(key, payload.into_request(draft), cx))
    }

    /// The answer to a NOTIFY of ours: 481 ends the subscription, and so does silence (RFC 6665 section 4.2.2).
    pub(super) fn on_notify_answer(
        &mut self,
        id: SubscriptionId,
        answer: Result<&Response, TransactionError>,
        cx: &mut Cx<'_>,
    ) {
        let Some((own, key)) = self.notifier_mut(id) else { return };
        own.notifying = false;
        let next = own.queue.pop_front();
        match answer {
            Err(error) => return self.end_sub(id, SubscriptionCause::Failed { error }),
            Ok(response) => {
                let status = response.status();
                match fate(status, true) {
                    Fate::Transaction => {}
                    Fate::Usage => return self.end_sub(id, SubscriptionCause::Gone { status }),
                    Fate::Dialog => {
                        self.end_sub(id, SubscriptionCause::Gone { status });
                        if let Some(key) = key {
                            self.end_dialog(key, Cause::Gone { status }, cx);
                        }
                        return;
                    }
                }
            }
        }
        if let Some(payload) = next {
            self.notify_now(id, payload, cx);
        }
    }
}
