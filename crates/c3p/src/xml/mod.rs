//! stub
pub(crate) mod bodies;
