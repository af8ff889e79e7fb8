//! Commands of the application, and the calls to MCUs.

use super::*;

impl ClientCore {
    pub(super) fn send_command(&mut self, id: ConferenceId, op: OperationId, command: Command, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let ua = &mut self.ua;
        match command {
            Command::Call { mcu } => self.place_call(id, op, mcu, now),
            Command::Hangup { mcu } => {
                if let Some(call) = conversation.calls.get_mut(&mcu) {
                    call.hangup(ua, now);
                }
            }
            Command::Say { text, .. } => {
                let Some(call) = conversation.calls.get_mut(&McuType::Im) else { return };
                let token = call.send_text(&text, ua, now);
                conversation.messages.insert((McuType::Im, token), op);
            }
            Command::Typing { active } => {
                if let Some(call) = conversation.calls.get_mut(&McuType::Im) {
                    call.typing(active, ua, now);
                }
                let outcome = CommandOutcome::Success(OperationValue::Done);
                conversation.session.handle_input(Input::CommandAnswered { op, outcome }, now);
            }
            Command::EjectFrom { mcu, user } => {
                let Some(link) = &mut conversation.link else { return };
                let mut channel = LinkChannel { link, ua, now };
                if mcu::channel::eject(&mut channel, op.0, mcu, &user).is_err() {
                    conversation.session.handle_input(unsupported(op), now);
                }
            }
            other => {
                let Some(link) = &mut conversation.link else { return };
                match focus_command(other, link.conference()) {
                    Some(command) => link.command(op, command, ua, now),
                    None => conversation.session.handle_input(unsupported(op), now),
                }
            }
        }
    }

    pub(super) fn place_call(&mut self, id: ConferenceId, op: OperationId, mcu: McuType, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let conference = conversation.link.as_ref().map(|link| link.conference());
        let uri = conference
            .filter(|_| mcu == McuType::Im)
            .and_then(|conference| c3p::uri::mcu_uri(conference, mcu))
            .and_then(|uri| Uri::parse(&uri).ok());
        match uri {
            Some(uri) => {
                let mut call = ImCall::new(uri, self.times.recovery);
                call.place(&mut self.ua, now);
                conversation.calls.insert(mcu, call);
            }
            None => conversation.session.handle_input(unsupported(op), now),
        }
    }

    pub(super) fn pump_call(&mut self, id: ConferenceId, now: Instant) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let next = conversation.calls.iter_mut().find_map(|(mcu, call)| Some((*mcu, call.poll_event()?)));
        let Some((mcu, event)) = next else { return false };
        let input = match event {
            CallEvent::State { change, status, diagnostics } => {
                let reply = status.map(|status| Reply::status(status).with_diagnostics(diagnostics.clone()));
                let reply = reply.or_else(|| diagnostics.map(|d| Reply::default().with_diagnostics(Some(d))));
                self.suspect(id, change, now);
                Some(Input::CallChanged { mcu, change, reply })
            }
            CallEvent::Message { from, content_type, text } => {
                Some(Input::MessageReceived { from, content_type, text })
            }
            CallEvent::Typing { from, state } => {
                Some(Input::TypingReceived { from, active: state == "type" })
            }
            CallEvent::Sent { token, message_id } => conversation.messages.remove(&(mcu, token)).map(|op| {
                let id = message_id.and_then(|id| id.trim().parse().ok());
                let outcome = CommandOutcome::Success(OperationValue::Message { id, failed: Vec::new() });
                Input::CommandAnswered { op, outcome }
            }),
            CallEvent::NotSent { token, failure } => conversation.messages.remove(&(mcu, token)).map(|op| {
                let outcome = CommandOutcome::Failure(send_failure_reply(failure));
                Input::CommandAnswered { op, outcome }
            }),
            CallEvent::Repair { repaired, fault, first_sign } => {
                let dialog = if mcu == McuType::Av { RepairedDialog::Av } else { RepairedDialog::Im };
                let total = now.saturating_duration_since(first_sign);
                self.probe_focus(id, now);
                Some(Input::RouteRepaired { dialog, repaired, detected_by: call_detector(fault), total })
            }
            // Who did not get a message is known only after the operation ended; the MCU's report is for the log.
            CallEvent::Undelivered { .. } => None,
        };
        if let (Some(input), Some(conversation)) = (input, self.conversations.get_mut(&id)) {
            conversation.session.handle_input(input, now);
        }
        true
    }

    /// An MCU dialog that ended by itself is a hint about the Focus's way (D15).
    pub(super) fn suspect(&mut self, id: ConferenceId, change: mcu::CallChange, now: Instant) {
        let hint = change.state == mcu::CallState::Terminated
            && matches!(change.cause, mcu::CallCause::Remote | mcu::CallCause::Failed);
        if hint {
            self.probe_focus(id, now);
        }
    }

    fn probe_focus(&mut self, id: ConferenceId, now: Instant) {
        if let Some(link) = self.conversations.get_mut(&id).and_then(|c| c.link.as_mut()) {
            link.probe(Detector::D15, &mut self.ua, now);
        }
    }
}

/// The Focus dialog, as an McuSession's commands see it.
struct LinkChannel<'a> {
    link: &'a mut FocusLink,
    ua: &'a mut UserAgent,
    now: Instant,
}

impl mcu::FocusChannel for LinkChannel<'_> {
    fn conference(&self) -> String {
        self.link.conference().to_owned()
    }

    fn send(&mut self, ticket: u64, mcu_uri: &str, command: cccp::Command) {
        self.link.mcu_command(OperationId(ticket), mcu_uri, command, self.ua, self.now);
    }
}

/// The C3P command for what the application asked, where the Focus carries it out.
fn focus_command(command: Command, conference: &str) -> Option<cccp::Command> {
    let conference = conference.to_owned();
    match command {
        Command::Lock { locked } => Some(cccp::Command::ModifyConferenceLock { conference, locked }),
        Command::Admit { users } => {
            Some(cccp::Command::SetLobbyAccess { conference, users, access: cccp::Access::Granted })
        }
        Command::Deny { users } => {
            Some(cccp::Command::SetLobbyAccess { conference, users, access: cccp::Access::Denied })
        }
        Command::Eject { user } => Some(cccp::Command::DeleteUser { conference, user }),
        Command::SetRole { user, role } => Some(cccp::Command::ModifyUserRoles { conference, user, role }),
        Command::FetchRoster => {
            Some(cccp::Command::GetConference { key: cccp::ConferenceKey::Entity(conference) })
        }
        Command::EjectFrom { .. }
        | Command::Mute { .. }
        | Command::Invite { .. }
        | Command::Call { .. }
        | Command::Hangup { .. }
        | Command::Say { .. }
        | Command::Typing { .. } => None,
    }
}

fn unsupported(op: OperationId) -> Input {
    let reply = Reply::transport("this version cannot do that yet");
    Input::CommandAnswered { op, outcome: CommandOutcome::Failure(reply) }
}

fn send_failure_reply(failure: SendFailure) -> Reply {
    match failure {
        SendFailure::Refused { status, diagnostics } => Reply::status(status).with_diagnostics(diagnostics),
        other => match other.status() {
            Some(status) => Reply::status(status),
            None => Reply::transport(other.to_string()),
        },
    }
}

/// The row of the decision table for a fault of an MCU dialog: what the fault would be in the Focus dialog.
fn call_detector(fault: Fault) -> Detector {
    crate::link::detector(fault)
}
