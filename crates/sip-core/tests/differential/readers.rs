//! The same message read by two parsers, as facts that can be compared.

use std::net::IpAddr;

use bytes::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, Contact, FromTo, Routing, Via};
use ezk_sip_types::host::HostPort;
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::parse::Parse as _;
use ezk_sip_types::uri::{SipUri, SipUriUserPart};
use ezk_sip_types::{Headers, Name};
use sip_core::{Limits, Message, NameAddr, Uri};

/// What a message says: field and value, in a fixed order. Or where a parser gave up, and why.
pub(crate) type Reading = Result<Vec<(String, String)>, String>;

struct Facts(Vec<(String, String)>);

impl Facts {
    fn add(&mut self, field: impl Into<String>, value: impl ToString) {
        self.0.push((field.into(), value.to_string()));
    }
}

/// What we read.
pub(crate) fn ours(raw: &Bytes) -> Reading {
    let message = Message::parse(raw.clone(), &Limits::default()).map_err(|error| match error.header {
        Some(header) => format!("{header}: {}", error.kind),
        None => error.kind.to_string(),
    })?;
    let mut facts = Facts(Vec::new());
    match &message {
        Message::Request(request) => {
            facts.add("method", request.method());
            facts.add("request-uri", our_uri(request.uri()));
        }
        Message::Response(response) => {
            facts.add("status", response.status());
            facts.add("reason", response.reason());
        }
    }
    let envelope = message.envelope();
    for (i, text) in envelope.headers().values("Via").enumerate() {
        let via: sip_core::Via = text.parse().map_err(|_| "Via below the top".to_owned())?;
        facts.add(format!("via {i}"), host_port(via.host(), via.port()));
        facts.add(format!("branch {i}"), via.branch().unwrap_or_default());
    }
    for (name, addr) in [("from", envelope.from()), ("to", envelope.to())] {
        facts.add(name, our_uri(addr.uri()));
        facts.add(format!("{name} tag"), addr.tag().unwrap_or_default());
    }
    facts.add("call-id", envelope.call_id());
    facts.add("cseq", envelope.cseq());
    facts.add("contact", envelope.contact().map(|c| our_uri(c.uri())).unwrap_or_default());
    let route = |list: &[NameAddr]| list.iter().map(|hop| our_uri(hop.uri())).collect::<Vec<_>>().join(" ");
    facts.add("route", route(envelope.route()));
    facts.add("record-route", route(envelope.record_route()));
    Ok(facts.0)
}

fn our_uri(uri: &Uri) -> String {
    let scheme = uri.as_str().split(':').next().unwrap_or_default().to_ascii_lowercase();
    let user = decoded(uri.user().unwrap_or_default());
    format!("{scheme}:{user}@{}", host_port(uri.host(), uri.port()))
}

/// Without escapes; what is then no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn host_port(host: &str, port: Option<u16>) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let host = bare.parse().map_or_else(|_| host.to_ascii_lowercase(), |ip: IpAddr| ip.to_string());
    port.map_or(host.clone(), |port| format!("{host} {port}"))
}

/// What ezk-sip-types reads, with everything that we type taken out.
pub(crate) fn theirs(raw: &Bytes) -> Reading {
    let mut lines = PullParser::new(raw, 0);
    let start = lines.next().and_then(Result::ok).ok_or("no start line")?;
    let start = std::str::from_utf8(start).map_err(|_| "not utf-8")?;
    let (_, start) = MessageLine::parse(raw)(start).map_err(|_| "start line")?;
    let mut headers = Headers::new();
    for line in lines {
        let line = std::str::from_utf8(line.map_err(|_| "incomplete")?).map_err(|_| "not utf-8")?;
        let (_, line) = Line::parse(raw, line).map_err(|_| "header line")?;
        headers.insert(line.name, line.value);
    }
    let mut facts = Facts(Vec::new());
    match &start {
        MessageLine::Request(line) => {
            facts.add("method", &line.method);
            facts.add("request-uri", their_uri(&line.uri));
        }
        MessageLine::Response(line) => {
            facts.add("status", line.code.into_u16());
            facts.add("reason", line.reason.as_deref().unwrap_or_default());
        }
    }
    for (i, via) in headers.get::<Vec<Via>>(Name::VIA).map_err(|_| "Via")?.iter().enumerate() {
        facts.add(format!("via {i}"), their_host_port(&via.sent_by));
        let branch = via.params.get_val("branch");
        facts.add(format!("branch {i}"), branch.map(|b| &**b).unwrap_or_default());
    }
    for (field, name) in [("from", Name::FROM), ("to", Name::TO)] {
        let addr = headers.get::<FromTo>(name).map_err(|_| field)?;
        facts.add(field, their_uri(&addr.uri.uri));
        facts.add(format!("{field} tag"), addr.tag.as_deref().unwrap_or_default());
    }
    facts.add("call-id", &*headers.get_named::<CallID>().map_err(|_| "Call-ID")?.0);
    let cseq = headers.get_named::<CSeq>().map_err(|_| "CSeq")?;
    facts.add("cseq", format!("{} {}", cseq.cseq, cseq.method));
    let contact = match headers.contains(&Name::CONTACT) {
        true => headers.get::<Vec<Contact>>(Name::CONTACT).map_err(|_| "Contact")?,
        false => Vec::new(),
    };
    facts.add("contact", contact.first().map(|c| their_uri(&c.uri.uri)).unwrap_or_default());
    for (field, name) in [("route", Name::ROUTE), ("record-route", Name::RECORD_ROUTE)] {
        let hops = match headers.contains(&name) {
            true => headers.get::<Vec<Routing>>(name).map_err(|_| field)?,
            false => Vec::new(),
        };
        facts.add(field, hops.iter().map(|hop| their_uri(&hop.uri.uri)).collect::<Vec<_>>().join(" "));
    }
    Ok(facts.0)
}

fn their_uri(uri: &SipUri) -> String {
    let scheme = if uri.sips { "sips" } else { "sip" };
    let user = match &uri.user_part {
        SipUriUserPart::Empty => "",
        SipUriUserPart::User(user) => user,
        SipUriUserPart::UserPw(both) => &both.user,
    };
    format!("{scheme}:{user}@{}", their_host_port(&uri.host_port))
}

fn their_host_port(at: &HostPort) -> String {
    host_port(&at.host.to_string(), at.port)
}
