//! One endpoint of one user: what is durable of it, and its two dialogs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_core::{Dialog, DialogId, FlowId, Method, NameAddr, RequestDraft, ServerTransactionId, Uri};

use super::effect::Reach;
use crate::record::{ParticipantRecord, SubscriptionRecord, VERSION};

/// Who a participant is, for maps: the user entity in its normal form and the endpoint entity as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PersonKey {
    /// Normal form of the user entity.
    pub(crate) user: String,
    /// Endpoint entity.
    pub(crate) endpoint: String,
}

impl PersonKey {
    pub(crate) fn new(user: &str, endpoint: &str) -> Self {
        Self { user: user_key(user), endpoint: endpoint.to_owned() }
    }
}

/// The normal form of a user entity: scheme and host in small letters, no parameters (RFC 3261 section 19.1.4).
pub(crate) fn user_key(user: &str) -> String {
    let Ok(uri) = user.parse::<Uri>() else { return user.to_owned() };
    let aor = uri.address_of_record();
    let text = aor.as_str();
    match (text.split_once(':'), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((before, host))) => {
            let name = &before[scheme.len() + 1..];
            format!("{}:{name}@{}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
        }
        _ => text.to_ascii_lowercase(),
    }
}

/// The INVITE dialog.
#[derive(Debug)]
pub(crate) struct FocusDialog {
    pub(crate) dialog: Dialog,
    pub(crate) invite: ServerTransactionId,
    pub(crate) flow: Option<FlowId>,
    /// Session interval, if the peer has timers.
    pub(crate) interval: Option<Duration>,
    /// Whether the refreshes are ours.
    pub(crate) we_refresh: bool,
    /// When we ask whether it is still there.
    pub(crate) probe_at: Option<Instant>,
    /// The UPDATE or OPTIONS is under way.
    pub(crate) probing: bool,
}

/// How often a peer without session timers is asked whether it is still there (flow 15).
const OPTIONS_INTERVAL: Duration = Duration::from_secs(300);

/// The most that a session may be asked about before it expires (RFC 4028 section 10).
const EXPIRY_MARGIN: Duration = Duration::from_secs(32);

impl FocusDialog {
    /// Sets when the peer is asked next: as refresher at half the interval, else shortly before the session expires.
    pub(crate) fn restart_timer(&mut self, now: Instant) {
        let wait = match self.interval {
            None => OPTIONS_INTERVAL,
            Some(interval) if self.we_refresh => interval / 2,
            Some(interval) => interval - EXPIRY_MARGIN.min(interval / 3),
        };
        self.probe_at = Some(now + wait);
    }
}

/// The subscription dialog.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) dialog: Dialog,
    pub(crate) flow: Option<FlowId>,
    pub(crate) benotify: bool,
    /// It ends by itself; never, with autoextend.
    pub(crate) expires_at: Option<Instant>,
    /// The next document must be a full one.
    pub(crate) needs_full: bool,
}

/// An answer that is kept for a repeated command.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) order: u64,
    /// The response document; `None` while the command is being carried out.
    pub(crate) body: Option<Bytes>,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) record: ParticipantRecord,
    pub(crate) focus: Option<FocusDialog>,
    pub(crate) watch: Option<Watch>,
    /// It does not answer; removed then.
    pub(crate) absent_until: Option<Instant>,
    /// The end of its wait in the lobby.
    pub(crate) lobby_until: Option<Instant>,
    /// A full document by NOTIFY then, unless it subscribes before.
    pub(crate) resend_at: Option<Instant>,
    /// Answers by requestId.
    pub(crate) answers: BTreeMap<u64, Answer>,
    pub(crate) next_answer: u64,
}

impl Participant {
    pub(crate) fn new(record: ParticipantRecord) -> Self {
        Self {
            record,
            focus: None,
            watch: None,
            absent_until: None,
            lobby_until: None,
            resend_at: None,
            answers: BTreeMap::new(),
            next_answer: 0,
        }
    }

