//! Certificates of the command line: what TLS is spoken with, and whether nodes trust each other.

use std::io;
use std::time::Duration;

use sip_core::transport::tls::{TlsConfig, TlsConfigError};
use sip_core::{
    ListenAddr, Target, Transmit, Transport, TransportConfig, TransportInput, TransportKind,
    UnreachableReason,
};

use crate::args::TlsOptions;
use crate::failure::{Failure, chain};

/// How long the nodes of a pool may take to prove who they are.
const PROOF_TIME: Duration = Duration::from_secs(10);

/// What to try when addresses over TLS have no certificate.
const CERTIFICATE_HELP: &str = "--tls-cert FILE --tls-key FILE";

impl TlsOptions {
    /// Reads the files; `None`: no TLS. Without `--tls-ca` the certificate itself is trusted, if there is one.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub(crate) fn config(&self) -> Result<Option<TlsConfig>, Failure> {
        let mut config = TlsConfig::new();
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config = config
                .with_identity_files(cert, key)
                .map_err(|error| unreadable(&format!("{} and {}", cert.display(), key.display()), &error))?;
        }
        let Some(trusted) = self.tls_ca.as_ref().or(self.tls_cert.as_ref()) else { return Ok(None) };
        config = config
            .with_roots_file(trusted)
            .map_err(|error| unreadable(&trusted.display().to_string(), &error))?;
        Ok(Some(config))
    }

    /// Refuses addresses over TLS that nothing is given for: to listen at, and to connect to.
    ///
    /// # Errors
    ///
    /// One of them is over TLS, and there is no certificate, or nobody to trust.
    pub(crate) fn check(&self, listen: &[ListenAddr], next: &[ListenAddr]) -> Result<(), Failure> {
        if let Some(listen) = first_tls(listen)
            && self.tls_cert.is_none()
        {
            return Err(Failure::usage(format!("{listen} needs a certificate")).try_this(CERTIFICATE_HELP));
        }
        if let Some(next) = first_tls(next)
            && self.tls_cert.is_none()
            && self.tls_ca.is_none()
        {
            return Err(untrusted(&next.to_string()));
        }
        self.config().map(|_| ())
    }
}

/// Who a server over TLS is cannot be known.
pub(crate) fn untrusted(server: &str) -> Failure {
    Failure::usage(format!("{server} is over TLS, and nothing says whose certificates to trust"))
        .try_this("--tls-ca FILE with the certificate of the server or of its issuer")
}

fn first_tls(addrs: &[ListenAddr]) -> Option<&ListenAddr> {
    addrs.iter().find(|addr| addr.transport == TransportKind::Tls)
}

fn unreadable(files: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {files}: {error}")).try_this("files as PEM that this user may read")
}

/// The settings that are wrong, if that is why sockets cannot be had.
pub(crate) fn wrong_settings(error: &io::Error) -> Option<Failure> {
    let wrong = error.get_ref()?.downcast_ref::<TlsConfigError>()?;
    Some(
        Failure::new(format!("the TLS files cannot be used: {}", chain(wrong)))
            .try_this("a certificate chain and its own private key, both as PEM"),
    )
}

/// Makes sure that nodes which listen here can prove it to each other: their certificate has to name each address.
///
/// # Errors
///
/// One cannot, or not in time.
pub(crate) async fn prove(listen: &[ListenAddr], tls: &TlsOptions) -> Result<(), Failure> {
    let Some(config) = tls.config()? else { return Ok(()) };
    let config = TransportConfig::default().with_tls(config);
    let transport = Transport::bind(&[], config).await;
    let mut transport = transport.map_err(|error| Failure::new(format!("no socket: {error}")))?;
    let mut left = 0;
    for ListenAddr { addr, .. } in listen.iter().filter(|addr| addr.transport == TransportKind::Tls) {
        transport.send(Transmit::open(Target::Address { transport: TransportKind::Tls, addr: *addr }));
        left += 1;
    }
    let all = async {
        while left > 0 {
            match transport.next().await {
                TransportInput::Secured { .. } => left -= 1,
                TransportInput::Unreachable { addr, reason, .. } => return Err(unproved(addr, reason)),
                _ => {}
            }
        }
        Ok(())
    };
    let result = tokio::time::timeout(PROOF_TIME, all).await;
    transport.shutdown().await;
    result.unwrap_or_else(|_| Err(Failure::new("the nodes do not prove in time who they are")))
}

fn unproved(addr: std::net::SocketAddr, reason: UnreachableReason) -> Failure {
    Failure::new(format!("the nodes do not trust each other at tls:{addr}: {reason}")).try_this(format!(
        "a certificate whose subjectAltName has the address {}, and --tls-ca with its issuer",
        addr.ip()
    ))
}
