//! The settings of [`Usages`](super::Usages), and what is added to the messages it writes.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Method, NameAddr, RequestDraft, ResponseDraft, SessionTimerConfig};

/// What happens to a second 2xx of one INVITE (RFC 3261 section 13.2.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fork {
    /// The first 2xx is the call; the others get ACK and BYE.
    #[default]
    KeepFirst,
    /// Each 2xx is a usage of its own; the user ends those it does not want.
    Keep,
}

/// Where requests inside a dialog go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routing {
    /// The connection that the dialog was heard on last, while it is open and leads to the host that is next; else what
    /// the first Route or the remote target says.
    #[default]
    FlowFirst,
    /// Always the flow the dialog was heard on last, while it is open: for peers behind address translation.
    Flow,
    /// What the first Route or the remote target says, if it is a literal address.
    ByUri,
}

/// Settings of [`Usages`](super::Usages); start from [`UsageConfig::new`] and use `with_*`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsageConfig {
    /// The Contact of requests and responses.
    pub contact: NameAddr,
    /// The methods in `Allow`.
    pub allow: Vec<Method>,
    /// The option tags in `Supported`; `timer` is added by `session`.
    pub supported: Vec<String>,
    /// Session timers (RFC 4028); `None` neither offers nor accepts them.
    pub session: Option<SessionTimerConfig>,
    /// Whether INVITEs that make dialogs are taken; if not, they are given back.
    pub invites: bool,
    /// The event packages that can be subscribed to here; empty: SUBSCRIBE is given back.
    pub packages: Vec<String>,
    /// The shortest subscription taken, in seconds; shorter ones get 423.
    pub min_expires_s: u32,
    /// The longest subscription granted, in seconds.
    pub max_expires_s: u32,
    /// How long an INVITE may stay unanswered by the user; then it gets 480. Less than the endpoint's `answer_within`.
    pub ring_within: Duration,
    /// What happens to a second 2xx.
    pub fork: Fork,
    /// Where requests inside a dialog go.
    pub routing: Routing,
    /// Content types that carry offers and answers without a Content-Disposition; `multipart/*` always does.
    pub session_types: Vec<String>,
    /// Whether the Record-Route of an UPDATE replaces the route set. Not in any RFC: for peers that repair routes so.
    pub route_repair: bool,
    /// INVITE usages at the same time, and subscriptions at the same time; beyond, 503.
    pub max_usages: usize,
    /// Early dialogs of one INVITE, and 2xx to it from different ends; more are not told of.
    pub max_early: usize,
    /// Reliable provisional responses, or notifications, that wait for the one before.
    pub max_queued: usize,
    /// How often a request is repeated after 491 before the user gets the answer.
    pub max_glare: u8,
}

impl UsageConfig {
    /// The defaults with this Contact.
    #[must_use]
    pub fn new(contact: NameAddr) -> Self {
        let allow = [
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Options,
            Method::Prack,
            Method::Update,
            Method::Info,
            Method::Notify,
        ];
        Self {
            contact,
            allow: allow.into(),
            supported: vec!["100rel".to_owned()],
            session: Some(SessionTimerConfig::default()),
            invites: true,
            packages: Vec::new(),
            min_expires_s: 60,
            max_expires_s: 3600,
            ring_within: Duration::from_secs(180),
            fork: Fork::default(),
            routing: Routing::default(),
            session_types: vec!["application/sdp".to_owned()],
            route_repair: false,
            max_usages: 100_000,
            max_early: 16,
            max_queued: 64,
            max_glare: 8,
        }
    }

    /// With these methods in `Allow`.
    #[must_use]
    pub fn with_allow(mut self, allow: impl IntoIterator<Item = Method>) -> Self {
        self.allow = allow.into_iter().collect();
        self
    }

