//! Shedding: what is too much is refused before it costs anything.
//!
//! A request outside of dialogs that is over a budget, or comes while too much waits, gets 503 with Retry-After, written from
//! its own lines: no transaction, no event, no state. Its ACK is known by the To tag that we gave, a hash of its transaction,
//! and absorbed as statelessly (RFC 3261 section 8.2.7). Requests inside dialogs pass: what is ended makes room.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::Endpoint;
use super::flow::FlowId;
use super::keys::Key;
use crate::header::{HeaderName, lex};
use crate::{Method, Request};

/// Room for what the refusal has besides the lines of the request.
const REFUSAL_BYTES: usize = 192;

impl Endpoint {
    /// Whether a request that would begin something may: the address whose budget it was taken from, or `Err` when it was refused.
    pub(super) fn admit(
        &mut self,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) -> Result<Option<IpAddr>, ()> {
        if request.to().tag().is_some() {
            return Ok(None);
        }
        if self.backlog > self.config.max_backlog || self.waited > self.config.max_wait {
            self.counters.shed_backlog += 1;
        } else {
            let Some(ip) = self.flows.info(flow).map(|info| info.remote.ip()) else {
                return Ok(None);
            };
            if self.budgets.take(flow, ip, &self.config, &mut self.counters, now) {
                return Ok(Some(ip));
            }
        }
        let tag = self.refusal_tag(request);
        let bytes = refusal(request, &tag, self.config.retry_after_s);
        self.counters.responses_sent += 1;
        self.send_back(flow, bytes);
        Err(())
    }

    /// Whether this ACK is for a refusal that left no state.
    pub(super) fn is_ack_of_refusal(&self, ack: &Request) -> bool {
        ack.to().tag().is_some_and(|tag| tag.len() == TAG_LEN && tag == self.refusal_tag(ack))
    }

    /// The To tag of a stateless refusal: the same for the INVITE and its ACK, and nobody else can tell it.
    pub(super) fn refusal_tag(&self, request: &Request) -> String {
        let invite = match request.method() {
            Method::Ack => self.keys.of_invite(request),
            _ => self.keys.of(request),
        };
        let Key(first, second) = self.keys.derived(invite);
        let mut tag = String::with_capacity(TAG_LEN);
        // Writing to a `String` cannot fail.
        let _ = write!(tag, "{first:016x}{second:016x}");
        tag
    }
}

/// As long as any other tag of ours.
const TAG_LEN: usize = 32;

/// The 503 to a request, with the real source noted in its topmost Via.
fn refusal(request: &Request, tag: &str, retry_after_s: u32) -> Bytes {
    let mut out = BytesMut::with_capacity(REFUSAL_BYTES + request.raw().len() - request.body().len());
    out.put_slice(b"SIP/2.0 503 Service Unavailable\r\n");
    let mut top = Some(request.via().as_str());
    let copied = |name| {
        use HeaderName::{CSeq, CallId, From, To, Via};
        matches!(name, Via | From | To | CallId | CSeq)
    };
    for line in request.shared_lines(copied) {
        match line.name {
            HeaderName::Via => match top.take() {
                Some(via) => {
                    put(&mut out, HeaderName::Via, via);
                    if let Some((rest, _)) = lex::list_items(&line.value).nth(1) {
                        put(&mut out, HeaderName::Via, &line.value[rest..]);
                    }
                }
                None => put(&mut out, HeaderName::Via, &line.value),
            },
            HeaderName::To => {
                out.put_slice(b"To: ");
                out.put_slice(line.value.as_bytes());
                out.put_slice(b";tag=");
                out.put_slice(tag.as_bytes());
                out.put_slice(b"\r\n");
            }
            HeaderName::From | HeaderName::CallId | HeaderName::CSeq => put(&mut out, line.name, &line.value),
            _ => {}
        }
    }
    // Writing to `BytesMut` cannot fail: it grows.
    let _ = write!(out, "Retry-After: {retry_after_s}\r\nContent-Length: 0\r\n\r\n");
    out.freeze()
}

fn put(out: &mut BytesMut, name: HeaderName, value: &str) {
    out.put_slice(name.as_str().as_bytes());
    out.put_slice(b": ");
    out.put_slice(value.as_bytes());
    out.put_slice(b"\r\n");
}

#[cfg(test)]
#[path = "shed_tests.rs"]
mod tests;
