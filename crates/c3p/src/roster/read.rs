//! From the bytes of a document to the people in it, without anything in between.
//!
//! The table of elements is that of [`info`](crate::info), cut down to what a [`Person`] holds. Everything else is checked to
//! be well-formed and left where it is.

use std::borrow::Cow;

use super::field;
use super::packer::{Mark, Packer};
use super::person::Person;
use crate::info::{
    AccessMethod, AuthMethod, DisconnectionMethod, EndpointStatus, Filter, JoiningMethod, MediaStatus, Role,
    SessionType, State,
};
use crate::xml::{Ns, Step, Tokens, begins_with};
use crate::{DocumentError, ErrorKind, Limits};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// A person of a document, and how to apply the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) person: Person,
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    User,
    Endpoint,
    Media,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Endpoint => "endpoint",
            Self::Media => "media",
        }
    }
}

/// A child whose start tag was read, and how things stood before it.
struct Child<'a> {
    key: (Ns, &'a [u8]),
    upcoming: &'a [u8],
    mark: Mark,
    entries_left: usize,
}

/// Whether a child has a value of its own with each person, or is more than a value.
fn is_unique(key: (Ns, &[u8])) -> bool {
    match key.1 {
        b"display-text" | b"src-id" | b"associated-aors" | b"endpoint" | b"media" => true,
        // What becomes of these depends on the attributes of their parent.
        b"endpoint-uri" | b"refer-to-uri" => true,
        _ => false,
    }
}

/// How long a field may be of a child that is remembered.
const PACKED_MAX: usize = 16;
/// How long such a child may be.
const RAW_MAX: usize = 256;
/// Places by the first bytes of a child; a power of two.
const PLACES: usize = 64;
/// Children in one place.
const WAYS: usize = 4;

/// A child as it was read.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    /// All of it.
    raw: &'a [u8],
    /// The field that it became, if it became one.
    packed: [u8; PACKED_MAX],
    length: u8,
    /// How many entries of lists are in it.
    entries: u8,
}

/// Children that came before and come again: nearly everything in a roster but names and addresses is one of a few words.
/// In the same scope equal bytes mean the same, so that such a child is compared instead of read.
#[derive(Debug, Default)]
struct Memory<'a> {
    places: Vec<Place<'a>>,
    /// The scope in which they mean what they meant.
    scope: u32,
}

#[derive(Debug, Clone, Default)]
struct Place<'a> {
    known: [Option<Known<'a>>; WAYS],
    /// The next one to be replaced.
    oldest: u8,
}

impl<'a> Memory<'a> {
    /// Begins to remember, unless it does.
    fn begin(&mut self, scope: u32) {
        if self.places.is_empty() {
            self.places = vec![Place::default(); PLACES];
            self.scope = scope;
        }
    }

    fn is_ready(&self) -> bool {
        !self.places.is_empty()
    }

    #[inline]
    fn place(text: &[u8], level: Level) -> Option<usize> {
        let mixed =
            (u64::from_le_bytes(*text.first_chunk()?) ^ level as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Six bits.
        Some((mixed >> 58) as usize)
    }

    /// The child that comes next, if it is known.
    #[inline]
    fn find(&self, upcoming: &[u8], level: Level, scope: u32) -> Option<&Known<'a>> {
        let place = self.places.get(Self::place(upcoming, level)?)?;
        if scope != self.scope {
            return None;
        }
        place.known.iter().map_while(Option::as_ref).find(|known| begins_with(upcoming, known.raw))
    }

    fn add(&mut self, known: Known<'a>, level: Level, scope: u32) {
        if scope != self.scope || known.raw.len() > RAW_MAX {
            return;
        }
        let Some(place) = Self::place(known.raw, level).and_then(|at| self.places.get_mut(at)) else {
            return;
        };
        let at = usize::from(place.oldest) % WAYS;
        place.known[at] = Some(known);
        place.oldest = place.oldest.wrapping_add(1);
    }
}

/// Reads people; what their lists may hold is counted over all of them.
#[derive(Debug)]
pub(super) struct PeopleReader<'a> {
    packer: Packer,
    endpoints_left: usize,
    entries_left: usize,
    memory: Memory<'a>,
}

