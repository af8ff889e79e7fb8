//! The session descriptions of calls: offers read as far as an MCU needs it, and its answers.
//!
//! IM: one `m=message` line that nothing is opened from. Audio and video: signalling only. The offer's streams are taken
//! with the offered ports and payload types; no media flow.

use std::net::SocketAddr;

use c3p::McuType;

/// What our IM MCU takes and relays.
const ACCEPT_TYPES: &str = "text/plain text/html text/rtf multipart/alternative multipart/related \
    application/im-iscomposing+xml application/ms-imdn+xml";

/// Streams of one offer that are looked at.
const STREAMS_MAX: usize = 8;

/// An offer that the MCU can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// IM: the content types that the client reads.
    pub(super) accepts: Vec<String>,
    /// The streams: their kind (`chat`, `audio`, `video`).
    pub(super) kinds: Vec<&'static str>,
    /// The media sections of the answer.
    sections: String,
}

impl Offer {
    /// Reads an offer; `None` when it has nothing for this MCU.
    pub(super) fn read(
        mcu: McuType,
        body: &[u8],
        mcu_uri: &str,
        port: u16,
        types_max: usize,
    ) -> Option<Offer> {
        let text = std::str::from_utf8(body).ok()?;
        match mcu {
            McuType::Im => {
                let accepts = offered_types(text, types_max)?;
                let sections = format!("m=message {port} sip {mcu_uri}\r\na=accept-types:{ACCEPT_TYPES}\r\n");
                Some(Offer { accepts, kinds: vec!["chat"], sections })
            }
            McuType::Av => streams(text),
            McuType::AppSharing | McuType::Data => None,
        }
    }

    /// The whole answer of an MCU at this address.
    pub(super) fn answer(&self, addr: SocketAddr) -> String {
        let (family, ip) = (if addr.is_ipv4() { "IP4" } else { "IP6" }, addr.ip());
        format!(
            "v=0\r\no=- 0 0 IN {family} {ip}\r\ns=session\r\nc=IN {family} {ip}\r\nt=0 0\r\n{}",
            self.sections
        )
    }
}

/// The accept-types of an IM offer; both media names are read. Without `a=accept-types` it is plain text.
fn offered_types(text: &str, limit: usize) -> Option<Vec<String>> {
    let mut lines = text.lines().map(str::trim_end);
    let is_message = |line: &str| line.starts_with("m=message ") || line.starts_with("m=x-ms-message ");
    lines.by_ref().find(|line| is_message(line))?;
    let section = lines.take_while(|line| !line.starts_with("m="));
    let types =
        section.filter_map(|line| line.strip_prefix("a=accept-types:")).next().unwrap_or("text/plain");
    Some(types.split_ascii_whitespace().take(limit).map(str::to_ascii_lowercase).collect())
}

/// Audio and video streams over RTP are taken as offered, all others are refused with port 0 (RFC 3264 section 6).
fn streams(text: &str) -> Option<Offer> {
    let mut offer = Offer { accepts: Vec::new(), kinds: Vec::new(), sections: String::new() };
    let mut taken = false;
    for line in text.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            let fields: Vec<&str> = media.split(' ').collect();
            let [kind, port, profile, formats @ ..] = fields.as_slice() else { return None };
            let known = ["audio", "video"].into_iter().find(|known| known == kind);
            let rtp =
                matches!(*profile, "RTP/AVP" | "RTP/SAVP") && port.parse::<u16>().is_ok_and(|port| port != 0);
            let known = known.filter(|_| rtp && offer.kinds.len() < STREAMS_MAX);
            taken = known.is_some();
            offer.kinds.extend(known);
            let port = if taken { port } else { "0" };
            offer.sections += &format!("m={kind} {port} {profile} {}\r\n", formats.join(" "));
        } else if taken && (line.starts_with("a=rtpmap:") || line.starts_with("a=fmtp:")) {
            offer.sections += &format!("{line}\r\n");
        }
    }
    (!offer.kinds.is_empty()).then_some(offer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IM: &str = "v=0\r\no=- 0 0 IN IP4 192.0.2.20\r\ns=session\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n\
        m=message 5060 sip null\r\na=accept-types:text/plain Text/HTML\r\nm=audio 1 RTP/AVP 0\r\na=accept-types:x/y\r\n";
    const AV: &str = "v=0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=x:y\r\n\
        m=video 4002 UDP/X 31\r\na=rtpmap:31 H261/90000\r\n";

    fn read(mcu: McuType, body: &[u8]) -> Option<Offer> {
        Offer::read(mcu, body, "sip:alice@example.com;opaque=x", 5070, 10)
    }

    /// im-and-invite section 1: both media names, types separated by blanks.
    #[test]
    fn im_reads_both_forms() {
        let accepts = |body: &str| read(McuType::Im, body.as_bytes()).map(|offer| offer.accepts);
        let types = || Some(vec!["text/plain".to_owned(), "text/html".to_owned()]);
        assert_eq!(accepts(IM), types());
        assert_eq!(accepts(&IM.replace("m=message", "m=x-ms-message")), types());
        assert_eq!(accepts("m=message 5060 sip null\n"), Some(vec!["text/plain".to_owned()]));
        assert_eq!(accepts("m=audio 1 RTP/AVP 0\r\n"), None);
        assert_eq!(read(McuType::Im, b"\xff"), None);
    }

    /// Our own answer is an offer that we can read.
    #[test]
    fn im_answer_is_readable() {
        let answer =
            read(McuType::Im, IM.as_bytes()).expect("IM media").answer(([127, 0, 0, 1], 5070).into());
        let offer = read(McuType::Im, answer.as_bytes()).expect("IM media");
        assert_eq!(offer.accepts.len(), 7);
        assert!(answer.contains("c=IN IP4 127.0.0.1\r\n"));
    }

    /// RFC 3264 section 6: one section per offered stream, in order; what is not taken has port 0.
    #[test]
    fn av_takes_rtp_streams() {
        let offer = read(McuType::Av, AV.as_bytes()).expect("audio");
        assert_eq!(offer.kinds, ["audio"]);
        let expected =
            "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\nm=video 0 UDP/X 31\r\n";
        assert_eq!(offer.sections, expected);
        assert_eq!(read(McuType::Av, IM.replace("RTP/AVP", "x").as_bytes()), None);
        assert_eq!(read(McuType::Av, b"m=audio"), None);
        assert_eq!(read(McuType::Data, AV.as_bytes()), None);
    }
}
