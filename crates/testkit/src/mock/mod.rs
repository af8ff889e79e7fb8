//! Scripted servers: a Focus, an IM MCU and a hop that do what the protocol says until they are told otherwise.
//!
//! They are not the product's servers (crate `focus`) and share no code with them. What goes wrong is a [`Script`]: the next
//! request of a method, or every one, gets an [`Action`] instead of the usual answer.

mod conference;
mod focus;
mod forward;
mod hop;
mod mcu;

use std::collections::VecDeque;
use std::time::Duration;

use sip_core::Method;

pub use conference::{Admission, Executed, MockConference, SharedConference};
pub use focus::MockFocus;
pub use hop::MockHop;
pub use mcu::MockMcu;

/// What a server does with a request in place of the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answers with this status and these headers.
    Answer {
        /// The status.
        status: u16,
        /// Headers on top.
        headers: Vec<(String, String)>,
    },
    /// Says nothing, ever.
    Silence,
    /// Says 100, and does the usual after this time.
    Hold(Duration),
    /// Does the usual: a place in the row of scripted answers.
    Usual,
}

impl Action {
    /// A bare status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Action::Answer { status, headers: Vec::new() }
    }

    /// 430 with a recovery token.
    #[must_use]
    pub fn flow_failed(token: &str) -> Self {
        let action = ("P-Dialog-Recovery-Action".to_owned(), token.to_owned());
        let why = "61004;reason=\"Flow to next hop failed\";source=\"px1.example.com\"".to_owned();
        Action::Answer { status: 430, headers: vec![action, ("ms-diagnostics".to_owned(), why)] }
    }

    /// 481 of a front end that does not have the dialog.
    #[must_use]
    pub fn moved() -> Self {
        let why = "61001;reason=\"Conference moved\";source=\"fe.example.com\"".to_owned();
        Action::Answer { status: 481, headers: vec![("ms-diagnostics".to_owned(), why)] }
    }
}

/// What a server was told to do.
#[derive(Debug, Default)]
pub struct Script {
    next: Vec<(Method, VecDeque<Action>)>,
    always: Vec<(Method, Action)>,
}

impl Script {
    /// The next request of this method that is not spoken for gets this.
    pub fn next(&mut self, method: Method, action: Action) {
        match self.next.iter_mut().find(|(of, _)| *of == method) {
            Some((_, row)) => row.push_back(action),
            None => self.next.push((method, VecDeque::from([action]))),
        }
    }

    /// Every request of this method gets this, once the row of `next` is used up.
    pub fn always(&mut self, method: Method, action: Action) {
        self.always.retain(|(of, _)| *of != method);
        self.always.push((method, action));
    }

    /// Back to the usual.
    pub fn clear(&mut self) {
        self.next.clear();
        self.always.clear();
    }

    /// What to do with a request of this method; the usual if nothing was said.
    pub(crate) fn take(&mut self, method: &Method) -> Action {
        let row = self.next.iter_mut().find(|(of, _)| of == method);
        let scripted = row.and_then(|(_, row)| row.pop_front());
        let always = || self.always.iter().find(|(of, _)| of == method).map(|(_, action)| action.clone());
        scripted.or_else(always).unwrap_or(Action::Usual)
    }
}
