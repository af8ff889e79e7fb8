//! The pool store: what survives a front end.
//!
//! A key-value map with one growing revision and compare-and-set transactions, and nothing else: no time-to-live (a
//! lease is data, reliability section 8), no read that decides ownership. The cores never call a store: they emit
//! [`StoreRequest`]s and take [`StoreReply`]s; [`execute`] joins the two in a shell.
//!
//! # Invariants
//!
//! - A [`Txn`] is applied as a whole or not at all; its guards and its writes see the same state.
//! - Revisions only grow; an entry's revision is the revision of the transaction that last wrote it.
//! - A transaction that answered [`Committed`] is durable (memory: as durable as the process).
//!
//! Not here: what the values mean (module `record`).

mod memory;
mod sqlite;

#[cfg(test)]
mod contract;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use async_trait::async_trait;
use bytes::Bytes;

/// One stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key it is stored under.
    pub key: String,
    /// The value, opaque to the store.
    pub value: Bytes,
    /// Revision of the transaction that wrote it last.
    pub revision: u64,
}

/// What a transaction demands of one key before it may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key has no value.
    Absent,
    /// The value was last written by this revision.
    Revision(u64),
}

/// A compare-and-set transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// All of them must hold, or nothing is written.
    pub guards: Vec<(String, Expect)>,
    /// Values to write.
    pub puts: Vec<(String, Bytes)>,
    /// Keys to remove; an absent one is no error.
    pub deletes: Vec<String>,
}

impl Txn {
    /// An empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a guard.
    #[must_use]
    pub fn guard(mut self, key: impl Into<String>, expect: Expect) -> Self {
        self.guards.push((key.into(), expect));
        self
    }

    /// Adds a write.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.puts.push((key.into(), value.into()));
        self
    }

    /// Adds a removal.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.deletes.push(key.into());
        self
    }
}

/// A transaction was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The revision that all keys it wrote now have.
    pub revision: u64,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A guard did not hold; nothing was written.
    #[error("a guard of the transaction does not hold")]
    Conflict,
    /// The store cannot answer now. Whether a transaction was applied is unknown.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store's content is not what this version wrote.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

/// A place that several front ends share.
///
/// Implementations are linearizable: a read that starts after a commit answered sees that commit.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait PoolStore: Send + Sync {
    /// The value under `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// All entries whose key begins with `prefix`, ordered by key, octet by octet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError>;

    /// Applies `txn` if all its guards hold. When it answers, the writes are durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if a guard does not hold; else as the others.
    async fn commit(&self, txn: Txn) -> Result<Committed, StoreError>;
}

/// What a core asks of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    /// Echoed by the reply.
    pub id: u64,
    /// What to do.
    pub op: StoreOp,
}

/// The three things a store can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOp {
    /// [`PoolStore::get`].
    Get(String),
    /// [`PoolStore::list`].
    List(String),
    /// [`PoolStore::commit`].
    Commit(Txn),
}

/// The store's answer to one [`StoreRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReply {
    /// That of the request.
    pub id: u64,
    /// What it gave.
    pub result: Result<StoreValue, StoreError>,
}

/// What a successful request gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreValue {
    /// Of a get: one or none; of a list: all.
    Entries(Vec<Entry>),
    /// Of a commit.
    Committed(Committed),
}

/// Carries out one request of a core.
pub async fn execute(store: &dyn PoolStore, request: StoreRequest) -> StoreReply {
    let result = match request.op {
        StoreOp::Get(key) => {
            store.get(&key).await.map(|entry| StoreValue::Entries(entry.into_iter().collect()))
        }
        StoreOp::List(prefix) => store.list(&prefix).await.map(StoreValue::Entries),
        StoreOp::Commit(txn) => store.commit(txn).await.map(StoreValue::Committed),
    };
    StoreReply { id: request.id, result }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request of a core is one call, and its reply carries the id, whatever the store says.
    #[tokio::test]
    async fn execute_calls_once() {
        let mut store = MockPoolStore::new();
        store.expect_get().withf(|key| key == "a").once().returning(|_| Ok(None));
        store.expect_list().withf(|prefix| prefix == "b/").once().returning(|_| Ok(Vec::new()));
        store.expect_commit().once().returning(|_| Err(StoreError::Conflict));
        let none = Ok(StoreValue::Entries(Vec::new()));
        let ops = [
            (StoreOp::Get("a".to_owned()), none.clone()),
            (StoreOp::List("b/".to_owned()), none),
            (StoreOp::Commit(Txn::new()), Err(StoreError::Conflict)),
        ];
        for (id, (op, result)) in (7..).zip(ops) {
            assert_eq!(execute(&store, StoreRequest { id, op }).await, StoreReply { id, result });
        }
    }
}
