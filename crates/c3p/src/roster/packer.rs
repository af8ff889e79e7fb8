//! Writing of a packed person, field by field.

use std::sync::Arc;

use super::field;
use super::fields::Fields;
use super::parts::Parts;
use super::person::Person;
use super::word::{FIRST_CODE, Word};
use crate::info::{Endpoint, Media, Role, State, User};
use crate::xml::same;

/// Bytes that fields are added to. It is longer than what is in it, so that short values are written by moves of a fixed
/// size instead of calls: thirty times a person that is most of the work.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    fn clear(&mut self) {
        self.len = 0;
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Room for so many bytes behind what is there.
    #[inline]
    fn room(&mut self, wanted: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < wanted {
            self.grow(wanted);
        }
        &mut self.bytes[self.len..]
    }

    #[cold]
    fn grow(&mut self, wanted: usize) {
        self.bytes.resize((self.len + wanted).next_power_of_two().max(1_024), 0);
    }

    fn extend(&mut self, more: &[u8]) {
        self.room(more.len())[..more.len()].copy_from_slice(more);
        self.len += more.len();
    }

    /// Adds a field.
    #[inline]
    fn append(&mut self, field: u8, value: &[u8]) {
        let length = value.len();
        if length < 64 {
            let room = self.room(2 + 64);
            room[0] = field;
            room[1] = length as u8;
            copy_short(&mut room[2..], value);
            self.len += 2 + length;
        } else {
            self.append_long(field, value);
        }
    }

    #[inline(never)]
    fn append_long(&mut self, field: u8, value: &[u8]) {
        let mut length = value.len();
        let mut head = [field; 12];
        let mut at = 1;
        while length >= 64 {
            head[at] = (length & 63) as u8 | 64;
            length >>= 6;
            at += 1;
        }
        head[at] = length as u8;
        self.extend(&head[..=at]);
        self.extend(value);
    }
}

/// Copies fewer than 64 bytes to where there is room for 64.
#[inline]
pub(super) fn copy_short(to: &mut [u8], from: &[u8]) {
    let length = from.len();
    if let (Some(first), Some(last)) = (from.first_chunk::<16>(), from.last_chunk::<16>()) {
        to[..16].copy_from_slice(first);
        if length > 32 {
            to[16..length].copy_from_slice(&from[16..]);
        } else {
            to[length - 16..length].copy_from_slice(last);
        }
    } else if let (Some(first), Some(last)) = (from.first_chunk::<8>(), from.last_chunk::<8>()) {
        to[..8].copy_from_slice(first);
        to[length - 8..length].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (from.first_chunk::<4>(), from.last_chunk::<4>()) {
        to[..4].copy_from_slice(first);
        to[length - 4..length].copy_from_slice(last);
    } else {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
    }
}

/// How much of a person was written at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    text: usize,
    media: usize,
}

/// A person that is being written.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// The person, but for the streams of the endpoint that is being written.
    text: Buffer,
    /// These streams.
    media: Buffer,
    /// The rank of the last field of the person or endpoint, and of the last one of the stream.
    rank: u8,
    media_rank: u8,
    /// Some field came before or beside one that it should follow.
    pub(super) unordered: bool,
    /// Where the first GRUU and the first epid are, both empty without one.
    first_uri: (usize, usize),
    first_epid: (usize, usize),
}

impl Packer {
    /// Begins a person.
    pub(super) fn begin(&mut self, entity: &[u8]) {
        self.text.clear();
        self.media.clear();
        self.unordered = false;
        self.rank = 0;
        self.media_rank = 0;
        (self.first_uri, self.first_epid) = ((0, 0), (0, 0));
        self.put(field::ENTITY, entity);
    }

    /// Adds the GRUU of an endpoint.
    pub(super) fn put_uri(&mut self, value: &[u8]) {
        self.first_uri = self.put_or_refer(field::ENDPOINT_URI, field::SAME_URI, self.first_uri, value);
    }

