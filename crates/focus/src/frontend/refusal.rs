//! Refusals: a status, diagnostics, and what else the answer must say.

use sip_core::{IdSource, Request, ResponseDraft};

/// The methods that a Focus knows in its dialogs.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, INFO, UPDATE, OPTIONS";

/// Diagnostics id of refusals that the SIP layer alone explains.
pub(crate) const SIP_LAYER: u32 = 1000;

/// Why a request is not done, as its sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) id: u32,
    pub(crate) reason: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Option<bytes::Bytes>,
}

impl Refusal {
    /// A refusal with a diagnostics id.
    pub(crate) fn new(status: u16, id: u32, reason: &'static str) -> Self {
        Self { status, id, reason, headers: Vec::new(), body: None }
    }

    /// One of the C3P errors, with the status that belongs to it.
    pub(crate) fn c3p(id: u32) -> Self {
        match c3p::failure::by_id(id) {
            Some(row) => Self::new(row.status, id, row.meaning),
            None => Self::new(400, id, "The request is not valid"),
        }
    }

    /// As [`Self::c3p`] with another status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds the C3P response.
    pub(crate) fn with_body(mut self, body: bytes::Bytes) -> Self {
        self.body = Some(body);
        self
    }

    /// The dialog is not known here: after a takeover, that means the Focus moved.
    pub(crate) fn moved() -> Self {
        Self::new(481, c3p::diagnostics::ids::FOCUS_MOVED, "The conference moved to another front end")
    }

    /// The answer.
    pub(crate) fn response(&self, request: &Request, source: &str, ids: &mut dyn IdSource) -> ResponseDraft {
        let diagnostics = format!("{};reason=\"{}\";source=\"{source}\"", self.id, self.reason);
        let mut response = ResponseDraft::to(request, self.status);
        if request.to().tag().is_none() {
            response = response.to_tag(&ids.token());
        }
        // Codes that the table marks public may cross federation under the other name.
        let public = c3p::failure::by_id(self.id).is_some_and(|row| row.public);
        if public {
            response = response.header("ms-diagnostics-public", diagnostics.as_str());
        }
        response = response.header("ms-diagnostics", diagnostics.as_str());
        for (name, value) in &self.headers {
            response = response.header(name, value.as_str());
        }
        match &self.body {
            Some(body) => response.body(c3p::mime::C3P, body.clone()),
            None => response,
        }
    }
}
