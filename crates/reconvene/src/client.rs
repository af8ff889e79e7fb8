//! From the options of a client to its endpoint.

use std::path::Path;
use std::sync::Arc;

use conference::session::OperationError;
use conference::{Endpoint, EndpointConfig, StartError};
use reconvene::lookup::{ByDomain, ByHosts, Server};
use sip_core::resolve::{Dns, DnsConfig, DomainName, LocateConfig, Locator};
use sip_core::{PeerName, TransportConfig, TransportKind, Uri};

use crate::args::{ClientOptions, TlsOptions};
use crate::failure::{Failure, chain};
use crate::{capture, security, users};

/// What to try when the pool does not take the password, or wants one.
const PASSWORD_HELP: &str = "--as with your address and --password-file with its password";

/// What to try when an operation failed for who somebody is.
pub(crate) fn password_help(error: &OperationError) -> Option<String> {
    let locked = error.sip_status() == Some(403)
        && error.diagnostics().is_some_and(|text| text.contains("wrong passwords"));
    match error.sip_status() {
        Some(401 | 407) => Some(PASSWORD_HELP.to_owned()),
        _ if locked => Some(format!("wait a minute, then {PASSWORD_HELP}")),
        _ => None,
    }
}

/// Starts the endpoint that the options describe.
///
/// - `register`: whether to register; `capture`: where to write what crosses its sockets.
///
/// # Errors
///
/// Options that do not fit together, an address that is none, servers that are not found, sockets that cannot be had.
pub(crate) async fn start(
    options: &ClientOptions,
    register: bool,
    capture: Option<&Path>,
) -> Result<Endpoint, Failure> {
    let address = options.identity.parse().map_err(|error| {
        Failure::usage(format!("--as {} is no SIP address: {}", options.identity, chain(&error)))
            .try_this("an address such as sip:alice@example.com")
    })?;
    let mut config = with_servers(EndpointConfig::new(address), options)?;
    config = config.with_transport(transport(options, capture)?);
    if let Some(name) = &options.display_name {
        config = config.with_display_name(name.clone());
    }
    if let Some(password) = users::password(options.password_file.as_deref())? {
        config = config.with_password(password.as_str());
    }
    if !register {
        config = config.without_registration();
    }
    Endpoint::start(config).await.map_err(|error| start_failure(&error))
}

fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Transport(io) => {
            security::wrong_settings(io).unwrap_or_else(|| Failure::new(chain(error)))
        }
        StartError::Lookup { .. } => Failure::new(chain(error))
            .try_this("another name, or --server TRANSPORT:HOST:PORT with an address"),
        _ => Failure::new(chain(error)),
    }
}

/// Where the servers are, or who finds them.
fn with_servers(config: EndpointConfig, options: &ClientOptions) -> Result<EndpointConfig, Failure> {
    if let Some(domain) = &options.domain {
        return by_domain(config, domain, options);
    }
    if options.server.is_empty() {
        return Err(Failure::usage("no server is given")
            .try_this("--server tcp:127.0.0.1:5060, or --domain with a name that the DNS knows"));
    }
    let tls = options.server.iter().find(|server| server.transport() == TransportKind::Tls);
    if let (Some(server), None) = (tls, &options.tls_ca) {
        return Err(security::untrusted(&server.to_string()));
    }
    let Some(name) = options.server.iter().find_map(Server::name) else {
        let addresses = options.server.iter().filter_map(Server::address);
        return Ok(addresses.fold(config, EndpointConfig::with_server));
    };
    let uri = uri_of(name)?;
    Ok(config.with_lookup(uri, Arc::new(ByHosts::new(options.server.clone()))))
}

/// RFC 3263. Without somebody to trust there is no TLS.
fn by_domain(
    config: EndpointConfig,
    domain: &str,
    options: &ClientOptions,
) -> Result<EndpointConfig, Failure> {
    // What cannot stand in a certificate is no name either.
    let name = DomainName::parse(domain).ok().filter(|name| name.as_str().parse::<PeerName>().is_ok());
    let name = name.ok_or_else(|| {
        Failure::usage(format!("--domain {domain} is no name of a domain"))
            .try_this("a name such as example.com, or --server TRANSPORT:HOST:PORT")
    })?;
    let dns = Dns::new(&DnsConfig::default().with_servers(options.dns.iter().copied()));
    let dns = dns.map_err(|error| Failure::new(chain(&error)).try_this("--server TRANSPORT:HOST:PORT"))?;
    let all = [TransportKind::Tls, TransportKind::Tcp, TransportKind::Udp];
    let spoken = if options.tls_ca.is_some() { &all[..] } else { &all[1..] };
    let locator = Locator::new(dns, LocateConfig::new(spoken));
    Ok(config.with_lookup(uri_of(&name)?, Arc::new(ByDomain::new(locator))))
}

fn uri_of(name: &DomainName) -> Result<Uri, Failure> {
    format!("sip:{name}").parse().map_err(|error| Failure::usage(format!("{name}: {}", chain(&error))))
}

fn transport(options: &ClientOptions, capture: Option<&Path>) -> Result<TransportConfig, Failure> {
    let mut config = TransportConfig::default();
    let tls = TlsOptions { tls_ca: options.tls_ca.clone(), ..TlsOptions::default() };
    if let Some(tls) = tls.config()? {
        config = config.with_tls(tls);
    }
    if let Some(file) = capture {
        config = config.with_tap(capture::start(file)?);
    }
    Ok(config)
}

/// What to try when nobody answered.
pub(crate) fn servers_help(options: &ClientOptions) -> String {
    let shown: Vec<String> = match &options.domain {
        Some(domain) => vec![format!("the servers of {domain}")],
        None => options.server.iter().map(ToString::to_string).collect(),
    };
    let shown = shown.join(", ");
    let over_tls = options.server.iter().any(|server| server.transport() == TransportKind::Tls);
    if over_tls {
        return format!(
            "is a pool running at {shown}? Does its certificate name that host, and --tls-ca its issuer?"
        );
    }
    format!("is a pool running at {shown}? `reconvene pool --open` starts one")
}
