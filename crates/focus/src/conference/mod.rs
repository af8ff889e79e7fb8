//! The Focus of one conference: who is in it, who may do what, who is told what.
//!
//! It takes requests that were already found to be for this conference and gives [`Effect`]s, held back by a ledger until
//! the change behind them is durable. It neither sends nor stores: the front end does both with what it emits.
//!
//! # Invariants
//!
//! - Every change is written together with the head under the head's revision: who lost ownership cannot write (P1).
//! - Nothing leaves before the change that it tells is committed (P2), and a requestId has one effect (P3).
//! - Every watcher gets every version, or a full document; one change is serialized once for all of them.
//! - Rejoining restores what the same endpoint had, lobby and ejection included (S1, S2).
//!
//! Not here: ownership, holding, forwarding (module `frontend`), XML (crate `c3p`).

mod call;
mod command;
mod dialog;
mod effect;
mod ending;
mod join;
mod mcus;
mod participant;
mod publish;
mod roster;
mod takeover;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use sip_core::{DialogId, FlowId, IdSource, Request, RequestDraft, ResponseDraft, ServerTransactionId};

use crate::config::FrontEndConfig;
use crate::frontend::nodes::Nodes;
use crate::frontend::refusal::Refusal;
use crate::record::{ConferenceHead, Record, key};
use crate::report::ConferenceChange;
use crate::store::Txn;

pub(crate) use command::{check_sender, read_c3p};
pub(crate) use effect::{CallKey, CommandKey, Effect, Ledger, McuOrder, Reach, Sent};
pub(crate) use join::Join;
use join::is_anonymous;
pub(crate) use mcus::McuAnswer;
pub(crate) use participant::{Participant, PersonKey, user_key};
pub(crate) use roster::describe;

/// What the conference may use while it handles one input.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) wall: Timestamp,
    pub(crate) ids: &'a mut dyn IdSource,
    pub(crate) config: &'a FrontEndConfig,
    pub(crate) nodes: &'a Nodes,
}

/// A request, and where its answer goes.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) tx: ServerTransactionId,
    pub(crate) flow: FlowId,
    pub(crate) request: Request,
}

/// How a request of the Focus ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// A final response.
    Response(sip_core::Response),
    /// None came, or there was no way to send it.
    Lost,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Conference {
    name: String,
    head: ConferenceHead,
    revision: u64,
    people: BTreeMap<PersonKey, Participant>,
    /// Endpoints that do not come back: they were thrown out, or in when the conference ended.
    banned: BTreeMap<PersonKey, crate::record::ParticipantRecord>,
    next_order: u64,
    mcus: mcus::Mcus,
    publish: publish::Publisher,
    ledger: Ledger,
    /// Whose dialog it is; entries of ended dialogs are swept.
    dialogs: HashMap<DialogId, PersonKey>,
    calls: call::Calls,
    /// Commands that wait for an MCU.
    pending: Vec<(PersonKey, c3p::command::Request)>,
    /// Joins that wait for the MCUs after a takeover.
    waiting: VecDeque<(Incoming, join::Join)>,
    /// Takeover: those who are still to be told.
    to_tell: VecDeque<PersonKey>,
    tell_at: Option<Instant>,
    /// No longer ours, or over: effects may still leave, nothing else is taken.
    closed: bool,
    /// The record goes away with the last write.
    deleted: bool,
    expires_at: Option<Instant>,
    /// Nobody known by name is inside: it ends then.
    countdown: Option<Instant>,
    /// What the last document said of it, in seconds.
    countdown_s: Option<u64>,
    wake: Option<Instant>,
    /// When all participants were looked through for the next deadline, and which it was.
    looked: Option<(Instant, Option<Instant>)>,
    /// Those whose stored CSeq is too old by now.
    stale: BTreeSet<PersonKey>,
}

/// Conferences up to this size are looked through for their next deadline after each input, larger ones every
/// [`LOOK_GAP`]: no deadline is set nearer than that.
const LOOK_ALWAYS: usize = 64;

/// See [`LOOK_ALWAYS`].
const LOOK_GAP: Duration = Duration::from_millis(500);

impl Conference {
    /// A conference that was just claimed: `head` is what the claim wrote at `revision`.
    pub(crate) fn new(name: String, head: ConferenceHead, revision: u64) -> Self {
        let mcus = mcus::Mcus::new(&head);
        Self {
            name,
            head,
            revision,
            people: BTreeMap::new(),
            banned: BTreeMap::new(),
            next_order: 0,
            mcus,
            publish: publish::Publisher::default(),
            ledger: Ledger::default(),
            dialogs: HashMap::new(),
            calls: call::Calls::default(),
            pending: Vec::new(),
            waiting: VecDeque::new(),
            to_tell: VecDeque::new(),
            tell_at: None,
            closed: false,
            deleted: false,
            expires_at: None,
            countdown: None,
            countdown_s: None,
            wake: None,
            looked: None,
            stale: BTreeSet::new(),
        }
    }

