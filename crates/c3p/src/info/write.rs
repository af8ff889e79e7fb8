//! stub
use super::*;
pub(super) fn write(_: &ConferenceInfo) -> Bytes {
    Bytes::new()
}
pub(crate) fn write_conference_info() {}
pub(crate) fn write_user() {}
