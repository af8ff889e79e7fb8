//! The judge: the invariants C1 to C7 of a session, from the journal of a run alone.
//!
//! It knows the table of transitions as a table of words, reads packets with its own reader ([`crate::wire`]), and uses
//! nothing of the product. [`Judge::observe`] reads what is new since the last call, so it can follow each step.
//!
//! | rule | what is checked |
//! |---|---|
//! | C1 | only rows of the table, each from the state before it; after `Disconnected` completions only, and no new request |
//! | C2 | each operation ends once and in time; `SessionRetrying` only where a recovery begins; refused means nothing was sent |
//! | C3 | state, then properties and attendance, then MCUs and calls, then the report, then completions |
//! | C4 | at most one INVITE per failover, exactly one where it succeeds; none while healing before a sign that the dialog is gone |
//! | C5 | healing ends by a 2xx or an UPDATE of the far end, a failover by a 2xx, each with a full document after it |
//! | C6 | a repetition of a command keeps its requestId and its body; there are not more commands than operations |
//! | C7 | no BYE to an MCU while reconnecting, unless the application, the MCU or the session's end wants it |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::journal::{App, HostId, Journal, Packet, Record, What};
use crate::wire::Wire;

/// The rows of both tables: id, states in which it starts, state in which it ends.
const ROWS: &[(&str, &[&str], &str)] = &[
    ("T1", &["Idle"], "Connecting"),
    ("T2", &["Connecting"], "Connected"),
    ("T3a", &["Connected"], "Disconnecting"),
    ("T3b", &["Connected"], "Disconnecting"),
    ("T3c", &["Connected"], "Disconnecting"),
    ("T3d", &["Connected"], "Disconnecting"),
    ("T3e", &["Connected"], "Disconnecting"),
    ("T4", &["Disconnecting"], "Disconnected"),
    ("T5", &["Disconnecting"], "Idle"),
    ("T6a", &["Connected"], "Reconnecting"),
    ("T6b", &["Connected"], "Reconnecting"),
    ("T7", &["Reconnecting"], "Connected"),
    ("T8", &["Reconnecting"], "Disconnecting"),
    ("T9", &["Connecting"], "Idle"),
    ("T10", &["Connecting"], "InLobby"),
    ("T11a", &["InLobby"], "Reconnecting"),
    ("T11b", &["InLobby"], "Reconnecting"),
    ("T12", &["Reconnecting"], "InLobby"),
    ("T13", &["InLobby"], "Connected"),
    ("T14a", &["InLobby"], "Disconnecting"),
    ("T14b", &["InLobby"], "Disconnecting"),
    ("T14c", &["InLobby"], "Disconnecting"),
    ("T15", &["Reconnecting"], "Disconnecting"),
    ("T16", &["Connecting"], "Disconnecting"),
    ("M1", &["Idle"], "Active"),
    ("M2", &["Idle"], "Terminated"),
    ("M3", &["Active"], "Retrying"),
    ("M4", &["Active"], "Retrying"),
    ("M5", &["Retrying"], "Active"),
    ("M6", &["Idle", "Active", "Retrying"], "Terminated"),
    ("M7", &["Idle", "Active", "Retrying"], "Idle"),
    ("M8", &["Retrying"], "Idle"),
];

/// Operations that go to the Focus as a C3P command.
const COMMANDS: &[&str] =
    &["lock", "unlock", "admit", "deny", "eject", "promote", "demote", "roster", "end", "mute", "unmute"];

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `C1` to `C7`.
    pub rule: &'static str,
    /// When.
    pub at: Duration,
    /// In which step.
    pub step: u64,
    /// At which client.
    pub host: HostId,
    /// What is wrong.
    pub text: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at.as_secs_f64();
        write!(f, "{} at STEP={} ({at:.3} s, host {}): {}", self.rule, self.step, self.host.0, self.text)
    }
}

