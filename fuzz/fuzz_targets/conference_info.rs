//! The roster document: no bytes make the reader panic, and what was read survives being written.
#![no_main]

use c3p::Limits;
use c3p::info::ConferenceInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    if let Ok(info) = ConferenceInfo::parse(bytes, &limits) {
        assert_eq!(ConferenceInfo::parse(&info.write(), &limits), Ok(info));
    }
});
