//! Reading of C3P documents: the envelope, then one table per command.
//!
//! What a table has no row for is kept beside the command: see [`Request::extensions`].

use super::read_parts::{
    conference_of, endpoint_keys, media_keys, missing, read_announcements, read_capabilities,
    read_conference_key, read_conference_list, read_endorsement, read_lobby_results, read_mcu_types,
    set_once, user_keys,
};
use super::{Access, AddUser, Code, Command, CommandResult, Document, Notify, Request, Response};
use crate::info::{self, ConferenceInfo, Keeper, Role, User};
use crate::xml::{Element, Ns, Reader};
use crate::{AnyElement, DocumentError, ErrorKind, Limits, Reason};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// The error of a document that is well, but not of the expected kind.
pub(super) fn wrong_root(element: &'static str) -> DocumentError {
    DocumentError { kind: ErrorKind::WrongRoot, element, offset: 0 }
}

/// Reads a whole document.
pub(super) fn parse(body: &[u8], limits: &Limits) -> Result<Document> {
    let mut reader = Reader::new(body, limits)?;
    let root = reader.root()?;
    let document = match root.key() {
        (Ns::C3p, "request") => read_request(&mut reader, root).map(Document::Request),
        (Ns::C3p, "response") => read_response(&mut reader, root).map(Document::Response),
        (Ns::C3p, "notify") => read_notify(&mut reader, root).map(Document::Notify),
        _ => Err(root.error(ErrorKind::WrongRoot, "")),
    }?;
    reader.finish()?;
    Ok(document)
}

fn read_request(reader: &mut Reader<'_>, mut root: Element) -> Result<Request> {
    const NAME: &str = "request";
    let request_id =
        root.number("requestId", "@requestId", NAME)?.ok_or_else(|| missing(reader, "@requestId", NAME))?;
    let from = root.require("from", "@from", NAME)?;
    let to = root.require("to", "@to", NAME)?;
    let mut found = None;
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, mut element| {
        let mcu_uri = element.take("mcuUri")?;
        let command = read_command(reader, &element, &mut unknown)?;
        set_once(reader, &mut found, (mcu_uri, command), "command")
    })?;
    let (mcu_uri, command) = found.ok_or_else(|| missing(reader, "command", NAME))?;
    Ok(Request { request_id, from, to, mcu_uri, command, extensions: elements(unknown) })
}

/// What was kept, without the groups: a command has none.
fn elements(unknown: Keeper) -> Vec<AnyElement> {
    unknown.into_kept().into_iter().map(|extension| extension.element).collect()
}

/// Reads a command or a result that is not known, without an attribute that belongs to the envelope.
fn read_unknown(reader: &mut Reader<'_>, attribute: &str) -> Result<Box<AnyElement>> {
    let mut element = reader.any_or_name()?;
    element.attributes.retain(|found| {
        found.name != attribute || !found.namespace.is_empty() && Ns::of(&found.namespace) == Ns::Foreign
    });
    Ok(Box::new(element))
}

/// Reads a command without content of its own.
fn nothing(reader: &mut Reader<'_>, within: &'static str, unknown: &mut Keeper) -> Result<()> {
    reader.children(within, |reader, element| unknown.keep(reader, &element))
}

fn read_command(reader: &mut Reader<'_>, element: &Element, unknown: &mut Keeper) -> Result<Command> {
    match element.key() {
        (Ns::C3p, "addConference") => {
            read_record(reader, "addConference", unknown).map(Command::AddConference)
        }
        (Ns::C3p, "modifyConference") => {
            read_record(reader, "modifyConference", unknown).map(Command::ModifyConference)
        }
        (Ns::C3p, "addUser") => read_add_user(reader, unknown),
        (Ns::C3p, "endorseUser") => read_endorse(reader, unknown),
        (Ns::C3p, "deleteUser") => read_delete_user(reader, unknown),
        (Ns::C3p, "modifyConferenceLock") => read_lock(reader, unknown),
        (Ns::C3p, "modifyUserRoles") => read_user_roles(reader, unknown),
        (Ns::C3p, "setLobbyAccess") => read_lobby_access(reader, unknown),
        (Ns::C3p, "modifyEndpointMedia") => read_endpoint_media(reader, unknown),
        (Ns::C3p, "modifyEndpoint") => read_modify_endpoint(reader, unknown),
        (Ns::C3p, "modifyUsersMediaFilters") => read_users_media_filters(reader, unknown),
        (Ns::C3p, "modifyConferenceAnnouncements") => {
            let (conference, enabled) = read_announcements(reader, unknown)?;
            Ok(Command::ModifyConferenceAnnouncements { conference, enabled })
        }
        (Ns::C3p, "deleteConference") => {
            Ok(Command::DeleteConference { key: read_conference_key(reader, "deleteConference", unknown)? })
        }
        (Ns::C3p, "getConference") => {
            Ok(Command::GetConference { key: read_conference_key(reader, "getConference", unknown)? })
        }
        (Ns::C3p, "getConferences") => {
            nothing(reader, "getConferences", unknown).map(|()| Command::GetConferences)
        }
        (Ns::C3p, "getConferencingCapabilities") => nothing(reader, "getConferencingCapabilities", unknown)
            .map(|()| Command::GetConferencingCapabilities),
        (Ns::C3p, "getAvailableMcuTypes") => {
            nothing(reader, "getAvailableMcuTypes", unknown).map(|()| Command::GetAvailableMcuTypes)
        }
        (Ns::C3p, "getEncryptionKey") => {
            nothing(reader, "getEncryptionKey", unknown).map(|()| Command::GetEncryptionKey)
        }
        (Ns::Recovery, "activateConference") => read_activate(reader, unknown),
        (Ns::Recovery, "deactivateConference") => {
            let conference = read_conference(reader, "deactivateConference", unknown)?;
            Ok(Command::DeactivateConference { conference })
        }
        (Ns::Recovery, "resync") => {
            Ok(Command::Resync { conference: read_conference(reader, "resync", unknown)? })
        }
        _ => read_unknown(reader, "mcuUri").map(Command::Unknown),
    }
}

