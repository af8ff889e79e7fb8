//! What goes to stdout: JSON lines for scripts, or one readable line per event for people.
//!
//! Cheap to clone; several tasks may print, a line is never torn.

use std::io::Write;

use crate::event::{Event, Line};
use crate::failure::Failure;
use crate::human;

/// Where a command prints.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether it is for scripts.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one event.
    pub(crate) fn event(&self, event: &Event) {
        self.print(None, event);
    }

    /// Prints one event of one of several sessions.
    pub(crate) fn session_event(&self, session: &str, event: &Event) {
        self.print(Some(session), event);
    }

    /// Prints text that only people need; scripts get nothing.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            write_line(text);
        }
    }

    /// Says on stderr, in one line, why the command fails; scripts get the `error` event besides.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            self.event(&Event::Error {
                message: failure.message().to_owned(),
                help: failure.help().map(str::to_owned),
            });
        }
        eprintln!("reconvene: {failure}");
    }

    fn print(&self, session: Option<&str>, event: &Event) {
        let at = jiff::Timestamp::now();
        if self.json {
            match serde_json::to_string(&Line::new(at, session, event)) {
                Ok(line) => write_line(&line),
                Err(error) => tracing::error!(%error, "an event line could not be written"),
            }
        } else {
            human::line(at, session, event).iter().for_each(|line| write_line(line));
        }
    }
}

/// One line, flushed at once: a script that reads along waits for it. A closed stdout is not an error of ours: the
/// session goes on without its reader.
fn write_line(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "stdout is gone");
    }
}
