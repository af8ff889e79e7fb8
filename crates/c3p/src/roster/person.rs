//! One person of a roster, in one piece of memory.
//!
//! A person with two endpoints has some thirty values, most of them short. As a structure of strings that is two kilobytes
//! and thirty allocations; as one text with the values behind one another it is a quarter of a kilobyte and one. Values are
//! found by walking over them, which costs less than one cache miss.
//!
//! # The text
//!
//! Fields one after the other: a letter that says which, the length of the value in bytes, the value. A length is written in
//! digits of six bits, lowest first, with the seventh bit set on all but the last: all are ASCII, so that the whole stays a
//! text. Fields behind an `e` belong to that endpoint, fields behind an `m` to that stream. The device of a person is the same
//! in each endpoint mostly: a GRUU or an epid that is that of an endpoint before is not repeated.

use std::fmt;
use std::sync::Arc;

use super::tree::Keyed;
use crate::info::{
    AccessMethod, AuthMethod, ConfUri, DisconnectionMethod, Endpoint, EndpointStatus, Filter, JoiningMethod,
    Media, MediaStatus, Role, SessionType, State, User,
};
use crate::xml::same;

/// The fields of a person, of an endpoint and of a stream.
pub(super) mod field {
    pub(crate) const ENTITY: u8 = b'E';
    pub(crate) const DISPLAY_TEXT: u8 = b'D';
    pub(crate) const ROLE: u8 = b'R';
    pub(crate) const AOR: u8 = b'A';
    pub(crate) const LANGUAGE: u8 = b'L';
    pub(crate) const CASCADED_FOCUS: u8 = b'C';

    pub(crate) const ENDPOINT: u8 = b'e';
    pub(crate) const ENDPOINT_STATE: u8 = b'.';
    pub(crate) const SESSION_TYPE: u8 = b's';
    pub(crate) const ENDPOINT_URI: u8 = b'u';
    pub(crate) const EPID: u8 = b'p';
    /// The first [`ENDPOINT_URI`] of the person again.
    pub(crate) const SAME_URI: u8 = b'v';
    /// The first [`EPID`] of the person again.
    pub(crate) const SAME_EPID: u8 = b'q';
    pub(crate) const REFER_TO_URI: u8 = b'r';
    pub(crate) const ENDPOINT_DISPLAY_TEXT: u8 = b'd';
    pub(crate) const STATUS: u8 = b't';
    pub(crate) const JOINING_METHOD: u8 = b'j';
    pub(crate) const DISCONNECTION_METHOD: u8 = b'x';
    pub(crate) const ACCESS_METHOD: u8 = b'a';
    pub(crate) const AUTH_METHOD: u8 = b'b';
    pub(crate) const LOBBY_CAPABLE: u8 = b'l';

    pub(crate) const MEDIA: u8 = b'm';
    pub(crate) const MEDIA_DISPLAY_TEXT: u8 = b'n';
    pub(crate) const MEDIA_KIND: u8 = b'k';
    pub(crate) const MEDIA_LABEL: u8 = b'h';
    pub(crate) const SRC_ID: u8 = b'c';
    pub(crate) const MEDIA_STATUS: u8 = b'o';
    pub(crate) const INGRESS_FILTER: u8 = b'i';
    pub(crate) const EGRESS_FILTER: u8 = b'g';
    pub(crate) const MEDIA_STATE: u8 = b'y';
    pub(crate) const MEDIA_SOURCE_ID: u8 = b'z';

    /// The fields in the order in which they are written: equal persons are equal texts.
    const ORDER: [u8; 29] = [
        ENTITY,
        DISPLAY_TEXT,
        AOR,
        ROLE,
        LANGUAGE,
        CASCADED_FOCUS,
        ENDPOINT,
        ENDPOINT_STATE,
        SESSION_TYPE,
        ENDPOINT_URI,
        EPID,
        REFER_TO_URI,
        ENDPOINT_DISPLAY_TEXT,
        STATUS,
        JOINING_METHOD,
        DISCONNECTION_METHOD,
        ACCESS_METHOD,
        AUTH_METHOD,
        LOBBY_CAPABLE,
        MEDIA,
        MEDIA_DISPLAY_TEXT,
        MEDIA_KIND,
        MEDIA_LABEL,
        SRC_ID,
        MEDIA_STATUS,
        INGRESS_FILTER,
        EGRESS_FILTER,
        MEDIA_STATE,
        MEDIA_SOURCE_ID,
    ];

