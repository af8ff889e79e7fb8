//! Messages for unit tests, from text with plain line ends.

use crate::{Limits, Message, Request, Response};

/// A request of this text; `Content-Length: 0` and the empty line are added.
pub(crate) fn request(text: &str) -> Request {
    match message(text) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response: {text}"),
    }
}

/// A response of this text; `Content-Length: 0` and the empty line are added.
pub(crate) fn response(text: &str) -> Response {
    match message(text) {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request: {text}"),
    }
}

fn message(text: &str) -> Message {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let raw = format!("{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
    Message::parse(raw.into(), &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}
