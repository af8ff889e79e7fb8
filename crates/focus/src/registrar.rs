//! The registrar: from a REGISTER to the binding of one device, and from a binding to the way to that device.
//!
//! Pure: it reads a request and writes an answer and a record; the front end stores the record before it sends the
//! answer, so any front end of the pool can reach the device afterwards (`protocol/auth.md` section 2).
//!
//! # Invariants
//!
//! - One device (address of record and instance) has one GRUU, the same after each registration and at each front end.
//! - A GRUU is looked up by [`key_of`]; the order of its parameters and the case of its host do not matter.
//!
//! Not here: authentication, the store, forwarding (module [`crate::proxy`]).

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sip_core::keep_alive::ServerKeepAlive;
use sip_core::{NameAddr, Request, ResponseDraft, Uri};

use crate::record::{self, BindingRecord};

/// Limits of a registrar.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistrarConfig {
    /// Lifetime of a binding whose REGISTER names none, and the longest one granted.
    pub expires_s: u32,
    /// Shortest lifetime granted; a shorter wish is answered 423.
    pub expires_min_s: u32,
    /// What `ms-keep-alive` tells the client to keep below, if it offers to be heard.
    pub keep_alive_s: u32,
    /// Path values of one binding.
    pub path_max: usize,
    /// Octets of each URI that is stored.
    pub uri_bytes_max: usize,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self { expires_s: 7200, expires_min_s: 30, keep_alive_s: 300, path_max: 8, uri_bytes_max: 1024 }
    }
}

/// What a REGISTER does. The answer is sent once the change is in the store.
#[derive(Debug)]
pub enum Registration {
    /// The device is reachable by this binding from now on.
    Bound {
        /// Where it is stored.
        key: String,
        /// What is stored.
        binding: BindingRecord,
        /// 200 with GRUU, lifetime and, to who offers it, `ms-keep-alive`.
        answer: ResponseDraft,
    },
    /// The device signed off.
    Removed {
        /// What is deleted.
        key: String,
        /// 200 with `Expires: 0`.
        answer: ResponseDraft,
    },
}

/// Why a REGISTER is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrarError {
    /// To and From name different people; nobody registers for somebody else here.
    #[error("a third party may not register")]
    ThirdParty,
    /// No Contact that could be bound, or one that is too long.
    #[error("the Contact cannot be bound")]
    BadContact,
    /// More Path values than the limit, or one that is too long.
    #[error("the Path is too long")]
    BadPath,
    /// The wish for a lifetime is below the minimum.
    #[error("the interval is too brief")]
    TooBrief {
        /// The minimum.
        minimum_s: u32,
    },
    /// `Expires` cannot be read.
    #[error("Expires cannot be read")]
    BadExpires,
}

impl RegistrarError {
    /// The answer to send.
    pub fn answer(self, request: &Request, source: &str) -> ResponseDraft {
        let status = match self {
            Self::ThirdParty => 403,
            Self::BadContact | Self::BadPath | Self::BadExpires => 400,
            Self::TooBrief { .. } => 423,
        };
        let diagnostics = format!("1000;reason=\"{self}\";source=\"{source}\"");
        let draft = ResponseDraft::to(request, status).header("ms-diagnostics", diagnostics);
        match self {
            Self::TooBrief { minimum_s } => draft.header("Min-Expires", minimum_s.to_string()),
            Self::ThirdParty | Self::BadContact | Self::BadPath | Self::BadExpires => draft,
        }
    }
}

/// Reads a REGISTER.
///
/// - `edge`: name of the front end that got it; `edge_path`: its own Path value for the flow of the request
///   ([`crate::proxy::Proxy::path_for`]). It counts only where no hop put itself into the Path: a hop is reached by its
///   address from any front end, and must be when this one is dead.
/// - `sender`: the host that the request came from. A Path that begins elsewhere may be anybody's invention: then the way
///   leads over the flow of the request, as without a hop.
/// - `wall`: civil time, for the expiry in the record.
///
/// # Errors
///
/// [`RegistrarError`] says what is wrong; its `answer` is what to send.
pub fn register(
    request: &Request,
    config: &RegistrarConfig,
    edge: &str,
    edge_path: &NameAddr,
    sender: Option<IpAddr>,
    wall: Timestamp,
) -> Result<Registration, RegistrarError> {
    let aor = request.to().uri().address_of_record();
    if !aor.equivalent(&request.from().uri().address_of_record()) {
        return Err(RegistrarError::ThirdParty);
    }
    let wish = Wish::read(request, config)?;
    let gruu = gruu_of(&aor, &wish.instance);
    let key = record::key::binding(&gruu);
    if wish.expires_s == 0 {
        let answer = ResponseDraft::to(request, 200).header("Expires", "0");
        return Ok(Registration::Removed { key, answer });
    }
    let until = wall.checked_add(SignedDuration::from_secs(i64::from(wish.expires_s)));
    let binding = BindingRecord {
        v: record::VERSION,
        gruu: gruu.clone(),
        contact: wish.contact.clone(),
        path: path_of(request, config, edge_path, sender)?,
        edge: edge.to_owned(),
        expires: until.unwrap_or(Timestamp::MAX).to_string(),
    };
    let answer = bound_answer(request, &wish, &gruu, config);
    Ok(Registration::Bound { key, binding, answer })
}

