//! `Handle`: the result of one task.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_pool::luggage::reply_of;
use manyhands_pool::{Body, CallId, Need, Run};
use manyhands_shm::record::{self, Next};
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::shared::{FOREIGN, Shared};
use crate::batch::Reply;
use crate::codec;
use crate::error::{Item, TaskError};

/// One task, made by [`Pool::submit`](crate::Pool::submit).
///
/// Dropping it lets the task run; its result is dropped.
///
/// ```
/// use manyhands::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     manyhands::init();
///     let pool = Pool::new()?;
///     let handle = pool.submit(|name: String| format!("hello {name}"), "there".to_owned());
///     assert_eq!(handle.join()?, "hello there");
///     Ok(())
/// }
/// ```
pub struct Handle<R> {
    task: Result<Running, TaskError>,
    function: &'static str,
    result: PhantomData<fn() -> R>,
}

struct Running {
    shared: Arc<Shared>,
    call: CallId,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.engine.forget_results(self.call);
    }
}

impl<R> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("function", &self.function).finish_non_exhaustive()
    }
}

/// Why [`Handle::join_timeout`] has no result.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # manyhands::init();
/// use std::time::Duration;
///
/// let handle = manyhands::Pool::new()?.submit(|x: u32| 6 / x, 0);
/// let error = handle.join_timeout(Duration::from_secs(60)).unwrap_err();
/// assert!(matches!(error, manyhands::JoinTimeoutError::Failed(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Error)]
#[non_exhaustive]
pub enum JoinTimeoutError<R> {
    /// The time is up: here is the handle again.
    #[error("the task has not ended in time")]
    TimedOut(Handle<R>),
    /// The task has failed.
    #[error(transparent)]
    Failed(TaskError),
}

impl<R> fmt::Debug for JoinTimeoutError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(_) => f.write_str("TimedOut(..)"),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<R> JoinTimeoutError<R> {
    /// Whether the time was up.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// use std::time::Duration;
    ///
    /// let pool = manyhands::Pool::new()?;
    /// let stay = |(): ()| loop {
    ///     std::thread::park()
    /// };
    /// let handle = pool.submit::<_, (), ()>(stay, ());
    /// assert!(handle.join_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

impl<R> Handle<R> {
    pub(super) fn of(
        shared: &Arc<Shared>,
        opened: Result<CallId, TaskError>,
        function: &'static str,
    ) -> Self {
        let task = opened.map(|call| Running { shared: Arc::clone(shared), call });
        Self { task, function, result: PhantomData }
    }

    /// Whether the result, or the failure, is there.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let handle = pool.submit(|x: u32| x + 1, 1);
    /// while !handle.is_ready() {
    ///     std::hint::spin_loop();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let Ok(Running { shared, call }) = &self.task else { return true };
        // In a forked child `join` has an answer at once.
        shared.engine.is_foreign()
            || shared.engine.status(*call).is_none_or(|status| status.complete())
    }

    /// Cancels the task if no worker has begun it; whether it did. Then [`Handle::join`] gives
    /// [`TaskError::Cancelled`].
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let handle = pool.submit(|x: u32| x + 1, 1);
    /// if handle.cancel() {
    ///     assert!(handle.join().unwrap_err().is_cancelled());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "it may have begun"]
    pub fn cancel(&self) -> bool {
        let Ok(Running { shared, call }) = &self.task else { return false };
        !shared.engine.is_foreign() && shared.engine.cancel_unstarted(*call)
    }
}

impl<R> Handle<R> {
    /// Cancels the task, and ends its worker if that runs it. Then [`Handle::join`] gives [`TaskError::Cancelled`],
    /// unless the task has ended before; another worker takes the seat.
    ///
    /// ```
    /// # use manyhands::Pool;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::builder().workers(1).build()?;
    /// let stay = |(): ()| loop {
    ///     std::thread::park()
    /// };
    /// let handle = pool.submit::<_, (), ()>(stay, ());
    /// handle.abort();
    /// assert!(handle.join().unwrap_err().is_cancelled());
    /// assert_eq!(pool.submit(|x: u32| x + 1, 1).join()?, 2); // the pool goes on
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort(&self) {
        if let Ok(Running { shared, call }) = &self.task
            && !shared.engine.is_foreign()
        {
            shared.engine.interrupt(*call);
        }
    }
}

