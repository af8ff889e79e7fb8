//! Subscriptions of both roles (RFC 6665): what they share.

use std::collections::VecDeque;

use super::*;
use crate::header::{Event as EventHeader, SubState};

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) event: EventHeader,
    pub(super) dialog: Option<Key>,
    pub(super) role: Role,
}

/// Which end it is.
#[derive(Debug)]
pub(super) enum Role {
    /// It subscribed.
    Subscriber(Box<Subscriber>),
    /// It notifies.
    Notifier(Box<Notifier>),
}

/// The end that subscribed.
///
/// ```text
///   subscribe --> notify_wait --NOTIFY active--> active --NOTIFY terminated--> (ended)
///                     |  timer N                    |  expired, 481
///                     +-----------------------------+-------------------------> (ended)
/// ```
#[derive(Debug)]
pub(super) struct Subscriber {
    /// The first SUBSCRIBE, until it is answered: it may have to be sent again.
    pub(super) draft: Option<RequestDraft>,
    pub(super) target: Target,
    /// The seconds to ask for.
    pub(super) expires_s: u32,
    /// Headers and body of refreshes.
    pub(super) payload: Payload,
    pub(super) state: SubState,
    /// A SUBSCRIBE is under way.
    pub(super) asking: bool,
    /// Timer N: a NOTIFY has to come before.
    pub(super) notify_by: Option<Instant>,
    pub(super) refresh_at: Option<Instant>,
    pub(super) expires_at: Option<Instant>,
    /// After 423, once.
    pub(super) raised: bool,
    /// Unsubscribed: waits for the last NOTIFY.
    pub(super) leaving: bool,
    /// The SUBSCRIBE that says so was sent.
    pub(super) left: bool,
}

/// The end that notifies.
#[derive(Debug)]
pub(super) struct Notifier {
    /// The SUBSCRIBE that waits for the user's answer.
    pub(super) asked: Option<(ServerTransactionId, Request)>,
    pub(super) state: SubState,
    /// The seconds granted.
    pub(super) granted_s: u32,
    /// The most that the user grants.
    pub(super) most_s: u32,
    pub(super) expires_at: Option<Instant>,
    /// A NOTIFY is under way; the others wait.
    pub(super) notifying: bool,
    pub(super) queue: VecDeque<Payload>,
}

/// What a subscription is like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// Package and id.
    pub event: EventHeader,
    /// What the notifier said last.
    pub state: SubState,
    /// Whether this end notifies.
    pub notifier: bool,
    /// When it ends unless it is refreshed.
    pub expires_at: Option<Instant>,
}

impl Usages {
    /// What a subscription is like; `None` once it has ended.
    #[must_use]
    pub fn subscription(&self, id: SubscriptionId) -> Option<SubscriptionInfo> {
        let sub = self.subs.get(id.0)?;
        let event = sub.event.clone();
        Some(match &sub.role {
            Role::Subscriber(own) => SubscriptionInfo {
                event,
                state: own.state.clone(),
                notifier: false,
                expires_at: own.expires_at,
            },
            Role::Notifier(own) => SubscriptionInfo {
                event,
                state: own.state.clone(),
                notifier: true,
                expires_at: own.expires_at,
            },
        })
    }

    /// The dialog of a subscription; `None` while there is none.
    #[must_use]
    pub fn subscription_dialog(&self, id: SubscriptionId) -> Option<Dialog> {
        self.dialogs.get(self.subs.get(id.0)?.dialog?)?.packed.unpack()
    }

    /// The subscription of this role in a dialog that an Event header means (RFC 6665 section 8.2.1).
    pub(super) fn sub_in(&self, key: Key, event: &EventHeader, notifier: bool) -> Option<SubscriptionId> {
        let subs = &self.dialogs.get(key)?.subs;
        subs.iter().copied().find(|id| {
            self.subs.get(id.0).is_some_and(|sub| {
                matches!(sub.role, Role::Notifier(_)) == notifier && sub.event.matches(event)
            })
        })
    }

    /// The end of a subscription, and of its dialog if it was the last usage.
    pub(super) fn end_sub(&mut self, id: SubscriptionId, cause: SubscriptionCause) {
        let Some(sub) = self.subs.remove(id.0) else { return };
        self.timers.set(Who::Sub(id), None);
        if let Role::Subscriber(own) = &sub.role
            && let Some(tag) = own.draft.as_ref().and_then(|draft| draft.from_addr()?.tag().map(TagKey::of))
        {
            self.sub_tags.remove(&tag);
        }
        if let Some(key) = sub.dialog {
            if let Some(entry) = self.dialogs.get_mut(key) {
                entry.subs.retain(|own| *own != id);
            }
            self.leave_dialog(key);
        }
        self.tell(SubscriptionEvent::Ended { id, cause });
    }

    pub(super) fn settle_sub(&mut self, id: SubscriptionId) {
        let Some(sub) = self.subs.get(id.0) else { return };
        let at = match &sub.role {
            Role::Subscriber(own) => {
                let refresh = own.refresh_at.filter(|_| !own.asking && !own.leaving);
                [own.notify_by, refresh, own.expires_at].into_iter().flatten().min()
            }
            Role::Notifier(own) => own.expires_at,
        };
        self.timers.set(Who::Sub(id), at);
    }

    /// The deadline of a subscription has come.
    pub(super) fn sub_timeout(&mut self, id: SubscriptionId, cx: &mut Cx<'_>) {
        let Some(sub) = self.subs.get_mut(id.0) else { return };
        match &mut sub.role {
            Role::Subscriber(own) => {
                let due = |at: Option<Instant>| at.is_some_and(|at| at <= cx.now);
                if due(own.notify_by) {
                    let cause =
                        if own.leaving { SubscriptionCause::Local } else { SubscriptionCause::NoNotify };
                    return self.end_sub(id, cause);
                }
                if due(own.expires_at) {
                    return self.end_sub(id, SubscriptionCause::Expired);
                }
                if due(own.refresh_at) && !own.asking && !own.leaving {
                    own.refresh_at = None;
                    let expires_s = own.expires_s;
                    self.resubscribe(id, expires_s, cx);
                }
            }
            Role::Notifier(own) if own.asked.is_some() => {
                return self.refuse_subscribe(id, 480, Payload::none(), cx);
            }
            Role::Notifier(_) => return self.notifier_expired(id, cx),
        }
        self.settle_sub(id);
    }

    pub(super) fn subscriber_mut(&mut self, id: SubscriptionId) -> Option<(&mut Subscriber, Option<Key>)> {
        let sub = self.subs.get_mut(id.0)?;
        match &mut sub.role {
            Role::Subscriber(own) => Some((own, sub.dialog)),
            Role::Notifier(_) => None,
        }
    }

    pub(super) fn notifier_mut(&mut self, id: SubscriptionId) -> Option<(&mut Notifier, Option<Key>)> {
        let sub = self.subs.get_mut(id.0)?;
        match &mut sub.role {
            Role::Notifier(own) => Some((own, sub.dialog)),
            Role::Subscriber(_) => None,
        }
    }
}
