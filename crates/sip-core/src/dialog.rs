//! Dialogs: RFC 3261 section 12, and what recovery (target refresh without the route set) needs on top.
//!
//! A [`Dialog`] is plain data with rules: it numbers requests, routes them, and judges the numbers of the other end. It can
//! be written to a store and read back ([`DialogSnapshot`]), so that another process carries it on.
//!
//! # Invariants
//!
//! - The local CSeq only grows. Gaps are legal on both sides.
//! - The route set changes only by the two `replace_route_*` methods, the remote target only by a target refresh.
//!
//! Not here: usages of a dialog (INVITE, subscription), transactions, and which flow a request takes.

mod packed;

use serde::{Deserialize, Serialize};

use crate::build::RequestDraft;
pub(crate) use packed::Packed;

use crate::{Method, NameAddr, Request, Response, Uri};

/// What names a dialog at one end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// The tag of this end.
    pub local_tag: String,
    /// The tag of the other end; empty for one that sends none (RFC 2543).
    pub remote_tag: String,
}

/// The dialog this request says it belongs to, as its receiver names it; `None` without To tag.
pub fn in_dialog_id(request: &Request) -> Option<DialogId> {
    Some(DialogId {
        call_id: request.call_id().to_owned(),
        local_tag: request.to().tag()?.to_owned(),
        remote_tag: request.from().tag().unwrap_or_default().to_owned(),
    })
}

/// The dialog this response makes or belongs to, as the sender of the request names it; `None` without To tag.
pub fn of_response(response: &Response) -> Option<DialogId> {
    Some(DialogId {
        call_id: response.call_id().to_owned(),
        local_tag: response.from().tag()?.to_owned(),
        remote_tag: response.to().tag()?.to_owned(),
    })
}

/// Why there is no dialog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialogError {
    /// The response is not one that makes a dialog (101 to 299).
    #[error("a response {status} makes no dialog")]
    Status {
        /// Its status.
        status: u16,
    },
    /// The tag of one end is missing.
    #[error("the tag in {header} is missing")]
    NoTag {
        /// `From` or `To`.
        header: &'static str,
    },
    /// A field of a snapshot cannot be read.
    #[error("the {field} of the snapshot is not valid")]
    Snapshot {
        /// Its name.
        field: &'static str,
    },
}

/// A request of the other end came with a CSeq lower than one before: answer 500 (RFC 3261 section 12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CSeq {got} after {had}")]
pub struct CSeqOutOfOrder {
    /// The number of this request.
    pub got: u32,
    /// The highest number so far.
    pub had: u32,
}

/// One end of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "DialogSnapshot", try_from = "DialogSnapshot")]
pub struct Dialog {
    id: DialogId,
    local: NameAddr,
    remote: NameAddr,
    remote_target: Uri,
    route_set: Vec<NameAddr>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// Whether the other end has sent a request inside the dialog.
    remote_has_sent: bool,
}

/// A dialog as text, for a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogSnapshot {
    /// Call-ID.
    pub call_id: String,
    /// This end, with its tag.
    pub local: String,
    /// The other end, with its tag.
    pub remote: String,
    /// Where requests go.
    pub remote_target: String,
    /// The route set, in the order of the Route header.
    #[serde(default)]
    pub route_set: Vec<String>,
    /// The number of the last request of this end.
    pub local_cseq: u32,
    /// The highest number of a request of the other end.
    #[serde(default)]
    pub remote_cseq: Option<u32>,
    /// Whether the other end has sent a request inside the dialog.
    #[serde(default)]
    pub remote_has_sent: bool,
}

