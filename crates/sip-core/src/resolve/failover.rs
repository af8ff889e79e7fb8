//! Which destination is tried next when one fails (RFC 3263 section 4.3), and a request that does so by itself.
//!
//! | what happened | next destination | remembered |
//! |---|---|---|
//! | the address cannot be reached, the connection was lost before any answer | yes | failed |
//! | no answer at all in time (Timer B, Timer F) | yes; not for a forwarded non-INVITE | failed |
//! | a provisional answer, then nothing | no: somebody has the request | nothing |
//! | 503 with `Retry-After` | yes | left alone for that time |
//! | 503 without: as 500 (RFC 3261 section 21.5.4), but at the next destination | yes | nothing |
//! | any other answer, 408 included | no | works |
//! | too many transactions of our own | no | nothing |
//!
//! RFC 4320: when a non-INVITE transaction has timed out, that of the client before us has too, so a proxy has nobody left to
//! ask for: it only remembers ([`Failover::forwarding`]). And nobody answers a non-INVITE with 408 any more, so one that comes
//! tells of the far end, not of the next hop.
//!
//! A try at another destination is the same request in a new transaction: [`Endpoint::send_request`] gives each its own
//! branch; Call-ID, tags and CSeq stay.

use std::time::{Duration, Instant};

use super::config::Destination;
use super::memory::DestinationMemory;
use crate::build::RequestDraft;
use crate::endpoint::{ClientTransactionId, CloseReason, Endpoint, Event, TransactionError};
use crate::header::{Method, RetryAfter};
use crate::message::Response;

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryOutcome {
    /// A provisional response (not the end).
    Provisional,
    /// A final response.
    Final {
        /// Its status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No response.
    Failed(TransactionError),
}

impl TryOutcome {
    /// What a response means.
    #[must_use]
    pub fn of_response(response: &Response) -> Self {
        if response.status() < 200 {
            return Self::Provisional;
        }
        let retry_after = response.header::<RetryAfter>().ok().flatten().map(RetryAfter::duration);
        Self::Final { status: response.status(), retry_after }
    }
}

/// What is to be done after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Wait: the transaction goes on.
    Wait,
    /// Send the same request, in a new transaction, to this destination.
    Try(Destination),
    /// Done: the outcome is that of the request.
    Done,
}

/// The order of destinations for one request.
///
/// # Invariants
///
/// Each destination is tried once; a request that somebody may be working on goes nowhere else.
#[derive(Debug, Clone)]
pub struct Failover {
    invite: bool,
    forwarding: bool,
    who: Option<String>,
    list: Vec<Destination>,
    at: usize,
    heard: bool,
    over: bool,
}

impl Failover {
    /// The order for a request with this method: `destinations` as `memory` arranges them for `who` (see
    /// [`DestinationMemory`]).
    #[must_use]
    pub fn new(
        method: &Method,
        who: Option<&str>,
        destinations: &[Destination],
        memory: &DestinationMemory,
        now: Instant,
    ) -> Self {
        Self {
            invite: *method == Method::Invite,
            forwarding: false,
            who: who.map(str::to_owned),
            list: memory.arrange(who, destinations, now),
            at: 0,
            heard: false,
            over: false,
        }
    }

    /// The same for a request that we forward: a non-INVITE that timed out is not tried elsewhere.
    #[must_use]
    pub fn forwarding(mut self) -> Self {
        self.forwarding = true;
        self
    }

    /// The same with at most so many tries; 0 counts as 1.
    #[must_use]
    pub fn with_max_tries(mut self, max: usize) -> Self {
        self.list.truncate(max.max(1));
        self
    }

    /// The destination being tried; `None` when there never was one.
    #[must_use]
    pub fn current(&self) -> Option<&Destination> {
        self.list.get(self.at)
    }

    /// What is left to try after the current one.
    #[must_use]
    pub fn rest(&self) -> &[Destination] {
        self.list.get(self.at + 1..).unwrap_or_default()
    }

    /// No further destination, whatever comes: the request was cancelled.
    pub fn stop(&mut self) {
        self.list.truncate(self.at + 1);
    }

