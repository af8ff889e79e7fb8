//! What [`Usages`](super::Usages) tells its user, and why it refuses.

use crate::header::SubscriptionState;
use crate::{FlowId, NameAddr, Request, Response, ServerTransactionId, TransactionError};

use super::table::Key;

/// The name of an INVITE usage, or of an INVITE that may become one; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub(super) Key);

/// The name of a subscription, of either role; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(super) Key);

/// One early dialog of an INVITE of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EarlyId(pub(super) Key);

/// A request of the user inside a dialog; it keeps its name when it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// A reliable provisional response that the user acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reliable {
    pub(super) early: EarlyId,
    pub(super) rseq: u32,
    pub(super) cseq: u32,
}

/// Where an INVITE usage is.
///
/// ```text
///   UAC:  Calling ----------- 2xx -----------------> Confirmed --> (ended)
///   UAS:  Ringing -- accept --> Accepted -- ACK --> Confirmed --> (ended)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteState {
    /// Our INVITE has no final response.
    Calling,
    /// Their INVITE has no final response.
    Ringing,
    /// We answered 2xx; the ACK has not come.
    Accepted,
    /// Both know.
    Confirmed,
}

/// Something happened in a usage.
#[derive(Clone, Debug)]
pub enum UsageEvent {
    /// In an INVITE usage.
    Invite(InviteEvent),
    /// In a subscription.
    Subscription(SubscriptionEvent),
}

/// Something happened in an INVITE usage.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InviteEvent {
    /// An INVITE came: ring, accept, reject or redirect it.
    Incoming {
        /// The usage it may become.
        id: InviteId,
        /// The flow it came on.
        flow: FlowId,
        /// The INVITE.
        request: Request,
    },
    /// A provisional response to our INVITE.
    Provisional {
        /// The usage.
        id: InviteId,
        /// Its early dialog; `None` without To tag.
        early: Option<EarlyId>,
        /// The response.
        response: Response,
        /// It is reliable and carries an offer: the user sends the PRACK, with the answer.
        owes_prack: Option<Reliable>,
    },
    /// A 2xx to our INVITE: the usage stands.
    Established {
        /// The usage.
        id: InviteId,
        /// The response.
        response: Response,
        /// It carries an offer: the user sends the ACK, with the answer.
        owes_ack: bool,
    },
    /// Another 2xx to the same INVITE, from elsewhere ([`Fork::Keep`](super::Fork::Keep)): one more usage.
    Forked {
        /// The new usage.
        id: InviteId,
        /// The one whose INVITE it was.
        of: InviteId,
        /// The response.
        response: Response,
        /// As in `Established`.
        owes_ack: bool,
    },
    /// Another 2xx to the same INVITE got ACK and BYE.
    Surplus {
        /// The usage whose INVITE it was.
        id: InviteId,
        /// The response.
        response: Response,
    },
    /// 3xx to our INVITE; `Ended` follows.
    Redirected {
        /// The usage.
        id: InviteId,
        /// The Contacts, in the order of the response.
        targets: Vec<NameAddr>,
        /// The response.
        response: Response,
    },
    /// The ACK of our 2xx came; it may carry the answer to our offer.
    Confirmed {
        /// The usage.
        id: InviteId,
        /// The ACK.
        request: Request,
    },
    /// The PRACK of a reliable provisional response came.
    Pracked {
        /// The usage.
        id: InviteId,
        /// It carries a new offer: answer it. Otherwise 200 was sent.
        tx: Option<ServerTransactionId>,
        /// The PRACK.
        request: Request,
    },
    /// The other end wants to change the session by an INVITE: answer it.
    Reinvited {
        /// The usage.
        id: InviteId,
        /// To be answered.
        tx: ServerTransactionId,
        /// The INVITE.
        request: Request,
        /// Whether it carries an offer; if not, the 2xx has to.
        offer: bool,
    },
    /// An UPDATE came.
    Updated {
        /// The usage.
        id: InviteId,
        /// It carries an offer: answer it. Otherwise 200 was sent.
        tx: Option<ServerTransactionId>,
        /// The UPDATE.
        request: Request,
    },
    /// Their re-INVITE was cancelled, and answered 487.
    Withdrawn {
        /// The usage.
        id: InviteId,
        /// Its transaction.
        tx: ServerTransactionId,
    },
    /// Another request inside the dialog: answer it.
    Request {
        /// The usage.
        id: InviteId,
        /// To be answered.
        tx: ServerTransactionId,
        /// The request.
        request: Request,
    },
    /// The final response to a request of the user.
    Answered {
        /// The usage.
        id: InviteId,
        /// Which request.
        request: RequestId,
        /// The response.
        response: Response,
        /// A 2xx to an INVITE without offer: the user sends the ACK, with the answer.
        owes_ack: bool,
    },
    /// A request of the user got no final response.
    RequestFailed {
        /// The usage.
        id: InviteId,
        /// Which request.
        request: RequestId,
        /// Why.
        error: TransactionError,
    },
    /// The session has to be refreshed, and the other end takes no UPDATE: send a re-INVITE.
    RefreshDue {
        /// The usage.
        id: InviteId,
    },
    /// It is over. The last event of this usage, and the only one of its kind.
    Ended {
        /// The usage.
        id: InviteId,
        /// Why.
        cause: Cause,
    },
}

