//! How many items go together: batches are sized by time.
//!
//! What an item costs is learned from replies, which tell how long their items took together. A batch holds as
//! many as fill 50 us, so that a result is never kept longer than that by others; near the end of a call whose
//! length is known, so few that every worker gets some.

use crate::batch::SIZE_NS;

/// Items in a batch, at most.
const MOST: u64 = 8192;
/// Bytes of results in a batch, about: what a slate has room for, and some to spare.
const RESULTS: u64 = 48 << 10;
/// The work that should be on its way, in nanoseconds for each worker.
const AHEAD_NS: u64 = 10_000_000;
/// Items on their way for each worker, at least, and while nothing is known.
const AHEAD_LEAST: u64 = 4;
const AHEAD_UNKNOWN: u64 = 16;
/// And at most: what is on its way fits into the lanes, so that nobody is called to feed them, and is read while it is
/// still in the caches.
const AHEAD_MOST: u64 = 1 << 16;
/// Bytes of their arguments, and about as many of their results, at most: this, or a quarter of what shared
/// memory there may be.
const AHEAD_BYTES: u64 = 64 << 20;

/// How many bytes of arguments may be on their way, and of results, with that much shared memory.
pub(super) fn bytes_ahead(budget: u64) -> u64 {
    AHEAD_BYTES.min(budget / 4)
}

/// What is known of a call's items.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Nanoseconds of an item (0: unknown).
    ns: u64,
    /// Bytes of a result, in its blocks too.
    bytes: u64,
}

impl Pace {
    /// Takes a reply into account.
    #[inline]
    pub(super) fn note(&mut self, ns: u32, items: u32, bytes: usize) {
        if items == 0 {
            return;
        }
        let each = u64::from(ns) / u64::from(items);
        self.ns = match self.ns {
            0 => each,
            // The first items are slow, for what they touch is cold.
            slow if each < slow => (slow + 3 * each) / 4,
            quick => (3 * quick + each) / 4,
        }
        .max(1);
        self.bytes = (bytes as u64).div_ceil(u64::from(items)).max(self.bytes / 2);
    }

    /// How many items the next batch should hold, with so many left.
    #[inline]
    pub(super) fn size(&self, left: usize, workers: usize) -> u32 {
        if self.ns == 0 {
            return 1;
        }
        let by_time = (SIZE_NS / self.ns).min(MOST);
        let by_room = RESULTS / self.bytes.max(1);
        let share = left as u64 / (2 * workers.max(1) as u64);
        u32::try_from(by_time.min(by_room).min(share).max(1)).unwrap_or(1)
    }

    /// How many items should be on their way, whose results have about so many bytes; two for each worker at least.
    pub(super) fn ahead(&self, workers: usize, bytes: u64) -> u64 {
        let each = match self.ns {
            0 => AHEAD_UNKNOWN,
            ns => (AHEAD_NS / ns).max(AHEAD_LEAST),
        };
        let workers = workers.max(1) as u64;
        let by_bytes = (bytes / self.bytes.max(1)).max(2 * workers);
        (each * workers).min(by_bytes).min(AHEAD_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_the_cost_of_items() {
        let mut pace = Pace::default();
        assert_eq!(pace.size(1_000_000, 2), 1, "nothing is known");
        pace.note(1_000, 100, 800);
        assert_eq!(pace.size(1_000_000, 2), 5_000);
        assert_eq!(pace.size(100, 2), 25, "near the end everybody gets some");
        for _ in 0..40 {
            pace.note(1_000_000, 1, 8);
        }
        assert_eq!(pace.size(1_000_000, 2), 1);
        assert!(pace.ahead(2, u64::MAX) >= 8);
    }

    #[test]
    fn large_results_make_small_batches() {
        let mut pace = Pace::default();
        pace.note(1_000, 1_000, 10_000_000);
        assert_eq!(pace.size(1_000_000, 2), 4);
        pace.note(1_000, 1, 8 << 20);
        assert_eq!(pace.ahead(2, bytes_ahead(u64::MAX)), 8, "64 MB are on their way");
        assert_eq!(pace.ahead(2, bytes_ahead(200 << 20)), 6);
        pace.note(1_000, 1, 1 << 30);
        assert_eq!(pace.ahead(2, bytes_ahead(u64::MAX)), 4, "nobody waits for the next one");
    }
}
