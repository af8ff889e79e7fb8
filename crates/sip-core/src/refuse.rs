//! Refusals: the response that says why a request cannot be served, built where the fault is found.
//!
//! Each constructor of [`ResponseDraft`] here is one status with the headers that its RFC wants beside it.
//! [`Capabilities`] finds the fault: it is given what a transaction user can do and inspects a request in the order of
//! RFC 3261 section 8.2 (a UAS) or 16.3 (a proxy). An [`crate::Endpoint`] does so by itself when its configuration has them.
//!
//! Not here: what the parser refuses ([`crate::message::parse_for_reply`]), authentication, dialogs.

use bytestring::ByteString;

use crate::build::ResponseDraft;
use crate::header::{Accept, ContentDisposition, ContentEncoding, HeaderName, Method, TypedHeader, lex};
use crate::message::Request;
use crate::uri::Scheme;

/// The most option tags that a refusal names; a request cannot make its answer long.
const TAGS_MAX: usize = 16;

impl ResponseDraft {
    /// 400 with the reason as its phrase.
    #[must_use]
    pub fn bad_request(request: &Request, reason: &str) -> Self {
        Self::to(request, 400).reason(reason)
    }

    /// 405: the method is known, but not served here. `allow` becomes `Allow` (RFC 3261 section 8.2.1).
    #[must_use]
    pub fn method_not_allowed<S: AsRef<str>>(request: &Request, allow: &[S]) -> Self {
        Self::to(request, 405).header("Allow", list(allow))
    }

    /// 501: nobody here has ever heard of the method (RFC 3261 section 21.5.2).
    #[must_use]
    pub fn method_not_implemented<S: AsRef<str>>(request: &Request, allow: &[S]) -> Self {
        Self::to(request, 501).header("Allow", list(allow))
    }

    /// 406: nothing that the request's `Accept` admits can be answered.
    #[must_use]
    pub fn not_acceptable(request: &Request) -> Self {
        Self::to(request, 406)
    }

    /// 413: the body is larger than what is taken; `retry_after_s` if that will change (RFC 3261 section 21.4.11).
    #[must_use]
    pub fn body_too_large(request: &Request, retry_after_s: Option<u32>) -> Self {
        let draft = Self::to(request, 413);
        match retry_after_s {
            Some(seconds) => draft.header("Retry-After", seconds.to_string()),
            None => draft,
        }
    }

    /// 414: the Request-URI is longer than what is taken.
    #[must_use]
    pub fn uri_too_long(request: &Request) -> Self {
        Self::to(request, 414)
    }

    /// 415 for the body's type: `accept` says what would do (RFC 3261 section 8.2.3).
    #[must_use]
    pub fn unsupported_media_type<S: AsRef<str>>(request: &Request, accept: &[S]) -> Self {
        Self::to(request, 415).header("Accept", list(accept))
    }

    /// 415 for the body's encoding: `accept_encoding` says what would do; empty is `identity`.
    #[must_use]
    pub fn unsupported_encoding<S: AsRef<str>>(request: &Request, accept_encoding: &[S]) -> Self {
        let accepted = if accept_encoding.is_empty() { "identity".to_owned() } else { list(accept_encoding) };
        Self::to(request, 415).header("Accept-Encoding", accepted)
    }

    /// 416: the scheme of the Request-URI is not understood (RFC 3261 section 8.2.2.1).
    #[must_use]
    pub fn unsupported_scheme(request: &Request) -> Self {
        Self::to(request, 416)
    }

    /// 420: these option tags of Require or Proxy-Require are not understood (RFC 3261 section 8.2.2.3).
    #[must_use]
    pub fn bad_extension<S: AsRef<str>>(request: &Request, unsupported: &[S]) -> Self {
        Self::to(request, 420).header("Unsupported", list(unsupported))
    }

    /// 421: nothing can be done unless the client supports these (RFC 3261 section 21.4.16).
    #[must_use]
    pub fn extension_required<S: AsRef<str>>(request: &Request, required: &[S]) -> Self {
        Self::to(request, 421).header("Require", list(required))
    }

    /// 422: the session interval is below `min_se_s` (RFC 4028 section 6).
    #[must_use]
    pub fn session_interval_too_small(request: &Request, min_se_s: u32) -> Self {
        Self::to(request, 422).header("Min-SE", min_se_s.to_string())
    }

    /// 423: the expiration is below `min_expires_s` (RFC 3261 section 10.3, RFC 6665 section 4.2.1.1).
    #[must_use]
    pub fn interval_too_brief(request: &Request, min_expires_s: u32) -> Self {
        Self::to(request, 423).header("Min-Expires", min_expires_s.to_string())
    }

    /// 481: there is no such dialog or transaction (RFC 3261 section 12.2.2).
    #[must_use]
    pub fn no_such_dialog(request: &Request) -> Self {
        Self::to(request, 481)
    }

