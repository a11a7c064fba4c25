//! `Condvar`: waiting for a change of what a mutex protects, between processes.

use std::fmt;
use std::time::{Duration, Instant};

use manyhands_shm::sync::{Bell, Condition};
use manyhands_shm::typed::{MutexGuard, Shape, Woken, wait};
use manyhands_shm::world::Block;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::poison::{LockResult, PoisonError, told};
use crate::memory::{self, NoMemory};
use crate::travel;

/// The kind of its block.
const KIND: u32 = 38;
/// How long somebody sleeps who finds that as many wait as can.
const CROWDED: Duration = Duration::from_millis(1);

/// Waits for a change of what a [`Mutex`](super::Mutex) protects.
///
/// A clone is the same object, and so is what arrives where it was sent. A wait gives the mutex back and takes
/// it again before it ends. As with std's it may end without a notification: wait in a loop, or by
/// [`Condvar::wait_while`]. A waiter that dies swallows no notification.
///
/// 1,023 can wait at once; whoever comes beyond that is woken every millisecond to look.
///
/// ```
/// use manyhands::Process;
/// use manyhands::sync::{Condvar, Mutex};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let gate = (Mutex::new(false)?, Condvar::new()?);
///     let open = |(open, changed): (Mutex<bool>, Condvar)| {
///         *open.lock().unwrap() = true;
///         changed.notify_all();
///     };
///     let process = Process::spawn(open, gate.clone())?;
///     let (is_open, changed) = &gate;
///     let guard = changed.wait_while(is_open.lock().unwrap(), |open| !*open).unwrap();
///     assert!(*guard);
///     drop(guard);
///     process.join()?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Condvar(Block);

/// Whether a wait with a time limit came to its end.
///
/// ```
/// use std::time::Duration;
/// use manyhands::sync::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(false)?, Condvar::new()?);
/// let (guard, ended) = changed.wait_timeout(ready.lock().unwrap(), Duration::from_millis(1)).unwrap();
/// assert!(ended.timed_out() && !*guard);
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use manyhands::sync::{Condvar, Mutex};
    ///
    /// let (lock, changed) = (Mutex::new(0)?, Condvar::new()?);
    /// let (_guard, ended) = changed.wait_timeout(lock.lock().unwrap(), Duration::ZERO).unwrap();
    /// assert!(ended.timed_out());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition for which nobody waits.
    ///
    /// # Errors
    /// [`NoMemory`] without shared memory: it takes 16 KiB.
    ///
    /// ```
    /// manyhands::sync::Condvar::new()?.notify_all();
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn new() -> Result<Self, NoMemory> {
        memory::block::<Condition>(KIND).map(Self)
    }

    fn wait_at_most<'a, T: Shape + ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Option<Duration>,
    ) -> (MutexGuard<'a, T>, bool) {
        match wait(&self.0, guard, limit) {
            (guard, Woken::Notified) => (guard, false),
            (guard, Woken::TimedOut) => (guard, true),
            (guard, Woken::NoSeat) => {
                let lock = MutexGuard::lock(&guard);
                drop(guard);
                let nobody = Bell::new();
                let length = limit.map_or(CROWDED, |limit| limit.min(CROWDED));
                // It ends by its limit, or by a signal: either is good enough.
                let _ended = nobody.wait(nobody.ticket(), Some(length), Duration::ZERO);
                let guard = lock.lock(None).expect("a wait without a limit ends with the lock");
                (guard, limit.is_some_and(|limit| limit <= CROWDED))
            }
        }
    }

    /// Waits to be notified.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the value may be half done by now.
    ///
    /// ```
    /// use manyhands::sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(true)?, Condvar::new()?);
    /// let mut guard = ready.lock().unwrap();
    /// while !*guard {
    ///     guard = changed.wait(guard).unwrap();
    /// }
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait<'a, T: Shape + ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let lock = MutexGuard::lock(&guard);
        told(self.wait_at_most(guard, None).0, lock.poison())
    }

    /// Waits as long as `condition` holds of the value.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the value may be half done by now: then whether the
    /// condition holds was not asked again.
    ///
    /// ```
    /// use manyhands::sync::{Condvar, Mutex};
    ///
    /// let (waiting, changed) = (Mutex::new(0_u32)?, Condvar::new()?);
    /// let guard = changed.wait_while(waiting.lock().unwrap(), |waiting| *waiting > 0).unwrap();
    /// assert_eq!(*guard, 0);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_while<'a, T: Shape + ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits to be notified, at most so long.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the value may be half done by now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use manyhands::sync::{Condvar, Mutex};
    ///
    /// let (lock, changed) = (Mutex::new(0)?, Condvar::new()?);
    /// let (guard, ended) = changed.wait_timeout(lock.lock().unwrap(), Duration::from_millis(1)).unwrap();
    /// assert!(ended.timed_out());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout<'a, T: Shape + ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let lock = MutexGuard::lock(&guard);
        let (guard, timed_out) = self.wait_at_most(guard, Some(timeout));
        told((guard, WaitTimeoutResult(timed_out)), lock.poison())
    }

    /// Waits as long as `condition` holds of the value, at most so long.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the value may be half done by now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use manyhands::sync::{Condvar, Mutex};
    ///
    /// let (lock, changed) = (Mutex::new(1)?, Condvar::new()?);
    /// let limit = Duration::from_millis(5);
    /// let (guard, ended) = changed.wait_timeout_while(lock.lock().unwrap(), limit, |value| *value == 1).unwrap();
    /// assert!(ended.timed_out());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout_while<'a, T: Shape + ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let start = Instant::now();
        while condition(&mut guard) {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = match self.wait_timeout(guard, left) {
                Ok((guard, _)) => guard,
                Err(error) => {
                    let cause = error.cause();
                    return Err(PoisonError::new(error.into_inner(), cause));
                }
            };
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    /// Wakes the one that has waited longest, if anybody waits.
    ///
    /// ```
    /// manyhands::sync::Condvar::new()?.notify_one();
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn notify_one(&self) {
        self.0.get::<Condition>().notify(&self.0.world().internal(), 1);
    }

    /// Wakes everybody who waits.
    ///
    /// ```
    /// manyhands::sync::Condvar::new()?.notify_all();
    /// # Ok::<(), manyhands::NoMemory>(())
    /// ```
    pub fn notify_all(&self) {
        self.0.get::<Condition>().notify_all();
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.0.get::<Condition>().waiters(&self.0.world().internal());
        f.debug_struct("Condvar").field("waiters", &waiters).finish()
    }
}

impl Serialize for Condvar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Condvar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        travel::object(deserializer, "Condvar", |block| {
            memory::is::<Condition>(&block, KIND).then_some(Self(block))
        })
    }
}
