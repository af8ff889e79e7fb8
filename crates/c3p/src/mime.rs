//! MIME types of the bodies that this crate reads and writes, and the event package they belong to.

/// C3P request, response and notify.
pub const C3P: &str = "application/cccp+xml";
/// The roster document (RFC 4575).
pub const CONFERENCE_INFO: &str = "application/conference-info+xml";
/// An invitation to a conference.
pub const CONFERENCE_INVITE: &str = "application/ms-conf-invite+xml";
/// The report of an IM that did not reach everybody.
pub const IMDN: &str = "application/ms-imdn+xml";
/// Typing, as a MESSAGE (RFC 3994).
pub const IS_COMPOSING: &str = "application/im-iscomposing+xml";
/// Typing, as an INFO.
pub const KEYBOARD_ACTIVITY: &str = "application/xml";
/// An instant message.
pub const TEXT_PLAIN: &str = "text/plain";
/// An instant message with its character set, as it is written.
pub const TEXT_PLAIN_UTF8: &str = "text/plain; charset=UTF-8";
/// A session description, as in the IM call.
pub const SDP: &str = "application/sdp";

/// The event package of the roster (RFC 4575 section 3).
pub const EVENT_CONFERENCE: &str = "conference";

/// Whether a `Content-Type` value names this type: parameters are skipped, case does not count.
///
/// # Examples
///
/// ```
/// use c3p::mime;
///
/// assert!(mime::is("Application/CCCP+xml; charset=utf-8", mime::C3P));
/// assert!(!mime::is("application/sdp", mime::C3P));
/// ```
#[must_use]
pub fn is(content_type: &str, expected: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}
