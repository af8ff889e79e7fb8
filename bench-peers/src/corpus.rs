//! The messages that are parsed: what a conference sends, in the shapes that a parser meets.
//!
//! Twelve messages, mean about 1 kB and 22 headers: INVITE and INFO with a C3P body, NOTIFY, responses, long route
//! chains, folded lines, compact names.

use std::fmt::Write as _;

use bytes::Bytes;

/// One message and what it is called in the tables.
pub struct Sample {
    pub name: &'static str,
    pub raw: Bytes,
}

/// All messages, in the order in which they are parsed.
pub fn samples() -> Vec<Sample> {
    let add_user = c3p(
        "addUser",
        "<user entity=\"sip:dave@example.com\"><roles><entry>presenter</entry></roles></user>",
    );
    let lock = c3p("modifyConferenceLock", "<locked>true</locked>");
    let made = [
        ("INVITE with C3P", message(&invite("bob"), &requested(3, 2), Style::Plain, &add_user)),
        ("200 to INVITE", message("SIP/2.0 200 OK", &answered(3, 2), Style::Plain, "")),
        (
            "ACK",
            message(
                "ACK sip:focus@192.0.2.10:5061;transport=tcp SIP/2.0",
                &requested(1, 2),
                Style::Plain,
                "",
            ),
        ),
        ("INFO with C3P", message(&start("INFO"), &requested(2, 2), Style::Plain, &lock)),
        ("NOTIFY", message(&start("NOTIFY"), &requested(2, 3), Style::Plain, &roster())),
        ("200 to NOTIFY", message("SIP/2.0 200 OK", &answered(2, 0), Style::Plain, "")),
        ("SUBSCRIBE", message(&start("SUBSCRIBE"), &requested(2, 2), Style::Plain, "")),
        ("UPDATE, long chain", message(&start("UPDATE"), &requested(4, 6), Style::Plain, "")),
        ("200 with long chain", message("SIP/2.0 200 OK", &answered(4, 6), Style::Plain, "")),
        ("INVITE, folded", message(&invite("carol"), &requested(3, 3), Style::Folded, "")),
        ("INVITE, compact", message(&invite("erin"), &requested(3, 2), Style::Compact, &lock)),
        ("BYE", message(&start("BYE"), &requested(2, 2), Style::Compact, "")),
    ];
    made.into_iter().map(|(name, text)| Sample { name, raw: shared(text) }).collect()
}

/// In memory that was shared once already, as buffers of a stream are: what sharing costs at first is not the parser's.
fn shared(text: String) -> Bytes {
    let raw = Bytes::from(text.into_bytes());
    let _ = raw.clone();
    raw
}

/// How header lines are written.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Folded,
    Compact,
}

