//! The bodies around the conference: messages in all forms, invitations, typing, reports, provisioning, registration
//! events, diagnostics. No bytes make a reader panic, and what was read survives being written.

use c3p::Limits;
use c3p::diagnostics::Diagnostics;
use c3p::im::{Imdn, IsComposing, KeyboardActivity};
use c3p::invite::ConferenceInvite;
use c3p::message::{AcceptTypes, ImFormat, MessageBody};
use c3p::provisioning::{Provisioning, ProvisioningRequest};
use c3p::registration::RegistrationEvent;

/// The first line is the Content-Type, the rest the body.
fn message(bytes: &[u8], limits: &Limits) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let content_type = String::from_utf8_lossy(&bytes[..at]);
    let content_type = content_type.trim();
    let body = bytes.get(at + 1..).unwrap_or_default();
    let Ok(message) = MessageBody::parse(content_type, body, limits) else { return };
    let _ = message.text();
    let _ = message.choose(&AcceptTypes::parse("text/plain text/html *"));
    let (content_type, bytes) = message.write();
    // A Content-Type from outside may be one that stands in no header.
    if content_type.chars().any(char::is_control) {
        return;
    }
    assert_eq!(MessageBody::parse(&content_type, &bytes, limits), Ok(message));
}

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits::default();
    message(bytes, &limits);
    if let Ok(imdn) = Imdn::parse(bytes, &limits) {
        assert_eq!(Imdn::parse(&imdn.write(), &limits), Ok(imdn));
    }
    if let Ok(invite) = ConferenceInvite::parse(bytes, &limits) {
        assert_eq!(ConferenceInvite::parse(&invite.write(), &limits), Ok(invite));
    }
    if let Ok(composing) = IsComposing::parse(bytes, &limits) {
        assert_eq!(IsComposing::parse(&composing.write(), &limits), Ok(composing));
    }
    if let Ok(activity) = KeyboardActivity::parse(bytes, &limits) {
        assert_eq!(KeyboardActivity::parse(&activity.write(), &limits), Ok(activity));
    }
    if let Ok(answer) = Provisioning::parse(bytes, &limits) {
        let room = limits.with_unknown_bytes(4 * limits.unknown_bytes);
        assert_eq!(Provisioning::parse(&answer.write(), &room), Ok(answer));
    }
    if let Ok(request) = ProvisioningRequest::parse(bytes, &limits) {
        assert_eq!(ProvisioningRequest::parse(&request.write(), &limits), Ok(request));
    }
    if let Ok(event) = RegistrationEvent::parse(bytes) {
        assert_eq!(RegistrationEvent::parse(&event.write()), Ok(event));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(format) = ImFormat::from_parameter(text) {
            assert_eq!(ImFormat::from_parameter(&format.to_parameter()), Some(format));
        }
        if let Ok(values) = Diagnostics::parse_list(text) {
            let line = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            assert_eq!(Diagnostics::parse_list(&line).map(|again| again.len()), Ok(values.len()));
        }
    }
}
