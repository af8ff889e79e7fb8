//! Header names: the ones we know, with their compact forms.

use std::fmt;

use super::lookup;

macro_rules! header_names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// A header name that this library knows; case and compact forms are resolved.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
            /// Any other one; it is found by its text.
            Other,
        }

        impl HeaderName {
            /// Every known name.
            pub const KNOWN: &'static [HeaderName] = &[$(HeaderName::$variant),+];

            /// The canonical long form; empty for [`HeaderName::Other`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(HeaderName::$variant => $text,)+
                    HeaderName::Other => "",
                }
            }
        }
    };
}

// First those that belong to the envelope of a message, up to Content-Length: the parser looks at them by their order.
header_names! {
    Via = "Via",
    From = "From",
    To = "To",
    CallId = "Call-ID",
    CSeq = "CSeq",
    MaxForwards = "Max-Forwards",
    Contact = "Contact",
    Route = "Route",
    RecordRoute = "Record-Route",
    Require = "Require",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    Accept = "Accept",
    Allow = "Allow",
    AllowEvents = "Allow-Events",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding",
    Date = "Date",
    Event = "Event",
    Expires = "Expires",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    MsDiagnostics = "ms-diagnostics",
    MsKeepAlive = "ms-keep-alive",
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    Path = "Path",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RAck = "RAck",
    RSeq = "RSeq",
    Reason = "Reason",
    ReferTo = "Refer-To",
    ReferredBy = "Referred-By",
    Replaces = "Replaces",
    RetryAfter = "Retry-After",
    Server = "Server",
    SessionExpires = "Session-Expires",
    SipEtag = "SIP-ETag",
    SipIfMatch = "SIP-If-Match",
    Subject = "Subject",
    SubscriptionState = "Subscription-State",
    Supported = "Supported",
    Timestamp = "Timestamp",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
    AcceptContact = "Accept-Contact",
    RejectContact = "Reject-Contact",
    RequestDisposition = "Request-Disposition",
    Identity = "Identity",
    IdentityInfo = "Identity-Info",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    ContentLanguage = "Content-Language",
}

impl HeaderName {
    /// Resolves a name as written: without case, long or compact form.
    ///
    /// ```
    /// use sip_core::header::HeaderName;
    /// assert_eq!(HeaderName::resolve("call-id"), HeaderName::CallId);
    /// assert_eq!(HeaderName::resolve("i"), HeaderName::CallId);
    /// assert_eq!(HeaderName::resolve("Rc-Epoch"), HeaderName::Other);
    /// ```
    #[must_use]
    pub fn resolve(name: &str) -> Self {
        Self::resolve_bytes(name.as_bytes())
    }

    #[inline]
    pub(crate) fn resolve_bytes(name: &[u8]) -> Self {
        match name {
            [] => Self::Other,
            [letter] => Self::compact(*letter),
            [_, ..] => lookup::find(name),
        }
    }

    /// The name that has this letter as its compact form.
    #[inline]
    pub(crate) fn compact(letter: u8) -> Self {
        static NAMES: [HeaderName; 256] = {
            let mut names = [HeaderName::Other; 256];
            let mut i = 0;
            while i < 256 {
                names[i] = HeaderName::of_letter((i as u8).to_ascii_lowercase());
                i += 1;
            }
            names
        };
        NAMES[usize::from(letter)]
    }

    const fn of_letter(letter: u8) -> Self {
        match letter {
            b'a' => Self::AcceptContact,
            b'b' => Self::ReferredBy,
            b'c' => Self::ContentType,
            b'd' => Self::RequestDisposition,
            b'e' => Self::ContentEncoding,
            b'f' => Self::From,
            b'i' => Self::CallId,
            b'j' => Self::RejectContact,
            b'k' => Self::Supported,
            b'l' => Self::ContentLength,
            b'm' => Self::Contact,
            b'n' => Self::IdentityInfo,
            b'o' => Self::Event,
            b'r' => Self::ReferTo,
            b's' => Self::Subject,
            b't' => Self::To,
            b'u' => Self::AllowEvents,
            b'v' => Self::Via,
            b'x' => Self::SessionExpires,
            b'y' => Self::Identity,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Other) { "header" } else { self.as_str() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_resolves_in_any_case() {
        for name in HeaderName::KNOWN {
            let text = name.as_str();
            assert_eq!(HeaderName::resolve(text), *name, "{text}");
            assert_eq!(HeaderName::resolve(&text.to_ascii_uppercase()), *name, "{text}");
            assert_eq!(HeaderName::resolve(&text.to_ascii_lowercase()), *name, "{text}");
            assert_eq!(HeaderName::resolve(&format!("{text}x")), HeaderName::Other, "{text}");
        }
    }

    /// RFC 3261 section 7.3.3 and the compact forms that later RFCs registered.
    #[test]
    fn compact_forms_resolve() {
        let forms = "vVia fFrom tTo iCall-ID mContact cContent-Type eContent-Encoding lContent-Length kSupported sSubject \
                     oEvent uAllow-Events xSession-Expires rRefer-To bReferred-By";
        for form in forms.split_whitespace() {
            assert_eq!(HeaderName::resolve(&form[..1]), HeaderName::resolve(&form[1..]), "{form}");
            assert_eq!(
                HeaderName::resolve(&form[..1].to_uppercase()),
                HeaderName::resolve(&form[1..]),
                "{form}"
            );
        }
        assert_eq!(HeaderName::resolve("z"), HeaderName::Other);
        assert_eq!(HeaderName::resolve(""), HeaderName::Other);
    }
}
