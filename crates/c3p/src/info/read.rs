//! stub
use super::*;
pub(super) fn parse(_: &[u8], _: &Limits) -> Result<ConferenceInfo, DocumentError> {
    Err(DocumentError { kind: crate::ErrorKind::WrongRoot, element: "", offset: 0 })
}
pub(crate) fn read_conference_info() {}
pub(crate) fn read_user() {}
