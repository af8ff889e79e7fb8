//! The XML under all documents: a bounded reader that knows namespaces, and a writer into one buffer.

pub(crate) mod bodies;
mod ns;
mod reader;
mod token;
mod writer;

pub(crate) use ns::{Ns, uri};
pub(crate) use reader::{Element, Reader, parse_boolean};
pub(crate) use token::{Step, Tokens, begins_with, same};
pub(crate) use writer::{Writer, escape};
