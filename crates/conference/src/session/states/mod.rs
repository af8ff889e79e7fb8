//! One type per state. Each owns the data that only it has, and says what every input means to it.

mod connected;
mod connecting;
mod ending;
mod in_lobby;
mod reconnecting;

use std::time::Instant;

pub(super) use connected::Connected;
pub(super) use connecting::Connecting;
pub(super) use ending::{Disconnected, Disconnecting};
pub(super) use in_lobby::InLobby;
pub(super) use reconnecting::Reconnecting;

use super::context::Context;
use super::edge;
use super::input::{EndedReason, Input};
use super::operation::{Entry, OperationError, OperationId, OperationName, OperationValue, Owner, Reply};
use super::output::{Deadline, Effect, Timer};
use super::vocabulary::{Cause, SessionState};

/// Not joined.
#[derive(Debug)]
pub(super) struct Idle;

/// The state with its data.
#[derive(Debug)]
pub(super) enum State {
    Idle(Idle),
    Connecting(Connecting),
    InLobby(InLobby),
    Connected(Connected),
    Reconnecting(Box<Reconnecting>),
    Disconnecting(Disconnecting),
    Disconnected(Disconnected),
}

/// What all state types have.
pub(super) trait Named: Into<State> {
    const NAME: SessionState;
}

macro_rules! named {
    ($($state:ident)+) => {$(
        impl Named for $state {
            const NAME: SessionState = SessionState::$state;
        }
    )+};
}

named!(Idle Connecting InLobby Connected Reconnecting Disconnecting Disconnected);

macro_rules! into_state {
    ($($state:ident)+) => {$(
        impl From<$state> for State {
            fn from(state: $state) -> Self {
                Self::$state(state)
            }
        }
    )+};
}

into_state!(Idle Connecting InLobby Connected Disconnecting Disconnected);

impl From<Reconnecting> for State {
    fn from(state: Reconnecting) -> Self {
        Self::Reconnecting(Box::new(state))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Idle(Idle)
    }
}

impl State {
    pub(super) const fn name(&self) -> SessionState {
        match self {
            Self::Idle(_) => Idle::NAME,
            Self::Connecting(_) => Connecting::NAME,
            Self::InLobby(_) => InLobby::NAME,
            Self::Connected(_) => Connected::NAME,
            Self::Reconnecting(_) => Reconnecting::NAME,
            Self::Disconnecting(_) => Disconnecting::NAME,
            Self::Disconnected(_) => Disconnected::NAME,
        }
    }

    /// One input: dispatch by state.
    pub(super) fn step(self, input: Input, cx: &mut Context) -> Self {
        let input = match self {
            // Nothing of the wire means anything before the join and after the end.
            Self::Idle(_) | Self::Disconnected(_) => input,
            _ => match cx.handle_common(input) {
                Some(input) => input,
                None => return self,
            },
        };
        match self {
            Self::Idle(state) => state.step(input, cx),
            Self::Connecting(state) => state.step(input, cx),
            Self::InLobby(state) => state.step(input, cx),
            Self::Connected(state) => state.step(input, cx),
            Self::Reconnecting(state) => state.step(input, cx),
            Self::Disconnecting(state) => state.step(input, cx),
            Self::Disconnected(state) => state.step(input, cx),
        }
    }

    /// The soonest deadline of the state itself.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::Connecting(state) => state.deadline(),
            Self::InLobby(state) => state.deadline(),
            Self::Reconnecting(state) => state.deadline(),
            Self::Disconnecting(state) => state.deadline(),
            Self::Idle(_) | Self::Connected(_) | Self::Disconnected(_) => None,
        }
    }

    /// That deadline has come.
    pub(super) fn expire(self, timer: Timer, cx: &mut Context) -> Self {
        match self {
            Self::Connecting(state) => state.expire(timer, cx),
            Self::InLobby(state) => state.expire(cx),
            Self::Reconnecting(state) => state.expire(timer, cx),
            Self::Disconnecting(state) => state.expire(timer, cx),
            Self::Idle(_) | Self::Connected(_) | Self::Disconnected(_) => cx.ignore(self),
        }
    }
}

impl Idle {
    /// Everything that can happen while `Idle`.
    fn step(self, input: Input, cx: &mut Context) -> State {
        match input {
            Input::Join { op } => {
                cx.ops.insert(op, Entry::new(OperationName::Join, Owner::Join));
                let deadline = cx.now + cx.config.limits.join;
                let next =
                    cx.cross(edge::T1, self, Cause::LocalJoin.into(), |_| Connecting::new(op, deadline));
                cx.effect(Effect::StartJoin { lobby_capable: !cx.config.lobby_timeout.is_zero() });
                next
            }
            other => refuse_or_ignore(self, other, cx),
        }
    }
}

