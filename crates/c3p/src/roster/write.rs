//! From a roster to the bytes of a document.
//!
//! People are written from the text in which they are kept, field by field: a hundred thousand of them are written in the
//! time that copying their document a few times takes.

use bytes::Bytes;

use super::person::{EndpointRef, Person, field};
use super::{Differences, Kind, Roster};
use crate::info::{ConferenceInfo, Form, State, Views, write_frame};
use crate::xml::Writer;

/// What a person takes in a document, about; rather more, so that the buffer never grows.
const PERSON_BYTES: usize = 1_500;

/// A full document.
pub(super) fn full(roster: &Roster) -> Bytes {
    let mut out = Writer::document_of(4_096 + roster.len() * PERSON_BYTES);
    let about = ConferenceInfo { state: State::Full, ..roster.about().clone() };
    write_frame(&mut out, &about, Form::Document, |out| {
        out.start("users").attribute("state", State::Full.as_str());
        roster.people().for_each(|person| write_person(out, person));
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
        for difference in &differences.people {
            match difference.kind() {
                Kind::Left => {
                    out.start("user").attribute("entity", difference.person().entity());
                    out.attribute("state", State::Deleted.as_str()).end();
                }
                Kind::Updated | Kind::Joined => write_person(out, difference.person()),
            }
        }
        out.end();
    });
    out.finish()
}

/// A `user` element.
fn write_person(out: &mut Writer, person: &Person) {
    out.start("user").attribute("entity", person.entity()).attribute("state", State::Full.as_str());
    out.leaf_if("display-text", person.display_text());
    list(out, "associated-aors", person.associated_aors(), |out, uri| {
        out.start("entry").leaf("uri", uri).end();
    });
    list(out, "roles", person.roles(), |out, role| {
        out.leaf("entry", role.as_str());
    });
    let mut languages = person.languages().peekable();
    if languages.peek().is_some() {
        let words: Vec<&str> = languages.collect();
        out.leaf("languages", &words.join(" "));
    }
    out.leaf_if("cascaded-focus", person.cascaded_focus());
    person.endpoints().for_each(|endpoint| write_endpoint(out, endpoint));
    out.end();
}

fn list<T>(
    out: &mut Writer,
    name: &'static str,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Writer, T),
) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        out.start(name);
        items.for_each(|item| write(out, item));
        out.end();
    }
}

/// An `endpoint` element. Its fields come in the order in which they are written, but for the streams, which stand between
/// those of the standard and those of the extensions.
fn write_endpoint(out: &mut Writer, endpoint: EndpointRef<'_>) {
    out.start("endpoint").attribute("entity", endpoint.entity());
    out.attribute_if("msci:session-type", endpoint.session_type().as_ref().map(|kind| kind.as_str()));
    let own = || endpoint.fields().skip(1).take_while(|(field, _)| *field != field::MEDIA);
    for (field, value) in own() {
        match field {
            field::ENDPOINT_URI => drop(out.attribute("msci:endpoint-uri", value)),
            field::EPID => drop(out.attribute("msci:epid", value)),
            field::REFER_TO_URI => drop(out.attribute("msci:refer-to-uri", value)),
            field::ENDPOINT_DISPLAY_TEXT => drop(out.leaf("display-text", value)),
            _ => {}
        }
    }
    out.leaf_if("status", endpoint.status().map(|word| word.as_str()))
        .leaf_if("joining-method", endpoint.joining_method().map(|word| word.as_str()))
        .leaf_if("disconnection-method", endpoint.disconnection_method().map(|word| word.as_str()));
    for media in endpoint.media() {
        out.start("media").attribute("id", media.id());
        out.leaf_if("display-text", media.display_text())
            .leaf_if("type", media.kind())
            .leaf_if("label", media.label())
            .leaf_if("src-id", media.src_id())
            .leaf_if("status", media.status().map(|word| word.as_str()))
            .leaf_if("msci:media-ingress-filter", media.ingress_filter().map(|word| word.as_str()))
            .leaf_if("msci:media-egress-filter", media.egress_filter().map(|word| word.as_str()))
            .leaf_if("msci:media-state", media.media_state())
            .leaf_if("msci:media-source-id", media.media_source_id());
        out.end();
    }
    out.leaf_if("msci:accessMethod", endpoint.access_method().map(|word| word.as_str()))
        .leaf_if("msci:authMethod", endpoint.auth_method().map(|word| word.as_str()));
    if let Some(capable) = endpoint.lobby_capable() {
        out.start("msci:clientInfo").start("cis:separator").end();
        out.boolean_if("msci2:lobby-capable", Some(capable)).end();
    }
    out.end();
}
