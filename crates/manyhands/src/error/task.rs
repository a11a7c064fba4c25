//! What became of an item that has no result, and of a pool that cannot work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::{Ending, Item};
use crate::panics::Panic;
use crate::raised::Raised;

/// Why an item has no result.
///
/// ```
/// use manyhands::{Pool, TaskError};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::new()?;
///     let error = pool.submit(|x: u32| if x == 7 { std::process::abort() } else { x }, 7).join().unwrap_err();
///     assert!(error.is_worker_death());
///     if let TaskError::WorkerDied { signal, .. } = error {
///         assert_eq!(signal, Some(6)); // SIGABRT
///     }
///     assert_eq!(pool.submit(|x: u32| x + 1, 1).join()?, 2); // the pool goes on
///     Ok(())
/// }
/// ```
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked.
    #[error("{item} {panic}")]
    #[non_exhaustive]
    Panicked {
        /// Which item.
        item: Item,
        /// What it said, and where.
        panic: Panic,
    },
    /// The worker died while it ran the item: by an abort, a segmentation fault, an overflow of its stack, a
    /// kill, an exit.
    #[error("{item} was lost: its worker (seat {worker}) {}{}", Ending { signal: *signal, code: *code }, Detail(detail.as_deref()))]
    #[non_exhaustive]
    WorkerDied {
        /// Which item.
        item: Item,
        /// The signal that ended the worker.
        signal: Option<i32>,
        /// The code with which it exited.
        code: Option<i32>,
        /// Its seat, counted from 0: its replacement has the same.
        worker: usize,
        /// Its process id.
        pid: Option<i32>,
        /// More words, where the ending does not tell the reason.
        detail: Option<String>,
    },
    /// It ran longer than [`PoolBuilder::task_timeout`](crate::PoolBuilder::task_timeout) allows, and was ended with
    /// its worker.
    #[error(
        "{item} was ended with its worker (seat {worker}): it ran for {ran:.1?}, and may for {limit:?}"
    )]
    #[non_exhaustive]
    TimedOut {
        /// Which item.
        item: Item,
        /// How long it may run.
        limit: Duration,
        /// How long it ran.
        ran: Duration,
        /// Its worker's seat, counted from 0.
        worker: usize,
    },
    /// Its worker had more memory than [`PoolBuilder::memory_limit`](crate::PoolBuilder::memory_limit) allows, and
    /// was ended.
    #[error(
        "{item} was ended with its worker (seat {worker}), which had {bytes} bytes of memory and may have {limit}"
    )]
    #[non_exhaustive]
    MemoryLimitExceeded {
        /// Which item.
        item: Item,
        /// How much memory the worker had for itself, in bytes.
        bytes: u64,
        /// How much it may have, in bytes.
        limit: u64,
        /// Its seat, counted from 0.
        worker: usize,
    },
    /// It was cancelled: before it began, or by [`Handle::abort`](crate::Handle::abort).
    #[error("{item} was cancelled")]
    #[non_exhaustive]
    Cancelled {
        /// Which item.
        item: Item,
    },
    /// The pool was dropped or terminated before it ended.
    #[error("{item} did not end: its pool was terminated")]
    #[non_exhaustive]
    Terminated {
        /// Which item.
        item: Item,
    },
    /// A value could not be serialized or deserialized, or there is no memory for it; the reason in words.
    #[error("{item} could not be carried over: {reason}")]
    #[non_exhaustive]
    Carriage {
        /// Which item.
        item: Item,
        /// What it was, in serde's words or the kernel's.
        reason: String,
    },
    /// It was not run at all; the reason in words.
    #[error("{item} was refused: {reason}")]
    #[non_exhaustive]
    Refused {
        /// Which item.
        item: Item,
        /// Why.
        reason: String,
    },
    /// No worker of the pool can work.
    #[error("{item} cannot run: {fault}")]
    #[non_exhaustive]
    PoolFailed {
        /// Which item.
        item: Item,
        /// Why.
        fault: Arc<PoolFault>,
    },
}

struct Detail<'a>(Option<&'a str>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, ". {text}"))
    }
}

debug_in_words!(TaskError: Panicked, WorkerDied, TimedOut, MemoryLimitExceeded, Cancelled, Terminated, Carriage, Refused, PoolFailed);

