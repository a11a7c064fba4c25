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
            Some(owner) if owner == me.owner() => Holder::OtherThread,
            Some(owner) if world.is_alive(owner) => Holder::OtherProcess,
            Some(_) | None => Holder::Nobody,
        }
    }

    /// The process that holds it: for reports.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.mutex.owner()
    }

    /// Takes the lock away from an owner that has gone: see [`RawMutex::bury`].
    pub fn bury(&self, gone: Owner, how: Gone) -> bool {
        self.mutex.bury(gone, how)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::testing::{Cemetery, PATIENCE, SHORT};

    #[test]
    fn anybody_releases_and_nobody_twice() {
        let (lock, all) = (Lock::new(), Cemetery::default());
        let (one, two) = (Taker::here(all.process(1).me()), Taker::here(all.process(2).me()));
        assert_eq!(lock.try_acquire(one), Some(Locked::Clean));
        assert!(lock.is_mine(one) && !lock.is_mine(two));
        assert_eq!(lock.acquire(&all.process(2), two, SHORT), Wait::TimedOut);
        assert!(lock.release());
        assert!(!lock.release());
        assert!(!lock.is_mine(one));
        assert_eq!(lock.acquire(&all.process(2), two, None), Wait::Ready(Locked::Clean));
    }

    #[test]
    fn reports_say_who_holds_it() {
        let (lock, all) = (Lock::new(), Cemetery::default());
        let (here, there) = (all.process(1), all.process(2));
        let me = Taker::here(here.me());
        assert_eq!(lock.holder(&here, me), Holder::Nobody);
        let _ = lock.try_acquire(me);
        assert_eq!(lock.holder(&here, me), Holder::Me);
        assert_eq!(lock.holder(&there, Taker::here(there.me())), Holder::OtherProcess);
        let other = std::thread::spawn(move || Taker::here(me.owner())).join().unwrap();
        assert_eq!(lock.holder(&here, other), Holder::OtherThread);
        assert!(lock.is_locked(&there));
        all.bury(1);
        assert!(!lock.is_locked(&there));
        assert_eq!(lock.holder(&there, Taker::here(there.me())), Holder::Nobody);
    }

    #[test]
    fn a_refused_inheritance_is_offered_to_the_next() {
        let (lock, all) = (Lock::new(), Cemetery::default());
        let _ = lock.try_acquire(Taker::here(all.process(1).me()));
        all.bury(1);
        for slot in 2..5 {
            let world = all.process(slot);
            let me = Taker::here(world.me());
            let limit = if slot == 2 { PATIENCE } else { Some(Duration::ZERO) };
            assert_eq!(lock.acquire(&world, me, limit), Wait::Ready(Locked::Recovered));
            lock.abandon();
            assert!(!lock.release(), "it is free, and stays marked");
        }
    }

    #[test]
    fn an_attempt_without_time_recovers() {
        let (lock, all) = (Lock::new(), Cemetery::default());
        let _ = lock.try_acquire(Taker::here(all.process(1).me()));
        let world = all.process(2);
        let me = Taker::here(world.me());
        assert_eq!(lock.acquire(&world, me, Some(Duration::ZERO)), Wait::TimedOut);
        all.bury(1);
        let outcome = lock.acquire(&world, me, Some(Duration::ZERO));
        assert_eq!(outcome, Wait::Ready(Locked::Recovered));
        assert!(lock.is_mine(me));
    }
}
