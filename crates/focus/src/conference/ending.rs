//! Leaving, being thrown out, and the end of the conference.
//!
//! Who is thrown out learns it twice, by the subscription and by the dialog, because either may be lost: flow 10 and 13.

use bytes::Bytes;
use c3p::diagnostics::ids;
use c3p::info::DisconnectionMethod;

use super::{Conference, Cx, McuOrder, Participant, PersonKey, Sent};
use crate::record::{ParticipantRecord, Record, Removed, SlotStatus, key};
use crate::report::ConferenceChange;

/// How somebody is sent away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Farewell {
    /// What the roster says.
    pub(super) method: DisconnectionMethod,
    /// Reason in `Subscription-State`.
    pub(super) subscription: &'static str,
    /// Diagnostics of the BYE.
    pub(super) id: u32,
    /// Its text.
    pub(super) reason: &'static str,
    /// The endpoint may not come back.
    pub(super) ban: Option<Removed>,
}

impl Conference {
    /// Somebody left by himself, or is gone.
    pub(super) fn leave(&mut self, person: &PersonKey, method: DisconnectionMethod, cx: &mut Cx<'_>) {
        self.end_watch(person, "timeout", None, cx);
        if self.unseat(person, method).is_none() {
            return;
        }
        self.remove_from_mcus(&person.user);
        if self.people.is_empty() {
            return self.end(ids::CONFERENCE_ENDED, "The last participant left", cx);
        }
        self.schedule_publish(false, cx);
        self.check_countdown(cx);
    }

    /// Sends people away: the last notification, BYE, the MCUs, then everybody else (flow 10).
    pub(super) fn throw_out(&mut self, people: &[PersonKey], how: Farewell, cx: &mut Cx<'_>) {
        // The document that tells the others is the same that tells those who go: one version, one serialization.
        let mut going: Vec<(PersonKey, Participant)> = Vec::new();
        for person in people {
            if let Some(found) = self.unseat(person, how.method) {
                going.push((person.clone(), found));
            }
        }
        if going.is_empty() {
            return;
        }
        let document = self.next_document(cx);
        for (person, found) in &mut going {
            self.say_goodbye(found, how, Some(document.clone()), Sent::Farewell, cx);
            if let Some(removed) = how.ban {
                self.ban(person, found, removed, cx);
            }
        }
        for (person, _) in &going {
            self.remove_from_mcus(&person.user);
        }
        if self.people.is_empty() {
            return self.end(ids::CONFERENCE_ENDED, "The last participant left", cx);
        }
        self.broadcast(&document, cx);
        self.check_countdown(cx);
    }

    /// Ends the conference for everybody (flow 13). Its record stays, and may be activated again.
    pub(super) fn end(&mut self, id: u32, reason: &'static str, cx: &mut Cx<'_>) {
        let document = self.final_document();
        let how = Farewell {
            method: DisconnectionMethod::Booted,
            subscription: "noresource",
            id,
            reason,
            ban: None,
        };
        self.report(ConferenceChange::Ended);
        let mut gone = Vec::new();
        for (person, mut found) in std::mem::take(&mut self.people) {
            let sent = Sent::Over { person: person.clone() };
            self.say_goodbye(&mut found, how, Some(document.clone()), sent, cx);
            let answers: Vec<u64> = found.answers.keys().copied().collect();
            self.erase_person(&person, answers.into_iter());
            gone.push((person, found.record));
        }
        self.erase_banned();
        for (person, record) in if self.deleted { Vec::new() } else { gone } {
            self.bury(&person, record);
        }
        self.refuse_waiting(cx);
        self.order_all(&McuOrder::Deactivate);
        for slot in &mut self.head.mcus {
            slot.status = SlotStatus::Idle;
            slot.node = None;
            slot.address = None;
            slot.incarnation = None;
            slot.instance = None;
        }
        self.head.active = false;
        self.head.locked = false;
        self.head.owner = None;
        self.ledger.head_changed();
        self.dialogs.clear();
        self.countdown = None;
        self.closed = true;
    }

    /// The last NOTIFY and the BYE of somebody whose seat is already empty.
    fn say_goodbye(
        &mut self,
        found: &mut Participant,
        how: Farewell,
        document: Option<Bytes>,
        sent: Sent,
        cx: &mut Cx<'_>,
    ) {
        // The lobby never sees the roster, not even in the last document.
        let document = document.map(|shared| match found.record.in_lobby {
            true => self.own_end(found, how.method),
            false => shared,
        });
        if let Some(effect) = self.last_notify(found, how.subscription, document, cx) {
            self.emit(effect);
        }
        let reach = found.focus_reach();
        let Some(mut focus) = found.focus.take() else { return };
        let diagnostics = format!("{};reason=\"{}\";source=\"{}\"", how.id, how.reason, cx.config.name);
        let bye = focus.dialog.request(sip_core::Method::Bye).header("ms-diagnostics", diagnostics.as_str());
        self.request(bye, reach, sent);
    }

    /// Takes somebody out of the roster and of the store.
    fn unseat(&mut self, person: &PersonKey, method: DisconnectionMethod) -> Option<Participant> {
        let found = self.people.remove(person)?;
        let answers: Vec<u64> = found.answers.keys().copied().collect();
        self.erase_person(person, answers.into_iter());
        self.to_tell.retain(|waiting| waiting != person);
        self.gone(person, &found, method);
        Some(found)
    }

    /// Forgets who may not come back.
    pub(super) fn erase_banned(&mut self) {
        for person in std::mem::take(&mut self.banned).into_keys() {
            self.erase_person(&person, std::iter::empty());
        }
    }

    /// Remembers that somebody was in at the end. Should this owner die before it can tell him, he takes the silence for a
    /// failover, and his rejoin must not begin the conference anew (reliability P8).
    fn bury(&mut self, person: &PersonKey, record: ParticipantRecord) {
        let record = ParticipantRecord { removed: Some(Removed::Ended), subscription: None, ..record };
        self.ledger.put(key::participant(&self.name, &person.user, &person.endpoint), record.encode());
    }

    fn ban(&mut self, person: &PersonKey, found: &Participant, removed: Removed, cx: &Cx<'_>) {
        if self.banned.len() >= cx.config.bounds.participants_max {
            // The oldest ones in key order make room; their GUIDs are long out of use.
            if let Some((oldest, _)) = self.banned.pop_first() {
                self.erase_person(&oldest, std::iter::empty());
            }
        }
        let mut record = found.record.clone();
        record.removed = Some(removed);
        record.subscription = None;
        self.ledger.put(key::participant(&self.name, &person.user, &person.endpoint), record.encode());
        self.banned.insert(person.clone(), record);
    }

    /// The MCUs end the calls of somebody who has no seat any more.
    fn remove_from_mcus(&mut self, user: &str) {
        if self.of_user(user).next().is_none() {
            self.order_all(&McuOrder::Remove { user: user.to_owned(), command: None });
            self.forget_mcu_endpoints(user);
        }
    }
}
