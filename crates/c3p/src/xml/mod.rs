//! The XML under all documents: a bounded reader that knows namespaces, and a writer into one buffer.

mod attribute;
pub(crate) mod bodies;
mod chars;
mod ns;
mod reader;
mod token;
mod writer;

pub(crate) use chars::{begins_with, same};
pub(crate) use ns::{Ns, uri};
pub(crate) use reader::{Element, Reader, parse_boolean};
pub(crate) use token::{Step, Tokens};
pub(crate) use writer::{Writer, escape};