impl<'a> PeopleReader<'a> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            packer: Packer::default(),
            endpoints_left: limits.endpoints,
            entries_left: limits.entries,
            memory: Memory::default(),
        }
    }

    /// Reads the `user` elements of a `users` element whose start tag was read, up to and with its end tag.
    pub(super) fn users(&mut self, tokens: &mut Tokens<'a>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while child(tokens, "users")? {
            if tokens.key() == (Ns::Info, b"user") {
                entries.push(self.user(tokens).map_err(|error| error.within("user"))?);
                // What one person alone says does not come again.
                self.memory.begin(tokens.scope());
            } else {
                skip(tokens)?;
            }
        }
        Ok(entries)
    }

    fn user(&mut self, tokens: &mut Tokens<'a>) -> Result<Entry> {
        self.count_entry(tokens)?;
        let (mut entity, mut state) = (None, None);
        for attribute in tokens.attributes() {
            let place = match (attribute.ns, attribute.local()) {
                (Ns::Foreign, _) => continue,
                (_, b"entity") => &mut entity,
                (_, b"state") => &mut state,
                _ => continue,
            };
            if place.replace(attribute.bytes()?).is_some() {
                return Err(fault(tokens, ErrorKind::DuplicateAttribute));
            }
        }
        let entity = entity.ok_or_else(|| fault(tokens, ErrorKind::Missing("@entity")))?;
        let state = read_state(state, tokens)?;
        self.packer.begin(&entity);
        while let Some(found) = self.next_child(tokens, Level::User)? {
            match found.key {
                (Ns::Info, b"display-text") => self.packer.put(field::DISPLAY_TEXT, &text(tokens)?),
                (Ns::Info, b"roles") => self.roles(tokens)?,
                (Ns::Info, b"endpoint") => self.endpoint(tokens).map_err(|error| error.within("endpoint"))?,
                (Ns::Info, b"associated-aors") => self.aors(tokens)?,
                (Ns::Info, b"languages") => {
                    for language in text(tokens)?
                        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
                        .filter(|word| !word.is_empty())
                    {
                        self.count_entry(tokens)?;
                        self.packer.put(field::LANGUAGE, language);
                    }
                }
                (Ns::Info, b"cascaded-focus") => self.packer.put(field::CASCADED_FOCUS, trim(&text(tokens)?)),
                _ => skip(tokens)?,
            }
            self.remember(tokens, Level::User, &found);
        }
        Ok(Entry { state, person: self.packer.finish() })
    }

    fn roles(&mut self, tokens: &mut Tokens<'a>) -> Result<()> {
        while child(tokens, "roles")? {
            if tokens.key() == (Ns::Info, b"entry") {
                self.count_entry(tokens)?;
                self.packer.put_word::<Role>(field::ROLE, trim(&text(tokens)?));
            } else {
                skip(tokens)?;
            }
        }
        Ok(())
    }

    fn aors(&mut self, tokens: &mut Tokens<'a>) -> Result<()> {
        while child(tokens, "associated-aors")? {
            if tokens.key() != (Ns::Info, b"entry") {
                skip(tokens)?;
                continue;
            }
            self.count_entry(tokens)?;
            let mut uri = Cow::Borrowed(&b""[..]);
            while child(tokens, "entry")? {
                match tokens.key() {
                    (Ns::Info, b"uri") => uri = text(tokens)?,
                    _ => skip(tokens)?,
                }
            }
            self.packer.put(field::AOR, trim(&uri));
        }
        Ok(())
    }

    fn endpoint(&mut self, tokens: &mut Tokens<'a>) -> Result<()> {
        self.endpoints_left =
            self.endpoints_left.checked_sub(1).ok_or_else(|| fault(tokens, ErrorKind::TooManyEndpoints))?;
        self.count_entry(tokens)?;
        let mut values: [Option<Cow<'_, [u8]>>; 6] = Default::default();
        for attribute in tokens.attributes() {
            let place = match (attribute.ns, attribute.local()) {
                (Ns::Foreign, _) => continue,
                (_, b"entity") => 0,
                (_, b"state") => 1,
                (_, b"session-type") => 2,
                (_, b"endpoint-uri") => 3,
                (_, b"epid") => 4,
                (_, b"refer-to-uri") => 5,
                _ => continue,
            };
            if values[place].replace(attribute.bytes()?).is_some() {
                return Err(fault(tokens, ErrorKind::DuplicateAttribute));
            }
        }
        let [entity, state, session_type, endpoint_uri, epid, refer_to_uri] = values;
        let entity = entity.ok_or_else(|| fault(tokens, ErrorKind::Missing("@entity")))?;
        self.packer.put(field::ENDPOINT, &entity);
        let state = read_state(state, tokens)?;
        if state != State::Full {
            self.packer.put_word::<State>(field::ENDPOINT_STATE, state.as_str().as_bytes());
        }
        if let Some(session_type) = session_type {
            self.packer.put_word::<SessionType>(field::SESSION_TYPE, trim(&session_type));
        }
        endpoint_uri.iter().for_each(|uri| self.packer.put_uri(uri));
        epid.iter().for_each(|epid| self.packer.put_epid(epid));
        refer_to_uri.iter().for_each(|uri| self.packer.put(field::REFER_TO_URI, uri));
        while let Some(found) = self.next_child(tokens, Level::Endpoint)? {
            match found.key {
                (Ns::Info, b"status") => {
                    self.packer.put_word::<EndpointStatus>(field::STATUS, trim(&text(tokens)?));
                }
                (Ns::Info, b"joining-method") => {
                    self.packer.put_word::<JoiningMethod>(field::JOINING_METHOD, trim(&text(tokens)?));
                }
                (Ns::Info, b"media") => self.media(tokens).map_err(|error| error.within("media"))?,
                (Ns::Info, b"display-text") => self.packer.put(field::ENDPOINT_DISPLAY_TEXT, &text(tokens)?),
                (Ns::Info, b"disconnection-method") => {
                    let word = text(tokens)?;
                    self.packer.put_word::<DisconnectionMethod>(field::DISCONNECTION_METHOD, trim(&word));
                }
                (Ns::InfoExt, b"accessMethod") => {
                    self.packer.put_word::<AccessMethod>(field::ACCESS_METHOD, trim(&text(tokens)?));
                }
                (Ns::InfoExt, b"authMethod") => {
                    self.packer.put_word::<AuthMethod>(field::AUTH_METHOD, trim(&text(tokens)?));
                }
                (Ns::InfoExt, b"clientInfo") => self.client_info(tokens)?,
                // Attributes here; others may write elements.
                (Ns::InfoExt, b"endpoint-uri") if endpoint_uri.is_none() => {
                    self.packer.put_uri(trim(&text(tokens)?));
                }
                (Ns::InfoExt, b"refer-to-uri") if refer_to_uri.is_none() => {
                    self.packer.put(field::REFER_TO_URI, trim(&text(tokens)?));
                }
                _ => skip(tokens)?,
            }
            self.remember(tokens, Level::Endpoint, &found);
        }
        Ok(())
    }

    fn client_info(&mut self, tokens: &mut Tokens<'a>) -> Result<()> {
        while child(tokens, "clientInfo")? {
            if tokens.key() == (Ns::InfoExt, b"lobby-capable") {
                let word = text(tokens)?;
                let capable = std::str::from_utf8(&word)
                    .ok()
                    .and_then(crate::xml::parse_boolean)
                    .ok_or_else(|| fault(tokens, ErrorKind::BadValue("lobby-capable")))?;
                self.packer.put(field::LOBBY_CAPABLE, if capable { b"1" } else { b"0" });
            } else {
                skip(tokens)?;
            }
        }
        Ok(())
    }

    fn media(&mut self, tokens: &mut Tokens<'a>) -> Result<()> {
        self.count_entry(tokens)?;
        let mut id = None;
        for attribute in tokens.attributes() {
            if attribute.ns != Ns::Foreign
                && attribute.local() == b"id"
                && id.replace(attribute.bytes()?).is_some()
            {
                return Err(fault(tokens, ErrorKind::DuplicateAttribute));
            }
        }
        let id = id.ok_or_else(|| fault(tokens, ErrorKind::Missing("@id")))?;
        self.packer.put(field::MEDIA, &id);
        while let Some(found) = self.next_child(tokens, Level::Media)? {
            match found.key {
                (Ns::Info, b"type") => self.packer.put(field::MEDIA_KIND, trim(&text(tokens)?)),
                (Ns::Info, b"label") => self.packer.put(field::MEDIA_LABEL, trim(&text(tokens)?)),
                (Ns::Info, b"src-id") => self.packer.put(field::SRC_ID, trim(&text(tokens)?)),
                (Ns::Info, b"status") => {
                    self.packer.put_word::<MediaStatus>(field::MEDIA_STATUS, trim(&text(tokens)?));
                }
                (Ns::Info, b"display-text") => self.packer.put(field::MEDIA_DISPLAY_TEXT, &text(tokens)?),
                (Ns::InfoExt, b"media-ingress-filter") => {
                    self.packer.put_word::<Filter>(field::INGRESS_FILTER, trim(&text(tokens)?));
                }
                (Ns::InfoExt, b"media-egress-filter") => {
                    self.packer.put_word::<Filter>(field::EGRESS_FILTER, trim(&text(tokens)?));
                }
                (Ns::InfoExt, b"media-state") => self.packer.put(field::MEDIA_STATE, trim(&text(tokens)?)),
                (Ns::InfoExt, b"media-source-id") => {
                    self.packer.put(field::MEDIA_SOURCE_ID, trim(&text(tokens)?));
                }
                _ => skip(tokens)?,
            }
            self.remember(tokens, Level::Media, &found);
        }
        Ok(())
    }

    /// Reads on to the next child that was not read before in the same words; `None` at the end of its parent.
    #[inline]
    fn next_child(&mut self, tokens: &mut Tokens<'a>, level: Level) -> Result<Option<Child<'a>>> {
        let upcoming = loop {
            let upcoming = tokens.upcoming();
            match self.memory.find(upcoming, level, tokens.scope()) {
                Some(known) if usize::from(known.entries) <= self.entries_left => {
                    self.entries_left -= usize::from(known.entries);
                    tokens.pass(known.raw.len());
                    self.packer.put_packed(&known.packed, usize::from(known.length));
                }
                _ => break upcoming,
            }
        };
        let is_there = child(tokens, level.name())?;
        let mark = self.packer.mark();
        let (key, entries_left) = (tokens.key(), self.entries_left);
        Ok(is_there.then_some(Child { key, upcoming, mark, entries_left }))
    }

    /// Remembers a child that was read, if it is one that is likely to come again.
    #[inline]
    fn remember(&mut self, tokens: &Tokens<'a>, level: Level, found: &Child<'a>) {
        if self.memory.is_ready() && !is_unique(found.key) {
            self.remember_child(tokens, level, found);
        }
    }

    #[inline(never)]
    fn remember_child(&mut self, tokens: &Tokens<'a>, level: Level, found: &Child<'a>) {
        let length = found.upcoming.len() - tokens.upcoming().len();
        let (Some(packed), Some(raw)) = (self.packer.since(found.mark), found.upcoming.get(..length)) else {
            return;
        };
        let mut known = Known { raw, packed: [0; PACKED_MAX], length: 0, entries: 0 };
        let Some(place) = known.packed.get_mut(..packed.len()) else { return };
        place.copy_from_slice(packed);
        known.length = packed.len() as u8;
        let Ok(entries) = u8::try_from(found.entries_left - self.entries_left) else { return };
        known.entries = entries;
        self.memory.add(known, level, tokens.scope());
    }

    fn count_entry(&mut self, tokens: &Tokens<'_>) -> Result<()> {
        let left = self.entries_left.checked_sub(1);
        self.entries_left = left.ok_or_else(|| fault(tokens, ErrorKind::TooManyEntries))?;
        Ok(())
    }
}

/// Reads on to the next child of the element that is being read; `false` at its end.
#[inline]
fn child(tokens: &mut Tokens<'_>, within: &'static str) -> Result<bool> {
    tokens.child().map_err(|error| error.within(within))
}

/// The text of the element whose start tag was read last; elements inside it are left out.
#[inline]
fn text<'a>(tokens: &mut Tokens<'a>) -> Result<Cow<'a, [u8]>> {
    match tokens.plain_leaf() {
        Some(text) => Ok(Cow::Borrowed(text)),
        None => long_text(tokens),
    }
}

