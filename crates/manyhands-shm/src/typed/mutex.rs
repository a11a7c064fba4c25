//! `Mutex`: a value behind a lock whose owner may be killed.
//!
//! | word | what |
//! | --- | --- |
//! | `mutex` | free, or held by which process; recovers the lock of one that is gone |
//! | `poison` | what is protected may be half done |
//!
//! Whoever gets the lock of an owner that is gone notes the poison before it gives the lock back, so
//! everybody is told until somebody wipes it; one that is killed in between leaves a lock with a dead
//! owner again.
//!
//! The child of a fork that inherits a guard is another owner: its copy gives nothing back. (It should
//! not use it either: after a fork a thread of the parent and one of the child would both be inside.)
#![expect(unsafe_code, reason = "the lock is what makes a reference to the value sound")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::thread::panicking;

use super::placed::{Placed, Shape, Words};
use crate::sync::{Cause, Deadline, Gone, Liveness, Locked, Owner, Poison, RawMutex, Wait};
use crate::world::Plain;

/// The words of a mutex.
#[derive(Debug, Default)]
#[repr(C)]
pub struct MutexWords {
    mutex: RawMutex,
    poison: Poison,
}

// SAFETY: `repr(C)`, structures of atomics without addresses, for which any bytes are valid.
unsafe impl Plain for MutexWords {}

impl Words for MutexWords {
    const KIND: u32 = 33;

    fn bury(&self, gone: Owner) {
        // Nobody else could give the lock back, however the owner went.
        self.mutex.bury(gone, Gone::Died);
    }
}

/// A value behind a lock.
pub type Mutex<T> = Placed<MutexWords, T>;

impl<T: Shape + ?Sized> Mutex<T> {
    /// Takes the lock, and waits for it if need be, at most for `limit`; none of it is an attempt, which
    /// still recovers the lock of an owner that is gone. Whether the value may be half done is to be
    /// asked of the guard.
    #[inline]
    pub fn lock(&self, limit: Option<Duration>) -> Option<MutexGuard<'_, T>> {
        let words = self.words();
        let me = self.block().world().me();
        let locked = match words.mutex.try_lock(me) {
            Some(locked) => locked,
            None => self.lock_slowly(limit)?,
        };
        if locked == Locked::Recovered {
            words.poison.set(Cause::OwnerDied);
        }
        Some(MutexGuard { lock: self, me, panicking: panicking(), here: PhantomData })
    }

    /// As long as signals come, it goes on waiting.
    #[cold]
    fn lock_slowly(&self, limit: Option<Duration>) -> Option<Locked> {
        let (deadline, world) = (Deadline::after(limit), self.block().world());
        loop {
            match self.words().mutex.lock(&world.internal(), deadline.left()) {
                Wait::Ready(locked) => return Some(locked),
                Wait::TimedOut => return None,
                Wait::Interrupted => {}
            }
        }
    }

    /// Whether, and why, the value may be half done.
    #[must_use]
    pub fn poison(&self) -> Option<Cause> {
        self.words().poison.get()
    }

    /// Says that the value is whole.
    pub fn clear_poison(&self) {
        self.words().poison.clear();
    }

    /// Whether somebody who lives holds the lock: for reports.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let world = self.block().world();
        self.words().mutex.owner().is_some_and(|owner| world.internal().is_alive(owner))
    }
}

/// The lock, held by this thread; gives it back when it is dropped.
#[must_use = "the lock is given back at once if it is not kept"]
pub struct MutexGuard<'a, T: Shape + ?Sized> {
    lock: &'a Mutex<T>,
    me: Owner,
    panicking: bool,
    /// Which thread panics is noted for the one that took the lock.
    here: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared references to the value, which is `Sync`.
unsafe impl<T: Shape + ?Sized> Sync for MutexGuard<'_, T> {}

impl<'a, T: Shape + ?Sized> MutexGuard<'a, T> {
    /// Whose guard it is.
    #[must_use]
    pub fn lock(guard: &Self) -> &'a Mutex<T> {
        guard.lock
    }
}

impl<T: Shape + ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a value of this type lies there, aligned, as long as the lock's block is held, which the
        // guard borrows; while the lock is held nobody else has a reference that can write.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: Shape + ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; while the lock is held nobody else has a reference to the value, and this
        // one borrows the guard.
        unsafe { self.lock.value().as_mut() }
    }
}

impl<T: Shape + ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let words = self.lock.words();
        if self.lock.block().world().me() != self.me {
            return;
        }
        if !self.panicking && panicking() {
            words.poison.set(Cause::Panicked);
        }
        words.mutex.unlock(self.me);
    }
}

impl<T: Shape + ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Shape + ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn one_at_a_time() {
        let mutex = Mutex::create(&World::create(1 << 30).unwrap(), [0_u64; 4]).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        for word in &mut *mutex.lock(None).unwrap() {
                            *word += 1;
                        }
                    }
                });
            }
        });
        let guard = mutex.lock(None).unwrap();
        assert_eq!(*guard, [40_000; 4]);
        assert!(mutex.is_locked());
        assert!(mutex.lock(Some(Duration::ZERO)).is_none());
        assert!(mutex.lock(Some(Duration::from_millis(1))).is_none());
        drop(guard);
        assert!(!mutex.is_locked());
        assert_eq!(mutex.poison(), None);
    }

    #[test]
    fn a_panic_poisons() {
        let mutex = Mutex::create(&World::create(1 << 30).unwrap(), 0_u8).unwrap();
        let panicked = std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let _guard = mutex.lock(None);
                panic!("on purpose");
            });
            inside.join().is_err()
        });
        assert!(panicked);
        assert!(mutex.lock(Some(Duration::ZERO)).is_some());
        assert_eq!(mutex.poison(), Some(Cause::Panicked));
        mutex.clear_poison();
        assert_eq!(mutex.poison(), None);
    }
}
