//! The end of the demo: the table of recoveries, and the checks that decide the exit status.

use std::collections::BTreeSet;

use c3p::McuType;
use c3p::info::{EndpointStatus, Role, SessionType, User};
use conference::roster::RosterSnapshot;
use conference::session::{OperationValue, RecoveryResult, TransitionId};

use super::acts::Evidence;
use super::person::Episode;
use super::scene::Scene;
use crate::event::{Event, OperationResult};
use crate::output::Output;

/// One thing that must hold.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) holds: bool,
    pub(super) detail: Option<String>,
}

impl Check {
    fn new(name: &'static str, faults: Vec<String>) -> Self {
        Self { name, holds: faults.is_empty(), detail: (!faults.is_empty()).then(|| faults.join("; ")) }
    }
}

/// Judges what happened.
pub(super) fn judge(scene: &Scene<'_>, evidence: &Evidence) -> Vec<Check> {
    vec![
        Check::new("every session recovered from every failure", unrecovered(scene)),
        Check::new("the dead hop changed no state", loud(scene, evidence)),
        Check::new("the rosters agree with the Focus's own", disagreeing(scene, evidence)),
        Check::new("every message outside an outage arrived exactly once", wrong_counts(scene, false)),
        Check::new("a message arrived while the front end was dead", undelivered(scene, evidence)),
        Check::new("every IM call survived the front end on its old dialog", changed_calls(scene, evidence)),
        Check::new("no message arrived twice", wrong_counts(scene, true)),
    ]
}

fn unrecovered(scene: &Scene<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for person in &scene.people {
        let failed = person.log.recoveries().filter(|report| report.result != RecoveryResult::Recovered);
        faults.extend(failed.map(|report| format!("{}: {} {}", person.name, report.level, report.result)));
        let path = [TransitionId::T6a, TransitionId::T7, TransitionId::T6b, TransitionId::T7];
        let mut went = person.log.transitions.iter();
        if !path.iter().all(|step| went.any(|id| id == step)) {
            faults.push(format!("{} did not go through T6a, T7, T6b, T7", person.name));
        }
        if person.log.lagged {
            faults.push(format!("{} lost events", person.name));
        }
    }
    faults
}

fn loud(scene: &Scene<'_>, evidence: &Evidence) -> Vec<String> {
    let pairs = scene.people.iter().zip(&evidence.loud_repairs);
    pairs
        .filter(|(_, count)| **count > 0)
        .map(|(person, count)| format!("{}: {count} changes", person.name))
        .collect()
}

fn disagreeing(scene: &Scene<'_>, evidence: &Evidence) -> Vec<String> {
    let pairs = scene.people.iter().zip(&evidence.roster_differences);
    pairs
        .filter_map(|(person, difference)| difference.as_ref().map(|text| format!("{}: {text}", person.name)))
        .collect()
}

/// Messages that others did not get exactly once; with `outage`, also those sent in an outage count, if doubled.
fn wrong_counts(scene: &Scene<'_>, outage: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for sent in scene.sent.iter().filter(|sent| outage || !sent.in_outage) {
        let sender = &scene.people[sent.by];
        for (index, person) in scene.people.iter().enumerate() {
            let times = person.log.times_heard(&sender.uri, &sent.text);
            let fine = match (index == sent.by, outage) {
                (true, _) => times == 0,
                (false, false) => times == 1,
                (false, true) => times <= 1,
            };
            if !fine {
                faults.push(format!("{} heard `{}` {times} times", person.name, sent.text));
            }
        }
    }
    faults
}

fn undelivered(scene: &Scene<'_>, evidence: &Evidence) -> Vec<String> {
    let Some(sent) = scene.sent.iter().find(|sent| sent.text == evidence.while_dead) else {
        return vec!["it was never sent".to_owned()];
    };
    let sender = &scene.people[sent.by];
    let others = scene.people.iter().filter(|person| person.uri != sender.uri);
    others
        .filter(|person| person.log.times_heard(&sender.uri, &sent.text) != 1)
        .map(|person| format!("not to {}", person.name))
        .collect()
}

fn changed_calls(scene: &Scene<'_>, evidence: &Evidence) -> Vec<String> {
    let pairs = scene.people.iter().zip(&evidence.call_ids);
    pairs
        .filter(|(_, (before, after))| before.is_none() || before != after)
        .map(|(person, (before, after))| format!("{}: {before:?}, then {after:?}", person.name))
        .collect()
}

/// Where a session's roster differs from the document that `getConference` gave; `None`: nowhere.
///
/// Reads the document by itself, not through the session's own roster code, so that a fault there shows.
pub(super) fn roster_difference(own: &RosterSnapshot, focus: &OperationValue) -> Option<String> {
    let OperationValue::Roster(document) = focus else { return Some("the Focus sent no roster".to_owned()) };
    let own: BTreeSet<String> = own
        .participants
        .iter()
        .map(|who| {
            let mcus: BTreeSet<McuType> = who.mcus.iter().copied().collect();
            row(&who.uri, &who.endpoint, who.role.as_ref(), who.in_lobby, &mcus)
        })
        .collect();
    let users = document.users.iter().flat_map(|users| &users.users);
    let theirs: BTreeSet<String> = users.flat_map(rows_of_user).collect();
    let difference: Vec<String> = own.symmetric_difference(&theirs).cloned().collect();
    (!difference.is_empty()).then(|| difference.join(", "))
}

