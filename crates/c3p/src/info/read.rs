//! Reading of the roster document: one table of elements per level.

use super::{
    AccessMethod, AdmissionPolicy, AuthMethod, ConfUri, ConferenceInfo, ConferenceState, Description,
    DisconnectionMethod, Endpoint, EndpointStatus, EntityState, EntityView, Filter, JoiningMethod, McuState,
    McuStatus, Media, MediaEntry, MediaStatus, Organizer, PstnAccess, Role, SessionType, State, User, Users,
    Views,
};
use crate::xml::{Element, Ns, Reader};
use crate::{DocumentError, ErrorKind, Limits};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

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

fn read_state(element: &mut Element, within: &'static str) -> Result<State> {
    let Some(word) = element.take("state")? else { return Ok(State::Full) };
    State::from_token(word.trim()).ok_or_else(|| element.error(ErrorKind::BadValue("@state"), within))
}

/// Reads a `conference-info` element whose start tag was read.
pub(crate) fn read_conference_info(reader: &mut Reader<'_>, mut element: Element) -> Result<ConferenceInfo> {
    const NAME: &str = "conference-info";
    let mut info = ConferenceInfo {
        entity: element.require("entity", "@entity", NAME)?,
        state: read_state(&mut element, NAME)?,
        version: element.number("version", "@version", NAME)?,
        ..ConferenceInfo::default()
    };
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "conference-description") => info.description = Some(read_description(reader)?),
            (Ns::Info, "conference-state") => info.conference_state = Some(read_conference_state(reader)?),
            // A second collection could not be told from a replacement of the first.
            (Ns::Info, "users") if info.users.is_some() => {
                return Err(reader.error(ErrorKind::Repeated("users")));
            }
            (Ns::Info, "users") => info.users = Some(read_users(reader, element)?),
            (Ns::InfoExt, "conference-view") if info.views.is_some() => {
                return Err(reader.error(ErrorKind::Repeated("conference-view")));
            }
            (Ns::InfoExt, "conference-view") => info.views = Some(read_views(reader, element)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(info)
}

