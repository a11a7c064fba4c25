//! `AsyncResult`: the handle of `apply_async`, `map_async` and `starmap_async`.
//!
//! It carries the method names of `multiprocessing` and of `concurrent.futures`, and can be awaited. Its value is
//! decoded by whoever asks first, in that thread, and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_pool::{CallId, Need, Pool};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyList;

use crate::engine::{Engine, seconds, wait};
use crate::feed::Feed;
use crate::outcome::{Cursor, Described};
use crate::progress::Progress;
use crate::task::Task;

/// What has been learned of the call so far.
#[derive(Debug)]
struct Progressing {
    /// The values of a list, as far as they are decoded.
    list: Option<Py<PyList>>,
    unsent: HashMap<u64, PyErr>,
    outcome: Option<Result<Py<PyAny>, PyErr>>,
    cancelled: bool,
    callbacks: Vec<Py<PyAny>>,
}

impl Progressing {
    fn new(list: Option<Py<PyList>>, unsent: HashMap<u64, PyErr>) -> Self {
        Self { list, unsent, outcome: None, cancelled: false, callbacks: Vec::new() }
    }
}

/// The result of a call that runs on its own.
#[pyclass(frozen, weakref, module = "manyhands._native")]
#[derive(Debug)]
pub(crate) struct AsyncResult {
    engine: Py<Engine>,
    pool: Arc<Pool>,
    call: CallId,
    described: Described,
    /// The first failure is the outcome; otherwise exceptions stand in the list.
    stop: bool,
    state: Mutex<Progressing>,
}

impl AsyncResult {
    pub(crate) fn of_one(engine: &Bound<'_, Engine>, (pool, call): (Arc<Pool>, CallId), task: &Task) -> Self {
        let state = Progressing::new(None, HashMap::new());
        let engine = engine.clone().unbind();
        Self { engine, pool, call, described: task.describe(true), stop: true, state: Mutex::new(state) }
    }

    pub(crate) fn of_many(engine: &Bound<'_, Engine>, feed: Feed, task: &Task) -> Self {
        let list = PyList::empty(engine.py()).unbind();
        let state = Progressing::new(Some(list), feed.unsent);
        let engine = engine.clone().unbind();
        let (pool, call, described) = (feed.pool, feed.call, task.describe(false));
        Self { engine, pool, call, described, stop: task.stop, state: Mutex::new(state) }
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Progressing> {
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come; the outcome, if it is there now.
    fn settle<'a>(&'a self, py: Python<'_>) -> (MutexGuard<'a, Progressing>, bool) {
        let mut state = self.lock(py);
        if state.outcome.is_none() && !self.pool.is_foreign() {
            self.collect(py, &mut state);
        }
        let settled = state.outcome.is_some();
        (state, settled)
    }

    fn collect(&self, py: Python<'_>, state: &mut Progressing) {
        while let Some(run) = self.pool.take(self.call) {
            let mut cursor = Cursor::new(run);
            while let Some(outcome) = cursor.next(py, &self.described, &mut state.unsent) {
                self.note(py, state, outcome);
            }
        }
        if state.outcome.is_some() {
            return self.pool.abandon(self.call);
        }
        let Some(status) = self.pool.status(self.call) else { return };
        if let Some(run) = status.failed.then(|| self.pool.take_failure(self.call)).flatten() {
            if let Some(outcome) = Cursor::new(run).next(py, &self.described, &mut state.unsent) {
                self.note(py, state, outcome);
            }
        } else if status.complete() && status.taken == status.fed {
            let list = state.list.take().map_or_else(|| py.None(), Py::into_any);
            state.outcome = Some(Ok(list));
        }
        if state.outcome.is_some() {
            self.pool.abandon(self.call);
        }
    }

    fn note(&self, py: Python<'_>, state: &mut Progressing, outcome: PyResult<Bound<'_, PyAny>>) {
        if state.outcome.is_some() {
            return;
        }
        let Some(list) = state.list.as_ref().map(|list| list.bind(py).clone()) else {
            state.outcome = Some(outcome.map(Bound::unbind));
            return;
        };
        let appended = match outcome {
            Ok(value) => list.append(value),
            Err(error) if self.stop => Err(error),
            Err(error) => list.append(error.into_value(py)),
        };
        if let Err(error) = appended {
            state.outcome = Some(Err(error));
        }
    }

    fn wait_settled(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        if self.settle(py).1 {
            return Ok(true);
        }
        if self.pool.is_foreign() {
            return Err(pyo3::exceptions::PyRuntimeError::new_err(
                "this result belongs to the parent process: it cannot arrive in a forked child",
            ));
        }
        let arrived = wait(py, |slice| self.pool.wait(self.call, Need::Complete, slice), seconds(timeout))?;
        Ok(arrived && self.settle(py).1)
    }

    fn outcome(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Result<Py<PyAny>, PyErr>> {
        if !self.wait_settled(py, timeout)? {
            let made = py.import("manyhands._failures")?.getattr("timed_out")?.call0()?;
            return Err(PyErr::from_value(made));
        }
        let state = self.lock(py);
        match &state.outcome {
            Some(Ok(value)) => Ok(Ok(value.clone_ref(py))),
            Some(Err(error)) => Ok(Err(error.clone_ref(py))),
            None => Err(PyValueError::new_err("this result has not arrived")),
        }
    }
}

#[pymethods]
impl AsyncResult {
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
        Ok(self.outcome(py, timeout)?.err().map(|error| error.into_value(py).into_any()))
    }

    /// Waits until the result has arrived, at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        self.wait_settled(py, timeout).map(drop)
    }

