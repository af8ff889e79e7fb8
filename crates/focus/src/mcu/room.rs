//! One conference at the MCU: who owns it, who may call, who is in, and what is on its way to whom.
//!
//! Data with small rules, no messages: the modules beside this one send and receive.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use c3p::McuType;
use c3p::info::{
    ConferenceInfo, Endpoint as Device, EndpointStatus, EntityView, JoiningMethod, McuState, McuStatus,
    Media, MediaStatus, User, Users, Views,
};
use sip_core::{ClientTransactionId, Dialog, FlowId, ListenAddr, Uri};

use super::sdp::Offer;

/// One conference, for the life of this process.
pub(super) type RoomId = u64;
/// One call, for the life of this process.
pub(super) type MemberId = u64;

/// One conference.
#[derive(Debug)]
pub(super) struct Room {
    /// Under which it is found ([`crate::record::key::conference`]).
    pub(super) key: String,
    /// Conference URI, as the Focus writes it.
    pub(super) conference: String,
    /// MCU URI, as the Focus writes it.
    pub(super) uri: String,
    pub(super) mcu: McuType,
    /// The highest epoch heard of.
    pub(super) epoch: u64,
    pub(super) instance: String,
    /// Where the owner listens that was heard last.
    pub(super) owner: ListenAddr,
    pub(super) last_heard: Instant,
    /// Since when nobody answers for the conference.
    pub(super) orphan_since: Option<Instant>,
    pub(super) locked: bool,
    /// Users whose INVITE may come, by canonical address.
    pub(super) authorized: BTreeMap<String, Authorized>,
    pub(super) members: BTreeMap<MemberId, Member>,
    /// `Message-Id` of the last message.
    pub(super) last_message: u64,
    pub(super) deliveries: BTreeMap<u64, Delivery>,
    pub(super) news: News,
    /// When the room's timer is set to; never later than needed.
    pub(super) due: Option<Instant>,
}

/// A user whom the Focus announced.
#[derive(Debug)]
pub(super) struct Authorized {
    /// The user entity, as the Focus writes it.
    pub(super) entity: String,
    pub(super) display: Option<String>,
    pub(super) until: Instant,
}

/// One call.
#[derive(Debug)]
pub(super) struct Member {
    /// User entity in the roster.
    pub(super) entity: String,
    /// The same in one spelling.
    pub(super) user: String,
    pub(super) display: Option<String>,
    pub(super) epid: Option<String>,
    /// Contact of the client.
    pub(super) contact: String,
    /// Its entity in the roster.
    pub(super) device: String,
    pub(super) dialog: Dialog,
    /// What it offered.
    pub(super) offer: Offer,
    /// The ACK (or anything else in the dialog) came.
    pub(super) confirmed: bool,
    pub(super) way: Way,
    pub(super) session: Session,
    pub(super) outbox: VecDeque<Outgoing>,
    /// The MESSAGE that its client has not answered.
    pub(super) in_flight: Option<ClientTransactionId>,
    /// When its typing was last relayed.
    pub(super) typed: Option<Instant>,
}

/// How to reach a member.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The flow of its last request.
    pub(super) flow: Option<FlowId>,
    /// The first hop of the route set refused.
    pub(super) route_dead: bool,
    /// A recovery UPDATE is under way.
    pub(super) repairing: bool,
    /// No try before this.
    pub(super) blocked_until: Option<Instant>,
}

/// When a sign of life is due.
#[derive(Debug)]
pub(super) struct Session {
    /// The session interval; `None` for a client without session timer.
    pub(super) interval: Option<Duration>,
    pub(super) due: Instant,
    pub(super) asking: bool,
}

/// One message to one member.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) message: u64,
    /// Value of `Ms-Sender`.
    pub(super) sender: String,
    pub(super) content_type: String,
    pub(super) body: Bytes,
    pub(super) until: Instant,
}

/// One message on its way.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) sender: MemberId,
    pub(super) outstanding: usize,
    /// (user entity, SIP status).
    pub(super) failed: Vec<(String, u16)>,
}

/// What the owner has not been told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Users (canonical address to entity) that changed.
    pub(super) dirty: BTreeMap<String, String>,
    /// Tell everything.
    pub(super) full: bool,
    /// Counter of the MCU's own documents.
    pub(super) version: u32,
    pub(super) in_flight: Option<ClientTransactionId>,
    pub(super) retry_at: Option<Instant>,
}

