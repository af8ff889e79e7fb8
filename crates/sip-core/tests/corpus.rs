//! What fuzzing kept, as ordinary tests: each input goes through the body of its target. `fuzz/README.md` says what each promises.

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/bodies/sip_digest.rs"]
mod sip_digest;
#[path = "../../../fuzz/bodies/sip_framing.rs"]
mod sip_framing;
#[path = "../../../fuzz/bodies/sip_headers.rs"]
mod sip_headers;
#[path = "../../../fuzz/bodies/sip_message.rs"]
mod sip_message;
#[path = "../../../fuzz/bodies/sip_multipart.rs"]
mod sip_multipart;
#[cfg(feature = "ntlm")]
#[path = "../../../fuzz/bodies/sip_ntlm.rs"]
mod sip_ntlm;
#[path = "../../../fuzz/bodies/sip_uri.rs"]
mod sip_uri;

use replay::replay;

#[test]
fn sip_digest() {
    replay("sip_digest", sip_digest::run);
}

#[test]
fn sip_framing() {
    replay("sip_framing", sip_framing::run);
}

#[test]
fn sip_headers() {
    replay("sip_headers", sip_headers::run);
}

#[test]
fn sip_message() {
    replay("sip_message", sip_message::run);
}

#[test]
fn sip_multipart() {
    replay("sip_multipart", sip_multipart::run);
}

#[test]
#[cfg(feature = "ntlm")]
fn sip_ntlm() {
    replay("sip_ntlm", sip_ntlm::run);
}

#[test]
fn sip_uri() {
    replay("sip_uri", sip_uri::run);
}

/// No folder without its test.
#[test]
fn complete() {
    let tested =
        ["sip_digest", "sip_framing", "sip_headers", "sip_message", "sip_multipart", "sip_ntlm", "sip_uri"];
    assert_eq!(replay::folders(|name| name.starts_with("sip_")), tested);
}
