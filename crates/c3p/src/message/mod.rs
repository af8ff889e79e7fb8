//! What people write to each other: the body of a MESSAGE, in one form or in several.
//!
//! [`MessageBody::parse`] reads a body by its Content-Type; [`MessageBody::choose`] picks, for a receiver with his
//! accept-types, what he is to get. What is relayed keeps the Content-Type of its sender byte for byte, because colours
//! and fonts are in a parameter of it.
//!
//! # Examples
//!
//! ```
//! use c3p::message::{AcceptTypes, MessageBody};
//!
//! let body = MessageBody::alternative("hello there", "<b>hello</b> there");
//! let (content_type, bytes) = body.write();
//!
//! // The IM MCU reads it, and gives each receiver the best that he understands.
//! let read = MessageBody::parse(&content_type, &bytes, &c3p::Limits::default())?;
//! let plain = AcceptTypes::parse("text/plain application/im-iscomposing+xml");
//! let (content_type, bytes) = read.choose(&plain).expect("he understands one of them").write();
//! assert_eq!((content_type.as_str(), &bytes[..]), ("text/plain; charset=UTF-8", &b"hello there"[..]));
//! # Ok::<(), c3p::message::MessageError>(())
//! ```

mod format;
mod multipart;

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use format::ImFormat;

use crate::im::{Imdn, IsComposing, KeyboardActivity};
use crate::invite::ConferenceInvite;
use crate::{DocumentError, Limits, mime};

/// How deep multiparts may nest.
const DEPTH_MAX: usize = 4;

/// The body of a message between people, by its Content-Type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MessageBody {
    /// `text/plain`.
    Plain(Text),
    /// `text/html`.
    Html(Text),
    /// `text/rtf`.
    Rtf(Text),
    /// `multipart/alternative`: the same in several forms, the best last.
    Alternative(Vec<Self>),
    /// `multipart/related`: parts that belong together, the main one first.
    Related(Vec<Self>),
    /// `application/im-iscomposing+xml`.
    Composing(IsComposing),
    /// `application/xml` with typing in it, the body of an INFO.
    Keyboard(KeyboardActivity),
    /// `application/ms-imdn+xml`.
    Report(Imdn),
    /// `application/ms-conf-invite+xml`.
    Invite(ConferenceInvite),
    /// Any other, as it came.
    Other(OtherBody),
}

/// A text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Text {
    /// The Content-Type as it came, with all its parameters.
    pub content_type: String,
    /// The text.
    pub text: String,
}

/// A body of a type that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OtherBody {
    /// The Content-Type as it came.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why the body of a message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Over [`Limits::bytes`].
    #[error("message too large")]
    TooLarge,
    /// A character set other than UTF-8 and US-ASCII.
    #[error("unknown character set")]
    Charset,
    /// The bytes are not in the character set that they claim.
    #[error("not text in its character set, from byte {0}")]
    NotText(usize),
    /// A multipart without a boundary, or with one that no boundary can be.
    #[error("no usable boundary")]
    Boundary,
    /// A multipart whose parts do not end, or a part whose header is broken, at this byte.
    #[error("broken multipart at byte {0}")]
    Multipart(usize),
    /// More parts than are read, or multiparts nested too deep.
    #[error("too many parts")]
    TooManyParts,
    /// A part is encoded (`Content-Transfer-Encoding`), which SIP has no need for.
    #[error("encoded part")]
    Encoded,
    /// An XML body could not be read.
    #[error("XML body: {0}")]
    Document(#[from] DocumentError),
}

impl MessageError {
    /// The SIP status with which the message is refused.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge | Self::TooManyParts => 413,
            Self::Charset | Self::Encoded => 415,
            Self::NotText(_) | Self::Boundary | Self::Multipart(_) | Self::Document(_) => 400,
        }
    }
}

