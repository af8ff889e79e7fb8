//! Server transactions that are finished and wait for nothing but retransmissions of their request.
//!
//! What is left of one is its key, and of a non-INVITE one its response (RFC 3261 section 17.2.2); the ACK of a 2xx leaves only
//! the key (RFC 6026: the INVITE is absorbed until Timer L). All of them end the same time after their answer, so they stand
//! in a queue in the order of their ends and need no timer each.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::flow::FlowId;
use super::keys::Key;

/// One finished transaction.
#[derive(Debug)]
pub(super) struct Finished {
    /// Its key.
    pub(super) key: Key,
    /// As what its request is known when it comes on another way.
    pub(super) merge_key: Option<Key>,
    /// The flow its request came on.
    pub(super) flow: FlowId,
    /// What a retransmission is answered with; empty for an INVITE that was accepted.
    pub(super) last: Bytes,
    /// When it ends.
    pub(super) until: Instant,
}

/// All of them, the next one to end first.
#[derive(Debug, Default)]
pub(super) struct FinishedQueue {
    queue: VecDeque<Finished>,
    /// The number of the first one.
    first: u64,
}

impl FinishedQueue {
    /// Adds one; its number. One whose end is before that of the last one stays as long as that.
    pub(super) fn push(&mut self, mut finished: Finished) -> u64 {
        if let Some(last) = self.queue.back() {
            finished.until = finished.until.max(last.until);
        }
        self.queue.push_back(finished);
        self.first + self.queue.len() as u64 - 1
    }

    /// The one with this number.
    pub(super) fn get(&self, number: u64) -> Option<&Finished> {
        let index = number.checked_sub(self.first)?;
        self.queue.get(usize::try_from(index).ok()?)
    }

    /// When the next one ends.
    pub(super) fn soonest(&self) -> Option<Instant> {
        self.queue.front().map(|finished| finished.until)
    }

    /// Takes out the next one if it ends by `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Finished> {
        if self.soonest()? > now {
            return None;
        }
        self.pop()
    }

    /// Takes out the next one to end.
    pub(super) fn pop(&mut self) -> Option<Finished> {
        let finished = self.queue.pop_front()?;
        self.first += 1;
        // After a burst its memory is given back.
        if self.queue.len() * 4 < self.queue.capacity() && self.queue.capacity() > 1_024 {
            self.queue.shrink_to(self.queue.len() * 2);
        }
        Some(finished)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::endpoint::keys::Keys;
    use crate::test_util::request;

    /// Numbers stay those of their transactions when others have ended; ends are in order.
    #[test]
    fn numbers_and_ends() {
        let (keys, start) = (Keys::default(), Instant::now());
        let mut queue = FinishedQueue::default();
        let asked = |n: u64| {
            let fixed = "From: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 OPTIONS";
            request(&format!("OPTIONS sip:c@d SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK{n}\n{fixed}"))
        };
        let one = |n: u64, after| Finished {
            key: keys.of(&asked(n)),
            merge_key: None,
            flow: FlowId::new(n),
            last: Bytes::new(),
            until: start + Duration::from_secs(after),
        };
        let numbers: Vec<u64> =
            [(1, 10), (2, 9), (3, 11)].into_iter().map(|(n, after)| queue.push(one(n, after))).collect();
        assert_eq!((queue.len(), queue.soonest()), (3, Some(start + Duration::from_secs(10))));
        assert!(queue.pop_due(start + Duration::from_secs(9)).is_none());
        assert_eq!(
            queue.pop_due(start + Duration::from_secs(10)).map(|gone| gone.flow),
            Some(FlowId::new(1))
        );
        assert_eq!(
            queue.pop_due(start + Duration::from_secs(10)).map(|gone| gone.flow),
            Some(FlowId::new(2))
        );
        let found: Vec<_> = numbers.iter().map(|n| queue.get(*n).map(|one| one.flow.number())).collect();
        assert_eq!(found, [None, None, Some(3)]);
        for n in 0..10_000 {
            let number = queue.push(one(n, 11));
            assert_eq!(queue.get(number).map(|one| one.flow.number()), Some(n));
        }
        while queue.pop().is_some() {}
        assert!(queue.queue.capacity() <= 2_048, "{}", queue.queue.capacity());
    }
}