    /// Takes what happened at the current destination, remembers it, and says what is next.
    pub fn handle(&mut self, outcome: TryOutcome, memory: &mut DestinationMemory, now: Instant) -> NextStep {
        let Some(current) = self.list.get(self.at).filter(|_| !self.over) else { return NextStep::Done };
        let move_on = match outcome {
            TryOutcome::Provisional => {
                self.heard = true;
                return NextStep::Wait;
            }
            TryOutcome::Final { status: 503, retry_after } => {
                if let Some(time) = retry_after {
                    memory.told_to_wait(current, time, now);
                }
                true
            }
            TryOutcome::Final { .. } => {
                memory.works(self.who.as_deref(), current);
                false
            }
            TryOutcome::Failed(error) => self.is_next_after(error, memory, now),
        };
        self.heard = false;
        if move_on && self.at + 1 < self.list.len() {
            self.at += 1;
            return NextStep::Try(self.list[self.at].clone());
        }
        self.over = true;
        NextStep::Done
    }

    /// Whether a try without an answer is made elsewhere.
    fn is_next_after(&self, error: TransactionError, memory: &mut DestinationMemory, now: Instant) -> bool {
        let timeout = match error {
            TransactionError::Overloaded => return false,
            TransactionError::Timeout { .. } => true,
            TransactionError::Unreachable { .. } | TransactionError::FlowClosed { .. } => false,
        };
        if self.heard {
            return false;
        }
        // What we closed or cancelled ourselves tells nothing of the destination.
        let ours = matches!(error, TransactionError::FlowClosed { reason: CloseReason::Local });
        if let Some(current) = self.current().filter(|_| !ours) {
            memory.failed(current, now);
        }
        !(timeout && self.forwarding && !self.invite)
    }
}

/// There is no destination to send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no destination")]
pub struct NoDestination;

/// What an event of the endpoint means for a [`Sending`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is about something else.
    Unrelated,
    /// A provisional response; the event is to be passed on.
    Provisional,
    /// The destination failed; the request went to the next one, and nobody needs to know.
    Moved,
    /// The event is the end of the request.
    Ended,
}

/// A request on its way along a list of destinations.
///
/// # Examples
///
/// See the [module's](super) example.
#[derive(Debug)]
pub struct Sending {
    draft: RequestDraft,
    failover: Failover,
    tx: ClientTransactionId,
}

impl Sending {
    /// Sends `draft` to the first destination.
    ///
    /// # Errors
    ///
    /// [`NoDestination`] when the list is empty.
    pub fn start(
        draft: RequestDraft,
        failover: Failover,
        endpoint: &mut Endpoint,
        now: Instant,
    ) -> Result<Self, NoDestination> {
        let target = failover.current().ok_or(NoDestination)?.target();
        let tx = endpoint.send_request(draft.clone(), target, now);
        Ok(Self { draft, failover, tx })
    }

    /// The transaction of the current try; another one after [`Progress::Moved`].
    #[must_use]
    pub fn transaction(&self) -> ClientTransactionId {
        self.tx
    }

    /// The destination of the current try.
    #[must_use]
    pub fn destination(&self) -> Option<&Destination> {
        self.failover.current()
    }

    /// Takes an event of the endpoint; sends the request again when its destination failed and there is another.
    pub fn handle_event(
        &mut self,
        event: &Event,
        endpoint: &mut Endpoint,
        memory: &mut DestinationMemory,
        now: Instant,
    ) -> Progress {
        let outcome = match event {
            Event::Response { tx, response, .. } if *tx == self.tx => TryOutcome::of_response(response),
            Event::Failed { tx, error } if *tx == self.tx => TryOutcome::Failed(*error),
            _ => return Progress::Unrelated,
        };
        match self.failover.handle(outcome, memory, now) {
            NextStep::Wait => Progress::Provisional,
            NextStep::Done => Progress::Ended,
            NextStep::Try(destination) => {
                self.tx = endpoint.send_request(self.draft.clone(), destination.target(), now);
                Progress::Moved
            }
        }
    }

    /// Cancels an INVITE: it goes to no further destination, and its end still comes.
    pub fn cancel(&mut self, endpoint: &mut Endpoint, now: Instant) {
        self.failover.stop();
        endpoint.cancel(self.tx, now);
    }
}
