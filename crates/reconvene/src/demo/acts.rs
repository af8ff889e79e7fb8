//! What happens in the demo, in order: meet, talk, and four failures.

use std::time::Duration;

use c3p::McuType;
use conference::session::{OperationId, RecoveryLevel, RepairedDialog, SessionState, TransitionId};
use conference::{JoinOptions, Operation, ScheduleOptions};
use mcu::{CallState, McuTransition};
use tokio::time::Instant;

use super::person::{Mark, Person};
use super::scene::{Scene, Sent};
use super::verdict::roster_difference;
use crate::event::Event;
use crate::failure::{Failure, chain};

/// How long something may take that involves no failure.
const PROMPT: Duration = Duration::from_secs(20);

/// How long the recovery from a dead process may take: above the lease of a front end and the hold of an INVITE.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long healing may take after the outage: above the longest gap between two attempts.
const HEALING: Duration = Duration::from_secs(90);

/// What the acts saw that no event tells.
#[derive(Debug)]
pub(super) struct Evidence {
    /// Per person: the Call-ID of the IM call before the front end died, and after.
    pub(super) call_ids: Vec<(Option<String>, Option<String>)>,
    /// The message that was sent and arrived while the front end was dead.
    pub(super) while_dead: String,
    /// Per person: where its last roster differs from the Focus's own.
    pub(super) roster_differences: Vec<Option<String>>,
    /// Per person: state changes during the silent repair; there must be none.
    pub(super) loud_repairs: Vec<usize>,
}

/// Plays all acts.
///
/// # Errors
///
/// Something did not happen in time.
pub(super) async fn play(scene: &mut Scene<'_>, outage: Duration) -> Result<Evidence, Failure> {
    meet(scene).await?;
    talk(scene, ["Good morning.", "Morning! I hear you.", "So do I."]).await?;
    let (call_ids, while_dead) = front_end_dies(scene).await?;
    talk(scene, ["That was the front end?", "It was. I noticed nothing.", "The call stayed up."]).await?;
    mcu_dies(scene).await?;
    talk(scene, ["And that was the MCU.", "I called the new one.", "Me too."]).await?;
    let loud_repairs = hop_dies(scene).await?;
    talk(scene, ["Now a hop.", "My route goes the other way now.", "Silently."]).await?;
    both_hops_die(scene, outage).await?;
    talk(scene, ["We are back.", "All of us?", "All of us."]).await?;
    let roster_differences = compare_rosters(scene).await?;
    leave(scene).await?;
    Ok(Evidence { call_ids, while_dead, roster_differences, loud_repairs })
}

/// Alice schedules, all join through the hops and call the IM MCU.
async fn meet(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.act("three people join through the hops, over TCP");
    let scheduling = scene.people[0].endpoint.schedule(ScheduleOptions::default().with_subject("Demo"));
    let scheduled = tokio::time::timeout(PROMPT, scheduling)
        .await
        .map_err(|_| Failure::new("the factory did not answer"))?
        .map_err(|error| Failure::new(format!("the conference could not be scheduled: {}", chain(&error))))?;
    scene.output.event(&Event::Scheduled { uri: scheduled.uri.clone(), expires: scheduled.expires });
    for person in &scene.people {
        drop(person.conference.join(&scheduled.uri, JoinOptions::default()));
    }
    scene.until("everybody joins", PROMPT, |scene| scene.people.iter().all(Person::is_well)).await?;
    call(scene).await
}

/// Everybody calls the IM MCU, and sees everybody there.
async fn call(scene: &mut Scene<'_>) -> Result<(), Failure> {
    for person in &scene.people {
        if person.log.call != CallState::Established {
            drop(person.conference.call(McuType::Im));
        }
    }
    scene
        .until("everybody calls the IM MCU", PROMPT, |scene| {
            let count = scene.people.len();
            scene
                .people
                .iter()
                .all(|person| person.log.call == CallState::Established && person.sees_in_call() == count)
        })
        .await
}

/// Each says a line, and all others hear it before the next one speaks.
async fn talk(scene: &mut Scene<'_>, lines: [&str; 3]) -> Result<(), Failure> {
    for (by, line) in lines.into_iter().enumerate() {
        let said = say(scene, by, line, false);
        scene.until("everybody hears everybody", PROMPT, |scene| heard(scene, &said)).await?;
    }
    Ok(())
}

/// One message under way.
struct Said {
    by: usize,
    text: String,
    operation: OperationId,
}

fn say(scene: &mut Scene<'_>, by: usize, text: &str, in_outage: bool) -> Said {
    let operation = begin(scene.people[by].conference.say(text));
    scene.sent.push(Sent { by, text: text.to_owned(), in_outage });
    Said { by, text: text.to_owned(), operation }
}

/// Starts an operation; its end comes as an event.
fn begin(operation: Operation) -> OperationId {
    operation.id()
}

/// Whether the MCU took it and all others have it.
fn heard(scene: &Scene<'_>, said: &Said) -> bool {
    let sender = &scene.people[said.by];
    let others = scene.people.iter().enumerate().filter(|(index, _)| *index != said.by);
    sender.log.done.get(&said.operation).is_some_and(Option::is_none)
        && others.into_iter().all(|(_, person)| person.log.times_heard(&sender.uri, &said.text) > 0)
}

fn marks(scene: &Scene<'_>) -> Vec<Mark> {
    scene.people.iter().map(|person| person.log.mark()).collect()
}