    static RANKS: [u8; 128] = ranks();

    const fn ranks() -> [u8; 128] {
        let mut ranks = [0; 128];
        let mut at = 0;
        while at < ORDER.len() {
            // There are fewer than 128.
            ranks[ORDER[at] as usize] = at as u8 + 1;
            at += 1;
        }
        ranks[SAME_URI as usize] = ranks[ENDPOINT_URI as usize];
        ranks[SAME_EPID as usize] = ranks[EPID as usize];
        ranks
    }

    /// The name of a field in a document.
    pub(crate) fn name(field: u8) -> &'static str {
        match field {
            ENTITY | ENDPOINT => "entity",
            DISPLAY_TEXT | ENDPOINT_DISPLAY_TEXT | MEDIA_DISPLAY_TEXT => "display-text",
            ROLE => "roles",
            AOR => "associated-aors",
            LANGUAGE => "languages",
            CASCADED_FOCUS => "cascaded-focus",
            ENDPOINT_STATE => "state",
            SESSION_TYPE => "session-type",
            ENDPOINT_URI => "endpoint-uri",
            EPID => "epid",
            REFER_TO_URI => "refer-to-uri",
            STATUS | MEDIA_STATUS => "status",
            JOINING_METHOD => "joining-method",
            DISCONNECTION_METHOD => "disconnection-method",
            ACCESS_METHOD => "accessMethod",
            AUTH_METHOD => "authMethod",
            LOBBY_CAPABLE => "lobby-capable",
            MEDIA => "id",
            MEDIA_KIND => "type",
            MEDIA_LABEL => "label",
            SRC_ID => "src-id",
            INGRESS_FILTER => "media-ingress-filter",
            EGRESS_FILTER => "media-egress-filter",
            MEDIA_STATE => "media-state",
            MEDIA_SOURCE_ID => "media-source-id",
            _ => "",
        }
    }

    /// The place of a field in the order.
    pub(crate) fn rank(field: u8) -> u8 {
        RANKS[usize::from(field & 127)]
    }

    /// The rank of the first field of a stream.
    pub(crate) const MEDIA_RANK: u8 = 20;

    /// Whether a field is of a person, not of an endpoint.
    pub(crate) const fn is_of_person(field: u8) -> bool {
        field.is_ascii_uppercase()
    }

    /// Whether there may be several of a field.
    pub(crate) const fn is_list(field: u8) -> bool {
        matches!(field, AOR | ROLE | LANGUAGE)
    }
}

/// Bytes that fields are added to. It is longer than what is in it, so that short values are written by moves of a fixed
/// size instead of calls: thirty times a person that is most of the work.
#[derive(Debug, Default)]
struct Buffer {
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
fn copy_short(to: &mut [u8], from: &[u8]) {
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

/// A word of a vocabulary as a field: the place of a known one as one character, another one behind `=`.
pub(super) trait Word: Sized + Clone + 'static {
    /// The words that are known, in their order.
    const WORDS: &'static [&'static str];
    /// Their values.
    const KNOWN: &'static [Self];

    /// The word of a value.
    fn word(&self) -> &str;

    /// Whether other words are values, too.
    const IS_OPEN: bool;

    /// The value of a word that is not known, if the vocabulary is an open one.
    fn other(word: &str) -> Option<Self>;

    /// The value of a field.
    fn decode(value: &str) -> Option<Self> {
        match value.as_bytes() {
            [b'=', ..] => Self::other(&value[1..]),
            [code] => Self::KNOWN.get(usize::from(code.checked_sub(FIRST_CODE)?)).cloned(),
            _ => None,
        }
    }
}

