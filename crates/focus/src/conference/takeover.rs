//! Becoming the owner of a conference that somebody else owned (recovery section 2.2).

use std::time::Duration;

use bytes::Bytes;
use c3p::diagnostics::ids;
use c3p::mime::EVENT_CONFERENCE;

use super::join::Join;
use super::participant::{Answer, farewell};
use super::{Conference, Cx, Effect, Incoming, Participant, PersonKey, Reach, Sent};
use crate::frontend::refusal::Refusal;
use crate::record::{ParticipantRecord, ResultRecord};
use crate::report::ConferenceChange;

/// Notifications of a takeover leave in bursts, this far apart.
const TELL_INTERVAL: Duration = Duration::from_millis(100);

impl Conference {
    /// Puts a stored participant back on his seat, absent.
    pub(crate) fn restore(&mut self, record: ParticipantRecord, cx: &Cx<'_>) {
        let key = PersonKey::new(&record.user, &record.endpoint);
        self.next_order = self.next_order.max(record.order.saturating_add(1));
        if record.removed.is_some() {
            self.banned.insert(key, record);
            return;
        }
        let mut person = Participant::new(record);
        person.absent_until = Some(cx.now + cx.config.timers.rejoin_grace);
        person.lobby_until = person.record.in_lobby.then(|| cx.now + cx.config.timers.lobby);
        self.people.insert(key, person);
    }

    /// Puts a stored answer back.
    pub(crate) fn restore_answer(&mut self, person: &PersonKey, request_id: u64, record: &ResultRecord) {
        if let Some(found) = self.people.get_mut(person) {
            let body = Bytes::copy_from_slice(record.body.as_bytes());
            found.answers.insert(request_id, Answer { order: record.order, body: Some(body) });
            found.next_answer = found.next_answer.max(record.order.saturating_add(1));
        }
    }

    /// Starts to act as the new owner: the MCUs are asked, idle clients are told, at a pace.
    pub(crate) fn take_over(&mut self, cx: &mut Cx<'_>) {
        self.report(ConferenceChange::Moved);
        let mut people: Vec<(bool, u64, PersonKey)> = self
            .people
            .iter()
            .filter(|(_, found)| found.record.subscription.is_some())
            .map(|(key, found)| (!found.record.presenter, found.record.order, key.clone()))
            .collect();
        people.sort();
        self.to_tell = people.into_iter().map(|(_, _, key)| key).collect();
        self.resync_mcus(cx);
        self.tell_next(cx);
        self.check_countdown(cx);
        if self.people.is_empty() {
            self.end(ids::CONFERENCE_ENDED, "The last participant left", cx);
        }
    }

    /// The next burst of `deactivated`.
    pub(super) fn tell_next(&mut self, cx: &mut Cx<'_>) {
        let ticks =
            u32::try_from(Duration::from_secs(1).as_millis() / TELL_INTERVAL.as_millis()).unwrap_or(1);
        let burst = (cx.config.bounds.rejoin_rate / ticks.max(1)).max(1);
        for _ in 0..burst {
            let Some(person) = self.to_tell.pop_front() else { break };
            self.tell(&person, cx);
        }
        self.tell_at = (!self.to_tell.is_empty()).then(|| cx.now + TELL_INTERVAL);
    }

    fn tell(&mut self, person: &PersonKey, cx: &Cx<'_>) {
        let contact = self.contact();
        let Some(found) = self.people.get(person) else { return };
        // Who came back meanwhile has a dialog again, and is not to be sent away from it.
        if found.focus.is_some() {
            return;
        }
        let Some(draft) = found.record.subscription.as_ref().and_then(farewell) else { return };
        let reach = Reach { flow: None, gruu: found.record.gruu.clone() };
        let diagnostics = format!(
            "{};reason=\"The conference moved to another front end\";source=\"{}\"",
            ids::FOCUS_MOVED,
            cx.config.name
        );
        let draft = draft
            .header("Contact", contact.as_str())
            .header("Event", EVENT_CONFERENCE)
            .header("Subscription-State", "terminated;reason=deactivated")
            .header("ms-diagnostics", diagnostics.as_str());
        self.emit(Effect::Request { draft, reach, sent: Sent::Farewell });
    }

    /// Whether joins wait until the MCUs have told what they have: else the first document would lack their endpoints.
    pub(super) fn hold_join(
        &mut self,
        incoming: Incoming,
        join: Join,
        cx: &mut Cx<'_>,
    ) -> Option<(Incoming, Join)> {
        if !self.mcus.is_resyncing() {
            return Some((incoming, join));
        }
        if self.waiting.len() >= cx.config.bounds.held_max {
            let refusal =
                Refusal::new(503, ids::NO_OWNER, "Too many rejoins at once").with("Retry-After", "10");
            self.refuse(&incoming, &refusal, cx);
        } else {
            self.waiting.push_back((incoming, join));
        }
        None
    }

    /// The last MCU has told what it has, or was given up: who waits comes in.
    pub(super) fn resync_settled(&mut self, cx: &mut Cx<'_>) {
        if self.mcus.is_resyncing() {
            return;
        }
        for (incoming, join) in std::mem::take(&mut self.waiting) {
            self.on_join(incoming, join, cx);
        }
    }
}
