//! What can go wrong, one small enum for each operation.

use std::fmt;
use std::io;
use std::sync::Arc;

use manyhands_os::process::signal_name;
use thiserror::Error;

use crate::panics::Panic;
use crate::raised::Raised;

const INIT: &str = "call `manyhands::init()` first of all in `main` (in tests: `manyhands::test_support!();` at the \
                    top of the file): processes are started by executing this program again, and they begin there";
const FOREIGN: &str = "this function is in another shared object than the crate `manyhands`: a process that executes \
                       the program again could not find it";

/// Why a process was not spawned.
///
/// ```standalone_crate
/// // Nothing has called `manyhands::init()` here.
/// let error = manyhands::Process::<()>::spawn(|_: u8| (), 1).unwrap_err();
/// assert!(matches!(error, manyhands::SpawnError::NotInitialized));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// `main` did not call [`init`](crate::init()).
    #[error("{INIT}")]
    NotInitialized,
    /// The function is in another shared object than this crate.
    #[error("{FOREIGN}")]
    Foreign,
    /// The argument could not be serialized; serde's words.
    #[error("the argument cannot be sent to another process: {0}")]
    Unwritable(String),
    /// What the kernel says.
    #[error("a process could not be started: {0}")]
    Os(#[from] io::Error),
}

/// Why a process has no result.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # manyhands::init();
/// let process = manyhands::Process::spawn(|code: i32| -> () { std::process::exit(code) }, 3)?;
/// let error = process.join().unwrap_err();
/// assert!(matches!(error, manyhands::ProcessError::Died { code: Some(3), .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The function panicked.
    #[error("the process {0}")]
    Panicked(Panic),
    /// The process ended before its function had returned.
    #[error("the process {}", Ending { signal: *signal, code: *code })]
    Died {
        /// The signal that ended it.
        signal: Option<i32>,
        /// The code with which it exited.
        code: Option<i32>,
    },
    /// The argument could not be read there, or the result here; serde's words.
    #[error("a value that was sent between processes cannot be read: {0}")]
    Unreadable(String),
    /// The result could not be serialized; serde's words.
    #[error("the result cannot be sent to another process: {0}")]
    Unwritable(String),
}

impl ProcessError {
    /// Whether the function panicked.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|x: u32| assert!(x > 7), 1)?.join().unwrap_err();
    /// assert!(error.is_panic());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// Whether the process died: by a signal, or by an exit of its own.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|(): ()| -> u8 { std::process::abort() }, ())?.join();
    /// assert!(error.is_err_and(|error| error.is_death()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_death(&self) -> bool {
        matches!(self, Self::Died { .. })
    }
}

impl From<Raised> for ProcessError {
    fn from(raised: Raised) -> Self {
        match raised {
            Raised::Panicked(panic) => Self::Panicked(panic),
            Raised::Unreadable(text) | Raised::Refused(text) => Self::Unreadable(text),
            Raised::Unwritable(text) => Self::Unwritable(text),
        }
    }
}

/// How a process ended, as people say it.
pub(crate) struct Ending {
    pub(crate) signal: Option<i32>,
    pub(crate) code: Option<i32>,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.code) {
            (Some(signal), _) => {
                write!(f, "was killed by {} (signal {signal})", signal_name(signal))
            }
            (None, Some(code)) => write!(f, "exited with code {code}"),
            (None, None) => f.write_str("ended in a way that nobody saw"),
        }
    }
}

/// Why a pool was not made.
///
/// ```standalone_crate
/// // Nothing has called `manyhands::init()` here.
/// let error = manyhands::Pool::new().unwrap_err();
/// assert!(error.to_string().contains("call `manyhands::init()`"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// `main` did not call [`init`](crate::init()).
    #[error("{INIT}")]
    NotInitialized,
    /// The initializer is in another shared object than this crate.
    #[error("{FOREIGN}")]
    Foreign,
    /// A setting makes no sense; what it is and what would.
    #[error("{0}")]
    Setting(String),
    /// The value given to the initializer could not be serialized; serde's words.
    #[error("the initializer's value cannot be sent to another process: {0}")]
    Unwritable(String),
    /// What the kernel says.
    #[error("the pool could not be made: {0}")]
    Os(#[from] io::Error),
}

/// Which item of which call an error is about.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # manyhands::init();
/// let pool = manyhands::Pool::new()?;
/// let error = pool.map(|x: u32| 6 / x, [3, 2, 0]).unwrap_err();
/// assert_eq!(error.item().index(), Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    function: &'static str,
    index: Option<u64>,
}

impl Item {
    pub(crate) const fn new(function: &'static str, index: Option<u64>) -> Self {
        Self { function, index }
    }

    /// The name of the function, as `std::any::type_name` gives it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// fn half(x: u32) -> u32 {
    ///     assert!(x % 2 == 0);
    ///     x / 2
    /// }
    ///
    /// let error = manyhands::Pool::new()?.submit(half, 3).join().unwrap_err();
    /// assert!(error.item().function().ends_with("half"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The position of the item among those of its call, from 0; `None` for a task that was submitted alone.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::new()?;
    /// let results = pool.map_each(|x: u32| 6 / x, [3, 0]);
    /// assert_eq!(results[1].as_ref().unwrap_err().item().index(), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        self.index
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "item {index} of {}", self.function),
            None => write!(f, "{}", self.function),
        }
    }
}

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
#[derive(Debug, Clone, Error)]
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
    /// It was cancelled before it began.
    #[error("{item} was cancelled before it began")]
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

    /// Whether its worker died.
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
    /// Workers cannot be started; the reason in words.
    #[error("no worker can be started: {0}")]
    Start(String),
}
