//! Any bytes as a datagram: no panic, and what parses can be forwarded and parses to the same again.

use bytes::Bytes;
use sip_core::message::parse_for_reply;
use sip_core::{Limits, Message, RequestDraft, ResponseDraft};

/// One input.
pub(crate) fn run(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    match Message::parse(raw.clone(), &Limits::default()) {
        Ok(Message::Request(request)) => {
            let copy = RequestDraft::from_request(&request);
            match Message::parse(copy.write(), &Limits::default()) {
                Ok(Message::Request(again)) => assert_eq!(RequestDraft::from_request(&again), copy),
                Ok(Message::Response(_)) => panic!("a request became a response"),
                // Long names may lift a message over a limit.
                Err(error) => assert!(error.reject().status == 513, "{error}"),
            }
        }
        Ok(Message::Response(response)) => {
            let _ = ResponseDraft::from_response(&response).write();
        }
        Err(error) => {
            let _ = parse_for_reply(&raw, &error).map(|draft| draft.write());
        }
    }
}
