//! The pool: worker processes that run functions over items.
//!
//! | file | what it is |
//! | --- | --- |
//! | `mod.rs` | `Pool`: what users call |
//! | `builder.rs` | how a pool is to be |
//! | `with.rs` | calls of functions that get a value besides their items |
//! | `calls.rs` | what a pool does with a function: to the end at once, or one item |
//! | `imap.rs`, `handle.rs` | results one by one; the result of one task |
//! | `flow.rs`, `pull.rs`, `chunk.rs`, `pace.rs` | a call over many items: batches out, chunks back, how large |
//! | `shared.rs` | what all of these share: the engine, in this crate's words |
//! | `launcher.rs`, `slates.rs` | the thread that starts workers; what dead ones have left of their batches |
//!
//! Scheduling, deaths and replacement are the engine's (`manyhands_pool`).

mod builder;
mod calls;
mod chunk;
mod flow;
mod handle;
mod imap;
mod launcher;
mod pace;
mod pull;
mod request;
mod shared;
mod slates;
mod with;

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_pool::{Need, Waited};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use builder::PoolBuilder;
pub use handle::{Handle, JoinTimeoutError};
pub use imap::Imap;
pub use with::With;

use crate::error::TaskError;
use crate::function as make;
use shared::{Function, Shared};

/// Workers of a pool, at most.
const MOST_WORKERS: usize = manyhands_shm::hub::SEATS - 1;

/// Worker processes that run functions.
///
/// A function is a `fn` item or a closure that captures nothing; what it works on is its argument, what it needs
/// besides is given by [`Pool::with`] or made by the initializer. Items and results travel through serde.
///
/// A panic is the error of one item. So is the death of a worker, by whatever means: another one takes its seat, and
/// every item ends in exactly one result or error. Nothing runs twice.
///
/// Dropping the pool kills its workers; [`Pool::join`] lets them finish. They end with this process, however that ends.
///
/// ```
/// use manyhands::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::new()?;
///     let squares = pool.map(|x: u64| x * x, 0..1000)?;
///     assert_eq!(squares[999], 998_001);
///     Ok(())
/// }
/// ```
pub struct Pool {
    shared: Arc<Shared>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("workers", &self.shared.workers).finish_non_exhaustive()
    }
}

