//! `Mutex`: a value behind a lock between processes.

use std::fmt;
use std::time::Duration;

use manyhands_shm::typed::{self, MutexGuard, Shape, Shareable};
use manyhands_shm::world::Block;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::poison::{LockResult, TryLockResult, told, tried};
use crate::memory::{self, NoMemory};
use crate::travel;

/// A value that one thread of one process at a time can reach.
///
/// A clone is the same lock, and so is what arrives where it was sent. The value is a [`Shareable`] one, or
/// a slice of such values.
///
/// If a process dies while it holds the lock (by a kill, a crash, an exit), whoever waits for it gets it at most
/// some 50 ms later, as a [`PoisonError`](super::PoisonError), and so does everybody after it until
/// [`Mutex::clear_poison`]: the value may be half done. A panic with the guard in scope does the same. A thread
/// that locks twice waits for itself.
///
/// ```
/// use manyhands::Process;
/// use manyhands::sync::Mutex;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let total = Mutex::new(0_u64)?;
///     let add = |total: Mutex<u64>| {
///         for _ in 0..1000 {
///             *total.lock().unwrap() += 1;
///         }
///     };
///     let processes = [Process::spawn(add, total.clone())?, Process::spawn(add, total.clone())?];
///     for process in processes {
///         process.join()?;
///     }
///     assert_eq!(*total.lock().unwrap(), 2000);
///     Ok(())
/// }
/// ```
pub struct Mutex<T: Shape + ?Sized>(typed::Mutex<T>);

impl<T: Shareable> Mutex<T> {
    /// Puts a value behind a new lock.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// use manyhands::sync::Mutex;
    ///
    /// let best = Mutex::new((0_u32, f64::INFINITY))?;
    /// *best.lock().unwrap() = (17, 0.25);
    /// assert_eq!(best.lock().unwrap().0, 17);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> Result<Self, NoMemory> {
        Ok(Self(typed::Mutex::create(&memory::world()?, value)?))
    }
}

impl<T: Shareable> Mutex<[T]> {
    /// Puts so many values behind one new lock; each is made from its index.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// use manyhands::sync::Mutex;
    ///
    /// let counts = Mutex::from_fn(256, |_| 0_u64)?;
    /// counts.lock().unwrap()[b'x' as usize] += 1;
    /// assert_eq!(counts.lock().unwrap().iter().sum::<u64>(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T) -> Result<Self, NoMemory> {
        Ok(Self(typed::Mutex::create_slice(&memory::world()?, len, value)?))
    }
}

impl<T: Shape + ?Sized> Mutex<T> {
    /// Takes the lock, and waits for it if need be.
    ///
    /// # Errors
    /// [`PoisonError`](super::PoisonError), which holds the guard, if the value may be half done.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// *lock.lock().unwrap() += 1;
    /// assert_eq!(*lock.lock().unwrap(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = self.0.lock(None).expect("a wait without a limit ends with the lock");
        told(guard, self.0.poison())
    }

    /// Takes the lock if it is free, or if its owner is dead.
    ///
    /// # Errors
    /// [`TryLockError`](super::TryLockError): somebody holds it, or the value may be half done.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let guard = lock.try_lock().unwrap();
    /// assert!(lock.try_lock().unwrap_err().would_block());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.try_lock_for(Duration::ZERO)
    }

    /// Takes the lock, and waits for it at most so long.
    ///
    /// # Errors
    /// [`TryLockError`](super::TryLockError): somebody held it all the time, or the value may be half done.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// assert_eq!(*lock.try_lock_for(Duration::from_secs(1)).unwrap(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock_for(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        tried(self.0.lock(Some(timeout)), || self.0.poison())
    }

    /// Whether the value may be half done.
    ///
    /// ```
    /// assert!(!manyhands::sync::Mutex::new(1)?.is_poisoned());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.0.poison().is_some()
    }

    /// Says that the value is whole again: from now on nobody is told.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// lock.clear_poison();
    /// assert!(lock.lock().is_ok());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn clear_poison(&self) {
        self.0.clear_poison();
    }
}

impl<T: Shape + ?Sized> Clone for Mutex<T> {
    /// The same lock.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Shape + ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("locked", &self.0.is_locked())
            .field("poison", &self.0.poison())
            .finish_non_exhaustive()
    }
}

impl<T: Shape + ?Sized> Serialize for Mutex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(self.0.block(), serializer)
    }
}

impl<'de, T: Shape + ?Sized> Deserialize<'de> for Mutex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::object(deserializer, "Mutex", |block: Block| {
            typed::Mutex::of_block(block).map(Self)
        })
    }
}
