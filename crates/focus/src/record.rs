//! What is durable: the records in the pool store, and the keys they are stored under.
//!
//! JSON, so that an operator can read a pool's file; each record carries [`VERSION`] as `v`, and a record of a newer
//! version is refused, not misread. Fields may be added with `#[serde(default)]` without raising it.
//!
//! # Invariants
//!
//! - A key component is percent-encoded: no name from the wire can reach into another key.
//! - Every change of a conference also writes its head under a guard on the head's revision: the fencing of reliability P1.
//!
//! Not here: who writes what when (module `conference`), the store itself (module `store`).

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Version of all record formats written here.
pub const VERSION: u32 = 1;

/// Why a stored value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is not the JSON of this record.
    #[error("a stored record is not readable: {0}")]
    Malformed(String),
    /// A newer program wrote it.
    #[error("a stored record has version {found}, newest known is {VERSION}")]
    Newer {
        /// The version it says.
        found: u32,
    },
}

/// Anything stored under a key.
pub trait Record: Serialize + DeserializeOwned {
    /// The version that the record says.
    fn format_version(&self) -> u32;

    /// The value to store.
    fn encode(&self) -> Bytes {
        // Only maps with keys that are not strings fail, and no record has one.
        Bytes::from(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a stored value.
    ///
    /// # Errors
    ///
    /// [`RecordError`] says whether it is unreadable or only too new.
    fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let record: Self =
            serde_json::from_slice(value).map_err(|error| RecordError::Malformed(error.to_string()))?;
        match record.format_version() {
            found if found > VERSION => Err(RecordError::Newer { found }),
            _ => Ok(record),
        }
    }
}

macro_rules! records {
    ($($name:ident),+) => { $(impl Record for $name { fn format_version(&self) -> u32 { self.v } })+ };
}

records!(NodeRecord, ConferenceHead, ParticipantRecord, ResultRecord, BindingRecord);

/// The kinds of processes in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A Focus front end.
    FrontEnd,
    /// A media server of one modality.
    Mcu,
}

/// One process of the pool, and its lease: the owner of conferences rewrites `beat`, others count its silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Format.
    pub v: u32,
    /// Unique in the pool.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Of an MCU: its type as in conference-info (`chat`, `audio-video`, ...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcu: Option<String>,
    /// Where it listens, `tcp:127.0.0.1:5060`; the first one that is TCP is for other nodes.
    pub listen: Vec<String>,
    /// Its process, for operators.
    pub pid: u32,
    /// Another one after each start.
    pub incarnation: String,
    /// Grows with each renewal.
    pub beat: u64,
    /// It takes nothing new and gives away what it has.
    #[serde(default)]
    pub draining: bool,
}

/// Who owns a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the front end.
    pub node: String,
    /// Its incarnation: a restarted front end is another owner.
    pub incarnation: String,
}

/// How far an MCU of a conference is (conference-info section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotStatus {
    /// Not asked for.
    Idle,
    /// Asked for, not ready.
    Activating,
    /// Ready.
    Active,
    /// Lost; another one is being found.
    FailingOver,
}

/// One modality of a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McuSlot {
    /// `chat`, `audio-video`, ...
    pub mcu: String,
    /// How far it is.
    pub status: SlotStatus,
    /// The node that serves it, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Where that node is, `tcp:127.0.0.1:5070`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The incarnation of that node: a restarted MCU has forgotten the conference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
    /// Another one after each activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// While failing over: the instance that was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// One conference: what was provisioned, and the state that is not a participant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceHead {
    /// Format.
    pub v: u32,
    /// The conference URI, byte for byte as published.
    pub uri: String,
    /// The conference id in it.
    pub id: String,
    /// Who organizes it.
    pub organizer: String,
    /// Title.
    #[serde(default)]
    pub subject: String,
    /// `anonymous`, `openAuthenticated` or `closedAuthenticated`.
    pub admission_policy: String,
    /// RFC 3339; after it the conference does not exist any more.
    pub expires: String,
    /// Users with a role of their own, whoever they are when they join.
    #[serde(default)]
    pub presenters: Vec<String>,
    /// Users who come in as attendees even if the admission policy is closed.
    #[serde(default)]
    pub attendees: Vec<String>,
    /// Who owns it; nobody between activations.
    pub owner: Option<Owner>,
    /// Fencing token: one more with each owner.
    pub epoch: u64,
    /// Counts the writes of this record, to recognize one whose answer was lost.
    pub writes: u64,
    /// Version of the last published document.
    pub version: u32,
    /// No newcomers but through the lobby.
    pub locked: bool,
    /// Somebody is, or was until a failover, in it.
    pub active: bool,
    /// One per modality.
    pub mcus: Vec<McuSlot>,
}

/// The subscription dialog of a participant: enough for one more NOTIFY in it after a takeover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// Call-ID.
    pub call_id: String,
    /// The Focus's tag.
    pub local_tag: String,
    /// The participant's tag.
    pub remote_tag: String,
    /// What the Focus sends as From, without tag: the To of the SUBSCRIBE.
    pub local_uri: String,
    /// The participant's From, without tag.
    pub remote_uri: String,
    /// The participant's Contact, its GRUU.
    pub target: String,
    /// CSeq of the last notification that is known to be sent; more may have been.
    pub cseq: u32,
}

/// Why an endpoint was thrown out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removed {
    /// By a presenter, out of the conference.
    Ejected,
    /// By a presenter, out of the lobby.
    Denied,
    /// It was in when the conference ended, and may not have heard of that.
    Ended,
}

