//! Reading of C3P documents: the envelope, then one table per command.

use super::{
    Access, AddUser, Code, Command, CommandResult, ConferenceKey, Document, LobbyResult, Notify, Request,
    Response,
};
use crate::info::{self, ConferenceInfo, Role, User};
use crate::xml::{Element, Ns, Reader};
use crate::{DocumentError, ErrorKind, Limits, Reason};

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

/// What a value under construction lacks at the end of its element.
fn missing(reader: &Reader<'_>, what: &'static str, within: &'static str) -> DocumentError {
    DocumentError { element: within, ..reader.error(ErrorKind::Missing(what)) }
}

/// Sets a value that may be there once.
fn set_once<T>(reader: &Reader<'_>, slot: &mut Option<T>, value: T, what: &'static str) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(reader.error(ErrorKind::Repeated(what))),
    }
}

fn read_request(reader: &mut Reader<'_>, mut root: Element) -> Result<Request> {
    const NAME: &str = "request";
    let request_id =
        root.number("requestId", "@requestId", NAME)?.ok_or_else(|| missing(reader, "@requestId", NAME))?;
    let from = root.require("from", "@from", NAME)?;
    let to = root.require("to", "@to", NAME)?;
    let mut found = None;
    reader.children(NAME, |reader, mut element| {
        let mcu_uri = element.take("mcuUri")?;
        let command = read_command(reader, &element)?;
        set_once(reader, &mut found, (mcu_uri, command), "command")
    })?;
    let (mcu_uri, command) = found.ok_or_else(|| missing(reader, "command", NAME))?;
    Ok(Request { request_id, from, to, mcu_uri, command })
}

fn read_command(reader: &mut Reader<'_>, element: &Element) -> Result<Command> {
    match element.key() {
        (Ns::C3p, "addConference") => {
            let info = read_info(reader, "addConference")?;
            Ok(Command::AddConference(
                info.ok_or_else(|| missing(reader, "conference-info", "addConference"))?,
            ))
        }
        (Ns::C3p, "addUser") => read_add_user(reader),
        (Ns::C3p, "deleteUser") => {
            let (conference, user) = read_user_keys_only(reader, "deleteUser")?;
            Ok(Command::DeleteUser { conference, user })
        }
        (Ns::C3p, "modifyConferenceLock") => read_lock(reader),
        (Ns::C3p, "modifyUserRoles") => read_user_roles(reader),
        (Ns::C3p, "setLobbyAccess") => read_lobby_access(reader),
        (Ns::C3p, "deleteConference") => {
            Ok(Command::DeleteConference { key: read_conference_key(reader, "deleteConference")? })
        }
        (Ns::C3p, "getConference") => {
            Ok(Command::GetConference { key: read_conference_key(reader, "getConference")? })
        }
        (Ns::Recovery, "activateConference") => read_activate(reader),
        (Ns::Recovery, "deactivateConference") => {
            Ok(Command::DeactivateConference { conference: read_conference(reader, "deactivateConference")? })
        }
        (Ns::Recovery, "resync") => Ok(Command::Resync { conference: read_conference(reader, "resync")? }),
        (_, name) => Ok(Command::Unknown { name: name.to_owned() }),
    }
}

/// Reads the `conference-info` among the children of a command or a result, if it is there.
fn read_info(reader: &mut Reader<'_>, within: &'static str) -> Result<Option<Box<ConferenceInfo>>> {
    let mut info = None;
    reader.children(within, |reader, element| {
        if element.key() == (Ns::Info, "conference-info") {
            let value = Box::new(info::read_conference_info(reader, element)?);
            set_once(reader, &mut info, value, "conference-info")?;
        }
        Ok(())
    })?;
    Ok(info)
}

/// The `confEntity` of `conferenceKeys`.
fn conference_of(element: &mut Element) -> Result<String> {
    element.require("confEntity", "@confEntity", "conferenceKeys")
}

/// Reads a command that holds nothing but the address of its conference.
fn read_conference(reader: &mut Reader<'_>, within: &'static str) -> Result<String> {
    let mut conference = None;
    reader.children(within, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        _ => Ok(()),
    })?;
    conference.ok_or_else(|| missing(reader, "conferenceKeys", within))
}

/// Reads a command that names its conference by address or by id; the address counts if both are there.
fn read_conference_key(reader: &mut Reader<'_>, within: &'static str) -> Result<ConferenceKey> {
    let mut key = None;
    reader.children(within, |reader, mut element| {
        if element.key() != (Ns::C3p, "conferenceKeys") {
            return Ok(());
        }
        let id = element.take("conference-id")?;
        let found = match (element.take("confEntity")?, id) {
            (Some(entity), _) => ConferenceKey::Entity(entity),
            (None, Some(id)) => ConferenceKey::Id(id),
            (None, None) => return Err(element.error(ErrorKind::Missing("@confEntity"), "conferenceKeys")),
        };
        set_once(reader, &mut key, found, "conferenceKeys")
    })?;
    key.ok_or_else(|| missing(reader, "conferenceKeys", within))
}

/// The two attributes of `userKeys`.
fn user_keys(element: &mut Element) -> Result<(String, String)> {
    let conference = element.require("confEntity", "@confEntity", "userKeys")?;
    Ok((conference, element.require("userEntity", "@userEntity", "userKeys")?))
}

fn read_user_keys_only(reader: &mut Reader<'_>, within: &'static str) -> Result<(String, String)> {
    let mut keys = None;
    reader.children(within, |reader, mut element| match element.key() {
        (Ns::C3p, "userKeys") => set_once(reader, &mut keys, user_keys(&mut element)?, "userKeys"),
        _ => Ok(()),
    })?;
    keys.ok_or_else(|| missing(reader, "userKeys", within))
}

