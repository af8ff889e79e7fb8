//! A sorted set whose copies share what they have in common.
//!
//! A B+ tree of nodes behind `Arc`: a copy is one pointer, and a change copies the nodes on the way to one leaf, some dozens
//! of pointers, whatever the size of the set. Nodes that became small are not merged with their neighbours: what leaves a
//! roster comes back as often as not, and an empty node goes away.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The most entries of a leaf, and the most children of a branch.
const WIDTH: usize = 32;

/// What is kept sorted, by a text of its own.
pub(super) trait Keyed: Clone {
    /// The text.
    fn key(&self) -> &str;
}

/// The set.
#[derive(Clone)]
pub(super) struct Tree<T> {
    root: Arc<Node<T>>,
    len: usize,
}

#[derive(Clone)]
enum Node<T> {
    Leaf(Vec<T>),
    /// Never empty, and no child is.
    Branch(Vec<Arc<Node<T>>>),
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

impl<T: fmt::Debug> fmt::Debug for Tree<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: PartialEq> PartialEq for Tree<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && (Arc::ptr_eq(&self.root, &other.root) || self.iter().eq(other.iter()))
    }
}

impl<T: Eq> Eq for Tree<T> {}

impl<T> Tree<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All entries by their keys.
    pub(super) fn iter(&self) -> Iter<'_, T> {
        let mut iter = Iter { way: Vec::new(), leaf: [].iter(), left: self.len };
        iter.descend(&self.root);
        iter
    }
}

impl<T: Keyed> Tree<T> {
    /// The memory of the nodes, in bytes, without what the entries point to.
    pub(super) fn size(&self) -> usize {
        fn of<T>(node: &Node<T>) -> usize {
            let inside = match node {
                Node::Leaf(entries) => entries.capacity() * size_of::<T>(),
                Node::Branch(children) => {
                    children.capacity() * size_of::<usize>()
                        + children.iter().map(|child| of(child)).sum::<usize>()
                }
            };
            2 * size_of::<usize>() + size_of::<Node<T>>() + inside
        }
        of(&self.root)
    }

    /// Of entries in any order; of several with one key the last one counts.
    pub(super) fn of(mut entries: Vec<T>) -> Self {
        let is_sorted = entries.is_sorted_by(|one, next| one.key() < next.key());
        if !is_sorted {
            // Stable, so that the last of those with one key stays last.
            entries.sort_by(|one, other| one.key().cmp(other.key()));
            entries.reverse();
            entries.dedup_by(|next, kept| next.key() == kept.key());
            entries.reverse();
        }
        let len = entries.len();
        let mut entries = entries.into_iter();
        let mut level: Vec<Arc<Node<T>>> = Vec::with_capacity(len.div_ceil(WIDTH));
        while entries.len() > 0 {
            level.push(Arc::new(Node::Leaf(entries.by_ref().take(WIDTH).collect())));
        }
        while level.len() > 1 {
            let mut below = level.into_iter();
            level = Vec::with_capacity(below.len().div_ceil(WIDTH));
            while below.len() > 0 {
                level.push(Arc::new(Node::Branch(below.by_ref().take(WIDTH).collect())));
            }
        }
        level.pop().map_or_else(Self::default, |root| Self { root, len })
    }

    pub(super) fn get(&self, key: &str) -> Option<&T> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Branch(children) => node = &children[child_for(children, key)],
                Node::Leaf(entries) => return place(entries, key).ok().map(|at| &entries[at]),
            }
        }
    }

    /// Puts an entry in; gives the one that was there with its key.
    pub(super) fn insert(&mut self, entry: T) -> Option<T> {
        let (old, beside) = insert(Arc::make_mut(&mut self.root), entry);
        if let Some(beside) = beside {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(Vec::new())));
            self.root = Arc::new(Node::Branch(vec![left, beside]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes the entry with this key out.
    pub(super) fn remove(&mut self, key: &str) -> Option<T> {
        // Looked for first, so that nothing is copied when there is nothing to take out.
        self.get(key)?;
        let removed = remove(Arc::make_mut(&mut self.root), key);
        self.len -= usize::from(removed.is_some());
        loop {
            let only = match &*self.root {
                Node::Branch(children) if children.len() == 1 => Arc::clone(&children[0]),
                Node::Branch(children) if children.is_empty() => Arc::new(Node::Leaf(Vec::new())),
                Node::Branch(_) | Node::Leaf(_) => return removed,
            };
            self.root = only;
        }
    }
}

fn place<T: Keyed>(entries: &[T], key: &str) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.key().cmp(key))
}