/// The character of the first word of a vocabulary.
pub(super) const FIRST_CODE: u8 = b'A';

macro_rules! words {
    (closed: $($closed:ty),+; open: $($open:ty),+) => {
        $(impl Word for $closed {
            const WORDS: &'static [&'static str] = Self::WORDS;
            const KNOWN: &'static [Self] = Self::ALL;
            const IS_OPEN: bool = false;
            fn word(&self) -> &str { self.as_str() }
            fn other(_: &str) -> Option<Self> { None }
        })+
        $(impl Word for $open {
            const WORDS: &'static [&'static str] = Self::WORDS;
            const KNOWN: &'static [Self] = Self::KNOWN;
            const IS_OPEN: bool = true;
            fn word(&self) -> &str { self.as_str() }
            fn other(word: &str) -> Option<Self> { Some(Self::Other(word.into())) }
        })+
    };
}

words! {
    closed: State, EndpointStatus, JoiningMethod, DisconnectionMethod, MediaStatus, Filter, AccessMethod, AuthMethod;
    open: Role, SessionType
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
    unordered: bool,
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

    fn user(&mut self, user: &User) {
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

/// One person: cheap to copy, small to keep.
///
/// Holds what a roster is about: address, names, roles, and of each endpoint its identity, modality, status, methods and
/// media. What else a document says of a user (who invited whom and why, dialogs, unknown elements) is in
/// [`User`] only.
///
/// # Examples
///
/// ```
/// use c3p::info::{Endpoint, EndpointStatus, Role, SessionType, User};
/// use c3p::roster::Person;
///
/// let bob = User::new("sip:bob@example.com").with_role(Role::Presenter).with_endpoint(
///     Endpoint::new("{6B1F0D6C}", SessionType::Chat).with_status(EndpointStatus::Connected),
/// );
/// let bob = Person::from(&bob);
/// assert_eq!((bob.entity(), bob.role()), ("sip:bob@example.com", Some(Role::Presenter)));
/// let endpoint = bob.endpoints().next().unwrap();
/// assert_eq!(endpoint.status(), Some(EndpointStatus::Connected));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Person(Arc<str>);

impl Keyed for Person {
    fn key(&self) -> &str {
        self.entity()
    }
}

impl From<&User> for Person {
    fn from(user: &User) -> Self {
        let mut packer = Packer::default();
        packer.user(user);
        packer.finish()
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<EndpointRef<'_>> = self.endpoints().collect();
        f.debug_struct("Person")
            .field("entity", &self.entity())
            .field("display_text", &self.display_text())
            .field("role", &self.role())
            .field("endpoints", &endpoints)
            .finish_non_exhaustive()
    }
}

impl Person {
    /// The SIP or tel address.
    #[must_use]
    pub fn entity(&self) -> &str {
        // The first field of every person.
        Fields::of(&self.0).next().map_or("", |(_, entity)| entity)
    }

    /// The name for people.
    #[must_use]
    pub fn display_text(&self) -> Option<&str> {
        self.of_person(field::DISPLAY_TEXT).next()
    }

    /// The first role; one in practice.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.roles().next()
    }

    /// The roles.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.of_person(field::ROLE).filter_map(Role::decode)
    }

    /// Other addresses of the person.
    pub fn associated_aors(&self) -> impl Iterator<Item = &str> {
        self.of_person(field::AOR)
    }

    /// The languages of the person, as language tags.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.of_person(field::LANGUAGE)
    }

    /// The address of the conference that this person stands for.
    #[must_use]
    pub fn cascaded_focus(&self) -> Option<&str> {
        self.of_person(field::CASCADED_FOCUS).next()
    }

    /// The endpoints, in the order of the document.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointRef<'_>> {
        Groups { rest: &self.0, begin: field::ENDPOINT }.map(|text| EndpointRef { text, person: &self.0 })
    }

    /// The endpoint with this entity and modality.
    #[must_use]
    pub fn endpoint(&self, entity: &str, session_type: Option<&SessionType>) -> Option<EndpointRef<'_>> {
        self.endpoints().find(|found| found.is(entity, session_type))
    }

    /// As the structure that documents are made of.
    #[must_use]
    pub fn to_user(&self) -> User {
        User {
            entity: self.entity().to_owned(),
            display_text: self.display_text().map(str::to_owned),
            associated_aors: self
                .associated_aors()
                .map(|uri| ConfUri { uri: uri.to_owned(), ..ConfUri::default() })
                .collect(),
            roles: self.roles().collect(),
            languages: self.languages().map(str::to_owned).collect(),
            cascaded_focus: self.cascaded_focus().map(str::to_owned),
            endpoints: self.endpoints().map(|endpoint| endpoint.to_endpoint()).collect(),
            ..User::default()
        }
    }

    /// The memory it takes, in bytes, behind the pointer to it.
    #[must_use]
    pub fn size(&self) -> usize {
        // Two counters stand before the text.
        2 * size_of::<usize>() + self.0.len()
    }

    fn of_person(&self, wanted: u8) -> impl Iterator<Item = &str> {
        Fields::of(&self.0)
            .take_while(|(field, _)| field::is_of_person(*field))
            .filter_map(move |(field, value)| (field == wanted).then_some(value))
    }

    pub(super) fn fields(&self) -> Fields<'_> {
        Fields::of(&self.0)
    }

    /// This person changed by what a partial element says: its values replace, endpoints are merged by entity and modality.
    pub(super) fn merged(&self, partial: &Self) -> Self {
        let mut parts = Parts::of(&self.0);
        parts.merge(Parts::of(&partial.0));
        parts.person()
    }

    /// As it stands in a roster after it came complete: its endpoints applied one after the other.
    pub(super) fn settled(self) -> Self {
        if self.is_settled() {
            return self;
        }
        let mut parts = Parts::of(&self.0);
        let endpoints = std::mem::take(&mut parts.endpoints);
        parts.merge(Parts { own: Values::default(), endpoints });
        parts.person()
    }

    /// Whether its endpoints are complete, and no two have the same key. Sure for a few endpoints only.
    fn is_settled(&self) -> bool {
        let mut entities = [""; 4];
        let mut count = 0;
        for (field, value) in self.fields() {
            if field == field::ENDPOINT_STATE {
                return false;
            }
            if field == field::ENDPOINT {
                let Some(place) = entities.get_mut(count) else { return false };
                *place = value;
                if entities[..count].contains(&value) {
                    return false;
                }
                count += 1;
            }
        }
        true
    }
}

