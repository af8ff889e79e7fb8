//! Writing of C3P documents: the envelope and the commands, elements in the documented order.

use bytes::Bytes;

use super::{
    AddUser, Command, CommandResult, ConferenceKey, ConferenceList, ConferencingCapabilities, Endorsement,
    EndpointKeys, LobbyResult, MediaKeys, Notify, Request, Response,
};
use crate::info::{self, ConferenceInfo, Form, NumberNames, SessionType};
use crate::xml::{Writer, uri};
use crate::{AnyElement, Reason};

/// Begins one of the three roots.
fn envelope(out: &mut Writer, name: &'static str, request_id: Option<u64>, from: &str, to: &str) {
    out.start(name)
        .attribute("xmlns", uri::C3P)
        .attribute("xmlns:mscp", uri::C3P_EXT)
        .attribute("C3PVersion", "1");
    if let Some(id) = request_id {
        out.attribute("requestId", &id.to_string());
    }
    out.attribute("from", from).attribute("to", to);
}

/// Writes a request.
pub(super) fn request(request: &Request) -> Bytes {
    let mut out = Writer::document();
    envelope(&mut out, "request", Some(request.request_id), &request.from, &request.to);
    command(&mut out, &request.command, request.mcu_uri.as_deref(), &request.extensions);
    out.end();
    out.finish()
}

fn command(out: &mut Writer, command: &Command, mcu_uri: Option<&str>, extensions: &[AnyElement]) {
    match command {
        Command::AddConference(info) => {
            start(out, "addConference", mcu_uri);
            info::write_conference_info(out, info, Form::Record);
        }
        Command::AddUser(add) => {
            start(out, "addUser", mcu_uri);
            add_user(out, add);
        }
        Command::DeleteUser { conference, user } => {
            start(out, "deleteUser", mcu_uri);
            user_keys(out, conference, user);
        }
        Command::ModifyConferenceLock { conference, locked } => {
            start(out, "modifyConferenceLock", mcu_uri);
            conference_keys(out, conference);
            out.boolean_if("locked", Some(*locked));
        }
        Command::ModifyUserRoles { conference, user, role } => {
            start(out, "modifyUserRoles", mcu_uri);
            user_keys(out, conference, user);
            out.start("user-roles").attribute("xmlns", uri::INFO).leaf("entry", role.as_str()).end();
        }
        Command::SetLobbyAccess { conference, users, access } => {
            start(out, "setLobbyAccess", mcu_uri);
            conference_keys(out, conference);
            for user in users {
                out.leaf("userEntity", user);
            }
            out.leaf("access", access.as_str());
        }
        Command::DeleteConference { key } => {
            start(out, "deleteConference", mcu_uri);
            conference_key(out, key);
        }
        Command::GetConference { key } => {
            start(out, "getConference", mcu_uri);
            conference_key(out, key);
        }
        Command::ActivateConference { conference, info } => {
            start_interior(out, "rc:activateConference", mcu_uri);
            conference_keys(out, conference);
            info::write_conference_info(out, info, Form::Document);
        }
        Command::DeactivateConference { conference } => {
            start_interior(out, "rc:deactivateConference", mcu_uri);
            conference_keys(out, conference);
        }
        Command::Resync { conference } => {
            start_interior(out, "rc:resync", mcu_uri);
            conference_keys(out, conference);
        }
        Command::ModifyConference(info) => {
            start(out, "modifyConference", mcu_uri);
            let form = if mcu_uri.is_some() { Form::Document } else { Form::Record };
            info::write_conference_info(out, info, form);
        }
        Command::GetConferences => start(out, "getConferences", mcu_uri),
        Command::GetConferencingCapabilities => start(out, "getConferencingCapabilities", mcu_uri),
        Command::GetAvailableMcuTypes => start(out, "getAvailableMcuTypes", mcu_uri),
        Command::GetEncryptionKey => start(out, "getEncryptionKey", mcu_uri),
        Command::EndorseUser { conference, user } => {
            start(out, "endorseUser", mcu_uri);
            conference_keys(out, conference);
            out.leaf("userEntity", user);
        }
        Command::ModifyEndpointMedia { keys, media } => {
            start(out, "modifyEndpointMedia", mcu_uri);
            media_keys(out, keys);
            info::write_media_alone(out, media);
        }
        Command::ModifyEndpoint { keys, endpoint } => {
            start(out, "modifyEndpoint", mcu_uri);
            endpoint_keys(out, keys);
            info::write_endpoint_alone(out, endpoint);
        }
        Command::ModifyUsersMediaFilters { conference, filters, except } => {
            start(out, "modifyUsersMediaFilters", mcu_uri);
            conference_keys(out, conference);
            info::write_media_filters(out, filters);
            for user in except {
                out.start("except").attribute("userEntity", user).end();
            }
        }
        Command::ModifyConferenceAnnouncements { conference, enabled } => {
            start(out, "modifyConferenceAnnouncements", mcu_uri);
            conference_keys(out, conference);
            out.boolean_if("enabled", Some(*enabled));
        }
        Command::Unknown(element) => {
            unknown(out, element, mcu_uri.map(|uri| ("mscp:mcuUri", uri)), extensions);
            return;
        }
    }
    for element in extensions {
        out.any(element, &[]);
    }
    out.end();
}

