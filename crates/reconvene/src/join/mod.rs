//! `reconvene join`: one session, told as it happens, commanded by lines on stdin.

mod command;
mod ending;

use std::time::Duration;

use c3p::McuType;
use conference::event::Event as Told;
use conference::session::{OperationError, OperationName, Reason, SessionState};
use conference::{Conference, Endpoint, Events, JoinOptions as Options, Operation, ScheduleOptions};
use mcu::{CallState, McuSessionState};
use tokio::sync::mpsc;

use crate::args::{JoinOptions, Modality};
use crate::client;
use crate::event::{Event, OperationResult};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::signals::StopSignals;
use crate::{stdin, translate};
use command::Typed;
use ending::Ending;

/// How long the last completions may take after the final state.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Numbers of operations that only this command knows start here, far from those of the library.
const OWN_OPERATIONS: u64 = 1 << 40;

/// Joins, and stays until the session is over.
///
/// # Errors
///
/// The join, the reconnection or the lobby failed, or the options do.
pub(crate) async fn run(options: JoinOptions, output: &Output) -> Result<(), Failure> {
    check(&options)?;
    let mut signals = StopSignals::listen()?;
    let endpoint = client::start(&options.client, !options.no_register, options.capture.as_deref()).await?;
    let session = Session::begin(&endpoint, &options, output);
    let result = session.run(&mut signals).await;
    // What is left to tidy is short by then; a second Ctrl-C does not wait even for that.
    tokio::select! {
        () = endpoint.shutdown() => {}
        () = signals.next() => {}
    }
    result
}

fn check(options: &JoinOptions) -> Result<(), Failure> {
    if options.uri != "new"
        && !c3p::uri::clean_input(&options.uri).is_ok_and(|uri| c3p::uri::is_conference(&uri))
    {
        return Err(Failure::usage(format!("{} is not the address of a conference", options.uri))
            .try_this("the URI that `reconvene schedule` prints, or `new`"));
    }
    if options.modality.0.contains(&Modality::Av) {
        return Err(Failure::unavailable("--modality av", "--modality im"));
    }
    if options.reconnect != "once" {
        return Err(Failure::unavailable("--reconnect other than once", "leave it out"));
    }
    let later = [
        (options.checkpoint.is_some(), "--checkpoint"),
        (options.audio.is_some(), "--audio"),
        (options.audio_out.is_some(), "--audio-out"),
    ];
    later
        .iter()
        .find(|(given, _)| *given)
        .map_or(Ok(()), |(_, name)| Err(Failure::unavailable(name, "leave it out")))
}

/// One session and what it needs to be told and commanded.
struct Session<'a> {
    conference: Conference,
    events: Events,
    output: &'a Output,
    /// Calls that this command places itself.
    calls: Vec<McuType>,
    leave_on_eof: bool,
    ending: Ending,
    join_error: Option<Failure>,
    /// What to try when nobody answers.
    servers_help: String,
    own_operations: u64,
}

impl<'a> Session<'a> {
    /// Starts to join.
    fn begin(endpoint: &Endpoint, options: &JoinOptions, output: &'a Output) -> Self {
        let conference = endpoint.conference();
        let events = conference.events();
        let mut how = Options::default().with_lobby_timeout(options.lobby_timeout.0);
        if let Some(after) = options.give_up_after {
            how = how.with_give_up_after(after.0);
        }
        let joining = match options.uri.as_str() {
            "new" => conference.join_new(ScheduleOptions::default(), how),
            uri => conference.join(uri, how),
        };
        forget(joining);
        let calls = options.modality.0.iter().map(|modality| modality.mcu_type());
        Self {
            conference,
            events,
            output,
            calls: calls.collect(),
            leave_on_eof: options.leave_on_eof,
            ending: Ending::default(),
            join_error: None,
            servers_help: client::servers_help(&options.client),
            own_operations: OWN_OPERATIONS,
        }
    }

    /// Tells events and obeys commands until the session is over.
    async fn run(mut self, signals: &mut StopSignals) -> Result<(), Failure> {
        let mut lines = Some(stdin::lines());
        let mut leaving = false;
        while !self.is_done() {
            tokio::select! {
                biased;
                () = signals.next() => {
                    if std::mem::replace(&mut leaving, true) {
                        return Err(Failure::new("stopped before the session was left"));
                    }
                    forget(self.conference.leave());
                }
                event = self.events.next() => match event {
                    Some(event) => self.tell(&event).await,
                    None => break,
                },
                line = next_line(&mut lines) => match line {
                    Some(line) => self.obey(&line).await,
                    None => {
                        lines = None;
                        if self.leave_on_eof {
                            forget(self.conference.leave());
                        }
                    }
                },
            }
        }
        self.last_words().await;
        self.result()
    }

    /// Over, and after a failed join also told why.
    fn is_done(&self) -> bool {
        self.ending.is_over() && (self.join_error.is_some() || !self.ending.is_idle())
    }

