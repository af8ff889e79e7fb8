//! Reading of the roster document: one table of elements per level.

use super::{
    AccessMethod, AccessNumbers, AdmissionPolicy, AuthMethod, CallInfo, ConfUri, ConferenceInfo,
    ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus, EntityState, EntityView,
    Execution, Extension, Filter, HostInfo, JoiningMethod, McuState, McuStatus, Media, MediaEntry,
    MediaFilters, MediaStatus, NamedValue, NamedValues, Organizer, PstnAccess, Region, Role, RoleFilter,
    SessionType, State, User, Users, Views,
};
use crate::any::{AnyAttribute, AnyContent};
use crate::xml::{Element, Ns, Reader, uri};
use crate::{DocumentError, ErrorKind, Limits};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// What a table has no row for, kept with the group of extensions in which it stood.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    group: u8,
    kept: Vec<Extension>,
}

impl Keeper {
    /// Keeps the element whose start tag was read last, or counts it if it is a separator.
    pub(crate) fn keep(&mut self, reader: &mut Reader<'_>, element: &Element) -> Result<()> {
        if element.key() == (Ns::Separator, "separator") {
            self.group = self.group.saturating_add(1).min(Extension::GROUPS_MAX);
        } else if let Some(element) = reader.any()? {
            reader.count_entry()?;
            self.kept.push(Extension { group: self.group, element });
        }
        Ok(())
    }

    /// All that was kept, in order.
    pub(crate) fn into_kept(self) -> Vec<Extension> {
        self.kept
    }
}

/// Reads a whole document.
pub(super) fn parse(body: &[u8], limits: &Limits) -> Result<ConferenceInfo> {
    let mut reader = Reader::new(body, limits)?;
    let root = reader.root()?;
    if root.key() != (Ns::Info, "conference-info") {
        return Err(root.error(ErrorKind::WrongRoot, ""));
    }
    let info = read_conference_info(&mut reader, root)?;
    reader.finish()?;
    Ok(info)
}

pub(crate) fn read_state(element: &mut Element, within: &'static str) -> Result<State> {
    let Some(word) = element.take("state")? else { return Ok(State::Full) };
    State::from_token(word.trim()).ok_or_else(|| element.error(ErrorKind::BadValue("@state"), within))
}

/// Reads a `conference-info` element whose start tag was read.
pub(crate) fn read_conference_info(reader: &mut Reader<'_>, element: Element<'_>) -> Result<ConferenceInfo> {
    let mut users = None;
    let mut info = read_all_but_users(reader, element, |reader, element| {
        users = Some(read_users(reader, element)?);
        Ok(())
    })?;
    info.users = users;
    Ok(info)
}

/// Reads a `conference-info` element whose start tag was read; `read_users` reads `users`, which is there once at most.
pub(crate) fn read_all_but_users<'a>(
    reader: &mut Reader<'a>,
    mut element: Element<'_>,
    mut read_users: impl FnMut(&mut Reader<'a>, Element<'a>) -> Result<()>,
) -> Result<ConferenceInfo> {
    const NAME: &str = "conference-info";
    let mut info = ConferenceInfo {
        entity: element.require("entity", "@entity", NAME)?,
        state: read_state(&mut element, NAME)?,
        version: element.number("version", "@version", NAME)?,
        is_static: element.boolean("static", "@static", NAME)?,
        ..ConferenceInfo::default()
    };
    let mut has_users = false;
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "conference-description") => info.description = Some(read_description(reader)?),
            (Ns::Info, "host-info") => info.host_info = Some(read_host_info(reader)?),
            (Ns::Info, "conference-state") => info.conference_state = Some(read_conference_state(reader)?),
            // A second collection could not be told from a replacement of the first.
            (Ns::Info, "users") if has_users => {
                return Err(reader.error(ErrorKind::Repeated("users")));
            }
            (Ns::Info, "users") => {
                has_users = true;
                read_users(reader, element)?;
            }
            (Ns::InfoExt, "conference-view") if info.views.is_some() => {
                return Err(reader.error(ErrorKind::Repeated("conference-view")));
            }
            (Ns::InfoExt, "conference-view") => info.views = Some(read_views(reader, element)?),
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    info.extensions = unknown.into_kept();
    Ok(info)
}