    /// 482: the same request came on another way and is being served (RFC 3261 section 8.2.2.2).
    #[must_use]
    pub fn merged_request(request: &Request) -> Self {
        Self::to(request, 482).reason("Merged Request")
    }

    /// 483: no hop is left (RFC 3261 section 16.3).
    #[must_use]
    pub fn too_many_hops(request: &Request) -> Self {
        Self::to(request, 483)
    }

    /// 489: the event package is not known; `allow_events` says which are (RFC 6665 section 4.2.1.1).
    #[must_use]
    pub fn bad_event<S: AsRef<str>>(request: &Request, allow_events: &[S]) -> Self {
        Self::to(request, 489).header("Allow-Events", list(allow_events))
    }

    /// 491: an offer of ours is on its way (RFC 3261 section 14.2, RFC 3311 section 5.2).
    #[must_use]
    pub fn request_pending(request: &Request) -> Self {
        Self::to(request, 491)
    }

    /// 503 with the time after which trying again makes sense.
    #[must_use]
    pub fn unavailable(request: &Request, retry_after_s: u32) -> Self {
        Self::to(request, 503).header("Retry-After", retry_after_s.to_string())
    }
}

/// What a transaction user can do; an empty list means that its rule is not checked.
///
/// # Examples
///
/// ```
/// # use sip_core::{Limits, Message};
/// use sip_core::{Capabilities, Method};
///
/// let able = Capabilities::new([Method::Options, Method::Invite]).with_option_tags(["timer"]);
/// # let raw = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
/// #   Call-ID: x\r\nCSeq: 1 OPTIONS\r\nRequire: timer, 100rel\r\nContent-Length: 0\r\n\r\n";
/// # let Message::Request(request) = Message::parse(raw.to_vec().into(), &Limits::default()).unwrap() else { panic!() };
/// // The request says `Require: timer, 100rel`.
/// let refusal = able.check(&request).unwrap_err();
/// assert_eq!((refusal.status, refusal.get("Unsupported")), (420, Some("100rel")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Methods that are served; ACK and CANCEL go without saying.
    pub methods: Vec<Method>,
    /// Option tags that are understood, in `Require` or, by a proxy, in `Proxy-Require`. `None`: not checked.
    pub option_tags: Option<Vec<ByteString>>,
    /// `type/subtype` of bodies that are read.
    pub content_types: Vec<ByteString>,
    /// `Content-Encoding`s that are read besides `identity`.
    pub encodings: Vec<ByteString>,
    /// `type/subtype` of the bodies that answers to an INVITE have: one of them must be in its `Accept`.
    pub answers: Vec<ByteString>,
    /// Event packages that can be subscribed to.
    pub event_packages: Vec<ByteString>,
    /// Whether other schemes than `sip:`, `sips:` and `tel:` are understood.
    pub foreign_schemes: bool,
}

