//! What a document may cost to read.

/// The limits under which documents are read.
///
/// # Examples
///
/// ```
/// let limits = c3p::Limits::default().with_bytes(64 * 1024);
/// assert_eq!(limits.bytes, 65_536);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the document in bytes: 4 MiB.
    pub bytes: usize,
    /// Elements inside one another, the root counted: 32.
    pub depth: usize,
    /// `<endpoint>` elements in one document: 50,000.
    pub endpoints: usize,
    /// Entries of lists of all kinds in one document (users, endpoints, media, URIs, views, ...): 200,000.
    pub entries: usize,
    /// Attributes of one element, namespace declarations included: 64.
    pub attributes: usize,
    /// Memory for the elements that are not known and kept ([`AnyElement`](crate::AnyElement)), in bytes: 256 KiB. An
    /// element that does not fit is skipped as a whole, which is no error; 0 keeps none.
    pub unknown_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024,
            depth: 32,
            endpoints: 50_000,
            entries: 200_000,
            attributes: 64,
            unknown_bytes: 256 * 1024,
        }
    }
}

impl Limits {
    /// Sets the size of the document in bytes.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets how deep elements may nest.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Sets how many endpoints a document may have.
    #[must_use]
    pub fn with_endpoints(mut self, endpoints: usize) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Sets how many list entries a document may have.
    #[must_use]
    pub fn with_entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Sets how many attributes an element may have.
    #[must_use]
    pub fn with_attributes(mut self, attributes: usize) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets how much memory the elements may take that are not known and kept.
    #[must_use]
    pub fn with_unknown_bytes(mut self, bytes: usize) -> Self {
        self.unknown_bytes = bytes;
        self
    }
}
