//! The call to the IM MCU: one INVITE dialog in which messages and typing notices travel.
//!
//! The dialog is the call's own: it does not pass through the Focus's front end, survives its death, and its route is
//! repaired and healed like that of any dialog ([`sip_core::recoverable`]).
//!
//! # Invariants
//!
//! - `Idle → Establishing → Established → (Terminating →) Terminated`; after `Terminated` a new call needs a new value.
//! - Each message handed to [`ImCall::send_text`] ends with exactly one [`CallEvent::Sent`] or [`CallEvent::NotSent`].
//!
//! Source: flow 7 of focus-flows.md; im-and-invite.md sections 1 to 3; [MS-CONFIM].

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use c3p::Limits;
use sip_core::recoverable::{
    DialogEvent, Fault, Incoming, ROUTE_SET_UPDATE, Recipe, RecoverableDialog, RecoveryTimes, Resend, Token,
};
use sip_core::ua::{RequestId, Routing, SendError, UserAgent};
use sip_core::{
    Dialog, DialogId, Method, NameAddr, Request, RequestDraft, Response, ResponseDraft, ServerTransactionId,
    Uri,
};

use crate::session::{CallCause, CallChange, CallState, EndReason};

/// The largest message that the MCU accepts (im-and-invite.md section 2).
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How long a BYE may take before the call counts as ended all the same (T15: two seconds).
const BYE_TIME: Duration = Duration::from_secs(2);
/// What a BYE says when the MCU failed over (recovery-on-the-wire.md section 3).
const ROLLING_OVER: &str = "24067;reason=\"Mcu is rolling over\";source=\"reconvene\"";
/// The MIME types we take in a MESSAGE.
const ACCEPT_TYPES: &str =
    "text/plain text/html multipart/alternative application/im-iscomposing+xml application/ms-imdn+xml";

/// Names one message or typing notice of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageToken(u64);

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFailure {
    /// There is no established call.
    #[error("there is no established call to the IM MCU")]
    NoCall,
    /// The text is larger than the MCU accepts.
    #[error("the message is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// The MCU refused it.
    #[error("the MCU refused the message with {status}")]
    Refused {
        /// The SIP status.
        status: u16,
        /// `ms-diagnostics`, as received.
        diagnostics: Option<String>,
    },
    /// The way to the MCU is broken.
    #[error("the message did not get through: {fault}")]
    Route {
        /// What it met.
        fault: Fault,
    },
    /// The call ended first.
    #[error("the call ended before the message was answered")]
    CallEnded,
}

impl SendFailure {
    /// The SIP status behind it, if an answer was received.
    pub fn status(&self) -> Option<u16> {
        match self {
            SendFailure::Refused { status, .. } => Some(*status),
            SendFailure::Route { fault } => fault.status(),
            SendFailure::NoCall | SendFailure::TooLarge | SendFailure::CallEnded => None,
        }
    }
}

/// What a call tells its owner.
#[derive(Debug)]
pub enum CallEvent {
    /// It entered a state.
    State {
        /// The state, and why.
        change: CallChange,
        /// The SIP status behind it.
        status: Option<u16>,
        /// `ms-diagnostics`, as received.
        diagnostics: Option<String>,
    },
    /// Somebody said something.
    Message {
        /// The author (`Ms-Sender`), a SIP URI.
        from: String,
        /// MIME type with parameters.
        content_type: String,
        /// The text.
        text: String,
    },
    /// Somebody types, or stopped.
    Typing {
        /// Who.
        from: String,
        /// `type` or `idle`.
        state: String,
    },
    /// Some recipients did not get a message of ours.
    Undelivered {
        /// The `Message-Id` that the MCU gave it.
        message_id: String,
        /// Who, with the status of each.
        recipients: Vec<(String, u16)>,
    },
    /// The MCU took the message for distribution.
    Sent {
        /// The message.
        token: MessageToken,
        /// Its `Message-Id`.
        message_id: Option<String>,
    },
    /// The message was not taken.
    NotSent {
        /// The message.
        token: MessageToken,
        /// Why.
        failure: SendFailure,
    },
    /// The dialog's route was repaired silently, or could not be.
    Repair {
        /// Whether it worked.
        repaired: bool,
        /// What was wrong.
        fault: Fault,
        /// When it was seen.
        first_sign: Instant,
    },
}

