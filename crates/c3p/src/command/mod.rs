//! C3P: requests, responses, notifications, and the commands in them.
//!
//! A body is a [`Document`]. A request holds exactly one command; the response holds the same command's result. A
//! command that is not known here is read as [`Command::Unknown`], so that a server can say that it does not do it.
//!
//! Not here: who may do what, and what then happens (crate `focus`).

mod check;
mod kind;
mod read;
mod read_parts;
mod result;
mod write;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use check::RequestFault;
pub use kind::{Access, AddUser, Command, ConferenceKey, EndpointKeys, MediaKeys};
pub use result::{CommandResult, ConferenceList, ConferencingCapabilities, Endorsement, LobbyResult};

use crate::info::ConferenceInfo;
use crate::{AnyElement, DocumentError, Limits, Reason};

/// The body of a message of type [`crate::mime::C3P`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Document {
    /// A command.
    Request(Request),
    /// The answer to one, perhaps not the last.
    Response(Response),
    /// A change, from an MCU to its Focus. A client answers 2xx and ignores it.
    Notify(Notify),
}

/// A C3P request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Unique per sender; with the dialog it is what ties a response to it.
    pub request_id: u64,
    /// The address of the sender.
    pub from: String,
    /// The address of the target: the SIP To URI.
    pub to: String,
    /// The MCU that is to do it, if not the Focus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcu_uri: Option<String>,
    /// What is to be done.
    pub command: Command,
    /// What else stands in the command and is not known here, as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<AnyElement>,
}

/// A C3P response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The command and what it brought.
    pub result: CommandResult,
    /// What else stands in the result and is not known here, as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<AnyElement>,
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

/// A C3P notification: what changed at an MCU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        Self { request_id, from: from.into(), to: to.into(), mcu_uri: None, command, extensions: Vec::new() }
    }

    /// Has an MCU do it.
    #[must_use]
    pub fn with_mcu_uri(mut self, mcu_uri: impl Into<String>) -> Self {
        self.mcu_uri = Some(mcu_uri.into());
        self
    }

    /// Appends something that is not known here to the command.
    #[must_use]
    pub fn with_extension(mut self, element: AnyElement) -> Self {
        self.extensions.push(element);
        self
    }

    /// The certificate under which the organizer wants secrets of the record encrypted (in `getConference` and
    /// `getEncryptionKey`, as `encryption-key/x509-certificate`), in base64.
    #[must_use]
    pub fn certificate(&self) -> Option<String> {
        let key = self.extensions.iter().find(|element| element.name == "encryption-key")?;
        key.child("x509-certificate").map(|certificate| certificate.text().trim().to_owned())
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

impl Response {
    /// The answer to a request, with these parts.
    fn answer(request: &Request, code: Code, reason: Option<Reason>, result: CommandResult) -> Self {
        let (from, to) = (request.to.clone(), request.from.clone());
        Self { request_id: request.request_id, from, to, code, reason, result, extensions: Vec::new() }
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