impl MessageBody {
    /// A plain text.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Plain(Text { content_type: mime::TEXT_PLAIN_UTF8.to_owned(), text: text.into() })
    }

    /// A text in HTML.
    #[must_use]
    pub fn html(html: impl Into<String>) -> Self {
        Self::Html(Text { content_type: mime::TEXT_HTML_UTF8.to_owned(), text: html.into() })
    }

    /// The same as plain text and in HTML.
    #[must_use]
    pub fn alternative(text: impl Into<String>, html: impl Into<String>) -> Self {
        Self::Alternative(vec![Self::plain(text), Self::html(html)])
    }

    /// Reads a body. An unknown type is no error.
    ///
    /// # Errors
    ///
    /// [`MessageError`]; [`MessageError::status`] says how to refuse it.
    pub fn parse(content_type: &str, body: &[u8], limits: &Limits) -> Result<Self, MessageError> {
        Self::parse_at(content_type, body, limits, 0)
    }

    fn parse_at(
        content_type: &str,
        body: &[u8],
        limits: &Limits,
        depth: usize,
    ) -> Result<Self, MessageError> {
        if body.len() > limits.bytes {
            return Err(MessageError::TooLarge);
        }
        let is = |expected| mime::is(content_type, expected);
        if is(mime::TEXT_PLAIN) {
            return Text::parse(content_type, body).map(Self::Plain);
        }
        if is(mime::TEXT_HTML) {
            return Text::parse(content_type, body).map(Self::Html);
        }
        if is(mime::TEXT_RTF) {
            return Text::parse(content_type, body).map(Self::Rtf);
        }
        if is(mime::MULTIPART_ALTERNATIVE) {
            return parse_parts(content_type, body, limits, depth).map(Self::Alternative);
        }
        if is(mime::MULTIPART_RELATED) {
            return parse_parts(content_type, body, limits, depth).map(Self::Related);
        }
        if is(mime::IS_COMPOSING) {
            return Ok(Self::Composing(IsComposing::parse(body, limits)?));
        }
        if is(mime::IMDN) {
            return Ok(Self::Report(Imdn::parse(body, limits)?));
        }
        if is(mime::CONFERENCE_INVITE) {
            return Ok(Self::Invite(ConferenceInvite::parse(body, limits)?));
        }
        // `application/xml` is anybody's: what is not typing stays as it is.
        if is(mime::KEYBOARD_ACTIVITY)
            && let Ok(activity) = KeyboardActivity::parse(body, limits)
        {
            return Ok(Self::Keyboard(activity));
        }
        let (content_type, bytes) = (content_type.to_owned(), body.to_vec());
        Ok(Self::Other(OtherBody { content_type, bytes }))
    }

    /// The Content-Type and the bytes. The boundary of a multipart is the first that occurs in none of its parts.
    #[must_use]
    pub fn write(&self) -> (String, Bytes) {
        match self {
            Self::Plain(text) | Self::Html(text) | Self::Rtf(text) => {
                (text.content_type.clone(), Bytes::from(text.text.clone()))
            }
            Self::Alternative(parts) => multipart::write(mime::MULTIPART_ALTERNATIVE, &written(parts)),
            Self::Related(parts) => multipart::write(mime::MULTIPART_RELATED, &written(parts)),
            Self::Composing(composing) => (mime::IS_COMPOSING.to_owned(), composing.write()),
            Self::Keyboard(activity) => (mime::KEYBOARD_ACTIVITY.to_owned(), activity.write()),
            Self::Report(report) => (mime::IMDN.to_owned(), report.write()),
            Self::Invite(invite) => (mime::CONFERENCE_INVITE.to_owned(), invite.write()),
            Self::Other(other) => (other.content_type.clone(), Bytes::from(other.bytes.clone())),
        }
    }

    /// The Content-Type without its parameters.
    #[must_use]
    pub fn media_type(&self) -> Cow<'_, str> {
        let of = |content_type: &str| {
            let name = content_type.split(';').next().unwrap_or_default();
            Cow::Owned(name.trim().to_ascii_lowercase())
        };
        match self {
            Self::Plain(_) => Cow::Borrowed(mime::TEXT_PLAIN),
            Self::Html(_) => Cow::Borrowed(mime::TEXT_HTML),
            Self::Rtf(_) => Cow::Borrowed(mime::TEXT_RTF),
            Self::Alternative(_) => Cow::Borrowed(mime::MULTIPART_ALTERNATIVE),
            Self::Related(_) => Cow::Borrowed(mime::MULTIPART_RELATED),
            Self::Composing(_) => Cow::Borrowed(mime::IS_COMPOSING),
            Self::Keyboard(_) => Cow::Borrowed(mime::KEYBOARD_ACTIVITY),
            Self::Report(_) => Cow::Borrowed(mime::IMDN),
            Self::Invite(_) => Cow::Borrowed(mime::CONFERENCE_INVITE),
            Self::Other(other) => of(&other.content_type),
        }
    }

    /// What a receiver is to get: the body itself if he accepts its type; of alternatives the last that he accepts
    /// (RFC 2046 section 5.1.4). `None` if he accepts nothing of it.
    #[must_use]
    pub fn choose(&self, accepted: &AcceptTypes) -> Option<&Self> {
        if let Self::Alternative(parts) = self {
            return parts.iter().rev().find_map(|part| part.choose(accepted));
        }
        accepted.accepts(&self.media_type()).then_some(self)
    }

    /// The text for people, as plain as it can be had; of alternatives the plain one. `None` if there is none.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Plain(text) => Some(Cow::Borrowed(&text.text)),
            Self::Html(html) => Some(Cow::Owned(format::plain_of_html(&html.text))),
            Self::Alternative(parts) => {
                let plain = parts.iter().find(|part| matches!(part, Self::Plain(_)));
                plain.or_else(|| parts.iter().rev().find(|part| part.text().is_some()))?.text()
            }
            Self::Related(parts) => parts.first()?.text(),
            Self::Rtf(_)
            | Self::Composing(_)
            | Self::Keyboard(_)
            | Self::Report(_)
            | Self::Invite(_)
            | Self::Other(_) => None,
        }
    }
}

