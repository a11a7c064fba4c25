//! The claim word: which items of a lane are taken by its worker, and how many were offered.
//!
//! ```text
//! bit 63..32  offered  items that the parent has offered, counted modulo 2^32
//! bit 31..0   taken    items that the worker has taken, counted modulo 2^32
//! ```
//!
//! Items `taken..offered` belong to nobody yet. The worker takes from the front (`taken += n`); the parent
//! adds at the back (`offered += n`) and takes back from there (`offered -= n`). Taking and taking back are
//! one compare-and-swap of the whole word, so an item is taken by the worker or taken back by the parent,
//! never both and never neither. Offering is one addition, which cannot fail: `offered` stands on top, so
//! that what it carries out of its half is dropped. The idea is that of the owner's end and the thief's end
//! of a work-stealing deque (Chase and Lev, 2005), with one thief.
//!
//! Ordering: `offer` releases what the parent wrote about the items, `take` acquires it (every change is a
//! read-modify-write, so a later one continues the release). `recall` acquires nothing: the items that it
//! gets back were the parent's own. It releases nothing: what the parent writes afterwards about the
//! place of those items reaches the worker with the next `offer`.
//!
//! After the worker's death the word is final on its side, and tells what it had taken. It does not say
//! where the items lie: that is the lane's.

use crate::atomic::{AtomicU64, Ordering};

/// The word. All-zero bytes are a valid, empty claim.
#[derive(Debug)]
#[repr(transparent)]
pub struct Claim(AtomicU64);

/// A reading of the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Items taken by the worker so far, modulo 2^32.
    pub taken: u32,
    /// Items offered by the parent so far, modulo 2^32.
    pub offered: u32,
}

impl Counts {
    /// Items that nobody has taken.
    #[must_use]
    pub const fn open(self) -> u32 {
        self.offered.wrapping_sub(self.taken)
    }

    #[expect(clippy::cast_possible_truncation, reason = "each half is cut out on purpose")]
    const fn from_word(word: u64) -> Self {
        Self { offered: (word >> 32) as u32, taken: word as u32 }
    }

    const fn word(self) -> u64 {
        (self.offered as u64) << 32 | self.taken as u64
    }
}

impl Default for Claim {
    fn default() -> Self {
        Self::new()
    }
}

impl Claim {
    /// A claim with nothing offered.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The present counts.
    #[inline]
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::from_word(self.0.load(Ordering::Acquire))
    }

    /// The worker takes up to `most` items; returns how many it got (0: there is nothing).
    #[inline]
    #[must_use]
    pub fn take(&self, most: u32) -> u32 {
        self.change(Ordering::Acquire, |now| {
            let got = now.open().min(most);
            (Counts { taken: now.taken.wrapping_add(got), ..now }, got)
        })
    }

    /// The parent offers `count` more items, whose places it has written before.
    #[inline]
    pub fn offer(&self, count: u32) {
        self.0.fetch_add(Counts { taken: 0, offered: count }.word(), Ordering::Release);
    }

    /// The parent takes back up to `most` of the last items, but fewer than `least` not at all;
    /// returns how many it got.
    #[must_use]
    pub fn recall(&self, least: u32, most: u32) -> u32 {
        self.change(Ordering::Relaxed, |now| {
            let got = if now.open() < least { 0 } else { now.open().min(most) };
            (Counts { offered: now.offered.wrapping_sub(got), ..now }, got)
        })
    }

    /// What a broken worker could write.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn scribble(&self, word: u64) {
        self.0.store(word, Ordering::Relaxed);
    }

    #[inline]
    fn change(&self, success: Ordering, next: impl Fn(Counts) -> (Counts, u32)) -> u32 {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (wanted, got) = next(Counts::from_word(word));
            if got == 0 {
                return 0;
            }
            match self.0.compare_exchange_weak(word, wanted.word(), success, Ordering::Relaxed) {
                Ok(_) => return got,
                Err(seen) => word = seen,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_can_be_taken_once() {
        let claim = Claim::new();
        assert_eq!(claim.take(1), 0);
        claim.offer(3);
        assert_eq!(
            (claim.take(2), claim.recall(2, 5), claim.recall(1, 5), claim.take(1)),
            (2, 0, 1, 0)
        );
    }

    #[test]
    fn counts_wrap_around() {
        let claim = Claim(AtomicU64::new(Counts { taken: u32::MAX, offered: u32::MAX }.word()));
        claim.offer(2);
        assert_eq!(claim.counts().open(), 2);
        assert_eq!((claim.take(1), claim.take(9)), (1, 1));
        assert_eq!(claim.counts(), Counts { taken: 1, offered: 1 });
    }
}
