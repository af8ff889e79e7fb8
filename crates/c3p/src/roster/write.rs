//! From a roster to the bytes of a document.
//!
//! People are written from the text in which they are kept, field by field: a hundred thousand of them are written in the
//! time that copying their document a few times takes.

use std::sync::LazyLock;

use bytes::Bytes;

use super::field;
use super::fields::FieldBytes;
use super::person::Person;
use super::word::{FIRST_CODE, Word};
use super::{Differences, Kind, Roster};
use crate::info::{
    AccessMethod, AuthMethod, ConferenceInfo, DisconnectionMethod, EndpointStatus, Filter, Form,
    JoiningMethod, MediaStatus, Role, SessionType, State, Views, write_frame,
};
use crate::xml::{Writer, escape};

/// What a person takes in a document, about; rather more, so that the buffer never grows.
const PERSON_BYTES: usize = 1_500;

/// A full document.
pub(super) fn full(roster: &Roster) -> Bytes {
    let mut out = Writer::document_of(4_096 + roster.len() * PERSON_BYTES);
    let about = ConferenceInfo { state: State::Full, ..roster.about().clone() };
    write_frame(&mut out, &about, Form::Document, |out| {
        out.start("users").attribute("state", State::Full.as_str());
        let words = &*WORDS;
        roster.people().for_each(|person| write_person(out.content(), person, words));
        out.end();
    });
    out.finish()
}

/// A partial document with what differs: people who are there complete, the others as deleted.
pub(super) fn partial(differences: &Differences, new: &Roster) -> Bytes {
    let mut out = Writer::document_of(4_096 + differences.people.len() * PERSON_BYTES);
    let all = new.about();
    let views = differences.views.iter().map(|entity| {
        let gone =
            || crate::info::EntityView { state: State::Deleted, ..crate::info::EntityView::new(entity) };
        all.views().find(|view| view.entity == *entity).cloned().unwrap_or_else(gone)
    });
    let views = Views { state: State::Partial, views: views.collect() };
    let about = ConferenceInfo {
        version: all.version,
        description: all.description.clone().filter(|_| differences.description),
        host_info: all.host_info.clone().filter(|_| differences.host_info),
        conference_state: all.conference_state.clone().filter(|_| differences.conference_state),
        views: (!views.views.is_empty()).then_some(views),
        ..ConferenceInfo::partial(all.entity.as_str())
    };
    write_frame(&mut out, &about, Form::Document, |out| {
        if differences.people.is_empty() {
            return;
        }
        out.start("users").attribute("state", State::Partial.as_str());
        let words = &*WORDS;
        for difference in &differences.people {
            match difference.kind() {
                Kind::Left => {
                    out.start("user").attribute("entity", difference.person().entity());
                    out.attribute("state", State::Deleted.as_str()).end();
                }
                Kind::Updated | Kind::Joined => write_person(out.content(), difference.person(), words),
            }
        }
        out.end();
    });
    out.finish()
}

/// What stands before and behind the value of a field that is an attribute, or an element with nothing but text.
fn frame(field: u8) -> (&'static [u8], &'static [u8]) {
    match field {
        field::DISPLAY_TEXT | field::ENDPOINT_DISPLAY_TEXT | field::MEDIA_DISPLAY_TEXT => {
            (b"<display-text>", b"</display-text>")
        }
        field::ROLE => (b"<entry>", b"</entry>"),
        field::CASCADED_FOCUS => (b"<cascaded-focus>", b"</cascaded-focus>"),
        field::SESSION_TYPE => (b" msci:session-type=\"", b"\""),
        field::ENDPOINT_URI => (b" msci:endpoint-uri=\"", b"\""),
        field::EPID => (b" msci:epid=\"", b"\""),
        field::REFER_TO_URI => (b" msci:refer-to-uri=\"", b"\""),
        field::STATUS | field::MEDIA_STATUS => (b"<status>", b"</status>"),
        field::JOINING_METHOD => (b"<joining-method>", b"</joining-method>"),
        field::DISCONNECTION_METHOD => (b"<disconnection-method>", b"</disconnection-method>"),
        field::ACCESS_METHOD => (b"<msci:accessMethod>", b"</msci:accessMethod>"),
        field::AUTH_METHOD => (b"<msci:authMethod>", b"</msci:authMethod>"),
        field::MEDIA_KIND => (b"<type>", b"</type>"),
        field::MEDIA_LABEL => (b"<label>", b"</label>"),
        field::SRC_ID => (b"<src-id>", b"</src-id>"),
        field::INGRESS_FILTER => (b"<msci:media-ingress-filter>", b"</msci:media-ingress-filter>"),
        field::EGRESS_FILTER => (b"<msci:media-egress-filter>", b"</msci:media-egress-filter>"),
        field::MEDIA_STATE => (b"<msci:media-state>", b"</msci:media-state>"),
        field::MEDIA_SOURCE_ID => (b"<msci:media-source-id>", b"</msci:media-source-id>"),
        _ => (b"", b""),
    }
}

