//! `Semaphore`: so many permits, for whoever takes them first, between processes.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use manyhands_shm::sync::{self, Deadline, Owner, Wait};
use manyhands_shm::world::{Block, Internal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::memory::{self, NoMemory};
use crate::travel;

/// The kind of its block.
const KIND: u32 = 37;

/// So many permits.
///
/// A clone is the same semaphore, and so is what arrives where it was sent. What [`Semaphore::acquire`] gives
/// goes back when it is dropped, and also when its process dies (for up to 124 processes that hold permits at
/// once). What [`Semaphore::take`] takes is gone until somebody calls [`Semaphore::give`]: for permits that one
/// process makes and another one uses up.
///
/// ```
/// use manyhands::Process;
/// use manyhands::sync::Semaphore;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let two_at_a_time = Semaphore::new(2)?;
///     let work = |limit: Semaphore| {
///         let _permit = limit.acquire();
///         std::process::id()
///     };
///     let processes = [(); 3].map(|()| Process::spawn(work, two_at_a_time.clone()));
///     for process in processes {
///         process?.join()?;
///     }
///     assert_eq!(two_at_a_time.available(), 2);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Semaphore(Block);

/// A permit; it goes back when it is dropped.
///
/// ```
/// let semaphore = manyhands::sync::Semaphore::new(1)?;
/// let permit = semaphore.acquire();
/// assert!(semaphore.try_acquire().is_none());
/// drop(permit);
/// assert_eq!(semaphore.available(), 1);
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug)]
#[must_use = "the permit is given back at once if it is not kept"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    me: Owner,
    here: PhantomData<&'a ()>,
}

/// There would be more permits than a semaphore can have: 2^30 - 1.
///
/// ```
/// let semaphore = manyhands::sync::Semaphore::new(u32::MAX)?;
/// assert!(semaphore.give().is_err());
/// # Ok::<(), manyhands::NoMemory>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyPermits;

impl fmt::Display for TooManyPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a semaphore has at most {} permits", sync::Semaphore::MAX)
    }
}

impl Error for TooManyPermits {}

impl Semaphore {
    /// A semaphore with so many permits, at most 2^30 - 1.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory: it takes 1 KiB.
    ///
    /// ```
    /// assert_eq!(manyhands::sync::Semaphore::new(3)?.available(), 3);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn new(permits: u32) -> Result<Self, NoMemory> {
        let block = memory::block::<sync::Semaphore>(KIND)?;
        block.get::<sync::Semaphore>().set(permits, sync::Semaphore::MAX);
        Ok(Self(block))
    }

    fn raw(&self) -> &sync::Semaphore {
        self.0.get()
    }

    /// As long as signals come, it goes on waiting.
    fn patiently(
        &self,
        limit: Option<Duration>,
        once: impl Fn(&sync::Semaphore, Internal<'_>, Option<Duration>) -> Wait<()>,
    ) -> bool {
        let deadline = Deadline::after(limit);
        let mut left = limit;
        loop {
            match once(self.raw(), self.0.world().internal(), left) {
                Wait::Ready(()) => return true,
                Wait::TimedOut => return false,
                Wait::Interrupted => left = deadline.left(),
            }
        }
    }

    fn enter(&self, limit: Option<Duration>) -> Option<Permit<'_>> {
        let me = self.0.world().me();
        let entered = self.patiently(limit, |raw, world, left| raw.enter(&world, left));
        // (Not `then_some`: a permit that is not returned would be given back.)
        entered.then(|| Permit { semaphore: self, me, here: PhantomData })
    }

    /// Takes a permit, and waits for one if need be.
    ///
    /// ```
    /// let semaphore = manyhands::sync::Semaphore::new(1)?;
    /// let permit = semaphore.acquire();
    /// assert_eq!(semaphore.available(), 0);
    /// # drop(permit);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn acquire(&self) -> Permit<'_> {
        self.enter(None).expect("a wait without a limit ends with a permit")
    }

    /// Takes a permit if there is one, or if a dead process has one.
    ///
    /// ```
    /// assert!(manyhands::sync::Semaphore::new(0)?.try_acquire().is_none());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.enter(Some(Duration::ZERO))
    }

    /// Takes a permit, and waits for one at most so long; `None` if the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = manyhands::sync::Semaphore::new(0)?;
    /// assert!(semaphore.acquire_timeout(Duration::from_millis(1)).is_none());
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.enter(Some(timeout))
    }

    /// Takes a permit for good, and waits for one if need be: it does not come back by itself.
    ///
    /// ```
    /// let items = manyhands::sync::Semaphore::new(0)?;
    /// items.give()?; // whoever makes one
    /// items.take(); // whoever uses it up
    /// assert_eq!(items.available(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(&self) {
        self.patiently(None, |raw, world, left| raw.acquire(&world, left));
    }

    /// Takes a permit for good, and waits for one at most so long; whether there was one.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let items = manyhands::sync::Semaphore::new(1)?;
    /// assert!(items.take_timeout(Duration::ZERO));
    /// assert!(!items.take_timeout(Duration::from_millis(1)));
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn take_timeout(&self, timeout: Duration) -> bool {
        self.patiently(Some(timeout), |raw, world, left| raw.acquire(&world, left))
    }

    /// Gives one permit more.
    ///
    /// # Errors
    /// [`TooManyPermits`] if there would be 2^30.
    ///
    /// ```
    /// let semaphore = manyhands::sync::Semaphore::new(0)?;
    /// semaphore.give()?;
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give(&self) -> Result<(), TooManyPermits> {
        self.raw().release().map_err(|_| TooManyPermits)
    }

    /// Free permits at this moment; what dead processes held counts.
    ///
    /// ```
    /// assert_eq!(manyhands::sync::Semaphore::new(7)?.available(), 7);
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> u32 {
        if self.raw().is_noted() {
            self.raw().recover(&self.0.world().internal());
        }
        self.raw().value()
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let world = self.semaphore.0.world();
        // The child of a fork has only a copy.
        if world.me() == self.me {
            // It was taken, so there is room for it; whoever has given too many has been told.
            let _given = self.semaphore.raw().leave(&world.internal());
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish()
    }
}

impl Serialize for Semaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Semaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::object(deserializer, "Semaphore", |block| {
            memory::is::<sync::Semaphore>(&block, KIND).then_some(Self(block))
        })
    }
}
