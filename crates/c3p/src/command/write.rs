//! stub
use super::*;
pub(super) fn request(_: &Request) -> Bytes {
    Bytes::new()
}
pub(super) fn response(_: &Response) -> Bytes {
    Bytes::new()
}
pub(super) fn notify(_: &Notify) -> Bytes {
    Bytes::new()
}
