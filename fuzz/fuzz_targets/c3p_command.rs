//! C3P and the small bodies: no bytes make a reader panic, and what was read survives being written.
#![no_main]

use c3p::Limits;
use c3p::command::Document;
use c3p::diagnostics::Diagnostics;
use c3p::im::{Imdn, IsComposing, KeyboardActivity};
use c3p::invite::ConferenceInvite;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    if let Ok(document) = Document::parse(bytes, &limits) {
        // A name from elsewhere may be one that is not written as it is.
        let once = Document::parse(&document.write(), &limits).expect("what was written is read");
        assert_eq!(Document::parse(&once.write(), &limits), Ok(once));
    }
    if let Ok(imdn) = Imdn::parse(bytes, &limits) {
        assert_eq!(Imdn::parse(&imdn.write(), &limits), Ok(imdn));
    }
    if let Ok(invite) = ConferenceInvite::parse(bytes, &limits) {
        assert_eq!(ConferenceInvite::parse(&invite.write(), &limits), Ok(invite));
    }
    if let Ok(composing) = IsComposing::parse(bytes, &limits) {
        assert_eq!(IsComposing::parse(&composing.write(), &limits), Ok(composing));
    }
    let _ = KeyboardActivity::parse(bytes, &limits);
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(values) = Diagnostics::parse_list(text) {
            let line = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            assert_eq!(Diagnostics::parse_list(&line).map(|again| again.len()), Ok(values.len()));
        }
        if let Ok(address) = c3p::uri::clean_input(text) {
            assert!(c3p::uri::is_conference(&address));
        }
    }
});
