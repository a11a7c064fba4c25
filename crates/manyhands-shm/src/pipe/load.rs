//! How much lies elsewhere in shared memory for messages that nobody has received yet.
//!
//! A message of some bytes may stand for an array of megabytes that lies in a block of its own. The ring would take
//! thousands of these, while a socket makes its sender wait after a few pages: a sender that is faster than its
//! receiver would fill the memory, and each array would lie in fresh pages, which cost many times as much as those
//! that the receiver has just done with. So what is under way has a *weight*: [`MOST`] bytes at most, or two messages.
//!
//! ```text
//! older | newer   two heaps of messages: what they weigh, and where in the ring the last of them ends
//! ```
//!
//! A message joins the newer heap while that stays below half of [`MOST`]. Then the newer heap becomes the older one,
//! once all of the old older one have been received. So a message always passes that has none before it, and a sender
//! that waits goes on when half has been received, not with every message. One that is as heavy as [`MOST`] or more
//! waits until everything before it has been received.
//!
//! Written by who holds `sending`. Who is killed in between leaves numbers that do not fit each other: some messages
//! too many or too few are counted once. No position is waited for that lies behind `tail`, so that nobody waits for
//! a message that never was.
//!
//! It refuses to count what is in the ring itself, and what is shared for good.

use crate::atomic::{AtomicU64, Ordering};

/// So many bytes may be under way in one direction: what a processor's cache holds, more or less.
pub const MOST: u64 = 8 << 20;

/// The heaps of one direction. Zeroes: nothing is under way.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Load {
    older: Heap,
    newer: Heap,
}

#[derive(Debug, Default)]
struct Heap {
    weight: AtomicU64,
    end: AtomicU64,
}

impl Heap {
    fn weight(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }

    fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    fn set(&self, weight: u64, end: u64) {
        self.weight.store(weight, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
    }

    fn takes(&self, weight: u64) -> bool {
        self.weight().saturating_add(weight) <= MOST / 2
    }
}

impl Load {
    /// As far as this the receiver must have read before a message of so much weight may follow.
    #[must_use]
    pub fn awaits(&self, weight: u64) -> u64 {
        match weight {
            0 => 0,
            MOST.. => self.newer.end(),
            _ if self.newer.takes(weight) => 0,
            _ => self.older.end(),
        }
    }

    /// A message of so much weight is in the ring, up to `end`.
    pub fn add(&self, weight: u64, end: u64, head: u64) {
        if weight == 0 {
            return;
        }
        let before = if head >= self.newer.end() { 0 } else { self.newer.weight() };
        if before == 0 || self.newer.takes(weight) {
            self.newer.set(before.saturating_add(weight), end);
        } else {
            self.older.set(before, self.newer.end());
            self.newer.set(weight, end);
        }
    }
}

#[cfg(all(test, not(loom)))]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "any weight"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Messages of any weight, received at any time: no more is under way than may be; and who has nothing
        /// before him never waits.
        #[test]
        fn no_more_is_under_way_than_may_be(
            largest in prop::sample::select(vec![MOST / 2, MOST - 1, 3 * MOST]),
            steps in prop::collection::vec((0.0..1.0, 0_usize..4), 1..200),
        ) {
            let (load, mut ring) = (Load::default(), std::collections::VecDeque::new());
            let (mut head, mut tail) = (0, 0);
            for (share, received) in steps {
                let weight = 1 + ((largest - 1) as f64 * share) as u64;
                for _ in 0..received {
                    head = ring.pop_front().map_or(head, |(_, end)| end);
                }
                let awaited = load.awaits(weight);
                prop_assert!(awaited <= tail);
                while head < awaited {
                    head = ring.pop_front().map_or(head, |(_, end)| end);
                }
                tail += 8;
                ring.push_back((weight, tail));
                load.add(weight, tail, head);
                let all: u64 = ring.iter().map(|(weight, _)| weight).sum();
                prop_assert!(all <= 2 * largest && (all <= MOST || largest > MOST / 2));
            }
        }
    }

    #[test]
    fn small_ones_are_many_and_large_ones_few() {
        let load = Load::default();
        for number in 1..=64 {
            assert_eq!(load.awaits(MOST / 128), 0, "the first half");
            load.add(MOST / 128, number * 8, 0);
        }
        for number in 65..=128 {
            assert_eq!(load.awaits(MOST / 128), 0, "the second half");
            load.add(MOST / 128, number * 8, 0);
        }
        assert_eq!(load.awaits(MOST / 128), 64 * 8, "the first half has to be received");
        assert_eq!(load.awaits(MOST), 128 * 8, "everything has to");
        assert_eq!(load.awaits(0), 0, "what is in the ring alone waits for nothing");
        load.add(MOST, 129 * 8, 128 * 8);
        assert_eq!(load.awaits(1), 64 * 8, "which is behind us");
    }
}
