//! Reading and writing of the small bodies: invitations, typing, delivery reports.

use bytes::Bytes;

use super::{Ns, Reader, Writer, uri};
use crate::im::{ComposingState, Imdn, ImdnRecipient, IsComposing, KeyboardActivity};
use crate::invite::{ConferenceInvite, ImInvite};
use crate::{DocumentError, ErrorKind, Limits};

type Result<T, E = DocumentError> = std::result::Result<T, E>;

/// Reads the start tag of a root and checks its name; `namespaces` are those in which it may be.
fn root(reader: &mut Reader<'_>, name: &'static str, namespaces: &[Ns]) -> Result<()> {
    let root = reader.root()?;
    if root.name == name && namespaces.contains(&root.ns) {
        Ok(())
    } else {
        Err(root.error(ErrorKind::WrongRoot, name))
    }
}

/// Reads the start tag of a root and checks its local name, in any namespace.
pub(crate) fn root_of_name(reader: &mut Reader<'_>, name: &'static str) -> Result<()> {
    let root = reader.root()?;
    if root.name == name { Ok(()) } else { Err(root.error(ErrorKind::WrongRoot, name)) }
}

pub(crate) fn read_invite(body: &[u8], limits: &Limits) -> Result<ConferenceInvite> {
    const ROOT: &str = "Conferencing";
    let mut reader = Reader::new(body, limits)?;
    root(&mut reader, ROOT, &[Ns::None])?;
    let mut focus_uri = None;
    let mut invite = ConferenceInvite::new("");
    reader.children(ROOT, |reader, mut element| {
        match element.key() {
            (Ns::None, "focus-uri") if focus_uri.is_some() => {
                return Err(reader.error(ErrorKind::Repeated("focus-uri")));
            }
            (Ns::None, "focus-uri") => focus_uri = Some(reader.trimmed()?),
            (Ns::None, "subject") => invite.subject = Some(reader.text()?),
            (Ns::None, "audio") => invite.audio = Some(available(element.take("available")?)),
            (Ns::None, "video") => invite.video = Some(available(element.take("available")?)),
            (Ns::None, "applicationsharing") => {
                invite.application_sharing = Some(available(element.take("available")?));
            }
            (Ns::None, "im") => {
                let mut im = ImInvite { available: available(element.take("available")?), first_im: None };
                reader.children("im", |reader, child| {
                    if child.key() == (Ns::None, "first-im") {
                        im.first_im = Some(reader.text()?);
                    }
                    Ok(())
                })?;
                invite.im = Some(im);
            }
            _ => {}
        }
        Ok(())
    })?;
    reader.finish()?;
    let missing = || DocumentError { element: ROOT, ..reader.error(ErrorKind::Missing("focus-uri")) };
    invite.focus_uri = focus_uri.filter(|uri| !uri.is_empty()).ok_or_else(missing)?;
    Ok(invite)
}

/// A modality that is named and does not say otherwise is asked for.
fn available(value: Option<String>) -> bool {
    value.is_none_or(|value| matches!(value.trim(), "1") || value.trim().eq_ignore_ascii_case("true"))
}

pub(crate) fn write_invite(invite: &ConferenceInvite) -> Bytes {
    let word = |available| if available { "true" } else { "false" };
    let mut out = Writer::document();
    out.start("Conferencing").attribute("version", "2.0");
    out.leaf("focus-uri", &invite.focus_uri).leaf_if("subject", invite.subject.as_deref());
    if let Some(im) = &invite.im {
        out.start("im").attribute("available", word(im.available));
        out.leaf_if("first-im", im.first_im.as_deref()).end();
    }
    let others = [
        ("audio", invite.audio),
        ("video", invite.video),
        ("applicationsharing", invite.application_sharing),
    ];
    for (name, available) in others {
        if let Some(available) = available {
            out.start(name).attribute("available", word(available)).end();
        }
    }
    out.end();
    out.finish()
}

pub(crate) fn read_keyboard_activity(body: &[u8], limits: &Limits) -> Result<KeyboardActivity> {
    const ROOT: &str = "KeyboardActivity";
    let mut reader = Reader::new(body, limits)?;
    root(&mut reader, ROOT, &[Ns::None])?;
    let mut activity = None;
    reader.children(ROOT, |_, mut element| {
        if element.key() == (Ns::None, "status") {
            let word = element.require("status", "@status", "status")?;
            let known = KeyboardActivity::from_token(word.trim());
            activity = Some(known.ok_or_else(|| element.error(ErrorKind::BadValue("@status"), "status"))?);
        }
        Ok(())
    })?;
    reader.finish()?;
    activity.ok_or_else(|| DocumentError { element: ROOT, ..reader.error(ErrorKind::Missing("status")) })
}