fn read_description(reader: &mut Reader<'_>) -> Result<Description> {
    let mut found = Description::default();
    reader.children("conference-description", |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => found.display_text = Some(reader.text()?),
            (Ns::Info, "subject") => found.subject = Some(reader.text()?),
            (Ns::Info, "conf-uris") => found.conf_uris = read_conf_uris(reader)?,
            (Ns::Info, "maximum-user-count") => {
                found.maximum_user_count = Some(reader.number("maximum-user-count")?);
            }
            (Ns::InfoExt, _) => read_description_extension(reader, &element, &mut found)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

fn read_description_extension(
    reader: &mut Reader<'_>,
    element: &Element,
    found: &mut Description,
) -> Result<()> {
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
        _ => {}
    }
    Ok(())
}

fn read_conf_uris(reader: &mut Reader<'_>) -> Result<Vec<ConfUri>> {
    let mut entries = Vec::new();
    reader.children("conf-uris", |reader, element| {
        if element.key() == (Ns::Info, "entry") {
            reader.count_entry()?;
            let mut entry = ConfUri::default();
            reader.children("entry", |reader, element| {
                match element.key() {
                    (Ns::Info, "uri") => entry.uri = reader.trimmed()?,
                    (Ns::Info, "display-text") => entry.display_text = Some(reader.text()?),
                    (Ns::Info, "purpose") => entry.purpose = Some(reader.trimmed()?),
                    _ => {}
                }
                Ok(())
            })?;
            entries.push(entry);
        }
        Ok(())
    })?;
    Ok(entries)
}

fn read_pstn_access(reader: &mut Reader<'_>) -> Result<PstnAccess> {
    let mut found = PstnAccess::default();
    reader.children("pstn-access", |reader, element| {
        if let (Ns::Info | Ns::InfoExt, "id") = element.key() {
            found.id = Some(reader.trimmed()?);
        }
        Ok(())
    })?;
    Ok(found)
}

fn read_organizer(reader: &mut Reader<'_>) -> Result<Organizer> {
    let mut found = Organizer::default();
    reader.children("organizer", |reader, element| {
        match element.key() {
            (Ns::Info | Ns::InfoExt, "display-name") => found.display_name = Some(reader.text()?),
            (Ns::Info | Ns::InfoExt, "uri") => found.uri = Some(reader.trimmed()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

fn read_conference_state(reader: &mut Reader<'_>) -> Result<ConferenceState> {
    const NAME: &str = "conference-state";
    let mut found = ConferenceState::default();
    reader.children(NAME, |reader, mut element| {
        match element.key() {
            (Ns::Info, "user-count") => found.user_count = Some(reader.number("user-count")?),
            (Ns::Info, "active") => found.active = Some(reader.boolean("active")?),
            (Ns::Info, "locked") => found.locked = Some(reader.boolean("locked")?),
            (Ns::Recovery, "termination-countdown") => {
                found.termination_countdown = element.number("remaining", "@remaining", NAME)?;
            }
            _ => {}
        }
        Ok(())
    })?;
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
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => user.display_text = Some(reader.text()?),
            (Ns::Info, "roles") => user.roles = read_roles(reader, "roles")?,
            (Ns::Info, "endpoint") => user.endpoints.push(read_endpoint(reader, element)?),
            _ => {}
        }
        Ok(())
    })?;
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

fn read_endpoint(reader: &mut Reader<'_>, mut element: Element) -> Result<Endpoint> {
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
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => endpoint.display_text = Some(reader.text()?),
            (Ns::Info, "status") => endpoint.status = reader.word(EndpointStatus::from_token)?,
            (Ns::Info, "joining-method") => {
                endpoint.joining_method = reader.word(JoiningMethod::from_token)?
            }
            (Ns::Info, "disconnection-method") => {
                endpoint.disconnection_method = reader.word(DisconnectionMethod::from_token)?;
            }
            (Ns::Info, "disconnection-info") => endpoint.disconnection_reason = read_disconnection(reader)?,
            (Ns::Info, "media") => endpoint.media.push(read_media(reader, element)?),
            (Ns::InfoExt, _) => read_endpoint_extension(reader, &element, &mut endpoint)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(endpoint)
}

fn read_endpoint_extension(
    reader: &mut Reader<'_>,
    element: &Element,
    endpoint: &mut Endpoint,
) -> Result<()> {
    match element.name.as_str() {
        "accessMethod" => endpoint.access_method = reader.word(AccessMethod::from_token)?,
        "authMethod" => endpoint.auth_method = reader.word(AuthMethod::from_token)?,
        "clientInfo" => endpoint.lobby_capable = read_client_info(reader)?,
        "connection-info" => endpoint.connection_info = read_connection_info(reader)?,
        // Attributes here; others may write elements.
        "endpoint-uri" if endpoint.endpoint_uri.is_none() => endpoint.endpoint_uri = Some(reader.trimmed()?),
        "refer-to-uri" if endpoint.refer_to_uri.is_none() => endpoint.refer_to_uri = Some(reader.trimmed()?),
        _ => {}
    }
    Ok(())
}

fn read_disconnection(reader: &mut Reader<'_>) -> Result<Option<String>> {
    let mut reason = None;
    reader.children("disconnection-info", |reader, element| {
        if element.key() == (Ns::Info, "reason") {
            reason = Some(reader.text()?);
        }
        Ok(())
    })?;
    Ok(reason)
}

fn read_client_info(reader: &mut Reader<'_>) -> Result<Option<bool>> {
    let mut lobby_capable = None;
    reader.children("clientInfo", |reader, element| {
        if element.key() == (Ns::InfoExt, "lobby-capable") {
            lobby_capable = Some(reader.boolean("lobby-capable")?);
        }
        Ok(())
    })?;
    Ok(lobby_capable)
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

fn read_media(reader: &mut Reader<'_>, mut element: Element) -> Result<Media> {
    const NAME: &str = "media";
    reader.count_entry()?;
    let mut media = Media { id: element.require("id", "@id", NAME)?, ..Media::default() };
    reader.children(NAME, |reader, element| {
        match element.key() {
            (Ns::Info, "display-text") => media.display_text = Some(reader.text()?),
            (Ns::Info, "type") => media.kind = Some(reader.trimmed()?),
            (Ns::Info, "label") => media.label = Some(reader.trimmed()?),
            (Ns::Info, "src-id") => media.src_id = Some(reader.trimmed()?),
            (Ns::Info, "status") => media.status = reader.word(MediaStatus::from_token)?,
            (Ns::InfoExt, "media-ingress-filter") => {
                media.ingress_filter = reader.word(Filter::from_token)?
            }
            (Ns::InfoExt, "media-egress-filter") => media.egress_filter = reader.word(Filter::from_token)?,
            (Ns::InfoExt, "media-state") => media.media_state = Some(reader.trimmed()?),
            (Ns::InfoExt, "media-source-id") => media.media_source_id = Some(reader.trimmed()?),
            _ => {}
        }
        Ok(())
    })?;
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
        entity_state: None,
    };
    reader.children(NAME, |reader, element| {
        if element.key() == (Ns::InfoExt, "entity-state") {
            view.entity_state = Some(read_entity_state(reader)?);
        }
        Ok(())
    })?;
    Ok(view)
}

fn read_entity_state(reader: &mut Reader<'_>) -> Result<EntityState> {
    const NAME: &str = "entity-state";
    let mut state = EntityState::default();
    reader.children(NAME, |reader, mut element| {
        match element.key() {
            (Ns::Info | Ns::InfoExt, "displayText") => state.display_text = Some(reader.text()?),
            (Ns::Info | Ns::InfoExt, "locked") => state.locked = Some(reader.boolean("locked")?),
            (Ns::Info | Ns::InfoExt, "media") => state.media = read_media_entries(reader)?,
            (Ns::Recovery, "mcu-status") => {
                let instance = element.take("instance")?;
                let status = reader.word(McuStatus::from_token)?;
                state.mcu = status.map(|status| McuState { status, instance });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(state)
}

fn read_media_entries(reader: &mut Reader<'_>) -> Result<Vec<MediaEntry>> {
    let mut entries = Vec::new();
    reader.children("media", |reader, mut element| {
        if let (Ns::Info | Ns::InfoExt, "entry") = element.key() {
            reader.count_entry()?;
            let mut entry = MediaEntry { label: element.take("label")?, ..MediaEntry::default() };
            reader.children("entry", |reader, element| {
                match element.key() {
                    (Ns::Info | Ns::InfoExt, "type") => entry.kind = Some(reader.trimmed()?),
                    (Ns::Info | Ns::InfoExt, "status") => {
                        entry.status = reader.word(MediaStatus::from_token)?
                    }
                    _ => {}
                }
                Ok(())
            })?;
            entries.push(entry);
        }
        Ok(())
    })?;
    Ok(entries)
}
