//! Why a document could not be read.

use crate::diagnostics::ids;

/// A document was not read: what was wrong, where.
///
/// Small and `Copy`. [`diagnostics_id`](Self::diagnostics_id) is what a server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} in <{element}> at byte {offset}")]
pub struct DocumentError {
    /// What was wrong.
    pub kind: ErrorKind,
    /// The innermost known element that was being read; empty before the root.
    pub element: &'static str,
    /// Where in the document, in bytes from its start; just behind the fault.
    pub offset: usize,
}

/// The kinds of faults of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Over [`Limits::bytes`](crate::Limits::bytes).
    #[error("document too large")]
    TooLarge,
    /// Over [`Limits::depth`](crate::Limits::depth).
    #[error("elements nested too deep")]
    TooDeep,
    /// Over [`Limits::endpoints`](crate::Limits::endpoints).
    #[error("too many endpoints")]
    TooManyEndpoints,
    /// Over [`Limits::entries`](crate::Limits::entries).
    #[error("too many entries")]
    TooManyEntries,
    /// Over [`Limits::attributes`](crate::Limits::attributes), or too many namespace declarations in scope.
    #[error("too many attributes")]
    TooManyAttributes,
    /// The bytes are not UTF-8, or the document declares another encoding.
    #[error("not UTF-8")]
    NotUtf8,
    /// A character that XML 1.0 does not allow, literal or as a reference.
    #[error("illegal character")]
    IllegalCharacter,
    /// A document type declaration.
    #[error("document type declaration")]
    Dtd,
    /// An entity other than the five of XML.
    #[error("unknown entity")]
    UnknownEntity,
    /// Not well-formed.
    #[error("not well-formed")]
    Syntax,
    /// The document ended inside an element.
    #[error("document ends early")]
    Truncated,
    /// The same attribute twice, also once with and once without its namespace.
    #[error("duplicate attribute")]
    DuplicateAttribute,
    /// A prefix without a namespace, or a namespace declaration that is not allowed.
    #[error("bad namespace")]
    Namespace,
    /// The root is not the one that was expected.
    #[error("unexpected root element")]
    WrongRoot,
    /// A required element, attribute (`@name`) or text is not there.
    #[error("missing {0}")]
    Missing(&'static str),
    /// Something that may be there once is there again; more than one command is this, too.
    #[error("repeated {0}")]
    Repeated(&'static str),
    /// A text or attribute (`@name`) has a value that it cannot have.
    #[error("bad value of {0}")]
    BadValue(&'static str),
}

impl DocumentError {
    /// The same fault, inside this element if it is not known to be inside another.
    pub(crate) fn within(self, element: &'static str) -> Self {
        if self.element.is_empty() { Self { element, ..self } } else { self }
    }

    /// The diagnostics id with which a Focus refuses a request with this fault (its SIP status is 400 in each case).
    ///
    /// The faults inside `addUser` have ids of their own; everything else is "not parsable".
    #[must_use]
    pub fn diagnostics_id(&self) -> u32 {
        match (self.element, self.kind) {
            ("endpoint", ErrorKind::Missing("@entity")) | (_, ErrorKind::Missing("@endpointEntity")) => {
                ids::C3P_ENDPOINT_ENTITY
            }
            (
                _,
                ErrorKind::Missing(
                    "@confEntity" | "conferenceKeys" | "userKeys" | "endpointKeys" | "mediaKeys",
                ),
            ) => ids::C3P_CONFERENCE_ENTITY,
            (
                "addUser" | "user" | "roles",
                ErrorKind::Missing(_) | ErrorKind::Repeated(_) | ErrorKind::BadValue(_),
            ) => ids::C3P_ADD_USER,
            _ => ids::C3P_NOT_PARSABLE,
        }
    }
}
