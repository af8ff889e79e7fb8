//! Event lines for people: the time, whose session, and the event in words, with its T and M numbers.

use crate::event::{
    ConferenceChange, Event, NodeChange, NodeInfo, OperationResult, Participant, PropertyChange,
};

/// Width of the column that says whose session it is, where there are several.
const SESSION_WIDTH: usize = 6;

/// One event as one readable line (`ready` and `roster` take more than one); `None`: nothing that people need.
pub(crate) fn line(at: jiff::Timestamp, session: Option<&str>, event: &Event) -> Option<String> {
    let text = match event {
        Event::Properties { changes } => properties(changes)?,
        other => text(other),
    };
    let time = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string();
    Some(match session {
        Some(session) => format!("{time}  {session:SESSION_WIDTH$}  {text}"),
        None => format!("{time}  {text}"),
    })
}

/// Changes in words. Of what a conference starts with only what says something: its title, and that it is locked.
fn properties(changes: &[PropertyChange]) -> Option<String> {
    let telling = changes.iter().filter(|change| {
        let starts = change.old.is_none();
        let value = change.new.as_deref().unwrap_or_default();
        !starts
            || (change.name == "subject" && !value.is_empty())
            || (change.name == "locked" && value == "true")
    });
    let words: Vec<String> = telling
        .map(|change| format!("{} is now {}", change.name, change.new.as_deref().unwrap_or("unset")))
        .collect();
    (!words.is_empty()).then(|| format!("     {}", words.join(", ")))
}

fn text(event: &Event) -> String {
    match event {
        Event::Ready { nodes } => ready(nodes),
        Event::Node { name, kind, pid, change, detail } => {
            let did = match change {
                NodeChange::Started => "started",
                NodeChange::Died => "died",
                NodeChange::TookOver => "took over",
            };
            let pid = pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
            format!("{name} ({}{pid}) {did}{}", kind.as_str(), why(detail.as_deref()))
        }
        Event::Conference { uri, owner, epoch, participants, change } => {
            conference(uri, owner.as_deref(), *epoch, *participants, *change)
        }
        Event::Scheduled { uri, expires } => match expires {
            Some(expires) => format!("scheduled {uri}, until {expires}"),
            None => format!("scheduled {uri}"),
        },
        Event::State { from, to, transition, cause, sip_status, diagnostics, .. } => {
            let status = sip_status.map(|status| format!(", SIP {status}")).unwrap_or_default();
            format!("{transition:<4} {from} → {to} ({cause}{status}){}", why(diagnostics.as_deref()))
        }
        Event::Status { state, since, mcus, calls, pending_operations, recovery } => {
            let mut text = format!("{state} since {since}; {pending_operations} operations pending");
            for (mcu, state) in mcus {
                text.push_str(&format!("; {mcu} MCU {state}"));
            }
            for (mcu, state) in calls {
                text.push_str(&format!("; {mcu} call {state}"));
            }
            if let Some(recovery) = recovery {
                text.push_str(&format!(
                    "; {} recovery since {}, {} attempts",
                    recovery.level, recovery.since, recovery.attempts
                ));
            }
            text
        }
        Event::McuState { mcu, from, to, transition } => format!("{transition:<4} {mcu} MCU {from} → {to}"),
        Event::Call { mcu, state, cause } => format!("     {mcu} call {state}{}", why(cause.as_deref())),
        Event::Attendance { change, participant } => format!("     {} {change}", person(participant)),
        Event::Properties { changes } => properties(changes).unwrap_or_default(),
        Event::Message { from, text, .. } => format!("     {} says: {text}", short(from)),
        Event::Typing { from, state } => {
            format!("     {} {}", short(from), if state == "active" { "is typing" } else { "stopped typing" })
        }
        Event::Operation { id, name, result, reason, sip_status, c3p_code, diagnostics } => {
            let id = format!("#{id} {name}");
            match result {
                OperationResult::Ok => format!("     {id}: done"),
                OperationResult::Failed => {
                    let status = sip_status.map(|status| format!(", SIP {status}")).unwrap_or_default();
                    let code = c3p_code.as_ref().map(|code| format!(", {code}")).unwrap_or_default();
                    let reason = reason.as_deref().unwrap_or("Failure");
                    format!("     {id}: failed ({reason}{status}{code}){}", why(diagnostics.as_deref()))
                }
            }
        }
        Event::Roster { participants, version } => {
            let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
            let mut text = format!("     {} in the conference{version}", participants.len());
            for participant in participants {
                text.push_str(&format!("\n                    {}", person(participant)));
            }
            text
        }
        Event::Repair { dialog, result, detected_by, total_ms } => {
            let by = detected_by.as_ref().map(|by| format!(", seen by {by}")).unwrap_or_default();
            format!("     route of the {dialog} dialog {result} in {total_ms} ms{by}")
        }
        Event::Recovery { level, result, attempts, detected_by, detected_ms, total_ms, .. } => {
            let by = detected_by.as_deref().unwrap_or("the roster");
            format!(
                "     {level} recovery {result}: seen by {by} after {detected_ms} ms, {total_ms} ms in all, \
                 attempts {attempts}"
            )
        }
        Event::Error { message, help } => match help {
            Some(help) => format!("error: {message}; try: {help}"),
            None => format!("error: {message}"),
        },
        Event::Act { number, title } => format!("── {number}. {title}"),
        Event::Check { name, result, detail } => {
            let mark = match result {
                OperationResult::Ok => "ok    ",
                OperationResult::Failed => "FAILED",
            };
            format!("{mark} {name}{}", why(detail.as_deref()))
        }
    }
}

