//! The seal: how a node of a pool knows that a request comes from another one, or that one has authenticated its sender.
//!
//! A keyed hash over everything in a request that decides what it does: method, Request-URI, From, Call-ID, CSeq, Contact,
//! the interior headers and the body. Only pools with users have a key; without one nothing is sealed or checked.
//!
//! Not here: users and passwords (`frontend::gate`).

use sip_core::auth::SharedKey;
use sip_core::{NameAddr, Request, RequestDraft};

use crate::interior::{EPOCH, INSTANCE};

/// The header with the seal.
pub const SEAL: &str = "Rc-Seal";

/// The seal of a request that was received and goes on unchanged.
pub fn of(key: &SharedKey, request: &Request) -> String {
    key.seal(&Sealed::request(request).parts())
}

/// Seals a request of our own, if there is a key.
pub fn put(key: Option<&SharedKey>, draft: RequestDraft) -> RequestDraft {
    let seal = key.and_then(|key| Some(key.seal(&Sealed::draft(&draft)?.parts())));
    match seal {
        Some(seal) => draft.header(SEAL, seal),
        None => draft,
    }
}

/// Whether a request has the seal that belongs to it.
pub fn is_good(key: &SharedKey, request: &Request) -> bool {
    let seal = request.headers().get(SEAL);
    seal.is_some_and(|seal| key.is_seal_of(&Sealed::request(request).parts(), seal.trim()))
}

/// What is sealed.
struct Sealed {
    method: String,
    uri: String,
    from: String,
    call_id: String,
    cseq: [u8; 4],
    headers: [String; 3],
    body: bytes::Bytes,
}

impl Sealed {
    fn request(request: &Request) -> Self {
        let header = |name| request.headers().get(name).unwrap_or_default().trim().to_owned();
        Self {
            method: request.method().as_str().to_owned(),
            uri: request.uri().to_string(),
            from: name(request.from()),
            call_id: request.call_id().to_owned(),
            cseq: request.cseq().number.to_be_bytes(),
            headers: [header("Contact"), header(EPOCH), header(INSTANCE)],
            body: request.body().clone(),
        }
    }

    fn draft(draft: &RequestDraft) -> Option<Self> {
        let header = |name| draft.get(name).unwrap_or_default().to_owned();
        Some(Self {
            method: draft.method.as_str().to_owned(),
            uri: draft.uri.to_string(),
            from: name(&draft.from_addr()?),
            call_id: draft.call_id_value()?.to_owned(),
            cseq: draft.cseq_value()?.number.to_be_bytes(),
            headers: [header("Contact"), header(EPOCH), header(INSTANCE)],
            body: draft.payload().clone(),
        })
    }

    fn parts(&self) -> [&[u8]; 9] {
        let [contact, epoch, instance] = &self.headers;
        [
            self.method.as_bytes(),
            self.uri.as_bytes(),
            self.from.as_bytes(),
            self.call_id.as_bytes(),
            &self.cseq,
            contact.as_bytes(),
            epoch.as_bytes(),
            instance.as_bytes(),
            &self.body,
        ]
    }
}

fn name(from: &NameAddr) -> String {
    format!("{} {}", from.uri(), from.tag().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use sip_core::{Limits, Message, Method, SeededIds, Uri};

    use super::*;

    fn draft() -> RequestDraft {
        let uri = Uri::parse("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9").expect("a URI");
        let from = "\"Bob\" <sip:bob@example.com>;tag=b;epid=1".parse().expect("an address");
        RequestDraft::new(Method::Service, uri.clone())
            .header("Via", "SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK1")
            .from(from)
            .to(NameAddr::new(uri))
            .call_id("x")
            .cseq(7)
            .header("Contact", "<sip:127.0.0.1:5060;transport=tcp>")
            .header(EPOCH, "3")
            .header(INSTANCE, "i")
            .body("application/cccp+xml", "<request/>")
    }

    fn read(draft: &RequestDraft) -> Request {
        match Message::parse(draft.write(), &Limits::default()).expect("a message") {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    /// A sealed request is known again, also on its way on; whatever is changed in it breaks the seal.
    #[test]
    fn a_seal_covers_what_a_request_does() {
        let key = SharedKey::new(&mut SeededIds::new(1));
        let sealed = put(Some(&key), draft());
        let request = read(&sealed);
        assert!(is_good(&key, &request));
        assert_eq!(sealed.get(SEAL), Some(of(&key, &request).as_str()));
        assert!(!is_good(&SharedKey::new(&mut SeededIds::new(2)), &request));
        assert!(!is_good(&key, &read(&put(None, draft()))));
        let mut forged: Vec<RequestDraft> = Vec::new();
        for (name, value) in [
            ("From", "<sip:carol@example.com>;tag=b"),
            ("From", "<sip:bob@example.com>;tag=c"),
            ("Call-ID", "y"),
            ("CSeq", "8 SERVICE"),
            ("Contact", "<sip:127.0.0.1:6666;transport=tcp>"),
            (EPOCH, "4"),
            (INSTANCE, "j"),
        ] {
            let mut other = sealed.clone();
            other.set_header(name, value);
            forged.push(other);
        }
        forged.push(sealed.clone().body("application/cccp+xml", "<request />"));
        let mut elsewhere = sealed.clone();
        elsewhere.uri = Uri::parse("sip:alice@example.com").expect("a URI");
        forged.push(elsewhere);
        for other in forged {
            assert!(!is_good(&key, &read(&other)), "{other:?}");
        }
    }
}
