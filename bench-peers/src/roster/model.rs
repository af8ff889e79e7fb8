//! The model as somebody writes it who takes a reader of XML and gets to work: structures of strings.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};
use serde::Deserialize;

const INFO: Namespace<'_> = Namespace("urn:ietf:params:xml:ns:conference-info");
const EXTENSIONS: [&str; 2] = [
    "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions",
    "http://schemas.microsoft.com/rtc/2008/12/confinfoextensions",
];

#[derive(Debug, Default, Deserialize)]
pub struct Document {
    #[serde(rename = "@entity")]
    pub entity: String,
    #[serde(rename = "@state", default)]
    pub state: String,
    #[serde(rename = "@version")]
    pub version: Option<u32>,
    pub users: Users,
}

#[derive(Debug, Default, Deserialize)]
pub struct Users {
    #[serde(rename = "@state", default)]
    pub state: String,
    #[serde(rename = "user", default)]
    pub users: Vec<User>,
}

#[derive(Debug, Default, Deserialize)]
pub struct User {
    #[serde(rename = "@entity")]
    pub entity: String,
    #[serde(rename = "@state", default)]
    pub state: String,
    #[serde(rename = "display-text")]
    pub display_text: Option<String>,
    #[serde(default)]
    pub roles: Roles,
    #[serde(rename = "endpoint", default)]
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Roles {
    #[serde(rename = "entry", default)]
    pub entries: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Endpoint {
    #[serde(rename = "@entity")]
    pub entity: String,
    #[serde(rename = "@session-type")]
    pub session_type: Option<String>,
    #[serde(rename = "@epid")]
    pub epid: Option<String>,
    #[serde(rename = "@endpoint-uri")]
    pub endpoint_uri: Option<String>,
    pub status: Option<String>,
    #[serde(rename = "joining-method")]
    pub joining_method: Option<String>,
    #[serde(rename = "accessMethod")]
    pub access_method: Option<String>,
    #[serde(rename = "authMethod")]
    pub auth_method: Option<String>,
    #[serde(rename = "clientInfo", default)]
    pub client_info: ClientInfo,
    #[serde(default)]
    pub media: Vec<Media>,
}

#[derive(Debug, Default, Deserialize)]
pub struct ClientInfo {
    #[serde(rename = "lobby-capable")]
    pub lobby_capable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Media {
    #[serde(rename = "@id")]
    pub id: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub label: Option<String>,
    #[serde(rename = "src-id")]
    pub src_id: Option<String>,
    pub status: Option<String>,
    #[serde(rename = "media-ingress-filter")]
    pub ingress_filter: Option<String>,
    #[serde(rename = "media-egress-filter")]
    pub egress_filter: Option<String>,
}

type Failure = Box<dyn std::error::Error>;

/// By serde.
pub fn with_serde(text: &str) -> Result<Document, Failure> {
    Ok(quick_xml::de::from_str(text)?)
}

/// By hand, on events with namespaces.
pub fn by_hand(text: &str) -> Result<Document, Failure> {
    let mut reader = NsReader::from_str(text);
    loop {
        match reader.read_resolved_event()? {
            (ResolveResult::Bound(INFO), Event::Start(tag))
                if tag.local_name().as_ref() == "conference-info" =>
            {
                let mut document = Document::default();
                attributes(&reader, &tag, |name, value| match name {
                    "entity" => document.entity = value,
                    "state" => document.state = value,
                    "version" => document.version = value.parse().ok(),
                    _ => {}
                })?;
                children(&mut reader, |reader, is_known, tag| {
                    if is_known && tag.local_name().as_ref() == "users" {
                        document.users = users(reader, &tag)?;
                        return Ok(true);
                    }
                    Ok(false)
                })?;
                return Ok(document);
            }
            (_, Event::Eof) => return Err("no document".into()),
            _ => {}
        }
    }
}

/// Calls back for each child with whether its namespace is known; what was not read is skipped.
fn children<'a>(
    reader: &mut NsReader<&'a [u8]>,
    mut each: impl FnMut(&mut NsReader<&'a [u8]>, bool, BytesStart<'a>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    loop {
        let (namespace, event) = reader.read_resolved_event()?;
        let is_known = match namespace {
            ResolveResult::Bound(namespace) => namespace == INFO || EXTENSIONS.contains(&namespace.as_ref()),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => false,
        };
        match event {
            Event::Start(tag) => {
                let end = tag.to_end().into_owned();
                if !each(reader, is_known, tag)? {
                    reader.read_to_end(end.name())?;
                }
            }
            Event::End(_) => return Ok(()),
            Event::Eof => return Err("cut off".into()),
            _ => {}
        }
    }
}

fn attributes(
    reader: &NsReader<&[u8]>,
    tag: &BytesStart<'_>,
    mut each: impl FnMut(&str, String),
) -> Result<(), Failure> {
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let (_, name) = reader.resolver().resolve_attribute(attribute.key);
        each(name.as_ref(), attribute.normalized_value(XmlVersion::Implicit1_0)?.into_owned());
    }
    Ok(())
}

fn text(reader: &mut NsReader<&[u8]>) -> Result<String, Failure> {
    let mut all = String::new();
    loop {
        match reader.read_event()? {
            Event::Text(text) => all.push_str(&text),
            Event::GeneralRef(name) => {
                all.push_str(quick_xml::escape::resolve_predefined_entity(&name).ok_or("unknown entity")?);
            }
            Event::Start(tag) => drop(reader.read_to_end(tag.to_end().into_owned().name())?),
            Event::End(_) => return Ok(all),
            Event::Eof => return Err("cut off".into()),
            _ => {}
        }
    }
}

fn users(reader: &mut NsReader<&[u8]>, tag: &BytesStart<'_>) -> Result<Users, Failure> {
    let mut found = Users::default();
    attributes(reader, tag, |name, value| {
        if name == "state" {
            found.state = value;
        }
    })?;
    children(reader, |reader, is_known, tag| {
        if is_known && tag.local_name().as_ref() == "user" {
            found.users.push(user(reader, &tag)?);
            return Ok(true);
        }
        Ok(false)
    })?;
    Ok(found)
}

fn user(reader: &mut NsReader<&[u8]>, tag: &BytesStart<'_>) -> Result<User, Failure> {
    let mut found = User::default();
    attributes(reader, tag, |name, value| match name {
        "entity" => found.entity = value,
        "state" => found.state = value,
        _ => {}
    })?;
    children(reader, |reader, is_known, tag| {
        match tag.local_name().as_ref() {
            _ if !is_known => return Ok(false),
            "display-text" => found.display_text = Some(text(reader)?),
            "roles" => children(reader, |reader, is_known, tag| {
                if is_known && tag.local_name().as_ref() == "entry" {
                    found.roles.entries.push(text(reader)?);
                    return Ok(true);
                }
                Ok(false)
            })?,
            "endpoint" => found.endpoints.push(endpoint(reader, &tag)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(found)
}

fn endpoint(reader: &mut NsReader<&[u8]>, tag: &BytesStart<'_>) -> Result<Endpoint, Failure> {
    let mut found = Endpoint::default();
    attributes(reader, tag, |name, value| match name {
        "entity" => found.entity = value,
        "session-type" => found.session_type = Some(value),
        "epid" => found.epid = Some(value),
        "endpoint-uri" => found.endpoint_uri = Some(value),
        _ => {}
    })?;
    children(reader, |reader, is_known, tag| {
        match tag.local_name().as_ref() {
            _ if !is_known => return Ok(false),
            "status" => found.status = Some(text(reader)?),
            "joining-method" => found.joining_method = Some(text(reader)?),
            "accessMethod" => found.access_method = Some(text(reader)?),
            "authMethod" => found.auth_method = Some(text(reader)?),
            "media" => found.media.push(media(reader, &tag)?),
            "clientInfo" => children(reader, |reader, is_known, tag| {
                if is_known && tag.local_name().as_ref() == "lobby-capable" {
                    found.client_info.lobby_capable = Some(text(reader)? == "true");
                    return Ok(true);
                }
                Ok(false)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(found)
}

fn media(reader: &mut NsReader<&[u8]>, tag: &BytesStart<'_>) -> Result<Media, Failure> {
    let mut found = Media::default();
    attributes(reader, tag, |name, value| {
        if name == "id" {
            found.id = value;
        }
    })?;
    children(reader, |reader, is_known, tag| {
        match tag.local_name().as_ref() {
            _ if !is_known => return Ok(false),
            "type" => found.kind = Some(text(reader)?),
            "label" => found.label = Some(text(reader)?),
            "src-id" => found.src_id = Some(text(reader)?),
            "status" => found.status = Some(text(reader)?),
            "media-ingress-filter" => found.ingress_filter = Some(text(reader)?),
            "media-egress-filter" => found.egress_filter = Some(text(reader)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(found)
}
