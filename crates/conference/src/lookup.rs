//! Servers that are found by a name: who looks, and what can go wrong.
//!
//! The endpoint asks when it starts, and again whenever it has lost its connection; while one works, its server stays the
//! one in use. How a name becomes addresses is the affair of who implements [`Lookup`]: RFC 3263 with
//! `sip_core::resolve::Locator`, the hosts of the system, a list that somebody changes.

use std::fmt;
use std::io;

use async_trait::async_trait;
use sip_core::Uri;
use sip_core::resolve::{Destination, LocateError};

/// Finds the servers of a name.
///
/// # Examples
///
/// ```
/// use conference::{Lookup, LookupError};
/// use sip_core::resolve::Destination;
/// use sip_core::{TransportKind, Uri};
///
/// /// Every name is this machine.
/// #[derive(Debug)]
/// struct Here;
///
/// #[async_trait::async_trait]
/// impl Lookup for Here {
///     async fn find(&self, uri: &Uri) -> Result<Vec<Destination>, LookupError> {
///         let identity = uri.host().parse().map_err(|_| sip_core::resolve::LocateError::Host)?;
///         Ok(vec![Destination { transport: TransportKind::Tcp, addr: ([127, 0, 0, 1], 5060).into(), identity }])
///     }
/// }
/// ```
#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The destinations of `uri`, in the order in which they are to be tried. The future may be dropped at any time.
    ///
    /// # Errors
    ///
    /// [`LookupError`]; the servers that were known before stay in use then.
    async fn find(&self, uri: &Uri) -> Result<Vec<Destination>, LookupError>;
}

/// Why no server was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The search of RFC 3263 found none.
    #[error("the domain leads to no server")]
    Locate(#[from] LocateError),
    /// The system does not know the host.
    #[error("the system finds no such host")]
    System(#[from] io::Error),
    /// Nobody said anything in time.
    #[error("the look-up took too long")]
    TimedOut,
}
