//! Server side: Focus front ends, factory, MCU servers, hops and the pool store.