    /// With these option tags in `Supported`.
    #[must_use]
    pub fn with_supported<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.supported = tags.into_iter().map(Into::into).collect();
        self
    }

    /// With these session timers, or none.
    #[must_use]
    pub fn with_session(mut self, session: Option<SessionTimerConfig>) -> Self {
        self.session = session;
        self
    }

    /// Without INVITEs from others: they are given back.
    #[must_use]
    pub fn without_invites(mut self) -> Self {
        self.invites = false;
        self
    }

    /// With these event packages served.
    #[must_use]
    pub fn with_packages<S: Into<String>>(mut self, packages: impl IntoIterator<Item = S>) -> Self {
        self.packages = packages.into_iter().map(Into::into).collect();
        self
    }

    /// With subscriptions between these times, in seconds.
    #[must_use]
    pub fn with_expires_s(mut self, min_s: u32, max_s: u32) -> Self {
        (self.min_expires_s, self.max_expires_s) = (min_s, max_s);
        self
    }

    /// With this time for the user to answer an INVITE.
    #[must_use]
    pub fn with_ring_within(mut self, limit: Duration) -> Self {
        self.ring_within = limit;
        self
    }

    /// With this rule for a second 2xx.
    #[must_use]
    pub fn with_fork(mut self, fork: Fork) -> Self {
        self.fork = fork;
        self
    }

    /// With this way for requests inside a dialog.
    #[must_use]
    pub fn with_routing(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// With routes repaired by an UPDATE of the other end.
    #[must_use]
    pub fn with_route_repair(mut self) -> Self {
        self.route_repair = true;
        self
    }

    /// With this limit on usages of each kind.
    #[must_use]
    pub fn with_max_usages(mut self, limit: usize) -> Self {
        self.max_usages = limit;
        self
    }

    /// Whether what has this Content-Type and Content-Disposition is an offer or an answer.
    pub(super) fn is_session(
        &self,
        content_type: Option<&str>,
        disposition: Option<&str>,
        body: &[u8],
    ) -> bool {
        if body.is_empty() {
            return false;
        }
        let word = |text| str::split(text, ';').next().unwrap_or_default().trim();
        if let Some(disposition) = disposition {
            return word(disposition).eq_ignore_ascii_case("session");
        }
        let mime = word(content_type.unwrap_or_default());
        mime.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
            || self.session_types.iter().any(|known| known.eq_ignore_ascii_case(mime))
    }
}

/// Header values that are the same in each message, made once.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    /// Of `Allow`.
    pub(super) allow: ByteString,
    /// Of `Supported`; empty for none.
    pub(super) supported: ByteString,
    /// The same without `timer`, which the session timer adds to an offer of its own.
    pub(super) beside_timer: ByteString,
}

impl Texts {
    pub(super) fn new(config: &UsageConfig) -> Self {
        let allow = config.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let own = config.supported.iter().map(String::as_str).filter(|tag| *tag != "timer");
        let beside_timer = own.clone().collect::<Vec<_>>().join(", ");
        let timer = config.session.is_some().then_some("timer");
        let supported = own.chain(timer).collect::<Vec<_>>().join(", ");
        Self { allow: allow.into(), supported: supported.into(), beside_timer: beside_timer.into() }
    }
}

/// Headers and a body that are added to a message which the machine writes.
///
/// # Examples
///
/// ```
/// use sip_core::Payload;
///
/// let answer = Payload::sdp("v=0\r\n").header("X-Room", "7");
/// assert!(!answer.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    headers: Vec<(String, String)>,
    content_type: String,
    body: Bytes,
}

impl Payload {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A body of this type.
    #[must_use]
    pub fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { headers: Vec::new(), content_type: content_type.into(), body: body.into() }
    }

    /// A session description: an offer or an answer, by where it is put.
    #[must_use]
    pub fn sdp(body: impl Into<Bytes>) -> Self {
        Self::new("application/sdp", body)
    }

    /// With one more header line; Via, From, To, Call-ID, CSeq and Contact are the machine's.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether it has neither headers nor a body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.body.is_empty()
    }

    /// Its headers, in order.
    pub(super) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Content type and body; `None` without a body.
    pub(super) fn typed_body(&self) -> Option<(&str, &[u8])> {
        (!self.body.is_empty()).then_some((self.content_type.as_str(), &self.body[..]))
    }

    pub(super) fn into_request(self, mut draft: RequestDraft) -> RequestDraft {
        for (name, value) in self.headers {
            draft = draft.header(&name, value);
        }
        if self.body.is_empty() { draft } else { draft.body(&self.content_type, self.body) }
    }

    pub(super) fn into_response(self, mut draft: ResponseDraft) -> ResponseDraft {
        for (name, value) in self.headers {
            draft = draft.header(&name, value);
        }
        if self.body.is_empty() { draft } else { draft.body(&self.content_type, self.body) }
    }

    pub(super) fn is_session(&self, config: &UsageConfig) -> bool {
        let disposition =
            self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Disposition"));
        config.is_session(Some(&self.content_type), disposition.map(|(_, value)| value.as_str()), &self.body)
    }
}