fn ready(nodes: &[NodeInfo]) -> String {
    let mut text = "ready".to_owned();
    for node in nodes {
        let mcu = node.mcu.map(|mcu| format!(" {}", mcu.as_str())).unwrap_or_default();
        let kind = format!("{}{mcu}", node.kind.as_str());
        text.push_str(&format!(
            "\n  {:<6} {kind:<10} pid {:<8} {}",
            node.name,
            node.pid,
            node.listen.join(" ")
        ));
    }
    text
}

fn conference(
    uri: &str,
    owner: Option<&str>,
    epoch: Option<u64>,
    participants: Option<usize>,
    change: ConferenceChange,
) -> String {
    let did = match change {
        ConferenceChange::Created => "created",
        ConferenceChange::Activated => "activated",
        ConferenceChange::Moved => "moved",
        ConferenceChange::Ended => "ended",
    };
    let owner = owner.map(|owner| format!(", owner {owner}")).unwrap_or_default();
    let epoch = epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
    let participants = participants.map(|n| format!(", {n} participants")).unwrap_or_default();
    format!("conference {did}{owner}{epoch}{participants}: {uri}")
}

fn why(detail: Option<&str>) -> String {
    detail.map(|detail| format!(": {detail}")).unwrap_or_default()
}

fn person(participant: &Participant) -> String {
    let mut notes: Vec<&str> = participant.role.iter().map(String::as_str).collect();
    notes.extend(participant.mcus.iter().map(String::as_str));
    if participant.in_lobby {
        notes.push("in the lobby");
    }
    if participant.own {
        notes.push("you");
    }
    let name = participant.display_name.as_deref().unwrap_or_else(|| short(&participant.uri));
    if notes.is_empty() { name.to_owned() } else { format!("{name} ({})", notes.join(", ")) }
}

/// `alice` of `sip:alice@example.com`.
fn short(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or(rest, |(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(event: &Event) -> String {
        line("2026-11-20T10:11:12.5Z".parse().expect("a timestamp"), Some("bob"), event).expect("a line")
    }

    /// What a conference starts with is no news, unless it tells something; what changes is.
    #[test]
    fn properties_that_tell() {
        let change = |name: &str, old: Option<&str>, new: &str| PropertyChange {
            name: name.into(),
            old: old.map(str::to_owned),
            new: Some(new.into()),
        };
        let first = [
            change("conference-id", None, "X"),
            change("locked", None, "false"),
            change("subject", None, ""),
        ];
        assert_eq!(properties(&first), None);
        assert_eq!(properties(&[change("subject", None, "Tea")]).as_deref(), Some("     subject is now Tea"));
        assert_eq!(
            properties(&[change("locked", Some("true"), "false")]).as_deref(),
            Some("     locked is now false")
        );
    }

    /// State lines carry their T numbers, and the cause.
    #[test]
    fn state_lines() {
        let event = Event::State {
            machine: "ConferenceSession",
            from: "Connected".into(),
            to: "Reconnecting".into(),
            transition: "T6a".into(),
            cause: "focus-failover".into(),
            sip_status: Some(481),
            diagnostics: None,
        };
        assert_eq!(
            shown(&event),
            "10:11:12.500  bob     T6a  Connected → Reconnecting (focus-failover, SIP 481)"
        );
    }

    /// A failed operation says why.
    #[test]
    fn failed_operation() {
        let event = Event::Operation {
            id: 3,
            name: "eject".into(),
            result: OperationResult::Failed,
            reason: Some("Failure".into()),
            sip_status: None,
            c3p_code: Some("userDoesntExist".into()),
            diagnostics: None,
        };
        assert!(shown(&event).ends_with("#3 eject: failed (Failure, userDoesntExist)"));
    }
}
