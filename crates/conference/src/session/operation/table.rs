//! The table.
pub struct Operations;
pub struct Entry;
pub struct Owner;