/// Reads the `conference-info` among the children of a command or a result, if it is there.
fn read_info(
    reader: &mut Reader<'_>,
    within: &'static str,
    unknown: &mut Keeper,
) -> Result<Option<Box<ConferenceInfo>>> {
    let mut info = None;
    reader.children(within, |reader, element| match element.key() {
        (Ns::Info, "conference-info") => {
            let value = Box::new(info::read_conference_info(reader, element)?);
            set_once(reader, &mut info, value, "conference-info")
        }
        _ => unknown.keep(reader, &element),
    })?;
    Ok(info)
}

/// Reads a command that is nothing but a `conference-info`.
fn read_record(
    reader: &mut Reader<'_>,
    within: &'static str,
    unknown: &mut Keeper,
) -> Result<Box<ConferenceInfo>> {
    read_info(reader, within, unknown)?.ok_or_else(|| missing(reader, "conference-info", within))
}

/// Reads a command that holds nothing but the address of its conference.
fn read_conference(reader: &mut Reader<'_>, within: &'static str, unknown: &mut Keeper) -> Result<String> {
    let mut conference = None;
    reader.children(within, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        _ => unknown.keep(reader, &element),
    })?;
    conference.ok_or_else(|| missing(reader, "conferenceKeys", within))
}

fn read_delete_user(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "deleteUser";
    let mut keys = None;
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "userKeys") => set_once(reader, &mut keys, user_keys(&mut element)?, "userKeys"),
        _ => unknown.keep(reader, &element),
    })?;
    let (conference, user) = keys.ok_or_else(|| missing(reader, "userKeys", NAME))?;
    Ok(Command::DeleteUser { conference, user })
}

/// Reads the two children of `addUser`, in a request or a response.
fn read_add_user_parts(
    reader: &mut Reader<'_>,
    unknown: &mut Keeper,
) -> Result<(Option<String>, Option<User>)> {
    const NAME: &str = "addUser";
    let (mut conference, mut user) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        (Ns::Info, "user") => {
            let value = info::read_user(reader, element)?;
            if value.endpoints.len() > 1 {
                return Err(reader.error(ErrorKind::Repeated("endpoint")));
            }
            set_once(reader, &mut user, value, "user")
        }
        _ => unknown.keep(reader, &element),
    })?;
    Ok((conference, user))
}

fn read_add_user(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "addUser";
    let (conference, user) = read_add_user_parts(reader, unknown)?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let user = user.ok_or_else(|| missing(reader, "user", NAME))?;
    Ok(Command::AddUser(AddUser { conference, user }))
}

