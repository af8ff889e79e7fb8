//! One type per state, what may happen in each, and the one function that changes states.

use super::call::EndReason;
use super::edge::{self, Edge, McuTransition};
use super::{CallChange, Context, McuReport, McuSessionState, Output, Refused};

/// Nothing known of the MCU, or not active.
#[derive(Debug)]
pub(super) struct Idle;

/// The newest report says that it is active.
#[derive(Debug)]
pub(super) struct Active {
    /// The server, if the Focus names it.
    pub(super) instance: Option<String>,
}

/// Waiting for news after a failover.
#[derive(Debug)]
pub(super) struct Retrying {
    /// The server before.
    pub(super) instance: Option<String>,
    /// A document that followed the Focus's own failover has been seen: M8 is possible.
    pub(super) reconnected: bool,
}

/// Over.
#[derive(Debug)]
pub(super) struct Terminated;

/// The state with its data.
#[derive(Debug)]
pub(super) enum State {
    Idle(Idle),
    Active(Active),
    Retrying(Retrying),
    Terminated(Terminated),
}

impl State {
    pub(super) const fn name(&self) -> McuSessionState {
        match self {
            Self::Idle(_) => Idle::NAME,
            Self::Active(_) => Active::NAME,
            Self::Retrying(_) => Retrying::NAME,
            Self::Terminated(_) => Terminated::NAME,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Idle(Idle)
    }
}

/// What all state types have.
pub(super) trait Named: Into<State> {
    const NAME: McuSessionState;
}

macro_rules! named {
    ($($state:ident)+) => {$(
        impl Named for $state {
            const NAME: McuSessionState = McuSessionState::$state;
        }

        impl From<$state> for State {
            fn from(state: $state) -> Self {
                Self::$state(state)
            }
        }
    )+};
}

named!(Idle Active Retrying Terminated);

impl Context {
    /// The only way from one state to another.
    fn cross<F: Named, E: Edge<F>>(&mut self, _: E, from: F, to: impl FnOnce(F) -> E::To) -> E::To
    where
        E::To: Named,
    {
        self.out.push_back(Output::Transition { from: F::NAME, to: <E::To as Named>::NAME, id: E::ID });
        to(from)
    }

    /// Ends the call, if there is one: for the application at once, on the wire as well as may be.
    fn end_call(&mut self, reason: EndReason) {
        if self.call.is_up() {
            self.call = super::CallState::Terminated;
            self.call_instance = None;
            self.out.push_back(Output::Call(CallChange { state: self.call, cause: reason.cause() }));
            self.out.push_back(Output::EndCall { reason });
        }
    }

    fn release_queue(&mut self) {
        self.out.extend(self.queue.drain(..).map(|(ticket, _)| Output::Send(ticket)));
    }

    fn reject_queue(&mut self, state: McuSessionState) {
        let refused = Refused::InvalidState(state);
        self.out.extend(self.queue.drain(..).map(|(ticket, _)| Output::Reject(ticket, refused)));
    }
}

impl Idle {
    pub(super) fn report(self, report: &McuReport, cx: &mut Context) -> State {
        match report {
            McuReport::Active { instance } => {
                let active = cx.cross(edge::M1, self, |_| Active { instance: instance.clone() });
                cx.release_queue();
                active.into()
            }
            McuReport::Absent => {
                cx.reject_queue(McuSessionState::Terminated);
                let over = cx.cross(edge::M2, self, |_| Terminated);
                cx.end_call(EndReason::McuGone);
                over.into()
            }
            McuReport::Inactive | McuReport::FailingOver => self.into(),
        }
    }
}

impl Active {
    pub(super) fn report(self, report: &McuReport, cx: &mut Context) -> State {
        match report {
            McuReport::Active { instance } if self.is_same(instance, cx) => {
                Self { instance: instance.clone().or(self.instance) }.into()
            }
            // Documents can be coalesced: another server is a failover even if "failing over" was never seen.
            McuReport::Active { instance } => {
                let retrying = self.failed_over(EndReason::InstanceChanged, cx);
                cx.cross(edge::M5, retrying, |_| Active { instance: instance.clone() }).into()
            }
            // A Focus that reports `idle` of an MCU that was active has lost it as well.
            McuReport::FailingOver | McuReport::Inactive => {
                self.failed_over(EndReason::RollingOver, cx).into()
            }
            McuReport::Absent => end(edge::M6, self, EndReason::McuGone, cx),
        }
    }

    fn failed_over(self, reason: EndReason, cx: &mut Context) -> Retrying {
        let next =
            cx.cross(edge::M4, self, |active| Retrying { instance: active.instance, reconnected: false });
        cx.end_call(reason);
        cx.out.push_back(Output::FailPending { began: McuTransition::M4 });
        next
    }

    fn is_same(&self, instance: &Option<String>, cx: &Context) -> bool {
        same_server(&self.instance, instance) && call_survives(instance, cx)
    }

    pub(super) fn focus_lost(self, cx: &mut Context) -> State {
        cx.cross(edge::M3, self, |active| Retrying { instance: active.instance, reconnected: false }).into()
    }
}

impl Retrying {
    pub(super) fn report(mut self, report: &McuReport, reconnected: bool, cx: &mut Context) -> State {
        self.reconnected |= reconnected;
        match report {
            McuReport::Active { instance } => {
                if !(same_server(&self.instance, instance) && call_survives(instance, cx)) {
                    cx.end_call(EndReason::InstanceChanged);
                }
                cx.cross(edge::M5, self, |old| Active { instance: instance.clone().or(old.instance) }).into()
            }
            McuReport::FailingOver => {
                cx.end_call(EndReason::RollingOver);
                self.into()
            }
            McuReport::Inactive => self.settle(cx),
            McuReport::Absent => end(edge::M6, self, EndReason::McuGone, cx),
        }
    }

    /// M8, once a document after the reconnect said "not active" and no call is left.
    pub(super) fn settle(self, cx: &mut Context) -> State {
        if self.reconnected && !cx.call.is_up() && cx.report == McuReport::Inactive {
            return cx.cross(edge::M8, self, |_| Idle).into();
        }
        self.into()
    }
}

/// The server is the same, as far as both documents name one.
fn same_server(old: &Option<String>, new: &Option<String>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old == new,
        (None, _) | (_, None) => true,
    }
}

/// The call, if any, was made to the server that is reported now.
fn call_survives(instance: &Option<String>, cx: &Context) -> bool {
    !cx.call.is_up() || same_server(&cx.call_instance, instance)
}

/// M6, and the call with it.
pub(super) fn end<F: Named>(edge: edge::M6, from: F, reason: EndReason, cx: &mut Context) -> State
where
    edge::M6: Edge<F, To = Terminated>,
{
    let over = cx.cross(edge, from, |_| Terminated);
    cx.reject_queue(McuSessionState::Terminated);
    cx.end_call(reason);
    over.into()
}

/// M7, and the call with it.
pub(super) fn reset<F: Named>(edge: edge::M7, from: F, cx: &mut Context) -> State
where
    edge::M7: Edge<F, To = Idle>,
{
    let idle = cx.cross(edge, from, |_| Idle);
    cx.reject_queue(McuSessionState::Idle);
    cx.end_call(EndReason::SessionEnding);
    cx.call = super::CallState::Idle;
    cx.report = McuReport::Inactive;
    idle.into()
}
