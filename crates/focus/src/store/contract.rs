//! What every [`PoolStore`] must do; each implementation's tests run all of it over two handles to one store.

use super::{Expect, PoolStore, StoreError, Txn};

/// Runs the whole contract. `a` and `b` are handles to one empty store.
pub(crate) async fn all(a: &dyn PoolStore, b: &dyn PoolStore) {
    absent_is_none(a).await;
    writes_are_seen_by_both(a, b).await;
    guards_decide(a, b).await;
    transactions_are_whole(a, b).await;
    lists_by_prefix(a, b).await;
    one_of_many_rivals_wins(a, b).await;
}

async fn absent_is_none(store: &dyn PoolStore) {
    assert_eq!(store.get("nothing").await, Ok(None));
    assert_eq!(store.list("nothing").await, Ok(vec![]));
}

async fn writes_are_seen_by_both(a: &dyn PoolStore, b: &dyn PoolStore) {
    let first = a.commit(Txn::new().put("w/1", "one")).await.expect("commit");
    let seen = b.get("w/1").await.expect("get").expect("entry");
    assert_eq!((seen.value.as_ref(), seen.revision), (&b"one"[..], first.revision));
    let second = b.commit(Txn::new().put("w/1", "two")).await.expect("commit");
    assert!(second.revision > first.revision, "revisions grow across handles");
    assert_eq!(a.get("w/1").await.expect("get").expect("entry").value.as_ref(), b"two");
    a.commit(Txn::new().delete("w/1").delete("w/never")).await.expect("delete");
    assert_eq!(b.get("w/1").await, Ok(None));
}

async fn guards_decide(a: &dyn PoolStore, b: &dyn PoolStore) {
    let create = Txn::new().guard("g", Expect::Absent).put("g", "1");
    let made = a.commit(create.clone()).await.expect("created");
    assert_eq!(b.commit(create).await, Err(StoreError::Conflict));
    let change = Txn::new().guard("g", Expect::Revision(made.revision)).put("g", "2");
    b.commit(change.clone()).await.expect("changed");
    assert_eq!(a.commit(change).await, Err(StoreError::Conflict), "the old revision is spent");
    let removed = Txn::new().guard("missing", Expect::Revision(made.revision));
    assert_eq!(a.commit(removed).await, Err(StoreError::Conflict), "an absent key has no revision");
}

async fn transactions_are_whole(a: &dyn PoolStore, b: &dyn PoolStore) {
    let at = a.commit(Txn::new().put("t/1", "old").put("t/2", "old")).await.expect("commit");
    let torn = Txn::new()
        .guard("t/1", Expect::Revision(at.revision))
        .guard("t/2", Expect::Absent)
        .put("t/1", "new")
        .delete("t/2");
    assert_eq!(b.commit(torn).await, Err(StoreError::Conflict));
    assert_eq!(a.get("t/1").await.expect("get").expect("entry").value.as_ref(), b"old");
    assert!(a.get("t/2").await.expect("get").is_some());
    let one = a.get("t/1").await.expect("get").expect("entry").revision;
    let two = a.get("t/2").await.expect("get").expect("entry").revision;
    assert_eq!(one, two, "one transaction, one revision");
}

async fn lists_by_prefix(a: &dyn PoolStore, b: &dyn PoolStore) {
    let keys = ["l/b", "l/a/2", "l/a/1", "l0", "l/a%2F", "l/ä"];
    let txn = keys.iter().fold(Txn::new(), |txn, key| txn.put(*key, *key));
    a.commit(txn).await.expect("commit");
    let names = |entries: Vec<super::Entry>| entries.into_iter().map(|e| e.key).collect::<Vec<_>>();
    assert_eq!(names(b.list("l/").await.expect("list")), ["l/a%2F", "l/a/1", "l/a/2", "l/b", "l/ä"]);
    assert_eq!(names(b.list("l/a/").await.expect("list")), ["l/a/1", "l/a/2"]);
    assert_eq!(names(b.list("l/ä").await.expect("list")), ["l/ä"]);
    assert!(b.list("L/").await.expect("list").is_empty(), "keys are compared octet by octet");
    assert!(b.list("").await.expect("list").len() >= keys.len());
}

async fn one_of_many_rivals_wins(a: &dyn PoolStore, b: &dyn PoolStore) {
    for round in 0..20 {
        let key = format!("r/{round}");
        let bid = |who: &str| Txn::new().guard(key.clone(), Expect::Absent).put(key.clone(), who.to_owned());
        let (one, two) = tokio::join!(a.commit(bid("a")), b.commit(bid("b")));
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "round {round}: {one:?} {two:?}");
    }
}
