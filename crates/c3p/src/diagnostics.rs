//! The value of `ms-diagnostics` and its relatives: an id, and parameters for people.
//!
//! The id decides, the text never does. Names of parameters compare without regard to case, their order is free, and
//! neither `reason` nor `source` is required on input.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of the header of servers and application endpoints.
pub const HEADER: &str = "ms-diagnostics";
/// The name of the header that may cross to other organisations.
pub const HEADER_PUBLIC: &str = "ms-diagnostics-public";
/// The name of the header of user endpoints.
pub const HEADER_CLIENT: &str = "ms-client-diagnostics";

/// Whose failures an id tells of, by its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Area {
    /// Common to all.
    Common,
    /// The SIP stack.
    Sip,
    /// Presence.
    Presence,
    /// The Focus and the Focus Factory.
    Focus,
    /// User services and registration.
    UserServices,
    /// Applications on the server.
    ServerApplication,
    /// The IM MCU.
    ImMcu,
    /// The A/V MCU.
    AvMcu,
    /// The telephony MCU.
    TelephonyMcu,
    /// Authentication of the media relay.
    MediaRelay,
    /// The mediation server.
    Mediation,
    /// Voice routing.
    VoiceRouting,
    /// Voice mail.
    VoiceMail,
    /// Filters of messages and of client versions.
    Filter,
    /// The platform of clients.
    ClientPlatform,
    /// Media of clients.
    ClientMedia,
    /// Applications: a success.
    ApplicationSuccess,
    /// Applications: a failure that was expected.
    ApplicationExpected,
    /// Applications: a failure that was not expected.
    ApplicationUnexpected,
    /// None of the known ranges.
    Unknown,
}

impl Area {
    /// The area of an id.
    #[must_use]
    pub const fn of(id: u32) -> Self {
        match id {
            0..=999 => Self::Common,
            1000..=1999 => Self::Sip,
            2000..=2999 => Self::Presence,
            3000..=3999 => Self::Focus,
            4000..=4999 => Self::UserServices,
            5000..=5999 => Self::ServerApplication,
            6000..=6999 => Self::ImMcu,
            7000..=7999 => Self::AvMcu,
            8000..=8999 => Self::TelephonyMcu,
            9000..=9999 => Self::MediaRelay,
            10000..=10999 => Self::Mediation,
            12000..=14999 => Self::VoiceRouting,
            15000..=15999 => Self::VoiceMail,
            16000..=17999 => Self::Filter,
            24000..=24999 => Self::ClientPlatform,
            52000..=52999 => Self::ClientMedia,
            60000..=60999 => Self::ApplicationSuccess,
            61000..=61999 => Self::ApplicationExpected,
            62000..=62999 => Self::ApplicationUnexpected,
            _ => Self::Unknown,
        }
    }
}

/// The most values that are read from one header line.
const VALUES_MAX: usize = 16;
/// The most parameters that are read from one value.
const PARAMS_MAX: usize = 64;

