//! What a signature covers ([MS-SIPAE] sections 3.2.5.2 and 3.3.5.2).

use super::{AssociationError, SCHEME, SecurityParams};
use crate::build::{RequestDraft, ResponseDraft};
use crate::header::{NameAddr, lex};
use crate::message::{Envelope, Message};
use crate::uri::Scheme;

/// A message that can be signed: received or about to be sent.
pub trait SignedFields {
    /// The values of a header, one for each line, as they are written.
    fn lines(&self, name: &str) -> Vec<&str>;

    /// The status of a response.
    fn status(&self) -> Option<u16>;
}

impl SignedFields for Message {
    fn lines(&self, name: &str) -> Vec<&str> {
        envelope_lines(self.envelope(), name)
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Request(_) => None,
            Self::Response(response) => Some(response.status()),
        }
    }
}

impl SignedFields for crate::message::Request {
    fn lines(&self, name: &str) -> Vec<&str> {
        envelope_lines(self, name)
    }

    fn status(&self) -> Option<u16> {
        None
    }
}

impl SignedFields for crate::message::Response {
    fn lines(&self, name: &str) -> Vec<&str> {
        envelope_lines(self, name)
    }

    fn status(&self) -> Option<u16> {
        Some(crate::message::Response::status(self))
    }
}

impl SignedFields for RequestDraft {
    fn lines(&self, name: &str) -> Vec<&str> {
        self.get_all(name).collect()
    }

    fn status(&self) -> Option<u16> {
        None
    }
}

impl SignedFields for ResponseDraft {
    fn lines(&self, name: &str) -> Vec<&str> {
        self.get_all(name).collect()
    }

    fn status(&self) -> Option<u16> {
        Some(self.status)
    }
}

fn envelope_lines<'a>(envelope: &'a Envelope, name: &str) -> Vec<&'a str> {
    envelope.headers().get_all(name).collect()
}

/// The text of a signature: values as they are written, each in angle brackets, a missing one empty.
///
/// - `version`: of the association; 2 leaves out the URI of To and the identity.
/// - `params`: realm and target name of the association. `rand`, `num`: of the signature.
///
/// # Errors
///
/// [`AssociationError::Unsignable`] when a field of the dialog is missing or wrong, or a value has `<` or `>` in it:
/// otherwise one text could stand for two messages.
///
/// # Examples
///
/// ```
/// use sip_core::auth::association::{SecurityParams, signed_text};
/// use sip_core::{Limits, Message};
///
/// let raw = "BYE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
///     To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n";
/// let message = Message::parse(raw.into(), &Limits::default()).unwrap();
/// let mut params = SecurityParams::default();
/// (params.realm, params.targetname) = ("R".into(), "T".into());
/// let text = signed_text(4, &message, &params, "01ab", "3").unwrap();
/// assert_eq!(text, "<NTLM><01ab><3><R><T><x><7><BYE><sip:a@b><1><sip:c@d><2><><><>");
/// ```
pub fn signed_text(
    version: u8,
    message: &dyn SignedFields,
    params: &SecurityParams,
    rand: &str,
    num: &str,
) -> Result<String, AssociationError> {
    let line = |name| message.lines(name).into_iter().next();
    let need = |name| line(name).ok_or(AssociationError::Unsignable);
    let address = |name| -> Result<NameAddr, AssociationError> {
        need(name)?.parse().map_err(|_| AssociationError::Unsignable)
    };
    let (number, method) = need("CSeq")?.split_once(' ').ok_or(AssociationError::Unsignable)?;
    let (from, to) = (address("From")?, address("To")?);
    let (sip, tel) = identity(message);
    let mut text = String::with_capacity(256);
    let mut put = |value: &str| {
        if value.contains(['<', '>']) {
            return Err(AssociationError::Unsignable);
        }
        text.push('<');
        text.push_str(value);
        text.push('>');
        Ok(())
    };
    for value in [SCHEME, rand, num, &params.realm, &params.targetname, need("Call-ID")?] {
        put(value)?;
    }
    put(number)?;
    put(method.trim_matches([' ', '\t']))?;
    put(from.uri().as_str())?;
    put(from.tag().unwrap_or_default())?;
    if version >= 3 {
        put(to.uri().as_str())?;
    }
    put(to.tag().unwrap_or_default())?;
    if version >= 3 {
        put(&sip)?;
        put(&tel)?;
    }
    put(line("Expires").unwrap_or_default())?;
    if let Some(status) = message.status() {
        put(&status.to_string())?;
    }
    Ok(text)
}

/// The first SIP URI and the first tel URI of P-Asserted-Identity, else of P-Preferred-Identity.
fn identity(message: &dyn SignedFields) -> (String, String) {
    let asserted = message.lines("P-Asserted-Identity");
    let lines = if asserted.is_empty() { message.lines("P-Preferred-Identity") } else { asserted };
    let items = lines.into_iter().flat_map(lex::list_items);
    let addresses: Vec<NameAddr> = items.filter_map(|(_, item)| item.parse().ok()).collect();
    let first = |wanted: fn(Scheme) -> bool| {
        let found = addresses.iter().find(|address| wanted(address.uri().scheme()));
        found.map_or(String::new(), |address| address.uri().as_str().to_owned())
    };
    (first(|scheme| matches!(scheme, Scheme::Sip | Scheme::Sips)), first(|scheme| scheme == Scheme::Tel))
}