/// Fields with their values, each once but for lists.
#[derive(Debug, Clone, Default)]
struct Values<'a>(Vec<(u8, &'a str)>);

impl<'a> Values<'a> {
    /// Adds a field; of one that is no list the last counts.
    fn set(&mut self, field: u8, value: &'a str) {
        match self.0.iter_mut().find(|(known, _)| *known == field && !field::is_list(field)) {
            Some((_, known)) => *known = value,
            None => self.0.push((field, value)),
        }
    }

    /// Takes over what another says; lists as a whole.
    fn take_over(&mut self, other: Self) {
        self.0
            .retain(|(known, _)| !field::is_list(*known) || other.0.iter().all(|(field, _)| field != known));
        other.0.into_iter().for_each(|(field, value)| self.set(field, value));
    }

    fn get(&self, wanted: u8) -> Option<&'a str> {
        self.0.iter().find_map(|(field, value)| (*field == wanted).then_some(*value))
    }

    fn write(mut self, packer: &mut Packer) {
        self.0.sort_by_key(|(field, _)| field::rank(*field));
        for (field, value) in self.0 {
            match field {
                field::ENDPOINT_URI => packer.put_uri(value.as_bytes()),
                field::EPID => packer.put_epid(value.as_bytes()),
                _ => packer.put(field, value.as_bytes()),
            }
        }
    }
}