/// Whether something holds for every person since its mark.
fn all(scene: &Scene<'_>, marks: &[Mark], holds: impl Fn(&Person, Mark) -> bool) -> bool {
    scene.people.iter().zip(marks).all(|(person, mark)| holds(person, *mark))
}

async fn call_ids(scene: &Scene<'_>) -> Vec<Option<String>> {
    let mut ids = Vec::new();
    for person in &scene.people {
        ids.push(person.conference.call_id(McuType::Im).await);
    }
    ids
}

/// The owner dies; a message goes through while it is dead; every session finds the new owner.
async fn front_end_dies(
    scene: &mut Scene<'_>,
) -> Result<(Vec<(Option<String>, Option<String>)>, String), Failure> {
    let (owner, _) = scene.owner_and_mcu().await?;
    scene.act(&format!("SIGKILL to {owner}, the front end that owns the conference"));
    let before = call_ids(scene).await;
    let marks = marks(scene);
    scene.kill(&[&owner]).await?;
    let text = "The front end is dead. Can you still hear me?";
    let said = say(scene, 1, text, true);
    scene
        .until("a message arrives while the front end is dead", RECOVERY, |scene| {
            scene.is_dead(&owner) && heard(scene, &said)
        })
        .await?;
    scene
        .until("every session finds the new front end", RECOVERY, |scene| {
            all(scene, &marks, |person, mark| {
                person.is_well() && person.log.recovered_since(mark, RecoveryLevel::Focus)
            })
        })
        .await?;
    let after = call_ids(scene).await;
    Ok((before.into_iter().zip(after).collect(), text.to_owned()))
}

/// The IM MCU dies; another one takes its place, and everybody calls it.
async fn mcu_dies(scene: &mut Scene<'_>) -> Result<(), Failure> {
    let (_, mcu) = scene.owner_and_mcu().await?;
    scene.act(&format!("SIGKILL to {mcu}, the IM MCU in use"));
    let marks = marks(scene);
    scene.kill(&[&mcu]).await?;
    scene
        .until("another MCU takes over", RECOVERY, |scene| {
            all(scene, &marks, |person, mark| {
                let went = person.log.mcu_transitions_since(mark);
                person.is_well()
                    && went.contains(&McuTransition::M4)
                    && went.contains(&McuTransition::M5)
                    && person.log.recovered_since(mark, RecoveryLevel::Mcu)
            })
        })
        .await?;
    call(scene).await
}

/// The hop in use dies; the route is repaired through the other one, and no state changes.
async fn hop_dies(scene: &mut Scene<'_>) -> Result<Vec<usize>, Failure> {
    scene.act("SIGKILL to hop1, the hop that everybody uses");
    let marks = marks(scene);
    scene.kill(&["hop1"]).await?;
    scene
        .until("every route is repaired through the other hop", RECOVERY, |scene| {
            all(scene, &marks, |person, mark| {
                person.is_well()
                    && person.log.repaired_since(mark, RepairedDialog::Focus)
                    && person.log.repaired_since(mark, RepairedDialog::Im)
            })
        })
        .await?;
    Ok(scene
        .people
        .iter()
        .zip(&marks)
        .map(|(person, mark)| person.log.transitions_since(*mark).len())
        .collect())
}

/// Both hops die; one comes back after the outage, and every session heals by itself.
async fn both_hops_die(scene: &mut Scene<'_>, outage: Duration) -> Result<(), Failure> {
    scene.restart("hop1").await?;
    scene.act(&format!("SIGKILL to both hops; one comes back after {} s", outage.as_secs()));
    let marks = marks(scene);
    scene.kill(&["hop1", "hop2"]).await?;
    let back = Instant::now() + outage;
    scene
        .until("every session notices", RECOVERY, |scene| {
            all(scene, &marks, |person, mark| person.log.transitions_since(mark).contains(&TransitionId::T6b))
        })
        .await?;
    scene.until_moment(back).await?;
    scene.restart("hop1").await?;
    scene
        .until("every session heals", HEALING, |scene| {
            all(scene, &marks, |person, mark| {
                person.is_well() && person.log.recovered_since(mark, RecoveryLevel::Route)
            })
        })
        .await?;
    call(scene).await
}

/// Each session's roster against the one that the Focus itself gives.
async fn compare_rosters(scene: &mut Scene<'_>) -> Result<Vec<Option<String>>, Failure> {
    scene.act("the rosters are compared with the Focus's own");
    let mut differences = Vec::new();
    for index in 0..scene.people.len() {
        let asked = scene.people[index].conference.fetch_roster();
        let value = tokio::time::timeout(PROMPT, asked)
            .await
            .map_err(|_| Failure::new("the Focus did not answer getConference"))?
            .map_err(|error| Failure::new(format!("getConference: {}", chain(&error))))?;
        differences.push(roster_difference(&scene.people[index].conference.roster(), &value));
    }
    Ok(differences)
}

/// Everybody leaves in an orderly way.
async fn leave(scene: &mut Scene<'_>) -> Result<(), Failure> {
    scene.act("everybody leaves");
    for person in &scene.people {
        drop(person.conference.leave());
    }
    scene
        .until("everybody leaves", PROMPT, |scene| {
            scene.people.iter().all(|person| person.log.state == Some(SessionState::Disconnected))
        })
        .await
}