/// The key of the binding that a request's URI asks for; `None` when the URI is no GRUU of a registered device.
pub fn key_of(uri: &Uri) -> Option<String> {
    let opaque = uri.param("opaque").filter(|opaque| opaque.starts_with("user:epid:"))?;
    uri.has_param("gruu").then(|| record::key::binding(&canonical(&uri.address_of_record(), opaque)))
}

/// The Route values of a request to a bound device; empty when the binding is over or unreadable.
pub fn route_to(binding: &BindingRecord, wall: Timestamp) -> Vec<NameAddr> {
    let alive = binding.expires.parse::<Timestamp>().is_ok_and(|until| until > wall);
    if !alive {
        return Vec::new();
    }
    let route: Result<Vec<NameAddr>, _> =
        binding.path.iter().map(|value| value.parse::<NameAddr>()).collect();
    route.unwrap_or_default()
}

/// What a REGISTER asks for.
#[derive(Debug)]
struct Wish {
    contact: String,
    /// Which device: `+sip.instance`, else the epid, else the Contact itself.
    instance: String,
    instance_param: Option<String>,
    expires_s: u32,
}

impl Wish {
    fn read(request: &Request, config: &RegistrarConfig) -> Result<Wish, RegistrarError> {
        let epid = request.from().param("epid").map(str::to_owned);
        let raw = request.headers().get("Contact").map(str::trim);
        let header = match request.headers().get("Expires").map(str::trim) {
            None => None,
            Some(text) => Some(text.parse::<u32>().map_err(|_| RegistrarError::BadExpires)?),
        };
        if raw == Some("*") {
            let instance = epid.filter(|_| header == Some(0)).ok_or(RegistrarError::BadContact)?;
            return Ok(Wish { contact: "*".into(), instance, instance_param: None, expires_s: 0 });
        }
        let contact = request.contact().ok_or(RegistrarError::BadContact)?;
        let own = match contact.param("expires") {
            None => None,
            Some(text) => Some(text.parse::<u32>().map_err(|_| RegistrarError::BadExpires)?),
        };
        let instance_param = contact.param("+sip.instance").map(|value| value.trim_matches('"').to_owned());
        let uri = contact.uri().to_string();
        let instance = epid.or_else(|| instance_param.clone()).unwrap_or_else(|| uri.clone());
        let longest = uri.len().max(instance.len()).max(instance_param.as_ref().map_or(0, String::len));
        if longest > config.uri_bytes_max {
            return Err(RegistrarError::BadContact);
        }
        let expires_s = own.or(header).unwrap_or(config.expires_s).min(config.expires_s);
        if expires_s != 0 && expires_s < config.expires_min_s {
            return Err(RegistrarError::TooBrief { minimum_s: config.expires_min_s });
        }
        Ok(Wish { contact: uri, instance, instance_param, expires_s })
    }
}

fn bound_answer(request: &Request, wish: &Wish, gruu: &str, config: &RegistrarConfig) -> ResponseDraft {
    let instance = wish.instance_param.as_ref().map(|value| format!(";+sip.instance=\"{value}\""));
    let contact = format!(
        "<{}>;expires={}{};gruu=\"{gruu}\"",
        wish.contact,
        wish.expires_s,
        instance.unwrap_or_default()
    );
    let timeout = Duration::from_secs(u64::from(config.keep_alive_s));
    let draft = ResponseDraft::to(request, 200);
    // An offer that cannot be read is as good as none.
    let draft = match ServerKeepAlive::answer_to(request, timeout) {
        Ok(Some(answer)) => draft.header("ms-keep-alive", answer.to_string()),
        Ok(None) | Err(_) => draft,
    };
    draft
        .header("Contact", contact)
        .header("Expires", wish.expires_s.to_string())
        // One option a line: there is a client that reads no lists here.
        .header("Supported", "gruu-10")
        .header("Supported", "msrtc-event-categories")
}

fn path_of(
    request: &Request,
    config: &RegistrarConfig,
    edge_path: &NameAddr,
    sender: Option<IpAddr>,
) -> Result<Vec<String>, RegistrarError> {
    let mut path: Vec<String> =
        request.headers().values("Path").take(config.path_max + 1).map(str::to_owned).collect();
    let first = path.first().and_then(|value| value.parse::<NameAddr>().ok());
    let host = first.and_then(|first| first.uri().sip_addr()).map(|addr| addr.ip());
    if host.is_none() || host != sender {
        path.insert(0, edge_path.to_string());
    }
    if path.len() > config.path_max {
        return Err(RegistrarError::BadPath);
    }
    let readable = |value: &String| value.len() <= config.uri_bytes_max && value.parse::<NameAddr>().is_ok();
    if !path.iter().all(readable) {
        return Err(RegistrarError::BadPath);
    }
    Ok(path)
}

fn gruu_of(aor: &Uri, instance: &str) -> String {
    let hash = |seed: u64| {
        instance.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let opaque =
        format!("user:epid:{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    canonical(aor, &opaque)
}

/// The one spelling of a GRUU under which it is stored.
fn canonical(aor: &Uri, opaque: &str) -> String {
    let host = aor.host().to_ascii_lowercase();
    let port = aor.port().map(|port| format!(":{port}")).unwrap_or_default();
    let user = aor.user().unwrap_or_default();
    format!("sip:{user}@{host}{port};opaque={opaque};gruu")
}

#[cfg(test)]
#[path = "registrar_tests.rs"]
mod tests;