impl Capabilities {
    /// Of somebody who serves these methods; none is: any.
    #[must_use]
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self { methods: methods.into_iter().collect(), ..Self::default() }
    }

    /// With the option tags that are understood; from then on all others in a Require are refused.
    #[must_use]
    pub fn with_option_tags<S: Into<ByteString>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.option_tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// With the content types that are read.
    #[must_use]
    pub fn with_content_types<S: Into<ByteString>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.content_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// With the content encodings that are read.
    #[must_use]
    pub fn with_encodings<S: Into<ByteString>>(mut self, encodings: impl IntoIterator<Item = S>) -> Self {
        self.encodings = encodings.into_iter().map(Into::into).collect();
        self
    }

    /// With the content types of which one has to be acceptable to who invites.
    #[must_use]
    pub fn with_answers<S: Into<ByteString>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.answers = types.into_iter().map(Into::into).collect();
        self
    }

    /// With the event packages that can be subscribed to.
    #[must_use]
    pub fn with_event_packages<S: Into<ByteString>>(mut self, packages: impl IntoIterator<Item = S>) -> Self {
        self.event_packages = packages.into_iter().map(Into::into).collect();
        self
    }

    /// Understanding any scheme.
    #[must_use]
    pub fn with_foreign_schemes(mut self) -> Self {
        self.foreign_schemes = true;
        self
    }

    /// Inspects a request as a UAS does, in the order of RFC 3261 section 8.2: method, scheme, Require, body, then the
    /// event package and what its answer may be. An ACK or CANCEL is never refused.
    ///
    /// # Errors
    ///
    /// The answer to give: 405, 406, 415, 416, 420, 489, 501, or 400 when a header that is looked at has no legal value.
    pub fn check(&self, request: &Request) -> Result<(), ResponseDraft> {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Ok(());
        }
        self.check_method(request)?;
        self.check_scheme(request)?;
        self.check_options(request, HeaderName::Require)?;
        self.check_body(request)?;
        self.check_event(request)?;
        self.check_accept(request)
    }

    /// Inspects a request as a proxy does, in the order of RFC 3261 section 16.3: scheme, Max-Forwards, Proxy-Require.
    ///
    /// # Errors
    ///
    /// The answer to give: 416, 420 or 483. Nothing may be said to an ACK: it is dropped instead.
    pub fn check_forwarded(&self, request: &Request) -> Result<(), ResponseDraft> {
        self.check_scheme(request)?;
        if request.max_forwards() == Some(0) {
            return Err(ResponseDraft::too_many_hops(request));
        }
        self.check_options(request, HeaderName::ProxyRequire)
    }

    /// Adds `Allow`, `Accept`, `Accept-Encoding`, `Supported` and `Allow-Events` of what is known: for the 200 of an
    /// OPTIONS (RFC 3261 section 11.2).
    #[must_use]
    pub fn advertise(&self, draft: ResponseDraft) -> ResponseDraft {
        let add = |draft: ResponseDraft, name, values: &[ByteString]| {
            if values.is_empty() { draft } else { draft.header(name, list(values)) }
        };
        let draft = match self.methods.is_empty() {
            true => draft,
            false => draft.header("Allow", list(&self.allowed())),
        };
        let draft = add(draft, "Accept", &self.content_types);
        let draft = add(draft, "Accept-Encoding", &self.encodings);
        let draft = add(draft, "Supported", self.option_tags.as_deref().unwrap_or_default());
        add(draft, "Allow-Events", &self.event_packages)
    }

    fn allowed(&self) -> Vec<&str> {
        self.methods.iter().map(Method::as_str).collect()
    }

    fn check_method(&self, request: &Request) -> Result<(), ResponseDraft> {
        let method = request.method();
        if self.methods.is_empty() || self.methods.contains(method) {
            return Ok(());
        }
        Err(match method {
            Method::Other(_) => ResponseDraft::method_not_implemented(request, &self.allowed()),
            _ => ResponseDraft::method_not_allowed(request, &self.allowed()),
        })
    }

    fn check_scheme(&self, request: &Request) -> Result<(), ResponseDraft> {
        match request.uri().scheme() {
            Scheme::Other if !self.foreign_schemes => Err(ResponseDraft::unsupported_scheme(request)),
            Scheme::Sip | Scheme::Sips | Scheme::Tel | Scheme::Other => Ok(()),
        }
    }

    fn check_options(&self, request: &Request, name: HeaderName) -> Result<(), ResponseDraft> {
        let Some(known) = &self.option_tags else { return Ok(()) };
        let tags = request.headers();
        let unknown: Vec<&str> = tags
            .values(name.as_str())
            .filter(|tag| lex::is_token_text(tag) && !has(known, tag))
            .take(TAGS_MAX)
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(ResponseDraft::bad_extension(request, &unknown)) }
    }

    /// RFC 3261 section 8.2.3; a body that is optional is ignored, not refused.
    fn check_body(&self, request: &Request) -> Result<(), ResponseDraft> {
        if request.body().is_empty() || self.content_types.is_empty() || optional(request)? {
            return Ok(());
        }
        if !request.content_type().is_some_and(|mime| has(&self.content_types, mime)) {
            return Err(ResponseDraft::unsupported_media_type(request, &self.content_types));
        }
        let coded: Option<ContentEncoding> = typed(request)?;
        let unread =
            |coding: &ByteString| !coding.eq_ignore_ascii_case("identity") && !has(&self.encodings, coding);
        match coded {
            Some(ContentEncoding(codings)) if codings.iter().any(unread) => {
                Err(ResponseDraft::unsupported_encoding(request, &self.encodings))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_event(&self, request: &Request) -> Result<(), ResponseDraft> {
        if *request.method() != Method::Subscribe || self.event_packages.is_empty() {
            return Ok(());
        }
        let event: Option<crate::header::Event> = typed(request)?;
        match event {
            Some(event) if has(&self.event_packages, &event.package) => Ok(()),
            Some(_) | None => Err(ResponseDraft::bad_event(request, &self.event_packages)),
        }
    }

    fn check_accept(&self, request: &Request) -> Result<(), ResponseDraft> {
        if *request.method() != Method::Invite || self.answers.is_empty() {
            return Ok(());
        }
        let accept: Option<Accept> = typed(request)?;
        let fits = accept.is_none_or(|accept| self.answers.iter().any(|mime| accept.admits(mime)));
        if fits { Ok(()) } else { Err(ResponseDraft::not_acceptable(request)) }
    }
}

fn optional(request: &Request) -> Result<bool, ResponseDraft> {
    let disposition: Option<ContentDisposition> = typed(request)?;
    Ok(disposition.is_some_and(|d| d.is_optional()))
}

fn typed<H: TypedHeader>(request: &Request) -> Result<Option<H>, ResponseDraft> {
    request.header().map_err(|error| ResponseDraft::bad_request(request, &format!("Bad {}", error.header)))
}

fn has(list: &[ByteString], text: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(text))
}

fn list<S: AsRef<str>>(items: &[S]) -> String {
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "refuse_tests.rs"]
mod tests;
