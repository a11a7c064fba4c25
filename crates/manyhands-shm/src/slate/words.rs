//! The words of a slate.
//!
//! ```text
//! call, group   which batch this is about
//! claim         turn (bits 63..48), limit (47..24), begun (23..0): items begun..limit belong to nobody
//! finished      items that are finished (63..32), bytes of their results (31..0)
//! ```
//!
//! | step of the worker | a death right after it |
//! | --- | --- |
//! | 1. `claim` <- its turn, nothing left to begin | no batch can be read |
//! | 2. `call`, `group`, `finished` <- 0 | the same |
//! | 3. `claim` <- next turn, limit = count, begun = 0 | nothing was begun |
//! | 4. begun += 1, if it is below the limit (compare-and-swap) | this item is lost |
//! | 5. the bytes of its result, then `finished` (release) | it is finished, and its result is there |
//!
//! The parent may lower the limit while the worker lives, by the same word, so that an item is begun by the
//! worker or taken by the parent, never both. The turn tells a batch from the next one: a parent that has read
//! `call` and `group` between two equal readings of `claim` has read those of that turn.

use crate::atomic::{AtomicU64, Ordering, fence};

/// So many items can be in a batch.
const MOST: u64 = (1 << 24) - 1;

/// Names a batch: a call of a pool, and an item of that call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The number of the call.
    pub call: u64,
    /// Which of its requests.
    pub group: u64,
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Items that were begun.
    pub begun: u32,
    /// Items that may be begun, those included: the others were taken away.
    pub limit: u32,
    /// Items that were finished: as many as were begun, or one less.
    pub finished: u32,
    /// Bytes of their results.
    pub bytes: u32,
}

/// The words. All-zero bytes are a slate without a batch.
#[derive(Debug)]
#[repr(C)]
pub struct Words {
    claim: AtomicU64,
    finished: AtomicU64,
    call: AtomicU64,
    group: AtomicU64,
}

const fn turn(claim: u64) -> u64 {
    claim >> 48
}

const fn limit(claim: u64) -> u64 {
    (claim >> 24) & MOST
}

const fn begun(claim: u64) -> u64 {
    claim & MOST
}

const fn word(turn: u64, limit: u64, begun: u64) -> u64 {
    turn << 48 | limit << 24 | begun
}