    /// Adds the epid of an endpoint.
    pub(super) fn put_epid(&mut self, value: &[u8]) {
        self.first_epid = self.put_or_refer(field::EPID, field::SAME_EPID, self.first_epid, value);
    }

    /// Adds a field, or that it is the first one again; where the first one is.
    fn put_or_refer(&mut self, field: u8, same: u8, first: (usize, usize), value: &[u8]) -> (usize, usize) {
        let (start, end) = first;
        if end == 0 {
            self.put(field, value);
            return (self.text.len - value.len(), self.text.len);
        }
        if self.text.bytes.get(start..end) == Some(value) {
            self.put(same, b"");
        } else {
            self.put(field, value);
        }
        first
    }

    /// Adds a field.
    #[inline]
    pub(super) fn put(&mut self, field: u8, value: &[u8]) {
        let rank = field::rank(field);
        if rank >= field::MEDIA_RANK {
            self.unordered |= field != field::MEDIA && (rank <= self.media_rank || self.media.is_empty());
            self.media_rank = rank;
            self.media.append(field, value);
            return;
        }
        if field == field::ENDPOINT {
            if !self.media.is_empty() {
                self.text.extend(self.media.as_slice());
                self.media.clear();
            }
        } else {
            self.unordered |= rank < self.rank || (rank == self.rank && !field::is_list(field));
        }
        self.rank = rank;
        self.text.append(field, value);
    }

    /// Adds a field that was written before; none of no length.
    #[inline]
    pub(super) fn put_packed(&mut self, packed: &[u8; 16], length: usize) {
        if length == 0 {
            return;
        }
        let field = packed[0];
        let rank = field::rank(field);
        let buffer = if rank >= field::MEDIA_RANK {
            self.unordered |= rank <= self.media_rank || self.media.is_empty();
            self.media_rank = rank;
            &mut self.media
        } else {
            self.unordered |= rank < self.rank || (rank == self.rank && !field::is_list(field));
            self.rank = rank;
            &mut self.text
        };
        buffer.room(16)[..16].copy_from_slice(packed);
        buffer.len += length;
    }

    /// How much was written.
    #[inline]
    pub(super) fn mark(&self) -> Mark {
        Mark { text: self.text.len, media: self.media.len }
    }

    /// What was written since, if it is one field or nothing.
    pub(super) fn since(&self, mark: Mark) -> Option<&[u8]> {
        let text = self.text.as_slice().get(mark.text..)?;
        let media = self.media.as_slice().get(mark.media..)?;
        let written = if text.is_empty() { media } else { text };
        if written.len() != text.len() + media.len() {
            return None;
        }
        let mut fields = Fields::raw(std::str::from_utf8(written).ok()?);
        let _ = fields.next();
        fields.rest().is_empty().then_some(written)
    }

    /// Adds a word by its text; one that a closed vocabulary does not have is left out.
    #[inline]
    pub(super) fn put_word<W: Word>(&mut self, field: u8, word: &[u8]) {
        match W::WORDS.iter().position(|known| same(known.as_bytes(), word)) {
            Some(place) => self.put_code(field, place),
            None => self.put_other_word::<W>(field, word),
        }
    }

    fn put_code(&mut self, field: u8, place: usize) {
        // No vocabulary has as many as fit, which a test makes sure of.
        self.put(field, &[FIRST_CODE + (place & 63) as u8]);
    }

