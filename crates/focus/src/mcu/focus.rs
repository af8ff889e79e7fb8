//! The side towards the Focus: its commands, the news for it, and what happens when nobody is there.

use std::time::Instant;

use c3p::command::{
    AddUser, Command, CommandResult, Document, Notify, Request as C3pRequest, Response as C3pResponse,
};
use sip_core::{Method, NameAddr, Request, RequestDraft, ServerTransactionId, TransactionError, Uri};

use super::call::Ending;
use super::room::{Authorized, News, Room, RoomId, canonical_user};
use super::{EPOCHS_MAX, McuCore, Purpose, room_key, target, way};
use crate::interior::{self, Answer, Envelope, Refusal};

impl McuCore {
    /// A command of a Focus.
    pub(super) fn on_interior(&mut self, tx: ServerTransactionId, request: &Request, now: Instant) {
        let draft = match self.obey(request, now) {
            Ok((envelope, response)) => {
                interior::answer(request, envelope.epoch, &envelope.instance, &response)
            }
            Err(refusal) => refusal.answer(request, &self.config.name),
        };
        self.endpoint.respond(tx, draft, now);
    }

    fn obey(&mut self, request: &Request, now: Instant) -> Result<(Envelope, C3pResponse), Refusal> {
        let (envelope, document) = interior::parse(request, &self.limits)?;
        let Document::Request(c3p) = document else { return Err(Refusal::Malformed) };
        let key = c3p.command.conference().and_then(room_key).ok_or(Refusal::Malformed)?;
        let known = self.room_keys.get(&key).copied();
        self.check_epoch(&key, known, envelope.epoch)?;
        let result = match &c3p.command {
            Command::ActivateConference { conference, .. } => {
                let room = self.activate(&key, known, conference, &c3p, &envelope, now)?;
                CommandResult::ActivateConference(self.document(room))
            }
            command => {
                let room =
                    known.filter(|id| self.is_instance(*id, &envelope)).ok_or(Refusal::UnknownConference)?;
                self.owned_by(room, &envelope, now);
                self.command(room, command, now)?
            }
        };
        Ok((envelope, C3pResponse::success(&c3p, result)))
    }

