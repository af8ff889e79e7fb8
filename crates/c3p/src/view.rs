//! One roster, several views of it: what members, people in the lobby and a known real client are to be shown.
//!
//! A Focus keeps one full document and derives from it what each watcher may see, full or partial alike:
//!
//! | watcher | sees |
//! |---|---|
//! | [`member`] | everything but what is the organizer's or the presenters' own |
//! | [`lobby`] | the title, how to join, whether it is locked, and himself, on hold; nobody else and no MCU |
//! | [`lobby_end`] | himself, gone, with the method that says why |
//! | [`known_client`] | what a member sees, put so that a client that compares strings gets it right |

use crate::info::{
    ConferenceInfo, ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus, EntityState,
    EntityView, MediaEntry, Role, SessionType, State, User, Users,
};
use crate::{McuType, uri};

/// Who is to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Somebody who takes part.
    Attendee,
    /// Somebody who leads.
    Presenter,
}

/// What a member sees: no passcode for attendees, and the organizer's own data for nobody.
#[must_use]
pub fn member(roster: &ConferenceInfo, audience: Audience) -> ConferenceInfo {
    let mut seen = roster.clone();
    if let Some(description) = &mut seen.description {
        description.organizer_roaming_data = None;
        if audience == Audience::Attendee {
            description.conference_key = None;
        }
    }
    seen
}

/// What somebody who waits sees: a full document with subject, description, id, join address and organizer, whether the
/// conference is locked, and himself with his focus endpoint on hold. No MCU is named, so that nobody calls one.
///
/// - `user`: his entry; as in the roster if he is in it, else with nothing but the address.
/// - `endpoint`: the entity of the endpoint that waits.
#[must_use]
pub fn lobby(roster: &ConferenceInfo, user: &str, endpoint: &str) -> ConferenceInfo {
    let description = roster.description.as_ref().map(|all| Description {
        display_text: all.display_text.clone(),
        subject: all.subject.clone(),
        conference_id: all.conference_id.clone(),
        organizer: all.organizer.clone(),
        join_url: all.join_url.clone(),
        ..Description::default()
    });
    let locked = roster.conference_state.as_ref().and_then(|state| state.locked);
    let own = own_entry(roster, user, endpoint, EndpointStatus::OnHold);
    ConferenceInfo {
        version: roster.version,
        description,
        conference_state: Some(ConferenceState { locked, ..ConferenceState::default() }),
        users: Some(Users::full(vec![own])),
        ..ConferenceInfo::new(roster.entity.as_str())
    }
}

/// The last document of somebody who waited: he is deleted, `booted` if he was denied, `failed` if his wait ran out,
/// `departed` if he left.
#[must_use]
pub fn lobby_end(
    roster: &ConferenceInfo,
    user: &str,
    endpoint: &str,
    method: DisconnectionMethod,
) -> ConferenceInfo {
    let mut own = own_entry(roster, user, endpoint, EndpointStatus::Disconnected);
    own.state = State::Deleted;
    own.endpoints.iter_mut().for_each(|endpoint| endpoint.disconnection_method = Some(method));
    ConferenceInfo {
        version: roster.version,
        users: Some(Users::partial(vec![own])),
        ..ConferenceInfo::partial(roster.entity.as_str())
    }
}

fn own_entry(roster: &ConferenceInfo, user: &str, endpoint: &str, status: EndpointStatus) -> User {
    let known = roster.user(user);
    let focus = known.and_then(|known| known.focus_endpoint(endpoint)).cloned();
    let focus = focus.unwrap_or_else(|| Endpoint::new(endpoint, SessionType::Focus)).with_status(status);
    User {
        display_text: known.and_then(|known| known.display_text.clone()),
        roles: known.map(|known| known.roles.clone()).unwrap_or_default(),
        endpoints: vec![focus],
        ..User::new(known.map_or(user, |known| &known.entity))
    }
}

/// What a client that was measured (pidgin-sipe) needs in order to show what a member sees.
///
/// - `entity`: the conference as that client wrote it in To: it compares strings.
/// - `left`: the users who went since its last document. It does not conclude that from a full document, so each gets
///   an entry of its own that is deleted.
///
/// Further, because it recomputes a user from his element alone: every user is complete, endpoints that are deleted or
/// disconnected are not shown (it looks at `status` only), the presenter's role stands first (it reads one), and the
/// view of the IM MCU has its medium beside the lock (it finds the lock by the medium), unless that MCU is not active.
#[must_use]
pub fn known_client(document: &ConferenceInfo, entity: &str, left: &[String]) -> ConferenceInfo {
    let mut seen = member(document, Audience::Attendee);
    entity.clone_into(&mut seen.entity);
    let mut users = seen.users.take().unwrap_or_else(|| Users::partial(Vec::new()));
    for user in &mut users.users {
        complete(user);
    }
    for gone in left {
        if !users.users.iter().any(|user| user.entity == *gone) {
            users.users.push(User::deleted(gone.as_str()));
        }
    }
    if document.users.is_some() || !users.users.is_empty() {
        seen.users = Some(users);
    }
    for view in seen.views.iter_mut().flat_map(|views| views.views.iter_mut()) {
        if view.mcu_type() == Some(McuType::Im) {
            show_medium(view);
        }
    }
    seen
}

/// Makes a user an entry that says everything by itself.
fn complete(user: &mut User) {
    if user.state != State::Deleted {
        user.state = State::Full;
    }
    user.endpoints.retain(|endpoint| {
        endpoint.state != State::Deleted && endpoint.status != Some(EndpointStatus::Disconnected)
    });
    user.endpoints.iter_mut().for_each(|endpoint| endpoint.state = State::Full);
    user.roles.sort_by_key(|role| *role != Role::Presenter);
}

fn show_medium(view: &mut EntityView) {
    let is_active = view.mcu_status().is_active();
    let Some(EntityState { locked: Some(_), media, .. }) = &mut view.entity_state else { return };
    if is_active && !media.iter().any(|entry| entry.kind.as_deref() == Some("chat")) {
        media.push(MediaEntry::new("chat", "chat"));
    }
}

/// Whether a document of this client's conference is one that it will read: the entity is compared as it does.
#[must_use]
pub fn is_read_by_known_client(document: &ConferenceInfo, conference: &str) -> bool {
    document.entity.eq_ignore_ascii_case(conference) && uri::is_conference(conference)
}