/// One row per Focus endpoint of a user, with all modalities of that user.
fn rows_of_user(user: &User) -> Vec<String> {
    let mcus: BTreeSet<McuType> = user.endpoints.iter().filter_map(c3p::info::Endpoint::mcu_type).collect();
    let on_focus = user.endpoints.iter().filter(|endpoint| endpoint.session_type == Some(SessionType::Focus));
    on_focus
        .map(|endpoint| {
            let in_lobby = endpoint.status == Some(EndpointStatus::OnHold);
            row(&user.entity, &endpoint.entity, user.roles.first(), in_lobby, &mcus)
        })
        .collect()
}

fn row(uri: &str, endpoint: &str, role: Option<&Role>, in_lobby: bool, mcus: &BTreeSet<McuType>) -> String {
    let role = role.map_or("no role", |role| role.as_str());
    let mcus: Vec<&str> = mcus.iter().map(|mcu| mcu.short_name()).collect();
    let lobby = if in_lobby { " in the lobby" } else { "" };
    format!("{uri} {endpoint} {role}{lobby} [{}]", mcus.join(" "))
}

/// Prints the table (people only: scripts have the events) and the checks.
pub(super) fn show(scene: &Scene<'_>, checks: &[Check], output: &Output) {
    output.note("\nWhat each session recovered from:\n");
    output.note(&line([
        "who",
        "level",
        "result",
        "detected by",
        "detected ms",
        "total ms",
        "operations failed",
        "roster differences",
    ]));
    for person in &scene.people {
        for episode in &person.log.episodes {
            output.note(&line(cells(person.name, episode).each_ref().map(String::as_str)));
        }
    }
    output.note("");
    for check in checks {
        output.event(&Event::Check {
            name: check.name.to_owned(),
            result: if check.holds { OperationResult::Ok } else { OperationResult::Failed },
            detail: check.detail.clone(),
        });
    }
}

/// One line of the table.
fn line(cells: [&str; 8]) -> String {
    let [who, level, result, by, detected, total, failed, differences] = cells;
    format!(
        "{who:<6} {level:<22} {result:<10} {by:<11} {detected:>11} {total:>9} {failed:>18} {differences:>19}"
    )
}

fn cells(name: &str, episode: &Episode) -> [String; 8] {
    match episode {
        // A repair is silent when it works: nothing fails, nobody comes or goes. When it does not, a recovery follows.
        Episode::Repair(repair) => [
            name.to_owned(),
            format!("route ({}), silent", repair.dialog),
            if repair.repaired { "repaired" } else { "not yet" }.to_owned(),
            repair.detected_by.to_string(),
            "0".to_owned(),
            repair.total.as_millis().to_string(),
            "0".to_owned(),
            "0".to_owned(),
        ],
        Episode::Recovery(report) => [
            name.to_owned(),
            report.mcu.map_or_else(
                || report.level.to_string(),
                |mcu| format!("{} {}", mcu.short_name(), report.level),
            ),
            report.result.to_string(),
            report.detected_by.map_or_else(|| "roster".to_owned(), |detector| detector.to_string()),
            report.detected.as_millis().to_string(),
            report.total.as_millis().to_string(),
            report.operations_failed.to_string(),
            report.roster_changes.to_string(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use c3p::info::{ConferenceInfo, Endpoint, Users};
    use conference::roster::Roster;

    use super::*;

    fn document(role: Role) -> ConferenceInfo {
        let endpoint = |session_type| Endpoint {
            entity: "{1}".to_owned(),
            session_type: Some(session_type),
            status: Some(EndpointStatus::Connected),
            ..Endpoint::default()
        };
        let user = User {
            entity: "sip:bob@example.com".to_owned(),
            roles: vec![role],
            endpoints: vec![endpoint(SessionType::Focus), endpoint(SessionType::Chat)],
            ..User::default()
        };
        ConferenceInfo { users: Some(Users::full(vec![user])), version: Some(1), ..ConferenceInfo::default() }
    }

    /// The rosters must agree with the Focus's own, role and modalities included.
    #[test]
    fn rosters_are_compared() {
        let mut roster = Roster::new("sip:bob@example.com", "{1}");
        roster.apply(&document(Role::Attendee), true, conference::roster::Scope::Member);
        let own: Arc<RosterSnapshot> = roster.snapshot();
        let same = OperationValue::Roster(Box::new(document(Role::Attendee)));
        assert_eq!(roster_difference(&own, &same), None);
        let promoted = OperationValue::Roster(Box::new(document(Role::Presenter)));
        assert!(roster_difference(&own, &promoted).is_some());
        assert!(roster_difference(&own, &OperationValue::Done).is_some());
    }
}