impl Pool {
    fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// How many workers it has.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// assert_eq!(manyhands::Pool::builder().workers(2).build()?.workers(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.workers
    }

    /// The process ids of the workers that run now, by seat; `None` for one that is being started.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::builder().workers(2).build()?;
    /// assert_eq!(pool.pids().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pids(&self) -> Vec<Option<i32>> {
        self.shared.engine.pids().into_iter().map(|(_, pid)| pid).collect()
    }

    /// Gives functions a value besides their items: it is serialized once, and sent to each worker once.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let factor = 10;
    /// assert_eq!(pool.with(&factor).map(|factor: &u32, x: u32| factor * x, 0..3)?, [0, 10, 20]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with<V: Serialize + DeserializeOwned + 'static>(&self, value: &V) -> With<'_, V> {
        With::new(&self.shared, value)
    }

    fn function<F, T, R>(function: F) -> Function
    where
        F: Fn(T) -> R + Copy + 'static,
        T: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        Function::new(make::plain(function), type_name::<F>())
    }

    /// Runs the function over all items; their results in the order of the items.
    ///
    /// Items are pulled in this thread, no further ahead than keeps the workers busy. Cheap items go out in batches; an
    /// iterator that knows its length is taken to have its items at hand, so several may be pulled before the first of
    /// them is sent.
    ///
    /// # Errors
    /// The first failure in the order of items; what has not begun is cancelled then. [`Pool::map_each`] gives the
    /// result of every item.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let lengths = pool.map(|word: String| word.len(), ["ab".to_owned(), "cde".to_owned()])?;
    /// assert_eq!(lengths, [2, 3]);
    /// let error = pool.map(|x: i32| 12 / x, [1, 0, 2]).unwrap_err();
    /// assert_eq!(error.item().index(), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<F, T, R, I>(&self, function: F, items: I) -> Result<Vec<R>, TaskError>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        calls::map(&self.shared, &Self::function(function), items.into_iter())
    }

    /// Runs the function over all items, whatever becomes of them: the result or the error of each, in their order.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let results = pool.map_each(|x: u32| if x == 2 { std::process::abort() } else { x }, 0..4);
    /// let lost: Vec<_> = results.iter().filter(|result| result.is_err()).collect();
    /// assert_eq!(lost.len(), 1);
    /// assert!(results[2].as_ref().is_err_and(manyhands::TaskError::is_worker_death));
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_each<F, T, R, I>(&self, function: F, items: I) -> Vec<Result<R, TaskError>>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        calls::map_each(&self.shared, &Self::function(function), items.into_iter())
    }

    /// Runs the function over items as their results are taken, in the order of the items. The source may be endless.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// for (x, square) in pool.imap(|x: u64| x * x, 0..10).enumerate() {
    ///     assert_eq!(square?, (x * x) as u64);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap<F, T, R, I>(&self, function: F, items: I) -> Imap<'_, I::IntoIter, R>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        Imap::start(&self.shared, &Self::function(function), items.into_iter(), true)
    }

    /// As [`Pool::imap`], with results as they come.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let sum: Result<u64, _> = pool.imap_unordered(|x: u64| x * x, 0..10).sum();
    /// assert_eq!(sum?, 285);
    /// # Ok(())
    /// # }
    /// ```
    pub fn imap_unordered<F, T, R, I>(&self, function: F, items: I) -> Imap<'_, I::IntoIter, R>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        I: IntoIterator<Item = T>,
    {
        Imap::start(&self.shared, &Self::function(function), items.into_iter(), false)
    }

    /// Hands one item to the pool and returns at once.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let (one, two) = (pool.submit(|x: u64| x + 1, 1), pool.submit(|x: u64| x * 2, 4));
    /// assert_eq!((one.join()?, two.join()?), (2, 8));
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "it is gone from here once it was sent")]
    pub fn submit<F, T, R>(&self, function: F, item: T) -> Handle<R>
    where
        F: Fn(T) -> R + Copy + 'static,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        calls::submit(&self.shared, &Self::function(function), &item)
    }

    /// Runs the function once on each worker, after what that has been given; the results in the order of their seats.
    ///
    /// It waits for all of them; a worker that dies in it costs its own result alone. What the function needs is given by
    /// [`With::broadcast`].
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(3).build()?;
    /// let mut pids: Vec<u32> = pool.broadcast(std::process::id).into_iter().collect::<Result<_, _>>()?;
    /// pids.sort_unstable();
    /// pids.dedup();
    /// assert_eq!(pids.len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn broadcast<F, R>(&self, function: F) -> Vec<Result<R, TaskError>>
    where
        F: Fn() -> R + Copy + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        calls::broadcast(&self.shared, &Function::new(make::bare(function), type_name::<F>()))
    }

    /// Waits until every task has ended, then for the end of the workers.
    ///
    /// An iterator of this pool must be dropped before: it borrows the pool. One that was leaked is waited for as well.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let handle = pool.submit(|x: u64| x + 1, 1);
    /// pool.join();
    /// assert_eq!(handle.join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(self) {
        let engine = &self.shared.engine;
        if engine.is_foreign() {
            return;
        }
        engine.close();
        while engine.wait_pool(Need::Gone, None) != Waited::Ready {}
    }

    /// As [`Pool::join`], at most so long; whether it came to that. If not, the workers are killed.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// assert!(pool.join_timeout(std::time::Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the workers may have been killed"]
    pub fn join_timeout(self, timeout: Duration) -> bool {
        let engine = &self.shared.engine;
        if engine.is_foreign() {
            return true;
        }
        engine.close();
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match engine.wait_pool(Need::Gone, left) {
                Waited::Ready => return true,
                Waited::TimedOut => return false,
                Waited::Interrupted => {}
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.shared.engine.is_foreign() {
            self.shared.engine.terminate();
        }
    }
}
