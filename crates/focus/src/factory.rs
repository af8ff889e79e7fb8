//! The Focus Factory: conferences are made, shown and deleted by their organizer, over SERVICE (c3p section 3.3 to 3.7).
//!
//! Pure: it turns a request into a record or a refusal; the front end stores the record before it answers.

use c3p::command::{Command, CommandResult, ConferenceKey, Request as C3pRequest, Response as C3pResponse};
use c3p::info::{ConferenceInfo, Role};
use c3p::{McuType, Reason};
use jiff::{SignedDuration, Timestamp};

use crate::conference::{describe, user_key};
use crate::config::FrontEndConfig;
use crate::record::{ConferenceHead, McuSlot, SlotStatus, VERSION, key};

/// How far in the past an expiry may be: clocks differ.
const EXPIRY_PAST: SignedDuration = SignedDuration::from_hours(24);

/// How far in the future an expiry may be: ten years.
const EXPIRY_FUTURE: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// Digits of a conference id that the server makes.
const ID_LENGTH: usize = 16;

/// What a request to the Factory asks for.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Store this record, if its name is free.
    Add { name: String, head: Box<ConferenceHead> },
    /// Show the record.
    Get { name: String },
    /// End it if it is live, and delete the record.
    Delete { name: String },
}

/// Why the Factory does not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody but the organizer may.
    Unauthorized,
    /// The Factory does not do that.
    NotImplemented,
    /// A C3P failure.
    Failure(Reason),
}

/// Reads a request of `sender` to the Factory of `organizer`.
pub(crate) fn read(
    request: &C3pRequest,
    sender: &str,
    organizer: &str,
    config: &FrontEndConfig,
    wall: Timestamp,
    token: impl FnOnce() -> String,
) -> Result<Order, Fault> {
    if user_key(sender) != user_key(organizer) {
        return Err(Fault::Unauthorized);
    }
    let named = |key: &ConferenceKey| match key {
        ConferenceKey::Id(id) => Ok(key::conference(&user_key(organizer), id)),
        ConferenceKey::Entity(entity) => {
            let id = c3p::uri::conference_id(entity).ok_or(Fault::Failure(Reason::InvalidConferenceId))?;
            Ok(key::conference(&user_key(organizer), id))
        }
    };
    match &request.command {
        Command::AddConference(info) => add(info, organizer, config, wall, token),
        Command::GetConference { key } => Ok(Order::Get { name: named(key)? }),
        Command::DeleteConference { key } => Ok(Order::Delete { name: named(key)? }),
        Command::AddUser(_)
        | Command::DeleteUser { .. }
        | Command::ModifyConferenceLock { .. }
        | Command::ModifyUserRoles { .. }
        | Command::SetLobbyAccess { .. }
        | Command::ActivateConference { .. }
        | Command::DeactivateConference { .. }
        | Command::Resync { .. }
        | Command::ModifyConference(_)
        | Command::GetConferences
        | Command::GetConferencingCapabilities
        | Command::GetAvailableMcuTypes
        | Command::GetEncryptionKey
        | Command::EndorseUser { .. }
        | Command::ModifyEndpointMedia { .. }
        | Command::ModifyEndpoint { .. }
        | Command::ModifyUsersMediaFilters { .. }
        | Command::ModifyConferenceAnnouncements { .. }
        | Command::Unknown { .. } => Err(Fault::NotImplemented),
    }
}

fn add(
    info: &ConferenceInfo,
    organizer: &str,
    config: &FrontEndConfig,
    wall: Timestamp,
    token: impl FnOnce() -> String,
) -> Result<Order, Fault> {
    let description = info.description.clone().unwrap_or_default();
    let id = match description.conference_id {
        Some(id) if c3p::uri::is_valid_id(&id) => id,
        Some(_) => return Err(Fault::Failure(Reason::InvalidConferenceId)),
        None => token().to_ascii_uppercase().chars().take(ID_LENGTH).collect(),
    };
    let subject = description.subject.unwrap_or_default();
    if subject.chars().count() > config.bounds.name_chars_max {
        return Err(Fault::Failure(Reason::RequestTooLarge));
    }
    let head = ConferenceHead {
        v: VERSION,
        uri: c3p::uri::conference_uri(organizer, &id),
        id: id.clone(),
        organizer: organizer.to_owned(),
        subject,
        admission_policy: description
            .admission_policy
            .map_or_else(|| "openAuthenticated".to_owned(), |policy| policy.as_str().to_owned()),
        expires: expiry(description.expiry_time.as_deref(), config, wall)?.to_string(),
        presenters: with_role(info, &Role::Presenter),
        attendees: with_role(info, &Role::Attendee),
        owner: None,
        epoch: 0,
        writes: 0,
        version: 0,
        locked: info.conference_state.as_ref().and_then(|state| state.locked).unwrap_or(false),
        active: false,
        mcus: slots(info, config)?,
    };
    Ok(Order::Add { name: key::conference(&user_key(organizer), &id), head: Box::new(head) })
}

fn expiry(wish: Option<&str>, config: &FrontEndConfig, wall: Timestamp) -> Result<Timestamp, Fault> {
    let invalid = || Fault::Failure(Reason::InvalidExpiryTime);
    let Some(wish) = wish else {
        let life = SignedDuration::try_from(config.timers.conference_life).map_err(|_| invalid())?;
        return wall.checked_add(life).map_err(|_| invalid());
    };
    let until: Timestamp = wish.trim().parse().map_err(|_| invalid())?;
    let from_now = until.duration_since(wall);
    if from_now < -EXPIRY_PAST || from_now > EXPIRY_FUTURE { Err(invalid()) } else { Ok(until) }
}

fn with_role(info: &ConferenceInfo, role: &Role) -> Vec<String> {
    info.users().filter(|user| user.role() == Some(role)).map(|user| user.entity.clone()).collect()
}

/// The types asked for that the pool has; all that it has, if none is named.
fn slots(info: &ConferenceInfo, config: &FrontEndConfig) -> Result<Vec<McuSlot>, Fault> {
    let wanted: Vec<McuType> = info.view_mcu_types().collect();
    let offered = config.mcu_types.iter().filter_map(|word| McuType::from_token(word));
    let chosen: Vec<McuType> = offered.filter(|mcu| wanted.is_empty() || wanted.contains(mcu)).collect();
    if chosen.is_empty() && !wanted.is_empty() {
        return Err(Fault::Failure(Reason::McuTypeNotAvailable));
    }
    Ok(chosen.into_iter().map(|mcu| McuSlot::idle(mcu.as_str())).collect())
}

/// What is answered when a record was stored.
pub(crate) fn added(request: &C3pRequest, head: &ConferenceHead) -> C3pResponse {
    C3pResponse::success(request, CommandResult::AddConference(Some(Box::new(record_info(head)))))
}

/// What is answered with a record.
pub(crate) fn shown(request: &C3pRequest, head: &ConferenceHead) -> C3pResponse {
    C3pResponse::success(request, CommandResult::GetConference(Some(Box::new(record_info(head)))))
}

fn record_info(head: &ConferenceHead) -> ConferenceInfo {
    ConferenceInfo { description: Some(describe(head)), ..ConferenceInfo::new(head.uri.as_str()) }
}

impl McuSlot {
    /// A modality that nobody serves yet.
    pub(crate) fn idle(mcu: &str) -> Self {
        Self {
            mcu: mcu.to_owned(),
            status: SlotStatus::Idle,
            node: None,
            address: None,
            incarnation: None,
            instance: None,
            lost: None,
        }
    }
}
