//! From the options of a client to its endpoint.

use conference::{Endpoint, EndpointConfig};
use sip_core::ListenAddr;

use crate::args::ClientOptions;
use crate::failure::{Failure, chain};
use crate::users;

/// What to try when the pool does not take the password, or wants one.
pub(crate) const PASSWORD_HELP: &str = "--as with your address and --password-file with its password";

/// Starts the endpoint that the options describe.
///
/// # Errors
///
/// Options that this version does not serve, an address that is none, sockets that cannot be had.
pub(crate) async fn start(options: &ClientOptions, register: bool) -> Result<Endpoint, Failure> {
    check(options)?;
    let address = options.identity.parse().map_err(|error| {
        Failure::usage(format!("--as {} is no SIP address: {}", options.identity, chain(&error)))
            .try_this("an address such as sip:alice@example.com")
    })?;
    let mut config = EndpointConfig::new(address);
    for server in &options.server {
        config = config.with_server(*server);
    }
    if let Some(name) = &options.display_name {
        config = config.with_display_name(name.clone());
    }
    if let Some(password) = users::password(options.password_file.as_deref())? {
        config = config.with_password(password.as_str());
    }
    if !register {
        config = config.without_registration();
    }
    Endpoint::start(config).await.map_err(|error| Failure::new(chain(&error)))
}

fn check(options: &ClientOptions) -> Result<(), Failure> {
    let later = [
        (options.domain.is_some(), "--domain", "--server tcp:HOST:PORT"),
        (options.tls_ca.is_some(), "--tls-ca", "--server tcp:HOST:PORT"),
    ];
    for (given, name, instead) in later {
        if given {
            return Err(Failure::unavailable(name, instead));
        }
    }
    if options.server.is_empty() {
        return Err(Failure::usage("no server is given").try_this("--server tcp:127.0.0.1:5060"));
    }
    match options.server.iter().find(|server| server.transport == sip_core::TransportKind::Tls) {
        Some(server) => Err(Failure::unavailable(&format!("--server {server}"), "a tcp or udp address")),
        None => Ok(()),
    }
}

/// What to try when nobody answered.
pub(crate) fn servers_help(servers: &[ListenAddr]) -> String {
    let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
    format!("is a pool running at {}? `reconvene pool --open` starts one", shown.join(", "))
}
