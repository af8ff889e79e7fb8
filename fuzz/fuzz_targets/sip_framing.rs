//! Any stream: no panic, and two ways to cut it give the same frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip_core::{Frame, Limits, StreamFramer};

fn frames(stream: &[u8], chunk: usize) -> Vec<String> {
    let mut framer = StreamFramer::new(Limits::default());
    let mut seen = Vec::new();
    for part in stream.chunks(chunk.max(1)) {
        framer.push(part);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(message))) => seen.push(format!("{:?}", message.envelope().raw())),
                Ok(Some(Frame::Malformed { error, .. })) => seen.push(error.to_string()),
                Ok(Some(Frame::KeepAlivePing)) => seen.push("ping".into()),
                Ok(Some(Frame::KeepAlivePong)) => seen.push("pong".into()),
                Ok(None) => break,
                Err(_) => return seen,
            }
        }
    }
    seen
}

fuzz_target!(|input: (u8, &[u8])| {
    let (chunk, stream) = input;
    assert_eq!(frames(stream, usize::from(chunk)), frames(stream, stream.len()));
});