/// The ids that matter to conferences.
pub mod ids {
    /// Server internal error.
    pub const INTERNAL_ERROR: u32 = 0;
    /// Service unavailable.
    pub const SERVICE_UNAVAILABLE: u32 = 1;
    /// The `from` of the C3P request is wrong.
    pub const C3P_FROM: u32 = 3000;
    /// The `to` of the C3P request is wrong.
    pub const C3P_TO: u32 = 3001;
    /// The target user is not valid.
    pub const C3P_TARGET_USER: u32 = 3002;
    /// The conference entity of the request is not valid.
    pub const C3P_CONFERENCE_ENTITY: u32 = 3003;
    /// The command is not implemented; goes into the public header.
    pub const C3P_NOT_IMPLEMENTED: u32 = 3004;
    /// The request may not be sent to an MCU.
    pub const C3P_NOT_TO_MCU: u32 = 3005;
    /// The C3P document cannot be parsed.
    pub const C3P_NOT_PARSABLE: u32 = 3006;
    /// The body of `addUser` is not valid.
    pub const C3P_ADD_USER: u32 = 3007;
    /// The access or authentication method is not acceptable.
    pub const C3P_ACCESS_METHOD: u32 = 3008;
    /// The endpoint entity is malformed.
    pub const C3P_ENDPOINT_ENTITY: u32 = 3009;
    /// The session timer extension is required.
    pub const C3P_SESSION_TIMER: u32 = 3010;
    /// `Ms-Mcu-Contact` is not usable.
    pub const C3P_MCU_CONTACT: u32 = 3011;
    /// The conference URI is not valid.
    pub const C3P_CONFERENCE_URI: u32 = 3012;
    /// The MCU URI is not valid.
    pub const C3P_MCU_URI: u32 = 3013;
    /// The authorization failed.
    pub const C3P_AUTHORIZATION: u32 = 3014;
    /// Attendees may not dial out.
    pub const C3P_DIAL_OUT: u32 = 3015;
    /// The role is not valid.
    pub const C3P_ROLE: u32 = 3016;
    /// Attendees may not dial out to unknown presenters.
    pub const C3P_DIAL_OUT_PRESENTER: u32 = 3017;
    /// Exactly one joining method is required.
    pub const C3P_JOINING_METHOD: u32 = 3018;
    /// First of four: an anonymous user addressed something that is not a conference.
    pub const C3P_ANONYMOUS_TARGET: u32 = 3019;
    /// Registration ended: unregistered.
    pub const UNREGISTERED: u32 = 4140;
    /// Registration ended: rejected.
    pub const REGISTRATION_REJECTED: u32 = 4141;
    /// Registration ended: deactivated.
    pub const REGISTRATION_DEACTIVATED: u32 = 4142;
    /// Presence and conferencing of the pool are down.
    pub const USER_SERVICES_UNAVAILABLE: u32 = 4165;
    /// Another registrar is preferred now.
    pub const PREFERRED_REGISTRAR_CHANGED: u32 = 4166;
    /// IM MCU: a recipient did not answer in time.
    pub const IM_RECIPIENT_TIMEOUT: u32 = 6001;
    /// A/V MCU: the session description cannot be parsed.
    pub const AV_SDP_NOT_PARSABLE: u32 = 7008;
    /// Client: it ended the call because the MCU is rolling over.
    pub const MCU_ROLLING_OVER: u32 = 24067;
    /// Client: the endpoint terminates.
    pub const ENDPOINT_TERMINATES: u32 = 24081;
    /// Client: a message came out of dialog.
    pub const OUT_OF_DIALOG: u32 = 24083;
    /// The dialog was replaced by a rejoin of the same endpoint.
    pub const REPLACED: u32 = 60001;
    /// The conference ended: last participant, countdown, or expiry.
    pub const CONFERENCE_ENDED: u32 = 60002;
    /// The conference moved to another front end.
    pub const FOCUS_MOVED: u32 = 61001;
    /// The MCU is failing over.
    pub const MCU_FAILING_OVER: u32 = 61002;
    /// No front end owns the conference yet.
    pub const NO_OWNER: u32 = 61003;
    /// The flow to the next hop failed.
    pub const FLOW_FAILED: u32 = 61004;
    /// The wait in the lobby ran out.
    pub const LOBBY_TIMEOUT: u32 = 61005;
    /// Removed by a presenter.
    pub const REMOVED: u32 = 61006;
    /// The conference was ended by a presenter.
    pub const ENDED_BY_PRESENTER: u32 = 61007;
    /// The session expired without a refresh.
    pub const SESSION_EXPIRED: u32 = 61008;
    /// The store, and with it the state of the conference, is lost.
    pub const STATE_LOST: u32 = 62001;
}

/// One value of an `ms-diagnostics` header.
///
/// # Examples
///
/// ```
/// use c3p::diagnostics::{Diagnostics, ids};
///
/// let moved = Diagnostics::new(ids::FOCUS_MOVED)
///     .with_reason("Conference moved to another front end")
///     .with_source("fe2.example.com");
/// let text = moved.to_string();
/// assert_eq!(text, r#"61001;reason="Conference moved to another front end";source="fe2.example.com""#);
/// assert_eq!(text.parse::<Diagnostics>()?, moved);
/// # Ok::<(), c3p::diagnostics::DiagnosticsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Decides what to do.
    pub id: u32,
    /// The sub code of the older form `id.sub`.
    pub sub: Option<u32>,
    /// For people; not for decisions.
    pub reason: Option<String>,
    /// Who made it: a name or an address.
    pub source: Option<String>,
    /// Every other parameter, in order.
    pub params: Vec<(String, String)>,
}

/// The text is not a value of an `ms-diagnostics` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiagnosticsError {
    /// There is no unsigned integer where the id should be.
    #[error("no error id")]
    NoId,
    /// A parameter is not `name=value`, or its value is not a token or a quoted string.
    #[error("bad parameter")]
    BadParameter,
    /// More values or parameters than are read.
    #[error("too many values or parameters")]
    TooMany,
}

