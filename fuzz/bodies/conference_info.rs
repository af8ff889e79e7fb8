//! The roster document: no bytes make the reader panic, what was read survives being written, and merging is total.

use c3p::Limits;
use c3p::change;
use c3p::info::ConferenceInfo;
use c3p::view;

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(info) = ConferenceInfo::parse(bytes, &limits) else { return };
    let room = limits.with_bytes(4 * limits.bytes).with_unknown_bytes(4 * limits.unknown_bytes);
    assert_eq!(ConferenceInfo::parse(&info.write(), &room).as_ref(), Ok(&info));
    let mut roster = ConferenceInfo::new("x");
    change::apply(&mut roster, &info);
    let once = roster.clone();
    assert_eq!(change::between(&once, &roster), None);
    change::apply(&mut roster, &info);
    let _ = view::known_client(&info, "x", &["y".to_owned()]);
    let _ = view::lobby(&roster, "sip:a@b", "{1}");
}