#[derive(Debug)]
enum Phase {
    Idle,
    Inviting { id: RequestId, invite: RequestDraft, hangup: bool },
    Up(Box<RecoverableDialog>),
    Ending { id: RequestId, deadline: Instant },
    Over,
}

/// One call to the IM MCU of a conference.
#[derive(Debug)]
pub struct ImCall {
    uri: Uri,
    phase: Phase,
    call_id: String,
    times: RecoveryTimes,
    next_token: u64,
    waiting: HashMap<Token, MessageToken>,
    events: VecDeque<CallEvent>,
}

impl ImCall {
    /// A call that is not placed yet, to the MCU URI of the roster (`conf-uris`, purpose `chat`).
    pub fn new(uri: Uri, times: RecoveryTimes) -> Self {
        ImCall {
            uri,
            phase: Phase::Idle,
            call_id: String::new(),
            times,
            next_token: 0,
            waiting: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> CallState {
        match &self.phase {
            Phase::Idle => CallState::Idle,
            Phase::Inviting { .. } => CallState::Establishing,
            Phase::Up(_) => CallState::Established,
            Phase::Ending { .. } => CallState::Terminating,
            Phase::Over => CallState::Terminated,
        }
    }

    /// The Call-ID of its dialog: the same for as long as the call lives.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The dialog's id, once established.
    pub fn dialog_id(&self) -> Option<&DialogId> {
        match &self.phase {
            Phase::Up(dialog) => Some(dialog.dialog().id()),
            Phase::Idle | Phase::Inviting { .. } | Phase::Ending { .. } | Phase::Over => None,
        }
    }

    /// The next thing the owner has to know.
    pub fn poll_event(&mut self) -> Option<CallEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Up(dialog) => dialog.poll_timeout(),
            Phase::Ending { deadline, .. } => Some(*deadline),
            Phase::Idle | Phase::Inviting { .. } | Phase::Over => None,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        match &mut self.phase {
            Phase::Up(dialog) => {
                dialog.handle_timeout(ua, now);
                self.drain(ua, now);
            }
            Phase::Ending { deadline, id, .. } if *deadline <= now => {
                ua.withdraw(*id);
                self.over(CallCause::Local, None, None);
            }
            Phase::Idle | Phase::Inviting { .. } | Phase::Ending { .. } | Phase::Over => {}
        }
    }

    /// Places the call. Does nothing unless `Idle`.
    pub fn place(&mut self, ua: &mut UserAgent, now: Instant) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        self.call_id = format!("im-{}", ua.endpoint().new_token());
        let invite = RequestDraft::new(Method::Invite, self.uri.clone())
            .from(ua.new_from())
            .to(NameAddr::new(self.uri.clone()))
            .call_id(self.call_id.clone())
            .cseq(1)
            .header("Contact", ua.contact().to_string())
            .header("Supported", format!("ms-sender, {ROUTE_SET_UPDATE}, timer"))
            .header("Allow", "INVITE, ACK, BYE, CANCEL, INFO, MESSAGE, UPDATE, BENOTIFY, OPTIONS")
            .header("Session-Expires", "1800")
            .body("application/sdp", offer());
        let id = ua.send(invite.clone(), Routing::Outbound, now);
        self.phase = Phase::Inviting { id, invite, hangup: false };
        self.enter(CallState::Establishing, CallCause::Local, None, None);
    }

    /// Sends a text to everybody in the call.
    pub fn send_text(&mut self, text: &str, ua: &mut UserAgent, now: Instant) -> MessageToken {
        let token = self.token();
        if text.len() > MESSAGE_BYTES_MAX {
            self.events.push_back(CallEvent::NotSent { token, failure: SendFailure::TooLarge });
            return token;
        }
        let Phase::Up(dialog) = &mut self.phase else {
            self.events.push_back(CallEvent::NotSent { token, failure: SendFailure::NoCall });
            return token;
        };
        let body = Some(("text/plain; charset=UTF-8".to_owned(), Bytes::copy_from_slice(text.as_bytes())));
        let recipe =
            Recipe { method: Method::Message, headers: Vec::new(), body, resend: Resend::Undelivered };
        let sent = dialog.send(recipe, ua, now);
        self.waiting.insert(sent, token);
        self.drain(ua, now);
        token
    }

