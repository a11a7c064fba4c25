//! What the taker of a lock is told when the value may be half done.

use std::error::Error;
use std::fmt;

use manyhands_shm::sync::Cause;

/// The lock was taken, but its value may be half done: whoever changed it panicked, or its process died.
///
/// As with std's locks the guard is inside, for whoever can put things right. The lock stays poisoned until
/// `clear_poison` is called on it.
///
/// ```
/// use manyhands::sync::Mutex;
///
/// let total = Mutex::new([0_u64; 2])?;
/// let same = total.clone();
/// let panicked = std::thread::spawn(move || {
///     let mut pair = same.lock().unwrap();
///     pair[0] += 1;
///     panic!("before the second one");
/// });
/// assert!(panicked.join().is_err());
///
/// let poisoned = total.lock().unwrap_err();
/// assert!(poisoned.is_panic() && !poisoned.is_owner_death());
/// let mut pair = poisoned.into_inner();
/// pair[1] = pair[0];
/// drop(pair);
/// total.clear_poison();
/// assert_eq!(*total.lock().unwrap(), [1, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PoisonError<G> {
    guard: G,
    cause: Cause,
}

impl<G> PoisonError<G> {
    pub(super) fn new(guard: G, cause: Cause) -> Self {
        Self { guard, cause }
    }

    /// The guard: the lock is held.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// let guard = lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    /// assert_eq!(*guard, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> G {
        self.guard
    }

    /// The guard, to look through it.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// assert_eq!(**lock.lock().unwrap_err().get_ref(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &G {
        &self.guard
    }

    /// The guard, to change the value through it.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// **lock.lock().unwrap_err().get_mut() = 0;
    /// lock.clear_poison();
    /// assert_eq!(*lock.lock().unwrap(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }

    /// Why the value may be half done.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// assert_eq!(lock.lock().unwrap_err().cause(), manyhands::sync::Cause::Panicked);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether a thread panicked while it held the lock.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// assert!(lock.lock().unwrap_err().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.cause == Cause::Panicked
    }

    /// Whether a process died, or exited, while it held the lock.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// assert!(!lock.lock().unwrap_err().is_owner_death(), "its thread panicked");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_owner_death(&self) -> bool {
        self.cause == Cause::OwnerDied
    }
}

impl<G> fmt::Debug for PoisonError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoisonError").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl<G> fmt::Display for PoisonError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.cause {
            Cause::Panicked => "a thread panicked",
            Cause::OwnerDied => "a process died",
        };
        write!(
            f,
            "{whose} while it held this lock, and the value may be half done: put it right through the guard in \
             this error, then call clear_poison"
        )
    }
}

impl<G> Error for PoisonError<G> {}

/// What taking a lock gives.
///
/// ```
/// use manyhands::sync::{LockResult, Mutex, MutexGuard};
///
/// let lock = Mutex::new(1)?;
/// let taken: LockResult<MutexGuard<'_, i32>> = lock.lock();
/// assert!(taken.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type LockResult<G> = Result<G, PoisonError<G>>;

/// Why an attempt to take a lock gave none, or a poisoned one.
///
/// ```
/// use manyhands::sync::Mutex;
///
/// let lock = Mutex::new(1)?;
/// let guard = lock.lock().unwrap();
/// assert!(lock.try_lock().unwrap_err().would_block());
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub enum TryLockError<G> {
    /// It was taken, and the value may be half done.
    Poisoned(PoisonError<G>),
    /// Somebody else holds it, and did so to the end of the time that was given.
    WouldBlock,
}

impl<G> From<PoisonError<G>> for TryLockError<G> {
    fn from(error: PoisonError<G>) -> Self {
        Self::Poisoned(error)
    }
}

impl<G> TryLockError<G> {
    /// Whether somebody else holds the lock.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let _guard = lock.lock().unwrap();
    /// assert!(lock.try_lock().unwrap_err().would_block());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn would_block(&self) -> bool {
        matches!(self, Self::WouldBlock)
    }

    /// Whether the lock was taken, and is poisoned.
    ///
    /// ```
    /// let lock = manyhands::sync::Mutex::new(1)?;
    /// let other = lock.clone();
    /// let _panicked = std::thread::spawn(move || {
    ///     let _guard = other.lock();
    ///     panic!("half done");
    /// }).join();
    /// assert!(lock.try_lock().unwrap_err().is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        matches!(self, Self::Poisoned(_))
    }
}

impl<G> fmt::Debug for TryLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(error) => error.fmt(f),
            Self::WouldBlock => f.write_str("WouldBlock"),
        }
    }
}

impl<G> fmt::Display for TryLockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(error) => error.fmt(f),
            Self::WouldBlock => f.write_str("somebody else holds this lock"),
        }
    }
}

impl<G> Error for TryLockError<G> {}

/// What an attempt to take a lock gives.
///
/// ```
/// use manyhands::sync::{Mutex, MutexGuard, TryLockResult};
///
/// let lock = Mutex::new(1)?;
/// let tried: TryLockResult<MutexGuard<'_, i32>> = lock.try_lock();
/// assert!(tried.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type TryLockResult<G> = Result<G, TryLockError<G>>;

/// A guard, or the error that holds it.
pub(super) fn told<G>(guard: G, cause: Option<Cause>) -> LockResult<G> {
    match cause {
        None => Ok(guard),
        Some(cause) => Err(PoisonError::new(guard, cause)),
    }
}

/// The same of an attempt.
pub(super) fn tried<G>(
    guard: Option<G>,
    cause: impl FnOnce() -> Option<Cause>,
) -> TryLockResult<G> {
    match guard {
        Some(guard) => told(guard, cause()).map_err(TryLockError::Poisoned),
        None => Err(TryLockError::WouldBlock),
    }
}
