//! Messages on a stream (RFC 3261 section 18.3), and the keep-alive between them (RFC 5626 section 4.4.1).
//!
//! A [`StreamFramer`] is given bytes as they come and gives whole messages. Any split of the same bytes gives the same frames.
//!
//! # Invariants
//!
//! - Only Content-Length says where a message ends: without it, with a bad one or with two that differ, the stream cannot
//!   be read on, and says so once and for ever.
//! - It never buffers more than one message of the allowed size and what its caller pushed behind it.

use bytes::{Bytes, BytesMut};

use crate::header::HeaderName;
use crate::limits::Limits;
use crate::message::{Message, ParseError, ParseErrorKind, Parsed};
use crate::scan::{self, Head};

/// What a stream carries.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A message
    Message(Message),
    /// `CRLF CRLF` from the client: to be answered by `CRLF`
    KeepAlivePing,
    /// `CRLF` from the server: the answer to our ping
    KeepAlivePong,
    /// Bytes of a message that does not parse. When its end is known the stream goes on behind it.
    Malformed {
        /// Why
        error: ParseError,
        /// The message, or what is there of it
        raw: Bytes,
    },
}

/// The stream cannot be read on: close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no message boundary: {0}")]
pub struct FrameError(
    /// What the message was, after which nothing can be read.
    pub ParseError,
);

/// Who opened the connection; it decides what an empty line between messages means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// They did: two empty lines are a ping.
    Accepted,
    /// We did: an empty line is a pong.
    Opened,
}

/// Cuts a stream into messages.
///
/// # Examples
///
/// ```
/// use sip_core::framing::{Frame, StreamFramer};
/// use sip_core::Limits;
///
/// let mut framer = StreamFramer::new(Limits::default());
/// framer.push(b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n");
/// assert!(matches!(framer.next(), Ok(Some(Frame::KeepAlivePing))));
/// assert!(matches!(framer.next(), Ok(None)));
/// framer.push(b"To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nhi");
/// let Ok(Some(Frame::Message(message))) = framer.next() else { panic!("a whole message is there") };
/// assert_eq!(&message.envelope().body()[..], b"hi");
/// ```
#[derive(Debug)]
pub struct StreamFramer {
    limits: Limits,
    role: Role,
    buf: BytesMut,
    /// Up to where the end of the head was looked for.
    scanned: usize,
    /// Length of the message whose head is complete.
    total: Option<usize>,
    /// One empty line came, and nothing since.
    half_ping: bool,
    dead: Option<FrameError>,
}