    /// After the final state completions follow, and nothing else.
    async fn last_words(&mut self) {
        let rest = async {
            while let Some(event) = self.events.next().await {
                translate::event(&event).iter().for_each(|line| self.output.event(line));
            }
        };
        // An idle session (after a failed join) could be joined again: its events do not end by themselves.
        if !self.ending.is_idle() && tokio::time::timeout(LAST_WORDS, rest).await.is_err() {
            tracing::debug!("the event stream did not end after the final state");
        }
    }

    fn result(self) -> Result<(), Failure> {
        match (self.ending.is_idle(), self.join_error) {
            (true, Some(failure)) => Err(failure),
            _ => self.ending.into_result(),
        }
    }

    /// Prints an event, and acts on those that concern this command.
    async fn tell(&mut self, told: &Told) {
        translate::event(told).iter().for_each(|line| self.output.event(line));
        match told {
            Told::State(change) => self.ending.see(change),
            Told::Operation(done) if done.name == OperationName::Join => match &done.result {
                Ok(_) => self.tell_where().await,
                Err(error) => self.join_error = Some(join_failure(error, &self.servers_help)),
            },
            Told::McuState { mcu, to: McuSessionState::Active, .. } if self.calls.contains(mcu) => {
                self.place_call(*mcu).await;
            }
            _ => {}
        }
    }

    /// The address that other people need, of which nobody has seen anything yet if it was made by `new`.
    async fn tell_where(&self) {
        if let Some(uri) = self.conference.uri().await {
            self.output.note(&format!("              others join with: reconvene join '{uri}'"));
        }
    }

    /// Places a call that is not there (after a failover of the Focus it still is).
    async fn place_call(&self, mcu: McuType) {
        let Some(status) = self.conference.status().await else { return };
        let there = status.calls.iter().any(|(kind, state)| *kind == mcu && call_is_there(*state));
        if !there && status.state != SessionState::Disconnecting {
            forget(self.conference.call(mcu));
        }
    }

    /// Does what a line asks for.
    async fn obey(&mut self, line: &str) {
        let typed = match command::parse(line) {
            Ok(Some(typed)) => typed,
            Ok(None) => return,
            Err(message) => {
                self.output.event(&Event::Error { message, help: Some(command::WORDS.to_owned()) });
                return;
            }
        };
        let conference = &self.conference;
        forget(match typed {
            Typed::Roster => return self.output.event(&translate::roster(&conference.roster())),
            Typed::State => {
                if let Some(status) = conference.status().await {
                    self.output.event(&translate::status(&status));
                }
                return;
            }
            Typed::Unavailable(name) => return self.refuse(name),
            Typed::Say(text) => conference.say(&text),
            Typed::Lock => conference.lock(),
            Typed::Unlock => conference.unlock(),
            Typed::Admit(uri) => conference.admit(&[uri]),
            Typed::Deny(uri) => conference.deny(&[uri]),
            Typed::Eject(uri) => conference.eject(&uri),
            Typed::Promote(uri) => conference.promote(&uri),
            Typed::Demote(uri) => conference.demote(&uri),
            Typed::Call(mcu) => conference.call(mcu),
            Typed::Hangup(mcu) => {
                self.calls.retain(|kind| *kind != mcu);
                conference.hangup(mcu)
            }
            Typed::Leave => conference.leave(),
            Typed::End => conference.end(),
        });
    }

    /// One `operation` line for a command that this version does not serve.
    fn refuse(&mut self, name: &str) {
        self.own_operations += 1;
        self.output.event(&Event::Operation {
            id: self.own_operations,
            name: name.to_owned(),
            result: OperationResult::Failed,
            reason: Some("InvalidState".to_owned()),
            sip_status: None,
            c3p_code: None,
            diagnostics: Some(format!("{name} is not available in this version")),
        });
    }
}

/// Why the conference could not be joined, and what to try about it.
fn join_failure(error: &OperationError, servers_help: &str) -> Failure {
    let by_status = || match (error.reason(), error.sip_status()) {
        (Reason::LobbyDenied | Reason::LobbyTimeout, _) | (_, Some(403)) => {
            "ask a presenter to let you in, then join again".to_owned()
        }
        (_, Some(404)) => "check the URI; `reconvene schedule` makes a conference".to_owned(),
        (_, Some(_)) => "join again a little later".to_owned(),
        (_, None) => servers_help.to_owned(),
    };
    let help = client::password_help(error).unwrap_or_else(by_status);
    Failure::new(format!("the conference could not be joined: {}", chain(error))).try_this(help)
}

/// Whether a call is up or about to be.
pub(crate) fn call_is_there(state: CallState) -> bool {
    matches!(state, CallState::Establishing | CallState::Established)
}

/// Lets an operation run by itself: its end comes as an event.
fn forget(operation: Operation) {
    drop(operation);
}

async fn next_line(lines: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}
