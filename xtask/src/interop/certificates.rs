//! The certificates of a run: an authority of its own, and one for each side that it signed.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
};

use super::lab::{DOMAIN, told};

/// Writes `ca.pem`, and `proxy` and `peer` as `.pem`, `.key`, and both in one file as `.both`.
pub(super) fn write(folder: &Path, host: Ipv4Addr) -> Result<(), String> {
    let failed = |error: rcgen::Error| format!("certificates: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "interop authority");
    let authority = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| told(&path, &error))
    };
    put("ca.pem", &authority.pem())?;
    for name in ["proxy", "peer"] {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(vec![DOMAIN.to_owned()]).map_err(failed)?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(host)));
        params.distinguished_name.push(DnType::CommonName, DOMAIN);
        let signed = params.signed_by(&key, &authority).map_err(failed)?;
        put(&format!("{name}.pem"), &signed.pem())?;
        put(&format!("{name}.key"), &key.serialize_pem())?;
        put(&format!("{name}.both"), &(signed.pem() + &key.serialize_pem()))?;
    }
    Ok(())
}