pub(crate) fn write_keyboard_activity(activity: KeyboardActivity) -> Bytes {
    let mut out = Writer::document();
    out.start("KeyboardActivity").start("status").attribute("status", activity.as_str()).end().end();
    out.finish()
}

pub(crate) fn read_is_composing(body: &[u8], limits: &Limits) -> Result<IsComposing> {
    const ROOT: &str = "isComposing";
    let mut reader = Reader::new(body, limits)?;
    root(&mut reader, ROOT, &[Ns::Composing])?;
    let mut state = None;
    let mut composing = IsComposing::new(ComposingState::Idle);
    reader.children(ROOT, |reader, element| {
        match element.key() {
            (Ns::Composing, "state") => {
                state = Some(reader.word(ComposingState::from_token)?.unwrap_or(ComposingState::Idle));
            }
            (Ns::Composing, "lastactive") => composing.last_active = Some(reader.trimmed()?),
            (Ns::Composing, "contenttype") => composing.content_type = Some(reader.trimmed()?),
            (Ns::Composing, "refresh") => composing.refresh = Some(reader.number("refresh")?),
            _ => {}
        }
        Ok(())
    })?;
    reader.finish()?;
    let missing = || DocumentError { element: ROOT, ..reader.error(ErrorKind::Missing("state")) };
    composing.state = state.ok_or_else(missing)?;
    Ok(composing)
}

pub(crate) fn write_is_composing(composing: &IsComposing) -> Bytes {
    let mut out = Writer::document();
    out.start("isComposing").attribute("xmlns", uri::COMPOSING);
    out.leaf("state", composing.state.as_str())
        .leaf_if("lastactive", composing.last_active.as_deref())
        .leaf_if("contenttype", composing.content_type.as_deref())
        .number_if("refresh", composing.refresh)
        .end();
    out.finish()
}

pub(crate) fn read_imdn(body: &[u8], limits: &Limits) -> Result<Imdn> {
    const ROOT: &str = "imdn";
    let mut reader = Reader::new(body, limits)?;
    root(&mut reader, ROOT, &[Ns::Imdn])?;
    let mut message_id = None;
    let mut recipients = Vec::new();
    reader.children(ROOT, |reader, mut element| {
        match element.key() {
            (Ns::Imdn, "message-id") => message_id = Some(reader.trimmed()?),
            (Ns::Imdn, "recipient") => {
                reader.count_entry()?;
                let uri = element.require("uri", "@uri", "recipient")?;
                recipients.push(read_recipient(reader, uri)?);
            }
            _ => {}
        }
        Ok(())
    })?;
    reader.finish()?;
    let missing = || DocumentError { element: ROOT, ..reader.error(ErrorKind::Missing("message-id")) };
    Ok(Imdn { message_id: message_id.ok_or_else(missing)?, recipients })
}

fn read_recipient(reader: &mut Reader<'_>, uri: String) -> Result<ImdnRecipient> {
    let mut recipient = ImdnRecipient { uri, status: None, entries: Vec::new() };
    reader.children("recipient", |reader, element| {
        match element.key() {
            // What is not a number counts as no status, which is a failure.
            (Ns::Imdn, "status") => recipient.status = reader.word(|word| word.parse().ok())?,
            (Ns::Imdn, "entry") => {
                reader.count_entry()?;
                let (mut key, mut value) = (String::new(), String::new());
                reader.children("entry", |reader, child| {
                    match child.key() {
                        (Ns::Imdn, "key") => key = reader.trimmed()?,
                        (Ns::Imdn, "value") => value = reader.text()?,
                        _ => {}
                    }
                    Ok(())
                })?;
                recipient.entries.push((key, value));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(recipient)
}

pub(crate) fn write_imdn(imdn: &Imdn) -> Bytes {
    let mut out = Writer::document();
    out.start("imdn").attribute("xmlns", uri::IMDN).leaf("message-id", &imdn.message_id);
    for recipient in &imdn.recipients {
        out.start("recipient").attribute("uri", &recipient.uri);
        out.number_if("status", recipient.status.map(u32::from));
        for (key, value) in &recipient.entries {
            out.start("entry").leaf("key", key).leaf("value", value).end();
        }
        out.end();
    }
    out.end();
    out.finish()
}
