//! Commands in INFO (c3p sections 2.6, 3 and 5): 202, the effect, and the result in an INFO of the Focus's own.
//!
//! # Invariants
//!
//! - One requestId of one endpoint has one effect and one answer; a repeat gets the answer again (P3).
//! - Who may do what is decided in one place: [`Conference::authorize`].

use bytes::Bytes;
use c3p::Reason;
use c3p::command::{
    Access, AddUser, Command, CommandResult, ConferenceKey, Document, LobbyResult, Request as C3pRequest,
    Response as C3pResponse,
};
use c3p::diagnostics::ids;
use c3p::info::{DisconnectionMethod, Endpoint, JoiningMethod, Role, User};
use sip_core::{Method, Request, ResponseDraft};

use super::ending::Farewell;
use super::participant::Answer;
use super::{CommandKey, Conference, Cx, Incoming, McuAnswer, McuOrder, PersonKey, Sent, user_key};
use crate::frontend::refusal::{Refusal, SIP_LAYER};
use crate::record::{Record, Removed, ResultRecord, SlotStatus, VERSION, key};

/// What a command led to at once.
enum Verdict {
    /// This is the result.
    Done(Box<C3pResponse>),
    /// An MCU has the word.
    Waits,
    /// The conference is over, and with it the dialog: the result was sent before.
    Over,
}

/// Reads a C3P body.
pub(crate) fn read_c3p(request: &Request, cx: &Cx<'_>) -> Result<Document, Refusal> {
    if request.body().len() > cx.config.bounds.body_bytes_max {
        return Err(Refusal::new(413, SIP_LAYER, "The body is too large"));
    }
    let typed = request.content_type().is_some_and(|value| c3p::mime::is(value, c3p::mime::C3P));
    if !typed {
        let refusal = Refusal::new(415, SIP_LAYER, "Only C3P is understood here");
        return Err(refusal.with("Accept", c3p::mime::C3P));
    }
    Document::parse(request.body(), &c3p::Limits::default())
        .map_err(|error| Refusal::c3p(error.diagnostics_id()))
}

/// A command in somebody else's name is refused (specification section 7).
pub(crate) fn check_sender(request: &Request, c3p: &C3pRequest) -> Result<(), Refusal> {
    if user_key(&c3p.from) == user_key(request.from().uri().as_str()) {
        Ok(())
    } else {
        Err(Refusal::c3p(ids::C3P_FROM).with_status(403))
    }
}

impl Conference {
    pub(super) fn on_info(
        &mut self,
        incoming: &Incoming,
        person: &PersonKey,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let request = match read_c3p(&incoming.request, cx)? {
            Document::Request(request) => request,
            Document::Response(_) | Document::Notify(_) => {
                self.respond(incoming, ResponseDraft::to(&incoming.request, 200));
                return Ok(());
            }
        };
        check_sender(&incoming.request, &request)?;
        if let Some(answer) = self.people.get(person).and_then(|found| found.answers.get(&request.request_id))
        {
            let again = answer.body.clone();
            self.accept(incoming);
            if let Some(body) = again {
                self.send_result(person, body, false);
            }
            return Ok(());
        }
        self.check_target(&request)?;
        self.authorize(person, &request)?;
        // A question changes nothing: asked again, it may well be answered anew.
        if !matches!(request.command, Command::GetConference { .. }) {
            self.begin_answer(person, request.request_id, cx);
        }
        self.accept(incoming);
        match self.execute(person, &request, cx) {
            Verdict::Done(response) => self.finish(person, request.request_id, &response),
            Verdict::Waits => {}
            Verdict::Over => return Ok(()),
        }
        self.schedule_publish(false, cx);
        Ok(())
    }

    fn accept(&mut self, incoming: &Incoming) {
        let response = ResponseDraft::to(&incoming.request, 202)
            .header("Contact", self.contact())
            .header("Supported", "ms-dialog-route-set-update");
        self.respond(incoming, response);
    }

