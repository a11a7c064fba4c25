//! The words of the world, and which of them are the truth.
//!
//! *Truth* is changed by one store at a time, in an order in which every prefix is a valid state; a
//! *cache* can be computed from it, and is, by whoever finds the world's lock left by a dead process
//! (`rebuild.rs`). A *mark* says how far a part was reserved and used: it only rises, before what it
//! covers is used.
//!
//! The words are changed under the world's lock, with the few exceptions that are named.
#![expect(unsafe_code, reason = "the trait that says what may lie in shared memory")]

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Bell, Owner, RawMutex};

/// Bytes of a page of data: the unit of runs, whatever the kernel's pages are.
pub(super) const PAGE: usize = 4096;
/// Pages of a huge page.
pub(super) const HUGE: u32 = 512;
/// "manyhand" as a number.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"manyhand");
/// The version of everything in this file and of the structures in blocks.
pub(super) const VERSION: u32 = 2;
/// Bins of free runs of one temperature.
pub(super) const BINS: usize = 128;
/// Classes of small blocks.
pub(super) const CLASSES: usize = 16;
/// Pid namespaces that can be told apart.
pub(super) const NAMESPACES: usize = 14;
/// Holds in one chunk of a process's table.
pub(super) const CHUNK: usize = 127;

/// A structure that may lie in shared memory.
///
/// # Safety
///
/// The type is `repr(C)` or `repr(transparent)`, any bytes are a valid value of it (all-zero bytes an
/// empty one), all its fields are atomics or `Plain` themselves, so that others may change them at any
/// time, and it holds no address and nothing that belongs to one process.
pub unsafe trait Plain {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => {$(
        // SAFETY: an atomic number, or a `repr(C)` structure of atomics and of `Plain` structures only.
        unsafe impl Plain for $type {}
    )*};
}

plain!(AtomicU32, AtomicU64, RawMutex, Bell, Header, Slot, Name, Page, Chunk);

// SAFETY: an array has the layout of its elements, one after the other, and each of them is `Plain`.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Reading and writing a word under a lock.
pub(super) trait Word<T> {
    /// What it holds.
    fn get(&self) -> T;
    /// Changes a cache, or a truth that is not yet reachable.
    fn put(&self, value: T);
    /// Changes the truth: after everything that was changed before, also for one who finds us dead.
    fn commit(&self, value: T);
}

impl Word<u32> for AtomicU32 {
    #[inline]
    fn get(&self) -> u32 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn put(&self, value: u32) {
        #[cfg(test)]
        super::steps::step();
        self.store(value, Ordering::Relaxed);
    }

    #[inline]
    fn commit(&self, value: u32) {
        #[cfg(test)]
        super::steps::step();
        self.store(value, Ordering::Release);
    }
}

impl Word<u64> for AtomicU64 {
    #[inline]
    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn put(&self, value: u64) {
        #[cfg(test)]
        super::steps::step();
        self.store(value, Ordering::Relaxed);
    }

    #[inline]
    fn commit(&self, value: u64) {
        #[cfg(test)]
        super::steps::step();
        self.store(value, Ordering::Release);
    }
}

/// The first bytes of the segment.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Header {
    /// Truth, written once.
    pub(super) magic: AtomicU64,
    /// Truth, written once: the name of this world among all.
    pub(super) id: AtomicU64,
    /// Truth, written once: pages of data.
    pub(super) pages: AtomicU64,
    /// Truth: bytes that may be reserved in all.
    pub(super) budget: AtomicU64,
    /// Truth, changed by compare-and-swap without the lock: the pid namespaces of its processes.
    pub(super) namespaces: [AtomicU64; NAMESPACES],
    /// Truth: for how many milliseconds a forked child is expected.
    pub(super) patience: AtomicU64,
    /// When somebody last swept now and then, in milliseconds. Any value will do; changed without the lock.
    pub(super) swept: AtomicU64,
    /// How many runs of pages were taken. Any value will do.
    pub(super) runs_taken: AtomicU64,
    /// Truth, written once.
    pub(super) version: AtomicU32,
    /// Mark: names that were ever used.
    pub(super) names: AtomicU32,
    /// The next slot to be looked at for a free one. Any value will do; changed without the lock.
    pub(super) cursor: AtomicU32,
    /// Marks: how many items of each `Part` were reserved.
    pub(super) ready: [AtomicU64; 2],
    /// Cache: bytes that are reserved.
    pub(super) reserved: AtomicU64,
    /// Cache: free pages that are reserved.
    pub(super) warm: AtomicU64,
    /// Cache: pages at and beyond this one are free, cold and in no list.
    pub(super) frontier: AtomicU32,
    /// Cache: the first free name, plus one.
    pub(super) free_name: AtomicU32,
    /// Cache: blocks that there are, tables included.
    pub(super) blocks: AtomicU64,
    /// Cache: which bins have runs, a bit for each.
    pub(super) filled: [[AtomicU64; 2]; 2],
    /// Cache: the first run of each bin, plus one; warm ones, then cold ones.
    pub(super) bins: [[AtomicU32; BINS]; 2],
    /// Cache: the first slab with free places of each class, plus one.
    pub(super) slabs: [AtomicU32; CLASSES],
    /// The world's lock.
    pub(super) lock: Line<RawMutex>,
}

/// Something in a line of its own.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Line<T>(pub(super) T);

// SAFETY: `repr(C)` around one `Plain` field; padding may hold any bytes.
unsafe impl<T: Plain> Plain for Line<T> {}

/// One process.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Slot {
    /// Truth, changed by compare-and-swap without the lock: see `roster.rs`.
    pub(super) state: AtomicU64,
    /// Truth: the name of the first chunk of its table, plus one.
    pub(super) table: AtomicU64,
}

/// One block.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Name {
    /// Truth: generation, and whether there is a block (`names.rs`).
    pub(super) state: AtomicU64,
    /// Truth, written before `state` says so: where it begins in the data.
    pub(super) offset: AtomicU64,
    /// Truth, the same: how many bytes were asked for.
    pub(super) len: AtomicU64,
    /// Truth: how it is recovered. Changed by its holders without the lock.
    pub(super) kind: AtomicU32,
    /// Cache: in how many places it stands in tables; for a chunk of a table: 1.
    pub(super) holders: AtomicU32,
    /// Truth: how often it is pinned.
    pub(super) pins: AtomicU32,
    /// Cache: of a free name the next one, plus one.
    pub(super) next: AtomicU32,
}

/// One page of the data; all of it is cache. What is in it: `pages.rs`, `slabs.rs`.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Page {
    pub(super) word: AtomicU64,
    pub(super) links: AtomicU64,
}

/// A part of a process's table: what it holds.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Chunk {
    /// Truth: the name of the next chunk, plus one.
    pub(super) next: AtomicU64,
    /// Truth: handles, 0 where there is none.
    pub(super) holds: [AtomicU64; CHUNK],
}

const _: () = assert!(size_of::<Chunk>() == 1024, "a chunk is a block of a class");
const _: () = assert!(Owner::SLOTS == 4096, "the roster's size");