fn read_description(reader: &mut Reader<'_>) -> Result<Description> {
    let mut found = Description::default();
    let mut unknown = Keeper::default();
    reader.children("conference-description", |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => found.display_text = Some(reader.text()?),
            (Ns::Info, "subject") => found.subject = Some(reader.text()?),
            (Ns::Info, "free-text") => found.free_text = Some(reader.text()?),
            (Ns::Info, "keywords") => found.keywords = read_words(reader)?,
            (Ns::Info, "conf-uris") => found.conf_uris = read_uris(reader, "conf-uris")?,
            (Ns::Info, "service-uris") => found.service_uris = read_uris(reader, "service-uris")?,
            (Ns::Info, "available-media") => {
                found.available_media = read_media_entries(reader, "available-media")?;
            }
            (Ns::Info, "maximum-user-count") => {
                found.maximum_user_count = Some(reader.number("maximum-user-count")?);
            }
            (Ns::InfoExt, _) => {
                if !read_description_extension(reader, &element, &mut found)? {
                    unknown.keep(reader, &element)?;
                }
            }
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    found.extensions = unknown.into_kept();
    Ok(found)
}

/// Reads an element of the extensions, if it is one that is known.
fn read_description_extension(
    reader: &mut Reader<'_>,
    element: &Element,
    found: &mut Description,
) -> Result<bool> {
    match element.name.as_str() {
        "conference-id" => found.conference_id = Some(reader.trimmed()?),
        "conference-key" => found.conference_key = Some(reader.text()?),
        "last-update" => found.last_update = Some(reader.trimmed()?),
        "last-activate" => found.last_activate = Some(reader.trimmed()?),
        "is-active" => found.is_active = Some(reader.boolean("is-active")?),
        "expiry-time" => found.expiry_time = Some(reader.trimmed()?),
        "admission-policy" => found.admission_policy = Some(reader.word(AdmissionPolicy::from_token)?),
        "organizer-roaming-data" => found.organizer_roaming_data = Some(reader.text()?),
        "notification-data" => found.notification_data = Some(reader.text()?),
        "version" => found.record_version = Some(reader.number("version")?),
        "pstn-access" => found.pstn_access = Some(read_pstn_access(reader)?),
        "autopromote" => found.autopromote = Some(reader.number("autopromote")?),
        "pstn-lobby-bypass" => found.pstn_lobby_bypass = Some(reader.boolean("pstn-lobby-bypass")?),
        "organizer" => found.organizer = Some(read_organizer(reader)?),
        "join-url" => found.join_url = Some(reader.trimmed()?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads a list of words with blanks between them.
fn read_words(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let text = reader.text()?;
    let words = text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            reader.count_entry()?;
            Ok(word.to_owned())
        })
        .collect()
}

fn read_execution(reader: &mut Reader<'_>, within: &'static str) -> Result<Execution> {
    let mut found = Execution::default();
    reader.children(within, |reader, element| {
        match element.key() {
            (Ns::Info, "when") => found.when = Some(reader.trimmed()?),
            (Ns::Info, "reason") => found.reason = Some(reader.text()?),
            (Ns::Info, "by") => found.by = Some(reader.trimmed()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

fn read_host_info(reader: &mut Reader<'_>) -> Result<HostInfo> {
    let mut found = HostInfo::default();
    let mut unknown = Keeper::default();
    reader.children("host-info", |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => found.display_text = Some(reader.text()?),
            (Ns::Info, "web-page") => found.web_page = Some(reader.trimmed()?),
            (Ns::Info, "uris") => found.uris = read_uris(reader, "uris")?,
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    found.extensions = unknown.into_kept();
    Ok(found)
}

/// Reads the entries of `conf-uris` and its like.
fn read_uris(reader: &mut Reader<'_>, within: &'static str) -> Result<Vec<ConfUri>> {
    let mut entries = Vec::new();
    reader.children(within, |reader, element| {
        if element.key() == (Ns::Info, "entry") {
            reader.count_entry()?;
            let mut entry = ConfUri::default();
            let mut unknown = Keeper::default();
            reader.children("entry", |reader, element| {
                match element.key() {
                    (Ns::Info, "uri") => entry.uri = reader.trimmed()?,
                    (Ns::Info, "display-text") => entry.display_text = Some(reader.text()?),
                    (Ns::Info, "purpose") => entry.purpose = Some(reader.trimmed()?),
                    (Ns::Info, "modified") => entry.modified = Some(read_execution(reader, "modified")?),
                    _ => unknown.keep(reader, &element)?,
                }
                Ok(())
            })?;
            entry.extensions = unknown.into_kept();
            entries.push(entry);
        }
        Ok(())
    })?;
    Ok(entries)
}

fn read_pstn_access(reader: &mut Reader<'_>) -> Result<PstnAccess> {
    let mut found = PstnAccess::default();
    let mut unknown = Keeper::default();
    reader.children("pstn-access", |reader, element| {
        match element.key() {
            (Ns::Info | Ns::InfoExt, "id") => found.id = Some(reader.trimmed()?),
            (Ns::Info | Ns::InfoExt, "access-numbers") => {
                found.access_numbers = Some(read_access_numbers(reader)?);
            }
            (Ns::Info | Ns::InfoExt, "region") => found.region = Some(reader.text()?),
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    found.extensions = unknown.into_kept();
    Ok(found)
}

/// Reads `access-numbers`, in the namespace of the commands or of the roster document.
pub(crate) fn read_access_numbers(reader: &mut Reader<'_>) -> Result<AccessNumbers> {
    let mut found = AccessNumbers::default();
    reader.children("access-numbers", |reader, mut element| {
        match element.key() {
            (Ns::C3p | Ns::Info | Ns::InfoExt, "region") => {
                reader.count_entry()?;
                let name = element.require("name", "@name", "region")?;
                found.regions.push(Region { name, numbers: read_numbers(reader)? });
            }
            (Ns::C3p | Ns::Info | Ns::InfoExt, "default-region") => {
                found.default_region = Some(reader.text()?);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads the numbers of one region.
fn read_numbers(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let mut numbers = Vec::new();
    reader.children("region", |reader, element| {
        if let (Ns::C3p | Ns::Info | Ns::InfoExt, "access-number") = element.key() {
            reader.children("access-number", |reader, element| {
                if let (Ns::C3p | Ns::Info | Ns::InfoExt, "number") = element.key() {
                    reader.count_entry()?;
                    numbers.push(reader.trimmed()?);
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(numbers)
}

fn read_organizer(reader: &mut Reader<'_>) -> Result<Organizer> {
    let mut found = Organizer::default();
    let mut unknown = Keeper::default();
    reader.children("organizer", |reader, element| {
        match element.key() {
            (Ns::Info | Ns::InfoExt, "display-name") => found.display_name = Some(reader.text()?),
            (Ns::Info | Ns::InfoExt, "uri") => found.uri = Some(reader.trimmed()?),
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    found.extensions = unknown.into_kept();
    Ok(found)
}

fn read_conference_state(reader: &mut Reader<'_>) -> Result<ConferenceState> {
    const NAME: &str = "conference-state";
    let mut found = ConferenceState::default();
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, mut element| {
        match element.key() {
            (Ns::Info, "user-count") => found.user_count = Some(reader.number("user-count")?),
            (Ns::Info, "active") => found.active = Some(reader.boolean("active")?),
            (Ns::Info, "locked") => found.locked = Some(reader.boolean("locked")?),
            (Ns::Recovery, "termination-countdown") => {
                found.termination_countdown = element.number("remaining", "@remaining", NAME)?;
            }
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    found.extensions = unknown.into_kept();
    Ok(found)
}

fn read_users(reader: &mut Reader<'_>, mut element: Element) -> Result<Users> {
    let mut found = Users { state: read_state(&mut element, "users")?, users: Vec::new() };
    reader.children("users", |reader, element| {
        if element.key() == (Ns::Info, "user") {
            found.users.push(read_user(reader, element)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads a `user` element whose start tag was read.
pub(crate) fn read_user(reader: &mut Reader<'_>, mut element: Element) -> Result<User> {
    const NAME: &str = "user";
    reader.count_entry()?;
    let mut user = User {
        entity: element.require("entity", "@entity", NAME)?,
        state: read_state(&mut element, NAME)?,
        ..User::default()
    };
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => user.display_text = Some(reader.text()?),
            // A list may come in pieces: the roster's reader, too, takes them together.
            (Ns::Info, "associated-aors") => {
                user.associated_aors.extend(read_uris(reader, "associated-aors")?);
            }
            (Ns::Info, "roles") => user.roles.extend(read_roles(reader, "roles")?),
            (Ns::Info, "languages") => user.languages.extend(read_words(reader)?),
            (Ns::Info, "cascaded-focus") => user.cascaded_focus = Some(reader.trimmed()?),
            (Ns::Info, "endpoint") => user.endpoints.push(read_endpoint(reader, element)?),
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    user.extensions = unknown.into_kept();
    Ok(user)
}

/// Reads the entries of `roles` or `user-roles`.
pub(crate) fn read_roles(reader: &mut Reader<'_>, within: &'static str) -> Result<Vec<Role>> {
    let mut roles = Vec::new();
    reader.children(within, |reader, element| {
        if element.key() == (Ns::Info, "entry") {
            reader.count_entry()?;
            roles.push(reader.word(Role::from_token)?);
        }
        Ok(())
    })?;
    Ok(roles)
}

/// Reads an `endpoint` element whose start tag was read.
pub(crate) fn read_endpoint(reader: &mut Reader<'_>, mut element: Element) -> Result<Endpoint> {
    const NAME: &str = "endpoint";
    reader.count_endpoint()?;
    let mut endpoint = Endpoint {
        entity: element.require("entity", "@entity", NAME)?,
        state: read_state(&mut element, NAME)?,
        session_type: element.take("session-type")?.map(|word| SessionType::from_token(word.trim())),
        endpoint_uri: element.take("endpoint-uri")?,
        epid: element.take("epid")?,
        refer_to_uri: element.take("refer-to-uri")?,
        ..Endpoint::default()
    };
    let mut unknown = Keeper::default();
    // Of an element that stands twice the last word that is known counts, as in the roster's reader.
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => endpoint.display_text = Some(reader.text()?),
            (Ns::Info, "referred") => endpoint.referred = Some(read_execution(reader, "referred")?),
            (Ns::Info, "status") => {
                endpoint.status = reader.word(EndpointStatus::from_token)?.or(endpoint.status)
            }
            (Ns::Info, "joining-method") => {
                endpoint.joining_method = reader.word(JoiningMethod::from_token)?.or(endpoint.joining_method)
            }
            (Ns::Info, "joining-info") => {
                endpoint.joining_info = Some(read_execution(reader, "joining-info")?);
            }
            (Ns::Info, "disconnection-method") => {
                endpoint.disconnection_method =
                    reader.word(DisconnectionMethod::from_token)?.or(endpoint.disconnection_method);
            }
            (Ns::Info, "disconnection-info") => {
                endpoint.disconnection_info = Some(read_execution(reader, "disconnection-info")?);
            }
            (Ns::Info, "media") => endpoint.media.push(read_media(reader, element)?),
            (Ns::Info, "call-info") => endpoint.call_info = read_call_info(reader)?,
            (Ns::InfoExt, _) => {
                if !read_endpoint_extension(reader, &element, &mut endpoint)? {
                    unknown.keep(reader, &element)?;
                }
            }
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    endpoint.extensions = unknown.into_kept();
    Ok(endpoint)
}

/// Reads an element of the extensions, if it is one that is known.
fn read_endpoint_extension(
    reader: &mut Reader<'_>,
    element: &Element,
    endpoint: &mut Endpoint,
) -> Result<bool> {
    match element.name.as_str() {
        "accessMethod" => {
            endpoint.access_method = reader.word(AccessMethod::from_token)?.or(endpoint.access_method)
        }
        "authMethod" => endpoint.auth_method = reader.word(AuthMethod::from_token)?.or(endpoint.auth_method),
        "clientInfo" => {
            let (capable, client_info) = read_client_info(reader)?;
            endpoint.lobby_capable = capable.or(endpoint.lobby_capable);
            endpoint.client_info = client_info;
        }
        "connection-info" => endpoint.connection_info = read_connection_info(reader)?,
        // Attributes here; others may write elements.
        "endpoint-uri" if endpoint.endpoint_uri.is_none() => endpoint.endpoint_uri = Some(reader.trimmed()?),
        "refer-to-uri" if endpoint.refer_to_uri.is_none() => endpoint.refer_to_uri = Some(reader.trimmed()?),
        "endpoint-uri" | "refer-to-uri" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_call_info(reader: &mut Reader<'_>) -> Result<Option<CallInfo>> {
    let mut found = None;
    reader.children("call-info", |reader, element| {
        if element.key() == (Ns::Info, "sip") {
            let mut call = CallInfo::default();
            reader.children("sip", |reader, element| {
                match element.key() {
                    (Ns::Info, "display-text") => call.display_text = Some(reader.text()?),
                    (Ns::Info, "call-id") => call.call_id = reader.trimmed()?,
                    (Ns::Info, "from-tag") => call.from_tag = reader.trimmed()?,
                    (Ns::Info, "to-tag") => call.to_tag = reader.trimmed()?,
                    _ => {}
                }
                Ok(())
            })?;
            found = Some(call);
        }
        Ok(())
    })?;
    Ok(found)
}

fn read_client_info(reader: &mut Reader<'_>) -> Result<(Option<bool>, Vec<Extension>)> {
    let mut lobby_capable = None;
    let mut unknown = Keeper::default();
    reader.children("clientInfo", |reader, element| {
        if element.key() == (Ns::InfoExt, "lobby-capable") {
            lobby_capable = Some(reader.boolean("lobby-capable")?);
            return Ok(());
        }
        unknown.keep(reader, &element)
    })?;
    Ok((lobby_capable, unknown.into_kept()))
}

fn read_connection_info(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>> {
    let mut entries = Vec::new();
    reader.children("connection-info", |reader, element| {
        if let (Ns::Info | Ns::InfoExt, "entry") = element.key() {
            reader.count_entry()?;
            let (mut key, mut value) = (String::new(), String::new());
            reader.children("entry", |reader, element| {
                match element.key() {
                    (Ns::Info | Ns::InfoExt, "key") => key = reader.trimmed()?,
                    (Ns::Info | Ns::InfoExt, "value") => value = reader.trimmed()?,
                    _ => {}
                }
                Ok(())
            })?;
            entries.push((key, value));
        }
        Ok(())
    })?;
    Ok(entries)
}

/// Reads a `media` element of an endpoint whose start tag was read.
pub(crate) fn read_media(reader: &mut Reader<'_>, mut element: Element) -> Result<Media> {
    const NAME: &str = "media";
    reader.count_entry()?;
    let mut media = Media { id: element.require("id", "@id", NAME)?, ..Media::default() };
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => media.display_text = Some(reader.text()?),
            (Ns::Info, "type") => media.kind = Some(reader.trimmed()?),
            (Ns::Info, "label") => media.label = Some(reader.trimmed()?),
            (Ns::Info, "src-id") => media.src_id = Some(reader.trimmed()?),
            (Ns::Info, "status") => media.status = reader.word(MediaStatus::from_token)?.or(media.status),
            (Ns::InfoExt, "media-ingress-filter") => {
                media.ingress_filter = reader.word(Filter::from_token)?.or(media.ingress_filter)
            }
            (Ns::InfoExt, "media-egress-filter") => {
                media.egress_filter = reader.word(Filter::from_token)?.or(media.egress_filter)
            }
            (Ns::InfoExt, "media-state") => media.media_state = Some(reader.trimmed()?),
            (Ns::InfoExt, "media-source-id") => media.media_source_id = Some(reader.trimmed()?),
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    media.extensions = unknown.into_kept();
    Ok(media)
}

fn read_views(reader: &mut Reader<'_>, mut element: Element) -> Result<Views> {
    const NAME: &str = "conference-view";
    let mut found = Views { state: read_state(&mut element, NAME)?, views: Vec::new() };
    reader.children(NAME, |reader, element| {
        if element.key() == (Ns::InfoExt, "entity-view") {
            found.views.push(read_entity_view(reader, element)?);
        }
        Ok(())
    })?;
    Ok(found)
}

fn read_entity_view(reader: &mut Reader<'_>, mut element: Element) -> Result<EntityView> {
    const NAME: &str = "entity-view";
    reader.count_entry()?;
    let mut view = EntityView {
        entity: element.require("entity", "@entity", NAME)?,
        state: read_state(&mut element, NAME)?,
        ..EntityView::default()
    };
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::InfoExt, "entity-capabilities") => {
                view.capabilities = Some(read_named_values(reader, "entity-capabilities")?);
            }
            (Ns::InfoExt, "entity-policy") => view.policy = Some(read_named_values(reader, "entity-policy")?),
            (Ns::InfoExt, "entity-settings") => {
                view.settings = Some(read_named_values(reader, "entity-settings")?);
            }
            (Ns::InfoExt, "entity-state") => view.entity_state = Some(read_entity_state(reader)?),
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    view.extensions = unknown.into_kept();
    Ok(view)
}

/// Reads names with values; what is more than a text is an extension.
fn read_named_values(reader: &mut Reader<'_>, within: &'static str) -> Result<NamedValues> {
    let mut found = NamedValues::default();
    let mut unknown = Keeper::default();
    reader.children(within, |reader, element| {
        unknown.keep(reader, &element)?;
        if let Some(last) = unknown.kept.pop_if(|last| is_named_value(last)) {
            let value = last.element.text().trim_matches(is_blank).to_owned();
            found.values.push(NamedValue { name: last.element.name, value });
        }
        Ok(())
    })?;
    found.extensions = unknown.into_kept();
    Ok(found)
}

fn is_named_value(extension: &Extension) -> bool {
    let element = &extension.element;
    let is_text = |content: &AnyContent| matches!(content, AnyContent::Text(_));
    // An attribute of somebody else says nothing about the value.
    let is_foreign = |attribute: &AnyAttribute| {
        !attribute.namespace.is_empty() && Ns::of(&attribute.namespace) == Ns::Foreign
    };
    element.namespace == uri::INFO_EXT
        && element.attributes.iter().all(is_foreign)
        && element.content.iter().all(is_text)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn read_entity_state(reader: &mut Reader<'_>) -> Result<EntityState> {
    const NAME: &str = "entity-state";
    let mut state = EntityState::default();
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, mut element| {
        match element.key() {
            (Ns::Info | Ns::InfoExt, "displayText") => state.display_text = Some(reader.text()?),
            (Ns::Info | Ns::InfoExt, "locked") => state.locked = Some(reader.boolean("locked")?),
            (Ns::Info | Ns::InfoExt, "media") => state.media = read_media_entries(reader, "media")?,
            (Ns::InfoExt, "announcements-enabled") => {
                state.announcements = Some(reader.boolean("announcements-enabled")?);
            }
            (Ns::InfoExt, "media-filters-rules") => {
                state.media_filters = Some(read_media_filters(reader, element)?);
            }
            (Ns::Recovery, "mcu-status") => {
                let instance = element.take("instance")?;
                let status = reader.word(McuStatus::from_token)?;
                state.mcu = status.map(|status| McuState { status, instance });
            }
            _ => unknown.keep(reader, &element)?,
        }
        Ok(())
    })?;
    state.extensions = unknown.into_kept();
    Ok(state)
}

/// Reads a `media-filters-rules` element whose start tag was read.
pub(crate) fn read_media_filters(reader: &mut Reader<'_>, mut element: Element) -> Result<MediaFilters> {
    const NAME: &str = "media-filters-rules";
    let media = element.take("media")?.unwrap_or_default();
    let mut found = MediaFilters { media, rules: Vec::new() };
    reader.children(NAME, |reader, mut element| {
        if element.key() != (Ns::InfoExt, "role") {
            return Ok(());
        }
        reader.count_entry()?;
        let role = Role::from_token(element.require("name", "@name", "role")?.trim());
        let mut rule = RoleFilter { role, ingress: None, egress: None, may_modify_own: None };
        reader.children("role", |reader, element| {
            match element.key() {
                (Ns::InfoExt, "ingress") => rule.ingress = reader.word(Filter::from_token)?,
                (Ns::InfoExt, "egress") => rule.egress = reader.word(Filter::from_token)?,
                (Ns::InfoExt, "may-modify-own-filters") => {
                    rule.may_modify_own = Some(reader.boolean("may-modify-own-filters")?);
                }
                _ => {}
            }
            Ok(())
        })?;
        found.rules.push(rule);
        Ok(())
    })?;
    Ok(found)
}

/// Reads the entries of an MCU's `media` or of `available-media`.
fn read_media_entries(reader: &mut Reader<'_>, within: &'static str) -> Result<Vec<MediaEntry>> {
    let mut entries = Vec::new();
    reader.children(within, |reader, mut element| {
        if let (Ns::Info | Ns::InfoExt, "entry") = element.key() {
            reader.count_entry()?;
            let mut entry = MediaEntry { label: element.take("label")?, ..MediaEntry::default() };
            let mut unknown = Keeper::default();
            reader.children("entry", |reader, element| {
                match element.key() {
                    (Ns::Info | Ns::InfoExt, "display-text") => entry.display_text = Some(reader.text()?),
                    (Ns::Info | Ns::InfoExt, "type") => entry.kind = Some(reader.trimmed()?),
                    (Ns::Info | Ns::InfoExt, "status") => {
                        entry.status = reader.word(MediaStatus::from_token)?
                    }
                    (Ns::InfoExt, "video-mode") => entry.video_mode = Some(reader.trimmed()?),
                    (Ns::InfoExt, "primary-source") => entry.primary_source = Some(reader.trimmed()?),
                    _ => unknown.keep(reader, &element)?,
                }
                Ok(())
            })?;
            entry.extensions = unknown.into_kept();
            entries.push(entry);
        }
        Ok(())
    })?;
    Ok(entries)
}