/// A person taken apart, to be put together in order.
#[derive(Debug, Default)]
struct Parts<'a> {
    own: Values<'a>,
    endpoints: Vec<EndpointParts<'a>>,
}

#[derive(Debug, Clone, Default)]
struct EndpointParts<'a> {
    own: Values<'a>,
    media: Vec<Values<'a>>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = Self::default();
        for (field, value) in Fields::of(text) {
            let endpoint = parts.endpoints.last_mut();
            if field::is_of_person(field) {
                parts.own.set(field, value);
            } else if field == field::ENDPOINT {
                let own = Values(vec![(field, value)]);
                parts.endpoints.push(EndpointParts { own, media: Vec::new() });
            } else if field == field::MEDIA {
                endpoint.into_iter().for_each(|endpoint| endpoint.media.push(Values(vec![(field, value)])));
            } else if field::rank(field) > field::MEDIA_RANK {
                let media = endpoint.and_then(|endpoint| endpoint.media.last_mut());
                media.into_iter().for_each(|media| media.set(field, value));
            } else {
                endpoint.into_iter().for_each(|endpoint| endpoint.own.set(field, value));
            }
        }
        parts
    }

    fn merge(&mut self, partial: Self) {
        self.own.take_over(partial.own);
        for new in partial.endpoints {
            let key = |endpoint: &EndpointParts<'a>| {
                (endpoint.own.get(field::ENDPOINT), endpoint.own.get(field::SESSION_TYPE))
            };
            let at = self.endpoints.iter().position(|old| key(old) == key(&new));
            match (new.state(), at) {
                (State::Deleted, Some(at)) => drop(self.endpoints.remove(at)),
                (State::Deleted, None) => {}
                (State::Full, Some(at)) => self.endpoints[at] = new,
                (State::Partial, Some(at)) => self.endpoints[at].merge(new),
                (State::Full | State::Partial, None) => self.endpoints.push(new),
            }
        }
    }

    fn person(self) -> Person {
        let mut packer = Packer::default();
        self.own.write(&mut packer);
        for mut endpoint in self.endpoints {
            endpoint.own.0.retain(|(field, _)| *field != field::ENDPOINT_STATE);
            endpoint.own.write(&mut packer);
            endpoint.media.into_iter().for_each(|media| media.write(&mut packer));
        }
        // Everything is in its order now, so that this ends here.
        debug_assert!(!packer.unordered, "written in order");
        packer.unordered = false;
        packer.finish()
    }
}

impl EndpointParts<'_> {
    fn state(&self) -> State {
        self.own.get(field::ENDPOINT_STATE).and_then(State::decode).unwrap_or_default()
    }
}

impl<'a> EndpointParts<'a> {
    fn merge(&mut self, partial: Self) {
        self.own.take_over(partial.own);
        for new in partial.media {
            match self.media.iter_mut().find(|old| old.get(field::MEDIA) == new.get(field::MEDIA)) {
                Some(old) => *old = new,
                None => self.media.push(new),
            }
        }
    }
}

/// One endpoint of a person.
#[derive(Clone, Copy)]
pub struct EndpointRef<'a> {
    text: &'a str,
    /// The whole person, to whose first endpoint this one may refer.
    person: &'a str,
}

impl PartialEq for EndpointRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.fields().eq(other.fields())
    }
}

impl Eq for EndpointRef<'_> {}

impl fmt::Debug for EndpointRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let media: Vec<MediaRef<'_>> = self.media().collect();
        f.debug_struct("Endpoint")
            .field("entity", &self.entity())
            .field("session_type", &self.session_type())
            .field("status", &self.status())
            .field("media", &media)
            .finish_non_exhaustive()
    }
}

