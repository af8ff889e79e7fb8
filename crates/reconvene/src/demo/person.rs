//! One client of the demo, and all that it was told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use c3p::McuType;
use conference::event::Event as Told;
use conference::session::{
    Detector, OperationId, RecoveryLevel, RecoveryReport, RecoveryResult, RepairedDialog, SessionState,
    TransitionId,
};
use conference::{Conference, Endpoint, EndpointConfig};
use mcu::{CallState, McuSessionState, McuTransition};
use sip_core::ListenAddr;

use crate::failure::{Failure, chain};

/// A silent repair of a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repair {
    pub(super) dialog: RepairedDialog,
    pub(super) repaired: bool,
    pub(super) detected_by: Detector,
    pub(super) total: Duration,
}

/// Something that a session got over, or tried to.
#[derive(Debug, Clone)]
pub(super) enum Episode {
    Repair(Repair),
    Recovery(Arc<RecoveryReport>),
}

/// One who takes part.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) uri: String,
    pub(super) endpoint: Endpoint,
    pub(super) conference: Conference,
    pub(super) log: Log,
}

/// What a person was told, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) state: Option<SessionState>,
    pub(super) mcu: Option<McuSessionState>,
    pub(super) call: CallState,
    pub(super) transitions: Vec<TransitionId>,
    pub(super) mcu_transitions: Vec<McuTransition>,
    pub(super) episodes: Vec<Episode>,
    /// Messages: from whom, and what.
    pub(super) heard: Vec<(String, String)>,
    /// How operations ended; `Some`: why they failed.
    pub(super) done: HashMap<OperationId, Option<String>>,
    pub(super) lagged: bool,
}

/// How much of a log was there at one moment: what came since is told from what came before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    transitions: usize,
    mcu_transitions: usize,
    episodes: usize,
}

impl Person {
    /// Starts a client that uses `servers` in that order.
    pub(super) async fn start(name: &'static str, servers: &[ListenAddr]) -> Result<Self, Failure> {
        let uri = format!("sip:{}@example.com", name.to_ascii_lowercase());
        let address = uri.parse().map_err(|error| Failure::new(format!("{uri}: {}", chain(&error))))?;
        let mut config = EndpointConfig::new(address).with_display_name(name);
        for server in servers {
            config = config.with_server(*server);
        }
        let endpoint = Endpoint::start(config).await.map_err(|error| Failure::new(chain(&error)))?;
        let conference = endpoint.conference();
        Ok(Self { name, uri, endpoint, conference, log: Log::default() })
    }

    /// In the conference, with the IM MCU active.
    pub(super) fn is_well(&self) -> bool {
        self.log.state == Some(SessionState::Connected) && self.log.mcu == Some(McuSessionState::Active)
    }

    /// How many people its roster shows in the IM call.
    pub(super) fn sees_in_call(&self) -> usize {
        let roster = self.conference.roster();
        roster.participants.iter().filter(|who| who.mcus.contains(&McuType::Im)).count()
    }

    /// Its state in a few words, for a failure.
    pub(super) fn describe(&self) -> String {
        let state = self.log.state.map_or("not joined".to_owned(), |state| state.to_string());
        format!("{}: {state}, IM call {}", self.name, self.log.call)
    }
}

impl Log {
    /// Takes note of an event.
    pub(super) fn take(&mut self, told: &Told) {
        match told {
            Told::State(change) => {
                self.state = Some(change.to);
                self.transitions.push(change.transition);
            }
            Told::McuState { mcu: McuType::Im, to, transition, .. } => {
                self.mcu = Some(*to);
                self.mcu_transitions.push(*transition);
            }
            Told::Call { mcu: McuType::Im, state, .. } => self.call = *state,
            Told::Message { from, text, .. } => self.heard.push((from.clone(), text.clone())),
            Told::Operation(done) => {
                self.done.insert(done.id, done.result.as_ref().err().map(|error| chain(error)));
            }
            Told::Repair { dialog, repaired, detected_by, total } => {
                self.episodes.push(Episode::Repair(Repair {
                    dialog: *dialog,
                    repaired: *repaired,
                    detected_by: *detected_by,
                    total: *total,
                }))
            }
            Told::Recovery(report) => self.episodes.push(Episode::Recovery(Arc::clone(report))),
            Told::Lagged { .. } => self.lagged = true,
            // Attendance and properties show in the roster; other modalities play no part here.
            _ => {}
        }
    }

    /// This moment.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            transitions: self.transitions.len(),
            mcu_transitions: self.mcu_transitions.len(),
            episodes: self.episodes.len(),
        }
    }

    /// State changes since then.
    pub(super) fn transitions_since(&self, mark: Mark) -> &[TransitionId] {
        &self.transitions[mark.transitions..]
    }

    /// Changes of the IM McuSession since then.
    pub(super) fn mcu_transitions_since(&self, mark: Mark) -> &[McuTransition] {
        &self.mcu_transitions[mark.mcu_transitions..]
    }

    /// All recoveries so far.
    pub(super) fn recoveries(&self) -> impl Iterator<Item = &RecoveryReport> {
        self.episodes.iter().filter_map(|episode| match episode {
            Episode::Recovery(report) => Some(report.as_ref()),
            Episode::Repair(_) => None,
        })
    }

    /// Whether a recovery of that level succeeded since then.
    pub(super) fn recovered_since(&self, mark: Mark, level: RecoveryLevel) -> bool {
        self.episodes[mark.episodes..].iter().any(|episode| match episode {
            Episode::Recovery(report) => report.level == level && report.result == RecoveryResult::Recovered,
            Episode::Repair(_) => false,
        })
    }

    /// Whether the route of that dialog was repaired since then.
    pub(super) fn repaired_since(&self, mark: Mark, dialog: RepairedDialog) -> bool {
        self.episodes[mark.episodes..].iter().any(|episode| match episode {
            Episode::Repair(repair) => repair.dialog == dialog && repair.repaired,
            Episode::Recovery(_) => false,
        })
    }

    /// How often it heard this.
    pub(super) fn times_heard(&self, from: &str, text: &str) -> usize {
        self.heard.iter().filter(|(who, what)| who == from && what == text).count()
    }
}
