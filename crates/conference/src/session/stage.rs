//! One turn's outputs, sorted into the order of the specification (section 7) before they are given out.

use std::collections::VecDeque;
use std::sync::Arc;

use super::operation::Completion;
use super::output::{Effect, Output};
use super::report::RecoveryReport;
use super::{SessionState, TransitionId};
use crate::event::{Event, StateChange};
use crate::roster::{Changes, Difference, McuDifference, PropertyChange};

/// What one input caused, by kind.
#[derive(Debug, Default)]
pub(super) struct Stage {
    state: Option<StateChange>,
    properties: Vec<PropertyChange>,
    attendance: Vec<Difference>,
    mcu_attendance: Vec<McuDifference>,
    modalities: Vec<Event>,
    reports: Vec<RecoveryReport>,
    others: Vec<Event>,
    completions: Vec<Completion>,
    effects: Vec<Effect>,
}

impl Stage {
    pub(super) fn state(&mut self, change: StateChange) {
        debug_assert!(self.state.is_none(), "two transitions in one turn");
        self.state = Some(change);
    }

    pub(super) fn changes(&mut self, changes: Changes) {
        self.properties.extend(changes.properties);
        self.attendance.extend(changes.attendance);
        self.mcu_attendance.extend(changes.modalities);
    }

    /// MCU-state and call events.
    pub(super) fn modality(&mut self, event: Event) {
        self.modalities.push(event);
    }

    pub(super) fn report(&mut self, report: RecoveryReport) {
        self.reports.push(report);
    }

    /// Events that belong to nothing else.
    pub(super) fn other(&mut self, event: Event) {
        self.others.push(event);
    }

    pub(super) fn complete(&mut self, completion: Completion) {
        self.completions.push(completion);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Gives everything out: the state event, properties and attendance, MCU-state and call events, reports,
    /// completions; last what the wire has to do.
    ///
    /// McuSessions end before their parent's T4, T5 and T9, and all "left" events of T5 come first: there the state event
    /// follows the others. After the final state come completions only.
    pub(super) fn flush(&mut self, out: &mut VecDeque<Output>) {
        let Self {
            state,
            properties,
            attendance,
            mcu_attendance,
            modalities,
            reports,
            others,
            completions,
            effects,
        } = std::mem::take(self);
        let (first, last) = match state {
            Some(change) if state_event_is_last(change.transition) => (None, Some(change)),
            other => (other, None),
        };
        let silent = last.as_ref().is_some_and(|change| change.to == SessionState::Disconnected);
        debug_assert!(!silent || others.is_empty(), "an event that does not belong to the end");

        let mut event = |event| out.push_back(Output::Event(event));
        first.map(Event::State).into_iter().for_each(&mut event);
        if !properties.is_empty() {
            event(Event::Properties(properties.into()));
        }
        for Difference { change, participant } in attendance {
            event(Event::Attendance { change, participant });
        }
        for McuDifference { change, participant } in mcu_attendance {
            event(Event::McuAttendance { change, participant });
        }
        modalities.into_iter().for_each(&mut event);
        reports.into_iter().map(|report| Event::Recovery(Arc::new(report))).for_each(&mut event);
        others.into_iter().for_each(&mut event);
        last.map(Event::State).into_iter().for_each(&mut event);
        for completion in completions {
            out.push_back(Output::Event(Event::Operation(completion.clone())));
            out.push_back(Output::Complete(completion));
        }
        out.extend(effects.into_iter().map(Output::Effect));
    }
}

fn state_event_is_last(transition: TransitionId) -> bool {
    matches!(transition, TransitionId::T4 | TransitionId::T5 | TransitionId::T9)
}
