//! A row of words that the model watches: two threads that touch one without order fail the test.
#![expect(unsafe_code, reason = "the model, not the type system, checks who touches what when")]

use loom::cell::Cell;

/// The words; they stand for the bytes of a region.
pub(crate) struct Cells<const N: usize>([Cell<u64>; N]);

// SAFETY: loom runs one thread of a model at a time, so no access is ever truly at the same time as
// another; what a real machine could do at the same time the model reports.
unsafe impl<const N: usize> Sync for Cells<N> {}

impl<const N: usize> Cells<N> {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| Cell::new(0)))
    }

    pub(crate) fn read(&self, at: u64) -> u64 {
        self.0[usize::try_from(at).unwrap()].get()
    }

    pub(crate) fn write(&self, at: u64, word: u64) {
        self.0[usize::try_from(at).unwrap()].set(word);
    }
}
