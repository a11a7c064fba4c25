//! The words of a channel: what lies at the start of its block, and who writes which word when.
//!
//! | word | written by | when |
//! | --- | --- | --- |
//! | `put` | the holder of the tail lock | its one store commits a put; the truth |
//! | `taken` | the holder of the head lock | its one store commits a get; the truth |
//! | `chunk`, `offset`, `bytes`, `seen_*` of an end | the holder of that end's lock | caches, made again after a death (`mend.rs`) |
//! | `pending` | the holder of the tail lock | names a chunk on its way into the chain |
//! | `retiring` | the holder of the head lock | names a chunk on its way out of it |
//! | `spare` | both: the head puts one there, the tail takes it | see `spare.rs` |
//! | `state` | the holder of the tail lock | bits are only ever added |
//! | `dropped` | the holder of the head lock | once, after `DROPPED` is set |
//! | `done` | anybody, by compare-and-swap | |
//! | `most`, `most_bytes` | who makes the channel | before anybody else knows it |
//!
//! `put` and `taken` count items since the channel was made and never go back, so that
//! `put - taken` is the number of items in it, read without any lock: see [`Words::len`].
//! All-zero bytes are not a channel: the first chunk is missing.

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Bell, RawMutex};

/// Nobody puts any more.
pub(super) const SHUT: u32 = 1;
/// What is in it is thrown away, too.
pub(super) const DROPPED: u32 = 2;
/// What lies in it makes no sense: somebody has written over it.
pub(super) const BROKEN: u32 = 4;

/// All words of a channel.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Words {
    pub(super) tail: TailWords,
    pub(super) head: HeadWords,
    pub(super) common: CommonWords,
    pub(super) tasks: TaskWords,
}

/// The end at which items are put; most of it on one cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct TailWords {
    pub(super) lock: RawMutex,
    /// Rung after a put, and when the channel is shut.
    pub(super) not_empty: Bell,
    pub(super) put: AtomicU64,
    pub(super) chunk: AtomicU64,
    pub(super) offset: AtomicU64,
    /// Bytes of all items ever put.
    pub(super) bytes: AtomicU64,
    pub(super) seen_taken: AtomicU64,
    pub(super) seen_taken_bytes: AtomicU64,
    pub(super) pending: AtomicU64,
}

/// The end at which items are taken; most of it on one cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct HeadWords {
    pub(super) lock: RawMutex,
    /// Rung after a get from a channel with limits, and when it is shut.
    pub(super) not_full: Bell,
    pub(super) taken: AtomicU64,
    /// Bytes of all items ever taken; stored before `taken`.
    pub(super) bytes: AtomicU64,
    pub(super) chunk: AtomicU64,
    pub(super) offset: AtomicU64,
    pub(super) seen_put: AtomicU64,
    pub(super) retiring: AtomicU64,
}

/// What both ends read and hardly anybody writes.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct CommonWords {
    /// Items that it may hold; 0: any number.
    pub(super) most: AtomicU64,
    /// Bytes that its items may have together; 0: any number.
    pub(super) most_bytes: AtomicU64,
    pub(super) state: AtomicU32,
    pub(super) spare: AtomicU64,
}

/// The count of finished tasks.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct TaskWords {
    pub(super) done: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Rung when no task is left unfinished.
    pub(super) all_done: Bell,
}

/// How much a channel may hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Items; none: any number.
    pub items: Option<u64>,
    /// Bytes of all items together; none: any number.
    pub bytes: Option<u64>,
}

/// Somebody said that a task is done more often than there were items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyDone;

impl Words {
    /// The words of an empty channel whose first chunk has that name.
    #[must_use]
    pub fn new(limits: Limits, chunk: u64) -> Self {
        let words = Self::default();
        words.begin(limits, chunk);
        words
    }