fn read_endorse(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "endorseUser";
    let (mut conference, mut user) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        (Ns::C3p, "userEntity") => {
            let value = reader.trimmed()?;
            set_once(reader, &mut user, value, "userEntity")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let user = user.ok_or_else(|| missing(reader, "userEntity", NAME))?;
    Ok(Command::EndorseUser { conference, user })
}

fn read_lock(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "modifyConferenceLock";
    let (mut conference, mut locked) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        (Ns::C3p, "locked") => {
            let value = reader.boolean("locked")?;
            set_once(reader, &mut locked, value, "locked")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let locked = locked.ok_or_else(|| missing(reader, "locked", NAME))?;
    Ok(Command::ModifyConferenceLock { conference, locked })
}

fn read_user_roles(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "modifyUserRoles";
    let mut keys = None;
    let mut role: Option<Role> = None;
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "userKeys") => set_once(reader, &mut keys, user_keys(&mut element)?, "userKeys"),
        (Ns::Info, "user-roles") => info::read_roles(reader, "user-roles")?
            .into_iter()
            .try_for_each(|value| set_once(reader, &mut role, value, "entry")),
        _ => unknown.keep(reader, &element),
    })?;
    let (conference, user) = keys.ok_or_else(|| missing(reader, "userKeys", NAME))?;
    let role = role.ok_or_else(|| missing(reader, "user-roles", NAME))?;
    Ok(Command::ModifyUserRoles { conference, user, role })
}

