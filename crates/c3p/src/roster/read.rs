//! From the bytes of a document to the people in it, without anything in between.
//!
//! The table of elements is that of [`info`](crate::info), cut down to what a [`Person`] holds. Everything else is checked to
//! be well-formed and left where it is.

use std::borrow::Cow;

use super::person::{Packer, Person, field};
use crate::info::{
    AccessMethod, AuthMethod, DisconnectionMethod, EndpointStatus, Filter, JoiningMethod, MediaStatus, Role,
    SessionType, State,
};
use crate::xml::{Ns, Step, Tokens};
use crate::{DocumentError, ErrorKind, Limits};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// A person of a document, and how to apply the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) person: Person,
}

/// Reads people; what their lists may hold is counted over all of them.
#[derive(Debug)]
pub(super) struct PeopleReader {
    packer: Packer,
    endpoints_left: usize,
    entries_left: usize,
}

impl PeopleReader {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { packer: Packer::default(), endpoints_left: limits.endpoints, entries_left: limits.entries }
    }

    /// Reads the `user` elements of a `users` element whose start tag was read, up to and with its end tag.
    pub(super) fn users(&mut self, tokens: &mut Tokens<'_>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while child(tokens, "users")? {
            if tokens.key() == (Ns::Info, b"user") {
                entries.push(self.user(tokens).map_err(|error| error.within("user"))?);
            } else {
                skip(tokens)?;
            }
        }
        Ok(entries)
    }

    fn user(&mut self, tokens: &mut Tokens<'_>) -> Result<Entry> {
        self.count_entry(tokens)?;
        let (mut entity, mut state) = (None, None);
        for attribute in tokens.attributes() {
            let place = match (attribute.ns, attribute.local) {
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
        while child(tokens, "user")? {
            match tokens.key() {
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
        }
        Ok(Entry { state, person: self.packer.finish() })
    }

    fn roles(&mut self, tokens: &mut Tokens<'_>) -> Result<()> {
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

    fn aors(&mut self, tokens: &mut Tokens<'_>) -> Result<()> {
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

    fn endpoint(&mut self, tokens: &mut Tokens<'_>) -> Result<()> {
        self.endpoints_left =
            self.endpoints_left.checked_sub(1).ok_or_else(|| fault(tokens, ErrorKind::TooManyEndpoints))?;
        self.count_entry(tokens)?;
        let mut values: [Option<Cow<'_, [u8]>>; 6] = Default::default();
        for attribute in tokens.attributes() {
            let place = match (attribute.ns, attribute.local) {
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
        let rest = [
            (field::ENDPOINT_URI, &endpoint_uri),
            (field::EPID, &epid),
            (field::REFER_TO_URI, &refer_to_uri),
        ];
        for (field, value) in rest {
            if let Some(value) = value {
                self.packer.put(field, value);
            }
        }
        while child(tokens, "endpoint")? {
            match tokens.key() {
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
                    self.packer.put(field::ENDPOINT_URI, trim(&text(tokens)?));
                }
                (Ns::InfoExt, b"refer-to-uri") if refer_to_uri.is_none() => {
                    self.packer.put(field::REFER_TO_URI, trim(&text(tokens)?));
                }
                _ => skip(tokens)?,
            }
        }
        Ok(())
    }

    fn client_info(&mut self, tokens: &mut Tokens<'_>) -> Result<()> {
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

    fn media(&mut self, tokens: &mut Tokens<'_>) -> Result<()> {
        self.count_entry(tokens)?;
        let mut id = None;
        for attribute in tokens.attributes() {
            if attribute.ns != Ns::Foreign
                && attribute.local == b"id"
                && id.replace(attribute.bytes()?).is_some()
            {
                return Err(fault(tokens, ErrorKind::DuplicateAttribute));
            }
        }
        let id = id.ok_or_else(|| fault(tokens, ErrorKind::Missing("@id")))?;
        self.packer.put(field::MEDIA, &id);
        while child(tokens, "media")? {
            match tokens.key() {
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
        }
        Ok(())
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