    /// A word in another spelling, or one that is not known.
    #[inline(never)]
    fn put_other_word<W: Word>(&mut self, field: u8, word: &[u8]) {
        if let Some(place) = W::WORDS.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(word)) {
            self.put_code(field, place);
        } else if W::IS_OPEN {
            let mut other = Vec::with_capacity(word.len() + 1);
            other.push(b'=');
            other.extend_from_slice(word);
            self.put(field, &other);
        }
    }

    fn put_if(&mut self, field: u8, value: Option<&str>) {
        if let Some(value) = value {
            self.put(field, value.as_bytes());
        }
    }

    fn put_word_if<W: Word>(&mut self, field: u8, word: Option<&W>) {
        if let Some(word) = word {
            self.put_word::<W>(field, word.word().as_bytes());
        }
    }

    fn put_flag_if(&mut self, field: u8, value: Option<bool>) {
        self.put_if(field, value.map(|value| if value { "1" } else { "0" }));
    }

    /// The person.
    pub(super) fn finish(&mut self) -> Person {
        if !self.media.is_empty() {
            self.text.extend(self.media.as_slice());
            self.media.clear();
        }
        // All that was put is text, and what stands before it is ASCII.
        let text = std::str::from_utf8(self.text.as_slice()).unwrap_or_default();
        if self.unordered { Parts::of(text).person() } else { Person(Arc::from(text)) }
    }

    pub(super) fn user(&mut self, user: &User) {
        self.begin(user.entity.as_bytes());
        self.put_if(field::DISPLAY_TEXT, user.display_text.as_deref());
        user.associated_aors.iter().for_each(|aor| self.put(field::AOR, aor.uri.as_bytes()));
        user.roles.iter().for_each(|role| self.put_word::<Role>(field::ROLE, role.as_str().as_bytes()));
        user.languages.iter().for_each(|language| self.put(field::LANGUAGE, language.as_bytes()));
        self.put_if(field::CASCADED_FOCUS, user.cascaded_focus.as_deref());
        user.endpoints.iter().for_each(|endpoint| self.endpoint(endpoint));
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        self.put(field::ENDPOINT, endpoint.entity.as_bytes());
        if endpoint.state != State::Full {
            self.put_word::<State>(field::ENDPOINT_STATE, endpoint.state.as_str().as_bytes());
        }
        self.put_word_if(field::SESSION_TYPE, endpoint.session_type.as_ref());
        endpoint.endpoint_uri.iter().for_each(|uri| self.put_uri(uri.as_bytes()));
        endpoint.epid.iter().for_each(|epid| self.put_epid(epid.as_bytes()));
        self.put_if(field::REFER_TO_URI, endpoint.refer_to_uri.as_deref());
        self.put_if(field::ENDPOINT_DISPLAY_TEXT, endpoint.display_text.as_deref());
        self.put_word_if(field::STATUS, endpoint.status.as_ref());
        self.put_word_if(field::JOINING_METHOD, endpoint.joining_method.as_ref());
        self.put_word_if(field::DISCONNECTION_METHOD, endpoint.disconnection_method.as_ref());
        self.put_word_if(field::ACCESS_METHOD, endpoint.access_method.as_ref());
        self.put_word_if(field::AUTH_METHOD, endpoint.auth_method.as_ref());
        self.put_flag_if(field::LOBBY_CAPABLE, endpoint.lobby_capable);
        endpoint.media.iter().for_each(|media| self.media(media));
    }

    fn media(&mut self, media: &Media) {
        self.put(field::MEDIA, media.id.as_bytes());
        self.put_if(field::MEDIA_DISPLAY_TEXT, media.display_text.as_deref());
        self.put_if(field::MEDIA_KIND, media.kind.as_deref());
        self.put_if(field::MEDIA_LABEL, media.label.as_deref());
        self.put_if(field::SRC_ID, media.src_id.as_deref());
        self.put_word_if(field::MEDIA_STATUS, media.status.as_ref());
        self.put_word_if(field::INGRESS_FILTER, media.ingress_filter.as_ref());
        self.put_word_if(field::EGRESS_FILTER, media.egress_filter.as_ref());
        self.put_if(field::MEDIA_STATE, media.media_state.as_deref());
        self.put_if(field::MEDIA_SOURCE_ID, media.media_source_id.as_deref());
    }
}
