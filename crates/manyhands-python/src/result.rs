//! `AsyncResult`: the handle of `apply_async`, `map_async` and `starmap_async`.
//!
//! It carries the method names of `multiprocessing` and of `concurrent.futures`, and can be awaited. Its value is
//! decoded by whoever asks first, in that thread, and kept. That may run the user's code, or a handler of signals,
//! which ask the same result: it has not arrived yet for them, and to wait for it is an error.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, PoisonError};
use std::time::Duration;

use manyhands_pool::{CallId, Need, Pool, Waited};
use manyhands_shm::sync::SLICE;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};

use crate::feed::Feed;
use crate::held::{Guarded, Held};
use crate::map::raise_fault;
use crate::outcome::{Cursor, Described, cancelled, is_cancellation};
use crate::progress::{Printed, printed};
use crate::task::Task;
use crate::typing::of_types;
use crate::waiting::{after, left_until, seconds, wait};

/// What has been learned of the call so far.
#[derive(Debug)]
struct Progressing {
    /// The values of a list, as far as they are decoded.
    list: Option<Py<PyList>>,
    unsent: HashMap<u64, PyErr>,
    /// Where decoding goes on after an interrupt.
    cursor: Option<Cursor>,
    outcome: Option<Result<Py<PyAny>, PyErr>>,
    callbacks: Vec<Py<PyAny>>,
    /// The thread that runs them will.
    watched: bool,
    /// The callbacks of `apply_async` and its relatives run before anybody learns of the result.
    held: bool,
    /// What `concurrent.futures.wait` looks at, once it has.
    waitable: Option<Py<PyAny>>,
}

impl Progressing {
    fn new(list: Option<Py<PyList>>, unsent: HashMap<u64, PyErr>) -> Self {
        let callbacks = Vec::new();
        Self {
            list,
            unsent,
            cursor: None,
            outcome: None,
            callbacks,
            watched: false,
            held: false,
            waitable: None,
        }
    }
}

/// The result of a call that runs on its own: of `apply_async`, `map_async` and `starmap_async`.
///
/// It has the method names of `multiprocessing` and those of `concurrent.futures`, and can be awaited. Its value is
/// decoded by whoever asks for it first, and kept; a failure is raised each time.
///
/// >>> with Pool(1) as pool:
/// ...     pool.apply_async(divmod, (7, 2)).get(timeout=60)
/// (3, 1)
#[pyclass(frozen, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct AsyncResult {
    engine: Py<PyAny>,
    pool: Arc<Pool>,
    call: CallId,
    described: Described,
    /// The first failure is the outcome; otherwise exceptions stand in the list.
    stop: bool,
    state: Guarded<Progressing>,
    released: Condvar,
}

impl AsyncResult {
    pub(crate) fn of_one(
        engine: &Bound<'_, PyAny>,
        (pool, call): (Arc<Pool>, CallId),
        task: &Task,
    ) -> Self {
        let state = Progressing::new(None, HashMap::new());
        let engine = engine.clone().unbind();
        Self {
            engine,
            pool,
            call,
            described: task.describe(true),
            stop: true,
            state: Guarded::new(state),
            released: Condvar::new(),
        }
    }

    pub(crate) fn of_many(engine: &Bound<'_, PyAny>, feed: Feed, task: &Task) -> Self {
        let list = PyList::empty(engine.py()).unbind();
        let state = Progressing::new(Some(list), feed.unsent);
        let engine = engine.clone().unbind();
        let (pool, call, described) = (feed.pool, feed.call, task.describe(false));
        Self {
            engine,
            pool,
            call,
            described,
            stop: task.stop,
            state: Guarded::new(state),
            released: Condvar::new(),
        }
    }

    fn lock(&self, py: Python<'_>) -> PyResult<Held<'_, Progressing>> {
        self.state.lock(py, || self.pool.is_foreign())
    }

    /// Takes what has come; the outcome, if it is there now. An error is an interrupt: ask again.
    fn settle<'a>(&'a self, py: Python<'_>) -> PyResult<(Held<'a, Progressing>, bool)> {
        let mut state = self.lock(py)?;
        if state.outcome.is_none() && !self.pool.is_foreign() {
            self.collect(py, &mut state)?;
        }
        let settled = state.outcome.is_some() && !state.held;
        Ok((state, settled))
    }

