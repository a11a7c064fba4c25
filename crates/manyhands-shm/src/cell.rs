//! One number at the beginning of a block, read and written as a whole.
//!
//! Others may read and write the same bytes, with or without a lock: that is the users' business. Here it
//! only means that what is read is something that was written. Nothing is ordered by it.
#![expect(unsafe_code, reason = "these may lie in a block: `Plain`")]

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::world::{Block, Plain};

/// A number of 32 bits.
#[derive(Debug)]
#[repr(C)]
pub struct Cell32 {
    word: AtomicU32,
}

/// A number of 64 bits.
#[derive(Debug)]
#[repr(C)]
pub struct Cell64 {
    word: AtomicU64,
}

// SAFETY: a `repr(C)` structure of one atomic.
unsafe impl Plain for Cell32 {}
// SAFETY: as above.
unsafe impl Plain for Cell64 {}

impl Cell32 {
    /// The number at the beginning of a block of at least four bytes.
    #[inline]
    #[must_use]
    pub fn of(block: &Block) -> &Self {
        block.get()
    }

    /// Its bits.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u32 {
        self.word.load(Ordering::Relaxed)
    }

    /// Changes its bits.
    #[inline]
    pub fn set(&self, bits: u32) {
        self.word.store(bits, Ordering::Relaxed);
    }
}

impl Cell64 {
    /// The number at the beginning of a block of at least eight bytes.
    #[inline]
    #[must_use]
    pub fn of(block: &Block) -> &Self {
        block.get()
    }

    /// Its bits.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// Changes its bits.
    #[inline]
    pub fn set(&self, bits: u64) {
        self.word.store(bits, Ordering::Relaxed);
    }
}
