//! The store of one process: a map under a lock that is never held across an await.
//!
//! Clones share the map, so several front ends of one process (or of one simulation) can be a pool. Its synchronous
//! twin of each method serves simulations, which have no executor.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Committed, Entry, Expect, PoolStore, StoreError, Txn};

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    entries: BTreeMap<String, (Bytes, u64)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave a half applied transaction: guards are checked before the first write.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, key: &str) -> Option<Entry> {
        let (value, revision) = self.entries.get(key)?;
        Some(Entry { key: key.to_owned(), value: value.clone(), revision: *revision })
    }

    fn list(&self, prefix: &str) -> Vec<Entry> {
        let from = Bound::Included(prefix.to_owned());
        self.entries
            .range((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, (value, revision))| Entry {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            })
            .collect()
    }

    fn commit(&mut self, txn: Txn) -> Result<Committed, StoreError> {
        for (key, expect) in &txn.guards {
            let found = self.entries.get(key).map(|(_, revision)| *revision);
            let holds = match expect {
                Expect::Absent => found.is_none(),
                Expect::Revision(revision) => found == Some(*revision),
            };
            if !holds {
                return Err(StoreError::Conflict);
            }
        }
        self.revision += 1;
        for key in &txn.deletes {
            self.entries.remove(key);
        }
        for (key, value) in txn.puts {
            self.entries.insert(key, (value, self.revision));
        }
        Ok(Committed { revision: self.revision })
    }
}

#[async_trait]
impl PoolStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        Ok(self.lock().get(key))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        Ok(self.lock().list(prefix))
    }

    async fn commit(&self, txn: Txn) -> Result<Committed, StoreError> {
        self.lock().commit(txn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let store = MemoryStore::new();
        let other = store.clone();
        contract::all(&store, &other).await;
    }
}