#[cold]
fn long_text<'a>(tokens: &mut Tokens<'a>) -> Result<Cow<'a, [u8]>> {
    let mut all = String::new();
    loop {
        match tokens.next()? {
            Step::Start => skip(tokens)?,
            Step::End => return Ok(Cow::Owned(all.into_bytes())),
            Step::Text => all.push_str(&tokens.value()?),
            Step::Eof => return Err(fault(tokens, ErrorKind::Truncated)),
        }
    }
}

/// Leaves out the element whose start tag was read last.
fn skip(tokens: &mut Tokens<'_>) -> Result<()> {
    tokens.skip_to(tokens.depth().saturating_sub(1))
}

fn read_state(word: Option<Cow<'_, [u8]>>, tokens: &Tokens<'_>) -> Result<State> {
    let Some(word) = word else { return Ok(State::Full) };
    let word = std::str::from_utf8(trim(&word)).unwrap_or_default();
    State::from_token(word).ok_or_else(|| fault(tokens, ErrorKind::BadValue("@state")))
}

fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t' | b'\r' | b'\n'));
    if is_space(text.first()) || is_space(text.last()) {
        let start = text.iter().position(|byte| !is_space(Some(byte))).unwrap_or(text.len());
        let end = text.iter().rposition(|byte| !is_space(Some(byte))).map_or(start, |at| at + 1);
        return &text[start..end];
    }
    text
}

#[cold]
fn fault(tokens: &Tokens<'_>, kind: ErrorKind) -> DocumentError {
    DocumentError { kind, element: "", offset: tokens.offset() }
}