    /// Makes words that are all zero those of an empty channel whose first chunk has that name.
    pub(super) fn begin(&self, limits: Limits, chunk: u64) {
        self.common.most.store(limits.items.unwrap_or(0), Ordering::Relaxed);
        self.common.most_bytes.store(limits.bytes.unwrap_or(0), Ordering::Relaxed);
        self.tail.chunk.store(chunk, Ordering::Relaxed);
        self.head.chunk.store(chunk, Ordering::Release);
    }

    /// How much it may hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let limit = |word: &AtomicU64| Some(word.load(Ordering::Relaxed)).filter(|most| *most > 0);
        Limits { items: limit(&self.common.most), bytes: limit(&self.common.most_bytes) }
    }

    /// How many items are in it, at one moment of this call.
    ///
    /// `taken` was the same before and after `put` was read, and never goes back: so at the moment
    /// when `put` was read, both were what is subtracted here.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.sample().0
    }

    /// Items and bytes in it, and whether items are thrown away, at one moment of this call.
    fn sample(&self) -> (u64, u64) {
        let mut taken = self.head.taken.load(Ordering::Acquire);
        loop {
            let gone = self.head.bytes.load(Ordering::Acquire);
            let put = self.tail.put.load(Ordering::Acquire);
            let came = self.tail.bytes.load(Ordering::Acquire);
            let again = self.head.taken.load(Ordering::Acquire);
            if again == taken {
                if self.has(DROPPED) {
                    return (0, 0);
                }
                // Of words that somebody has written over the difference may be anything.
                return (put.saturating_sub(taken), came.saturating_sub(gone));
            }
            taken = again;
            crate::atomic::spin_hint();
        }
    }

    /// Whether nothing is in it, at one moment of this call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it holds as much as it may, at one moment of this call.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let limits = self.limits();
        if limits == Limits::default() {
            return false;
        }
        let (items, bytes) = self.sample();
        limits.items.is_some_and(|most| items >= most)
            || limits.bytes.is_some_and(|most| bytes >= most)
    }

    /// Whether nobody may put any more.
    #[inline]
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.has(SHUT | DROPPED)
    }

    #[inline]
    pub(super) fn has(&self, bits: u32) -> bool {
        self.common.state.load(Ordering::Acquire) & bits != 0
    }

    pub(super) fn set(&self, bits: u32) {
        self.common.state.fetch_or(bits, Ordering::AcqRel);
    }

    /// Says that it was written over, to everybody.
    #[cold]
    pub(super) fn set_broken(&self) {
        self.set(BROKEN);
        self.ring_all();
    }

    /// Whether whoever waits for an item need not wait.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.tail.put.load(Ordering::Acquire) != self.head.taken.load(Ordering::Acquire)
            || self.has(SHUT | BROKEN)
    }

    /// Wakes everybody, after the state has changed.
    pub(super) fn ring_all(&self) {
        self.tail.not_empty.ring(u32::MAX);
        self.head.not_full.ring(u32::MAX);
        self.tasks.all_done.ring(u32::MAX);
    }

    /// Tasks that were put and neither done nor thrown away.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        // `put` last: done and dropped items were put before.
        let done = self.tasks.done.load(Ordering::Acquire);
        let ended = done.saturating_add(self.tasks.dropped.load(Ordering::Acquire));
        self.tail.put.load(Ordering::Acquire).saturating_sub(ended)
    }

    /// One task is done.
    ///
    /// # Errors
    /// If all that were put are done already.
    pub fn task_done(&self) -> Result<(), TooManyDone> {
        let mut done = self.tasks.done.load(Ordering::Acquire);
        loop {
            let dropped = self.tasks.dropped.load(Ordering::Acquire);
            let put = self.tail.put.load(Ordering::Acquire);
            if put <= done.saturating_add(dropped) {
                return Err(TooManyDone);
            }
            let more = done + 1;
            match self.tasks.done.compare_exchange(done, more, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if self.unfinished() == 0 => break,
                Ok(_) => return Ok(()),
                Err(seen) => done = seen,
            }
        }
        self.tasks.all_done.ring(u32::MAX);
        Ok(())
    }
}