    pub(crate) fn head(&self) -> &ConferenceHead {
        &self.head
    }

    /// Whether it is over or given away, and nothing of it is left to write or to send.
    pub(crate) fn is_done(&self) -> bool {
        self.closed && !self.ledger.is_dirty() && !self.ledger.is_writing()
    }

    /// Whether it takes no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    // ----- the ledger -----

    /// The next write, if there is one and none is under way.
    pub(crate) fn begin_write(&mut self, now: Instant) -> Option<Txn> {
        if !self.ledger.is_dirty() || self.ledger.is_writing() {
            return None;
        }
        for key in std::mem::take(&mut self.stale) {
            if self.people.get_mut(&key).is_some_and(|person| person.refresh_subscription_record(false)) {
                self.store_person(&key);
            }
        }
        self.head.writes += 1;
        let head = (!self.deleted).then(|| self.head.encode());
        self.ledger.begin(&key::head(&self.name), self.revision, head, now)
    }

    /// The write under way was committed; gives what may leave now.
    pub(crate) fn committed(&mut self, revision: u64) -> Vec<Effect> {
        self.revision = revision;
        self.ledger.committed()
    }

    /// What may leave without a write.
    pub(crate) fn free_effects(&mut self) -> Vec<Effect> {
        self.ledger.take_free()
    }

    /// The write under way once more, and since when it is.
    pub(crate) fn write_again(&self) -> Option<(Txn, Instant)> {
        Some((self.ledger.again()?, self.ledger.writing_since()?))
    }

    /// Whether a head in the store is the one that the write under way wrote (its answer was lost).
    pub(crate) fn wrote(&self, stored: &ConferenceHead) -> bool {
        stored.epoch == self.head.epoch
            && stored.writes == self.head.writes
            && stored.owner == self.head.owner
    }

    /// It is lost: the requests that were not answered yet.
    pub(crate) fn into_unanswered(self) -> Vec<Incoming> {
        let held = self.ledger.into_effects().into_iter().filter_map(|effect| match effect {
            Effect::Respond { incoming, .. } => Some(incoming),
            Effect::Call { tx, flow, request, .. } => Some(Incoming { tx, flow, request }),
            Effect::Request { .. } | Effect::Oneway { .. } | Effect::Mcu { .. } | Effect::Report { .. } => {
                None
            }
        });
        held.chain(self.calls.into_incoming()).chain(self.waiting.into_iter().map(|(one, _)| one)).collect()
    }

    fn emit(&mut self, effect: Effect) {
        self.ledger.emit(effect);
    }

    fn respond(&mut self, incoming: &Incoming, response: ResponseDraft) {
        self.emit(Effect::Respond { incoming: incoming.clone(), response });
    }

    fn refuse(&mut self, incoming: &Incoming, refusal: &Refusal, cx: &mut Cx<'_>) {
        tracing::info!(conference = %self.head.id, status = refusal.status, reason = refusal.reason, "refused");
        let response = refusal.response(&incoming.request, &cx.config.name, cx.ids);
        self.respond(incoming, response);
    }

    fn request(&mut self, draft: RequestDraft, reach: Reach, sent: Sent) {
        self.emit(Effect::Request { draft, reach, sent });
    }

    fn report(&mut self, change: ConferenceChange) {
        let participants = self.people.len();
        self.emit(Effect::Report { change, participants });
    }

    /// Writes a participant's record with the next commit.
    fn store_person(&mut self, person: &PersonKey) {
        let name = &self.name;
        if let Some(found) = self.people.get(person) {
            let at = key::participant(name, &person.user, &person.endpoint);
            self.ledger.put(at, found.record.encode());
        }
    }

    /// Removes a participant's record, and its answers, with the next commit.
    fn erase_person(&mut self, person: &PersonKey, answers: impl Iterator<Item = u64>) {
        self.ledger.delete(key::participant(&self.name, &person.user, &person.endpoint));
        for request_id in answers {
            self.ledger.delete(key::result(&self.name, &person.user, &person.endpoint, request_id));
        }
    }

    // ----- people -----

    fn of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = (&'a PersonKey, &'a Participant)> {
        let first = PersonKey { user: user.to_owned(), endpoint: String::new() };
        self.people.range(first..).take_while(move |(key, _)| key.user == user)
    }