/// What is left for states in which nothing can be begun and nothing is expected: operations are refused with
/// `InvalidState`, leaving is done already, the rest is late.
fn refuse_or_ignore<S: Named>(state: S, input: Input, cx: &mut Context) -> State {
    match input {
        Input::Join { op } => cx.refuse(op, OperationName::Join, S::NAME),
        Input::Begin { op, command } => cx.refuse(op, command.name(), S::NAME),
        Input::EndForAll { op } => cx.refuse(op, OperationName::End, S::NAME),
        Input::Leave { op } => cx.complete(op, OperationName::Leave, Ok(OperationValue::Done)),
        Input::EscalationFailed
        | Input::HandleDropped
        | Input::JoinAccepted
        | Input::JoinFailed(_)
        | Input::Document { .. }
        | Input::DocumentRejected { .. }
        | Input::CommandAnswered { .. }
        | Input::CallChanged { .. }
        | Input::MessageReceived { .. }
        | Input::TypingReceived { .. }
        | Input::FrontEndLost { .. }
        | Input::RouteLost { .. }
        | Input::RouteRepaired { .. }
        | Input::HealAttempted
        | Input::HealFailed { .. }
        | Input::Healed
        | Input::HealFoundDialogGone { .. }
        | Input::RejoinAccepted
        | Input::RejoinFailed { .. }
        | Input::Step(_)
        | Input::EndedByFocus { .. }
        | Input::Terminated => return cx.ignore(state),
    }
    state.into()
}

/// The waits for the first document that shows our endpoint: ask once more, then fail (protocol note on
/// conference-info, section 6); and for one that can be read.
#[derive(Debug, Default)]
struct FirstDocument {
    retry_at: Option<Instant>,
    fail_at: Option<Instant>,
    rejected: bool,
}

impl FirstDocument {
    /// A document came that does not show us.
    fn without_us(&mut self, cx: &Context) {
        let limits = cx.config.limits;
        self.retry_at.get_or_insert(cx.now + limits.own_endpoint_retry);
        self.fail_at.get_or_insert(cx.now + limits.own_endpoint);
    }

    /// One came that cannot be read. `true`: it is the first, and the subscription was refreshed at once.
    fn unreadable(&mut self, cx: &mut Context) -> bool {
        let first = !self.rejected;
        self.rejected = true;
        if first {
            cx.effect(Effect::RefreshSubscription);
        }
        first
    }

    /// The soonest of the two.
    fn deadline(&self) -> Option<Instant> {
        self.retry_at.into_iter().chain(self.fail_at).min()
    }

    /// A deadline has come. `true`: the last one.
    fn expire(&mut self, cx: &mut Context) -> bool {
        if self.fail_at.is_some_and(|at| at <= cx.now) {
            return true;
        }
        self.retry_at = None;
        cx.effect(Effect::RefreshSubscription);
        false
    }
}

/// What the server's end means to somebody who waits in the lobby (specification section 7).
fn lobby_error(reason: EndedReason, reply: Reply) -> OperationError {
    match reason {
        EndedReason::Ejected | EndedReason::Denied => OperationError::LobbyDenied { reply },
        EndedReason::LobbyTimeout => OperationError::LobbyTimeout { reply },
        EndedReason::Ended | EndedReason::Replaced | EndedReason::Unknown => {
            OperationError::Dropped { reply }
        }
    }
}

/// The cause that the state event names.
fn ended_cause(reason: EndedReason) -> Cause {
    match reason {
        EndedReason::Ejected | EndedReason::Unknown => Cause::Ejected,
        EndedReason::Denied => Cause::Denied,
        EndedReason::Ended => Cause::Ended,
        EndedReason::Replaced => Cause::Replaced,
        EndedReason::LobbyTimeout => Cause::LobbyTimeout,
    }
}

/// Who wants the session to end.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    /// The application, by an operation.
    Operation(OperationId),
    /// Nobody holds the session any more.
    Dropped,
    /// The parent Conversation: back to `Idle` afterwards.
    Escalation,
}

impl Leaving {
    fn cause(self) -> Cause {
        match self {
            Self::Operation(_) | Self::Dropped => Cause::LocalLeave,
            Self::Escalation => Cause::EscalationFailed,
        }
    }

    fn to_idle(self) -> bool {
        matches!(self, Self::Escalation)
    }

    /// Puts the operation into the table; it completes with the session.
    fn begin(self, cx: &mut Context) {
        match self {
            Self::Operation(op) => cx.leave_later(op),
            Self::Dropped | Self::Escalation => {}
        }
    }
}
