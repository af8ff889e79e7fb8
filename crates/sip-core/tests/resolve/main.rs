//! RFC 3263 without a network: searches over written zones, the order of records, the cache, failover.

mod cache;
mod failover;
mod locating;
mod ordering;
mod properties;
mod responses;
mod zone;
