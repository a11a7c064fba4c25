//! `RLock`: a lock that its thread may take again, and that no other thread can release.
//!
//! It is a [`Lock`] whose `depth` says how often its thread holds it. Only the holder reads and writes
//! `depth`, so it needs no order of its own: it is set to 1 by whoever takes the mutex.
//!
//! A process that exits while it holds one leaves it to the next taker, as after a death: nobody else
//! could ever release it.

use core::time::Duration;

use crate::atomic::Ordering;

use super::lock::{Holder, Lock};
use super::mutex::Locked;
use super::owner::{Gone, Liveness, Owner};
use super::taker::Taker;
use super::wait::Wait;

/// The words of a reentrant lock. All-zero bytes are a free one.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct RLock(Lock);

impl RLock {
    /// A free lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the lock if it is free or this thread's.
    #[inline]
    #[must_use]
    pub fn try_acquire(&self, me: Taker) -> Option<Locked> {
        if self.0.is_mine(me) {
            let depth = self.0.depth.load(Ordering::Relaxed);
            self.0.depth.store(depth.saturating_add(1), Ordering::Relaxed);
            return Some(Locked::Clean);
        }
        let locked = self.0.try_acquire(me)?;
        self.0.depth.store(1, Ordering::Relaxed);
        Some(locked)
    }

    /// Takes the lock, waits for it at most for `limit`.
    pub fn acquire(
        &self,
        world: &impl Liveness,
        me: Taker,
        limit: Option<Duration>,
    ) -> Wait<Locked> {
        if let Some(locked) = self.try_acquire(me) {
            return Wait::Ready(locked);
        }
        let outcome = self.0.acquire(world, me, limit);
        if let Wait::Ready(_) = outcome {
            self.0.depth.store(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Undoes one `acquire`. False, and nothing happens, if the lock is not this thread's.
    #[inline]
    pub fn release(&self, me: Taker) -> bool {
        if !self.0.is_mine(me) {
            return false;
        }
        match self.0.depth.load(Ordering::Relaxed) {
            0 | 1 => self.0.release(),
            depth => {
                self.0.depth.store(depth - 1, Ordering::Relaxed);
                true
            }
        }
    }

    /// Gives the lock back altogether; how often it was held. It must be this thread's.
    pub fn release_all(&self) -> u32 {
        let depth = self.0.depth.load(Ordering::Relaxed);
        self.0.release();
        depth
    }

    /// Restores what [`RLock::release_all`] gave; the lock must be this thread's.
    pub fn set_depth(&self, depth: u32) {
        self.0.depth.store(depth, Ordering::Relaxed);
    }

    /// Gives back a lock just taken from a dead owner, for the next taker to be told in its turn.
    pub fn abandon(&self) {
        self.0.abandon();
    }

    /// Whether this thread holds the lock.
    #[inline]
    #[must_use]
    pub fn is_mine(&self, me: Taker) -> bool {
        self.0.is_mine(me)
    }

    /// How often this thread holds the lock.
    #[must_use]
    pub fn depth(&self, me: Taker) -> u32 {
        if self.is_mine(me) { self.0.depth.load(Ordering::Relaxed) } else { 0 }
    }

    /// Whether an attempt of a stranger to take the lock would fail now.
    #[must_use]
    pub fn is_locked(&self, world: &impl Liveness) -> bool {
        self.0.is_locked(world)
    }

    /// Who holds it: for reports.
    #[must_use]
    pub fn holder(&self, world: &impl Liveness, me: Taker) -> Holder {
        self.0.holder(world, me)
    }

    /// The process that holds it: for reports.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.0.owner()
    }

    /// Takes the lock away from an owner that has gone, whichever way.
    pub fn bury(&self, gone: Owner) -> bool {
        self.0.bury(gone, Gone::Died)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::testing::{Cemetery, PATIENCE, SHORT};

    #[test]
    fn its_thread_takes_it_again_and_others_cannot_release_it() {
        let (lock, all) = (RLock::new(), Cemetery::default());
        let world = all.process(1);
        let me = Taker::here(world.me());
        let other = std::thread::spawn(move || Taker::here(me.owner())).join().unwrap();
        for depth in 1..4 {
            assert_eq!(lock.acquire(&world, me, None), Wait::Ready(Locked::Clean));
            assert_eq!(lock.depth(me), depth);
        }
        assert_eq!(lock.try_acquire(other), None);
        assert_eq!(lock.acquire(&world, other, SHORT), Wait::TimedOut);
        assert!(!lock.release(other));
        for depth in (0..3).rev() {
            assert!(lock.release(me));
            assert_eq!(lock.depth(me), depth);
        }
        assert!(!lock.release(me));
        assert_eq!(lock.try_acquire(other), Some(Locked::Clean));
    }

    #[test]
    fn it_is_given_back_altogether_and_restored() {
        let (lock, all) = (RLock::new(), Cemetery::default());
        let me = Taker::here(all.process(1).me());
        for _ in 0..3 {
            let _ = lock.try_acquire(me);
        }
        assert_eq!(lock.release_all(), 3);
        assert!(!lock.is_mine(me) && !lock.is_locked(&all.process(1)));
        let _ = lock.try_acquire(me);
        lock.set_depth(3);
        assert_eq!(lock.depth(me), 3);
    }

    #[test]
    fn what_a_dead_thread_left_is_nobodys() {
        let (lock, all) = (RLock::new(), Cemetery::default());
        let dead = Taker::here(all.process(1).me());
        let _ = lock.try_acquire(dead);
        let _ = lock.try_acquire(dead);
        all.bury(1);
        let world = all.process(2);
        let me = Taker::here(world.me());
        assert!(!lock.is_mine(me));
        assert_eq!(lock.acquire(&world, me, PATIENCE), Wait::Ready(Locked::Recovered));
        assert_eq!(lock.depth(me), 1);
        assert!(lock.release(me));
    }
}