impl<'a> EndpointRef<'a> {
    /// A GUID in braces, or an MCU's id of it.
    #[must_use]
    pub fn entity(self) -> &'a str {
        Fields::of(self.text).next().map_or("", |(_, entity)| entity)
    }

    /// The modality.
    #[must_use]
    pub fn session_type(self) -> Option<SessionType> {
        self.value(field::SESSION_TYPE).and_then(SessionType::decode)
    }

    /// The GRUU of the device.
    #[must_use]
    pub fn endpoint_uri(self) -> Option<&'a str> {
        self.value(field::ENDPOINT_URI).or_else(|| self.referred(field::SAME_URI, field::ENDPOINT_URI))
    }

    /// The epid of the device.
    #[must_use]
    pub fn epid(self) -> Option<&'a str> {
        self.value(field::EPID).or_else(|| self.referred(field::SAME_EPID, field::EPID))
    }

    /// Where a dial-out is to go instead.
    #[must_use]
    pub fn refer_to_uri(self) -> Option<&'a str> {
        self.value(field::REFER_TO_URI)
    }

    /// A name for people.
    #[must_use]
    pub fn display_text(self) -> Option<&'a str> {
        self.value(field::ENDPOINT_DISPLAY_TEXT)
    }

    /// Whether it is connected, in the lobby, ...
    #[must_use]
    pub fn status(self) -> Option<EndpointStatus> {
        self.value(field::STATUS).and_then(EndpointStatus::decode)
    }

    /// Who called whom.
    #[must_use]
    pub fn joining_method(self) -> Option<JoiningMethod> {
        self.value(field::JOINING_METHOD).and_then(JoiningMethod::decode)
    }

    /// How it went.
    #[must_use]
    pub fn disconnection_method(self) -> Option<DisconnectionMethod> {
        self.value(field::DISCONNECTION_METHOD).and_then(DisconnectionMethod::decode)
    }

    /// From inside or outside the organisation's network.
    #[must_use]
    pub fn access_method(self) -> Option<AccessMethod> {
        self.value(field::ACCESS_METHOD).and_then(AccessMethod::decode)
    }

    /// How its user was authenticated.
    #[must_use]
    pub fn auth_method(self) -> Option<AuthMethod> {
        self.value(field::AUTH_METHOD).and_then(AuthMethod::decode)
    }

    /// Whether the client can wait in the lobby and let others in.
    #[must_use]
    pub fn lobby_capable(self) -> Option<bool> {
        self.value(field::LOBBY_CAPABLE).map(|value| value == "1")
    }

    /// The media streams, in the order of the document.
    pub fn media(self) -> impl Iterator<Item = MediaRef<'a>> {
        Groups { rest: self.text, begin: field::MEDIA }.map(MediaRef)
    }

    /// As the structure that documents are made of.
    #[must_use]
    pub fn to_endpoint(self) -> Endpoint {
        let owned = |value: Option<&str>| value.map(str::to_owned);
        Endpoint {
            entity: self.entity().to_owned(),
            session_type: self.session_type(),
            endpoint_uri: owned(self.endpoint_uri()),
            epid: owned(self.epid()),
            refer_to_uri: owned(self.refer_to_uri()),
            display_text: owned(self.display_text()),
            status: self.status(),
            joining_method: self.joining_method(),
            disconnection_method: self.disconnection_method(),
            access_method: self.access_method(),
            auth_method: self.auth_method(),
            lobby_capable: self.lobby_capable(),
            media: self.media().map(MediaRef::to_media).collect(),
            ..Endpoint::default()
        }
    }

    pub(super) fn fields(self) -> Fields<'a> {
        let first = |wanted| first_of(self.person, wanted);
        Fields {
            rest: self.text,
            first_uri: first(field::ENDPOINT_URI),
            first_epid: first(field::EPID),
            is_resolved: true,
        }
    }

    pub(super) fn is(self, entity: &str, session_type: Option<&SessionType>) -> bool {
        self.entity() == entity && self.session_type().as_ref() == session_type
    }

    fn value(self, wanted: u8) -> Option<&'a str> {
        Fields::raw(self.text)
            .take_while(|(field, _)| *field != field::MEDIA)
            .find_map(|(field, value)| (field == wanted).then_some(value))
    }

    /// The value of the first endpoint, if this one refers to it.
    fn referred(self, same: u8, field: u8) -> Option<&'a str> {
        self.value(same).and_then(|_| first_of(self.person, field))
    }
}