    fn collect(&self, py: Python<'_>, state: &mut Progressing) -> PyResult<()> {
        if state.list.is_none() {
            return self.collect_one(py, state);
        }
        let more = || self.pool.take(self.call).map(Cursor::new);
        while let Some(mut cursor) = state.cursor.take().or_else(more) {
            while let Some(outcome) = cursor.next(py, &self.described, &state.unsent) {
                match outcome {
                    Err(error) if cursor.interrupted => {
                        state.cursor = Some(cursor);
                        return Err(error);
                    }
                    outcome => self.note(py, state, outcome),
                }
            }
        }
        if state.outcome.is_some() {
            self.pool.abandon(self.call);
            return Ok(());
        }
        let Some(status) = self.pool.status(self.call) else { return Ok(()) };
        if let Some(run) = status.failed.then(|| self.pool.take_failure(self.call)).flatten() {
            if let Some(outcome) = Cursor::new(run).next(py, &self.described, &state.unsent) {
                self.note(py, state, outcome);
            }
        } else if status.complete() && status.taken == status.fed {
            let list = state.list.take().map_or_else(|| py.None(), Py::into_any);
            state.outcome = Some(Ok(list));
        }
        if state.outcome.is_some() {
            self.pool.abandon(self.call);
        }
        Ok(())
    }

    /// The same for a call of one item: its one run is all that there will be.
    fn collect_one(&self, py: Python<'_>, state: &mut Progressing) -> PyResult<()> {
        let only = || self.pool.take_only(self.call).map(Cursor::new);
        let Some(mut cursor) = state.cursor.take().or_else(only) else { return Ok(()) };
        match cursor.next(py, &self.described, &state.unsent) {
            Some(Err(error)) if cursor.interrupted => {
                state.cursor = Some(cursor);
                return Err(error);
            }
            outcome => state.outcome = outcome.map(|outcome| outcome.map(Bound::unbind)),
        }
        Ok(())
    }

    fn note(&self, py: Python<'_>, state: &mut Progressing, outcome: PyResult<Bound<'_, PyAny>>) {
        if state.outcome.is_some() {
            return;
        }
        let Some(list) = state.list.as_ref().map(|list| list.bind(py).clone()) else { return };
        let appended = match outcome {
            Ok(value) => list.append(value),
            Err(error) if self.stop => {
                let first = self.pool.take_failure(self.call).map(Cursor::new);
                let first = first.and_then(|mut run| run.next(py, &self.described, &state.unsent));
                Err(first.and_then(Result::err).unwrap_or(error))
            }
            Err(error) => {
                raise_fault(py, &self.pool).and_then(|()| list.append(error.into_value(py)))
            }
        };
        if let Err(error) = appended {
            state.outcome = Some(Err(error));
        }
    }

    fn wait_settled(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.settle(py)?.1 {
            return Ok(true);
        }
        if self.pool.is_foreign() {
            return Err(pyo3::exceptions::PyRuntimeError::new_err(
                "this result belongs to the parent process: it cannot arrive in a forked child",
            ));
        }
        let limit = seconds(timeout);
        let deadline = after(limit);
        let arrived = wait(py, |slice| self.pool.wait(self.call, Need::Complete, slice), limit)?;
        if !arrived || self.settle(py)?.1 || is_telling(py)? {
            return Ok(arrived);
        }
        let left = deadline.map(left_until);
        wait(py, |slice| self.wait_released(slice), left)
    }

    /// Waits until the callbacks have run.
    fn wait_released(&self, limit: Option<Duration>) -> Waited {
        let state = self.state.plain();
        let limit = limit.unwrap_or(SLICE);
        let held = |state: &mut Progressing| state.held;
        let (state, _) = self
            .released
            .wait_timeout_while(state, limit, held)
            .unwrap_or_else(PoisonError::into_inner);
        if state.held { Waited::TimedOut } else { Waited::Ready }
    }

