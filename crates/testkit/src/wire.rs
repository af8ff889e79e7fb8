//! A second reader of SIP messages, for the judge and the printer.
//!
//! It shares no code with the product, on purpose: what the product misreads must not be misread here the same way. It
//! reads what the simulation's own peers write, so it is short and strict, not a parser for hostile input.

/// One message, cut into its parts.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    first: &'a str,
    head: &'a str,
    body: &'a str,
}

impl<'a> Wire<'a> {
    /// Reads a message; `None` for a keep-alive or anything that is not SIP.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let (first, head) = head.split_once("\r\n")?;
        first.contains("SIP/2.0").then_some(Wire { first, head, body })
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> Option<&'a str> {
        if self.first.starts_with("SIP/2.0 ") { None } else { self.first.split(' ').next() }
    }

    /// The Request-URI.
    #[must_use]
    pub fn uri(&self) -> Option<&'a str> {
        self.method().and_then(|_| self.first.split(' ').nth(1))
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The first line.
    #[must_use]
    pub fn first_line(&self) -> &'a str {
        self.first
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// Every header of this name, one value per line.
    pub fn headers<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.head.split("\r\n").filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &'a str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// The number and the method of CSeq.
    #[must_use]
    pub fn cseq(&self) -> (u32, &'a str) {
        let value = self.header("CSeq").unwrap_or_default();
        let (number, method) = value.split_once(' ').unwrap_or((value, ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    /// The branch of the topmost Via.
    #[must_use]
    pub fn branch(&self) -> &'a str {
        let via = self.header("Via").unwrap_or_default();
        via.split(';').find_map(|param| param.trim().strip_prefix("branch=")).unwrap_or_default()
    }

    /// Whether it is in a dialog already: its To has a tag.
    #[must_use]
    pub fn in_dialog(&self) -> bool {
        self.header("To").is_some_and(|to| to.contains(";tag="))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &'a str {
        self.body
    }

    /// The value of the first XML attribute of this name in the body, its declaration left out.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        let declared = self.body.find("?>").map_or(0, |at| at + 2);
        let body = &self.body[declared..];
        let at = body.find(&format!(" {name}=\""))? + name.len() + 3;
        body[at..].split('"').next()
    }

    /// Whether the body is a full conference document.
    #[must_use]
    pub fn is_full_document(&self) -> bool {
        let Some(at) = self.body.find("<conference-info") else { return false };
        let tag = self.body[at..].split('>').next().unwrap_or_default();
        !tag.contains("state=\"partial\"") && !tag.contains("state=\"deleted\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1;rport\r\nTo: <sip:a@b>;tag=9\r\n\
                        Call-ID: x\r\nCSeq: 7 INFO\r\n\r\n<request requestId=\"17\" from=\"sip:c@d\"/>";

    #[test]
    fn reads_a_request() {
        let wire = Wire::read(INFO.as_bytes()).expect("a message");
        assert_eq!((wire.method(), wire.uri(), wire.status()), (Some("INFO"), Some("sip:a@b"), None));
        assert_eq!((wire.call_id(), wire.cseq(), wire.branch()), ("x", (7, "INFO"), "z9hG4bK1"));
        assert_eq!((wire.attribute("requestId"), wire.in_dialog()), (Some("17"), true));
    }

    #[test]
    fn keep_alive_is_no_message() {
        assert!(Wire::read(b"\r\n\r\n").is_none());
    }

    #[test]
    fn tells_full_documents_from_partial_ones() {
        let of =
            |tag: &str| format!("SIP/2.0 200 OK\r\nCSeq: 1 SUBSCRIBE\r\n\r\n<?xml?><conference-info {tag}>");
        assert!(Wire::read(of("entity=\"x\" state=\"full\"").as_bytes()).unwrap().is_full_document());
        assert!(Wire::read(of("entity=\"x\"").as_bytes()).unwrap().is_full_document());
        assert!(!Wire::read(of("entity=\"x\" state=\"partial\"").as_bytes()).unwrap().is_full_document());
    }
}
