//! stub
use super::Document;
use crate::{DocumentError, ErrorKind, Limits};
pub(super) fn wrong_root(element: &'static str) -> DocumentError {
    DocumentError { kind: ErrorKind::WrongRoot, element, offset: 0 }
}
pub(super) fn parse(_: &[u8], _: &Limits) -> Result<Document, DocumentError> {
    Err(wrong_root(""))
}
