//! Joining: the INVITE with `addUser` (c3p section 3.9), and coming back (the rejoin rule).

use std::time::Duration;

use c3p::Reason;
use c3p::command::{AddUser, CommandResult, Request as C3pRequest, Response as C3pResponse};
use c3p::diagnostics::ids;
use c3p::info::{EndpointStatus, Role, User};
use sip_core::{Dialog, Request, ResponseDraft, SessionTimer, SessionTimerConfig, SessionTimerError};

use super::participant::{FocusDialog, newcomer};
use super::{Conference, Cx, Effect, Incoming, Participant, PersonKey, Sent, user_key};
use crate::frontend::refusal::{ALLOW, Refusal, SIP_LAYER};
use crate::record::{ParticipantRecord, Removed};
use crate::report::ConferenceChange;

/// A join request that was understood and is its sender's own.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) request: C3pRequest,
    pub(crate) add: AddUser,
}

/// What a newcomer gets.
struct Admission {
    presenter: bool,
    in_lobby: bool,
}

impl Conference {
    /// Lets somebody in, into the lobby, or in again; or refuses.
    pub(crate) fn on_join(&mut self, incoming: Incoming, join: Join, cx: &mut Cx<'_>) {
        let Some((incoming, join)) = self.hold_join(incoming, join, cx) else { return };
        if let Err(refusal) = self.join(&incoming, &join, cx) {
            self.refuse(&incoming, &refusal, cx);
        }
    }

    fn join(&mut self, incoming: &Incoming, join: &Join, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let endpoint = join.add.endpoint().map(|endpoint| endpoint.entity.clone()).unwrap_or_default();
        let key = PersonKey::new(&join.add.user.entity, &endpoint);
        let session = SessionOffer::read(&incoming.request, cx)?;
        if let Some(banned) = self.banned.get(&key) {
            let (refusal, reason) = match banned.removed {
                Some(Removed::Ended) => {
                    let refusal = Refusal::new(404, ids::CONFERENCE_ENDED, "The conference has ended");
                    (refusal, Reason::ConferenceDoesntExist)
                }
                Some(Removed::Ejected | Removed::Denied) | None => {
                    (Refusal::new(403, ids::REMOVED, "Removed by a presenter"), Reason::UserRemoved)
                }
            };
            return Err(refusal.with_body(C3pResponse::failure(&join.request, reason).write()));
        }
        let tag = cx.ids.token();
        let dialog = Dialog::uas(&incoming.request, &tag)
            .map_err(|_| Refusal::new(400, SIP_LAYER, "The request cannot begin a dialog"))?;
        let epid = incoming.request.from().param("epid").map(str::to_owned);
        let former = self.former(&key, epid.as_deref());
        let before =
            former.as_ref().and_then(|former| self.people.get(former)).map(|found| found.record.clone());
        let mut record = match &former {
            Some(former) => self.take_former(former, &key, cx),
            None => self.admit(&key, join, cx)?,
        };
        self.describe(&mut record, join, &incoming.request, epid, cx);
        self.index_dialog(dialog.id().clone(), key.clone());
        let focus = session.dialog(dialog, incoming, cx);
        let answer = self.join_answer(incoming, join, &record, &tag, session.header());
        let unchanged = before.is_some_and(|before| {
            ParticipantRecord { subscription: None, ..before } == record && former.as_ref() == Some(&key)
        });
        self.seat(&key, record, focus, cx);
        self.respond(incoming, answer);
        if !unchanged {
            self.changed_user(&key.user);
            self.schedule_publish(false, cx);
        }
        self.wake_up(cx);
        self.check_countdown(cx);
        Ok(())
    }

    /// The seat that this endpoint, or this device with a new endpoint id, had before.
    fn former(&self, key: &PersonKey, epid: Option<&str>) -> Option<PersonKey> {
        if self.people.contains_key(key) {
            return Some(key.clone());
        }
        let epid = epid?;
        self.of_user(&key.user)
            .find(|(_, person)| person.record.epid.as_deref() == Some(epid))
            .map(|(former, _)| former.clone())
    }

