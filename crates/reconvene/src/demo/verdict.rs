//! The end of the demo: the table of recoveries, and the checks that decide the exit status.

use conference::roster::RosterSnapshot;
use conference::session::{OperationValue, RecoveryResult, TransitionId};

use super::acts::Evidence;
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
        let failed = person.log.recoveries.iter().filter(|report| report.result != RecoveryResult::Recovered);
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
    let pairs = scene.people.iter().zip(&evidence.rosters_agree);
    pairs.filter(|(_, agrees)| !**agrees).map(|(person, _)| person.name.to_owned()).collect()
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

/// Whether a session's roster is the one that `getConference` gave.
pub(super) fn same_roster(_own: &RosterSnapshot, _focus: &OperationValue) -> bool {
    false
}

/// Prints the table (people only: scripts have the events) and the checks.
pub(super) fn show(scene: &Scene<'_>, checks: &[Check], output: &Output) {
    output.note("\n── what the sessions recovered from");
    output.note(
        "who     level           result     detected by  detected ms  total ms  operations failed  roster differences",
    );
    for person in &scene.people {
        for repair in &person.log.repairs {
            let (level, result) = (
                format!("{} route, silent", repair.dialog),
                if repair.repaired { "repaired" } else { "failed" },
            );
            output.note(&format!(
                "{:<7} {level:<15} {result:<10} {:<12} {:>11} {:>9}",
                person.name,
                repair.detected_by,
                "",
                repair.total.as_millis()
            ));
        }
        for report in &person.log.recoveries {
            let by = report.detected_by.map_or_else(|| "roster".to_owned(), |detector| detector.to_string());
            output.note(&format!(
                "{:<7} {:<15} {:<10} {by:<12} {:>11} {:>9} {:>18} {:>19}",
                person.name,
                report.level.to_string(),
                report.result.to_string(),
                report.detected.as_millis(),
                report.total.as_millis(),
                report.operations_failed,
                report.roster_changes
            ));
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
