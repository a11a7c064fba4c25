//! `RwLock`: a value behind a lock for many readers or one writer, between processes.

use std::fmt;
use std::time::Duration;

use manyhands_shm::typed::{self, ReadGuard, Shape, Shareable, WriteGuard};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::poison::{LockResult, TryLockResult, told, tried};
use crate::memory::{self, NoMemory};
use crate::travel;

/// A value that many can read at once, or one can change.
///
/// A clone is the same lock, and so is what arrives where it was sent.
///
/// Writers go first: who wants to read while a writer waits, waits behind it. So a thread that reads must not
/// ask to read again before it has dropped its guard. A reader that dies is forgotten; a writer that dies
/// or panics poisons the lock, as with [`Mutex`](super::Mutex).
///
/// ```
/// use manyhands::Process;
/// use manyhands::sync::RwLock;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let prices = RwLock::from_fn(3, |_| 1.0_f64)?;
///     prices.write().unwrap()[1] = 2.5;
///     let sum = |prices: RwLock<[f64]>| prices.read().unwrap().iter().sum::<f64>();
///     assert_eq!(Process::spawn(sum, prices)?.join()?, 4.5);
///     Ok(())
/// }
/// ```
pub struct RwLock<T: Shape + ?Sized>(typed::RwLock<T>);

impl<T: Shareable> RwLock<T> {
    /// Puts a value behind a new lock.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::new([1, 2])?;
    /// assert_eq!(lock.read().unwrap()[1], 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> Result<Self, NoMemory> {
        Ok(Self(typed::RwLock::create(&memory::world()?, value)?))
    }
}

impl<T: Shareable> RwLock<[T]> {
    /// Puts so many values behind one new lock; each is made from its index.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::from_fn(10, |index| index as u32)?;
    /// assert_eq!(lock.read().unwrap().len(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T) -> Result<Self, NoMemory> {
        Ok(Self(typed::RwLock::create_slice(&memory::world()?, len, value)?))
    }
}

impl<T: Shape + ?Sized> RwLock<T> {
    /// Takes a read lock, and waits for it if need be.
    ///
    /// # Errors
    /// [`PoisonError`](super::PoisonError), which holds the guard, if the value may be half done.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::new(5)?;
    /// let (one, two) = (lock.read().unwrap(), lock.read().unwrap());
    /// assert_eq!(*one + *two, 10);
    /// # drop((one, two));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> LockResult<ReadGuard<'_, T>> {
        let guard = self.0.read(None).expect("a wait without a limit ends with the lock");
        told(guard, self.0.poison())
    }

    /// Takes a read lock if nobody writes or waits to write.
    ///
    /// # Errors
    /// [`TryLockError`](super::TryLockError): somebody writes, or the value may be half done. It may also
    /// say so where another reader is just arriving after a writer has left.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::new(5)?;
    /// assert_eq!(*lock.try_read().unwrap(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&self) -> TryLockResult<ReadGuard<'_, T>> {
        self.try_read_for(Duration::ZERO)
    }

    /// Takes a read lock, and waits for it at most so long.
    ///
    /// # Errors
    /// [`TryLockError`](super::TryLockError): somebody wrote all the time, or the value may be half done.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = manyhands::sync::RwLock::new(5)?;
    /// let writing = lock.write().unwrap();
    /// assert!(lock.try_read_for(Duration::from_millis(1)).unwrap_err().would_block());
    /// # drop(writing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read_for(&self, timeout: Duration) -> TryLockResult<ReadGuard<'_, T>> {
        tried(self.0.read(Some(timeout)), || self.0.poison())
    }

    /// Takes the write lock, and waits for it if need be.
    ///
    /// # Errors
    /// [`PoisonError`](super::PoisonError), which holds the guard, if the value may be half done.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::new(5)?;
    /// *lock.write().unwrap() = 6;
    /// assert_eq!(*lock.read().unwrap(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self) -> LockResult<WriteGuard<'_, T>> {
        let guard = self.0.write(None).expect("a wait without a limit ends with the lock");
        told(guard, self.0.poison())
    }

    /// Takes the write lock if nobody reads or writes.
    ///
    /// # Errors
    /// [`TryLockError`](super::TryLockError): somebody does, or the value may be half done.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::new(5)?;
    /// let reading = lock.read().unwrap();
    /// assert!(lock.try_write().unwrap_err().would_block());
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&self) -> TryLockResult<WriteGuard<'_, T>> {
        self.try_write_for(Duration::ZERO)
    }

    /// Takes the write lock, and waits for it at most so long.
    ///
    /// # Errors
    /// [`TryLockError`](super::TryLockError): somebody had it all the time, or the value may be half done.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = manyhands::sync::RwLock::new(5)?;
    /// *lock.try_write_for(Duration::from_secs(1)).unwrap() = 6;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write_for(&self, timeout: Duration) -> TryLockResult<WriteGuard<'_, T>> {
        tried(self.0.write(Some(timeout)), || self.0.poison())
    }

    /// Whether the value may be half done.
    ///
    /// ```
    /// assert!(!manyhands::sync::RwLock::new(1)?.is_poisoned());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.0.poison().is_some()
    }

    /// Says that the value is whole again: from now on nobody is told.
    ///
    /// ```
    /// let lock = manyhands::sync::RwLock::new(1)?;
    /// lock.clear_poison();
    /// assert!(lock.read().is_ok());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn clear_poison(&self) {
        self.0.clear_poison();
    }
}

impl<T: Shape + ?Sized> Clone for RwLock<T> {
    /// The same lock.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Shape + ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (readers, written) = self.0.holders();
        f.debug_struct("RwLock")
            .field("readers", &readers)
            .field("written", &written)
            .field("poison", &self.0.poison())
            .finish_non_exhaustive()
    }
}

impl<T: Shape + ?Sized> Serialize for RwLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(self.0.block(), serializer)
    }
}

impl<'de, T: Shape + ?Sized> Deserialize<'de> for RwLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::object(deserializer, "RwLock", |block| typed::RwLock::of_block(block).map(Self))
    }
}
