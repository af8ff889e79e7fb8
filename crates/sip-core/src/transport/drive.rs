//! The loop that every shell runs: sends what the core has, waits, feeds the core one input, repeats.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use super::Transport;
use crate::Message;
use crate::endpoint::{Transmit, TransportInput};

/// The most inputs that are fed before what they caused is sent.
const BATCH_INPUTS: usize = 32;

/// What is driven by [`turn`] and [`drive`].
pub trait Core {
    /// Takes what the transport reports.
    fn handle_transport(&mut self, input: TransportInput, now: Instant);

    /// Fires every timer due at `now`.
    fn handle_timeout(&mut self, now: Instant);

    /// Told before each input how many more wait: what sheds load ([`crate::Endpoint::handle_backlog`]) is told so. Nothing by default.
    fn handle_backlog(&mut self, waiting: usize) {
        let _ = waiting;
    }

    /// Told before each input how long it has waited: see [`crate::Endpoint::handle_wait`]. Nothing by default.
    fn handle_wait(&mut self, waited: Duration) {
        let _ = waited;
    }

    /// When `handle_timeout` wants to be called next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next thing to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
}

/// The clock of the shells; virtual when tokio's is.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Hands everything the core wants sent to the transport.
pub fn flush<C: Core + ?Sized>(core: &mut C, transport: &mut Transport) {
    while let Some(transmit) = core.poll_transmit() {
        transport.send(transmit);
    }
}

/// One turn: flushes, then waits for the transport, the core's deadline, or `other`, and flushes again.
///
/// Cancel safe as far as `other` is. Gives what `other` gave, or `None` after feeding the core.
pub async fn turn<C, T>(core: &mut C, transport: &mut Transport, other: impl Future<Output = T>) -> Option<T>
where
    C: Core + ?Sized,
{
    flush(core, transport);
    let deadline = core.poll_timeout();
    let outcome = tokio::select! {
        input = transport.next() => {
            feed(core, transport, input);
            None
        }
        () = sleep_until(deadline) => {
            core.handle_timeout(now());
            None
        }
        other = other => Some(other),
    };
    flush(core, transport);
    outcome
}

/// Runs the core over the transport until `stop` is ready, and gives what that gave.
pub async fn drive<C, T>(core: &mut C, transport: &mut Transport, stop: impl Future<Output = T>) -> T
where
    C: Core + ?Sized,
{
    let mut stop = pin!(stop);
    let mut alarm = pin!(tokio::time::sleep_until(now().into()));
    // When the alarm goes off, if it is set. One that goes off early costs less than setting it anew for each message.
    let mut set: Option<Instant> = None;
    loop {
        flush(core, transport);
        if let Some(at) = core.poll_timeout()
            && set.is_none_or(|set| at < set)
        {
            alarm.as_mut().reset(at.into());
            set = Some(at);
        }
        tokio::select! {
            input = transport.next() => feed(core, transport, input),
            () = alarm.as_mut(), if set.is_some() => {
                set = None;
                core.handle_timeout(now());
            }
            done = stop.as_mut() => {
                flush(core, transport);
                return done;
            }
        }
    }
}

/// Waits for the deadline; for ever without one.
pub async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn feed<C: Core + ?Sized>(core: &mut C, transport: &mut Transport, first: TransportInput) {
    let mut feed = |transport: &Transport, input| {
        core.handle_backlog(transport.backlog());
        core.handle_wait(transport.waited());
        feed_one(core, input);
    };
    feed(transport, first);
    for _ in 1..BATCH_INPUTS {
        match transport.try_next() {
            Some(input) => feed(transport, input),
            None => return,
        }
    }
}

/// Whatever the core logs about a message is inside a span that names it.
fn feed_one<C: Core + ?Sized>(core: &mut C, input: TransportInput) {
    let span = match &input {
        TransportInput::Message { flow, message: Message::Request(request) } => tracing::debug_span!(
            "sip",
            call_id = request.call_id(),
            method = request.method().as_str(),
            flow = flow.number()
        ),
        TransportInput::Message { flow, message: Message::Response(response) } => tracing::debug_span!(
            "sip",
            call_id = response.call_id(),
            method = response.cseq().method.as_str(),
            status = response.status(),
            flow = flow.number()
        ),
        _ => tracing::Span::none(),
    };
    let _inside = span.entered();
    core.handle_transport(input, now());
}