    /// Whether the result has arrived.
    fn ready(&self, py: Python<'_>) -> bool {
        self.settle(py).1
    }

    /// The same as `ready`, under the name of `concurrent.futures`.
    fn done(&self, py: Python<'_>) -> bool {
        self.settle(py).1
    }

    /// Whether the task returned. `ValueError` before the result has arrived.
    fn successful(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.settle(py).0.outcome {
            Some(outcome) => Ok(outcome.is_ok()),
            None => Err(PyValueError::new_err("the result has not arrived: call wait() or get() first")),
        }
    }

    /// Whether the result has not arrived and was not cancelled.
    fn running(&self, py: Python<'_>) -> bool {
        !self.settle(py).1
    }

    /// Whether `cancel` succeeded.
    fn cancelled(&self, py: Python<'_>) -> bool {
        self.lock(py).cancelled
    }

    /// Ends what has not started; true if nothing had. What runs goes on.
    fn cancel(&self, py: Python<'_>) -> bool {
        let (mut state, settled) = self.settle(py);
        if settled || self.pool.is_foreign() {
            return state.cancelled;
        }
        state.cancelled = self.pool.cancel_unstarted(self.call);
        state.cancelled
    }

    /// Calls `callback(self)` once the result has arrived: in a thread of the pool, or now if it has.
    fn add_done_callback(slf: &Bound<'_, Self>, callback: Py<PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (mut state, settled) = this.settle(py);
        if settled {
            drop(state);
            callback.call1(py, (slf,))?;
            return Ok(());
        }
        state.callbacks.push(callback);
        let first = state.callbacks.len() == 1;
        drop(state);
        if first {
            py.import("manyhands._callbacks")?.getattr("watch")?.call1((slf,))?;
        }
        Ok(())
    }

    /// The callbacks that wait, for the thread that runs them; they are handed out once.
    fn take_callbacks(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        std::mem::take(&mut self.lock(py).callbacks)
    }

    /// Asks the engine to announce the completion among `Engine.completions`.
    fn announce(&self) {
        self.pool.announce_completion(self.call);
    }

    /// Shows how many items have ended on a display; whether all have, and it was closed.
    fn show(&self, py: Python<'_>, display: Py<PyAny>) -> PyResult<bool> {
        let settled = self.settle(py).1;
        let status = self.pool.status(self.call);
        let mut progress = Progress::new(py, Some(&display));
        let list = self.lock(py).outcome.as_ref().and_then(|outcome| {
            outcome.as_ref().ok().and_then(|value| value.bind(py).len().ok())
        });
        let done = status.map_or(list.unwrap_or(0) as u64, |status| status.settled);
        if settled {
            progress.finish(py, &self.pool, done)?;
        } else {
            progress.show(py, &self.pool, done)?;
        }
        Ok(settled)
    }

    /// The pool that runs it.
    #[getter]
    fn engine(&self, py: Python<'_>) -> Py<Engine> {
        self.engine.clone_ref(py)
    }

    /// The call's number among `Engine.completions`.
    #[getter]
    fn number(&self) -> u64 {
        self.call.number()
    }

    /// Awaits the result in an asyncio program.
    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("manyhands._callbacks")?.getattr("awaited")?.call1((slf,))
    }
}

impl Drop for AsyncResult {
    fn drop(&mut self) {
        if !self.pool.is_foreign() {
            self.pool.abandon(self.call);
        }
    }
}
