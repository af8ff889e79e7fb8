//! C3P: requests, responses, notifications, and the commands in them.
//!
//! A body is a [`Document`]. A request holds exactly one command; the response holds the same command's result. A
//! command that is not known here is read as [`Command::Unknown`], so that a server can say that it does not do it.
//!
//! Not here: who may do what, and what then happens (crate `focus`).

mod read;
mod write;

use bytes::Bytes;

use crate::info::{ConferenceInfo, Endpoint, JoiningMethod, Role, User};
use crate::{DocumentError, Limits, Reason};

/// The body of a message of type [`crate::mime::C3P`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A command.
    Request(Request),
    /// The answer to one, perhaps not the last.
    Response(Response),
    /// A change, from an MCU to its Focus. A client answers 2xx and ignores it.
    Notify(Notify),
}

/// A C3P request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Unique per sender; with the dialog it is what ties a response to it.
    pub request_id: u64,
    /// The address of the sender.
    pub from: String,
    /// The address of the target: the SIP To URI.
    pub to: String,
    /// The MCU that is to do it, if not the Focus.
    pub mcu_uri: Option<String>,
    /// What is to be done.
    pub command: Command,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Creates a conference with these settings (at the Factory). `entity` is empty.
    AddConference(Box<ConferenceInfo>),
    /// Adds a user: a join, a dial-in, a dial-out, or an entry of the allow list.
    AddUser(AddUser),
    /// Removes a user, with all endpoints, or (with `mcu_uri`) from one MCU.
    DeleteUser {
        /// The conference.
        conference: String,
        /// The user.
        user: String,
    },
    /// Locks or unlocks the conference.
    ModifyConferenceLock {
        /// The conference.
        conference: String,
        /// Locked or not.
        locked: bool,
    },
    /// Gives a user a role.
    ModifyUserRoles {
        /// The conference.
        conference: String,
        /// The user.
        user: String,
        /// The role.
        role: Role,
    },
    /// Lets people in from the lobby or turns them away.
    SetLobbyAccess {
        /// The conference.
        conference: String,
        /// Those who wait.
        users: Vec<String>,
        /// In or away.
        access: Access,
    },
    /// Ends a conference (at the Focus), or deletes its record (at the Factory).
    DeleteConference {
        /// Which one.
        key: ConferenceKey,
    },
    /// Asks for the whole roster document (at the Focus), or the record (at the Factory).
    GetConference {
        /// Which one.
        key: ConferenceKey,
    },
    /// Focus to MCU: take up this conference.
    ActivateConference {
        /// The conference.
        conference: String,
        /// Its record, lock and users so far.
        info: Box<ConferenceInfo>,
    },
    /// Focus to MCU: end the calls of this conference and forget it.
    DeactivateConference {
        /// The conference.
        conference: String,
    },
    /// Focus to MCU: a new owner asks for all that the MCU has of this conference.
    Resync {
        /// The conference.
        conference: String,
    },
    /// A command that is not known here; to be answered with 501 and diagnostics 3004.
    Unknown {
        /// The local name of its element.
        name: String,
    },
}

tokens! {
    /// What to do with those who wait in the lobby.
    pub enum Access {
        /// Let them in.
        Granted = "granted",
        /// Turn them away.
        Denied = "denied",
    }
}

/// How a command names its conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConferenceKey {
    /// By its address: to the Focus (`confEntity`).
    Entity(String),
    /// By its id: to the organizer's Factory (`conference-id`).
    Id(String),
}

/// `addUser`, in the request and in the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddUser {
    /// The conference.
    pub conference: String,
    /// The one user: with the role that is asked for (request) or granted (response), and at most one endpoint.
    pub user: User,
}

/// A C3P response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// That of the request.
    pub request_id: u64,
    /// The `to` of the request.
    pub from: String,
    /// The `from` of the request.
    pub to: String,
    /// How it went; a response without a known code is a failure.
    pub code: Code,
    /// Why it failed; always there on failure when written here.
    pub reason: Option<Reason>,
    /// The command and what it brought.
    pub result: CommandResult,
}

tokens! {
    /// How a command went.
    pub enum Code {
        /// Done.
        Success = "success",
        /// Not done.
        Failure = "failure",
        /// Under way; another response follows.
        Pending = "pending",
    }
}

