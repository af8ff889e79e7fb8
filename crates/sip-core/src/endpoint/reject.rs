//! Answers to messages that cannot be read.
//!
//! A request that fails the parser but whose Via, From, To, Call-ID and CSeq can be found gets the error response the parser
//! asks for, without a transaction. Everything else is dropped and counted. Nothing is ever said to an ACK or a response.

use bytes::Bytes;

use super::event::Event;
use super::flow::{FlowId, Transmit};
use super::{Endpoint, wire};
use crate::ParseError;
use crate::message::parse_for_reply;

impl Endpoint {
    /// A message that cannot be read came.
    pub(super) fn receive_malformed(&mut self, flow: FlowId, error: &ParseError, raw: &Bytes) {
        let info = self.flows.info(flow);
        let answer = info.and_then(|info| Some((info, parse_for_reply(raw, error)?)));
        let status = answer.as_ref().map(|(_, draft)| draft.status);
        if let Some((info, mut draft)) = answer {
            if let Some(via) = draft.top_via() {
                draft.set_top_via(&via.with_received(info.remote));
            }
            let reason = error.to_string().replace(['"', '\\'], "'");
            let draft = draft.header("ms-diagnostics", self.diagnostics(&reason));
            let draft = wire::complete_response(draft, &mut *self.ids, &self.config);
            self.counters.malformed_answered += 1;
            self.transmits.push_back(Transmit::on_flow(flow, draft.write()));
        } else {
            self.counters.malformed_dropped += 1;
        }
        self.events.push_back(Event::Rejected { flow, status, reason: error.to_string() });
    }
}