impl StreamFramer {
    /// For a connection that the peer opened: it may ping.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            role: Role::Accepted,
            buf: BytesMut::new(),
            scanned: 0,
            total: None,
            half_ping: false,
            dead: None,
        }
    }

    /// For a connection that we opened: an empty line is the answer to our ping.
    #[must_use]
    pub fn opened(limits: Limits) -> Self {
        Self { role: Role::Opened, ..Self::new(limits) }
    }

    /// Adds bytes of the stream. Call [`StreamFramer::next`] until it has no more before pushing again.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.dead.is_none() {
            self.buf.extend_from_slice(bytes);
        }
    }

    /// The buffer itself, to read into it without a copy. Bytes may only be added.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buf
    }

    /// How many bytes wait for the rest of their message; not 0 at the end of a stream means that it was cut.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing waits: the stream may end here without cutting a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// The next frame; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// When the stream cannot be read on; each call after that says the same.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: `None` is not the end")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.dead {
            self.buf.clear();
            return Err(error);
        }
        let (total, head) = match self.total {
            Some(total) => (total, None),
            None => match self.find_message() {
                Found::Nothing => return Ok(None),
                Found::KeepAlive(frame) => return Ok(Some(frame)),
                Found::Total(total, head) => (total, head),
                Found::Broken(error) => return Ok(Some(self.broken(error))),
            },
        };
        if self.buf.len() < total {
            self.total = Some(total);
            return Ok(None);
        }
        (self.total, self.scanned) = (None, 0);
        let raw = self.buf.split_to(total).freeze();
        let parsed = match head {
            Some(head) => Parsed::of_head(raw.clone(), head, &self.limits),
            None => Parsed::parse(raw.clone(), &self.limits),
        };
        Ok(Some(match parsed {
            Ok(parsed) => Frame::Message(Message::from(parsed)),
            Err(error) => Frame::Malformed { error, raw },
        }))
    }

    /// Looks for the end of a head, and computes the length of its message.
    fn find_message(&mut self) -> Found {
        if let Some(frame) = self.empty_lines() {
            return Found::KeepAlive(frame);
        }
        let limit = self.limits.head_bytes.min(self.limits.message_bytes);
        if let Some(head) = self.whole_head()
            && let Ok(total) = self.total_of(&head)
        {
            return Found::Total(total, Some(head));
        }
        let Some(head) = self.head_end() else {
            if self.buf.len() > limit {
                return Found::Broken(ParseError::at(ParseErrorKind::HeadTooLong, limit));
            }
            return Found::Nothing;
        };
        if head > limit {
            return Found::Broken(ParseError::at(ParseErrorKind::HeadTooLong, limit));
        }
        let length = scan::content_length(&self.buf[..head]);
        match length.and_then(|length| self.total_length(head, length)) {
            Ok(total) => Found::Total(total, None),
            Err(kind) => Found::Broken(ParseError::of(kind, HeaderName::ContentLength, head)),
        }
    }

    /// A head that came at once, as most do: its structure is read here, and not again by the parser. What is wrong with
    /// another one, and what it is all the same good for, is found out by looking for its end only.
    fn whole_head(&self) -> Option<Head> {
        // A lone CR before a start line is skipped by a datagram's reader; here it is a part of the first line.
        if self.scanned > 0 || self.buf.first() == Some(&b'\r') {
            return None;
        }
        let mut head = Head::default();
        head.scan = scan::scan(&self.buf, &self.limits, &mut head.lines).ok()?;
        Some(head)
    }

    fn total_of(&self, head: &Head) -> Result<usize, ParseErrorKind> {
        let mut length = None;
        for line in head.lines.iter().filter(|l| l.name == HeaderName::ContentLength) {
            scan::merge_length(&mut length, line.bytes_of(&self.buf).trim_ascii())?;
        }
        self.total_length(head.scan.body, length)
    }

    fn total_length(&self, head: usize, length: Option<u64>) -> Result<usize, ParseErrorKind> {
        let body = length.ok_or(ParseErrorKind::ContentLengthMissing)?;
        let body = usize::try_from(body).unwrap_or(usize::MAX);
        // The limit on the whole message comes first: over it the connection has to go (513).
        match head.checked_add(body) {
            Some(total) if total > self.limits.message_bytes => Err(ParseErrorKind::MessageTooLarge),
            Some(_) if body > self.limits.body_bytes => Err(ParseErrorKind::BodyTooLarge),
            Some(total) => Ok(total),
            None => Err(ParseErrorKind::MessageTooLarge),
        }
    }

    /// Skips empty lines before a message; a frame when they mean something.
    fn empty_lines(&mut self) -> Option<Frame> {
        loop {
            let skip = match &self.buf[..] {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                [] | [b'\r'] => return None,
                [_, ..] => {
                    self.half_ping = false;
                    return None;
                }
            };
            let _ = self.buf.split_to(skip);
            self.scanned = 0;
            match self.role {
                Role::Opened => return Some(Frame::KeepAlivePong),
                Role::Accepted if self.half_ping => {
                    self.half_ping = false;
                    return Some(Frame::KeepAlivePing);
                }
                Role::Accepted => self.half_ping = true,
            }
        }
    }

    /// The offset behind the empty line that ends the head.
    fn head_end(&mut self) -> Option<usize> {
        let from = self.scanned;
        for step in memchr::memchr_iter(b'\n', &self.buf[from..]) {
            let next = from + step + 1;
            match &self.buf[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                [] | [b'\r'] => {
                    // The end may be cut here: look at this line end again.
                    self.scanned = next - 1;
                    return None;
                }
                [_, ..] => {}
            }
        }
        self.scanned = self.buf.len();
        None
    }

    fn broken(&mut self, error: ParseError) -> Frame {
        self.dead = Some(FrameError(error));
        let raw = self.buf.split().freeze();
        Frame::Malformed { error, raw }
    }
}

#[expect(clippy::large_enum_variant, reason = "lives for a moment")]
enum Found {
    Nothing,
    KeepAlive(Frame),
    /// Its length, and its head when that was read.
    Total(usize, Option<Head>),
    Broken(ParseError),
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
