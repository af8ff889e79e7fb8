//! An endpoint and its usages as one core, for a user that is a function.
//!
//! Who needs more than the usages give, such as requests out of dialogs, drives [`Endpoint`] and [`Usages`] itself: it is the
//! loop in [`Agent::work`], with another end.

use std::time::{Duration, Instant};

use super::{UsageEvent, Usages};
use crate::transport::Core;
use crate::{Endpoint, Transmit, TransportInput};

/// A user agent: [`Usages`] over an [`Endpoint`], and a function that is told of each event and acts on it.
///
/// What is nobody's business is refused as [`Usages::refuse`] does. It is a [`Core`]: [`drive`](crate::transport::drive)
/// runs it over sockets. The front page of the crate has a server, a client and a subscriber made of it.
#[derive(Debug)]
pub struct Agent<F> {
    endpoint: Endpoint,
    usages: Usages,
    on_event: F,
}

impl<F: FnMut(UsageEvent, &mut Usages, &mut Endpoint, Instant)> Agent<F> {
    /// An agent whose events go to `on_event`.
    pub fn new(endpoint: Endpoint, usages: Usages, on_event: F) -> Self {
        Self { endpoint, usages, on_event }
    }

    /// Acts from outside of an event: calls, subscribes, hangs up. What is to be sent is sent at the next turn of the loop.
    pub fn act<T>(&mut self, now: Instant, what: impl FnOnce(&mut Usages, &mut Endpoint) -> T) -> T {
        let done = what(&mut self.usages, &mut self.endpoint);
        self.work(now);
        done
    }

    /// The usages.
    pub fn usages(&self) -> &Usages {
        &self.usages
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Hands on what came up, until nothing is left.
    fn work(&mut self, now: Instant) {
        let Self { endpoint, usages, on_event } = self;
        loop {
            while let Some(event) = usages.poll_event() {
                on_event(event, usages, endpoint, now);
            }
            let Some(event) = endpoint.poll_event() else { return };
            if let Some(event) = usages.handle(event, endpoint, now) {
                usages.refuse(event, endpoint, now);
            }
        }
    }
}

impl<F: FnMut(UsageEvent, &mut Usages, &mut Endpoint, Instant)> Core for Agent<F> {
    fn handle_transport(&mut self, input: TransportInput, now: Instant) {
        self.endpoint.handle(input, now);
        self.work(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.usages.handle_timeout(&mut self.endpoint, now);
        self.work(now);
    }

    fn handle_backlog(&mut self, waiting: usize) {
        self.endpoint.handle_backlog(waiting);
    }

    fn handle_wait(&mut self, waited: Duration) {
        self.endpoint.handle_wait(waited);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.endpoint.poll_timeout(), self.usages.poll_timeout()].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }
}