type Headers = Vec<(&'static str, String)>;

fn invite(user: &str) -> String {
    format!("INVITE sip:{user}@example.com;gruu;opaque=app:conf:focus:id:4F7Q SIP/2.0")
}

fn start(method: &str) -> String {
    format!("{method} sip:alice@192.0.2.20:50320;transport=tcp;ms-opaque=8b1d7a SIP/2.0")
}

fn requested(vias: usize, hops: usize) -> Headers {
    let mut headers = top(vias);
    headers.push(("Max-Forwards", (70 - vias).to_string()));
    headers
        .push(("To", "<sip:organizer@example.com;gruu;opaque=app:conf:focus:id:4F7Q>;tag=7c1d9a2b4e".into()));
    dialog(&mut headers, "17 ");
    for hop in 0..hops {
        headers.push(("Route", format!("<sip:Zx8fQ{hop}.e4@192.0.2.{}:5061;lr>", 30 + hop)));
    }
    headers.push(("Record-Route", "<sip:Kq71L.a9@192.0.2.31:5061;lr>".into()));
    rest(&mut headers);
    headers
}

fn answered(vias: usize, hops: usize) -> Headers {
    let mut headers = top(vias);
    headers.push((
        "To",
        "\"Weekly, all hands\" <sip:organizer@example.com;gruu;opaque=app:conf:focus:id:4F7Q>;tag=9f31"
            .into(),
    ));
    dialog(&mut headers, "9 ");
    for hop in 0..hops {
        headers.push(("Record-Route", format!("<sip:Zx8fQ{hop}.e4@192.0.2.{}:5061;lr>", 40 + hop)));
    }
    rest(&mut headers);
    headers
}

fn top(vias: usize) -> Headers {
    (0..vias)
        .map(|n| {
            let host = format!("192.0.2.{}:{}", 20 + n, 50_320 - n);
            let branch = format!("SIP/2.0/TCP {host};branch=z9hG4bK4D1E0{n}8C");
            ("Via", if n == 0 { branch } else { format!("{branch};received=198.51.100.{}", 7 + n) })
        })
        .collect()
}

fn dialog(headers: &mut Headers, cseq: &str) {
    headers.push(("From", "\"Alice Example\" <sip:alice@example.com>;tag=4f2a91c07b;epid=0b01d7".into()));
    headers.push(("Call-ID", "b6c1f2a89e0d4c53@192.0.2.20".into()));
    headers.push(("CSeq", cseq.into())); // the method is added when the start line is known
}

fn rest(headers: &mut Headers) {
    headers.push((
        "Contact",
        "<sip:alice@example.com;opaque=user:epid:EGxt;gruu>;+sip.instance=\"<urn:uuid:9b6c>\"".into(),
    ));
    headers.push(("User-Agent", "Reconvene/0.1".into()));
    headers.push(("Supported", "timer, gruu-10, 100rel".into()));
    headers.push(("Allow", "INVITE, ACK, BYE, CANCEL, INFO".into()));
    headers.push(("Session-Expires", "720;refresher=uac".into()));
    headers.push(("Event", "conference".into()));
    headers.push(("P-Asserted-Identity", "<sip:alice@example.com>".into()));
    headers.push(("Accept", "application/cccp+xml".into()));
    headers.push(("Rc-Epoch", "41".into()));
    headers.push(("ms-keep-alive", "UAC;hop-hop=yes".into()));
}

fn message(start: &str, headers: &Headers, style: Style, body: &str) -> String {
    let method = match start.split_once(' ') {
        Some(("SIP/2.0", _)) | None => "INVITE",
        Some((method, _)) => method,
    };
    let mut text = format!("{start}\r\n");
    for (name, value) in headers {
        let method = if *name == "CSeq" { method } else { "" };
        line(&mut text, name, &format!("{value}{method}"), style);
    }
    if !body.is_empty() {
        line(&mut text, "Content-Type", "application/cccp+xml", style);
    }
    line(&mut text, "Content-Length", &body.len().to_string(), style);
    text + "\r\n" + body
}

fn line(text: &mut String, name: &str, value: &str, style: Style) {
    let compact = match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Type" => "c",
        "Content-Length" => "l",
        "Supported" => "k",
        "Session-Expires" => "x",
        "Event" => "o",
        other => other,
    };
    let name = if style == Style::Compact { compact } else { name };
    let value = if style == Style::Folded { folded(value) } else { value.to_owned() };
    let _ = write!(text, "{name}: {value}\r\n");
}

/// Behind the first comma and the first semicolon a line goes on in the next one.
fn folded(value: &str) -> String {
    let value = value.replacen(", ", ",\r\n  ", 1);
    match value.split_once(">;") {
        Some((address, params)) => format!("{address}>\r\n\t;{params}"),
        None => value,
    }
}

fn c3p(command: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><request xmlns=\"urn:ietf:params:xml:ns:cccp\" requestId=\"17\" from=\"sip:alice@example.com\" \
         to=\"sip:organizer@example.com\"><{command}>{inside}</{command}></request>"
    )
}

fn roster() -> String {
    "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:organizer@example.com\" state=\"partial\" \
     version=\"12\"><users state=\"partial\"><user entity=\"sip:dave@example.com\" state=\"full\"><endpoint entity=\"{E1}\">\
     <status>connected</status></endpoint></user></users></conference-info>"
        .to_owned()
}