/// What a command brought; the content is that of a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandResult {
    /// The record, with its `entity` filled in.
    AddConference(Option<Box<ConferenceInfo>>),
    /// The user with the granted role; an endpoint with `on-hold` hints at the lobby.
    AddUser(Option<AddUser>),
    /// Nothing.
    DeleteUser,
    /// Nothing.
    ModifyConferenceLock,
    /// Nothing.
    ModifyUserRoles,
    /// How it went for each user. The code is a failure only if it failed for all.
    SetLobbyAccess(Vec<LobbyResult>),
    /// The address of the conference, from a Focus.
    DeleteConference {
        /// The conference.
        entity: Option<String>,
    },
    /// The document or the record.
    GetConference(Option<Box<ConferenceInfo>>),
    /// What the MCU has: its view (with its instance) and endpoints.
    ActivateConference(Option<Box<ConferenceInfo>>),
    /// Nothing.
    DeactivateConference,
    /// What the MCU has: its view (with its instance) and endpoints.
    Resync(Option<Box<ConferenceInfo>>),
    /// The answer to a command that is not known here.
    Unknown {
        /// The local name of its element.
        name: String,
    },
}

/// How `setLobbyAccess` went for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyResult {
    /// The user.
    pub user: String,
    /// Why it failed for him; `None` is success.
    pub failure: Option<Reason>,
}

/// A C3P notification: what changed at an MCU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The address of the MCU.
    pub from: String,
    /// The address of the conference.
    pub to: String,
    /// The MCU's own view and endpoints, with a version counter of its own.
    pub info: Box<ConferenceInfo>,
}

impl Document {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, not exactly one command, or a known command
    /// without what it needs. [`DocumentError::diagnostics_id`] says how to refuse it.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        read::parse(body, limits)
    }

    /// Writes the body.
    #[must_use]
    pub fn write(&self) -> Bytes {
        match self {
            Self::Request(request) => request.write(),
            Self::Response(response) => response.write(),
            Self::Notify(notify) => notify.write(),
        }
    }
}

impl Request {
    /// A request to the Focus or the Factory.
    #[must_use]
    pub fn new(request_id: u64, from: impl Into<String>, to: impl Into<String>, command: Command) -> Self {
        Self { request_id, from: from.into(), to: to.into(), mcu_uri: None, command }
    }

    /// Has an MCU do it.
    #[must_use]
    pub fn with_mcu_uri(mut self, mcu_uri: impl Into<String>) -> Self {
        self.mcu_uri = Some(mcu_uri.into());
        self
    }

    /// Reads a body that has to be a request.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`]; a response or a notification is [`ErrorKind::WrongRoot`](crate::ErrorKind::WrongRoot).
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        match Document::parse(body, limits)? {
            Document::Request(request) => Ok(request),
            Document::Response(_) => Err(read::wrong_root("response")),
            Document::Notify(_) => Err(read::wrong_root("notify")),
        }
    }

    /// Writes the body.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::request(self)
    }
}

impl Command {
    /// The local name of its element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::AddConference(_) => "addConference",
            Self::AddUser(_) => "addUser",
            Self::DeleteUser { .. } => "deleteUser",
            Self::ModifyConferenceLock { .. } => "modifyConferenceLock",
            Self::ModifyUserRoles { .. } => "modifyUserRoles",
            Self::SetLobbyAccess { .. } => "setLobbyAccess",
            Self::DeleteConference { .. } => "deleteConference",
            Self::GetConference { .. } => "getConference",
            Self::ActivateConference { .. } => "activateConference",
            Self::DeactivateConference { .. } => "deactivateConference",
            Self::Resync { .. } => "resync",
            Self::Unknown { name } => name,
        }
    }

    /// The address of the conference that it names, if it names one by address.
    #[must_use]
    pub fn conference(&self) -> Option<&str> {
        match self {
            Self::AddUser(AddUser { conference, .. })
            | Self::DeleteUser { conference, .. }
            | Self::ModifyConferenceLock { conference, .. }
            | Self::ModifyUserRoles { conference, .. }
            | Self::SetLobbyAccess { conference, .. }
            | Self::ActivateConference { conference, .. }
            | Self::DeactivateConference { conference }
            | Self::Resync { conference }
            | Self::DeleteConference { key: ConferenceKey::Entity(conference) }
            | Self::GetConference { key: ConferenceKey::Entity(conference) } => Some(conference),
            Self::AddConference(_)
            | Self::DeleteConference { key: ConferenceKey::Id(_) }
            | Self::GetConference { key: ConferenceKey::Id(_) }
            | Self::Unknown { .. } => None,
        }
    }

    /// Whether it belongs to the interior, between a Focus and an MCU; a client may not send it.
    #[must_use]
    pub fn is_interior(&self) -> bool {
        matches!(
            self,
            Self::ActivateConference { .. } | Self::DeactivateConference { .. } | Self::Resync { .. }
        )
    }

    /// The result of this command with nothing in it, as for a failure.
    #[must_use]
    pub fn empty_result(&self) -> CommandResult {
        match self {
            Self::AddConference(_) => CommandResult::AddConference(None),
            Self::AddUser(_) => CommandResult::AddUser(None),
            Self::DeleteUser { .. } => CommandResult::DeleteUser,
            Self::ModifyConferenceLock { .. } => CommandResult::ModifyConferenceLock,
            Self::ModifyUserRoles { .. } => CommandResult::ModifyUserRoles,
            Self::SetLobbyAccess { .. } => CommandResult::SetLobbyAccess(Vec::new()),
            Self::DeleteConference { .. } => CommandResult::DeleteConference { entity: None },
            Self::GetConference { .. } => CommandResult::GetConference(None),
            Self::ActivateConference { .. } => CommandResult::ActivateConference(None),
            Self::DeactivateConference { .. } => CommandResult::DeactivateConference,
            Self::Resync { .. } => CommandResult::Resync(None),
            Self::Unknown { name } => CommandResult::Unknown { name: name.clone() },
        }
    }
}