impl TaskError {
    /// Which item it is about.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Pool::new()?.submit(|x: u32| 6 / x, 0).join().unwrap_err();
    /// assert_eq!(error.item().index(), None, "it was submitted alone");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn item(&self) -> Item {
        match self {
            Self::Panicked { item, .. }
            | Self::WorkerDied { item, .. }
            | Self::TimedOut { item, .. }
            | Self::MemoryLimitExceeded { item, .. }
            | Self::Cancelled { item }
            | Self::Terminated { item }
            | Self::Carriage { item, .. }
            | Self::Refused { item, .. }
            | Self::PoolFailed { item, .. } => *item,
        }
    }

    /// Whether the function panicked.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Pool::new()?.submit(|x: u32| 6 / x, 0).join().unwrap_err();
    /// assert!(error.is_panic());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked { .. })
    }

    /// Whether its worker died, and not because the pool ended it for a limit of time or memory.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let end = |(): ()| -> u8 { std::process::exit(3) };
    /// let error = manyhands::Pool::new()?.submit(end, ()).join().unwrap_err();
    /// assert!(error.is_worker_death());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_worker_death(&self) -> bool {
        matches!(self, Self::WorkerDied { .. })
    }

    /// Whether it ran longer than it may.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// use std::time::Duration;
    ///
    /// let pool = manyhands::Pool::builder().task_timeout(Duration::from_millis(50)).build()?;
    /// let stay = |x: u8| -> u8 { loop { std::hint::black_box(x); } };
    /// assert!(pool.submit(stay, 1).join().unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }

    /// Whether its worker had more memory than it may.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Pool::new()?.submit(|x: u32| 6 / x, 0).join().unwrap_err();
    /// assert!(!error.is_memory_limit());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_memory_limit(&self) -> bool {
        matches!(self, Self::MemoryLimitExceeded { .. })
    }

    /// Whether a value could not be carried over: serde refuses it, or there is no memory for it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// #[serde(untagged)]
    /// enum Either { Number(u8), Word(String) }
    ///
    /// let error = manyhands::Pool::new()?.submit(|_: Either| 1, Either::Number(1)).join().unwrap_err();
    /// assert!(error.is_carriage());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_carriage(&self) -> bool {
        matches!(self, Self::Carriage { .. })
    }

    /// The panic, if the function panicked.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Pool::new()?.submit(|x: u8| assert!(x > 1, "too small"), 1).join().unwrap_err();
    /// assert_eq!(error.panic().map(|panic| panic.message()), Some("too small"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        match self {
            Self::Panicked { panic, .. } => Some(panic),
            _ => None,
        }
    }

    /// The signal that ended its worker, if one did.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let abort = |(): ()| -> u8 { std::process::abort() };
    /// let error = manyhands::Pool::new()?.submit(abort, ()).join().unwrap_err();
    /// assert_eq!(error.signal(), Some(6)); // SIGABRT
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::WorkerDied { signal, .. } => *signal,
            _ => None,
        }
    }

    /// Whether it was cancelled, or its pool was terminated.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::new()?;
    /// let stay = |(): ()| loop {
    ///     std::thread::park()
    /// };
    /// let handle = pool.submit::<_, (), ()>(stay, ());
    /// drop(pool);
    /// assert!(handle.join().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. } | Self::Terminated { .. })
    }

    /// Whether no item of the pool can run any more.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::builder().initializer(|| -> u8 { panic!("no model") }).build()?;
    /// let error = pool.submit(|x: u8| x, 1).join().unwrap_err();
    /// assert!(error.is_pool_failure());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_pool_failure(&self) -> bool {
        matches!(self, Self::PoolFailed { .. })
    }

    pub(crate) fn raised(item: Item, raised: Raised) -> Self {
        match raised {
            Raised::Panicked(panic) => Self::Panicked { item, panic },
            Raised::Unreadable(reason) => {
                Self::Carriage { item, reason: format!("its argument cannot be read: {reason}") }
            }
            Raised::Unwritable(reason) => {
                Self::Carriage { item, reason: format!("its result cannot be sent: {reason}") }
            }
            Raised::Refused(reason) => Self::Refused { item, reason },
        }
    }
}

/// Why no worker of a pool can work.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # manyhands::init();
/// use manyhands::{Pool, PoolFault, TaskError};
///
/// let pool = Pool::builder().initializer(|| -> u8 { panic!("no model") }).build()?;
/// if let Err(TaskError::PoolFailed { fault, .. }) = pool.submit(|x: u8| x, 1).join() {
///     assert!(matches!(&*fault, PoolFault::InitializerPanicked(panic) if panic.message() == "no model"));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum PoolFault {
    /// The initializer panicked.
    #[error("the pool's initializer {0}")]
    InitializerPanicked(Panic),
    /// The initializer took its worker with it.
    #[error("the pool's initializer took its worker with it, which {}", Ending { signal: *signal, code: *code })]
    InitializerDied {
        /// The signal that ended it.
        signal: Option<i32>,
        /// The code with which it exited.
        code: Option<i32>,
    },
    /// A worker took longer than [`PoolBuilder::initializer_timeout`](crate::PoolBuilder::initializer_timeout) until
    /// its initializer had returned.
    #[error("the pool's initializer had not returned {limit:?} after its worker was started")]
    InitializerTimedOut {
        /// How long it might take.
        limit: Duration,
    },
    /// Workers cannot be started; the reason in words.
    #[error("no worker can be started: {0}")]
    Start(String),
}
