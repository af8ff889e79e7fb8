//! C3P: no bytes make a reader panic, what was read survives being written, and checking it never panics.

use c3p::Limits;
use c3p::command::{CommandResult, Document};
use c3p::failure::Refusal;

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits::default();
    // What was kept of the unknown may take a little more when it is read again; it must not be dropped for that.
    let room = limits.with_bytes(4 * limits.bytes).with_unknown_bytes(4 * limits.unknown_bytes);
    match Document::parse(bytes, &limits) {
        Ok(document) => {
            assert_eq!(Document::parse(&document.write(), &room).as_ref(), Ok(&document));
            match &document {
                Document::Request(request) => {
                    let _ = request.check().map_err(Refusal::from);
                    let _ = request.certificate();
                }
                Document::Response(response) => {
                    let _ = Refusal::of_response(response);
                    if let CommandResult::Unknown(element) = &response.result {
                        let _ = element.size();
                    }
                }
                Document::Notify(_) => {}
            }
        }
        Err(error) => assert!((400..600).contains(&Refusal::from(error).status)),
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(address) = c3p::uri::clean_input(text)
    {
        assert!(c3p::uri::is_conference(&address));
    }
}
