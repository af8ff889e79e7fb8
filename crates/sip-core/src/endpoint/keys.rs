//! How messages are matched to transactions: RFC 3261 section 17.1.3 and 17.2.3.
//!
//! A request without the magic cookie `z9hG4bK` (the Lync client library sends those) is matched as RFC 2543 had it, by
//! Call-ID, From tag and CSeq. The sent-by takes part in both ways: clients started in the same second have been seen to
//! make identical Call-IDs, tags and branches.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

use smallvec::SmallVec;

use crate::{Method, Request, Response, Via};

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

/// A keyed hash of what names a server transaction, a merged request or a dialog.
///
/// 128 bits under a key that nobody outside of the process knows: two names with one hash do not occur, neither by chance nor
/// by an attacker's choice, so that the names themselves need not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64, pub(super) u64);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Maps by [`Key`]: it is a hash already.
pub(super) type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<Taken>>;

/// Takes a hash as it is.
#[derive(Debug, Default)]
pub(super) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(false, "only keys are hashed here: {bytes:?}");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// What is hashed, in one piece: each part ends with a byte that is in none of them.
type Name = SmallVec<[u8; 256]>;

fn push(name: &mut Name, part: &str) {
    name.extend_from_slice(part.as_bytes());
    name.push(0);
}

fn push_sent_by(name: &mut Name, via: &Via) {
    name.extend(via.host().bytes().map(|byte| byte.to_ascii_lowercase()));
    // `h` and `h:5060` are two senders (RFC 3261 section 17.2.3 compares what is written).
    match via.port() {
        Some(port) => name.extend_from_slice(&[0, 1, (port >> 8) as u8, port as u8]),
        None => name.extend_from_slice(&[0, 0]),
    }
}

/// Makes keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: RandomState,
}

impl Keys {
    /// The key of the transaction this request begins or repeats.
    pub(super) fn of(&self, request: &Request) -> Key {
        self.with_method(request, request.method())
    }

    /// The key of the INVITE transaction this ACK or CANCEL is for.
    pub(super) fn of_invite(&self, request: &Request) -> Key {
        self.with_method(request, &Method::Invite)
    }

    /// What an INVITE that was answered with this To tag, and the ACK of its answer, have in common: dialog and CSeq. Clients
    /// without branches number their ACK as they like: there it is the dialog alone.
    pub(super) fn of_ack(&self, request: &Request, to_tag: &str) -> Key {
        let mut name = Name::from_slice(b"D");
        let from_tag = request.from().tag().unwrap_or_default();
        [request.call_id(), to_tag, from_tag].into_iter().for_each(|part| push(&mut name, part));
        if request.via().has_rfc3261_branch() {
            name.extend_from_slice(&request.cseq().number.to_be_bytes());
        }
        self.hash(&name)
    }

    /// What two requests have in common that are one request on two ways (RFC 3261 section 8.2.2.2); `None` inside a dialog.
    ///
    /// Who made it is a part of it: clients started in the same second have been seen to make identical Call-IDs and tags.
    pub(super) fn of_merged(&self, request: &Request) -> Option<Key> {
        if request.to().tag().is_some() {
            return None;
        }
        let last = request.headers().values("Via").last().and_then(|via| via.parse::<Via>().ok());
        // With one Via, the top, the real source was noted in it.
        let last = last.filter(|_| request.headers().values("Via").nth(1).is_some());
        let origin = last.as_ref().unwrap_or(request.via());
        let mut name = Name::from_slice(b"M");
        push_request(&mut name, request);
        push(&mut name, request.method().as_str());
        push_sent_by(&mut name, origin);
        push(&mut name, &origin.received().map_or_else(String::new, |ip| ip.to_string()));
        Some(self.hash(&name))
    }

    /// Another key that only who makes keys can make of this one.
    pub(super) fn derived(&self, key: Key) -> Key {
        let mut name = Name::from_slice(b"R");
        name.extend_from_slice(&key.0.to_be_bytes());
        name.extend_from_slice(&key.1.to_be_bytes());
        self.hash(&name)
    }

    fn with_method(&self, request: &Request, method: &Method) -> Key {
        let via = request.via();
        let mut name = Name::new();
        match via.branch().filter(|_| via.has_rfc3261_branch()) {
            Some(branch) => {
                name.push(b'B');
                push(&mut name, branch);
            }
            None => {
                name.push(b'L');
                push_request(&mut name, request);
            }
        }
        push_sent_by(&mut name, via);
        push(&mut name, method.as_str());
        self.hash(&name)
    }

    fn hash(&self, name: &[u8]) -> Key {
        let mut hasher = self.state.build_hasher();
        hasher.write(name);
        let first = hasher.finish();
        // The state behind a hash has 256 bits: with one byte more it gives 64 others.
        hasher.write_u8(0xff);
        Key(first, hasher.finish())
    }
}

fn push_request(name: &mut Name, request: &Request) {
    push(name, request.call_id());
    push(name, request.from().tag().unwrap_or_default());
    name.extend_from_slice(&request.cseq().number.to_be_bytes());
}
