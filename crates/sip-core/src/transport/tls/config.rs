//! The settings of TLS, as PEM, and the contexts made of them.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use zeroize::Zeroizing;

use super::Contexts;
use super::names::ServerVerifier;

/// The largest PEM text that is read from a file.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What accepted connections are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// Clients are not asked for a certificate.
    #[default]
    None,
    /// Clients are asked; one without is accepted, one with a bad certificate is not.
    Optional,
    /// Only clients with a certificate that chains to our trust anchors are accepted.
    Required,
}

/// What a [`TlsConfigError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsPart {
    /// Our certificate chain.
    Chain,
    /// Our private key.
    Key,
    /// The trust anchors.
    Roots,
}

impl fmt::Display for TlsPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "certificate chain",
            Self::Key => "private key",
            Self::Roots => "trust anchors",
        })
    }
}

/// Why settings of TLS cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The text is no PEM, or holds nothing of the kind.
    #[error("no usable PEM in the {0}")]
    Pem(TlsPart),
    /// What the PEM holds cannot be used: broken, or of an unknown kind.
    #[error("the {0} cannot be used")]
    Unusable(TlsPart),
    /// Certificate and key do not belong together.
    #[error("certificate and key do not belong together")]
    KeyMismatch,
    /// Connections are to be accepted, and there is no certificate for them.
    #[error("no certificate to accept connections with")]
    NoIdentity,
    /// Client certificates are to be verified, and there are no trust anchors for them.
    #[error("no trust anchors to verify client certificates with")]
    NoRoots,
}

/// A certificate chain and its key, as PEM.
#[derive(Clone)]
struct Identity {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// Who we are over TLS, and whom we trust. Everything is PEM; nothing is read before it is used.
///
/// Without trust anchors no server can prove its name; the system's are not used.
#[derive(Clone, Default)]
pub struct TlsConfig {
    identity: Option<Identity>,
    client_identity: Option<Identity>,
    roots: Vec<Vec<u8>>,
    client_certificates: ClientCertificates,
}

/// Keys are not shown.
impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("identity", &self.identity.is_some())
            .field("client_identity", &self.client_identity.is_some())
            .field("roots", &self.roots.len())
            .field("client_certificates", &self.client_certificates)
            .finish()
    }
}

impl TlsConfig {
    /// No certificate, no trust anchor.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this certificate chain (ours first, then its issuers) and this private key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// It is shown to those whose connections we accept, and to servers that ask for a client certificate, unless
    /// [`Self::with_client_identity`] gives another one for them.
    #[must_use]
    pub fn with_identity(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.identity = Some(Identity { chain: chain.to_vec(), key: Zeroizing::new(key.to_vec()) });
        self
    }

    /// As [`Self::with_identity`], from files.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is larger than 4 MiB.
    pub fn with_identity_files(self, chain: &Path, key: &Path) -> io::Result<Self> {
        Ok(self.with_identity(&read(chain)?, &Zeroizing::new(read(key)?)))
    }

    /// With this certificate chain and key for connections that we open, if the server asks for one.
    #[must_use]
    pub fn with_client_identity(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.client_identity = Some(Identity { chain: chain.to_vec(), key: Zeroizing::new(key.to_vec()) });
        self
    }

    /// With these trust anchors as well: one or more certificates.
    #[must_use]
    pub fn with_roots(mut self, roots: &[u8]) -> Self {
        self.roots.push(roots.to_vec());
        self
    }

    /// As [`Self::with_roots`], from a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is larger than 4 MiB.
    pub fn with_roots_file(self, roots: &Path) -> io::Result<Self> {
        Ok(self.with_roots(&read(roots)?))
    }

    /// Asking accepted connections for certificates like this.
    #[must_use]
    pub fn with_client_certificates(mut self, wanted: ClientCertificates) -> Self {
        self.client_certificates = wanted;
        self
    }

    /// Reads everything; `serves` when there have to be contexts for accepted connections.
    pub(super) fn build(&self, serves: bool) -> Result<Contexts, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.root_store()?);
        let constrained = roots.roots.iter().any(|anchor| anchor.name_constraints.is_some());
        let acceptor = match &self.identity {
            Some(identity) => Some(self.acceptor(identity, &provider, &roots)?),
            None if serves => return Err(TlsConfigError::NoIdentity),
            None => None,
        };
        let connector = self.connector(&provider, roots, constrained)?;
        Ok(Contexts { connector, acceptor, constrained })
    }

    fn root_store(&self) -> Result<RootCertStore, TlsConfigError> {
        let mut store = RootCertStore::empty();
        for pem in &self.roots {
            for certificate in certificates(pem, TlsPart::Roots)? {
                store.add(certificate).map_err(|_| TlsConfigError::Unusable(TlsPart::Roots))?;
            }
        }
        Ok(store)
    }

    fn connector(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: Arc<RootCertStore>,
        constrained: bool,
    ) -> Result<TlsConnector, TlsConfigError> {
        let verifier = ServerVerifier::new(roots, provider.signature_verification_algorithms, constrained);
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|_| TlsConfigError::Unusable(TlsPart::Roots))?
            // The verifier is ours because wildcards and `sip:` URIs are SIP's matter; the chain is verified as ever.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match self.client_identity.as_ref().or(self.identity.as_ref()) {
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key).map_err(|error| identity_error(&error))?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn acceptor(
        &self,
        identity: &Identity,
        provider: &Arc<CryptoProvider>,
        roots: &Arc<RootCertStore>,
    ) -> Result<TlsAcceptor, TlsConfigError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|_| TlsConfigError::Unusable(TlsPart::Key))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
        let verifier = match self.client_certificates {
            ClientCertificates::None => None,
            ClientCertificates::Optional => Some(verifier.allow_unauthenticated().build()),
            ClientCertificates::Required => Some(verifier.build()),
        };
        let builder = match verifier.transpose().map_err(|_| TlsConfigError::NoRoots)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let (chain, key) = identity.read()?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| identity_error(&error))?;
        if self.client_certificates != ClientCertificates::None {
            // A resumed session would keep an identity alive that expired or is trusted no longer.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsConfigError> {
        let chain = certificates(&self.chain, TlsPart::Chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsConfigError::Pem(TlsPart::Key))?;
        Ok((chain, key))
    }
}

/// All certificates of a PEM text, at least one.
fn certificates(pem: &[u8], part: TlsPart) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) | Err(_) => Err(TlsConfigError::Pem(part)),
    }
}

fn identity_error(error: &rustls::Error) -> TlsConfigError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsConfigError::KeyMismatch,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            TlsConfigError::Unusable(TlsPart::Chain)
        }
        _ => TlsConfigError::Unusable(TlsPart::Key),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