    fn check_target(&self, request: &C3pRequest) -> Result<(), Refusal> {
        if !c3p::uri::same(&request.to, &self.head.uri) {
            return Err(Refusal::c3p(ids::C3P_TO));
        }
        match request.command.conference() {
            Some(conference) if !c3p::uri::same(conference, &self.head.uri) => {
                Err(Refusal::c3p(ids::C3P_CONFERENCE_ENTITY))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The table of c3p section 5, default deny.
    fn authorize(&self, person: &PersonKey, request: &C3pRequest) -> Result<(), Refusal> {
        let denied = || Refusal::c3p(ids::C3P_AUTHORIZATION);
        let Some(found) = self.people.get(person) else { return Err(Refusal::moved()) };
        if found.record.in_lobby {
            return Err(denied());
        }
        let presenter = self.is_presenter(&person.user);
        let only = |allowed: bool| if allowed { Ok(()) } else { Err(denied()) };
        match &request.command {
            Command::GetConference { key: ConferenceKey::Entity(_) } => Ok(()),
            Command::DeleteUser { user, .. } => only(presenter || user_key(user) == person.user),
            Command::ModifyUserRoles { .. }
            | Command::ModifyConferenceLock { .. }
            | Command::SetLobbyAccess { .. }
            | Command::DeleteConference { key: ConferenceKey::Entity(_) } => only(presenter),
            Command::AddUser(add) => match add.endpoint().and_then(|endpoint| endpoint.joining_method) {
                Some(JoiningMethod::DialedIn) => only(user_key(&add.user.entity) == person.user),
                Some(JoiningMethod::DialedOut) if presenter => Ok(()),
                Some(JoiningMethod::DialedOut) => Err(Refusal::c3p(ids::C3P_DIAL_OUT)),
                Some(JoiningMethod::FocusOwner) | None => Err(Refusal::c3p(ids::C3P_JOINING_METHOD)),
            },
            Command::AddConference(_)
            | Command::GetConference { key: ConferenceKey::Id(_) }
            | Command::DeleteConference { key: ConferenceKey::Id(_) }
            | Command::ActivateConference { .. }
            | Command::DeactivateConference { .. }
            | Command::Resync { .. }
            | Command::ModifyConference(_)
            | Command::GetConferences
            | Command::GetConferencingCapabilities
            | Command::GetAvailableMcuTypes
            | Command::GetEncryptionKey
            | Command::EndorseUser { .. }
            | Command::ModifyEndpointMedia { .. }
            | Command::ModifyEndpoint { .. }
            | Command::ModifyUsersMediaFilters { .. }
            | Command::ModifyConferenceAnnouncements { .. }
            | Command::Unknown { .. } => Err(Refusal::c3p(ids::C3P_NOT_IMPLEMENTED)),
        }
    }

    fn execute(&mut self, person: &PersonKey, request: &C3pRequest, cx: &mut Cx<'_>) -> Verdict {
        let fail = |reason: Reason| Verdict::Done(Box::new(C3pResponse::failure(request, reason)));
        if let Some(mcu_uri) = &request.mcu_uri {
            return self.execute_at_mcu(person, request, mcu_uri, cx);
        }
        match &request.command {
            Command::DeleteUser { user, .. } => self.eject(person, request, &user_key(user), cx),
            Command::ModifyConferenceLock { locked, .. } => {
                self.set_lock(*locked, cx);
                Verdict::Done(Box::new(C3pResponse::success(request, CommandResult::ModifyConferenceLock)))
            }
            Command::ModifyUserRoles { user, role, .. } => match self.set_role(&user_key(user), role) {
                Ok(()) => {
                    Verdict::Done(Box::new(C3pResponse::success(request, CommandResult::ModifyUserRoles)))
                }
                Err(reason) => fail(reason),
            },
            Command::SetLobbyAccess { users, access, .. } => {
                Verdict::Done(Box::new(self.set_lobby_access(request, users, *access, cx)))
            }
            Command::DeleteConference { .. } => {
                let entity = Some(self.head.uri.clone());
                let response = C3pResponse::success(request, CommandResult::DeleteConference { entity });
                self.finish(person, request.request_id, &response);
                self.end(ids::ENDED_BY_PRESENTER, "Ended by a presenter", cx);
                Verdict::Over
            }
            Command::GetConference { .. } => {
                let info = Some(Box::new(self.full_info()));
                Verdict::Done(Box::new(C3pResponse::success(request, CommandResult::GetConference(info))))
            }
            Command::AddUser(_)
            | Command::AddConference(_)
            | Command::ActivateConference { .. }
            | Command::DeactivateConference { .. }
            | Command::Resync { .. }
            | Command::ModifyConference(_)
            | Command::GetConferences
            | Command::GetConferencingCapabilities
            | Command::GetAvailableMcuTypes
            | Command::GetEncryptionKey
            | Command::EndorseUser { .. }
            | Command::ModifyEndpointMedia { .. }
            | Command::ModifyEndpoint { .. }
            | Command::ModifyUsersMediaFilters { .. }
            | Command::ModifyConferenceAnnouncements { .. }
            | Command::Unknown { .. } => fail(Reason::NotSupported),
        }
    }

    /// Commands for one MCU: it is asked, its answer is the result.
    fn execute_at_mcu(
        &mut self,
        person: &PersonKey,
        request: &C3pRequest,
        mcu_uri: &str,
        cx: &Cx<'_>,
    ) -> Verdict {
        let fail = |reason: Reason| Verdict::Done(Box::new(C3pResponse::failure(request, reason)));
        let Some((_, mcu)) = c3p::uri::conference_of_mcu(mcu_uri) else {
            return fail(Reason::UnknownMcuType);
        };
        let status = self.head.mcus.iter().find(|slot| slot.mcu == mcu.as_str()).map(|slot| slot.status);
        match status {
            None => return fail(Reason::McuTypeNotAvailable),
            Some(SlotStatus::FailingOver) => return fail(Reason::McuFailingOver),
            Some(SlotStatus::Idle | SlotStatus::Activating | SlotStatus::Active) => {}
        }
        match &request.command {
            Command::DeleteUser { user, .. } => {
                let user = user_key(user);
                if self.of_user(&user).next().is_none() {
                    return fail(Reason::UserDoesntExist);
                }
                if self.pending.len() >= cx.config.bounds.pending_max {
                    return fail(Reason::ServerBusy);
                }
                let command = CommandKey { person: person.clone(), request_id: request.request_id };
                if !self.order(mcu.as_str(), McuOrder::Remove { user, command: Some(command) }) {
                    return fail(Reason::McuTypeNotAvailable);
                }
                self.pending.push((person.clone(), request.clone()));
                Verdict::Waits
            }
            Command::AddUser(add) => match add.endpoint().and_then(|endpoint| endpoint.joining_method) {
                Some(JoiningMethod::DialedIn) => Verdict::Done(Box::new(dialed_in(request, add, mcu_uri))),
                Some(JoiningMethod::DialedOut | JoiningMethod::FocusOwner) | None => {
                    fail(Reason::NotSupported)
                }
            },
            Command::ModifyConferenceLock { .. }
            | Command::ModifyUserRoles { .. }
            | Command::SetLobbyAccess { .. }
            | Command::DeleteConference { .. }
            | Command::GetConference { .. }
            | Command::AddConference(_)
            | Command::ActivateConference { .. }
            | Command::DeactivateConference { .. }
            | Command::Resync { .. }
            | Command::ModifyConference(_)
            | Command::GetConferences
            | Command::GetConferencingCapabilities
            | Command::GetAvailableMcuTypes
            | Command::GetEncryptionKey
            | Command::EndorseUser { .. }
            | Command::ModifyEndpointMedia { .. }
            | Command::ModifyEndpoint { .. }
            | Command::ModifyUsersMediaFilters { .. }
            | Command::ModifyConferenceAnnouncements { .. }
            | Command::Unknown { .. } => fail(Reason::NotSupported),
        }
    }

    /// An MCU answered a command.
    pub(super) fn mcu_command_done(&mut self, command: &CommandKey, answer: &McuAnswer, _cx: &Cx<'_>) {
        let at = self.pending.iter().position(|(person, request)| {
            *person == command.person && request.request_id == command.request_id
        });
        let Some(at) = at else { return };
        let (person, request) = self.pending.swap_remove(at);
        let response = match answer {
            McuAnswer::Done(_) => C3pResponse::success(&request, request.command.empty_result()),
            McuAnswer::Refused => C3pResponse::failure(&request, Reason::OtherFailure),
            McuAnswer::Lost => C3pResponse::failure(&request, Reason::McuFailingOver),
        };
        self.finish(&person, request.request_id, &response);
    }

    fn eject(&mut self, person: &PersonKey, request: &C3pRequest, user: &str, cx: &mut Cx<'_>) -> Verdict {
        let fail = |reason: Reason| Verdict::Done(Box::new(C3pResponse::failure(request, reason)));
        let seats: Vec<PersonKey> = self.of_user(user).map(|(key, _)| key.clone()).collect();
        if seats.is_empty() {
            return fail(Reason::UserDoesntExist);
        }
        let own = user == person.user;
        if self.is_organizer(user) && !own {
            return fail(Reason::Forbidden);
        }
        let response = C3pResponse::success(request, CommandResult::DeleteUser);
        if own {
            // The answer has to leave before the dialog that carries it.
            self.finish(person, request.request_id, &response);
        }
        let in_lobby = !self.user_is_in(user);
        let how = Farewell {
            method: DisconnectionMethod::Booted,
            subscription: "rejected",
            id: ids::REMOVED,
            reason: "Removed by a presenter",
            ban: (!own).then_some(if in_lobby { Removed::Denied } else { Removed::Ejected }),
        };
        self.throw_out(&seats, how, cx);
        if own { Verdict::Over } else { Verdict::Done(Box::new(response)) }
    }

    fn set_lock(&mut self, locked: bool, cx: &mut Cx<'_>) {
        if self.head.locked != locked {
            self.head.locked = locked;
            self.ledger.head_changed();
            self.changed_state();
            self.order_all(&McuOrder::Lock { locked });
            self.schedule_publish(true, cx);
        }
    }

    fn set_role(&mut self, user: &str, role: &Role) -> Result<(), Reason> {
        let presenter = match role {
            Role::Presenter => true,
            Role::Attendee => false,
            Role::Other(_) => return Err(Reason::InvalidRole),
        };
        let seats: Vec<PersonKey> = self.of_user(user).map(|(key, _)| key.clone()).collect();
        if seats.is_empty() {
            return Err(Reason::UserDoesntExist);
        }
        let others = self.people.iter().any(|(key, found)| key.user != user && found.record.presenter);
        if !presenter && self.is_presenter(user) && !others && !self.is_organizer(user) {
            return Err(Reason::Forbidden);
        }
        for seat in &seats {
            if let Some(found) = self.people.get_mut(seat) {
                found.record.presenter = presenter;
            }
            self.store_person(seat);
        }
        self.changed_user(user);
        Ok(())
    }

    fn set_lobby_access(
        &mut self,
        request: &C3pRequest,
        users: &[String],
        access: Access,
        cx: &mut Cx<'_>,
    ) -> C3pResponse {
        let results: Vec<LobbyResult> = users
            .iter()
            .map(|user| {
                let failure = self.decide(&user_key(user), access, cx).err();
                LobbyResult { user: user.clone(), failure }
            })
            .collect();
        self.schedule_publish(true, cx);
        self.check_countdown(cx);
        let all_failed = !results.is_empty() && results.iter().all(|one| one.failure.is_some());
        let first = results.iter().find_map(|one| one.failure.clone()).filter(|_| all_failed);
        let mut response = C3pResponse::success(request, CommandResult::SetLobbyAccess(results));
        if let Some(reason) = first {
            response.code = c3p::command::Code::Failure;
            response.reason = Some(reason);
        }
        response
    }

    fn decide(&mut self, user: &str, access: Access, cx: &mut Cx<'_>) -> Result<(), Reason> {
        let waiting: Vec<PersonKey> = self
            .of_user(user)
            .filter(|(_, found)| found.record.in_lobby)
            .map(|(key, _)| key.clone())
            .collect();
        if waiting.is_empty() {
            let known = self.of_user(user).next().is_some();
            return Err(if known { Reason::UserExists } else { Reason::UserDoesntExist });
        }
        match access {
            Access::Granted => self.let_in(&waiting),
            Access::Denied => {
                let how = Farewell {
                    method: DisconnectionMethod::Booted,
                    subscription: "rejected",
                    id: ids::REMOVED,
                    reason: "Denied by a presenter",
                    ban: Some(Removed::Denied),
                };
                self.throw_out(&waiting, how, cx);
            }
        }
        Ok(())
    }

    fn let_in(&mut self, waiting: &[PersonKey]) {
        for seat in waiting {
            if let Some(found) = self.people.get_mut(seat) {
                found.record.in_lobby = false;
                found.lobby_until = None;
                if let Some(watch) = &mut found.watch {
                    watch.needs_full = true;
                }
            }
            self.store_person(seat);
            self.changed_user(&seat.user);
        }
    }

    // ----- answers -----

    fn begin_answer(&mut self, person: &PersonKey, request_id: u64, cx: &Cx<'_>) {
        let Some(found) = self.people.get_mut(person) else { return };
        let order = found.next_answer;
        found.next_answer += 1;
        found.answers.insert(request_id, Answer { order, body: None });
        if found.answers.len() > cx.config.bounds.results_max {
            let oldest = found.answers.iter().min_by_key(|(_, answer)| answer.order).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                found.answers.remove(&oldest);
                self.ledger.delete(key::result(&self.name, &person.user, &person.endpoint, oldest));
            }
        }
    }

    /// Keeps the result, and sends it.
    fn finish(&mut self, person: &PersonKey, request_id: u64, response: &C3pResponse) {
        let body = response.write();
        if let Some(answer) = self.people.get_mut(person).and_then(|found| found.answers.get_mut(&request_id))
        {
            answer.body = Some(body.clone());
            let text = String::from_utf8_lossy(&body).into_owned();
            let record = ResultRecord { v: VERSION, order: answer.order, body: text };
            let at = key::result(&self.name, &person.user, &person.endpoint, request_id);
            self.ledger.put(at, record.encode());
        }
        self.send_result(person, body, false);
    }

    /// The INFO with a result.
    pub(super) fn send_result(&mut self, person: &PersonKey, body: Bytes, repaired: bool) {
        let contact = self.contact();
        let Some(found) = self.people.get_mut(person) else { return };
        let reach = found.focus_reach();
        let Some(focus) = found.focus.as_mut() else { return };
        let draft = focus
            .dialog
            .request(Method::Info)
            .header("Contact", contact.as_str())
            .header("Supported", "ms-dialog-route-set-update")
            .body(c3p::mime::C3P, body.clone());
        self.request(draft, reach, Sent::Result { person: person.clone(), body, repaired });
    }
}

/// Where to call: the INVITE to the MCU's address comes through the Focus, which announces the caller then.
fn dialed_in(request: &C3pRequest, add: &AddUser, mcu_uri: &str) -> C3pResponse {
    let entity = add.endpoint().map(|endpoint| endpoint.entity.clone()).unwrap_or_default();
    let mut endpoint = Endpoint::unbound(entity).with_joining_method(JoiningMethod::DialedIn);
    endpoint.connection_info = vec![
        ("Mcu-Server-Uri".to_owned(), mcu_uri.to_owned()),
        ("Mcu-Conference-Uri".to_owned(), mcu_uri.to_owned()),
    ];
    let user = User::new(add.user.entity.as_str()).with_endpoint(endpoint);
    let granted = AddUser { conference: add.conference.clone(), user };
    C3pResponse::success(request, CommandResult::AddUser(Some(granted)))
}