    fn command(&mut self, id: RoomId, command: &Command, now: Instant) -> Result<CommandResult, Refusal> {
        match command {
            Command::Resync { .. } => Ok(CommandResult::Resync(self.document(id))),
            Command::AddUser(add) => {
                self.authorize(id, add, now)?;
                Ok(CommandResult::AddUser(Some(add.clone())))
            }
            Command::DeleteUser { user, .. } => {
                self.remove_user(id, user, now)?;
                Ok(CommandResult::DeleteUser)
            }
            Command::ModifyConferenceLock { locked, .. } => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.locked = *locked;
                }
                Ok(CommandResult::ModifyConferenceLock)
            }
            Command::ModifyUserRoles { .. } => Ok(CommandResult::ModifyUserRoles),
            Command::DeactivateConference { .. } => {
                self.close_room(id, &Ending::Ended, now);
                Ok(CommandResult::DeactivateConference)
            }
            Command::AddConference(_)
            | Command::SetLobbyAccess { .. }
            | Command::DeleteConference { .. }
            | Command::GetConference { .. }
            | Command::ActivateConference { .. }
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
            | Command::Unknown { .. } => Err(Refusal::NotImplemented),
        }
    }

    fn check_epoch(&self, key: &str, known: Option<RoomId>, epoch: u64) -> Result<(), Refusal> {
        let here = known.and_then(|id| self.rooms.get(&id)).map(|room| room.epoch);
        let gone = self.epochs.iter().find(|(of, _)| of == key).map(|(_, epoch)| *epoch);
        match here.or(gone) {
            Some(current) if epoch < current => Err(Refusal::StaleEpoch { current }),
            Some(_) | None => Ok(()),
        }
    }

    fn is_instance(&self, id: RoomId, envelope: &Envelope) -> bool {
        self.rooms.get(&id).is_some_and(|room| room.instance == envelope.instance)
    }

    fn activate(
        &mut self,
        key: &str,
        known: Option<RoomId>,
        conference: &str,
        request: &C3pRequest,
        envelope: &Envelope,
        now: Instant,
    ) -> Result<RoomId, Refusal> {
        if let Some(id) = known {
            if self.is_instance(id, envelope) {
                self.owned_by(id, envelope, now);
                return Ok(id);
            }
            self.close_room(id, &Ending::FailingOver, now);
        }
        if self.lease.is_draining() || self.rooms.len() >= self.config.bounds.rooms_max {
            return Err(Refusal::Busy);
        }
        let derived = || c3p::uri::mcu_uri(conference, self.config.mcu);
        let uri = request.mcu_uri.clone().or_else(derived).ok_or(Refusal::Malformed)?;
        self.last_id += 1;
        let id = self.last_id;
        let room = Room {
            key: key.to_owned(),
            conference: conference.to_owned(),
            uri,
            mcu: self.config.mcu,
            epoch: envelope.epoch,
            instance: envelope.instance.clone(),
            owner: envelope.sender,
            last_heard: now,
            orphan_since: None,
            locked: false,
            authorized: Default::default(),
            members: Default::default(),
            last_message: 0,
            deliveries: Default::default(),
            news: News::default(),
            due: None,
        };
        tracing::info!(conference = room.id(), epoch = room.epoch, "conference activated");
        self.rooms.insert(id, room);
        self.room_keys.insert(key.to_owned(), id);
        self.epochs.retain(|(of, _)| of != key);
        self.reschedule(id);
        Ok(id)
    }

    /// The sender of a command that was obeyed is the owner from now on, whoever it was before.
    fn owned_by(&mut self, id: RoomId, envelope: &Envelope, now: Instant) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        debug_assert!(envelope.epoch >= room.epoch, "the epoch was checked");
        let moved = envelope.epoch > room.epoch;
        room.epoch = envelope.epoch;
        room.owner = envelope.sender;
        room.last_heard = now;
        room.orphan_since = None;
        if moved && let Some(tx) = room.news.in_flight.take() {
            // It was for the owner before; a resync tells the new one all, but it may not ask for one.
            room.news.full = true;
            room.news.retry_at = Some(now + self.config.timers.notify_retry);
            self.sent.remove(&tx);
            self.endpoint.abandon(tx);
        }
        self.reschedule(id);
    }

    fn authorize(&mut self, id: RoomId, add: &AddUser, now: Instant) -> Result<(), Refusal> {
        let uri = Uri::parse(&add.user.entity).map_err(|_| Refusal::Malformed)?;
        let until = now + self.config.timers.authorization;
        let Some(room) = self.rooms.get_mut(&id) else { return Err(Refusal::UnknownConference) };
        let user = canonical_user(&uri);
        if room.authorized.len() >= self.config.bounds.authorized_max && !room.authorized.contains_key(&user)
        {
            return Err(Refusal::Busy);
        }
        let (entity, display) = (add.user.entity.clone(), add.user.display_text.clone());
        room.authorized.insert(user, Authorized { entity, display, until });
        self.wake(id, until);
        Ok(())
    }

    fn remove_user(&mut self, id: RoomId, user: &str, now: Instant) -> Result<(), Refusal> {
        let user = canonical_user(&Uri::parse(user).map_err(|_| Refusal::Malformed)?);
        let Some(room) = self.rooms.get_mut(&id) else { return Err(Refusal::UnknownConference) };
        room.authorized.remove(&user);
        let theirs = room.members.iter().filter(|(_, member)| member.user == user).map(|(member, _)| *member);
        for member in theirs.collect::<Vec<_>>() {
            self.end_call((id, member), &Ending::Removed, now);
        }
        Ok(())
    }

    fn document(&self, id: RoomId) -> Option<Box<c3p::info::ConferenceInfo>> {
        self.rooms.get(&id).map(|room| Box::new(room.full_document()))
    }

    /// Ends all calls of a conference and forgets it, but for its epoch.
    pub(super) fn close_room(&mut self, id: RoomId, ending: &Ending, now: Instant) {
        let members: Vec<_> =
            self.rooms.get(&id).map(|room| room.members.keys().copied().collect()).unwrap_or_default();
        for member in members {
            self.end_call((id, member), ending, now);
        }
        let Some(room) = self.rooms.remove(&id) else { return };
        if let Some(due) = room.due {
            self.timers.remove(&(due, id));
        }
        if let Some(tx) = room.news.in_flight {
            self.sent.remove(&tx);
            self.endpoint.abandon(tx);
        }
        self.room_keys.remove(&room.key);
        tracing::info!(conference = room.id(), epoch = room.epoch, "conference closed");
        self.epochs.push_back((room.key, room.epoch));
        while self.epochs.len() > EPOCHS_MAX {
            self.epochs.pop_front();
        }
    }

    /// Everything of one conference that is due by itself.
    pub(super) fn room_timeout(&mut self, id: RoomId, now: Instant) {
        let hold = self.config.timers.orphan_hold;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.authorized.retain(|_, one| one.until > now);
        if room.orphan_since.is_some_and(|since| now >= since + hold) {
            return self.close_room(id, &Ending::NoFocus, now);
        }
        if room.news.retry_at.is_some_and(|at| at <= now) {
            room.news.retry_at = None;
        }
        if room.orphan_since.is_none() && now >= room.last_heard + self.config.timers.owner_silence {
            // Ask for a sign of life by telling everything; the next question is another silence away.
            room.last_heard = now;
            room.news.full = true;
        }
        self.members_timeout(id, now);
        self.tell_owner(id, now);
    }

    /// An OPTIONS from the address of a front end (Contact, else From) is its heartbeat; orphans of that owner ask again.
    pub(super) fn heard_from(&mut self, request: &Request, now: Instant) {
        let sender =
            request.contact().or(Some(request.from())).and_then(|from| interior::listen_addr(from.uri()));
        let Some(sender) = sender else { return };
        if !self.front_ends.knows(sender) {
            self.lease.read_soon(now);
        }
        let theirs: Vec<RoomId> =
            self.rooms.iter().filter(|(_, room)| room.owner == sender).map(|(id, _)| *id).collect();
        for id in theirs {
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            room.last_heard = now;
            if room.orphan_since.is_some() {
                room.news.full = true;
                self.tell_owner(id, now);
            }
        }
    }

    /// Makes itself known to front ends that are new: they read the pool anew, and need not wait for their next look.
    pub(super) fn greet(&mut self, front_ends: Vec<sip_core::ListenAddr>, now: Instant) {
        let own = self.listener();
        let own = Uri::for_addr(None, own.addr, own.transport);
        for front_end in front_ends {
            let to = Uri::for_addr(None, front_end.addr, front_end.transport);
            let from = NameAddr::new(own.clone()).with_tag(&self.endpoint.new_token());
            let call_id = self.endpoint.new_token();
            let draft = RequestDraft::new(Method::Options, to.clone()).from(from).to(NameAddr::new(to));
            let tx = self.endpoint.send_request(draft.call_id(call_id).cseq(1), target(front_end), now);
            self.endpoint.abandon(tx);
        }
    }

    /// Sends what the owner has not been told, one message at a time.
    pub(super) fn tell_owner(&mut self, id: RoomId, now: Instant) {
        let sender = self.listener();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.news.is_empty() || room.news.in_flight.is_some() || room.news.retry_at.is_some() {
            return;
        }
        room.news.version += 1;
        let info = if room.news.full { room.full_document() } else { room.partial_document() };
        let notify = Document::Notify(Notify::new(room.uri.clone(), room.conference.clone(), info));
        let envelope = Envelope { epoch: room.epoch, instance: room.instance.clone(), sender };
        let endpoint = &mut self.endpoint;
        let draft =
            interior::request(&envelope, &notify, &room.uri, &room.conference, || endpoint.new_token());
        room.news.full = false;
        room.news.dirty.clear();
        // The addresses were checked when the room was made.
        let Ok(draft) = draft else { return };
        let draft = crate::seal::put(self.config.key.as_ref(), draft);
        let tx = endpoint.send_request(draft, target(room.owner), now);
        room.news.in_flight = Some(tx);
        self.sent.insert(tx, (Purpose::Notify(id), way::Step::Owner));
    }

    /// The owner's answer to news.
    pub(super) fn on_notify_answer(&mut self, id: RoomId, response: &sip_core::Response, now: Instant) {
        let answer = interior::parse_answer(response, &self.limits);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.news.in_flight = None;
        match answer {
            Answer::Done(_) | Answer::Taken => {
                room.last_heard = now;
                room.orphan_since = None;
            }
            // It is alive, but not the owner (any more).
            Answer::Refused { status: 403 | 404 | 481, .. } => self.orphaned(id, now),
            Answer::Refused { .. } => self.retry_news(id, now),
        }
        self.tell_owner(id, now);
        self.reschedule(id);
    }

    /// The owner did not answer.
    pub(super) fn on_notify_failed(&mut self, id: RoomId, error: TransactionError, now: Instant) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.news.in_flight = None;
        tracing::info!(conference = room.id(), %error, "the owner does not answer");
        self.orphaned(id, now);
        self.reschedule(id);
    }

    /// Nobody owns the conference as far as we know: calls go on, the clock runs, and all is told to who comes.
    fn orphaned(&mut self, id: RoomId, now: Instant) {
        if let Some(room) = self.rooms.get_mut(&id) {
            room.orphan_since.get_or_insert(now);
        }
        self.retry_news(id, now);
    }

    fn retry_news(&mut self, id: RoomId, now: Instant) {
        let timers = &self.config.timers;
        if let Some(room) = self.rooms.get_mut(&id) {
            let gap = if room.orphan_since.is_some() { timers.owner_silence } else { timers.notify_retry };
            room.news.full = true;
            room.news.retry_at = Some(now + gap);
        }
    }
}