    fn outcome(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Result<Py<PyAny>, PyErr>> {
        if !self.wait_settled(py, timeout)? {
            let made = py.import("manyhands._failures")?.getattr("timed_out")?.call0()?;
            return Err(PyErr::from_value(made));
        }
        let state = self.lock(py)?;
        match &state.outcome {
            Some(Ok(value)) => Ok(Ok(value.clone_ref(py))),
            Some(Err(error)) => Ok(Err(error.clone_ref(py))),
            None => Err(PyValueError::new_err("this result has not arrived")),
        }
    }
}

#[pymethods]
impl AsyncResult {
    /// `AsyncResult[int]`, for type checkers.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        of_types(cls, item)
    }

    /// The value, or raises what the task raised. `TimeoutError` if it takes more than `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn get(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.outcome(py, timeout)?
    }

    /// The same as `get`, under the name of `concurrent.futures`.
    #[pyo3(signature = (timeout=None))]
    fn result(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.outcome(py, timeout)?
    }

    /// What the task raised, or None.
    #[pyo3(signature = (timeout=None))]
    fn exception(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Py<PyAny>>> {
        match self.outcome(py, timeout)? {
            Err(error) if is_cancellation(py, &error)? => Err(error),
            outcome => Ok(outcome.err().map(|error| error.into_value(py).into_any())),
        }
    }

    /// Waits until the result has arrived, at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        self.wait_settled(py, timeout).map(drop)
    }

    /// Whether the result has arrived.
    fn ready(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(!self.state.is_mine() && self.settle(py)?.1)
    }

    /// The same as `ready`, under the name of `concurrent.futures`.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(!self.state.is_mine() && self.settle(py)?.1)
    }

    /// Whether the task returned. `ValueError` before the result has arrived.
    fn successful(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.settle(py)?.0.outcome {
            Some(outcome) => Ok(outcome.is_ok()),
            None => {
                Err(PyValueError::new_err("the result has not arrived: call wait() or get() first"))
            }
        }
    }

    /// Whether a worker runs an item of it now.
    fn running(&self, py: Python<'_>) -> PyResult<bool> {
        let settled = self.state.is_mine() || self.settle(py)?.1;
        Ok(!settled && !self.pool.is_foreign() && self.pool.is_running(self.call))
    }

    /// Whether `cancel` succeeded.
    fn cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        if self.state.is_mine() {
            return Ok(false);
        }
        match &self.settle(py)?.0.outcome {
            Some(Err(error)) => is_cancellation(py, error),
            _ => Ok(false),
        }
    }

    /// Ends what has not started, and what runs: by an interrupt, and after a grace by the end of its worker.
    /// False if the result was there. With `running=False` nothing is done once something has started.
    #[pyo3(signature = (*, running=true))]
    fn cancel(&self, py: Python<'_>, running: bool) -> PyResult<bool> {
        if self.state.is_mine() {
            return Ok(false);
        }
        let (mut state, _) = self.settle(py)?;
        if let Some(outcome) = &state.outcome {
            return outcome.as_ref().map_or_else(|error| is_cancellation(py, error), |_| Ok(false));
        }
        if self.pool.is_foreign() {
            return Ok(false);
        }
        if !self.pool.cancel_unstarted(self.call) {
            if !running {
                return Ok(false);
            }
            self.pool.interrupt(self.call);
        }
        state.outcome = Some(Err(cancelled(py)));
        drop(state);
        self.pool.abandon_completed(self.call);
        Ok(true)
    }

    /// Calls `callback(self)` once the result has arrived: in a thread of the pool, or now if it has.
    fn add_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let (state, _) = slf.get().settle(slf.py())?;
        if state.outcome.is_none() {
            return enlist(slf, state, callback);
        }
        drop(state);
        callback.call1((slf,)).map(drop)
    }

    /// Calls `callback(self)` in the thread of callbacks, also if the result is there: that thread may wait for what
    /// this one holds. Until `release`, the result is kept from everybody else.
    #[pyo3(name = "_hold")]
    fn hold(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut state = slf.get().lock(slf.py())?;
        state.held = true;
        enlist(slf, state, callback)
    }

    /// Lets everybody have the result.
    #[pyo3(name = "_release")]
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.lock(py)?.held = false;
        self.released.notify_all();
        Ok(())
    }

    /// Whether the task returned, and what it returned or raised: for the callbacks that come first.
    #[pyo3(name = "_peek")]
    fn peek(&self, py: Python<'_>) -> PyResult<(bool, Py<PyAny>)> {
        match &self.settle(py)?.0.outcome {
            Some(Ok(value)) => Ok((true, value.clone_ref(py))),
            Some(Err(error)) => Ok((false, error.clone_ref(py).into_value(py).into_any())),
            None => Err(PyValueError::new_err("the result has not arrived")),
        }
    }

    /// The callbacks that wait, for the thread that runs them; they are handed out once.
    #[pyo3(name = "_take_callbacks")]
    fn take_callbacks(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        Ok(std::mem::take(&mut self.lock(py)?.callbacks))
    }

    /// Asks the engine to announce the completion among `Engine.completions`.
    #[pyo3(name = "_announce")]
    fn announce(&self) {
        self.pool.announce_completion(self.call);
    }

    /// How many items have ended so far; none once all have, and the outcome is there.
    #[pyo3(name = "_progress")]
    fn progress(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(match self.settle(py)?.0.outcome {
            Some(_) => None,
            None => self.pool.status(self.call).map(|status| status.settled),
        })
    }

    /// Waits until something new may be shown, at most `timeout` seconds.
    #[pyo3(name = "_wait_progress")]
    fn wait_progress(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        wait(py, |slice| self.pool.wait(self.call, Need::Complete, slice), seconds(Some(timeout)))
            .map(drop)
    }

    /// What workers printed for this pool's displays since the last time.
    #[pyo3(name = "_printed")]
    fn printed<'py>(&self, py: Python<'py>) -> Vec<Printed<'py>> {
        printed(py, &self.pool)
    }

    /// The pool that runs it.
    #[getter(_engine)]
    fn engine(&self, py: Python<'_>) -> Py<PyAny> {
        self.engine.clone_ref(py)
    }

    /// The call's number among `Engine.completions`.
    #[getter(_number)]
    fn number(&self) -> u64 {
        self.call.number()
    }

    /// A lock that `concurrent.futures.wait` and `as_completed` take, the word that they read, and whom they leave
    /// to be told.
    #[getter]
    fn _condition<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        waitable(slf)?.getattr("condition")
    }

    #[getter]
    fn _state<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        waitable(slf)?.getattr("state")
    }

    #[getter]
    fn _waiters<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        waitable(slf)?.getattr("waiters")
    }

    /// Awaits the result in an asyncio program.
    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("manyhands._callbacks")?.getattr("awaited")?.call1((slf,))
    }
}