    /// Ends the former dialogs; the seat goes on under the new endpoint.
    fn take_former(&mut self, former: &PersonKey, key: &PersonKey, cx: &mut Cx<'_>) -> ParticipantRecord {
        self.to_tell.retain(|waiting| waiting != former);
        let bye = self.farewell_bye(former, ids::REPLACED, "Replaced by a rejoin", cx);
        if let Some(effect) = bye {
            self.emit(effect);
        }
        let Some(person) = self.people.get_mut(former) else { return newcomer(&key.user, &key.endpoint) };
        let mut record = person.record.clone();
        record.subscription = None;
        if former != key {
            let answers: Vec<u64> = person.answers.keys().copied().collect();
            self.people.remove(former);
            self.erase_person(former, answers.into_iter());
            record.endpoint.clone_from(&key.endpoint);
        }
        record
    }

    /// What a newcomer gets, if anything.
    fn admit(&mut self, key: &PersonKey, join: &Join, cx: &mut Cx<'_>) -> Result<ParticipantRecord, Refusal> {
        let fail = |refusal: Refusal, reason: Reason| {
            Err(refusal.with_body(C3pResponse::failure(&join.request, reason).write()))
        };
        if self.people.len() >= cx.config.bounds.participants_max {
            return fail(
                Refusal::new(486, SIP_LAYER, "The conference is full"),
                Reason::MaxMeetingSizeExceeded,
            );
        }
        if is_anonymous(&key.user) && self.head.admission_policy != "anonymous" {
            let refusal = Refusal::c3p(ids::C3P_AUTHORIZATION);
            return fail(refusal, Reason::AnonymousUsersNotAllowed);
        }
        let admission = self.admission(&key.user);
        if admission.in_lobby {
            let waiting = self.people.values().filter(|person| person.record.in_lobby).count();
            if !join.add.lobby_capable() || waiting >= cx.config.bounds.lobby_max {
                return fail(Refusal::c3p(ids::C3P_AUTHORIZATION), Reason::Forbidden);
            }
        }
        let mut record = newcomer(&join.add.user.entity, &key.endpoint);
        record.presenter = admission.presenter;
        record.in_lobby = admission.in_lobby;
        record.order = self.next_order;
        self.next_order += 1;
        Ok(record)
    }

    fn admission(&self, user: &str) -> Admission {
        if self.is_organizer(user) {
            return Admission { presenter: true, in_lobby: false };
        }
        let listed = |list: &[String]| list.iter().any(|one| user_key(one) == user);
        let presenter = listed(&self.head.presenters) || self.is_presenter(user);
        if self.user_is_in(user) {
            return Admission { presenter, in_lobby: false };
        }
        let invited = presenter || listed(&self.head.attendees);
        let closed = self.head.admission_policy == "closedAuthenticated" && !invited;
        Admission { presenter, in_lobby: self.head.locked || closed }
    }

    fn describe(
        &self,
        record: &mut ParticipantRecord,
        join: &Join,
        request: &Request,
        epid: Option<String>,
        cx: &Cx<'_>,
    ) {
        let display = join.add.user.display_text.as_deref().or(request.from().display());
        if let Some(display) = display {
            record.display = display.chars().take(cx.config.bounds.name_chars_max).collect();
        }
        record.epid = epid;
        record.gruu = request.contact().map(|contact| contact.uri().to_string());
    }

    fn join_answer(
        &self,
        incoming: &Incoming,
        join: &Join,
        record: &ParticipantRecord,
        tag: &str,
        session: Option<String>,
    ) -> ResponseDraft {
        let status = if record.in_lobby { EndpointStatus::OnHold } else { EndpointStatus::Connected };
        let role = if record.presenter { Role::Presenter } else { Role::Attendee };
        let endpoint = c3p::info::Endpoint::unbound(record.endpoint.as_str()).with_status(status);
        let user = User::new(join.add.user.entity.as_str()).with_role(role).with_endpoint(endpoint);
        let granted = AddUser { conference: join.add.conference.clone(), user };
        let body = self.c3p_answer(&join.request, CommandResult::AddUser(Some(granted)));
        let mut response = ResponseDraft::to(&incoming.request, 200)
            .to_tag(tag)
            .header("Contact", self.contact())
            .header("Supported", "ms-dialog-route-set-update, timer")
            .header("Allow", ALLOW);
        if let Some(session) = session {
            response = response.header("Require", "timer").header("Session-Expires", session.as_str());
        }
        response.body(c3p::mime::C3P, body)
    }

