//! In-band provisioning: what a client asks its home server for after it has signed in, and the answer.
//!
//! The request is the body of a SUBSCRIBE to oneself (event package
//! [`mime::EVENT_PROVISIONING`](crate::mime::EVENT_PROVISIONING)): names of groups. The answer, in the 200 or a
//! notification, holds each group with its values. What matters to conferences is the address of the Focus Factory in
//! the group `ServerConfiguration`; a client without it cannot schedule.
//!
//! The namespaces are from memory of the product and not relied on: names are read in any namespace, as clients do.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::info::NamedValue;
use crate::xml::{self, Reader, Writer, uri};
use crate::{AnyElement, DocumentError, ErrorKind, Limits};

/// The group that servers' addresses are in.
pub const SERVER_CONFIGURATION: &str = "ServerConfiguration";

/// What a client asks for: names of groups, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisioningRequest {
    /// The names.
    pub groups: Vec<String>,
}

/// What a server answers.
///
/// # Examples
///
/// ```
/// use c3p::provisioning::Provisioning;
///
/// let answer = Provisioning::for_user("sip:alice@example.com");
/// let read = Provisioning::parse(&answer.write(), &c3p::Limits::default())?;
/// assert_eq!(read.focus_factory_uri(), Some("sip:alice@example.com;gruu;opaque=app:conf:focusfactory"));
/// # Ok::<(), c3p::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioning {
    /// The groups, in the order of the document.
    pub groups: Vec<ProvisioningGroup>,
}

/// One group of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvisioningGroup {
    /// Its name.
    pub name: String,
    /// Its plain values.
    pub values: Vec<NamedValue>,
    /// What is more than a text, as it came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<AnyElement>,
}

impl ProvisioningRequest {
    /// Asks for these groups.
    #[must_use]
    pub fn new<T: Into<String>>(groups: impl IntoIterator<Item = T>) -> Self {
        Self { groups: groups.into_iter().map(Into::into).collect() }
    }

    /// Reads the body of a SUBSCRIBE.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, or another root.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        const ROOT: &str = "provisioningGroupList";
        let mut reader = Reader::new(body, limits)?;
        xml::bodies::root_of_name(&mut reader, ROOT)?;
        let mut groups = Vec::new();
        reader.children(ROOT, |reader, mut element| {
            if element.name == "provisioningGroup" {
                reader.count_entry()?;
                groups.push(element.require("name", "@name", "provisioningGroup")?);
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self { groups })
    }

    /// Writes the body of a SUBSCRIBE.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = Writer::document();
        out.start("provisioningGroupList").attribute("xmlns", uri::PROVISIONING_REQUEST);
        for group in &self.groups {
            out.start("provisioningGroup").attribute("name", group).end();
        }
        out.end();
        out.finish()
    }
}

impl Provisioning {
    /// The answer that a client needs for conferences, and no more: the Focus Factory of this user, and that audio is
    /// not to be encrypted unless the client wants to.
    #[must_use]
    pub fn for_user(user: &str) -> Self {
        let group = ProvisioningGroup {
            name: SERVER_CONFIGURATION.to_owned(),
            values: vec![
                NamedValue { name: "focusFactoryUri".to_owned(), value: crate::uri::factory_uri(user) },
                NamedValue { name: "ucPC2PCAVEncryption".to_owned(), value: "SupportEncryption".to_owned() },
            ],
            extensions: Vec::new(),
        };
        Self { groups: vec![group] }
    }

    /// The group of this name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&ProvisioningGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The address of the user's Focus Factory.
    #[must_use]
    pub fn focus_factory_uri(&self) -> Option<&str> {
        self.server_value("focusFactoryUri")
    }

    /// The address of the media relay's authentication service.
    #[must_use]
    pub fn media_relay_uri(&self) -> Option<&str> {
        self.server_value("mrasUri")
    }

    /// Whether media have to be encrypted; a client counts silence as yes.
    #[must_use]
    pub fn requires_encryption(&self) -> bool {
        let word = self.server_value("ucPC2PCAVEncryption");
        word.is_none_or(|word| {
            !word.eq_ignore_ascii_case("DoNotSupportEncryption")
                && !word.eq_ignore_ascii_case("SupportEncryption")
        })
    }

    /// The lowest and the highest port for media, if the server limits them.
    #[must_use]
    pub fn media_ports(&self) -> Option<(u16, u16)> {
        let enabled = self.server_value("ucPortRangeEnabled")?;
        if !enabled.eq_ignore_ascii_case("true") && enabled != "1" {
            return None;
        }
        let port = |name| self.server_value(name)?.parse::<u16>().ok();
        let (low, high) = (port("ucMinMediaPort")?, port("ucMaxMediaPort")?);
        (low <= high).then_some((low, high))
    }

    fn server_value(&self, name: &str) -> Option<&str> {
        self.group(SERVER_CONFIGURATION)?.get(name)
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: not well-formed, over a limit, another root, or a group without a name.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        const ROOT: &str = "provisionGroupList";
        let mut reader = Reader::new(body, limits)?;
        xml::bodies::root_of_name(&mut reader, ROOT)?;
        let mut groups = Vec::new();
        reader.children(ROOT, |reader, mut element| {
            if element.name == "provisionGroup" {
                reader.count_entry()?;
                let name = element.require("name", "@name", "provisionGroup")?;
                groups.push(read_group(reader, name)?);
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self { groups })
    }

    /// Writes an answer.
    #[must_use]
    pub fn write(&self) -> Bytes {
        let mut out = Writer::document();
        out.start("provisionGroupList").attribute("xmlns", uri::PROVISIONING);
        for group in &self.groups {
            out.start("provisionGroup").attribute("name", &group.name);
            for value in &group.values {
                out.leaf_named("", &value.name, &value.value);
            }
            for element in &group.extensions {
                out.any(element, &[]);
            }
            out.end();
        }
        out.end();
        out.finish()
    }
}

impl ProvisioningGroup {
    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|known| known.name == name).map(|known| known.value.as_str())
    }
}

fn read_group(reader: &mut Reader<'_>, name: String) -> Result<ProvisioningGroup, DocumentError> {
    let mut group = ProvisioningGroup { name, ..ProvisioningGroup::default() };
    reader.children("provisionGroup", |reader, _| {
        reader.count_entry()?;
        let Some(element) = reader.any()? else {
            // A value is what this document is for: one that does not fit is a fault.
            return Err(reader.error(ErrorKind::TooLarge));
        };
        if element.attributes.is_empty() && element.children().next().is_none() {
            let value = element.text().trim().to_owned();
            group.values.push(NamedValue { name: element.name, value });
        } else {
            group.extensions.push(element);
        }
        Ok(())
    })?;
    Ok(group)
}
