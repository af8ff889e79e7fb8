//! stub
use crate::{DocumentError, ErrorKind, Limits, im::*, invite::*};
use bytes::Bytes;
const E: DocumentError = DocumentError { kind: ErrorKind::WrongRoot, element: "", offset: 0 };
pub(crate) fn read_invite(_: &[u8], _: &Limits) -> Result<ConferenceInvite, DocumentError> {
    Err(E)
}
pub(crate) fn write_invite(_: &ConferenceInvite) -> Bytes {
    Bytes::new()
}
pub(crate) fn read_keyboard_activity(_: &[u8], _: &Limits) -> Result<KeyboardActivity, DocumentError> {
    Err(E)
}
pub(crate) fn write_keyboard_activity(_: KeyboardActivity) -> Bytes {
    Bytes::new()
}
pub(crate) fn read_is_composing(_: &[u8], _: &Limits) -> Result<IsComposing, DocumentError> {
    Err(E)
}
pub(crate) fn write_is_composing(_: &IsComposing) -> Bytes {
    Bytes::new()
}
pub(crate) fn read_imdn(_: &[u8], _: &Limits) -> Result<Imdn, DocumentError> {
    Err(E)
}
pub(crate) fn write_imdn(_: &Imdn) -> Bytes {
    Bytes::new()
}