/// The child in which a key is, or belongs.
fn child_for<T: Keyed>(children: &[Arc<Node<T>>], key: &str) -> usize {
    children.partition_point(|child| first_key(child).is_some_and(|first| first <= key)).saturating_sub(1)
}

fn first_key<T: Keyed>(mut node: &Node<T>) -> Option<&str> {
    loop {
        match node {
            Node::Branch(children) => node = children.first()?,
            Node::Leaf(entries) => return entries.first().map(Keyed::key),
        }
    }
}

/// What was replaced, and the new right neighbour of a node that was full.
fn insert<T: Keyed>(node: &mut Node<T>, entry: T) -> (Option<T>, Option<Arc<Node<T>>>) {
    match node {
        Node::Leaf(entries) => match place(entries, entry.key()) {
            Ok(at) => (Some(std::mem::replace(&mut entries[at], entry)), None),
            Err(at) => {
                entries.insert(at, entry);
                (None, split(entries).map(|right| Arc::new(Node::Leaf(right))))
            }
        },
        Node::Branch(children) => {
            let at = child_for(children, entry.key());
            let (old, beside) = insert(Arc::make_mut(&mut children[at]), entry);
            if let Some(beside) = beside {
                children.insert(at + 1, beside);
            }
            (old, split(children).map(|right| Arc::new(Node::Branch(right))))
        }
    }
}

fn split<T>(items: &mut Vec<T>) -> Option<Vec<T>> {
    (items.len() > WIDTH).then(|| items.split_off(items.len() / 2))
}

fn remove<T: Keyed>(node: &mut Node<T>, key: &str) -> Option<T> {
    match node {
        Node::Leaf(entries) => place(entries, key).ok().map(|at| entries.remove(at)),
        Node::Branch(children) => {
            let at = child_for(children, key);
            let child = Arc::make_mut(&mut children[at]);
            let removed = remove(child, key);
            let is_empty = match child {
                Node::Leaf(entries) => entries.is_empty(),
                Node::Branch(children) => children.is_empty(),
            };
            if is_empty {
                children.remove(at);
            }
            removed
        }
    }
}

/// The entries of a tree by their keys.
pub(super) struct Iter<'a, T> {
    way: Vec<std::slice::Iter<'a, Arc<Node<T>>>>,
    leaf: std::slice::Iter<'a, T>,
    left: usize,
}

impl<'a, T> Iter<'a, T> {
    fn descend(&mut self, mut node: &'a Node<T>) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.leaf = entries.iter();
                    return;
                }
                Node::Branch(children) => {
                    let mut children = children.iter();
                    let Some(first) = children.next() else { return };
                    self.way.push(children);
                    node = first;
                }
            }
        }
    }
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(entry) = self.leaf.next() {
                self.left -= 1;
                return Some(entry);
            }
            let node = loop {
                match self.way.last_mut()?.next() {
                    Some(node) => break node,
                    None => drop(self.way.pop()),
                }
            };
            self.descend(node);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}

/// One entry of two sets side by side.
pub(super) enum Pair<'a, T> {
    /// In the first only.
    Left(&'a T),
    /// In the second only.
    Right(&'a T),
    /// In both, and not the same.
    Both(&'a T, &'a T),
}

/// What two sets differ in, by key. What they share is not looked at, as far as their shapes are alike.
pub(super) fn differences<'a, T: Keyed + PartialEq>(
    one: &'a Tree<T>,
    other: &'a Tree<T>,
) -> Vec<Pair<'a, T>> {
    let mut found = Vec::new();
    compare(&one.root, &other.root, &mut found);
    found
}

fn compare<'a, T: Keyed + PartialEq>(
    one: &'a Arc<Node<T>>,
    other: &'a Arc<Node<T>>,
    found: &mut Vec<Pair<'a, T>>,
) {
    if Arc::ptr_eq(one, other) {
        return;
    }
    if let (Node::Branch(ours), Node::Branch(theirs)) = (&**one, &**other)
        && ours.len() == theirs.len()
        && ours.iter().zip(theirs).skip(1).all(|(one, other)| first_key(one) == first_key(other))
    {
        // The same borders: what differs is inside the children.
        return ours.iter().zip(theirs).for_each(|(one, other)| compare(one, other, found));
    }
    merge(entries_of(one), entries_of(other), found);
}

