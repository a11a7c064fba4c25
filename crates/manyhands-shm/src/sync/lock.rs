//! `Lock`: a mutex that anybody may release, with a note of the thread that took it.
//!
//! | word | what | written by |
//! | --- | --- | --- |
//! | `mutex` | free, or held by which process | takers, releasers, waiters |
//! | `holder` | the thread that took it ([`Taker`]); 0: nobody, or not noted yet | taker, releaser |
//! | `depth` | how often that thread holds it; used by `RLock` alone | holder |
//!
//! The mutex is the truth. `holder` serves the question "is it mine?" and reports: it is noted after
//! the mutex was taken and taken off before the mutex is given back, so a thread finds its own number
//! there only while it holds the lock. What a dead process left there is no thread of anybody.
//!
//! A lock that was released after an owner's death is marked until somebody takes it; [`Lock::abandon`]
//! gives it back with the mark on, for takers that refuse what may be half done.

use core::time::Duration;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};

use super::mutex::{Locked, RawMutex};
use super::owner::{Gone, Liveness, Owner};
use super::taker::Taker;
use super::wait::Wait;

/// The words of a lock. All-zero bytes are a free one.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Lock {
    mutex: RawMutex,
    pub(super) depth: AtomicU32,
    holder: AtomicU64,
}

/// Who holds a lock, as one thread sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// This thread.
    Me,
    /// Another thread of this process.
    OtherThread,
    /// Another process, or one that has exited.
    OtherProcess,
}

impl Lock {
    /// A free lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lock if it is free.
    #[inline]
    #[must_use]
    pub fn try_acquire(&self, me: Taker) -> Option<Locked> {
        let locked = self.mutex.try_lock(me.owner())?;
        self.note(me);
        Some(locked)
    }

    /// Takes the lock, waits for it at most for `limit`; none of it (`Duration::ZERO`) is an attempt
    /// that still recovers the lock of an owner that has died.
    pub fn acquire(
        &self,
        world: &impl Liveness,
        me: Taker,
        limit: Option<Duration>,
    ) -> Wait<Locked> {
        let outcome = self.mutex.lock(world, limit);
        if let Wait::Ready(_) = outcome {
            self.note(me);
        }
        outcome
    }

    #[inline]
    fn note(&self, me: Taker) {
        self.holder.store(me.get(), Ordering::Relaxed);
    }

    /// Gives the lock back, whoever took it. False, and nothing happens, if nobody holds it.
    #[inline]
    pub fn release(&self) -> bool {
        if self.mutex.owner().is_none() {
            return false;
        }
        self.holder.store(0, Ordering::Relaxed);
        self.mutex.release()
    }

    /// Gives back a lock that the caller has just taken from a dead owner, for the next taker to be
    /// told in its turn.
    pub fn abandon(&self) {
        self.holder.store(0, Ordering::Relaxed);
        self.mutex.abandon();
    }

    /// Whether this thread took the lock.
    #[inline]
    #[must_use]
    pub fn is_mine(&self, me: Taker) -> bool {
        self.holder.load(Ordering::Relaxed) == me.get()
    }

    /// Whether an attempt to take the lock would fail now: an owner that has died holds nothing.
    #[must_use]
    pub fn is_locked(&self, world: &impl Liveness) -> bool {
        self.mutex.owner().is_some_and(|owner| owner == world.me() || world.is_alive(owner))
    }

    /// Who holds it: for reports.
    #[must_use]
    pub fn holder(&self, world: &impl Liveness, me: Taker) -> Holder {
        match self.mutex.owner() {
            _ if self.is_mine(me) => Holder::Me,
            None => Holder::Nobody,
            Some(owner) if owner == me.owner() => Holder::OtherThread,
            Some(owner) if world.is_alive(owner) => Holder::OtherProcess,
            Some(_) => Holder::Nobody,
        }
    }

    /// Takes the lock away from an owner that has gone: see [`RawMutex::bury`].
    pub fn bury(&self, gone: Owner, how: Gone) -> bool {
        self.mutex.bury(gone, how)
    }
}
