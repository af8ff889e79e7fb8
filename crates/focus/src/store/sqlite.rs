//! The store of one machine: an SQLite file that several processes open.
//!
//! Write-ahead log with `synchronous = FULL`: a commit that answered survives a power loss. All calls of one handle run on
//! one thread of its own, in order; other processes are kept out by SQLite's own lock (`BEGIN IMMEDIATE`), for which
//! a call waits at most [`BUSY_TIMEOUT`].

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::{Committed, Entry, Expect, PoolStore, StoreError, Txn};

/// How long a call waits for another process to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause between two tries of what SQLite does not wait for by itself.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Calls that may wait for the store's thread; further ones wait in their callers.
const QUEUE_MAX: usize = 1024;

/// Raised whenever the tables change in a way that an older version cannot read.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL);
INSERT OR IGNORE INTO clock (one, revision) VALUES (1, 0);";

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// See the module's description.
#[derive(Debug)]
pub struct SqliteStore {
    jobs: mpsc::Sender<Job>,
}

impl SqliteStore {
    /// Opens the file, or makes it. Blocks for the time that takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it cannot be opened, [`StoreError::Corrupt`] if a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path).map_err(unavailable)?;
        prepare(&mut connection)?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE_MAX);
        thread::Builder::new()
            .name("pool-store".to_owned())
            .spawn(move || {
                // Ends when the last sender is dropped, after all that was asked before.
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { jobs })
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable("the store's thread ended".to_owned());
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more when this fails: the caller was dropped.
            let _ = answer.send(work(connection));
        });
        self.jobs.send(job).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl PoolStore for SqliteStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let key = key.to_owned();
        self.call(move |connection| get(connection, &key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let prefix = prefix.to_owned();
        self.call(move |connection| list(connection, &prefix)).await
    }

    async fn commit(&self, txn: Txn) -> Result<Committed, StoreError> {
        self.call(move |connection| commit(connection, txn)).await
    }
}

/// Switches to the write-ahead log. The busy timeout does not cover this: SQLite refuses at once when another process
/// of a starting pool does the same to a new file.
fn write_ahead(connection: &Connection) -> Result<(), StoreError> {
    let started = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(_) => return Ok(()),
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && started.elapsed() < BUSY_TIMEOUT =>
            {
                thread::sleep(BUSY_PAUSE);
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
}

fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
    write_ahead(connection)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    let version: i64 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)?;
    if version > SCHEMA_VERSION {
        return Err(StoreError::Corrupt(format!("schema {version} is newer than {SCHEMA_VERSION}")));
    }
    transaction.execute_batch(SCHEMA).map_err(unavailable)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)
}

fn get(connection: &Connection, key: &str) -> Result<Option<Entry>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT key, value, revision FROM entries WHERE key = ?1")
        .map_err(unavailable)?;
    query.query_row(params![key], entry).optional().map_err(unavailable)
}

fn list(connection: &Connection, prefix: &str) -> Result<Vec<Entry>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT key, value, revision FROM entries WHERE key >= ?1 AND substr(key, 1, ?2) = ?1 AND (?3 IS NULL OR key < ?3) ORDER BY key")
        .map_err(unavailable)?;
    let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
    let rows = query.query_map(params![prefix, length, after(prefix)], entry).map_err(unavailable)?;
    rows.collect::<Result<_, _>>().map_err(unavailable)
}

/// The first key behind all that begin with `prefix`, if the last octet can be raised within ASCII.
fn after(prefix: &str) -> Option<String> {
    let last = prefix.chars().next_back()?;
    let next = char::from(u8::try_from(last).ok().filter(u8::is_ascii)?.checked_add(1)?);
    let stem = &prefix[..prefix.len() - last.len_utf8()];
    next.is_ascii().then(|| format!("{stem}{next}"))
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let value: Vec<u8> = row.get(1)?;
    Ok(Entry { key: row.get(0)?, value: Bytes::from(value), revision: row.get(2)? })
}

fn commit(connection: &mut Connection, txn: Txn) -> Result<Committed, StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    for (key, expect) in &txn.guards {
        let found: Option<u64> = transaction
            .prepare_cached("SELECT revision FROM entries WHERE key = ?1")
            .and_then(|mut query| query.query_row(params![key], |row| row.get(0)).optional())
            .map_err(unavailable)?;
        let holds = match expect {
            Expect::Absent => found.is_none(),
            Expect::Revision(revision) => found == Some(*revision),
        };
        if !holds {
            return Err(StoreError::Conflict);
        }
    }
    let revision = write(&transaction, &txn).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)?;
    Ok(Committed { revision })
}

fn write(transaction: &rusqlite::Transaction<'_>, txn: &Txn) -> rusqlite::Result<u64> {
    let revision: u64 = transaction
        .prepare_cached("UPDATE clock SET revision = revision + 1 WHERE one = 1 RETURNING revision")?
        .query_row([], |row| row.get(0))?;
    let mut delete = transaction.prepare_cached("DELETE FROM entries WHERE key = ?1")?;
    for key in &txn.deletes {
        delete.execute(params![key])?;
    }
    let mut put = transaction
        .prepare_cached("INSERT OR REPLACE INTO entries (key, value, revision) VALUES (?1, ?2, ?3)")?;
    for (key, value) in &txn.puts {
        put.execute(params![key, value.as_ref(), revision])?;
    }
    Ok(revision)
}

fn unavailable(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Corrupt(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pool.db");
        let store = SqliteStore::open(&path).expect("open");
        let other = SqliteStore::open(&path).expect("open twice");
        contract::all(&store, &other).await;
    }

    /// A restart finds what was committed.
    #[tokio::test]
    async fn survives_reopening() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pool.db");
        let first = SqliteStore::open(&path).expect("open");
        let written = first.commit(Txn::new().put("a", "1")).await.expect("commit");
        drop(first);
        let second = SqliteStore::open(&path).expect("open again");
        let entry = second.get("a").await.expect("get").expect("the entry");
        assert_eq!((entry.value.as_ref(), entry.revision), (&b"1"[..], written.revision));
    }

    /// The processes of a pool start together, and each of them makes the file if it is not there.
    #[test]
    fn opened_by_many_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        for round in 0..20 {
            let path = directory.path().join(format!("pool-{round}.db"));
            let barrier = std::sync::Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        SqliteStore::open(&path).expect("open");
                    });
                }
            });
        }
    }

    /// A full disk is an error of the one call, which left nothing; reads go on, and when there is space again, writes.
    #[tokio::test]
    async fn full_disk_is_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&directory.path().join("pool.db")).expect("open");
        store.commit(Txn::new().put("a", "1")).await.expect("commit");
        let pages = |count: i64| {
            store.call(move |connection| {
                let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
                connection.pragma_update_and_check(None, "max_page_count", count, set).map_err(unavailable)
            })
        };
        pages(1).await.expect("as small as it is");
        let large = Bytes::from(vec![b'x'; 1 << 20]);
        let full = store.commit(Txn::new().put("a", "2").put("b", large.clone())).await;
        assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
        let kept = store.get("a").await.expect("get").expect("the entry");
        assert_eq!(kept.value.as_ref(), b"1");
        pages(1 << 20).await.expect("larger");
        store.commit(Txn::new().put("b", large)).await.expect("there is space");
    }

    /// A file of a newer version is refused, not misread.
    #[test]
    fn refuses_a_newer_schema() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pool.db");
        let connection = Connection::open(&path).expect("open");
        connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).expect("set");
        drop(connection);
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Corrupt(_))));
    }
}
