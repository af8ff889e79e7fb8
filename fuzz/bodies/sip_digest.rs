//! Any text as authentication headers and as a list of users: no panic; what was read is written and read again.

use sip_core::TypedHeader;
use sip_core::auth::{Accounts, AuthenticationInfo, Authorization, WwwAuthenticate};

/// One input.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Some(WwwAuthenticate(list))) = WwwAuthenticate::parse_all(&mut std::iter::once(text)) {
        for challenge in list {
            let line = challenge.to_string();
            let again = WwwAuthenticate::parse_all(&mut std::iter::once(line.as_str()));
            assert_eq!(again, Ok(Some(WwwAuthenticate(vec![challenge]))));
        }
    }
    if let Ok(Some(Authorization(list))) = Authorization::parse_all(&mut std::iter::once(text)) {
        for answer in list {
            let line = answer.to_string();
            let again = Authorization::parse_all(&mut std::iter::once(line.as_str()));
            assert_eq!(again, Ok(Some(Authorization(vec![answer]))));
        }
    }
    if let Ok(Some(info)) = AuthenticationInfo::parse_all(&mut std::iter::once(text)) {
        let line = info.to_string();
        assert_eq!(AuthenticationInfo::parse_all(&mut std::iter::once(line.as_str())), Ok(Some(info)));
    }
    let _ = Accounts::parse(text);
}