    /// The next instant at which something of this participant is due.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let probe = self.focus.as_ref().filter(|focus| !focus.probing).and_then(|focus| focus.probe_at);
        let expiry = self.watch.as_ref().and_then(|watch| watch.expires_at);
        [probe, expiry, self.absent_until, self.lobby_until, self.resend_at].into_iter().flatten().min()
    }

    /// Inside, not in the lobby.
    pub(crate) fn is_in(&self) -> bool {
        !self.record.in_lobby
    }

    pub(crate) fn focus_reach(&self) -> Reach {
        Reach { flow: self.focus.as_ref().and_then(|focus| focus.flow), gruu: self.record.gruu.clone() }
    }

    pub(crate) fn watch_reach(&self) -> Reach {
        let flow = self.watch.as_ref().and_then(|watch| watch.flow);
        Reach { flow, gruu: self.record.gruu.clone() }
    }

    pub(crate) fn has_focus_dialog(&self, id: &DialogId) -> bool {
        self.focus.as_ref().is_some_and(|focus| focus.dialog.id() == id)
    }

    pub(crate) fn has_watch_dialog(&self, id: &DialogId) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.dialog.id() == id)
    }

    /// A sign of life.
    pub(crate) fn heard(&mut self, flow: FlowId) {
        self.absent_until = None;
        if let Some(focus) = &mut self.focus {
            focus.flow = Some(flow);
        }
    }

    /// Whether the durable record of the subscription is too far behind it.
    pub(crate) fn is_subscription_record_old(&self) -> bool {
        let stored = self.record.subscription.as_ref().map(|record| record.cseq);
        let now = self.watch.as_ref().map(|watch| watch.dialog.local_cseq());
        now.is_some_and(|now| stored.is_none_or(|stored| now >= stored.saturating_add(CSEQ_STEP)))
    }

    /// Brings the durable record of the subscription up to date; whether it changed enough to be written.
    pub(crate) fn refresh_subscription_record(&mut self, force: bool) -> bool {
        let Some(watch) = &self.watch else {
            return self.record.subscription.take().is_some();
        };
        if !force && !self.is_subscription_record_old() {
            return false;
        }
        let cseq = watch.dialog.local_cseq();
        let id = watch.dialog.id();
        self.record.subscription = Some(SubscriptionRecord {
            call_id: id.call_id.to_string(),
            local_tag: id.local_tag.to_string(),
            remote_tag: id.remote_tag.to_string(),
            local_uri: watch.dialog.local().uri().to_string(),
            remote_uri: watch.dialog.remote().uri().to_string(),
            target: watch.dialog.remote_target().to_string(),
            cseq,
        });
        true
    }
}

/// Notifications after which the stored CSeq is renewed; a new owner begins [`CSEQ_LEAP`] above it.
const CSEQ_STEP: u32 = 500;

/// See [`CSEQ_STEP`].
const CSEQ_LEAP: u32 = 1000;

/// One more NOTIFY in a subscription of which only the record is left (recovery section 2.2, step 4).
pub(crate) fn farewell(record: &SubscriptionRecord) -> Option<RequestDraft> {
    let target: Uri = record.target.parse().ok()?;
    let local = NameAddr::new(record.local_uri.parse().ok()?).with_tag(&record.local_tag);
    let remote = NameAddr::new(record.remote_uri.parse().ok()?).with_tag(&record.remote_tag);
    Some(
        RequestDraft::new(Method::Notify, target)
            .from(local)
            .to(remote)
            .call_id(record.call_id.as_str())
            .cseq(record.cseq.saturating_add(CSEQ_LEAP)),
    )
}

/// An empty record of somebody who is just coming in.
pub(crate) fn newcomer(user: &str, endpoint: &str) -> ParticipantRecord {
    ParticipantRecord {
        v: VERSION,
        user: user.to_owned(),
        endpoint: endpoint.to_owned(),
        display: String::new(),
        presenter: false,
        in_lobby: false,
        removed: None,
        epid: None,
        gruu: None,
        order: 0,
        subscription: None,
    }
}
