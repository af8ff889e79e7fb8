//! A user agent server: every INVITE is answered 200 and makes a dialog, BYE ends it.
//!
//! `cargo run --release -p sip-core --example uas -- udp:127.0.0.1:5060 tcp:127.0.0.1:5060`

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sip_core::endpoint::Rate;
use sip_core::transport::drive;
use sip_core::{
    Core, Dialog, DialogId, Endpoint, EndpointConfig, Event, ListenAddr, Method, NameAddr, Request,
    ResponseDraft, ServerTransactionId, SystemIds, Transmit, Transport, TransportConfig, TransportInput,
};

pub(crate) struct Uas {
    pub(crate) endpoint: Endpoint,
    /// By our tag, which is unguessable and only ours; the rest of the name is compared.
    pub(crate) dialogs: HashMap<Box<str>, Box<Dialog>>,
    contact: NameAddr,
}

impl Uas {
    pub(crate) fn new(contact: NameAddr) -> Self {
        // One caller may ask for all that a core can: it is the load that is shed here, not the caller.
        let any = Rate::per_second(1_000_000);
        let config = EndpointConfig::default().with_flow_rate(any).with_address_rate(any);
        let endpoint = Endpoint::new(config, Box::new(SystemIds::new()));
        Self { endpoint, dialogs: HashMap::new(), contact }
    }

    fn request(&mut self, tx: ServerTransactionId, request: &Request, now: Instant) {
        let known = request.to().tag().and_then(|tag| self.dialogs.get_mut(tag));
        let known = known.filter(|dialog| names(dialog.id(), request));
        let answer = match (request.method(), known) {
            (Method::Invite, None) if request.to().tag().is_none() => self.invite(request),
            (_, None) => ResponseDraft::to(request, 481),
            (method, Some(dialog)) => match (method, dialog.check_request(request)) {
                (_, Err(_)) => ResponseDraft::to(request, 500),
                (Method::Bye, Ok(())) => {
                    self.dialogs.remove(request.to().tag().unwrap_or_default());
                    ResponseDraft::to(request, 200)
                }
                (Method::Invite, Ok(())) => ResponseDraft::to(request, 200).contact(self.contact.clone()),
                (_, Ok(())) => ResponseDraft::to(request, 405).header("Allow", "INVITE, ACK, CANCEL, BYE"),
            },
        };
        self.endpoint.respond(tx, answer, now);
    }

    fn invite(&mut self, request: &Request) -> ResponseDraft {
        let tag = self.endpoint.new_token();
        let Ok(dialog) = Dialog::uas(request, &tag) else {
            return ResponseDraft::to(request, 400);
        };
        self.dialogs.insert(tag.as_str().into(), Box::new(dialog));
        ResponseDraft::to(request, 200).to_tag(&tag).contact(self.contact.clone())
    }

    fn events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Request { tx, request, .. } = event {
                self.request(tx, &request, now);
            }
        }
    }
}

/// Whether this is the dialog that the request says it belongs to.
fn names(id: &DialogId, request: &Request) -> bool {
    id.call_id == request.call_id() && id.remote_tag == request.from().tag().unwrap_or_default()
}

impl Core for Uas {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.events(now);
    }

    fn handle_backlog(&mut self, waiting: usize) {
        self.endpoint.handle_backlog(waiting);
    }

    fn handle_wait(&mut self, waited: Duration) {
        self.endpoint.handle_wait(waited);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen: Vec<ListenAddr> = std::env::args().skip(1).map(|a| a.parse()).collect::<Result<_, _>>()?;
    let mut transport = Transport::bind(&listen, TransportConfig::default()).await?;
    transport.local_addrs().iter().for_each(|addr| println!("{addr}"));
    let ours = transport.local_addrs().first().map_or("127.0.0.1:5060".parse()?, |listen| listen.addr);
    let mut uas = Uas::new(format!("<sip:uas@{ours}>").parse()?);
    drive(&mut uas, &mut transport, std::future::pending::<()>()).await;
    Ok(())
}