fn entries_of<T>(node: &Node<T>) -> Iter<'_, T> {
    let mut iter = Iter { way: Vec::new(), leaf: [].iter(), left: usize::MAX };
    iter.descend(node);
    iter
}

fn merge<'a, T: Keyed + PartialEq>(one: Iter<'a, T>, other: Iter<'a, T>, found: &mut Vec<Pair<'a, T>>) {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    loop {
        let order = match (one.peek(), other.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.key().cmp(other.key()),
        };
        match order {
            Ordering::Less => found.extend(one.next().map(Pair::Left)),
            Ordering::Greater => found.extend(other.next().map(Pair::Right)),
            Ordering::Equal => {
                if let (Some(one), Some(other)) = (one.next(), other.next())
                    && one != other
                {
                    found.push(Pair::Both(one, other));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Entry(String, u32);

    impl Keyed for Entry {
        fn key(&self) -> &str {
            &self.0
        }
    }

    fn entry(number: u32, value: u32) -> Entry {
        Entry(format!("{number:05}"), value)
    }

    fn model(tree: &Tree<Entry>) -> Vec<Entry> {
        tree.iter().cloned().collect()
    }

    /// What the differences make of the first set.
    fn patched(one: &Tree<Entry>, other: &Tree<Entry>) -> Vec<Entry> {
        let mut map: BTreeMap<String, Entry> =
            one.iter().map(|entry| (entry.0.clone(), entry.clone())).collect();
        for pair in differences(one, other) {
            match pair {
                Pair::Left(gone) => assert_eq!(map.remove(&gone.0).as_ref(), Some(gone)),
                Pair::Right(new) => assert_eq!(map.insert(new.0.clone(), new.clone()), None),
                Pair::Both(old, new) => {
                    assert_eq!(map.insert(new.0.clone(), new.clone()).as_ref(), Some(old))
                }
            }
        }
        map.into_values().collect()
    }

    #[test]
    fn the_last_of_one_key_counts() {
        let tree = Tree::of(vec![entry(2, 1), entry(1, 1), entry(2, 2), entry(1, 3), entry(2, 3)]);
        assert_eq!(model(&tree), [entry(1, 3), entry(2, 3)]);
    }

    /// A change copies a few nodes and shares the others.
    #[test]
    fn copies_share() {
        let tree = Tree::of((0..50_000).map(|number| entry(number, 0)).collect());
        let mut copy = tree.clone();
        copy.insert(entry(25_000, 1));
        assert_eq!(differences(&tree, &copy).len(), 1);
        let (Node::Branch(ours), Node::Branch(theirs)) = (&*tree.root, &*copy.root) else { panic!("large") };
        let shared = ours.iter().zip(theirs).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
        assert_eq!(shared, ours.len() - 1);
        assert_eq!(
            (tree.get("25000"), copy.get("25000")),
            (Some(&entry(25_000, 0)), Some(&entry(25_000, 1)))
        );
    }

    proptest! {
        /// Against a map: any inserts and removals, whatever the set began with.
        #[test]
        fn as_a_map(
            start in 0u32..300,
            steps in proptest::collection::vec((any::<bool>(), 0u32..400, any::<u32>()), 0..300),
        ) {
            let first: Vec<Entry> = (0..start).map(|number| entry(number * 3 % 401, number)).collect();
            let mut map: BTreeMap<String, Entry> =
                first.iter().map(|entry| (entry.0.clone(), entry.clone())).collect();
            let mut tree = Tree::of(first);
            let before = (tree.clone(), model(&tree));
            for (is_insert, number, value) in steps {
                let key = entry(number, value).0;
                let (ours, theirs) = if is_insert {
                    (tree.insert(entry(number, value)), map.insert(key.clone(), entry(number, value)))
                } else {
                    (tree.remove(&key), map.remove(&key))
                };
                prop_assert_eq!(ours, theirs);
                prop_assert_eq!(tree.get(&key), map.get(&key));
                prop_assert_eq!(tree.len(), map.len());
            }
            let expected: Vec<Entry> = map.into_values().collect();
            prop_assert_eq!(&model(&tree), &expected);
            prop_assert_eq!(tree.iter().len(), expected.len());
            prop_assert_eq!(patched(&before.0, &tree), expected);
            prop_assert_eq!(model(&before.0), before.1, "the old copy stays as it was");
        }
    }
}
