//! Dialogs with their usages as data, for a store: another process, or a later one, carries them on.
//!
//! Only what both ends know to stand is stored: confirmed INVITE usages and accepted subscriptions. What is under way is not;
//! whoever carries on leaves out some numbers ([`Dialog::skip_local_cseq`]), since it cannot know the last one used.

use serde::{Deserialize, Serialize};

use super::subscription::{Notifier, Role, Subscriber};
use super::*;
use crate::dialog::{DialogError, DialogSnapshot};
use crate::header::{Event as EventHeader, SubState};

/// The version that is written.
const VERSION: u32 = 1;
/// Numbers left out at restoring: more than requests are under way at a time.
const SKIPPED_CSEQ: u32 = 16;

/// A dialog and its usages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogUsages {
    /// Of this format: 1.
    pub version: u32,
    /// The dialog.
    pub dialog: DialogSnapshot,
    /// The INVITE usage.
    #[serde(default)]
    pub invite: Option<StoredInvite>,
    /// The subscriptions.
    #[serde(default)]
    pub subscriptions: Vec<StoredSubscription>,
}

/// An INVITE usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredInvite {
    /// Whether this end made the Call-ID: it waits longer after 491.
    pub we_called: bool,
    /// Whether the other end is known not to take UPDATE.
    #[serde(default)]
    pub no_update: bool,
    /// The session timer.
    #[serde(default)]
    pub session: Option<StoredSession>,
}

/// A session timer; times as durations, since clocks do not outlive a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The session interval in seconds.
    pub interval_s: u32,
    /// The shortest that this end accepts, in seconds.
    pub min_s: u32,
    /// Whether this end refreshes.
    pub we_refresh: bool,
    /// How many seconds of the interval have passed.
    pub elapsed_s: u32,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSubscription {
    /// The Event header.
    pub event: String,
    /// Whether this end notifies.
    pub notifier: bool,
    /// `active` or `pending`.
    pub state: String,
    /// The seconds that are left.
    pub left_s: u32,
    /// The seconds granted, or to ask for at the next refresh.
    pub expires_s: u32,
    /// Headers of refreshes beyond those of the dialog; of the end that subscribed.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Content type and body of refreshes, if they have one.
    #[serde(default)]
    pub body: Option<(String, Vec<u8>)>,
}

/// The names of what was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The INVITE usage.
    pub invite: Option<InviteId>,
    /// The subscriptions, in the order of the snapshot.
    pub subscriptions: Vec<SubscriptionId>,
}

impl Usages {
    /// The dialog of an INVITE usage with all its usages; `None` unless it is confirmed.
    #[must_use]
    pub fn snapshot(&self, id: InviteId, now: Instant) -> Option<DialogUsages> {
        let invite = self.invites.get(id.0).filter(|invite| matches!(invite.phase, Phase::Confirmed))?;
        self.snapshot_of(invite.dialog?, now)
    }

    /// The dialog of a subscription with all its usages; `None` without a dialog.
    #[must_use]
    pub fn subscription_snapshot(&self, id: SubscriptionId, now: Instant) -> Option<DialogUsages> {
        self.snapshot_of(self.subs.get(id.0)?.dialog?, now)
    }

    /// Carries on what a snapshot tells of.
    ///
    /// - `target`: where its requests go; `None`: where its route says.
    ///
    /// # Errors
    ///
    /// [`DialogError::Snapshot`] for a later version, or with the field that cannot be read.
    pub fn restore(
        &mut self,
        snapshot: DialogUsages,
        target: Option<Target>,
        now: Instant,
    ) -> Result<Restored, DialogError> {
        if snapshot.version != VERSION {
            return Err(DialogError::Snapshot { field: "version" });
        }
        let mut dialog = Dialog::restore(snapshot.dialog)?;
        let id = dialog.id();
        if self.dialogs.find(&id.call_id, &id.local_tag, &id.remote_tag).is_some() {
            return Err(DialogError::Snapshot { field: "dialog" });
        }
        let subs = snapshot.subscriptions.iter().map(|stored| stored.read(&self.config, now));
        let subs: Vec<Subscription> = subs.collect::<Result<_, _>>()?;
        if snapshot.invite.is_none() && subs.is_empty() {
            return Ok(Restored::default());
        }
        dialog.skip_local_cseq(SKIPPED_CSEQ);
        let key = self.dialogs.insert(&dialog, None);
        let mut restored = Restored::default();
        for sub in subs {
            let id = SubscriptionId(self.subs.insert(Subscription { dialog: Some(key), ..sub }));
            restored.subscriptions.push(id);
            self.settle_sub(id);
        }
        if let Some(stored) = snapshot.invite {
            let session = stored.session.map(|session| Box::new(session.read(now)));
            let id = InviteId(self.invites.insert(Invite {
                dialog: Some(key),
                phase: Phase::Confirmed,
                session,
                ending: None,
                we_called: stored.we_called,
                no_update: stored.no_update,
            }));
            restored.invite = Some(id);
            self.settle(id);
        }
        if let Some(entry) = self.dialogs.get_mut(key) {
            entry.fixed = target.map(Box::new);
            entry.invite = restored.invite;
            for id in &restored.subscriptions {
                entry.subs.push(*id);
            }
        }
        Ok(restored)
    }