fn parse_parts(
    content_type: &str,
    body: &[u8],
    limits: &Limits,
    depth: usize,
) -> Result<Vec<MessageBody>, MessageError> {
    if depth == DEPTH_MAX {
        return Err(MessageError::TooManyParts);
    }
    multipart::split(content_type, body)?
        .into_iter()
        .map(|part| MessageBody::parse_at(&part.content_type, part.body, limits, depth + 1))
        .collect()
}

fn written(parts: &[MessageBody]) -> Vec<(String, Bytes)> {
    parts.iter().map(MessageBody::write).collect()
}

impl Text {
    fn parse(content_type: &str, body: &[u8]) -> Result<Self, MessageError> {
        if let Some(charset) = mime::parameter(content_type, "charset")
            && !["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
        {
            return Err(MessageError::Charset);
        }
        let text = std::str::from_utf8(body).map_err(|error| MessageError::NotText(error.valid_up_to()))?;
        Ok(Self { content_type: content_type.to_owned(), text: text.to_owned() })
    }

    /// How the sender wants it to look (parameter `msgr`), if that is there and can be read.
    #[must_use]
    pub fn format(&self) -> Option<ImFormat> {
        ImFormat::from_parameter(&mime::parameter(&self.content_type, "msgr")?)
    }

    /// Says how it is to look.
    #[must_use]
    pub fn with_format(mut self, format: &ImFormat) -> Self {
        self.content_type = format!("{};msgr={}", mime::TEXT_PLAIN_UTF8, format.to_parameter());
        self
    }
}

/// The types that a receiver accepts: `a=accept-types` of his session description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptTypes {
    types: Vec<String>,
}

impl AcceptTypes {
    /// The most types that are taken from one line.
    const TYPES_MAX: usize = 64;

    /// Reads a list with blanks between its types; `*` and `text/*` are understood.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let types = line.split_ascii_whitespace().take(Self::TYPES_MAX);
        Self { types: types.map(str::to_ascii_lowercase).collect() }
    }

    /// Whether a type (without parameters) is accepted. An empty list accepts plain text.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        if self.types.is_empty() {
            return media_type.eq_ignore_ascii_case(mime::TEXT_PLAIN);
        }
        self.types.iter().any(|known| match known.strip_suffix('*') {
            Some(start) if start.is_empty() || start.ends_with('/') => {
                media_type.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
            }
            Some(_) | None => known.eq_ignore_ascii_case(media_type),
        })
    }
}