/// Writes a command that is not known, with an attribute of the envelope.
fn unknown(
    out: &mut Writer,
    element: &AnyElement,
    attribute: Option<(&str, &str)>,
    extensions: &[AnyElement],
) {
    let attributes: Vec<_> = attribute.into_iter().collect();
    if extensions.is_empty() {
        out.any(element, &attributes);
    } else {
        let all = extensions.iter().cloned().fold(element.clone(), AnyElement::with_child);
        out.any(&all, &attributes);
    }
}

fn start(out: &mut Writer, name: &'static str, mcu_uri: Option<&str>) {
    out.start(name).attribute_if("mscp:mcuUri", mcu_uri);
}

fn start_interior(out: &mut Writer, name: &'static str, mcu_uri: Option<&str>) {
    out.start(name).attribute("xmlns:rc", uri::RECOVERY).attribute_if("mscp:mcuUri", mcu_uri);
}

fn conference_keys(out: &mut Writer, conference: &str) {
    out.start("conferenceKeys").attribute("confEntity", conference).end();
}

fn user_keys(out: &mut Writer, conference: &str, user: &str) {
    out.start("userKeys").attribute("confEntity", conference).attribute("userEntity", user).end();
}

fn endpoint_keys(out: &mut Writer, keys: &EndpointKeys) {
    out.start("endpointKeys")
        .attribute("confEntity", &keys.conference)
        .attribute("userEntity", &keys.user)
        .attribute("endpointEntity", &keys.endpoint)
        .end();
}

fn media_keys(out: &mut Writer, keys: &MediaKeys) {
    out.start("mediaKeys")
        .attribute("confEntity", &keys.conference)
        .attribute("userEntity", &keys.user)
        .attribute("endpointEntity", &keys.endpoint)
        .attribute("mediaId", &keys.media)
        .end();
}

fn conference_key(out: &mut Writer, key: &ConferenceKey) {
    match key {
        ConferenceKey::Entity(entity) => conference_keys(out, entity),
        ConferenceKey::Id(id) => {
            out.start("conferenceKeys")
                .attribute("xmlns:msci", uri::INFO_EXT)
                .attribute("msci:conference-id", id)
                .end();
        }
    }
}

fn add_user(out: &mut Writer, add: &AddUser) {
    conference_keys(out, &add.conference);
    info::write_user(out, &add.user);
}

/// Writes a response.
pub(super) fn response(response: &Response) -> Bytes {
    let mut out = Writer::document();
    envelope(&mut out, "response", Some(response.request_id), &response.from, &response.to);
    out.attribute("code", response.code.as_str());
    result(&mut out, &response.result, response.reason.as_ref(), &response.extensions);
    out.end();
    out.finish()
}

/// The tag of a result with its prefix; `None` for one that is not known.
fn tag(result: &CommandResult) -> Option<&'static str> {
    Some(match result {
        CommandResult::AddConference(_) => "addConference",
        CommandResult::AddUser(_) => "addUser",
        CommandResult::DeleteUser => "deleteUser",
        CommandResult::ModifyConferenceLock => "modifyConferenceLock",
        CommandResult::ModifyUserRoles => "modifyUserRoles",
        CommandResult::SetLobbyAccess(_) => "setLobbyAccess",
        CommandResult::DeleteConference { .. } => "deleteConference",
        CommandResult::GetConference(_) => "getConference",
        CommandResult::ActivateConference(_) => "rc:activateConference",
        CommandResult::DeactivateConference => "rc:deactivateConference",
        CommandResult::Resync(_) => "rc:resync",
        CommandResult::ModifyConference(_) => "modifyConference",
        CommandResult::GetConferences(_) => "getConferences",
        CommandResult::GetConferencingCapabilities(_) => "getConferencingCapabilities",
        CommandResult::GetAvailableMcuTypes(_) => "getAvailableMcuTypes",
        CommandResult::GetEncryptionKey => "getEncryptionKey",
        CommandResult::EndorseUser(_) => "endorseUser",
        CommandResult::ModifyEndpointMedia => "modifyEndpointMedia",
        CommandResult::ModifyEndpoint => "modifyEndpoint",
        CommandResult::ModifyUsersMediaFilters => "modifyUsersMediaFilters",
        CommandResult::ModifyConferenceAnnouncements => "modifyConferenceAnnouncements",
        CommandResult::Unknown(_) => return None,
    })
}