/// Reads the two children of `addUser`, in a request or a response.
fn read_add_user_parts(reader: &mut Reader<'_>) -> Result<(Option<String>, Option<User>)> {
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
        _ => Ok(()),
    })?;
    Ok((conference, user))
}

fn read_add_user(reader: &mut Reader<'_>) -> Result<Command> {
    const NAME: &str = "addUser";
    let (conference, user) = read_add_user_parts(reader)?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let user = user.ok_or_else(|| missing(reader, "user", NAME))?;
    Ok(Command::AddUser(AddUser { conference, user }))
}

fn read_lock(reader: &mut Reader<'_>) -> Result<Command> {
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
        _ => Ok(()),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let locked = locked.ok_or_else(|| missing(reader, "locked", NAME))?;
    Ok(Command::ModifyConferenceLock { conference, locked })
}

fn read_user_roles(reader: &mut Reader<'_>) -> Result<Command> {
    const NAME: &str = "modifyUserRoles";
    let mut keys = None;
    let mut role: Option<Role> = None;
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "userKeys") => set_once(reader, &mut keys, user_keys(&mut element)?, "userKeys"),
        (Ns::Info, "user-roles") => info::read_roles(reader, "user-roles")?
            .into_iter()
            .try_for_each(|value| set_once(reader, &mut role, value, "entry")),
        _ => Ok(()),
    })?;
    let (conference, user) = keys.ok_or_else(|| missing(reader, "userKeys", NAME))?;
    let role = role.ok_or_else(|| missing(reader, "user-roles", NAME))?;
    Ok(Command::ModifyUserRoles { conference, user, role })
}

fn read_lobby_access(reader: &mut Reader<'_>) -> Result<Command> {
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
        _ => Ok(()),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let access = access.ok_or_else(|| missing(reader, "access", NAME))?;
    if users.is_empty() {
        return Err(missing(reader, "userEntity", NAME));
    }
    Ok(Command::SetLobbyAccess { conference, users, access })
}

fn read_activate(reader: &mut Reader<'_>) -> Result<Command> {
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
        _ => Ok(()),
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
    reader.children(NAME, |reader, mut element| {
        let reason = element.take("reason")?.map(|word| Reason::from_token(word.trim()));
        let result = read_result(reader, &element)?;
        set_once(reader, &mut found, (reason, result), "command")
    })?;
    let (reason, result) = found.ok_or_else(|| missing(reader, "command", NAME))?;
    let reason = match code {
        Some(_) => reason,
        None => reason.or(Some(Reason::OtherFailure)),
    };
    Ok(Response { request_id, from, to, code: code.unwrap_or(Code::Failure), reason, result })
}

fn read_result(reader: &mut Reader<'_>, element: &Element) -> Result<CommandResult> {
    match element.key() {
        (Ns::C3p, "addConference") => read_info(reader, "addConference").map(CommandResult::AddConference),
        (Ns::C3p, "addUser") => {
            let (conference, user) = read_add_user_parts(reader)?;
            let both = conference.zip(user);
            Ok(CommandResult::AddUser(both.map(|(conference, user)| AddUser { conference, user })))
        }
        (Ns::C3p, "deleteUser") => Ok(CommandResult::DeleteUser),
        (Ns::C3p, "modifyConferenceLock") => Ok(CommandResult::ModifyConferenceLock),
        (Ns::C3p, "modifyUserRoles") => Ok(CommandResult::ModifyUserRoles),
        (Ns::C3p, "setLobbyAccess") => read_lobby_results(reader).map(CommandResult::SetLobbyAccess),
        (Ns::C3p, "deleteConference") => {
            let info = read_info(reader, "deleteConference")?;
            Ok(CommandResult::DeleteConference { entity: info.map(|info| info.entity) })
        }
        (Ns::C3p, "getConference") => read_info(reader, "getConference").map(CommandResult::GetConference),
        (Ns::Recovery, "activateConference") => {
            read_info(reader, "activateConference").map(CommandResult::ActivateConference)
        }
        (Ns::Recovery, "deactivateConference") => Ok(CommandResult::DeactivateConference),
        (Ns::Recovery, "resync") => read_info(reader, "resync").map(CommandResult::Resync),
        (_, name) => Ok(CommandResult::Unknown { name: name.to_owned() }),
    }
}

fn read_lobby_results(reader: &mut Reader<'_>) -> Result<Vec<LobbyResult>> {
    let mut results = Vec::new();
    reader.children("setLobbyAccess", |reader, mut element| {
        if let (Ns::C3p | Ns::Info, "user") = element.key() {
            reader.count_entry()?;
            let user = element.require("entity", "@entity", "user")?;
            let word = element.require("result", "@result", "user")?;
            let word = word.trim();
            let failure = (!word.eq_ignore_ascii_case("success")).then(|| Reason::from_token(word));
            results.push(LobbyResult { user, failure });
        }
        Ok(())
    })?;
    Ok(results)
}

fn read_notify(reader: &mut Reader<'_>, mut root: Element) -> Result<Notify> {
    const NAME: &str = "notify";
    let from = root.take("from")?.unwrap_or_default();
    let to = root.take("to")?.unwrap_or_default();
    let info = read_info(reader, NAME)?.ok_or_else(|| missing(reader, "conference-info", NAME))?;
    Ok(Notify { from, to, info })
}