    /// Puts somebody on a seat, with a new dialog.
    fn seat(&mut self, key: &PersonKey, record: ParticipantRecord, focus: FocusDialog, cx: &Cx<'_>) {
        let person = self.people.entry(key.clone()).or_insert_with(|| Participant::new(record.clone()));
        person.lobby_until = match (record.in_lobby, person.lobby_until) {
            (true, None) => Some(cx.now + cx.config.timers.lobby),
            (true, until) => until,
            (false, _) => None,
        };
        person.record = record;
        person.focus = Some(focus);
        person.watch = None;
        person.absent_until = None;
        person.resend_at = None;
        self.store_person(key);
    }

    /// The first one in activates the conference.
    fn wake_up(&mut self, cx: &mut Cx<'_>) {
        if !self.head.active {
            self.head.active = true;
            self.ledger.head_changed();
            self.report(ConferenceChange::Activated);
            self.activate_mcus(cx);
        }
    }

    /// The Focus's Contact.
    pub(super) fn contact(&self) -> String {
        format!("<{}>;isfocus", self.head.uri)
    }

    /// A last BYE in the INVITE dialog, which is forgotten.
    pub(super) fn farewell_bye(
        &mut self,
        person: &PersonKey,
        id: u32,
        reason: &str,
        cx: &Cx<'_>,
    ) -> Option<Effect> {
        let source = &cx.config.name;
        let found = self.people.get_mut(person)?;
        let reach = found.focus_reach();
        let mut focus = found.focus.take()?;
        let draft = focus
            .dialog
            .request(sip_core::Method::Bye)
            .header("ms-diagnostics", format!("{id};reason=\"{reason}\";source=\"{source}\""));
        Some(Effect::Request { draft, reach, sent: Sent::Farewell })
    }
}

/// Anonymous people have addresses of their own kind (`auth.md` section 6).
pub(super) fn is_anonymous(user: &str) -> bool {
    user.ends_with("@anonymous.invalid")
}

/// The session timer that a request asks for (RFC 4028).
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionOffer {
    interval: Option<Duration>,
    we_refresh: bool,
}

impl SessionOffer {
    /// Reads the wish, or says 422.
    pub(super) fn read(request: &Request, cx: &Cx<'_>) -> Result<Self, Refusal> {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let timers = &cx.config.timers;
        let config = SessionTimerConfig::default()
            .with_interval_s(seconds(timers.session_interval))
            .with_min_s(seconds(timers.session_minimum));
        match SessionTimer::from_request(request, &config, cx.now) {
            Ok(None) => Ok(Self { interval: None, we_refresh: false }),
            Ok(Some(settled)) => Ok(Self {
                interval: Some(Duration::from_secs(settled.interval_s().into())),
                we_refresh: settled.we_refresh(),
            }),
            Err(SessionTimerError::TooSmall { min_s }) => {
                let refusal = Refusal::new(422, SIP_LAYER, "The session interval is too small");
                Err(refusal.with("Min-SE", min_s.to_string()))
            }
            Err(_) => Err(Refusal::new(400, SIP_LAYER, "Session-Expires cannot be read")),
        }
    }

    /// What the answer says.
    pub(super) fn header(self) -> Option<String> {
        let refresher = if self.we_refresh { "uas" } else { "uac" };
        Some(format!("{};refresher={refresher}", self.interval?.as_secs()))
    }

    fn dialog(self, dialog: Dialog, incoming: &Incoming, cx: &Cx<'_>) -> FocusDialog {
        let mut focus = FocusDialog {
            dialog,
            invite: incoming.tx,
            flow: Some(incoming.flow),
            interval: None,
            we_refresh: false,
            probe_at: None,
            probing: false,
        };
        self.apply(&mut focus, cx);
        focus
    }

    /// Starts the session timer of a dialog anew.
    pub(super) fn apply(self, focus: &mut FocusDialog, cx: &Cx<'_>) {
        focus.interval = self.interval;
        focus.we_refresh = self.we_refresh;
        focus.probing = false;
        focus.restart_timer(cx.now);
    }
}
