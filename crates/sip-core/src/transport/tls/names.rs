//! Which names a certificate proves (RFC 5922 section 7), and the check of a server's.
//!
//! The chain is verified by the TLS library, names are ours: a SIP domain is never matched by a wildcard, and may stand in a
//! `sip:` URI.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use crate::endpoint::{PeerIdentity, PeerName};

/// The most names of one certificate that are looked at.
const NAMES: usize = 256;
/// The extension `nameConstraints` (2.5.29.30) as it stands in a certificate.
const NAME_CONSTRAINTS: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x1e];

/// Verifies servers: first the chain, then the name.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    /// Whether a trust anchor has name constraints.
    constrained: bool,
}

impl ServerVerifier {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        algorithms: WebPkiSupportedAlgorithms,
        constrained: bool,
    ) -> Self {
        Self { roots, algorithms, constrained }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let proved = match server_name {
            ServerName::IpAddress(_) => verify_server_name(&parsed, server_name).is_ok(),
            ServerName::DnsName(domain) => {
                let wanted = domain.as_ref().parse::<PeerName>();
                let constrained = self.constrained || has_constraints(intermediates);
                wanted.is_ok_and(|wanted| domains(end_entity, constrained).contains(&wanted))
            }
            _ => false,
        };
        if !proved {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What the other end proved by a chain that was verified; `asked` is the name that was verified with it.
///
/// - `constrained`: whether a trust anchor has name constraints.
pub(super) fn identity(
    chain: Option<&[CertificateDer<'_>]>,
    asked: Option<&PeerName>,
    remote: IpAddr,
    constrained: bool,
) -> PeerIdentity {
    let Some([end_entity, intermediates @ ..]) = chain else {
        return PeerIdentity::default();
    };
    let mut names = domains(end_entity, constrained || has_constraints(intermediates));
    let remote = remote.to_canonical();
    if names_address(end_entity, remote) {
        names.push(remote.into());
    }
    if let Some(asked) = asked
        && !names.contains(asked)
    {
        names.push(asked.clone());
    }
    PeerIdentity::new(names)
}

/// The SIP domains of a certificate (RFC 5922 section 7.1).
///
/// - `constrained`: whether its issuers may be bound to certain names. Constraints of DNS names were applied with the chain;
///   of URIs they say nothing, so that URIs count only where there are none.
fn domains(certificate: &CertificateDer<'_>, constrained: bool) -> Vec<PeerName> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let in_uris: Vec<PeerName> = certificate.valid_uri_names().take(NAMES).filter_map(sip_domain).collect();
    if !in_uris.is_empty() {
        return if constrained { Vec::new() } else { in_uris };
    }
    let in_dns = certificate.valid_dns_names().take(NAMES);
    in_dns.filter_map(|name| name.parse().ok()).filter(|name: &PeerName| name.domain().is_some()).collect()
}

/// The domain of a `sip:` URI without user part.
fn sip_domain(uri: &str) -> Option<PeerName> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    let host = rest.split([';', '?']).next()?;
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => host,
    };
    host.parse().ok().filter(|name: &PeerName| name.domain().is_some())
}

/// Whether a certificate names this address.
fn names_address(certificate: &CertificateDer<'_>, ip: IpAddr) -> bool {
    let name = ServerName::IpAddress(ip.into());
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// Whether one of these certificates might constrain names; bytes that only look like it count, too.
fn has_constraints(certificates: &[CertificateDer<'_>]) -> bool {
    let constrains = |der: &[u8]| memchr::memmem::find(der, &NAME_CONSTRAINTS).is_some();
    certificates.iter().any(|certificate| constrains(certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5922 section 7.1: scheme `sip`, no user part; the host is the domain.
    #[test]
    fn sip_uris_name_domains() {
        for (uri, expected) in [
            ("sip:example.com", Some("example.com")),
            ("SIP:Example.COM", Some("example.com")),
            ("sip:example.com:5061;transport=tls", Some("example.com")),
            ("sip:alice@example.com", None),
            ("sips:example.com", None),
            ("https:example.com", None),
            ("sip:*.example.com", None),
            ("sip:192.0.2.1", None),
            ("sip:[::1]", None),
            ("sip:", None),
            ("example.com", None),
        ] {
            assert_eq!(sip_domain(uri).map(|name| name.to_string()).as_deref(), expected, "{uri}");
        }
    }
}
