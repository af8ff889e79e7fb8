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

/// An instant message in HTML.
pub const TEXT_HTML: &str = "text/html";
/// An instant message in HTML with its character set, as it is written.
pub const TEXT_HTML_UTF8: &str = "text/html; charset=UTF-8";
/// An instant message in RTF.
pub const TEXT_RTF: &str = "text/rtf";
/// The same message in several forms; the last that is understood counts (RFC 2046 section 5.1.4).
pub const MULTIPART_ALTERNATIVE: &str = "multipart/alternative";
/// A message of several parts that belong together.
pub const MULTIPART_RELATED: &str = "multipart/related";
/// The groups of in-band provisioning.
pub const PROVISIONING: &str = "application/vnd-microsoft-roaming-provisioning-v2+xml";
/// What a server tells about a registration.
pub const REGISTRATION_EVENT: &str = "text/registration-event";

/// The event package of in-band provisioning.
pub const EVENT_PROVISIONING: &str = "vnd-microsoft-provisioning-v2";
/// The event package of what a server tells about a registration.
pub const EVENT_REGISTRATION_NOTIFY: &str = "registration-notify";
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

/// The value of a parameter of a `Content-Type`, by its name without regard to case; quotes and escapes are undone.
///
/// # Examples
///
/// ```
/// use c3p::mime;
///
/// let value = r#"multipart/alternative; type=text/plain; Boundary="a;\"b""#;
/// assert_eq!(mime::parameter(value, "boundary").as_deref(), Some(r#"a;"b"#));
/// assert_eq!(mime::parameter(value, "charset"), None);
/// ```
#[must_use]
pub fn parameter(content_type: &str, name: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (found, after) = rest.split_once('=')?;
        let (value, end) = parameter_value(after.trim_start());
        // A parameter without a value is cut off before the name.
        let found = found.rsplit(';').next().unwrap_or_default().trim();
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = end.split_once(';')?.1;
    }
}

/// A value with what follows it: a quoted string, or whatever stands there until the next separator.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, _) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), &text[value.len()..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}
