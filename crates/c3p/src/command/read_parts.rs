//! Reading of what several commands have in common, and of the results that are lists.

use super::{
    ConferenceKey, ConferenceList, ConferencingCapabilities, Endorsement, EndpointKeys, LobbyResult,
    MediaKeys,
};
use crate::info::{self, AccessNumbers, Keeper, SessionType};
use crate::xml::{Element, Ns, Reader};
use crate::{DocumentError, ErrorKind, Reason};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// What a value under construction lacks at the end of its element.
pub(super) fn missing(reader: &Reader<'_>, what: &'static str, within: &'static str) -> DocumentError {
    DocumentError { element: within, ..reader.error(ErrorKind::Missing(what)) }
}

/// Sets a value that may be there once.
pub(super) fn set_once<T>(
    reader: &Reader<'_>,
    slot: &mut Option<T>,
    value: T,
    what: &'static str,
) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(reader.error(ErrorKind::Repeated(what))),
    }
}

/// The `confEntity` of `conferenceKeys`.
pub(super) fn conference_of(element: &mut Element) -> Result<String> {
    element.require("confEntity", "@confEntity", "conferenceKeys")
}

/// The two attributes of `userKeys`.
pub(super) fn user_keys(element: &mut Element) -> Result<(String, String)> {
    let conference = element.require("confEntity", "@confEntity", "userKeys")?;
    Ok((conference, element.require("userEntity", "@userEntity", "userKeys")?))
}

/// The three attributes of `endpointKeys`.
pub(super) fn endpoint_keys(element: &mut Element) -> Result<EndpointKeys> {
    const NAME: &str = "endpointKeys";
    Ok(EndpointKeys {
        conference: element.require("confEntity", "@confEntity", NAME)?,
        user: element.require("userEntity", "@userEntity", NAME)?,
        endpoint: element.require("endpointEntity", "@endpointEntity", NAME)?,
    })
}

/// The four attributes of `mediaKeys`.
pub(super) fn media_keys(element: &mut Element) -> Result<MediaKeys> {
    const NAME: &str = "mediaKeys";
    Ok(MediaKeys {
        conference: element.require("confEntity", "@confEntity", NAME)?,
        user: element.require("userEntity", "@userEntity", NAME)?,
        endpoint: element.require("endpointEntity", "@endpointEntity", NAME)?,
        media: element.require("mediaId", "@mediaId", NAME)?,
    })
}