impl AddUser {
    /// A join: this user, through this endpoint, asking for this role. The client can wait in the lobby.
    #[must_use]
    pub fn join(
        conference: impl Into<String>,
        user: impl Into<String>,
        endpoint: impl Into<String>,
        role: Role,
    ) -> Self {
        let endpoint = Endpoint { lobby_capable: Some(true), ..Endpoint::unbound(endpoint) };
        Self { conference: conference.into(), user: User::new(user).with_role(role).with_endpoint(endpoint) }
    }

    /// A dial-in to the MCU that the request names: this user will call through this endpoint.
    #[must_use]
    pub fn dial_in(
        conference: impl Into<String>,
        user: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        let endpoint = Endpoint::unbound(endpoint).with_joining_method(JoiningMethod::DialedIn);
        Self { conference: conference.into(), user: User::new(user).with_endpoint(endpoint) }
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_display_text(mut self, text: impl Into<String>) -> Self {
        self.user.display_text = Some(text.into());
        self
    }

    /// The endpoint, if there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.user.endpoints.first()
    }

    /// Whether the client can wait in the lobby; silence means no.
    #[must_use]
    pub fn lobby_capable(&self) -> bool {
        self.endpoint().and_then(|endpoint| endpoint.lobby_capable).unwrap_or(false)
    }
}

impl Response {
    /// The answer to a request, with these parts.
    fn answer(request: &Request, code: Code, reason: Option<Reason>, result: CommandResult) -> Self {
        let (from, to) = (request.to.clone(), request.from.clone());
        Self { request_id: request.request_id, from, to, code, reason, result }
    }

    /// The request was done.
    #[must_use]
    pub fn success(request: &Request, result: CommandResult) -> Self {
        Self::answer(request, Code::Success, None, result)
    }

    /// The request was not done.
    #[must_use]
    pub fn failure(request: &Request, reason: Reason) -> Self {
        Self::answer(request, Code::Failure, Some(reason), request.command.empty_result())
    }

    /// The request is under way.
    #[must_use]
    pub fn pending(request: &Request) -> Self {
        Self::answer(request, Code::Pending, None, request.command.empty_result())
    }

    /// Whether no other response follows.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self.code {
            Code::Success | Code::Failure => true,
            Code::Pending => false,
        }
    }

    /// Reads a body that has to be a response.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`]; a request or a notification is [`ErrorKind::WrongRoot`](crate::ErrorKind::WrongRoot).
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        match Document::parse(body, limits)? {
            Document::Response(response) => Ok(response),
            Document::Request(_) => Err(read::wrong_root("request")),
            Document::Notify(_) => Err(read::wrong_root("notify")),
        }
    }

    /// Writes the body.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::response(self)
    }
}

impl CommandResult {
    /// The local name of the command's element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::AddConference(_) => "addConference",
            Self::AddUser(_) => "addUser",
            Self::DeleteUser => "deleteUser",
            Self::ModifyConferenceLock => "modifyConferenceLock",
            Self::ModifyUserRoles => "modifyUserRoles",
            Self::SetLobbyAccess(_) => "setLobbyAccess",
            Self::DeleteConference { .. } => "deleteConference",
            Self::GetConference(_) => "getConference",
            Self::ActivateConference(_) => "activateConference",
            Self::DeactivateConference => "deactivateConference",
            Self::Resync(_) => "resync",
            Self::Unknown { name } => name,
        }
    }
}

impl Notify {
    /// A change at this MCU of this conference.
    #[must_use]
    pub fn new(from: impl Into<String>, to: impl Into<String>, info: ConferenceInfo) -> Self {
        Self { from: from.into(), to: to.into(), info: Box::new(info) }
    }

    /// Writes the body.
    #[must_use]
    pub fn write(&self) -> Bytes {
        write::notify(self)
    }
}
