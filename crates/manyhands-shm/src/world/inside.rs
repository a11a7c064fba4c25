//! The right to change the world's words: the world's lock, held.
//!
//! The allocator and the tables are methods of [`Inside`], file by file; who holds one may change
//! caches at will, and truth by single stores. Dropping it gives the lock back. It is made in
//! `rebuild.rs`, which puts the caches right if the last holder died.

use core::cell::Cell;
use std::io;

use super::ground::Ground;
use super::words::Word;
use crate::atomic::AtomicU64;
use crate::sync::Owner;

/// The world's lock, held by this thread.
#[derive(Debug)]
pub(super) struct Inside<'g> {
    pub(super) ground: &'g Ground,
    me: Owner,
    /// Whether the budget is no limit at this moment.
    pub(super) lavish: Cell<bool>,
}

impl<'g> Inside<'g> {
    /// For whoever has just taken the lock as `me`.
    pub(super) fn new(ground: &'g Ground, me: Owner) -> Self {
        Self { ground, me, lavish: Cell::new(false) }
    }

    /// Adds to a counter of the header.
    pub(super) fn count(counter: &AtomicU64, change: i64) {
        counter.put(counter.get().wrapping_add_signed(change));
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.ground.header().lock.0.unlock(self.me);
    }
}

/// Why something has no room.
#[derive(Debug)]
pub(super) enum Shortage {
    /// The budget would be passed.
    Budget,
    /// There is no place in the world's address space.
    Space,
    /// There are as many blocks as there can be.
    Names,
    /// The kernel has no page.
    Kernel(io::Error),
}

impl From<io::Error> for Shortage {
    fn from(error: io::Error) -> Self {
        Self::Kernel(error)
    }
}

/// Whether free pages are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heat {
    /// They are, and hold what was last written there.
    Warm,
    /// They are not: they must be reserved before they are touched, and are zero then.
    Cold,
}
