//! What the owner of all connections does about handshakes.

use tokio::net::TcpStream;

use super::super::connection::Stream;
use super::super::{Internal, Transport};
use super::handshake::{Opened, accept, connect};
use crate::endpoint::{FlowInfo, Remote, TlsFailure, TransportInput, UnreachableReason};

impl Transport {
    /// Begins the handshake of a connection that was accepted and counted.
    pub(in crate::transport) fn shake(&mut self, stream: TcpStream, info: FlowInfo) {
        let from = info.remote.ip();
        let Some(tls) = &mut self.tls else {
            return self.release(from);
        };
        let (number, contexts) = (tls.handshakes.number(), tls.contexts());
        let (limit, reports) = (self.config.connect_timeout, self.reports.clone());
        let task = self.tasks.spawn(async move {
            let outcome = accept(stream, info, contexts, limit).await;
            // The receiver is gone when the transport is.
            let _ = reports.send(Internal::Shaken { number, outcome }).await;
        });
        if let Some(whose) = tls.handshakes.began(number, from, task, self.config.max_handshakes) {
            tracing::warn!(peer = %whose, "TLS handshake given up: too many");
            self.release(whose);
        }
    }

    /// That handshake is over.
    pub(in crate::transport) fn shaken(&mut self, number: u64, outcome: Result<Opened, TlsFailure>) {
        let failure = outcome.as_ref().err().copied();
        let Some(from) = self.tls.as_mut().and_then(|tls| tls.handshakes.over(number, failure)) else {
            // It was given up while its report was on the way; with the outcome the connection goes.
            return;
        };
        match outcome {
            Ok(Opened { stream, info, peer }) => {
                let flow = self.start(Stream::Tls(stream), info, true, None, peer.clone());
                self.ready.push_back(TransportInput::Secured { flow, info, asked: None, peer });
            }
            Err(failure) => {
                tracing::debug!(peer = %from, %failure, "TLS handshake failed");
                self.release(from);
            }
        }
    }

    /// Opens a connection to a server that has to prove a name.
    pub(in crate::transport) fn connect_tls(&mut self, remote: Remote) {
        let (Some(tls), Some(name)) = (&self.tls, remote.name.clone()) else {
            self.connecting.remove(&remote);
            return self.unreachable(&remote, UnreachableReason::Unsupported);
        };
        let (contexts, config, reports) = (tls.contexts(), self.config.clone(), self.reports.clone());
        self.tasks.spawn(async move {
            let report = match connect(remote.addr, name, contexts, &config).await {
                Ok(opened) => Internal::Secured { remote, opened },
                Err(reason) => Internal::ConnectFailed { remote, reason },
            };
            // The receiver is gone when the transport is.
            let _ = reports.send(report).await;
        });
    }

    /// The handshake of that connection is over, and the name proved.
    pub(in crate::transport) fn secured(&mut self, remote: Remote, opened: Opened) {
        let Opened { stream, info, peer } = opened;
        let waiting = self.connecting.remove(&remote).unwrap_or_default();
        let asked = remote.name.clone();
        let flow = self.start(Stream::Tls(stream), info, false, Some(remote), peer.clone());
        self.ready.push_back(TransportInput::Secured { flow, info, asked, peer });
        waiting.into_iter().for_each(|bytes| self.send_on(flow, bytes));
    }
}
