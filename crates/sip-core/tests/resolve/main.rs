//! RFC 3263: searches over written zones, the order of records, the cache, failover; and with the feature `dns` over sockets,
//! against a name server of our own.

mod cache;
#[cfg(feature = "dns")]
mod end_to_end;
mod failover;
mod locating;
#[cfg(feature = "dns")]
mod name_server;
mod ordering;
mod properties;
mod responses;
#[cfg(feature = "dns")]
mod shell;
mod user_agent;
mod zone;
