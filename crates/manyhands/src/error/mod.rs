//! What can go wrong, one small enum for each operation.
//!
//! Errors of starts and of tasks are debugged in words too: a `main` that returns a `Result` prints nothing else.

/// Debugs an error as its variant's name and its words.
macro_rules! debug_in_words {
    ($error:ident: $($variant:ident),+) => {
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = match self {
                    $(Self::$variant { .. } => stringify!($variant),)+
                };
                write!(f, "{name}({self})")
            }
        }
    };
}

mod task;

use std::fmt;
use std::io;

use manyhands_os::process::signal_name;
use thiserror::Error;

pub use task::{PoolFault, TaskError};

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
#[derive(Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// `main` did not call [`init`](crate::init()).
    #[error("{INIT}")]
    NotInitialized,
    /// The function is in another shared object than this crate.
    #[error("{FOREIGN}")]
    Foreign,
    /// A setting makes no sense; what it is and what would.
    #[error("{0}")]
    Setting(String),
    /// The argument could not be serialized; serde's words.
    #[error("the argument cannot be sent to another process: {0}")]
    Unwritable(String),
    /// What the kernel says.
    #[error("a process could not be started: {0}")]
    Os(#[from] io::Error),
}

impl SpawnError {
    /// Whether `main` did not call [`init`](crate::init()).
    ///
    /// ```standalone_crate
    /// // Nothing has called `manyhands::init()` here.
    /// assert!(manyhands::Process::<()>::spawn(|_: u8| (), 1).unwrap_err().is_not_initialized());
    /// ```
    #[must_use]
    pub fn is_not_initialized(&self) -> bool {
        matches!(self, Self::NotInitialized)
    }
}

debug_in_words!(SpawnError: NotInitialized, Foreign, Setting, Unwritable, Os);

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
#[derive(Clone, Error)]
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

debug_in_words!(ProcessError: Panicked, Died, Unreadable, Unwritable);

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

    /// The panic, if the function panicked.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|x: u32| assert!(x > 7, "too small"), 1)?.join().unwrap_err();
    /// assert_eq!(error.panic().map(|panic| panic.message()), Some("too small"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn panic(&self) -> Option<&Panic> {
        match self {
            Self::Panicked(panic) => Some(panic),
            _ => None,
        }
    }

    /// The signal that ended the process, if one did.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let error = manyhands::Process::spawn(|(): ()| -> u8 { std::process::abort() }, ())?.join().unwrap_err();
    /// assert_eq!(error.signal(), Some(6)); // SIGABRT
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Died { signal, .. } => *signal,
            _ => None,
        }
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
#[derive(Error)]
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

impl BuildError {
    /// Whether `main` did not call [`init`](crate::init()).
    ///
    /// ```standalone_crate
    /// // Nothing has called `manyhands::init()` here.
    /// assert!(manyhands::Pool::new().unwrap_err().is_not_initialized());
    /// ```
    #[must_use]
    pub fn is_not_initialized(&self) -> bool {
        matches!(self, Self::NotInitialized)
    }
}

debug_in_words!(BuildError: NotInitialized, Foreign, Setting, Unwritable, Os);

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