impl News {
    pub(super) fn is_empty(&self) -> bool {
        !self.full && self.dirty.is_empty()
    }
}

impl Room {
    /// The conference's id, for the log.
    pub(super) fn id(&self) -> &str {
        c3p::uri::conference_id(&self.conference).unwrap_or("none")
    }

    /// Marks a user as changed.
    pub(super) fn changed(&mut self, user: &str, entity: &str) {
        self.news.dirty.insert(user.to_owned(), entity.to_owned());
    }

    /// The next instant at which anything is due by itself.
    pub(super) fn next_due(
        &self,
        silence: Duration,
        orphan_hold: Duration,
        unconfirmed: Duration,
    ) -> Instant {
        let watch = match (self.orphan_since, self.news.in_flight) {
            (Some(since), _) => since + orphan_hold,
            (None, _) => self.last_heard + silence,
        };
        let authorized = self.authorized.values().map(|one| one.until);
        let members = self.members.values().flat_map(|member| member.deadlines(unconfirmed));
        self.news.retry_at.into_iter().chain(authorized).chain(members).chain([watch]).min().unwrap_or(watch)
    }

    /// Everything the MCU has of this conference.
    pub(super) fn full_document(&self) -> ConferenceInfo {
        let users = self.user_entries(|_| true).into_values().collect();
        let mut document = ConferenceInfo::new(self.conference.clone());
        document.version = Some(self.news.version);
        document.users = Some(Users::full(users));
        document.views = Some(Views::full(vec![self.view()]));
        document
    }

    /// What changed: the dirty users, whole or deleted.
    pub(super) fn partial_document(&self) -> ConferenceInfo {
        let mut present = self.user_entries(|user| self.news.dirty.contains_key(user));
        let entry = |(user, entity): (&String, &String)| {
            present.remove(user.as_str()).unwrap_or_else(|| User::deleted(entity.clone()))
        };
        let users = self.news.dirty.iter().map(entry).collect();
        let mut document = ConferenceInfo::partial(self.conference.clone());
        document.version = Some(self.news.version);
        document.users = Some(Users::partial(users));
        document.views = Some(Views::partial(vec![self.view()]));
        document
    }

    fn view(&self) -> EntityView {
        let state = McuState::new(McuStatus::Active, Some(self.instance.clone()));
        EntityView::of_mcu(self.uri.clone(), self.mcu, state, self.locked)
    }

    /// The entries of these users, each with all its devices here, by canonical address.
    fn user_entries(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<&str, User> {
        let mut entries = BTreeMap::new();
        for member in self.members.values().filter(|member| member.confirmed && wanted(&member.user)) {
            let entry = entries.entry(member.user.as_str()).or_insert_with(|| User {
                display_text: member.display.clone(),
                ..User::new(member.entity.clone())
            });
            entry.endpoints.push(member.device_entry(self.mcu));
        }
        entries
    }
}

impl Member {
    fn device_entry(&self, mcu: McuType) -> Device {
        let mut device = Device::new(self.device.clone(), mcu.into())
            .with_status(EndpointStatus::Connected)
            .with_joining_method(JoiningMethod::DialedIn);
        device.media = (1..).zip(&self.offer.kinds).map(|(id, kind)| stream(id, kind)).collect();
        device.endpoint_uri = Some(self.contact.clone());
        device.epid = self.epid.clone();
        device
    }

    fn deadlines(&self, unconfirmed: Duration) -> impl Iterator<Item = Instant> {
        let life = if self.confirmed { Some(self.session.due) } else { None };
        // Until confirmed, `due` is the time of the answer.
        let ack = (!self.confirmed).then(|| self.session.due + unconfirmed);
        let waiting = !self.outbox.is_empty();
        let blocked = self.way.blocked_until.filter(|_| waiting);
        [life, ack, blocked].into_iter().flatten()
    }
}

/// One stream in the roster.
fn stream(id: u32, kind: &str) -> Media {
    let label = if kind == "chat" { kind.to_owned() } else { format!("main-{kind}") };
    Media { label: Some(label), status: Some(MediaStatus::SendRecv), ..Media::new(id.to_string(), kind) }
}

/// The one spelling under which a user is compared: address of record, host in lower case.
pub(super) fn canonical_user(uri: &Uri) -> String {
    let aor = uri.address_of_record();
    let port = aor.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}@{}{port}", aor.user().unwrap_or_default(), aor.host().to_ascii_lowercase())
}
