//! Silent clients: whoever promised to be heard and is not any more loses the connection.
//!
//! The promise is `ms-keep-alive` in a REGISTER that came directly over a stream ([MS-CONMGMT] section 3.4.2); a connection
//! of a hop carries many people, and the hop looks after it. Traffic of any kind counts. The binding stays: it is over by its
//! own time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sip_core::keep_alive::ServerKeepAlive;
use sip_core::{FlowId, TransportInput};

/// How often all connections are looked at: so much later at most is a silent one closed.
const LOOK: Duration = Duration::from_secs(15);

/// What a client has, beyond the time that it was told, for one transaction (64*T1).
const TRANSACTION: Duration = Duration::from_secs(32);

/// The connections whose clients promised to be heard: at most those that are open.
#[derive(Debug, Default)]
pub(super) struct Silence {
    flows: BTreeMap<FlowId, ServerKeepAlive>,
    look_at: Option<Instant>,
}

impl Silence {
    /// The client of this flow was told to be heard within `timeout`.
    pub(super) fn watch(&mut self, flow: FlowId, timeout: Duration, now: Instant) {
        self.flows.insert(flow, ServerKeepAlive::new(timeout, TRANSACTION, now));
        self.look_at.get_or_insert(now + LOOK);
    }

    /// Something came from the network.
    pub(super) fn note(&mut self, input: &TransportInput, now: Instant) {
        match input {
            TransportInput::Message { flow, .. }
            | TransportInput::Malformed { flow, .. }
            | TransportInput::Ping { flow }
            | TransportInput::Pong { flow } => {
                if let Some(alive) = self.flows.get_mut(flow) {
                    alive.handle_traffic(now);
                }
            }
            TransportInput::Closed { flow, .. } => {
                self.flows.remove(flow);
            }
            TransportInput::Connected { .. }
            | TransportInput::Accepted { .. }
            | TransportInput::Secured { .. }
            | TransportInput::Unreachable { .. }
            | TransportInput::ServerUnreachable { .. } => {}
        }
    }

    /// When [`Self::take_silent`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// The flows that are to be closed now; they are not watched any more.
    pub(super) fn take_silent(&mut self, now: Instant) -> Vec<FlowId> {
        if self.look_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        let mut silent = Vec::new();
        self.flows.retain(|flow, alive| {
            let over = alive.handle_timeout(now);
            if over {
                silent.push(*flow);
            }
            !over
        });
        self.look_at = (!self.flows.is_empty()).then(|| now + LOOK);
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// [MS-CONMGMT]: the timeout and one transaction without any traffic; who pings stays, who was never told may be silent.
    #[test]
    fn who_is_silent_is_closed() {
        let start = Instant::now();
        let [silent, pinging, gone] = [1, 2, 3].map(FlowId::new);
        let mut silence = Silence::default();
        assert_eq!(silence.poll_timeout(), None);
        for flow in [silent, pinging, gone] {
            silence.watch(flow, secs(300), start);
        }
        let reason = sip_core::CloseReason::Remote;
        silence.note(&TransportInput::Closed { flow: gone, reason }, start);
        silence.note(&TransportInput::Ping { flow: pinging }, start + secs(200));
        silence.note(&TransportInput::Ping { flow: FlowId::new(9) }, start);
        let mut closed = Vec::new();
        while let Some(at) = silence.poll_timeout() {
            assert!(closed.len() < 2 && at <= start + secs(600));
            closed.extend(silence.take_silent(at).into_iter().map(|flow| (flow, at - start)));
        }
        assert_eq!(closed, [(silent, secs(345)), (pinging, secs(540))]);
    }
}
