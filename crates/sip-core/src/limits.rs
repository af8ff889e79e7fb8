//! How much one message may cost.
//!
//! Every loop over received bytes is bounded by one of these numbers, so that a hostile peer is refused (413, 513, 400)
//! before it costs memory or time. The defaults fit conferencing traffic: the largest legal message is a full
//! conference-info document.

/// Limits on one SIP message.
///
/// # Examples
///
/// ```
/// let limits = sip_core::Limits::default().with_message_bytes(64 * 1024).with_body_bytes(32 * 1024);
/// assert_eq!(limits.header_line_bytes, 8 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Whole message, start line to the end of the body; more is answered with 513. Default 256 KiB.
    pub message_bytes: usize,
    /// Start line and header lines together; more is answered with 513. Default 64 KiB.
    pub head_bytes: usize,
    /// Body; more is answered with 413. Default 256 KiB.
    pub body_bytes: usize,
    /// Request-URI; more is answered with 414. Default 8 KiB.
    pub request_uri_bytes: usize,
    /// One header line with its continuation lines; more is answered with 513. Default 8 KiB, at most 65,535.
    pub header_line_bytes: usize,
    /// All header lines of one message. Default 256.
    pub header_lines: usize,
    /// Header lines of one name. Default 64.
    pub header_lines_same_name: usize,
    /// Values of one header whose values are a list (Route, Record-Route, Contact, Via). Default 64.
    pub list_values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 256 * 1024,
            head_bytes: 64 * 1024,
            body_bytes: 256 * 1024,
            request_uri_bytes: 8 * 1024,
            header_line_bytes: 8 * 1024,
            header_lines: 256,
            header_lines_same_name: 64,
            list_values: 64,
        }
    }
}

impl Limits {
    /// The same limits with another size of a whole message.
    #[must_use]
    pub fn with_message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// The same limits with another size of start line and headers together.
    #[must_use]
    pub fn with_head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }

    /// The same limits with another size of a body.
    #[must_use]
    pub fn with_body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The same limits with another length of a Request-URI.
    #[must_use]
    pub fn with_request_uri_bytes(mut self, bytes: usize) -> Self {
        self.request_uri_bytes = bytes;
        self
    }

    /// The same limits with another length of one header line; the parser's own bound is 65,535.
    #[must_use]
    pub fn with_header_line_bytes(mut self, bytes: usize) -> Self {
        self.header_line_bytes = bytes.min(usize::from(u16::MAX));
        self
    }

    /// The same limits with another number of header lines.
    #[must_use]
    pub fn with_header_lines(mut self, lines: usize) -> Self {
        self.header_lines = lines;
        self
    }

    /// The same limits with another number of header lines of one name.
    #[must_use]
    pub fn with_header_lines_same_name(mut self, lines: usize) -> Self {
        self.header_lines_same_name = lines;
        self
    }

    /// The same limits with another number of values in one list.
    #[must_use]
    pub fn with_list_values(mut self, values: usize) -> Self {
        self.list_values = values;
        self
    }
}