impl Dialog {
    /// The dialog of the end that sent the request (RFC 3261 section 12.1.2).
    ///
    /// - `sent`: the request. Its Request-URI is the remote target if the response has no Contact.
    /// - `response`: 101 to 299.
    ///
    /// # Errors
    ///
    /// [`DialogError::Status`] and [`DialogError::NoTag`].
    pub fn uac(sent: &RequestDraft, response: &Response) -> Result<Self, DialogError> {
        let status = response.status();
        if !(101..300).contains(&status) {
            return Err(DialogError::Status { status });
        }
        let local_tag = tag_of(response.from(), "From")?;
        let remote_tag = tag_of(response.to(), "To")?;
        let remote_target =
            response.contact().map_or_else(|| sent.uri.detached(), |contact| contact.uri().detached());
        Ok(Self {
            id: DialogId { call_id: response.call_id().to_owned(), local_tag, remote_tag },
            local: response.from().detached(),
            remote: response.to().detached(),
            remote_target,
            route_set: response.record_route().iter().rev().map(NameAddr::detached).collect(),
            local_cseq: response.cseq().number,
            remote_cseq: None,
            remote_has_sent: false,
        })
    }

    /// The dialog of the end that received the request (RFC 3261 section 12.1.1).
    ///
    /// - `local_tag`: the To tag of the answer.
    ///
    /// # Errors
    ///
    /// None at present: a request without Contact or From tag is taken as RFC 2543 allowed it.
    pub fn uas(request: &Request, local_tag: &str) -> Result<Self, DialogError> {
        let remote = request.from().detached();
        let remote_tag = remote.tag().unwrap_or_default().to_owned();
        let target = request.contact().map_or_else(|| remote.uri(), NameAddr::uri).detached();
        Ok(Self {
            id: DialogId {
                call_id: request.call_id().to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag,
            },
            local: request.to().clone().with_tag(local_tag),
            remote,
            remote_target: target,
            route_set: request.record_route().iter().map(NameAddr::detached).collect(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq().number),
            remote_has_sent: false,
        })
    }

    /// The dialog a snapshot tells of.
    ///
    /// # Errors
    ///
    /// [`DialogError::Snapshot`] with the field that cannot be read.
    pub fn restore(snapshot: DialogSnapshot) -> Result<Self, DialogError> {
        let local = name_addr(&snapshot.local, "local")?;
        let remote = name_addr(&snapshot.remote, "remote")?;
        let remote_target = Uri::parse(&snapshot.remote_target)
            .map_err(|_| DialogError::Snapshot { field: "remote_target" })?;
        let route_set = snapshot.route_set.iter().map(|text| name_addr(text, "route_set"));
        Ok(Self {
            id: DialogId {
                call_id: snapshot.call_id,
                local_tag: local.tag().ok_or(DialogError::Snapshot { field: "local" })?.to_owned(),
                remote_tag: remote.tag().unwrap_or_default().to_owned(),
            },
            route_set: route_set.collect::<Result<_, _>>()?,
            local,
            remote,
            remote_target,
            local_cseq: snapshot.local_cseq,
            remote_cseq: snapshot.remote_cseq,
            remote_has_sent: snapshot.remote_has_sent,
        })
    }