/// Why an INVITE usage is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// Our INVITE was refused.
    Rejected {
        /// 400 to 699.
        response: Response,
    },
    /// Our INVITE got 3xx.
    Redirected,
    /// The INVITE was cancelled, by us or by the other end.
    Cancelled,
    /// We ended it.
    LocalBye,
    /// The other end did.
    RemoteBye {
        /// Its BYE.
        request: Request,
    },
    /// We refused their INVITE.
    LocalReject {
        /// With this.
        status: u16,
    },
    /// The ACK of our 2xx never came, or the user never sent the one that it owed.
    NoAck,
    /// A reliable provisional response of ours was never acknowledged.
    NoPrack,
    /// The user did not answer their INVITE in time.
    RingTimeout,
    /// The session was not refreshed in time (RFC 4028 section 10).
    SessionExpired,
    /// A request inside the dialog was answered with a status that ends the usage or the dialog (RFC 5057 section 5).
    Gone {
        /// 481, 408, 404, ...
        status: u16,
    },
    /// A request that the usage cannot live without was not answered, or not sent.
    Failed {
        /// Why.
        error: TransactionError,
    },
    /// The dialog was ended by another usage.
    DialogEnded,
}

/// Something happened in a subscription.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscriptionEvent {
    /// Somebody subscribes: accept or reject it.
    Incoming {
        /// The subscription it may become.
        id: SubscriptionId,
        /// The flow it came on.
        flow: FlowId,
        /// The SUBSCRIBE.
        request: Request,
        /// The seconds it will be granted; 0: one notification only.
        expires_s: u32,
    },
    /// Our SUBSCRIBE, the first or a later one, was accepted.
    Accepted {
        /// The subscription.
        id: SubscriptionId,
        /// The response.
        response: Response,
        /// The seconds granted.
        expires_s: u32,
    },
    /// A notification came (and was answered 200 unless it was a BENOTIFY). Versions inside its body are the package's.
    Notified {
        /// The subscription.
        id: SubscriptionId,
        /// NOTIFY or BENOTIFY.
        request: Request,
        /// What it says of the subscription.
        state: SubscriptionState,
    },
    /// The other end refreshed: the full state has to be notified again (RFC 6665 section 4.2.1.2).
    NotifyDue {
        /// The subscription.
        id: SubscriptionId,
    },
    /// A refresh of ours was refused for now; the subscription lives until it expires.
    RefreshFailed {
        /// The subscription.
        id: SubscriptionId,
        /// The status; `None` when there was no answer.
        status: Option<u16>,
    },
    /// It is over. The last event of this subscription, and the only one of its kind.
    Ended {
        /// The subscription.
        id: SubscriptionId,
        /// Why.
        cause: SubscriptionCause,
    },
}

/// Why a subscription is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscriptionCause {
    /// Our SUBSCRIBE was refused.
    Rejected {
        /// With this: 489, 403, ...
        response: Response,
    },
    /// The notifier said so.
    Terminated {
        /// Its Subscription-State.
        state: SubscriptionState,
        /// What RFC 6665 section 4.1.3 says about trying again.
        again: Again,
    },
    /// We ended it: by unsubscribing, refusing or terminating.
    Local,
    /// It was not refreshed in time.
    Expired,
    /// No NOTIFY came within 64*T1 of the SUBSCRIBE (timer N).
    NoNotify,
    /// The other end does not know it any more.
    Gone {
        /// 481, 404, ...
        status: u16,
    },
    /// The SUBSCRIBE, or a NOTIFY, was not answered or not sent.
    Failed {
        /// Why.
        error: TransactionError,
    },
    /// The dialog was ended by another usage.
    DialogEnded,
}

/// Whether to subscribe again after the end: RFC 6665 section 4.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// At once.
    Now,
    /// After so many seconds.
    After {
        /// From `retry-after`.
        seconds: u32,
    },
    /// Not before some time has passed; the notifier did not say how much.
    Later,
    /// Not at all.
    Never,
}

impl Again {
    /// What this state says.
    #[must_use]
    pub fn of(state: &SubscriptionState) -> Self {
        let reason = state.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
        let later = |or: Self| state.retry_after.map_or(or, |seconds| Self::After { seconds });
        match reason.as_str() {
            "deactivated" | "timeout" => Self::Now,
            "rejected" | "noresource" | "invariant" => Self::Never,
            "probation" | "giveup" => later(Self::Later),
            _ => later(Self::Now),
        }
    }
}

/// Why a call of the user has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The usage is over, or never was.
    #[error("there is no such usage")]
    NoSuchUsage,
    /// The usage is in a state where this cannot be done.
    #[error("not in this state of the usage")]
    WrongState,
    /// An offer is under way, of either end: wait for its answer (RFC 3264, RFC 6337).
    #[error("an offer is under way")]
    OfferPending,
    /// A request of the same kind is under way.
    #[error("a request of the same kind is under way")]
    RequestPending,
    /// The other end does not support what this needs.
    #[error("the other end does not support it")]
    NotSupported,
    /// A status, method or header that does not go here.
    #[error("not a valid argument here")]
    Argument,
    /// A limit of the configuration is reached.
    #[error("a limit is reached")]
    Full,
}
