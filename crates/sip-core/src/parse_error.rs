//! Why bytes are no usable message, and what their sender is told.

use crate::header::{HeaderErrorKind, HeaderName};
use crate::uri::UriErrorKind;

/// Why bytes are no usable message: what is wrong, in which header, where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// In which header; `None` for the start line and for the message as a whole.
    pub header: Option<HeaderName>,
    /// Where, in bytes from the start of the message.
    pub offset: u32,
}

impl ParseError {
    pub(crate) fn at(kind: ParseErrorKind, offset: usize) -> Self {
        Self { kind, header: None, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    pub(crate) fn of(kind: ParseErrorKind, header: HeaderName, offset: usize) -> Self {
        Self { header: Some(header), ..Self::at(kind, offset) }
    }

    /// What to answer a request with that has this error; see [`crate::message::parse_for_reply`].
    #[must_use]
    pub fn reject(&self) -> Rejection {
        let (status, reason) = match self.kind {
            ParseErrorKind::Version => (505, "Version Not Supported"),
            ParseErrorKind::BodyTooLarge => (413, "Request Entity Too Large"),
            ParseErrorKind::MessageTooLarge | ParseErrorKind::HeadTooLong | ParseErrorKind::LineTooLong => {
                (513, "Message Too Large")
            }
            ParseErrorKind::RequestUri(UriErrorKind::TooLong) => (414, "Request-URI Too Long"),
            ParseErrorKind::Missing => (400, "Missing Header"),
            ParseErrorKind::ContentLengthMissing => (400, "Missing Content-Length"),
            ParseErrorKind::ContentLength | ParseErrorKind::ContentLengthConflict => {
                (400, "Bad Content-Length")
            }
            ParseErrorKind::Truncated => (400, "Body Shorter Than Content-Length"),
            ParseErrorKind::RequestUri(_) => (400, "Bad Request-URI"),
            ParseErrorKind::MethodMismatch => (400, "CSeq Method Mismatch"),
            ParseErrorKind::TooManyLines => (400, "Too Many Header Lines"),
            ParseErrorKind::StartLine
            | ParseErrorKind::Status
            | ParseErrorKind::HeadIncomplete
            | ParseErrorKind::LineEnd
            | ParseErrorKind::Nul
            | ParseErrorKind::Utf8
            | ParseErrorKind::HeaderName
            | ParseErrorKind::Duplicate
            | ParseErrorKind::Value(_) => (400, "Bad Request"),
        };
        Rejection { status, reason }
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.header {
            Some(header) => write!(f, "{} in {header} at byte {}", self.kind, self.offset),
            None => write!(f, "{} at byte {}", self.kind, self.offset),
        }
    }
}

impl std::error::Error for ParseError {}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// No request line and no status line
    #[error("bad start line")]
    StartLine,
    /// Another version than SIP/2.0
    #[error("wrong protocol version")]
    Version,
    /// The status is no number from 100 to 699
    #[error("bad status")]
    Status,
    /// The Request-URI is no URI
    #[error("request-uri: {0}")]
    RequestUri(UriErrorKind),
    /// The empty line after the headers is missing
    #[error("headers without end")]
    HeadIncomplete,
    /// A CR without LF
    #[error("bad line end")]
    LineEnd,
    /// A NUL that is not escaped
    #[error("nul character")]
    Nul,
    /// Start line and headers are not UTF-8
    #[error("not utf-8")]
    Utf8,
    /// A line without colon, or its name is no token
    #[error("bad header name")]
    HeaderName,
    /// A header that each message must have is missing
    #[error("missing")]
    Missing,
    /// A header that may occur once occurs again
    #[error("duplicate")]
    Duplicate,
    /// The value of an envelope header is wrong
    #[error("{0}")]
    Value(HeaderErrorKind),
    /// The CSeq names another method than the request line
    #[error("method differs from the request line's")]
    MethodMismatch,
    /// Content-Length is no number
    #[error("bad length")]
    ContentLength,
    /// Two Content-Length headers differ
    #[error("conflicting lengths")]
    ContentLengthConflict,
    /// On a stream nothing but Content-Length tells where a message ends
    #[error("no length on a stream")]
    ContentLengthMissing,
    /// The body is shorter than Content-Length says
    #[error("body shorter than its length")]
    Truncated,
    /// More bytes than [`crate::Limits::message_bytes`]
    #[error("message too large")]
    MessageTooLarge,
    /// More bytes than [`crate::Limits::head_bytes`]
    #[error("headers too large")]
    HeadTooLong,
    /// More bytes than [`crate::Limits::body_bytes`]
    #[error("body too large")]
    BodyTooLarge,
    /// More bytes than [`crate::Limits::header_line_bytes`]
    #[error("header line too long")]
    LineTooLong,
    /// More lines than [`crate::Limits::header_lines`] or [`crate::Limits::header_lines_same_name`]
    #[error("too many header lines")]
    TooManyLines,
}

/// How a malformed request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// 400, 413, 414, 505 or 513.
    pub status: u16,
    /// The reason phrase; also the text for diagnostics.
    pub reason: &'static str,
}
