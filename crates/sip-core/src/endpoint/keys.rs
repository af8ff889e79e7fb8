//! How messages are matched to transactions: RFC 3261 section 17.1.3 and 17.2.3.
//!
//! A request without the magic cookie `z9hG4bK` (the Lync client library sends those) is matched as RFC 2543 had it, by
//! Call-ID, From tag and CSeq. The sent-by takes part in both ways: clients started in the same second have been seen to
//! make identical Call-IDs, tags and branches.

use crate::{Method, Request, Response};

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
