//! The session description of an IM call: one `m=message` line that nothing is opened from.

use std::net::SocketAddr;

/// What our MCU takes and relays.
pub(super) const ACCEPT_TYPES: &str = "text/plain text/html text/rtf multipart/alternative multipart/related application/im-iscomposing+xml \
     application/ms-imdn+xml";

/// The accept-types of an offer; `None` when it has no IM media.
///
/// Both forms are read: `m=message` and the older `m=x-ms-message`. Without `a=accept-types` it is plain text.
pub(super) fn offered_types(body: &[u8], limit: usize) -> Option<Vec<String>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut lines = text.lines().map(str::trim_end);
    let is_message = |line: &str| line.starts_with("m=message ") || line.starts_with("m=x-ms-message ");
    lines.by_ref().find(|line| is_message(line))?;
    let types = lines
        .take_while(|line| !line.starts_with("m="))
        .find_map(|line| line.strip_prefix("a=accept-types:"));
    let types = types.unwrap_or("text/plain");
    Some(types.split_ascii_whitespace().take(limit).map(str::to_ascii_lowercase).collect())
}

/// The answer of the MCU.
pub(super) fn answer(addr: SocketAddr, mcu_uri: &str) -> String {
    let (family, ip) = (if addr.is_ipv4() { "IP4" } else { "IP6" }, addr.ip());
    let port = addr.port();
    format!(
        "v=0\r\no=- 0 0 IN {family} {ip}\r\ns=session\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=message {port} sip {mcu_uri}\r\na=accept-types:{ACCEPT_TYPES}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 0 0 IN IP4 192.0.2.20\r\ns=session\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n\
        m=message 5060 sip null\r\na=accept-types:text/plain Text/HTML\r\nm=audio 1 RTP/AVP 0\r\na=accept-types:x/y\r\n";

    /// im-and-invite section 1: both media names, types separated by blanks.
    #[test]
    fn reads_both_forms() {
        let types = || Some(vec!["text/plain".to_owned(), "text/html".to_owned()]);
        assert_eq!(offered_types(OFFER.as_bytes(), 10), types());
        assert_eq!(offered_types(OFFER.replace("m=message", "m=x-ms-message").as_bytes(), 10), types());
        assert_eq!(offered_types(b"m=message 5060 sip null\n", 10), Some(vec!["text/plain".to_owned()]));
        assert_eq!(offered_types(OFFER.as_bytes(), 1).map(|types| types.len()), Some(1));
        assert_eq!(offered_types(b"m=audio 1 RTP/AVP 0\r\n", 10), None);
        assert_eq!(offered_types(b"\xff", 10), None);
    }

    /// Our own answer is an offer that we can read.
    #[test]
    fn answer_is_readable() {
        let answer = answer(([127, 0, 0, 1], 5070).into(), "sip:alice@example.com;opaque=x");
        let types = offered_types(answer.as_bytes(), 99).expect("IM media");
        assert!(types.iter().any(|name| name == "multipart/alternative"));
    }
}
