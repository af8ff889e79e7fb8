//! Writing of C3P documents: the envelope and the commands, elements in the documented order.

use bytes::Bytes;

use super::{AddUser, Command, CommandResult, ConferenceKey, LobbyResult, Notify, Request, Response};
use crate::Reason;
use crate::info::{self, ConferenceInfo, Form};
use crate::xml::{Writer, uri};

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
    command(&mut out, &request.command, request.mcu_uri.as_deref());
    out.end();
    out.finish()
}

fn command(out: &mut Writer, command: &Command, mcu_uri: Option<&str>) {
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
        Command::Unknown { name } => {
            unknown(out, name, mcu_uri.map(|uri| ("mscp:mcuUri", uri)));
            return;
        }
    }
    out.end();
}

/// Names that mean something in the namespace of C3P.
const NAMES: [&str; 8] = [
    "addConference",
    "addUser",
    "deleteUser",
    "modifyConferenceLock",
    "modifyUserRoles",
    "setLobbyAccess",
    "deleteConference",
    "getConference",
];

/// Writes a command that is not known. One whose name is known came in another namespace, and must not turn into ours.
fn unknown(out: &mut Writer, name: &str, attribute: Option<(&str, &str)>) {
    let elsewhere = NAMES.contains(&name).then_some(("xmlns", ""));
    let attributes: Vec<_> = elsewhere.into_iter().chain(attribute).collect();
    out.empty_named(name, &attributes);
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
    result(&mut out, &response.result, response.reason.as_ref());
    out.end();
    out.finish()
}

fn result(out: &mut Writer, result: &CommandResult, reason: Option<&Reason>) {
    let reason = reason.map(Reason::as_str);
    match result {
        CommandResult::AddConference(info) => {
            out.start("addConference").attribute_if("reason", reason);
            info_if(out, info.as_deref(), Form::Record);
        }
        CommandResult::AddUser(add) => {
            out.start("addUser").attribute_if("reason", reason);
            if let Some(add) = add {
                add_user(out, add);
            }
        }
        CommandResult::DeleteUser => {
            out.start("deleteUser").attribute_if("reason", reason);
        }
        CommandResult::ModifyConferenceLock => {
            out.start("modifyConferenceLock").attribute_if("reason", reason);
        }
        CommandResult::ModifyUserRoles => {
            out.start("modifyUserRoles").attribute_if("reason", reason);
        }
        CommandResult::SetLobbyAccess(results) => {
            out.start("setLobbyAccess").attribute_if("reason", reason);
            lobby_results(out, results);
        }
        CommandResult::DeleteConference { entity } => {
            out.start("deleteConference").attribute_if("reason", reason);
            if let Some(entity) = entity {
                out.start("conference-info").attribute("xmlns", uri::INFO).attribute("entity", entity).end();
            }
        }
        CommandResult::GetConference(info) => {
            out.start("getConference").attribute_if("reason", reason);
            info_if(out, info.as_deref(), Form::Document);
        }
        CommandResult::ActivateConference(info) => {
            out.start("rc:activateConference")
                .attribute("xmlns:rc", uri::RECOVERY)
                .attribute_if("reason", reason);
            info_if(out, info.as_deref(), Form::Document);
        }
        CommandResult::DeactivateConference => {
            out.start("rc:deactivateConference")
                .attribute("xmlns:rc", uri::RECOVERY)
                .attribute_if("reason", reason);
        }
        CommandResult::Resync(info) => {
            out.start("rc:resync").attribute("xmlns:rc", uri::RECOVERY).attribute_if("reason", reason);
            info_if(out, info.as_deref(), Form::Document);
        }
        CommandResult::Unknown { name } => {
            unknown(out, name, reason.map(|reason| ("reason", reason)));
            return;
        }
    }
    out.end();
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
