//! Who the other end of a TLS connection has to be, who it proved to be, and what went wrong between the two.
//!
//! The name to prove is the domain of the URI before any look-up, or the literal address in it (RFC 5922 section 4).
//! How a certificate proves it is the shell's matter (`transport::tls`); the core only keeps flows of different names apart.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// The longest domain name in bytes, and the longest of its labels (RFC 1035 section 2.3.4).
const DOMAIN_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// The name that a server has to prove: a domain, or an IP address.
///
/// Domains are compared without case and as a whole (RFC 5922 section 7.2): `example.com` is neither
/// `sip.example.com` nor `*.example.com`.
///
/// # Examples
///
/// ```
/// use sip_core::PeerName;
///
/// let name: PeerName = "Example.COM.".parse()?;
/// assert_eq!(name.to_string(), "example.com");
/// assert_eq!("[::1]".parse::<PeerName>()?, PeerName::from(std::net::IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
/// assert!("*.example.com".parse::<PeerName>().is_err());
/// # Ok::<(), sip_core::PeerNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(Name);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Domain(Arc<str>),
    Ip(IpAddr),
}

/// A text that is no [`PeerName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a domain name nor an IP address")]
pub struct PeerNameError;

impl PeerName {
    /// The domain, in lower case and without a final dot; `None` if it is an address.
    pub fn domain(&self) -> Option<&str> {
        match &self.0 {
            Name::Domain(domain) => Some(domain),
            Name::Ip(_) => None,
        }
    }

    /// The address; `None` if it is a domain.
    pub fn ip(&self) -> Option<IpAddr> {
        match &self.0 {
            Name::Domain(_) => None,
            Name::Ip(ip) => Some(*ip),
        }
    }
}

impl From<IpAddr> for PeerName {
    fn from(ip: IpAddr) -> Self {
        Self(Name::Ip(ip.to_canonical()))
    }
}

impl FromStr for PeerName {
    type Err = PeerNameError;

    /// Reads the host part of a URI: a domain, an IPv4 address, an IPv6 address with or without brackets.
    fn from_str(host: &str) -> Result<Self, Self::Err> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(ip.into());
        }
        let domain = host.strip_suffix('.').unwrap_or(host);
        let numeric =
            domain.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
        // A last label of digits would be a mistyped address.
        if domain.len() > DOMAIN_BYTES || numeric || !domain.split('.').all(is_label) {
            return Err(PeerNameError);
        }
        Ok(Self(Name::Domain(domain.to_ascii_lowercase().into())))
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LABEL_BYTES).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Domain(domain) => f.write_str(domain),
            Name::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the other end of a flow proved about itself by a certificate; nothing, unless the flow is over TLS.
///
/// Of an accepted flow it is the application or server behind a client certificate (mutual TLS), which a server may
/// trust as such. The names are those of RFC 5922 section 7.1, wildcards left out, and the flow's remote address if the
/// certificate names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    names: Arc<[PeerName]>,
}

impl Default for PeerIdentity {
    fn default() -> Self {
        Self { names: Arc::from([]) }
    }
}

impl PeerIdentity {
    /// A peer that proved these names; only shells make one.
    pub fn new(names: impl IntoIterator<Item = PeerName>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    /// The names it proved.
    pub fn names(&self) -> &[PeerName] {
        &self.names
    }

    /// Whether it proved this name.
    pub fn proves(&self, name: &PeerName) -> bool {
        self.names.contains(name)
    }

    /// Whether it proved nothing.
    pub fn is_anonymous(&self) -> bool {
        self.names.is_empty()
    }
}

/// Why a TLS connection could not be made, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The certificate is good, but for another name.
    #[error("the certificate is for another name")]
    NameMismatch,
    /// No trust anchor of ours stands behind the certificate.
    #[error("the certificate's issuer is not trusted")]
    UnknownIssuer,
    /// The certificate, or one behind it, has expired.
    #[error("the certificate has expired")]
    Expired,
    /// The certificate, or one behind it, is not valid yet.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// The certificate cannot be used for another reason: unreadable, wrong purpose, bad signature.
    #[error("the certificate cannot be used")]
    BadCertificate,
    /// A client certificate is required, and none was shown.
    #[error("no certificate was shown")]
    NoCertificate,
    /// The handshake was not over within the connect timeout.
    #[error("the handshake took too long")]
    HandshakeTimeout,
    /// No TLS version of at least 1.2 in common.
    #[error("no TLS version in common")]
    NoCommonVersion,
    /// No cipher suite, key exchange group or signature scheme in common.
    #[error("no cipher in common")]
    NoCommonCipher,
    /// What came is no TLS.
    #[error("the other end does not speak TLS")]
    NotTls,
    /// The other end does not want our certificate, or wants one and got none; it only says that much.
    #[error("the other end refused our certificate")]
    CertificateRefused,
    /// The other end gave up with this alert (RFC 8446 section 6).
    #[error("the other end gave up with TLS alert {0}")]
    Alert(u8),
    /// The stream ended in the middle: without TLS's own end, so that somebody else may have cut it.
    #[error("the stream was cut")]
    Truncated,
    /// The other end broke the protocol in another way.
    #[error("TLS protocol error")]
    Protocol,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5922 section 4: the name is the host of the URI, whichever way it is written.
    #[test]
    fn names_are_hosts() {
        for (text, expected) in [
            ("example.com", Some("example.com")),
            ("SIP.Example.Com.", Some("sip.example.com")),
            ("localhost", Some("localhost")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:DB8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("*.example.com", None),
            ("", None),
            (".", None),
            ("a..b", None),
            ("-a.example", None),
            ("a-.example", None),
            ("192.0.2", None),
            ("300.0.2.1", None),
            ("ex ample.com", None),
            ("example.com:5061", None),
            ("b\u{fc}cher.example", None),
        ] {
            let name = text.parse::<PeerName>().ok().map(|name| name.to_string());
            assert_eq!(name.as_deref(), expected, "{text:?}");
        }
        let long = format!("{}.example", "a".repeat(64));
        assert_eq!(long.parse::<PeerName>(), Err(PeerNameError));
        let total = ["abcdefg"; 32].join(".");
        assert_eq!(total.parse::<PeerName>(), Err(PeerNameError));
    }

    /// Names compare as a whole.
    #[test]
    fn identity_proves_whole_names_only() {
        let name = |text: &str| text.parse::<PeerName>().unwrap();
        let identity = PeerIdentity::new([name("example.com"), name("192.0.2.1")]);
        assert!(identity.proves(&name("EXAMPLE.com")) && identity.proves(&name("192.0.2.1")));
        assert!(!identity.proves(&name("sip.example.com")) && !identity.proves(&name("192.0.2.2")));
        assert!(PeerIdentity::default().is_anonymous() && !identity.is_anonymous());
    }
}