impl<R: DeserializeOwned + 'static> Handle<R> {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`TaskError`], which says why there is none.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = manyhands::Pool::new()?;
    /// assert_eq!(pool.submit(|x: u32| x + 1, 1).join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(self) -> Result<R, TaskError> {
        match self.wait(None) {
            Ok(result) => result,
            // Without a limit it waits until the result is there.
            Err(handle) => handle.join(),
        }
    }

    /// Waits for the result, at most so long.
    ///
    /// # Errors
    /// [`JoinTimeoutError::TimedOut`] with this handle when the time is up; [`JoinTimeoutError::Failed`] when the
    /// task has failed.
    ///
    /// ```
    /// # use manyhands::{JoinTimeoutError, Pool};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # manyhands::init();
    /// let pool = Pool::new()?;
    /// let mut handle = pool.submit(|x: u32| x + 1, 1);
    /// let value = loop {
    ///     handle = match handle.join_timeout(Duration::from_millis(100)) {
    ///         Ok(value) => break value,
    ///         Err(JoinTimeoutError::TimedOut(handle)) => handle, // still at it
    ///         Err(error) => return Err(error.into()),
    ///     };
    /// };
    /// assert_eq!(value, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> Result<R, JoinTimeoutError<R>> {
        match self.wait(Some(timeout)) {
            Ok(result) => result.map_err(JoinTimeoutError::Failed),
            Err(handle) => Err(JoinTimeoutError::TimedOut(handle)),
        }
    }

    fn wait(self, timeout: Option<Duration>) -> Result<Result<R, TaskError>, Self> {
        let Running { shared, call } = match &self.task {
            Ok(running) => running,
            Err(error) => return Ok(Err(error.clone())),
        };
        let item = Item::new(self.function, None);
        if shared.engine.is_foreign() {
            return Ok(Err(TaskError::Refused { item, reason: FOREIGN.into() }));
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(run) = shared.engine.take_only(*call) {
                return Ok(result(shared, item, &run));
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(self);
            }
            let _why = shared.engine.wait(*call, Need::Complete, left);
        }
    }
}

/// The result of a run of one item.
fn result<R: DeserializeOwned + 'static>(
    shared: &Shared,
    item: Item,
    run: &Run,
) -> Result<R, TaskError> {
    match &run.body {
        Body::Replies(bytes) => value(item, bytes).0,
        Body::Failed(failure) => Err(shared.failed(item, failure)),
    }
}

/// The results of a run of requests of one item each.
pub(super) fn results_of<R: DeserializeOwned + 'static>(
    shared: &Shared,
    function: &'static str,
    run: &Run,
) -> Vec<Result<R, TaskError>> {
    let mut at = 0;
    let next = |index| {
        let item = Item::new(function, Some(index));
        match &run.body {
            Body::Failed(failure) => Err(shared.failed(item, failure)),
            Body::Replies(bytes) => {
                let (value, end) = value(item, bytes.get(at..).unwrap_or_default());
                at += end;
                value
            }
        }
    };
    (run.first..run.first + u64::from(run.count)).map(next).collect()
}

/// The value in the first of some records, and where that ends.
fn value<R: DeserializeOwned + 'static>(item: Item, bytes: &[u8]) -> (Result<R, TaskError>, usize) {
    let broken = || TaskError::Refused { item, reason: "its reply is broken".into() };
    let Next::Record { start, end } = record::next(bytes) else { return (Err(broken()), 0) };
    let read = || {
        let reply = Reply::of(reply_of(&bytes[start..end])).ok_or_else(broken)?;
        if let Some(raised) = reply.failure {
            return Err(TaskError::raised(item, raised));
        }
        let mut values = reply.values;
        codec::take_item(&mut values).map_err(|error| TaskError::Carriage {
            item,
            reason: format!("its result cannot be read: {error}"),
        })
    };
    (read(), end)
}
