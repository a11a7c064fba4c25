//! `RwLock`: a value behind a lock for many readers or one writer, any of which may be killed.
//!
//! The protocol is that of [`sync::RwLock`]; here are its guards. What was said of the guards of a mutex
//! and a fork holds here, too.
#![expect(unsafe_code, reason = "the lock is what makes a reference to the value sound")]

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::thread::panicking;

use super::placed::{Placed, Shape, Words};
use crate::sync::{self, Cause, Deadline, Owner, Reading, Wait};
use crate::world::{Internal, Plain};

/// The words of a lock for many readers or one writer.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct RwLockWords(sync::RwLock);

// SAFETY: transparent around a structure of atomics without addresses, for which any bytes are valid.
unsafe impl Plain for RwLockWords {}

impl Words for RwLockWords {
    const KIND: u32 = 34;

    fn bury(&self, gone: Owner) {
        self.0.bury(gone);
    }
}

/// A value behind a lock for many readers or one writer.
pub type RwLock<T> = Placed<RwLockWords, T>;

impl<T: Shape + ?Sized> RwLock<T> {
    fn raw(&self) -> &sync::RwLock {
        &self.words().0
    }

    /// Takes a read lock, waits for it at most for `limit`.
    pub fn read(&self, limit: Option<Duration>) -> Option<ReadGuard<'_, T>> {
        let reading = self.patiently(limit, |world, left| self.raw().read(&world, left))?;
        let me = self.block().world().me();
        Some(ReadGuard { lock: self, reading: Some(reading), me, here: PhantomData })
    }

    /// Takes the write lock, waits for it at most for `limit`.
    pub fn write(&self, limit: Option<Duration>) -> Option<WriteGuard<'_, T>> {
        self.patiently(limit, |world, left| self.raw().write(&world, left))?;
        let me = self.block().world().me();
        Some(WriteGuard { lock: self, me, panicking: panicking(), here: PhantomData })
    }

    /// As long as signals come, it goes on waiting.
    fn patiently<R>(
        &self,
        limit: Option<Duration>,
        take: impl Fn(Internal<'_>, Option<Duration>) -> Wait<R>,
    ) -> Option<R> {
        let deadline = Deadline::after(limit);
        let mut left = limit;
        loop {
            match take(self.block().world().internal(), left) {
                Wait::Ready(value) => return Some(value),
                Wait::TimedOut => return None,
                Wait::Interrupted => left = deadline.left(),
            }
        }
    }

    /// Whether, and why, the value may be half done.
    #[must_use]
    pub fn poison(&self) -> Option<Cause> {
        self.raw().poison().get()
    }

    /// Says that the value is whole.
    pub fn clear_poison(&self) {
        self.raw().poison().clear();
    }

    /// How many threads read, and whether one writes: for reports.
    #[must_use]
    pub fn holders(&self) -> (u32, bool) {
        self.raw().holders()
    }
}

/// A read lock, held by this thread; gives it back when it is dropped.
#[must_use = "the lock is given back at once if it is not kept"]
pub struct ReadGuard<'a, T: Shape + ?Sized> {
    lock: &'a RwLock<T>,
    reading: Option<Reading>,
    me: Owner,
    /// A thread that reads and waits for its own other one would wait for ever: so it stays here.
    here: PhantomData<*const ()>,
}

/// The write lock, held by this thread; gives it back when it is dropped.
#[must_use = "the lock is given back at once if it is not kept"]
pub struct WriteGuard<'a, T: Shape + ?Sized> {
    lock: &'a RwLock<T>,
    me: Owner,
    panicking: bool,
    /// Which thread panics is noted for the one that took the lock.
    here: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared references to the value, which is `Sync`.
unsafe impl<T: Shape + ?Sized> Sync for ReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Shape + ?Sized> Sync for WriteGuard<'_, T> {}

impl<T: Shape + ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a value of this type lies there, aligned, as long as the lock's block is held, which the
        // guard borrows; while a read lock is held nobody writes.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: Shape + ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as above; while the write lock is held nobody else has a reference to the value.
        unsafe { self.lock.value().as_ref() }
    }
}

impl<T: Shape + ?Sized> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this reference borrows the guard.
        unsafe { self.lock.value().as_mut() }
    }
}

impl<T: Shape + ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.lock.block().world().me() == self.me
            && let Some(reading) = self.reading.take()
        {
            self.lock.raw().leave(reading, self.me);
        }
    }
}

impl<T: Shape + ?Sized> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.lock.block().world().me() != self.me {
            return;
        }
        if !self.panicking && panicking() {
            self.lock.raw().poison().set(Cause::Panicked);
        }
        self.lock.raw().unlock(self.me);
    }
}

impl<T: Shape + ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Shape + ?Sized + fmt::Display> fmt::Display for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Shape + ?Sized + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Shape + ?Sized + fmt::Display> fmt::Display for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let lock = RwLock::create(&World::create(1 << 30).unwrap(), [0_u32; 2]).unwrap();
        let (one, two) = (lock.read(None).unwrap(), lock.read(NOW).unwrap());
        assert_eq!((*one, lock.holders()), (*two, (2, false)));
        assert!(lock.write(NOW).is_none());
        drop((one, two));
        lock.write(None).unwrap()[1] = 7;
        assert_eq!(*lock.read(None).unwrap(), [0, 7]);
        let writing = lock.write(NOW).unwrap();
        assert!(lock.read(NOW).is_none());
        drop(writing);
        assert_eq!(lock.holders(), (0, false));
    }

    #[test]
    fn only_a_panic_of_a_writer_poisons() {
        let lock = RwLock::create(&World::create(1 << 30).unwrap(), 0_u8).unwrap();
        for (writes, cause) in [(false, None), (true, Some(Cause::Panicked))] {
            let panicked = std::thread::scope(|scope| {
                let inside = scope.spawn(|| {
                    let _guards =
                        if writes { (None, lock.write(None)) } else { (lock.read(None), None) };
                    panic!("on purpose");
                });
                inside.join().is_err()
            });
            assert!(panicked);
            assert_eq!(lock.poison(), cause);
        }
        lock.clear_poison();
        assert_eq!(lock.poison(), None);
    }
}