#[derive(Debug)]
struct Operation {
    name: &'static str,
    begun: Duration,
    step: u64,
    /// The session's state when it began.
    state: &'static str,
    /// It was refused on the spot.
    refused: bool,
    over: bool,
}

/// One stay in `Reconnecting`.
#[derive(Debug, Default)]
struct Recovery {
    /// It began as a failover: it needs an INVITE.
    failover: bool,
    /// Something said that the Focus dialog is gone: an INVITE is allowed.
    dialog_gone: bool,
    invites: BTreeSet<String>,
    /// The way is open again.
    open: bool,
    /// A full document came after that.
    fresh: bool,
}

#[derive(Debug, Default)]
struct Client {
    state: &'static str,
    over: bool,
    /// When that was.
    over_step: u64,
    mcus: BTreeMap<&'static str, &'static str>,
    operations: BTreeMap<u64, Operation>,
    recovery: Option<Recovery>,
    /// The step in which a recovery began, of the session or an MCU.
    retrying_step: u64,
    /// Pending operations that a T6 or T11 has to end in its own step.
    owed: Vec<u64>,
    owed_step: u64,
    /// The order of what follows a state event: its step, and how far it got.
    burst: Option<(u64, u8)>,
    branches: BTreeSet<String>,
    /// Body of each command by its requestId.
    commands: BTreeMap<String, String>,
    /// An operation was refused in this step: nothing may be sent for it.
    refused_step: u64,
    /// When the application hung up, or the MCU's instance changed: a BYE to it is due.
    may_hang_up: bool,
    last_record: u64,
}

/// Follows the journal of one run.
#[derive(Debug)]
pub struct Judge {
    cursor: usize,
    clients: BTreeMap<HostId, Client>,
    violations: Vec<Violation>,
}

impl Judge {
    /// A judge of these clients.
    #[must_use]
    pub fn new(clients: &[HostId]) -> Self {
        let fresh = |host: &HostId| (*host, Client { state: "Idle", ..Client::default() });
        Judge { cursor: 0, clients: clients.iter().map(fresh).collect(), violations: Vec::new() }
    }

    /// Reads what is new.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn observe(&mut self, journal: &Journal) -> Result<(), Violation> {
        for record in journal.records().iter().skip(self.cursor) {
            self.cursor += 1;
            self.read(record);
            if let Some(violation) = self.violations.pop() {
                return Err(violation);
            }
        }
        Ok(())
    }

    /// At the end of a run in which every session was left: what should be over is over.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn finish(&mut self, journal: &Journal) -> Result<(), Violation> {
        self.observe(journal)?;
        let (at, step) =
            journal.records().last().map_or((Duration::ZERO, 0), |record| (record.at, record.step));
        for (host, client) in &self.clients {
            if let Some((op, entry)) = client.operations.iter().find(|(_, entry)| !entry.over) {
                let text = format!("{} #{op} never ended", entry.name);
                return Err(Violation { rule: "C2", at, step, host: *host, text });
            }
            if client.state != "Disconnected" && client.state != "Idle" {
                let text = format!("the session was left and is {}", client.state);
                return Err(Violation { rule: "C1", at, step, host: *host, text });
            }
        }
        Ok(())
    }

    fn read(&mut self, record: &Record) {
        let (host, check): (HostId, Result<(), (&'static str, String)>) = match &record.what {
            What::App(host, app) => match self.clients.get_mut(host) {
                Some(client) => (*host, client.settle(record).and_then(|()| client.on_app(app, record))),
                None => return,
            },
            What::Sent(packet) => match self.clients.get_mut(&packet.from) {
                Some(client) => {
                    (packet.from, client.settle(record).and_then(|()| client.on_sent(packet, record)))
                }
                None => return,
            },
            What::Delivered(packet) => {
                let Some((host, client)) = packet.to.and_then(|to| Some((to, self.clients.get_mut(&to)?)))
                else {
                    return;
                };
                (host, client.settle(record).and_then(|()| client.on_delivered(packet)))
            }
            What::Lost(_) | What::Fault(_) | What::Note(..) => return,
        };
        if let Err((rule, text)) = check {
            self.violations.push(Violation { rule, at: record.at, step: record.step, host, text });
        }
    }
}

