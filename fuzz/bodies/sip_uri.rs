//! Any text as URI, address and Via: no panic; equivalence is reflexive; changed ones parse again.

use sip_core::{NameAddr, Uri, Via};

/// One input.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(uri) = text.parse::<Uri>() {
        assert!(uri.equivalent(&uri));
        let changed = uri.with_param("x", Some(text)).without_param("lr").address_of_record();
        assert!(changed.as_str().parse::<Uri>().is_ok());
    }
    if let Ok(addr) = text.parse::<NameAddr>() {
        assert!(addr.with_tag(text).with_display(text).as_str().parse::<NameAddr>().is_ok());
    }
    if let Ok(via) = text.parse::<Via>() {
        let noted = via.with_received(([192, 0, 2, 1], 5060).into());
        assert!(noted.as_str().parse::<Via>().is_ok());
    }
}