#[expect(clippy::cast_possible_truncation, reason = "a half is cut out on purpose")]
const fn half(word: u64) -> u32 {
    word as u32
}

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    /// A slate without a batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            claim: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            call: AtomicU64::new(0),
            group: AtomicU64::new(0),
        }
    }

    /// Worker: a batch of so many items begins.
    pub fn open(&self, batch: Batch, count: u32) {
        let turn = turn(self.claim.load(Ordering::Relaxed));
        // Every change of the claim is a read-modify-write, so that the parent's come before it or fail.
        self.claim.swap(word(turn, 0, 0), Ordering::Relaxed);
        // Who reads what follows and then the claim again sees at least this claim.
        fence(Ordering::Release);
        self.call.store(batch.call, Ordering::Relaxed);
        self.group.store(batch.group, Ordering::Relaxed);
        self.finished.store(0, Ordering::Relaxed);
        let next = (turn + 1) & 0xffff;
        self.claim.swap(word(next, u64::from(count).min(MOST), 0), Ordering::Release);
    }

    /// Worker: begins the next item, if one is left to it; how many were begun before.
    #[inline]
    pub fn begin(&self) -> Option<u32> {
        let mut now = self.claim.load(Ordering::Relaxed);
        while begun(now) < limit(now) {
            match self.claim.compare_exchange_weak(
                now,
                now + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(half(begun(now))),
                Err(other) => now = other,
            }
        }
        None
    }

    /// Worker: so many items are finished now, and so long are their results together, which are written.
    #[inline]
    pub fn finish(&self, finished: u32, bytes: u32) {
        self.finished.store(u64::from(finished) << 32 | u64::from(bytes), Ordering::Release);
    }

    /// Worker: nothing more is begun; how many items were.
    #[must_use]
    pub fn close(&self) -> u32 {
        let mut now = self.claim.load(Ordering::Relaxed);
        loop {
            let closed = word(turn(now), begun(now), begun(now));
            match self.claim.compare_exchange_weak(
                now,
                closed,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return half(begun(now)),
                Err(other) => now = other,
            }
        }
    }

    /// Parent: the batch that the worker is at, if there is one.
    #[must_use]
    pub fn batch(&self) -> Option<Batch> {
        let before = self.claim.load(Ordering::Acquire);
        let found = Batch {
            call: self.call.load(Ordering::Relaxed),
            group: self.group.load(Ordering::Relaxed),
        };
        self.reading(found).filter(|after| turn(*after) == turn(before)).map(|_| found)
    }

    /// Parent: how far this batch has come, if it is the one that the slate is about.
    #[must_use]
    pub fn progress(&self, batch: Batch) -> Option<Progress> {
        let claim = self.reading(batch)?;
        let finished = self.finished.load(Ordering::Acquire);
        // If the turn is over by now, `finished` may be the next one's.
        fence(Ordering::Acquire);
        let after = self.claim.load(Ordering::Relaxed);
        (turn(after) == turn(claim) && limit(after) > 0).then(|| Progress {
            begun: half(begun(claim)),
            limit: half(limit(claim)),
            finished: half(finished >> 32),
            bytes: half(finished),
        })
    }

    /// Parent: takes away what was not begun of this batch; how many items are left to the worker, those that
    /// it has begun included. `None`: the worker is not at this batch.
    #[must_use]
    pub fn take_away(&self, batch: Batch) -> Option<u32> {
        let mut now = self.reading(batch)?;
        loop {
            let taken = word(turn(now), begun(now), begun(now));
            match self.claim.compare_exchange(now, taken, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(half(begun(now))),
                Err(other) if turn(other) == turn(now) && limit(other) > 0 => now = other,
                Err(_) => return None,
            }
        }
    }

    /// The claim, if it is that of this batch.
    fn reading(&self, batch: Batch) -> Option<u64> {
        let before = self.claim.load(Ordering::Acquire);
        let found = Batch {
            call: self.call.load(Ordering::Relaxed),
            group: self.group.load(Ordering::Relaxed),
        };
        fence(Ordering::Acquire);
        let after = self.claim.load(Ordering::Relaxed);
        let same = turn(before) == turn(after) && limit(before) > 0 && limit(after) > 0;
        (same && found == batch).then_some(after)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const BATCH: Batch = Batch { call: 7, group: 3 };

    #[test]
    fn a_batch_is_begun_item_by_item_and_read_by_its_name() {
        let words = Words::new();
        assert_eq!(words.progress(Batch { call: 0, group: 0 }), None, "no batch");
        words.open(BATCH, 2);
        assert_eq!(words.begin(), Some(0));
        words.finish(1, 10);
        assert_eq!(words.begin(), Some(1));
        assert_eq!(words.begin(), None);
        let progress = Progress { begun: 2, limit: 2, finished: 1, bytes: 10 };
        assert_eq!(words.progress(BATCH), Some(progress));
        assert_eq!(words.progress(Batch { call: 7, group: 4 }), None);
    }

    #[test]
    fn what_was_taken_away_is_not_begun() {
        let words = Words::new();
        words.open(BATCH, 5);
        assert_eq!(words.begin(), Some(0));
        assert_eq!(words.take_away(Batch { call: 1, group: 1 }), None);
        assert_eq!(words.take_away(BATCH), Some(1));
        assert_eq!(words.begin(), None);
        words.open(Batch { call: 7, group: 4 }, 5);
        assert_eq!(words.take_away(BATCH), None);
        assert_eq!(words.begin(), Some(0));
        assert_eq!(words.close(), 1);
        assert_eq!(words.begin(), None);
    }
}