/// Leaves a callback to the thread that runs them.
fn enlist(
    result: &Bound<'_, AsyncResult>,
    mut state: Held<'_, Progressing>,
    callback: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (py, this) = (result.py(), result.get());
    state.callbacks.push(callback.clone().unbind());
    let watched = std::mem::replace(&mut state.watched, true);
    drop(state);
    if watched {
        return Ok(());
    }
    let watch = || py.import("manyhands._callbacks")?.getattr("watch")?.call1((result,));
    watch().map(drop).inspect_err(|_| {
        // There is no thread: the next callback asks for it again.
        if let Ok(mut state) = this.lock(py) {
            state.watched = false;
            state.callbacks.retain(|waiting| !waiting.is(callback));
        }
    })
}

/// Made without the lock: a result that is there calls back at once.
fn waitable<'py>(result: &Bound<'py, AsyncResult>) -> PyResult<Bound<'py, PyAny>> {
    let (py, this) = (result.py(), result.get());
    if let Some(made) = &this.lock(py)?.waitable {
        return Ok(made.bind(py).clone());
    }
    let made = py.import("manyhands._waitable")?.getattr("waitable")?.call1((result,))?;
    let mut state = this.lock(py)?;
    let first = state.waitable.get_or_insert_with(|| made.unbind());
    Ok(first.bind(py).clone())
}

/// Whether this thread runs callbacks, which would wait for itself to run those that come first.
fn is_telling(py: Python<'_>) -> PyResult<bool> {
    py.import("manyhands._callbacks")?.call_method0("is_telling")?.extract()
}

impl Drop for AsyncResult {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        // With an outcome, the call was let go of when that was taken.
        if state.outcome.is_none() && !self.pool.is_foreign() {
            self.pool.abandon(self.call);
        }
    }
}