fn result(out: &mut Writer, result: &CommandResult, reason: Option<&Reason>, extensions: &[AnyElement]) {
    let reason = reason.map(Reason::as_str);
    if let CommandResult::Unknown(element) = result {
        return unknown(out, element, reason.map(|reason| ("reason", reason)), extensions);
    }
    let Some(tag) = tag(result) else { return };
    out.start(tag);
    if tag.starts_with("rc:") {
        out.attribute("xmlns:rc", uri::RECOVERY);
    }
    out.attribute_if("reason", reason);
    content(out, result, reason.is_some());
    for element in extensions {
        out.any(element, &[]);
    }
    out.end();
}

/// Writes what a command brought; its tag is open.
fn content(out: &mut Writer, result: &CommandResult, is_failure: bool) {
    match result {
        CommandResult::AddConference(info) | CommandResult::ModifyConference(info) => {
            info_if(out, info.as_deref(), Form::Record);
        }
        CommandResult::GetConference(info)
        | CommandResult::ActivateConference(info)
        | CommandResult::Resync(info) => info_if(out, info.as_deref(), Form::Document),
        CommandResult::AddUser(Some(add)) => add_user(out, add),
        CommandResult::SetLobbyAccess(results) => lobby_results(out, results),
        CommandResult::DeleteConference { entity: Some(entity) } => {
            out.start("conference-info").attribute("xmlns", uri::INFO).attribute("entity", entity).end();
        }
        CommandResult::GetConferences(list) => conference_list(out, list),
        CommandResult::GetConferencingCapabilities(Some(found)) => capabilities(out, found),
        // An answer without any types is an answer; a failure has none.
        CommandResult::GetAvailableMcuTypes(types) if !is_failure || !types.is_empty() => {
            mcu_types(out, types);
        }
        CommandResult::EndorseUser(Some(Endorsement { conference, failure })) => {
            out.attribute("result", failure.as_ref().map_or("success", Reason::as_str));
            conference_keys(out, conference);
        }
        CommandResult::AddUser(None)
        | CommandResult::DeleteConference { entity: None }
        | CommandResult::GetConferencingCapabilities(None)
        | CommandResult::GetAvailableMcuTypes(_)
        | CommandResult::EndorseUser(None)
        | CommandResult::DeleteUser
        | CommandResult::ModifyConferenceLock
        | CommandResult::ModifyUserRoles
        | CommandResult::DeactivateConference
        | CommandResult::GetEncryptionKey
        | CommandResult::ModifyEndpointMedia
        | CommandResult::ModifyEndpoint
        | CommandResult::ModifyUsersMediaFilters
        | CommandResult::ModifyConferenceAnnouncements
        | CommandResult::Unknown(_) => {}
    }
}

fn conference_list(out: &mut Writer, list: &ConferenceList) {
    out.attribute_if("truncated", list.truncated.then_some("true"));
    for info in &list.conferences {
        info::write_conference_info(out, info, Form::Record);
    }
}

fn mcu_types(out: &mut Writer, types: &[SessionType]) {
    out.start("mcu-types");
    for word in types {
        out.leaf("mcuType", word.as_str());
    }
    out.end();
}

fn capabilities(out: &mut Writer, found: &ConferencingCapabilities) {
    out.attribute("capability-version", &found.version.to_string());
    mcu_types(out, &found.mcu_types);
    out.boolean_if("anonymous-scheduling", Some(found.anonymous_scheduling));
    if let Some(numbers) = &found.access_numbers {
        out.start("pstn-bridging");
        info::write_access_numbers(out, numbers, &NumberNames::PLAIN);
        out.end();
    }
}

fn info_if(out: &mut Writer, info: Option<&ConferenceInfo>, form: Form) {
    if let Some(info) = info {
        info::write_conference_info(out, info, form);
    }
}

fn lobby_results(out: &mut Writer, results: &[LobbyResult]) {
    for LobbyResult { user, failure } in results {
        let word = failure.as_ref().map_or("success", Reason::as_str);
        out.start("user").attribute("entity", user).attribute("result", word).end();
    }
}

/// Writes a notification.
pub(super) fn notify(notify: &Notify) -> Bytes {
    let mut out = Writer::document();
    envelope(&mut out, "notify", None, &notify.from, &notify.to);
    info::write_conference_info(&mut out, &notify.info, Form::Document);
    out.end();
    out.finish()
}
