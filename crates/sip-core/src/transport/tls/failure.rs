//! What the errors of the TLS library mean to us.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::endpoint::TlsFailure;

/// What went wrong, if it was TLS and not the socket under it.
pub(in crate::transport) fn failure_of(error: &io::Error) -> Option<TlsFailure> {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return Some(of_tls(error));
    }
    // The end of the stream without TLS's own end of it.
    (error.kind() == io::ErrorKind::UnexpectedEof).then_some(TlsFailure::Truncated)
}

fn of_tls(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::NoCertificatesPresented => TlsFailure::NoCertificate,
        Error::PeerIncompatible(error) => of_incompatible(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(_) => TlsFailure::NotTls,
        _ => TlsFailure::Protocol,
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::NameMismatch
        }
        CertificateError::UnknownIssuer => TlsFailure::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailure::NotYetValid
        }
        _ => TlsFailure::BadCertificate,
    }
}

fn of_incompatible(error: &PeerIncompatible) -> TlsFailure {
    match error {
        // Clients older than TLS 1.2 do not know this extension; rustls looks for it before it looks at the version.
        PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => TlsFailure::NoCommonVersion,
        _ => TlsFailure::NoCommonCipher,
    }
}

fn of_alert(alert: AlertDescription) -> TlsFailure {
    match alert {
        AlertDescription::ProtocolVersion => TlsFailure::NoCommonVersion,
        AlertDescription::InsufficientSecurity => TlsFailure::NoCommonCipher,
        AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::CertificateRequired => TlsFailure::CertificateRefused,
        other => TlsFailure::Alert(other.into()),
    }
}
