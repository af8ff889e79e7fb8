//! How messages are matched to transactions: RFC 3261 section 17.1.3 and 17.2.3.
//!
//! A request without the magic cookie `z9hG4bK` (the Lync client library sends those) is matched as RFC 2543 had it, by
//! Call-ID, From tag and CSeq. The sent-by takes part in both ways: clients started in the same second have been seen to
//! make identical Call-IDs, tags and branches.

use crate::{Method, Request, Response, Via};

use super::wire;

/// What RFC 3261 branches begin with.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// The key of a client transaction: our branch and the method of CSeq.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    branch: String,
    method: Method,
}

impl ClientKey {
    /// With a branch made from this token.
    pub(super) fn new(token: String, method: &Method) -> Self {
        Self { branch: format!("{MAGIC_COOKIE}{token}"), method: method.clone() }
    }

    /// With this branch: a CANCEL has its INVITE's.
    pub(super) fn with_branch(branch: String, method: &Method) -> Self {
        Self { branch, method: method.clone() }
    }

    /// The key this response asks for.
    pub(super) fn of_response(response: &Response) -> Option<Self> {
        let branch = response.via().branch()?.to_owned();
        Some(Self { branch, method: response.cseq().method.clone() })
    }

    /// The branch.
    pub(super) fn branch(&self) -> &str {
        &self.branch
    }
}

/// The key of a server transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ServerKey {
    /// RFC 3261: the branch is unique.
    Branch { branch: String, sent_by: String, method: Method },
    /// RFC 2543: no such branch.
    Legacy { call_id: String, from_tag: String, cseq: u32, sent_by: String, method: Method },
}

impl ServerKey {
    /// The key of the transaction this request begins or repeats.
    pub(super) fn of(request: &Request) -> Self {
        Self::with_method(request, request.method().clone())
    }

    /// The key of the INVITE transaction this ACK or CANCEL is for.
    pub(super) fn of_invite(request: &Request) -> Self {
        Self::with_method(request, Method::Invite)
    }

    fn with_method(request: &Request, method: Method) -> Self {
        let sent_by = wire::sent_by(request.via());
        match request.via().branch().filter(|_| request.via().has_rfc3261_branch()) {
            Some(branch) => Self::Branch { branch: branch.to_owned(), sent_by, method },
            None => Self::Legacy {
                call_id: request.call_id().to_owned(),
                from_tag: request.from().tag().unwrap_or_default().to_owned(),
                cseq: request.cseq().number,
                sent_by,
                method,
            },
        }
    }

    /// Whether the request has an RFC 3261 branch.
    pub(super) fn is_branch(&self) -> bool {
        match self {
            Self::Branch { .. } => true,
            Self::Legacy { .. } => false,
        }
    }
}

/// What two requests have in common that are one request on two ways: RFC 3261 section 8.2.2.2.
///
/// Who made it is a part of it: clients started in the same second have been seen to make identical Call-IDs and tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MergeKey {
    call_id: String,
    from_tag: String,
    cseq: u32,
    method: Method,
    origin: String,
}

impl MergeKey {
    /// The key of a request outside of dialogs.
    pub(super) fn of(request: &Request) -> Option<Self> {
        if request.to().tag().is_some() {
            return None;
        }
        let last = request.headers().values("Via").last().and_then(|via| via.parse::<Via>().ok());
        // With one Via, the top, the real source was noted in it.
        let last = last.filter(|_| request.headers().values("Via").nth(1).is_some());
        let origin = last.as_ref().unwrap_or(request.via());
        let source = origin.received().map_or_else(String::new, |ip| ip.to_string());
        Some(Self {
            call_id: request.call_id().to_owned(),
            from_tag: request.from().tag().unwrap_or_default().to_owned(),
            cseq: request.cseq().number,
            method: request.method().clone(),
            origin: format!("{} {source}", wire::sent_by(origin)),
        })
    }
}