type Check = Result<(), (&'static str, String)>;

fn broken(rule: &'static str, text: impl Into<String>) -> Check {
    Err((rule, text.into()))
}

impl Client {
    /// A new step: what the last one owed has to be paid.
    fn settle(&mut self, record: &Record) -> Check {
        if record.step != self.last_record {
            self.last_record = record.step;
            if !self.owed.is_empty() && self.owed_step != record.step {
                let owed = std::mem::take(&mut self.owed);
                return broken("C2", format!("pending operations {owed:?} outlived the begin of a recovery"));
            }
        }
        Ok(())
    }

    fn on_app(&mut self, app: &App, record: &Record) -> Check {
        if self.over && !matches!(app, App::Completed { .. } | App::OperationEvent { .. } | App::Begun { .. })
        {
            return broken("C1", format!("after the end of the session: {app:?}"));
        }
        self.check_order(app, record.step)?;
        match app {
            App::Begun { op, name } => self.begun(*op, name, record),
            App::Completed { op, name, failure, .. } => self.completed(*op, name, *failure, record),
            App::State { row, from, to, .. } => self.state(row, from, to, record),
            App::Mcu { row, mcu, from, to } => self.mcu(row, mcu, from, to, record),
            App::Call { state, cause, .. } => {
                if *state == "terminated"
                    && matches!(*cause, "mcu-failover" | "instance-changed" | "mcu-gone")
                {
                    self.may_hang_up = true;
                    self.retrying_step = record.step;
                }
                Ok(())
            }
            App::Over => {
                self.over = true;
                self.over_step = record.step;
                Ok(())
            }
            App::OperationEvent { .. }
            | App::Attendance { .. }
            | App::Properties
            | App::Message { .. }
            | App::Repair { .. }
            | App::Report { .. }
            | App::Other(_) => Ok(()),
        }
    }

    /// C3: what belongs to one state event comes in this order.
    fn check_order(&mut self, app: &App, step: u64) -> Check {
        let rank = match app {
            App::State { .. } => {
                self.burst = Some((step, 0));
                return Ok(());
            }
            App::Properties | App::Attendance { .. } => 1,
            // The end of McuSessions belongs to the next state event.
            App::Mcu { row: "M6" | "M7", .. } => {
                self.burst = None;
                return Ok(());
            }
            // What becomes of a call on its own wire is an input of its own, and may share the step.
            App::Call { cause: "local" | "remote" | "failed" | "answered", .. } => return Ok(()),
            App::Mcu { .. } | App::Call { .. } => 2,
            App::Report { .. } => 3,
            App::Completed { .. } | App::OperationEvent { .. } => 4,
            App::Begun { .. } | App::Message { .. } | App::Repair { .. } | App::Over | App::Other(_) => {
                return Ok(());
            }
        };
        match &mut self.burst {
            Some((of, reached)) if *of == step => {
                if rank < *reached {
                    return broken("C3", format!("{app:?} comes too late after its state event"));
                }
                *reached = rank;
            }
            _ => self.burst = None,
        }
        Ok(())
    }

    fn begun(&mut self, op: u64, name: &'static str, record: &Record) -> Check {
        let entry = Operation {
            name,
            begun: record.at,
            step: record.step,
            state: self.state,
            refused: false,
            over: false,
        };
        if name == "hangup" {
            self.may_hang_up = true;
        }
        match self.operations.insert(op, entry) {
            None => Ok(()),
            Some(_) => broken("C2", format!("operation #{op} began twice")),
        }
    }

    fn completed(
        &mut self,
        op: u64,
        name: &'static str,
        failure: Option<&'static str>,
        record: &Record,
    ) -> Check {
        self.owed.retain(|owed| *owed != op);
        let retrying_step = self.retrying_step;
        let Some(entry) = self.operations.get_mut(&op) else {
            return broken("C2", format!("{name} #{op} ended and never began"));
        };
        if std::mem::replace(&mut entry.over, true) {
            return broken("C2", format!("{name} #{op} ended twice"));
        }
        let took = record.at.saturating_sub(entry.begun);
        let limit = Duration::from_secs(match name {
            "join" => 16 * 60,
            "leave" => 70,
            "end" => 110,
            "say" => 62,
            // The answer, and once more after the first sign of life.
            _ => 362,
        });
        if took > limit {
            return broken("C2", format!("{name} #{op} took {took:?}"));
        }
        match failure {
            Some("SessionRetrying") => {
                if name == "join" {
                    return broken("C8", "a join does not fail with SessionRetrying");
                }
                if retrying_step != record.step {
                    return broken("C2", format!("{name} #{op} is retrying, and no recovery began"));
                }
            }
            Some(reason @ ("RetryableOperation" | "InvalidState")) => {
                entry.refused = true;
                if entry.step != record.step {
                    return broken("C2", format!("{name} #{op} was refused late: {reason}"));
                }
                self.refused_step = record.step;
                let retrying = self.mcus.values().any(|state| *state == "Retrying");
                if reason == "RetryableOperation" && entry.state != "Reconnecting" && !retrying {
                    return broken("C2", format!("{name} #{op} is retryable in {}", entry.state));
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    fn state(&mut self, row: &'static str, from: &'static str, to: &'static str, record: &Record) -> Check {
        let known = ROWS.iter().find(|(id, ..)| *id == row);
        let fits = known.is_some_and(|(_, starts, end)| starts.contains(&from) && *end == to);
        if !fits {
            return broken("C1", format!("{row} is no row from {from} to {to}"));
        }
        if from != self.state {
            return broken("C1", format!("{row} says it is from {from}, and the state was {}", self.state));
        }
        self.state = to;
        match row {
            "T6a" | "T6b" | "T11a" | "T11b" => {
                self.retrying_step = record.step;
                let failover = row.ends_with('a');
                self.recovery = Some(Recovery { failover, dialog_gone: failover, ..Recovery::default() });
                let pending =
                    self.operations.iter().filter(|(_, entry)| !entry.over && COMMANDS.contains(&entry.name));
                self.owed = pending.map(|(op, _)| *op).collect();
                self.owed_step = record.step;
                // A call that was being hung up is hung up all the same.
                self.may_hang_up =
                    self.operations.values().any(|entry| !entry.over && entry.name == "hangup");
                Ok(())
            }
            "T7" | "T12" => self.recovered(row),
            "T8" | "T15" => {
                self.recovery = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// C4 and C5 at the end of a recovery that succeeded.
    fn recovered(&mut self, row: &str) -> Check {
        let Some(recovery) = self.recovery.take() else { return Ok(()) };
        if recovery.invites.len() > 1 || (recovery.failover && recovery.invites.is_empty()) {
            return broken("C4", format!("{row} after {} INVITEs", recovery.invites.len()));
        }
        if !recovery.open {
            return broken("C5", format!("{row}, and nothing said that the way is open"));
        }
        if !recovery.fresh {
            return broken("C5", format!("{row} without a full document"));
        }
        Ok(())
    }

    fn mcu(
        &mut self,
        row: &'static str,
        mcu: &'static str,
        from: &'static str,
        to: &'static str,
        record: &Record,
    ) -> Check {
        let known = ROWS.iter().find(|(id, ..)| *id == row);
        let before = self.mcus.insert(mcu, to).unwrap_or("Idle");
        if before != from || !known.is_some_and(|(_, starts, end)| starts.contains(&from) && *end == to) {
            return broken("C1", format!("{row} of {mcu} from {from} to {to}, and it was {before}"));
        }
        if matches!(row, "M3" | "M4") {
            self.retrying_step = record.step;
        }
        if row == "M4" {
            self.may_hang_up = true;
        }
        Ok(())
    }

    fn on_sent(&mut self, packet: &Packet, record: &Record) -> Check {
        let Some(wire) = Wire::read(&packet.bytes) else { return Ok(()) };
        let Some(method) = wire.method() else { return Ok(()) };
        let new = self.branches.insert(format!("{} {method}", wire.branch()));
        if !new {
            return Ok(());
        }
        let uri = wire.uri().unwrap_or_default();
        // What a node tells and what it sends at one step is one moment: its driver sends first.
        let before = self.over_step == record.step;
        if self.over && !before && !matches!(method, "REGISTER" | "ACK" | "BYE" | "CANCEL") {
            return broken("C1", format!("{method} after the end of the session"));
        }
        if self.refused_step == record.step && matches!(method, "INFO" | "INVITE") {
            return broken("C2", format!("{method} for an operation that was refused"));
        }
        match method {
            "INVITE" if uri.contains("app:conf:focus") => self.on_invite(wire.call_id()),
            "INFO" => self.on_command(&wire),
            "BYE" if !wire.call_id().starts_with("focus-") => {
                let ending = matches!(self.state, "Disconnecting" | "Disconnected" | "Idle");
                if self.state == "Reconnecting" && !self.may_hang_up && !ending {
                    return broken("C7", "BYE to an MCU while reconnecting");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_invite(&mut self, call_id: &str) -> Check {
        let Some(recovery) = &mut self.recovery else { return Ok(()) };
        if !recovery.dialog_gone {
            return broken("C4", "INVITE while healing, and nothing said that the dialog is gone");
        }
        if recovery.invites.insert(call_id.to_owned()) {
            recovery.open = false;
            recovery.fresh = false;
        }
        if recovery.invites.len() > 1 {
            return broken("C4", "a second INVITE in one failover");
        }
        Ok(())
    }

    /// C6: a repetition is the same command under the same number.
    fn on_command(&mut self, wire: &Wire<'_>) -> Check {
        let Some(id) = wire.attribute("requestId") else { return Ok(()) };
        let known = self.commands.entry(id.to_owned()).or_insert_with(|| wire.body().to_owned());
        if known != wire.body() {
            return broken("C6", format!("request {id} has two bodies"));
        }
        let accepted =
            self.operations.values().filter(|entry| !entry.refused && COMMANDS.contains(&entry.name)).count();
        if self.commands.len() > accepted {
            return broken("C6", format!("{} commands for {accepted} operations", self.commands.len()));
        }
        Ok(())
    }

    fn on_delivered(&mut self, packet: &Packet) -> Check {
        let Some(wire) = Wire::read(&packet.bytes) else { return Ok(()) };
        let Some(recovery) = &mut self.recovery else { return Ok(()) };
        let (_, of) = wire.cseq();
        let state = wire.header("Subscription-State").unwrap_or_default();
        match (wire.method(), wire.status()) {
            // A lost subscription is no lost dialog.
            (None, Some(481)) => {
                recovery.dialog_gone |= of != "SUBSCRIBE" && wire.call_id().starts_with("focus-")
            }
            (None, Some(status)) => {
                let ok = (200..300).contains(&status);
                let invited = recovery.invites.contains(wire.call_id());
                let healed =
                    of == "UPDATE" && (ok || status == 405 || status == 501) && recovery.invites.is_empty();
                recovery.open |= healed || (of == "INVITE" && ok && invited);
            }
            (Some("UPDATE"), _) => recovery.open |= recovery.invites.is_empty(),
            (Some("NOTIFY" | "BENOTIFY"), _)
                if state.contains("deactivated") || state.contains("probation") =>
            {
                recovery.dialog_gone = true;
            }
            (Some("BYE"), _) => recovery.dialog_gone = true,
            _ => {}
        }
        if recovery.open && wire.is_full_document() {
            recovery.fresh = true;
        }
        Ok(())
    }
}