impl Diagnostics {
    /// A value with nothing but its id.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self { id, sub: None, reason: None, source: None, params: Vec::new() }
    }

    /// Sets the text for people.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets who made it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Appends a parameter.
    #[must_use]
    pub fn with_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Whose failure it tells of.
    #[must_use]
    pub fn area(&self) -> Area {
        Area::of(self.id)
    }

    /// The value of a parameter by its name, `reason` and `source` included.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        if name.eq_ignore_ascii_case("reason") {
            return self.reason.as_deref();
        }
        if name.eq_ignore_ascii_case("source") {
            return self.source.as_deref();
        }
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Reads one header line, which may hold several values separated by commas; the first is the nearest to the
    /// origin of the failure.
    ///
    /// # Errors
    ///
    /// [`DiagnosticsError`] when any of the values is broken.
    pub fn parse_list(line: &str) -> Result<Vec<Self>, DiagnosticsError> {
        let mut scan = Scan { rest: line };
        let mut values = Vec::new();
        loop {
            if values.len() == VALUES_MAX {
                return Err(DiagnosticsError::TooMany);
            }
            values.push(scan.value()?);
            if scan.rest.is_empty() {
                return Ok(values);
            }
            if !scan.take(',') {
                return Err(DiagnosticsError::BadParameter);
            }
        }
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), DiagnosticsError> {
        if self.params.len() == PARAMS_MAX {
            return Err(DiagnosticsError::TooMany);
        }
        if name.eq_ignore_ascii_case("reason") && self.reason.is_none() {
            self.reason = Some(value);
        } else if name.eq_ignore_ascii_case("source") && self.source.is_none() {
            self.source = Some(value);
        } else {
            self.params.push((name.to_owned(), value));
        }
        Ok(())
    }
}

impl FromStr for Diagnostics {
    type Err = DiagnosticsError;

    /// Reads the first value of a header line.
    fn from_str(line: &str) -> Result<Self, Self::Err> {
        Scan { rest: line }.value()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(sub) = self.sub {
            write!(f, ".{sub}")?;
        }
        for (name, value) in [("reason", &self.reason), ("source", &self.source)] {
            if let Some(value) = value {
                write_param(f, name, value)?;
            }
        }
        self.params
            .iter()
            .filter(|(name, _)| is_token(name))
            .try_for_each(|(name, value)| write_param(f, name, value))
    }
}

/// Writes `;name="value"`. A line break or another control character would end the header, so it becomes a space.
fn write_param(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    use fmt::Write as _;

    write!(f, ";{name}=\"")?;
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(character)?;
            }
            control if control.is_control() => f.write_char(' ')?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}

fn is_token_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(character)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// What is left of a header line.
struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Takes one character with the white space around it.
    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let Some(rest) = self.rest.strip_prefix(wanted) else { return false };
        self.rest = rest;
        self.skip_space();
        true
    }

    fn while_matches(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !accept(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn number(&mut self) -> Result<u32, DiagnosticsError> {
        self.while_matches(|character| character.is_ascii_digit()).parse().map_err(|_| DiagnosticsError::NoId)
    }

    fn value(&mut self) -> Result<Diagnostics, DiagnosticsError> {
        self.skip_space();
        let mut value = Diagnostics::new(self.number()?);
        if let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            value.sub = Some(self.number()?);
        }
        while self.take(';') {
            let name = self.while_matches(is_token_char);
            if name.is_empty() || !self.take('=') {
                return Err(DiagnosticsError::BadParameter);
            }
            let text = self.text()?;
            value.set(name, text)?;
        }
        self.skip_space();
        if self.rest.is_empty() || self.rest.starts_with(',') {
            Ok(value)
        } else {
            Err(DiagnosticsError::BadParameter)
        }
    }

    /// A quoted string without its quotes and escapes, or whatever stands there until the next separator.
    fn text(&mut self) -> Result<String, DiagnosticsError> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            return Ok(self.while_matches(|character| !";, \t\r\n\"".contains(character)).to_owned());
        };
        let mut text = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Ok(text);
                }
                '\\' => text.push(characters.next().ok_or(DiagnosticsError::BadParameter)?.1),
                other => text.push(other),
            }
        }
        Err(DiagnosticsError::BadParameter)
    }
}
