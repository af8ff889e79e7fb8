//! Any stream: no panic, and two ways to cut it give the same frames.

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

/// The first byte says how long the pieces are, the rest is the stream.
pub(crate) fn run(data: &[u8]) {
    let Some((chunk, stream)) = data.split_first() else { return };
    assert_eq!(frames(stream, usize::from(*chunk)), frames(stream, stream.len()));
}