/// The fields whose values are words, each with all its words as they are written: whole elements, or attributes.
struct Words {
    written: [Vec<Vec<u8>>; 32],
}

static WORDS: LazyLock<Words> = LazyLock::new(Words::new);

impl Words {
    fn new() -> Self {
        let mut words = Self { written: Default::default() };
        words.add::<Role>(&[field::ROLE]);
        words.add::<SessionType>(&[field::SESSION_TYPE]);
        words.add::<EndpointStatus>(&[field::STATUS]);
        words.add::<JoiningMethod>(&[field::JOINING_METHOD]);
        words.add::<DisconnectionMethod>(&[field::DISCONNECTION_METHOD]);
        words.add::<AccessMethod>(&[field::ACCESS_METHOD]);
        words.add::<AuthMethod>(&[field::AUTH_METHOD]);
        words.add::<MediaStatus>(&[field::MEDIA_STATUS]);
        words.add::<Filter>(&[field::INGRESS_FILTER, field::EGRESS_FILTER]);
        words
    }

    fn add<W: Word>(&mut self, fields: &[u8]) {
        for field in fields {
            let (before, behind) = frame(*field);
            let written = W::WORDS.iter().map(|word| [before, word.as_bytes(), behind].concat());
            if let Some(place) = self.written.get_mut(usize::from(field::rank(*field))) {
                *place = written.collect();
            }
        }
    }

    /// A field as it is written, if it is a word that is known.
    #[inline]
    fn get(&self, field: u8, code: u8) -> Option<&[u8]> {
        let all = self.written.get(usize::from(field::rank(field)))?;
        all.get(usize::from(code.checked_sub(FIRST_CODE)?)).map(Vec::as_slice)
    }
}

/// A `user` element.
fn write_person(out: &mut Vec<u8>, person: &Person, words: &Words) {
    let mut fields = FieldBytes::of(person);
    let Some((_, entity)) = fields.next() else { return };
    out.extend_from_slice(b"<user entity=\"");
    escape(out, entity, true);
    if fields.peek().is_none() {
        out.extend_from_slice(b"\" state=\"full\"/>");
        return;
    }
    out.extend_from_slice(b"\" state=\"full\">");
    let mut last = field::ENTITY;
    while let Some((field, value)) = fields.next() {
        match field {
            field::ENDPOINT => write_endpoint(out, value, &mut fields, words),
            field::AOR | field::ROLE | field::LANGUAGE => {
                write_item(out, field, value, last != field, fields.peek() != Some(field), words);
            }
            _ => write_text(out, field, value),
        }
        last = field;
    }
    out.extend_from_slice(b"</user>");
}

/// One of a list, with the list's tags if it is the first or the last.
fn write_item(out: &mut Vec<u8>, field: u8, value: &[u8], is_first: bool, is_last: bool, words: &Words) {
    let (begin, end): (&[u8], &[u8]) = match field {
        field::AOR => (b"<associated-aors>", b"</associated-aors>"),
        field::ROLE => (b"<roles>", b"</roles>"),
        _ => (b"<languages>", b"</languages>"),
    };
    if is_first {
        out.extend_from_slice(begin);
    }
    match field {
        field::AOR if value.is_empty() => out.extend_from_slice(b"<entry><uri/></entry>"),
        field::AOR => {
            out.extend_from_slice(b"<entry><uri>");
            escape(out, value, false);
            out.extend_from_slice(b"</uri></entry>");
        }
        field::ROLE => write_word(out, field, value, words),
        _ => {
            if !is_first {
                out.push(b' ');
            }
            escape(out, value, false);
        }
    }
    if is_last {
        out.extend_from_slice(end);
    }
}

