//! From what the library tells to the event lines of the command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conference::event::Event as Told;
use conference::roster::{self, PropertyValue, RosterSnapshot};
use conference::session::{Completion, RecoveryReport, Status};

use crate::event::{Event, OperationResult, Participant, PropertyChange, RecoveryStatus, Step};

/// The line of one library event, if it has one.
pub(crate) fn event(told: &Told) -> Option<Event> {
    Some(match told {
        Told::State(change) => Event::State {
            machine: "ConferenceSession",
            from: change.from.to_string(),
            to: change.to.to_string(),
            transition: change.transition.to_string(),
            cause: change.cause.to_string(),
            sip_status: change.sip_status,
            diagnostics: change.diagnostics.clone(),
        },
        Told::Properties(changes) => Event::Properties { changes: changes.iter().map(property).collect() },
        Told::Attendance { change, participant: who } => {
            Event::Attendance { change: change.as_str().to_owned(), participant: participant(who) }
        }
        // Folded into the `mcus` of the attendance lines.
        Told::McuAttendance { .. } => return None,
        Told::McuState { mcu, from, to, transition } => Event::McuState {
            mcu: mcu.short_name().to_owned(),
            from: from.to_string(),
            to: to.to_string(),
            transition: transition.to_string(),
        },
        Told::Call { mcu, state, cause } => Event::Call {
            mcu: mcu.short_name().to_owned(),
            state: state.to_string(),
            cause: Some(cause.to_string()),
        },
        Told::Message { from, content_type, text } => {
            Event::Message { from: from.clone(), content_type: content_type.clone(), text: text.clone() }
        }
        Told::Typing { from, active } => {
            Event::Typing { from: from.clone(), state: if *active { "active" } else { "idle" }.to_owned() }
        }
        Told::Operation(completion) => operation(completion),
        Told::Repair { dialog, repaired, detected_by, total } => Event::Repair {
            dialog: dialog.to_string(),
            result: if *repaired { "repaired" } else { "failed" }.to_owned(),
            detected_by: Some(detected_by.to_string()),
            total_ms: millis(*total),
        },
        Told::Recovery(report) => recovery(report),
        Told::Lagged { missed } => Event::Error {
            message: format!("{missed} events were lost because their reader was too slow"),
            help: Some("`roster` and `state` tell what holds now".to_owned()),
        },
        // The library may grow; what this command does not know it shows as it is.
        other => Event::Error {
            message: format!("an event of a kind that this command does not know: {other:?}"),
            help: None,
        },
    })
}

fn operation(completion: &Completion) -> Event {
    let error = completion.result.as_ref().err();
    Event::Operation {
        id: completion.id.0,
        name: completion.name.to_string(),
        result: if error.is_none() { OperationResult::Ok } else { OperationResult::Failed },
        reason: error.map(|error| error.reason().to_string()),
        sip_status: error.and_then(|error| error.sip_status()),
        c3p_code: error.and_then(|error| error.c3p_code()).map(str::to_owned),
        diagnostics: error.and_then(|error| error.diagnostics()).map(str::to_owned),
    }
}

fn recovery(report: &Arc<RecoveryReport>) -> Event {
    Event::Recovery {
        level: report.level.to_string(),
        result: report.result.to_string(),
        attempts: report.attempts,
        detected_by: report.detected_by.map(|detector| detector.to_string()),
        detected_ms: millis(report.detected),
        total_ms: millis(report.total),
        operations_failed: report.operations_failed,
        roster_changes: report.roster_changes,
        steps: report
            .steps
            .iter()
            .map(|step| Step { name: step.name.to_string(), ms: millis(step.at) })
            .collect(),
    }
}

/// One participant, as `attendance` and `roster` show it.
pub(crate) fn participant(who: &roster::Participant) -> Participant {
    Participant {
        uri: who.uri.clone(),
        endpoint: Some(who.endpoint.clone()),
        display_name: who.display_name.clone(),
        role: who.role.as_ref().map(|role| role.as_str().to_owned()),
        mcus: who.mcus.iter().map(|mcu| mcu.short_name().to_owned()).collect(),
        in_lobby: who.in_lobby,
        own: who.is_self,
    }
}

/// The answer to `roster`.
pub(crate) fn roster(snapshot: &RosterSnapshot) -> Event {
    Event::Roster {
        participants: snapshot.participants.iter().map(|who| participant(who)).collect(),
        version: snapshot.version,
    }
}

/// The answer to `state`.
pub(crate) fn status(status: &Status) -> Event {
    let now = (Instant::now(), jiff::Timestamp::now());
    Event::Status {
        state: status.state.to_string(),
        since: time_of_day(status.since, now),
        mcus: status
            .mcus
            .iter()
            .map(|(mcu, state)| (mcu.short_name().to_owned(), state.to_string()))
            .collect(),
        calls: status
            .calls
            .iter()
            .map(|(mcu, state)| (mcu.short_name().to_owned(), state.to_string()))
            .collect(),
        pending_operations: status.pending_operations,
        recovery: status.recovery.as_ref().map(|recovery| RecoveryStatus {
            level: recovery.level.to_string(),
            since: time_of_day(recovery.since, now),
            attempts: recovery.attempts,
            last_error: recovery.last_error.clone(),
            deadline: recovery.deadline.map(|deadline| time_of_day(deadline, now)),
        }),
    }
}

fn property(change: &roster::PropertyChange) -> PropertyChange {
    let text = |value: &Option<PropertyValue>| {
        value.as_ref().map(|value| match value {
            PropertyValue::Bool(value) => value.to_string(),
            PropertyValue::Number(value) => value.to_string(),
            PropertyValue::Text(value) => value.clone(),
            other => format!("{other:?}"),
        })
    };
    PropertyChange { name: change.name.to_string(), old: text(&change.old), new: text(&change.new) }
}

/// An instant as time of day; `now` is the same moment on both clocks.
fn time_of_day(instant: Instant, (now, today): (Instant, jiff::Timestamp)) -> String {
    let moved = match instant.checked_duration_since(now) {
        Some(ahead) => today.checked_add(ahead),
        None => today.checked_sub(now.duration_since(instant)),
    };
    format!("{:.3}", moved.unwrap_or(today))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cli.md: `since` and `deadline` are times of day, before and after now.
    #[test]
    fn instants_become_times() {
        let now = (Instant::now(), "2026-11-20T10:00:00Z".parse().expect("a timestamp"));
        let minute = Duration::from_secs(60);
        assert_eq!(time_of_day(now.0 + minute, now), "2026-11-20T10:01:00.000Z");
        assert_eq!(
            time_of_day(now.0.checked_sub(minute).expect("up for a minute"), now),
            "2026-11-20T09:59:00.000Z"
        );
    }
}