/// The first value of a field.
fn first_of(person: &str, wanted: u8) -> Option<&str> {
    Fields::raw(person).find_map(|(field, value)| (field == wanted).then_some(value))
}

/// One media stream of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MediaRef<'a>(pub(super) &'a str);

impl fmt::Debug for MediaRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("id", &self.id())
            .field("kind", &self.kind())
            .field("status", &self.status())
            .field("ingress_filter", &self.ingress_filter())
            .finish_non_exhaustive()
    }
}

impl<'a> MediaRef<'a> {
    /// The key within the endpoint.
    #[must_use]
    pub fn id(self) -> &'a str {
        Fields::raw(self.0).next().map_or("", |(_, id)| id)
    }

    /// A name for people.
    #[must_use]
    pub fn display_text(self) -> Option<&'a str> {
        self.value(field::MEDIA_DISPLAY_TEXT)
    }

    /// `audio`, `video`, `applicationsharing`, `chat` (element `type`).
    #[must_use]
    pub fn kind(self) -> Option<&'a str> {
        self.value(field::MEDIA_KIND)
    }

    /// `main-audio`, `main-video`, `panoramic-video`, `applicationsharing`.
    #[must_use]
    pub fn label(self) -> Option<&'a str> {
        self.value(field::MEDIA_LABEL)
    }

    /// The SSRC or the like.
    #[must_use]
    pub fn src_id(self) -> Option<&'a str> {
        self.value(field::SRC_ID)
    }

    /// In which directions it flows.
    #[must_use]
    pub fn status(self) -> Option<MediaStatus> {
        self.value(field::MEDIA_STATUS).and_then(MediaStatus::decode)
    }

    /// Whether what comes from the endpoint is let in.
    #[must_use]
    pub fn ingress_filter(self) -> Option<Filter> {
        self.value(field::INGRESS_FILTER).and_then(Filter::decode)
    }

    /// Whether the endpoint is given the mix.
    #[must_use]
    pub fn egress_filter(self) -> Option<Filter> {
        self.value(field::EGRESS_FILTER).and_then(Filter::decode)
    }

    /// The state of the stream (`connected`, ...).
    #[must_use]
    pub fn media_state(self) -> Option<&'a str> {
        self.value(field::MEDIA_STATE)
    }

    /// The source id of the stream.
    #[must_use]
    pub fn media_source_id(self) -> Option<&'a str> {
        self.value(field::MEDIA_SOURCE_ID)
    }

    pub(super) fn fields(self) -> Fields<'a> {
        Fields::raw(self.0)
    }

    /// As the structure that documents are made of.
    #[must_use]
    pub fn to_media(self) -> Media {
        let owned = |value: Option<&str>| value.map(str::to_owned);
        Media {
            id: self.id().to_owned(),
            display_text: owned(self.display_text()),
            kind: owned(self.kind()),
            label: owned(self.label()),
            src_id: owned(self.src_id()),
            status: self.status(),
            ingress_filter: self.ingress_filter(),
            egress_filter: self.egress_filter(),
            media_state: owned(self.media_state()),
            media_source_id: owned(self.media_source_id()),
            ..Media::default()
        }
    }

    fn value(self, wanted: u8) -> Option<&'a str> {
        Fields::raw(self.0).find_map(|(field, value)| (field == wanted).then_some(value))
    }
}

/// The fields of a packed text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a str,
    /// What fields may refer to; found on the way in a whole person.
    first_uri: Option<&'a str>,
    first_epid: Option<&'a str>,
    is_resolved: bool,
}

impl<'a> Fields<'a> {
    /// Of a whole person, or of what refers to nothing; references are resolved.
    pub(super) fn of(text: &'a str) -> Self {
        Self { is_resolved: true, ..Self::raw(text) }
    }

