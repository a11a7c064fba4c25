//! A process pool that feels like rayon and survives a segfault.
//!
//! ```
//! use manyhands::Pool;
//!
//! fn collatz(mut n: u64) -> u32 {
//!     let mut steps = 0;
//!     while n != 1 {
//!         n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
//!         steps += 1;
//!     }
//!     steps
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     manyhands::init(); // first of all: the workers begin here
//!     let pool = Pool::new()?; // one worker process for each core
//!     let steps = pool.map(collatz, 1..10_000)?;
//!     println!("at most {} steps", steps.iter().max().unwrap());
//!     Ok(())
//! }
//! ```
//!
//! A worker is a process: a native library that crashes, leaks or is not thread-safe, a context of a GPU, an input that
//! nobody trusts cost one item and not the program. A panic, an abort, a segmentation fault, an overflow of the stack
//! or a kill is the [`TaskError`] of the item that ran; every item ends in exactly one result or error, nothing runs
//! twice, and the pool goes on.
//!
//! | to | use |
//! | --- | --- |
//! | run a function over many items | [`Pool::map`], [`Pool::map_each`] with the error of each |
//! | take results while others are on their way | [`Pool::imap`], [`Pool::imap_unordered`] |
//! | run one task | [`Pool::submit`], which gives a [`Handle`] |
//! | give tasks what they need besides their items | [`Pool::with`] |
//! | have something made once in each worker | [`PoolBuilder::initializer`], [`worker_state`] |
//! | run once on each worker | [`Pool::broadcast`] |
//! | end tasks that take too long, or too much memory | [`PoolBuilder::task_timeout`], [`PoolBuilder::initializer_timeout`], [`PoolBuilder::memory_limit`], [`Handle::abort`], [`Imap::abort`] |
//! | have workers replaced: against leaks | [`PoolBuilder::max_tasks_per_child`], [`PoolBuilder::max_memory_per_child`] |
//! | send megabytes without copies | [`Buffer`] |
//! | run one function in a process of its own | [`Process::spawn`], [`Process::builder`] |
//! | let processes talk | [`channel`], [`pipe`], [`sync`] |
//! | test code that uses processes | [`test_support!`] |
//! | show progress | [`Imap::bar`](Imap#method.bar), with the feature `indicatif` |
//!
//! # Functions
//!
//! Workers are made by executing this program again, so its functions are there, and its values are not. A function is
//! a `fn` item or a closure that captures nothing; a closure that captures fails the build (where the compiler advises
//! `move`, or asks for `Copy`, the answer is [`Pool::with`] all the same). Items, results and given values travel
//! through serde, and own what they hold: `String` and not `&str`, `u64` and not `&u64` (`items.iter().copied()`). The
//! format is compact and does not describe itself: types that ask for that (`serde_json::Value`, `#[serde(untagged)]`,
//! `tag`, `flatten`), or that leave out what their reader needs (`skip_serializing_if`), are refused with an error that
//! says so. The function must not need a value that proves something about this process, even one without size.
//!
//! A function may return a `Result` of its own, if its error is serializable: `map` then gives the results in order, and
//! `.into_iter().collect::<Result<Vec<_>, _>>()` the first error. `std::io::Error` and `Box<dyn Error>` are not; their
//! text is (`.map_err(|error| error.to_string())`).
//!
//! # What `init` does
//!
//! In the program itself, nothing. In a child it becomes the worker, and never returns. What stands before it in `main`
//! runs in every child; without it a pool is refused with an error that says so. A program that is built with `panic =
//! "abort"` works: there a panic is the death of its worker, which prints the message on standard error.
//!
//! # Examples
//!
//! Beside the one on each item of these pages, programs in the folder `examples`: `squares`, `initializer` (a context in
//! each worker), `limits` (inputs that hang, eat memory or crash), `process`, `producer_consumer`, `shared_counter`, `pipe`,
//! `barrier`, `progress` and `tokio`.
//!
//! # Async
//!
//! No runtime is needed. Within one, waiting belongs to a thread that may block, as with `tokio::task::spawn_blocking`:
//! the example `tokio.rs` shows it.
//!
//! Linux 5.10 or later, x86-64 and aarch64.

pub mod channel;
pub mod pipe;
pub mod sync;

mod batch;
mod buffer;
mod code;
mod codec;
mod error;
mod function;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handover;
mod init;
mod memory;
mod panics;
mod plain;
mod pool;
mod process;
mod raised;
mod start;
mod state;
mod task;
mod travel;
mod trouble;
mod worker;
mod world;

pub use buffer::Buffer;
pub use error::{BuildError, Item, PoolFault, ProcessError, SpawnError, TaskError};
pub use init::init;
pub use memory::NoMemory;
pub use panics::Panic;
pub use pool::{Handle, Imap, JoinTimeoutError, Pool, PoolBuilder, With};
pub use process::{Process, ProcessBuilder};
pub use state::{WorkerState, worker_state};

#[cfg(test)]
test_support!();

/// The Rust programs of the project's page, which are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Those of the crate's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CratePage;

#[doc(hidden)]
pub use manyhands_os::before_main as __before_main;

/// Makes processes work where the harness owns `main`, in tests: to be written once, at the top of the file of an
/// integration test, or in `lib.rs` under `#[cfg(test)]`.
///
/// It has [`init`] called before the harness begins. The standard library is not fully set up then: a task that
/// overflows its stack in such a process dies by `SIGSEGV` rather than by `SIGABRT`.
///
/// ```
/// manyhands::test_support!();
///
/// # /*
/// #[test]
/// # */
/// fn squares() {
///     let pool = manyhands::Pool::new().unwrap();
///     assert_eq!(pool.map(|x: u64| x * x, 0..3).unwrap(), [0, 1, 4]);
/// }
/// # fn main() { squares() }
/// ```
#[macro_export]
macro_rules! test_support {
    () => {
        $crate::__before_main!($crate::init);
    };
}
