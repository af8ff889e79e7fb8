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

use super::field;
use super::fields::{Fields, Groups};
use super::packer::Packer;
use super::parts::{Parts, Values};
use super::tree::Keyed;
use super::word::Word;
use crate::info::{
    AccessMethod, AuthMethod, ConfUri, DisconnectionMethod, Endpoint, EndpointStatus, Filter, JoiningMethod,
    Media, MediaStatus, Role, SessionType, User,
};

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
pub struct Person(pub(super) Arc<str>);

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