    /// Tells the others that we type (`true`) or stopped; nobody waits for the answer.
    pub fn typing(&mut self, types: bool, ua: &mut UserAgent, now: Instant) {
        let Phase::Up(dialog) = &mut self.phase else { return };
        let activity =
            if types { c3p::im::KeyboardActivity::Typing } else { c3p::im::KeyboardActivity::Idle };
        let body = Some(("application/xml".to_owned(), activity.write()));
        dialog.send(
            Recipe { method: Method::Info, headers: Vec::new(), body, resend: Resend::Undelivered },
            ua,
            now,
        );
    }

    /// Hangs up because the application wants it: BYE, then `Terminated`.
    pub fn hangup(&mut self, ua: &mut UserAgent, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Idle => self.phase = Phase::Idle,
            Phase::Inviting { id, invite, .. } => {
                ua.cancel(id, now);
                self.phase = Phase::Inviting { id, invite, hangup: true };
            }
            Phase::Up(mut dialog) => {
                let (bye, routing) = bye(&mut dialog, ua);
                self.fail_waiting();
                let id = ua.send(bye, routing, now);
                self.phase = Phase::Ending { id, deadline: now + BYE_TIME };
                self.enter(CallState::Terminating, CallCause::Local, None, None);
            }
            other @ (Phase::Ending { .. } | Phase::Over) => self.phase = other,
        }
    }

    /// Ends the call at once because its McuSession says so, which has told the application: a BYE goes out, best effort,
    /// and no event of the call's state follows.
    pub fn end(&mut self, reason: EndReason, ua: &mut UserAgent, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Idle | Phase::Over => {}
            Phase::Inviting { id, .. } => ua.cancel(id, now),
            Phase::Ending { id, .. } => ua.withdraw(id),
            Phase::Up(mut dialog) => {
                let (mut bye, routing) = bye(&mut dialog, ua);
                if reason == EndReason::RollingOver {
                    bye = bye.header(c3p::diagnostics::HEADER_CLIENT, ROLLING_OVER);
                }
                let id = ua.send(bye, routing, now);
                ua.abandon(id);
            }
        }
        self.fail_waiting();
    }

    /// Asks whether the dialog still works: a probe, once at a time.
    pub fn probe(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Phase::Up(dialog) = &mut self.phase {
            dialog.probe(ua, now);
            dialog.hint(ua, now);
            self.drain(ua, now);
        }
    }

    /// The way may be open again: the next heal attempt is now.
    pub fn hint(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Phase::Up(dialog) = &mut self.phase {
            dialog.hint(ua, now);
            self.drain(ua, now);
        }
    }

    /// Takes an answer if it is to a request of this call.
    pub fn on_response(
        &mut self,
        id: RequestId,
        response: &Response,
        ua: &mut UserAgent,
        now: Instant,
    ) -> bool {
        match &mut self.phase {
            Phase::Inviting { id: ours, .. } if *ours == id => {
                if response.status() >= 200 {
                    self.on_invite_answer(response, ua, now);
                }
                true
            }
            Phase::Ending { id: ours, .. } if *ours == id => {
                if response.status() >= 200 {
                    self.over(CallCause::Local, None, None);
                }
                true
            }
            Phase::Up(dialog) => {
                let taken = dialog.on_response(id, response, ua, now);
                if taken {
                    self.drain(ua, now);
                }
                taken
            }
            Phase::Idle | Phase::Inviting { .. } | Phase::Ending { .. } | Phase::Over => false,
        }
    }

    /// Takes the failure of a request if it is one of this call.
    pub fn on_failed(&mut self, id: RequestId, error: SendError, ua: &mut UserAgent, now: Instant) -> bool {
        match &mut self.phase {
            Phase::Inviting { id: ours, .. } if *ours == id => {
                self.over(CallCause::Failed, Some(if error == SendError::Timeout { 408 } else { 503 }), None);
                true
            }
            Phase::Ending { id: ours, .. } if *ours == id => {
                self.over(CallCause::Local, None, None);
                true
            }
            Phase::Up(dialog) => {
                let taken = dialog.on_failed(id, error, ua, now);
                if taken {
                    self.drain(ua, now);
                }
                taken
            }
            Phase::Idle | Phase::Inviting { .. } | Phase::Ending { .. } | Phase::Over => false,
        }
    }

    /// Takes a request from the MCU; the caller has matched its dialog.
    pub fn on_request(
        &mut self,
        tx: ServerTransactionId,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Phase::Up(dialog) = &mut self.phase else {
            // We hung up while it was on its way.
            ua.endpoint().respond(tx, ResponseDraft::to(request, 481), now);
            return;
        };
        if !matches!(dialog.on_request(tx, request, ua, now), Incoming::Deliver) {
            return;
        }
        match request.method() {
            Method::Message => {
                let answer = self.on_message(request);
                ua.endpoint().respond(tx, ResponseDraft::to(request, answer), now);
            }
            Method::Info => {
                ua.endpoint().respond(tx, ResponseDraft::to(request, 200), now);
                if let Ok(activity) = c3p::im::KeyboardActivity::parse(request.body(), &Limits::default()) {
                    let event =
                        CallEvent::Typing { from: sender(request), state: activity.as_str().to_owned() };
                    self.events.push_back(event);
                }
            }
            Method::Bye => {
                ua.endpoint().respond(tx, ResponseDraft::to(request, 200), now);
                dialog.stop(ua);
                let diagnostics = request.headers().get("ms-diagnostics").map(str::to_owned);
                self.over(CallCause::Remote, None, diagnostics);
            }
            Method::Invite => ua.endpoint().respond(tx, ResponseDraft::to(request, 488), now),
            _ => {
                let answer = ResponseDraft::to(request, 405)
                    .header("Allow", "INVITE, ACK, BYE, CANCEL, INFO, MESSAGE, UPDATE, BENOTIFY, OPTIONS");
                ua.endpoint().respond(tx, answer, now);
            }
        }
    }

    /// Takes a BENOTIFY from the MCU: the report on recipients that a message did not reach.
    pub fn on_oneway(&mut self, request: &Request) {
        if *request.method() == Method::Benotify
            && let Ok(imdn) = c3p::im::Imdn::parse(request.body(), &Limits::default())
        {
            let recipients =
                imdn.recipients.into_iter().map(|r| (r.uri, r.status.unwrap_or_default())).collect();
            self.events.push_back(CallEvent::Undelivered { message_id: imdn.message_id, recipients });
        }
    }

    fn token(&mut self) -> MessageToken {
        self.next_token += 1;
        MessageToken(self.next_token)
    }

    fn on_message(&mut self, request: &Request) -> u16 {
        let content_type = request.content_type().unwrap_or("text/plain");
        let mime = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let Ok(text) = std::str::from_utf8(request.body()) else { return 400 };
        match mime.as_str() {
            "application/im-iscomposing+xml" => {
                if let Ok(composing) = c3p::im::IsComposing::parse(request.body(), &Limits::default()) {
                    let state =
                        if composing.state == c3p::im::ComposingState::Active { "type" } else { "idle" }
                            .to_owned();
                    self.events.push_back(CallEvent::Typing { from: sender(request), state });
                }
                200
            }
            mime if mime.starts_with("text/") || mime == "multipart/alternative" => {
                let (content_type, text) = (content_type.to_owned(), text.to_owned());
                self.events.push_back(CallEvent::Message { from: sender(request), content_type, text });
                200
            }
            _ => 415,
        }
    }

    fn on_invite_answer(&mut self, response: &Response, ua: &mut UserAgent, now: Instant) {
        let Phase::Inviting { id, invite, hangup } = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        let status = response.status();
        let diagnostics = response.headers().get("ms-diagnostics").map(str::to_owned);
        if status >= 300 {
            let cause = if hangup { CallCause::Local } else { CallCause::Failed };
            return self.over(cause, Some(status), diagnostics);
        }
        let Ok(dialog) = Dialog::uac(&invite, response) else {
            return self.over(CallCause::Failed, Some(status), diagnostics);
        };
        ua.send_ack(id, dialog.ack(response.cseq().number), now);
        let dialog = RecoverableDialog::new(dialog, response, self.times, now);
        self.phase = Phase::Up(Box::new(dialog));
        if hangup {
            self.hangup(ua, now);
        } else {
            self.enter(CallState::Established, CallCause::Answered, Some(status), None);
        }
    }

    fn drain(&mut self, ua: &mut UserAgent, now: Instant) {
        while let Phase::Up(dialog) = &mut self.phase {
            let Some(event) = dialog.poll_event() else { return };
            self.on_dialog_event(event, ua, now);
        }
    }

    fn on_dialog_event(&mut self, event: DialogEvent, ua: &mut UserAgent, now: Instant) {
        match event {
            DialogEvent::Answered { token, response } => self.on_answered(token, &response),
            DialogEvent::Failed { token, fault } => self.not_sent(token, SendFailure::Route { fault }),
            DialogEvent::Repaired { fault, first_sign } => {
                self.events.push_back(CallEvent::Repair { repaired: true, fault, first_sign });
            }
            DialogEvent::RepairFailed { fault, first_sign, token, .. } => {
                self.events.push_back(CallEvent::Repair { repaired: false, fault, first_sign });
                if let Some(token) = token {
                    self.not_sent(token, SendFailure::Route { fault });
                }
                if let Phase::Up(dialog) = &mut self.phase {
                    dialog.heal(false, ua, now);
                }
            }
            DialogEvent::Gone { token, response, .. } => {
                let diagnostics = response.headers().get("ms-diagnostics").map(str::to_owned);
                if let Some(token) = token {
                    let failure = SendFailure::Refused { status: 481, diagnostics: diagnostics.clone() };
                    self.not_sent(token, failure);
                }
                if let Phase::Up(dialog) = &mut self.phase {
                    dialog.stop(ua);
                }
                self.over(CallCause::Failed, Some(481), diagnostics);
            }
            DialogEvent::RegistrationNeeded => ua.register(now),
            DialogEvent::Confirmed
            | DialogEvent::HealFailed { .. }
            | DialogEvent::HealTried
            | DialogEvent::Healed => {}
        }
    }

    fn on_answered(&mut self, token: Token, response: &Response) {
        let Some(message) = self.waiting.remove(&token) else { return };
        let status = response.status();
        let event = if (200..300).contains(&status) {
            let message_id = response.headers().get("Message-Id").map(str::to_owned);
            CallEvent::Sent { token: message, message_id }
        } else {
            let diagnostics = response.headers().get("ms-diagnostics").map(str::to_owned);
            CallEvent::NotSent { token: message, failure: SendFailure::Refused { status, diagnostics } }
        };
        self.events.push_back(event);
    }

    fn not_sent(&mut self, token: Token, failure: SendFailure) {
        if let Some(token) = self.waiting.remove(&token) {
            self.events.push_back(CallEvent::NotSent { token, failure });
        }
    }

    fn fail_waiting(&mut self) {
        let mut tokens: Vec<MessageToken> = self.waiting.drain().map(|(_, token)| token).collect();
        tokens.sort_unstable();
        for token in tokens {
            self.events.push_back(CallEvent::NotSent { token, failure: SendFailure::CallEnded });
        }
    }

    fn over(&mut self, cause: CallCause, status: Option<u16>, diagnostics: Option<String>) {
        self.phase = Phase::Over;
        self.enter(CallState::Terminated, cause, status, diagnostics);
        self.fail_waiting();
    }

    fn enter(
        &mut self,
        state: CallState,
        cause: CallCause,
        status: Option<u16>,
        diagnostics: Option<String>,
    ) {
        let change = CallChange { state, cause };
        self.events.push_back(CallEvent::State { change, status, diagnostics });
    }
}

/// Stops a dialog; the BYE that ends it, and the best way known for it: the route, unless that is being healed.
fn bye(dialog: &mut RecoverableDialog, ua: &mut UserAgent) -> (RequestDraft, Routing) {
    let broken = dialog.is_healing();
    dialog.stop(ua);
    let dialog = dialog.dialog_mut();
    let (draft, routing) = if broken {
        (dialog.request_off_route(Method::Bye), Routing::Outbound)
    } else {
        (dialog.request(Method::Bye), Routing::Route)
    };
    (draft.header("Supported", ROUTE_SET_UPDATE), routing)
}

/// The author of a message: the MCU's word, which no client can forge through it.
fn sender(request: &Request) -> String {
    let value = request.headers().get("Ms-Sender").and_then(|value| value.parse::<NameAddr>().ok());
    value.map_or_else(|| request.from().uri().to_string(), |sender| sender.uri().to_string())
}

/// An SDP offer of one message stream; nothing is opened from it (im-and-invite.md section 1).
fn offer() -> Bytes {
    let sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=message 5060 sip null\r\na=accept-types:{ACCEPT_TYPES}\r\n"
    );
    Bytes::from(sdp)
}
