//! What a request can get wrong beyond its grammar, and how it is refused then.

use super::{Command, Request};
use crate::diagnostics::ids;
use crate::info::{Endpoint, JoiningMethod, Role};
use crate::{failure, uri};

/// Why a request that could be read cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// `from` is not who sent it.
    #[error("the from of the request is not its sender")]
    From,
    /// `to` is not to whom it was sent.
    #[error("the to of the request is not its target")]
    To,
    /// The user is not a SIP or tel address.
    #[error("the target user is not valid")]
    TargetUser,
    /// The conference is not the address of one.
    #[error("the conference entity is not valid")]
    ConferenceEntity,
    /// The command is not known here.
    #[error("the command is not implemented")]
    NotImplemented,
    /// The command names an MCU, and MCUs do not do it.
    #[error("the request may not be sent to an MCU")]
    NotToMcu,
    /// `addUser` with an access or authentication method that only servers fill in.
    #[error("the access or authentication method is not acceptable")]
    AccessMethod,
    /// The entity of the endpoint is empty, or has characters that an id cannot have.
    #[error("the endpoint entity is malformed")]
    EndpointEntity,
    /// The MCU is not the address of one of this conference.
    #[error("the MCU URI is not valid")]
    McuUri,
    /// The role is neither of the two.
    #[error("the role is not valid")]
    Role,
    /// `addUser` to an MCU without one joining method, or with one that cannot be asked for.
    #[error("exactly one joining method is required")]
    JoiningMethod,
}

impl RequestFault {
    /// The id of its diagnostics.
    #[must_use]
    pub fn diagnostics_id(self) -> u32 {
        match self {
            Self::From => ids::C3P_FROM,
            Self::To => ids::C3P_TO,
            Self::TargetUser => ids::C3P_TARGET_USER,
            Self::ConferenceEntity => ids::C3P_CONFERENCE_ENTITY,
            Self::NotImplemented => ids::C3P_NOT_IMPLEMENTED,
            Self::NotToMcu => ids::C3P_NOT_TO_MCU,
            Self::AccessMethod => ids::C3P_ACCESS_METHOD,
            Self::EndpointEntity => ids::C3P_ENDPOINT_ENTITY,
            Self::McuUri => ids::C3P_MCU_URI,
            Self::Role => ids::C3P_ROLE,
            Self::JoiningMethod => ids::C3P_JOINING_METHOD,
        }
    }

    /// The SIP status of the refusal.
    #[must_use]
    pub fn status(self) -> u16 {
        failure::status_of(self.diagnostics_id()).unwrap_or(400)
    }
}

impl Request {
    /// Whether it comes from and goes to whom the message says; addresses compare as URIs.
    ///
    /// - `sender`: who the sender was proved to be, or may act for.
    /// - `target`: the To URI of the SIP request.
    ///
    /// # Errors
    ///
    /// [`RequestFault::From`], [`RequestFault::To`].
    pub fn check_addresses(&self, sender: &str, target: &str) -> Result<(), RequestFault> {
        if !uri::same(&self.from, sender) {
            return Err(RequestFault::From);
        }
        if uri::same(&self.to, target) { Ok(()) } else { Err(RequestFault::To) }
    }

