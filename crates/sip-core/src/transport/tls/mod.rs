//! SIP over TLS (feature `tls`): whom we trust, who we are, and how both change while the process runs.
//!
//! TLS 1.2 and 1.3 only. A server proves the name that a request was addressed to (RFC 5922): the domain of the URI
//! before any look-up ([`Target::Server`](crate::Target::Server)), or the literal address
//! ([`Target::Address`](crate::Target::Address)). A connection made for one name is never used for another one. A client
//! proves its names by a certificate of its own if it has one and the server asks (mutual TLS); what it proved is
//! [`Endpoint::peer`](crate::Endpoint::peer).
//!
//! # Names in certificates
//!
//! - `subjectAltName` only; the common name is not looked at.
//! - `sip:` URIs without user part name domains; if there is one, DNS names count no more (RFC 5922 section 7.1). Name
//!   constraints of issuers do not cover such URIs: where the chain has constraints, these URIs name nothing.
//! - Names match as a whole and without case. Wildcards match nothing (RFC 5922 section 7.2).
//! - Extended key usage, if present, has to allow TLS server or TLS client authentication; `id-kp-sipDomain` of RFC 5924
//!   alone is not enough.
//!
//! # Limits
//!
//! The handshake counts into [`TransportConfig::connect_timeout`]. Handshakes of accepted connections count as connections
//! of their peer, and at most [`TransportConfig::max_handshakes`] are under way; beyond, the oldest of the address that has
//! most of them is given up: honest ones are over long before it is their turn.
//!
//! # Examples
//!
//! ```
//! use sip_core::transport::tls::TlsConfig;
//! use sip_core::{ListenAddr, Target, Transmit, Transport, TransportConfig, TransportInput};
//! # let issued = rcgen::generate_simple_self_signed(vec!["conf.example.com".into()]).unwrap();
//! # let (certificate, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! // The server: its certificate chain and key as PEM, from bytes or from files.
//! let ours = TlsConfig::new().with_identity(certificate.as_bytes(), key.as_bytes());
//! let listen: ListenAddr = "tls:127.0.0.1:0".parse().unwrap();
//! let mut server = Transport::bind(&[listen], TransportConfig::default().with_tls(ours)).await?;
//!
//! // The client: whom it trusts, and the name it wants to talk to.
//! let trust = TlsConfig::new().with_roots(certificate.as_bytes());
//! let mut client = Transport::bind(&[], TransportConfig::default().with_tls(trust)).await?;
//! let addr = server.local_addrs()[0].addr;
//! let name = "conf.example.com".parse().unwrap();
//! client.send(Transmit::open(Target::Server { addr, name }));
//! tokio::select! {
//!     opened = client.next() => match opened {
//!         TransportInput::Secured { peer, .. } => assert_eq!(peer.names()[0].to_string(), "conf.example.com"),
//!         other => panic!("{other:?}"),
//!     },
//!     _ = async { loop { server.next().await; } } => unreachable!(),
//! }
//!
//! // The certificate is renewed: open connections stay, new ones get it.
//! let renewed = TlsConfig::new().with_identity(certificate.as_bytes(), key.as_bytes());
//! server.tls_reload().expect("it speaks TLS").replace(&renewed)?;
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```

mod config;
mod failure;
mod handshake;
mod names;
mod shell;

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use config::{ClientCertificates, TlsConfig, TlsConfigError, TlsPart};
pub(super) use failure::failure_of;
pub use handshake::TlsStats;
pub(super) use handshake::{Handshakes, Opened};

#[cfg(doc)]
use super::TransportConfig;

/// What handshakes are made with; never changed, only replaced.
pub(super) struct Contexts {
    /// For connections that we open.
    connector: TlsConnector,
    /// For those that we accept; `None` without a certificate of ours.
    acceptor: Option<TlsAcceptor>,
    /// Whether a trust anchor has name constraints.
    constrained: bool,
}

/// The contexts in use, and how many handshakes they serve.
#[derive(Debug)]
pub(super) struct Tls {
    contexts: watch::Sender<Arc<Contexts>>,
    /// Whether connections are accepted.
    pub(super) serves: bool,
    /// Of accepted connections.
    pub(super) handshakes: Handshakes,
}

impl std::fmt::Debug for Contexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contexts").field("accepts", &self.acceptor.is_some()).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the settings.
    pub(super) fn new(config: &TlsConfig, serves: bool) -> Result<Self, TlsConfigError> {
        let contexts = config.build(serves)?;
        Ok(Self {
            contexts: watch::Sender::new(Arc::new(contexts)),
            serves,
            handshakes: Handshakes::default(),
        })
    }

    /// What the next handshake is made with.
    pub(super) fn contexts(&self) -> Arc<Contexts> {
        Arc::clone(&self.contexts.borrow())
    }

    /// How to replace that.
    pub(super) fn reload(&self) -> TlsReload {
        TlsReload { contexts: self.contexts.clone(), serves: self.serves }
    }
}

/// Replaces certificates, keys and trust anchors of a running [`Transport`](super::Transport).
///
/// Cheap to clone; may be used from any task.
#[derive(Clone, Debug)]
pub struct TlsReload {
    contexts: watch::Sender<Arc<Contexts>>,
    serves: bool,
}

impl TlsReload {
    /// Uses these settings for all handshakes that begin from now on. Open connections stay as they are.
    ///
    /// # Errors
    ///
    /// When the settings cannot be used; then the old ones stay.
    pub fn replace(&self, config: &TlsConfig) -> Result<(), TlsConfigError> {
        let contexts = config.build(self.serves)?;
        self.contexts.send_replace(Arc::new(contexts));
        Ok(())
    }
}

impl From<TlsConfigError> for io::Error {
    fn from(error: TlsConfigError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests;