fn read_lobby_access(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "setLobbyAccess";
    let (mut conference, mut access) = (None, None);
    let mut users = Vec::new();
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        (Ns::C3p, "userEntity") => {
            reader.count_entry()?;
            users.push(reader.trimmed()?);
            Ok(())
        }
        (Ns::C3p, "access") => {
            let value = reader.word(Access::from_token)?;
            let value = value.ok_or_else(|| reader.error(ErrorKind::BadValue("access")))?;
            set_once(reader, &mut access, value, "access")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let access = access.ok_or_else(|| missing(reader, "access", NAME))?;
    if users.is_empty() {
        return Err(missing(reader, "userEntity", NAME));
    }
    Ok(Command::SetLobbyAccess { conference, users, access })
}

fn read_endpoint_media(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "modifyEndpointMedia";
    let (mut keys, mut media) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "mediaKeys") => set_once(reader, &mut keys, media_keys(&mut element)?, "mediaKeys"),
        (Ns::Info, "media") => {
            let value = info::read_media(reader, element)?;
            set_once(reader, &mut media, value, "media")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let keys = keys.ok_or_else(|| missing(reader, "mediaKeys", NAME))?;
    let media = media.ok_or_else(|| missing(reader, "media", NAME))?;
    Ok(Command::ModifyEndpointMedia { keys, media })
}

fn read_modify_endpoint(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "modifyEndpoint";
    let (mut keys, mut endpoint) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "endpointKeys") => {
            set_once(reader, &mut keys, endpoint_keys(&mut element)?, "endpointKeys")
        }
        (Ns::Info, "endpoint") => {
            let value = Box::new(info::read_endpoint(reader, element)?);
            set_once(reader, &mut endpoint, value, "endpoint")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let keys = keys.ok_or_else(|| missing(reader, "endpointKeys", NAME))?;
    let endpoint = endpoint.ok_or_else(|| missing(reader, "endpoint", NAME))?;
    Ok(Command::ModifyEndpoint { keys, endpoint })
}

fn read_users_media_filters(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "modifyUsersMediaFilters";
    let (mut conference, mut filters) = (None, None);
    let mut except = Vec::new();
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        (Ns::InfoExt, "media-filters-rules") => {
            let value = info::read_media_filters(reader, element)?;
            set_once(reader, &mut filters, value, "media-filters-rules")
        }
        (Ns::C3p, "except") => {
            reader.count_entry()?;
            except.push(element.require("userEntity", "@userEntity", "except")?);
            Ok(())
        }
        _ => unknown.keep(reader, &element),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let filters = filters.ok_or_else(|| missing(reader, "media-filters-rules", NAME))?;
    Ok(Command::ModifyUsersMediaFilters { conference, filters, except })
}

fn read_activate(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Command> {
    const NAME: &str = "activateConference";
    let (mut conference, mut info) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        (Ns::Info, "conference-info") => {
            let value = Box::new(info::read_conference_info(reader, element)?);
            set_once(reader, &mut info, value, "conference-info")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let info = info.ok_or_else(|| missing(reader, "conference-info", NAME))?;
    Ok(Command::ActivateConference { conference, info })
}

fn read_response(reader: &mut Reader<'_>, mut root: Element) -> Result<Response> {
    const NAME: &str = "response";
    let request_id =
        root.number("requestId", "@requestId", NAME)?.ok_or_else(|| missing(reader, "@requestId", NAME))?;
    // The dialog says who speaks; a peer that leaves these out does no harm.
    let from = root.take("from")?.unwrap_or_default();
    let to = root.take("to")?.unwrap_or_default();
    let code = root.take("code")?.and_then(|word| Code::from_token(word.trim()));
    let mut found = None;
    let mut unknown = Keeper::default();
    reader.children(NAME, |reader, mut element| {
        let reason = element.take("reason")?.map(|word| Reason::from_token(word.trim()));
        let result = read_result(reader, element, &mut unknown)?;
        set_once(reader, &mut found, (reason, result), "command")
    })?;
    let (reason, result) = found.ok_or_else(|| missing(reader, "command", NAME))?;
    let reason = match code {
        Some(_) => reason,
        None => reason.or(Some(Reason::OtherFailure)),
    };
    let (code, extensions) = (code.unwrap_or(Code::Failure), elements(unknown));
    Ok(Response { request_id, from, to, code, reason, result, extensions })
}

fn read_result(reader: &mut Reader<'_>, element: Element, unknown: &mut Keeper) -> Result<CommandResult> {
    // The results without content of their own.
    let bare = match element.key() {
        (Ns::C3p, "deleteUser") => Some(("deleteUser", CommandResult::DeleteUser)),
        (Ns::C3p, "modifyConferenceLock") => {
            Some(("modifyConferenceLock", CommandResult::ModifyConferenceLock))
        }
        (Ns::C3p, "modifyUserRoles") => Some(("modifyUserRoles", CommandResult::ModifyUserRoles)),
        (Ns::C3p, "modifyEndpointMedia") => Some(("modifyEndpointMedia", CommandResult::ModifyEndpointMedia)),
        (Ns::C3p, "modifyEndpoint") => Some(("modifyEndpoint", CommandResult::ModifyEndpoint)),
        (Ns::C3p, "modifyUsersMediaFilters") => {
            Some(("modifyUsersMediaFilters", CommandResult::ModifyUsersMediaFilters))
        }
        (Ns::C3p, "modifyConferenceAnnouncements") => {
            Some(("modifyConferenceAnnouncements", CommandResult::ModifyConferenceAnnouncements))
        }
        (Ns::C3p, "getEncryptionKey") => Some(("getEncryptionKey", CommandResult::GetEncryptionKey)),
        (Ns::Recovery, "deactivateConference") => {
            Some(("deactivateConference", CommandResult::DeactivateConference))
        }
        _ => None,
    };
    match bare {
        Some((name, result)) => nothing(reader, name, unknown).map(|()| result),
        None => read_full_result(reader, element, unknown),
    }
}

fn read_full_result(
    reader: &mut Reader<'_>,
    element: Element,
    unknown: &mut Keeper,
) -> Result<CommandResult> {
    match element.key() {
        (Ns::C3p, "addConference") => {
            read_info(reader, "addConference", unknown).map(CommandResult::AddConference)
        }
        (Ns::C3p, "modifyConference") => {
            read_info(reader, "modifyConference", unknown).map(CommandResult::ModifyConference)
        }
        (Ns::C3p, "addUser") => {
            let (conference, user) = read_add_user_parts(reader, unknown)?;
            let both = conference.zip(user);
            Ok(CommandResult::AddUser(both.map(|(conference, user)| AddUser { conference, user })))
        }
        (Ns::C3p, "endorseUser") => {
            read_endorsement(reader, element, unknown).map(CommandResult::EndorseUser)
        }
        (Ns::C3p, "setLobbyAccess") => read_lobby_results(reader, unknown).map(CommandResult::SetLobbyAccess),
        (Ns::C3p, "deleteConference") => {
            let info = read_info(reader, "deleteConference", unknown)?;
            Ok(CommandResult::DeleteConference { entity: info.map(|info| info.entity) })
        }
        (Ns::C3p, "getConference") => {
            read_info(reader, "getConference", unknown).map(CommandResult::GetConference)
        }
        (Ns::C3p, "getConferences") => {
            read_conference_list(reader, element, unknown).map(CommandResult::GetConferences)
        }
        (Ns::C3p, "getConferencingCapabilities") => {
            read_capabilities(reader, element, unknown).map(CommandResult::GetConferencingCapabilities)
        }
        (Ns::C3p, "getAvailableMcuTypes") => {
            read_mcu_types(reader, "getAvailableMcuTypes", unknown).map(CommandResult::GetAvailableMcuTypes)
        }
        (Ns::Recovery, "activateConference") => {
            read_info(reader, "activateConference", unknown).map(CommandResult::ActivateConference)
        }
        (Ns::Recovery, "resync") => read_info(reader, "resync", unknown).map(CommandResult::Resync),
        _ => read_unknown(reader, "reason").map(CommandResult::Unknown),
    }
}

fn read_notify(reader: &mut Reader<'_>, mut root: Element) -> Result<Notify> {
    const NAME: &str = "notify";
    let from = root.take("from")?.unwrap_or_default();
    let to = root.take("to")?.unwrap_or_default();
    let info = read_record(reader, NAME, &mut Keeper::default())?;
    Ok(Notify { from, to, info })
}