    /// Whether its values can be meant: addresses, role, joining method, and that the command is one for an MCU if it
    /// names one. Who may send it is not judged here.
    ///
    /// # Errors
    ///
    /// The first [`RequestFault`], from the outside in.
    ///
    /// # Examples
    ///
    /// ```
    /// use c3p::command::{Command, Request, RequestFault};
    ///
    /// let conference = "sip:alice@example.com".to_owned();
    /// let lock = Command::ModifyConferenceLock { conference: conference.clone(), locked: true };
    /// let request = Request::new(1, "sip:bob@example.com", conference, lock);
    /// let fault = request.check().expect_err("Alice is not a conference");
    /// assert_eq!(fault, RequestFault::ConferenceEntity);
    /// assert_eq!((fault.status(), fault.diagnostics_id()), (400, 3003));
    /// ```
    pub fn check(&self) -> Result<(), RequestFault> {
        if let Command::Unknown(_) = self.command {
            return Err(RequestFault::NotImplemented);
        }
        let conference = self.command.conference();
        if conference.is_some_and(|conference| !uri::is_conference(conference)) {
            return Err(RequestFault::ConferenceEntity);
        }
        if let Some(mcu_uri) = &self.mcu_uri {
            if !self.command.may_go_to_mcu() {
                return Err(RequestFault::NotToMcu);
            }
            let Some((of, _)) = uri::conference_of_mcu(mcu_uri) else { return Err(RequestFault::McuUri) };
            if conference.is_some_and(|conference| !uri::same(conference, &of)) {
                return Err(RequestFault::McuUri);
            }
        }
        self.command.users().try_for_each(check_user)?;
        match &self.command {
            Command::AddUser(add) => {
                add.user.role().map_or(Ok(()), check_role)?;
                add.endpoint().map_or(Ok(()), check_endpoint)?;
                if self.mcu_uri.is_some() { check_joining(add.endpoint()) } else { Ok(()) }
            }
            Command::ModifyUserRoles { role, .. } => check_role(role),
            Command::ModifyEndpoint { keys, endpoint } => {
                check_entity(&keys.endpoint)?;
                check_endpoint(endpoint)
            }
            Command::ModifyEndpointMedia { keys, .. } => check_entity(&keys.endpoint),
            Command::AddConference(_)
            | Command::DeleteUser { .. }
            | Command::ModifyConferenceLock { .. }
            | Command::SetLobbyAccess { .. }
            | Command::DeleteConference { .. }
            | Command::GetConference { .. }
            | Command::ActivateConference { .. }
            | Command::DeactivateConference { .. }
            | Command::Resync { .. }
            | Command::ModifyConference(_)
            | Command::GetConferences
            | Command::GetConferencingCapabilities
            | Command::GetAvailableMcuTypes
            | Command::GetEncryptionKey
            | Command::EndorseUser { .. }
            | Command::ModifyUsersMediaFilters { .. }
            | Command::ModifyConferenceAnnouncements { .. }
            | Command::Unknown(_) => Ok(()),
        }
    }
}

fn check_user(user: &str) -> Result<(), RequestFault> {
    let (scheme, rest) = user.split_once(':').unwrap_or(("", ""));
    let known = ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let strange =
        |character: char| character.is_control() || character.is_whitespace() || "<>\"".contains(character);
    if known && !rest.is_empty() && !rest.contains(strange) { Ok(()) } else { Err(RequestFault::TargetUser) }
}

fn check_role(role: &Role) -> Result<(), RequestFault> {
    if role.is_known() { Ok(()) } else { Err(RequestFault::Role) }
}

/// An endpoint as a client may describe it.
fn check_endpoint(endpoint: &Endpoint) -> Result<(), RequestFault> {
    check_entity(&endpoint.entity)?;
    // How somebody came is for the server to say; clients leave it out.
    if endpoint.access_method.is_some() || endpoint.auth_method.is_some() {
        return Err(RequestFault::AccessMethod);
    }
    Ok(())
}

fn check_entity(entity: &str) -> Result<(), RequestFault> {
    let fits = (1..=256).contains(&entity.len());
    let strange =
        |character: char| character.is_control() || character.is_whitespace() || "<>\"".contains(character);
    if fits && !entity.contains(strange) { Ok(()) } else { Err(RequestFault::EndpointEntity) }
}

/// A dial-in or a dial-out says which of the two it is.
fn check_joining(endpoint: Option<&Endpoint>) -> Result<(), RequestFault> {
    match endpoint.and_then(|endpoint| endpoint.joining_method) {
        Some(JoiningMethod::DialedIn | JoiningMethod::DialedOut) => Ok(()),
        Some(JoiningMethod::FocusOwner) | None => Err(RequestFault::JoiningMethod),
    }
}