/// A field that is an element with nothing but text.
#[inline]
fn write_text(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    let (before, behind) = frame(field);
    match before {
        // An element without content closes itself.
        [tag @ .., b'>'] if value.is_empty() => {
            out.extend_from_slice(tag);
            out.extend_from_slice(b"/>");
        }
        _ => {
            out.extend_from_slice(before);
            escape(out, value, false);
            out.extend_from_slice(behind);
        }
    }
}

/// A field that is an attribute.
#[inline]
fn write_attribute(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    let (before, behind) = frame(field);
    out.extend_from_slice(before);
    escape(out, value, true);
    out.extend_from_slice(behind);
}

/// A field that is a word.
#[inline]
fn write_word(out: &mut Vec<u8>, field: u8, value: &[u8], words: &Words) {
    match value {
        [b'=', other @ ..] if field == field::SESSION_TYPE => write_attribute(out, field, other),
        [b'=', other @ ..] => write_text(out, field, other),
        [code] => out.extend_from_slice(words.get(field, *code).unwrap_or_default()),
        _ => {}
    }
}

/// An `endpoint` element. Its fields come in the order in which they are written, but for the streams, which stand between
/// those of the standard and those of the extensions.
fn write_endpoint(out: &mut Vec<u8>, entity: &[u8], fields: &mut FieldBytes<'_>, words: &Words) {
    out.extend_from_slice(b"<endpoint entity=\"");
    escape(out, entity, true);
    out.push(b'"');
    while let Some((field, value)) = fields.next_if(|field| {
        field::rank(field) < field::rank(field::ENDPOINT_DISPLAY_TEXT) && field != field::ENDPOINT
    }) {
        match field {
            field::SESSION_TYPE => write_word(out, field, value, words),
            field::ENDPOINT_URI | field::SAME_URI => {
                write_attribute(out, field::ENDPOINT_URI, fields.uri(field, value));
            }
            field::EPID | field::SAME_EPID => write_attribute(out, field::EPID, fields.epid(field, value)),
            field::REFER_TO_URI => write_attribute(out, field, value),
            _ => {}
        }
    }
    if fields.peek().is_none_or(|field| field == field::ENDPOINT) {
        out.extend_from_slice(b"/>");
        return;
    }
    out.push(b'>');
    while let Some((field, value)) = fields.next_if(|field| {
        (field::rank(field::ENDPOINT_DISPLAY_TEXT)..field::rank(field::ACCESS_METHOD))
            .contains(&field::rank(field))
    }) {
        match field {
            field::ENDPOINT_DISPLAY_TEXT => write_text(out, field, value),
            _ => write_word(out, field, value, words),
        }
    }
    let mut extensions = *fields;
    while fields
        .next_if(|field| (field::rank(field::ACCESS_METHOD)..field::MEDIA_RANK).contains(&field::rank(field)))
        .is_some()
    {}
    while let Some((_, id)) = fields.next_if(|field| field == field::MEDIA) {
        write_media(out, id, fields, words);
    }
    while let Some((field, value)) = extensions
        .next_if(|field| (field::rank(field::ACCESS_METHOD)..field::MEDIA_RANK).contains(&field::rank(field)))
    {
        match (field, value) {
            (field::LOBBY_CAPABLE, b"1") => write_lobby_capable(out, b"true"),
            (field::LOBBY_CAPABLE, _) => write_lobby_capable(out, b"false"),
            _ => write_word(out, field, value, words),
        }
    }
    out.extend_from_slice(b"</endpoint>");
}

fn write_lobby_capable(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(b"<msci:clientInfo><cis:separator/><msci2:lobby-capable>");
    out.extend_from_slice(value);
    out.extend_from_slice(b"</msci2:lobby-capable></msci:clientInfo>");
}

/// A `media` element.
fn write_media(out: &mut Vec<u8>, id: &[u8], fields: &mut FieldBytes<'_>, words: &Words) {
    out.extend_from_slice(b"<media id=\"");
    escape(out, id, true);
    if fields.peek().is_none_or(|field| field::rank(field) <= field::MEDIA_RANK) {
        out.extend_from_slice(b"\"/>");
        return;
    }
    out.extend_from_slice(b"\">");
    while let Some((field, value)) = fields.next_if(|field| field::rank(field) > field::MEDIA_RANK) {
        match field {
            field::MEDIA_STATUS | field::INGRESS_FILTER | field::EGRESS_FILTER => {
                write_word(out, field, value, words)
            }
            _ => write_text(out, field, value),
        }
    }
    out.extend_from_slice(b"</media>");
}