    fn user_is_in(&self, user: &str) -> bool {
        self.of_user(user).any(|(_, person)| person.is_in())
    }

    fn is_presenter(&self, user: &str) -> bool {
        self.of_user(user).any(|(_, person)| person.record.presenter)
    }

    fn is_organizer(&self, user: &str) -> bool {
        user_key(&self.head.organizer) == user
    }

    fn users(&self) -> BTreeSet<String> {
        self.people.keys().map(|key| key.user.clone()).collect()
    }

    // ----- time -----

    /// When [`Self::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// Finds the next instant at which something is due; called after every input.
    pub(crate) fn settle(&mut self, now: Instant) {
        let people = self.next_of_people(now);
        let own =
            [people, self.publish.due(), self.mcus.wake(), self.tell_at, self.expires_at, self.countdown];
        self.wake = if self.closed { None } else { own.into_iter().flatten().min() };
    }

    fn next_of_people(&mut self, now: Instant) -> Option<Instant> {
        let again = self.looked.map(|(at, _)| at + LOOK_GAP).filter(|_| self.people.len() > LOOK_ALWAYS);
        match (again, self.looked) {
            (Some(again), Some((_, due))) if now < again && due.is_none_or(|due| now < due) => {
                Some(due.map_or(again, |due| due.min(again)))
            }
            _ => {
                let due = self.people.values().filter_map(Participant::wake).min();
                self.looked = Some((now, due));
                due
            }
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.closed {
            return;
        }
        if self.expires_at.is_some_and(|at| at <= cx.now) {
            self.deleted = true;
            return self.end(c3p::diagnostics::ids::CONFERENCE_ENDED, "The conference expired", cx);
        }
        if self.countdown.is_some_and(|at| at <= cx.now) {
            let reason = "Nobody known by name is left";
            return self.end(c3p::diagnostics::ids::CONFERENCE_ENDED, reason, cx);
        }
        if self.tell_at.is_some_and(|at| at <= cx.now) {
            self.tell_next(cx);
        }
        let due: Vec<PersonKey> = self
            .people
            .iter()
            .filter(|(_, person)| person.wake().is_some_and(|at| at <= cx.now))
            .map(|(key, _)| key.clone())
            .collect();
        for person in due {
            self.person_due(&person, cx);
        }
        self.mcus_due(cx);
        if self.publish.due().is_some_and(|at| at <= cx.now) {
            self.publish_now(cx);
        }
    }

    /// Starts to count its time. A conference without a readable expiry does not expire.
    pub(crate) fn start_clock(&mut self, cx: &Cx<'_>) {
        let until = self.head.expires.parse::<Timestamp>().ok();
        let left = until.map(|until| until.duration_since(cx.wall));
        self.expires_at = left.map(|left| cx.now + Duration::try_from(left).unwrap_or_default());
    }

    /// Ends it if it is live, and removes its record (at the Factory).
    pub(crate) fn delete(&mut self, incoming: &Incoming, request: &c3p::command::Request, cx: &mut Cx<'_>) {
        let entity = Some(self.head.uri.clone());
        let body = self.c3p_answer(request, c3p::command::CommandResult::DeleteConference { entity });
        let response = ResponseDraft::to(&incoming.request, 200).to_tag(&cx.ids.token());
        self.respond(incoming, response.body(c3p::mime::C3P, body));
        self.deleted = true;
        if self.head.active {
            self.end(c3p::diagnostics::ids::ENDED_BY_PRESENTER, "Deleted by its organizer", cx);
        }
        self.erase_banned();
        self.closed = true;
        self.ledger.head_changed();
    }

    /// Starts or stops the countdown: it runs while nobody known by name is inside (conference-info section 5.3).
    fn check_countdown(&mut self, cx: &mut Cx<'_>) {
        let known = |found: &Participant| found.is_in() && !is_anonymous(&found.record.user);
        let empty = self.head.active && !self.people.is_empty() && !self.people.values().any(known);
        if empty != self.countdown.is_some() {
            self.countdown = empty.then(|| cx.now + cx.config.timers.countdown);
            self.changed_state();
            self.schedule_publish(true, cx);
        }
    }

    /// Gives ownership away (a planned move): what comes later is another owner's.
    pub(crate) fn release(&mut self) {
        self.head.owner = None;
        self.ledger.head_changed();
        self.closed = true;
    }

    fn c3p_answer(&self, request: &c3p::command::Request, result: c3p::command::CommandResult) -> Bytes {
        c3p::command::Response::success(request, result).write()
    }
}