    /// As they stand there.
    fn raw(text: &'a str) -> Self {
        Self { rest: text, first_uri: None, first_epid: None, is_resolved: false }
    }

    /// What was not walked over yet.
    fn rest(self) -> &'a str {
        self.rest
    }

    fn resolved(&mut self, field: u8, value: &'a str) -> (u8, &'a str) {
        match field {
            field::ENDPOINT_URI => self.first_uri = self.first_uri.or(Some(value)),
            field::EPID => self.first_epid = self.first_epid.or(Some(value)),
            field::SAME_URI => return (field::ENDPOINT_URI, self.first_uri.unwrap_or_default()),
            field::SAME_EPID => return (field::EPID, self.first_epid.unwrap_or_default()),
            _ => {}
        }
        (field, value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a str);

    fn next(&mut self) -> Option<(u8, &'a str)> {
        let bytes = self.rest.as_bytes();
        let field = *bytes.first()?;
        let (mut length, mut shift, mut at) = (0usize, 0, 1);
        loop {
            let digit = *bytes.get(at)?;
            at += 1;
            length |= usize::from(digit & 63) << shift;
            shift += 6;
            if digit < 64 {
                break;
            }
        }
        let value = self.rest.get(at..at + length)?;
        self.rest = self.rest.get(at + length..)?;
        Some(if self.is_resolved { self.resolved(field, value) } else { (field, value) })
    }
}

/// The fields of a person as bytes, for who writes all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldBytes<'a> {
    rest: &'a [u8],
    /// What fields may refer to.
    first_uri: Option<&'a [u8]>,
    first_epid: Option<&'a [u8]>,
}

impl<'a> FieldBytes<'a> {
    pub(super) fn of(person: &'a Person) -> Self {
        Self { rest: person.0.as_bytes(), first_uri: None, first_epid: None }
    }

    /// The field that comes next; of one that refers to another, its own letter.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The GRUU that is the value of a field.
    #[inline]
    pub(super) fn uri(&mut self, field: u8, value: &'a [u8]) -> &'a [u8] {
        let first = *self.first_uri.get_or_insert(value);
        if field == field::SAME_URI { first } else { value }
    }

    /// The epid that is the value of a field.
    #[inline]
    pub(super) fn epid(&mut self, field: u8, value: &'a [u8]) -> &'a [u8] {
        let first = *self.first_epid.get_or_insert(value);
        if field == field::SAME_EPID { first } else { value }
    }

    /// The next field, if it is one of those.
    #[inline]
    pub(super) fn next_if(&mut self, is_one: impl FnOnce(u8) -> bool) -> Option<(u8, &'a [u8])> {
        if is_one(self.peek()?) { self.next() } else { None }
    }

    fn next_long(&mut self) -> Option<(u8, &'a [u8])> {
        let mut rest = self.rest;
        let field = *rest.split_off_first()?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let digit = *rest.split_off_first()?;
            length |= usize::from(digit & 63) << shift;
            shift += 6;
            if digit < 64 {
                break;
            }
        }
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some((field, value))
    }
}

impl<'a> Iterator for FieldBytes<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match *self.rest {
            [field, length, ref rest @ ..] if length < 64 => {
                let (value, rest) = rest.split_at_checked(usize::from(length))?;
                self.rest = rest;
                Some((field, value))
            }
            _ => self.next_long(),
        }
    }
}

/// The parts of a text that begin with a field, each up to the next of its kind.
struct Groups<'a> {
    rest: &'a str,
    begin: u8,
}

impl<'a> Iterator for Groups<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut fields = Fields::raw(self.rest);
        let start = loop {
            let here = fields.rest();
            if fields.next()?.0 == self.begin {
                break here;
            }
        };
        let end = loop {
            let here = fields.rest();
            match fields.next() {
                Some((field, _)) if field != self.begin => {}
                _ => break here,
            }
        };
        self.rest = end;
        start.get(..start.len() - end.len())
    }
}
