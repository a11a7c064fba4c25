//! A lock within one process that a fork can carry over.
//!
//! The thread that forks takes it before and gives it back after, in the parent and in the child, so
//! that the child finds what it protects whole: no other thread was in the middle of a change.
//! (std's guards cannot be taken in one function and dropped in another process.)
#![expect(unsafe_code, reason = "a lock: the one place that makes a shared value exclusive")]

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::atomic::UnsafeCell;
use crate::sync::{Liveness, Owner, RawMutex};

/// A value that one thread at a time can use.
pub(super) struct Local<T> {
    lock: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: a reference to the value is only given to the thread that holds the lock, one at a time, and
// may move between threads as `T: Send` allows.
unsafe impl<T: Send> Sync for Local<T> {}

impl<T> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// Threads do not die.
struct Thread;

impl Liveness for Thread {
    fn is_alive(&self, _owner: Owner) -> bool {
        true
    }

    fn me(&self) -> Owner {
        Owner::ABSENT
    }
}

impl<T> Local<T> {
    pub(super) fn new(value: T) -> Self {
        Self { lock: RawMutex::new(), value: UnsafeCell::new(value) }
    }

    /// Takes the lock.
    pub(super) fn enter(&self) -> Guard<'_, T> {
        // A signal is no reason to give up: the lock is held for microseconds.
        while self.lock.lock(&Thread, None).ready().is_none() {}
        Guard(self)
    }

    /// Takes up again what [`Guard::keep`] left, in the same process or in its forked child.
    pub(super) fn resume(&self, Kept(place): Kept) -> Guard<'_, T> {
        assert_eq!(place, &raw const *self as usize, "the lock that was kept");
        Guard(self)
    }
}

/// A lock that is held, without its guard. There is one for each process that came out of a fork.
#[derive(Debug)]
#[must_use]
pub(super) struct Kept(usize);

impl<T> Guard<'_, T> {
    /// Leaves the lock held across a fork.
    pub(super) fn keep(self) -> Kept {
        let kept = Kept(&raw const *self.0 as usize);
        core::mem::forget(self);
        kept
    }
}

/// The right to use the value.
#[derive(Debug)]
pub(super) struct Guard<'a, T>(&'a Local<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, so no other thread has a reference; the lifetime is that
        // of the borrow of the only guard.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0.lock.release();
    }
}
