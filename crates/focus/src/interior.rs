//! What a Focus and its MCUs say to each other: C3P documents in SERVICE requests between their SIP listeners.
//!
//! Focus to MCU: `activateConference`, `resync`, `addUser` (lets one user's INVITE in), `deleteUser`,
//! `modifyConferenceLock`, `deactivateConference`. MCU to Focus: `notify` with its own view and endpoints. Each message
//! carries the epoch of the conference (the fencing token of its owner) and the MCU's instance id; the Contact is where
//! the sender listens, so that an MCU always knows the owner that it last heard from.
//!
//! # Invariants
//!
//! - A receiver that knows a higher epoch refuses with [`Refusal::StaleEpoch`], and tells that epoch.
//! - A 2xx always has a C3P response in it, unless it answers a `notify`.
//!
//! Not here: who sends what when (modules `conference` and `mcu`).

use c3p::command::{Document, Response as C3pResponse};
use c3p::diagnostics::{Diagnostics, HEADER, ids};
use c3p::{Limits, mime};
use sip_core::{
    ListenAddr, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, TransportKind, Uri,
};

/// Header with the epoch of the conference.
pub const EPOCH: &str = "Rc-Epoch";
/// Header with the instance id of the MCU.
pub const INSTANCE: &str = "Rc-Instance";

/// What every interior message carries besides its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Fencing token of the owner.
    pub epoch: u64,
    /// Which life of the conference at the MCU is meant; the Focus chooses it at activation.
    pub instance: String,
    /// Where the sender listens.
    pub sender: ListenAddr,
}

/// Why an interior message is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another owner was heard from since; this is its epoch.
    #[error("the epoch is over")]
    StaleEpoch {
        /// The highest epoch known.
        current: u64,
    },
    /// The receiver does not have this conference, or another instance of it.
    #[error("the conference is not here")]
    UnknownConference,
    /// A limit is reached, or the node is draining.
    #[error("no more conferences are taken")]
    Busy,
    /// The message cannot be understood.
    #[error("the interior message is malformed")]
    Malformed,
    /// The command is not one for this receiver.
    #[error("the command is not implemented")]
    NotImplemented,
}

impl Refusal {
    /// Its SIP status and diagnostics id.
    pub fn status(self) -> (u16, u32) {
        match self {
            Self::StaleEpoch { .. } => (403, ids::FOCUS_MOVED),
            Self::UnknownConference => (481, ids::MCU_FAILING_OVER),
            Self::Busy => (503, ids::SERVICE_UNAVAILABLE),
            Self::Malformed => (400, ids::C3P_NOT_PARSABLE),
            Self::NotImplemented => (501, ids::C3P_NOT_IMPLEMENTED),
        }
    }

    /// The answer to send.
    pub fn answer(self, request: &Request, source: &str) -> ResponseDraft {
        let (status, id) = self.status();
        let diagnostics = Diagnostics::new(id).with_reason(self.to_string()).with_source(source);
        let draft = ResponseDraft::to(request, status).header(HEADER, diagnostics.to_string());
        match self {
            Self::StaleEpoch { current } => draft.header(EPOCH, current.to_string()),
            Self::UnknownConference | Self::Busy | Self::Malformed | Self::NotImplemented => draft,
        }
    }
}

/// Why no interior request could be written: an address that is no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SIP URI: {what}")]
pub struct BadAddress {
    /// Which of the two.
    pub what: &'static str,
}

/// Writes an interior request, out of any dialog.
///
/// - `from`, `to`: conference URI and MCU URI, in the direction of the message.
/// - `token`: makes the Call-ID and the tag.
///
/// # Errors
///
/// [`BadAddress`] when one of the two is no SIP URI.
pub fn request(
    envelope: &Envelope,
    document: &Document,
    from: &str,
    to: &str,
    mut token: impl FnMut() -> String,
) -> Result<RequestDraft, BadAddress> {
    let from = Uri::parse(from).map_err(|_| BadAddress { what: "from" })?;
    let to = Uri::parse(to).map_err(|_| BadAddress { what: "to" })?;
    let contact = Uri::for_addr(None, envelope.sender.addr, envelope.sender.transport);
    Ok(RequestDraft::new(Method::Service, to.clone())
        .from(NameAddr::new(from).with_tag(&token()))
        .to(NameAddr::new(to))
        .call_id(token())
        .cseq(1)
        .header("Contact", NameAddr::new(contact).to_string())
        .header(EPOCH, envelope.epoch.to_string())
        .header(INSTANCE, envelope.instance.as_str())
        .body(mime::C3P, document.write()))
}

/// Whether a SERVICE is an interior one: a client's has no epoch.
pub fn is_interior(request: &Request) -> bool {
    *request.method() == Method::Service && request.headers().contains(EPOCH)
}

/// Reads an interior request.
///
/// # Errors
///
/// [`Refusal::Malformed`] without epoch, instance, a Contact with a literal address, or a readable document.
pub fn parse(request: &Request, limits: &Limits) -> Result<(Envelope, Document), Refusal> {
    let headers = request.headers();
    let epoch = headers.get(EPOCH).and_then(|text| text.trim().parse().ok()).ok_or(Refusal::Malformed)?;
    let instance = headers.get(INSTANCE).map(|text| text.trim().to_owned()).ok_or(Refusal::Malformed)?;
    let sender =
        request.contact().and_then(|contact| listen_addr(contact.uri())).ok_or(Refusal::Malformed)?;
    let typed = request.content_type().is_some_and(|value| mime::is(value, mime::C3P));
    let document =
        Document::parse(request.body(), limits).ok().filter(|_| typed).ok_or(Refusal::Malformed)?;
    Ok((Envelope { epoch, instance, sender }, document))
}

/// The 200 to an interior command, with its C3P response.
pub fn answer(request: &Request, epoch: u64, instance: &str, response: &C3pResponse) -> ResponseDraft {
    acknowledge(request, epoch, instance).body(mime::C3P, response.write())
}

/// The 200 to a `notify`.
pub fn acknowledge(request: &Request, epoch: u64, instance: &str) -> ResponseDraft {
    ResponseDraft::to(request, 200).header(EPOCH, epoch.to_string()).header(INSTANCE, instance)
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A C3P response; whether it is a success is in its code.
    Done(Box<C3pResponse>),
    /// 2xx without a document: a `notify` was taken.
    Taken,
    /// Refused by SIP.
    Refused {
        /// The SIP status.
        status: u16,
        /// The epoch that the other side knows, if ours is over.
        current_epoch: Option<u64>,
    },
}

/// Reads a final answer. A 2xx with an unreadable document counts as refused with status 500.
pub fn parse_answer(response: &Response, limits: &Limits) -> Answer {
    let status = response.status();
    if status >= 300 {
        let current_epoch = response.headers().get(EPOCH).and_then(|text| text.trim().parse().ok());
        return Answer::Refused { status, current_epoch };
    }
    if response.body().is_empty() {
        return Answer::Taken;
    }
    match C3pResponse::parse(response.body(), limits) {
        Ok(document) => Answer::Done(Box::new(document)),
        Err(_) => Answer::Refused { status: 500, current_epoch: None },
    }
}

/// The listener that a URI with a literal address names.
pub fn listen_addr(uri: &Uri) -> Option<ListenAddr> {
    let addr = uri.sip_addr()?;
    Some(ListenAddr { transport: uri.transport().unwrap_or(TransportKind::Udp), addr })
}