    fn snapshot_of(&self, key: Key, now: Instant) -> Option<DialogUsages> {
        let entry = self.dialogs.get(key)?;
        let invite = entry.invite.and_then(|id| self.invites.get(id.0));
        let invite =
            invite.filter(|invite| matches!(invite.phase, Phase::Confirmed)).map(|invite| StoredInvite {
                we_called: invite.we_called,
                no_update: invite.no_update,
                session: invite.session.as_ref().map(|session| StoredSession {
                    interval_s: session.interval_s(),
                    min_s: session.config().min_s,
                    we_refresh: session.we_refresh(),
                    elapsed_s: u32::try_from(session.elapsed(now).as_secs()).unwrap_or(u32::MAX),
                }),
            });
        let subs = entry.subs.iter().filter_map(|id| self.subs.get(id.0));
        let subscriptions = subs.filter_map(|sub| StoredSubscription::of(sub, now)).collect();
        Some(DialogUsages {
            version: VERSION,
            dialog: entry.packed.unpack()?.snapshot(),
            invite,
            subscriptions,
        })
    }
}

impl StoredSession {
    fn read(self, now: Instant) -> SessionTimer {
        let began = now.checked_sub(Duration::from_secs(u64::from(self.elapsed_s))).unwrap_or(now);
        SessionTimer::start(self.interval_s, self.min_s, self.we_refresh, began)
    }
}

impl StoredSubscription {
    fn of(sub: &Subscription, now: Instant) -> Option<Self> {
        let (state, expires_at, expires_s) = match &sub.role {
            Role::Subscriber(own) if own.leaving || own.expires_at.is_none() => return None,
            Role::Notifier(own) if own.asked.is_some() => return None,
            Role::Subscriber(own) => (&own.state, own.expires_at, own.expires_s),
            Role::Notifier(own) => (&own.state, own.expires_at, own.granted_s),
        };
        let payload = match &sub.role {
            Role::Subscriber(own) => Some(&own.payload),
            Role::Notifier(_) => None,
        };
        let left = expires_at?.saturating_duration_since(now).as_secs();
        Some(Self {
            event: sub.event.to_string(),
            notifier: matches!(sub.role, Role::Notifier(_)),
            state: state.to_string(),
            left_s: u32::try_from(left).unwrap_or(u32::MAX),
            expires_s,
            headers: payload.map_or(Vec::new(), |payload| payload.headers().to_vec()),
            body: payload.and_then(Payload::typed_body).map(|(of, body)| (of.to_owned(), body.to_vec())),
        })
    }

    fn read(&self, config: &UsageConfig, now: Instant) -> Result<Subscription, DialogError> {
        let event = <EventHeader as crate::TypedHeader>::parse_all(&mut [self.event.as_str()].into_iter());
        let event = event.ok().flatten().ok_or(DialogError::Snapshot { field: "event" })?;
        let state = match self.state.as_str() {
            "active" => SubState::Active,
            "pending" => SubState::Pending,
            _ => return Err(DialogError::Snapshot { field: "state" }),
        };
        let expires_at = Some(now + Duration::from_secs(u64::from(self.left_s)));
        let role = if self.notifier {
            Role::Notifier(Box::new(Notifier {
                asked: None,
                state,
                granted_s: self.expires_s.min(config.max_expires_s),
                most_s: u32::MAX,
                expires_at,
                notifying: false,
                queue: VecDeque::new(),
            }))
        } else {
            Role::Subscriber(Box::new(Subscriber {
                draft: None,
                target: Target::Flow(FlowId::new(0)),
                expires_s: self.expires_s,
                payload: self.payload(),
                state,
                asking: false,
                notify_by: None,
                refresh_at: subscriber_refresh(self.left_s, now),
                expires_at,
                raised: false,
                leaving: false,
                left: false,
            }))
        };
        Ok(Subscription { event, dialog: None, role })
    }

    fn payload(&self) -> Payload {
        let start = match &self.body {
            Some((content_type, body)) => Payload::new(content_type.as_str(), body.clone()),
            None => Payload::none(),
        };
        self.headers
            .iter()
            .fold(start, |payload, (name, value)| payload.header(name.as_str(), value.as_str()))
    }
}

/// Half way to the end: the other end may have been told of changes meanwhile that were lost here.
fn subscriber_refresh(left_s: u32, now: Instant) -> Option<Instant> {
    Some(now + Duration::from_secs(u64::from(left_s)) / 2)
}
