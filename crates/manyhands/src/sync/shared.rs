//! `Shared`: a value in shared memory that all processes see as it is.

use std::fmt;
use std::ops::Deref;

use manyhands_shm::typed::{Held, Shape, Shareable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::memory::{self, NoMemory};
use crate::travel;

/// A value, or a slice of values, in shared memory, without a lock.
///
/// A clone is the same value, and so is what arrives where it was sent: nothing is copied. It is read through
/// [`Deref`]; what is to be changed later must be atomic (std's atomics may be part of the value), or be
/// behind a [`Mutex`](super::Mutex).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use manyhands::Process;
/// use manyhands::sync::{Shareable, Shared};
///
/// #[derive(Shareable)]
/// struct Progress {
///     wanted: u64,
///     done: AtomicU64,
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let progress = Shared::new(Progress { wanted: 3, done: AtomicU64::new(0) })?;
///     let work = |progress: Shared<Progress>| {
///         while progress.done.fetch_add(1, Ordering::Relaxed) + 1 < progress.wanted {}
///     };
///     Process::spawn(work, progress.clone())?.join()?;
///     assert_eq!(progress.done.load(Ordering::Relaxed), 3);
///     Ok(())
/// }
/// ```
pub struct Shared<T: Shape + ?Sized>(Held<T>);

impl<T: Shareable> Shared<T> {
    /// Puts a value into shared memory.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// let limits = manyhands::sync::Shared::new((0.5_f64, 100_u32))?;
    /// assert_eq!(limits.1, 100);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn new(value: T) -> Result<Self, NoMemory> {
        Ok(Self(Held::create(&memory::world()?, value)?))
    }
}

impl<T: Shareable> Shared<[T]> {
    /// Puts so many values into shared memory; each is made from its index.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// use manyhands::sync::Shared;
    ///
    /// let table = Shared::from_fn(1000, |index| (index as f64).sqrt())?;
    /// assert_eq!(table[81], 9.0);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T) -> Result<Self, NoMemory> {
        Ok(Self(Held::create_slice(&memory::world()?, len, value)?))
    }

    /// Puts a copy of a slice into shared memory.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory.
    ///
    /// ```
    /// use manyhands::sync::Shared;
    ///
    /// let primes = Shared::copy_of(&[2_u32, 3, 5, 7])?;
    /// assert_eq!(primes.iter().sum::<u32>(), 17);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn copy_of(values: &[T]) -> Result<Self, NoMemory>
    where
        T: Copy,
    {
        Ok(Self(Held::copy_slice(&memory::world()?, values)?))
    }
}

impl<T: Shape + ?Sized> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Shape + ?Sized> Clone for Shared<T> {
    /// The same value.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Shape + ?Sized + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&&**self).finish()
    }
}

impl<T: Shape + ?Sized> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(self.0.block(), serializer)
    }
}

impl<'de, T: Shape + ?Sized> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::object(deserializer, "Shared", |block| Held::of_block(block).map(Self))
    }
}
