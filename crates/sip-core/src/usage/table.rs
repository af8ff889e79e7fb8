//! The tables: dialogs at rest, usages under names that are never used again, and deadlines.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::event::{InviteId, SubscriptionId};
use crate::dialog::Packed;
use crate::{ClientTransactionId, Dialog, FlowId, Request, ServerTransactionId, Target};

/// A place in a [`Slab`] and how often it was filled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    index: u32,
    turn: u32,
}

/// Values under keys that are never used twice.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[index as usize];
            place.0 = place.0.wrapping_add(1);
            place.1 = Some(value);
            return Key { index, turn: place.0 };
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((0, Some(value)));
        Key { index, turn: 0 }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let (turn, value) = self.places.get(key.index as usize)?;
        value.as_ref().filter(|_| *turn == key.turn)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (turn, value) = self.places.get_mut(key.index as usize)?;
        value.as_mut().filter(|_| *turn == key.turn)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let (turn, value) = self.places.get_mut(key.index as usize)?;
        let value = value.take_if(|_| *turn == key.turn)?;
        self.free.push(key.index);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.places.capacity() * size_of::<(u32, Option<T>)>() + self.free.capacity() * 4
    }
}

/// What a local tag is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TagKey([u8; 16]);

impl TagKey {
    /// Our own tags are 128 bits in hexadecimal digits: those bits. Any other is hashed.
    pub(super) fn of(tag: &str) -> Self {
        let hex = tag.len() == 32 && tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let bits = u128::from_str_radix(tag, 16).ok().filter(|_| hex);
        Self(bits.map_or_else(
            || {
                let digest = Sha256::digest(tag.as_bytes());
                std::array::from_fn(|i| digest[i])
            },
            u128::to_be_bytes,
        ))
    }
}

/// Who offered last without an answer so far (RFC 3264).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Offer {
    /// Nobody.
    #[default]
    Stable,
    /// We did.
    Ours,
    /// They did.
    Theirs,
}

/// What goes on in the INVITE usage of a dialog; nothing of it is kept while nothing goes on.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) offer: Offer,
    /// An offer was answered before the final response to the first INVITE.
    pub(super) exchanged: bool,
    /// The RSeq of the last reliable provisional response to our INVITE.
    pub(super) rseq: Option<u32>,
    pub(super) our_invite: Option<ClientTransactionId>,
    pub(super) our_update: Option<ClientTransactionId>,
    pub(super) their_invite: Option<ServerTransactionId>,
    pub(super) their_update: Option<ServerTransactionId>,
    pub(super) their_prack: Option<ServerTransactionId>,
    /// The 2xx that we owe an ACK with an answer: the INVITE's transaction.
    pub(super) ack_due: Option<ClientTransactionId>,
    /// The 2xx of ours whose ACK is to come: transaction and CSeq.
    pub(super) await_ack: Option<(ServerTransactionId, u32)>,
    /// What is sent again after 491.
    pub(super) retry: Option<Retry>,
    /// A PRACK that may still come for a final response was sent meanwhile.
    pub(super) late_prack: Option<LatePrack>,
}

impl Talk {
    fn is_idle(&self) -> bool {
        let Self { offer, exchanged: _, rseq: _, our_invite, our_update, their_invite, .. } = self;
        *offer == Offer::Stable
            && our_invite.is_none()
            && our_update.is_none()
            && their_invite.is_none()
            && self.their_update.is_none()
            && self.their_prack.is_none()
            && self.ack_due.is_none()
            && self.await_ack.is_none()
            && self.retry.is_none()
            && self.late_prack.is_none()
    }
}

impl Talk {
    /// When something of it is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let late = self.late_prack.map(|late| late.until);
        self.retry.as_ref().map(|retry| retry.at).into_iter().chain(late).min()
    }
}

/// A PRACK that a final response has overtaken.
#[derive(Clone, Copy, Debug)]
pub(super) struct LatePrack {
    pub(super) rseq: u32,
    pub(super) cseq: u32,
    /// It does not come any more.
    pub(super) until: Instant,
}