/// One endpoint of one user in a conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantRecord {
    /// Format.
    pub v: u32,
    /// User entity, as the participant wrote it.
    pub user: String,
    /// The GUID of the endpoint.
    pub endpoint: String,
    /// Display name, possibly empty.
    #[serde(default)]
    pub display: String,
    /// `presenter` or `attendee`.
    pub presenter: bool,
    /// Waits in the lobby.
    pub in_lobby: bool,
    /// It was thrown out: this endpoint does not come back while the conference lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
    /// Epid of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epid: Option<String>,
    /// GRUU, the Contact of the INVITE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gruu: Option<String>,
    /// Order of joining, for a stable order of documents.
    pub order: u64,
    /// The subscription, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionRecord>,
}

/// The answer that one command got, for when it comes again (reliability P3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// Format.
    pub v: u32,
    /// Order of the answers of one endpoint: the oldest is forgotten first.
    pub order: u64,
    /// The C3P response document.
    pub body: String,
}

/// Where a registered device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// Format.
    pub v: u32,
    /// The GRUU.
    pub gruu: String,
    /// Contact of the REGISTER.
    pub contact: String,
    /// Route towards the device: `Path` values, in order.
    pub path: Vec<String>,
    /// The front end that took the REGISTER.
    pub edge: String,
    /// RFC 3339; not used after it.
    pub expires: String,
}

/// The keys of the store.
pub mod key {
    use std::fmt::Write;

    /// Prefix of all [`NodeRecord`](super::NodeRecord)s.
    pub const NODES: &str = "node/";
    /// Prefix of all [`ConferenceHead`](super::ConferenceHead)s.
    pub const HEADS: &str = "head/";
    /// Prefix of all [`BindingRecord`](super::BindingRecord)s.
    pub const BINDINGS: &str = "binding/";

    /// One node.
    pub fn node(name: &str) -> String {
        format!("{NODES}{}", escape(name))
    }

    /// One conference's head. `name` is its [`conference`] name.
    pub fn head(name: &str) -> String {
        format!("{HEADS}{name}")
    }

    /// Prefix of all that belongs to one conference but its head.
    pub fn members(name: &str) -> String {
        format!("conf/{name}/")
    }

    /// One endpoint of one user.
    pub fn participant(name: &str, user: &str, endpoint: &str) -> String {
        format!("conf/{name}/p/{}/{}", escape(user), escape(endpoint))
    }

    /// Prefix of the answers of one endpoint.
    pub fn results(name: &str, user: &str, endpoint: &str) -> String {
        format!("conf/{name}/r/{}/{}/", escape(user), escape(endpoint))
    }

    /// One answer.
    pub fn result(name: &str, user: &str, endpoint: &str, request_id: u64) -> String {
        format!("{}{request_id}", results(name, user, endpoint))
    }

    /// One binding.
    pub fn binding(gruu: &str) -> String {
        format!("{BINDINGS}{}", escape(gruu))
    }

    /// The name of a conference in keys: its id is unique per organizer only.
    pub fn conference(organizer: &str, id: &str) -> String {
        format!("{};{}", escape(&organizer.to_ascii_lowercase()), escape(id))
    }

    /// Reverses what the functions above do to one component.
    pub fn unescape(component: &str) -> Option<String> {
        let mut octets = Vec::with_capacity(component.len());
        let mut rest = component.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            if *first == b'%' {
                let digits = tail.get(..2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                octets.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &tail[2..];
            } else {
                octets.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(octets).ok()
    }

    fn escape(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for octet in text.bytes() {
            if octet.is_ascii_alphanumeric() || b"-_.@{}:".contains(&octet) {
                out.push(char::from(octet));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{octet:02X}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeRecord {
        NodeRecord {
            v: VERSION,
            name: "fe1".to_owned(),
            kind: NodeKind::FrontEnd,
            mcu: None,
            listen: vec!["tcp:127.0.0.1:5060".to_owned()],
            pid: 7,
            incarnation: "a".to_owned(),
            beat: 3,
            draining: false,
        }
    }

    /// What is written is read, and its form is stable.
    #[test]
    fn record_round_trip() {
        let encoded = node().encode();
        assert_eq!(NodeRecord::decode(&encoded), Ok(node()));
        let text = String::from_utf8(encoded.to_vec()).expect("text");
        assert!(text.starts_with(r#"{"v":1,"name":"fe1","kind":"front-end","listen":"#), "{text}");
    }

    /// A record of a newer program is refused.
    #[test]
    fn newer_record_is_refused() {
        let newer = NodeRecord { v: VERSION + 1, ..node() }.encode();
        assert_eq!(NodeRecord::decode(&newer), Err(RecordError::Newer { found: VERSION + 1 }));
        assert!(matches!(NodeRecord::decode(b"{"), Err(RecordError::Malformed(_))));
    }

    /// No name from the wire leaves its component.
    #[test]
    fn keys_cannot_be_escaped_from() {
        let hostile = key::participant("c", "a/../b", "{e}/%2F\u{e4}");
        assert_eq!(hostile, "conf/c/p/a%2F..%2Fb/{e}%2F%252F%C3%A4");
        let last = hostile.rsplit('/').next().expect("a component");
        assert_eq!(key::unescape(last).as_deref(), Some("{e}/%2F\u{e4}"));
        assert_eq!(key::unescape("%4"), None);
        assert_ne!(key::conference("sip:a@x", "1;2"), key::conference("sip:a@x;1", "2"));
    }
}