/// Reads a command that names its conference by address or by id; the address counts if both are there.
pub(super) fn read_conference_key(
    reader: &mut Reader<'_>,
    within: &'static str,
    unknown: &mut Keeper,
) -> Result<ConferenceKey> {
    let mut key = None;
    reader.children(within, |reader, mut element| {
        if element.key() != (Ns::C3p, "conferenceKeys") {
            return unknown.keep(reader, &element);
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

/// Reads `modifyConferenceAnnouncements`: `enabled` stands beside the keys, or in them as others write it.
pub(super) fn read_announcements(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<(String, bool)> {
    const NAME: &str = "modifyConferenceAnnouncements";
    let (mut conference, mut enabled) = (None, None);
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")?;
            reader.children("conferenceKeys", |reader, element| match element.key() {
                (Ns::C3p, "enabled") => {
                    let value = reader.boolean("enabled")?;
                    set_once(reader, &mut enabled, value, "enabled")
                }
                _ => Ok(()),
            })
        }
        (Ns::C3p, "enabled") => {
            let value = reader.boolean("enabled")?;
            set_once(reader, &mut enabled, value, "enabled")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let conference = conference.ok_or_else(|| missing(reader, "conferenceKeys", NAME))?;
    let enabled = enabled.ok_or_else(|| missing(reader, "enabled", NAME))?;
    Ok((conference, enabled))
}

/// How it went, as an attribute `result`: `None` is success.
fn failure_of(element: &mut Element, within: &'static str) -> Result<Option<Reason>> {
    let word = element.require("result", "@result", within)?;
    let word = word.trim();
    Ok((!word.eq_ignore_ascii_case("success")).then(|| Reason::from_token(word)))
}

/// Reads the result of `setLobbyAccess`.
pub(super) fn read_lobby_results(reader: &mut Reader<'_>, unknown: &mut Keeper) -> Result<Vec<LobbyResult>> {
    let mut results = Vec::new();
    reader.children("setLobbyAccess", |reader, mut element| match element.key() {
        (Ns::C3p | Ns::Info, "user") => {
            reader.count_entry()?;
            let user = element.require("entity", "@entity", "user")?;
            results.push(LobbyResult { user, failure: failure_of(&mut element, "user")? });
            Ok(())
        }
        _ => unknown.keep(reader, &element),
    })?;
    Ok(results)
}

/// Reads the result of `endorseUser`; without keys there is none, as in a failure.
pub(super) fn read_endorsement(
    reader: &mut Reader<'_>,
    mut result: Element,
    unknown: &mut Keeper,
) -> Result<Option<Endorsement>> {
    const NAME: &str = "endorseUser";
    let mut conference = None;
    reader.children(NAME, |reader, mut element| match element.key() {
        (Ns::C3p, "conferenceKeys") => {
            set_once(reader, &mut conference, conference_of(&mut element)?, "conferenceKeys")
        }
        _ => unknown.keep(reader, &element),
    })?;
    let Some(conference) = conference else { return Ok(None) };
    Ok(Some(Endorsement { conference, failure: failure_of(&mut result, NAME)? }))
}

/// Reads the result of `getConferences`.
pub(super) fn read_conference_list(
    reader: &mut Reader<'_>,
    mut result: Element,
    unknown: &mut Keeper,
) -> Result<ConferenceList> {
    const NAME: &str = "getConferences";
    let truncated = result.boolean("truncated", "@truncated", NAME)?.unwrap_or(false);
    let mut conferences = Vec::new();
    reader.children(NAME, |reader, element| match element.key() {
        (Ns::Info, "conference-info") => {
            reader.count_entry()?;
            conferences.push(info::read_conference_info(reader, element)?);
            Ok(())
        }
        _ => unknown.keep(reader, &element),
    })?;
    Ok(ConferenceList { conferences, truncated })
}

/// Reads the `mcu-types` among the children of a result.
pub(super) fn read_mcu_types(
    reader: &mut Reader<'_>,
    within: &'static str,
    unknown: &mut Keeper,
) -> Result<Vec<SessionType>> {
    let mut types = Vec::new();
    reader.children(within, |reader, element| match element.key() {
        (Ns::C3p, "mcu-types") => read_type_words(reader, &mut types),
        _ => unknown.keep(reader, &element),
    })?;
    Ok(types)
}

fn read_type_words(reader: &mut Reader<'_>, types: &mut Vec<SessionType>) -> Result<()> {
    reader.children("mcu-types", |reader, element| {
        if element.key() == (Ns::C3p, "mcuType") {
            reader.count_entry()?;
            types.push(reader.word(SessionType::from_token)?);
        }
        Ok(())
    })
}

/// Reads the result of `getConferencingCapabilities`; without `mcu-types` there is none, as in a failure.
pub(super) fn read_capabilities(
    reader: &mut Reader<'_>,
    mut result: Element,
    unknown: &mut Keeper,
) -> Result<Option<ConferencingCapabilities>> {
    const NAME: &str = "getConferencingCapabilities";
    let version = result.number("capability-version", "@capability-version", NAME)?;
    let mut found = ConferencingCapabilities { version: version.unwrap_or(0), ..Default::default() };
    let mut has_types = false;
    reader.children(NAME, |reader, element| match element.key() {
        (Ns::C3p, "mcu-types") => {
            has_types = true;
            read_type_words(reader, &mut found.mcu_types)
        }
        (Ns::C3p, "anonymous-scheduling") => {
            found.anonymous_scheduling = reader.boolean("anonymous-scheduling")?;
            Ok(())
        }
        (Ns::C3p, "pstn-bridging") => {
            found.access_numbers = read_bridging(reader)?;
            Ok(())
        }
        _ => unknown.keep(reader, &element),
    })?;
    Ok(has_types.then_some(found))
}

fn read_bridging(reader: &mut Reader<'_>) -> Result<Option<AccessNumbers>> {
    let mut numbers = None;
    reader.children("pstn-bridging", |reader, element| {
        if element.key() == (Ns::C3p, "access-numbers") {
            numbers = Some(info::read_access_numbers(reader)?);
        }
        Ok(())
    })?;
    Ok(numbers)
}
