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

#[cfg(test)]
mod tests {
    use c3p::command::{Command, CommandResult, Request as C3pRequest};
    use sip_core::Message;

    use super::*;

    const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";
    const CHAT: &str = "sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9";

    fn envelope() -> Envelope {
        let sender = "tcp:127.0.0.1:5060".parse().expect("an address");
        Envelope { epoch: 7, instance: "im-1".to_owned(), sender }
    }

    fn resync() -> C3pRequest {
        C3pRequest::new(3, CONFERENCE, CHAT, Command::Resync { conference: CONFERENCE.to_owned() })
    }

    fn draft() -> RequestDraft {
        let document = Document::Request(resync());
        let draft = request(&envelope(), &document, CONFERENCE, CHAT, || "t".to_owned()).expect("addresses");
        draft.header("Via", "SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK1").max_forwards(70)
    }

    fn read(draft: &RequestDraft) -> Request {
        match Message::parse(draft.write(), &sip_core::Limits::default()).expect("a message") {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn read_answer(draft: &ResponseDraft) -> Answer {
        match Message::parse(draft.write(), &sip_core::Limits::default()).expect("a message") {
            Message::Response(response) => parse_answer(&response, &Limits::default()),
            Message::Request(_) => panic!("a response"),
        }
    }

    /// What is written is read, in both directions.
    #[test]
    fn round_trip() {
        let request = read(&draft());
        assert!(is_interior(&request));
        let parsed = parse(&request, &Limits::default());
        assert_eq!(parsed, Ok((envelope(), Document::Request(resync()))));
        let response = C3pResponse::success(&resync(), CommandResult::Resync(None));
        let done = answer(&request, 7, "im-1", &response).to_tag("x");
        assert_eq!(read_answer(&done), Answer::Done(Box::new(response)));
        assert_eq!(read_answer(&acknowledge(&request, 7, "im-1").to_tag("x")), Answer::Taken);
        let stale = Refusal::StaleEpoch { current: 9 }.answer(&request, "im1").to_tag("x");
        assert_eq!(read_answer(&stale), Answer::Refused { status: 403, current_epoch: Some(9) });
        let garbage = acknowledge(&request, 7, "im-1").body(mime::C3P, "<response").to_tag("x");
        assert_eq!(read_answer(&garbage), Answer::Refused { status: 500, current_epoch: None });
    }

    /// Each part that is missing or unreadable makes it malformed; without an epoch it is a client's SERVICE.
    #[test]
    fn malformed() {
        for (name, value) in [
            (EPOCH, "seven"),
            (EPOCH, "-1"),
            ("Contact", "<sip:example.com>"),
            ("Content-Type", "text/plain"),
        ] {
            let mut draft = draft();
            draft.set_header(name, value);
            assert_eq!(parse(&read(&draft), &Limits::default()), Err(Refusal::Malformed), "{name}: {value}");
        }
        for name in [EPOCH, INSTANCE, "Contact", "Content-Type"] {
            let mut draft = draft();
            draft.remove_header(name);
            assert_eq!(parse(&read(&draft), &Limits::default()), Err(Refusal::Malformed), "{name}");
            assert_eq!(is_interior(&read(&draft)), name != EPOCH);
        }
        let document = Document::Request(resync());
        let bad = request(&envelope(), &document, "alice", CHAT, || "t".to_owned());
        assert_eq!(bad.map(|_| ()), Err(BadAddress { what: "from" }));
    }
}
