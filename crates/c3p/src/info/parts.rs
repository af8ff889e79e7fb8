//! The smaller parts of the roster document.

use serde::{Deserialize, Serialize};

use super::{Filter, Role};
use crate::AnyElement;

/// An element that is not known here, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// How many separators stood before it in its parent, 16 at most: each later release of the extensions set its
    /// elements off by one more. Kept so that it is written in its place; it says nothing about the meaning.
    pub group: u8,
    /// The element.
    pub element: AnyElement,
}

impl Extension {
    /// The most groups that are told apart.
    pub(crate) const GROUPS_MAX: u8 = 16;

    /// An element of the first group.
    #[must_use]
    pub fn new(element: AnyElement) -> Self {
        Self { group: 0, element }
    }

    /// Moves it behind so many separators (16 at most).
    #[must_use]
    pub fn in_group(mut self, group: u8) -> Self {
        self.group = group.min(Self::GROUPS_MAX);
        self
    }
}

/// Who is the host of a conference: `host-info` (RFC 4575 section 5.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostInfo {
    /// A name for people.
    pub display_text: Option<String>,
    /// The web page.
    pub web_page: Option<String>,
    /// Other addresses.
    pub uris: Vec<super::ConfUri>,
    /// What is not known, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// When, why and by whom something was done (RFC 4575, `execution-type`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution {
    /// When, as an XML dateTime.
    pub when: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// By whom: an address.
    pub by: Option<String>,
}

/// The SIP dialog of an endpoint (RFC 4575 section 5.7.10, `call-info/sip`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallInfo {
    /// A name for people.
    pub display_text: Option<String>,
    /// The Call-ID.
    pub call_id: String,
    /// The tag of From.
    pub from_tag: String,
    /// The tag of To.
    pub to_tag: String,
}

/// The phone numbers of a conference, by region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessNumbers {
    /// The regions, in the order of the document.
    pub regions: Vec<Region>,
    /// The region whose numbers are shown first.
    pub default_region: Option<String>,
}

/// The phone numbers of one region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// The numbers; known clients show the first.
    pub numbers: Vec<String>,
}

impl Region {
    /// A region with these numbers.
    #[must_use]
    pub fn new<T: Into<String>>(name: impl Into<String>, numbers: impl IntoIterator<Item = T>) -> Self {
        Self { name: name.into(), numbers: numbers.into_iter().map(Into::into).collect() }
    }
}

/// Capabilities, policy or settings of an entity: names with values.
///
/// An element of the first extensions' namespace with nothing but text is a value; any other is an extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedValues {
    /// The values, in the order of the document.
    pub values: Vec<NamedValue>,
    /// What is not a plain value, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// One value with its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamedValue {
    /// The local name of its element.
    pub name: String,
    /// Its text.
    pub value: String,
}

impl NamedValues {
    /// Appends a value. The name has to be one that XML allows ([`is_name`](crate::is_name)).
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.push(NamedValue { name: name.into(), value: value.into() });
        self
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|known| known.name == name).map(|known| known.value.as_str())
    }

    /// Whether the value of this name is a yes.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

/// Who is muted by rule: the body of `modifyUsersMediaFilters`, republished in the view of the MCU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaFilters {
    /// For which medium: `audio`.
    pub media: String,
    /// One rule per role.
    pub rules: Vec<RoleFilter>,
}

/// What holds for the people of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleFilter {
    /// The role.
    pub role: Role,
    /// Whether what they say is let in.
    #[serde(default)]
    pub ingress: Option<Filter>,
    /// Whether they are given the mix.
    #[serde(default)]
    pub egress: Option<Filter>,
    /// Whether they may lift it for themselves.
    #[serde(default)]
    pub may_modify_own: Option<bool>,
}

impl MediaFilters {
    /// Everybody's audio is blocked; presenters may always unmute themselves, attendees only if allowed.
    #[must_use]
    pub fn mute_all(attendees_may_unmute: bool) -> Self {
        let rule = |role, may| RoleFilter {
            role,
            ingress: Some(Filter::Block),
            egress: None,
            may_modify_own: Some(may),
        };
        Self {
            media: "audio".to_owned(),
            rules: vec![rule(Role::Attendee, attendees_may_unmute), rule(Role::Presenter, true)],
        }
    }

    /// Nobody is blocked, and everybody may unmute himself. Those who are muted stay so.
    #[must_use]
    pub fn mute_none() -> Self {
        let rule = |role| RoleFilter {
            role,
            ingress: Some(Filter::Unblock),
            egress: None,
            may_modify_own: Some(true),
        };
        Self { media: "audio".to_owned(), rules: vec![rule(Role::Attendee), rule(Role::Presenter)] }
    }

    /// The rule of a role.
    #[must_use]
    pub fn rule(&self, role: &Role) -> Option<&RoleFilter> {
        self.rules.iter().find(|rule| rule.role == *role)
    }
}