/// A request to be sent again after 491.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) at: Instant,
    pub(super) what: super::sending::Wanted,
}

/// A dialog and its usages.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) packed: Packed,
    /// The flow it was heard on last.
    pub(super) flow: Option<FlowId>,
    /// Where the user wants its requests to go.
    pub(super) fixed: Option<Box<Target>>,
    /// The next dialog with the same local tag.
    next: Option<Key>,
    pub(super) invite: Option<InviteId>,
    pub(super) talk: Option<Box<Talk>>,
    pub(super) subs: Vec<SubscriptionId>,
}

impl Entry {
    pub(super) fn talk(&mut self) -> &mut Talk {
        self.talk.get_or_insert_default()
    }

    pub(super) fn offer(&self) -> Offer {
        self.talk.as_ref().map_or(Offer::Stable, |talk| talk.offer)
    }
}

/// All dialogs, by their names and by our tags.
#[derive(Debug, Default)]
pub(super) struct Dialogs {
    entries: Slab<Entry>,
    tags: HashMap<TagKey, Key>,
}

impl Dialogs {
    pub(super) fn insert(&mut self, dialog: &Dialog, flow: Option<FlowId>) -> Key {
        let tag = TagKey::of(&dialog.id().local_tag);
        let next = self.tags.get(&tag).copied();
        let key = self.entries.insert(Entry {
            packed: Packed::new(dialog),
            flow,
            fixed: None,
            next,
            invite: None,
            talk: None,
            subs: Vec::new(),
        });
        self.tags.insert(tag, key);
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// The dialog with these three names.
    pub(super) fn find(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<Key> {
        let mut at = self.tags.get(&TagKey::of(local_tag)).copied();
        while let Some(key) = at {
            let entry = self.entries.get(key)?;
            let packed = &entry.packed;
            if packed.remote_tag() == remote_tag
                && packed.call_id() == call_id
                && packed.local_tag() == local_tag
            {
                return Some(key);
            }
            at = entry.next;
        }
        None
    }

    /// The dialog that this request of the other end names.
    pub(super) fn of_request(&self, request: &Request) -> Option<Key> {
        let local = request.to().tag()?;
        self.find(request.call_id(), local, request.from().tag().unwrap_or_default())
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        let tag = TagKey::of(entry.packed.local_tag());
        match self.tags.get(&tag).copied() {
            Some(first) if first == key => {
                match entry.next {
                    Some(next) => self.tags.insert(tag, next),
                    None => self.tags.remove(&tag),
                };
            }
            Some(first) => {
                let mut at = Some(first);
                while let Some(before) = at.and_then(|at| self.entries.get_mut(at)) {
                    if before.next == Some(key) {
                        before.next = entry.next;
                        break;
                    }
                    at = before.next;
                }
            }
            None => {}
        }
        Some(entry)
    }

    /// Forgets what went on if nothing goes on.
    pub(super) fn rest(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.talk.take_if(|talk| talk.is_idle());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the tables and of what hangs on them, for one dialog on average.
    pub(super) fn bytes(&self) -> usize {
        let text: usize =
            self.entries.places.iter().filter_map(|(_, e)| e.as_ref()).map(|e| e.packed.heap_bytes()).sum();
        let map = self.tags.capacity() * 8 / 7 * (size_of::<(TagKey, Key)>() + 1);
        self.entries.capacity_bytes() + map + text
    }
}

/// Deadlines, at most one for each owner.
#[derive(Debug)]
pub(super) struct Timers<W> {
    at: HashMap<W, Instant>,
    order: BTreeSet<(Instant, W)>,
}

impl<W> Default for Timers<W> {
    fn default() -> Self {
        Self { at: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<W: Copy + Ord + Hash> Timers<W> {
    pub(super) fn set(&mut self, who: W, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.at.insert(who, at),
            None => self.at.remove(&who),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.order.remove(&(old, who));
        }
        if let Some(at) = at {
            self.order.insert((at, who));
        }
    }

    pub(super) fn soonest(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<W> {
        let (_, who) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.set(who, None);
        Some(who)
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}
