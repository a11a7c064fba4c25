//! The claim word and the descriptors of the batches that it counts.
//!
//! ```text
//! parent                                         worker
//! 1. write the records of a batch                a. take items from the claim (acquire)
//! 2. write the next descriptor (relaxed)         b. index == count of this descriptor? go to the next one
//! 3. offer the items on the claim (release)      c. read the record
//! ```
//!
//! *Extending* the last batch is 1, `count += n`, 3. *Taking back* is: recall on the claim, then
//! `count -= n`, then later offers. The worker reads a count only after it took an item, so it sees
//! every change that was made before that item was offered: an item that it took lies either within the
//! count that it reads, or in the next descriptor. A descriptor is written again only when the worker
//! has moved past it, because at most `BATCHES - 1` are in use.
//!
//! It knows nothing of the bytes of the records, and the parent's list of batches is not here.

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::claim::Claim;

/// Descriptors of a lane; one of them is always the worker's present one.
pub const BATCHES: u32 = if cfg!(loom) { 3 } else { 256 };

const WHOLE: u32 = 1 << 31;

/// What a batch says about all of its items; equal headings may share a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heading {
    /// What kind of items these are (below 2^31; the meaning is the user's).
    pub kind: u32,
    /// The worker takes all items of the batch at once, and nobody takes some of them back.
    pub whole: bool,
    /// A word for the user.
    pub word: u64,
}

/// One batch, as the worker sees it.
#[derive(Debug, Default)]
#[repr(C, align(32))]
pub struct Batch {
    offset: AtomicU64,
    word: AtomicU64,
    count: AtomicU32,
    label: AtomicU32,
}

/// The claim and the descriptors. All-zero bytes are a valid, empty table.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Table {
    /// Which items are taken and offered.
    pub claim: Claim,
    batches: [Batch; BATCHES as usize],
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self { claim: Claim::new(), batches: core::array::from_fn(|_| Batch::default()) }
    }

    fn batch(&self, slot: u32) -> &Batch {
        &self.batches[(slot % BATCHES) as usize]
    }

    /// Parent: writes a descriptor that no item has been offered of.
    pub fn describe(&self, slot: u32, heading: Heading, offset: u64, count: u32) {
        let batch = self.batch(slot);
        batch.offset.store(offset, Ordering::Relaxed);
        batch.word.store(heading.word, Ordering::Relaxed);
        batch.label.store(heading.kind | if heading.whole { WHOLE } else { 0 }, Ordering::Relaxed);
        batch.count.store(count, Ordering::Relaxed);
    }

    /// Parent: changes a batch's count, before the items are offered or after they were recalled.
    pub fn set_count(&self, slot: u32, count: u32) {
        self.batch(slot).count.store(count, Ordering::Relaxed);
    }
}

/// The worker's place in the table.
#[derive(Debug)]
pub struct Cursor {
    slot: u32,
    /// Items of this batch that were begun.
    index: u32,
    /// Items taken and not yet begun.
    held: u32,
    heading: Heading,
}

/// An item that the worker has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The heading of its batch.
    pub heading: Heading,
    /// Where its batch's records start, if it is the first item of the batch.
    pub start: Option<u64>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self::new()
    }
}

impl Cursor {
    /// Before the first batch.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slot: BATCHES - 1,
            index: 0,
            held: 0,
            heading: Heading { kind: 0, whole: false, word: 0 },
        }
    }

    /// Worker: takes the next item, if one was offered.
    #[inline]
    pub fn next(&mut self, table: &Table) -> Option<Begun> {
        if self.held == 0 {
            self.held = table.claim.take(1);
            if self.held == 0 {
                return None;
            }
        }
        self.held -= 1;
        let mut start = None;
        if self.index >= table.batch(self.slot).count.load(Ordering::Relaxed) {
            start = Some(self.enter_next(table));
        }
        self.index += 1;
        Some(Begun { heading: self.heading, start })
    }

    /// Goes to the next batch, and takes the rest of its items if it is whole.
    fn enter_next(&mut self, table: &Table) -> u64 {
        self.slot = (self.slot + 1) % BATCHES;
        self.index = 0;
        let batch = table.batch(self.slot);
        let label = batch.label.load(Ordering::Relaxed);
        self.heading = Heading {
            kind: label & !WHOLE,
            whole: label & WHOLE != 0,
            word: batch.word.load(Ordering::Relaxed),
        };
        if self.heading.whole {
            let rest = batch.count.load(Ordering::Relaxed).saturating_sub(1);
            self.held = table.claim.take(rest);
        }
        batch.offset.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PLAIN: Heading = Heading { kind: 1, whole: false, word: 7 };
    const WHOLE_BATCH: Heading = Heading { kind: 2, whole: true, word: 0 };

    #[test]
    fn items_come_with_their_batch() {
        let (table, mut cursor) = (Table::new(), Cursor::new());
        table.describe(0, PLAIN, 100, 2);
        table.claim.offer(2);
        assert_eq!(cursor.next(&table), Some(Begun { heading: PLAIN, start: Some(100) }));
        assert_eq!(cursor.next(&table), Some(Begun { heading: PLAIN, start: None }));
        assert_eq!(cursor.next(&table), None);
    }

    #[test]
    fn a_cut_batch_ends_where_it_was_cut() {
        let (table, mut cursor) = (Table::new(), Cursor::new());
        table.describe(0, PLAIN, 100, 3);
        table.claim.offer(3);
        assert!(cursor.next(&table).is_some());
        assert_eq!(table.claim.recall(1, 9), 2);
        table.set_count(0, 1);
        table.describe(1, PLAIN, 200, 1);
        table.claim.offer(1);
        assert_eq!(cursor.next(&table), Some(Begun { heading: PLAIN, start: Some(200) }));
    }

    #[test]
    fn a_whole_batch_is_taken_at_once() {
        let (table, mut cursor) = (Table::new(), Cursor::new());
        table.describe(0, WHOLE_BATCH, 0, 4);
        table.claim.offer(4);
        assert!(cursor.next(&table).is_some());
        assert_eq!(table.claim.recall(1, 9), 0);
        assert_eq!((0..4).filter(|_| cursor.next(&table).is_some()).count(), 3);
    }
}