    /// The dialog as text.
    pub fn snapshot(&self) -> DialogSnapshot {
        DialogSnapshot {
            call_id: self.id.call_id.clone(),
            local: self.local.to_string(),
            remote: self.remote.to_string(),
            remote_target: self.remote_target.to_string(),
            route_set: self.route_set.iter().map(ToString::to_string).collect(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            remote_has_sent: self.remote_has_sent,
        }
    }

    /// Its name.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// This end, with its tag.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The other end, with its tag.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where requests go in the end.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The hops requests pass, the next one first.
    pub fn route_set(&self) -> &[NameAddr] {
        &self.route_set
    }

    /// The number of the last request of this end; 0 before the first.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The highest number of a request of the other end.
    pub fn remote_cseq(&self) -> Option<u32> {
        self.remote_cseq
    }

    /// Leaves out `n` numbers: an owner that took the dialog over does not know the last ones used.
    pub fn skip_local_cseq(&mut self, n: u32) {
        self.local_cseq = self.local_cseq.saturating_add(n).min(MAX_CSEQ);
    }

    /// The next request of this end: CSeq, From, To, Call-ID, Route and Request-URI are set; Contact is not.
    pub fn request(&mut self, method: Method) -> RequestDraft {
        self.skip_local_cseq(1);
        self.routed(method, self.local_cseq)
    }

    /// The same without the route set: the target refresh that repairs it goes straight to the remote target.
    pub fn request_off_route(&mut self, method: Method) -> RequestDraft {
        self.skip_local_cseq(1);
        self.addressed(method, self.remote_target.clone(), self.local_cseq)
    }

    /// The ACK of the 2xx to the INVITE with this CSeq.
    pub fn ack(&self, invite_cseq: u32) -> RequestDraft {
        self.routed(Method::Ack, invite_cseq)
    }

    /// Judges the CSeq of a request of the other end and takes note of it. ACK and CANCEL repeat a number and always pass.
    ///
    /// The first request inside the dialog may have a lower number than the one that made it: the Lync client library
    /// starts again at 1.
    ///
    /// # Errors
    ///
    /// [`CSeqOutOfOrder`]: answer 500.
    pub fn check_request(&mut self, request: &Request) -> Result<(), CSeqOutOfOrder> {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let got = request.cseq().number;
        match self.remote_cseq {
            Some(had) if got < had && self.remote_has_sent => return Err(CSeqOutOfOrder { got, had }),
            Some(_) | None => {}
        }
        self.remote_cseq = Some(got);
        self.remote_has_sent = true;
        Ok(())
    }

    /// Whether a request has the number of the last one that the other end sent inside the dialog: the same one again, in
    /// a transaction of its own. [`Self::check_request`] lets it pass, since a request may have come by two ways.
    pub fn repeats(&self, request: &Request) -> bool {
        self.remote_has_sent && self.remote_cseq == Some(request.cseq().number)
    }

    /// Takes the Contact of a target refresh (or of its 2xx) as the remote target; `None` changes nothing.
    pub fn refresh_target(&mut self, contact: Option<&NameAddr>) {
        if let Some(contact) = contact {
            self.remote_target = contact.uri().detached();
        }
    }

    /// Takes the Record-Route of the 2xx to a repairing request as the route set; without any, the set is empty then.
    pub fn replace_route_from_response(&mut self, response: &Response) {
        self.route_set = response.record_route().iter().rev().map(NameAddr::detached).collect();
    }

    /// Takes the Record-Route of a repairing request of the other end as the route set; without any, it stays.
    pub fn replace_route_from_request(&mut self, request: &Request) {
        if !request.record_route().is_empty() {
            self.route_set = request.record_route().iter().map(NameAddr::detached).collect();
        }
    }

    /// RFC 3261 section 12.2.1.1: loose routing, or strict if the first hop has no `lr`.
    fn routed(&self, method: Method, cseq: u32) -> RequestDraft {
        let Some((first, rest)) = self.route_set.split_first() else {
            return self.addressed(method, self.remote_target.clone(), cseq);
        };
        if first.uri().is_loose_router() {
            let draft = self.addressed(method, self.remote_target.clone(), cseq);
            return draft.route(self.route_set.clone());
        }
        let mut route = rest.to_vec();
        route.push(NameAddr::new(self.remote_target.clone()));
        self.addressed(method, first.uri().clone(), cseq).route(route)
    }

    fn addressed(&self, method: Method, uri: Uri, cseq: u32) -> RequestDraft {
        RequestDraft::new(method, uri)
            .from(self.local.clone())
            .to(self.remote.clone())
            .call_id(self.id.call_id.as_str())
            .cseq(cseq)
    }
}

impl From<Dialog> for DialogSnapshot {
    fn from(dialog: Dialog) -> Self {
        dialog.snapshot()
    }
}

impl TryFrom<DialogSnapshot> for Dialog {
    type Error = DialogError;

    fn try_from(snapshot: DialogSnapshot) -> Result<Self, Self::Error> {
        Self::restore(snapshot)
    }
}

/// CSeq numbers stay below 2^31 (RFC 3261 section 8.1.1.5).
const MAX_CSEQ: u32 = (1 << 31) - 1;

fn tag_of(end: &NameAddr, header: &'static str) -> Result<String, DialogError> {
    end.tag().map(str::to_owned).ok_or(DialogError::NoTag { header })
}

fn name_addr(text: &str, field: &'static str) -> Result<NameAddr, DialogError> {
    text.parse().map_err(|_| DialogError::Snapshot { field })
}

#[cfg(test)]
mod tests;
